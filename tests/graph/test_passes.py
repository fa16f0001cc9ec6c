"""Every pass keeps the values of random graphs, and so does the compiled program."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import rushlight.nn.functional  # noqa: F401 - defines records
from rushlight.compiler.launch import HostLaunch
from rushlight.compiler.lowering.builder import GraphBuilder
from rushlight.compiler.lowering.lower import lower
from rushlight.compiler.passes.dead import remove_dead
from rushlight.compiler.passes.fuse import fuse
from rushlight.compiler.passes.products import fold_products
from rushlight.compiler.passes.simplify import simplify
from rushlight.compiler.passes.split import part_length, split_reductions
from rushlight.compiler.pipeline import build, optimize
from rushlight.ir.graph import Kind
from rushlight.ir.printer import text_of
from rushlight.ir.verify import verify
from rushlight.ops.define import PRIMITIVES
from rushlight.runtime.reference import evaluate

from .builders import WORKLOADS
from .random_graphs import graphs

MANY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
SOME = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def close(got, wanted, tolerance):
    for g, w in zip(got, wanted, strict=True):
        assert (g.shape, g.dtype) == (w.shape, w.dtype)
        if w.dtype.kind in "fc":
            np.testing.assert_allclose(g, w, tolerance, tolerance)
        else:
            np.testing.assert_array_equal(g, w)


def run(program, graph, inputs):
    """The outputs of the program in the graph's order."""
    memory = [np.array(x) for x in inputs]
    fresh = [np.full(shape, 77).astype(dtype) for shape, dtype in program.outputs]
    program.run(memory, fresh)
    changed = {output.into for output in graph.outputs}
    for i, (before, after) in enumerate(zip(inputs, memory, strict=True)):
        if i not in changed:
            np.testing.assert_array_equal(before, after)
    rest = iter(fresh)
    return [
        memory[o.into].reshape(graph.nodes[o.node].shape) if o.into >= 0 else next(rest)
        for o in graph.outputs
    ]


@pytest.mark.parametrize("one", [lower, simplify, remove_dead, fold_products, split_reductions])
@SOME
@given(case=graphs())
def test_a_pass_keeps_the_values(one, case):
    graph, inputs = case
    verify(graph)
    after = verify(one(graph))
    close(evaluate(after, inputs), evaluate(graph, inputs), 1e-5)


@MANY
@given(case=graphs())
def test_the_program_computes_what_the_graph_says(case):
    graph, inputs = case
    wanted = evaluate(graph, inputs)
    program = build(graph)
    verify(program.graph_after)
    close(run(program, graph, inputs), wanted, 3e-5)


@SOME
@given(case=graphs())
def test_every_computed_node_is_in_one_group(case):
    graph = optimize(case[0])
    members = [n for group in fuse(graph) for n in group.members]
    assert len(members) == len(set(members))
    computed = [
        n for n, node in enumerate(graph.nodes) if node.kind.name not in ("INPUT", "CONST", "VIEW", "INDEX")
    ]
    assert sorted(members) == computed


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_workloads(name):
    graph, inputs = WORKLOADS[name]()
    verify(graph)
    wanted = evaluate(graph, inputs)
    close(evaluate(verify(optimize(graph)), inputs), wanted, 1e-2 if name == "gelu_chain" else 1e-4)
    close(run(build(graph), graph, inputs), wanted, 1e-2 if name == "gelu_chain" else 1e-4)


# How many launches: more of them means that fusion has become worse.
LAUNCHES = {
    "tutorial": 8, "gelu_chain": 2, "adam": 2, "layer_norm": 2, "classifier": 6, "batch_norm": 1, "attention": 10,
    "bias_update": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(LAUNCHES))
def test_fusion_of_workloads(name):
    program = build(WORKLOADS[name]()[0])
    assert len(program.lines) <= LAUNCHES[name], text_of(program.graph_after)


def test_updates_are_made_in_place():
    program = build(WORKLOADS["adam"]()[0])
    assert program.arena_bytes <= 128  # two numbers


def test_part_length():
    assert part_length(10_000_000, 16384) in (15625, 16000)
    assert part_length(10_000_019, 16384) == 1  # a prime


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_groups_without_kernels_are_evaluated(name, monkeypatch):
    monkeypatch.setattr("rushlight.compiler.emit._HAVE_LLVM", False)
    graph, inputs = WORKLOADS[name]()
    program = build(graph)
    assert all(isinstance(launch, HostLaunch) for launch in program.launches)
    close(run(program, graph, inputs), evaluate(graph, inputs), 1e-2 if name == "gelu_chain" else 1e-4)


@SOME
@given(case=graphs())
def test_random_graphs_without_kernels(case):
    graph, inputs = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rushlight.compiler.emit._HAVE_LLVM", False)
        program = build(graph)
    close(run(program, graph, inputs), evaluate(graph, inputs), 1e-5)


def test_inputs_that_change_places():
    b = GraphBuilder()
    x, y = b.input((5,), np.float32), b.input((5,), np.float32)
    graph = b.graph([(x, 1), (y, 0), x + y])
    inputs = [np.arange(5, dtype=np.float32), np.ones(5, np.float32)]
    close(run(build(graph), graph, inputs), evaluate(graph, inputs), 0)


def test_fewer_and_wider_numbers_are_not_written_over_what_is_still_read():
    """Sums of two rows of float32 as float64 take as many bytes as the rows, whose later columns must stay until they are
    read."""
    b = GraphBuilder()
    x = b.input((2, 5000), np.float32)
    record = PRIMITIVES["erfinv"]  # has no kernel, so that its result is memory that ends with the sum
    rows = b.make(Kind.CALL, (x.number,), (record, (), ()), x.shape, np.dtype(np.float32))
    total = rows.cast(np.float64).sum(0, False)
    graph = b.graph([b.make(Kind.CALL, (total.number,), (record, (), ()), (5000,), np.dtype(np.float64))])
    inputs = [np.linspace(-0.1, 0.1, 10000, dtype=np.float32).reshape(2, 5000)]
    close(run(build(graph), graph, inputs), evaluate(graph, inputs), 1e-12)


def test_a_target_that_is_no_class():
    b = GraphBuilder()
    x, target = b.input((3, 4), np.float32), b.input((3,), np.int64)
    attrs = (("reduction", "mean"), ("ignore_index", -100))
    numbers = (x.number, target.number)
    call = b.make(
        Kind.CALL, numbers, (PRIMITIVES["cross_entropy_loss"], ((2, None),), attrs), (), np.dtype(np.float32)
    )
    graph = b.graph([call])
    program = build(graph)
    logits, out = np.zeros((3, 4), np.float32), [np.zeros((), np.float32)]
    program.run([logits, np.array([0, 1, -100])], out)
    assert out[0] == pytest.approx(np.log(4))
    with pytest.raises(IndexError, match="Target 4 is out of bounds"):
        program.run([logits, np.array([0, 4, 1])], out)
    program.run([logits, np.array([0, 3, 1])], out)
