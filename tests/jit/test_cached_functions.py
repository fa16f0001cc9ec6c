"""Functions that functools caches, in static graphs."""

from __future__ import annotations

import functools
import re
from typing import TypeVar

import pytest

import rushlight as torch

FACTOR = 2
T = TypeVar("T")


class Backend:
    """A base class whose subclasses a function looks for."""


@functools.lru_cache(maxsize=16)
def plan(ndim: int) -> tuple[int, ...]:
    return (*range(1, ndim), 0)


@functools.cache
def scaled(by: int) -> int:
    return by * FACTOR


def test_a_cached_function_is_read_as_its_function():
    compiled = torch.compile(lambda x: x.permute(plan(x.ndim)) * scaled(3), fullgraph=True)
    x = torch.arange(6.0).reshape(2, 3)
    for _ in range(3):
        assert torch.equal(compiled(x), x.T * 6)
    assert torch.equal(compiled(x + 1), (x + 1).T * 6)


def test_its_globals_are_compared(monkeypatch: pytest.MonkeyPatch):
    compiled = torch.compile(lambda x: x * scaled(5), fullgraph=True)
    x = torch.ones(2)
    assert compiled(x).tolist() == [10.0, 10.0]
    monkeypatch.setitem(globals(), "FACTOR", 3)
    assert compiled(x).tolist() == [10.0, 10.0]  # still in the cache, as in eager mode
    scaled.cache_clear()
    try:
        assert torch.compile(lambda x: x * scaled(5), fullgraph=True)(x).tolist() == [15.0, 15.0]
    finally:
        scaled.cache_clear()


def identity(value: T) -> T:
    return T and value


def test_type_variables_do_not_change():
    compiled = torch.compile(lambda x: identity(x) + 1, fullgraph=True)
    assert compiled(torch.ones(1)).item() == 2.0


def test_new_subclasses_are_noticed():
    compiled = torch.compile(lambda x: x + len(Backend.__subclasses__()), fullgraph=True)
    x = torch.zeros(1)
    assert [compiled(x).item(), compiled(x).item()] == [0.0, 0.0]
    kind = type("Another", (Backend,), {})
    assert compiled(x).item() == 1.0
    del kind


def test_members_of_enumerations_are_compared_by_identity(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(globals(), "FLAG", re.I)
    compiled = torch.compile(lambda x: x + int(FLAG), fullgraph=True)  # noqa: F821
    x = torch.zeros(1)
    assert [compiled(x).item(), compiled(x).item()] == [float(re.I)] * 2
    monkeypatch.setitem(globals(), "FLAG", re.M)
    assert compiled(x).item() == float(re.M)
