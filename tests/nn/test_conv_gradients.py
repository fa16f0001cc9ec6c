"""``nn.grad``: a convolution's gradients as functions."""

from __future__ import annotations

import pytest

import rushlight as torch


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (2, 1, 1, 2), (1, 2, 2, 1)]
)
def test_they_are_those_of_backward(dims: int, stride: int, padding: int, dilation: int, groups: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 4, *([7] * dims), dtype=torch.float64, requires_grad=True)
    w = torch.randn(6, 4 // groups, *([3] * dims), dtype=torch.float64, requires_grad=True)
    options = (stride, padding, dilation, groups)
    out = getattr(torch.nn.functional, f"conv{dims}d")(x, w, None, *options)
    cotangent = torch.randn_like(out)
    by_input, by_weight = torch.autograd.grad(out, (x, w), cotangent)
    ours = getattr(torch.nn.grad, f"conv{dims}d_input")(x.shape, w, cotangent, *options)
    torch.testing.assert_close(ours, by_input, check_stride=False)
    assert ours.requires_grad
    ours = getattr(torch.nn.grad, f"conv{dims}d_weight")(x, w.shape, cotangent, *options)
    torch.testing.assert_close(ours, by_weight)
    with pytest.raises(RuntimeError, match="shape"):
        getattr(torch.nn.grad, f"conv{dims}d_input")(x.shape, w, cotangent[:1], *options)


def test_without_gradients_there_is_no_history() -> None:
    w, g = torch.ones(1, 1, 2), torch.ones(1, 1, 3)
    assert torch.nn.grad.conv1d_input((1, 1, 4), w, g).tolist() == [[[1.0, 2.0, 2.0, 1.0]]]
    assert not torch.nn.grad.conv1d_input((1, 1, 4), w, g).requires_grad
