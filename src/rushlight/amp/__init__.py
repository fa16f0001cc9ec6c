"""Mixed precision: some operations in bfloat16 or float16, the others in float32."""

from __future__ import annotations

from ..missing import lazily as _lazily
from .autocast_mode import (
    autocast as autocast,
    custom_bwd as custom_bwd,
    custom_fwd as custom_fwd,
    is_autocast_available as is_autocast_available,
)
from .grad_scaler import GradScaler as GradScaler

# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
