"""Every operator of PyTorch's OpInfo database: meta tensors give the shapes, dtypes and strides that CPU tensors give."""

from __future__ import annotations

import pytest

from ..parity import opinfo
from .propagation import result_of

pytestmark = pytest.mark.parity

VALUES = "the result, or its shape, depends on values"
NUMPY = "computed from values in Python or NumPy, outside of any record"
SPARSE = "samples are sparse"
# What falls short, each with the reason.
# ruff: noqa: E501
KNOWN: dict[str, str] = {
    **dict.fromkeys(
        ("allclose", "argwhere", "cov", "equal", "histogram", "histogramdd", "index_fill", "index_put", "item",
         "linspace", "logspace", "masked_scatter", "masked_select", "narrow", "nn.functional.rrelu", "nonzero",
         "nonzero_static", "repeat_interleave", "tensor_split", "unique", "unique_consecutive"),
        VALUES,
    ),
    **dict.fromkeys(
        ("linalg.cholesky_ex", "linalg.inv_ex", "linalg.ldl_solve", "linalg.lstsq", "linalg.lu", "linalg.lu_factor",
         "linalg.lu_factor_ex", "linalg.matrix_rank", "geqrf", "as_strided", "as_strided_copy", "as_strided_scatter", "linalg.lu_solve", "linalg.pinv", "lu", "lu_solve", "lu_unpack",
         "nn.functional.ctc_loss", "nn.functional.multilabel_margin_loss", "ravel", "resize_",
         "signal.windows.blackman", "signal.windows.general_hamming", "signal.windows.hamming",
         "signal.windows.hann", "signal.windows.nuttall"),
        NUMPY,
    ),
    **dict.fromkeys(("sparse.mm", "sparse.sampled_addmm", "to_sparse"), SPARSE),
    "to": "samples ask for the CPU, where meta tensors can't go",
}  # fmt: skip


@pytest.mark.parametrize("backward", [False, True])
def test_shapes(backward: bool) -> None:
    wrong = {name: why for name in sorted(opinfo.database()) if (why := result_of(opinfo, name, backward))}
    assert not {name: why for name, why in wrong.items() if name not in KNOWN}
