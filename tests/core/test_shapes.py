"""Size and the arguments that name shapes."""

from __future__ import annotations

import operator
import pickle
from typing import Any

import pytest

import rushlight as torch
from rushlight.core.shapes import as_shape, broadcast_shape, infer_shape, wrap_dim


def test_size_stays_a_size() -> None:
    size = torch.Size([2, 3])
    for other in (
        operator.add(size, (4,)),
        operator.add((4,), size),
        size * 2,
        2 * size,
        size[:1],
        pickle.loads(pickle.dumps(size)),
    ):
        assert type(other) is torch.Size
    assert size == (2, 3) and size.numel() == 6 and repr(size) == "torch.Size([2, 3])"
    assert type(size[0]) is int


@pytest.mark.parametrize(
    ("arguments", "shape"), [((2, 3), (2, 3)), (((2, 3),), (2, 3)), (([2],), (2,)), (((),), ())]
)
def test_forms_of_a_shape(arguments: Any, shape: tuple[int, ...]) -> None:
    assert as_shape(arguments) == shape


@pytest.mark.parametrize("arguments", [(2.5,), ("a",), ((2, "a"),), ((2, 3), 4), (None,)])
def test_what_is_no_shape(arguments: Any) -> None:
    with pytest.raises(TypeError):
        as_shape(arguments)


def test_dimensions() -> None:
    assert wrap_dim(-1, 3) == 2 and wrap_dim(0, 0) == 0
    with pytest.raises(IndexError, match="Dimension out of range"):
        wrap_dim(3, 3)
    with pytest.raises(TypeError):
        wrap_dim("a", 3)  # type: ignore[arg-type]


def test_inferred_and_common_shapes() -> None:
    assert infer_shape((2, -1), 6) == (2, 3)
    for shape, numel in (((-1, -1), 4), ((-1, 4), 6), ((0, -1), 0), ((-2,), 2), ((5,), 6)):
        with pytest.raises(RuntimeError):
            infer_shape(shape, numel)
    assert broadcast_shape((2, 1), (3,)) == (2, 3)
    with pytest.raises(RuntimeError, match="must match the size of tensor b"):
        broadcast_shape((2,), (3,))
