"""Largest and smallest elements: of everything, over dimensions, with their indices, or the indices alone."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import BOOL, F32, F64, I64
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node, known_as
from ..core.return_types import maker
from ..core.shapes import wrap_dim, wrap_dims
from ..core.storage import LIBRARY, Storage, program_site
from ..core.tensor import Tensor, make_tensor
from .define import Primitive
from .dispatch import attach, named, not_implemented, write_out
from .linalg import write_exact
from .numpy_names import numpy_names
from .reductions import (
    ONE_DIM,
    WAYS,
    Dims,
    apply_to_one,
    check_dims,
    check_one_dim,
    check_tensor,
    over_a_matrix,
    restore_dims,
)

Array = NDArray[Any]
grad_enabled = GRAD_MODE.get
getframe = sys._getframe
ndarray = np.ndarray
asarray = np.asarray
maximum_reduce: Any = np.maximum.reduce
minimum_reduce: Any = np.minimum.reduce
MaxResult, MinResult, AminmaxResult = maker("max"), maker("min"), maker("aminmax")
ALL = {"axis": None, "keepdims": False}


# --- values alone -----------------------------------------------------------------------------------------------------


def _extreme(name: str, ufunc: Any) -> Any:
    def impl(x: Array, axis: tuple[int, ...] | None, keepdims: bool) -> Any:
        if x.dtype.kind == "c":
            raise not_implemented(f"{name}_values", x.dtype)
        return ufunc.reduce(x, axis, None, None, keepdims)

    return impl


def _ties_vjp(g: Tensor, node: Node) -> Tensor:
    """The gradient shared evenly among the elements that equal the result (nan included)."""
    x, result = node.unpack()
    axis, keepdims = node.attrs["axis"], node.attrs["keepdims"]
    shape = x._array.shape
    result = restore_dims(result.detach(), shape, axis, keepdims)
    x = x.detach()
    winners = x.eq(result).logical_or(x.isnan().logical_and(result.isnan())).to(g.dtype)
    number = winners.sum(axis if axis is not None else tuple(range(len(shape))), True)
    return restore_dims(g, shape, axis, keepdims) * (winners / number)  # type: ignore[no-any-return]


def _values_record(name: str, ufunc: Any, grad_name: str) -> Primitive:
    return Primitive(
        name,
        _extreme(name[-3:], ufunc),
        _ties_vjp,
        saves=((0, (0,)),),
        saves_output=True,
        grad_name=grad_name,
        samples=over_a_matrix(*WAYS),
    )


MAX = _values_record("max", np.maximum, "MaxBackward1")
MIN = _values_record("min", np.minimum, "MinBackward1")
AMAX = _values_record("amax", np.maximum, "AmaxBackward0")
AMIN = _values_record("amin", np.minimum, "AminBackward0")


def _check_not_empty(name: str, array: Array, axis: tuple[int, ...] | None, error: type[Exception]) -> None:
    if array.size:
        return
    if axis is None:
        raise error(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the "
            "'dim' argument."
        )
    for dim in axis:
        if not array.shape[dim]:
            raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")


def _with_history(record: Primitive, input: Tensor, array: Array, edge: Node) -> Tensor:
    frame: Any = getframe(2)
    code = frame.f_code
    site = program_site(frame) if code.co_filename.startswith(LIBRARY) else (code, frame.f_lasti)
    storage = input._storage
    node = Node(record, (edge,), array, (input,), ALL, site, None if storage is None else (storage.version,))
    tensor = make_tensor(array, node)
    storage = tensor._storage = Storage()
    node.output = (array, storage, 0)
    return tensor


def amax(
    input: Tensor,
    dim: Dims = (),
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """The largest elements over ``dim`` (an int, several, or none for all); ties share the gradient evenly.

    Example:
        >>> import rushlight as torch
        >>> torch.amax(torch.tensor([[1.0, 5.0], [7.0, 3.0]]), dim=1)
        tensor([5., 7.])
    """
    keepdim = keepdims or keepdim
    return _values_over(AMAX, maximum_reduce, input, dim if axis is None else axis, keepdim, out)


def amin(
    input: Tensor,
    dim: Dims = (),
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Tensor:
    """The smallest elements over ``dim`` (an int, several, or none for all); ties share the gradient evenly.

    Example:
        >>> import rushlight as torch
        >>> torch.amin(torch.tensor([[1.0, 5.0], [7.0, 3.0]]), dim=1)
        tensor([1., 3.])
    """
    keepdim = keepdims or keepdim
    return _values_over(AMIN, minimum_reduce, input, dim if axis is None else axis, keepdim, out)


def _values_over(
    record: Primitive, reduce: Any, input: Tensor, dim: Any, keepdim: bool, out: Tensor | None
) -> Tensor:
    name = record.name
    check_tensor(name, input)
    if type(dim) is int and out is None and (input._node is None or not grad_enabled()):
        array = input._array
        dtype = array.dtype
        if (
            (dtype is F32 or dtype is F64 or dtype is I64)
            and array.ndim
            and type(array) is ndarray
            and (array.size < record.large or dtype is I64)
        ):
            try:
                return make_tensor(asarray(reduce(array, dim, None, None, keepdim)))
            except ValueError:
                pass  # no such dimension, or nothing in it: said in PyTorch's words below
    check_dims(name, dim, keepdim)
    array = input._array
    over_all = isinstance(dim, list | tuple) and not dim
    axes = wrap_dims(dim, array.ndim)
    _check_not_empty(name, array, None if over_all else axes, RuntimeError)
    if out is not None and isinstance(out, Tensor) and out._array.dtype != array.dtype:
        raise RuntimeError(
            f"Expected the dtype for input and out to match, but got {input.dtype} for input's dtype and {out.dtype} for "
            "out's dtype."
        )
    result: Tensor = apply_to_one(record, input, {"axis": axes, "keepdims": keepdim})
    return result if out is None else write_out(out, result, name)


@numpy_names
def aminmax(
    input: Tensor, *, dim: int | None = None, keepdim: bool = False, out: tuple[Tensor, Tensor] | None = None
) -> Any:
    """The smallest and the largest elements, of everything or over one dimension, as ``(min, max)``.

    Example:
        >>> import rushlight as torch
        >>> torch.aminmax(torch.tensor([3, 1, 2]))
        torch.return_types.aminmax(
        min=tensor(1),
        max=tensor(3))
    """
    check_tensor("aminmax", input)
    check_one_dim("aminmax", dim, keepdim)
    array = input._array
    if array.dtype.kind == "c":
        raise not_implemented("aminmax", array.dtype)
    axes = wrap_dims(dim, array.ndim)
    if not array.size and dim is None:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    _check_not_empty("aminmax", array, axes, RuntimeError)
    attrs = {"axis": axes, "keepdims": keepdim}
    low, high = [known_as(apply_to_one(record, input, attrs), "AminmaxBackward0") for record in (AMIN, AMAX)]
    return named_result("aminmax", AminmaxResult, (low, high), out)


# --- values with indices ----------------------------------------------------------------------------------------------


def _argument(x: Array, find: str, dim: int | None, keepdims: bool) -> Any:
    if x.ndim == 0:
        return np.zeros((), I64)
    return getattr(x, find)(dim, None, keepdims=keepdims)


# NumPy's extrema over a dimension cost 50 ns a result where fewer neighbours than these lie in the dimensions behind it.
_FEW_BEHIND = 16


def _at_indices(x: Array, dim: int, indices: Array) -> Array | None:
    """The elements of ``x`` at ``indices`` along ``dim``, which is not in them; None where NumPy's extrema are found sooner."""
    if x.size < 2_048 or not x.flags.c_contiguous:
        return None
    dim %= x.ndim
    inner = 1
    for extent in x.shape[dim + 1 :]:
        inner *= extent
    if inner >= _FEW_BEHIND:
        return None
    extent = x.shape[dim]
    places = indices.reshape(-1, inner) * inner
    places += np.arange(0, x.size, extent * inner)[:, None]
    if inner > 1:
        places += np.arange(inner)
    return x.reshape(-1).take(places).reshape(indices.shape)


