"""What one thread of this machine can do at most, measured with the kernels that compiled programs use."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from ..compiler.pipeline import build
from ..ir.graph import Graph, Kind, Node, Output
from ..ir.scalar import ScalarOp

_MATRIX: Final = 1024
_IN_CACHE: Final = 1 << 17  # bytes of an array that stays in a core's cache together with another
_IN_MEMORY: Final = 1 << 26
_REPEATS: Final = 5


class Limits(NamedTuple):
    """``gflops``: a float32 matrix product's. ``memory`` and ``cache``: gigabytes a second, read and written together, of
    doubling every element of 64 MiB and of 128 KiB. All with one thread."""

    gflops: float
    memory: float
    cache: float

    def bandwidth(self, nbytes: int) -> float:
        """The measured gigabytes a second for a kernel that touches this many bytes."""
        return self.cache if nbytes <= 4 * _IN_CACHE else self.memory

    def seconds(self, flops: int, nbytes: int, dtype: Any = np.float32) -> float:
        """The least time that the measured limits allow: arithmetic and traffic at the same time (a roofline)."""
        wide = 2 if np.dtype(dtype).itemsize == 8 else 1  # half as many float64 fit into a register
        return max(wide * flops / (self.gflops * 1e9), nbytes / (self.bandwidth(nbytes) * 1e9))


_measured: list[Limits] = []


def limits() -> Limits:
    """Measured once in a process, within a second or two. Needs llvmlite."""
    if not _measured:
        _measured.append(_measure())
    return _measured[0]


def _measure() -> Limits:
    product = _best(_product(), [np.ones((_MATRIX, _MATRIX), np.float32)] * 2, (_MATRIX, _MATRIX))
    rates = []
    for nbytes in (_IN_MEMORY, _IN_CACHE):
        size = nbytes // 4
        seconds = _best(_doubling(size), [np.ones(size, np.float32)], (size,), 3 if nbytes == _IN_MEMORY else 200)
        rates.append(2 * nbytes / seconds / 1e9)
    return Limits(2 * _MATRIX**3 / product / 1e9, rates[0], rates[1])


def _best(graph: Graph, inputs: list[Any], shape: tuple[int, ...], repeats: int = _REPEATS) -> float:
    program = build(graph)
    output = np.zeros(shape, np.float32)
    program.run(inputs, [output])
    best = float("inf")
    for _ in range(repeats):
        program.plan.profile(alone=True)
        program.run(inputs, [output])
        best = min(best, sum([line.nanoseconds for line in program.plan.times()]) / 1e9)
    return max(best, 1e-9)


def _product() -> Graph:
    shape, dtype = (_MATRIX, _MATRIX), np.dtype(np.float32)
    nodes = [Node(Kind.INPUT, (), (i,), shape, dtype) for i in range(2)]
    nodes.append(Node(Kind.MATMUL, (0, 1), (), shape, dtype))
    return Graph(tuple(nodes), (0, 1), (Output(2, -1),))


def _doubling(size: int) -> Graph:
    x = Node(Kind.INPUT, (), (0,), (size,), np.dtype(np.float32))
    return Graph((x, Node(Kind.MAP, (0, 0), (ScalarOp.ADD,), (size,), x.dtype)), (0,), (Output(1, -1),))
