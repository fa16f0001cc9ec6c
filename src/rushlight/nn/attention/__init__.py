"""Which implementation of attention PyTorch may use: accepted; here there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum
from typing import Any

from ...missing import lazily as _lazily

WARN_FOR_UNFUSED_KERNELS = False


class SDPBackend(IntEnum):
    """The implementations that PyTorch has of ``scaled_dot_product_attention``."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    def __str__(self) -> str:
        return f"SDPBackend.{self.name}"

    __repr__ = __str__


_ENABLED: ContextVar[tuple[SDPBackend, ...]] = ContextVar(
    "sdp_backends", default=tuple(backend for backend in SDPBackend if backend > 0)
)


@contextmanager
def sdpa_kernel(backends: Any, set_priority: bool = False) -> Iterator[None]:
    """Accepts a choice of implementations; results do not depend on it.

    Raises ``AssertionError`` for what is not an ``SDPBackend`` or a list of them.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.nn.attention import SDPBackend, sdpa_kernel
        >>> q = torch.ones(1, 1, 2, 4)
        >>> with sdpa_kernel(SDPBackend.MATH):
        ...     torch.nn.functional.scaled_dot_product_attention(q, q, q).shape
        torch.Size([1, 1, 2, 4])
    """
    if not isinstance(backends, list | SDPBackend):
        raise AssertionError("Backend must be an instance of SDPBackend or a list of SDPBackend instances")
    chosen = [backends] if isinstance(backends, SDPBackend) else backends
    token = _ENABLED.set(tuple(dict.fromkeys(chosen)))
    try:
        yield
    finally:
        _ENABLED.reset(token)


def _cur_sdpa_kernel_backends(with_priority: bool = False) -> list[SDPBackend]:
    return list(_ENABLED.get())


# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
