"""The primitive under batch, layer, group and instance normalisation; ``runtime.normalization`` says what it computes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import LOW_PRECISION
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node, OutputNode
from ..core.tensor import Tensor, make_tensor
from ..runtime.normalization import normalize_forward, normalize_gradient
from .define import Primitive
from .dispatch import apply, not_implemented
from .movement import cast, reshape
from .pointwise import add, div, mul, sub
from .reductions import sum_dims

grad_enabled = GRAD_MODE.get

# The results that backward needs: x - mean, and 1 / √(variance + eps).
_CENTRED, _INVERSE = 1, 2


def _forward_impl(x: Any, w: Any, b: Any, kind: str, **layout: Any) -> Any:
    return normalize_forward(x, w, b, **layout)


def _vjp(gradients: list[Tensor | None], node: Node) -> Any:
    w, centred, inverse = node.unpack()
    attrs = node.attrs
    columns, positions, rows = attrs["columns"], attrs["positions"], attrs["rows"]
    g, g_centred, g_inverse = gradients[:3]
    if g is not None and g_centred is None and g_inverse is None and not grad_enabled():
        layout = {"columns": columns, "positions": positions, "rows": rows}
        grad_x, grad_w, grad_b = apply(GRADIENT, (g, centred, inverse, w), layout)
        _, edge_w, edge_b = node.edges
        return grad_x, _in_shape(grad_w, edge_w), _in_shape(grad_b, edge_b)
    # With create_graph the same in operations that can be differentiated: x - mean and the inverse are results of this
    # node, so that gradients reach x through them too, next time as `gradients` here.
    centred = make_tensor(centred._array, OutputNode(node, _CENTRED, centred._array))
    inverse = make_tensor(inverse._array, OutputNode(node, _INVERSE, inverse._array))
    return _Composite(node, centred, inverse, w).gradients(gradients)


def _in_shape(gradient: Tensor, edge: Node | None) -> Tensor | None:
    return None if edge is None else reshape(gradient, edge.shape)


class _Composite:
    """The formulas of ``runtime.normalization`` in tensor operations."""

    def __init__(self, node: Node, centred: Tensor, inverse: Tensor, w: Tensor | None) -> None:
        self.node, self.centred, self.inverse, self.w = node, centred, inverse, w
        columns, positions, rows = (node.attrs[key] for key in ("columns", "positions", "rows"))
        size = centred._array.size
        self.by_column = -1 if size else 0, columns, positions
        self.column = 1, columns, 1
        # Where the elements that share their statistics lie, in which dimensions, and a value for each of them.
        if rows is None:
            self.by_group, self.group, self.dims = self.by_column, self.column, (0, 2)
            self.size = size // columns if columns else 0
        else:
            self.by_group, self.group, self.dims = (-1 if size else 0, rows), (-1 if size else 0, 1), (1,)
            self.size = rows

    def gradients(self, gradients: list[Tensor | None]) -> Any:
        g, g_centred, g_inverse = gradients[:3]
        centred, inverse = reshape(self.centred, self.by_group), reshape(self.inverse, self.group)
        edge_x, edge_w, edge_b = self.node.edges
        grad_w = grad_b = None
        of_centred = None if g_centred is None else reshape(g_centred, self.by_group)
        of_inverse = None if g_inverse is None else reshape(g_inverse, self.group)
        if g is not None:
            g = reshape(cast(g, centred._array.dtype), self.by_column)
            if edge_w is not None:
                standard = reshape(mul(centred, inverse), self.by_column)
                grad_w = _in_shape(sum_dims(mul(g, standard), (0, 2), False), edge_w)
            if edge_b is not None:
                grad_b = _in_shape(sum_dims(g, (0, 2), False), edge_b)
            if self.w is not None:
                g = mul(g, reshape(cast(self.w, centred._array.dtype), self.column))
            g = reshape(g, self.by_group)
            of_centred = _sum(of_centred, mul(g, inverse))
            of_inverse = _sum(of_inverse, sum_dims(mul(g, centred), self.dims, True))
        if edge_x is None:
            return None, grad_w, grad_b
        total = None
        if of_centred is not None:
            total = sub(of_centred, div(sum_dims(of_centred, self.dims, True), self.size))
        if of_inverse is not None:
            cube = mul(mul(inverse, inverse), inverse)
            total = _sum(total, mul(centred, div(mul(cube, of_inverse), -self.size)))
        return None if total is None else reshape(total, edge_x.shape), grad_w, grad_b


def _sum(a: Tensor | None, b: Tensor) -> Tensor:
    return b if a is None else add(a, b)  # type: ignore[no-any-return]


NORMALIZE = Primitive(
    "normalize",
    _forward_impl,
    _vjp,
    saves=((1, (0,)),),
    saves_output=(_CENTRED, _INVERSE),
    grad_name=lambda attrs: f"Native{attrs['kind']}NormBackward0",
    samples=lambda: [
        (
            (np.arange(12.0).reshape(2, 2, 3) ** 2, np.array([1.0, 2.0]), np.array([3.0, 4.0])),
            {"kind": "Batch", "columns": 2, "positions": 3, "rows": None, "eps": 1e-5},
        ),
        (
            (np.arange(12.0).reshape(2, 6) ** 2, np.arange(6.0), None),
            {"kind": "Layer", "columns": 6, "positions": 1, "rows": 6, "eps": 1e-5},
        ),
    ],
)
# Only what runs when nothing is recorded: `_vjp` takes the other way where gradients are to be differentiated.
GRADIENT = Primitive("normalize_gradient", normalize_gradient)


def normalize(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    columns: int,
    positions: int,
    rows: int | None,
    eps: float,
    kind: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """``input`` standardised, scaled and shifted, and the mean and the (biased) variance of each group of elements.

    ``columns``, ``positions`` and ``rows`` are explained in ``runtime.normalization``; ``kind`` names the operation in
    ``grad_fn``. Gradients flow through the first result alone. Raises ``NotImplementedError`` for integers and complex
    numbers, ``RuntimeError`` where the dtypes differ (float32 weights go with 16-bit inputs).
    """
    dtype = input._array.dtype
    check_same_dtype(input, weight, bias)
    if dtype.kind in "biuc":
        raise not_implemented(f"{kind.lower()}_norm", dtype)
    layout = {"kind": kind, "columns": columns, "positions": positions, "rows": rows, "eps": eps}
    y, _, _, mean, variance = apply(NORMALIZE, (input, weight, bias), layout)
    mean._node = variance._node = None
    return y, mean, variance


def check_same_dtype(input: Tensor, *others: Tensor | None) -> None:
    """``RuntimeError`` unless the dtypes are one; float32 goes with float16 and bfloat16 too."""
    dtype = input._array.dtype
    for other in others:
        if other is not None and other._array.dtype != dtype:
            if dtype in LOW_PRECISION and other._array.dtype == np.float32:
                continue
            raise RuntimeError(
                f"mixed dtype (CPU): all inputs must share same datatype. Got {input.dtype} and {other.dtype}; convert one of them."
            )