def _selecting(find: str, ufunc: Any) -> Any:
    def impl(x: Array, dim: int, keepdims: bool) -> Any:
        if x.ndim == 0:
            return x.copy(), np.zeros((), I64)
        indices = getattr(x, find)(dim, None, keepdims=keepdims)
        values = _at_indices(x, dim, indices)
        return ufunc.reduce(x, dim, None, None, keepdims) if values is None else values, indices

    return impl


def selected_vjp(g: Any, node: Node) -> Tensor | None:
    """The gradient of values whose indices are the second result (no index twice): sent to where they came from."""
    return _scattered(g[0], node, "scatter")


def selected_often_vjp(g: Any, node: Node) -> Tensor | None:
    """As ``selected_vjp``, for values of which several may come from one place."""
    return _scattered(g[0], node, "scatter_add")


def _scattered(gradient: Tensor | None, node: Node, how: str) -> Tensor | None:
    (edge,) = node.edges
    assert edge is not None
    if gradient is None:
        return None
    attrs = node.attrs
    (indices,) = node.unpack()
    dim = attrs["dim"]
    if edge.shape and not attrs.get("keepdims", True):
        gradient, indices = gradient.unsqueeze(dim), indices.unsqueeze(dim)
    return getattr(gradient.new_zeros(edge.shape), how)(dim, indices, gradient)  # type: ignore[no-any-return]


