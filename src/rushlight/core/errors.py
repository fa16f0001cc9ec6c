"""Errors that programs catch by name and that no operation owns."""

from __future__ import annotations


class OutOfMemoryError(RuntimeError):
    """A device's memory does not suffice: ``torch.OutOfMemoryError``, ``torch.cuda.OutOfMemoryError``.

    Example:
        >>> import rushlight as torch
        >>> issubclass(torch.cuda.OutOfMemoryError, RuntimeError)
        True
    """


class AcceleratorError(RuntimeError):
    """Something failed on an accelerator: ``torch.AcceleratorError``."""


OutOfMemoryError.__module__ = AcceleratorError.__module__ = "rushlight"


def no_memory(error: MemoryError) -> RuntimeError:
    """What PyTorch raises where NumPy finds that the processor's memory does not suffice."""
    return RuntimeError(f"DefaultCPUAllocator: can't allocate memory: {error}")
