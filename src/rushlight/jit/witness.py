"""What a call does in Python besides asking things of tensors: watched once, to know whether it may be left out later.

A ``Witness`` is told of every function that starts while it watches, in Python or in C. From that it knows which code of the
program ran, so which names it may have read (``PythonState`` takes these down), and whether it did something that a later
call would have to do again: read a clock, print, draw from Python's generators, keep a result in an attribute. It must never
call a function harmless that is not: what it does not know counts against the call.
"""

from __future__ import annotations

import builtins
import gc
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from contextvars import ContextVar
from types import BuiltinFunctionType, CodeType, FrameType, MethodDescriptorType, ModuleType
from typing import Any, Final

from ..core.grad_mode import DECIDING
from ..core.storage import LIBRARY

# Functions of Python in C that depend on their arguments alone and change nothing but what ``PythonState`` compares.
_HARMLESS: Final = frozenset(
    (
        "abs", "all", "any", "ascii", "bin", "callable", "chr", "divmod", "format", "getattr", "hasattr", "hash", "hex", "id",
        "isinstance", "issubclass", "iter", "len", "max", "min", "next", "oct", "ord", "pow", "repr", "round", "sorted", "sum",
        "__build_class__",
    )
)  # fmt: skip
# Modules in C of which every function is like that.
_HARMLESS_MODULES: Final = frozenset(
    ("math", "cmath", "_operator", "operator", "_functools", "_abc", "_typing", "numpy")
)
# Kinds of objects whose methods change nothing outside of them, and which are compared if they are the program's.
_COMPARED: Final[tuple[type, ...]] = (
    list, dict, OrderedDict, defaultdict, Counter, deque, type(OrderedDict().values()), type(OrderedDict().items()),
    type(OrderedDict().keys()), tuple, str, bytes, int, float, complex, bool, slice, range, frozenset, set, type(None),
    type({}.keys()), type({}.values()), type({}.items()),
)  # fmt: skip
# Python's own modules whose functions in Python do no more than they are asked to.
_TRUSTED: Final = frozenset(
    (
        "contextlib", "functools", "typing", "enum", "abc", "collections", "_collections_abc", "dataclasses", "types",
        "operator", "copy", "numbers", "string", "re",
    )
)  # fmt: skip
# Modules in C that the library itself asks for what only the outside knows.
_OUTSIDE: Final = frozenset(("time", "io", "_io", "posix", "nt", "_socket", "_random", "_warnings"))
# Which kernels of the library's are compiled already is no part of what a call does.
_COMPILER: Final = LIBRARY + "compiler"
_PROFILER: Final = LIBRARY + "profiler"
# Of the library: what has an effect beside tensors, by name; and the packages whose functions only work on tensors.
_EFFECTS: Final = frozenset(
    (
        "init_process_group", "destroy_process_group", "new_group", "new_subgroups", "init_device_mesh",
        "manual_seed", "seed", "initial_seed", "set_state", "get_state", "set_rng_state", "get_rng_state", "fork_rng",
        "set_default_dtype", "set_default_device", "set_num_threads", "set_printoptions", "set_detect_anomaly", "save", "load",
        "numpy", "tolist", "data_ptr", "__repr__", "__array__", "_version", "storage_offset", "storage",
        "untyped_storage", "is_set_to", "get_num_threads", "get_num_interop_threads",
    )
)  # fmt: skip
# Of these, what a static graph repeats, or refuses where values are not known.
_RECORDED: Final = frozenset(("manual_seed", "numpy", "tolist", "__repr__", "__array__"))
_OF_TENSORS: Final = frozenset(
    (
        "ops", "autograd", "nn", "optim", "core", "tensor_methods", "jit", "runtime", "compiler", "ir", "amp", "func", "linalg",
        "fft", "special", "distributions", "vision.models", "vision.ops", "utils.checkpoint",
        "missing",  # finds names of the package when they are first used
    )
)  # fmt: skip
# What the library is built on: not the program's, where the library calls it.
_BENEATH: Final = sys.stdlib_module_names | {
    "numpy",
    "ml_dtypes",
    "llvmlite",
    "threadpoolctl",
    "mpi4py",
    "cupy",
    "cupyx",
    "cupy_backends",
}
_STORES: Final = frozenset(
    ("STORE_GLOBAL", "DELETE_GLOBAL", "IMPORT_NAME", "IMPORT_STAR", "DELETE_ATTR", "STORE_NAME")
)
_COROUTINES: Final = 0x80 | 0x100 | 0x200  # CO_COROUTINE, CO_ITERABLE_COROUTINE, CO_ASYNC_GENERATOR


