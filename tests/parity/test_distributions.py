"""torch.distributions against PyTorch: samples, densities, moments, gradients, divergences, constraints, transforms, errors.

Every case is an expression over ``D`` (the distributions module) and ``T`` (makes a float64 tensor) that is evaluated with
Rushlight and with PyTorch.
"""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest

import rushlight
import rushlight.distributions

from .distribution_cases import CASES, CONSTRAINTS, ERRORS, OF_CLASS, TRANSFORMS, VALUES

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

pytestmark = pytest.mark.parity

EACH = [expression for group in CASES.values() for expression in group]


class Side:
    """One of the two libraries."""

    def __init__(self, library: Any, dtype: str = "float64") -> None:
        self.library = library
        self.D = library.distributions
        self.dtype = getattr(library, dtype)
        self.leaves: list[Any] = []

    def T(self, values: Any) -> Any:
        leaf = self.library.tensor(values, dtype=self.dtype, requires_grad=self.gradients)
        self.leaves.append(leaf)
        return leaf

    gradients = False

    def make(self, expression: str, gradients: bool = False) -> Any:
        self.gradients = gradients
        self.leaves = []
        names = {"D": self.D, "T": self.T, "C": self.D.constraints, "torch": self.library}
        return eval(expression, names)

    def tensor(self, values: Any) -> Any:
        if isinstance(values, torch.Tensor):
            values = values.detach().numpy()
        return self.library.tensor(
            np.array(values), dtype=self.dtype if np.asarray(values).dtype.kind == "f" else None
        )


def both(dtype: str = "float64", expression: str = "") -> tuple[Side, Side]:
    if "GeneralizedPareto" in expression:
        dtype = "float32"  # PyTorch's compares its float64 concentration with a float32 zero, and fails
    return Side(rushlight, dtype), Side(torch, dtype)


def tolerance_of(expression: str) -> dict[str, float]:
    if "VonMises" in expression:
        return {"rtol": 2e-6, "atol": 1e-7}  # PyTorch's Bessel functions have float32 accuracy
    if "Multinomial" in expression:
        return {"rtol": 1e-7, "atol": 1e-7}  # PyTorch computes the logarithms of factorials in float32
    if "GeneralizedPareto" in expression:
        return {"rtol": 1e-5, "atol": 1e-6}
    return {}


def agree(ours: Any, theirs: Any, rtol: float = 1e-9, atol: float = 1e-10) -> None:
    ours, theirs = ours.detach(), theirs.detach()
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert str(ours.dtype) == str(theirs.dtype)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=rtol, atol=atol)


