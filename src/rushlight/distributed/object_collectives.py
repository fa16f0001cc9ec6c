"""Collectives of Python objects, pickled. Receive them only from processes that you trust: unpickling runs code."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import exchanges, records, work as under_way
from .agreement import agree
from .collectives import _member as _member_of, root_in
from .process_group import ProcessGroup
from .wire import as_bytes
from .work import Steps


def _member(group: Any, operation: str) -> ProcessGroup | None:
    found = _member_of(group, operation)
    if found is not None:
        records.complete(operation)
    return found


def all_gather_object(object_list: list[Any], obj: Any, group: Any = None) -> None:
    """Fill ``object_list``, which has one place for each rank, with all ranks' ``obj``."""
    found = _member(group, "all_gather_object")
    if found is None:
        return
    _check_places("all_gather_object", "object_list", object_list, found)
    parts = under_way.run(
        found, "all_gather_object", exchanges.all_gather_bytes(found, _pickled(obj), "all_gather_object")
    )
    for number, part in enumerate(parts):
        object_list[number] = _unpickled(part)


def gather_object(
    obj: Any,
    object_gather_list: list[Any] | None = None,
    dst: int | None = None,
    group: Any = None,
    group_dst: int | None = None,
) -> None:
    """Fill ``object_gather_list`` on rank ``dst`` (0) with all ranks' ``obj``."""
    found = _member(group, "gather_object")
    if found is None:
        return
    root = root_in(found, "dst", dst, group_dst, default=0)
    at_root = found.rank() == root
    if at_root:
        if object_gather_list is None:
            raise ValueError("Argument object_gather_list must be specified on destination rank.")
        _check_places("gather_object", "object_gather_list", object_gather_list, found)
    elif object_gather_list:
        raise ValueError("Argument object_gather_list must NOT be specified on non-destination ranks.")
    steps = _gather_bytes(found, _pickled(obj), root)
    parts = under_way.run(found, "gather_object", steps)
    if at_root and object_gather_list is not None:
        for number, part in enumerate(parts):
            object_gather_list[number] = _unpickled(part)


def _gather_bytes(group: ProcessGroup, data: NDArray[Any], root: int) -> Steps:
    yield from agree(group, f"gather_object, root {group.ranks[root]}")
    lengths = np.empty(group.size(), np.int64)
    yield group.comm.Iallgather(np.array([data.size], np.int64), lengths), False
    if group.rank() != root:
        yield group.comm.Igatherv(data, None, root), True
        return None
    joined = np.empty(int(lengths.sum()), np.uint8)
    yield group.comm.Igatherv(data, [joined, [int(n) for n in lengths]], root), True
    return np.split(joined, np.cumsum(lengths)[:-1])


def broadcast_object_list(
    object_list: list[Any],
    src: int | None = None,
    group: Any = None,
    device: Any = None,
    group_src: int | None = None,
) -> None:
    """Replace the objects in ``object_list`` on every rank by those of rank ``src`` (0)."""
    found = _member(group, "broadcast_object_list")
    if found is None:
        return
    root = root_in(found, "src", src, group_src, default=0)
    steps = _broadcast_bytes(
        found, _pickled(object_list) if found.rank() == root else None, root, len(object_list)
    )
    objects = _unpickled(under_way.run(found, "broadcast_object_list", steps))
    if found.rank() != root:
        object_list[:] = objects


def _broadcast_bytes(group: ProcessGroup, data: NDArray[Any] | None, root: int, length: int) -> Steps:
    yield from agree(group, f"broadcast_object_list of {length} objects, source {group.ranks[root]}")
    size = np.array([0 if data is None else data.size], np.int64)
    yield group.comm.Ibcast(as_bytes(size), root), False
    if data is None:
        data = np.empty(int(size[0]), np.uint8)
    yield group.comm.Ibcast(data, root), True
    return data


