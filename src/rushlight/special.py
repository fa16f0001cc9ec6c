"""Special functions, by the names that PyTorch gives them in ``torch.special``."""

from __future__ import annotations

from .ops.activations import log_softmax as log_softmax, softmax as softmax
from .ops.functions import (
    digamma as digamma,
    digamma as psi,
    erf as erf,
    erfc as erfc,
    erfinv as erfinv,
    lgamma as gammaln,
    logit as logit,
    polygamma as polygamma,
    round as round,
    sigmoid as expit,
    sinc as sinc,
    xlogy as xlogy,
)
from .ops.normal_distribution import (
    entr as entr,
    erfcx as erfcx,
    log_ndtr as log_ndtr,
    mvlgamma as multigammaln,
    ndtr as ndtr,
    ndtri as ndtri,
    xlog1py as xlog1py,
)
from .ops.powers import exp2 as exp2, expm1 as expm1, log1p as log1p
from .ops.reductions import logsumexp as logsumexp

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1", "gammaln", "log1p", "log_ndtr",
    "log_softmax", "logit", "logsumexp", "multigammaln", "ndtr", "ndtri", "polygamma", "psi", "round", "sinc", "softmax",
    "xlog1py", "xlogy",
]  # fmt: skip
