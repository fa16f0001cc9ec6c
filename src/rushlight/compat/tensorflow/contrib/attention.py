"""Attention of ``tf.contrib.seq2seq``: Bahdanau's and Luong's scores, and the cell that attends at every step.

Sources: D. Bahdanau, K. Cho, Y. Bengio, "Neural machine translation by jointly learning to align and translate",
arXiv:1409.0473; M.-T. Luong, H. Pham, C. D. Manning, "Effective approaches to attention-based neural machine translation",
arXiv:1508.04025.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..conversion import convert_to_tensor
from ..graph import Tensor, name_scope
from ..initializers import constant_initializer
from ..layers import Dense
from ..nn import softmax
from ..ops_array import concat, expand_dims, fill, shape as shape_of, squeeze, zeros
from ..ops_indexing import sequence_mask, where
from ..ops_math import add, cast, matmul, multiply, rsqrt, square, tanh
from ..ops_reduce import reduce_sum
from ..rnn_cell import RNNCell
from ..tensor_array import TensorArray
from ..variable_scope import get_variable, variable_scope


class AttentionMechanism:
    """The base of attention mechanisms: ``mechanism(query, state)`` gives the alignments (batch, time) and the next state.

    ``memory``: (batch, time, features); what lies behind ``memory_sequence_length`` gets no attention.
    """

    base_name = "attention"

    def __init__(
        self,
        memory: Any,
        memory_sequence_length: Any,
        probability_fn: Callable[..., Any] | None,
        score_mask_value: Any,
        memory_layer: Any,
        name: str,
    ) -> None:
        self._name = name
        self._probability = probability_fn or softmax
        self._mask_value = -math.inf if score_mask_value is None else float(score_mask_value)
        with name_scope(name):
            whole = convert_to_tensor(memory)
            if whole.shape.ndims != 3:
                raise ValueError(
                    f"{name}: the memory must be (batch, time, features), got shape {whole.shape}"
                )
            self._length = None
            if memory_sequence_length is not None:
                self._length = convert_to_tensor(memory_sequence_length)
                mask = sequence_mask(self._length, shape_of(whole)[1], dtype=whole.dtype)
                whole = multiply(whole, expand_dims(mask, 2))
            self.values = whole
            self.keys = whole if memory_layer is None else memory_layer(whole)

    @property
    def batch_size(self) -> Any:
        """The number of entries, as a tensor where it is not known."""
        known = self.keys.shape.as_list()[0]
        return shape_of(self.keys)[0] if known is None else known

    @property
    def alignments_size(self) -> Any:
        """The number of memory steps, as a tensor where it is not known."""
        known = self.keys.shape.as_list()[1]
        return shape_of(self.keys)[1] if known is None else known

    state_size = alignments_size

    def initial_alignments(self, batch_size: Any, dtype: Any) -> Tensor:
        """Zeros of (batch, time)."""
        return zeros([batch_size, self.alignments_size], dtype)

    initial_state = initial_alignments

    def _score(self, query: Any) -> Tensor:
        raise NotImplementedError

    def __call__(self, query: Any, state: Any = None) -> tuple[Tensor, Tensor]:
        with variable_scope(None, default_name=self.base_name):
            score = self._score(query)
        if self._length is not None:
            mask = sequence_mask(self._length, shape_of(score)[1])
            score = where(mask, score, fill(shape_of(score), np.array(self._mask_value, score.dtype.numpy)))
        alignments = self._probability(score)
        return alignments, alignments


class BahdanauAttention(AttentionMechanism):
    """Additive attention: ``v · tanh(keys + W query)``; with ``normalize`` v is a direction, a factor and a bias."""

    base_name = "bahdanau_attention"

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        normalize: bool = False,
        probability_fn: Callable[..., Any] | None = None,
        score_mask_value: Any = None,
        dtype: Any = None,
        name: str = "BahdanauAttention",
    ) -> None:
        self._units, self._normalize = num_units, normalize
        self._query_layer = Dense(num_units, use_bias=False, name="query_layer")
        self._parts: tuple[Any, ...] | None = None
        layer = Dense(num_units, use_bias=False, name="memory_layer")
        super().__init__(memory, memory_sequence_length, probability_fn, score_mask_value, layer, name)

    def _score(self, query: Any) -> Tensor:
        processed = expand_dims(self._query_layer(query), 1)
        if self._parts is None:
            v = get_variable("attention_v", [self._units])
            factor = bias = None
            if self._normalize:
                factor = get_variable(
                    "attention_g", [], initializer=constant_initializer(math.sqrt(1.0 / self._units))
                )
                bias = get_variable("attention_b", [self._units], initializer=constant_initializer(0.0))
            self._parts = (v, factor, bias)
        v, factor, bias = self._parts
        if factor is None:
            return reduce_sum(multiply(v, tanh(add(self.keys, processed))), [2])
        direction = multiply(multiply(factor, v), rsqrt(reduce_sum(square(v))))
        whole = tanh(add(add(self.keys, processed), bias))
        return reduce_sum(multiply(direction, whole), [2])


class LuongAttention(AttentionMechanism):
    """Multiplicative attention: ``query · keys``, with ``scale`` times a learned factor."""

    base_name = "luong_attention"

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        scale: bool = False,
        probability_fn: Callable[..., Any] | None = None,
        score_mask_value: Any = None,
        dtype: Any = None,
        name: str = "LuongAttention",
    ) -> None:
        self._scale, self._factor = scale, None
        layer = Dense(num_units, use_bias=False, name="memory_layer")
        super().__init__(memory, memory_sequence_length, probability_fn, score_mask_value, layer, name)

    def _score(self, query: Any) -> Tensor:
        depth, units = query.shape.as_list()[-1], self.keys.shape.as_list()[-1]
        if depth != units:
            raise ValueError(
                f"Incompatible or unknown inner dimensions between query and keys.  Query ({query}) has units: {depth}.  "
                f"Keys ({self.keys}) have units: {units}.  Perhaps you need to set num_units to the keys' dimension ({units})?"
            )
        score = squeeze(matmul(expand_dims(query, 1), self.keys, transpose_b=True), [1])
        if not self._scale:
            return score
        if self._factor is None:
            self._factor = get_variable("attention_g", [], initializer=constant_initializer(1.0))
        return multiply(self._factor, score)  # type: ignore[no-any-return]


class AttentionWrapperState(NamedTuple):
    """The state of an ``AttentionWrapper``. ``alignment_history``: an empty tuple unless it is kept."""

    cell_state: Any
    attention: Any
    time: Any
    alignments: Any
    alignment_history: Any
    attention_state: Any

    def clone(self, **parts: Any) -> AttentionWrapperState:
        """The state with other parts: ``state.clone(cell_state=encoder_state)``."""
        return self._replace(**parts)


class AttentionWrapper(RNNCell):
    """A cell that attends at every step: it is given its input with the attention of the step before.

    The attention is ``attention_layer_size`` units of the cell's output with the context, or the context itself.
    """

    base_name = "attention_wrapper"

    def __init__(
        self,
        cell: RNNCell,
        attention_mechanism: Any,
        attention_layer_size: Any = None,
        alignment_history: bool = False,
        cell_input_fn: Callable[..., Any] | None = None,
        output_attention: bool = True,
        initial_cell_state: Any = None,
        name: str | None = None,
        attention_layer: Any = None,
    ) -> None:
        super().__init__(name)
        if isinstance(attention_mechanism, list | tuple):
            raise NotImplementedError(
                "AttentionWrapper: several attention mechanisms are not available; give one"
            )
        self._cell, self._mechanism = cell, attention_mechanism
        self._layer = attention_layer
        if attention_layer_size is not None:
            self._layer = Dense(int(attention_layer_size), use_bias=False, name="attention_layer")
        self._layer_size = attention_layer_size
        self._keeps_history, self._gives_attention = alignment_history, output_attention
        self._input = cell_input_fn or (lambda inputs, attention: concat([inputs, attention], -1))
        self._initial = initial_cell_state

    @property
    def _attention_size(self) -> int:
        if self._layer_size is not None:
            return int(self._layer_size)
        return int(self._mechanism.values.shape.as_list()[-1])

    @property
    def output_size(self) -> int:
        return self._attention_size if self._gives_attention else int(self._cell.output_size)

    @property
    def state_size(self) -> AttentionWrapperState:
        size = self._mechanism.alignments_size
        return AttentionWrapperState(self._cell.state_size, self._attention_size, (), size, (), size)

    def zero_state(self, batch_size: Any, dtype: Any) -> AttentionWrapperState:
        """A state of zeros, with the initial state of the inner cell if there is one."""
        with name_scope("AttentionWrapperZeroState"):
            inner = self._initial
            if inner is None:
                inner = self._cell.zero_state(batch_size, dtype)
            history: Any = ()
            if self._keeps_history:
                history = TensorArray(dtype, size=0, dynamic_size=True)
            return AttentionWrapperState(
                cell_state=inner,
                attention=zeros([batch_size, self._attention_size], dtype),
                time=zeros([], dtypes.int32),
                alignments=self._mechanism.initial_alignments(batch_size, dtype),
                alignment_history=history,
                attention_state=self._mechanism.initial_state(batch_size, dtype),
            )

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        output, inner = self._cell(self._input(inputs, state.attention), state.cell_state)
        alignments, attended = self._mechanism(output, state.attention_state)
        weights = expand_dims(cast(alignments, self._mechanism.values.dtype), 1)
        context = squeeze(matmul(weights, self._mechanism.values), [1])
        attention = context if self._layer is None else self._layer(concat([output, context], 1))
        history = state.alignment_history
        if self._keeps_history:
            history = history.write(state.time, alignments)
        following = AttentionWrapperState(inner, attention, add(state.time, 1), alignments, history, attended)
        return (attention if self._gives_attention else output), following
