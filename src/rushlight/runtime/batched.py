"""Arrays with a hidden dimension: what operations see instead of NumPy arrays under ``vmap``.

A ``Batched`` stands where a NumPy array would and has the shape of one example; ``value`` has all of them, along its
first dimension. ``level`` names that dimension: every call of ``vmap`` has a number of its own, larger than those before,
and where one batch holds another, the larger number is outside. So two arrays of one level go together example by
example, and an array that lacks a level is the same for all of its examples.

NumPy's own protocols bring whatever NumPy function is applied here: views are views of ``value``, ufuncs line the
dimensions up, reductions move their axes by one, and what has no rule runs once for each example (``each``), slowly but
right. What would need a value in Python raises PyTorch's errors.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..core.device import OF_ARRAYS, as_dtype, device_of, empty_on, placed, placed_beside, strided
from .pending import Pending

ndarray = np.ndarray
_new = object.__new__
FULL: Final = slice(None)

CONTROL_FLOW: Final = (
    "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't support that yet; "
    "use where() or another operation on tensors."
)
ITEM: Final = (
    "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a Tensor, please "
    "try to rewrite what you're doing with other operations."
)
NO_MEMORY: Final = (
    "vmap: the values of a batched tensor can't be had as an array: inside of vmap it stands for many examples. Return it, or "
    "use operations on tensors. (Writing it into a tensor that is not batched is not possible in place either.)"
)


_WRITERS: Final = frozenset(("commit", "copy_", "fill_"))  # functions that write one array into another


def dynamic_shape(name: str) -> RuntimeError:
    """The error for an operation whose result would have another shape for each example."""
    return RuntimeError(
        f"vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap over aten::{name}."
    )


def _in_place(shape: Any, other: Any) -> RuntimeError:
    return RuntimeError(
        "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in extra_args that "
        f"has more elements than `self`: it has a batch dimension (examples of shape {list(other)}) that self, of shape "
        f"{list(shape)}, lacks. Use the out-of-place form, or make self from a batched tensor (zeros_like, new_zeros)."
    )


class Batched(NDArrayOperatorsMixin):
    """The examples of a batch, seen as one of them. ``value``: all of them, an array or a batch of a smaller level."""

    __slots__ = ("__weakref__", "level", "value")
    level: int
    value: Any

    # --- what a NumPy array has -----------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape[1:]  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return self.value.dtype

    @property
    def ndim(self) -> int:
        return self.value.ndim - 1  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        size = 1
        for extent in self.value.shape[1:]:
            size *= extent
        return size

    @property
    def itemsize(self) -> int:
        return self.value.itemsize  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        return self.size * self.value.itemsize  # type: ignore[no-any-return]

    @property
    def strides(self) -> tuple[int, ...]:
        return self.value.strides[1:]  # type: ignore[no-any-return]

    @property
    def flags(self) -> Any:
        """Those of one example."""
        value = self.value
        return (value[0, ...] if value.shape[0] else np.empty(value.shape[1:])).flags

    @property
    def memory(self) -> Any:
        """The NumPy array at the bottom of all levels."""
        value = self.value
        while type(value) is Batched:
            value = value.value
        return value

    @property
    def base(self) -> Any:
        return self.memory.base

    def __len__(self) -> int:
        if self.value.ndim < 2:
            raise TypeError("len() of unsized object")
        return self.value.shape[1]  # type: ignore[no-any-return]

    # --- views ----------------------------------------------------------------------------------------------------

    def with_value(self, value: Any) -> Batched:
        return wrap(self.level, value)

    def through(self, view: Any, *args: Any, **kwargs: Any) -> Any:
        """The part of every example that ``view(array, ...)``, a function that makes views of NumPy arrays, makes of one."""
        levels: list[int] = []
        extents: tuple[int, ...] = ()
        steps: tuple[int, ...] = ()
        example: Any = self
        while type(example) is Batched:
            value = example.value
            levels.append(example.level)
            extents, steps = (value.shape[0], *extents), (value.strides[0], *steps)
            if not value.shape[0]:
                return each(view, (self, *args), kwargs)
            example = value[0, ...]
        part = (
            example.through(view, *args, **kwargs)
            if type(example) is Pending
            else view(example, *args, **kwargs)
        )
        if part.size:
            array: Any = _placed(part, (*extents, *part.shape), (*steps, *part.strides), self.memory)
        else:
            array = empty_on(device_of(part), (*extents, *part.shape), part.dtype)
        for level in reversed(levels):
            array = wrap(level, array)
        return array

    def reshape(self, *shape: Any, copy: bool | None = None, order: str = "C") -> Any:
        if len(shape) == 1 and not isinstance(shape[0], int | np.integer):
            shape = tuple(shape[0])
        if order != "C":
            return each(ndarray.reshape, (self, shape), {"copy": copy, "order": order})
        extents = self.value.shape[1:]
        if -1 in shape:
            known = 1
            for extent in shape:
                known *= extent if extent != -1 else 1
            if shape.count(-1) > 1 or not known or self.size % known:
                raise ValueError(f"cannot reshape array of shape {extents} into shape {tuple(shape)}")
            shape = tuple([self.size // known if n == -1 else n for n in shape])
        if copy is None:
            return wrap(self.level, self.value.reshape((self.value.shape[0], *shape)))
        return wrap(self.level, self.value.reshape((self.value.shape[0], *shape), copy=copy))

    def transpose(self, *axes: Any) -> Any:
        if len(axes) == 1 and (axes[0] is None or not isinstance(axes[0], int | np.integer)):
            axes = () if axes[0] is None else tuple(axes[0])
        ndim = self.ndim
        if not axes:
            axes = tuple(range(ndim - 1, -1, -1))
        if len(axes) != ndim:
            raise ValueError("axes don't match array")
        return wrap(self.level, self.value.transpose((0, *[a + 1 if a >= 0 else a for a in axes])))

    def swapaxes(self, a: int, b: int) -> Any:
        return wrap(self.level, self.value.swapaxes(self.axis(a), self.axis(b)))

    def squeeze(self, axis: Any = None) -> Any:
        shape = self.shape
        if axis is None:
            return self.reshape(tuple([n for n in shape if n != 1]))
        return wrap(self.level, self.value.squeeze(self.axes(axis)))

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        real = self.value.diagonal(offset, self.axis(axis1), self.axis(axis2))
        if type(real) is ndarray and self.memory.flags.writeable:
            real.flags.writeable = True
        return wrap(self.level, real)

    def ravel(self, order: str = "C") -> Any:
        return self.reshape((-1,), order=order)

    def flatten(self, order: str = "C") -> Any:
        return self.ravel(order).copy()

    def repeat(self, repeats: Any, axis: Any = None) -> Any:
        if axis is None or not isinstance(repeats, int):
            return each(ndarray.repeat, (self, repeats), {"axis": axis})
        return wrap(self.level, self.value.repeat(repeats, self.axis(axis)))

    def take(self, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
        if axis is None or type(indices) is Batched or out is not None:
            return each(ndarray.take, (self, indices), {"axis": axis, "mode": mode})
        return wrap(self.level, self.value.take(indices, self.axis(axis), mode=mode))

    @property
    def T(self) -> Any:
        return self.transpose()

    @property
    def real(self) -> Any:
        return wrap(self.level, self.value.real)

    @property
    def imag(self) -> Any:
        return wrap(self.level, self.value.imag)

    def view(self, *args: Any) -> Any:
        if self.ndim == 0 and args and np.dtype(args[0]).itemsize != self.itemsize:
            raise ValueError(
                "Changing the dtype of a 0d array is only supported if the itemsize is unchanged"
            )
        return wrap(self.level, self.value.view(*args))

    def __getitem__(self, index: Any) -> Any:
        parts = index if type(index) is tuple else (index,)
        if _basic(parts):
            return wrap(self.level, self.value[(FULL, *parts)])
        return each(_read, (self, index), {})

    def axis(self, axis: int) -> int:
        """The dimension of ``value`` that dimension ``axis`` of an example is."""
        ndim = self.ndim
        if not -ndim <= axis < ndim:
            raise np.exceptions.AxisError(axis, ndim)
        return axis + 1 if axis >= 0 else axis

    def axes(self, axis: Any) -> Any:
        """As ``axis``, of several; None is all."""
        if axis is None:
            return tuple(range(1, self.value.ndim))
        return tuple([self.axis(a) for a in axis]) if isinstance(axis, tuple | list) else self.axis(axis)

    # --- copies and changes ---------------------------------------------------------------------------------------

    def astype(self, dtype: Any, order: str = "K", casting: str = "unsafe", copy: bool = True) -> Any:
        if not copy and np.dtype(dtype) == self.dtype:
            return self
        value = self.value
        if type(value) in OF_ARRAYS:
            return wrap(self.level, as_dtype(value, dtype))
        return wrap(self.level, value.astype(dtype, order="C"))

    def moved_to(self, where: Any) -> Batched:
        """The examples on another device."""
        return wrap(self.level, placed(self.value, where))

    def copy(self, order: str = "C") -> Any:
        value = self.value
        if order != "K":
            return wrap(self.level, value.copy(order))
        # The layout of an example is kept, wherever the batch lay in memory.
        steps = value.strides[1:]
        dims = (0, *sorted(range(1, value.ndim), key=lambda dim: -abs(steps[dim - 1])))
        back = sorted(range(value.ndim), key=dims.__getitem__)
        return wrap(self.level, value.transpose(dims).copy("C").transpose(back))

    def __copy__(self) -> Any:
        return self.copy()

    def conj(self) -> Any:
        return wrap(self.level, self.value.conj())

    def __setitem__(self, index: Any, value: Any) -> None:
        parts = index if type(index) is tuple else (index,)
        if not _basic(parts):
            each(_write, (self, index, value), {}, written=self)
            return
        target = self.value[(FULL, *parts)]
        if type(value) is Batched:
            if value.level > self.level:
                raise _in_place(self.shape, value.shape)
            if value.level == self.level:
                value = lined_up(value, target.ndim - 1)
        target[...] = value

    def fill(self, value: Any) -> None:
        self.value.fill(value)

    # --- NumPy's protocols ----------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from .batching import ufunc_call

        return ufunc_call(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from .batching import function_call

        return function_call(function, args, kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if sys._getframe(1).f_code.co_name in _WRITERS:  # NumPy asks on behalf of `target[...] = self`
            raise RuntimeError(
                "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in "
                "extra_args that has more elements than `self`: it is batched, and self is not. Use the out-of-place form, or "
                "make self from a batched tensor (zeros_like, new_zeros)."
            )
        raise RuntimeError(NO_MEMORY)

    # --- what needs values ----------------------------------------------------------------------------------------

    def item(self, *args: Any) -> Any:
        raise RuntimeError(ITEM)

    def __bool__(self) -> bool:
        raise RuntimeError(CONTROL_FLOW)

    def __int__(self) -> int:
        raise RuntimeError(ITEM)

    def __float__(self) -> float:
        raise RuntimeError(ITEM)

    def __complex__(self) -> complex:
        raise RuntimeError(ITEM)

    def __index__(self) -> int:
        raise RuntimeError(ITEM)

    def tolist(self) -> Any:
        raise RuntimeError(NO_MEMORY)

    def tobytes(self, order: str = "C") -> bytes:
        raise RuntimeError(NO_MEMORY)

    def nonzero(self) -> Any:
        raise dynamic_shape("nonzero")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(ndarray, name):
            raise AttributeError(name)
        from .batching import method_call

        return lambda *args, **kwargs: method_call(self, name, args, kwargs)

    def __iter__(self) -> Any:
        return iter([self[i] for i in range(len(self))])

    def __repr__(self) -> str:
        return f"Batched(level={self.level}, value={self.value!r})"


def bottom(array: Any) -> Any:
    """What is under all levels of a batch: a NumPy array, or one of a recording."""
    while type(array) is Batched:
        array = array.value
    return array


def wrap(level: int, value: Any) -> Batched:
    """The batch of ``level`` whose examples lie along the first dimension of ``value``."""
    array = _new(Batched)
    array.level = level
    array.value = value
    return array


_BASIC = frozenset((int, slice, type(None), type(Ellipsis), np.int64))


def _basic(parts: tuple[Any, ...]) -> bool:
    return all([type(part) in _BASIC for part in parts])


def _read(array: Any, index: Any) -> Any:
    return array[index]


def _write(array: Any, index: Any, value: Any) -> None:
    array[index] = value


def whole(array: Any) -> Any:
    """``array``, or all examples of a batch: what a check of every element looks at. Zeros for an array without values."""
    return array.memory if type(array) is Batched else getattr(array, "examined", array)


def lined_up(array: Any, ndim: int) -> Any:
    """The value of a batch whose examples get leading dimensions of extent 1 until they have ``ndim``."""
    value = array.value
    missing = ndim + 1 - value.ndim
    if missing <= 0:
        return value
    shape = value.shape
    return value.reshape((shape[0], *(1,) * missing, *shape[1:]))


def top_level(values: Any) -> int:
    """The largest level among ``values`` (lists and tuples of them too); -1 if there is none."""
    level = -1
    for value in values:
        if type(value) is Batched:
            level = max(level, value.level)
        elif isinstance(value, tuple | list):
            level = max(level, top_level(value))
        elif isinstance(value, dict):
            level = max(level, top_level(value.values()))
    return level


def batch_size(values: Any, level: int) -> int:
    """How many examples the batches of ``level`` among ``values`` have."""
    for value in values:
        if type(value) is Batched:
            if value.level == level:
                return value.value.shape[0]  # type: ignore[no-any-return]
        elif isinstance(value, tuple | list | dict):
            size = batch_size(value.values() if isinstance(value, dict) else value, level)
            if size >= 0:
                return size
    return -1


def _example(value: Any, level: int, i: int) -> Any:
    if type(value) is Batched:
        return value.value[i, ...] if value.level == level else value
    if isinstance(value, tuple | list):
        if hasattr(value, "_fields"):
            return type(value)(*[_example(part, level, i) for part in value])
        return type(value)([_example(part, level, i) for part in value])
    if isinstance(value, dict):
        return {key: _example(part, level, i) for key, part in value.items()}
    return value


def _blank(value: Any, level: int) -> Any:
    """Stands for an example where a batch has none."""
    if type(value) is Batched:
        if value.level != level:
            return value
        ndim = value.ndim
        # Matrices that can be inverted and decomposed.
        one = np.eye(*value.shape[-2:], dtype=value.dtype) if ndim > 1 else np.ones((), value.dtype)
        return np.broadcast_to(placed_beside(one, bottom(value)), value.shape).copy()
    if isinstance(value, tuple | list):
        return type(value)([_blank(part, level) for part in value])
    return {k: _blank(v, level) for k, v in value.items()} if isinstance(value, dict) else value


def each(function: Any, args: Any, kwargs: Any, written: Any = None) -> Any:
    """``function`` for each example of the largest level among the arguments, the results put together.

    ``written``: the argument that the function changes in place; it must have that level.
    """
    level = top_level((args, kwargs))
    size = batch_size((args, kwargs), level)
    if written is not None and not (type(written) is Batched and written.level == level):
        raise _in_place(written.shape, ())
    if size == 0:
        return _emptied(level, function(*_blank(tuple(args), level), **_blank(kwargs, level)))
    results = [function(*_example(tuple(args), level, i), **_example(kwargs, level, i)) for i in range(size)]
    return _joined(level, results, getattr(function, "__name__", "operation"))


def _emptied(level: int, result: Any) -> Any:
    if isinstance(result, tuple | list):
        return type(result)([_emptied(level, part) for part in result])
    if result is None:
        return None
    array = _as_array(result)
    return wrap(level, empty_on(device_of(array), (0, *array.shape), array.dtype))


def _joined(level: int, results: list[Any], name: str) -> Any:
    first = results[0]
    if first is None:
        return None
    if isinstance(first, tuple | list):
        columns = [_joined(level, list(column), name) for column in zip(*results, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else type(first)(columns)
    return wrap(level, stacked(results, name))


def stacked(arrays: list[Any], name: str) -> Any:
    """The arrays, which may be batches of one level or another, along a new first dimension."""
    if len({np.shape(a) if type(a) is not Batched else a.shape for a in arrays}) > 1:
        raise dynamic_shape(name)
    level = top_level(arrays)
    if level < 0:
        return _stacked([_as_array(a) for a in arrays])
    size = batch_size(arrays, level)
    values = [spread(a, level, size) for a in arrays]
    joined = stacked([value.swapaxes(0, 0) for value in values], name)
    return wrap(level, joined.swapaxes(0, 1))


def spread(array: Any, level: int, size: int) -> Any:
    """The value that ``array`` has as a batch of ``level``: repeated, without a copy, if it is none."""
    if type(array) is Batched and array.level == level:
        return array.value
    if type(array) is Batched and array.level > level:
        # The larger level stays outside: its first dimension is the second of what is inside.
        inside = spread(array.value, level, size)
        return wrap(array.level, inside.swapaxes(0, 1))
    if type(array) is Batched:
        return wrap(array.level, spread_value(array.value, size))
    array = _as_array(array)
    return np.broadcast_to(array, (size, *array.shape))


def _as_array(value: Any) -> Any:
    return value if type(value) is Pending or type(value) in OF_ARRAYS else np.asarray(value)


def _stacked(arrays: list[Any]) -> Any:
    like = next((a for a in arrays if type(a) in OF_ARRAYS), None)
    if like is None:
        return np.stack(arrays)
    arrays = [placed_beside(a, like) for a in arrays]
    if like.dtype.kind != "V":
        return np.stack(arrays)
    return np.stack([a.view(np.uint16) for a in arrays]).view(like.dtype)  # bfloat16: its bits


def spread_value(value: Any, size: int) -> Any:
    """The value of a batch with a new second dimension, along which it is repeated."""
    return np.broadcast_to(value[:, None, ...], (value.shape[0], size, *value.shape[1:]))


class _Place:
    """Memory as NumPy's array interface describes it; ``base`` keeps it alive."""

    def __init__(self, interface: dict[str, Any], base: Any) -> None:
        self.__array_interface__ = interface
        self.base = base


