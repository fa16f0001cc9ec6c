"""Lists of tensors by device and dtype, as optimizers outside of ``torch.optim`` group them for ``torch._foreach_*``."""

from __future__ import annotations

from typing import Any

from ..core.device import device as device_class


def _get_foreach_kernels_supported_devices() -> list[str]:
    """The devices on which an operation on a list is one launch."""
    return ["cuda", "xpu", "mtia", "privateuseone"]


def _get_fused_kernels_supported_devices() -> list[str]:
    """The devices with fused optimizers."""
    return ["mps", "cuda", "xpu", "hpu", "cpu", "mtia", "privateuseone"]


def _has_foreach_support(tensors: list[Any], device: device_class) -> bool:
    """Whether an operation on these tensors would be one launch on ``device``."""
    return _device_has_foreach_support(device) and all(t is None or t.layout is not None for t in tensors)


def _device_has_foreach_support(device: device_class) -> bool:
    """Whether an operation on a list is one launch on ``device``, or only a loop, as on the CPU."""
    return device.type in _get_foreach_kernels_supported_devices()


def _group_tensors_by_device_and_dtype(
    tensorlistlist: list[list[Any]], with_indices: bool = False
) -> dict[tuple[Any, Any], tuple[list[list[Any]], list[int]]]:
    """Split lists of equal length by the device and dtype of the first list's tensors.

    Entries of other lists follow the first list's; they may be None. With ``with_indices`` the second part of each
    value says where its tensors stood.

    Example:
        >>> import rushlight as torch
        >>> groups = _group_tensors_by_device_and_dtype([[torch.ones(1), torch.ones(1, dtype=torch.int64)]], True)
        >>> [(str(kind), places) for (_, kind), (_, places) in groups.items()]
        [('torch.float32', [0]), ('torch.int64', [1])]
    """
    groups: dict[tuple[Any, Any], tuple[list[list[Any]], list[int]]] = {}
    for index, first in enumerate(tensorlistlist[0]):
        group = groups.get((first.device, first.dtype))
        if group is None:
            group = groups[first.device, first.dtype] = ([[] for _ in tensorlistlist], [])
        for part, tensors in zip(group[0], tensorlistlist, strict=True):
            part.append(tensors[index])
        if with_indices:
            group[1].append(index)
    return groups
