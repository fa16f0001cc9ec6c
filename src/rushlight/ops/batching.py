"""Operations on batches: one rule for each record, and how history goes in and out of a batch.

A rule computes a record on arrays of which some are batches (``runtime.batched``) of one level: most move the
parameters that name dimensions by one, fold the batch into a dimension that is one already, or leave it to NumPy's own
protocols. A record without a rule runs once for each example (``looped``): slow, and right for whatever its
implementation does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

import numpy as np

from ..core.history import Node
from ..core.storage import Storage
from ..core.tensor import Tensor, make_tensor
from ..runtime import batched as arrays_of
from ..runtime.batched import Batched, batch_size, each, enter, leave, lined_up, spread, top_level, wrap
from ..runtime.batching import pointwise, product
from .define import Primitive
from .dispatch import as_array, compute
from .movement import expand

Arrays = list[Any]


def run_batched(record: Primitive, arrays: Any, attrs: dict[str, Any]) -> Any:
    """``record`` on arrays of which at least one is a batch: batches come back."""
    level = top_level(arrays)
    if level < 0:
        return compute(record.impl, arrays, attrs)
    arrays = _without_repetition(list(arrays), level)
    rule: Callable[..., Any] = RULES.get(record.name, looped)
    return rule(record, level, list(arrays), attrs)


def _without_repetition(arrays: Arrays, level: int) -> Arrays:
    """The arrays, with those that are the same for all examples given as what they repeat, unless all are."""
    plain = [_repeated(a, level) for a in arrays]
    if any([kept and _is(a, level) for a, kept in zip(arrays, [p is None for p in plain], strict=True)]):
        return [a if p is None else p for a, p in zip(arrays, plain, strict=True)]
    return arrays


def _repeated(array: Any, level: int) -> Any:
    if _is(array, level):
        value = array.value
        if value.shape[0] > 1 and value.strides[0] == 0:
            return value[0, ...]
    return None


class Mode:
    """What ``dispatch.apply`` hands an operation on batches to, in place of a recording's tape."""

    finished = False

    @staticmethod
    def call(record: Primitive, arrays: Any, attrs: dict[str, Any]) -> Any:
        return run_batched(record, arrays, attrs)


MODE: Final = Mode()


def _call(record: Primitive, level: int, values: Any, attrs: dict[str, Any]) -> Any:
    """``record`` one level further in; the results are batches of ``level``."""
    return _wrapped(level, run_batched(record, values, attrs))


def _wrapped(level: int, result: Any) -> Any:
    if isinstance(result, tuple):
        return tuple([_wrapped(level, part) for part in result])
    return wrap(level, as_array(result))


def _is(array: Any, level: int) -> bool:
    return type(array) is Batched and array.level == level


# --- the rules --------------------------------------------------------------------------------------------------------


