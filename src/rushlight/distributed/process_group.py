"""Groups of processes: made, asked, and destroyed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from . import engine, joining, work as under_way
from .agreement import agree
from .environment import find_place, set_torchrun_variables

default_pg_timeout: Final = timedelta(minutes=30)
_BACKENDS: Final = ("gloo", "nccl", "mpi", "ucc", "xccl", "undefined")


class ProcessGroup:
    """Ranks that communicate. The functions of this package take one as ``group``; None means all ranks."""

    # Slots: what a compiled function is looked through for changes ends at a group, whose ranks stay what they are.
    __slots__ = (
        "__weakref__", "_number", "_rank", "backend", "comm", "control", "generation", "group_name", "links", "queue", "ranks",
        "spin_seconds", "stage", "timeout", "world_rank",
    )  # fmt: skip

    def __init__(
        self,
        comm: Any,
        control: Any,
        ranks: Sequence[int],
        backend: str,
        timeout: float,
        generation: int,
        name: str,
    ) -> None:
        self.comm = comm  # what the program sends
        self.control = control  # what the ranks say to each other about it
        self.ranks = tuple(ranks)  # world ranks, in the group's order
        self.backend = backend
        self.timeout = timeout
        self.generation = generation
        self.group_name = name
        self.world_rank: int = engine.mpi().COMM_WORLD.Get_rank()
        self.spin_seconds = under_way.spin_seconds(engine.place_in_world().local_size)
        self.queue: list[under_way.Work] = []
        self.stage: Any = None  # memory that its ranks share: see ``stage``
        self.links: dict[Any, Any] = {}  # NCCL's communicators by GPU: see ``nccl``
        self._rank: int = comm.Get_rank()
        self._number = {rank: number for number, rank in enumerate(self.ranks)}

    def rank(self) -> int:
        """This process's number in the group."""
        return self._rank

    def size(self) -> int:
        """How many processes the group has."""
        return len(self.ranks)

    def name(self) -> str:
        """The backend's name, as it was asked for."""
        return self.backend

    def number_of(self, global_rank: int) -> int:
        """The number in this group of a process of the world; raises ``ValueError`` for one that is not in it."""
        number = self._number.get(global_rank)
        if number is None:
            raise ValueError(f"Global rank {global_rank} is not part of group {self.ranks}")
        return number

    def __repr__(self) -> str:
        return f"<ProcessGroup {self.group_name}: ranks {list(self.ranks)}, backend {self.backend!r}>"


class _NonMember:
    def __repr__(self) -> str:
        return "<not a member of the group>"


class GroupMember:
    """``GroupMember.WORLD`` is the group of all ranks; ``NON_GROUP_MEMBER`` is what ``new_group`` gives to others."""

    WORLD: ProcessGroup | None = None
    NON_GROUP_MEMBER: Any = _NonMember()


class group(GroupMember):
    """PyTorch's second name for ``GroupMember``."""


_groups: list[ProcessGroup] = []
_generation = 0
_made = 0


# --- the default group ------------------------------------------------------------------------------------------------


def is_available() -> bool:
    """True: the package is always there. Whether processes can talk is ``is_mpi_available()``.

    Example:
        >>> is_available()
        True
    """
    return True


def is_mpi_available() -> bool:
    """Whether mpi4py is installed, which carries all backends (``pip install "rushlight[mpi]"``)."""
    return engine.is_installed()


def is_gloo_available() -> bool:
    """As ``is_mpi_available``: programs that ask for gloo get MPI."""
    return engine.is_installed()


def is_nccl_available() -> bool:
    """Whether CuPy finds a GPU and NCCL. ``init_process_group("nccl")`` is accepted without: CPU tensors travel over MPI."""
    from .nccl import library

    return engine.is_installed() and library() is not None


def is_ucc_available() -> bool:
    """False."""
    return False


def is_backend_available(backend: str) -> bool:
    """Whether ``backend`` is one that ``init_process_group`` takes and that works here."""
    if backend.lower() == "nccl":
        return is_nccl_available()
    return backend.lower() in ("gloo", "mpi") and engine.is_installed()


