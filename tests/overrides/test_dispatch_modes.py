"""``TorchDispatchMode``: a handler that is asked for every operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight
from rushlight.overrides import TorchFunctionMode
from rushlight.utils._python_dispatch import (
    TorchDispatchMode,
    _disable_current_modes,
    _get_current_dispatch_mode,
    return_and_correct_aliasing,
)
from rushlight.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts


class Names(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.found.append(str(func))
        return func(*args, **(kwargs or {}))


def _names_in(library: Any, program: Callable[[Any], Any]) -> list[str]:
    """The operations of a program, less what PyTorch does besides (detach) and calls for no memory's sake."""
    if library is rushlight:
        mode: Any = Names()
    else:
        from torch.utils._python_dispatch import TorchDispatchMode as Theirs

        class Other(Theirs):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.found: list[str] = []

            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                self.found.append(str(func))
                return func(*args, **(kwargs or {}))

        mode = Other()
    with mode:
        program(library)
    return [
        name.removeprefix("aten.").replace("_unsafe_view", "view")
        for name in mode.found
        if name not in ("aten.detach.default", "aten.lift_fresh.default", "aten.tensor.default")
    ]


def _model(t: Any) -> Any:
    return t.nn.Sequential(t.nn.Linear(3, 4), t.nn.ReLU(), t.nn.Linear(4, 2))


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "layers": lambda t: t.nn.functional.linear(t.randn(5, 3), t.randn(4, 3), t.randn(4)).relu(),
    "layers without bias": lambda t: t.nn.functional.linear(t.randn(2, 5, 3), t.randn(4, 3)),
    "operators": lambda t: ((t.ones(3) * 2 + 1) / 3 - t.ones(3)) ** 2 > 0,
    "products": lambda t: (t.randn(2, 3, 4) @ t.randn(2, 4, 3), t.randn(2, 3) @ t.randn(3, 2)),
    "products of vectors": lambda t: (t.randn(3) @ t.randn(3), t.randn(2, 3) @ t.randn(3)),
    "numbers on the left": lambda t: [
        (2 + x, 2 - x, 2 * x, 2 / x, 2 // x, 2 % x, 2**x) for x in (t.ones(3), t.tensor([1, 2]))
    ],
    "bits": lambda t: [
        (x & 1, x | 1, x ^ 1, x << 1, x >> 1, 2 << x, 2 >> x, x & x, x << x) for x in [t.tensor([1, 2])]
    ],
    "powers in place": lambda t: (t.ones(3).pow_(2), t.ones(3).pow_(t.ones(3))),
    "layers of images": lambda t: t.nn.functional.gelu(
        t.nn.functional.conv2d(t.randn(1, 3, 5, 5), t.randn(2, 3, 3, 3))
    ),
    "in place": lambda t: t.zeros(3).add_(1).mul_(2).relu_(),
    "parts": lambda t: t.cat([t.ones(2, 2), t.ones(2, 2)]).transpose(0, 1).sum(1).max().item(),
    "statistics": lambda t: (t.randn(3, 3).mean(1), t.randn(3).sum(), t.softmax(t.randn(3), 0)),
}


@pytest.mark.parity
@pytest.mark.parametrize("name", PROGRAMS)
def test_operations_have_pytorchs_names(name: str) -> None:
    torch = pytest.importorskip("torch")

    expected, found = [_names_in(library, PROGRAMS[name]) for library in (torch, rushlight)]
    assert found == expected


@pytest.mark.parity
def test_products_of_backward_are_asked_too() -> None:
    torch = pytest.importorskip("torch")
    counted = []
    for library in (torch, rushlight):
        loss = _model(library)(library.randn(5, 3, requires_grad=True)).sum()
        counted.append(_names_in(library, lambda t, loss=loss: loss.backward()).count("mm.default"))
    assert counted == [4, 4]


