"""Plain data as a protocol-2 pickle, instruction for instruction as Python's own pickler writes it.

Python's pickler insists on importing whatever it names, and the format names PyTorch's functions, which need not
be there. This one writes any name, and refuses what the reader would refuse, at the time of saving.
"""

from __future__ import annotations

import pickle
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

_BATCH: Final = 1000  # the pickler's own: items between two APPENDS or SETITEMS


class Global(NamedTuple):
    """A class or function, by name."""

    module: str
    name: str


class Call(NamedTuple):
    """A value as the call that makes it anew, its items if it is a dict, and its state."""

    function: Global
    arguments: tuple[Any, ...]
    items: Iterable[tuple[Any, Any]] | None = None
    state: Any = None


class Made(NamedTuple):
    """A value as the call that makes it, and what is then put into it, as ``__reduce_ex__`` gives them."""

    function: Any
    arguments: tuple[Any, ...]
    state: Any = None
    list_items: Any = None
    dict_items: Any = None
    state_setter: Any = None


class Persistent(NamedTuple):
    """A value that is stored elsewhere, by its identifier."""

    identifier: tuple[Any, ...]


_ENCODE: Final = Global("_codecs", "encode")
_LATIN1: Final = "latin1"


def builtin(name: str) -> Global:
    """A builtin under its name of Python 2, which protocol 2 uses."""
    return Global("__builtin__", name)


