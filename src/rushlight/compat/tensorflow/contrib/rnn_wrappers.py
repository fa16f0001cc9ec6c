"""Cells of ``tf.contrib.rnn`` that ``tf.nn.rnn_cell`` has not, and recurrent nets of several layers in both directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..conversion import convert_to_tensor
from ..initializers import Constant, RandomUniform
from ..nesting import flatten
from ..nn import dropout, embedding_lookup, moments
from ..ops_array import concat, split, transpose
from ..ops_math import matmul, rsqrt, sigmoid, tanh
from ..python.pieces import _linear
from ..rnn import bidirectional_dynamic_rnn, static_bidirectional_rnn
from ..rnn_cell import CellWrapper, LSTMStateTuple, RNNCell
from ..variable_scope import get_variable, variable_scope


class _Wrapper(CellWrapper):
    """A cell around another one, with variables of its own."""

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        # The variables of the first step are those of every later one.
        with variable_scope(scope or self.base_name, reuse=True if self._built else self._reuse):
            self._built = True
            return self.call(inputs, state)


class EmbeddingWrapper(_Wrapper):
    """A cell of symbols: its input (batch,) of integers is embedded in ``embedding_size`` numbers."""

    base_name = "embedding_wrapper"

    def __init__(
        self,
        cell: RNNCell,
        embedding_classes: int,
        embedding_size: int,
        initializer: Any = None,
        reuse: Any = None,
    ) -> None:
        if embedding_classes <= 0 or embedding_size <= 0:
            raise ValueError(
                f"Both embedding_classes and embedding_size must be > 0: {embedding_classes}, {embedding_size}."
            )
        super().__init__(cell, reuse)
        self._extents, self._initializer = [embedding_classes, embedding_size], initializer

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        # As in TensorFlow: a variance of one where nothing else is said.
        start = self._initializer or RandomUniform(-(3**0.5), 3**0.5)
        table = get_variable("embedding", self._extents, flatten(state)[0].dtype, start)
        return self._cell(embedding_lookup(table, convert_to_tensor(inputs)), state)


class InputProjectionWrapper(_Wrapper):
    """A cell whose input goes through a matrix and ``activation`` first."""

    base_name = "input_projection_wrapper"

    def __init__(
        self,
        cell: RNNCell,
        num_proj: int,
        activation: Callable[..., Any] | None = None,
        input_size: Any = None,
        reuse: Any = None,
    ) -> None:
        super().__init__(cell, reuse)
        self._count, self._activation = num_proj, activation

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        projected = _linear(inputs, self._count, True)
        return self._cell(projected if self._activation is None else self._activation(projected), state)


class OutputProjectionWrapper(_Wrapper):
    """A cell whose output goes through a matrix and ``activation``."""

    base_name = "output_projection_wrapper"

    def __init__(
        self,
        cell: RNNCell,
        output_size: int,
        activation: Callable[..., Any] | None = None,
        reuse: Any = None,
    ) -> None:
        if output_size < 1:
            raise ValueError(f"Parameter output_size must be > 0: {output_size}.")
        super().__init__(cell, reuse)
        self._count, self._activation = output_size, activation

    @property
    def output_size(self) -> int:
        """The width of the projection."""
        return self._count

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        output, new_state = self._cell(inputs, state)
        projected = _linear(output, self._count, True)
        return (projected if self._activation is None else self._activation(projected)), new_state


class LayerNormBasicLSTMCell(RNNCell):
    """A long short-term memory with normalized gates, and dropout of what enters the memory.

    Sources: J. L. Ba et al., "Layer Normalization", 2016; S. Semeniuta et al., "Recurrent Dropout without Memory Loss", 2016.
    """

    base_name = "layer_norm_basic_lstm_cell"

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        input_size: Any = None,
        activation: Callable[..., Any] | None = None,
        layer_norm: bool = True,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        dropout_keep_prob: Any = 1.0,
        dropout_prob_seed: int | None = None,
        reuse: Any = None,
    ) -> None:
        super().__init__(reuse=reuse)
        self._units, self._forget, self._activation = num_units, forget_bias, activation or tanh
        self._normalized, self._gain, self._shift = layer_norm, norm_gain, norm_shift
        self._keep, self._seed = dropout_keep_prob, dropout_prob_seed

    @property
    def state_size(self) -> LSTMStateTuple:
        """The units of the memory and the output."""
        return LSTMStateTuple(self._units, self._units)

    @property
    def output_size(self) -> int:
        """The units."""
        return self._units

    def build(self, inputs_shape: Any) -> None:
        """Make the matrix, and either a bias or a gain and a shift for each gate and for the state."""
        rows = int(inputs_shape[-1].value) + self._units
        self._kernel = self.add_variable("kernel", [rows, 4 * self._units])
        self._scales: dict[str, Any] = {}
        if not self._normalized:
            self._bias = self.add_variable("bias", [4 * self._units], Constant(0.0))
            return
        for part in ("input", "transform", "forget", "output", "state"):
            with variable_scope(part):
                self._scales[part] = (
                    self.add_variable("gamma", [self._units], Constant(self._gain)),
                    self.add_variable("beta", [self._units], Constant(self._shift)),
                )

    def _normalize(self, x: Any, part: str) -> Any:
        if not self._normalized:
            return x
        gain, shift = self._scales[part]
        mean, variance = moments(x, [1], keep_dims=True)
        return (x - mean) * rsqrt(variance + 1e-12) * gain + shift

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        memory, output = state
        mixed = matmul(concat([inputs, output], 1), self._kernel)
        if not self._normalized:
            mixed = mixed + self._bias
        gates = split(mixed, 4, axis=1)
        names = ("input", "transform", "forget", "output")
        i, j, f, o = (self._normalize(gate, name) for gate, name in zip(gates, names, strict=True))
        candidate = self._activation(j)
        if not isinstance(self._keep, int | float) or self._keep < 1:
            candidate = dropout(candidate, self._keep, seed=self._seed)
        new = self._normalize(memory * sigmoid(f + self._forget) + sigmoid(i) * candidate, "state")
        shown = self._activation(new) * sigmoid(o)
        return shown, LSTMStateTuple(new, shown)


def transpose_batch_time(x: Any) -> Any:
    """(batch, time, …) as (time, batch, …), or the other way round."""
    tensor = convert_to_tensor(x)
    if tensor.shape.ndims is not None and tensor.shape.ndims < 2:
        raise ValueError(
            f"Expected input tensor {tensor} to have rank at least 2, but saw shape: {tensor.shape}"
        )
    return transpose(tensor, [1, 0, *range(2, tensor.shape.ndims or 2)])


def _pairs(cells_fw: Sequence[Any], cells_bw: Sequence[Any]) -> list[tuple[Any, Any]]:
    if not isinstance(cells_fw, list) or not cells_fw:
        raise ValueError("cells_fw must be a list of RNNCells (one per layer).")
    if not isinstance(cells_bw, list) or not cells_bw:
        raise ValueError("cells_bw must be a list of RNNCells (one per layer).")
    if len(cells_fw) != len(cells_bw):
        raise ValueError("Forward and Backward cells must have the same depth.")
    return list(zip(cells_fw, cells_bw, strict=True))


def stack_bidirectional_dynamic_rnn(
    cells_fw: Sequence[Any],
    cells_bw: Sequence[Any],
    inputs: Any,
    initial_states_fw: Sequence[Any] | None = None,
    initial_states_bw: Sequence[Any] | None = None,
    dtype: Any = None,
    sequence_length: Any = None,
    parallel_iterations: int | None = None,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    """``tf.nn.bidirectional_dynamic_rnn`` in layers: each one sees both directions of the layer below.

    Returns:
        ``(outputs, states_fw, states_bw)``: outputs of the last layer, joined, and one state for each layer.
    """
    pairs = _pairs(cells_fw, cells_bw)
    states_fw, states_bw = [], []
    layer = inputs
    with variable_scope(scope or "stack_bidirectional_rnn"):
        for i, (forward, backward) in enumerate(pairs):
            with variable_scope(f"cell_{i}"):
                outputs, (state_fw, state_bw) = bidirectional_dynamic_rnn(
                    forward,
                    backward,
                    layer,
                    sequence_length=sequence_length,
                    initial_state_fw=initial_states_fw[i] if initial_states_fw else None,
                    initial_state_bw=initial_states_bw[i] if initial_states_bw else None,
                    dtype=dtype,
                    time_major=time_major,
                )
                layer = concat(list(outputs), 2)
            states_fw.append(state_fw)
            states_bw.append(state_bw)
    return layer, tuple(states_fw), tuple(states_bw)


def stack_bidirectional_rnn(
    cells_fw: Sequence[Any],
    cells_bw: Sequence[Any],
    inputs: Sequence[Any],
    initial_states_fw: Sequence[Any] | None = None,
    initial_states_bw: Sequence[Any] | None = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    """:func:`stack_bidirectional_dynamic_rnn` over a list of steps, unrolled in the graph."""
    pairs = _pairs(cells_fw, cells_bw)
    states_fw, states_bw = [], []
    layer: Any = inputs
    with variable_scope(scope or "stack_bidirectional_rnn"):
        for i, (forward, backward) in enumerate(pairs):
            with variable_scope(f"cell_{i}"):
                layer, state_fw, state_bw = static_bidirectional_rnn(
                    forward,
                    backward,
                    layer,
                    initial_states_fw[i] if initial_states_fw else None,
                    initial_states_bw[i] if initial_states_bw else None,
                    dtype=dtype,
                    sequence_length=sequence_length,
                )
            states_fw.append(state_fw)
            states_bw.append(state_bw)
    return layer, tuple(states_fw), tuple(states_bw)
