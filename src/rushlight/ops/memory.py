"""A tensor's memory itself: its storage as an object, and tensors that change which memory they see."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.device import CPU, OF_ARRAYS, device, placed_beside
from ..core.dtypes import OF_NUMPY, NumpyDType, default_numpy, dtype
from ..core.history import LeafNode
from ..core.memory_order import suggests_channels_last
from ..core.shapes import as_shape
from ..core.tensor import Tensor, make_tensor
from ..runtime.batched import Batched
from ..runtime.pending import Pending
from .array_data import checked_shape
from .conversion import memory_root, stride, written_array
from .memory_formats import is_contiguous, memory_format


class UntypedStorage:
    """The whole memory that a tensor and its views share, as bytes.

    Example:
        >>> import rushlight as torch
        >>> torch.arange(6.)[2:4].untyped_storage().nbytes()
        24
    """

    def __init__(self, root: Any = 0) -> None:
        if isinstance(root, list | tuple):
            root = np.array(root, np.uint8)
        self._root = np.empty(root, np.uint8) if isinstance(root, int) else root

    def clone(self) -> UntypedStorage:
        """A copy of the memory."""
        return self._like(self._flat().copy())

    def copy_(self, source: UntypedStorage, non_blocking: bool = False) -> UntypedStorage:
        """Take over ``source``'s content, of the same size."""
        self._flat()[...] = source._flat()
        return self

    def fill_(self, value: Any) -> UntypedStorage:
        """Set all elements to ``value``."""
        self._flat()[...] = value
        return self

    def cpu(self) -> UntypedStorage:
        """The memory itself: it is on the CPU."""
        return self

    def _like(self, root: Any) -> UntypedStorage:
        return UntypedStorage(root)

    def __copy__(self) -> UntypedStorage:
        return self.clone()

    def __deepcopy__(self, memo: dict[int, Any]) -> UntypedStorage:
        if id(self._root) not in memo:
            memo[id(self._root)] = self.clone()
        return memo[id(self._root)]  # type: ignore[no-any-return]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._flat()[index] = value

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, UntypedStorage)
            and self.data_ptr() == other.data_ptr()
            and self.nbytes() == other.nbytes()
        )

    __hash__ = object.__hash__

    @classmethod
    def from_file(cls, filename: Any, shared: bool = False, nbytes: int = 0) -> UntypedStorage:
        """A file's first ``nbytes`` bytes, read as they are needed; with ``shared`` changes go to the file.

        Raises ``OSError`` for a file that can't be opened, ``RuntimeError`` for one that is too short.
        """
        if not nbytes:
            return UntypedStorage(0)
        try:
            return UntypedStorage(
                np.asarray(np.memmap(filename, np.uint8, "r+" if shared else "c", shape=(nbytes,)))
            )
        except ValueError as error:
            raise RuntimeError(f"from_file: {filename} has fewer than {nbytes} bytes") from error

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return self

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self._flat(), dtype=dtype, copy=copy)

    @property
    def device(self) -> device:
        """Where the memory is."""
        return CPU

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return int(self._root.__array_interface__["data"][0]) if self._root.size else 0

    def is_shared(self) -> bool:
        """Whether other processes see this memory."""
        from .shared_memory import is_shared  # few programs have several processes

        return is_shared(make_tensor(self._root))

    def nbytes(self) -> int:
        """The number of bytes."""
        return int(self._root.nbytes)

    size = nbytes

    def __len__(self) -> int:
        return self.nbytes()

    def element_size(self) -> int:
        """1: the elements are bytes."""
        return 1

    def _flat(self) -> Any:
        return self._root.ravel(order="K").view(np.uint8)

    def tolist(self) -> list[int]:
        """The bytes as a list of numbers."""
        return self._flat().tolist()  # type: ignore[no-any-return]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return UntypedStorage(self._flat()[index])
        return int(self._flat()[index])

    def __repr__(self) -> str:
        return f"{_lines(self.tolist())}[torch.storage.UntypedStorage(device=cpu) of size {self.nbytes()}]"


def _lines(values: list[Any]) -> str:
    return " " + "\n ".join([str(value) for value in values]) + "\n"


