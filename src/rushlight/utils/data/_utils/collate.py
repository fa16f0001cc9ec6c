"""``utils.data.default_collate`` and ``default_convert`` under PyTorch's private path."""

from __future__ import annotations

from ..collate import default_collate as default_collate, default_convert as default_convert

__all__ = ["default_collate", "default_convert"]
