"""The lines of a CUDA plan: kernels of ours, cuBLAS products, copies; beside ``HostLaunch``, which runs in NumPy.

Whoever makes lines for one node names memory by role (``Pointer``); ``placed`` turns these into places.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from .launch import Place, Pointer, Role, Space

# Where kernels note an index out of range: words of the program that the host reads, not memory of the arena.
FAULT_WORDS: Final = Place(Space.ARENA, 1, 0)
# The seed of a run's random numbers, and how many blocks of them were drawn before.
DRAW_STATE: Final = Place(Space.ARENA, 2, 0)
FAULTS: Final = Pointer(Role.WORKSPACE, -1)


class CudaLaunch(NamedTuple):
    """A kernel on ``grid`` blocks of ``block`` threads. Its arguments: one pointer for each of ``places``, then ``ints`` as
    64-bit integers. ``source`` is a whole translation unit, ``name`` the function in it."""

    source: str
    name: str
    grid: int
    block: int
    places: tuple[Any, ...]
    ints: tuple[int, ...]
    label: str = ""
    sites: tuple[Any, ...] = ()
    flops: int = 0
    bytes: int = 0


class CudaProduct(NamedTuple):
    """``c = alpha · op(a) @ op(b) + beta · c`` as cuBLAS has it: matrices in column order, m×k by k×n, ``batch`` of them at
    distances ``strides`` (elements). ``places``: a, b, c. ``alpha`` and ``beta``: numbers, or both the place of one in memory
    (in the dtype that is computed in)."""

    dtype: str
    transposed: tuple[bool, bool]
    m: int
    n: int
    k: int
    leading: tuple[int, int, int]
    batch: int
    strides: tuple[int, int, int]
    places: tuple[Any, ...]
    alpha: Any = 1.0
    beta: Any = 0.0
    label: str = "matmul"
    sites: tuple[Any, ...] = ()
    flops: int = 0
    bytes: int = 0


class CudaCopy(NamedTuple):
    """``bytes`` bytes from the first place to the second."""

    places: tuple[Any, ...]
    bytes: int
    label: str = "copy"
    sites: tuple[Any, ...] = ()
    flops: int = 0


class CudaClear(NamedTuple):
    """``bytes`` zero bytes at a place."""

    places: tuple[Any, ...]
    bytes: int
    label: str = "clear"
    sites: tuple[Any, ...] = ()
    flops: int = 0


CudaLine = CudaLaunch | CudaProduct | CudaCopy | CudaClear


class Lines(NamedTuple):
    """What computes one node: lines on pointers by role, and the sizes of the workspaces that they name."""

    lines: tuple[CudaLine, ...]
    workspaces: tuple[int, ...] = ()


def placed(line: CudaLine, place_of: Callable[[Pointer], Place], sites: tuple[Any, ...]) -> CudaLine:
    """The line on places."""
    changed: Any = line._replace(places=tuple([place_of(p) for p in line.places]), sites=sites)
    if isinstance(line, CudaProduct):
        alpha, beta = line.alpha, line.beta
        if isinstance(alpha, Pointer):
            changed = changed._replace(alpha=place_of(alpha), beta=place_of(beta))
    return changed  # type: ignore[no-any-return]
