"""Static graphs of plain tensors in a process where some class overrides operations."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as torch


class Overriding(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return super().__torch_function__(func, types, args, kwargs or {})


@pytest.fixture(autouse=True)
def _overridden() -> None:
    assert type(torch.ones(2).as_subclass(Overriding) + 1) is Overriding


def test_properties_that_are_views() -> None:
    def function(x: Any) -> Any:
        return (x.real * 2 - x.imag).T + x.mT.real

    x = torch.randn(3, 3, dtype=torch.complex64)
    run = torch.compile(function, fullgraph=True)
    for _ in range(3):
        torch.testing.assert_close(run(x), function(x))


def test_what_changes_between_calls_is_still_refused() -> None:
    with pytest.raises(RuntimeError, match=r"_version\(\) is called"):
        torch.compile(lambda x: x * x._version, fullgraph=True)(torch.ones(3))
