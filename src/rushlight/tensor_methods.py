"""The table that binds operations to Tensor as methods and operators.

Each operation module ends with ``METHODS``, the table of what it gives to Tensor; here they are bound, and a name that two
modules give is an error at import.
"""

from __future__ import annotations

from typing import Any, Final

from .core.tensor import LEGACY_CONSTRUCTOR, Tensor
from .ops import (
    comparison,
    complex_numbers,
    conversion,
    creation,
    functions,
    linalg,
    linear,
    movement,
    pointwise,
    powers,
    random,
    reductions,
)

TABLES: Final = (random, conversion, movement, pointwise, comparison, complex_numbers, powers, functions, reductions, linalg, linear)


def _bind() -> None:
    bound: dict[str, str] = {}
    for module in TABLES:
        for name, function in module.METHODS.items():
            if name in bound:
                raise AssertionError(f"Tensor.{name} is given by both {bound[name]} and {module.__name__}")
            bound[name] = module.__name__
            setattr(Tensor, name, function)
    LEGACY_CONSTRUCTOR.append(conversion.legacy_tensor)


_bind()
_: Any = creation
