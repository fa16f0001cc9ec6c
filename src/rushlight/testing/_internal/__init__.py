"""What PyTorch's own test files import: their ``TestCase``, and the decorators that make one test for each dtype and device.

Private in PyTorch, and here a part of it: enough for tests written in that style to run on the CPU.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    from .switches_of_modules import module_named

    module = module_named(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    return module
