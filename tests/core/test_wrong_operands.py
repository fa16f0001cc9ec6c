"""What is no tensor and is given as one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

import rushlight
from rushlight.core import wrong_operands
from rushlight.core.wrong_operands import explain, explain_wrong_operands

WRONG = ["abc", None, [1.0, 2.0], 3, 2.5, object()]
# Each with the operand in doubt in another place; `x` is a tensor of floats, `b` what is given.
CALLS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "silu": lambda t, x, b: t.nn.functional.silu(b),
    "hardswish": lambda t, x, b: t.nn.functional.hardswish(b),
    "prelu": lambda t, x, b: t.nn.functional.prelu(b, x),
    "pad": lambda t, x, b: t.nn.functional.pad(b, (1, 1)),
    "batch_norm": lambda t, x, b: t.nn.functional.batch_norm(b, x, x),
    "layer_norm": lambda t, x, b: t.nn.functional.layer_norm(b, (2,)),
    "layer_norm_weight": lambda t, x, b: t.nn.functional.layer_norm(x, (2,), weight="w" if b is None else b),
    "group_norm": lambda t, x, b: t.nn.functional.group_norm(b, 1),
    "attention": lambda t, x, b: t.nn.functional.scaled_dot_product_attention(x, b, x),
    "cross_entropy": lambda t, x, b: t.nn.functional.cross_entropy(b, x),
    "nll_loss_target": lambda t, x, b: t.nn.functional.nll_loss(x, b),
    "grid_sample": lambda t, x, b: t.nn.functional.grid_sample(x, b, align_corners=False),
    "one_hot": lambda t, x, b: t.nn.functional.one_hot(b),
    "gather": lambda t, x, b: t.gather(x, 0, b),
    "index_add": lambda t, x, b: t.index_add(x, 0, b, x),
    "reshape": lambda t, x, b: t.reshape(b, (4,)),
    "transpose": lambda t, x, b: t.transpose(b, 0, 1),
    "unsqueeze": lambda t, x, b: t.unsqueeze(b, 0),
    "cartesian_prod": lambda t, x, b: t.cartesian_prod(x[0], b),
    "take": lambda t, x, b: t.take(x, b),
    "masked_fill": lambda t, x, b: t.masked_fill(b, x > 0, 1.0),
    "round": lambda t, x, b: t.round(b),
    "diff": lambda t, x, b: t.diff(b),
    "solve_ex": lambda t, x, b: t.linalg.solve_ex(b, x),
    "fftshift": lambda t, x, b: t.fft.fftshift(b),
    "ndtr": lambda t, x, b: t.special.ndtr(b),
    "tensor_method": lambda t, x, b: x.scatter_add(0, b, x),
    "resolve_conj": lambda t, x, b: t.resolve_conj(b),
    "sampled_addmm": lambda t, x, b: t.sparse.sampled_addmm(b, x, x),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_type_of_the_error_is_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    for wrong in WRONG:
        raised = []
        for library in (torch, rushlight):
            with pytest.raises((TypeError, AttributeError)) as caught:
                CALLS[name](library, library.ones(2, 2), wrong)
            raised.append(caught.type)
        assert issubclass(raised[1], raised[0]), (wrong, raised)


@pytest.mark.parametrize(
    "name", ["add", "sub", "mul", "div", "pow", "remainder", "float_power", "xlogy", "floor_divide"]
)
def test_none_is_no_operand(name: str) -> None:
    with pytest.raises(TypeError):
        getattr(rushlight, name)(None, rushlight.ones(2))


def test_the_message_names_function_and_argument() -> None:
    with pytest.raises(TypeError, match=r"pad\(\): argument 'input' must be Tensor, not str"):
        rushlight.nn.functional.pad("abc", (1, 1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^silu\(\): .* must be Tensor, not str"):
        rushlight.nn.functional.silu("abc")  # type: ignore[arg-type]


def test_errors_of_the_program_stay_what_they_are() -> None:
    def mistaken(x: Any) -> Any:
        return "abc".dtype  # type: ignore[attr-defined]

    with pytest.raises(AttributeError) as caught:
        rushlight.vmap(mistaken)(rushlight.ones(2))
    assert caught.type is AttributeError
    x = rushlight.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(mistaken)
    with pytest.raises(AttributeError) as caught:
        y.sum().backward()
    assert caught.type is AttributeError


def test_a_function_does_what_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrong_operands, "LIBRARY", __file__)  # this file plays the library

    def loops(given: Any, many: int = 3) -> Any:
        found = []
        for number in range(many):
            try:
                with pytest.raises(ZeroDivisionError):
                    found.append(number / 0)
            finally:
                found.append(number)
        return [part._array for part in (given,)] if given else found

    def generates(given: Any) -> Any:
        yield given._array

    def handles(given: Any) -> Any:
        try:
            return given._array
        except AttributeError:
            return "handled"

    def other(given: Any) -> Any:
        raise KeyError(given)

    space = {function.__name__: function for function in (loops, generates, handles, other)}
    explain_wrong_operands([space, space])
    assert [explain in function.__code__.co_consts for function in space.values()] == [
        True,
        False,
        True,
        True,
    ]
    assert loops(None) == [0, 1, 2]
    assert handles(1) == "handled"
    with pytest.raises(KeyError) as caught:
        other(1)
    assert caught.type is KeyError
    with pytest.raises(TypeError, match=r"loops\(\): argument 'given' must be Tensor, not str") as wrong:
        loops("abc")
    assert wrong.traceback[1].lineno >= 0
    with pytest.raises(AttributeError) as untouched:
        next(generates("abc"))
    assert untouched.type is AttributeError
    assert sys.exc_info() == (None, None, None)
