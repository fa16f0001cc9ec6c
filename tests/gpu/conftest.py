"""``pretended``: Rushlight with two GPUs of the stand-in for CuPy; gone again when the module's tests are done."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def pretended() -> Iterator[Any]:
    """The stand-in, in the place of ``cupy``. Compiled kernels are left out: ``test_kernels`` is about those."""
    import pretend_cupy

    import rushlight as torch
    from rushlight.core import device
    from rushlight.core.generator import SEEDS_ELSEWHERE
    from rushlight.ops import dispatch
    from rushlight.runtime import cuda

    kept = {name: sys.modules.get(name) for name in ("cupy", "cupyx", "cupy.cuda", "cupy._core")}
    found, arrays, finders = list(cuda._found), dict(device.OF_ARRAYS), dict(dispatch._FINDERS)
    setting = os.environ.get("RUSHLIGHT_CUDA_KERNELS")
    os.environ["RUSHLIGHT_CUDA_KERNELS"] = "0"
    cuda._found.clear()
    pretend_cupy.install()
    try:
        yield pretend_cupy
    finally:
        torch.set_default_device(None)
        pretend_cupy.Device(0).use()
        SEEDS_ELSEWHERE.clear()
        cuda._found[:] = found
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
