"""``torch.torch_version``: a version that compares as versions do."""

from __future__ import annotations

import re
from typing import Any

from .version import api_version


def _release(version: Any) -> tuple[int, ...] | None:
    """The numbers of ``"2.13.0+cpu"``, of a tuple, or of what ``packaging`` makes; None for what is no version."""
    if isinstance(version, tuple | list):
        return tuple([int(part) for part in version])
    release = getattr(version, "release", None)
    if release is not None:
        return tuple(release)
    found = re.match(r"v?(\d+(?:\.\d+)*)", str(version))
    return None if found is None else tuple([int(part) for part in found[1].split(".")])


class TorchVersion(str):
    """The version as text; ``<``, ``>=`` and the like compare its numbers with those of a text, a tuple, or a
    ``packaging.version.Version``.

    Example:
        >>> TorchVersion("2.13.0+cpu") >= (2, 2), TorchVersion("2.13.0") > "2.4"
        (True, True)
    """

    __slots__ = ()

    def _order(self, other: Any) -> int | None:
        mine, theirs = _release(self), _release(other)
        if mine is None or theirs is None:
            return None
        length = max(len(mine), len(theirs))
        mine += (0,) * (length - len(mine))
        theirs += (0,) * (length - len(theirs))
        return (mine > theirs) - (mine < theirs)

    def __lt__(self, other: Any) -> bool:
        order = self._order(other)
        return str.__lt__(self, other) if order is None else order < 0

    def __le__(self, other: Any) -> bool:
        order = self._order(other)
        return str.__le__(self, other) if order is None else order <= 0

    def __gt__(self, other: Any) -> bool:
        order = self._order(other)
        return str.__gt__(self, other) if order is None else order > 0

    def __ge__(self, other: Any) -> bool:
        order = self._order(other)
        return str.__ge__(self, other) if order is None else order >= 0

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str.__eq__(self, other)
        return self._order(other) == 0

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


__version__ = TorchVersion(api_version)
