"""Texts of random tensors, string-equal with PyTorch's."""

from __future__ import annotations

import random

import ml_dtypes
import numpy as np
import pytest

from rushlight.core import printing

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

DTYPES = [
    "float32", "float64", "float16", "bfloat16", "int8", "uint8", "int16", "int32", "int64", "bool",
    "complex64", "complex128",
]  # fmt: skip
EXTENTS_OF_VECTORS = [0, 1, 2, 3, 5, 6, 7, 8, 20, 40, 1100]
EXTENTS = [1, 1, 2, 3, 5, 7, 9, 12]


@pytest.fixture(autouse=True)
def restore_options():
    torch.set_num_threads(1)
    yield
    torch.set_printoptions(profile="default")
    printing.set_printoptions(profile="default")


def random_shape(rng: random.Random) -> tuple[int, ...]:
    ndim = rng.choice([0, 1, 1, 2, 2, 3, 4])
    if ndim == 1:
        return (rng.choice(EXTENTS_OF_VECTORS),)
    if ndim == 2 and rng.random() < 0.2:
        return (rng.choice([2, 7, 30]), rng.choice([6, 7, 40, 200]))
    return tuple(0 if rng.random() < 0.03 else rng.choice(EXTENTS) for _ in range(ndim))


def random_floats(rng: random.Random, count: int, largest_exponent: int) -> np.ndarray:
    source = np.random.default_rng(rng.randrange(2**32))
    values = source.standard_normal(count)
    values = rng.choice(
        [
            lambda: values,
            lambda: np.abs(values),
            lambda: np.round(values * 10),
            lambda: np.round(values * 10) * 10.0 ** rng.randrange(9),
            lambda: values * 0,
            lambda: values * 10.0 ** source.integers(-6, 6, count),
            lambda: values * 10.0 ** rng.randint(-largest_exponent, largest_exponent),
            lambda: 10.0 ** source.integers(-4, 4, count),
        ]
    )()
    if rng.random() < 0.3:
        special = source.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], count)
        values = np.where(source.random(count) < 0.3, special, values)
    return values


def random_tensor(rng: random.Random):
    shape = random_shape(rng)
    count = int(np.prod(shape))
    dtype = getattr(torch, rng.choice(DTYPES))
    exponent = {torch.float64: 300, torch.float32: 38, torch.bfloat16: 38, torch.float16: 4}.get(dtype, 30)
    if dtype.is_complex:
        values = np.empty(count, complex)
        values.real, values.imag = random_floats(rng, count, exponent), random_floats(rng, count, exponent)
    elif dtype.is_floating_point:
        values = random_floats(rng, count, exponent)
    else:
        high = rng.choice([2, 100, 2**30])
        values = np.array([rng.randrange(-high, high) for _ in range(count)], np.int64)
    if dtype is torch.bool:
        values = values > rng.choice([0, 2**31])
    tensor = torch.from_numpy(values.reshape(shape)).to(dtype)
    if dtype.is_complex or dtype.is_floating_point:
        kind = rng.random()
        if kind < 0.2:
            tensor.requires_grad_()
        elif kind < 0.4:
            tensor = tensor.requires_grad_() + 0
        elif kind < 0.5:
            tensor = torch.nn.Parameter(tensor)
    return tensor


def random_options(rng: random.Random) -> dict:
    if rng.random() < 0.4:
        return {"profile": rng.choice(["default", "short", "full"])}
    options: dict = {"profile": "default"}
    choices = {
        "precision": range(9),
        "threshold": [0, 1, 5, 20, 100],
        "edgeitems": [0, 1, 2, 4, 10],
        "linewidth": [*range(20, 130), 0, 5, 10, -3],
        "sci_mode": [True, False],
    }
    for name, values in choices.items():
        if rng.random() < 0.4:
            options[name] = rng.choice(values)
    return options


def our_text(tensor, default_dtype_name: str = "float32") -> str:
    detached = tensor.detach()
    if tensor.dtype is torch.bfloat16:
        array = detached.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    else:
        array = detached.numpy()
    return printing.format_tensor(
        array,
        dtype_name=str(tensor.dtype).removeprefix("torch."),
        default_dtype_name=default_dtype_name,
        requires_grad=tensor.requires_grad,
        grad_fn_name=tensor.grad_fn.name() if tensor.grad_fn else None,
        is_parameter=isinstance(tensor, torch.nn.Parameter),
    )


@pytest.mark.parametrize("seed", range(600))
def test_random_tensor_under_random_options(seed):
    rng = random.Random(seed)
    with np.errstate(over="ignore", under="ignore"):  # 10.0**300 in a narrow type becomes inf: wanted here
        tensor = random_tensor(rng)
    options = random_options(rng)
    torch.set_printoptions(**options)
    printing.set_printoptions(**options)
    default = rng.choice(["float32", "float32", "float64", "float16"])
    torch.set_default_dtype(getattr(torch, default))
    try:
        expected = repr(tensor)
    finally:
        torch.set_default_dtype(torch.float32)
    assert our_text(tensor, default) == expected


@pytest.mark.parametrize("linewidth", range(10, 90))
def test_every_line_width(linewidth):
    torch.set_printoptions(linewidth=linewidth)
    printing.set_printoptions(linewidth=linewidth)
    for tensor in (
        torch.arange(12.0, dtype=torch.float64).requires_grad_(),
        torch.linspace(0, 3, 12, dtype=torch.float64).reshape(2, 6).requires_grad_() * 2,
        torch.arange(9) - 1j * torch.arange(9) / 3,
        torch.zeros(4, 0, dtype=torch.int8),
    ):
        assert our_text(tensor) == repr(tensor)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_every_half_precision_value_alone(dtype):
    bits = np.arange(2**16, dtype=np.uint16).view(np.int16)
    values = torch.from_numpy(bits).view(getattr(torch, dtype))
    for tensor in values[:: 2**16 // 300]:
        assert our_text(tensor) == repr(tensor)


def test_parameter_subclass():
    class Mine(torch.nn.Parameter):
        pass

    values = torch.linspace(-1, 3, 60).reshape(3, 20)
    ours = printing.format_tensor(
        values.numpy(), dtype_name="float32", requires_grad=True, class_name="Mine", is_parameter=True
    )
    assert ours == repr(Mine(values))
