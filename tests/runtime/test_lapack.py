"""LAPACK through ctypes: factorizations and triangular systems, of single matrices and of stacks."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
from rushlight.runtime import lapack

RNG = np.random.default_rng(0)
DTYPES = [np.float32, np.float64, np.complex64, np.complex128]
BATCHES = [(), (1,), (3,), (9,), (2, 5), (0,)]

pytestmark = pytest.mark.skipif(lapack._library() is None, reason="NumPy brings no OpenBLAS here")


def matrices(shape, dtype):
    a = RNG.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        a = a + 1j * RNG.standard_normal(shape)
    return a.astype(dtype)


def close(a, b):
    tolerance = 2e-4 if a.dtype.itemsize // (1 + (a.dtype.kind == "c")) == 4 else 1e-11
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def adjoint(a):
    return np.conj(np.swapaxes(a, -2, -1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 6), (70, 70)])
def test_lu(dtype, batch, shape):
    a = matrices((*batch, *shape), dtype)
    factored = lapack.lu_factor(a)
    if not a.size:
        assert factored is None
        return
    factors, pivots = factored
    assert factors.dtype == a.dtype
    assert pivots.dtype == np.int32
    k = min(shape)
    lower = np.tril(factors[..., :k], -1) + np.eye(shape[0], k, dtype=dtype)
    product = lower @ np.triu(factors[..., :k, :])
    for whole, rows, given in zip(
        product.reshape(-1, *shape), pivots.reshape(-1, k), a.reshape(-1, *shape), strict=True
    ):
        for i in reversed(range(k)):
            whole[[i, rows[i] - 1]] = whole[[rows[i] - 1, i]]
        close(whole, given)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [(), (3,), (9,)])
@pytest.mark.parametrize("trans", ["N", "T", "C"])
def test_solving_by_factors(dtype, batch, trans):
    a, b = matrices((*batch, 6, 6), dtype), matrices((*batch, 6, 2), dtype)
    factors, pivots = lapack.lu_factor(a)
    turned = {"N": a, "T": np.swapaxes(a, -2, -1), "C": adjoint(a)}[trans]
    for layout in (factors, np.ascontiguousarray(factors)):
        close(turned @ lapack.lu_solve(layout, pivots, b, trans), b)
    assert lapack.lu_solve(factors, np.full_like(pivots, 99), b, trans) is None
    assert lapack.lu_solve(factors, pivots * 0, b, trans) is None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batches", [((), ()), ((3,), (3,)), ((), (9,)), ((9,), ()), ((2, 1), (1, 4))])
@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("unitriangular", [False, True])
def test_triangular_systems(dtype, batches, upper, unitriangular):
    a = matrices((*batches[0], 6, 6), dtype) + 4 * np.eye(6, dtype=dtype)
    b = matrices((*batches[1], 6, 3), dtype)
    read = np.triu(a) if upper else np.tril(a)
    if unitriangular:
        np.einsum("...ii->...i", read)[...] = 1
    by_column = np.swapaxes(np.swapaxes(a, -2, -1).copy(), -2, -1)
    columns = np.swapaxes(np.swapaxes(b, -2, -1).copy(), -2, -1)
    for layout, right in ((a, b), (by_column, b), (np.repeat(a, 2, -1)[..., ::2], b), (a, columns)):
        product = read @ lapack.solve_triangular(layout, right, upper, unitriangular)
        close(product, np.broadcast_to(b, product.shape))


def test_a_zero_on_the_diagonal_divides():
    a = np.array([[1.0, 0.0], [2.0, 0.0]])
    assert np.isinf(lapack.solve_triangular(a, np.ones((2, 1)), False, False)[1, 0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [3, 80])
@pytest.mark.parametrize("batch", [(), (3,), (9,)])
def test_cholesky(dtype, n, batch):
    a = matrices((*batch, n, n), dtype)
    a = a @ adjoint(a) + n * np.eye(n, dtype=dtype)
    factor, info = lapack.cholesky(np.tril(a) + np.triu(np.full((n, n), 9, dtype), 1))
    assert not info.any()
    assert not np.triu(factor, 1).any()
    close(factor @ adjoint(factor) / n, a / n)


def test_the_minor_that_is_not_positive():
    a = np.stack([np.eye(3), np.diag([1.0, 2.0, -1.0])])
    assert lapack.cholesky(a)[1].tolist() == [0, 3]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [(), (3,), (9,)])
@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6), (80, 70)])
@pytest.mark.parametrize("complete", [False, True])
def test_qr(dtype, batch, shape, complete):
    a = matrices((*batch, *shape), dtype)
    q, r = lapack.qr(a, complete)
    width = shape[0] if complete else min(shape)
    assert q.shape == (*batch, shape[0], width)
    assert r.shape == (*batch, width, shape[1])
    close(q @ r, a)
    close(adjoint(q) @ q, np.broadcast_to(np.eye(width, dtype=dtype), (*batch, width, width)))
    assert not np.tril(r, -1).any()


def test_what_lapack_has_no_routine_for():
    assert lapack.lu_factor(np.eye(2, dtype=np.float16)) is None
    assert lapack.qr(np.eye(2, dtype=">f4"), False) is None


@pytest.mark.parametrize("shape", [(5, 5), (4, 3, 3), (6, 2), (2, 6)])
def test_the_same_without_the_library(shape, monkeypatch):
    def results():
        a = torch.from_numpy(given) + 3 * torch.eye(*shape[-2:], dtype=torch.float64)
        found = [*torch.linalg.lu(a), *torch.linalg.lu_factor(a)]
        if shape[-1] == shape[-2]:
            b = torch.from_numpy(given[..., :2])
            found += [
                torch.linalg.solve_triangular(a, b, upper=False),
                torch.cholesky_solve(b, a.tril()),
                torch.linalg.lu_solve(*torch.linalg.lu_factor(a), b),
                torch.linalg.lu_solve(*torch.linalg.lu_factor(a), b, adjoint=True),
            ]
        return found

    given = RNG.standard_normal(shape)
    expected = results()
    monkeypatch.setattr(lapack, "_found", [None])
    for a, b in zip(results(), expected, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-12)
