"""Special functions of contiguous arrays: read, widened to float64, computed and rounded once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..codegen import vector_special
from ..codegen.loop_text import F32, F64, I64, PTR, Body, Module, Type, Value
from .vector_registers import registers

_SCALARS: Final = {4: F32, 8: F64}


def text(function: str, itemsize: int) -> str:
    """``kernel(n, x, y)``: ``y[i]`` is one of ``vector_special.FUNCTIONS`` of ``x[i]``, for i below n."""
    return _elementwise(vector_special.FUNCTIONS[function], itemsize)


def polygamma_text(n: int, cotangent_derivative: tuple[float, ...], itemsize: int) -> str:
    """The same of ``vector_special.polygamma``."""
    return _elementwise(lambda b, x: vector_special.polygamma(b, x, n, cotangent_derivative), itemsize)


def bessel_text(
    order: int, scaled: bool, near: tuple[float, ...], far: tuple[float, ...], itemsize: int
) -> str:
    """The same of ``vector_special.bessel_i``."""
    return _elementwise(lambda b, x: vector_special.bessel_i(b, x, order, scaled, near, far), itemsize)


def _elementwise(function: Callable[[Body, Value], Value], itemsize: int) -> str:
    lanes = registers().size // 8
    module = Module()
    wide = Type("double", lanes)
    inner = Body(module, "function", wide, [wide])
    inner.finish(function(inner, inner.parameters[0]))
    b = Body(module, "kernel", None, [I64, PTR, PTR], linkage="")
    count, source, target = b.parameters
    scalar = _SCALARS[itemsize]
    vector = Type(scalar.scalar, lanes)

    def computed(x: Value) -> Value:
        x = x.convert("fpext", "double") if itemsize == 4 else x
        y = b.call("function", wide, [x], " #1")
        return y.convert("fptrunc", "float") if itemsize == 4 else y

    whole = count & -lanes
    with b.loop(b.i64(0), whole, lanes) as i:
        x = b.load(vector, b.element(scalar, source, i), itemsize)
        b.store(computed(x), b.element(scalar, target, i), itemsize)
    with b.when(whole < count):
        mask = b.counting("i64", lanes) < b.splat(count - whole, lanes)
        x = b.masked_load(vector, b.element(scalar, source, whole), itemsize, mask)
        b.masked_store(computed(x), b.element(scalar, target, whole), itemsize, mask)
    b.finish()
    return module.text()
