"""Submodules of the standard library that a program finds without importing them, because PyTorch did.

``import multiprocessing as mp, torch`` and then ``mp.connection.Connection`` works with PyTorch, whose own imports
loaded that submodule. Loading them all for every program would cost more than the whole of Rushlight, so their
packages give them on first use instead.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

# What `import torch` (2.13) leaves loaded and the packages do not import themselves.
SUBMODULES: Final = {
    "concurrent": ("futures",),
    "email": ("encoders", "errors", "header", "message", "parser", "utils"),
    "http": ("client",),
    "importlib": ("abc", "metadata", "resources", "util"),
    "multiprocessing": ("connection", "resource_sharer", "resource_tracker", "spawn", "util"),
    "unittest": ("mock",),
    "urllib": ("error", "parse", "request", "response"),
}


def give_submodules(package: ModuleType) -> None:
    """Let an imported package of :data:`SUBMODULES` import those submodules when they are first asked for.

    Calling it again changes nothing.

    Example:
        >>> import concurrent
        >>> give_submodules(concurrent)
        >>> concurrent.futures.ThreadPoolExecutor.__name__
        'ThreadPoolExecutor'
    """
    names = SUBMODULES[package.__name__]
    before: Callable[[str], Any] | None = vars(package).get("__getattr__")
    if before is not None and before.__module__ == __name__:
        return

    def get_attribute(name: str) -> Any:
        if name in names:
            return importlib.import_module(f"{package.__name__}.{name}")
        if before is not None:
            return before(name)
        raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}", name=name, obj=package)

    vars(package)["__getattr__"] = get_attribute


def give_to_those_loaded() -> None:
    """:func:`give_submodules` for the packages that this process has imported already."""
    for name in SUBMODULES:
        package = sys.modules.get(name)
        if package is not None:
            give_submodules(package)


def spec_that_gives(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    """The ordinary spec of a package of :data:`SUBMODULES`, whose loader then gives it its submodules."""
    return spec_followed_by(give_submodules, name, path)


def spec_followed_by(
    change: Callable[[ModuleType], None], name: str, path: Sequence[str] | None
) -> ModuleSpec | None:
    """The ordinary spec of a module, whose loader calls ``change`` with the module once that is loaded."""
    spec = PathFinder.find_spec(name, path)
    if spec is None or spec.loader is None:
        return None
    execute = spec.loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        change(module)

    vars(spec.loader)["exec_module"] = exec_module
    return spec
