"""Causal masks for queries and keys of different lengths."""

from __future__ import annotations

from enum import IntEnum, auto

import numpy as np

from ...core.tensor import Tensor, make_tensor


class CausalVariant(IntEnum):
    """Where the diagonal of a causal mask that is not square begins."""

    UPPER_LEFT = auto()
    LOWER_RIGHT = auto()


def causal_upper_left(*size: int) -> Tensor:
    """The bool mask (L, S) that lets position i attend to 0 … i.

    Example:
        >>> from rushlight.nn.attention.bias import causal_upper_left
        >>> causal_upper_left(2, 3)
        tensor([[ True, False, False],
                [ True,  True, False]])
    """
    return _mask(size, 0)


def causal_lower_right(*size: int) -> Tensor:
    """The bool mask (L, S) that lets the last position attend to all, the one before to all but the last, and so on."""
    return _mask(size, size[1] - size[0] if len(size) == 2 else 0)


def _mask(size: tuple[int, ...], offset: int) -> Tensor:
    if len(size) != 2:
        raise ValueError("causal masks need 2 sizes, of the queries and of the keys")
    return make_tensor(np.tri(size[0], size[1], offset, dtype=np.bool_))
