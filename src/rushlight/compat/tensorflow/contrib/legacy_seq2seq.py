"""``tf.contrib.legacy_seq2seq``: decoders over lists of time steps, unrolled in the graph, and their losses.

Sources: I. Sutskever et al., "Sequence to Sequence Learning with Neural Networks", 2014; D. Bahdanau et al., "Neural Machine
Translation by Jointly Learning to Align and Translate", 2015; O. Vinyals et al., "Grammar as a Foreign Language", 2015.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from ..control_flow import cond
from ..conversion import convert_to_tensor
from ..graph import Tensor, name_scope
from ..nesting import flatten, pack_like
from ..nn import conv2d, embedding_lookup, softmax, sparse_softmax_cross_entropy_with_logits
from ..ops_array import concat, reshape, shape, stop_gradient, zeros
from ..ops_math import add_n, cast, matmul, tanh
from ..ops_reduce import argmax, reduce_sum
from ..python.pieces import _linear
from ..rnn import static_rnn
from ..rnn_cell import RNNCell
from ..variable_scope import get_variable, get_variable_scope, variable_scope
from .rnn import EmbeddingWrapper, OutputProjectionWrapper

Steps = Sequence[Any]
_Loop = Callable[[Any, int], Any] | None


def _unbuilt(cell: Any) -> Any:
    """A copy of a cell that makes variables of its own."""
    twin = copy.copy(cell)
    for name, value in vars(cell).items():
        if isinstance(value, RNNCell):
            setattr(twin, name, _unbuilt(value))
        elif isinstance(value, list | tuple) and value and isinstance(value[0], RNNCell):
            # A cell that stands in the list twice shares its variables with itself, also in the copy.
            twins = {id(inner): _unbuilt(inner) for inner in value}
            setattr(twin, name, [twins[id(inner)] for inner in value])
    twin._built = False
    twin.variables = []
    return twin


def _feeding(embedding: Any, output_projection: Any, update_embedding: bool) -> _Loop:
    """The function that makes a step's input of the output before it: the embedding of the likeliest symbol."""

    def loop_function(prev: Any, _: int) -> Any:
        if output_projection is not None:
            prev = matmul(prev, output_projection[0]) + output_projection[1]
        found = embedding_lookup(embedding, argmax(prev, 1))
        return found if update_embedding else stop_gradient(found)

    return loop_function


def _embedded(
    decoder_inputs: Steps,
    num_symbols: int,
    embedding_size: int,
    output_projection: Any,
    feed_previous: bool,
    update_embedding: bool,
) -> tuple[list[Any], _Loop]:
    """A decoder's inputs, symbols, as their embeddings; and what makes a step's input of the output before, if it is to."""
    embedding = get_variable("embedding", [num_symbols, embedding_size])
    loop = _feeding(embedding, output_projection, update_embedding) if feed_previous else None
    return [embedding_lookup(embedding, step) for step in decoder_inputs], loop


def _inner(loop_function: Any, previous: Any, i: int) -> Any:
    with variable_scope("loop_function", reuse=True):
        return loop_function(previous, i)


