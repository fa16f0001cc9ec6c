"""Dual tensors: what their tangents depend on, and how both print."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight
import rushlight.autograd.forward_ad

# PyTorch's forward mode compiles some of its formulas with torch.jit.script, which warns.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")


@pytest.fixture(params=["rushlight", "torch"])
def torch(request: pytest.FixtureRequest) -> Any:
    """Rushlight, and PyTorch where it is installed: each test is a statement about both."""
    if request.param == "rushlight":
        return rushlight
    oracle = pytest.importorskip("torch")
    import torch.autograd.forward_ad  # noqa: F401 - it is not there before

    return oracle


def values(tensor: Any) -> list[float]:
    return [round(value, 4) for value in tensor.tolist()]


def test_backward_goes_through_a_tangent(torch: Any) -> None:
    forward_ad = torch.autograd.forward_ad
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(forward_ad.make_dual(x, torch.tensor([1.0, 3.0])) ** 3).tangent
        assert tangent.requires_grad and values(tangent) == [3.0, 36.0]
        tangent.sum().backward()
    assert values(x.grad) == [6.0, 36.0]


def test_backward_goes_through_a_tangent_to_what_is_not_dual(torch: Any) -> None:
    forward_ad = torch.autograd.forward_ad
    weight = torch.tensor([2.0, 3.0], requires_grad=True)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 5.0]))
        tangent = forward_ad.unpack_dual((weight * dual) ** 2).tangent
        tangent.sum().backward()
    assert values(tangent) == [8.0, 180.0]
    assert values(weight.grad) == [4.0 * 1 * 2, 4.0 * 2 * 3 * 5]


def test_backward_goes_into_the_tangent_that_was_given(torch: Any) -> None:
    forward_ad = torch.autograd.forward_ad
    given = torch.tensor([1.0, 1.0], requires_grad=True)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(torch.tensor([1.0, 2.0]), given)
        forward_ad.unpack_dual(dual.exp() * dual).tangent.sum().backward()
    assert values(given.grad) == [round(2 * 2.718281828, 4), round(3 * 7.389056099, 4)]


def test_a_tangent_requires_no_grad_where_nothing_does(torch: Any) -> None:
    forward_ad = torch.autograd.forward_ad
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]))
        assert not forward_ad.unpack_dual(dual.sin()).tangent.requires_grad


def test_a_tangent_is_no_dual_itself(torch: Any) -> None:
    forward_ad = torch.autograd.forward_ad
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(forward_ad.make_dual(x, torch.ones(2)) ** 3).tangent
        assert forward_ad.unpack_dual(tangent).tangent is None
        assert forward_ad.unpack_dual(tangent * 2).tangent is None


def test_duals_print_their_tangents(torch: Any) -> None:
    forward_ad = torch.autograd.forward_ad
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with forward_ad.dual_level():
        plain = forward_ad.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
        assert repr(plain) == "tensor([1., 2.], tangent=tensor([3., 4.]))"
        assert repr(plain * 2) == "tensor([2., 4.], tangent=tensor([6., 8.]))"
        assert repr(x * 2) == "tensor([2., 4.], grad_fn=<MulBackward0>)"
        cube = forward_ad.make_dual(x, torch.tensor([3.0, 4.0])) ** 2
        assert repr(cube) == (
            "tensor([1., 4.], grad_fn=<PowBackward0>,\n"
            "       tangent=tensor([ 6., 16.], grad_fn=<MulBackward0>))"
        )
    assert "tangent" not in repr(cube)
