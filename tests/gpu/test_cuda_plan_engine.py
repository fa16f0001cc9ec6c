"""How a compiled program uses a GPU: graphs, slots, lines in NumPy, faults, errors, single operations."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

import rushlight  # noqa: F401 - defines the records
from rushlight.compiler import cuda_nvrtc
from rushlight.compiler.cuda_lines import CudaProduct
from rushlight.compiler.launch import HostLaunch
from rushlight.ir.graph import Graph, Kind, Node, Output
from rushlight.ir.scalar import ScalarOp
from rushlight.ops.define import PRIMITIVES
from rushlight.runtime import cuda_plan, cuda_plan_engine, cuda_plan_report

from . import host_cuda

pytestmark = pytest.mark.skipif(host_cuda.COMPILER is None, reason=host_cuda.WHY_NOT)

F32 = np.dtype(np.float32)


def node(kind, operands, attrs, shape, dtype=F32):
    return Node(kind, tuple(operands), tuple(attrs), shape, np.dtype(dtype))


def update(host=False):
    """w ← w - rate · x in place, and exp of that; with ``host`` a record without a kernel in between."""
    w, x, rate = [node(Kind.INPUT, (), (i,), s) for i, s in enumerate([(40,), (40,), ()])]
    nodes = [w, x, rate, node(Kind.MAP, (1, 2), (ScalarOp.MUL,), (40,))]
    last = 3
    if host:
        nodes.append(node(Kind.CALL, (3,), (PRIMITIVES["erfinv"], (), ()), (40,)))
        last = 4
    nodes.append(node(Kind.MAP, (0, last), (ScalarOp.SUB,), (40,)))
    nodes.append(node(Kind.MAP, (last + 1,), (ScalarOp.EXP,), (40,)))
    nodes.append(
        node(Kind.MATMUL, (), (), ()) if False else node(Kind.VIEW, (last + 2,), ((8, 1), 0), (5, 8))
    )
    nodes.append(node(Kind.VIEW, (last + 2,), ((5, 1), 0), (8, 5)))
    nodes.append(node(Kind.MATMUL, (last + 3, last + 4), (), (5, 5)))
    outputs = (Output(last + 1, 0), Output(last + 5, -1))
    return Graph(tuple(nodes), (0, 1, 2), outputs)


def expected(w, x, rate):
    new = w - rate * x
    e = np.exp(new)
    return new, e.reshape(5, 8) @ e.reshape(8, 5)


def arrays(seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(40).astype(F32), rng.standard_normal(40).astype(F32)


def test_the_second_run_with_the_same_arrays_is_a_graph():
    engine = host_cuda.HostEngine()
    program = cuda_plan.build(update(), engine)
    w, x = arrays(0)
    rate, out = np.array(0.1, F32), np.zeros((5, 5), F32)
    for run in range(4):
        want, product = expected(w, x, rate)
        program.run([w, x, rate], [out])
        np.testing.assert_allclose(w, want, 1e-6)
        np.testing.assert_allclose(out, product, 1e-5)
        assert engine.counts["replay"] == max(0, run)
    assert any(isinstance(line, CudaProduct) for line in program.launches)
    x *= 2  # a graph reads what is there when it runs
    want, product = expected(w, x, rate)
    program.run([w, x, rate], [out])
    np.testing.assert_allclose(out, product, 1e-5)


def test_arrays_that_are_new_in_every_run_get_slots():
    engine = host_cuda.HostEngine()
    program = cuda_plan.build(update(), engine)
    w, _ = arrays(0)
    kept = []
    for run in range(12):
        _, x = arrays(run)
        rate, out = np.array(0.1, F32), np.zeros((5, 5), F32)
        kept.append((x, rate, out))
        want, product = expected(w, x, rate)
        program.run([w, x, rate], [out])
        np.testing.assert_allclose(w, want, 1e-6)
        np.testing.assert_allclose(out, product, 1e-5)
    assert engine.counts["replay"] >= 5
    launched = engine.counts["launch"]
    program.run([w, *kept[3][:2]], [kept[3][2]])
    assert engine.counts["launch"] == launched


def test_numpy_arrays_are_copied_there_and_back():
    engine = host_cuda.HostEngine(takes_numpy=False)
    program = cuda_plan.build(update(), engine)
    for run in range(3):
        w, x = arrays(run)
        rate, out = np.array(0.1, F32), np.zeros((5, 5), F32)
        want, product = expected(w, x, rate)
        program.run([w, x, rate], [out])
        np.testing.assert_allclose(w, want, 1e-6)
        np.testing.assert_allclose(out, product, 1e-5)
    assert engine.counts["replay"] == 2


def test_a_record_without_a_kernel_runs_in_numpy_between_two_stretches():
    engine = host_cuda.HostEngine()
    program = cuda_plan.build(update(host=True), engine)
    assert sum(isinstance(line, HostLaunch) for line in program.launches) == 1
    from rushlight.runtime.special_functions import erfinv

    w, x = arrays(1)
    x = np.tanh(x)
    rate, out = np.array(0.5, F32), np.zeros((5, 5), F32)
    for _ in range(3):
        want = w - erfinv(x * rate).astype(F32)
        program.run([w, x, rate], [out])
        np.testing.assert_allclose(w, want, 1e-5)
    assert engine.counts["host"] == 3


def test_wrong_arrays_are_refused():
    program = cuda_plan.build(update(), host_cuda.HostEngine())
    w, x = arrays(0)
    rate, out = np.array(0.1, F32), np.zeros((5, 5), F32)
    with pytest.raises(
        ValueError, match=r"input 1 is float64 of shape \(40,\); the program was made for float32"
    ):
        program.run([w, x.astype(float), rate], [out])
    with pytest.raises(ValueError, match=r"output 0 is float32 of shape \(5, 4\)"):
        program.run([w, x, rate], [np.zeros((5, 4), F32)])
    with pytest.raises(ValueError, match="input 0 is not contiguous"):
        program.run([np.zeros((80,), F32)[::2], x, rate], [out])
    with pytest.raises(ValueError, match="2 inputs and 1 outputs"):
        program.run([w, x], [out])


def test_single_operations():
    engine = host_cuda.HostEngine()
    x = np.linspace(-2, 2, 30, dtype=F32).reshape(5, 6)
    got = cuda_plan.eager_call(PRIMITIVES["tanh"], (x,), {}, engine)
    np.testing.assert_allclose(got, np.tanh(x), 1e-6)
    compiled = engine.counts["compile"]
    more = np.linspace(-2, 2, 77, dtype=F32).reshape(7, 11)
    np.testing.assert_allclose(
        cuda_plan.eager_call(PRIMITIVES["tanh"], (more,), {}, engine), np.tanh(more), 1e-6
    )
    assert engine.counts["compile"] == compiled, "another shape is not another kernel"
    values, places = cuda_plan.eager_call(
        PRIMITIVES["max_pool"],
        (x.reshape(1, 1, 5, 6),),
        {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False},
        engine,
    )
    np.testing.assert_array_equal(values[0, 0], x[1:4:2, 1::2])
    np.testing.assert_array_equal(places[0, 0], [[7, 9, 11], [19, 21, 23]])
    large = np.ones((700, 800), F32)
    np.testing.assert_array_equal(cuda_plan.eager_call(PRIMITIVES["neg"], (large,), {}, engine), -large)
    assert cuda_plan.eager_call(PRIMITIVES["erfinv"], (x,), {}, engine) is NotImplemented
    assert cuda_plan.eager_call(PRIMITIVES["tanh"], (x.T,), {}, engine) is NotImplemented


def _cupy(module):
    """As much of CuPy as the engine asks for when it compiles."""
    pretend = types.ModuleType("cupy")

    class CompileException(Exception):
        pass

    pretend.RawModule = module(CompileException)
    pretend.cuda = types.SimpleNamespace(
        runtime=types.SimpleNamespace(), compiler=types.SimpleNamespace(CompileException=CompileException)
    )
    return pretend


def test_a_kernel_that_nvrtc_refuses_is_a_clear_error_and_the_process_goes_on():
    def module(error):
        class RawModule:
            def __init__(self, code, options, backend):
                self.code = code

            def get_function(self, name):
                if name == "broken":
                    raise error("broken.cu(1): error: expected a ';'")
                return name

        return RawModule

    engine = cuda_plan_engine.CupyEngine(_cupy(module), 99)
    with pytest.raises(RuntimeError, match=r"(?s)kernel broken: NVRTC refused it.*expected a ';'"):
        engine.compile([("text", "broken")])
    assert engine.compile([("text", "whole"), ("text", "whole")]) == ["whole", "whole"]


def test_without_cupy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(RuntimeError, match=r"CuPy can't be imported.*pip install 'rushlight\[cuda\]'"):
        cuda_plan_engine.engine()


def test_reports_have_lines_and_texts():
    program = cuda_plan.build(update(host=True), host_cuda.HostEngine())
    found = cuda_plan_report.counts(program)
    assert found.host_calls == 1
    assert found.products == 1
    text = cuda_plan_report.report(program, source=True)
    assert "CuPy  erfinv" in text
    assert "cuBLAS float32 (5×8 @ 8×5)" in text
    assert 'extern "C" __global__' in text


@pytest.mark.skipif(
    not cuda_nvrtc.available(), reason="libnvrtc is needed: pip install nvidia-cuda-nvrtc-cu12"
)
def test_the_ptx_of_a_program():
    assert ".visible .entry elements_" in cuda_plan_report.ptx(
        cuda_plan.build(update(), host_cuda.HostEngine())
    )
