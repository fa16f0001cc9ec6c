"""Checkpointing: less memory in training, for computing parts of forward again in backward.

Chen et al., "Training deep nets with sublinear memory cost", 2016.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from ..autograd.function import Function
from ..autograd.saved_tensors import saved_tensors_hooks
from ..core.generator import default_generator
from ..core.grad_mode import GRAD_MODE
from ..core.tensor import Tensor
from ..missing import on_first_use as _on_first_use

_early_stop = True
_DEBUG: dict[str, bool | None] = {"enabled": None}


class CheckpointError(RuntimeError):
    """What was computed again differs from what was computed first."""


def noop_context_fn() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Contexts for forward and for computing again that do nothing."""
    return nullcontext(), nullcontext()


class set_checkpoint_early_stop:
    """Within this context: whether computing again stops as soon as everything needed is there (the default)."""

    def __init__(self, enable: bool) -> None:
        self.enable = enable
        self._previous = True

    def __enter__(self) -> None:
        global _early_stop
        self._previous, _early_stop = _early_stop, self.enable

    def __exit__(self, *exc: object) -> None:
        global _early_stop
        _early_stop = self._previous


class set_checkpoint_debug_enabled:
    """Within this context: what ``debug`` is of every ``checkpoint``, or (None) what each call says."""

    def __init__(self, enabled: bool | None) -> None:
        self.enabled = enabled
        self._previous: bool | None = None

    def __enter__(self) -> None:
        self._previous, _DEBUG["enabled"] = _DEBUG["enabled"], self.enabled

    def __exit__(self, *exc: object) -> None:
        _DEBUG["enabled"] = self._previous


class DefaultDeviceType:
    """The kind of device whose generators ``checkpoint`` keeps where no argument is on one."""

    _default_device_type = "cuda"

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        """Set it."""
        DefaultDeviceType._default_device_type = device

    @staticmethod
    def get_device_type() -> str:
        """What it is."""
        return DefaultDeviceType._default_device_type


def check_backward_validity(inputs: Sequence[Any]) -> None:
    """Warn where no input requires a gradient: there will be none."""
    if not any(isinstance(part, Tensor) and part.requires_grad for part in inputs):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)


def detach_variable(inputs: Any) -> tuple[Any, ...]:
    """The inputs cut from their history, still requiring gradients where they did."""
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__}"
        )
    return tuple(
        part.detach().requires_grad_(part.requires_grad) if isinstance(part, Tensor) else part
        for part in inputs
    )


def get_device_states(*args: Any) -> tuple[list[int], list[Tensor]]:
    """The numbers of the GPUs that tensors among ``args`` are on, and the states of their generators; CPU tensors have none."""
    numbers = sorted(
        {arg.device.index or 0 for arg in args if isinstance(arg, Tensor) and arg.device.type == "cuda"}
    )
    if not numbers:
        return [], []
    from ..cuda import get_rng_state

    return numbers, [get_rng_state(number) for number in numbers]


def set_device_states(
    devices: Sequence[int], states: Sequence[Tensor], *, device_type: str | None = None
) -> None:
    """Put generators of GPUs back to the states that ``get_device_states`` gave."""
    if not devices:
        return
    from ..cuda import set_rng_state

    for number, state in zip(devices, states, strict=True):
        set_rng_state(state, number)


class _RandomState:
    """The generator's state of now, for ``with``: as it is then afterwards."""

    def __init__(self, keep: bool) -> None:
        self.then: Any = default_generator.get_state() if keep else None
        self._now: Any = None

    def __enter__(self) -> None:
        if self.then is not None:
            self._now = default_generator.get_state()
            default_generator.set_state(self.then)

    def __exit__(self, *exc: object) -> None:
        if self.then is not None:
            default_generator.set_state(self._now)


class _Precision:
    """What autocast does now, for ``with``: it does the same again."""

    def __init__(self) -> None:
        from ..amp.autocast_mode import get_autocast_dtype, is_autocast_enabled

        self.then = [(kind, is_autocast_enabled(kind), get_autocast_dtype(kind)) for kind in ("cpu", "cuda")]
        self._entered: list[Any] = []

    def __enter__(self) -> None:
        from ..amp.autocast_mode import autocast, get_autocast_dtype, is_autocast_enabled

        for kind, enabled, dtype in self.then:
            if (enabled, dtype) != (is_autocast_enabled(kind), get_autocast_dtype(kind)):
                context = autocast(kind, dtype=dtype, enabled=enabled)
                context.__enter__()
                self._entered.append(context)

    def __exit__(self, *exc: object) -> None:
        while self._entered:
            self._entered.pop().__exit__(*exc)


