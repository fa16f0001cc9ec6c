"""Recurrent layers: one record for a whole layer in one direction (see ``runtime.recurrence``).

Backward is one record too, as long as nothing is recorded. With ``create_graph`` it is the same loop in tensor operations:
what the forward loop left behind (states, gates) are results of the node, so that second-order gradients come back to it
through them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.grad_mode import GRAD_MODE
from ..core.history import Node, OutputNode
from ..core.tensor import Tensor, make_tensor
from ..runtime import recurrence as kernels
from ..runtime.recurrence import Step, steps_of
from .comparison import gt
from .define import Primitive
from .dispatch import apply
from .functions import tanh
from .joining import cat
from .linalg import mm, mm_tn
from .movement import cast, narrow
from .placement import tensor_beside
from .pointwise import add, mul, sub
from .reductions import sum_dims

grad_enabled = GRAD_MODE.get


def _zeros(shape: tuple[int, ...], like: Tensor) -> Tensor:
    return tensor_beside(like, np.zeros(shape, like._array.dtype))


def _zeros_of_output(node: Node, i: int) -> Tensor:
    assert node.outputs is not None
    return make_tensor(np.zeros(*node.outputs[i]))


def _with_history(node: Node, results: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The saved results of a node as tensors through which gradients come back to it."""
    return tuple([make_tensor(r._array, OutputNode(node, i, r._array)) for i, r in enumerate(results)])


def _steps(node: Node) -> tuple[Step, ...]:
    return steps_of(node.attrs["batch_sizes"], node.attrs["reverse"])


def _rows(x: Tensor, step: Step) -> Tensor:
    return narrow(x, 0, step.start, step.size)


def _before(states: Tensor, initial: Tensor, step: Step) -> Tensor:
    """The states before a step, as ``runtime.recurrence`` has them."""
    _, size, before, running = step
    if running == size:
        return narrow(states, 0, before, size)
    if running == 0:
        return narrow(initial, 0, 0, size)
    return cat([narrow(states, 0, before, running), narrow(initial, 0, running, size - running)])


def _carry(new: Tensor, carried: Tensor, size: int) -> Tensor:
    """``new`` for the first ``size`` sequences; the others keep what they have."""
    rest = carried._array.shape[0] - size
    return cat([new, narrow(carried, 0, size, rest)]) if rest else new


def _in_order(parts: list[tuple[int, Tensor]]) -> Tensor:
    return cat([part for _, part in sorted(parts, key=lambda entry: entry[0])])


def _all_before(states: Tensor, initial: Tensor, steps: tuple[Step, ...]) -> Tensor:
    return _in_order([(step.start, _before(states, initial, step)) for step in steps])


def _slope_of_tanh(y: Tensor) -> Tensor:
    return sub(1, mul(y, y))  # type: ignore[no-any-return]


def _slope_of_logistic(y: Tensor) -> Tensor:
    return sub(y, mul(y, y))  # type: ignore[no-any-return]


_SAMPLE_SIZES = {"batch_sizes": (2, 2, 1), "reverse": False}


def _sample(gates: int) -> tuple[Any, Any, Any]:
    rows = np.linspace(-1, 1, 5 * gates * 2).reshape(5, gates * 2)
    return rows, np.linspace(-0.5, 0.5, gates * 4).reshape(gates * 2, 2), np.full((2, 2), 0.1)


# --- RNN --------------------------------------------------------------------------------------------------------------


def _rnn_vjp(g: Tensor, node: Node) -> Any:
    w, h0, states = node.unpack()
    if not grad_enabled():
        return apply(RNN_GRADIENT, (g, states, w, h0), node.attrs)
    steps, relu = _steps(node), node.attrs["relu"]
    carried = _zeros(h0._array.shape, h0)
    parts: list[tuple[int, Tensor]] = []
    for step in reversed(steps):
        h = _rows(states, step)
        d = add(_rows(g, step), narrow(carried, 0, 0, step.size))
        d = mul(d, cast(gt(h, 0), h._array.dtype) if relu else _slope_of_tanh(h))
        parts.append((step.start, d))
        carried = _carry(mm(d, w), carried, step.size)
    total = _in_order(parts)
    return total, mm_tn(total, _all_before(states, h0, steps)), carried


