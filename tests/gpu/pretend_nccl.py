"""A stand-in for ``cupy.cuda.nccl`` whose ranks are processes of one host: messages are files in a folder named by the id.

It has the names and signatures of CuPy's module and nothing else, takes pointers and counts as integers, refuses two ranks
on one GPU, and raises where NCCL would hang or give garbage: ranks with other operations, counts, types or roots.
``CALLS`` lists what was asked for.
"""

from __future__ import annotations

import ctypes
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pretend_cuda

available = True
NCCL_SUM, NCCL_PROD, NCCL_MAX, NCCL_MIN = range(4)
NCCL_INT8, NCCL_UINT8, NCCL_INT32, NCCL_UINT32, NCCL_INT64, NCCL_UINT64 = range(6)
NCCL_FLOAT16, NCCL_FLOAT32, NCCL_FLOAT64, NCCL_BFLOAT16 = range(6, 10)
_DTYPES = [
    np.dtype(one)
    for one in (
        np.int8,
        np.uint8,
        np.int32,
        np.uint32,
        np.int64,
        np.uint64,
        np.float16,
        np.float32,
        np.float64,
    )
] + [np.dtype(ml_dtypes.bfloat16)]
_REDUCE = {NCCL_SUM: np.add, NCCL_PROD: np.multiply, NCCL_MAX: np.maximum, NCCL_MIN: np.minimum}
CALLS: list[str] = []
_grouped: list[Any] | None = None


class NcclError(RuntimeError):
    """``cupy.cuda.nccl.NcclError``."""


def get_version() -> int:
    return 22304


def get_build_version() -> int:
    return 22304


def get_unique_id() -> tuple[int, ...]:
    data = os.urandom(128)
    return tuple(int(byte) for byte in np.frombuffer(data, np.int8))  # C's char has a sign here


def groupStart() -> None:
    global _grouped
    assert _grouped is None, "groups in groups are not used"
    _grouped = []


def groupEnd() -> None:
    global _grouped
    assert _grouped is not None
    work, _grouped = _grouped, None
    CALLS.append(f"group of {len(work)}")
    for one in sorted(work, key=lambda entry: entry[0]):  # what is sent first
        one[1]()


def _issue(order: int, work: Any) -> None:
    if _grouped is None:
        work()
    else:
        _grouped.append((order, work))


def _memory(pointer: int, count: int, datatype: int) -> Any:
    dtype = _DTYPES[datatype]
    if not count:
        return np.empty(0, dtype)
    return np.frombuffer((ctypes.c_uint8 * (count * dtype.itemsize)).from_address(pointer), dtype)


