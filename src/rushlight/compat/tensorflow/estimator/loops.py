"""Training and evaluation by turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..monitored import CheckpointSaverListener
from .model import Estimator


class TrainSpec(NamedTuple):
    """What :func:`train_and_evaluate` trains with."""

    input_fn: Callable[..., Any]
    max_steps: int | None = None
    hooks: Sequence[Any] | None = None
    saving_listeners: Sequence[Any] | None = None


class EvalSpec(NamedTuple):
    """What :func:`train_and_evaluate` evaluates with, at most every ``throttle_secs`` seconds."""

    input_fn: Callable[..., Any]
    steps: int | None = 100
    name: str | None = None
    hooks: Sequence[Any] | None = None
    exporters: Any = None
    start_delay_secs: float = 120
    throttle_secs: float = 600


class _Evaluating(CheckpointSaverListener):
    """Evaluates after a checkpoint was written."""

    def __init__(self, estimator: Estimator, spec: EvalSpec) -> None:
        self._estimator, self._spec = estimator, spec
        self._last: float | None = None
        self.results: dict[str, Any] | None = None

    def after_save(self, session: Any, global_step_value: Any) -> Any:
        """Evaluate, if it is time."""
        now = time.monotonic()
        if self._last is None:
            self._last = now  # the checkpoint at the beginning
        elif now - self._last >= self._spec.throttle_secs:
            self._last = now
            self.evaluate()
        return None

    def evaluate(self) -> None:
        """Evaluate the latest checkpoint."""
        spec = self._spec
        self.results = self._estimator.evaluate(spec.input_fn, spec.steps, spec.hooks, name=spec.name)


def train_and_evaluate(
    estimator: Estimator, train_spec: TrainSpec, eval_spec: EvalSpec
) -> tuple[dict[str, Any] | None, list[Any]]:
    """Train to ``max_steps`` (or the end of the input), and evaluate at checkpoints and at the end.

    Returns:
        ``(metrics of the last evaluation, [])``.

    Raises:
        TypeError: if the specifications are of another kind.
    """
    if not isinstance(train_spec, TrainSpec):
        raise TypeError(f"`train_spec` must have type `tf.estimator.TrainSpec`, given {type(train_spec)}")
    if not isinstance(eval_spec, EvalSpec):
        raise TypeError(f"`eval_spec` must have type `tf.estimator.EvalSpec`, given {type(eval_spec)}")
    listener = _Evaluating(estimator, eval_spec)
    estimator.train(
        train_spec.input_fn,
        train_spec.hooks,
        max_steps=train_spec.max_steps,
        saving_listeners=[*(train_spec.saving_listeners or ()), listener],
    )
    listener.evaluate()
    return listener.results, []
