"""Devices. This version computes on the CPU; ``meta`` and ``cuda`` names parse so that programs can ask about them."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

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
            raise RuntimeError("Cannot access accelerator device when none is available.")
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
_default_stack: ContextVar[tuple[device, ...]] = ContextVar("default_device_stack", default=())

DeviceLike = device | str | int


def require_available(where: DeviceLike | None) -> device:
    """The device meant by ``where``; ``RuntimeError`` (``AssertionError`` for CUDA, as PyTorch has it)
    when this installation can't compute there."""
    if where is None:
        return _default.get()
    found = where if isinstance(where, device) else device(where)
    if found.type == "cpu":
        return CPU
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


def set_default_device(where: DeviceLike | None) -> None:
    """Make new tensors on ``where`` (``None``: the CPU) in this context."""
    _default.set(CPU if where is None else require_available(where))
