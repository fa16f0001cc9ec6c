"""The collectives on arrays: what each rank sends, and what it has in the end.

Each function is a generator of MPI requests (see ``work``) that returns the result. It compares first what the ranks ask for.
``root`` is a number in the group. Arrays may have any strides and no elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import device_exchanges, engine, nccl
from .agreement import agree, described
from .reduce_op import ReduceOp, Reduction
from .stage import WORTH_STAGING, Sum
from .wire import as_bytes, contiguous, from_wire, mpi_op, to_wire
from .work import Steps

if TYPE_CHECKING:
    from .process_group import ProcessGroup

Array = NDArray[Any]
ndarray = np.ndarray
carried_out = device_exchanges.carried_out


def all_reduce(group: ProcessGroup, array: Array, op: Reduction) -> Steps:
    """Every rank's array reduced to one, on every rank; may use ``array``'s own memory."""
    yield from agree(group, described("all_reduce", array, op=op.name))
    if type(array) is not ndarray:
        return (yield from carried_out(group, nccl.all_reduce, all_reduce, [array], op))
    wire = to_wire(array, op)
    yield group.comm.Iallreduce(engine.mpi().IN_PLACE, wire, mpi_op(op, array.dtype)), True
    return from_wire(wire, array.shape, array.dtype, op, group.size())


def reduce(group: ProcessGroup, array: Array, op: Reduction, root: int) -> Steps:
    """The reduced array on ``root``, None elsewhere; ``array`` itself is not changed."""
    yield from agree(group, described("reduce", array, op=op.name, root=group.ranks[root]))
    if type(array) is not ndarray:
        return (yield from carried_out(group, nccl.reduce, reduce, [array], op, root))
    wire = to_wire(array, op)
    at_root = group.rank() == root
    found = np.empty_like(wire) if at_root else None
    yield group.comm.Ireduce(wire, found, mpi_op(op, array.dtype), root), True
    return None if found is None else from_wire(found, array.shape, array.dtype, op, group.size())


def broadcast(group: ProcessGroup, array: Array, root: int) -> Steps:
    """``root``'s array; in ``array``'s own memory where that is contiguous."""
    yield from agree(group, described("broadcast", array, source=group.ranks[root]))
    if type(array) is not ndarray:
        return (yield from carried_out(group, _broadcast_on_device, broadcast, [array], root))
    data = contiguous(array)
    yield group.comm.Ibcast(as_bytes(data), root), True
    return data


def _broadcast_on_device(group: ProcessGroup, array: Array, root: int) -> Steps:
    return (yield from nccl.broadcast(group, [array], root))[0]


def broadcast_together(group: ProcessGroup, arrays: Sequence[Array], root: int) -> Steps:
    """``root``'s arrays, which are on a GPU; in the arrays' own memory where that is contiguous."""
    yield from agree(group, described("broadcast", *arrays, source=group.ranks[root]))

    def over_mpi(group: ProcessGroup, arrays: Sequence[Array], root: int) -> Steps:
        found = []
        for array in arrays:
            found.append((yield from broadcast(group, array, root)))
        return found

    return (yield from carried_out(group, nccl.broadcast, over_mpi, arrays, root, listed=True))


def all_gather(group: ProcessGroup, array: Array, shapes: Sequence[tuple[int, ...]] | None = None) -> Steps:
    """Every rank's array, on every rank; ``shapes`` where they are not all alike."""
    if shapes is None or len(set(shapes)) == 1:
        yield from agree(group, described("all_gather", array))
        if type(array) is not ndarray:
            same = [array.shape] * group.size()
            return (yield from carried_out(group, nccl.all_gather, all_gather, [array], same))
        data = contiguous(array)
        found = np.empty((group.size(), *array.shape), array.dtype)
        yield group.comm.Iallgather(as_bytes(data), as_bytes(found)), True
        return list(found)
    expected = [list(shape) for shape in shapes]
    yield from agree(
        group,
        f"all_gather of {array.dtype.name} {expected}",
        fault=_misfit(array, shapes[group.rank()], expected),
    )
    if type(array) is not ndarray:
        return (yield from carried_out(group, nccl.all_gather, all_gather, [array], shapes))
    parts = [np.empty(shape, array.dtype) for shape in shapes]
    counts = [part.nbytes for part in parts]
    joined = np.empty(sum(counts), np.uint8)
    yield group.comm.Iallgatherv(as_bytes(contiguous(array)), [joined, counts]), True
    return _split(joined, parts)


def _misfit(array: Array, shape: tuple[int, ...], expected: Any) -> str:
    if array.shape == shape:
        return ""
    return (
        f"all_gather: this rank gives {list(array.shape)} where its list of tensors expects one of {expected}"
    )


def _split(joined: Array, parts: list[Array]) -> list[Array]:
    start = 0
    for part in parts:
        as_bytes(part)[...] = joined[start : start + part.nbytes]
        start += part.nbytes
    return parts


def gather(group: ProcessGroup, array: Array, root: int) -> Steps:
    """Every rank's array on ``root``; None elsewhere."""
    yield from agree(group, described("gather", array, root=group.ranks[root]))
    if type(array) is not ndarray:
        return (yield from carried_out(group, nccl.gather, gather, [array], root))
    found = np.empty((group.size(), *array.shape), array.dtype) if group.rank() == root else None
    data = as_bytes(contiguous(array))
    yield group.comm.Igather(data, None if found is None else as_bytes(found), root), True
    return None if found is None else list(found)


