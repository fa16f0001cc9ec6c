"""``tf.bitwise``: operations on the bits of integers."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from .conversion import convert_to_tensor
from .graph import Tensor, node
from .ops_math import _binary

bitwise_and = _binary("BitwiseAnd", rl.bitwise_and, "The bits that both have.", takes_numbers=False)
bitwise_or = _binary("BitwiseOr", rl.bitwise_or, "The bits that one has.", takes_numbers=False)
bitwise_xor = _binary("BitwiseXor", rl.bitwise_xor, "The bits that just one has.", takes_numbers=False)
left_shift = _binary("LeftShift", rl.bitwise_left_shift, "The bits moved up.", takes_numbers=False)
right_shift = _binary("RightShift", rl.bitwise_right_shift, "The bits moved down.", takes_numbers=False)


def invert(x: Any, name: str | None = None) -> Tensor:
    """The bits that it does not have."""
    value = convert_to_tensor(x)
    return node("Invert", rl.bitwise_not, [value], value.dtype, value.shape, name)
