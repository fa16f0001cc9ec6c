"""Evenly spaced numbers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
from llvmlite import ir

from ..codegen.structured import F32, F64, I64, Function

_LANES: Final = 8
_TYPES: Final = {np.dtype(np.float32): F32, np.dtype(np.float64): F64}


@lru_cache(maxsize=8)
def text(dtype: np.dtype[Any], fused: bool) -> str:
    """``target[i] = x(i) · factor + offset`` for the units i, where ``x(i) = ints[0] + ints[1] · i``.

    pointers: target, and factor and offset side by side. ``fused``: in the target's dtype (of x too), rounded once; otherwise
    in float64, rounded after each step and once more to the target's dtype.
    """
    f = Function("kernel", as_written=True)
    element = _TYPES[dtype]
    kind = element if fused else F64
    first, step, target, numbers = f.int_(0), f.int_(1), f.pointer(0), f.pointer(1)
    factor, offset = [f.splat(f.load(kind, numbers, i), _LANES) for i in range(2)]
    steps = f.b.mul(ir.Constant(ir.VectorType(I64, _LANES), list(range(_LANES))), f.splat(step, _LANES))
    vector = ir.VectorType(kind, _LANES)

    def some(i: Any, mask: Any) -> None:
        x = f.b.sitofp(f.b.add(f.splat(f.add(first, f.mul(i, step)), _LANES), steps), vector)
        if fused:
            name = f"llvm.fma.v{_LANES}{'f32' if kind == F32 else 'f64'}"
            value = f.call(name, vector, [x, factor, offset])
        else:
            value = f.b.fadd(f.b.fmul(x, factor), offset)
        if kind != element:
            value = f.b.fptrunc(value, ir.VectorType(element, _LANES))
        f.store_vector(value, target, i, mask)

    whole = f.add(f.begin, f.mul(f.divide(f.sub(f.end, f.begin), _LANES), _LANES))
    with f.loop(f.begin, whole, _LANES) as i:
        some(i, None)
    with f.when(f.less(whole, f.end)):
        some(whole, f.lanes_below(f.sub(f.end, whole), _LANES))
    return f.finish()
