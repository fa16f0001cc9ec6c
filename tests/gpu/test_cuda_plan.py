"""Whole programs compiled for a GPU and run on the host (``host_cuda``): the benchmark's workloads, small, with results
equal to the CPU's."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest

import rushlight
from rushlight.compiler.launch import HostLaunch
from rushlight.runtime import cuda_plan, cuda_plan_report, programs

from . import host_cuda

pytestmark = pytest.mark.skipif(host_cuda.COMPILER is None, reason=host_cuda.WHY_NOT)

_WORKLOADS = Path(__file__).parent.parent.parent / "benchmarks" / "workloads.py"
# The benchmark's sizes, made small, and rates at which a wrong gradient shows.
_SMALL = {
    "tutorial": (("1000", "60"), ("1e-12", "1e-6")),
    "tutorial_adam": (("1000", "60"),),
    "pointwise_chain": (("10_000_000", "200_000"),),
    "mlp": (("256", "24"), ("784", "50"), ("1024", "70")),
    "gpt": (("256, 4, 128, 8, 1024", "32, 4, 12, 2, 40"),),
    "conv_net": (("64, 1, 28, 28", "3, 1, 12, 12"), ("(64,)", "(3,)"), ("9216", "1024")),
    "resnet": (("32, 3, 32, 32", "3, 3, 16, 16"), ("(32,)", "(3,)")),
    "lstm": (("32, 64, 128", "4, 7, 12"), ("128, 256", "12, 20"), ("256, 10", "20, 10"), ("(32,)", "(4,)")),
    "mlp_inference": (("784", "50"), ("1024", "70")),
}


def _workload(name):
    text = _WORKLOADS.read_text()
    start = text.index(f"def {name}(")
    end = text.find("\ndef ", start)
    function = text[start:end]
    for old, new in (*_SMALL[name], ("1e-9", "1e-3")):
        function = function.replace(old, new)
    module = types.ModuleType("small_workload")
    sys.modules["small_workload"] = module
    head = text[: text.index("def tutorial(")]
    tail = text[text.index("def _training(") : text.index("# name: the program")]
    exec(compile(head + function + "\n" + tail, f"small {name}", "exec"), module.__dict__)
    return getattr(module, name)


def _losses(name, mode, steps=9):
    step = _workload(name)(rushlight, lambda f: rushlight.compile(f, fullgraph=mode == "static"))
    found = []
    for _ in range(steps):
        value = step()
        found.append(value if isinstance(value, float) else value.detach().numpy().copy())
    return np.array(found, np.float64)


class _Builder:
    """In the place of the CPU's compiler: programs for a GPU on the host."""

    def __init__(self, engine):
        self.engine = engine
        self.programs = []

    def __call__(self, graph):
        program = cuda_plan.build(graph, self.engine)
        self.programs.append(program)
        return program


@pytest.fixture
def on_gpu(monkeypatch):
    def install(engine):
        builder = _Builder(engine)
        monkeypatch.setattr(programs, "_build", [builder])
        monkeypatch.setattr(programs, "_programs", type(programs._programs)())
        return builder

    return install


# The most launches of kernels and the most products in the longest program; more of them means that something is not fused.
LAUNCHES = {
    "tutorial": (5, 5),
    "tutorial_adam": (12, 5),
    "pointwise_chain": (2, 0),
    "mlp": (20, 8),
    "gpt": (170, 95),
    "conv_net": (23, 6),
    "lstm": (35, 20),
}


@pytest.mark.parametrize("name", sorted(_SMALL))
def test_workloads_equal_the_cpu(name, on_gpu):
    steps = 5 if name == "resnet" else 9  # its convolutions take a second each on the host
    expected = _losses(name, "static", steps)
    builder = on_gpu(host_cuda.HostEngine())
    got = _losses(name, "static", steps)
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-6)
    assert builder.programs
    lines = [line for program in builder.programs for line in program.launches]
    hosts = [line.label for line in lines if isinstance(line, HostLaunch)]
    assert hosts == [], "lines that run in NumPy"
    assert builder.engine.counts["replay"], "no CUDA graph was made"
    if name in LAUNCHES:
        found = [cuda_plan_report.counts(program) for program in builder.programs]
        assert max(c.launches for c in found) <= LAUNCHES[name][0]
        assert max(c.products for c in found) <= LAUNCHES[name][1]
