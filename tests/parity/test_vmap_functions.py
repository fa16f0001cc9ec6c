"""``autograd.Function`` under the transforms, and Jacobians that are computed all rows at once, against PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")]


@pytest.fixture(scope="module")
def torch() -> Any:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


def flat(value: Any) -> list[Any]:
    return [leaf for part in value for leaf in flat(part)] if isinstance(value, list | tuple) else [value]


def outcome(program: Callable[[Any], Any], t: Any) -> Any:
    """The arrays that the program gives, or its error."""
    try:
        found = flat(program(t))
    except Exception as error:
        return error
    return [None if x is None else x.detach().numpy() if hasattr(x, "detach") else x for x in found]


def agree(program: Callable[[Any], Any], torch: Any) -> None:
    own, told = outcome(program, rushlight), outcome(program, torch)
    if isinstance(told, Exception):
        assert isinstance(own, Exception), f"PyTorch raises {told!r}"
        assert type(own).__name__ == type(told).__name__, repr(own)
        return
    if isinstance(own, Exception):
        raise own
    assert len(own) == len(told)
    for mine, theirs in zip(own, told, strict=True):
        if theirs is None or not isinstance(theirs, np.ndarray):
            assert mine == theirs
            continue
        assert mine.dtype == theirs.dtype
        np.testing.assert_allclose(mine, theirs, 1e-5, 1e-6)
        assert mine.shape == theirs.shape


# --- autograd.Function ------------------------------------------------------------------------------------------------


def functions(t: Any) -> dict[str, Any]:
    """Squares whose derivatives are not the real ones, so that it shows which method was asked."""

    class Old(t.autograd.Function):  # type: ignore[misc,name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return 3 * x * g

    class New(t.autograd.Function):  # type: ignore[misc,name-defined]
        @staticmethod
        def forward(x: Any) -> Any:
            return x * x

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(inputs[0])
            ctx.save_for_forward(inputs[0])

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return 3 * x * g

    class Generated(New):
        generate_vmap_rule = True

    class Own(New):
        @staticmethod
        def vmap(info: Any, in_dims: Any, x: Any) -> Any:
            assert info.batch_size == x.shape[in_dims[0]]
            return Own.apply(x), in_dims[0]

    class Both(Own):
        generate_vmap_rule = True

    class Forward(Generated):
        @staticmethod
        def jvp(ctx: Any, tangent: Any) -> Any:
            (x,) = ctx.saved_tensors
            return 5 * x * tangent

    class ForwardAlone(t.autograd.Function):  # type: ignore[misc,name-defined]
        generate_vmap_rule = True

        @staticmethod
        def forward(x: Any) -> Any:
            return x * x

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_forward(inputs[0])

        @staticmethod
        def jvp(ctx: Any, tangent: Any) -> Any:
            (x,) = ctx.saved_tensors
            return 7 * x * tangent

    class NoDims(New):
        @staticmethod
        def vmap(info: Any, in_dims: Any, x: Any) -> Any:
            return x * x

    class WrongDims(New):
        @staticmethod
        def vmap(info: Any, in_dims: Any, x: Any) -> Any:
            return x * x, (0, 0)

    class Pair(t.autograd.Function):  # type: ignore[misc,name-defined]
        @staticmethod
        def forward(x: Any, y: Any, k: float) -> Any:
            return x * y * k, x + y

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            x, y, ctx.k = inputs
            ctx.save_for_backward(x, y)
            ctx.save_for_forward(x, y)

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            x, y = ctx.saved_tensors
            return g * y * ctx.k + h, g * x * ctx.k + h, None

        @staticmethod
        def vmap(info: Any, in_dims: Any, x: Any, y: Any, k: float) -> Any:
            assert in_dims[2] is None
            assert info.randomness in ("error", "same")
            x = x.unsqueeze(-1) if in_dims[0] is None else x.movedim(in_dims[0], -1)
            y = y.unsqueeze(-1) if in_dims[1] is None else y.movedim(in_dims[1], -1)
            return Pair.apply(x, y, k), (-1, -1)

        @staticmethod
        def jvp(ctx: Any, x_tangent: Any, y_tangent: Any, _: Any) -> Any:
            x, y = ctx.saved_tensors
            return (x_tangent * y + x * y_tangent) * ctx.k, x_tangent + y_tangent

    kinds = (Old, New, Generated, Own, Both, Forward, ForwardAlone, NoDims, WrongDims, Pair)
    return {kind.__name__: kind for kind in kinds}


def line(t: Any) -> Any:
    return t.tensor([1.0, 2.0, 3.0])


USES: dict[str, Callable[[Any, Any], Any]] = {
    "vmap": lambda t, f: t.vmap(f.apply)(line(t)),
    "vmap of vmap": lambda t, f: t.vmap(t.vmap(f.apply, 1, 1), 0)(t.arange(24.0).reshape(2, 3, 4)),
    "grad": lambda t, f: t.func.grad(lambda x: f.apply(x).sum())(line(t)),
    "vmap of grad": lambda t, f: t.vmap(t.func.grad(lambda x: f.apply(x)))(line(t)),
    "grad of vmap": lambda t, f: t.func.grad(lambda x: t.vmap(f.apply)(x).sum())(line(t)),
    "jacrev": lambda t, f: t.func.jacrev(f.apply)(line(t)),
    "grad of grad": lambda t, f: t.func.grad(t.func.grad(f.apply))(line(t)[1]),
    "jvp": lambda t, f: t.func.jvp(f.apply, (line(t),), (line(t) + 1,)),
    "jacfwd": lambda t, f: t.func.jacfwd(f.apply)(line(t)),
    "vmap of jvp": lambda t, f: t.vmap(lambda x: t.func.jvp(f.apply, (x,), (x + 1,)))(line(t)),
    "grad of jvp": lambda t, f: t.func.grad(lambda x: t.func.jvp(f.apply, (x,), (t.ones(()),))[1])(
        line(t)[1]
    ),
    "backward": lambda t, f: _backward(t, f),
}
# PyTorch asks for setup_context and jvp in every transform. Here Functions with backward alone go through them as well:
# their gradient is differentiated.
GOES_FURTHER = {
    **{
        ("Old", use): "setup_context"
        for use in USES
        if use not in ("vmap", "vmap of vmap", "vmap of grad", "grad of vmap", "vmap of jvp")
    },
    **{
        (kind, use): "jvp"
        for kind in ("New", "Generated", "Own", "Both", "NoDims", "WrongDims")
        for use in ("jvp", "jacfwd", "vmap of jvp", "grad of jvp")
    },
}


def _backward(t: Any, f: Any) -> Any:
    x = line(t).requires_grad_()
    t.vmap(f.apply)(x).sum().backward()
    return x.grad


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    "kind", ["Old", "New", "Generated", "Own", "Both", "Forward", "ForwardAlone", "NoDims", "WrongDims"]
)
def test_functions(kind: str, use: str, torch: Any) -> None:
    program = lambda t: USES[use](t, functions(t)[kind])
    if kind == "ForwardAlone" and use in ("grad of vmap", "backward"):
        # PyTorch trips over an assertion of its own on the way to saying that there is no backward.
        with pytest.raises(NotImplementedError, match="backward or vjp"):
            program(rushlight)
        return
    if (kind, use) not in GOES_FURTHER:
        agree(program, torch)
        return
    with pytest.raises((RuntimeError, NotImplementedError), match=GOES_FURTHER[kind, use] + "|vmap"):
        program(torch)
    try:
        program(rushlight)
    except RuntimeError as error:
        assert "vmap" in str(error)  # refused for its other lack


PAIRS: dict[str, Callable[[Any, Any], Any]] = {
    "both": lambda t, f: t.vmap(lambda a, b: f(a, b, 2.0))(plane(t), plane(t) * 2),
    "the first": lambda t, f: t.vmap(lambda a, b: f(a, b, 2.0), (0, None))(plane(t), t.ones(4)),
    "the second": lambda t, f: t.vmap(lambda a, b: f(a, b, 2.0), (None, -1), 1)(t.ones(3), plane(t)),
    "nested": lambda t, f: t.vmap(t.vmap(lambda a, b: f(a, b, 2.0), (0, None)), (None, 0))(
        plane(t), plane(t)
    ),
    "the same randomness": lambda t, f: t.vmap(lambda a, b: f(a, b, 2.0), randomness="same")(
        plane(t), plane(t)
    ),
    "gradients": lambda t, f: t.vmap(
        t.func.grad(lambda a, b: sum(o.sum() for o in f(a, b, 2.0)), (0, 1)), (0, None)
    )(plane(t), t.ones(4)),
    "gradients of what is shared": lambda t, f: t.func.grad(
        lambda b: sum(o.sin().sum() for o in t.vmap(lambda a: f(a, b, 2.0))(plane(t)))
    )(t.ones(4)),
    "directions": lambda t, f: t.func.jvp(lambda a: f(a, t.ones(4) * 3, 2.0), (t.ones(4),), (plane(t)[0],)),
    "both directions": lambda t, f: t.func.jvp(
        lambda a, b: f(a, b, 2.0), (t.ones(4), plane(t)[1]), (plane(t)[0], t.ones(4))
    ),
}


def plane(t: Any) -> Any:
    return t.arange(12.0).reshape(3, 4) / 5


@pytest.mark.parametrize("use", PAIRS)
def test_functions_of_two(use: str, torch: Any) -> None:
    agree(lambda t: PAIRS[use](t, functions(t)["Pair"].apply), torch)


@pytest.mark.parametrize("kind", ["Forward", "ForwardAlone"])
def test_duals_ask_jvp(kind: str, torch: Any) -> None:
    def program(t: Any) -> Any:
        forward_ad = t.autograd.forward_ad
        with forward_ad.dual_level():
            dual = functions(t)[kind].apply(forward_ad.make_dual(line(t), line(t)))
            return forward_ad.unpack_dual(dual).tangent

    agree(program, torch)


# --- all rows at once -------------------------------------------------------------------------------------------------


def square(t: Any) -> Any:
    return t.tensor([[0.3, 0.7], [1.2, -0.4]])


def several(t: Any) -> Callable[..., Any]:
    return lambda a, b: (a.sin() * b.sum(), (a @ b).sum(1), b * 0 + 1.0)


def batched(t: Any, **options: Any) -> Any:
    a, b = square(t).requires_grad_(), t.ones(2).requires_grad_()
    outputs = (a * b).sin(), (a**2).sum()
    weights = t.arange(12.0).reshape(3, 2, 2), t.arange(3.0)
    return t.autograd.grad(outputs, (a, b), weights, is_grads_batched=True, **options)


def again(t: Any) -> Any:
    a = square(t).requires_grad_()
    (slopes,) = t.autograd.grad(a**3, a, t.ones(3, 2, 2), is_grads_batched=True, create_graph=True)
    return t.autograd.grad(slopes.sum(), a)


def jacobian_again(t: Any) -> Any:
    a = square(t).requires_grad_()
    found = t.autograd.functional.jacobian(lambda a: a**3, a, create_graph=True, vectorize=True)
    return t.autograd.grad(found.sum(), a)


def with_unused(t: Any, **options: Any) -> Any:
    a, b = square(t).requires_grad_(), t.ones(2).requires_grad_()
    return t.autograd.grad(a.sin(), (a, b), t.ones(3, 2, 2), is_grads_batched=True, **options)


VECTORIZED: dict[str, Callable[[Any], Any]] = {
    **{
        f"{name}, {strategy}": lambda t, f=f, strategy=strategy: f(t, strategy)
        for strategy in ("reverse-mode", "forward-mode")
        for name, f in {
            "several": lambda t, s: t.autograd.functional.jacobian(
                several(t), (square(t), square(t) * 2), vectorize=True, strategy=s
            ),
            "one number": lambda t, s: t.autograd.functional.jacobian(
                lambda a: (a**3).sum(), square(t), vectorize=True, strategy=s
            ),
            "independent": lambda t, s: t.autograd.functional.jacobian(
                lambda a: t.ones(3), square(t), vectorize=True, strategy=s
            ),
            "hessian": lambda t, s: t.autograd.functional.hessian(
                lambda a, b: (a**3 * b).sum(),
                (square(t), square(t) * 2),
                vectorize=True,
                outer_jacobian_strategy=s,
            ),
            "convolution": lambda t, s: t.autograd.functional.jacobian(
                lambda a: t.nn.functional.conv2d(a[None, None], t.ones(1, 1, 2, 2) * 0.5).softmax(-1),
                plane(t),
                vectorize=True,
                strategy=s,
            ),
            "with history": lambda t, s: t.autograd.functional.jacobian(
                lambda a: a**2, square(t), vectorize=True, strategy=s, create_graph=True
            ),
        }.items()
    },
    "strict": lambda t: t.autograd.functional.jacobian(lambda a: a, square(t), strict=True, vectorize=True),
    "forward-mode alone": lambda t: t.autograd.functional.jacobian(
        lambda a: a, square(t), strategy="forward-mode"
    ),
    "differentiated again": jacobian_again,
    "batched": batched,
    "batched, with history": lambda t: batched(t, create_graph=True),
    "batched, differentiated again": again,
    "batched, unused": lambda t: with_unused(t, allow_unused=True),
    "batched, unused, refused": with_unused,
    "batched, unused, as zeros": lambda t: with_unused(t, materialize_grads=True),
}


@pytest.mark.parametrize("name", VECTORIZED)
def test_vectorized_derivatives(name: str, torch: Any) -> None:
    agree(VECTORIZED[name], torch)


def test_batched_gradients_run_backward_once() -> None:
    calls = []
    x = rushlight.ones(4, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: calls.append(tuple(g.shape)))
    rushlight.autograd.grad(y * 3, x, rushlight.ones(5, 4), is_grads_batched=True)
    rushlight.autograd.functional.jacobian(lambda x: x.sin(), x.detach(), vectorize=True)
    assert calls == [(4,)]


# --- random numbers ---------------------------------------------------------------------------------------------------


def attended(t: Any, q: Any) -> Any:
    weight = t.ones(18, 6) / 7 + t.arange(18.0)[:, None] / 50
    q = q[:, None]
    return t.nn.functional.multi_head_attention_forward(
        q, q, q, 6, 2, weight, None, None, None, False, 0.5, t.eye(6), None
    )[0]


DRAWS: dict[str, Callable[[Any, Any], Any]] = {
    "normal, a number": lambda t, x: t.normal(x, 1.1),
    "normal, two": lambda t, x: t.normal(x, x + 1),
    "normal, the deviation": lambda t, x: t.normal(2.0, x + 1),
    "normal, the deviation for all": lambda t, x: t.normal(x, t.tensor(1.5)),
    "attention": attended,
    "binomial": lambda t, x: t.binomial(x * 0 + 9, x / 48),
    "gamma": lambda t, x: t._standard_gamma(x + 0.5),
    "uniform in place": lambda t, x: x.clone().uniform_(-1, 2),
}


@pytest.mark.parametrize("how", ["different", "same"])
@pytest.mark.parametrize("name", DRAWS)
def test_draws(name: str, how: str, torch: Any) -> None:
    def program(t: Any) -> Any:
        x = t.arange(48.0).reshape(2, 4, 6)
        t.manual_seed(0)
        return t.vmap(lambda row: DRAWS[name](t, row), randomness=how)(x)

    agree(program, torch)


# --- rearrange --------------------------------------------------------------------------------------------------------

PATTERNS: dict[str, dict[str, Any]] = {
    "a b c -> c b a": {},
    "a b c->(a b) c": {},
    "a (b1 b2) c -> b2 a b1 c": {"b1": 3},
    "a b (c d) -> a (d b) c": {"c": 2},
    "... c -> c ...": {},
    "a ... -> a (...)": {},
    "a ... b -> (a ...) b": {},
    "a b c -> a 1 b () c": {},
    "a b (c 1) -> (c a b)": {},
    "a b c -> a b": {},
    "a b c -> a b c d": {},
    "a b": {},
    "a a b -> a b": {},
    "a b -> b a": {},
    "a (...) -> (...) a": {},
    "a b c -> ... a b c": {},
    "a b c -> b (a c": {},
    "a 2 c -> a c": {},
    "a b c -> b a c": {"d": 3},
    "(a e) b c -> a e b c": {"a": 2.0},
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_rearrange(pattern: str, torch: Any) -> None:
    agree(lambda t: t.func.rearrange(t.arange(24.0).reshape(2, 3, 4), pattern, **PATTERNS[pattern]), torch)


def test_rearrange_of_a_list_and_in_transforms(torch: Any) -> None:
    agree(lambda t: t.func.rearrange([line(t), line(t) * 2], "n a -> a n"), torch)
    agree(lambda t: t.vmap(lambda x: t.func.rearrange(x, "a -> 1 a"))(plane(t)), torch)
    # Splitting under vmap is more than PyTorch does.
    split = rushlight.vmap(lambda x: rushlight.func.rearrange(x, "(a b) -> b a", a=2))(plane(rushlight))
    assert split.equal(plane(rushlight).reshape(3, 2, 2).mT)
    agree(
        lambda t: t.func.grad(lambda x: (t.func.rearrange(x, "a b -> (b a)") * t.arange(12.0)).sum())(
            plane(t)
        ),
        torch,
    )
    # PyTorch has a type of its own for these
    for lengths in ({}, {"c": 3}):
        with pytest.raises(ValueError, match=r"infer|evenly"):
            rushlight.func.rearrange(rushlight.zeros(2, 4), "a (c d) -> a c d", **lengths)
