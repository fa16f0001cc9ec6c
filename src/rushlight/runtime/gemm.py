"""Matrix products of medium size on one thread.

OpenBLAS, which NumPy brings, cuts a product in pieces for its threads from about half a million multiplications on. Up to
eight million that gains little on an idle machine (64×1000×100: 139 µs on one thread, 155 on two; 1000×64×100: 138
and 88), and when another program has a core, every product waits for a thread that is not running: milliseconds instead
of microseconds. So products of that size run on one thread, and larger ones on as many as NumPy would use.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from . import products

Array = NDArray[Any]

# An operand with fewer elements than this is not worth asking about: callers go to `dot` directly.
WORTH_ASKING: Final = 1024
_THREADED_FROM: Final = 500_000
_THREADS_PAY_FROM: Final = 8_000_000
# A kernel of many products waits for the other thread once for each of them.
_KERNEL_THREADS_PAY_FROM: Final = 64_000_000

_controllers: list[Any] = []
_looked: list[bool] = []


def product(x: Array, y: Array) -> Array:
    """``x.dot(y)`` of two matrices."""
    work = x.size * y.shape[1]
    if work < _THREADED_FROM or x.dtype.kind not in "fc":
        return x.dot(y)  # type: ignore[no-any-return]
    if work >= products.TILES_FROM:
        result = products.product(x, y, work)
        if result is not None:
            return result
    if work > _THREADS_PAY_FROM and not products.waits(x, y):
        return x.dot(y)  # type: ignore[no-any-return]
    return on_one_thread(x, y)


def stacked(x: Array, y: Array) -> Array:
    """``np.matmul(x, y)`` of stacks of matrices."""
    each = x.shape[-1] * y.shape[-1] * (x.shape[-2] if x.ndim > 1 else 1)
    work = x.size * y.shape[-1]
    if work >= products.TILES_FROM and x.dtype.kind == "f" and x.ndim == y.ndim:
        result = products.product(x, y, work)
        if result is not None:
            return result
    # OpenBLAS waits for its threads once for each of them.
    if _THREADED_FROM <= each <= _KERNEL_THREADS_PAY_FROM:
        return on_one_thread(x, y)
    return np.matmul(x, y)  # type: ignore[no-any-return]


def on_one_thread(x: Array, y: Array) -> Array:
    """``np.matmul(x, y)``, by the calling thread alone where BLAS is OpenBLAS."""
    if not _looked:
        _find_blas()
    multiply = np.dot if x.ndim == 2 else np.matmul
    for blas in _controllers:
        threads = blas.get_num_threads()
        if threads > 1:
            blas.set_num_threads(1)
            try:
                return multiply(x, y)  # type: ignore[no-any-return]
            finally:
                blas.set_num_threads(threads)
    return multiply(x, y)  # type: ignore[no-any-return]


class OneThread:
    """``with OneThread(work):`` holds BLAS to one thread for work that is not worth more, as ``product`` does.

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


def _find_blas() -> None:
    """Find the OpenBLAS that NumPy loaded. Other BLAS libraries choose their threads well enough themselves."""
    from threadpoolctl import ThreadpoolController

    _looked.append(True)
    home = np.__path__[0]
    found = [c for c in ThreadpoolController().lib_controllers if c.internal_api == "openblas"]
    own = [c for c in found if c.filepath.startswith((home, f"{home}.libs"))]
    _controllers.extend((own or found)[:1])
