"""Regions of feature maps brought to one size: ``roi_align``, ``roi_pool`` and their position-sensitive forms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import nn
from ...core.tensor import Tensor
from ...ops.creation import from_numpy
from ...ops.joining import cat, stack

_CHUNK = 1 << 22  # sampled numbers held at a time


def _size(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    high, wide = value
    return int(high), int(wide)


def _rows(boxes: Any) -> NDArray[Any]:
    """Boxes as one array (number, 5): the picture, then the corners."""
    if isinstance(boxes, list | tuple):
        for each in boxes:
            if each.shape[-1] != 4 or each.dim() != 2:
                raise AssertionError(
                    "The shape of the tensor in the boxes list is not correct as List[Tensor[L, 4]]"
                )
        parts = [
            np.concatenate([np.full((len(each), 1), i, np.float32), each.detach().cpu().float().numpy()], 1)
            for i, each in enumerate(boxes)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, 5), np.float32)
    if not isinstance(boxes, Tensor):
        raise AssertionError("boxes is expected to be a Tensor[L, 5] or a List[Tensor[L, 4]]")
    if boxes.dim() != 2 or boxes.shape[1] != 5:
        raise AssertionError("The boxes tensor shape is not correct as Tensor[K, 5]")
    found: NDArray[Any] = boxes.detach().cpu().float().numpy()
    return found


def _places(start: Any, size: Any, bins: int, samples: int, extent: int) -> tuple[Any, Any, Any, Any]:
    """Where an axis is sampled: the pixels before and after, and their weights; each (regions, bins · samples)."""
    one = np.float32
    step = (np.arange(bins * samples, dtype=np.float32) % samples + one(0.5)) / one(samples)
    place = (
        start[:, None]
        + (np.arange(bins * samples) // samples + step).astype(np.float32) * (size / one(bins))[:, None]
    )
    outside = (place < -1) | (place > extent)
    place = np.maximum(place, 0)
    low = np.minimum(place.astype(np.int64), extent - 1)
    high = np.minimum(low + 1, extent - 1)
    after = np.where(low >= extent - 1, 0, place - low).astype(np.float32)
    before = 1 - after
    return (
        low,
        high,
        np.where(outside, 0, before).astype(np.float32),
        np.where(outside, 0, after).astype(np.float32),
    )


def _sampled(
    pixels: Tensor, picture: Any, rows: Any, columns: Any, bins: tuple[int, int], samples: Any
) -> Tensor:
    """The means of the samples of each bin: (regions, C, bins down, bins across), of ``pixels`` (N, H, W, C)."""
    total: Any = None
    at = picture[:, None, None]
    for row, down in ((rows[0], rows[2]), (rows[1], rows[3])):
        for column, right in ((columns[0], columns[2]), (columns[1], columns[3])):
            share = from_numpy(down[:, :, None] * right[:, None, :]).to(pixels.dtype).unsqueeze(-1)
            index = tuple(
                from_numpy(np.ascontiguousarray(i)) for i in (at, row[:, :, None], column[:, None, :])
            )
            part = pixels[index] * share
            total = part if total is None else total + part
    count, channels = len(picture), pixels.shape[3]
    split = total.reshape(count, bins[0], samples[0], bins[1], samples[1], channels)
    return split.mean((2, 4)).permute(0, 3, 1, 2)  # type: ignore[no-any-return]


def roi_align(
    input: Tensor,
    boxes: Any,
    output_size: Any,
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """Regions of ``input`` (N, C, H, W), sampled between the pixels: (number of boxes, C, *output_size).

    Args:
        boxes: (K, 5) of the picture's number and ``x1, y1, x2, y2``, or a list with one (L, 4) for each picture.
        spatial_scale: the size of the feature map as a share of that in which the boxes are.
        sampling_ratio: samples in each bin, down and across; as many as there are pixels if it is not positive.
        aligned: take a pixel's middle, not its corner, for its place.

    The gradient goes to ``input`` alone. Raises ``AssertionError`` for boxes of another shape.
    Source: He et al., "Mask R-CNN", 2017.

    Example:
        >>> import rushlight as torch
        >>> x = torch.arange(16.0).reshape(1, 1, 4, 4)
        >>> roi_align(x, [torch.tensor([[0.0, 0.0, 2.0, 2.0]])], 2, sampling_ratio=1)
        tensor([[[[2.5000, 3.5000],
                  [6.5000, 7.5000]]]])
    """
    rows, bins = _rows(boxes), _size(output_size)
    height, width = input.shape[2:]
    picture = rows[:, 0].astype(np.int64)
    shift = np.float32(0.5 if aligned else 0.0)
    x1, y1, x2, y2 = (rows[:, i] * np.float32(spatial_scale) - shift for i in range(1, 5))
    wide, high = x2 - x1, y2 - y1
    if not aligned:
        wide, high = np.maximum(wide, 1), np.maximum(high, 1)
    if sampling_ratio > 0:
        counts = np.full((len(rows), 2), sampling_ratio)
    else:
        counts = np.stack(
            [np.ceil(high / np.float32(bins[0])), np.ceil(wide / np.float32(bins[1]))], 1
        ).astype(int)
    if not len(rows):
        return input.new_zeros((0, input.shape[1], *bins)) + input[:0].sum()  # type: ignore[no-any-return]
    pixels = input.permute(0, 2, 3, 1)
    order: list[NDArray[Any]] = []
    parts: list[Tensor] = []
    for samples in np.unique(counts, axis=0):
        chosen = np.flatnonzero((counts == samples).all(1))
        if samples.min() <= 0:  # a box of no extent has no samples
            parts.append(input.new_zeros((len(chosen), input.shape[1], *bins)))
            order.append(chosen)
            continue
        most = max(1, _CHUNK // int(samples.prod() * bins[0] * bins[1] * input.shape[1]))
        for begin in range(0, len(chosen), most):
            some = chosen[begin : begin + most]
            down = _places(y1[some], high[some], bins[0], int(samples[0]), height)
            across = _places(x1[some], wide[some], bins[1], int(samples[1]), width)
            parts.append(_sampled(pixels, picture[some], down, across, bins, [int(n) for n in samples]))
            order.append(some)
    if len(parts) == 1:
        return parts[0]
    back = np.argsort(np.concatenate(order), kind="stable")
    return cat(parts)[from_numpy(back)]


def _rounded(values: Any) -> NDArray[np.int64]:
    """To the next integer, halves away from zero."""
    whole: NDArray[Any] = np.where(values < 0, np.ceil(values - 0.5), np.floor(values + 0.5))
    return whole.astype(np.int64)


def _edges(start: int, size: float, bins: int, extent: int) -> list[tuple[int, int]]:
    step = np.float32(size) / np.float32(bins)
    return [
        (
            min(max(int(np.floor(np.float32(i) * step)) + start, 0), extent),
            min(max(int(np.ceil(np.float32(i + 1) * step)) + start, 0), extent),
        )
        for i in range(bins)
    ]


def roi_pool(input: Tensor, boxes: Any, output_size: Any, spatial_scale: float = 1.0) -> Tensor:
    """The greatest numbers in the parts of regions of ``input`` (N, C, H, W): (number of boxes, C, *output_size).

    ``boxes`` as for ``roi_align``, rounded to whole pixels; parts without a pixel are 0.
    Source: Girshick, "Fast R-CNN", 2015.
    """
    rows, bins = _rows(boxes), _size(output_size)
    height, width = input.shape[2:]
    corners = _rounded(rows[:, 1:] * np.float32(spatial_scale))
    nothing = input.new_zeros(input.shape[1])
    found = []
    for number, (x1, y1, x2, y2) in zip(rows[:, 0].astype(int), corners.tolist(), strict=True):
        down = _edges(y1, max(y2 - y1 + 1, 1), bins[0], height)
        across = _edges(x1, max(x2 - x1 + 1, 1), bins[1], width)
        picture = input[int(number)]
        values = [
            picture[:, top:bottom, left:right].flatten(1).max(1).values
            if top < bottom and left < right
            else nothing
            for top, bottom in down
            for left, right in across
        ]
        found.append(stack(values, 1).reshape(-1, *bins))
    return stack(found) if found else input.new_zeros((0, input.shape[1], *bins))


def _own_channels(input: Tensor, bins: tuple[int, int]) -> int:
    channels, parts = int(input.shape[1]), bins[0] * bins[1]
    if channels % parts:
        raise RuntimeError("input channels must be a multiple of pooling height * pooling width")
    return channels // parts


def ps_roi_align(
    input: Tensor, boxes: Any, output_size: Any, spatial_scale: float = 1.0, sampling_ratio: int = -1
) -> Tensor:
    """``roi_align`` in which each bin has channels of its own: (number of boxes, C / bins, *output_size).

    Raises ``RuntimeError`` unless the channels can be divided so.
    """
    bins = _size(output_size)
    own = _own_channels(input, bins)
    full = roi_align(input, boxes, bins, spatial_scale, sampling_ratio, aligned=True)
    parts = full.reshape(-1, own, bins[0], bins[1], *bins)
    down, across = np.meshgrid(np.arange(bins[0]), np.arange(bins[1]), indexing="ij")
    i, j = from_numpy(down), from_numpy(across)
    chosen: Tensor = parts[:, :, i, j, i, j]
    return chosen


def ps_roi_pool(input: Tensor, boxes: Any, output_size: Any, spatial_scale: float = 1.0) -> Tensor:
    """The means of the parts of regions, each part from channels of its own: (number of boxes, C / bins, *output_size).

    Source: Dai et al., "R-FCN: object detection via region-based fully convolutional networks", 2016.
    """
    rows, bins = _rows(boxes), _size(output_size)
    own = _own_channels(input, bins)
    height, width = input.shape[2:]
    corners = (
        _rounded(rows[:, 1:]) if spatial_scale == 1 else _rounded(rows[:, 1:] * np.float32(spatial_scale))
    )
    nothing = input.new_zeros(own)
    found = []
    for number, (x1, y1, x2, y2) in zip(rows[:, 0].astype(int), corners.tolist(), strict=True):
        down = _edges(y1, max(y2 - y1, 1), bins[0], height)
        across = _edges(x1, max(x2 - x1, 1), bins[1], width)
        picture = input[int(number)].reshape(own, bins[0], bins[1], height, width)
        values = []
        for i, (top, bottom) in enumerate(down):
            for j, (left, right) in enumerate(across):
                inside = top < bottom and left < right
                values.append(picture[:, i, j, top:bottom, left:right].mean((1, 2)) if inside else nothing)
        found.append(stack(values, 1).reshape(-1, *bins))
    return stack(found) if found else input.new_zeros((0, own, *bins))


class _Region(nn.Module):
    def __init__(self, output_size: Any, spatial_scale: float) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={getattr(self, name)}"
            for name in ("output_size", "spatial_scale", "sampling_ratio", "aligned")
            if hasattr(self, name)
        )
        return f"{type(self).__name__}({shown})"


class RoIAlign(_Region):
    """``roi_align`` as a module."""

    def __init__(
        self, output_size: Any, spatial_scale: float, sampling_ratio: int, aligned: bool = False
    ) -> None:
        super().__init__(output_size, spatial_scale)
        self.sampling_ratio, self.aligned = sampling_ratio, aligned

    def forward(self, input: Tensor, rois: Any) -> Tensor:
        """The regions ``rois`` of ``input``."""
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)


class RoIPool(_Region):
    """``roi_pool`` as a module."""

    def forward(self, input: Tensor, rois: Any) -> Tensor:
        """The regions ``rois`` of ``input``."""
        return roi_pool(input, rois, self.output_size, self.spatial_scale)


class PSRoIAlign(_Region):
    """``ps_roi_align`` as a module."""

    def __init__(self, output_size: Any, spatial_scale: float, sampling_ratio: int) -> None:
        super().__init__(output_size, spatial_scale)
        self.sampling_ratio = sampling_ratio

    def forward(self, input: Tensor, rois: Any) -> Tensor:
        """The regions ``rois`` of ``input``."""
        return ps_roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio)


class PSRoIPool(_Region):
    """``ps_roi_pool`` as a module."""

    def forward(self, input: Tensor, rois: Any) -> Tensor:
        """The regions ``rois`` of ``input``."""
        return ps_roi_pool(input, rois, self.output_size, self.spatial_scale)
