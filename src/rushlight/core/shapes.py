"""Shapes: ``Size``, dimension arguments, and broadcasting."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any, SupportsIndex

Shape = tuple[int, ...]


class Size(tuple[int, ...]):
    """A tensor's shape: a tuple of ints that prints as ``torch.Size([2, 3])``."""

    __slots__ = ()

    def __new__(cls, extents: Iterable[Any] = ()) -> Size:
        """Ints; 0-dim tensors and others that stand for one become ints. ``TypeError`` for anything else."""
        made = tuple.__new__(cls, extents)
        for extent in made:
            if type(extent) is not int:
                return tuple.__new__(cls, [_extent(place, extent) for place, extent in enumerate(made)])
        return made

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    def numel(self) -> int:
        """The number of elements of a tensor of this shape."""
        return count(self)

    def __add__(self, other: tuple[Any, ...]) -> Size:
        return Size(tuple.__add__(self, other))

    def __radd__(self, other: tuple[Any, ...]) -> Size:
        return Size(tuple.__add__(other, self))

    def __mul__(self, times: SupportsIndex) -> Size:
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__

    def __getitem__(self, index: Any) -> Any:
        taken = tuple.__getitem__(self, index)
        return Size(taken) if isinstance(index, slice) else taken

    def __reduce__(self) -> tuple[type[Size], tuple[tuple[int, ...]]]:
        return (Size, (tuple(self),))


def size_of(shape: Shape) -> Size:
    """``Size(shape)`` for what is known to be a tuple of ints: every ``tensor.shape`` makes one."""
    return tuple.__new__(Size, shape)


def _extent(place: int, given: Any) -> Any:
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    try:
        return operator.index(given)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"torch.Size() takes an iterable of 'int' (item {place} is '{type(given).__name__}')"
        ) from None


def count(shape: Iterable[int]) -> int:
    """The number of elements of a tensor of this shape."""
    total = 1
    for extent in shape:
        total *= extent
    return total


def wrap_dim(dim: int, ndim: int, scalar_ok: bool = True) -> int:
    """``dim`` counted from the front; ``IndexError`` outside ``[-ndim, ndim)``. A 0-dim tensor accepts 0 and -1."""
    if type(dim) is int and 0 <= dim < ndim:
        return dim
    limit = ndim if ndim > 0 or not scalar_ok else 1
    if type(dim) is not int:
        dim = _number_of_dim(dim)
    if -limit <= dim < limit:
        return dim + limit if dim < 0 else dim
    _refuse_wide(dim)
    if limit == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    raise IndexError(
        f"Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got {dim})"
    )


def _number_of_dim(dim: Any) -> int:
    """The int that a NumPy integer or a 0-dim tensor of integers stands for; ``TypeError`` for bools and all else."""
    array = getattr(dim, "_array", None)
    kind = type(dim).__name__
    plain = (array.ndim == 0 and array.dtype.kind in "iu") if array is not None else "ndarray" not in kind
    if plain and not kind.startswith("bool"):
        try:
            return operator.index(dim)
        except TypeError:
            pass
    raise TypeError(f"argument 'dim' must be int, not {kind}") from None


def _refuse_wide(number: int) -> None:
    """Raise ``ValueError`` for a number that PyTorch can't take as an int64."""
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError(f"Overflow when unpacking long long: {number}")


