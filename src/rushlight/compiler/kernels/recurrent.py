"""Recurrent layers: all steps of a few sequences in one work unit. See ``recurrent_products``, and ``runtime.recurrence``
for the records: what is computed, and how sequences of several lengths lie packed.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from ...ir.scalar import ScalarOp
from ..codegen.structured import I64, Function
from ..launch import KernelCall, Pointer, Role
from .convolution import element_of
from .gemm import matmul_calls
from .recurrent_products import Shape, column_sums, panels, product
from .vector_registers import FLOATS


class Cell(NamedTuple):
    """A kind of layer: how many gates, and whether there is a cell state beside the state."""

    name: str
    gates: int
    relu: bool = False
    bias: bool = False
    given_cell: bool = False  # gradient: whether the cell states have one


class _Code:
    """A kernel for one cell: what its forward and backward directions share.

    ints: rows of a unit (padded to whole tiles), batch, hidden, steps; then for each step, in the order in which they run,
    its first row, its size, the first row of the step before and how many sequences that had.
    """

    def __init__(self, dtype: np.dtype[Any], shape: tuple[int, int, int, bool], cell: Cell) -> None:
        self.lanes, self.tile, self.vectors, self.even = shape
        self.dtype, self.cell, self.element = dtype, cell, element_of(dtype)
        f = self.f = Function("kernel", as_written=True)
        self.unit_rows, self.padded, self.batch, self.hidden, self.steps = [f.int_(i) for i in range(5)]
        self.columns = f.mul(self.hidden, cell.gates)
        self.wide = self.round_up(self.columns)
        self.wide_hidden = self.round_up(self.hidden)

    def round_up(self, columns: Any) -> Any:
        f = self.f
        return f.mul(f.divide(f.add(columns, self.lanes - 1), self.lanes), self.lanes)

    def step(self, number: Any) -> list[Any]:
        f = self.f
        place = f.add(f.mul(number, 4), 5)
        return [f.load(I64, f.ints, f.add(place, i)) for i in range(4)]

    def mask(self, column: Any) -> Any:
        return None if self.even else self.f.lanes_below(self.f.sub(self.hidden, column), self.lanes)

    def load(self, base: Any, index: Any, column: Any) -> Any:
        """A vector of a row of length ``hidden``."""
        return self.f.load_vector(
            self.element, self.lanes, base, self.f.add(index, column), self.mask(column)
        )

    def store(self, value: Any, base: Any, index: Any, column: Any) -> None:
        self.f.store_vector(value, base, self.f.add(index, column), self.mask(column))

    def number(self, value: float) -> Any:
        return self.f.splat(ir.Constant(self.element, value), self.lanes)

    def logistic(self, x: Any) -> Any:
        return self.f.math(ScalarOp.SIGMOID, x)

    def tanh(self, x: Any) -> Any:
        return self.f.math(ScalarOp.TANH, x)

    def slope_of_logistic(self, y: Any) -> Any:
        return self.f.b.fmul(y, self.f.b.fsub(self.number(1.0), y))

    def slope_of_tanh(self, y: Any) -> Any:
        return self.f.b.fsub(self.number(1.0), self.f.b.fmul(y, y))

    def copy_rows(self, source: Any, target: Any, first: Any, count: Any, into_scratch: bool) -> None:
        """Rows of the batch from ``first`` on to the scratch, or back. Those in the scratch are ``wide_hidden`` apart."""
        f = self.f
        with f.loop(0, count) as row, f.loop(0, self.hidden, self.lanes) as column:
            outside, inside = f.mul(f.add(first, row), self.hidden), f.mul(row, self.wide_hidden)
            value = self.load(source, outside if into_scratch else inside, column)
            self.store(value, target, inside if into_scratch else outside, column)


@lru_cache(maxsize=32)
def _forward_text(dtype: np.dtype[Any], shape: tuple[int, int, int, bool], cell: Cell) -> str:
    """Pointers: x, arranged weights, initial state, [initial cell | bias], then the results."""
    code = _Code(dtype, shape, cell)
    f, element, hidden, columns = code.f, code.element, code.hidden, code.columns
    b = f.b
    x, weights, initial = f.pointer(0), f.pointer(1), f.pointer(2)
    extra = cell.name == "lstm" or cell.bias
    other = f.pointer(3) if extra else None
    results = [f.pointer(3 + extra + i) for i in range(1 if cell.name == "rnn" else 3)]
    state = f.scratch
    size = f.mul(code.padded, code.wide_hidden)
    cells = f.at(element, state, size)
    sums = f.at(element, cells, size)

    def element_wise(row: Any, at: Any, column: Any) -> None:
        """One vector of a row; ``at``: the row's number in the packed data."""
        own, packed = f.mul(row, code.wide_hidden), f.mul(at, hidden)
        place, many = f.mul(row, code.wide), f.mul(at, columns)

        def part(base: Any, start: Any, number: int) -> Any:
            return code.load(base, f.add(start, f.mul(hidden, number)), column)

        def both(number: int) -> Any:
            return b.fadd(part(x, many, number), part(sums, place, number))

        if cell.name == "rnn":
            total = both(0)
            h = _positive(code, total) if cell.relu else code.tanh(total)
        elif cell.name == "lstm":
            i, forget, g, o = [code.tanh(both(q)) if q == 2 else code.logistic(both(q)) for q in range(4)]
            c = b.fadd(b.fmul(forget, code.load(cells, own, column)), b.fmul(i, g))
            h = b.fmul(o, code.tanh(c))
            code.store(c, cells, own, column)
            code.store(c, results[1], packed, column)
            for q, gate in enumerate((i, forget, g, o)):
                code.store(gate, results[2], f.add(many, f.mul(hidden, q)), column)
        else:
            products = [part(sums, place, q) for q in range(3)]
            if cell.bias:
                products = [b.fadd(p, part(other, f.i64(0), q)) for q, p in enumerate(products)]
            r = code.logistic(b.fadd(part(x, many, 0), products[0]))
            z = code.logistic(b.fadd(part(x, many, 1), products[1]))
            n = code.tanh(b.fadd(part(x, many, 2), b.fmul(r, products[2])))
            h = b.fadd(n, b.fmul(z, b.fsub(code.load(state, own, column), n)))
            for q, gate in enumerate((r, z, n)):
                code.store(gate, results[1], f.add(many, f.mul(hidden, q)), column)
            code.store(products[2], results[2], packed, column)
        code.store(h, state, own, column)
        code.store(h, results[0], packed, column)

    with f.loop(f.begin, f.end) as unit:
        first = f.mul(unit, code.unit_rows)
        own_rows = f.minimum(code.unit_rows, f.sub(code.batch, first))
        with f.loop(0, size, code.lanes) as i:
            f.store_vector(code.number(0.0), state, i)
        code.copy_rows(initial, state, first, own_rows, True)
        if cell.name == "lstm":
            code.copy_rows(other, cells, first, own_rows, True)
        with f.loop(0, code.steps) as number:
            start, step_size, _, _ = code.step(number)
            rows = f.minimum(own_rows, f.sub(step_size, first))
            with f.when(f.less(0, rows)):
                product(
                    f, dtype, code.tile, code.vectors, rows,
                    lambda row: f.at(element, state, f.mul(row, code.wide_hidden)), weights, hidden, code.wide,
                    lambda row, column, value: f.store_vector(value, sums, f.add(f.mul(row, code.wide), column)),
                )  # fmt: skip
                with f.loop(0, rows) as row, f.loop(0, hidden, code.lanes) as column:
                    element_wise(row, f.add(f.add(start, first), row), column)
    return f.finish()


