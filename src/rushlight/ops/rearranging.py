"""Copies with the elements in another order or repeated: flip, roll, rot90, tril, triu, repeat, tile, repeat_interleave."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..core.arguments import check_tensor as check_tensor_argument
from ..core.device import placed, require_available
from ..core.dtypes import INEXACT, dtype, int64
from ..core.history import Node, known_as
from ..core.shapes import alone, as_shape, wrap_dim
from ..core.tensor import Tensor, make_tensor
from ..runtime.batched import Batched
from .define import Primitive
from .dispatch import apply, inplace_form, type_name, write_out
from .index_tensors import read_at
from .movement import clone, expand, handed_over, reshape, transpose
from .numpy_names import numpy_names

# --- triangles --------------------------------------------------------------------------------------------------------


def _pattern(rows: int, columns: int, diagonal: int) -> Any:
    return np.arange(rows)[:, None] >= np.arange(-diagonal, columns - diagonal)


# Programs ask for small triangles again and again; making the pattern takes longer than using it.
_kept_pattern = lru_cache(maxsize=128)(_pattern)


def _below(x: Any, diagonal: int) -> Any:
    rows, columns = x.shape[-2:]
    return (_kept_pattern if rows * columns <= 16384 else _pattern)(rows, columns, diagonal)


def _tril_impl(x: Any, diagonal: int) -> Any:
    return np.where(_below(x, diagonal), x, np.zeros((), x.dtype))


def _triu_impl(x: Any, diagonal: int) -> Any:
    return np.where(_below(x, diagonal - 1), np.zeros((), x.dtype), x)


TRIL: Primitive = Primitive("tril", _tril_impl, lambda g, node: apply(TRIL, (g,), node.attrs))
TRIU: Primitive = Primitive("triu", _triu_impl, lambda g, node: apply(TRIU, (g,), node.attrs))


def _triangle(record: Primitive, input: Tensor, diagonal: int, out: Tensor | None) -> Tensor:
    if input._array.ndim < 2:
        raise RuntimeError(f"{record.name}: input tensor must have at least 2 dimensions")
    result: Tensor = apply(record, (input,), {"diagonal": int(diagonal)})
    return result if out is None else write_out(out, result, record.name)


def tril(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The matrices of the last two dimensions with zeros above the given diagonal.

    Example:
        >>> import rushlight as torch
        >>> torch.tril(torch.ones(2, 3))
        tensor([[1., 0., 0.],
                [1., 1., 0.]])
    """
    return _triangle(TRIL, input, diagonal, out)


