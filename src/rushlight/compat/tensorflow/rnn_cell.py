"""``tf.nn.rnn_cell``: one step of a recurrent net. A cell makes its variables on the first call and keeps them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .conversion import convert_to_tensor
from .graph import get_default_graph, name_scope
from .initializers import Constant, Zeros
from .nesting import map_structure
from .ops_array import concat, split, zeros
from .ops_math import matmul, sigmoid, tanh
from .variable_scope import get_variable, variable_scope


class LSTMStateTuple(NamedTuple):
    """An LSTM's state: its memory ``c`` and its output ``h``, each (batch, units)."""

    c: Any
    h: Any


class RNNCell:
    """The base of cells: ``output, new_state = cell(inputs, state)``."""

    base_name = "rnn_cell"

    def __init__(self, name: str | None = None, reuse: Any = None, dtype: Any = None) -> None:
        self._name = name
        self._reuse = reuse
        self._built = False
        self.variables: list[Any] = []
        self.trainable = True

    @property
    def trainable_variables(self) -> list[Any]:
        """The variables that the cell made."""
        return list(self.variables)

    weights = trainable_weights = trainable_variables

    @property
    def state_size(self) -> Any:
        """The units of the state, or a structure of them."""
        raise NotImplementedError("Abstract method")

    @property
    def output_size(self) -> Any:
        """The units of the output."""
        raise NotImplementedError("Abstract method")

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        if scope is None and self._name is None and self._built:
            with name_scope(self.base_name):
                return self.call(inputs, state)
        if scope is None and self._name is not None:
            scope = self._name
        if scope is None and self._reuse:
            scope = self.base_name  # what is used again has no number behind its name
        with variable_scope(scope, default_name=self.base_name, reuse=self._reuse):
            if not self._built:
                self.build(convert_to_tensor(inputs).shape if not isinstance(inputs, list | tuple) else None)
                self._built = True
            return self.call(inputs, state)

    def build(self, inputs_shape: Any) -> None:
        """Make the variables; ``inputs_shape`` is (batch, features)."""

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        raise NotImplementedError("Abstract method")

    def add_variable(self, name: str, shape: Any, initializer: Any = None) -> Any:
        """A variable of the cell, in the open variable scope."""
        variable = get_variable(name, shape, initializer=initializer)
        self.variables.append(variable)
        return variable

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """A state of zeros."""
        with name_scope(f"{type(self).__name__}ZeroState"):
            return map_structure(lambda units: zeros([batch_size, units], dtype), self.state_size)


def _features(shape: Any) -> int:
    features = shape[-1].value if shape is not None and shape.ndims is not None else None
    if features is None:
        raise ValueError(f"Expected inputs.shape[-1] to be known, saw shape: {shape}")
    return int(features)


class BasicRNNCell(RNNCell):
    """``output = tanh(W · [inputs, state] + b)``."""

    base_name = "basic_rnn_cell"

    def __init__(
        self,
        num_units: int,
        activation: Callable[..., Any] | None = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reuse, dtype)
        self._units, self._activation = num_units, activation or tanh

    @property
    def state_size(self) -> int:
        """The units."""
        return self._units

    @property
    def output_size(self) -> int:
        """The units."""
        return self._units

    def build(self, inputs_shape: Any) -> None:
        """Make ``kernel`` (features + units, units) and ``bias``."""
        self._kernel = self.add_variable("kernel", [_features(inputs_shape) + self._units, self._units])
        self._bias = self.add_variable("bias", [self._units], Zeros())

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        output = self._activation(matmul(concat([inputs, state], 1), self._kernel) + self._bias)
        return output, output


