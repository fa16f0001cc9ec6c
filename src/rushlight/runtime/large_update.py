"""The update of a large parameter as one kernel.

An optimizer's update is a dozen tensor operations on arrays of the parameter's size, each a pass over memory. For a large
parameter they are recorded and run as the program that they make: one pass that reads the gradient and changes parameter
and state in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.tensor import Tensor
from .programs import compiles, execute
from .recording import Tape

# Elements from which on recording a dozen operations costs less than their passes over memory.
LARGE_PARAMETER: Final = 131_072
ndarray = np.ndarray


def update_large(
    update: Callable[..., None], param: Tensor, grad: Tensor, state: dict[str, Any], options: dict[str, Any]
) -> None:
    """``update(param, grad, state, options)`` for real arrays, outside of any recording."""
    if type(param._array) is not ndarray or type(grad._array) is not ndarray or not compiles():
        update(param, grad, state, options)
        return
    tape = Tape(execute)
    try:
        tape.adopt(param)
        tape.adopt(grad)
        for value in state.values():
            # Counters stay numbers: their values are asked for.
            if isinstance(value, Tensor) and type(value._array) is ndarray and value._array.ndim:
                tape.adopt(value)
        update(param, grad, state, options)
    finally:
        tape.finish()
