"""MPI: found, started, and told when this process fails.

``mpi4py`` with the ``mpich`` wheel carries every message. It is imported by ``init_process_group``, not before, so that
programs that use one process pay nothing for it.

A process that fails must not leave the others waiting. What ends the job, in order of likelihood:

- an uncaught exception: reported as always, then ``MPI_Abort`` ends every process of the job (``_report_and_abort``);
- a killed process: the launcher sees it and ends the others;
- a process that leaves in another way (``sys.exit``, the end of its program) while others still wait for it: it tells them
  (``announce_departure``), and whoever waits for it raises, which ends the job as above;
- one that leaves by ``os._exit(0)``: the same (``_leave``);
- a process that hangs: the collective's timeout.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from .environment import Place, find_place
from .errors import DistBackendError, DistError

_mpi: Any = None
_notes: Any = None  # the communicator of departures: never freed, so that a late note meets no other message
_departed: dict[tuple[int, int], float] = {}  # (generation, world rank): when its note came
_DEPARTURE = 1
FOR_GOOD = -1  # the generation of all groups
_report: Any = None  # the excepthook that was there before ours
_started_in = -1  # the process's id: what is forked afterwards has the variables here, but not MPI
_watches: list[Any] = []  # what threads of the system run: C's pointers, which must live as long


def is_installed() -> bool:
    """Whether mpi4py can be imported."""
    from importlib import util

    return util.find_spec("mpi4py") is not None


def check_installed() -> None:
    """``RuntimeError`` where mpi4py is not installed."""
    if not is_installed():
        raise RuntimeError('init_process_group: mpi4py is not installed; pip install "rushlight[mpi]"')


def has_started() -> bool:
    """Whether MPI runs in this very process."""
    return _mpi is not None and _started_in == os.getpid()


def mpi() -> Any:
    """mpi4py's ``MPI`` module, which is running: see ``start``."""
    assert _mpi is not None
    return _mpi


def start(timeout: float) -> Any:
    """Import and initialise MPI once in a process; returns mpi4py's ``MPI`` module.

    Every process of the job must come here: one that has not after ``timeout`` seconds ends the job. Raises
    ``RuntimeError`` where mpi4py or its MPI library is missing.
    """
    global _mpi, _started_in
    if _mpi is not None:
        if _started_in != os.getpid():
            raise RuntimeError(
                "init_process_group: MPI runs in the process that this one was forked from, and can't be started here again; "
                'start processes with multiprocessing.set_start_method("spawn"), or the program with `rushlight launch -n N`'
            )
        return _mpi
    try:
        package: Any = importlib.import_module("mpi4py")
        # Not at import: Init_thread lets other threads run, and so the watchdog.
        package.rc.initialize = False
        package.rc.finalize = True
        module: Any = importlib.import_module("mpi4py.MPI")
    except (ImportError, RuntimeError) as error:
        raise RuntimeError(
            f'init_process_group: MPI is not usable here ({error}); install it with pip install "rushlight[mpi]"'
        ) from error
    if not module.Is_initialized():
        _initialize(module, timeout)
    _mpi, _started_in = module, os.getpid()
    end_the_job_on_errors()
    if is_one_of_several():
        os._exit = _leave
    return module


def _initialize(module: Any, timeout: float) -> None:
    """MPI_Init, which waits for every process of the job without a limit of its own."""
    place = find_place()
    if place is None or place.size == 1:
        module.Init_thread(module.THREAD_MULTIPLE)
        return

    def give_up() -> None:
        sys.stderr.write(
            f"init_process_group: rank {place.rank} of {place.size} waited {timeout:g} s for the other processes to "
            "start MPI; the job ends here. One of them may have ended before it called init_process_group().\n"
        )
        sys.stderr.flush()
        os._exit(1)

    call_off = after(timeout, give_up)
    try:
        module.Init_thread(module.THREAD_MULTIPLE)
    finally:
        call_off()


# --- the end of a process ---------------------------------------------------------------------------------------------


def end_the_job_on_errors() -> None:
    """From now on an uncaught exception in this process ends all processes of its job."""
    global _report
    if sys.excepthook is not _report_and_abort:
        _report = sys.excepthook
        sys.excepthook = _report_and_abort


_exit = os._exit


def _leave(status: int) -> NoReturn:
    """``os._exit``. mpiexec ends the other ranks of one that leaves so, and where the status is 0 it calls that a success: the
    program's work would be lost without a word. So that rank says farewell first, as at any other end."""
    module = _mpi
    if status == 0 and has_started() and not module.Is_finalized():
        with contextlib.suppress(Exception):
            announce_departure(FOR_GOOD)
            module.Finalize()
    _exit(status)


def _report_and_abort(kind: Any, value: Any, trace: Any) -> None:
    place = find_place()
    if isinstance(value, DistError) and place is not None:
        # Other ranks have this error too. One shows it and ends the job; the others leave it the time to.
        time.sleep(min(0.8 * place.rank, 5))
    if place is not None and place.size > 1:
        sys.stderr.write(f"rank {place.rank} of {place.size} failed; the job ends:\n")
    _report(kind, value, trace)
    if place is not None and place.size > 1:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        time.sleep(0.3)  # mpiexec passes on what a rank writes; an abort cuts off what it has not read yet
    abort(1)


