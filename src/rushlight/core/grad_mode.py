"""Whether operations record history: context-local, on by default."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

GRAD_MODE: ContextVar[bool] = ContextVar("grad_mode", default=True)
INFERENCE_MODE: ContextVar[bool] = ContextVar("inference_mode", default=False)
# Everything of the context that decides what an operation does: a recorded graph is right only where all have the values
# that they had. Who has another such variable appends it.
DECIDING: list[ContextVar[Any]] = [GRAD_MODE, INFERENCE_MODE]

is_grad_enabled = GRAD_MODE.get
is_inference_mode_enabled = INFERENCE_MODE.get
