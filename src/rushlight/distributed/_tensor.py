"""The former name of ``torch.distributed.tensor``."""

from __future__ import annotations

import sys as _sys

from .tensor import (
    DeviceMesh as DeviceMesh,
    DTensor as DTensor,
    Partial as Partial,
    Placement as Placement,
    Replicate as Replicate,
    Shard as Shard,
    distribute_module as distribute_module,
    distribute_tensor as distribute_tensor,
    experimental as experimental,
    init_device_mesh as init_device_mesh,
    placement_types as placement_types,
)

__path__: list[str] = []  # its modules are those of the present name
for _module in (experimental, placement_types):
    _sys.modules[f"{__name__}.{_module.__name__.rpartition('.')[2]}"] = _module
del _module
