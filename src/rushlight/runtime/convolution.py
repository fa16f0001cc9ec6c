"""Convolution of plain arrays, in one, two or three dimensions, and its two gradients.

Three bilinear functions of arrays (samples, channels, *spatial) and (outputs, channels / groups, *kernel):

- ``conv_forward(x, w)``: y[n, o, t] = Σ w[o, c, k] · x[n, c, t·stride + k·dilation − padding] over c and k
- ``conv_input_gradient(g, w)``: its adjoint in x, an array of the shape of x
- ``conv_weight_gradient(g, x)``: its adjoint in w, an array of the shape of w

**They are closed under differentiation.** All three are readings of one trilinear form,
⟨g, conv_forward(x, w)⟩ = ⟨x, conv_input_gradient(g, w)⟩ = ⟨w, conv_weight_gradient(g, x)⟩, so the gradient of each
is made of the other two. With h for the gradient that arrives, of the shape of the function's result:

=============================  ==================================  ==================================
function                       gradient for its first argument     gradient for its second argument
=============================  ==================================  ==================================
``conv_forward(x, w)``         ``conv_input_gradient(h, w)``       ``conv_weight_gradient(h, x)``
``conv_input_gradient(g, w)``  ``conv_forward(h, w)``              ``conv_weight_gradient(g, h)``
``conv_weight_gradient(g, x)`` ``conv_forward(x, h)``              ``conv_input_gradient(g, h)``
=============================  ==================================  ==================================

That gives derivatives of every order. No function conjugates: for complex numbers the caller passes the
conjugate of the argument that is not h.

**Transposed convolution** is ``conv_input_gradient``: PyTorch's ``conv_transpose(x, w, …, output_padding)`` is
``conv_input_gradient(x, w, spatial, …)`` with ``spatial`` from ``conv_transpose_output_shape``, which is where
``output_padding`` enters. The weight has PyTorch's layout as it is: (channels of x, channels of the result /
groups, *kernel). Where ``output_padding`` reaches the stride (PyTorch allows it below the dilation), a
convolution of the result has more positions than x had; the gradient for x then needs ``conv_forward`` with
``output_spatial_shape``, the spatial shape of x.

How it is done: the input is cut into tiles of samples (and of rows, where one sample is large), the windows of a
tile are packed into a buffer of a few MB, and BLAS multiplies; see ``conv_tiles``. The gradient for the input is
either the transpose of that (products, then sums into the input's positions) or a convolution with the mirrored
weight. Every choice depends on the shapes alone, never on the number of threads (what is left is BLAS's own rounding).
Convolutions with one channel in each group are in ``depthwise``.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import gcd
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, LOW_PRECISION
from ..core.shapes import Shape, count
from . import small_convolution
from .conv_tiles import (
    Columns,
    Layout,
    Pairs,
    Purpose,
    Rows,
    Window,
    from_row_order,
    layout_of,
    row_order,
    tiles,
)
from .depthwise import depthwise_forward, depthwise_weight_gradient
from .gemm import OneThread
from .window_shapes import check_conv_dtypes, conv_output_shape, meeting

Array = NDArray[Any]

# Multiplications. OpenBLAS does not pack the operands of products up to 1,000,000; a product for each sample, and their sum,
# then takes less time than one product of all samples, by a fifth to a third up to here, and if a sample has 32 positions.
_SMALL_PRODUCT = 600_000


def _taps(w: Array, window: Window, shifted: bool) -> Array:
    """The weight in the order of Columns: (slices of the first dimension, groups, outputs / groups, packed)."""
    per_group = w.shape[0] // window.groups
    packed = w.shape[1] * count(window.kernel)
    if not shifted:
        return w.reshape(1, window.groups, per_group, packed)
    slices = window.kernel[0]
    by_slice = np.ascontiguousarray(np.moveaxis(w, 2, 0))
    return by_slice.reshape(slices, window.groups, per_group, packed // slices)


def _correlate(x: Array, w: Array, window: Window) -> Array:
    """``conv_forward`` for arguments known to fit, any sign of padding, and a dtype to compute in."""
    if small_convolution.is_small(x, window):
        return small_convolution.forward(x, w, window)
    groups, output = window.groups, window.output
    samples, channels = x.shape[:2]
    if groups > 1 and channels == groups:
        return depthwise_forward(x, w, window)
    layout = layout_of(window, samples, channels, w.shape[0], x.itemsize, Purpose.FORWARD)
    row = count(output[1:])
    if layout.by_rows:
        result = np.empty((samples, w.shape[0], output[0] * row), x.dtype)
        packed_rows = Rows(x, window, layout)
        operand = row_order(w, window)
        if not layout.joined:
            operand = np.asfortranarray(operand)  # for which OpenBLAS has the faster kernel, by a third
        for tile in tiles(layout, samples, output[0]):
            loaded = packed_rows.load(tile)
            target = result[tile.first : tile.last, :, tile.top * row : tile.bottom * row]
            if layout.joined:
                values = np.matmul(loaded.reshape(-1, loaded.shape[2]), operand.T)
                target[...] = values.reshape(*loaded.shape[:2], len(operand)).swapaxes(1, 2)
            else:
                np.matmul(operand, loaded.swapaxes(1, 2), out=target)
        return result.reshape(samples, w.shape[0], *output)
    taps = _taps(w, window, layout.shifted)
    per_group = w.shape[0] // groups
    result = np.empty((samples, groups, per_group, output[0] * row), x.dtype)
    columns = Columns(x, window, layout)
    for tile in tiles(layout, samples, output[0]):
        loaded = columns.load(tile)
        span = (tile.bottom - tile.top) * row
        target = result[tile.first : tile.last, :, :, tile.top * row : tile.bottom * row]
        np.matmul(taps[0], loaded[..., :span], out=target)
        for i in range(1, len(taps)):
            start = i * window.dilation[0] * row
            target += np.matmul(taps[i], loaded[..., start : start + span])
    return result.reshape(samples, w.shape[0], *output)


def _correlate_weight(g: Array, x: Array, window: Window) -> Array:
    """``conv_weight_gradient`` for arguments known to fit."""
    if small_convolution.is_small(x, window):
        return small_convolution.weight_gradient(g, x, window)
    groups, kernel, output = window.groups, window.kernel, window.output
    samples, channels = x.shape[:2]
    per_group, packed_channels = g.shape[1] // groups, channels // groups
    layout = layout_of(window, samples, channels, g.shape[1], x.itemsize, Purpose.WEIGHT)
    row = count(output[1:])
    if layout.by_rows:
        by_output: Array = g.reshape(samples, g.shape[1], output[0] * row).swapaxes(0, 1)
        total = np.zeros((g.shape[1], channels * count(kernel)), x.dtype)
        packed_rows = Rows(x, window, layout)
        for tile in tiles(layout, samples, output[0]):
            given = by_output[:, tile.first : tile.last, tile.top * row : tile.bottom * row]
            loaded = packed_rows.load(tile)
            if loaded.shape[1] >= 32 and total.size * loaded.shape[1] <= _SMALL_PRODUCT:
                total += np.add.reduce(np.matmul(given.swapaxes(0, 1), loaded), 0)
                continue
            loaded = loaded.reshape(-1, total.shape[1])
            total += np.matmul(given.reshape(len(total), len(loaded)), loaded)
        return np.ascontiguousarray(from_row_order(total, (g.shape[1], channels, *kernel), window))
    slices = kernel[0] if layout.shifted else 1
    packed = packed_channels * count(kernel) // slices
    by_position = g.reshape(samples, groups, per_group, output[0] * row).swapaxes(-1, -2)
    result = np.zeros((slices, groups, packed, per_group), x.dtype)
    columns = Columns(x, window, layout)
    for tile in tiles(layout, samples, output[0]):
        loaded = columns.load(tile)
        given = by_position[tile.first : tile.last, :, tile.top * row : tile.bottom * row]
        span = given.shape[2]
        for i in range(slices):
            start = i * window.dilation[0] * row
            parts = np.matmul(loaded[..., start : start + span], given)
            result[i] += parts[0] if len(parts) == 1 else parts.sum(axis=0, dtype=x.dtype)
    rest = kernel[1:] if layout.shifted else kernel
    by_axis = result.reshape(slices, groups, packed_channels, *rest, per_group)
    # (slices, group, channel, *rest, output) -> (group, output, channel, slices, *rest)
    order = (1, by_axis.ndim - 1, 2, 0, *range(3, by_axis.ndim - 1))
    return np.ascontiguousarray(by_axis.transpose(order)).reshape(g.shape[1], packed_channels, *kernel)


def _scatter(g: Array, w: Array, spatial: Shape, window: Window) -> Array:
    """``conv_input_gradient`` as the transpose of ``_correlate``: products, then sums into the input's positions."""
    layout = layout_of(window, len(g), w.shape[1] * window.groups, w.shape[0], g.itemsize, Purpose.SCATTER)
    scatter = _scatter_rows if layout.by_rows else _scatter_columns
    return scatter(g, w, spatial, window, layout)


