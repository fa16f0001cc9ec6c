"""What operations make of arrays without values: the results' shapes, dtypes and strides.

They are found by running the operation's own code on ones. Large arrays get small stand-ins: each extent that is large is
replaced by a small one of its own, wherever it occurs (in the parameters too), once, then each with another one, and the
extents of the results are followed: whole, in products, and after what windows and slices take away. One more run checks what
was found. So a model of any size costs milliseconds, and what can't be followed raises.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

import numpy as np

from ..core.shapes import broadcast_shape
from .meta_arrays import MetaArray, dense_strides, made

ndarray = np.ndarray
# Elements up to which stand-ins have the arrays' own extents; and up to which they have, where nothing else is possible.
_SMALL: Final = 2048
_MOST: Final = 1 << 21
# Extents from here on are replaced, by others that leave the same remainders.
_LARGE: Final = 32
_STEP: Final = 16
_KEPT: Final = 4096
_known: OrderedDict[Any, Any] = OrderedDict()


class _TooLarge(Exception):
    pass


def _ones(shape: Any, strides: Any, dtype: Any) -> Any:
    """Ones (zeros of integers, which may be indices) that lie in memory in the order of ``strides``."""
    value = 0 if dtype.kind in "iub" else 1
    if len(shape) < 2:
        return np.full(shape, value, dtype)
    if value and shape[-1] == shape[-2]:  # matrices that can be inverted
        return _matrices(shape, strides, dtype)
    order = sorted(range(len(shape)), key=lambda axis: (-abs(strides[axis]), axis))
    array = np.full([shape[axis] for axis in order], value, dtype)
    return array.transpose([order.index(axis) for axis in range(len(shape))])


def _matrices(shape: Any, strides: Any, dtype: Any) -> Any:
    array = _ones(shape, strides, np.dtype(np.int8)).astype(dtype)
    array[...] = np.eye(shape[-1], dtype=dtype if dtype.kind in "fc" else np.float32)
    return array


def _mapped(value: Any, mapping: dict[int, int], turned: Any) -> Any:
    """``value`` with stand-ins for meta arrays, and with extents that have others replaced."""
    kind = type(value)
    if kind is MetaArray:
        return turned(value)
    if kind is int:
        return mapping.get(value, value)
    if kind is tuple or kind is list:
        return kind([_mapped(part, mapping, turned) for part in value])
    if kind is dict:
        return {key: _mapped(part, mapping, turned) for key, part in value.items()}
    if kind is slice:
        return slice(*[_mapped(part, mapping, turned) for part in (value.start, value.stop, value.step)])
    if kind is ndarray and any([extent in mapping for extent in value.shape]):
        return turned(value)
    return value


def _arrays_in(value: Any, found: list[Any]) -> list[Any]:
    kind = type(value)
    if kind is MetaArray or kind is ndarray:
        found.append(value)
    elif kind is tuple or kind is list:
        for part in value:
            _arrays_in(part, found)
    elif kind is dict:
        for part in value.values():
            _arrays_in(part, found)
    return found


def _run(function: Any, args: Any, kwargs: Any, mapping: dict[int, int]) -> Any:
    def turned(array: Any) -> Any:
        shape = tuple([mapping.get(extent, extent) for extent in array.shape])
        return _ones(shape, array.strides, array.dtype)

    with np.errstate(all="ignore"):
        return function(*_mapped(args, mapping, turned), **_mapped(kwargs, mapping, turned))


def _types(result: Any) -> Any:
    """The arrays of a result as (shape, strides, dtype), in its structure."""
    if isinstance(result, tuple | list):
        return (type(result) in (tuple, list) and type(result)([_types(part) for part in result])) or tuple(
            [_types(part) for part in result]
        )
    if isinstance(result, np.generic):
        result = np.asarray(result)
    if isinstance(result, ndarray):
        return _Type((result.shape, result.strides, result.dtype))
    return result


class _Type(tuple[Any, ...]):
    __slots__ = ()


def _flat(types: Any, found: list[Any]) -> list[Any]:
    if type(types) is _Type:
        found.append(types)
    elif type(types) is tuple or type(types) is list:
        for part in types:
            _flat(part, found)
    return found


def _filled(types: Any) -> Any:
    if type(types) is _Type:
        shape, strides, dtype = types
        return made(shape, dtype, strides if all([s >= 0 for s in strides]) else None)
    if type(types) is tuple or type(types) is list:
        return type(types)([_filled(part) for part in types])
    return types


def function_results(function: Any, args: Any, kwargs: Any, name: str | None = None) -> Any:
    """``function(*args, **kwargs)`` with meta arrays among the arguments and in the place of the results' arrays."""
    try:
        key: Any = (function, _key(args), _key(kwargs))
        known: Any = _known.get(key)
    except TypeError:  # a parameter that can't be compared
        key = known = None
    if known is None:
        known = _found(function, args, kwargs, name or str(getattr(function, "__name__", "operation")))
        if key is not None:
            _known[key] = known
            if len(_known) > _KEPT:
                _known.popitem(last=False)
    return _filled(known)


