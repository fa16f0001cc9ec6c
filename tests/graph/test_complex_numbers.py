"""Complex numbers in compiled programs: graphs that take them apart and put them together, and every formula."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import rushlight
from rushlight.compiler.launch import HostLaunch
from rushlight.compiler.lowering.builder import GraphBuilder
from rushlight.compiler.lowering.lower import lower
from rushlight.compiler.lowering.table import COMPLEX_TABLE
from rushlight.compiler.passes.dead import remove_dead
from rushlight.compiler.passes.simplify import simplify
from rushlight.compiler.passes.split import split_reductions
from rushlight.compiler.pipeline import build, optimize
from rushlight.ir.graph import Kind
from rushlight.ir.scalar import ScalarOp
from rushlight.ir.verify import InvalidGraph, verify
from rushlight.ops.define import PRIMITIVES
from rushlight.runtime.reference import evaluate

from .random_graphs import complex_graphs
from .test_lowering import graph_of
from .test_passes import close, run

S = ScalarOp
MANY = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
SOME = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
C64, C128 = np.dtype(np.complex64), np.dtype(np.complex128)


@pytest.mark.parametrize("one", [lower, simplify, remove_dead, split_reductions])
@SOME
@given(case=complex_graphs())
def test_a_pass_keeps_the_values(one, case):
    graph, inputs = case
    verify(graph)
    with np.errstate(all="ignore"):
        close(evaluate(verify(one(graph)), inputs), evaluate(graph, inputs), 1e-5)


@MANY
@given(case=complex_graphs())
def test_the_program_computes_what_the_graph_says(case):
    graph, inputs = case
    with np.errstate(all="ignore"):
        wanted = evaluate(graph, inputs)
        program = build(graph)
        verify(program.graph_after)
        close(run(program, graph, inputs), wanted, 3e-5)


@SOME
@given(case=complex_graphs())
def test_without_kernels(case):
    graph, inputs = case
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr("rushlight.compiler.emit._HAVE_LLVM", False)
        close(run(build(graph), graph, inputs), evaluate(graph, inputs), 1e-5)


# --- formulas ---------------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(3)
Z = RNG.standard_normal((3, 5)) + 1j * RNG.standard_normal((3, 5))
W = RNG.standard_normal((3, 5)) + 1j * RNG.standard_normal((3, 5))
MASK = RNG.random((3, 5)) > 0.5
PAIRS = RNG.standard_normal((4, 3, 2))
_REDUCED = [{"axis": a, "keepdims": k} for a in (None, (0,), (1,), (0, 1)) for k in (False, True)]
RECORDS = {
    **{name: [((Z,), {})] for name in ("reciprocal", "neg", "conj", "abs", "sgn")},
    **{name: [((Z,), {})] for name in ("exp", "log", "sqrt", "sin", "cos", "sinh", "cosh")},
    **{name: [((Z, W), {}), ((Z, W[:1]), {}), ((Z, 2.5 - 1j), {})] for name in ("add", "sub", "mul", "div")},
    "eq": [((Z, np.where(MASK, Z, W)), {})], "ne": [((Z, np.where(MASK, Z, W)), {})],
    "where": [((MASK, Z, W), {})], "masked_fill": [((Z, np.array(1j), MASK), {})],
    "pow_number": [((Z,), {"exponent": e}) for e in (1, 2, 3, -1, -2, 0.5)],
    "sum": [((Z,), r) for r in _REDUCED], "mean": [((Z,), r) for r in _REDUCED], "prod": [((Z,), r) for r in _REDUCED],
    "linalg_vector_norm": [((Z,), {"ord": o, **r}) for o in (2, 1, 0, np.inf) for r in _REDUCED[:4]],
    "dot": [((Z[0].copy(), W[0].copy()), {})], "complex": [((PAIRS, PAIRS * 2), {})],
    "to_copy": [((Z,), {"dtype": np.dtype(d)}) for d in (np.complex128, np.complex64, np.float32, np.bool_, np.int64)],
    "view_as_real": [((Z,), {})], "view_as_complex": [((PAIRS,), {})],
    "cat": [((Z, W), {"dim": 1})], "flip": [((Z,), {"dims": (0,)})], "roll": [((Z,), {"shifts": (2,), "dims": (1,)})],
}  # fmt: skip


def _in(dtype, value):
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fc":
        return value
    return value.astype(dtype if value.dtype.kind == "c" else dtype.type(0).real.dtype)


@pytest.mark.parametrize("dtype", [C64, C128], ids=str)
@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_formula_equals_the_record(name, dtype):
    pytest.importorskip("llvmlite")
    tolerance = 4e-6 if dtype == C64 else 1e-13
    for arguments, parameters in RECORDS[name]:
        graph, inputs, wanted = graph_of(name, [_in(dtype, x) for x in arguments], parameters)
        verify(graph)
        after = verify(lower(graph))
        assert not any(node.kind is Kind.CALL for node in after.nodes)
        close(evaluate(after, inputs), wanted, tolerance)
        program = build(graph)
        assert not any(isinstance(launch, HostLaunch) for launch in program.launches)
        outputs = [np.zeros(shape, d) for shape, d in program.outputs]
        program.run([np.array(x) for x in inputs], outputs)
        close(outputs, [np.asarray(w) for w in wanted], tolerance)


def test_every_formula_is_tried():
    assert set(RECORDS) >= {name for name in COMPLEX_TABLE if name in PRIMITIVES}


# Zeros, infinities, NaN, numbers whose squares and exponentials leave the range.
PARTS = [0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 0.5, -2.5, 1e30, 100, 3e-39, -30, 85, 1.5e-45, 3e38, 0.6]


def specials(dtype):
    pairs = np.array(list(itertools.product(PARTS, PARTS)))
    with np.errstate(all="ignore"):
        return pairs.astype(dtype.type(0).real.dtype).view(dtype)[:, 0]


def agree(got, wanted, tolerance):
    """Equal parts, NaN in the same ones, zeros of the same sign; or close to each other as complex numbers."""
    if wanted.dtype == bool:
        np.testing.assert_array_equal(got, wanted)
        return
    size = np.abs(wanted)
    with np.errstate(all="ignore"):
        near = np.isfinite(got) & np.isfinite(wanted) & (np.abs(got - wanted) <= tolerance * size + 1e-44)
    for a, b in (
        [(got.real, wanted.real), (got.imag, wanted.imag)] if got.dtype.kind == "c" else [(got, wanted)]
    ):
        same = (np.isnan(a) & np.isnan(b)) | ((a == b) & ((a != 0) | (np.signbit(a) == np.signbit(b))))
        with np.errstate(all="ignore"):
            same |= np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= tolerance * np.abs(b))
        wrong = np.flatnonzero(~(same | near))
        assert not wrong.size, (wrong[:5], got[wrong[:5]], wanted[wrong[:5]])


@pytest.mark.parametrize("dtype", [C64, C128], ids=str)
@pytest.mark.parametrize(
    "name",
    ["exp", "log", "sqrt", "sin", "cos", "sinh", "cosh", "reciprocal", "abs", "angle", "sgn", "square"],
)
def test_special_numbers_as_in_torch(name, dtype):
    torch = pytest.importorskip("torch")
    pytest.importorskip("llvmlite")
    z = specials(dtype)
    compiled = rushlight.compile(lambda x: getattr(rushlight, name)(x), fullgraph=True)
    got = compiled(rushlight.from_numpy(z.copy())).numpy()
    agree(got, getattr(torch, name)(torch.from_numpy(z.copy())).numpy(), 4e-6 if dtype == C64 else 2e-14)


@pytest.mark.parametrize("dtype", [C64, C128], ids=str)
@pytest.mark.parametrize("name", ["mul", "div", "eq", "ne"])
def test_special_pairs_as_in_torch(name, dtype):
    torch = pytest.importorskip("torch")
    pytest.importorskip("llvmlite")
    some = specials(dtype)[::3]
    x, y = np.repeat(some, len(some)), np.tile(some, len(some))
    compiled = rushlight.compile(lambda a, b: getattr(rushlight, name)(a, b), fullgraph=True)
    got = compiled(rushlight.from_numpy(x), rushlight.from_numpy(y)).numpy()
    wanted = getattr(torch, name)(torch.from_numpy(x), torch.from_numpy(y)).numpy()
    agree(got, wanted, 4e-6 if dtype == C64 else 2e-14)


# --- what becomes of them ---------------------------------------------------------------------------------------------


def test_a_chain_is_one_kernel():
    pytest.importorskip("llvmlite")
    b = GraphBuilder()
    z, w = b.input((100, 33), C64), b.input((100, 33), C64)
    call = b.make(Kind.CALL, (z.number, w.number), (PRIMITIVES["mul"], (), ()), z.shape, C64)
    call = b.make(Kind.CALL, (call.number,), (PRIMITIVES["exp"], (), ()), z.shape, C64)
    size = b.make(Kind.CALL, (call.number,), (PRIMITIVES["abs"], (), ()), z.shape, np.dtype(np.float32))
    program = build(b.graph([call, size]))
    assert len(program.lines) == 1


def test_the_gradient_of_a_part_is_not_stored():
    """Zeros with one part filled, seen as complex numbers, are complex numbers of that part and 0."""
    b = GraphBuilder()
    g = b.input((6,), np.float32)
    pairs = b.const(0.0, np.float32, (6, 2)).write(g, (2,), 1)
    z = b.make(Kind.VIEW, (pairs.number,), ((1,), 0), (6,), C64)
    after = optimize(b.graph([z]))
    assert [node.kind for node in after.nodes if node.kind is not Kind.CONST] == [Kind.INPUT, Kind.MAP]


def test_parts_are_checked():
    b = GraphBuilder()
    z = b.input((4,), C64)
    for made in (
        b.make(Kind.VIEW, (z.number,), ((1,), 1), (8,), np.dtype(np.float32)),
        b.make(Kind.VIEW, (z.number,), ((1,), 0), (8,), np.dtype(np.float64)),
        b.make(Kind.MAP, (z.number,), (S.REAL,), (4,), np.dtype(np.float64)),
        b.make(Kind.MAP, (z.number, z.number), (S.COMPLEX,), (4,), C64),
    ):
        with pytest.raises(InvalidGraph):
            verify(b.graph([made]))
