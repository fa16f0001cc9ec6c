"""Memory that was freed is kept for the next array.

NumPy allocates with the C library's ``malloc``, and glibc's maps every large block anew and unmaps it when it is freed: each
temporary array then costs a page fault for every 4 KiB, which is many times what the arithmetic costs (``a + b`` and two more
of 100,000 floats: 527 µs, and 40 µs with pages that are kept). glibc has two settings for that. With them freed
blocks stay in the heap until its free end is larger than ``KEPT``; ``release`` gives it back at once.

Left alone where the user has set glibc's own variables, with ``RUSHLIGHT_KEEP_MEMORY=0``, and where the C library is another.
"""

from __future__ import annotations

import os
from typing import Any, Final

KEPT: Final = 512 << 20
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_USERS_SETTINGS: Final = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")


def keep_freed_memory() -> bool:
    """Make the C library keep freed memory, if that is its way and nobody has decided otherwise; whether it does."""
    environment = os.environ
    if environment.get("RUSHLIGHT_KEEP_MEMORY", "1") == "0" or any(
        [name in environment for name in _USERS_SETTINGS]
    ):
        return False
    if "malloc" in environment.get("GLIBC_TUNABLES", ""):
        return False
    library = _c_library()
    if library is None:
        return False
    return bool(library.mallopt(_M_MMAP_THRESHOLD, 1 << 30) and library.mallopt(_M_TRIM_THRESHOLD, KEPT))


def release() -> None:
    """Give freed memory back to the system."""
    library = _c_library()
    if library is not None:
        library.malloc_trim(0)


def _c_library() -> Any:
    import ctypes

    try:
        library = ctypes.CDLL(None)
        library.mallopt, library.malloc_trim, library.gnu_get_libc_version  # noqa: B018
    except (OSError, AttributeError, TypeError):
        return None  # not glibc
    return library
