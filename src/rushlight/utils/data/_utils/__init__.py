"""PyTorch's private path to the collating functions and the workers, which programs import all the same."""

from __future__ import annotations

from .. import worker as worker
from . import collate as collate, pin_memory as pin_memory

MP_STATUS_CHECK_INTERVAL = 5.0
