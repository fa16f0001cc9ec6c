"""Layers, losses and what models are built of. Names, defaults, keys and initial values are PyTorch's."""

from __future__ import annotations

from . import functional as functional, init as init
from .containers import (
    ModuleDict as ModuleDict,
    ModuleList as ModuleList,
    ParameterDict as ParameterDict,
    ParameterList as ParameterList,
    Sequential as Sequential,
)
from .dropout import (
    AlphaDropout as AlphaDropout,
    Dropout as Dropout,
    Dropout1d as Dropout1d,
    Dropout2d as Dropout2d,
    Dropout3d as Dropout3d,
    FeatureAlphaDropout as FeatureAlphaDropout,
)
from .flatten import Flatten as Flatten, Unflatten as Unflatten
from .linear import Bilinear as Bilinear, Identity as Identity, Linear as Linear
from .module import Module as Module
from .parameter import Buffer as Buffer, Parameter as Parameter
from .sparse import Embedding as Embedding, EmbeddingBag as EmbeddingBag

# convolution, pooling, normalization, recurrent
