"""Tensors without data in a checkpoint, and what the environment and ``torch.serialization`` say of loading."""

from __future__ import annotations

import io
import pickle
import types
from typing import Any

import pytest

import rushlight as torch


class Plain:
    a = 1


def saved(value: Any, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(value, file, **options)
    file.seek(0)
    return file


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_on_the_meta_device(trusted: bool, zipped: bool) -> None:
    value = {
        "t": torch.empty(2, 3, device="meta").t(),
        "p": torch.nn.Parameter(torch.empty(2, dtype=torch.float64, device="meta")),
        "plain": torch.ones(1),
    }
    got = torch.load(saved(value, _use_new_zipfile_serialization=zipped), weights_only=not trusted)
    assert got["t"].is_meta and got["t"].shape == (3, 2) and got["t"].stride() == (1, 3)
    assert isinstance(got["p"], torch.nn.Parameter) and got["p"].requires_grad
    assert got["p"].dtype == torch.float64 and got["p"].is_meta
    assert got["plain"].tolist() == [1.0]


def test_meta_tensors_are_exchanged_with_pytorch() -> None:
    theirs = pytest.importorskip("torch")
    file = io.BytesIO()
    theirs.save({"a": theirs.empty(2, 3, device="meta", dtype=theirs.bfloat16)}, file)
    got = torch.load(io.BytesIO(file.getvalue()))["a"]
    assert got.is_meta and got.shape == (2, 3) and got.dtype == torch.bfloat16
    back = theirs.load(saved({"a": got}))["a"]
    assert back.is_meta and back.stride() == (3, 1) and back.dtype == theirs.bfloat16


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    file = saved(Plain())
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.warns(UserWarning, match="forcing weights_only=False"):
        assert torch.load(file).a == 1
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        torch.load(file, weights_only=True)
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(RuntimeError, match="Only one of"):
        torch.load(file)
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        torch.load(file, weights_only=False)


def test_small_functions() -> None:
    serialization = torch.serialization
    assert serialization.get_default_mmap_options() == 2
    with serialization.set_default_mmap_options(1):
        assert serialization.get_default_mmap_options() == 1
    assert serialization.get_default_mmap_options() == 2
    with pytest.raises(ValueError, match="expected mmap"):
        serialization.set_default_mmap_options(7)
    assert serialization._is_zipfile(saved(1)) and not serialization._is_zipfile(io.BytesIO(b"abcd"))
    at_least = serialization.check_module_version_greater_or_equal
    assert at_least(types.SimpleNamespace(__version__="2.0"), (1, 9))
    assert not at_least(types.SimpleNamespace(__version__="1.8.3"), (1, 9))
    odd = types.ModuleType("odd")
    odd.__version__ = "1.a"  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match=r"'odd' module version string is malformed '1\.a'"):
        at_least(odd, (1, 2))
    with pytest.warns(UserWarning, match="continuing assuming"):
        assert at_least(odd, (1, 2), error_if_malformed=False)
    with pytest.raises(RuntimeError, match="CUDA"):
        serialization.validate_cuda_device("cuda:99")
