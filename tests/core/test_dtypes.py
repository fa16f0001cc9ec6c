"""Data types: promotion is a lattice, limits are NumPy's, and they survive pickles as themselves."""

from __future__ import annotations

import copy
import itertools
import pickle

import numpy as np
import pytest

import rushlight as torch
from rushlight.core.dtypes import ALL, FLOATS


def test_promotion_is_a_commutative_idempotent_operation_that_never_goes_down() -> None:
    for a, b in itertools.product(ALL, ALL):
        result = torch.promote_types(a, b)
        assert result is torch.promote_types(b, a)
        assert result.category == max(a.category, b.category)
        assert torch.can_cast(a, result) and torch.can_cast(b, result)
        assert torch.promote_types(result, a) is result
    assert all(torch.promote_types(a, a) is a for a in ALL)


@pytest.mark.parametrize("dtype", ALL)
def test_identity(dtype: torch.dtype) -> None:
    assert pickle.loads(pickle.dumps(dtype)) is dtype is copy.deepcopy(dtype)
    assert getattr(torch, dtype.name) is dtype and repr(dtype) == f"torch.{dtype.name}"
    assert torch.empty(1, dtype=dtype).element_size() == dtype.itemsize


def test_limits() -> None:
    for dtype in ALL:
        if dtype.numpy in FLOATS and dtype is not torch.bfloat16:
            ours, theirs = torch.finfo(dtype), np.finfo(dtype.numpy)
            assert (ours.max, ours.eps, ours.tiny) == (theirs.max, theirs.eps, theirs.tiny)
        elif dtype.numpy.kind in "iu":
            assert torch.iinfo(dtype).max == np.iinfo(dtype.numpy).max
            with pytest.raises(TypeError):
                torch.finfo(dtype)
    with pytest.raises(TypeError):
        torch.iinfo(torch.float32)
    with pytest.raises(TypeError):
        torch.iinfo(torch.bool)


@pytest.mark.parametrize("wrong", [torch.int64, torch.complex64, "float64", None, float])
def test_what_can_not_be_the_default(wrong: object) -> None:
    with pytest.raises(TypeError):
        torch.set_default_dtype(wrong)  # type: ignore[arg-type]
    assert torch.get_default_dtype() is torch.float32
