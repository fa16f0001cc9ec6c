"""torchvision's newer models: the keys, shapes and sizes of all, the first values and the scores of some.

The numbers were taken from torchvision 0.28.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.vision import models
from rushlight.vision.models.convnext import CNBlockConfig

# Parameters, entries of the state_dict, and the CRC-32 of their names and shapes.
STRUCTURE = {
    "convnext_tiny": (28_589_128, 182, 120579583),
    "efficientnet_b0": (5_288_548, 360, 3873908317),
    "efficientnet_b1": (7_794_184, 508, 1655910652),
    "efficientnet_b2": (9_109_994, 508, 433688288),
    "efficientnet_b3": (12_233_232, 574, 1287372686),
    "efficientnet_b4": (19_341_616, 706, 2401763700),
    "efficientnet_b5": (30_389_784, 854, 2765594634),
    "efficientnet_b6": (43_040_704, 986, 3029904410),
    "efficientnet_b7": (66_347_960, 1200, 1909285089),
    "efficientnet_v2_l": (118_515_272, 1548, 4285784977),
    "efficientnet_v2_m": (54_139_356, 1120, 51685218),
    "efficientnet_v2_s": (21_458_488, 782, 550274246),
    "googlenet": (13_004_888, 364, 1984476711),
    "inception_v3": (27_161_264, 580, 1557738495),
    "mnasnet0_5": (2_218_512, 314, 2996027821),
    "mnasnet0_75": (3_170_208, 314, 3271505140),
    "mnasnet1_0": (4_383_312, 314, 575377052),
    "mnasnet1_3": (6_282_256, 314, 1416201231),
    "mobilenet_v3_large": (5_483_032, 312, 812244354),
    "mobilenet_v3_small": (2_542_856, 244, 368922809),
    "regnet_x_16gf": (54_278_536, 428, 3735806996),
    "regnet_x_1_6gf": (9_190_136, 356, 2837434665),
    "regnet_x_32gf": (107_811_560, 446, 1295950421),
    "regnet_x_3_2gf": (15_296_552, 482, 640293176),
    "regnet_x_400mf": (5_495_976, 428, 4270599073),
    "regnet_x_800mf": (7_259_656, 320, 3483676581),
    "regnet_x_8gf": (39_572_648, 446, 1418692799),
    "regnet_y_16gf": (83_590_140, 428, 2883144661),
    "regnet_y_1_6gf": (11_202_430, 626, 373467109),
    "regnet_y_32gf": (145_046_770, 472, 2256206683),
    "regnet_y_3_2gf": (19_436_338, 494, 2851307144),
    "regnet_y_400mf": (4_344_144, 384, 1882958281),
    "regnet_y_800mf": (6_432_512, 340, 1331484332),
    "regnet_y_8gf": (39_381_472, 406, 1452370504),
    "shufflenet_v2_x0_5": (1_366_792, 338, 270297236),
    "shufflenet_v2_x1_0": (2_278_604, 338, 2682776781),
    "shufflenet_v2_x1_5": (3_503_624, 338, 2878242759),
    "shufflenet_v2_x2_0": (7_393_996, 338, 1436636889),
    "squeezenet1_0": (1_248_424, 52, 147205316),
    "squeezenet1_1": (1_235_496, 52, 967197338),
    "swin_t": (28_288_354, 185, 1422922461),
    "vit_b_32": (88_224_232, 152, 227039944),
}

# Of the model made after manual_seed(0): the sums of its parameters and of their sizes; of its scores, and the greatest size.
VALUES = {
    "squeezenet1_1": (32.498847, 54056.9893, 22.2899372, 0.148650989),
    "shufflenet_v2_x0_5": (3987.15981, 36263.6259, -1.05754062, 0.0312161148),
    "mnasnet0_5": (10231.3413, 109357.166, 8.27685913e-08, 8.10780953e-09),
    "mobilenet_v3_small": (6116.16332, 92390.5448, -4.28600939e-10, 3.19721249e-10),
    "efficientnet_b0": (21043.5922, 299268.476, -4.96522543e-14, 2.75210729e-14),
    "regnet_y_400mf": (13654.3675, 257942.245, 0.164675517, 0.0246292781),
    "googlenet": (7535.30345, 111211.177, 0.815297831, 0.0312347151),
    "vit": (82.2899204, 1005.05434, -1.96089125, 3.76041126),
    "swin": (224.236372, 570.127834, -0.0358097125, 0.0962895006),
    "convnext": (61.4122772, 154.85372, -0.020886844, 0.0550243258),
}


def _structure(model: Any) -> tuple[int, int, int]:
    state = model.state_dict()
    text = "\n".join(f"{key} {tuple(value.shape)}" for key, value in state.items())
    return sum(p.numel() for p in model.parameters()), len(state), zlib.crc32(text.encode())


@pytest.mark.parametrize("name", STRUCTURE)
def test_keys_and_shapes(name: str) -> None:
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    if name.startswith(("vit", "swin", "convnext")):  # the truncated normal distribution needs values
        model = models.get_model(name)
    else:
        with torch.device("meta"):
            model = models.get_model(name, **options)
    assert _structure(model) == STRUCTURE[name]


def _small(name: str) -> Any:
    if name == "vit":
        return models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=5, representation_size=12)
    if name == "swin":
        return models.SwinTransformer([4, 4], 12, [2, 2], [2, 4], [3, 3], num_classes=5)
    if name == "convnext":
        return models.ConvNeXt([CNBlockConfig(8, 16, 2), CNBlockConfig(16, None, 1)], num_classes=5)
    return models.get_model(name, **({"init_weights": True} if name == "googlenet" else {}))


@pytest.mark.parametrize("name", VALUES)
def test_first_values_and_scores(name: str) -> None:
    torch.manual_seed(0)
    model = _small(name).eval()
    if name == "vit":  # whose scores would all be zero
        torch.nn.init.normal_(model.heads.head.weight)
    side = {"vit": 32, "swin": 38, "convnext": 38}.get(name, 96)
    x = torch.linspace(-1, 1, 3 * side * side).reshape(1, 3, side, side)
    with torch.no_grad():
        y = model(x).double()
    total, absolute, scores, greatest = VALUES[name]
    found = [float(p.detach().double().sum()) for p in model.parameters()]
    sizes = [float(p.detach().double().abs().sum()) for p in model.parameters()]
    np.testing.assert_allclose(sum(sizes), absolute, rtol=1e-6)
    np.testing.assert_allclose(sum(found), total, rtol=1e-6, atol=1e-6 * absolute)
    np.testing.assert_allclose(float(y.abs().max()), greatest, rtol=2e-4)
    # A sum of scores of both signs: its error is that of the scores, times their number.
    np.testing.assert_allclose(float(y.sum()), scores, atol=2e-4 * greatest * y.numel() ** 0.5 * 5)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_scores_in_training(name: str) -> None:
    model = models.get_model(name, num_classes=3, init_weights=False).train()
    side = 299 if name == "inception_v3" else 32
    found = model(torch.randn(2, 3, side, side))
    assert type(found).__name__ == {"googlenet": "GoogLeNetOutputs", "inception_v3": "InceptionOutputs"}[name]
    assert [tuple(part.shape) for part in found] == [(2, 3)] * len(found)
    assert tuple(model.eval()(torch.randn(1, 3, side, side)).shape) == (1, 3)
    assert (
        "aux"
        not in "".join(models.get_model(name, init_weights=False, aux_logits=False).state_dict()).lower()
    )


def test_auxiliary_nets_say_that_their_initialisation_is_slow() -> None:
    with pytest.warns(FutureWarning, match="default weight initialization of GoogleNet will be changed"):
        models.googlenet(num_classes=2, aux_logits=False)


def test_gradients_reach_every_parameter() -> None:
    torch.manual_seed(0)
    for name, side in (("swin", 38), ("convnext", 38), ("vit", 32)):
        model = _small(name).train()
        if name == "vit":
            torch.nn.init.normal_(model.heads.head.weight)
        model(torch.randn(2, 3, side, side)).square().sum().backward()
        still = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
        assert not still, (name, still)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: models.SqueezeNet("2_0"), ValueError, "Unsupported SqueezeNet version 2_0"),
        (
            lambda: models.ShuffleNetV2([1], [1, 2, 3, 4, 5]),
            ValueError,
            "expected stages_repeats as list of 3",
        ),
        (lambda: models.MNASNet(0.0), ValueError, "alpha should be greater than 0.0"),
        (lambda: models.MobileNetV3([], 8), ValueError, "should not be empty"),
        (lambda: models.EfficientNet([1], 0.1), TypeError, "List\\[MBConvConfig\\]"),  # type: ignore[list-item]
        (lambda: models.ConvNeXt([]), ValueError, "block_setting should not be empty"),
        (lambda: models.VisionTransformer(30, 8, 1, 1, 8, 8), AssertionError, "indivisible by patch size"),
        (lambda: models.squeezenet1_0(weights="NO"), ValueError, "this model has IMAGENET1K_V1"),
    ],
)
def test_wrong_settings(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_weights_by_name() -> None:
    assert models.get_model_weights("efficientnet_b1").DEFAULT.url.endswith("efficientnet_b1-c27df63c.pth")
    assert models.ViT_B_16_Weights.IMAGENET1K_V1.value == "vit_b_16-c867db91.pth"
    assert {"swin_t", "regnet_y_8gf", "inception_v3", "mobilenet_v3_small"} <= set(models.list_models())
