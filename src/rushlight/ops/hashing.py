"""``hash_tensor``: one number for many, which changes when one of them does."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.shapes import wrap_dims
from ..core.tensor import Tensor, make_tensor
from .dispatch import not_implemented
from .indexing import write_same_type


def hash_tensor(
    input: Tensor,
    dim: int | tuple[int, ...] | None = None,
    *,
    keepdim: bool = False,
    mode: int = 0,
    out: Tensor | None = None,
) -> Tensor:
    """A hash of all elements, or of those along ``dim``, as uint64: the exclusive or of their bits.

    Numbers are brought to float64, int64 or uint64 first, so the hash does not depend on how many bits they have.
    Raises ``RuntimeError`` for an empty tensor without ``dim``, another ``mode`` and an ``out`` of another dtype,
    ``NotImplementedError`` for complex numbers.

    Example:
        >>> import rushlight as torch
        >>> torch.hash_tensor(torch.tensor([1, 2, 4]))
        tensor(7, dtype=torch.uint64)
    """
    if mode != 0:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    if out is not None:
        return write_same_type(out, hash_tensor(input, dim, keepdim=keepdim), "hash_tensor")
    if input.device.type == "cuda":
        return hash_tensor(input.cpu(), dim, keepdim=keepdim).to(input.device)  # type: ignore[no-any-return]
    array = np.asarray(input._array)
    if dim is None and not array.size:
        raise RuntimeError(
            "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with "
            "the 'dim' argument."
        )
    if array.dtype.kind == "c":
        raise not_implemented("xor_sum", array.dtype)
    wide = np.uint64 if array.dtype.kind in "ub" else np.int64 if array.dtype.kind == "i" else np.float64
    bits = array.astype(wide).view(np.uint64)
    reduce: Any = np.bitwise_xor.reduce  # takes several axes, whatever its annotation says
    axes = wrap_dims(dim, array.ndim)
    return make_tensor(np.asarray(reduce(bits, axis=axes, keepdims=keepdim)))


METHODS: dict[str, Any] = {"hash_tensor": hash_tensor}
