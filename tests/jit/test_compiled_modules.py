"""Compiled modules as objects: copied, pickled, saved."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import rushlight as torch


def saved(model: Any) -> Any:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("kwargs", [{}, {"fullgraph": True}, {"backend": "eager"}], ids=str)
@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize("again", [lambda m: pickle.loads(pickle.dumps(m)), saved, copy.deepcopy])
def test_copies_compile_their_own(again: Callable[[Any], Any], called: bool, kwargs: dict[str, Any]) -> None:
    model = torch.compile(torch.nn.Linear(3, 2), **kwargs)
    x = torch.ones(4, 3)
    if called:
        model(x)
    model.eval()
    copied = again(model)
    assert type(copied) is type(model) and not copied.training
    assert list(copied.state_dict()) == ["_orig_mod.weight", "_orig_mod.bias"]
    assert torch.equal(copied(x), model(x))
    with torch.no_grad():
        copied.weight.zero_()
    assert copied(x).tolist() == [copied.bias.tolist()] * 4
    assert not torch.equal(copied(x), model(x))
