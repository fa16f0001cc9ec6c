"""The ``rushlight`` command."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = """\
usage: rushlight COMMAND ...

commands:
  run PROGRAM [ARGS]    run a PyTorch program with `import torch` answered by Rushlight
  run -m MODULE [ARGS]  the same for a module, as `python -m` would run it
  launch -n N PROGRAM [ARGS]
                        run N processes of it, for torch.distributed (`rushlight launch --help`)
  explain [--html FILE] PROGRAM [ARGS]
                        run it, and show what its compiled functions became (`rushlight explain --help`)
  doctor [--json]       show versions, BLAS, threads, and which optional parts are here
  doctor --coverage PROGRAM
                        list the names of torch that a program uses, and which are missing

options:
  -h, --help            show this text
  --version             show Rushlight's version
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; ``argv`` defaults to the process's arguments.

    Returns:
        The exit code: 0, or 2 for a command line that makes no sense. What a program that is ``run`` raises,
        ``SystemExit`` included, passes through.

    Example:
        >>> main(["--version"])
        rushlight 0.1.0
        0
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    # Each command is imported only when it is asked for: `run` must start as fast as `python` does.
    match arguments:
        case ["run", *rest]:
            from rushlight.cli import run

            if argv is None:
                # What is loaded by now stays until the process ends: no collection of the program's, nor the last one at its
                # end (25 ms), need look at it.
                gc.freeze()
            return run.main(rest)
        case ["launch", *rest]:
            from rushlight.cli import launch

            return launch.main(rest)
        case ["explain", *rest]:
            from rushlight.cli import explain

            return explain.main(rest)
        case ["doctor", *rest]:
            from rushlight.cli import doctor

            try:
                code = doctor.main(rest)
                sys.stdout.flush()
            except BrokenPipeError:  # `rushlight doctor | head` has what it wanted
                # Python flushes once more at exit, and would complain then.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                code = 0
            return code
        case ["-h" | "--help"]:
            print(USAGE, end="")
            return 0
        case ["--version"]:
            from rushlight.version import VERSION

            print(f"rushlight {VERSION}")
            return 0
        case []:
            print(USAGE, end="", file=sys.stderr)
            return 2
    return complain("rushlight", f"unknown command {arguments[0]!r}", "see `rushlight --help`")


def complain(command: str, *parts: str) -> int:
    """Say on stderr what is wrong with a command line, and return the exit code for that."""
    print(f"{command}: {'; '.join(parts)}", file=sys.stderr)
    return 2
