"""Classes and functions that a program declares to be safe, and Rushlight's own ones by PyTorch's names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_safe: list[Any] = []


def own_object(module: str, name: str) -> Any:
    """Rushlight's own class or function for one of PyTorch's, which may stand in another file there.

    Raises:
        AttributeError: if there is none.

    Example:
        >>> own_object("torch.nn.modules.linear", "Linear").__name__
        'Linear'
    """
    import importlib

    if module == "torch._C._nn":  # where PyTorch has gelu and others
        module = "torch.nn.functional"
    places = module.split(".")[1:]
    package = __name__.partition(".")[0]
    for length in range(len(places), -1, -1):
        try:
            found: Any = importlib.import_module(".".join([package, *places[:length]]))
        except ImportError:
            continue
        try:
            for part in name.split("."):
                found = getattr(found, part)
        except AttributeError:
            continue
        return found
    raise AttributeError(f"load: {module}.{name}: Rushlight does not have it")


def _name_and_object(entry: Any) -> tuple[str, Any]:
    if isinstance(entry, tuple):
        if len(entry) != 2 or not isinstance(entry[1], str):
            raise ValueError("Expected a tuple of 2 items: (callable, fully qualified name)")
        return entry[1], entry[0]
    return f"{entry.__module__}.{entry.__qualname__}", entry


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Let ``load`` with ``weights_only=True`` use these classes and functions, each itself or as (object, its full name).

    A file can then make instances of the classes and call the functions, with any arguments.

    Example:
        >>> import io, rushlight as torch
        >>> file = io.BytesIO()
        >>> torch.save(torch.nn.Identity, file)
        >>> with torch.serialization.safe_globals([torch.nn.Identity]):
        ...     torch.load(io.BytesIO(file.getvalue()), weights_only=True).__name__
        'Identity'
    """
    for entry in safe_globals:
        _name_and_object(entry)  # which checks it
        if entry not in _safe:
            _safe.append(entry)


def get_safe_globals() -> list[Any]:
    """What ``add_safe_globals`` was given so far."""
    return list(_safe)


def clear_safe_globals() -> None:
    """Forget what ``add_safe_globals`` was given."""
    _safe.clear()


@contextmanager
def safe_globals(safe_globals: list[Any]) -> Iterator[None]:
    """``add_safe_globals`` for the time of a ``with`` block."""
    before = list(_safe)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _safe[:] = before


def is_declared(value: Any) -> bool:
    """Whether ``add_safe_globals`` was given this very class or function."""
    return any(_name_and_object(entry)[1] is value for entry in _safe)


def declared(module: str, name: str) -> Any:
    """What a checkpoint calls ``module.name``, where it was declared to be safe; else None."""
    if not _safe:
        return None
    full = f"{module}.{name}"
    for entry in _safe:
        known, value = _name_and_object(entry)
        if known == full:
            return value
    if module.partition(".")[0] == "torch":
        try:
            found = own_object(module, name)
        except AttributeError:
            return None
        return found if is_declared(found) else None
    return None