class NcclCommunicator:
    """``cupy.cuda.nccl.NcclCommunicator``."""

    def __init__(self, ndev: int, commId: tuple[int, ...], rank: int) -> None:
        assert type(commId) is tuple and len(commId) == 128 and 0 <= rank < ndev
        name = np.array(commId, np.int8).tobytes().hex()[:32]
        self._folder = Path(tempfile.gettempdir()) / f"pretend-nccl-{name}"
        self._folder.mkdir(exist_ok=True)
        self._size, self._rank, self._device = ndev, rank, pretend_cuda.current_device()
        self._number = 0
        self._messages: dict[tuple[int, int], int] = {}
        devices = [one["device"] for one, _ in self._exchange({"device": self._device}, b"")]
        if os.environ.get("PRETEND_NCCL_ONE_GPU") != "1" and len(set(devices)) < ndev:
            raise NcclError("NCCL_ERROR_INVALID_USAGE: invalid usage (Duplicate GPU detected)")

    def destroy(self) -> None:
        pass

    def abort(self) -> None:
        pass

    def device_id(self) -> int:
        return self._device

    def rank_id(self) -> int:
        return self._rank

    def size(self) -> int:
        return self._size

    # --- files ---

    def _put(self, name: str, said: dict[str, Any], data: bytes) -> None:
        made = self._folder / f"{name}.new"
        made.write_bytes(json.dumps(said).encode() + b"\n" + data)
        made.rename(self._folder / name)

    def _get(self, name: str) -> tuple[dict[str, Any], bytes]:
        path = self._folder / name
        deadline = time.monotonic() + 30
        while not path.exists():
            if time.monotonic() > deadline:
                raise NcclError(f"here NCCL hangs: nothing came as {name}")
            time.sleep(0.001)
        said, _, data = path.read_bytes().partition(b"\n")
        return json.loads(said), data

    def _exchange(self, said: dict[str, Any], data: bytes) -> list[tuple[dict[str, Any], bytes]]:
        self._number += 1
        self._put(f"{self._number}.{self._rank}", said, data)
        found = [self._get(f"{self._number}.{rank}") for rank in range(self._size)]
        for other, _ in found:
            if "device" not in said and other != said:
                raise NcclError(f"here NCCL gives garbage: {said} and {other}")
        return found

    def _together(self, name: str, count: int, datatype: int, work: Any, source: Any, **more: int) -> None:
        assert all(type(one) is int for one in (count, datatype, *more.values())), (count, datatype, more)
        said = {
            "call": name,
            "count": count,
            "datatype": datatype,
            **{k: v for k, v in more.items() if k != "stream"},
        }
        CALLS.append(name)

        def run() -> None:
            data = source.tobytes()
            parts = [np.frombuffer(part, source.dtype) for _, part in self._exchange(said, data)]
            work(parts)

        _issue(1, run)

    # --- collectives ---

    def allReduce(self, sendbuf: int, recvbuf: int, count: int, datatype: int, op: int, stream: int) -> None:
        source, target = _memory(sendbuf, count, datatype), _memory(recvbuf, count, datatype)

        def work(parts: list[Any]) -> None:
            target[...] = _reduced(parts, op)

        self._together("allReduce", count, datatype, work, source, op=op, stream=stream)

    def reduce(
        self, sendbuf: int, recvbuf: int, count: int, datatype: int, op: int, root: int, stream: int
    ) -> None:
        source, target = _memory(sendbuf, count, datatype), _memory(recvbuf, count, datatype)

        def work(parts: list[Any]) -> None:
            if self._rank == root:
                target[...] = _reduced(parts, op)

        self._together("reduce", count, datatype, work, source, op=op, root=root, stream=stream)

    def broadcast(
        self, sendbuff: int, recvbuff: int, count: int, datatype: int, root: int, stream: int
    ) -> None:
        source, target = _memory(sendbuff, count, datatype), _memory(recvbuff, count, datatype)

        def work(parts: list[Any]) -> None:
            target[...] = parts[root]

        self._together("broadcast", count, datatype, work, source, root=root, stream=stream)

    def bcast(self, buff: int, count: int, datatype: int, root: int, stream: int) -> None:
        self.broadcast(buff, buff, count, datatype, root, stream)

    def reduceScatter(
        self, sendbuf: int, recvbuf: int, recvcount: int, datatype: int, op: int, stream: int
    ) -> None:
        source = _memory(sendbuf, recvcount * self._size, datatype)
        target = _memory(recvbuf, recvcount, datatype)

        def work(parts: list[Any]) -> None:
            target[...] = _reduced(parts, op)[self._rank * recvcount : (self._rank + 1) * recvcount]

        self._together("reduceScatter", recvcount, datatype, work, source, op=op, stream=stream)

    def allGather(self, sendbuf: int, recvbuf: int, count: int, datatype: int, stream: int) -> None:
        source, target = _memory(sendbuf, count, datatype), _memory(recvbuf, count * self._size, datatype)

        def work(parts: list[Any]) -> None:
            if count:
                target[...] = np.concatenate(parts)

        self._together("allGather", count, datatype, work, source, stream=stream)

    # --- messages ---

    def send(self, sendbuf: int, count: int, datatype: int, peer: int, stream: int) -> None:
        assert peer != self._rank and 0 <= peer < self._size
        CALLS.append("send")
        source = _memory(sendbuf, count, datatype)

        def run() -> None:
            number = self._messages[self._rank, peer] = self._messages.get((self._rank, peer), 0) + 1
            said = {"count": count, "datatype": datatype}
            self._put(f"p{self._rank}.{peer}.{number}", said, source.tobytes())

        _issue(0, run)

    def recv(self, recvbuf: int, count: int, datatype: int, peer: int, stream: int) -> None:
        assert peer != self._rank and 0 <= peer < self._size
        CALLS.append("recv")
        target = _memory(recvbuf, count, datatype)

        def run() -> None:
            number = self._messages[peer, self._rank] = self._messages.get((peer, self._rank), 0) + 1
            said, data = self._get(f"p{peer}.{self._rank}.{number}")
            if said != {"count": count, "datatype": datatype}:
                raise NcclError(f"here NCCL gives garbage: {said}, and {count} elements of type {datatype}")
            target[...] = np.frombuffer(data, target.dtype)

        _issue(1, run)

    def check_async_error(self) -> None:
        pass


def _reduced(parts: list[Any], op: int) -> Any:
    total = parts[0].copy()
    for part in parts[1:]:
        total = _REDUCE[op](total, part).astype(total.dtype)
    return total


def install(cupy: Any) -> None:
    """Make ``cupy.cuda.nccl`` this module."""
    import sys

    cupy.cuda.nccl = sys.modules[__name__]
    sys.modules["cupy.cuda.nccl"] = sys.modules[__name__]
