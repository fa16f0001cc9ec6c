"""Parts of TensorFlow 1 that are not here: what a program that reaches for one is told."""

from __future__ import annotations

from typing import Any, Final

_LAYERS: Final = "tf.layers, tf.losses and tf.train have the layers, losses and optimizers"
_WHY: Final = {
    "keras": f"Keras is not part of this; {_LAYERS}",
    "feature_column": "there are no feature columns; make the columns with tf.one_hot and tf.nn.embedding_lookup",
    "saved_model": "graphs hold Python functions and can't be written to files; save the variables with tf.train.Saver",
    "lite": "models can't be converted; save the variables with tf.train.Saver",
    "tpu": "there is no TPU here",
    "RaggedTensor": "there are no ragged tensors; pad with Dataset.padded_batch or use tf.SparseTensor",
    "ragged": "there are no ragged tensors; pad with Dataset.padded_batch or use tf.SparseTensor",
    "GradientTape": "this module has graphs only: use tf.gradients; `import rushlight as torch` differentiates eagerly",
    "function": "this module has graphs only, so there is nothing to trace; call the function",
    "RegisterGradient": "gradients are Rushlight's autograd's, by no table of types; use tf.custom_gradient",
    "quantization": "there is no quantization here",
    "autograph": "graphs are not made from Python's control flow; use tf.cond and tf.while_loop",
    "Server": "a session runs in this process alone; several processes work together through rushlight.distributed",
    "ClusterSpec": "a session runs in this process alone; several processes work together through rushlight.distributed",
    "SyncReplicasOptimizer": "several processes work together through rushlight.distributed",
}


# Modules of the façade that are loaded when a program asks for them.
_LATE: Final = ("core", "estimator", "lookup", "python")


def explain(module: str, name: str) -> AttributeError:
    """The error for a name that a module does not have, with what to do instead where that is known."""
    shown = "tf" + module.removeprefix("rushlight.compat.tensorflow")
    why = _WHY.get(name)
    if why is None:
        why = "docs/how-to/tensorflow1.md lists what there is"
    return AttributeError(
        f"module 'tensorflow' has no attribute {name!r}: {shown}.{name} is not available here: {why}"
    )


def getter(module: str) -> Any:
    """A module's ``__getattr__`` that explains what is missing."""

    def get(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        if name in _LATE and module == "rushlight.compat.tensorflow":
            from importlib import import_module

            return import_module(f"{module}.{name}")
        raise explain(module, name)

    return get
