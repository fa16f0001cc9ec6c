"""What a call returns: found in the first run of a recording, made again around the outputs of every other one.

Tensors, numbers, and the containers and plain objects that the call made of them (dataclasses, named tuples, subclasses of
dict). What the function's state knows, and what never changes, is returned itself.
"""

from __future__ import annotations

import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ..core.device import part_of
from ..core.grad_mode import INFERENCE_MODE
from ..core.storage import InferenceStorage, Storage
from ..core.tensor import Tensor, init_fields, make_tensor, storage_of
from ..runtime.pending import Pending, address
from ..runtime.recording import span
from .numbers import PendingNumber
from .static_tape import get_array

ndarray = np.ndarray
# What a call may return and the next one may return as well.
_LASTING: Final = (
    int, float, bool, str, bytes, complex, type(None), type, slice, range, type(Ellipsis), np.dtype, np.generic,
    type(sys), type(len),
)  # fmt: skip
_MADE_AGAIN: Final = (
    "tensor",
    "shared",
    "view",
    "part",
    "constant",
)  # templates of tensors that every call makes
_BASES: Final = (dict, OrderedDict, list, tuple, object)
_MADE_BY_PYTHON: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE


class Anatomy(NamedTuple):
    """What a container or an object consists of. ``base``: the class in C that makes its memory."""

    base: Any
    parts: list[Any]
    items: list[tuple[Any, Any]]
    attributes: list[tuple[str, Any]]
    slots: list[tuple[str, Any]]


def anatomy(value: Any) -> Anatomy | None:
    """How ``value`` can be made again; None if it may be more than what can be seen of it."""
    kind = type(value)
    if kind is defaultdict:
        return Anatomy(kind, [], list(value.items()), [("default_factory", value.default_factory)], [])
    slots: list[str] = []
    base: Any
    for base in kind.__mro__:
        if base in _BASES:
            break
        if not base.__flags__ & _MADE_BY_PYTHON or "__del__" in base.__dict__:
            return None
        own = base.__dict__.get("__slots__", ())
        slots += [name for name in ([own] if isinstance(own, str) else own) if name != "__weakref__"]
    else:
        return None
    if slots and any([name.startswith("__") for name in slots]):
        return None
    held = [(name, getattr(value, name)) for name in slots if name != "__dict__" and hasattr(value, name)]
    own_attributes = getattr(value, "__dict__", {}) if kind not in _BASES else {}
    if type(own_attributes) is not dict:
        return None
    attributes = list(own_attributes.items())
    if base is object:
        # Iterators, and classes whose C part can't be seen, are no plain objects.
        plain = kind is not object and not hasattr(kind, "__next__")
        return Anatomy(object, [], [], attributes, held) if plain else None
    if base is list or base is tuple:
        return Anatomy(base, list(base.__iter__(value)), [], attributes, held)
    return Anatomy(base, [], list(base.items(value)), attributes, held)


def _is_walked(value: Any, known: Callable[[Any], bool]) -> Anatomy | None:
    """The anatomy of what the call made; None for what it returns as it is."""
    kind = type(value)
    if kind in _LASTING or isinstance(value, (*_LASTING, Tensor)) or kind is PendingNumber or known(value):
        return None
    found = anatomy(value)
    if found is not None and _is_the_librarys(kind, found):
        return None
    return found


def _is_the_librarys(kind: type, found: Anatomy) -> bool:
    """Objects of the library are made again where they hold tensors, and are no modules."""
    if found.base is not object or not kind.__module__.startswith("rushlight"):
        return any([name == "_parameters" for name, _ in found.attributes])
    return "_parameters" in dict(found.attributes) or not any(
        [isinstance(part, Tensor) for _, part in (*found.attributes, *found.slots)]
    )


def tensors_of(result: Any, known: Callable[[Any], bool]) -> list[Tensor]:
    """The tensors in what a call returns, in order. ``known``: whether an object is part of the function's state."""
    return [result] if type(result) is Tensor else [*_tensors_of(result, known, set())]


def _tensors_of(value: Any, known: Callable[[Any], bool], seen: set[int]) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
        return
    if id(value) in seen or (found := _is_walked(value, known)) is None:
        return
    seen.add(id(value))
    for part in found.parts:
        yield from _tensors_of(part, known, seen)
    for _, part in (*found.items, *found.attributes, *found.slots):
        yield from _tensors_of(part, known, seen)