def _placed(start: Any, shape: tuple[int, ...], strides: tuple[int, ...], base: Any) -> Any:
    """A view that begins where ``start`` does, in the memory of ``base``."""
    if type(start) is Pending:
        return start.part(_placed(start.memory, shape, strides, start.memory))
    if type(start) in OF_ARRAYS:
        return strided(start, shape, strides)
    interface = dict(start.__array_interface__)
    interface["shape"], interface["strides"] = shape, strides
    array = np.asarray(_Place(interface, base))
    if array.dtype != start.dtype:
        array = array.view(start.dtype)
    return array


def enter(array: Any, level: int, dim: int) -> Any:
    """``array`` with dimension ``dim`` hidden, as a batch of ``level``."""
    if type(array) is Batched and array.level > level:
        return wrap(array.level, enter(array.value, level, dim + 1 if dim >= 0 else dim))
    value = array if dim == 0 else np.moveaxis(array, dim, 0)
    return wrap(level, value)


def leave(array: Any, level: int, size: int, dim: int) -> Any:
    """``array`` with the examples of ``level`` along dimension ``dim``; repeated if they are all the same."""
    if type(array) is Batched and array.level > level:
        # dim counts in the result for one example of the larger level
        return wrap(array.level, leave(array.value, level, size, dim + 1 if dim >= 0 else dim))
    value = spread(array, level, size)
    return value if dim == 0 else np.moveaxis(value, 0, dim)
