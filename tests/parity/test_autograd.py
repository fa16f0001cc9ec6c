"""The same programs run by both libraries: values, gradients, order of hooks, errors."""

from __future__ import annotations

import pathlib
import re
import threading
import types
import warnings

import numpy as np
import pytest

import rushlight
import rushlight.nn.functional

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def plain(value):
    """Tensors as (dtype, shape, numbers); containers and other values as they are."""
    if isinstance(value, (torch.Tensor, rushlight.Tensor)):
        detached = value.detach()
        return (str(value.dtype), tuple(value.shape), detached.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value


def outcome(program, library):
    """What the program returns, or the error that it raises."""
    try:
        with warnings.catch_warnings():
            # Said once per process, about a leak that backward(create_graph=True) of PyTorch has.
            warnings.filterwarnings("ignore", "Using backward.. with create_graph=True")
            return ("result", plain(program(library)))
    except Exception as error:
        return ("error", type(error), str(error))


def same(program):
    ours, theirs = outcome(program, rushlight), outcome(program, torch)
    assert ours[:2] == theirs[:2]
    if ours[0] == "error":
        # The same first words: ours may go on with the place in the program.
        assert first_words(ours[2]) == first_words(theirs[2])
    return ours


def first_words(text, count=6):
    return re.sub(r"\s+", " ", text).split(" ")[:count]


def leaf(library, *values, dtype="float32"):
    return library.tensor(values, dtype=getattr(library, dtype), requires_grad=True)


PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


# --- accumulation and graphs ------------------------------------------------------------------------------------------


@program
def accumulate_over_calls(torch):
    x = leaf(torch, 1.0, 2.0)
    for factor in (1.0, 2.0, 3.0):
        (x * x * factor).sum().backward()
    return x.grad


@program
def grad_is_the_same_object_after_accumulation(torch):
    x = leaf(torch, 1.0, 2.0)
    x.sum().backward()
    first = x.grad
    x.sum().backward()
    same_object = x.grad is first
    x.sum().backward(create_graph=True)
    return same_object, x.grad is first, x.grad


@program
def accumulate_after_create_graph(torch):
    x = leaf(torch, 1.0, 2.0)
    (x**3).sum().backward(create_graph=True)
    first = x.grad
    (x**2).sum().backward()
    return x.grad is first, x.grad, x.grad.requires_grad


@program
def retain_graph(torch):
    x = leaf(torch, 1.0, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


@program
def second_backward(torch):
    x = leaf(torch, 1.0, 2.0)
    y = (x * x).sum()
    y.backward()
    y.backward()


FREED = {
    "mul by a number": lambda torch, x: x * 2,
    "add": lambda torch, x: x + 1,
    "div": lambda torch, x: x / 2,
    "neg": lambda torch, x: -x,
    "pow": lambda torch, x: x**2,
    "mean": lambda torch, x: x.mean(),
    "clone": lambda torch, x: x.clone(),
    "slice": lambda torch, x: x[:1],
    "gather": lambda torch, x: x.gather(0, torch.tensor([0])),
    "index": lambda torch, x: x[torch.tensor([0, 1])],
    "exp": lambda torch, x: x.exp(),
    "where": lambda torch, x: torch.where(torch.tensor([True, False]), x, x),
}


@pytest.mark.parametrize("operation", FREED.values(), ids=FREED.keys())
def test_which_operations_can_run_backward_twice(operation):
    def run(torch):
        y = operation(torch, leaf(torch, 1.0, 2.0)).sum()
        y.backward()
        y.backward()
        return "ran twice"

    same(run)


@program
def gradient_penalty(torch):
    torch.manual_seed(0)
    x = torch.randn(4, 3, dtype=torch.float64)
    w = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    v = torch.randn(2, dtype=torch.float64, requires_grad=True)
    x.requires_grad_()
    y = (x.mm(w).tanh() * v).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    penalty = ((g.norm(dim=1) - 1) ** 2).mean()
    (y * 0 + penalty).backward()
    return [np.round(t.grad.detach().numpy(), 10).tolist() for t in (w, v, x)]


@program
def third_order(torch):
    x = leaf(torch, 0.5, 1.5, dtype="float64")
    y = (x.exp() * x).sum()
    results = []
    for _ in range(3):
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        results.append(np.round(y.detach().numpy(), 10).tolist())
    return results


@program
def strides_of_gradients(torch):
    base = torch.arange(24.0).view(2, 3, 4)
    strides = []
    for x in (base, base.transpose(0, 2), base.permute(1, 0, 2), base[:, ::2], base[:, :1].expand(2, 3, 4)):
        x = x.detach().requires_grad_()
        (x.permute(2, 1, 0) * 2.0).sum().backward()
        strides.append(x.grad.stride())
    return strides


@program
def one_gradient_object_for_both_operands(torch):
    a, b = leaf(torch, 1.0), leaf(torch, 2.0)
    given = torch.ones(1)
    ga, gb = torch.autograd.grad(a + b, [a, b], given)
    return ga is gb, ga is given


@program
def stride_of_an_expanded_gradient(torch):
    x = leaf(torch, 1.0, 2.0)
    return torch.autograd.grad(x.sum(), x)[0].stride()


# --- order ------------------------------------------------------------------------------------------------------------


def noted(log, **tensors):
    for name, tensor in tensors.items():
        tensor.register_hook(lambda g, name=name: log.append(name))
        if tensor.is_leaf:
            tensor.register_post_accumulate_grad_hook(lambda t, name=name: log.append(f"accumulated {name}"))


@program
def order_in_a_chain(torch):
    log = []
    x, w, b = leaf(torch, 1.0), leaf(torch, 2.0), leaf(torch, 3.0)
    p = x * w
    q = p + b
    r = q * w
    noted(log, x=x, w=w, b=b, p=p, q=q, r=r)
    r.sum().backward()
    return log


@program
def order_of_branches(torch):
    log = []
    x = leaf(torch, 1.0)
    a, c = x * 2, x * 3
    d, e = a * c, c * a
    noted(log, x=x, a=a, c=c, d=d, e=e)
    (e + d + x).sum().backward()
    return log


@program
def order_of_interleaved_branches(torch):
    log = []
    x = leaf(torch, 1.0)
    a = c = x * 1
    for i in range(4):
        a, c = a * 1, c * 1
        noted(log, **{f"a{i}": a, f"c{i}": c})
    (c * a).sum().backward()
    return log


@program
def order_of_several_roots(torch):
    log = []
    x, w = leaf(torch, 1.0), leaf(torch, 1.0)
    a, b = x * 2, w * 3
    noted(log, x=x, w=w, a=a, b=b)
    torch.autograd.backward([a.sum(), b.sum()])
    return log


@program
def order_in_a_network(torch):
    log = []
    torch.manual_seed(0)
    layers = [(torch.randn(3, 3, requires_grad=True), torch.randn(3, requires_grad=True)) for _ in range(3)]
    h = torch.randn(2, 3)
    for i, (w, b) in enumerate(layers):
        h = torch.nn.functional.linear(h, w, b).relu() if i else h.mm(w) + b
        noted(log, **{f"w{i}": w, f"b{i}": b, f"h{i}": h})
    (h * h).sum().backward()
    return [entry for entry in log if not re.search(r"[wb][12]", entry)]  # linear's own two leaves may swap


@program
def order_of_hooks_on_one_tensor(torch):
    log = []
    x = leaf(torch, 1.0)
    y = x * 2
    y.register_hook(lambda g: log.append("first"))
    y.retain_grad()
    y.grad_fn.register_prehook(lambda g: log.append("node before"))
    y.grad_fn.register_hook(lambda gi, go: log.append(("node after", len(gi), len(go))))
    y.register_hook(lambda g: g * 3)
    y.register_hook(lambda g: log.append("last"))
    y.sum().backward()
    return log, y.grad, x.grad


@program
def hooks_of_the_accumulating_node(torch):
    log = []
    x = leaf(torch, 1.0)
    node = x.expand_as(x).grad_fn.next_functions[0][0]
    node.register_prehook(lambda g: log.append(("before", plain(g))))
    node.register_hook(lambda gi, go: log.append(("after", plain(gi), plain(go))))
    noted(log, x=x)
    (x * 2).sum().backward()
    return log


# --- hooks ------------------------------------------------------------------------------------------------------------


@program
def removed_during_the_run(torch):
    log = []
    y = leaf(torch, 1.0) * 2
    handles = []
    y.register_hook(lambda g: handles[0].remove())
    handles.append(y.register_hook(lambda g: log.append("second")))
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    return log


@program
def added_during_the_run(torch):
    log = []
    y = leaf(torch, 1.0) * 2
    y.register_hook(lambda g: (y.register_hook(lambda g: log.append("added")), None)[1])
    y.sum().backward(retain_graph=True)
    first = list(log)
    y.sum().backward()
    return first, log


@program
def hooks_and_captured_gradients(torch):
    x = leaf(torch, 1.0)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    z = (y * 3).sum()
    return [
        torch.autograd.grad(z, [y, x], retain_graph=True),
        torch.autograd.grad(z, [y], retain_graph=True),
        torch.autograd.grad(z, [x], retain_graph=True),
    ]


@program
def hooks_before_and_after_a_change_in_place(torch):
    log = []
    x = leaf(torch, 1.0, 1.0)
    y = x * 2
    y.register_hook(lambda g: log.append(("before", plain(g))))
    y.retain_grad()
    y.mul_(3)
    y.register_hook(lambda g: log.append(("after", plain(g))))
    y.add_(1)
    y.sum().backward()
    return log, y.grad, x.grad


@program
def hooks_of_several_results(torch):
    log = []
    x = torch.arange(8.0).view(4, 2).requires_grad_()
    parts = x.unbind(0)
    parts[0].grad_fn.register_prehook(lambda g: log.append(plain(g)))
    parts[1].grad_fn.register_hook(lambda gi, go: log.append((plain(gi), plain(go))))
    parts[2].register_hook(lambda g: log.append(plain(g)))
    (parts[1] + parts[2]).sum().backward()
    return log


BAD_HOOKS = {
    "not a tensor": lambda torch, y: y.register_hook(lambda g: 3),
    "shape": lambda torch, y: y.register_hook(lambda g: torch.ones(5)),
    "dtype": lambda torch, y: y.register_hook(lambda g: g.double()),
    "node: not a tuple": lambda torch, y: y.grad_fn.register_hook(lambda gi, go: gi[0]),
    "node: count": lambda torch, y: y.grad_fn.register_hook(lambda gi, go: (1, 2, 3, 4)),
    "node before: not a tuple": lambda torch, y: y.grad_fn.register_prehook(lambda go: go[0]),
    "no gradient": lambda torch, y: torch.ones(2).register_hook(print),
    "no gradient, after": lambda torch, y: torch.ones(2).register_post_accumulate_grad_hook(print),
    "not a leaf": lambda torch, y: y.register_post_accumulate_grad_hook(print),
    "retain": lambda torch, y: torch.ones(2).retain_grad(),
    "raises": lambda torch, y: y.register_hook(lambda g: {}["nothing"]),
}


@pytest.mark.parametrize("register", BAD_HOOKS.values(), ids=BAD_HOOKS.keys())
def test_hooks_that_are_wrong(register):
    def run(torch):
        y = leaf(torch, 1.0, 2.0) * 2
        register(torch, y)
        y.sum().backward()

    assert same(run)[0] == "error"


@program
def multi_grad_hooks(torch):
    log = []
    a, b, c = leaf(torch, 1.0), leaf(torch, 2.0), leaf(torch, 3.0)
    graph = torch.autograd.graph
    graph.register_multi_grad_hook([a, b, c], lambda grads: log.append(plain(grads)))
    handle = graph.register_multi_grad_hook([a, b], lambda g: log.append(("any", plain(g))), mode="any")
    (a * b).sum().backward()
    (a * b * c).sum().backward()
    handle.remove()
    (a * b).sum().backward(inputs=[b])
    return log


# --- Function ---------------------------------------------------------------------------------------------------------


def function(torch, forward, backward=None, **members):
    if backward is not None:
        members["backward"] = staticmethod(backward)
    return type("Made", (torch.autograd.Function,), {"forward": staticmethod(forward), **members}).apply


def saving(compute):
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return compute(x)

    return forward


FUNCTIONS = {
    "plain": lambda torch: (lambda ctx, x: x * 2, lambda ctx, g: g * 2),
    "too many": lambda torch: (lambda ctx, x: x * 2, lambda ctx, g: (g, g)),
    "too few": lambda torch: (lambda ctx, x: x * 2, lambda ctx, g: ()),
    "more nones": lambda torch: (lambda ctx, x: x * 2, lambda ctx, g: (g, None, None)),
    "none": lambda torch: (lambda ctx, x: x * 2, lambda ctx, g: None),
    "wrong shape": lambda torch: (lambda ctx, x: x * 2, lambda ctx, g: torch.ones(5)),
    "fewer dimensions": lambda torch: (lambda ctx, x: x * 2, lambda ctx, g: torch.ones(())),
    "broadcast shape": lambda torch: (lambda ctx, x: x * 2, lambda ctx, g: torch.ones(2, 2)),
    "another dtype": lambda torch: (lambda ctx, x: x * 2, lambda ctx, g: g.double()),
    "a number": lambda torch: (lambda ctx, x: x * 2, lambda ctx, g: 3),
    "a list": lambda torch: (lambda ctx, x: x * 2, lambda ctx, g: [g]),
    "no backward": lambda torch: (lambda ctx, x: x * 2, None),
    "the input": lambda torch: (lambda ctx, x: x, lambda ctx, g: g * 5),
    "a view": lambda torch: (lambda ctx, x: x.view(2, 1).view(2), lambda ctx, g: g * 5),
    "save a number": lambda torch: (lambda ctx, x: ctx.save_for_backward(3) or x * 2, lambda ctx, g: g),
    "an error": lambda torch: (lambda ctx, x: x * 2, lambda ctx, g: {}["nothing"]),
    "mark_dirty of a leaf": lambda torch: (
        lambda ctx, x: (ctx.mark_dirty(x), x.mul_(2))[1],
        lambda ctx, g: g,
    ),
}


@pytest.mark.parametrize("make", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_functions(make):
    def run(torch):
        x = leaf(torch, 1.0, 2.0)
        y = function(torch, *make(torch))(x)
        y.sum().backward()
        return y, y._is_view(), y is x, x.grad

    same(run)


@program
def function_with_other_results(torch):
    got = []
    made = function(
        torch, lambda ctx, x: (x * 2, 3, "a", None), lambda ctx, *g: (got.append(plain(g)), g[0])[1]
    )
    result = made(leaf(torch, 1.0))
    result[0].backward()
    return got, result[1:]


@program
def function_with_unused_results(torch):
    got = []
    for materialize in (True, False):

        def forward(ctx, x, materialize=materialize):
            ctx.set_materialize_grads(materialize)
            mask = x > 0
            ctx.mark_non_differentiable(mask)
            return x * 2, mask, x * 3

        made = function(torch, forward, lambda ctx, *g: (got.append(plain(g)), g[2])[1])
        results = made(leaf(torch, 1.0))
        got.append([r.requires_grad for r in results])
        results[2].backward()
    return got


@program
def function_in_a_chain_without_gradient(torch):
    got = []
    inner = function(torch, lambda ctx, x: x * 1, lambda ctx, g: (got.append(plain(g)), g)[1])
    nothing = function(torch, lambda ctx, x: x * 1, lambda ctx, g: None)
    x = leaf(torch, 1.0)
    nothing(inner(x)).backward()
    return got, x.grad


@program
def function_with_needs_input_grad(torch):
    seen = []

    def forward(ctx, a, b, c, d):
        seen.append(ctx.needs_input_grad)
        return a * d

    made = function(torch, forward, lambda ctx, g: (seen.append(ctx.needs_input_grad), (g, None, None, g))[1])
    made(leaf(torch, 1.0), torch.ones(1), "c", leaf(torch, 2.0)).backward()
    with torch.no_grad():
        made(leaf(torch, 1.0), torch.ones(1), "c", leaf(torch, 2.0))
    return seen


@program
def function_that_changes_its_input(torch):
    def forward(ctx, x):
        x.mul_(3)
        ctx.mark_dirty(x)
        return x

    made = function(torch, forward, lambda ctx, g: g * 3)
    x = leaf(torch, 1.0, 2.0)
    z = x * 1
    out = made(z)
    made(z[:1])
    z.sum().backward()
    return out is z, z, x.grad, z._version > 0


@program
def function_saved_and_changed(torch):
    x = leaf(torch, 1.0)
    y = function(torch, saving(lambda x: x * x), lambda ctx, g: 2 * ctx.saved_tensors[0] * g)(x)
    with torch.no_grad():
        x.mul_(2)
    y.backward()


@program
def function_saved_and_freed(torch):
    x = leaf(torch, 1.0)
    y = function(torch, saving(lambda x: x * x), lambda ctx, g: 2 * ctx.saved_tensors[0] * g)(x)
    y.backward()
    return y.grad_fn.saved_tensors


@program
def function_twice_differentiated(torch):
    cube = function(torch, saving(lambda x: x**3), lambda ctx, g: 3 * ctx.saved_tensors[0] ** 2 * g)
    x = leaf(torch, 1.0, 2.0)
    (g,) = torch.autograd.grad(cube(x).sum(), x, create_graph=True)
    (gg,) = torch.autograd.grad(g.sum(), x)
    return g, gg


@program
def function_once_differentiable(torch):
    once = torch.autograd.function.once_differentiable(lambda ctx, g: g * 2)
    made = function(torch, lambda ctx, x: x * 2, once)
    x, w = leaf(torch, 1.0), leaf(torch, 3.0)
    (g,) = torch.autograd.grad(made(x) * w, x, create_graph=True)
    g.backward()


@program
def function_with_setup_context(torch):
    seen = []

    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(x, k=2.0):
            return x * k

        @staticmethod
        def setup_context(ctx, inputs, output):
            seen.append((plain(inputs), plain(output), output.requires_grad, torch.is_grad_enabled()))
            ctx.k = inputs[1]

        @staticmethod
        def backward(ctx, g):
            return g * ctx.k, None

    x = leaf(torch, 1.0)
    (Scale.apply(x) + Scale.apply(x, 3.0) + Scale.apply(x, k=4.0)).backward()
    return seen, x.grad


@program
def function_with_a_view_changed_in_place(torch):
    x = leaf(torch, 1.0) * 1
    function(torch, lambda ctx, x: x, lambda ctx, g: g)(x).mul_(2)


@program
def function_names(torch):
    y = function(torch, lambda ctx, x: x * 2, lambda ctx, g: g)(leaf(torch, 1.0))
    accumulate = y.grad_fn.next_functions[0][0]
    builtin = (y * 2).grad_fn
    names = [
        y.grad_fn.name(),
        type(y.grad_fn).__name__,
        accumulate.name(),
        repr(accumulate)[:15],
        builtin.name(),
    ]
    return [*names, str(type(builtin)), str(type((y * 3).sum().grad_fn.next_functions[0][0]))]


@program
def function_whose_saved_result_is_differentiated(torch):
    class Pair(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            a, b = x * 2, x * 3
            ctx.save_for_backward(a)
            return a, b

        @staticmethod
        def backward(ctx, ga, gb):
            (a,) = ctx.saved_tensors
            return a * a * gb

    x = leaf(torch, 5.0)
    a, b = Pair.apply(x)
    seen = []
    # PyTorch calls hooks of results that nothing used, with None; we do not.
    a.register_hook(lambda g: None if g is None else seen.append(plain(g)))
    (g,) = torch.autograd.grad(b, x, create_graph=True)
    (ga,) = torch.autograd.grad(g, a, retain_graph=True)
    del a
    g.backward()
    return seen, ga, x.grad


@program
def function_not_implemented(torch):
    type("Empty", (torch.autograd.Function,), {}).apply(leaf(torch, 1.0))


# --- arguments of backward and grad -----------------------------------------------------------------------------------

CALLS = {
    "nothing recorded": lambda torch, x: torch.ones(2).sum().backward(),
    "no scalar": lambda torch, x: (x * 2).backward(),
    "leaf, no scalar": lambda torch, x: x.backward(),
    "shape of gradient": lambda torch, x: (x * 2).backward(torch.ones(3)),
    "shape of gradient, 0-dim": lambda torch, x: x.sum().backward(torch.ones(1)),
    "dtype of gradient": lambda torch, x: (x.sum().backward(torch.ones((), dtype=torch.float64)), x.grad)[1],
    "complex gradient": lambda torch, x: x.sum().backward(torch.ones((), dtype=torch.complex64)),
    "complex output": lambda torch, x: (x * 1j).sum().backward(),
    "integer output": lambda torch, x: x.sum().long().backward(),
    "counts": lambda torch, x: torch.autograd.backward([x.sum(), x.sum()], [None]),
    "no tensors": lambda torch, x: torch.autograd.backward([]),
    "grad: no gradient": lambda torch, x: torch.autograd.grad(x.sum(), torch.ones(2)),
    "grad: unused": lambda torch, x: torch.autograd.grad(x.sum(), leaf(torch, 1.0)),
    "grad: unused, second": lambda torch, x: torch.autograd.grad(x.sum(), [x, leaf(torch, 1.0)]),
    "grad: allowed": lambda torch, x: torch.autograd.grad(x.sum(), leaf(torch, 1.0), allow_unused=True),
    "grad: zeros": lambda torch, x: torch.autograd.grad(x.sum(), leaf(torch, 1.0), materialize_grads=True),
    "grad: both": lambda torch, x: torch.autograd.grad(
        x.sum(), x, allow_unused=False, materialize_grads=True
    ),
    "grad: no inputs": lambda torch, x: torch.autograd.grad(x.sum(), []),
    "grad: no outputs": lambda torch, x: torch.autograd.grad([], x),
    "grad: twice": lambda torch, x: torch.autograd.grad(x.sum(), [x, x]),
    "grad: counts": lambda torch, x: torch.autograd.grad([x.sum(), x.sum()], x, [torch.ones(())]),
    "grad: a number": lambda torch, x: torch.autograd.grad(x.sum(), 3),
    "grad: from a number": lambda torch, x: torch.autograd.grad(3, x),
    "grad: weight": lambda torch, x: torch.autograd.grad(x.sum(), x, 3),
    "grad: none for two elements": lambda torch, x: torch.autograd.grad(x * 2, x, [None]),
    "grad: dict": lambda torch, x: torch.autograd.grad(x.sum(), {"x": x}),
    "grad: batched": lambda torch, x: torch.autograd.grad(x * x, x, torch.eye(2), is_grads_batched=True),
    "inputs: empty": lambda torch, x: x.sum().backward(inputs=[]),
    "inputs: a number": lambda torch, x: x.sum().backward(inputs=[3]),
    "inputs: another": lambda torch, x: (x.sum().backward(inputs=leaf(torch, 1.0)), x.grad)[1],
    "inputs": lambda torch, x: (x.sum().backward(inputs=(x,)), x.grad)[1],
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_arguments(call):
    same(lambda torch: call(torch, leaf(torch, 1.0, 2.0)))


@program
def backward_into_an_intermediate(torch):
    x = leaf(torch, 1.0)
    y = x * 2
    (y * 3).backward(inputs=[y])
    return y.grad, x.grad, y.retains_grad


# --- changes in place -------------------------------------------------------------------------------------------------

CHANGES = {
    "saved input": lambda torch, y: (y * y, y.add_(1)),
    "saved result": lambda torch, y: (y.exp(),) * 2,
    "result changed": lambda torch, y: ((z := y.exp()), z.add_(1)),
    "not needed": lambda torch, y: (y + 1, y.add_(1)),
    "by a number": lambda torch, y: (y * 3, y.add_(1)),
    "through a view": lambda torch, y: (y * y, y[:1].add_(1)),
    "through detach": lambda torch, y: (y * y, y.detach().add_(1)),
    "through data": lambda torch, y: (y * y, y.data.add_(1)),
    "sigmoid": lambda torch, y: ((z := y.sigmoid()), z.mul_(2)),
    "assignment": lambda torch, y: (y * y, y.__setitem__(0, 5.0)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_changes_of_what_backward_needs(change):
    def run(torch):
        x = leaf(torch, 1.0, 2.0)
        change(torch, x * 2)[0].sum().backward()
        return np.round(x.grad.numpy(), 5).tolist()

    same(run)


@program
def changes_in_place_of_views_and_bases(torch):
    x = leaf(torch, 1.0, 2.0, 3.0, 4.0)
    y = (x * 1).view(2, 2)
    row, column = y[0], y[:, 1]
    row.mul_(2)
    column.add_(row.clone())  # what PyTorch does with memory that overlaps in another pattern is undefined
    y.t()[0].mul_(x[:2])
    (y * y).sum().backward()
    return y, row, column, x.grad, [t.grad_fn is None for t in (y, row, column)]


@program
def a_leaf_changed_in_place(torch):
    leaf(torch, 1.0).add_(1)


@program
def a_view_of_a_leaf_changed_in_place(torch):
    leaf(torch, 1.0, 2.0)[:1].add_(1)


# --- modes ------------------------------------------------------------------------------------------------------------


@program
def grad_modes(torch):
    seen = []

    def note():
        seen.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled(), (x * 2).requires_grad))

    x = leaf(torch, 1.0)
    for mode in (torch.no_grad, torch.enable_grad, torch.inference_mode):
        with mode():
            note()
            with torch.enable_grad():
                # In inference mode PyTorch says that recording is on, and does not record.
                seen.append((x * 2).requires_grad)
            with torch.no_grad():
                note()
        note()
        mode()(note)()
        mode(note)()
    with torch.set_grad_enabled(False):
        note()
        torch.set_grad_enabled(True)
        note()
    torch.set_grad_enabled(False)
    note()
    torch.set_grad_enabled(True)
    with torch.inference_mode(False):
        note()
    return seen


@program
def generators_in_grad_modes(torch):
    seen = []

    @torch.no_grad()
    def steps():
        try:
            while True:
                got = yield torch.is_grad_enabled()
                if got == "stop":
                    return "end"
        except KeyError:
            yield "caught", torch.is_grad_enabled()
        finally:
            seen.append(torch.is_grad_enabled())

    generator = steps()
    seen.extend([next(generator), torch.is_grad_enabled(), generator.send("go"), torch.is_grad_enabled()])
    try:
        generator.send("stop")
    except StopIteration as stop:
        seen.append(stop.value)
    generator = steps()
    next(generator)
    seen.append(generator.throw(KeyError()))
    generator.close()
    seen.append(torch.is_grad_enabled())
    return seen


@program
def modes_of_threads(torch):
    seen = []

    def work():
        seen.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled()))
        torch.set_grad_enabled(False)

    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    return seen, torch.is_grad_enabled()


INFERENCE = {
    "save": lambda torch, x, a: x * a,
    "add": lambda torch, x, a: (x + a).requires_grad,
    "plain": lambda torch, x, a: (a * 2).is_inference(),
    "clone": lambda torch, x, a: a.clone().is_inference(),
    "view": lambda torch, x, a: a[0].is_inference(),
    "detach": lambda torch, x, a: a.detach().is_inference(),
    "add_": lambda torch, x, a: a.add_(1),
    "view add_": lambda torch, x, a: a[0].add_(1),
    "assignment": lambda torch, x, a: a.__setitem__(0, 1),
    "zero_": lambda torch, x, a: a.zero_(),
    "copy_": lambda torch, x, a: a.copy_(torch.ones(2)),
    "out": lambda torch, x, a: torch.add(torch.ones(2), 1, out=a),
    "requires_grad_": lambda torch, x, a: a.requires_grad_(),
    "requires_grad_(False)": lambda torch, x, a: a.requires_grad_(False).requires_grad,
    "version": lambda torch, x, a: a._version,
    "read": lambda torch, x, a: torch.zeros(2).add_(a),
    "read by a recorded change": lambda torch, x, a: (x * 1).mul_(a),
    "into a recorded change": lambda torch, x, a: a.add_(x),
    "linear": lambda torch, x, a: torch.nn.functional.linear(a, torch.ones(2, 2, requires_grad=True)),
    "parameter": lambda torch, x, a: torch.nn.Parameter(a),
}


@pytest.mark.parametrize("use", INFERENCE.values(), ids=INFERENCE.keys())
def test_inference_tensors_outside(use):
    def run(torch):
        with torch.inference_mode():
            a = torch.ones(2)
        return use(torch, leaf(torch, 1.0, 2.0), a)

    same(run)


@program
def inside_inference_mode(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 1
    with torch.inference_mode():
        made = torch.ones(2)
        results = [
            made.is_inference(),
            (x * 2).is_inference(),
            x.view(-1).is_inference(),
            (x * 2).requires_grad,
        ]
        y.add_(1)
        made.add_(1)
        made[0].mul_(2)
        results += [y._version, plain(made), y.requires_grad]
    return results


@program
def anomaly(torch):
    x = torch.zeros(2, requires_grad=True)
    with torch.autograd.set_detect_anomaly(True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (x.sqrt() * 0).sum().backward()


@program
def anomaly_without_nan_check(torch):
    x = torch.zeros(2, requires_grad=True)
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        (x.sqrt() * 0).sum().backward()
    return str(x.grad.tolist()), torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


# --- saved tensors, checks, functional --------------------------------------------------------------------------------


@program
def saved_tensor_hooks(torch):
    log = []

    def pack(t):
        log.append(("pack", plain(t), torch.is_grad_enabled()))
        return t.clone()

    def unpack(t):
        log.append(("unpack", plain(t)))
        return t

    x = leaf(torch, 1.0, 2.0)
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        x * torch.ones(2)
        y = x * x
        z = y.sqrt()
    (z + x * x).sum().backward()
    return log, np.round(x.grad.numpy(), 3).tolist()


@program
def checks(torch):
    x = torch.tensor([0.5, 1.5], dtype=torch.float64, requires_grad=True)
    wrong = function(torch, saving(lambda x: x * x), lambda ctx, g: 3 * ctx.saved_tensors[0] * g)
    check, second = torch.autograd.gradcheck, torch.autograd.gradgradcheck
    return [
        check(lambda x: x * x, x),
        second(lambda x: x * x, x),
        check(wrong, x, raise_exception=False),
        check(lambda x: (x * 2, x.exp()), (x,), fast_mode=True),
    ]


@program
def failing_check(torch):
    wrong = function(torch, saving(lambda x: x * x), lambda ctx, g: 3 * ctx.saved_tensors[0] * g)
    try:
        torch.autograd.gradcheck(wrong, torch.tensor([0.5], dtype=torch.float64, requires_grad=True))
    except RuntimeError as error:
        return type(error).__name__, str(error).split(",")[0]


@program
def check_without_gradients(torch):
    torch.autograd.gradcheck(lambda x: x, torch.ones(1))


FUNCTIONAL = {
    "jacobian": lambda torch, F, x, y: F.jacobian(lambda x: x**2, x),
    "jacobian of two": lambda torch, F, x, y: F.jacobian(lambda x, y: (x.sum() * y, x * x), (x, y)),
    "jacobian of a constant": lambda torch, F, x, y: F.jacobian(lambda x: torch.ones(2), x),
    "strict": lambda torch, F, x, y: F.jacobian(lambda x: torch.ones(2), x, strict=True),
    "strict, unused": lambda torch, F, x, y: F.jacobian(lambda x, y: x * 2, (x, y), strict=True),
    "strict, linear": lambda torch, F, x, y: F.jacobian(lambda x: x * 2, x, strict=True, create_graph=True),
    "input type": lambda torch, F, x, y: F.jacobian(lambda x: x, [x]),
    "output type": lambda torch, F, x, y: F.jacobian(lambda x: 3, x),
    "hessian": lambda torch, F, x, y: F.hessian(lambda x: (x**3).sum(), x),
    "hessian of two": lambda torch, F, x, y: F.hessian(lambda x, y: (x.sum() * y * y).sum(), (x, y)),
    "hessian, linear": lambda torch, F, x, y: F.hessian(lambda x: x.sum(), x),
    "hessian, strict": lambda torch, F, x, y: F.hessian(lambda x: x.sum(), x, strict=True),
    "hessian, several": lambda torch, F, x, y: F.hessian(lambda x: x * x, x),
    "hessian, tuple": lambda torch, F, x, y: F.hessian(lambda x: (x.sum(),), x),
    "vjp": lambda torch, F, x, y: F.vjp(lambda x: x**2, x, torch.ones(2)),
    "vjp without v": lambda torch, F, x, y: F.vjp(lambda x: x**2, x),
    "vjp of two": lambda torch, F, x, y: F.vjp(lambda x, y: (x * 2, y * 3), (x, y), (x, y)),
    "vjp shape": lambda torch, F, x, y: F.vjp(lambda x: x**2, x, torch.ones(3)),
    "vjp count": lambda torch, F, x, y: F.vjp(lambda x: (x, x), x, (torch.ones(2),)),
    "jvp": lambda torch, F, x, y: F.jvp(lambda x: x**2, x, torch.ones(2)),
    "jvp without v": lambda torch, F, x, y: F.jvp(lambda x: x**2, x),
    "jvp of two": lambda torch, F, x, y: F.jvp(lambda x, y: (x * 2, y * x.sum()), (x, y), (x, y)),
    "jvp of a constant": lambda torch, F, x, y: F.jvp(lambda x: torch.ones(2), x, x),
    "hvp": lambda torch, F, x, y: F.hvp(lambda x: (x**3).sum(), x, x),
    "hvp of two": lambda torch, F, x, y: F.hvp(lambda x, y: (x.sum() * y * y).sum(), (x, y), (x, y)),
    "hvp, linear": lambda torch, F, x, y: F.hvp(lambda x: x.sum(), x, x),
    "hvp, strict": lambda torch, F, x, y: F.hvp(lambda x: x.sum(), x, x, strict=True),
    "hvp, several": lambda torch, F, x, y: F.hvp(lambda x: x * x, x, x),
    "vhp": lambda torch, F, x, y: F.vhp(lambda x: (x**3).sum(), x, x),
    "vhp of two": lambda torch, F, x, y: F.vhp(lambda x, y: (x.sum() * y * y).sum(), (x, y), (x, y)),
    "vhp, linear": lambda torch, F, x, y: F.vhp(lambda x: x.sum(), x, x),
}


@pytest.mark.parametrize("call", FUNCTIONAL.values(), ids=FUNCTIONAL.keys())
def test_functional(call):
    same(
        lambda torch: call(
            torch, torch.autograd.functional, torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0, 5.0])
        )
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name):
    same(PROGRAMS[name])


# --- first- and second-order gradients of every sample ----------------------------------------------------------------


def samples_with(library):
    """``tests/ops/record_samples`` with ``torch`` meaning ``library``."""
    path = pathlib.Path(__file__).parents[1] / "ops" / "record_samples.py"
    source = path.read_text()
    if library is torch:
        source = source.replace("import rushlight as torch", "import torch")
        source = source.replace("import rushlight.nn.functional", "import torch.nn.functional")
    module = types.ModuleType("record_samples")
    exec(compile(source, str(path), "exec"), module.__dict__)
    return module.SAMPLES


SAMPLES = {rushlight: samples_with(rushlight), torch: samples_with(torch)}
NOT_COMPARED = {
    "dropout-0": "compared bit for bit by the tests of random numbers",
    "embedding_dense_backward-1": "PyTorch forgets scale_grad_by_freq in the second order; gradgradcheck agrees with us",
}


def orders(library, name, i):
    """The results, their gradients, and the gradients of those, all weighted by fixed numbers."""
    function, operands = SAMPLES[library][name][i]
    inputs = []
    for operand in operands:
        if isinstance(operand, np.ndarray):
            operand = library.tensor(operand)
            if operand.is_floating_point() or operand.is_complex():
                operand.requires_grad_()
        inputs.append(operand)
    leaves = [x for x in inputs if isinstance(x, library.Tensor) and x.requires_grad]
    result = function(*inputs)
    outputs = [o for o in (result if isinstance(result, (tuple, list)) else (result,)) if o.requires_grad]
    weights = [weight_like(library, o, 1.0) for o in outputs]
    first = library.autograd.grad(outputs, leaves, weights, create_graph=True, allow_unused=True)
    connected = [g for g in first if g is not None and g.requires_grad]
    second = []
    if connected:
        second = library.autograd.grad(
            connected,
            [*leaves, *weights],
            [weight_like(library, g, 2.0) for g in connected],
            allow_unused=True,
        )
    return [[None if t is None else t.numpy(force=True) for t in part] for part in (outputs, first, second)]


def weight_like(library, tensor, phase):
    count = tensor.numel()
    numbers = np.cos(np.arange(count) + phase).reshape(tuple(tensor.shape))
    if tensor.is_complex():
        numbers = numbers + 1j * np.sin(3 * np.arange(count) + phase).reshape(tuple(tensor.shape))
    return library.tensor(numbers, requires_grad=True)


@pytest.mark.parametrize(
    ("name", "i"),
    [
        (name, i)
        for name in SAMPLES[rushlight]
        for i in range(len(SAMPLES[rushlight][name]))
        if f"{name}-{i}" not in NOT_COMPARED
    ],
)
def test_first_and_second_order(name, i):
    for ours, theirs in zip(orders(rushlight, name, i), orders(torch, name, i), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            # A gradient of zeros may be missing in one of them.
            a = np.zeros_like(b) if a is None and b is not None else a
            b = np.zeros_like(a) if b is None and a is not None else b
            if a is not None:
                np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-7)
