"""What a function reads of Python's state: taken down when it is recorded, compared before the recording is used again.

A static recording has the values of Python numbers, flags and lists built in. They are found from where the function can reach
them: its closure, the globals that it names, its defaults, the object that it is a method of, and from there modules,
optimizers, plain objects and containers. Where the code that a call runs is known (``Witness``), also the globals, the
attributes of classes and of Python modules that this code names.
"""

from __future__ import annotations

import builtins
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from functools import cached_property, lru_cache, partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, MethodWrapperType, ModuleType
from typing import Any, Final

from ..core.tensor import Tensor
from .comparable import (
    IMMUTABLE,
    PLAIN,
    WALKED,
    Keys,
    Length,
    attributes_of,
    base_of,
    is_library,
    is_of_python,
    is_ours,
    never_changes,
    parts_read,
    read_dict,
    read_list,
    read_ordered,
    reader_of,
    slot_reader,
    slots_of,
)

_CACHED: Final = type(lru_cache(len))
_MISSING: Final = object()
# How Python copies and pickles is a matter of the classes: these modules' registries are no state of a program's, and other
# libraries enter what they like in them.
_REGISTRIES: Final = ("copy", "copyreg")
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


def _same(now: Any, before: Any) -> bool:
    return now is before or (type(now) is type(before) and type(now) in PLAIN and now == before)


def _is_of_tensors(value: Any) -> bool:
    """Whether this is None, a tensor, or a list or tuple of such."""
    if type(value) is list or type(value) is tuple:
        return all(map(_is_of_tensors, value))
    return value is None or isinstance(value, Tensor)


def _are_of_tensors(now: Any, before: Any) -> bool:
    return _is_of_tensors(now) and _is_of_tensors(before)


