"""OpenBLAS held to one thread.

OpenBLAS, which NumPy brings, cuts a product in pieces for its threads from about half a million multiplications on. Up to
eight million that gains little on an idle machine (64×1000×100: 139 µs on one thread, 155 on two; 1000×64×100: 138
and 88), and when another program has a core, every product waits for a thread that is not running: milliseconds instead
of microseconds. So products of that size run on one thread, and larger ones on as many as NumPy would use (``products``).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# An operand with fewer elements than this is not worth asking about: callers go to `dot` directly.
WORTH_ASKING: Final = 1024
# From so many multiplications on OpenBLAS uses its threads.
THREADED_FROM: Final = 500_000
# A kernel of many products waits for the other thread once for each of them.
_KERNEL_THREADS_PAY_FROM: Final = 64_000_000

_controllers: list[Any] = []
_looked: list[bool] = []


class OneThread:
    """``with OneThread(work):`` holds BLAS to one thread for work that is not worth more.

    For kernels of many products (convolutions): ``work`` is the number of multiplications of all of them.
    """

    __slots__ = ("_threads", "_work")

    def __init__(self, work: int) -> None:
        self._work = work
        self._threads = 1

    def __enter__(self) -> None:
        if self._work <= _KERNEL_THREADS_PAY_FROM:
            if not _looked:
                _find_blas()
            if _controllers:
                self._threads = _controllers[0].get_num_threads()
                if self._threads > 1:
                    _controllers[0].set_num_threads(1)

    def __exit__(self, *exc: object) -> None:
        if self._threads > 1:
            _controllers[0].set_num_threads(self._threads)


def on_one_thread(x: Array, y: Array) -> Array:
    """``np.matmul(x, y)``, by the calling thread alone where BLAS is OpenBLAS."""
    with OneThread(0):
        return x.dot(y) if x.ndim == 2 else np.matmul(x, y)  # type: ignore[no-any-return]


def _find_blas() -> None:
    """Find the OpenBLAS that NumPy loaded. Other BLAS libraries choose their threads well enough themselves."""
    from threadpoolctl import ThreadpoolController

    _looked.append(True)
    home = np.__path__[0]
    found = [c for c in ThreadpoolController().lib_controllers if c.internal_api == "openblas"]
    own = [c for c in found if c.filepath.startswith((home, f"{home}.libs"))]
    _controllers.extend((own or found)[:1])