def get_default_backend_for_device(device: Any) -> str:
    """The backend that PyTorch would choose for tensors of ``device``: ``"nccl"`` for CUDA, ``"gloo"`` for the CPU.

    Raises ``ValueError`` for other devices.

    Example:
        >>> get_default_backend_for_device("cpu")
        'gloo'
    """
    kind = str(getattr(device, "type", device)).partition(":")[0]
    if kind not in ("cpu", "cuda"):
        raise ValueError(f"Default backend not registered for device : {kind}")
    return "nccl" if kind == "cuda" else "gloo"


def get_pg_count() -> int:
    """How many groups this process has made and not destroyed.

    Example:
        >>> get_pg_count()
        0
    """
    return len(_groups)


def is_initialized() -> bool:
    """Whether ``init_process_group`` was called, and ``destroy_process_group`` not since.

    Example:
        >>> is_initialized()
        False
    """
    return GroupMember.WORLD is not None


def is_torchelastic_launched() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: timedelta | None = None,
    world_size: int = -1,
    rank: int = -1,
    store: Any = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
) -> None:
    """Join the job: all its processes call this once, before any other function of this package.

    Args:
        backend: ``"gloo"``, ``"nccl"``, ``"mpi"`` or a list for devices such as ``"cpu:gloo,cuda:nccl"``. The name is kept
            (``get_backend``); MPI carries them all.
        timeout: how long an operation waits for other ranks before it raises; 30 minutes.
        world_size, rank: checked against what MPI says, where a launcher started this process.
        init_method, store: the place where processes meet that no launcher started (``torch.multiprocessing.spawn``, several
            terminals): ``"env://"`` (the default: MASTER_ADDR and MASTER_PORT, RANK and WORLD_SIZE where they are not
            given), ``"tcp://localhost:29500"``, ``"file:///path"``, or a ``TCPStore`` or ``FileStore``. The host must
            be this one.
        pg_options, device_id: accepted.

    Start processes with ``rushlight launch -n 4 train.py``, ``mpiexec -n 4 python train.py`` or
    ``srun --mpi=pmi2 python train.py``, or by the program itself. A process that nobody says anything to is a job of one.

    Raises ``ValueError`` if called twice, for a backend that there is not or where the address is missing, ``RuntimeError``
    if mpi4py is missing or ``rank``, ``world_size`` or the environment say otherwise than MPI, ``DistBackendError`` if the
    other processes do not come in time.
    """
    global _generation
    if GroupMember.WORLD is not None:
        raise ValueError("trying to initialize the default process group twice!")
    name = _checked_backend(backend)
    seconds = _seconds(default_pg_timeout if timeout is None else timeout)
    meeting = None
    if not engine.has_started() and joining.needs_a_meeting():
        meeting = joining.announced(init_method, rank, world_size, store=store)
        joining.forget_launcher()
    if meeting is not None:
        engine.check_installed()
        joining.join(meeting, seconds)
    engine.start(seconds)
    place = engine.place_in_world()
    if meeting is not None:
        joining.started(place)
    _check_place(place.rank, place.size, rank, world_size)
    engine.open_notes(seconds)
    everyone = range(place.size)
    _generation += 1
    comm = engine.duplicate(engine.mpi().COMM_WORLD, seconds)
    control = engine.duplicate(engine.mpi().COMM_WORLD, seconds)
    world = ProcessGroup(comm, control, everyone, name, seconds, _generation, group_name or "default_pg")
    if meeting is None:
        set_torchrun_variables(place)
    GroupMember.WORLD = world
    _groups.append(world)


def _checked_backend(backend: str | None) -> str:
    if backend is None:
        return "undefined"
    if not isinstance(backend, str):
        raise ValueError(f"Backend constructor parameter must be string-ish, got {backend!r}")
    name = backend.lower()
    parts = [part.rpartition(":")[2] for part in name.split(",")]
    if any(part not in _BACKENDS for part in parts):
        raise ValueError(f"init_process_group: got backend {backend!r}; give 'gloo', 'nccl' or 'mpi'")
    return name


def _seconds(timeout: Any) -> float:
    if not isinstance(timeout, timedelta):
        raise TypeError(
            f"Expected timeout argument to be of type datetime.timedelta, got {type(timeout).__name__}"
        )
    return timeout.total_seconds()


