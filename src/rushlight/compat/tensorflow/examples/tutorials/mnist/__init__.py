"""``tensorflow.examples.tutorials.mnist``: the reader of the MNIST files, and the tutorials' fully connected net."""

from . import input_data as input_data


def __getattr__(name: str) -> object:
    if name == "mnist":
        from importlib import import_module

        return import_module(__name__ + ".mnist")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
