"""Making tensors: what is certain without PyTorch at hand, and that hostile input only raises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as torch


def test_lists_that_contain_themselves() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="dimensions"):
        torch.tensor(endless)


class Lying:
    """A sequence whose length is not true."""

    def __init__(self, length: int, items: Any) -> None:
        self.length, self.items = length, items

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


@pytest.mark.parametrize(
    "data", [Lying(3, [1]), Lying(1, [1, 2]), [Lying(2, [1]), Lying(2, [1, 2])], Lying(2, [])]
)
def test_sequences_whose_length_lies(data: Any) -> None:
    with pytest.raises((ValueError, IndexError, RuntimeError)):
        torch.tensor(data)


class Raising:
    def __float__(self) -> float:
        raise ZeroDivisionError

    __index__ = __float__  # type: ignore[assignment]


def test_numbers_that_raise() -> None:
    with pytest.raises(ZeroDivisionError):
        torch.tensor([Raising()], dtype=torch.float32)
    with pytest.raises(RuntimeError, match="infer dtype"):
        torch.tensor([Raising()])


@pytest.mark.parametrize("make", [torch.zeros, torch.ones, torch.empty, torch.rand, torch.randn])
@pytest.mark.parametrize("shape", [(2**40, 2**40), (2**62,), (2**31, 2**31, 4), (-1,), (0, -1)])
def test_shapes_that_no_memory_holds(make: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(RuntimeError):
        make(shape)


@pytest.mark.parametrize("extent", [10**20, -(10**20)])
def test_extents_beyond_64_bits(extent: int) -> None:
    with pytest.raises((TypeError, RuntimeError)):
        torch.zeros(extent)


def test_ranges_that_no_memory_holds() -> None:
    for arguments in ((10**18,), (0, 1, 1e-300), (0, 2**63 - 1)):
        with pytest.raises((RuntimeError, OverflowError)):
            torch.arange(*arguments)
    with pytest.raises(RuntimeError):
        torch.linspace(0, 1, 2**62)
    with pytest.raises(RuntimeError):
        torch.eye(2**40)


@pytest.mark.parametrize("dtype", ["object", "U3", "S3", "M8[s]", "m8[s]", "longdouble", "i4,f4"])
def test_arrays_of_other_dtypes(dtype: str) -> None:
    array = np.zeros(2, dtype)
    for function in (torch.from_numpy, torch.tensor, torch.as_tensor, torch.asarray):
        with pytest.raises(TypeError, match="can't convert"):
            function(array)


def test_linspace_ends_exactly() -> None:
    for steps in (2, 3, 10, 999):
        values = torch.linspace(-0.1, 0.7, steps)
        assert values[0].item() == np.float32(-0.1) and values[-1].item() == np.float32(0.7)


def test_the_default_dtype_is_that_of_the_context() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.tensor(1.5).dtype is torch.float64 and torch.tensor([1j]).dtype is torch.complex128
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.ones(1).dtype is torch.float32


def test_frombuffer() -> None:
    memory = bytearray(16)
    shared = torch.frombuffer(memory, dtype=torch.float32)
    shared[1] = 1.0
    assert memory[4:8] == np.float32(1.0).tobytes()
    assert torch.frombuffer(memory, dtype=torch.int8, count=3, offset=2).shape == (3,)
    for options in ({"offset": 16}, {"offset": -1}, {"count": 5}, {"count": 0}, {"offset": 1}):
        with pytest.raises(ValueError, match=r"buffer|offset|requested"):
            torch.frombuffer(memory, dtype=torch.float32, **options)
    with pytest.warns(UserWarning, match="not writable"):
        torch.frombuffer(b"1234", dtype=torch.int32)
