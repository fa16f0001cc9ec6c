"""How programs write functions and classes, and the names of a graph's values."""

from __future__ import annotations

import builtins
import keyword
import math
import re
import sys
from collections import defaultdict
from typing import Any, Final

from ..missing import spoken
from ..overriding.calls import NAMES

_ILLEGAL: Final = re.compile("[^0-9a-zA-Z_]+")
_NUMBERED: Final = re.compile(r"(.*)_(\d+)$")
# Where a program finds a public function, the most usual place first.
_SPACES: Final = ("", "nn.functional", "linalg", "fft", "special", "nn.init", "sparse", "nn", "fx")


def snake_case(name: str) -> str:
    """``name`` in small letters with underscores.

    Example:
        >>> snake_case("someThing")
        'some_thing'
    """
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()


def looked_up(path: str) -> Any:
    """What stands at ``torch.a.b`` in Rushlight; None where nothing does.

    Example:
        >>> import rushlight as torch
        >>> looked_up("torch.nn.functional.relu") is torch.nn.functional.relu
        True
    """
    head, *rest = path.split(".")
    if head != "torch":
        return None
    found: Any = sys.modules["rushlight"]
    for part in rest:
        found = getattr(found, part, None)
    return found


def is_public(thing: Any, path: str) -> bool:
    """Whether a program that writes ``path`` gets ``thing``."""
    return path.startswith("torch.") and looked_up(path) is thing


def qualified_name(thing: Any) -> str:
    """The dotted name of a function or class: ``torch.relu``, ``operator.add``, ``__main__.mine``.

    Example:
        >>> import rushlight as torch
        >>> qualified_name(torch.cat), qualified_name(len)
        ('torch.cat', 'len')
    """
    name = getattr(thing, "__name__", None) or type(thing).__name__
    if getattr(builtins, name, None) is thing:
        return str(name)
    module = getattr(thing, "__module__", None) or ""
    try:
        listed = NAMES.get(thing)
    except TypeError:  # no hash
        listed = None
    if listed is not None and is_public(thing, listed):
        return listed
    if module.split(".")[0] in ("rushlight", "torch") or module == "":
        for space in _SPACES:
            path = f"torch.{space}.{name}" if space else f"torch.{name}"
            if is_public(thing, path):
                return path
    if not module:
        owner = getattr(thing, "__self__", None)
        module = owner.__name__ if isinstance(owner, type(sys)) else type(owner or thing).__module__
    if name == "<lambda>":
        name = "_lambda"
    return f"{spoken(module)}.{name}"


# Names that stand for these in generated code.
def custom_builtins() -> dict[str, tuple[str, Any]]:
    """Name → (the line that imports it, what it is): what generated code may always use."""
    import rushlight

    from ..utils import _pytree
    from . import _pytree as fx_pytree

    return {
        "inf": ("from math import inf", math.inf),
        "nan": ("from math import nan", math.nan),
        "NoneType": ("NoneType = type(None)", type(None)),
        "torch": ("import torch", rushlight),
        "device": ("from torch import device", rushlight.device),
        "fx_pytree": ("import torch.fx._pytree as fx_pytree", fx_pytree),
        "pytree": ("import torch.utils._pytree as pytree", _pytree),
    }


_RESERVED: Final = ("inf", "nan", "NoneType", "torch", "device", "fx_pytree", "pytree")


class _Namespace:
    """Gives out names that are different from each other, from keywords and from Python's builtins.

    Example:
        >>> names = _Namespace()
        >>> names.create_name("add", None), names.create_name("add", None), names.create_name("sum", None)
        ('add', 'add_1', 'sum_1')
    """

    def __init__(self) -> None:
        self._of_objects: dict[Any, str] = {}
        self._used_names: set[str] = set()
        self._counts: defaultdict[str, int] = defaultdict(int)

    def create_name(self, candidate: str, obj: Any = None) -> str:
        """``candidate``, or it with a number. The same ``obj`` (where given) gets the same name again."""
        if obj is not None and obj in self._of_objects:
            return self._of_objects[obj]
        candidate = _ILLEGAL.sub("_", candidate) or "_unnamed"
        if candidate[0].isdigit():
            candidate = "_" + candidate
        numbered = _NUMBERED.match(candidate)
        base, number = (numbered.group(1), int(numbered.group(2))) if numbered else (candidate, 0)
        number = number or self._counts[base]
        if not numbered and number and base in self._used_names:
            candidate = f"{base}_{number}"
        while candidate in self._used_names or self._is_illegal(candidate, obj):
            number += 1
            candidate = f"{base}_{number}"
        self._used_names.add(candidate)
        self._counts[base] = number
        if obj is not None:
            self._of_objects[obj] = candidate
        return candidate

    def associate_name_with_obj(self, name: str, obj: Any) -> None:
        """Give ``obj`` this name from now on."""
        self._of_objects[obj] = name

    def _rename_object(self, obj: Any, name: str) -> None:
        self._of_objects[obj] = name
        self._used_names.add(name)

    @staticmethod
    def _is_illegal(name: str, obj: Any) -> bool:
        if keyword.iskeyword(name):
            return True
        if name in vars(builtins):
            return vars(builtins)[name] is not obj
        return name in _RESERVED and custom_builtins()[name][1] is not obj
