"""``torch.cuda`` with two pretended GPUs, and without any."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch


def test_devices(pretended: Any) -> None:
    cuda = torch.cuda
    assert cuda.is_available() and cuda.device_count() == 2 and cuda.current_device() == 0
    with cuda.device(1):
        assert cuda.current_device() == 1 and torch.ones(1, device="cuda").device.index == 1
    with cuda.device_of(torch.ones(1, device="cuda:1")):
        assert cuda.current_device() == 1
    assert cuda.current_device() == 0
    cuda.set_device("cuda:1")
    assert cuda.current_device() == 1
    cuda.set_device(0)
    assert cuda.get_device_name() == "Pretended GPU" and cuda.get_device_capability("cuda:1") == (9, 0)
    assert cuda.get_device_properties(0).total_memory == 80 * 2**30 and cuda.get_arch_list() == ["sm_90"]
    assert cuda.is_initialized() and cuda.is_bf16_supported()
    cuda.synchronize()
    cuda.ipc_collect()
    with pytest.raises(ValueError, match="Expected a cuda device"):
        cuda.get_device_name("cpu")
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        cuda.set_device(7)


def test_memory(pretended: Any) -> None:
    cuda = torch.cuda
    cuda.empty_cache()
    cuda.reset_peak_memory_stats()
    before = cuda.memory_allocated()
    x = torch.zeros(1024, device="cuda")
    assert cuda.memory_allocated() == before + 4096 == cuda.max_memory_allocated()
    del x
    assert cuda.memory_allocated() == before and cuda.memory_reserved() >= 4096
    assert cuda.max_memory_allocated() == before + 4096
    cuda.empty_cache()
    assert cuda.memory_reserved() == before
    free, total = cuda.mem_get_info()
    assert 0 < free <= total and "allocated_bytes" in cuda.memory_summary()
    with pytest.raises(ValueError, match="Invalid fraction"):
        cuda.set_per_process_memory_fraction(2.0)


def test_streams_and_events(pretended: Any) -> None:
    cuda = torch.cuda
    side = cuda.Stream()
    start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    with cuda.stream(side):
        assert cuda.current_stream() == side != cuda.default_stream()
        start.record()
        y = torch.ones(2, device="cuda") + 1
        end.record()
    cuda.current_stream().wait_stream(side)
    assert cuda.current_stream() == cuda.default_stream() and y.tolist() == [2.0, 2.0]
    end.synchronize()
    assert start.elapsed_time(end) > 0 and end.query() and side.query()
    with pytest.raises(ValueError, match="enable_timing"):
        cuda.Event().elapsed_time(end)
    with cuda.nvtx.range("part {}", 1):
        pass


def test_generators(pretended: Any) -> None:
    cuda = torch.cuda
    torch.manual_seed(5)
    one = torch.rand(4, device="cuda").tolist()
    cuda.manual_seed(5)
    state = cuda.get_rng_state()
    assert state.shape == (16,) and state.device.type == "cpu" and cuda.initial_seed() == 5
    assert torch.rand(4, device="cuda").tolist() == one != torch.rand(4, device="cuda").tolist()
    cuda.set_rng_state(state)
    assert torch.rand(4, device="cuda").tolist() == one
    generator = torch.Generator("cuda").manual_seed(5)
    assert generator.device == torch.device("cuda:0") and isinstance(generator, torch.Generator)
    assert torch.rand(4, generator=generator, device="cuda").tolist() == one
    cuda.manual_seed_all(5)
    assert torch.rand(4, device="cuda:1").tolist() == one and len(cuda.get_rng_state_all()) == 2
    with pytest.raises(RuntimeError, match="Expected a 'cuda' device type for generator but found 'cpu'"):
        torch.rand(2, generator=torch.Generator(), device="cuda")
    with pytest.raises(RuntimeError, match="Expected a 'cpu' device type"):
        torch.rand(2, generator=generator)
    with pytest.raises(RuntimeError, match="wrong size"):
        cuda.set_rng_state(torch.get_rng_state())


def test_precision_of_products(pretended: Any) -> None:
    torch.ones(1, device="cuda")
    assert not torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        assert torch.get_float32_matmul_precision() == "high" and pretended.COMPUTE_TYPES["f"] == 7
    finally:
        torch.set_float32_matmul_precision("highest")
    assert pretended.COMPUTE_TYPES["f"] == 1 and not torch.backends.cuda.matmul.allow_tf32


WITHOUT = """
import builtins, sys
sys.modules["cupy"] = None          # import cupy fails, installed or not
import rushlight as torch
assert not torch.cuda.is_available() and torch.cuda.device_count() == 0 and not torch.cuda.is_initialized()
torch.cuda.manual_seed(1); torch.cuda.manual_seed_all(1); torch.cuda.empty_cache()
assert torch.cuda.memory_allocated() == torch.cuda.max_memory_reserved() == 0
for use in (lambda: torch.ones(1).cuda(), lambda: torch.ones(1, device="cuda"), lambda: torch.nn.Linear(1, 1).cuda(),
            torch.cuda.current_device, torch.cuda.Stream, torch.cuda.init, torch.cuda.synchronize):
    try:
        use()
    except AssertionError as error:
        assert "Torch not compiled with CUDA enabled" in str(error) and "rushlight[cuda]" in str(error)
    else:
        raise SystemExit(f"{use} did not raise")
"""
NO_DRIVER = """
import sys, types
sys.path.insert(0, PLACE)
import pretend_cupy
def broken(): raise pretend_cupy.CUDARuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
pretend_cupy.runtime.getDeviceCount = broken
pretend_cupy.install()
import rushlight as torch
assert not torch.cuda.is_available() and torch.cuda.device_count() == 0
try:
    torch.ones(1).cuda()
except RuntimeError as error:
    assert "Found no NVIDIA driver" in str(error), error
else:
    raise SystemExit("no error")
assert (torch.ones(2) + 1).tolist() == [2.0, 2.0]
"""
FORKED = """
import os, sys
sys.path.insert(0, PLACE)
import pretend_cupy
pretend_cupy.install()
import rushlight as torch
torch.ones(1, device="cuda")
pid = os.fork()
if not pid:
    try:
        torch.ones(1, device="cuda")
    except RuntimeError as error:
        os._exit(0 if "Cannot re-initialize CUDA in forked subprocess" in str(error) else 1)
    os._exit(2)
assert os.waitpid(pid, 0)[1] == 0
"""


@pytest.mark.parametrize("program", [WITHOUT, NO_DRIVER, FORKED], ids=["no CuPy", "no driver", "forked"])
def test_absence(program: str) -> None:
    text = program.replace("PLACE", repr(str(Path(__file__).parent)))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", text], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_cupy_is_not_imported_with_the_package() -> None:
    program = "import sys, rushlight; sys.exit('cupy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
