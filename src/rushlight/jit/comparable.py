"""Kinds of Python's objects: how the content of one is compared, and which never change."""

from __future__ import annotations

import _thread
import sys
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, UserString, defaultdict, deque
from collections.abc import Callable
from contextvars import ContextVar
from types import (
    BuiltinFunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodDescriptorType,
    ModuleType,
    SimpleNamespace,
    WrapperDescriptorType,
)
from typing import Any, Final, TypeVar

import numpy as np

PLAIN: Final = (int, float, bool, str, bytes, complex, type(None))


class Length:
    """Stands for a dictionary of which only the number of entries is compared here."""

    def __init__(self, values: dict[Any, Any]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Any:
        return iter((None,) * len(self.values))


class Keys(Length):
    """Stands for a dictionary of which the keys in their order are compared here."""

    def __iter__(self) -> Any:
        return iter(self.values)


# Kinds of Python's own modules that are objects like those of programs.
WALKED: Final = (SimpleNamespace, UserDict, UserList, UserString, ChainMap)
_LARGEST: Final = 1 << 14  # bytes or entries: what is larger is not compared on every call


def attributes_of(value: Any) -> Any:
    """An object's own attributes, whatever its class answers to ``__dict__``; None if it has none."""
    try:
        attributes = object.__getattribute__(value, "__dict__")
    except (AttributeError, TypeError):
        return None
    return attributes if type(attributes) is dict else None


def reader_of(value: Any) -> Callable[[Any], Any] | None:
    """What gives the content of an object that is no plain list, tuple or dict, to be compared; None for other kinds.

    What the content consists of must be kept alive meanwhile: objects are compared by their ids.
    """
    kind = type(value)
    if kind is np.ndarray:
        return _content_of if value.nbytes <= _LARGEST and not value.dtype.hasobject else None
    read = _READERS.get(kind)
    if read is not None:
        return read if len(value) <= _LARGEST else None
    if kind is ContextVar:
        return _of_context
    if kind is _thread._local:
        return _of_thread
    if kind.__module__ == "logging" and isinstance(value, _loggers()):
        return _of_logger
    return None


def parts_read(value: Any) -> list[Any]:
    """What the content of an object with such a reader consists of."""
    kind = type(value)
    if kind is MappingProxyType or kind is defaultdict:
        return [*value.values(), *([value.default_factory] if kind is defaultdict else [])]
    if kind is ContextVar:
        found = value.get(_MISSING)
        return [] if found is _MISSING else [found]
    if kind is _thread._local:
        return [*value.__dict__.values()]
    if kind.__module__ == "logging":
        return [part for key, part in vars(value).items() if key not in _OF_LOGGERS]
    return [*value] if kind is set or kind is deque else []


def _loggers() -> tuple[type, ...]:
    logging = sys.modules.get("logging")
    return () if logging is None else (logging.Logger, logging.PlaceHolder, logging.Manager)


def _of_logger(logger: Any) -> Any:
    """Which messages come through, and what the program has put on it. Where they go to decides nothing in a call."""
    own = vars(logger)
    more = [(key, exactly(part)) for key, part in own.items() if key not in _OF_LOGGERS]
    if not hasattr(logger, "getEffectiveLevel"):
        return more
    return logger.disabled, logger.getEffectiveLevel(), logger.manager.disable, len(logger.handlers), more


_OF_LOGGERS: Final = frozenset(
    (
        "name", "level", "parent", "propagate", "handlers", "disabled", "filters", "manager", "_cache", "root", "loggerMap",
        "loggerDict", "loggerClass", "logRecordFactory", "emittedNoHandlerWarning", "_disable",
    )
)  # fmt: skip


def exactly(part: Any) -> Any:
    """Stands for ``part`` in a comparison with ``==``: plain values by type and value, others by identity."""
    kind = type(part)
    return (kind, part) if kind in PLAIN else id(part)


def _of_context(variable: Any) -> Any:
    return exactly(variable.get(_MISSING))


def _of_thread(local: Any) -> Any:
    return [(key, exactly(part)) for key, part in local.__dict__.items()]


# Subclasses of containers, whose methods may be the program's: read by those of the class in C.


def base_of(value: Any) -> Any:
    """The container in C that an object's class is derived from; None if that is the class itself, or there is none."""
    kind = type(value)
    if kind in _CONTAINERS:
        return None
    for base in kind.__mro__:
        if base in _CONTAINERS:
            return base
    return None


def read_dict(values: Any) -> Any:
    return [(exactly(key), exactly(part)) for key, part in dict.items(values)]


def read_ordered(values: Any) -> Any:
    return [(exactly(key), exactly(part)) for key, part in OrderedDict.items(values)]


def read_list(values: Any) -> Any:
    return [exactly(part) for part in list.__iter__(values)]


def read_default(values: Any) -> Any:
    """(Looking a key up would add it.)"""
    return [(exactly(key), exactly(part)) for key, part in values.items()], id(values.default_factory)


def slots_of(kind: type) -> tuple[str, ...]:
    """The slots of a class in Python; none if there is more to its objects."""
    names: list[str] = []
    for base in kind.__mro__[:-1]:
        slots = base.__dict__.get("__slots__")
        if slots is None or not _made_by_python(base):
            return ()
        names += [slots] if isinstance(slots, str) else slots
    return tuple([name for name in names if name != "__weakref__" and not name.startswith("__")])


def slot_reader(kind: type) -> Callable[[Any], Any]:
    """What gives the content of the slots of an object of this class in Python."""
    read = _SLOT_READERS.get(kind)
    if read is None:
        found = [vars(base)[name] for name in slots_of(kind) for base in kind.__mro__ if name in vars(base)]
        getters = [member.__get__ for member in found if isinstance(member, MemberDescriptorType)]
        if len(_SLOT_READERS) > _MOST_READERS:
            _SLOT_READERS.clear()
        read = _SLOT_READERS[kind] = lambda value: [_held(get, value) for get in getters]
    return read


def _held(get: Callable[[Any], Any], value: Any) -> Any:
    try:
        return exactly(get(value))
    except AttributeError:
        return None


_SLOT_READERS: Final[dict[type, Callable[[Any], Any]]] = {}
_MOST_READERS: Final = 1000
_HEAP_TYPE: Final = 1 << 9
_DESCRIPTORS_OF_C: Final = (
    GetSetDescriptorType,
    MethodDescriptorType,
    WrapperDescriptorType,
    BuiltinFunctionType,
)
_WITHOUT_MORE: Final = (object, *PLAIN, tuple, frozenset, list, dict)


def _made_by_python(kind: type) -> bool:
    """Whether a ``class`` statement made it. Later versions of Python make classes in C on the heap too: their members tell."""
    return bool(kind.__flags__ & _HEAP_TYPE) and not any(
        [
            isinstance(member, _DESCRIPTORS_OF_C) and name not in ("__dict__", "__weakref__")
            for name, member in vars(kind).items()
        ]
    )


def is_of_python(kind: type) -> bool:
    """Whether objects of the class have nothing but their attributes."""
    return not hasattr(kind, "__next__") and all(
        [
            base in _WITHOUT_MORE
            or (_made_by_python(base) and not base.__dict__.get("__slots__"))
            or base in WALKED
            for base in kind.__mro__
        ]
    )


def _content_of(array: Any) -> Any:
    return array.tobytes(), array.shape, array.dtype


_MISSING: Final = object()
_CONTAINERS: Final = (dict, OrderedDict, defaultdict, Counter, list, tuple)
_READERS: Final[dict[type, Callable[[Any], Any]]] = {
    set: lambda values: {exactly(part) for part in values},
    deque: lambda values: [exactly(part) for part in values],
    bytearray: bytes,
    MappingProxyType: lambda values: [(exactly(key), exactly(part)) for key, part in values.items()],
    defaultdict: read_default,
}


# Objects without a dictionary that never change; or whose state, a lock's, does not decide what a call computes.
IMMUTABLE: Final = (
    BuiltinFunctionType,
    MemberDescriptorType,
    GetSetDescriptorType,
    WrapperDescriptorType,
    MethodDescriptorType,
    frozenset,
    range,
    slice,
    type(Ellipsis),
    type(NotImplemented),
    np.generic,
    np.dtype,
    np.ufunc,
    TypeVar,
    _thread.LockType,
    _thread.RLock,
)


# Kinds in modules that are imported only by those who use them.
_NEVER_CHANGE: Final = frozenset(
    (
        "decimal.Decimal", "datetime.datetime", "datetime.date", "datetime.time", "datetime.timedelta",
        "datetime.timezone", "fractions.Fraction", "numpy._ArrayFunctionDispatcher", "numpy._NoValueType",
        "collections._tuplegetter", "_collections._tuplegetter", "dataclasses.Field", "inspect.Signature", "inspect.Parameter",
        "inspect._ParameterKind", "types.GenericAlias", "types.UnionType", "uuid.UUID", "pathlib.PosixPath",
        "pathlib.WindowsPath", "re.Pattern",
        "random.Random", "random.SystemRandom",  # whoever draws from them calls functions in C, which a witness sees
    )
)  # fmt: skip


def never_changes(kind: type) -> bool:
    """Whether objects of this class stay what they are, as far as a call can see."""
    if kind is object or kind.__module__ in ("typing", "typing_extensions"):
        return True
    if f"{kind.__module__}.{kind.__qualname__}" in _NEVER_CHANGE:
        return True
    # Marks: objects of classes in Python that can hold nothing.
    return all(
        [
            base is object or (_made_by_python(base) and base.__dict__.get("__slots__") == ())
            for base in kind.__mro__
        ]
    )


def is_ours(value: Any) -> bool:
    """Whether a class or Python module is the library's."""
    name = value.__name__ if isinstance(value, ModuleType) else value.__module__
    return isinstance(name, str) and name.partition(".")[0] == "rushlight"


def is_library(kind: type) -> bool:
    module = kind.__module__ or ""
    return module.partition(".")[0] in (
        "builtins",
        "numpy",
        "collections",
        "functools",
        "typing",
        "types",
        "re",
    )
