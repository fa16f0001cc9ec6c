"""Rows of a table by number, alone or summed up in bags."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.device import on_host
from ...core.grad_mode import GRAD_MODE
from ...core.history import known_as
from ...core.tensor import Tensor, make_tensor
from ...ops.accumulation import extremes
from ...ops.batching import for_each_example
from ...ops.creation import zeros
from ...ops.index_tensors import put_at
from ...ops.indexing import embedding as _embedding, index_add
from ...ops.placement import tensor_beside
from ...ops.pointwise import div, mul
from ...ops.scattering import gather
from ...runtime.batched import Batched


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of ``weight`` (rows, columns) by the numbers in ``input``, of any shape: ``(*input.shape, columns)``.

    Row ``padding_idx`` gets no gradient; with ``scale_grad_by_freq`` each row's gradient is divided by how often it was
    taken. ``max_norm`` first scales, in place, the rows that are taken so that their ``norm_type``-norm is at most that.
    With ``sparse`` the gradient of ``weight`` is a sparse tensor of the rows that were taken (dense in compiled functions and
    under ``vmap``). Raises ``IndexError`` for a number out of range.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.embedding(torch.tensor([1, 1]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([[3., 4.],
                [3., 4.]])
    """
    if not isinstance(input, Tensor):
        raise TypeError(
            f"embedding(): argument 'indices' (position 2) must be Tensor, not {type(input).__name__}"
        )
    padding = -1 if padding_idx is None else _row(padding_idx, weight)
    if max_norm is not None:
        limit_norms(weight, input, max_norm, norm_type)
    if sparse:
        return sparsely(weight, input, padding, scale_grad_by_freq)
    return _embedding(weight, input, padding, scale_grad_by_freq)


def sparsely(weight: Tensor, input: Tensor, padding: int, scale_grad_by_freq: bool) -> Tensor:
    """The rows of ``weight``, with a history that gives it a sparse gradient."""
    if weight._node is None or not GRAD_MODE.get() or type(weight._array) is not np.ndarray:
        return _embedding(weight, input, padding, scale_grad_by_freq)
    from ...ops.sparse_records import with_sparse_gradient  # only who has sparse gradients needs it

    rows = _embedding(weight.detach(), input, padding, scale_grad_by_freq)
    if type(rows._array) is not np.ndarray:
        return _embedding(weight, input, padding, scale_grad_by_freq)
    return with_sparse_gradient(rows, weight, input, padding, scale_grad_by_freq)


def _row(padding_idx: int, weight: Tensor) -> int:
    rows = weight._array.shape[0]
    if not -rows <= padding_idx < rows:
        raise AssertionError("Padding_idx must be within num_embeddings")
    return int(padding_idx % rows)


