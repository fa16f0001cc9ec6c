"""A training step as one call for all ranks: the batch divided, the gradients averaged, the whole a static graph."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final

from ..autograd.grad_mode import no_grad
from ..core.tensor import Tensor
from ..jit.compile import compile
from ..nn.module import Module
from ..ops.joining import cat
from . import records
from .buckets import Reducer
from .data_parallel import MEGABYTE, _check_models, _copy_from_first
from .process_group import ProcessGroup, the_group
from .reduce_op import ReduceOp

_BUCKET_BYTES: Final = 25 * MEGABYTE


def data_parallel_step(
    step: Callable[..., Any],
    *models: Module,
    group: Any = None,
    fullgraph: bool = True,
    dim: int = 0,
    gather: bool = True,
) -> Any:
    """``step``, a training step of one process, as a step of all ranks: what it does with a batch, N ranks do together.

    Every rank calls the result with the same arguments. Each runs ``step`` on its part of every tensor among them that has
    dimensions (cut along ``dim``; in tuples, lists and dicts too), as a compiled function. Each backward inside ``step``
    averages the gradients of the models' parameters, in buckets that are under way while backward goes on. So every rank's
    optimizer makes the same step, and the parameters stay equal, bit for bit. To rounding, they are those of ``step`` in one
    process, where the loss is a mean over the batch and nothing else looks at the batch as a whole (batch normalisation does:
    see ``SyncBatchNorm``) or draws random numbers.

    Args:
        step: calls backward and the optimizer itself, and uses each parameter of ``models`` in each backward.
        models: the modules that it trains; rank 0's parameters and buffers count.
        group: None for all ranks.
        fullgraph: as for ``compile``: a static graph, which then runs without Python; False for a recorded one.
        gather: make results that are 0-dim floating-point tensors means over the ranks, and join other tensors along
            ``dim``, as one process would have them. False returns each rank's own.

    Raises ``ValueError`` without a process group, for no model, and for a batch that can't be divided by the number of ranks;
    ``RuntimeError`` for models without parameters to train or of which a parameter got no gradient, and (as
    ``RanksDisagree``) where the ranks' models differ.

    Example (a program for ``rushlight launch -n 4``)::

        torch.distributed.init_process_group()
        model = torch.nn.Linear(10, 1)
        optimizer = torch.optim.Adam(model.parameters())

        def step(x, y):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            return loss.detach()

        train = torch.distributed.data_parallel_step(step, model)
        for x, y in batches:  # of all ranks together
            print(train(x, y))
    """
    found = the_group(group)
    if found is None:
        raise ValueError("data_parallel_step: this rank is not a member of the group")
    if not models or not all(isinstance(model, Module) for model in models):
        raise ValueError(
            "data_parallel_step: give the modules that the step trains after it, as in data_parallel_step(step, model)"
        )
    reducers = [_reducer_of(model, found) for model in models]
    run = compile(_Part(step, reducers, found, dim, gather), fullgraph=fullgraph)

    @functools.wraps(step)
    def train(*args: Any, **kwargs: Any) -> Any:
        sizes: list[int] = []
        args = tuple([_own_part(arg, found, dim, sizes) for arg in args])
        kwargs = {name: _own_part(arg, found, dim, sizes) for name, arg in kwargs.items()}
        return run(*args, **kwargs)

    return train


class _Part:
    """What is compiled: the step between preparing the averages and joining the results."""

    def __init__(
        self,
        step: Callable[..., Any],
        reducers: Sequence[Reducer],
        group: ProcessGroup,
        dim: int,
        gather: bool,
    ) -> None:
        self.step = step
        self.group = group
        self.dim = dim
        self.gather = gather
        self._reducers = list(reducers)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for reducer in self._reducers:
            reducer.expect_always()
        try:
            result = self.step(*args, **kwargs)
            for reducer in self._reducers:
                reducer.check_finished()
        finally:
            for reducer in self._reducers:
                reducer.reset()
        return _joined(result, self.group, self.dim) if self.gather else result


def _reducer_of(model: Module, group: ProcessGroup) -> Reducer:
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    if not named:
        raise RuntimeError("data_parallel_step: a model has no parameters that require a gradient")
    _check_models(group, named)
    _copy_from_first(group, [*model.parameters(), *model.buffers()])
    return Reducer(
        [parameter for _, parameter in named],
        [name for name, _ in named],
        group,
        first_bytes=MEGABYTE,
        bytes_each=_BUCKET_BYTES,
        as_views=False,
        find_unused=False,
    )


def _own_part(value: Any, group: ProcessGroup, dim: int, sizes: list[int]) -> Any:
    """``value`` with this rank's part in the place of each tensor that has dimensions."""
    if isinstance(value, Tensor):
        shape = value._array.shape
        if len(shape) <= dim:
            return value
        number = group.size()
        if shape[dim] % number:
            raise ValueError(
                f"data_parallel_step: a tensor of shape {list(shape)} can't be divided along dimension {dim} among {number} "
                f"ranks; give batches of a multiple of {number}"
            )
        sizes.append(shape[dim])
        if sizes[0] != shape[dim]:
            raise ValueError(
                f"data_parallel_step: the tensors have {sizes[0]} and {shape[dim]} elements along dimension {dim}; all must "
                "have those of one batch"
            )
        each = shape[dim] // number
        return value.narrow(dim, group.rank() * each, each)
    return _mapped(value, lambda part: _own_part(part, group, dim, sizes))


def _joined(value: Any, group: ProcessGroup, dim: int) -> Any:
    """``value`` with what the ranks have together in the place of each tensor."""
    if isinstance(value, Tensor):
        with no_grad():
            attrs: dict[str, Any] = {"group": group}
            if value._array.ndim > dim:
                return cat(records.call(records.ALL_GATHER, [value], attrs), dim)
            if value._array.ndim or not (value.is_floating_point() or value.is_complex()):
                return value
            return records.call(records.ALL_REDUCE, [value], {**attrs, "op": ReduceOp.AVG})
    return _mapped(value, lambda part: _joined(part, group, dim))


def _mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    kind = type(value)
    if kind is tuple or kind is list:
        return kind([function(part) for part in value])
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return kind(*[function(part) for part in value])
    if isinstance(value, dict):
        return kind([(key, function(part)) for key, part in value.items()])
    return value