def rnn_decoder(
    decoder_inputs: Steps,
    initial_state: Any,
    cell: Any,
    loop_function: _Loop = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """Run ``cell`` over a list of steps, each (batch, features).

    Args:
        loop_function: ``loop_function(output, i)`` makes the input of step ``i`` (from the second on) of the output before
            it; the input in the list is then left out.

    Returns:
        ``(outputs, state)``: one output for each step, and the last state.
    """
    with variable_scope(scope or "rnn_decoder"):
        state, outputs = initial_state, []
        previous = None
        for i, step in enumerate(decoder_inputs):
            if loop_function is not None and previous is not None:
                step = _inner(loop_function, previous, i)
            if i > 0:
                get_variable_scope().reuse_variables()
            output, state = cell(step, state)
            outputs.append(output)
            if loop_function is not None:
                previous = output
    return outputs, state


def basic_rnn_seq2seq(
    encoder_inputs: Steps, decoder_inputs: Steps, cell: Any, dtype: Any = "float32", scope: Any = None
) -> tuple[list[Any], Any]:
    """An encoder whose last state a decoder begins with; both are cells like ``cell``, with variables of their own."""
    with variable_scope(scope or "basic_rnn_seq2seq"):
        _, state = static_rnn(_unbuilt(cell), encoder_inputs, dtype=dtype)
        return rnn_decoder(decoder_inputs, state, cell)


def tied_rnn_seq2seq(
    encoder_inputs: Steps,
    decoder_inputs: Steps,
    cell: Any,
    loop_function: _Loop = None,
    dtype: Any = "float32",
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """:func:`basic_rnn_seq2seq` whose encoder and decoder share their variables."""
    with variable_scope("combined_tied_rnn_seq2seq"):
        place = scope or "tied_rnn_seq2seq"
        _, state = static_rnn(cell, encoder_inputs, dtype=dtype, scope=place)
        get_variable_scope().reuse_variables()
        return rnn_decoder(decoder_inputs, state, cell, loop_function, place)


def embedding_rnn_decoder(
    decoder_inputs: Steps,
    initial_state: Any,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    output_projection: Any = None,
    feed_previous: bool = False,
    update_embedding_for_previous: bool = True,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """:func:`rnn_decoder` of symbols (each step (batch,) integers), which are embedded first.

    Args:
        output_projection: ``(weights, biases)`` that make scores of symbols of an output.
        feed_previous: take the likeliest symbol of the output before as a step's input.
    """
    with variable_scope(scope or "embedding_rnn_decoder"):
        steps, loop = _embedded(
            decoder_inputs, num_symbols, embedding_size, output_projection, feed_previous, update_embedding_for_previous
        )  # fmt: skip
        return rnn_decoder(steps, initial_state, cell, loop)


def _decoded(feed_previous: Any, decoder: Callable[[bool], tuple[list[Any], Any]]) -> tuple[list[Any], Any]:
    """The decoder with inputs from the list or from itself, chosen now or (by a tensor) when the graph runs."""
    if isinstance(feed_previous, bool):
        return decoder(feed_previous)
    structure: list[Any] = []

    def branch(fed: bool, reuse: bool | None) -> list[Any]:
        with variable_scope(get_variable_scope(), reuse=reuse):
            outputs, state = decoder(fed)
        structure[:] = [len(outputs), state]
        return [*outputs, *flatten(state)]

    found = cond(feed_previous, lambda: branch(True, None), lambda: branch(False, True))
    count, state = structure
    return list(found[:count]), pack_like(state, list(found[count:]))


def embedding_rnn_seq2seq(
    encoder_inputs: Steps,
    decoder_inputs: Steps,
    cell: Any,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """:func:`basic_rnn_seq2seq` of symbols: both sides are embedded, and outputs are scores of ``num_decoder_symbols``.

    With an ``output_projection`` the outputs are the cell's own, to be projected by the program.
    """
    with variable_scope(scope or "embedding_rnn_seq2seq"):
        encoder = EmbeddingWrapper(_unbuilt(cell), num_encoder_symbols, embedding_size)
        _, state = static_rnn(encoder, encoder_inputs, dtype=dtype or "float32")
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols)

        def decoder(fed: bool) -> tuple[list[Any], Any]:
            return embedding_rnn_decoder(
                decoder_inputs, state, cell, num_decoder_symbols, embedding_size, output_projection, fed
            )

        return _decoded(feed_previous, decoder)


def attention_decoder(
    decoder_inputs: Steps,
    initial_state: Any,
    attention_states: Any,
    cell: Any,
    output_size: int | None = None,
    num_heads: int = 1,
    loop_function: _Loop = None,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> tuple[list[Any], Any]:
    """:func:`rnn_decoder` that looks at ``attention_states`` (batch, length, features) in every step.

    Raises:
        ValueError: if there are no inputs or no heads, or the size of the states is not known.
    """
    if not decoder_inputs:
        raise ValueError("Must provide at least 1 input to attention decoder.")
    if num_heads < 1:
        raise ValueError("With less than 1 heads, use a non-attention decoder.")
    states = convert_to_tensor(attention_states)
    size = states.shape[2].value
    if size is None:
        raise ValueError(f"Shape[2] of attention_states must be known: {states.shape}")
    width = cell.output_size if output_size is None else output_size
    with variable_scope(scope or "attention_decoder"):
        length = states.shape[1].value
        extent = shape(states)[1] if length is None else length
        hidden = reshape(states, [-1, extent, 1, size])
        features, factors = [], []
        for head in range(num_heads):
            kernel = get_variable(f"AttnW_{head}", [1, 1, size, size])
            features.append(conv2d(hidden, kernel, [1, 1, 1, 1], "SAME"))
            factors.append(get_variable(f"AttnV_{head}", [size]))

        def attention(query: Any) -> list[Any]:
            parts = flatten(query)
            joined = parts[0] if len(parts) == 1 else concat(parts, 1)
            contexts = []
            for head in range(num_heads):
                with variable_scope(f"Attention_{head}"):
                    asked = reshape(_linear(joined, size, True), [-1, 1, 1, size])
                    scores = reduce_sum(factors[head] * tanh(features[head] + asked), [2, 3])
                    weights = reshape(softmax(scores), [-1, extent, 1, 1])
                    contexts.append(reshape(reduce_sum(weights * hidden, [1, 2]), [-1, size]))
            return contexts

        state, outputs = initial_state, []
        previous = None
        batch = shape(convert_to_tensor(decoder_inputs[0]))[0]
        seen = []
        for _ in range(num_heads):
            seen.append(zeros([batch, size], states.dtype))
            seen[-1].set_shape([None, size])
        if initial_state_attention:
            seen = attention(initial_state)
        for i, step in enumerate(decoder_inputs):
            if i > 0:
                get_variable_scope().reuse_variables()
            if loop_function is not None and previous is not None:
                step = _inner(loop_function, previous, i)
            features_in = convert_to_tensor(step).shape[1].value
            if features_in is None:
                raise ValueError(f"Could not infer input size from input: {step.name}")
            output, state = cell(_linear([step, *seen], features_in, True), state)
            with variable_scope(
                get_variable_scope(), reuse=True if i == 0 and initial_state_attention else None
            ):
                seen = attention(state)
            with variable_scope("AttnOutputProjection"):
                output = _linear([output, *seen], width, True)
            if loop_function is not None:
                previous = output
            outputs.append(output)
    return outputs, state


def embedding_attention_decoder(
    decoder_inputs: Steps,
    initial_state: Any,
    attention_states: Any,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    num_heads: int = 1,
    output_size: int | None = None,
    output_projection: Any = None,
    feed_previous: bool = False,
    update_embedding_for_previous: bool = True,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> tuple[list[Any], Any]:
    """:func:`attention_decoder` of symbols, which are embedded first."""
    with variable_scope(scope or "embedding_attention_decoder"):
        steps, loop = _embedded(
            decoder_inputs, num_symbols, embedding_size, output_projection, feed_previous, update_embedding_for_previous
        )  # fmt: skip
        return attention_decoder(
            steps,
            initial_state,
            attention_states,
            cell,
            output_size,
            num_heads,
            loop,
            initial_state_attention=initial_state_attention,
        )


def embedding_attention_seq2seq(
    encoder_inputs: Steps,
    decoder_inputs: Steps,
    cell: Any,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    num_heads: int = 1,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> tuple[list[Any], Any]:
    """:func:`embedding_rnn_seq2seq` whose decoder looks at all outputs of the encoder."""
    with variable_scope(scope or "embedding_attention_seq2seq"):
        encoder = EmbeddingWrapper(_unbuilt(cell), num_encoder_symbols, embedding_size)
        encoded, state = static_rnn(encoder, encoder_inputs, dtype=dtype or "float32")
        states = concat([reshape(step, [-1, 1, cell.output_size]) for step in encoded], 1)
        width = None
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols)
            width = num_decoder_symbols

        def decoder(fed: bool) -> tuple[list[Any], Any]:
            return embedding_attention_decoder(
                decoder_inputs,
                state,
                states,
                cell,
                num_decoder_symbols,
                embedding_size,
                num_heads,
                width,
                output_projection,
                fed,
                initial_state_attention=initial_state_attention,
            )

        return _decoded(feed_previous, decoder)


def sequence_loss_by_example(
    logits: Steps,
    targets: Steps,
    weights: Steps,
    average_across_timesteps: Any = True,
    softmax_loss_function: Any = None,
    name: str | None = None,
) -> Tensor:
    """The weighted cross entropy of each sequence of a batch: (batch,).

    Args:
        logits: one (batch, symbols) for each step.
        targets: one (batch,) of integers for each step.
        weights: one (batch,) for each step.
        average_across_timesteps: divide by the sum of a sequence's weights.

    Raises:
        ValueError: if the lists have different lengths.
    """
    if len(targets) != len(logits) or len(weights) != len(logits):
        raise ValueError(
            "Lengths of logits, weights, and targets must be the same "
            f"{len(logits)}, {len(weights)}, {len(targets)}."
        )
    with name_scope(name, "sequence_loss_by_example"):
        losses = []
        for scores, target, weight in zip(logits, targets, weights, strict=True):
            if softmax_loss_function is None:
                truth = reshape(target, [-1])
                loss = sparse_softmax_cross_entropy_with_logits(labels=truth, logits=scores)
            else:
                loss = softmax_loss_function(labels=target, logits=scores)
            losses.append(loss * weight)
        total: Tensor = add_n(losses)
        if average_across_timesteps:
            # The small number is for sequences whose weights are all zero.
            total = total / (add_n(list(weights)) + 1e-12)
        return total


def sequence_loss(
    logits: Steps,
    targets: Steps,
    weights: Steps,
    average_across_timesteps: Any = True,
    average_across_batch: Any = True,
    softmax_loss_function: Any = None,
    name: str | None = None,
) -> Tensor:
    """:func:`sequence_loss_by_example`, summed over the batch and divided by its size."""
    with name_scope(name, "sequence_loss"):
        total: Tensor = reduce_sum(
            sequence_loss_by_example(
                logits, targets, weights, average_across_timesteps, softmax_loss_function
            )
        )
        if average_across_batch:
            total = total / cast(shape(convert_to_tensor(targets[0]))[0], total.dtype)
        return total


def model_with_buckets(
    encoder_inputs: Steps,
    decoder_inputs: Steps,
    targets: Steps,
    weights: Steps,
    buckets: Sequence[tuple[int, int]],
    seq2seq: Callable[[Any, Any], tuple[list[Any], Any]],
    softmax_loss_function: Any = None,
    per_example_loss: bool = False,
    name: str | None = None,
) -> tuple[list[list[Any]], list[Any]]:
    """One net for each ``(encoder steps, decoder steps)`` of ``buckets``, all with the same variables.

    Returns:
        ``(outputs, losses)``, one entry for each bucket.

    Raises:
        ValueError: if a list is shorter than the largest bucket.
    """
    for what, steps, needed in (
        ("encoder_inputs", encoder_inputs, buckets[-1][0]),
        ("targets", targets, buckets[-1][1]),
        ("weights", weights, buckets[-1][1]),
    ):
        if len(steps) < needed:
            raise ValueError(
                f"Length of {what} ({len(steps)}) must be at least that of last bucket ({needed})."
            )
    losses, outputs = [], []
    loss_of = sequence_loss_by_example if per_example_loss else sequence_loss
    with name_scope(name, "model_with_buckets"):
        for i, (source, target) in enumerate(buckets):
            with variable_scope(get_variable_scope(), reuse=True if i > 0 else None):
                found, _ = seq2seq(encoder_inputs[:source], decoder_inputs[:target])
                outputs.append(found)
                losses.append(
                    loss_of(
                        found, targets[:target], weights[:target], softmax_loss_function=softmax_loss_function
                    )
                )
    return outputs, losses
