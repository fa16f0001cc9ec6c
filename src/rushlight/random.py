"""``torch.random``: the default generator's seed and state."""

from __future__ import annotations

__all__ = [
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
    "thread_safe_generator",
]

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from .ops.random import (
    default_generator as default_generator,
    get_rng_state as get_rng_state,
    initial_seed as initial_seed,
    manual_seed as manual_seed,
    seed as seed,
    set_rng_state as set_rng_state,
)


def thread_safe_generator() -> None:
    """None, for ``generator=``: the workers of a ``DataLoader`` are processes here, each with a default generator of its own.

    Example:
        >>> import rushlight as torch
        >>> torch.randint(0, 10, (5,), generator=torch.random.thread_safe_generator()).shape
        torch.Size([5])
    """


@contextmanager
def fork_rng(devices: Iterable[Any] | None = None, enabled: bool = True, **options: Any) -> Iterator[None]:
    """Put the default generator's state back at the end of the ``with`` block.

    Example:
        >>> import rushlight as torch
        >>> _ = torch.manual_seed(0)
        >>> with torch.random.fork_rng():
        ...     inside = torch.rand(1)
        >>> torch.equal(inside, torch.rand(1))
        True
    """
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