def scatter(group: ProcessGroup, arrays: Sequence[Array] | None, like: Array, root: int) -> Steps:
    """This rank's part of ``root``'s ``arrays``, which all have the shape and dtype of ``like``."""
    yield from agree(group, described("scatter", like, source=group.ranks[root]))
    if type(like) is not ndarray:
        return (yield from _scatter_on_device(group, arrays, like, root))
    data = None if arrays is None else as_bytes(np.stack(arrays))
    found = np.empty(like.shape, like.dtype)
    yield group.comm.Iscatter(data, as_bytes(found), root), True
    return found


def _scatter_on_device(group: ProcessGroup, arrays: Sequence[Array] | None, like: Array, root: int) -> Steps:
    if nccl.carries(group, like):
        return (yield from nccl.scatter(group, arrays, like, root))

    def over_mpi(group: ProcessGroup, like: Array, *parts: Array) -> Steps:
        return (yield from scatter(group, parts or None, like, root))

    return (yield from carried_out(group, nccl.scatter, over_mpi, [like, *(arrays or ())]))


def reduce_scatter(group: ProcessGroup, arrays: Sequence[Array], op: Reduction) -> Steps:
    """The reduction of all ranks' ``arrays[n]`` on rank ``n``."""
    yield from agree(group, described("reduce_scatter", *arrays, op=op.name))
    own = arrays[group.rank()]
    if type(own) is not ndarray:
        return (yield from carried_out(group, nccl.reduce_scatter, reduce_scatter, arrays, op, listed=True))
    wires = [to_wire(array, op) for array in arrays]
    wire = np.concatenate(wires)
    found = np.empty_like(wires[group.rank()])
    counts = [part.size for part in wires]
    yield group.comm.Ireduce_scatter(wire, found, counts, mpi_op(op, own.dtype)), True
    return from_wire(found, own.shape, own.dtype, op, group.size())


def all_to_all(group: ProcessGroup, arrays: Sequence[Array], shapes: Sequence[tuple[int, ...]]) -> Steps:
    """The array that each rank meant for this one; ``shapes`` says what is expected from each."""
    dtype = arrays[0].dtype
    yield from agree(group, f"all_to_all of {dtype.name}")
    itemsize = dtype.itemsize
    mine = np.array([array.size for array in arrays], np.int64)
    coming = np.empty_like(mine)
    yield group.control.Ialltoall(mine, coming), False
    fault = ""
    for source, (count, shape) in enumerate(zip(coming, shapes, strict=True)):
        if int(np.prod(shape, dtype=np.int64)) != count:
            fault = f"all_to_all: rank {group.ranks[source]} sends {count} elements where this rank expects {list(shape)}"
            break
    yield from agree(group, "all_to_all", fault=fault)
    if type(arrays[0]) is not ndarray:
        return (yield from carried_out(group, nccl.all_to_all, all_to_all, arrays, shapes, listed=True))
    sent = np.concatenate([contiguous(array).reshape(-1) for array in arrays]).view(np.uint8)
    found = [np.empty(shape, dtype) for shape in shapes]
    received = np.empty(sum(part.nbytes for part in found), np.uint8)
    yield (
        group.comm.Ialltoallv(
            [sent, [int(n) * itemsize for n in mine]], [received, [part.nbytes for part in found]]
        ),
        True,
    )
    return _split(received, found)


def barrier(group: ProcessGroup) -> Steps:
    """Nothing, once all ranks are here."""
    for link in group.links.values():
        link.cupy.cuda.get_current_stream().synchronize()
    yield from agree(group, "barrier")
    yield group.comm.Ibarrier(), True


# --- for callers that have made sure of agreement themselves ----------------------------------------------------------


def sum_in_place(group: ProcessGroup, flat: Array) -> Steps:
    """The sum of all ranks' ``flat``, a contiguous array of a dtype that MPI can add, in its own memory."""
    if type(flat) is not ndarray:
        # The ranks agree first: NCCL would wait for one that does not come for ever, and nobody could tell.
        yield from agree(group, described("gradients", flat))
        total = yield from carried_out(group, nccl.all_reduce, all_reduce, [flat], ReduceOp.SUM)
        if total is not flat:
            flat[...] = total
        return flat
    yield group.comm.Iallreduce(engine.mpi().IN_PLACE, flat, engine.mpi().SUM), True
    return flat


def is_staged(group: ProcessGroup, nbytes: int) -> bool:
    """Whether a sum of that many bytes goes through memory that the ranks share; for arrays of the host."""
    return group.stage is not None and WORTH_STAGING <= nbytes <= group.stage.capacity


def scaled_sum_in_place(group: ProcessGroup, flat: Array, scale: float | None) -> Steps:
    """The sum of all ranks' ``flat * scale``, a contiguous array of a dtype that MPI can add, in its own memory."""
    if type(flat) is ndarray and is_staged(group, flat.nbytes):
        stage = group.stage
        total = yield from stage.put(Sum(flat.dtype), [flat], scale)
        stage.take(total, [flat])
        return flat
    if scale is not None:
        np.multiply(flat, flat.dtype.type(scale), out=flat)
    return (yield from sum_in_place(group, flat))


def broadcast_bytes(group: ProcessGroup, data: Array, root: int) -> Steps:
    """``root``'s bytes in the memory of ``data``."""
    yield group.comm.Ibcast(data, root), True
    return data


def all_gather_bytes(group: ProcessGroup, data: Array, what: str) -> Steps:
    """Every rank's vector of bytes, on every rank, of whatever lengths."""
    yield from agree(group, what)
    lengths = np.empty(group.size(), np.int64)
    yield group.comm.Iallgather(np.array([data.size], np.int64), lengths), False
    found = [np.empty(int(length), np.uint8) for length in lengths]
    joined = np.empty(int(lengths.sum()), np.uint8)
    yield group.comm.Iallgatherv(data, [joined, [part.size for part in found]]), True
    return _split(joined, found)
