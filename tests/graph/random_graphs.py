"""Random graphs for property tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from rushlight.compiler.lowering.builder import GraphBuilder
from rushlight.ir.graph import Kind, contiguous_strides
from rushlight.ir.scalar import PART, WHOLE, ReduceOp, ScalarOp

S = ScalarOp
SHAPES = [(4, 6), (6,), (4, 1), (2, 2, 6), (), (6, 4), (24,), (4, 6), (4, 6)]
UNARY = [S.NEG, S.ABS, S.TANH, S.SIGMOID, S.SIN, S.FLOOR, S.SIGN]
BINARY = [S.ADD, S.SUB, S.MUL, S.MAXIMUM, S.MINIMUM, S.ADD, S.MUL]
COMPARE = [S.LESS, S.LESS_EQUAL, S.EQUAL, S.NOT_EQUAL]
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def _broadcastable(a, b):
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return True


class _Maker:
    def __init__(self, draw):
        self.draw = draw
        self.b = GraphBuilder()
        self.values = []

    def pick(self, fits=lambda v: True):
        fitting = [v for v in self.values if fits(v)]
        # Recent values more often, so that chains grow long.
        return fitting[-1 - self.draw(st.integers(0, min(len(fitting), 6) - 1))] if fitting else None

    def step(self):
        kind = self.draw(st.sampled_from(["unary", "binary", "binary", "compare", "where", "reduce", "reduce", "view", "view",
                                          "write", "matmul", "cast", "const", "index", "softmax"]))  # fmt: skip
        made = getattr(self, kind)()
        if made is not None and made.node.size <= 200:
            self.values.append(made)

    def unary(self):
        x = self.pick(lambda v: v.dtype.kind == "f")
        return x and x.map(self.draw(st.sampled_from(UNARY)))

    def binary(self, ops=BINARY):
        x = self.pick(lambda v: v.dtype.kind in "fi")
        y = x and self.pick(lambda v: v.dtype == x.dtype and _broadcastable(v.shape, x.shape))
        return y and x.map(self.draw(st.sampled_from(ops)), y)

    def compare(self):
        return self.binary(COMPARE)

    def where(self):
        c = self.pick(lambda v: v.dtype.kind == "b")
        x = c and self.pick(lambda v: v.dtype.kind == "f" and v.shape == c.shape)
        return x and self.b.where(c, x, x * 0.5)

    def reduce(self):
        x = self.pick(lambda v: v.shape and v.dtype.kind in "fi")
        if x is None:
            return None
        axes = self.draw(st.sets(st.integers(0, len(x.shape) - 1), min_size=1))
        op = self.draw(st.sampled_from([ReduceOp.SUM, ReduceOp.SUM, ReduceOp.MAX, ReduceOp.MIN]))
        return x.reduce(op, tuple(axes), self.draw(st.booleans()))

    def softmax(self):
        x = self.pick(lambda v: v.shape and v.dtype.kind == "f")
        if x is None:
            return None
        axis = self.draw(st.integers(0, len(x.shape) - 1))
        e = (x - x.max(axis)).exp()
        return e / e.sum(axis)

    def view(self):
        x = self.pick()
        shape = x.shape
        how = self.draw(st.sampled_from(["reshape", "permute", "slice", "expand", "flip", "flat"]))
        if how == "flat":
            return x.reshape((x.node.size,))
        if how == "reshape":
            fitting = [s for s in SHAPES if int(np.prod(s)) == x.node.size]
            return x.reshape(self.draw(st.sampled_from(fitting))) if fitting else None
        if how == "permute":
            return x.permute(self.draw(st.permutations(range(len(shape)))))
        if how == "expand":
            return x.expand((self.draw(st.integers(1, 3)), *shape))
        if not shape:
            return None
        axis = self.draw(st.integers(0, len(shape) - 1))
        strides = contiguous_strides(shape)
        if how == "flip":
            turned = tuple([-s if i == axis else s for i, s in enumerate(strides)])
            return x.view(shape, turned, (shape[axis] - 1) * strides[axis])
        start = self.draw(st.integers(0, shape[axis] - 1))
        length = self.draw(st.integers(1, shape[axis] - start))
        return x.view((*shape[:axis], length, *shape[axis + 1 :]), strides, start * strides[axis])

    def write(self):
        base = self.pick(lambda v: v.shape)
        if base is None:
            return None
        strides = contiguous_strides(base.shape)
        axis = self.draw(st.integers(0, len(base.shape) - 1))
        start = self.draw(st.integers(0, base.shape[axis] - 1))
        length = self.draw(st.integers(1, base.shape[axis] - start))
        region = (*base.shape[:axis], length, *base.shape[axis + 1 :])
        value = self.pick(lambda v: v.dtype == base.dtype and v.shape == region)
        if value is None:
            value = base.view(region, strides, start * strides[axis])
            value = value.map(S.ADD, value) if base.dtype.kind in "fi" else value
        if self.draw(st.booleans()):
            base = self.b.const(0, base.dtype, base.shape)
        return base.write(value, strides, start * strides[axis])

    def matmul(self):
        x = self.pick(lambda v: v.dtype.kind == "f" and len(v.shape) == 2)
        y = x and self.pick(lambda v: v.dtype == x.dtype and len(v.shape) == 2 and v.shape[0] == x.shape[1])
        return y and x.matmul(y).map(S.TANH)

    def cast(self):
        x = self.pick()
        return x.cast(self.draw(st.sampled_from([np.float32, np.float64, np.int64, np.bool_])))

    def const(self):
        x = self.pick()
        return self.b.const(
            self.draw(st.sampled_from([0, 1, 2, -1])), x.dtype, self.draw(st.sampled_from([x.shape, ()]))
        )

    def index(self):
        x = self.pick(lambda v: v.shape)
        return x and self.b.index(x.shape, self.draw(st.integers(0, len(x.shape) - 1)))


COMPLEX = (np.dtype(np.complex64), np.dtype(np.complex128))


class _ComplexMaker(_Maker):
    """Graphs in which complex numbers are taken apart, put together, and changed by parts."""

    def step(self):
        if self.draw(st.booleans()):
            return super().step()
        apart = ["part", "pairs", "stride", "write_part", "write_pairs"]
        together = ["whole", "paired", "write_whole", "cast_complex", "constant"]
        made = getattr(self, self.draw(st.sampled_from(apart + together)))()
        if made is not None and made.node.size <= 200:
            self.values.append(made)
        return None

    def complex_value(self, fits=lambda v: True):
        return self.pick(lambda v: v.dtype in COMPLEX and fits(v))

    def real_value(self, fits=lambda v: True):
        return self.pick(lambda v: v.dtype in FLOATS and fits(v))

    def part(self):
        z = self.complex_value()
        return z and z.map(self.draw(st.sampled_from([S.REAL, S.IMAG])))

    def whole(self):
        x = self.real_value()
        y = x and self.real_value(lambda v: v.dtype == x.dtype and _broadcastable(v.shape, x.shape))
        return y and x.map(S.COMPLEX, y)

    def constant(self):
        z = self.complex_value()
        number = self.draw(st.sampled_from([0, 1j, 2 - 1j]))
        return z and self.b.const(number, z.dtype, self.draw(st.sampled_from([z.shape, ()])))

    def cast_complex(self):
        x = self.pick()
        return x.cast(self.draw(st.sampled_from(COMPLEX)))

    def _seen(self, x, shape, strides, offset, dtype):
        return self.b.make(Kind.VIEW, (x.number,), (strides, offset), shape, dtype)

    def pairs(self):
        """All of it as pairs."""
        z = self.complex_value()
        shape = z and (*z.shape, 2)
        return z and self._seen(z, shape, contiguous_strides(shape), 0, PART[z.dtype])

    def paired(self):
        """Pairs as complex numbers, all of them or a few."""
        x = self.real_value(lambda v: v.shape and v.shape[-1] % 2 == 0)
        if x is None:
            return None
        shape = (*x.shape[:-1], x.shape[-1] // 2)
        if shape[-1] == 1 and self.draw(st.booleans()):
            shape = shape[:-1]
        return self._seen(x, shape, contiguous_strides(shape), 0, WHOLE[x.dtype])

    def stride(self):
        """One part, through strides, of some elements."""
        z = self.complex_value(lambda v: v.shape)
        if z is None:
            return None
        start = self.draw(st.integers(0, z.shape[0] - 1))
        shape = (z.shape[0] - start, *z.shape[1:])
        strides = tuple([2 * s for s in contiguous_strides(z.shape)])
        offset = start * strides[0] + self.draw(st.integers(0, 1))
        return self._seen(z, shape, strides, offset, PART[z.dtype])

    def write_part(self):
        z = self.complex_value()
        x = z and self.real_value(lambda v: v.dtype == PART[z.dtype] and v.shape == z.shape)
        strides = x and tuple([2 * s for s in contiguous_strides(z.shape)])
        base = z if self.draw(st.booleans()) else z and self.b.const(0, z.dtype, z.shape)
        return x and base.write(x, strides, self.draw(st.integers(0, 1)))

    def write_pairs(self):
        """A part of the pairs that complex numbers are."""
        z = self.complex_value(lambda v: v.node.size > 1)
        x = z and self.real_value(lambda v: v.dtype == PART[z.dtype] and 0 < v.node.size < 2 * z.node.size)
        if x is None:
            return None
        return z.write(
            x.reshape((x.node.size,)), (1,), self.draw(st.integers(0, 2 * z.node.size - x.node.size))
        )

    def write_whole(self):
        """Complex numbers over pairs of real ones."""
        x = self.real_value(lambda v: v.node.size > 1)
        z = x and self.complex_value(lambda v: PART[v.dtype] == x.dtype and 2 * v.node.size <= x.node.size)
        return z and x.write(z.reshape((z.node.size,)), (1,), 0)


@st.composite
def complex_graphs(draw):
    """Like ``graphs``, with complex numbers."""
    return _drawn(
        draw, _ComplexMaker(draw), [np.complex64, np.complex64, np.complex128, np.float32, np.float64]
    )


@st.composite
def graphs(draw):
    """``(graph, inputs)``: some outputs go into inputs."""
    return _drawn(draw, _Maker(draw), [np.float32, np.float32, np.float32, np.float64, np.int64])


def _drawn(draw, maker, dtypes):
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    inputs = []
    for shape in draw(st.lists(st.sampled_from(SHAPES), min_size=2, max_size=5)):
        dtype = np.dtype(draw(st.sampled_from(dtypes)))
        maker.values.append(maker.b.input(shape, dtype))
        values = np.asarray(rng.integers(-4, 5, shape) / (1 if dtype.kind == "i" else 2))
        if dtype.kind == "c":
            values = values + 1j * (rng.integers(-4, 5, shape) / 2)
        inputs.append(np.asarray(values).astype(dtype))
    for _ in range(draw(st.integers(1, 22))):
        maker.step()
    outputs = []
    taken = set()
    for value in draw(st.lists(st.sampled_from(maker.values), min_size=1, max_size=4)):
        fitting = [
            i
            for i, x in enumerate(inputs)
            if i not in taken and x.dtype == value.dtype and x.size == value.node.size
        ]
        if fitting and draw(st.booleans()):
            into = draw(st.sampled_from(fitting))
            taken.add(into)
            outputs.append((value, into))
        else:
            outputs.append(value)
    return maker.b.graph(outputs), inputs
