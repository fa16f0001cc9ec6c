"""``torch.lstm``, ``torch.gru``, ``torch.rnn_tanh``, ``torch.rnn_relu`` and the cells: the layers of ``nn.recurrent`` with
their parameters given as arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from ..core.tensor import Tensor
from ..ops.linear import linear
from ..ops.pointwise import add
from ..ops.recurrence import gru_layer, lstm_layer, rnn_layer
from .module import Module
from .recurrent import _GATES, GRU, LSTM, RNN, RNNBase
from .utils.rnn import PackedSequence

_CLASSES: dict[str, type[RNNBase]] = {"LSTM": LSTM, "GRU": GRU, "RNN_TANH": RNN, "RNN_RELU": RNN}


def _layers(
    mode: str,
    input: Any,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    states: tuple[Tensor, ...],
) -> tuple[Any, list[Tensor]]:
    cls = _CLASSES[mode]
    layer = cls.__new__(cls)
    Module.__init__(layer)
    hidden = params[0].shape[0] // _GATES[mode]
    projected = int(params[1].shape[1])
    each = 2 + 2 * bool(has_biases) + (projected != hidden)
    expected = each * num_layers * (2 if bidirectional else 1)
    if len(params) != expected:
        raise RuntimeError(
            f"{mode.lower()}: got {len(params)} parameters; {num_layers} layers need {expected}"
        )
    layer.mode, layer.input_size, layer.hidden_size = mode, int(params[0].shape[1]), int(hidden)
    layer.num_layers, layer.bias, layer.batch_first = num_layers, has_biases, batch_first
    layer.dropout, layer.bidirectional = float(dropout), bidirectional
    layer.proj_size = projected if projected != hidden else 0
    layer.training = train
    vars(layer)["_weights"] = lambda number: list(params[number * each : (number + 1) * each])
    output, last = layer._run(layer._prepare(input, states))
    return output.data if isinstance(output, PackedSequence) else output, last


def _given(mode: str, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, list[Tensor]]:
    """Both of PyTorch's signatures: with a padded input, and with packed data and its batch sizes."""
    names = ["has_biases", "num_layers", "dropout", "train", "bidirectional"]
    packed = len(args) > 1 and isinstance(args[1], Tensor) and len(args) > 2 and not isinstance(args[2], bool)
    if mode != "LSTM" and packed:
        # (data, batch_sizes, hx, params, ...) against (input, hx, params, ...): the third is a tensor only when packed.
        packed = isinstance(args[2], Tensor)
    if packed:
        data, sizes, hx, params, *rest = args
        input: Any = PackedSequence(data, sizes)
    else:
        input, hx, params, *rest = args
        names.append("batch_first")
    given = {**dict(zip(names, rest, strict=False)), **options}
    missing = [name for name in names if name not in given and name != "batch_first"]
    if missing:
        raise TypeError(f"{mode.lower()}() missing required arguments: {', '.join(missing)}")
    states = tuple(hx) if isinstance(hx, list | tuple) else (hx,)
    return _layers(
        mode, input, params, given["has_biases"], given["num_layers"], given["dropout"], given["train"],
        given["bidirectional"], given.get("batch_first", False), states,
    )  # fmt: skip


def lstm(*args: Any, **options: Any) -> tuple[Tensor, Tensor, Tensor]:
    """``lstm(input, (h, c), params, has_biases, num_layers, dropout, train, bidirectional, batch_first)``, or with packed data
    ``lstm(data, batch_sizes, (h, c), params, has_biases, num_layers, dropout, train, bidirectional)``: (output, h, c).

    ``params`` are an ``nn.LSTM``'s in their order. Raises as ``nn.LSTM`` does.

    Example:
        >>> import rushlight as torch
        >>> layer = torch.nn.LSTM(3, 4)
        >>> start = torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)
        >>> params = list(layer.parameters())
        >>> output, h, c = torch.lstm(torch.ones(5, 2, 3), start, params, True, 1, 0.0, False, False, False)
        >>> output.shape
        torch.Size([5, 2, 4])
    """
    output, (h, c) = _given("LSTM", args, options)
    return output, h, c


def gru(*args: Any, **options: Any) -> tuple[Tensor, Tensor]:
    """``nn.GRU`` with its parameters as arguments; signatures as for ``lstm`` with one state: (output, h)."""
    output, (h,) = _given("GRU", args, options)
    return output, h


def rnn_tanh(*args: Any, **options: Any) -> tuple[Tensor, Tensor]:
    """``nn.RNN`` with its parameters as arguments; signatures as for ``lstm`` with one state: (output, h)."""
    output, (h,) = _given("RNN_TANH", args, options)
    return output, h


def rnn_relu(*args: Any, **options: Any) -> tuple[Tensor, Tensor]:
    """``nn.RNN(nonlinearity="relu")`` with its parameters as arguments: (output, h)."""
    output, (h,) = _given("RNN_RELU", args, options)
    return output, h


def _both(b_ih: Tensor | None, b_hh: Tensor | None) -> Tensor | None:
    if b_ih is None or b_hh is None:
        return b_ih if b_hh is None else b_hh
    return cast("Tensor", add(b_ih, b_hh))


def _cell_sizes(name: str, input: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor) -> tuple[int, ...]:
    if input._array.shape[1] != w_ih._array.shape[1]:
        raise RuntimeError(
            f"{name}: input has inconsistent input_size: got {input._array.shape[1]} expected {w_ih._array.shape[1]}"
        )
    if h._array.shape != (input._array.shape[0], w_hh._array.shape[1]):
        raise RuntimeError(
            f"{name}: hidden state of shape {list(h.shape)} for {input._array.shape[0]} samples and "
            f"{w_hh._array.shape[1]} features"
        )
    return (input._array.shape[0],)


def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of an LSTM over ``(batch, features)`` with its parameters as arguments: the next (h, c).

    Raises ``RuntimeError`` where sizes do not fit.
    """
    h, c = hx
    sizes = _cell_sizes("lstm_cell", input, h, w_ih, w_hh)
    h, c = lstm_layer(linear(input, w_ih, _both(b_ih, b_hh)), w_hh, h, c, None, sizes, False)
    return h, c


def gru_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """One step of a GRU over ``(batch, features)`` with its parameters as arguments: the next h."""
    sizes = _cell_sizes("gru_cell", input, hx, w_ih, w_hh)
    return gru_layer(linear(input, w_ih, b_ih), w_hh, b_hh, hx, sizes, False)


def _simple_cell(name: str, relu: bool) -> Any:
    def cell(
        input: Tensor,
        hx: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor | None = None,
        b_hh: Tensor | None = None,
    ) -> Tensor:
        sizes = _cell_sizes(name, input, hx, w_ih, w_hh)
        return rnn_layer(linear(input, w_ih, _both(b_ih, b_hh)), w_hh, hx, sizes, False, relu)

    cell.__name__ = cell.__qualname__ = name
    cell.__doc__ = f"One step of an RNN ({name}) over ``(batch, features)`` with its parameters as arguments: the next h."
    return cell


rnn_tanh_cell = _simple_cell("rnn_tanh_cell", False)
rnn_relu_cell = _simple_cell("rnn_relu_cell", True)
