"""``vmap`` without PyTorch: a loop over the examples says what is right."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.core.switch import Switch
from rushlight.ops.batching import RULES
from rushlight.ops.define import PRIMITIVES
from rushlight.ops.random import streams
from rushlight.runtime.batched import Batched, enter, leave, wrap

ROWS = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 2.0]])


def looped(function: Any, *batches: Any) -> Any:
    return torch.stack([function(*examples) for examples in zip(*batches, strict=True)])


def test_every_rule_is_for_a_record_that_exists() -> None:
    assert set(RULES) <= set(PRIMITIVES)


def test_an_example_has_the_shape_of_one() -> None:
    seen: list[Any] = []

    def function(x: Any) -> Any:
        seen.append((tuple(x.shape), x.ndim, len(x), x.numel(), x.stride(), x.dtype, x.is_contiguous()))
        return x

    torch.vmap(function, in_dims=1)(torch.zeros(5, 4))
    assert seen == [((5,), 1, 5, 5, (4,), torch.float32, False)]


def test_the_function_runs_once() -> None:
    calls = 0

    def function(x: Any) -> Any:
        nonlocal calls
        calls += 1
        return x * 2

    torch.vmap(function)(torch.zeros(7, 2))
    assert calls == 1


def test_a_record_without_a_rule_is_looped_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(RULES, "linalg_solve")
    a = torch.eye(3) + torch.arange(18.0).reshape(2, 3, 3) / 40
    torch.testing.assert_close(torch.vmap(torch.linalg.solve)(a, ROWS), looped(torch.linalg.solve, a, ROWS))


def test_empty_batches() -> None:
    assert torch.vmap(lambda x: x.sum())(torch.zeros(0, 3)).shape == (0,)
    a = torch.zeros(0, 3, 3)
    assert torch.vmap(torch.linalg.solve)(a, torch.zeros(0, 3)).shape == (0, 3)


def test_levels_have_an_order_of_their_own() -> None:
    # The inner batch is outside of the outer one, whichever came first in a tensor.
    array = np.arange(24.0).reshape(2, 3, 4)
    inner = enter(enter(array, 5, 0), 9, 0)
    other = enter(enter(array, 9, 1), 5, 0)
    assert (inner.level, inner.value.level) == (other.level, other.value.level) == (9, 5)
    np.testing.assert_array_equal(inner.memory, other.memory.swapaxes(0, 0))
    back = leave(leave(inner, 9, 3, 0), 5, 2, 0)
    np.testing.assert_array_equal(back, array)


def test_leaving_what_is_not_batched_repeats_it() -> None:
    np.testing.assert_array_equal(leave(np.arange(2.0), 1, 3, 1), np.repeat(np.arange(2.0)[:, None], 3, 1))


def test_numpy_protocols_line_up_dimensions() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(8.0).reshape(2, 4, 1)
    result = np.add(wrap(1, a), wrap(1, b))
    np.testing.assert_array_equal(result.value, a[:, None, :] + b)
    assert isinstance(np.where(wrap(1, a) > 1, 0.0, wrap(1, a)), Batched)
    np.testing.assert_array_equal(np.linalg.norm(wrap(1, a)).value, np.linalg.norm(a, axis=1))


def test_views_share_memory() -> None:
    x = ROWS.clone()

    def function(row: Any) -> Any:
        row[1:].mul_(10)
        row.unfold(0, 2, 1)[0].add_(1)
        row.as_strided((1,), (1,), 2).zero_()
        return row.view(3, 1).squeeze(1)

    result = torch.vmap(function)(x)
    expected = torch.tensor([[2.0, 21.0, 0.0], [1.5, -9.0, 0.0]])
    torch.testing.assert_close(x, expected)
    torch.testing.assert_close(result, expected)


def test_gradients_of_a_change_in_place_through_a_view() -> None:
    def function(row: Any) -> Any:
        y = row * 1
        y[0] = row[1] * row[2]
        y[1:].mul_(row[:2])
        return y.sum()

    x = ROWS.clone().requires_grad_()
    torch.vmap(function)(x).sum().backward()
    z = ROWS.clone().requires_grad_()
    looped(function, z).sum().backward()
    torch.testing.assert_close(x.grad, z.grad)


@pytest.mark.parametrize("use", range(1, 5))
def test_what_is_shared_gets_the_sum_of_the_gradients(use: int) -> None:
    def function(w: Any, row: Any) -> Any:
        result = row.sum()
        for power in range(use):  # with several uses the engine adds up in place
            result = result + (w * row**power).sin().sum()
        return torch.cat([result[None], w]).sum() + torch.stack([w, row]).prod()

    w, v = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    torch.vmap(function, (None, 0))(w, ROWS).sum().backward()
    torch.stack([function(v, row) for row in ROWS]).sum().backward()
    torch.testing.assert_close(w.grad, v.grad)


def test_writing_batched_values_into_what_is_shared_refuses() -> None:
    for write in (
        lambda x: torch.zeros(3).add_(x),
        lambda x: torch.zeros(3).copy_(x),
        lambda x: torch.zeros(3).__setitem__(0, x[0]),
        lambda x: torch.zeros(3).index_add_(0, torch.tensor([0]), x[:1]),
        lambda x: torch.add(x, 1, out=torch.zeros(3)),
    ):
        with pytest.raises(RuntimeError, match="vmap"):
            torch.vmap(write)(ROWS)


def test_an_error_inside_leaves_nothing_behind() -> None:
    with pytest.raises(ZeroDivisionError):
        torch.vmap(lambda x: 1 / 0)(ROWS)
    torch.rand(2)  # not refused
    torch.testing.assert_close(torch.func.grad(lambda x: x.sum())(ROWS[0]), torch.ones(3))


def test_random_numbers_in_another_thread_are_left_alone() -> None:
    drawn: list[Any] = []

    def function(x: Any) -> Any:
        thread = threading.Thread(target=lambda: drawn.append(torch.rand(2).shape))
        thread.start()
        thread.join()
        return x

    torch.vmap(function)(ROWS)
    assert drawn == [(2,)]


def test_manual_seed_inside() -> None:
    def function(x: Any) -> Any:
        torch.manual_seed(3)
        return x + torch.rand(3)

    result = torch.vmap(function, randomness="same")(ROWS)
    torch.manual_seed(3)
    torch.testing.assert_close(result, ROWS + torch.rand(3))


def test_printing_an_example() -> None:
    shown: list[str] = []

    def function(x: Any) -> Any:
        shown.append(repr(x))
        return x

    torch.vmap(function)(ROWS)
    assert "BatchedTensor" in shown[0]


def test_chunks_draw_and_compute_like_the_whole() -> None:
    x = torch.arange(20.0).reshape(5, 4)
    whole = torch.vmap(lambda row: (row.softmax(0), row.max()))(x)
    parts = torch.vmap(lambda row: (row.softmax(0), row.max()), chunk_size=2)(x)
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b)


def test_nothing_of_it_stays_switched_on() -> None:
    from rushlight.ops import random

    torch.vmap(lambda x: x)(ROWS)
    assert random.DRAW is None
    assert isinstance(Switch, type)
    assert streams is random.streams


def test_results_with_named_parts_come_out_of_vmap() -> None:
    x = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]])
    found = torch.vmap(lambda row: torch.sort(row, descending=True))(x)
    assert type(found) is torch.return_types.sort
    assert found.values.tolist() == [[3.0, 2.0, 1.0], [5.0, 4.0, 0.0]]
    assert found.indices.tolist() == [[0, 2, 1], [1, 2, 0]]
    outer = torch.vmap(lambda row: torch.max(row, 0), out_dims=0)(x)
    assert outer.values.tolist() == [3.0, 5.0] and outer.indices.tolist() == [0, 1]


def test_as_strided_stays_inside_of_the_example() -> None:
    x = torch.arange(12.0).reshape(3, 4)
    assert torch.vmap(lambda row: torch.as_strided(row, (2,), (3,)))(x).tolist() == [[0, 3], [4, 7], [8, 11]]
    for size, stride, offset in [((2,), (5,), 3), ((2,), (1,), 3), ((1,), (1,), 4)]:
        with pytest.raises(RuntimeError, match="can access memory outside of `tensor`"):
            torch.vmap(lambda row, a=size, b=stride, c=offset: torch.as_strided(row, a, b, c))(x)


@pytest.mark.parametrize("dims", [[0, 0], {}, None, "lol"])
def test_in_dims_is_a_number_or_a_tuple(dims: Any) -> None:
    with pytest.raises(ValueError, match="expected `in_dims` to be int or a"):
        torch.vmap(torch.mul, in_dims=dims)(torch.ones(2), torch.ones(2))
