"""Recurrent layers on plain arrays: the loop over the steps of a batch of sequences, and the loop back for gradients.

Everything that can be is done for all steps at once outside: the input's product with its weights arrives as ``x``, and
the weights' gradients are one product over all steps. What is left in the loops is one matrix product and a few pointwise
operations on (sequences, features).

Sequences of several lengths lie packed: all elements of step 0, then those of step 1, …; the sequences are sorted by
length, so ``batch_sizes``, the number of elements of each step, only falls, and the sequences still running are always the
first ones. Run in ``reverse``, a shorter sequence joins at its own last step.

With h and c for the state before a step, U for the transpose of ``w_hh``, and σ for the logistic function:

- RNN: h' = tanh(x + h·U), or the positive part
- LSTM (Hochreiter & Schmidhuber, 1997): i, f, o = σ(x + h·U), g = tanh(x + h·U); c' = f·c + i·g; h' = o·tanh(c'), which
  ``w_hr`` may project to fewer features (Sak, Senior & Beaufays, 2014). PyTorch's order of the four: i, f, g, o
- GRU (Cho et al., 2014; PyTorch's form): r, z = σ(x + h·U + b), n = tanh(x + r·(h·U + b)); h' = n + z·(h - n)

σ(a) = ½ + ½·tanh(a/2) throughout: one call of tanh then does for all gates of a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, LOW_PRECISION

Array = NDArray[Any]

_UNPACKED = 1_000_000  # multiplications
_WORTH_ARRANGING = 8  # products with the same matrix


class Step(NamedTuple):
    """One step: its rows in the packed data, and the first row of the step before and how many sequences it had."""

    start: int
    size: int
    before: int
    running: int


@lru_cache(maxsize=64)
def steps_of(batch_sizes: tuple[int, ...], reverse: bool) -> tuple[Step, ...]:
    """The steps in the order in which they run."""
    starts = [0]
    for size in batch_sizes:
        starts.append(starts[-1] + size)
    order = range(len(batch_sizes))
    steps: list[Step] = []
    before, running = 0, 0
    for t in reversed(order) if reverse else order:
        size = batch_sizes[t]
        steps.append(Step(starts[t], size, before, min(running, size)))
        before, running = starts[t], size
    return tuple(steps)


def _state_before(states: Array, initial: Array, step: Step) -> Array:
    """The state of the sequences of a step before it; those that only begin have the initial one."""
    _, size, before, running = step
    if running == size:
        return states[before : before + size]
    if running == 0:
        return initial[:size]
    return np.concatenate([states[before : before + running], initial[running:size]])


def states_before(states: Array, initial: Array, steps: tuple[Step, ...]) -> Array:
    """The states before every step, packed as the data are."""
    result = np.empty_like(states)
    for step in steps:
        result[step.start : step.start + step.size] = _state_before(states, initial, step)
    return result


class _Product:
    """``x @ m`` for the same matrix and many ``x`` of few rows.

    OpenBLAS multiplies matrices without rearranging them if that takes at most a million multiplications. For a layer's step
    (32 × 256 by 256 × 1024) a product with each block of 64 columns takes two thirds of the time of one large product, and
    with few rows a third. Longer rows are cut too, and the parts' products added up.
    """

    __slots__ = ("blocks", "pieces", "width")

    def __init__(self, m: Array, rows: int, times: int) -> None:
        length, columns = m.shape
        self.pieces, self.width = 1, columns
        self.blocks = m[None, None]
        if times < _WORTH_ARRANGING:
            return
        for width in (64, 32):
            most = _UNPACKED // (max(1, rows) * width)
            pieces = next((n for n in (1, 2, 4, 8) if length % n == 0 and length // n <= most), None)
            if columns % width == 0 and pieces is not None:
                self.pieces, self.width = pieces, width
                by_block = m.reshape(pieces, length // pieces, columns // width, width)
                self.blocks = np.ascontiguousarray(by_block.swapaxes(1, 2))
                return
        self.blocks = np.ascontiguousarray(m)[None, None]

    def __call__(self, x: Array) -> Array:
        """The product as (rows, blocks, columns of a block), for arrays that ``split`` gave that shape."""
        if self.pieces == 1:
            products = np.matmul(x, self.blocks[0])
        else:
            parts = x.reshape(len(x), self.pieces, 1, x.shape[1] // self.pieces).transpose(1, 2, 0, 3)
            products = np.add.reduce(np.matmul(parts, self.blocks), 0)
        return products.swapaxes(0, 1)  # type: ignore[no-any-return]

    def split(self, x: Array) -> Array:
        """``x`` (rows, columns) as (rows, blocks, columns of a block)."""
        return x.reshape(len(x), x.shape[1] // self.width if self.width else 1, self.width)


def _wide(*arrays: Array) -> list[Array]:
    """The arrays in C order, in which the loops run along memory; 16-bit numbers as float32."""
    return [np.ascontiguousarray(a, F32 if a.dtype in LOW_PRECISION else None) for a in arrays]


def _narrow(kind: np.dtype[Any], *arrays: Array) -> tuple[Array, ...]:
    return tuple([array.astype(kind, copy=False) for array in arrays])


def _backward(steps: tuple[Step, ...], states: Array, initial: Array) -> Iterator[tuple[slice, int, Array]]:
    """The steps from the last to the first: their rows, how many, and the states before them."""
    for step in reversed(steps):
        yield slice(step.start, step.start + step.size), step.size, _state_before(states, initial, step)


# --- RNN --------------------------------------------------------------------------------------------------------------


def rnn_forward(
    x: Array, w_hh: Array, h0: Array, batch_sizes: tuple[int, ...], reverse: bool, relu: bool
) -> Array:
    """The states (elements, hidden) after every step; ``x`` has that shape, ``h0`` is (sequences, hidden)."""
    kind = x.dtype
    x, w_hh, h0 = _wide(x, w_hh, h0)
    steps = steps_of(batch_sizes, reverse)
    from_state = _Product(w_hh.T, len(h0), len(steps))
    states = np.empty((len(x), len(w_hh)), x.dtype)
    zero = x.dtype.type(0)
    for step in steps:
        rows = slice(step.start, step.start + step.size)
        h = states[rows]
        np.add(
            from_state.split(x[rows]), from_state(_state_before(states, h0, step)), out=from_state.split(h)
        )
        if relu:
            np.maximum(h, zero, out=h)
        else:
            np.tanh(h, out=h)
    return states.astype(kind, copy=False)


def rnn_gradient(
    g: Array,
    states: Array,
    w_hh: Array,
    h0: Array,
    batch_sizes: tuple[int, ...],
    reverse: bool,
    relu: bool,
) -> tuple[Array, Array, Array]:
    """The gradients for ``x``, ``w_hh`` and ``h0`` from ``g``, that for the states."""
    kind = g.dtype
    g, states, w_hh, h0 = _wide(g, states, w_hh, h0)
    steps = steps_of(batch_sizes, reverse)
    total = np.empty_like(states)
    carried = np.zeros_like(h0)
    to_state = _Product(w_hh, len(h0), len(steps))
    for rows, size, _ in _backward(steps, states, h0):
        d, h = total[rows], states[rows]
        np.add(g[rows], carried[:size], out=d)
        d *= h > 0 if relu else 1 - h * h
        to_state.split(carried[:size])[...] = to_state(d)
    return _narrow(kind, total, total.T @ states_before(states, h0, steps), carried)  # type: ignore[return-value]


# --- LSTM -------------------------------------------------------------------------------------------------------------


def lstm_forward(
    x: Array,
    w_hh: Array,
    h0: Array,
    c0: Array,
    w_hr: Array | None,
    batch_sizes: tuple[int, ...],
    reverse: bool,
) -> tuple[Array, Array, Array]:
    """After every step the output h (elements, hidden or projected), the cell state c (elements, hidden), and the gates.

    ``x`` and the gates are (elements, 4·hidden), ``w_hh`` (4·hidden, outputs), ``h0`` (sequences, outputs), ``c0``
    (sequences, hidden), ``w_hr`` (projected, hidden) or None.
    """
    kind = x.dtype
    x, w_hh, h0, c0 = _wide(x, w_hh, h0, c0)
    steps = steps_of(batch_sizes, reverse)
    hidden = c0.shape[1]
    half, shift = _logistic(hidden, x.dtype)
    from_state = _Product((w_hh * half[:, None]).T, len(h0), len(steps))
    w_out = None if w_hr is None else _wide(w_hr)[0].T
    gates = np.empty_like(x)
    h_all = np.empty((len(x), h0.shape[1]), x.dtype)
    c_all = np.empty((len(x), hidden), x.dtype)
    work = np.empty((len(h0), hidden), x.dtype)
    for step in steps:
        rows, size = slice(step.start, step.start + step.size), step.size
        a, c, h, temporary = gates[rows], c_all[rows], h_all[rows], work[:size]
        np.multiply(x[rows], half, out=a)
        by_block = from_state.split(a)
        by_block += from_state(_state_before(h_all, h0, step))
        np.tanh(a, out=a)
        a *= half
        a += shift
        i, f, g, o = _quarters(a, hidden)
        np.multiply(f, _state_before(c_all, c0, step), out=c)
        c += np.multiply(i, g, out=temporary)
        np.tanh(c, out=temporary)
        if w_out is None:
            np.multiply(o, temporary, out=h)
        else:
            temporary *= o
            np.matmul(temporary, w_out, out=h)
    return h_all.astype(kind, copy=False), c_all.astype(kind, copy=False), gates.astype(kind, copy=False)


@lru_cache(maxsize=32)
def _logistic(hidden: int, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """For i, f, g, o side by side: the factor before and after tanh, and what is added then, to make all but g logistic."""
    half = np.full(4 * hidden, 0.5, dtype)
    half[2 * hidden : 3 * hidden] = 1
    return half, (1 - half)


def _quarters(a: Array, hidden: int) -> tuple[Array, Array, Array, Array]:
    return a[:, :hidden], a[:, hidden : 2 * hidden], a[:, 2 * hidden : 3 * hidden], a[:, 3 * hidden :]


def lstm_gradient(
    g_h: Array,
    g_c: Array | None,
    h_all: Array,
    c_all: Array,
    gates: Array,
    w_hh: Array,
    h0: Array,
    c0: Array,
    w_hr: Array | None,
    batch_sizes: tuple[int, ...],
    reverse: bool,
) -> tuple[Array, ...]:
    """The gradients for ``x``, ``w_hh``, ``h0``, ``c0`` and ``w_hr`` (if there is one) from those for h and c."""
    kind = g_h.dtype
    g_h, h_all, c_all, gates, w_hh, h0, c0 = _wide(g_h, h_all, c_all, gates, w_hh, h0, c0)
    g_c = None if g_c is None else _wide(g_c)[0]
    w_out = None if w_hr is None else _wide(w_hr)[0]
    steps = steps_of(batch_sizes, reverse)
    hidden = c0.shape[1]
    total = np.empty_like(gates)
    carried_h, carried_c = np.zeros_like(h0), np.zeros_like(c0)
    through_output = None if w_out is None else np.empty_like(h_all)
    work = np.empty((len(h0), 4 * hidden), gates.dtype)
    to_state = _Product(w_hh, len(h0), len(steps))
    for rows, size, c_before in _backward(steps, c_all, c0):
        d, a, slope = total[rows], gates[rows], work[:size]
        i, f, g, o = _quarters(a, hidden)
        d_i, d_f, d_g, d_o = _quarters(d, hidden)
        d_h = g_h[rows] + carried_h[:size]
        if w_out is not None and through_output is not None:
            through_output[rows] = d_h
            d_h = d_h @ w_out
        t = np.tanh(c_all[rows])
        np.multiply(d_h, t, out=d_o)
        d_h *= o
        t *= t
        d_c = carried_c[:size]  # changed in place: what is carried to the step before
        if g_c is not None:
            d_c += g_c[rows]
        d_c += d_h
        d_h *= t
        d_c -= d_h
        np.multiply(d_c, g, out=d_i)
        np.multiply(d_c, c_before, out=d_f)
        np.multiply(d_c, i, out=d_g)
        d_c *= f
        # The slopes: a - a² for the logistic gates, 1 - g².
        np.multiply(a, a, out=slope)
        _, _, slope_g, slope_o = _quarters(slope, hidden)
        np.subtract(a[:, : 2 * hidden], slope[:, : 2 * hidden], out=slope[:, : 2 * hidden])
        np.subtract(1, slope_g, out=slope_g)
        np.subtract(o, slope_o, out=slope_o)
        d *= slope
        to_state.split(carried_h[:size])[...] = to_state(d)
    results = total, total.T @ states_before(h_all, h0, steps), carried_h, carried_c
    if through_output is not None:
        results = (*results, through_output.T @ (np.tanh(c_all) * gates[:, 3 * hidden :]))  # type: ignore[assignment]
    return _narrow(kind, *results)


# --- GRU --------------------------------------------------------------------------------------------------------------


def gru_forward(
    x: Array, w_hh: Array, b_hh: Array | None, h0: Array, batch_sizes: tuple[int, ...], reverse: bool
) -> tuple[Array, Array, Array]:
    """After every step the state (elements, hidden), the gates r, z, n (elements, 3·hidden), and n's h·U + b."""
    kind = x.dtype
    x, w_hh, h0 = _wide(x, w_hh, h0)
    steps = steps_of(batch_sizes, reverse)
    hidden = h0.shape[1]
    product = _Product(w_hh.T, len(h0), len(steps))
    bias = None if b_hh is None else _wide(b_hh)[0]
    gates = x.copy()
    h_all = np.empty((len(x), hidden), x.dtype)
    from_state = np.empty((len(x), hidden), x.dtype)
    work = np.empty((len(h0), 3 * hidden), x.dtype)
    half = x.dtype.type(0.5)
    for step in steps:
        rows, size = slice(step.start, step.start + step.size), step.size
        p = work[:size]
        before = _state_before(h_all, h0, step)
        product.split(p)[...] = product(before)
        if bias is not None:
            p += bias
        rz, n, h, u = gates[rows, : 2 * hidden], gates[rows, 2 * hidden :], h_all[rows], from_state[rows]
        rz += p[:, : 2 * hidden]
        rz *= half
        np.tanh(rz, out=rz)
        rz *= half
        rz += half
        u[...] = p[:, 2 * hidden :]
        np.multiply(rz[:, :hidden], u, out=h)
        n += h
        np.tanh(n, out=n)
        np.subtract(before, n, out=h)
        h *= rz[:, hidden:]
        h += n
    return _narrow(kind, h_all, gates, from_state)  # type: ignore[return-value]


