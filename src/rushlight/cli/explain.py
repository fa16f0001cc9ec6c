"""``rushlight explain``: run a program, and show what its compiled functions became."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from rushlight.cli import complain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rushlight.jit.explain import Explanation

USAGE = """\
usage: rushlight explain [--call N] [--html FILE] PROGRAM [ARGS]
       rushlight explain [--call N] [--html FILE] -m MODULE [ARGS]

Runs a program as `rushlight run` does. One call of each function and module that it compiled is watched, and at the
end its native program is shown: kernels, the lines they come from, bytes, FLOPs, time, and the share of what
this machine can do.

options:
  --call N     the call to watch, counted from 1; a function called less often is watched in none (default: 1)
  --html FILE  write a page with the graph drawn, IR and assembly, instead of text; further functions get pages of
               their own: FILE with -2, -3, ... in its name
"""


def main(arguments: Sequence[str]) -> int:
    """Run what ``arguments`` name, then report. Returns ``run``'s exit code, or 2 for a command line that makes no sense.

    Raises:
        BaseException: whatever the program raises, after the report of what was watched until then; and ``OSError`` where a
            page can't be written.
    """
    from rushlight.cli import run

    rest, number, page = list(arguments), 1, None
    while rest and rest[0].startswith("-") and rest[0] != "-m":
        option = rest.pop(0)
        if option in ("-h", "--help"):
            print(USAGE, end="")
            return 0
        if option not in ("--call", "--html") or not rest:
            return complain("rushlight explain", f"unexpected {option!r}", "see `rushlight explain --help`")
        value = rest.pop(0)
        if option == "--html":
            page = os.path.abspath(value)  # the program may change the folder
        elif value.isdecimal() and int(value) > 0:
            number = int(value)
        else:
            return complain("rushlight explain", f"--call takes a whole number from 1 on, not {value!r}")
    if not rest:
        print(USAGE, end="", file=sys.stderr)
        return 2

    from rushlight.jit import compile as compiling

    watched = _Watched(number)
    compiling.watch(watched)
    code = 0
    try:
        code = run.main(rest)
    finally:
        compiling.watch(None)
        if code != 2:  # 2: there was no program
            watched.report(page)
    return code


class _Watched:
    """The compiled functions of a program, and the explanations of their ``number``-th calls."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.functions = 0
        self.explanations: list[Explanation] = []

    def __call__(self, compiled: Callable[..., Any]) -> Callable[..., Any]:
        import functools

        from rushlight.jit.compile import is_compiling
        from rushlight.jit.explain import explain

        self.functions += 1
        calls = 0

        @functools.wraps(compiled)
        def watched(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            if is_compiling():  # called by another compiled function: a part of that one's program
                return compiled(*args, **kwargs)
            calls += 1
            if calls != self.number:
                return compiled(*args, **kwargs)
            explanation = explain(compiled, *args, **kwargs)
            self.explanations.append(explanation)
            return explanation.result

        return watched

    def report(self, page: str | None) -> None:
        sys.stdout.flush()
        if not self.explanations:
            print(
                f"rushlight explain: no compiled function was called {self.number} times ({self.functions} were made); "
                "torch.compile makes them",
                file=sys.stderr,
            )
        for at, explanation in enumerate(self.explanations, 1):
            if page is None:
                print(explanation)
                continue
            root, ending = os.path.splitext(page)
            path = page if at == 1 else f"{root}-{at}{ending}"
            explanation.save(path)
            print(f"{explanation.name}: {path}")
