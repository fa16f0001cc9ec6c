"""The float32 Box-Muller transform against the same polynomials with true fused multiply-adds, on every input."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rushlight.core import box_muller

F32 = np.float32
Floats = NDArray[np.float32]


def fused(a: Floats, b: Floats, c: Floats | np.float32) -> Floats:
    """``a * b + c`` rounded once: the float64 sum is rounded to odd, so that the second rounding sees its remainder."""
    product, addend = np.broadcast_arrays(a.astype(np.float64) * b.astype(np.float64), np.float64(c))
    total = product + addend
    part = total - product
    lost = (product - (total - part)) + (addend - part)
    even = total.view(np.int64) & 1 == 0
    odd = np.nextafter(total, np.where(lost > 0, np.inf, -np.inf))
    return np.where((lost != 0) & even, odd, total).astype(F32)


def polynomial(x: Floats, *coefficients: float) -> Floats:
    value = np.full_like(x, F32(coefficients[0]))
    for coefficient in coefficients[1:]:
        value = fused(value, x, F32(coefficient))
    return value


def radii(steps: NDArray[np.int32]) -> Floats:
    mantissa, exponent = np.frexp(F32(1) - steps.astype(F32) * F32(2**-24))
    small = mantissa < F32(0.707106781186547524)
    x = np.where(small, mantissa + mantissa, mantissa) - F32(1)
    e = (exponent - small).astype(F32)
    z = x * x
    y = polynomial(
        x, 7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
        -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    )  # fmt: skip
    y = fused(y * x, z, e * F32(-2.12194440e-4))
    logarithm = x + (y - z * F32(0.5)) + e * F32(0.693359375)
    return np.sqrt(F32(-2) * logarithm)


def sines_and_cosines(steps: NDArray[np.int32]) -> Floats:
    angle = F32(2 * np.pi) * (steps.astype(F32) * F32(2**-24))
    octant = (angle * F32(1.27323954473516)).astype(np.int32) + 1 & ~1
    for part in (0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8):
        angle = fused(octant.astype(F32), np.full_like(angle, -F32(part)), angle)
    z = angle * angle
    cosine = polynomial(z, 2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2) * z
    cosine = fused(cosine, z, F32(-0.5) * z) + F32(1)
    sine = polynomial(z, -1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1) * z
    sine = fused(sine, angle, angle)
    swapped = octant & 2 != 0
    return np.stack(
        [
            np.where(octant & 4, F32(-1), F32(1)) * np.where(swapped, cosine, sine),
            np.where(octant + 2 & 4, F32(-1), F32(1)) * np.where(swapped, sine, cosine),
        ]
    )


def assert_exact(steps: NDArray[np.int32]) -> None:
    scratch = box_muller._Scratch(steps.size)
    assert box_muller._radii(steps, scratch).tobytes() == radii(steps).tobytes()
    assert box_muller._sines_and_cosines(steps, scratch).tobytes() == sines_and_cosines(steps).tobytes()


def test_exact_on_some_inputs() -> None:
    ends = np.concatenate([np.arange(2000), 2**24 - 1 - np.arange(2000), np.arange(0, 2**24, 997)])
    assert_exact(ends.astype(np.int32))


@pytest.mark.slow
def test_exact_on_all_inputs() -> None:
    for start in range(0, 2**24, 2**19):
        assert_exact(np.arange(start, start + 2**19, dtype=np.int32))


@pytest.mark.parametrize("blocks", [0, 1, 2047, 2048, 2049, 5000])
def test_blocks_are_independent(blocks: int) -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, (blocks, 16), dtype=np.uint32)
    normals = box_muller.standard_normals(bits)
    assert (normals.shape, normals.dtype) == ((blocks, 16), np.float32)
    steps = (bits & 0xFFFFFF).astype(np.int32)
    sine, cosine = sines_and_cosines(steps[:, 8:].reshape(-1)).reshape(2, -1, 8)
    r = radii(steps[:, :8].reshape(-1)).reshape(-1, 8)
    assert (normals[:, :8] == r * cosine).all()
    assert (normals[:, 8:] == r * sine).all()


def test_the_input_is_left_alone() -> None:
    bits = np.full((1, 16), 0xFFFFFFFF, np.uint32)
    bits.setflags(write=False)
    assert box_muller.standard_normals(bits)[0, 0] == pytest.approx(5.7681, abs=1e-4)
