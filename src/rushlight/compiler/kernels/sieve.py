"""Lists of what is not zero, each value with the place of its partners: what convolutions without zeros go over."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from ..codegen.structured import I32, I64, Function
from .vector_registers import registers


def lists_can_be_made() -> bool:
    """Whether the processor has the instructions that bring a vector's lanes together: AVX-512."""
    return registers().number >= 32 and registers().size >= 64


def float_type(double: bool) -> np.dtype[Any]:
    return np.dtype(np.float64 if double else np.float32)


def append(f: Function, list_: Any, room: Any, count: Any, x: Any, places: Any, kept: Any) -> Any:
    """Add the lanes of ``x`` that are kept, and their places, to a list of ``count`` entries; how many it has then.

    A list is room for values, then for places, of as many elements: whole vectors are written, the last ones past its end.
    """
    f.store_vector(f.compressed(x, kept), list_, count)
    f.store_vector(f.compressed(places, kept), f.at(x.type.element, list_, room), count)
    return f.add(count, f.call("llvm.ctpop.i64", I64, [f.bits(kept)]))


def entry(f: Function, element: Any, lanes: int, list_: Any, room: Any, number: Any) -> tuple[Any, Any]:
    """A list's entry: its value in every lane, and its place in bytes."""
    factor = f.splat(f.load(element, list_, number), lanes)
    return factor, f.b.sext(f.load(I32, f.at(element, list_, room), number), I64)


def partners(f: Function, base: Any, place: Any) -> Any:
    """Where an entry's partners begin."""
    return f.b.gep(base, [place], source_etype=ir.IntType(8), inbounds=True)
