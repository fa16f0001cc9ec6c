"""Several tensors in one call."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from ..core.tensor import Tensor
from . import work as under_way
from .collectives import SUM, _check_list, all_gather, all_reduce
from .process_group import ProcessGroup, the_group
from .reduce_op import Reduction
from .work import Work


def all_reduce_coalesced(
    tensors: Sequence[Tensor], op: Reduction = SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """``all_reduce`` of each of ``tensors``; returns one work for all of them with ``async_op``.

    Raises what ``all_reduce`` raises.
    """
    if isinstance(tensors, Tensor):
        tensors = [tensors]
    _check_list("tensors", tensors)
    return _together(
        "all_reduce", group, [all_reduce(one, op, group, async_op=True) for one in tensors], async_op
    )


def all_gather_coalesced(
    output_tensor_lists: Sequence[Sequence[Tensor]],
    input_tensor_list: Sequence[Tensor],
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """``all_gather`` of each of ``input_tensor_list``: ``output_tensor_lists[rank][i]`` is rank ``rank``'s tensor ``i``.

    Raises ``RuntimeError`` where the output has not one list for each rank, each as long as the input.
    """
    _check_list("input_tensor_list", input_tensor_list)
    for tensors in output_tensor_lists:
        _check_list("output_tensor_lists", tensors)
        if len(tensors) != len(input_tensor_list):
            raise RuntimeError(
                f"all_gather_coalesced: a list of output_tensor_lists has {len(tensors)} tensors, input_tensor_list "
                f"{len(input_tensor_list)}; they must be equal"
            )
    works = [
        all_gather([tensors[i] for tensors in output_tensor_lists], one, group, async_op=True)
        for i, one in enumerate(input_tensor_list)
    ]
    return _together("all_gather", group, works, async_op)


def _together(what: str, group: Any, works: list[Work | None], async_op: bool) -> Work | None:
    started = [work for work in works if work is not None]
    if not started:
        return None
    together = _Works(started)
    if async_op:
        return together
    together.wait()
    return None


class _Works(Work):
    """Several operations under way as one."""

    def __init__(self, works: list[Work]) -> None:
        super().__init__(works[0]._group, works[0]._what, under_way._no_steps())
        self._works = works

    def wait(self, timeout: Any = None) -> bool:
        """Wait for all."""
        for work in self._works:
            work.wait(timeout)
        return True

    def is_completed(self) -> bool:
        """Whether all have finished."""
        return all([work.is_completed() for work in self._works])

    def exception(self) -> Exception | None:
        """The first error."""
        return next((work.exception() for work in self._works if work.exception() is not None), None)

    def result(self) -> Any:
        """The tensors of all."""
        return [tensor for work in self._works for tensor in work.result()]


class CoalescingManager:
    """What ``_coalescing_manager`` gives: ``wait()`` for everything that was begun inside."""

    def __init__(self, group: ProcessGroup | None) -> None:
        self.works: list[Work] = []
        self._group = group

    def append(self, work: Work | None) -> None:
        """Wait for ``work`` too."""
        if work is not None:
            self.works.append(work)

    def wait(self) -> None:
        """Wait for the works that were appended and for all that the group has under way."""
        for work in self.works:
            work.wait()
        if self._group is not None:
            for work in list(self._group.queue):
                work.wait()


@contextlib.contextmanager
def _coalescing_manager(
    group: Any = None, device: Any = None, async_ops: bool = False
) -> Iterator[CoalescingManager]:
    """Collectives that may travel together: here each starts at once. Without ``async_ops`` all have finished at its end."""
    manager = CoalescingManager(the_group(group))
    yield manager
    if not async_ops:
        manager.wait()
