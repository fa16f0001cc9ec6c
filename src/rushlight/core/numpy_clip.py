"""NumPy's ``clip`` as the ufunc that it is underneath: ``clip(x, lower, upper, out)``, nan where one of the three is nan.

With numbers as bounds it is several times as fast as ``np.maximum`` and ``np.minimum`` with a number, keeps -0 as PyTorch does,
and has none of the checks that ``np.clip`` makes in Python.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np


def _found() -> Any:
    try:
        return np._core.umath.clip  # type: ignore[attr-defined]
    except AttributeError:
        return np.clip


clip: Final[Any] = _found()