def _scatter_rows(g: Array, w: Array, spatial: Shape, window: Window, layout: Layout) -> Array:
    if count(window.output) == 1:
        return _scatter_single(g, w, spatial, window)
    kernel, output = window.kernel, window.output
    channels, positions = w.shape[1], count(output)
    landings = _landings(window, spatial, 0, output[0], False)
    # One matrix (outputs, channels) for each kernel element, so that its products lie together.
    operand = np.ascontiguousarray(np.moveaxis(w, (0, 1), (-2, -1))).reshape(-1, 1, w.shape[0], channels)
    result = np.empty((len(g), channels, *spatial), g.dtype)
    sums = np.empty((layout.samples, *spatial, channels), g.dtype)
    for first in range(0, len(g), layout.samples):
        given = g[first : first + layout.samples]
        size = len(given)
        by_position = given.reshape(size, w.shape[0], positions).swapaxes(1, 2)
        if layout.joined:
            by_position = by_position.reshape(1, size * positions, w.shape[0])
        pieces = np.matmul(by_position, operand).reshape(*kernel, size, *output, channels)
        into = sums[:size]
        into.fill(0)
        for index, to, of in landings:
            into[(slice(None), *to)] += pieces[(*index, slice(None), *of)]
        result[first : first + size] = np.moveaxis(into, -1, 1)
    return result


