"""Losses and normalisations by formula."""

from __future__ import annotations

import math
from typing import Any

from ...ir.graph import Kind
from ...ir.scalar import ScalarOp
from .builder import I64, Value
from .reductions import computed_dtype, wide
from .table import common, lowers, require, widened


@lowers("mse_loss")
def _mse(x: Value, y: Value, reduction: str) -> Value:
    x, y = common(x, y)
    difference = x - y
    squares = difference * difference
    if reduction == "none":
        return squares
    total = squares.sum(None, False)
    return total / float(squares.node.size or math.nan) if reduction == "mean" else total


@lowers("binary_cross_entropy")
@widened
def _binary_cross_entropy(x: Value, y: Value) -> Value:
    x, y = common(x, y)
    return (y - 1.0) * (-x).map(ScalarOp.LOG1P).maximum(-100.0) - y * x.log().maximum(-100.0)


@lowers("binary_cross_entropy_with_logits")
@widened
def _with_logits(x: Value, y: Value, weight: Value | None, pos_weight: Value | None, reduction: str) -> Value:
    soft = (-x.abs()).exp().map(ScalarOp.LOG1P)
    if pos_weight is None:
        losses = soft - x.minimum(0.0) + (1.0 - y) * x
    else:
        losses = (soft - x.minimum(0.0)) * (y * (pos_weight - 1.0) + 1.0) + (1.0 - y) * x
    if weight is not None:
        losses = losses * weight
    if reduction == "none":
        return losses
    total = losses.sum(None, False)
    return total / float(losses.node.size or math.nan) if reduction == "mean" else total


# --- normalisation ----------------------------------------------------------------------------------------------------


def _samples(x: Value, columns: int, positions: int) -> int:
    return x.node.size // (columns * positions)


