"""Backward itself: values, order, deep graphs, threads, re-entrance, errors."""

from __future__ import annotations

import gc
import sys
import threading
import weakref

import numpy as np
import pytest

import rushlight as torch
from rushlight.autograd import engine


def leaf(*values: float):
    return torch.tensor(values, requires_grad=True)


# --- values -----------------------------------------------------------------------------------------------------------


def test_gradients_add_up_over_all_ways():
    x = leaf(2.0)
    y = x * x
    z = y + y * x
    z.backward()
    assert x.grad.tolist() == [2 * 2 + 3 * 4]


def test_gradients_accumulate_over_calls():
    x = leaf(1.0, 2.0)
    for _ in range(3):
        (x * x).sum().backward()
    assert x.grad.tolist() == [6.0, 12.0]


def test_several_roots_and_one_below_another():
    x = leaf(1.0, 2.0)
    y = x * 3
    z = y * 2
    torch.autograd.backward([z, y, y], [torch.ones(2), torch.ones(2), torch.ones(2)])
    assert x.grad.tolist() == [12.0, 12.0]


def test_backward_of_a_leaf():
    x = leaf(1.0)
    x.backward()
    x.backward(torch.tensor([3.0]))
    assert x.grad.tolist() == [4.0]


def test_backward_without_roots_does_nothing():
    torch.autograd.backward([])
    assert torch.autograd.grad([], leaf(1.0), allow_unused=True) == (None,)


def test_broadcast_gradients_are_summed_and_dtypes_restored():
    x = torch.ones(3, 1, requires_grad=True)
    y = torch.ones(2, 1, 4, dtype=torch.float64, requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.shape == (3, 1) and x.grad.dtype == torch.float32
    assert y.grad.shape == (2, 1, 4) and y.grad.dtype == torch.float64
    assert x.grad.tolist() == [[8.0]] * 3


def test_complex_gradients_reach_real_leaves_as_real():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.tensor([1 + 2j, 3 - 1j])
    (x * w).abs().sum().backward()
    assert x.grad.dtype == torch.float32
    np.testing.assert_allclose(x.grad.numpy(), np.abs([1 + 2j, 3 - 1j]), rtol=1e-6)


def test_empty_tensors():
    x = torch.zeros(0, 3, requires_grad=True)
    (x * 2).sum().backward()
    assert x.grad.shape == (0, 3)


def test_a_gradient_of_none_is_nothing():
    class Nothing(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, gradient):
            return None

    x = leaf(1.0)
    y = x * 2
    Nothing.apply(y).backward(retain_graph=True)
    assert x.grad is None
    (Nothing.apply(y) + y).backward()
    assert x.grad.tolist() == [2.0]


def test_results_of_one_operation_that_nothing_used_count_as_zero():
    x = torch.arange(6.0).view(2, 3).requires_grad_()
    first, second = x.unbind(0)
    (first * 2).sum().backward()
    assert x.grad.tolist() == [[2.0] * 3, [0.0] * 3]
    (second.sum() + first.sum()).backward()
    assert x.grad.tolist() == [[3.0] * 3, [1.0] * 3]


def test_second_order_through_shared_nodes():
    x = leaf(2.0)
    y = x * x * x
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (gg,) = torch.autograd.grad(g, x, create_graph=True)
    (ggg,) = torch.autograd.grad(gg, x)
    assert (g.item(), gg.item(), ggg.item()) == (12.0, 12.0, 6.0)


def test_gradient_norm_penalty():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (y + (g * g).sum()).backward()
    assert x.grad.tolist() == [2.0 + 8.0, 4.0 + 16.0]


# --- graphs that are kept and freed -----------------------------------------------------------------------------------


def test_a_second_backward_needs_retain_graph():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4.0, 8.0]
    with pytest.raises(RuntimeError, match=r"^Trying to backward through the graph a second time"):
        y.backward()


def test_create_graph_retains():
    x = leaf(3.0)
    y = x * x
    y.backward(create_graph=True)
    y.backward()
    assert x.grad.tolist() == [12.0]


def test_what_saves_nothing_can_run_again():
    x = leaf(3.0)
    y = x + 1
    y.backward()
    y.backward()
    assert x.grad.tolist() == [2.0]


def test_saved_tensors_are_freed_by_backward():
    x = leaf(1.0, 2.0)
    middle = x * 2
    alive = weakref.ref(middle)
    loss = (middle * middle).sum()
    del middle
    assert alive() is not None
    loss.backward()
    assert alive() is None


