"""Row numbers of sparse entries as starts of rows (CSR) and back, under PyTorch's private names."""

from __future__ import annotations

from ..core.dtypes import int32, int64
from ..core.tensor import Tensor
from .conversion import to
from .creation import arange
from .joining import stack
from .rearranging import repeat_interleave
from .scans import diff
from .searching import searchsorted


def convert_indices_from_coo_to_csr(input: Tensor, size: int, *, out_int32: bool = False) -> Tensor:
    """From sorted row numbers to where each of ``size`` rows starts, and the end.

    Example:
        >>> import rushlight as torch
        >>> convert_indices_from_coo_to_csr(torch.tensor([0, 0, 1, 3]), 4)
        tensor([0, 2, 3, 3, 4])
    """
    return searchsorted(input, arange(size + 1, dtype=input.dtype), out_int32=out_int32)


def convert_indices_from_csr_to_coo(
    crow_indices: Tensor, col_indices: Tensor, *, out_int32: bool = False, transpose: bool = False
) -> Tensor:
    """The row and column of each entry, as a matrix of two rows (``transpose``: the columns first).

    Example:
        >>> import rushlight as torch
        >>> convert_indices_from_csr_to_coo(torch.tensor([0, 2, 3]), torch.tensor([1, 2, 0]))
        tensor([[0, 0, 1],
                [1, 2, 0]])
    """
    kind = int32 if out_int32 else int64
    rows = repeat_interleave(arange(crow_indices.numel() - 1), diff(crow_indices))
    parts = [to(rows, kind), to(col_indices, kind)]
    return stack(parts[::-1] if transpose else parts)
