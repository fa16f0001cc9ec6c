"""Runs the launches that ``calls_for`` gives, as a plan would, on fresh memory."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from rushlight.compiler.kernels import calls_for
from rushlight.compiler.launch import KernelCall, Role
from rushlight.compiler.native import load

Shape = tuple[int, ...]
_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, *[ctypes.c_void_p] * 3)


@cache
def _function(text: str, name: str) -> Any:
    return _KERNEL(load(text, name))


def aligned(size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """``size`` bytes from an address that is a multiple of 64, full of what no sum survives."""
    memory = np.full(size + 64, 0xFF, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size]


class Prepared:
    """Launches on given operands. ``run`` does them; ``split(units)`` cuts a launch's units into ranges."""

    def __init__(self, calls: tuple[KernelCall, ...], operands: list[Any], results: list[Any]) -> None:
        self.results = results
        self.operands = [np.ascontiguousarray(x) for x in operands]
        self.workspaces = [aligned(max(size, 1)) for size in calls[0].workspaces] if calls else []
        self.lines = []
        for call in calls:
            addresses = []
            for role, number, offset in call.pointers:
                memory = {Role.OPERAND: self.operands, Role.RESULT: results, Role.WORKSPACE: self.workspaces}[
                    role
                ]
                addresses.append(memory[number].ctypes.data + offset)
            ints = np.array([*call.ints, 0], np.int64)
            pointers = np.array([*addresses, 0], np.uint64)
            self.lines.append((_function(call.text, call.name), call, ints, pointers))

    def run(self, split: Callable[[int], list[tuple[int, int]]] = lambda units: [(0, units)]) -> None:
        for number in {i for _, call, _, _ in self.lines for i in call.accumulates}:
            self.results[number].fill(0)
        for function, call, ints, pointers in self.lines:
            for begin, end in split(call.units):
                scratch = aligned(call.scratch)
                function(begin, end, ints.ctypes.data, pointers.ctypes.data, scratch.ctypes.data)


def one_by_one(units: int) -> list[tuple[int, int]]:
    """Each unit alone, the last first."""
    return [(i, i + 1) for i in reversed(range(units))]


def prepared(
    name: str,
    operands: list[Any],
    results: list[tuple[Shape, Any]],
    parameters: dict[str, Any],
    literals: tuple[tuple[int, Any], ...] = (),
    zeros: tuple[float, ...] = (),
) -> Prepared | None:
    """The native form of a record on these operands; None where there is none."""
    calls = calls_for(
        name,
        tuple([x.shape for x in operands]),
        tuple([x.dtype for x in operands]),
        tuple([shape for shape, _ in results]),
        parameters,
        literals,
        zeros,
    )
    if calls is None:
        return None
    made = []
    for shape, dtype in results:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        made.append(aligned(size).view(dtype).reshape(shape))
    return Prepared(calls, operands, made)


def compare(
    record: Any,
    arguments: tuple[Any, ...],
    attrs: dict[str, Any],
    tolerance: float,
    native: bool = True,
    zeros: tuple[float, ...] = (),
) -> None:
    """A record's native kernels against its NumPy implementation, and against themselves with every unit alone.

    ``tolerance``: of the largest result, absolute. ``zeros``: what the kernels are told of the operands.
    Results must be the same bits however the units are split.
    """
    expected = record.impl(*arguments, **attrs)
    single = not isinstance(expected, tuple)
    wanted = [np.asarray(x) for x in ([expected] if single else expected)]
    operands = [x for x in arguments if isinstance(x, np.ndarray)]
    literals = tuple([(i, x) for i, x in enumerate(arguments) if not isinstance(x, np.ndarray)])
    ready = prepared(record.name, operands, [(x.shape, x.dtype) for x in wanted], attrs, literals, zeros)
    assert (ready is not None) == native, record.name
    if ready is None:
        return
    ready.run()
    first = [x.copy() for x in ready.results]
    for got, want in zip(first, wanted, strict=True):
        if want.dtype.kind == "f":
            scale = float(np.max(np.abs(want[np.isfinite(want)]), initial=0.0))
            np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * max(scale, 1e-30))
        else:
            np.testing.assert_array_equal(got, want)
    for memory in ready.workspaces:
        memory.fill(0xFF)
    for result in ready.results:
        result.reshape(-1).view(np.uint8).fill(0xFF)
    ready.run(one_by_one)
    for got, want in zip(ready.results, first, strict=True):
        assert got.tobytes() == want.tobytes(), f"{record.name} depends on how its units are split"


def samples_of(record: Any) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """A record's samples, all as (arguments, attributes)."""
    return [
        sample if len(sample) == 2 and isinstance(sample[1], dict) else (sample, {})
        for sample in record.samples()
    ]
