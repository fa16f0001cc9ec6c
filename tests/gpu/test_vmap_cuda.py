"""``vmap`` and what is built on it with tensors of a CUDA device: what the CPU gives, and there. With the stand-in for CuPy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.func.test_batching_rules import CASES, DRAWS, as_arrays, examples, flat, modes, stacked, tensors_of

import rushlight as torch
from rushlight import func
from rushlight.core.tensor import Tensor
from rushlight.runtime.cuda_operations import HOST_TRIPS

pytestmark = pytest.mark.usefixtures("pretended")
F = torch.nn.functional
CUDA = torch.device("cuda:0")
# Records that a rule calls where the operation itself calls another one, and these have compiled kernels only.
MADE_OF_OTHERS = {"cross_entropy_loss": {"nll_loss"}}
NAMES = sorted({case.values[0] for case in CASES} - DRAWS)


def on_cuda(values: Any) -> list[Any]:
    return [value.cuda() if isinstance(value, Tensor) else value for value in values]


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for key in value for leaf in leaves(value[key])]
    if isinstance(value, tuple | list):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def same(result: Any, expected: Any, rtol: float = 1e-5) -> None:
    for one, other in zip(leaves(result), leaves(expected), strict=True):
        assert one.device == CUDA and one.dtype == other.dtype
        np.testing.assert_allclose(one.cpu().double().numpy(), other.double().numpy(), rtol, 1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_every_rule(name: str) -> None:
    for case in CASES:
        if case.values[0] != name:
            continue
        _, function, operands = case.values
        arrays, run = as_arrays(operands), tensors_of(function)
        low = any([isinstance(a, np.ndarray) and a.dtype == np.float16 for a in arrays])
        for mode in modes(name, arrays):
            given, dims = stacked(arrays, mode)
            expected = func.vmap(run, dims)(*given)
            with CUDA:
                there = on_cuda(given)
                HOST_TRIPS.clear()
                run(*examples(there, dims, 0))
                alone = set(HOST_TRIPS) | MADE_OF_OTHERS.get(name, set())
                result = func.vmap(run, dims)(*there)
            assert set(HOST_TRIPS) <= alone, "a batch goes through the CPU where one example does not"
            for one, other in zip(flat(result), flat(expected), strict=True):
                assert one.device == CUDA and one.dtype == other.dtype
                np.testing.assert_allclose(one.cpu().numpy(), other.numpy(), 2e-3 if low else 1e-5, 1e-8)


def curved(x: Any) -> Any:
    weight = torch.arange(12.0, device=x.device).reshape(3, 4) / 10
    return (x.tanh() @ weight).pow(2)


TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "jacrev": func.jacrev(curved),
    "jacrev in chunks": func.jacrev(curved, chunk_size=2),
    "jacfwd": func.jacfwd(curved),
    "hessian": func.hessian(lambda x: curved(x).sum()),
    "vjp": lambda x: func.vjp(curved, x)[1](torch.ones(4, device=x.device)),
    "jvp": lambda x: func.jvp(curved, (x,), (x * 2,)),
    "linearize": lambda x: func.linearize(curved, x)[1](x),
    "vmap of grad": lambda x: func.vmap(func.grad(lambda a, b: (a * b).sin().sum()))(x, x * 2),
    "grad of vmap": func.grad(lambda x: func.vmap(lambda a: a.exp() * 2)(x).sum()),
    "vmap of vmap": lambda x: func.vmap(func.vmap(lambda a, b: a * b, (None, 0)), (0, None))(x, x),
    "jacobian": lambda x: torch.autograd.functional.jacobian(curved, x),
    "jacobian at once": lambda x: torch.autograd.functional.jacobian(curved, x, vectorize=True),
    "hessian of autograd": lambda x: torch.autograd.functional.hessian(lambda a: curved(a).sum(), x, vectorize=True),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(name: str) -> None:
    x = torch.tensor([0.3, -0.5, 1.2])
    same(TRANSFORMS[name](x.cuda()), TRANSFORMS[name](x))


def test_batched_gradients() -> None:
    x = torch.tensor([0.3, -0.5, 1.2], device="cuda", requires_grad=True)
    (slopes,) = torch.autograd.grad(x.tanh() * 2, x, torch.eye(3, device="cuda"), is_grads_batched=True)
    same(slopes, torch.diag(2 * (1 - x.detach().cpu().tanh() ** 2)))


def test_gradients_for_each_example_of_a_convolutional_net() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(36, 5)
    )  # fmt: skip
    images, labels = torch.randn(4, 1, 8, 8), torch.tensor([1, 0, 4, 2])

    def gradients(where: str) -> Any:
        model = copy.deepcopy(net).to(where)
        state = {name: p.detach() for name, p in model.named_parameters()}

        def loss(state: Any, image: Any, label: Any) -> Any:
            return F.cross_entropy(func.functional_call(model, state, (image[None],)), label[None])

        return func.vmap(func.grad(loss), (None, 0, 0))(state, images.to(where), labels.to(where))

    same(gradients("cuda"), gradients("cpu"), rtol=1e-4)


def test_an_ensemble_of_models() -> None:
    torch.manual_seed(0)
    models = [
        torch.nn.Sequential(
            torch.nn.Linear(3, 8), torch.nn.LayerNorm(8), torch.nn.GELU(), torch.nn.Linear(8, 2)
        )
        for _ in range(3)
    ]
    x = torch.randn(5, 3)

    def outputs(where: str) -> Any:
        here = [copy.deepcopy(model).to(where) for model in models]
        parameters, buffers = func.stack_module_state(here)  # type: ignore[arg-type]

        def call(parameters: Any, buffers: Any, x: Any) -> Any:
            return func.functional_call(here[0], (parameters, buffers), (x,))

        return func.vmap(call, (0, 0, None))(parameters, buffers, x.to(where))

    same(outputs("cuda").detach(), outputs("cpu").detach())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_sixteen_bits(dtype: Any) -> None:
    a, b = torch.randn(3, 2, 4).to(dtype), torch.randn(3, 4, 2).to(dtype)

    def compute(a: Any, b: Any) -> Any:
        columns = torch.stack([a[:, i] for i in range(4)], 1)
        return (a @ b).tanh().sum(0), F.softmax(columns, -1) + a.sort()[0], F.linear(a, b.t())

    same(func.vmap(compute)(a.cuda(), b.cuda()), func.vmap(compute)(a, b), rtol=2e-2)


@pytest.mark.parametrize("fullgraph", [False, True])
def test_inside_of_a_compiled_function(fullgraph: bool) -> None:
    weight = torch.linspace(-1, 1, 12).reshape(3, 4)

    def run(a: Any, b: Any, w: Any) -> Any:
        slopes = func.vmap(func.grad(lambda p, q: (p @ w).tanh().sum() * q.sum()))(a, b)
        return slopes, func.vmap(torch.dot)(a, b).sum(), func.vmap(lambda q: q.sort()[0])(a)

    compiled = torch.compile(run, fullgraph=fullgraph)
    captured = weight.cuda()
    also = torch.compile(lambda a, b: run(a, b, captured), fullgraph=fullgraph)
    for shift in range(3):
        a, b = torch.randn(5, 3) + shift, torch.randn(5, 3)
        HOST_TRIPS.clear()
        same(compiled(a.cuda(), b.cuda(), weight.cuda()), run(a, b, weight))
        same(also(a.cuda(), b.cuda()), run(a, b, weight))
        assert not HOST_TRIPS


def test_draws() -> None:
    x = torch.full((4, 50), 0.5, device="cuda")
    for draw in (
        torch.rand_like,
        torch.randn_like,
        lambda a: F.dropout(a, 0.5),
        lambda a: a + torch.rand(50, device="cuda"),
    ):
        with pytest.raises(RuntimeError, match="randomness error mode"):
            func.vmap(draw)(x)
        torch.manual_seed(1)
        different = func.vmap(draw, randomness="different")(x)
        same_for_all = func.vmap(draw, randomness="same")(x)
        assert different.device == same_for_all.device == CUDA and different.shape == (4, 50)
        assert not torch.equal(different[0], different[1])
        assert torch.equal(same_for_all[0], same_for_all[1])
    for draw in (torch.bernoulli, torch.poisson, torch._standard_gamma, lambda a: torch.normal(a, a)):
        drawn = func.vmap(draw, randomness="different")(x)
        assert drawn.device == CUDA and not torch.equal(drawn[0], drawn[1])
        with pytest.raises(RuntimeError, match="same randomness with a batched tensor"):
            func.vmap(draw, randomness="same")(x)
    orders = func.vmap(lambda a: torch.randperm(9, device="cuda") + 0 * a[:1].long(), randomness="different")(
        x
    )
    assert orders.sort(-1)[0].tolist() == [list(range(9))] * 4


def test_devices_inside() -> None:
    x, weight = torch.randn(4, 3), torch.randn(3, 2)
    assert func.vmap(lambda a: a.cuda() * 2)(x).device == CUDA
    assert func.vmap(lambda a: a.cpu() * 2)(x.cuda()).device.type == "cpu"
    assert func.vmap(lambda a: a.to("cuda:1"))(x.cuda()).device == torch.device("cuda:1")
    same(func.vmap(lambda a: a * torch.tensor(2.0))(x.cuda()), x * 2)
    same(func.vmap(lambda a: a[torch.tensor([2, 0])])(x.cuda()), x[:, [2, 0]])
    for function in (
        lambda a: a @ weight,
        lambda a: a + weight[:, 0],
        lambda a: torch.cat([a, weight[:, 0]]),
    ):
        with pytest.raises(RuntimeError, match="at least two devices, cuda:0 and cpu"):
            func.vmap(function)(x.cuda())
    with pytest.raises(RuntimeError, match="at least two devices"):
        func.vmap(torch.dot)(x.cuda(), x.to("cuda:1"))
    for function in (
        lambda a: a.sum().item(),
        lambda a: bool(a.sum() > 0),
        lambda a: a.cpu().numpy(),
        lambda a: a.tolist(),
    ):
        with pytest.raises(RuntimeError, match="vmap"):
            func.vmap(function)(x.cuda())


def test_no_examples() -> None:
    x = torch.zeros(0, 3, 3, device="cuda")
    for function in (lambda a: a.sum(0), torch.linalg.inv, lambda a: a @ a, lambda a: a[torch.tensor([1])]):
        result = func.vmap(function)(x)
        assert result.device == CUDA and result.shape[0] == 0
