"""Pickles and copies of tensors. Copies of views of one memory are views of one memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.device import OF_ARRAYS, part_of
from ..core.dtypes import by_name
from ..core.sparse_arrays import SparseArray, from_parts
from ..core.tensor import Tensor, init_fields, make_tensor
from ..runtime.pending import Pending, address
from .conversion import data_ptr, memory_root, written_array


def _rebuild(array: Any, requires_grad: bool, extra: dict[str, Any]) -> Tensor:
    tensor = make_tensor(array)
    if requires_grad:
        tensor.requires_grad_(True)
    tensor.__dict__.update(extra)
    return tensor


def _rebuild_view(
    root: Any,
    offset: int,
    shape: Any,
    strides: Any,
    dtype_name: str,
    requires_grad: bool,
    extra: dict[str, Any],
) -> Tensor:
    memory = root.ravel(order="K").view(np.uint8).copy()[offset:]
    array: Any = np.ndarray(shape, by_name(dtype_name).numpy, memory, 0, strides)
    return _rebuild(array, requires_grad, extra)


def _rebuild_as(cls: type[Tensor], make: Any, arguments: tuple[Any, ...]) -> Tensor:
    made: Tensor = make(*arguments)
    tensor: Tensor = object.__new__(cls)
    init_fields(tensor, made._array)
    tensor.requires_grad_(made.requires_grad)
    tensor.__dict__.update(made.__dict__)
    return tensor


def _reduce(self: Tensor, protocol: Any) -> Any:
    if type(self) is not Tensor:
        return (_rebuild_as, (type(self), *_reduced(self)))
    return _reduced(self)


def _reduced(self: Tensor) -> Any:
    array = written_array(self._array)  # without the history: what is unpickled is a leaf
    if isinstance(array, SparseArray):
        return (_rebuild_sparse, (*array.parts(), self.requires_grad, dict(self.__dict__)))
    root = array if type(array) in OF_ARRAYS else memory_root(array)
    if root is array or not array.size or not root.flags.forc:
        return (_rebuild, (array, self.requires_grad, dict(self.__dict__)))
    # The whole memory, as in PyTorch; pickled tensors come back with memory of their own each.
    offset = data_ptr(self) - int(root.__array_interface__["data"][0])
    place = (root, offset, array.shape, array.strides, self.dtype.name)
    return (_rebuild_view, (*place, self.requires_grad, dict(self.__dict__)))


def _rebuild_sparse(
    layout: str,
    parts: tuple[Any, ...],
    shape: Any,
    coalesced: bool,
    requires_grad: bool,
    extra: dict[str, Any],
) -> Tensor:
    from . import sparse_rules  # which tells dispatch of the sparse arrays

    assert sparse_rules.RULES
    return _rebuild(from_parts(layout, parts, shape, coalesced), requires_grad, extra)


def _deepcopy(self: Tensor, memo: dict[int, Any]) -> Tensor:
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment. If "
            "you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage; "
            "detach() this tensor first"
        )
    if id(self) in memo:
        return memo[id(self)]  # type: ignore[no-any-return]
    if isinstance(self._array, SparseArray):
        return _with_fields_copied(self, self._array.copy(), memo)
    if type(self._array) in OF_ARRAYS:
        return _with_fields_copied(self, self._array.copy(), memo)
    if type(self._array) is Pending:
        return _with_fields_copied(self, _copied_on_tape(self._array, memo), memo)
    # Views of one memory stay views of one memory: the whole of it is copied once, and looked up by its owner.
    root = memory_root(self._array)
    key = id(root)
    fresh = memo.get(key)
    if fresh is None:
        fresh = memo[key] = root.copy(order="K")
    if root is self._array:
        array = fresh
    else:
        source = np.lib.stride_tricks.as_strided
        offset = data_ptr(self) - int(root.__array_interface__["data"][0]) if self._array.size else 0
        if root.flags.c_contiguous and fresh.flags.c_contiguous:
            start = fresh.reshape(-1).view(np.uint8)[offset:].view(np.uint8)
            array = (
                np.ndarray(self._array.shape, self._array.dtype, start, 0, self._array.strides)
                if start.size
                else source(np.empty(0, self._array.dtype), self._array.shape, self._array.strides)
            )
        else:
            array = self._array.copy()
    return _with_fields_copied(self, array, memo)


def _copied_on_tape(array: Any, memo: dict[int, Any]) -> Any:
    """The same for an array of a recording: the copy is a node of it."""
    root = array.buffer.root
    whole = memo.get(id(root))
    if whole is None:
        whole = memo[id(root)] = array.part(root).copy()
        memo.setdefault(id(memo), []).append(root)  # which keeps its id from being another's
    memory = whole.memory if type(whole) is Pending else whole
    place = (
        array.memory.shape,
        array.memory.strides,
        address(array.memory) - address(root),
        array.memory.dtype,
    )
    part = part_of(memory, *place)
    return whole.part(part) if type(whole) is Pending else part


def _with_fields_copied(self: Tensor, array: Any, memo: dict[int, Any]) -> Tensor:
    import copy

    made: Tensor = object.__new__(self.__class__)
    init_fields(made, array)
    memo[id(self)] = made
    if self._node is not None:
        made.requires_grad_(True)
    if self._grad is not None:
        made._grad = copy.deepcopy(self._grad, memo)
    if self.__dict__:
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
    return made


METHODS: dict[str, Any] = {"__reduce_ex__": _reduce, "__deepcopy__": _deepcopy}
