"""NCCL, through CuPy (``cupy.cuda.nccl``): how arrays on GPUs travel.

A group of ranks has one communicator for each GPU that this process uses with it, made when it is first needed. Its id
travels over MPI, and what the ranks say to each other about a collective does too (``agreement``): NCCL itself waits without
an end, or gives garbage, where ranks do not ask for the same.

Everything is put into a stream of its own. Before, that stream waits for what the program has put into the current one;
afterwards, when somebody waits for the work, the current stream waits for it. The processor waits for neither.
(NVIDIA, "NCCL user guide": collectives, point-to-point, group calls, data types.)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..core.device import OF_ARRAYS
from ..core.tensor import make_tensor
from . import engine
from .agreement import agree
from .errors import DistBackendError
from .pausing import at_once
from .reduce_op import PremultipliedSum, ReduceOp, Reduction
from .work import OnStream, Steps

if TYPE_CHECKING:
    from .process_group import ProcessGroup

Array = Any  # cupy.ndarray

# ncclDataType_t and ncclRedOp_t, by the numbers that NCCL's interface fixes: CuPy hands them on as they are.
_BYTES: Final = 1  # ncclUint8: what is only moved
_TYPES: Final = {
    "int8": 0, "uint8": 1, "int32": 2, "uint32": 3, "int64": 4, "uint64": 5, "float16": 6, "float32": 7, "float64": 8,
    "bfloat16": 9,
}  # fmt: skip
_SUM, _PRODUCT, _MAX, _MIN = range(4)
_OPS: Final = {
    ReduceOp.SUM: _SUM,
    ReduceOp.AVG: _SUM,
    ReduceOp.PRODUCT: _PRODUCT,
    ReduceOp.MAX: _MAX,
    ReduceOp.MIN: _MIN,
}
# On 0 and 1.
_OPS_OF_BOOLS: Final = {
    ReduceOp.SUM: _MAX,
    ReduceOp.MAX: _MAX,
    ReduceOp.BOR: _MAX,
    ReduceOp.PRODUCT: _MIN,
    ReduceOp.MIN: _MIN,
    ReduceOp.BAND: _MIN,
}


def library() -> Any:
    """``cupy.cuda.nccl``; None where CuPy, a GPU or NCCL is missing."""
    from ..cuda import is_available

    if not is_available():
        return None
    cupy: Any = sys.modules.get("cupy")
    nccl = getattr(getattr(cupy, "cuda", None), "nccl", None)
    return nccl if getattr(nccl, "available", False) else None


def carries(group: ProcessGroup, array: Array) -> bool:
    """Whether a collective of ``group`` with ``array`` goes over NCCL; otherwise MPI carries it, through the host.

    Raises ``RuntimeError`` where the program asked for NCCL and it is not there.
    """
    wanted = group.backend
    if "nccl" not in wanted and wanted != "undefined":
        return False
    if library() is not None:
        return True
    if "nccl" in wanted:
        raise RuntimeError(
            "backend 'nccl': CuPy finds no NCCL; install it (pip install nvidia-nccl-cu12, or python -m "
            "cupyx.tools.install_library "
            "--library nccl), or use init_process_group('gloo'), which sends CUDA tensors through the host"
        )
    return False


class Link:
    """This rank's communicator of a group on one GPU, and the stream that its work goes to."""

    def __init__(
        self, backend: Any, where: Any, nccl: Any, number: Sequence[int], size: int, rank: int
    ) -> None:
        self.cupy = backend.cupy
        self.nccl = nccl
        self.size, self.rank = size, rank
        with backend.on(where):
            self.communicator = nccl.NcclCommunicator(size, tuple(number), rank)
            self.stream = self.cupy.cuda.Stream(non_blocking=True)

    def enqueue(self, operate: Callable[[Any, int], None], *kept: Any) -> OnStream:
        """Let ``operate(communicator, stream)`` put work into the stream. ``kept``: the arrays whose memory it uses."""
        current = self.cupy.cuda.get_current_stream()
        self.stream.wait_event(current.record())
        try:
            operate(self.communicator, self.stream.ptr)
        except self.nccl.NcclError as error:
            raise DistBackendError(f"NCCL failed: {error}") from error
        done = self.stream.record()

        def arrived() -> None:
            self.cupy.cuda.get_current_stream().wait_event(done)

        return OnStream(lambda: bool(done.done), arrived, kept)

    def together(self, calls: Callable[[Any, int], None]) -> Callable[[Any, int], None]:
        """``calls`` as one NCCL group: several messages, none of which waits for another."""

        def operate(communicator: Any, stream: int) -> None:
            self.nccl.groupStart()
            try:
                calls(communicator, stream)
            finally:
                self.nccl.groupEnd()

        return operate


