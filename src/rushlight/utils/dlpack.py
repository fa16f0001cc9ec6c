"""``torch.utils.dlpack``: memory exchanged with other libraries."""

from __future__ import annotations

from ..core.tensor import Tensor
from ..ops.conversion import detach, from_dlpack as from_dlpack


def to_dlpack(tensor: Tensor) -> Tensor:
    """What ``from_dlpack`` of any library takes: a tensor without history on the same memory, which speaks DLPack itself.
    (PyTorch gives a capsule.)"""
    return detach(tensor)
