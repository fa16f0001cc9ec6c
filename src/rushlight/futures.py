"""``Future``: a result that comes later, as ``torch.futures`` has it. Callbacks run in the thread that sets the result."""

from __future__ import annotations

__all__ = ["Future", "collect_all", "wait_all"]

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
S = TypeVar("S")


class Future(Generic[T]):
    """A result that some other part of the program will set, once.

    Args:
        devices: accepted, without effect.

    Example:
        >>> import rushlight as torch
        >>> future = torch.futures.Future()
        >>> twice = future.then(lambda done: 2 * done.value())
        >>> future.set_result(3)
        >>> twice.wait()
        6
    """

    def __init__(self, *, devices: Any = None) -> None:
        self._completed = threading.Event()
        self._lock = threading.Lock()
        self._value: Any = None
        self._error: Exception | None = None
        self._callbacks: list[Callable[[Any], Any]] = []

    def done(self) -> bool:
        """Whether there is a result or an exception."""
        return self._completed.is_set()

    def wait(self) -> T:
        """The result, once it is there; raises the exception that was set in its place."""
        self._completed.wait()
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[no-any-return]

    def value(self) -> T:
        """The result, or the exception raised. ``RuntimeError`` before there is one."""
        if not self.done():
            raise RuntimeError("Future.value: there is no result yet; use wait()")
        return self.wait()

    def then(self, callback: Callable[[Future[T]], S]) -> Future[S]:
        """A future for what ``callback`` gives when it is called with this one, completed. Its exceptions become that
        future's."""
        following: Future[S] = Future()

        def run(done: Future[T]) -> None:
            try:
                result = callback(done)
            except Exception as error:
                following.set_exception(error)
            else:
                following.set_result(result)

        self._when_done(run)
        return following

    def add_done_callback(self, callback: Callable[[Future[T]], None]) -> None:
        """Call ``callback`` with this future when it is completed, or now if it is. Its exceptions are printed."""

        def run(done: Future[T]) -> None:
            try:
                callback(done)
            except Exception:
                import traceback

                traceback.print_exc()

        self._when_done(run)

    def _when_done(self, run: Callable[[Any], Any]) -> None:
        with self._lock:
            if not self.done():
                self._callbacks.append(run)
                return
        run(self)

    def set_result(self, result: T) -> None:
        """Complete with a result. ``RuntimeError`` if it is completed already."""
        self._complete(result, None)

    def set_exception(self, result: Exception) -> None:
        """Complete with an exception. ``AssertionError`` for what is none; ``RuntimeError`` if it is completed already."""
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._complete(None, result)

    def _complete(self, value: Any, error: Exception | None) -> None:
        with self._lock:
            if self.done():
                raise RuntimeError(
                    "Attempting to mark a completed Future as complete again. Note that a Future can only be marked "
                    "completed once."
                )
            self._value, self._error = value, error
            self._completed.set()
            callbacks, self._callbacks = self._callbacks, []
        for run in callbacks:
            run(self)


def collect_all(futures: list[Future[Any]]) -> Future[list[Future[Any]]]:
    """A future that is completed, with the list, when all of ``futures`` are; with the first exception if one has any."""
    together: Future[list[Future[Any]]] = Future()
    left = [len(futures)]
    lock = threading.Lock()

    def one_is_done(_: Future[Any]) -> None:
        with lock:
            left[0] -= 1
            if left[0]:
                return
        finish()

    def finish() -> None:
        failed = next((future._error for future in futures if future._error is not None), None)
        if failed is None:
            together.set_result(futures)
        else:
            together.set_exception(failed)

    if not futures:
        finish()
    for future in futures:
        future._when_done(one_is_done)
    return together


def wait_all(futures: list[Future[Any]]) -> list[Any]:
    """The results of all ``futures``, once they are there; raises the first exception among them.

    Example:
        >>> import rushlight as torch
        >>> done = torch.futures.Future()
        >>> done.set_result(1)
        >>> torch.futures.wait_all([done])
        [1]
    """
    return [future.wait() for future in collect_all(futures).wait()]
