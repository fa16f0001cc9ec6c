"""``Timer``: how long a statement takes, measured so that two ways of doing one thing can be compared."""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any, Final, NoReturn

import numpy as np

from ...core.threads import get_num_threads, set_num_threads
from .measurement import Measurement
from .task import TaskSpec

timer = timeit.default_timer
# A block of runs is long enough when reading the clock is this small a part of it.
_LARGEST_OVERHEAD: Final = 1e-4


class Language(Enum):
    """What a statement is written in: Python here."""

    PYTHON = 0
    CPP = 1


@contextmanager
def set_torch_threads(n: int) -> Iterator[None]:
    """Compute with ``n`` threads in this block."""
    before = get_num_threads()
    try:
        set_num_threads(n)
        yield
    finally:
        set_num_threads(before)


def _dedented(text: str) -> str:
    import textwrap

    return textwrap.dedent(text.lstrip("\n") if text[:1] == "\n" else text).rstrip()


class Timer:
    """Measures a statement, with warm-up runs before and as many threads as it is told.

    Args:
        stmt: Python code, of several lines if need be; ``torch`` is a known name in it.
        setup: code to run once before.
        timer: gives the time in seconds.
        globals: the other names that ``stmt`` may use.
        label, sub_label, description: what a ``Compare`` lays its table out by: title, row, column.
        env: a name for rows that differ in nothing else, such as two versions.
        num_threads: threads to compute with; one by default, as in PyTorch.

    Raises ``ValueError`` for a statement that is no text, ``NotImplementedError`` for C++.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.utils.benchmark import Timer
        >>> m = Timer("torch.add(x, x)", globals={"x": torch.ones(3)}).timeit(10)
        >>> m.number_per_run, len(m.times), m.median > 0
        (10, 1, True)
    """

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: Language | str = Language.PYTHON,
    ) -> None:
        if not isinstance(stmt, str):
            raise ValueError("Currently only a `str` stmt is supported.")
        if language not in (Language.PYTHON, "py", "python"):
            raise NotImplementedError(
                f"Timer: language {language!r}; only Python statements can be measured, there is no C++ compiler"
            )
        if global_setup:
            raise ValueError(
                f"global_setup is C++ only, got `{global_setup}`. Most likely this code can simply be moved to `setup`."
            )
        names = dict(globals or {})
        names.setdefault("torch", sys.modules["rushlight"])
        stmt, setup = _dedented(stmt), _dedented(setup)
        self._timer = timeit.Timer(stmt=stmt, setup=setup, timer=timer, globals=names)
        self._task_spec = TaskSpec(stmt, setup, global_setup, label, sub_label, description, env, num_threads)

    def _timeit(self, number: int) -> float:
        # Never 0, which nothing could be divided by: some clocks are coarse.
        return max(self._timer.timeit(number), 1e-9)

    def timeit(self, number: int = 1_000_000) -> Measurement:
        """``number`` runs in one block, after a few that are not counted."""
        with set_torch_threads(self._task_spec.num_threads):
            self._timeit(max(number // 100, 2))
            return Measurement(number, [self._timeit(number)], self._task_spec)

    def repeat(self, repeat: int = -1, number: int = -1) -> NoReturn:
        """Not there, as in PyTorch: ``NotImplementedError``."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def autorange(self, callback: Callable[[int, float], Any] | None = None) -> NoReturn:
        """Not there, as in PyTorch: ``NotImplementedError``."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def blocked_autorange(
        self, callback: Callable[[int, float], Any] | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        """Blocks of runs until ``min_run_time`` seconds have been measured; the size of a block is found first.

        ``callback(number, seconds)`` is called after each block.
        """
        number = self._block_size(min_run_time)

        def enough(times: list[float]) -> bool:
            return False

        return self._blocks(number, enough, min_run_time, min_run_time, callback)

    def adaptive_autorange(
        self,
        threshold: float = 0.1,
        *,
        min_run_time: float = 0.01,
        max_run_time: float = 10.0,
        callback: Callable[[int, float], Any] | None = None,
    ) -> Measurement:
        """Blocks of runs until the quartiles are closer than ``threshold`` times the median, within these times."""
        number = self._block_size(0.05)

        def enough(times: list[float]) -> bool:
            if len(times) <= 3:
                return False
            return Measurement(number, times, self._task_spec).meets_confidence(threshold)

        return self._blocks(number, enough, min_run_time, max_run_time, callback)

    def _blocks(
        self,
        number: int,
        enough: Callable[[list[float]], bool],
        least: float,
        most: float,
        callback: Callable[[int, float], Any] | None,
    ) -> Measurement:
        times: list[float] = []
        total = 0.0
        with set_torch_threads(self._task_spec.num_threads):
            while total < least or (total < most and not enough(times)):
                taken = self._timeit(number)
                if callback is not None:
                    callback(number, taken)
                total += taken
                times.append(taken)
        return Measurement(number, times, self._task_spec)

    def _block_size(self, min_run_time: float) -> int:
        with set_torch_threads(self._task_spec.num_threads):
            overhead = float(np.median([self._timeit(0) for _ in range(5)]))
            number = 1
            while True:
                taken = self._timeit(number)
                if overhead / taken <= _LARGEST_OVERHEAD and taken >= min_run_time / 1000:
                    break
                if taken > min_run_time:
                    break
                # A coarse or a broken clock must not make this endless.
                if number * 10 > sys.maxsize:
                    break
                number *= 10
        return number

    def collect_callgrind(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not there: ``NotImplementedError``. It counts instructions with valgrind."""
        raise NotImplementedError(
            "Timer.collect_callgrind: Rushlight does not have it; torch.profiler.profile() says what runs inside a "
            "statement, and rushlight.explain() what a compiled function does"
        )
