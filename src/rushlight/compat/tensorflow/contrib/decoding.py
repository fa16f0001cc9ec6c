"""Decoders of ``tf.contrib.seq2seq``: what is fed at each step, and the loop over the steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .. import dtypes
from ..control_flow import while_loop
from ..conversion import constant, convert_to_tensor
from ..dtypes import as_dtype
from ..graph import Tensor, name_scope
from ..nesting import flatten, map_structure, pack_like
from ..nn import embedding_lookup
from ..ops_array import expand_dims, fill, reshape, shape as shape_of, tile, transpose, zeros_like
from ..ops_indexing import gather, where
from ..ops_math import cast, equal, greater_equal, logical_and, logical_not, logical_or, minimum
from ..ops_random import multinomial
from ..ops_reduce import argmax, reduce_all
from ..tensor_array import TensorArray
from ..tensor_shape import TensorShape
from ..variable_scope import variable_scope


class BasicDecoderOutput(NamedTuple):
    """What a step gives: the cell's output (after the output layer), and the chosen tokens."""

    rnn_output: Any
    sample_id: Any


def _turned(x: Any) -> Any:
    """The first two axes, batch and time, in the other order."""
    return transpose(x, [1, 0, *range(2, x.shape.ndims)])


class Helper:
    """The base of helpers: they say what is fed to a decoder.

    ``initialize()`` gives (finished, inputs); ``sample(time, outputs, state)`` the tokens; ``next_inputs(time, outputs, state,
    sample_ids)`` gives (finished, inputs, state).
    """

    batch_size: Any

    def initialize(self, name: str | None = None) -> tuple[Any, Any]:
        """Whether each entry is finished from the beginning, and the first inputs."""
        raise NotImplementedError

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Tensor:
        """The likeliest token of each entry, int32."""
        return argmax(outputs, axis=-1, output_type=dtypes.int32)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """Whether each entry is finished, the next inputs and the state."""
        raise NotImplementedError


class TrainingHelper(Helper):
    """Feeds ``inputs`` (batch, time, features), whatever the decoder gives, for ``sequence_length`` steps of each entry."""

    def __init__(
        self, inputs: Any, sequence_length: Any, time_major: bool = False, name: str | None = None
    ) -> None:
        with name_scope(name, "TrainingHelper"):
            x = convert_to_tensor(inputs)
            self._inputs = x if time_major else _turned(x)
            self._length = convert_to_tensor(sequence_length, name="sequence_length")
            if self._length.shape.ndims != 1:
                raise ValueError(
                    f"Expected sequence_length to be a vector, but received shape: {self._length.shape}"
                )
            self.batch_size = shape_of(self._length)[0]

    def initialize(self, name: str | None = None) -> tuple[Any, Any]:
        return equal(self._length, constant(0, self._length.dtype)), self._inputs[0]

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        following = time + 1
        finished = greater_equal(cast(following, self._length.dtype), self._length)
        place = minimum(following, shape_of(self._inputs)[0] - 1)  # finished entries are fed something
        return finished, gather(self._inputs, place), state


class GreedyEmbeddingHelper(Helper):
    """Feeds the embedding of the likeliest token, from ``start_tokens`` on, until that is ``end_token``."""

    def __init__(self, embedding: Any, start_tokens: Any, end_token: Any) -> None:
        self._embed: Callable[[Any], Any] = (
            embedding if callable(embedding) else lambda ids: embedding_lookup(embedding, ids)
        )
        self._start = convert_to_tensor(start_tokens, dtypes.int32, name="start_tokens")
        self._end = convert_to_tensor(end_token, dtypes.int32, name="end_token")
        if self._start.shape.ndims != 1:
            raise ValueError("start_tokens must be a vector")
        if self._end.shape.ndims != 0:
            raise ValueError("end_token must be a scalar")
        self.batch_size = shape_of(self._start)[0]

    def initialize(self, name: str | None = None) -> tuple[Any, Any]:
        return fill([self.batch_size], False), self._embed(self._start)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        return equal(sample_ids, self._end), self._embed(sample_ids), state


class SampleEmbeddingHelper(GreedyEmbeddingHelper):
    """Like :class:`GreedyEmbeddingHelper`, with tokens drawn from the outputs as logits."""

    def __init__(
        self,
        embedding: Any,
        start_tokens: Any,
        end_token: Any,
        softmax_temperature: Any = None,
        seed: Any = None,
    ) -> None:
        super().__init__(embedding, start_tokens, end_token)
        self._temperature, self._seed = softmax_temperature, seed

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Tensor:
        logits = outputs if self._temperature is None else outputs / self._temperature
        return reshape(cast(multinomial(logits, 1, seed=self._seed), dtypes.int32), [-1])


