"""Gradient scaling for models that are spread over processes: a name for imports."""

from __future__ import annotations

from typing import Any

from ...absent import absent_class

ShardedGradScaler: Any = absent_class(__name__, "ShardedGradScaler", "torch.amp.GradScaler")
