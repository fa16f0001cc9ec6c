"""Convolution kernels against a loop over the definition.

Arguments are small whole numbers, so that every sum is exact in float64 and results are compared for equality.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rushlight.runtime import conv_tiles, convolution, depthwise, small_convolution
from rushlight.runtime.conv_tiles import Layout, Purpose, Window
from rushlight.runtime.convolution import conv_forward, conv_input_gradient, conv_weight_gradient
from rushlight.runtime.window_shapes import conv_output_shape, conv_transpose_output_shape

Array = np.ndarray[Any, Any]
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


class Case(NamedTuple):
    samples: int
    groups: int
    channels: int  # of a group
    outputs: int  # of a group
    spatial: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]

    @property
    def options(self) -> tuple[Any, ...]:
        return self.stride, self.padding, self.dilation, self.groups

    @property
    def x_shape(self) -> tuple[int, ...]:
        return (self.samples, self.groups * self.channels, *self.spatial)

    @property
    def w_shape(self) -> tuple[int, ...]:
        return (self.groups * self.outputs, self.channels, *self.kernel)

    @property
    def y_shape(self) -> tuple[int, ...]:
        return conv_output_shape(self.x_shape, self.w_shape, *self.options)


def whole_numbers(shape: tuple[int, ...], seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(np.float64)


def meetings(case: Case) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """Every (output position, kernel element, input position) that meet inside the input."""
    for t in product(*map(range, case.y_shape[2:])):
        for k in product(*map(range, case.kernel)):
            at = tuple(
                t[i] * case.stride[i] + k[i] * case.dilation[i] - case.padding[i][0] for i in range(len(t))
            )
            if all(0 <= p < n for p, n in zip(at, case.spatial, strict=True)):
                yield t, k, at


def group_pairs(case: Case) -> Iterator[tuple[slice, slice]]:
    for i in range(case.groups):
        yield (
            slice(i * case.outputs, (i + 1) * case.outputs),
            slice(i * case.channels, (i + 1) * case.channels),
        )


def looped(case: Case, x: Array, w: Array, g: Array) -> tuple[Array, Array, Array]:
    """The convolution and its two gradients, term by term."""
    y, grad_x, grad_w = np.zeros(case.y_shape, x.dtype), np.zeros_like(x), np.zeros_like(w)
    for t, k, at in meetings(case):
        for outputs, channels in group_pairs(case):
            weights = w[(outputs, slice(None), *k)]
            y[(slice(None), outputs, *t)] += x[(slice(None), channels, *at)] @ weights.T
            grad_x[(slice(None), channels, *at)] += g[(slice(None), outputs, *t)] @ weights
            grad_w[(outputs, slice(None), *k)] += (
                g[(slice(None), outputs, *t)].T @ x[(slice(None), channels, *at)]
            )
    return y, grad_x, grad_w


def check(case: Case) -> None:
    x, w, g = whole_numbers(case.x_shape, 1), whole_numbers(case.w_shape, 2), whole_numbers(case.y_shape, 3)
    kept = x.copy(), w.copy(), g.copy()
    y, grad_x, grad_w = looped(case, x, w, g)
    got_y = conv_forward(x, w, *case.options)
    got_x = conv_input_gradient(g, w, case.spatial, *case.options)
    got_w = conv_weight_gradient(g, x, case.kernel, *case.options)
    for got, expected in ((got_y, y), (got_x, grad_x), (got_w, grad_w)):
        assert got.dtype == np.float64
        assert got.flags.c_contiguous
        np.testing.assert_array_equal(got, expected)
    for given_array, copy in zip((x, w, g), kept, strict=True):
        np.testing.assert_array_equal(given_array, copy)


@st.composite
def cases(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Case:
    dims = draw(st.sampled_from((1, 2, 2, 3)))
    kernel = tuple(draw(st.integers(1, 4 if dims < 3 else 3)) for _ in range(dims))
    stride = tuple(draw(st.sampled_from((1, 1, 2, 3))) for _ in range(dims))
    dilation = tuple(draw(st.sampled_from((1, 1, 2, 3))) for _ in range(dims))
    padding = tuple((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(dims))
    spatial = tuple(
        max(1, (k - 1) * d + 1 - sum(pair)) + draw(st.integers(0, 4))
        for k, d, pair in zip(kernel, dilation, padding, strict=True)
    )
    groups = draw(st.sampled_from((1, 1, 2, 3)))
    channels, outputs = draw(st.sampled_from((1, 1, 2, 5))), draw(st.sampled_from((1, 2, 5)))
    samples = draw(st.sampled_from((0, 1, 2, 3)))
    return Case(samples, groups, channels, outputs, spatial, kernel, stride, padding, dilation)


@pytest.mark.parametrize("tiles", [False, True])
@settings(max_examples=150, deadline=None)
@given(case=cases())
def test_against_the_definition(tiles: bool, case: Case) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if tiles:  # which cases of this size have only where they are not packed at once
            patch.setattr(small_convolution, "_LARGEST", 0)
        check(case)


SQUARE = Case(3, 1, 5, 4, (9, 7), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
WITH_LAYOUTS = {
    "square": SQUARE,
    "no padding": SQUARE._replace(padding=((0, 0), (0, 0))),
    "uneven padding": SQUARE._replace(padding=((0, 2), (3, 0))),
    "dilated": SQUARE._replace(dilation=(2, 3), padding=((2, 2), (0, 0))),
    "strided": SQUARE._replace(stride=(2, 3)),
    "grouped": SQUARE._replace(groups=2, channels=2, outputs=3),
    "one element": SQUARE._replace(kernel=(1, 1), padding=((0, 0), (0, 0))),
    "one element, padded": SQUARE._replace(kernel=(1, 1)),
    "one element, strided": SQUARE._replace(kernel=(1, 1), stride=(2, 2), padding=((0, 0), (0, 0))),
    "one position": SQUARE._replace(kernel=(9, 7), padding=((0, 0), (0, 0))),
    "one position, padded": SQUARE._replace(spatial=(5, 4), kernel=(9, 7), padding=((1, 3), (2, 1))),
    "one position, dilated": SQUARE._replace(kernel=(3, 2), dilation=(4, 6), padding=((0, 0), (0, 0))),
    "line": Case(3, 1, 4, 3, (11,), (3,), (1,), ((2, 1),), (2,)),
    "cube": Case(2, 1, 3, 2, (5, 4, 6), (2, 3, 2), (1, 2, 1), ((1, 0), (1, 1), (0, 1)), (1, 1, 2)),
}


@pytest.mark.parametrize("case", WITH_LAYOUTS.values(), ids=WITH_LAYOUTS.keys())
@pytest.mark.parametrize("rows", [1, 2, 100])
@pytest.mark.parametrize("kind", ["columns", "shifted", "by rows", "joined"])
@pytest.mark.parametrize("mirror", [False, True])
def test_every_layout(
    case: Case, kind: str, rows: int, mirror: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever layout a shape would choose, all give the same, in tiles of two samples and of so many rows."""

    def forced(
        window: Window, samples: int, channels: int, outputs: int, itemsize: int, purpose: Purpose
    ) -> Layout:
        by_rows = kind in {"by rows", "joined"} and window.groups == 1
        shifted = kind == "shifted" and window.stride[0] == 1 and window.kernel[0] > 1
        # The sums of the packing by rows take whole samples.
        whole = by_rows and purpose is Purpose.SCATTER
        tall = window.output[0] if whole else min(rows, window.output[0])
        return Layout(by_rows, kind == "joined" and by_rows, shifted, 2, tall)

    monkeypatch.setattr(small_convolution, "_LARGEST", 0)
    monkeypatch.setattr(convolution, "layout_of", forced)
    monkeypatch.setattr(convolution, "_mirror_pays", lambda *_: mirror)
    check(case)


