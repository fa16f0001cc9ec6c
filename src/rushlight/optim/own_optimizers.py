"""What third-party optimizers take from ``torch.optim.optimizer`` under PyTorch's private names."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Final

from ..core.device import device
from ..core.dtypes import float32, float64, get_default_dtype
from ..core.grad_mode import GRAD_MODE
from ..core.tensor import Tensor
from ..nn.parameter import Parameter
from ..ops.complex_numbers import view_as_real

ParamsT = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
_params_t = ParamsT
_foreach_supported_types = [Tensor, Parameter]

_params_doc: Final = "params (iterable): tensors, (name, tensor) pairs, or dicts that define parameter groups"
_maximize_doc: Final = "maximize (bool, optional): make the objective large instead of small (default: False)"
_foreach_doc: Final = "foreach (bool, optional): change many tensors with one call (default: None)"
_fused_doc: Final = "fused (bool, optional): use one fused kernel (default: None)"
_capturable_doc: Final = "capturable (bool, optional): whether a graph may capture a step (default: False)"
_differentiable_doc: Final = (
    "differentiable (bool, optional): whether history is recorded through a step (default: False)"
)


def _use_grad_for_differentiable(func: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator of ``step``: it runs with history only where the optimizer's ``differentiable`` says so."""

    @wraps(func)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        token = GRAD_MODE.set(bool(self.defaults["differentiable"]))
        try:
            return func(self, *args, **kwargs)
        finally:
            GRAD_MODE.reset(token)

    return step


def _default_to_fused_or_foreach(
    params: list[Tensor], differentiable: bool, use_fused: bool = False
) -> tuple[bool, bool]:
    """(False, False): PyTorch's CPU too updates parameter after parameter unless it is told otherwise."""
    return False, False


def _disable_dynamo_if_unsupported(single_tensor_fn: Any = None) -> Callable[[Any], Any]:
    """A decorator that changes nothing."""
    return lambda function: function


def _get_value(x: Any) -> Any:
    """The number in a tensor of one element; a number itself."""
    return x.item() if isinstance(x, Tensor) else x


def _to_scalar(x: Any) -> Any:
    """A tensor of one element without dimensions; a number itself."""
    return x.squeeze() if isinstance(x, Tensor) and x.dim() != 0 else x


def _stack_if_compiling(x: Any) -> Any:
    """``x`` itself."""
    return x


def _dispatch_sqrt(x: Any) -> Any:
    """The square root of a number or tensor."""
    return x.sqrt() if isinstance(x, Tensor) else math.sqrt(x)


def _get_scalar_dtype(is_fused: bool | None = None) -> Any:
    """The dtype of counters of steps."""
    return float32 if is_fused else (float64 if get_default_dtype() is float64 else float32)


def _view_as_real(params: list[Any], *state_and_grads: list[Any]) -> None:
    """Put the real form of each complex tensor, and of its states, in their lists."""
    for i, param in enumerate(params):
        if param.is_complex():
            params[i] = view_as_real(param)
            for each in state_and_grads:
                each[i] = view_as_real(each[i])


def _get_foreach_kernels_supported_devices() -> list[str]:
    return ["cuda", "xpu", "mtia", "privateuseone"]


def _get_fused_kernels_supported_devices() -> list[str]:
    return ["mps", "cuda", "xpu", "hpu", "cpu", "mtia", "privateuseone"]


def _get_capturable_supported_devices(supports_xla: bool = True) -> list[str]:
    return ["cuda", "xpu", "hpu", "privateuseone"] + ["xla"] * supports_xla


def _device_dtype_check_for_fused(p: Any, cuda_unsupported: bool = False) -> None:
    """``RuntimeError`` for a parameter that is not floating-point."""
    if not p.is_floating_point():
        raise RuntimeError(
            "`fused=True` requires all the params to be floating point Tensors of supported devices: "
            f"{_get_fused_kernels_supported_devices()} but {p.dtype} and {p.device.type}"
        )


def _group_tensors_by_device_and_dtype(tensorlistlist: Any, with_indices: bool = False) -> dict[Any, Any]:
    """Lists side by side (parameters, gradients, states), split by the device and dtype of the first one's tensors.

    Returns {(device, dtype): (lists, places)}; the places are empty unless they are asked for.
    """
    groups: dict[tuple[device, Any], Any] = {}
    for place, tensors in enumerate(zip(*tensorlistlist, strict=True)):
        first = tensors[0]
        lists, places = groups.setdefault((first.device, first.dtype), ([[] for _ in tensors], []))
        for each, tensor in zip(lists, tensors, strict=True):
            each.append(tensor)
        if with_indices:
            places.append(place)
    return groups