def _key(value: Any) -> Any:
    kind = type(value)
    if kind is MetaArray or kind is ndarray:
        if kind is ndarray and value.size < 64:
            return (kind, value.shape, value.strides, value.dtype, value.tobytes())
        if kind is ndarray and not value.flags.c_contiguous:
            raise TypeError
        return (kind, value.shape, value.strides, value.dtype)
    if kind is tuple or kind is list:
        return (kind, tuple([_key(part) for part in value]))
    if kind is dict:
        return tuple([(k, _key(v)) for k, v in value.items()])
    if kind is slice:
        return (kind, value.start, value.stop, value.step)
    hash(value)
    return (kind, value)


def _found(function: Any, args: Any, kwargs: Any, name: str) -> Any:
    arrays = _arrays_in((args, kwargs), [])
    elements = sum([array.size for array in arrays])
    if elements <= _SMALL:
        return _types(_run(function, args, kwargs, {}))
    extents = sorted({extent for array in arrays for extent in array.shape if extent >= _LARGE})
    if extents:
        try:
            return _followed(function, args, kwargs, extents)
        except (_TooLarge, Exception):
            if elements > _MOST:
                raise NotImplementedError(
                    f"{name}: which shape the result has for meta tensors of shapes "
                    f"{', '.join([str(list(a.shape)) for a in arrays])} could not be found from smaller ones, and they are too "
                    "large to try; give it fewer elements"
                ) from None
    return _types(_run(function, args, kwargs, {}))


