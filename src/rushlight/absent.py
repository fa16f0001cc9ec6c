"""Names of PyTorch's that libraries import and compare with, and that nothing here can make.

A library that supports many set-ups imports ``DTensor`` only to ask ``isinstance(t, DTensor)``. The class must be there
for that; making one raises an error that says what is missing and what to use.
"""

from __future__ import annotations

from typing import Any, NoReturn


def absent_class(module: str, name: str, instead: str) -> type:
    """A class for ``isinstance`` and for subclassing; making an instance raises ``NotImplementedError``.

    Example:
        >>> Mesh = absent_class("rushlight.distributed.device_mesh", "DeviceMesh", "process groups")
        >>> isinstance(1, Mesh)
        False
        >>> Mesh("cpu", [0])
        Traceback (most recent call last):
            ...
        NotImplementedError: torch.distributed.device_mesh.DeviceMesh: Rushlight does not have it; use process groups
    """
    refuse = absent_function(module, name, instead)

    def made(self: Any, *args: Any, **kwargs: Any) -> None:
        refuse()

    text = f"Only for ``isinstance``: making one raises ``NotImplementedError``. Use {instead}."
    return type(name, (), {"__init__": made, "__module__": module, "__doc__": text})


def absent_function(module: str, name: str, instead: str) -> Any:
    """A function that raises ``NotImplementedError`` when it is called."""
    from .missing import spoken

    message = f"{spoken(module)}.{name}: Rushlight does not have it; use {instead}"

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(message)

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__module__ = module
    refuse.__doc__ = f"Raises ``NotImplementedError``. Use {instead}."
    return refuse
