"""How the failure of a rank is recorded: its traceback is shown, and the job ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....missing import lazily as _lazily


class ChildFailedError(Exception):
    """What torchrun raises for a failed rank. Here mpiexec ends the job with the rank's exit code."""

    def __init__(self, name: str, failures: Any) -> None:
        super().__init__(f"{name} FAILED: {failures}")
        self.name, self.failures = name, failures


def record(fn: Callable[..., Any], error_handler: Any = None) -> Callable[..., Any]:
    """``fn`` as it is: an uncaught exception of a rank is shown and ends the job anyway.

    Example:
        >>> @record
        ... def main():
        ...     return 1
        >>> main()
        1
    """
    return fn


__getattr__ = _lazily(__name__)
