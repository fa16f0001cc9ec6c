"""The recursion over time of the connectionist temporal classification loss, in logarithms of probabilities."""

from __future__ import annotations

from functools import lru_cache

from ...ir.scalar import ScalarOp
from ..codegen import vector_math
from ..codegen.loop_text import F64, I64, PTR, Body, Module, Type, Value
from .vector_registers import registers

_LOWEST = -1.7e308


@lru_cache(maxsize=1)
def text() -> str:
    """For the samples begin ... end: from the row of a table where a sample's recursion starts, row after row of

        ``table[t][n][written + s] = log(sum of e^table[t'][n][s + k], k = 0, 1, 2) + emitted[t][n][s]``, t' the step before,

    where the term at ``barred_term`` has ``barred[n][s]`` added. ints: width, elements between two steps of the table
    (negative: backward in time) and of what is emitted, ``written``, ``barred_term``. pointers: table (with width + 2
    columns), emitted, barred, and of each sample the step that it starts at and how many rows follow.
    """
    lanes = registers().size // 8
    module = Module()
    wide = Type("double", lanes)
    inner = Body(module, "log_add", wide, [wide] * 3)
    a, b, c = inner.parameters
    inner.finish(_log_add(inner, a, b, c))
    f = Body(module, "kernel", None, [I64, I64, PTR, PTR, PTR], linkage="")
    begin, end, ints, pointers, _ = f.parameters
    width, step, step_emitted, written, barred_term = [f.load(I64, f.element(I64, ints, i)) for i in range(5)]
    table, emitted, barred, starts, counts = [f.load(PTR, f.element(PTR, pointers, i)) for i in range(5)]
    columns = width + 2
    lane_numbers = f.counting("i64", lanes)
    with f.loop(begin, end, 1) as n:
        start = f.load(I64, f.element(I64, starts, n))
        count = f.load(I64, f.element(I64, counts, n))
        size = f.select(step < 0, -step, step)
        size_emitted = f.select(step < 0, -step_emitted, step_emitted)
        top = f.element(F64, table, start * size + n * columns)
        top_emitted = f.element(F64, emitted, start * size_emitted + n * width)
        penalties = f.element(F64, barred, n * width)
        with f.loop(f.i64(0), count, 1) as k:
            before = f.element(F64, top, k * step)
            now = f.element(F64, f.element(F64, top, (k + 1) * step), written)
            here = f.element(F64, top_emitted, (k + 1) * step_emitted)
            with f.loop(f.i64(0), width, lanes) as s:
                mask = lane_numbers < f.splat(width - s, lanes)
                penalty = f.masked_load(wide, f.element(F64, penalties, s), 8, mask)
                terms = []
                for i in range(3):
                    term = f.masked_load(wide, f.element(F64, before, s + i), 8, mask)
                    chosen = f.splat(barred_term.same(i), lanes)
                    terms.append(f.select(chosen, term + penalty, term))
                total = f.call("log_add", wide, terms, " #1")
                total = total + f.masked_load(wide, f.element(F64, here, s), 8, mask)
                f.masked_store(total, f.element(F64, now, s), 8, mask)
    f.finish()
    return module.text()


def _log_add(f: Body, a: Value, b: Value, c: Value) -> Value:
    top = f.larger(_LOWEST, f.larger(a, f.larger(b, c)))
    total: Value | None = None
    for term in (a, b, c):
        part = vector_math.call(f, ScalarOp.EXP, [term - top])
        total = part if total is None else total + part
    assert total is not None
    return vector_math.call(f, ScalarOp.LOG, [total]) + top