def _positive(code: _Code, x: Any) -> Any:
    """The positive part; nan stays."""
    zero = code.number(0.0)
    return code.f.b.select(code.f.b.fcmp_ordered("<", x, zero), zero, x)


@lru_cache(maxsize=32)
def _backward_text(dtype: np.dtype[Any], shape: tuple[int, int, int, bool], cell: Cell) -> str:
    """Pointers: arranged weights, gradient of the states, states, initial state, states before each step (written); then
    of an RNN: gradients of x and of the initial state; of an LSTM: cell states, gates, initial cell state, gradients of
    x, of the initial state and the initial cell state, [gradient of the cell states]; of a GRU: gates, the products, gradients
    of x, of the products, of the initial state. Of a product's row the gradient with respect to its sums is what goes back."""
    code = _Code(dtype, shape, cell)
    f, element, hidden, columns = code.f, code.element, code.hidden, code.columns
    b = f.b
    weights, gradient, states, initial, before_all = [f.pointer(i) for i in range(5)]
    lstm, gru = cell.name == "lstm", cell.name == "gru"
    rest = [f.pointer(5 + i) for i in range(2 if cell.name == "rnn" else 5 if gru else 6)]
    given_cell = f.pointer(11) if cell.given_cell else None
    carried = f.scratch
    size = f.mul(code.padded, code.wide_hidden)
    carried_cell = f.at(element, carried, size)
    total = {"rnn": rest[0], "lstm": rest[min(3, len(rest) - 1)], "gru": rest[min(3, len(rest) - 1)]}[
        cell.name
    ]

    def element_wise(row: Any, first: Any, step: list[Any], column: Any) -> None:
        start, _, before, running = step
        own = f.mul(row, code.wide_hidden)
        number = f.add(first, row)
        at = f.add(start, number)
        packed, many = f.mul(at, hidden), f.mul(at, columns)
        goes_on = f.less(number, running)

        def earlier(of_steps: Any, at_first: Any) -> Any:
            """The row of the step before, or of the initial state for a sequence that only begins."""
            base = b.select(goes_on, of_steps, at_first)
            index = f.mul(f.select(goes_on, f.add(before, number), number), hidden)
            return code.load(base, index, column)

        def gate(number_of: int) -> Any:
            return code.load(rest[1 if lstm else 0], f.add(many, f.mul(hidden, number_of)), column)

        def put(value: Any, base: Any, number_of: int) -> None:
            code.store(value, base, f.add(many, f.mul(hidden, number_of)), column)

        h_before = earlier(states, initial)
        code.store(h_before, before_all, packed, column)
        d_h = b.fadd(code.load(gradient, packed, column), code.load(carried, own, column))
        if cell.name == "rnn":
            h = code.load(states, packed, column)
            if cell.relu:
                d = b.select(b.fcmp_ordered(">", h, code.number(0.0)), d_h, b.fmul(d_h, code.number(0.0)))
            else:
                d = b.fmul(d_h, code.slope_of_tanh(h))
            put(d, total, 0)
        elif lstm:
            i, forget, g, o = [gate(q) for q in range(4)]
            t = code.tanh(code.load(rest[0], packed, column))
            d_c = code.load(carried_cell, own, column)
            if given_cell is not None:
                d_c = b.fadd(d_c, code.load(given_cell, packed, column))
            d_c = b.fadd(d_c, b.fmul(b.fmul(d_h, o), code.slope_of_tanh(t)))
            put(b.fmul(b.fmul(d_c, g), code.slope_of_logistic(i)), total, 0)
            put(b.fmul(b.fmul(d_c, earlier(rest[0], rest[2])), code.slope_of_logistic(forget)), total, 1)
            put(b.fmul(b.fmul(d_c, i), code.slope_of_tanh(g)), total, 2)
            put(b.fmul(b.fmul(d_h, t), code.slope_of_logistic(o)), total, 3)
            code.store(b.fmul(d_c, forget), carried_cell, own, column)
        else:
            r, z, n = [gate(q) for q in range(3)]
            d_n = b.fmul(b.fmul(d_h, b.fsub(code.number(1.0), z)), code.slope_of_tanh(n))
            d_z = b.fmul(b.fmul(d_h, b.fsub(h_before, n)), code.slope_of_logistic(z))
            d_r = b.fmul(b.fmul(d_n, code.load(rest[1], packed, column)), code.slope_of_logistic(r))
            for base, third in ((rest[2], d_n), (rest[3], b.fmul(d_n, r))):
                for q, value in enumerate((d_r, d_z, third)):
                    put(value, base, q)
            code.store(b.fmul(d_h, z), carried, own, column)

    with f.loop(f.begin, f.end) as unit:
        first = f.mul(unit, code.unit_rows)
        own_rows = f.minimum(code.unit_rows, f.sub(code.batch, first))
        with f.loop(0, f.mul(size, 2 if lstm else 1), code.lanes) as i:
            f.store_vector(code.number(0.0), carried, i)
        with f.loop(0, code.steps) as number:
            step = code.step(f.sub(f.sub(code.steps, 1), number))
            start, step_size, _, _ = step
            rows = f.minimum(own_rows, f.sub(step_size, first))
            with f.when(f.less(0, rows)):
                with f.loop(0, rows) as row, f.loop(0, hidden, code.lanes) as column:
                    element_wise(row, first, step, column)
                last = f.sub(rows, 1)
                base = f.add(start, first)

                def keep(row: Any, column: Any, value: Any, rows: Any = rows) -> None:
                    with f.when(f.less(row, rows)):
                        f.store_vector(value, carried, f.add(f.mul(row, code.wide_hidden), column))

                def so_far(row: Any, column: Any) -> Any:
                    return f.load_vector(
                        element, code.lanes, carried, f.add(f.mul(row, code.wide_hidden), column)
                    )

                def row_at(row: Any, base: Any = base, last: Any = last) -> Any:
                    # Rows that fill the last tile are the last one again.
                    return f.at(element, total, f.mul(f.add(base, f.minimum(row, last)), columns))

                product(
                    f, dtype, code.tile, code.vectors, rows, row_at, weights, columns, code.wide_hidden, keep,
                    so_far if gru else None,
                )  # fmt: skip
        code.copy_rows(
            carried, {"rnn": rest[1], "lstm": rest[-2], "gru": rest[-1]}[cell.name], first, own_rows, False
        )
        if lstm:
            code.copy_rows(carried_cell, rest[-1], first, own_rows, False)
    return f.finish()