def link_of(group: ProcessGroup, array: Array) -> Steps:
    """The group's link for the GPU that ``array`` is on. All ranks come here together."""
    backend: Any = OF_ARRAYS[type(array)]
    where = backend.device_of(array)
    link = group.links.get(where)
    if link is not None:
        return link
    nccl = library()
    number = np.zeros(_ID_BYTES, np.int8)
    fault = ""
    if group.rank() == 0:
        try:
            number[:] = np.array(nccl.get_unique_id(), np.int64).astype(np.int8)
        except Exception as error:
            fault = f"NCCL gives no id: {error}"
    yield from agree(group, "the first collective on a GPU", fault=fault)
    yield group.control.Ibcast(number, 0), False
    call_off = engine.after(group.timeout, lambda: _give_up(group))
    try:
        link = Link(backend, where, nccl, number.tolist(), group.size(), group.rank())
    except Exception as error:
        raise DistBackendError(
            f"NCCL cannot start on rank {group.world_rank} with {where}: {error}; each rank needs a GPU of its own "
            "(torch.cuda.set_device(local_rank))"
        ) from error
    finally:
        call_off()
    group.links[where] = link
    return link


_ID_BYTES: Final = 128


def _give_up(group: ProcessGroup) -> None:
    sys.stderr.write(
        f"NCCL: rank {group.world_rank} waited {group.timeout:g} s for the other ranks; the job ends\n"
    )
    sys.stderr.flush()
    os._exit(1)


# --- arrays -----------------------------------------------------------------------------------------------------------


def _pointer(array: Array) -> int:
    return int(array.data.ptr)


def _contiguous(link: Link, array: Array) -> Array:
    return array if array.flags.c_contiguous else link.cupy.ascontiguousarray(array)


def _tensor(array: Array) -> Any:
    return make_tensor(array)


def operation(what: str, array: Array, op: Reduction) -> int:
    """NCCL's number for a reduction; ``RuntimeError`` for one that it lacks."""
    if isinstance(op, PremultipliedSum):
        return _SUM
    found = (_OPS_OF_BOOLS if array.dtype.kind == "b" else _OPS).get(op)
    if found is None:
        raise RuntimeError(
            f"{what}: Cannot use ReduceOp.{op.name} with NCCL; use a group of backend 'gloo' for it: new_group(backend='gloo')"
        )
    return found


def to_wire(link: Link, array: Array, op: Reduction) -> tuple[Array, int, int]:
    """``array``'s values in contiguous memory of a type that NCCL reduces, how many they are, and the type."""
    if isinstance(op, PremultipliedSum):
        factor = op.factor
        with at_once():
            array = (_tensor(array) * factor).to(_tensor(array).dtype)._array
    array = _contiguous(link, array)
    name, count = array.dtype.name, int(array.size)
    if array.dtype.kind == "b":
        return array, count, _BYTES
    if array.dtype.kind == "c":
        return array, 2 * count, _TYPES["float32" if array.dtype.itemsize == 8 else "float64"]
    if name not in _TYPES:
        array = array.astype(np.int32)
        name = "int32"
    return array, count, _TYPES[name]


def from_wire(wire: Array, like: Array, op: Reduction, size: int) -> Array:
    """The reduced values in the shape and dtype of ``like``; ``AVG`` divides here."""
    if op is ReduceOp.AVG:
        with at_once():
            values = _tensor(wire)
            values.div_(size, rounding_mode="trunc") if wire.dtype.kind in "iu" else values.div_(size)
    return wire if wire.dtype == like.dtype else wire.astype(like.dtype)


