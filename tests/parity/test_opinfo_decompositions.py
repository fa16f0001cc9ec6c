"""Decompositions, matrix functions and norms against PyTorch on its own samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight

from . import opinfo

pytestmark = pytest.mark.parity

NAMES = [
    "cholesky", "cholesky_inverse", "cholesky_solve", "geqrf", "linalg.cholesky", "linalg.cholesky_ex",
    "linalg.cond", "linalg.det", "linalg.eigvals", "linalg.eigvalsh", "linalg.householder_product",
    "linalg.inv", "linalg.inv_ex", "linalg.lu", "linalg.lu_factor", "linalg.lu_factor_ex", "linalg.lu_solve",
    "linalg.matrix_norm", "linalg.matrix_power", "linalg.matrix_rank", "linalg.norm", "linalg.qr",
    "linalg.slogdet", "linalg.solve", "linalg.solve_ex", "linalg.solve_triangular", "linalg.svdvals",
    "linalg.tensorinv", "linalg.tensorsolve", "linalg.vander", "linalg.vector_norm", "logdet", "lu", "lu_solve",
    "lu_unpack", "matrix_exp", "ormqr", "pinverse", "qr", "triangular_solve",
]  # fmt: skip

# PyTorch computes the exponential in float32 (here: in float64, rounded once), of matrices with a norm of 50.
TOLERANCES = {"matrix_exp": {"float32": (1e-5, 1e-3), "complex64": (1e-5, 1e-3)}}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", opinfo.CHECKS)
def test_opinfo(check: str, name: str) -> None:
    opinfo.run(check, name, tolerance=TOLERANCES.get(name))


class Varied:
    """A variant of an operator of the database with another function to check."""

    def __init__(self, operator: Any, op: Callable[..., Any]) -> None:
        self._operator = operator
        self.op = op
        self.aliases: tuple[Any, ...] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._operator, name)


def check_variants(
    check: str, name: str, variants: tuple[str, ...], function: Callable[..., Any], op: Any = None
) -> None:
    """Run ``check`` of the named variants with ``function`` against ``op`` (by default the database's)."""
    case = opinfo.Case(name)
    case.operators = [
        Varied(operator, op or operator.op)
        for operator in case.operators
        if operator.variant_test_name in variants
    ]
    case.function = function
    getattr(case, check)()
    assert not case.failures, "\n".join(case.failures[: opinfo.SHOWN])


@pytest.mark.parametrize("check", opinfo.CHECKS)
def test_lstsq(check: str) -> None:
    check_variants(check, "linalg.lstsq", ("",), rushlight.linalg.lstsq)


@pytest.mark.parametrize("check", ["forward", "gradients"])
def test_lstsq_gradients(check: str) -> None:
    check_variants(
        check,
        "linalg.lstsq",
        ("grad_oriented",),
        lambda a, b, driver: rushlight.linalg.lstsq(a, b, driver=driver)[:2],
    )


@pytest.mark.parametrize("check", opinfo.CHECKS)
def test_pinv(check: str) -> None:
    check_variants(check, "linalg.pinv", ("", "hermitian"), rushlight.linalg.pinv)


@pytest.mark.parametrize("check", ["forward", "gradients"])
def test_pinv_of_singular_matrices(check: str) -> None:
    check_variants(check, "linalg.pinv", ("singular",), lambda a, b: rushlight.linalg.pinv(a @ b.mT))


# Eigenvectors and singular vectors are unique up to their sign or phase, which differ from one LAPACK to another, and
# so are compared by their sizes. (The further columns of full singular vectors are not unique at all.)


def sizes_of_eigenvectors(name: str) -> Callable[[Any], Callable[..., Any]]:
    def of(library: Any) -> Callable[..., Any]:
        def function(a: Any, *args: Any, **kwargs: Any) -> Any:
            values, vectors = getattr(library.linalg, name)(a, *args, **kwargs)
            return values, vectors.abs()

        return function

    return of


def sizes_of_singular_vectors(library: Any) -> Callable[..., Any]:
    def function(a: Any, *args: Any, **kwargs: Any) -> Any:
        u, s, vh = library.linalg.svd(a, *args, **kwargs)
        k = s.shape[-1]
        return u[..., :k].abs(), s, vh[..., :k, :].abs()

    return function


def old_singular_vectors(library: Any) -> Callable[..., Any]:
    def function(a: Any, some: bool = True) -> Any:
        u, s, v = library.svd(a, some)
        k = s.shape[-1]
        return u[..., :k].abs(), s, v[..., :k].abs()

    return function


SPECTRA = {
    "linalg.eig": sizes_of_eigenvectors("eig"),
    "linalg.eigh": sizes_of_eigenvectors("eigh"),
    "linalg.svd": sizes_of_singular_vectors,
    "svd": old_singular_vectors,
}


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("check", ["forward", "gradients"])
def test_spectra(check: str, name: str) -> None:
    of = SPECTRA[name]
    check_variants(check, name, ("",), of(rushlight), of(opinfo.oracle()))


@pytest.mark.parametrize("name", SPECTRA)
def test_errors_of_spectra(name: str) -> None:
    opinfo.run("errors", name)
