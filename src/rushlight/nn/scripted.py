"""``torch.jit.ScriptModule``: a class to ask for. ``torch.jit.script`` gives back the module that it gets, which is none."""

from __future__ import annotations

from typing import Any

from .module import Module


class ScriptModule(Module):
    """A module whose class says that it is scripted. It is a module like any other.

    Example:
        >>> import rushlight as torch
        >>> isinstance(torch.jit.script(torch.nn.ReLU()), torch.jit.ScriptModule)
        False
    """

    def __setattr__(self, name: str, value: Any) -> None:
        # What torch.jit.Attribute says of the type is for TorchScript alone.
        super().__setattr__(name, value.value if type(value).__name__ == "Attribute" else value)
