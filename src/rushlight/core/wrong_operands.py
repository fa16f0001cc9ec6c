"""What is no tensor and is given as one: ``TypeError``, as PyTorch raises, at no cost to the calls that are right.

A question "is this a tensor" on the way of every operation would cost every program. Nobody asks: an operation takes the
fields of what it was given, and Python says ``'str' object has no attribute '_array'``. A ``try`` costs nothing where nothing
is raised, but around the body of every public function it would be a thousand lines that say the same. So it is put around
them here, in one place: each function's code gets a handler behind its end, and its table of exceptions an entry for all that
has none. The handler's instructions are those that the running interpreter makes of a ``try`` in Python.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import CodeType, FunctionType
from typing import Any, Final

from .arguments import type_of
from .storage import LIBRARY
from .tensor import Tensor

_GENERATES: Final = (
    0x20 | 0x80 | 0x200
)  # generators and coroutines run in pieces; none of them is an operation
_MOST_CONSTANTS: Final = 255  # whose numbers fit into one instruction
_MARK: Final = "rushlight: what explains"


class NotATensorError(TypeError, AttributeError):
    """An argument that is no tensor had to be one.

    It is an ``AttributeError`` too: that is what PyTorch raises where a function of its own is written in Python.
    """


def explain() -> None:
    """Called where an exception leaves a public function: raise ``NotATensorError`` if what is no tensor had to be one.

    Errors of the program's own code (in hooks, in functions that ``vmap`` runs) are left alone.
    """
    error = sys.exc_info()[1]
    if type(error) is not AttributeError or error.name is None:  # what Python itself found missing names it
        return
    if isinstance(error.obj, Tensor) or not hasattr(Tensor, error.name):
        return
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or not trace.tb_frame.f_code.co_filename.startswith(LIBRARY):
        return
    frame = sys._getframe(1)
    code = frame.f_code
    wrong, given = error.obj, frame.f_locals
    parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    for name in parameters:
        if given.get(name) is wrong:
            argument = f"argument '{name}'"
            break
    else:
        argument = "an argument"
        for name in parameters:
            value = given.get(name)
            if type(value) in (tuple, list) and any([part is wrong for part in value]):
                argument = f"every element of argument '{name}'"
    raise NotATensorError(
        f"{_name_of(code, given)}(): {argument} must be Tensor, not {type_of(wrong)}"
    ) from None


_SPACES: Final[list[dict[str, Any]]] = []


def _name_of(code: CodeType, given: dict[str, Any]) -> str:
    """The name of the function that runs ``code``, which closures share: those are told apart by their variables."""
    for space in _SPACES:
        for function in space.values():
            if type(function) is FunctionType and function.__code__ is code:
                cells = function.__closure__ or ()
                if all(
                    [
                        cell.cell_contents is given.get(n)
                        for n, cell in zip(code.co_freevars, cells, strict=True)
                    ]
                ):
                    return function.__name__
    return code.co_name


def explain_wrong_operands(spaces: Iterable[dict[str, Any]]) -> None:
    """From now on the functions in ``spaces`` raise ``TypeError`` for what is no tensor."""
    handler = _handler()
    if handler is None:
        return
    made: dict[int, CodeType] = {}
    for space in spaces:
        _SPACES.append(space)
        for name, function in list(space.items()):
            if type(function) is FunctionType and name not in ("__getattr__", "__dir__"):
                code = function.__code__
                if code.co_flags & _GENERATES or not code.co_filename.startswith(LIBRARY):
                    continue
                explaining = made.get(id(code))
                if explaining is None:
                    explaining = _explaining(code, handler)
                    # Functions that share one code go on to share it; a name for the new one, too, ends a second visit.
                    made[id(code)] = made[id(explaining)] = explaining
                if explaining is not code:
                    function.__code__ = explaining


class _Handler:
    """The instructions of ``except: "mark"(); raise``, and where in them the constant's number is."""

    def __init__(
        self, code: bytes, constant: int, table: list[tuple[int, int, int, int]], depth: int
    ) -> None:
        self.code, self.constant, self.table, self.depth = code, constant, table, depth
        # Tracebacks show the function's last line there: pieces of at most eight instructions, no columns, no line further.
        units = len(code) // 2
        self.lines = b"".join([bytes((0xE8 | min(8, units - at) - 1, 0)) for at in range(0, units, 8)])


