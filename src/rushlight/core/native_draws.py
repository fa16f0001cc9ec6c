"""Where generators find compiled code for large draws: the same numbers as NumPy's path, in a fraction of its time.

The compiler lies above this layer: the runtime provides a loader (``LOADERS``). It costs a tenth of a second where
nothing else has loaded the compiler yet, so it is called only once draws have cost as much in all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, Protocol

from numpy.typing import NDArray

#: From so many 32-bit numbers on a draw is large.
LARGE: Final = 8_192
# So many numbers take NumPy as long as loading the compiler takes, or as getting one kernel from its cache.
_WORTH_LOADING: Final = 10_000_000
_WORTH_LINKING: Final = 300_000


class NativeDraws(Protocol):
    """Compiled forms of what generators do with many numbers at once."""

    def words(self, state: int, drawn: NDArray[Any]) -> None:
        """Fill ``drawn`` (uint32, whole blocks of 624) with mt19937's next numbers; its 624 words are at address ``state``."""

    def units64(self, words: NDArray[Any], units: NDArray[Any]) -> None:
        """``generator.unit_float64``."""

    def normals(self, words: NDArray[Any]) -> NDArray[Any]:
        """``box_muller.standard_normals``."""

    def shuffle(self, words: NDArray[Any], order: NDArray[Any]) -> None:
        """Exchange each element i of ``order`` (int64) but the last with the one ``words[i] % (n - i)`` after it."""


#: Called once: the compiled forms, or None where nothing is compiled. Set by the runtime.
LOADERS: Final[list[Callable[[], NativeDraws | None]]] = []
_found: list[NativeDraws | None] = []
_drawn = [0]


def found(count: int) -> NativeDraws | None:
    """The compiled forms for a draw of ``count`` 32-bit numbers; None while loading them would cost more than it saves."""
    if _found:
        return _found[0]
    if not LOADERS:
        return None
    _drawn[0] += count
    if _drawn[0] < (_WORTH_LINKING if "llvmlite.binding" in sys.modules else _WORTH_LOADING):
        return None
    _found.append(LOADERS[0]())
    return _found[0]
