"""Hooks on tensors, leaves and nodes; retain_grad; hooks over several tensors."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight.autograd.graph import register_multi_grad_hook


def leaf(*values: float):
    return torch.tensor(values, requires_grad=True)


def test_a_hook_sees_and_may_replace_the_gradient():
    x = leaf(1.0)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(g.item()))
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: seen.append(g.item()))
    y.backward()
    assert seen == [1.0, 10.0] and x.grad.item() == 20.0


def test_hooks_of_a_leaf_run_once_with_the_sum():
    x = leaf(1.0)
    seen = []
    x.register_hook(lambda g: seen.append(g.item()))
    (x * 2 + x * 3).backward()
    assert seen == [5.0]


def test_removing_hooks():
    x = leaf(1.0)
    with x.register_hook(lambda g: g * 100):
        pass
    handle = x.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    handle.remove()
    handle.remove()
    (x * 1).backward()
    assert x.grad.item() == 2.0


def test_a_hook_removed_by_another_runs_once_more():
    x = leaf(1.0)
    y = x * 2
    seen = []
    y.register_hook(lambda g: second.remove())
    second = y.register_hook(lambda g: seen.append("second"))
    y.backward(retain_graph=True)
    y.backward()
    assert seen == ["second"]


def test_a_hook_added_by_another_runs_next_time():
    x = leaf(1.0)
    y = x + 1
    seen = []
    first = y.register_hook(lambda g: (y.register_hook(lambda g: seen.append("added")), None)[1])
    y.backward()
    assert seen == []
    first.remove()
    y.backward()
    assert seen == ["added"]


@pytest.mark.parametrize(
    ("replacement", "kind", "message"),
    [
        (lambda g: 3, TypeError, "expected Variable, but hook returned 'int'"),
        (lambda g: torch.ones(5), RuntimeError, "hook '<lambda>' has changed the size of value"),
        (
            lambda g: g.double(),
            RuntimeError,
            "has changed the type of value .was torch.FloatTensor got torch.DoubleTensor",
        ),
    ],
)
@pytest.mark.parametrize("on", ["leaf", "result"])
def test_a_hook_must_keep_shape_and_dtype(replacement, kind, message, on):
    x = leaf(1.0, 2.0)
    y = x * 2
    (x if on == "leaf" else y).register_hook(replacement)
    with pytest.raises(kind, match=message):
        y.sum().backward()


def test_hooks_need_a_gradient():
    with pytest.raises(
        RuntimeError, match="cannot register a hook on a tensor that doesn't require gradient"
    ):
        torch.ones(1).register_hook(print)
    with pytest.raises(
        RuntimeError, match="cannot register a hook on a tensor that doesn't require gradient"
    ):
        torch.ones(1).register_post_accumulate_grad_hook(print)
    with pytest.raises(RuntimeError, match="cannot be registered on non-leaf tensors"):
        (leaf(1.0) * 1).register_post_accumulate_grad_hook(print)
    with pytest.raises(RuntimeError, match="can't retain_grad on Tensor that has requires_grad=False"):
        torch.ones(1).retain_grad()


def test_post_accumulate_hooks_see_the_sum_in_grad():
    x = leaf(1.0)
    seen = []
    x.register_post_accumulate_grad_hook(lambda p: seen.append((p is x, p.grad.item())))
    (x * 2).backward()
    (x * 2).backward()
    assert seen == [(True, 2.0), (True, 4.0)]


def test_an_optimizer_step_in_backward_frees_each_gradient():
    """The pattern that keeps only one gradient at a time."""
    parameters = [leaf(1.0) for _ in range(4)]
    alive = []

    def step(p):
        alive.append(sum(q.grad is not None for q in parameters))
        with torch.no_grad():
            p -= p.grad
        p.grad = None

    for p in parameters:
        p.register_post_accumulate_grad_hook(step)
    y = torch.ones(1)
    for p in parameters:
        y = y * p
    y.backward()
    assert alive == [1, 1, 1, 1]
    assert [p.item() for p in parameters] == [0.0] * 4


def test_node_hooks():
    x = leaf(1.0)
    y = x * 2
    seen = []
    y.grad_fn.register_prehook(lambda outputs: (outputs[0] * 3,))
    y.grad_fn.register_hook(
        lambda inputs, outputs: seen.append((inputs[0].item(), inputs[1], outputs[0].item()))
    )
    y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] + 1, None))
    y.backward()
    assert seen == [(6.0, None, 3.0)] and x.grad.item() == 7.0


@pytest.mark.parametrize(
    ("hook", "kind", "message"),
    [
        (lambda i, o: (1, 2, 3), RuntimeError, r"incorrect number of values \(got 3, but expected 2\)"),
        (lambda i, o: i[0], TypeError, "expected tuple, but hook returned 'Tensor'"),
        (lambda i, o: (1, None), TypeError, "expected Variable, but hook returned 'int'"),
    ],
)
def test_node_hooks_must_return_gradients(hook, kind, message):
    y = leaf(1.0) * 2
    y.grad_fn.register_hook(hook)
    with pytest.raises(kind, match=message):
        y.backward()


def test_node_hooks_of_an_operation_with_several_results():
    x = torch.arange(4.0).view(2, 2).requires_grad_()
    parts = x.unbind(0)
    seen = []
    parts[0].grad_fn.register_prehook(lambda outputs: seen.append([o is None for o in outputs]))
    parts[1].register_hook(lambda g: seen.append("tensor"))
    parts[1].sum().backward()
    assert seen == ["tensor", [True, False]]


def test_hooks_on_the_accumulating_node():
    x = leaf(1.0)
    node = x.expand_as(x).grad_fn.next_functions[0][0]
    seen = []
    node.register_prehook(lambda outputs: seen.append(("pre", outputs[0].item())))
    node.register_hook(
        lambda inputs, outputs: seen.append(("post", inputs, outputs[0].item(), x.grad.item()))
    )
    x.register_post_accumulate_grad_hook(lambda p: seen.append("accumulated"))
    x.register_hook(lambda g: seen.append("tensor"))
    (x * 2).backward()
    assert seen == ["tensor", ("pre", 2.0), "accumulated", ("post", (), 2.0, 2.0)]


def test_order_of_everything_on_one_tensor():
    x = leaf(1.0)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append("first"))
    y.retain_grad()
    y.grad_fn.register_prehook(lambda o: seen.append("node before"))
    y.grad_fn.register_hook(lambda i, o: seen.append("node after"))
    y.register_hook(lambda g: g * 3)
    y.register_hook(lambda g: seen.append("last"))
    y.backward()
    assert seen == ["first", "last", "node before", "node after"]
    assert y.grad.item() == 3.0  # retain_grad sees what all hooks have made of it


def test_retain_grad():
    x = leaf(1.0)
    y = x * 2
    assert not y.retains_grad
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad
    (y * 3).backward(retain_graph=True)
    (y * 3).backward()
    assert y.grad.item() == 6.0
    x.retain_grad()
    assert not x.retains_grad


def test_retain_grad_follows_a_change_in_place_and_hooks_do_not():
    x = leaf(1.0, 1.0)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(("before", g.tolist())))
    y.retain_grad()
    y.mul_(3)
    y.register_hook(lambda g: seen.append(("after", g.tolist())))
    y.sum().backward()
    assert y.grad.tolist() == [1.0, 1.0]
    assert seen == [("after", [1.0, 1.0]), ("before", [3.0, 3.0])]


def test_hooks_and_the_inputs_of_grad():
    """As in PyTorch: a tensor's hooks count for what is computed from its gradient, and for its own gradient only where
    nothing further down is asked for."""
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    z = y * 3
    assert [g.item() for g in torch.autograd.grad(z, [y, x], retain_graph=True)] == [3.0, 60.0]
    assert [g.item() for g in torch.autograd.grad(z, [y], retain_graph=True)] == [30.0]


def test_hooks_with_create_graph_are_differentiated():
    x = leaf(2.0)
    y = x * x
    y.register_hook(lambda g: g * x)
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (gg,) = torch.autograd.grad(g, x)
    assert (g.item(), gg.item()) == (8.0, 8.0)


def test_hooks_get_none_where_no_gradient_arrives():
    class Nothing(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return None

    y = leaf(1.0) * 2
    seen = []
    y.register_hook(seen.append)
    Nothing.apply(y).backward()
    assert seen == [None]


# --- hooks over several tensors ---------------------------------------------------------------------------------------


def test_multi_grad_hook_all():
    a, b, c = leaf(1.0), leaf(2.0), leaf(3.0)
    seen = []
    handle = register_multi_grad_hook(
        [a, b, c], lambda grads: seen.append([g if g is None else g.item() for g in grads])
    )
    (a * b).backward()
    (a * b * c).backward()
    torch.autograd.grad(a * b * c, [a])
    assert seen == [[2.0, 1.0, None], [6.0, 3.0, 2.0], [6.0, None, None]]
    handle.remove()
    (a * b).backward()
    assert len(seen) == 3


def test_multi_grad_hook_any():
    a, b = leaf(1.0), leaf(2.0)
    seen = []
    with register_multi_grad_hook([a, b], lambda g: seen.append(g.item()), mode="any"):
        (a * b).backward()
        (a * b).backward()
    (a * b).backward()
    assert seen == [2.0, 2.0]
    with pytest.raises(ValueError, match="mode"):
        register_multi_grad_hook([a], print, mode="some")
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        register_multi_grad_hook([torch.ones(1)], print)
