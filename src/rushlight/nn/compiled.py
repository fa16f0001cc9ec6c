"""What ``compile`` makes of a module: a module around it whose call is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .module import Module

# ``compile``, which the package puts here: layers do not import the compiler.
COMPILER: list[Callable[..., Any]] = []


class OptimizedModule(Module):
    """``module`` with its calls compiled; the same parameters, under the prefix ``_orig_mod.`` as in PyTorch.

    Attributes that it does not have itself are the module's.
    """

    _orig_mod: Module

    def __init__(self, module: Module, make: Callable[[Callable[..., Any]], Any]) -> None:
        super().__init__()
        self._orig_mod = module
        self.training = module.training
        object.__setattr__(self, "_make", make)
        object.__setattr__(self, "_call", make(module.__call__))

    @property
    def dynamo_ctx(self) -> Callable[[Callable[..., Any]], Any]:
        """What compiles a function with this module's options: libraries compile other methods of the module with it."""
        make: Callable[[Callable[..., Any]], Any] = self._make
        return make

    def __deepcopy__(self, memo: dict[int, Any]) -> OptimizedModule:
        """The copy compiles its own module."""
        from copy import deepcopy

        copied = OptimizedModule(deepcopy(self._orig_mod, memo), self._make)
        copied.training = self.training
        memo[id(self)] = copied
        return copied

    def __getstate__(self) -> dict[str, Any]:
        """Without the programs: what is unpickled compiles its own."""
        state = dict(vars(self))
        del state["_call"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        object.__setattr__(self, "_call", self._make(self._orig_mod.__call__))

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


def _plain_forward(module: Module) -> Callable[..., Any]:
    return type(module).forward.__get__(module)  # type: ignore[no-any-return]


class CompiledForward:
    """A module's ``forward`` after ``module.compile()``: an attribute of that module, which goes with its copies.

    A copy of the module compiles its own; a pickled module is not compiled.
    """

    def __init__(self, module: Module, options: dict[str, Any]) -> None:
        self._module = module
        self._options = options
        self._call = COMPILER[0](_plain_forward(module), **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return CompiledForward(memo[id(self._module)], self._options)

    def __reduce__(self) -> Any:
        return _plain_forward, (self._module,)
