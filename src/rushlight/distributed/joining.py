"""Processes that no MPI launcher started, made the ranks of one job.

PyTorch's programs often start their processes themselves, with ``torch.multiprocessing.spawn``, ``multiprocessing.Process`` or
in several terminals, and tell ``init_process_group`` the rank, the number of ranks and an address. Here rank 0 of them
starts the mpiexec that came with MPI, with a stand-in (``stand_in``) for each rank. mpiexec's process manager tells each
stand-in where it waits for the rank; the rank reads it and starts MPI with it, and is from then on a rank like any other.
All messages are MPI's; what is used here are a folder of FIFOs and mpiexec.

The address (MASTER_ADDR and MASTER_PORT, or ``init_method``) is the name under which the ranks find each other's folder. Its
host must be this one: the ranks of several hosts are started by ``rushlight launch``.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from .environment import Place, find_mpiexec, find_place
from .errors import DistNetworkError, DistStoreError
from .stand_in import FAREWELL, REPORTED

_up = -1  # the FIFO to this rank's stand-in
_process = -1  # the rank's id: not that of what it forks
_mpiexec = -1  # rank 0's child
_last_word = b""
_failed_with: int | None = None  # the exit code of a child of multiprocessing


class Meeting(NamedTuple):
    """What a program says of its processes: this one's rank, how many there are, and a name that they all know."""

    rank: int
    size: int
    host: str
    name: str


def announced(
    init_method: str | None,
    rank: int,
    size: int,
    environment: Mapping[str, str] | None = None,
    store: Any = None,
) -> Meeting | None:
    """The meeting that ``init_process_group``'s arguments and the environment speak of; None for a process by itself.

    Raises ``ValueError`` where only one of rank and size is known, or no address, and ``RuntimeError`` for an ``init_method``
    of another kind, as PyTorch does.

    Example:
        >>> announced("tcp://127.0.0.1:29500", 1, 2, {})
        Meeting(rank=1, size=2, host='127.0.0.1', name='tcp 29500')
    """
    found = os.environ if environment is None else environment
    scheme, _, rest = (init_method or "env://").partition("://")
    if store is None and scheme not in ("env", "file", "tcp"):
        raise RuntimeError(
            f"No rendezvous handler for {scheme if rest else ''}://; there are env://, file:// and tcp://"
        )
    address, _, query = rest.partition("?")
    given = dict(part.split("=", 1) for part in query.split("&") if "=" in part)
    rank = int(given.get("rank", rank))
    size = int(given.get("world_size", size))
    while hasattr(store, "underlying_store"):
        store = store.underlying_store
    if store is not None:
        scheme = "store"
    if scheme == "env":
        rank = rank if rank >= 0 else int(found.get("RANK", -1))
        size = size if size >= 0 else int(found.get("WORLD_SIZE", -1))
    if size <= 1 and rank <= 0:
        return None
    for what, value, variable in (("rank", rank, "RANK"), ("world_size", size, "WORLD_SIZE")):
        if value < 0:
            raise ValueError(
                f"Error initializing torch.distributed using {scheme}:// rendezvous: {what} parameter missing: pass "
                f"{what}, set "
                f"the environment variable {variable}, or start the program with `rushlight launch -n N`"
            )
    if rank >= size:
        raise ValueError(
            f"init_process_group: got rank {rank} of world_size {size}; ranks are 0 to {size - 1}"
        )
    if store is not None:
        path = getattr(store, "path", None)
        if path is None:
            raise ValueError(
                "init_process_group: a HashStore belongs to one process; give a TCPStore or FileStore, or an init_method"
            )
        return Meeting(rank, size, "localhost", f"store {os.path.realpath(path)}")
    if scheme == "file":
        return Meeting(rank, size, "localhost", f"file {os.path.realpath(address)}")
    if scheme == "tcp":
        host, _, port = address.rpartition(":")
        return Meeting(rank, size, host.strip("[]"), f"tcp {port}")
    for variable in ("MASTER_ADDR", "MASTER_PORT"):
        if variable not in found:
            raise ValueError(
                "Error initializing torch.distributed using env:// rendezvous: environment variable "
                f"{variable} expected, but not set; or start the program with `rushlight launch -n {size}`"
            )
    return Meeting(rank, size, found["MASTER_ADDR"], f"tcp {found['MASTER_PORT']}")


