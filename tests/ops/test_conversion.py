"""Conversions: what is certain without PyTorch at hand."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import rushlight as torch


@pytest.mark.parametrize("target", [torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300, -1e300])
def test_casts_that_have_no_answer_give_some_integer(value: float, target: Any) -> None:
    made = torch.tensor([value], dtype=torch.float64).to(target)
    assert made.dtype is target and isinstance(made.item(), int)


def test_copies_of_views_share_memory_and_pickles_do_not() -> None:
    whole = torch.arange(6.0).view(2, 3)
    first, second = copy.deepcopy([whole, whole.t()])
    first[0, 1] = 9
    assert second[1, 0] == 9 and whole[0, 1] == 1
    third, fourth = pickle.loads(pickle.dumps([whole, whole.t()]))
    third[0, 1] = 9
    assert fourth[1, 0] == 1 and fourth.stride() == (1, 3)


def test_set_does_not_lead_out_of_the_memory() -> None:
    for arguments in ((0, (7,)), (1, (2, 3)), (-1, (2,)), (0, (2,), (6,)), (0, (2,), (-1,))):
        with pytest.raises(RuntimeError):
            torch.ones(1).set_(torch.arange(6.0), *arguments)


def test_resize_keeps_the_first_elements() -> None:
    grown = torch.arange(3.0).resize_(2, 4)
    assert grown.shape == (2, 4) and grown[0, :3].tolist() == [0, 1, 2]
    with pytest.raises(RuntimeError):
        torch.ones(1).resize_(2**40, 2**40)


def test_scalars_format_as_numbers() -> None:
    assert f"{torch.tensor(0.5)}" == "0.5" and f"{torch.tensor(0.126):.2f}" == "0.13"
    with pytest.raises(TypeError):
        f"{torch.ones(2):.2f}"
