"""Recurrent layers on the GPU: for each step one product of cuBLAS and one pointwise kernel, in one CUDA graph.

What is computed, and how sequences of several lengths lie packed, is in ``runtime.recurrence``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from math import prod
from typing import Any, Final

from ...ir.loops import Argument, ColumnKernel, Instruction, Leaf, Stage, Step
from ...ir.scalar import ReduceOp
from ..cuda_lines import CudaClear, CudaCopy, CudaLaunch, CudaLine, CudaProduct, Lines
from ..launch import Pointer, Role
from .cuda_loops import THREADS, loop_kernel
from .cuda_slots import Shapes, blocks_for, kernel, operand, result, striding

_DTYPES: Final = {"float32": "float", "float64": "double"}


def _workspace(number: int) -> Pointer:
    return Pointer(Role.WORKSPACE, number)


def _at(pointer: Pointer, elements: int, dtype: Any) -> Pointer:
    return pointer._replace(offset=pointer.offset + elements * dtype.itemsize)


def product(
    dtype: Any, m: int, n: int, k: int, a: Pointer, b: Pointer, c: Pointer, *, a_across: bool = False,
    b_across: bool = False, beta: float = 0.0, leading: tuple[int, int, int] | None = None, label: str = "matmul",
) -> CudaProduct:  # fmt: skip
    """Row-major ``c (m×n) = a (m×k) @ b (k×n) + beta·c``; ``a_across``: a is the transpose of a (k×m) array."""
    own = leading or (m if a_across else k, k if b_across else n, n)
    # cuBLAS sees the transposes: cᵀ = bᵀ @ aᵀ.
    return CudaProduct(
        dtype.name, (b_across, a_across), n, m, k, (own[1], own[0], own[2]), 1, (0, 0, 0), (b, a, c), 1.0, beta, label, (),
        2 * m * n * k,
    )  # fmt: skip


def _steps(parameters: dict[str, Any]) -> Any:
    # The record's own module says in which order steps run; it is in the layer above.
    return importlib.import_module("rushlight.runtime.recurrence").steps_of(
        tuple(parameters["batch_sizes"]), parameters["reverse"]
    )


_CELL: Final = "long long units, long long hidden, long long start, long long before, long long running"
_PLACE: Final = (
    "        const long long row = unit / hidden, j = unit % hidden, at = start + row;\n"
    "        const long long past = row < running ? (before + row) * hidden + j : row * hidden + j;\n"
)


def _functions(type_: str) -> str:
    f = "f" if type_ == "float" else ""
    return (
        f"static __device__ __forceinline__ {type_} hyperbolic({type_} x) {{ return tanh{f}(x); }}\n"
        f"static __device__ __forceinline__ {type_} sigma({type_} x) {{\n"
        f"    const {type_} small = exp{f}(-fabs{f}(x));\n"
        f"    return (x >= 0 ? ({type_})1 : small) / (1 + small);\n}}\n"
    )


def _cell(name: str, type_: str, pointers: str, body: str) -> tuple[str, str]:
    given = ", ".join(
        (f"const {type_} *{one}" if not one.startswith("*") else f"{type_} *{one[1:]}")
        for one in pointers.split()
    )
    full = f"{name}_{type_}"
    return kernel(full, f"{given}, {_CELL}", striding(_PLACE + body, "units"), _functions(type_)), full


def _launch(text: tuple[str, str], step: Any, hidden: int, places: tuple[Pointer, ...]) -> CudaLaunch:
    units = step.size * hidden
    ints = (units, hidden, step.start, step.before, step.running)
    return CudaLaunch(text[0], text[1], blocks_for(units), THREADS, places, ints, text[1])


def _from_state(
    dtype: Any, step: Any, hidden: int, columns: int, states: Pointer, initial: Pointer, weights: Pointer,
    target: Pointer, beta: float,
) -> list[CudaLine]:  # fmt: skip
    """The product of the states before a step with the weights' transpose, into ``target`` (size × columns)."""
    lines: list[CudaLine] = []
    if step.running:
        source = _at(states, step.before * hidden, dtype)
        lines.append(
            product(dtype, step.running, columns, hidden, source, weights, target, b_across=True, beta=beta)
        )
    if step.running < step.size:
        source = _at(initial, step.running * hidden, dtype)
        into = _at(target, step.running * columns, dtype)
        rest = step.size - step.running
        lines.append(product(dtype, rest, columns, hidden, source, weights, into, b_across=True, beta=beta))
    return lines