@pytest.mark.parametrize("tile_bytes", [64, 4096])
def test_small_tiles(tile_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_convolution, "_LARGEST", 0)
    monkeypatch.setattr(conv_tiles, "_TILE_BYTES", tile_bytes)
    monkeypatch.setattr(conv_tiles, "_SAMPLE_BYTES", tile_bytes)
    monkeypatch.setattr(convolution, "layout_of", conv_tiles.layout_of.__wrapped__)
    for case in WITH_LAYOUTS.values():
        check(case)


DEPTHWISE = Case(4, 5, 1, 1, (8, 7), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
DEPTHWISE_CASES = {
    "square": DEPTHWISE,
    "multiplier": DEPTHWISE._replace(outputs=3),
    "strided": DEPTHWISE._replace(stride=(2, 3)),
    "strided, multiplier": DEPTHWISE._replace(stride=(3, 2), outputs=2),
    "cropped by the stride": DEPTHWISE._replace(stride=(3, 3), padding=((0, 0), (0, 0))),
    "dilated columns": DEPTHWISE._replace(dilation=(1, 2)),
    "dilated rows": DEPTHWISE._replace(dilation=(2, 1), stride=(1, 2)),
    "no samples": DEPTHWISE._replace(samples=0),
    "line": Case(4, 5, 1, 2, (9,), (4,), (2,), ((2, 1),), (1,)),
    "cube": Case(2, 3, 1, 1, (4, 5, 4), (2, 2, 3), (1, 2, 1), ((1, 0), (0, 0), (1, 1)), (1, 1, 1)),
}


@pytest.mark.parametrize("case", DEPTHWISE_CASES.values(), ids=DEPTHWISE_CASES.keys())
@pytest.mark.parametrize("tile_bytes", [1, 1 << 20])
@pytest.mark.parametrize("bands", [False, True])
def test_depthwise(case: Case, bands: bool, tile_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    possible = len(case.kernel) == 2 and case.dilation[0] == 1
    monkeypatch.setattr(depthwise, "_prefers_bands", lambda *_: bands and possible)
    monkeypatch.setattr(depthwise, "_TILE_BYTES", tile_bytes)
    check(case)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("bands", [False, True])
def test_depthwise_keeps_infinities_where_they_are(
    value: float, bands: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depthwise, "_prefers_bands", lambda *_: bands)
    case = DEPTHWISE
    x, w, g = whole_numbers(case.x_shape, 1), whole_numbers(case.w_shape, 2), whole_numbers(case.y_shape, 3)
    x[1, 2, 3, 6] = x[0, 0, 7, 0] = value
    with np.errstate(all="ignore"):
        y, _, grad_w = looped(case, x, w, g)
        np.testing.assert_array_equal(conv_forward(x, w, *case.options), y)
        np.testing.assert_array_equal(conv_weight_gradient(g, x, case.kernel, *case.options), grad_w)
    # The value reaches its own windows and, at the edge, not every element of its kernel.
    assert np.isfinite(y).sum() > y.size - 20
    assert np.isfinite(grad_w).any(axis=(1, 2, 3)).all()


def test_memory_layouts_of_the_arguments() -> None:
    """Transposed, mirrored and broadcast arguments give what their copies give."""
    for case in (*WITH_LAYOUTS.values(), *DEPTHWISE_CASES.values()):
        x, w, g = whole_numbers(case.x_shape), whole_numbers(case.w_shape), whole_numbers(case.y_shape)
        variants = [
            tuple(np.ascontiguousarray(a.T).T for a in (x, w, g)),
            tuple(np.flip(np.ascontiguousarray(np.flip(a))) for a in (x, w, g)),
            (x, w, np.broadcast_to(np.float64(3), g.shape)),
            (np.broadcast_to(x[:1, :1], x.shape) if len(x) else x, w, g),
        ]
        for vx, vw, vg in variants:
            y, grad_x, grad_w = looped(case, *(np.ascontiguousarray(a) for a in (vx, vw, vg)))
            np.testing.assert_array_equal(conv_forward(vx, vw, *case.options), y)
            np.testing.assert_array_equal(conv_input_gradient(vg, vw, case.spatial, *case.options), grad_x)
            np.testing.assert_array_equal(conv_weight_gradient(vg, vx, case.kernel, *case.options), grad_w)


@pytest.mark.parametrize("case", [SQUARE, DEPTHWISE, SQUARE._replace(stride=(2, 2))], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "complex64", "complex128", "int8", "uint8", "int32", "int64"])
def test_dtypes(case: Case, dtype: str) -> None:
    x, w, g = (whole_numbers(s, i) for i, s in enumerate((case.x_shape, case.w_shape, case.y_shape)))
    if dtype.startswith("complex"):
        x, w, g = x + 2j, w - 1j, g + 1j
    x, w, g = (a.astype(np.dtype(dtype)) for a in (x, w, g))
    y, grad_x, grad_w = looped(case, x, w, g)
    for got, expected in (
        (conv_forward(x, w, *case.options), y),
        (conv_input_gradient(g, w, case.spatial, *case.options), grad_x),
        (conv_weight_gradient(g, x, case.kernel, *case.options), grad_w),
    ):
        assert got.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("case", [SQUARE, DEPTHWISE], ids=["dense", "depthwise"])
@pytest.mark.parametrize("dtype", [np.dtype(np.float16), BFLOAT16], ids=str)
def test_half_precision_rounds_once(case: Case, dtype: np.dtype[Any]) -> None:
    rng = np.random.default_rng(0)
    x, w, g = (rng.standard_normal(s).astype(dtype) for s in (case.x_shape, case.w_shape, case.y_shape))
    x32, w32, g32 = (a.astype(np.float32) for a in (x, w, g))
    options = case.options
    for got, wide in (
        (conv_forward(x, w, *options), conv_forward(x32, w32, *options)),
        (
            conv_input_gradient(g, w, case.spatial, *options),
            conv_input_gradient(g32, w32, case.spatial, *options),
        ),
        (
            conv_weight_gradient(g, x, case.kernel, *options),
            conv_weight_gradient(g32, x32, case.kernel, *options),
        ),
    ):
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, wide.astype(dtype))