def needs_a_meeting() -> bool:
    """Whether no launcher of MPI started this very process."""
    place = find_place()
    if place is None or place.launcher == "torchrun":
        return True
    # A child of multiprocessing has the variables of a parent that mpiexec started, but no line of its own to it.
    return place.launcher == "mpiexec" and _is_child()


def forget_launcher() -> None:
    """Drop what a parent's launcher told that parent: MPI would take this process for it."""
    for name in [name for name in os.environ if name.startswith(("PMI_", "MPI_LOCAL"))]:
        del os.environ[name]


def _is_child() -> bool:
    children = sys.modules.get("multiprocessing.process")
    return children is not None and children.parent_process() is not None


def join(meeting: Meeting, timeout: float) -> None:
    """Meet the other processes, and set the variables with which MPI starts as one of them.

    Raises ``DistStoreError`` if they do not come within ``timeout`` seconds, ``DistNetworkError`` for an address of
    another host, ``RuntimeError`` where mpiexec is missing or cannot do this.
    """
    global _up, _process
    started_with = f"start the program with `rushlight launch -n {meeting.size}`"
    if os.name != "posix":
        raise RuntimeError(
            f"init_process_group: on {os.name} processes can't become ranks afterwards; {started_with}"
        )
    if not is_this_host(meeting.host):
        raise DistNetworkError(
            f"init_process_group: MASTER_ADDR {meeting.host!r} is not this host; ranks on several hosts are started with "
            f"`rushlight launch -n {meeting.size} --hosts A,B`"
        )
    deadline = time.monotonic() + timeout
    pointers = _pointers(meeting)
    if meeting.rank == 0:
        _call_the_meeting(meeting, pointers, started_with)
    try:
        folder, down, variables = _meet(meeting, pointers, deadline, timeout)
    except BaseException:
        _remove(pointers, meeting)
        raise
    _up, _process = os.open(os.path.join(folder, f"{meeting.rank}.up"), os.O_WRONLY), os.getpid()
    os.register_at_fork(after_in_child=lambda: _close(down, _up))
    # All must be here before MPI starts: it waits for them without a limit.
    while missing := _missing(folder, meeting.size):
        if time.monotonic() > deadline:
            _remove(pointers, meeting)
            _say(REPORTED)
            raise _nobody_came(meeting, missing, timeout)
        time.sleep(0.005)
    _remove(pointers, meeting)
    forget_launcher()
    os.environ.update(variables)
    # A forked child of multiprocessing ends by os._exit, and a parent may wait for its children: MPI_Finalize must not wait
    # for all ranks.
    os.environ.setdefault("MPIR_CVAR_NO_COLLECTIVE_FINALIZE", "1")
    os.environ["PMI_PORT"] = "127.0.0.1:" + variables["PMI_PORT"].rpartition(":")[2]
    _end_with_the_others(folder, down, meeting)
    _say_farewell_at_the_end()


