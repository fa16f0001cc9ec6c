"""The special functions' accuracy against SciPy's, and their values at the ends of their domains."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rushlight.runtime import special_functions as own

scipy = pytest.importorskip("scipy.special")
RNG = np.random.default_rng(0)
NAN, INF = math.nan, math.inf


@pytest.fixture(autouse=True)
def silent() -> Any:
    with np.errstate(all="ignore"):
        yield


def relative_error(actual: Any, expected: Any, floor: float = 0.0) -> float:
    """The greatest relative error; absolute below ``floor``, where a zero of the function makes relative ones moot."""
    return float(np.max(np.abs(actual - expected) / np.maximum(np.abs(expected), max(floor, 1e-300))))


def around_zero(scale: float, count: int = 20000) -> Any:
    return RNG.normal(size=count) * scale


CASES: list[tuple[Callable[[Any], Any], Callable[[Any], Any], Any, float, float]] = [
    (own.erf, scipy.erf, np.concatenate([around_zero(s) for s in (0.01, 0.3, 1, 3)]), 1e-15, 0),
    # From 20 on SciPy's own erfc errs by up to 6e-14: it squares x in one piece.
    (own.erfc, scipy.erfc, np.concatenate([RNG.uniform(-6, 6, 20000), RNG.uniform(6, 20, 5000)]), 4e-14, 0),
    (own.erfcx, scipy.erfcx, np.concatenate([RNG.uniform(-5, 5, 20000), 10 ** RNG.uniform(0, 8, 5000)]), 1e-14, 0),
    (own.erfinv, scipy.erfinv, np.concatenate([RNG.uniform(-1, 1, 20000), 1 - 10 ** RNG.uniform(-15, 0, 5000)]), 3e-15, 0),
    (own.ndtri, scipy.ndtri, np.concatenate([RNG.uniform(0, 1, 20000), 10 ** RNG.uniform(-300, 0, 5000)]), 3e-15, 0),
    (own.lgamma, scipy.gammaln, np.concatenate([RNG.uniform(0, 20, 20000), 10 ** RNG.uniform(-300, 300, 5000)]), 3e-15, 1),
    (own.lgamma, scipy.gammaln, RNG.uniform(-20, 0, 20000), 1e-12, 1),
    (own.digamma, scipy.digamma, np.concatenate([RNG.uniform(0.01, 20, 20000), 10 ** RNG.uniform(-200, 200, 5000)]), 3e-15, 1),
    (own.digamma, scipy.digamma, RNG.uniform(-9, 0, 5000), 3e-11, 1),  # SciPy loses digits near the poles
    *[
        (lambda x, n=n: own.polygamma(n, x), lambda x, n=n: scipy.polygamma(n, x), RNG.uniform(0.01, 100, 5000), 3e-15, 0)
        for n in (1, 2, 3, 7)
    ],
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(CASES)))
def test_float64_accuracy(case: int) -> None:
    function, oracle, points, bound, floor = CASES[case]
    assert relative_error(function(points), oracle(points), floor) < bound


def test_log_gamma_near_its_zeros_is_exact_relative_to_its_value() -> None:
    """At 1 and 2 the first terms of Taylor's series are the value; the implementations of C lose it there."""
    distance = np.array([1e-3, 1e-6, -1e-6, 1e-9])
    euler = 0.57721566490153286061
    zeta2, zeta3, zeta4 = math.pi**2 / 6, 1.2020569031595942854, math.pi**4 / 90
    series = distance * (-euler + distance * (zeta2 / 2 + distance * (-zeta3 / 3 + distance * zeta4 / 4)))
    exact = (1 + distance) - 1  # what the argument really is
    series *= exact / distance
    assert relative_error(own.lgamma(1 + distance), series) < 1e-9
    assert relative_error(own.lgamma(2 + exact), series + np.log1p(exact)) < 1e-9


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_polygamma_of_negative_arguments_satisfies_the_recurrence(n: int) -> None:
    x = RNG.uniform(-30, 0, 2000)
    x = x[np.abs(x - np.rint(x)) > 0.01]
    step = (-1) ** n * math.factorial(n) / x ** (n + 1)
    difference = own.polygamma(n, x + 1) - own.polygamma(n, x)
    scale = np.abs(own.polygamma(n, x)) + np.abs(step)
    assert float(np.max(np.abs(difference - step) / scale)) < 1e-9


def test_erf_float32_is_within_two_units_in_the_last_place() -> None:
    x = np.concatenate(
        [np.linspace(-5, 5, 200001), 10 ** np.linspace(-30, 0, 10000), [0.93, -0.93, 3.999, 4.001]]
    ).astype(np.float32)
    exact = scipy.erf(x.astype(np.float64))
    units = np.abs(own.erf_float32(x) - exact) / np.spacing(np.abs(exact).astype(np.float32))
    assert float(units.max()) < 2.0


def test_erf_float32_keeps_shape_sign_and_ends() -> None:
    x = np.array([[NAN, INF, -INF], [0.0, -0.0, 1e30]], np.float32).T
    result = own.erf_float32(x)
    assert result.shape == (3, 2) and result.dtype == np.float32
    np.testing.assert_array_equal(result, np.array([[NAN, 1, -1], [0.0, -0.0, 1]], np.float32).T)
    assert np.signbit(result[1, 1])
    assert own.erf_float32(np.float32(0.5).reshape(())).shape == ()
    assert own.erf_float32(np.empty((0, 3), np.float32)).shape == (0, 3)


@pytest.mark.parametrize(
    ("name", "points", "values"),
    [
        ("erf", [INF, -INF, NAN, 0.0], [1, -1, NAN, 0]),
        ("erfc", [INF, -INF, NAN, 0.0, 30.0], [0, 2, NAN, 1, 0]),
        ("erfinv", [1, -1, 1.5, NAN, 0.0], [INF, -INF, NAN, NAN, 0]),
        ("ndtri", [0, 1, -0.5, NAN, 0.5], [-INF, INF, NAN, NAN, 0]),
        ("lgamma", [0.0, -1, -2, INF, -INF, NAN, 1, 2], [INF, INF, INF, INF, INF, NAN, 0, 0]),
        ("digamma", [0.0, -0.0, -1, INF, NAN], [-INF, INF, NAN, INF, NAN]),
    ],
)
def test_ends(name: str, points: list[float], values: list[float]) -> None:
    result = getattr(own, name)(np.array(points))
    np.testing.assert_allclose(result, np.array(values), rtol=0, atol=1e-16)


def test_in_float64_rounds_once_and_keeps_the_dtype() -> None:
    x = np.linspace(-2, 2, 101).astype(np.float32)
    result = own.in_float64(own.erfc)(x)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, scipy.erfc(x.astype(np.float64)).astype(np.float32))
    assert own.in_float64(own.lgamma)(np.asarray(0.5)).shape == ()


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e3, 1e5])
def test_incomplete_gamma_functions_settle_element_by_element(scale: float) -> None:
    """Some need a hundred times the terms of others, and the continued fraction's last factor need not become 1 exactly."""
    from rushlight.runtime import incomplete_gamma

    a, x = RNG.uniform(0, scale, 3000), RNG.uniform(0, scale, 3000)
    np.testing.assert_allclose(incomplete_gamma.igamma(a, x), scipy.gammainc(a, x), rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(incomplete_gamma.igammac(a, x), scipy.gammaincc(a, x), rtol=1e-11, atol=1e-14)
