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


@MODES
@pytest.mark.parametrize("name", BATCHED)
def test_vmap_inside_of_compiled_functions(name: str, fullgraph: bool) -> None:
    compiled = torch.compile(BATCHED[name], fullgraph=fullgraph)
    for i in range(TIMES):
        same(compiled(X + i), BATCHED[name](X + i))
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


# --- larger programs --------------------------------------------------------------------------------------------------

torch.manual_seed(0)
WEIGHTS = {"w": torch.randn(4, 6), "b": torch.randn(6), "v": torch.randn(6, 2)}
LABELS = torch.tensor([0, 1, 1])
NET = torch.nn.Sequential(
    torch.nn.Linear(4, 6), torch.nn.LayerNorm(6), torch.nn.GELU(), torch.nn.Linear(6, 2)
)
IMAGES = torch.nn.Sequential(
    torch.nn.Conv2d(1, 2, 2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(2, 2)
)
TABLE = torch.nn.Embedding(7, 3)
OF_NET = {name: p.detach() for name, p in NET.named_parameters()}
OF_IMAGES = {name: p.detach() for name, p in IMAGES.named_parameters()}
ENSEMBLE = {name: torch.stack([p * k for k in (1.0, 0.5, 2.0)]) for name, p in OF_NET.items()}


def mlp(p: Any, x: Any) -> Any:
    return (x @ p["w"] + p["b"]).tanh() @ p["v"]


def written(x: Any) -> Any:
    y = torch.zeros_like(x)
    y[0] = x[1]
    y[1:] = x[1:] * 2
    return y.clone().add_(1).mul_(x)


def loss(p: Any, x: Any, label: Any) -> Any:
    return torch.nn.functional.cross_entropy(functional_call(NET, p, (x[None],)), label[None])


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "gradients for each sample": lambda x: vmap(grad(loss), (None, 0, 0))(OF_NET, x, LABELS),
    "of convolutions": lambda x: vmap(
        grad(lambda p, image: functional_call(IMAGES, p, (image[None],)).square().sum()), (None, 0)
    )(OF_IMAGES, x.reshape(3, 1, 2, 2)),
    "an ensemble": lambda x: vmap(lambda p, x: functional_call(NET, p, (x,)), (0, None))(ENSEMBLE, x),
    "jacrev": lambda x: jacrev(lambda x: mlp(WEIGHTS, x))(x[0]),
    "jacfwd": lambda x: jacfwd(lambda x: mlp(WEIGHTS, x))(x[0]),
    "hessian": lambda x: torch.func.hessian(lambda x: mlp(WEIGHTS, x).sum())(x[0]),
    "hessian by the weights": lambda x: torch.func.hessian(lambda p: mlp(p, x).square().sum())(WEIGHTS),
    "jacobians of a batch": lambda x: vmap(jacrev(lambda x: mlp(WEIGHTS, x)))(x),
    "divergence": lambda x: vmap(lambda x: torch.trace(jacrev(lambda y: (y @ torch.ones(4, 4)).tanh())(x)))(
        x
    ),
    "in_dims and out_dims": lambda x: vmap(lambda a, b: a * b, (1, 0), 1)(x, x.t()),
    "levels": lambda x: vmap(lambda a: vmap(lambda b: b * a.sum())(a))(x),
    "views": lambda x: vmap(lambda a: (a[1:], a.view(2, 2).t(), a.flip(0), torch.cat([a, a])))(x),
    "reductions": lambda x: vmap(lambda a: (a.std(), a.norm(), a.softmax(0), a.cumsum(0), a.sort()[0]))(x),
    "in place": lambda x: vmap(written)(x),
    "reading at indices": lambda x: vmap(lambda a, i: a[i])(x, LABELS),
    "embedding": lambda x: vmap(TABLE)(x[:, :2].abs().long()).detach() + x[0, 0],
    "different random numbers": lambda x: vmap(lambda a: a + torch.rand(4), randomness="different")(x),
    "the same random numbers": lambda x: vmap(lambda a: a + torch.rand(4), randomness="same")(x),
    "solving": lambda x: vmap(lambda a: torch.linalg.inv(a.view(2, 2) + 9 * torch.eye(2)))(x),
    "attention": lambda x: vmap(lambda a: torch.nn.functional.scaled_dot_product_attention(a, a, a))(
        x.reshape(3, 1, 2, 2)
    ),
    "spectra": lambda x: vmap(lambda a: torch.fft.fft(a).abs())(x),
}


@pytest.mark.parametrize("options", [{"options": {"replay": False}}, {}, {"fullgraph": True}], ids=str)
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_with_transforms(name: str, options: dict[str, Any]) -> None:
    compiled = torch.compile(PROGRAMS[name], **options)
    for i in range(TIMES + 2):
        x = X + i / 5
        torch.manual_seed(i)
        expected = PROGRAMS[name](x)
        torch.manual_seed(i)
        for a, b in zip(flat(compiled(x)), flat(expected), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"fullgraph": True}], ids=str)
def test_forward_mode_inside(options: dict[str, Any]) -> None:
    import rushlight.autograd.forward_ad as forward_ad

    def product(x: Any, tangent: Any) -> Any:
        with forward_ad.dual_level():
            return forward_ad.unpack_dual(mlp(WEIGHTS, forward_ad.make_dual(x, tangent))).tangent

    compiled = torch.compile(product, **options)
    for i in range(TIMES + 2):
        same(compiled(X + i, X), product(X + i, X))
