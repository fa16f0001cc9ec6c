"""Matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.history import Node
from ..core.tensor import Tensor
from .define import Primitive
from .dispatch import apply
from .movement import t
from .pointwise import conj_of


def _mm_vjp(g: Tensor, node: Node) -> Any:
    a, b = node.unpack()
    edge_a, edge_b = node.edges
    return (
        None if edge_a is None else mm(g, t(conj_of(b))),
        None if edge_b is None else mm(t(conj_of(a)), g),
    )


MM = Primitive("mm", np.dot, _mm_vjp, saves=((0, (1,)), (1, (0,))))


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The matrix product of two matrices."""
    return apply(MM, (input, mat2))  # type: ignore[no-any-return]


METHODS: dict[str, Any] = {"mm": mm, "__matmul__": mm}
