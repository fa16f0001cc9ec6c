"""Register tiles of our own for large products: against NumPy in float64, and the same bits whatever the tiles are."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from rushlight.compiler import native
from rushlight.compiler.kernels import gemm, tile_products
from rushlight.compiler.kernels.tile_products import Machine, Tiles

pytestmark = pytest.mark.skipif(
    tile_products.machine(False) is None, reason="this processor's products run on OpenBLAS"
)
KERNEL = ctypes.CFUNCTYPE(
    None, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)


@pytest.fixture(autouse=True)
def small_products_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gemm, "_TILES_FROM", 1)
    monkeypatch.setattr(gemm, "_OWN_LOOP_UP_TO", 0)
    monkeypatch.setattr(gemm, "_worth_splitting", lambda *_: False)


def run(call: Any, a: Any, b: Any, c: Any, backwards: bool = False) -> None:
    """All units of a launch, one by one."""
    kernel = KERNEL(native.load(call.text))
    ints = np.array(call.ints, np.int64)
    scratch = np.full(call.scratch + 64, 0xFF, np.uint8)  # NaN, for whoever reads what nobody wrote
    pointers = (ctypes.c_void_p * 3)(a.ctypes.data, b.ctypes.data, c.ctypes.data)
    units = range(call.units)
    for unit in reversed(units) if backwards else units:
        place = -(-scratch.ctypes.data // 64) * 64
        kernel(unit, unit + 1, ints.ctypes.data, ctypes.addressof(pointers), place)


def call_of(m: int, n: int, k: int, dtype: Any, a_turned: bool, b_turned: bool, **more: Any) -> Any:
    (call,) = gemm.matmul_calls(
        m, n, k, dtype,
        a_strides=(1, m) if a_turned else (k, 1),
        b_strides=(1, k) if b_turned else (n, 1),
        c_strides=(n, 1),
        **more,
    )  # fmt: skip
    assert "multiply_" in call.text, "not by register tiles"
    return call


def operands(m: int, n: int, k: int, dtype: Any, a_turned: bool, b_turned: bool) -> tuple[Any, Any, Any, Any]:
    """Memory of both, and the matrices that they are in float64."""
    random = np.random.default_rng(m * n + k)
    a = random.standard_normal((k, m) if a_turned else (m, k)).astype(dtype)
    b = random.standard_normal((n, k) if b_turned else (k, n)).astype(dtype)
    return a, b, (a.T if a_turned else a).astype(np.float64), (b.T if b_turned else b).astype(np.float64)


SHAPES = [
    (64, 100, 300),
    (13, 32, 7),
    (29, 40, 257),
    (2, 33, 600),
    (15, 17, 20),
    (200, 90, 70),
    (30, 63, 513),
    (14, 8, 16),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape: tuple[int, int, int], turned: tuple[bool, bool], dtype: Any) -> None:
    m, n, k = shape
    a, b, left, right = operands(m, n, k, dtype, *turned)
    c = np.full((m, n), np.nan, dtype)
    run(call_of(m, n, k, dtype, *turned), a, b, c)
    bound = 2 * k * np.finfo(dtype).eps * (np.abs(left) @ np.abs(right))
    assert (np.abs(c - left @ right) <= bound).all()


@pytest.mark.parametrize("coefficients", [(0.5, 1.0), (-2.0, 0.25), (3.0, 0.0)])
@pytest.mark.parametrize("k", [40, 300])
def test_coefficients(k: int, coefficients: tuple[float, float]) -> None:
    alpha, beta = coefficients
    m, n = 30, 50
    a, b, left, right = operands(m, n, k, np.float32, False, False)
    before = np.random.default_rng(0).standard_normal((m, n)).astype(np.float32)
    c = before.copy() if beta else np.full_like(before, np.nan)
    run(call_of(m, n, k, np.float32, False, False, alpha=alpha, beta=beta), a, b, c)
    bound = 2 * k * np.finfo(np.float32).eps * (np.abs(alpha) * np.abs(left) @ np.abs(right) + np.abs(before))
    assert (np.abs(c - (alpha * left @ right + beta * before)) <= bound).all()


@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
def test_same_bits_for_all_tiles_and_orders(
    turned: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    m, n, k = 61, 101, 600
    a, b, _, _ = operands(m, n, k, np.float32, *turned)
    found = set()
    for rows in (13, 11):
        blocks = -(-m // rows)
        rows = -(-m // blocks)
        for together, span, a_copied, b_copied in [
            (blocks, 128, False, False), (1, 32, True, True), (2, 64, False, True), (3, 96, True, False),
            (2, 56, False, False), (blocks, 40, True, True), (3, 24, False, True), (4, 8, False, False), (2, 72, True, False),
        ]:  # fmt: skip
            tiles = Tiles(
                blocks, rows, m - blocks * (rows - 1), together, span, a_copied, b_copied or turned[1]
            )
            monkeypatch.setattr(tile_products, "tiles_of", lambda *_, tiles=tiles: tiles)
            for backwards in (False, True):
                c = np.empty((m, n), np.float32)
                run(call_of(m, n, k, np.float32, *turned), a, b, c, backwards)
                found.add(c.tobytes())
    assert len(found) == 1


def test_nothing_outside_the_operands_is_touched() -> None:
    m, n, k = 29, 37, 300
    for turned in [(False, False), (True, False), (False, True), (True, True)]:
        a, b, left, right = operands(m, n, k, np.float32, *turned)
        # Rows of c lie apart: what is between them stays as it is.
        c = np.full((m + 1, n + 5), 7.0, np.float32)
        (call,) = gemm.matmul_calls(
            m, n, k, np.float32,
            a_strides=(1, m) if turned[0] else (k, 1),
            b_strides=(1, k) if turned[1] else (n, 1),
            c_strides=(n + 5, 1),
        )  # fmt: skip
        run(call, a, b, c)
        assert (c[m] == 7).all() and (c[:, n:] == 7).all()
        np.testing.assert_allclose(c[:m, :n], left @ right, rtol=1e-4, atol=1e-4)


def test_batches() -> None:
    batch, m, n, k = 5, 20, 40, 30
    random = np.random.default_rng(3)
    a, b = random.standard_normal((batch, m, k)), random.standard_normal((batch, k, n))
    (call,) = gemm.matmul_calls(
        m, n, k, np.float64, batch=(batch,), a_strides=(m * k, k, 1), b_strides=(k * n, n, 1), c_strides=(m * n, n, 1)
    )  # fmt: skip
    assert "multiply_" in call.text
    c = np.empty((batch, m, n))
    run(call, a, b, c)
    np.testing.assert_allclose(c, a @ b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("m", [1, 2, 13, 14, 15, 64, 1000, 12345])
@pytest.mark.parametrize("n", [8, 31, 32, 100, 4096])
def test_tiles_cover_the_result(m: int, n: int) -> None:
    tiles = tile_products.tiles_of(m, n, 512, 1, False, Machine(14, 2, 16), 2048, 4 * n, False)
    assert tiles.full * tiles.rows + (tiles.blocks - tiles.full) * (tiles.rows - 1) == m
    assert 0 < tiles.full <= tiles.blocks and tiles.rows <= 14
    assert 0 < tiles.together <= tiles.blocks and tiles.span % 8 == 0 and tiles.span > 0
