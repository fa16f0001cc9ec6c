"""Compiled forward passes that are differentiated outside: the backward half is compiled too."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F

CALLS = 10
both = pytest.mark.parametrize("fullgraph", [False, True], ids=["recorded", "static"])


@pytest.fixture(autouse=True)
def with_a_compiler():
    from rushlight.runtime.programs import compiles

    if not compiles():
        pytest.skip("there is no compiler here: the recorded mode runs")


def close(a, b, tolerance=1e-5):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)


def is_joint(tensor):
    return tensor.grad_fn.name() == "CompiledFunctionBackward" or any(
        edge is not None and edge.name() == "CompiledFunctionBackward"
        for edge, _ in tensor.grad_fn.next_functions
    )


@both
def test_a_model_is_trained_by_a_loop_outside(fullgraph):
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, bias=False),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Dropout(0.2),
        torch.nn.Linear(4 * 9, 3),
    )
    twin = copy.deepcopy(model)
    compiled = torch.compile(model, fullgraph=fullgraph)
    updates = [torch.optim.SGD(m.parameters(), 0.05, momentum=0.9) for m in (twin, model)]
    torch.manual_seed(1)
    batches = [(torch.randn(6, 1, 8, 8), torch.randint(0, 3, (6,))) for _ in range(CALLS)]
    losses = []
    for forward, update in ((twin, updates[0]), (compiled, updates[1])):
        torch.manual_seed(2)
        losses.append([])
        for x, y in batches:
            update.zero_grad()
            scores = forward(x)
            loss = F.cross_entropy(scores, y)
            loss.backward()
            update.step()
            losses[-1].append(loss.item())
    assert is_joint(scores)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    for a, b in zip(twin.parameters(), model.parameters(), strict=True):
        close(b, a, 1e-4)
    for a, b in zip(twin.buffers(), model.buffers(), strict=True):
        close(b, a, 1e-4)


def several(x, w, b):
    h = (x * w).tanh()
    return {
        "sum": h.sum(),
        "parts": (h[0] * b, h.exp()),
        "count": (h > 0).sum(),
        "input": x,
        "flat": (x @ x.t()).reshape(-1),
    }


@both
@pytest.mark.parametrize("used", ["sum", "parts", "flat", "all"])
def test_several_results_of_which_some_are_used(fullgraph, used):
    compiled = torch.compile(several, fullgraph=fullgraph)
    w = torch.randn(3, requires_grad=True)
    for _ in range(CALLS):
        x, b = torch.randn(2, 3, requires_grad=True), torch.randn(3, requires_grad=True)
        found = []
        for function in (several, compiled):
            for leaf in (x, w, b):
                leaf.grad = None
            result = function(x * 2, w, b)
            total = result["sum"] * 0 if used != "sum" else result["sum"]
            if used in ("parts", "all"):
                total = total + (result["parts"][0] * result["parts"][1][0]).sum()
            if used in ("flat", "all"):
                total = total + (result["flat"] ** 2).sum() + result["sum"]
            total.backward()
            found.append([result["count"], *[leaf.grad for leaf in (x, w, b)]])
        for a, b_ in zip(*found, strict=True):
            assert (a is None) == (b_ is None)
            if a is not None:
                close(b_, a)
    assert is_joint(result["sum"])


@both
def test_backward_twice(fullgraph):
    w = torch.ones(3, requires_grad=True)
    compiled = torch.compile(lambda x: (w * x).exp(), fullgraph=fullgraph)
    for _ in range(CALLS):
        y = compiled(torch.ones(3))
    assert is_joint(y)
    loss = y.sum()
    loss.backward(retain_graph=True)
    first = w.grad.clone()
    loss.backward()
    close(w.grad, 2 * first)
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()


@both
def test_what_a_context_closes_over_is_called_in_every_backward_pass(fullgraph):
    class Closes(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            own = x * 2
            ctx.later = lambda: own
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * ctx.later()

    w = torch.ones(3, requires_grad=True)
    compiled = torch.compile(lambda x: Closes.apply(w * x), fullgraph=fullgraph)
    for _ in range(CALLS):
        y = compiled(torch.ones(3))
    assert not is_joint(y)  # what is not static goes on running Python
    close(torch.autograd.grad(y.sum(), w, retain_graph=True)[0], torch.full((3,), 2.0))
    close(torch.autograd.grad(y.sum(), w, create_graph=True)[0], torch.full((3,), 2.0))


@both
def test_a_weight_that_is_changed_in_between_is_an_error(fullgraph):
    w = torch.ones(3, requires_grad=True)
    compiled = torch.compile(lambda x: (w * x).exp(), fullgraph=fullgraph)
    for _ in range(CALLS):
        x = torch.ones(3, requires_grad=True)
        y = compiled(x)
        with torch.no_grad():
            w.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()


@both
def test_results_that_are_changed_afterwards(fullgraph):
    w = torch.ones(3, requires_grad=True)

    def f(x):
        return w * x + x

    compiled = torch.compile(f, fullgraph=fullgraph)
    for n in range(CALLS):
        w.grad = None
        y = compiled(torch.full((3,), float(n)))
        y.mul_(3)
        y.sum().backward()
        np.testing.assert_allclose(w.grad.numpy(), 3 * n)


@both
def test_buffers_that_forward_changes(fullgraph):
    w, total = torch.ones(3, requires_grad=True), torch.zeros(3)

    def f(x):
        before = total * 1
        total.add_(x)
        return (w * total).sum() + (w * w * before).sum()

    compiled = torch.compile(f, fullgraph=fullgraph)
    running = np.zeros(3)
    for n in range(CALLS):
        w.grad = None
        compiled(torch.full((3,), float(n))).backward()
        np.testing.assert_allclose(w.grad.numpy(), running + n + 2 * running)
        running += n
        np.testing.assert_allclose(total.numpy(), running)


@both
def test_hooks_on_the_inputs_and_results(fullgraph):
    w = torch.ones(3, requires_grad=True)
    compiled = torch.compile(lambda x: w * x, fullgraph=fullgraph)
    seen = []
    w.register_hook(lambda g: seen.append("w") or g * 10)
    for n in range(CALLS):
        w.grad = None
        seen.clear()
        y = compiled(torch.full((3,), float(n)))
        y.retain_grad()
        y.register_hook(lambda g: seen.append("y"))
        y.sum().backward()
        assert seen == ["y", "w"]
        np.testing.assert_allclose(w.grad.numpy(), 10 * n)
        np.testing.assert_allclose(y.grad.numpy(), 1)


@both
def test_two_compiled_halves_of_a_model(fullgraph):
    torch.manual_seed(0)
    one, two = torch.nn.Linear(4, 6), torch.nn.Linear(6, 2)
    first, second = (
        torch.compile(one, fullgraph=fullgraph),
        torch.compile(lambda h: two(h.relu()), fullgraph=fullgraph),
    )
    for _ in range(CALLS):
        x = torch.randn(3, 4)
        expected = torch.autograd.grad(
            two(one(x).relu()).square().sum(), [*one.parameters(), *two.parameters()]
        )
        found = torch.autograd.grad(second(first(x)).square().sum(), [*one.parameters(), *two.parameters()])
        for a, b in zip(expected, found, strict=True):
            close(b, a)


@both
def test_custom_functions(fullgraph):
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g

    w = torch.ones(3, requires_grad=True)
    compiled = torch.compile(lambda x: Double.apply(w * x), fullgraph=fullgraph)
    for n in range(CALLS):
        w.grad = None
        compiled(torch.full((3,), float(n))).sum().backward()
        np.testing.assert_allclose(w.grad.numpy(), 2 * n * n)


@both
@pytest.mark.parametrize("where", ["written in the call", "read in the call", "new"])
def test_a_backward_that_adds_up_in_a_tensor_of_its_own(fullgraph, where):
    """A function of one's own may collect gradients in a buffer, in place; trying for a backward half undoes none of the
    call's own writes to it."""

    class Collected(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, total):
            ctx.total = total
            return x * 2

        @staticmethod
        def backward(ctx, g):
            ctx.total += g
            return ctx.total * 2, None

    def trained(compile):
        weight, kept = torch.ones(3, requires_grad=True), torch.zeros(3)

        def forward(x):
            total = kept
            if where == "new":
                total = torch.full((3,), 5.0)
            elif where == "written in the call":
                kept.fill_(7.0)
            else:
                x = x + kept
            return Collected.apply(weight * x, total), total

        run, seen = compile(forward), []
        for n in range(4):
            result, total = run(torch.full((3,), n + 1.0))
            seen.append(total.clone())
            weight.grad = None
            result.sum().backward()
            seen += [weight.grad.clone(), kept.clone(), result.detach()]
        return torch.stack(seen)

    expected = trained(lambda function: function)
    close(trained(lambda function: torch.compile(function, fullgraph=fullgraph)), expected)