def _scatter_single(g: Array, w: Array, spatial: Shape, window: Window) -> Array:
    """``_scatter`` where a sample has one window: its elements land apart from each other."""
    meetings = [
        meeting(length, k, d, -before)
        for length, k, d, (before, _) in zip(
            spatial, window.kernel, window.dilation, window.padding, strict=True
        )
    ]
    to, of = zip(*meetings, strict=True)
    pieces: Array = np.matmul(g.reshape(g.shape[:2]), row_order(w, window)).reshape(len(g), *w.shape[1:])
    result = np.zeros((len(g), w.shape[1], *spatial), g.dtype)
    result[(slice(None), slice(None), *to)] = pieces[(slice(None), slice(None), *of)]
    return result


def _scatter_columns(g: Array, w: Array, spatial: Shape, window: Window, layout: Layout) -> Array:
    kernel, dilation, output, groups = window.kernel, window.dilation, window.output, window.groups
    samples = len(g)
    channels, per_group = w.shape[1] * groups, w.shape[0] // groups
    taps = _taps(w, window, layout.shifted).swapaxes(-1, -2)
    row = count(output[1:])
    rest = kernel[1:] if layout.shifted else kernel
    packed = w.shape[1] * count(rest)
    g = g.reshape(samples, groups, per_group, output[0] * row)
    result = np.zeros((samples, channels, *spatial), g.dtype)
    for tile in tiles(layout, samples, output[0]):
        size, reach = tile.last - tile.first, tile.bottom - tile.top
        given = g[tile.first : tile.last, :, :, tile.top * row : tile.bottom * row]
        if layout.shifted:
            span = reach * row
            reach += (kernel[0] - 1) * dilation[0]
            columns = np.empty((size, groups, packed, reach * row), g.dtype)
            np.matmul(taps[0], given, out=columns[..., :span])
            columns[..., span:] = 0
            for i in range(1, len(taps)):
                start = i * dilation[0] * row
                columns[..., start : start + span] += np.matmul(taps[i], given)
        else:
            columns = np.matmul(taps[0], given)
        pieces = columns.reshape(size, channels, *rest, reach, *output[1:])
        into = result[tile.first : tile.last]
        for index, to, of in _landings(window, spatial, tile.top, reach, layout.shifted):
            source: tuple[int | slice, ...] = (slice(None), slice(None), *index, *of)
            into[(slice(None), slice(None), *to)] += pieces[source]
    return result


_Landing = tuple[tuple[int, ...], tuple[slice, ...], tuple[slice, ...]]


@lru_cache(maxsize=512)
def _landings(window: Window, spatial: Shape, top: int, reach: int, shifted: bool) -> tuple[_Landing, ...]:
    """For each kernel element: its index, the input positions it reaches, and the output positions they come from.

    The output positions of the first dimension are ``reach`` many from ``top`` on. Where the layout is shifted
    they are rows of the input already, and the index leaves the first dimension out.
    """
    kernel, stride, padding, dilation, output, _ = window
    firsts = (top * stride[0] - padding[0][0], *[-before for before, _ in padding[1:]])
    positions = (reach, *output[1:])
    found = []
    for index in product(*map(range, kernel[1:] if shifted else kernel)):
        elements = (0, *index) if shifted else index
        meetings = [
            meeting(length, n, s, first + i * d)
            for length, n, s, first, i, d in zip(
                spatial, positions, stride, firsts, elements, dilation, strict=True
            )
        ]
        to, of = zip(*meetings, strict=True)
        found.append((index, to, of))
    return tuple(found)


