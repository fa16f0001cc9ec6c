"""Gradients for each sample: PyTorch's, and those of a loop over the samples."""

import pytest

import rushlight
from rushlight.nn.utils._per_sample_grad import call_for_per_sample_grads


def layers(t):
    return [
        (t.nn.Linear(3, 2), (4, 3)),
        (t.nn.Linear(3, 2), (4, 5, 3)),
        (t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Tanh(), t.nn.Linear(4, 2)), (4, 3)),
        (t.nn.Conv2d(2, 3, 3, padding=1), (3, 2, 5, 5)),
        (t.nn.LayerNorm(3), (4, 3)),
        (t.nn.GroupNorm(2, 4), (3, 4, 5)),
    ]


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_like_a_loop(number, reduction):
    rushlight.manual_seed(0)
    layer, shape = layers(rushlight)[number]
    x = rushlight.rand(shape)
    out = call_for_per_sample_grads(layer, loss_reduction=reduction)(x)
    rushlight.testing.assert_close(out, layer(x))
    losses = out.pow(2).flatten(1).sum(1)
    (losses.sum() if reduction == "sum" else losses.mean()).backward()
    for place in range(len(x)):
        expected = rushlight.autograd.grad(
            layer(x[place : place + 1]).pow(2).sum(), tuple(layer.parameters())
        )
        for parameter, gradient in zip(layer.parameters(), expected, strict=True):
            rushlight.testing.assert_close(parameter.grad_sample[place], gradient)


@pytest.mark.parity
@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_like_pytorch(number, reduction):
    torch = pytest.importorskip("torch")
    from torch.nn.utils._per_sample_grad import call_for_per_sample_grads as theirs

    found = []
    for t, call in ((rushlight, call_for_per_sample_grads), (torch, theirs)):
        t.manual_seed(0)
        layer, shape = layers(t)[number]
        out = call(layer, loss_reduction=reduction)(t.rand(shape))
        (out.sum() if reduction == "sum" else out.mean()).backward()
        found.append([(p.grad is None, p.grad_sample.detach().numpy()) for p in layer.parameters()])
    for (none, mine), (no, other) in zip(*found, strict=True):
        assert none == no
        rushlight.testing.assert_close(rushlight.tensor(mine), rushlight.tensor(other))


def test_errors():
    layer = rushlight.nn.Linear(2, 1)
    with pytest.raises(RuntimeError, match="sum or mean"):
        call_for_per_sample_grads(layer, loss_reduction="max")
    with pytest.raises(RuntimeError, match=r"must be nn\.Module"):
        call_for_per_sample_grads(3)
    with pytest.raises(RuntimeError, match="must be positive"):
        call_for_per_sample_grads(layer, batch_size=0)
    call_for_per_sample_grads(layer)(rushlight.ones(3, 2)).sum().backward()
    with pytest.raises(RuntimeError, match="clear out the grad_sample"):
        call_for_per_sample_grads(layer)
    with pytest.raises(RuntimeError, match="found at least one input with batch size"):
        call_for_per_sample_grads(rushlight.nn.Bilinear(2, 2, 1))(rushlight.ones(3, 2), rushlight.ones(2, 2))
