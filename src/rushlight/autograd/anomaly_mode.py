"""Anomaly detection: errors and nans in backward are reported with the forward line that they go back to."""

from __future__ import annotations

import sys
import warnings
from contextvars import ContextVar
from types import FrameType, TracebackType
from typing import Any, Final

import numpy as np

from ..core.history import Node, unwatch_nodes, watch_nodes
from ..core.storage import LIBRARY

__all__ = ["detect_anomaly", "set_detect_anomaly"]


class _Mode:
    enabled = False
    check_nan = True


MODE: Final = _Mode()
# The node whose backward runs now: what it records was caused by it.
_RUNNING: ContextVar[Node | None] = ContextVar("running", default=None)


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return MODE.enabled


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly detection also looks for nan in gradients."""
    return MODE.check_nan


def _switch(enabled: bool, check_nan: bool) -> None:
    if enabled and not MODE.enabled:
        watch_nodes(_remember_origin)
    elif MODE.enabled and not enabled:
        unwatch_nodes(_remember_origin)
    MODE.enabled = enabled
    MODE.check_nan = check_nan


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """Turn anomaly detection on or off until it is set again."""
    if not isinstance(mode, bool) or not isinstance(check_nan, bool):
        raise TypeError("set_anomaly_enabled(): the arguments must be bools")
    _switch(mode, check_nan)


def _remember_origin(node: Node) -> None:
    import traceback

    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(LIBRARY):
        frame = frame.f_back
    node.traceback = "".join(traceback.format_stack(frame))
    node.caused_by = _RUNNING.get()
    node.special = True


class set_detect_anomaly:
    """Turn anomaly detection on or off, at once; as a context manager it is put back at the end.

    Args:
        mode: on or off.
        check_nan: whether a gradient with nan is an error, too.

    Example:
        >>> import rushlight as torch
        >>> with torch.autograd.set_detect_anomaly(True):
        ...     torch.is_anomaly_enabled()
        True
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.prev = MODE.enabled
        self.prev_check_nan = MODE.check_nan
        _switch(bool(mode), bool(check_nan))

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        _switch(self.prev, self.prev_check_nan)


class detect_anomaly:
    """Within this context an error in backward comes with the traceback of the forward operation, and nan is an error.

    Slow: for looking for a mistake, not for training.

    Raises ``RuntimeError`` from ``backward`` where a gradient holds nan (unless ``check_nan=False``).

    Example:
        >>> import rushlight as torch, warnings
        >>> x = torch.zeros(1, requires_grad=True)
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     with torch.autograd.detect_anomaly():
        ...         (x / x).backward()
        Traceback (most recent call last):
        RuntimeError: Function 'DivBackward0' returned nan values in its ...th output. ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        self.prev = False
        self.prev_check_nan = True
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self.prev = MODE.enabled
        self.prev_check_nan = MODE.check_nan
        _switch(True, self.check_nan)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _switch(self.prev, self.prev_check_nan)


def checked_vjp(node: Node, gradient: Any) -> Any:
    """The node's vjp; an error in it, or a nan in what it returns, is reported with the forward operation's place."""
    token = _RUNNING.set(node)
    try:
        gradients = node.operation.vjp(gradient, node)
        if MODE.check_nan:
            _check_nan(node, gradients if type(gradients) is tuple else (gradients,))
    except Exception:
        import warnings

        warnings.warn(f"Error detected in {node.name()}. {_origin(node)}", stacklevel=_level_of_program())
        raise
    finally:
        _RUNNING.reset(token)
    return gradients


def _level_of_program() -> int:
    """The warning's stack level at which the program called backward."""
    level = 1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(LIBRARY):
        frame = frame.f_back
        level += 1
    return level


def _check_nan(node: Node, gradients: tuple[Any, ...]) -> None:
    for i, part in enumerate(gradients):
        if part is not None and part._array.dtype.kind not in "iub" and np.isnan(part._array).any():
            raise RuntimeError(
                f"Function '{node.name()}' returned nan values in its {i}th output. {_origin(node)}".rstrip()
            )


def _origin(node: Node) -> str:
    if node.traceback is None:
        return "No forward pass information available. Enable detect anomaly during forward pass for more information."
    text = f"Traceback of forward call that caused the error:\n{node.traceback}"
    cause = node.caused_by
    while cause is not None:
        text += f"\n\nPrevious calculation was induced by {cause.name()}. "
        if cause.traceback is None:
            return text + (
                "No forward pass information available. Enable detect anomaly during forward pass for more information."
            )
        text += f"Traceback of forward call that induced the previous calculation:\n{cause.traceback}"
        cause = cause.caused_by
    return text
