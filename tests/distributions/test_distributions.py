"""What distributions promise by themselves: samples agree with the densities, gradients with the means."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys
import warnings

import pytest

import rushlight as torch
from rushlight.distributions import (
    Bernoulli,
    Beta,
    Binomial,
    Categorical,
    ComposeTransform,
    Dirichlet,
    Distribution,
    ExponentialFamily,
    ExpTransform,
    FisherSnedecor,
    Gamma,
    Kumaraswamy,
    LKJCholesky,
    MultivariateNormal,
    Normal,
    Poisson,
    StudentT,
    TransformedDistribution,
    Uniform,
    VonMises,
    Wishart,
    constraints,
    kl_divergence,
    register_kl,
)

COUNT = 20_000


def test_importing_rushlight_does_not_import_the_distributions():
    program = (
        "import sys, rushlight\n"
        "assert not any(name.startswith('rushlight.distributions') for name in sys.modules)\n"
        "rushlight.distributions.Normal(0.0, 1.0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Normal(1.0, 2.0),
        lambda: Gamma(0.5, 2.0),
        lambda: Gamma(30.0, 2.0),
        lambda: Beta(0.5, 3.0),
        lambda: Dirichlet(torch.tensor([0.5, 2.0, 3.0])),
        lambda: Poisson(torch.tensor([2.0, 30.0])),
        lambda: Binomial(torch.tensor([5.0, 100.0]), torch.tensor([0.3, 0.7])),
        lambda: StudentT(12.0),
        lambda: FisherSnedecor(6.0, 20.0),
        lambda: Kumaraswamy(2.0, 3.0),
        lambda: MultivariateNormal(torch.zeros(2), torch.tensor([[2.0, 0.5], [0.5, 1.0]])),
        lambda: Wishart(5.0, torch.tensor([[2.0, 0.5], [0.5, 1.0]])),
    ],
)
def test_samples_have_the_mean_and_the_variance(make):
    torch.manual_seed(0)
    distribution = make()
    samples = distribution.sample((COUNT,))
    deviation = distribution.stddev / math.sqrt(COUNT)
    assert ((samples.mean(0) - distribution.mean).abs() < 5 * deviation).all()
    # The variance of a variance depends on the fourth moment; these distributions stay below 12 variances squared.
    assert ((samples.var(0) / distribution.variance - 1).abs() < 5 * math.sqrt(12 / COUNT)).all()


@pytest.mark.parametrize(
    ("make", "low", "high"),
    [
        (lambda: Gamma(2.5, 2.0), 1e-6, 30.0),
        (lambda: Beta(1.5, 3.0), 1e-6, 1 - 1e-6),
        (lambda: VonMises(torch.tensor(0.5), torch.tensor(3.0)), -math.pi, math.pi),
        (lambda: Kumaraswamy(2.0, 3.0), 1e-6, 1 - 1e-6),
        (lambda: TransformedDistribution(Normal(0.0, 1.0), [ExpTransform()]), 1e-6, 200.0),
    ],
)
def test_densities_integrate_to_one(make, low, high):
    x = torch.linspace(low, high, 200_001, dtype=torch.float64)
    assert torch.trapezoid(make().log_prob(x).exp(), x).item() == pytest.approx(1, abs=1e-4)


def test_the_mode_of_kumaraswamy_is_where_the_density_is_greatest():
    distribution = Kumaraswamy(torch.tensor(2.0, dtype=torch.float64), torch.tensor(3.0, dtype=torch.float64))
    x = torch.linspace(1e-4, 1 - 1e-4, 100_001, dtype=torch.float64)
    assert x[distribution.log_prob(x).argmax()].item() == pytest.approx(distribution.mode.item(), abs=1e-4)
    assert Kumaraswamy(0.5, 3.0).mode.isnan().item()


@pytest.mark.parametrize("alpha", [0.3, 1.0, 7.0])
def test_gradients_of_samples_are_those_of_their_mean(alpha):
    torch.manual_seed(1)
    concentration = torch.tensor(alpha, dtype=torch.float64, requires_grad=True)
    Gamma(concentration, torch.tensor(2.0, dtype=torch.float64)).rsample((COUNT,)).mean().backward()
    assert concentration.grad.item() == pytest.approx(0.5, abs=0.05)  # of alpha / 2


def test_gradients_of_dirichlet_samples_are_those_of_their_mean():
    torch.manual_seed(1)
    concentration = torch.tensor([0.5, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    Dirichlet(concentration).rsample((COUNT,)).mean(0)[0].backward()
    again = concentration.detach().requires_grad_()
    (again / again.sum())[0].backward()
    assert torch.allclose(concentration.grad, again.grad, atol=0.01)


def test_differentiating_gamma_samples_twice_is_refused():
    concentration = torch.tensor(2.0, requires_grad=True)
    sample = Gamma(concentration, 1.0).rsample()
    (slope,) = torch.autograd.grad(sample, concentration, create_graph=True)
    with pytest.raises((NotImplementedError, RuntimeError)):
        torch.autograd.grad(slope, concentration)


def test_no_gradient_flows_through_sample():
    loc = torch.tensor(0.0, requires_grad=True)
    assert not Normal(loc, 1.0).sample().requires_grad
    assert Normal(loc, 1.0).rsample().requires_grad


def test_policy_gradient():
    torch.manual_seed(0)
    logits = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.SGD([logits], lr=0.5)
    for _ in range(60):
        policy = Categorical(logits=logits)
        action = policy.sample((16,))
        loss = -(policy.log_prob(action) * (action == 2)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert Categorical(logits=logits).probs[2].item() > 0.8


def test_copies_and_pickles():
    distribution = TransformedDistribution(Normal(torch.zeros(2), 1.0), [ExpTransform()])
    for again in (copy.deepcopy(distribution), pickle.loads(pickle.dumps(distribution))):
        assert torch.equal(again.log_prob(torch.ones(2)), distribution.log_prob(torch.ones(2)))


def test_validation_can_be_switched_off():
    Normal(0.0, -1.0, validate_args=False).log_prob(torch.tensor(float("nan")))
    Distribution.set_default_validate_args(False)
    try:
        Normal(0.0, -1.0)
    finally:
        Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match="to satisfy the constraint GreaterThan"):
        Normal(0.0, -1.0)


class Shifted(Normal):
    pass


def test_a_subclass_is_expanded_as_itself_and_a_new_init_needs_a_new_expand():
    assert type(Shifted(0.0, 1.0).expand([2])) is Shifted

    class Own(Normal):
        def __init__(self):
            super().__init__(0.0, 1.0)

    with pytest.raises(NotImplementedError, match=r"must also define a custom .expand"):
        Own().expand([2])


def test_divergence_of_a_family_of_ones_own():
    class Rate(ExponentialFamily):
        arg_constraints = {"rate": constraints.positive}  # noqa: RUF012
        support = constraints.nonnegative
        _mean_carrier_measure = 0

        def __init__(self, rate):
            self.rate = rate
            super().__init__(rate.shape)

        @property
        def _natural_params(self):
            return (-self.rate,)

        def _log_normalizer(self, x):
            return -(-x).log()

    p, q = Rate(torch.tensor([1.0, 2.0])), Rate(torch.tensor([3.0, 3.0]))
    ratio = q.rate / p.rate
    assert torch.allclose(kl_divergence(p, q), ratio - 1 - ratio.log())
    assert torch.allclose(p.entropy(), 1 - p.rate.log())


def test_the_most_specific_divergence_is_taken_and_ambiguity_is_reported():
    class Other(Normal):
        pass

    @register_kl(Shifted, Normal)
    def by_first(p, q):
        return torch.tensor(1.0)

    assert kl_divergence(Shifted(0.0, 1.0), Normal(0.0, 1.0)).item() == 1

    @register_kl(Normal, Other)
    def by_second(p, q):
        return torch.tensor(2.0)

    with pytest.warns(RuntimeWarning, match=r"Ambiguous kl_divergence\(Shifted, Other\)"):
        assert kl_divergence(Shifted(0.0, 1.0), Other(0.0, 1.0)).item() == 1


def test_a_cached_transform_gives_its_argument_back():
    transform = ComposeTransform([ExpTransform()], cache_size=1)
    x = torch.tensor([0.1, 0.2])
    assert transform.inv(transform(x)) is x


def test_wishart_says_nothing_about_good_samples():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Wishart(4.0, torch.eye(2)).sample((5,))


def test_lkj_samples_are_factors_of_correlation_matrices():
    torch.manual_seed(0)
    lower = LKJCholesky(4, 0.7).sample((50,))
    assert constraints.corr_cholesky.check(lower).all()
    assert torch.allclose((lower @ lower.mT).diagonal(dim1=-2, dim2=-1), torch.ones(50, 4), atol=1e-5)


def test_empty_batches():
    empty = Normal(torch.zeros(0, 3), 1.0)
    assert empty.sample((2,)).shape == (2, 0, 3)
    assert empty.log_prob(empty.sample()).shape == (0, 3)
    assert Gamma(torch.ones(0), 1.0).rsample().shape == (0,)


def test_binomial_of_certain_outcomes():
    counts = torch.tensor([0.0, 4.0, 4.0])
    assert torch.binomial(counts, torch.tensor([0.5, 0.0, 1.0])).tolist() == [0, 0, 4]
    with pytest.raises(ValueError, match="dtype"):
        torch.binomial(counts, torch.tensor([0.5], dtype=torch.float64))
    with pytest.raises(TypeError, match="must be Tensor"):
        torch.binomial(4, 0.5)


def test_uniform_and_bernoulli_take_numbers():
    assert Uniform(0, 2).low.dtype is torch.float32
    assert Bernoulli(0.5).probs.shape == ()
