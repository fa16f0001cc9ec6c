"""``cond`` where PyTorch has it."""

from __future__ import annotations

from ..jit.control_flow import cond as cond
