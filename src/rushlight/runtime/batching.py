"""What NumPy's functions do to batches (``batched.py``): the rules behind its protocols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.device import OF_ARRAYS
from .batched import (
    Batched,
    _in_place,
    batch_size,
    bottom,
    dynamic_shape,
    each,
    lined_up,
    spread,
    top_level,
    wrap,
)
from .pending import Pending

ndarray = np.ndarray


def pointwise(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """``function``, which takes arrays element by element, with the dimensions lined up."""
    level = top_level(args)
    arrays = [
        a for a in args if type(a) is Batched or isinstance(a, ndarray | Pending) or type(a) in OF_ARRAYS
    ]
    ndim = max([a.ndim for a in arrays])
    values = [lined_up(a, ndim) if type(a) is Batched and a.level == level else a for a in args]
    return _wrapped(level, function(*values, **kwargs))


def _wrapped(level: int, result: Any) -> Any:
    if isinstance(result, tuple):
        return tuple([_wrapped(level, part) for part in result])
    return wrap(level, result)


def ufunc_call(ufunc: Any, method: str, inputs: Any, kwargs: Any) -> Any:
    """A NumPy ufunc, or a method of one, on batches."""
    if method == "__call__":
        if ufunc.signature is not None:
            return product(*inputs) if ufunc is np.matmul and not kwargs else each(ufunc, inputs, kwargs)
        out = kwargs.pop("out", None)
        if out is not None:
            return _ufunc_into(ufunc, inputs, out, kwargs)
        if type(kwargs.get("where")) is Batched:
            return each(ufunc, inputs, kwargs)
        return pointwise(ufunc, inputs, kwargs)
    if method == "at":
        return each(ufunc.at, inputs, kwargs, written=inputs[0])
    array = inputs[0]
    if method == "reduce" and "out" not in kwargs and "where" not in kwargs and len(inputs) <= 2:
        axis = inputs[1] if len(inputs) == 2 else kwargs.pop("axis", 0)
        if type(array) is Batched:
            return wrap(array.level, ufunc.reduce(array.value, axis=array.axes(axis), **kwargs))
    if method == "accumulate" and "out" not in kwargs and len(inputs) == 1:
        return wrap(array.level, ufunc.accumulate(array.value, axis=array.axis(kwargs.get("axis", 0))))
    return each(getattr(ufunc, method), inputs, kwargs, written=(kwargs.get("out") or (None,))[0])


def _ufunc_into(ufunc: Any, inputs: Any, out: Any, kwargs: Any) -> Any:
    out = out if isinstance(out, tuple) else (out,)
    level = top_level(inputs)
    for target in out:
        if target is None:
            continue
        if type(target) is not Batched or target.level < level:
            others = [a for a in inputs if type(a) is Batched and a.level == level]
            raise _in_place(target.shape, others[0].shape)
    level = max(level, top_level(out))
    ndim = max([t.ndim for t in out if t is not None])
    values = [lined_up(a, ndim) if type(a) is Batched and a.level == level else a for a in inputs]
    results = tuple([t.value if type(t) is Batched and t.level == level else t for t in out])
    where = kwargs.get("where")
    if type(where) is Batched and where.level == level:
        kwargs = {**kwargs, "where": lined_up(where, ndim)}
    ufunc(*values, out=results, **kwargs)
    return out[0] if len(out) == 1 else out


def product(x: Any, y: Any) -> Any:
    """``matmul`` of batches: the examples' matrices one level out."""
    level = top_level((x, y))
    x_in, y_in = type(x) is Batched and x.level == level, type(y) is Batched and y.level == level
    m, n = x.ndim, y.ndim
    a, b = x.value if x_in else x, y.value if y_in else y
    if n == 1:
        if not y_in:
            return wrap(level, np.matmul(a, b))
        if m == 1:
            return wrap(level, np.matmul(a[..., None, :], b[..., None])[..., 0, 0])
        b = b.reshape((b.shape[0], *(1,) * (m - 2), b.shape[1], 1))
        return wrap(level, np.matmul(a, b)[..., 0])
    if m == 1:
        if not x_in:
            return wrap(level, np.matmul(a, b))
        a = a.reshape((a.shape[0], *(1,) * (n - 2), 1, a.shape[1]))
        return wrap(level, np.matmul(a, b)[..., 0, :])
    ndim = max(m, n)
    if x_in and y_in:
        a, b = lined_up(x, ndim), lined_up(y, ndim)
    elif x_in and n > m:
        a = lined_up(x, ndim)
    elif y_in and m > n:
        b = lined_up(y, ndim)
    return wrap(level, _matmul(a, b))


