"""``SummaryWriter.add_graph`` and the pictures of ``add_embedding``, read by TensorBoard and compared with PyTorch's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight
from rushlight import nn
from rushlight.utils.tensorboard import SummaryWriter


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.drop = nn.Dropout(0.5)
        self.layers = nn.Sequential(nn.Linear(2 * 4 * 4, 5), nn.ReLU())
        self.calls = 0

    def forward(self, x: Any, scale: Any = None) -> Any:
        self.calls += 1
        y = self.drop(rushlight.relu(self.conv(x)))
        y = self.layers(y.view(-1, 2 * 4 * 4)) + 1
        return y if scale is None else y * scale


def nodes_of(folder: Path) -> dict[str, Any]:
    """The graph's nodes by name, as TensorBoard reads them."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    (path,) = folder.glob("events*")
    for event in EventFileLoader(str(path)).Load():
        if event.graph_def:
            graph = GraphDef()
            graph.ParseFromString(event.graph_def)
            return {node.name: node for node in graph.node}
    raise AssertionError("no graph in the file")


def test_operations_are_in_the_boxes_of_their_modules(tmp_path: Path) -> None:
    model = Net()
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(model, rushlight.zeros(3, 1, 6, 6))
    nodes = nodes_of(tmp_path)
    linear = nodes["Net/Sequential[layers]/Linear[0]/linear"]
    assert linear.op == "aten::linear"
    assert list(linear.input) == [
        "Net/view",
        "Net/Sequential[layers]/Linear[0]/weight",
        "Net/Sequential[layers]/Linear[0]/bias",
    ]
    conv = nodes["Net/Conv2d[conv]/conv2d"]
    assert conv.input[0] == "input/x" and nodes["input/x"].op == "IO Node"
    (shape,) = conv.attr["_output_shapes"].list.shape
    assert [dim.size for dim in shape.dim] == [3, 2, 4, 4]
    assert list(nodes["output/output"].input) == ["Net/add"]
    assert list(nodes["Net/add"].input) == ["Net/Sequential[layers]/ReLU[1]/relu"]


def test_the_model_is_left_as_it_was(tmp_path: Path) -> None:
    model = Net().train()
    state = rushlight.get_rng_state()
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(model, (rushlight.zeros(1, 1, 6, 6), rushlight.ones(5)))
    assert model.training and model.drop.training and model.calls == 1
    assert not model.conv._forward_hooks and not model.conv._forward_pre_hooks
    assert rushlight.equal(state, rushlight.get_rng_state())  # eval mode: nothing was dropped
    assert list(nodes_of(tmp_path)["Net/mul"].input) == ["Net/add", "input/x.1"]


def test_errors_of_the_pass_go_on_and_hooks_go_away(tmp_path: Path) -> None:
    model = Net()
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(RuntimeError):
            writer.add_graph(model, rushlight.zeros(1, 3, 6, 6))
        with pytest.raises(TypeError, match="expected a module"):
            writer.add_graph(abs, rushlight.zeros(1))
    assert model.training and not model.conv._forward_hooks


def test_verbose_prints_the_nodes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(nn.Linear(2, 1), rushlight.zeros(1, 2), verbose=True)
    assert "Linear/linear = aten::linear(input/x, Linear/weight, Linear/bias)" in capsys.readouterr().out


@pytest.mark.parametrize("shape", [(5, 1, 4, 4), (5, 3, 4, 6)])
def test_pictures_of_an_embedding_are_pytorchs(shape: tuple[int, ...], tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    image = pytest.importorskip("PIL.Image")
    theirs = pytest.importorskip("torch.utils.tensorboard")
    pictures = np.random.default_rng(0).random(shape, np.float32)
    points = np.arange(10.0, dtype=np.float32).reshape(5, 2)
    found = []
    for folder, writer_of, library in (
        (tmp_path / "ours", SummaryWriter, rushlight),
        (tmp_path / "theirs", theirs.SummaryWriter, torch),
    ):
        with writer_of(str(folder)) as writer:
            writer.add_embedding(
                library.from_numpy(points), metadata=list("abcde"), label_img=library.from_numpy(pictures)
            )
        found.append(
            (
                (folder / "projector_config.pbtxt").read_text(),
                np.asarray(image.open(folder / "00000" / "default" / "sprite.png")),
            )
        )
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])
