"""Pooling kernels against a loop over the definition.

Arguments are small whole numbers, so that every sum is exact and, but for divisions, results are compared for equality.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rushlight.runtime import pooling
from rushlight.runtime.pooling import (
    adaptive_avg_pool_forward,
    adaptive_avg_pool_gradient,
    adaptive_max_pool_forward,
    avg_pool_forward,
    avg_pool_gradient,
    gather_by_indices,
    max_pool_forward,
    max_unpool_forward,
    scatter_by_indices,
)
from rushlight.runtime.window_shapes import adaptive_bounds, adaptive_pool_output_shape, pool_output_shape

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


class Case(NamedTuple):
    shape: Shape
    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape
    ceil_mode: bool

    @property
    def output(self) -> Shape:
        return pool_output_shape(*self)[2:]

    @property
    def without_dilation(self) -> Case:
        return self._replace(dilation=(1,) * len(self.kernel))


def whole_numbers(shape: Shape, seed: int = 0, spread: int = 4) -> Array:
    return np.random.default_rng(seed).integers(-spread, spread + 1, shape).astype(np.float64)


@st.composite
def cases(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Case:
    dims = draw(st.sampled_from((1, 2, 2, 3)))
    kernel = tuple(draw(st.integers(1, 4)) for _ in range(dims))
    stride = tuple(draw(st.integers(1, 4)) for _ in range(dims))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    dilation = tuple(draw(st.sampled_from((1, 1, 2, 3))) for _ in range(dims))
    spatial = tuple(
        max(1, (k - 1) * d + 1 - 2 * p) + draw(st.integers(0, 5))
        for k, p, d in zip(kernel, padding, dilation, strict=True)
    )
    samples, channels = draw(st.sampled_from((0, 1, 3))), draw(st.sampled_from((1, 2)))
    return Case((samples, channels, *spatial), kernel, stride, padding, dilation, draw(st.booleans()))


def looped_max(x: Array, windows: list[list[list[int]]]) -> tuple[Array, Array]:
    """The maxima of windows given as the positions of each, for each dimension."""
    output, spatial = tuple(map(len, windows)), x.shape[2:]
    values, indices = np.empty((*x.shape[:2], *output), x.dtype), np.empty((*x.shape[:2], *output), np.int64)
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    for n, c in product(*map(range, x.shape[:2])):
        for at in product(*map(range, output)):
            best, index = lowest, None
            for position in product(*(axis[i] for axis, i in zip(windows, at, strict=True))):
                flat = 0
                for p, size in zip(position, spatial, strict=True):
                    flat = flat * size + p
                index = flat if index is None else index
                if all(p < size for p, size in zip(position, spatial, strict=True)):
                    value = x[(n, c, *position)]
                    if value > best or np.isnan(value):
                        best, index = value, flat
            values[(n, c, *at)], indices[(n, c, *at)] = best, index
    return values, indices


def fixed_windows(case: Case) -> list[list[list[int]]]:
    """The positions of each window that are not negative; the last ones may lie behind the end."""
    return [
        [[p for p in range(i * s - pad, i * s - pad + (k - 1) * d + 1, d) if p >= 0] for i in range(n)]
        for n, k, s, pad, d in zip(
            case.output, case.kernel, case.stride, case.padding, case.dilation, strict=True
        )
    ]


def adaptive_windows(shape: Shape, output: Shape) -> list[list[list[int]]]:
    return [
        [[*range(start, stop)] for start, stop in adaptive_bounds(size, n)]
        for size, n in zip(shape[2:], output, strict=True)
    ]


def sprinkled(x: Array, kind: str) -> Array:
    """``x`` with many NaN, many infinities, or only the lowest value in most places."""
    rng = np.random.default_rng(7)
    x = x.copy()
    if kind == "nan":
        x[rng.random(x.shape) < 0.2] = np.nan
    elif kind == "lowest":
        x[rng.random(x.shape) < 0.8] = -np.inf
    return x


@settings(max_examples=150, deadline=None)
@given(cases(), st.sampled_from(("plain", "nan", "lowest")))
def test_max_pool_against_the_definition(case: Case, kind: str) -> None:
    x = sprinkled(whole_numbers(case.shape), kind)
    kept = x.copy()
    values, indices = max_pool_forward(x, *case[1:])
    expected = looped_max(x, fixed_windows(case))
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(indices, expected[1])
    assert values.dtype == np.float64
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "float16", "float32", "bfloat16"])
@pytest.mark.parametrize("lowest", [False, True])
def test_max_pool_of_every_dtype(dtype: str, lowest: bool) -> None:
    kind = BFLOAT16 if dtype == "bfloat16" else np.dtype(dtype)
    x = np.abs(whole_numbers((2, 2, 7, 6))).astype(kind)
    if lowest:
        x[...] = -np.inf if kind.kind not in "iu" else np.iinfo(kind).min
    case = Case(x.shape, (3, 2), (2, 2), (1, 1), (1, 1), True)
    values, indices = max_pool_forward(x, *case[1:])
    wide = x.astype(np.float64) if kind.kind not in "iu" else x
    expected = looped_max(wide, fixed_windows(case))
    assert values.dtype == kind
    np.testing.assert_array_equal(values.astype(wide.dtype), expected[0])
    np.testing.assert_array_equal(indices, expected[1])


@pytest.mark.parametrize("kernel", [(17, 16), (2, 150)])
def test_max_pool_with_large_kernels(kernel: Shape) -> None:
    """More elements than a byte can number, and more elements than output positions."""
    x = whole_numbers((1, 2, 40, 160), spread=1000)
    case = Case(x.shape, kernel, (2, 3), (1, 1), (1, 1), False)
    values, indices = max_pool_forward(x, *case[1:])
    expected = looped_max(x, fixed_windows(case))
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(indices, expected[1])


def test_max_pool_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    x = sprinkled(whole_numbers((5, 3, 9, 8)), "nan")
    x[1:4] = whole_numbers((3, 3, 9, 8))  # tiles with NaN and tiles without
    whole = max_pool_forward(x, (3, 3), (2, 1), (1, 0), (1, 2), True)
    monkeypatch.setattr(pooling, "_TILE_BYTES", 2000)
    for got, expected in zip(max_pool_forward(x, (3, 3), (2, 1), (1, 0), (1, 2), True), whole, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_window_in_the_padding_alone() -> None:
    """Its value is the lowest, its index PyTorch's, and nothing flows back through it."""
    x = np.array([[[1.0, 2.0, 3.0]]])
    values, indices = max_pool_forward(x, (2,), (1,), (1,), (4,), False)
    np.testing.assert_array_equal(values, [[[-np.inf]]])
    np.testing.assert_array_equal(indices, [[[3]]])
    np.testing.assert_array_equal(scatter_by_indices(np.ones((1, 1, 1)), indices, (3,)), np.zeros((1, 1, 3)))
    np.testing.assert_array_equal(gather_by_indices(x, indices), [[[0.0]]])


