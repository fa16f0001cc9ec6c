"""What ``importlib.metadata`` says of torch and torchvision while Rushlight answers to these names.

Libraries ask there for ``version("torch")``, and take a package without a record for one that is not installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import Distribution
from typing import Any, Final

_MODULES: Final = {"torch": "rushlight", "torchvision": "rushlight.vision"}


class _Answered(Distribution):
    """The record of a package whose name Rushlight answers to: its name, its version, and no files."""

    def __init__(self, name: str) -> None:
        self._package = name

    def read_text(self, filename: str) -> str | None:
        """The text of METADATA and top_level.txt; None for other files."""
        if filename in ("METADATA", "PKG-INFO"):
            from importlib import import_module

            version = import_module(_MODULES[self._package]).__version__
            return f"Metadata-Version: 2.1\nName: {self._package}\nVersion: {version}\nSummary: Rushlight\n"
        return self._package + "\n" if filename == "top_level.txt" else None

    def locate_file(self, path: Any) -> Any:
        """Where a file of the package would be: nowhere."""
        from pathlib import Path

        return Path(__file__).parent / path


def distributions(name: str | None) -> Iterator[Distribution]:
    """The records for one package's name (as a program writes it), or all of them for None.

    Example:
        >>> [each.metadata["Name"] for each in distributions("Torch")]
        ['torch']
    """
    wanted = list(_MODULES) if name is None else [each for each in _MODULES if each == name.lower()]
    return iter([_Answered(each) for each in wanted])
