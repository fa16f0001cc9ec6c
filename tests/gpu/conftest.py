"""``pretended``: Rushlight with two GPUs of the stand-in for CuPy; gone again when the module's tests are done."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
STOOD_IN = (
    "cupy",
    "cupyx",
    "cupy.cuda",
    "cupy._core",
    "cupyx.scipy",
    "cupyx.scipy.linalg",
    "cupyx.scipy.special",
)


@pytest.fixture(scope="module")
def pretended() -> Iterator[Any]:
    """The stand-in, in the place of ``cupy``. Operations done at once leave compiled kernels out: ``kernels`` has them."""
    yield from _installed("0")


@pytest.fixture(scope="module")
def with_kernels() -> Iterator[Any]:
    """The stand-in with kernels compiled for the host, for operations done at once too."""
    import host_cuda

    from rushlight.runtime.cuda_plan_engine import CupyEngine

    if host_cuda.COMPILER is None:
        pytest.skip(host_cuda.WHY_NOT)
    compile_each = CupyEngine.compile
    CupyEngine.compile = host_cuda.together(compile_each)  # type: ignore[method-assign]
    try:
        yield from _installed("1")
    finally:
        CupyEngine.compile = compile_each  # type: ignore[method-assign]


def _installed(kernels: str) -> Iterator[Any]:
    import pretend_cupy

    import rushlight as torch
    from rushlight.core import device
    from rushlight.core.generator import SEEDS_ELSEWHERE
    from rushlight.jit import witness
    from rushlight.ops import dispatch
    from rushlight.runtime import cuda, cuda_plan, cuda_plan_engine, programs

    kept = {name: sys.modules.get(name) for name in STOOD_IN}
    found, arrays, finders = list(cuda._found), dict(device.OF_ARRAYS), dict(dispatch._FINDERS)
    setting = os.environ.get("RUSHLIGHT_CUDA_KERNELS")
    os.environ["RUSHLIGHT_CUDA_KERNELS"] = kernels
    beneath = witness._BENEATH  # CuPy's own code is no part of a program; nor is the stand-in's
    witness._BENEATH = beneath | {
        "pretend_cupy",
        "pretend_cuda",
        "pretend_libraries",
        "cupy_ufuncs",
        "host_cuda",
    }
    cuda._found.clear()
    for table in (cuda_plan_engine._engines, cuda_plan_engine._kernels, cuda_plan._calls):
        table.clear()
    programs.forget()
    pretend_cupy.install()
    try:
        yield pretend_cupy
    finally:
        torch.set_default_device(None)
        pretend_cupy.Device(0).use()
        SEEDS_ELSEWHERE.clear()
        cuda._found[:] = found
        witness._BENEATH = beneath
        device.RECORDED.discard(pretend_cupy.ndarray)
        cuda_plan._unchecked.clear()
        for table in (cuda_plan_engine._engines, cuda_plan_engine._kernels, cuda_plan._calls):
            table.clear()
        programs.forget()
        for table, before in ((device.OF_ARRAYS, arrays), (dispatch._FINDERS, finders)):
            table.clear()
            table.update(before)  # type: ignore[arg-type]
        for name, module in kept.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
        if setting is None:
            del os.environ["RUSHLIGHT_CUDA_KERNELS"]
        else:
            os.environ["RUSHLIGHT_CUDA_KERNELS"] = setting