class Template:
    """How to make what a call returns around the outputs of another run. ``not_again``: what of it can't be made again."""

    def __init__(
        self,
        number_of: dict[int, int],
        arguments: dict[int, int],
        storages: Sequence[Storage],
        memory: dict[int, tuple[int, bool]],
        states: Container[int],
        gradients: dict[int, Any],
        state: Any,
    ) -> None:
        """By the id of a root: the ``number_of`` the output, or the argument whose ``memory`` it is. ``arguments``: their
        numbers by id, with their ``storages``; ``states``: the ids of other tensors from before the call; ``gradients``: by
        id, whose they are (a tensor, or an argument's number)."""
        self.number_of, self.arguments, self.memory, self.state = number_of, arguments, memory, state
        self.storages = storages
        self.states, self.gradients = states, gradients
        self.not_again: str | None = None
        self.known: dict[int, Any] = {}  # by id: tensors and containers may be there more than once
        self.keep: list[Any] = []
        self._open: set[int] = set()  # containers that are being looked at
        # Whether results are parts of each other's memory by way of a tensor that is none, or made in inference mode alone.
        self.needs_python = False
        self._with_memory: dict[int, Tensor] = {}  # by the number of an output: the first tensor in it

    def of(self, value: Any) -> Any:
        """The template of ``value``."""
        if type(value) in _LASTING:
            return ("same", value)
        if id(value) in self.known:
            return ("again", self.known[id(value)])
        if id(value) in self._open:
            self.not_again = "it returns an object that refers to itself"
            return ("same", value)
        self._open.add(id(value))
        made = self._new(value)
        self._open.discard(id(value))
        self.known[id(value)] = len(self.known)
        self.keep.append(value)
        return made

    def _new(self, value: Any) -> Any:
        kind = type(value)
        if kind is PendingNumber:
            return ("number", self.number_of[id(get_array(value).buffer.root)])
        if isinstance(value, Tensor):
            made = self._tensor(value)
            attributes = value.__dict__
            if made[0] not in _MADE_AGAIN or (type(value) is Tensor and not attributes):
                return made
            return (
                "dressed",
                made,
                type(value),
                [(name, self.of(part)) for name, part in attributes.items()],
            )
        if isinstance(value, _LASTING) or self.state.knows(value):
            return ("same", value)
        if kind is tuple or kind is list:
            return ("sequence", kind, [self.of(part) for part in value])
        if kind is dict:
            return ("dict", [(key, self.of(part)) for key, part in value.items()])
        found = anatomy(value)
        if found is None or _is_the_librarys(kind, found):
            if not kind.__module__.startswith("rushlight"):
                self.not_again = f"it returns an object of type {kind.__name__}"
            return ("same", value)
        if found.base is tuple and not found.attributes and not found.slots:
            make: Any = lambda made: tuple.__new__(kind, made)  # noqa: E731
            return ("sequence", make, [self.of(part) for part in found.parts])
        return (
            "object",
            kind,
            found.base,
            [self.of(part) for part in found.parts],
            [(key, self.of(part)) for key, part in found.items],
            [(name, self.of(part)) for name, part in found.attributes],
            [(name, self.of(part)) for name, part in found.slots],
        )

    def _tensor(self, value: Tensor) -> Any:
        if id(value) in self.arguments:
            return ("argument", self.arguments[id(value)])
        if id(value) in self.gradients and id(value) not in self.states:
            return ("gradient", self.gradients[id(value)])
        array = get_array(value)
        if isinstance(value._storage, InferenceStorage) and not INFERENCE_MODE.get():
            self.needs_python = True
        if type(array) is Pending and id(array.buffer.root) in self.number_of:
            number = self.number_of[id(array.buffer.root)]
            root, real = array.buffer.root, array.memory
            where = None if real is root else _place_in_root(array)
            first = self._with_memory.setdefault(number, value)
            if first is value or value._storage is not storage_of(first):  # `.data` has one of its own
                return ("tensor", number, where, value._node)
            # Several results in one memory have one storage, where changes in place are counted.
            if self.known.get(id(first)) is None:
                self.not_again = "it returns a tensor that has a view of itself as an attribute"
            view = self._view(value)
            if (
                view is None
                and value._view is not None
                and np.may_share_memory(real, get_array(first).memory)
            ):
                self.needs_python = True
            return ("shared", number, where, value._node, self.known.get(id(first)), view)
        if type(array) is Pending and id(array.buffer.root) in self.memory:
            number, spans = self.memory[id(array.buffer.root)]
            shares = value._storage is self.storages[number]
            return ("view", number, spans, _place_in_root(array), value._node, shares, self._view(value))
        if id(value) in self.states:
            return ("same", value)
        if type(array) is ndarray:  # made of Python's numbers
            return ("constant", array.copy())
        if type(array) is Pending:
            place = _place_in_root(array)
            return ("part", array.buffer.root, place, value._node, value._storage, value._view)
        return ("same", value)

    def _view(self, value: Tensor) -> Any:
        """What a result is a view of: (where that is to be found, its number there or how it is made, the operation)."""
        if value._view is None:
            return None
        base, record, attrs = value._view
        if id(base) in self.arguments:
            return ("arguments", self.arguments[id(base)], record, attrs)
        if id(base) in self.known:
            return ("made", self.known[id(base)], record, attrs)
        if id(value._base) in self.arguments and id(base) not in self.states:
            return ("between", self._tensor(base), record, attrs)
        return None


