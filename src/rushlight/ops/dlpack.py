"""Memory exchanged with other libraries by DLPack: tensors offer theirs, and see that of any object or capsule."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.device import device_of, require_available
from ..core.tensor import Tensor, make_tensor
from .conversion import detach, to
from .dispatch import alias_of


def _dlpack(self: Tensor, **options: Any) -> Any:
    if self._node is not None:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    where = device_of(self._array).type
    if where not in ("cpu", "cuda"):
        raise BufferError(f"Cannot pack tensors on {where}")
    if where == "cpu" and options.get("stream") is not None:
        raise AssertionError("stream should be None on cpu.")
    return self._array.__dlpack__(**options)


def _dlpack_device(self: Tensor) -> Any:
    return self._array.__dlpack_device__()


class _OfCapsule:
    """What a DLPack capsule came from, as NumPy wants to see it: on the CPU."""

    def __init__(self, capsule: Any) -> None:
        # The name of a capsule, which says whether it was used, is seen from Python in its text alone.
        if '"dltensor' not in repr(capsule):
            raise RuntimeError(
                "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so you "
                "might have already constructed a tensor from it once."
            )
        self.capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


class _Writable:
    """The memory of an array that NumPy made read-only, because a capsule of the old kind does not say whether it is."""

    def __init__(self, array: Any) -> None:
        self._owner = array
        described = array.__array_interface__
        self.__array_interface__ = {**described, "data": (described["data"][0], False)}


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor that shares memory with any object that speaks DLPack (on the CPU), or a capsule of one; or with a ``copy``."""
    if device is not None or copy:
        shared = from_dlpack(ext_tensor)
        if device is not None and copy is False and require_available(device) != device_of(shared._array):
            raise ValueError(
                f"cannot move (from_dlpack) tensor from {shared.device} to {device} without copying"
            )
        shared = shared if device is None else to(shared, device)
        return shared.clone() if copy else shared
    if isinstance(ext_tensor, Tensor):
        if ext_tensor._node is not None:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        return alias_of(ext_tensor)  # also dtypes that NumPy does not exchange
    if type(ext_tensor).__name__ == "PyCapsule":
        return make_tensor(np.asarray(_Writable(np.from_dlpack(_OfCapsule(ext_tensor)))))
    if not hasattr(ext_tensor, "__dlpack__"):
        raise RuntimeError(
            f"from_dlpack: {type(ext_tensor).__name__} does not speak DLPack; it has no __dlpack__ method"
        )
    return make_tensor(np.from_dlpack(ext_tensor))


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule of the tensor's memory, which ``from_dlpack`` of any library takes, once.

    A tensor without history speaks DLPack itself and may be given to other libraries as it is. Raises ``RuntimeError`` for
    what is no tensor.

    Example:
        >>> import rushlight as torch
        >>> torch.from_dlpack(torch.utils.dlpack.to_dlpack(torch.arange(3)))
        tensor([0, 1, 2])
    """
    if not isinstance(tensor, Tensor):
        raise RuntimeError(f"to_dlpack: expected a tensor, got {type(tensor).__name__}")
    return detach(tensor).__dlpack__()


METHODS: dict[str, Any] = {"__dlpack__": _dlpack, "__dlpack_device__": _dlpack_device}
