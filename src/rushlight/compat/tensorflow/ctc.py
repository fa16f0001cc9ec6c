"""Connectionist temporal classification: the loss over all alignments, and the simplest decoder."""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight as rl
import rushlight.nn.functional as F

from . import dtypes
from .conversion import convert_to_tensor
from .graph import Tensor, node
from .sparse_tensor import SparseTensor
from .tensor_shape import TensorShape


def ctc_loss(
    labels: Any,
    inputs: Any = None,
    sequence_length: Any = None,
    preprocess_collapse_repeated: bool = False,
    ctc_merge_repeated: bool = True,
    ignore_longer_outputs_than_inputs: bool = False,
    time_major: bool = True,
    logits: Any = None,
) -> Tensor:
    """The negative logarithm of the probability of ``labels``, a ``SparseTensor`` (batch, longest), for each batch entry.

    ``inputs`` are logits (time, batch, classes), or (batch, time, classes) without ``time_major``; the last class is the blank.

    Source: A. Graves et al., "Connectionist Temporal Classification", 2006.
    """
    if preprocess_collapse_repeated or not ctc_merge_repeated:
        raise NotImplementedError("ctc_loss: repeated labels are merged in the paths, and not before")
    scores = convert_to_tensor(logits if inputs is None else inputs)
    lengths = convert_to_tensor(sequence_length)

    def kernel(index: Any, values: Any, shape: Any, x: Any, steps: Any) -> Any:
        x = x if time_major else rl.transpose(x, 0, 1)
        batch = x.shape[1]
        counts = rl.bincount(index[:, 0], minlength=batch)
        if not ignore_longer_outputs_than_inputs and bool((counts > steps.to(rl.int64)).any()):
            raise ValueError("Not enough time for target transition sequence")
        losses = F.ctc_loss(
            rl.log_softmax(x, -1),
            values.to(rl.int64),
            steps.to(rl.int64),
            counts,
            blank=x.shape[-1] - 1,
            reduction="none",
            zero_infinity=ignore_longer_outputs_than_inputs,
        )
        return losses

    extents = scores.shape.extents
    batch = None if extents is None else extents[1 if time_major else 0]
    operands = [labels.indices, labels.values, labels.dense_shape, scores, lengths]
    return node("CTCLoss", kernel, operands, scores.dtype, [batch])


def ctc_greedy_decoder(
    inputs: Any, sequence_length: Any, merge_repeated: bool = True
) -> tuple[list[SparseTensor], Tensor]:
    """The most probable class at each step, without blanks (the last class) and, if asked for, repetitions.

    Returns ``([SparseTensor of class numbers], negative sums of the chosen logits (batch, 1))``.
    """
    scores, lengths = convert_to_tensor(inputs), convert_to_tensor(sequence_length)

    def kernel(x: Any, steps: Any) -> tuple[Any, ...]:
        values, found = x.detach().numpy(), x.detach().numpy().argmax(-1)
        blank = values.shape[-1] - 1
        rows, totals = [], []
        for i, count in enumerate(steps.tolist()):
            path = found[:count, i].tolist()
            totals.append([-values[:count, i].max(-1).sum()])
            before, row = blank, []
            for label in path:
                if label != blank and not (merge_repeated and label == before):
                    row.append(label)
                before = label
            rows.append(row)
        index = [[i, j] for i, row in enumerate(rows) for j in range(len(row))]
        longest = max([len(row) for row in rows], default=0)
        return (
            rl.from_numpy(np.array(index, np.int64).reshape(-1, 2)),
            rl.tensor([label for row in rows for label in row], dtype=rl.int64),
            rl.tensor([len(rows), longest], dtype=rl.int64),
            rl.tensor(totals, dtype=x.dtype),
        )

    batch = scores.shape.extents[1] if scores.shape.extents else None
    results = [
        (dtypes.int64, TensorShape([None, 2])),
        (dtypes.int64, TensorShape([None])),
        (dtypes.int64, TensorShape([2])),
        (scores.dtype, TensorShape([batch, 1])),
    ]
    op = scores.graph.create_op("CTCGreedyDecoder", [scores, lengths], results, kernel)
    return [SparseTensor(*op.outputs[:3])], op.outputs[3]
