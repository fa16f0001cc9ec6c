"""The parts of ``tf.contrib`` that tutorials use: ``layers``, ``slim``, ``rnn``, ``seq2seq``, ``data``, ``framework``."""

from __future__ import annotations

from . import (
    data as data,
    framework as framework,
    layers as layers,
    rnn as rnn,
    seq2seq as seq2seq,
    slim as slim,
)

_ELSEWHERE = {
    "learn": "write the training loop with tf.Session or tf.train.MonitoredTrainingSession",
    "eager": "this module has graphs only; `import rushlight as torch` runs eagerly",
    "tpu": "there is no TPU here",
    "distributions": "tf.distributions has Normal, Categorical and others",
    "keras": "Keras is not part of this; use tf.layers",
    "crf": "write the recursion with tf.scan",
}


def __getattr__(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    advice = _ELSEWHERE.get(
        name, "there are tf.contrib.layers, slim, rnn, seq2seq.sequence_loss, data and framework"
    )
    raise AttributeError(
        f"module 'tensorflow.contrib' has no attribute {name!r}: tf.contrib.{name} is not available here: {advice}"
    )
