"""Programs that override operations do what they do under PyTorch."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight

from .programs import PROGRAMS


def _said(torch: Any, text: str) -> list[str]:
    said: list[str] = []
    space = {
        "torch": torch,
        "say": lambda *values: said.append(" ".join(map(str, values))),
        "__name__": "program",
    }
    exec(compile(text, "<program>", "exec", dont_inherit=True), space)
    return said


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.filterwarnings("ignore:.*deprecated:UserWarning")
def test_program(name: str) -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    rushlight.overrides  # noqa: B018 - a program that defines a type that is no Tensor is found when it imports rushlight
    assert _said(rushlight, PROGRAMS[name]) == _said(torch, PROGRAMS[name])
