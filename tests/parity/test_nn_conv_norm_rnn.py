"""Convolution, pooling, normalization and recurrent modules against PyTorch."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import rushlight

from . import module_database, opinfo
from .module_database import Pair, Sample

pytestmark = pytest.mark.parity

DIMS = (1, 2, 3)
NAMES = [
    *(f"{kind}{d}d" for kind in ("Conv", "ConvTranspose", "BatchNorm", "InstanceNorm") for d in DIMS),
    *(f"{kind}Pool{d}d" for kind in ("AdaptiveAvg", "AdaptiveMax", "Avg", "LP", "Max") for d in DIMS),
    "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm",
    "GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNCell",
]  # fmt: skip
# Sums of many products lose other last bits in either library: inputs of the samples reach 9, so products reach 80.
TOLERANCE = {"float32": (1.3e-6, 5e-5)}


def same_state(pair: Pair) -> None:
    """Running statistics and counts after a call."""
    ours = pair.ours.state_dict()
    for key, value in pair.theirs.state_dict().items():
        wrong = opinfo.difference(ours[key], value, (1e-5, 1e-5))
        assert wrong is None, f"{pair.sample.described}: {key}: {wrong}"


Case = tuple[str, tuple[Any, ...], dict[str, Any], tuple[Any, ...]]

# What the database does not have: (name, arguments, options, input shapes).
CASES: list[Case] = [
    *(
        ("Conv2d", (3, 4, 3), {"padding": padding, "padding_mode": mode, "dilation": dilation}, ((2, 3, 7, 6),))
        for mode in ("zeros", "reflect", "replicate", "circular")
        for padding in (1, (2, 1), "same", "valid")
        for dilation in (1, 2)
    ),
    *((f"Conv{d}d", (2, 2, 2), {"padding": "same", "padding_mode": "circular"}, ((2, 2, *(4,) * d),)) for d in DIMS),
    ("Conv2d", (4, 6, (3, 2)), {"stride": (2, 1), "groups": 2, "bias": False}, ((4, 8, 7),)),
    ("Conv2d", (4, 4, 3), {"groups": 4, "padding": 1}, ((3, 4, 8, 8),)),
    ("Conv1d", (2, 3, 5), {"stride": 3, "padding": 4, "dilation": 2}, ((2, 2, 11),)),
    ("ConvTranspose2d", (4, 6, (3, 2), (2, 3), 1), {"output_padding": (1, 2), "groups": 2}, ((2, 4, 5, 4),)),
    ("ConvTranspose1d", (2, 3, 3, 2), {"dilation": 2, "bias": False}, ((2, 5),)),
    ("ConvTranspose3d", (2, 1, 2), {"stride": 2}, ((1, 2, 2, 3, 2),)),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True}, ((2, 3, 9, 8),)),
    ("MaxPool2d", ((3, 2), ()), {"return_indices": True}, ((2, 3, 9, 8),)),
    ("AvgPool2d", ((3, 2),), {"stride": (2, 1), "padding": 1, "ceil_mode": True, "count_include_pad": False}, ((2, 3, 8, 7),)),
    ("AvgPool3d", (2,), {"divisor_override": 3}, ((1, 2, 4, 4, 5),)),
    ("AdaptiveAvgPool2d", ((None, 3),), {}, ((2, 3, 7, 5),)),
    ("AdaptiveMaxPool2d", ((2, None),), {"return_indices": True}, ((2, 3, 7, 5),)),
    ("LPPool1d", (3, 2), {"stride": 1}, ((2, 3, 7),)),
    ("LPPool2d", (float("inf"), 2), {}, ((2, 3, 6, 6),)),
    ("BatchNorm1d", (3,), {"momentum": None}, ((4, 3, 5),)),
    ("BatchNorm2d", (3,), {"affine": False}, ((4, 3, 5, 2),)),
    ("BatchNorm2d", (3,), {"bias": False}, ((4, 3, 5, 2),)),
    ("BatchNorm2d", (3,), {"track_running_stats": False}, ((4, 3, 5, 2),)),
    ("BatchNorm2d", (3, 0.1, 0.5), {}, ((2, 3, 20, 20),)),
    ("InstanceNorm2d", (3,), {"affine": True, "track_running_stats": True}, ((2, 3, 5, 2),)),
    ("InstanceNorm1d", (3,), {"affine": True, "bias": False}, ((3, 5),)),
    ("LayerNorm", ((3, 4),), {"bias": False}, ((2, 5, 3, 4),)),
    ("LayerNorm", (300,), {}, ((2, 300),)),
    ("GroupNorm", (2, 6), {"bias": False}, ((2, 6, 4),)),
    ("GroupNorm", (6, 6), {}, ((2, 6, 20, 20),)),
    ("RMSNorm", ((3, 4),), {"eps": 0.1}, ((2, 5, 3, 4),)),
    ("LocalResponseNorm", (4,), {"alpha": 0.1, "beta": 0.5, "k": 2.0}, ((2, 6, 3, 4),)),
    *(
        (name, (3, 4), {"num_layers": layers, "bidirectional": both, "dropout": dropout, "bias": bias}, ((5, 2, 3),))
        for name in ("RNN", "GRU", "LSTM")
        for layers, both, dropout, bias in ((1, True, 0.0, True), (3, False, 0.4, True), (2, True, 0.4, False))
    ),
    ("RNN", (3, 4, 2, "relu"), {"batch_first": True}, ((5, 2, 3), (2, 5, 4))),
    ("GRU", (3, 4), {"batch_first": True, "bidirectional": True}, ((5, 3), (2, 4))),
    ("LSTM", (3, 4), {"proj_size": 2, "num_layers": 2, "bidirectional": True}, ((5, 2, 3), [(4, 2, 2), (4, 2, 4)])),
    ("LSTM", (3, 4), {"batch_first": True}, ((1, 3), [(1, 4), (1, 4)])),
    ("LSTM", (3, 4), {}, ((2, 0, 3),)),
    ("LSTM", (3, 4), {}, ((12, 2, 3),)),
    ("RNNCell", (3, 4), {"bias": False, "nonlinearity": "relu"}, ((2, 3), (2, 4))),
    ("LSTMCell", (3, 4), {}, ((3,),)),
    ("GRUCell", (3, 4, False), {}, ((2, 3), (2, 4))),
]  # fmt: skip


def case_sample(case: Case, dtype: str) -> Sample:
    torch = opinfo.oracle()
    name, args, kwargs, shapes = case
    torch.manual_seed(0)

    def make(shape: Any) -> Any:
        if isinstance(shape, list):
            return tuple(make(part) for part in shape)
        return torch.randn(shape, dtype=getattr(torch, dtype), requires_grad=True)

    return Sample(args, kwargs, [make(shape) for shape in shapes], {}, f"{name}{args}{kwargs}")


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}{case[1]}{case[2] or ''}")
def test_more(case: Case, dtype: str, training: bool) -> None:
    pair = Pair(case[0], case_sample(case, dtype), dtype, training=training)
    module_database.built(pair)
    module_database.run(pair, TOLERANCE.get(dtype), gradients=True)
    same_state(pair)


@pytest.mark.parametrize("name", sorted({*NAMES, *(f"MaxUnpool{d}d" for d in DIMS)}))
def test_attributes(name: str) -> None:
    """The same public attributes, with the same values where those are plain."""
    if name.startswith("MaxUnpool"):
        sample = Sample((3, 2), {}, (), {}, name)
    else:
        sample = next(module_database.samples(name, "float32", training=True))
    pair = Pair(name, sample, "float32", training=True)
    theirs = {key: value for key, value in vars(pair.theirs).items() if not key.startswith("_")}
    ours = {key: value for key, value in vars(pair.ours).items() if not key.startswith("_")}
    assert sorted(ours) == sorted(theirs)
    for key, value in theirs.items():
        if value is None or isinstance(value, int | float | str | tuple | list):
            assert ours[key] == value, key
    constants = tuple(getattr(type(pair.theirs), "__constants__", ()))
    assert tuple(getattr(type(pair.ours), "__constants__", ())) == constants
    for restored in (pickle.loads(pickle.dumps(pair.ours)), copy.deepcopy(pair.ours)):
        assert repr(restored) == repr(pair.theirs)
        assert list(restored.state_dict()) == list(pair.theirs.state_dict())


@pytest.mark.parametrize("dims", DIMS)
def test_unpool(dims: int) -> None:
    torch = opinfo.oracle()
    torch.manual_seed(0)
    x = torch.randn(2, 3, *(7,) * dims)
    values, indices = getattr(torch.nn, f"MaxPool{dims}d")(2, return_indices=True)(x)
    values.requires_grad_()
    for options in ({}, {"output_size": x.shape}, {"output_size": (7,) * dims}):
        sample = Sample((2,), {}, (values, indices), options, f"MaxUnpool{dims}d")
        pair = Pair(f"MaxUnpool{dims}d", sample, "float32", training=True)
        module_database.built(pair)
        module_database.run(pair, gradients=True)


@pytest.mark.parametrize("output_size", [(10, 9), (10, 10), (2, 4, 9, 10), (11, 9), (8, 9), (9,), (1, 9, 9)])
def test_output_size_of_a_transposed_convolution(output_size: tuple[int, ...]) -> None:
    torch = opinfo.oracle()
    sample = Sample(
        (3, 4, 3, 2), {}, (torch.ones(2, 3, 4, 4),), {"output_size": output_size}, str(output_size)
    )
    module_database.run(Pair("ConvTranspose2d", sample, "float64", training=True), gradients=True)


# Constructions and calls that PyTorch refuses or warns about: (expression of nn and torch).
ODD = """
nn.Conv2d(1, 2, 3, padding='foo')
nn.Conv2d(1, 2, 3, padding='same', stride=2)
nn.Conv2d(1, 2, 3, padding_mode='foo')
nn.Conv2d(3, 2, 3, groups=2)
nn.Conv2d(2, 3, 3, groups=2)
nn.Conv2d(2, 3, 3, groups=0)
nn.Conv2d(1, 2, 3.5)
nn.Conv2d(1, -2, 3)
nn.Conv2d(1, 2, 3)(torch.ones(1, 2, 5, 5))
nn.Conv2d(1, 2, 3)(torch.ones(1, 1, 2, 5))
nn.Conv2d(1, 2, 3)(torch.ones(5, 5))
nn.Conv2d(1, 2, 3)(torch.ones(1, 1, 5, 5).double())
nn.Conv2d(1, 2, 3)(torch.ones(1, 1, 5, 5).int())
nn.Conv2d(1, 2, 3)(None)
nn.Conv2d(1, 2, (3, 3, 3))(torch.ones(1, 1, 5, 5))
nn.Conv2d(1, 2, 3, padding=9, padding_mode='reflect')(torch.ones(1, 1, 5, 5))
nn.ConvTranspose2d(1, 2, 3, padding_mode='reflect')
nn.ConvTranspose2d(1, 2, 3, output_padding=1)(torch.ones(1, 1, 5, 5))
nn.ConvTranspose2d(1, 2, 3)(torch.ones(1, 2, 5, 5))
nn.MaxPool2d(2.5)(torch.ones(1, 1, 5, 5))
nn.MaxPool2d(0)(torch.ones(1, 1, 5, 5))
nn.MaxPool2d(2, padding=2)(torch.ones(1, 1, 5, 5))
nn.MaxPool2d(9)(torch.ones(1, 1, 5, 5))
nn.MaxPool2d(2)(torch.ones(5, 5))
nn.MaxPool2d(2)([1])
nn.MaxPool2d((2, 2, 2))(torch.ones(1, 1, 5, 5))
nn.MaxPool2d(2)(torch.ones(1, 1, 5, 5, dtype=torch.bool))
nn.AvgPool2d(2, divisor_override=0)(torch.ones(1, 1, 5, 5))
nn.AvgPool1d((2, 2))(torch.ones(1, 1, 5))
nn.AvgPool3d(5)(torch.ones(1, 1, 4, 4, 4))
nn.AdaptiveAvgPool2d(-1)(torch.ones(1, 1, 5, 5))
nn.AdaptiveAvgPool2d((2, 2, 2))(torch.ones(1, 1, 5, 5))
nn.AdaptiveAvgPool2d((2, 2, 2, 2))(torch.ones(1, 1, 5, 5))
nn.AdaptiveAvgPool2d((2,))(torch.ones(1, 1, 5, 5))
nn.AdaptiveAvgPool2d(2.5)(torch.ones(1, 1, 5, 5))
nn.AdaptiveAvgPool1d(None)(torch.ones(1, 1, 5))
nn.AdaptiveMaxPool2d(2)(torch.ones(5, 5))
nn.MaxUnpool2d(2)(torch.ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), 99))
nn.MaxUnpool2d(2)(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
nn.MaxUnpool2d(2)(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 3, dtype=torch.int64))
nn.MaxUnpool2d(2)(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2, dtype=torch.int64), output_size=(9, 9))
nn.MaxUnpool2d(2)(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2, dtype=torch.int64), output_size=(4,))
nn.BatchNorm1d(3)(torch.ones(2, 3, 4, 5))
nn.BatchNorm2d(3)(torch.ones(2, 3))
nn.BatchNorm3d(3)(torch.ones(2, 3))
nn.BatchNorm1d(3)(torch.ones(1, 3))
nn.BatchNorm1d(3)(torch.ones(2, 4))
nn.BatchNorm1d(3)(torch.ones(2, 3).double())
nn.BatchNorm1d(3)(torch.ones(2, 3).int())
nn.BatchNorm1d(3, eps=0)(torch.ones(2, 3))
nn.BatchNorm1d(3, eps=-1).eval()(torch.ones(2, 3))
nn.GroupNorm(2, 5)
nn.GroupNorm(0, 5)
nn.GroupNorm(2, 4)(torch.ones(2, 6))
nn.GroupNorm(2, 4)(torch.ones(4))
nn.GroupNorm(4, 4)(torch.ones(1, 4))
nn.LayerNorm(3)(torch.ones(2, 4))
nn.LayerNorm(())(torch.ones(2, 4))
nn.LayerNorm(3)(torch.ones(2, 3).double())
nn.LayerNorm(3)(torch.ones(2, 3).int())
nn.RMSNorm(3)(torch.ones(2, 4))
nn.RMSNorm(3)(torch.ones(2, 3).int())
nn.InstanceNorm1d(3)(torch.ones(3))
nn.InstanceNorm1d(3)(torch.ones(2, 4, 4))
nn.InstanceNorm1d(3, affine=True)(torch.ones(2, 4, 4))
nn.InstanceNorm2d(3)(torch.ones(4, 4))
nn.InstanceNorm2d(3)(torch.ones(1, 3, 1, 1))
nn.InstanceNorm1d(3).eval()(torch.ones(1, 3, 1))
nn.LocalResponseNorm(3)(torch.ones(2, 3))
nn.LocalResponseNorm(0)(torch.ones(2, 3, 4))
nn.RNN(3, 4, nonlinearity='foo')
nn.RNN(3, 4, proj_size=2)
nn.GRU(3, 4, proj_size=2)
nn.LSTM(3, 4, proj_size=4)
nn.LSTM(3, 4, proj_size=-1)
nn.LSTM(3, 4, dropout=.5)
nn.LSTM(3, 4, dropout=2)
nn.LSTM(3, 4, dropout=True)
nn.LSTM(3, 4, dropout='a')
nn.LSTM(3, 0)
nn.LSTM(0, 3)
nn.LSTM(3, 4.)
nn.LSTM(3., 4)
nn.LSTM(3, 4, num_layers=0)
nn.LSTM(3, 4, num_layers=1.)
nn.LSTM()
nn.LSTM(3, 4, foo=1)
nn.RNNBase('FOO', 3, 4)
nn.RNNBase('LSTM', 3, 4)
nn.LSTM(3, 4)(torch.ones(2))
nn.LSTM(3, 4)(torch.ones(2, 5, 4))
nn.LSTM(3, 4)(torch.ones(2, 5, 3).double())
nn.LSTM(3, 4)(torch.ones(0, 5, 3))
nn.LSTM(3, 4)(torch.ones(2, 5, 3), torch.ones(1, 5, 4))
nn.LSTM(3, 4)(torch.ones(2, 5, 3), (torch.ones(1, 5, 4), torch.ones(1, 5, 5)))
nn.LSTM(3, 4)(torch.ones(2, 5, 3), (torch.ones(5, 4), torch.ones(5, 4)))
nn.LSTM(3, 4)(torch.ones(5, 3), (torch.ones(1, 5, 4), torch.ones(1, 5, 4)))
nn.LSTM(3, 4)(torch.ones(2, 5, 3), (torch.ones(1, 5, 5), torch.ones(1, 5, 4)))
nn.LSTM(3, 4, proj_size=2)(torch.ones(2, 5, 3), (torch.ones(1, 5, 4), torch.ones(1, 5, 4)))
nn.LSTM(3, 4)(torch.ones(2, 5, 3), (torch.ones(1, 5, 4).double(), torch.ones(1, 5, 4)))
nn.GRU(3, 4)(torch.ones(2, 5, 3), torch.ones(5, 4))
nn.GRU(3, 4)(torch.ones(2, 3), torch.ones(1, 5, 4))
nn.GRU(3, 4)(torch.ones(2, 5, 3), torch.ones(1, 5, 5))
nn.GRU(3, 4)(torch.ones(2))
nn.RNN(3, 4)(torch.ones(2))
nn.RNN(3, 4)(torch.ones(2, 5, 3), torch.ones(2, 5, 4))
nn.RNN(3, 4)(torch.ones(2, 5, 3).int())
nn.RNN(3, 4)(torch.ones(2, 5, 3), torch.ones(1, 5, 4).double())
nn.RNNCell(3, 4, nonlinearity='foo')(torch.ones(3))
nn.RNNCell(3, 4)(torch.ones(2, 3, 3))
nn.RNNCell(3, 4)(torch.ones(2, 3), torch.ones(2, 3, 4))
nn.RNNCell(3, 4)(torch.ones(2, 3), torch.ones(4))
nn.RNNCell(3, 4)(torch.ones(2, 4))
nn.RNNCell(3, 4)(torch.ones(2, 3), torch.ones(2, 5))
nn.LSTMCell(3, 4)(torch.ones(2, 3), torch.ones(2, 4))
nn.LSTMCell(3, 4)(torch.ones(2, 3), (torch.ones(2, 4), torch.ones(2, 5)))
nn.LSTMCell(3, 4)(torch.ones(2, 3), (torch.ones(2, 2, 4), torch.ones(2, 4)))
nn.GRUCell(3, 4)(torch.ones(2, 3), torch.ones(2, 2, 4))
""".strip().split("\n")
# Texts that are not PyTorch's: it lists sets in random order, overloads, or what its own kernels are called.
OTHER_TEXT = (
    "padding='foo'", "padding_mode='foo'", "3.5", "-2,", "int()", "bool", "(None)", "(3, 3, 3)", "double()", "MaxPool",
    "AvgPool", "padding=9", "output_padding", "RMSNorm(3)(torch.ones(2, 4))", "foo=1", "(5, 5))", "LocalResponseNorm",
    "dropout='a'",
)  # fmt: skip


@pytest.mark.parametrize("expression", ODD)
def test_refused(expression: str) -> None:
    """The same type of error (and mostly the same text), or the same warning."""
    torch = opinfo.oracle()

    def outcome(library: Any) -> tuple[Any, list[str]]:
        import warnings

        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            try:
                eval(expression, {"nn": library.nn, "torch": library})
            except Exception as error:
                return error, [str(warning.message) for warning in seen]
        return None, [str(warning.message) for warning in seen]

    (theirs, their_warnings), (ours, our_warnings) = outcome(torch), outcome(rushlight)
    # What PyTorch's kernels say about themselves is left out.
    assert our_warnings == [text for text in their_warnings if "Triggered internally" not in text]
    if theirs is None:
        assert ours is None
        return
    assert isinstance(ours, type(theirs)), f"{ours!r}, expected {theirs!r}"
    if not any(part in expression for part in OTHER_TEXT):
        assert str(ours) == str(theirs)


# --- whole models -----------------------------------------------------------------------------------------------------


def residual_net(library: Any) -> Any:
    """A ResNet in small: stem, three residual blocks (one with a projection), pooling, classifier."""
    nn = library.nn

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.downsample = None
            if stride != 1 or inputs != outputs:
                self.downsample = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
                )

        def forward(self, x: Any) -> Any:
            identity = x if self.downsample is None else self.downsample(x)
            out = self.relu(self.bn1(self.conv1(x)))
            out = self.bn2(self.conv2(out))
            out += identity
            return self.relu(out)

    return nn.Sequential(
        nn.Conv2d(3, 8, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, padding=1),
        Block(8, 8),
        Block(8, 16, 2),
        Block(16, 16),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
        nn.Linear(16, 5),
    )


def test_residual_net_takes_a_state_dict_and_trains_alike() -> None:
    torch = opinfo.oracle()
    torch.manual_seed(0)
    theirs = residual_net(torch)
    rushlight.manual_seed(99)
    ours = residual_net(rushlight)
    x, labels = torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 4, 2])
    own_x, own_labels = opinfo.to_rushlight(x), opinfo.to_rushlight(labels)
    theirs(x)  # running statistics other than the initial ones
    state = {key: opinfo.to_rushlight(value) for key, value in theirs.state_dict().items()}
    assert repr(ours.load_state_dict(state)) == "<All keys matched successfully>"
    theirs.eval(), ours.eval()
    with torch.no_grad(), rushlight.no_grad():
        assert opinfo.difference(ours(own_x), theirs(x), (1e-5, 1e-5)) is None
    theirs.train(), ours.train()
    optimizers = [
        library.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        for library, model in ((torch, theirs), (rushlight, ours))
    ]
    losses = []
    for library, model, optimizer, images, targets in (
        (torch, theirs, optimizers[0], x, labels),
        (rushlight, ours, optimizers[1], own_x, own_labels),
    ):
        losses.append([])
        for _ in range(5):
            loss = library.nn.functional.cross_entropy(model(images), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[-1].append(loss.item())
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    assert losses[0][-1] < losses[0][0]
    own_state = ours.state_dict()
    assert list(own_state) == list(theirs.state_dict())
    for key, value in theirs.state_dict().items():
        # Five steps multiply the last bits' differences.
        assert opinfo.difference(own_state[key], value, (1e-3, 1e-4)) is None, key


def test_older_checkpoints_of_batch_norm() -> None:
    """Without a version, the count of batches may be missing."""
    torch = opinfo.oracle()
    for library in (torch, rushlight):
        norm = library.nn.BatchNorm1d(2)
        state = {key: value for key, value in norm.state_dict().items() if key != "num_batches_tracked"}
        assert norm.load_state_dict(state).missing_keys == []
        versioned = norm.state_dict()
        del versioned["num_batches_tracked"]
        with pytest.raises(RuntimeError, match="num_batches_tracked"):
            norm.load_state_dict(versioned)


# --- packed sequences -------------------------------------------------------------------------------------------------


def packed(library: Any, tensors: list[Any], enforce_sorted: bool) -> Any:
    return library.nn.utils.rnn.pack_sequence(tensors, enforce_sorted=enforce_sorted)


@pytest.mark.parametrize("lengths", [[4, 4, 4], [5, 3, 3, 1], [2, 6, 1, 4], [1]])
@pytest.mark.parametrize(
    "name, options",
    [
        ("RNN", {"num_layers": 2, "bidirectional": True}),
        ("GRU", {"num_layers": 2, "bidirectional": True, "dropout": 0.3}),
        ("LSTM", {"num_layers": 2, "bidirectional": True, "dropout": 0.3}),
        ("LSTM", {"proj_size": 2, "bidirectional": True}),
    ],
)
@pytest.mark.parametrize("given", [False, True], ids=["zeros", "hx"])
def test_packed_sequences(name: str, options: dict[str, Any], lengths: list[int], given: bool) -> None:
    torch = opinfo.oracle()
    torch.manual_seed(0)
    tensors = [torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in lengths]
    leaves: list[tuple[Any, Any]] = []
    own = opinfo.to_rushlight(tensors, leaves)
    pair = Pair(name, Sample((3, 4), options, (), {}, name), "float64", training=True)
    batch = len(lengths)
    layers = options.get("num_layers", 1) * 2
    hx = None
    if given:
        hx = torch.randn(layers, batch, options.get("proj_size", 4), dtype=torch.float64, requires_grad=True)
        if name == "LSTM":
            hx = (hx, torch.randn(layers, batch, 4, dtype=torch.float64, requires_grad=True))
    enforce_sorted = lengths == sorted(lengths, reverse=True)
    results = []
    for library, model, parts, states in (
        (torch, pair.theirs, tensors, hx),
        (rushlight, pair.ours, own, opinfo.to_rushlight(hx, leaves)),
    ):
        library.manual_seed(5)
        output, last = model(packed(library, parts, enforce_sorted), states)
        padded, sizes = library.nn.utils.rnn.pad_packed_sequence(output, batch_first=True, padding_value=-1.0)
        results.append([padded, sizes, *opinfo.flat(last), output.data, output.batch_sizes])
    for ours, theirs in zip(results[1], results[0], strict=True):
        assert opinfo.difference(ours, theirs) is None
    leaves += zip(pair.theirs.parameters(), pair.ours.parameters(), strict=True)
    floating = [i for i, result in enumerate(results[0]) if result.requires_grad]
    weights = [torch.randn(results[0][i].shape, dtype=torch.float64) for i in floating]
    wanted = torch.autograd.grad([results[0][i] for i in floating], [t for t, _ in leaves], weights)
    rushlight.autograd.backward(
        [results[1][i] for i in floating], [opinfo.to_rushlight(weight) for weight in weights]
    )
    for gradient, (_, leaf) in zip(wanted, leaves, strict=True):
        assert opinfo.difference(leaf.grad, gradient) is None


PACKING = """
U.pack_padded_sequence(x, [4, 2, 1])
U.pack_padded_sequence(x, [1, 4, 2], enforce_sorted=False)
U.pack_padded_sequence(x, torch.tensor([4, 2, 1], dtype=torch.int32))
U.pack_padded_sequence(x, [3, 3, 3, 1], batch_first=True)
U.pack_padded_sequence(x, [1, 4, 2])
U.pack_padded_sequence(x, [4, 2, 0])
U.pack_padded_sequence(x, [4, 2])
U.pack_padded_sequence(x, [])
U.pack_padded_sequence(x, torch.tensor([[4, 2, 1]]))
U.PackedSequence(torch.ones(3, 2))
U.PackedSequence(torch.ones(3, 2), torch.tensor([2, 1]))
U.PackedSequence(torch.ones(3, 2), torch.tensor([2, 1]), torch.tensor([1, 0]))
U.PackedSequence((torch.ones(3, 2), torch.tensor([2, 1])))
U.pad_packed_sequence(U.pack_padded_sequence(x, [4, 2, 1]))
U.pad_packed_sequence(U.pack_padded_sequence(x, [1, 4, 2], enforce_sorted=False), True, -1, 5)
U.pad_packed_sequence(U.pack_padded_sequence(x, [4, 2, 1]), total_length=3)
U.pack_sequence([torch.ones(3), torch.zeros(2)])
U.pack_sequence([torch.ones(2), torch.zeros(3)])
U.pack_sequence([torch.ones(2), torch.zeros(3)], enforce_sorted=False)
U.unpack_sequence(U.pack_padded_sequence(x, [1, 4, 2], enforce_sorted=False))
U.pad_sequence([torch.ones(2), torch.zeros(3)])
U.pad_sequence([torch.ones(2, 2), torch.zeros(3, 2)], True, 2)
U.pad_sequence([torch.ones(2, 2), torch.zeros(3, 2)], padding_side='left')
U.pad_sequence([torch.ones(2, 2), torch.zeros(3, 1)])
U.pad_sequence([torch.ones(2)], padding_side='foo')
U.pad_sequence([])
U.pad_sequence(torch.ones(2, 3))
U.pad_sequence(3)
U.unpad_sequence(torch.arange(6.).reshape(3, 2), torch.tensor([3, 1]))
U.unpad_sequence(torch.arange(6.).reshape(3, 2), torch.tensor([2, 1, 1]), batch_first=True)
U.invert_permutation(torch.tensor([2, 0, 1]))
U.invert_permutation(None)
U.pack_sequence([torch.ones(3)]).double()
U.pack_sequence([torch.ones(3)]).to(torch.int64)
U.pack_sequence([torch.ones(3)]).is_cuda
U.pack_sequence([torch.ones(3)]).is_pinned()
""".strip().split("\n")


@pytest.mark.parametrize("expression", PACKING)
def test_packing(expression: str) -> None:
    torch = opinfo.oracle()

    def result(library: Any) -> Any:
        names = {"torch": library, "U": library.nn.utils.rnn, "x": library.arange(24.0).reshape(4, 3, 2)}
        try:
            return repr(eval(expression, names))
        except Exception as error:
            return type(error), str(error) if "[[4" not in expression else ""

    assert result(rushlight) == result(torch)
