"""How many numbers this processor's registers hold, and the register tiles that kernels build from them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

FLOATS: Final = (np.dtype(np.float32), np.dtype(np.float64))


class Registers(NamedTuple):
    """The vector registers: how many, and how many bytes each holds."""

    number: int
    size: int

    def lanes(self, dtype: np.dtype[Any]) -> int:
        return self.size // dtype.itemsize

    def tile(self, rows: int) -> tuple[int, int]:
        """For a product with ``rows`` rows: rows and vectors of a tile whose sums stay in registers.

        More rows rather than more vectors: a row costs a broadcast from memory that stays near, a vector a load that may not be
        aligned. The tables have, for tiles of 1, 2, ... rows, how many vectors, and about how fast such a tile is if all its
        rows are of use (8, 6 and 4 rows were measured, on Zen 4).
        """
        tiles = _MANY if self.number >= 32 else _FEW
        scores = [
            (speed * rows / (-(-rows // r) * r), r, vectors) for r, (vectors, speed) in enumerate(tiles, 1)
        ]
        return max(scores)[1:]


_MANY: Final = ((8, 0.5), (8, 0.65), (6, 0.75), (5, 0.85), (4, 0.9), (4, 0.95), (3, 0.98), (3, 1.0))
_FEW: Final = ((8, 0.5), (5, 0.7), (4, 0.8), (3, 0.97), (2, 0.93), (2, 1.0))


@lru_cache(maxsize=1)
def registers() -> Registers:
    """Those of the processor that this process runs on."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return Registers(32, 64)
    if features.get("avx"):
        return Registers(16, 32)
    if features.get("neon") or "aarch64" in llvm.get_default_triple():
        return Registers(32, 16)
    return Registers(16, 16)


def widths(vectors: int) -> list[int]:
    """The numbers of vectors with which a row is walked: the full tile, perhaps half of it, then single ones."""
    found = [vectors]
    if vectors >= 4:
        found.append(vectors // 2)
    if vectors > 1:
        found.append(1)
    return found
