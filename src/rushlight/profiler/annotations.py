"""``record_function``: a named stretch of a program in a profile."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .arguments import Arguments
from .recording import ANNOTATION, OPEN, SESSIONS, USER_SCOPE, Recorded, now, opened


class record_function:
    """A named stretch of the program: ``with record_function("forward"):``, or a decorator of a function.

    Costs next to nothing while no profile runs. ``args`` is a text to keep with the event.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.profiler import profile, record_function
        >>> with profile() as prof:
        ...     with record_function("forward"):
        ...         y = torch.ones(3) * 2
        >>> [event.name for event in prof.events()]
        ['forward', 'aten::ones', 'aten::mul']
    """

    __slots__ = ("_event", "args", "name")

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self.args = args
        self._event: Recorded | None = None

    def __enter__(self) -> record_function:
        if SESSIONS:
            event = self._event = opened(self.name, ANNOTATION, USER_SCOPE)
            if self.args is not None:
                event.arguments = Arguments([[]], [""], [self.args])
        return self

    def __exit__(self, *exception: object) -> None:
        event, self._event = self._event, None
        if event is not None:
            event.end = now()
            if OPEN.innermost is event:
                OPEN.innermost = event.parent
            else:
                self._leave(event)

    @staticmethod
    def _leave(event: Recorded) -> None:
        """Events that overlap: this one is taken out from under those that began in it."""
        inside = OPEN.innermost
        while inside is not None and inside.parent is not event:
            inside = inside.parent
        if inside is not None:
            inside.parent = event.parent

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        name, args = self.name, self.args

        @functools.wraps(function)
        def recorded(*arguments: Any, **kwargs: Any) -> Any:
            with record_function(name, args):
                return function(*arguments, **kwargs)

        return recorded
