"""Max and average pooling of plain arrays (samples, channels, *spatial) in one, two or three dimensions.

How they differentiate (all are linear but for the choice of the maxima, which the indices fix):

=============================  ================================  =============================
function                       gradient                          gradient of the gradient
=============================  ================================  =============================
``max_pool_forward``           ``scatter_by_indices``            ``gather_by_indices``
``adaptive_max_pool_forward``  ``scatter_by_indices``            ``gather_by_indices``
``max_unpool_forward``         ``gather_by_indices``             ``max_unpool_forward``
``avg_pool_forward``           ``avg_pool_gradient``             ``avg_pool_forward``
``adaptive_avg_pool_forward``  ``adaptive_avg_pool_gradient``    ``adaptive_avg_pool_forward``
=============================  ================================  =============================

Indices are PyTorch's: int64 positions inside the plane of one sample and channel, counted along its rows. A maximum is
the first one of its window, unless there is a NaN: then it is the last NaN. A window that lies in the padding alone
(possible with dilation) gives the lowest value and, as in PyTorch, an index that may lie outside the plane; nothing
flows back through that.

float16 and bfloat16 are computed in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, I64, LOW_PRECISION
from ..core.shapes import Shape, count
from .window_shapes import (
    adaptive_bounds,
    adaptive_pool_output_shape,
    check_pool_dtype,
    meeting,
    pool_output_shape,
    scalar_name,
)

Array = NDArray[Any]
Bounds = tuple[tuple[int, int], ...]

# Up to so many elements in all windows these are gathered by one ``take``: a loop over kernels or windows costs more.
_FEW = 16_384
_TILE_BYTES = 2 << 20  # of the input; measured flat from 1 MB to 4 MB


def max_pool_forward(
    x: Array, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil_mode: bool
) -> tuple[Array, Array]:
    """The maximum of each window and its index in the plane.

    ``x`` is (samples, channels, *spatial) of a real number type; the other arguments have one int for each spatial
    dimension. Raises ``RuntimeError`` where they do not fit ``x`` and ``NotImplementedError`` for bool and complex.

    Example:
        >>> import numpy as np
        >>> from rushlight.runtime.pooling import max_pool_forward
        >>> values, indices = max_pool_forward(np.array([[[1.0, 3.0, 2.0, 0.0]]]), (2,), (2,), (0,), (1,), False)
        >>> values, indices
        (array([[[3., 2.]]]), array([[[1, 2]]]))
    """
    shape = pool_output_shape(x.shape, kernel, stride, padding, dilation, ceil_mode)
    check_pool_dtype("max_pool", x.dtype)
    output = shape[2:]
    given = x.dtype
    if given in LOW_PRECISION:
        x = x.astype(F32)
    planes = x.reshape(count(x.shape[:2]), *x.shape[2:])
    values = np.empty((len(planes), *output), x.dtype)
    indices = np.empty((len(planes), *output), I64)
    if count(kernel) > count(output):
        windows = [
            [_inside(i * s - p, k, d, n) for i in range(o)]
            for o, s, p, k, d, n in zip(output, stride, padding, kernel, dilation, x.shape[2:], strict=True)
        ]
        for at in product(*map(range, output)):
            _max_of_window(
                planes, [axis[i] for axis, i in zip(windows, at, strict=True)], at, values, indices
            )
    else:
        _max_by_offsets(planes, kernel, stride, padding, dilation, values, indices)
    return values.reshape(shape).astype(given, copy=False), indices.reshape(shape)


def adaptive_max_pool_forward(x: Array, output: Shape) -> tuple[Array, Array]:
    """The maximum of each of ``output`` windows and its index; window i of n over a size s is ⌊i·s/n⌋ to ⌈(i+1)·s/n⌉.

    Example:
        >>> import numpy as np
        >>> from rushlight.runtime.pooling import adaptive_max_pool_forward
        >>> values, indices = adaptive_max_pool_forward(np.array([[[1.0, 3.0, 2.0, 0.0, 4.0]]]), (2,))
        >>> values, indices
        (array([[[3., 4.]]]), array([[[1, 4]]]))
    """
    shape = adaptive_pool_output_shape(x.shape, output, f"adaptive_max_pool{len(output)}d")
    check_pool_dtype("adaptive_max_pool", x.dtype)
    given = x.dtype
    if given in LOW_PRECISION:
        x = x.astype(F32)
    planes = x.reshape(count(x.shape[:2]), *x.shape[2:])
    values = np.empty((len(planes), *output), x.dtype)
    indices = np.empty((len(planes), *output), I64)
    if x.size + len(planes) * count(output) <= _FEW // 2 and 0 not in shape:
        found = _maxima_gathered(planes, *_places_in_adaptive_windows(x.shape[2:], output))
        if found is not None:
            return found[0].reshape(shape).astype(given, copy=False), found[1].reshape(shape)
    bounds = [adaptive_bounds(size, windows) for size, windows in zip(x.shape[2:], output, strict=True)]
    for at in product(*map(range, output)):
        window = [slice(*axis[i]) for axis, i in zip(bounds, at, strict=True)]
        _max_of_window(planes, window, at, values, indices)
    return values.reshape(shape).astype(given, copy=False), indices.reshape(shape)


def scatter_by_indices(g: Array, indices: Array, spatial: Shape) -> Array:
    """Planes of shape ``spatial`` with each element of ``g`` added at its index: the gradient of a max pooling.

    ``indices`` (int64) has the shape of ``g``, (samples, channels, *output). An index outside the plane, which a
    window in the padding alone may have, is passed over.

    Example:
        >>> import numpy as np
        >>> from rushlight.runtime.pooling import scatter_by_indices
        >>> scatter_by_indices(np.array([[[1.0, 2.0]]]), np.array([[[3, 3]]]), (4,))
        array([[[0., 0., 0., 3.]]])
    """
    dtype = F32 if g.dtype in LOW_PRECISION else g.dtype
    size = count(spatial)
    into = np.zeros(count(g.shape[:2]) * size, dtype)
    at = _across_planes(indices, size)
    given = g.reshape(-1).astype(dtype, copy=False)
    outside = _outside(indices, size)
    if outside is not None:
        at, given = at[~outside], given[~outside]
    np.add.at(into, at, given)
    return into.reshape(*g.shape[:2], *spatial).astype(g.dtype, copy=False)


def gather_by_indices(h: Array, indices: Array) -> Array:
    """The elements of the planes of ``h`` at ``indices``, zero where an index lies outside: the adjoint of
    ``scatter_by_indices``.

    Example:
        >>> import numpy as np
        >>> from rushlight.runtime.pooling import gather_by_indices
        >>> gather_by_indices(np.array([[[5.0, 6.0, 7.0, 8.0]]]), np.array([[[3, 1]]]))
        array([[[8., 6.]]])
    """
    size = count(h.shape[2:])
    at = _across_planes(indices, size)
    outside = _outside(indices, size)
    if outside is None:
        return np.take(h.reshape(-1), at).reshape(indices.shape)
    at[outside] = 0
    taken = np.take(h.reshape(-1), at)
    taken[outside] = 0
    return taken.reshape(indices.shape)


def max_unpool_forward(x: Array, indices: Array, output: Shape) -> Array:
    """Planes of shape ``output`` with each element of ``x`` at its index and zeros elsewhere.

    Of two elements at the same index the last one stays. Raises ``RuntimeError`` for indices outside the plane, of
    another shape than ``x``, or not int64, and ``NotImplementedError`` where ``x`` is not floating-point.

    Example:
        >>> import numpy as np
        >>> from rushlight.runtime.pooling import max_unpool_forward
        >>> max_unpool_forward(np.array([[[3.0, 2.0]]]), np.array([[[1, 2]]]), (4,))
        array([[[0., 3., 2., 0.]]])
    """
    check_pool_dtype("max_unpool", x.dtype)
    if indices.dtype != I64:
        raise RuntimeError(f"elements in indices should be type int64 but got: {scalar_name(indices.dtype)}")
    if indices.shape != x.shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(x.shape)}) but got indices "
            f"tensor with shape: {list(indices.shape)}"
        )
    if any(n < 0 for n in output):
        raise RuntimeError(
            f"max_unpool: output_size must contain non-negative spatial dimensions, got {list(output)}"
        )
    if not count(x.shape[1:]):
        raise RuntimeError(
            f"max_unpool: Expected input to have non-zero size for non-batch dimensions, but got {list(x.shape)}"
        )
    size = count(output)
    outside = _outside(indices, size)
    if size and outside is not None:  # PyTorch gives an empty result without a look at the indices
        wrong = indices.reshape(-1)[outside][0]
        volumes = "x".join(map(str, output))
        raise RuntimeError(f"Found an invalid max index: {wrong} (output volumes are of size {volumes})")
    into = np.zeros(count(x.shape[:2]) * size, x.dtype)
    if size:
        into[_across_planes(indices, size)] = x.reshape(-1)
    return into.reshape(*x.shape[:2], *output)


def avg_pool_forward(
    x: Array,
    kernel: Shape,
    stride: Shape,
    padding: Shape,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Array:
    """The average of each window: the sum over ``divisor_override``, or over the window's size with or without padding.

    ``x`` is (samples, channels, *spatial), floating-point or int64 (which rounds toward zero).

    Example:
        >>> import numpy as np
        >>> from rushlight.runtime.pooling import avg_pool_forward
        >>> avg_pool_forward(np.array([[[1.0, 3.0, 2.0, 0.0]]]), (2,), (2,), (0,), False, True, None)
        array([[[2., 1.]]])
    """
    output = _avg_output(x.shape, kernel, stride, padding, ceil_mode, divisor_override)
    check_pool_dtype("avg_pool", x.dtype)
    divisors = _divisors(
        x.shape[2:], kernel, stride, padding, output, count_include_pad, divisor_override, _working(x)
    )
    sums = x.astype(_working(x), copy=False)
    elements = count(x.shape[:2]) * count(output) * count(kernel)
    if x.size and elements <= _FEW and sums.dtype.kind == "f":
        sums = _sum_gathered(sums, *_places_in_windows(x.shape[2:], kernel, stride, padding, output), output)
        return (sums / divisors).astype(x.dtype, copy=False)
    if count(output) <= count(kernel):
        sums = _sum_each_window(
            sums,
            [
                tuple([(max(0, i * s - p), min(size, i * s - p + k)) for i in range(n)])
                for size, n, k, s, p in zip(x.shape[2:], output, kernel, stride, padding, strict=True)
            ],
        )
    else:
        for axis, (n, k, s, p) in enumerate(zip(output, kernel, stride, padding, strict=True), 2):
            sums = _sum_along(sums, axis, n, k, s, p)
    if x.dtype == I64:
        sums -= np.fmod(sums, divisors)
        return sums // divisors
    return (sums / divisors).astype(x.dtype, copy=False)


def avg_pool_gradient(
    g: Array,
    input_shape: Shape,
    kernel: Shape,
    stride: Shape,
    padding: Shape,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Array:
    """The adjoint of ``avg_pool_forward`` for floating-point ``g`` and an input of ``input_shape``."""
    output = _avg_output(input_shape, kernel, stride, padding, ceil_mode, divisor_override)
    spatial = input_shape[2:]
    divisors = _divisors(
        spatial, kernel, stride, padding, output, count_include_pad, divisor_override, _working(g)
    )
    given = g.astype(_working(g), copy=False) / divisors
    for axis in range(len(input_shape) - 1, 1, -1):
        i = axis - 2
        given = _spread_windows(given, axis, spatial[i], kernel[i], stride[i], padding[i])
    return given.astype(g.dtype, copy=False)


def adaptive_avg_pool_forward(x: Array, output: Shape) -> Array:
    """The average of each of ``output`` windows; window i of n over a size s is ⌊i·s/n⌋ to ⌈(i+1)·s/n⌉.

    Example:
        >>> import numpy as np
        >>> from rushlight.runtime.pooling import adaptive_avg_pool_forward
        >>> adaptive_avg_pool_forward(np.array([[[1.0, 3.0, 2.0, 0.0, 4.0]]]), (2,))
        array([[[2., 2.]]])
    """
    shape = adaptive_pool_output_shape(x.shape, output, f"adaptive_avg_pool{len(output)}d")
    check_pool_dtype("adaptive_avg_pool", x.dtype)
    sums = x.astype(_working(x), copy=False)
    if 0 in shape:
        return np.zeros(shape, x.dtype)
    planes, windows = x.shape[0] * x.shape[1], count(output)
    if windows == 1:
        total = _sum_rows(sums.reshape(planes, x.size // planes))
        total /= total.dtype.type(x.size // planes)
        return total.reshape(shape).astype(x.dtype, copy=False)
    if sums.dtype.kind == "f" and x.size + planes * windows <= _FEW // 2:
        sums = _sum_gathered(sums, *_places_in_adaptive_windows(x.shape[2:], output), output)
    else:
        bounds = [adaptive_bounds(n, o) for n, o in zip(x.shape[2:], output, strict=True)]
        sums = _sum_each_window(sums, bounds)
    return (sums / _adaptive_sizes(x.shape[2:], output, sums.dtype)).astype(x.dtype, copy=False)


def adaptive_avg_pool_gradient(g: Array, spatial: Shape) -> Array:
    """The adjoint of ``adaptive_avg_pool_forward`` for an input of ``spatial`` shape."""
    output = g.shape[2:]
    if 0 in g.shape:
        return np.zeros((*g.shape[:2], *spatial), g.dtype)
    dtype = _working(g)
    given = g.astype(dtype, copy=False) / _adaptive_sizes(spatial, output, dtype)
    for axis in range(g.ndim - 1, 1, -1):
        size = spatial[axis - 2]
        if output[axis - 2] == 1:
            given = np.broadcast_to(given, (*given.shape[:axis], size, *given.shape[axis + 1 :]))
            continue
        into = np.zeros((*given.shape[:axis], size, *given.shape[axis + 1 :]), dtype)
        for i, (start, stop) in enumerate(adaptive_bounds(size, output[axis - 2])):
            into[_at(axis, slice(start, stop))] += given[_at(axis, slice(i, i + 1))]
        given = into
    return np.ascontiguousarray(given).astype(g.dtype, copy=False)


# Few elements


@lru_cache(maxsize=256)
def _places_in_windows(
    spatial: Shape, kernel: Shape, stride: Shape, padding: Shape, output: Shape
) -> tuple[Array, bool]:
    """Where in a plane the elements of each window lie, (windows, elements): behind the plane's end those in the padding. And
    whether there are such."""
    bounds = [
        tuple([(i * s - p, i * s - p + k) for i in range(o)])
        for o, k, s, p in zip(output, kernel, stride, padding, strict=True)
    ]
    return _places(spatial, bounds, max(1, count(kernel)))


@lru_cache(maxsize=256)
def _places_in_adaptive_windows(spatial: Shape, output: Shape) -> tuple[Array, bool]:
    """The same of adaptive windows; behind the plane's end is what the smaller ones have less than the largest."""
    bounds = [adaptive_bounds(size, windows) for size, windows in zip(spatial, output, strict=True)]
    return _places(spatial, bounds, 0)


