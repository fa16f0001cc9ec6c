"""Batches of sequences of several lengths: padded (one tensor with fill values) and packed (no fill values at all).

Packed data hold the elements of step 0 of all sequences, then those of step 1 of the sequences that have one, and so on;
the sequences are sorted by length, the longest first. That is how the recurrent layers work through them.
"""

from __future__ import annotations

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core.device import on_host
from ...core.shapes import count
from ...core.tensor import Tensor, make_tensor
from ...ops.creation import full
from ...ops.dispatch import type_name
from ...ops.indexing import index_copy, index_select
from ...ops.joining import cat
from ...ops.movement import narrow, reshape
from ...ops.placement import tensor_beside


class _PackedFields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_PackedFields):
    """A batch of sequences without fill values; made by ``pack_padded_sequence`` and ``pack_sequence``.

    ``data`` has the elements of all sequences, step by step, ``batch_sizes`` the number of them at each step,
    ``sorted_indices`` says where in the batch the sorted sequences came from, and ``unsorted_indices`` how to bring them back.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.nn.utils.rnn import pack_sequence
        >>> packed = pack_sequence([torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0])])
        >>> packed.data, packed.batch_sizes
        (tensor([1., 4., 2., 3.]), tensor([2, 1, 1]))
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if batch_sizes is None:
            if not isinstance(data, list | tuple) or len(data) != 2:
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def __repr__(self) -> str:
        fields = ", ".join([f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True)])
        return f"PackedSequence({fields})"

    def _with_data(self, data: Tensor) -> PackedSequence:
        if data is self.data:
            return self
        return PackedSequence(data, self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """With the data on another device or of another dtype."""
        return self._with_data(self.data.to(*args, **kwargs))

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """On the CPU."""
        return self._with_data(self.data.cpu(*args, **kwargs))

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """On a GPU; raises where there is none."""
        return self._with_data(self.data.cuda(*args, **kwargs))

    def double(self) -> PackedSequence:
        """With data of float64."""
        return self._with_data(self.data.double())

    def float(self) -> PackedSequence:
        """With data of float32."""
        return self._with_data(self.data.float())

    def half(self) -> PackedSequence:
        """With data of float16."""
        return self._with_data(self.data.half())

    def long(self) -> PackedSequence:
        """With data of int64."""
        return self._with_data(self.data.long())

    def int(self) -> PackedSequence:
        """With data of int32."""
        return self._with_data(self.data.int())

    def short(self) -> PackedSequence:
        """With data of int16."""
        return self._with_data(self.data.short())

    def char(self) -> PackedSequence:
        """With data of int8."""
        return self._with_data(self.data.char())

    def byte(self) -> PackedSequence:
        """With data of uint8."""
        return self._with_data(self.data.byte())

    @property
    def is_cuda(self) -> bool:
        """Whether the data are on a GPU."""
        return self.data.is_cuda  # type: ignore[no-any-return]

    def is_pinned(self) -> bool:
        """Whether the data are in pinned memory."""
        return False


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes ``permutation``.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.utils.rnn.invert_permutation(torch.tensor([2, 0, 1]))
        tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    order = on_host(permutation._array)
    inverse = np.empty_like(order)
    inverse[order] = np.arange(len(inverse))
    return tensor_beside(permutation, inverse)


def _starts(batch_sizes: Any) -> Any:
    return np.concatenate([[0], np.cumsum(batch_sizes)[:-1]])


def _places(lengths: Any, batch_sizes: Any) -> tuple[Any, Any]:
    """For packed data of sequences that are sorted by length: the step and the sequence of each element."""
    steps = np.repeat(np.arange(len(batch_sizes)), batch_sizes)
    return steps, np.arange(len(steps)) - np.repeat(_starts(batch_sizes), batch_sizes)


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Packs ``(steps, sequences, *)``, or with ``batch_first`` ``(sequences, steps, *)``, of the given lengths.

    With ``enforce_sorted=False`` the sequences are sorted by length first. Raises ``RuntimeError`` for lengths that are not
    sorted, not positive, longer than the input, or not one for each sequence.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.nn.utils.rnn import pack_padded_sequence
        >>> x = torch.tensor([[1.0, 2.0], [3.0, 0.0]])
        >>> pack_padded_sequence(x, [2, 1], batch_first=True).data
        tensor([1., 3., 2.])
    """
    given = lengths._array if isinstance(lengths, Tensor) else np.asarray(lengths)
    if given.ndim != 1:
        raise RuntimeError(
            f"'lengths' argument should be a 1D CPU int64 tensor, but got {given.ndim}D cpu "
            f"{type_name(given.dtype)} tensor"
        )
    sizes = given.astype(np.int64)
    order = None
    if not enforce_sorted:
        order = np.argsort(-sizes, kind="stable")
        sizes = sizes[order]
    shape = input._array.shape
    sequences, steps = shape[:2] if batch_first else (shape[1], shape[0])
    if len(sizes) != sequences:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(sizes)} (batch_size={sequences})"
        )
    if not len(sizes) or sizes.min() <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if (np.diff(sizes) > 0).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do not "
            "need ONNX exportability."
        )
    if sizes[0] > steps:
        raise RuntimeError(
            f"pack_padded_sequence: a sequence of length {sizes[0]} in an input of {steps} steps"
        )
    batch_sizes = np.count_nonzero(sizes[None] > np.arange(sizes[0])[:, None], axis=1)
    step, sequence = _places(sizes, batch_sizes)
    if order is not None:
        sequence = order[sequence]
    rows = sequence * steps + step if batch_first else step * sequences + sequence
    flat = reshape(input, (sequences * steps, *shape[2:]))
    data = index_select(flat, 0, tensor_beside(flat, rows))
    # The sizes stay on the CPU, as in PyTorch.
    return PackedSequence(
        data, make_tensor(batch_sizes), None if order is None else tensor_beside(flat, order)
    )


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The padded form of packed sequences, ``(steps, sequences, *)`` or with ``batch_first`` ``(sequences, steps, *)``,
    and the lengths; ``total_length`` asks for more steps than the longest has (``ValueError`` for fewer).

    Example:
        >>> import rushlight as torch
        >>> from rushlight.nn.utils.rnn import pack_sequence, pad_packed_sequence
        >>> packed = pack_sequence([torch.tensor([1.0, 2.0]), torch.tensor([3.0])])
        >>> pad_packed_sequence(packed, batch_first=True)
        (tensor([[1., 2.],
                [3., 0.]]), tensor([2, 1]))
    """
    data, sizes, _, unsorted = sequence
    batch_sizes = sizes._array
    sequences, longest = int(batch_sizes[0]), len(batch_sizes)
    steps = longest
    if total_length is not None:
        if total_length < longest:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got total_length="
                f"{total_length} and max sequence length being {longest}"
            )
        steps = total_length
    lengths = np.count_nonzero(batch_sizes[:, None] > np.arange(sequences), axis=0)
    step, number = _places(lengths, batch_sizes)
    if unsorted is not None:
        back = on_host(unsorted._array)
        lengths, number = lengths[back], np.argsort(back)[number]
    shape = data._array.shape[1:]
    outer = (sequences, steps) if batch_first else (steps, sequences)
    rows = number * steps + step if batch_first else step * sequences + number
    start = full((count(outer), *shape), padding_value, dtype=data.dtype, device=data.device)
    filled = index_copy(start, 0, tensor_beside(data, rows), data)
    return reshape(filled, (*outer, *shape)), make_tensor(lengths)


def pad_sequence(
    sequences: Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences ``(length, *)`` as one tensor ``(steps, sequences, *)``, or with ``batch_first`` ``(sequences, steps, *)``.

    Raises ``RuntimeError`` for no sequences, and for another ``padding_side`` than ``"right"`` and ``"left"``.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.utils.rnn.pad_sequence([torch.ones(1), torch.ones(2)], batch_first=True)
        tensor([[1., 0.],
                [1., 1.]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    parts = list(sequences)
    if not parts:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("right", "left"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    first = parts[0]
    lengths = [part._array.shape[0] for part in parts]
    steps, shape = max(lengths), first._array.shape[1:]
    outer = (len(parts), steps) if batch_first else (steps, len(parts))
    within = [np.arange(n) + (0 if padding_side == "right" else steps - n) for n in lengths]
    if batch_first:
        rows = np.concatenate([i * steps + step for i, step in enumerate(within)])
    else:
        rows = np.concatenate([step * len(parts) + i for i, step in enumerate(within)])
    parts = [part if part._array.shape[1:] == shape else part.expand(-1, *shape) for part in parts]
    start = full((count(outer), *shape), padding_value, dtype=first.dtype, device=first.device)
    joined = cat(parts)
    filled = index_copy(
        start,
        0,
        tensor_beside(first, rows),
        joined if joined.dtype is first.dtype else joined.to(first.dtype),
    )
    return reshape(filled, (*outer, *shape))


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded tensor, each without its fill values.

    Without ``batch_first``, ``padded_sequences`` is itself turned to have the batch first, and stays so, as in PyTorch.

    Example:
        >>> import rushlight as torch
        >>> padded = torch.tensor([[1.0, 0.0], [2.0, 3.0]])
        >>> torch.nn.utils.rnn.unpad_sequence(padded, torch.tensor([1, 2]), batch_first=True)
        [tensor([1.]), tensor([2., 3.])]
    """
    if not batch_first:
        padded_sequences.transpose_(0, 1)
    return [narrow(padded_sequences[i], 0, 0, int(n)) for i, n in enumerate(lengths._array)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs sequences ``(length, *)``; unless ``enforce_sorted`` they may come in any order.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.nn.utils.rnn import pack_sequence
        >>> pack_sequence([torch.tensor([1.0]), torch.tensor([2.0, 3.0])], enforce_sorted=False).data
        tensor([2., 1., 3.])
    """
    lengths = [part._array.shape[0] for part in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed batch, in their order before packing."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True)
