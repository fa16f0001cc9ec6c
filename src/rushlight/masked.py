"""``torch.masked``: reductions and normalisations of the elements that a mask marks, under PyTorch's names.

There is no ``MaskedTensor``: the functions take a tensor and a ``mask``.
"""

from __future__ import annotations

import sys as _sys

from .missing import lazily as _lazily
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

__getattr__ = _lazily(
    __name__,
    {
        name: f"rushlight.absent_modules:{name}"
        for name in ("MaskedTensor", "as_masked_tensor", "is_masked_tensor", "masked_tensor")
    },
)
_ops = _sys.modules[__name__]  # the place of the functions, which programs call too

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean", "median",
    "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip
