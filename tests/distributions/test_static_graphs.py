"""Distributions inside of static graphs: their values are not checked there, as under PyTorch's compiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight as torch
from rushlight import distributions as D

MAKERS: dict[str, Callable[[Any], Any]] = {
    "Normal": lambda x: D.Normal(x, x.exp()),
    "Independent": lambda x: D.Independent(D.Normal(x, 1.0), 1),
    "Categorical": lambda x: D.Categorical(logits=x),
    "OneHotCategorical": lambda x: D.OneHotCategorical(logits=x),
    "Bernoulli": lambda x: D.Bernoulli(logits=x),
    "Beta": lambda x: D.Beta(x.exp(), 2.0),
    "Gamma": lambda x: D.Gamma(x.exp(), 2.0),
    "Dirichlet": lambda x: D.Dirichlet(x.exp()),
    "Geometric": lambda x: D.Geometric(x.sigmoid()),
    "MultivariateNormal": lambda x: D.MultivariateNormal(x, torch.eye(3)),
    "TanhNormal": lambda x: D.TransformedDistribution(D.Normal(x, 1.0), D.TanhTransform(cache_size=1)),
    "MixtureSameFamily": lambda x: D.MixtureSameFamily(D.Categorical(logits=x), D.Normal(x, 1.0)),
}


@pytest.mark.parametrize("name", MAKERS)
def test_sampling_and_densities(name: str) -> None:
    def program(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        made = MAKERS[name](x)
        sample = made.sample()
        return sample, made.log_prob(sample)

    compiled = torch.compile(program, fullgraph=True)
    outcomes: list[list[Any]] = []
    for function in (program, compiled):
        torch.manual_seed(0)
        outcomes.append([function(torch.randn(4, 3)) for _ in range(3)])
    for found, expected in zip(*outcomes, strict=True):
        for one, other in zip(found, expected, strict=True):
            assert torch.allclose(one, other, rtol=1e-4, atol=1e-5)


def test_only_static_graphs_do_not_check() -> None:
    compiled = torch.compile(lambda x: D.Normal(x, x).mean, fullgraph=True)
    assert compiled(-torch.ones(2)).tolist() == [-1.0, -1.0]
    with pytest.raises(ValueError, match="scale"):
        D.Normal(torch.zeros(2), -torch.ones(2))
    recorded = torch.compile(lambda x: D.Normal(x, x).mean)
    with pytest.raises(ValueError, match="scale"):
        recorded(-torch.ones(2))
