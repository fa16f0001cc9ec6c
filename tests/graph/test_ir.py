"""The graph's own modules: verification, printing, evaluation, arithmetic on regions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rushlight.compiler.access import refined, resolve, root_of, split_strides
from rushlight.compiler.lowering.builder import GraphBuilder
from rushlight.ir.evaluate import cast_array, region
from rushlight.ir.graph import Graph, Kind, Node, Output, contiguous_strides
from rushlight.ir.printer import text_of
from rushlight.ir.regions import compose
from rushlight.ir.scalar import ReduceOp, ScalarOp
from rushlight.ir.verify import InvalidGraph, verify
from rushlight.runtime.reference import evaluate

F32, I64 = np.dtype(np.float32), np.dtype(np.int64)
X = Node(Kind.INPUT, (), (0,), (2, 3), F32)


def graph(*nodes, outputs=None):
    nodes = (X, *nodes)
    return Graph(nodes, (0,), (Output(len(nodes) - 1, -1),) if outputs is None else outputs)


WRONG = {
    "not all earlier": graph(Node(Kind.MAP, (1, 0), (ScalarOp.ADD,), (2, 3), F32)),
    "operands for": graph(Node(Kind.MAP, (0,), (ScalarOp.ADD,), (2, 3), F32)),
    "give not": graph(Node(Kind.MAP, (0,), (ScalarOp.NEG,), (3, 2, 3), F32)),
    "gives float64": graph(Node(Kind.MAP, (0,), (ScalarOp.NEG,), (2, 3), np.dtype(float))),
    "axes": graph(Node(Kind.REDUCE, (0,), (ReduceOp.SUM, (2,), False), (2, 3), F32)),
    "gives (2,), not": graph(Node(Kind.REDUCE, (0,), (ReduceOp.SUM, (1,), False), (3,), F32)),
    "leaves 6 elements": graph(Node(Kind.VIEW, (0,), ((3, 1), 1), (2, 3), F32)),
    "condition": graph(Node(Kind.MAP, (0, 0, 0), (ScalarOp.WHERE,), (2, 3), F32)),
    "of shapes": graph(Node(Kind.MATMUL, (0, 0), (), (2, 3), F32)),
    "a value of": graph(Node(Kind.WRITE, (0, 0), ((2, 2), (3, 1), 0), (2, 3), F32)),
    "does not fit": graph(Node(Kind.CAST, (0,), (), (2, 3), I64), outputs=(Output(1, 0),)),
    "two outputs": graph(outputs=(Output(0, 0), Output(0, 0))),
    "no node": graph(outputs=(Output(4, -1),)),
    "inputs are": Graph((X,), (), ()),
    "not of a CALL": graph(Node(Kind.ITEM, (0,), (0,), (2, 3), F32)),
}


@pytest.mark.parametrize("message", WRONG)
def test_verify_names_what_is_wrong(message):
    with pytest.raises(InvalidGraph, match=message.replace("(", r"\(").replace(")", r"\)")):
        verify(WRONG[message])


def test_printer():
    b = GraphBuilder()
    x = b.input((2, 3), F32)
    y = x.permute((1, 0)).sum(1, False) + 1.0
    text = text_of(b.graph([x.write(y.reshape((1, 3)), (3, 1), 3), (x * 2.0, 0)]))
    assert text.splitlines() == [
        "%0 float32[2,3] = input 0",
        "%1 float32[3,2] = view %0 strides 1,3",
        "%2 float32[3] = sum %1 over 1",
        "%3 float32[] = const 1.0",
        "%4 float32[3] = add %2 %3",
        "%5 float32[1,3] = view %4",
        "%6 float32[2,3] = write %0 %5 at [1,3] from 3",
        "%7 float32[] = const 2.0",
        "%8 float32[2,3] = mul %0 %7",
        "return %6, %8 into input 0",
    ]


def test_products_that_add_up():
    b = GraphBuilder()
    x, y, c = b.input((2, 3), F32), b.input((3, 2), F32), b.input((2, 2), F32)
    product = b.make(
        Kind.MATMUL,
        (x.number, y.number, c.number, b.const(2.0, F32).number, b.const(-1.0, F32).number),
        (),
        (2, 2),
        F32,
    )
    arrays = [np.arange(6, dtype=np.float32).reshape(s) for s in ((2, 3), (3, 2))] + [
        np.ones((2, 2), np.float32)
    ]
    (got,) = evaluate(verify(b.graph([product])), arrays)
    np.testing.assert_array_equal(got, 2 * arrays[0] @ arrays[1] - 1)


def test_equal_nodes_are_one_node():
    b = GraphBuilder()
    x = b.input((2,), F32)
    assert (x * 2.0).number == (x * 2.0).number
    assert b.const(0.0, F32).number != b.const(-0.0, F32).number
    assert b.const(1, I64).number != b.const(1.0, F32).number


def test_casts_are_those_of_the_library():
    assert cast_array(np.array([300.0, -1.0]), np.dtype(np.uint8)).tolist() == [44, 255]
    assert cast_array(np.array([0.5, 0.0, np.nan]), np.dtype(bool)).tolist() == [True, False, True]


@st.composite
def views(draw, size):
    """Shape, strides and offset of a view of ``size`` elements."""
    shape = tuple(draw(st.lists(st.integers(1, 4), max_size=3)))
    strides, low, high = [], 0, 0
    for n in shape:
        stride = draw(st.integers(-4, 6))
        strides.append(stride)
        low, high = low + min(0, (n - 1) * stride), high + max(0, (n - 1) * stride)
    if high - low >= size:
        return (size,), (1,), 0
    return shape, tuple(strides), draw(st.integers(-low, size - 1 - high))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_view_of_a_view(data):
    memory = np.arange(48)
    first = data.draw(views(48))
    value = np.ascontiguousarray(region(memory, *first))
    second = data.draw(views(value.size))
    wanted = region(value, *second)
    composed = compose(*second, *first)
    if composed is not None:
        np.testing.assert_array_equal(region(memory, second[0], *composed), wanted)
    else:
        assert first[1] != contiguous_strides(first[0])  # of a contiguous part everything can be said


EXTENTS = st.lists(st.sampled_from([1, 2, 3, 4, 6]), max_size=4)


@settings(max_examples=200, deadline=None)
@given(a=EXTENTS, b=EXTENTS)
def test_refined_spaces(a, b):
    a, b = tuple([n for n in a if n != 1]), tuple([n for n in b if n != 1])
    if np.prod(a, dtype=int) != np.prod(b, dtype=int):
        return
    space = refined(a, b)
    if space is not None:
        for shape in (a, b):
            # The strides of a contiguous array, split, are those of a contiguous array of the finer shape.
            assert split_strides(shape, contiguous_strides(shape), space) == contiguous_strides(space)


def test_access_through_views():
    b = GraphBuilder()
    x = b.input((2, 3, 4), F32)
    heads = x.permute((1, 0, 2))
    access = resolve(b.nodes, heads.number, (3, 2, 4))
    assert (access.root, access.strides, access.offset) == (x.number, (4, 12, 1), 0)
    merged = heads.reshape((3, 8))  # no strides say this, but the elements come in the same order
    access = resolve(b.nodes, merged.number, (3, 8))
    assert (access.root, access.shape, access.strides) == (x.number, (3, 2, 4), (4, 12, 1))
    assert root_of(b.nodes, x.reshape((24,)).number) == x.number
