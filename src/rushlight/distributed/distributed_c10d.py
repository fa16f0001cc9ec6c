"""The names of ``torch.distributed`` under the module in which PyTorch defines them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import (
    Backend as Backend,
    GroupMember as GroupMember,
    ProcessGroup as ProcessGroup,
    ReduceOp as ReduceOp,
    Work as Work,
    default_pg_timeout as default_pg_timeout,
    group as group,
)
from .coalesced import _coalescing_manager as _coalescing_manager
from .process_group import _world as _the_world, the_group


def _get_default_group() -> ProcessGroup:
    """The group of all ranks; raises ``ValueError`` where there is none."""
    return _the_world()


def _get_default_timeout(backend: Any = None) -> Any:
    return default_pg_timeout


def _rank_not_in_group(group: Any) -> bool:
    return the_group(group) is None


def _get_process_group_name(group: ProcessGroup) -> str:
    return group.group_name


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        from .. import distributed

        return getattr(distributed, name)