def _place_in_root(array: Any) -> tuple[Any, ...]:
    """Shape, strides, distance in bytes and dtype of a pending array in the memory that it is a part of, for ``part_of``."""
    real = array.memory
    return (real.shape, real.strides, address(real) - address(array.buffer.root), real.dtype)


def filled(template: Any, roots: list[Any], tensors: list[Tensor], made: list[Any]) -> Any:
    """What a template is of. ``made``: everything so far that may come again."""
    kind = template[0]
    if kind == "same" and type(template[1]) in _LASTING:
        return template[1]
    if kind == "again":
        return made[template[1]]
    result: Any
    if kind == "same":
        result = template[1]
    elif kind == "tensor":
        _, number, part, node = template
        array = roots[number]
        if part is not None:
            array = part_of(array, *part)
        result = make_tensor(array, node)
    elif kind == "view":
        _, number, spans, where, node, shares, view = template
        argument = tensors[number]
        root = span(argument._array) if spans else argument._array
        result = make_tensor(part_of(root, *where), node)
        if shares:
            result._storage = storage_of(argument)
        _become_view(result, view, tensors, made)
    elif kind == "shared":
        _, number, where, node, first, view = template
        array = roots[number]
        result = make_tensor(array if where is None else part_of(array, *where), node)
        result._storage = storage_of(made[first])
        _become_view(result, view, tensors, made)
    elif kind == "gradient":
        owner = template[1]
        result = (tensors[owner] if type(owner) is int else owner)._grad
    elif kind == "constant":
        result = make_tensor(template[1].copy())
    elif kind == "part":
        _, root, where, node, storage, view = template
        result = make_tensor(part_of(root, *where), node)
        result._storage, result._view = storage, view
        if view is not None:
            storage.add_view(result)
    elif kind == "dressed":
        _, plain, of, attributes = template
        result = filled(plain, roots, tensors, list(made))
        if of is not Tensor:
            bare, result = result, object.__new__(of)
            init_fields(result, bare._array, bare._node)
            result._storage, result._view = bare._storage, bare._view
        result.__dict__.update([(name, filled(part, roots, tensors, made)) for name, part in attributes])
    elif kind == "number":
        result = roots[template[1]].item()
    elif kind == "argument":
        result = tensors[template[1]]
    elif kind == "sequence":
        result = template[1]([filled(part, roots, tensors, made) for part in template[2]])
    elif kind == "dict":
        result = {key: filled(part, roots, tensors, made) for key, part in template[1]}
    else:
        result = _object(template, roots, tensors, made)
    made.append(result)
    return result


def _become_view(result: Tensor, view: Any, tensors: list[Tensor], made: list[Any]) -> None:
    if view is not None:
        place, what, record, attrs = view
        if place == "between":
            base = filled(what, [], tensors, list(made))
        else:
            base = (tensors if place == "arguments" else made)[what]
        result._view = (base, record, attrs)
        storage_of(result).add_view(result)


def _object(template: Any, roots: list[Any], tensors: list[Tensor], made: list[Any]) -> Any:
    """An object without its ``__init__``, which would run Python code again."""
    _, kind, base, parts, items, attributes, slots = template
    sequence = [filled(part, roots, tensors, made) for part in parts]
    entries = [(key, filled(part, roots, tensors, made)) for key, part in items]
    values = [(name, filled(part, roots, tensors, made)) for name, part in attributes]
    held = [(name, filled(part, roots, tensors, made)) for name, part in slots]
    if base is defaultdict:
        return defaultdict(values[0][1], entries)
    result: Any = base.__new__(kind, sequence) if base is tuple else base.__new__(kind)
    if base is list:
        list.extend(result, sequence)
    for key, value in entries:
        base.__setitem__(result, key, value)
    if values:
        result.__dict__.update(values)
    for name, value in held:
        object.__setattr__(result, name, value)
    return result


def resolved(value: Any, known: Callable[[Any], bool], seen: set[int] | None = None) -> Any:
    """The result of the first call, with the numbers in it computed now."""
    if type(value) is PendingNumber:
        array = get_array(value)
        return (array.memory if type(array) is Pending else array).item()
    seen = set() if seen is None else seen
    if isinstance(value, Tensor) or id(value) in seen or (found := _is_walked(value, known)) is None:
        return value
    seen.add(id(value))
    parts = [resolved(part, known, seen) for part in found.parts]
    if found.base is tuple and any([part is not old for part, old in zip(parts, found.parts, strict=True)]):
        again = tuple.__new__(type(value), parts)
        if found.attributes:
            again.__dict__.update(found.attributes)
        value = again
    elif found.base is list:
        for number, part in enumerate(parts):
            list.__setitem__(value, number, part)
    for key, part in found.items:
        now = resolved(part, known, seen)
        if now is not part:
            found.base.__setitem__(value, key, now)
    for name, part in (*found.attributes, *found.slots):
        now = resolved(part, known, seen)
        if now is not part:
            object.__setattr__(value, name, now)
    return value