class GRUCell(RNNCell):
    """The gated recurrent unit, whose reset gate is applied before the product.

    Source: K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014.
    """

    base_name = "gru_cell"

    def __init__(
        self,
        num_units: int,
        activation: Callable[..., Any] | None = None,
        reuse: Any = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reuse, dtype)
        self._units, self._activation = num_units, activation or tanh
        self._initializers = kernel_initializer, bias_initializer

    @property
    def state_size(self) -> int:
        """The units."""
        return self._units

    @property
    def output_size(self) -> int:
        """The units."""
        return self._units

    def build(self, inputs_shape: Any) -> None:
        """Make the variables of the gates and of the candidate."""
        rows, units = _features(inputs_shape) + self._units, self._units
        kernel, bias = self._initializers
        self._gate_kernel = self.add_variable("gates/kernel", [rows, 2 * units], kernel)
        self._gate_bias = self.add_variable("gates/bias", [2 * units], bias or Constant(1.0))
        self._candidate_kernel = self.add_variable("candidate/kernel", [rows, units], kernel)
        self._candidate_bias = self.add_variable("candidate/bias", [units], bias or Zeros())

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        gates = sigmoid(matmul(concat([inputs, state], 1), self._gate_kernel) + self._gate_bias)
        reset, update = split(gates, 2, axis=1)
        joined = concat([inputs, reset * state], 1)
        candidate = self._activation(matmul(joined, self._candidate_kernel) + self._candidate_bias)
        output = update * state + (1 - update) * candidate
        return output, output


class LSTMCell(RNNCell):
    """Long short-term memory, with the gates in the order input, candidate, forget, output.

    Args:
        num_units: the units of the memory.
        use_peepholes: whether the gates see the memory.
        cell_clip: limit the memory to ± this.
        initializer: of the matrices.
        num_proj: project the output to that many units.
        forget_bias: added to the forget gate.
        state_is_tuple: whether the state is an :class:`LSTMStateTuple`, or one tensor (batch, c and h).

    Source: S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", 1997.
    """

    base_name = "lstm_cell"

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        num_unit_shards: int | None = None,
        num_proj_shards: int | None = None,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Callable[..., Any] | None = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reuse, dtype)
        self._units, self._peepholes, self._clip, self._initializer = (
            num_units,
            use_peepholes,
            cell_clip,
            initializer,
        )
        self._projected, self._projection_clip, self._forget_bias = num_proj, proj_clip, forget_bias
        self._tuple, self._activation = state_is_tuple, activation or tanh

    @property
    def state_size(self) -> Any:
        """The units of c and h."""
        sizes = LSTMStateTuple(self._units, self.output_size)
        return sizes if self._tuple else sizes.c + sizes.h

    @property
    def output_size(self) -> int:
        """The units of the output."""
        return self._projected or self._units

    def build(self, inputs_shape: Any) -> None:
        """Make ``kernel`` (features + outputs, 4 · units), ``bias`` and what the options ask for."""
        rows, units = _features(inputs_shape) + self.output_size, self._units
        self._kernel = self.add_variable("kernel", [rows, 4 * units], self._initializer)
        self._bias = self.add_variable("bias", [4 * units], Zeros())
        if self._peepholes:
            self._from_memory = [
                self.add_variable(f"w_{gate}_diag", [units], self._initializer) for gate in ("f", "i", "o")
            ]
        if self._projected:
            self._projection = self.add_variable(
                "projection/kernel", [units, self._projected], self._initializer
            )

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        from .clipping import clip_by_value

        c, h = state if self._tuple else split(state, [self._units, self.output_size], axis=1)
        parts = split(matmul(concat([inputs, h], 1), self._kernel) + self._bias, 4, axis=1)
        enter, candidate, forget, leave = parts
        if self._peepholes:
            forget_diagonal, enter_diagonal, leave_diagonal = self._from_memory
            forget, enter = forget + forget_diagonal * c, enter + enter_diagonal * c
        memory = sigmoid(forget + self._forget_bias) * c + sigmoid(enter) * self._activation(candidate)
        if self._clip is not None:
            memory = clip_by_value(memory, -self._clip, self._clip)
        if self._peepholes:
            leave = leave + leave_diagonal * memory
        output = sigmoid(leave) * self._activation(memory)
        if self._projected:
            output = matmul(output, self._projection)
            if self._projection_clip is not None:
                output = clip_by_value(output, -self._projection_clip, self._projection_clip)
        return output, LSTMStateTuple(memory, output) if self._tuple else concat([memory, output], 1)


