"""``while_loop`` where PyTorch has it."""

from __future__ import annotations

from ..jit.control_flow import while_loop as while_loop
