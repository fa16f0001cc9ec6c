"""The former name of ``torch.distributed.tensor``."""

from __future__ import annotations

from .tensor import (
    DeviceMesh as DeviceMesh,
    DTensor as DTensor,
    Partial as Partial,
    Placement as Placement,
    Replicate as Replicate,
    Shard as Shard,
    distribute_module as distribute_module,
    distribute_tensor as distribute_tensor,
    init_device_mesh as init_device_mesh,
)
