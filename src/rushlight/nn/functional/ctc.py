"""The connectionist temporal classification loss.

Source: A. Graves et al., "Connectionist temporal classification: labelling unsegmented sequence data with recurrent
neural networks", 2006; its equations by number. Logarithms of probabilities throughout, in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.dtypes import F32, F64
from ...core.history import Node
from ...core.tensor import Tensor
from ...ops.batching import for_each_example
from ...ops.define import Primitive
from ...ops.dispatch import apply, not_implemented
from ...ops.movement import squeeze, unsqueeze
from ...ops.placement import tensor_beside
from ...ops.pointwise import mul
from ...ops.reductions import mean, no_derivative, sum as sum_of
from ...runtime.alignments import prefixes, suffixes
from ...runtime.batched import Batched
from .loss_reduction import check_reduction

Array = NDArray[Any]
Lengths = Tensor | Sequence[int]


def _label_rows(targets: Array, lengths: Array, blank: int) -> Array:
    """(N, 2 S + 1): the labels with blanks around each; blanks fill up the rows of shorter ones."""
    rows = np.full((len(lengths), 2 * int(lengths.max(initial=0)) + 1), blank, np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    for i, n in enumerate(lengths):
        labels = targets[i, :n] if targets.ndim == 2 else targets[starts[i] : starts[i] + n]
        rows[i, 1 : 2 * n + 1 : 2] = labels
    return rows


def _may_skip(rows: Array, blank: int) -> Array:
    """Where a label may follow the last but one: not a blank, not a repetition."""
    skip = np.zeros(rows.shape, bool)
    skip[:, 2:] = (rows[:, 2:] != blank) & (rows[:, 2:] != rows[:, :-2])
    return skip


def _emitted(log_probs: Array, rows: Array) -> Array:
    """(T, N, 2 S + 1): the logarithm of the probability of each label of the rows at each step."""
    batch, classes = log_probs.shape[1:]
    places = (np.arange(batch)[:, None] * classes + rows).reshape(-1)
    flat = log_probs.reshape(len(log_probs), batch * classes)
    emitted: Array = flat.take(places, 1).reshape(len(log_probs), *rows.shape)
    return emitted


def _losses(alpha: Array, input_lengths: Array, target_lengths: Array) -> Array:
    """(N,): the negative logarithms of the labellings' probabilities [equation 8]."""
    losses = np.empty(len(input_lengths))
    for i, (t, s) in enumerate(zip(input_lengths, target_lengths, strict=True)):
        if t == 0:
            losses[i] = 0.0 if s == 0 else np.inf
            continue
        ends = alpha[t - 1, i, max(2 * s - 1, 0) : 2 * s + 1]
        losses[i] = -np.logaddexp.reduce(ends)
    return losses


def _ctc_impl(
    log_probs: Array,
    targets: Array,
    input_lengths: Array,
    target_lengths: Array,
    blank: int,
    zero_infinity: bool,
) -> Any:
    rows = _label_rows(targets, target_lengths, blank)
    wide = log_probs.astype(F64, copy=False)
    alpha = prefixes(_emitted(wide, rows), _may_skip(rows, blank), log_probs.dtype == F64)
    losses = _losses(alpha, input_lengths, target_lengths).astype(log_probs.dtype)
    return np.where(np.isinf(losses), 0, losses).astype(log_probs.dtype) if zero_infinity else losses


def _ctc_vjp(g: Tensor, node: Node) -> Tensor:
    (log_probs,) = node.unpack()
    return apply(CTC_BACKWARD, (g, log_probs), node.attrs)  # type: ignore[no-any-return]


def _ctc_backward_impl(
    g: Array,
    log_probs: Array,
    targets: Array,
    input_lengths: Array,
    target_lengths: Array,
    blank: int,
    zero_infinity: bool,
) -> Any:
    """The gradient for ``log_probs`` that a softmax's logarithm made: it adds up to 0 over the classes, as PyTorch has it
    [equation 16]."""
    rows = _label_rows(targets, target_lengths, blank)
    skip = _may_skip(rows, blank)
    wide = log_probs.astype(F64, copy=False)
    steps, batch, classes = wide.shape
    exact = log_probs.dtype == F64
    emitted = _emitted(wide, rows)
    alpha = prefixes(emitted, skip, exact)
    losses = _losses(alpha, input_lengths, target_lengths)
    # Of each label of the row at each step, the probability that it is what was emitted there.
    shares = alpha + suffixes(emitted, input_lengths, target_lengths, skip, exact)
    shares += losses[:, None]
    shares -= emitted
    np.exp(shares, out=shares)
    shares[np.isneginf(emitted)] = 0.0
    places = (np.arange(steps * batch) * classes).reshape(steps, batch, 1) + rows
    of_label = np.bincount(places.reshape(-1), shares.reshape(-1), wide.size).reshape(wide.shape)
    of_label[np.isneginf(wide) | np.isinf(losses)[:, None]] = np.nan  # as PyTorch's formula has it
    gradient = (np.exp(wide) - of_label) * g[:, None]
    if zero_infinity:
        gradient[:, np.isinf(losses)] = 0.0
    gradient[np.arange(steps)[:, None] >= input_lengths] = 0.0
    return gradient.astype(log_probs.dtype)


