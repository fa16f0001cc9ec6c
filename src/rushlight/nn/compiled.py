"""What ``compile`` makes of a module: a module around it whose call is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .module import Module


class OptimizedModule(Module):
    """``module`` with its calls compiled; the same parameters, under the prefix ``_orig_mod.`` as in PyTorch.

    Attributes that it does not have itself are the module's.
    """

    _orig_mod: Module

    def __init__(self, module: Module, make: Callable[[Callable[..., Any]], Any]) -> None:
        super().__init__()
        self._orig_mod = module
        self.training = module.training
        object.__setattr__(self, "_call", make(module.__call__))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's own ``forward``."""
        return self._orig_mod.forward(*args, **kwargs)

    def train(self, mode: bool = True) -> OptimizedModule:
        """Set the mode of both."""
        self.training = mode
        self._orig_mod.train(mode)
        return self

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "_orig_mod":
                raise
            return getattr(self._orig_mod, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if (
            name in ("_orig_mod", "training")
            or name.startswith("_")
            or "_orig_mod" not in self.__dict__.get("_modules", ())
        ):
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)