def _twos_complement(value: int) -> bytes:
    """Little-endian, in as few bytes as hold the sign too."""
    magnitude = value if value >= 0 else ~value
    return value.to_bytes(magnitude.bit_length() // 8 + 1, "little", signed=True)


class Pickler:
    """Writes one value.

    ``reduce`` says how to write a value that is no plain data: as a ``Global``, a ``Call``, whose arguments may hold a
    ``Persistent``, a ``Persistent``, or a ``Made``; it raises ``PicklingError`` for what cannot be written. It is not asked
    about plain data.
    """

    def __init__(self, reduce: Callable[[Any], Global | Call | Made | Persistent]) -> None:
        self._reduce = reduce
        self._out: list[bytes] = []
        # The object is kept with its number: its identity must not be reused while this one works.
        self._memo: dict[int, tuple[int, Any]] = {}
        self._globals: dict[Global, int] = {}
        self._count = 0
        self._path: list[str] = []

    def dump(self, value: Any) -> bytes:
        """The pickle. ``PicklingError``, naming the place, for a value that can't be pickled."""
        self._out.append(b"\x80\x02")
        try:
            self._save(value)
        except (pickle.PicklingError, TypeError) as error:
            if self._path:
                error.add_note(f"save: it is the value at obj{''.join(self._path)}")
            raise
        except RecursionError:
            raise RecursionError("save: the object is nested too deeply; flatten it") from None
        self._out.append(b".")
        return b"".join(self._out)

    def _save(self, value: Any) -> None:
        write = _WRITERS.get(type(value))
        if write is not None:
            write(self, value)
            return
        if self._recall(value):
            return
        reduced = self._reduce(value)
        if isinstance(reduced, Global):
            self._save_global(reduced)
        elif isinstance(reduced, Call):
            self._save_call(reduced, value)
        elif isinstance(reduced, Persistent):
            self._save_persistent(reduced)
        else:
            self._save_made(reduced, value)

    # The memo: what was written once is named by its number after that, so shared parts come back shared.

    def _recall(self, value: Any) -> bool:
        known = self._memo.get(id(value))
        if known is None:
            return False
        self._get(known[0])
        return True

    def _get(self, number: int) -> None:
        self._out.append(b"h%c" % number if number < 256 else b"j" + number.to_bytes(4, "little"))

    def _put(self) -> int:
        number = self._count
        self._count += 1
        self._out.append(b"q%c" % number if number < 256 else b"r" + number.to_bytes(4, "little"))
        return number

    def _remember(self, value: Any) -> None:
        self._memo[id(value)] = (self._put(), value)

    # Writers, one for each type

    def _save_none(self, value: None) -> None:
        self._out.append(b"N")

    def _save_bool(self, value: bool) -> None:
        self._out.append(b"\x88" if value else b"\x89")

    def _save_int(self, value: int) -> None:
        out = self._out
        if 0 <= value <= 0xFF:
            out.append(b"K%c" % value)
        elif 0 <= value <= 0xFFFF:
            out.append(b"M" + value.to_bytes(2, "little"))
        elif -0x80000000 <= value <= 0x7FFFFFFF:
            out.append(b"J" + value.to_bytes(4, "little", signed=True))
        else:
            encoded = _twos_complement(value)
            if len(encoded) < 256:
                out.append(b"\x8a%c" % len(encoded) + encoded)
            else:
                out.append(b"\x8b" + len(encoded).to_bytes(4, "little") + encoded)

    def _save_float(self, value: float) -> None:
        self._out.append(struct.pack(">cd", b"G", value))

    def _save_str(self, value: str) -> None:
        if self._recall(value):
            return
        encoded = value.encode("utf-8", "surrogatepass")
        if len(encoded) > 0xFFFFFFFF:
            raise OverflowError(
                "save: a string of more than 4 GiB cannot be saved; store it as a uint8 tensor"
            )
        self._out.append(b"X" + len(encoded).to_bytes(4, "little") + encoded)
        self._remember(value)

    def _save_bytes(self, value: bytes) -> None:
        if self._recall(value):
            return
        # Python writes b"" as a call of `bytes`, which PyTorch's own safe loading refuses.
        self._save_call(Call(_ENCODE, (str(value, "latin1"), _LATIN1)), value)

    def _save_bytearray(self, value: bytearray) -> None:
        if self._recall(value):
            return
        self._save_call(Call(builtin("bytearray"), (bytes(value),) if value else ()), value)

    def _save_complex(self, value: complex) -> None:
        if self._recall(value):
            return
        self._save_call(Call(builtin("complex"), (value.real, value.imag)), value)

    def _save_range(self, value: range) -> None:
        if self._recall(value):
            return
        self._save_call(Call(builtin("xrange"), (value.start, value.stop, value.step)), value)

    def _save_slice(self, value: slice) -> None:
        if self._recall(value):
            return
        self._save_call(Call(builtin("slice"), (value.start, value.stop, value.step)), value)

    def _save_set(self, value: set[Any] | frozenset[Any]) -> None:
        if self._recall(value):
            return
        self._save_call(Call(builtin(type(value).__name__), (list(value),)), value)

    def _save_counter(self, value: Counter[Any]) -> None:
        if self._recall(value):
            return
        self._save_call(Call(Global("collections", "Counter"), (dict(value),)), value)

    def _save_ordered_dict(self, value: OrderedDict[Any, Any]) -> None:
        if self._recall(value):
            return
        state = vars(value) or None  # a module's state_dict keeps its versions in an attribute
        self._save_call(Call(Global("collections", "OrderedDict"), (), value.items(), state), value)

    def _save_tuple(self, value: tuple[Any, ...]) -> None:
        if not value:
            self._out.append(b")")
            return
        if self._recall(value):
            return
        if len(value) > 3:
            self._out.append(b"(")
        self._save_elements(value)
        if (known := self._memo.get(id(value))) is not None:
            # An element holds this tuple, and so it is written already: drop the elements, name the tuple.
            self._out.append(b"1" if len(value) > 3 else b"0" * len(value))
            self._get(known[0])
            return
        self._out.append(b"t" if len(value) > 3 else (b"\x85", b"\x86", b"\x87")[len(value) - 1])
        self._remember(value)

    def _save_list(self, value: list[Any]) -> None:
        if self._recall(value):
            return
        self._out.append(b"]")
        self._remember(value)
        if len(value) == 1:
            self._save_elements(value)
            self._out.append(b"a")
            return
        for start in range(0, len(value), _BATCH):
            self._out.append(b"(")
            self._save_elements(value[start : start + _BATCH], start)
            self._out.append(b"e")

    def _save_elements(self, values: Iterable[Any], start: int = 0) -> None:
        path = self._path
        for index, element in enumerate(values, start):
            path.append(f"[{index}]")
            self._save(element)
            path.pop()

    def _save_dict(self, value: dict[Any, Any]) -> None:
        if self._recall(value):
            return
        self._out.append(b"}")
        self._remember(value)
        items = list(value.items())
        if len(items) == 1:
            self._save_item(*items[0])
            self._out.append(b"s")
            return
        for start in range(0, len(items), _BATCH):
            self._save_items(items[start : start + _BATCH])

    def _save_items(self, items: list[tuple[Any, Any]]) -> None:
        self._out.append(b"(")
        for key, element in items:
            self._save_item(key, element)
        self._out.append(b"u")

    def _save_item(self, key: Any, value: Any) -> None:
        self._path.append(
            f"[{key!r}]" if isinstance(key, str | int | float) else f"[{type(key).__name__} key]"
        )
        self._save(key)
        self._save(value)
        self._path.pop()

    def _save_global(self, target: Global) -> None:
        number = self._globals.get(target)
        if number is not None:
            self._get(number)
            return
        self._out.append(f"c{target.module}\n{target.name}\n".encode())
        self._globals[target] = self._put()

    def _save_call(self, call: Call, value: Any) -> None:
        self._save_global(call.function)
        self._save_tuple(call.arguments)
        self._out.append(b"R")
        self._remember(value)
        if call.items is not None:
            # Unlike for a plain dict, the pickler ends with one SETITEM where one item is left over.
            items = list(call.items)
            for start in range(0, len(items), _BATCH):
                batch = items[start : start + _BATCH]
                if len(batch) > 1:
                    self._save_items(batch)
                else:
                    self._save_item(*batch[0])
                    self._out.append(b"s")
        if call.state is not None:
            self._save(call.state)
            self._out.append(b"b")

    def _save_made(self, made: Made, value: Any) -> None:
        function, arguments = made.function, tuple(made.arguments)
        name = getattr(function, "__name__", "")
        if name == "__newobj__":
            self._save(arguments[0])
            self._save(arguments[1:])
            self._out.append(b"\x81")
        else:
            if name == "__newobj_ex__":  # which the pickle's protocol cannot say
                import functools

                kind, given, options = arguments
                function, arguments = functools.partial(kind.__new__, kind, *given, **options), ()
            self._save(function)
            self._save(arguments)
            self._out.append(b"R")
        if (known := self._memo.get(id(value))) is not None:
            # An argument holds this object, and so it is written already: drop this one, name that.
            self._out.append(b"0")
            self._get(known[0])
            return
        self._remember(value)
        if made.list_items is not None:
            for element in made.list_items:
                self._save(element)
                self._out.append(b"a")
        if made.dict_items is not None:
            for key, element in made.dict_items:
                self._save_item(key, element)
                self._out.append(b"s")
        if made.state is None:
            return
        if made.state_setter is None:
            self._path.append(" of " + type(value).__qualname__)
            self._save(made.state)
            self._path.pop()
            self._out.append(b"b")
        else:
            self._save(made.state_setter)
            self._save((value, made.state))
            self._out.append(b"R0")

    def _save_persistent(self, reference: Persistent) -> None:
        self._save_tuple(reference.identifier)
        self._out.append(b"Q")


_WRITERS: Final[dict[type, Callable[[Pickler, Any], None]]] = {
    type(None): Pickler._save_none,
    bool: Pickler._save_bool,
    int: Pickler._save_int,
    float: Pickler._save_float,
    str: Pickler._save_str,
    bytes: Pickler._save_bytes,
    bytearray: Pickler._save_bytearray,
    complex: Pickler._save_complex,
    range: Pickler._save_range,
    slice: Pickler._save_slice,
    set: Pickler._save_set,
    frozenset: Pickler._save_set,
    Counter: Pickler._save_counter,
    OrderedDict: Pickler._save_ordered_dict,
    tuple: Pickler._save_tuple,
    list: Pickler._save_list,
    dict: Pickler._save_dict,
    Global: Pickler._save_global,
    Call: lambda self, call: self._save_call(call, call),
    Persistent: Pickler._save_persistent,
}