def outcome(function: Any) -> tuple[Any, type[BaseException] | None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(), None
        except Exception as error:
            return None, type(error)


def agree_or_fail_alike(ours: Any, theirs: Any, **tolerances: float) -> None:
    theirs, their_error = outcome(theirs)
    if their_error is None:
        agree(ours(), theirs, **tolerances)
    else:
        with pytest.raises(their_error):
            ours()


def sampled(side: Side, distribution: Any, shape: tuple[int, ...] = (7,)) -> Any:
    side.library.manual_seed(5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return distribution.sample(shape)


def test_the_cases_are_all_the_distributions() -> None:
    distributions = {
        name
        for name in torch.distributions.__all__
        if isinstance(getattr(torch.distributions, name), type)
        and issubclass(getattr(torch.distributions, name), torch.distributions.Distribution)
    }
    assert distributions - {"Distribution", "ExponentialFamily"} == set(CASES)
    extra = set(rushlight.distributions.__all__) - set(torch.distributions.__all__)
    assert set(torch.distributions.__all__) <= set(rushlight.distributions.__all__)
    assert not extra
    assert all(hasattr(rushlight.distributions, name) for name in torch.distributions.__all__)
    assert set(torch.distributions.constraints.__all__) == set(rushlight.distributions.constraints.__all__)


@pytest.mark.parametrize("expression", EACH)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_samples_are_the_same_for_the_same_seed(expression: str, dtype: str) -> None:
    ours, theirs = both(dtype)
    mine, its = ours.make(expression), theirs.make(expression)
    # The draws are the same bits; what is made of them differs in rounding.
    tolerance = 2e-5 if dtype == "float32" else 1e-9
    for shape in ((), (3, 2), (40,)):
        agree(sampled(ours, mine, shape), sampled(theirs, its, shape), tolerance, tolerance)
    assert rushlight.rand(1).item() == torch.rand(1).item()  # as many draws were taken


@pytest.mark.parametrize("expression", EACH)
def test_shapes_text_and_flags(expression: str) -> None:
    ours, theirs = both()
    mine, its = ours.make(expression), theirs.make(expression)
    assert repr(mine) == repr(its)
    assert tuple(mine.batch_shape) == tuple(its.batch_shape)
    assert tuple(mine.event_shape) == tuple(its.event_shape)
    assert mine.has_rsample == its.has_rsample
    assert mine.has_enumerate_support == its.has_enumerate_support
    assert mine.support.event_dim == its.support.event_dim
    assert mine.support.is_discrete == its.support.is_discrete
    assert repr(mine.support) == repr(its.support)
    assert {k: repr(v) for k, v in mine.arg_constraints.items()} == {
        k: repr(v) for k, v in its.arg_constraints.items()
    }


@pytest.mark.parametrize("expression", EACH)
@pytest.mark.parametrize("name", ["mean", "mode", "variance", "stddev"])
def test_moments(expression: str, name: str) -> None:
    if name == "mode" and "Kumaraswamy" in expression:
        pytest.skip("PyTorch takes the logarithm of a negative number there and gives nan")
    ours, theirs = both(expression=expression)
    mine, its = ours.make(expression), theirs.make(expression)
    agree_or_fail_alike(lambda: getattr(mine, name), lambda: getattr(its, name), **tolerance_of(expression))


@pytest.mark.parametrize("expression", EACH)
def test_log_prob_cdf_and_their_gradients(expression: str) -> None:
    ours, theirs = both(expression=expression)
    its = theirs.make(expression)
    values = sampled(theirs, its).detach()
    loose = tolerance_of(expression)
    for name in ("log_prob", "cdf"):
        mine, its = ours.make(expression, gradients=True), theirs.make(expression, gradients=True)
        result, error = outcome(lambda name=name, its=its: getattr(its, name)(values))
        if error is not None:
            with pytest.raises(error):
                getattr(mine, name)(ours.tensor(values))
            continue
        found = getattr(mine, name)(ours.tensor(values))
        agree(found, result, **loose)
        if not result.requires_grad:
            continue
        _, error = outcome(lambda result=result: result.sum().backward())
        if error is not None:
            continue  # PyTorch has no derivative of igamma by its first argument
        found.sum().backward()
        for leaf, other in zip(ours.leaves, theirs.leaves, strict=True):
            assert (leaf.grad is None) == (other.grad is None)
            if other.grad is not None:
                if "scale_tril" in expression and leaf.ndim > 1:  # what is above the diagonal is no parameter
                    leaf.grad, other.grad = leaf.grad.tril(), other.grad.tril()
                agree(
                    leaf.grad,
                    other.grad,
                    **(
                        {"rtol": 1e-4, "atol": 1e-4}
                        if "Generalized" in expression
                        else loose or {"rtol": 1e-7, "atol": 1e-8}
                    ),
                )


@pytest.mark.parametrize("expression", EACH)
def test_icdf(expression: str) -> None:
    ours, theirs = both(expression=expression)
    mine, its = ours.make(expression), theirs.make(expression)
    chances = np.random.default_rng(0).uniform(0.05, 0.95, (5, *its.batch_shape, *its.event_shape))
    agree_or_fail_alike(
        lambda: mine.icdf(ours.tensor(chances)),
        lambda: its.icdf(theirs.tensor(chances)),
        **tolerance_of(expression),
    )


@pytest.mark.parametrize("expression", EACH)
def test_entropy_and_its_gradients(expression: str) -> None:
    ours, theirs = both(expression=expression)
    mine, its = ours.make(expression, gradients=True), theirs.make(expression, gradients=True)
    result, error = outcome(its.entropy)
    if error is not None:
        with pytest.raises(error):
            mine.entropy()
        return
    found = mine.entropy()
    agree(found, result, **tolerance_of(expression))
    agree(mine.perplexity(), its.perplexity(), **tolerance_of(expression))
    if result.requires_grad:
        result.sum().backward()
        found.sum().backward()
        for leaf, other in zip(ours.leaves, theirs.leaves, strict=True):
            if other.grad is not None:
                agree(leaf.grad, other.grad, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("expression", EACH)
def test_rsample_and_its_gradients(expression: str) -> None:
    ours, theirs = both(expression=expression)
    mine, its = ours.make(expression, gradients=True), theirs.make(expression, gradients=True)
    if not its.has_rsample:
        with pytest.raises(NotImplementedError):
            mine.rsample()
        return
    drawn = []
    for side, distribution in ((ours, mine), (theirs, its)):
        side.library.manual_seed(9)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch takes good samples of Wishart for singular ones
            drawn.append(distribution.rsample((4,)))
    agree(*drawn, **tolerance_of(expression))
    weights = np.random.default_rng(0).normal(size=tuple(drawn[0].shape))
    if not drawn[1].requires_grad:
        return
    (drawn[0] * ours.tensor(weights)).sum().backward()
    assert all(bool(leaf.grad.isfinite().all()) for leaf in ours.leaves if leaf.grad is not None)
    _, error = outcome(lambda: (drawn[1] * theirs.tensor(weights)).sum().backward())
    if error is not None:
        assert "Wishart" in expression  # PyTorch overwrites what backward needs
        return
    # PyTorch's own derivatives of gamma and Dirichlet numbers are approximations of about three digits
    # (tests/runtime/test_reparameterization.py checks ours against quantiles).
    rough = any(
        n in expression for n in ("Beta", "Chi2", "Dirichlet", "Gamma", "Fisher", "StudentT", "Wishart")
    )
    tolerance = 5e-3 if rough else 1e-4 if "Generalized" in expression else 1e-7
    for leaf, other in zip(ours.leaves, theirs.leaves, strict=True):
        assert (leaf.grad is None) == (other.grad is None)
        if other.grad is not None:
            agree(
                leaf.grad, other.grad, rtol=tolerance, atol=tolerance * float(other.grad.abs().max()) + 1e-12
            )


@pytest.mark.parametrize("expression", EACH)
def test_expand(expression: str) -> None:
    ours, theirs = both(expression=expression)
    mine, its = ours.make(expression), theirs.make(expression)
    shape = (3, *its.batch_shape)
    mine, its = mine.expand(shape), its.expand(shape)
    assert tuple(mine.batch_shape) == tuple(its.batch_shape)
    assert tuple(mine.event_shape) == tuple(its.event_shape)
    assert repr(mine) == repr(its)
    values = sampled(theirs, its, ())
    agree(sampled(ours, mine, ()), values, **tolerance_of(expression))
    loose = tolerance_of(expression)
    agree(mine.log_prob(ours.tensor(values)), its.log_prob(values), **loose)
    agree_or_fail_alike(lambda: mine.mean, lambda: its.mean, **tolerance_of(expression))


@pytest.mark.parametrize("expression", EACH)
@pytest.mark.parametrize("expand", [False, True])
def test_enumerate_support(expression: str, expand: bool) -> None:
    ours, theirs = both(expression=expression)
    mine, its = ours.make(expression), theirs.make(expression)
    agree_or_fail_alike(lambda: mine.enumerate_support(expand), lambda: its.enumerate_support(expand))


@pytest.mark.parametrize("expression", EACH)
def test_values_outside_the_support_are_refused_alike(expression: str) -> None:
    ours, theirs = both(expression=expression)
    mine, its = ours.make(expression), theirs.make(expression)
    shape = (*its.batch_shape, *its.event_shape)
    # Whether a singular matrix passes for positive definite is a matter of the last bit.
    for fill in (
        (-1.0, 0.0, 1.0, float("nan"))
        if "Wishart" in expression
        else (-1.0, 0.0, 0.3, 1.0, 2.5, float("nan"))
    ):
        values = np.full(shape, fill)
        _, error = outcome(lambda values=values: its.log_prob(theirs.tensor(values)))
        if error is None:
            continue
        with pytest.raises(error):
            mine.log_prob(ours.tensor(values))
    for wrong in (np.zeros((*shape, 7)), 1.0):
        given = [wrong if isinstance(wrong, float) else side.tensor(wrong) for side in (ours, theirs)]
        _, error = outcome(lambda given=given: its.log_prob(given[1]))
        if error is not None:
            with pytest.raises(error):
                mine.log_prob(given[0])


# --- divergences -------------------------------------------------------------------------------------------------------

PAIRS = sorted((p.__name__, q.__name__) for p, q in torch.distributions.kl._KL_REGISTRY)


def test_the_same_pairs_are_registered() -> None:
    ours = sorted((p.__name__, q.__name__) for p, q in rushlight.distributions.kl._KL_REGISTRY)
    assert ours == PAIRS


@pytest.mark.parametrize(("p", "q"), PAIRS)
def test_kl_divergence(p: str, q: str) -> None:
    compared = 0
    for first, second in itertools.product(OF_CLASS[p], OF_CLASS[q]):
        ours, theirs = both()
        pair = f"({first}, {second})"
        result, error = outcome(lambda t=theirs, pair=pair: t.D.kl_divergence(*t.make(pair, gradients=True)))
        if error is not None:
            with pytest.raises((error, RuntimeError, ValueError)):
                ours.D.kl_divergence(*ours.make(pair, gradients=True))
            continue
        found = ours.D.kl_divergence(*ours.make(pair, gradients=True))
        # PyTorch's formulas cancel where the divergence is small.
        agree(found, result, rtol=1e-7, atol=1e-9)
        compared += 1
        finite = torch.isfinite(result).all() and result.requires_grad
        if finite and found.requires_grad:
            result.sum().backward()
            found.sum().backward()
            for leaf, other in zip(ours.leaves, theirs.leaves, strict=True):
                if other.grad is not None and torch.isfinite(other.grad).all():
                    agree(leaf.grad, other.grad, rtol=1e-6, atol=1e-8)
    assert compared


def test_divergences_that_pytorch_calls_infinite_although_the_supports_are_the_same() -> None:
    for pair in (
        "D.ContinuousBernoulli(T(.3)),D.Uniform(T(0.),T(1.))",
        "D.Uniform(T(0.),T(1.)),D.ContinuousBernoulli(T(.3))",
    ):
        ours, theirs = both()
        assert theirs.D.kl_divergence(*theirs.make(f"({pair})")).item() == float("inf")
        p, q = ours.make(f"({pair})")
        x = ours.library.linspace(0.0005, 0.9995, 1000, dtype=ours.dtype)
        expected = (p.log_prob(x).exp() * (p.log_prob(x) - q.log_prob(x))).mean()
        assert ours.D.kl_divergence(p, q).item() == pytest.approx(expected.item(), rel=1e-5)


# --- constraints and transforms ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expression", CONSTRAINTS)
def test_constraints(expression: str) -> None:
    for values in VALUES:
        ours, theirs = both()
        mine, its = ours.make("C." + expression), theirs.make("C." + expression)
        assert repr(mine) == repr(its)
        assert (mine.event_dim, mine.is_discrete) == (its.event_dim, its.is_discrete)
        result, error = outcome(lambda its=its, t=theirs, values=values: its.check(t.tensor(values)))
        if error is not None:
            continue  # LAPACK refuses nan
        found = mine.check(ours.tensor(values))
        assert tuple(found.shape) == tuple(result.shape)
        assert found.tolist() == result.tolist()


@pytest.mark.parametrize(("expression", "shape"), TRANSFORMS)
def test_transforms(expression: str, shape: tuple[int, ...] | None) -> None:
    ours, theirs = both()
    mine, its = ours.make(expression), theirs.make(expression)
    assert repr(mine) == repr(its)
    assert (mine.domain.event_dim, mine.codomain.event_dim) == (its.domain.event_dim, its.codomain.event_dim)
    assert mine.bijective == its.bijective
    assert repr(mine.domain) == repr(its.domain)
    assert repr(mine.codomain) == repr(its.codomain)
    sign, error = outcome(lambda: its.sign)
    if error is None:
        assert np.array_equal(np.asarray(mine.sign), np.asarray(sign))
    values = np.random.default_rng(1).normal(size=shape or (3,))
    if shape is None or "Power" in expression:
        values = np.exp(values) + 1.0
    x, other = ours.tensor(values).requires_grad_(), theirs.tensor(values).requires_grad_()
    y, result = mine(x), its(other)
    agree(y, result)
    assert tuple(mine.forward_shape(x.shape)) == tuple(its.forward_shape(other.shape))
    assert tuple(mine.inverse_shape(y.shape)) == tuple(its.inverse_shape(result.shape))
    agree(mine.inv(y), its.inv(result), rtol=1e-7)
    agree_or_fail_alike(
        lambda: mine.log_abs_det_jacobian(x, y), lambda: its.log_abs_det_jacobian(other, result)
    )
    (result * result).sum().backward()
    (y * y).sum().backward()
    agree(x.grad, other.grad, rtol=1e-8)
    cached, like = outcome(lambda: mine.with_cache(1))[0], outcome(lambda: its.with_cache(1))[0]
    if like is not None and its.bijective and "identity" not in expression:
        kept = cached(x)
        assert (cached.inv(kept) is x) == (like.inv(like(other)) is other)


# --- errors ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expression", ERRORS)
def test_errors_are_the_same(expression: str) -> None:
    ours, theirs = both()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception) as expected:
            theirs.make(expression)
        with pytest.raises(type(expected.value)) as found:
            ours.make(expression)
    assert str(found.value) == str(expected.value).replace("'torch.", "'rushlight.").replace(
        "<class 'torch", "<class 'rushlight"
    )


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("layout", ["rows", "columns", "expanded", "steps"])
def test_multinomial_draws_the_same_in_every_layout(layout: str, replacement: bool, count: int) -> None:
    weights = np.random.default_rng(0).uniform(size=(7, 5))
    results = []
    for library in (rushlight, torch):
        given = library.tensor(weights)
        given = {
            "rows": given,
            "columns": given.T,
            "expanded": given[0].expand(7, 5),
            "steps": given[:, ::2],
        }[layout]
        library.manual_seed(3)
        results.append((library.multinomial(given, count, replacement).tolist(), library.rand(1).item()))
    assert results[0] == results[1]


def test_private_names_that_pytorchs_tests_import() -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    x = np.array([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])
    gradients = []
    for library in (torch, rushlight):
        given = [library.tensor(values) for values in (x, 4 * x + 0.5, x[::-1].copy())]
        gradients.append(library.distributions.dirichlet._Dirichlet_backward(*given).numpy())
        p, q = (library.distributions.Exponential(library.tensor(rate)) for rate in (1.0, 2.0))
        general = library.distributions.kl._kl_expfamily_expfamily(p, q)
        assert general.item() == pytest.approx(library.distributions.kl_divergence(p, q).item())
    # PyTorch's slope is an approximation to three digits.
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-3)
