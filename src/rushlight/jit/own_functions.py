"""The program's own functions in a history: which of them a backward half may hold.

What ``backward`` of an ``autograd.Function`` does beside its arithmetic (counting, keeping a gradient, reading a flag that the
program sets between the call and its backward pass) would be done when the half is recorded and never again, and nobody could
take it back. So such code is read before it is run, and becomes part of a program only if it can do nothing of that kind: it
works on what its context holds, on numbers, and with functions that are the library's or as plain as itself.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Iterable
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

import numpy as np

from ..autograd.function import FunctionCtx, FunctionNode
from ..autograd.saved_tensors import Packed
from ..core.device import device
from ..core.dtypes import dtype
from ..core.history import Node
from ..core.storage import LIBRARY
from ..core.tensor import Tensor
from ..ops.conversion import layout
from .comparable import PLAIN, is_ours
from .witness import EFFECTS

_BUILTINS: Final = frozenset(
    (
        "abs", "all", "any", "bool", "divmod", "enumerate", "float", "int", "isinstance", "len", "list", "max", "min", "pow",
        "range", "reversed", "round", "slice", "sorted", "sum", "super", "tuple", "zip", "NotImplemented",
        "ValueError", "RuntimeError", "NotImplementedError", "AssertionError", "TypeError",
    )
)  # fmt: skip
# Of tensors and of the library: what is felt outside of the gradients.
_FELT: Final = frozenset(
    ("_forward_cls", "backward", "grad", "register_hook", "retain_grad", "set_", "resize_", "share_memory_", "requires_grad_")
)  # fmt: skip
_CHANGING: Final = frozenset(("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE"))
_CHANGES: Final = frozenset(
    ("append", "clear", "extend", "insert", "pop", "remove", "reverse", "setdefault", "sort", "update", "__setitem__")
)  # fmt: skip
_REFUSED: Final = frozenset(
    (
        "STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR", "DELETE_ATTR", "STORE_NAME", "DELETE_NAME", "IMPORT_NAME",
        "IMPORT_STAR", "LOAD_NAME", "YIELD_VALUE", "LOAD_BUILD_CLASS",
    )
)  # fmt: skip
_CONSTANT: Final = (dtype, device, layout, np.generic, np.dtype, slice, range, type(Ellipsis))
_OF_CONTEXTS: Final = frozenset(name for name in vars(FunctionCtx) if not name.startswith("__"))
_DEEPEST: Final = 8


class NotPlain(Exception):
    """A function does, or may do, something that must be done whenever gradients arrive."""


class PlainCode:
    """What backward functions of the program do, if it is plain. ``holds()``: whether the numbers are what they were that
    they read of globals and closures. ``by_what_arrives``: results without a gradient are told apart from those whose
    gradient is zero, so that all of them must have one."""

    def __init__(self, nodes: Iterable[Node], is_of_call: Callable[[Tensor], bool]) -> None:
        """Of those among ``nodes`` that are the program's; raises ``NotPlain``. ``is_of_call``: whether a tensor was made in
        the call, and nobody else has it."""
        self._entries: list[tuple[Any, str, Any]] = []
        self._cells: list[tuple[Any, Any]] = []
        self.codes: set[CodeType] = set()  # what was looked at
        self._changes: dict[FunctionType, bool] = {}  # of these: whether they may change containers
        self.by_what_arrives = False
        for node in nodes:
            if isinstance(node, FunctionNode):
                function = node.operation.function
                if is_ours(function) and ".compat." not in function.__module__:
                    continue  # those of ``compat`` are made around the program's
                self.by_what_arrives = True
                changes_containers = self._backward_of(function)
                for name, value in vars(node.attrs).items():
                    if name not in _OF_CONTEXTS:
                        _check_kept(value, changes_containers, is_of_call)
            saved = [node.__dict__.get("packed_output"), *(node.saved if type(node.saved) is tuple else ())]
            for part in saved:
                content = part[0] if type(part) is tuple else part
                if type(content) is Packed and not _is_code_of_ours(
                    getattr(content._unpack, "__func__", content._unpack)
                ):
                    raise NotPlain("saved tensors go through hooks of the program")

    def holds(self) -> bool:
        """Whether what was read then is the same now."""
        return all([space.get(name) is value for space, name, value in self._entries]) and all(
            [cell.cell_contents is value for cell, value in self._cells]
        )

    def _backward_of(self, function: Any) -> bool:
        """Look at ``backward``; whether it may change containers."""
        names = ("backward", "vjp")
        methods = [vars(base)[name] for name in names for base in function.__mro__ if name in vars(base)]
        own = [method for method in map(_plain_method, methods) if not _is_code_of_ours(method)]
        return any([self._function(method, 0) for method in own])

    def _function(self, function: Any, depth: int) -> bool:
        function = _plain_method(function)
        if type(function) is not FunctionType or depth > _DEEPEST:
            raise NotPlain(f"{getattr(function, '__name__', function)} is no plain function")
        if _is_code_of_ours(function):
            return False
        if function in self._changes:
            return self._changes[function]
        self._changes[function] = True  # until more is known, where it calls itself
        code = function.__code__
        defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        if function.__dict__ or not all([type(value) in PLAIN for value in defaults]):
            raise NotPlain(f"{function.__name__} has defaults or attributes")
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        self._changes[function] = changes = self._code(code, function.__globals__, cells, depth)
        return changes

    def _code(self, code: CodeType, space: dict[str, Any], cells: dict[str, Any], depth: int) -> bool:
        import dis

        self.codes.add(code)
        changes = False
        read: set[str] = set()
        for instruction in dis.get_instructions(code):
            kind, name = instruction.opname, instruction.argval
            if kind in _REFUSED or (kind in ("STORE_DEREF", "DELETE_DEREF") and name in cells):
                raise NotPlain(f"{code.co_name} stores or imports something")
            changes = changes or kind in _CHANGING
            if kind == "LOAD_GLOBAL":
                read.add(name)
        for name in code.co_names:
            changes = changes or name in _CHANGES
            if name in read:
                continue
            if name in _FELT or name in EFFECTS or name.startswith("__"):
                raise NotPlain(f"{code.co_name} asks for {name}")
        for name in read:
            if name in space:
                changes = self._read(space[name], name, depth) or changes
                self._entries.append((space, name, space[name]))
            elif name not in _BUILTINS or not hasattr(builtins, name):
                raise NotPlain(f"{code.co_name} asks for {name}")
        for name, cell in cells.items():
            try:
                value = cell.cell_contents
            except ValueError as error:
                raise NotPlain(f"{name} is not known yet") from error
            changes = self._read(value, name, depth) or changes
            self._cells.append((cell, value))
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                outer = {name: cell for name, cell in cells.items() if name in constant.co_freevars}
                changes = self._code(constant, space, outer, depth + 1) or changes
        return changes

    def _read(self, value: Any, name: str, depth: int) -> bool:
        if type(value) in PLAIN or value is math or isinstance(value, _CONSTANT):
            return False
        if isinstance(value, FunctionType):
            return self._function(value, depth + 1)
        if isinstance(value, ModuleType | type) and is_ours(value):
            return False
        raise NotPlain(f"it reads {name}")


def _check_kept(value: Any, changes_containers: bool, is_of_call: Callable[[Tensor], bool]) -> None:
    """Raise ``NotPlain`` where an attribute of a context may be another thing when gradients arrive."""
    if isinstance(value, tuple | list | dict):
        if changes_containers and not isinstance(value, tuple):
            raise NotPlain("its context holds a container that it may change")
        for part in value.values() if isinstance(value, dict) else value:
            _check_kept(part, changes_containers, is_of_call)
    elif isinstance(value, Tensor):
        if not is_of_call(value):
            raise NotPlain("its context holds a tensor that was not saved")
    elif not isinstance(value, (*PLAIN, *_CONSTANT)):
        raise NotPlain(f"its context holds an object of type {type(value).__name__}")


def _plain_method(method: Any) -> Any:
    """The function in the program's code: without ``staticmethod`` and the library's decorators around it."""
    method = getattr(method, "__func__", method)
    while _is_code_of_ours(method) and hasattr(method, "__wrapped__"):
        method = method.__wrapped__
    return method


def _is_code_of_ours(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and code.co_filename.startswith(LIBRARY)
