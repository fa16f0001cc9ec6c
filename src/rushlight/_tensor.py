"""``torch._tensor``: the Tensor class in the place where PyTorch defines it."""

from __future__ import annotations

from .core.tensor import Tensor as Tensor
from .serialization.objects import _rebuild_from_type as _rebuild_from_type_v2

__all__ = ["Tensor", "_rebuild_from_type_v2"]
