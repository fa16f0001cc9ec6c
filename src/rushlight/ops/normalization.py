"""The primitive under batch, layer, group and instance normalisation; ``runtime.normalization`` says what it computes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import LOW_PRECISION
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node
from ..core.memory_order import in_order_of_input, ordered_like
from ..core.tensor import Tensor, make_tensor
from ..runtime.normalization import normalize_forward, normalize_gradient, scale_and_shift
from .define import Primitive
from .dispatch import apply, compute, not_implemented
from .movement import cast, reshape
from .pointwise import add, div, mul, sub
from .powers import rsqrt
from .reductions import sum_dims

grad_enabled = GRAD_MODE.get


def _forward_impl(x: Any, w: Any, b: Any, kind: str, **layout: Any) -> Any:
    result = normalize_forward(x, w, b, **layout)
    if x.flags.c_contiguous or kind not in ("Batch", "Group"):
        return result
    return ordered_like(result[0], x), *result[1:]


def _vjp(gradients: list[Tensor | None], node: Node) -> Any:
    x, w, mean, inverse = node.unpack()
    g = gradients[0]
    edge_x, edge_w, edge_b = node.edges
    if g is None:
        return None, None, None
    if grad_enabled():
        return _differentiable_gradients(g, x, w, node)
    layout = {key: node.attrs[key] for key in ("columns", "positions", "rows")}
    grad_x, grad_w, grad_b = apply(GRADIENT, (g, x, mean, inverse, w), layout)
    return None if edge_x is None else grad_x, _in_shape(grad_w, edge_w), _in_shape(grad_b, edge_b)


def _in_shape(gradient: Tensor, edge: Node | None) -> Tensor | None:
    return None if edge is None else reshape(gradient, edge.shape)


def _differentiable_gradients(g: Tensor, x: Tensor, w: Tensor | None, node: Node) -> Any:
    """The gradients of ``runtime.normalization`` by tensor operations, for create_graph."""
    columns, positions, rows = (node.attrs[key] for key in ("columns", "positions", "rows"))
    size = x._array.size
    by_column = (-1 if size else 0, columns, positions)
    # The elements that share their statistics, and the dimensions in which they lie.
    by_group, dims = (by_column, (0, 2)) if rows is None else ((-1 if size else 0, rows), (1,))
    number = rows if rows is not None else size // columns if columns else 0

    def average(values: Tensor) -> Tensor:
        return div(sum_dims(values, dims, True), number)

    wide = np.dtype(np.float32) if x._array.dtype in LOW_PRECISION else x._array.dtype
    values = reshape(cast(x, wide), by_group)
    centred = sub(values, average(values))
    inverse = rsqrt(add(average(mul(centred, centred)), node.attrs["eps"]))
    standard = mul(centred, inverse)
    g = reshape(cast(g, wide), by_column)
    edge_x, edge_w, edge_b = node.edges
    grad_x = grad_w = grad_b = None
    if edge_w is not None:
        grad_w = _in_shape(sum_dims(mul(g, reshape(standard, by_column)), (0, 2), False), edge_w)
    if edge_b is not None:
        grad_b = _in_shape(sum_dims(g, (0, 2), False), edge_b)
    if edge_x is not None:
        if w is not None:
            g = mul(g, reshape(cast(w, wide), (1, columns, 1)))
        g = reshape(g, by_group)
        total = sub(sub(g, average(g)), mul(standard, average(mul(g, standard))))
        grad_x = reshape(mul(total, inverse), edge_x.shape)
    return grad_x, grad_w, grad_b


NORMALIZE = Primitive(
    "normalize",
    _forward_impl,
    _vjp,
    saves=((0, (0, 1)), (1, (0,))),
    saves_output=(1, 3),
    differentiable=1,
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


def _scale_vjp(g: Tensor, node: Node) -> Any:
    x, scale = node.unpack()
    edge_x, edge_scale, edge_shift = node.edges
    columns, positions = node.attrs["columns"], node.attrs["positions"]
    by_column = (-1 if g._array.size else 0, columns, positions)

    def sum_of(values: Tensor) -> Tensor:
        return sum_dims(reshape(values, by_column), (0, 2), False)

    return (
        None if edge_x is None else apply(SCALE_AND_SHIFT, (g, scale, None), node.attrs),
        None if edge_scale is None else sum_of(mul(cast(g, edge_scale.dtype), x)),
        None if edge_shift is None else sum_of(cast(g, edge_shift.dtype)),
    )


# Normalisation by statistics that are known, as in evaluation.
SCALE_AND_SHIFT = Primitive(
    "scale_and_shift",
    in_order_of_input(scale_and_shift),
    _scale_vjp,
    saves=((0, (1,)), (1, (0,))),
    grad_name="NativeBatchNormBackward0",
    samples=lambda: [
        (
            (np.arange(12.0).reshape(2, 2, 3), np.array([1.0, 2.0]), np.array([3.0, 4.0])),
            {"columns": 2, "positions": 3},
        ),
    ],
)


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
    x = input._array
    if (
        x.size < NORMALIZE.large
        and dtype.itemsize > 2
        and _without_history(input, weight, bias)
        and x.flags.c_contiguous
    ):
        w, b = None if weight is None else weight._array, None if bias is None else bias._array
        results = compute(normalize_forward, (x, w, b, columns, positions, rows, eps), {})
        return make_tensor(results[0]), make_tensor(results[1]), make_tensor(results[2])
    layout = {"kind": kind, "columns": columns, "positions": positions, "rows": rows, "eps": eps}
    y, mean, variance, _ = apply(NORMALIZE, (input, weight, bias), layout)
    return y, mean, variance


def _without_history(*operands: Tensor | None) -> bool:
    """Whether these are NumPy's arrays, none of which gradients will flow to: then there is nothing but to compute."""
    recording = grad_enabled()
    for operand in operands:
        if operand is not None and (
            type(operand._array) is not np.ndarray or (recording and operand._node is not None)
        ):
            return False
    return True


def check_same_dtype(input: Tensor, *others: Tensor | None) -> None:
    """``RuntimeError`` unless the dtypes are one; float32 goes with float16 and bfloat16 too."""
    dtype = input._array.dtype
    for other in others:
        if other is not None and other._array.dtype != dtype:
            if dtype in LOW_PRECISION and other._array.dtype == np.float32:
                continue
            raise RuntimeError(
                f"mixed dtype (CPU): all inputs must share same datatype. Got {input.dtype} and {other.dtype}; convert one."
            )
