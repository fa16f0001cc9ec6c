"""assert_close: what passes, what fails, and what the failure says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.testing import assert_close, make_tensor


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (torch.tensor(1.0), torch.tensor(1.0 + 1e-7)),
        (torch.tensor([1, 2]), torch.tensor([1, 2])),
        (torch.tensor([float("inf")]), torch.tensor([float("inf")])),
        (1, 1),
        (1.0, 1.0 + 1e-9),
        (1 + 2j, 1 + 2j),
        ([1, torch.ones(2)], (1, torch.ones(2))),
        ({"a": torch.ones(2)}, {"a": torch.ones(2)}),
        (np.ones(2), np.ones(2)),
        (None, None),
        (True, True),
        (torch.ones(0, 2), torch.ones(0, 2)),
    ],
)
def test_equal(actual: Any, expected: Any) -> None:
    assert_close(actual, expected)


@pytest.mark.parametrize(
    ("actual", "expected", "text"),
    [
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.1]), "Mismatched elements: 1 / 2 (50.0%)"),
        (torch.tensor(1.0), torch.tensor(2.0), "Expected 2.0 but got 1.0"),
        (torch.ones(2), torch.ones(3), "shape"),
        (torch.ones(2), torch.ones(2, dtype=torch.float64), "dtype"),
        (torch.tensor([1, 2]), torch.tensor([1, 3]), "Greatest absolute difference: 1 at index (1,)"),
        (torch.tensor([float("nan")]), torch.tensor([float("nan")]), "Mismatched elements: 1 / 1"),
        (torch.tensor([float("inf")]), torch.tensor([1.0]), "Mismatched elements: 1 / 1"),
        ([1, 2], [1, 2, 3], "length"),
        ({"a": 1}, {"b": 1}, "keys"),
        ([torch.ones(2), torch.zeros(2)], [torch.ones(2), torch.ones(2)], "1"),
        (1.0, 2.0, "Scalars are not close"),
        (None, 1, "None"),
    ],
)
def test_different(actual: Any, expected: Any, text: str) -> None:
    with pytest.raises(AssertionError, match="(?s)" + __import__("re").escape(text)):
        assert_close(actual, expected)


def test_options() -> None:
    assert_close(torch.tensor([float("nan"), 1.0]), torch.tensor([float("nan"), 1.0]), equal_nan=True)
    assert_close(torch.ones(2), torch.ones(2, dtype=torch.float64), check_dtype=False)
    assert_close(torch.tensor(1.0), torch.tensor(1.5), rtol=0, atol=0.5)
    with pytest.raises(AssertionError):
        assert_close(torch.tensor(1.0), torch.tensor(1.5), rtol=0, atol=0.4)
    with pytest.raises(ValueError, match="rtol"):
        assert_close(torch.ones(1), torch.ones(1), rtol=0.1)
    with pytest.raises(ValueError, match="atol"):
        assert_close(torch.ones(1), torch.ones(1), atol=0.1)
    with pytest.raises(AssertionError, match=r"^mine$"):
        assert_close(1, 2, msg="mine")
    with pytest.raises(AssertionError, match=r"^mine: Scalars"):
        assert_close(1, 2, msg=lambda text: "mine: " + text)
    with pytest.raises(AssertionError, match="stride"):
        assert_close(torch.ones(2, 3).t(), torch.ones(3, 2), check_stride=True)
    with pytest.raises(TypeError):
        assert_close("a", "a")
    with pytest.raises((TypeError, AssertionError)):
        assert_close([1], 1)


def test_tolerances_follow_the_dtype() -> None:
    for dtype, gap in ((torch.float16, 1e-3), (torch.bfloat16, 1.6e-2)):
        one = torch.ones(1, dtype=dtype)
        assert_close(one + 0.9 * gap, one)
        with pytest.raises(AssertionError):
            assert_close(one + 20 * gap, one)
    big = 2**53
    with pytest.raises(AssertionError):
        assert_close(torch.tensor([big]), torch.tensor([big + 1]))


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.int64, torch.uint8, torch.bool, torch.complex64, torch.bfloat16]
)
def test_make_tensor(dtype: Any) -> None:
    made = make_tensor((3, 4), dtype=dtype, device="cpu")
    assert made.shape == (3, 4) and made.dtype is dtype
    assert make_tensor(2, 3, dtype=dtype).shape == (2, 3)
    assert not make_tensor((3, 4), dtype=dtype, noncontiguous=True).is_contiguous()
    if dtype is not torch.bool and not dtype.is_complex:
        ranged = make_tensor(50, dtype=dtype, low=2, high=5).float()
        assert bool((ranged >= 2).all()) and bool((ranged <= 5).all())
    assert bool((make_tensor(50, dtype=dtype, exclude_zero=True) != 0).all())


MESSAGES = [
    "torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0])",
    "1, 2",
    "1.0, 1.1",
    "1, 1.0",
    "True, False",
    "'a', 'b'",
    "None, 1",
    "[1, 2], [1, 3]",
    "[torch.tensor([1.0])], [torch.tensor([3.0])]",
    "{'a': 1}, {'b': 1}",
    "[[1, 2]], [[1, 2, 3]]",
    "{'a': {'b': [1, torch.tensor([1.0])]}}, {'a': {'b': [1, torch.tensor([2.0])]}}",
    "[1], 1",
    "torch.tensor([1]), torch.tensor([2])",
    "torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]), rtol=0, atol=0",
    "torch.tensor(1.0), torch.tensor(2.0)",
    "torch.tensor(1j), torch.tensor(2j)",
    "torch.ones(2).to_sparse(), torch.zeros(2).to_sparse()",
    "torch.tensor([1.0, 2.0]).to_sparse(), torch.tensor([1.0, 3.0]).to_sparse()",
    "torch.ones(2).to_sparse(), torch.ones(2)",
    "torch.ones(2, 3).t(), torch.ones(3, 2).double(), check_stride=True",
    "torch.ones(2, device='meta'), torch.ones(2).double()",
    "torch.tensor([1.0]), torch.tensor([2.0]), rtol=0.1",
    "torch.tensor([float('nan'), 1]), torch.tensor([1.0, 1])",
    "torch.tensor([1.0, 5.0]), torch.tensor([0.0, 5.1])",
    "[torch.tensor([1.0])], [torch.tensor([2.0])], msg=lambda text: '<' + text + '>'",
    "torch.tensor([200], dtype=torch.uint8), torch.tensor([10], dtype=torch.uint8)",
    "{1, 2}, {1, 2}",
]


@pytest.mark.parametrize("arguments", MESSAGES)
def test_messages_are_those_of_pytorch(arguments: str) -> None:
    def message(library: Any) -> tuple[str, str]:
        with pytest.raises((AssertionError, TypeError, ValueError)) as caught:
            eval(f"torch.testing.assert_close({arguments})", {"torch": library})
        return caught.type.__name__, str(caught.value)

    assert message(torch) == message(pytest.importorskip("torch"))


@pytest.mark.parametrize(
    "arguments",
    [
        "(2, 3), dtype=torch.float32",
        "3, dtype=torch.int32",
        "(3,), dtype=torch.bool",
        "(4,), dtype=torch.complex64",
        "(), dtype=torch.float16",
        "(4,), dtype=torch.uint8, low=-3.5, high=2.2",
        "(4, 4), dtype=torch.float64, noncontiguous=True",
        "(2, 3, 4, 5), dtype=torch.float32, memory_format=torch.channels_last",
        "(9,), dtype=torch.int64, low=0, high=1, exclude_zero=True",
        "(3,), dtype=torch.float32, low=-3e38, high=3e38",
        "(3,), dtype=torch.float8_e4m3fn",
        "(2,), dtype=torch.float32, low=1, high=0",
        "(2,), dtype=torch.float32, low=float('nan')",
        "(2,), dtype=torch.bool, low=5, high=9",
        "(2,), dtype=torch.int32, requires_grad=True",
    ],
)
def test_random_tensors_are_those_of_pytorch(arguments: str) -> None:
    def made(library: Any) -> Any:
        library.manual_seed(3)
        try:
            tensor = eval(f"torch.testing.make_tensor({arguments}, device='cpu')", {"torch": library})
        except ValueError as error:
            return str(error)
        wide = tensor if tensor.is_complex() else tensor.double()
        return str(tensor.dtype), tensor.stride(), wide.tolist()

    assert made(torch) == made(pytest.importorskip("torch"))


def test_the_older_name() -> None:
    with pytest.warns(FutureWarning, match="assert_allclose"):
        torch.testing.assert_allclose(torch.tensor([1.0]), [1.0])
    with pytest.warns(FutureWarning), pytest.raises(AssertionError, match="Tensor-likes are not close"):
        torch.testing.assert_allclose(torch.tensor([1.0]), torch.tensor([1.1]))
