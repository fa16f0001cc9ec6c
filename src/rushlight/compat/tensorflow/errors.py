"""The exceptions that running a graph raises, named and numbered as TensorFlow's."""

from __future__ import annotations

from typing import Any


class OpError(Exception):
    """Something went wrong while a graph ran: ``op`` is the operation, ``message`` what happened."""

    code = 2

    def __init__(
        self, node_def: Any = None, op: Any = None, message: str = "", error_code: int | None = None
    ) -> None:
        super().__init__(message)
        self._node_def, self._op, self._message = node_def, op, message
        self._error_code = self.code if error_code is None else error_code

    @property
    def message(self) -> str:
        """What happened."""
        return self._message

    @property
    def op(self) -> Any:
        """The operation that failed, where it is known."""
        return self._op

    @property
    def node_def(self) -> Any:
        """The description of the operation that failed."""
        return self._node_def

    @property
    def error_code(self) -> int:
        """TensorFlow's number of this kind of error."""
        return self._error_code

    def __str__(self) -> str:
        return self._message

    def __reduce__(self) -> Any:
        return type(self), (None, None, self._message, self._error_code)


class CancelledError(OpError):
    """The operation was cancelled."""

    code = 1


class UnknownError(OpError):
    """A cause that has no number, such as an exception in a Python function of the program."""

    code = 2


class InvalidArgumentError(OpError):
    """An operation was given a value that it cannot work on."""

    code = 3


class DeadlineExceededError(OpError):
    """The time for the operation was over."""

    code = 4


class NotFoundError(OpError):
    """A file, or a name in a file, does not exist."""

    code = 5


class AlreadyExistsError(OpError):
    """What was to be made exists."""

    code = 6


class PermissionDeniedError(OpError):
    """The program may not do this."""

    code = 7


class ResourceExhaustedError(OpError):
    """There is not enough memory or disk."""

    code = 8


class FailedPreconditionError(OpError):
    """The state does not allow the operation: above all, a variable was read before it was initialised."""

    code = 9


class AbortedError(OpError):
    """The operation was aborted."""

    code = 10


class OutOfRangeError(OpError):
    """There is no more data."""

    code = 11


class UnimplementedError(OpError):
    """There is no implementation of what was asked for."""

    code = 12


class InternalError(OpError):
    """Rushlight broke one of its own promises."""

    code = 13


class UnavailableError(OpError):
    """The service is not there."""

    code = 14


class DataLossError(OpError):
    """A file is damaged."""

    code = 15


class UnauthenticatedError(OpError):
    """The caller is not known."""

    code = 16


OK = 0
(CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED) = (
    range(1, 8)
)
(RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED, INTERNAL, UNAVAILABLE) = (
    range(8, 15)
)
DATA_LOSS, UNAUTHENTICATED = 15, 16
