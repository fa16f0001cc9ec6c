"""Pointwise operations without PyTorch at hand: quick and general paths agree, aliasing, ``out=``, errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.ops import activations
from rushlight.ops.define import PRIMITIVES
from rushlight.ops.dispatch import apply


def values(tensor: Any) -> Any:
    return tensor.tolist()


# --- the quick paths and the general one --------------------------------------------------------------------------

X = [-2.5, -1.0, -0.25, 0.0, 0.5, 1.0, 3.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("quick", "name", "others", "attrs"),
    [
        (lambda x: x + 1.5, "add", (1.5,), {}),
        (lambda x: x * 2, "mul", (2,), {}),
        (lambda x: x / 4.0, "div", (4.0,), {}),
        (lambda x: x > 0, "gt", (0,), {}),
        (lambda x: x == 1, "eq", (1,), {}),
        (lambda x: x.relu(), "relu", (), {}),
        (lambda x: x.clamp(min=0), "clamp", (0, None), {}),
        (lambda x: x.clamp(-1, 0.5), "clamp", (-1, 0.5), {}),
        (lambda x: x**2, "pow_number", (), {"exponent": 2}),
        (lambda x: x.pow(3), "pow_number", (), {"exponent": 3}),
        (lambda x: x.softmax(0), "softmax", (), {"dim": 0}),
        (lambda x: x.sigmoid(), "sigmoid", (), {}),
    ],
)
def test_quick_paths_give_what_the_general_path_gives(
    quick: Any, name: str, others: Any, attrs: Any, dtype: Any
) -> None:
    plain, leaf = torch.tensor(X, dtype=dtype), torch.tensor(X, dtype=dtype, requires_grad=True)
    general = apply(PRIMITIVES[name], (plain, *others), attrs)
    for x in (plain, leaf):
        result = quick(x)
        assert result.dtype is general.dtype and values(result.detach()) == values(general)
    recorded = quick(leaf)
    assert (recorded.grad_fn is None) == (PRIMITIVES[name].vjp is None)
    if recorded.grad_fn is not None:
        assert recorded.grad_fn.name() == apply(PRIMITIVES[name], (leaf, *others), attrs).grad_fn.name()


def test_zero_dim_results_are_tensors_with_zero_dims() -> None:
    x = torch.tensor(2.0)
    for result in (
        x + 1,
        x > 1,
        x.relu(),
        x.clamp(max=1),
        x**2,
        x.sigmoid(),
        ~(x > 1),
        x.erf(),
        x.lgamma(),
        -x,
        x.softmax(0),
    ):
        assert result.shape == () and isinstance(result._array, np.ndarray)


def test_operands_that_do_not_broadcast_are_named() -> None:
    a, b = torch.ones(2, 3), torch.ones(3, 2)
    for function in (torch.add, torch.gt, torch.maximum, torch.pow, torch.atan2, torch.bitwise_and):
        with pytest.raises(RuntimeError, match=r"must match the size of tensor b"):
            function(a.long(), b.long()) if function is torch.bitwise_and else function(a, b)
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        torch.ones(3).add_(torch.ones(2, 3))
    with pytest.raises(RuntimeError, match=r"must match the size of tensor b"):
        torch.where(torch.ones(2) > 0, torch.ones(3), torch.ones(3))


# --- in place, out= -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.add_(1), lambda x: x.add_(torch.ones(3), alpha=0.5), lambda x: x.sub_(1, alpha=2), lambda x: x.mul_(2.0),
        lambda x: x.neg_(), lambda x: x.exp_(), lambda x: x.sqrt_(), lambda x: x.abs_(), lambda x: x.relu_(),
        lambda x: x.clamp_(min=2), lambda x: x.clamp_(1, 2), lambda x: x.pow_(2), lambda x: x.sigmoid_(),
        lambda x: x.eq_(2), lambda x: x.addcmul_(x, x), lambda x: x.lerp_(torch.zeros(3), 0.5), lambda x: x.floor_divide_(2),
        lambda x: x.nan_to_num_(), lambda x: x.copysign_(-1), lambda x: x.square_(), lambda x: x.reciprocal_(),
        torch.relu_, lambda x: activations.elu(x, inplace=True), lambda x: activations.silu(x, inplace=True),
    ],
)  # fmt: skip
def test_in_place_forms_write_through_and_count(change: Any) -> None:
    x = torch.tensor([1.0, 2.0, 3.0])
    view, version = x[:2], x._version
    assert change(x) is x
    assert x._version == version + 1 == view._version
    assert values(view) == values(x)[:2]


def test_a_change_in_place_is_noticed_by_backward() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    for operation, spoil in (
        (lambda t: t.exp(), "result"), (lambda t: t.relu(), "result"), (lambda t: t.sin(), "input"), (lambda t: t**2, "input"),
        (lambda t: t.clamp(min=0), "input"),
    ):  # fmt: skip
        middle = x * 1
        result = operation(middle)
        (result if spoil == "result" else middle).mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            result.sum().backward()


def test_in_place_results_must_fit_the_tensor() -> None:
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.tensor([1, 2]).add_(1.5)
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.tensor([1, 2]).div_(2)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        torch.ones(2, requires_grad=True).relu_()
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.ones(1).expand(3).sqrt_()


def test_out() -> None:
    x, out = torch.tensor([1.0, 4.0]), torch.empty(2)
    assert torch.sqrt(x, out=out) is out and values(out) == [1, 2]
    assert torch.add(x, 1, alpha=2, out=out) is out and values(out) == [3, 6]
    assert torch.gt(x, 2, out=out) is out and values(out) == [0, 1]
    assert torch.clamp(x, max=2, out=torch.empty(2, dtype=torch.float64)).dtype is torch.float64
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.sqrt(x, out=torch.empty(2, dtype=torch.int64))
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        torch.exp(x.requires_grad_(), out=torch.empty(2))
    with pytest.raises(TypeError, match="out"):
        torch.exp(torch.ones(2), out=[1, 2])


# --- numbers ------------------------------------------------------------------------------------------------------


def test_integer_arithmetic() -> None:
    a = torch.tensor([-7, 7, -8])
    assert (
        values(a // 2) == [-4, 3, -4]
        and values(a % 3) == [2, 1, 1]
        and values(torch.fmod(a, 3)) == [-1, 1, -2]
    )
    assert values(torch.div(a, 2, rounding_mode="trunc")) == [-3, 3, -4]
    assert (a / 2).dtype is torch.float32
    assert values(torch.tensor([2, -1, 1, -1]) ** torch.tensor([-1, -1, -5, -2])) == [0, -1, 1, 1]
    assert values(torch.tensor([250], dtype=torch.uint8) + 10) == [4]
    assert values(torch.tensor([1]) << torch.tensor([64])) == [0] and values(torch.tensor([-3]) >> 70) == [-1]
    assert values(torch.lcm(torch.tensor([4, 0]), torch.tensor([6, 0]))) == [12, 0]
    for divide in (lambda: a // 0, lambda: a % 0, lambda: torch.fmod(a, 0)):
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            divide()
    with pytest.raises(RuntimeError, match="negative integer powers"):
        a**-1
    with pytest.raises(OverflowError):
        a + 2**64


def test_bools_are_not_subtracted_or_negated() -> None:
    b = torch.tensor([True, False])
    for wrong in (
        lambda: b - b,
        lambda: b - 1,
        lambda: 1 - b,
        lambda: torch.ones(2) - b,
        lambda: -b,
        lambda: torch.rsub(b, 1),
    ):
        with pytest.raises(RuntimeError, match="bool tensor"):
            wrong()
    assert values(b + b) == [True, False] and values(b * True) == [True, False]
    assert (
        values(~b) == [False, True] and values(b & True) == [True, False] and values(b ^ b) == [False, False]
    )


def test_alpha_follows_the_dtype_of_the_result() -> None:
    a = torch.tensor([1, 2])
    assert values(a.add(a, alpha=2)) == [3, 6] and values(torch.sub(a, 1, alpha=3)) == [-2, -1]
    with pytest.raises(RuntimeError, match="must not be a floating point number"):
        a.add(a, alpha=0.5)
    with pytest.raises(RuntimeError, match="Boolean alpha"):
        a.add(a, alpha=True)
    with pytest.raises(RuntimeError, match="complex"):
        torch.ones(1).add(1, alpha=1j)
    with pytest.raises(TypeError, match="alpha"):
        a.add(a, alpha="2")


def test_nan_and_infinity() -> None:
    x = torch.tensor([math.nan, math.inf, -math.inf, 1.0])
    assert values(x.isnan()) == [True, False, False, False] and values(torch.isfinite(x)) == [
        False,
        False,
        False,
        True,
    ]
    assert values(torch.isinf(x)) == [False, True, True, False]
    assert values((x == x).logical_not()) == [True, False, False, False]
    assert values(torch.nan_to_num(x, 7.0, 8.0, 9.0)) == [7, 8, 9, 1]
    one = torch.ones(4)
    assert math.isnan(values(torch.maximum(x, one))[0]) and values(torch.fmax(x, one))[0] == 1
    assert math.isnan(values(x.clamp(0, 1))[0]) and math.isnan(values(x.relu())[0])
    assert torch.isclose(x, x, equal_nan=True).all() and not torch.allclose(x, x) and not torch.equal(x, x)
    assert values(torch.sign(x)) == [0, 1, -1, 1]


def test_where_takes_numbers_and_checks_its_condition() -> None:
    mask = torch.tensor([True, False])
    assert torch.where(mask, 1, 2).dtype is torch.int64 and torch.where(mask, 1.0, 2).dtype is torch.float32
    assert torch.where(mask, torch.tensor([1, 2]), 0.5).dtype is torch.float32
    with pytest.raises(RuntimeError, match="boolean tensor"):
        torch.where(torch.ones(2), 1, 2)
    with pytest.warns(UserWarning, match="uint8"):
        assert values(torch.where(torch.tensor([1, 0], dtype=torch.uint8), 1, 2)) == [1, 2]


def test_complex_parts_are_views() -> None:
    z = torch.tensor([1 + 2j, 3 - 4j])
    z.real.fill_(5)
    z.imag[0] = 7
    torch.view_as_real(z)[1, 1] = 0
    assert values(z) == [5 + 7j, 5 + 0j]
    pairs = torch.zeros(2, 2)
    torch.view_as_complex(pairs).copy_(z)
    assert values(pairs) == [[5, 7], [5, 0]]
    assert values(torch.polar(torch.tensor([2.0]), torch.tensor([0.0]))) == [2 + 0j]
    x = torch.ones(2)
    assert x.real is x and x.conj() is x
    with pytest.raises(RuntimeError, match="imag is not implemented"):
        _ = x.imag


def test_operators_leave_strangers_to_python() -> None:
    x = torch.ones(2)
    assert (x == None) is False and (x != "a") is True  # noqa: E711 - the operator is the matter
    for wrong in (lambda: x + "a", lambda: x < None, lambda: x & [1], lambda: x ** "a", lambda: None * x):
        with pytest.raises(TypeError):
            wrong()
    for wrong in (lambda: x.add("a"), lambda: x.gt([1]), lambda: torch.maximum(x, 1), lambda: torch.exp(2.0)):
        with pytest.raises(TypeError, match="must be"):
            wrong()


def test_empty_tensors() -> None:
    x = torch.empty(0, 3, requires_grad=True)
    for function in (
        torch.exp, torch.relu, torch.erf, torch.lgamma, torch.sigmoid, lambda t: t.softmax(0), lambda t: t.softmax(1),
        lambda t: torch.clamp(t, 0, 1), lambda t: t**2, lambda t: t + 1, activations.gelu, activations.elu,
    ):  # fmt: skip
        result = function(x)
        assert result.shape == (0, 3)
        result.sum().backward()
        assert x.grad.shape == (0, 3)


def test_derivatives_that_do_not_exist_say_so() -> None:
    x = torch.ones(2, requires_grad=True)
    for result in (x // 2, torch.heaviside(x, torch.ones(2))):
        assert result.requires_grad
        with pytest.raises(RuntimeError, match=r"derivative for aten::.* is not implemented"):
            result.sum().backward()


def test_special_namespace() -> None:
    x = torch.tensor([0.25, 0.5])
    assert values(torch.special.expit(x)) == values(x.sigmoid())
    assert values(torch.special.psi(x)) == values(torch.digamma(x))
    np.testing.assert_allclose(values(torch.special.ndtr(torch.special.ndtri(x))), values(x), rtol=1e-6)


def test_the_sign_of_a_real_number_needs_nothing_for_backward() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = (x * 2).sign()
    y[y < 0] = 5.0
    (y * x).sum().backward()
    assert x.grad.tolist() == [1, 5]


def test_no_integers_divided_by_zero():
    none = torch.empty(0, 3, dtype=torch.int64)
    zeros = torch.zeros(3, dtype=torch.int64)
    for divided in (
        none % 0,
        none // 0,
        torch.fmod(none, zeros),
        none.div(zeros, rounding_mode="trunc"),
        none % zeros,
    ):
        assert divided.shape == (0, 3) and divided.dtype == torch.int64
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        torch.ones(1, 3, dtype=torch.int64) % zeros
