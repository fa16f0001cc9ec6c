"""Every distribution on a pretended GPU: samples, densities and entropies are there, and are those of the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as torch

D: Any = torch.distributions
P = (0.2, 0.3, 0.5)
# What makes each of probabilities p (which are also scales, rates and locations), the identity matrix, and a number.
MAKERS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "Bernoulli": lambda p, eye, one: D.Bernoulli(p),
    "Beta": lambda p, eye, one: D.Beta(p * 4, p * 3),
    "Binomial": lambda p, eye, one: D.Binomial(5, p),
    "Categorical": lambda p, eye, one: D.Categorical(p),
    "Cauchy": lambda p, eye, one: D.Cauchy(p, p),
    "Chi2": lambda p, eye, one: D.Chi2(p * 4),
    "ContinuousBernoulli": lambda p, eye, one: D.ContinuousBernoulli(p),
    "Dirichlet": lambda p, eye, one: D.Dirichlet(p),
    "Exponential": lambda p, eye, one: D.Exponential(p),
    "FisherSnedecor": lambda p, eye, one: D.FisherSnedecor(p * 9, p * 9),
    "Gamma": lambda p, eye, one: D.Gamma(p, p),
    "Geometric": lambda p, eye, one: D.Geometric(p),
    "Gumbel": lambda p, eye, one: D.Gumbel(p, p),
    "HalfCauchy": lambda p, eye, one: D.HalfCauchy(p),
    "HalfNormal": lambda p, eye, one: D.HalfNormal(p),
    "Independent": lambda p, eye, one: D.Independent(D.Normal(p, 1), 1),
    "Kumaraswamy": lambda p, eye, one: D.Kumaraswamy(p, p),
    "LKJCholesky": lambda p, eye, one: D.LKJCholesky(3, one),
    "Laplace": lambda p, eye, one: D.Laplace(p, p),
    "LogNormal": lambda p, eye, one: D.LogNormal(p, p),
    "LowRankMultivariateNormal": lambda p, eye, one: D.LowRankMultivariateNormal(p, eye[:, :1], p),
    "MixtureSameFamily": lambda p, eye, one: D.MixtureSameFamily(D.Categorical(p), D.Normal(p, p)),
    "Multinomial": lambda p, eye, one: D.Multinomial(5, p),
    "MultivariateNormal": lambda p, eye, one: D.MultivariateNormal(p, eye),
    "NegativeBinomial": lambda p, eye, one: D.NegativeBinomial(5, p),
    "Normal": lambda p, eye, one: D.Normal(p, p),
    "OneHotCategorical": lambda p, eye, one: D.OneHotCategorical(p),
    "Pareto": lambda p, eye, one: D.Pareto(p, p),
    "Poisson": lambda p, eye, one: D.Poisson(p * 9),
    "RelaxedBernoulli": lambda p, eye, one: D.RelaxedBernoulli(one / 2, p),
    "RelaxedOneHotCategorical": lambda p, eye, one: D.RelaxedOneHotCategorical(one / 2, p),
    "StudentT": lambda p, eye, one: D.StudentT(p * 9),
    "TransformedDistribution": lambda p, eye, one: D.TransformedDistribution(
        D.Normal(p, p), [D.transforms.SigmoidTransform()]
    ),
    "Uniform": lambda p, eye, one: D.Uniform(p, p + 1),
    "VonMises": lambda p, eye, one: D.VonMises(p, p),
    "Weibull": lambda p, eye, one: D.Weibull(p, p),
    "Wishart": lambda p, eye, one: D.Wishart(one * 4, eye),
}


def made(name: str, device: str) -> Any:
    return MAKERS[name](
        torch.tensor(P, device=device), torch.eye(3, device=device), torch.ones((), device=device)
    )


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_distribution(name: str, pretended: Any) -> None:
    torch.manual_seed(0)
    here, there = made(name, "cpu"), made(name, "cuda")
    drawn = here.sample((4,))
    own = there.sample((4,))
    assert own.is_cuda and own.shape == drawn.shape and own.dtype == drawn.dtype
    assert there.log_prob(own).is_cuda and bool(there.log_prob(own).isfinite().all())
    density = there.log_prob(drawn.cuda())
    np.testing.assert_allclose(density.cpu().numpy(), here.log_prob(drawn).numpy(), rtol=2e-4, atol=2e-4)
    if there.has_rsample:
        assert there.rsample((2,)).is_cuda
    try:
        expected = here.entropy()
    except NotImplementedError:
        return
    np.testing.assert_allclose(there.entropy().cpu().numpy(), expected.numpy(), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("name", ("Bernoulli", "Binomial", "Categorical", "OneHotCategorical"))
def test_support(name: str, pretended: Any) -> None:
    support = made(name, "cuda").enumerate_support()
    assert support.is_cuda and torch.equal(support.cpu(), made(name, "cpu").enumerate_support())
