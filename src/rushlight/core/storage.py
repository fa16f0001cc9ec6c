"""What tensors that share memory share: a version counter, the place of the last change, and the live views."""

from __future__ import annotations

import os
import sys
import weakref
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .tensor import Tensor

from .grad_mode import INFERENCE_MODE

Site = tuple[CodeType, int]
_weak = weakref.ref
LIBRARY: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class Storage:
    """Made for a tensor only once it is viewed, changed in place, or saved as a result; ``None`` until then.

    ``version`` counts in-place changes; ``views`` holds weak references to the differentiable views, parents before
    children, so that an in-place change can give each of them its new history; ``changed_by``/``changed_at`` say which
    operation changed the memory last, and where in the program; ``lent`` is set where a NumPy array of the program's may share
    the memory.
    """

    __slots__ = ("changed_at", "changed_by", "lent", "limit", "version", "views")
    changed_at: Site | None
    changed_by: str
    lent: bool
    limit: int
    version: int
    views: list[weakref.ref[Tensor]] | None

    def __init__(self) -> None:
        # The rest is set by the first view or change: results that are saved for backward make a storage each.
        self.version = 0
        self.views = None

    def add_view(self, view: Tensor) -> None:
        """Remember a differentiable view of this memory, for as long as it lives."""
        views = self.views
        if views is None:
            self.views = [_weak(view)]
            self.limit = 16
        else:
            views.append(_weak(view))
            if len(views) > self.limit:
                self.prune()

    def prune(self) -> None:
        """Forget the views that are gone. The next pruning waits until the list has doubled: constant cost per view."""
        self.views = [view for view in self.views or () if view() is not None]
        self.limit = 2 * len(self.views) + 16

    def mark_changed(self, operation: str) -> None:
        self.changed_by = operation  # first: an inference tensor may refuse here
        self.version += 1
        self.changed_at = program_site()


class InferenceStorage(Storage):
    """Of tensors made in inference mode: no versions, so they can be neither saved for backward nor, outside of that
    mode, changed in place. Whoever saves a tensor reads its version, and whoever changes it in place sets ``changed_by``
    before it writes: that is where these rules are enforced, without a test on the path of other tensors.
    """

    __slots__ = ()

    @property
    def version(self) -> int:
        if INFERENCE_MODE.get():
            return 0
        raise RuntimeError(
            "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
            "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use it in "
            "autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`."
        )

    @version.setter
    def version(self, value: int) -> None:
        pass

    @property
    def changed_by(self) -> str:
        return ""

    @changed_by.setter
    def changed_by(self, value: str) -> None:
        if not INFERENCE_MODE.get():
            raise RuntimeError(
                "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get a "
                "normal tensor before doing inplace update. See https://github.com/pytorch/rfcs/pull/17 for more details."
            )


def program_site(frame: FrameType | None = None) -> Site | None:
    """The innermost place in the running program that is not in this library."""
    if frame is None:
        frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(LIBRARY):
        frame = frame.f_back
    return None if frame is None else (frame.f_code, frame.f_lasti)


def line_of(site: Site) -> int:
    """The number of a site's line in its file."""
    code, offset = site
    for start, stop, number in code.co_lines():
        if start <= offset < stop and number is not None:
            return number
    return code.co_firstlineno


def describe_site(site: Site | None) -> str:
    """``file "x.py", line 3, in f: source text`` for an error message."""
    if site is None:
        return "an unknown line"
    import linecache

    code, line = site[0], line_of(site)
    text = linecache.getline(code.co_filename, line).strip()
    return f'file "{code.co_filename}", line {line}, in {code.co_name}' + (f": {text}" if text else "")
