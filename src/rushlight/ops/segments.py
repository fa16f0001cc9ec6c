"""Reductions of consecutive segments, and the matrix of powers as ``torch`` itself has it."""

from __future__ import annotations

import numpy as np

from ..core.tensor import Tensor, make_tensor
from .creation import full
from .dispatch import not_implemented
from .joining import stack
from .matrix_functions import vander as _increasing
from .placement import tensor_beside
from .pointwise import div
from .rearranging import flip
from .scattering import scatter_reduce

_WAYS = {"sum": "sum", "mean": "sum", "min": "amin", "max": "amax", "prod": "prod"}
_OF_NOTHING = {"sum": 0.0, "mean": float("nan"), "min": float("inf"), "max": float("-inf"), "prod": 1.0}


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The matrix (length, N) of the powers of a vector's elements, from the highest on, or the lowest if ``increasing``.

    ``N`` is the vector's length unless given. Raises ``RuntimeError`` for other than a vector and for a negative ``N``.

    Example:
        >>> import rushlight as torch
        >>> torch.vander(torch.tensor([2, 3]), 3)
        tensor([[4, 2, 1],
                [9, 3, 1]])
    """
    if x._array.ndim != 1:
        raise RuntimeError(
            f"vander: x must be a one-dimensional tensor, but it has {x._array.ndim} dimensions"
        )
    columns = x._array.shape[0] if N is None else N
    if columns < 0:
        raise RuntimeError(f"vander: N must be non-negative, but it is {columns}")
    if columns == 0:
        return x.new_zeros((x._array.shape[0], 0))  # type: ignore[no-any-return]
    powers = _increasing(x, columns) if columns > 1 else x.new_ones((x._array.shape[0], 1))
    return powers if increasing else flip(powers, (1,))


def segment_reduce(
    data: Tensor,
    reduce: str,
    *,
    lengths: Tensor | None = None,
    indices: Tensor | None = None,
    offsets: Tensor | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> Tensor:
    """ "sum", "mean", "min", "max" or "prod" (``reduce``) of consecutive segments of ``data`` along its first dimension.

    The segments are given by their ``lengths``, which add up to that dimension, or by ``offsets``, their starts and the last
    one's end. ``initial`` takes part in every segment, and is the result of an empty one.
    Raises ``RuntimeError`` for other reductions, lengths that do not add up, and where neither is given;
    ``NotImplementedError`` for ``indices``. Along another ``axis`` there are lengths for each place of the ones before it.

    Example:
        >>> import rushlight as torch
        >>> torch.segment_reduce(torch.tensor([1.0, 2.0, 3.0]), "sum", lengths=torch.tensor([2, 1]))
        tensor([3., 3.])
    """
    if reduce not in _WAYS:
        raise RuntimeError(
            f"segment_reduce: unsupported reduction {reduce!r}; allowed are {', '.join(_WAYS)}"
        )
    if indices is not None:
        raise NotImplementedError(
            "segment_reduce: only lengths or offsets; indices are not there in PyTorch either"
        )
    given = lengths if offsets is None else offsets
    if axis > 0 and given is not None and given._array.ndim == axis + 1:
        parts = [
            segment_reduce(
                row, reduce, lengths=None if lengths is None else lengths[i], offsets=None if offsets is None else offsets[i],
                axis=axis - 1, unsafe=unsafe, initial=initial,
            )
            for i, row in enumerate(data)
        ]  # fmt: skip
        return stack(parts)
    if given is not None and given._array.dtype.kind not in "iu":
        raise not_implemented("_segment_reduce_lengths_cpu_kernel1", given._array.dtype)
    if offsets is not None:
        counts = np.diff(offsets._array)
    elif lengths is not None:
        counts = lengths._array
    else:
        raise RuntimeError("segment_reduce: either lengths or offsets must be given")
    if axis != 0 or counts.ndim != 1 or data._array.ndim < 1:
        raise NotImplementedError("segment_reduce: lengths of one dimension only, for data of one or more")
    if (counts < 0).any() or (not unsafe and counts.sum() != data._array.shape[0]):
        raise RuntimeError(
            f"segment_reduce: the lengths must be 0 or more and add up to {data._array.shape[0]}; got {counts.tolist()}"
        )
    if unsafe and counts.sum() < data._array.shape[0]:
        data = data[: int(counts.sum())]
    tail = data._array.shape[1:]
    which = np.repeat(np.arange(counts.size), counts).reshape(-1, *(1 for _ in tail))
    index = tensor_beside(data, np.ascontiguousarray(np.broadcast_to(which, data._array.shape)))
    start = _OF_NOTHING["sum" if reduce == "mean" else reduce] if initial is None else initial
    begin = full((counts.size, *tail), start, dtype=data.dtype)
    result = scatter_reduce(begin, 0, index, data, _WAYS[reduce], include_self=True)
    if reduce != "mean":
        return result
    sizes = make_tensor(counts.reshape(-1, *(1 for _ in tail)).astype(data._array.dtype))
    if initial is not None:
        # An empty segment has the initial value itself.
        sizes = tensor_beside(data, np.maximum(sizes._array, 1).astype(data._array.dtype))
    return div(result, sizes)
