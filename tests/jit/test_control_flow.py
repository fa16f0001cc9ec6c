"""Control flow over values: the same results and gradients in eager, recorded and static mode as plain Python loops give."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import rushlight as torch

MODES = ("eager", "recorded", "static")
modes = pytest.mark.parametrize("mode", MODES)


def in_mode(mode, function):
    return function if mode == "eager" else torch.compile(function, fullgraph=mode == "static")


def is_static(compiled):
    """Whether calls run a recording, without the Python code."""
    run = compiled._compiled
    return bool(run.variants) and not run.use_recorded


def same(a, b, tolerance=1e-6):
    a, b = torch.as_tensor(a), torch.as_tensor(b)
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)


def randn(*shape, dtype=torch.float64, requires_grad=False):
    return torch.randn(*shape, dtype=dtype, requires_grad=requires_grad)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


# --- cond -------------------------------------------------------------------------------------------------------------------


@modes
def test_both_branches(mode):
    f = in_mode(mode, lambda x: torch.cond(x.sum() > 0, lambda x: x * 2, lambda x: -x, (x,)))
    for _ in range(2):
        same(f(torch.tensor([1.0, 2.0])), torch.tensor([2.0, 4.0]))
        same(f(torch.tensor([1.0, -2.0])), torch.tensor([-1.0, 2.0]))


@modes
@pytest.mark.parametrize("pred", [True, False, 1, 0.0])
def test_a_python_predicate(mode, pred):
    f = in_mode(mode, lambda x: torch.cond(pred, lambda x: x + 1, lambda x: x - 1, (x,)))
    same(f(torch.zeros(2)), torch.full((2,), 1.0 if pred else -1.0))


@modes
def test_structures_of_branches(mode):
    def f(x, y):
        return torch.cond(
            x.sum() > 0,
            lambda pair, z: {
                "sum": pair[0] + pair["y"] if isinstance(pair, dict) else pair[0] + pair[1],
                "parts": [z, None],
            },
            lambda pair, z: {"sum": pair[0] - pair[1], "parts": [z * 2, None]},
            ((x, y), x.long()),
        )

    g = in_mode(mode, f)
    for sign in (1.0, -1.0):
        x, y = torch.tensor([1.5, 2.0]) * sign, torch.tensor([3.0, 4.0])
        result = g(x, y)
        same(result["sum"], x + y if sign > 0 else x - y)
        same(result["parts"][0], x.long() if sign > 0 else x.long() * 2)
        assert result["parts"][1] is None


@modes
def test_gradients_of_branches(mode):
    w = randn(3, requires_grad=True)

    def step(x):
        w.grad = None
        y = torch.cond(x.sum() > 0, lambda x: (x * w).exp(), lambda x: -x * w * w, (x,))
        loss = (y * y).sum()
        loss.backward()
        return loss.detach()

    f = in_mode(mode, step)
    for sign in (1, -1, 1):
        x = sign * torch.ones(3, dtype=torch.float64)
        value = f(x)
        v = w.detach().clone().requires_grad_()
        y = (x * v).exp() if sign > 0 else -x * v * v
        expected = (y * y).sum()
        expected.backward()
        same(value, expected)
        same(w.grad, v.grad)
    assert mode != "static" or is_static(f)


@modes
def test_a_captured_result_of_what_came_before(mode):
    w = randn(3, requires_grad=True)

    def step(x):
        w.grad = None
        h = (x * w).sin()
        y = torch.cond(h.sum() > 0, lambda: h * h * w, lambda: h + w) + h
        y.sum().backward()
        return y.detach()

    f = in_mode(mode, step)
    for sign in (1.0, -1.0):
        x = torch.sign(w.detach()) * sign
        y = f(x)
        v = w.detach().clone().requires_grad_()
        h = (x * v).sin()
        expected = (h * h * v if h.sum() > 0 else h + v) + h
        expected.sum().backward()
        same(y, expected)
        same(w.grad, v.grad)


@modes
def test_a_view_and_its_base_inside(mode):
    w = randn(4, requires_grad=True)

    def step(flag):
        w.grad = None
        part = w[1:3]
        y = torch.cond(flag, lambda: (w.sum() * part).sum(), lambda: (part * part).sum() + w[0])
        y.backward()
        return y.detach()

    f = in_mode(mode, step)
    for flag in (True, False):
        y = f(torch.tensor(flag))
        v = w.detach().clone().requires_grad_()
        p = v[1:3]
        expected = (v.sum() * p).sum() if flag else (p * p).sum() + v[0]
        expected.backward()
        same(y, expected)
        same(w.grad, v.grad)


@modes
def test_later_changes_do_not_spoil_the_gradient(mode):
    w = randn(3, requires_grad=True)
    scale = torch.full((3,), 2.0, dtype=torch.float64)

    def step(x):
        w.grad = None
        scale.fill_(2.0)
        y = torch.cond(x > 0, lambda: w * w * (scale * 1.0), lambda: w + 0.0)
        scale.fill_(100.0)
        y.sum().backward()
        return y.detach()

    f = in_mode(mode, step)
    for _ in range(2):
        f(torch.tensor(1.0))
        same(w.grad, 4 * w.detach())


@modes
def test_second_derivatives_of_branches(mode):
    def f(x, flag):
        y = torch.cond(flag, lambda x: (x**3).sin(), lambda x: x.exp() * x, (x,))
        (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), x)
        return y.detach(), first.detach(), second

    for flag in (True, False):
        x = randn(3, requires_grad=True)
        for a, b in zip(in_mode(mode, f)(x, torch.tensor(flag)), f(x, torch.tensor(flag)), strict=True):
            same(a, b)


@modes
def test_memory_outside_changed_in_a_branch(mode):
    count, total = torch.zeros(()), torch.zeros(4)

    def f(x):
        def positive(x):
            count.add_(1)
            total[1:3].add_(x)
            return x + count

        return torch.cond(x.sum() > 0, positive, lambda x: x * 1, (x,)) + total[1]

    g = in_mode(mode, f)
    n, t = 0, 0.0
    for value in (1.0, -1.0, 2.0, 3.0):
        x = torch.full((2,), value)
        result = g(x)
        if value > 0:
            n, t = n + 1, t + value
        same(result, torch.full((2,), value + (n if value > 0 else 0) + t))
        same(count, torch.tensor(float(n)))
        same(total, torch.tensor([0.0, t, t, 0.0]))


@modes
def test_random_numbers_in_a_branch(mode):
    w = randn(64, requires_grad=True)

    def step(flag):
        w.grad = None
        y = torch.cond(flag, lambda: torch.nn.functional.dropout(w, 0.5) * 3, lambda: w * 1.0)
        y.sum().backward()
        return y.detach()

    f = in_mode(mode, step)
    torch.manual_seed(1)
    for flag in (True, False, True):
        state = torch.get_rng_state()
        y = f(torch.tensor(flag))
        same(w.grad, y / w.detach())  # the gradient has the mask of this very call
        after = torch.get_rng_state()
        torch.set_rng_state(state)
        w_again = w.detach()
        same(y, torch.nn.functional.dropout(w_again, 0.5) * 3 if flag else w_again)
        assert bool((torch.get_rng_state() == after).all())
    assert mode != "static" or is_static(f)


@modes
def test_cond_in_cond(mode):
    w = randn(2, requires_grad=True)

    def step(a, b):
        w.grad = None
        h = w * 2

        def outer(x):
            k = x * w
            return torch.cond(b > 0, lambda x: x * k * h, lambda x: x + w.sin(), (x,)) + h

        y = torch.cond(a > 0, outer, lambda x: x * 1.0 + w, (h,))
        y.square().sum().backward()
        return y.detach()

    f = in_mode(mode, step)
    for a, b in ((1, 1), (1, -1), (-1, 1)):
        y = f(torch.tensor(a), torch.tensor(b))
        v = w.detach().clone().requires_grad_()
        h = v * 2
        k = h * v
        expected = ((h * k * h if b > 0 else h + v.sin()) + h) if a > 0 else h + v
        expected.square().sum().backward()
        same(y, expected)
        same(w.grad, v.grad)


def test_the_gradient_after_the_recording():
    w = randn(3, requires_grad=True)
    f = torch.compile(lambda x: torch.cond(x > 0, lambda: w.exp(), lambda: w * w), fullgraph=True)
    for value in (1.0, -1.0, 1.0):
        w.grad = None
        f(torch.tensor(value)).sum().backward()
        same(w.grad, w.detach().exp() if value > 0 else 2 * w.detach())


# --- while_loop -------------------------------------------------------------------------------------------------------------


@modes
def test_iterations(mode):
    def f(x, n):
        return torch.while_loop(lambda i, x: i < n, lambda i, x: (i + 1, x * 2 + i), (torch.tensor(0), x))

    g = in_mode(mode, f)
    for n in (0, 1, 7, 100):
        i, x = g(torch.ones(2, dtype=torch.float64), torch.tensor(n))
        expected = np.ones(2)
        for k in range(n):
            expected = expected * 2 + k
        same(i, torch.tensor(n))
        same(x, torch.tensor(expected))


@modes
def test_carried_numbers(mode):
    def f(x):
        i, factor, x, flag = torch.while_loop(
            lambda i, f, x, flag: i < 5,
            lambda i, f, x, flag: (i + 1, f * 0.5, x + f, i > 2),
            (0, 1.0, x, False),
        )
        return i, factor, x, flag

    for _ in range(2):
        i, factor, x, flag = in_mode(mode, f)(torch.zeros(2))
        assert (type(i), type(factor), type(flag)) == (int, float, bool)
        assert (i, factor, flag) == (5, 0.5**5, True)
        same(x, torch.full((2,), 1.9375))


@modes
def test_nested_carried_values(mode):
    def f(x):
        return torch.while_loop(
            lambda s, n: s["x"].sum() < 10,
            lambda s, n: ({"x": s["x"] + 1, "y": [s["y"][0] * 2]}, n - 1),
            ({"x": x, "y": [x]}, x),
        )

    state, n = in_mode(mode, f)(torch.zeros(2))
    same(state["x"], torch.full((2,), 5.0))
    same(state["y"][0], torch.zeros(2))
    same(n, torch.full((2,), -5.0))


@modes
@pytest.mark.parametrize("n", [0, 1, 4])
def test_gradients_of_loops(mode, n):
    w, x = randn(2, 2, requires_grad=True), randn(2, requires_grad=True)

    def step(n):
        w.grad = x.grad = None
        h = w * 1.5
        _, y, _ = torch.while_loop(
            lambda i, y, z: i < n,
            lambda i, y, z: (i + 1, (h @ y + x).tanh(), z + 1),
            (torch.tensor(0), x, x.detach()),
        )
        (y * y).sum().backward()
        return y.detach()

    f = in_mode(mode, step)
    for _ in range(2):
        result = f(torch.tensor(n))
        v, u = w.detach().clone().requires_grad_(), x.detach().clone().requires_grad_()
        y = u
        for _ in range(n):
            y = ((v * 1.5) @ y + u).tanh()
        (y * y).sum().backward()
        same(result, y)
        same(x.grad, u.grad)
        if n:
            same(w.grad, v.grad)
        else:
            assert w.grad is None or not w.grad.any()
    assert mode != "static" or is_static(f)


@modes
def test_loops_that_change_memory_outside(mode):
    steps = torch.zeros((), dtype=torch.int64)

    def body(x):
        steps.add_(1)
        return (x + steps,)

    f = in_mode(mode, lambda x: torch.while_loop(lambda x: (x.sum() < 20) & (steps < 100), body, (x,)))
    total = 0
    for _ in range(2):
        (x,) = f(torch.zeros(1))
        expected = 0.0
        while expected < 20 and total < 100:
            total += 1
            expected += total
        same(x, torch.tensor([expected]))
        assert steps.item() == total


@modes
def test_second_derivatives_of_loops(mode):
    factor = randn(2, requires_grad=True)

    def f(x, w, n):
        bound = (
            w.exp()
        )  # changes between the iterations do not matter, nor does what is carried without a gradient
        count, y, z = torch.while_loop(
            lambda i, y, z: i < n,
            lambda i, y, z: (i + 1, y * bound.sin() + z * factor, z.tanh() + i * y * y),
            (torch.tensor(0), x, x * w),
        )
        first = torch.autograd.grad((y * z).sum(), (x, w, factor), create_graph=True)
        weight = (first[0] * first[1]).sum() + (first[2] ** 2).sum() + y.sum()
        return count, y.detach(), *[g.detach() for g in first], *torch.autograd.grad(weight, (x, w, factor))

    compiled = in_mode(mode, f)
    for n in (1, 4, 2):
        x, w = randn(2, requires_grad=True), randn(2, requires_grad=True)
        expected = f(x, w, torch.tensor(n))
        for a, b in zip(compiled(x, w, torch.tensor(n)), expected, strict=True):
            same(a, b, 1e-9)


@modes
def test_second_derivatives_of_loops_by_backward(mode):
    x = randn(3, requires_grad=True)

    def step(scale):
        x.grad = None
        _, y = torch.while_loop(
            lambda i, y: i < 3, lambda i, y: (i + 1, (y * scale).sin()), (torch.tensor(0), x)
        )
        (first,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        (first * first).sum().backward()
        return first.detach()

    compiled = in_mode(mode, step)
    for _ in range(4):
        scale = randn(3)
        expected, of_x = step(scale), x.grad
        same(compiled(scale), expected)
        same(x.grad, of_x)


def test_third_derivatives_through_a_static_loop_are_refused():
    @torch.compile(fullgraph=True)
    def f(x):
        _, y = torch.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * y), (torch.tensor(0), x))
        for _ in range(3):
            (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        return y

    with pytest.raises(RuntimeError, match="no third derivatives"):
        f(torch.ones(2, requires_grad=True))


@modes
@pytest.mark.parametrize("kind", ["cond", "scan", "map", "while_loop"])
def test_second_derivatives_outside_of_a_compiled_function(mode, kind):
    w = randn(2, requires_grad=True)

    def f(x, n):
        if kind == "cond":
            return torch.cond(n > 1, lambda x: (x * w).sin(), lambda x: (x + w).exp(), (x,))
        if kind == "scan":
            return torch.scan(lambda c, x: (c * w + x.sin(), c * x), x[0], x)[1]
        if kind == "map":
            return torch.map_fn(lambda row: (row * w).exp(), x)
        return torch.while_loop(lambda i, y: i < n, lambda i, y: (i + 1, y.sin() * w), (torch.tensor(0), x))[
            1
        ]

    compiled = in_mode(mode, f)
    if mode == "static":
        y = compiled(randn(3, 2, requires_grad=True), torch.tensor(2))
        with pytest.raises(RuntimeError, match="control flow"):
            torch.autograd.grad(y.sum(), w, create_graph=True)
        return
    for n in (2, 1, 3, 2, 2, 2, 2, 2):
        x = randn(3, 2, requires_grad=True)
        found = []
        for function in (f, compiled):
            y = function(x, torch.tensor(n))
            first = torch.autograd.grad(y.square().sum(), (x, w), create_graph=True)
            second = torch.autograd.grad(sum((g * g).sum() for g in first), (x, w))
            found.append([y.detach(), *first, *second])
        for a, b in zip(*found, strict=True):
            same(a, b, 1e-9)


# --- scan and map -----------------------------------------------------------------------------------------------------------


def looped(f, carry, xs, reverse=False):
    ys = []
    for x in reversed(xs.unbind(0)) if reverse else xs.unbind(0):
        carry, y = f(carry, x)
        ys.append(y)
    return carry, torch.stack(ys[::-1] if reverse else ys)


@modes
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [1, 2, 6])
def test_scan(mode, reverse, length):
    def f(carry, x):
        return carry * 0.5 + x, (carry * x).sum()

    xs, init = randn(length, 3), randn(3)
    carry, ys = in_mode(mode, lambda init, xs: torch.scan(f, init, xs, reverse=reverse))(init, xs)
    expected = looped(f, init, xs, reverse)
    same(carry, expected[0])
    same(ys, expected[1])


@modes
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_scan_along_a_dimension(mode, dim):
    xs = randn(2, 3, 4)
    f = in_mode(
        mode,
        lambda xs: torch.scan(
            lambda c, x: (c + x.sum(), x * c), torch.zeros((), dtype=xs.dtype), xs, dim=dim
        ),
    )
    carry, ys = f(xs)
    same(carry, xs.sum())
    _, stacked = looped(
        lambda c, x: (c + x.sum(), x * c), torch.zeros((), dtype=xs.dtype), xs.movedim(dim, 0)
    )
    same(ys, stacked.movedim(0, dim))


@modes
def test_scan_of_structures(mode):
    def f(carry, x):
        new = {"a": carry["a"] + x[0], "n": carry["n"] + 1}
        return new, (x[1] * carry["n"], [carry["a"].sum()])

    xs = (randn(4, 2), torch.arange(4))
    carry, (scaled, (sums,)) = in_mode(
        mode, lambda *xs: torch.scan(f, {"a": torch.zeros(2, dtype=torch.float64), "n": torch.tensor(0)}, xs)
    )(*xs)
    same(carry["a"], xs[0].sum(0))
    assert carry["n"].item() == 4
    same(scaled, torch.arange(4) ** 2)
    same(sums, torch.cat([torch.zeros(1, dtype=torch.float64), xs[0].sum(1).cumsum(0)[:-1]]))


@modes
@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_of_scan(mode, reverse):
    w, init, xs = (randn(*s, requires_grad=True) for s in ((3, 3), (3,), (5, 3)))

    def step():
        w.grad = init.grad = xs.grad = None
        carry, ys = torch.scan(lambda c, x: ((w @ c).tanh() + x, c * x), init, xs * 1.0, reverse=reverse)
        (carry.sum() + (ys * ys).sum()).backward()

    f = in_mode(mode, step)
    for _ in range(2):
        f()
        leaves = [t.detach().clone().requires_grad_() for t in (w, init, xs)]
        v, c, s = leaves
        carry, ys = looped(lambda c, x: ((v @ c).tanh() + x, c * x), c, s, reverse)
        (carry.sum() + (ys * ys).sum()).backward()
        for a, b in zip((w, init, xs), leaves, strict=True):
            same(a.grad, b.grad)
    assert mode != "static" or is_static(f)


@modes
def test_second_derivatives_of_scan(mode):
    def f(x, w):
        carry, ys = torch.scan(lambda c, x: (c * w + x.sin(), c * x), x[0], x)
        (first,) = torch.autograd.grad((carry * carry).sum() + ys.sum(), x, create_graph=True)
        return torch.autograd.grad(first.square().sum(), (x, w))

    x, w = randn(4, 2, requires_grad=True), randn(2, requires_grad=True)
    for a, b in zip(in_mode(mode, f)(x, w), f(x, w), strict=True):
        same(a, b)


@modes
def test_random_numbers_in_scan(mode):
    w = randn(8, requires_grad=True)

    def step(xs):
        w.grad = None
        _, ys = torch.scan(
            lambda c, x: (c + x, torch.nn.functional.dropout(w, 0.5) * x), torch.zeros((), dtype=xs.dtype), xs
        )
        ys.sum().backward()
        return ys.detach()

    xs = torch.arange(1.0, 5.0, dtype=torch.float64)
    f = in_mode(mode, step)
    for _ in range(2):
        ys = f(xs)
        same(w.grad, (ys / w.detach()).sum(0))
        assert not bool((ys[0] * 2 == ys[1]).all())


@modes
def test_map(mode):
    xs = (randn(4, 3, requires_grad=True), randn(4, requires_grad=True))
    k = randn(3, requires_grad=True)

    def f(a, b):
        y, z = torch.map_fn(lambda row, k: ((row[0] * k).sum(), row[1] * row[0]), (a, b), k)
        return torch.autograd.grad(y.square().sum() + z.sum(), (a, b, k)), y.detach(), z.detach()

    (ga, gb, gk), y, z = in_mode(mode, f)(*xs)
    expected_y, expected_z = (xs[0] * k).sum(1), xs[1][:, None] * xs[0]
    same(y, expected_y)
    same(z, expected_z)
    for a, b in zip(
        (ga, gb, gk), torch.autograd.grad(expected_y.square().sum() + expected_z.sum(), (*xs, k)), strict=True
    ):
        same(a, b)


@modes
def test_everything_nested(mode):
    w = randn(2, requires_grad=True)

    def step(xs):
        w.grad = None

        def one(carry, x):
            def small(c):
                _, y = torch.while_loop(
                    lambda i, y: i < 2, lambda i, y: (i + 1, y * w + x), (torch.tensor(0), c)
                )
                return y

            new = torch.cond(carry.sum() < 1, small, lambda c: c - w * w, (carry,))
            return new, torch.map_fn(lambda e: e * w[0], new)

        carry, ys = torch.scan(one, xs[0], xs)
        (carry.sum() + ys.sum()).backward()
        return ys.detach()

    f = in_mode(mode, step)
    for xs in (randn(4, 2), randn(4, 2) + 1):
        ys = f(xs)
        v = w.detach().clone().requires_grad_()
        carry, rows = xs[0], []
        for x in xs.unbind(0):
            carry = (carry * v + x) * v + x if carry.sum() < 1 else carry - v * v
            rows.append(carry * v[0])
        expected = torch.stack(rows)
        (carry.sum() + expected.sum()).backward()
        same(ys, expected)
        same(w.grad, v.grad)


@modes
def test_gradcheck(mode):
    flag = torch.tensor(True)

    def f(x, w):
        y = torch.cond(flag, lambda x: x.sin() * w, lambda x: x, (x,))
        carry, ys = torch.scan(lambda c, row: (c * w + row, c.exp()), y[0], y)
        _, z = torch.while_loop(
            lambda i, z: i < 3, lambda i, z: (i + 1, z * w + carry), (torch.tensor(0), carry)
        )
        return ys.sum() + z.sum()

    g = in_mode(mode, f)
    assert torch.autograd.gradcheck(g, (randn(3, 2, requires_grad=True), randn(2, requires_grad=True)))


@modes
def test_a_training_step(mode):
    def trainer():
        torch.manual_seed(3)
        model = torch.nn.Linear(4, 4)
        head = torch.nn.Linear(4, 1)
        updates = torch.optim.Adam([*model.parameters(), *head.parameters()], 0.01)

        def step(x, y):
            updates.zero_grad()
            state, _ = torch.scan(lambda h, row: ((model(h) + row).tanh(), h.sum()), torch.zeros(8, 4), x)
            out = torch.cond(state.norm() > 3, lambda s: head(s / 2), lambda s: head(s) * 1.0, (state,))
            loss = ((out - y) ** 2).mean()
            loss.backward()
            updates.step()
            return loss.detach()

        return step, [*model.parameters(), *head.parameters()]

    step, weights = trainer()
    plain, expected = trainer()
    compiled = in_mode(mode, step)
    for _ in range(4):
        x, y = torch.randn(5, 8, 4), torch.randn(8, 1)
        same(compiled(x, y), plain(x, y), 1e-5)
    for a, b in zip(weights, expected, strict=True):
        same(a, b, 1e-5)
    if mode == "static":
        assert is_static(compiled)


# --- errors -----------------------------------------------------------------------------------------------------------------


@modes
def test_arguments_that_are_refused(mode):
    x = torch.ones(2)
    for call, message in (
        (lambda x: torch.cond(x, lambda: x, lambda: x), "single-element"),
        (lambda x: torch.cond("yes", lambda: x, lambda: x), "bool or tensor"),
        (lambda x: torch.cond(True, 3, lambda: x), "callable"),
        (lambda x: torch.cond(True, lambda x: x, lambda x: x, x), "operands to be a tuple"),
        (lambda x: torch.cond(True, lambda x: x, lambda x: x, (3,)), "operands to be a tuple"),
        (lambda x: torch.while_loop(lambda x: True, lambda x: (x,), x), "carried_inputs to be a tuple"),
        (lambda x: torch.while_loop(lambda x: x, lambda x: (x,), (x,)), "one element"),
        (lambda x: torch.while_loop(lambda x: None, lambda x: (x,), (x,)), "one element"),
        (lambda x: torch.while_loop(3, lambda x: (x,), (x,)), "callable"),
        (lambda x: torch.scan(lambda c, x: (c, x), x, x[:0]), "scan dimension > 0"),
        (lambda x: torch.scan(lambda c, x: (c, x), x, x, dim=3), "scan dimension > 0"),
        (lambda x: torch.scan(lambda c, x: c, x, x), "must return a carry and a result"),
        (lambda x: torch.scan(lambda c, x: (c, 3), x, x), "must return tensors"),
        (lambda x: torch.scan(lambda c, x: (c, x[0]), x, (x, x[:1])), "same extent"),
        (lambda x: torch.map_fn(lambda x: x, x[:0]), "cannot be 0"),
        (lambda x: torch.map_fn(lambda x: "text", x), "must return tensors"),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=message):
            in_mode(mode, call)(x)
    with pytest.raises(TypeError, match="tensors and numbers"):
        torch.while_loop(lambda s: False, lambda s: (s,), ("text",))


@modes
@pytest.mark.parametrize(
    "body",
    [lambda x: (x.double(),), lambda x: (x[:1],), lambda x: (x, x), lambda x: ([x],)],
    ids=["dtype", "shape", "number", "structure"],
)
def test_bodies_that_change_what_is_carried(mode, body):
    def f(x):
        return torch.while_loop(lambda x: x.sum() < 5, body, (x,))

    with pytest.raises(
        RuntimeError, match=r"while_loop: <lambda> .*test_control_flow\.py.* must return what it was given"
    ):
        in_mode(mode, f)(torch.ones(2))
    with pytest.raises(RuntimeError, match=r"scan: .* must return what it was given"):
        in_mode(mode, lambda x: torch.scan(lambda c, row: (body(*c), row), (x,), x))(torch.ones(2))


@pytest.mark.parametrize(
    "other",
    [lambda x: x.double(), lambda x: x[:1], lambda x: (x, x), lambda x: [x]],
    ids=["dtype", "shape", "number", "structure"],
)
def test_branches_that_differ(other):
    f = torch.compile(lambda x: torch.cond(x.sum() > 0, lambda x: x * 2, other, (x,)), fullgraph=True)
    with pytest.raises(
        RuntimeError, match=r"both branches must return the same structure, shapes and dtypes.*<lambda>"
    ):
        f(torch.ones(2))


@modes
def test_changes_of_carried_values_in_place_are_refused(mode):
    for call in (
        lambda x: torch.while_loop(lambda x: x.sum() < 5, lambda x: (x.add_(1),), (x,)),
        lambda x: torch.scan(lambda c, row: (c.add_(row), row), x.sum(), x),
        lambda x: torch.map_fn(lambda row: row.add_(1), x),
    ):
        with pytest.raises(RuntimeError, match=r"in.place"):
            in_mode(mode, call)(torch.ones(2))


def test_what_a_static_graph_refuses_inside():
    w = torch.ones(2, requires_grad=True)
    seen = []

    def with_backward(x):
        (w * x).sum().backward()
        return x

    def stray(x):
        seen.append(x * 2)
        return x * 1

    def strayed(x):
        y = torch.cond(x.sum() > 0, stray, lambda x: x * 3, (x,))
        return y + seen.pop()

    def rebound(x):
        w.data = x
        return x

    for call, message in (
        (lambda x: torch.cond(x.sum() > 0, with_backward, lambda x: x, (x,)), "backward"),
        (strayed, "used outside of it"),
        (lambda x: torch.cond(x.sum() > 0, rebound, lambda x: x, (x,)), "other memory"),
        (lambda x: torch.cond(x.sum() > 0, lambda x: x if x[0] > 0 else -x, lambda x: x, (x,)), "value of a tensor is needed"),
        (lambda x: torch.cond(x.sum() > 0, lambda x: 3, lambda x: 4, (x,)), "must return tensors"),
        (lambda x: torch.cond(x.sum() > 0, lambda x: x.mul_(w), lambda x: x, (x,)), "gradients would have to go through"),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=message):
            torch.compile(call, fullgraph=True)(torch.ones(2))
        same(torch.ones(2) + 1, torch.full((2,), 2.0))  # nothing is left behind
        same(w, torch.ones(2))


@modes
def test_an_error_in_a_branch_passes_through(mode):
    state = torch.zeros(2)

    def fails(x):
        raise KeyError("inside")

    def f(x):
        state.add_(1)
        return torch.cond(x.sum() > 0, fails, fails, (x,))

    with pytest.raises(KeyError):
        in_mode(mode, f)(torch.ones(2))
    same(state, torch.ones(2))


def test_an_index_out_of_range_in_a_branch():
    table = torch.arange(3.0)
    f = torch.compile(
        lambda flag, i: torch.cond(flag, lambda: table[i] * 1, lambda: torch.zeros(1) + table[0]),
        fullgraph=True,
    )
    same(f(torch.tensor(True), torch.tensor([2])), torch.tensor([2.0]))
    same(f(torch.tensor(False), torch.tensor([7])), torch.zeros(1))
    with pytest.raises(IndexError):
        f(torch.tensor(True), torch.tensor([7]))


def test_names():
    module = importlib.import_module("rushlight._higher_order_ops")
    assert module.cond is torch.cond
    assert module.while_loop is torch.while_loop
    assert module.scan is torch.scan
    assert module.map is torch.map_fn
    for name in ("cond", "while_loop", "scan", "map"):
        assert getattr(importlib.import_module(f"rushlight._higher_order_ops.{name}"), name) is getattr(
            module, name
        )


@modes
def test_arguments_and_results_in_between_changed_in_a_branch(mode):
    def f(x, flag):
        h = x * 1
        part = h[1:]

        def change():
            x.mul_(2)
            part.add_(10)
            return h.sum()

        total = torch.cond(flag, change, lambda: h.sum() * 0)
        return total, h * 1, part + x[1:]

    g = in_mode(mode, f)
    for flag in (True, False, True):
        x = torch.ones(3)
        total, h, part = g(x, torch.tensor(flag))
        same(x, torch.full((3,), 2.0 if flag else 1.0))
        same(h, torch.tensor([1.0, 11.0, 11.0]) if flag else torch.ones(3))
        same(total, torch.tensor(23.0 if flag else 0.0))
        same(part, torch.full((2,), 13.0 if flag else 2.0))


@modes
def test_running_statistics_in_a_branch(mode):
    norm = torch.nn.BatchNorm1d(3, momentum=0.5)
    twin = torch.nn.BatchNorm1d(3, momentum=0.5)

    def step(x, flag):
        norm.zero_grad()
        y = torch.cond(flag, lambda: norm(x), lambda: x * 1.0)
        y.square().sum().backward() if y.requires_grad else None
        return y.detach()

    f = in_mode(mode, step)
    for flag in (True, False, True):
        x = torch.randn(4, 3)
        y = f(x, torch.tensor(flag))
        same(y, twin(x) if flag else x, 1e-5)
        same(norm.running_mean, twin.running_mean)
        assert norm.num_batches_tracked.item() == twin.num_batches_tracked.item()


@modes
@pytest.mark.parametrize("dtype", [torch.bool, torch.int32, torch.float16, torch.bfloat16, torch.complex64])
def test_dtypes(mode, dtype):
    def f(x, flag):
        a = torch.cond(flag, lambda: x.clone(), lambda: x.flip(0))
        (b,) = torch.while_loop(lambda y: flag & (y[0] == x[0]), lambda y: (y.flip(0),), (x,))
        carry, ys = torch.scan(lambda c, e: (e, c), x[0], x)
        return a, b, carry, ys, torch.map_fn(lambda e: e == x[0], x)

    x = torch.tensor([1, 0, 0]).to(dtype)
    for flag in (True, False):
        a, b, carry, ys, equal = in_mode(mode, f)(x, torch.tensor(flag))
        for found, expected in (
            (a, x if flag else x.flip(0)),
            (b, x.flip(0) if flag else x),
            (carry, x[2]),
            (ys, torch.stack([x[0], x[0], x[1]])),
            (equal, x == x[0]),
        ):
            assert found.dtype == expected.dtype
            assert bool((found == expected).all())


@modes
def test_without_gradients(mode):
    w = torch.ones(2, requires_grad=True)

    def f(x):
        return torch.cond(x.sum() > 0, lambda: x * w, lambda: w + x), torch.scan(
            lambda c, e: (c + e, c * w), w, x
        )[1]

    for context in (torch.no_grad, torch.inference_mode):
        with context():
            a, b = in_mode(mode, f)(torch.ones(2))
            assert not a.requires_grad
            assert not b.requires_grad
            same(a, torch.ones(2))
            same(b, torch.tensor([[1.0, 1.0], [2.0, 2.0]]))


@modes
def test_shapes_that_follow_from_values_inside_fail_clearly(mode):
    f = in_mode(mode, lambda x: torch.cond(x.sum() > 0, lambda: x[x > 0], lambda: x))
    if mode == "static":
        with pytest.raises(RuntimeError, match="value of a tensor is needed"):
            f(torch.ones(2))
    else:
        same(f(torch.tensor([2.0, -1.0])), torch.tensor([2.0]))


@modes
def test_linear_algebra_in_a_branch(mode):
    w = randn(3, 3, requires_grad=True)

    def step(flag):
        w.grad = None
        a = w @ w.t() + torch.eye(3, dtype=torch.float64)
        y = torch.cond(flag, lambda: torch.linalg.cholesky(a), lambda: torch.linalg.inv(a))
        y.sum().backward()
        return y.detach()

    f = in_mode(mode, step)
    for flag in (True, False):
        y = f(torch.tensor(flag))
        v = w.detach().clone().requires_grad_()
        a = v @ v.t() + torch.eye(3, dtype=torch.float64)
        expected = torch.linalg.cholesky(a) if flag else torch.linalg.inv(a)
        expected.sum().backward()
        same(y, expected)
        same(w.grad, v.grad)


def test_vmap_over_a_predicate_takes_each_examples_own_branch() -> None:
    x = torch.arange(6.0).reshape(3, 2).requires_grad_()
    pred = torch.tensor([True, False, True])

    def choose(p: Any, row: Any) -> Any:
        return torch.cond(
            p, lambda r: {"a": r + 1, "b": r.sum()}, lambda r: {"a": r * 10, "b": r.prod()}, (row,)
        )

    found = torch.vmap(choose)(pred, x)
    assert found["a"].tolist() == [[1, 2], [20, 30], [5, 6]] and found["b"].tolist() == [1, 6, 9]
    found["a"].sum().backward()
    assert x.grad.tolist() == [[1, 1], [10, 10], [1, 1]]
    with pytest.raises(RuntimeError, match="same structure"):
        torch.vmap(lambda p, r: torch.cond(p, lambda r: (r, r), lambda r: r, (r,)))(pred, x)


def test_a_condition_that_stays_a_number_is_refused() -> None:
    with pytest.raises(RuntimeError, match="must return a bool or a tensor"):
        torch.while_loop(lambda i: 3, lambda i: (i + 1,), (torch.tensor(0),))