RNN = Primitive(
    "rnn_layer",
    kernels.rnn_forward,
    _rnn_vjp,
    saves=((1, (0, 1, 2)), (2, (0, 1, 2))),
    saves_output=True,
    grad_name="RnnBackward0",
    samples=lambda: [(_sample(1), {**_SAMPLE_SIZES, "relu": relu}) for relu in (False, True)],
)
RNN_GRADIENT = Primitive("rnn_layer_gradient", kernels.rnn_gradient)


# --- LSTM -------------------------------------------------------------------------------------------------------------


def _lstm_vjp(gradients: list[Tensor | None], node: Node) -> Any:
    w, h0, c0, w_hr, h_all, c_all, gates = node.unpack()
    g_h, g_c, g_gates = gradients
    if g_h is None:
        g_h = _zeros_of_output(node, 0)
    if g_gates is None and not grad_enabled():
        grads = apply(LSTM_GRADIENT, (g_h, g_c, h_all, c_all, gates, w, h0, c0, w_hr), node.attrs)
        return grads if w_hr is not None else (*grads, None)
    h_all, c_all, gates = _with_history(node, (h_all, c_all, gates))
    steps, hidden = _steps(node), c0._array.shape[1]
    carried_h, carried_c = _zeros(h0._array.shape, h0), _zeros(c0._array.shape, c0)
    parts: list[tuple[int, Tensor]] = []
    of_outputs: list[tuple[int, Tensor]] = []
    for step in reversed(steps):
        a = _rows(gates, step)
        i, f, g, o = [narrow(a, 1, q * hidden, hidden) for q in range(4)]
        d_h = add(_rows(g_h, step), narrow(carried_h, 0, 0, step.size))
        if w_hr is not None:
            of_outputs.append((step.start, d_h))
            d_h = mm(d_h, w_hr)
        t = tanh(_rows(c_all, step))
        d_c = add(narrow(carried_c, 0, 0, step.size), mul(mul(d_h, o), _slope_of_tanh(t)))
        if g_c is not None:
            d_c = add(d_c, _rows(g_c, step))
        d = [mul(d_c, g), mul(d_c, _before(c_all, c0, step)), mul(d_c, i), mul(d_h, t)]
        if g_gates is not None:
            given = _rows(g_gates, step)
            d = [add(part, narrow(given, 1, q * hidden, hidden)) for q, part in enumerate(d)]
        slopes = _slope_of_logistic(i), _slope_of_logistic(f), _slope_of_tanh(g), _slope_of_logistic(o)
        d_a = cat([mul(part, slope) for part, slope in zip(d, slopes, strict=True)], 1)
        parts.append((step.start, d_a))
        carried_c = _carry(mul(d_c, f), carried_c, step.size)
        carried_h = _carry(mm(d_a, w), carried_h, step.size)
    total = _in_order(parts)
    grad_w = mm_tn(total, _all_before(h_all, h0, steps))
    grad_out = None
    if w_hr is not None:
        outputs = mul(tanh(c_all), narrow(gates, 1, 3 * hidden, hidden))
        grad_out = mm_tn(_in_order(of_outputs), outputs)
    return total, grad_w, carried_h, carried_c, grad_out


_LSTM_EDGES = (0, 1, 2, 3, 4)
LSTM = Primitive(
    "lstm_layer",
    kernels.lstm_forward,
    _lstm_vjp,
    saves=tuple([(i, _LSTM_EDGES) for i in (1, 2, 3, 4)]),
    saves_output=(0, 1, 2),
    grad_name="LstmBackward0",
    samples=lambda: [((*_sample(4), np.full((2, 2), -0.1), None), _SAMPLE_SIZES)],
)
LSTM_GRADIENT = Primitive("lstm_layer_gradient", kernels.lstm_gradient)


# --- GRU --------------------------------------------------------------------------------------------------------------


