"""``torch.utils.dlpack``: memory exchanged with other libraries."""

from __future__ import annotations

__all__ = ["from_dlpack"]

from ..ops.dlpack import from_dlpack as from_dlpack, to_dlpack as to_dlpack