def test_an_exact_gradient_needs_no_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = (x.exp() * x).sigmoid().sum()
        alive = [weakref.ref(y), weakref.ref(y.grad_fn)]
        y.backward()
        del y
        assert [ref() for ref in alive] == [None, None]
    finally:
        gc.enable()


def test_a_dropped_graph_needs_no_garbage_collector():
    class Saves(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x * 2
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx, g):
            return g

    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = Saves.apply(x).exp()
        alive = weakref.ref(y.grad_fn)
        del y
        assert alive() is None
    finally:
        gc.enable()


# --- deep and wide graphs ---------------------------------------------------------------------------------------------


class Times(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(w)
        return x * w

    @staticmethod
    def backward(ctx, gradient):
        (w,) = ctx.saved_tensors
        return gradient * w, None


ONE = torch.ones(1)
STEPS = {
    "add": lambda y: y + ONE,
    "mul": lambda y: y * ONE,
    "view": lambda y: y.view(1),
    "function": lambda y: Times.apply(y, ONE),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
@pytest.mark.parametrize("end", ["backward", "drop"])
def test_a_chain_of_100000_operations(step, end):
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = step(y)
    if end == "backward":
        y.backward()
        assert x.grad.tolist() == [1.0]
    del y


def test_a_deep_chain_in_a_thread_with_a_small_stack():
    result = []

    def work():
        x = leaf(1.0)
        y = x
        for _ in range(50_000):
            y = y * ONE
        y.backward()
        result.append(x.grad.tolist())
        del y

    # CPython 3.13 itself needs up to 1 MiB to free a long chain of any objects, a list in a list in a list as well.
    previous = threading.stack_size(2 * 1024 * 1024)
    try:
        thread = threading.Thread(target=work)
        thread.start()
    finally:
        threading.stack_size(previous)
    thread.join()
    assert result == [[1.0]]


def test_a_deep_chain_of_changes_in_place():
    x = leaf(1.0)
    y = x * 1
    part = y[:1]
    for _ in range(3_000):
        y.mul_(1.0)
        part.add_(0.0)
    y.sum().backward()
    assert x.grad.tolist() == [1.0]


def test_a_wide_graph():
    x = leaf(1.0)
    sum((x * float(i) for i in range(5_000)), start=torch.zeros(1)).backward()
    assert x.grad.tolist() == [float(sum(range(5_000)))]


def test_a_graph_with_exponentially_many_ways():
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad.tolist() == [2.0**60]


def test_deep_graphs_do_not_touch_the_recursion_limit():
    limit = sys.getrecursionlimit()
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = y * x
    torch.autograd.grad(y, x, create_graph=True)
    assert sys.getrecursionlimit() == limit


# --- order ------------------------------------------------------------------------------------------------------------


def log_of(program):
    log = []

    def note(name):
        return lambda gradient: log.append(name)

    program(note)
    return log


def test_the_operation_recorded_last_runs_first():
    def program(note):
        x = leaf(1.0)
        a, b = x * 1, x * 1
        for i in range(3):
            a = a * 1
            a.register_hook(note(f"a{i}"))
            b = b * 1
            b.register_hook(note(f"b{i}"))
        (a * b).backward()

    assert log_of(program) == ["b2", "a2", "b1", "a1", "b0", "a0"]


def test_order_does_not_depend_on_the_place_among_the_operands():
    for swap in (False, True):

        def program(note, swap=swap):
            x = leaf(1.0)
            a = x * 2
            b = x * 3
            a.register_hook(note("a"))
            b.register_hook(note("b"))
            (b + a if swap else a + b).backward()

        assert log_of(program) == ["b", "a"]


def test_a_leaf_gets_its_gradient_as_soon_as_it_is_complete():
    def program(note):
        w, v, x = leaf(1.0), leaf(1.0), leaf(1.0)
        for name, tensor in (("w", w), ("v", v), ("x", x)):
            tensor.register_post_accumulate_grad_hook(note(name))
        h = x * w
        h.register_hook(note("h"))
        (h * v).backward()

    assert log_of(program) == ["v", "h", "x", "w"]


# --- threads ----------------------------------------------------------------------------------------------------------


def in_threads(work, count=8):
    errors = []

    def guarded(i):
        try:
            work(i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.fixture
def hasty():
    """Threads take turns as often as they can."""
    previous = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(previous)


def test_backward_of_separate_graphs_in_several_threads(hasty):
    results = {}

    def work(i):
        x = leaf(float(i), 1.0)
        for _ in range(100):
            y = x
            for _ in range(5):
                y = y * 2 + x
            y.sum().backward()
        results[i] = x.grad.tolist()

    in_threads(work)
    assert results == {i: [6300.0, 6300.0] for i in range(8)}


@pytest.mark.parametrize("size", [4, 100_000])
def test_no_gradient_is_lost_where_threads_share_leaves(hasty, size):
    x = torch.ones(size, requires_grad=True)
    rounds = 200 if size == 4 else 10

    def work(i):
        for _ in range(rounds):
            (x * 1.0).sum().backward()

    in_threads(work, 4)
    assert x.grad.unique().tolist() == [4.0 * rounds]


def test_grad_mode_in_backward_belongs_to_its_thread(hasty):
    def work(i):
        for _ in range(50):
            x = leaf(1.0, 2.0)
            create = i % 2 == 0
            (g,) = torch.autograd.grad((x * x).sum(), x, create_graph=create)
            assert g.requires_grad == create
            assert torch.is_grad_enabled()

    in_threads(work, 4)


def test_one_graph_in_several_threads(hasty):
    x = leaf(1.0, 2.0)
    y = (x * x * x).sum()

    def work(i):
        for _ in range(50):
            (g,) = torch.autograd.grad(y, x, retain_graph=True)
            assert g.tolist() == [3.0, 12.0]

    in_threads(work, 4)


# --- re-entrance ------------------------------------------------------------------------------------------------------


class Nested(torch.autograd.Function):
    """Computes its gradient by a backward of its own, as checkpointing does."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            inner = x.detach().requires_grad_()
            (inner * inner).backward(gradient)
        return inner.grad


def test_backward_within_the_backward_of_a_function():
    x = leaf(1.0, 2.0)
    (Nested.apply(Nested.apply(x)) + x).sum().backward()
    assert x.grad.tolist() == [4.0 + 1.0, 32.0 + 1.0]


def test_backward_within_a_hook():
    x, w = leaf(1.0), leaf(5.0)

    def hook(gradient):
        assert not torch.is_grad_enabled()
        with torch.enable_grad():
            (w * w).backward()

    y = x * 2
    y.register_hook(hook)
    y.backward()
    assert (x.grad.item(), w.grad.item()) == (2.0, 10.0)


def test_backward_into_the_same_leaf_within_a_hook():
    x = leaf(1.0)

    def hook(gradient):
        handle.remove()
        with torch.enable_grad():
            (x * 10).backward()

    y = x * 2
    handle = y.register_hook(hook)
    y.backward()
    assert x.grad.item() == 12.0


def test_grad_within_a_post_accumulate_hook():
    x = leaf(3.0)
    seen = []

    @torch.enable_grad()
    def hook(p):
        seen.append(torch.autograd.grad(p * p, p)[0].item())

    x.register_post_accumulate_grad_hook(hook)
    (x * 1).backward()
    assert seen == [6.0]


# --- errors -----------------------------------------------------------------------------------------------------------


def test_an_exception_in_a_hook_leaves_grad_mode_and_grads_alone():
    x, w = leaf(1.0), leaf(1.0)
    y = x * w

    def boom(gradient):
        raise ValueError("boom")

    handle = y.register_hook(boom)
    z = y * 1
    with pytest.raises(ValueError, match="boom"):
        z.backward()
    assert torch.is_grad_enabled()
    assert (x.grad, w.grad) == (None, None)
    handle.remove()
    (x * w).backward()
    assert (x.grad.item(), w.grad.item()) == (1.0, 1.0)


def test_an_exception_in_backward_leaves_no_pending_gradients():
    class Fails(torch.autograd.Function):
        fail = True

        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, gradient):
            if Fails.fail:
                raise KeyError("later")
            return gradient

    x = leaf(1.0)
    y = x * 2
    z = Fails.apply(y) + y
    with pytest.raises(KeyError):
        z.backward(retain_graph=True)
    Fails.fail = False
    x.grad = None
    z.backward()
    assert x.grad.item() == 4.0


def test_changed_saved_values_name_both_lines():
    x = leaf(1.0, 2.0)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation") as caught:
        y.sum().backward()
    text = str(caught.value)
    assert "y = x.exp()" in text and "y.add_(1)" in text


def test_public_names():
    for name in torch.autograd.__all__:
        assert hasattr(torch.autograd, name), name
    for module in (
        torch.autograd.function,
        torch.autograd.functional,
        torch.autograd.grad_mode,
        torch.autograd.graph,
    ):
        for name in module.__all__:
            assert hasattr(module, name), name


def test_the_engine_has_no_state_left(monkeypatch):
    x = leaf(1.0)
    (x * x).backward()
    assert engine.current_run() is None
