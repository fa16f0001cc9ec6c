"""Random tensors for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.dtypes import dtype, float32
from ..core.limits import finfo, iinfo
from ..core.tensor import Tensor
from ..ops.complex_numbers import view_as_real
from ..ops.creation import empty
from ..ops.random import randint

_SMALL_FLOATS = ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")


def make_tensor(
    *shape: Any,
    dtype: dtype,
    device: Any = "cpu",
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of ``shape`` with random values of ``[low, high)``: the values that PyTorch's function draws.

    By default floating point and complex numbers lie in [-9, 9), signed integers in [-9, 10), unsigned ones in [0, 10),
    and bools are both. ``exclude_zero`` replaces zeros by the smallest normal number (by 1 for integers);
    ``noncontiguous`` makes every second element of a larger tensor (of two elements or more).

    Raises ``ValueError`` for an empty or unrepresentable interval, for nan as a bound, for ``requires_grad`` of integers,
    and for ``noncontiguous`` with a ``memory_format``; ``TypeError`` for what is no dtype.

    Example:
        >>> import rushlight as torch
        >>> torch.testing.make_tensor((2, 3), dtype=torch.float32, device="cpu").shape
        torch.Size([2, 3])
    """
    if len(shape) == 1 and isinstance(shape[0], Sequence):
        shape = tuple(shape[0])
    if noncontiguous and memory_format is not None:
        raise ValueError(
            f"The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got noncontiguous={noncontiguous} "
            f"and memory_format={memory_format}"
        )
    inexact = getattr(dtype, "is_floating_point", None) or getattr(dtype, "is_complex", None)
    if inexact is None:
        raise TypeError(f"The requested dtype '{dtype}' is not supported by torch.testing.make_tensor().")
    if requires_grad and not inexact:
        raise ValueError(
            f"`requires_grad=True` is not supported for boolean and integral dtypes, but got dtype={dtype}"
        )
    size = 1
    for extent in shape:
        size *= int(extent)
    spread = noncontiguous and size > 1
    extents = (*shape[:-1], shape[-1] * 2) if spread else tuple(shape)
    if inexact:
        made = _floats(extents, dtype, device, low, high)
    else:
        lowest, beyond = _range_of(dtype)
        default = (0, 2) if dtype.name == "bool" else (-9 if lowest < 0 else 0, 10)
        bottom, top = _interval(low, high, dtype, lowest, beyond, *default)
        made = randint(bottom, top, extents, dtype=dtype, device=device)
    if exclude_zero and not made.is_meta:
        made = made.masked_fill(made == 0, _least(dtype) if inexact else 1)
    if spread:
        made = made[..., 1::2]
    if memory_format is not None:
        made = made.clone(memory_format=memory_format)
    return made.requires_grad_(requires_grad)


def _floats(shape: Any, dtype: dtype, device: Any, low: Any, high: Any) -> Tensor:
    drawn_as = float32 if dtype.name in _SMALL_FLOATS else dtype
    limit = finfo(dtype).max
    bottom, top = _interval(low, high, dtype, -limit, limit, -9, 9)
    made = empty(shape, dtype=drawn_as, device=device)
    numbers = view_as_real(made) if dtype.is_complex else made
    if top - bottom >= finfo(drawn_as).max:  # the width itself is no number of this type
        numbers.uniform_(bottom / 2, top / 2).mul_(2)
    else:
        numbers.uniform_(bottom, top)
    return made if drawn_as is dtype else made.to(dtype)  # type: ignore[no-any-return]


def _interval(
    low: Any, high: Any, dtype: dtype, lowest: Any, beyond: Any, default_low: int, default_high: int
) -> tuple[Any, Any]:
    low = default_low if low is None else low
    high = default_high if high is None else high
    inexact = dtype.is_floating_point or dtype.is_complex
    if low != low or high != high:  # noqa: PLR0124  # nan, of any type of number
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low == high and inexact:
        import warnings

        warnings.warn(
            "Passing `low==high` to `torch.testing.make_tensor` for floating or complex types is deprecated since 2.1 and "
            "will be removed in 2.3. Use `torch.full(...)` instead.",
            FutureWarning,
            stacklevel=4,
        )
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    elif high < lowest or low >= beyond:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), but {dtype} only supports "
            f"[{lowest}, {beyond})"
        )
    low, high = (min(max(bound, lowest), beyond) for bound in (low, high))
    if not inexact:
        from math import ceil

        low, high = ceil(low), ceil(high)
    return low, high


def _range_of(dtype: dtype) -> tuple[int, int]:
    if dtype.name == "bool":
        return 0, 2
    limits = iinfo(dtype)
    # 64-bit integers stop one number short: the generator takes no bound beyond them
    return limits.min, limits.max + (0 if dtype.name in ("int64", "uint64") else 1)


def _least(dtype: dtype) -> float:
    return float(finfo(dtype).tiny)
