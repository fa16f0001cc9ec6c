"""Matrix products by a loop of our own: for those so small that the call of OpenBLAS costs more than they do, and for integers.

Four rows and eight columns of the result are summed at a time, over k in order. Right operands whose columns are not
neighbours in memory are copied to scratch memory first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import numpy as np
from llvmlite import ir

from ..codegen import structured
from ..codegen.structured import I8, I64

_LANES: Final = 8
_ROWS: Final = 4

#: LLVM's types for the dtypes that there is a loop for.
ELEMENTS: Final = {
    "float32": structured.F32,
    "float64": structured.F64,
    "int8": I8,
    "uint8": I8,
    "int16": ir.IntType(16),
    "int32": structured.I32,
    "int64": I64,
}

# Where the kernel finds its integers; after LAST come the batch's.
ALPHA, BETA, M, N, K, ROWS, ACROSS, A_ROW, A_INNER, B_INNER, B_COLUMN, C_ROW, LAST = range(13)


def supported(dtype: Any) -> bool:
    """Whether there is a loop for elements of ``dtype``."""
    return np.dtype(dtype).name in ELEMENTS


@lru_cache(maxsize=64)
def small_product_text(
    dtype: str,
    packed: bool,
    coefficients: Callable[[structured.Function, Any], tuple[Any, Any]] | None,
    batch_offsets: Callable[[structured.Function, Any, int], list[Any]],
) -> str:
    """The kernel: a unit is ROWS rows of one product of the batch.

    ``coefficients`` gives alpha and beta; None: they are one and zero. ``packed``: the right operand is copied to scratch
    memory, K times N elements of it. Strides are in bytes.
    """
    f = structured.Function("kernel")
    b = f.b
    type_ = ELEMENTS[dtype]
    size = np.dtype(dtype).itemsize
    real = dtype.startswith("float")
    vector = ir.VectorType(type_, _LANES)
    m, n, k, rows, across = (f.int_(at) for at in (M, N, K, ROWS, ACROSS))
    a_row, a_inner, b_inner, b_column, c_row = (
        f.int_(at) for at in (A_ROW, A_INNER, B_INNER, B_COLUMN, C_ROW)
    )
    alpha_beta = None if coefficients is None else coefficients(f, type_)
    bases = [f.pointer(number) for number in range(3)]
    b_step = f.mul(n, size) if packed else b_inner

    def byte(base: Any, offset: Any) -> Any:
        return f.at(I8, base, offset)

    def spread(value: Any, wide: bool) -> Any:
        if not wide:
            return value
        first = b.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(structured.I32, 0))
        lanes = ir.Constant(ir.VectorType(structured.I32, _LANES), [0] * _LANES)
        return b.shuffle_vector(first, ir.Constant(vector, ir.Undefined), lanes)

    def multiply_add(total: Any, x: Any, y: Any) -> Any:
        if real:
            return b.fadd(total, b.fmul(x, y, flags=("contract",)), flags=("contract",))
        return b.add(total, b.mul(x, y))

    def block(a: Any, right: Any, c: Any, i: Any, j: Any, count: int, wide: bool) -> None:
        """``count`` rows from i on, of eight columns (or one) from j on."""
        kind = vector if wide else type_
        zero = ir.Constant(kind, [0] * _LANES if wide else 0)
        totals = [f.variable(kind) for _ in range(count)]
        for total in totals:
            f.set(total, zero)
        columns = byte(right, f.mul(j, size))
        places = [byte(a, f.mul(f.add(i, row), a_row)) for row in range(count)]
        with f.loop(0, k) as step:
            y = f.load(kind, byte(columns, f.mul(step, b_step)), align=size)
            inner = f.mul(step, a_inner)
            for total, place in zip(totals, places, strict=True):
                x = spread(f.load(type_, byte(place, inner), align=size), wide)
                f.set(total, multiply_add(f.get(total, kind), x, y))
        for row, total in enumerate(totals):
            result = f.get(total, kind)
            place = byte(c, f.add(f.mul(f.add(i, row), c_row), f.mul(j, size)))
            if alpha_beta is not None:
                alpha, beta = alpha_beta
                result = b.fmul(result, spread(alpha, wide))
                updated = f.variable(kind, result)
                with f.when(b.fcmp_unordered("!=", beta, ir.Constant(type_, 0.0))):
                    old = f.load(kind, place, align=size)
                    f.set(updated, multiply_add(result, spread(beta, wide), old))
                result = f.get(updated, kind)
            f.store(result, place, align=size)

    with f.loop(f.begin, f.end) as unit:
        offsets = batch_offsets(f, f.divide(unit, across), LAST)
        a, right, c = (byte(base, offset) for base, offset in zip(bases, offsets, strict=True))
        first = f.mul(f.remainder(unit, across), rows)
        last = f.minimum(f.add(first, rows), m)
        if packed:
            with f.loop(0, k) as step, f.loop(0, n) as column:
                source = byte(right, f.add(f.mul(step, b_inner), f.mul(column, b_column)))
                f.store(
                    f.load(type_, source, align=size), f.scratch, f.add(f.mul(step, n), column), align=size
                )
            right = f.scratch
        whole_rows = f.add(first, f.mul(f.divide(f.sub(last, first), _ROWS), _ROWS))
        whole_columns = f.mul(f.divide(n, _LANES), _LANES)
        for start, stop, count in ((first, whole_rows, _ROWS), (whole_rows, last, 1)):
            with f.loop(start, stop, count) as i:
                with f.loop(0, whole_columns, _LANES) as j:
                    block(a, right, c, i, j, count, True)
                with f.loop(whole_columns, n) as j:
                    block(a, right, c, i, j, count, False)
    return f.finish()
