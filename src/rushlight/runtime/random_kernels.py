"""Compiled forms of large random draws: mt19937 itself, float64 fractions, Box-Muller, and the shuffle.

Bit for bit what ``core.generator``, ``core.box_muller`` and ``core.random_integers`` compute with NumPy, whose comments
explain the formulas: integers have no rounding, and each floating-point operation here is one there (a fused
multiply-add is there a float64 sum rounded to float32, which was shown to be the same for every input that occurs).

Sources: M. Matsumoto and T. Nishimura, "Mersenne Twister", 1998; G. E. P. Box and M. E. Muller, 1958.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..compiler import native
from ..compiler.codegen.loop_text import F32, F64, I32, I64, PTR, Body, Module, Type, Value
from ..core import native_draws
from .programs import compiles

BLOCK: Final = 624  # words of mt19937
_AHEAD: Final = 397
_LANES: Final = 16
_UPPER, _LOWER, _TWIST = 0x80000000, 0x7FFFFFFF, 0x9908B0DF
_LOG = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
    2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
_LOG2_LOW, _LOG2_HIGH = -2.12194440e-4, 0.693359375
_SINE = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_COSINE = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_FOUR_OVER_PI = 1.27323954473516
_EIGHTH_TURN = (0.78515625, 2.4187564849853515625e-4, -3.77489497744594108e-8)
_TURN_PER_STEP = float(np.float32(2 * np.pi)) * 2.0**-24
_SQRT_HALF_BITS = 0x3F3504F3


def _shifted_right(b: Body, value: Value, count: int) -> Value:
    """By zeros: of a number without a sign."""
    return b.binary("lshr", value, b.const(value.type, count))


# --- mt19937 ----------------------------------------------------------------------------------------------------------


def _twisted(b: Body, this: Value, following: Value, ahead: Value) -> Value:
    mixed = (this & _UPPER) | (following & _LOWER)
    odd = -(mixed & 1) & _TWIST
    return ahead ^ _shifted_right(b, mixed, 1) ^ odd


def _tempered(b: Body, y: Value) -> Value:
    y = y ^ _shifted_right(b, y, 11)
    y = y ^ ((y << 7) & 0x9D2C5680)
    y = y ^ ((y << 15) & 0xEFC60000)
    return y ^ _shifted_right(b, y, 18)


def _words_text() -> str:
    """words(state, drawn, blocks)."""
    module = Module()
    b = Body(module, "words", None, [PTR, PTR, I64], linkage="")
    state, drawn, blocks = b.parameters
    wide = Type("i32", _LANES)

    def twist(type_: Type, at: Value, ahead: int) -> None:
        """The words from ``at`` on: each from itself, its neighbour, and the word ``ahead`` of it."""
        this = b.load(type_, b.element(I32, state, at), 4)
        following = b.load(type_, b.element(I32, state, at + 1), 4)
        third = b.load(type_, b.element(I32, state, at + ahead), 4)
        b.store(_twisted(b, this, following, third), b.element(I32, state, at), 4)

    def part(first: int, stop: int, ahead: int) -> None:
        whole = first + (stop - first) // _LANES * _LANES
        with b.loop(b.i64(first), b.i64(whole), _LANES) as at:
            twist(wide, at, ahead)
        with b.loop(b.i64(whole), b.i64(stop), 1) as at:
            twist(I32, at, ahead)

    with b.loop(b.i64(0), blocks, 1) as block:
        part(0, BLOCK - _AHEAD, _AHEAD)
        part(BLOCK - _AHEAD, BLOCK - 1, _AHEAD - BLOCK)
        last = b.element(I32, state, BLOCK - 1)
        ahead = b.load(I32, b.element(I32, state, _AHEAD - 1), 4)
        b.store(_twisted(b, b.load(I32, last, 4), b.load(I32, state, 4), ahead), last, 4)
        into = b.element(I32, drawn, block * BLOCK)
        with b.loop(b.i64(0), b.i64(BLOCK), _LANES) as at:
            y = b.load(wide, b.element(I32, state, at), 4)
            b.store(_tempered(b, y), b.element(I32, into, at), 4)
    b.finish()
    return module.text()


# --- conversions ------------------------------------------------------------------------------------------------------


def _units64_text() -> str:
    """units64(words, units, count)."""
    module = Module()
    b = Body(module, "units64", None, [PTR, PTR, I64], linkage="")
    words, units, count = b.parameters

    def convert(lanes: int, at: Value) -> None:
        pair = b.load(Type("i64", lanes), b.element(I64, words, at), 4)
        # In memory the high word comes first.
        high = pair & 0x1FFFFF
        low = _shifted_right(b, pair, 32)
        value = high.convert("sitofp", "double") * 2.0**-21 + low.convert("sitofp", "double") * 2.0**-53
        b.store(value, b.element(F64, units, at), 8)

    whole = count & -8
    with b.loop(b.i64(0), whole, 8) as at:
        convert(8, at)
    with b.loop(whole, count, 1) as at:
        convert(1, at)
    b.finish()
    return module.text()


def _radii(b: Body, steps: Value) -> Value:
    """``sqrt(-2 log(1 - steps / 2**24))``."""
    bits = (b.const(steps.type, 1 << 24) - steps).convert("sitofp", "float").bits()
    shifted = bits - _SQRT_HALF_BITS
    x = (bits - (shifted & -(1 << 23))).float_of_bits() - 1.0
    exponent = (shifted >> 23).convert("sitofp", "float") - 24.0
    square = x * x
    y = b.const(x.type, _LOG[0])
    for coefficient in _LOG[1:]:
        y = b.fma(y, x, coefficient)
    y = b.fma(y * x, square, exponent * _LOG2_LOW) - square * 0.5
    return b.sqrt((x + y + exponent * _LOG2_HIGH) * -2.0)


def _sine_and_cosine(b: Body, steps: Value) -> tuple[Value, Value]:
    """Of ``2 pi steps / 2**24``."""
    angle = steps.convert("sitofp", "float") * _TURN_PER_STEP
    octant = ((angle * _FOUR_OVER_PI).convert("fptosi", "i32") + 1) & -2
    turned = octant.convert("sitofp", "float")
    angle = angle - turned * _EIGHTH_TURN[0] - turned * _EIGHTH_TURN[1]
    angle = b.fma(turned, _EIGHTH_TURN[2], angle)
    square = angle * angle

    def polynomial(coefficients: tuple[float, ...]) -> Value:
        y = b.const(square.type, coefficients[0])
        for coefficient in coefficients[1:]:
            y = b.fma(y, square, coefficient)
        return y * square

    sine = b.fma(polynomial(_SINE), angle, angle).bits()
    cosine = (b.fma(polynomial(_COSINE), square, square * -0.5) + 1.0).bits()
    # Octants 2 and 6 swap the two; the sine is negative in 4 and 6, the cosine in 2 and 4.
    swapped = (sine ^ cosine) & ((octant << 30) >> 31)
    sine, cosine = sine ^ swapped, cosine ^ swapped
    return (
        (sine ^ ((octant & 4) << 29)).float_of_bits(),
        (cosine ^ (((octant + 2) & 4) << 29)).float_of_bits(),
    )


def _normals_text() -> str:
    """normals(words, normals, blocks): blocks of sixteen."""
    module = Module()
    b = Body(module, "normals", None, [PTR, PTR, I64], linkage="")
    words, normals, blocks = b.parameters
    eight = Type("i32", 8)
    with b.loop(b.i64(0), blocks, 1) as block:
        at = block * 16
        first = b.load(eight, b.element(I32, words, at), 4) & 0xFFFFFF
        second = b.load(eight, b.element(I32, words, at + 8), 4) & 0xFFFFFF
        radii = _radii(b, first)
        sine, cosine = _sine_and_cosine(b, second)
        b.store(cosine * radii, b.element(F32, normals, at), 4)
        b.store(sine * radii, b.element(F32, normals, at + 8), 4)
    b.finish()
    return module.text()


def _shuffle_text() -> str:
    """shuffle(words, order, count)."""
    module = Module()
    b = Body(module, "shuffle", None, [PTR, PTR, I64], linkage="")
    words, order, count = b.parameters
    with b.loop(b.i64(0), count - 1, 1) as at:
        word = b.load(I32, b.element(I32, words, at), 4)
        left = (count - at).convert("trunc", "i32")
        distance = b.binary("urem", word, left).convert("zext", "i64")
        here, there = b.element(I64, order, at), b.element(I64, order, at + distance)
        value = b.load(I64, here, 8)
        b.store(b.load(I64, there, 8), here, 8)
        b.store(value, there, 8)
    b.finish()
    return module.text()


class Draws:
    """``core.native_draws.NativeDraws``. Compiled, or read from the cache, when it is made."""

    def __init__(self) -> None:
        texts = {
            "words": _words_text(),
            "units64": _units64_text(),
            "normals": _normals_text(),
            "shuffle": _shuffle_text(),
        }
        type_ = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
        addresses = native.load_many([(text, name) for name, text in texts.items()])
        self._words, self._units64, self._normals, self._shuffle = [type_(address) for address in addresses]

    def words(self, state: int, drawn: NDArray[Any]) -> None:
        """mt19937's next numbers, whole blocks of 624."""
        self._words(state, drawn.ctypes.data, drawn.size // BLOCK)

    def units64(self, words: NDArray[Any], units: NDArray[Any]) -> None:
        """float64 fractions of two words each."""
        self._units64(words.ctypes.data, units.ctypes.data, units.size)

    def normals(self, words: NDArray[Any]) -> NDArray[Any]:
        """Standard normals, ``(blocks, 16)``, of words of that shape."""
        normals = np.empty(words.shape, np.float32)
        self._normals(np.ascontiguousarray(words).ctypes.data, normals.ctypes.data, len(words))
        return normals

    def shuffle(self, words: NDArray[Any], order: NDArray[Any]) -> None:
        """The shuffle of ``randperm``, in place."""
        self._shuffle(words.ctypes.data, order.ctypes.data, order.size)


def load() -> native_draws.NativeDraws | None:
    """The compiled draws; None where nothing is compiled. Words are read in pairs, low one first."""
    return Draws() if sys.byteorder == "little" and compiles() else None