def _gru_vjp(gradients: list[Tensor | None], node: Node) -> Any:
    w, bias, h0, h_all, gates, from_state = node.unpack()
    g_all, g_gates, g_from_state = gradients
    if g_all is None:
        g_all = _zeros_of_output(node, 0)
    if g_gates is None and g_from_state is None and not grad_enabled():
        grads = apply(GRU_GRADIENT, (g_all, h_all, gates, from_state, w, h0), node.attrs)
        return (*grads[:2], None if bias is None else grads[2], grads[3])
    h_all, gates, from_state = _with_history(node, (h_all, gates, from_state))
    steps, hidden = _steps(node), h0._array.shape[1]
    carried = _zeros(h0._array.shape, h0)
    of_x: list[tuple[int, Tensor]] = []
    of_product: list[tuple[int, Tensor]] = []
    for step in reversed(steps):
        a = _rows(gates, step)
        r, z, n = [narrow(a, 1, q * hidden, hidden) for q in range(3)]
        before, u = _before(h_all, h0, step), _rows(from_state, step)
        d_h = add(_rows(g_all, step), narrow(carried, 0, 0, step.size))
        d_n, d_z = mul(d_h, sub(1, z)), mul(d_h, sub(before, n))
        if g_gates is not None:
            given = [narrow(_rows(g_gates, step), 1, q * hidden, hidden) for q in range(3)]
            d_n, d_z = add(d_n, given[2]), add(d_z, given[1])
        d_n = mul(d_n, _slope_of_tanh(n))
        d_r, d_u = mul(d_n, u), mul(d_n, r)
        if g_gates is not None:
            d_r = add(d_r, given[0])
        if g_from_state is not None:
            d_u = add(d_u, _rows(g_from_state, step))
        d_r, d_z = mul(d_r, _slope_of_logistic(r)), mul(d_z, _slope_of_logistic(z))
        of_x.append((step.start, cat([d_r, d_z, d_n], 1)))
        d = cat([d_r, d_z, d_u], 1)
        of_product.append((step.start, d))
        carried = _carry(add(mul(d_h, z), mm(d, w)), carried, step.size)
    total = _in_order(of_product)
    grad_w = mm_tn(total, _all_before(h_all, h0, steps))
    return _in_order(of_x), grad_w, None if bias is None else sum_dims(total, (0,), False), carried


_GRU_EDGES = (0, 1, 2, 3)
GRU = Primitive(
    "gru_layer",
    kernels.gru_forward,
    _gru_vjp,
    saves=tuple([(i, _GRU_EDGES) for i in (1, 2, 3)]),
    saves_output=(0, 1, 2),
    grad_name="GruBackward0",
    samples=lambda: [((_sample(3)[0], _sample(3)[1], np.linspace(-1, 1, 6), _sample(3)[2]), _SAMPLE_SIZES)],
)
GRU_GRADIENT = Primitive("gru_layer_gradient", kernels.gru_gradient)


# --- one layer in one direction ---------------------------------------------------------------------------------------


def rnn_layer(
    x: Tensor, w_hh: Tensor, h0: Tensor, batch_sizes: tuple[int, ...], reverse: bool, relu: bool
) -> Tensor:
    """The states after every step; ``x`` is the input's product with its weights, both biases added."""
    attrs = {"batch_sizes": batch_sizes, "reverse": reverse, "relu": relu}
    return apply(RNN, (x, w_hh, h0), attrs)  # type: ignore[no-any-return]


def lstm_layer(
    x: Tensor,
    w_hh: Tensor,
    h0: Tensor,
    c0: Tensor,
    w_hr: Tensor | None,
    batch_sizes: tuple[int, ...],
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """Outputs and cell states after every step; ``x`` is the input's product with its weights, both biases added."""
    attrs = {"batch_sizes": batch_sizes, "reverse": reverse}
    h, c, _ = apply(LSTM, (x, w_hh, h0, c0, w_hr), attrs)
    return h, c


def gru_layer(
    x: Tensor, w_hh: Tensor, b_hh: Tensor | None, h0: Tensor, batch_sizes: tuple[int, ...], reverse: bool
) -> Tensor:
    """The states after every step; ``x`` is the input's product with its weights, the input's bias added."""
    attrs = {"batch_sizes": batch_sizes, "reverse": reverse}
    h, _, _ = apply(GRU, (x, w_hh, b_hh, h0), attrs)
    return h  # type: ignore[no-any-return]
