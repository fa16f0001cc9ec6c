"""Eager products that go over to register tiles: when they do, and that nobody can tell from the results."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from rushlight.compiler.kernels import tile_products
from rushlight.runtime import gemm, products


def kernels_of_openblas() -> str:
    """For which processor the kernels are that NumPy's OpenBLAS has chosen; empty where NumPy has another BLAS."""
    if not gemm._looked:
        gemm._find_blas()
    return getattr(gemm._controllers[0], "architecture", "") if gemm._controllers else ""


pytestmark = pytest.mark.skipif(
    tile_products.machine(False) is None or kernels_of_openblas() != "SkylakeX",
    reason="products run on OpenBLAS, or its kernels cut sums otherwise than those for SkylakeX",
)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A kind goes over with its first product."""
    monkeypatch.setattr(products, "_WORTH_LOADING", 0)
    monkeypatch.setattr(products, "_WORTH_A_PLAN", 0)
    products._kinds.clear()
    yield
    products._kinds.clear()


def operands(m: int, k: int, n: int, dtype: Any, turned: tuple[bool, bool]) -> tuple[Any, Any]:
    random = np.random.default_rng(m + k + n)
    x = random.standard_normal((k, m) if turned[0] else (m, k)).astype(dtype)
    y = random.standard_normal((n, k) if turned[1] else (k, n)).astype(dtype)
    return x.T if turned[0] else x, y.T if turned[1] else y


def kind_of(x: Any, y: Any) -> Any:
    (kind,) = [kind for key, kind in products._kinds.items() if key[:2] == (x.shape, y.shape)]
    return kind


@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shape",
    [
        (64, 1000, 100),
        (1000, 64, 100),
        (150, 450, 90),
        (120, 897, 60),
        (33, 2000, 70),
        (200, 385, 50),
        (40, 9216, 33),
    ],
)
def test_tiles_have_the_bits_of_openblas(
    shape: tuple[int, int, int], dtype: Any, turned: tuple[bool, bool]
) -> None:
    x, y = operands(*shape, dtype, turned)
    by_openblas = products.product(x, y)
    kind = kind_of(x, y)
    assert kind.run is not None, "this NumPy's OpenBLAS cuts long sums otherwise: tile_products.DEPTH"
    run, called = kind.run, []

    def counted(*arrays: Any) -> None:
        called.append(len(arrays))
        run(*arrays)

    kind.run = counted
    np.testing.assert_array_equal(products.product(x, y), by_openblas, strict=True)
    assert called


def test_other_bits_stay_with_openblas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tile_products.DEPTH, False, 256)
    tile_products.text_of.cache_clear()
    x, y = operands(64, 1000, 100, np.float32, (False, False))
    first = products.product(x, y)
    assert kind_of(x, y).never
    np.testing.assert_array_equal(products.product(x, y), first)
    tile_products.text_of.cache_clear()


def test_what_happens_rarely_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_WORTH_A_PLAN", 3 * 64 * 1000 * 100)
    x, y = operands(64, 1000, 100, np.float32, (False, False))
    for _ in range(2):
        products.product(x, y)
        assert kind_of(x, y).run is None
    products.product(x, y)
    assert kind_of(x, y).run is not None


def test_a_matrix_times_its_own_transpose() -> None:
    x, other = operands(150, 300, 150, np.float32, (False, True))
    products.product(x, other)
    result = products.product(x, x.T)
    np.testing.assert_array_equal(result, x.dot(x.T))
    np.testing.assert_array_equal(result, result.T)


def test_what_tiles_do_not_take() -> None:
    x, y = operands(64, 1000, 100, np.float32, (False, False))
    for left, right in [
        (x[:, ::2], y[::2]),
        (x.astype(np.complex64), y.astype(np.complex64)),
        (x.astype(">f4"), y.astype(">f4")),
    ]:
        result = products.product(left, right)
        np.testing.assert_allclose(result, left.astype(result.dtype) @ right, rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError):
        products.product(x, y[:-1])


def test_infinities_and_nan() -> None:
    x, y = operands(64, 1000, 100, np.float32, (False, False))
    x[3, 5], x[7, 9], y[0, 2] = np.inf, np.nan, -np.inf
    with np.errstate(all="ignore"):
        for _ in range(3):
            np.testing.assert_array_equal(products.product(x, y), gemm.on_one_thread(x, y))
    assert kind_of(x, y).run is not None


@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("side", [0, 1])
def test_zeros_are_left_out(side: int, turned: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_LOOKED_AT_FROM", 1)
    x, y = operands(200, 300, 250, np.float32, turned)
    np.maximum((x, y)[side], 0, out=(x, y)[side])
    by_openblas = gemm.on_one_thread(x, y)
    for _ in range(3):
        np.testing.assert_array_equal(products.product(x, y), by_openblas, strict=True)
    plans = kind_of(x, y).sifting
    assert plans[side]
    assert plans[1 - side] is None
    called: list[int] = []
    plans[side] = lambda *arrays: called.append(len(arrays))
    (x, y)[side][...] += 1  # nothing is zero any more: the register tiles
    np.testing.assert_array_equal(products.product(x, y), gemm.on_one_thread(x, y))
    assert not called
    (x, y)[side][...] = 0
    products.product(x, y)
    assert called


def test_lists_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_LOOKED_AT_FROM", 1)
    monkeypatch.setattr(products, "_BYTES_OF_LISTS", 1_000_000)
    monkeypatch.setattr(products, "_bytes_of_lists", [0])
    monkeypatch.setattr(products, "_kinds", OrderedDict())
    found = []
    for rows in (200, 210, 220, 230, 240):
        x, y = operands(rows, 300, 250, np.float32, (False, False))
        np.maximum(x, 0, out=x)
        for _ in range(2):
            np.testing.assert_array_equal(products.product(x, y), gemm.on_one_thread(x, y))
        found.append(bool(kind_of(x, y).sifting[0]))
    assert found[0]
    assert not found[-1]
    assert products._bytes_of_lists[0] <= 1_000_000
    taken = products._bytes_of_lists[0]
    monkeypatch.setattr(products, "_KEPT", 0)
    fresh = np.ones((3, 1 << 20), np.float32)
    products.product(fresh, np.ones((1 << 20, 2), np.float32))
    # Kinds that are forgotten give back what they took.
    assert products._bytes_of_lists[0] < taken


def heads(dtype: Any) -> tuple[Any, Any, Any]:
    """Queries, keys and values of 4 heads, as parts of one array."""
    batch, length, heads, depth = 3, 100, 4, 48
    together = np.random.default_rng(0).standard_normal((batch, length, 3 * heads * depth)).astype(dtype)
    parts = np.split(together, 3, axis=-1)
    q, k, v = (part.reshape(batch, length, heads, depth).transpose(0, 2, 1, 3) for part in parts)
    return q, k, v


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_stacks_and_parts_of_arrays(dtype: Any) -> None:
    q, k, v = heads(dtype)
    scores = np.random.default_rng(1).standard_normal((3, 4, 100, 100)).astype(dtype)
    for x, y in [
        (q, k.swapaxes(-1, -2)),
        (scores, v),
        (scores.swapaxes(-1, -2), q),
        (np.broadcast_to(scores[:1], scores.shape), v),
        (q * q.dtype.type(0.3), k.swapaxes(-1, -2)),  # memory of its own, in the order of q's
    ]:
        products._kinds.clear()
        by_openblas = products.stacked(x, y)
        (kind,) = products._kinds.values()
        assert kind.run is not None
        np.testing.assert_array_equal(products.stacked(x, y), by_openblas, strict=True)
        np.testing.assert_allclose(by_openblas, x.astype(np.float64) @ y, rtol=1e-3, atol=1e-3)


def test_stacks_that_tiles_do_not_take() -> None:
    _, _, v = heads(np.float32)
    scores = np.random.default_rng(1).standard_normal((3, 4, 100, 100)).astype(np.float32)
    for x, y in [(scores[::-1], v), (scores[..., ::2], v[..., ::2, :]), (scores, v[:1]), (scores, v[0])]:
        np.testing.assert_allclose(products.stacked(x, y), np.matmul(x, y), rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError):
        products.stacked(scores, v[:, :, :-1])


def test_equal_views_of_other_memory_are_other_kinds() -> None:
    first = np.random.default_rng(0).standard_normal((200, 300)).astype(np.float32)
    second = np.random.default_rng(1).standard_normal((260, 300)).astype(np.float32)
    weight = np.random.default_rng(2).standard_normal((300, 64)).astype(np.float32)
    for whole in (first, second, first, second):
        for start in (10, 30):
            part = whole[start : start + 150, :250]
            np.testing.assert_array_equal(
                products.product(part, weight[:250]), gemm.on_one_thread(part, weight[:250])
            )
