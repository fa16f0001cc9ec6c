"""The few names of PyTorch's C++ module that libraries call without need. There is no C++ here."""  # noqa: N999

from __future__ import annotations

import weakref
from typing import Any

from .autograd.function import Function
from .core.device import get_default_device
from .core.history import LeafNode
from .core.tensor import Tensor
from .ops.batching import ACTIVE
from .ops.conversion import parse_to
from .overriding.state import (
    DisableTorchFunction as DisableTorchFunction,
    DisableTorchFunctionSubclass as DisableTorchFunctionSubclass,
    disabled_torch_function as _disabled_torch_function_impl,
)

__all__ = ["DisableTorchFunction", "DisableTorchFunctionSubclass", "_disabled_torch_function_impl"]


def _log_api_usage_once(*args: object) -> None:
    """Accepted and without effect: nothing is logged."""


def _get_tracing_state() -> None:
    """None: nothing is being traced."""


def _get_default_device() -> str:
    """The name of the device that factory functions use."""
    return str(get_default_device())


def _are_functorch_transforms_active() -> bool:
    """Whether a function is being mapped by ``vmap`` now."""
    return bool(ACTIVE.get())


def _current_autograd_node() -> Any:
    """The node that backward runs now; None outside."""
    from .autograd.running import current_node

    return current_node()


def _will_engine_execute_node(node: Any) -> bool:
    """Whether the backward that runs now runs ``node``; ``RuntimeError`` outside."""
    from .autograd.running import will_execute

    return will_execute(node)


def _current_graph_task_execution_order() -> list[Any]:
    """The nodes that the backward that runs now runs, in their order; ``RuntimeError`` outside."""
    from .autograd.running import execution_order

    return execution_order()


class _WeakTensorRef:
    """A reference to a tensor that does not keep it."""

    def __init__(self, tensor: Tensor) -> None:
        self._reference = weakref.ref(tensor)

    def expired(self) -> bool:
        """Whether the tensor is gone."""
        return self._reference() is None


class _functions:
    """Nodes and operations of the graph that tests of hooks and errors use."""

    AccumulateGrad = LeafNode

    class UndefinedGrad:
        """``UndefinedGrad()(x)`` is ``x``, but no gradient comes back through it."""

        def __call__(self, *tensors: Tensor) -> Any:
            results = [_Undefined.apply(tensor) for tensor in tensors]
            return results[0] if len(results) == 1 else tuple(results)

    class DelayedError:
        """``DelayedError(message, n)(*tensors)`` gives the tensors; backward through them raises ``RuntimeError``."""

        def __init__(self, message: str, num_inputs: int = 1) -> None:
            self.message = message

        def __call__(self, *tensors: Tensor) -> Any:
            results = [_Delayed.apply(self.message, tensor) for tensor in tensors]
            return results[0] if len(results) == 1 else tuple(results)


class _Undefined(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> None:
        return None


class _Delayed(Function):
    @staticmethod
    def forward(ctx: Any, message: str, x: Tensor) -> Tensor:
        ctx.message = message
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> None:
        raise RuntimeError(ctx.message)


class _TensorMeta(type(Tensor)):  # type: ignore[misc]
    """A metaclass for classes whose ``isinstance`` is their own."""


class _nn:
    """Functions of ``torch._C._nn``; those of ``nn.functional`` are there too."""

    @staticmethod
    def _parse_to(*args: Any, **kwargs: Any) -> tuple[Any, Any, bool, Any]:
        """What the arguments of ``to`` ask for: device, dtype, whether not to wait, and memory format."""
        order = kwargs.get("memory_format")
        waits = bool(kwargs.get("non_blocking", args[2] if len(args) > 2 else False))
        target, _, where = parse_to(args, dict(kwargs))
        return where, target, waits, order
