"""Backward hooks of modules.

Full ones are two identity operations around ``forward`` that see its gradients pass. The older ones, of
``register_backward_hook``, are hooks of the node that made the first result, and so see that node's inputs, which need not be
the module's.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..core.grad_mode import GRAD_MODE
from ..core.history import Node
from ..core.tensor import Tensor, storage_of
from ..ops.define import Primitive
from ..ops.dispatch import apply
from ..ops.inplace import FUNCTION_VIEW
from ..ops.placement import tensor_beside


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
        self.input_kinds: dict[int, Any] = {}  # shape and dtype of each tensor among the inputs
        self.output_places: list[int] = []
        self.output_count = 0
        self.output_kinds: dict[int, Any] = {}

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """``args`` with the tensors that need a gradient passed through the first identity."""
        self.input_count = len(args)
        if not GRAD_MODE.get():
            return args
        self.input_places = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]
        self.input_kinds = _kinds(args)
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
        self.output_kinds = _kinds(parts)
        passed = self._through(OUTPUTS, tuple(parts), self.output_places)
        if single:
            return passed[0]
        kind: Any = type(parts)
        return kind(*passed) if hasattr(kind, "_fields") else kind(passed)

    def _through(self, record: Primitive, values: tuple[Any, ...], places: list[int]) -> tuple[Any, ...]:
        if not places:
            return values
        passed = apply(record, tuple([values[i] for i in places]), {"watcher": self})
        changed = list(values)
        for i, (place, tensor) in enumerate(zip(places, passed, strict=True)):
            # They share memory, so a change in place would go past the hooks: it is refused, as for what a Function returns.
            parent = values[place]
            tensor._storage = storage_of(parent)
            tensor._view = (parent, FUNCTION_VIEW, {"function": "BackwardHookFunction", "output": i})
            changed[place] = tensor
        return tuple(changed)

    def outputs_reached(self, gradients: list[Any]) -> tuple[Any, ...]:
        """Called when the gradients of the outputs are known: runs the pre-hooks."""
        full: tuple[Any, ...] = tuple(_spread(gradients, self.output_places, self.output_count))
        for hook in self.pre_hooks:
            changed = hook(self.module, full)
            if changed is not None:
                full = _replaced(changed, full, "Backward pre hook", "grad_output")
        self.grad_outputs = full
        if not self.input_places and self.hooks:
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs "
                "require gradients.",
                stacklevel=2,
            )
            self._run_hooks((None,) * self.input_count)
        return tuple(_filled(full, self.output_kinds, self.output_places, gradients))

    def inputs_reached(self, gradients: list[Any]) -> tuple[Any, ...]:
        """Called when the gradients of the inputs are known: runs the hooks."""
        spread = _spread(gradients, self.input_places, self.input_count)
        places = list(self.input_kinds)
        for place, gradient in zip(places, _filled(spread, self.input_kinds, places, gradients), strict=True):
            spread[place] = gradient
        full = self._run_hooks(tuple(spread))
        for place in self.input_places:
            if isinstance(full[place], Tensor) and full[place].shape != self.input_kinds[place][0]:
                raise RuntimeError(
                    f"hook 'hook' has changed the size of value: a gradient of shape {list(full[place].shape)} for an input "
                    f"of shape {list(self.input_kinds[place][0])}; return a tuple with one gradient for each input"
                )
        return tuple([full[place] for place in self.input_places])

    def _run_hooks(self, grad_inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.hooks:
            changed = hook(self.module, grad_inputs, self.grad_outputs)
            if changed is not None:
                grad_inputs = _replaced(changed, grad_inputs, "Backward hook", "grad_input")
        return grad_inputs


def _replaced(changed: Any, values: tuple[Any, ...], who: str, what: str) -> tuple[Any, ...]:
    if len(changed) != len(values):
        raise RuntimeError(
            f"{who} returned an invalid number of {what}, got {len(changed)}, but expected {len(values)}"
        )
    return tuple(changed)


def _kinds(values: Any) -> dict[int, Any]:
    return {i: (v._array.shape, v._array.dtype) for i, v in enumerate(values) if isinstance(v, Tensor)}


def _filled(spread: Any, kinds: dict[int, Any], places: list[int], gradients: list[Any]) -> list[Any]:
    """What stands at ``places``, with zeros for the gradients that did not arrive."""
    beside = next((g for g in gradients if g is not None), None)
    if beside is None:
        return [spread[place] for place in places]
    return [
        tensor_beside(beside, np.zeros(*kinds[place])) if spread[place] is None else spread[place]
        for place in places
    ]


def watch_node(module: Any, hooks: list[Any], args: tuple[Any, ...], result: Any) -> None:
    """Register hooks of the older form, which see the gradients of the node that made the (first) result."""
    tensor = result
    while not isinstance(tensor, Tensor):
        tensor = (
            next(v for v in tensor.values() if isinstance(v, Tensor))
            if isinstance(tensor, dict)
            else tensor[0]
        )
    node = tensor.grad_fn
    if node is None:
        return
    for hook in hooks:
        node.register_hook(_OfModule(hook, module))
    _warn_of_what_is_missing(args, result, node)


class _OfModule:
    """A hook of a node that is called with the module first, under the hook's own name."""

    def __init__(self, hook: Any, module: Any) -> None:
        self.hook, self.module = hook, module
        self.__name__ = getattr(hook, "__name__", type(hook).__name__)

    def __call__(self, grad_inputs: Any, grad_outputs: Any) -> Any:
        return self.hook(self.module, grad_inputs, grad_outputs)


def _warn_of_what_is_missing(args: tuple[Any, ...], result: Any, node: Node) -> None:
    results = (result,) if isinstance(result, Tensor) else result
    nodes = set()
    if isinstance(results, tuple):
        nodes = {r.grad_fn for r in results if isinstance(r, Tensor)} - {None}
    if not (isinstance(results, tuple) and all([isinstance(r, Tensor) for r in results])):
        what, lost = (
            "Using non-full backward hooks on a Module that does not return a single Tensor or a tuple of Tensors",
            "grad_output",
        )
    elif not all([isinstance(a, Tensor) for a in args]):
        what, lost = (
            "Using non-full backward hooks on a Module that does not take as input a single Tensor or a tuple of Tensors",
            "grad_input",
        )
    elif not nodes or (len(nodes) == 1 and node not in nodes):
        what, lost = (
            "Using a non-full backward hook when outputs are nested in python data structure",
            "grad_output",
        )
    elif len(nodes) > 1:
        what, lost = (
            "Using a non-full backward hook when outputs are generated by different autograd Nodes",
            "grad_output",
        )
    else:
        if {a.grad_fn for a in args} - {None} == {before for before, _ in node.next_functions}:
            return
        what, lost = (
            "Using a non-full backward hook when the forward contains multiple autograd Nodes",
            "grad_input",
        )
    warnings.warn(
        f"{what} is deprecated and will be removed in future versions. This hook will be missing some {lost}. Please use "
        "register_full_backward_hook to get the documented behavior.",
        FutureWarning,
        stacklevel=5,
    )


def _spread(values: list[Any], places: list[int], count: int) -> list[Any]:
    spread: list[Any] = [None] * count
    for place, value in zip(places, values, strict=True):
        spread[place] = value
    return spread
