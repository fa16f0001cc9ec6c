"""Places in sorted sequences: ``searchsorted`` and ``bucketize``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arguments import check_flag
from ..core.tensor import Tensor, make_tensor
from .define import Primitive
from .dispatch import apply, is_number, type_name, write_out
from .movement import cast


def _search_impl(sequence: Any, values: Any, sorter: Any, right: bool) -> Any:
    side: Any = "right" if right else "left"
    common = np.result_type(sequence.dtype, values.dtype)
    sequence, values = sequence.astype(common, copy=False), values.astype(common, copy=False)
    if sequence.ndim == 1:
        return np.asarray(np.searchsorted(sequence, values, side, sorter=sorter))
    result = np.empty(values.shape, np.int64)  # NumPy searches one sequence at a time
    if not values.size:
        return result
    rows = sequence.reshape(-1, sequence.shape[-1])
    wanted = values.reshape(-1, values.shape[-1])
    found = result.reshape(-1, values.shape[-1])
    orders = [None] * len(rows) if sorter is None else list(sorter.reshape(-1, sorter.shape[-1]))
    for i, row in enumerate(rows):
        found[i] = np.searchsorted(row, wanted[i], side, sorter=orders[i])
    return result


I32 = np.dtype(np.int32)
SEARCH = Primitive("searchsorted", _search_impl)


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Where the values would go into sequences (the last dimension) that are sorted, or that ``sorter`` puts in order.

    The place before equal elements, or, with ``right=True`` or ``side="right"``, behind them. int64 (int32 with
    ``out_int32``), in the shape of ``input``. Raises ``RuntimeError`` for shapes that do not go together.

    Example:
        >>> import rushlight as torch
        >>> torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([3, 6]))
        tensor([1, 3])
    """
    check_flag("searchsorted", "out_int32", out_int32)
    check_flag("searchsorted", "right", right)
    if not isinstance(sorted_sequence, Tensor):
        raise TypeError(
            f"searchsorted(): argument 'sorted_sequence' must be Tensor, not {type(sorted_sequence).__name__}"
        )
    sequence = sorted_sequence._array
    number = not isinstance(input, Tensor)
    if number and not is_number(input):
        raise TypeError(
            f"searchsorted(): argument 'input' must be Tensor or number, not {type(input).__name__}"
        )
    values = np.asarray(input) if number else input._array
    if side is not None and side not in ("left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
        )
    if sequence.dtype.kind == "c" or values.dtype.kind == "c":
        raise RuntimeError("torch.searchsorted(): complex tensors have no order")
    if not sequence.ndim:
        raise RuntimeError(
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got "
            "boundaries tensor dim(0) and input value's dim(0) numel(1)"
            if not values.ndim
            else "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension"
        )
    if not values.ndim and sequence.ndim != 1:
        raise RuntimeError(
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got "
            f"boundaries tensor dim({sequence.ndim}) and input value's dim(0) numel(1)"
        )
    if sequence.ndim != 1 and sequence.shape[:-1] != values.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor "
            f"and input value tensor must match, but we got boundaries tensor {list(sequence.shape)} and input value tensor "
            f"{list(values.shape)}"
        )
    order = None
    if sorter is not None:
        order = sorter._array
        if order.shape != sequence.shape:
            raise RuntimeError(
                "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
                f"{list(sequence.shape)} and got sorter tensor {list(order.shape)}"
            )
        if order.dtype != np.int64:
            raise RuntimeError(
                f"torch.searchsorted(): sorter must be a tensor of long dtype but got dtype {type_name(sorter._array.dtype)}"
            )
        if order.size and (int(order.min()) < 0 or int(order.max()) >= sequence.shape[-1]):
            raise RuntimeError("torch.searchsorted(): sorter index out of range")
    wanted = make_tensor(values) if number else input
    found: Tensor = apply(SEARCH, (sorted_sequence, wanted, sorter), {"right": right or side == "right"})
    result = cast(found, I32) if out_int32 else found
    if out is None:
        return result
    if isinstance(out, Tensor) and out._array.dtype != result._array.dtype:
        raise RuntimeError(
            "torch.searchsorted(): output tensor's dtype is wrong, it can only be Int(int32) or Long(int64) depending on "
            f"whether out_int32 flag is True, but we got output tensor's dtype {type_name(out._array.dtype)} and out_int32 "
            f"flag is {out_int32}"
        )
    return write_out(out, result, "searchsorted")


def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False, out: Tensor | None = None
) -> Tensor:
    """The number of the bucket of each value, where sorted ``boundaries`` (a vector) separate the buckets.

    Example:
        >>> import rushlight as torch
        >>> torch.bucketize(torch.tensor([1.0, 2.5, 9.0]), torch.tensor([1.0, 3.0]))
        tensor([0, 1, 2])
    """
    check_flag("bucketize", "out_int32", out_int32)
    check_flag("bucketize", "right", right)
    if not isinstance(boundaries, Tensor):
        raise TypeError(f"bucketize(): argument 'boundaries' must be Tensor, not {type(boundaries).__name__}")
    if boundaries._array.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries._array.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


METHODS: dict[str, Any] = {}
