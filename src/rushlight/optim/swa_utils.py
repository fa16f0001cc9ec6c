"""Averages of a model's weights over its training: stochastic weight averaging and exponential moving averages.

Izmailov et al., "Averaging weights leads to wider optima and better generalization", 2018.
"""

from __future__ import annotations

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from ..core.grad_mode import GRAD_MODE
from ..core.tensor import Tensor
from ..missing import lazily as _lazily
from ..nn.module import Module
from ..nn.normalization import _BatchNorm
from ..ops.creation import tensor
from .optimizer import Optimizer
from .scheduling import LRScheduler, per_group

Averages = list[Tensor]


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[Averages, Averages, Any], None]:
    """What moves lists of averages towards the present values by ``1 - decay``: for ``AveragedModel``."""
    _check_decay(decay)

    def ema_update(averaged: Averages, current: Averages, count: Any) -> None:
        for average, value in zip(averaged, current, strict=True):
            if average.is_floating_point() or average.is_complex():
                average.lerp_(value, 1 - decay)
            else:
                average.copy_(average * decay + value * (1 - decay))

    return ema_update


def get_swa_multi_avg_fn() -> Callable[[Averages, Averages, Any], None]:
    """What makes lists of averages the means of all values so far: for ``AveragedModel``."""

    def swa_update(averaged: Averages, current: Averages, count: Any) -> None:
        share = 1 / (float(count) + 1)
        for average, value in zip(averaged, current, strict=True):
            if average.is_floating_point() or average.is_complex():
                average.lerp_(value, share)
            else:
                average.copy_(average + (value - average) * share)

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Tensor, Tensor, Any], Tensor]:
    """``decay * average + (1 - decay) * value``, for ``AveragedModel``."""
    _check_decay(decay)

    def ema_update(average: Tensor, value: Tensor, count: Any) -> Tensor:
        return decay * average + (1 - decay) * value

    return ema_update


def get_swa_avg_fn() -> Callable[[Tensor, Tensor, Any], Tensor]:
    """The mean of all values so far, for ``AveragedModel``."""

    def swa_update(average: Tensor, value: Tensor, count: Any) -> Tensor:
        return average + (value - average) / (count + 1)  # type: ignore[no-any-return]

    return swa_update


class AveragedModel(Module):
    """A copy of ``model`` whose weights are averages of those that ``update_parameters(model)`` was given.

    Args:
        avg_fn: ``(average, value, count) -> new average``, or ``multi_avg_fn``: the same for lists, in place; by default the
            equal mean.   use_buffers: average buffers too (else they are copied).

    Example:
        >>> import rushlight as torch
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> average = torch.optim.swa_utils.AveragedModel(model)
        >>> for value in (1.0, 3.0):
        ...     _ = torch.nn.init.constant_(model.weight, value)
        ...     average.update_parameters(model)
        >>> average.module.weight.item()
        2.0
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable[[Tensor, Tensor, Any], Tensor] | None = None,
        multi_avg_fn: Callable[[Averages, Averages, Any], None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take ``model``'s present weights into the averages."""
        averaged: Averages = list(self.module.parameters())
        current: Averages = list(model.parameters())
        own_buffers, buffers = list(self.module.buffers()), list(model.buffers())
        if self.use_buffers:
            averaged, current = averaged + own_buffers, current + buffers
        token = GRAD_MODE.set(False)
        try:
            count = self.n_averaged
            if int(count) == 0:
                for average, value in zip(averaged, current, strict=True):
                    average.copy_(value)
            elif self.avg_fn is not None:
                for average, value in zip(averaged, current, strict=True):
                    average.copy_(self.avg_fn(average.detach(), value.detach(), count))
            else:
                combine = self.multi_avg_fn or get_swa_multi_avg_fn()
                combine(list(averaged), list(current), count)
            if not self.use_buffers:
                for own, value in zip(own_buffers, buffers, strict=True):
                    own.copy_(value)
            count.add_(1)
        finally:
            GRAD_MODE.reset(token)


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of all batch normalisation in ``model`` anew, from the inputs of ``loader``.

    Where an item is a list or tuple, its first entry is the input.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    was_training = model.training
    token = GRAD_MODE.set(False)
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
        model.train()
        for item in loader:
            value = item[0] if isinstance(item, list | tuple) else item
            model(value if device is None else value.to(device))
    finally:
        GRAD_MODE.reset(token)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """From the present rate to ``swa_lr`` in ``anneal_epochs`` epochs, then constant.

    ``anneal_strategy`` is ``"cos"`` or ``"linear"``. Raises ``ValueError`` for another one and for negative epochs.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for group, rate in zip(optimizer.param_groups, per_group(optimizer, swa_lr, "swa_lr"), strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        done = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return done if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * done)) / 2

    def get_lr(self) -> list[float]:
        self._check_asked_by_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            target, rate = group["swa_lr"], group["lr"]
            # Where it began, from where it is: other schedules may have a say too.
            start = target if before == 1 else (rate - before * target) / (1 - before)
            rates.append(target * now + start * (1 - now))
        return rates


# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
