"""The primitive under batch, layer, group and instance normalisation; ``runtime.normalization`` says what it computes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import F32, F64, LOW_PRECISION
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node, versions_of
from ..core.memory_order import in_order_of_input, ordered_like
from ..core.storage import program_site
from ..core.tensor import Tensor, make_tensor
from ..runtime.normalization import normalize_forward, normalize_gradient, scale_and_shift
from ..runtime.small_normalization import small_forward, small_gradient, small_scaled
from .define import Primitive
from .dispatch import apply, compute, not_implemented
from .movement import cast, reshape
from .pointwise import add, div, mul, sub
from .powers import rsqrt
from .reductions import sum_dims

grad_enabled = GRAD_MODE.get
ndarray = np.ndarray


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
    attrs = node.attrs
    arrays = g._array, x._array, mean._array, inverse._array, None if w is None else w._array
    if 0 < arrays[0].size < GRADIENT.large and _are_plain(arrays, arrays[2].dtype):
        sizes = attrs["columns"], attrs["positions"], attrs["rows"]
        wanted = edge_x is not None, edge_w is not None, edge_b is not None
        found = compute(small_gradient, (*arrays, *sizes, wanted), {})
        return (
            None if edge_x is None else make_tensor(found[0]),
            None if edge_w is None else make_tensor(found[1].reshape(edge_w.shape)),
            None if edge_b is None else make_tensor(found[2].reshape(edge_b.shape)),
        )
    layout = {key: attrs[key] for key in ("columns", "positions", "rows")}
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


class _NormalizedAlone:
    """``NORMALIZE`` in histories where only its first result may have a gradient: one node in place of two."""

    name = NORMALIZE.name
    grad_name: Any = NORMALIZE.grad_name

    @staticmethod
    def vjp(g: Tensor, node: Node) -> Any:
        return _vjp([g], node)


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
    x = input._array
    w, b = None if weight is None else weight._array, None if bias is None else bias._array
    dtype = x.dtype
    if 0 < x.size < NORMALIZE.large and _are_plain((x, w, b), dtype):
        y, mean, variance, inverse = compute(small_forward, (x, w, b, columns, positions, rows, eps), {})
        edges = input._node, None if weight is None else weight._node, None if bias is None else bias._node
        means, variances = make_tensor(mean), make_tensor(variance)
        if edges == _NO_EDGES or not grad_enabled():
            return make_tensor(y), means, variances
        keeps_input = edges[0] is not None or edges[1] is not None
        saved = (
            input if keeps_input else None,
            weight if edges[0] is not None else None,
            means,
            make_tensor(inverse),
        )
        attrs = {"kind": kind, "columns": columns, "positions": positions, "rows": rows, "eps": eps}
        node = Node(_NormalizedAlone, edges, y, saved, attrs, program_site(), versions_of(saved))
        return make_tensor(y, node), means, variances
    check_same_dtype(input, weight, bias)
    if dtype.kind in "biuc":
        raise not_implemented(f"{kind.lower()}_norm", dtype)
    layout = {"kind": kind, "columns": columns, "positions": positions, "rows": rows, "eps": eps}
    y, mean, variance, _ = apply(NORMALIZE, (input, weight, bias), layout)
    return y, mean, variance


_NO_EDGES = (None, None, None)


def scaled_by_statistics(
    input: Tensor, mean: Tensor, variance: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor | None:
    """Few elements of (N, C, …) standardised by statistics that are known; None for many, and where gradients will flow."""
    given = (input, mean, variance, weight, bias)
    if grad_enabled() and any([tensor is not None and tensor._node is not None for tensor in given]):
        return None
    arrays = tuple([None if tensor is None else tensor._array for tensor in given])
    x = input._array
    if not 0 < x.size < SCALE_AND_SHIFT.large or not _are_plain(arrays, x.dtype):
        return None
    return make_tensor(compute(small_scaled, (*arrays, eps), {}))


def _are_plain(arrays: tuple[Any, ...], dtype: Any) -> bool:
    """Whether these (some may be None) are contiguous NumPy arrays of float32 or float64, of ``dtype`` all of them."""
    if dtype is not F32 and dtype is not F64:
        return False
    for array in arrays:
        if array is not None and (
            type(array) is not ndarray or array.dtype is not dtype or not array.flags.c_contiguous
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