class _Residue(NamedTuple):
    """The positions of one dimension that are equal modulo the stride, and the kernel elements that reach them."""

    positions: slice
    size: int
    elements: slice
    kernel: int
    before: int  # padding, in steps of the stride
    dilation: int


@lru_cache(maxsize=512)
def _residues(length: int, kernel: int, stride: int, before: int, dilation: int) -> tuple[_Residue, ...]:
    common = gcd(stride, dilation)
    every = stride // common
    found = []
    for residue in range(stride):
        # Output position t and kernel element i meet at position h where h + before = t · stride + i · dilation.
        first = next((i for i in range(min(kernel, every)) if i * dilation % stride == residue), None)
        start = (residue - before) % stride
        size = (length - start + stride - 1) // stride
        if first is None or size <= 0:
            continue
        turn = (start + before - residue) // stride - first * dilation // stride
        elements = slice(first, None, every)
        taken = (kernel - first + every - 1) // every
        found.append(_Residue(slice(start, None, stride), size, elements, taken, turn, dilation // common))
    return tuple(found)


def _mirrored(g: Array, w: Array, spatial: Shape, window: Window) -> Array:
    """``conv_input_gradient`` as convolutions of g with the mirrored weight.

    It is one convolution, or where there is a stride, one for each residue of the positions modulo the stride, with
    those elements of the kernel that reach them.
    """
    kernel, stride, padding, dilation, _, groups = window
    channels, per_group = w.shape[1], w.shape[0] // groups
    ones = (1,) * len(kernel)
    result: Array | None = None
    if max(stride) > 1 or 0 in spatial:
        result = np.zeros((len(g), channels * groups, *spatial), g.dtype)
    per_axis = [
        _residues(length, k, s, before, d)
        for length, k, s, (before, _), d in zip(spatial, kernel, stride, padding, dilation, strict=True)
    ]
    mirrored: Any = (..., *[slice(None, None, -1)] * len(kernel))
    for residues in product(*per_axis):
        part = w[(slice(None), slice(None), *[r.elements for r in residues])]
        sizes = part.shape[2:]
        part = part[mirrored].reshape(groups, per_group, channels, *sizes)
        part = np.ascontiguousarray(part.swapaxes(1, 2)).reshape(groups * channels, per_group, *sizes)
        around = []
        for r, given in zip(residues, g.shape[2:], strict=True):
            left = (r.kernel - 1) * r.dilation - r.before
            around.append((left, r.size + (r.kernel - 1) * r.dilation - given - left))
        dilations, output = tuple([r.dilation for r in residues]), tuple([r.size for r in residues])
        values = _correlate(g, part, Window(sizes, ones, tuple(around), dilations, output, groups))
        if result is None:
            return values
        result[(slice(None), slice(None), *[r.positions for r in residues])] = values
    assert result is not None  # without a stride there is one residue, which every kernel reaches
    return result


def _input_gradient(g: Array, w: Array, spatial: Shape, window: Window) -> Array:
    g, w = np.ascontiguousarray(g), np.ascontiguousarray(w)
    small = small_convolution.input_gradient(g, w, spatial, window)
    if small is not None:
        return small
    if _mirror_pays(w.shape, spatial, window, len(g), g.itemsize):
        return _mirrored(g, w, spatial, window)
    return _scatter(g, w, spatial, window)


def _mirror_pays(w_shape: Shape, spatial: Shape, window: Window, samples: int, itemsize: int) -> bool:
    channels = w_shape[1] * window.groups
    if 1 < window.groups == w_shape[0] and w_shape[1] == 1:
        return True  # a depthwise convolution, which has a faster way of its own
    if max(window.stride) > 1:
        return False
    if layout_of(window, samples, channels, w_shape[0], itemsize, Purpose.SCATTER).joined:
        return False
    # The mirrored convolution multiplies more, in the proportion of the planes, as it computes every position of the
    # input from windows over g's padding; but it packs windows of g, where the other way adds up windows of the input.
    return 5 * count(spatial) < 7 * count(window.output) and w_shape[0] <= 4 * channels


def _weight_gradient(g: Array, x: Array, window: Window) -> Array:
    g = np.ascontiguousarray(g)
    if 1 < window.groups == x.shape[1]:
        return depthwise_weight_gradient(g, x, window)
    return _correlate_weight(g, x, window)


def conv_forward(
    x: Array,
    w: Array,
    stride: Shape,
    padding: Pairs,
    dilation: Shape,
    groups: int,
    output_spatial_shape: Shape | None = None,
) -> Array:
    """The convolution of ``x`` (samples, channels, *spatial) with ``w`` (outputs, channels / groups, *kernel).

    ``stride`` and ``dilation`` have an int, ``padding`` a pair (before, after) for each spatial dimension. Every
    number type is accepted; float16 and bfloat16 are computed in float32, integers wrap around.
    ``output_spatial_shape`` asks for the first positions only.

    Raises ``RuntimeError`` where the shapes do not fit each other or the dtypes differ (see ``conv_output_shape``)
    and ``NotImplementedError`` for bool.

    Example:
        >>> import numpy as np
        >>> from rushlight.runtime.convolution import conv_forward
        >>> x, w = np.array([[[1.0, 2.0, 3.0, 4.0]]]), np.array([[[1.0, -1.0]]])
        >>> conv_forward(x, w, (1,), ((0, 1),), (1,), 1)
        array([[[-1., -1., -1.,  4.]]])
    """
    check_conv_dtypes("conv", x.dtype, w.dtype)
    shape = conv_output_shape(x.shape, w.shape, stride, padding, dilation, groups)
    output = shape[2:] if output_spatial_shape is None else output_spatial_shape
    window = Window(w.shape[2:], stride, padding, dilation, output, groups)
    with OneThread(_work(len(x), window, w.size)):
        if x.dtype in LOW_PRECISION:
            return _correlate(x.astype(F32), w.astype(F32), window).astype(x.dtype)
        return _correlate(x, np.ascontiguousarray(w), window)


def _work(samples: int, window: Window, weights: int) -> int:
    """The multiplications of a convolution: each position of the result meets all weights."""
    return samples * count(window.output) * weights


def conv_input_gradient(
    g: Array,
    w: Array,
    input_spatial_shape: Shape,
    stride: Shape,
    padding: Pairs,
    dilation: Shape,
    groups: int,
) -> Array:
    """The adjoint of ``conv_forward`` in its input: from ``g`` of the result's shape, the gradient for an input whose
    spatial dimensions were ``input_spatial_shape``. Also the transposed convolution of ``g``.

    Raises ``RuntimeError`` where the dtypes differ and ``NotImplementedError`` for bool. The shapes are the caller's
    to check, with ``conv_output_shape`` or ``conv_transpose_output_shape``.

    Example:
        >>> import numpy as np
        >>> from rushlight.runtime.convolution import conv_input_gradient
        >>> g, w = np.array([[[1.0, 10.0]]]), np.array([[[1.0, 2.0, 3.0]]])
        >>> conv_input_gradient(g, w, (5,), (2,), ((0, 0),), (1,), 1)
        array([[[ 1.,  2., 13., 20., 30.]]])
    """
    check_conv_dtypes("conv_input_gradient", g.dtype, w.dtype)
    window = Window(w.shape[2:], stride, padding, dilation, g.shape[2:], groups)
    with OneThread(_work(len(g), window, w.size)):
        if g.dtype in LOW_PRECISION:
            return _input_gradient(g.astype(F32), w.astype(F32), input_spatial_shape, window).astype(g.dtype)
        return _input_gradient(g, w, input_spatial_shape, window)


def conv_weight_gradient(
    g: Array, x: Array, kernel_shape: Shape, stride: Shape, padding: Pairs, dilation: Shape, groups: int
) -> Array:
    """The adjoint of ``conv_forward`` in its weight: from ``g`` of the result's shape and the input ``x``, the gradient
    for a weight (outputs, channels / groups, *kernel_shape).

    Raises ``RuntimeError`` where the dtypes differ and ``NotImplementedError`` for bool. The shapes are the caller's
    to check, with ``conv_output_shape`` or ``conv_transpose_output_shape``.

    Example:
        >>> import numpy as np
        >>> from rushlight.runtime.convolution import conv_weight_gradient
        >>> g, x = np.array([[[1.0, 10.0]]]), np.array([[[1.0, 2.0, 3.0]]])
        >>> conv_weight_gradient(g, x, (2,), (1,), ((0, 0),), (1,), 1)
        array([[[21., 32.]]])
    """
    check_conv_dtypes("conv_weight_gradient", g.dtype, x.dtype)
    window = Window(kernel_shape, stride, padding, dilation, g.shape[2:], groups)
    weights = g.shape[1] * (x.shape[1] // groups) * count(kernel_shape)
    with OneThread(_work(len(g), window, weights)):
        if g.dtype in LOW_PRECISION:
            return _weight_gradient(g.astype(F32), x.astype(F32), window).astype(g.dtype)
        return _weight_gradient(g, x, window)
