"""Records that only compiled kernels compute, of operands in layouts that kernels do not take: copied, not sent to the CPU."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as torch


@pytest.mark.parametrize("dtype", (torch.float32, torch.bfloat16), ids=str)
def test_kernels_get_contiguous_copies(with_kernels: Any, dtype: Any) -> None:
    from rushlight.runtime.cuda_operations import HOST_TRIPS

    HOST_TRIPS.clear()
    x = torch.linspace(-2.0, 2.0, 15).reshape(3, 5).to(dtype)
    for layout in (lambda t: t.T, lambda t: t[:, ::2], lambda t: t[1:]):
        found = torch.nn.functional.softplus(layout(x.cuda()))
        assert torch.allclose(found.cpu().float(), torch.nn.functional.softplus(layout(x)).float(), atol=1e-2)
    assert not HOST_TRIPS
