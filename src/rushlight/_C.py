"""The few names of PyTorch's C++ module that libraries call without need. There is no C++ here."""  # noqa: N999

from __future__ import annotations

import weakref
from typing import Any

from .absent import absent_class
from .autograd.function import Function
from .autograd.saved_tensors import SavedTensor
from .core.device import get_default_device
from .core.history import LeafNode
from .core.tensor import Tensor, storage_of
from .linalg import LinAlgError as _LinAlgError
from .ops.batching import ACTIVE
from .ops.conversion import parse_to
from .overriding.state import (
    DisableTorchFunction as DisableTorchFunction,
    DisableTorchFunctionSubclass as DisableTorchFunctionSubclass,
    disabled_torch_function as _disabled_torch_function_impl,
)

__all__ = [
    "TensorBase",
    "_LinAlgError",
    "DisableTorchFunction",
    "DisableTorchFunctionSubclass",
    "_disabled_torch_function_impl",
]


TensorBase = _TensorBase = Tensor


def _log_api_usage_once(*args: object) -> None:
    """Accepted and without effect: nothing is logged."""


def _get_tracing_state() -> None:
    """None: nothing is being traced."""


__path__: list[str] = []  # so that torch._C._functorch can be imported
Argument, Block, BoolType, FunctionSchema, Graph, IntType, Node, TensorType, Value = (
    absent_class("rushlight", name, "torch.fx: there is no TorchScript here")
    for name in (
        "Argument", "Block", "BoolType", "FunctionSchema", "Graph", "IntType", "Node", "TensorType", "Value",
    )
)  # fmt: skip


def _is_tracing() -> bool:
    """False: nothing is being traced."""
    return False


def _accepted(setting: bool) -> bool:
    """What PyTorch's switches of TorchScript's executor answer; there is no TorchScript here."""
    return True


_jit_set_profiling_executor = _jit_set_profiling_mode = _accepted


def _setting(value: bool) -> None:
    """A switch of TorchScript's fusion: accepted and without effect."""


_jit_set_texpr_fuser_enabled = _jit_override_can_fuse_on_cpu = _jit_override_can_fuse_on_gpu = _setting
_jit_set_nvfuser_enabled = _jit_set_nvfuser_guard_mode = _setting


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


class _autograd:
    """What PyTorch's ``autograd`` takes from its C++ module."""

    SavedTensor = SavedTensor

    @staticmethod
    def _unsafe_set_version_counter(tensors: tuple[Tensor, ...], versions: tuple[int, ...]) -> None:
        """Set how often the tensors' memory counts as changed; ``RuntimeError`` for a negative number."""
        for tensor, version in zip(tensors, versions, strict=True):
            if version < 0:
                raise RuntimeError(f"Cannot set a version_counter to a value below 0: {version}")
            storage_of(tensor).version = version


class _Undefined(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Any:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> None:
        return None


class _Delayed(Function):
    @staticmethod
    def forward(ctx: Any, message: str, x: Tensor) -> Any:
        ctx.message = message
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> None:
        raise RuntimeError(ctx.message)


class _TensorMeta(type(Tensor)):  # type: ignore[misc]
    """A metaclass for classes whose ``isinstance`` is their own."""


def _padder(mode: str, dims: int) -> Any:
    def function(self: Tensor, padding: Any) -> Any:
        """``nn.functional.pad`` in one mode, of a fixed number of dimensions."""
        from .nn.functional import pad

        if len(padding) != 2 * dims:
            raise RuntimeError(f"padding size is expected to be {2 * dims}")
        return pad(self, list(padding), mode)

    return staticmethod(function)


def _resizer(mode: str) -> Any:
    def function(self: Tensor, output_size: Any, *options: Any) -> Any:
        """``nn.functional.interpolate`` in one mode, to a size (or, where that is None, by factors)."""
        from .nn.functional import interpolate

        corners = bool(options[0]) if options and "nearest" not in mode else None
        factors = options[-1] if output_size is None and options else None
        size = None if output_size is None else list(output_size)
        return interpolate(self, size, factors, mode, corners)

    return staticmethod(function)


class _nn:
    """Functions of ``torch._C._nn``; those of ``nn.functional`` are there too."""

    replication_pad1d, replication_pad2d, replication_pad3d = (_padder("replicate", n) for n in (1, 2, 3))
    reflection_pad1d, reflection_pad2d, reflection_pad3d = (_padder("reflect", n) for n in (1, 2, 3))
    upsample_nearest1d = upsample_nearest2d = upsample_nearest3d = _resizer("nearest")
    _upsample_nearest_exact1d = _upsample_nearest_exact2d = _upsample_nearest_exact3d = _resizer(
        "nearest-exact"
    )
    upsample_linear1d, upsample_bilinear2d, upsample_trilinear3d, upsample_bicubic2d = (
        _resizer(mode) for mode in ("linear", "bilinear", "trilinear", "bicubic")
    )

    @staticmethod
    def _parse_to(*args: Any, **kwargs: Any) -> tuple[Any, Any, bool, Any]:
        """What the arguments of ``to`` ask for: device, dtype, whether not to wait, and memory format."""
        order = kwargs.get("memory_format")
        waits = bool(kwargs.get("non_blocking", args[2] if len(args) > 2 else False))
        target, _, where = parse_to(args, dict(kwargs))
        return where, target, waits, order
