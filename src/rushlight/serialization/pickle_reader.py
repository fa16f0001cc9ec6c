"""A pickle interpreter that can execute nothing.

Python's own unpickler calls whatever the stream names. This one knows the opcodes that build plain data, asks
``find_global`` what a name stands for, and calls only the ``Constructor`` objects that ``find_global`` hands out.
It reads from a buffer, never trusts a length, and does not recurse, so bad input ends in an exception: never in
executed code, exhausted memory or a crash.
"""

from __future__ import annotations

import pickle
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, Final

from .declared_classes import is_declared

_MARK: Final = object()
_PLAIN_KEYS: Final = frozenset({str, int, float, bool, bytes, complex, type(None)})
_DICTS: Final = (dict, OrderedDict, Counter)
_KEY_SIZE_LIMIT: Final = 1000
_HIGHEST_PROTOCOL: Final = 5


class Constructor:
    """Stands in a stream's place for an allowed class or function. ``build`` must check its arguments itself."""

    __slots__ = ("build", "name")

    def __init__(self, name: str, build: Callable[..., Any]) -> None:
        self.name = name
        self.build = build

    def __repr__(self) -> str:
        return f"<checkpoint constructor {self.name}>"


class Unpickler:
    """Reads one pickled value from ``data``, beginning at ``position``.

    Args:
        data: bytes, or any buffer of bytes.
        find_global: from (module, name) to a ``Constructor`` or a value; must raise ``UnpicklingError`` for others.
        load_persistent: from a persistent identifier to its value.
        set_state: gives an object (first argument) the state that the stream has for it.
        position: where to begin; after ``load``, where the value ended.
    """

    def __init__(
        self,
        data: Any,
        find_global: Callable[[str, str], Any],
        load_persistent: Callable[[Any], Any],
        set_state: Callable[[Any, Any], None],
        position: int = 0,
    ) -> None:
        self._data = memoryview(data)
        self._find_global = find_global
        self._load_persistent = load_persistent
        self._set_state = set_state
        self.position = position
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def load(self) -> Any:
        """The value. ``EOFError`` where the data ends between two instructions, else ``UnpicklingError``."""
        data, end, actions = self._data, len(self._data), _ACTIONS
        start = self.position
        at = start
        try:
            while True:
                at = self.position
                if at >= end:
                    raise EOFError("Ran out of input")
                opcode = data[at]
                self.position = at + 1
                if opcode == 0x2E:  # STOP
                    return self._finish()
                action = actions.get(opcode)
                if action is None:
                    raise pickle.UnpicklingError(
                        f"load: opcode {bytes([opcode])!r} is not allowed in a checkpoint"
                    )
                action(self)
        except (EOFError, pickle.UnpicklingError, RuntimeError, MemoryError):
            raise
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, struct.error) as error:
            raise pickle.UnpicklingError(
                f"load: malformed data at byte {at - start}: {type(error).__name__}: {error}"
            ) from error

    def _finish(self) -> Any:
        value = self._pop()
        if self._stack:
            raise ValueError("values are left over at the end")
        if isinstance(value, Constructor):
            raise ValueError(f"{value.name} is no value")
        return value

    # Reading. A length is checked against what is left before anything is made of it.

    def _take(self, count: int) -> memoryview:
        start = self.position
        stop = start + count
        if stop > len(self._data):
            raise pickle.UnpicklingError("load: pickle data was truncated")
        self.position = stop
        return self._data[start:stop]

    def _take_sized(self, bytes_of_length: int) -> memoryview:
        return self._take(int.from_bytes(self._take(bytes_of_length), "little"))

    def _line(self) -> str:
        # Names are short; looking no further keeps a stream without newlines cheap.
        window = bytes(self._data[self.position : self.position + 1024])
        length = window.find(b"\n")
        if length < 0:
            raise pickle.UnpicklingError("load: pickle data was truncated")
        self.position += length + 1
        return window[:length].decode("utf-8")

    # The stack. Marks lie on it among the values, as a value that no stream can name.

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a mark in place of a value")
        return value

    def _top(self) -> Any:
        value = self._stack[-1]
        if value is _MARK:
            raise ValueError("a mark in place of a value")
        return value

    def _pop_to_mark(self) -> list[Any]:
        stack = self._stack
        at = len(stack) - 1
        while stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise ValueError("no mark on the stack")
        values = stack[at + 1 :]
        del stack[at:]
        return values

    # Instructions

    def protocol(self) -> None:
        version = self._take(1)[0]
        if version > _HIGHEST_PROTOCOL:
            raise ValueError(f"unsupported pickle protocol: {version}")

    def frame(self) -> None:
        self._take(8)

    def mark(self) -> None:
        self._stack.append(_MARK)

    def pop(self) -> None:
        self._stack.pop()

    def pop_mark(self) -> None:
        self._pop_to_mark()

    def duplicate(self) -> None:
        self._push(self._top())

    def memoize(self) -> None:
        self._memo[len(self._memo)] = self._top()

    def put_short(self) -> None:
        self._memo[self._take(1)[0]] = self._top()

    def put_long(self) -> None:
        self._memo[int.from_bytes(self._take(4), "little")] = self._top()

    def get_short(self) -> None:
        self._push(self._memo[self._take(1)[0]])

    def get_long(self) -> None:
        self._push(self._memo[int.from_bytes(self._take(4), "little")])

    def none(self) -> None:
        self._push(None)

    def true(self) -> None:
        self._push(True)

    def false(self) -> None:
        self._push(False)

    def int_1(self) -> None:
        self._push(self._take(1)[0])

    def int_2(self) -> None:
        self._push(int.from_bytes(self._take(2), "little"))

    def int_4(self) -> None:
        self._push(int.from_bytes(self._take(4), "little", signed=True))

    def long_1(self) -> None:
        self._push(int.from_bytes(self._take_sized(1), "little", signed=True))

    def long_4(self) -> None:
        self._push(int.from_bytes(self._take_sized(4), "little", signed=True))

    def float_8(self) -> None:
        self._push(struct.unpack(">d", self._take(8))[0])

    def text_1(self) -> None:
        self._push(str(self._take_sized(1), "utf-8", "surrogatepass"))

    def text_4(self) -> None:
        self._push(str(self._take_sized(4), "utf-8", "surrogatepass"))

    def text_8(self) -> None:
        self._push(str(self._take_sized(8), "utf-8", "surrogatepass"))

    def old_text_1(self) -> None:  # a str of Python 2
        self._push(str(self._take_sized(1), "utf-8"))

    def old_text_4(self) -> None:
        self._push(str(self._take_sized(4), "utf-8"))

    def bytes_1(self) -> None:
        self._push(bytes(self._take_sized(1)))

    def bytes_4(self) -> None:
        self._push(bytes(self._take_sized(4)))

    def bytes_8(self) -> None:
        self._push(bytes(self._take_sized(8)))

    def bytearray_8(self) -> None:
        self._push(bytearray(self._take_sized(8)))

    def empty_tuple(self) -> None:
        self._push(())

    def tuple_1(self) -> None:
        self._push((self._pop(),))

    def tuple_2(self) -> None:
        second = self._pop()
        self._push((self._pop(), second))

    def tuple_3(self) -> None:
        third, second = self._pop(), self._pop()
        self._push((self._pop(), second, third))

    def tuple_to_mark(self) -> None:
        self._push(tuple(self._pop_to_mark()))

    def empty_list(self) -> None:
        self._push([])

    def list_to_mark(self) -> None:
        self._push(self._pop_to_mark())

    def append(self) -> None:
        value = self._pop()
        _expect(self._top(), list).append(value)

    def appends(self) -> None:
        values = self._pop_to_mark()
        _expect(self._top(), list).extend(values)

    def empty_dict(self) -> None:
        self._push({})

    def dict_to_mark(self) -> None:
        items = self._pop_to_mark()
        self._push({})
        _set_items(self._top(), items)

    def set_item(self) -> None:
        value = self._pop()
        key = self._pop()
        _set_items(self._top(), [key, value])

    def set_items(self) -> None:
        items = self._pop_to_mark()
        _set_items(self._top(), items)

    def empty_set(self) -> None:
        self._push(set())

    def add_items(self) -> None:
        values = self._pop_to_mark()
        _expect(self._top(), set).update(map(checked_key, values))

    def frozen_set(self) -> None:
        self._push(frozenset(map(checked_key, self._pop_to_mark())))

    def global_by_line(self) -> None:
        module = self._line()
        self._push(self._find_global(module, self._line()))

    def global_from_stack(self) -> None:
        name, module = self._pop(), self._pop()
        if type(name) is not str or type(module) is not str:
            raise TypeError("a global's name is not a string")
        self._push(self._find_global(module, name))

    def call(self) -> None:
        arguments = self._pop()
        constructor = self._pop()
        if type(constructor) is Constructor:
            self._push(constructor.build(*_expect(arguments, tuple)))
        elif is_declared(constructor):
            self._push(constructor(*_expect(arguments, tuple)))
        else:
            raise TypeError(f"{type(constructor).__name__} can't be called from a checkpoint")

    def new_object(self) -> None:
        # cls.__new__(cls, ...) is a call for the format's own classes: they are constructors.
        if isinstance(self._stack[-2], type) and is_declared(self._stack[-2]):
            arguments = self._pop()
            kind = self._pop()
            self._push(kind.__new__(kind, *_expect(arguments, tuple)))
        else:
            self.call()

    def build(self) -> None:
        state = self._pop()
        self._set_state(self._top(), state)

    def persistent(self) -> None:
        self._push(self._load_persistent(self._pop()))