def _matmul(a: Any, b: Any) -> Any:
    """``matmul``, in one product of matrices where the stack of ``a`` meets one ``b``, and by ``multiply`` where nothing is
    added up: the gradient of a layer's weight for each example is such a product, which BLAS takes one by one."""
    if type(a) is not ndarray or type(b) is not ndarray:
        return np.matmul(a, b)
    if a.shape[-1] == 1 == b.shape[-2] and a.dtype.kind in "fc":
        return np.multiply(a, b)
    if b.ndim == 2 and a.ndim > 2 and a.flags.c_contiguous and b.shape[0]:
        return np.matmul(a.reshape(-1, a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[1])
    return np.matmul(a, b)


# --- functions --------------------------------------------------------------------------------------------------------


def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    value = lined_up(array, len(shape))
    if type(value) is Batched:
        return wrap(array.level, _broadcast_to(value, (value.shape[0], *shape)))
    return wrap(array.level, np.broadcast_to(value, (value.shape[0], *shape)))


def _broadcast_arrays(*arrays: Any, subok: bool = False) -> Any:
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    return tuple([np.broadcast_to(a, shape) for a in arrays])


def _like(function: Any) -> Any:
    def call(array: Any, *args: Any, **kwargs: Any) -> Any:
        if type(array) is not Batched:
            return each(function, (array, *args), kwargs)
        shape = kwargs.pop("shape", None)
        if shape is not None:
            shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
            return wrap(
                array.level, function(array.value, *args, shape=(array.value.shape[0], *shape), **kwargs)
            )
        return wrap(array.level, function(array.value, *args, **kwargs))

    return call


def _concatenate(arrays: Any, axis: Any = 0, out: Any = None, **kwargs: Any) -> Any:
    if out is not None or axis is None:
        return each(np.concatenate, (arrays, axis, out), kwargs)
    level = top_level(arrays)
    size = batch_size(arrays, level)
    values = [spread(a, level, size) for a in arrays]
    return wrap(level, np.concatenate(values, axis + 1 if axis >= 0 else axis, **kwargs))


def _stack(arrays: Any, axis: int = 0, **kwargs: Any) -> Any:
    level = top_level(arrays)
    size = batch_size(arrays, level)
    values = [spread(a, level, size) for a in arrays]
    return wrap(level, np.stack(values, axis + 1 if axis >= 0 else axis, **kwargs))


def _along(function: Any) -> Any:
    """Functions with an ``axis`` that may be None: all of an example."""

    def call(array: Any, axis: Any = None, *args: Any, **kwargs: Any) -> Any:
        if type(array) is not Batched or top_level((args, kwargs)) >= 0 or "out" in kwargs:
            return each(function, (array, axis, *args), kwargs)
        value = array.value
        if axis is None and function in _FLAT:
            value = value.reshape((value.shape[0], -1))
            axis = 1
            if kwargs.pop("keepdims", False):
                result = function(value, axis, *args, **kwargs)
                return wrap(array.level, result.reshape((value.shape[0], *(1,) * array.ndim)))
            return wrap(array.level, function(value, axis, *args, **kwargs))
        return wrap(array.level, function(value, array.axes(axis), *args, **kwargs))

    return call


_FLAT: Final = frozenset((np.argmax, np.argmin, np.cumsum, np.cumprod))
_ALONG: Final = (
    np.sum, np.prod, np.mean, np.max, np.min, np.any, np.all, np.argmax, np.argmin, np.cumsum, np.cumprod,
    np.count_nonzero,
)  # fmt: skip


def _sorting(function: Any) -> Any:
    def call(array: Any, axis: Any = -1, **kwargs: Any) -> Any:
        if axis is None or not array.ndim:
            return each(function, (array, axis), kwargs)
        return wrap(array.level, function(array.value, array.axis(axis), **kwargs))

    return call


def _moveaxis(array: Any, source: Any, destination: Any) -> Any:
    source = (source,) if isinstance(source, int) else tuple(source)
    destination = (destination,) if isinstance(destination, int) else tuple(destination)
    return wrap(array.level, np.moveaxis(array.value, array.axes(source), array.axes(destination)))


def _take_along_axis(array: Any, indices: Any, axis: Any = -1) -> Any:
    level = top_level((array, indices))
    if axis is None or array.ndim != indices.ndim:
        return each(np.take_along_axis, (array, indices, axis), {})
    size = batch_size((array, indices), level)
    axis = axis + 1 if axis >= 0 else axis
    return wrap(level, np.take_along_axis(spread(array, level, size), spread(indices, level, size), axis))


def _flip(array: Any, axis: Any = None) -> Any:
    return wrap(array.level, np.flip(array.value, array.axes(axis)))


def _roll(array: Any, shift: Any, axis: Any = None) -> Any:
    if axis is None:
        return each(np.roll, (array, shift), {})
    return wrap(array.level, np.roll(array.value, shift, array.axes(axis)))


def _copyto(target: Any, source: Any, casting: str = "same_kind", where: Any = True) -> None:
    if where is True and type(target) is Batched:
        target[...] = source
    else:
        each(np.copyto, (target, source, casting, where), {}, written=target)


def _expand_dims(array: Any, axis: Any) -> Any:
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    ndim = array.ndim + len(axes)
    return wrap(array.level, np.expand_dims(array.value, tuple([a % ndim + 1 for a in axes])))


def _contiguous(array: Any, dtype: Any = None) -> Any:
    value = array.value if dtype is None else array.value.astype(dtype)
    return wrap(array.level, np.ascontiguousarray(value))


def _where(condition: Any, *rest: Any) -> Any:
    if len(rest) != 2:
        raise dynamic_shape("nonzero")
    return pointwise(np.where, (condition, *rest), {})


def _refuse_shape(function: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        raise dynamic_shape(function.__name__)

    return call


def _memory(value: Any) -> Any:
    return value.memory if type(value) is Batched else value


_RULES: Final[dict[Any, Any]] = {
    np.broadcast_to: _broadcast_to,
    np.broadcast_arrays: _broadcast_arrays,
    np.concatenate: _concatenate,
    np.stack: _stack,
    np.moveaxis: _moveaxis,
    np.swapaxes: lambda array, a, b: array.swapaxes(a, b),
    np.transpose: lambda array, axes=None: array.transpose(axes),
    np.reshape: lambda array, shape, *args, **kwargs: array.reshape(shape, *args, **kwargs),
    np.ravel: lambda array, *args, **kwargs: array.ravel(*args, **kwargs),
    np.squeeze: lambda array, axis=None: array.squeeze(axis),
    np.expand_dims: _expand_dims,
    np.diagonal: lambda array, *args, **kwargs: array.diagonal(*args, **kwargs),
    np.take: lambda array, indices, axis=None, **kwargs: (
        array.take(indices, axis, **kwargs)
        if type(array) is Batched
        else each(np.take, (array, indices, axis), kwargs)
    ),
    np.take_along_axis: _take_along_axis,
    np.flip: _flip,
    np.roll: _roll,
    np.sort: _sorting(np.sort),
    np.argsort: _sorting(np.argsort),
    np.copyto: _copyto,
    np.where: _where,
    np.ascontiguousarray: _contiguous,
    np.copy: lambda array, order="K", subok=False: array.copy(order),
    np.dot: lambda x, y: product(x, y) if x.ndim and y.ndim and y.ndim <= 2 else each(np.dot, (x, y), {}),
    np.real: lambda array: array.real,
    np.imag: lambda array: array.imag,
    np.shape: lambda array: array.shape,
    np.ndim: lambda array: array.ndim,
    np.size: lambda array, axis=None: array.size if axis is None else array.shape[axis],
    np.may_share_memory: lambda a, b, **kwargs: np.may_share_memory(_memory(a), _memory(b)),
    np.shares_memory: lambda a, b, **kwargs: np.may_share_memory(_memory(a), _memory(b)),
    np.nonzero: _refuse_shape(np.nonzero),
    np.flatnonzero: _refuse_shape(np.flatnonzero),
    np.unique: _refuse_shape(np.unique),
    **{function: _like(function) for function in (np.empty_like, np.zeros_like, np.ones_like, np.full_like)},
    **{function: _along(function) for function in _ALONG},
    **{
        function: lambda *args, _function=function, **kwargs: pointwise(_function, args, kwargs)
        for function in (np.clip, np.round, np.nan_to_num, np.isclose, np.iscomplexobj, np.angle, np.sinc)
        if function is not np.iscomplexobj
    },
    np.iscomplexobj: lambda array: array.dtype.kind == "c",
    np.isrealobj: lambda array: array.dtype.kind != "c",
    np.result_type: lambda *args: np.result_type(*[a.dtype if type(a) is Batched else a for a in args]),
}


def function_call(function: Any, args: Any, kwargs: Any) -> Any:
    """A NumPy function on batches: by its rule, else once for each example."""
    rule = _RULES.get(function)
    if rule is not None:
        return rule(*args, **kwargs)
    written = kwargs.get("out")
    if function in _WRITES:
        written = args[0]
    return each(function, args, kwargs, written=written)


_WRITES: Final = frozenset((np.put_along_axis, np.fill_diagonal, np.put, np.place, np.putmask))
_OF_NAME: Final[dict[str, Any]] = {
    "sum": np.sum, "prod": np.prod, "mean": np.mean, "max": np.max, "min": np.min, "any": np.any, "all": np.all,
    "argmax": np.argmax, "argmin": np.argmin, "cumsum": np.cumsum, "cumprod": np.cumprod,
}  # fmt: skip
_IN_PLACE: Final = frozenset(("sort", "partition", "put", "itemset", "byteswap"))


def method_call(array: Any, name: str, args: Any, kwargs: Any) -> Any:
    """A method of NumPy arrays on a batch."""
    function = _OF_NAME.get(name)
    if function is not None:
        return _RULES[function](array, *args, **kwargs)
    if name == "argsort":
        return _RULES[np.argsort](array, *args, **kwargs)
    if name == "dot":
        return _RULES[np.dot](array, *args)
    written = array if name in _IN_PLACE else kwargs.get("out")
    return each(getattr(_kind(array), name), (array, *args), kwargs, written=written)


def _kind(array: Any) -> type:
    """The type whose methods are those of an example."""
    kind = type(bottom(array))
    return kind if kind in OF_ARRAYS else ndarray