def test_operations_are_those_of_torch_ops_and_can_be_exchanged() -> None:
    aten = rushlight.ops.aten  # type: ignore[attr-defined]

    class Doubling(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is aten.mm.default:
                return func(*args) * 2
            if func is aten.add.Tensor:
                return aten.sub.Tensor(*args)
            return func(*args, **(kwargs or {}))

    x = rushlight.eye(2)
    with Doubling():
        assert rushlight.mm(x, x).tolist() == [[2.0, 0.0], [0.0, 2.0]]
        assert (x + x).tolist() == [[0.0, 0.0], [0.0, 0.0]]
        with _disable_current_modes():
            assert (x + x).tolist() == [[2.0, 0.0], [0.0, 2.0]]
    assert (x + x).tolist() == [[2.0, 0.0], [0.0, 2.0]]


@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "//", "%", "**", "<<", ">>"])
def test_handlers_may_go_on_with_copies_of_the_operands(operator: str) -> None:
    class Copies(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            copies = [arg.clone() if isinstance(arg, rushlight.Tensor) else arg for arg in args]
            return func(*copies, **(kwargs or {}))

    for x in (rushlight.tensor([3, 1]), rushlight.tensor([3.0, 1.5])):
        if x.is_floating_point() and operator in ("<<", ">>"):
            continue
        for program in (f"2 {operator} x", f"x {operator} 2", f"x {operator} x"):
            expected = eval(program)
            with Copies():
                found = eval(program)
            rushlight.testing.assert_close(found, expected)


def test_modes_can_be_switched_off() -> None:
    from rushlight.utils._mode_utils import no_dispatch

    x = rushlight.ones(2)
    with Names() as names:
        with no_dispatch():
            x.exp()
        x.sin()
    assert names.found == ["aten.sin.default"]


def test_arguments_that_a_convolution_refuses() -> None:
    with Names(), pytest.raises(TypeError):
        rushlight.nn.functional.conv2d(rushlight.ones(1, 1, 2, 2))  # type: ignore[call-arg]


def test_values_and_gradients_are_those_without_a_mode() -> None:
    rushlight.manual_seed(0)
    layer = rushlight.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    x = rushlight.randn(2, 3, 8)
    found = []
    for mode in (None, Names()):
        layer.zero_grad()
        if mode is None:
            y = layer(x)
            y.square().sum().backward()
        else:
            with mode:
                y = layer(x)
                y.square().sum().backward()
        found.append([y.detach(), *[p.grad for p in layer.parameters()]])
    for expected, given in zip(*found, strict=True):
        rushlight.testing.assert_close(given, expected)


def test_modes_in_modes() -> None:
    order: list[str] = []

    class Named(TorchDispatchMode):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            order.append(self.name)
            return func(*args, **(kwargs or {}))

    class Function(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            order.append("function")
            return func(*args, **(kwargs or {}))

    x = rushlight.ones(2)
    with Function(), Named("outer"), Named("inner") as inner:
        assert _get_current_dispatch_mode() is inner
        x.exp()
    assert order == ["function", "inner", "outer"]
    assert _get_current_dispatch_mode() is None


def test_errors_and_questions_go_through() -> None:
    x = rushlight.ones(2)
    with Names() as mode:
        assert (x.shape, x.dim(), x.requires_grad, len(x), x.is_floating_point()) == ((2,), 1, False, 2, True)
        assert "1., 1." in repr(x)
        with pytest.raises(TypeError, match="unsupported operand"):
            x + "a"
        with pytest.raises(RuntimeError):
            x + rushlight.ones(3)
    assert mode.found.count("aten.add.Tensor") == 2
    with pytest.raises(TypeError, match="NotImplemented"):

        class Refusing(TorchDispatchMode):
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                return NotImplemented

        with Refusing():
            x.exp()
    assert return_and_correct_aliasing(rushlight.ops.aten.add_.Tensor, (x, 1), {}, None) is x  # type: ignore[attr-defined]


def test_types_with_a_handler_of_their_own_are_refused() -> None:
    class Wrapped(rushlight.Tensor):
        @classmethod
        def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return None

    for make in (Wrapped._make_subclass, Wrapped._make_wrapper_subclass):
        with pytest.raises(NotImplementedError, match="__torch_dispatch__"):
            make(Wrapped, rushlight.ones(2))
    with pytest.raises(NotImplementedError, match="__torch_dispatch__"):
        Wrapped([1.0])
    with pytest.raises(NotImplementedError, match="__torch_dispatch__"):
        rushlight.ones(2).as_subclass(Wrapped)

    class Plain(rushlight.Tensor):
        __torch_dispatch__ = rushlight._C._disabled_torch_function_impl  # type: ignore[attr-defined]

    assert type(Plain([1.0])) is type(rushlight.ones(2).as_subclass(Plain)) is Plain


@pytest.mark.parametrize("listed", [False, True])
def test_selective_checkpoints_have_the_same_gradients(listed: bool) -> None:
    asked: list[tuple[bool, str]] = []

    def policy(context: Any, operation: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append((context.is_recompute, str(operation)))
        return rushlight.utils.checkpoint.CheckpointPolicy.MUST_SAVE

    chosen: Any = [rushlight.ops.aten.mm.default] if listed else policy  # type: ignore[attr-defined]
    x = rushlight.randn(3, 3, requires_grad=True)
    function = lambda x: (x @ x).sin().sum()
    (expected,) = rushlight.autograd.grad(function(x), x)
    checkpoint(
        function, x, use_reentrant=False, context_fn=lambda: create_selective_checkpoint_contexts(chosen)
    ).backward()
    rushlight.testing.assert_close(x.grad, expected)
    if not listed:
        assert (False, "aten.mm.default") in asked and (True, "aten.mm.default") in asked
    with pytest.raises(TypeError, match="list of ops"):
        create_selective_checkpoint_contexts(3)
    with pytest.raises(ValueError, match="OpOverload"):
        create_selective_checkpoint_contexts([3])
