"""Arrays without values: shape, dtype and strides of what a tensor on the ``meta`` device would hold.

A ``MetaArray`` stands in ``Tensor._array`` where a NumPy array would. ``memory`` is a NumPy array of the right geometry whose
elements lie nowhere: NumPy itself makes views of it, and nothing ever reads it. What NumPy would compute from values is found
from small arrays of ones (``runtime.meta_results``); what needs the values themselves raises PyTorch's errors.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..core.dtypes import OF_NUMPY, by_name
from .laid_out import LaidOut

ndarray = np.ndarray
_new = object.__new__

NO_DATA: Final = "Cannot copy out of meta tensor; no data!"
NO_ITEM: Final = "Tensor.item() cannot be called on meta tensors"


class MetaArray(LaidOut):
    """An array of the meta device."""

    __slots__ = ("__weakref__", "memory")
    memory: Any

    # --- what a NumPy array has -----------------------------------------------------------------------------------

    @property
    def base(self) -> Any:
        """The bytes that all views of one memory are views of."""
        found = base = self.memory
        while base is not None:
            if isinstance(base, ndarray):
                found = base
            elif not hasattr(base, "base"):
                break
            base = base.base
        return found

    @property
    def examined(self) -> Any:
        """What checks of every element look at: zeros, which pass."""
        return np.zeros(
            self.memory.shape if not self.memory.size else (1,) * self.memory.ndim, self.memory.dtype
        )

    @property
    def real(self) -> Any:
        return self.part(self.memory.real)

    @property
    def imag(self) -> Any:
        return self.part(self.memory.imag)

    def __repr__(self) -> str:
        return f"<meta array of shape {self.memory.shape}, {self.memory.dtype}>"

    # --- views ----------------------------------------------------------------------------------------------------

    def part(self, memory: Any) -> MetaArray:
        """The view of this array that ``memory``, a view of ``self.memory``, is."""
        part = _new(MetaArray)
        part.memory = memory
        return part

    def through(self, view: Any, *args: Any, **kwargs: Any) -> Any:
        """The part that ``view(array, ...)``, a function that makes views of NumPy arrays, makes of this one."""
        return self.part(view(self.memory, *args, **kwargs))

    def reshape(self, *shape: Any, copy: bool | None = None, order: str = "C") -> Any:
        if len(shape) == 1 and not isinstance(shape[0], int | np.integer):
            shape = tuple(shape[0])
        try:
            if copy is not True and order == "C":
                return self.part(self.memory.reshape(shape, copy=False))
        except ValueError:
            if copy is False:
                raise
        target = made(self.memory.shape, self.memory.dtype)
        return made(target.memory.reshape(shape, copy=False).shape, self.memory.dtype)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        return self.part(self.memory.diagonal(offset, axis1, axis2))

    def ravel(self, order: str = "C") -> Any:
        return self.reshape((-1,))

    def flatten(self, order: str = "C") -> Any:
        return made((self.memory.size,), self.memory.dtype)

    def view(self, *args: Any) -> Any:
        return self.part(self.memory.view(*args))

    def __getitem__(self, index: Any) -> Any:
        parts = index if type(index) is tuple else (index,)
        if all([type(p) in _BASIC or isinstance(p, np.integer) for p in parts]):
            if Ellipsis not in parts:
                parts = (*parts, Ellipsis)  # so that a single element is a view too
            return self.part(self.memory[parts])
        from .meta_results import function_results

        return function_results(_item, (self, index), {})

    # --- new arrays -----------------------------------------------------------------------------------------------

    def astype(self, dtype: Any, order: str = "K", casting: str = "unsafe", copy: bool = True) -> Any:
        dtype = np.dtype(dtype)
        if dtype == self.memory.dtype and not copy:
            return self
        return made_like(self, dtype, order)

    def copy(self, order: str = "C") -> Any:
        return made_like(self, self.memory.dtype, order)

    def __copy__(self) -> Any:
        return made_like(self, self.memory.dtype, "K")

    def __deepcopy__(self, memo: Any) -> Any:
        return made_like(self, self.memory.dtype, "K")

    def __reduce__(self) -> Any:
        return (_rebuilt_by_name, (self.memory.shape, OF_NUMPY[self.memory.dtype].name, self.memory.strides))

    def __setitem__(self, index: Any, value: Any) -> None:
        target = self if index is Ellipsis else self[index]
        shape = value.shape if hasattr(value, "shape") else np.shape(value)
        if np.broadcast_shapes(shape, target.shape) != target.shape and not (
            np.prod(shape) == target.size and shape[-target.ndim or len(shape) :] == target.shape
        ):
            raise ValueError(f"could not broadcast input array from shape {shape} into shape {target.shape}")

    def fill(self, value: Any) -> None:
        """Nothing: there are no values."""

    def sort(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: there are no values."""

    # --- NumPy's protocols ----------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from .meta_results import ufunc_results

        return ufunc_results(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from .meta_results import function_call

        return function_call(function, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        method = getattr(ndarray, name, None)
        if name.startswith("__") or method is None or not callable(method):
            raise AttributeError(f"a meta array has no {name!r}", name=name, obj=self)
        from .meta_results import function_results

        return lambda *args, **kwargs: function_results(method, (self, *args), kwargs)

    # --- what needs values ----------------------------------------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise NotImplementedError(NO_DATA)

    def tolist(self) -> Any:
        raise NotImplementedError(NO_DATA)

    def tobytes(self, *args: Any) -> Any:
        raise NotImplementedError(NO_DATA)

    def item(self, *args: Any) -> Any:
        raise RuntimeError(NO_ITEM)

    def __bool__(self) -> bool:
        raise RuntimeError(NO_ITEM)

    def __int__(self) -> int:
        raise RuntimeError(NO_ITEM)

    def __float__(self) -> float:
        raise RuntimeError(NO_ITEM)

    def __complex__(self) -> complex:
        raise RuntimeError(NO_ITEM)

    def __index__(self) -> int:
        raise RuntimeError(NO_ITEM)

    def held_by(self, tensor: Any) -> None:
        """Nothing to remember: meta arrays stay what they are."""


_BASIC: Final = frozenset((int, slice, type(None), type(Ellipsis)))


def _item(array: Any, index: Any) -> Any:
    return array[index]


# Elements that lie nowhere still have addresses, so that two arrays never seem to share any. The addresses are in a part of
# the address space that was asked for and never written to (it takes no memory): reading there by mistake gives zeros.
_WINDOW: Final = 1 << 42
_windows: list[Any] = []
_next = 0


class _Nowhere:
    __slots__ = ("__array_interface__",)

    def __init__(self, interface: dict[str, Any]) -> None:
        self.__array_interface__ = interface


def _window() -> tuple[int, int]:
    """Where the addresses begin, and how many there are."""
    if not _windows:
        import mmap

        for size in (_WINDOW, 1 << 36, 1 << 30):
            try:
                memory: Any = mmap.mmap(
                    -1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ
                )
            except (OSError, AttributeError, OverflowError, ValueError):  # a limit on addresses, or Windows
                continue
            start = np.frombuffer(memory, np.uint8, 1).__array_interface__["data"][0]
            _windows.append((start, size, memory))
            break
        else:
            _windows.append((1 << 44, _WINDOW, None))
    return _windows[0][:2]  # type: ignore[no-any-return]


def _nowhere(shape: tuple[int, ...], strides: tuple[int, ...], dtype: Any) -> Any:
    global _next
    span = dtype.itemsize
    for extent, stride in zip(shape, strides, strict=True):
        if extent == 0:
            return np.ndarray(shape, dtype)
        span += (extent - 1) * stride
    start, size = _window()
    if _next + span > size:
        _next = 0
    first = start + _next
    _next = (_next + span + 127) & ~63
    memory = np.asarray(_Nowhere({"shape": (span,), "typestr": "|u1", "data": (first, True), "version": 3}))
    return as_strided(memory[: dtype.itemsize].view(dtype), shape, strides)


def _rebuilt_by_name(shape: Any, name: str, strides: Any) -> MetaArray:
    return made(shape, by_name(name).numpy, strides)


def made(shape: Any, dtype: Any, strides: tuple[int, ...] | None = None) -> MetaArray:
    """A new array of this geometry; row by row unless ``strides`` (in bytes) are given. ``RuntimeError`` where a computer
    could not even count its bytes."""
    shape = tuple([int(extent) for extent in shape])
    dtype = np.dtype(dtype)
    if strides is None:
        step = dtype.itemsize
        steps = []
        for extent in reversed(shape):
            steps.append(step)
            step *= max(extent, 1)
        strides = tuple(reversed(steps))
        if step > 1 << 61:
            raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)}")
    array = _new(MetaArray)
    array.memory = _nowhere(shape, tuple(strides), dtype)
    return array


def dense_strides(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """The strides, without gaps, of an array whose dimensions lie in memory in the order that ``strides`` have."""
    order = sorted(range(len(shape)), key=lambda axis: (strides[axis], -axis))
    result = [0] * len(shape)
    step = itemsize
    for axis in order:
        result[axis] = step
        step *= max(shape[axis], 1)
    return tuple(result)


def made_like(array: MetaArray, dtype: Any, order: str = "K") -> MetaArray:
    """A new array of this shape, in the layout that NumPy's ``order`` gives."""
    memory = array.memory
    flags = memory.flags
    if order == "F" or (order == "A" and flags.f_contiguous and not flags.c_contiguous):
        return made(memory.shape, dtype, made(memory.shape[::-1], dtype).strides[::-1])
    if order in ("C", "A") or flags.c_contiguous:
        return made(memory.shape, dtype)
    return made(memory.shape, dtype, dense_strides(memory.shape, memory.strides, np.dtype(dtype).itemsize))
