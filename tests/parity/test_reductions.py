"""Reductions, sorting and scans against PyTorch where its sample inputs do not look: nan, ties, nothing, bad arguments,
low precision, and what gradients do there. Every line is evaluated by both libraries."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest

import rushlight

from . import opinfo

pytestmark = pytest.mark.parity


def outcome(library: Any, expression: str) -> tuple[Any, list[type[Warning]]]:
    """What the expression gives (or raises) with ``torch`` meaning ``library``, and the kinds of warnings."""

    def grad(function: Any, *inputs: Any) -> Any:
        leaves = [x.clone().requires_grad_() for x in inputs]
        result = function(*leaves)
        parts = [part for part in (result if isinstance(result, tuple) else (result,)) if part.requires_grad]
        sum((part * (1 + i)).sum() for i, part in enumerate(parts)).backward()
        return tuple(leaf.grad for leaf in leaves)

    names = {
        "torch": library,
        "t": library.tensor,
        "nan": math.nan,
        "inf": math.inf,
        "E": library.empty,
        "grad": grad,
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value = eval(expression, names)
        except Exception as error:
            value = error
    return value, [w.category for w in caught if w.category is UserWarning]


def check(expression: str) -> None:
    torch = opinfo.oracle()
    expected, expected_warnings = outcome(torch, expression)
    actual, actual_warnings = outcome(rushlight, expression)
    if isinstance(expected, Exception):
        assert isinstance(actual, type(expected)), f"{expression}: {actual!r}, expected {expected!r}"
        return
    assert not isinstance(actual, Exception), f"{expression}: {actual!r}, expected {expected!r}"
    wrong = opinfo.difference(actual, expected)
    assert wrong is None, f"{expression}: {wrong}"
    if type(expected).__module__ == "torch.return_types" and not type(expected).__name__.endswith("_out"):
        assert type(actual).__name__ == type(expected).__name__
        assert repr(actual) == repr(expected)
    assert actual_warnings == expected_warnings, (
        f"{expression}: warnings {actual_warnings}, expected {expected_warnings}"
    )


SUMS = """
E(0).sum(); E(0).prod(); E(0).mean(); E(0, 3).sum(0); E(0, 3).mean(1); E(3, 0).mean(1); E(0, 3).prod(0)
E(0).nansum(); E(0).all(); E(0).any(); E(0, 2).all(0); E(0).logsumexp(0); E(0, 2).logsumexp(0)
E(0).count_nonzero(); t([1, 2]).mean(); t([1, 2]).mean(dtype=torch.int64); t([1, 2]).mean(dtype=torch.float64)
t([1, 2]).logsumexp(0); t([True, False]).sum(); t([True, False]).prod(); t([1, 2], dtype=torch.uint8).sum()
t([True]).mean(); t([100, 200]).sum(dtype=torch.int8); t([1.5, 2.5]).sum(dtype=torch.bool)
t([1, 2], dtype=torch.int32).sum(dtype=torch.int32); t([1, 0], dtype=torch.uint8).all()
t([1, 0], dtype=torch.uint8).any(0); t([1, 0]).all(); t([1 + 1j]).all(); t([nan]).any(); t([1.0, 2.0]).sum(5)
t([1.0, 2.0]).sum((0, 0)); t(1.0).sum(0); t(1.0).sum(-1); t(1.0).sum(()); t(1.0).sum(1); t(1.0).mean(0)
t([1.0, 2.0]).sum(dim=()); t([1.0, 2.0]).sum(dim=[]); t([[1.0, 2.0]]).mean(()); t([[1.0, 2.0]]).all(())
t([[1.0, 2.0]]).any([]); torch.sum([1.0]); torch.mean(1.0); torch.prod(None); torch.all([True])
torch.logsumexp([1.0], 0); torch.nansum(1); torch.sum(t([1.0, 2.0]), axis=0, keepdims=True)
t([[1.0, 2.0]]).mean(axis=1); t([[1.0, 2.0]]).all(axis=1); t([1.0, 2.0]).sum(0, 1); t([1.0, 2.0]).sum("a")
t([1.0]).sum(foo=1); t([1.0]).sum(0.5); t([1.0]).prod((0,)); t([1.0]).mean("x"); t([1.0, 2.0]).sum([0], True)
t([[1.0, 2.0]]).sum([0, -1]); t([[1.0, 2.0]]).sum((-1, -2), keepdim=True); t([inf, -inf]).sum()
t([inf, -inf]).mean(); t([inf, 1.0]).logsumexp(0); t([-inf, -inf]).logsumexp(0); t([nan, 1.0]).logsumexp(0)
t([3e38, 3e38]).sum(); t([3e38, 3e38]).mean(); t([1e20, 1e20]).prod(); t([nan, 1.0]).nansum()
t([nan, 1.0]).nanmean(); t([nan]).nansum(); t([nan]).nanmean(); t([1 + 1j]).nansum(); t([1]).nanmean()
t([[nan, 1.0], [nan, nan]]).nanmean(1); t([1, 2]).nansum(); t([1.0, nan]).nansum(dtype=torch.float64)
t([1, 2]).count_nonzero((0,)); t([[1, 0]]).count_nonzero(1)
torch.sum(t([1.5, 2.5]), 0, out=torch.empty((), dtype=torch.int64))
torch.mean(t([1.5]), 0, out=torch.empty((), dtype=torch.int64)); torch.all(t([1.0]), out=torch.empty(0))
torch.any(t([1.5, 2.5]), out=torch.empty((), dtype=torch.uint8))
torch.sum(t([1.0, 2.0]), 0, out=torch.empty(3)); torch.logsumexp(t([[1.0, 2.0]]), (0, 1))
torch.logsumexp(t([1.0])); t([1.0, 2.0, 3.0]).half().sum(); (torch.ones(4096).half() * 0.1).sum()
(torch.ones(300).bfloat16() * 0.1).sum(); (torch.ones(300).bfloat16() * 0.1).mean()
t([60000.0, 60000.0]).half().mean(); t([1.0, 2.0]).half().prod(); t([1.0, 2.0]).bfloat16().logsumexp(0)
t([1.0, 0.0]).bfloat16().all(); t([0.0]).half().any(); t([1.0, 0.0]).bfloat16().count_nonzero()
torch.ones(2, 3).t().sum(0); torch.ones(2, 3).expand(4, 2, 3).sum((0, 2))
torch.arange(24.0).view(2, 3, 4).sum((0, 2)); torch.arange(24.0).view(2, 3, 4).transpose(0, 2).mean(1)
torch.arange(24.0).view(2, 3, 4)[:, ::2].sum(-1, keepdim=True)
grad(lambda x: x.logsumexp(0), t([-inf, -inf])); grad(lambda x: x.logsumexp(0), t([inf, 1.0]))
grad(lambda x: x.nansum(), t([nan, 2.0])); grad(lambda x: x.prod(), t([0.0, 2.0, 3.0]))
grad(lambda x: x.prod(), t([0.0, 0.0, 3.0])); grad(lambda x: x.prod(), t(2.0))
grad(lambda x: x.prod(0), t([[0.0, 2.0], [3.0, 4.0]]))
grad(lambda x: x.prod(1, True), t([[0.0, 2.0], [3.0, 4.0]])); grad(lambda x: x.prod(), E(0))
grad(lambda x: x.prod(0), t(3.0)); grad(lambda x: x.mean(), E(0)); grad(lambda x: x.sum(0), E(0, 2))
grad(lambda x: x.nanmean(), t([nan, 2.0]))
"""
NUMPY_NAMES = """
t([[1.0, 2.0]]).sum(axis=1, keepdims=True); t([[1.0, 2.0]]).mean(axis=1, keepdims=True)
t([[1.0, 2.0]]).prod(axis=1, keepdims=True); t([[1.0, 2.0]]).nansum(axis=1, keepdims=True)
t([[1.0, 2.0]]).nanmean(axis=1, keepdims=True); t([[1.0, 2.0]]).logsumexp(axis=1, keepdims=True)
t([[1.0, 2.0]]).all(axis=1, keepdims=True); t([[1.0, 2.0]]).any(axis=1, keepdims=True)
t([[1.0, 2.0]]).max(axis=1, keepdims=True); t([[1.0, 2.0]]).min(axis=0, keepdims=True)
t([[1.0, 2.0]]).amax(axis=1, keepdims=True); t([[1.0, 2.0]]).amin(axis=(0, 1), keepdims=True)
t([[1.0, 2.0]]).argmax(axis=1, keepdims=True); t([[1.0, 2.0]]).argmin(axis=1, keepdims=True)
t([[1.0, 2.0]]).std(axis=1, keepdims=True); t([[1.0, 2.0]]).var(axis=1, keepdims=True)
torch.var_mean(t([[1.0, 2.0]]), axis=1, keepdims=True); torch.std_mean(t([[1.0, 2.0]]), axis=1)
t([[1.0, 2.0]]).cumsum(axis=1); t([[1.0, 2.0]]).cumprod(axis=1); t([[2.0, 1.0]]).sort(axis=1)
t([[2.0, 1.0]]).argsort(axis=1); t([[1.0, 2.0]]).count_nonzero(axis=1); t([1.0]).sum(axis=3)
"""
EXTREMA = """
E(0).max(); E(0).min(); E(0).max(0); E(0, 3).max(1); E(0, 3).max(0); E(0, 3).amax(0); E(0, 3).amax(1)
E(0).amax(); E(0).amin(0); E(0).argmax(); E(0, 3).argmax(0); E(0, 3).argmin(1); E(0).aminmax()
E(0, 3).aminmax(dim=0); E(3, 0).max(0); E(3, 0).argmax(0); t([1.0, 3.0, 3.0]).max(0)
t([1.0, 1.0, 3.0]).min(0); t([1.0, 3.0, 3.0]).argmax(); t([1.0, nan, 3.0, nan]).max(0); t([1.0, nan]).min(0)
t([1.0, nan, 3.0]).max(); t([1.0, nan, 3.0]).min(); t([1.0, nan, 3.0]).amax(); t([nan, 1.0]).argmin()
t([1.0, nan]).argmax(); t([1.0, nan]).aminmax(); t([True, False]).max(); t([True, False]).max(0)
t([True, False]).amin(); t([True, False]).argmax(); t([True, False]).aminmax(); t([1 + 1j]).max()
t([1 + 1j]).max(0); t([1 + 1j]).argmax(); t([1 + 1j]).amax(); t([1 + 1j]).aminmax(); t([1 + 1j]).min()
t([1.0, 2.0]).max(0.5); t([1.0, 2.0]).max(True); t([1.0, 2.0]).max(t([3.0, 0.0]))
t([1.0, 2.0]).max(other=t([3.0, 0.0])); torch.max([1.0, 2.0]); torch.max(t([1.0]), [1.0])
t([1.0, 2.0]).max(axis=0); t([1.0, 2.0]).max((0,)); t([1.0]).argmax((0,)); t([1.0]).argmax(2)
t([[1.0, 2.0]]).argmax(None, True); t([[1.0, 2.0]]).argmax(keepdim=True); t([[1.0, 2.0]]).max(1, True)
t([[1.0, 2.0]]).max(-1, keepdim=True); t(3.0).max(); t(3.0).max(0); t(3.0).max(1); t(3.0).argmax()
t(3.0).argmax(0); t(3.0).amax(0); t(3.0).amax(1); t([[1.0, 2.0]]).amax(()); t(3.0).min(-1)
t([1.0]).amax((0, 0)); t([1, 2, 2]).max(); t([1, 2, 2], dtype=torch.uint8).max(0)
t([2, 1], dtype=torch.int32).min(); t([3, 1]).half().max(0); t([3.0, nan]).bfloat16().max()
t([3.0, 4.0]).bfloat16().argmax(); t([3.0, 4.0]).half().amax(0); t([3.0, nan, 5.0]).half().max(0)
torch.max(t([1.0, 2.0]), 0, out=(E(0), torch.empty(0, dtype=torch.int64)))
torch.max(t([1.0]), 0, out=(E(0), E(0))); torch.max(t([1.0]), 0, out=E(0)); torch.argmax(t([1.0]), out=E(0))
torch.amax(t([1.0]), out=torch.empty(0, dtype=torch.float64)); torch.max(t([1.0]), out=E(()))
torch.arange(12.0).view(3, 4).t().max(1); torch.arange(12).view(3, 4).flip(0).argmax(0)
torch.arange(24).view(2, 3, 4).amax((0, 2)); torch.arange(24.0).view(2, 3, 4).transpose(0, 2).max()
torch.arange(24.0).view(2, 3, 4).transpose(0, 2).argmax(); grad(lambda x: x.max(), t([1.0, 3.0, 3.0]))
grad(lambda x: x.max(0), t([1.0, 3.0, 3.0])); grad(lambda x: x.amax(0), t([1.0, 3.0, 3.0]))
grad(lambda x: x.max(), t([1.0, nan, nan])); grad(lambda x: x.max(0), t([1.0, nan, nan]))
grad(lambda x: x.amax(()), t([[3.0, 2.0, 3.0]])); grad(lambda x: torch.aminmax(x), t([1.0, 1.0, 3.0]))
grad(lambda x: torch.aminmax(x, dim=0), t([1.0, 1.0, 3.0])); grad(lambda x: x.min(1, True), t([[1.0, 1.0]]))
grad(lambda x, y: x.max(y), t([1.0, 2.0]), t([1.0, 3.0])); grad(lambda x: x.max(0)[0], t(2.0))
grad(lambda x: x.max(1)[0], t([[1.0, 2.0], [4.0, 3.0]]))
"""
SPREADS = """
t([1.0]).std(); t([[1.0], [2.0]]).var(1); E(0).std(); E(0).var(); E(3, 0).var(1)
t([1.0, 2.0]).var(correction=3); t([1.0, 2.0]).std(correction=2); t([1, 2]).std(); t([True]).var()
t([[1.0, 2.0]]).var(()); t([[1.0, 2.0]]).std(dim=None); t([[1.0, 2.0]]).std(1, False)
t([[1.0, 2.0]]).std(False); t([[1.0, 2.0]]).std(1, unbiased=False, keepdim=True)
t([[1.0, 2.0]]).std(1, correction=0.5); t([[1.0, 2.0]]).var(correction=None)
t([1.0, 2.0]).std(correction=0, unbiased=False); t([1.0, 2.0]).var(unbiased=False); t([1.0, 2.0]).var(True)
t([1.0, 2.0]).var("x"); torch.std([1.0]); torch.std_mean(t([[1.0, 2.0]]), 1)
torch.var_mean(t([[1.0, 2.0]]), 1, False, True); torch.var_mean(t([1.0, 2.0]))
torch.std_mean(t([1.0, 2.0]), False); t([1.0, inf]).var(); t([1.0, nan]).std(); t([1 + 1j, 2 - 3j]).var()
t([1 + 1j, 2 - 3j]).std(0); t([1.0, 2.0, 4.0]).half().std(); t([1.0, 2.0, 4.0]).bfloat16().var(0)
(torch.arange(5000.0) + 1e6).var(); (torch.arange(6000.0).view(3, 2000) + 1e6).std(1)
(torch.arange(9000.0).view(3000, 3)).var(0, keepdim=True); t([[1.0, 2.0], [3.0, 5.0]]).var(0)
t([[1.0, 2.0], [3.0, 5.0]]).std((0, 1)); t(1.0).var(); t(1.0).std(0, correction=0); t([3.0, 4.0]).var(axis=0)
grad(lambda x: x.std(), t([1.0, 1.0])); grad(lambda x: x.var(), t([1.0]))
grad(lambda x: x.std(0), t([[1.0, 2.0], [1.0, 5.0]]))
grad(lambda x: x.var(1, True), t([[1.0, 2.0], [1.0, 5.0]]))
grad(lambda x: torch.var_mean(x, 0), t([[1.0, 2.0], [1.0, 5.0]]))
grad(lambda x: torch.std_mean(x), t([1.0, 4.0]))
torch.cov(t([[1.0, 2.0, 3.0], [3.0, 2.0, 2.0]]), correction=3); torch.cov(t(1.0)); torch.cov(t([[[1.0]]]))
torch.cov(t([1, 2, 3])); torch.cov(t([True])); torch.cov(t([1.0, 2.0, 3.0]), fweights=t([1, 2, 1]))
torch.cov(t([1.0, 2.0, 3.0]), aweights=t([1.0, 2.0, 1.0])); torch.cov(t([1.0, 2.0]), fweights=t([1.0, 2.0]))
torch.cov(t([1.0, 2.0]), aweights=t([1, 2])); torch.cov(t([1.0, 2.0]), fweights=t([-1, 2]))
torch.cov(t([1.0, 2.0]), fweights=t([0, 0])); torch.cov(t([1.0, 2.0]), fweights=t([1]))
torch.corrcoef(t(1.0)); torch.corrcoef(t([1.0, 2.0])); torch.corrcoef(t([[1 + 1j, 2.0], [3.0, 4j]]))
torch.corrcoef(t([[[1.0]]])); t([1.0, 2.0]).histc(2); t([1.0, 2.0, 3.0]).histc(2, 1, 2)
t([1.0]).histc(2, 3, 2); t([1, 2]).histc(2); t([]).histc(2); t([1.0, nan]).histc(2)
t([1.0, inf]).histc(2, 0, 1); t([1.0, 1.0]).histc(4); t([1.0]).histc(0)
torch.histc(t([1.0, 2.0]).bfloat16(), bins=2); t([1.0, nan, 2.0]).histc(2, 0, 2)
t([1.0, 2.0, 3.0]).histogram(2); t([1.0, 2.0, 3.0]).histogram(2, range=(0.0, 3.0), density=True)
t([1.0, 2.0]).histogram(t([0.0, 1.0, 5.0])); E(0).histogram(2)
t([1.0, 2.0, 3.0]).histogram(2, weight=t([1.0, 2.0, 3.0])); t([1, 2]).histogram(2)
t([1.0]).histogram(t([1, 2])); t([1.0, 2.0]).histogram(2, weight=t([1.0])); t([1.0, nan]).histogram(2)
t([1.0, 1.0]).histogram(2, density=True); t([1.0]).histogram(0); t([1.0]).histogram(2, range=(3.0, 1.0))
t([1.0, nan]).histogram(2, range=(0.0, 2.0))
torch.histogramdd(t([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]]), bins=[3, 3])
torch.histogramdd(t([[0.0, 1.0], [1.0, 0.0]]), bins=2, density=True); torch.histogramdd(t([1.0]), bins=[2])
torch.histogramdd(t([[0.0, 0.0], [1.0, 1.0]]), bins=[2, 2], range=[0.0, 1.0, 0.0, 1.0], weight=t([1.0, 2.0]))
torch.histogramdd(t([[0.0, 0.0]]), bins=[2]); t([1, 1, 3]).bincount()
t([1, 1, 3]).bincount(t([0.5, 0.5, 0.5])); t([1, 1, 3]).bincount(minlength=6); t([1, -1]).bincount()
t([1.0]).bincount(); t([[1]]).bincount(); t([], dtype=torch.int64).bincount()
t([], dtype=torch.int64).bincount(minlength=3); t([1, 1]).bincount(t([1, 1]))
t([1, 1]).bincount(t([True, True])); t([1]).bincount(minlength=-1); t([1, 2]).bincount(t([1.0]))
"""
SORTS = """
t([2.0, 1.0, nan, 3.0]).sort(); t([2.0, 1.0, nan, 3.0]).sort(descending=True); t([2.0, 1.0, nan, 3.0]).topk(2)
t([2.0, 1.0, nan, 3.0]).topk(2, largest=False); t([2, 2, 1]).sort(descending=True)
t([2, 2, 1]).argsort(descending=True, stable=True); t([0.0, -0.0, 0.0]).sort(stable=True)
t([0.0, -0.0]).argsort(stable=True, descending=True); t([nan, 1.0, nan]).argsort(stable=True)
t([nan, 1.0, nan]).argsort(descending=True, stable=True); t([True, False, True]).sort(stable=True)
t([3, 1, 2], dtype=torch.uint8).sort(descending=True); t([3.0, 1.0]).half().sort()
t([3.0, nan, 1.0]).bfloat16().sort(descending=True); t([1 + 1j]).sort(); t(2.0).sort(); E(0).sort()
E(0, 2).sort(0); t([2.0]).sort(5); t([2.0, 1.0]).sort(True); t([2.0, 1.0]).sort(0, True)
t([2.0, 1.0]).sort(axis=0); torch.sort([1.0]); t([2.0]).sort(stable=None); t([2.0, 1.0]).argsort(0, True)
torch.msort(t(3.0)); t([2.0, 1.0]).topk(3); t([2.0, 1.0]).topk(-1); t([2.0]).topk(0); t(2.0).topk(1)
t(2.0).topk(2); t([1 + 1j]).topk(1); t([True]).topk(1); t([2.0]).topk("1"); t([[2, 1]]).topk(1, 0)
t([2.0, 1.0]).kthvalue(3); t([2.0, 1.0]).kthvalue(0); E(0).kthvalue(1); E(0, 2).kthvalue(1)
t(2.0).kthvalue(1); t([True]).kthvalue(1); t([3.0, nan, 1.0]).kthvalue(3); t([[3, 1, 2]]).kthvalue(2, 1, True)
t([3.0, nan, 1.0]).median(); t([3.0, nan, 1.0, nan]).median(0); t([3.0, nan, 1.0, nan]).nanmedian(0)
t([nan, nan]).nanmedian(0); t([nan, nan]).nanmedian(); t(3.0).median(0); t(3.0).median(); E(0).median()
E(0).nanmedian(); E(0).median(0); E(0, 2).median(1); t([True]).median(); t([1 + 1j]).median()
t([1.0]).median(keepdim=True); t([2, 1, 4, 3]).median(); t([[2, 1], [4, 3]]).median(1, True)
t([2.0, 1.0, 3.0]).half().median(); t([2.0, nan]).bfloat16().nanmedian(0)
t([4, 2], dtype=torch.uint8).median(0); t([]).long().median(); t([1, 2, 2, 1, 3]).mode()
t([3, 1, 2, 2, 1, 1, 2]).mode(); t([1.0, nan, nan, 2.0]).mode(); E(0).mode(); E(0, 3).mode(1)
t([[1, 2], [1, 2]]).mode(0); t([True, False, True]).mode(); t(1.0).mode(); t([[2, 2, 1]]).mode(1, True)
t([1.0, 2.0]).quantile(1.5); t([1.0, 2.0]).quantile(0.5, interpolation="foo"); t([1, 2]).quantile(0.5)
t([1.0, 2.0]).quantile(t(0.5, dtype=torch.float64)); E(0).quantile(0.5); t([1.0]).quantile(t([[0.5]]))
t([1.0, nan, 3.0]).quantile(0.5); t([1.0, nan, 3.0]).nanquantile(0.5); t([nan]).nanquantile(0.5)
t([1.0, 2.0]).quantile(nan); t([1.0, 4.0]).quantile(1); t(1.0).quantile(0.5); t(1.0).quantile(0.5, 0, True)
t([1.0]).quantile(t([2.0]))
t([[1.0, nan, 3.0], [1.0, 2.0, 9.0]]).quantile(t([0.5, 0.1]), dim=1, keepdim=True)
t([[1.0, 5.0, 3.0], [1.0, 2.0, 9.0]]).quantile(t([0.5, 0.1]))
t([[1.0, 5.0], [1.0, 2.0]]).quantile(0.3, keepdim=True); t([[1.0, 5.0], [1.0, 2.0]]).quantile(0.3, 0)
t([1.0, 2.0, 3.0, 4.0]).quantile(0.4, interpolation="nearest")
t([1.0, 2.0, 3.0, 4.0]).quantile(0.5, interpolation="midpoint"); t([1.0, 2.0]).quantile(0.1, 5)
t([1.0, 2.0]).quantile([0.1]); t([1.0]).bfloat16().quantile(0.5)
t([2, 1, 2]).unique(return_inverse=True, return_counts=True); t([2.0, nan, nan]).unique(return_counts=True)
t([[2, 1], [2, 1], [0, 5]]).unique(dim=0, return_inverse=True); t(2).unique(); E(0).unique()
E(0).unique(True, True, True); t([1 + 1j]).unique(); t([2, 1]).unique(dim=5); E(2, 0).unique(dim=0)
E(0, 2).unique(dim=0); E(0, 2).unique(dim=1); t([[2.0, -1.0], [-3.0, 1.0]]).unique(dim=1, return_counts=True)
t([2.0, 1.0, 2.0]).bfloat16().unique(); t([2, 2, 1, 2]).unique_consecutive(True, True)
t([[2, 1], [2, 1], [0, 5]]).unique_consecutive(dim=0, return_inverse=True)
t(2).unique_consecutive(True, True); t([nan, nan]).unique_consecutive(); E(0, 2).unique_consecutive(dim=0)
t([[2, 2], [2, 1]]).unique_consecutive(True); torch.isin(t([1, 2, 3]), t([2])); torch.isin(2, t([2]))
torch.isin(t([1, 2]), 2); torch.isin(t([1, 2]), t([2]), invert=True); torch.isin(2, 2)
torch.isin(t([1.0, nan]), t([nan])); torch.isin(t([1 + 1j]), t([1])); torch.isin(t([True]), t([True]))
torch.isin(t([[1]]), t([]))
torch.sort(t([1.0]), out=(torch.empty(1, dtype=torch.float64), torch.empty(1, dtype=torch.int64)))
torch.argsort(t([1.0]), out=torch.empty(1, dtype=torch.int64)); torch.isin(t([1]), t([1]), out=torch.empty(1))
grad(lambda x: x.sort()[0] * torch.arange(3.0), t([3.0, 1.0, 2.0]))
grad(lambda x: x.topk(2)[0] * torch.arange(2.0), t([3.0, 1.0, 2.0]))
grad(lambda x: x.median(), t([1.0, 2.0, 2.0, 3.0])); grad(lambda x: x.median(), t([1.0, nan, 2.0]))
grad(lambda x: x.nanmedian(), t([1.0, nan, 2.0, 2.0])); grad(lambda x: x.median(0), t([1.0, 2.0, 5.0, 3.0]))
grad(lambda x: x.mode(), t([3.0, 2.0, 2.0])); grad(lambda x: x.quantile(0.3), t([3.0, 2.0, 1.0]))
grad(lambda x: x.kthvalue(2)[0], t([3.0, 2.0, 1.0])); grad(lambda x: x.nanquantile(0.3), t([3.0, nan, 1.0]))
grad(lambda x: x.sort(0)[0], t(2.0)); grad(lambda x: x.msort(), t([[3.0, 1.0], [2.0, 4.0]]))
grad(lambda x: x.unique(), t([1.0]))
"""
SCANS = """
t([1.0, nan, 2.0, nan, 0.0]).cummax(0); t([1.0, 1.0, 2.0, 2.0, 0.0]).cummax(0)
t([1.0, 1.0, 2.0, 2.0, 0.0]).cummin(0); t([nan, 1.0]).cummin(0); E(0).cummax(0); E(0, 2).cummin(1)
t(1.0).cummax(0); t([1 + 1j]).cummax(0); t([True, False]).cummax(0); t([2, 1, 3]).cummin(-1)
t([1.0]).cummax(1); t([2.0, nan, 1.0]).half().cummax(0); t([2.0, 1.0]).bfloat16().cummin(0)
torch.cumsum(t(3.0), 0); torch.cumsum(t([1.0]), 1); torch.cumsum(t([1.0]))
torch.cumsum(t([True]), 0, dtype=torch.float32); torch.cumsum(t([True, True]), 0)
torch.cumsum(t([True]), 0, dtype=torch.bool); E(0).cumsum(0); t([1.0, 2.0]).cumsum(axis=0)
torch.cumprod(t([1, 2], dtype=torch.int8), 0); t([1.0, 2.0]).half().cumsum(0)
(torch.ones(300).bfloat16() * 0.1).cumsum(0); t([1 + 1j, 2.0]).cumprod(0); t([inf, -inf]).cumsum(0)
t([1.5, 2.5]).cumsum(0, dtype=torch.int64); t([1, 2]).cumsum_(0); t([1.0, 2.0]).cumsum_(0, dtype=torch.int64)
t([1, 2], dtype=torch.int32).cumsum_(0); t([2, 3]).cumprod_(0)
torch.cumsum(t([1.5, 2.5]), 0, out=torch.empty(2, dtype=torch.int64)); torch.cumsum([1.0], 0)
t([1.0]).cumsum("a"); t([1.0]).cumsum((0,)); torch.logcumsumexp(t([1, 2]), 0)
torch.logcumsumexp(t([1 + 1j, 2]), 0); torch.logcumsumexp(t([1.0, nan, 2.0]), 0)
torch.logcumsumexp(t([-inf, -inf, 1.0]), 0); torch.logcumsumexp(t([1.0, inf, 2.0]), 0)
torch.logcumsumexp(t(1.0), 0); torch.logcumsumexp(E(0), 0); torch.logcumsumexp(t([1.0, 2.0]).half(), 0)
t([1.0, 3.0, 6.0]).diff(n=2); t([1.0, 3.0, 6.0]).diff(n=5); t([1.0, 3.0]).diff(n=0); t([1.0, 3.0]).diff(n=-1)
t(1.0).diff(); t([True, False]).diff(); t([[1.0, 2.0]]).diff(dim=0); torch.diff(t([[1, 2]]), prepend=t([1]))
E(0).diff(); torch.diff(t([[1.0, 2.0]]), prepend=t([[0.0]]), append=t([[5.0]]))
torch.diff(t([[1, 2]]), append=t([[1], [2]])); torch.trapezoid(t([1.0, 2.0]), dx=2.0)
torch.trapezoid(t([1, 2])); torch.trapezoid(t([1.0, 2.0]), t([1.0, 3.0]))
torch.trapezoid(t([1.0, 2.0]), x=t([1.0, 3.0, 4.0])); torch.trapezoid(t(1.0)); torch.trapezoid(t([1.0]))
torch.trapezoid(E(0)); torch.trapezoid(t([True, False])); torch.trapezoid(t([1.0, 2.0]), 2.0)
torch.trapezoid(t([[1.0, 2.0], [3.0, 4.0]]), t([1.0, 3.0]), dim=0)
torch.trapezoid(t([[1.0, 2.0], [3.0, 4.0]]), t([[1.0, 3.0], [1.0, 2.0]]))
torch.cumulative_trapezoid(t([1.0, 2.0, 3.0])); torch.cumulative_trapezoid(t([1.0]))
torch.cumulative_trapezoid(t([[1.0, 2.0], [3.0, 4.0]]), t([1.0, 3.0])); torch.trapz(t([1.0, 2.0]))
grad(lambda x: x.cumprod(0), t([2.0, 0.0, 3.0])); grad(lambda x: x.cumprod(0), t([0.0, 0.0, 3.0]))
grad(lambda x: x.cumprod(1), t([[2.0, 0.0, 3.0], [1.0, 2.0, 3.0]])); grad(lambda x: x.cumprod(0), t(2.0))
grad(lambda x: x.cumprod(0), E(0)); grad(lambda x: x.cumsum(0), E(0, 2))
grad(lambda x: x.cummax(0), t([2.0, 2.0, 1.0])); grad(lambda x: x.cummin(0), t([2.0, 2.0, 1.0]))
grad(lambda x: x.cummax(1), t([[2.0, 3.0, 1.0]])); grad(lambda x: x.diff(), t([2.0, 3.0]))
grad(lambda x: x.cumsum(0), t([1.0, 2.0])); grad(lambda x: x.logcumsumexp(0), t([1.0, 2.0]))
grad(lambda x: x.logcumsumexp(0), t(1.0))
"""
NORMS = """
E(0).norm(); E(0).norm(inf); E(0, 3).norm(inf, 0); E(0, 3).norm(-inf, 0); E(0, 3).norm(2, 0); t([1, 2]).norm()
t([1.0, 2.0]).norm(0); t([1.0, 2.0]).norm(-inf); t([1.0, 2.0]).norm(3); t([1.0, 2.0]).norm(p=None)
t([3 + 4j]).norm(); t(-2.0).norm(); t([[1.0, 2.0]]).norm("fro"); t([[1.0, 2.0]]).norm("nuc")
t([[1.0, 2.0]]).norm("foo"); t([1.0, 2.0]).norm("nuc"); t([[[1.0]]]).norm("nuc")
t([1.0]).norm(dtype=torch.float64); t([1.0]).norm(dtype=torch.int64); t([1 + 1j]).norm(dtype=torch.float32)
t([1.0]).norm(dtype=torch.complex64); t([1, 2]).norm(dtype=torch.float32)
torch.norm(t([[1.0, 2.0], [3.0, 4.0]]), p=1.5, dim=[]); t([[1.0, 2.0]]).norm(2, 1, True)
torch.norm(t([[1.0, 2.0]]), p=2, dim=1, out=E(0)); torch.norm([1.0]); t([1.0, 2.0]).norm(2, 5)
t([nan, 1.0]).norm(); t([nan, 1.0]).norm(inf); t([1.0, 2.0]).half().norm(); t([1.0, 2.0]).norm("inf")
torch.renorm(t([1.0]), 2, 0, 1.0); torch.renorm(t([[1.0, 2.0]]), -1, 0, 1.0)
torch.renorm(t([[1.0, 2.0]]), 2, 0, -1.0); torch.renorm(t([[1, 2]]), 2, 0, 1.0)
torch.renorm(t([[1.0, 2.0]]), 2, 5, 1.0); torch.renorm(t([[1.0, 2.0]]), inf, 0, 1.0)
torch.renorm(t([[3 + 4j]]), 2, 0, 1.0); t([[3.0, 4.0]]).renorm_(2, 0, 1.0)
torch.renorm(t([[3.0, 4.0]]).half(), 2, 0, 1.0); torch.dist(t([1, 2]), t([1, 3]))
torch.dist(t([1.0, 2.0]), t([1.0, 3.0]), p=inf); torch.dist(t([1.0, 2.0]), t(1.0), p=0)
torch.dist(t([1.0, 2.0]), t(1.0, dtype=torch.float64)); torch.dist(t([1.0]), 2.0); torch.dist(E(0), E(0))
torch.cdist(t([1.0]), t([[1.0]])); torch.cdist(t([[1]]), t([[1]]))
torch.cdist(t([[1.0, 2.0]]), t([[1.0, 2.0, 3.0]])); torch.cdist(t([[1.0]]), t([[1.0]]), p=-1)
torch.cdist(t([[1.0]]), t([[1.0]]), compute_mode="foo")
torch.cdist(t([[1.0]]), t([[1.0]], dtype=torch.float64)); torch.cdist(E(0, 2), E(3, 2))
torch.cdist(E(2, 0), E(3, 0)); torch.cdist(t([[1.0]]).half(), t([[1.0]]).half())
torch.cdist(torch.zeros(2, 1, 3, 2), torch.ones(4, 5, 2))
torch.cdist(t([[1.0, 2.0], [nan, 1.0]]), t([[0.0, 1.0]]), p=inf)
torch.cdist(t([[1.0, 2.0]]), t([[0.0, 1.0]]), p=0); torch.cdist(t([[1.0, 2.0]]), t([[0.0, 1.0]]), p=0.5)
torch.cdist(t([[1.0, 2.0]]), t([[0.0, 1.0]]), compute_mode="use_mm_for_euclid_dist")
torch.pdist(t([[1.0, 2.0], [3.0, 4.0], [1.0, 0.0]])); torch.pdist(t([1.0])); torch.pdist(t([[1]]))
torch.pdist(t([[1.0]]), -1); torch.pdist(t([[1.0]])); torch.pdist(E(0, 2))
torch.nn.functional.pdist(t([[1.0, 2.0], [3.0, 4.0]]), inf); grad(lambda x: x.norm(), t([0.0, 0.0]))
grad(lambda x: x.norm(1), t([0.0, 2.0])); grad(lambda x: x.norm(inf), t([2.0, 2.0, 1.0]))
grad(lambda x: x.norm(3), t([0.0, 0.0])); grad(lambda x: x.norm(0.5), t([0.0, 1.0]))
grad(lambda x: x.norm(dim=0), t([[0.0, 3.0], [0.0, 4.0]])); grad(lambda x: x.norm(1.5), t([0.0, 0.0]))
grad(lambda x: x.renorm(2, 0, 1.0), t([[3.0, 2.0], [0.1, 0.1]]))
grad(lambda x: torch.cdist(x, x), t([[3.0, 2.0], [0.1, 0.1]]))
grad(lambda x: torch.cdist(x, t([[3.0, 2.0], [3.0, 3.0]]), p=1.0), t([[3.0, 2.0], [0.1, 0.1]]))
grad(lambda x: torch.cdist(x, t([[3.0, 2.0], [2.0, 3.0]]), p=inf), t([[4.0, 4.0], [3.0, 2.0]]))
grad(lambda x: torch.cdist(x, t([[3.0, 2.0], [2.0, 3.0]]), p=0), t([[4.0, 4.0], [3.0, 2.0]]))
grad(lambda x: torch.cdist(x, t([[3.0, 2.0], [2.0, 3.0]]), p=0.5), t([[4.0, 3.0], [3.0, 2.0]]))
grad(lambda x: torch.dist(x, t([3.0, 2.0])), t([3.0, 2.0]))
grad(lambda x, y: torch.cdist(x, y), torch.arange(60.0).view(30, 2), torch.ones(3, 2))
"""
# What PyTorch does where Rushlight does better on purpose, or what no program can depend on.
DIFFER = {
    "torch.cdist(t([[1.0, 2.0], [nan, 1.0]]), t([[0.0, 1.0]]), p=inf)": "PyTorch's maximum there loses the nan",
    "torch.norm([1.0])": "PyTorch's Python wrapper fails on the list with an AttributeError",
}


@pytest.mark.parametrize(
    "lines",
    [SUMS, NUMPY_NAMES, EXTREMA, SPREADS, SORTS, SCANS, NORMS],
    ids=["sums", "numpy names", "extrema", "spreads", "sorts", "scans", "norms"],
)
def test_agrees_with_pytorch(lines: str) -> None:
    wrong = []
    for expression in [part.strip() for part in lines.replace("\n", ";").split(";")]:
        if expression and expression not in DIFFER:
            try:
                check(expression)
            except AssertionError as error:
                wrong.append(str(error).split("\nassert")[0])
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("expression", DIFFER)
def test_known_differences_are_still_there(expression: str) -> None:
    with pytest.raises(AssertionError):
        check(expression)
