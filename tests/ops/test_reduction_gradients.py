"""First and second derivatives of every record of the reductions, sorting and scans, against differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.ops import (
    distances,
    extrema,
    order_statistics,
    reductions,
    scans,
    sorting,
    statistics,
    uniqueness,
)
from rushlight.ops.define import Primitive
from rushlight.ops.dispatch import apply

MODULES = (distances, extrema, order_statistics, reductions, scans, sorting, statistics, uniqueness)
RECORDS = {
    value.name: value for module in MODULES for value in vars(module).values() if isinstance(value, Primitive)
}
NO_DERIVATIVE = {"unique", "unique_consecutive", "bincount", "histogramdd"}  # backward raises
CASES = [
    pytest.param(record, operands, attrs, id=f"{record.name}-{i}")
    for record in RECORDS.values()
    if record.vjp is not None and record.name not in NO_DERIVATIVE
    for i, (operands, attrs) in enumerate(record.samples() if record.samples else ())
]


def leaves(operands: Any, layout: str = "contiguous") -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    made = []
    for operand in operands:
        array = np.asarray(operand, np.float64) + 0.01 * rng.standard_normal(np.shape(operand))
        if layout == "transposed":
            array = np.ascontiguousarray(array.T).T
        elif layout == "strided":
            wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]))
            wide[..., ::2] = array
            array = wide[..., ::2]
        made.append(torch.from_numpy(array).requires_grad_())
    return tuple(made)


def function_of(record: Primitive, attrs: dict[str, Any]) -> Callable[..., Any]:
    def function(*operands: Any) -> Any:
        result = apply(record, operands, attrs)
        return result[0] if isinstance(result, tuple) else result  # the second result is indices

    return function


def test_every_differentiable_record_has_samples() -> None:
    without = {r.name for r in RECORDS.values() if r.vjp is not None and r.samples is None}
    assert without == NO_DERIVATIVE


@pytest.mark.parametrize("layout", ["contiguous", "transposed", "strided"])
@pytest.mark.parametrize(("record", "operands", "attrs"), CASES)
def test_first_derivative(record: Primitive, operands: Any, attrs: dict[str, Any], layout: str) -> None:
    assert torch.autograd.gradcheck(function_of(record, attrs), leaves(operands, layout))


@pytest.mark.parametrize(("record", "operands", "attrs"), CASES)
def test_second_derivative(record: Primitive, operands: Any, attrs: dict[str, Any]) -> None:
    assert torch.autograd.gradgradcheck(function_of(record, attrs), leaves(operands))


COMPOSITES: dict[str, Callable[[Any], Any]] = {
    "nansum": lambda x: x.nansum(0),
    "nanmean": lambda x: x.nanmean(1),
    "aminmax": lambda x: tuple(x.aminmax(dim=1)),
    "var_mean": lambda x: torch.var_mean(x, 1),
    "std_mean": lambda x: torch.std_mean(x, (0, 1)),
    "cov": torch.cov,
    "corrcoef": torch.corrcoef,
    "quantile": lambda x: x.quantile(torch.tensor([0.2, 0.7], dtype=torch.float64), 1),
    "nanquantile": lambda x: x.nanquantile(0.4, 0),
    "diff": lambda x: x.diff(n=2),
    "trapezoid": torch.trapezoid,
    "cumulative_trapezoid": torch.cumulative_trapezoid,
    "renorm": lambda x: x.renorm(2, 0, 1.0),
    "norm": lambda x: x.norm(3, 1),
    "pdist": lambda x: torch.pdist(x, 3.0),
    "pairwise_distance": lambda x: torch.pairwise_distance(x, x.flip(0) * 2),
    "dist": lambda x: torch.dist(x, x.flip(1) * 2),
    "prod with zeros": lambda x: (x * torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]], dtype=torch.float64)).prod(1),
    "cumprod with zeros": lambda x: (x * torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]], dtype=torch.float64)).cumprod(1),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPOSITES)
def test_composites(name: str) -> None:
    x = torch.tensor([[0.5, -1.5, 2.0], [3.0, 1.0, -0.75]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(COMPOSITES[name], (x,))
    assert torch.autograd.gradgradcheck(COMPOSITES[name], (x,))


@pytest.mark.parametrize("n", [1, 2, 65, 200])
@pytest.mark.parametrize("function", ["cumprod", "logcumsumexp", "prod"])
def test_long_scans(function: str, n: int) -> None:
    """Longer than the loops of the recurrence, so that its doubling runs too."""
    x = torch.from_numpy(np.linspace(0.9, 1.1, n)).requires_grad_()
    getattr(x, function)(0).sum().backward()
    array = x.detach().numpy()
    if function == "logcumsumexp":
        shares = np.exp(array[None] - np.logaddexp.accumulate(array)[:, None])
        expected = np.tril(shares).sum(0)
    else:
        without = np.array([np.delete(array, k).prod() for k in range(n)])
        if function == "prod":
            expected = without
        else:
            products = np.cumprod(array)
            expected = np.array([(products[k:] / array[k]).sum() for k in range(n)])
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("function", ["unique", "unique_consecutive"])
def test_no_derivative_is_an_error(function: str) -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(NotImplementedError, match="derivative"):
        getattr(x, function)().sum().backward()


def test_gradients_of_nothing() -> None:
    x = torch.empty(0, 3, requires_grad=True)
    for result in (
        x.sum(),
        x.mean(0),
        x.prod(0),
        x.max(1)[0],
        x.sort(0)[0],
        x.cumprod(0),
        x.logcumsumexp(0),
        x.std(1),
    ):
        x.grad = None
        result.sum().backward()
        assert x.grad.shape == (0, 3)


def test_saved_indices_are_checked() -> None:
    """Backward needs the indices: a change of them in place must be noticed."""
    x = torch.tensor([[1.0, 3.0, 2.0]], requires_grad=True)
    values, indices = x.max(1)
    indices.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        values.sum().backward()


def test_the_distance_bears_its_own_name() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    assert torch.dist(x, x.detach() * 2).grad_fn.name() == "DistBackward0"
