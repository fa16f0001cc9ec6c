"""``DistributedDataParallel``: one model, one copy in each process, one gradient."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..autograd.grad_mode import no_grad
from ..core.device import device_of
from ..core.grad_mode import GRAD_MODE
from ..core.tensor import Tensor
from ..nn.module import Module
from . import exchanges, records, work as under_way
from .algorithms.join import Join, Joinable, JoinHook
from .buckets import Hook, Reducer
from .collectives import broadcast, write
from .errors import RanksDisagree
from .object_collectives import all_gather_object
from .process_group import ProcessGroup, the_group
from .wire import as_bytes, contiguous

MEGABYTE = 1 << 20


class DistributedDataParallel(Module, Joinable):
    """``module``, trained by all ranks of a group as one: each runs its part of the batch, and all see the mean gradient.

    Args:
        module: on every rank the same; its parameters and buffers are taken from the group's first rank.
        broadcast_buffers, forward_sync_buffers: take the buffers (running statistics) from there again before every forward;
            two names of one argument, True unless given.
        process_group: None for all ranks.
        bucket_cap_mb: how many megabytes of gradients travel together (25; the first bucket 1).
        find_unused_parameters: look in every forward for parameters that its output does not depend on. Without it such
            parameters are an error. ``static_graph`` implies it.
        gradient_as_bucket_view: let ``grad`` be a view of the bucket, which saves a copy.
        init_sync: False leaves parameters and buffers as they are in the beginning.
        device_ids, output_device, dim, and the rest: accepted; every process has one device, that of the parameters.

    Raises ``ValueError`` without a process group, ``RuntimeError`` for a module without parameters to train, or (as
    ``RanksDisagree``) where the ranks' models differ.

    With a loss that is a mean over the batch and parts of one size, a step is that of one process with the joined batch, to
    rounding. It is the same bits on every rank, and when it is repeated.

    Example (a program for ``rushlight launch -n 2``)::

        torch.distributed.init_process_group()
        model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(10, 1))
        model(torch.randn(20, 10)).sum().backward()  # grad is the mean of both ranks'
    """

    def __init__(
        self,
        module: Module,
        device_ids: Any = None,
        output_device: Any = None,
        dim: int = 0,
        broadcast_buffers: bool | None = None,
        init_sync: bool = True,
        process_group: ProcessGroup | None = None,
        bucket_cap_mb: float | None = None,
        find_unused_parameters: bool = False,
        check_reduction: bool = False,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
        delay_all_reduce_named_params: Any = None,
        param_to_hook_all_reduce: Any = None,
        mixed_precision: Any = None,
        device_mesh: Any = None,
        skip_all_reduce_unused_params: bool = False,
        bucket_cap_mb_list: Any = None,
        batched_grad_copy: bool = False,
        forward_sync_buffers: bool | None = None,
    ) -> None:
        super().__init__()
        group = the_group(process_group)
        if group is None:
            raise ValueError("DistributedDataParallel: this rank is not a member of process_group")
        if (
            mixed_precision is not None
            or device_mesh is not None
            or delay_all_reduce_named_params is not None
        ):
            raise NotImplementedError(
                "DistributedDataParallel: mixed_precision, device_mesh and delay_all_reduce_named_params are not supported"
            )
        ignored = set(getattr(module, "_ddp_params_and_buffers_to_ignore", ()))
        named = [(n, p) for n, p in module.named_parameters() if p.requires_grad and n not in ignored]
        if not named:
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameters that require a gradient."
            )
        if bucket_cap_mb is not None and bucket_cap_mb <= 0:
            raise ValueError(f"bucket_cap_mb must be positive, got {bucket_cap_mb}")
        self.module = module
        self.process_group = group
        self.device_ids = None
        self.output_device = None
        self.device = device_of(named[0][1]._array)
        self.dim = dim
        if broadcast_buffers is not None and forward_sync_buffers is not None:
            raise ValueError(
                "DistributedDataParallel: give broadcast_buffers or forward_sync_buffers, not both"
            )
        self.broadcast_buffers = (
            forward_sync_buffers if broadcast_buffers is None else broadcast_buffers
        ) is not False
        self.find_unused_parameters = find_unused_parameters
        self.gradient_as_bucket_view = gradient_as_bucket_view
        self.static_graph = static_graph
        self.parameters_to_ignore = ignored
        self.require_backward_grad_sync = True
        self.require_forward_param_sync = True
        self._divide_by_initial_world_size = True
        _check_models(group, named)
        if init_sync:
            everything = [p for n, p in module.named_parameters() if n not in ignored]
            _copy_from_first(group, [*everything, *self._buffers_to_sync()])
        cap = 25.0 if bucket_cap_mb is None else float(bucket_cap_mb)
        self.reducer = Reducer(
            [parameter for _, parameter in named],
            [name for name, _ in named],
            group,
            first_bytes=int(min(MEGABYTE, cap * MEGABYTE)),
            bytes_each=int(cap * MEGABYTE),
            as_views=gradient_as_bucket_view,
            find_unused=find_unused_parameters or static_graph,
        )

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The module's output. Prepares the averaging of the gradients, unless inside ``no_sync`` or ``no_grad``."""
        training = GRAD_MODE.get() and self.require_backward_grad_sync
        if training:
            notice = Join.notify_join_context(self)
            whole = notice is None or self._divide_by_initial_world_size
            divisor = self.process_group.size() if whole else notice.result()[0]
            if self.reducer.divisor != divisor:
                self.reducer.divisor = divisor
        self._sync_buffers()
        output = self.module(*inputs, **kwargs)
        if training:
            self.require_forward_param_sync = True
            self.reducer.expect(list(_tensors_in(output)) if self.reducer.find_unused else ())
        else:
            self.require_forward_param_sync = False
        return output

    def _buffers_to_sync(self) -> list[Tensor]:
        return [b for name, b in self.module.named_buffers() if name not in self.parameters_to_ignore]

    def _sync_buffers(self) -> None:
        if self.require_forward_param_sync and self.broadcast_buffers and self.process_group.size() > 1:
            buffers = self._buffers_to_sync()
            if buffers:
                _copy_from_first(self.process_group, buffers)

    def no_sync(self) -> contextlib.AbstractContextManager[None]:
        """Inside, gradients stay this rank's own and add up; the first backward after it averages their sums."""
        return _WithoutSync(self)

    @contextlib.contextmanager
    def join(
        self,
        divide_by_initial_world_size: bool = True,
        enable: bool = True,
        throw_on_early_termination: bool = False,
    ) -> Iterator[None]:
        """Inside, ranks may have different numbers of batches: one that has run out takes part with gradients of zero.

        Gradients are divided by the group's size, or, without ``divide_by_initial_world_size``, by the number of ranks that
        still have inputs. When all have run out, every rank gets the model of a rank that had the most. With
        ``throw_on_early_termination`` every rank raises ``RuntimeError`` as soon as one has run out.
        """
        with Join(
            [self],
            enable and self.process_group.size() > 1,
            throw_on_early_termination,
            divide_by_initial_world_size=divide_by_initial_world_size,
        ):
            yield

    def join_hook(self, **kwargs: Any) -> JoinHook:
        """What ``Join`` calls on a rank without inputs; takes ``divide_by_initial_world_size``."""
        self._divide_by_initial_world_size = bool(kwargs.get("divide_by_initial_world_size", True))
        return _EmptyRounds(self)

    @property
    def join_device(self) -> Any:
        """The device of the parameters."""
        return self.device

    @property
    def join_process_group(self) -> ProcessGroup:
        """The group that the model is averaged over."""
        return self.process_group

    def register_comm_hook(self, state: Any, hook: Hook) -> None:
        """Let ``hook(state, bucket)`` send the gradients; it returns a future of the averaged flat tensor.

        The gradients are not divided before. Raises ``RuntimeError`` for a second hook, ``TypeError`` for what is not callable.
        """
        if not callable(hook):
            raise TypeError("Communication hook must be callable.")
        if self.reducer.hook is not None:
            raise RuntimeError("register_comm_hook or register_builtin_comm_hook can only be called once.")
        self.reducer.hook, self.reducer.hook_state = hook, state

    @staticmethod
    def _set_params_and_buffers_to_ignore_for_model(
        module: Module, params_and_buffers_to_ignore: Any
    ) -> None:
        module._ddp_params_and_buffers_to_ignore = list(params_and_buffers_to_ignore)