# --- collectives, after the ranks have agreed --------------------------------------------------------------------------


def all_reduce(group: ProcessGroup, array: Array, op: Reduction) -> Steps:
    """The reduction, in ``array``'s own memory where that is contiguous and of a type that NCCL has."""
    number = operation("all_reduce", array, op)
    link = yield from link_of(group, array)
    wire, count, kind = to_wire(link, array, op)
    at = _pointer(wire)
    yield link.enqueue(lambda c, s: c.allReduce(at, at, count, kind, number, s), wire), True
    return from_wire(wire, array, op, group.size())


def reduce(group: ProcessGroup, array: Array, op: Reduction, root: int) -> Steps:
    """The reduction on ``root``, None elsewhere."""
    number = operation("reduce", array, op)
    link = yield from link_of(group, array)
    wire, count, kind = to_wire(link, array, op)
    found = link.cupy.empty(wire.shape, wire.dtype) if group.rank() == root else wire
    a, b = _pointer(wire), _pointer(found)
    yield link.enqueue(lambda c, s: c.reduce(a, b, count, kind, number, root, s), wire, found), True
    return from_wire(found, array, op, group.size()) if group.rank() == root else None


def broadcast(group: ProcessGroup, arrays: Sequence[Array], root: int) -> Steps:
    """``root``'s arrays, each in its own memory where that is contiguous."""
    link = yield from link_of(group, arrays[0])
    data = [_contiguous(link, array) for array in arrays]

    def calls(c: Any, s: int) -> None:
        for one in data:
            if one.nbytes:
                c.broadcast(_pointer(one), _pointer(one), one.nbytes, _BYTES, root, s)

    yield link.enqueue(link.together(calls), *data), True
    return data


def all_gather(group: ProcessGroup, array: Array, shapes: Sequence[tuple[int, ...]]) -> Steps:
    """Every rank's array."""
    link = yield from link_of(group, array)
    data = _contiguous(link, array)
    if len(set(shapes)) == 1:
        found = link.cupy.empty((group.size(), *array.shape), array.dtype)
        a, b = _pointer(data), _pointer(found)
        yield link.enqueue(lambda c, s: c.allGather(a, b, data.nbytes, _BYTES, s), data, found), True
        return list(found)
    parts = [link.cupy.empty(shape, array.dtype) for shape in shapes]

    def calls(c: Any, s: int) -> None:
        for rank, part in enumerate(parts):
            if part.nbytes:
                source = data if rank == group.rank() else part
                c.broadcast(_pointer(source), _pointer(part), part.nbytes, _BYTES, rank, s)

    yield link.enqueue(link.together(calls), data, *parts), True
    return parts


def gather(group: ProcessGroup, array: Array, root: int) -> Steps:
    """Every rank's array on ``root``; None elsewhere."""
    link = yield from link_of(group, array)
    data = _contiguous(link, array)
    parts = (
        [link.cupy.empty(array.shape, array.dtype) for _ in range(group.size())]
        if group.rank() == root
        else []
    )
    yield _messages(link, {root: data}, dict(enumerate(parts))), True
    return parts or None


def scatter(group: ProcessGroup, arrays: Sequence[Array] | None, like: Array, root: int) -> Steps:
    """This rank's part of ``root``'s arrays."""
    link = yield from link_of(group, like)
    found = link.cupy.empty(like.shape, like.dtype)
    sent = {} if arrays is None else {rank: _contiguous(link, one) for rank, one in enumerate(arrays)}
    yield _messages(link, sent, {root: found}), True
    return found


