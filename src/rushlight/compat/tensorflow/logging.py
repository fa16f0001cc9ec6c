"""``tf.logging``: messages of the program, through Python's ``logging``, under the name ``tensorflow``."""

from __future__ import annotations

import logging as _logging
from typing import Any

DEBUG, INFO, WARN, ERROR, FATAL = _logging.DEBUG, _logging.INFO, _logging.WARN, _logging.ERROR, _logging.FATAL
_logger = _logging.getLogger("tensorflow")


def _ready() -> _logging.Logger:
    """The logger, which writes to standard error unless the program has set something else up."""
    if not _logger.handlers and not _logging.getLogger().handlers:
        handler = _logging.StreamHandler()
        handler.setFormatter(_logging.Formatter(_logging.BASIC_FORMAT.replace("%(name)s", "tensorflow")))
        _logger.addHandler(handler)
        if _logger.level == _logging.NOTSET:
            _logger.setLevel(WARN)
    return _logger


def set_verbosity(v: int) -> None:
    """Show messages from this level on."""
    _ready().setLevel(v)


def get_verbosity() -> int:
    """The level from which messages are shown."""
    return _ready().getEffectiveLevel()


def debug(msg: Any, *args: Any, **options: Any) -> None:
    """A message for those who debug."""
    _ready().debug(msg, *args, **options)


def info(msg: Any, *args: Any, **options: Any) -> None:
    """A message on what goes on."""
    _ready().info(msg, *args, **options)


def warning(msg: Any, *args: Any, **options: Any) -> None:
    """A warning."""
    _ready().warning(msg, *args, **options)


def error(msg: Any, *args: Any, **options: Any) -> None:
    """An error."""
    _ready().error(msg, *args, **options)


def fatal(msg: Any, *args: Any, **options: Any) -> None:
    """An error that ends the program, which is up to the program."""
    _ready().critical(msg, *args, **options)


def log(level: int, msg: Any, *args: Any, **options: Any) -> None:
    """A message of a level."""
    _ready().log(level, msg, *args, **options)


def log_every_n(level: int, msg: Any, n: int, *args: Any) -> None:
    """The first and then every n-th of the messages from a place."""
    count = _counts[msg] = _counts.get(msg, -1) + 1
    if count % n == 0:
        _ready().log(level, msg, *args)


def flush() -> None:
    """Nothing waits."""


_counts: dict[Any, int] = {}
warn = warning
