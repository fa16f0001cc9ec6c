"""``map`` where PyTorch has it."""

from __future__ import annotations

from ..jit.control_flow import map as map
