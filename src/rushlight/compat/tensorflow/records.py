"""``tf.train.Example`` and its parts: named lists of numbers or bytes, in the protocol-buffer format that record files hold.

The messages have a handful of fields, so they are read and written here; protobuf is not needed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any, Self

from ...utils.event_file import _bytes, _varint


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message, as its number with a whole number (varints) or bytes (anything else).

    Raises ``ValueError`` where the bytes end in the middle of a field or are no message.
    """
    place, size = 0, len(data)
    while place < size:
        key, place = _read_varint(data, place)
        kind = key & 7
        if kind == 0:
            value, place = _read_varint(data, place)
            yield key >> 3, value
            continue
        if kind == 2:
            length, place = _read_varint(data, place)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError("Error parsing message: no such kind of field")
        if place + length > size:
            raise ValueError("Error parsing message: it ends in the middle of a field")
        yield key >> 3, data[place : place + length]
        place += length


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if place >= len(data) or shift > 63:
            raise ValueError("Error parsing message: it ends in the middle of a number")
        byte = data[place]
        place += 1
        result |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return result, place


def _signed(number: int) -> int:
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number


class Message:
    """What all messages can do. ``_parts``: (number, attribute) of each field that is a message."""

    def SerializeToString(self) -> bytes:
        """The message as bytes."""
        raise NotImplementedError

    def MergeFromString(self, data: bytes) -> int:
        """Add what ``data`` says; the number of bytes. ``ValueError`` if it is no such message."""
        raise NotImplementedError

    def ParseFromString(self, data: bytes) -> int:
        """Take over what ``data`` says; the number of bytes. ``ValueError`` if it is no such message."""
        self.Clear()
        return self.MergeFromString(bytes(data))

    @classmethod
    def FromString(cls, data: bytes) -> Self:
        """The message that ``data`` is."""
        made = cls()
        made.ParseFromString(data)
        return made

    def Clear(self) -> None:
        """Empty the message."""
        self.__init__()  # type: ignore[misc]

    def CopyFrom(self, other: Any) -> None:
        """Become equal to ``other``."""
        if other is not self:
            self.ParseFromString(other.SerializeToString())

    def MergeFrom(self, other: Any) -> None:
        """Add what ``other`` says."""
        self.MergeFromString(other.SerializeToString())

    def ByteSize(self) -> int:
        """The length of :meth:`SerializeToString`."""
        return len(self.SerializeToString())

    def _text(self, indent: str) -> str:
        raise NotImplementedError

    def __str__(self) -> str:
        return self._text("")

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._text("") == self._text("")

    __hash__ = None  # type: ignore[assignment]


class _Numbers(list[Any]):
    """The elements of a list message: each is checked, and rounded as the format does."""

    def __init__(self, check: Any) -> None:
        super().__init__()
        self._check = check

    def append(self, item: Any) -> None:
        super().append(self._check(item))

    def extend(self, items: Iterable[Any]) -> None:
        super().extend([self._check(item) for item in items])


class _List(Message):
    """A message with one repeated field, ``value``."""

    def __init__(self, value: Iterable[Any] = ()) -> None:
        self.value = _Numbers(self._checked)
        self.value.extend(value)

    @staticmethod
    def _checked(item: Any) -> Any:
        raise NotImplementedError

    def _shown(self, item: Any) -> str:
        return str(item)

    def _text(self, indent: str) -> str:
        return "".join([f"{indent}value: {self._shown(item)}\n" for item in self.value])


class BytesList(_List):
    """Byte strings: ``BytesList(value=[b"..."])``. ``TypeError`` for anything else."""

    @staticmethod
    def _checked(item: Any) -> bytes:
        if not isinstance(item, bytes):
            raise TypeError(f"{item!r} has type {type(item).__name__}, but expected one of: bytes")
        return bytes(item)

    def SerializeToString(self) -> bytes:
        return b"".join([_bytes(1, item) for item in self.value])

    def MergeFromString(self, data: bytes) -> int:
        self.value.extend([value for number, value in fields(data) if number == 1])
        return len(data)

    def _shown(self, item: bytes) -> str:
        special = {9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 39: "\\'", 92: "\\\\"}
        letters = [special.get(c) or (chr(c) if 32 <= c < 127 else f"\\{c:03o}") for c in item]
        return f'"{"".join(letters)}"'