def _check_models(group: ProcessGroup, named: Sequence[tuple[str, Tensor]]) -> None:
    own = [(name, list(p._array.shape), p._array.dtype.name) for name, p in named]
    every: list[Any] = [None] * group.size()
    all_gather_object(every, own, group)
    for number, theirs in enumerate(every):
        if theirs == every[0]:
            continue
        first, other = group.ranks[0], group.ranks[number]
        if len(theirs) != len(every[0]):
            text = (
                f"DDP expects same model across all ranks, but Rank {other} has {len(theirs)} params, while rank {first} has "
                f"inconsistent {len(every[0])} params."
            )
        else:
            here, there = next((a, b) for a, b in zip(every[0], theirs, strict=True) if a != b)
            text = (
                f"DDP expects same model across all ranks: parameter {here[0]} of rank {first} is {here[2]} {here[1]}, and "
                f"parameter {there[0]} of rank {other}, in the same place, is {there[2]} {there[1]}"
            )
        raise RanksDisagree(text)


def _copy_from_first(group: ProcessGroup, tensors: Sequence[Tensor]) -> None:
    _copy_from(group, tensors, 0)


def _copy_from(group: ProcessGroup, tensors: Sequence[Tensor], root: int) -> None:
    """Make ``tensors`` what they are on the group's rank ``root``; all of them in one message."""
    if group.size() == 1 or not tensors:
        return
    if records.recording() is not None:
        places = [device_of(tensor._array) for tensor in tensors]
        for place in dict.fromkeys(places):
            here = [tensor for tensor, other in zip(tensors, places, strict=True) if other == place]
            with no_grad():
                copies = records.call(records.COPIES, here, {"group": group, "root": root})
            if group.rank() != root:
                for tensor, copy in zip(here, copies, strict=True):
                    write(tensor, copy._array)
        return
    for tensor in tensors:
        if type(tensor._array) is not np.ndarray:  # a GPU's
            broadcast(tensor.detach(), group=group, group_src=root)
    tensors = [tensor for tensor in tensors if type(tensor._array) is np.ndarray]
    if not tensors:
        return
    data = np.concatenate([as_bytes(contiguous(tensor._array)) for tensor in tensors])
    under_way.run(group, "broadcast of a model", exchanges.broadcast_bytes(group, data, root))
    if group.rank() == root:
        return
    start = 0
    for tensor in tensors:
        array = tensor._array
        part = data[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        if part.tobytes() != array.tobytes():
            write(tensor, part)
        start += array.nbytes


class _WithoutSync:
    # No generator: a compiled function is looked through for what it calls, and those of contextlib are all one to it.

    def __init__(self, model: DistributedDataParallel) -> None:
        self._model = model
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(self._model.require_backward_grad_sync)
        self._model.require_backward_grad_sync = False

    def __exit__(self, *exc: object) -> None:
        self._model.require_backward_grad_sync = self._before.pop()


class _EmptyRounds(JoinHook):
    """A model's part in the iterations of other ranks."""

    def __init__(self, model: DistributedDataParallel) -> None:
        self._model = model

    def main_hook(self) -> None:
        model = self._model
        model.require_forward_param_sync = True
        model._sync_buffers()
        model.reducer.run_empty()

    def post_hook(self, is_last_joiner: bool) -> None:
        model = self._model
        group = model.process_group
        last: list[Any] = [None] * group.size()
        all_gather_object(last, is_last_joiner, group)
        _copy_from(group, [*model.module.parameters(), *model._buffers_to_sync()], last.index(True))


def _tensors_in(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _tensors_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _tensors_in(one)
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        for one in vars(value).values():
            yield from _tensors_in(one)
