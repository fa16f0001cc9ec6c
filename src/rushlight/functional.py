"""``torch.functional``: functions of ``torch`` in the place where PyTorch defines them."""

from __future__ import annotations

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "cartesian_prod",
    "cdist",
    "chain_matmul",
    "einsum",
    "istft",
    "meshgrid",
    "norm",
    "pca_lowrank",
    "split",
    "stft",
    "svd_lowrank",
    "tensordot",
    "unique",
    "unique_consecutive",
    "unravel_index",
]

from .missing import lazily as _lazily
from .ops.distances import cdist as cdist, norm as norm
from .ops.finite_differences import unravel_index as unravel_index
from .ops.joining import (
    atleast_1d as atleast_1d,
    atleast_2d as atleast_2d,
    atleast_3d as atleast_3d,
    block_diag as block_diag,
    broadcast_tensors as broadcast_tensors,
    cartesian_prod as cartesian_prod,
    meshgrid as meshgrid,
)
from .ops.products import chain_matmul as chain_matmul, einsum as einsum, tensordot as tensordot
from .ops.short_time_fourier import istft as istft, stft as stft
from .ops.splitting import split as split
from .ops.symmetric_factors import pca_lowrank as pca_lowrank, svd_lowrank as svd_lowrank
from .ops.uniqueness import unique as unique, unique_consecutive as unique_consecutive
from .ops.views import broadcast_shapes as broadcast_shapes

__getattr__ = _lazily(__name__)
