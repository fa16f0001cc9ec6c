"""PyTorch's private path to the collating functions, which programs import all the same."""

from __future__ import annotations

from . import collate as collate
