"""Modules whose names are other modules' names: ``tensorflow.python.framework.ops`` and the like."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any, Final

FACADE: Final = "rushlight.compat.tensorflow"


class Gathered(ModuleType):
    """A module whose names are looked for in other modules, in order."""

    def __init__(self, name: str, places: tuple[str, ...]) -> None:
        super().__init__(name, f"``tensorflow{name.removeprefix(FACADE)}``: names of the façade.")
        self.places = places
        # Importers take it for a package then, so that the modules below it are asked for.
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            for place in self.places:
                try:
                    found = getattr(_module(place), name)
                except (AttributeError, NotImplementedError):
                    continue
                setattr(self, name, found)
                return found
        shown = "tensorflow" + self.__name__.removeprefix(FACADE)
        raise AttributeError(
            f"module {shown!r} has no attribute {name!r}: it is not available here: "
            "docs/how-to/tensorflow1.md lists what there is"
        )

    def __dir__(self) -> list[str]:
        return sorted({name for place in self.places for name in dir(_module(place))})


def _module(place: str) -> Any:
    """The module of a place: ``"."`` is the façade, ``".nn"`` its ``nn``."""
    if place == ".":
        return sys.modules[FACADE]
    if place == ".nn.rnn_cell":
        return import_module(FACADE + ".nn").rnn_cell
    return import_module(FACADE + place)


def make(package: str, name: str, places: tuple[str, ...] = ()) -> ModuleType:
    """Make ``package.name`` (and what is between them) importable, with the names of ``places``."""
    whole = f"{package}.{name}"
    present = sys.modules.get(whole)
    if isinstance(present, Gathered):
        present.places = present.places or places
        return present
    found = sys.modules[whole] = Gathered(whole, places)
    parent, _, leaf = name.rpartition(".")
    setattr(make(package, parent) if parent else sys.modules[package], leaf, found)
    return found
