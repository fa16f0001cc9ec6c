"""Names that libraries of models import or call, where what stands behind them is absent, or small."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import rushlight as torch
from rushlight.absent_modules import TABLE, absent_module
from rushlight.distributed import tensor as distributed_tensor
from rushlight.optim import optimizer as optimizers


def run_program(source: str, tmp_path: Path) -> str:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(source))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "rushlight", "run", str(program)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_imports_that_only_serve_isinstance(tmp_path: Path) -> None:
    printed = run_program(
        """
        import torch
        from torch.distributed.tensor import DTensor, Replicate, Shard
        from torch.distributed.fsdp.fully_sharded_data_parallel import FullyShardedDataParallel as FSDP, StateDictType
        from torch.distributed._functional_collectives import wait_tensor
        from torch._dynamo.eval_frame import OptimizedModule
        import torch.distributed.checkpoint as dcp
        import torch.onnx

        x = torch.ones(1)
        assert not isinstance(x, (DTensor, FSDP)) and not torch.onnx.is_in_onnx_export()
        assert isinstance(torch.compile(torch.nn.Linear(1, 1)), OptimizedModule)
        for call in (lambda: torch.onnx.export(None, x, "f"), lambda: torch.export.export(None, (x,))):
            try:
                call()
            except NotImplementedError as error:
                print(error)
        """,
        tmp_path,
    )
    assert printed.count("Rushlight does not have it; use ") == 2


def test_the_version_that_package_records_give(tmp_path: Path) -> None:
    printed = run_program(
        """
        import importlib.metadata, torch
        assert importlib.metadata.version("torch") == importlib.metadata.version("Torch") == torch.__version__
        assert "torch" in [each.metadata["Name"] for each in importlib.metadata.distributions()]
        assert set(importlib.metadata.packages_distributions()["torch"]) == {"torch"}
        importlib.metadata.version("numpy")
        try:
            importlib.metadata.version("no-such-package")
        except importlib.metadata.PackageNotFoundError:
            print("fine")
        """,
        tmp_path,
    )
    assert printed == "fine\n"


@pytest.mark.parametrize("name", TABLE)
def test_absent_modules(name: str) -> None:
    module = absent_module("rushlight." + name)
    assert module is not None and absent_module("rushlight." + name) is module
    for each, value in list(vars(module).items()):
        if not each.startswith("__") and getattr(value, "__module__", None) == module.__name__:
            with pytest.raises(NotImplementedError, match="Rushlight does not have it"):
                value()


def test_placements_are_values() -> None:
    assert distributed_tensor.Shard(0) == distributed_tensor.Shard(0) != distributed_tensor.Shard(1)
    assert distributed_tensor.Replicate() == distributed_tensor.Replicate()
    assert distributed_tensor.Shard(2).is_shard(2) and not distributed_tensor.Replicate().is_shard()


def test_devices_of_other_kinds() -> None:
    for module in (torch.xpu, torch.mtia):
        assert not module.is_available() and module.device_count() == 0
        with pytest.raises(RuntimeError, match="no such device"):
            module.synchronize()
    assert torch.get_device_module("cpu") is torch.cpu and not torch.cuda.is_current_stream_capturing()
    assert torch.cuda._initialized in (True, False)


class Wrapping(torch.optim.Optimizer):
    """An optimizer around another one, which does not call its base class."""

    def __init__(self, inner: torch.optim.Optimizer) -> None:
        self.inner = inner
        self.param_groups = inner.param_groups

    def step(self, closure: object = None) -> None:
        self.inner.step()


def test_an_optimizer_around_another() -> None:
    weight = torch.ones(1, requires_grad=True)
    inner = torch.optim.SGD([weight], lr=0.5)
    weight.grad = torch.ones(1)
    seen: list[object] = []
    handles = [
        optimizers.register_optimizer_step_pre_hook(lambda each, args, kwargs: seen.append(type(each))),
        optimizers.register_optimizer_step_post_hook(lambda each, args, kwargs: seen.append("after")),
    ]
    Wrapping(inner).step()
    for handle in handles:
        handle.remove()
    Wrapping(inner).step()
    assert weight.tolist() == [0.0] and seen == [Wrapping, torch.optim.SGD, "after", "after"]


def test_names_for_optimizers_of_programs() -> None:
    class Plain(torch.optim.Optimizer):
        def __init__(self, params: list[torch.Tensor]) -> None:
            super().__init__(params, {"differentiable": False})

        @optimizers._use_grad_for_differentiable
        def step(self) -> bool:
            return torch.is_grad_enabled()

    a, b, c = torch.ones(1), torch.ones(2).double(), torch.ones(3)
    assert Plain([a]).step() is False and torch.is_grad_enabled()
    groups = Plain([a])._group_tensors_by_device_and_dtype([[a, b, c], [a, None, c]], with_indices=True)
    assert [(str(key[1]), places) for key, (_, places) in groups.items()] == [
        ("torch.float32", [0, 2]),
        ("torch.float64", [1]),
    ]
    assert groups[torch.device("cpu"), torch.float64][0][1] == [None]
    assert optimizers._default_to_fused_or_foreach([a], False) == (False, False)


def test_checks_that_raise() -> None:
    torch._check(True)
    for call, error in (
        (lambda: torch._check(False, lambda: "hey"), RuntimeError),
        (lambda: torch._check_index(False), IndexError),
        (lambda: torch._check_value(False), ValueError),
        (lambda: torch._check_type(False), TypeError),
        (lambda: torch._check_not_implemented(False), NotImplementedError),
        (lambda: torch._check(1), TypeError),
        (lambda: torch._check(torch.tensor(False)), TypeError),
        (lambda: torch._check_tensor_all(torch.tensor([True, False])), RuntimeError),
        (lambda: torch._check_with(KeyError, False, lambda: "k"), KeyError),
        (lambda: torch._assert(False, "hm"), AssertionError),
        (lambda: torch._assert_async(torch.tensor(0)), RuntimeError),
    ):
        with pytest.raises(error):
            call()
