"""``roi_align`` and its kin against their definitions written out; feature pyramids."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.vision import ops

PICTURES = np.random.default_rng(0).normal(size=(2, 8, 20, 23)).astype(np.float32)


def _boxes(count: int = 12) -> Any:
    chance = np.random.default_rng(1)
    corners = chance.uniform(-9, 70, (count, 2))
    sizes = chance.uniform(0, 60, (count, 2))
    sizes[3] = 0
    numbers = chance.integers(0, 2, (count, 1))
    return np.concatenate([numbers, corners, corners + sizes], 1).astype(np.float32)


def _between(plane: Any, y: float, x: float) -> Any:
    height, width = plane.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return np.zeros(len(plane))
    y, x = max(y, 0.0), max(x, 0.0)
    top, left = min(int(y), height - 1), min(int(x), width - 1)
    below, right = min(top + 1, height - 1), min(left + 1, width - 1)
    v = 0.0 if top == height - 1 else y - top
    u = 0.0 if left == width - 1 else x - left
    upper = (1 - u) * plane[:, top, left] + u * plane[:, top, right]
    return (1 - v) * upper + v * ((1 - u) * plane[:, below, left] + u * plane[:, below, right])


def _aligned(boxes: Any, bins: tuple[int, int], scale: float, samples: int, aligned: bool) -> Any:
    result = np.zeros((len(boxes), PICTURES.shape[1], *bins))
    shift = 0.5 if aligned else 0.0
    for k, (number, *corners) in enumerate(boxes):
        x1, y1, x2, y2 = (corner * scale - shift for corner in corners)
        wide, high = x2 - x1, y2 - y1
        if not aligned:
            wide, high = max(wide, 1.0), max(high, 1.0)
        down = samples if samples > 0 else int(np.ceil(high / bins[0]))
        across = samples if samples > 0 else int(np.ceil(wide / bins[1]))
        for i in range(bins[0]):
            for j in range(bins[1]):
                for p in range(down):
                    for q in range(across):
                        y = y1 + (i + (p + 0.5) / down) * high / bins[0]
                        x = x1 + (j + (q + 0.5) / across) * wide / bins[1]
                        result[k, :, i, j] += _between(PICTURES[int(number)], y, x)
        result[k] /= max(down * across, 1)
    return result


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("samples", [2, -1])
def test_roi_align_is_its_definition(samples: int, aligned: bool) -> None:
    boxes = _boxes()
    found = ops.roi_align(torch.tensor(PICTURES), torch.tensor(boxes), (3, 4), 0.3, samples, aligned)
    np.testing.assert_allclose(found.numpy(), _aligned(boxes, (3, 4), 0.3, samples, aligned), atol=2e-5)
    lists = [torch.tensor(boxes[boxes[:, 0] == i, 1:]) for i in (0, 1)]
    order = np.argsort(boxes[:, 0], kind="stable")
    again = ops.RoIAlign((3, 4), 0.3, samples, aligned)(torch.tensor(PICTURES), lists)
    np.testing.assert_array_equal(again.numpy(), found.numpy()[order])


def test_gradient_of_roi_align() -> None:
    x = torch.randn(2, 3, 6, 7, dtype=torch.float64, requires_grad=True)
    boxes = torch.tensor([[0.0, 1.0, 1.0, 5.0, 4.5], [1.0, -2.0, 0.0, 3.0, 9.0]])
    assert torch.autograd.gradcheck(lambda v: ops.roi_align(v, boxes, 2, 1.0, 2, True), (x,))
    assert torch.autograd.gradcheck(lambda v: ops.ps_roi_align(v[:, :2], boxes, (1, 2), 1.0, 2), (x,))


def test_roi_align_of_no_boxes() -> None:
    x = torch.ones(1, 2, 4, 4, requires_grad=True)
    found = ops.roi_align(x, torch.zeros(0, 5), 3)
    assert found.shape == (0, 2, 3, 3)
    found.sum().backward()
    assert not x.grad.any()


def _pooled(boxes: Any, bins: tuple[int, int], scale: float, own: bool) -> Any:
    height, width = PICTURES.shape[2:]
    channels = PICTURES.shape[1] // (bins[0] * bins[1]) if own else PICTURES.shape[1]
    result = np.zeros((len(boxes), channels, *bins), np.float32)
    for k, (number, *corners) in enumerate(boxes):
        scaled = np.asarray(corners, np.float32) * np.float32(scale)
        x1, y1, x2, y2 = np.where(scaled < 0, np.ceil(scaled - 0.5), np.floor(scaled + 0.5)).astype(int)
        extra = 0 if own else 1
        wide, high = max(x2 - x1 + extra, 1), max(y2 - y1 + extra, 1)
        for i in range(bins[0]):
            for j in range(bins[1]):
                top, bottom = (
                    np.clip(y1 + v, 0, height) for v in (i * high // bins[0], -(-(i + 1) * high // bins[0]))
                )
                left, right = (
                    np.clip(x1 + v, 0, width) for v in (j * wide // bins[1], -(-(j + 1) * wide // bins[1]))
                )
                if top >= bottom or left >= right:
                    continue
                picture = PICTURES[int(number)]
                if own:
                    picture = picture.reshape(channels, *bins, height, width)[:, i, j]
                part = picture[:, top:bottom, left:right]
                result[k, :, i, j] = part.mean((1, 2)) if own else part.max((1, 2))
    return result


@pytest.mark.parametrize("scale", [0.25, 1.0])
def test_roi_pool_is_its_definition(scale: float) -> None:
    boxes = _boxes()
    pictures = torch.tensor(PICTURES, requires_grad=True)
    found = ops.roi_pool(pictures, torch.tensor(boxes), (2, 4), scale)
    np.testing.assert_array_equal(found.detach().numpy(), _pooled(boxes, (2, 4), scale, own=False))
    found.sum().backward()
    assert pictures.grad.sum() == np.count_nonzero(found.detach().numpy())
    own = ops.PSRoIPool((2, 2), scale)(torch.tensor(PICTURES), torch.tensor(boxes))
    np.testing.assert_allclose(own.numpy(), _pooled(boxes, (2, 2), scale, own=True), atol=1e-5)


def test_position_sensitive_align_takes_each_part_from_its_channels() -> None:
    boxes = _boxes()
    full = _aligned(boxes, (2, 4), 0.3, 2, aligned=True)
    found = ops.ps_roi_align(torch.tensor(PICTURES), torch.tensor(boxes), (2, 4), 0.3, 2).numpy()
    for i in range(2):
        for j in range(4):
            np.testing.assert_allclose(found[:, 0, i, j], full[:, i * 4 + j, i, j], atol=2e-5)
    with pytest.raises(RuntimeError, match="multiple of pooling height"):
        ops.ps_roi_align(torch.tensor(PICTURES), torch.tensor(boxes), (3, 3))


def test_boxes_of_another_shape() -> None:
    x = torch.ones(1, 1, 4, 4)
    with pytest.raises(AssertionError, match=r"Tensor\[K, 5\]"):
        ops.roi_align(x, torch.zeros(2, 4), 2)
    with pytest.raises(AssertionError, match=r"List\[Tensor\[L, 4\]\]"):
        ops.roi_pool(x, [torch.zeros(2, 5)], 2)


def test_pyramid() -> None:
    torch.manual_seed(0)
    pyramid = ops.FeaturePyramidNetwork([4, 6], 5, ops.feature_pyramid_network.LastLevelMaxPool())
    assert list(pyramid.state_dict()) == [
        f"{name}_blocks.{i}.0.{kind}"
        for name in ("inner", "layer")
        for i in (0, 1)
        for kind in ("weight", "bias")
    ]
    maps = OrderedDict(a=torch.randn(2, 4, 8, 10), b=torch.randn(2, 6, 4, 5))
    found = pyramid(maps)
    assert {name: tuple(level.shape) for name, level in found.items()} == {
        "a": (2, 5, 8, 10),
        "b": (2, 5, 4, 5),
        "pool": (2, 5, 2, 3),
    }
    inner, layer = pyramid.inner_blocks, pyramid.layer_blocks
    above = torch.nn.functional.interpolate(inner[1](maps["b"]), size=(8, 10), mode="nearest")
    assert torch.equal(found["a"], layer[0](inner[0](maps["a"]) + above))
    with pytest.raises(ValueError, match="in_channels=0 is currently not supported"):
        ops.FeaturePyramidNetwork([0], 5)
    two = ops.FeaturePyramidNetwork([4], 5, ops.feature_pyramid_network.LastLevelP6P7(4, 5))
    assert list(two({"a": maps["a"]})) == ["a", "p6", "p7"]


def test_regions_from_the_level_of_their_size() -> None:
    maps = OrderedDict(a=torch.randn(1, 3, 32, 32), b=torch.randn(1, 3, 16, 16), c=torch.randn(1, 3, 8, 8))
    boxes = [torch.tensor([[0.0, 0.0, 30.0, 30.0], [0.0, 0.0, 120.0, 120.0], [5.0, 5.0, 60.0, 64.0]])]
    pool = ops.MultiScaleRoIAlign(["a", "b"], 2, 2, canonical_scale=60, canonical_level=3)
    found = pool(maps, boxes, [(128, 128)])
    # The level of a box of 60 pixels is 3: one quarter (2) and one eighth (3) are the levels that there are.
    for number, (name, scale) in enumerate((("a", 0.25), ("b", 0.125), ("a", 0.25))):
        expected = ops.roi_align(maps[name], [boxes[0][number : number + 1]], 2, scale, 2)
        assert torch.equal(found[number : number + 1], expected), number
    assert repr(pool) == "MultiScaleRoIAlign(featmap_names=['a', 'b'], output_size=(2, 2), sampling_ratio=2)"
