"""The collectives on arrays of a device: over NCCL where that is the group's backend, otherwise over MPI through the host.

Each has the signature and the result of the function of the same name in ``exchanges``, which calls it after the ranks have
agreed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..core.device import OF_ARRAYS
from . import nccl
from .work import Steps

if TYPE_CHECKING:
    from .process_group import ProcessGroup


def carried_out(
    group: ProcessGroup,
    over_nccl: Callable[..., Steps],
    over_mpi: Callable[..., Steps],
    arrays: Sequence[Any],
    *args: Any,
    listed: bool = False,
) -> Steps:
    """``over_nccl(group, *arrays, *args)``, or ``over_mpi`` with copies on the host, whose result goes back to the device.

    ``listed``: the arrays are one argument.
    """
    first = arrays[0]
    if nccl.carries(group, first):
        given = (list(arrays),) if listed else tuple(arrays)
        return (yield from over_nccl(group, *given, *args))
    backend: Any = OF_ARRAYS[type(first)]
    where = backend.device_of(first)
    hosts = [backend.to_host(array) for array in arrays]
    given = (hosts,) if listed else tuple(hosts)
    return _placed((yield from over_mpi(group, *given, *args)), backend, where)


def _placed(result: Any, backend: Any, where: Any) -> Any:
    if result is None:
        return None
    if isinstance(result, list):
        return [backend.place(one, where) for one in result]
    return backend.place(result, where)
