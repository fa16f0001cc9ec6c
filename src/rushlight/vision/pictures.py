"""Batches of pictures as one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..autograd.grad_mode import no_grad
from ..core.dtypes import uint8
from ..core.tensor import Tensor
from ..ops.joining import cat, stack
from .pillow import require


def make_grid(
    tensor: Tensor | Sequence[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """The pictures of a batch ``(B, C, H, W)``, or a list of equal ones, side by side, ``nrow`` in each row: ``(C, H', W')``.

    ``(H, W)`` and ``(C, H, W)`` are one picture; a single channel is repeated three times. ``normalize`` scales to [0, 1]
    from ``value_range``, or the smallest and largest value: of each picture with ``scale_each``.
    Raises ``TypeError`` for anything but tensors.

    Example:
        >>> import rushlight as torch
        >>> make_grid(torch.zeros(5, 1, 4, 4), nrow=3).shape
        torch.Size([3, 14, 20])
    """
    with no_grad():
        if not isinstance(tensor, Tensor):
            pictures = list(tensor) if isinstance(tensor, list | tuple) else None
            if pictures is None or not all(isinstance(picture, Tensor) for picture in pictures):
                raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
            tensor = stack(pictures, 0)
        batch: Tensor = tensor
        if batch.ndim == 2:
            batch = batch.unsqueeze(0)
        if batch.ndim == 3:
            if batch.shape[0] == 1:
                batch = cat((batch, batch, batch), 0)
            batch = batch.unsqueeze(0)
        if batch.ndim == 4 and batch.shape[1] == 1:
            batch = cat((batch, batch, batch), 1)
        if normalize:
            if value_range is not None and not isinstance(value_range, tuple):
                raise TypeError(
                    "value_range has to be a tuple (min, max) if specified. min and max are numbers"
                )
            batch = batch.clone()
            for part in batch if scale_each else [batch]:
                low, high = value_range or (float(part.min()), float(part.max()))
                part.clamp_(min=low, max=high).sub_(low).div_(max(high - low, 1e-5))
        if batch.shape[0] == 1:
            return batch.squeeze(0)  # type: ignore[no-any-return]
        count, channels = batch.shape[:2]
        columns = min(nrow, count)
        rows = math.ceil(count / columns)
        height, width = batch.shape[2] + padding, batch.shape[3] + padding
        grid: Tensor = batch.new_full(
            (channels, height * rows + padding, width * columns + padding), pad_value
        )
        for number in range(count):
            row, column = divmod(number, columns)
            top, left = row * height + padding, column * width + padding
            grid[:, top : top + height - padding, left : left + width - padding] = batch[number]
        return grid


def save_image(tensor: Tensor | Sequence[Tensor], fp: Any, format: str | None = None, **options: Any) -> None:
    """Write a batch, values in [0, 1], as one picture (``make_grid`` with ``options``) to a file name or an open file.

    Needs Pillow, which takes the format from the name, or from ``format``.
    """
    image = require("save_image")
    grid = make_grid(tensor, **options)
    with no_grad():
        pixels = grid.mul(255).add_(0.5).clamp_(0, 255).permute(1, 2, 0).to(uint8).numpy()
    image.fromarray(pixels).save(fp, format=format)
