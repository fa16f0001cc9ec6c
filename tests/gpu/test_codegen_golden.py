"""The text of some kernels, kept in ``golden/``: a change of the code generator shows as a difference there.

``PYTHONPATH=src python tests/gpu/test_codegen_golden.py`` writes them again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rushlight
from rushlight.compiler.cuda import plan_of
from rushlight.compiler.cuda_lines import CudaLaunch
from rushlight.ir.graph import Graph, Kind, Node, Output
from rushlight.ir.scalar import ReduceOp, ScalarOp
from rushlight.ops.define import PRIMITIVES

FOLDER = Path(__file__).parent / "golden"
F32, F16 = np.dtype(np.float32), np.dtype(np.float16)


class Maker:
    """A graph, node by node."""

    def __init__(self):
        self.nodes = []
        self.inputs = []

    def add(self, kind, operands, attrs, shape, dtype=F32):
        self.nodes.append(Node(kind, tuple(operands), tuple(attrs), shape, dtype))
        return len(self.nodes) - 1

    def input(self, shape, dtype=F32):
        number = self.add(Kind.INPUT, (), (len(self.inputs),), shape, dtype)
        self.inputs.append(number)
        return number

    def number(self, value, dtype=F32):
        return self.add(Kind.CONST, (), (value,), (), dtype)

    def map(self, op, *operands):
        shape = np.broadcast_shapes(*[self.nodes[i].shape for i in operands])
        return self.add(Kind.MAP, operands, (op,), shape, self.nodes[operands[-1]].dtype)

    def reduce(self, op, x, axes):
        shape = tuple([1 if i in axes else n for i, n in enumerate(self.nodes[x].shape)])
        return self.add(Kind.REDUCE, (x,), (op, axes, True), shape, self.nodes[x].dtype)

    def call(self, name, operands, shape, dtype=F32, literals=(), **attrs):
        return self.add(Kind.CALL, operands, (PRIMITIVES[name], literals, tuple(attrs.items())), shape, dtype)

    def graph(self, *outputs):
        return Graph(tuple(self.nodes), tuple(self.inputs), tuple([Output(i, -1) for i in outputs]))


S, R = ScalarOp, ReduceOp


def gelu():
    m = Maker()
    x = m.input((4096, 1024))
    half = m.map(S.MUL, x, m.number(0.5))
    return m.graph(
        m.map(
            S.MUL,
            half,
            m.map(S.ADD, m.map(S.ERF, m.map(S.MUL, x, m.number(0.7071067811865476))), m.number(1.0)),
        )
    )


def softmax():
    m = Maker()
    x = m.input((64, 1000))
    e = m.map(S.EXP, m.map(S.SUB, x, m.reduce(R.MAX, x, (1,))))
    return m.graph(m.map(S.DIV, e, m.reduce(R.SUM, e, (1,))))


def long_rows():
    m = Maker()
    x = m.input((32, 50257))
    return m.graph(m.reduce(R.SUM, m.map(S.MUL, x, x), (1,)))


def column_sums():
    m = Maker()
    return m.graph(m.reduce(R.SUM, m.input((300, 700)), (0,)))


def half_precision():
    m = Maker()
    return m.graph(m.map(S.TANH, m.input((1000,), F16)))


def transposed():
    m = Maker()
    x = m.input((300, 500))
    turned = m.add(Kind.VIEW, (x,), ((1, 500), 0), (500, 300))
    return m.graph(m.map(S.ADD, turned, m.input((500, 300))))


def convolution():
    m = Maker()
    x, w = m.input((8, 16, 14, 14)), m.input((32, 16, 3, 3))
    attrs = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    return m.graph(m.call("convolution", (x, w), (8, 32, 14, 14), **attrs))


def embedding():
    m = Maker()
    x, i = m.input((50, 16)), m.input((4, 7), np.dtype(np.int64))
    return m.graph(m.call("embedding", (x, i), (4, 7, 16)))


KERNELS = (gelu, softmax, long_rows, column_sums, half_precision, transposed, convolution, embedding)


def texts(make):
    """The kernels of a graph's plan, one after the other."""
    lines = [line.line for line in plan_of(make()).lines]
    return "\n".join(dict.fromkeys([line.source for line in lines if isinstance(line, CudaLaunch)]))


@pytest.mark.parametrize("make", KERNELS, ids=lambda make: make.__name__)
def test_text_is_the_golden_one(make):
    assert texts(make) == (FOLDER / f"{make.__name__}.cu").read_text(), __doc__


def test_nothing_else_is_golden():
    assert {path.stem for path in FOLDER.glob("*.cu")} == {make.__name__ for make in KERNELS}


if __name__ == "__main__":
    assert rushlight.__name__
    for make in KERNELS:
        (FOLDER / f"{make.__name__}.cu").write_text(texts(make))
