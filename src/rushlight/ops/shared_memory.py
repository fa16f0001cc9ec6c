"""Tensors whose memory several processes see: what ``share_memory_`` makes.

The memory is an anonymous file that is mapped. A forked process has the mapping already; a spawned one, and one that gets the
tensor through a queue of ``multiprocessing``, is handed the file's descriptor. Nothing has a name, so nothing is left behind.
"""

from __future__ import annotations

import mmap
import os
import sys
from typing import Any

import numpy as np

from ..core.tensor import Tensor, make_tensor

# The descriptor of each mapping, by the mapping's id: for as long as the process lives, as the mapping may.
_descriptors: dict[int, tuple[mmap.mmap, int]] = {}


def share_memory_(self: Tensor) -> Tensor:
    """Move the memory to where other processes see it too; the tensor itself. Nothing changes if it is there already.

    Give the tensor (or a module, by ``module.share_memory()``) to ``multiprocessing.Process``, a queue or ``spawn``; what any
    process writes in place, all see. Raises ``RuntimeError`` for a view, or where something else looks at the memory, which
    would then look at the old one: share the tensor that owns it, before others are made of it.

    Example:
        >>> import rushlight as torch
        >>> torch.zeros(3).share_memory_().is_shared()
        True
    """
    array = self._array
    if type(array) is not np.ndarray:
        raise RuntimeError(
            "share_memory_: only tensors on the CPU, outside of compiled functions, can be shared"
        )
    if is_shared(self) or not array.size:
        return self
    views = self._storage.views if self._storage is not None else None
    # Held by the tensor, by `array` here and by getrefcount's argument.
    base = array.base
    # Some are made as a part of an array that nothing else holds: by `array.base`, `base` here and the argument alone.
    whole = base is None or (type(base) is np.ndarray and base.base is None and sys.getrefcount(base) <= 3)
    if self._view is not None or not whole or views or sys.getrefcount(array) > 3:
        raise RuntimeError(
            "share_memory_: something else looks at this tensor's memory (a view, a NumPy array, a detached alias), and would "
            "not see the shared one; share the tensor that owns the memory before others are made of it, or a clone()"
        )
    shared = _mapped(_anonymous_file(array.nbytes), array.nbytes, array.dtype)
    shared = np.lib.stride_tricks.as_strided(shared, array.shape, array.strides)
    shared[...] = array
    self._array = shared
    register()
    return self


def is_shared(self: Tensor) -> bool:
    """Whether other processes see the tensor's memory (``share_memory_``)."""
    return _mapping_of(self._array) is not None


def _anonymous_file(size: int) -> int:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("rushlight", os.MFD_CLOEXEC)
    else:
        import tempfile

        descriptor, path = tempfile.mkstemp()
        os.unlink(path)
    os.ftruncate(descriptor, size)
    return descriptor


def _mapped(descriptor: int, size: int, dtype: Any) -> Any:
    mapping = mmap.mmap(descriptor, size)
    _descriptors[id(mapping)] = (mapping, descriptor)
    return np.frombuffer(mapping, dtype)


def _mapping_of(array: Any) -> mmap.mmap | None:
    base = getattr(array, "base", None)
    while base is not None:
        if isinstance(base, memoryview):
            base = base.obj
        if isinstance(base, mmap.mmap):
            return base if id(base) in _descriptors else None
        base = getattr(base, "base", None)
    return None


def register() -> None:
    """Let tensors that go to other processes take their memory along."""
    from multiprocessing.reduction import ForkingPickler

    for kind in [Tensor, *_subclasses(Tensor)]:
        ForkingPickler.register(kind, _reduced)


def _subclasses(kind: type) -> list[type]:
    found: list[type] = []
    below: type
    for below in type.__subclasses__(kind):
        found += [below, *_subclasses(below)]
    return found


def _reduced(tensor: Any) -> Any:
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not support crossing "
            "process boundaries.  If you just want to transfer the data, call detach() on the tensor before serializing "
            "(e.g., putting it on the queue)."
        )
    mapping = _mapping_of(tensor._array)
    if mapping is None:
        mapping = _given_away(tensor)
    if mapping is None:
        return tensor.__reduce_ex__(2)
    from multiprocessing.reduction import DupFd

    array = tensor._array
    start = (
        array.__array_interface__["data"][0] - np.frombuffer(mapping, np.uint8).__array_interface__["data"][0]
    )
    where = (array.shape, array.strides, start, array.dtype)
    return _rebuilt, (
        type(tensor),
        DupFd(_descriptors[id(mapping)][1]),
        len(mapping),
        where,
        tensor.requires_grad,
    )


def _given_away(tensor: Any) -> mmap.mmap | None:
    """The memory of a tensor that is sent to another process, shared from now on where it can be; None where it is copied.

    What a child sends is copied: the child may be gone before its parent asks for the memory.
    """
    from multiprocessing import parent_process

    if parent_process() is not None:
        return None
    try:
        share_memory_(tensor)
    except RuntimeError:
        return None
    return _mapping_of(tensor._array)


def _rebuilt(kind: Any, descriptor: Any, size: int, where: Any, requires_grad: bool) -> Any:
    shape, strides, start, dtype = where
    whole = _mapped(descriptor.detach(), size, np.uint8)
    tensor = make_tensor(np.ndarray(shape, dtype, whole, start, strides))
    if kind is not Tensor:
        tensor = tensor.as_subclass(kind)
    register()
    return tensor.requires_grad_(requires_grad)
