"""``rushlight run``: a PyTorch program with ``import torch`` answered by Rushlight.

The program runs as ``python program.py`` would run it: as ``__main__``, with its own ``sys.argv``, its folder
first on ``sys.path``, its exit code, and tracebacks that begin at its own first frame. The command takes over
the process that it is called in, and leaves it that way.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import SourceFileLoader
from types import CodeType, ModuleType, TracebackType
from typing import TYPE_CHECKING, NamedTuple

from rushlight.cli import complain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec

USAGE = """\
usage: rushlight run PROGRAM [ARGS]
       rushlight run -m MODULE [ARGS]

Runs a PyTorch program with `import torch`, `torch.nn`, `torch.optim`, `torch.utils.data` and the rest of
`torch` answered by Rushlight. ARGS are the program's own. Processes that the program starts through
multiprocessing get the same; those that it starts in other ways (subprocess) do not.
"""


class _Program(NamedTuple):
    """What is to run: the names are those of the attributes of ``__main__``."""

    file: str
    spec: ModuleSpec | None
    package: str | None
    folder: str  # goes first on sys.path


class _Unusable(Exception):
    """The command line names nothing that can run."""


def main(arguments: Sequence[str]) -> int:
    """Run what ``arguments`` name; returns 0 when the program reaches its end, 2 when there is no program.

    Raises:
        BaseException: whatever the program raises, ``SystemExit`` included.
    """
    from rushlight.compat import alias

    match list(arguments):
        case ["-h" | "--help", *_]:
            print(USAGE, end="")
            return 0
        case ["-m", name, *rest]:
            as_module = True
        case [name, *rest] if not name.startswith("-"):
            as_module = False
        case _:
            print(USAGE, end="", file=sys.stderr)
            return 2
    try:
        alias.install()
    except RuntimeError as error:
        return complain("rushlight run", str(error))
    # While `python -m` imports the packages around a module, its argv[0] is "-m".
    sys.argv[:] = ["-m" if as_module else name, *rest]
    try:
        program = _find_module(name) if as_module else _find_file(name)
        if as_module:
            sys.argv[0] = program.file
        _execute(program)
    except _Unusable as error:
        return complain("rushlight run", str(error))
    except SystemExit:
        raise
    except BaseException as error:
        # The interpreter reports the exception, once the stack is unwound, through sys.excepthook, which may
        # be the program's own. Leaving that to the interpreter keeps exit codes and Ctrl-C as they are.
        _begin_tracebacks_at_the_program(error)
        raise
    return 0


def _find_file(path: str) -> _Program:
    if not os.path.exists(path):
        raise _Unusable(f"no such file: {path!r}; give the path of a Python program, or -m and a module")
    if os.path.isdir(path):
        raise _Unusable(f"{path!r} is a folder; give the path of a Python program, or -m and a module")
    if not os.access(path, os.R_OK):
        raise _Unusable(f"{path!r} cannot be read; check its permissions")
    # As Python does: __file__ keeps a link's name, but its neighbours on sys.path are the real file's.
    folder = os.path.dirname(os.path.realpath(path))
    return _Program(os.path.abspath(path), spec=None, package=None, folder=folder)


def _find_module(name: str) -> _Program:
    from importlib.util import find_spec

    if not all(name.split(".")):
        raise _Unusable(f"{name!r} is not the name of a module; give it in full, like package.module")
    from rushlight.compat import alias

    name = alias.real_name(name)
    folder = os.getcwd()
    _put_first_on_path(folder)
    try:
        spec = find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            name = f"{name}.__main__"
            spec = find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name + ".").startswith(error.name + "."):
            raise  # a package on the way was found, and failed to import something else
        spec = None
    if spec is None:
        raise _Unusable(f"no module named {name!r}; it was looked for in {folder!r} and on Python's path")
    if spec.origin is None or not isinstance(spec.loader, SourceFileLoader):
        raise _Unusable(f"{name!r} has no Python source to run")
    return _Program(spec.origin, spec=spec, package=spec.parent, folder=folder)


def _put_first_on_path(folder: str) -> None:
    """Replace what Python put there for the ``rushlight`` command itself by the program's folder."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _execute(program: _Program) -> None:
    _put_first_on_path(program.folder)
    module = ModuleType("__main__")
    module.__file__ = program.file
    module.__spec__ = program.spec
    module.__package__ = program.package
    module.__loader__ = program.spec.loader if program.spec else SourceFileLoader("__main__", program.file)
    vars(module)["__cached__"] = None
    sys.modules["__main__"] = module
    exec(_compile(program.file), vars(module))


def _compile(path: str) -> CodeType:
    with open(path, "rb") as file:
        source = file.read()
    return compile(source, path, "exec", dont_inherit=True)


def _begin_tracebacks_at_the_program(error: BaseException) -> None:
    report = sys.excepthook

    def excepthook(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
        if value is error:
            trace = _without_our_frames(trace)
            value = value.with_traceback(trace)
        report(kind, value, trace)

    sys.excepthook = excepthook


def _without_our_frames(trace: TracebackType | None) -> TracebackType | None:
    """Drop the frames of the command, above the program, and those of the import alias, below it.

    Frames of Rushlight's operations stay, as PyTorch's do: they tell a user which call failed.
    """
    from rushlight.compat import alias

    frames: list[TracebackType] = []
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file == __file__:
            frames.clear()  # what led here is not the program's
        elif file != alias.__file__:
            frames.append(trace)
        trace = trace.tb_next
    for frame, following in zip(frames, [*frames[1:], None], strict=False):
        frame.tb_next = following
    return frames[0] if frames else None
