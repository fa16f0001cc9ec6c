"""Small plans for the tests of the runtime."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight.compiler.codegen.structured import F32, I32, Function, ir
from rushlight.compiler.launch import Launch, Place, Space

# Enough, as the plan's estimates go, that workers are asked to help.
MUCH = 10_000_000


def add_constant(constant: float) -> str:
    """``pointers[1][i] = pointers[0][i] + constant``, for each unit i."""
    f = Function()
    with f.loop(f.begin, f.end) as i:
        f.store(f.b.fadd(f.load(F32, f.pointer(0), i), ir.Constant(F32, constant)), f.pointer(1), i)
    return f.finish()


def row_sums() -> str:
    """``pointers[1][i] = sum(pointers[0][i * ints[0] :][: ints[0]])``, by way of scratch memory."""
    f = Function()
    with f.loop(f.begin, f.end) as i:
        f.store(ir.Constant(F32, 0.0), f.scratch)
        with f.loop(0, f.int_(0)) as j:
            x = f.load(F32, f.pointer(0), f.add(f.mul(i, f.int_(0)), j))
            f.store(f.b.fadd(f.load(F32, f.scratch), x), f.scratch)
        f.store(f.load(F32, f.scratch), f.pointer(1), i)
    return f.finish()


def sleeping() -> str:
    """Every unit sleeps ``ints[0]`` microseconds, then adds one to the number at ``pointers[0]``."""
    f = Function()
    with f.loop(f.begin, f.end):
        f.call("usleep", I32, [f.b.trunc(f.int_(0), I32)])
        f.b.atomic_rmw("add", f.pointer(0), f.i64(1), "seq_cst")
    return f.finish()


def arena(offset: int) -> Place:
    return Place(Space.ARENA, 0, offset)


def input_(number: int, offset: int = 0) -> Place:
    return Place(Space.INPUT, number, offset)


def output(number: int, offset: int = 0) -> Place:
    return Place(Space.OUTPUT, number, offset)


def line(text: str, places: tuple[Place, ...], units: int, *, work: int = MUCH, **rest: Any) -> Launch:
    fields: dict[str, Any] = {"ints": (), "grain": 1, "scratch": 0, "label": "", "flops": 0, "bytes": work}
    fields.update(rest)
    return Launch(text=text, name="kernel", places=places, units=units, **fields)


def chain(length: int, size: int, *, work: int = MUCH, grain: int = 8) -> tuple[list[Launch], int]:
    """Lines that each add one to all of the line before: input 0 to output 0; and the bytes of arena they need."""
    text = add_constant(1.0)
    lines = []
    source = input_(0)
    for number in range(length):
        target = output(0) if number == length - 1 else arena(number % 2 * size * 4)
        lines.append(line(text, (source, target), size, work=work, grain=grain, label=f"line {number}"))
        source = target
    return lines, 2 * size * 4


def float32(*shape: int) -> tuple[tuple[int, ...], Any]:
    return shape, np.dtype(np.float32)
