"""What is exchanged while a function is traced, and put back after it."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, Final

from ..core.switch import stand_in_code

_STAND_IN: Final = """
def stand_in(*args, **kwargs):
    answer = "rushlight: the tracer's answer"
    return answer(*args, **kwargs)
"""
_MISSING: Final = object()


class Patches:
    """Names in dicts and the code of functions, exchanged until ``revert``."""

    def __init__(self) -> None:
        self._entries: list[tuple[dict[str, Any], str, Any]] = []
        self._attributes: list[tuple[Any, str, Any]] = []
        self._codes: list[tuple[FunctionType, CodeType]] = []
        self._visited: set[int] = set()

    def entry(self, names: dict[str, Any], name: str, value: Any) -> None:
        """Let ``names[name]`` be ``value``."""
        self._entries.append((names, name, names.get(name, _MISSING)))
        names[name] = value

    def attribute(self, owner: Any, name: str, value: Any) -> None:
        """Let ``owner.name`` be ``value``."""
        self._attributes.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def code(self, function: Any, make_answer: Callable[[Any], Any]) -> None:
        """Let ``function`` do what ``make_answer(the function with its own code)`` does.

        Its code is exchanged, not the attribute of its class: a class that changes often is never again cached by the
        interpreter.
        """
        own = function.__code__
        original = FunctionType(
            own, function.__globals__, function.__name__, function.__defaults__, function.__closure__
        )
        original.__kwdefaults__ = function.__kwdefaults__
        answer = make_answer(original)
        template = stand_in_code(_STAND_IN, len(own.co_freevars))
        constants: Any = tuple(
            [
                answer if constant == "rushlight: the tracer's answer" else constant
                for constant in template.co_consts
            ]
        )
        self._codes.append((function, own))
        function.__code__ = template.replace(co_consts=constants, co_freevars=own.co_freevars)

    def visit_once(self, thing: Any) -> bool:
        """True the first time."""
        if id(thing) in self._visited:
            return False
        self._visited.add(id(thing))
        return True

    def revert(self) -> None:
        """Put everything back, the last first."""
        for function, code in reversed(self._codes):
            function.__code__ = code
        for names, name, before in reversed(self._entries):
            if before is _MISSING:
                names.pop(name, None)
            else:
                names[name] = before
        for owner, name, value in reversed(self._attributes):
            setattr(owner, name, value)
        self._codes, self._entries, self._attributes = [], [], []
        self._visited.clear()


def builtin_or_global(names: dict[str, Any], name: str) -> Any:
    """What a function with these globals finds under ``name``."""
    return names[name] if name in names else getattr(builtins, name)
