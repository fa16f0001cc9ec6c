"""Functions of ``torch`` that do what a method of a tensor does, and that few programs call; and its flags of old."""

from __future__ import annotations

from typing import Any

from .core.tensor import Tensor
from .ops.conversion import get_device as get_device, is_signed as _is_signed

# What PyTorch says of how it was built. Products, decompositions and Fourier transforms are always there.
has_lapack = has_mkl = has_openmp = has_spectral = True


def is_vulkan_available() -> bool:
    """False."""
    return False


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers.

    Example:
        >>> import rushlight as torch
        >>> torch.is_signed(torch.tensor([1], dtype=torch.uint8))
        False
    """
    return _is_signed(input)


def is_distributed(input: Tensor) -> bool:
    """False: no tensor lies on several machines."""
    return False


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape.

    Example:
        >>> import rushlight as torch
        >>> torch.is_same_size(torch.ones(2), torch.ones(2, 1))
        False
    """
    return input.shape == other.shape


def embedding_renorm_(input: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> Tensor:
    """Scale the rows of ``input`` at ``indices``, in place, to norms of at most ``max_norm``.

    Example:
        >>> import rushlight as torch
        >>> torch.embedding_renorm_(torch.tensor([[3., 4.], [3., 4.]]), torch.tensor([1]), 1.0, 2.0)
        tensor([[3.0000, 4.0000],
                [0.6000, 0.8000]])
    """
    from .nn.functional.sparse import limit_norms

    limit_norms(input, indices, max_norm, norm_type)
    return input


def _copy_of(method: str) -> Any:
    def copied(input: Tensor) -> Any:
        return getattr(input, method)().clone()

    copied.__name__ = copied.__qualname__ = f"{method}_copy"
    copied.__doc__ = f"A copy of a sparse tensor's ``{method}()``."
    return copied


values_copy, indices_copy = _copy_of("values"), _copy_of("indices")
crow_indices_copy, col_indices_copy = _copy_of("crow_indices"), _copy_of("col_indices")
ccol_indices_copy, row_indices_copy = _copy_of("ccol_indices"), _copy_of("row_indices")