MAX_DIM = Primitive(
    "max_dim",
    _selecting("argmax", np.maximum),
    selected_vjp,
    saves_output=(1,),
    grad_name="MaxBackward0",
    samples=over_a_matrix(*ONE_DIM),
)
MIN_DIM = Primitive(
    "min_dim",
    _selecting("argmin", np.minimum),
    selected_vjp,
    saves_output=(1,),
    grad_name="MinBackward0",
    samples=over_a_matrix(*ONE_DIM),
)
# For each of the two: its name, its record over everything, its record over a dimension, and its result's type.
_MAX = ("max", MAX, MAX_DIM, MaxResult)
_MIN = ("min", MIN, MIN_DIM, MinResult)


def _general(kind: Any, input: Tensor, dim: Any, keepdim: Any, other: Tensor | None, out: Any) -> Any:
    name, whole, over_dim, result_type = kind
    check_tensor(name, input)
    if isinstance(dim, Tensor):
        other, dim = dim, None
    if other is not None:
        if not isinstance(other, Tensor):
            raise TypeError(f"{name}(): argument 'other' must be Tensor, not {type(other).__name__}")
        result = input.maximum(other) if whole is MAX else input.minimum(other)
        return result if out is None else write_out(out, result, name)
    check_one_dim(name, dim, keepdim)
    array = input._array
    if array.dtype.kind == "c":
        raise not_implemented(f"{name}_all" if dim is None else name, array.dtype)
    if dim is None:
        _check_not_empty(name, array, None, RuntimeError)
        result = apply_to_one(whole, input, ALL)
        return result if out is None else write_out(out, result, name)
    dim = wrap_dim(dim, array.ndim)
    if array.ndim:
        _check_not_empty(name, array, (dim,), IndexError)
    return named_result(
        name, result_type, apply_to_one(over_dim, input, {"dim": dim, "keepdims": keepdim}), out
    )


def named_result(name: str, result_type: Any, results: tuple[Tensor, ...], out: Any) -> Any:
    """``results`` as the named tuple of the operation, written into the tensors of ``out`` where it is given."""
    if out is None:
        return result_type(results)
    if not isinstance(out, list | tuple) or len(out) != len(results):
        raise TypeError(f"{name}(): argument 'out' must be tuple of Tensors, not {type(out).__name__}")
    return result_type(tuple([write_exact(o, r) for o, r in zip(out, results, strict=True)]))


def _with_indices(kind: Any, find: Any, reduce: Any, doc: str) -> Any:
    """The public ``max`` or ``min``: quick paths over everything and over one dimension, then ``_general``."""
    name, whole, over_dim, result_type = kind

    def function(
        input: Tensor,
        dim: Any = None,
        keepdim: bool = False,
        *,
        other: Tensor | None = None,
        out: Any = None,
        axis: Any = None,
        keepdims: bool = False,
    ) -> Any:
        if out is None and other is None and axis is None and keepdim is False and keepdims is False:
            try:
                array = input._array
                dtype = array.dtype
                if (dtype is F32 or dtype is F64 or dtype is I64) and type(array) is ndarray:
                    if dim is None:
                        flat = array if array.ndim == 1 else array.ravel()
                        value = asarray(flat[find(flat)])
                        edge = input._node
                        if edge is None or not grad_enabled():
                            return make_tensor(value)
                        return _with_history(whole, input, value, edge)
                    if type(dim) is int and array.ndim:
                        indices = find(array, dim)
                        values = array[indices] if array.ndim == 1 else _at_indices(array, dim, indices)
                        if values is None:
                            values = reduce(array, dim)
                        attrs = {"dim": dim % array.ndim, "keepdims": False}
                        return result_type(attach(over_dim, (input,), attrs, (values, indices)))
            except (ValueError, AttributeError):
                pass  # no such dimension, nothing in it, or no tensor: said in PyTorch's words below
        return _general(kind, input, dim if axis is None else axis, keepdims or keepdim, other, out)

    return named(function, name, doc)


