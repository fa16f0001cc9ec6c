"""``from torch.nn import *`` and its like give what PyTorch's give, and none of Rushlight's own modules."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import rushlight
from rushlight.missing import exported

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

MODULES = (
    "nn", "nn.init", "nn.modules", "nn.parallel", "nn.parameter", "nn.utils", "nn.utils.clip_grad", "nn.utils.parametrizations",
    "nn.utils.parametrize", "nn.utils.prune", "nn.utils.rnn", "nn.utils.stateless", "optim", "optim.lr_scheduler",
    "optim.optimizer", "optim.swa_utils", "linalg", "special", "distributions", "utils.data", "utils.data.dataset",
    "utils.data.sampler", "utils.hooks", "func", "signal.windows", "hub", "random", "futures", "amp", "serialization",
    "storage", "jit", "library", "autograd.functional",
)  # fmt: skip
# What Rushlight gives beyond PyTorch, and does no harm.
MORE = {
    "jit": {
        "RecursiveScriptModule", "ScriptWarning", "TracerWarning", "TracingCheckError", "fuser", "is_scripting", "is_tracing",
        "optimized_execution",
    },
    "nn.modules": {"Buffer", "DataParallel", "Parameter", "UninitializedBuffer", "UninitializedParameter"},
}  # fmt: skip


def given(module: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(f"from {module} import *", names)
    del names["__builtins__"]
    return names


@pytest.mark.parametrize("module", MODULES)
def test_modules(module: str) -> None:
    theirs, ours = given(f"torch.{module}"), given(f"rushlight.{module}")
    assert set(ours) - set(theirs) <= MORE.get(module, set())
    here = import_module(f"rushlight.{module}")
    # Names of Python's own modules, which PyTorch lets through here and there, are no one's business.
    expected = {
        name
        for name, value in theirs.items()
        if hasattr(here, name)
        and not name.startswith("_")
        and not (isinstance(value, ModuleType) and not value.__name__.startswith("torch."))
    }
    assert expected - set(ours) == set()


def test_the_package_itself() -> None:
    ours = given("rushlight")
    assert not any(
        isinstance(value, ModuleType) for name, value in ours.items() if name not in given("torch")
    )
    assert {"tensor", "Tensor", "compile", "vmap", "sparse_coo_tensor", "FloatStorage", "autocast"} <= set(
        ours
    )


def test_a_program_s_variables_keep_their_values() -> None:
    names: dict[str, Any] = {}
    exec(
        "optimizer, loss, module, random = 1, 2, 3, 4\n"
        "from rushlight import *\nfrom rushlight.nn import *\nfrom rushlight.optim import *",
        names,
    )
    assert [names[name] for name in ("optimizer", "loss", "module", "random")] == [1, 2, 3, 4]
    assert names["lr_scheduler"] is rushlight.optim.lr_scheduler and names["SGD"] is rushlight.optim.SGD


def test_all_is_what_a_star_gives() -> None:
    assert rushlight.nn.__all__ == exported("rushlight.nn", dir(rushlight.nn))
    assert "Linear" in rushlight.nn.__all__ and "containers" not in rushlight.nn.__all__


def test_private_modules_are_there_without_an_import() -> None:
    mode = rushlight.utils._python_dispatch.TorchDispatchMode
    assert mode is import_module("rushlight.utils._python_dispatch").TorchDispatchMode
    assert not hasattr(rushlight.utils, "_no_such_module")