_ACTIONS: Final[dict[int, Callable[[Unpickler], None]]] = {
    ord(opcode): action
    for opcode, action in {
        "\x80": Unpickler.protocol,
        "\x95": Unpickler.frame,
        "(": Unpickler.mark,
        "0": Unpickler.pop,
        "1": Unpickler.pop_mark,
        "2": Unpickler.duplicate,
        "\x94": Unpickler.memoize,
        "q": Unpickler.put_short,
        "r": Unpickler.put_long,
        "h": Unpickler.get_short,
        "j": Unpickler.get_long,
        "N": Unpickler.none,
        "\x88": Unpickler.true,
        "\x89": Unpickler.false,
        "K": Unpickler.int_1,
        "M": Unpickler.int_2,
        "J": Unpickler.int_4,
        "\x8a": Unpickler.long_1,
        "\x8b": Unpickler.long_4,
        "G": Unpickler.float_8,
        "\x8c": Unpickler.text_1,
        "X": Unpickler.text_4,
        "\x8d": Unpickler.text_8,
        "U": Unpickler.old_text_1,
        "T": Unpickler.old_text_4,
        "C": Unpickler.bytes_1,
        "B": Unpickler.bytes_4,
        "\x8e": Unpickler.bytes_8,
        "\x96": Unpickler.bytearray_8,
        ")": Unpickler.empty_tuple,
        "\x85": Unpickler.tuple_1,
        "\x86": Unpickler.tuple_2,
        "\x87": Unpickler.tuple_3,
        "t": Unpickler.tuple_to_mark,
        "]": Unpickler.empty_list,
        "l": Unpickler.list_to_mark,
        "a": Unpickler.append,
        "e": Unpickler.appends,
        "}": Unpickler.empty_dict,
        "d": Unpickler.dict_to_mark,
        "s": Unpickler.set_item,
        "u": Unpickler.set_items,
        "\x8f": Unpickler.empty_set,
        "\x90": Unpickler.add_items,
        "\x91": Unpickler.frozen_set,
        "c": Unpickler.global_by_line,
        "\x93": Unpickler.global_from_stack,
        "R": Unpickler.call,
        "\x81": Unpickler.new_object,
        "b": Unpickler.build,
        "Q": Unpickler.persistent,
    }.items()
}


def _expect(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{type(value).__name__} in place of {kind.__name__}")
    return value


def _set_items(target: Any, items: list[Any]) -> None:
    if type(target) not in _DICTS:
        raise TypeError(f"{type(target).__name__} in place of dict")
    if len(items) % 2:
        raise ValueError("a key without a value")
    for i in range(0, len(items), 2):
        target[checked_key(items[i])] = items[i + 1]


def checked_key(key: Any) -> Any:
    """``key``, if Python can hash it safely.

    Hashing a tuple recurses in C without a limit, and visits shared parts again for each mention: a small file
    could so crash the interpreter or keep it busy for ever.
    """
    if type(key) in _PLAIN_KEYS:
        return key
    budget, pending = _KEY_SIZE_LIMIT, [key]
    while pending:
        part = pending.pop()
        budget -= 1
        if isinstance(part, tuple | frozenset):
            budget -= len(part)
            if budget >= 0:
                pending.extend(part)
        elif isinstance(part, Constructor | slice):
            raise TypeError(f"unhashable in a checkpoint: {type(part).__name__}")
        if budget < 0:
            raise ValueError(f"a dict key or set element with more than {_KEY_SIZE_LIMIT} parts")
    return key
