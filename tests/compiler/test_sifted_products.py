"""Products that leave out zeros: the bits of the register tiles, for every layout, also where there is infinity or NaN."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import rushlight as torch
from rushlight.compiler import native
from rushlight.compiler.kernels import gemm, sifted_products, tile_products
from rushlight.compiler.launch import Role

pytestmark = pytest.mark.skipif(
    tile_products.machine(False) is None, reason="this processor's products run on OpenBLAS"
)
KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, *[ctypes.c_void_p] * 3)


@pytest.fixture(autouse=True)
def small_products_too(monkeypatch: pytest.MonkeyPatch) -> None:
    smallest = [name for name in vars(gemm) if name.startswith("_SIFTED_") and "_FROM" in name]
    for name in ("_TILES_FROM", *smallest):
        monkeypatch.setattr(gemm, name, 1)
    monkeypatch.setattr(gemm, "_OWN_LOOP_UP_TO", 0)
    monkeypatch.setattr(gemm, "_worth_splitting", lambda *_: False)


def run(calls: Any, a: Any, b: Any, c: Any, backwards: bool = False) -> None:
    """All units of all launches, one by one; memory that nobody has written holds NaN."""
    operands = {(Role.OPERAND, 0): a, (Role.OPERAND, 1): b, (Role.RESULT, 0): c}
    spaces = [np.full(size, 0xFF, np.uint8) for size in calls[0].workspaces]
    for call in calls:
        kernel = KERNEL(native.load(call.text))
        ints = np.array(call.ints, np.int64)
        scratch = np.full(call.scratch + 64, 0xFF, np.uint8)
        pointers = np.array(
            [
                (spaces[p.number] if p.role is Role.WORKSPACE else operands[p.role, p.number]).ctypes.data
                + p.offset
                for p in call.pointers
            ],
            np.uint64,
        )
        place = -(-scratch.ctypes.data // 64) * 64
        for unit in range(call.units)[:: -1 if backwards else 1]:
            kernel(unit, unit + 1, ints.ctypes.data, pointers.ctypes.data, place)


def laid_out(x: Any, turned: bool, apart: int = 0) -> tuple[Any, tuple[int, int]]:
    """Memory of a matrix, row by row or column by column, perhaps with gaps; and its strides."""
    rows = x.T if turned else x
    memory = np.full((rows.shape[0], rows.shape[1] + apart), np.nan, x.dtype)
    memory[:, : rows.shape[1]] = rows
    step = rows.shape[1] + apart
    return memory, (1, step) if turned else (step, 1)


def both(
    a: Any, b: Any, before: Any, side: int, layout: tuple[bool, bool, bool], **more: Any
) -> tuple[Any, Any]:
    """The result by lists, and by register tiles."""
    found = []
    for zeros in ((side == 0, side == 1), (False, False)):
        (x, x_strides), (y, y_strides) = laid_out(a, layout[0], 3), laid_out(b, layout[1])
        c, c_strides = laid_out(before, layout[2], 5)
        calls = gemm.matmul_calls(
            *(a.shape[0], b.shape[1], a.shape[1], a.dtype),
            a_strides=x_strides, b_strides=y_strides, c_strides=c_strides, zeros=zeros, **more,
        )  # fmt: skip
        assert calls is not None
        assert len(calls) == (2 if any(zeros) else 1)
        run(calls, x, y, c)
        if any(zeros):
            again, _ = laid_out(before, layout[2], 5)
            run(calls, x, y, again, backwards=True)
            np.testing.assert_array_equal(c, again)
        gap = before.shape[0] if layout[2] else before.shape[1]
        assert np.isnan(c[:, gap:]).all()  # nothing is written between the rows
        found.append(c[:, :gap].T if layout[2] else c[:, :gap])
    return found[0], found[1]


def matrices(m: int, n: int, k: int, dtype: Any, side: int, density: float) -> tuple[Any, Any]:
    random = np.random.default_rng(m * n + k)
    a, b = random.standard_normal((m, k)).astype(dtype), random.standard_normal((k, n)).astype(dtype)
    (a, b)[side][random.random((a, b)[side].shape) >= density] = 0
    return a, b


LAYOUTS = [(x, y, z) for x in (False, True) for y in (False, True) for z in (False, True)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(100, 250, 64), (33, 97, 45), (48, 64, 1000), (17, 16, 33)])
@pytest.mark.parametrize("side", [0, 1])
def test_bits(side: int, shape: tuple[int, int, int], layout: tuple[bool, bool, bool], dtype: Any) -> None:
    m, n, k = shape
    a, b = matrices(m, n, k, dtype, side, 0.5)
    result, expected = both(a, b, np.full((m, n), np.nan, dtype), side, layout)
    np.testing.assert_array_equal(result, expected)
    bound = 2 * k * np.finfo(dtype).eps * (np.abs(a).astype(np.float64) @ np.abs(b))
    assert (np.abs(result - a.astype(np.float64) @ b) <= bound).all()


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("density", [0.0, 0.01, 0.97, 1.0])
def test_densities(density: float, turned: bool) -> None:
    a, b = matrices(70, 130, 200, np.float32, 0, density)
    a[3] = 0
    a[5, 100:] = 1
    result, expected = both(a, b, np.full((70, 130), np.nan, np.float32), 0, (turned, False, turned))
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("coefficients", [(0.5, 1.0), (-2.0, 0.25), (3.0, 0.0)])
@pytest.mark.parametrize("k", [50, 600])
def test_coefficients(k: int, coefficients: tuple[float, float], layout: tuple[bool, bool, bool]) -> None:
    alpha, beta = coefficients
    a, b = matrices(60, 90, k, np.float32, 1, 0.4)
    before = np.random.default_rng(0).standard_normal((60, 90)).astype(np.float32)
    if not beta:
        before[:] = np.nan
    result, expected = both(a, b, before, 1, layout, alpha=alpha, beta=beta)
    np.testing.assert_array_equal(result, expected)
    assert not np.isnan(result).any()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_zero_times_infinity(value: float, layout: tuple[bool, bool, bool]) -> None:
    a, b = matrices(40, 200, 130, np.float32, 0, 0.5)
    b[7, 150] = b[129, 3] = value
    result, expected = both(a, b, np.zeros((40, 200), np.float32), 0, layout)
    np.testing.assert_array_equal(result, expected)
    assert np.isnan(result[a[:, 7] == 0, 150]).all()
    assert np.isnan(result[a[:, 129] == 0, 3]).all()
    assert not np.isnan(np.delete(result, [150, 3], 1)).any()


def test_what_is_sifted_may_be_anything() -> None:
    a, b = matrices(40, 80, 70, np.float32, 0, 0.5)
    a[1, 2], a[2, 3], a[4, 5] = np.inf, np.nan, -0.0
    result, expected = both(a, b, np.zeros((40, 80), np.float32), 0, (False, False, False))
    np.testing.assert_array_equal(result, expected)
    assert np.isnan(result[2]).all()
    assert np.isinf(result[1]).all()


@pytest.mark.parametrize("k", [1, 16, 64, 448, 449, 700, 896, 2000])
@pytest.mark.parametrize("depth", [32, 48, 64])
def test_parts_of_k(k: int, depth: int) -> None:
    """Every element of k is in one part, no part is longer than its panel, and slices begin and end where they do."""
    slices = tile_products.slices_of(k, False)
    *table, end = sifted_products.parts_of(slices, k, depth)
    starts, kinds = table[::2], table[1::2]
    assert end == k
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert max(b - a for a, b in zip(starts, [*starts[1:], k], strict=True)) <= depth
    begins = [min(number * slices.depth, slices.last) for number in range(slices.number)]
    assert [start for start, kind in zip(starts, kinds, strict=True) if kind & 1] == begins
    assert [kind & 2 for kind in kinds] == [
        2 * (s + 1 == len(starts) or starts[s + 1] in begins) for s in range(len(starts))
    ]
    second = begins[1] if len(begins) > 1 else k
    assert [bool(kind & 4) for kind in kinds] == [start < second for start in starts]


@pytest.mark.parametrize("value", [1.0, np.inf])
def test_compiled_nets(value: float) -> None:
    """A net with ReLUs uses it, forward and backward, and gives what eager mode gives."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(130, 200), torch.nn.ReLU(), torch.nn.Linear(200, 200))
    with torch.no_grad():
        net[2].weight[3, 5] = value
    x = torch.randn(80, 130)

    def step(x: Any) -> Any:
        net.zero_grad()
        loss = (net(x) / 1e3).square().sum()
        loss.backward()
        return loss, *[p.grad.clone() for p in net.parameters()]

    expected = step(x)
    assert "sift" in str(torch.explain(step, x))
    results = torch.compile(step, fullgraph=True)(x)
    for result, other in zip(results, expected, strict=True):
        torch.testing.assert_close(result, other, equal_nan=True)