class CheckpointFunction(Function):
    """Runs without history, and in backward once more with it."""

    @staticmethod
    def forward(ctx: Any, run_function: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:
        check_backward_validity(args)
        ctx.run_function = run_function
        ctx.random_state = _RandomState(preserve_rng_state)
        ctx.precision = _Precision()
        ctx.places = [i for i, arg in enumerate(args) if isinstance(arg, Tensor)]
        ctx.others = [None if isinstance(arg, Tensor) else arg for arg in args]
        ctx.save_for_backward(*[arg for arg in args if isinstance(arg, Tensor)])
        token = GRAD_MODE.set(False)
        try:
            return run_function(*args)
        finally:
            GRAD_MODE.reset(token)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        from ..autograd.running import collects_everything

        if not collects_everything():
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs` parameter "
                "to .backward(). To resolve this error, you can either set use_reentrant=False, or call .backward() without "
                "passing the `inputs` argument."
            )
        inputs = list(ctx.others)
        for place, tensor in zip(ctx.places, ctx.saved_tensors, strict=True):
            inputs[place] = tensor
        again = detach_variable(tuple(inputs))
        token = GRAD_MODE.set(True)
        try:
            with ctx.random_state, ctx.precision:
                results = ctx.run_function(*again)
        finally:
            GRAD_MODE.reset(token)
        listed = (results,) if isinstance(results, Tensor) else tuple(results)
        pairs = [
            (result, gradient)
            for result, gradient in zip(listed, gradients, strict=True)
            if isinstance(result, Tensor) and result.requires_grad
        ]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        from ..autograd.differentiate import backward

        backward([result for result, _ in pairs], [gradient for _, gradient in pairs])
        return (None, None, *[part.grad if isinstance(part, Tensor) else None for part in again])


class _Done(Exception):
    """Everything that backward needs has been computed again."""


class _Recomputation:
    """One checkpointed call: numbers what is saved, and computes it all again when the first is needed."""

    def __init__(self, run: Callable[[], Any], context: Any, random_state: _RandomState) -> None:
        self.run, self.context, self.random_state, self.precision = run, context, random_state, _Precision()
        self.described: list[tuple[Any, ...]] = []
        self.values: dict[int, Tensor] = {}
        self.early_stop = _early_stop
        self.check = True
        self.debug = False

    def pack(self, tensor: Tensor) -> int:
        self.described.append((tensor.shape, tensor.dtype, tensor.device))
        return len(self.described) - 1

    def unpack(self, number: int) -> Tensor:
        if number not in self.values:
            try:
                self._compute_again()
            except CheckpointError as error:
                if not self.debug:
                    raise
                saved = "\n".join([f"tensor {i}: {then}" for i, then in enumerate(self.described)])
                raise CheckpointError(
                    "An error happened while unpacking tensors; dumping logs of latest computation because you passed "
                    f"`debug=True` to `torch.utils.checkpoint.checkpoint()`.\nSaved by the original forward:\n{saved}\n{error}"
                ) from error
        if number not in self.values:
            raise CheckpointError(
                "torch.utils.checkpoint: Unpack is being triggered for a tensor that was either never recomputed, or already "
                "unpacked once. If you are calling ctx.saved_tensors in backward, make sure to do so only once."
            )
        return self.values.pop(number)

    def _compute_again(self) -> None:
        found: list[Tensor] = []
        self.values.clear()

        def keep(tensor: Tensor) -> Tensor:
            found.append(tensor.detach())
            if self.early_stop and len(found) == len(self.described):
                raise _Done
            return tensor

        token = GRAD_MODE.set(True)
        try:
            with (
                self.random_state,
                self.precision,
                self.context,
                saved_tensors_hooks(keep, lambda tensor: tensor),
            ):
                self.run()
        except _Done:
            pass
        finally:
            GRAD_MODE.reset(token)
        self._compare(found)
        self.values.update(enumerate(found))

    def _compare(self, found: list[Tensor]) -> None:
        if len(found) != len(self.described):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of tensors saved during forward: {len(self.described)}\nNumber of tensors saved "
                f"during recomputation: {len(found)}."
            )
        if not self.check:
            return
        wrong = []
        for i, (tensor, then) in enumerate(zip(found, self.described, strict=True)):
            now = (tensor.shape, tensor.dtype, tensor.device)
            if now != then:
                names = ("shape", "dtype", "device")
                wrong.append(
                    f"tensor at position {i}:\nsaved metadata: {dict(zip(names, then, strict=True))}\n"
                    f"recomputed metadata: {dict(zip(names, now, strict=True))}"
                )
        if wrong:
            listed = "\n".join(wrong)
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than during the "
                f"forward pass.\n{listed}"
            )


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, keeping nothing of what it saves for backward: that is computed again then.

    Args:
        use_reentrant: True for PyTorch's older way, which needs an input that requires a gradient and works with
            ``backward()`` alone; False is recommended. preserve_rng_state (True): draw the same random numbers again.
            context_fn: gives the contexts for forward and for computing again.   determinism_check: ``"default"`` compares
            shapes and dtypes, ``"none"`` does not.

    Raises ``CheckpointError`` where computing again gives something else, ``ValueError`` for unknown arguments.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.utils.checkpoint import checkpoint
        >>> x = torch.ones(2, requires_grad=True)
        >>> checkpoint(lambda t: (t * 3).sin(), x, use_reentrant=False).sum().backward()
        >>> bool((x.grad == 3 * torch.tensor(3.0).cos()).all())
        True
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Starting in PyTorch 2.9, "
            "calling checkpoint without use_reentrant will raise an exception. use_reentrant=False is recommended, but if "
            "you need to preserve the current default behavior, you can pass use_reentrant=True. Refer to docs for more "
            "details on the differences between the two variants.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs and use_reentrant:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if use_reentrant:
        if context_fn is not noop_context_fn or debug is not False:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        return CheckpointFunction.apply(function, preserve, *args)
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"determinism_check should be one of ['default', 'none'] but got {determinism_check}"
        )
    forward_context, again_context = context_fn()
    if not GRAD_MODE.get():
        return function(*args, **kwargs)
    recomputation = _Recomputation(lambda: function(*args, **kwargs), again_context, _RandomState(preserve))
    recomputation.early_stop = early_stop and _early_stop
    recomputation.check = determinism_check == "default"
    recomputation.debug = debug if _DEBUG["enabled"] is None else _DEBUG["enabled"]
    with saved_tensors_hooks(recomputation.pack, recomputation.unpack), forward_context:
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """The functions (or the modules of a ``Sequential``) one after the other, checkpointed in ``segments`` parts.

    The last part is not checkpointed: backward begins there. Raises ``ValueError`` for unknown arguments.
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed explicitly. In "
            "version 2.9 we will raise an exception if use_reentrant is not passed. use_reentrant=False is recommended, but "
            "if you need to preserve the current default behavior, you can pass use_reentrant=True. Refer to docs for more "
            "details on the differences between the two variants.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    from ..nn.containers import Sequential

    steps = list(functions.children()) if isinstance(functions, Sequential) else list(functions)

    def part(start: int, end: int) -> Callable[[Any], Any]:
        def run(value: Any) -> Any:
            for step in steps[start:end]:
                value = step(value)
            return value

        return run

    size = len(steps) // segments
    for i in range(segments - 1):
        run = part(i * size, (i + 1) * size)
        input = checkpoint(run, input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return part((segments - 1) * size, len(steps))(input)


__all__ = [
    "CheckpointError",
    "CheckpointFunction",
    "DefaultDeviceType",
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "detach_variable",
    "get_device_states",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
    "set_device_states",
]

# Public names that are not here raise MissingNameError.
if TYPE_CHECKING:
    from .selective_checkpoint import (
        CheckpointPolicy as CheckpointPolicy,
        SelectiveCheckpointContext as SelectiveCheckpointContext,
        create_selective_checkpoint_contexts as create_selective_checkpoint_contexts,
    )
else:
    __getattr__, __dir__ = _on_first_use(
        __name__,
        {
            name: f"rushlight.utils.selective_checkpoint:{name}"
            for name in (
                "CheckpointPolicy",
                "SelectiveCheckpointContext",
                "create_selective_checkpoint_contexts",
            )
        },
    )
