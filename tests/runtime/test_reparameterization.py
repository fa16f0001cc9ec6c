"""Implicit reparameterization: the slopes of gamma and beta numbers are those of their quantiles."""

from __future__ import annotations

import numpy as np
import pytest

from rushlight.runtime.reparameterization import dirichlet_slope, gamma_slope

special = pytest.importorskip("scipy.special")
QUANTILES = np.array([1e-2, 0.1, 0.4, 0.5, 0.6, 0.9, 0.99])


def slope_of(quantile, parameter, step=1e-4):
    """The derivative of ``quantile`` by five points."""
    h = step * parameter
    difference = quantile(parameter - 2 * h) - quantile(parameter + 2 * h)
    difference += 8 * (quantile(parameter + h) - quantile(parameter - h))
    return difference / (12 * h)


@pytest.mark.parametrize("alpha", [0.05, 0.3, 1.0, 2.5, 10.0, 100.0, 1e4])
def test_gamma(alpha):
    def quantile(a):
        return special.gammaincinv(a, QUANTILES)

    found = gamma_slope(np.array(alpha), quantile(alpha))
    # SciPy's quantiles are good to about 1e-13 of themselves, the differences of them to 1e-9.
    np.testing.assert_allclose(found, slope_of(quantile, alpha), rtol=1e-8)


@pytest.mark.parametrize(
    ("a", "b"), [(0.5, 3.0), (3.0, 0.5), (2.0, 2.0), (1.0, 1.0), (30.0, 2.0), (2.0, 300.0), (1000.0, 1000.0)]
)
def test_beta(a, b):
    def quantile(a):
        return special.betaincinv(a, b, QUANTILES)

    x = quantile(a)
    found = dirichlet_slope(x, np.array(a), np.array(a + b)) * (1 - x)
    np.testing.assert_allclose(found, slope_of(quantile, a), rtol=2e-7)


def test_the_far_tails_are_finite():
    alpha = np.array([1e-3, 1.0, 50.0, 1e6])
    x = np.array([[1e-300], [1e-8], [1.0], [1e3], [1e8]])
    assert np.isfinite(gamma_slope(alpha, x)).all()
    share = np.array([[1e-300], [1e-8], [0.5], [1 - 1e-8], [1 - 2.0**-53]])
    assert np.isfinite(dirichlet_slope(share, alpha, alpha + 2.0)).all()


def test_parameters_that_are_no_parameters_give_nan():
    assert np.isnan(gamma_slope(np.array([-1.0, 0.0, np.nan]), np.array(1.0))).all()


def test_large_arrays_are_integrated_in_pieces():
    alpha = np.linspace(0.5, 9.0, 5000)
    whole = gamma_slope(alpha, alpha)
    assert whole[4321] == gamma_slope(alpha[4321], alpha[4321])


def test_empty():
    assert gamma_slope(np.zeros((0, 3)), np.zeros((0, 3))).shape == (0, 3)
