# ruff: noqa: N999 - the name is PyTorch's
"""``torch._VF``: the functions of ``torch`` in the place where layers of PyTorch look for the native ones."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    import rushlight

    return getattr(rushlight, name)
