"""Batch normalisation by the statistics of all ranks' batches together."""

from __future__ import annotations

from typing import Any

from ..core.dtypes import LOW_PRECISION, float32
from ..core.grad_mode import GRAD_MODE
from ..core.shapes import count
from ..core.tensor import Tensor, make_tensor
from ..nn.normalization import ACROSS_PROCESSES, SyncBatchNorm
from ..ops.creation import full
from ..ops.joining import cat, stack
from ..ops.movement import reshape
from ..ops.reductions import sum_dims
from .nn.functional import all_gather
from .process_group import is_initialized, the_group
from .records import recording


def sync_batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    momentum: float,
    eps: float,
    process_group: Any = None,
) -> Tensor:
    """``input`` ``(N, C, …)`` standardised for each channel over the batches of all ranks, scaled and shifted.

    Ranks may have batches of different sizes, also empty ones. Running statistics move by ``momentum`` as in batch
    normalisation, in place and alike on all ranks. One collective goes forward and one backward. Raises ``ValueError`` where
    all ranks together have a single value for each channel.

    Means and squared deviations of the parts are combined as in Chan, Golub & LeVeque, "Updating formulae and a pairwise
    algorithm for computing sample variances", 1979: no subtraction of large sums.
    """
    group = the_group(process_group)
    if group is None:
        raise ValueError("sync_batch_norm: this rank is not a member of process_group")
    shape = input._array.shape
    channels = shape[1]
    dims = (0, *range(2, len(shape)))
    by_channel = (1, channels, *[1] * (len(shape) - 2))
    values = input.to(float32) if input._array.dtype in LOW_PRECISION else input
    number = shape[0] * count(shape[2:])
    own_mean = sum_dims(values, dims, False) / max(number, 1)
    own_deviation = values - reshape(own_mean, by_channel)
    own_squares = sum_dims(own_deviation * own_deviation, dims, False)
    parts = stack(all_gather(cat([own_mean, own_squares, full((1,), number, dtype=values.dtype)]), group))
    numbers = parts[:, -1:].detach()
    total: Any = numbers.sum()
    if recording() is None:  # else it is a part of the graph, which can't look at it
        total = float(total.item())
    if recording() is None and total <= 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.shape}"
        )
    means = parts[:, :channels]
    mean = (means * numbers).sum(0) / total
    offsets = means - mean
    variance = (parts[:, channels:-1].sum(0) + (numbers * offsets * offsets).sum(0)) / total
    if running_mean is not None and running_var is not None:
        _move(running_mean, make_tensor(mean._array), momentum)
        _move(running_var, make_tensor(variance._array), momentum, total / (total - 1))
    scale = (variance + eps).rsqrt()
    if weight is not None:
        scale = scale * weight.to(values.dtype)
    result = (values - reshape(mean, by_channel)) * reshape(scale, by_channel)
    if bias is not None:
        result = result + reshape(bias.to(values.dtype), by_channel)
    return result if result.dtype is input.dtype else result.to(input.dtype)


def forward_of_module(module: SyncBatchNorm, input: Tensor) -> Tensor | None:
    """``SyncBatchNorm.forward`` over the processes of its group; None where this process alone decides."""
    if not module.training or not is_initialized():
        return None
    group = the_group(module.process_group)
    if group is None or group.size() == 1:
        return None
    buffers = module._buffers
    momentum = module.momentum
    mean, variance = buffers["running_mean"], buffers["running_var"]
    counter = buffers["num_batches_tracked"]
    if module.track_running_stats and counter is not None:
        counter.add_(1)
        if momentum is None:  # the average over all batches
            momentum = 1.0 / (float(counter) if recording() is None else counter.double())
    elif not module.track_running_stats:
        mean = variance = None
    return sync_batch_norm(
        input,
        mean,
        variance,
        module.weight,
        module.bias,
        0.0 if momentum is None else momentum,
        module.eps,
        module.process_group,
    )


ACROSS_PROCESSES.append(forward_of_module)


def _move(running: Tensor, observed: Tensor, momentum: Any, factor: Any = 1.0) -> None:
    token = GRAD_MODE.set(False)
    try:
        running.mul_(1 - momentum)
        weight = momentum * factor
        if isinstance(weight, Tensor):
            running.add_(observed.to(running.dtype) * weight)
        else:
            running.add_(observed.to(running.dtype), alpha=weight)
    finally:
        GRAD_MODE.reset(token)
