"""Whether Triton is there, as libraries ask PyTorch's private path: it is not used here."""

from __future__ import annotations


def has_triton() -> bool:
    """False: kernels are this package's own."""
    return False


has_triton_package = has_triton