def _check_place(rank: int, size: int, given_rank: int, given_size: int) -> None:
    expected = find_place()
    if size == 1 and expected is not None and expected.size > 1:
        advice = {
            "srun": "give srun the option --mpi=pmi2 (or --mpi=pmix), or use mpiexec inside the job",
            "torchrun": "start the program with `rushlight launch -n N` or mpiexec",
        }.get(
            expected.launcher,
            "the MPI library and the launcher do not belong together: use the same MPI's mpiexec",
        )
        raise RuntimeError(
            f"init_process_group: {expected.launcher} says that this is rank {expected.rank} of {expected.size}, but MPI sees "
            f"a job of one process; {advice}"
        )
    if given_size not in (-1, size):
        raise RuntimeError(
            f"init_process_group: world_size={given_size} was given, but the job has {size} process"
            f"{'' if size == 1 else 'es'}; start {given_size} with `rushlight launch -n {given_size}` or mpiexec"
        )
    if given_rank not in (-1, rank):
        raise RuntimeError(
            f"init_process_group: rank={given_rank} was given, but MPI says that this is rank {rank}; leave rank out, or pass "
            "int(os.environ['RANK']) under `rushlight launch`"
        )


def destroy_process_group(group: ProcessGroup | None = None) -> None:
    """Leave ``group`` (None: all groups; then ``init_process_group`` may be called again).

    Operations must have finished. Ranks that still wait for this one in a collective get an error.
    """
    if group is GroupMember.NON_GROUP_MEMBER:
        return
    world = _world()
    if group is None or group is world:
        leave()
        for one in reversed(_groups):
            _free(one)
        _groups.clear()
        GroupMember.WORLD = None
    else:
        if group not in _groups:
            raise ValueError("Invalid process group specified")
        _groups.remove(group)
        _free(group)


def leave() -> None:
    """Tell the other ranks that this one takes no more part: at the end of the program, or before."""
    world = GroupMember.WORLD
    if world is not None and world.size() > 1:
        engine.announce_departure(world.generation)


def _free(group: ProcessGroup) -> None:
    under_way.forget(group)
    # Freed by MPI itself at the end: MPI_Comm_free may wait for the other ranks, and this one must not.


def _world() -> ProcessGroup:
    world = GroupMember.WORLD
    if world is None:
        raise ValueError(
            "Default process group has not been initialized, please make sure to call init_process_group."
        )
    return world


def the_group(group: Any) -> ProcessGroup | None:
    """The group meant by an argument ``group``; None where this rank is not one of its members."""
    if group is None or group is GroupMember:
        return _world()
    if group is GroupMember.NON_GROUP_MEMBER:
        return None
    if not isinstance(group, ProcessGroup):
        raise TypeError(f"expected a process group, got {type(group).__name__}; make one with new_group()")
    _world()
    return group


# --- further groups ---------------------------------------------------------------------------------------------------


def new_group(
    ranks: Sequence[int] | None = None,
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    use_local_synchronization: bool = False,
    group_desc: str | None = None,
    device_id: Any = None,
) -> Any:
    """A group of some ranks, in ascending order; None means all.

    Every rank of the job calls this, members or not, with the same list; with ``use_local_synchronization`` the members
    alone. Others get ``GroupMember.NON_GROUP_MEMBER``. Raises ``ValueError`` for ranks that do not exist or come twice.
    """
    global _made
    world = _world()
    members = list(range(world.size())) if ranks is None else sorted(int(rank) for rank in ranks)
    if len(set(members)) != len(members):
        raise ValueError(f"new_group: got the ranks {list(ranks or ())}; each may come once")
    for rank in members:
        if not 0 <= rank < world.size():
            raise ValueError(
                "The new group's rank should be within the world_size set by init_process_group"
                f": got {rank}, the world size is {world.size()}"
            )
    if len(members) == 0:
        raise ValueError("new_group: got no ranks; give at least one")
    name = world.backend if backend is None else _checked_backend(backend)
    seconds = world.timeout if timeout is None else _seconds(timeout)
    inside = world.world_rank in members
    if not use_local_synchronization:
        # Also makes sure that everybody is here: making a communicator waits without a limit.
        under_way.run(world, "new_group", agree(world, f"new_group of ranks {members}"))
    elif not inside:
        return GroupMember.NON_GROUP_MEMBER
    _made += 1
    if not inside:
        return GroupMember.NON_GROUP_MEMBER
    selected = world.control.Get_group().Incl(members)
    comm = world.control.Create_group(selected, 0)
    control = world.control.Create_group(selected, 1)
    made = ProcessGroup(
        comm, control, members, name, seconds, world.generation, group_desc or f"group_{_made}"
    )
    _groups.append(made)
    return made


