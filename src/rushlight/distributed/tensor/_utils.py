"""Sizes of the parts of distributed tensors: names for imports."""

from __future__ import annotations

from ...absent import absent_function

compute_local_shape_and_global_offset = absent_function(
    __name__, "compute_local_shape_and_global_offset", "torch.chunk"
)
