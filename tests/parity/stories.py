"""One program for both libraries, which must tell the same story: a list of what it saw on its way."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from itertools import zip_longest
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


def raised(call: Callable[[], Any]) -> Any:
    """The exception's type, or what was returned."""
    try:
        return ["no error", plain(call())]
    except Exception as error:
        return type(error).__name__


def message(call: Callable[[], Any]) -> str:
    """The exception's type and text."""
    try:
        return f"no error: {plain(call())}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def same(ours: Any, theirs: Any) -> bool:
    """Equal, but for the last digits of float32 numbers."""
    if isinstance(theirs, float) and isinstance(ours, float):
        close = ours == theirs or math.isclose(ours, theirs, rel_tol=2e-6, abs_tol=1e-6)
        return close or (math.isnan(ours) and math.isnan(theirs))
    if isinstance(theirs, list | tuple) and type(ours) is type(theirs):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return list(ours) == list(theirs) and all(same(ours[key], theirs[key]) for key in theirs)
    return type(ours) is type(theirs) and bool(ours == theirs)


def compare(program: Callable[[Any], Story]) -> None:
    """Run ``program`` with torch and with Rushlight and assert that both tell the same story with the same warnings."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    with warnings.catch_warnings(record=True) as expected_warnings:
        warnings.simplefilter("always")
        expected = plain(program(torch))
    with warnings.catch_warnings(record=True) as actual_warnings:
        warnings.simplefilter("always")
        warnings.filterwarnings(
            "ignore", category=RuntimeWarning, module=r"rushlight\."
        )  # as the package has it
        actual = plain(program(rushlight))
    for i, (ours, theirs) in enumerate(zip(actual, expected, strict=False)):
        assert same(ours, theirs), f"step {i}: {ours}; expected {theirs}"
    assert len(actual) == len(expected)
    for i, (one, other) in enumerate(zip_longest(actual_warnings, expected_warnings)):
        assert one is not None, f"warning {i} is missing: {other.message}"
        assert other is not None, f"warning {i} is not torch's: {one.message}"
        assert one.category is other.category, f"warning {i}: {one.message}; expected {other.message}"