def _explaining(code: CodeType, handler: _Handler) -> CodeType:
    if len(code.co_consts) >= _MOST_CONSTANTS or explain in code.co_consts:
        return code
    own = code.co_code
    end = len(own)
    table: list[tuple[int, int, int, int]] = []
    at = 0
    if code.co_exceptiontable:
        for entry in _entries(code.co_exceptiontable):
            if entry[0] > at:
                table.append((at, entry[0], end, 0))
            table.append(entry)
            at = entry[1]
    if at < end:
        table.append((at, end, end, 0))
    table.extend(
        [(start + end, stop + end, target + end, depth) for start, stop, target, depth in handler.table]
    )
    instructions = bytearray(handler.code)
    instructions[handler.constant] = len(code.co_consts)
    return code.replace(
        co_code=own + bytes(instructions),
        co_consts=(*code.co_consts, explain),
        co_exceptiontable=_as_bytes(table),
        co_linetable=code.co_linetable + handler.lines,
        co_stacksize=max(code.co_stacksize, handler.depth),
    )


_TEMPLATE: Final = f"def template():\n try:\n  name\n except:\n  {_MARK!r}()\n  raise\n"


def _handler() -> _Handler | None:
    """What the interpreter makes of the template; None where that looks unlike what is understood here."""
    if sys.version_info >= (3, 15):  # not tried
        return None
    import warnings

    space: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a str that is called
        exec(_TEMPLATE, space)
    code: CodeType = space["template"].__code__
    try:
        entries = _entries(code.co_exceptiontable)
        start = entries[0][2]
        load = _load_of_constant(code)
    except (AttributeError, IndexError, ValueError):
        return None
    body = code.co_code[start:]
    table = [(a - start, b - start, c - start, d) for a, b, c, d in entries[1:]]
    if entries[0][3] or not table or min([entry[0] for entry in table]) < 0 or load <= start:
        return None
    return _Handler(body, load - start + 1, table, code.co_stacksize + 1)


def _load_of_constant(code: CodeType) -> int:
    """Where the template's mark is loaded."""
    from opcode import opmap

    wanted = bytes((opmap["LOAD_CONST"], code.co_consts.index(_MARK)))
    found = [at for at in range(0, len(code.co_code), 2) if code.co_code[at : at + 2] == wanted]
    if len(found) != 1:
        raise ValueError("not the one instruction that was expected")
    return found[0]


# --- tables of exceptions: numbers of six bits a byte, the first byte of an entry marked --------------------------------


def _entries(table: bytes) -> list[tuple[int, int, int, int]]:
    """(start, end, handler, depth and what is kept) of each entry, in bytes."""
    numbers: list[int] = []
    value = 0
    for byte in table:
        value = value << 6 | byte & 63
        if not byte & 64:
            numbers.append(value)
            value = 0
    return [
        (2 * numbers[at], 2 * (numbers[at] + numbers[at + 1]), 2 * numbers[at + 2], numbers[at + 3])
        for at in range(0, len(numbers), 4)
    ]


def _as_bytes(entries: list[tuple[int, int, int, int]]) -> bytes:
    written = bytearray()
    for start, stop, target, depth in entries:
        first = len(written)
        for number in (start // 2, (stop - start) // 2, target // 2, depth):
            shift = 6
            while number >> shift:
                shift += 6
            while shift > 6:
                shift -= 6
                written.append(number >> shift & 63 | 64)
            written.append(number & 63)
        written[first] |= 128
    return bytes(written)
