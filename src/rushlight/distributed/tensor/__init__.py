"""Tensors that are spread over processes, of which there are none: names for ``isinstance`` and imports.

Nothing is a ``DTensor``; making one, or distributing a tensor or module, raises ``NotImplementedError``.
"""

from __future__ import annotations

from typing import Any

from ...absent import absent_class, absent_function
from ...missing import lazily as _lazily
from ..device_mesh import DeviceMesh as DeviceMesh, init_device_mesh as init_device_mesh
from .placement_types import (
    Partial as Partial,
    Placement as Placement,
    Replicate as Replicate,
    Shard as Shard,
)

_INSTEAD = "DistributedDataParallel, or the collectives of torch.distributed"

DTensor: Any = absent_class(__name__, "DTensor", _INSTEAD)
distribute_module = absent_function(__name__, "distribute_module", _INSTEAD)
distribute_tensor = absent_function(__name__, "distribute_tensor", _INSTEAD)

__getattr__ = _lazily(__name__)