def gru_gradient(
    g: Array,
    h_all: Array,
    gates: Array,
    from_state: Array,
    w_hh: Array,
    h0: Array,
    batch_sizes: tuple[int, ...],
    reverse: bool,
) -> tuple[Array, Array, Array, Array]:
    """The gradients for ``x``, ``w_hh``, ``b_hh`` and ``h0`` from ``g``, that for the states."""
    kind = g.dtype
    g, h_all, gates, from_state, w_hh, h0 = _wide(g, h_all, gates, from_state, w_hh, h0)
    steps = steps_of(batch_sizes, reverse)
    hidden = h0.shape[1]
    total = np.empty_like(gates)  # for h·U + b; that for x differs in n alone
    of_n = np.empty_like(h_all)
    carried = np.zeros_like(h0)
    to_state = _Product(w_hh, len(h0), len(steps))
    for rows, size, before in _backward(steps, h_all, h0):
        d_h = carried[:size]
        d_h += g[rows]
        r, z, n = gates[rows, :hidden], gates[rows, hidden : 2 * hidden], gates[rows, 2 * hidden :]
        d_r, d_z, d_u = total[rows, :hidden], total[rows, hidden : 2 * hidden], total[rows, 2 * hidden :]
        d_n = of_n[rows]
        rz, d_rz = gates[rows, : 2 * hidden], total[rows, : 2 * hidden]
        np.subtract(before, n, out=d_z)
        d_z *= d_h
        np.subtract(1, z, out=d_n)
        d_n *= d_h
        d_n *= 1 - n * n
        np.multiply(d_n, from_state[rows], out=d_r)
        np.multiply(d_n, r, out=d_u)
        d_rz *= rz - rz * rz
        d_h *= z
        by_block = to_state.split(d_h)
        by_block += to_state(total[rows])
    grad_w, grad_b = total.T @ states_before(h_all, h0, steps), np.add.reduce(total, 0)
    total[:, 2 * hidden :] = of_n
    return _narrow(kind, total, grad_w, grad_b, carried)  # type: ignore[return-value]
