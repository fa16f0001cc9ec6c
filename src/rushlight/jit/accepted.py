"""Names of ``torch.compiler`` that programs call and that change nothing here."""

from __future__ import annotations

from typing import Any, TypeVar

from .compile import is_compiling

T = TypeVar("T")


def allow_in_graph(fn: T) -> T:
    """``fn`` as it is: whatever a compiled function calls is recorded anyway."""
    return fn


def assume_constant_result(fn: T) -> T:
    """``fn`` as it is."""
    return fn


def cudagraph_mark_step_begin() -> None:
    """Accepted and without effect: there are no CUDA graphs."""


def is_dynamo_compiling() -> bool:
    """Whether this thread is recording for a compiled function."""
    return is_compiling()


def is_exporting() -> bool:
    """False: there is no export."""
    return False


def list_backends(exclude_tags: Any = ()) -> list[str]:
    """The names that ``compile(backend=...)`` takes for its one compiler.

    Example:
        >>> import rushlight as torch
        >>> torch.compiler.list_backends()
        ['inductor']
    """
    return ["inductor"]
