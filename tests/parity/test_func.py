"""``func``, ``vmap`` and ``forward_ad`` against PyTorch: values, nesting, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight

pytestmark = [
    pytest.mark.parity,
    # PyTorch's own forward mode loads decompositions by what it has deprecated itself.
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr Node:UserWarning"),  # its linearize
]


@pytest.fixture(scope="module")
def torch() -> Any:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


def flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for key in value for leaf in flat(value[key])]
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in flat(part)]
    return [value]


def compare(program: Callable[[Any], Any], torch: Any) -> None:
    """The program, given either library as ``t``, gives the same."""
    own, told = flat(program(rushlight)), flat(program(torch))
    assert len(own) == len(told)
    for mine, theirs in zip(own, told, strict=True):
        if not isinstance(theirs, torch.Tensor):
            assert mine == theirs
            continue
        assert str(mine.dtype) == str(theirs.dtype)
        assert tuple(mine.shape) == tuple(theirs.shape)
        assert mine.requires_grad == theirs.requires_grad
        np.testing.assert_allclose(
            mine.detach().numpy(), theirs.detach().numpy(), rtol=1e-5, atol=1e-5, equal_nan=True
        )


def point(t: Any) -> Any:
    return t.tensor([1.0, 2.0, 3.0])


def rows(t: Any) -> Any:
    return t.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 2.0]])


def scalar_of(x: Any) -> Any:
    return (x.sin() * x.sum()).sum()


def vector_of(x: Any) -> Any:
    return x.sin() * x.sum()


def pair_of(x: Any) -> Any:
    return x * 2, {"square": x * x}


def in_place(x: Any) -> Any:
    y = x.clone()
    y[0] = x[1] * x[2]
    y.mul_(x)
    return y.sum()


def with_no_grad(t: Any, x: Any) -> Any:
    with t.no_grad():
        c = x * x
    return (x - c).sum()


def changed_in_place(t: Any, x: Any) -> Any:
    return t.vmap(lambda example: example.add_(1))(x), x


def batched_gradients(t: Any, x: Any) -> Any:
    return t.autograd.grad(vector_of(x), x, t.eye(3), is_grads_batched=True)


def outside_weight(t: Any, transform: Callable[[Any], Any]) -> Any:
    w = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
    result = transform(w)
    result.sum().backward()
    return w.grad, result.detach()


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "grad": lambda t: t.func.grad(scalar_of)(point(t)),
    "grad of two": lambda t: t.func.grad(lambda a, b: (a * b.exp()).sum(), argnums=(0, 1))(
        point(t), point(t)
    ),
    "grad by the last": lambda t: t.func.grad(lambda a, b: (a * b.exp()).sum(), argnums=-1)(
        point(t), point(t)
    ),
    "grad of a dict": lambda t: t.func.grad(lambda d: (d["a"] * d["b"][0]).sum())(
        {"a": point(t), "b": [point(t)], "unused": point(t)}
    ),
    "grad with aux": lambda t: t.func.grad(lambda x: (scalar_of(x), {"twice": x * 2}), has_aux=True)(
        point(t)
    ),
    "grad_and_value": lambda t: t.func.grad_and_value(scalar_of)(point(t)),
    "grad_and_value with aux": lambda t: t.func.grad_and_value(
        lambda x: (scalar_of(x), x.cos()), has_aux=True
    )(point(t)),
    "grad of grad of grad": lambda t: t.func.grad(t.func.grad(t.func.grad(lambda x: x**5)))(t.tensor(2.0)),
    "grad through in-place": lambda t: t.func.grad(in_place)(point(t)),
    "grad respects no_grad inside": lambda t: t.func.grad(lambda x: with_no_grad(t, x))(point(t)),
    "grad of a constant": lambda t: t.func.grad(lambda x: t.tensor(1.0))(point(t)),
    "grad of complex": lambda t: t.func.grad(lambda z: z.abs().sum())(t.tensor([1 + 2j, 3 - 1j])),
    # perturbation confusion: each level differentiates by its own argument only
    "confusion: x d/dy (x + y)": lambda t: t.func.grad(
        lambda x: x * t.func.grad(lambda y: x + y)(t.tensor(1.0))
    )(t.tensor(1.0)),
    "confusion: x d/dy (x y)": lambda t: t.func.grad(
        lambda x: x * t.func.grad(lambda y: x * y)(t.tensor(2.0))
    )(t.tensor(3.0)),
    "confusion: same point": lambda t: t.func.grad(lambda x: t.func.grad(lambda y: y.sin() * x)(x) * x)(
        t.tensor(2.0)
    ),
    "confusion: jvp": lambda t: t.func.jvp(
        lambda x: x * t.func.jvp(lambda y: x + y, (t.tensor(1.0),), (t.tensor(1.0),))[1],
        (t.tensor(1.0),),
        (t.tensor(1.0),),
    ),
    "confusion: jvp of grad": lambda t: t.func.jvp(
        lambda x: t.func.grad(lambda y: x * x * y * y)(x), (t.tensor(3.0),), (t.tensor(1.0),)
    ),
    "vjp": lambda t: t.func.vjp(vector_of, point(t))[1](point(t)),
    "vjp of a structure": lambda t: t.func.vjp(pair_of, point(t))[1]((point(t), {"square": point(t)})),
    "vjp outputs": lambda t: t.func.vjp(pair_of, point(t))[0],
    "vjp with aux": lambda t: t.func.vjp(lambda x: (x * 2, x.sum()), point(t), has_aux=True)[2],
    "vjp of vjp": lambda t: t.func.vjp(lambda v: t.func.vjp(vector_of, point(t))[1](v)[0], point(t))[1](
        point(t)
    ),
    "jvp": lambda t: t.func.jvp(vector_of, (point(t),), (point(t),)),
    "jvp of a structure": lambda t: t.func.jvp(
        lambda a, d: {"p": a * d["x"], "q": [a.sum()]},
        (point(t), {"x": point(t)}),
        (point(t), {"x": point(t) * 2}),
    ),
    "jvp with aux": lambda t: t.func.jvp(
        lambda x: (x.exp(), x.sum()), (point(t),), (point(t),), has_aux=True
    ),
    "jvp of a constant": lambda t: t.func.jvp(lambda x: t.ones(2), (point(t),), (point(t),)),
    "jvp of jvp": lambda t: t.func.jvp(
        lambda x: t.func.jvp(t.sin, (x,), (t.ones(3),))[1], (point(t),), (point(t),)
    ),
    "grad of jvp": lambda t: t.func.grad(lambda x: t.func.jvp(vector_of, (x,), (x * 2,))[1].sum())(point(t)),
    "linearize": lambda t: t.func.linearize(vector_of, point(t))[1](point(t)),
    "jacrev": lambda t: t.func.jacrev(vector_of)(point(t)),
    "jacfwd": lambda t: t.func.jacfwd(vector_of)(point(t)),
    "jacrev in chunks": lambda t: t.func.jacrev(vector_of, chunk_size=2)(point(t)),
    "jacrev of a structure": lambda t: t.func.jacrev(pair_of)(point(t)),
    "jacfwd of a structure": lambda t: t.func.jacfwd(pair_of)(point(t)),
    "jacrev of two": lambda t: t.func.jacrev(lambda a, b: (a * b.sum(), a[0] * b), argnums=(0, 1))(
        point(t), rows(t)
    ),
    "jacfwd of two": lambda t: t.func.jacfwd(lambda a, b: (a * b.sum(), a[0] * b), argnums=(0, 1))(
        point(t), rows(t)
    ),
    "jacrev with aux": lambda t: t.func.jacrev(lambda x: (vector_of(x), x.sum()), has_aux=True)(point(t)),
    "jacfwd with aux": lambda t: t.func.jacfwd(lambda x: (vector_of(x), x.sum()), has_aux=True)(point(t)),
    "hessian": lambda t: t.func.hessian(scalar_of)(point(t)),
    "jacrev of jacrev": lambda t: t.func.jacrev(t.func.jacrev(scalar_of))(point(t)),
    "jacrev of jacfwd": lambda t: t.func.jacrev(t.func.jacfwd(scalar_of))(point(t)),
    "jacfwd of jacfwd": lambda t: t.func.jacfwd(t.func.jacfwd(scalar_of))(point(t)),
    "hessian of a matrix function": lambda t: t.func.hessian(lambda m: (m @ m.T).exp().sum() * 1e-3)(
        rows(t) * 0.3
    ),
    "vmap": lambda t: t.vmap(vector_of)(rows(t)),
    "vmap along 1": lambda t: t.vmap(lambda x: x.cumsum(0), in_dims=1, out_dims=1)(rows(t)),
    "vmap of structures": lambda t: t.vmap(
        lambda d, y: {"s": d["x"] + y, "l": [y * 2]}, in_dims=({"x": 0}, None)
    )({"x": rows(t)}, point(t)),
    "vmap with out_dims": lambda t: t.vmap(lambda x: (x, x.sum(), x[None]), out_dims=(1, 0, -1))(rows(t)),
    "vmap out_dims None": lambda t: t.vmap(lambda x: (x, t.ones(2)), out_dims=(0, None))(rows(t)),
    "vmap of an unbatched result": lambda t: t.vmap(lambda x: t.ones(2))(rows(t)),
    "vmap with keywords": lambda t: t.vmap(lambda x, y=None: x + y)(rows(t), y=point(t)),
    "vmap in chunks": lambda t: t.vmap(vector_of, chunk_size=1)(rows(t)),
    "vmap in uneven chunks": lambda t: t.vmap(lambda x: x * 2, out_dims=-1, chunk_size=2)(t.eye(5)),
    "vmap of vmap": lambda t: t.vmap(t.vmap(lambda a, b: a * b - b, (None, 0)), (0, None))(
        point(t), point(t)
    ),
    "vmap of vmap with weights of both": lambda t: t.vmap(
        lambda r: t.vmap(lambda a: (a * r).sum() + a)(r), in_dims=1
    )(rows(t)),
    "vmap of grad": lambda t: t.vmap(t.func.grad(scalar_of))(rows(t)),
    "vmap of hessian": lambda t: t.vmap(t.func.hessian(scalar_of))(rows(t)),
    "vmap of jacfwd": lambda t: t.vmap(t.func.jacfwd(vector_of))(rows(t)),
    "vmap of jvp": lambda t: t.vmap(lambda x, v: t.func.jvp(vector_of, (x,), (v,))[1])(rows(t), rows(t)),
    "vmap over tangents": lambda t: t.vmap(lambda v: t.func.jvp(vector_of, (point(t),), (v,))[1])(rows(t)),
    "vmap over cotangents": lambda t: t.vmap(t.func.vjp(vector_of, point(t))[1])(rows(t)),
    "per-example gradient of what is shared": lambda t: t.vmap(
        t.func.grad(lambda w, x: (w * x).sin().sum()), (None, 0)
    )(point(t), rows(t)),
    "grad of vmap": lambda t: t.func.grad(lambda x: t.vmap(vector_of)(x).prod())(rows(t) * 0.3),
    "grad of vmap by what is shared": lambda t: t.func.grad(
        lambda w: t.vmap(lambda x: (x * w).exp().sum())(rows(t)).sum()
    )(point(t)),
    "grad of vmap of grad": lambda t: t.func.grad(
        lambda w: t.vmap(t.func.grad(lambda x: (x * x * w).sum()))(rows(t)).sum()
    )(point(t)),
    "jacrev of vmap": lambda t: t.func.jacrev(lambda w: t.vmap(lambda x: (x * w).sin())(rows(t)))(point(t)),
    "hessian of vmap": lambda t: t.func.hessian(
        lambda w: t.vmap(lambda x: (x * w).sin().sum())(rows(t)).sum()
    )(point(t)),
    "in-place in vmap": lambda t: t.vmap(lambda x: t.zeros_like(x).add_(x).mul_(2))(rows(t)),
    "item assignment in vmap": lambda t: t.vmap(in_place)(rows(t)),
    "indices in vmap": lambda t: t.vmap(lambda x, i: (x[i], x[i.unsqueeze(0)], x.gather(0, i[None])))(
        rows(t), t.tensor([2, 0])
    ),
    "indices into what is shared": lambda t: t.vmap(lambda i: rows(t)[:, i])(t.tensor([2, 0, 1])),
    "in-place on the batched argument": lambda t: changed_in_place(t, rows(t)),
    "promotion in vmap": lambda t: t.vmap(lambda x, y: (x + y, x * 2.5, (x + y).dtype.is_floating_point * x))(
        t.tensor([1, 2]), t.tensor([1.5, 2.5])
    ),
    "backward through vmap": lambda t: outside_weight(
        t, lambda w: t.vmap(lambda x: (x * w).exp().sum())(rows(t) * 0.1)
    ),
    "backward through grad": lambda t: outside_weight(
        t, lambda w: t.func.grad(lambda x: (x * x * w).sum())(point(t))
    ),
    "backward through jvp": lambda t: outside_weight(
        t, lambda w: t.func.jvp(lambda x: x * x * w, (point(t),), (point(t),))[1]
    ),
    "backward through jacfwd": lambda t: outside_weight(
        t, lambda w: t.func.jacfwd(lambda x: x * x * w)(point(t))
    ),
    "backward through per-example gradients": lambda t: outside_weight(
        t, lambda w: t.vmap(t.func.grad(lambda x: ((x * w) ** 3).sum()))(rows(t))
    ),
    "functionalize": lambda t: t.func.functionalize(in_place)(point(t)),
    "is_grads_batched": lambda t: batched_gradients(t, point(t).requires_grad_()),
    "jacobian, vectorized": lambda t: t.autograd.functional.jacobian(vector_of, point(t), vectorize=True),
    "jacobian, forward": lambda t: t.autograd.functional.jacobian(
        vector_of, point(t), vectorize=True, strategy="forward-mode"
    ),
    "hessian, forward over reverse": lambda t: t.autograd.functional.hessian(
        scalar_of, point(t), vectorize=True, outer_jacobian_strategy="forward-mode"
    ).detach(),  # PyTorch's keeps a history of the inside here, which nothing asked for
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_values(name: str, torch: Any) -> None:
    compare(PROGRAMS[name], torch)


def dual(t: Any, program: Callable[[Any], Any]) -> Any:
    from importlib import import_module

    with import_module(f"{t.__name__}.autograd.forward_ad").dual_level():
        return program(import_module(f"{t.__name__}.autograd.forward_ad"))


DUALS: dict[str, Callable[[Any], Any]] = {
    "product": lambda t: dual(
        t, lambda f: f.unpack_dual(f.make_dual(point(t), t.ones(3)) * point(t)).tangent.detach()
    ),
    "several": lambda t: dual(
        t,
        lambda f: f.unpack_dual(
            vector_of(f.make_dual(point(t), t.ones(3)) * f.make_dual(point(t), point(t)))
        ).tangent.detach(),
    ),
    "itself": lambda t: dual(t, lambda f: f.unpack_dual(f.make_dual(point(t), t.ones(3))).tangent),
    "independent": lambda t: dual(t, lambda f: f.unpack_dual(point(t)).tangent),
    "outside": lambda t: (
        __import__(f"{t.__name__}.autograd.forward_ad", fromlist=["x"]).unpack_dual(point(t)).tangent
    ),
}


@pytest.mark.parametrize("name", DUALS)
def test_duals(name: str, torch: Any) -> None:
    own, told = DUALS[name](rushlight), DUALS[name](torch)
    if told is None:
        assert own is None
    else:
        np.testing.assert_allclose(own.numpy(), told.numpy(), rtol=1e-5)


# --- random numbers ---------------------------------------------------------------------------------------------------

RANDOM: dict[str, Callable[[Any], Any]] = {
    "different": lambda t: t.vmap(lambda x: t.randn(2) + x, randomness="different")(t.zeros(3)),
    "same": lambda t: t.vmap(lambda x: t.randn(2) + x, randomness="same")(t.zeros(3)),
    "dropout, different": lambda t: t.vmap(t.nn.functional.dropout, randomness="different")(t.ones(3, 4)),
    "dropout, same": lambda t: t.vmap(t.nn.functional.dropout, randomness="same")(t.ones(3, 4)),
    "bernoulli": lambda t: t.vmap(t.bernoulli, randomness="different")(t.full((3, 4), 0.5)),
    "randint": lambda t: t.vmap(lambda x: t.randint(0, 9, (4,)), randomness="different")(t.zeros(3)),
    "nested": lambda t: t.vmap(
        t.vmap(lambda x: t.rand(2) + x, randomness="different"), randomness="different"
    )(t.zeros(2, 3)),
}


@pytest.mark.parametrize("name", RANDOM)
def test_random_numbers(name: str, torch: Any) -> None:
    def program(t: Any) -> Any:
        t.manual_seed(7)
        return RANDOM[name](t), t.rand(2)  # the generator is left in the same state

    compare(program, torch)


# --- modules ----------------------------------------------------------------------------------------------------------

MODULES: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "linear": (lambda t: t.nn.Sequential(t.nn.Linear(4, 3), t.nn.Tanh(), t.nn.Linear(3, 2)), (4,)),
    "convolution": (
        lambda t: t.nn.Sequential(
            t.nn.Conv2d(1, 2, 3), t.nn.ReLU(), t.nn.MaxPool2d(2), t.nn.Flatten(), t.nn.Linear(8, 2)
        ),
        (1, 1, 6, 6),
    ),
    "average pooling": (
        lambda t: t.nn.Sequential(t.nn.Conv1d(2, 2, 2, padding=1), t.nn.AvgPool1d(2)),
        (1, 2, 6),
    ),
    "layer norm": (lambda t: t.nn.Sequential(t.nn.Linear(4, 4), t.nn.LayerNorm(4), t.nn.GELU()), (4,)),
    "group norm": (lambda t: t.nn.GroupNorm(2, 4), (1, 4, 3)),
    "batch norm": (lambda t: t.nn.BatchNorm1d(4).eval(), (2, 4)),
    "recurrent": (lambda t: t.nn.Sequential(t.nn.Linear(3, 3), t.nn.PReLU(), t.nn.Softmax(-1)), (2, 3)),
}


@pytest.mark.parametrize("name", MODULES)
def test_per_example_gradients(name: str, torch: Any) -> None:
    make, shape = MODULES[name]
    torch.manual_seed(0)
    theirs = make(torch)
    mine = make(rushlight)
    mine.load_state_dict({k: rushlight.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    data = np.random.default_rng(0).standard_normal((3, *shape)).astype(np.float32)

    def gradients(t: Any, net: Any) -> dict[str, Any]:
        parameters = {k: v.detach() for k, v in net.named_parameters()}
        buffers = dict(net.named_buffers())

        def loss(p: Any, x: Any) -> Any:
            return t.func.functional_call(net, (p, buffers), (x,)).square().sum()

        return dict(t.vmap(t.func.grad(loss), (None, 0))(parameters, t.tensor(data)))

    own, told = gradients(rushlight, mine), gradients(torch, theirs)
    assert list(own) == list(told)
    for key in told:
        np.testing.assert_allclose(own[key].numpy(), told[key].numpy(), rtol=2e-5, atol=2e-5, err_msg=key)


def test_an_ensemble(torch: Any) -> None:
    def program(t: Any) -> Any:
        t.manual_seed(3)
        models = [t.nn.Linear(3, 2) for _ in range(4)]
        parameters, buffers = t.func.stack_module_state(models)
        base = models[0]

        def call(p: Any, b: Any, x: Any) -> Any:
            return t.func.functional_call(base, (p, b), (x,))

        return t.vmap(call, (0, 0, None))(parameters, buffers, rows(t)).detach()

    compare(program, torch)


# --- errors -----------------------------------------------------------------------------------------------------------

ERRORS: dict[str, Callable[[Any], Any]] = {
    "vmap of a number": lambda t: t.vmap(lambda x: x)(1),
    "vmap of nothing": lambda t: t.vmap(lambda x: x)(),
    "vmap returning a number": lambda t: t.vmap(lambda x: 1)(point(t)),
    "vmap sizes": lambda t: t.vmap(lambda x, y: x)(point(t), t.ones(2)),
    "in_dims too large": lambda t: t.vmap(lambda x: x, in_dims=2)(point(t)),
    "in_dims of another structure": lambda t: t.vmap(lambda x: x, in_dims=(0, 0))(point(t)),
    "in_dims None": lambda t: t.vmap(lambda x: x, in_dims=None)(point(t)),
    "in_dims all None": lambda t: t.vmap(lambda x: x, in_dims=(None,))(point(t)),
    "in_dims a string": lambda t: t.vmap(lambda x: x, in_dims=("a",))(point(t)),
    "out_dims too large": lambda t: t.vmap(lambda x: x, out_dims=1)(point(t)),
    "out_dims of another structure": lambda t: t.vmap(lambda x: x, out_dims=(0, 0))(point(t)),
    "out_dims None, batched": lambda t: t.vmap(lambda x: x, out_dims=None)(point(t)),
    "randomness": lambda t: t.vmap(lambda x: x, randomness="x")(point(t)),
    "random by default": lambda t: t.vmap(lambda x: t.rand(2))(point(t)),
    "random in jacfwd": lambda t: t.func.jacfwd(lambda x: x * t.rand(3))(point(t)),
    "chunk_size": lambda t: t.vmap(lambda x: x, chunk_size=0)(point(t)),
    "item": lambda t: t.vmap(lambda x: x.item())(point(t)),
    "control flow": lambda t: t.vmap(lambda x: x if x > 0 else -x)(point(t)),
    "nonzero": lambda t: t.vmap(t.nonzero)(rows(t)),
    "a mask as an index": lambda t: t.vmap(lambda x: x[x > 0])(rows(t)),
    "numpy": lambda t: t.vmap(lambda x: x.numpy())(rows(t)),
    "tolist": lambda t: t.vmap(lambda x: x.tolist())(rows(t)),
    "in-place into what is shared": lambda t: t.vmap(lambda x: t.zeros(3).add_(x))(rows(t)),
    "grad of a vector": lambda t: t.func.grad(lambda x: x)(point(t)),
    "grad returning a number": lambda t: t.func.grad(lambda x: 1)(point(t)),
    "grad argnums": lambda t: t.func.grad(scalar_of, argnums=(0, 1))(point(t)),
    "grad argnums of another type": lambda t: t.func.grad(scalar_of, argnums=1.0)(point(t)),  # type: ignore[arg-type]
    "grad argnums twice": lambda t: t.func.grad(scalar_of, argnums=(0, 0))(point(t)),
    "grad of whole numbers": lambda t: t.func.grad(lambda x: x.sum())(t.ones(3, dtype=t.int64)),
    "grad without aux": lambda t: t.func.grad(scalar_of, has_aux=True)(point(t)),
    "grad in-place on the argument": lambda t: t.func.grad(lambda x: x.mul_(2).sum())(point(t)),
    "vjp cotangent's shape": lambda t: t.func.vjp(scalar_of, point(t))[1](t.ones(2)),
    "vjp cotangents' structure": lambda t: t.func.vjp(scalar_of, point(t))[1]((t.ones(()),)),
    "vjp without cotangents": lambda t: t.func.vjp(scalar_of, point(t))[1](),
    "vjp returning a number": lambda t: t.func.vjp(lambda x: 1, point(t)),
    "jvp primals": lambda t: t.func.jvp(vector_of, point(t), point(t)),
    "jvp shapes": lambda t: t.func.jvp(vector_of, (point(t),), (t.ones(2),)),
    "jvp structures": lambda t: t.func.jvp(vector_of, (point(t),), (point(t), point(t))),
    "jvp of nothing": lambda t: t.func.jvp(vector_of, (), ()),
    "jvp returning a number": lambda t: t.func.jvp(lambda x: 1, (point(t),), (point(t),)),
    "jvp strict": lambda t: t.func.jvp(lambda x: t.ones(2), (point(t),), (point(t),), strict=True),
    "jacrev returning a number": lambda t: t.func.jacrev(lambda x: 1)(point(t)),
    "jacrev of a number": lambda t: t.func.jacrev(lambda x: x)(1),
    "jacrev chunk_size": lambda t: t.func.jacrev(vector_of, chunk_size=0),
    "jacfwd returning a number": lambda t: t.func.jacfwd(lambda x: 1)(point(t)),
    "jacfwd of a number": lambda t: t.func.jacfwd(lambda x: x)(1),
    "linearize shapes": lambda t: t.func.linearize(vector_of, point(t))[1](t.ones(2)),
    "dual outside of a level": lambda t: __import__(
        f"{t.__name__}.autograd.forward_ad", fromlist=["x"]
    ).make_dual(point(t), point(t)),
    "dual shapes": lambda t: dual(t, lambda f: f.make_dual(point(t), t.ones(2))),
    "dual of whole numbers": lambda t: dual(t, lambda f: f.make_dual(t.ones(3, dtype=t.int64), t.ones(3))),
    "dual of a dual": lambda t: dual(t, lambda f: f.make_dual(f.make_dual(point(t), point(t)), point(t))),
    "levels do not nest": lambda t: dual(t, lambda f: f.enter_dual_level()),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str, torch: Any) -> None:
    with pytest.raises(Exception) as told:
        ERRORS[name](torch)
    with pytest.raises(Exception) as own:
        ERRORS[name](rushlight)
    assert own.type is told.type, (own.value, told.value)
