"""``autocast``: the context in which operations choose their precision."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

from ..core.device import USABLE, device
from ..core.dtypes import bfloat16, dtype, dtype as dtype_class, float16
from .precision import ACTIVE, ACTIVE_ON, SWITCHES

_CPU_DTYPES = (bfloat16, float16)
_DEFAULTS: dict[str, dtype] = {"cpu": bfloat16, "cuda": float16}
_cache_enabled = True


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast knows the device type; on one that is not there it does nothing."""
    return device_type in ("cpu", "cuda", "mtia", "maia", "xpu", "hpu", "mps", "xla", "ipu")


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether autocast is on for the device type (a GPU's if None, as in PyTorch)."""
    variable = ACTIVE_ON.get("cuda" if device_type is None else device_type)
    return variable is not None and variable.get() is not None


def is_autocast_cpu_enabled() -> bool:
    """Whether autocast is on for the CPU."""
    return ACTIVE.get() is not None


def get_autocast_dtype(device_type: str) -> dtype:
    """The dtype that autocast uses, or would use, on the device type."""
    variable = ACTIVE_ON.get(device_type)
    active = None if variable is None else variable.get()
    return _DEFAULTS[device_type] if active is None else active


def set_autocast_dtype(device_type: str, dtype: dtype) -> None:
    """Make ``dtype`` the one that ``autocast(device_type)`` takes unless it is given one."""
    if not isinstance(device_type, str):
        raise TypeError(
            f"set_autocast_dtype(): argument 'device_type' must be str, not {type(device_type).__name__}"
        )
    if not isinstance(dtype, dtype_class):
        raise TypeError(
            f"set_autocast_dtype(): argument 'dtype' must be torch.dtype, not {type(dtype).__name__}"
        )
    _DEFAULTS[device_type] = dtype


def get_autocast_cpu_dtype() -> dtype:
    """``get_autocast_dtype("cpu")``."""
    return get_autocast_dtype("cpu")


def get_autocast_gpu_dtype() -> dtype:
    """``get_autocast_dtype("cuda")``."""
    return get_autocast_dtype("cuda")


def set_autocast_enabled(device_type: str | bool, enabled: bool | None = None) -> None:
    """Turn autocast on or off for a device type (a GPU's if only a bool is given), until it is set again.

    Example:
        >>> import rushlight as torch
        >>> torch.set_autocast_enabled("cpu", True)
        >>> (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
        torch.bfloat16
        >>> torch.set_autocast_enabled("cpu", False)
    """
    where, on = ("cuda", device_type) if enabled is None else (device_type, enabled)
    if not isinstance(where, str):
        raise TypeError(
            f"set_autocast_enabled(): argument 'device_type' must be str, not {type(where).__name__}"
        )
    if not isinstance(on, bool):
        raise TypeError(f"set_autocast_enabled(): argument 'enabled' must be bool, not {type(on).__name__}")
    device(where)  # raises for an unknown one
    variable = ACTIVE_ON.get(where)
    if variable is None or on == (variable.get() is not None):
        return
    if on:
        SWITCHES.turn_on(where)
        variable.set(_DEFAULTS[where])
    else:
        variable.set(None)
        SWITCHES.turn_off(where)


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """``set_autocast_enabled("cpu", enabled)``."""
    set_autocast_enabled("cpu", enabled)


def set_autocast_cpu_dtype(dtype: dtype) -> None:
    """``set_autocast_dtype("cpu", dtype)``."""
    set_autocast_dtype("cpu", dtype)


def set_autocast_gpu_dtype(dtype: dtype) -> None:
    """``set_autocast_dtype("cuda", dtype)``."""
    set_autocast_dtype("cuda", dtype)


_nesting = 0


def autocast_increment_nesting() -> int:
    """Count one more block of autocast; gives how many there are."""
    global _nesting
    _nesting += 1
    return _nesting


def autocast_decrement_nesting() -> int:
    """Count one block of autocast less; gives how many there are."""
    global _nesting
    _nesting -= 1
    return _nesting


def is_autocast_cache_enabled() -> bool:
    """Whether casts of weights may be kept; accepted, nothing is kept here."""
    return _cache_enabled


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Accept whether casts of weights may be kept."""
    global _cache_enabled
    _cache_enabled = enabled


def clear_autocast_cache() -> None:
    """Accepted: nothing is kept."""


class autocast:
    """Within this context (or the function that it decorates) operations choose their precision.

    Matrix products, linear layers, convolutions and attention take ``dtype`` (bfloat16 unless given, or float16; on a GPU
    float16 unless given); losses, decompositions, Fourier transforms and the like (on a GPU: losses, norms, sums, softmax,
    exponentials and powers) take float32; the others what they are given. float64 stays, and so do tensors on other devices.
    Parameters keep their dtype, and so do their gradients. Run backward outside of the context.

    ``enabled=False`` turns it off inside of another. For ``"cuda"`` without a GPU it warns and does nothing, and for a
    dtype that the CPU does not have, too. Raises ``RuntimeError`` for an unknown device type.

    Example:
        >>> import rushlight as torch
        >>> a = torch.ones(2, 2)
        >>> with torch.autocast("cpu"):
        ...     b = a @ a
        ...     loss = torch.nn.functional.mse_loss(b, a)
        >>> b.dtype, loss.dtype
        (torch.bfloat16, torch.float32)
    """

    def __init__(
        self,
        device_type: str,
        dtype: dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        device(device_type)  # raises for an unknown one
        self.device = device_type
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self._works = device_type == "cpu" or (device_type in USABLE and USABLE[device_type]())
        if not self._works:
            if enabled:
                warnings.warn(
                    f"{device_type.upper()} is not available or torch_xla is imported. Disabling autocast."
                    if device_type == "cuda"
                    else f"User provided device_type of '{device_type}', but {device_type} is not available. Disabling",
                    stacklevel=2,
                )
            enabled = False
        elif enabled and self.fast_dtype not in _CPU_DTYPES and device_type == "cpu":
            warnings.warn(
                "In CPU autocast, but the target dtype is not supported. Disabling autocast.\nCPU Autocast only supports "
                "dtypes of torch.bfloat16, torch.float16 currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._before: list[tuple[Any, bool]] = []

    def __enter__(self) -> autocast:
        if not self._works:
            return self
        if self._enabled:
            SWITCHES.turn_on(self.device)
        variable = ACTIVE_ON[self.device]
        self._before.append((variable.get(), self._enabled))
        variable.set(self.fast_dtype if self._enabled else None)
        return self

    def __exit__(self, *exc: object) -> None:
        if not self._works:
            return
        previous, switched = self._before.pop()
        ACTIVE_ON[self.device].set(previous)
        if switched:
            SWITCHES.turn_off(self.device)

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(func)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return decorated


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: dtype | None = None
) -> Callable[..., Any]:
    """Decorates ``forward`` of an ``autograd.Function``: with ``cast_inputs`` it runs on cast inputs, without autocast.

    Raises ``ValueError`` for a ``device_type`` that is no string.
    """
    from .precision import cast_all

    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return lambda function: custom_fwd(function, device_type=device_type, cast_inputs=cast_inputs)

    @wraps(fwd)
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        ctx._dtype = get_autocast_dtype(device_type)
        ctx._fwd_used_autocast = is_autocast_enabled(device_type)
        if cast_inputs is None or not ctx._fwd_used_autocast:
            return fwd(ctx, *args, **kwargs)
        ctx._fwd_used_autocast = False
        with autocast(device_type, enabled=False):
            return fwd(
                ctx, *cast_all(args, cast_inputs, device_type), **cast_all(kwargs, cast_inputs, device_type)
            )

    return forward


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Callable[..., Any]:
    """Decorates ``backward`` of an ``autograd.Function``: it runs with the precision that ``forward`` had."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return lambda function: custom_bwd(function, device_type=device_type)

    @wraps(bwd)
    def backward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, dtype=ctx._dtype, enabled=ctx._fwd_used_autocast):
            return bwd(ctx, *args, **kwargs)

    return backward


def autocast_decorator(autocast_instance: autocast, func: Callable[..., Any]) -> Callable[..., Any]:
    """``func`` within ``autocast_instance``."""
    return autocast_instance(func)
