"""What a function reads of Python's state: taken down when it is recorded, compared before the recording is used again.

A static recording has the values of Python numbers, flags and lists built in. They are found from where the function can reach
them: its closure, the globals that it names, its defaults, the object that it is a method of, and from there modules,
optimizers, plain objects and containers. Where the code that a call runs is known (``Witness``), also the globals, the
attributes of classes and of Python modules that this code names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import numpy as np

from ..core.tensor import Tensor

_PLAIN = (int, float, bool, str, bytes, complex, type(None))
_MISSING = object()
_DEPTH = 12
_LIMIT = 20_000  # entries: a larger state is not compared item by item on every call


# Attributes of every nn.Module that are followed in their own way, or that no forward pass reads.
_OF_MODULES: Final = frozenset(
    (
        "_parameters",
        "_buffers",
        "_modules",
        "_non_persistent_buffers_set",
        "_state_dict_hooks",
        "_state_dict_pre_hooks",
        "_load_state_dict_pre_hooks",
        "_load_state_dict_post_hooks",
        # They say something of hooks that are compared themselves.
        "_forward_pre_hooks_with_kwargs",
        "_forward_hooks_with_kwargs",
        "_forward_hooks_always_called",
    )
)


class PythonState:
    """A snapshot. ``changed()`` names the first difference from now, or None.

    ``arguments``: what it is called with. ``incomplete`` says what of the state can't be compared, None if all of it is.
    """

    def __init__(self, function: Any, arguments: Any = ()) -> None:
        self.incomplete: str | None = None
        self._spaces: list[
            Any
        ] = []  # of classes and Python modules: which names of theirs matter is found out last
        self._walked: set[CodeType] = set()
        # (dictionary, key, value, name), (cell, value, name), (list, content, name)
        self.entries: list[tuple[Any, Any, Any, str]] = []
        # The same for the attributes of the library's own layers, of which few are read.
        self._of_layers: list[tuple[Any, Any, Any, str]] = []
        self.cells: list[tuple[Any, Any, str]] = []
        self.lists: list[tuple[Any, tuple[Any, ...], str]] = []
        self.functions: list[tuple[Any, CodeType, Any, Any]] = []  # with their code and defaults
        self.tensors: list[Tensor] = []
        self.without_gradient: list[Tensor] = []
        self.with_gradient: list[Tensor] = []
        self._seen: set[int] = set()
        self._seen_entries: set[tuple[int, str]] = set()
        self._keep: list[Any] = []
        self._function(function, getattr(function, "__name__", "the function"), 0)
        self._argument(arguments)
        self._note_gradients(self.tensors)

    def _argument(self, value: Any) -> None:
        """What objects among the arguments hold. (Tensors and containers of them are looked at on every call.)"""
        if isinstance(value, dict):
            value = tuple(value.values())
        if isinstance(value, list | tuple):
            for part in value:
                self._argument(part)
        elif not isinstance(value, Tensor):
            self._visit(value, "an argument", 1)

    def _note_gradients(self, tensors: list[Tensor]) -> None:
        for tensor in tensors:
            (self.without_gradient if tensor._grad is None else self.with_gradient).append(tensor)

    def extend(
        self,
        codes: Mapping[CodeType, dict[str, Any]],
        library: Sequence[tuple[CodeType, dict[str, Any]]],
        before_the_call: bool,
    ) -> None:
        """Take down as well what this code, which a call runs, names: the program's and the library's."""
        known = len(self.tensors)
        self._named(codes)
        read = {name for code in (*codes, *[code for code, _ in library]) for name in code.co_names}
        self.entries += [entry for entry in self._of_layers if entry[1] in read]
        self._of_layers = []
        if before_the_call:
            self._note_gradients(self.tensors[known:])
        for code, space in library:
            for name in code.co_names:
                if name.endswith("_hooks") and isinstance(space.get(name), dict):
                    self._hooks(space[name], name)

    def _hooks(self, hooks: dict[Any, Any], name: str) -> None:
        if id(hooks) not in self._seen:
            self._seen.add(id(hooks))
            self._keep.append(hooks)
            self.lists.append((_Length(hooks), (None,) * len(hooks), name))

    def _named(self, codes: Mapping[CodeType, dict[str, Any]]) -> None:
        """What the code names: globals, and attributes of the classes and Python modules that were met."""
        names: set[str] = set()
        for code, space in codes.items():
            names.update(code.co_names)
            names.add(code.co_name)
            for name in code.co_names:
                if name in space:
                    self._entry(space, name, f"the global {name}")
        while self._spaces:
            of, name = self._spaces.pop()
            for owner in [of] if isinstance(of, ModuleType) else of.__mro__:
                if not _is_ours(owner) and getattr(owner, "__module__", None) != "builtins":
                    for attribute in names.intersection(vars(owner)):
                        self._entry(vars(owner), attribute, f"{name}.{attribute}")
        for code in codes:
            if code.co_freevars and code not in self._walked and not self._is_local(code, codes):
                self._not_all(f"the function {code.co_name} was not found")

    @staticmethod
    def _is_local(code: CodeType, codes: Mapping[CodeType, dict[str, Any]]) -> bool:
        """Whether the function was made by other code that ran, so that what it closes over is of this call."""
        return any([code in other.co_consts for other in codes])

    def _entry(self, space: Any, key: str, name: str) -> None:
        value = space[key]
        if (id(space), key) not in self._seen_entries:
            self._seen_entries.add((id(space), key))
            self.entries.append((space, key, value, name))
            self._visit(value, name, 1)

    def _not_all(self, reason: str) -> None:
        if self.incomplete is None:
            self.incomplete = reason

    def tests(self, named: Callable[[Any], str]) -> list[str]:
        """The comparison of everything with ``is``, as expressions: they are evaluated on every call of a static function.

        ``named(value)`` gives the name that a value has in them.
        """
        tests = [f"{named(tensor)}._grad is None" for tensor in self.without_gradient]
        tests += [f"{named(tensor)}._grad is not None" for tensor in self.with_gradient]
        for dictionary, key, value, _ in self.entries:
            tests.append(
                f"{named(dictionary)}[{repr(key) if type(key) is str else named(key)}] is {named(value)}"
            )
        for cell, value, _ in self.cells:
            tests.append(f"{named(cell)}.cell_contents is {named(value)}")
        for values, content, _ in self.lists:
            if isinstance(values, _Length):
                tests.append(
                    f"len({named(values.values)}) == {len(content)}"
                    if content
                    else f"not {named(values.values)}"
                )
            else:
                tests.append(f"len({named(values)}) == {len(content)}")
                tests += [f"{named(values)}[{i}] is {named(part)}" for i, part in enumerate(content)]
        for function, code, defaults, keywords in self.functions:
            f = named(function)
            tests.append(f"{f}.__code__ is {named(code)} and {f}.__defaults__ is {named(defaults)}")
            tests.append(f"{f}.__kwdefaults__ is {named(keywords)}")
        return tests

    def unchanged(self) -> bool:
        """Whether nothing is different."""
        return self.changed() is None

    def changed(self) -> str | None:
        """The name of something that is not what it was; None if nothing is."""
        for dictionary, key, value, name in self.entries:
            now = dictionary.get(key, _MISSING)
            if now is not value and not (type(now) is type(value) and type(now) in _PLAIN and now == value):
                return name
        for cell, value, name in self.cells:
            try:
                now = cell.cell_contents
            except ValueError:
                now = _MISSING
            if now is not value and not (type(now) is type(value) and type(now) in _PLAIN and now == value):
                return name
        for values, content, name in self.lists:
            if len(values) != len(content):
                return name
            for now, value in zip(values, content, strict=True):
                if now is not value and not (
                    type(now) is type(value) and type(now) in _PLAIN and now == value
                ):
                    return name
        for function, *parts in self.functions:
            now = [function.__code__, function.__defaults__, function.__kwdefaults__]
            if any([a is not b for a, b in zip(now, parts, strict=True)]):
                return f"the function {function.__name__}"
        return None

    def gradients_changed(self) -> bool:
        """Whether a tensor has a gradient now that had none, or the other way round."""
        return any([tensor._grad is not None for tensor in self.without_gradient]) or any(
            [tensor._grad is None for tensor in self.with_gradient]
        )

    # --- the walk -------------------------------------------------------------------------------------------------

    def _function(self, function: Any, name: str, depth: int) -> None:
        if isinstance(function, MethodType):
            self._visit(function.__self__, f"{name}.__self__", depth + 1)
            function = function.__func__
        if not isinstance(function, FunctionType):
            if callable(function) and not isinstance(function, type):
                self._visit(function, name, depth + 1)
            return
        if id(function) in self._seen:
            return
        self._seen.add(id(function))
        self._keep.append(function)
        self._walked.add(function.__code__)
        self.functions.append((function, function.__code__, function.__defaults__, function.__kwdefaults__))
        for cell_name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:
                continue
            self.cells.append((cell, value, f"{cell_name} (of {function.__name__}'s enclosing function)"))
            self._visit(value, cell_name, depth + 1)
        space = function.__globals__
        for global_name in _names(function.__code__):
            if global_name in space:
                value = space[global_name]
                self.entries.append((space, global_name, value, f"the global {global_name}"))
                self._visit(value, global_name, depth + 1)
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._visit(value, f"a default of {function.__name__}", depth + 1)
        if function.__dict__:
            self._visit(function.__dict__, f"{function.__name__}.__dict__", depth + 1)

    def _visit(self, value: Any, name: str, depth: int) -> None:
        kind = type(value)
        if kind in _PLAIN or id(value) in self._seen:
            return
        if depth > _DEPTH or len(self.entries) > _LIMIT:
            self._not_all(f"{name} lies too deep, or the state is too large")
            return
        if isinstance(value, Tensor):
            self._seen.add(id(value))
            self._keep.append(value)
            self.tensors.append(value)
            return
        if isinstance(value, FunctionType | MethodType):
            compiled = getattr(value, "_compiled", None)
            if compiled is not None:  # the function itself, not what has been recorded of it
                self._function(compiled.function, name, depth)
            elif not (value.__module__ or "").startswith("rushlight"):
                self._function(value, name, depth)
            elif isinstance(value, MethodType):
                self._visit(value.__self__, name, depth)
            return
        if isinstance(value, staticmethod | classmethod):
            self._visit(value.__func__, name, depth)
            return
        if isinstance(value, property):
            for part in (value.fget, value.fset):
                self._visit(part, name, depth)
            return
        if isinstance(value, ModuleType | type):
            if not _is_ours(value):
                self._seen.add(id(value))
                self._keep.append(value)
                self._spaces.append((value, name))
            return
        if isinstance(value, list | tuple):
            self._seen.add(id(value))
            self._keep.append(value)
            if kind is list:
                self.lists.append((value, tuple(value), name))
            for number, part in enumerate(value):
                self._visit(part, f"{name}[{number}]", depth + 1)
            return
        if isinstance(value, dict):
            self._seen.add(id(value))
            self._keep.append(value)
            self._dictionary(value, name, depth)
            return
        if kind is partial:
            self._seen.add(id(value))
            self._keep.append(value)
            for part in (value.func, value.args, value.keywords):
                self._visit(part, name, depth + 1)
            return
        ours = _is_ours(kind)
        if not ours:
            self._visit(kind, f"type({name})", depth)
        attributes = getattr(value, "__dict__", None)
        if type(attributes) is not dict or _is_library(kind):
            if not ours and not isinstance(value, _IMMUTABLE):
                self._not_all(f"{name} is of a kind that can't be compared ({kind.__name__})")
            return
        if not ours and (hasattr(kind, "__slots__") or hasattr(value, "__next__")):
            self._not_all(f"{name} is of a kind that can't be compared ({kind.__name__})")
        self._seen.add(id(value))
        self._keep.append(value)
        if hasattr(value, "param_groups"):  # an optimizer: its options, and which tensors are its state
            for held in ("param_groups", "state"):
                if held in attributes:
                    self.entries.append((attributes, held, attributes[held], f"{name}.{held}"))
            self.lists.append((value.param_groups, tuple(value.param_groups), f"{name}.param_groups"))
            for group in value.param_groups:
                self._dictionary(group, f"{name}.param_groups", depth)
            for state in getattr(value, "state", {}).values():
                if isinstance(state, dict):
                    self.entries += [
                        (state, key, part, f"{name}.state")
                        for key, part in state.items()
                        if isinstance(part, Tensor)
                    ]
            return
        if hasattr(value, "_modules") and hasattr(value, "_parameters"):
            self._module(value, attributes, name, depth, ours)
            return
        self._dictionary(attributes, name, depth, ours)

    def _module(self, module: Any, attributes: dict[str, Any], name: str, depth: int, ours: bool) -> None:
        for kind in ("_parameters", "_buffers", "_modules"):
            for key, value in attributes[kind].items():
                self.entries.append((attributes[kind], key, value, f"{name}.{key}"))
                # Parts of a model nest deeply and are all worth following.
                self._visit(value, f"{name}.{key}", 1 if kind == "_modules" else depth)
        for key, value in attributes.items():
            if key in _OF_MODULES:
                continue
            if key.endswith("_hooks") and isinstance(value, dict) and not value:
                self._hooks(value, f"{name}.{key}")
                continue
            if not isinstance(value, dict):
                entries = self._of_layers if ours else self.entries
                entries.append((attributes, key, value, f"{name}.{key}"))
            self._visit(value, f"{name}.{key}", depth + 1)
        self.lists.append((_Length(attributes), (None,) * len(attributes), name))

    def _dictionary(self, values: dict[Any, Any], name: str, depth: int, private: bool = False) -> None:
        self.lists.append((_Length(values), (None,) * len(values), name))
        for key, value in values.items():
            if private and isinstance(key, str) and key.startswith("_"):
                continue
            self.entries.append((values, key, value, f"{name}.{key}"))
            self._visit(value, f"{name}.{key}", depth + 1)


class _Length:
    """Stands for a dictionary of which only the number of entries is compared here."""

    def __init__(self, values: dict[Any, Any]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Any:
        return iter((None,) * len(self.values))


def _names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


# Objects without a dictionary that never change.
_IMMUTABLE: Final = (
    BuiltinFunctionType,
    frozenset,
    range,
    slice,
    type(Ellipsis),
    type(NotImplemented),
    np.generic,
    np.dtype,
    np.ufunc,
)


def _is_ours(value: Any) -> bool:
    """Whether a class or Python module is the library's."""
    name = value.__name__ if isinstance(value, ModuleType) else value.__module__
    return isinstance(name, str) and name.partition(".")[0] == "rushlight"


def _is_library(kind: type) -> bool:
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
