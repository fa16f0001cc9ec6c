"""The database of operators of PyTorch's tests: there is none here, and its lists are empty."""

from __future__ import annotations

from typing import Any

from .switches import named

op_db: list[Any] = []


def __getattr__(name: str) -> Any:
    if name.endswith(("_db", "_ops", "_funcs", "_list", "python_ref_db")):
        return []
    return named(__name__)(name)
