"""Affine and perspective transforms, tones, learned policies, mixed batches: against torchvision, or by what they must be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.vision import transforms as T
from rushlight.vision.transforms import functional as F, v2

Image = pytest.importorskip("PIL.Image")
ARRAY = np.random.default_rng(0).integers(0, 256, (37, 45, 3), dtype=np.uint8)
PICTURE = Image.fromarray(ARRAY)
TENSOR = torch.tensor(ARRAY.transpose(2, 0, 1).copy())


def _array(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_array(part) for part in value]
    return np.asarray(value) if isinstance(value, Image.Image) else value.numpy()


@pytest.mark.parametrize("kind", ["picture", "tensor"])
@pytest.mark.parametrize(
    "make",
    [
        lambda M: M.RandomAffine(30, (0.1, 0.2), (0.8, 1.2), (-5, 5, -3, 3), fill=3),
        lambda M: M.RandomPerspective(0.6, 0.7, fill=3),
        lambda M: M.RandAugment(),
        lambda M: M.TrivialAugmentWide(),
        lambda M: M.AutoAugment(M.AutoAugmentPolicy.CIFAR10),
        lambda M: M.Compose(
            [M.RandomPosterize(4), M.RandomSolarize(120.0), M.RandomEqualize(), M.TenCrop(12)]
        ),
        lambda M: M.Compose([M.RandomAdjustSharpness(2.0), M.RandomAutocontrast()]),
    ],
)
def test_as_torchvision(make: Any, kind: str) -> None:
    theirs = pytest.importorskip("torchvision.transforms")
    real = pytest.importorskip("torch")
    for seed in range(8):
        torch.manual_seed(seed)
        real.manual_seed(seed)
        given = PICTURE if kind == "picture" else real.tensor(TENSOR.numpy())
        found = _array(make(T)(PICTURE if kind == "picture" else TENSOR))
        expected = _array(make(theirs)(given))
        for a, b in zip(
            found if isinstance(found, list) else [found],
            expected if isinstance(expected, list) else [expected],
            strict=True,
        ):
            # The last digit of an interpolated number decides how it is rounded.
            np.testing.assert_allclose(a.astype(int), b.astype(int), atol=1)


def test_affine_of_whole_pixels_is_exact() -> None:
    moved = F.affine(TENSOR, 0, [3, -2], 1.0, 0.0, fill=[7, 8, 9])
    expected = np.empty_like(ARRAY.transpose(2, 0, 1))
    expected[:] = np.array([7, 8, 9])[:, None, None]
    expected[:, :-2, 3:] = ARRAY.transpose(2, 0, 1)[:, 2:, :-3]
    np.testing.assert_array_equal(moved.numpy(), expected)
    np.testing.assert_array_equal(
        np.asarray(F.affine(PICTURE, 0, [3, -2], 1.0, 0.0, fill=[7, 8, 9])), expected.transpose(1, 2, 0)
    )
    square = TENSOR[:, :30, :30]
    np.testing.assert_array_equal(
        F.affine(square, 90, [0, 0], 1.0, [0.0]).numpy(), np.rot90(square.numpy(), -1, (1, 2))
    )


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_turning_fills_as_affine_does(mode: str) -> None:
    how = {"interpolation": T.InterpolationMode(mode), "fill": [7.0, 8.0, 9.0]}
    image = TENSOR.float()
    turned = F.rotate(image, 30, **how)
    np.testing.assert_array_equal(turned.numpy(), F.affine(image, -30, [0, 0], 1.0, [0.0], **how).numpy())
    corner = turned[:, 0, 0].numpy()
    np.testing.assert_array_equal(corner, [7, 8, 9])


def test_perspective_brings_corners_to_corners() -> None:
    start = [[0, 0], [44, 0], [44, 36], [0, 36]]
    np.testing.assert_array_equal(F.perspective(TENSOR, start, start).numpy(), TENSOR.numpy())
    mirrored = F.perspective(TENSOR, start, [start[i] for i in (1, 0, 3, 2)], T.InterpolationMode.NEAREST)
    # The corners are the pixels' upper left ends: a mirror image is one pixel to the left.
    np.testing.assert_array_equal(mirrored.numpy()[..., :-1], ARRAY.transpose(2, 0, 1)[:, :, ::-1][..., 1:])


def test_tones_of_tensors_are_those_of_pictures() -> None:
    for name, *args in (("posterize", 3), ("solarize", 100), ("equalize",)):
        function = getattr(F, name)
        np.testing.assert_array_equal(
            function(TENSOR, *args).numpy().transpose(1, 2, 0), np.asarray(function(PICTURE, *args)), name
        )
    gray = F.adjust_gamma(TENSOR, 2.0).numpy() / 255
    np.testing.assert_allclose(gray, (TENSOR.numpy() / 255) ** 2, atol=1 / 255)
    dim = TENSOR // 4 + 20
    found = F.autocontrast(dim).numpy()
    assert found.min() == 0 and found.max() == 255
    assert F.autocontrast(torch.full((1, 4, 4), 9, dtype=torch.uint8)).unique().tolist() == [9]


def test_crops() -> None:
    parts = F.five_crop(TENSOR, (10, 12))
    np.testing.assert_array_equal(parts[3].numpy(), TENSOR.numpy()[:, -10:, -12:])
    np.testing.assert_array_equal(T.FiveCrop((10, 12))(PICTURE)[4], parts[4].numpy().transpose(1, 2, 0))
    assert len(T.TenCrop(8, vertical_flip=True)(TENSOR)) == 10
    with pytest.raises(ValueError, match="bigger than input size"):
        F.five_crop(TENSOR, 100)


def test_whitening() -> None:
    x = torch.randn(2, 3, 4, 4)
    change = T.LinearTransformation(torch.eye(48) * 2, torch.ones(48))
    assert torch.allclose(change(x), 2 * (x - 1), atol=1e-5)
    with pytest.raises(ValueError, match="should be square"):
        T.LinearTransformation(torch.ones(2, 3), torch.ones(2))
    with pytest.raises(ValueError, match="incompatible shape"):
        change(torch.ones(3, 5, 5))


def test_wrong_settings() -> None:
    for make, text in (
        (lambda: T.RandomAffine(-1), "If degrees is a single number, it must be positive"),
        (lambda: T.RandomAffine(1, translate=(2.0, 0.0)), "between 0 and 1"),
        (lambda: T.RandomAffine(1, scale=(0.0, 1.0)), "scale values should be positive"),
        (lambda: F.affine(TENSOR, 0, [1], 1.0, 0.0), "length 2"),
        (lambda: F.adjust_gamma(TENSOR, -1.0), "non-negative"),
        (lambda: T.AutoAugment("imagenet"), "not recognized"),
    ):
        with pytest.raises(ValueError, match=text):
            make()
    with pytest.raises(TypeError, match=r"Only torch\.uint8 image tensors are supported"):
        F.posterize(TENSOR.float(), 2)


@pytest.mark.parametrize("kind", [v2.MixUp, v2.CutMix])
def test_mixed_batches(kind: Any) -> None:
    torch.manual_seed(0)
    images = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 1, 8, 8)
    labels = torch.tensor([0, 1, 2, 0])
    mixed, shares = kind(num_classes=3)(images, labels)
    assert torch.allclose(shares.sum(1), torch.ones(4))
    share = float(shares[1, 1])
    # Image 1 is mixed with image 0, whose pixels are 0.
    assert abs(float(mixed[1].mean()) - share) < 1e-6
    with pytest.raises(ValueError, match="num_classes must be passed"):
        kind()(images, labels)
    with pytest.raises(ValueError, match="batched input with 4 dims"):
        kind(num_classes=3)(images[0], labels)


def test_noise() -> None:
    torch.manual_seed(0)
    noisy = v2.GaussianNoise(sigma=0.5)(torch.full((3, 50, 50), 0.5))
    assert float(noisy.min()) >= 0 and float(noisy.max()) <= 1 and 0.2 < float(noisy.std()) < 0.5
    with pytest.raises(ValueError, match="expected to be in float dtype"):
        v2.GaussianNoise()(TENSOR)
