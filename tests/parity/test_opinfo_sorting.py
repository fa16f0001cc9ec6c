"""Sorting, order statistics and distinct elements against PyTorch on its own samples."""

from __future__ import annotations

from typing import Any

import pytest

from . import opinfo

pytestmark = pytest.mark.parity
NAMES = [
    "sort", "argsort", "msort", "topk", "kthvalue", "median", "nanmedian", "mode", "quantile", "nanquantile",
    "unique", "unique_consecutive", "isin",
]  # fmt: skip
KNOWN: dict[tuple[str, str], str] = {}
# Of equal elements PyTorch's partial and SIMD sorts take whichever comes; for those see test_indices_of_equal_elements.
CHOOSING = ("sort", "argsort", "topk", "kthvalue", "mode")


def all_differ(sample: Any) -> bool:
    """Whether no index depends on which of several equal elements is taken."""
    return bool(sample.input.unique().numel() == sample.input.numel())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", opinfo.CHECKS)
def test_opinfo(check: str, name: str) -> None:
    accept = all_differ if name in CHOOSING and check == "forward" else None
    opinfo.run(check, name, known=KNOWN, accept=accept)


@pytest.mark.parametrize(
    "name", ["sort", "topk", "kthvalue", "mode", "median", "nanmedian", "cummax", "cummin"]
)
def test_indices_of_equal_elements(name: str) -> None:
    """PyTorch's values, and indices that lead to them, on all samples of integers and bools."""
    case = opinfo.Case(name, dtypes=("int64", "bool"))
    compared = 0
    for operator in case.operators:
        for dtype in case.supported(operator):
            for sample in case.samples(operator, dtype):
                expected = operator.op(sample.input, *sample.args, **sample.kwargs)
                if not isinstance(expected, tuple):
                    continue
                (x, *args), kwargs = opinfo.converted(sample)
                values, indices = case.function(x, *args, **kwargs)
                assert opinfo.difference(values, expected[0]) is None
                assert indices.shape == values.shape
                found = leads_to(x, values, indices, args, kwargs)
                assert (found == values).all(), opinfo.describe(sample)
                compared += 1
    assert compared > 5


def leads_to(x: Any, values: Any, indices: Any, args: Any, kwargs: Any) -> Any:
    """The elements at ``indices`` along whichever dimension the sample chose, in the shape of ``values``."""
    if not x.ndim:
        return x
    for dim in range(x.ndim):
        for kept in (indices, indices.unsqueeze(dim) if indices.ndim < x.ndim else indices):
            others = [n for i, n in enumerate(x.shape) if i != dim]
            if kept.ndim == x.ndim and [n for i, n in enumerate(kept.shape) if i != dim] == others:
                if kept.numel() and kept.max() >= x.shape[dim]:
                    continue
                found = x.gather(dim, kept).reshape(values.shape)
                if (found == values).all():
                    return found
    raise AssertionError("no dimension in which the indices lead to the values")
