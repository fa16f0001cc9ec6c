"""``torch.jit.ScriptModule``: a class to ask for. ``torch.jit.script`` gives back the module that it gets, which is none."""

from __future__ import annotations

from .module import Module


class ScriptModule(Module):
    """A module whose class says that it is scripted. It is a module like any other.

    Example:
        >>> import rushlight as torch
        >>> isinstance(torch.jit.script(torch.nn.ReLU()), torch.jit.ScriptModule)
        False
    """
