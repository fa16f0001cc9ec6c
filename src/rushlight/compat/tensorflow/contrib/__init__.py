"""The parts of ``tf.contrib`` that programs use: ``layers``, ``slim``, ``rnn``, ``seq2seq``, ``crf``, ``learn`` and others."""

from __future__ import annotations

from importlib import import_module as _import
from typing import Final

from ..gathered import make
from . import (
    data as data,
    framework as framework,
    layers as layers,
    rnn as rnn,
    seq2seq as seq2seq,
    slim as slim,
)

# Loaded when a program asks for them.
_LATE: Final = {
    "crf": ".crf",
    "distributions": "..distributions",
    "legacy_seq2seq": ".legacy_seq2seq",
    "learn": ".learn",
    "lookup": "..lookup",
    "losses": ".losses",
    "metrics": ".metrics",
    "opt": ".opt",
    "signal": "..signal",
    "tensorboard": ".tensorboard",
    "training": ".training",
}
_ELSEWHERE: Final = {
    "eager": "this module has graphs only; `import rushlight as torch` runs eagerly",
    "tpu": "there is no TPU here",
    "keras": "Keras is not part of this; use tf.layers",
}

# Where TensorFlow keeps them: programs import from there too.
for _module, _inner, _places in (
    ("layers", "python.layers", ".contrib.layers"),
    ("layers", "python.layers.layers", ".contrib.layers"),
    ("layers", "python.layers.initializers", ".contrib.layers"),
    ("layers", "python.layers.regularizers", ".contrib.layers"),
    ("layers", "python.layers.utils", ".python.pieces"),
    ("framework", "python.ops", ".contrib.framework"),
    ("framework", "python.ops.arg_scope", ".contrib.framework"),
    ("framework", "python.ops.variables", ".contrib.framework"),
    ("rnn", "python.ops.core_rnn_cell", ".contrib.rnn .python.pieces"),
    ("rnn", "python.ops.core_rnn_cell_impl", ".contrib.rnn .python.pieces"),
    ("rnn", "python.ops.rnn", ".contrib.rnn"),
    ("rnn", "python.ops.rnn_cell", ".contrib.rnn .python.pieces"),
    ("seq2seq", "python.ops.attention_wrapper", ".contrib.seq2seq"),
    ("seq2seq", "python.ops.basic_decoder", ".contrib.seq2seq"),
    ("seq2seq", "python.ops.decoder", ".contrib.seq2seq"),
    ("seq2seq", "python.ops.helper", ".contrib.seq2seq"),
    ("seq2seq", "python.ops.loss", ".contrib.seq2seq"),
):
    make(f"{__name__}.{_module}", _inner, tuple(_places.split()))


def __getattr__(name: str) -> object:
    if name in _LATE:
        found = globals()[name] = _import(_LATE[name], __name__)
        return found
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    advice = _ELSEWHERE.get(
        name, f"there are tf.contrib.data, framework, layers, rnn, seq2seq, slim, {', '.join(sorted(_LATE))}"
    )
    raise AttributeError(
        f"module 'tensorflow.contrib' has no attribute {name!r}: tf.contrib.{name} is not available here: {advice}"
    )