class TypedStorage(UntypedStorage):
    """The whole memory that a tensor and its views share, as elements of the tensor's dtype."""

    def __init__(
        self,
        root: Any = 0,
        kind: NumpyDType | None = None,
        *,
        wrap_storage: UntypedStorage | None = None,
        dtype: dtype | None = None,
        device: object = None,
    ) -> None:
        """Memory for ``root`` elements, or with the elements of a sequence; of ``dtype`` (the default dtype).

        ``wrap_storage`` is memory to see as elements instead. PyTorch's warning of its deprecation is given.
        """
        if kind is None:  # from a program
            import warnings

            warnings.warn(
                "TypedStorage is deprecated. It will be removed in the future and UntypedStorage will be the only storage "
                "class. This should only matter to you if you are using storages directly.  To access UntypedStorage "
                "directly, use tensor.untyped_storage() instead of tensor.storage()",
                UserWarning,
                stacklevel=2,
            )
            kind = default_numpy() if dtype is None else dtype.numpy
            if wrap_storage is not None:
                root = wrap_storage._root
            elif isinstance(root, int):
                root = np.empty(root, kind)
            elif not isinstance(root, np.ndarray):
                root = np.array(root, kind)
        super().__init__(root)
        self._kind: NumpyDType = kind

    @property
    def dtype(self) -> dtype:
        """The element type."""
        return OF_NUMPY[self._kind]

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return UntypedStorage(self._root)

    def _like(self, root: Any) -> TypedStorage:
        return TypedStorage(root, self._kind)

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._kind.itemsize

    def size(self) -> int:
        """The number of elements."""
        return self.nbytes() // self._kind.itemsize

    def __len__(self) -> int:
        return self.size()

    def _flat(self) -> Any:
        return super()._flat().view(self._kind)

    def tolist(self) -> list[Any]:
        """The elements as a list of numbers."""
        return make_tensor(self._flat()).tolist()  # type: ignore[no-any-return]

    def __getitem__(self, index: int) -> Any:
        return make_tensor(self._flat()[index : index + 1 or None]).item()

    def __setitem__(self, index: int | slice, value: Any) -> None:
        self._flat()[index] = value._array if isinstance(value, Tensor) else value

    def __repr__(self) -> str:
        described = f"[torch.storage.TypedStorage(dtype={self.dtype}, device=cpu) of size {self.size()}]"
        return _lines(self.tolist()) + described


def untyped_storage(self: Tensor) -> UntypedStorage:
    """The memory that this tensor shares with its views, as bytes."""
    return UntypedStorage(memory_root(written_array(self._array)))


def storage(self: Tensor) -> TypedStorage:
    """The memory that this tensor shares with its views, as elements. Deprecated; use ``untyped_storage``."""
    return TypedStorage(memory_root(written_array(self._array)), self._array.dtype)


