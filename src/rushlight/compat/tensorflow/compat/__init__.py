"""``tf.compat``: the module again as ``v1``, and text and bytes as each other."""

from __future__ import annotations

from typing import Any

import rushlight.compat.tensorflow as v1

__all__ = ["as_bytes", "as_str", "as_str_any", "as_text", "v1"]


def as_bytes(bytes_or_text: Any, encoding: str = "utf-8") -> bytes:
    """Text as bytes; ``TypeError`` for anything else."""
    if isinstance(bytes_or_text, str):
        return bytes_or_text.encode(encoding)
    if isinstance(bytes_or_text, bytes):
        return bytes_or_text
    raise TypeError(f"Expected binary or unicode string, got {bytes_or_text!r}")


def as_text(bytes_or_text: Any, encoding: str = "utf-8") -> str:
    """Bytes as text; ``TypeError`` for anything else."""
    if isinstance(bytes_or_text, str):
        return bytes_or_text
    if isinstance(bytes_or_text, bytes):
        return bytes_or_text.decode(encoding)
    raise TypeError(f"Expected binary or unicode string, got {bytes_or_text!r}")


def as_str_any(value: Any) -> str:
    """``value`` as text, whatever it is."""
    return as_text(value) if isinstance(value, bytes) else str(value)


as_str = as_text


def dimension_value(dimension: Any) -> Any:
    """The extent of a dimension as a number, or None."""
    return getattr(dimension, "value", dimension)


def dimension_at_index(shape: Any, index: int) -> Any:
    """One dimension of a shape."""
    return shape[index]