max = _with_indices(
    _MAX,
    ndarray.argmax,
    maximum_reduce,
    """``max(input)``: the largest element; ``max(input, dim)``: the largest ones over a dimension and their (first)
    indices, as ``(values, indices)``; ``max(input, other)``: the elementwise ``maximum``.

    nan counts as the largest. Raises ``RuntimeError`` where there is no element to choose, ``IndexError`` where ``dim``
    has extent 0.

    Example:
        >>> import rushlight as torch
        >>> x = torch.tensor([[1.0, 5.0], [7.0, 3.0]])
        >>> torch.max(x)
        tensor(7.)
        >>> torch.max(x, dim=1)
        torch.return_types.max(
        values=tensor([5., 7.]),
        indices=tensor([1, 0]))
    """,
)
min = _with_indices(
    _MIN,
    ndarray.argmin,
    minimum_reduce,
    """``min(input)``: the smallest element; ``min(input, dim)``: the smallest ones over a dimension and their (first)
    indices, as ``(values, indices)``; ``min(input, other)``: the elementwise ``minimum``.

    nan counts as the smallest here. Raises ``RuntimeError`` where there is no element to choose, ``IndexError`` where
    ``dim`` has extent 0.

    Example:
        >>> import rushlight as torch
        >>> torch.min(torch.tensor([[1.0, 5.0], [7.0, 3.0]]), 0).indices
        tensor([0, 1])
    """,
)


# --- indices alone ----------------------------------------------------------------------------------------------------

ARGMAX = Primitive(
    "argmax", lambda x, dim, keepdims: _argument(x, "argmax", dim, keepdims), samples=over_a_matrix(*ONE_DIM)
)
ARGMIN = Primitive(
    "argmin", lambda x, dim, keepdims: _argument(x, "argmin", dim, keepdims), samples=over_a_matrix(*ONE_DIM)
)


def argmax(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    axis: int | None = None,
    keepdims: bool = False,
) -> Tensor:
    """The index of the largest element: of the flattened tensor, or over a dimension; the first one of equal elements.

    nan counts as the largest. Raises ``IndexError`` where there is no element to choose.

    Example:
        >>> import rushlight as torch
        >>> torch.argmax(torch.tensor([[1, 5], [7, 3]]), dim=1)
        tensor([1, 0])
    """
    if out is None and axis is None and keepdim is False and keepdims is False and isinstance(input, Tensor):
        array = input._array
        dtype = array.dtype
        if (dtype is F32 or dtype is F64 or dtype is I64) and array.size and type(array) is ndarray:
            if dim is None:
                return make_tensor(asarray(array.argmax()))
            if type(dim) is int and -array.ndim <= dim < array.ndim:
                return make_tensor(asarray(array.argmax(dim)))
    return _index_of(ARGMAX, input, dim if axis is None else axis, keepdim or keepdims, out)


def argmin(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    axis: int | None = None,
    keepdims: bool = False,
) -> Tensor:
    """The index of the smallest element: of the flattened tensor, or over a dimension; the first one of equal elements.

    nan counts as the smallest here. Raises ``IndexError`` where there is no element to choose.

    Example:
        >>> import rushlight as torch
        >>> torch.argmin(torch.tensor([[1, 5], [7, 3]]), dim=1)
        tensor([0, 1])
    """
    if out is None and axis is None and keepdim is False and keepdims is False and isinstance(input, Tensor):
        array = input._array
        dtype = array.dtype
        if (dtype is F32 or dtype is F64 or dtype is I64) and array.size and type(array) is ndarray:
            if dim is None:
                return make_tensor(asarray(array.argmin()))
            if type(dim) is int and -array.ndim <= dim < array.ndim:
                return make_tensor(asarray(array.argmin(dim)))
    return _index_of(ARGMIN, input, dim if axis is None else axis, keepdim or keepdims, out)


def _index_of(record: Primitive, input: Tensor, dim: Any, keepdim: Any, out: Tensor | None) -> Tensor:
    name = record.name
    check_tensor(name, input)
    check_one_dim(name, dim, keepdim)
    array = input._array
    if array.dtype == BOOL or array.dtype.kind == "c":
        raise RuntimeError(f"{name}(): does not support {'bool' if array.dtype == BOOL else 'complex'} input")
    if dim is not None:
        dim = wrap_dim(dim, array.ndim)
    if array.ndim:
        _check_not_empty(name, array, None if dim is None else (dim,), IndexError)
    result: Tensor = apply_to_one(record, input, {"dim": dim, "keepdims": keepdim})
    return result if out is None else write_exact(out, result)


METHODS: dict[str, Any] = {
    "max": max,
    "min": min,
    "amax": amax,
    "amin": amin,
    "aminmax": aminmax,
    "argmax": argmax,
    "argmin": argmin,
}
