"""``torch.backends``: switches that programs set. Those that have no meaning here are accepted and remembered."""

from __future__ import annotations

from typing import Any


class _Backend:
    """A named backend: whether it is there, and whatever options a program sets on it."""

    def __init__(self, available: bool, **options: Any) -> None:
        self._available = available
        self.__dict__.update(options)

    def is_available(self) -> bool:
        """Whether this installation has the backend."""
        return self._available

    is_built = is_available


cudnn = _Backend(False, enabled=False, benchmark=False, deterministic=False, allow_tf32=False)
cuda = _Backend(False, matmul=_Backend(False, allow_tf32=False))
mps = _Backend(False)
mkl = _Backend(False)
mkldnn = _Backend(False)
openmp = _Backend(False)