def started(place: Place) -> None:
    """MPI has started: forget its variables, which are not for this process's children, keep what tells the place, and
    divide the processors among the ranks."""
    for name in ("PMI_PORT", "PMI_ID", "PMI_FD"):
        os.environ.pop(name, None)
    os.environ.update({"PMI_RANK": str(place.rank), "PMI_SIZE": str(place.size)})
    if "OMP_NUM_THREADS" not in os.environ:
        # As `rushlight launch` does: ranks that each use all processors are slower than one.
        from ..core.machine import processors
        from ..core.threads import get_num_threads, set_num_threads

        share = max(1, processors().usable // place.local_size)
        if get_num_threads() > share:
            set_num_threads(share)


# --- rank 0 ----------------------------------------------------------------------------------------------------------


def _pointers(meeting: Meeting) -> list[str]:
    """Links with names that all ranks can make out, to the folder of their meeting."""
    import hashlib
    import tempfile

    found = []
    for key in keys_of_this_program():
        name = f"{os.getuid()} {key} {meeting.size} {meeting.name}"
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        found.append(os.path.join(tempfile.gettempdir(), f"rushlight-meeting-{digest}"))
    return found


def keys_of_this_program() -> list[int]:
    """Numbers by which this process and others of its program know each other.

    A child of ``multiprocessing`` knows its parent's, and a parent its own: programs that run at the same time never mean each
    other, though both use port 29500. What is started in several terminals has 0 in common.
    """
    return [os.getppid()] if _is_child() else [os.getpid(), 0]


def _call_the_meeting(meeting: Meeting, pointers: list[str], started_with: str) -> None:
    global _mpiexec
    import tempfile

    mpiexec = find_mpiexec()
    if mpiexec is None:
        raise RuntimeError(
            'init_process_group: no mpiexec was found beside Python or on the PATH: pip install "rushlight[mpi]"'
        )
    folder = tempfile.mkdtemp(prefix="rushlight-ranks-")
    for rank in range(meeting.size):
        for end in ("down", "up"):
            os.mkfifo(os.path.join(folder, f"{rank}.{end}"), 0o600)
    # The stand-ins are on this host, whatever job of SLURM this may be inside of.
    # They end each other, since mpiexec takes a forked child of multiprocessing for dead: it ends by os._exit, and
    # MPICH takes leave of mpiexec in C's atexit.
    command = [mpiexec, "-launcher", "fork", "-rmk", "user", "-pmi-port", "-disable-auto-cleanup"]
    command += ["-n", str(meeting.size)]
    command += [sys.executable, "-I", "-S", os.path.join(os.path.dirname(__file__), "stand_in.py"), folder]
    own = ("PMI", "MPI_LOCAL", "HYD", "SLURM_", "PYTHON")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    nothing = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    try:
        # In a process group of its own: Ctrl-C is for the ranks, which end it.
        _mpiexec = os.posix_spawn(mpiexec, command, environment, file_actions=nothing, setpgroup=0)
    except OSError as error:
        raise RuntimeError(f"init_process_group: {mpiexec} cannot run ({error}); {started_with}") from error
    for pointer in pointers:
        made = f"{folder}.link"
        os.symlink(folder, made)
        os.replace(made, pointer)


# --- every rank -------------------------------------------------------------------------------------------------------


def _meet(
    meeting: Meeting, pointers: list[str], deadline: float, timeout: float
) -> tuple[str, int, dict[str, str]]:
    """The folder, the open FIFO from this rank's stand-in, and the variables that came through it."""
    folder, down, text = "", -1, b""
    while True:
        found = next(filter(None, map(_read_link, pointers)), "")
        if found and found != folder:
            _close(down)
            folder, text = found, b""
            down = _open_for_reading(os.path.join(folder, f"{meeting.rank}.down"))
        if down >= 0:
            with contextlib.suppress(BlockingIOError):
                text += os.read(down, 1 << 16)
            if text.endswith(b"\n\n"):
                break
        if _is_unusable(folder):
            raise RuntimeError(
                f"init_process_group: {find_mpiexec()} has no -pmi-port as MPICH's has, and can't take in processes that it "
                f"did not start; start the program with `rushlight launch -n {meeting.size}`"
            )
        if time.monotonic() > deadline:
            raise _nobody_came(meeting, _missing(folder, meeting.size) if folder else [0], timeout)
        time.sleep(0.005)
    os.set_blocking(down, True)
    variables = dict(line.split("=", 1) for line in text.decode().splitlines() if line)
    return folder, down, variables


def _is_unusable(folder: str) -> bool:
    """Whether mpiexec has ended already, or its processes have no address of their manager."""
    if _mpiexec > 0:
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(_mpiexec, os.WNOHANG)[0]:
                return True
    return bool(folder) and os.path.exists(os.path.join(folder, "unusable"))


def _remove(pointers: list[str], meeting: Meeting) -> None:
    for pointer in pointers if meeting.rank == 0 else ():
        with contextlib.suppress(OSError):
            os.unlink(pointer)


def _read_link(pointer: str) -> str:
    try:
        if os.lstat(pointer).st_uid != os.getuid():  # somebody else's, in a folder that all may write to
            return ""
        return os.readlink(pointer)
    except OSError:
        return ""


def _open_for_reading(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:  # an earlier job's, whose rank has been there
        return -1


def _missing(folder: str, size: int) -> list[int]:
    """The ranks that have not met their stand-ins, which remove the FIFOs."""
    return [rank for rank in range(size) if os.path.exists(os.path.join(folder, f"{rank}.down"))]


def _nobody_came(meeting: Meeting, missing: list[int], timeout: float) -> DistStoreError:
    others = [rank for rank in missing if rank != meeting.rank] or [0]
    return DistStoreError(
        f"init_process_group: timed out after {timeout:g} s: rank {meeting.rank} of {meeting.size} waited for rank "
        f"{', '.join(map(str, others))} at {meeting.host}, {meeting.name}. Every rank must call init_process_group() with "
        "the same address and world_size"
    )


def is_this_host(host: str) -> bool:
    """Whether a host's name or address is that of the machine that this runs on.

    Example:
        >>> is_this_host("127.0.0.1")
        True
    """
    if host in ("", "localhost", "0.0.0.0", "::1", "::") or host.startswith("127."):
        return True
    import socket  # only to ask for names

    own = socket.gethostname()
    if host in (own, own.partition(".")[0]):
        return True
    try:
        return socket.gethostbyname(host) in (*socket.gethostbyname_ex(own)[2], "127.0.0.1")
    except OSError:
        return False


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)


# --- the end ----------------------------------------------------------------------------------------------------------


def _end_with_the_others(folder: str, down: int, meeting: Meeting) -> None:
    """End this process when its stand-in ends: mpiexec has ended the job, because another rank has failed."""
    import threading

    def watch() -> None:
        while True:
            with contextlib.suppress(InterruptedError):
                if not os.read(down, 64):
                    break
        if _last_word == FAREWELL:  # in MPI_Finalize, which waits for the ranks that have failed
            os._exit(0)
        time.sleep(0.2)  # whoever fails with an error of its own is about to show it
        if _last_word:
            return
        try:
            with open(os.path.join(folder, "ended")) as file:
                ended = file.read()
            os.rename(os.path.join(folder, "ended"), os.path.join(folder, "told"))  # one rank reports for all
            sys.stderr.write(
                f"rank {ended} of {meeting.size} ended without a word (killed, or out of memory?); the job ends\n"
            )
            sys.stderr.flush()
        except (OSError, ValueError):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="rushlight-end-with-the-others").start()


