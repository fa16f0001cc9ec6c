"""What each primitive does to sparse tensors; a primitive that is not in the table raises ``NotImplementedError``.

This module is imported when the first sparse tensor is made, and tells ``dispatch`` of the sparse arrays then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import INEXACT
from ..core.sparse_arrays import COO, CompressedArray, CooArray, SparseArray, unsupported
from ..core.tensor import Tensor, make_tensor
from ..runtime.batched import Batched
from ..runtime.pending import Pending
from .define import Primitive
from .dispatch import applied_by, apply, attach, common_dtype, is_number, number_array
from .index_tensors import read_at
from .linalg import mm, mv
from .movement import reshape, t
from .pointwise import add, mul
from .reductions import sum_dims
from .sparse_patterns import coalesced, find, in_layout, pairs_of_product, product_by_rows, row_pointers
from .sparse_records import (
    coalesce,
    convert,
    gathered,
    is_sparse,
    rebuilt,
    sorted_once,
    to_dense,
    values_of,
)

Array = NDArray[Any]
Operands = tuple[Any, ...]
Attrs = dict[str, Any]


def apply_sparse(record: Primitive, operands: Operands, attrs: Attrs) -> Any:
    """``record`` on operands of which at least one is a sparse tensor."""
    rule = RULES.get(record.name)
    if rule is None:
        layout = next(o._array.layout for o in operands if isinstance(o, Tensor) and is_sparse(o))
        raise unsupported(record.name, layout)
    return rule(record, tuple([_in_memory(operand) for operand in operands]), attrs)


def _in_memory(operand: Any) -> Any:
    """What a recording has not computed yet is computed now: sparse operations are not recorded."""
    if not isinstance(operand, Tensor):
        return operand
    array = operand._array
    if type(array) is Batched:
        raise NotImplementedError(
            "vmap: sparse tensors can't be mixed with batched ones; call to_dense() first"
        )
    if type(array) is not Pending:
        return operand
    alias = make_tensor(array.memory if array.tape.finished else array.tape.share(array), operand._node)
    alias._storage = operand._storage
    return alias


# --- sums, products -------------------------------------------------------------------------------------------------


def _add(record: Primitive, operands: Operands, attrs: Attrs) -> Any:
    a, b = operands
    name = record.name
    for operand in operands:
        if not isinstance(operand, Tensor):
            raise RuntimeError(
                f"{name}(sparse, dense) is not supported: {operand!r} would fill the whole tensor. Use add(dense, sparse) "
                "instead."
            )
    x, y = a._array, b._array
    if x.shape != y.shape:
        raise RuntimeError(
            f"{name}: expected 'self' and 'other' to have same size, but self has size {list(x.shape)} while other has size "
            f"{list(y.shape)}"
        )
    dtype = common_dtype(operands)
    x, y = x.astype(dtype, copy=False), y.astype(dtype, copy=False)
    negative = name == "sub"
    if isinstance(x, SparseArray) and isinstance(y, SparseArray):
        result: Any = _added(x, y.with_values(-y.values) if negative else y)
    elif isinstance(x, CooArray):
        raise RuntimeError(f"{name}(sparse, dense) is not supported. Use add(dense, sparse) instead.")
    elif isinstance(x, SparseArray):
        result = -y if negative else y.copy()
        x.add_to(result)
    else:
        result = x.copy()
        (y.with_values(-y.values) if negative else y).add_to(result)
    return attach(record, operands, attrs, result)


def _added(x: SparseArray, y: SparseArray) -> SparseArray:
    layout = x.layout
    if isinstance(x, CompressedArray) and isinstance(y, CompressedArray) and x.layout == y.layout:
        if x.starts is y.starts and x.others is y.others:
            return x.with_values(_sum(x, y))
    elif isinstance(x, CooArray) and isinstance(y, CooArray) and x.indices is y.indices:
        return x.with_values(_sum(x, y))
    one, other = in_layout(x, COO), in_layout(y, COO)
    if one.sparse_dim != other.sparse_dim:
        raise RuntimeError(
            f"add: expected 'self' and 'other' to have same number of sparse dimensions, got {one.sparse_dim} and "
            f"{other.sparse_dim}"
        )
    joined = CooArray(
        np.concatenate([one.indices, other.indices], 1),
        np.concatenate([one.values, other.values]),
        one.shape,
        False,
    )
    if one.coalesced and other.coalesced:
        joined = coalesced(joined)
    return in_layout(joined, layout)  # type: ignore[no-any-return]


def _sum(x: SparseArray, y: SparseArray) -> Array:
    return np.add(x.values, y.values)


def _is_scalar(operand: Any) -> bool:
    return not isinstance(operand, Tensor) or not operand._array.ndim


def _scalar_array(operand: Any, dtype: Any) -> Array:
    if not isinstance(operand, Tensor):
        return number_array(operand, dtype)
    array = to_dense(operand)._array if is_sparse(operand) else operand._array
    return array.astype(dtype)  # type: ignore[no-any-return]


def _mul(record: Primitive, operands: Operands, attrs: Attrs) -> Any:
    a, b = operands
    dtype = common_dtype(operands)
    if not (isinstance(a, Tensor) and is_sparse(a)) or (_is_scalar(a) and not _is_scalar(b)):
        a, b = b, a
    x = a._array.astype(dtype, copy=False)
    if not isinstance(x, SparseArray):  # a dense tensor times a 0-dim sparse one
        return attach(record, operands, attrs, x * _scalar_array(b, dtype))
    if _is_scalar(b):
        return attach(record, operands, attrs, x.with_values(x.values * _scalar_array(b, dtype)))
    y = b._array.astype(dtype, copy=False)
    if isinstance(y, SparseArray):
        return attach(record, operands, attrs, _common_product(x, y))
    try:
        wide = np.broadcast_to(y, x.shape)
    except ValueError:
        raise RuntimeError(
            f"mul: a dense tensor of shape {list(y.shape)} can't be broadcast to a sparse one of {list(x.shape)}; call "
            "to_dense() on the sparse one"
        ) from None
    factors = wide[tuple(x.coordinates())] if x.sparse_dim else wide[None]
    return attach(record, operands, attrs, x.with_values(x.values * factors))


def _common_product(x: SparseArray, y: SparseArray) -> Any:
    if x.shape != y.shape:
        raise RuntimeError(
            f"mul: operands have incompatible sizes {list(x.shape)} and {list(y.shape)}: sparse tensors do not broadcast"
        )
    one, other = coalesced(in_layout(x, COO)), coalesced(in_layout(y, COO))
    if one.sparse_dim != other.sparse_dim:
        raise unsupported("mul of tensors with other numbers of sparse dimensions", x.layout)
    if one.indices is other.indices:
        return in_layout(one.with_values(one.values * other.values), x.layout)
    places, there = find(other.indices, one.indices, one.shape[: one.sparse_dim])
    values = one.values[there] * other.values[places[there]]
    return in_layout(CooArray(one.indices[:, there], values, one.shape, True), x.layout)


def _div(record: Primitive, operands: Operands, attrs: Attrs) -> Any:
    a, b = operands
    if not isinstance(a, Tensor) or not is_sparse(a) or not _is_scalar(b):
        shape = list(b._array.shape) if isinstance(b, Tensor) else []
        raise RuntimeError(
            f"Sparse division requires a scalar or zero-dim dense tensor divisor (got shape {shape} for divisor)"
        )
    dtype = common_dtype(operands)
    if dtype not in INEXACT:
        dtype = common_dtype((*operands, 1.0))
    x = a._array.astype(dtype, copy=False)
    return attach(record, operands, attrs, x.with_values(x.values / _scalar_array(b, dtype)))


def _neg(record: Primitive, operands: Operands, attrs: Attrs) -> Any:
    x = operands[0]._array
    return attach(record, operands, attrs, x.with_values(np.negative(x.values)))


# --- functions of each value ------------------------------------------------------------------------------------------


def _of_values(record: Primitive, operands: Operands, attrs: Attrs) -> Any:
    """A function that is 0 at 0, of each value: the gradient is that of the function on the values."""
    source = sorted_once(operands[0])
    return rebuilt(apply(record, (values_of(source), *operands[1:]), attrs), source._array)


def _power(record: Primitive, operands: Operands, attrs: Attrs) -> Any:
    exponent = attrs["exponent"] if attrs else operands[1]
    if not is_number(exponent) or isinstance(exponent, complex) or exponent <= 0:
        raise unsupported("pow with an exponent that is not a number above 0", operands[0]._array.layout)
    return _of_values(record, operands, attrs)


_COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}  # fmt: skip


def _compare(record: Primitive, operands: Operands, attrs: Attrs) -> Any:
    """A comparison that is false of two zeros, so that the result is sparse too."""
    a, b = operands
    function = _COMPARE[record.name]
    if a is b:  # x != x: whether it is nan
        other: Any = 0
    elif is_number(b) and isinstance(a, Tensor):
        other = b
    else:
        raise unsupported(record.name, next(o._array.layout for o in operands if is_sparse(o)))
    if function(0, other):
        raise unsupported(f"{record.name} that is true of the elements that are not listed", a._array.layout)
    source = sorted_once(a)
    values = source._array.values
    result = function(values, values if a is b else other)
    return make_tensor(source._array.with_values(result))


# --- reductions -------------------------------------------------------------------------------------------------------


def summed(source: Tensor, axis: tuple[int, ...] | None, keepdims: bool) -> Tensor:
    """The sum over ``axis`` of a sparse tensor: sparse, or dense where no sparse dimension is left. Gradients are sparse."""
    array = source._array
    if isinstance(array, CompressedArray):
        return summed(convert(source, COO), axis, keepdims)
    source = coalesce(source)
    array = source._array
    sparse = array.sparse_dim
    dims = tuple(range(array.ndim)) if axis is None else axis
    values = values_of(source)
    inner = tuple([dim - sparse + 1 for dim in dims if dim >= sparse])
    if inner:
        values = sum_dims(values, inner, keepdims)
    kept = [dim for dim in range(sparse) if dim not in dims]
    if not kept:
        total = sum_dims(values, (0,), False)
        return reshape(total, (*(1,) * sparse, *total._array.shape)) if keepdims else total
    if keepdims:
        indices = array.indices.copy()
        indices[[dim for dim in dims if dim < sparse]] = 0
        extents = tuple([1 if dim in dims else array.shape[dim] for dim in range(sparse)])
    else:
        indices = array.indices[kept]
        extents = tuple([array.shape[dim] for dim in kept])
    pattern = CooArray(indices, values._array, (*extents, *values._array.shape[1:]), len(kept) == sparse)
    return coalesce(rebuilt(values, pattern))


def _sum_rule(record: Primitive, operands: Operands, attrs: Attrs) -> Any:
    (source,) = operands
    array = source._array
    axis, keepdims = attrs["axis"], attrs["keepdims"]
    if axis is None or len(axis) in (0, array.ndim):
        values = array.values
        total = values.sum(dtype=values.dtype)
        if keepdims:
            total = np.asarray(total).reshape((1,) * array.ndim)
        return attach(record, operands, {"axis": None, "keepdims": keepdims}, total)
    if isinstance(array, CompressedArray):
        if not keepdims:
            raise RuntimeError("reduction operations on CSR tensors with keepdim=False is unsupported")
        return convert(summed(source, axis, True), array.layout)
    return summed(source, axis, keepdims)


def _any(record: Primitive, operands: Operands, attrs: Attrs) -> Any:
    if attrs.get("axis") is not None:
        raise unsupported("any over dimensions", operands[0]._array.layout)
    values = sorted_once(operands[0])._array.values
    return make_tensor(np.asarray(bool(values.any())))


def _vector_norm(record: Primitive, operands: Operands, attrs: Attrs) -> Any:
    if (attrs["axis"] is not None and len(attrs["axis"]) != operands[0]._array.ndim) or attrs["keepdims"]:
        raise unsupported("norm over dimensions", operands[0]._array.layout)
    if not 0 < attrs["ord"] < float("inf"):
        raise unsupported(f"norm of order {attrs['ord']}", operands[0]._array.layout)
    values = values_of(sorted_once(operands[0]))
    return apply(record, (values,), {**attrs, "axis": tuple(range(values._array.ndim))})


# --- matrix products --------------------------------------------------------------------------------------------------


def product(a: Any, b: Any) -> Array:
    """The dense product of two matrices, one of them a sparse array."""
    if isinstance(a, SparseArray):
        if a.dense_dim:
            raise unsupported("a matrix product with dense dimensions", a.layout)
        starts, columns, order = row_pointers(a)
        return product_by_rows(starts, columns, a.values[order], np.ascontiguousarray(b), a.shape[0])
    return product(b.T, a.T).T


def sparse_product(a: Tensor, b: Tensor) -> Tensor:
    """The sparse product of two sparse matrices, in the layout of the first; gradients have the places of the operands."""
    layout = a._array.layout
    left, right = sorted_once(convert(a, COO)), sorted_once(convert(b, COO))
    x, y = left._array, right._array
    if x.sparse_dim != 2 or y.sparse_dim != 2 or x.dense_dim or y.dense_dim:
        raise unsupported("a matrix product with dense dimensions", layout)
    starts, columns, _ = row_pointers(y)
    rows, columns, one, other = pairs_of_product((x.indices[0], x.indices[1]), starts, columns)
    values = mul(
        read_at(values_of(left), (make_tensor(one),), (0,)),
        read_at(values_of(right), (make_tensor(other),), (0,)),
    )
    pattern = CooArray(np.stack([rows, columns]), values._array, (x.shape[0], y.shape[1]), False)
    return convert(coalesce(rebuilt(values, pattern)), layout)


def _check_dtypes(a: Any, b: Any) -> None:
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"mm: expected both matrices to have the same dtype, but got {a.dtype} and {b.dtype}"
        )


def _mm(record: Primitive, operands: Operands, attrs: Attrs) -> Any:
    a, b = operands
    _check_dtypes(a._array, b._array)
    if is_sparse(a) and is_sparse(b):
        return sparse_product(a, b)
    return attach(record, operands, attrs, product(a._array, b._array))


def _mm_nt(record: Primitive, operands: Operands, attrs: Attrs) -> Any:
    a, b = operands
    if is_sparse(a) and is_sparse(b):
        return sparse_product(a, t(b))
    return attach(record, operands, attrs, product(a._array, b._array.T))


def _mm_tn(record: Primitive, operands: Operands, attrs: Attrs) -> Any:
    a, b = operands
    if is_sparse(a) and is_sparse(b):
        return sparse_product(t(a), b)
    return attach(record, operands, attrs, product(a._array.T, b._array))


def _mv(record: Primitive, operands: Operands, attrs: Attrs) -> Any:
    a, v = operands
    _check_dtypes(a._array, v._array)
    if is_sparse(v):
        raise unsupported("mv with a sparse vector", v._array.layout)
    return attach(record, operands, attrs, product(a._array, v._array[:, None])[:, 0])


def _addmm(record: Primitive, operands: Operands, attrs: Attrs) -> Any:
    c, a, b = operands
    beta, alpha = attrs["beta"], attrs["alpha"]
    multiply = mv if record.name == "addmv" else mm
    result = multiply(a, b)
    if is_sparse(c) and not is_sparse(result):
        raise RuntimeError(
            f"{record.name}_sparse_dense: expected strided result tensor, got tensor with layout {c._array.layout}"
        )
    if alpha != 1:
        result = mul(result, alpha)
    if beta == 0:
        return result
    return add(c if beta == 1 else mul(c, beta), result)


def _linear(record: Primitive, operands: Operands, attrs: Attrs) -> Any:
    bias, x, w = operands
    if is_sparse(x) and x._array.ndim != 2:
        raise unsupported("linear of a sparse input that is no matrix", x._array.layout)
    shape = x._array.shape
    rows = x if len(shape) == 2 else reshape(x, (-1, shape[-1]))
    result = mm(rows, t(w))
    if len(shape) != 2:
        result = reshape(result, (*shape[:-1], w._array.shape[0]))
    return result if bias is None else add(result, bias)


# --- places -----------------------------------------------------------------------------------------------------------


def _slice_backward(record: Primitive, operands: Operands, attrs: Attrs) -> Any:
    return apply(record, (to_dense(operands[0]),), attrs)


def masked_by(source: Tensor, mask: Tensor) -> Tensor:
    """The elements of ``source``, dense or sparse, at the places that ``mask`` lists."""
    pattern = mask._array
    if source._array.shape != pattern.shape:
        raise RuntimeError(
            f"sparse_mask(): operands have incompatible sizes; self has size {list(source._array.shape)} but mask has size "
            f"{list(pattern.shape)}"
        )
    return rebuilt(gathered(source, pattern), pattern)


ZERO_AT_ZERO: Final = (
    "abs", "asin", "asinh", "atan", "atanh", "ceil", "conj", "erf", "erfinv", "expm1", "floor", "leaky_relu", "elu",
    "log1p", "relu", "round", "sgn", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
)  # fmt: skip
RULES: Final[dict[str, Callable[[Primitive, Operands, Attrs], Any]]] = {
    **dict.fromkeys(ZERO_AT_ZERO, _of_values),
    "add": _add,
    "sub": _add,
    "mul": _mul,
    "div": _div,
    "neg": _neg,
    "pow_number": _power,
    "sum": _sum_rule,
    "any": _any,
    **dict.fromkeys(_COMPARE, _compare),
    "linalg_vector_norm": _vector_norm,
    "mm": _mm,
    "mm_nt": _mm_nt,
    "mm_tn": _mm_tn,
    "mv": _mv,
    "addmm": _addmm,
    "addmv": _addmm,
    "linear": _linear,
    "slice_backward": _slice_backward,
}

applied_by(CooArray, apply_sparse)
applied_by(CompressedArray, apply_sparse)
