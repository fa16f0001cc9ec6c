"""``GradScaler``: keeps small gradients of float16 from vanishing, by scaling the loss."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from enum import Enum
from typing import Any

import numpy as np

from ..core.device import USABLE
from ..core.grad_mode import GRAD_MODE
from ..core.tensor import Tensor
from ..ops.creation import tensor
from ..ops.joining import stack


class OptState(Enum):
    """How far an optimizer is since the last ``update``."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


class GradScaler:
    """Scales losses, takes the scale out of gradients again, and leaves out steps whose gradients overflowed.

    ``scaler.scale(loss).backward(); scaler.step(optimizer); scaler.update()``. The scale is halved (``backoff_factor``)
    after an overflow and doubled (``growth_factor``) after ``growth_interval`` steps without one. ``enabled=False`` makes
    it do nothing; so does ``"cuda"`` where there is no GPU, with a warning.

    Example:
        >>> import rushlight as torch
        >>> w = torch.ones(1, requires_grad=True)
        >>> optimizer = torch.optim.SGD([w], lr=0.5)
        >>> scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        >>> scaler.scale((w * w).sum()).backward()
        >>> scaler.step(optimizer)
        >>> scaler.update()
        >>> w.item(), w.grad.item()
        (0.0, 2.0)
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device
        if enabled and device == "cuda" and not USABLE["cuda"]():
            warnings.warn(
                "torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2
            )
            enabled = False
        self._enabled = enabled
        if not enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._init_scale = init_scale
        self._scale: Tensor | None = None
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._growth_tracker = 0
        self._start_round()

    def _start_round(self) -> None:
        self._overflowed: dict[int, bool] = {}  # by optimizer: whether its gradients are finite was looked at
        self._stage: dict[int, OptState] = {}

    def _need_scale(self, doing: str) -> Tensor:
        if self._scale is None:
            raise AssertionError(
                f"Attempted {doing} but _scale is None.  This may indicate your script did not use scaler.scale(loss or "
                "outputs) earlier in the iteration."
            )
        return self._scale

    def scale(self, outputs: Any) -> Any:
        """A tensor, or all tensors of an iterable, times the scale."""
        if not self._enabled:
            return outputs
        if self._scale is None:
            self._scale = tensor(float(self._init_scale))
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if isinstance(outputs, list | tuple):
            return type(outputs)(map(self.scale, outputs))
        if isinstance(outputs, Iterable):
            return map(self.scale, outputs)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer: Any) -> None:
        """Take the scale out of the gradients of ``optimizer``, in place, for example to clip them before ``step``.

        Raises ``RuntimeError`` where that was done since the last ``update``, and for float16 gradients.
        """
        if not self._enabled:
            return
        scale = self._need_scale("unscale_")
        stage = self._stage.get(id(optimizer), OptState.READY)
        if stage is OptState.UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if stage is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        self._unscale(optimizer, scale, allow_half=False)
        self._stage[id(optimizer)] = OptState.UNSCALED

    def _unscale(self, optimizer: Any, scale: Tensor, *, allow_half: bool) -> None:
        factor = 1.0 / float(scale)
        found: bool | None = None
        largest: dict[Any, list[Tensor]] = {}  # of gradients that are not read one by one, by device
        token = GRAD_MODE.set(False)
        try:
            for group in optimizer.param_groups:
                for param in group["params"]:
                    gradient = param._grad
                    if gradient is None:
                        continue
                    if not allow_half and str(gradient.dtype) == "torch.float16":
                        raise ValueError("Attempting to unscale FP16 gradients.")
                    finite = True
                    if type(gradient._array) is not np.ndarray and gradient.numel():
                        largest.setdefault(gradient.device, []).append(gradient.abs().max().double())
                    elif gradient.numel():
                        finite = math.isfinite(float(gradient.abs().max()))
                    found = bool(found) or not finite
                    gradient.mul_(factor)
            for maxima in largest.values():  # one wait for the GPU, not one for each gradient
                found = not math.isfinite(float(stack(maxima).max())) or found
        finally:
            GRAD_MODE.reset(token)
        if found is not None:
            self._overflowed[id(optimizer)] = found

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step()`` unless a gradient overflowed; takes out the scale first where that was not done yet.

        Raises ``RuntimeError`` for a second call before ``update`` and for closures.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        scale = self._need_scale("step")
        stage = self._stage.get(id(optimizer), OptState.READY)
        if stage is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if stage is OptState.READY:
            self._unscale(optimizer, scale, allow_half=True)
        if id(optimizer) not in self._overflowed:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None
        if not self._overflowed[id(optimizer)]:
            result = optimizer.step(*args, **kwargs)
        self._stage[id(optimizer)] = OptState.STEPPED
        return result

    def update(self, new_scale: Any = None) -> None:
        """Change the scale after a round of steps; or set it to ``new_scale``."""
        if not self._enabled:
            return
        scale = self._need_scale("update")
        if new_scale is not None:
            if isinstance(new_scale, Tensor):
                if new_scale.numel() != 1 or new_scale.requires_grad:
                    raise AssertionError(
                        "new_scale should be a float or a 1-element tensor with requires_grad=False."
                    )
                new_scale = float(new_scale)
            scale.fill_(new_scale)
        else:
            if not self._overflowed:
                raise AssertionError("No inf checks were recorded prior to update.")
            if any(self._overflowed.values()):
                scale.mul_(self._backoff_factor)
                self._growth_tracker = 0
            else:
                self._growth_tracker += 1
                if self._growth_tracker == self._growth_interval:
                    if math.isfinite(float(scale) * self._growth_factor):
                        scale.mul_(self._growth_factor)
                    self._growth_tracker = 0
        self._start_round()

    def get_scale(self) -> float:
        """The present scale; 1 if not enabled."""
        if not self._enabled:
            return 1.0
        return float(self._init_scale) if self._scale is None else float(self._scale)

    def get_growth_factor(self) -> float:
        """By what the scale grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set by what the scale grows."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """By what the scale shrinks."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set by what the scale shrinks."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many steps without overflow the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set after how many steps without overflow the scale grows."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The scale and how it changes; empty if not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what ``state_dict`` gave; ``RuntimeError`` for an empty one."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        self._init_scale = state_dict["scale"]
        if self._scale is not None:
            self._scale.fill_(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]