def _suits(shapes: Shapes, dtypes: Any, results: Shapes) -> bool:
    return (
        dtypes[0].name in _DTYPES
        and all(dtype == dtypes[0] for dtype in dtypes)
        and all(prod(shape) for shape in (*shapes, *results))
    )


def _absent(literals: Any, *positions: int) -> bool:
    return all(value is None and position in positions for position, value in literals)


# --- forward ----------------------------------------------------------------------------------------------------------


def _rnn(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    if not _suits(shapes, dtypes, results) or literals:
        return None
    dtype, hidden = dtypes[0], shapes[2][1]
    type_ = _DTYPES[dtype.name]
    relu = parameters["relu"]
    value = "h[at * hidden + j]"
    changed = f"{value} > 0 || {value} != {value} ? {value} : 0" if relu else f"hyperbolic({value})"
    text = _cell("rnn_relu" if relu else "rnn_tanh", type_, "*h", f"        {value} = {changed};\n")
    states = result(0)
    lines: list[CudaLine] = [CudaCopy((operand(0), states), shapes[0][0] * hidden * dtype.itemsize)]
    for step in _steps(parameters):
        target = _at(states, step.start * hidden, dtype)
        lines += _from_state(dtype, step, hidden, hidden, states, operand(2), operand(1), target, 1.0)
        lines.append(_launch(text, step, hidden, (states,)))
    return Lines(tuple(lines))


def _lstm(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    if len(shapes) != 4 or not _absent(literals, 4) or not _suits(shapes, dtypes, results):
        return None
    dtype, hidden = dtypes[0], shapes[2][1]
    type_ = _DTYPES[dtype.name]
    body = (
        f"        {type_} *a = gates + at * 4 * hidden + j;\n"
        f"        const {type_} i = sigma(a[0]), f = sigma(a[hidden]), g = hyperbolic(a[2 * hidden]), "
        "o = sigma(a[3 * hidden]);\n"
        f"        const {type_} cell = f * (row < running ? c[past] : c0[past]) + i * g;\n"
        "        a[0] = i;\n        a[hidden] = f;\n        a[2 * hidden] = g;\n        a[3 * hidden] = o;\n"
        "        c[at * hidden + j] = cell;\n        h[at * hidden + j] = o * hyperbolic(cell);\n"
    )
    text = _cell("lstm_cell", type_, "*gates *c *h c0", body)
    states, cells, gates = result(0), result(1), result(2)
    columns = 4 * hidden
    lines: list[CudaLine] = [CudaCopy((operand(0), gates), shapes[0][0] * columns * dtype.itemsize)]
    for step in _steps(parameters):
        target = _at(gates, step.start * columns, dtype)
        lines += _from_state(dtype, step, hidden, columns, states, operand(2), operand(1), target, 1.0)
        lines.append(_launch(text, step, hidden, (gates, cells, states, operand(3))))
    return Lines(tuple(lines))


def _gru(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    if not _absent(literals, 2) or not _suits(shapes, dtypes, results):
        return None
    bias = len(shapes) == 4
    initial = operand(3 if bias else 2)
    dtype, (batch, hidden) = dtypes[0], shapes[initial.number]
    type_ = _DTYPES[dtype.name]

    def part(k: int) -> str:
        return f"p[row * 3 * hidden + {k} * hidden + j]" + (f" + b[{k} * hidden + j]" if bias else "")

    body = (
        f"        const {type_} *a = x + at * 3 * hidden + j;\n        {type_} *q = gates + at * 3 * hidden + j;\n"
        f"        const {type_} r = sigma(a[0] + ({part(0)})), z = sigma(a[hidden] + ({part(1)})), u = {part(2)};\n"
        f"        const {type_} n = hyperbolic(a[2 * hidden] + r * u);\n"
        f"        const {type_} old = row < running ? h[past] : h0[past];\n"
        "        q[0] = r;\n        q[hidden] = z;\n        q[2 * hidden] = n;\n        us[at * hidden + j] = u;\n"
        "        h[at * hidden + j] = (old - n) * z + n;\n"
    )
    text = _cell(
        "gru_cell_bias" if bias else "gru_cell", type_, f"x p {'b ' if bias else ''}*h *gates *us h0", body
    )
    sums = _workspace(0)
    columns = 3 * hidden
    lines: list[CudaLine] = []
    for step in _steps(parameters):
        lines += _from_state(dtype, step, hidden, columns, result(0), initial, operand(1), sums, 0.0)
        places = (
            operand(0),
            sums,
            *((operand(2),) if bias else ()),
            result(0),
            result(1),
            result(2),
            initial,
        )
        lines.append(_launch(text, step, hidden, places))
    return Lines(tuple(lines), (batch * columns * dtype.itemsize,))


# --- backward ---------------------------------------------------------------------------------------------------------


def _backward(
    dtype: Any, gates: int, shapes: tuple[int, int, int], parameters: dict[str, Any], text: tuple[str, str],
    places: tuple[Pointer, ...], total: Pointer, weights: Pointer, carried: Pointer, beta: float, before: Pointer,
    grad_w: Pointer, also_cleared: tuple[Pointer, ...] = (),
) -> list[CudaLine]:  # fmt: skip
    """The steps back: the cell's kernel, then what its gradient gives the states before; and the weights' gradient."""
    elements, batch, hidden = shapes
    columns = gates * hidden
    lines: list[CudaLine] = [
        CudaClear((p,), batch * hidden * dtype.itemsize) for p in (carried, *also_cleared)
    ]
    for step in reversed(_steps(parameters)):
        lines.append(_launch(text, step, hidden, places))
        source = _at(total, step.start * columns, dtype)
        lines.append(product(dtype, step.size, hidden, columns, source, weights, carried, beta=beta))
    lines.append(
        product(
            dtype,
            columns,
            hidden,
            elements,
            total,
            before,
            grad_w,
            a_across=True,
            label="recurrent layer: weights",
        )
    )
    return lines


_BEFORE: Final = "        old_states[at * hidden + j] = row < running ? h[past] : h0[past];\n"


def _rnn_gradient(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    if not _suits(shapes, dtypes, results) or literals:
        return None
    dtype, (batch, hidden), elements = dtypes[0], shapes[3], shapes[0][0]
    type_ = _DTYPES[dtype.name]
    slope = "(y > 0 ? 1 : 0)" if parameters["relu"] else "(1 - y * y)"
    body = (
        f"{_BEFORE}        const {type_} y = h[at * hidden + j];\n"
        f"        total[at * hidden + j] = (g[at * hidden + j] + carried[unit]) * {slope};\n"
    )
    name = "rnn_relu_gradient" if parameters["relu"] else "rnn_tanh_gradient"
    text = _cell(name, type_, "g h h0 *total *old_states carried", body)
    places = (operand(0), operand(1), operand(3), result(0), _workspace(0), result(2))
    lines = _backward(
        dtype, 1, (elements, batch, hidden), parameters, text, places, result(0), operand(2), result(2), 0.0,
        _workspace(0), result(1),
    )  # fmt: skip
    return Lines(tuple(lines), (elements * hidden * dtype.itemsize,))


def _lstm_gradient(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    if not _suits(shapes, dtypes, results) or not _absent(literals, 1, 8) or (8, None) not in literals:
        return None
    given = len(shapes) == 8
    states, cells, gates, weights, h0, c0 = [operand(i + given) for i in range(1, 7)]
    dtype, (batch, hidden), elements = dtypes[0], shapes[c0.number], shapes[0][0]
    type_ = _DTYPES[dtype.name]
    body = (
        f"{_BEFORE}        const {type_} *a = gates + at * 4 * hidden + j;\n"
        f"        {type_} *d = total + at * 4 * hidden + j;\n"
        f"        const {type_} i = a[0], f = a[hidden], g = a[2 * hidden], o = a[3 * hidden];\n"
        f"        const {type_} t = hyperbolic(c[at * hidden + j]), dh = g_h[at * hidden + j] + carried_h[unit];\n"
        f"        const {type_} dc = carried_c[unit]{' + g_c[at * hidden + j]' if given else ''} + dh * o * (1 - t * t);\n"
        "        d[0] = dc * g * (i - i * i);\n"
        "        d[hidden] = dc * (row < running ? c[past] : c0[past]) * (f - f * f);\n"
        "        d[2 * hidden] = dc * i * (1 - g * g);\n        d[3 * hidden] = dh * t * (o - o * o);\n"
        "        carried_c[unit] = dc * f;\n"
    )
    pointers = f"g_h h h0 c gates c0 *total *old_states carried_h *carried_c{' g_c' if given else ''}"
    text = _cell("lstm_cell_gradient" + ("_c" if given else ""), type_, pointers, body)
    places = (
        operand(0), states, h0, cells, gates, c0, result(0), _workspace(0), result(2), result(3),
        *((operand(1),) if given else ()),
    )  # fmt: skip
    lines = _backward(
        dtype, 4, (elements, batch, hidden), parameters, text, places, result(0), weights, result(2), 0.0,
        _workspace(0), result(1), (result(3),),
    )  # fmt: skip
    return Lines(tuple(lines), (elements * hidden * dtype.itemsize,))


def _gru_gradient(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    if not _suits(shapes, dtypes, results) or literals:
        return None
    dtype, (batch, hidden), elements = dtypes[0], shapes[5], shapes[0][0]
    type_ = _DTYPES[dtype.name]
    body = (
        f"{_BEFORE}        const {type_} *a = gates + at * 3 * hidden + j;\n"
        f"        {type_} *d = total + at * 3 * hidden + j, *dx = grad_x + at * 3 * hidden + j;\n"
        f"        const {type_} r = a[0], z = a[hidden], n = a[2 * hidden], dh = carried[unit] + g[at * hidden + j];\n"
        f"        const {type_} old = row < running ? h[past] : h0[past];\n"
        f"        const {type_} dn = (1 - z) * dh * (1 - n * n);\n"
        f"        const {type_} dr = dn * us[at * hidden + j] * (r - r * r), dz = (old - n) * dh * (z - z * z);\n"
        "        d[0] = dr;\n        d[hidden] = dz;\n        d[2 * hidden] = dn * r;\n"
        "        dx[0] = dr;\n        dx[hidden] = dz;\n        dx[2 * hidden] = dn;\n        carried[unit] = dh * z;\n"
    )
    text = _cell("gru_cell_gradient", type_, "g h h0 gates us *total *grad_x *old_states *carried", body)
    total = _workspace(1)
    places = (
        operand(0), operand(1), operand(5), operand(2), operand(3), total, result(0), _workspace(0), result(3),
    )  # fmt: skip
    lines = _backward(
        dtype, 3, (elements, batch, hidden), parameters, text, places, total, operand(4), result(3), 1.0,
        _workspace(0), result(1),
    )  # fmt: skip
    lines.append(_column_sums(dtype, total, result(2), elements, 3 * hidden))
    return Lines(tuple(lines), (elements * hidden * dtype.itemsize, elements * 3 * hidden * dtype.itemsize))


def _column_sums(dtype: Any, source: Pointer, target: Pointer, rows: int, columns: int) -> CudaLaunch:
    arguments = (Argument(dtype, (Step.ANY, Step.ONE)), Argument(dtype, (Step.ZERO, Step.ONE), True))
    body = Stage(True, (Instruction(Leaf.LOAD, (), dtype, 0),), (), ((ReduceOp.SUM, 0),))
    finish = Stage(True, (Instruction(Leaf.REGISTER, (), dtype, (0, 0)),), ((1, 0),))
    made = loop_kernel(ColumnKernel(0, 1, arguments, body, finish), (rows, columns), ((columns, 1), (0, 1)))
    return CudaLaunch(
        made.source, made.name, made.grid, made.block, (source, target), made.ints, "column sums"
    )


MAKERS: Final[dict[str, Callable[..., Lines | None]]] = {
    "rnn_layer": _rnn,
    "lstm_layer": _lstm,
    "gru_layer": _gru,
    "rnn_layer_gradient": _rnn_gradient,
    "lstm_layer_gradient": _lstm_gradient,
    "gru_layer_gradient": _gru_gradient,
}
