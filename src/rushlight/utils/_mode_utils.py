"""Switching dispatch modes off, under PyTorch's private path."""

from __future__ import annotations

from ._python_dispatch import _disable_current_modes as no_dispatch

__all__ = ["no_dispatch"]