def scatter_object_list(
    scatter_object_output_list: list[Any],
    scatter_object_input_list: list[Any] | None = None,
    src: int | None = None,
    group: Any = None,
    group_src: int | None = None,
) -> None:
    """Put this rank's part of rank ``src``'s (0) ``scatter_object_input_list`` into the first place of the output list."""
    found = _member(group, "scatter_object_list")
    if found is None:
        return
    if not isinstance(scatter_object_output_list, list) or not scatter_object_output_list:
        raise ValueError("Expected argument scatter_object_output_list to be a list of size at least 1.")
    root = root_in(found, "src", src, group_src, default=0)
    parts = None
    if found.rank() == root:
        if scatter_object_input_list is None:
            raise ValueError("source rank must provide non-None scatter_object_input_list")
        _check_places("scatter_object_list", "scatter_object_input_list", scatter_object_input_list, found)
        parts = [_pickled(one) for one in scatter_object_input_list]
    steps = _scatter_bytes(found, parts, root)
    scatter_object_output_list[0] = _unpickled(under_way.run(found, "scatter_object_list", steps))


def _scatter_bytes(group: ProcessGroup, parts: list[NDArray[Any]] | None, root: int) -> Steps:
    yield from agree(group, f"scatter_object_list, source {group.ranks[root]}")
    size = np.empty(1, np.int64)
    sizes = None if parts is None else np.array([part.size for part in parts], np.int64)
    yield group.comm.Iscatter(sizes, size, root), False
    data = np.empty(int(size[0]), np.uint8)
    sent = None if parts is None else [np.concatenate(parts), [part.size for part in parts]]
    yield group.comm.Iscatterv(sent, data, root), True
    return data


def send_object_list(
    object_list: list[Any],
    dst: int | None = None,
    group: Any = None,
    device: Any = None,
    group_dst: int | None = None,
    use_batch: bool = False,
) -> None:
    """Send the objects of ``object_list`` to rank ``dst``."""
    found = _member(group, "send_object_list")
    if found is None:
        return
    number = root_in(found, "dst", dst, group_dst)
    data = _pickled(object_list)
    request = found.control.Isend(data, number, _OBJECTS)
    under_way.wait_until(request.Test, found.timeout, "send_object_list", found)


def recv_object_list(
    object_list: list[Any],
    src: int | None = None,
    group: Any = None,
    device: Any = None,
    group_src: int | None = None,
    use_batch: bool = False,
) -> int:
    """Replace the objects in ``object_list`` by those that rank ``src`` (None: any) sends; returns the sender's rank."""
    found = _member(group, "recv_object_list")
    if found is None:
        return -1
    from . import engine

    module = engine.mpi()
    anyone = src is None and group_src is None
    number = module.ANY_SOURCE if anyone else root_in(found, "src", src, group_src)
    status: Any = module.Status()
    under_way.wait_until(
        lambda: found.control.Iprobe(number, _OBJECTS, status), found.timeout, "recv_object_list", found
    )
    data = np.empty(status.Get_count(module.BYTE), np.uint8)
    found.control.Recv(data, status.Get_source(), _OBJECTS)
    objects = _unpickled(data)
    if len(objects) != len(object_list):
        raise RuntimeError(
            f"recv_object_list: rank {found.ranks[status.Get_source()]} sent {len(objects)} objects; this rank's list has "
            f"{len(object_list)}"
        )
    object_list[:] = objects
    return found.ranks[int(status.Get_source())]


_OBJECTS = 5  # the tag of such messages


def _pickled(value: Any) -> NDArray[Any]:
    return np.frombuffer(pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL), np.uint8)


def _unpickled(data: NDArray[Any]) -> Any:
    return pickle.loads(data.tobytes())


def _check_places(operation: str, name: str, objects: list[Any], group: ProcessGroup) -> None:
    if len(objects) != group.size():
        raise ValueError(
            f"{operation}: {name} has {len(objects)} places; the group has {group.size()} ranks, and there must be one for each"
        )
