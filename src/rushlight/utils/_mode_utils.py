"""Switching modes of dispatch off, under PyTorch's private path: there are none that see operations here."""

from __future__ import annotations

from contextlib import nullcontext as no_dispatch

__all__ = ["no_dispatch"]
