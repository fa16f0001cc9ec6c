"""Objects of any class in a checkpoint: how they are written, and how they are read where the program trusts the file.

They are written as Python's pickler writes them: a class or function by its name, an instance as the call that makes it and
its state. Reading them runs what the file names, and so happens only under ``weights_only=False``, or for the classes that
the program has named with ``add_safe_globals``.
"""

from __future__ import annotations

import copyreg
import pickle
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final

from ..core.tensor import Tensor
from .allowed_globals import AllowedGlobals
from .declared_classes import own_object
from .pickle_reader import Constructor
from .pickle_writer import Call, Global, Made

_FORMAT_MODULES: Final = ("torch", "torch._utils", "torch.cuda", "torch.serialization", "torch.storage")
_PYTHON_2_NAMES: Final = {"builtins": "__builtin__", "copyreg": "copy_reg"}


def reduce_object(value: Any) -> Global | Call | Made:
    """How to write ``value``. ``PicklingError`` for a class or function that can't be found again by its name."""
    kind = type(value)
    if isinstance(value, FunctionType):
        return global_of(value)
    reducer = copyreg.dispatch_table.get(kind)
    if reducer is not None:
        reduced: Any = reducer(value)
    elif isinstance(value, type):
        return _type_of_singleton(value) or global_of(value)
    else:
        reduced = value.__reduce_ex__(2)
    if isinstance(reduced, str):
        return global_of(value, reduced)
    if not isinstance(reduced, tuple) or not 2 <= len(reduced) <= 6:
        raise pickle.PicklingError(
            f"save: __reduce_ex__ of {kind.__qualname__} gave no tuple of 2 to 6 parts"
        )
    return Made(*reduced)


def _type_of_singleton(value: type) -> Call | None:
    for single, name in ((None, "None"), (NotImplemented, "NotImplemented"), (..., "Ellipsis")):
        if value is type(single):
            return Call(
                Global("__builtin__", "type"), (single,) if single is None else (Global("__builtin__", name),)
            )
    return None


def global_of(value: Any, name: str | None = None) -> Global | Call:
    """A class or function by its name; a nested one as the attribute of what holds it."""
    path = name or getattr(value, "__qualname__", None) or value.__name__
    module_name = pickle.whichmodule(value, path)  # type: ignore[attr-defined]
    try:
        __import__(module_name)
        parent: Any = None
        found: Any = sys.modules[module_name]
        for part in path.split("."):
            parent, found = found, getattr(found, part)
    except (ImportError, KeyError, AttributeError):
        raise pickle.PicklingError(
            f"Can't pickle {value!r}: it's not found as {module_name}.{path}; save data alone, such as "
            "model.state_dict(), and build the object anew when you load it"
        ) from None
    if found is not value:
        raise pickle.PicklingError(
            f"Can't pickle {value!r}: it's not the same object as {module_name}.{path}"
        )
    if "." in path:
        holder = global_of(parent) if isinstance(parent, type) else parent
        return Call(Global("__builtin__", "getattr"), (holder, path.rpartition(".")[2]))
    return Global(_PYTHON_2_NAMES.get(module_name, module_name), path)


# Reading, where the file is trusted


class TrustingUnpickler:
    """Python's unpickler over ``data``, beginning at ``position``: it runs what the stream names.

    PyTorch's names are Rushlight's, whoever wrote the file.
    """

    def __init__(
        self, data: Any, allowed: AllowedGlobals, load_persistent: Callable[[Any], Any], position: int = 0
    ) -> None:
        self._data, self._allowed, self._load_persistent = data, allowed, load_persistent
        self.position = position

    def load(self) -> Any:
        """The value; whatever the named functions raise."""
        import io

        outer = self

        class Reader(pickle.Unpickler):
            def find_class(self, module: str, name: str) -> Any:
                return outer._find(module, name, super().find_class)

            def persistent_load(self, identifier: Any) -> Any:
                return outer._load_persistent(identifier)

        stream = io.BytesIO(self._data)
        stream.seek(self.position)
        value = Reader(stream).load()
        self.position = stream.tell()
        return value

    def _find(self, module: str, name: str, elsewhere: Callable[[str, str], Any]) -> Any:
        if module == "torch._tensor" and name == "_rebuild_from_type_v2":
            return _rebuild_from_type
        if module.partition(".")[0] != "torch":
            return elsewhere(module, name)
        if (module, name) == ("torch._C", "_VariableFunctionsClass"):  # what holds torch.relu and its kind
            return sys.modules[__name__.partition(".")[0]]
        if module in _FORMAT_MODULES:
            try:
                found = self._allowed.find(module, name)
            except pickle.UnpicklingError:
                found = None
            if isinstance(found, Constructor):
                found = found.build if name.startswith("_") else None  # classes are themselves here
            if found is not None:
                return found
        return own_object(module, name)


def _rebuild_from_type(function: Any, kind: type, arguments: tuple[Any, ...], state: Any) -> Any:
    """A tensor of a subclass, or one with attributes."""
    made = function(*arguments)
    if type(made) is not kind:
        made = made.as_subclass(kind)
    own = getattr(kind, "__setstate__", None)
    if own is not None and own is not getattr(Tensor, "__setstate__", None):
        made.__setstate__(state)
        return made
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    for name, value in {**(attributes or {}), **(slots or {})}.items():
        setattr(made, name, value)
    return made
