"""Names by the paths at which libraries look for them, and arguments in the forms in which they give them."""

import importlib
import re
import warnings

import pytest

import rushlight as torch


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ("optim.adadelta", ["Adadelta"]),
        ("optim.adagrad", ["Adagrad"]),
        ("optim.adamax", ["Adamax"]),
        ("optim.adamw", ["AdamW"]),
        ("optim.asgd", ["ASGD"]),
        ("optim.nadam", ["NAdam"]),
        ("optim.radam", ["RAdam"]),
        ("optim.rmsprop", ["RMSprop"]),
        ("optim.rprop", ["Rprop"]),
        ("optim.sparse_adam", ["SparseAdam"]),
    ],
)
def test_modules_of_optimizers(place, names):
    module = importlib.import_module("rushlight." + place)
    for name in names:
        assert getattr(module, name) is getattr(torch.optim, name)


def test_functions_are_one_object_at_both_places():
    for name in (
        "einsum",
        "norm",
        "meshgrid",
        "stft",
        "unique",
        "cdist",
        "split",
        "tensordot",
        "broadcast_shapes",
    ):
        assert getattr(torch.functional, name) is getattr(torch, name)
    with pytest.raises(AttributeError, match=r"torch\.functional\.relu"):
        _ = torch.functional.relu


def test_the_address_of_a_tensor():
    x = torch.ones(2)
    assert x._cdata == x._cdata and x._cdata != x[:]._cdata and isinstance(x._cdata, int)


def test_names_of_torchscript_for_filters_and_except():
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=torch.jit.TracerWarning)
        warnings.filterwarnings("error", category=torch.jit.ScriptWarning)
        assert torch.jit.trace(torch.nn.ReLU(), torch.ones(1))(torch.ones(1)).item() == 1
    assert issubclass(torch.jit.Error, Exception) and issubclass(torch.jit.TracingCheckError, Exception)


def test_tolerances_may_be_tensors():
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([1.1, 2.0])
    assert torch.isclose(x, y, atol=torch.tensor(0.2)).tolist() == [True, True]
    assert torch.isclose(x, y, rtol=torch.tensor(0.0), atol=torch.tensor(0.05)).tolist() == [False, True]
    assert torch.allclose(x, y, atol=torch.tensor(0.2, dtype=torch.float64))
    with pytest.raises(RuntimeError, match="atol must be greater"):
        torch.isclose(x, y, atol=torch.tensor(-1.0))


def test_assert_asks_objects_that_answer_for_operations():
    class Truth:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return func.__name__, args[1]

    assert torch._assert(Truth(), "must be") == ("_assert", "must be")
    torch._assert(torch.tensor(True), "not raised")
    with pytest.raises(AssertionError, match="must be"):
        torch._assert(torch.tensor(False), "must be")


def test_native_names_and_low_ranks():
    from rushlight import _VF, _lowrank

    assert _VF.lstm is torch.lstm and torch._VF.relu is torch.relu
    assert _lowrank.svd_lowrank is torch.svd_lowrank
    torch.manual_seed(0)
    a = torch.rand(6, 2) @ torch.rand(2, 5)
    basis = _lowrank.get_approximate_basis(a, 2)
    torch.testing.assert_close(basis @ (basis.mT @ a), a)
    torch.testing.assert_close(basis.mT @ basis, torch.eye(2))


def test_report_of_the_environment(capsys):
    from rushlight.utils import collect_env

    collect_env.main()
    shown = capsys.readouterr().out
    assert f"PyTorch version: {torch.__version__}" in shown and "[pip3] numpy==" in shown


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("ao.quantization", "QuantStub"),
        ("quantization", "quantize_dynamic"),
        ("ao.quantization.quantize_fx", "prepare_fx"),
        ("nn.quantized", "Linear"),
        ("package", "PackageExporter"),
        ("utils.mobile_optimizer", "optimize_for_mobile"),
        ("fx.experimental.proxy_tensor", "make_fx"),
        ("fx.passes.graph_drawer", "FxGraphDrawer"),
    ],
)
def test_what_is_not_there_imports_and_says_so_when_called(place, name):
    from rushlight.absent_modules import absent_module

    found = getattr(absent_module("rushlight." + place), name)
    with pytest.raises(
        NotImplementedError, match=re.escape(f"torch.{place}.{name}: Rushlight does not have it")
    ):
        found()