def looped(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Once for each example."""

    def one(*arrays: Any, **attrs: Any) -> Any:
        return run_batched(record, arrays, attrs)

    one.__name__ = record.name
    return each(one, arrays, attrs)


def direct(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """The implementation is made of NumPy's functions and methods that batches have."""
    return compute(record.impl, arrays, attrs)


def lined(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Element by element: dimensions lined up from the last one."""
    ndim = max([a.ndim for a in arrays if hasattr(a, "ndim")])
    values = [lined_up(a, ndim) if _is(a, level) else a for a in arrays]
    if any([type(v) is Batched and v.level == level for v in attrs.values()]):
        return looped(record, level, arrays, attrs)
    return _call(record, level, values, attrs)


def refused(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """The shape of the result depends on the values."""
    raise arrays_of.dynamic_shape(record.name)


def _over_axes(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Reductions over ``axis``: a tuple, or None for all dimensions."""
    (x,) = arrays
    axis = attrs["axis"]
    if not x.ndim:
        attrs = {**attrs, "axis": (1,), "keepdims": False} if "keepdims" in attrs else {"axis": (1,)}
        return _call(record, level, [x.value.reshape((-1, 1))], attrs)
    if axis is not None and not axis:
        return looped(record, level, arrays, attrs)
    axes = x.axes(axis)
    return _call(record, level, [x.value], {**attrs, "axis": axes})


def _over_dim(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Operations along ``dim`` of one tensor."""
    x = arrays[0]
    dim = attrs["dim"]
    if x.ndim == 0 or dim is None:
        return looped(record, level, arrays, attrs)
    return _call(record, level, [x.value], {**attrs, "dim": x.axis(dim)})


def _over_dims(name: str) -> Any:
    def rule(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
        x = arrays[0]
        if x.ndim == 0:
            return looped(record, level, arrays, attrs)
        return _call(record, level, [x.value], {**attrs, name: x.axes(tuple(attrs[name]))})

    return rule


def _all_along(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Operations of several tensors of one rank along ``dim``."""
    ndims = {a.ndim for a in arrays if a is not None}
    if len(ndims) != 1 or ndims == {0}:
        return looped(record, level, arrays, attrs)
    size = batch_size(arrays, level)
    dim = attrs["dim"]
    values = [None if a is None else spread(a, level, size) for a in arrays]
    return _call(record, level, values, {**attrs, "dim": dim + 1 if dim >= 0 else dim})


def _gathering(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    if "shape" in attrs and attrs["shape"] is not None:
        size = batch_size(arrays, level)
        attrs = {**attrs, "shape": (size, *attrs["shape"])}
    return _all_along(record, level, arrays, attrs)


def _joining(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    ndim = max([a.ndim for a in arrays])
    if any([a.ndim != ndim for a in arrays]):  # empty 1-dim tensors, which are skipped
        return looped(record, level, arrays, attrs)
    dim = attrs["dim"]
    size = batch_size(arrays, level)
    values = [spread(a, level, size) for a in arrays]
    return _call(record, level, values, {**attrs, "dim": dim + 1 if dim >= 0 else dim})


def _matrices(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    x, y = arrays
    if record.name == "mm_nt":
        y = y.T
    elif record.name == "mm_tn":
        x = x.T
    if x.dtype.kind not in "fciub" or x.dtype.itemsize == 2 or x.dtype != y.dtype:
        return looped(record, level, arrays, attrs)
    return compute(product, (x, y), {})


def _sum_of_product(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    c, x, y = arrays
    beta, alpha = attrs["beta"], attrs["alpha"]
    if x.dtype.kind not in "fc" or x.dtype.itemsize == 2:
        return looped(record, level, arrays, attrs)
    kind = x.dtype.type
    result = compute(product, (x, y), {}) if top_level((x, y)) >= 0 else np.matmul(x, y)
    if alpha != 1:
        result = result * kind(alpha)
    if beta == 0:
        return result if top_level((result,)) >= level else result + c * kind(0)
    return result + (c if beta == 1 else c * kind(beta))


def _linear(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    bias, x, w = arrays
    if x.dtype.kind not in "fc" or x.dtype.itemsize == 2:
        return looped(record, level, arrays, attrs)
    if not _is(w, level) and not _is(bias, level):
        return _call(record, level, [bias, x.value, w], attrs)  # any number of leading dimensions
    result = np.matmul(x, w.T)
    return result if bias is None else result + bias


def _stacks_of_matrices(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Implementations that take any number of leading dimensions, of one tensor."""
    return _call(record, level, [arrays[0].value], attrs)


def _reading(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """``x[index tensors]``: a batched index goes with a count of the examples in front."""
    x, *indices = arrays
    dims = attrs["dims"]
    if any([index.dtype == np.bool_ and _is(index, level) for index in indices]):
        raise arrays_of.dynamic_shape("index")
    if any([index.dtype == np.bool_ for index in indices]) or not _adjacent(dims):
        return looped(record, level, arrays, attrs)
    if not any([_is(index, level) for index in indices]):
        return _call(record, level, [x.value, *indices], {**attrs, "dims": tuple([d + 1 for d in dims])})
    if dims[0] != 0:
        return looped(record, level, arrays, attrs)
    if not _is(x, level):
        return _looked_up(record, level, x, indices, attrs)
    ndim = max([index.ndim for index in indices])
    size = x.value.shape[0]
    count = np.arange(size).reshape(size, *(1,) * ndim)
    values = [lined_up(index, ndim) if _is(index, level) else index for index in indices]
    return _call(record, level, [x.value, count, *values], {**attrs, "dims": (0, *[d + 1 for d in dims])})


def _looked_up(record: Primitive, level: int, x: Any, indices: Arrays, attrs: dict[str, Any]) -> Any:
    ndim = max([index.ndim for index in indices])
    values = [lined_up(index, ndim) if _is(index, level) else index for index in indices]
    return _call(record, level, [x, *values], attrs)


def _adjacent(dims: tuple[int, ...]) -> bool:
    return list(dims) == list(range(dims[0], dims[0] + len(dims)))


def _writing(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    x, value, *indices = arrays
    dims = attrs["dims"]
    if dims[0] != 0 or not _adjacent(dims) or any([index.dtype == np.bool_ for index in indices]):
        return looped(record, level, arrays, attrs)
    size = batch_size(arrays, level)
    ndim = max([index.ndim for index in indices])
    rank = len(x.shape if x is not None else attrs["shape"])
    selected = ndim + rank - len(dims)
    if value.ndim > selected:
        return looped(record, level, arrays, attrs)
    count = np.arange(size).reshape(size, *(1,) * ndim)
    places = [lined_up(index, ndim) if _is(index, level) else index for index in indices]
    shape = attrs.get("shape")
    values = [
        None if x is None else spread(x, level, size),
        lined_up(value, selected) if _is(value, level) else value,
        count,
        *places,
    ]
    if shape is not None:
        attrs = {**attrs, "shape": (size, *shape)}
    return _call(record, level, values, {**attrs, "dims": (0, *[d + 1 for d in dims])})


def _embedding(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    weight, indices = arrays
    if _is(weight, level):
        return looped(record, level, arrays, attrs)
    return _call(record, level, [weight, indices.value], attrs)


def _folding(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """Operations of images ``(n, ...)`` whose first operand alone is batched: the examples become more images."""
    x, *rest = arrays
    if not _is(x, level) or any([_is(a, level) for a in rest]) or x.ndim < 3:
        return looped(record, level, arrays, attrs)
    value = x.value
    size, images = value.shape[:2]
    if not size * images:
        return looped(record, level, arrays, attrs)
    attrs = {
        key: (size * images, *v[1:]) if key in ("input_shape", "shape") and v is not None else v
        for key, v in attrs.items()
    }
    folded = run_batched(record, [value.reshape((size * images, *value.shape[2:])), *rest], attrs)
    return _unfolded(level, folded, size, images)


def _unfolded(level: int, result: Any, size: int, images: int) -> Any:
    if isinstance(result, tuple):
        return tuple([_unfolded(level, part, size, images) for part in result])
    return wrap(level, result.reshape((size, images, *result.shape[1:])))


def _pairs_folding(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    """As ``_folding`` for operations on pairs of images with the same leading dimension."""
    if any([a is None or a.ndim < 3 for a in arrays]):
        return looped(record, level, arrays, attrs)
    size = batch_size(arrays, level)
    values = [spread(a, level, size) for a in arrays]
    images = values[0].shape[1]
    if not size * images:
        return looped(record, level, arrays, attrs)
    folded = run_batched(record, [v.reshape((size * images, *v.shape[2:])) for v in values], attrs)
    return _unfolded(level, folded, size, images)


def _padding(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    pads = tuple(attrs["pads"])
    return _call(record, level, [arrays[0].value], {**attrs, "pads": ((0, 0), *pads)})


def _slice_gradient(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    index = attrs["index"]
    parts = index if type(index) is tuple else (index,)
    value = arrays[0].value
    shape = (value.shape[0], *attrs["shape"])
    return _call(record, level, [value], {"shape": shape, "index": (slice(None), *parts)})


def _copied(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    old, value = arrays
    return (
        wrap(level, np.broadcast_to(lined_up(value, old.ndim), (value.value.shape[0], *old.shape)))
        if _is(value, level)
        else np.broadcast_to(value, old.shape)
    )


def _fft(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
    x = arrays[0]
    return _call(record, level, [x.value], {**attrs, "axes": x.axes(tuple(attrs["axes"]))})


_POINTWISE = [
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "bitwise_left_shift",
    "bitwise_right_shift",
    "bitwise_not",
    "isclose",
    "add",
    "sub",
    "mul",
    "div",
    "neg",
    "div_rounded",
    "floor_divide",
    "remainder",
    "fmod",
    "reciprocal",
    "gcd",
    "maximum",
    "minimum",
    "exp",
    "expm1",
    "exp2",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "pow",
    "pow_number",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "atan2",
    "hypot",
    "sigmoid",
    "logit",
    "floor",
    "ceil",
    "round",
    "trunc",
    "abs",
    "sgn",
    "copysign",
    "nextafter",
    "erf",
    "erfc",
    "erfinv",
    "lgamma",
    "polygamma",
    "xlogy",
    "logaddexp",
    "logaddexp2",
    "relu",
    "hardtanh",
    "leaky_relu",
    "elu",
    "softplus",
    "erfcx",
    "ndtri",
    "xlog1py",
    "entr",
    "i0",
    "special_i1",
    "special_i0e",
    "special_i1e",
    "special_bessel",
    "special_polynomial",
    "special_zeta",
    "igamma",
    "igammac",
    "frexp",
    "where",
    "clamp",
    "heaviside",
    "masked_fill",
    "binary_cross_entropy",
    "complex",
]
RULES: Final[dict[str, Callable[..., Any]]] = {
    **dict.fromkeys(_POINTWISE, lined),
    **dict.fromkeys(
        [
            "view",
            "squeeze",
            "unsqueeze",
            "reshape",
            "permute",
            "transpose",
            "t",
            "slice",
            "select",
            "expand",
            "clone",
            "unbind",
            "split",
            "split_with_sizes",
            "with_new_dimension",
            "diagonal",
            "untracked_view",
            "overwritten",
            "unfold",
            "alias",
            "conj",
            "copy_slices",
        ],
        direct,
    ),
    **dict.fromkeys(["nonzero", "unique", "unique_consecutive"], refused),
    **dict.fromkeys(
        [
            "sum",
            "mean",
            "prod",
            "logsumexp",
            "all",
            "any",
            "count_nonzero",
            "max",
            "min",
            "amax",
            "amin",
            "var",
            "std",
            "linalg_vector_norm",
        ],
        _over_axes,
    ),
    **dict.fromkeys(
        [
            "softmax",
            "log_softmax",
            "cumsum",
            "cumprod",
            "cummax",
            "cummin",
            "logcumsumexp",
            "sort",
            "topk",
            "kthvalue",
            "median_dim",
            "nanmedian_dim",
            "mode",
            "max_dim",
            "min_dim",
            "argmax",
            "argmin",
        ],
        _over_dim,
    ),
    **dict.fromkeys(("flip",), _over_dims("dims")),
    "roll": looped,
    **dict.fromkeys(("gather", "scatter", "scatter_reduce"), _gathering),
    **dict.fromkeys(("cross", "linear_scan"), _all_along),
    **dict.fromkeys(("cat", "stack"), _joining),
    **dict.fromkeys(("mm", "mm_nt", "mm_tn", "bmm", "mv", "dot"), _matrices),
    **dict.fromkeys(("addmm", "addmv", "baddbmm"), _sum_of_product),
    "linear": _linear,
    **dict.fromkeys(
        [
            "linalg_inv",
            "linalg_cholesky",
            "linalg_qr",
            "linalg_eigh",
            "linalg_eig",
            "linalg_svd",
            "linalg_det",
            "linalg_slogdet",
            "linalg_matrix_exp",
            "tril",
            "triu",
            "view_as_real",
            "view_as_complex",
            "to_copy",
            "contiguous",
        ],
        _stacks_of_matrices,
    ),
    "index": _reading,
    "index_put": _writing,
    "embedding": _embedding,
    **dict.fromkeys(
        [
            "convolution",
            "convolution_input_gradient",
            "max_pool",
            "adaptive_max_pool",
            "avg_pool",
            "avg_pool_gradient",
            "adaptive_avg_pool",
            "adaptive_avg_pool_gradient",
        ],
        _folding,
    ),
    **dict.fromkeys(
        ("max_pool_gradient", "max_pool_gather", "max_unpool", "max_unpool_gather"), _pairs_folding
    ),
    "slice_backward": _slice_gradient,
    "copy": _copied,
    **dict.fromkeys(("fft_complex", "fft_real_to_half", "fft_half_to_real"), _fft),
}


# The calls of vmap that are running, outermost first: (level, number of examples).
ACTIVE: Final[ContextVar[tuple[tuple[int, int], ...]]] = ContextVar("vmap", default=())


# --- history ----------------------------------------------------------------------------------------------------------


ENTER: Primitive = Primitive(
    "enter_batch",
    lambda x, level, size, dim: enter(x, level, dim),
    lambda g, node: left(g, node.attrs["level"], node.attrs["size"], node.attrs["dim"]),
)
LEAVE: Primitive = Primitive(
    "leave_batch",
    leave,
    lambda g, node: entered(g, node.attrs["level"], node.attrs["size"], node.attrs["dim"]),
)


def entered(tensor: Tensor, level: int, size: int, dim: int) -> Tensor:
    """``tensor`` with dimension ``dim``, of extent ``size``, hidden as the batch of ``level``. The memory is shared."""
    result = _attached(ENTER, tensor, enter(_settled(tensor), level, dim), level, size, dim)
    if tensor._storage is None:
        tensor._storage = Storage()
    result._storage = tensor._storage
    return result


def left(tensor: Tensor, level: int, size: int, dim: int) -> Tensor:
    """``tensor`` with the examples of ``level`` along dimension ``dim``: repeated if it lacks that level."""
    array = leave(_settled(tensor), level, size, dim)
    return _attached(LEAVE, tensor, array, level, size, dim)


def _attached(record: Primitive, tensor: Tensor, array: Any, level: int, size: int, dim: int) -> Tensor:
    from .dispatch import attach

    return attach(record, (tensor,), {"level": level, "size": size, "dim": dim}, array)  # type: ignore[no-any-return]


def _settled(tensor: Tensor) -> Any:
    array = tensor._array
    return array if type(array) is Batched or type(array) is np.ndarray else np.asarray(array)


def levels_of(array: Any) -> dict[int, int]:
    """The levels of an array and how many examples each has, from the inside out."""
    levels: dict[int, int] = {}
    while type(array) is Batched:
        levels[array.level] = array.value.shape[0]
        array = array.value
    return dict(reversed(levels.items()))


def lifted(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """The operands, with those that have a history made batches of every level that any of them has.

    So the gradient of a tensor from outside of ``vmap`` is summed over the examples on its way out (by ``expand``).
    """
    levels: dict[int, int] = {}
    for operand in operands:
        if isinstance(operand, Tensor) and type(operand._array) is Batched:
            levels.update(levels_of(operand._array))
    if not levels:
        return operands
    return tuple(
        [
            _lifted(operand, levels) if isinstance(operand, Tensor) and operand._node is not None else operand
            for operand in operands
        ]
    )


def _lifted(tensor: Tensor, levels: dict[int, int]) -> Tensor:
    has = levels_of(tensor._array)
    for level in sorted(levels):
        if level not in has:
            size = levels[level]
            tensor = entered(expand(tensor, (size, *tensor._array.shape)), level, size, 0)
    return tensor


def alike(tensor: Tensor, other: Tensor) -> Tensor:
    """``tensor`` as a batch of every level that ``other`` has, so that it can hold its values."""
    levels = levels_of(other._array)
    return tensor if levels_of(tensor._array).keys() >= levels.keys() else _lifted(tensor, levels)


def lifted_to_active(tensor: Tensor) -> Tensor:
    """``tensor`` as a batch of every level that is running: what is differentiated by there has a gradient per example."""
    active = dict(ACTIVE.get())
    return _lifted(tensor, active) if active else tensor


def lifted_edges(operands: Any, array: Any) -> tuple[Node | None, ...]:
    """The histories of the operands of a result that is a batch; see ``lifted``."""
    result = make_tensor(array)
    return tuple([o._node if isinstance(o, Tensor) else None for o in lifted((*operands, result))[:-1]])


__all__ = [
    "ACTIVE",
    "MODE",
    "RULES",
    "alike",
    "entered",
    "left",
    "lifted",
    "lifted_edges",
    "lifted_to_active",
    "pointwise",
    "run_batched",
]
