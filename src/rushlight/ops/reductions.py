"""Reductions over dimensions: sums, means, products, log-sum-exp, and logical ones. Largest and smallest: ``extrema``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import (
    BOOL,
    C128,
    F32,
    F64,
    I64,
    INEXACT,
    LOW_PRECISION,
    NumpyDType,
    default_numpy,
    dtype,
)
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node
from ..core.shapes import Shape, count, wrap_dims
from ..core.tensor import Tensor, make_tensor
from .complex_numbers import conj_of
from .define import Primitive
from .dispatch import FloatingPointReport, apply, as_array, compute, type_name, write_out
from .movement import cast, expand, reshape
from .placement import tensor_beside
from .summation import PLANS32, PLANS64, plan_for

Array = NDArray[Any]
Dims = int | Sequence[int] | None
grad_enabled = GRAD_MODE.get
add_reduce: Any = np.add.reduce
multiply_reduce: Any = np.multiply.reduce
maximum_reduce: Any = np.maximum.reduce
ndarray = np.ndarray
asarray = np.asarray
# No plan yet for this shape and these dimensions; dimensions that can't be a key; the mean of nothing; overflow.
NotQuick = (KeyError, TypeError, ZeroDivisionError, *FloatingPointReport)
U8 = np.dtype(np.uint8)
FLOATS = (F32, F64)  # what plans are made for
ALL: dict[str, Any] = {"axis": None, "keepdims": False}


WAYS: tuple[dict[str, Any], ...] = (
    {"axis": None, "keepdims": False},
    {"axis": (1,), "keepdims": False},
    {"axis": (0, 1), "keepdims": True},
)
ONE_DIM: tuple[dict[str, Any], ...] = ({"dim": 1, "keepdims": False}, {"dim": 0, "keepdims": True})


def over_a_matrix(*attrs: dict[str, Any]) -> Any:
    """Samples of a record of one operand: a matrix without ties, with each of these parameters."""
    return lambda: [((np.array([[0.5, -1.5, 2.0], [3.0, 1.0, -0.75]]),), given) for given in attrs]


# --- what reductions share --------------------------------------------------------------------------------------------


def check_tensor(name: str, value: object) -> None:
    """Raise PyTorch's ``TypeError`` if the first argument of the function ``name`` is not a tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(value).__name__}")


def check_dims(name: str, dim: object, keepdim: object) -> None:
    """Raise ``TypeError`` unless ``dim`` is an int, several or None, and ``keepdim`` a bool."""
    if (type(dim) is int or dim is None) and (keepdim is False or keepdim is True):
        return
    several = isinstance(dim, list | tuple)
    for d in dim if isinstance(dim, list | tuple) else (dim,):
        if (d is None and several) or isinstance(d, bool) or not (d is None or hasattr(d, "__index__")):
            raise TypeError(
                f"{name}(): argument 'dim' must be int or tuple of ints, not {type(dim).__name__}"
            )
    if keepdim is not True and keepdim is not False:
        raise TypeError(f"{name}(): argument 'keepdim' must be bool, not {type(keepdim).__name__}")


def check_one_dim(name: str, dim: object, keepdim: object = False) -> None:
    """As ``check_dims``, for functions that take a single dimension."""
    if type(dim) is int and (keepdim is False or keepdim is True):
        return
    if isinstance(dim, list | tuple):
        raise TypeError(f"{name}(): argument 'dim' must be int, not {type(dim).__name__}")
    check_dims(name, dim, keepdim)


def kept_shape(shape: Shape, axis: tuple[int, ...] | None) -> Shape:
    """``shape`` with extent 1 where ``axis`` (None: everywhere) was reduced."""
    return tuple([1 if axis is None or i in axis else n for i, n in enumerate(shape)])


def expand_reduced(g: Tensor, shape: Shape, axis: tuple[int, ...] | None, keepdims: bool) -> Tensor:
    """A reduction's result (or its gradient) repeated over the dimensions that it reduced."""
    if not keepdims and axis is not None and len(shape) > 0:
        g = reshape(g, kept_shape(shape, axis))
    return expand(g, shape)


def restore_dims(reduced: Tensor, shape: Shape, axis: tuple[int, ...] | None, keepdims: bool) -> Tensor:
    """A reduction's result (or its gradient) with the dimensions that were reduced back, at extent 1."""
    return reduced if keepdims or not shape else reshape(reduced, kept_shape(shape, axis))