class Witness:
    """``with Witness() as witness:`` the call. Then ``codes`` has the program's code that ran, with its globals, and
    ``reason`` says why the call can't be left out (None: it could). ``called`` is the first call of a function that is not
    known to be harmless, as (reason, line), ``kept`` the first thing that may be left behind."""

    def __init__(self, recording: bool = False) -> None:
        """``recording``: a static graph is recorded, which holds some effects or refuses them itself."""
        self.recording = recording
        self.codes: dict[CodeType, dict[str, Any]] = {}
        self.library: list[
            tuple[CodeType, dict[str, Any]]
        ] = []  # the same of the library and what it is built on
        self._is_program: dict[int, bool] = {}  # by id: the library's code may hold what has no hash
        self.called: tuple[str, str] | None = None
        self.kept: tuple[str, str] | None = None
        self.blind = False  # somebody else watches: a profiler, a debugger

    def __enter__(self) -> Witness:
        self.blind = sys.getprofile() is not None or sys.gettrace() is not None
        if not self.blind:
            # The collector would call what others have hung into it (JAX does), in the middle of the program.
            self._collects = gc.isenabled()
            gc.disable()
            sys.setprofile(self._event)
        return self

    def __exit__(self, *exc: object) -> None:
        if not self.blind:
            sys.setprofile(None)
            if self._collects:
                gc.enable()

    @property
    def reason(self) -> str | None:
        """Why the call can't be left out."""
        if self.blind:
            return "a profiler or debugger watches"
        found = self.called or self.kept
        return None if found is None else found[0]

    def saw(self, code: CodeType) -> bool:
        """Whether this code of the library ran."""
        return self.blind or id(code) in self._is_program

    def _event(self, frame: FrameType, event: str, arg: Any) -> None:
        code = frame.f_code
        if event == "call":
            if id(code) not in self._is_program:
                self._new_code(code, frame)
        elif event == "c_call" and self.called is None:
            if self._is_program.get(id(code)):
                if frame.f_globals.get("__name__") not in _TRUSTED and not _is_harmless(arg):
                    self.called = _at(f"{_name_of(arg)}() is called", code, frame.f_lineno)
            elif (
                getattr(arg, "__module__", None) in _OUTSIDE
                and code.co_filename.startswith(LIBRARY)
                and not code.co_filename.startswith(_COMPILER)
                and not (
                    self.recording
                    and (arg.__module__ == "_warnings" or code.co_filename.startswith(_PROFILER))
                )
                and arg.__name__ != "getpid"  # whether a device may be used in this process
            ):
                self.called = _at(f"{_name_of(arg)}() is called", code, frame.f_lineno)

    def _new_code(self, code: CodeType, frame: FrameType) -> None:
        caller = frame.f_back
        called_by_program = None if caller is None else self._is_program.get(id(caller.f_code))
        module = _module(frame)
        beneath = module in _BENEATH or module.startswith("namedtuple_")
        ours = code.co_filename.startswith(LIBRARY)
        self._is_program[id(code)] = program = not ours and not (beneath and called_by_program is False)
        if not program:
            self.library.append((code, frame.f_globals if ours else {}))
        if ours:
            parts = str(frame.f_globals.get("__name__")).split(".")
            on_tensors = ".".join(parts[1:2]) in _OF_TENSORS or ".".join(parts[1:3]) in _OF_TENSORS
            # Collectives are part of a static graph, which refuses what it can't hold of them.
            on_tensors = on_tensors or (self.recording and parts[1:2] == ["distributed"])
            harmless = on_tensors and code.co_name not in _EFFECTS
            if not harmless and called_by_program and caller is not None and self.called is None:
                found = _at(f"{code.co_name}() is called", caller.f_code, caller.f_lineno)
                if self.recording and code.co_name in _RECORDED:
                    self.kept = self.kept or found
                else:
                    self.called = found
        if not program:
            return
        self.codes[code] = frame.f_globals
        if self.kept is None and frame.f_globals.get("__name__") not in _TRUSTED:
            kept = _what_it_keeps(code)
            if kept is not None:
                self.kept = _at(kept[0], code, kept[1])


def _at(what: str, code: CodeType, line: int | None) -> tuple[str, str]:
    return f"{what} in {code.co_name}", f'file "{code.co_filename}", line {line or code.co_firstlineno}'


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]


def _name_of(function: Any) -> str:
    return str(getattr(function, "__qualname__", None) or type(function).__name__)


def _is_harmless(function: Any) -> bool:
    if isinstance(function, MethodDescriptorType):
        return function.__objclass__ in _COMPARED
    if not isinstance(function, BuiltinFunctionType):
        return False
    owner = function.__self__
    if type(owner) is ContextVar:
        return owner in DECIDING and function.__name__ == "get"
    if owner is builtins:
        return function.__name__ in _HARMLESS
    if owner is None or isinstance(owner, ModuleType):
        return function.__module__ in _HARMLESS_MODULES
    kind = owner if isinstance(owner, type) else type(owner)
    # (PythonState compares the subclasses of the classes that it met.)
    of_classes = function.__name__ in ("__new__", "mro", "__subclasses__")
    return kind in _COMPARED or (isinstance(owner, type) and of_classes)


def _what_it_keeps(code: CodeType) -> tuple[str, int | None] | None:
    """What the code may leave behind that no comparison of state would show, and the line; None: nothing."""
    import dis

    if code.co_flags & _COROUTINES:
        return "a coroutine runs", None
    line: int | None = None
    for instruction in dis.get_instructions(code):
        started = instruction.starts_line  # its number; from Python 3.13 on only whether one starts
        if started:
            line = getattr(instruction, "line_number", started)
        name = instruction.opname
        if name in _STORES and not (name == "STORE_NAME" and code.co_name != "<module>"):
            return f"{instruction.argval} is stored or imported", line
        if name in ("STORE_DEREF", "DELETE_DEREF") and instruction.argval in code.co_freevars:
            return f"{instruction.argval} of an enclosing function is changed", line
        if name == "STORE_ATTR" and instruction.argval != "grad" and code.co_name != "__init__":
            return f"the attribute {instruction.argval} is set", line
    return None
