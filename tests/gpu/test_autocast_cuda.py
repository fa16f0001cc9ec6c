"""``torch.autocast("cuda")`` casts what PyTorch's casts.

PyTorch's own answer needs no GPU: its fake tensors have a device, dtypes and autocast, and no memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import rushlight

# Entries whose dtypes differ, with the reason.
KNOWN = {
    "float16": {
        "chalf": "complex32 is not there",
        "complex": "complex32 is not there",
        "view_as_complex": "complex32 is not there",
        "nn.functional.linear_cross_entropy.chunked": "computed in float32 as without chunks",
        "nn.functional.linear_cross_entropy.chunked_none": "computed in float32 as without chunks",
    },
    "float32": {
        "chalf": "complex32 is not there",
        "linalg.matrix_power": "its products stay in float32",
        "pca_lowrank": "a fake tensor does not mind a QR decomposition in float16; a GPU does",
        "svd_lowrank": "a fake tensor does not mind a QR decomposition in float16; a GPU does",
    },
}


@pytest.fixture(autouse=True)
def on_the_gpu(pretended: Any) -> None:
    """Everything here runs with two pretended GPUs."""


@pytest.fixture
def fake() -> Iterator[Any]:
    """Calls of PyTorch on fake CUDA tensors inside of autocast."""
    torch = pytest.importorskip("torch")
    from torch._subclasses.fake_tensor import FakeTensorMode

    def faked(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            strides = torch.empty(value.shape, device="meta").stride()
            return torch.empty_strided(value.shape, strides, dtype=value.dtype, device="cuda")
        if isinstance(value, tuple | list) and type(value) in (tuple, list):
            return type(value)([faked(item) for item in value])
        if isinstance(value, dict):
            return {key: faked(item) for key, item in value.items()}
        return torch.device("cuda") if isinstance(value, torch.device) else value

    def call(function: Any, *args: Any, **kwargs: Any) -> list[str]:
        torch.set_autocast_enabled("cuda", True)
        try:
            with FakeTensorMode(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return dtypes(function(*faked(args), **faked(kwargs)), torch.Tensor)
        finally:
            torch.set_autocast_enabled("cuda", False)

    yield call


def dtypes(value: Any, kind: Any) -> list[str]:
    if isinstance(value, kind):
        return [str(value.dtype)]
    if isinstance(value, dict):
        value = list(value.values())
    return [name for item in value for name in dtypes(item, kind)] if isinstance(value, tuple | list) else []


@pytest.mark.slow
@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", sorted(KNOWN))
def test_every_operator(dtype: str, fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import logging
    import sys
    from pathlib import Path

    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "parity"))
    import coverage_cases
    import opinfo
    import sweep

    torch = opinfo.oracle()
    logging.getLogger("torch").setLevel(logging.CRITICAL)  # of operators that fake tensors refuse
    differing, compared = {}, 0
    for operator in opinfo.load_database():
        key = operator.name + ("." + operator.variant_test_name if operator.variant_test_name else "")
        function = coverage_cases.functions(operator)
        if coverage_cases.exclusion(operator.name) is not None or function is None:
            continue
        if getattr(torch, dtype) not in operator.supported_dtypes("cpu"):
            continue
        case = opinfo.Case(operator.name)
        for _, sample in zip(range(2), case.samples(operator, dtype), strict=False):
            try:
                expected = fake(operator.op, sample.input, *sample.args, **sample.kwargs)
            except Exception:  # what depends on values, and what asks for a real GPU
                continue
            try:
                args, kwargs = opinfo.converted(sample)
                args, kwargs = sweep.moved(args, "cuda", []), sweep.moved(kwargs, "cuda", [])
                if "device" in kwargs:
                    kwargs["device"] = "cuda"
                with rushlight.autocast("cuda"):
                    found: Any = dtypes(function(*args, **kwargs), rushlight.Tensor)
            except opinfo.NotConvertible:
                continue
            except Exception as error:
                found = repr(error)[:200]
            compared += 1
            if found != expected:
                differing.setdefault(key, (expected, found))
    assert "sweep" in sys.modules and compared > 900
    known = KNOWN[dtype]
    new = {key: found for key, found in differing.items() if key not in known}
    assert not new, new
    mended = sorted(set(known) - set(differing))
    assert not mended, f"right now, to be taken off the table: {mended}"


# Called there as kernels are, with arguments that the public functions do not take.
BELOW = ("convolution", "_convolution", "einsum", "margin_ranking_loss", "poisson_nll_loss", "hinge_embedding_loss",
         "multilabel_margin_loss")  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_what_pytorchs_tests_list(fake: Any) -> None:
    """The lists that PyTorch tests its autocast with: names and what comes out."""
    torch = pytest.importorskip("torch")
    from torch.testing._internal.autocast_test_lists import AutocastTestLists

    lists = AutocastTestLists(torch.device("cpu"))
    checked = 0
    for group, wanted in (
        ("torch_fp16", "torch.float16"), ("torch_fp32", "torch.float32"), ("torch_need_autocast_promote", "torch.float32"),
        ("nn_fp16", "torch.float16"), ("nn_fp32", "torch.float32"), ("methods_fp16", "torch.float16"),
        ("methods_fp32", "torch.float32"),
    ):  # fmt: skip
        for name, *arguments in getattr(lists, group):
            places = (
                (rushlight.Tensor,) if group.startswith("methods") else (rushlight, rushlight.nn.functional)
            )
            functions = [vars(place)[name] for place in places if name in vars(place)]
            kwargs = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], dict) else {}
            for function in functions if name not in BELOW else ():
                with rushlight.autocast("cuda"):
                    result = function(*on_gpu(torch, arguments[0]), **kwargs)
                found = dtypes(result, rushlight.Tensor)
                assert found and set(found) == {wanted}, (group, name, found)
                checked += 1
    assert checked > 60


def on_gpu(torch: Any, value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        plain = rushlight.tensor(value.float().tolist() if value.is_floating_point() else value.tolist())
        return plain.to(getattr(rushlight, str(value.dtype).removeprefix("torch."))).cuda()
    if isinstance(value, tuple | list):
        return type(value)([on_gpu(torch, item) for item in value])
    return value


def test_what_is_refused() -> None:
    p = torch_half = rushlight.full((3,), 0.5, device="cuda")
    with rushlight.autocast("cuda"), pytest.raises(RuntimeError, match="unsafe to autocast"):
        rushlight.nn.functional.binary_cross_entropy(p, torch_half)
    assert rushlight.nn.functional.binary_cross_entropy(p, torch_half).dtype is rushlight.float32


def test_devices_are_apart() -> None:
    """Each device type has a context of its own, and tensors elsewhere are left alone."""
    here, there = rushlight.ones(2, 2), rushlight.ones(2, 2, device="cuda")
    half = there.half()
    with rushlight.autocast("cuda"):
        assert rushlight.is_autocast_enabled() and rushlight.is_autocast_enabled("cuda")
        assert not rushlight.is_autocast_enabled("cpu")
        assert (here @ here).dtype is rushlight.float32 and (there @ there).dtype is rushlight.float16
        with rushlight.autocast("cpu"):
            assert (here @ here).dtype is rushlight.bfloat16 and (there @ there).dtype is rushlight.float16
            assert rushlight.exp(here.bfloat16()).dtype is rushlight.bfloat16  # on the GPU's list alone
            assert rushlight.exp(half).dtype is rushlight.float32
        with rushlight.autocast("cuda", enabled=False):
            assert (there @ there).dtype is rushlight.float32 and rushlight.exp(
                half
            ).dtype is rushlight.float16
        with rushlight.autocast("cuda", rushlight.bfloat16):
            assert (there @ there).dtype is rushlight.bfloat16
            assert rushlight.get_autocast_dtype("cuda") is rushlight.bfloat16
        assert (there.double() @ there.double()).dtype is rushlight.float64
    with rushlight.autocast("cpu"):
        assert (there @ there).dtype is rushlight.float32 and (here @ here).dtype is rushlight.bfloat16
    assert (there @ there).dtype is rushlight.float32 and rushlight.exp(half).dtype is rushlight.float16


def test_what_operations_are_made_of_is_not_cast() -> None:
    half = rushlight.rand(4, 6, device="cuda").half()
    functional = rushlight.nn.functional
    with rushlight.autocast("cuda"):
        for function in (
            functional.gelu,
            functional.silu,
            functional.mish,
            rushlight.std,
            rushlight.mean,
            rushlight.tanh,
        ):
            assert function(half).dtype is rushlight.float16
        assert (
            half.sum().dtype is half.exp().dtype is (half**2).dtype is (1 / half).dtype is rushlight.float32
        )
        assert rushlight.sum(half, dtype=rushlight.float16).dtype is rushlight.float16
        assert rushlight.addcmul(half, half, half.float()).dtype is rushlight.float32


def test_training() -> None:
    rushlight.manual_seed(0)
    model = rushlight.nn.Sequential(
        rushlight.nn.Linear(6, 8), rushlight.nn.LayerNorm(8), rushlight.nn.GELU(), rushlight.nn.Linear(8, 3)
    ).cuda()
    x, y = rushlight.randn(16, 6, device="cuda"), rushlight.randint(0, 3, (16,), device="cuda")
    optimizer, scaler = (
        rushlight.optim.SGD(model.parameters(), 0.1),
        rushlight.amp.GradScaler("cuda", init_scale=128.0),
    )
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        with rushlight.autocast("cuda"):
            out = model(x)
            loss = rushlight.nn.functional.cross_entropy(out, y)
        assert out.dtype is rushlight.float16 and loss.dtype is rushlight.float32
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    assert losses[-1] < losses[0] and model[0].weight.grad.dtype is rushlight.float32


def test_recurrent_layers() -> None:
    x = rushlight.randn(5, 2, 4, device="cuda")
    for kind in (rushlight.nn.LSTM, rushlight.nn.GRU, rushlight.nn.RNN):
        layer = kind(4, 3).cuda()
        with rushlight.autocast("cuda"):
            assert layer(x)[0].dtype is rushlight.float16
    cell = rushlight.nn.GRUCell(4, 3).cuda()
    with rushlight.autocast("cuda"):
        assert cell(x[0]).dtype is rushlight.float16


def test_functions_of_ones_own() -> None:
    seen = []

    class Scaled(rushlight.autograd.Function):
        @staticmethod
        @rushlight.amp.custom_fwd(device_type="cuda", cast_inputs=rushlight.float32)
        def forward(ctx: Any, x: Any) -> Any:
            seen.append((x.dtype, rushlight.is_autocast_enabled("cuda")))
            return x * 2

        @staticmethod
        @rushlight.amp.custom_bwd(device_type="cuda")
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    x = rushlight.ones(3, device="cuda", dtype=rushlight.float16, requires_grad=True)
    with rushlight.autocast("cuda"):
        result = Scaled.apply(x)
    result.sum().backward()
    assert seen == [(rushlight.float32, False)] and result.dtype is rushlight.float32
    assert x.grad.tolist() == [2.0] * 3 and x.grad.dtype is rushlight.float16
    with rushlight.autocast("cuda"):
        here = Scaled.apply(rushlight.ones(2, dtype=rushlight.float16))  # not on a GPU: as it is
    assert here.dtype is rushlight.float16
