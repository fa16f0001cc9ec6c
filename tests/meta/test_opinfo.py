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
KNOWN: dict[str, str] = {
    **dict.fromkeys(
        ("allclose", "argwhere", "cov", "equal", "hash_tensor", "histogram", "histogramdd", "index_fill", "index_put", "item",
         "linspace", "logspace", "masked_scatter", "masked_select", "narrow", "nn.functional.rrelu", "nonzero",
         "nonzero_static", "repeat_interleave", "_segment_reduce", "tensor_split", "unique", "unique_consecutive"),
        VALUES,
    ),
    **dict.fromkeys(
        ("linalg.ldl_solve", "linalg.lstsq", "linalg.lu", "linalg.lu_factor",
         "linalg.lu_factor_ex", "linalg.matrix_rank", "geqrf", "linalg.lu_solve", "lu", "lu_solve", "lu_unpack",
         "nn.functional.ctc_loss", "nn.functional.fractional_max_pool2d", "nn.functional.fractional_max_pool3d",
         "nn.functional.multilabel_margin_loss", "ravel",
         ),
        NUMPY,
    ),
    **dict.fromkeys(("sparse.mm", "sparse.sampled_addmm", "to_sparse"), SPARSE),
    "to": "samples ask for the CPU, where meta tensors can't go",
}  # fmt: skip


@pytest.fixture(scope="module")
def findings() -> dict[str, str]:
    """What is wrong with each operator, forward or backward."""
    found = {}
    for name in sorted(opinfo.database()):
        why = result_of(opinfo, name, False) or result_of(opinfo, name, True)
        if why:
            found[name] = why
    return found


def test_the_results_are_like_the_cpus(findings: dict[str, str]) -> None:
    assert not {name: why for name, why in findings.items() if name not in KNOWN}


def test_what_falls_short_still_does(findings: dict[str, str]) -> None:
    assert not set(KNOWN) - set(findings)
