"""Bessel functions, incomplete gamma functions and zeta against SciPy's, over the whole range of float64."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from rushlight.runtime import bessel, incomplete_gamma

X = np.concatenate(
    [10.0 ** np.linspace(-300, -3, 40), np.linspace(1e-3, 60, 4001), 10.0 ** np.linspace(1.8, 3, 100)]
)
POSITIVE = ["i0", "i1", "i0e", "i1e", "k0", "k1", "k0e", "k1e"]


@pytest.mark.parametrize("name", POSITIVE)
def test_to_a_few_units_in_the_last_place(name: str) -> None:
    with np.errstate(all="ignore"):
        actual, expected = getattr(bessel, name)(X), getattr(scipy.special, name)(X)
    normal = np.isfinite(expected) & (expected > 1e-290)
    assert np.all(np.abs(actual[normal] / expected[normal] - 1) < 4e-15)
    assert np.array_equal(np.isinf(actual), np.isinf(expected))


@pytest.mark.parametrize("name", ["j0", "j1", "y0", "y1"])
def test_to_a_part_of_the_amplitude(name: str) -> None:
    with np.errstate(all="ignore"):
        actual, expected = getattr(bessel, name)(X), getattr(scipy.special, name)(X)
    amplitude = np.maximum(np.abs(expected), np.minimum(1, np.sqrt(2 / np.pi / X)))
    finite = np.isfinite(expected)
    # Either library's phase is off by x times the last place.
    assert np.all((np.abs(actual - expected) / amplitude)[finite] < 1e-14 + 4e-16 * X[finite])
    assert np.array_equal(np.isinf(actual), np.isinf(expected))


def test_airy() -> None:
    x = np.linspace(-100, 60, 8001)
    actual, expected = bessel.airy_ai(x), scipy.special.airy(x)[0]
    scale = np.where(x > 0, expected, 0.5 * np.maximum(1, np.abs(x)) ** -0.25)
    assert np.all(np.abs(actual - expected) / scale < 1e-14 + 4e-15 * np.abs(x) ** 1.5)


def test_incomplete_gamma() -> None:
    random = np.random.default_rng(0)
    a = 10 ** random.uniform(-3, 4, 4000)
    x = a * 10 ** random.uniform(-1, 1, 4000)
    for name, reference in (("igamma", scipy.special.gammainc), ("igammac", scipy.special.gammaincc)):
        actual, expected = getattr(incomplete_gamma, name)(a, x), reference(a, x)
        # What is one minus the other loses the digits of a small result.
        assert np.all(np.abs(actual - expected) < 1e-11 * expected + 1e-14), name


def test_zeta() -> None:
    random = np.random.default_rng(0)
    s, q = random.uniform(1.001, 10, 500), random.uniform(0.01, 50, 500)
    assert np.allclose(incomplete_gamma.zeta(s, q), scipy.special.zeta(s, q), rtol=1e-13)