def _places(spatial: Shape, bounds: Sequence[Bounds], elements: int) -> tuple[Array, bool]:
    size = count(spatial)
    windows: list[list[int]] = []
    for window in product(*bounds):
        places = [0]
        for (start, stop), extent in zip(window, spatial, strict=True):
            along = range(max(start, 0), min(stop, extent))
            places = [place * extent + at for place in places for at in along]
        windows.append(places)
    elements = max(elements, *map(len, windows)) if windows else elements
    beyond = any([len(places) < elements for places in windows])
    return np.array([places + [size] * (elements - len(places)) for places in windows], I64), beyond


@lru_cache(maxsize=64)
def _ones(length: int, dtype: np.dtype[Any]) -> Array:
    return np.ones(length, dtype)


def _sum_gathered(x: Array, places: Array, beyond: bool, output: Shape) -> Array:
    """The sum of each window of floating-point planes. ``beyond``: whether some of ``places`` lie behind a plane's end."""
    planes = x.shape[0] * x.shape[1]
    size = x.size // planes
    flat = x.reshape(planes, size)
    if beyond:
        room = np.zeros((planes, size + 1), x.dtype)
        room[:, :size] = flat
        flat = room
    taken = flat.take(places, 1)
    sums: Array = np.matmul(taken, _ones(places.shape[1], x.dtype))
    return sums.reshape(*x.shape[:2], *output)


