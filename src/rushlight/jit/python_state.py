"""What a function reads of Python's state: taken down when it is recorded, compared before the recording is used again.

A static recording has the values of Python numbers, flags and lists built in. They are found from where the function can reach
them: its closure, the globals that it names, its defaults, the object that it is a method of, and from there modules,
optimizers, plain objects and containers.
"""

from __future__ import annotations

from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from ..core.tensor import Tensor

_PLAIN = (int, float, bool, str, bytes, complex, type(None))
_MISSING = object()
_DEPTH = 12
_LIMIT = 20_000  # entries: a larger state is not compared item by item on every call


class PythonState:
    """A snapshot. ``changed()`` names the first difference from now, or None."""

    def __init__(self, function: Any) -> None:
        # (dictionary, key, value, name), (cell, value, name), (list, content, name)
        self.entries: list[tuple[Any, Any, Any, str]] = []
        self.cells: list[tuple[Any, Any, str]] = []
        self.lists: list[tuple[Any, tuple[Any, ...], str]] = []
        self.tensors: list[Tensor] = []
        self.without_gradient: list[Tensor] = []
        self.with_gradient: list[Tensor] = []
        self._seen: set[int] = set()
        self._keep: list[Any] = []
        self._function(function, getattr(function, "__name__", "the function"), 0)
        for tensor in self.tensors:
            (self.without_gradient if tensor._grad is None else self.with_gradient).append(tensor)
        del self._seen
        self._same = self._compiled()

    def _compiled(self) -> Any:
        """The comparison of everything with ``is``, as one expression: it is made on every call of a static function."""
        space: dict[str, Any] = {}
        tests = []
        names: dict[int, str] = {}

        def named(value: Any) -> str:
            name = names.get(id(value))
            if name is None:
                name = names[id(value)] = f"o{len(names)}"
                space[name] = value
            return name

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
        # A deep chain of `and` costs nothing at run time; in pieces, so that the compiler's own stack is enough.
        pieces = [" and ".join(tests[i : i + 200]) for i in range(0, len(tests), 200)]
        source = (
            "def same():\n"
            + "".join([f"    if not ({piece}): return False\n" for piece in pieces])
            + "    return True\n"
        )
        exec(source, space)
        return space["same"]

    def unchanged(self) -> bool:
        """Whether nothing is different; the quick way to ask."""
        try:
            if self._same():
                return True
        except (KeyError, IndexError, ValueError):  # a cell without content
            pass
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
        for value in function.__defaults__ or ():
            self._visit(value, f"a default of {function.__name__}", depth + 1)

    def _visit(self, value: Any, name: str, depth: int) -> None:
        kind = type(value)
        if kind in _PLAIN or depth > _DEPTH or len(self.entries) > _LIMIT or id(value) in self._seen:
            return
        if isinstance(value, Tensor):
            self._seen.add(id(value))
            self._keep.append(value)
            self.tensors.append(value)
            return
        if isinstance(value, FunctionType | MethodType):
            if not (value.__module__ or "").startswith("rushlight"):
                self._function(value, name, depth)
            elif isinstance(value, MethodType):
                self._visit(value.__self__, name, depth)
            return
        if isinstance(value, ModuleType | type):
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
        attributes = getattr(value, "__dict__", None)
        if type(attributes) is not dict or _is_library(kind):
            return
        self._seen.add(id(value))
        self._keep.append(value)
        ours = kind.__module__.startswith("rushlight")
        if hasattr(value, "param_groups"):  # an optimizer: its options; its state is tensors that are met
            for group in value.param_groups:
                self._dictionary(group, f"{name}.param_groups", depth)
            return
        if hasattr(value, "_modules") and hasattr(value, "_parameters"):
            self._module(value, attributes, name, depth)
            return
        self._dictionary(attributes, name, depth, ours)

    def _module(self, module: Any, attributes: dict[str, Any], name: str, depth: int) -> None:
        for kind in ("_parameters", "_buffers", "_modules"):
            for key, value in attributes[kind].items():
                self.entries.append((attributes[kind], key, value, f"{name}.{key}"))
                # Parts of a model nest deeply and are all worth following.
                self._visit(value, f"{name}.{key}", 1 if kind == "_modules" else depth)
        for key, value in attributes.items():
            if key.startswith("_") and not key.endswith("_hooks"):
                continue
            if isinstance(value, dict):
                if key.endswith("_hooks") and not value:
                    self.lists.append((_Length(value), (), f"{name}.{key}"))
                else:
                    self._visit(value, f"{name}.{key}", depth + 1)
            elif type(value) in _PLAIN or type(value) is tuple:
                self.entries.append((attributes, key, value, f"{name}.{key}"))
            else:
                self._visit(value, f"{name}.{key}", depth + 1)

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
