"""Decompositions, matrix functions and norms: what holds without PyTorch to compare with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as torch

RNG = np.random.default_rng(0)
LA = torch.linalg
SHAPES = [(3, 3), (4, 2), (2, 4), (2, 3, 5, 4), (0, 3, 3), (2, 0, 0), (3, 0), (0, 3)]
DTYPES = [np.float32, np.float64, np.complex64, np.complex128]


def matrices(shape: tuple[int, ...], dtype: Any = np.float64) -> Any:
    array = RNG.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        array = array + 1j * RNG.standard_normal(shape)
    return torch.from_numpy(array.astype(dtype))


def same(actual: Any, expected: Any) -> bool:
    tolerance = 1e-4 if actual.dtype in (torch.float32, torch.complex64) else 1e-10
    return actual.shape == expected.shape and bool(
        np.allclose(actual.numpy(), expected.numpy(), tolerance, tolerance)
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_factors_multiply_to_the_matrix(shape: tuple[int, ...], dtype: Any) -> None:
    a = matrices(shape, dtype)
    q, r = LA.qr(a)
    assert same(q @ r, a)
    q, r = LA.qr(a, mode="complete")
    assert same(q @ r, a)
    u, s, vh = LA.svd(a, full_matrices=False)
    assert same((u * s.unsqueeze(-2).to(a.dtype)) @ vh, a)
    p, low, up = LA.lu(a)
    assert same(p @ low @ up, a)
    inverse = LA.pinv(a)
    assert same(a @ inverse @ a, a)
    h, tau = torch.geqrf(a)
    if shape[-2] >= shape[-1]:
        assert same(LA.householder_product(h, tau), LA.qr(a).Q)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [s for s in SHAPES if s[-1] == s[-2]])
def test_factors_of_square_matrices(shape: tuple[int, ...], dtype: Any) -> None:
    n = shape[-1]
    a = matrices(shape, dtype) + 3 * torch.eye(n)
    assert a.dtype == torch.from_numpy(np.empty(0, dtype)).dtype
    eye = torch.eye(n, dtype=a.dtype).expand(shape)
    assert same(a @ LA.inv(a), eye)
    b = matrices((*shape[:-1], 2), dtype)
    assert same(a @ LA.solve(a, b), b)
    assert same(LA.solve(a, b.mT, left=False) @ a, b.mT)
    assert same(LA.lu_solve(*LA.lu_factor(a), b), LA.solve(a, b))
    h = a @ a.mH + torch.eye(n, dtype=a.dtype)
    low = LA.cholesky(h)
    assert same(low @ low.mH, h)
    assert same(LA.cholesky(h, upper=True), low.mH)
    assert same(torch.cholesky_solve(b, low), LA.solve(h, b))
    values, vectors = LA.eigh(h)
    assert same((vectors * values.unsqueeze(-2).to(a.dtype)) @ vectors.mH, h)
    sign, logabsdet = LA.slogdet(a)
    assert same(sign * logabsdet.exp(), LA.det(a))
    assert same(LA.matrix_exp(a) @ LA.matrix_exp(-a), eye)
    assert same(LA.matrix_power(a, 5), a @ a @ a @ a @ a)
    assert same(LA.matrix_power(a, -2), LA.inv(a) @ LA.inv(a))


def test_only_one_triangle_is_read() -> None:
    h = matrices((3, 3))
    h = h @ h.mT + torch.eye(3)
    junk = torch.triu(torch.full((3, 3), 99.0, dtype=torch.float64), 1)
    assert same(LA.cholesky(h.tril() + junk), LA.cholesky(h))
    assert same(LA.cholesky(h.triu() + junk.mT, upper=True), LA.cholesky(h).mT)
    assert same(LA.eigvalsh(h.tril() + junk), LA.eigvalsh(h))
    assert same(LA.eigvalsh(h.triu() + junk.mT, UPLO="U"), LA.eigvalsh(h))
    b = matrices((3, 2))
    assert same(LA.solve_triangular(h.triu() + junk.mT, b, upper=True), LA.solve(h.triu(), b))
    unit = h.tril(-1) + torch.eye(3)
    assert same(LA.solve_triangular(h, b, upper=False, unitriangular=True), LA.solve(unit, b))


def test_what_does_not_exist_is_an_error_or_a_number() -> None:
    singular = torch.tensor([[1.0, 2.0], [2.0, 4.0]])
    two = torch.stack([torch.eye(2), singular])
    assert issubclass(LA.LinAlgError, RuntimeError)
    with pytest.raises(LA.LinAlgError, match=r"Batch element 1\): The diagonal element 2 is zero"):
        LA.inv(two)
    with pytest.raises(LA.LinAlgError, match="singular"):
        LA.solve(two, torch.ones(2, 2, 1))
    with pytest.raises(LA.LinAlgError, match=r"leading minor of order 2"):
        LA.cholesky(torch.tensor([[1.0, 0.0], [0.0, -1.0]]))
    inverse, info = LA.inv_ex(two)
    assert info.tolist() == [0, 2]
    assert torch.equal(inverse[0], torch.eye(2))
    with pytest.raises(LA.LinAlgError):
        LA.inv_ex(two, check_errors=True)
    factor, info = LA.cholesky_ex(torch.stack([4 * torch.eye(2), -torch.eye(2)]))
    assert info.tolist() == [0, 1]
    assert torch.equal(factor[0], 2 * torch.eye(2))
    assert LA.solve_ex(two, torch.ones(2, 2, 1)).info.tolist() == [0, 2]
    assert LA.lu_factor_ex(two).info.tolist() == [0, 2]
    assert torch.logdet(singular).item() == float("-inf")
    assert torch.logdet(-torch.eye(3)).isnan()
    assert LA.cond(singular.new_zeros(2, 2), 1).item() == float("inf")
    assert LA.solve_triangular(torch.zeros(1, 1), torch.ones(1, 1), upper=True).item() == float("inf")


def test_the_determinant_of_a_singular_matrix_has_a_gradient() -> None:
    a = torch.tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    LA.det(a).backward()
    assert np.allclose(a.grad.numpy(), [[4.0, -2.0], [-2.0, 1.0]], atol=1e-5)
    zero = torch.zeros(2, 2, requires_grad=True)
    LA.det(zero).backward()
    assert not zero.grad.any()


def test_matrix_exp_agrees_with_scipy() -> None:
    linalg = pytest.importorskip("scipy.linalg")
    a = RNG.standard_normal((6, 5, 5)) * np.array([0.0, 1e-8, 0.1, 1.0, 10.0, 30.0])[:, None, None]
    own = LA.matrix_exp(torch.from_numpy(a)).numpy()
    for matrix, given in zip(a, own, strict=True):
        expected = linalg.expm(matrix)
        assert np.abs(given - expected).max() <= 1e-12 * np.abs(expected).max()
    nan = torch.full((2, 2), float("nan"))
    assert LA.matrix_exp(torch.stack([nan, torch.zeros(2, 2)]))[1].tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_lu_agrees_with_scipy() -> None:
    linalg = pytest.importorskip("scipy.linalg")
    for shape in ((5, 5), (6, 4), (4, 6)):
        a = RNG.standard_normal(shape)
        for own, expected in zip(LA.lu(torch.from_numpy(a)), linalg.lu(a), strict=True):
            assert np.allclose(own.numpy(), expected)


def test_least_squares() -> None:
    a, b = matrices((5, 3)), matrices((5, 2))
    expected, residuals, rank, values = np.linalg.lstsq(a.numpy(), b.numpy(), rcond=None)
    given = LA.lstsq(a, b, driver="gelsd")
    assert np.allclose(given.solution.numpy(), expected)
    assert np.allclose(given.residuals.numpy(), residuals)
    assert given.rank.item() == rank
    assert np.allclose(given.singular_values.numpy(), values)
    deficient = torch.ones(4, 2, dtype=torch.float64)
    assert same(LA.lstsq(deficient, deficient[:, :1]).solution, torch.full((2, 1), 0.5, dtype=torch.float64))


def test_ranks_and_tolerances() -> None:
    a = torch.diag(torch.tensor([1.0, 1e-3, 0.0]))
    assert LA.matrix_rank(a).item() == 2
    assert LA.matrix_rank(a, tol=1e-2).item() == 1
    assert LA.matrix_rank(a, rtol=1e-2).item() == 1
    assert LA.matrix_rank(a, atol=torch.tensor([1e-2])).shape == (1,)
    assert LA.matrix_rank(a.expand(2, 3, 3), hermitian=True).tolist() == [2, 2]
    assert LA.pinv(a, rtol=1e-2)[1, 1].item() == 0
    assert LA.pinv(a)[1, 1].item() == pytest.approx(1e3)


@pytest.mark.parametrize("order", [0, 0.5, 1, 2, 3, float("inf"), -float("inf")])
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [None, 0, -1, (0, 2)])
def test_vector_norms(order: float, keepdim: bool, dim: Any) -> None:
    a = RNG.standard_normal((3, 4, 5)).astype(np.float32)
    given = LA.vector_norm(torch.from_numpy(a), order, dim, keepdim).numpy()
    axis = (0, 1, 2) if dim is None else dim
    sizes = np.abs(a.astype(np.float64))
    if order == 0:
        expected = (sizes != 0).sum(axis, keepdims=keepdim)
    elif abs(order) == float("inf"):
        expected = (np.max if order > 0 else np.min)(sizes, axis, keepdims=keepdim)
    else:
        expected = (sizes**order).sum(axis, keepdims=keepdim) ** (1 / order)
    assert given.shape == expected.shape
    assert np.allclose(given, expected, rtol=1e-5)


def test_long_norms_are_accurate() -> None:
    a = RNG.standard_normal(1_000_003).astype(np.float32)
    exact = np.sqrt((a.astype(np.float64) ** 2).sum())
    for given in (LA.vector_norm(torch.from_numpy(a)), LA.vector_norm(torch.from_numpy(a[None]), dim=1)[0]):
        assert abs(given.item() - exact) < 1e-6 * exact


@pytest.mark.parametrize("order", ["fro", "nuc", 1, -1, 2, -2, float("inf"), -float("inf")])
def test_matrix_norms_agree_with_numpy(order: Any) -> None:
    a = RNG.standard_normal((2, 3, 4, 5))
    for dim, axes in (((-2, -1), (2, 3)), ((0, 2), (0, 2)), ((3, 1), (3, 1))):
        for keepdim in (False, True):
            given = LA.matrix_norm(torch.from_numpy(a), order, dim, keepdim).numpy()
            assert np.allclose(given, np.linalg.norm(a, order, axes, keepdims=keepdim))
            assert np.allclose(LA.norm(torch.from_numpy(a), order, dim, keepdim).numpy(), given)


def test_norms_at_zero_have_subgradients() -> None:
    for order in (1, 1.5, 2, 3, float("inf")):
        x = torch.zeros(3, requires_grad=True)
        LA.vector_norm(x, order).backward()
        assert x.grad.isfinite().all()


def test_an_overwritten_factor_is_noticed() -> None:
    a = matrices((3, 3)).requires_grad_()
    for decompose in (LA.qr, lambda x: LA.eigh(x @ x.mT), LA.svd, LA.lu_factor):
        factors = decompose(a)
        total = sum(f.sum() for f in factors if f.requires_grad)
        with torch.no_grad():
            factors[0].mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            total.backward()
