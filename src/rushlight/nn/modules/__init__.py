"""PyTorch's other path to the layers: ``nn.modules.linear.Linear`` and ``nn.modules.Linear`` are ``nn.Linear``."""

from __future__ import annotations

import sys
from typing import Any

from .. import (
    activation as activation,
    containers,
    conv as conv,
    distance as distance,
    dropout as dropout,
    flatten as flatten,
    linear as linear,
    loss as loss,
    module as module,
    normalization as normalization,
    padding as padding,
    pooling as pooling,
    recurrent,
    resampling,
    sparse as sparse,
)

batchnorm = instancenorm = normalization
container, rnn = containers, recurrent
channelshuffle = fold = pixelshuffle = upsampling = resampling

for _name in (
    "activation", "batchnorm", "channelshuffle", "container", "conv", "distance", "dropout", "flatten", "fold",
    "instancenorm", "linear", "loss", "module", "normalization", "padding", "pixelshuffle", "pooling", "rnn", "sparse",
    "upsampling",
):  # fmt: skip
    sys.modules[f"{__name__}.{_name}"] = globals()[_name]


def __getattr__(name: str) -> Any:
    from ... import nn

    if name[:1].isupper() and hasattr(nn, name):
        return getattr(nn, name)
    raise AttributeError(f"module 'torch.nn.modules' has no attribute '{name}'")
