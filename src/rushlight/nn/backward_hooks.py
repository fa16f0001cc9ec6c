"""Full backward hooks of modules: two identity operations around ``forward`` that see its gradients pass."""

from __future__ import annotations

import warnings
from typing import Any

from ..core.grad_mode import GRAD_MODE
from ..core.history import Node
from ..core.tensor import Tensor
from ..ops.define import Primitive
from ..ops.dispatch import apply


def _pass_inputs(gradients: list[Any], node: Node) -> tuple[Any, ...]:
    watcher: BackwardWatcher = node.attrs["watcher"]
    return watcher.inputs_reached(gradients)


def _pass_outputs(gradients: list[Any], node: Node) -> tuple[Any, ...]:
    watcher: BackwardWatcher = node.attrs["watcher"]
    return watcher.outputs_reached(gradients)


def _identity(*arrays: Any, watcher: Any) -> tuple[Any, ...]:
    return tuple([array[...] for array in arrays])


INPUTS = Primitive("backward_hook_inputs", _identity, _pass_inputs, grad_name="BackwardHookFunctionBackward")
OUTPUTS = Primitive(
    "backward_hook_outputs", _identity, _pass_outputs, grad_name="BackwardHookFunctionBackward"
)


class BackwardWatcher:
    """One call of a module whose backward hooks must run: knows the hooks and what gradients came by so far."""

    def __init__(self, module: Any, pre_hooks: list[Any], hooks: list[Any]) -> None:
        self.module = module
        self.pre_hooks = pre_hooks
        self.hooks = hooks
        self.grad_outputs: tuple[Any, ...] | None = None
        self.input_places: list[int] = []
        self.input_count = 0
        self.output_places: list[int] = []
        self.output_count = 0

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """``args`` with the tensors that need a gradient passed through the first identity."""
        self.input_count = len(args)
        if not GRAD_MODE.get():
            return args
        self.input_places = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]
        return self._through(INPUTS, args, self.input_places)

    def watch_outputs(self, result: Any) -> Any:
        """``forward``'s result with its tensors passed through the second identity."""
        single = isinstance(result, Tensor)
        parts = (result,) if single else result
        if not isinstance(parts, tuple):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received "
                f"{type(result)}",
                stacklevel=5,
            )
            self.hooks = []
            return result
        if not GRAD_MODE.get():
            return result
        self.output_count = len(parts)
        self.output_places = [i for i, p in enumerate(parts) if isinstance(p, Tensor) and p.requires_grad]
        passed = self._through(OUTPUTS, tuple(parts), self.output_places)
        return passed[0] if single else passed

    def _through(self, record: Primitive, values: tuple[Any, ...], places: list[int]) -> tuple[Any, ...]:
        if not places:
            return values
        passed = apply(record, tuple([values[i] for i in places]), {"watcher": self})
        changed = list(values)
        for place, tensor in zip(places, passed, strict=True):
            changed[place] = tensor
        return tuple(changed)

    def outputs_reached(self, gradients: list[Any]) -> tuple[Any, ...]:
        """Called when the gradients of the outputs are known: runs the pre-hooks."""
        full: tuple[Any, ...] = tuple(_spread(gradients, self.output_places, self.output_count))
        for hook in self.pre_hooks:
            changed = hook(self.module, full)
            if changed is not None:
                full = changed if isinstance(changed, tuple) else (changed,)
        self.grad_outputs = full
        if not self.input_places and self.hooks:
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs "
                "require gradients.",
                stacklevel=2,
            )
            self._run_hooks((None,) * self.input_count)
        return tuple([full[place] for place in self.output_places])

    def inputs_reached(self, gradients: list[Any]) -> tuple[Any, ...]:
        """Called when the gradients of the inputs are known: runs the hooks."""
        full = self._run_hooks(tuple(_spread(gradients, self.input_places, self.input_count)))
        return tuple([full[place] for place in self.input_places])

    def _run_hooks(self, grad_inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.hooks:
            changed = hook(self.module, grad_inputs, self.grad_outputs)
            if changed is not None:
                grad_inputs = changed if isinstance(changed, tuple) else (changed,)
        return grad_inputs


def _spread(values: list[Any], places: list[int], count: int) -> list[Any]:
    spread: list[Any] = [None] * count
    for place, value in zip(places, values, strict=True):
        spread[place] = value
    return spread
