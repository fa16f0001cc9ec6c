"""``torch.masked``: reductions and normalisations of the elements that a mask marks, under PyTorch's names.

There is no ``MaskedTensor``: the functions take a tensor and a ``mask``.
"""

from __future__ import annotations

import sys as _sys

from .ops.masked_reductions import (
    amax,
    amin,
    argmax,
    argmin,
    cumprod,
    cumsum,
    log_softmax,
    logaddexp,
    logsumexp,
    mean,
    median,
    norm,
    normalize,
    prod,
    softmax,
    softmin,
    std,
    sum,
    var,
)

_ops = _sys.modules[__name__]  # the place of the functions, which programs call too

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean", "median",
    "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip
