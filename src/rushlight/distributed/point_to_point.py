"""Messages from one rank to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.device import OF_ARRAYS
from ..core.tensor import Tensor, storage_of
from ..ops.inplace import check_no_overlap
from ..runtime.pending import Pending
from . import engine, nccl, records, work as under_way
from .collectives import _check_tensor, _member, root_in, write
from .errors import DistBackendError
from .process_group import ProcessGroup
from .wire import as_bytes, contiguous
from .work import Steps, Work


def send(
    tensor: Tensor, dst: int | None = None, group: Any = None, tag: int = 0, group_dst: int | None = None
) -> None:
    """Send ``tensor`` to rank ``dst``, which must ``recv`` as many bytes.

    Returns when the tensor may be changed again. Raises ``ValueError`` for this rank itself or one outside of the group.
    """
    work = isend(tensor, dst, group, tag, group_dst)
    if work is not None:
        work.wait()


def recv(
    tensor: Tensor, src: int | None = None, group: Any = None, tag: int = 0, group_src: int | None = None
) -> int:
    """Fill ``tensor`` with a message from rank ``src`` (None: from any); returns the sender's rank.

    Raises ``DistBackendError`` where the message has another size than the tensor.
    """
    work = irecv(tensor, src, group, tag, group_src)
    if work is None:
        return -1
    work.wait()
    return work.source_rank()


def isend(
    tensor: Tensor, dst: int | None = None, group: Any = None, tag: int = 0, group_dst: int | None = None
) -> Work | None:
    """Begin to send; the tensor must not change until the returned work's ``wait()`` has returned."""
    _check_tensor("tensor", tensor)
    found = _member(group, "isend")
    if found is None:
        return None
    number = root_in(found, "dst", dst, group_dst)
    if number == found.rank():
        raise ValueError(
            "Invalid destination rank: destination rank should not be the same as the rank of the current process."
        )
    records.complete("isend")
    what = f"send of {_described(tensor)} to rank {found.ranks[number]}"
    return under_way.start_message(found, what, _send(found, tensor, number, tag), [tensor])


def irecv(
    tensor: Tensor, src: int | None = None, group: Any = None, tag: int = 0, group_src: int | None = None
) -> Work | None:
    """Begin to receive; the tensor has the message once the returned work's ``wait()`` has returned."""
    _check_tensor("tensor", tensor)
    found = _member(group, "irecv")
    if found is None:
        return None
    check_no_overlap(tensor._array)
    anyone = src is None and group_src is None
    number = -1 if anyone else root_in(found, "src", src, group_src)
    if number == found.rank():
        raise ValueError(
            "Invalid source rank: source rank should not be the same as the rank of the current process."
        )
    records.complete("irecv")
    sender = "any rank" if anyone else f"rank {found.ranks[number]}"
    what = f"recv of {_described(tensor)} from {sender}"
    steps = _receive(found, tensor, number, tag)
    work = under_way.start_message(found, what, steps, [tensor])
    return work


def _described(tensor: Tensor) -> str:
    return f"{tensor._array.dtype.name} {list(tensor._array.shape)}"


def _send(group: ProcessGroup, tensor: Tensor, number: int, tag: int) -> Steps:
    array = tensor._array
    if type(array) in OF_ARRAYS:
        if nccl.carries(group, array):
            # What comes is told first: NCCL would wait for ever for a message of another size.
            note = np.array([array.nbytes], np.int64)
            yield group.control.Isend(note, number, _NOTE + tag), False
            yield from nccl.send(group, array, number)
            return
        backend: Any = OF_ARRAYS[type(array)]
        array = backend.to_host(array)
    yield group.comm.Isend(as_bytes(contiguous(array)), number, tag), True