@settings(max_examples=30, deadline=None)
@given(cases())
def test_the_three_are_readings_of_one_form(case: Case) -> None:
    """⟨g, conv(x, w)⟩ = ⟨x, input gradient(g, w)⟩ = ⟨w, weight gradient(g, x)⟩: what second derivatives rely on."""
    x, w, g = whole_numbers(case.x_shape, 1), whole_numbers(case.w_shape, 2), whole_numbers(case.y_shape, 3)
    form = np.sum(g * conv_forward(x, w, *case.options))
    assert form == np.sum(x * conv_input_gradient(g, w, case.spatial, *case.options))
    assert form == np.sum(w * conv_weight_gradient(g, x, case.kernel, *case.options))


def test_first_positions_only() -> None:
    """With output_padding 2 and stride 2 a transposed convolution's result has room for one position more than its
    input had; its gradient wants the input's."""
    options = ((2,), ((0, 0),), (3,), 1)
    x, w = whole_numbers((2, 3, 4)), whole_numbers((3, 2, 2))
    shape = conv_transpose_output_shape(x.shape, w.shape, options[0], options[1], (2,), options[2], 1)
    assert shape == (2, 2, 12)
    h = whole_numbers(shape)
    assert conv_forward(h, w, *options).shape == (2, 3, 5)
    first = conv_forward(h, w, *options, output_spatial_shape=(4,))
    np.testing.assert_array_equal(first, conv_forward(h, w, *options)[:, :, :4])
    assert np.sum(first * x) == np.sum(h * conv_input_gradient(x, w, (12,), *options))
    assert np.sum(first * x) == np.sum(w * conv_weight_gradient(x, h, (2,), *options))


