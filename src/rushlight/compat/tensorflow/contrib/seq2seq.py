"""``tf.contrib.seq2seq``: attention, decoders and the loss of sequences."""

from __future__ import annotations

from typing import Any

from .. import nn
from ..conversion import convert_to_tensor
from ..graph import Tensor, name_scope
from ..ops_array import reshape, shape
from ..ops_math import cast, div_no_nan, multiply
from ..ops_reduce import reduce_sum
from .attention import (
    AttentionMechanism as AttentionMechanism,
    AttentionWrapper as AttentionWrapper,
    AttentionWrapperState as AttentionWrapperState,
    BahdanauAttention as BahdanauAttention,
    LuongAttention as LuongAttention,
)
from .decoding import (
    BasicDecoder as BasicDecoder,
    BasicDecoderOutput as BasicDecoderOutput,
    GreedyEmbeddingHelper as GreedyEmbeddingHelper,
    Helper as Helper,
    SampleEmbeddingHelper as SampleEmbeddingHelper,
    TrainingHelper as TrainingHelper,
    dynamic_decode as dynamic_decode,
    tile_batch as tile_batch,
)

__path__: list[str] = []  # modules below this one can be imported: see the table in contrib/__init__.py


def sequence_loss(
    logits: Any,
    targets: Any,
    weights: Any,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    softmax_loss_function: Any = None,
    name: str | None = None,
) -> Tensor:
    """The weighted cross entropy of ``logits`` (batch, time, classes) and ``targets`` (batch, time).

    Averaged over time and batch where that is asked for; otherwise the shape of the weights, or one of its axes, stays.
    """
    scores, truths = convert_to_tensor(logits), convert_to_tensor(targets)
    factors = convert_to_tensor(weights)
    if scores.shape.ndims != 3:
        raise ValueError("Logits must be a [batch_size x sequence_length x logits] tensor")
    if truths.shape.ndims != 2:
        raise ValueError("Targets must be a [batch_size x sequence_length] tensor")
    if factors.shape.ndims != 2:
        raise ValueError("Weights must be a [batch_size x sequence_length] tensor")
    with name_scope(name, "sequence_loss"):
        function = softmax_loss_function or nn.sparse_softmax_cross_entropy_with_logits
        loss = function(labels=truths, logits=scores)
        total = multiply(cast(reshape(loss, shape(truths)), factors.dtype), factors)
        if average_across_timesteps and average_across_batch:
            return div_no_nan(reduce_sum(total), reduce_sum(factors))  # type: ignore[no-any-return]
        if average_across_batch:
            return div_no_nan(reduce_sum(total, 0), reduce_sum(factors, 0))  # type: ignore[no-any-return]
        if average_across_timesteps:
            return div_no_nan(reduce_sum(total, 1), reduce_sum(factors, 1))  # type: ignore[no-any-return]
        return total  # type: ignore[no-any-return]


def __getattr__(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise AttributeError(
        f"module 'tensorflow.contrib.seq2seq' has no attribute {name!r}: there are attention, BasicDecoder with its helpers, "
        "dynamic_decode, tile_batch and sequence_loss; write another decoder with tf.nn.raw_rnn or tf.while_loop"
    )