def triu(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The matrices of the last two dimensions with zeros below the given diagonal.

    Example:
        >>> import rushlight as torch
        >>> torch.triu(torch.ones(2, 3), 1)
        tensor([[0., 1., 1.],
                [0., 0., 1.]])
    """
    return _triangle(TRIU, input, diagonal, out)


def _triangle_indices(
    name: str,
    row: int,
    col: int,
    inside: Any,
    dtype: dtype | None,
    device: Any,
    layout: Any,
    requires_grad: bool,
) -> Tensor:
    where = require_available(device)
    for what, extent in (("row", row), ("col", col)):
        if extent < 0:
            raise RuntimeError(f"{what} must be non-negative, got{extent}")
    kind = (dtype or int64).numpy
    if kind in INEXACT or kind.kind == "b":
        shown = type_name(kind)
        raise NotImplementedError(f"\"{name}\" not implemented for '{shown}'")
    rows, columns = np.nonzero(inside(np.arange(row)[:, None], np.arange(col)))
    return make_tensor(placed(np.stack((rows, columns)).astype(kind), where))


def tril_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: dtype | None = None,
    device: Any = None,
    layout: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The places of the lower triangle of a (row, col) matrix: their rows and their columns, shape (2, places).

    Example:
        >>> import rushlight as torch
        >>> torch.tril_indices(2, 2)
        tensor([[0, 1, 1],
                [0, 0, 1]])
    """
    return _triangle_indices(
        "tril_indices", row, col, lambda i, j: j - i <= offset, dtype, device, layout, requires_grad
    )


def triu_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: dtype | None = None,
    device: Any = None,
    layout: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The places of the upper triangle of a (row, col) matrix: their rows and their columns, shape (2, places).

    Example:
        >>> import rushlight as torch
        >>> torch.triu_indices(2, 2)
        tensor([[0, 0, 1],
                [0, 1, 1]])
    """
    return _triangle_indices(
        "triu_indices", row, col, lambda i, j: j - i >= offset, dtype, device, layout, requires_grad
    )


# --- flip, roll, rot90 ------------------------------------------------------------------------------------------------

BACKWARDS = slice(None, None, -1)


def _flip_impl(x: Any, dims: tuple[int, ...]) -> Any:
    return x[tuple([BACKWARDS if dim in dims else slice(None) for dim in range(x.ndim)])].copy("K")


FLIP: Primitive = Primitive("flip", _flip_impl, lambda g, node: apply(FLIP, (g,), node.attrs))


def flip(input: Tensor, *args: Any, dims: Any = None) -> Tensor:
    """A copy with the elements along each of ``dims`` in reverse order.

    Example:
        >>> import rushlight as torch
        >>> torch.flip(torch.tensor([[1, 2], [3, 4]]), (0, 1))
        tensor([[4, 3],
                [2, 1]])
    """
    check_tensor_argument("flip", "input", input)
    given = args if dims is None else (dims,)
    if not given:
        raise TypeError('flip() missing 1 required positional arguments: "dims"')
    ndim = input._array.ndim
    wrapped = tuple([wrap_dim(dim, ndim) for dim in as_shape(given, "flip")])
    if len(set(wrapped)) != len(wrapped):
        repeated = next(dim for dim in wrapped if wrapped.count(dim) > 1)
        raise RuntimeError(f"dim {repeated} appears multiple times in the list of dims")
    return apply(FLIP, (input,), {"dims": wrapped if ndim else ()})  # type: ignore[no-any-return]


def fliplr(input: Tensor) -> Tensor:
    """A copy with the second dimension in reverse order.

    Example:
        >>> import rushlight as torch
        >>> torch.fliplr(torch.tensor([[1, 2]]))
        tensor([[2, 1]])
    """
    check_tensor_argument("fliplr", "input", input)
    if input._array.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """A copy with the first dimension in reverse order.

    Example:
        >>> import rushlight as torch
        >>> torch.flipud(torch.tensor([1, 2]))
        tensor([2, 1])
    """
    check_tensor_argument("flipud", "input", input)
    if input._array.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


def _roll_vjp(g: Tensor, node: Node) -> Tensor:
    back = tuple([-shift for shift in node.attrs["shifts"]])
    return apply(ROLL, (g,), {"shifts": back, "dims": node.attrs["dims"]})  # type: ignore[no-any-return]


def _roll_impl(x: Any, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    for shift, dim in zip(shifts, dims, strict=True):
        extent = x.shape[dim]
        if extent:
            cut = extent - shift % extent
            lead = (slice(None),) * dim
            x = np.concatenate((x[(*lead, slice(cut, None))], x[(*lead, slice(0, cut))]), dim)
    return x.copy() if not dims or not x.size else x


ROLL = Primitive("roll", _roll_impl, _roll_vjp)


def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """A copy with the elements moved by ``shifts`` along ``dims``; those that leave at one end come in at the other.

    Without ``dims`` the elements are moved as one row.

    Example:
        >>> import rushlight as torch
        >>> torch.roll(torch.arange(4), 1)
        tensor([3, 0, 1, 2])
    """
    moved: Any = shifts
    over: Any = dims
    by = as_shape((moved,) if alone(moved) else (tuple(moved),), "roll")
    along = () if over is None else as_shape((over,) if alone(over) else (tuple(over),), "roll")
    if not by:
        raise RuntimeError("`shifts` required")
    if not along and len(by) == 1:
        flat = reshape(input, (input._array.size,))
        return handed_over(apply(ROLL, (flat,), {"shifts": by, "dims": (0,)}), input._array.shape)
    if len(by) != len(along):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(by)}, dims:{len(along)}")
    wrapped = tuple([wrap_dim(dim, input._array.ndim, scalar_ok=False) for dim in along])
    return apply(ROLL, (input,), {"shifts": by, "dims": wrapped})  # type: ignore[no-any-return]


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """A copy turned ``k`` times by 90 degrees in the plane of two dimensions, from the first towards the second.

    Example:
        >>> import rushlight as torch
        >>> torch.rot90(torch.tensor([[1, 2], [3, 4]]))
        tensor([[2, 4],
                [1, 3]])
    """
    given = as_shape((tuple(dims),), "rot90")
    ndim = input._array.ndim
    if len(given) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(given)}")
    if ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {ndim}")
    for i, dim in enumerate(given):
        if not -ndim <= dim < ndim:
            raise RuntimeError(f"Rotation dim{i} out of range, dim{i} = {dim}")
    first, second = [wrap_dim(dim, ndim) for dim in given]
    if first == second:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {given[0]} and dim1 = {given[1]}"
        )
    turns = k % 4
    if turns == 0:
        return known_as(clone(input), "Rot90Backward0")
    if turns == 1:
        return known_as(transpose(flip(input, second), first, second), "Rot90Backward0")
    if turns == 2:
        return known_as(flip(input, first, second), "Rot90Backward0")
    return known_as(transpose(flip(input, first), first, second), "Rot90Backward0")


# --- repetition -------------------------------------------------------------------------------------------------------


def repeat(self: Tensor, *args: Any, repeats: Any = None) -> Tensor:
    """A copy in which each dimension is repeated that many times, one after the other; more numbers add dimensions.

    Example:
        >>> import rushlight as torch
        >>> torch.tensor([1, 2]).repeat(2, 2)
        tensor([[1, 2, 1, 2],
                [1, 2, 1, 2]])
    """
    times = as_shape(args if repeats is None else (repeats,), "repeat")
    shape = self._array.shape
    lead = len(times) - len(shape)
    if lead < 0:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor"
        )
    own = (1,) * lead + shape
    target = tuple([n * time for n, time in zip(own, times, strict=True)])
    if any(time < 0 for time in times):
        bad = next(extent for extent in target if extent <= 0)
        raise RuntimeError(f"Trying to create tensor with negative dimension {bad}: {list(target)}")
    spread = [part for pair in zip(times, own, strict=True) for part in pair]
    inserted = [part for n in own for part in (1, n)]
    repeated = expand(reshape(self, tuple(inserted)), tuple(spread))
    return known_as(handed_over(clone(repeated), target), "RepeatBackward0")


def tile(input: Tensor, *args: Any, dims: Any = None) -> Tensor:
    """``repeat`` that takes fewer numbers than dimensions: the missing ones are 1, in front.

    Example:
        >>> import rushlight as torch
        >>> torch.tile(torch.tensor([[1], [2]]), (2,))
        tensor([[1, 1],
                [2, 2]])
    """
    given = args if dims is None else (dims,)
    times = as_shape(given, "tile") if given else ()
    return repeat(input, (1,) * (input._array.ndim - len(times)) + times)


@numpy_names
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element (each slice along ``dim``) repeated, copies side by side.

    ``repeats`` is an int or a vector of ints, one for each slice. With a tensor of counts as the only argument: the number
    i, ``input[i]`` times, for each i. Raises ``RuntimeError`` for counts that are negative or of another length.

    Example:
        >>> import rushlight as torch
        >>> torch.repeat_interleave(torch.tensor([4, 5]), 2)
        tensor([4, 4, 5, 5])
        >>> torch.repeat_interleave(torch.tensor([4, 5]), torch.tensor([1, 2]))
        tensor([4, 5, 5])
        >>> torch.repeat_interleave(torch.tensor([1, 2]))
        tensor([0, 1, 1])
    """
    counts = input if repeats is None else repeats
    if isinstance(counts, Tensor) and type(counts._array) is Batched:
        from .batching import for_each_example  # its rules are built on this package's operations

        return for_each_example(repeat_interleave, (input, repeats, dim), output_size=output_size)  # type: ignore[no-any-return]
    if repeats is None:
        return _slice_numbers(input, None, output_size)
    if not isinstance(repeats, Tensor) and (isinstance(repeats, bool) or not hasattr(repeats, "__index__")):
        raise TypeError(
            f"repeat_interleave() received an invalid combination of arguments - got ({type(repeats).__name__}): repeats must "
            "be an int or a Tensor"
        )
    if dim is None:
        input = reshape(input, (input._array.size,))
        dim = 0
    dim = wrap_dim(dim, input._array.ndim)
    if not input._array.ndim:
        input = reshape(input, (1,))
    if isinstance(repeats, Tensor):
        return read_at(input, (_slice_numbers(repeats, input._array.shape[dim], output_size),), (dim,))
    shape = input._array.shape
    times = int(repeats)
    if times < 0:
        raise RuntimeError("Repeats must be non-negative")
    if output_size is not None and output_size != shape[dim] * times:
        raise RuntimeError(
            f"repeat_interleave: Invalid output_size, expected {shape[dim] * times} but got {output_size}"
        )
    inserted = reshape(input, (*shape[: dim + 1], 1, *shape[dim + 1 :]))
    spread = expand(inserted, (*shape[: dim + 1], times, *shape[dim + 1 :]))
    return handed_over(clone(spread), (*shape[:dim], shape[dim] * times, *shape[dim + 1 :]))


def _numbers_impl(counts: Any, extent: int) -> Any:
    return np.repeat(np.arange(extent), counts)


REPEATED_NUMBERS = Primitive("repeated_numbers", _numbers_impl, value_dependent=True)


def _slice_numbers(repeats: Tensor, extent: int | None, output_size: int | None) -> Tensor:
    """The number of the slice at each place of the result."""
    counts = repeats._array
    if counts.ndim > 1 or (extent is None and counts.ndim != 1):
        raise RuntimeError(
            "repeats must be 0-dim or 1-dim tensor"
            if extent is not None
            else "repeat_interleave only accept 1D vector as repeat"
        )
    if counts.dtype.kind not in "iu" or counts.dtype.itemsize < 4:
        if extent is None or counts.dtype.kind not in "iu":
            raise NotImplementedError(
                f"\"repeat_interleave_cpu\" not implemented for '{type_name(repeats._array.dtype)}'"
            )
        raise RuntimeError("repeats has to be Long or Int tensor")
    if extent is not None and counts.ndim and counts.size not in (1, extent):
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{counts.size} and input.size(0) = {extent}"
        )
    if counts.size and int(counts.min()) < 0:
        raise RuntimeError("repeats can not be negative")
    numbers: Tensor = apply(
        REPEATED_NUMBERS, (repeats,), {"extent": counts.size if extent is None else extent}
    )
    if output_size is not None and output_size != numbers._array.size:
        raise RuntimeError("allocated size does not match required size")
    return numbers


def _reversed(self: Tensor) -> Tensor:
    return flip(self, 0) if self._array.ndim else self


METHODS: dict[str, Any] = {
    "__reversed__": _reversed,
    "tril": tril,
    "tril_": inplace_form("tril", tril, keeps_inputs=False),
    "triu": triu,
    "triu_": inplace_form("triu", triu, keeps_inputs=False),
    "flip": flip,
    "fliplr": fliplr,
    "flipud": flipud,
    "roll": roll,
    "rot90": rot90,
    "repeat": repeat,
    "tile": tile,
    "repeat_interleave": repeat_interleave,
}
