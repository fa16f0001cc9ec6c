"""Recurrent layers and their cells. Parameters, their names and order, and the order of gates are PyTorch's."""

from __future__ import annotations

import math
import warnings
from typing import Any, Self

import numpy as np

from ..core.device import OF_ARRAYS
from ..core.dtypes import dtype as Dtype
from ..core.tensor import Tensor, make_tensor
from ..ops.creation import empty
from ..ops.indexing import index_select
from ..ops.joining import cat, stack
from ..ops.linear import linear
from ..ops.movement import narrow, reshape
from ..ops.placement import tensor_beside
from ..ops.pointwise import add
from ..ops.recurrence import gru_layer, lstm_layer, rnn_layer
from . import init
from .functional.regularization import dropout
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence

_GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}


def _zeros(shape: tuple[int, ...], like: Tensor) -> Tensor:
    if type(like._array) in OF_ARRAYS:
        return make_tensor(OF_ARRAYS[type(like._array)].made("zeros", shape, like._array.dtype, like.device))
    return tensor_beside(like, np.zeros(shape, like._array.dtype))


class RNNBase(Module):
    """What RNN, LSTM and GRU share: their parameters, the ways of giving input, and the walk through the layers."""

    __constants__ = (
        "mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional", "proj_size",
    )  # fmt: skip
    __jit_unused_properties__ = ("all_weights",)

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Dtype | None = None,
    ) -> None:
        super().__init__()
        _check_arguments(input_size, hidden_size, num_layers, dropout, proj_size)
        if mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        gates, outputs = _GATES[mode] * hidden_size, proj_size or hidden_size
        directions = 2 if bidirectional else 1
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            inputs = input_size if layer == 0 else outputs * directions
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (gates, inputs), "weight_hh": (gates, outputs)}
            if bias:
                shapes.update(bias_ih=(gates,), bias_hh=(gates,))
            if proj_size:
                shapes["weight_hr"] = (proj_size, hidden_size)
            for suffix in ("", "_reverse")[:directions]:
                names = []
                for kind, shape in shapes.items():
                    name = f"{kind}_l{layer}{suffix}"
                    self.register_parameter(name, Parameter(empty(shape, device=device, dtype=dtype)))
                    names.append(name)
                self._all_weights.append(names)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters again, evenly from ±1 / √hidden_size."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Does nothing: for GPUs PyTorch lays the parameters side by side."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Any]:
        given = self.__dict__.get("_given_weights")
        return [getattr(self, name) for name in self._flat_weights_names] if given is None else given

    @_flat_weights.setter
    def _flat_weights(self, weights: list[Any]) -> None:
        # Libraries that run a module with other weights put them here, beside the parameters.
        self.__dict__["_given_weights"] = weights

    def __setattr__(self, name: str, value: Any) -> None:
        given = self.__dict__.get("_given_weights")
        if given is not None and name in self._flat_weights_names:
            given[self._flat_weights_names.index(name)] = value
        super().__setattr__(name, value)

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        self.__dict__.pop("_given_weights", None)
        return super()._apply(fn, recurse)

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        usual = {
            "proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False,
        }  # fmt: skip
        for name, value in usual.items():
            given = getattr(self, name)
            if given != value:
                parts.append(f"{name}={given}")
        return ", ".join(parts)

    # --- checks -------------------------------------------------------------------------------------------------------

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Raises for input of another dtype, number of dimensions or features than the layer takes."""
        own = self._weights(0)[0].dtype
        if input.dtype != own:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({own}). Convert input: input.to({own}), or "
                f"convert model: model.to({input.dtype})"
            )
        expected = 3 if batch_sizes is None else 2
        if input._array.ndim != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input._array.ndim}")
        if input._array.shape[-1] != self.input_size:
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. "
                f"Expected {self.input_size}, got {input._array.shape[-1]}"
            )

    def _states_shape(self, sequences: int, features: int) -> tuple[int, int, int]:
        return self.num_layers * (2 if self.bidirectional else 1), sequences, features

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The shape that a hidden state for ``input`` must have."""
        if batch_sizes is not None:
            sequences = int(batch_sizes._array[0])
        else:
            sequences = input._array.shape[0 if self.batch_first else 1]
        return self._states_shape(sequences, self.proj_size or self.hidden_size)

    def check_hidden_size(
        self,
        hx: Tensor,
        expected_hidden_size: tuple[int, int, int],
        msg: str = "Expected hidden size {}, got {}",
    ) -> None:
        """Raises ``RuntimeError`` for a state of another shape."""
        if hx._array.shape != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx._array.shape)))

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """A state with its sequences in another order."""
        return hx if permutation is None else index_select(hx, 1, permutation)

    def _prepare(self, input: Any, states: tuple[Tensor, ...] | None) -> _Batch:
        """``input`` as packed data, checked together with the given states."""
        name = type(self).__name__ if self.mode.startswith("RNN") else self.mode
        if isinstance(input, PackedSequence):
            data, sizes, order, _ = input
            self.check_input(data, sizes)
            batch_sizes = tuple(sizes.tolist())
            batch = _Batch(data, batch_sizes, input)
            if states is not None:
                self._check_states(states, batch_sizes[0])
                states = tuple([self.permute_hidden(state, order) for state in states])
        else:
            ndim = input._array.ndim
            if ndim not in (2, 3):
                raise ValueError(
                    f"{name}: Expected input to be 2D or 3D, got {ndim}D {'tensor ' if name == 'RNN' else ''}instead"
                )
            if states is not None and any(state._array.ndim != ndim for state in states):
                kind = f"For {'' if ndim == 3 else 'un'}batched {ndim}-D input, "
                if len(states) == 2:
                    given = ", ".join([f"{state._array.ndim}-D" for state in states])
                    raise RuntimeError(f"{kind}hx and cx should also be {ndim}-D but got ({given}) tensors")
                raise RuntimeError(
                    f"{kind}hx should also be {ndim}-D but got {states[0]._array.ndim}-D tensor"
                )
            single = ndim == 2
            if single:
                input = input.unsqueeze(0 if self.batch_first else 1)
                states = None if states is None else tuple([state.unsqueeze(1) for state in states])
            self.check_input(input, None)
            if self.batch_first:
                input = input.transpose(0, 1)
            steps, sequences, features = input._array.shape
            if states is not None:
                self._check_states(states, sequences)
            if not steps:
                raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
            data = reshape(input, (steps * sequences, features))
            batch = _Batch(data, (sequences,) * steps, None, single, self.batch_first)
        if states is not None:
            for state in states:
                if state._array.dtype != data._array.dtype:
                    raise RuntimeError(
                        f"{name}: the state's dtype is {state.dtype}, the input's {data.dtype}; convert one"
                    )
        batch.states = states
        return batch

    def _check_states(self, states: tuple[Tensor, ...], sequences: int) -> None:
        outputs = self._states_shape(sequences, self.proj_size or self.hidden_size)
        if len(states) == 1:
            self.check_hidden_size(states[0], outputs)
            return
        self.check_hidden_size(states[0], outputs, "Expected hidden[0] size {}, got {}")
        cells = self._states_shape(sequences, self.hidden_size)
        self.check_hidden_size(states[1], cells, "Expected hidden[1] size {}, got {}")

    # --- the layers ---------------------------------------------------------------------------------------------------

    def _weights(self, number: int) -> list[Any]:
        parameters = self._parameters
        names = self._all_weights[number]
        given = self.__dict__.get("_given_weights")
        if given is not None:
            return given[number * len(names) : (number + 1) * len(names)]  # type: ignore[no-any-return]
        try:
            return [parameters[name] for name in names]
        except KeyError:  # a reparametrization made them plain attributes
            return [getattr(self, name) for name in names]

    def _direction(
        self, x: Tensor, weights: list[Tensor], states: list[Tensor], sizes: tuple[int, ...], reverse: bool
    ) -> list[Tensor]:
        """One layer in one direction: the states (of LSTM both) after every step."""
        mode = self.mode
        w_ih, w_hh, *rest = weights
        b_ih, b_hh = rest[:2] if self.bias else (None, None)
        if mode == "GRU":
            return [gru_layer(linear(x, w_ih, b_ih), w_hh, b_hh, states[0], sizes, reverse)]
        product = linear(x, w_ih, None if b_ih is None else add(b_ih, b_hh))
        if mode != "LSTM":
            return [rnn_layer(product, w_hh, states[0], sizes, reverse, mode == "RNN_RELU")]
        w_hr = rest[-1] if self.proj_size else None
        return list(lstm_layer(product, w_hh, states[0], states[1], w_hr, sizes, reverse))

    def _run(self, batch: _Batch) -> tuple[Any, list[Tensor]]:
        """The output in the input's form, and each state after the last step: (layers · directions, sequences, features)."""
        data, sizes, states = batch.data, batch.sizes, batch.states
        directions = 2 if self.bidirectional else 1
        features = [self.proj_size or self.hidden_size]
        if self.mode == "LSTM":
            features.append(self.hidden_size)
        last: list[list[Tensor]] = [[] for _ in features]
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(directions):
                number = layer * directions + direction
                if states is None:
                    start = [_zeros((sizes[0], size), data) for size in features]
                else:
                    start = [state[number] for state in states]
                after = self._direction(data, self._weights(number), start, sizes, direction == 1)
                outputs.append(after[0])
                for ends, values in zip(last, after, strict=True):
                    ends.append(batch.last(values, direction == 1))
            data = outputs[0] if directions == 1 else cat(outputs, 1)
            if self.dropout and self.training and layer < self.num_layers - 1:
                data = dropout(data, self.dropout, True)
        return batch.output(data), [batch.state(stack(ends)) for ends in last]


