"""The database of operators of PyTorch's tests: there is none here, and its lists are empty."""

from __future__ import annotations

from typing import Any

from .switches_of_modules import database_names

op_db: list[Any] = []
XS, S, M, L = 3, 5, 10, 20  # the sizes of samples

__getattr__ = database_names(__name__)
