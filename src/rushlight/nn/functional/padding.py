"""Padding: with a constant anywhere, or with the input's own elements around its last one to three dimensions."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core.dtypes import I64
from ...core.history import Node
from ...core.memory_order import in_order_of_input
from ...core.shapes import LONG_DIMENSION, Shape, check_fits
from ...core.tensor import Tensor, make_tensor
from ...ops.define import Primitive
from ...ops.dispatch import apply, not_implemented
from ...ops.indexing import index_select
from ...ops.movement import clone, ordered_as

Pads = tuple[
    tuple[int, int], ...
]  # for each dimension how much is added before and after; negative: taken away


def _constant_impl(x: Any, pads: Pads, value: Any) -> Any:
    shape = tuple([n + before + after for n, (before, after) in zip(x.shape, pads, strict=True)])
    if value == 0:
        result = np.zeros(shape, x.dtype)
    else:
        result = np.empty(shape, x.dtype)
        result.fill(x.dtype.type(value))
    inside, kept = [], []
    for n, (before, after) in zip(x.shape, pads, strict=True):
        inside.append(slice(max(before, 0), n + before + min(after, 0)))
        kept.append(slice(max(-before, 0), n + min(after, 0)))
    result[tuple(inside)] = x[tuple(kept)]
    return result


def _constant_vjp(g: Tensor, node: Node) -> Tensor:
    pads = tuple([(-before, -after) for before, after in node.attrs["pads"]])
    return apply(CONSTANT_PAD, (g,), {"pads": pads, "value": 0})  # type: ignore[no-any-return]


CONSTANT_PAD = Primitive(
    "constant_pad_nd",
    in_order_of_input(_constant_impl),
    _constant_vjp,
    grad_name="ConstantPadNdBackward0",
    samples=lambda: [((np.arange(6.0).reshape(2, 3),), {"pads": ((0, 1), (2, -1)), "value": 7})],
)


def _amounts(pad: Sequence[int]) -> list[int]:
    amounts = []
    for position, amount in enumerate(pad):
        try:
            amounts.append(operator.index(amount))
        except TypeError:
            raise TypeError(
                "pad(): argument 'pad' (position 2) must be tuple of ints, but found element of type "
                f"{type(amount).__name__} at pos {position}"
            ) from None
    if len(amounts) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    return amounts


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """``input`` with elements added around its last dimensions: ``pad`` is (left, right, top, bottom, front, back, …).

    Negative amounts take elements away. ``mode`` says what is added: ``"constant"``: ``value`` (0 unless given), in any
    number of dimensions; ``"reflect"``: the elements mirrored at the border, without it; ``"replicate"``: the border;
    ``"circular"``: the elements from the other end. The last three take one to three dimensions, of an input with one
    dimension or two more. Raises ``RuntimeError`` for amounts that are too large, ``NotImplementedError`` for another mode.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.pad(torch.tensor([[1, 2, 3]]), (2, 1), mode="reflect")
        tensor([[3, 2, 1, 2, 3, 2]])
    """
    amounts = _amounts(pad)
    shape = input._array.shape
    if len(amounts) > 2 * len(shape):
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(amounts)} and input of dimension {len(shape)}"
        )
    if mode == "constant":
        pairs = [(amounts[i], amounts[i + 1]) for i in range(0, len(amounts), 2)]
        pads = ((0, 0),) * (len(shape) - len(pairs)) + tuple(reversed(pairs))
        for n, (before, after) in zip(shape, pads, strict=True):
            if n + before + after < 0 or n + min(before, 0) + min(after, 0) < 0:
                raise RuntimeError("narrow(): length must be non-negative.")
        return apply(CONSTANT_PAD, (input,), {"pads": pads, "value": 0 if value is None else value})  # type: ignore[no-any-return]
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in _SOURCES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    return _pad_with_itself(input, amounts, mode)


# --- with the input's own elements ------------------------------------------------------------------------------------


def _mirrored(extent: int, before: int, after: int) -> Any:
    last = extent - 1
    return last - np.abs(last - np.abs(np.arange(-before, extent + after, dtype=I64)))


def _repeated(extent: int, before: int, after: int) -> Any:
    return np.arange(-before, extent + after, dtype=I64).clip(0, extent - 1)


def _continued(extent: int, before: int, after: int) -> Any:
    # What is taken away goes first: the rest is what is continued.
    start = max(-before, 0)
    kept = extent + min(after, 0) - start
    return start + np.arange(-max(before, 0), kept + max(after, 0), dtype=I64) % max(kept, 1)


# For each mode the place in the input of each element of the padded dimension.
_SOURCES: dict[str, Callable[[int, int, int], Any]] = {
    "reflect": _mirrored,
    "replicate": _repeated,
    "circular": _continued,
}
_NAMES = {"reflect": "reflection_pad", "replicate": "replication_pad"}
_AXES = "WHD"


def _pad_with_itself(input: Tensor, amounts: list[int], mode: str) -> Tensor:
    given = input
    array = input._array
    shape = array.shape
    count = len(amounts) // 2
    if count not in (1, 2, 3) or len(shape) not in (count + 1, count + 2):
        raise NotImplementedError(
            f"Padding size {len(amounts)} is not supported for {len(shape)}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    _check_extents(shape, amounts, mode)
    if mode in _NAMES and array.dtype.kind == "b":
        raise not_implemented(f"{_NAMES[mode]}{count}d", array.dtype)
    if max(amounts) > LONG_DIMENSION:
        padded = list(shape)
        for i in range(count):
            padded[-1 - i] += amounts[2 * i] + amounts[2 * i + 1]
        check_fits(tuple(padded), array.itemsize)
    for i in range(count):
        before, after = amounts[2 * i], amounts[2 * i + 1]
        if before or after:
            dim = len(shape) - 1 - i
            input = index_select(input, dim, make_tensor(_SOURCES[mode](shape[dim], before, after)))
    if input._array is array:
        return clone(input)
    return ordered_as(input, given) if mode != "circular" else input


def _check_extents(shape: Shape, amounts: list[int], mode: str) -> None:
    count = len(amounts) // 2
    if mode != "circular":
        batched = len(shape) == count + 2
        if 0 in (shape[1:] if batched else shape):
            raise RuntimeError(
                f"Expected {count + 1}D or {count + 2}D (batch mode) tensor with possibly 0 batch size and other non-zero "
                f"dimensions for input, but got: {list(shape)}"
            )
    for i in range(count):
        before, after = amounts[2 * i], amounts[2 * i + 1]
        dim = len(shape) - 1 - i
        extent = shape[dim]
        if mode == "reflect" and (before >= extent or after >= extent):
            raise RuntimeError(
                f"Argument #{4 + 2 * i}: Padding size should be less than the corresponding input dimension, but got: padding "
                f"({before}, {after}) at dimension {dim} of input {list(shape)}"
            )
        if mode == "circular":
            kept = extent + min(before, 0) + min(after, 0)
            if kept < 0:
                raise RuntimeError("Negative padding value is resulting in an empty dimension")
            if before > kept or after > kept:
                raise RuntimeError("Padding value causes wrapping around more than once.")
        elif extent + before + after < 1:
            raise RuntimeError(
                f"input ({_AXES[i]}: {extent}) is too small. Calculated output {_AXES[i]}: {extent + before + after}"
            )
