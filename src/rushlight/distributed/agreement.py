"""Whether all ranks of a group are about to do the same.

MPI gives nonsense, a crash or a wait without end where ranks call different collectives or give different shapes. So each
collective first compares a checksum of its description: one reduction of 16 bytes. Only where that fails are the descriptions
themselves exchanged, and every rank raises an error that shows them.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from . import engine
from .errors import RanksDisagree
from .work import Steps

if TYPE_CHECKING:
    from .process_group import ProcessGroup


def agree(group: ProcessGroup, description: str, *, fault: str = "") -> Steps:
    """Go on only if all ranks gave the same description and none has a ``fault``; raises ``RanksDisagree``."""
    if group.size() == 1:
        if fault:
            raise RanksDisagree(fault)
        return
    module = engine.mpi()
    checksum = zlib.crc32(description.encode())
    mine = np.array([checksum, -checksum, 1 if fault else 0], np.int64)
    largest = np.empty(3, np.int64)
    yield group.control.Iallreduce(mine, largest, module.MAX), False
    if largest[0] == -largest[1] and not largest[2]:
        return
    texts = yield from _exchange(group, fault or description)
    lines = "".join([f"\n  rank {rank}: {text}" for rank, text in zip(group.ranks, texts, strict=True)])
    raise RanksDisagree(
        f"the ranks do not ask for the same:{lines}\nAll ranks of a group must make the same calls in the same order, with the "
        "same shapes and dtypes."
    )


def _exchange(group: ProcessGroup, text: str) -> Steps:
    """Every rank's ``text``, on every rank."""
    data = np.frombuffer(text.encode() or b" ", np.uint8)
    lengths = np.empty(group.size(), np.int64)
    yield group.control.Iallgather(np.array([data.size], np.int64), lengths), False
    every = np.empty(int(lengths.sum()), np.uint8)
    yield group.control.Iallgatherv(data, [every, [int(n) for n in lengths]]), False
    found: list[str] = []
    start = 0
    for length in lengths:
        found.append(bytes(every[start : start + int(length)]).decode(errors="replace").strip())
        start += int(length)
    return found


def described(operation: str, *arrays: Any, **details: Any) -> str:
    """``"all_reduce of float32 [2, 3], op SUM"``: what ranks compare, and read where they differ."""
    text = operation
    if arrays:
        text += " of " + ", ".join([f"{array.dtype.name} {list(array.shape)}" for array in arrays])
    for name, value in details.items():
        text += f", {name} {value}"
    return text
