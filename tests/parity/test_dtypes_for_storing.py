"""uint16, uint32, uint64 and the float8 dtypes: what PyTorch does with them, and files with them both ways."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

NAMES = ["uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"]
OTHERS = ["bool", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64"]


def _promoted(package: Any, *names: str) -> str:
    try:
        return str(package.promote_types(*[getattr(package, name) for name in names]))
    except Exception as error:  # which one is what is compared
        return type(error).__name__


@pytest.mark.parametrize("name", NAMES)
def test_promotion_is_pytorchs(name: str) -> None:
    for other in [*NAMES, *OTHERS]:
        theirs = _promoted(torch, name, other)
        assert _promoted(rushlight, name, other) == theirs, other
        assert _promoted(rushlight, other, name) == theirs, other


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "operation",
    [
        lambda t, x: x * x,
        lambda t, x: x == x[t.tensor([2, 1, 0])],
        lambda t, x: t.cat([x, x]),
        lambda t, x: t.stack([x, x], 1),
        lambda t, x: x[t.tensor([2, 0])],
        lambda t, x: x[x.float() > 1],
        lambda t, x: x.clone()[1:],
        lambda t, x: t.where(x.float() > 1, x, t.zeros_like(x)),
        lambda t, x: x.float().mean(),
        lambda t, x: x.view(t.uint8),
        lambda t, x: x.tolist(),
        lambda t, x: x[1].item(),
        lambda t, x: repr(x),
        lambda t, x: (x.dtype.itemsize, x.dtype.is_floating_point, x.dtype.is_signed, x.type()),
        lambda t, x: t.full((2,), 3, dtype=x.dtype),
    ],
)
def test_operations_that_pytorch_has(name: str, operation: Callable[[Any, Any], Any]) -> None:
    results = []
    for package in (torch, rushlight):
        result = operation(package, package.tensor([1.0, 2.0, 3.0]).to(getattr(package, name)))
        tensor = hasattr(result, "dtype")
        results.append((str(result.dtype), result.double().tolist()) if tensor else result)
    assert results[0] == results[1]


@pytest.mark.parametrize("name", [name for name in NAMES if "float8" in name])
def test_rounding_to_float8(name: str) -> None:
    values = np.concatenate(
        [np.linspace(-20, 20, 999), 10.0 ** np.arange(-8, 6), [0.0, np.inf, -np.inf, np.nan]]
    )
    values = values.astype(np.float32)
    theirs = torch.from_numpy(values).to(getattr(torch, name)).float().numpy()
    ours = rushlight.from_numpy(values).to(getattr(rushlight, name)).float().numpy()
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", NAMES)
def test_files_with_them(name: str) -> None:
    for there, here in ((torch, rushlight), (rushlight, torch)):
        file = io.BytesIO()
        there.save({"x": there.tensor([1.0, 2.0, 3.0]).to(getattr(there, name))[1:]}, file)
        found = here.load(io.BytesIO(file.getvalue()))["x"]
        assert found.dtype is getattr(here, name) and found.float().tolist() == [2.0, 3.0]


@pytest.mark.parametrize("name", ["uint16", "uint32", "uint64"])
def test_numpy_arrays_of_them(name: str) -> None:
    array = np.arange(3, dtype=name)
    tensor = rushlight.from_numpy(array)
    array[0] = 7
    assert tensor.tolist() == [7, 1, 2] and tensor.numpy().dtype == name
