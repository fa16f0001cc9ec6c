"""Conversions of the second version."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import nn
from ....core.dtypes import dtype as Dtype
from ....core.tensor import Tensor
from ....ops.creation import as_tensor
from .. import functional as F


class ToImage(nn.Module):
    """A Pillow image or an array ``(H, W, C)`` to a tensor ``(C, H, W)`` of the same values; a tensor stays.

    Raises ``TypeError`` for anything else.

    Example:
        >>> import numpy as np
        >>> ToImage()(np.zeros((4, 5, 3), np.uint8)).shape
        torch.Size([3, 4, 5])
    """

    def forward(self, inpt: Any) -> Tensor:
        """The tensor."""
        if isinstance(inpt, Tensor):
            return inpt
        if isinstance(inpt, np.ndarray):
            planes = inpt[:, :, None] if inpt.ndim == 2 else inpt
            return as_tensor(np.ascontiguousarray(planes.transpose(2, 0, 1)))
        if F.is_picture(inpt):
            return F.pil_to_tensor(inpt)
        raise TypeError(
            f"ToImage: got {type(inpt).__name__}; allowed are a tensor, an array and a Pillow image"
        )


class ToDtype(nn.Module):
    """Another dtype; with ``scale`` the values are scaled (see ``functional.convert_image_dtype``)."""

    def __init__(self, dtype: Dtype, scale: bool = False) -> None:
        super().__init__()
        self.dtype, self.scale = dtype, scale

    def forward(self, inpt: Any) -> Any:
        """The tensor; anything else stays."""
        if not isinstance(inpt, Tensor):
            return inpt
        return F.convert_image_dtype(inpt, self.dtype) if self.scale else inpt.to(self.dtype)


class ToPureTensor(nn.Module):
    """The tensor as it is: there are no subclasses for pictures here."""

    def forward(self, inpt: Any) -> Any:
        """``inpt``."""
        return inpt


class Identity(nn.Module):
    """The picture as it is."""

    def forward(self, inpt: Any) -> Any:
        """``inpt``."""
        return inpt


class RGB(nn.Module):
    """A picture of one channel in three equal ones; others stay."""

    def forward(self, inpt: Any) -> Any:
        """The picture in RGB."""
        return F.rgb_to_grayscale(inpt, 3) if F.get_dimensions(inpt)[0] == 1 else inpt
