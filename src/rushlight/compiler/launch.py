"""What the planner and the kernels agree on: launches of native kernels on places in memory.

A ``KernelCall`` is one launch as whoever makes kernels describes it: the kernel's code, its integers, how many work units it
has, and which values it reads and writes, by role. The planner turns roles into places (``Place``), and the plan's
native loop turns places into addresses on every run.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple


class Role(Enum):
    """Whose memory a kernel's pointer names."""

    OPERAND = "operand"  # number: which operand of the node
    RESULT = "result"  # number: which result
    WORKSPACE = "workspace"  # number: which of ``KernelCall.workspaces``, shared by all workers

    def __hash__(self) -> int:
        return hash(self.value)


class Pointer(NamedTuple):
    """A kernel's pointer: a role, and a distance in bytes from the beginning of that memory."""

    role: Role
    number: int
    offset: int = 0


class KernelCall(NamedTuple):
    """One launch of the native function ``name`` in the LLVM module ``text`` (the signature of ``ir/loops.py``).

    ``units``: how many work units there are; ``grain``: how many a worker should take at a time (at least; a matter of
    speed alone). ``workspaces``: sizes in bytes of memory that lives from the first launch of a node that names it to the
    node's last; ``scratch``: bytes for each worker. ``accumulates``: numbers of results that must be zero before.
    ``flops`` and ``label`` are for ``explain``.
    """

    text: str
    name: str
    ints: tuple[int, ...]
    pointers: tuple[Pointer, ...]
    units: int
    grain: int = 1
    workspaces: tuple[int, ...] = ()
    scratch: int = 0
    accumulates: tuple[int, ...] = ()
    flops: int = 0
    label: str = ""


class Space(Enum):
    """Where a place is."""

    INPUT = 0  # number: which input of the graph
    OUTPUT = 1  # number: which fresh output, in the order of the graph's outputs that go into no input
    ARENA = 2  # the plan's own memory; number unused

    def __hash__(self) -> int:
        return int(self.value)


class Place(NamedTuple):
    """An address known only when the plan runs."""

    space: Space
    number: int
    offset: int


class Launch(NamedTuple):
    """One line of a plan's table: a native kernel on places.

    ``overlaps``: it may run at the same time as the line before (and as those that that one overlaps): neither writes to
    memory that the other reads or writes.
    """

    text: str
    name: str
    ints: tuple[int, ...]
    places: tuple[Place, ...]
    units: int
    grain: int
    scratch: int
    label: str = ""
    sites: tuple[Any, ...] = ()
    flops: int = 0
    bytes: int = 0
    overlaps: bool = False


class HostLaunch(NamedTuple):
    """A line of a plan that runs in Python: ``function(*operand arrays)`` gives the result or a tuple of results.

    Operands and results are given as (place, shape, NumPy dtype): contiguous arrays. ``function`` may keep none of its
    operands; what it gives is copied into the results' places. One with a method ``into(results, operands)`` writes there
    itself.
    """

    function: Any
    operands: tuple[tuple[Place, tuple[int, ...], Any], ...]
    results: tuple[tuple[Place, tuple[int, ...], Any], ...]
    label: str = ""
    sites: tuple[Any, ...] = ()
