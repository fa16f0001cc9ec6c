"""Every public operation, given a sparse tensor, gives what it gives for the dense one, or raises: it never guesses."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import rushlight as torch

INDICES, VALUES = [[0, 1, 1, 2], [2, 0, 2, 1]], [3.0, -4.0, 5.0, 0.5]
# "S": the sparse tensor once more; "D": a dense one; the others: a vector, numbers of rows, a mask, a number as a tensor.
ARGUMENTS: tuple[tuple[Any, ...], ...] = (
    (), (0,), (1,), (2.0,), (0, 1), ("S",), ("D",), ("D", 0), ("v",), (0, "i"), ("m",), (0, "i", "D"), ("S", "S"), ("D", "D"),
    ("D", "S"), ((3, 3),), ((1, 0),), (9,), (0, 0, 1), ("z",),
)  # fmt: skip
# Not functions of the elements: they draw, describe, or make something else.
OTHERS = {
    "layout", "_cdata", "is_sparse", "is_sparse_csr", "to_sparse", "to_sparse_coo", "to_sparse_csr", "to_sparse_csc",
    "sparse_dim", "dense_dim", "_dimI", "_dimV", "is_coalesced", "is_contiguous", "stride", "storage_offset", "type",
    "data_ptr", "backward", "register_hook", "_version", "_array", "__getstate__", "empty", "empty_like", "new",
    "new_empty", "new_zeros", "new_empty_strided", "data", "names", "random_", "normal_", "uniform_", "bernoulli",
    "bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "rand", "randn", "randint", "randperm",
    "rand_like", "randn_like", "randint_like", "dropout", "dropout_", "dropout1d", "dropout2d", "dropout3d",
    "alpha_dropout", "feature_alpha_dropout", "feature_dropout", "rrelu", "rrelu_", "gumbel_softmax", "multinomial",
    "svd_lowrank", "pca_lowrank", "fractional_max_pool2d", "fractional_max_pool3d", "lobpcg", "share_memory_", "set_",
    "normal", "bfloat16", "seed", "manual_seed", "set_rng_state", "set_default_dtype", "set_default_device",
    "set_printoptions", "save", "load", "compile", "typename", "device", "__format__", "__str__", "__repr__",
    "__hash__", "__init__", "__new__", "__class__", "__sizeof__", "__dir__", "__reduce__", "__reduce_ex__",
    "__setattr__", "__delattr__", "__getattribute__", "__subclasshook__", "__init_subclass__", "__dict__",
    "__weakref__", "__slots__", "__module__", "__doc__",
}  # fmt: skip


def sparse(layout: str) -> torch.Tensor:
    s = torch.sparse_coo_tensor(INDICES, VALUES, (3, 3))
    return s.to_sparse_csr() if layout == "csr" else s


DENSE = sparse("coo").to_dense()


def arguments(kinds: tuple[Any, ...], layout: str | None) -> tuple[Any, ...]:
    known: dict[Any, Any] = {
        "S": sparse(layout) if layout else DENSE.clone(),
        "D": DENSE.clone() + 1,
        "v": torch.tensor([1.0, 2.0, 3.0]),
        "i": torch.tensor([2, 0]),
        "m": DENSE > 0,
        "z": torch.tensor(2.0),
    }
    return tuple([known[kind] if isinstance(kind, str) else kind for kind in kinds])


def dense(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to_dense()
    return [dense(part) for part in value] if isinstance(value, tuple | list) else value


def same(a: Any, b: Any) -> bool:
    if isinstance(b, torch.Tensor):
        if not isinstance(a, torch.Tensor) or a.shape != b.shape:
            return False
        # Elements that are not listed stay 0 where a quotient of dense zeros is nan, as in PyTorch.
        known = np.isfinite(b.detach().numpy())
        return np.allclose(a.detach().numpy()[known], b.detach().numpy()[known], 1e-4, 1e-5)
    if isinstance(b, list):
        return isinstance(a, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(b, float):
        return abs(a - b) < 1e-4 or b != b
    return type(a) is type(b) and (not isinstance(b, int | bool | str) or a == b)


def garbage(function: Any, given: tuple[Any, ...], wanted: tuple[Any, ...]) -> str | None:
    """What is wrong with ``function(*given)``, where ``given`` has sparse tensors for some dense ones of ``wanted``."""
    try:
        expected = function(*wanted)
    except Exception:
        return None  # no operation on these
    try:
        actual = function(*given)
    except (RuntimeError, TypeError, ValueError, IndexError, BufferError):
        return None
    except Exception as error:
        return f"raised {error!r:.100}"
    if not same(dense(actual), dense(expected)):
        return f"gave {actual!r:.100}"
    return None if same(dense(given), dense(wanted)) else "changed its arguments otherwise"


def trials(function: Any, layout: str) -> Any:
    for kinds in ARGUMENTS:
        yield (sparse(layout), *arguments(kinds, layout)), (DENSE.clone(), *arguments(kinds, None))
    if function is not None:
        yield (DENSE.clone() + 1, sparse(layout)), (DENSE.clone() + 1, DENSE.clone())
        yield ([sparse(layout), sparse(layout)],), ([DENSE.clone(), DENSE.clone()],)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["coo", "csr"])
@pytest.mark.filterwarnings("ignore")
def test_methods(layout: str) -> None:
    wrong = {}
    for name in dir(torch.Tensor):
        if name in OTHERS or not hasattr(torch.Tensor, name):
            continue
        attribute = getattr(torch.Tensor, name)
        if callable(attribute):
            for given, wanted in trials(None, layout):
                found = garbage(lambda self, *rest: getattr(self, name)(*rest), given, wanted)
                if found:
                    wrong[name] = found
        elif found := garbage(lambda self: getattr(self, name), (sparse(layout),), (DENSE.clone(),)):
            wrong[name] = found
    assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["coo", "csr"])
@pytest.mark.parametrize("module", ["", "nn.functional", "linalg", "special", "fft"])
@pytest.mark.filterwarnings("ignore")
def test_functions(module: str, layout: str) -> None:
    found: Any = torch
    for part in module.split(".") if module else ():
        found = getattr(found, part)
    wrong = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in dir(found):
            function = getattr(found, name)
            # Modules, classes and the switches of the process are no operations.
            home = getattr(function, "__module__", "") or ""
            if name.startswith("_") or name in OTHERS or isinstance(function, type) or not callable(function):
                continue
            if home.startswith(
                ("rushlight.settings", "rushlight.core", "rushlight.serialization", "rushlight.jit")
            ):
                continue
            for given, wanted in trials(function, layout):
                problem = garbage(function, given, wanted)
                if problem:
                    wrong[name] = problem
    assert not wrong
