"""Every module of PyTorch's ``module_db`` on a pretended GPU: results and gradients are those of Rushlight's CPU."""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rushlight

SAMPLES = 4
DRAWS = ("FractionalMaxPool", "Lazy")  # windows, or first values, that each device draws for itself


@pytest.fixture(scope="module")
def database(pretended: Any) -> Iterator[Any]:
    pytest.importorskip("torch")
    from ..parity import module_database

    sys.path.insert(0, str(Path(__file__).parents[1] / "parity"))  # for what the sweep imports
    from . import sweep

    yield module_database, sweep
    sys.path.remove(str(Path(__file__).parents[1] / "parity"))


def outcome(module: Any, args: Any, kwargs: Any) -> Any:
    """Results, and the gradients of the parameters; an error."""
    try:
        result = module(*args, **kwargs)
    except Exception as error:
        return error, []
    total: Any = 0
    for part in flat(result):
        if isinstance(part, rushlight.Tensor) and part.requires_grad:
            weights = rushlight.linspace(0.5, 1.5, max(part.numel(), 1), dtype=part.dtype, device=part.device)
            total = total + (part * weights[: part.numel()].reshape(part.shape)).sum()
    if isinstance(total, rushlight.Tensor):
        total.backward()
    return result, [p.grad for p in module.parameters()]


def flat(value: Any) -> list[Any]:
    return [leaf for item in value for leaf in flat(item)] if isinstance(value, tuple | list) else [value]


@pytest.mark.slow
@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", ("float32", "bfloat16"))
def test_every_module(dtype: str, database: Any) -> None:
    module_database, sweep = database
    kind = getattr(rushlight, dtype)
    wrong: dict[str, str] = {}
    count = 0
    for name in module_database.database():
        if name.startswith(DRAWS):
            continue
        for _, sample in zip(
            range(SAMPLES), module_database.samples(name, "float32", training=False), strict=False
        ):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                here = module_database.Pair(name, sample, dtype, training=False).ours
                there = copy.deepcopy(here).cuda()
                args, kwargs = (
                    sweep.moved(module_database.opinfo.to_rushlight(given), "cpu", [])
                    for given in (list(sample.inputs), sample.named_inputs)
                )
                args, kwargs = in_dtype(args, kind), in_dtype(kwargs, kind)
                expected, gradients = outcome(here, args, kwargs)
                if isinstance(expected, Exception):
                    continue
                actual, found = outcome(there, sweep.moved(args, "cuda", []), sweep.moved(kwargs, "cuda", []))
            count += 1
            if isinstance(actual, Exception):
                wrong[sample.described] = repr(actual)[:300]
                continue
            differing = sweep.differing("result", sweep.moved_back(actual), expected)
            for mine, theirs in zip(found, gradients, strict=True):
                if (mine is None) != (theirs is None):
                    differing.append("a gradient is missing")
                elif mine is not None:
                    assert mine.is_cuda
                    # On a CPU, as PyTorch's, the logarithms of probabilities are rounded too before the gradient is formed
                    # of them, and of that a product is taken here.
                    roundings = 3 if name.endswith("LinearCrossEntropyLoss") else 1
                    differing += sweep.differing("gradient", mine.cpu(), theirs, roundings)
            if differing:
                wrong[sample.described] = str(differing[:2])
    assert not wrong, "\n".join(f"{what}: {why}" for what, why in wrong.items())
    assert count > 250


def test_lazy_modules(pretended: Any) -> None:
    """They come to be where they were moved to before their first call."""
    x = rushlight.randn(2, 3, 8, device="cuda")
    for module in (rushlight.nn.LazyConv1d(4, 3), rushlight.nn.LazyLinear(5), rushlight.nn.LazyBatchNorm1d()):
        there = copy.deepcopy(module.cuda())
        assert there(x).is_cuda and all(value.is_cuda for value in there.state_dict().values())


def in_dtype(value: Any, kind: Any) -> Any:
    if isinstance(value, rushlight.Tensor):
        return value.to(kind) if value.is_floating_point() else value
    if isinstance(value, dict):
        return {key: in_dtype(item, kind) for key, item in value.items()}
    return type(value)([in_dtype(item, kind) for item in value]) if isinstance(value, tuple | list) else value