class _Batch:
    """A batch of sequences as the layers work through it, and the way back to the form in which it was given."""

    __slots__ = ("batch_first", "data", "packed", "single", "sizes", "states")

    def __init__(
        self,
        data: Tensor,
        sizes: tuple[int, ...],
        packed: PackedSequence | None,
        single: bool = False,
        batch_first: bool = False,
    ) -> None:
        self.data, self.sizes, self.packed = data, sizes, packed
        self.single, self.batch_first = single, batch_first
        self.states: tuple[Tensor, ...] | None = None

    def last(self, values: Tensor, reverse: bool) -> Tensor:
        """The state after each sequence's last step."""
        sizes = self.sizes
        sequences = sizes[0]
        if reverse:
            return narrow(values, 0, 0, sequences)
        if sizes[-1] == sequences:
            return narrow(values, 0, values._array.shape[0] - sequences, sequences)
        of_step = np.asarray(sizes)
        lengths = np.count_nonzero(of_step[:, None] > np.arange(sequences), axis=0)
        starts = np.concatenate([[0], np.cumsum(of_step)])
        return index_select(values, 0, make_tensor(starts[lengths - 1] + np.arange(sequences)))

    def output(self, data: Tensor) -> Any:
        if self.packed is not None:
            return PackedSequence(
                data, self.packed.batch_sizes, self.packed.sorted_indices, self.packed.unsorted_indices
            )
        if self.single:
            return data
        padded = reshape(data, (len(self.sizes), self.sizes[0], data._array.shape[1]))
        return padded.transpose(0, 1) if self.batch_first else padded

    def state(self, state: Tensor) -> Tensor:
        if self.packed is not None and self.packed.unsorted_indices is not None:
            return index_select(state, 1, self.packed.unsorted_indices)
        return state.squeeze(1) if self.single else state


