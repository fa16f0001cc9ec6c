"""``torch.linalg``: linear algebra over stacks of matrices, under PyTorch's names.

The functions live in the modules of ``ops``; here they get the names that this namespace has for them.
"""

from __future__ import annotations

from .core.tensor import Tensor
from .ops.decompositions import (
    LinAlgError,
    cholesky_ex,
    inv,
    inv_ex,
    linalg_cholesky as cholesky,
    linalg_qr as qr,
    solve,
    solve_ex,
)
from .ops.linalg import matmul
from .ops.matrix_functions import (
    cond,
    linalg_det as det,
    linalg_slogdet as slogdet,
    lstsq,
    matrix_exp,
    matrix_power,
    matrix_rank,
    pinv,
    tensorinv,
    tensorsolve,
    vander,
)
from .ops.norms import linalg_norm as norm, matrix_norm, vector_norm
from .ops.products import linalg_cross as cross, multi_dot, vecdot
from .ops.reflections import householder_product
from .ops.spectra import (
    eig,
    eigh,
    eigvals,
    eigvalsh,
    linalg_svd as svd,
    svdvals,
)
from .ops.symmetric_factors import ldl_factor, ldl_factor_ex, ldl_solve
from .ops.triangular import (
    linalg_lu_solve as lu_solve,
    lu,
    lu_factor,
    lu_factor_ex,
    solve_triangular,
)
from .ops.views import diagonal as _diagonal

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh",
    "householder_product", "inv", "inv_ex", "ldl_factor", "ldl_factor_ex", "ldl_solve", "lstsq", "lu", "lu_factor",
    "lu_factor_ex", "lu_solve", "matmul",
    "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve",
    "solve_ex", "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot", "vector_norm",
]  # fmt: skip


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of the matrices in two dimensions (the last ones by default), as a view.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.diagonal(torch.eye(2).expand(3, 2, 2)).shape
        torch.Size([3, 2])
    """
    return _diagonal(A, offset, dim1, dim2)
