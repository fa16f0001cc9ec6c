"""``Measurement``: the times of one task, and what can be said from them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from .task import TaskSpec

MAX_SIGNIFICANT_FIGURES: Final = 4
# No timer is better than this: fewer figures are significant where the spread happens to be smaller.
_LEAST_INTERVAL: Final = 25e-9
_SPREAD_TO_WARN: Final = 0.1
_SPREAD_TO_WARN_LOUDLY: Final = 0.25
_UNITS: Final = (
    ("ns", 1e-9, "nanosecond"),
    ("us", 1e-6, "microsecond"),
    ("ms", 1e-3, "millisecond"),
    ("s", 1.0, "second"),
)


def select_unit(t: float) -> tuple[str, float]:
    """The unit that suits a time in seconds, and what it is in seconds.

    Example:
        >>> select_unit(3e-5)
        ('us', 1e-06)
    """
    step = math.floor(math.log10(t) / 3 + 1e-9) if t > 0 else -3
    name, factor, _ = _UNITS[min(max(step, -3), 0) + 3]
    return name, factor


def unit_to_english(u: str) -> str:
    """``"us"`` → ``"microsecond"``; ``KeyError`` for what is no unit."""
    return {name: english for name, _, english in _UNITS}[u]


def trim_sigfig(x: float, n: int) -> float:
    """``x`` rounded to ``n`` significant figures.

    Example:
        >>> trim_sigfig(1234.5, 2)
        1200.0
    """
    if n != int(n):
        raise ValueError(f"trim_sigfig: n is {n}; give a whole number")
    if x == 0 or not math.isfinite(x):
        return x
    return round(x, int(n) - math.ceil(math.log10(abs(x))))


def ordered_unique(elements: Iterable[Any]) -> list[Any]:
    """Each element once, in order."""
    return list(dict.fromkeys(elements))


class Measurement:
    """The result of a ``Timer``: ``raw_times`` seconds for ``number_per_run`` runs each.

    Printing it shows the median and the spread; ``times`` are the seconds of one run.

    Example:
        >>> from rushlight.utils.benchmark import Measurement, TaskSpec
        >>> m = Measurement(10, [1e-4, 1.02e-4, 0.98e-4], TaskSpec("f()", "pass"))
        >>> m.median, m.significant_figures
        (1e-05, 1)
    """

    def __init__(
        self,
        number_per_run: int,
        raw_times: list[float],
        task_spec: TaskSpec,
        metadata: dict[Any, Any] | None = None,
    ) -> None:
        self.number_per_run = number_per_run
        self.raw_times = raw_times
        self.task_spec = task_spec
        self.metadata = metadata

    def __getattr__(self, name: str) -> Any:
        # label, stmt, num_threads, …: the task's.
        if name.startswith("_") or name == "task_spec" or not hasattr(TaskSpec, name):
            raise AttributeError(f"'Measurement' object has no attribute {name!r}")
        return getattr(self.task_spec, name)

    @property
    def times(self) -> list[float]:
        """Seconds for one run, from each block of runs."""
        return [time / self.number_per_run for time in self.raw_times]

    def _times(self) -> list[float]:
        if not self.raw_times:
            raise ValueError("Measurement: there are no times; give at least one")
        return self.times

    @property
    def median(self) -> float:
        """The median, in seconds; ``ValueError`` where nothing was measured."""
        return float(np.median(self._times()))

    @property
    def mean(self) -> float:
        """The mean, in seconds."""
        return float(np.mean(self._times()))

    def _quartiles(self) -> tuple[float, float]:
        low, high = np.quantile(self._times(), [0.25, 0.75])
        return float(low), float(high)

    @property
    def iqr(self) -> float:
        """How far the first and the third quartile are apart, in seconds."""
        low, high = self._quartiles()
        return high - low

    @property
    def significant_figures(self) -> int:
        """About how many figures of the median mean something: those of a 90% confidence interval of the middle half."""
        times = sorted(self._times())
        middle = times[len(times) // 4 : math.ceil(3 * len(times) / 4)]
        interval = max(1.645 * float(np.std(middle)) / math.sqrt(len(middle)), _LEAST_INTERVAL)
        figures = math.floor(math.log10(self.median / interval)) if self.median > 0 else 1
        return min(max(figures, 1), MAX_SIGNIFICANT_FIGURES)

    @property
    def has_warnings(self) -> bool:
        """Whether the times differ so much that the median may mean little."""
        return not self.meets_confidence()

    def meets_confidence(self, threshold: float = _SPREAD_TO_WARN) -> bool:
        """Whether the quartiles are closer than ``threshold`` times the median."""
        return self.iqr / self.median < threshold

    @property
    def title(self) -> str:
        """The task's title."""
        return self.task_spec.title

    @property
    def env(self) -> str | None:
        """The environment's name, if it has one."""
        return self.task_spec.env

    @property
    def as_row_name(self) -> str:
        """The sub-label, or else the statement."""
        return self.task_spec.sub_label or self.task_spec.stmt or "[Unknown]"

    def __repr__(self) -> str:
        lines = [object.__repr__(self), self.task_spec.summarize()]
        unit, scale = select_unit(self.median)
        count = len(self.raw_times)
        prefix = "Median: " if count > 1 else ""
        lines.append(f"  {prefix}{self.median / scale:.2f} {unit}")
        if count >= 4:
            low, high = self._quartiles()
            lines.append(f"  IQR:    {self.iqr / scale:.2f} {unit} ({low / scale:.2f} to {high / scale:.2f})")
        measured = "1 measurement" if count == 1 else f"{count} measurements"
        per = "per measurement" if count > 1 else ""
        threads = self.task_spec.num_threads
        lines.append(
            f"  {measured}, {self.number_per_run} runs {per}, {threads} thread{'s' if threads > 1 else ''}"
        )
        if self.has_warnings:
            spread = self.iqr / self.median
            reason = (
                "This suggests significant environmental influence."
                if spread > _SPREAD_TO_WARN_LOUDLY
                else "This could indicate system fluctuation."
            )
            lines.append(f"  WARNING: Interquartile range is {spread * 100:.1f}% of the median measurement.")
            lines.append(f"           {reason}")
        return "\n".join(lines)

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """One measurement for each task, with the times of all of its runs."""
        groups: dict[TaskSpec, list[Measurement]] = {}
        for measurement in measurements:
            groups.setdefault(measurement.task_spec, []).append(measurement)
        return [
            Measurement(1, [time for one in group for time in one.times], task)
            for task, group in groups.items()
        ]
