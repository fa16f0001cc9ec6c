"""Adding rows of one array to rows of another that an index names, one after the other."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np

from ..codegen.structured import F32, F64, I64, Function
from .vector_registers import registers

_TYPES: Final = {np.dtype(np.float32): F32, np.dtype(np.float64): F64, np.dtype(np.int64): I64}


def takes(dtype: np.dtype[Any]) -> bool:
    """Whether there is a kernel for elements of this dtype."""
    return dtype in _TYPES


@lru_cache(maxsize=8)
def text(dtype: np.dtype[Any], single: bool) -> str:
    """``target[index[i]] += values[i]`` for the units i, in order. ints: the columns of a row; ``single``: there is one.

    pointers: target, index (int64, in range), values.
    """
    f = Function("kernel", as_written=True)
    element = _TYPES[dtype]
    add = f.b.add if element == I64 else f.b.fadd
    target, index, values = [f.pointer(i) for i in range(3)]
    if single:
        with f.loop(f.begin, f.end) as i:
            row = f.load(I64, index, i)
            f.store(add(f.load(element, target, row), f.load(element, values, i)), target, row)
        return f.finish()
    columns = f.int_(0)
    lanes = registers().size // dtype.itemsize
    whole = f.mul(f.divide(columns, lanes), lanes)
    mask: Any = f.lanes_below(f.sub(columns, whole), lanes)
    with f.loop(f.begin, f.end) as i:
        to = f.at(element, target, f.mul(f.load(I64, index, i), columns))
        of = f.at(element, values, f.mul(i, columns))

        def step(at: Any, kept: Any, to: Any = to, of: Any = of) -> None:
            sums = add(
                f.load_vector(element, lanes, to, at, kept), f.load_vector(element, lanes, of, at, kept)
            )
            f.store_vector(sums, to, at, kept)

        with f.loop(0, whole, lanes) as at:
            step(at, None)
        with f.when(f.b.icmp_signed("<", whole, columns)):
            step(whole, mask)
    return f.finish()
