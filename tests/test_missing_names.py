"""Names that are not there, names that come when asked for, and names of torch that hold no tensors."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import rushlight as torch
from rushlight.missing import MissingNameError, nearest


@pytest.mark.parametrize(
    ("module", "name", "says"),
    [
        ("rushlight", "sofmax", "torch.sofmax: Rushlight does not have it; nearest: torch.softmax"),
        ("rushlight", "sparse_bsr", "torch.sparse_csr"),
        ("rushlight.nn", "BatchNorm2D", "torch.nn.BatchNorm2d"),
        ("rushlight.nn.functional", "crossentropy", "torch.nn.functional.cross_entropy"),
        ("rushlight.optim", "Adamw", "torch.optim.AdamW"),
        ("rushlight.vision.models", "resnet51", "torchvision.models.resnet"),
        (
            "rushlight.vision.transforms",
            "RandomFlip",
            "torchvision.transforms.RandomFlip: Rushlight does not have it",
        ),
        ("rushlight.jit", "scrypt", "torch.jit.script"),
        ("rushlight.compiler", "is_compilng", "torch.compiler.is_compiling"),
    ],
)
def test_missing_names(module: str, name: str, says: str) -> None:
    found = importlib.import_module(module)
    assert not hasattr(found, name) and getattr(found, name, 7) == 7
    with pytest.raises(NotImplementedError) as caught:
        getattr(found, name)
    assert isinstance(caught.value, AttributeError) and isinstance(caught.value, MissingNameError)
    assert says in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_private_names_get_python_s_own_error() -> None:
    with pytest.raises(AttributeError, match="module 'rushlight' has no attribute '__wrapped__'") as caught:
        torch.__wrapped__  # noqa: B018
    assert not isinstance(caught.value, NotImplementedError)


def test_nothing_near() -> None:
    assert nearest("torch.zzzzzzzz", ["ones", "zeros"]) == ""


def test_lazy_parts_are_not_imported_with_the_package() -> None:
    lazy = (
        "amp", "autograd.functional", "compiler.pipeline", "cuda", "distributed", "func", "hub", "ir.graph", "jit.scripting",
        "multiprocessing", "nn.utils.prune", "optim", "runtime.convolution", "testing", "utils.data", "vision",
    )  # fmt: skip
    source = f"import rushlight, sys; print([n for n in {lazy} if 'rushlight.' + n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (
            "rushlight",
            (
                "amp",
                "autocast",
                "cpu",
                "cuda",
                "func",
                "GradScaler",
                "optim",
                "testing",
                "utils",
                "vmap",
                "nn",
                "add",
            ),
        ),
        ("rushlight.autograd", ("forward_ad", "functional", "grad")),
        ("rushlight.nn", ("attention", "grad", "Linear")),
        (
            "rushlight.nn.utils",
            ("parametrize", "prune", "skip_init", "fusion", "fuse_conv_bn_eval", "spectral_norm"),
        ),
        ("rushlight.utils", ("checkpoint", "data")),
        ("rushlight.cuda", ("amp", "is_available")),
    ],
)
def test_what_is_imported_on_first_use_is_listed_before(module: str, names: tuple[str, ...]) -> None:
    source = (
        f"import {module} as _module; _listed = dir(_module)\n"
        f"print([n for n in {names!r} if n not in _listed or not hasattr(_module, n)])\n"
        "print([n for n in dir(_module) if not hasattr(_module, n)], hasattr(_module, 'no_such_name'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "[]\n[] False\n"


def test_a_function_with_the_name_of_its_module_stays_the_function() -> None:
    source = (
        "import rushlight.nn.utils.weight_norm, rushlight.nn.utils.spectral_norm, rushlight.autograd.gradcheck\n"
        "import rushlight as torch\n"
        "print(all(map(callable, (torch.nn.utils.weight_norm, torch.nn.utils.spectral_norm, torch.autograd.gradcheck))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "True\n"


def test_settings() -> None:
    assert torch.get_float32_matmul_precision() == "highest"
    with pytest.warns(UserWarning, match="low is not one of 'highest', 'high', or 'medium'"):
        torch.set_float32_matmul_precision("low")
    assert torch.get_float32_matmul_precision() == "highest"
    try:
        torch.use_deterministic_algorithms(True, warn_only=True)
        assert torch.are_deterministic_algorithms_enabled() and torch.get_deterministic_debug_mode() == 1
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        torch.set_deterministic_debug_mode("error")
        assert torch.get_deterministic_debug_mode() == 2
    finally:
        torch.use_deterministic_algorithms(False)
    assert not torch.are_deterministic_algorithms_enabled()
    with pytest.warns(UserWarning, match="deprecated"), pytest.raises(TypeError, match="invalid type object"):
        torch.set_default_tensor_type("torch.LongTensor")


def test_sizes_are_plain_numbers() -> None:
    assert not isinstance(torch.ones(2).shape[0], torch.SymInt)
    assert torch.sym_max(2, 3.0) == 3.0 and torch.sym_min(2, 3) == 2 and torch.sym_sum([1, 2]) == 3


def test_hub_reads_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "layers.py").write_text("SCALE = 3\n")
    (tmp_path / "hubconf.py").write_text(
        "dependencies = ['numpy']\n"
        "from layers import SCALE\n"
        "import rushlight.nn as nn\n"
        "def linear(width=2):\n"
        "    'A layer.'\n"
        "    return nn.Linear(width, width * SCALE)\n"
    )
    try:
        assert "linear" in torch.hub.list(str(tmp_path), source="local")
        assert torch.hub.help(str(tmp_path), "linear", source="local") == "A layer."
        assert torch.hub.load(str(tmp_path), "linear", width=4, source="local").out_features == 12
        with pytest.raises(RuntimeError, match="Cannot find callable conv in hubconf"):
            torch.hub.load(str(tmp_path), "conv", source="local")
        (tmp_path / "hubconf.py").write_text("dependencies = ['no_such_package']\ndef f(): pass\n")
        with pytest.raises(RuntimeError, match="Missing dependencies: no_such_package"):
            torch.hub.load(str(tmp_path), "f", source="local")
    finally:
        sys.modules.pop("layers", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    with pytest.raises(RuntimeError, match="nothing is downloaded"):
        torch.hub.load("owner/name", "f")
    with pytest.raises(ValueError, match="Unknown source"):
        torch.hub.load(str(tmp_path), "f", source="gitlab")


def test_script_and_trace_give_back_what_they_get() -> None:
    model = torch.nn.Linear(2, 2).eval()
    assert torch.jit.script(model) is model and torch.jit.freeze(model) is model
    assert torch.jit.trace(model, torch.ones(1, 2)) is model
    assert torch.jit.is_scripting() is False
    assert torch.jit.ignore(drop=True)(abs) is abs and torch.jit.ignore(abs) is abs
    assert torch.jit.isinstance([1], list[int]) and torch.jit.annotate(int, 3) == 3
    with pytest.raises(RuntimeError, match="example_inputs should not be None"):
        torch.jit.trace(model)
    with pytest.raises(RuntimeError, match="eval mode"):
        torch.jit.freeze(torch.nn.Linear(2, 2))
    with pytest.raises(NotImplementedError, match=r"use torch\.save"):
        torch.jit.save(model, "x.pt")


def test_compiler_names() -> None:
    assert torch.compiler.is_compiling() is False
    assert torch.compiler.disable(abs)(-1) == 1
    torch.compiler.reset()
    with torch.compiler.set_stance("force_eager"):
        pass
    with pytest.raises(RuntimeError, match="invalid stance"):
        torch.compiler.set_stance("fast")


def test_overrides_of_functions_that_ask() -> None:
    class Meters:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return func.__name__, types

    class Tagged(torch.Tensor):
        pass

    has = torch.overrides.has_torch_function
    assert has((Meters(), 1)) and has((torch.ones(1), Tagged(1), 2))
    assert not has((torch.ones(1), 2))
    assert torch.overrides.handle_torch_function(torch.add, (Meters(),), 1) == ("add", (Meters,))
    assert torch.overrides.is_tensor_like(Meters()) and not torch.overrides.is_tensor_like(1)

    class Refuses:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return NotImplemented

    with pytest.raises(TypeError, match="no implementation found for"):
        torch.overrides.handle_torch_function(torch.add, (Refuses(),), 1)


def _work(index: int, folder: str) -> None:
    Path(folder, str(index)).write_text("done")


def _fail(index: int) -> None:
    if index == 1:
        raise ValueError("one is wrong")


def test_multiprocessing_spawn(tmp_path: Path) -> None:
    # By fork: a spawned process would have to import this module by a name that it does not have.
    torch.multiprocessing.start_processes(_work, (str(tmp_path),), nprocs=2, start_method="fork")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]
    with pytest.raises(torch.multiprocessing.ProcessRaisedException, match="one is wrong"):
        torch.multiprocessing.start_processes(_fail, nprocs=2, start_method="fork")


@pytest.mark.parametrize(
    "place",
    [
        "distributed", "serialization", "utils.checkpoint", "nn.attention", "nn.parallel", "sparse", "autograd.graph",
        "testing", "hub", "multiprocessing", "utils.tensorboard", "distributions", "backends.cuda", "profiler", "nn.utils",
    ],
)  # fmt: skip
def test_every_part_explains_what_it_lacks(place: str) -> None:
    import importlib

    module = importlib.import_module(f"rushlight.{place}")
    with pytest.raises(NotImplementedError, match=f"torch.{place}.no_such_name: Rushlight does not have it"):
        _ = module.no_such_name
    assert not hasattr(module, "no_such_name")


def test_missing_methods_of_tensors() -> None:
    x = torch.ones(2, 2)
    with pytest.raises(NotImplementedError, match=r"torch\.Tensor\.symeig.*torch\.linalg\.eigh"):
        x.symeig()
    assert not hasattr(x, "q_scale")
    assert not hasattr(torch.Tensor, "q_scale")
    with pytest.raises(AttributeError, match="no attribute 'no_such_method'"):
        _ = x.no_such_method


def test_python_functions_for_each_element() -> None:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.apply_(lambda v: v * 2) is x
    assert x.tolist() == [[2, 4], [6, 8]]
    assert x.map_(torch.tensor([10.0, 20.0]), lambda a, b: a + b).tolist() == [[12, 24], [16, 28]]
    assert x.map2_(torch.ones(1), torch.zeros(2, 2), lambda a, b, c: a * c + b).tolist() == [[1, 1], [1, 1]]
    assert x.is_same_size(torch.ones(2, 2)) and not x.is_same_size(torch.ones(4))
    with pytest.raises(RuntimeError, match="requires grad"):
        x.requires_grad_().apply_(abs)


def test_dlpack_and_hooks_have_their_modules() -> None:
    from rushlight.utils.dlpack import from_dlpack, to_dlpack
    from rushlight.utils.hooks import RemovableHandle

    x = torch.arange(3.0)
    y = from_dlpack(to_dlpack(x))
    y[0] = 7
    assert x[0] == 7
    assert isinstance(x.requires_grad_().register_hook(print), RemovableHandle)


def test_handles_for_hooks_of_a_library_s_own() -> None:
    from rushlight.utils.hooks import RemovableHandle

    table: dict[int, object] = {}
    other: dict[int, object] = {}
    handle = RemovableHandle(table, extra_dict=other)
    table[handle.id] = other[handle.id] = print
    handle.remove()
    assert table == other == {}
    with RemovableHandle(table) as handle:
        table[handle.id] = print
    assert table == {}
