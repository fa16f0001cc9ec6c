"""``grad`` and its family without PyTorch: derivatives that are known, and levels that must not mix."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as torch
from rushlight.func import grad, hessian, jacfwd, jacrev, jvp, linearize, vjp, vmap


def close(a: Any, b: Any) -> None:
    torch.testing.assert_close(a, b)


@pytest.mark.parametrize("order", range(1, 6))
def test_derivatives_of_a_power(order: int) -> None:
    function: Any = lambda x: x**5
    expected = 1.0
    for i in range(order):
        function = grad(function)
        expected *= 5 - i
    close(
        function(torch.tensor(2.0, dtype=torch.float64)),
        torch.tensor(expected * 2.0 ** (5 - order), dtype=torch.float64),
    )


def test_an_inner_derivative_takes_the_outer_argument_as_constant() -> None:
    def outer(x: Any) -> Any:
        return x * grad(lambda y: x + y)(torch.tensor(1.0))

    close(grad(outer)(torch.tensor(1.0)), torch.tensor(1.0))
    # the same in the other modes
    for derivative in (jacrev, jacfwd):
        inner = lambda x: x * derivative(lambda y: x + y)(torch.tensor(1.0))
        close(derivative(inner)(torch.tensor(1.0)), torch.tensor(1.0))


def test_nothing_is_left_to_differentiate_unless_something_outside_asks() -> None:
    x = torch.ones(3)
    for result in (
        grad(lambda x: (x**3).sum())(x),
        vjp(torch.sin, x)[0],
        vjp(torch.sin, x)[1](x)[0],
        *jvp(torch.sin, (x,), (x,)),
        jacrev(torch.sin)(x),
        jacfwd(torch.sin)(x),
        hessian(lambda x: (x**3).sum())(x),
        linearize(torch.sin, x)[1](x),
    ):
        assert not result.requires_grad
    assert x.grad is None
    assert not x.requires_grad


def test_no_grad_around_counts_for_the_outside_alone() -> None:
    w = torch.ones(3, requires_grad=True)
    with torch.no_grad():
        result = grad(lambda x: (x * x * w).sum())(torch.ones(3))
    close(result, 2 * torch.ones(3))
    assert not result.requires_grad


def test_leaves_outside_keep_their_gradients_to_themselves() -> None:
    w = torch.ones(3, requires_grad=True)
    grad(lambda x: (x * w).sum())(torch.ones(3))
    assert w.grad is None


def test_a_closure_is_differentiated_from_outside() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    grad(lambda x: (x**2 * w).sum())(torch.tensor([3.0, 4.0])).sum().backward()
    close(w.grad, torch.tensor([6.0, 8.0]))


def test_the_pulled_back_function_may_be_called_again() -> None:
    _, pull = vjp(lambda x: x.sin(), torch.ones(2))
    close(pull(torch.ones(2))[0], pull(torch.ones(2))[0])
    close(vmap(pull)(torch.eye(2))[0], jacrev(torch.sin)(torch.ones(2)))


def test_all_ways_to_a_hessian_agree() -> None:
    def function(x: Any) -> Any:
        return (x.exp() * x.sum()).sin().sum()

    x = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    expected = hessian(function)(x)
    for outer in (jacrev, jacfwd):
        for inner in (jacrev, jacfwd, grad):
            close(outer(inner(function))(x), expected)


def test_the_function_of_a_linearisation_is_evaluated_once() -> None:
    calls = 0

    def function(x: Any) -> Any:
        nonlocal calls
        calls += 1
        return x * x

    jacfwd(function)(torch.ones(4))
    assert calls == 1
    _, product = linearize(function, torch.ones(4))
    product(torch.ones(4))
    product(torch.ones(4))
    assert calls == 2


def test_per_example_gradients_are_not_summed() -> None:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    result = vmap(grad(lambda w, row: (w * row).sum()), (None, 0))(torch.ones(2), x)
    close(result, x)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: torch.nn.LSTM(2, 2), (3, 1, 2)),
        (lambda: torch.nn.GRU(2, 2), (3, 1, 2)),
        (lambda: torch.nn.RNN(2, 2), (3, 1, 2)),
        (lambda: torch.nn.BatchNorm1d(3), (4, 3)),
        (lambda: torch.nn.LayerNorm(3), (4, 3)),
        (lambda: torch.nn.Conv1d(2, 2, 2), (1, 2, 6)),
        (lambda: torch.nn.MaxPool1d(2), (1, 2, 6)),
        (lambda: torch.nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0), (3, 1, 4)),
    ],
)
def test_jvp_of_modules_against_finite_differences(make: Any, shape: Any) -> None:
    torch.manual_seed(0)
    net = make().double()

    def function(x: Any) -> Any:
        result = net(x)
        return result[0] if isinstance(result, tuple) else result

    x, v = torch.randn(2, *shape, dtype=torch.float64)
    step = 1e-6
    expected = (function(x + step * v) - function(x - step * v)).detach() / (2 * step)
    # The error of the central difference: its own step squared, and rounding over the step.
    torch.testing.assert_close(jvp(function, (x,), (v,))[1].detach(), expected, rtol=1e-6, atol=1e-7)


def test_containers_come_back_as_they_were() -> None:
    from collections import OrderedDict, namedtuple

    Pair = namedtuple("Pair", "a b")
    given = OrderedDict(p=Pair(torch.ones(2), [torch.ones(1)]), q=())
    result = grad(lambda d: d["p"].a.sum() + d["p"].b[0].sum())(given)
    assert type(result) is OrderedDict
    assert type(result["p"]) is Pair
    assert result["q"] == ()
    assert isinstance(result["p"].b, list)


@pytest.mark.parametrize("transform", [jacrev, jacfwd, hessian])
def test_jacobians_are_for_real_numbers(transform: Any) -> None:
    with pytest.raises(RuntimeError, match="Expected all inputs to be real"):
        transform(lambda x: x.abs())(torch.ones(2, dtype=torch.complex64))
    with pytest.raises(RuntimeError, match="Expected all outputs to be real"):
        transform(lambda x: x * 1j)(torch.ones(2))
