"""``gradient``, the numerical derivative of sampled functions, and ``unravel_index``.

Source: B. Fornberg, "Generation of finite difference formulas on arbitrarily spaced grids", 1988.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.shapes import wrap_dim
from ..core.tensor import Tensor, make_tensor
from .dispatch import as_array, is_number
from .joining import cat
from .movement import narrow, reshape


def gradient(
    input: Tensor,
    *,
    spacing: Any = None,
    dim: int | Sequence[int] | None = None,
    edge_order: int = 1,
) -> tuple[Tensor, ...]:
    """The derivative of the function whose samples ``input`` holds, along each of ``dim`` (all by default).

    Central differences inside, one-sided ones at the ends, of first or second order (``edge_order``). ``spacing``: the
    distance between samples, one number or one for each dimension, or a 1-D tensor of coordinates for each.
    Raises ``RuntimeError`` where a dimension has not more than ``edge_order`` samples or ``spacing`` does not fit.

    Example:
        >>> import rushlight as torch
        >>> torch.gradient(torch.tensor([1., 4., 9., 16.]))
        (tensor([3., 4., 6., 7.]),)
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"gradient(): argument 'input' must be Tensor, not {type(input).__name__}")
    ndim = input._array.ndim
    dims = tuple(range(ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    wrapped = tuple(wrap_dim(d, ndim) for d in dims)
    if spacing is None:
        steps: list[Any] = [1] * len(wrapped)
    elif is_number(spacing):
        steps = [spacing] * len(wrapped)
    elif isinstance(spacing, Tensor):
        steps = [spacing]
    else:
        steps = list(spacing)
    _check(input, wrapped, steps, edge_order)
    return tuple([_along(input, d, step, edge_order) for d, step in zip(wrapped, steps, strict=True)])


def _check(input: Tensor, dims: tuple[int, ...], steps: list[Any], edge_order: int) -> None:
    array = input._array
    if array.dtype.kind == "b" or array.dtype == np.uint8:
        raise RuntimeError("torch.gradient does not support uint8 or bool input.")
    if len(steps) != len(dims):
        raise RuntimeError(
            f"torch.gradient expected spacing to be unspecified, a scalar or to have the same length as dim (or all "
            f"dimensions); got {len(steps)} spacings for {len(dims)} dimensions"
        )
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"dim {dims[0]} appears multiple times in the list of dims")
    for d, step in zip(dims, steps, strict=True):
        n = array.shape[d] if array.ndim else 0
        if n < edge_order + 1:
            raise RuntimeError(
                "torch.gradient expected each dimension size to be at least edge_order+1, "
                f"but dimension {d} has {n} samples"
            )
        if isinstance(step, Tensor):
            if step._array.ndim != 1:
                raise RuntimeError(
                    "torch.gradient expected each element of spacing to have one dimension, but got an element with "
                    f"{step._array.ndim} dimensions!"
                )
            if step._array.shape[0] != n:
                raise RuntimeError(
                    f"torch.gradient expected each element of spacing to have {n} coordinates, got "
                    f"{step._array.shape[0]}"
                )


def _along(input: Tensor, dim: int, step: Any, edge_order: int) -> Tensor:
    n = input._array.shape[dim]

    def at(start: int, count: int = 1) -> Tensor:
        return narrow(input, dim, start % n, count)

    if isinstance(step, Tensor):
        shape = [1] * input._array.ndim
        shape[dim] = -1
        gaps = narrow(step, 0, 1, n - 1) - narrow(step, 0, 0, n - 1)

        def number(value: Tensor) -> Tensor:
            return reshape(value, shape)

        before, after = (narrow(gaps, 0, 0, n - 2), narrow(gaps, 0, 1, n - 2)) if n > 2 else (gaps, gaps)
        middle = (
            at(0, n - 2) * number(-after / (before * (before + after)))
            + at(1, n - 2) * number((after - before) / (before * after))
            + at(2, n - 2) * number(before / (after * (before + after)))
            if n > 2
            else None
        )
        first_gap, last_gap = narrow(gaps, 0, 0, 1), narrow(gaps, 0, n - 2, 1)
        if edge_order == 1:
            first = (at(1) - at(0)) / number(first_gap)
            last = (at(-1) - at(-2)) / number(last_gap)
        else:
            a, b = narrow(gaps, 0, 0, 1), narrow(gaps, 0, 1, 1)
            first = (
                at(0) * number(-(2 * a + b) / (a * (a + b)))
                + at(1) * number((a + b) / (a * b))
                + at(2) * number(-a / (b * (a + b)))
            )
            a, b = narrow(gaps, 0, n - 3, 1), narrow(gaps, 0, n - 2, 1)
            last = (
                at(-3) * number(b / (a * (a + b)))
                + at(-2) * number(-(a + b) / (a * b))
                + at(-1) * number((2 * b + a) / (b * (a + b)))
            )
    else:
        middle = (at(2, n - 2) - at(0, n - 2)) / (2.0 * step) if n > 2 else None
        if edge_order == 1:
            first, last = (at(1) - at(0)) / step, (at(-1) - at(-2)) / step
        else:
            first = (at(0) * -3 + at(1) * 4 - at(2)) / (2.0 * step)
            last = (at(-1) * 3 - at(-2) * 4 + at(-3)) / (2.0 * step)
    return cat([first, last] if middle is None else [first, middle, last], dim)


def unravel_index(indices: Tensor, shape: int | Sequence[int]) -> tuple[Tensor, ...]:
    """The coordinates, in a tensor of ``shape``, of elements given by their numbers in row-major order.

    Raises ``TypeError`` for indices that are not integers, ``ValueError`` for negative extents; numbers beyond wrap around.

    Example:
        >>> import rushlight as torch
        >>> torch.unravel_index(torch.tensor([4, 5]), (2, 3))
        (tensor([1, 1]), tensor([1, 2]))
    """
    if not isinstance(indices, Tensor) or indices._array.dtype.kind not in "iu":
        given = indices.dtype if isinstance(indices, Tensor) else type(indices).__name__
        raise TypeError(f"expected 'indices' to be integer dtype, but got {given}")
    if not isinstance(shape, int | tuple | list):
        raise TypeError(f"expected 'shape' to be int or sequence of ints, but got {type(shape)}")
    extents = (shape,) if isinstance(shape, int) else tuple(shape)
    for extent in extents:
        if not isinstance(extent, int):
            raise TypeError(f"expected 'shape' sequence to only contain ints, but got {type(extent)}")
        if extent < 0:
            raise ValueError(f"'shape' cannot have negative values, but got {extents}")
    rest = indices._array.astype(np.int64)
    found = []
    for extent in reversed(extents):
        found.append(rest % extent if extent else rest)
        rest = rest // extent if extent else rest
    return tuple([make_tensor(as_array(part)) for part in reversed(found)])


METHODS: dict[str, Any] = {}
