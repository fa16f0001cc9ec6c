"""``torch._vmap_internals``, by which older libraries find ``vmap``."""

from __future__ import annotations

import rushlight as torch
from rushlight._vmap_internals import _vmap, vmap


def test_they_map():
    x = torch.arange(6.0).reshape(2, 3)
    for form in (vmap, _vmap):
        assert torch.equal(form(torch.sum)(x), x.sum(1))
        assert torch.equal(form(torch.sum, 1)(x), x.sum(0))


def test_none_may_pass():
    x = torch.arange(6.0).reshape(2, 3)
    total, nothing, double = _vmap(lambda t: (t.sum(), None, 2 * t), allow_none_pass_through=True)(x)
    assert nothing is None and torch.equal(total, x.sum(1)) and torch.equal(double, 2 * x)
    assert torch.equal(_vmap(torch.sum, allow_none_pass_through=True)(x), x.sum(1))