class FloatList(_List):
    """Numbers, kept as float32: ``FloatList(value=[1.5])``. ``TypeError`` for what is no number."""

    @staticmethod
    def _checked(item: Any) -> float:
        if isinstance(item, str | bytes) or not hasattr(type(item), "__float__"):
            raise TypeError(f"{item!r} has type {type(item).__name__}, but expected one of: int, float")
        number = float(item)
        try:
            return float(struct.unpack("<f", struct.pack("<f", number))[0])
        except OverflowError:
            return float("inf") if number > 0 else float("-inf")

    def SerializeToString(self) -> bytes:
        return _bytes(1, struct.pack(f"<{len(self.value)}f", *self.value)) if self.value else b""

    def MergeFromString(self, data: bytes) -> int:
        for number, value in fields(data):
            if number == 1:
                if len(value) % 4:
                    raise ValueError("Error parsing message: a list of floats ends in the middle of one")
                self.value.extend(struct.unpack(f"<{len(value) // 4}f", value))
        return len(data)

    def _shown(self, item: float) -> str:
        for digits in range(1, 10):
            text = f"{item:.{digits}g}"
            if self._checked(float(text)) == item:
                return repr(float(text))
        return repr(item)


class Int64List(_List):
    """Whole numbers: ``Int64List(value=[3])``. ``TypeError`` for others, ``ValueError`` outside of 64 bits."""

    @staticmethod
    def _checked(item: Any) -> int:
        whole = not isinstance(item, float | str | bytes) and hasattr(type(item), "__index__")
        if not whole and getattr(getattr(item, "dtype", None), "kind", "") != "b":
            raise TypeError(f"{item!r} has type {type(item).__name__}, but expected one of: int")
        number = int(item)
        if not -(2**63) <= number < 2**63:
            raise ValueError(f"Value out of range: {number}")
        return number

    def SerializeToString(self) -> bytes:
        return _bytes(1, b"".join([_varint(item) for item in self.value])) if self.value else b""

    def MergeFromString(self, data: bytes) -> int:
        for number, value in fields(data):
            if number != 1:
                continue
            if isinstance(value, int):
                self.value.append(_signed(value))
                continue
            place = 0
            while place < len(value):
                item, place = _read_varint(value, place)
                self.value.append(_signed(item))
        return len(data)


_LISTS: dict[str, tuple[int, type[_List]]] = {
    "bytes_list": (1, BytesList),
    "float_list": (2, FloatList),
    "int64_list": (3, Int64List),
}


class Feature(Message):
    """One list, ``bytes_list``, ``float_list`` or ``int64_list``: ``Feature(int64_list=Int64List(value=[3]))``."""

    def __init__(
        self,
        bytes_list: BytesList | None = None,
        float_list: FloatList | None = None,
        int64_list: Int64List | None = None,
    ) -> None:
        self._lists: dict[str, _List] = {}
        self._kind: str | None = None
        for name, given in (
            ("bytes_list", bytes_list), ("float_list", float_list), ("int64_list", int64_list),
        ):  # fmt: skip
            if given is not None:
                self._lists[name] = _LISTS[name][1](given.value)
                self._kind = name

    def _list(self, name: str) -> Any:
        found = self._lists.get(name)
        if found is None:
            found = self._lists[name] = _LISTS[name][1]()
        return found

    @property
    def bytes_list(self) -> Any:
        """The byte strings."""
        return self._list("bytes_list")

    @property
    def float_list(self) -> Any:
        """The floats."""
        return self._list("float_list")

    @property
    def int64_list(self) -> Any:
        """The whole numbers."""
        return self._list("int64_list")

    def WhichOneof(self, oneof_group: str = "kind") -> str | None:
        """The name of the list that is set."""
        for name, found in self._lists.items():
            if found.value:
                return name
        return self._kind

    def HasField(self, field_name: str) -> bool:
        """Whether that list is set."""
        if field_name not in _LISTS:
            raise ValueError(f"Protocol message Feature has no field {field_name}.")
        return self.WhichOneof() == field_name

    def SerializeToString(self) -> bytes:
        name = self.WhichOneof()
        return b"" if name is None else _bytes(_LISTS[name][0], self._list(name).SerializeToString())

    def MergeFromString(self, data: bytes) -> int:
        for number, value in fields(data):
            for name, (own, _) in _LISTS.items():
                if number == own:
                    self._lists = {name: self._list(name)}
                    self._kind = name
                    self._lists[name].MergeFromString(value)
        return len(data)

    def _text(self, indent: str) -> str:
        name = self.WhichOneof()
        if name is None:
            return ""
        return f"{indent}{name} {{\n{self._list(name)._text(indent + '  ')}{indent}}}\n"


class _Map(dict[str, Any]):
    """Names with messages; a name that is not there yet gets an empty message, as in protocol buffers."""

    def __init__(self, kind: type[Message], given: Any = None) -> None:
        super().__init__()
        self.kind = kind
        for key, value in dict(given or {}).items():
            self[key].CopyFrom(value)

    def __missing__(self, key: str) -> Any:
        if not isinstance(key, str):
            raise TypeError(f"{key!r} has type {type(key).__name__}, but expected one of: bytes, str")
        made = self[key] = self.kind()
        return made

    def get_or_create(self, key: str) -> Any:
        """The message of that name."""
        return self[key]


