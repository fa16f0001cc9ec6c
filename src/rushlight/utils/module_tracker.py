"""``torch.utils.module_tracker``: which modules run now."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from ..autograd.engine import current_run, tell_runs_apart
from ..autograd.graph import register_multi_grad_hook
from ..core.tensor import Tensor
from ..nn.global_hooks import register_module_forward_hook, register_module_forward_pre_hook
from ..nn.module import Module
from ._pytree import tree_leaves


class ModuleTracker:
    """A context in which ``parents`` has the names of all modules that run now, in forward or in backward.

    A name is the path from the outermost module that was called, which counts under its class's name; ``"Global"`` is
    always among them.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.utils.module_tracker import ModuleTracker
        >>> class Net(torch.nn.Module):
        ...     def forward(self, x):
        ...         print(sorted(tracker.parents))
        ...         return x
        >>> with ModuleTracker() as tracker:
        ...     _ = Net()(torch.ones(1))
        ['Global', 'Net']
    """

    def __init__(self) -> None:
        self._parents = {"Global"}
        self._run: Any = None  # the backward that the parents belong to
        self._names: weakref.WeakKeyDictionary[Module, str] = weakref.WeakKeyDictionary()
        self._seen: weakref.WeakSet[Module] = weakref.WeakSet()
        self._handles: list[Any] = []

    @property
    def parents(self) -> set[str]:
        """The names of the modules that run now."""
        if self._run is not None and current_run() is not self._run:
            self._parents, self._run = {"Global"}, None  # that backward is over
        return self._parents

    @parents.setter
    def parents(self, names: set[str]) -> None:
        self._parents = names

    @property
    def is_bw(self) -> bool:
        """Whether backward runs now."""
        return current_run() is not None

    def _name_of(self, module: Module) -> str:
        name = self._names.setdefault(module, type(module).__name__)
        if module not in self._seen:
            for key, child in module.named_children():
                self._names[child] = f"{name}.{key}"
                self._name_of(child)
            self._seen.add(module)
        return name

    def _entering(self, name: str) -> Callable[..., None]:
        def enter(*_: Any) -> None:
            names = self.parents
            if self._run is None:
                self._run = current_run()
            names.add(name)

        return enter

    def _leaving(self, name: str) -> Callable[..., None]:
        def leave(*_: Any) -> None:
            self.parents.discard(name)

        return leave

    def _before(self, module: Module, args: Any) -> None:
        name = self._name_of(module)
        self._entering(name)()
        inputs = _differentiable(args)
        if inputs:
            register_multi_grad_hook(inputs, self._leaving(name))

    def _after(self, module: Module, args: Any, result: Any) -> None:
        name = self._name_of(module)
        self._leaving(name)()
        outputs = _differentiable(result)
        if outputs:
            register_multi_grad_hook(outputs, self._entering(name), mode="any")

    def __enter__(self) -> ModuleTracker:
        tell_runs_apart()
        self._handles = [
            register_module_forward_pre_hook(self._before),
            register_module_forward_hook(self._after, always_call=True),
        ]
        return self

    def __exit__(self, *exc: object) -> None:
        for handle in self._handles:
            handle.remove()


def _differentiable(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor) and leaf.requires_grad]
