"""The update of a large parameter, which runs as one compiled program, is that of a small one."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
from rushlight.optim import optimizer as module

MAKERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1),
    "sgd momentum": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, 0.1, weight_decay=0.1),
    "amsgrad": lambda p: torch.optim.Adam(p, 0.1, amsgrad=True, maximize=True),
    "adamw": lambda p: torch.optim.AdamW(p, 0.1),
    "nadam": lambda p: torch.optim.NAdam(p, 0.1),
    "radam": lambda p: torch.optim.RAdam(p, 0.1),
    "adamax": lambda p: torch.optim.Adamax(p, 0.1),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.1),
    "adadelta": lambda p: torch.optim.Adadelta(p, 0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.1, momentum=0.5, centered=True),
    "rprop": lambda p: torch.optim.Rprop(p, 0.1),
    "asgd": lambda p: torch.optim.ASGD(p, 0.1),
}


@pytest.mark.parametrize("name", MAKERS)
def test_large_updates(name, monkeypatch):
    torch.manual_seed(0)
    start = torch.randn(9, 7)
    gradients = [torch.randn(9, 7) for _ in range(7)]
    results = []
    for limit in (1 << 60, 1):
        monkeypatch.setattr(module, "LARGE_PARAMETER", limit)
        param = torch.nn.Parameter(start.clone())
        updates = MAKERS[name]([param])
        for gradient in gradients:
            param.grad = gradient.clone()
            updates.step()
            assert type(param._array) is np.ndarray
        results.append((param.detach().numpy(), updates.state[param]))
    (small, small_state), (large, large_state) = results
    np.testing.assert_allclose(large, small, rtol=2e-6, atol=1e-7)
    assert large_state.keys() == small_state.keys()
    for key, value in small_state.items():
        other = large_state[key]
        if isinstance(value, torch.Tensor):
            value, other = value.numpy(), other.numpy()
        np.testing.assert_allclose(other, value, rtol=2e-5, atol=1e-7, err_msg=key)