def numbered(name: str) -> Any:
    """PyTorch's names of the nodes of a reduction: ``SumBackward0`` over everything, ``SumBackward1`` over dimensions."""
    return lambda attrs: f"{name}Backward{0 if attrs is None or attrs['axis'] is None else 1}"


def no_derivative(name: str) -> Any:
    """The vjp of an operation without one: its result requires grad, and backward raises ``NotImplementedError``."""

    def vjp(g: Any, node: Node) -> Any:
        raise NotImplementedError(f"the derivative for '{name}' is not implemented.")

    return vjp


def apply_to_one(record: Primitive, input: Tensor, attrs: dict[str, Any]) -> Any:
    """``apply`` for a record of one operand: the shorter way where no history is needed."""
    array = input._array
    if (
        (input._node is None or not grad_enabled())
        and type(array) is ndarray
        and (array.size < record.large or array.dtype not in FLOATS)
    ):
        try:
            result = record.impl(array, **attrs)
        except FloatingPointReport:
            result = compute(record.impl, (array,), attrs)
        if type(result) is tuple:
            return tuple([make_tensor(asarray(part)) for part in result])
        return make_tensor(result if type(result) is ndarray else asarray(result))
    return apply(record, (input,), attrs)


def keep_plan(array: Array, dim: Any, keepdim: bool) -> None:
    """Make the plan under the very arguments of this call, so that the next one like it takes the quick path."""
    if array.dtype in FLOATS:
        plan_for(array.shape, dim, keepdim, array.dtype)


def numpy_type(given: Any) -> NumpyDType:
    """NumPy's type for a dtype argument, which may be Python's float, int, bool or complex."""
    try:
        return given.numpy  # type: ignore[no-any-return]
    except AttributeError:
        if given is float or given is int or given is bool or given is complex:
            return {float: F64, int: I64, bool: BOOL, complex: C128}[given]
        raise TypeError(f"argument 'dtype' must be torch.dtype, not {type(given).__name__}") from None


def reduced_type(given: dtype | None, array: Array, out: object = None) -> NumpyDType:
    """The dtype that sums and products compute in: the given one; that of ``out``; int64 for integers and bools."""
    if given is not None:
        return numpy_type(given)
    if isinstance(out, Tensor):
        return out._array.dtype  # type: ignore[no-any-return]
    return array.dtype if array.dtype in INEXACT else I64


# --- sum, mean --------------------------------------------------------------------------------------------------------


def sum_array(x: Array, axis: tuple[int, ...] | None, keepdims: bool) -> Any:
    """The sum of an array; low precision is added up in float32 and rounded once."""
    if x.dtype in FLOATS:
        return plan_for(x.shape, axis, keepdims, x.dtype)(x)
    if x.dtype in LOW_PRECISION:
        wide = x.astype(F32)
        return asarray(plan_for(x.shape, axis, keepdims, F32)(wide)).astype(x.dtype)
    return add_reduce(x, axis, x.dtype, None, keepdims)


def _sum_vjp(g: Tensor, node: Node) -> Tensor:
    (edge,) = node.edges
    assert edge is not None
    return expand_reduced(g, edge.shape, node.attrs["axis"], node.attrs["keepdims"])


def _mean_impl(x: Array, axis: tuple[int, ...] | None, keepdims: bool) -> Any:
    n = x.size if axis is None else count([x.shape[i] for i in axis])
    if x.dtype in LOW_PRECISION:
        wide = x.astype(F32)
        return asarray(np.true_divide(plan_for(x.shape, axis, keepdims, F32)(wide), n)).astype(x.dtype)
    return asarray(np.true_divide(sum_array(x, axis, keepdims), n)).astype(x.dtype, copy=False)


def _mean_vjp(g: Tensor, node: Node) -> Tensor:
    (edge,) = node.edges
    assert edge is not None
    axis = node.attrs["axis"]
    n = count(edge.shape if axis is None else [edge.shape[i] for i in axis])
    return expand_reduced(g / n, edge.shape, axis, node.attrs["keepdims"])


SUM = Primitive("sum", sum_array, _sum_vjp, grad_name=numbered("Sum"), samples=over_a_matrix(*WAYS))
MEAN = Primitive("mean", _mean_impl, _mean_vjp, grad_name=numbered("Mean"), samples=over_a_matrix(*WAYS))