def reduce_scatter(group: ProcessGroup, arrays: Sequence[Array], op: Reduction) -> Steps:
    """The reduction of all ranks' ``arrays[n]`` on rank ``n``."""
    own = arrays[group.rank()]
    number = operation("reduce_scatter", own, op)
    link = yield from link_of(group, own)
    wires = [to_wire(link, array, op) for array in arrays]
    like, count, kind = wires[group.rank()]
    found = link.cupy.empty(like.shape, like.dtype)
    if len({size for _, size, _ in wires}) == 1:
        joined = link.cupy.concatenate([wire.reshape(-1) for wire, _, _ in wires])
        a, b = _pointer(joined), _pointer(found)
        yield link.enqueue(lambda c, s: c.reduceScatter(a, b, count, kind, number, s), joined, found), True
    else:

        def calls(c: Any, s: int) -> None:
            for rank, (wire, size, _) in enumerate(wires):
                if size:
                    target = found if rank == group.rank() else wire
                    c.reduce(_pointer(wire), _pointer(target), size, kind, number, rank, s)

        yield link.enqueue(link.together(calls), found, *[wire for wire, _, _ in wires]), True
    return from_wire(found, own, op, group.size())


def all_to_all(group: ProcessGroup, arrays: Sequence[Array], shapes: Sequence[tuple[int, ...]]) -> Steps:
    """The array that each rank meant for this one."""
    link = yield from link_of(group, arrays[0])
    sent = [_contiguous(link, array) for array in arrays]
    found = [link.cupy.empty(shape, arrays[0].dtype) for shape in shapes]
    yield _messages(link, dict(enumerate(sent)), dict(enumerate(found))), True
    return found


def send(group: ProcessGroup, array: Array, number: int) -> Steps:
    """A message to the group's rank ``number``."""
    link = yield from link_of_pair(group, array, number)
    data = _contiguous(link, array)
    yield _messages(link, {_peer(group, number): data}, {}), True


def receive(group: ProcessGroup, target: Array, number: int) -> Steps:
    """A message from the group's rank ``number``, in contiguous memory."""
    link = yield from link_of_pair(group, target, number)
    found = target if target.flags.c_contiguous else link.cupy.empty(target.shape, target.dtype)
    yield _messages(link, {}, {_peer(group, number): found}), True
    return found


def _messages(link: Link, sent: dict[int, Array], received: dict[int, Array]) -> OnStream:
    """Messages to and from ranks of the communicator, all at once; one to this rank itself is a copy."""

    def calls(c: Any, s: int) -> None:
        for rank, one in sent.items():
            if rank != link.rank and one.nbytes:
                c.send(_pointer(one), one.nbytes, _BYTES, rank, s)
        for rank, one in received.items():
            if rank != link.rank and one.nbytes:
                c.recv(_pointer(one), one.nbytes, _BYTES, rank, s)

    def operate(c: Any, s: int) -> None:
        own = received.get(link.rank)
        if own is not None and link.rank in sent and own.nbytes:
            runtime = link.cupy.cuda.runtime
            runtime.memcpyAsync(
                _pointer(own), _pointer(sent[link.rank]), own.nbytes, runtime.memcpyDefault, s
            )
        link.together(calls)(c, s)

    return link.enqueue(operate, *sent.values(), *received.values())


# --- messages: a communicator for each pair of ranks, so that others need not take part ---------------------------------


def _peer(group: ProcessGroup, number: int) -> int:
    """The other rank's number in the communicator of the two."""
    return 0 if group.rank() > number else 1


def link_of_pair(group: ProcessGroup, array: Array, number: int) -> Steps:
    """The communicator of this rank and rank ``number``; the lower of them makes its id."""
    backend: Any = OF_ARRAYS[type(array)]
    where = backend.device_of(array)
    key = (where, number)
    link = group.links.get(key)
    if link is None:
        nccl = library()
        own = 1 - _peer(group, number)
        identity = np.zeros(_ID_BYTES, np.int8)
        if own == 0:
            identity[:] = np.array(nccl.get_unique_id(), np.int64).astype(np.int8)
            yield group.control.Isend(identity, number, _ID_TAG), False
        else:
            yield group.control.Irecv(identity, number, _ID_TAG), False
        link = group.links[key] = Link(backend, where, nccl, identity.tolist(), 2, own)
    return link


_ID_TAG: Final = 9
