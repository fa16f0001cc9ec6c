"""Mixed precision: some operations in bfloat16 or float16, the others in float32."""

from __future__ import annotations

import sys

from .autocast_mode import (
    autocast as autocast,
    custom_bwd as custom_bwd,
    custom_fwd as custom_fwd,
    is_autocast_available as is_autocast_available,
)
from .grad_scaler import GradScaler as GradScaler

from . import cuda_names as _cuda_names  # isort: skip
from .. import cuda as _cuda  # isort: skip

# `from torch.cuda.amp import …`, though `cuda` is one file.
sys.modules[f"{_cuda.__name__}.amp"] = _cuda_names
vars(_cuda)["amp"] = _cuda_names
