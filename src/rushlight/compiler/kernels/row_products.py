"""A row times a matrix that lies column by column: one dot product for each column, at the speed of memory.

What inference on one input consists of (``x @ weight.T``). The matrix is read once, from its beginning to its end, which is
what the processor's prefetching is made for; the row stays in the first-level cache.

Each dot product is summed in 64 parts of every 64th element (float64: 32), which are then added by halves: who adds what
follows from the length alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from llvmlite import ir

from ..codegen.structured import F32, F64, I8, Function

#: Where the kernel finds its integers; the batch's come after LAST. Strides are in bytes.
(ALPHA, BETA, N, K, COLUMNS, PIECES, B_COLUMN, C_COLUMN, LAST) = range(9)
_SUMS: Final = 4


@lru_cache(maxsize=16)
def text_of(
    double: bool,
    coefficients: Callable[[Function, Any], tuple[Any, Any]],
    batch_offsets: Callable[[Function, Any, int], list[Any]],
) -> str:
    """The kernel. A unit is COLUMNS columns of one product of the batch; the row's elements are neighbours."""
    f = Function("kernel", as_written=True)
    b = f.b
    type_, lanes = (F64, 8) if double else (F32, 16)
    alpha, beta = coefficients(f, type_)
    n, k, columns, pieces, b_column, c_column = (
        f.int_(at) for at in (N, K, COLUMNS, PIECES, B_COLUMN, C_COLUMN)
    )
    bases = [f.pointer(number) for number in range(3)]
    zero = f.zero(type_, lanes)
    fresh = b.fcmp_ordered("==", beta, ir.Constant(type_, 0.0))
    turn = _SUMS * lanes
    whole = f.mul(f.divide(k, turn), turn)
    vectors = f.mul(f.divide(k, lanes), lanes)
    mask = f.lanes_below(f.sub(k, vectors), lanes)
    with f.loop(f.begin, f.end) as unit:
        offsets = batch_offsets(f, f.divide(unit, pieces), LAST)
        x, matrix, result = (f.at(I8, base, offset) for base, offset in zip(bases, offsets, strict=True))
        first = f.mul(f.remainder(unit, pieces), columns)
        with f.loop(first, f.minimum(f.add(first, columns), n)) as j:
            column = f.at(I8, matrix, f.mul(j, b_column))

            def added(total: Any, at: Any, column: Any = column, mask: Any = None, x: Any = x) -> Any:
                left = f.load_vector(type_, lanes, x, at, mask)
                return f.multiply_add(left, f.load_vector(type_, lanes, column, at, mask), total)

            with f.carried(0, whole, [zero] * _SUMS, turn) as (i, sums):
                sums[:] = [added(total, f.add(i, lanes * part)) for part, total in enumerate(sums)]
            with f.carried(whole, vectors, [sums[0]], lanes) as (i, rest):
                rest[0] = added(rest[0], i)
            sums[0] = added(rest[0], vectors, mask=mask)
            total = f.total(b.fadd(b.fadd(sums[0], sums[1]), b.fadd(sums[2], sums[3])))
            value = f.variable(type_, b.fmul(total, alpha))
            place = f.at(I8, result, f.mul(j, c_column))
            with f.when(b.not_(fresh)):  # else what is there does not count: it may be NaN
                f.set(value, f.multiply_add(beta, f.load(type_, place), f.get(value, type_)))
            f.store(f.get(value, type_), place)
    return f.finish()
