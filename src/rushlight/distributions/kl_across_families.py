"""Divergences between different families: minus the entropy of p, less the mean of log q under p."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import math
from typing import Any

from ..core.tensor import Tensor
from ..ops.comparison import where
from ..ops.creation import full_like
from ..ops.functions import xlogy
from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .continuous_bernoulli import ContinuousBernoulli
from .exponential import Exponential
from .gamma import Gamma
from .gumbel import Gumbel
from .kl import register_kl
from .laplace import Laplace
from .normal import Normal
from .pareto import Pareto
from .poisson import Poisson
from .uniform import Uniform
from .utils import euler_constant

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)

# --- values of p that q can't have --------------------------------------------------------------------------------------


def _always_infinite(parameter: str) -> Any:
    def infinite(p: Any, q: Any) -> Tensor:
        return full_like(getattr(p, parameter), math.inf)

    return infinite


for _p, _parameter, _qs in (
    (Beta, "concentration1", (Pareto,)),
    (ContinuousBernoulli, "probs", (Pareto,)),
    (Exponential, "rate", (Beta, ContinuousBernoulli, Pareto, Uniform)),
    (Gamma, "concentration", (Beta, ContinuousBernoulli, Pareto, Uniform)),
    (Gumbel, "loc", (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
    (Laplace, "loc", (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
    (Normal, "loc", (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
    (Pareto, "scale", (Beta, ContinuousBernoulli, Uniform)),
    (Poisson, "rate", (Bernoulli, Binomial)),
):
    for _q in _qs:
        register_kl(_p, _q)(_always_infinite(_parameter))

# --- q whose log density is simple: any p whose entropy and moments are known ----------------------------------------------


def _to_normal(p: Any, q: Any) -> Tensor:
    spread = (p.variance + (p.mean - q.loc).pow(2)) / (2 * q.scale.pow(2))
    return -p.entropy() + HALF_LOG_2PI + q.scale.log() + spread


for _family in (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Uniform):
    register_kl(_family, Normal)(_to_normal)


@register_kl(Pareto, Normal)
def _pareto_normal(p: Any, q: Any) -> Tensor:
    return where(p.alpha <= 2, math.inf, _to_normal(p, q))


def _to_exponential(p: Any, q: Any) -> Tensor:
    return -p.entropy() - q.rate.log() + q.rate * p.mean


for _family in (Beta, ContinuousBernoulli, Gamma):
    register_kl(_family, Exponential)(_to_exponential)


@register_kl(Pareto, Exponential)
def _pareto_exponential(p: Any, q: Any) -> Tensor:
    return where(p.alpha <= 1, math.inf, _to_exponential(p, q))


@register_kl(Uniform, Exponential)
def _uniform_exponential(p: Any, q: Any) -> Tensor:
    return where(p.low < 0, math.inf, _to_exponential(p, q))


def _to_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    return -p.entropy() - p.mean * q.logits - (-q.probs).log1p() - q._log_norm()


register_kl(Beta, ContinuousBernoulli)(_to_continuous_bernoulli)


@register_kl(Uniform, ContinuousBernoulli)
def _uniform_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    return where((p.high > 1) | (p.low < 0), math.inf, _to_continuous_bernoulli(p, q))


@register_kl(Beta, Uniform)
@register_kl(ContinuousBernoulli, Uniform)
def _unit_uniform(p: Any, q: Any) -> Tensor:
    return where((q.low > 0) | (q.high < 1), math.inf, -p.entropy() + (q.high - q.low).log())


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p: Any, q: Any) -> Tensor:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


# --- to a gamma distribution: the means of x and of log x under p ------------------------------------------------------------


def _to_gamma(p: Any, q: Any, mean_of_log: Tensor) -> Tensor:
    c = q.concentration
    return -p.entropy() + c.lgamma() - c * q.rate.log() - (c - 1) * mean_of_log + q.rate * p.mean


@register_kl(Beta, Gamma)
def _beta_gamma(p: Any, q: Any) -> Tensor:
    total = p.concentration1 + p.concentration0
    return _to_gamma(p, q, p.concentration1.digamma() - total.digamma())


@register_kl(Exponential, Gamma)
def _exponential_gamma(p: Any, q: Any) -> Tensor:
    return _to_gamma(p, q, -p.rate.log() - euler_constant)


@register_kl(Pareto, Gamma)
def _pareto_gamma(p: Any, q: Any) -> Tensor:
    return where(p.alpha <= 1, math.inf, _to_gamma(p, q, p.scale.log() + p.alpha.reciprocal()))


def _mean_of_log(low: Tensor, high: Tensor) -> Tensor:
    """The mean of log x between ``low`` and ``high``."""
    return (xlogy(high, high) - xlogy(low, low)) / (high - low) - 1


@register_kl(Uniform, Gamma)
def _uniform_gamma(p: Any, q: Any) -> Tensor:
    return where(p.low < 0, math.inf, _to_gamma(p, q, _mean_of_log(p.low, p.high)))


@register_kl(Uniform, Beta)
def _uniform_beta(p: Any, q: Any) -> Tensor:
    a, b = q.concentration1, q.concentration0
    log_beta = a.lgamma() + b.lgamma() - (a + b).lgamma()
    means = (a - 1) * _mean_of_log(p.low, p.high) + (b - 1) * _mean_of_log(1 - p.high, 1 - p.low)
    return where((p.high > 1) | (p.low < 0), math.inf, log_beta - (p.high - p.low).log() - means)


@register_kl(Uniform, Pareto)
def _uniform_pareto(p: Any, q: Any) -> Tensor:
    log_density = q.alpha.log() + q.alpha * q.scale.log() - (q.alpha + 1) * _mean_of_log(p.low, p.high)
    return where(p.low < q.scale, math.inf, -(p.high - p.low).log() - log_density)


# --- to a Gumbel distribution: the mean of exp(-x / scale) under p ---------------------------------------------------------


def _to_gumbel(p: Any, q: Any, mean_of_exp: Tensor) -> Tensor:
    """``mean_of_exp`` is that of exp((loc - x) / scale)."""
    return -p.entropy() + q.scale.log() + (p.mean - q.loc) / q.scale + mean_of_exp


@register_kl(Exponential, Gumbel)
def _exponential_gumbel(p: Any, q: Any) -> Tensor:
    product = p.rate * q.scale
    return _to_gumbel(p, q, (q.loc / q.scale).exp() * product / (product + 1))


@register_kl(Gamma, Gumbel)
def _gamma_gumbel(p: Any, q: Any) -> Tensor:
    product = p.rate * q.scale
    return _to_gumbel(p, q, (q.loc / q.scale).exp() * (1 + product.reciprocal()).pow(-p.concentration))


@register_kl(Normal, Gumbel)
def _normal_gumbel(p: Any, q: Any) -> Tensor:
    moved, ratio = (q.loc - p.loc) / q.scale, (p.scale / q.scale).pow(2)
    return _to_gumbel(p, q, (moved + 0.5 * ratio).exp())


@register_kl(Uniform, Gumbel)
def _uniform_gumbel(p: Any, q: Any) -> Tensor:
    low, high = (p.low - q.loc) / q.scale, (p.high - q.loc) / q.scale
    return _to_gumbel(p, q, ((-low).exp() - (-high).exp()) / (high - low))


@register_kl(Normal, Laplace)
def _normal_laplace(p: Any, q: Any) -> Tensor:
    moved = (p.loc - q.loc) / p.scale
    # the mean of |x - loc|
    distance = math.sqrt(2 / math.pi) * p.scale * (-0.5 * moved.pow(2)).exp()
    distance = distance + (p.loc - q.loc) * (math.sqrt(0.5) * moved).erf()
    return -p.entropy() + (2 * q.scale).log() + distance / q.scale
