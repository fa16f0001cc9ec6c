"""Feature extractors: names, values, modes and gradients."""

import copy

import pytest

import rushlight as torch
from rushlight.vision import models
from rushlight.vision.models.feature_extraction import create_feature_extractor, get_graph_node_names


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return models.resnet18().eval()


def test_names(resnet):
    train, evaluation = get_graph_node_names(resnet)
    assert train == evaluation and not resnet.training
    assert train[:6] == ["x", "conv1", "bn1", "relu", "maxpool", "layer1.0.conv1"]
    block = [name for name in train if name.startswith("layer1.0")]
    assert block == [f"layer1.0.{name}" for name in ("conv1", "bn1", "relu", "conv2", "bn2", "add", "relu_1")]
    assert train[-3:] == ["avgpool", "flatten", "fc"]


@pytest.mark.parametrize("nodes", [["layer1", "layer4.1.relu_1", "fc"], {"layer1": "a", "avgpool": "b"}])
def test_values_are_the_models(resnet, nodes):
    seen = {}
    handles = [
        getattr(resnet, name).register_forward_hook(lambda m, args, out, name=name: seen.update({name: out}))
        for name in ("layer1", "layer4", "avgpool", "fc")
    ]
    x = torch.rand(2, 3, 32, 32)
    resnet(x)
    for handle in handles:
        handle.remove()
    found = create_feature_extractor(resnet, nodes)(x)
    names = nodes if isinstance(nodes, dict) else {name: name for name in nodes}
    assert list(found) == list(names.values())
    for name, key in names.items():
        torch.testing.assert_close(found[key], seen[name.partition(".")[0]])


def test_what_is_not_needed_is_not_computed(resnet):
    body = create_feature_extractor(resnet, ["layer1"])
    assert "layer2.0.conv1" not in {node.target for node in body.graph.nodes}
    assert body.layer1 is not resnet.layer1 and getattr(body.layer1, "0").conv1 is resnet.layer1[0].conv1


def test_modes_and_gradients(resnet):
    class Noisy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(3, 3)

        def forward(self, x):
            x = self.linear(x)
            return torch.neg(x) if self.training else torch.abs(x)

    model = Noisy()
    with pytest.warns(UserWarning, match="train mode"):
        get_graph_node_names(model)
    both = create_feature_extractor(
        model, train_return_nodes={"neg": "out"}, eval_return_nodes={"abs": "out"}
    )
    x = torch.rand(2, 3, requires_grad=True)
    for mode in (True, False):
        other = copy.deepcopy(both.train(mode))
        torch.testing.assert_close(both(x)["out"], model.train(mode)(x))
        torch.testing.assert_close(other(x)["out"], both(x)["out"])
    both(x)["out"].sum().backward()
    assert x.grad is not None and model.linear.weight.grad is not None


def test_errors(resnet):
    with pytest.raises(ValueError, match="is not present in model"):
        create_feature_extractor(resnet, ["layer9"])
    with pytest.raises(ValueError, match="Either `return_nodes`"):
        create_feature_extractor(resnet)
    with pytest.raises(ValueError, match="should not be"):
        create_feature_extractor(resnet, ["fc"], ["fc"], ["fc"])


@pytest.mark.parametrize("name", ["densenet121", "mobilenet_v2", "vgg11_bn", "alexnet", "resnext50_32x4d"])
def test_other_models(name):
    model = getattr(models, name)().eval()
    train, _ = get_graph_node_names(model)
    body = create_feature_extractor(model, {train[-1]: "last"})
    x = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(body(x)["last"], model(x))