def _say(word: bytes) -> None:
    global _last_word
    if not _last_word and _process == os.getpid():
        _last_word = word
        with contextlib.suppress(OSError):
            os.write(_up, word)


def _say_farewell_at_the_end() -> None:
    if _is_child():
        # A forked child runs no atexit functions, and no child of multiprocessing calls sys.excepthook.
        from multiprocessing import util

        util.Finalize(None, _leave_as_child, exitpriority=0)
    else:
        import atexit

        atexit.register(_say, FAREWELL)


def _leave_as_child() -> None:
    global _failed_with
    error = sys.exc_info()[1]
    if error is not None and not (isinstance(error, SystemExit) and error.code in (None, 0)):
        # multiprocessing is about to show it.
        _failed_with = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
        _say(REPORTED)
        return
    from . import engine

    engine.announce_departure(engine.FOR_GOOD)
    _say(FAREWELL)


def end_the_job(code: int) -> None:
    """End this process, which has shown its error, and with it the others; does nothing where a launcher started it.

    Not by MPI_Abort, which would end the stand-ins before they have put things in order.
    """
    if _process == os.getpid() and not _last_word:
        _say(REPORTED)
        os._exit(code)


def end_if_failed() -> None:
    """End a process of ``multiprocessing`` that has failed now, with its exit code: MPI_Finalize would wait for the other
    ranks."""
    if _failed_with is not None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(_failed_with)
