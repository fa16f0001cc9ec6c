"""``tf.contrib.crf``: conditional random fields over sequences, for tagging.

Source: J. Lafferty et al., "Conditional Random Fields: Probabilistic Models for Segmenting and Labeling Sequence Data", 2001.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import rushlight as rl

from .. import dtypes
from ..conversion import convert_to_tensor
from ..graph import Tensor, get_default_graph, name_scope
from ..ops_array import expand_dims, reshape, shape, squeeze
from ..ops_indexing import gather, one_hot, sequence_mask
from ..ops_math import cast, maximum
from ..ops_reduce import reduce_logsumexp, reduce_sum
from ..rnn import dynamic_rnn
from ..rnn_cell import RNNCell
from ..tensor_shape import TensorShape
from ..variable_scope import get_variable


def crf_unary_score(tag_indices: Any, sequence_lengths: Any, inputs: Any) -> Tensor:
    """The sum of the scores that ``inputs`` (batch, time, tags) gives to the tags (batch, time): (batch,)."""
    scores = convert_to_tensor(inputs)
    chosen = reduce_sum(scores * one_hot(tag_indices, scores.shape[2].value, dtype=scores.dtype), 2)
    mask = sequence_mask(sequence_lengths, shape(scores)[1], dtype=scores.dtype)
    return reduce_sum(chosen * mask, 1)


def crf_binary_score(tag_indices: Any, sequence_lengths: Any, transition_params: Any) -> Tensor:
    """The sum of the transitions' scores (tags, tags) along the tags (batch, time): (batch,)."""
    matrix = convert_to_tensor(transition_params)
    tags = cast(convert_to_tensor(tag_indices), dtypes.int32)
    count = matrix.shape[0].value
    steps = gather(reshape(matrix, [-1]), tags[:, :-1] * count + tags[:, 1:])
    lengths = maximum(cast(convert_to_tensor(sequence_lengths), dtypes.int32) - 1, 0)
    mask = sequence_mask(lengths, shape(tags)[1] - 1, dtype=matrix.dtype)
    return reduce_sum(steps * mask, 1)


def crf_sequence_score(
    inputs: Any, tag_indices: Any, sequence_lengths: Any, transition_params: Any
) -> Tensor:
    """The score of the tags, before it is normalized: (batch,)."""
    return crf_unary_score(tag_indices, sequence_lengths, inputs) + crf_binary_score(
        tag_indices, sequence_lengths, transition_params
    )


class CrfForwardRnnCell(RNNCell):
    """One step of the forward recursion: the state holds the logarithm of the sum over all sequences up to each tag."""

    base_name = "crf_forward_rnn_cell"

    def __init__(self, transition_params: Any) -> None:
        super().__init__()
        self._transitions = expand_dims(transition_params, 0)
        self._count = int(convert_to_tensor(transition_params).shape[0].value)

    @property
    def state_size(self) -> int:
        """The number of tags."""
        return self._count

    @property
    def output_size(self) -> int:
        """The number of tags."""
        return self._count

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        sums = inputs + reduce_logsumexp(expand_dims(state, 2) + self._transitions, [1])
        return sums, sums


def crf_log_norm(inputs: Any, sequence_lengths: Any, transition_params: Any) -> Tensor:
    """The logarithm of the sum over all sequences of tags: (batch,)."""
    scores = convert_to_tensor(inputs)
    first, rest = squeeze(scores[:, :1], [1]), scores[:, 1:]
    lengths = maximum(cast(convert_to_tensor(sequence_lengths), dtypes.int32) - 1, 0)
    _, last = dynamic_rnn(CrfForwardRnnCell(transition_params), rest, lengths, initial_state=first)
    return reduce_logsumexp(last, [1])


def crf_log_likelihood(
    inputs: Any, tag_indices: Any, sequence_lengths: Any, transition_params: Any = None
) -> tuple[Tensor, Any]:
    """The log likelihood of tags.

    Args:
        inputs: scores (batch, time, tags).
        tag_indices: the tags (batch, time), integers.
        sequence_lengths: how many steps of each sequence count (batch,).
        transition_params: scores (tags, tags) of one tag after another; a variable ``transitions`` by default.

    Returns:
        ``(log likelihood (batch,), transition_params)``.
    """
    scores = convert_to_tensor(inputs)
    if transition_params is None:
        count = scores.shape[2].value
        transition_params = get_variable("transitions", [count, count])
    score = crf_sequence_score(scores, tag_indices, sequence_lengths, transition_params)
    return score - crf_log_norm(scores, sequence_lengths, transition_params), transition_params


def viterbi_decode(score: Any, transition_params: Any) -> tuple[list[int], Any]:
    """The best sequence of tags and its score, of arrays: ``score`` (time, tags), ``transition_params`` (tags, tags)."""
    scores, transitions = np.asarray(score), np.asarray(transition_params)
    best = scores[0]
    pointers: list[NDArray[Any]] = []
    for step in scores[1:]:
        through = best[:, None] + transitions
        pointers.append(through.argmax(0))
        best = step + through.max(0)
    tags = [int(best.argmax())]
    for pointer in reversed(pointers):
        tags.append(int(pointer[tags[-1]]))
    return tags[::-1], best.max()


def crf_decode(potentials: Any, transition_params: Any, sequence_length: Any) -> tuple[Tensor, Tensor]:
    """The best tags (batch, time), int32, 0 behind the end of a sequence, and their scores (batch,).

    Args:
        potentials: scores (batch, time, tags).
        transition_params: scores (tags, tags).
        sequence_length: how many steps of each sequence count (batch,).
    """

    def kernel(scores: Any, transitions: Any, lengths: Any) -> tuple[Any, Any]:
        time, count = scores.shape[1:]
        best = scores[:, 0]
        pointers = []
        for step in range(1, time):
            through = best.unsqueeze(2) + transitions
            values, places = through.max(1)
            live = (lengths > step).unsqueeze(1)
            best = rl.where(live, scores[:, step] + values, best)
            # Behind the end the pointer leads to the tag itself.
            pointers.append(rl.where(live, places, rl.arange(count).unsqueeze(0)))
        last, tag = best.max(1)
        tags = [tag]
        for pointer in reversed(pointers):
            tags.append(pointer.gather(1, tags[-1].unsqueeze(1)).squeeze(1))
        found = rl.stack(tags[::-1], 1)
        live = rl.arange(time).unsqueeze(0) < rl.clamp(lengths, min=1).unsqueeze(1)
        return (found * live).to(rl.int32), last

    scores = convert_to_tensor(potentials)
    with name_scope(None, "crf_decode"):
        lengths = cast(convert_to_tensor(sequence_length), dtypes.int64)
        inputs = [scores, convert_to_tensor(transition_params), lengths]
        tags, best = (
            get_default_graph()
            .create_op(
                "CrfDecode",
                inputs,
                [
                    (dtypes.int32, TensorShape([scores.shape[0], scores.shape[1]])),
                    (scores.dtype, TensorShape([scores.shape[0]])),
                ],
                kernel,
            )
            .outputs
        )
    return tags, best