def _steps(batch_sizes: tuple[int, ...], reverse: bool) -> list[int]:
    """First row, size, first row of the step before and its size, for all steps in the order in which they run."""
    starts = [0]
    for size in batch_sizes:
        starts.append(starts[-1] + size)
    order = range(len(batch_sizes))
    table: list[int] = []
    before, running = 0, 0
    for t in reversed(order) if reverse else order:
        table += [starts[t], batch_sizes[t], before, min(running, batch_sizes[t])]
        before, running = starts[t], batch_sizes[t]
    return table


def _operand(number: int) -> Pointer:
    return Pointer(Role.OPERAND, number)


def _result(number: int) -> Pointer:
    return Pointer(Role.RESULT, number)


def _workspace(number: int) -> Pointer:
    return Pointer(Role.WORKSPACE, number)


def _suits(shapes: Any, dtypes: Any, results: Any) -> bool:
    return (
        dtypes[0] in FLOATS
        and all(dtype == dtypes[0] for dtype in dtypes)
        and all(prod(shape) for shape in (*shapes, *results))
    )


def _layer(
    dtype: np.dtype[Any], cell: Cell, batch: int, hidden: int, parameters: dict[str, Any], backward: bool
) -> tuple[Shape, str, tuple[int, ...], int]:
    """How the layer is cut, the kernel's text and ints, and the scratch that it needs."""
    shape = Shape(batch, dtype)
    text = (_backward_text if backward else _forward_text)(
        dtype, (shape.lanes, shape.tile, shape.vectors, hidden % shape.lanes == 0), cell
    )
    table = _steps(tuple(parameters["batch_sizes"]), parameters["reverse"])
    ints = (shape.rows, shape.padded, batch, hidden, len(table) // 4, *table)
    scratch = shape.padded * (2 * shape.wide(hidden) + (0 if backward else shape.wide(hidden * cell.gates)))
    return shape, text, ints, scratch * dtype.itemsize


def _forward(
    shapes: Any, dtypes: Any, results: Any, parameters: dict[str, Any], cell: Cell, inputs: list[int]
) -> tuple[KernelCall, ...] | None:
    """``inputs``: the operands' numbers in the order of the kernel's pointers, the weights left out."""
    if not _suits(shapes, dtypes, results):
        return None
    dtype = dtypes[0]
    batch, hidden = shapes[inputs[1]]
    if shapes[1] != (cell.gates * hidden, hidden):
        return None
    shape, text, ints, scratch = _layer(dtype, cell, batch, hidden, parameters, False)
    sizes = (shape.wide(cell.gates * hidden) * hidden * dtype.itemsize,)
    arrange = panels(dtype, shape, _operand(1), 0, hidden, cell.gates * hidden, True, sizes)
    pointers = (
        _operand(inputs[0]), _workspace(0), *[_operand(i) for i in inputs[1:]], *[_result(i) for i in range(len(results))],
    )  # fmt: skip
    elements = shapes[0][0]
    run = KernelCall(
        text, "kernel", ints, pointers, shape.units, workspaces=sizes, scratch=scratch,
        flops=2 * elements * hidden * hidden * cell.gates, label=f"{cell.name}_layer",
    )  # fmt: skip
    return arrange, run


def _absent(literals: Any, *positions: int) -> bool:
    """Whether the arguments that are no arrays are None, and at these positions only."""
    return all(value is None and position in positions for position, value in literals)


def rnn(
    shapes: Any, dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``rnn_layer``: x, weights, initial state."""
    return _forward(shapes, dtypes, results, parameters, Cell("rnn", 1, parameters["relu"]), [0, 2])


def lstm(
    shapes: Any, dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``lstm_layer``: x, weights, initial state and cell state; without a projection."""
    if len(shapes) != 4 or not _absent(literals, 4):
        return None
    return _forward(shapes, dtypes, results, parameters, Cell("lstm", 4), [0, 2, 3])


def gru(
    shapes: Any, dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``gru_layer``: x, weights, perhaps a bias, initial state."""
    if not _absent(literals, 2):
        return None
    bias = len(shapes) == 4
    return _forward(
        shapes, dtypes, results, parameters, Cell("gru", 3, bias=bias), [0, 3, 2] if bias else [0, 2]
    )


def _backward(
    dtype: np.dtype[Any],
    cell: Cell,
    batch: int,
    hidden: int,
    elements: int,
    parameters: dict[str, Any],
    weights: Pointer,
    pointers: tuple[Pointer, ...],
    product_gradient: Pointer,
    extra: tuple[int, ...] = (),
) -> tuple[KernelCall, ...] | None:
    """``pointers``: the kernel's after the weights; workspace 1 is for the states before each step."""
    columns = cell.gates * hidden
    shape, text, ints, scratch = _layer(dtype, cell, batch, hidden, parameters, True)
    sizes = (shape.wide(hidden) * columns * dtype.itemsize, elements * hidden * dtype.itemsize, *extra)
    grad_w = matmul_calls(
        columns, hidden, elements, dtype, a_strides=(1, columns), b_strides=(hidden, 1), c_strides=(hidden, 1),
        a=product_gradient, b=_workspace(1), c=_result(1), label="recurrent layer: gradient of the weights",
    )  # fmt: skip
    if grad_w is None or any(call.workspaces for call in grad_w):
        return None
    arrange = panels(dtype, shape, weights, 0, columns, hidden, False, sizes)
    run = KernelCall(
        text, "kernel", ints, (_workspace(0), *pointers), shape.units, workspaces=sizes, scratch=scratch,
        flops=2 * elements * hidden * columns, label=f"{cell.name}_layer_gradient",
    )  # fmt: skip
    return arrange, run, *[call._replace(workspaces=sizes) for call in grad_w]


def rnn_gradient(
    shapes: Any, dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``rnn_layer_gradient``: gradient, states, weights, initial state; to those of x, weights and initial state."""
    if not _suits(shapes, dtypes, results):
        return None
    batch, hidden = shapes[3]
    pointers = (_operand(0), _operand(1), _operand(3), _workspace(1), _result(0), _result(2))
    cell = Cell("rnn", 1, parameters["relu"])
    return _backward(
        dtypes[0], cell, batch, hidden, shapes[0][0], parameters, _operand(2), pointers, _result(0)
    )


def lstm_gradient(
    shapes: Any, dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``lstm_layer_gradient``: gradients of states and cell states (or None), states, cell states, gates, weights, initial
    state and cell state."""
    if not _suits(shapes, dtypes, results) or not _absent(literals, 1, 8) or (8, None) not in literals:
        return None
    given = len(shapes) == 8
    states, cells, gates, weights, h0, c0 = [_operand(i + given) for i in range(1, 7)]
    batch, hidden = shapes[c0.number]
    pointers = (
        _operand(0), states, h0, _workspace(1), cells, gates, c0, _result(0), _result(2), _result(3),
        *((_operand(1),) if given else ()),
    )  # fmt: skip
    cell = Cell("lstm", 4, given_cell=given)
    return _backward(dtypes[0], cell, batch, hidden, shapes[0][0], parameters, weights, pointers, _result(0))


def gru_gradient(
    shapes: Any, dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``gru_layer_gradient``: gradient, states, gates, products, weights, initial state."""
    if not _suits(shapes, dtypes, results):
        return None
    dtype = dtypes[0]
    batch, hidden = shapes[5]
    elements = shapes[0][0]
    pointers = (
        _operand(0), _operand(1), _operand(5), _workspace(1), _operand(2), _operand(3), _result(0), _workspace(2), _result(3),
    )  # fmt: skip
    size = elements * 3 * hidden * dtype.itemsize
    calls = _backward(
        dtype,
        Cell("gru", 3),
        batch,
        hidden,
        elements,
        parameters,
        _operand(4),
        pointers,
        _workspace(2),
        (size,),
    )
    if calls is None:
        return None
    return (*calls, column_sums(dtype, _workspace(2), _result(2), elements, 3 * hidden, calls[0].workspaces))