class _Family:
    """Arrays like the given ones in other sizes: ``extents`` that are small multiples of others stay that, and numbers among
    the parameters that are products of extents stay those."""

    def __init__(self, extents: list[int], numbers: set[int]) -> None:
        self.base: dict[int, int] = {}
        self.multiples: dict[int, tuple[int, int]] = {}
        taken: set[int] = set()
        for extent in extents:
            of = next((v for v in self.base if extent % v == 0 and extent // v <= 4), None)
            if of is not None:
                self.multiples[extent] = (of, extent // of)
                continue
            small = extent % _STEP + _STEP
            while small in taken:
                small += _STEP
            taken.add(small)
            self.base[extent] = small
        self.products = {n: found for n in numbers if (found := _factors(n, extents)) is not None}

    def mapping(self, sizes: dict[int, int]) -> dict[int, int]:
        """From the extents and numbers as they are to what they are where the variables have these sizes."""
        mapping = dict(sizes)
        for extent, (of, factor) in self.multiples.items():
            mapping[extent] = sizes[of] * factor
        for number, factors in self.products.items():
            product = 1
            for factor in factors:
                product *= mapping[factor]
            mapping[number] = product
        return mapping


def _factors(number: int, extents: list[int]) -> tuple[int, ...] | None:
    """The two or three extents whose product ``number`` is."""
    if number < _LARGE or number in extents:
        return None
    for extent in extents:
        if number % extent == 0:
            rest = number // extent
            if rest in extents:
                return (extent, rest)
            for other in extents:
                if rest % other == 0 and rest // other in extents:
                    return (extent, other, rest // other)
    return None


def _numbers_in(value: Any, found: set[int]) -> set[int]:
    kind = type(value)
    if kind is int:
        found.add(value)
    elif kind is tuple or kind is list:
        for part in value:
            _numbers_in(part, found)
    elif kind is dict:
        for part in value.values():
            _numbers_in(part, found)
    return found


def _followed(function: Any, args: Any, kwargs: Any, extents: list[int]) -> Any:
    # Different extents get different stand-ins that leave the same remainders of 16, for windows with steps.
    family = _Family(extents, _numbers_in((args, kwargs), set()))
    base = family.base

    def shapes_for(sizes: dict[int, int]) -> Any:
        return _types(_run(function, args, kwargs, family.mapping(sizes)))

    first = shapes_for(base)
    shapes = [type_[0] for type_ in _flat(first, [])]
    growth: list[list[dict[int, _Growth]]] = [[{} for _ in shape] for shape in shapes]
    for variable in base:
        bumped = base[variable] + 2 * _STEP
        other = _flat(shapes_for({**base, variable: bumped}), [])
        for number, type_ in enumerate(other):
            for axis, (before, after) in enumerate(zip(shapes[number], type_[0], strict=True)):
                if before != after:
                    growth[number][axis][variable] = _Growth(before, after, base[variable], bumped)

    def predicted(sizes: dict[int, int]) -> list[tuple[int, ...]]:
        return [
            tuple([_predicted(size, growth[number][axis], sizes) for axis, size in enumerate(shape)])
            for number, shape in enumerate(shapes)
        ]

    check = {variable: small + _STEP for variable, small in base.items()}
    if [type_[0] for type_ in _flat(shapes_for(check), [])] != predicted(check):
        raise _TooLarge
    return _grown(first, iter(predicted({variable: variable for variable in base})))


def recurrent_results(function: Any, arrays: Any, attrs: dict[str, Any], name: str) -> Any:
    """As ``function_results`` for a layer that goes through sequences of one length: rows are steps times sequences."""
    batch_sizes = attrs["batch_sizes"]
    steps, batch = len(batch_sizes), batch_sizes[0]
    if len(set(batch_sizes)) != 1 or sum([a.size for a in arrays if type(a) is MetaArray]) <= _SMALL:
        return function_results(function, arrays, attrs, name)
    hidden = min([a.shape[-1] for a in arrays if type(a) is MetaArray])
    few_steps, few, narrow = 5, 3, 7  # of which no products are equal

    def small(array: Any) -> Any:
        if type(array) is not MetaArray:
            return array
        shape = []
        for axis, extent in enumerate(array.shape):
            last = axis == array.ndim - 1
            if not last and axis == 0 and extent == steps * batch:
                shape.append(few_steps * few)
            elif not last and extent == batch and extent % hidden:
                shape.append(few)
            elif not last and array.ndim > 2 and extent == steps:
                shape.append(few_steps)
            elif extent % hidden == 0:
                shape.append(extent // hidden * narrow)
            else:
                shape.append(few)
        return _ones(shape, array.strides, array.dtype)

    try:
        with np.errstate(all="ignore"):
            types = _types(
                function(*[small(a) for a in arrays], **{**attrs, "batch_sizes": (few,) * few_steps})
            )
    except ValueError:  # one number is the extent of two things
        return function_results(function, arrays, attrs, name)
    whole = {few_steps * few: steps * batch, few: batch, few_steps: steps}
    whole |= {factor * narrow: factor * hidden for factor in range(1, 9) if factor not in (3, 5)}
    whole |= {3 * narrow: 3 * hidden, 5 * narrow: 5 * hidden}
    shapes = [[whole.get(extent, extent) for extent in type_[0]] for type_ in _flat(types, [])]
    return _filled(_grown(types, iter([tuple(shape) for shape in shapes])))


class _Growth:
    """How an extent of a result grows with an extent of an operand: with a power of it, or by so much for each one more."""

    def __init__(self, before: int, after: int, small: int, large: int) -> None:
        self.small = small
        self.power = next((p for p in (1, 2, 3) if after * small**p == before * large**p), 0)
        self.rise = (after - before, large - small)


def _predicted(size: int, growth: dict[int, _Growth], sizes: dict[int, int]) -> int:
    if len(growth) == 1 or all([g.power for g in growth.values()]):
        numerator, denominator = size, 1
        if all([g.power for g in growth.values()]):
            for variable, g in growth.items():
                numerator *= sizes[variable] ** g.power
                denominator *= g.small**g.power
            if numerator % denominator:
                raise _TooLarge
            return numerator // denominator
    total = size
    for variable, g in growth.items():
        rise, run = g.rise
        more = rise * (sizes[variable] - g.small)
        if more % run:
            raise _TooLarge
        total += more // run
    return total


def _grown(types: Any, shapes: Any) -> Any:
    if type(types) is _Type:
        shape = next(shapes)
        small, strides, dtype = types
        contiguous = np.empty(small, np.int8).strides
        steps = [stride // dtype.itemsize for stride in strides]
        if 0 in small or tuple(steps) == contiguous or any([s <= 0 for s in steps]):
            return _Type((shape, made(shape, dtype).strides, dtype))
        return _Type((shape, dense_strides(shape, strides, dtype.itemsize), dtype))
    if type(types) is tuple or type(types) is list:
        return type(types)([_grown(part, shapes) for part in types])
    return types


# --- NumPy's functions ------------------------------------------------------------------------------------------------


def pointwise_results(function: Any, args: Any, kwargs: Any) -> Any:
    """As ``function_results`` for a function of arrays that broadcast, which is known not to look at any extent."""
    try:
        return _pointwise_results(function, args, kwargs, 0)
    except RuntimeError as error:
        if str(error) != "ZeroDivisionError":
            raise
        return _pointwise_results(function, args, kwargs, 1)


def _pointwise_results(function: Any, args: Any, kwargs: Any, whole: int) -> Any:
    """``whole``: the value of integers."""
    arrays = [a for a in args if type(a) is MetaArray or type(a) is ndarray]
    largest = 2
    if sum([a.size for a in arrays]) <= _SMALL:
        if not whole:
            return function_results(function, args, kwargs)
        largest = _SMALL
    shape = broadcast_shape(*[a.shape for a in arrays])

    def small(value: Any) -> Any:
        if type(value) is MetaArray or type(value) is ndarray:
            array = _ones([min(extent, largest) for extent in value.shape], value.strides, value.dtype)
            if whole and array.dtype.kind in "iu":
                array[...] = whole
            return array
        return value

    with np.errstate(all="ignore"):
        types = _types(function(*[small(value) for value in args], **kwargs))
    return _filled(_grown(types, iter([shape] * len(_flat(types, [])))))


def ufunc_results(ufunc: Any, method: str, inputs: Any, kwargs: Any) -> Any:
    """A NumPy ufunc, or a method of one."""
    out = kwargs.pop("out", None)
    if method == "__call__" and ufunc.signature is None and "where" not in kwargs:
        result = pointwise_results(ufunc, inputs, kwargs)
    elif method == "at":
        return None
    else:
        result = function_results(getattr(ufunc, method), inputs, kwargs, ufunc.__name__)
    if out is None:
        return result
    for target, value in zip(out, result if isinstance(result, tuple) else (result,), strict=False):
        if type(target) is not MetaArray and target is not None:
            raise NotImplementedError("Cannot copy out of meta tensor; no data!")
        if target is not None and target.shape != value.shape:
            raise ValueError(
                f"non-broadcastable output operand with shape {target.shape} doesn't match the broadcast shape {value.shape}"
            )
    return out[0] if len(out) == 1 else out


def function_call(function: Any, args: Any, kwargs: Any) -> Any:
    """A NumPy function."""
    if function in _OF_GEOMETRY:
        return function(*_memories(args), **_memories(kwargs))
    if function in _VIEWS:
        array = args[0]
        return array.part(function(array.memory, *args[1:], **kwargs))
    if function is np.reshape:
        return args[0].reshape(*args[1:], **kwargs)
    if function in (np.copyto, np.put_along_axis, np.fill_diagonal, np.put, np.place, np.putmask):
        if type(args[0]) is not MetaArray:
            raise NotImplementedError("Cannot copy out of meta tensor; no data!")
        return None
    if function in _LIKE:
        array = args[0]
        dtype = kwargs.get("dtype") or (args[1] if len(args) > 1 and function is not np.full_like else None)
        shape = kwargs.get("shape")
        if shape is not None:
            return made(shape if isinstance(shape, tuple | list) else (shape,), dtype or array.dtype)
        return array.astype(dtype or array.dtype, order=kwargs.get("order", "K"))
    if function in (np.ascontiguousarray, np.copy):
        array = args[0]
        if function is np.ascontiguousarray and array.flags.c_contiguous and len(args) == 1 and not kwargs:
            return array
        return made(array.shape, kwargs.get("dtype") or array.dtype)
    if function in (np.nonzero, np.flatnonzero, np.unique, np.argwhere, np.bincount) or (
        function is np.where and len(args) == 1
    ):
        raise needs_values(function.__name__)
    if function in (np.array_equal, np.allclose):
        raise RuntimeError("Tensor.item() cannot be called on meta tensors")
    if function is np.result_type:
        return np.result_type(*[a.dtype if type(a) is MetaArray else a for a in args])
    out = kwargs.pop("out", None)
    result = function_results(function, args, kwargs)
    return result if out is None else out


def needs_values(name: str) -> NotImplementedError:
    """The error for a result whose shape depends on values."""
    return NotImplementedError(
        f"aten::{name}: attempted to run this operator with Meta tensors, but there was no fake impl or Meta kernel "
        "registered: its result depends on values, and tensors on the meta device have none"
    )


def _memories(value: Any) -> Any:
    if type(value) is MetaArray:
        return value.memory
    if type(value) is tuple or type(value) is list:
        return type(value)([_memories(part) for part in value])
    if type(value) is dict:
        return {key: _memories(part) for key, part in value.items()}
    return value


_OF_GEOMETRY: Final = frozenset(
    (np.may_share_memory, np.shape, np.ndim, np.size, np.iscomplexobj, np.isrealobj)
)
_VIEWS: Final = frozenset(
    (
        np.broadcast_to, np.moveaxis, np.swapaxes, np.transpose, np.squeeze, np.expand_dims, np.diagonal, np.flip, np.real,
        np.lib.stride_tricks.as_strided, np.lib.stride_tricks.sliding_window_view,
    )
)  # fmt: skip
_LIKE: Final = frozenset((np.empty_like, np.zeros_like, np.ones_like, np.full_like))
