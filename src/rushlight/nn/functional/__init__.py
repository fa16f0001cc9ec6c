"""The functions behind the layers: no state, everything is an argument. Names and signatures are PyTorch's."""

from __future__ import annotations

from ...ops.linear import linear as linear
from ...ops.products import bilinear as bilinear
from ...ops.scattering import one_hot as one_hot
from .regularization import (
    alpha_dropout as alpha_dropout,
    dropout as dropout,
    dropout1d as dropout1d,
    dropout2d as dropout2d,
    dropout3d as dropout3d,
    feature_alpha_dropout as feature_alpha_dropout,
)
from .sparse import embedding as embedding, embedding_bag as embedding_bag

# convolution, pooling, normalization
