"""Devices: how they are named, and that only the CPU computes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import rushlight as torch


@pytest.mark.parametrize(
    ("arguments", "kind", "index"),
    [
        (("cpu",), "cpu", None),
        (("cuda:1",), "cuda", 1),
        (("cuda", 1), "cuda", 1),
        ((torch.device("cuda", 2),), "cuda", 2),
    ],
)
def test_names(arguments: Any, kind: str, index: int | None) -> None:
    device = torch.device(*arguments)
    assert (device.type, device.index) == (kind, index)
    assert torch.device(str(device)) == device and eval(repr(device), {"device": torch.device}) == device
    assert (
        pickle.loads(pickle.dumps(device)) == device == copy.deepcopy(device)
        and len({device, copy.copy(device)}) == 1
    )


@pytest.mark.parametrize(
    "arguments",
    [("nowhere",), ("",), ("cuda:",), ("cuda:a",), ("cuda:0", 1), ("cuda", -1), (0,), ("cuda:²",)],
)
def test_what_names_no_device(arguments: Any) -> None:
    with pytest.raises(RuntimeError):
        torch.device(*arguments)


@pytest.mark.parametrize("arguments", [(None,), (1.5,), (True,), ("cuda", "a")])
def test_other_types(arguments: Any) -> None:
    with pytest.raises(TypeError):
        torch.device(*arguments)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU that CuPy can use")
def test_without_a_gpu_only_the_cpu_computes() -> None:
    assert torch.ones(1, device="cpu").device == torch.device("cpu") == torch.get_default_device()
    for use in (
        lambda: torch.ones(1, device="cuda"),
        lambda: torch.ones(1).to("cuda"),
        lambda: torch.ones(1).cuda(),
    ):
        with pytest.raises(AssertionError, match="CUDA"):
            use()
    assert not torch.cuda.is_available() and torch.cuda.device_count() == 0
    with torch.device("cpu"):
        assert torch.zeros(1).device.type == "cpu"
