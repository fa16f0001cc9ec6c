"""Whether sharing a segment with workers is faster than running it alone, as measured while it runs.

On an idle machine it is, and nothing is tried. When the calling thread often has to sleep for a worker, other programs
have its processor: whether the help is then still worth the waiting depends on the programs and on the system's
scheduler, so both ways are timed, over tens of milliseconds, and the faster one is kept for a while.
"""

from __future__ import annotations

from typing import Final

# Sleeping for less than this share of the time is no reason to try anything.
_CALM: Final = 0.05
# Reviews between trials: of running alone while shared, more after each that failed; and of sharing while alone.
_FIRST_PATIENCE: Final = 4
_MOST_PATIENCE: Final = 32
_ALONE_REVIEWS: Final = 8
# Sharing has become so much slower that an earlier trial says nothing any more.
_CHANGED: Final = 1.5


# What a new measurement counts against all earlier ones: on a busy machine a single one says little.
_NEW: Final = 0.2


class Sharing:
    """One segment's choice. ``review`` is called with the measurements since the last call."""

    __slots__ = ("_compared", "_left", "_patience", "_shared", "_trial", "_when_alone", "alone")

    def __init__(self) -> None:
        self.alone = False
        self._trial = False
        self._left = _FIRST_PATIENCE
        self._patience = _FIRST_PATIENCE
        self._shared = 0.0
        self._when_alone = 0.0
        self._compared = 0.0

    def review(self, spent: int, runs: int, stalled: int) -> bool:
        """Whether to run alone from now on, after ``runs`` runs took ``spent`` nanoseconds, ``stalled`` of them asleep."""
        time = spent / runs
        if self.alone:
            self._after_alone(time)
        else:
            self._after_shared(time, stalled > _CALM * spent)
        return self.alone

    def _after_shared(self, time: float, disturbed: bool) -> None:
        self._shared = _updated(self._shared, time) if disturbed else time
        if self._trial:
            self._trial = False
            if disturbed and self._shared > self._when_alone:
                self.alone, self._left = True, _ALONE_REVIEWS
            return
        if time > _CHANGED * self._compared:
            self._patience, self._left = _FIRST_PATIENCE, min(self._left, _FIRST_PATIENCE)
        # Only what goes on counts: one bad window, when another program's threads were about to rest, is soon over.
        self._left = self._left - 1 if disturbed else self._patience
        if self._left <= 0:
            self.alone, self._trial = True, True

    def _after_alone(self, time: float) -> None:
        self._when_alone = _updated(self._when_alone, time)
        if self._trial:
            self._trial = False
            if self._when_alone < self._shared:
                self._left, self._patience = _ALONE_REVIEWS, _FIRST_PATIENCE
                return
            self.alone = False
            self._compared = self._shared
            self._left = self._patience
            self._patience = min(2 * self._patience, _MOST_PATIENCE)
            return
        self._left -= 1
        if self._left <= 0:
            self.alone, self._trial = False, True


def _updated(mean: float, value: float) -> float:
    return value if not mean else mean + _NEW * (value - mean)
