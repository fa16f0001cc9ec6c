"""autograd.functional: Jacobians, Hessians and their products."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight.autograd.functional import hessian, hvp, jacobian, jvp, vhp, vjp

X = torch.tensor([1.0, 2.0])
Y = torch.tensor([3.0, 4.0, 5.0])


def cubes(x):
    return (x * x * x).sum()


def test_jacobian_shapes():
    assert jacobian(lambda x: x * x, X).tolist() == [[2.0, 0.0], [0.0, 4.0]]
    assert [j.tolist() for j in jacobian(lambda x: x * x, (X,))] == [[[2.0, 0.0], [0.0, 4.0]]]
    (a, b), (c, d) = jacobian(lambda x, y: (x.sum() * y, x * x), (X, Y))
    assert (a.shape, b.shape, c.shape, d.shape) == ((3, 2), (3, 3), (2, 2), (2, 3))
    assert b.tolist() == [[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]] and not d.any()
    assert jacobian(lambda x: x.sum(0), torch.ones(2, 3)).shape == (3, 2, 3)
    assert jacobian(lambda x: x * x, torch.tensor(3.0)).item() == 6.0
    assert jacobian(lambda x: x, X).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert jacobian(lambda x: x[:0], X).shape == (0, 2)


def test_jacobian_is_detached_unless_asked():
    x = X.clone().requires_grad_()
    assert not jacobian(lambda x: x * x, x).requires_grad
    connected = jacobian(lambda x: x * x, x, create_graph=True)
    connected.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_strict():
    with pytest.raises(
        RuntimeError, match="Output 0 of the user-provided function does not require gradients"
    ):
        jacobian(lambda x: torch.ones(2), X, strict=True)
    with pytest.raises(
        RuntimeError, match="Output 0 of the user-provided function is independent of input 1"
    ):
        jacobian(lambda x, y: x * 2, (X, Y), strict=True)
    with pytest.raises(
        RuntimeError, match="jacobian of the user-provided function is independent of input 0"
    ):
        jacobian(lambda x: x * 2, X, strict=True, create_graph=True)
    with pytest.raises(RuntimeError, match="not supported together"):
        jacobian(lambda x: x * 2, X, strict=True, vectorize=True)
    for product in (hvp, vhp):
        with pytest.raises(RuntimeError, match="found that the jacobian"):
            product(lambda x: x.sum(), X, torch.ones(2), strict=True)
    with pytest.raises(RuntimeError, match="found that the jacobian"):
        hessian(lambda x: x.sum(), X, strict=True)
    assert not jacobian(lambda x: torch.ones(2), X).any()


def test_jacobian_arguments():
    with pytest.raises(
        TypeError, match="inputs given to jacobian must be either a Tensor or a tuple of Tensors"
    ):
        jacobian(lambda x: x, [X])
    with pytest.raises(TypeError, match="the value at index 1"):
        jacobian(lambda x: x, (X, 3))
    with pytest.raises(TypeError, match="outputs of the user-provided function given to jacobian"):
        jacobian(lambda x: 3, X)
    with pytest.raises(AssertionError, match="strategy"):
        jacobian(lambda x: x, X, strategy="sideways")
    with pytest.raises(NotImplementedError):
        jacobian(lambda x: x, X, strategy="forward-mode")
    assert jacobian(lambda x: x * 2, X, vectorize=True, strategy="forward-mode").tolist() == [
        [2.0, 0.0],
        [0.0, 2.0],
    ]
    with pytest.raises(RuntimeError, match="real scalar outputs"):
        jacobian(lambda x: x * x, torch.tensor([1 + 2j]))


def test_hessian():
    assert hessian(cubes, X).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    (a, b), (c, d) = hessian(lambda x, y: (x.sum() * y * y).sum(), (X, Y))
    assert not a.any()
    assert b.tolist() == [[6.0, 8.0, 10.0]] * 2 and c.tolist() == [[6.0, 6.0], [8.0, 8.0], [10.0, 10.0]]
    assert d.diagonal().tolist() == [6.0] * 3
    assert not hessian(lambda x: x.sum(), X).any()
    with pytest.raises(RuntimeError, match="should contain a single element"):
        hessian(lambda x: x * x, X)
    with pytest.raises(RuntimeError, match="should return a single Tensor"):
        hessian(lambda x: (x.sum(),), X)
    x = X.clone().requires_grad_()
    hessian(cubes, x, create_graph=True).sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]


def test_products():
    assert [t.tolist() for t in vjp(lambda x: x * x, X, torch.ones(2))] == [[1.0, 4.0], [2.0, 4.0]]
    assert [t.tolist() for t in jvp(lambda x: x * x, X, torch.ones(2))] == [[1.0, 4.0], [2.0, 4.0]]
    for product in (hvp, vhp):
        value, vector = product(cubes, X, torch.ones(2))
        assert (value.item(), vector.tolist()) == (9.0, [6.0, 12.0])
        assert product(lambda x: x.sum(), X, torch.ones(2))[1].tolist() == [0.0, 0.0]
    assert jvp(lambda x: torch.ones(2), X, torch.ones(2))[1].tolist() == [0.0, 0.0]


def test_jvp_is_the_transpose_of_vjp():
    def f(x, y):
        return x.sum() * y.exp(), (x * x).sum() * x

    inputs = (X.double(), Y.double())
    u = tuple((t * 0 + i + 1).cumsum(0) for i, t in enumerate(inputs))
    outputs = f(*inputs)
    v = tuple((t * 0 + 2 * i - 1).cumsum(0) for i, t in enumerate(outputs))
    forward = sum((a * b).sum() for a, b in zip(v, jvp(f, inputs, u)[1], strict=True))
    back = sum((a * b).sum() for a, b in zip(u, vjp(f, inputs, v)[1], strict=True))
    torch.testing.assert_close(forward, back)


def test_vectors():
    assert vjp(lambda x: x.sum(), X)[1].tolist() == [1.0, 1.0]
    assert jvp(lambda x: x * x, X[:1])[1].tolist() == [2.0]
    for call, match in (
        (
            lambda: vjp(lambda x: x * x, X),
            "v can only be None if the user-provided function returns a single Tensor",
        ),
        (lambda: jvp(lambda x: x * x, X), "v can only be None if the input to the user-provided function"),
        (
            lambda: vjp(lambda x: x * x, X, torch.ones(3)),
            r"v has invalid size: should be torch.Size\(\[2\]\)",
        ),
        (lambda: vjp(lambda x: (x, x), X, (torch.ones(2),)), "should be 2 but got 1"),
        (lambda: hvp(lambda x: x * x, X, torch.ones(2)), "should contain a single element"),
    ):
        with pytest.raises(RuntimeError, match=match):
            call()


def test_create_graph_of_products():
    for product in (vhp, hvp):
        x = X.clone().requires_grad_()
        product(cubes, x, torch.ones(2), create_graph=True)[1].sum().backward()
        assert x.grad.tolist() == [6.0, 6.0]
    for product in (vjp, jvp):
        x = X.clone().requires_grad_()
        value, vector = product(lambda x: x * x, x, torch.ones(2), create_graph=True)
        (value.sum() + vector.sum()).backward()
        assert x.grad.tolist() == [4.0, 6.0]
        assert not product(lambda x: x * x, x, torch.ones(2))[1].requires_grad


def test_under_no_grad():
    with torch.no_grad():
        assert jacobian(lambda x: x * x, X).tolist() == [[2.0, 0.0], [0.0, 4.0]]
        assert hessian(cubes, X).tolist() == [[6.0, 0.0], [0.0, 12.0]]
        for product in (hvp, vhp):
            assert product(cubes, X, torch.ones(2))[1].tolist() == [6.0, 12.0]
        for product in (vjp, jvp):
            assert product(lambda x: x * x, X, torch.ones(2))[1].tolist() == [2.0, 4.0]
        assert not torch.is_grad_enabled()


class Tagged(torch.Tensor):
    """Keeps its tag through ``detach`` and ``view_as``, as classes with a ``__torch_function__`` of their own do."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        result = super().__torch_function__(func, types, args, kwargs or {})
        if func.__name__ in ("detach", "view_as"):
            result.tag = args[0].tag
        return result


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("vectorize", [False, True])
def test_the_function_gets_tensors_of_the_subclass(create_graph, vectorize):
    x = X.clone().as_subclass(Tagged).requires_grad_()
    x.tag = "tag"
    seen = []

    def function(x):
        seen.append((type(x), x.tag))
        return x * x

    found = jacobian(function, x, create_graph=create_graph, vectorize=vectorize)
    assert seen == [(Tagged, "tag")] and found.tolist() == [[2.0, 0.0], [0.0, 4.0]]
    for product in (vjp, jvp):
        product(function, x, torch.ones(2))
    assert set(seen) == {(Tagged, "tag")}
    assert type(torch.nn.Parameter(X)) is not type(torch.autograd.functional._leaf(torch.nn.Parameter(X)))
