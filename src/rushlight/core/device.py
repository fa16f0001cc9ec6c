"""Devices: their names, the default one, and what makes a type of device other than the CPU usable."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, Protocol

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .grad_mode import DECIDING

_KNOWN: Final = ("cpu", "cuda", "meta", "mps", "xpu")


class device:
    """Where a tensor's memory is: ``device("cpu")``, ``device("cuda:1")`` or ``device("cuda", 1)``.

    Raises ``RuntimeError`` for a string that names no device type.

    Example:
        >>> import rushlight as torch
        >>> torch.device("cuda", 1)
        device(type='cuda', index=1)
    """

    __slots__ = ("index", "type")
    type: str
    index: int | None

    def __init__(self, type: str | int | device, index: int | None = None) -> None:
        if isinstance(type, device) and index is None:
            self.type, self.index = type.type, type.index
            return
        if isinstance(type, int) and not isinstance(type, bool):
            self.type, self.index = accelerator_type(), type
            return
        if index is not None and (not isinstance(index, int) or isinstance(index, bool)):
            raise TypeError(f"device: expected an int as index, got {index!r}")
        if index is not None and index < 0:
            raise RuntimeError(f"Device index must not be negative, got {index}")
        if not isinstance(type, str):
            raise TypeError(f"device: expected a string such as 'cpu' or 'cuda:0', got {type!r}")
        name, colon, digits = type.partition(":")
        if name not in _KNOWN:
            raise RuntimeError(
                f"Expected one of {', '.join(_KNOWN)} device type at start of device string: {name or type}"
            )
        if colon:
            if not (digits.isascii() and digits.isdigit()) or str(int(digits)) != digits or index is not None:
                raise RuntimeError(f"Invalid device string: '{type}'")
            index = int(digits)
        self.type, self.index = name, index

    def __repr__(self) -> str:
        return (
            f"device(type='{self.type}')"
            if self.index is None
            else f"device(type='{self.type}', index={self.index})"
        )

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> tuple[Any, ...]:
        return (device, (self.type,) if self.index is None else (self.type, self.index))

    def __enter__(self) -> device:
        _default_stack.set((*_default_stack.get(), _default.get()))
        _default.set(require_available(self))
        return self

    def __exit__(self, *exc: object) -> None:
        stack = _default_stack.get()
        _default.set(stack[-1])
        _default_stack.set(stack[:-1])


CPU: Final = device("cpu")
_default: ContextVar[device] = ContextVar("default_device", default=CPU)
DECIDING.append(_default)
_default_stack: ContextVar[tuple[device, ...]] = ContextVar("default_device_stack", default=())

DeviceLike = device | str | int


class Backend(Protocol):
    """What a type of device other than the CPU brings: where its arrays are, and how they get there."""

    def ready(self, where: device) -> device:
        """``where`` with its index; raises where this machine can't compute there."""

    def device_of(self, array: Any) -> device:
        """Where one of this backend's arrays is."""

    def place(self, array: Any, where: device) -> Any:
        """A NumPy array, or an array of this backend, on ``where``: itself if it is there already."""

    def to_host(self, array: Any) -> Any:
        """One of this backend's arrays as a NumPy array."""

    def strided(self, array: Any, shape: Any, strides: Any) -> Any:
        """The view of an array's memory from its first element on with this shape and these strides in bytes."""

    def address(self, array: Any) -> int:
        """Where the first element is in the device's memory."""

    def block(self, array: Any) -> Any:
        """What tells the allocation that an array is in from others."""

    def made(self, name: str, shape: Any, dtype: Any, where: device, value: Any = None) -> Any:
        """A new array: ``name`` is "empty", "zeros", "ones" or "full" (of ``value``)."""

    def as_dtype(self, array: Any, dtype: Any) -> Any:
        """The array's elements in another dtype."""

    def fill(self, array: Any, value: Any) -> None:
        """Every element set to ``value``, a 0-dim array."""

    def generator(self, where: device) -> Any:
        """The generator that draws on ``where`` unless a program gives another one."""


# What makes a type of device usable, called when a program first asks for it; it raises where that can't be.
LOADERS: Final[dict[str, Callable[[], Backend]]] = {}
# Whether it would raise, found out without raising.
USABLE: Final[dict[str, Callable[[], bool]]] = {}
# The backends in use, by the type of their arrays.
OF_ARRAYS: Final[dict[type, Backend]] = {}
# The types of arrays, beside NumPy's, that operations recorded for a compiled program may have as operands.
RECORDED: Final[set[type]] = set()
# What stands for an array of a recording, once recordings may hold arrays of a device: its memory says where it is.
STAND_INS: Final[set[type]] = set()


