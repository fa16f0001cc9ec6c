"""How much PyTorch's distributed package reports: kept for programs that ask; errors here say everything anyway."""

from __future__ import annotations

import os
from enum import Enum


class DebugLevel(Enum):
    """The values of the environment variable TORCH_DISTRIBUTED_DEBUG."""

    OFF = 0
    INFO = 1
    DETAIL = 2


_chosen: list[DebugLevel] = []


def get_debug_level() -> DebugLevel:
    """What was set last, or what TORCH_DISTRIBUTED_DEBUG says; OFF without.

    Example:
        >>> isinstance(get_debug_level(), DebugLevel)
        True
    """
    if not _chosen:
        set_debug_level_from_env()
    return _chosen[0]


def set_debug_level(level: DebugLevel) -> None:
    """Remember ``level``."""
    _chosen[:] = [level]


def set_debug_level_from_env() -> None:
    """Read TORCH_DISTRIBUTED_DEBUG; raises ``RuntimeError`` for other values than OFF, INFO and DETAIL."""
    name = os.environ.get("TORCH_DISTRIBUTED_DEBUG", "OFF").upper()
    if name not in DebugLevel.__members__:
        raise RuntimeError(f"TORCH_DISTRIBUTED_DEBUG: got {name!r}; give OFF, INFO or DETAIL")
    set_debug_level(DebugLevel[name])