CTC = Primitive("ctc_loss", _ctc_impl, _ctc_vjp, saves=((0, (0,)),))
CTC_BACKWARD = Primitive("ctc_loss_backward", _ctc_backward_impl, no_derivative("_ctc_loss_backward"))


def _lengths(name: str, given: Lengths, batch: int) -> Array:
    if isinstance(given, Tensor):
        if given._array.dtype.kind not in "iu":
            raise RuntimeError(f"{name} must be integral")
        found = np.asarray(given.tolist(), np.int64).reshape(-1)
    else:
        found = np.asarray(given, np.int64).reshape(-1)
    if len(found) != batch:
        raise RuntimeError(f"{name} must be of size batch_size")
    if (found < 0).any():
        raise RuntimeError(f"Expected {name} to have value at least 0, but got value {int(found.min())}")
    return found


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """The loss of labellings without alignment: -log of the probability that the outputs, repetitions and blanks taken out,
    spell ``targets``.

    ``log_probs`` (T, N, C), or (T, C) for one sequence: a ``log_softmax``. ``targets`` (N, S), or all one after the other.
    ``reduction="mean"`` divides each loss by its target's length first. ``zero_infinity``: impossible targets cost 0.
    float32 or float64. Raises ``RuntimeError`` for lengths, a blank or labels that do not fit.

    Example:
        >>> import rushlight as torch
        >>> log_probs = torch.full((3, 1, 2), 0.5).log()
        >>> torch.nn.functional.ctc_loss(log_probs, torch.tensor([[1]]), [3], [1], reduction="sum")
        tensor(0.2877)
    """
    check_reduction(reduction)
    if any(
        isinstance(t, Tensor) and type(t._array) is Batched for t in (targets, input_lengths, target_lengths)
    ):
        return for_each_example(  # type: ignore[no-any-return]
            ctc_loss, (log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity)
        )
    if isinstance(input_lengths, Tensor) != isinstance(target_lengths, Tensor):
        raise TypeError(
            "ctc_loss(): input_lengths and target_lengths must both be tensors or both tuples of ints"
        )
    array = log_probs._array
    if array.dtype not in (F32, F64):
        raise not_implemented("ctc_loss", array.dtype)
    single = array.ndim == 2
    if single:
        log_probs = unsqueeze(log_probs, 1)
    elif array.ndim != 3:
        raise RuntimeError(f"ctc_loss: expected log_probs (T, N, C) or (T, C), got {list(array.shape)}")
    steps, batch, classes = log_probs._array.shape
    inputs = _lengths("input_lengths", input_lengths, batch)
    lengths = _lengths("target_lengths", target_lengths, batch)
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    if (inputs > steps).any():
        raise RuntimeError(
            f"Expected input_lengths to have value at most {steps}, but got value {int(inputs.max())}"
        )
    labels: Array = np.asarray(targets.tolist(), np.int64).reshape(targets._array.shape)
    if labels.ndim == 1:
        if len(labels) != lengths.sum():
            raise RuntimeError(
                f"Expected tensor to have size {int(lengths.sum())} at dimension 0, but got size {len(labels)} for "
                "argument #2 'targets'"
            )
    elif labels.ndim != 2 or labels.shape[0] != batch or labels.shape[1] < lengths.max(initial=0):
        raise RuntimeError(
            f"Expected tensor to have size at least {int(lengths.max(initial=0))} at dimension 1, but got size "
            f"{labels.shape[-1]} for argument #2 'targets'"
        )
    used = _label_rows(labels, lengths, blank)
    if ((used < 0) | (used >= classes)).any():
        raise RuntimeError(f"ctc_loss: targets hold labels outside the {classes} classes of log_probs")
    attrs = {
        "targets": labels, "input_lengths": inputs, "target_lengths": lengths, "blank": blank,
        "zero_infinity": zero_infinity,
    }  # fmt: skip
    losses = apply(CTC, (log_probs,), attrs)
    if reduction == "mean":
        weights = tensor_beside(losses, (1 / np.maximum(lengths, 1)).astype(array.dtype))
        return mean(mul(losses, weights))
    if reduction == "sum":
        return sum_of(losses)
    return squeeze(losses, 0) if single else losses
