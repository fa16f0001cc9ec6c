"""Matrix products as kernel calls: against NumPy in float64, for layouts, batches, coefficients and dtypes."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

pytest.importorskip("llvmlite")

from rushlight.compiler import blas, native
from rushlight.compiler.kernels.gemm import Coefficient, matmul_calls, tiling
from rushlight.compiler.launch import Pointer, Role

pytestmark = pytest.mark.usefixtures("own_cache")

KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, *[ctypes.c_void_p] * 3)


@pytest.fixture(autouse=True)
def _openblas():
    if blas.find() is None:
        pytest.skip("NumPy has no OpenBLAS here")


def execute(calls, memory, order=1):
    """Do all units of all calls, one at a time, forwards or backwards."""
    sizes = calls[0].workspaces if calls else ()
    spaces = [np.full(size, 0xFF, np.uint8) for size in sizes]
    for call in calls:
        assert call.workspaces == sizes
        function = KERNEL(native.load(call.text, call.name))
        ints = np.array(call.ints, np.int64)
        bases = [
            spaces[p.number].ctypes.data if p.role is Role.WORKSPACE else memory[p.role, p.number].ctypes.data
            for p in call.pointers
        ]
        pointers = np.array(
            [base + p.offset for base, p in zip(bases, call.pointers, strict=True)], np.uint64
        )
        scratch = np.full(call.scratch + 64, 0xFF, np.uint8)
        for unit in range(call.units)[::order]:
            function(unit, unit + 1, ints.ctypes.data, pointers.ctypes.data, scratch.ctypes.data)


def strides(array):
    return tuple(stride // array.itemsize for stride in array.strides)


def numbers(rng, shape, dtype):
    if np.dtype(dtype).kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(-5, 100, shape).astype(dtype)


def matrix(rng, batch, rows, columns, dtype, layout):
    """Random, as a view of contiguous memory: 'C', transposed 'T', or a part 'P' of something wider."""
    if layout == "T":
        return numbers(rng, (*batch, columns, rows), dtype).swapaxes(-1, -2)
    if layout == "P":
        return numbers(rng, (*batch, rows + 2, columns + 3), dtype)[..., 1:-1, 2:-1]
    return numbers(rng, (*batch, rows, columns), dtype)


def check(
    m,
    n,
    k,
    dtype,
    *,
    batch=(),
    a_batch=None,
    b_batch=None,
    layouts="CCC",
    alpha=1.0,
    beta=0.0,
    seed=0,
    order=1,
):
    rng = np.random.default_rng(seed)
    a = matrix(rng, batch if a_batch is None else a_batch, m, k, dtype, layouts[0])
    b = matrix(rng, batch if b_batch is None else b_batch, k, n, dtype, layouts[1])
    c = matrix(rng, batch, m, n, dtype, layouts[2])
    a_wide, b_wide = np.broadcast_to(a, (*batch, m, k)), np.broadcast_to(b, (*batch, k, n))
    wanted = alpha * (a_wide.astype(np.float64) @ b_wide.astype(np.float64)) + (beta * c if beta else 0)
    around = c.base.copy() if c.base is not None and layouts[2] == "P" else None
    calls = matmul_calls(
        m,
        n,
        k,
        dtype,
        batch=batch,
        a_strides=strides(a_wide),
        b_strides=strides(b_wide),
        c_strides=strides(c),
        alpha=alpha,
        beta=beta,
    )
    assert calls is not None
    execute(calls, {(Role.OPERAND, 0): a, (Role.OPERAND, 1): b, (Role.RESULT, 0): c}, order)
    if np.dtype(dtype).kind != "f":
        np.testing.assert_array_equal(c, wanted.astype(np.int64).astype(dtype))
    else:
        # Rounding errors of a sum grow with the root of its length; the terms are of size one, times alpha.
        tolerance = np.finfo(dtype).eps * 8 * (k**0.5 + 2) * max(1.0, abs(alpha))
        np.testing.assert_allclose(c, wanted, rtol=0, atol=tolerance * 4)
    if around is not None:
        inside = np.zeros(around.shape, bool)
        inside[..., 1:-1, 2:-1] = True
        np.testing.assert_array_equal(c.base[~inside], around[~inside])
    return calls


LAYOUTS = ["CCC", "TCC", "CTC", "TTC", "CCT", "TCT", "CTT", "TTT", "PPC", "PCT", "CPC"]
SIZES = [
    (64, 100, 1000),  # OpenBLAS, in tiles
    (100, 1000, 64),
    (130, 70, 33),
    (1, 784, 30),  # a row times a matrix
    (30, 1, 500),
    (1, 3000, 400),
    (5, 7, 9),  # our own loop
    (4, 8, 3),
    (1, 1, 5),
    (9, 1, 1),
    (3, 40, 12),
]


@pytest.mark.parametrize("layouts", LAYOUTS)
@pytest.mark.parametrize("size", SIZES)
def test_sizes_and_layouts(size, layouts):
    check(*size, np.float32, layouts=layouts)
    check(*size, np.float64, layouts=layouts)


@settings(max_examples=60)
@given(
    m=st.integers(1, 70),
    n=st.integers(1, 70),
    k=st.integers(1, 70),
    dtype=st.sampled_from([np.float32, np.float64]),
    batch=st.sampled_from([(), (3,), (2, 3)]),
    shared=st.sampled_from(["none", "a", "b", "first of b", "last of a"]),
    layouts=st.sampled_from(["CCC", "TCC", "CTC", "CCT", "PTC"]),
    coefficients=st.sampled_from([(1.0, 0.0), (-0.5, 1.0), (2.0, -0.25), (0.0, 1.0)]),
)
def test_batches_and_coefficients(m, n, k, dtype, batch, shared, layouts, coefficients):
    ones = tuple(1 for _ in batch)
    a_batch = ones if shared == "a" else (*batch[:-1], 1) if shared == "last of a" and batch else None
    b_batch = ones if shared == "b" else (1, *batch[1:]) if shared == "first of b" and batch else None
    alpha, beta = coefficients
    check(
        m, n, k, dtype, batch=batch, a_batch=a_batch, b_batch=b_batch, layouts=layouts, alpha=alpha, beta=beta
    )


@pytest.mark.parametrize("size", [(5, 7, 9), (64, 100, 300), (1, 200, 300), (20, 30, 20_000)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_coefficients_can_be_read_from_memory(size, kind):
    m, n, k = size
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)
    c = rng.standard_normal((m, n), np.float32)
    rate, decay = np.array(0.25, kind), np.array(0.5, np.float64)
    wanted = -2.0 * 0.25 * (a.astype(float) @ b) + 0.5 * 0.25 * c
    calls = matmul_calls(
        m,
        n,
        k,
        np.float32,
        a_strides=(k, 1),
        b_strides=(n, 1),
        c_strides=(n, 1),
        alpha=Coefficient(-2.0, ((Pointer(Role.OPERAND, 2), kind),)),
        beta=Coefficient(1.0, ((Pointer(Role.OPERAND, 3), np.float64), (Pointer(Role.OPERAND, 2), kind))),
    )
    assert calls is not None
    memory: dict[Any, Any] = {(Role.OPERAND, 0): a, (Role.OPERAND, 1): b, (Role.RESULT, 0): c}
    execute(calls, memory | {(Role.OPERAND, 2): rate, (Role.OPERAND, 3): decay})
    np.testing.assert_allclose(c, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [64, 65, 128, 200, 784, 1023])
@pytest.mark.parametrize("coefficients", [(1.0, 0.0), (-0.5, 1.0), (2.0, -0.25)])
def test_a_row_times_columns_that_are_whole_in_memory(dtype, k, coefficients):
    """Dot products of our own: all rests of a turn, several pieces, batches, results that are not neighbours."""
    alpha, beta = coefficients
    for n, batch, layouts in [(1, (), "CTC"), (30, (), "CTT"), (700, (), "CTC"), (37, (2, 3), "CTP")]:
        calls = check(1, n, k, dtype, batch=batch, layouts=layouts, alpha=alpha, beta=beta)
        assert "gemv" not in calls[0].text
    check(1, 50, k, dtype, batch=(3,), b_batch=(1,), layouts="CTC", alpha=alpha, beta=beta)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int16, np.int8, np.uint8])
@pytest.mark.parametrize("layouts", ["CCC", "TTC", "CCT", "PPC"])
def test_integers_wrap_around(dtype, layouts):
    check(7, 19, 9, dtype, batch=(2,), layouts=layouts)
    check(40, 50, 60, dtype, layouts=layouts)


def test_old_values_are_not_read_when_beta_is_zero():
    for m, n, k in [(3, 5, 4), (64, 100, 50), (1, 300, 100), (10, 10, 10_000)]:
        a, b = np.ones((m, k), np.float32), np.ones((k, n), np.float32)
        for b_strides in ((n, 1), (1, k)):
            c = np.full((m, n), np.nan, np.float32)
            calls = matmul_calls(
                m, n, k, np.float32, a_strides=(k, 1), b_strides=b_strides, c_strides=(n, 1), alpha=2.0
            )
            assert calls is not None
            execute(calls, {(Role.OPERAND, 0): a, (Role.OPERAND, 1): b, (Role.RESULT, 0): c})
            np.testing.assert_array_equal(c, np.full((m, n), 2.0 * k, np.float32))


@pytest.mark.parametrize(
    "size", [(10, 10, 30_000), (1, 1, 1_000_000), (1, 10, 100_001), (12, 1, 70_000), (100, 20, 9000)]
)
@pytest.mark.parametrize("layouts", ["CCC", "TTC", "CTT"])
def test_long_sums_are_split_in_parts_that_may_come_in_any_order(size, layouts):
    calls = check(*size, np.float32, layouts=layouts, alpha=-0.5, beta=2.0)
    assert len(calls) >= 2
    assert calls[0].units > 1
    check(*size, np.float32, layouts=layouts, order=-1)


@pytest.mark.parametrize("size", [(64, 100, 300), (5, 7, 9), (1, 3000, 40), (20, 10, 9)])
def test_a_result_inside_a_larger_array_leaves_the_rest_alone(size):
    check(*size, np.float32, layouts="CCP")
    check(*size, np.float32, layouts="PPP", beta=1.0, batch=(2,))


def test_units_may_come_in_any_order():
    rng = np.random.default_rng(0)
    for m, n, k in [(200, 300, 100), (1, 3000, 400), (30, 30, 8), (10, 10, 30_000)]:
        a, b = rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)
        results = []
        for order in (1, -1):
            c = np.empty((m, n), np.float32)
            calls = matmul_calls(m, n, k, np.float32, a_strides=(k, 1), b_strides=(n, 1), c_strides=(n, 1))
            assert calls is not None
            execute(calls, {(Role.OPERAND, 0): a, (Role.OPERAND, 1): b, (Role.RESULT, 0): c}, order)
            results.append(c.tobytes())
        assert results[0] == results[1]


def test_batches_that_share_the_right_operand_become_rows():
    calls = matmul_calls(
        128,
        256,
        256,
        np.float32,
        batch=(8,),
        a_strides=(128 * 256, 256, 1),
        b_strides=(0, 256, 1),
        c_strides=(128 * 256, 256, 1),
    )
    alone = matmul_calls(
        1024, 256, 256, np.float32, a_strides=(256, 1), b_strides=(256, 1), c_strides=(256, 1)
    )
    assert calls is not None and alone is not None
    assert calls[0].ints == alone[0].ints


def test_what_there_is_no_kernel_for_is_left_to_others():
    def calls(dtype=np.float32, m=200, n=200, k=200, a=(200, 1), b=(200, 1), c=(200, 1), **rest):
        return matmul_calls(m, n, k, dtype, a_strides=a, b_strides=b, c_strides=c, **rest)

    assert calls() is not None
    assert calls(np.complex64) is None
    assert calls(np.float16) is None
    assert calls(np.bool_) is None
    assert calls(np.int32, alpha=2.0) is None
    assert calls(a=(400, 2)) is None
    assert calls(b=(0, 0)) is None
    assert calls(c=(400, 2)) is None
    assert calls(k=0) is None
    assert calls(m=0) == ()


def test_tiles_follow_from_the_shape_and_cover_it():
    for shape in [
        (64, 100, 1000),
        (1000, 100, 64),
        (1024, 1024, 1024),
        (1, 1, 1),
        (9216, 128, 64),
        (10, 3, 7),
    ]:
        for batch in (1, 32):
            rows, columns = tiling(*shape, batch, False)
            assert 1 <= rows <= shape[0]
            assert 1 <= columns <= shape[1]
    rows, columns = tiling(1024, 1024, 1024, 1, False)
    assert (1024 // rows) * (1024 // columns) >= 8
    assert tiling(128, 128, 64, 32, False) == (128, 128)


def test_without_openblas_small_products_have_our_loop_and_large_ones_none(monkeypatch):
    monkeypatch.setattr(blas, "_found", [None])
    check(30, 40, 50, np.float32)
    check(30, 40, 50, np.float64, layouts="TTC")
    assert (
        matmul_calls(
            1000, 1000, 1000, np.float32, a_strides=(1000, 1), b_strides=(1000, 1), c_strides=(1000, 1)
        )
        is None
    )
