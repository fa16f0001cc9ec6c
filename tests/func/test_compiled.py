"""Compiled functions inside of transforms, and transforms inside of compiled functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight as torch
from rushlight.func import functional_call, grad, jacfwd, jacrev, jvp, linearize, vjp, vmap

X = torch.arange(12.0).reshape(3, 4) / 7
MODES = pytest.mark.parametrize("fullgraph", [False, True], ids=["recorded", "static"])
TIMES = 6  # calls: from the fourth on a recorded function may be replayed


def total(x: Any) -> Any:
    return (x.sin() * 2 + 1).sum()


def vector(x: Any) -> Any:
    return x.sin() * x + x.sum()


def flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in flat(part)]
    return [leaf for part in value for leaf in flat(part)] if isinstance(value, list | tuple) else [value]


def same(own: Any, expected: Any) -> None:
    for a, b in zip(flat(own), flat(expected), strict=True):
        torch.testing.assert_close(a, b)


INSIDE: dict[str, Callable[[Any, Any], Any]] = {
    "vmap": lambda f, g: vmap(g)(X),
    "vmap of vmap": lambda f, g: vmap(vmap(g))(X[None]),
    "grad": lambda f, g: grad(f)(X),
    "grad of grad": lambda f, g: grad(lambda x: grad(f)(x).sum())(X),
    "vmap of grad": lambda f, g: vmap(grad(f))(X),
    "grad of vmap": lambda f, g: grad(lambda x: vmap(g)(x).sum())(X),
    "jvp": lambda f, g: jvp(g, (X,), (X + 1,)),
    "vjp": lambda f, g: vjp(g, X)[1](X),
    "jacrev": lambda f, g: jacrev(g)(X[0]),
    "jacfwd": lambda f, g: jacfwd(g)(X[0]),
    "linearize": lambda f, g: linearize(g, X)[1](X),
    "functional.jacobian": lambda f, g: torch.autograd.functional.jacobian(g, X[0], vectorize=True),
    "functional.hessian": lambda f, g: torch.autograd.functional.hessian(f, X[0]),
}


@MODES
@pytest.mark.parametrize("name", INSIDE)
def test_compiled_functions_inside_of_transforms(name: str, fullgraph: bool) -> None:
    f, g = torch.compile(total, fullgraph=fullgraph), torch.compile(vector, fullgraph=fullgraph)
    expected = INSIDE[name](total, vector)
    for _ in range(TIMES):
        f(X), g(X)  # between them as ever
        same(INSIDE[name](f, g), expected)


OUTSIDE: dict[str, Callable[[Any], Any]] = {
    "grad": lambda x: grad(total)(x),
    "grad of grad": lambda x: grad(lambda x: grad(total)(x).sum())(x),
    "vjp": lambda x: vjp(vector, x)[1](x)[0],
    "jvp": lambda x: jvp(vector, (x,), (x,)),
}
BATCHED: dict[str, Callable[[Any], Any]] = {
    "vmap": lambda x: vmap(vector)(x) * 2,
    "vmap of grad": lambda x: vmap(grad(total))(x) + x,
    "jacrev": lambda x: jacrev(vector)(x[0]),
}


@MODES
@pytest.mark.parametrize("name", OUTSIDE)
def test_transforms_inside_of_compiled_functions(name: str, fullgraph: bool) -> None:
    compiled = torch.compile(OUTSIDE[name], fullgraph=fullgraph)
    for i in range(TIMES):
        same(compiled(X + i), OUTSIDE[name](X + i))


@pytest.mark.parametrize("name", BATCHED)
def test_vmap_inside_of_recorded_functions(name: str) -> None:
    compiled = torch.compile(BATCHED[name])
    for i in range(TIMES):
        same(compiled(X + i), BATCHED[name](X + i))


@pytest.mark.parametrize("name", BATCHED)
def test_static_functions_refuse_vmap_with_the_line(name: str) -> None:
    with pytest.raises(RuntimeError, match="test_compiled"):
        torch.compile(BATCHED[name], fullgraph=True)(X)
    same(torch.compile(vector, fullgraph=True)(X), vector(X))  # nothing stays behind


@MODES
def test_modules(fullgraph: bool) -> None:
    torch.manual_seed(0)
    module = torch.nn.Linear(4, 2)
    compiled = torch.compile(module, fullgraph=fullgraph)

    def gradients(net: Any) -> Any:
        parameters = {name: p.detach() for name, p in net.named_parameters()}
        return vmap(grad(lambda p, x: functional_call(net, p, (x,)).square().sum()), (None, 0))(parameters, X)

    for _ in range(TIMES):
        same(gradients(compiled), gradients(module))


def test_an_error_while_arguments_are_taken_up_leaves_no_recording_behind() -> None:
    compiled = torch.compile(vector)
    sizes: list[Any] = []
    vmap(lambda x: sizes.append(compiled(x).shape) or x)(X)
    same(compiled(X), vector(X))
    assert not torch.compiler.is_compiling()
    assert sizes == [(4,)]
