"""Rules for batches: recurrent layers, all examples in one loop over the steps.

The kernels of ``runtime.recurrence`` work in place on plain arrays. Here the same steps are said in NumPy functions that
batches have rules for, so that any operand may be batched or not, at any number of levels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.dtypes import F32, LOW_PRECISION
from ..runtime.batched import batch_size, spread, top_level, wrap
from ..runtime.batching import product
from ..runtime.recurrence import Step, steps_of
from .batching_core import Arrays, belongs
from .define import Primitive
from .dispatch import compute


def _as_rule(kernel: Callable[..., Any]) -> Callable[..., Any]:
    def rule(record: Primitive, level: int, arrays: Arrays, attrs: dict[str, Any]) -> Any:
        kind = arrays[0].dtype
        attrs = dict(attrs)
        steps = steps_of(attrs.pop("batch_sizes"), attrs.pop("reverse"))
        if kind in LOW_PRECISION:
            arrays = [None if a is None else a.astype(F32) for a in arrays]
        results = compute(kernel, (steps, *arrays), attrs)
        size = batch_size(arrays, level)
        if not isinstance(results, tuple):
            return _of_level(results, level, size, kind)
        return tuple([_of_level(result, level, size, kind) for result in results])

    return rule


def _of_level(result: Any, level: int, size: int, kind: Any) -> Any:
    """A result, also if it is the same for all examples, as a batch of ``level``."""
    if not belongs(result, level):
        result = wrap(level, spread(result, level, size))
    return result if result.dtype == kind else result.astype(kind)


def _times(x: Any, y: Any) -> Any:
    return product(x, y) if top_level((x, y)) >= 0 else np.matmul(x, y)


def _rows(x: Any, step: Step) -> Any:
    return x[step.start : step.start + step.size]


def _before(states: dict[int, Any], initial: Any, step: Step) -> Any:
    """The state of the sequences of a step before it, from the states by where their steps start."""
    _, size, before, running = step
    if running == 0:
        return initial[:size]
    if running == size:
        return states[before][:size]
    return np.concatenate([states[before][:running], initial[running:size]], 0)


def _packed_before(states: Any, initial: Any, steps: tuple[Step, ...]) -> Any:
    """The states before every step, packed as the data are."""
    parts = {}
    for start, size, before, running in steps:
        if running == size:
            parts[start] = states[before : before + size]
        elif running == 0:
            parts[start] = initial[:size]
        else:
            parts[start] = np.concatenate([states[before : before + running], initial[running:size]], 0)
    return _packed(parts)


def _packed(parts: dict[int, Any]) -> Any:
    ordered = [parts[start] for start in sorted(parts)]
    return ordered[0] if len(ordered) == 1 else np.concatenate(ordered, 0)


def _carry(new: Any, carried: Any, size: int) -> Any:
    """``new`` for the first ``size`` sequences; the others keep what they have."""
    return np.concatenate([new, carried[size:]], 0) if carried.shape[0] > size else new


def _split(x: Any, parts: int, hidden: int) -> list[Any]:
    return [x[:, i * hidden : (i + 1) * hidden] for i in range(parts)]


def _logistic(x: Any) -> Any:
    half = x.dtype.type(0.5)
    return np.tanh(x * half) * half + half


# --- RNN --------------------------------------------------------------------------------------------------------------


def _rnn(steps: tuple[Step, ...], x: Any, w: Any, h0: Any, relu: bool) -> Any:
    states: dict[int, Any] = {}
    for step in steps:
        a = _rows(x, step) + _times(_before(states, h0, step), w.T)
        states[step.start] = np.maximum(a, a.dtype.type(0)) if relu else np.tanh(a)
    return _packed(states)


def _rnn_gradient(steps: tuple[Step, ...], g: Any, states: Any, w: Any, h0: Any, relu: bool) -> Any:
    carried: Any = np.zeros_like(h0)
    parts: dict[int, Any] = {}
    for step in reversed(steps):
        h = _rows(states, step)
        d = _rows(g, step) + carried[: step.size]
        d = d * (h > 0) if relu else d * (1 - h * h)
        parts[step.start] = d
        carried = _carry(_times(d, w), carried, step.size)
    total = _packed(parts)
    return total, _times(total.T, _packed_before(states, h0, steps)), carried


# --- LSTM -------------------------------------------------------------------------------------------------------------


def _lstm(steps: tuple[Step, ...], x: Any, w: Any, h0: Any, c0: Any, w_hr: Any) -> Any:
    hidden = c0.shape[1]
    outputs: dict[int, Any] = {}
    cells: dict[int, Any] = {}
    gates: dict[int, Any] = {}
    for step in steps:
        a = _rows(x, step) + _times(_before(outputs, h0, step), w.T)
        i, f, g, o = _split(a, 4, hidden)
        i, f, g, o = _logistic(i), _logistic(f), np.tanh(g), _logistic(o)
        c = f * _before(cells, c0, step) + i * g
        h = o * np.tanh(c)
        gates[step.start] = np.concatenate([i, f, g, o], 1)
        cells[step.start] = c
        outputs[step.start] = h if w_hr is None else _times(h, w_hr.T)
    return _packed(outputs), _packed(cells), _packed(gates)


def _lstm_gradient(
    steps: tuple[Step, ...],
    g_h: Any,
    g_c: Any,
    h_all: Any,
    c_all: Any,
    gates: Any,
    w: Any,
    h0: Any,
    c0: Any,
    w_hr: Any,
) -> Any:
    hidden = c0.shape[1]
    carried_h: Any = np.zeros_like(h0)
    carried_c: Any = np.zeros_like(c0)
    c_before = _packed_before(c_all, c0, steps)
    parts: dict[int, Any] = {}
    of_outputs: dict[int, Any] = {}
    for step in reversed(steps):
        i, f, g, o = _split(_rows(gates, step), 4, hidden)
        d_h = _rows(g_h, step) + carried_h[: step.size]
        if w_hr is not None:
            of_outputs[step.start] = d_h
            d_h = _times(d_h, w_hr)
        t = np.tanh(_rows(c_all, step))
        d_c = carried_c[: step.size] + d_h * o * (1 - t * t)
        if g_c is not None:
            d_c = d_c + _rows(g_c, step)
        d = np.concatenate(
            [
                d_c * g * (i - i * i),
                d_c * _rows(c_before, step) * (f - f * f),
                d_c * i * (1 - g * g),
                d_h * t * (o - o * o),
            ],
            1,
        )
        parts[step.start] = d
        carried_c = _carry(d_c * f, carried_c, step.size)
        carried_h = _carry(_times(d, w), carried_h, step.size)
    total = _packed(parts)
    results = (total, _times(total.T, _packed_before(h_all, h0, steps)), carried_h, carried_c)
    if w_hr is None:
        return results
    through = np.tanh(c_all) * gates[:, 3 * hidden :]
    return (*results, _times(_packed(of_outputs).T, through))


# --- GRU --------------------------------------------------------------------------------------------------------------


def _gru(steps: tuple[Step, ...], x: Any, w: Any, bias: Any, h0: Any) -> Any:
    hidden = h0.shape[1]
    states: dict[int, Any] = {}
    gates: dict[int, Any] = {}
    products: dict[int, Any] = {}
    for step in steps:
        before = _before(states, h0, step)
        p = _times(before, w.T)
        if bias is not None:
            p = p + bias
        given = _rows(x, step)
        u = p[:, 2 * hidden :]
        rz = _logistic(given[:, : 2 * hidden] + p[:, : 2 * hidden])
        n = np.tanh(given[:, 2 * hidden :] + rz[:, :hidden] * u)
        states[step.start] = n + rz[:, hidden:] * (before - n)
        gates[step.start] = np.concatenate([rz, n], 1)
        products[step.start] = u
    return _packed(states), _packed(gates), _packed(products)


def _gru_gradient(
    steps: tuple[Step, ...], g: Any, h_all: Any, gates: Any, from_state: Any, w: Any, h0: Any
) -> Any:
    hidden = h0.shape[1]
    carried: Any = np.zeros_like(h0)
    h_before = _packed_before(h_all, h0, steps)
    of_product: dict[int, Any] = {}
    of_x: dict[int, Any] = {}
    for step in reversed(steps):
        r, z, n = _split(_rows(gates, step), 3, hidden)
        d_h = _rows(g, step) + carried[: step.size]
        d_n = d_h * (1 - z) * (1 - n * n)
        d_z = d_h * (_rows(h_before, step) - n) * (z - z * z)
        d_r = d_n * _rows(from_state, step) * (r - r * r)
        d = np.concatenate([d_r, d_z, d_n * r], 1)
        of_product[step.start] = d
        of_x[step.start] = np.concatenate([d_r, d_z, d_n], 1)
        carried = _carry(d_h * z + _times(d, w), carried, step.size)
    total = _packed(of_product)
    return _packed(of_x), _times(total.T, h_before), total.sum(0), carried


RULES: Final[dict[str, Callable[..., Any]]] = {
    "rnn_layer": _as_rule(_rnn),
    "rnn_layer_gradient": _as_rule(_rnn_gradient),
    "lstm_layer": _as_rule(_lstm),
    "lstm_layer_gradient": _as_rule(_lstm_gradient),
    "gru_layer": _as_rule(_gru),
    "gru_layer_gradient": _as_rule(_gru_gradient),
}

__all__ = ["RULES"]
