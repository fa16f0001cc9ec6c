"""How many numbers this processor's registers hold, and the register tiles that kernels build from them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

FLOATS: Final = (np.dtype(np.float32), np.dtype(np.float64))


class Registers(NamedTuple):
    """The vector registers: how many, and how many bytes each holds."""

    count: int
    size: int

    def lanes(self, dtype: np.dtype[Any]) -> int:
        return self.size // dtype.itemsize

    def tile(self, rows: int) -> tuple[int, int]:
        """For a product with ``rows`` rows: rows and vectors of a tile whose sums stay in registers.

        A tile of r rows and v vectors reads r + v operands for r · v multiplications: as square as can be, and with few
        rows left over at the end.
        """
        free = 24 if self.count >= 32 else 12
        best = (0.0, 1, 1)
        for r in range(1, 9):
            v = min(free // r, 8)
            if v < 1:
                continue
            useful = rows / (-(-rows // r) * r)
            # Broadcasts and loads share two ports with nothing else; below about a load for each multiplication and
            # a quarter of the sums they do not matter.
            balance = min(1.0, 1.6 * r * v / (r + v) / (free**0.5))
            score = useful * balance + 0.001 * r
            if score > best[0]:
                best = (score, r, v)
        return best[1], best[2]


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
