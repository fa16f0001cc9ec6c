"""Special functions, by the names that PyTorch gives them in ``torch.special``."""

from __future__ import annotations

from .ops.activations import log_softmax, softmax
from .ops.functions import (
    digamma,
    digamma as psi,
    erf,
    erfc,
    erfinv,
    lgamma as gammaln,
    logit,
    polygamma,
    round,
    sigmoid as expit,
    sinc,
    xlogy,
)
from .ops.normal_distribution import (
    entr,
    erfcx,
    log_ndtr,
    mvlgamma as multigammaln,
    ndtr,
    ndtri,
    xlog1py,
)
from .ops.powers import exp2, expm1, log1p
from .ops.reductions import logsumexp

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1", "gammaln", "log1p", "log_ndtr",
    "log_softmax", "logit", "logsumexp", "multigammaln", "ndtr", "ndtri", "polygamma", "psi", "round", "sinc", "softmax",
    "xlog1py", "xlogy",
]  # fmt: skip
