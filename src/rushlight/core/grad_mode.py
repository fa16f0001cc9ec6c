"""Whether operations record history: context-local, on by default."""

from __future__ import annotations

from contextvars import ContextVar

GRAD_MODE: ContextVar[bool] = ContextVar("grad_mode", default=True)
INFERENCE_MODE: ContextVar[bool] = ContextVar("inference_mode", default=False)

is_grad_enabled = GRAD_MODE.get
is_inference_mode_enabled = INFERENCE_MODE.get