def wrap_dims(dims: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """Dimensions counted from the front, without repetition; ``None`` and ``()`` mean all of them."""
    if dims is None:
        return tuple(range(ndim))
    if type(dims) is int and 0 <= dims < ndim:
        return (dims,)
    if isinstance(dims, int) or hasattr(dims, "__index__"):
        dims = operator.index(dims)
        return (wrap_dim(dims, ndim),) if ndim else _checked_scalar_dims((dims,))
    wrapped = tuple([wrap_dim(d, ndim) for d in dims])
    if len(set(wrapped)) != len(wrapped):
        repeated = next(d for d in wrapped if wrapped.count(d) > 1)
        raise RuntimeError(f"dim {repeated} appears multiple times in the list of dims")
    if ndim == 0:
        return ()
    return wrapped if wrapped else tuple(range(ndim))


def _checked_scalar_dims(dims: Sequence[int]) -> tuple[int, ...]:
    for d in dims:
        wrap_dim(d, 0)
    return ()


def alone(given: Any) -> bool:
    """Whether a dimension or a size came as a number and not in a sequence: an int, NumPy's too, or a 0-dim tensor."""
    return isinstance(given, int) or (
        hasattr(given, "__index__") and getattr(getattr(given, "_array", given), "ndim", 0) == 0
    )


def as_shape(args: tuple[Any, ...], what: str = "size") -> Shape:
    """The shape given as ``f(2, 3)``, ``f((2, 3))`` or ``f(Size)``; ints or things with ``__index__``."""
    if (len(args) == 1 and not hasattr(args[0], "__index__")) or (
        len(args) == 1 and isinstance(args[0], tuple | list)
    ):
        args = tuple(args[0])
    try:
        shape = tuple([operator.index(extent) for extent in args])
        if args and (args[0] is True or args[0] is False):  # PyTorch looks at the first alone
            raise TypeError
        return shape
    except TypeError:
        kinds = ", ".join(type(extent).__name__ for extent in args)
        raise TypeError(f"{what}: expected ints or one sequence of ints, got ({kinds})") from None


def _refuse_wide_shape(shape: Shape) -> None:
    for place, extent in enumerate(shape):
        if not -(1 << 63) <= extent < 1 << 63:
            raise TypeError(
                f"argument 'shape' failed to unpack the object at pos {place + 1}: Overflow when unpacking long long: {extent}"
            )


def infer_shape(shape: Shape, numel: int) -> Shape:
    """``shape`` with its one -1 resolved; ``RuntimeError`` when it does not fit ``numel`` elements."""
    if -1 in shape:
        if shape.count(-1) > 1:
            raise RuntimeError("only one dimension can be inferred")
        known = 1
        for extent in shape:
            if extent != -1:
                known *= extent
        if known == 0 and numel == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified "
                "dimension size -1 can be any value and is ambiguous"
            )
        if known <= 0 or numel % known:
            _refuse_wide_shape(shape)
            raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")
        shape = tuple([numel // known if extent == -1 else extent for extent in shape])
    for extent in shape:
        if extent < 0:
            raise RuntimeError(f"invalid shape dimension {extent}")
    if count(shape) != numel:
        _refuse_wide_shape(shape)
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")
    return shape


# Below that many steps along a dimension a result is made without a look at how much memory it needs.
LONG_DIMENSION = 1 << 20


def check_fits(shape: Shape, itemsize: int) -> None:
    """Raise ``RuntimeError`` for a result that no memory holds, before tables of its length are made."""
    for extent in shape:
        _refuse_wide(extent)
    total = count(shape) * itemsize
    if total >= 1 << 63:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)}")
    try:
        _try_memory(total)
    except MemoryError:
        raise RuntimeError(
            f"DefaultCPUAllocator: can't allocate memory: you tried to allocate {total} bytes for a tensor of shape "
            f"{list(shape)}"
        ) from None


def _try_memory(size: int) -> None:
    """Take so much memory and give it back untouched; ``MemoryError`` where there is not as much."""
    from numpy import empty

    empty(size, "u1")


def broadcast_shape(*shapes: Shape) -> Shape:
    """The common shape by broadcasting; ``RuntimeError`` in PyTorch's words where there is none."""
    ndim = max(map(len, shapes), default=0)
    result = [1] * ndim
    for shape in shapes:
        offset = ndim - len(shape)
        for i in range(len(shape) - 1, -1, -1):  # PyTorch names the last dimension that does not fit
            at, extent = i + offset, shape[i]
            if extent != 1 and result[at] != extent:
                if result[at] != 1:
                    raise RuntimeError(
                        f"The size of tensor a ({result[at]}) must match the size of tensor b ({extent}) "
                        f"at non-singleton dimension {at}"
                    )
                result[at] = extent
    return tuple(result)
