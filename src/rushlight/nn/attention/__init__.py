"""Which implementation of attention PyTorch may use: accepted; here there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

from ...missing import lazily as _lazily
from ..functional.attention import CHOSEN as _CHOSEN

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


@contextmanager
def sdpa_kernel(backends: Any, set_priority: bool = False) -> Iterator[None]:
    """Accepts a choice of implementations; results do not depend on it.

    Raises ``AssertionError`` for what is not an ``SDPBackend`` or a list of them. Attention raises ``RuntimeError`` where
    none of the choice is one that PyTorch has for the CPU (``MATH`` and ``FLASH_ATTENTION``).

    Example:
        >>> import rushlight as torch
        >>> from rushlight.nn.attention import SDPBackend, sdpa_kernel
        >>> q = torch.ones(1, 1, 2, 4)
        >>> with sdpa_kernel(SDPBackend.MATH):
        ...     torch.nn.functional.scaled_dot_product_attention(q, q, q).shape
        torch.Size([1, 1, 2, 4])
    """
    if not isinstance(backends, list | SDPBackend):
        raise AssertionError(
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
            f"{type(backends).__name__}"
        )
    chosen = [backends] if isinstance(backends, SDPBackend) else backends
    token = _CHOSEN.set(tuple(dict.fromkeys(chosen)))
    try:
        yield
    finally:
        _CHOSEN.reset(token)


def _cur_sdpa_kernel_backends(with_priority: bool = False) -> list[SDPBackend]:
    chosen = _CHOSEN.get()
    if chosen is None:
        return [backend for backend in SDPBackend if backend > 0]
    return [SDPBackend(backend) for backend in chosen]


# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
