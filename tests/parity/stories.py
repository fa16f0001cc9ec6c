"""One program for both libraries, which must tell the same story: a list of what it saw on its way."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

import rushlight

Story = list[Any]


def plain(value: Any) -> Any:
    """A value as something that compares equal whichever library it comes from."""
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return (str(value.dtype), tuple(value.shape), value.tolist(), value.requires_grad)
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, bool | int | float | str | type(None)):
        return value
    return type(value).__name__


def raised(call: Callable[[], Any]) -> str:
    """The exception's type, or what was returned."""
    try:
        return f"no error: {plain(call())}"
    except Exception as error:
        return type(error).__name__


def message(call: Callable[[], Any]) -> str:
    """The exception's type and text."""
    try:
        return f"no error: {plain(call())}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def compare(program: Callable[[Any], Story]) -> None:
    """Run ``program`` with torch and with Rushlight and assert that both tell the same story with the same warnings."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    with warnings.catch_warnings(record=True) as expected_warnings:
        warnings.simplefilter("always")
        expected = plain(program(torch))
    with warnings.catch_warnings(record=True) as actual_warnings:
        warnings.simplefilter("always")
        actual = plain(program(rushlight))
    for i, (ours, theirs) in enumerate(zip(actual, expected, strict=False)):
        assert ours == theirs, f"step {i}"
    assert actual == expected
    # Rushlight's register_backward_hook is the full one, so that there is nothing to warn of.
    assert [w.category for w in actual_warnings] == [
        w.category for w in expected_warnings if "non-full backward hook" not in str(w.message)
    ]
