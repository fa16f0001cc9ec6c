"""Random numbers of a GPU's generator that kernels of a program draw, in the place of CuPy's.

A graph's draws are put into kernels if there is a kernel for each of them (uniform, normal, dropout, bernoulli of one
probability, small integers; float32 and shorter) and all are from one generator. The blocks that each draw takes are known
from its shape, so a run takes all of them from the generator at once, in the program's order, and whoever draws before or
after it gets the numbers that eager mode would give. Other graphs draw in parts of their own (``device_programs``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ..compiler.codegen.cuda_draws import neighbours
from ..core.dtypes import BF16, F64
from ..ir.graph import Graph, Kind, Node
from .device_recording import drawn_on

# The parameters of the functions of ``core.random_streams`` that have kernels, and their defaults.
_PARAMETERS: Final[dict[str, tuple[tuple[str, Any], ...]]] = {
    "uniform": (("low", 0.0), ("high", 1.0)),
    "normal": (("mean", 0.0), ("std", 1.0)),
    "bernoulli": (("p", None),),
    "dropout_noise": (("p", None),),
    "random_integers": (("low", None), ("high", None)),
}


class KernelDraw:
    """A draw that a kernel makes, in the place of its record. ``numbers``: the distribution's parameters; ``threads`` and
    ``calls``: how many threads draw, and how often each; ``skip``: how many blocks of a thread the run's earlier draws take;
    ``total``: those of the whole run."""

    value_dependent = False
    effects = True
    in_kernel = True

    def __init__(self, record: Any, node: Node, numbers: tuple[float, ...], skip: int) -> None:
        self.name = str(record.name)
        self.source = record.source
        self.numbers = numbers
        self.together = neighbours(self.name, node.size)
        self.threads = int(record.source.threads_of(node.size))
        self.calls = (node.size - 1) // (4 * self.threads) + 1
        self.skip = skip
        self.total = 0

    def impl(self, *arrays: Any) -> Any:
        """Not for NumPy: the numbers belong to a run."""
        raise AssertionError(f"{self.name}: drawn by a kernel alone")

    def __repr__(self) -> str:
        return f"<draw {self.name} in a kernel>"


def kernel_draws(graph: Graph) -> dict[int, KernelDraw]:
    """The draws of a graph that kernels make, by node: all that a GPU draws for it, or none."""
    found: dict[int, KernelDraw] = {}
    total = 0
    sources = set()
    for number, node in enumerate(graph.nodes):
        if node.kind is not Kind.CALL or drawn_on(node.attrs[0]) is None:
            continue
        record = node.attrs[0]
        numbers = None if node.several or node.operands or not node.size else _numbers(record, node)
        sources.add(id(record.source))
        if numbers is None or len(sources) > 1:
            return {}
        found[number] = KernelDraw(record, node, numbers, total)
        total += found[number].calls
    for draw in found.values():
        draw.total = total
    return found


def _numbers(record: Any, node: Node) -> tuple[float, ...] | None:
    """The parameters of a draw that a kernel can make; None for others, and for those that are refused when they are drawn."""
    parameters = _PARAMETERS.get(record.name)
    dtype = node.dtype
    if parameters is None or dtype == F64 or dtype.kind not in "biufV":
        return None
    given = dict(zip(("shape", "dtype", *[name for name, _ in parameters]), _arguments(node), strict=False))
    given |= record.kwargs
    values = [given.get(name, default) for name, default in parameters]
    if any(type(value) not in (int, float) for value in values):
        return None
    kind = record.name
    if kind in ("uniform", "normal") and dtype.kind not in "fV":
        return None
    if kind == "uniform":
        low, high = values
        with np.errstate(over="ignore"):
            if not (low <= high and np.isfinite(np.asarray([low, high], dtype).astype(np.float64)).all()):
                return None
    if kind == "normal" and values[1] < 0:
        return None
    if kind in ("bernoulli", "dropout_noise") and not 0 <= values[0] <= (
        1 if kind == "bernoulli" else 1 - 1e-12
    ):
        return None
    if kind == "random_integers":
        low, high = values
        if dtype == BF16 or dtype.kind not in "iuf" or not 0 < high - low < 1 << 28:
            return None
    return tuple(values)


def _arguments(node: Node) -> Sequence[Any]:
    _, literals, _ = node.attrs
    return [value for _, value in sorted(literals, key=lambda pair: pair[0])]


__all__ = ["KernelDraw", "kernel_draws"]