class BasicDecoder:
    """A cell that is fed by a helper; ``output_layer``, a layer, is applied to its outputs."""

    def __init__(self, cell: Any, helper: Any, initial_state: Any, output_layer: Any = None) -> None:
        self._cell, self._helper, self._initial = cell, helper, initial_state
        self._layer = output_layer

    @property
    def batch_size(self) -> Any:
        """The number of entries."""
        return self._helper.batch_size

    @property
    def output_dtype(self) -> BasicDecoderOutput:
        """The types of what a step gives."""
        kinds = [leaf.dtype for leaf in flatten(self._initial) if isinstance(leaf, Tensor)]
        return BasicDecoderOutput(next(k for k in kinds if k.is_floating), dtypes.int32)

    def initialize(self, name: str | None = None) -> tuple[Any, Any, Any]:
        """Whether each entry is finished, the first inputs and the first state."""
        return (*self._helper.initialize(), self._initial)

    def step(
        self, time: Any, inputs: Any, state: Any, name: str | None = None
    ) -> tuple[BasicDecoderOutput, Any, Any, Any]:
        """One step: (outputs, next state, next inputs, finished)."""
        outputs, following = self._cell(inputs, state)
        if self._layer is not None:
            outputs = self._layer(outputs)
        tokens = self._helper.sample(time=time, outputs=outputs, state=following)
        finished, fed, following = self._helper.next_inputs(
            time=time, outputs=outputs, state=following, sample_ids=tokens
        )
        return BasicDecoderOutput(outputs, tokens), following, fed, finished


def dynamic_decode(
    decoder: Any,
    output_time_major: bool = False,
    impute_finished: bool = False,
    maximum_iterations: Any = None,
    parallel_iterations: int = 32,
    swap_memory: bool = False,
    scope: Any = None,
) -> tuple[Any, Any, Any]:
    """Step ``decoder`` until every entry is finished.

    Args:
        decoder: a ``BasicDecoder``, or an object with its methods.
        impute_finished: zeros as outputs of finished entries, whose states stay.
        maximum_iterations: the most steps.

    Returns:
        ``(outputs, last state, lengths)``; outputs are (batch, time, …), or (time, batch, …) with ``output_time_major``.
    """
    if not hasattr(decoder, "step"):
        raise TypeError(f"Expected decoder to be type Decoder, but saw: {type(decoder)}")
    limit = None if maximum_iterations is None else convert_to_tensor(maximum_iterations, dtypes.int32)
    with variable_scope(scope or "decoder"):
        finished, inputs, state = decoder.initialize()
        if limit is not None:
            finished = logical_or(finished, greater_equal(constant(0), limit))
        kinds = decoder.output_dtype
        arrays = map_structure(lambda kind: TensorArray(as_dtype(kind), size=0, dynamic_size=True), kinds)
        lengths = zeros_like(finished, dtype=dtypes.int32)
        state = pack_like(state, [convert_to_tensor(leaf) for leaf in flatten(state)])

        def going(time: Any, arrays: Any, state: Any, inputs: Any, finished: Any, lengths: Any) -> Any:
            return logical_not(reduce_all(finished))

        def body(time: Any, arrays: Any, state: Any, inputs: Any, finished: Any, lengths: Any) -> Any:
            outputs, following, fed, now = decoder.step(time, inputs, state)
            done = logical_or(now, finished)
            if limit is not None:
                done = logical_or(done, greater_equal(time + 1, limit))
            ended = logical_and(logical_not(finished), done)
            lengths = where(ended, fill(shape_of(lengths), time + 1), lengths)
            if impute_finished:
                outputs = map_structure(lambda new: where(finished, zeros_like(new), new), outputs)
                kept = [
                    _kept(finished, new, old)
                    for new, old in zip(flatten(following), flatten(state), strict=True)
                ]
                following = pack_like(state, kept)
            written = [a.write(time, x).flow for a, x in zip(flatten(arrays), flatten(outputs), strict=True)]
            return time + 1, pack_like(arrays, written), following, fed, done, lengths

        loop = (constant(0), arrays, state, inputs, finished, lengths)
        shapes = [_open_shape(leaf) for leaf in flatten(loop)]
        _, arrays, state, _, _, lengths = while_loop(going, body, loop, shape_invariants=shapes)
        outputs = pack_like(kinds, [array.stack() for array in flatten(arrays)])
        if not output_time_major:
            outputs = map_structure(_turned, outputs)
        return outputs, state, lengths


def _kept(finished: Any, new: Any, old: Any) -> Any:
    if isinstance(new, TensorArray):
        return new.flow
    return where(finished, old, new) if new.shape.ndims else new


def _open_shape(value: Any) -> TensorShape:
    """A loop variable's shape without the number of entries, which helpers and cells know differently well."""
    extents = None if isinstance(value, TensorArray) else value.shape.extents
    if extents is None:
        return TensorShape(None)
    return TensorShape([None, *extents[1:]] if extents else [])


def tile_batch(t: Any, multiplier: int, name: str | None = None) -> Any:
    """Each entry of tensors, in any structure, ``multiplier`` times after each other."""

    def tiled(x: Any) -> Any:
        x = convert_to_tensor(x)
        repeated = tile(expand_dims(x, 1), [1, multiplier, *[1] * (x.shape.ndims - 1)])
        extents = x.shape.as_list()
        rest = [shape_of(x)[i] if n is None else n for i, n in enumerate(extents)][1:]
        return reshape(repeated, [-1, *rest])

    return map_structure(tiled, t)
