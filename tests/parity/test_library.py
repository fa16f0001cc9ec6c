"""``torch.library`` and ``torch.ops``: programs that define operators, compared with PyTorch."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

BOTH = pytest.mark.parametrize("package", [rushlight, torch], ids=["rushlight", "torch"])


def _space() -> str:  # PyTorch's registry lasts as long as the process
    return "test_" + uuid.uuid4().hex


def _scaled_sine(package: Any, space: str) -> Any:
    def sine(x, k=1.0):
        return package.from_numpy(np.sin(x.numpy() * k))

    return package.library.custom_op(
        f"{space}::sine", sine, mutates_args=(), schema="(Tensor x, float k=1.0) -> Tensor"
    )


@BOTH
def test_custom_op_with_a_gradient(package: Any) -> None:
    space = _space()
    sine = _scaled_sine(package, space)
    x = package.tensor([0.5, 1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="no autograd formula was registered"):
        sine(x, 2.0).sum().backward()

    def keep(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])
        ctx.k = inputs[1]

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (x * ctx.k).cos() * ctx.k, None

    package.library.register_autograd(f"{space}::sine", backward, setup_context=keep)
    result = getattr(package.ops, space).sine.default(x, 2.0)
    assert type(result.grad_fn).__name__.startswith("GeneratedBackwardFor_" + space)
    result.sum().backward()
    assert x.grad.tolist() == pytest.approx((2 * np.cos(2 * np.array([0.5, 1.0]))).tolist())


@BOTH
def test_lists_and_keywords(package: Any) -> None:
    space = _space()

    def total(parts, *, factor=2.0):
        return package.stack(list(parts)).sum(0) * factor

    op = package.library.custom_op(
        f"{space}::total", total, mutates_args=(), schema="(Tensor[] parts, *, float factor=2.0) -> Tensor"
    )

    def keep(ctx, inputs, keyword_only_inputs, output):
        ctx.count, ctx.factor = len(inputs[0]), keyword_only_inputs["factor"]

    op.register_autograd(lambda ctx, grad: [grad * ctx.factor] * ctx.count, setup_context=keep)
    a, b = package.ones(2, requires_grad=True), package.ones(2, requires_grad=True)
    result = op([a, b], factor=3.0)
    result.sum().backward()
    assert result.tolist() == [6.0, 6.0] and a.grad.tolist() == b.grad.tolist() == [3.0, 3.0]


@BOTH
def test_mutated_argument(package: Any) -> None:
    space = _space()

    def increase(x):
        x.add_(1)

    op = package.library.custom_op(
        f"{space}::increase", increase, mutates_args=("x",), schema="(Tensor(a!) x) -> ()"
    )
    x = package.zeros(2)
    before = x._version
    assert op(x) is None and x.tolist() == [1.0, 1.0] and x._version > before


@BOTH
def test_a_library_of_definitions(package: Any) -> None:
    space = _space()
    library = package.library.Library(space, "DEF")
    assert library.define("foo(Tensor x, int n=3, *, Tensor? y=None) -> Tensor") == "foo"
    operators = getattr(package.ops, space)
    x = package.ones(2, requires_grad=True)
    with pytest.raises(NotImplementedError, match="Could not run"):
        operators.foo(x)

    @package.library.impl(library, "foo", "CompositeImplicitAutograd")
    def foo(x, n=3, *, y=None):
        return x * n if y is None else x * n + y

    assert operators.foo(x).tolist() == [3.0, 3.0]
    assert operators.foo(x, n=5, y=package.ones(2)).tolist() == [6.0, 6.0]
    operators.foo(x).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    for arguments in ((), (x, 1, 2), (7,)):
        with pytest.raises(RuntimeError):
            operators.foo(*arguments)
    with pytest.raises(RuntimeError):
        operators.foo(x, q=1)


@BOTH
def test_what_is_refused(package: Any) -> None:
    space = _space()

    def same(x):
        return x

    returns_its_input = package.library.custom_op(
        f"{space}::same", same, mutates_args=(), schema="(Tensor x) -> Tensor"
    )
    with pytest.raises(RuntimeError, match="must not also be an input"):
        returns_its_input(package.ones(1))
    with pytest.raises(ValueError):
        package.library.custom_op(f"{space}::untyped", lambda x: x, mutates_args=())
    with pytest.raises(ValueError):
        package.library.custom_op("nospace", same, mutates_args=(), schema="(Tensor x) -> Tensor")
    with pytest.raises(AttributeError):
        _ = getattr(package.ops, space).absent
    with pytest.raises(AttributeError):
        _ = package.ops.aten.no_such_operator


@BOTH
def test_fake_results_on_meta(package: Any) -> None:
    space = _space()
    sine = _scaled_sine(package, space)
    with pytest.raises(RuntimeError, match="fake impl"):
        sine(package.ones(2, device="meta"))
    package.library.register_fake(f"{space}::sine")(lambda x, k=1.0: package.empty_like(x))
    assert sine(package.ones(2, 3, device="meta")).shape == (2, 3)


def test_schemas_from_annotations() -> None:
    def made(package: Any) -> Any:
        def f(
            x: package.Tensor, y: package.Tensor | None, n: int, s: Sequence[int], parts: list[package.Tensor],
            fl: float = 2.0, b: bool = True, st: str = "hi", *, k: int | None = None, d: package.dtype = package.float32,
        ) -> tuple[package.Tensor, package.Tensor]: ...  # fmt: skip

        f.__annotations__ = {
            "x": package.Tensor, "y": package.Tensor | None, "n": int, "s": Sequence[int], "parts": list[package.Tensor],
            "fl": float, "b": bool, "st": str, "k": int | None, "d": package.dtype,
            "return": tuple[package.Tensor, package.Tensor],
        }  # fmt: skip
        return f

    for options in (
        {"mutates_args": {"x"}},
        {"mutates_args": "unknown", "op_name": "q"},
        {"mutates_args": ()},
    ):
        ours = rushlight.library.infer_schema(made(rushlight), **options)
        assert ours == torch.library.infer_schema(made(torch), **options)


def test_operators_of_pytorch() -> None:
    x = rushlight.tensor([-1.0, 2.0])
    aten = rushlight.ops.aten
    assert aten.relu.default(x).tolist() == [0.0, 2.0] and aten.add.Tensor(x, x).tolist() == [-2.0, 4.0]
    assert (
        str(aten.add.Tensor) == str(torch.ops.aten.add.Tensor)
        and aten.add.Tensor.name() == "aten::add.Tensor"
    )
    assert aten.linalg_norm(x).item() == pytest.approx(5**0.5)
    assert aten.add.Tensor is aten.add.Tensor and aten.add.Tensor.overloadpacket is aten.add