def new_subgroups_by_enumeration(
    ranks_per_subgroup_list: Sequence[Sequence[int]],
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    group_desc: str | None = None,
) -> tuple[Any, list[Any]]:
    """One group for each list of ranks; returns this rank's own group (or None) and all of them."""
    if not ranks_per_subgroup_list:
        raise ValueError("The arg 'ranks_per_subgroup_list' cannot be empty")
    flat = [rank for ranks in ranks_per_subgroup_list for rank in ranks]
    if len(set(flat)) != len(flat):
        raise ValueError("new_subgroups_by_enumeration: a rank is in two of the lists; each may be in one")
    me = _world().world_rank
    groups = [new_group(ranks, timeout, backend, pg_options) for ranks in ranks_per_subgroup_list]
    own = next(
        (made for made, ranks in zip(groups, ranks_per_subgroup_list, strict=True) if me in ranks), None
    )
    return own, groups


def new_subgroups(
    group_size: int | None = None,
    group: ProcessGroup | None = None,
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    group_desc: str | None = None,
) -> tuple[Any, list[Any]]:
    """Groups of ``group_size`` ranks that follow each other; by default the ranks of one host each."""
    size = _world().size()
    if group_size is None:
        group_size = int(os.environ.get("LOCAL_WORLD_SIZE", size))
    if group_size <= 0:
        raise ValueError(f"The arg 'group_size' ({group_size}) must be positive")
    if group_size > size:
        raise ValueError(f"The arg 'group_size' ({group_size}) must not exceed the world size ({size})")
    if size % group_size:
        raise ValueError(f"The world size ({size}) must be divisible by 'group_size={group_size}'")
    lists = [list(range(start, start + group_size)) for start in range(0, size, group_size)]
    return new_subgroups_by_enumeration(lists, timeout, backend, pg_options)


# --- questions --------------------------------------------------------------------------------------------------------


def get_rank(group: Any = None) -> int:
    """This process's number in ``group``; -1 if it is not a member."""
    found = the_group(group)
    return -1 if found is None else found.rank()


def get_world_size(group: Any = None) -> int:
    """How many processes ``group`` has; -1 if this one is not a member."""
    found = the_group(group)
    return -1 if found is None else found.size()


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """This process's number on its host; raises ``RuntimeError`` where neither a launcher nor ``fallback_rank`` tells."""
    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    place = find_place()
    if place is not None:
        return place.local_rank
    if fallback_rank is None:
        raise RuntimeError(
            "LOCAL_RANK is not in the environment. Consider passing fallback_rank to allow `get_node_local_rank` to work, "
            "assuming you are not running in a multi-device context and want the code to run locally instead."
        )
    return int(fallback_rank)


def get_backend(group: Any = None) -> str:
    """The backend's name as it was given to ``init_process_group``."""
    found = the_group(group)
    if found is None:
        raise ValueError("Invalid process group specified")
    return found.backend


def get_process_group_ranks(group: Any = None) -> list[int]:
    """The world ranks of the group's members, in the group's order."""
    found = the_group(group)
    if found is None:
        raise ValueError("Invalid process group specified")
    return list(found.ranks)


def get_group_rank(group: Any, global_rank: int) -> int:
    """The number in ``group`` of the process ``global_rank``; raises ``ValueError`` if it is not a member."""
    found = the_group(group)
    if found is None:
        raise ValueError("Invalid process group specified")
    return found.number_of(global_rank)


def get_global_rank(group: Any, group_rank: int) -> int:
    """The world rank of the group's member ``group_rank``; raises ``ValueError`` if there is none."""
    found = the_group(group)
    if found is None:
        raise ValueError("Invalid process group specified")
    if not 0 <= group_rank < found.size():
        raise ValueError(f"Group rank {group_rank} is not part of group {found.ranks}")
    return found.ranks[group_rank]
