"""torchvision's models: parameter counts, state_dict keys, initialisation."""

from __future__ import annotations

from urllib.error import URLError

import pytest

import rushlight as torch
from rushlight.vision import models

COUNTS = {
    "alexnet": 61_100_840,
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
    "mobilenet_v2": 3_504_872,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x8d": 88_791_336,
    "vgg11": 132_863_336,
    "vgg11_bn": 132_868_840,
    "vgg13": 133_047_848,
    "vgg13_bn": 133_053_736,
    "vgg16": 138_357_544,
    "vgg16_bn": 138_365_992,
    "vgg19": 143_667_240,
    "vgg19_bn": 143_678_248,
    "wide_resnet50_2": 68_883_240,
    "wide_resnet101_2": 126_886_696,
}


def test_densenet() -> None:
    torch.manual_seed(0)
    plain = models.DenseNet(4, (2, 2), 8, num_classes=3, drop_rate=0.0).eval()
    x = torch.randn(2, 3, 32, 32, requires_grad=True)
    keys = list(plain.state_dict())
    assert (
        "features.denseblock2.denselayer1.norm1.running_mean" in keys
        and "features.transition1.conv.weight" in keys
    )
    grads = []
    for saves_memory in (False, True):
        model = models.DenseNet(4, (2, 2), 8, num_classes=3, memory_efficient=saves_memory).eval()
        model.load_state_dict(plain.state_dict())
        assert torch.allclose(model(x), plain(x))
        grads.append(torch.autograd.grad(model(x).square().sum(), x)[0])
    assert torch.allclose(*grads)


def test_layers_of_vgg_by_name() -> None:
    made = models.vgg.make_layers([8, "M", 16], batch_norm=True)
    assert [type(layer).__name__ for layer in made] == ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d", "Conv2d", "BatchNorm2d", "ReLU"]  # fmt: skip  # noqa: E501


@pytest.mark.parametrize("name", COUNTS)
def test_numbers_of_parameters(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The numbers do not depend on the values: drawing 140 million of them would take most of the time.
    for draw in ("kaiming_uniform_", "kaiming_normal_", "uniform_", "normal_"):
        monkeypatch.setattr(torch.nn.init, draw, lambda tensor, *args, **kwargs: tensor)
    model = models.get_model(name)
    assert sum(p.numel() for p in model.parameters()) == COUNTS[name]


def test_keys_of_the_state_dicts() -> None:
    keys = list(models.resnet18(num_classes=2).state_dict())
    assert keys[:7] == [
        "conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked",
        "layer1.0.conv1.weight",
    ]  # fmt: skip
    assert len(keys) == 122
    assert {"layer2.0.downsample.0.weight", "layer2.0.downsample.1.running_var", "layer4.1.bn2.bias"} <= set(
        keys
    )
    assert keys[-2:] == ["fc.weight", "fc.bias"]
    keys = list(models.mobilenet_v2(num_classes=2).state_dict())
    assert {
        "features.0.0.weight", "features.0.1.weight", "features.1.conv.0.0.weight", "features.1.conv.1.weight",
        "features.2.conv.0.1.bias", "features.2.conv.3.running_mean", "features.18.0.weight", "classifier.1.weight",
    } <= set(keys)  # fmt: skip
    assert len(keys) == 314


def test_keys_of_the_networks_with_large_classifiers(monkeypatch: pytest.MonkeyPatch) -> None:
    for draw in ("kaiming_uniform_", "kaiming_normal_", "uniform_", "normal_"):
        monkeypatch.setattr(torch.nn.init, draw, lambda tensor, *args, **kwargs: tensor)
    wanted = [f"features.{i}.{kind}" for i in (0, 3, 6, 8, 10) for kind in ("weight", "bias")]
    wanted += [f"classifier.{i}.{kind}" for i in (1, 4, 6) for kind in ("weight", "bias")]
    assert list(models.alexnet().state_dict()) == wanted
    keys = list(models.vgg16().state_dict())
    assert keys[:4] == ["features.0.weight", "features.0.bias", "features.2.weight", "features.2.bias"]
    assert keys[-6:] == [f"classifier.{i}.{kind}" for i in (0, 3, 6) for kind in ("weight", "bias")]
    assert "features.1.running_mean" in models.vgg11_bn().state_dict()


def test_initialisation_of_resnet() -> None:
    torch.manual_seed(0)
    model = models.resnet18(zero_init_residual=True)
    # Kaiming's normal by fan-out: the deviation of 64 filters of 7 x 7 is sqrt(2 / (64 * 49)).
    assert model.conv1.weight.std().item() == pytest.approx((2 / (64 * 49)) ** 0.5, rel=0.05)
    assert model.bn1.weight.eq(1).all() and model.bn1.bias.eq(0).all()
    assert model.layer1[0].bn2.weight.eq(0).all() and model.layer1[0].bn1.weight.eq(1).all()


def test_the_same_numbers_as_a_resnet_in_pytorch() -> None:
    """One block with PyTorch's own layers and the same parameters."""
    oracle = pytest.importorskip("torch")
    oracle.set_num_threads(1)
    torch.manual_seed(0)
    block = models.resnet18().layer2[0].eval()
    state = {name: oracle.from_numpy(value.numpy().copy()) for name, value in block.state_dict().items()}
    x = torch.randn(2, 64, 8, 8)
    f, y = oracle.nn.functional, oracle.from_numpy(x.numpy().copy())

    def normed(z, name):
        parts = [state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return f.batch_norm(z, *parts)

    out = f.relu(normed(f.conv2d(y, state["conv1.weight"], stride=2, padding=1), "bn1"))
    out = normed(f.conv2d(out, state["conv2.weight"], padding=1), "bn2")
    out = f.relu(out + normed(f.conv2d(y, state["downsample.0.weight"], stride=2), "downsample.1"))
    assert abs(block(x).detach().numpy() - out.numpy()).max() < 1e-4


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2"])
def test_models_train(name: str) -> None:
    torch.manual_seed(0)
    model = models.get_model(name, num_classes=3)
    loss = torch.nn.functional.cross_entropy(model(torch.randn(2, 3, 64, 64)), torch.tensor([0, 2]))
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_weights_are_read_from_disk_and_never_fetched(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(URLError, match=r"resnet18-f37072fd\.pth is not there; nothing is downloaded"):
        models.resnet18(weights="DEFAULT")
    with pytest.raises(URLError, match="resnet18"):
        models.resnet18(pretrained=True)
    with pytest.raises(ValueError, match="this model has IMAGENET1K_V1"):
        models.resnet18(weights="NO_SUCH")
    with pytest.raises(ValueError, match="num_classes"):
        models.resnet18(weights=models.ResNet18_Weights.DEFAULT, num_classes=10)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(models.resnet18().state_dict(), folder / "resnet18-f37072fd.pth")
    with pytest.raises(RuntimeError, match="invalid hash value"):
        models.resnet18(weights=models.ResNet18_Weights.IMAGENET1K_V1)


def test_models_by_name() -> None:
    assert models.list_models(include="vgg1?") == ["vgg11", "vgg13", "vgg16", "vgg19"]
    assert models.get_model_weights("resnet50").DEFAULT.name == "IMAGENET1K_V2"
    with pytest.raises(ValueError, match="Unknown model"):
        models.get_model("densenet")
