"""Static shapes: ``TensorShape`` and ``Dimension``, where an extent, or even the rank, may be unknown."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any


class Dimension:
    """One extent of a static shape; ``value`` is None where it is unknown.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> batch, features = tf.placeholder(tf.float32, [None, 3]).shape
        >>> batch.value, int(features), features * 2
        (None, 3, Dimension(6))
    """

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        if isinstance(value, Dimension):
            value = value._value
        if value is not None:
            try:
                value = operator.index(value)
            except TypeError:
                if int(value) != value:
                    raise ValueError(f"Ambiguous dimension: {value}") from None
                value = int(value)
            if value < 0:
                raise ValueError(f"Dimension {value} must be >= 0")
        self._value: int | None = value

    @property
    def value(self) -> int | None:
        """The extent, or None."""
        return self._value

    def is_compatible_with(self, other: Any) -> bool:
        """Whether the two can be the same extent."""
        other = Dimension(other)
        return self._value is None or other._value is None or self._value == other._value

    def merge_with(self, other: Any) -> Dimension:
        """What is known of the two together; ``ValueError`` if they differ."""
        other = Dimension(other)
        if not self.is_compatible_with(other):
            raise ValueError(f"Dimensions {self} and {other} are not compatible")
        return other if self._value is None else self

    def __repr__(self) -> str:
        return f"Dimension({self._value})"

    def __str__(self) -> str:
        return "?" if self._value is None else str(self._value)

    def __int__(self) -> int:
        if self._value is None:
            raise TypeError("__int__ returned non-int (type NoneType)")
        return self._value

    def __index__(self) -> int:
        return int(self)

    def __hash__(self) -> int:
        return hash(self._value)

    def __eq__(self, other: object) -> Any:
        try:
            other = Dimension(other)
        except (TypeError, ValueError):
            return NotImplemented
        return None if self._value is None or other._value is None else self._value == other._value

    def __ne__(self, other: object) -> Any:
        equal = self.__eq__(other)
        return equal if equal is None or equal is NotImplemented else not equal

    def _with(self, other: Any, combine: Any) -> Any:
        try:
            other = Dimension(other)
        except (TypeError, ValueError):
            return NotImplemented
        if self._value is None or other._value is None:
            return Dimension(None)
        return Dimension(combine(self._value, other._value))

    def _compared(self, other: Any, compare: Any) -> Any:
        other = Dimension(other)
        return None if self._value is None or other._value is None else compare(self._value, other._value)

    def __add__(self, other: Any) -> Any:
        return self._with(other, operator.add)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._with(other, operator.sub)

    def __rsub__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: b - a)

    def __mul__(self, other: Any) -> Any:
        return self._with(other, operator.mul)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        return self._with(other, operator.floordiv)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: b // a)

    __div__ = __floordiv__

    def __mod__(self, other: Any) -> Any:
        return self._with(other, operator.mod)

    def __lt__(self, other: Any) -> Any:
        return self._compared(other, operator.lt)

    def __le__(self, other: Any) -> Any:
        return self._compared(other, operator.le)

    def __gt__(self, other: Any) -> Any:
        return self._compared(other, operator.gt)

    def __ge__(self, other: Any) -> Any:
        return self._compared(other, operator.ge)


class TensorShape:
    """What is known of a tensor's shape before it has a value.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> shape = tf.TensorShape([None, 3])
        >>> shape.as_list(), shape.is_fully_defined(), str(shape)
        ([None, 3], False, '(?, 3)')
    """

    __slots__ = ("extents",)

    def __init__(self, dims: Any) -> None:
        # extents: a tuple of int or None, or None where even the rank is unknown.
        self.extents: tuple[int | None, ...] | None
        if dims is None:
            self.extents = None
        elif isinstance(dims, TensorShape):
            self.extents = dims.extents
        elif isinstance(dims, Sequence) or hasattr(dims, "__iter__"):
            self.extents = tuple([_extent(dim) for dim in dims])
        else:
            self.extents = (_extent(dims),)

    @property
    def ndims(self) -> int | None:
        """The rank, or None."""
        return None if self.extents is None else len(self.extents)

    @property
    def rank(self) -> int | None:
        """The rank, or None."""
        return self.ndims

    @property
    def dims(self) -> list[Dimension] | None:
        """The extents as :class:`Dimension` objects."""
        return None if self.extents is None else [Dimension(extent) for extent in self.extents]

    def as_list(self) -> list[int | None]:
        """The extents as numbers and None; ``ValueError`` if the rank is unknown."""
        if self.extents is None:
            raise ValueError("as_list() is not defined on an unknown TensorShape.")
        return list(self.extents)

    def is_fully_defined(self) -> bool:
        """Whether every extent is known."""
        return self.extents is not None and None not in self.extents

    def num_elements(self) -> int | None:
        """The number of elements, or None."""
        if self.extents is None:
            return None
        count = 1
        for extent in self.extents:
            if extent is None:
                return None
            count *= extent
        return count

    def is_compatible_with(self, other: Any) -> bool:
        """Whether one tensor can have both shapes."""
        other = TensorShape(other)
        if self.extents is None or other.extents is None:
            return True
        return len(self.extents) == len(other.extents) and all(
            a is None or b is None or a == b for a, b in zip(self.extents, other.extents, strict=True)
        )

    def assert_is_compatible_with(self, other: Any) -> None:
        """Raise ``ValueError`` unless the shapes are compatible."""
        if not self.is_compatible_with(other):
            raise ValueError(f"Shapes {self} and {TensorShape(other)} are incompatible")

    def assert_has_rank(self, rank: int) -> None:
        """Raise ``ValueError`` unless the rank is ``rank`` or unknown."""
        if self.ndims not in (None, rank):
            raise ValueError(f"Shape {self} must have rank {rank}")

    def assert_is_fully_defined(self) -> None:
        """Raise ``ValueError`` unless every extent is known."""
        if not self.is_fully_defined():
            raise ValueError(f"Shape {self} is not fully defined")

    def with_rank(self, rank: int) -> TensorShape:
        """This shape, known to have that rank."""
        return self.merge_with([None] * rank)

    def merge_with(self, other: Any) -> TensorShape:
        """What is known of the two together; ``ValueError`` if they differ."""
        found = TensorShape(other)
        if self.extents is None:
            return found
        if found.extents is None:
            return self
        self.assert_is_compatible_with(found)
        return TensorShape([b if a is None else a for a, b in zip(self.extents, found.extents, strict=True)])

    def concatenate(self, other: Any) -> TensorShape:
        """The shape with ``other``'s dimensions after this one's."""
        other = TensorShape(other)
        if self.extents is None or other.extents is None:
            return TensorShape(None)
        return TensorShape(self.extents + other.extents)

    def __bool__(self) -> bool:
        return self.extents is not None

    def __len__(self) -> int:
        if self.extents is None:
            raise ValueError("Cannot take the length of Shape with unknown rank.")
        return len(self.extents)

    def __iter__(self) -> Iterator[Dimension]:
        if self.extents is None:
            raise ValueError("Cannot iterate over a shape with unknown rank.")
        return iter([Dimension(extent) for extent in self.extents])

    def __getitem__(self, key: Any) -> Any:
        if self.extents is None:
            return TensorShape(None) if isinstance(key, slice) else Dimension(None)
        if isinstance(key, slice):
            return TensorShape(self.extents[key])
        return Dimension(self.extents[key])

    def __eq__(self, other: object) -> bool:
        try:
            return self.extents == TensorShape(other).extents
        except (TypeError, ValueError):
            return False

    def __hash__(self) -> int:
        return hash(self.extents)

    def __repr__(self) -> str:
        if self.extents is None:
            return "TensorShape(None)"
        return f"TensorShape({[Dimension(extent) for extent in self.extents]})"

    def __str__(self) -> str:
        if self.extents is None:
            return "<unknown>"
        texts = ["?" if extent is None else str(extent) for extent in self.extents]
        return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"


def _extent(dim: Any) -> int | None:
    if dim is None or (type(dim) is int and dim >= 0):
        return dim
    return Dimension(dim).value


def as_shape(shape: Any) -> TensorShape:
    """``shape`` as a :class:`TensorShape`."""
    return shape if isinstance(shape, TensorShape) else TensorShape(shape)


UNKNOWN = TensorShape(None)
SCALAR = TensorShape([])


def bracketed(shape: TensorShape) -> str:
    """The way in which the runtime's messages write a shape: ``[?,1000]``."""
    if shape.extents is None:
        return "<unknown>"
    return "[" + ",".join("?" if extent is None else str(extent) for extent in shape.extents) + "]"
