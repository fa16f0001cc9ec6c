"""The recursions of the connectionist temporal classification loss, on float64 arrays of logarithms of probabilities.

Source: A. Graves et al., "Connectionist temporal classification: labelling unsegmented sequence data with recurrent neural
networks", 2006; its equations by number. The labels of a sample stand in a row with blanks around each: 2 S + 1 of them.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .direct import addresses, integers, kernel
from .programs import compiles

Array = NDArray[Any]
_LOWEST: Final = -1.7e308
# A recursion of a few states takes half a millisecond in NumPy; with fewer calls than these the compiler is not worth loading.
_PATIENCE: Final = 20
_LARGE: Final = 8_192  # states
_state: dict[str, Any] = {"calls": 0, "run": None}


def _kernel(states: int, exact: bool) -> Any:
    """The compiled recursion, or None where NumPy computes it. Its results differ in the last places of a float64: where they
    are not rounded to float32 (``exact``), only large ones are computed so, as everywhere in eager mode."""
    if exact and states < _LARGE:
        return None
    if _state["run"] is None:
        _state["calls"] += _PATIENCE if states >= _LARGE else 1
        if _state["calls"] <= _PATIENCE:
            return None
        _state["run"] = False
        if compiles():
            from ..compiler.kernels import alignments

            _state["run"] = kernel(alignments.text())
    return _state["run"] or None


def prefixes(emitted: Array, skip: Array, exact: bool) -> Array:
    """(T, N, 2 S + 1): alpha, the probability of every prefix [equations 5 to 7].

    ``emitted``: of each label of the row, at each step. ``skip``: (N, 2 S + 1), where the last but one may be left out.
    """
    steps, batch, width = emitted.shape
    # With two columns of -inf before it, so that a row moved to the right is a view.
    alpha = np.full((steps, batch, width + 2), -np.inf)
    if steps:
        alpha[0, :, 2:4] = emitted[0, :, :2]
    barred = np.where(skip, 0.0, -np.inf)
    run = _kernel(emitted.size, exact)
    if run is not None:
        starts, counts = np.zeros(batch, np.int64), np.full(batch, max(steps - 1, 0))
        _follow(run, alpha, emitted, barred, starts, counts, forward=True)
        return alpha[:, :, 2:]
    leaps = np.empty((batch, width))
    for t in range(1, steps):
        before, now = alpha[t - 1], alpha[t, :, 2:]
        np.add(before[:, :-2], barred, out=leaps)
        _log_add(before[:, 2:], before[:, 1:-1], leaps, now)
        now += emitted[t]
    return alpha[:, :, 2:]


def suffixes(emitted: Array, input_lengths: Array, target_lengths: Array, skip: Array, exact: bool) -> Array:
    """(T, N, 2 S + 1): beta, the probability of every suffix, its first label's included [equations 9 to 11]."""
    steps, batch, width = emitted.shape
    beta = np.full((steps, batch, width + 2), -np.inf)
    samples, ends = np.arange(batch), 2 * target_lengths
    last = np.full((batch, width), -np.inf)
    last[samples, ends] = 0.0
    nonempty = target_lengths > 0
    last[samples[nonempty], ends[nonempty] - 1] = 0.0
    barred = np.full((batch, width), -np.inf)
    barred[:, :-2][skip[:, 2:]] = 0.0
    run = _kernel(emitted.size, exact)
    if run is not None:
        there = input_lengths > 0
        final = np.where(there, input_lengths - 1, 0)
        if there.any():
            beta[final[there], samples[there], :-2] = (last + emitted[final, samples])[there]
        _follow(run, beta, emitted, barred, final, final, forward=False)
        return beta[:, :, :-2]
    leaps = np.empty((batch, width))
    for t in range(steps - 1, -1, -1):
        now = beta[t, :, :-2]
        if t + 1 < steps:
            after = beta[t + 1]
            np.add(after[:, 2:], barred, out=leaps)
            _log_add(after[:, :-2], after[:, 1:-1], leaps, now)
        ending = input_lengths - 1 == t
        if ending.any():
            now[ending] = last[ending]
        now += emitted[t]
        now[t >= input_lengths] = -np.inf
    return beta[:, :, :-2]


def _follow(
    run: Any, table: Array, emitted: Array, barred: Array, starts: Array, counts: Array, forward: bool
) -> None:
    _, batch, width = emitted.shape
    emitted, barred = np.ascontiguousarray(emitted), np.ascontiguousarray(barred)
    sign = 1 if forward else -1
    sizes = [
        width,
        sign * batch * (width + 2),
        sign * batch * width,
        2 if forward else 0,
        0 if forward else 2,
    ]
    run(0, batch, integers(sizes), addresses(table, emitted, barred, starts, counts), None)


def _log_add(a: Array, b: Array, c: Array, out: Array) -> None:
    """log(e^a + e^b + e^c) into ``out``, which may be none of them."""
    top = np.maximum(a, b)
    np.maximum(top, c, out=top)
    np.maximum(top, _LOWEST, out=top)  # where all are -inf, so that the differences are no nan
    np.subtract(a, top, out=out)
    np.exp(out, out=out)
    for term in (b, c):
        difference = term - top
        out += np.exp(difference, out=difference)
    np.log(out, out=out)
    out += top
