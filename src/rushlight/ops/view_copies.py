"""``expand_copy`` and its kind: what a view operation gives, in memory of its own; and ``fill``, ``empty_permuted``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.device import DeviceLike, placed, require_available
from ..core.dtypes import dtype
from ..core.tensor import Tensor, make_tensor
from .complex_numbers import view_as_complex, view_as_real
from .conversion import detach
from .creation import check_layout, numpy_dtype, out_dtype
from .dispatch import named, write_out
from .movement import clone, contiguous, expand, permute, select, squeeze, t, transpose, unsqueeze, view
from .splitting import split, split_with_sizes, unbind
from .strided import as_strided, unfold
from .views import diagonal


def _copy_of(name: str, take: Callable[..., Any], **defaults: Any) -> Any:
    """``name``: a copy of the view, or of each of the views, that ``take`` gives."""

    def function(input: Tensor, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
            )
        views = take(input, *args, **{**defaults, **kwargs})
        if isinstance(views, tuple):
            if out is None:
                return tuple([clone(contiguous(part)) for part in views])
            if len(out) != len(views):
                raise RuntimeError(f"{name}: {len(out)} tensors in 'out' for {len(views)} results")
            for target, part in zip(out, views, strict=True):
                write_out(target, part, name)
            return None
        return clone(contiguous(views)) if out is None else write_out(out, views, name)

    what = take.__name__.strip("_")
    return named(
        function, name, f"A copy of what ``{what}`` gives with the same arguments; ``out=`` may take it."
    )


def _slice(
    input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """``input[start:end:step]`` along ``dim``."""
    return input[(slice(None),) * (dim % max(input._array.ndim, 1)) + (slice(start, end, step),)]


def _alias(input: Tensor) -> Tensor:
    """The tensor itself."""
    return input


alias_copy = _copy_of("alias_copy", _alias)
as_strided_copy = _copy_of("as_strided_copy", as_strided)
detach_copy = _copy_of("detach_copy", detach)
diagonal_copy = _copy_of("diagonal_copy", diagonal)
expand_copy = _copy_of("expand_copy", expand)
permute_copy = _copy_of("permute_copy", permute)
select_copy = _copy_of("select_copy", select)
slice_copy = _copy_of("slice_copy", _slice)
split_copy = _copy_of("split_copy", split)
split_with_sizes_copy = _copy_of("split_with_sizes_copy", split_with_sizes)
squeeze_copy = _copy_of("squeeze_copy", squeeze)
t_copy = _copy_of("t_copy", t)
transpose_copy = _copy_of("transpose_copy", transpose)
unbind_copy = _copy_of("unbind_copy", unbind)
unfold_copy = _copy_of("unfold_copy", unfold)
unsqueeze_copy = _copy_of("unsqueeze_copy", unsqueeze)
view_as_complex_copy = _copy_of("view_as_complex_copy", view_as_complex)
view_as_real_copy = _copy_of("view_as_real_copy", view_as_real)
view_copy = _copy_of("view_copy", view)


def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor like ``input`` with every element ``value``, a number or a 0-dim tensor.

    Example:
        >>> import rushlight as torch
        >>> torch.fill(torch.zeros(2), 3)
        tensor([3., 3.])
    """
    return clone(input).fill_(value)  # type: ignore[no-any-return]


def empty_permuted(
    size: Sequence[int],
    physical_layout: Sequence[int],
    *,
    dtype: dtype | None = None,
    layout: Any = None,
    device: DeviceLike | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """An uninitialised tensor of shape ``size`` whose dimensions lie in memory in the order ``physical_layout``.

    Raises ``RuntimeError`` where that is not a permutation of the dimensions.

    Example:
        >>> import rushlight as torch
        >>> torch.empty_permuted((2, 3), (1, 0)).stride()
        (1, 2)
    """
    check_layout(layout)
    shape, order = tuple(size), tuple(physical_layout)
    if len(order) != len(shape):
        raise RuntimeError(
            f"Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = "
            f"{len(shape)} is not equal to len(physical_layout) = {len(order)}"
        )
    if any(not 0 <= d < len(shape) for d in order):
        wrong = next(d for d in order if not 0 <= d < len(shape))
        raise RuntimeError(
            f"Dimension out of range (expected to be between 0 and {len(shape) - 1}, but got {wrong} at index "
            f"{order.index(wrong)}). NB: negative dims not currently supported; file an issue if you want it."
        )
    if len(set(order)) != len(order):
        raise RuntimeError("Duplicate dim not allowed")
    kind = numpy_dtype(dtype) if out is None else out_dtype(out, dtype, "empty_permuted")
    memory = placed(np.empty([shape[d] for d in order], kind), require_available(device))
    result = make_tensor(memory.transpose([order.index(d) for d in range(len(order))]))
    if out is not None:
        return write_out(out, result, "empty_permuted")
    return result.requires_grad_(True) if requires_grad else result


def zero_(input: Tensor) -> Tensor:
    """Every element set to 0, in place."""
    return input.zero_()  # type: ignore[no-any-return]


def fill_(input: Tensor, value: Any) -> Tensor:
    """Every element set to ``value``, in place."""
    return input.fill_(value)  # type: ignore[no-any-return]


def resize_as_(input: Tensor, the_template: Tensor, *, memory_format: object = None) -> Tensor:
    """``input`` resized in place to the shape of ``the_template``; what is new is uninitialised."""
    return input.resize_as_(the_template, memory_format=memory_format)  # type: ignore[no-any-return]


METHODS: dict[str, Any] = {}