def limit_norms(weight: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale the rows of ``weight`` at ``indices``, in place and unrecorded, to norms of at most ``max_norm``."""
    token = GRAD_MODE.set(False)
    try:
        if type(weight._array) is Batched or type(indices._array) is Batched:
            # Which rows occur is different for each example: every row gets a factor.
            table = weight._array.astype(np.float64)
            occurs = np.equal(indices._array.reshape((-1, 1)), np.arange(table.shape[0])).any(0)
            norms = np.linalg.norm(table, norm_type, axis=1)
            factors = np.where(occurs & (norms > max_norm), max_norm / (norms + 1e-7), 1.0)
            weight.mul_(make_tensor(factors.reshape((-1, 1)).astype(weight._array.dtype)))
            return
        chosen = np.unique(indices._array)
        rows = weight._array[chosen].astype(np.float64)
        norms = np.linalg.norm(rows, norm_type, axis=1)
        long = norms > max_norm
        if long.any():
            scaled = rows[long] * (max_norm / (norms[long] + 1e-7))[:, None]
            weight[make_tensor(chosen[long])] = make_tensor(scaled.astype(weight._array.dtype))
    finally:
        GRAD_MODE.reset(token)


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or max (``mode``) of rows of ``weight`` over bags of row numbers: ``(bags, columns)``.

    ``input`` is 2-dimensional, one bag a row, or 1-dimensional with the bags' starts in ``offsets`` (with
    ``include_last_offset`` also the last one's end). An empty bag gives zeros. ``per_sample_weights``, for sums only,
    multiply the rows. Entries equal to ``padding_idx`` do not count.

    Example:
        >>> import rushlight as torch
        >>> bags = torch.tensor([0, 1, 1]), torch.tensor([0, 2])
        >>> torch.nn.functional.embedding_bag(bags[0], torch.eye(2), bags[1], mode="sum")
        tensor([[1., 1.],
                [0., 1.]])
    """
    if type(input._array) is Batched or (offsets is not None and type(offsets._array) is Batched):
        # How many rows a bag has, and which count, may differ from example to example.
        return for_each_example(  # type: ignore[no-any-return]
            embedding_bag, (input, weight, offsets, max_norm, norm_type, scale_grad_by_freq, mode, sparse),
            per_sample_weights=per_sample_weights, include_last_offset=include_last_offset, padding_idx=padding_idx,
        )  # fmt: skip
    if per_sample_weights is not None and per_sample_weights._array.shape != input._array.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must have the same shape "
            f"as the input ({input.shape})"
        )
    flat, bag_of, bags = _bags(input, offsets, include_last_offset)
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum or mean")
    if flat._array.dtype.kind not in "iu":
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"{input.type()} instead (while checking arguments for embedding_bag)"
        )
    if per_sample_weights is not None:
        if mode != "sum":
            raise NotImplementedError(
                "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' "
                f"(got mode='{mode}'). Please open a feature request on GitHub."
            )
        if per_sample_weights._array.dtype != weight._array.dtype:
            raise RuntimeError(
                "Expected tensor for argument #1 'weight' to have the same type as tensor for argument #1 "
                f"'per_sample_weights'; but type {weight.type()} does not equal {per_sample_weights.type()} (while checking "
                "arguments for embedding_bag)"
            )
        per_sample_weights = per_sample_weights.reshape(-1)
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    _check_rows(flat, weight._array.shape[0])
    padding = -1 if padding_idx is None else _row(padding_idx, weight)
    if max_norm is not None:
        limit_norms(weight, input, max_norm, norm_type)
    if padding >= 0:
        kept = make_tensor(np.flatnonzero(flat._array != padding))
        flat, bag_of = flat[kept], bag_of[on_host(kept._array)]
        per_sample_weights = None if per_sample_weights is None else per_sample_weights[kept]
    rows = (sparsely if sparse else _embedding)(weight, flat, padding, scale_grad_by_freq)
    if mode == "max":
        return known_as(_largest(rows, bag_of, bags), "EmbeddingBagBackward0")
    if per_sample_weights is not None:
        rows = mul(rows, per_sample_weights.unsqueeze(1))
    added = {"dims": (0,), "accumulate": True, "shape": (bags, weight._array.shape[1])}
    result: Tensor = put_at(None, rows, (tensor_beside(rows, bag_of),), added)
    if mode == "mean":
        counts = np.maximum(np.bincount(bag_of, minlength=bags), 1).astype(weight._array.dtype)
        result = div(result, tensor_beside(result, counts[:, None]))
    return known_as(result, "EmbeddingBagBackward0")


def _check_rows(flat: Tensor, rows: int) -> None:
    indices = flat._array
    if type(indices) is np.ndarray and indices.size:
        low, high = extremes(indices)
        if low < 0 or high >= rows:
            place = int(((indices < 0) | (indices >= rows)).argmax())
            raise RuntimeError(
                f"Index {place} of input takes value {indices[place]} which is not in the valid range [0, {rows})"
            )


def _bags(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> tuple[Tensor, Any, int]:
    """All row numbers in sequence, the number of the bag of each, and how many bags there are."""
    ndim = input._array.ndim
    if ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences. "
                f"However, found offsets of type {type(offsets)}"
            )
        bags, length = input._array.shape
        if not length and bags:
            raise RuntimeError("step must be nonzero: embedding_bag got bags without entries")
        return input.reshape(-1), np.repeat(np.arange(bags), length), bags
    if ndim != 1:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {ndim}")
    if not isinstance(offsets, Tensor):
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if offsets._array.ndim != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    starts, length = on_host(offsets._array).astype(np.int64), len(input._array)
    if include_last_offset and not len(starts):
        raise ValueError("include_last_offset: number of offsets should be at least 1")
    if len(starts) and starts[0] != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got "
            f"{starts[0]}"
        )
    if len(starts) and starts[-1] > length:
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length {length} but got offsets[-1] of {starts[-1]}"
        )
    ends = starts[1:] if include_last_offset else np.append(starts[1:], length)
    sizes = ends - starts[: len(ends)]
    if (sizes < 0).any():
        raise RuntimeError(f"embedding_bag: offsets must not decrease, got {starts.tolist()}")
    bag_of = np.repeat(np.arange(len(ends)), sizes)
    return (input if len(bag_of) == length else input[: len(bag_of)]), bag_of, len(ends)


def _largest(rows: Tensor, bag_of: Any, bags: int) -> Tensor:
    values = on_host(rows._array)
    if not len(values):
        start = zeros((bags, values.shape[1]), dtype=rows.dtype, device=rows.device)
        return index_add(start, 0, tensor_beside(rows, bag_of), rows)  # nothing, but with history
    sizes = np.bincount(bag_of, minlength=bags)
    ends = np.cumsum(sizes)
    places = np.zeros((bags, values.shape[1]), np.int64)
    for bag in np.flatnonzero(sizes):
        start = ends[bag] - sizes[bag]
        places[bag] = start + values[start : ends[bag]].argmax(0)
    result: Tensor = gather(rows, 0, tensor_beside(rows, places))
    filled = (sizes > 0).astype(values.dtype)
    return result if filled.all() else mul(result, tensor_beside(result, filled[:, None]))
