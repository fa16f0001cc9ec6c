"""PyTorch's other path to the layers: ``nn.modules.linear.Linear`` and ``nn.modules.Linear`` are ``nn.Linear``."""

from __future__ import annotations

import sys
from typing import Any

from ...core.tensor import Tensor
from ...ops.indexing import index_select
from .. import (
    activation as activation,
    adaptive as adaptive,
    attention_layers,
    containers,
    conv as conv,
    distance as distance,
    dropout as dropout,
    flatten as flatten,
    lazy as lazy,
    lazy_layers,
    linear as linear,
    loss as loss,
    module as module,
    normalization as normalization,
    padding as padding,
    pooling as pooling,
    recurrent,
    resampling,
    sparse as sparse,
    transformer as transformer,
)

batchnorm = instancenorm = normalization
container, rnn = containers, recurrent
channelshuffle = fold = pixelshuffle = upsampling = resampling

for _name in (
    "activation", "adaptive", "batchnorm", "channelshuffle", "container", "conv", "distance", "dropout", "flatten", "fold",
    "instancenorm", "lazy", "linear", "loss", "module", "normalization", "padding", "pixelshuffle", "pooling", "rnn", "sparse",
    "transformer", "upsampling",
):  # fmt: skip
    sys.modules[f"{__name__}.{_name}"] = globals()[_name]


def _addindent(s_: str, numSpaces: int) -> str:
    """A text with every line but the first moved right: libraries' ``__repr__`` methods import it."""
    return s_.replace("\n", "\n" + " " * numSpaces)


def apply_permutation(tensor: Tensor, permutation: Tensor, dim: int = 1) -> Tensor:
    """``tensor.index_select(dim, permutation)``."""
    return index_select(tensor, dim, permutation)


# What libraries take from PyTorch's modules by private names.
for _place, _name, _function in (
    (module, "_addindent", _addindent),
    (containers, "_addindent", _addindent),
    (recurrent, "apply_permutation", apply_permutation),
):
    setattr(_place, _name, _function)

# Classes that PyTorch has in those modules and Rushlight in files of their own.
for _place, _source, _names in (
    (activation, attention_layers, ("MultiheadAttention",)),
    (linear, attention_layers, ("NonDynamicallyQuantizableLinear",)),
    (linear, lazy_layers, ("LazyLinear",)),
    (conv, lazy_layers, tuple(f"LazyConv{kind}{d}d" for kind in ("", "Transpose") for d in (1, 2, 3))),
    (
        normalization,
        lazy_layers,
        tuple(f"Lazy{kind}Norm{d}d" for kind in ("Batch", "Instance") for d in (1, 2, 3)),
    ),
):
    for _name in _names:
        setattr(_place, _name, getattr(_source, _name))


def __getattr__(name: str) -> Any:
    from ... import nn

    if name == "__all__":
        return [each for each, value in vars(nn).items() if each[0].isupper() and isinstance(value, type)]
    if name == "utils":
        from importlib import import_module

        return import_module(f"{__name__}.utils")
    if name[:1].isupper() and hasattr(nn, name):
        return getattr(nn, name)
    raise AttributeError(f"module 'torch.nn.modules' has no attribute '{name}'")
