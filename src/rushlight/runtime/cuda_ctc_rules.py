"""The CTC loss and its gradient with CuPy, as ``nn.functional.ctc`` has them: one step of time after the other.

Labels and lengths are NumPy arrays among the parameters. Source: A. Graves et al., "Connectionist temporal classification",
ICML 2006; equations 5 to 16. Functions of (cupy, arrays, parameters), see ``cuda_rules``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.dtypes import F64


class _Lattice:
    """The labels with blanks between them, and the probabilities of all their prefixes."""

    def __init__(
        self, cupy: Any, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: int
    ) -> None:
        self.cupy = cupy
        self.steps, self.batch, self.classes = log_probs.shape
        self.input_lengths, self.target_lengths = input_lengths, target_lengths
        rows = np.full((self.batch, 2 * int(target_lengths.max(initial=0)) + 1), blank, np.int64)
        starts = np.concatenate([[0], np.cumsum(target_lengths)])
        for i, n in enumerate(target_lengths):
            labels = targets[i, :n] if targets.ndim == 2 else targets[starts[i] : starts[i] + n]
            rows[i, 1 : 2 * n + 1 : 2] = labels
        skip = np.zeros(
            rows.shape, bool
        )  # where a label may follow the last but one: no blank, no repetition
        skip[:, 2:] = (rows[:, 2:] != blank) & (rows[:, 2:] != rows[:, :-2])
        self.rows, self.skip, self.width = rows, skip, rows.shape[1]
        self.wide = log_probs.astype(F64)
        shape = (self.steps, self.batch, self.width)
        self.emitted = cupy.take_along_axis(self.wide, cupy.broadcast_to(cupy.asarray(rows), shape), 2)

    def _around(self, x: Any, left: int, right: int) -> Any:
        """``x`` with columns of -inf on its sides."""
        wider = self.cupy.full((self.batch, left + self.width + right), -np.inf)
        wider[:, left : left + self.width] = x
        return wider

    def prefixes(self) -> Any:
        """(steps, batch, width): alpha."""
        cupy = self.cupy
        alpha = cupy.full(self.emitted.shape, -np.inf)
        alpha[0, :, :2] = self.emitted[0, :, :2]
        skip = cupy.asarray(self.skip)
        for t in range(1, self.steps):
            wider = self._around(alpha[t - 1], 2, 0)
            leaps = cupy.where(skip, wider[:, :-2], -np.inf)
            alpha[t] = cupy.logaddexp(cupy.logaddexp(alpha[t - 1], wider[:, 1:-1]), leaps) + self.emitted[t]
        return alpha

    def suffixes(self) -> Any:
        """(steps, batch, width): beta, each label's own probability included."""
        cupy = self.cupy
        beta = cupy.full(self.emitted.shape, -np.inf)
        every, ends = np.arange(self.batch), 2 * self.target_lengths
        last = np.full((self.batch, self.width), -np.inf)
        last[every, ends] = 0.0
        some = self.target_lengths > 0
        last[every[some], ends[some] - 1] = 0.0
        may_leap = np.zeros_like(self.skip)
        may_leap[:, :-2] = self.skip[:, 2:]
        at_last, leap = cupy.asarray(last), cupy.asarray(may_leap)
        lengths = cupy.asarray(self.input_lengths)[:, None]
        after = cupy.full((self.batch, self.width), -np.inf)
        for t in range(self.steps - 1, -1, -1):
            wider = self._around(after, 0, 2)
            leaps = cupy.where(leap, wider[:, 2:], -np.inf)
            going_on = cupy.logaddexp(cupy.logaddexp(after, wider[:, 1:-1]), leaps)
            found = cupy.where(lengths - 1 == t, at_last, going_on) + self.emitted[t]
            after = beta[t] = cupy.where(lengths <= t, -np.inf, found)
        return beta

    def losses(self, alpha: Any) -> Any:
        """(batch,): the negative logarithms of the labellings' probabilities."""
        cupy = self.cupy
        every = cupy.arange(self.batch)
        when = cupy.asarray(np.maximum(self.input_lengths - 1, 0))
        ends = 2 * self.target_lengths
        final = alpha[when, every, cupy.asarray(ends)]
        before = alpha[when, every, cupy.asarray(np.maximum(ends - 1, 0))]
        none = cupy.asarray(self.target_lengths == 0)
        losses = -cupy.where(none, final, cupy.logaddexp(final, before))
        never = cupy.asarray(self.input_lengths == 0)
        return cupy.where(never, cupy.where(none, 0.0, np.inf), losses)


def _ctc(
    cupy: Any,
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int,
    zero_infinity: bool,
) -> Any:
    if not log_probs.size:
        return NotImplemented
    lattice = _Lattice(cupy, log_probs, targets, input_lengths, target_lengths, blank)
    losses = lattice.losses(lattice.prefixes())
    return (cupy.where(cupy.isinf(losses), 0.0, losses) if zero_infinity else losses).astype(log_probs.dtype)


def _ctc_gradient(
    cupy: Any, g: Any, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: int,
    zero_infinity: bool,
) -> Any:  # fmt: skip
    if not log_probs.size:
        return NotImplemented
    lattice = _Lattice(cupy, log_probs, targets, input_lengths, target_lengths, blank)
    alpha, wide = lattice.prefixes(), lattice.wide
    losses = lattice.losses(alpha)
    both = alpha + lattice.suffixes()
    of_label = cupy.full(wide.shape, -np.inf)
    for s in range(lattice.width):
        real = np.flatnonzero(s <= 2 * target_lengths)
        samples, labels = cupy.asarray(real), cupy.asarray(lattice.rows[real, s])
        place = (slice(None), samples, labels)
        of_label[place] = cupy.logaddexp(of_label[place], both[:, samples, s])
    gradient = (cupy.exp(wide) - cupy.exp(of_label + losses[:, None] - wide)) * g.astype(F64)[:, None]
    if zero_infinity:
        gradient = cupy.where(cupy.isinf(losses)[:, None], 0.0, gradient)
    over = cupy.arange(lattice.steps)[:, None] >= cupy.asarray(input_lengths)
    return cupy.where(over[:, :, None], 0.0, gradient).astype(log_probs.dtype)


CTC: Final[dict[str, Callable[..., Any]]] = {"ctc_loss": _ctc, "ctc_loss_backward": _ctc_gradient}