def abort(code: int) -> None:
    """End every process of the job now, with exit code ``code``. Does nothing in a job of one process."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    joining = sys.modules.get("rushlight.distributed.joining")
    if joining is not None:
        joining.end_the_job(code)
    module = _mpi
    if module is None:
        # Others may wait in MPI_Init for this process, where only MPI can reach them.
        if not is_one_of_several():
            return
        # If they never come there, this process ends alone, and they by themselves.
        after(20, lambda: os._exit(code))
        try:
            package: Any = importlib.import_module("mpi4py")
            package.rc.initialize = False
            module = importlib.import_module("mpi4py.MPI")
            if not module.Is_initialized():
                module.Init_thread(module.THREAD_MULTIPLE)
        except (ImportError, RuntimeError):
            return
    if module.Is_initialized() and not module.Is_finalized() and module.COMM_WORLD.Get_size() > 1:
        module.COMM_WORLD.Abort(code)


def open_notes(timeout: float) -> None:
    """Make the communicator of departures; every process does, right after it has started."""
    global _notes
    if _notes is None:
        _notes = duplicate(mpi().COMM_WORLD, timeout)


def duplicate(communicator: Any, timeout: float) -> Any:
    """A communicator of the same processes; raises ``DistBackendError`` if one of them does not ask for it too."""
    copy, request = communicator.Idup()
    deadline = time.monotonic() + timeout
    pause = 1e-5
    while not request.Test():
        gone = sorted(departed(FOR_GOOD))
        if gone:
            raise DistBackendError(
                f"init_process_group: rank {communicator.Get_rank()} waits for rank {', '.join(map(str, gone))}, whose program "
                "has ended"
            )
        if time.monotonic() > deadline:
            raise DistBackendError(
                f"init_process_group: rank {communicator.Get_rank()} of {communicator.Get_size()} waited {timeout:g} s for "
                "the other processes; each must call init_process_group() once"
            )
        time.sleep(pause)
        pause = min(2 * pause, 1e-3)
    return copy


def announce_departure(generation: int) -> None:
    """Tell every other process that this one takes no more part in the job's groups of ``generation``."""
    module = _mpi
    if _notes is None or module is None or module.Is_finalized():
        return
    note = np.array([generation], np.int64)
    me = _notes.Get_rank()
    requests = [_notes.Isend(note, other, _DEPARTURE) for other in range(_notes.Get_size()) if other != me]
    # Small messages are complete once they are on their way; nobody is obliged to read them.
    deadline = time.monotonic() + 1.0
    while requests and not module.Request.Testall(requests) and time.monotonic() < deadline:
        time.sleep(0.001)


def departed(generation: int) -> set[int]:
    """The world ranks that have left the groups of ``generation``, as far as this process was told a second ago.

    A note may overtake the last messages of its sender: what was to come from there has come by then.
    """
    module = _mpi
    if _notes is not None:
        status = module.Status()
        while _notes.Iprobe(module.ANY_SOURCE, _DEPARTURE, status):
            note = np.empty(1, np.int64)
            _notes.Recv(note, status.Get_source(), _DEPARTURE)
            _departed.setdefault((int(note[0]), status.Get_source()), time.monotonic())
    believed = time.monotonic() - 1.0
    return {
        rank
        for (number, rank), since in _departed.items()
        if number in (generation, FOR_GOOD) and since < believed
    }


def translated(error: Exception, what: str) -> Exception:
    """MPI's exception as one of this package; any other as it is."""
    if _mpi is not None and isinstance(error, _mpi.Exception):
        return DistBackendError(f"{what}: MPI failed: {error}")
    return error


def place_in_world() -> Place:
    """This process's place as MPI has it, the part on its host from the environment."""
    world = mpi().COMM_WORLD
    rank, size = world.Get_rank(), world.Get_size()
    found = find_place()
    if found is None or (found.rank, found.size) != (rank, size):
        return Place(rank, size, rank, size, "MPI")
    return found


@atexit.register
def _at_exit() -> None:
    joining = sys.modules.get("rushlight.distributed.joining")
    if joining is not None:
        joining.end_if_failed()
    if _mpi is None and is_one_of_several():
        # The others may wait for this process in MPI_Init, where no message reaches them: meet them there.
        call_off = after(20, lambda: os._exit(0))
        try:
            start(60)
            open_notes(10)
        except RuntimeError:
            return
        finally:
            call_off()
    announce_departure(FOR_GOOD)


def is_one_of_several() -> bool:
    """Whether mpiexec started this very process, together with others.

    A program's own children (a DataLoader's workers) inherit its environment, but not its line to mpiexec.
    """
    place = find_place()
    if place is None or place.size == 1 or not is_installed():
        return False
    children = sys.modules.get("multiprocessing.process")
    if children is not None and children.parent_process() is not None:
        return False
    try:
        os.fstat(int(os.environ["PMI_FD"]))
    except (KeyError, ValueError, OSError):
        return False
    return True


def after(seconds: float, act: Callable[[], Any]) -> Callable[[], None]:
    """Call ``act`` in ``seconds`` from now, wherever this thread waits then; what is returned calls it off."""
    import threading

    called_off = threading.Event()

    def watch(*_: Any) -> None:
        if not called_off.wait(seconds):
            act()

    try:
        threading.Thread(target=watch, daemon=True).start()
    except RuntimeError:  # Python 3.12 starts no thread once it has begun to end; the system still does
        _start_system_thread(watch)
    return called_off.set


def _start_system_thread(run: Callable[..., None]) -> None:
    import ctypes

    _watches.append(ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(run))
    ctypes.CDLL(None).pthread_create(ctypes.byref(ctypes.c_void_p()), None, _watches[-1], None)
