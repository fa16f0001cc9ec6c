"""Writing over a tensor: ``copy_``, ``fill_``, ``zero_``, and numbers as elements of a dtype."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.device import OF_ARRAYS, device_of, fill_array
from ..core.dtypes import (
    OF_NUMPY,
    NumpyDType,
)
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node
from ..core.storage import LIBRARY, Storage, program_site
from ..core.tensor import Tensor
from ..runtime.batched import Batched
from ..runtime.pending import Pending
from ..runtime.transposed_copy import LARGE_FROM as TRANSPOSED_FROM, copy_into
from . import creation
from .define import Primitive
from .dispatch import is_number, number_array
from .inplace import (
    OVERWRITTEN,
    announce,
    changed,
    check_leaf,
    check_no_overlap,
    check_partial_overlap,
    same_region,
)
from .movement import cast
from .placement import moved

getframe = sys._getframe
ndarray = np.ndarray


def _copy_impl(old: Any, value: Any) -> Any:
    return np.broadcast_to(value, old.shape)


def _copy_vjp(g: Tensor, node: Node) -> Any:
    old, new = node.edges
    return (None if old is None else creation.zeros_like(g), None if new is None else g)


COPY = Primitive("copy", _copy_impl, _copy_vjp, grad_name="torch::autograd::CopyBackwards")


def copy_(self: Tensor, other: Any, non_blocking: bool = False) -> Tensor:
    """The elements of ``other`` (broadcast, cast) written over this tensor's; gradients flow to ``other``.

    Raises ``RuntimeError`` where the shapes do not go together, and where both share some memory without being the same.
    """
    if isinstance(other, Tensor):
        if type(other._array) is Pending and type(self._array) is not Pending:
            other._array.tape.adopt(self)
        target, source = self._array, other._array
        if type(target) is not type(source) and (type(target) in OF_ARRAYS or type(source) in OF_ARRAYS):
            other = moved(other, device_of(target))
            source = other._array
        storage = self._storage
        if (
            source.shape == target.shape
            and source.dtype is target.dtype
            and 0 not in target.strides
            and (storage is None or storage is not other._storage)
            and ((self._node is None and other._node is None) or not GRAD_MODE.get())
        ):
            if storage is None:
                storage = self._storage = Storage()
            storage.changed_by = "copy_"  # before anything is written: inference tensors may refuse
            if target.size < TRANSPOSED_FROM or type(target) is not ndarray or type(source) is not ndarray:
                target[...] = source
            else:
                copy_into(target, source)
            storage.version += 1
            frame: Any = getframe(1)
            code = frame.f_code
            storage.changed_at = (
                program_site(frame) if code.co_filename.startswith(LIBRARY) else (code, frame.f_lasti)
            )
            return self
    elif is_number(other):
        check_no_overlap(self._array)
        return fill_(self, other)
    else:
        raise TypeError(
            f"copy_(): argument 'other' (position 1) must be Tensor, not {other.__class__.__name__}"
        )
    target = self._array
    recording = GRAD_MODE.get() and (self._node is not None or other._node is not None)
    if recording:
        check_leaf(self)
    value = other if other._array.dtype is target.dtype else cast(other, target.dtype)
    source = value._array
    if source.shape != target.shape:
        check_expands(source.shape, target.shape)
    shared = other._storage is not None and other._storage is self._storage
    if not shared:
        check_no_overlap(target)
    elif not same_region(target, source):
        check_no_overlap(target)
        check_partial_overlap(target, other._array)
    storage = announce(self, "copy_")
    target[...] = source
    if not recording:
        return changed(self, storage, None)
    edges: Any = (self._node, value._node)
    if type(target) is Batched:
        from .batching import lifted_edges  # its rules are built on dispatch

        edges = lifted_edges((self, value), target)
    return changed(self, storage, Node(COPY, edges, target))


def check_expands(shape: tuple[int, ...], target: tuple[int, ...]) -> None:
    """Raise ``RuntimeError`` unless a tensor of ``shape`` can be expanded to ``target``."""
    lead = len(target) - len(shape)
    if lead < 0:
        raise RuntimeError(
            f"expand(tensor of shape {list(shape)}, size={list(target)}): the number of sizes provided ({len(target)}) must be "
            f"greater or equal to the number of dimensions in the tensor ({len(shape)})"
        )
    for i, extent in enumerate(shape):
        if extent not in (1, target[lead + i]):
            raise RuntimeError(
                f"The expanded size of the tensor ({target[lead + i]}) must match the existing size ({extent}) at "
                f"non-singleton dimension {lead + i}.  Target sizes: {list(target)}.  Tensor sizes: {list(shape)}"
            )


def fill_(self: Tensor, value: Any) -> Tensor:
    """Every element set to ``value``, a number or a 0-dim tensor."""
    if isinstance(value, Tensor):
        if value._array.ndim:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value._array.ndim} dimensions."
            )
        if value._node is not None or value is self:
            return copy_(self, value)
        if type(value._array) is not np.ndarray:
            return copy_(self, value)
        content = value._array
    else:
        content = element_array(value, self._array.dtype)
    recording = GRAD_MODE.get() and self._node is not None
    if recording:
        check_leaf(self)
    array = self._array
    storage = announce(self, "fill_")
    fill_array(array, content)
    return changed(self, storage, Node(OVERWRITTEN, (self._node,), array) if recording else None)


def element_array(value: Any, dtype: NumpyDType) -> Any:
    """A number as a 0-dim array of ``dtype``; ``RuntimeError`` where the dtype can't hold it (uint8 wraps below 0)."""
    if value.__class__ is float and (dtype is dtypes.F32 or dtype is dtypes.F64) and -_LARGE < value < _LARGE:
        return np.asarray(value, dtype)
    kind = dtype.kind
    if isinstance(value, np.generic):
        value = value.item()
    if dtype is dtypes.C64:
        for part in (value.real, value.imag):
            element_array(part, dtypes.F32)
    if kind in "cb" or value is True or value is False:
        return np.asarray(value, dtype)
    if isinstance(value, complex):
        if value.imag:
            raise RuntimeError(f"value cannot be converted to type {OF_NUMPY[dtype].name} without overflow")
        value = value.real
    if kind in "iu":
        limits = np.iinfo(dtype)
        if isinstance(value, float) and math.isnan(value):
            raise RuntimeError(f"value cannot be converted to type {OF_NUMPY[dtype].name} without overflow")
        if not (limits.min if kind == "i" else -limits.max) <= value <= limits.max:
            raise RuntimeError(f"value cannot be converted to type {OF_NUMPY[dtype].name} without overflow")
        return number_array(int(value), dtype)
    if not isinstance(value, int | float):
        raise TypeError(f"expected a number, got {value.__class__.__name__}")
    largest = _LARGEST_OF.get(dtype)
    if largest is not None and (-largest > value > -_INFINITY or _INFINITY > value > largest):
        raise RuntimeError(f"value cannot be converted to type {OF_NUMPY[dtype].name} without overflow")
    with np.errstate(all="ignore"):
        return np.asarray(float(value), dtype)


_LARGE = 3.4e38  # within float32, nearly
_INFINITY = float("inf")
_LARGEST_OF: dict[NumpyDType, float] = {
    dtypes.F32: float(np.finfo(np.float32).max),
    dtypes.F16: 65504.0,
    dtypes.BF16: float.fromhex("0x1.fep127"),
}


def zero_(self: Tensor) -> Tensor:
    """Every element set to 0."""
    if self._node is None:
        storage = self._storage
        if storage is None:
            storage = self._storage = Storage()
        storage.changed_by = "zero_"  # before anything is written: inference tensors may refuse
        array = self._array
        if type(array) in OF_ARRAYS:
            fill_array(array, 0)
        else:
            array[...] = 0
        storage.version += 1
        frame: Any = getframe(1)
        code = frame.f_code
        storage.changed_at = (
            program_site(frame) if code.co_filename.startswith(LIBRARY) else (code, frame.f_lasti)
        )
        return self
    return fill_(self, 0)


METHODS: dict[str, Any] = {"copy_": copy_, "fill_": fill_, "zero_": zero_}
