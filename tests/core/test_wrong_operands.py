"""What is no tensor and is given as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight

WRONG = ["abc", None, [1.0, 2.0], 3, 2.5, object()]
# `x` is a tensor of floats, `b` what is given.
CALLS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "resolve_conj": lambda t, x, b: t.resolve_conj(b),
    "sampled_addmm": lambda t, x, b: t.sparse.sampled_addmm(b, x, x),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_type_of_the_error_is_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    for wrong in WRONG:
        raised = []
        for library in (torch, rushlight):
            with pytest.raises((TypeError, AttributeError)) as caught:
                CALLS[name](library, library.ones(2, 2), wrong)
            raised.append(caught.type)
        assert issubclass(raised[1], raised[0]), (wrong, raised)


@pytest.mark.parametrize(
    "name", ["add", "sub", "mul", "div", "pow", "remainder", "float_power", "xlogy", "floor_divide"]
)
def test_none_is_no_operand(name: str) -> None:
    with pytest.raises(TypeError):
        getattr(rushlight, name)(None, rushlight.ones(2))