def _maxima_gathered(planes: Array, places: Array, beyond: bool) -> tuple[Array, Array] | None:
    """The maximum of each window of ``planes`` and its place; None where one is NaN."""
    flat = planes.reshape(len(planes), -1)
    if beyond:  # there a small window's first element again, which changes nothing
        places = np.where(places == flat.shape[1], places[:, :1], places)
    taken = flat.take(places, 1)
    where = taken.argmax(-1)
    windows = np.arange(len(places))
    best = taken[np.arange(len(planes))[:, None], windows, where]
    return None if np.isnan(best).any() else (best, places[windows, where])


# Maxima


def _inside(start: int, kernel: int, dilation: int, size: int) -> slice:
    """The positions of a window that lie in range(size).

    It starts, like PyTorch's index, at the first position that is not negative, even where that lies behind the end.
    """
    stop = min(size, start + (kernel - 1) * dilation + 1)
    if start < 0:
        start -= start // dilation * dilation
    return slice(start, max(start, stop), dilation)


def _lowest(dtype: np.dtype[Any]) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _max_of_window(
    planes: Array, window: list[slice], at: tuple[int, ...], values: Array, indices: Array
) -> None:
    """One output position of all planes."""
    place: tuple[int | slice, ...] = (slice(None), *at)
    part = planes[(slice(None), *window)]
    positions = np.zeros(1, I64)
    for axis, size in zip(window, planes.shape[1:], strict=True):
        along = np.arange(axis.start, max(axis.stop, axis.start + 1), axis.step or 1)
        positions = (positions[:, None] * size + along).reshape(-1)
    if not count(part.shape[1:]):
        values[place] = _lowest(planes.dtype)
        indices[place] = positions[0]
        return
    flat = part.reshape(len(part), -1 if len(part) else count(part.shape[1:]))
    where = flat.argmax(axis=1)
    best = flat[np.arange(len(flat)), where]
    missing = np.isnan(best)
    if missing.any():  # argmax found the first NaN of these windows
        where[missing] = flat.shape[1] - 1 - np.isnan(flat[missing])[:, ::-1].argmax(axis=1)
    values[place] = best
    indices[place] = positions[where]


