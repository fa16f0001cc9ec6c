"""Modules that are not convolution, pooling, normalization or recurrent, against PyTorch."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from . import module_database, opinfo
from .module_database import Pair, Sample

pytestmark = pytest.mark.parity

NAMES = [
    "BCELoss", "BCEWithLogitsLoss", "Bilinear", "CELU", "CircularPad1d", "CircularPad2d", "CircularPad3d",
    "ConstantPad1d", "ConstantPad2d", "ConstantPad3d", "CosineEmbeddingLoss", "CrossEntropyLoss", "ELU",
    "Embedding", "GELU", "GLU", "GaussianNLLLoss", "Hardshrink", "Hardswish", "Hardtanh", "HingeEmbeddingLoss",
    "HuberLoss", "KLDivLoss", "L1Loss", "LeakyReLU", "Linear", "LogSigmoid", "LogSoftmax", "MSELoss",
    "MarginRankingLoss", "Mish", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss",
    "NLLLoss", "PReLU", "PoissonNLLLoss", "ReLU", "ReLU6", "ReflectionPad1d", "ReflectionPad2d",
    "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d", "SELU", "SiLU", "Sigmoid",
    "SmoothL1Loss", "SoftMarginLoss", "Softmax", "Softmax2d", "Softmin", "Softplus", "Softshrink", "Softsign",
    "Tanh", "Tanhshrink", "Threshold", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


# What the database does not have: (name, arguments, options, input shapes or values).
CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[Any, ...]]] = [
    ("Identity", (54,), {"unused": 1}, ((2, 3),)),
    ("Linear", (5, 3), {"bias": False}, ((2, 4, 5),)),
    ("Linear", (4, 4), {}, ((4,),)),
    ("Bilinear", (2, 3, 4), {"bias": False}, ((5, 2), (5, 3))),
    ("Flatten", (), {}, ((2, 3, 4),)),
    ("Flatten", (0, 1), {}, ((2, 3, 4),)),
    ("Unflatten", (1, (2, 3)), {}, ((2, 6, 4),)),
    ("Unflatten", (-1, [2, -1]), {}, ((2, 6),)),
    ("Dropout", (), {}, ((7, 9),)),
    ("Dropout", (0.2, True), {}, ((7, 9),)),
    ("Dropout", (0,), {}, ((7, 9),)),
    ("Dropout", (1,), {}, ((7, 9),)),
    ("Dropout1d", (0.3,), {}, ((3, 4, 5),)),
    ("Dropout1d", (0.3,), {}, ((4, 5),)),
    ("Dropout2d", (0.3,), {}, ((2, 5, 3, 4),)),
    ("Dropout2d", (0.3,), {"inplace": True}, ((2, 5, 3, 4),)),
    ("Dropout3d", (0.3,), {}, ((2, 5, 3, 2, 2),)),
    ("Dropout3d", (0.3,), {}, ((5, 3, 2, 2),)),
    ("AlphaDropout", (0.3,), {}, ((7, 9),)),
    ("AlphaDropout", (1,), {}, ((7, 9),)),
    ("FeatureAlphaDropout", (0.3,), {}, ((3, 5, 4),)),
    ("RReLU", (), {}, ((7, 9),)),
    ("RReLU", (0.1, 0.2, True), {}, ((7, 9),)),
    ("Hardsigmoid", (), {}, ((7, 9),)),
    ("Hardsigmoid", (True,), {}, ((7, 9),)),
    ("ReLU", (True,), {}, ((7, 9),)),
    ("Softplus", (), {"beta": 2, "threshold": 1}, ((7, 9),)),
    ("GELU", ("tanh",), {}, ((7, 9),)),
    ("GLU", (0,), {}, ((6, 3),)),
    ("PReLU", (3, 0.1), {}, ((2, 3, 4),)),
    ("CosineSimilarity", (), {}, ((3, 4), (3, 4))),
    ("CosineSimilarity", (), {"dim": 0, "eps": 0.5}, ((3, 4), (3, 1))),
    ("PairwiseDistance", (), {}, ((3, 4), (3, 4))),
    ("PairwiseDistance", (), {"p": 1, "eps": 0, "keepdim": True}, ((3, 4), (4,))),
    ("TripletMarginLoss", (), {}, ((3, 4), (3, 4), (3, 4))),
    ("TripletMarginLoss", (0.5,), {"p": 1, "swap": True, "reduction": "none"}, ((3, 4), (3, 4), (3, 4))),
    ("TripletMarginWithDistanceLoss", (), {"swap": True}, ((3, 4), (3, 4), (3, 4))),
    ("HuberLoss", (), {"delta": 0.5}, ((3, 4), (3, 4))),
    ("SmoothL1Loss", (), {"beta": 0.5, "reduction": "sum"}, ((3, 4), (3, 4))),
    ("MSELoss", (), {"reduction": "none"}, ((3, 4), (3, 4))),
    ("Upsample", (), {"scale_factor": 2}, ((1, 2, 3),)),
    ("Upsample", ((4, 5),), {"mode": "bilinear"}, ((1, 2, 3, 3),)),
    ("Upsample", (), {"scale_factor": (2, 1.5), "mode": "bicubic", "align_corners": True}, ((1, 2, 3, 3),)),
    ("Upsample", (2,), {"mode": "trilinear"}, ((1, 1, 3, 3, 3),)),
    ("UpsamplingNearest2d", (), {"scale_factor": 2}, ((1, 2, 3, 3),)),
    ("UpsamplingBilinear2d", ((5, 4),), {}, ((1, 2, 3, 3),)),
    ("PixelShuffle", (2,), {}, ((2, 8, 3, 2),)),
    ("PixelUnshuffle", (2,), {}, ((2, 3, 4, 6),)),
    ("ChannelShuffle", (2,), {}, ((2, 6, 3),)),
    ("Unfold", ((2, 3),), {"padding": 1, "stride": (2, 1), "dilation": (1, 2)}, ((2, 3, 5, 7),)),
    ("Unfold", (2,), {}, ((3, 5, 4),)),
    ("Fold", ((4, 5), 2), {}, ((2, 8, 12),)),
    ("Fold", ((6, 7), (2, 3)), {"padding": (1, 2), "stride": 2, "dilation": (1, 2)}, ((12, 16),)),
]  # fmt: skip


def case_sample(case: tuple[str, tuple[Any, ...], dict[str, Any], tuple[Any, ...]], dtype: str) -> Sample:
    torch = opinfo.oracle()
    name, args, kwargs, shapes = case
    torch.manual_seed(0)
    # In-place layers can't write over a leaf that requires grad.
    requires_grad = not kwargs.get("inplace") and True not in args
    inputs = [
        torch.randn(shape, dtype=getattr(torch, dtype), requires_grad=requires_grad) for shape in shapes
    ]
    return Sample(args, kwargs, inputs, {}, f"{name}{args}{kwargs}")


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}{case[1]}{case[2] or ''}")
def test_more(case: Any, dtype: str, training: bool) -> None:
    pair = Pair(case[0], case_sample(case, dtype), dtype, training=training)
    module_database.built(pair)
    module_database.run(pair, gradients=True)


INTEGER_CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[Any, ...]]] = [
    ("Embedding", (7, 3), {}, ([[0, 6, 6], [2, 1, 0]],)),
    ("Embedding", (7, 3), {"padding_idx": -1}, ([0, 6, 6],)),
    ("Embedding", (7, 3), {"max_norm": 0.7, "norm_type": 1.0}, ([0, 6, 6],)),
    ("Embedding", (7, 3), {"scale_grad_by_freq": True}, ([0, 6, 6],)),
    ("EmbeddingBag", (7, 3), {}, ([0, 6, 6, 1], [0, 1, 1])),
    ("EmbeddingBag", (7, 3), {"mode": "sum", "include_last_offset": True}, ([0, 6, 6, 1], [0, 1, 4])),
    ("EmbeddingBag", (7, 3), {"mode": "max"}, ([[0, 6, 6], [2, 1, 0]],)),
    ("EmbeddingBag", (7, 3), {"mode": "mean", "padding_idx": 6}, ([[0, 6, 6], [6, 6, 6]],)),
    # With scale_grad_by_freq PyTorch's bags divide by the frequency of another row; that is not reproduced.
    ("EmbeddingBag", (7, 3), {"max_norm": 0.7}, ([[0, 6, 6], [2, 1, 0]],)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", INTEGER_CASES, ids=lambda case: f"{case[0]}{case[2]}")
def test_tables(case: Any, dtype: str) -> None:
    torch = opinfo.oracle()
    name, args, kwargs, values = case
    sample = Sample(args, kwargs, [torch.tensor(value) for value in values], {}, f"{name}{kwargs}")
    pair = Pair(name, sample, dtype, training=True)
    module_database.built(pair)
    module_database.run(pair, gradients=True)


@pytest.mark.parametrize("name", [*NAMES, *sorted({case[0] for case in CASES + INTEGER_CASES} - set(NAMES))])
def test_attributes(name: str) -> None:
    """The same public attributes, with the same values where those are plain."""
    torch = opinfo.oracle()
    if name in NAMES:
        sample = next(module_database.samples(name, "float32", training=True))
    else:
        case = next(case for case in CASES + INTEGER_CASES if case[0] == name)
        sample = Sample(case[1], case[2], (), {}, name)
    pair = Pair(name, sample, "float32", training=True)
    theirs = {key: value for key, value in vars(pair.theirs).items() if not key.startswith("_")}
    ours = {key: value for key, value in vars(pair.ours).items() if not key.startswith("_")}
    assert sorted(ours) == sorted(theirs)
    for key, value in theirs.items():
        if value is None or isinstance(value, int | float | str | tuple | list):
            assert ours[key] == value, key
    assert tuple(getattr(type(pair.ours), "__constants__", ())) == tuple(
        getattr(type(pair.theirs), "__constants__", ())
    )
    restored = pickle.loads(pickle.dumps(pair.ours))
    assert repr(restored) == repr(pair.ours)
    assert list(restored.state_dict()) == list(pair.theirs.state_dict())
    assert issubclass(getattr(torch.nn, name), torch.nn.Module)
