"""backward and grad: arguments, results, errors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import rushlight as torch
from rushlight.autograd import backward, grad


def leaf(*values: float, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype, requires_grad=True)


# --- grad -------------------------------------------------------------------------------------------------------------


def test_grad_adds_nothing_to_leaves():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (g,) = grad((x * w).sum(), x)
    assert g.tolist() == [3.0, 4.0]
    assert (x.grad, w.grad) == (None, None)


def test_grad_of_intermediate_and_of_leaf_tensors():
    x = leaf(1.0, 2.0)
    y = x * 2
    z = (y * y).sum()
    gz, gy, gx = grad(z, [z, y, x])
    assert (gz.item(), gy.tolist(), gx.tolist()) == (1.0, [4.0, 8.0], [8.0, 16.0])


def test_grad_runs_only_what_leads_to_the_inputs():
    ran = []

    class Watch(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, name):
            ctx.name = name
            return x * 1

        @staticmethod
        def backward(ctx, g):
            ran.append(ctx.name)
            return g, None

    x, w = leaf(1.0), leaf(1.0)
    y = Watch.apply(x, "x") * Watch.apply(w, "w")
    grad(y, x, retain_graph=True)
    assert ran == ["x"]
    middle = Watch.apply(x, "before") * 1
    grad(Watch.apply(middle, "after"), middle)
    assert ran == ["x", "after"]


def test_one_input_twice():
    x = leaf(1.0)
    a, b = grad(x * 2, [x, x])
    assert (a.item(), b.item()) == (2.0, 2.0)


def test_grad_of_several_outputs_is_the_sum():
    x = leaf(1.0, 2.0)
    (g,) = grad([x.sum(), x * x], x, [None, torch.tensor([1.0, 10.0])])
    assert g.tolist() == [3.0, 41.0]


def test_grad_of_one_of_several_results():
    x = torch.arange(6.0).view(2, 3).requires_grad_()
    first, second = (x * 2).unbind(0)
    ga, gb, gx = grad((first * first).sum() + second.sum(), [first, second, x])
    assert ga.tolist() == [0.0, 4.0, 8.0] and gb.tolist() == [1.0] * 3
    assert gx.tolist() == [[0.0, 8.0, 16.0], [2.0, 2.0, 2.0]]


def test_unused_inputs():
    x, w = leaf(1.0), leaf(1.0)
    with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
        grad(x * 2, [x, w])
    assert grad(x * 2, [x, w], allow_unused=True)[1] is None
    zeros = grad(x * 2, [x, w], materialize_grads=True)[1]
    assert zeros.tolist() == [0.0]
    with pytest.raises(ValueError, match="Expected allow_unused to be True or not passed"):
        grad(x * 2, [x, w], allow_unused=False, materialize_grads=True)


def test_grad_takes_and_gives_dicts():
    x, w = leaf(1.0), leaf(2.0)
    result = grad(x * w, {"x": x, "w": w})
    assert {k: v.item() for k, v in result.items()} == {"x": 2.0, "w": 1.0}


def test_create_graph():
    x = leaf(2.0)
    (g,) = grad(x * x * x, x, create_graph=True)
    assert g.requires_grad
    (gg,) = grad(g, x)
    assert gg.item() == 12.0 and not gg.requires_grad


def test_batched_gradients():
    x = leaf(1.0, 2.0, 3.0)
    (rows,) = grad(x * x, x, torch.eye(3), is_grads_batched=True)
    assert rows.tolist() == [[2.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 6.0]]
    (rows,) = grad(x * x, x, torch.zeros(0, 3), is_grads_batched=True)
    assert rows.shape == (0, 3)
    with pytest.raises(
        RuntimeError, match="interpret the first dimension of each grad_output as the batch dimension"
    ):
        grad(x * x, x, torch.eye(2), is_grads_batched=True)


def test_only_inputs_is_deprecated():
    x = leaf(1.0)
    with pytest.warns(FutureWarning, match="only_inputs argument is deprecated"):
        grad(x * 2, x, only_inputs=False)


def test_gradient_edges():
    x = leaf(1.0, 2.0)
    y = x * 2
    edge = torch.autograd.graph.get_gradient_edge(y)
    assert edge.node is y.grad_fn and edge.output_nr == 0
    (g,) = grad((y * y).sum(), edge)
    assert g.tolist() == [4.0, 8.0]
    (g,) = grad(edge, x, torch.ones(2))
    assert g.tolist() == [2.0, 2.0]
    parts = (x * 1).unbind(0)
    edge = torch.autograd.graph.get_gradient_edge(parts[1])
    assert edge.output_nr == 1
    assert grad(parts[0] * 3 + parts[1] * 5, edge)[0].item() == 5.0
    torch.autograd.backward(torch.autograd.graph.GradientEdge(parts[1].grad_fn, 1), torch.tensor(7.0))
    assert x.grad.tolist() == [0.0, 7.0]
    with pytest.raises(RuntimeError, match="does not require gradients"):
        torch.autograd.graph.get_gradient_edge(torch.ones(1))


# --- backward ---------------------------------------------------------------------------------------------------------


def test_backward_into_chosen_inputs():
    x, w = leaf(1.0), leaf(2.0)
    y = x * w
    (y * 3).backward(inputs=[w])
    assert x.grad is None and w.grad.item() == 3.0
    z = x * 2
    (z * 5).backward(inputs=[z, x])
    assert (z.grad.item(), x.grad.item()) == (5.0, 10.0)
    (x * 1).backward(inputs={"x": x})
    assert x.grad.item() == 11.0
    with pytest.raises(RuntimeError, match="cannot be empty"):
        (x * 1).backward(inputs=[])
    with pytest.raises(RuntimeError, match="Tensors or GradientEdges, but got int"):
        (x * 1).backward(inputs=[3])
    with pytest.raises(RuntimeError, match="does not require grad"):
        (x * 1).backward(inputs=[torch.ones(1)])


def test_hooks_run_where_inputs_are_chosen():
    x, w = leaf(1.0), leaf(2.0)
    seen = []
    y = x * w
    y.register_hook(lambda g: seen.append("y"))
    x.register_hook(lambda g: seen.append("x"))
    w.register_hook(lambda g: seen.append("w"))
    (y * 1).backward(inputs=[w])
    assert seen == ["y", "w"]


def test_gradient_of_another_dtype_is_cast():
    x = leaf(1.0, 2.0)
    (x * 1).backward(torch.ones(2, dtype=torch.float64))
    assert x.grad.dtype == torch.float32


def test_grad_variables_is_an_old_name():
    x = leaf(1.0)
    with pytest.warns(FutureWarning, match="grad_variables"):
        backward([x * 2], grad_variables=[torch.ones(1)])
    assert x.grad.item() == 2.0
    with pytest.warns(FutureWarning), pytest.raises(RuntimeError, match="both passed"):
        backward([x * 2], [torch.ones(1)], grad_variables=[torch.ones(1)])


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_element_needs_no_gradient(shape):
    x = torch.ones(shape, dtype=torch.float64, requires_grad=True)
    (x * 3).backward()
    assert x.grad.numpy().tolist() == np.full(shape, 3.0).tolist()


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda x: torch.ones(2).sum().backward(),
            RuntimeError,
            "element 0 of tensors does not require grad and",
        ),
        (
            lambda x: backward([x.sum(), torch.ones(())]),
            RuntimeError,
            "element 1 of tensors does not require grad",
        ),
        (
            lambda x: (x * 2).backward(),
            RuntimeError,
            "grad can be implicitly created only for scalar outputs",
        ),
        (
            lambda x: (x * 1j).sum().backward(),
            RuntimeError,
            "only for real scalar outputs but got torch.complex64",
        ),
        (
            lambda x: (x * 2).backward(torch.ones(3)),
            RuntimeError,
            r"grad_output\[0\] has a shape of torch.Size\(\[3\]\)",
        ),
        (
            lambda x: x.sum().backward(torch.ones((), dtype=torch.complex64)),
            RuntimeError,
            "required to have the same dtype",
        ),
        (lambda x: backward([x.sum()], [None, None]), RuntimeError, "got 1 tensors and 2 gradients"),
        (
            lambda x: backward([x.sum()], [3]),
            TypeError,
            "gradients can be either Tensors or None, but got int",
        ),
        (lambda x: backward([3]), TypeError, "got int"),
        (lambda x: backward(3), TypeError, "iterable"),
        (lambda x: grad(x.sum(), []), RuntimeError, "cannot be empty"),
        (
            lambda x: grad(x.sum(), torch.ones(1)),
            RuntimeError,
            "One of the differentiated Tensors does not require grad",
        ),
        (lambda x: grad(x.sum(), [3]), RuntimeError, "but got int"),
        (lambda x: grad(x * 2, x, [None]), RuntimeError, "only for scalar outputs"),
        (lambda x: grad(x.sum(), x, is_grads_batched=True), ValueError, "batch dimension"),
    ],
)
def test_errors(call, kind, message):
    with pytest.raises(kind, match=message):
        call(leaf(1.0, 2.0))


# --- leaves and their grad --------------------------------------------------------------------------------------------


def test_requires_grad_rules():
    with pytest.raises(RuntimeError, match="floating point"):
        torch.tensor([1, 2]).requires_grad_()
    y = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match="you can only change requires_grad flags of leaf variables"):
        y.requires_grad_(False)
    assert not y.is_leaf and y.detach().is_leaf
    x = leaf(1.0).requires_grad_(False)
    assert not (x * 2).requires_grad


def test_grad_of_a_tensor_with_history_warns():
    y = leaf(1.0) * 2
    with pytest.warns(UserWarning, match=r"The \.grad attribute of a Tensor that is not a leaf"):
        assert y.grad is None
    y.retain_grad()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert y.grad is None
        y.backward()
        assert y.grad.item() == 1.0


def test_assigning_grad():
    x = leaf(1.0, 2.0)
    x.grad = torch.ones(2)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    for wrong, kind in (
        (torch.ones(3), RuntimeError),
        (torch.ones(2, dtype=torch.float64), RuntimeError),
        (3, TypeError),
    ):
        with pytest.raises(kind):
            x.grad = wrong
    with pytest.raises(RuntimeError, match="own grad"):
        x.grad = x
    del x.grad
    assert x.grad is None


def test_results_of_operations_on_subclasses():
    parameter = torch.nn.Parameter(torch.ones(2))
    assert type(parameter * 2) is torch.Tensor
    assert type(parameter.detach()) is torch.Tensor
    (parameter * 3).sum().backward()
    assert type(parameter.grad) is torch.Tensor and parameter.grad.tolist() == [3.0, 3.0]


def test_next_functions_lead_to_the_leaves():
    x = leaf(1.0)
    node = (x * 2).grad_fn
    assert node.name() == "MulBackward0"
    (accumulate, number), second = node.next_functions
    assert (accumulate.name(), number, second) == ("torch::autograd::AccumulateGrad", 0, (None, 0))
    assert accumulate.variable is x
    assert type(node).__name__ == "MulBackward0"
    assert isinstance(node, torch.autograd.graph.Node)
    assert type((x * 2).grad_fn) is type(node)
    node.metadata["note"] = 1
    assert node.metadata == {"note": 1}


def test_variable():
    x = torch.ones(2)
    v = torch.autograd.Variable(x, requires_grad=True)
    assert v.requires_grad and not x.requires_grad
    assert isinstance(x, torch.autograd.Variable)
    assert not isinstance(3, torch.autograd.Variable)
    v.data.fill_(5.0)
    assert x.tolist() == [5.0, 5.0]
    with pytest.raises(TypeError):
        torch.autograd.Variable([1.0])
