"""What a call does in Python besides asking things of tensors: watched once, to know whether it may be left out later.

A ``Witness`` is told of every function that starts while it watches, in Python or in C. From that it knows which code of the
program ran, so which names it may have read (``PythonState`` takes these down), and whether it did something that a later
call would have to do again: read a clock, print, draw from Python's generators, keep a result in an attribute. It must never
call a function harmless that is not: what it does not know counts against the call.
"""

from __future__ import annotations

import _thread
import builtins
import gc
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from contextvars import ContextVar
from types import (
    BuiltinFunctionType,
    CodeType,
    FrameType,
    GeneratorType,
    MappingProxyType,
    MethodDescriptorType,
    ModuleType,
)
from typing import Any, Final

import numpy as np

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
    (
        "math", "cmath", "_operator", "operator", "_functools", "_abc", "_typing", "numpy", "_bisect", "_heapq", "_collections",
        "_string",
    )
)  # fmt: skip
_HARMLESS_OF_SYS: Final = frozenset(("exc_info", "getrecursionlimit", "getsizeof", "intern", "is_finalizing"))
# Changes of attributes: what is left of them when the call ends, ``PythonState`` sees.
_LOOKS_FOR_MODULES: Final = frozenset(
    ("_find_and_load", "_gcd_import", "_handle_fromlist", "_find_spec", "find_spec")
)
_LOCKS: Final = (_thread.LockType, _thread.RLock)
_SETTING: Final = frozenset(("setattr", "delattr"))
# Kinds of objects whose methods change nothing outside of them, and which are compared if they are the program's.
_COMPARED: Final[tuple[type, ...]] = (
    list, dict, OrderedDict, defaultdict, Counter, deque, type(OrderedDict().values()), type(OrderedDict().items()),
    type(OrderedDict().keys()), tuple, str, bytes, int, float, complex, bool, slice, range, frozenset, set, type(None),
    type({}.keys()), type({}.values()), type({}.items()), MappingProxyType, GeneratorType,
)  # fmt: skip
_NUMBERS: Final = (np.generic, np.dtype)
_OF_PATTERNS: Final = ("re.Pattern", "re.Match")
# Methods that every object has and that change nothing.
_OF_OBJECTS: Final = frozenset(
    ("__dir__", "__format__", "__init_subclass__", "__sizeof__", "__subclasshook__")
)
# Python's own modules whose functions in Python do no more than they are asked to.
_TRUSTED: Final = frozenset(
    (
        "contextlib", "functools", "typing", "enum", "abc", "collections", "_collections_abc", "dataclasses", "types",
        "operator", "copy", "numbers", "string", "re", "inspect", "warnings", "logging", "textwrap", "heapq", "bisect",
        "keyword", "typing_extensions", "reprlib", "_weakrefset", "importlib._bootstrap", "_frozen_importlib",
    )
)  # fmt: skip
# What they have of their own is Python's state, not the program's.
_NO_GLOBALS: Final[dict[str, Any]] = {}
# Modules in C that the library itself asks for what only the outside knows.
_OUTSIDE: Final = frozenset(("time", "io", "_io", "posix", "nt", "_socket", "_random", "_warnings"))
# Which kernels of the library's are compiled already is no part of what a call does.
_COMPILER: Final = LIBRARY + "compiler"
_PROFILER: Final = LIBRARY + "profiler"
# Of the library: what has an effect beside tensors, by name; and the packages whose functions only work on tensors.
EFFECTS: Final = frozenset(
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
        "fft", "special", "distributions", "vision.models", "vision.ops",
        "vision.transforms.functional", "utils.checkpoint",
        "missing",  # finds names of the package when they are first used
        "symbolic", "overrides", "overriding", "masked", "utils._pytree", "assertions",
    )
)  # fmt: skip
# Functions of other packages of the library that ask for what does not change while a program runs.
_CONSTANT: Final = frozenset(
    (
        "is_tensor", "is_storage", "typename", "is_available", "is_built", "device_count", "_get_tracing_state", "_is_tracing",
        "_are_functorch_transforms_active",  # a graph is recorded for calls outside of vmap alone
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
_MADE_BY_PYTHON: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE
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
        self.logged: tuple[str, str] | None = None  # a message that a static graph's recording logs
        self.names: set[str] = set()  # by which getattr and hasattr asked
        self.not_found: list[tuple[Any, str]] = []  # classes and modules, and what they did not have
        self.contexts: list[Any] = []  # context variables that the program asked
        # Until this frame ends, or the function in C that it calls now, nothing counts: and the events that say so.
        self._quiet: FrameType | None = None
        self._ends: tuple[str, ...] = ()
        self.blind = False  # somebody else watches: a profiler, a debugger

    def __enter__(self) -> Witness:
        self.blind = sys.getprofile() is not None or sys.gettrace() is not None
        if not self.blind:
            # The collector would call what others have hung into it (JAX does), in the middle of the program.
            self._collects = gc.isenabled()
            try:
                gc.disable()
                watch_attributes(self)
                sys.setprofile(self._event)
            except BaseException:  # of a signal's handler
                self.__exit__()
                raise
        return self

    def __exit__(self, *exc: object) -> None:
        if not self.blind:
            try:
                sys.setprofile(None)
            finally:
                try:
                    watch_attributes(None)
                finally:
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
        if self._quiet is not None:
            if frame is self._quiet and event in self._ends:
                self._quiet = None
            return
        code = frame.f_code
        if event == "call":
            if id(code) not in self._is_program:
                self._new_code(code, frame)
            if code.co_filename.startswith("<frozen importlib") and code.co_name in _LOOKS_FOR_MODULES:
                self._quiet, self._ends = frame, ("return",)  # the next call finds them there
            elif code.co_name == "reload" and frame.f_globals.get("__name__") == "importlib":
                self.called = self.called or _at("a module is loaded again", code, frame.f_lineno)
            elif code.co_name == "_log" and frame.f_globals.get("__name__") == "logging":
                self._message(frame)
        elif event == "c_call" and self.called is None:
            if self._is_program.get(id(code)):
                if not self._is_harmless(arg, frame):
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

    def _is_harmless(self, function: Any, frame: FrameType) -> bool:
        """Whether the program may call this function in C here."""
        module = frame.f_globals.get("__name__")
        if module in _TRUSTED:
            return not (module == "inspect" and getattr(function, "__name__", "") == "_getframe")
        if self.recording:
            if getattr(function, "__module__", None) == "_warnings":
                # A warning is given when the graph is recorded.
                self._quiet, self._ends = frame, ("c_return", "c_exception")
                return True
            owner = getattr(function, "__self__", None)
            if type(owner) is ContextVar:
                self.contexts.append(owner)
                return True
            if owner is builtins and function.__name__ in _SETTING:
                return True
        return _is_harmless(function)

    def _message(self, frame: FrameType) -> None:
        """``logging.Logger._log`` begins: the message is not filtered out."""
        caller: FrameType | None = frame
        while caller is not None and caller.f_globals.get("__name__") == "logging":
            caller = caller.f_back
        found = _at("a message is logged", (caller or frame).f_code, (caller or frame).f_lineno)
        if self.recording:
            self.logged = self.logged or found
        else:
            self.called = self.called or found
        self._quiet, self._ends = frame, ("return",)

    def _new_code(self, code: CodeType, frame: FrameType) -> None:
        caller = frame.f_back
        if caller is not None and caller.f_code in _NOTING:
            caller = caller.f_back
        called_by_program = None if caller is None else self._is_program.get(id(caller.f_code))
        module = _module(frame)
        beneath = module in _BENEATH or module.startswith("namedtuple_")
        ours = code.co_filename.startswith(LIBRARY)
        self._is_program[id(code)] = program = not ours and not (beneath and called_by_program is False)
        if not program:
            self.library.append((code, frame.f_globals if ours else {}))
        if ours:
            parts = str(frame.f_globals.get("__name__")).split(".")
            on_tensors = any([".".join(parts[1:end]) in _OF_TENSORS for end in (2, 3, 4)])
            # Collectives are part of a static graph, which refuses what it can't hold of them.
            on_tensors = on_tensors or (self.recording and parts[1:2] == ["distributed"])
            harmless = (on_tensors and code.co_name not in EFFECTS) or code.co_name in _CONSTANT
            if not harmless and called_by_program and caller is not None and self.called is None:
                found = _at(f"{code.co_name}() is called", caller.f_code, caller.f_lineno)
                if self.recording and code.co_name in _RECORDED:
                    self.kept = self.kept or found
                else:
                    self.called = found
        if not program:
            return
        name = frame.f_globals.get("__name__")
        self.codes[code] = _NO_GLOBALS if name in _TRUSTED and name != "copy" else frame.f_globals
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
        return function.__objclass__ in _COMPARED or _full_name(function.__objclass__) in _OF_PATTERNS
    if not isinstance(function, BuiltinFunctionType):
        return False
    owner = function.__self__
    if type(owner) is ContextVar:
        return owner in DECIDING and function.__name__ == "get"
    if type(owner) in _LOCKS:  # in a with statement
        return function.__name__ in ("__enter__", "__exit__")
    if owner is builtins:
        return function.__name__ in _HARMLESS
    if owner is sys:
        return function.__name__ in _HARMLESS_OF_SYS
    if owner is None or isinstance(owner, ModuleType):
        return function.__module__ in _HARMLESS_MODULES
    if isinstance(owner, type):
        # (PythonState compares the subclasses of the classes that it met.)
        return (
            owner in _COMPARED
            or function.__name__ in ("__new__", "mro", "__subclasses__", *_OF_OBJECTS)
            or (function.__name__ == "fromkeys" and issubclass(owner, dict))
            or (function.__name__ == "from_iterable" and owner.__module__ == "itertools")
        )
    return _has_harmless(type(owner), function.__name__)


def _has_harmless(kind: type, name: str) -> bool:
    """Whether the method ``name`` of ``kind``, or of the class in C beneath it, changes nothing but what is compared."""
    for base in kind.__mro__:
        if base in _COMPARED or base in _NUMBERS or _full_name(base) in _OF_PATTERNS:
            return True
        if not base.__flags__ & _MADE_BY_PYTHON:
            return base is object and name in _OF_OBJECTS
    return False


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


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


# --- attributes by names that are not in the code ---------------------------------------------------------------------

_getattr, _hasattr = getattr, hasattr
_watching: Final[dict[int, Witness]] = {}  # by thread
_lock: Final = _thread.allocate_lock()


def watch_attributes(witness: Witness | None) -> None:
    """Let ``getattr`` and ``hasattr`` tell ``witness`` what this thread asks for; None: not any more."""
    with _lock:
        if witness is None:
            _watching.pop(_thread.get_ident(), None)
        else:
            _watching[_thread.get_ident()] = witness
        for name, own, noting in (
            ("getattr", _getattr, _noted_getattr),
            ("hasattr", _hasattr, _noted_hasattr),
        ):
            if vars(builtins)[name] in (own, noting):  # else somebody has put a function of theirs there
                vars(builtins)[name] = noting if _watching else own


def _noted_getattr(value: Any, name: str, /, *default: Any) -> Any:
    witness = _watching.get(_thread.get_ident())
    if witness is None:
        return _getattr(value, name, *default)
    if type(name) is str:
        witness.names.add(name)
    try:
        return _getattr(value, name)
    except AttributeError:
        if not default:
            raise
        _note_absence(witness, value, name)
        return default[0]


def _noted_hasattr(value: Any, name: str, /) -> bool:
    witness = _watching.get(_thread.get_ident())
    if witness is None:
        return _hasattr(value, name)
    if type(name) is str:
        witness.names.add(name)
    found = _hasattr(value, name)
    if not found:
        _note_absence(witness, value, name)
    return found


def _note_absence(witness: Witness, value: Any, name: str) -> None:
    if not sys._getframe(2).f_code.co_filename.startswith(LIBRARY):
        witness.not_found.append((value if isinstance(value, type | ModuleType) else type(value), name))


_NOTING: Final = (_noted_getattr.__code__, _noted_hasattr.__code__)
