"""On a real GPU: values and gradients against PyTorch on the same GPU where it has CUDA, else against Rushlight's CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as torch

HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available(),
        reason="no GPU: CuPy (pip install 'rushlight[cuda]') and an NVIDIA driver with a GPU are needed",
    ),
]


@pytest.fixture(scope="module")
def oracle() -> Any:
    peer = pytest.importorskip("torch")
    if not peer.cuda.is_available():
        pytest.skip("this PyTorch is built without CUDA: its numbers on a GPU can't be had")
    peer.backends.cuda.matmul.allow_tf32 = peer.backends.cudnn.allow_tf32 = False
    return peer


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "complex64", "int64"])
def test_every_operator(dtype: str) -> None:
    from test_opinfo_cuda import HOST, KNOWN  # the stand-in's tables hold for a GPU too

    pytest.importorskip("torch")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parents[1] / "src"), *sys.path])}
    command = [sys.executable, str(HERE / "sweep.py"), f"--dtype={dtype}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout[done.stdout.index("{") :])
    assert not {name: found for name, found in result["wrong"].items() if name not in KNOWN[dtype]}
    assert not set(result["host_trips"]) - set(HOST[dtype])


def test_training() -> None:
    from test_device import model

    torch.manual_seed(1)
    x, y = torch.randn(6, 1, 8, 8), torch.randint(3, (6,))
    losses = []
    for device in ("cpu", "cuda"):
        net = model().to(device)
        optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
        for _ in range(5):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(x.to(device)), y.to(device))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    np.testing.assert_allclose(losses[:5], losses[5:], rtol=1e-3)


@pytest.mark.parametrize("static", [False, True])
def test_compiled_training(static: bool) -> None:
    from test_device import model

    torch.manual_seed(1)
    x, y = torch.randn(6, 1, 8, 8), torch.randint(3, (6,))
    losses = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(2)
        net, inputs, targets = model().to(device), x.to(device), y.to(device)
        optimizer = torch.optim.Adam(net.parameters(), lr=0.01)

        def step(inputs: Any, targets: Any, net: Any = net, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(inputs), targets)
            loss.backward()
            optimizer.step()
            return loss

        run: Any = step if device == "cpu" else torch.compile(step, fullgraph=static)
        losses += [run(inputs, targets).item() for _ in range(8)]
    np.testing.assert_allclose(losses[:8], losses[8:], rtol=1e-3)


@pytest.mark.parametrize("n", [5, 1000, 3_000_001])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("name", ["uniform_", "normal_", "bernoulli_", "exponential_", "random_"])
def test_random_numbers_are_pytorchs(oracle: Any, name: str, dtype: str, n: int) -> None:
    results = []
    for library in (oracle, torch):
        library.cuda.manual_seed(11)
        x = library.empty(n, device="cuda", dtype=getattr(library, dtype))
        x = getattr(x, name)(0, 100) if name == "random_" else getattr(x, name)()
        results.append(x.cpu().double().numpy())
    loose = name in ("normal_", "exponential_")  # the fast sine and logarithm of PyTorch's kernels
    np.testing.assert_allclose(results[1], results[0], rtol=1e-3 if loose else 0, atol=1e-5 if loose else 0)


def test_generator_states_are_pytorchs(oracle: Any) -> None:
    states = []
    for library in (oracle, torch):
        library.cuda.manual_seed(11)
        library.rand(1000, device="cuda")
        states.append(library.cuda.get_rng_state().tolist())
    assert states[0] == states[1]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_products_are_pytorchs(oracle: Any, dtype: str) -> None:
    numbers = np.random.default_rng(0)
    a, b = (numbers.standard_normal(shape).astype(np.float32) for shape in ((65, 130), (130, 33)))
    results = []
    for library in (oracle, torch):
        x, y = (library.from_numpy(v.copy()).to("cuda", getattr(library, dtype)) for v in (a, b))
        results.append((x @ y).cpu().double().numpy())
    tolerance = {"float64": 1e-12, "float32": 1e-5}.get(dtype, 2e-2)
    np.testing.assert_allclose(results[1], results[0], rtol=tolerance, atol=tolerance * 10)


def test_no_memory_left() -> None:
    free, _ = torch.cuda.mem_get_info()
    with pytest.raises(torch.cuda.OutOfMemoryError, match="CUDA out of memory"):
        torch.empty(free * 2, device="cuda", dtype=torch.uint8)
    assert torch.ones(3, device="cuda").sum().item() == 3.0


def test_events_measure_time() -> None:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    x = torch.ones(1000, 1000, device="cuda")
    start.record()
    for _ in range(10):
        x = x @ x * 1e-3
    end.record()
    torch.cuda.synchronize()
    assert start.elapsed_time(end) > 0