def device_of(array: Any) -> device:
    """Where an array is: the CPU, unless a backend says that arrays of its type are its own."""
    backend = OF_ARRAYS.get(type(array))
    if backend is not None:
        return backend.device_of(array)
    return device_of(array.memory) if type(array) in STAND_INS else CPU


def placed(array: Any, where: device) -> Any:
    """``array`` on ``where``: itself if it is there already."""
    if where.type != "cpu":
        return LOADERS[where.type]().place(array, where)
    return on_host(array)


def placed_beside(array: Any, like: Any) -> Any:
    """``array`` on the device of the array ``like``."""
    backend = OF_ARRAYS.get(type(like))
    if backend is not None:
        return backend.place(array, backend.device_of(like))
    return placed(array, device_of(like)) if type(like) in STAND_INS else on_host(array)


def on_host(array: Any) -> Any:
    """``array``, copied to the CPU's memory if a device has it."""
    backend = OF_ARRAYS.get(type(array))
    if backend is not None:
        return backend.to_host(array)
    if type(array) in STAND_INS and type(array.memory) in OF_ARRAYS:
        return array.moved_to(CPU)
    return array


def empty_on(where: device, shape: Any, dtype: Any) -> Any:
    """A new array on ``where``, not written yet."""
    if where is CPU:
        return np.empty(shape, dtype)
    return LOADERS[where.type]().made("empty", shape, dtype, where)


def strided(array: Any, shape: Any, strides: Any) -> Any:
    """The view of an array's memory from its first element on with this shape and these strides in bytes."""
    backend = OF_ARRAYS.get(type(array))
    if backend is not None:
        return backend.strided(array, shape, strides)
    if (
        array.itemsize == 1 and array.dtype.kind in "fV"
    ):  # float8, which NumPy's array interface can't describe
        return as_strided(array.view(np.uint8), shape, strides).view(array.dtype)
    if type(array) is np.ndarray and array.flags.c_contiguous:
        try:
            return np.ndarray(shape, array.dtype, array, 0, strides)  # a tenth of the time of as_strided
        except (ValueError, TypeError, BufferError):
            pass  # an empty array, one that is part of the memory that is reached, a dtype that is not NumPy's own
    return as_strided(array, shape, strides)


def part_of(array: Any, shape: Any, strides: Any, offset: int, dtype: Any = None) -> Any:
    """The view of a contiguous array's memory, ``offset`` bytes from its beginning, with this shape and these strides.

    ``dtype``: what the memory is seen as, by default the array's own: a part of complex numbers, for example.
    """
    if type(array) not in OF_ARRAYS:
        return np.ndarray(shape, dtype or array.dtype, array, offset, strides)
    flat = array.reshape(-1)
    if dtype is not None and dtype != array.dtype:
        flat = flat.view(dtype)
    return strided(flat[offset // flat.itemsize :], shape, strides)


def fill_array(array: Any, value: Any) -> None:
    """Every element of ``array`` set to ``value``, a 0-dim array of its dtype."""
    backend = OF_ARRAYS.get(type(array))
    if backend is None:
        array[...] = value
    else:
        backend.fill(array, value)


def as_dtype(array: Any, dtype: Any) -> Any:
    """``array.astype(dtype)``, also for the dtypes that a device's own arrays do not convert."""
    backend = OF_ARRAYS.get(type(array))
    return array.astype(dtype) if backend is None else backend.as_dtype(array, dtype)


def accelerator_type() -> str:
    """The type of device that a number alone means; ``RuntimeError`` where there is none."""
    for name, usable in USABLE.items():
        if usable():
            return name
    raise RuntimeError("Cannot access accelerator device when none is available.")


def require_available(where: DeviceLike | None) -> device:
    """The device meant by ``where``; ``RuntimeError`` (``AssertionError`` for CUDA, as PyTorch has it)
    when this installation can't compute there."""
    if where is None:
        return _default.get()
    found = where if isinstance(where, device) else device(where)
    if found.type == "cpu":
        return CPU
    load = LOADERS.get(found.type)
    if load is not None:
        return load().ready(found)
    if found.type == "cuda":
        raise AssertionError(
            "Torch not compiled with CUDA enabled: this version of Rushlight computes on the CPU only; "
            "use device 'cpu', or ask rushlight.cuda.is_available() first"
        )
    raise NotImplementedError(
        f"device {str(found)!r}: this version of Rushlight computes on the CPU only; use device 'cpu'"
    )


def get_default_device() -> device:
    """The device on which new tensors are made."""
    return _default.get()


def set_default_device(device: DeviceLike | None) -> None:
    """Make new tensors on ``device`` (``None``: the CPU) in this context."""
    _default.set(CPU if device is None else require_available(device))
