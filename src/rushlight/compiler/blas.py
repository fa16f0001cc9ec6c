"""The OpenBLAS that NumPy loaded, for native code: addresses of its C functions, and how wide its integers are.

NumPy's wheels bring OpenBLAS under names of their own (``scipy_cblas_sgemm64_``, 64-bit integers); conda's and most
distributions' builds have the plain names. Where NumPy has another BLAS, the ``scipy-openblas32`` wheel is used if it is
installed; without any OpenBLAS, large matrix products stay with NumPy.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any, Final, NamedTuple

import numpy as np

from . import native

FUNCTIONS: Final = ("sgemm", "dgemm", "sgemv", "dgemv")
# (before, after) the usual name, and whether integers are 64 bits wide then (None: the library's configuration tells).
_SPELLINGS: Final = (
    ("scipy_", "64_", True),
    ("scipy_", "", False),
    ("", "64_", True),
    ("", "_64", True),
    ("", "", None),
)


class Blas(NamedTuple):
    """Addresses in an OpenBLAS. ``wide``: integers have 64 bits."""

    path: str
    wide: bool
    functions: dict[str, int]
    set_threads: int
    get_threads: int
    library: Any


_found: list[Blas | None] = []


def find() -> Blas | None:
    """NumPy's OpenBLAS, or another; None if there is none. The first call makes its functions known to native code as
    ``rushlight_cblas_sgemm`` and so on."""
    if not _found:
        blas = None
        for path in _candidates():
            blas = _open(path)
            if blas is not None:
                break
        if blas is not None:
            for name, address in blas.functions.items():
                native.provide(f"rushlight_cblas_{name}", address)
        _found.append(blas)
    return _found[0]


def _candidates() -> list[str]:
    """Files of OpenBLAS, NumPy's own first."""
    paths = []
    try:
        from threadpoolctl import ThreadpoolController

        libraries = ThreadpoolController().select(internal_api="openblas").info()
        paths = [str(library["filepath"]) for library in libraries]
    except ImportError:
        pass
    home = os.path.dirname(os.path.dirname(np.__file__))
    paths.sort(
        key=lambda path: not path.startswith((os.path.join(home, "numpy.libs"), os.path.join(home, "numpy")))
    )
    try:
        import scipy_openblas32  # type: ignore[import-not-found]

        paths.append(
            os.path.join(scipy_openblas32.get_lib_dir(), scipy_openblas32.get_library(fullname=True))
        )
    except ImportError:
        pass
    return paths


def _open(path: str) -> Blas | None:
    try:
        library = ctypes.CDLL(path)
    except OSError:
        return None
    for before, after, wide in _SPELLINGS:
        functions = {}
        for name in FUNCTIONS:
            address = _address(library, f"{before}cblas_{name}{after}")
            if address:
                functions[name] = address
        set_threads = _address(library, f"{before}openblas_set_num_threads{after}")
        get_threads = _address(library, f"{before}openblas_get_num_threads{after}")
        if len(functions) == len(FUNCTIONS) and set_threads and get_threads:
            if wide is None:
                wide = "USE64BITINT" in _configuration(library, f"{before}openblas_get_config{after}")
            return Blas(path, wide, functions, set_threads, get_threads, library)
    return None


def _address(library: Any, name: str) -> int:
    """The address of a function of ``library``, 0 if it has none of that name."""
    try:
        function = getattr(library, name)
    except AttributeError:
        return 0
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _configuration(library: Any, name: str) -> str:
    try:
        function = getattr(library, name)
    except AttributeError:
        return ""
    function.restype = ctypes.c_char_p
    return (function() or b"").decode(errors="replace")
