"""What other libraries enter in Python's registries of copying and pickling is no state of a compiled function."""

from __future__ import annotations

import copy
import copyreg
from typing import Any

import pytest

import rushlight as torch


class Opaque:
    """Of a kind that can't be compared: its only state is a lock."""

    __slots__ = ("__weakref__",)


def _made(name: str) -> Any:
    return _made.cache[name]  # type: ignore[attr-defined]


_made.cache = {"one": memoryview(b"1")}  # type: ignore[attr-defined]


def test_a_function_that_names_copy_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(copyreg.dispatch_table, Opaque, lambda value: (_made, ("one",)))

    def function(x: Any) -> Any:
        return copy.copy([x])[0] * 2

    run = torch.compile(function, fullgraph=True)
    x = torch.ones(3)
    for _ in range(3):
        assert run(x).tolist() == [2.0, 2.0, 2.0]
