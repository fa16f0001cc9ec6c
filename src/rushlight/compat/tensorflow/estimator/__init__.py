"""``tf.estimator``: a model function with the loops around it. Models that are made for a task are not here.

An :class:`Estimator` makes a graph of ``input_fn`` and ``model_fn`` for each call of ``train``, ``evaluate`` and ``predict``,
and goes on from the latest checkpoint of its folder.
"""

from __future__ import annotations

from typing import Any, NoReturn

from . import inputs as inputs
from .loops import EvalSpec as EvalSpec, TrainSpec as TrainSpec, train_and_evaluate as train_and_evaluate
from .model import (
    Estimator as Estimator,
    EstimatorSpec as EstimatorSpec,
    ModeKeys as ModeKeys,
    RunConfig as RunConfig,
)


class _Nested:
    """Names that programs read without using what they stand for."""

    class _Output:
        def __init__(self, *args: Any, **options: Any) -> None:
            """Kept, and used by nothing: graphs are not exported."""
            self.args, self.options = args, options

    ClassificationOutput = PredictOutput = RegressionOutput = _Output


export = _Nested


def __getattr__(name: str) -> NoReturn:
    if not name.startswith("__") and name[0].isupper():
        raise AttributeError(
            f"module 'tensorflow' has no attribute {name!r}: tf.estimator.{name} is not available here: write its model_fn "
            "with tf.layers and give it to tf.estimator.Estimator"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
