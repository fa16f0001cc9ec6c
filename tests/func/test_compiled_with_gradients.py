"""Transforms inside of compiled functions, over parameters that need gradients themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight as torch
from rushlight.func import functional_call, grad, jacrev, jvp, vmap

torch.manual_seed(0)
MODEL = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
X, Y = torch.randn(5, 3), torch.randn(5, 1)


def _loss(parameters: Any, x: Any, y: Any) -> Any:
    return torch.nn.functional.mse_loss(functional_call(MODEL, parameters, (x[None],)), y[None])


def _per_example(x: Any, y: Any) -> Any:
    found = vmap(grad(_loss), in_dims=(None, 0, 0))(dict(MODEL.named_parameters()), x, y)
    return torch.cat([part.reshape(5, -1) for part in found.values()], 1)


FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "vmap of a module": lambda x, y: vmap(MODEL)(x),
    "vmap of grad by the parameters": _per_example,
    "vmap of grad by the inputs": lambda x, y: vmap(grad(lambda a: MODEL(a).sum()))(x),
    "vmap of jacrev": lambda x, y: vmap(jacrev(MODEL))(x),
    "vmap of jvp": lambda x, y: vmap(lambda a: jvp(MODEL, (a,), (a,))[1])(x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients_are_those_of_eager_mode(name: str) -> None:
    function = FUNCTIONS[name]
    compiled = torch.compile(function, fullgraph=True)
    for _ in range(3):
        gradients = []
        for run in (function, compiled):
            result = run(X, Y)
            assert result.requires_grad
            found = torch.autograd.grad(result.sin().sum(), list(MODEL.parameters()), allow_unused=True)
            gradients.append([result.detach(), *[part for part in found if part is not None]])
        assert len(gradients[0]) == len(gradients[1])
        for expected, part in zip(*gradients, strict=True):
            torch.testing.assert_close(part, expected)


def test_what_vmap_recorded_is_not_differentiated_twice() -> None:
    compiled = torch.compile(FUNCTIONS["vmap of a module"], fullgraph=True)
    with pytest.raises(RuntimeError, match="vmap"):
        torch.autograd.grad(compiled(X, Y).sum(), list(MODEL.parameters()), create_graph=True)


class _Product(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx: Any, x: Any, weight: Any) -> Any:
        ctx.save_for_backward(x, weight)
        assert x.dtype is torch.float32
        return x @ weight.t()

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx: Any, *gradients: Any) -> Any:
        x, weight = ctx.saved_tensors
        return gradients[0] @ weight, gradients[0].t() @ x


@pytest.mark.parametrize("reduced", [False, True])
def test_functions_that_choose_their_precision(reduced: bool) -> None:
    def result(x: Any) -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=reduced):
            return _Product.apply(MODEL[0](x).tanh(), MODEL[0].weight.t()).float()

    compiled = torch.compile(result, fullgraph=True)
    for _ in range(3):
        found = []
        for run in (result, compiled):
            y = run(X)
            found.append([y, *torch.autograd.grad(y.sum(), list(MODEL[0].parameters()))])
        for expected, part in zip(*found, strict=True):
            torch.testing.assert_close(part, expected)
