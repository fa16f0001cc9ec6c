"""What one thread of this machine can do at most, measured with the kernels that compiled programs use."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from ..compiler.pipeline import build
from ..ir.graph import Graph, Kind, Node, Output
from ..ir.scalar import ScalarOp

_MATRIX: Final = 512  # large enough for the best rate, and short enough to be undisturbed now and then
# Bytes that are read and written: what fits into a core's cache, what fits into those behind it, and what fits into none.
_FOOTPRINTS: Final = (1 << 18, 1 << 21, 1 << 24, 1 << 27)
_REPEATS: Final = (10, 40, 200)  # of the largest array, of the matrix product, at most


class Limits(NamedTuple):
    """``gflops``: a float32 matrix product's. ``bandwidths``: (bytes, gigabytes a second, read and written together) of
    doubling every element of an array, from small ones in cache to large ones in memory. All with one thread."""

    gflops: float
    bandwidths: tuple[tuple[int, float], ...]

    @property
    def memory(self) -> float:
        """Gigabytes a second from and to memory."""
        return self.bandwidths[-1][1]

    @property
    def cache(self) -> float:
        """Gigabytes a second in a core's cache."""
        return self.bandwidths[0][1]

    def bandwidth(self, nbytes: int) -> float:
        """The measured gigabytes a second for a kernel that touches this many bytes."""
        return next((rate for footprint, rate in self.bandwidths if nbytes <= footprint), self.memory)

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
    product = _best(
        _product(), [np.ones((_MATRIX, _MATRIX), np.float32)] * 2, (_MATRIX, _MATRIX), _REPEATS[1]
    )
    bandwidths = []
    for footprint in _FOOTPRINTS:
        size = footprint // 8
        repeats = max(_REPEATS[0], min(_REPEATS[2], (1 << 28) // footprint))
        seconds = _best(_doubling(size), [np.ones(size, np.float32)], (size,), repeats)
        bandwidths.append((footprint, footprint / seconds / 1e9))
    return Limits(2 * _MATRIX**3 / product / 1e9, tuple(bandwidths))


def _best(graph: Graph, inputs: list[Any], shape: tuple[int, ...], repeats: int) -> float:
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