def test_without_channels_the_sum_is_zero() -> None:
    y = conv_forward(np.ones((2, 0, 5)), np.ones((3, 0, 2)), (1,), ((0, 0),), (1,), 1)
    np.testing.assert_array_equal(y, np.zeros((2, 3, 4)))


def test_an_empty_plane_of_a_transposed_convolution() -> None:
    options = ((1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    shape = conv_transpose_output_shape((2, 3, 1, 1), (3, 4, 2, 2), *options[:2], (0, 0), *options[2:])
    assert shape == (2, 4, 0, 0)
    assert conv_input_gradient(np.ones((2, 3, 1, 1)), np.ones((3, 4, 2, 2)), (0, 0), *options).shape == shape


X, W = (2, 3, 8, 8), (4, 3, 3, 3)
ONE, NONE = (1, 1), ((0, 0), (0, 0))
BAD_SHAPES = {
    "channels": ((2, 5, 8, 8), W, ONE, NONE, ONE, 1),
    "channels of groups": (X, (4, 1, 3, 3), ONE, NONE, ONE, 2),
    "outputs not divisible": (X, (4, 1, 3, 3), ONE, NONE, ONE, 3),
    "fewer outputs than groups": ((2, 6, 8, 8), (2, 2, 3, 3), ONE, NONE, ONE, 3),
    "no groups": (X, W, ONE, NONE, ONE, 0),
    "kernel too large": ((2, 3, 2, 2), W, ONE, NONE, ONE, 1),
    "kernel too large, no samples": ((0, 3, 2, 2), W, ONE, NONE, ONE, 1),
    "dilated kernel too large": ((2, 3, 4, 4), W, ONE, NONE, (2, 2), 1),
    "stride 0": (X, W, (0, 1), NONE, ONE, 1),
    "negative stride": (X, W, (1, -1), NONE, ONE, 1),
    "dilation 0": (X, W, ONE, NONE, (0, 0), 1),
    "negative dilation": (X, W, ONE, NONE, (-1, 1), 1),
    "negative padding": (X, W, ONE, ((-1, -1), (0, 0)), ONE, 1),
    "empty plane": ((2, 3, 0, 8), W, ONE, NONE, ONE, 1),
    "empty plane, padded": ((2, 3, 0, 8), W, ONE, ((2, 2), (2, 2)), ONE, 1),
    "no outputs": (X, (0, 3, 3, 3), ONE, NONE, ONE, 1),
    "empty kernel": (X, (4, 3, 0, 3), ONE, NONE, ONE, 1),
    "stride of another length": (X, W, (1, 1, 1), NONE, ONE, 1),
    "dilation of another length": (X, W, ONE, NONE, (1,) * 3, 1),
    "dimensions": ((2, 3, 8, 8, 8), W, ONE, NONE, ONE, 1),
}


@pytest.mark.parametrize("bad", BAD_SHAPES.values(), ids=BAD_SHAPES.keys())
def test_shapes_that_do_not_fit(bad: tuple[Any, ...]) -> None:
    x_shape, w_shape, *options = bad
    with pytest.raises(RuntimeError):
        conv_forward(np.ones(x_shape), np.ones(w_shape), *options)


BAD_TRANSPOSED = {
    "channels": ((2, 5, 8, 8), (3, 4, 3, 3), ONE, NONE, (0, 0), ONE, 1),
    "groups": ((2, 3, 8, 8), (3, 4, 3, 3), ONE, NONE, (0, 0), ONE, 2),
    "output padding": ((2, 3, 8, 8), (3, 4, 3, 3), (2, 2), NONE, (2, 2), ONE, 1),
    "negative output padding": ((2, 3, 8, 8), (3, 4, 3, 3), (2, 2), NONE, (-1, 0), ONE, 1),
    "negative size": ((2, 3, 1, 1), (3, 4, 3, 3), ONE, ((2, 2), (2, 2)), (0, 0), ONE, 1),
    "empty plane": ((2, 3, 0, 2), (3, 4, 3, 3), ONE, NONE, (0, 0), ONE, 1),
    "stride 0": ((2, 3, 8, 8), (3, 4, 3, 3), (0, 0), NONE, (0, 0), ONE, 1),
}


@pytest.mark.parametrize("bad", BAD_TRANSPOSED.values(), ids=BAD_TRANSPOSED.keys())
def test_transposed_shapes_that_do_not_fit(bad: tuple[Any, ...]) -> None:
    with pytest.raises(RuntimeError):
        conv_transpose_output_shape(*bad)


def test_messages_name_what_was_given() -> None:
    with pytest.raises(
        RuntimeError, match=r"Given groups=1, weight of size \[4, 3, 3, 3\], expected input\[2, 5, 8, 8\]"
    ):
        conv_output_shape((2, 5, 8, 8), W, ONE, NONE, ONE, 1)
    with pytest.raises(
        RuntimeError, match=r"padded input size per channel: \(2 x 2\). Kernel size: \(3 x 3\)"
    ):
        conv_output_shape((2, 3, 2, 2), W, ONE, NONE, ONE, 1)


def test_dtypes_that_do_not_fit() -> None:
    options = (ONE, NONE, ONE, 1)
    with pytest.raises(RuntimeError, match=r"\(Double\) and weight type \(Float\) should be the same"):
        conv_forward(np.ones(X), np.ones(W, np.float32), *options)
    with pytest.raises(NotImplementedError, match="not implemented for 'Bool'"):
        conv_forward(np.ones(X, bool), np.ones(W, bool), *options)


@pytest.mark.parity
class TestAgainstPyTorch:
    @pytest.fixture
    def torch(self) -> Any:
        torch = pytest.importorskip("torch")
        torch.set_num_threads(1)
        return torch

    @pytest.mark.parametrize("bad", BAD_SHAPES.values(), ids=BAD_SHAPES.keys())
    def test_errors(self, torch: Any, bad: tuple[Any, ...]) -> None:
        x_shape, w_shape, stride, padding, dilation, groups = bad
        with pytest.raises(RuntimeError):
            torch.nn.functional.conv2d(
                torch.ones(x_shape),
                torch.ones(w_shape),
                None,
                stride,
                [p for p, _ in padding],
                dilation,
                groups,
            )

    @pytest.mark.parametrize("bad", BAD_TRANSPOSED.values(), ids=BAD_TRANSPOSED.keys())
    def test_transposed_errors(self, torch: Any, bad: tuple[Any, ...]) -> None:
        x_shape, w_shape, stride, padding, extra, dilation, groups = bad
        with pytest.raises(RuntimeError):
            torch.nn.functional.conv_transpose2d(
                torch.ones(x_shape),
                torch.ones(w_shape),
                None,
                stride,
                [p for p, _ in padding],
                extra,
                groups,
                dilation,
            )

    @settings(max_examples=60, deadline=None)
    @given(case=cases())
    def test_values_and_gradients(self, case: Case) -> None:
        torch = pytest.importorskip("torch")
        case = case._replace(padding=tuple((before, before) for before, _ in case.padding))
        case = case._replace(
            spatial=tuple(
                max(n, (k - 1) * d + 1 - 2 * before)
                for n, k, d, (before, _) in zip(
                    case.spatial, case.kernel, case.dilation, case.padding, strict=True
                )
            )
        )
        x, w, g = (whole_numbers(s, i) for i, s in enumerate((case.x_shape, case.w_shape, case.y_shape)))
        tx, tw = (torch.tensor(a, requires_grad=True) for a in (x, w))
        name = f"conv{len(case.kernel)}d"
        padding = [before for before, _ in case.padding]
        ty = getattr(torch.nn.functional, name)(
            tx, tw, None, case.stride, padding, case.dilation, case.groups
        )
        ty.backward(torch.from_numpy(g))
        np.testing.assert_array_equal(conv_forward(x, w, *case.options), ty.detach().numpy())
        np.testing.assert_array_equal(conv_input_gradient(g, w, case.spatial, *case.options), tx.grad.numpy())
        np.testing.assert_array_equal(conv_weight_gradient(g, x, case.kernel, *case.options), tw.grad.numpy())

    @pytest.mark.parametrize("groups", [1, 2])
    @pytest.mark.parametrize(
        ("stride", "padding", "extra", "dilation"),
        [(1, 0, 0, 1), (2, 1, 1, 1), (3, 2, 2, 1), (2, 1, 0, 3), (2, 1, 2, 3), (1, 2, 1, 2)],
    )
    @pytest.mark.parametrize("dims", [1, 2, 3])
    def test_transposed(
        self, torch: Any, dims: int, stride: int, padding: int, extra: int, dilation: int, groups: int
    ) -> None:
        """Values, gradients, and one gradient of a gradient."""
        x, w = whole_numbers((2, 4, *(4, 3, 3)[:dims])), whole_numbers((4, 3, *(3, 2, 3)[:dims]))
        options: tuple[Any, ...] = (
            (stride,) * dims,
            ((padding, padding),) * dims,
            (dilation,) * dims,
            groups,
        )
        shape = conv_transpose_output_shape(x.shape, w.shape, *options[:2], (extra,) * dims, *options[2:])
        tx, tw = (torch.tensor(a, requires_grad=True) for a in (x, w))
        ty = getattr(torch.nn.functional, f"conv_transpose{dims}d")(
            tx, tw, None, stride, padding, extra, groups, dilation
        )
        assert shape == tuple(ty.shape)
        np.testing.assert_array_equal(conv_input_gradient(x, w, shape[2:], *options), ty.detach().numpy())
        h, u = whole_numbers(shape, 5), whole_numbers(x.shape, 6)
        th = torch.tensor(h, requires_grad=True)
        grad_x, grad_w = torch.autograd.grad(ty, (tx, tw), th, create_graph=True)
        got_x = conv_forward(h, w, *options, output_spatial_shape=x.shape[2:])
        np.testing.assert_array_equal(got_x, grad_x.detach().numpy())
        np.testing.assert_array_equal(
            conv_weight_gradient(x, h, w.shape[2:], *options), grad_w.detach().numpy()
        )
        second_h, second_w = torch.autograd.grad(grad_x, (th, tw), torch.tensor(u))
        np.testing.assert_array_equal(conv_input_gradient(u, w, shape[2:], *options), second_h.numpy())
        np.testing.assert_array_equal(conv_weight_gradient(u, h, w.shape[2:], *options), second_w.numpy())