@settings(max_examples=60, deadline=None)
@given(cases(), st.data(), st.sampled_from(("plain", "nan", "lowest")))
def test_adaptive_max_pool_against_the_definition(case: Case, data: st.DataObject, kind: str) -> None:
    output = tuple(data.draw(st.integers(0, 6)) for _ in case.kernel)
    x = sprinkled(whole_numbers(case.shape), kind)
    values, indices = adaptive_max_pool_forward(x, output)
    expected = looped_max(x, adaptive_windows(case.shape, output))
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(indices, expected[1])


@pytest.mark.parametrize("dtype", [np.dtype(np.float64), np.dtype(np.float16), BFLOAT16], ids=str)
def test_scatter_and_gather(dtype: np.dtype[Any]) -> None:
    rng = np.random.default_rng(0)
    indices = rng.integers(0, 12, (2, 3, 5))
    g, h = whole_numbers((2, 3, 5)).astype(dtype), whole_numbers((2, 3, 3, 4), 1).astype(dtype)
    scattered = np.zeros((2, 3, 12))
    for n, c, i in product(range(2), range(3), range(5)):
        scattered[n, c, indices[n, c, i]] += float(g[n, c, i])
    got = scatter_by_indices(g, indices, (3, 4))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.astype(np.float64), scattered.reshape(2, 3, 3, 4))
    taken = gather_by_indices(h, indices)
    assert taken.dtype == dtype
    np.testing.assert_array_equal(taken, np.take_along_axis(h.reshape(2, 3, 12), indices, 2))


