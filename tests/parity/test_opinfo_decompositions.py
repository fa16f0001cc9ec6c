"""Decompositions, matrix functions and norms against PyTorch on its own samples."""

from __future__ import annotations

from typing import Any

import pytest

from . import opinfo

pytestmark = pytest.mark.parity

NAMES = """
cholesky cholesky_inverse cholesky_solve geqrf linalg.cholesky linalg.cholesky_ex linalg.cond linalg.det linalg.eig
linalg.eigh linalg.eigvals linalg.eigvalsh linalg.householder_product linalg.inv linalg.inv_ex linalg.lstsq linalg.lu
linalg.lu_factor linalg.lu_factor_ex linalg.lu_solve linalg.matrix_norm linalg.matrix_power linalg.matrix_rank
linalg.norm linalg.pinv linalg.qr linalg.slogdet linalg.solve linalg.solve_ex linalg.solve_triangular linalg.svd
linalg.svdvals linalg.tensorinv linalg.tensorsolve linalg.vander linalg.vector_norm logdet lu_solve lu_unpack
matrix_exp pinverse qr svd triangular_solve
""".split()

# What falls short, each with the reason.
KNOWN: dict[tuple[str, str], str] = {}
TOLERANCES: dict[str, Any] = {}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", opinfo.CHECKS)
def test_opinfo(check: str, name: str) -> None:
    opinfo.run(check, name, known=KNOWN, tolerance=TOLERANCES.get(name))
