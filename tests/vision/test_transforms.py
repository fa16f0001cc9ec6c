"""Transforms: what Pillow's images and tensors get must be the same picture; grids and files of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.vision import transforms as T, utils
from rushlight.vision.transforms import functional as F, v2

Image = pytest.importorskip("PIL.Image")

PIXELS = (np.random.default_rng(0).random((40, 50, 3)) * 255).astype(np.uint8)
# Pillow rounds to whole numbers of 255 after each of its steps (resizing has two, the colors up to four).
EXACT, ONE, FOUR = 0.0, 1.01 / 255, 4.01 / 255
# Pillow's hue has 256 steps, each of which moves a channel by up to 6 of 255. It rounds when it reads a color, and again
# the shift, of which a step is 1/255 where it is 1/256 of the circle: two and a half steps in all, and the last rounding.
HUE = 16.01 / 255

BOTH = [
    (T.Resize(20), (20, 25), ONE),
    (T.Resize((10, 30)), (10, 30), ONE),
    (T.Resize(30, max_size=35), (28, 35), ONE),
    (T.CenterCrop(24), (24, 24), EXACT),
    (T.CenterCrop(60), (60, 60), EXACT),
    (T.RandomCrop(32, padding=4), (32, 32), EXACT),
    (T.RandomCrop((36, 60), padding=4, pad_if_needed=True, padding_mode="reflect"), (36, 60), EXACT),
    (T.RandomHorizontalFlip(1.0), (40, 50), EXACT),
    (T.RandomVerticalFlip(1.0), (40, 50), EXACT),
    (T.RandomRotation(30), (40, 50), EXACT),
    (T.RandomRotation((90, 90), expand=True), (50, 40), EXACT),
    (T.ColorJitter(0.4, 0.4, 0.4), (40, 50), FOUR),
    (T.ColorJitter(hue=0.1), (40, 50), HUE),
    (T.Pad(3, fill=0), (46, 56), EXACT),
    (T.Pad((1, 2), padding_mode="edge"), (44, 52), EXACT),
    (T.RandomResizedCrop(24), (24, 24), ONE),
    (T.Grayscale(3), (40, 50), ONE),
    (T.GaussianBlur(3), (40, 50), ONE),
    (T.RandomInvert(1.0), (40, 50), 1e-6),  # 1 - x rounds once
]


@pytest.mark.parametrize(("transform", "shape", "tolerance"), BOTH, ids=lambda value: type(value).__name__)
def test_pillow_and_tensors_agree(transform: Any, shape: Any, tolerance: float) -> None:
    image = Image.fromarray(PIXELS)
    torch.manual_seed(5)
    from_image = F.to_tensor(transform(image))
    torch.manual_seed(5)
    from_tensor = transform(F.to_tensor(image))
    assert from_image.shape == from_tensor.shape == (3, *shape)
    assert (from_image - from_tensor).abs().max().item() <= tolerance
    torch.manual_seed(5)
    whole = transform(F.pil_to_tensor(image))
    assert whole.dtype is torch.uint8 and whole.shape == (3, *shape)


def test_to_tensor_and_back() -> None:
    tensor = T.ToTensor()(PIXELS)
    assert tensor.dtype is torch.float32 and tensor.shape == (3, 40, 50)
    assert np.array_equal(np.asarray(T.ToPILImage()(tensor)), PIXELS)
    assert torch.equal(T.PILToTensor()(Image.fromarray(PIXELS)), torch.from_numpy(PIXELS).permute(2, 0, 1))
    gray = T.ToPILImage()(torch.zeros(1, 4, 4))
    assert gray.mode == "L" and T.ToTensor()(gray).shape == (1, 4, 4)
    with pytest.raises(TypeError, match="pic should be PIL Image or ndarray"):
        T.ToTensor()([1, 2])
    with pytest.raises(ValueError, match="2/3 dimensional"):
        T.ToPILImage()(torch.zeros(1, 1, 1, 1))


def test_normalize() -> None:
    x = torch.rand(3, 4, 4)
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]
    expected = (x - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    assert torch.allclose(T.Normalize(mean, std)(x), expected)
    with pytest.raises(ValueError, match="division by zero"):
        F.normalize(x, mean, [0.0] * 3)
    with pytest.raises(TypeError, match="float tensor"):
        F.normalize(x.to(torch.uint8), mean, std)


def test_convert_image_dtype() -> None:
    x = torch.tensor([0, 128, 255], dtype=torch.uint8)
    assert torch.equal(F.convert_image_dtype(x, torch.float32), x / 255)
    assert torch.equal(F.convert_image_dtype(F.convert_image_dtype(x, torch.float32), torch.uint8), x)
    assert F.convert_image_dtype(x, torch.int16).tolist() == [0, 128 * 128, 255 * 128]
    assert torch.equal(F.convert_image_dtype(F.convert_image_dtype(x, torch.int16), torch.uint8), x)
    with pytest.raises(RuntimeError, match="cannot be performed safely"):
        F.convert_image_dtype(torch.zeros(1), torch.int64)


def test_draws_are_in_the_order_of_torchvision() -> None:
    torch.manual_seed(3)
    place = T.RandomCrop.get_params(torch.zeros(3, 40, 50), (32, 32))
    torch.manual_seed(3)
    assert place == (torch.randint(0, 9, (1,)).item(), torch.randint(0, 19, (1,)).item(), 32, 32)
    torch.manual_seed(3)
    order, *factors = T.ColorJitter.get_params((0.5, 1.5), None, (0.8, 1.2), None)
    torch.manual_seed(3)
    assert torch.equal(order, torch.randperm(4))
    assert factors[0] == torch.empty(1).uniform_(0.5, 1.5).item() and factors[1] is None
    assert factors[2] == torch.empty(1).uniform_(0.8, 1.2).item()


def test_hue() -> None:
    red = torch.tensor([1.0, 0.2, 0.2])[:, None, None]
    assert torch.allclose(F.adjust_hue(red, 1 / 3).flatten(), torch.tensor([0.2, 1.0, 0.2]), atol=1e-6)
    assert torch.allclose(F.adjust_hue(red, -1 / 3).flatten(), torch.tensor([0.2, 0.2, 1.0]), atol=1e-6)
    assert torch.allclose(F.adjust_hue(red, 0.0), red, atol=1e-6)


def test_the_second_version() -> None:
    pipeline = v2.Compose([v2.ToImage(), v2.Resize(20), v2.ToDtype(torch.float32, scale=True), v2.RGB()])
    x = pipeline(Image.fromarray(PIXELS))
    assert x.shape == (3, 20, 25) and x.min() >= 0 and x.max() <= 1
    assert v2.RGB()(x[:1]).shape == (3, 20, 25)


@pytest.mark.parametrize(
    "make",
    [
        lambda: T.RandomCrop(60)(torch.zeros(3, 40, 50)),
        lambda: T.Pad(1, padding_mode="wrap"),
        lambda: T.RandomRotation(-1),
        lambda: T.ColorJitter(hue=0.7),
        lambda: F.adjust_brightness(torch.zeros(3, 2, 2), -1),
        lambda: F.gaussian_blur(torch.zeros(3, 8, 8), 4),
        lambda: T.Resize((1, 2, 3)),
    ],
)
def test_values_that_are_not_allowed(make: Any) -> None:
    with pytest.raises(ValueError):
        make()


def test_erasing() -> None:
    torch.manual_seed(0)
    x = torch.ones(3, 20, 20)
    erased = T.RandomErasing(1.0)(x)
    assert 0 < (erased == 0).sum() < erased.numel() and x.eq(1).all()


def test_grids() -> None:
    grid = utils.make_grid(
        torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 1, 2, 2), nrow=2, padding=1, pad_value=9
    )
    expected = [
        [9, 9, 9, 9, 9, 9, 9], [9, 0, 0, 9, 1, 1, 9], [9, 0, 0, 9, 1, 1, 9], [9, 9, 9, 9, 9, 9, 9],
        [9, 2, 2, 9, 3, 3, 9], [9, 2, 2, 9, 3, 3, 9], [9, 9, 9, 9, 9, 9, 9],
    ]  # fmt: skip
    assert grid.shape == (3, 7, 7) and grid[1].tolist() == expected
    assert utils.make_grid([torch.zeros(3, 2, 2)] * 3).shape == (3, 6, 14)
    scaled = utils.make_grid(torch.tensor([[[[0.0, 5.0]]], [[[10.0, 5.0]]]]), normalize=True, padding=0)
    assert scaled[0].tolist() == [[0.0, 0.5, 1.0, 0.5]]
    with pytest.raises(TypeError, match="tensor or list of tensors expected"):
        utils.make_grid(3)  # type: ignore[arg-type]


def test_pictures_are_saved(tmp_path: Path) -> None:
    x = torch.rand(3, 4, 5)
    utils.save_image(x, tmp_path / "x.png")
    assert np.array_equal(
        np.asarray(Image.open(tmp_path / "x.png")), (x * 255 + 0.5).to(torch.uint8).permute(1, 2, 0).numpy()
    )


def test_without_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ModuleNotFoundError, match=r"save_image needs Pillow.*rushlight\[vision\]"):
        utils.save_image(torch.zeros(3, 2, 2), "x.png")


def test_the_classes_are_where_torchvision_defines_them_too() -> None:
    from rushlight.vision.transforms import transforms

    assert transforms.Compose is T.Compose and transforms.RandomCrop is T.RandomCrop
    assert set(transforms.__all__) - {"F"} == {name for name in vars(T) if isinstance(getattr(T, name), type)}


def test_random_transforms_print_as_torchvisions() -> None:
    from rushlight.vision import transforms as T

    assert repr(T.RandomResizedCrop(4)) == (
        "RandomResizedCrop(size=(4, 4), scale=(0.08, 1.0), ratio=(0.75, 1.3333), interpolation=bilinear, antialias=True)"
    )
    assert repr(T.RandomRotation(10)) == (
        "RandomRotation(degrees=[-10.0, 10.0], interpolation=nearest, expand=False, fill=0)"
    )
    assert (
        repr(T.RandomErasing())
        == "RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False)"
    )
    assert repr(T.GaussianBlur(3)) == "GaussianBlur(kernel_size=(3, 3), sigma=(0.1, 2.0))"
    assert repr(T.RandomApply([T.ToTensor()])) == "RandomApply(\n    p=0.5\n    ToTensor()\n)"
    assert repr(T.RandomChoice([T.ToTensor()])) == "RandomChoice(\n    ToTensor()\n)(p=None)"