class PythonState:
    """A snapshot. ``changed()`` names the first difference from now, or None.

    ``arguments``: what it is called with. ``incomplete`` says what of the state can't be compared, None if all of it is.
    """

    def __init__(self, function: Any, arguments: Any = ()) -> None:
        self.incomplete: str | None = None
        # What can't be compared, with the names of attributes that lead there: it counts if all of them are read. And the
        # objects on the way, each with how many names lead to it: those met again may be come to in another way.
        self._not_compared: list[tuple[str, tuple[str, ...], tuple[tuple[int, int], ...]]] = []
        self._path: tuple[str, ...] = ()
        self._way: tuple[tuple[int, int], ...] = ()
        self._met_again: set[int] = set()
        self._spaces: list[
            Any
        ] = []  # of classes and Python modules: which names of theirs matter is found out last
        self._walked: set[CodeType] = set()
        self._ran: set[CodeType] | None = None  # the code that ran, once that is known
        # Functions that did not run: what they read decides nothing.
        self._skipped: dict[CodeType, list[tuple[FunctionType, str, int]]] = {}
        # Objects in C with the function that gives their content, and that: (object, function, content, name).
        self.contents: list[tuple[Any, Callable[[Any], Any], Any, str]] = []
        self._ours: list[Any] = []  # Python modules and classes of the library
        self.classes: list[tuple[Any, type, str]] = []  # of the program's objects
        self._waiting: list[dict[str, Any]] = []  # attributes of lazy modules, before their first call
        self.absent: list[tuple[Any, str]] = []  # names of globals that are not there: (dictionary, name)
        # (dictionary, key, value, name), (cell, value, name), (list, content, name)
        self.entries: list[tuple[Any, Any, Any, str]] = []
        # The same for the attributes of the library's own layers, of which few are read.
        self._of_layers: list[tuple[Any, Any, Any, str]] = []
        self.cells: list[tuple[Any, Any, str]] = []
        self.lists: list[tuple[Any, tuple[Any, ...], str]] = []
        self.functions: list[tuple[Any, CodeType, Any, Any]] = []  # with their code and defaults
        self.tensors: list[Tensor] = []
        self.without_gradient: list[Tensor] = []
        self.with_gradient: list[tuple[Tensor, Tensor]] = []
        self._same_gradients: frozenset[int] = (
            frozenset()
        )  # ids of gradients that the recording itself has read
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
            if tensor._grad is None:
                self.without_gradient.append(tensor)
            else:
                self.with_gradient.append((tensor, tensor._grad))

    def met(self, tensors: Sequence[Tensor]) -> None:
        """Note what the recording has read: gradients among it must stay the same tensors."""
        self._same_gradients = frozenset([id(tensor) for tensor in tensors])

    def extent(self) -> tuple[int, ...]:
        """How much there is that a call could change without a trace: it differs when more was taken down."""
        return len(self.lists), len(self.contents), len(self.cells), len(self.tensors)

    def knows(self, value: Any) -> bool:
        """Whether this object is part of the state."""
        return id(value) in self._seen

    def extend(
        self,
        codes: Mapping[CodeType, dict[str, Any]],
        library: Sequence[tuple[CodeType, dict[str, Any]]],
        asked: set[str],
        before_the_call: bool,
    ) -> None:
        """Take down as well what this code, which a call runs, names: the program's and the library's. ``asked``: names by
        which it asked for attributes that are not in it."""
        known = len(self.tensors)
        self._ran = {*codes, *[code for code, _ in library]}
        for function, name, depth in [
            skipped for code in self._ran for skipped in self._skipped.pop(code, ())
        ]:
            self._inside_of(function, name, depth)
        self._named(codes, asked)
        own = {name for code, space in codes.items() if space for name in code.co_names}
        read = {name for code in (*codes, *[code for code, _ in library]) for name in code.co_names} | asked
        self.entries += [entry for entry in self._of_layers if entry[1] in read]
        self._of_layers = [entry for entry in self._of_layers if entry[1] not in read]
        if before_the_call:
            self._note_gradients(self.tensors[known:])
        dynamic = not _READ_BY_ANY_NAME.isdisjoint(own)
        for reason, path, way in self._not_compared:
            start = max([names for seen, names in way if seen in self._met_again], default=0)
            if dynamic or read.issuperset(path[start:]):
                self.incomplete = self.incomplete or reason
        for code, space in library:
            for name in code.co_names:
                if name.endswith("_hooks") and isinstance(space.get(name), dict):
                    self._hooks(space[name], name)

    def _hooks(self, hooks: dict[Any, Any], name: str) -> None:
        if id(hooks) not in self._seen:
            self._seen.add(id(hooks))
            self._keep.append(hooks)
            self.lists.append((Length(hooks), (None,) * len(hooks), name))

    def note(self, variables: Sequence[Any], not_found: Sequence[tuple[Any, str]]) -> None:
        """Take down what a call was seen to ask for beside what its code names: context variables, and what classes and Python
        modules did not have."""
        for variable in variables:
            self._visit(variable, f"the context variable {variable.name}", 1)
        for of, name in not_found:
            for owner in [of] if isinstance(of, ModuleType) else of.__mro__:
                of_python = getattr(owner, "__module__", None) == "builtins"
                if not is_ours(owner) and not of_python and name not in vars(owner):
                    self._absent(vars(owner), name)

    def _named(self, codes: Mapping[CodeType, dict[str, Any]], asked: set[str]) -> None:
        """What the code names: globals, and attributes of the classes and Python modules that were met."""
        names: set[str] = set(asked)
        for code, space in codes.items():
            if space.get("__name__") in _REGISTRIES:
                continue
            names.update(code.co_names)
            names.add(code.co_name)
            if not space:
                continue
            if not _READ_BY_ANY_NAME.isdisjoint(code.co_names):  # by strings, maybe
                names.update([part for part in code.co_consts if type(part) is str])
            for name in globals_of(code):
                if name in space:
                    self._entry(space, name, f"the global {name}")
                else:
                    self._absent(space, name)
                    if name in _BUILTINS:
                        self._entry(_BUILTINS, name, f"the builtin {name}")
        for code, space in codes.items():
            for module in _imported_by(code) if space else ():
                self._visit(module, module.__name__, 1)
        for of, name in self._spaces:  # which grows meanwhile
            missing: list[Any] = []  # classes before, whose attribute would come first
            for owner in [of] if isinstance(of, ModuleType) else of.__mro__:
                if not is_ours(owner) and getattr(owner, "__module__", None) != "builtins":
                    for attribute in names.intersection(vars(owner)):
                        if (id(owner), attribute) not in self._seen_entries:
                            self._seen_entries.add((id(owner), attribute))
                            self._entry(vars(owner), attribute, f"{name}.{attribute}")
                            for other in missing:
                                if attribute not in vars(other):
                                    self._absent(vars(other), attribute)
                    missing.append(owner)
        if "__subclasses__" in names:
            for of, name in self._spaces:
                if isinstance(of, type):
                    known: Any = type.__subclasses__(of)
                    self.contents.append((of, type.__subclasses__, known, f"{name}.__subclasses__()"))
        for own in self._ours:
            for attribute in ["forward"] if isinstance(own, type) else names.intersection(vars(own)):
                part = vars(own).get(attribute)
                if isinstance(part, ModuleType):
                    self._visit(part, attribute, 1)
                elif callable(part) and (id(own), attribute) not in self._seen_entries:
                    self._seen_entries.add((id(own), attribute))
                    self.entries.append((vars(own), attribute, part, f"{own.__name__}.{attribute}"))
        for code in codes:
            if code.co_freevars and code not in self._walked and not self._is_local(code, codes):
                self._not_all(f"the function {code.co_name} was not found")

    @staticmethod
    def _is_local(code: CodeType, codes: Mapping[CodeType, dict[str, Any]]) -> bool:
        """Whether the function was made by other code that ran, so that what it closes over is of this call."""
        return any([code in other.co_consts for other in codes])

    def _entry(self, space: Any, key: str, name: str, depth: int = 1) -> None:
        value = space[key]
        if (id(space), key) not in self._seen_entries:
            self._seen_entries.add((id(space), key))
            self._keep.append(space)
            self.entries.append((space, key, value, name))
            self._visit(value, name, depth)

    def _absent(self, space: Any, name: str) -> None:
        if (id(space), name) not in self._seen_entries:
            self._seen_entries.add((id(space), name))
            self._keep.append(space)
            self.absent.append((space, name))

    def _not_all(self, reason: str) -> None:
        self._not_compared.append((reason, self._path, self._way))

    def tests(self, named: Callable[[Any], str]) -> list[str]:
        """The comparison of everything with ``is``, as expressions: they are evaluated on every call of a static function.

        ``named(value)`` gives the name that a value has in them.
        """
        tests = [f"{named(tensor)}._grad is None" for tensor in self.without_gradient]
        for tensor, gradient in self.with_gradient:
            same = id(gradient) in self._same_gradients
            tests.append(f"{named(tensor)}._grad is {named(gradient) if same else 'not None'}")
        tests += [f"type({named(value)}) is {named(kind)}" for value, kind, _ in self.classes]
        tests += [f"{name!r} not in {named(space)}" for space, name in self.absent]
        tests += [f"{named(read)}({named(of)}) == {named(content)}" for of, read, content, _ in self.contents]
        for dictionary, key, value, _ in self.entries:
            tests.append(
                f"{named(dictionary)}[{repr(key) if type(key) is str else named(key)}] is {named(value)}"
            )
        for cell, value, _ in self.cells:
            tests.append(f"{named(cell)}.cell_contents is {named(value)}")
        for values, content, _ in self.lists:
            if isinstance(values, Keys):
                tests.append(f"[*{named(values.values)}] == {named(list(content))}")
            elif isinstance(values, Length):
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
        for name, _, _ in self._differences():
            return name
        return None

    def keeps_tensors_only(self) -> bool:
        """Whether all that is different are tensors, and lists of them, that took the place of others, and things that were
        not there before."""
        found = [filled or kept for _, filled, kept in self._differences()]
        return bool(found) and all(found)

    def filled_only(self) -> bool:
        """Whether all that is different are things that were not there, or None, or numbers, or what lazy modules wait for:
        one more call may find them as it needs them."""
        return all([filled for _, filled, _ in self._differences()]) or self._has_initialized()

    def _has_initialized(self) -> bool:
        """Whether lazy modules have taken their sizes from this call, after which they change no more."""
        return any(["_initialize_hook" not in attributes for attributes in self._waiting])

    def _differences(self) -> Iterator[tuple[str, bool, bool]]:
        """What is different: its name, whether one more call may leave it as it is now, and whether tensors took the place
        of tensors."""
        for dictionary, key, value, name in self.entries:
            now = dictionary.get(key, _MISSING)
            if not _same(now, value):
                # A number may say what was made in this call: a flag, the length that a cache has now.
                settled = value is None or (type(value) in PLAIN and type(now) in PLAIN)
                yield name, settled, _are_of_tensors(now, value)
        for cell, value, name in self.cells:
            try:
                now = cell.cell_contents
            except ValueError:
                now = _MISSING
            if not _same(now, value):
                yield name, value is None, _are_of_tensors(now, value)
        for values, content, name in self.lists:
            if len(values) != len(content):
                grown = len(values) > len(content) and isinstance(values, Length)
                settled = grown and all(map(_same, values, content))
                yield name, settled, type(values) is list and _are_of_tensors(values, content)
            elif not all(map(_same, values, content)):
                yield name, False, type(values) is list and _are_of_tensors(values, content)
        for value, kind, name in self.classes:
            if type(value) is not kind:
                yield name, False, False
        for space, absent in self.absent:
            if absent in space:
                yield f"the global {absent}", True, False
        for of, read, content, name in self.contents:
            now = read(of)
            if now != content:
                grown = (read is read_dict or read is read_ordered) and now[: len(content)] == content
                yield name, grown, False
        for function, *parts in self.functions:
            now = [function.__code__, function.__defaults__, function.__kwdefaults__]
            if any([a is not b for a, b in zip(now, parts, strict=True)]):
                yield f"the function {function.__name__}", False, False

    def gradients_changed(self) -> bool:
        """Whether a tensor has a gradient now that had none, or the other way round."""
        return any([tensor._grad is not None for tensor in self.without_gradient]) or any(
            [
                tensor._grad is None
                or (id(gradient) in self._same_gradients and tensor._grad is not gradient)
                for tensor, gradient in self.with_gradient
            ]
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
        code = function.__code__
        self.functions.append((function, code, function.__defaults__, function.__kwdefaults__))
        if function.__dict__:
            self._visit(function.__dict__, f"{function.__name__}.__dict__", depth + 1)
        if self._ran is None or code in self._ran:
            self._inside_of(function, name, depth)
        else:
            self._skipped.setdefault(code, []).append((function, name, depth))

    def _inside_of(self, function: FunctionType, name: str, depth: int) -> None:
        """What a function that runs reads."""
        self._walked.add(function.__code__)
        if function.__module__ in _REGISTRIES:
            return
        for cell_name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:
                continue
            self.cells.append((cell, value, f"{cell_name} (of {function.__name__}'s enclosing function)"))
            self._visit(value, cell_name, depth + 1)
        space = function.__globals__
        for global_name in _globals_within(function.__code__):
            if global_name in space:
                self._entry(space, global_name, f"the global {global_name}", depth + 1)
            else:
                self._absent(space, global_name)
        for value in (*(function.__defaults__ or ()), function.__kwdefaults__):
            self._visit(value, f"a default of {function.__name__}", depth + 1)

    def _visit(self, value: Any, name: str, depth: int) -> None:
        kind = type(value)
        if kind in PLAIN:
            return
        if id(value) in self._seen:
            self._met_again.add(id(value))
            return
        before = self._way
        self._way = (*before, (id(value), len(self._path)))
        self._visit_new(value, kind, name, depth)
        self._way = before

    def _visit_new(self, value: Any, kind: type, name: str, depth: int) -> None:
        if depth > _DEPTH or len(self.entries) > _LIMIT:
            self._not_all(f"{name} lies too deep, or the state is too large")
            return
        if isinstance(value, Tensor):
            self._seen.add(id(value))
            self._keep.append(value)
            self.tensors.append(value)
            if not is_ours(kind):
                self._visit(kind, f"type({name})", depth)
            if value.__dict__:
                self._dictionary(value.__dict__, name, depth, attributes=True)
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
        if isinstance(value, property | cached_property):
            for part in (value.fget, value.fset) if isinstance(value, property) else (value.func,):
                self._visit(part, name, depth)
            return
        if isinstance(value, ModuleType | type):
            self._seen.add(id(value))
            self._keep.append(value)
            if is_ours(value):
                self._ours.append(value)
            else:
                self._spaces.append((value, name))
            return
        if (base := base_of(value)) is not None:
            self._container(value, kind, base, name, depth)
            return
        if kind is list or kind is tuple:
            self._seen.add(id(value))
            self._keep.append(value)
            if kind is list:
                self.lists.append((value, tuple(value), name))
            for number, part in enumerate(value):
                self._visit(part, f"{name}[{number}]", depth + 1)
            return
        if value is sys.modules:
            self._seen.add(id(value))
            self.lists.append((Length(value), (None,) * len(value), name))
            return
        if isinstance(value, dict) and kind is not defaultdict:
            self._seen.add(id(value))
            self._keep.append(value)
            self._dictionary(value, name, depth)
            return
        if (read := reader_of(value)) is not None:
            self._seen.add(id(value))
            parts = parts_read(value)
            self._keep += [value, parts]
            self.contents.append((value, read, read(value), name))
            for part in parts:
                self._visit(part, name, depth + 1)
            return
        if kind is partial:
            self._seen.add(id(value))
            self._keep.append(value)
            for part in (value.func, value.args, value.keywords):
                self._visit(part, name, depth + 1)
            return
        if kind is frozenset:
            self._seen.add(id(value))
            self._keep.append(value)
            for part in value:
                self._visit(part, name, depth + 1)
            return
        if isinstance(value, Enum):
            return  # there is one object for each member, which whoever refers to it compares
        if kind is _CACHED:
            # What it holds for some arguments stays; what it would compute for others, its function says.
            self._seen.add(id(value))
            self._keep.append(value)
            self._function(value.__wrapped__, name, depth)
            return
        ours = is_ours(kind)
        self._visit(kind, f"type({name})", depth)
        if (kind is BuiltinFunctionType and not isinstance(value.__self__, ModuleType | None)) or (
            kind is MethodWrapperType
        ):
            self._visit(value.__self__, name, depth + 1)
            return
        if never_changes(kind):
            return
        attributes = attributes_of(value)
        if attributes is None or (is_library(kind) and kind not in WALKED):
            if not ours and attributes is None and (slots := slots_of(kind)):
                self._seen.add(id(value))
                self._keep.append(value)
                self.contents.append((value, slot_reader(kind), slot_reader(kind)(value), name))
                for slot in slots:
                    part = getattr(value, slot, None)
                    self._keep.append(part)
                    self._visit(part, f"{name}.{slot}", depth + 1)
            elif not ours and not isinstance(value, IMMUTABLE):
                self._not_all(f"{name} is of a kind that can't be compared ({kind.__name__})")
            return
        if not ours and not is_of_python(kind):
            self._not_all(f"{name} is of a kind that can't be compared ({kind.__name__})")
        self._seen.add(id(value))
        self._keep.append(value)
        if "param_groups" in attributes:  # an optimizer: its options, and which tensors are its state
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
        if "_modules" in attributes and "_parameters" in attributes:
            self._module(value, attributes, name, depth, ours)
            return
        if not ours:
            self.classes.append((value, kind, name))
        self._dictionary(attributes, name, depth, ours, attributes=True)

    def _container(self, value: Any, kind: type, base: Any, name: str, depth: int) -> None:
        """An object of a class that is derived from list, tuple or dict: its content, its class and its attributes."""
        self._seen.add(id(value))
        if issubclass(base, dict):
            read = read_ordered if issubclass(base, OrderedDict) else read_dict
            items = OrderedDict.items(value) if read is read_ordered else dict.items(value)
            parts = [part for item in items for part in item]
            self.contents.append((value, read, read(value), name))
        else:
            parts = [*base.__iter__(value)]
            if base is list:
                self.contents.append((value, read_list, read_list(value), name))
        self._keep += [value, parts]
        for number, part in enumerate(parts):
            self._visit(part, f"{name}[{number}]", depth + 1)
        if is_ours(kind):
            return
        self._visit(kind, f"type({name})", depth)
        self.classes.append((value, kind, name))
        attributes = attributes_of(value)
        if attributes is not None:
            self._dictionary(attributes, name, depth, attributes=True)
        slots = [
            s for owner in kind.__mro__ if owner is not base for s in owner.__dict__.get("__slots__", ())
        ]
        if slots and not issubclass(kind, tuple):
            self._not_all(f"{name} is of a kind that can't be compared ({kind.__name__})")

    def _module(self, module: Any, attributes: dict[str, Any], name: str, depth: int, ours: bool) -> None:
        for kind in ("_parameters", "_buffers", "_modules"):
            if attributes[kind]:
                self.lists.append((Keys(attributes[kind]), tuple(attributes[kind]), name))
            else:
                self.lists.append((Length(attributes[kind]), (), name))
            for key, value in attributes[kind].items():
                self.entries.append((attributes[kind], key, value, f"{name}.{key}"))
                # Parts of a model nest deeply and are all worth following.
                self._visit(value, f"{name}.{key}", 1 if kind == "_modules" else depth)
        if "_initialize_hook" in attributes:
            self._waiting.append(attributes)
        path = self._path
        for key, value in attributes.items():
            if key in _OF_MODULES:
                continue
            if key.endswith("_hooks") and isinstance(value, dict) and not value:
                self._hooks(value, f"{name}.{key}")
                continue
            if not isinstance(value, dict):
                entries = self._of_layers if ours else self.entries
                entries.append((attributes, key, value, f"{name}.{key}"))
            self._path = (*path, key)
            self._visit(value, f"{name}.{key}", depth + 1)
        self._path = path
        self.lists.append((Length(attributes), (None,) * len(attributes), name))

    def _dictionary(
        self, values: dict[Any, Any], name: str, depth: int, private: bool = False, attributes: bool = False
    ) -> None:
        """A dictionary's entries and, unless they are an object's ``attributes``, their order."""
        if attributes:
            self.lists.append((Length(values), (None,) * len(values), name))
        else:
            self.lists.append((Keys(values), tuple(values), name))
        path = self._path
        for key, value in values.items():
            if private and isinstance(key, str) and key.startswith("_"):
                continue
            self.entries.append((values, key, value, f"{name}.{key}"))
            if attributes:
                self._path = (*path, key)
            self._visit(value, f"{name}.{key}", depth + 1)
        self._path = path


_GLOBALS_OF: Final[dict[CodeType, tuple[str, ...]]] = {}
_BUILTINS: Final = vars(builtins)
# Names by which code reads attributes whose names it does not have. (What ``getattr`` is asked for, a witness notes.)
_READ_BY_ANY_NAME: Final = frozenset(
    ("vars", "__dict__", "__getattribute__", "attrgetter", "dir", "deepcopy", "__reduce_ex__", "__getstate__")
)


_OF_GLOBALS: Final = frozenset(("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"))


def globals_of(code: CodeType) -> tuple[str, ...]:
    """The names that the code looks up as globals or stores in them."""
    names = _GLOBALS_OF.get(code)
    if names is None:
        import dis

        if len(_GLOBALS_OF) > _LIMIT:
            _GLOBALS_OF.clear()
        found = [i.argval for i in dis.get_instructions(code) if i.opname in _OF_GLOBALS]
        names = _GLOBALS_OF[code] = tuple(dict.fromkeys(found))
    return names


def _imported_by(code: CodeType) -> list[ModuleType]:
    """The Python modules that the code imports when it runs, apart from Python's own."""
    if "IMPORT_NAME" not in _KINDS_OF.get(code, ("IMPORT_NAME",)):
        return []
    import dis

    found = [i.argval for i in dis.get_instructions(code) if i.opname == "IMPORT_NAME"]
    _KINDS_OF[code] = ("IMPORT_NAME",) if found else ()
    modules = [sys.modules.get(part) for name in found for part in (name, name.partition(".")[0])]
    return [
        m for m in modules if m is not None and m.__name__.partition(".")[0] not in sys.stdlib_module_names
    ]


_KINDS_OF: Final[dict[CodeType, tuple[str, ...]]] = {}


def _globals_within(code: CodeType) -> set[str]:
    """Those of the code and of the functions in it."""
    names = set(globals_of(code))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _globals_within(constant)
    return names