def _check_arguments(
    input_size: int, hidden_size: int, num_layers: int, dropout: float, proj_size: int
) -> None:
    if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
        )
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers greater "
            f"than 1, but got dropout={dropout} and num_layers={num_layers}",
            stacklevel=4,
        )
    for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
        if not isinstance(size, int):
            raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
        if size <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if num_layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")


class RNN(RNNBase):
    """Elman's recurrent layer: h' = tanh(x·Wᵢ + bᵢ + h·Wₕ + bₕ), or with ``nonlinearity="relu"`` the positive part.

    Arguments: ``input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True, batch_first=False, dropout=0.0,
    bidirectional=False``. Input is ``(steps, batch, features)``, with ``batch_first`` ``(batch, steps, features)``,
    without a batch ``(steps, features)``, or a ``PackedSequence``; ``hx`` (zeros unless given) is ``(layers · directions,
    batch, hidden)``. Gives the last layer's states after every step, in the input's form, and every layer's last state.
    Raises ``RuntimeError`` for shapes and ``ValueError`` for arguments and dtypes that do not fit.

    Elman, "Finding structure in time", 1990.

    Example:
        >>> import rushlight as torch
        >>> output, last = torch.nn.RNN(10, 20, 2)(torch.randn(5, 3, 10))
        >>> output.shape, last.shape
        (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            nonlinearity = args[3]
            args = args[:3] + args[4:]
        else:
            nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        output, (last,) = self._run(self._prepare(input, None if hx is None else (hx,)))
        return output, last


class GRU(RNNBase):
    """The gated recurrent unit: reset r, update z, candidate n; h' = (1 - z)·n + z·h.

    Arguments: ``input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False``.
    Input, states and results are as for ``RNN``; the gates lie in the parameters in the order r, z, n.

    Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014.

    Example:
        >>> import rushlight as torch
        >>> output, last = torch.nn.GRU(10, 20, bidirectional=True)(torch.randn(5, 3, 10))
        >>> output.shape, last.shape
        (torch.Size([5, 3, 40]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        output, (last,) = self._run(self._prepare(input, None if hx is None else (hx,)))
        return output, last


class LSTM(RNNBase):
    """The long short-term memory layer: input i, forget f, candidate g, output o; c' = f·c + i·g, h' = o·tanh(c').

    Arguments: ``input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False,
    proj_size=0``. Input is as for ``RNN``; ``hx`` is a pair (h, c). Gives the last layer's h after every step, and the pair
    of every layer's last h and c. With ``proj_size`` every h is projected to that many features.

    Hochreiter & Schmidhuber, "Long short-term memory", 1997; Sak, Senior & Beaufays, "Long short-term memory based recurrent
    neural network architectures", 2014 (projection).

    Example:
        >>> import rushlight as torch
        >>> output, (h, c) = torch.nn.LSTM(10, 20, 2)(torch.randn(5, 3, 10))
        >>> output.shape, h.shape, c.shape
        (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The shape that a cell state for ``input`` must have."""
        layers, sequences, _ = self.get_expected_hidden_size(input, batch_sizes)
        return layers, sequences, self.hidden_size

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """A state, or a pair of states, with its sequences in another order."""
        if isinstance(hx, tuple):
            return tuple([super(LSTM, self).permute_hidden(state, permutation) for state in hx])
        return super().permute_hidden(hx, permutation)

    def forward(
        self, input: Any, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        output, (h, c) = self._run(self._prepare(input, None if hx is None else (hx[0], hx[1])))
        return output, (h, c)


class RNNCellBase(Module):
    """What the cells share: their parameters and checks."""

    __constants__: tuple[str, ...] = ("input_size", "hidden_size", "bias")
    nonlinearity = "tanh"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        gates = num_chunks * hidden_size
        self.weight_ih = Parameter(empty((gates, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(empty((gates, hidden_size), device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(
                name, Parameter(empty(gates, device=device, dtype=dtype)) if bias else None
            )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters again, evenly from ±1 / √hidden_size."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        bias = "" if self.bias else f", bias={self.bias}"
        nonlinearity = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return f"{self.input_size}, {self.hidden_size}{bias}{nonlinearity}"

    def _prepare(self, input: Tensor, states: list[Any]) -> tuple[Tensor, list[Tensor], bool]:
        """Input and states as batches, checked, and whether the input was a single sample."""
        name, ndim = type(self).__name__, input._array.ndim
        if ndim not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {ndim}D instead")
        single = ndim == 1
        if single:
            input = input.unsqueeze(0)
        sequences, features = input._array.shape
        ready: list[Tensor] = []
        for number, state in enumerate(states):
            if state is not None and state._array.ndim not in (1, 2):
                which = "hidden" if len(states) == 1 else f"hx[{number}]"
                raise ValueError(f"{name}: Expected {which} to be 1D or 2D, got {state._array.ndim}D instead")
        if features != self.input_size:
            raise RuntimeError(
                f"input has inconsistent input_size: got {features} expected {self.input_size}"
            )
        for number, state in enumerate(states):
            if state is None:
                ready.append(_zeros((sequences, self.hidden_size), input))
                continue
            batch = state.unsqueeze(0) if single else state
            if batch._array.shape[0] != sequences:
                raise RuntimeError(
                    f"Input batch size {sequences} doesn't match hidden{number} batch size {batch._array.shape[0]}"
                )
            if batch._array.shape[-1] != self.hidden_size or batch._array.ndim != 2:
                raise RuntimeError(
                    f"hidden{number} has inconsistent hidden_size: got {batch._array.shape[-1]}, expected "
                    f"{self.hidden_size}"
                )
            ready.append(batch)
        return input, ready, single

    def _both_biases(self) -> Tensor | None:
        return add(self.bias_ih, self.bias_hh) if self.bias else None


class RNNCell(RNNCellBase):
    """One step of an Elman RNN: ``(batch, input_size)`` and ``(batch, hidden_size)`` to ``(batch, hidden_size)``.

    Raises ``RuntimeError`` for sizes that do not fit, ``ValueError`` for other numbers of dimensions than 1 and 2.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.RNNCell(10, 20)(torch.randn(3, 10), torch.randn(3, 20)).shape
        torch.Size([3, 20])
    """

    __constants__ = ("input_size", "hidden_size", "bias", "nonlinearity")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Dtype | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        input, (state,), single = self._prepare(input, [hx])
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        product = linear(input, self.weight_ih, self._both_biases())
        sizes = (input._array.shape[0],)
        h = rnn_layer(product, self.weight_hh, state, sizes, False, self.nonlinearity == "relu")
        return h.squeeze(0) if single else h


class LSTMCell(RNNCellBase):
    """One step of an LSTM: input and a pair of states (h, c) to the next pair. See ``LSTM`` and ``RNNCell``.

    Example:
        >>> import rushlight as torch
        >>> h, c = torch.nn.LSTMCell(10, 20)(torch.randn(3, 10))
        >>> h.shape, c.shape
        (torch.Size([3, 20]), torch.Size([3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Dtype | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        if hx is not None and not isinstance(hx, tuple | list):
            raise TypeError(
                f"lstm_cell(): argument 'hx' (position 2) must be tuple of Tensors, not {type(hx).__name__}"
            )
        input, (h, c), single = self._prepare(input, [None, None] if hx is None else list(hx))
        product = linear(input, self.weight_ih, self._both_biases())
        h, c = lstm_layer(product, self.weight_hh, h, c, None, (input._array.shape[0],), False)
        return (h.squeeze(0), c.squeeze(0)) if single else (h, c)


class GRUCell(RNNCellBase):
    """One step of a GRU: ``(batch, input_size)`` and ``(batch, hidden_size)`` to ``(batch, hidden_size)``. See ``GRU``.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.GRUCell(10, 20)(torch.randn(3, 10)).shape
        torch.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Dtype | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        input, (state,), single = self._prepare(input, [hx])
        product = linear(input, self.weight_ih, self.bias_ih)
        h = gru_layer(product, self.weight_hh, self.bias_hh, state, (input._array.shape[0],), False)
        return h.squeeze(0) if single else h
