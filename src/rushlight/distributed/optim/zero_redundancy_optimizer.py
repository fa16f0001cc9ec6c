"""An optimizer whose state is divided among the ranks (Rajbhandari et al., "ZeRO", 2020, stage 1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...autograd.grad_mode import no_grad
from ...core.device import CPU
from ...core.tensor import Tensor
from ...optim.optimizer import Optimizer
from .. import exchanges, records, work as under_way
from ..algorithms.join import Join, Joinable, JoinHook
from ..collectives import write
from ..object_collectives import gather_object
from ..process_group import ProcessGroup, the_group
from ..wire import as_bytes, contiguous


class ZeroRedundancyOptimizer(Optimizer, Joinable):
    """Each rank keeps the state of, and updates, a part of the parameters, then sends them to the others.

    Args:
        params: as for any optimizer, on all ranks the same.
        optimizer_class: the optimizer that updates the parts, such as ``torch.optim.Adam``.
        process_group: None for all ranks.
        defaults: the options of ``optimizer_class``.

    ``parameters_as_bucket_view`` is accepted. Raises ``NotImplementedError`` for ``overlap_with_ddp``, ``ValueError`` without
    a process group.

    The gradients must be averaged before (``DistributedDataParallel``). A step gives what ``optimizer_class`` alone gives, bit
    for bit, as long as it treats each parameter by itself.

    Example (a program for ``rushlight launch -n 2``)::

        optimizer = ZeroRedundancyOptimizer(model.parameters(), optimizer_class=torch.optim.Adam, lr=1e-3)
    """

    def __init__(
        self,
        params: Any,
        optimizer_class: Any,
        process_group: ProcessGroup | None = None,
        parameters_as_bucket_view: bool = False,
        overlap_with_ddp: bool = False,
        **defaults: Any,
    ) -> None:
        if overlap_with_ddp:
            raise NotImplementedError(
                "ZeroRedundancyOptimizer: overlap_with_ddp is not supported; leave it out"
            )
        group = the_group(process_group)
        if group is None:
            raise ValueError("ZeroRedundancyOptimizer: this rank is not a member of process_group")
        self.process_group = group
        self._optimizer_class = optimizer_class
        self._optimizer_options = defaults
        self._consolidated: list[dict[str, Any]] | None = None
        self._owners: dict[int, int] = {}  # by id of the parameter: the group's rank that updates it
        self.optim: Any = None
        super().__init__(params, defaults)
        self._divide()

    def _divide(self) -> None:
        """Give the largest parameters away first, each to the rank that has least so far."""
        loads = [0] * self.process_group.size()
        for group in self.param_groups:
            for param in sorted(group["params"], key=lambda one: -one._array.size):
                if id(param) not in self._owners:
                    owner = loads.index(min(loads))
                    loads[owner] += param._array.size
                    self._owners[id(param)] = owner
        me = self.process_group.rank()
        groups = []
        for group in self.param_groups:
            own = [param for param in group["params"] if self._owners[id(param)] == me]
            options = {key: value for key, value in group.items() if key not in ("params", "param_names")}
            groups.append({**options, "params": own})
        self.optim = self._optimizer_class(groups, **self._optimizer_options)
        # What the inner class adds to its groups (betas, weight_decay) belongs into ours too: schedules change it here.
        for ours, inner in zip(self.param_groups, self.optim.param_groups, strict=True):
            for key, value in inner.items():
                if key != "params":
                    ours.setdefault(key, value)
        self.state = self.optim.state

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own; they are divided among the ranks too."""
        super().add_param_group(param_group)
        if self.optim is None:
            return
        added = self.param_groups[-1]
        loads = [0] * self.process_group.size()
        for group in self.param_groups[:-1]:
            for param in group["params"]:
                loads[self._owners[id(param)]] += param._array.size
        for param in sorted(added["params"], key=lambda one: -one._array.size):
            owner = loads.index(min(loads))
            loads[owner] += param._array.size
            self._owners[id(param)] = owner
        me = self.process_group.rank()
        options = {key: value for key, value in added.items() if key not in ("params", "param_names")}
        own = [param for param in added["params"] if self._owners[id(param)] == me]
        self.optim.add_param_group({**options, "params": own})
        for key, value in self.optim.param_groups[-1].items():
            if key != "params":
                added.setdefault(key, value)

    def step(self, closure: Callable[[], Any] | None = None, **kwargs: Any) -> Any:
        """Update this rank's part, then give every rank all parameters; ``closure`` recomputes the loss, which is returned."""
        Join.notify_join_context(self)
        for ours, inner in zip(self.param_groups, self.optim.param_groups, strict=True):
            for key, value in ours.items():
                if key not in ("params", "param_names"):
                    inner[key] = value
        loss = self.optim.step(closure, **kwargs) if closure is not None else self.optim.step(**kwargs)
        self._exchange()
        for ours, inner in zip(self.param_groups, self.optim.param_groups, strict=True):
            for key, value in inner.items():
                if key != "params":
                    ours[key] = value
        return loss

    def join_hook(self, **kwargs: Any) -> JoinHook:
        """What ``Join`` calls on a rank without inputs: a step, in which the rank's part of the parameters is updated too."""
        return _StepsForOthers(self)

    @property
    def join_device(self) -> Any:
        """The device of the parameters."""
        return CPU

    @property
    def join_process_group(self) -> ProcessGroup:
        """The group that the state is divided among."""
        return self.process_group

    def _exchange(self) -> None:
        group = self.process_group
        if group.size() == 1:
            return
        parts: list[list[Tensor]] = [[] for _ in range(group.size())]
        for options in self.param_groups:
            for param in options["params"]:
                parts[self._owners[id(param)]].append(param)
        if records.recording() is not None:
            self._record_exchange(parts)
            return
        own = [as_bytes(contiguous(param._array)) for param in parts[group.rank()]]
        data = np.concatenate(own) if own else np.empty(0, np.uint8)
        steps = exchanges.all_gather_bytes(group, data, "exchange of updated parameters")
        received = under_way.run(group, "exchange of updated parameters", steps)
        for number, (params, data) in enumerate(zip(parts, received, strict=True)):
            start = 0
            for param in params if number != group.rank() else ():
                array = param._array
                write(param, data[start : start + array.nbytes].view(array.dtype).reshape(array.shape))
                start += array.nbytes

    def _record_exchange(self, parts: list[list[Tensor]]) -> None:
        group = self.process_group
        for owner, params in enumerate(parts):
            if params:
                with no_grad():
                    updated = records.call(records.COPIES, params, {"group": group, "root": owner})
                if owner != group.rank():
                    for param, found in zip(params, updated, strict=True):
                        write(param, found._array)

    def consolidate_state_dict(self, to: int = 0) -> None:
        """Bring the state of all ranks to rank ``to``, for ``state_dict()`` there. All ranks call it."""
        group = self.process_group
        root = group.number_of(to)
        own = self.optim.state_dict()
        every: list[Any] | None = [None] * group.size() if group.rank() == root else None
        gather_object(own, every, to, group)
        self._consolidated = every

    def state_dict(self) -> dict[str, Any]:
        """What ``optimizer_class`` alone would have: load it into either.

        Raises ``RuntimeError`` on ranks that ``consolidate_state_dict`` has not brought the whole state to.
        """
        if self._consolidated is None:
            raise RuntimeError(
                "Optimizer state has not been consolidated on this rank. Please call "
                f"`consolidate_state_dict(to={self.process_group.world_rank})` on all ranks beforehand if you meant to save "
                "the global state."
            )
        result = super().state_dict()
        numbers: dict[int, int] = {}
        for group in self.param_groups:
            for param in group["params"]:
                numbers.setdefault(id(param), len(numbers))
        state: dict[int, Any] = {}
        for owner, theirs in enumerate(self._consolidated):
            # A rank numbers its own parameters in the order of the groups.
            params = [p for g in self.param_groups for p in g["params"] if self._owners[id(p)] == owner]
            for local, value in theirs["state"].items():
                state[numbers[id(params[local])]] = value
        result["state"] = dict(sorted(state.items()))
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a whole state, on every rank; each keeps its part."""
        super().load_state_dict(state_dict)
        mine = self.process_group.rank()
        own = {param: value for param, value in self.state.items() if self._owners.get(id(param)) == mine}
        self.optim.state.clear()
        self.optim.state.update(own)
        self.state = self.optim.state
        self._consolidated = None
        for ours, inner in zip(self.param_groups, self.optim.param_groups, strict=True):
            for key, value in ours.items():
                if key not in ("params", "param_names"):
                    inner[key] = value


class _StepsForOthers(JoinHook):
    def __init__(self, optimizer: ZeroRedundancyOptimizer) -> None:
        self._optimizer = optimizer

    def main_hook(self) -> None:
        self._optimizer.step()