def test_scatter_and_gather_pass_over_what_lies_outside() -> None:
    indices = np.array([[[1, 4], [-1, 2]]])
    g = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    np.testing.assert_array_equal(scatter_by_indices(g, indices, (4,)), [[[0, 1, 0, 0], [0, 0, 4, 0]]])
    np.testing.assert_array_equal(gather_by_indices(np.full((1, 2, 4), 9.0), indices), [[[9, 0], [0, 9]]])
    assert indices.tolist() == [[[1, 4], [-1, 2]]]


def test_max_unpool() -> None:
    x, indices = np.array([[[5.0, 6.0, 7.0], [1.0, 2.0, 3.0]]]), np.array([[[0, 3, 3], [2, 1, 0]]])
    result = max_unpool_forward(x, indices, (2, 2))
    np.testing.assert_array_equal(result, [[[[5, 0], [0, 7]], [[3, 2], [1, 0]]]])
    assert max_unpool_forward(x[:0], indices[:0], (2, 2)).shape == (0, 2, 2, 2)
    assert max_unpool_forward(x, indices, (0, 2)).shape == (1, 2, 0, 2)


@pytest.mark.parametrize("index", [4, -1, 100])
def test_max_unpool_refuses_indices_outside(index: int) -> None:
    with pytest.raises(RuntimeError, match=rf"invalid max index: {index} \(output volumes are of size 2x2\)"):
        max_unpool_forward(np.ones((1, 1, 1)), np.array([[[index]]]), (2, 2))


def test_max_unpool_refuses_other_arguments() -> None:
    with pytest.raises(RuntimeError, match="int64 but got: Int"):
        max_unpool_forward(np.ones((1, 1, 1)), np.zeros((1, 1, 1), np.int32), (2,))
    with pytest.raises(RuntimeError, match="same as that of the input"):
        max_unpool_forward(np.ones((1, 1, 1)), np.zeros((1, 1, 2), np.int64), (2,))
    with pytest.raises(RuntimeError, match="non-negative"):
        max_unpool_forward(np.ones((1, 1, 1)), np.zeros((1, 1, 1), np.int64), (-2,))
    with pytest.raises(RuntimeError, match="non-zero size"):
        max_unpool_forward(np.ones((1, 1, 0)), np.zeros((1, 1, 0), np.int64), (2,))
    with pytest.raises(NotImplementedError, match="'Long'"):
        max_unpool_forward(np.ones((1, 1, 1), np.int64), np.zeros((1, 1, 1), np.int64), (2,))


def looped_average(
    x: Array, case: Case, count_include_pad: bool, divisor_override: int | None, g: Array
) -> tuple[Array, Array]:
    """The averages and the gradient for x."""
    result, gradient = np.zeros((*x.shape[:2], *case.output)), np.zeros_like(x)
    for at in product(*map(range, case.output)):
        inside, divisor = [], 1
        for i, size, k, s, p in zip(at, x.shape[2:], case.kernel, case.stride, case.padding, strict=True):
            positions = [q for q in range(i * s - p, i * s - p + k) if q < size + p]
            inside.append([q for q in positions if 0 <= q < size])
            divisor *= len(positions) if count_include_pad else len(inside[-1])
        if divisor_override is not None:
            divisor = divisor_override
        for position in product(*inside):
            result[(slice(None), slice(None), *at)] += x[(slice(None), slice(None), *position)] / divisor
            gradient[(slice(None), slice(None), *position)] += g[(slice(None), slice(None), *at)] / divisor
    return result, gradient