def sum_dims(input: Tensor, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    """The sum over ``dims`` (already counted from the front)."""
    return apply_to_one(SUM, input, {"axis": dims, "keepdims": keepdim})  # type: ignore[no-any-return]


def sum(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """The sum over ``dim`` (an int, several, or None for all); integers and bools are summed in int64.

    ``keepdim`` leaves the summed dimensions at extent 1; ``dtype`` is what to cast to before summing. The empty sum is 0.
    ``axis`` and ``keepdims`` are NumPy's names of ``dim`` and ``keepdim``. Raises ``IndexError`` for a dimension out of
    range.

    Example:
        >>> import rushlight as torch
        >>> torch.sum(torch.ones(2, 3), dim=1)
        tensor([3., 3.])
    """
    try:
        array = input._array
    except AttributeError:
        raise TypeError(
            f"sum(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        ) from None
    if (
        dtype is None
        and out is None
        and axis is None
        and not keepdims
        and (keepdim is False or keepdim is True)
        and type(array) is ndarray
    ):
        try:
            if array.dtype is F32:
                total = PLANS32[array.shape, dim, keepdim](array)
            elif array.dtype is F64:
                total = PLANS64[array.shape, dim, keepdim](array)
            elif array.dtype is BOOL and dim is None and not keepdim:
                total = np.count_nonzero(array)
            elif array.dtype is I64 and dim is None and not keepdim:
                total = add_reduce(array, None)
            else:
                raise KeyError
        except NotQuick:
            pass
        else:
            if type(total) is not ndarray:
                total = asarray(total)
            edge = input._node
            if edge is None or not grad_enabled():
                return make_tensor(total)
            if dim is None:
                attrs = ALL if not keepdim else {"axis": None, "keepdims": keepdim}
            else:
                attrs = {"axis": wrap_dims(dim, array.ndim), "keepdims": keepdim}
            return make_tensor(total, Node(SUM, (edge,), total, None, attrs))
    return _sum_general(input, dim if axis is None else axis, keepdims or keepdim, dtype, out)


def _sum_method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    # `x.sum()` without arguments is what losses end with: its way does not ask for any of them.
    array = self._array
    if args or kwargs or array.dtype is not F32 or type(array) is not ndarray:
        return sum(self, *args, **kwargs)
    try:
        total = PLANS32[array.shape, None, False](array)
    except NotQuick:
        return sum(self)
    if type(total) is not ndarray:
        total = asarray(total)
    edge = self._node
    if edge is None or not grad_enabled():
        return make_tensor(total)
    return make_tensor(total, Node(SUM, (edge,), total, None, ALL))


_sum_method.__doc__ = sum.__doc__


def _sum_general(input: Tensor, dim: Dims, keepdim: bool, dtype: dtype | None, out: Tensor | None) -> Tensor:
    check_tensor("sum", input)
    check_dims("sum", dim, keepdim)
    input = cast(input, reduced_type(dtype, input._array, out))
    keep_plan(input._array, dim, keepdim)
    axes = None if dim is None else wrap_dims(dim, input._array.ndim)
    result: Tensor = apply_to_one(SUM, input, {"axis": axes, "keepdims": keepdim})
    return result if out is None else write_out(out, result, "sum")


def mean(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """The mean over ``dim`` (an int, several, or None for all) of a floating-point or complex tensor.

    The mean of nothing is nan. Raises ``RuntimeError`` for integers and bools, unless ``dtype`` says what to cast them to.

    Example:
        >>> import rushlight as torch
        >>> torch.mean(torch.tensor([[1.0, 3.0], [5.0, 7.0]]), dim=0)
        tensor([3., 5.])
    """
    try:
        array = input._array
    except AttributeError:
        raise TypeError(
            f"mean(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        ) from None
    if (
        dtype is None
        and out is None
        and axis is None
        and not keepdims
        and (keepdim is False or keepdim is True)
        and type(array) is ndarray
    ):
        try:
            if array.dtype is F32:
                total = PLANS32[array.shape, dim, keepdim](array)
            elif array.dtype is F64:
                total = PLANS64[array.shape, dim, keepdim](array)
            else:
                raise KeyError
            total = total / (array.size / total.size if type(total) is ndarray else array.size)
        except NotQuick:
            pass
        else:
            if type(total) is not ndarray:
                total = asarray(total)
            edge = input._node
            if edge is None or not grad_enabled():
                return make_tensor(total)
            if dim is None:
                attrs = ALL if not keepdim else {"axis": None, "keepdims": keepdim}
            else:
                attrs = {"axis": wrap_dims(dim, array.ndim), "keepdims": keepdim}
            return make_tensor(total, Node(MEAN, (edge,), total, None, attrs))
    return _mean_general(input, dim if axis is None else axis, keepdims or keepdim, dtype, out)


def _mean_general(input: Tensor, dim: Dims, keepdim: bool, dtype: dtype | None, out: Tensor | None) -> Tensor:
    check_tensor("mean", input)
    check_dims("mean", dim, keepdim)
    if dtype is not None:
        target, which = numpy_type(dtype), "Optional"
    else:
        target, which = input._array.dtype, "Input"
    if target not in INEXACT:
        raise RuntimeError(
            f"mean(): could not infer output dtype. {which} dtype must be either a floating point or complex dtype. Got: "
            f"{type_name(target)}"
        )
    input = cast(input, target)
    keep_plan(input._array, dim, keepdim)
    axes = None if dim is None else wrap_dims(dim, input._array.ndim)
    result: Tensor = apply_to_one(MEAN, input, {"axis": axes, "keepdims": keepdim})
    return result if out is None else write_out(out, result, "mean")


def nansum(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """The sum over ``dim`` with nan counted as 0; ``RuntimeError`` for complex tensors.

    Example:
        >>> import rushlight as torch
        >>> torch.nansum(torch.tensor([1.0, float("nan"), 2.0]))
        tensor(3.)
    """
    keepdim = keepdims or keepdim
    check_tensor("nansum", input)
    if input._array.dtype.kind == "c":
        raise RuntimeError("nansum does not support complex inputs")
    if input._array.dtype in INEXACT:
        input = input.masked_fill(input.isnan(), 0)
    return sum(input, dim if axis is None else axis, keepdim, dtype=dtype, out=out)


def nanmean(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """The mean over ``dim`` of what is not nan; nan where there is nothing else.

    Example:
        >>> import rushlight as torch
        >>> torch.nanmean(torch.tensor([1.0, float("nan"), 2.0]))
        tensor(1.5000)
    """
    keepdim = keepdims or keepdim
    check_tensor("nanmean", input)
    if input._array.dtype not in INEXACT:
        raise RuntimeError(
            f"nanmean(): expected input to have floating point or complex dtype but got {type_name(input._array.dtype)}"
        )
    dim = dim if axis is None else axis
    number = sum(input.isnan().logical_not(), dim, keepdim)
    result = nansum(input, dim, keepdim, dtype=dtype) / number
    return result if out is None else write_out(out, result, "nanmean")


# --- prod -------------------------------------------------------------------------------------------------------------


def _prod_impl(x: Array, axis: tuple[int, ...] | None, keepdims: bool) -> Any:
    if x.dtype in LOW_PRECISION:
        return asarray(multiply_reduce(x.astype(F32), axis, None, None, keepdims)).astype(x.dtype)
    return multiply_reduce(x, axis, x.dtype, None, keepdims)


def _prod_vjp(g: Tensor, node: Node) -> Tensor:
    # Each factor's gradient is the product of the others: of those before it and those behind it, so that zeros do no harm.
    (x,) = node.unpack()
    axis = node.attrs["axis"]
    shape = x._array.shape
    if axis is None:
        flat = reshape(x, (x._array.size,))
        return reshape(conj_of(_others_product(flat, 0)) * g, shape)
    if not shape:
        return g
    return conj_of(_others_product(x, axis[0])) * restore_dims(g, shape, axis, node.attrs["keepdims"])  # type: ignore[no-any-return]


def _others_product(x: Tensor, dim: int) -> Tensor:
    if x._array.shape[dim] < 2:
        return tensor_beside(x, np.ones(x._array.shape, x._array.dtype))
    from .scans import exclusive_cumprod  # scans are built on reductions

    return exclusive_cumprod(x, dim) * exclusive_cumprod(x.flip(dim), dim).flip(dim)  # type: ignore[no-any-return]


PROD = Primitive(
    "prod",
    _prod_impl,
    _prod_vjp,
    saves=((0, (0,)),),
    grad_name=numbered("Prod"),
    samples=over_a_matrix(*WAYS[:2]),
)


def prod(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
    axis: int | None = None,
    keepdims: bool = False,
) -> Tensor:
    """The product of all elements, or over one dimension; integers and bools are multiplied in int64. Of nothing: 1.

    Example:
        >>> import rushlight as torch
        >>> torch.prod(torch.tensor([[1, 2], [3, 4]]), 1)
        tensor([ 2, 12])
    """
    keepdim = keepdims or keepdim
    check_tensor("prod", input)
    dim = dim if axis is None else axis
    if (
        dim is None
        and dtype is None
        and out is None
        and input._node is None
        and input._array.dtype is F32
        and type(input._array) is ndarray
    ):
        return make_tensor(as_array(compute(multiply_reduce, (input._array, None), {})))
    check_one_dim("prod", dim, keepdim)
    input = cast(input, reduced_type(dtype, input._array, out))
    axes = None if dim is None else wrap_dims(dim, input._array.ndim)
    result: Tensor = apply_to_one(PROD, input, {"axis": axes, "keepdims": keepdim})
    return result if out is None else write_out(out, result, "prod")


# --- log-sum-exp ------------------------------------------------------------------------------------------------------


def _logsumexp_impl(x: Array, axis: tuple[int, ...], keepdims: bool) -> Any:
    dtype = x.dtype
    real = x.real if dtype.kind == "c" else x
    if dtype in LOW_PRECISION and x.size:  # every step is rounded, as in PyTorch
        wide = x.astype(F32)
        top = maximum_reduce(wide, axis, None, None, True)
        top = np.where(np.isinf(top), F32.type(0), top)
        powers = np.exp((wide - top).astype(dtype).astype(F32)).astype(dtype)
        total = np.log(sum_array(powers.astype(F32), axis, True).astype(dtype).astype(F32)).astype(dtype)
        result = (total.astype(F32) + top).astype(dtype)
        return result if keepdims else result.reshape([n for i, n in enumerate(x.shape) if i not in axis])
    if not x.size:
        with np.errstate(divide="ignore"):
            return np.log(add_reduce(x, axis, None, None, keepdims)).astype(dtype)
    top = maximum_reduce(real, axis, None, None, True)
    top = np.where(np.isinf(top), real.dtype.type(0), top)
    powers = np.exp(x - top)
    result = np.log(sum_array(powers, axis, True)) + top
    if not keepdims:
        result = result.reshape([n for i, n in enumerate(x.shape) if i not in axis])
    return result.astype(dtype, copy=False)


def _logsumexp_vjp(g: Tensor, node: Node) -> Tensor:
    x, result = node.unpack()
    axis, keepdims = node.attrs["axis"], node.attrs["keepdims"]
    shape = x._array.shape
    share = (x - restore_dims(result, shape, axis, keepdims)).exp()
    return restore_dims(g, shape, axis, keepdims) * conj_of(share)  # type: ignore[no-any-return]


LOGSUMEXP = Primitive(
    "logsumexp",
    _logsumexp_impl,
    _logsumexp_vjp,
    saves=((0, (0,)),),
    saves_output=True,
    grad_name="LogsumexpBackward0",
    samples=over_a_matrix(*WAYS[1:]),
)


def logsumexp(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """``log(sum(exp(input)))`` over ``dim`` (an int or several), without overflow; integers become floats.

    Example:
        >>> import rushlight as torch
        >>> torch.logsumexp(torch.tensor([1000.0, 1000.0]), dim=0)
        tensor(1000.6932)
    """
    keepdim = keepdims or keepdim
    check_tensor("logsumexp", input)
    dim = dim if axis is None else axis
    if dim is None:
        raise TypeError('logsumexp() missing 1 required positional arguments: "dim"')
    check_dims("logsumexp", dim, keepdim)
    if input._array.dtype not in INEXACT:
        input = cast(input, default_numpy())
    attrs = {"axis": wrap_dims(dim, input._array.ndim), "keepdims": keepdim}
    result: Tensor = apply_to_one(LOGSUMEXP, input, attrs)
    return result if out is None else write_out(out, result, "logsumexp")


# --- logical ----------------------------------------------------------------------------------------------------------


def _logical(ufunc: Any) -> Any:
    def impl(x: Array, axis: tuple[int, ...] | None, keepdims: bool) -> Any:
        if x.dtype.kind == "V":  # bfloat16: NumPy has no logical loops for it
            x = x.astype(F32)
        result = ufunc.reduce(x, axis, BOOL, None, keepdims)
        return asarray(result).astype(U8) if x.dtype == U8 else result

    return impl


EVERY = Primitive("all", _logical(np.logical_and), samples=over_a_matrix(*WAYS))
SOME = Primitive("any", _logical(np.logical_or), samples=over_a_matrix(*WAYS))


def _is_mask(input: object) -> bool:
    """Whether ``input`` is a vector of bools that is not empty: its first extreme element answers for all of it."""
    if not isinstance(input, Tensor):
        return False
    array = input._array
    return array.dtype is BOOL and array.ndim == 1 and array.size > 0 and type(array) is ndarray


def all(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """Whether all elements (over ``dim``: an int, several, or None for all) are true or not 0. Of nothing: True.

    The result is a bool tensor; uint8 for a uint8 ``input``.

    Example:
        >>> import rushlight as torch
        >>> torch.all(torch.tensor([[True, False], [True, True]]), dim=1)
        tensor([False,  True])
    """
    if dim is None and axis is None and out is None and not keepdim and not keepdims and _is_mask(input):
        mask = input._array
        return make_tensor(asarray(mask[mask.argmin()]))
    return _logical_form(EVERY, input, dim if axis is None else axis, keepdim or keepdims, out)


def any(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """Whether any element (over ``dim``: an int, several, or None for all) is true or not 0. Of nothing: False.

    The result is a bool tensor; uint8 for a uint8 ``input``.

    Example:
        >>> import rushlight as torch
        >>> torch.any(torch.tensor([[True, False], [False, False]]), dim=1)
        tensor([ True, False])
    """
    if dim is None and axis is None and out is None and not keepdim and not keepdims and _is_mask(input):
        mask = input._array
        return make_tensor(asarray(mask[mask.argmax()]))
    return _logical_form(SOME, input, dim if axis is None else axis, keepdim or keepdims, out)


def _logical_form(record: Primitive, input: Tensor, dim: Dims, keepdim: bool, out: Tensor | None) -> Tensor:
    check_tensor(record.name, input)
    check_dims(record.name, dim, keepdim)
    array = input._array
    if isinstance(dim, list | tuple) and not dim:
        axes: tuple[int, ...] | None = ()  # unlike everywhere else no dimension means none
    else:
        axes = None if dim is None else wrap_dims(dim, array.ndim)
    result: Tensor = apply_to_one(record, input, {"axis": axes, "keepdims": keepdim})
    if out is None:
        return result
    if isinstance(out, Tensor) and out._array.dtype not in (BOOL, U8):
        raise RuntimeError(
            f"{record.name} only supports bool tensor for result, got: {type_name(out._array.dtype)}"
        )
    return write_out(out, result, record.name)


def _count_impl(x: Array, axis: tuple[int, ...] | None) -> Any:
    if x.dtype.kind == "V":
        x = x.astype(F32)
    return asarray(np.count_nonzero(x, axis)).astype(I64)


COUNT_NONZERO = Primitive("count_nonzero", _count_impl, samples=over_a_matrix({"axis": None}, {"axis": (1,)}))


def count_nonzero(input: Tensor, dim: Dims = None, *, axis: Dims = None) -> Tensor:
    """How many elements (over ``dim``: an int, several, or None for all) are not 0, as int64.

    Example:
        >>> import rushlight as torch
        >>> torch.count_nonzero(torch.tensor([[1, 0, 2], [0, 0, 3]]), dim=1)
        tensor([2, 1])
    """
    check_tensor("count_nonzero", input)
    dim = dim if axis is None else axis
    check_dims("count_nonzero", dim, False)
    axes = None if dim is None else wrap_dims(dim, input._array.ndim)
    return apply_to_one(COUNT_NONZERO, input, {"axis": axes})  # type: ignore[no-any-return]


METHODS: dict[str, Any] = {
    "sum": _sum_method,
    "nansum": nansum,
    "mean": mean,
    "nanmean": nanmean,
    "prod": prod,
    "logsumexp": logsumexp,
    "all": all,
    "any": any,
    "count_nonzero": count_nonzero,
}