def halved(gradient):
    return gradient / 2


@both
def test_a_backward_that_is_arithmetic_is_part_of_the_program(fullgraph):
    class Clipped(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.clamp(-2, 2)

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            inside = torch.zeros_like(g)
            inside[:2] = math.sqrt(4.0)
            return halved(g * inside) * (x.abs() <= 2)

    w = torch.ones(3, requires_grad=True)
    compiled = torch.compile(lambda x: Clipped.apply(w * x), fullgraph=fullgraph)
    for n in range(CALLS):
        w.grad = None
        y = compiled(torch.tensor([1.0, -3.0, n]))
        y.sum().backward()
        np.testing.assert_allclose(w.grad.numpy(), [1, 0, 0])
    assert is_joint(y)


@both
def test_a_loss_and_what_it_is_computed_from_are_two_programs(fullgraph):
    w = torch.ones(3, requires_grad=True)

    def forward(x):
        hidden = w * x
        return hidden.square().sum(), hidden

    compiled = torch.compile(forward, fullgraph=fullgraph)
    for n in range(CALLS):
        w.grad = None
        loss, hidden = compiled(torch.full((3,), float(n)))
        loss.backward()
        np.testing.assert_allclose(w.grad.numpy(), 2.0 * n * n)
    assert is_joint(loss) and is_joint(hidden)
    assert loss.grad_fn.next_functions[0][0] is hidden.grad_fn
