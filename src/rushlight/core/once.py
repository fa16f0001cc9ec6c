"""Warnings that a program gets once, as PyTorch gives them: of an operation whose use it should change."""

from __future__ import annotations

import sys
import warnings
from typing import Final

from .storage import LIBRARY

_TOLD: Final[set[str]] = set()
# What ``set_warn_always`` set: whether to tell every time.
EVERY_TIME: Final = [False]


def depth_in_library() -> int:
    """The ``stacklevel``, for the caller's ``warnings.warn``, of the first line outside of the library."""
    depth, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(LIBRARY):
        frame = frame.f_back
        depth += 1
    return depth


def warn_once(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the program's line that led here, unless this message was given before.

    A warning that a filter turns into an error counts as given. After ``torch.set_warn_always(True)`` every use warns.
    """
    if message in _TOLD and not EVERY_TIME[0]:
        return
    _TOLD.add(message)
    warnings.warn(message, category, stacklevel=depth_in_library())
