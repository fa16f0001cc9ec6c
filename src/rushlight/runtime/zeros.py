"""A look at how much of an operand is zero."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_LOOKED_AT: Final = 61


def zeros_among_some(array: NDArray[Any]) -> float:
    """About how much of a contiguous array is zero: the share among 61 elements from all over it. Takes two microseconds."""
    some = array.reshape(-1)[:: max(1, array.size // _LOOKED_AT)]
    return 1.0 - np.count_nonzero(some) / max(1, some.size)
