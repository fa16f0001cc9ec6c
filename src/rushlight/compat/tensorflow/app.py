"""``tf.app``: the start of a program."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NoReturn

from . import flags as flags


def run(main: Callable[[list[str]], Any] | None = None, argv: list[str] | None = None) -> NoReturn:
    """Read the options and call ``main`` (the program's own ``main``) with the other arguments; then exit."""
    rest = flags.FLAGS(sys.argv if argv is None else argv)
    function = main or sys.modules["__main__"].main
    sys.exit(function(rest))
