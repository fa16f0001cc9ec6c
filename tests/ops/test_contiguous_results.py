"""Results that are part of a larger array inside lie in memory of their own: programs call ``view`` on them."""

import pytest

import rushlight as torch


@pytest.mark.parametrize("shape", [(6, 10), (4, 300), (2, 5, 400)])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_topk(shape, dim):
    torch.manual_seed(0)
    x = torch.rand(shape)
    values, indices = torch.topk(x, 2, dim)
    assert values.is_contiguous() and indices.is_contiguous()
    assert torch.equal(values, torch.sort(x, dim, descending=True)[0].narrow(dim, 0, 2))
    assert torch.equal(values, x.gather(dim, indices))
    assert indices.view(-1).numel() == indices.numel()


@pytest.mark.parametrize("replacement", [True, False])
def test_multinomial(replacement):
    torch.manual_seed(0)
    chosen = torch.multinomial(torch.rand(6, 10), 3, replacement)
    assert chosen.stride() == (3, 1) and chosen.view(-1, 1).shape == (18, 1)
