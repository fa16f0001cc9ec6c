"""``tf.contrib.learn``: the vocabulary of texts, and the reader of MNIST. Estimators are in ``tf.estimator``."""

from __future__ import annotations

import sys
from typing import Any

from ...examples.tutorials.mnist import input_data as _mnist
from ...gathered import FACADE, make
from . import preprocessing as preprocessing

for _name, _where in {
    "datasets.mnist": ".examples.tutorials.mnist.input_data",
    "datasets.base": ".examples.tutorials.mnist.input_data",
    "python.learn.datasets.mnist": ".examples.tutorials.mnist.input_data",
    "python.learn.datasets.base": ".examples.tutorials.mnist.input_data",
    "python.learn.preprocessing": ".contrib.learn.preprocessing",
}.items():
    make(__name__, _name, (_where,))

datasets: Any = sys.modules[__name__ + ".datasets"]


def _load_dataset(name: str, size: str = "small", test_with_fake_data: bool = False) -> Any:
    """MNIST from the folder ``MNIST-data``; ``ValueError`` for another name."""
    if name != "mnist":
        raise ValueError(f"Name of dataset is not found: {name}")
    return _mnist.read_data_sets("MNIST-data")


datasets.load_dataset = _load_dataset


def __getattr__(name: str) -> object:
    if name in ("ModeKeys", "RunConfig"):
        from importlib import import_module

        return getattr(import_module(FACADE + ".estimator"), name)
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise AttributeError(
        f"module 'tensorflow.contrib.learn' has no attribute {name!r}: there are preprocessing.VocabularyProcessor and "
        "datasets.mnist; use tf.estimator, or write the training loop with tf.Session"
    )