@settings(max_examples=150, deadline=None)
@given(cases(), st.booleans(), st.sampled_from((None, None, 3, -2)))
def test_avg_pool_against_the_definition(
    case: Case, count_include_pad: bool, divisor_override: int | None
) -> None:
    case = case.without_dilation
    if len(case.kernel) == 3:  # where a kernel must fit the input, as in PyTorch
        case = case._replace(
            kernel=tuple(min(k, n) for k, n in zip(case.kernel, case.shape[2:], strict=True))
        )
        case = case._replace(
            padding=tuple(min(k // 2, p) for k, p in zip(case.kernel, case.padding, strict=True))
        )
    x, g = whole_numbers(case.shape), whole_numbers((*case.shape[:2], *case.output), 1)
    options = (*case[1:4], case.ceil_mode, count_include_pad, divisor_override)
    result, gradient = looped_average(x, case, count_include_pad, divisor_override, g)
    # The division comes before the sum there and after it here.
    np.testing.assert_allclose(avg_pool_forward(x, *options), result, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(avg_pool_gradient(g, x.shape, *options), gradient, rtol=1e-12, atol=1e-12)


def test_avg_pool_of_integers_rounds_toward_zero() -> None:
    x = np.array([[[-7, -2, 1, 2, 9, -2]]])
    np.testing.assert_array_equal(avg_pool_forward(x, (2,), (2,), (0,), False, True, None), [[[-4, 1, 3]]])
    np.testing.assert_array_equal(avg_pool_forward(x, (2,), (2,), (0,), False, True, -2), [[[4, -1, -3]]])
    assert avg_pool_forward(x, (2,), (2,), (0,), False, True, None).dtype == np.int64


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_adaptive_avg_pool_against_the_definition(case: Case, data: st.DataObject) -> None:
    output = tuple(data.draw(st.integers(0, 6)) for _ in case.kernel)
    x, g = whole_numbers(case.shape), whole_numbers((*case.shape[:2], *output), 1)
    result, gradient = np.zeros((*x.shape[:2], *output)), np.zeros_like(x)
    windows = adaptive_windows(x.shape, output)
    for at in product(*map(range, output)):
        grid = np.ix_(*(axis[i] for axis, i in zip(windows, at, strict=True)))
        size = np.prod([len(axis[i]) for axis, i in zip(windows, at, strict=True)])
        place, window = (slice(None), slice(None), *at), (slice(None), slice(None), *grid)
        result[place] = x[window].sum(axis=tuple(range(2, x.ndim))) / size
        gradient[window] += g[place].reshape(*x.shape[:2], *(1,) * len(at)) / size
    np.testing.assert_allclose(adaptive_avg_pool_forward(x, output), result, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(adaptive_avg_pool_gradient(g, x.shape[2:]), gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("output", [(1, 1), (1, 3), (2, 2)])
def test_averages_keep_infinities_where_they_are(output: Shape) -> None:
    x = whole_numbers((2, 2, 6, 30))
    x[0, 0, 5, 29] = np.inf
    x[1, 1, 0, 0] = np.nan
    result = adaptive_avg_pool_forward(x, output)
    assert result[0, 0, -1, -1] == np.inf
    assert np.isnan(result[1, 1, 0, 0])
    assert np.isfinite(result).sum() == result.size - 2
    fixed = avg_pool_forward(x, (3, 15), (3, 15), (0, 0), False, True, None)
    np.testing.assert_array_equal(adaptive_avg_pool_forward(x, (2, 2)), fixed)


@pytest.mark.parametrize("dtype", [np.dtype(np.float16), BFLOAT16], ids=str)
def test_half_precision_averages_round_once(dtype: np.dtype[Any]) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 12, 12)).astype(dtype)
    options = ((3, 3), (2, 2), (1, 1), True, False, None)
    wide = x.astype(np.float32)
    g = avg_pool_forward(x, *options)
    assert g.dtype == dtype
    np.testing.assert_array_equal(g, avg_pool_forward(wide, *options).astype(dtype))
    got = avg_pool_gradient(g, x.shape, *options)
    np.testing.assert_array_equal(
        got, avg_pool_gradient(g.astype(np.float32), x.shape, *options).astype(dtype)
    )
    g = adaptive_avg_pool_forward(x, (5, 1))
    assert g.dtype == dtype
    np.testing.assert_array_equal(g, adaptive_avg_pool_forward(wide, (5, 1)).astype(dtype))
    got = adaptive_avg_pool_gradient(g, (12, 12))
    np.testing.assert_array_equal(
        got, adaptive_avg_pool_gradient(g.astype(np.float32), (12, 12)).astype(dtype)
    )


def test_memory_layouts_of_the_arguments() -> None:
    x = whole_numbers((3, 2, 8, 7))
    g = whole_numbers((3, 2, 4, 3), 1)
    turned_x, turned_g = np.ascontiguousarray(x.T).T, np.ascontiguousarray(g.T).T
    options = ((2, 2), (2, 2), (0, 0))
    for got, expected in zip(
        max_pool_forward(turned_x, *options, (1, 1), False),
        max_pool_forward(x, *options, (1, 1), False),
        strict=True,
    ):
        np.testing.assert_array_equal(got, expected)
    _, indices = max_pool_forward(x, *options, (1, 1), False)
    turned = np.ascontiguousarray(indices.T).T
    np.testing.assert_array_equal(
        scatter_by_indices(turned_g, turned, (8, 7)), scatter_by_indices(g, indices, (8, 7))
    )
    np.testing.assert_array_equal(gather_by_indices(turned_x, turned), gather_by_indices(x, indices))
    average = (*options, False, True, None)
    np.testing.assert_array_equal(avg_pool_forward(turned_x, *average), avg_pool_forward(x, *average))
    np.testing.assert_array_equal(
        avg_pool_gradient(turned_g, x.shape, *average), avg_pool_gradient(g, x.shape, *average)
    )
    for output in ((1, 1), (3, 4)):
        np.testing.assert_array_equal(
            adaptive_avg_pool_forward(turned_x, output), adaptive_avg_pool_forward(x, output)
        )


X = (2, 3, 8, 8)
OFF = (0, 0)
ONE = (1, 1)
BAD = {
    "padding over half the kernel": (X, (3, 3), (3, 3), (2, 2), ONE, False),
    "padding over half, dilated": (X, (3, 3), (3, 3), (2, 2), (3, 3), False),
    "negative padding": (X, (3, 3), (3, 3), (-1, 0), ONE, False),
    "kernel too large": (X, (9, 9), (9, 9), OFF, ONE, False),
    "dilated kernel too large": (X, (3, 3), (3, 3), OFF, (5, 5), False),
    "kernel too large for ceil_mode": (X, (12, 12), (3, 3), OFF, ONE, True),
    "kernel 0": (X, (0, 2), (2, 2), OFF, ONE, False),
    "negative kernel": (X, (2, -1), (2, 2), OFF, ONE, False),
    "stride 0": (X, (2, 2), (0, 2), OFF, ONE, False),
    "negative stride": (X, (2, 2), (2, -1), OFF, ONE, False),
    "dilation 0": (X, (2, 2), (2, 2), OFF, (0, 1), False),
    "no channels": ((2, 0, 8, 8), (2, 2), (2, 2), OFF, ONE, False),
    "empty plane": ((2, 3, 8, 0), (2, 2), (2, 2), OFF, ONE, False),
    "empty plane, no samples": ((0, 3, 8, 0), (2, 2), (2, 2), OFF, ONE, False),
    "kernel too large, no samples": ((0, 3, 8, 8), (9, 9), (9, 9), OFF, ONE, False),
    "kernel of another length": (X, (2, 2, 2), (2, 2), OFF, ONE, False),
    "stride of another length": (X, (2, 2), (2, 2, 2), OFF, ONE, False),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_shapes_that_do_not_fit(bad: tuple[Any, ...]) -> None:
    with pytest.raises(RuntimeError):
        max_pool_forward(np.ones(bad[0]), *bad[1:])
    if bad[4] == ONE:
        with pytest.raises(RuntimeError):
            avg_pool_forward(np.ones(bad[0]), *bad[1:4], bad[5], True, None)


def test_further_errors() -> None:
    with pytest.raises(RuntimeError, match="divisor must be not zero"):
        avg_pool_forward(np.ones(X), (2, 2), (2, 2), OFF, False, True, 0)
    with pytest.raises(RuntimeError, match="smaller than kernel size"):
        avg_pool_forward(np.ones((1, 1, 8, 8, 8)), (9,) * 3, (3,) * 3, (1,) * 3, True, True, None)
    for adaptive in (adaptive_avg_pool_forward, adaptive_max_pool_forward):
        with pytest.raises(RuntimeError, match="greater than or equal to 0"):
            adaptive(np.ones(X), (-1, 2))
        with pytest.raises(RuntimeError, match="dimension 3 being empty"):
            adaptive(np.ones((2, 3, 8, 0)), (2, 2))
        with pytest.raises(RuntimeError, match="output_size must be 2 ints"):
            adaptive(np.ones(X), (2, 2, 2))
    with pytest.raises(RuntimeError, match="dimension 1 being empty"):
        adaptive_max_pool_forward(np.ones((2, 0, 8, 8)), (2, 2))
    assert adaptive_avg_pool_forward(np.ones((2, 0, 8, 8)), (2, 2)).shape == (2, 0, 2, 2)
    assert adaptive_pool_output_shape((2, 3, 8, 8), (0, 5), "adaptive_max_pool2d") == (2, 3, 0, 5)


@pytest.mark.parametrize("dtype", [bool, np.complex64, np.complex128])
def test_dtypes_without_pooling(dtype: Any) -> None:
    x = np.ones(X, dtype)
    for pool in (
        lambda: max_pool_forward(x, (2, 2), (2, 2), OFF, ONE, False),
        lambda: avg_pool_forward(x, (2, 2), (2, 2), OFF, False, True, None),
        lambda: adaptive_avg_pool_forward(x, (2, 2)),
        lambda: adaptive_max_pool_forward(x, (2, 2)),
        lambda: max_unpool_forward(x, np.zeros(X, np.int64), (9, 9)),
    ):
        with pytest.raises(NotImplementedError, match="not implemented for"):
            pool()


def test_integer_dtypes_without_pooling() -> None:
    x = np.ones(X, np.int32)
    for pool in (
        lambda: avg_pool_forward(x, (2, 2), (2, 2), OFF, False, True, None),
        lambda: adaptive_avg_pool_forward(x, (2, 2)),
        lambda: adaptive_max_pool_forward(x, (2, 2)),
    ):
        with pytest.raises(NotImplementedError, match="'Int'"):
            pool()


@pytest.mark.parity
class TestAgainstPyTorch:
    @pytest.fixture
    def torch(self) -> Any:
        torch = pytest.importorskip("torch")
        torch.set_num_threads(1)
        return torch

    @pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
    def test_errors(self, torch: Any, bad: tuple[Any, ...]) -> None:
        functional = torch.nn.functional
        with pytest.raises(RuntimeError):
            functional.max_pool2d(torch.ones(bad[0]), *bad[1:], return_indices=True)
        if bad[4] == ONE:
            with pytest.raises(RuntimeError):
                functional.avg_pool2d(torch.ones(bad[0]), *bad[1:4], bad[5])

    @settings(max_examples=100, deadline=None)
    @given(case=cases(), kind=st.sampled_from(("plain", "nan", "lowest")))
    def test_max_pool(self, case: Case, kind: str) -> None:
        torch = pytest.importorskip("torch")
        x = sprinkled(whole_numbers(case.shape), kind)
        tx = torch.tensor(x, requires_grad=True)
        pool = getattr(torch.nn.functional, f"max_pool{len(case.kernel)}d")
        ty, expected = pool(tx, *case[1:], return_indices=True)
        values, indices = max_pool_forward(x, *case[1:])
        np.testing.assert_array_equal(values, ty.detach().numpy())
        np.testing.assert_array_equal(indices, expected.numpy())
        size = int(np.prod(case.shape[2:]))
        if indices.max(initial=0) < size:  # PyTorch would write outside its buffer
            g = whole_numbers(values.shape, 1)
            ty.backward(torch.from_numpy(g))
            np.testing.assert_array_equal(scatter_by_indices(g, indices, case.shape[2:]), tx.grad.numpy())

    @settings(max_examples=100, deadline=None)
    @given(case=cases(), include=st.booleans(), divisor=st.sampled_from((None, None, 3, -2)))
    def test_avg_pool(self, case: Case, include: bool, divisor: int | None) -> None:
        torch = pytest.importorskip("torch")
        case = case.without_dilation
        dims = len(case.kernel)
        if dims == 1:
            divisor = None
        if dims == 3 and any(k > n for k, n in zip(case.kernel, case.shape[2:], strict=True)):
            return
        x = whole_numbers(case.shape)
        tx = torch.tensor(x, requires_grad=True)
        pool = getattr(torch.nn.functional, f"avg_pool{dims}d")
        extra = () if dims == 1 else (divisor,)
        ty = pool(tx, *case[1:4], case.ceil_mode, include, *extra)
        options = (*case[1:4], case.ceil_mode, include, divisor)
        np.testing.assert_allclose(avg_pool_forward(x, *options), ty.detach().numpy(), rtol=1e-13)
        g = whole_numbers(tuple(ty.shape), 1)
        ty.backward(torch.from_numpy(g))
        # Divided before or after the sum: a few roundings of numbers of size 4.
        np.testing.assert_allclose(
            avg_pool_gradient(g, x.shape, *options), tx.grad.numpy(), rtol=1e-13, atol=1e-13
        )

    @settings(max_examples=60, deadline=None)
    @given(case=cases(), data=st.data())
    def test_adaptive(self, case: Case, data: st.DataObject) -> None:
        torch = pytest.importorskip("torch")
        output = tuple(data.draw(st.integers(1, 6)) for _ in case.kernel)
        dims = len(output)
        x = whole_numbers(case.shape)
        tx = torch.tensor(x, requires_grad=True)
        ty = getattr(torch.nn.functional, f"adaptive_avg_pool{dims}d")(tx, output)
        np.testing.assert_allclose(
            adaptive_avg_pool_forward(x, output), ty.detach().numpy(), rtol=1e-13, atol=1e-14
        )
        g = whole_numbers(tuple(ty.shape), 1)
        ty.backward(torch.from_numpy(g))
        np.testing.assert_allclose(
            adaptive_avg_pool_gradient(g, x.shape[2:]), tx.grad.numpy(), rtol=1e-13, atol=1e-13
        )
        expected = getattr(torch.nn.functional, f"adaptive_max_pool{dims}d")(tx, output, return_indices=True)
        for got, wanted in zip(adaptive_max_pool_forward(x, output), expected, strict=True):
            np.testing.assert_array_equal(got, wanted.detach().numpy())

    def test_max_unpool(self, torch: Any) -> None:
        x = torch.tensor(whole_numbers((2, 3, 8, 6)))
        values, indices = torch.nn.functional.max_pool2d(x, 2, return_indices=True)
        expected = torch.nn.functional.max_unpool2d(values, indices, 2)
        got = max_unpool_forward(values.numpy(), indices.numpy(), (8, 6))
        np.testing.assert_array_equal(got, expected.numpy())
        with pytest.raises(RuntimeError, match="Found an invalid max index"):
            torch.nn.functional.max_unpool2d(values, indices + 40, 2)
