"""A leaf takes over the arriving gradient only if nothing else can see it: no two tensors may share a buffer by accident."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest

import rushlight as torch
from rushlight.autograd import engine


def leaf(*values: float):
    return torch.tensor(values, requires_grad=True)


class Give(torch.autograd.Function):
    """The identity, whose gradient is what ``make(gradient)`` returns."""

    @staticmethod
    def forward(ctx, make, *inputs):
        ctx.make = make
        return inputs[0] * 1

    @staticmethod
    def backward(ctx, gradient):
        made = ctx.make(gradient)
        return (None, *made) if isinstance(made, tuple) else (None, made)


def backward_giving(make, *leaves, create_graph=False):
    Give.apply(make, *leaves).sum().backward(create_graph=create_graph)


def array_of(tensor):
    return tensor.detach().numpy()


def is_shared(first, second) -> bool:
    return np.shares_memory(array_of(first), array_of(second))


def takes_over() -> bool:
    return engine._sole_tensor > 0


def test_cpython_with_the_gil_takes_over():
    # The counts are measured at import; if this fails on a new interpreter the engine copies: right, but slower.
    if sys.implementation.name != "cpython" or not getattr(sys, "_is_gil_enabled", lambda: True)():
        pytest.skip("only CPython with the GIL is expected to take gradients over")
    assert 1 <= engine._sole_tensor <= 3
    assert 1 <= engine._sole_array <= 3


def test_a_gradient_that_nothing_else_holds_is_taken_over():
    if not takes_over():
        pytest.skip("this interpreter's counts can't be told")
    seen = []

    def make(gradient):
        fresh = gradient * 2
        seen.append(fresh._array.__array_interface__["data"][0])
        return fresh

    x = leaf(1.0, 2.0)
    backward_giving(make, x)
    assert x.grad._array.__array_interface__["data"][0] == seen[0]


def test_a_sum_of_gradients_is_taken_over():
    if not takes_over():
        pytest.skip("this interpreter's counts can't be told")
    made = []
    original = engine.add

    def add(a, b):
        total = original(a, b)
        made.append(total._array.__array_interface__["data"][0])
        return total

    engine.add = add
    try:
        x = leaf(1.0, 2.0)
        (x * 2 + x * 3).sum().backward()
    finally:
        engine.add = original
    assert x.grad.tolist() == [5.0, 5.0]
    assert x.grad._array.__array_interface__["data"][0] == made[-1]


def test_a_sum_of_many_gradients_does_not_change_the_parts():
    x = leaf(1.0, 2.0)
    parts = [torch.full((2,), float(i)) for i in range(5)]
    total = sum((Give.apply(lambda g, p=p: p, x) for p in parts), start=torch.zeros(2))
    total.sum().backward()
    assert x.grad.tolist() == [10.0, 10.0]
    assert [p.tolist() for p in parts] == [[float(i)] * 2 for i in range(5)]


def test_a_sum_of_many_gradients_is_recorded_where_it_is_differentiated():
    x = leaf(3.0)
    (g,) = torch.autograd.grad(
        sum((x * x * float(i) for i in range(1, 5)), start=torch.zeros(1)), x, create_graph=True
    )
    assert g.item() == 60.0
    assert torch.autograd.grad(g, x)[0].item() == 20.0


HOLDERS = {
    "the tensor": lambda g: g,
    "a detached alias": lambda g: g.detach(),
    "its data": lambda g: g.data,
    "a view": lambda g: g[:1],
    "a view of another shape": lambda g: g.view(2, 1),
    "the array": lambda g: g.numpy(),
    "a slice of the array": lambda g: g.numpy()[1:],
    "a memoryview": lambda g: memoryview(g.numpy()),
    "a DLPack importer": np.from_dlpack,
    "an array made from it": np.asarray,
    "a tensor made from its array": lambda g: torch.from_numpy(g.numpy()),
}


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS.keys())
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_gradient_that_something_else_holds_is_copied(holder, create_graph):
    held = []

    def make(gradient):
        fresh = (gradient * 3).detach() if create_graph else gradient * 3
        held.append(holder(fresh))
        return fresh

    x = leaf(1.0, 2.0)
    backward_giving(make, x, create_graph=create_graph)
    grad = array_of(x.grad)
    other = held[0].detach().numpy() if isinstance(held[0], torch.Tensor) else np.asarray(held[0])
    assert not np.shares_memory(grad, other)
    with torch.no_grad():
        x.grad.zero_()
    assert np.all(other == 3.0)


def test_a_gradient_seen_by_a_hook_is_copied():
    x = leaf(1.0, 2.0)
    seen = []
    x.register_hook(seen.append)
    (x * 3).sum().backward()
    x.grad.zero_()
    assert seen[0].tolist() == [3.0, 3.0]


def test_what_a_hook_returns_is_copied_if_it_is_kept():
    x = leaf(1.0, 2.0)
    kept = torch.tensor([7.0, 8.0])
    x.register_hook(lambda g: kept)
    (x * 3).sum().backward()
    assert x.grad.tolist() == [7.0, 8.0]
    x.grad.zero_()
    assert kept.tolist() == [7.0, 8.0]


def test_a_gradient_kept_by_a_node_hook_is_copied():
    x = leaf(1.0, 2.0)
    y = x * 3
    seen = []
    y.grad_fn.register_hook(lambda inputs, outputs: seen.append((inputs, outputs)))
    y.sum().backward()
    x.grad.zero_()
    assert seen[0][0][0].tolist() == [3.0, 3.0]


def test_a_gradient_kept_by_the_function_is_copied():
    kept = {}

    class Keep(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, gradient):
            kept["gradient"] = gradient * 5
            return kept["gradient"]

    x = leaf(1.0, 2.0)
    Keep.apply(x).sum().backward()
    x.grad.zero_()
    assert kept["gradient"].tolist() == [5.0, 5.0]


def test_one_gradient_for_several_leaves_is_not_shared():
    leaves = [leaf(1.0, 2.0) for _ in range(4)]

    def make(gradient):
        fresh = gradient * 3
        return (fresh,) * 4

    backward_giving(make, *leaves)
    for a, b in itertools.combinations(leaves, 2):
        assert not is_shared(a.grad, b.grad)
    leaves[0].grad.zero_()
    assert [p.grad.tolist() for p in leaves[1:]] == [[3.0, 3.0]] * 3


def test_views_of_one_gradient_for_several_leaves_are_not_shared():
    leaves = [leaf(1.0, 2.0) for _ in range(2)]

    def make(gradient):
        both = torch.stack([gradient * 3, gradient * 4])
        return both[0], both[1]

    backward_giving(make, *leaves)
    assert not is_shared(leaves[0].grad, leaves[1].grad)
    leaves[0].grad.zero_()
    assert leaves[1].grad.tolist() == [4.0, 4.0]


@pytest.mark.parametrize("create_graph", [False, True])
def test_addition_gives_both_operands_their_own_gradient(create_graph):
    a, b, c = leaf(1.0, 2.0), leaf(3.0, 4.0), leaf(5.0, 6.0)
    (a + b + c).backward(torch.ones(2), create_graph=create_graph)
    for first, second in itertools.combinations((a, b, c), 2):
        assert not is_shared(first.grad, second.grad)


def test_the_gradient_given_to_backward_is_copied():
    x = leaf(1.0, 2.0)
    given = torch.ones(2)
    x.backward(given)
    x.grad.add_(1)
    assert given.tolist() == [1.0, 1.0]
    y = leaf(1.0, 2.0)
    (y + 0).backward(given)
    y.grad.zero_()
    assert given.tolist() == [1.0, 1.0]


def test_the_gradient_given_as_a_temporary_is_right():
    x, y = leaf(1.0, 2.0), leaf(1.0, 2.0)
    (x + y).backward(torch.ones(2) * 3)
    x.grad.zero_()
    assert y.grad.tolist() == [3.0, 3.0]


def test_retained_gradients_are_their_own():
    x = leaf(1.0, 2.0)
    a, b = x * 1, x * 1
    total = a + b
    for tensor in (a, b, total):
        tensor.retain_grad()
    total.backward(torch.ones(2))
    for first, second in itertools.combinations((x, a, b, total), 2):
        assert not is_shared(first.grad, second.grad)
    total.grad.zero_()
    assert (a.grad.tolist(), x.grad.tolist()) == ([1.0, 1.0], [2.0, 2.0])


def test_an_input_returned_as_its_gradient_is_copied():
    x = leaf(1.0, 2.0)
    other = torch.tensor([5.0, 6.0])
    backward_giving(lambda g: other, x)
    x.grad.zero_()
    assert other.tolist() == [5.0, 6.0]


def test_a_leaf_returned_as_a_gradient_is_copied():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    backward_giving(lambda g: (y.detach(), x.detach()), x, y)
    x.grad.zero_()
    y.grad.zero_()
    assert (x.tolist(), y.tolist()) == ([1.0, 2.0], [3.0, 4.0])


def test_a_saved_tensor_returned_as_a_gradient_is_copied():
    class Saved(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(w * 1)
            return x * w

        @staticmethod
        def backward(ctx, gradient):
            (w,) = ctx.saved_tensors
            return w, None

    x, w = leaf(1.0, 2.0), torch.tensor([3.0, 4.0])
    y = Saved.apply(x, w)
    y.sum().backward(retain_graph=True)
    x.grad.zero_()
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 4.0]


def test_the_gradient_of_mul_by_a_constant_does_not_share_the_constant():
    x, w = leaf(1.0, 2.0), torch.tensor([3.0, 4.0])
    (x * w).backward(torch.ones(2))
    x.grad.zero_()
    assert w.tolist() == [3.0, 4.0]


def test_expanded_gradients_become_ordinary_memory():
    x = leaf(1.0, 2.0)
    x.sum().backward()
    assert x.grad.stride() == (1,)
    x.grad[0] = 5.0
    assert x.grad.tolist() == [5.0, 1.0]


@pytest.mark.parametrize("layout", ["contiguous", "transposed", "permuted"])
def test_a_gradient_lies_in_memory_as_its_leaf_does(layout):
    base = torch.arange(24.0).view(2, 3, 4)
    x = {
        "contiguous": base,
        "transposed": base.transpose(0, 2),
        "permuted": base.permute(1, 0, 2),
    }[layout].detach()
    x.requires_grad_()
    (x.permute(2, 1, 0) * 2.0).sum().backward()
    assert x.grad.stride() == x.stride()
    y = x.detach().requires_grad_()
    (y * 2.0).permute(2, 0, 1).sum().backward()
    assert y.grad.stride() == y.stride()


def test_a_gradient_of_a_leaf_with_gaps_is_contiguous():
    x = torch.arange(6.0)[::2].requires_grad_()
    (x * 2.0).sum().backward()
    assert x.grad.stride() == (1,)


def test_views_of_the_gradient_follow_accumulation():
    x = leaf(1.0, 2.0)
    (x * 1).sum().backward()
    first = x.grad
    part = first[:1]
    (x * 2).sum().backward()
    assert x.grad is first
    assert part.tolist() == [3.0]


def test_create_graph_accumulates_into_a_new_tensor():
    x = leaf(1.0, 2.0)
    (x * x).sum().backward(create_graph=True)
    first = x.grad
    (x * x).sum().backward(create_graph=True)
    assert x.grad is not first
    assert first.tolist() == [2.0, 4.0]
    assert x.grad.tolist() == [4.0, 8.0]
    assert x.grad.requires_grad


def test_gradients_of_grad_belong_to_the_caller():
    x = leaf(1.0, 2.0)
    (x * 1).sum().backward()
    (given,) = torch.autograd.grad((x * 2).sum(), x)
    given.zero_()
    assert x.grad.tolist() == [1.0, 1.0]


def test_no_take_over_without_sound_counts(monkeypatch):
    """Whatever the limits are measured to be, a count that says nothing must lead to copies."""
    monkeypatch.setattr(engine, "getrefcount", lambda _: 1 << 30)
    engine._measure_sole_references()
    try:
        assert (engine._sole_tensor, engine._sole_array) == (0, 0)
        seen = []

        def make(gradient):
            seen.append(gradient * 2)
            return seen[0]

        x = leaf(1.0, 2.0)
        backward_giving(make, x)
        x.grad.zero_()
        assert seen[0].tolist() == [2.0, 2.0]
    finally:
        monkeypatch.undo()
        engine._measure_sole_references()


@pytest.mark.parametrize("constant", [1, 2, 3])
def test_counts_that_do_not_see_other_holders_are_not_used(monkeypatch, constant):
    monkeypatch.setattr(engine, "getrefcount", lambda _: constant)
    engine._measure_sole_references()
    try:
        assert (engine._sole_tensor, engine._sole_array) == (0, 0)
    finally:
        monkeypatch.undo()
        engine._measure_sole_references()


def test_counts_are_not_measured_under_a_debugger():
    before = engine._sole_tensor, engine._sole_array
    previous = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        engine._measure_sole_references()
        assert (engine._sole_tensor, engine._sole_array) == (0, 0)
    finally:
        sys.settrace(previous)
        engine._measure_sole_references()
    if previous is None:
        assert (engine._sole_tensor, engine._sole_array) == before


def test_under_a_debugger_that_looks_at_every_frame_gradients_are_right():
    frames = []

    def trace(frame, event, arg):
        frames.append(frame.f_locals)
        return trace

    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        (x + y).sum().backward()
    finally:
        sys.settrace(previous)
    x.grad.zero_()
    assert y.grad.tolist() == [1.0, 1.0]


def random_program(rng, leaves):
    """A random expression of the leaves with many shared gradients, and what to hold on to on the way."""
    values = list(leaves)
    for _ in range(rng.integers(3, 12)):
        a, b = values[rng.integers(len(values))], values[rng.integers(len(values))]
        kind = rng.integers(6)
        values.append(
            a + b
            if kind == 0
            else a - b
            if kind == 1
            else a * 2.0
            if kind == 2
            else (a.view(3, 2).t().reshape(6) if kind == 3 else a.clone() if kind == 4 else a * b.detach())
        )
    return values


@pytest.mark.parametrize("seed", range(30))
def test_no_two_gradients_share_memory_in_random_programs(seed):
    rng = np.random.default_rng(seed)
    leaves = [torch.from_numpy(rng.standard_normal(6)).requires_grad_() for _ in range(4)]
    values = random_program(rng, leaves)
    held = []
    for value in values:
        choice = rng.integers(5)
        if choice == 0 and not value.is_leaf:
            value.retain_grad()
        elif choice == 1:
            value.register_hook(lambda g: held.append((g, g.numpy().copy())))
        elif choice == 2:
            value.register_hook(lambda g: g * 1)
    total = sum((value * (i + 1.0)).sum() for i, value in enumerate(values))
    total.backward()
    grads = [
        value.grad for value in {id(v): v for v in values}.values() if value.is_leaf or value.retains_grad
    ]
    for first, second in itertools.combinations(grads, 2):
        assert not is_shared(first, second)
    for grad in grads:
        for kept, _ in held:
            assert not is_shared(grad, kept)
        grad.fill_(99.0)
    for kept, content in held:
        assert kept.numpy().tolist() == content.tolist()
