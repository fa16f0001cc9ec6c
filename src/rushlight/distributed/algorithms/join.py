"""Loops of different lengths on different ranks: ranks that have run out of inputs take part in the others' collectives."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core.device import device as device_type
from .. import exchanges, work as under_way
from ..object_collectives import all_gather_object
from ..process_group import ProcessGroup, the_group

_THROWN = "Detected at least one rank that exhausted inputs. Throwing across all ranks."


class JoinHook:
    """What a rank that has run out of inputs does in the place of one iteration (``main_hook``) and in the end
    (``post_hook``)."""

    def main_hook(self) -> None:
        """Make the collectives that the other ranks make in one iteration."""

    def post_hook(self, is_last_joiner: bool) -> None:
        """Called once, when all ranks have run out; ``is_last_joiner`` says whether this one was among the last."""


class _JoinConfig(NamedTuple):
    enable: bool
    throw_on_early_termination: bool
    is_first_joinable: bool


_OUTSIDE = _JoinConfig(False, False, False)


class Joinable(ABC):
    """Something that makes collectives in each iteration, and can make them without inputs.

    A subclass calls ``super().__init__()`` and, before the first collective of an iteration,
    ``Join.notify_join_context(self)``. ``DistributedDataParallel`` and ``ZeroRedundancyOptimizer`` are joinable.
    """

    _join_config: _JoinConfig = _OUTSIDE

    @abstractmethod
    def __init__(self) -> None:
        super().__init__()
        self._join_config = _OUTSIDE

    @abstractmethod
    def join_hook(self, **kwargs: Any) -> JoinHook:
        """The hook for one ``Join``; ``kwargs`` are those given to it."""

    @property
    @abstractmethod
    def join_device(self) -> device_type:
        """The device of its collectives."""

    @property
    @abstractmethod
    def join_process_group(self) -> ProcessGroup:
        """The group of its collectives."""


class Join:
    """A context in which ranks may have different numbers of iterations (``with Join([model, optimizer]):``).

    Args:
        joinables: those that make collectives inside, in the order in which they do in an iteration; all of one group.
        enable: False makes the context do nothing, for inputs that are known to be even.
        throw_on_early_termination: raise ``RuntimeError`` on all ranks as soon as one has run out of inputs.
        kwargs: for the joinables' ``join_hook``.

    Raises ``ValueError`` for no joinables, or ones of several groups; ``TypeError`` for what is not ``Joinable``.

    Example (a program for ``rushlight launch -n 2``)::

        with Join([model]):
            for x in batches:  # more of them on one rank than on the other
                model(x).sum().backward()
    """

    def __init__(
        self,
        joinables: Sequence[Any],
        enable: bool = True,
        throw_on_early_termination: bool = False,
        **kwargs: Any,
    ) -> None:
        if len(joinables) == 0:
            raise ValueError("The join context manager requires at least one joinable")
        for joinable in joinables:
            if not hasattr(joinable, "join_hook"):
                raise TypeError(
                    f"Join: got {type(joinable).__name__}, which is not a Joinable; give models in DistributedDataParallel, "
                    "ZeroRedundancyOptimizers, or instances of subclasses of Joinable"
                )
        groups = [_group_of(joinable) for joinable in joinables]
        if any(group is not groups[0] for group in groups):
            raise ValueError("Using join context manager with multiple process groups")
        self._joinables = list(joinables)
        self._hooks = [joinable.join_hook(**kwargs) for joinable in joinables]
        self._enable = enable
        self._throw = throw_on_early_termination
        self._group = groups[0]

    def __enter__(self) -> Join:
        for number, joinable in enumerate(self._joinables):
            joinable._join_config = _JoinConfig(self._enable, self._throw, number == 0)
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        try:
            if self._enable and kind is None:
                self._join()
        finally:
            for joinable in self._joinables:
                joinable._join_config = _OUTSIDE

    def _join(self) -> None:
        rounds = 0
        while _count_active(self._group, 0):
            if self._throw:
                raise RuntimeError(f"Rank {self._group.world_rank} exhausted all inputs.")
            if rounds == 1000:
                warnings.warn(
                    "Detected uneven input skew of greater than 1000. This means that rank "
                    f"{self._group.world_rank} has at least 1000 fewer inputs than other currently-active ranks. This level of "
                    "skew could lead to performance degradation during training.",
                    stacklevel=3,
                )
            rounds += 1
            for hook in self._hooks:
                hook.main_hook()
        waited: list[Any] = [None] * self._group.size()
        all_gather_object(waited, rounds, self._group)
        for hook in self._hooks:
            hook.post_hook(rounds == min(waited))

    @staticmethod
    def notify_join_context(joinable: Any) -> Any:
        """Tell ranks that have run out that this one goes on. To be called before an iteration's first collective.

        Only the first joinable of a ``Join`` does it. Raises ``RuntimeError`` where ``throw_on_early_termination`` asks for it.
        """
        config = getattr(joinable, "_join_config", _OUTSIDE)
        if not config.enable or not config.is_first_joinable:
            return None
        group = _group_of(joinable)
        active = _count_active(group, 1)
        if config.throw_on_early_termination and active < group.size():
            raise RuntimeError(_THROWN)
        return under_way.finished(group, "join", [active])


def _group_of(joinable: Any) -> ProcessGroup:
    group = the_group(joinable.join_process_group)
    if group is None:
        raise ValueError("Join: this rank is not a member of the joinables' group")
    return group


def _count_active(group: ProcessGroup, mine: int) -> int:
    count = np.array([mine], np.int64)
    under_way.run(group, "join", exchanges.sum_in_place(group, count))
    return int(count[0])