def _layout(x: Value, columns: int, positions: int, rows: int | None) -> tuple[Any, tuple[int, ...], int]:
    """The shape in which statistics and columns both are dimensions, the axes of statistics, and how many they are of."""
    samples = _samples(x, columns, positions)
    if rows is None:
        return (samples, columns, positions), (0, 2), samples * positions
    if rows % (columns * positions) == 0:  # a row is whole samples: layer normalisation
        return (
            (samples * columns * positions // rows, rows // (columns * positions), columns, positions),
            (1, 2, 3),
            rows,
        )
    require(rows % positions == 0 and columns * positions % rows == 0)
    own = rows // positions  # columns of one row: group normalisation
    return (samples, columns // own, own, positions), (2, 3), rows


def _column_shape(shape: Any, columns: int, rows: int | None) -> Any:
    """The shape in which a value for each column broadcasts against ``_layout``'s."""
    if rows is None:
        return (1, columns, 1)
    if shape[2] == columns:
        return (1, 1, columns, 1)
    return (1, shape[1], shape[2], 1)


def _column_axes(shape: Any, columns: int, rows: int | None) -> tuple[int, ...]:
    if rows is None:
        return (0, 2)
    return (0, 1, 3) if shape[2] == columns else (0, 3)


@lowers("normalize")
def _normalize(
    x: Value,
    w: Value | None,
    b: Value | None,
    kind: str,
    columns: int,
    positions: int,
    rows: int | None,
    eps: float,
) -> Any:
    require(x.node.size)
    dtype, computed = x.dtype, computed_dtype(x)
    shape, axes, number = _layout(x, columns, positions, rows)
    values = x.cast(computed).reshape(shape)
    mean = values.sum(axes) * (1 / number)
    centred = values - mean
    variance = (centred * centred).sum(axes) * (1 / number)
    inverse = 1.0 / (variance + eps).sqrt()
    y = centred * inverse
    by_column = _column_shape(shape, columns, rows)
    w, b = wide(w, computed), wide(b, computed)
    if w is not None:
        y = y * w.reshape(by_column)
    if b is not None:
        y = y + b.reshape(by_column)
    flat = (mean.node.size,)
    return y.reshape(x.shape).cast(dtype), mean.reshape(flat), variance.reshape(flat), inverse.reshape(flat)


@lowers("normalize_gradient")
def _normalize_gradient(
    g: Value,
    x: Value,
    mean: Value,
    inverse: Value,
    w: Value | None,
    columns: int,
    positions: int,
    rows: int | None,
) -> Any:
    require(x.node.size)
    dtype, computed = g.dtype, mean.dtype
    shape, axes, number = _layout(x, columns, positions, rows)
    kept = tuple([1 if i in axes else n for i, n in enumerate(shape)])
    given, values = g.cast(computed).reshape(shape), x.cast(computed).reshape(shape)
    own = inverse.reshape(kept)
    standard = (values - mean.reshape(kept)) * own
    by_column, summed = _column_shape(shape, columns, rows), _column_axes(shape, columns, rows)
    scale = (given * standard).sum(summed).reshape((columns,))
    shift = given.sum(summed).reshape((columns,))
    if rows is None:
        # A column has one scale: the sums that the scale's and the shift's gradients are serve here too.
        factor = own if w is None else own * w.cast(computed).reshape(by_column)
        share = 1 / number
        total = (given - standard * (scale.reshape(kept) * share) - shift.reshape(kept) * share) * factor
    else:
        weighted = given if w is None else given * w.cast(computed).reshape(by_column)
        average = weighted.sum(axes) * (1 / number)
        along = (weighted * standard).sum(axes) * (1 / number)
        total = (weighted - average - standard * along) * own
    return total.reshape(g.shape).cast(dtype), scale, shift


@lowers("scale_and_shift")
def _scale_and_shift(x: Value, scale: Value, shift: Value | None, columns: int, positions: int) -> Value:
    require(x.node.size)
    dtype, computed = x.dtype, computed_dtype(x)
    values = x.cast(computed).reshape((_samples(x, columns, positions), columns, positions))
    y = values * scale.cast(computed).reshape((columns, 1))
    if shift is not None:
        y = y + shift.cast(computed).reshape((columns, 1))
    return y.reshape(x.shape).cast(dtype)


# --- classes ----------------------------------------------------------------------------------------------------------


class RangeCheck:
    """In the place of a record: raises what eager mode raises for a target that is no class.

    Its operand is the greatest such target, or the least int64 where there is none. Compiled programs look at it after
    everything else has run.
    """

    name = "check_classes"
    effects = True
    after_run = True  # the plan has no line for it: see ``pipeline.Program.run``
    value_dependent = False

    @staticmethod
    def impl(worst: Any) -> Any:
        """Raise ``IndexError`` if there is a target that is no class."""
        if worst != _NONE:
            raise IndexError(f"Target {int(worst)} is out of bounds.")
        return worst


_NONE = -(1 << 63)
_CHECK = RangeCheck()


def check_range(target: Value, kept: Value, classes: int) -> None:
    """Have the program raise ``IndexError`` where a target that counts is not in ``range(classes)``."""
    target = target.cast(I64)
    inside = target.map(ScalarOp.LESS_EQUAL, classes - 1) & target.like(0).map(ScalarOp.LESS_EQUAL, target)
    worst = target.b.where(kept & ~inside, target, target.like(_NONE)).max(None, False)
    if worst.number not in target.b.checked:
        target.b.checked.add(worst.number)
        target.b.make(Kind.CALL, (worst.number,), (_CHECK, (), ()), (), I64)


class _Classes:
    """Targets against (batch, classes, places): where each element is that of its target, and what a target counts."""

    def __init__(
        self, shape: Any, target: Value, weight: Value | None, ignore_index: int, dtype: Any
    ) -> None:
        if len(shape) == 1:
            self.shape: Any = (1, shape[0], 1)
        else:
            places = 1
            for n in shape[2:]:
                places *= n
            self.shape = (shape[0], shape[1], places)
        batch, _, places = self.shape
        self.target = target.reshape((batch, 1, places))
        b = target.b
        self.hit = b.index(self.shape, 1).equal(self.target)
        kept = self.target.differs(ignore_index)
        self.kept = kept
        check_range(self.target, kept, self.shape[1])
        if weight is None:
            self.shares = kept.cast(dtype)
        else:
            by_class = weight.cast(dtype).reshape((self.shape[1], 1))
            chosen = self.pick(by_class.expand(self.shape))
            self.shares = b.where(kept, chosen, chosen.like(0.0))

    def pick(self, x: Value) -> Value:
        """The element of each target's class: (batch, 1, places). A target that is no class has 0."""
        return x.b.where(self.hit, x, x.like(0.0)).sum(1)

    def losses(self, losses: Value, reduction: str, shape: Any) -> Value:
        """What is made of the losses (batch, 1, places)."""
        losses = losses.b.where(self.kept, losses * self.shares, losses.like(0.0))
        if reduction == "none":
            return losses.reshape(shape)
        total = losses.sum(None, False)
        return total if reduction == "sum" else total / self.shares.sum(None, False)

    def spread(self, g: Value, reduction: str) -> Value:
        """The gradient of each target's loss: (batch, 1, places)."""
        g = g.reshape(self.target.shape) if reduction == "none" else g
        if reduction == "mean":
            g = g / self.shares.sum(None, False)
        return g.b.where(self.shares.equal(0.0), g.like(0.0), g * self.shares)


def _target_shape(x_shape: Any, target: Value) -> Any:
    return target.shape if len(x_shape) > 1 else ()


@lowers("nll_loss")
def _nll(x: Value, target: Value, weight: Value | None, reduction: str, ignore_index: int) -> Value:
    require(x.node.size and target.dtype.kind in "iu")
    dtype, computed = x.dtype, computed_dtype(x)
    classes = _Classes(x.shape, target, weight, ignore_index, computed)
    losses = -classes.pick(x.cast(computed).reshape(classes.shape))
    return classes.losses(losses, reduction, _target_shape(x.shape, target)).cast(dtype)


@lowers("nll_loss_backward")
def _nll_backward(
    g: Value, target: Value, weight: Value | None, reduction: str, ignore_index: int, shape: Any
) -> Value:
    require(target.node.size and target.dtype.kind in "iu")
    classes = _Classes(shape, target, weight, ignore_index, g.dtype)
    spread = classes.spread(g, reduction)
    return g.b.where(classes.hit, -spread, spread.like(0.0)).reshape(tuple(shape))


@lowers("cross_entropy_loss")
def _cross_entropy(x: Value, target: Value, weight: Value | None, reduction: str, ignore_index: int) -> Any:
    require(x.node.size and target.dtype.kind in "iu")
    dtype, computed = x.dtype, computed_dtype(x)
    classes = _Classes(x.shape, target, weight, ignore_index, computed)
    rows = x.cast(computed).reshape(classes.shape)
    shifted = rows - rows.max(1)
    sums = shifted.exp().sum(1)
    losses = sums.log() - classes.pick(shifted)
    return classes.losses(losses, reduction, _target_shape(x.shape, target)).cast(dtype)


@lowers("cross_entropy_loss_backward")
def _cross_entropy_backward(
    g: Value,
    exponentials: Value,
    sums: Value,
    target: Value,
    weight: Value | None,
    reduction: str,
    ignore_index: int,
    shape: Any,
) -> Value:
    require(exponentials.node.size and target.dtype.kind in "iu")
    dtype = exponentials.dtype
    classes = _Classes(exponentials.shape, target, weight, ignore_index, dtype)
    spread = classes.spread(g.cast(dtype), reduction)
    gradient = exponentials.reshape(classes.shape) * (spread / sums.reshape(classes.target.shape))
    gradient = gradient - g.b.where(classes.hit, spread, spread.like(0.0))
    return gradient.reshape(tuple(shape))