class BasicLSTMCell(LSTMCell):
    """Long short-term memory without options."""

    base_name = "basic_lstm_cell"

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Callable[..., Any] | None = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            num_units,
            forget_bias=forget_bias,
            state_is_tuple=state_is_tuple,
            activation=activation,
            reuse=reuse,
            name=name,
            dtype=dtype,
        )


class MultiRNNCell(RNNCell):
    """Cells on top of each other: each one's output is the next one's input.

    Raises ``ValueError`` for an empty list.
    """

    base_name = "multi_rnn_cell"

    def __init__(self, cells: Sequence[RNNCell], state_is_tuple: bool = True) -> None:
        super().__init__()
        if not cells:
            raise ValueError("Must specify at least one cell for MultiRNNCell.")
        if not isinstance(cells, list | tuple):
            raise TypeError(f"cells must be a list or tuple, but saw: {cells}.")
        self._cells, self._tuple = list(cells), state_is_tuple

    @property
    def state_size(self) -> Any:
        """The cells' state sizes, as a tuple."""
        sizes = tuple([cell.state_size for cell in self._cells])
        return sizes if self._tuple else sum(sizes)

    @property
    def output_size(self) -> Any:
        """The last cell's units."""
        return self._cells[-1].output_size

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step of each cell."""
        states = state if self._tuple else split(state, [cell.state_size for cell in self._cells], axis=1)
        new_states = []
        for i, (cell, old) in enumerate(zip(self._cells, states, strict=True)):
            with variable_scope(f"cell_{i}"):
                inputs, new = cell(inputs, old)
            new_states.append(new)
        return inputs, tuple(new_states) if self._tuple else concat(new_states, 1)


class CellWrapper(RNNCell):
    """A cell around another one, with that one's sizes."""

    def __init__(self, cell: RNNCell, reuse: Any = None) -> None:
        super().__init__(reuse=reuse)
        self._cell = cell

    @property
    def state_size(self) -> Any:
        """The cell's."""
        return self._cell.state_size

    @property
    def output_size(self) -> Any:
        """The cell's."""
        return self._cell.output_size


class DropoutWrapper(CellWrapper):
    """A cell with dropout on its input, output or state."""

    def __init__(
        self,
        cell: RNNCell,
        input_keep_prob: Any = 1.0,
        output_keep_prob: Any = 1.0,
        state_keep_prob: Any = 1.0,
        variational_recurrent: bool = False,
        input_size: Any = None,
        dtype: Any = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(cell)
        if variational_recurrent:
            raise NotImplementedError("DropoutWrapper: variational_recurrent is not available")
        self._seed = seed
        self._keep = input_keep_prob, output_keep_prob, state_keep_prob

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        from .nn import dropout

        def dropped(value: Any, keep: Any) -> Any:
            if isinstance(keep, int | float) and keep >= 1:
                return value
            return dropout(value, keep, seed=self._seed)

        output, new_state = self._cell(dropped(inputs, self._keep[0]), state, scope)
        new_state = (
            LSTMStateTuple(new_state.c, dropped(new_state.h, self._keep[2]))
            if isinstance(new_state, LSTMStateTuple)
            else map_structure(lambda value: dropped(value, self._keep[2]), new_state)
        )
        return dropped(output, self._keep[1]), new_state


class ResidualWrapper(CellWrapper):
    """A cell whose input is added to its output."""

    def __init__(self, cell: RNNCell, residual_fn: Callable[..., Any] | None = None) -> None:
        super().__init__(cell)
        self._combine = residual_fn or (lambda inputs, outputs: inputs + outputs)

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        output, new_state = self._cell(inputs, state, scope)
        return self._combine(inputs, output), new_state


class DeviceWrapper(CellWrapper):
    """A cell whose operations ask for a device."""

    def __init__(self, cell: RNNCell, device: str) -> None:
        super().__init__(cell)
        self._device = device

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        with get_default_graph().device(self._device):
            return self._cell(inputs, state, scope)


__all__ = [
    "BasicLSTMCell",
    "BasicRNNCell",
    "DeviceWrapper",
    "DropoutWrapper",
    "GRUCell",
    "LSTMCell",
    "LSTMStateTuple",
    "MultiRNNCell",
    "RNNCell",
    "ResidualWrapper",
]
