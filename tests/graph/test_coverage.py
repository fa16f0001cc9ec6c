"""How each record is compiled: by formula, by a kernel slot, or not at all (a call of its NumPy function)."""

from __future__ import annotations

import pytest

import rushlight
import rushlight.nn.functional
from rushlight.compiler.lowering import lower  # noqa: F401 - fills the table
from rushlight.compiler.lowering.table import COMPLEX_TABLE, TABLE
from rushlight.ops.define import PRIMITIVES

BY_NUMPY = frozenset(
    [
        "bernoulli", "bincount", "cdist", "cholesky_solve", "cofactors", "cross", "ctc_loss", "ctc_loss_backward",
        "erfcx", "erfinv", "fft_complex", "fft_half_to_real", "fft_real_to_half", "frexp",
        "gcd", "histc", "histogramdd", "hypot", "i0", "igamma", "igammac", "isin", "kthvalue", "lgamma",
        "linalg_cholesky", "linalg_det", "linalg_eig", "linalg_eigh", "linalg_inv", "linalg_ldl_factor_ex",
        "linalg_ldl_solve", "linalg_lstsq", "linalg_lu_factor", "linalg_matrix_exp", "linalg_pinv", "linalg_qr",
        "linalg_slogdet", "linalg_solve", "linalg_solve_triangular", "linalg_svd", "linear_scan", "logcumsumexp",
        "masked_scatter", "max_unpool", "max_unpool_gather", "median", "median_dim", "mode", "nanmedian",
        "nanmedian_dim", "ndtri", "nextafter", "nonzero", "normal", "poisson", "polygamma", "repeated_numbers",
        "scatter_reduce", "searchsorted", "sort", "special_bessel", "special_i0e", "special_i1", "special_i1e",
        "special_polynomial", "special_zeta", "topk", "unique", "unique_consecutive", "_dirichlet_grad",
        "_sample_dirichlet", "_standard_gamma", "_standard_gamma_grad", "binomial",
    ]
)  # fmt: skip


def test_every_record_is_accounted_for():
    pytest.importorskip("llvmlite")
    from rushlight.compiler.kernels import MAKERS

    compiled = set(TABLE) | set(COMPLEX_TABLE) | set(MAKERS)
    assert rushlight is not None
    # What runs on several processes, inside vmap, between devices, on sparse tensors or around a module's hooks is not
    # compiled, and only there when something has imported it.
    elsewhere = (
        "distributed_",
        "enter_batch",
        "leave_batch",
        "to_device",
        "sparse_",
        "to_sparse",
        "coalesce",
        "backward_hook_",
    )
    assert {
        name for name in PRIMITIVES if name not in compiled and not name.startswith(elsewhere)
    } == BY_NUMPY