def _max_by_offsets(
    planes: Array,
    kernel: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    values: Array,
    indices: Array,
) -> None:
    """All output positions of a tile of planes at once, one element of the kernel after another.

    An element that is larger than all before it writes its number; as numbers grow, that is a maximum of
    small integers, which NumPy computes many at a time.
    """
    spatial, output = planes.shape[1:], values.shape[1:]
    extents = [
        (o - 1) * s + (k - 1) * d + 1 for o, s, k, d in zip(output, stride, kernel, dilation, strict=True)
    ]
    padded = any(padding) or any(extent > size for extent, size in zip(extents, spatial, strict=True))
    tile = max(1, min(len(planes), _TILE_BYTES // max(1, count(extents) * planes.itemsize)))
    code = np.uint8 if count(kernel) <= 256 else np.uint32
    shape = (tile, *output)
    elements, numbers = np.empty(shape, planes.dtype), np.empty(shape, code)
    larger, latest = np.empty(shape, np.bool_), np.empty(shape, code)
    stage = np.full((tile, *extents), _lowest(planes.dtype), planes.dtype) if padded else planes
    inner = tuple([slice(p, p + n) for p, n in zip(padding, spatial, strict=True)])
    origin, offsets = _positions(spatial, kernel, stride, padding, dilation, output)
    windows = [
        (
            slice(None),
            *[
                slice(i * d, i * d + (o - 1) * s + 1, s)
                for i, d, o, s in zip(index, dilation, output, stride, strict=True)
            ],
        )
        for index in product(*map(range, kernel))
    ]
    for first in range(0, len(planes), tile):
        x = planes[first : first + tile]
        size = len(x)
        best, found = values[first : first + tile], indices[first : first + tile]
        given = x
        if padded:
            given = stage[:size]
            # With ceil_mode and a stride the last window may end before the input does.
            room = given[(slice(None), *inner)]
            room[...] = x[(slice(None), *[slice(n) for n in room.shape[1:]])]
        numbered = numbers[:size]
        numbered.fill(0)
        np.copyto(best, given[windows[0]])
        for number, window in enumerate(windows[1:], 1):
            np.copyto(elements[:size], given[window])
            np.greater(elements[:size], best, out=larger[:size])
            np.maximum(best, elements[:size], out=best)
            np.multiply(larger[:size], code(number), out=latest[:size])
            np.maximum(numbered, latest[:size], out=numbered)
        doubtful = planes.dtype.kind == "f" and np.isnan(best).any()
        if doubtful or (padded and (best == _lowest(planes.dtype)).any()):
            _max_carefully(x, kernel, stride, padding, dilation, best, found)
        else:
            # mode="raise" would buffer the result
            np.take(offsets, numbered, out=found, mode="clip")
            found += origin


@lru_cache(maxsize=256)
def _positions(
    spatial: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, output: Shape
) -> tuple[Array, Array]:
    """The index of each window's first element (negative in the padding), and what each kernel element adds to it."""
    origin: Array = np.zeros((1,) * len(spatial), I64)
    offsets: Array = np.zeros(1, I64)
    for axis, (size, k, s, p, d, o) in enumerate(
        zip(spatial, kernel, stride, padding, dilation, output, strict=True)
    ):
        along = np.arange(o, dtype=I64) * s - p
        origin = origin * size + along.reshape(-1, *(1,) * (len(spatial) - axis - 1))
        offsets = (offsets[:, None] * size + np.arange(k, dtype=I64) * d).reshape(-1)
    return origin, offsets


def _max_carefully(
    x: Array, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, values: Array, indices: Array
) -> None:
    """The rule spelled out, for tiles with NaN, or where the padding equals the lowest value that is there."""
    spatial, output = x.shape[1:], values.shape[1:]
    origin, offsets = _positions(spatial, kernel, stride, padding, dilation, output)
    values.fill(_lowest(x.dtype))
    starts: Array = np.zeros((1,) * len(spatial), I64)
    for axis, (size, k, s, p, d, o) in enumerate(
        zip(spatial, kernel, stride, padding, dilation, output, strict=True)
    ):
        along = np.array([_inside(i * s - p, k, d, size).start for i in range(o)], I64)
        starts = starts * size + along.reshape(-1, *(1,) * (len(spatial) - axis - 1))
    indices[...] = starts
    for offset, index in zip(offsets, product(*map(range, kernel)), strict=True):
        pairs = [
            meeting(size, o, s, i * d - p)
            for size, o, s, i, d, p in zip(spatial, output, stride, index, dilation, padding, strict=True)
        ]
        to, of = zip(*pairs, strict=True)
        elements = x[(slice(None), *to)]
        best = values[(slice(None), *of)]
        taken = (elements > best) | np.isnan(elements)
        np.copyto(best, elements, where=taken)
        np.copyto(indices[(slice(None), *of)], origin[of] + offset, where=taken)


# Indices


def _across_planes(indices: Array, size: int) -> Array:
    """Indices in the planes as indices in all of them together, as one new vector."""
    planes = count(indices.shape[:2])
    starts = np.arange(planes, dtype=I64)[:, None] * size
    at: Array = indices.reshape(planes, count(indices.shape[2:])) + starts
    return at.reshape(-1)


def _outside(indices: Array, size: int) -> Array | None:
    """Which elements (as a vector of bool) lie outside a plane of ``size``; None where none does."""
    if not indices.size or (indices.max() < size and indices.min() >= 0):
        return None
    flat = indices.reshape(-1)
    return (flat < 0) | (flat >= size)


# Averages


def _working(x: Array) -> np.dtype[Any]:
    return F32 if x.dtype in LOW_PRECISION else x.dtype


def _at(axis: int, part: slice) -> tuple[slice, ...]:
    return (*(slice(None),) * axis, part)


def _avg_output(
    shape: Shape, kernel: Shape, stride: Shape, padding: Shape, ceil_mode: bool, divisor_override: int | None
) -> Shape:
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    ones = (1,) * len(kernel)
    return pool_output_shape(shape, kernel, stride, padding, ones, ceil_mode, len(kernel) == 3)[2:]


@lru_cache(maxsize=256)
def _divisors(
    spatial: Shape,
    kernel: Shape,
    stride: Shape,
    padding: Shape,
    output: Shape,
    count_include_pad: bool,
    divisor_override: int | None,
    dtype: np.dtype[Any],
) -> Array:
    """What to divide each window's sum by, to be broadcast against (…, *output)."""
    if divisor_override is not None:
        return np.array(divisor_override, dtype)
    sizes: Array = np.ones((1,) * len(spatial), I64)
    for axis, (size, k, s, p, o) in enumerate(zip(spatial, kernel, stride, padding, output, strict=True)):
        start = np.arange(o, dtype=I64) * s - p
        stop = np.minimum(start + k, size + p)
        if not count_include_pad:
            start, stop = np.maximum(start, 0), np.minimum(stop, size)
        sizes = sizes * (stop - start).reshape(-1, *(1,) * (len(spatial) - axis - 1))
    if (sizes == sizes.flat[0]).all():
        sizes = sizes.flat[0]
    return np.asarray(sizes).astype(dtype)


@lru_cache(maxsize=256)
def _adaptive_sizes(spatial: Shape, output: Shape, dtype: np.dtype[Any]) -> Array:
    sizes: Array = np.ones((1,) * len(spatial), I64)
    for axis, (size, o) in enumerate(zip(spatial, output, strict=True)):
        along = np.array([stop - start for start, stop in adaptive_bounds(size, o)], I64)
        sizes = sizes * along.reshape(-1, *(1,) * (len(spatial) - axis - 1))
    return sizes.astype(dtype)


def _sum_each_window(x: Array, bounds: list[Bounds]) -> Array:
    """The sums of few or uneven windows, given by their bounds along each spatial dimension.

    A dimension is summed while it is the last one and its windows go to the front: NumPy's loops then run along
    everything else, which is long, instead of along a row of a plane.
    """
    spatial = x.shape[2:]
    if all([axis == ((0, size),) for axis, size in zip(bounds, spatial, strict=True)]):
        return _sum_rows(x.reshape(count(x.shape[:2]), count(spatial))).reshape(
            *x.shape[:2], *(1,) * len(spatial)
        )
    for axis_bounds in reversed(bounds):
        rows = x.reshape(count(x.shape[:-1]), x.shape[-1])
        result = np.empty((len(axis_bounds), len(rows)), x.dtype)
        for i, (start, stop) in enumerate(axis_bounds):
            if stop - start > 8:
                result[i] = _sum_rows(rows[:, start:stop])
            else:
                result[i] = rows[:, start]
                for position in range(start + 1, stop):
                    result[i] += rows[:, position]
        x = result.reshape(len(axis_bounds), *x.shape[:-1])
    return np.ascontiguousarray(np.moveaxis(x, (-2, -1), (0, 1)))


def _sum_rows(rows: Array) -> Array:
    sums: Array
    if rows.dtype.kind == "f":
        length = rows.shape[1]
        ones = _ones(length, rows.dtype) if length <= _FEW else np.ones(length, rows.dtype)
        sums = np.matmul(rows, ones)  # BLAS, several times as fast as sum()
    else:
        sums = rows.sum(axis=1, dtype=rows.dtype)
    return sums


def _sum_along(x: Array, axis: int, windows: int, kernel: int, stride: int, padding: int) -> Array:
    """The sums along one axis; what lies outside the input counts as zero."""
    size = x.shape[axis]
    shape = (*x.shape[:axis], windows, *x.shape[axis + 1 :])
    result: Array | None = None
    for i in range(kernel):
        to, of = meeting(size, windows, stride, i - padding)
        if result is None:
            if of == slice(0, windows):
                result = x[_at(axis, to)].copy()
                continue
            result = np.zeros(shape, x.dtype)
        result[_at(axis, of)] += x[_at(axis, to)]
    assert result is not None  # pool_output_shape refuses an empty kernel
    return result


def _spread_windows(g: Array, axis: int, size: int, kernel: int, stride: int, padding: int) -> Array:
    """The adjoint of ``_sum_along`` for an input that is ``size`` long."""
    windows = g.shape[axis]
    shape = (*g.shape[:axis], size, *g.shape[axis + 1 :])
    if kernel == stride and not padding and windows * kernel == size:
        return np.repeat(g, kernel, axis=axis)
    into = np.zeros(shape, g.dtype)
    if windows <= kernel:
        for i in range(windows):
            start = i * stride - padding
            into[_at(axis, slice(max(0, start), max(0, start + kernel)))] += g[_at(axis, slice(i, i + 1))]
        return into
    for i in range(kernel):
        to, of = meeting(size, windows, stride, i - padding)
        into[_at(axis, to)] += g[_at(axis, of)]
    return into
