"""Kernels of special functions against NumPy's way of them: the same approximations, so the same values to a few roundings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import rushlight
from rushlight.runtime import bessel, special_functions as own, special_kernels
from rushlight.runtime.programs import compiles

pytestmark = pytest.mark.skipif(not compiles(), reason="there is no compiler here")
RNG = np.random.default_rng(0)
ENDS = [
    0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, 4.0, 10.0, 12.0, -3.5, 1e-300, -1e-300,
    5e-324, 1e-10, -1e-10, 26.0, -26.0, -28.0, 28.0, 30.0, 100.0, 1.5, 0.6796875, 0.46875, 0.425, 0.85, -0.85, 1 - 1e-16, 1e100,
]  # fmt: skip
WIDE = np.concatenate([RNG.normal(size=5000) * np.exp(RNG.normal(size=5000) * 2), RNG.uniform(-9, 15, 5000)])
POINTS = {"erfinv": RNG.uniform(-1, 1, 10_000), "ndtri": RNG.uniform(0, 1, 10_000)}
NAMES = ["erfinv", "ndtri", "erfcx", "lgamma", "digamma", "polygamma 1", "polygamma 2", "polygamma 5"]


def both(name: str) -> tuple[Any, Any]:
    """NumPy's function, and its kernels."""
    if name.startswith("polygamma"):
        n = int(name.split()[1])
        text = own.polygamma_of_floats(n).__closure__
        kernel = next(
            cell.cell_contents
            for cell in text
            if isinstance(cell.cell_contents, special_kernels.SpecialKernel)
        )
        return (lambda x: own.polygamma(n, x)), kernel
    return getattr(own, name), special_kernels.kernel_of(name)


def computed(kernel: Any, x: Any) -> Any:
    """By the kernel, whatever the size."""
    run = kernel._of_float32 if x.dtype == np.float32 else kernel._of_float64
    run = run or kernel._make(np.dtype(x.dtype))
    y = np.full(x.size + 16, 7.0, x.dtype)
    run(x.size, x.ctypes.data, y.ctypes.data)
    assert (y[x.size :] == 7.0).all()  # nothing behind the end is written
    return y[: x.size]


@pytest.fixture(autouse=True)
def silent() -> Any:
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("name", NAMES)
def test_float64_is_numpys_to_a_few_roundings(name: str) -> None:
    function, kernel = both(name)
    x = POINTS.get(name, WIDE)
    # Near a zero of the function, of the size of its terms.
    np.testing.assert_allclose(computed(kernel, x), function(x), rtol=5e-14, atol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_ends_and_borders(name: str) -> None:
    function, kernel = both(name)
    x = np.array(ENDS)
    np.testing.assert_allclose(computed(kernel, x), function(x.copy()), rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [0, 1, 3, 7, 8, 9, 17, 100])
def test_float32_is_the_float64_value_rounded_once_at_every_length(name: str, size: int) -> None:
    function, kernel = both(name)
    x = POINTS.get(name, WIDE)[:size].astype(np.float32)
    expected = function(x.astype(np.float64)).astype(np.float32)
    np.testing.assert_array_max_ulp(computed(kernel, x), expected, 1)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("scaled", [False, True])
def test_modified_bessel_functions(order: int, scaled: bool) -> None:
    points = [RNG.uniform(-30, 30, 5000), RNG.normal(size=5000) * 10 ** RNG.uniform(-10, 3, 5000)]
    border = [8.0, -8.0, 7.9999999, 8.0000001, 709.0, 713.0, 714.0, 1e300, -1e300]
    x = np.concatenate([*points, border, [p for p in ENDS if abs(p) != 5e-324]])
    expected = bessel._bessel_i(order, x, scaled)
    np.testing.assert_allclose(computed(bessel.kernel_of_i(order, scaled), x), expected, rtol=5e-14, atol=0)


def test_a_function_goes_over_to_its_kernel_after_many_calls() -> None:
    kernel = special_kernels.kernel_of("digamma")
    few = np.ones(3, np.float32)
    early = [kernel(few) for _ in range(100)]
    assert early == [None] * 100
    assert kernel(few) is not None
    assert kernel(few.astype(np.float64)) is None  # float64 keeps NumPy's bits where it is small
    large = special_kernels.kernel_of("digamma")
    assert large(np.ones(5000)) is None
    assert large(np.ones(5000)) is not None


def test_any_layout_and_dtype_go_in() -> None:
    x = rushlight.rand(40, 60) + 0.5
    expected = [x.t().contiguous().digamma(), x.half().digamma(), x[::2, ::3].digamma()]
    for _ in range(110):
        x.digamma()
    assert rushlight.equal(x.t().digamma(), expected[0])
    assert x.t().digamma().stride() == x.t().stride()
    assert rushlight.equal(x.half().digamma(), expected[1])
    assert rushlight.equal(x[::2, ::3].digamma(), expected[2])
