"""Reductions over dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.dtypes import BOOL, I64, INEXACT, LOW_PRECISION, dtype
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node
from ..core.shapes import wrap_dims
from ..core.tensor import Tensor, make_tensor
from .define import Primitive
from .dispatch import FloatingPointReport, apply, compute, write_out
from .movement import cast, expand, reshape

grad_enabled = GRAD_MODE.get
add_reduce = np.add.reduce
ndarray = np.ndarray
asarray = np.asarray
Dims = int | Sequence[int] | None


def _sum_impl(x: Any, axis: tuple[int, ...] | None, keepdims: bool) -> Any:
    if x.dtype in LOW_PRECISION:
        return asarray(add_reduce(x.astype(np.float32), axis, None, None, keepdims)).astype(x.dtype)
    return add_reduce(x, axis, None, None, keepdims)


def _sum_vjp(g: Tensor, node: Node) -> Tensor:
    (edge,) = node.edges
    assert edge is not None
    return expand_reduced(g, edge.shape, node.attrs["axis"], node.attrs["keepdims"])


def expand_reduced(g: Tensor, shape: tuple[int, ...], axis: tuple[int, ...] | None, keepdims: bool) -> Tensor:
    """A reduction's result (or its gradient) repeated over the dimensions that it reduced."""
    if not keepdims and axis is not None and g._array.ndim:
        g = reshape(g, tuple([1 if i in axis else n for i, n in enumerate(shape)]))
    return expand(g, shape)


SUM = Primitive("sum", _sum_impl, _sum_vjp)
_ALL = {"axis": None, "keepdims": False}


def sum_dims(input: Tensor, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    """The sum over ``dims`` (already counted from the front)."""
    return apply(SUM, (input,), {"axis": dims, "keepdims": keepdim})  # type: ignore[no-any-return]


def sum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: dtype | None = None, out: Tensor | None = None
) -> Tensor:
    """The sum over ``dim`` (an int, several, or None for all); integers and bools are summed in int64.

    Example:
        >>> import rushlight as torch
        >>> torch.sum(torch.ones(2, 3), dim=1)
        tensor([3., 3.])
    """
    array = input._array
    if dtype is not None:
        input = cast(input, dtype.numpy)
        array = input._array
    elif array.dtype not in INEXACT:
        input = cast(input, I64)
        array = input._array
    if dim is None and not keepdim and array.dtype not in LOW_PRECISION and type(array) is ndarray:
        try:
            total = asarray(add_reduce(array, None))
        except FloatingPointReport:
            total = asarray(compute(add_reduce, (array, None), {}))
        edge = input._node
        if edge is None or not grad_enabled():
            result = make_tensor(total)
        else:
            result = make_tensor(total, Node(SUM, (edge,), total, None, _ALL))
    else:
        result = sum_dims(input, wrap_dims(dim, array.ndim), keepdim)
    return result if out is None else write_out(out, result, "sum")


METHODS: dict[str, Any] = {"sum": sum}

_ = BOOL
