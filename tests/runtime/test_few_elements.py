"""Pooling and transposed convolution of a few elements, which are gathered, against the ways of larger ones."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from rushlight.runtime import convolution, pooling, small_convolution
from rushlight.runtime.convolution import conv_input_gradient

RNG = np.random.default_rng(0)


def in_both_ways(monkeypatch: pytest.MonkeyPatch, function: Any) -> tuple[Any, Any]:
    gathered = function()
    monkeypatch.setattr(pooling, "_FEW", -1)
    return gathered, function()


@pytest.mark.parametrize("spatial", [(9,), (5, 7), (3, 4, 5)])
@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 3, 0), (3, 2, 1), (2, 1, 1), (3, 3, 1)])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_average_pooling(
    monkeypatch: pytest.MonkeyPatch, spatial: Any, size: int, stride: int, padding: int, ceil_mode: bool
) -> None:
    x = RNG.normal(size=(2, 3, *spatial))
    x[0, 0].flat[0] = np.inf  # which no other window may see
    each = [(n,) * len(spatial) for n in (size, stride, padding)]
    for count_include_pad in (True, False):
        gathered, walked = in_both_ways(
            monkeypatch, lambda c=count_include_pad: pooling.avg_pool_forward(x, *each, ceil_mode, c, None)
        )
        np.testing.assert_allclose(gathered, walked, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    ("spatial", "output"), [((9,), (4,)), ((5, 7), (3, 4)), ((5, 7), (1, 1)), ((3, 4, 5), (2, 3, 2))]
)
def test_adaptive_pooling(monkeypatch: pytest.MonkeyPatch, spatial: Any, output: Any) -> None:
    x = RNG.normal(size=(2, 3, *spatial))
    x[1, 2].flat[3] = np.nan
    means = in_both_ways(monkeypatch, lambda: pooling.adaptive_avg_pool_forward(x, output))
    np.testing.assert_allclose(*means, rtol=1e-13, atol=1e-13)
    monkeypatch.undo()
    for values in (x, np.nan_to_num(x), np.round(x)):  # the last with several maxima in a window
        gathered, walked = in_both_ways(
            monkeypatch, lambda v=values: pooling.adaptive_max_pool_forward(v, output)
        )
        monkeypatch.undo()
        for one, other in zip(gathered, walked, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kernel", [(3,), (3, 2), (2, 3, 2)])
def test_transposed_convolution(monkeypatch: pytest.MonkeyPatch, kernel: Any) -> None:
    dims = len(kernel)
    output = (4, 3, 2)[:dims]
    for stride, padding, dilation, extra in product((1, 2, 3), (0, 1), (1, 2), (0, 1)):
        spatial = tuple(
            (o - 1) * stride - 2 * padding + dilation * (k - 1) + 1 + extra
            for o, k in zip(output, kernel, strict=True)
        )
        if min(spatial) < 1:
            continue
        g, w = RNG.normal(size=(2, 3, *output)), RNG.normal(size=(3, 2, *kernel))
        arguments: Any = (
            g, w, spatial, (stride,) * dims, ((padding, padding),) * dims, (dilation,) * dims, 1,
        )  # fmt: skip
        gathered = conv_input_gradient(*arguments)
        with monkeypatch.context() as patch:
            patch.setattr(small_convolution, "input_gradient", lambda *_: None)
            walked = conv_input_gradient(*arguments)
        assert gathered.shape == walked.shape
        np.testing.assert_allclose(gathered, walked, rtol=1e-12, atol=1e-12)


def test_a_position_without_terms_is_zero_beside_infinite_ones() -> None:
    g, w = np.array([[[np.inf, 1.0]]]), np.ones((1, 1, 1))
    result = convolution.conv_input_gradient(g, w, (4,), (3,), ((0, 0),), (1,), 1)
    np.testing.assert_array_equal(result, [[[np.inf, 0.0, 0.0, 1.0]]])