def set_(
    self: Tensor,
    source: Tensor | UntypedStorage | None = None,
    storage_offset: int | None = None,
    size: Any = None,
    stride: Any = None,
) -> Tensor:
    """Make this tensor see other memory: that of a tensor or storage, from an offset on, in a shape with strides.

    Without arguments the tensor becomes empty. Raises ``RuntimeError`` for memory of another dtype and for shapes that
    lead out of it.
    """
    kind = self._array.dtype
    if isinstance(self._node, LeafNode):
        self._node = LeafNode(
            self
        )  # what was computed from the old memory has nothing to do with this tensor any more
    if source is None:
        self._array, self._storage = np.empty(0, kind), None
        return self
    if isinstance(source, Tensor):
        if source._array.dtype != kind:
            raise RuntimeError(
                f"Could not set tensor of type {source.dtype} to a tensor of type {self.dtype}"
            )
        if size is None and storage_offset is None:
            self._array, self._storage = source._array, source._storage
            return self
        shared, root = source._storage, memory_root(written_array(source._array))
    elif isinstance(source, UntypedStorage):
        shared, root = None, source._root
    else:
        raise TypeError(f"set_(): expected a Tensor or a storage, got {type(source).__name__}")
    memory = root.ravel(order="K").view(np.uint8)
    memory = memory[: memory.size // kind.itemsize * kind.itemsize].view(kind)
    offset = 0 if storage_offset is None else storage_offset
    shape = (memory.size - offset,) if size is None else checked_shape((size,), "set_")
    steps = _contiguous_steps(shape) if stride is None else as_shape((stride,), "set_")
    reach = 0 if 0 in shape else 1 + sum([(n - 1) * s for n, s in zip(shape, steps, strict=True)])
    if offset < 0 or any(step < 0 for step in steps) or offset + reach > memory.size:
        raise RuntimeError(
            f"set_: shape {list(shape)} with strides {list(steps)} from offset {offset} leads out of a memory of "
            f"{memory.size} elements"
        )
    self._array = np.lib.stride_tricks.as_strided(
        memory[offset:], shape, [step * kind.itemsize for step in steps]
    )
    self._storage = shared
    return self


def _contiguous_steps(shape: tuple[int, ...]) -> tuple[int, ...]:
    steps = [1]
    for extent in reversed(shape[1:]):
        steps.append(steps[-1] * max(extent, 1))
    return tuple(reversed(steps))[: len(shape)]


def resize_(self: Tensor, *sizes: Any, size: Any = None, memory_format: object = None) -> Tensor:
    """Give this tensor another shape over its memory, in row-major order. Memory that does not suffice grows: the tensor
    then has its own, and what is new is uninitialised.
    """
    if self._node is not None:
        raise RuntimeError("cannot resize variables that require grad")
    shape = checked_shape(sizes if size is None else (size,), "resize_")
    old = self._array
    if memory_format is not None and str(memory_format) != "torch.contiguous_format":
        return _resized_to_last(self, shape, str(memory_format))
    if old.shape == shape and (memory_format is None or old.flags.c_contiguous):
        return self
    needed = 1
    for extent in shape:
        needed *= extent
    if type(old) is Batched:
        # Of each example the first elements; what is new is zero.
        flat = old.reshape((-1,))
        if needed > old.size:
            flat = np.concatenate([flat, np.zeros(needed - old.size, old.dtype)])
        self._array = flat[:needed].reshape(shape)
        return self
    if type(old) in OF_ARRAYS:
        # Its elements in their order: the memory around a view of a GPU's array is not known.
        flat, fresh = old.reshape(-1), placed_beside(np.empty(needed, old.dtype), old)
        kept = min(needed, old.size)
        fresh[:kept] = flat[:kept]
        self._array = fresh.reshape(shape)
        return self
    if type(old) is Pending:
        old = old.tape.share(old)
    root = memory_root(old)
    memory = root.ravel(order="K").view(np.uint8)
    start = int(old.__array_interface__["data"][0] - root.__array_interface__["data"][0]) if old.size else 0
    available = memory[start:]
    if available.size >= needed * old.itemsize:
        self._array = available[: needed * old.itemsize].view(old.dtype).reshape(shape)
        return self
    fresh = np.empty(shape, old.dtype)
    kept = available.size // old.itemsize * old.itemsize
    fresh.reshape(-1).view(np.uint8)[:kept] = available[:kept]
    self._array = fresh
    return self


def _resized_to_last(self: Tensor, shape: tuple[int, ...], order: str) -> Tensor:
    if order == "torch.preserve_format":
        raise RuntimeError(
            "resize_: Unsupported memory formatPreserve; give contiguous_format or channels_last"
        )
    rank = 5 if order == "torch.channels_last_3d" else 4
    if len(shape) != rank:
        raise RuntimeError(f"required rank {rank} tensor to use {order.removeprefix('torch.')} format")
    samples, channels, *spatial = shape
    resize_(self, (samples, *spatial, channels), memory_format=None)
    if not self._array.flags.c_contiguous:
        resize_(self, (self._array.size,))
        resize_(self, (samples, *spatial, channels))
    self._array = self._array.transpose(0, rank - 1, *range(1, rank - 1))
    return self


def resize_as_(self: Tensor, the_template: Tensor, *, memory_format: object = None) -> Tensor:
    """``resize_`` to the shape of ``the_template``, in the order of memory ``memory_format``."""
    array = the_template._array
    if str(memory_format) == "torch.preserve_format":
        last = type(array) is np.ndarray and not array.flags.c_contiguous and suggests_channels_last(array)
        order = f"torch.channels_last{'_3d' if array.ndim == 5 else ''}" if last else None
        return _resized_to_last(self, array.shape, order) if order else resize_(self, array.shape)
    return resize_(self, array.shape, memory_format=memory_format)


def dim_order(self: Tensor, *, ambiguity_check: bool | list[Any] = False) -> tuple[int, ...]:
    """The dimensions in the order of memory, the one with the greatest stride first.

    ``ambiguity_check``: raise ``RuntimeError`` where several orders fit, as with dimensions of one element; a list of memory
    formats allows several as long as exactly one of these formats fits. ``TypeError`` for anything else.

    Example:
        >>> import rushlight as torch
        >>> torch.ones(1, 2, 3, 4).dim_order(ambiguity_check=[torch.contiguous_format, torch.channels_last])
        (0, 1, 2, 3)
    """
    formats = ambiguity_check if isinstance(ambiguity_check, list) else []
    if not isinstance(ambiguity_check, bool | list) or not all(isinstance(f, memory_format) for f in formats):
        raise TypeError("The ambiguity_check argument must be a bool or a list of memory formats.")
    strides, shape = stride(self), self._array.shape
    if ambiguity_check is not False:
        equal = len(set(strides)) < len(strides)
        if (equal or 1 in shape) and sum(is_contiguous(self, memory_format=f) for f in formats) != 1:
            raise RuntimeError(
                "The tensor does not have unique dim order, or cannot map to exact one of the given memory formats."
            )
        if equal:
            raise RuntimeError("The tensor does not have unique dim order.")
    return tuple(sorted(range(len(shape)), key=lambda i: (-strides[i], -shape[i])))


METHODS: dict[str, Any] = {
    "dim_order": dim_order,
    "untyped_storage": untyped_storage,
    "storage": storage,
    "set_": set_,
    "resize_": resize_,
    "resize_as_": resize_as_,
}