class _Named(Message):
    """A message with one field, a map from names to messages."""

    _field: str
    _kind: type[Message]

    def _map(self) -> _Map:
        found: _Map = getattr(self, self._field)
        return found

    def SerializeToString(self) -> bytes:
        entries = [
            _bytes(1, key.encode()) + _bytes(2, value.SerializeToString())
            for key, value in sorted(self._map().items())
        ]
        return b"".join([_bytes(1, entry) for entry in entries])

    def MergeFromString(self, data: bytes) -> int:
        for number, entry in fields(data):
            if number == 1:
                parts = dict(fields(entry))
                key = parts.get(1, b"").decode()
                self._map()[key] = self._kind.FromString(parts.get(2, b""))
        return len(data)

    def _text(self, indent: str) -> str:
        lines = []
        for key, value in sorted(self._map().items()):
            lines.append(f'{indent}{self._field} {{\n{indent}  key: "{key}"\n')
            lines.append(f"{indent}  value {{\n{value._text(indent + '    ')}{indent}  }}\n{indent}}}\n")
        return "".join(lines)


class Features(_Named):
    """Features by name: ``Features(feature={"label": Feature(...)})``."""

    _field, _kind = "feature", Feature

    def __init__(self, feature: Any = None) -> None:
        self.feature = _Map(Feature, feature)


class FeatureList(Message):
    """The features of the steps of a sequence: ``FeatureList(feature=[Feature(...), ...])``."""

    class _Repeated(list[Any]):
        def add(self, **parts: Any) -> Feature:
            """A new feature at the end."""
            made = Feature(**parts)
            self.append(made)
            return made

    def __init__(self, feature: Iterable[Feature] = ()) -> None:
        self.feature = FeatureList._Repeated()
        for one in feature:
            self.feature.add().CopyFrom(one)

    def SerializeToString(self) -> bytes:
        return b"".join([_bytes(1, one.SerializeToString()) for one in self.feature])

    def MergeFromString(self, data: bytes) -> int:
        self.feature.extend([Feature.FromString(value) for number, value in fields(data) if number == 1])
        return len(data)

    def _text(self, indent: str) -> str:
        return "".join([f"{indent}feature {{\n{f._text(indent + '  ')}{indent}}}\n" for f in self.feature])


class FeatureLists(_Named):
    """Lists of features by name."""

    _field, _kind = "feature_list", FeatureList

    def __init__(self, feature_list: Any = None) -> None:
        self.feature_list = _Map(FeatureList, feature_list)


class _Whole(Message):
    """A message whose fields are messages: pairs of a number and a name."""

    _parts: tuple[tuple[int, str], ...]

    def SerializeToString(self) -> bytes:
        return b"".join(
            [_bytes(number, getattr(self, name).SerializeToString()) for number, name in self._parts]
        )

    def MergeFromString(self, data: bytes) -> int:
        names = dict(self._parts)
        for number, value in fields(data):
            if number in names:
                getattr(self, names[number]).MergeFromString(value)
        return len(data)

    def HasField(self, field_name: str) -> bool:
        """Whether there is something in that field."""
        return bool(getattr(self, field_name).SerializeToString())

    def _text(self, indent: str) -> str:
        parts = [(name, getattr(self, name)._text(indent + "  ")) for _, name in self._parts]
        return "".join([f"{indent}{name} {{\n{text}{indent}}}\n" for name, text in parts if text])


class Example(_Whole):
    """What one record of a ``.tfrecords`` file usually is: ``Example(features=Features(feature={...}))``.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> label = tf.train.Feature(int64_list=tf.train.Int64List(value=[3]))
        >>> example = tf.train.Example(features=tf.train.Features(feature={"label": label}))
        >>> tf.train.Example.FromString(example.SerializeToString()).features.feature["label"].int64_list.value
        [3]
    """

    _parts = ((1, "features"),)

    def __init__(self, features: Features | None = None) -> None:
        self.features = Features(features.feature if features is not None else None)


class SequenceExample(_Whole):
    """A sequence: ``context`` has features of the whole, ``feature_lists`` those of its steps."""

    _parts = ((1, "context"), (2, "feature_lists"))

    def __init__(self, context: Features | None = None, feature_lists: FeatureLists | None = None) -> None:
        self.context = Features(context.feature if context is not None else None)
        self.feature_lists = FeatureLists(feature_lists.feature_list if feature_lists is not None else None)