class _Receipt:
    """A receive's request together with the status that only its ``Test`` fills."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self.status: Any = engine.mpi().Status()

    def Test(self) -> bool:
        return bool(self._request.Test(self.status))


def _receive(group: ProcessGroup, tensor: Tensor, number: int, tag: int) -> Steps:
    module = engine.mpi()
    target = tensor._array
    if type(target) is Pending:
        target = target.tape.share(target)
    if type(target) in OF_ARRAYS and nccl.carries(group, target):
        return (yield from _receive_on_device(group, tensor, number, tag))
    direct = target.flags.c_contiguous and type(target) is np.ndarray
    buffer = target if direct else np.empty(target.shape, target.dtype)
    source = module.ANY_SOURCE if number < 0 else number
    receipt = _Receipt(group.comm.Irecv(as_bytes(buffer), source, tag))
    yield receipt, True
    sent = receipt.status.Get_count(module.BYTE)
    if sent != buffer.nbytes:
        raise DistBackendError(
            f"recv: rank {group.ranks[receipt.status.Get_source()]} sent {sent} bytes; the tensor, {_described(tensor)}, "
            f"takes {buffer.nbytes}"
        )
    if direct:
        storage_of(tensor).mark_changed("recv")
    else:
        write(tensor, on_device_of(target, buffer))
    return group.ranks[receipt.status.Get_source()]


def on_device_of(like: Any, array: Any) -> Any:
    """``array`` where ``like`` is."""
    backend: Any = OF_ARRAYS.get(type(like))
    return array if backend is None else backend.place(array, backend.device_of(like))


def _receive_on_device(group: ProcessGroup, tensor: Tensor, number: int, tag: int) -> Steps:
    module = engine.mpi()
    target: Any = tensor._array
    note = np.zeros(1, np.int64)
    source = module.ANY_SOURCE if number < 0 else number
    receipt = _Receipt(group.control.Irecv(note, source, _NOTE + tag))
    yield receipt, False
    sender = receipt.status.Get_source()
    if note[0] != target.nbytes:
        raise DistBackendError(
            f"recv: rank {group.ranks[sender]} sent {note[0]} bytes; the tensor, {_described(tensor)}, takes {target.nbytes}"
        )
    found = yield from nccl.receive(group, target, sender)
    if found is target:
        storage_of(tensor).mark_changed("recv")
    else:
        write(tensor, found)
    return group.ranks[sender]


_NOTE = 1000  # the first tag of such notes


class P2POp:
    """One message for ``batch_isend_irecv``: ``op`` is ``isend`` or ``irecv``, ``peer`` the other rank."""

    def __init__(
        self,
        op: Any,
        tensor: Tensor,
        peer: int | None = None,
        group: Any = None,
        tag: int = 0,
        group_peer: int | None = None,
    ) -> None:
        if op not in (isend, irecv):
            raise ValueError(
                "Invalid ``op``. Expected ``op`` to be of type ``torch.distributed.isend`` or ``torch.distributed.irecv``."
            )
        _check_tensor("tensor", tensor)
        self.op = op
        self.tensor = tensor
        self.peer = peer
        self.group = group
        self.tag = tag
        self.group_peer = group_peer


def batch_isend_irecv(p2p_op_list: Sequence[P2POp]) -> list[Work]:
    """Begin all the messages of the list, in any order; returns their works.

    Raises ``ValueError`` for an empty list or one of something else.
    """
    if not isinstance(p2p_op_list, list | tuple) or not all(isinstance(one, P2POp) for one in p2p_op_list):
        raise ValueError(
            "Invalid ``p2p_op_list``. Each op is expected to to be of type ``torch.distributed.P2POp``."
        )
    if not p2p_op_list:
        raise ValueError("batch_isend_irecv: got an empty list; give at least one P2POp")
    # Receives first: a message that has a place to go to needs no copy on the way.
    started = {}
    for index in sorted(range(len(p2p_op_list)), key=lambda i: p2p_op_list[i].op is isend):
        one = p2p_op_list[index]
        started[index] = one.op(one.tensor, one.peer, one.group, one.tag, one.group_peer)
    return [started[index] for index in range(len(p2p_op_list)) if started[index] is not None]
