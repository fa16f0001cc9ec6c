"""Kernels in CUDA C for records that are no loop: indexing, gathering and scattering, running sums, pooling.

Every kernel takes sizes at run time; texts differ by dtype alone. Sums over elements that meet at one place (the gradient of an
embedding, scattered sums, overlapping windows) are made in a fixed order, by whoever owns the place.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, Final

import numpy as np

from ...ir.scalar import ReduceOp
from ..cuda_lines import FAULTS, CudaClear, CudaCopy, CudaLaunch, Lines
from ..kernels.indexing import aligned_at
from ..launch import Pointer, Role
from . import cuda_scalars as scalars
from .cuda_loops import THREADS

Shapes = tuple[tuple[int, ...], ...]

_INDICES: Final = {np.dtype(np.int64): "long long", np.dtype(np.int32): "int"}
_BITS: Final = {1: "unsigned char", 2: "unsigned short", 4: "unsigned int", 8: "unsigned long long"}
_KINDS: Final = {"embedding": 1, "index": 2, "place": 3}  # of ``kernels.faults.Fault``
_FLOATS: Final = frozenset({"float32", "float64", "float16", "bfloat16"})
# Comparing every index with every row is the quick way to add in order up to so many comparisons.
_MOST_COMPARISONS: Final = 1 << 34

_NOTE = """static __device__ void note(long long *words, long long kind, long long index, long long dim, long long size) {
    // The first fault is kept. The host reads word 0 last.
    if (atomicCAS((unsigned long long *)(words + 4), 0ULL, 1ULL) != 0ULL) return;
    words[1] = index;
    words[2] = dim;
    words[3] = size;
    __threadfence_system();
    *(volatile long long *)words = kind;
}
"""


def operand(number: int) -> Pointer:
    return Pointer(Role.OPERAND, number)


def result(number: int = 0) -> Pointer:
    return Pointer(Role.RESULT, number)


def blocks_for(units: int, threads: int = THREADS) -> int:
    return max(1, min(-(-units // threads), 1 << 16))


def kernel(name: str, parameters: str, body: str, before: str = "", threads: int = THREADS) -> str:
    """A translation unit with one kernel, and the helpers that it names."""
    needed = scalars.helpers(before, body)
    head = "\n".join([text for text in (needed, before) if text])
    signature = f'extern "C" __global__ void __launch_bounds__({threads})\n{name}({parameters})'
    return f"{head}\n{signature} {{\n{body}}}\n"


def striding(body: str, units: str, unit: str = "unit") -> str:
    """Threads stride over ``units``."""
    return (
        f"    const long long threads = (long long)gridDim.x * blockDim.x;\n"
        f"    for (long long {unit} = (long long)blockIdx.x * blockDim.x + threadIdx.x; {unit} < {units}; "
        f"{unit} += threads) {{\n{body}    }}\n"
    )


# --- indexing ---------------------------------------------------------------------------------------------------------


def _row_of(types: tuple[str, ...], wraps: bool) -> tuple[str, str, str]:
    """Parameters, arguments and function of ``row_of``: the row that index tensors name, -1 if one is out of range."""
    pointers = ", ".join(f"const {type_} *i{k}" for k, type_ in enumerate(types))
    extents = ", ".join(f"long long E{k}, long long D{k}" for k in range(len(types)))
    body = ""
    for k in range(len(types)):
        wrapped = f"    if (at < 0) at += E{k};\n" if wraps else ""
        body += (
            f"    given = (long long)i{k}[number];\n    at = given;\n{wrapped}"
            f"    if (at < 0 || at >= E{k}) {{\n        note(words, kind, given, D{k}, E{k});\n        return -1;\n    }}\n"
            f"    row = row * E{k} + at;\n"
        )
    names = ", ".join([f"i{k}" for k in range(len(types))] + [f"E{k}, D{k}" for k in range(len(types))])
    text = (
        f"{_NOTE}static __device__ long long row_of({pointers}, {extents}, long long *words, long long kind, "
        f"long long number) {{\n    long long row = 0, given, at;\n{body}    return row;\n}}\n"
    )
    return f"{pointers}", f"row_of({names}, words, kind, number)", text


def _extents(count: int) -> str:
    return ", ".join(f"long long E{k}, long long D{k}" for k in range(count))


def _around(shape: tuple[int, ...], shapes: Any, dtypes: Any, dims: tuple[int, ...]) -> Any:
    if (
        not dims
        or any(dtype not in _INDICES for dtype in dtypes)
        or any(s != shapes[0] for s in shapes)
        or dims != tuple(range(dims[0], dims[0] + len(dims)))
    ):
        return None
    lead, rows = prod(shape[: dims[0]]), prod(shape[dims[0] : dims[-1] + 1])
    ints = tuple([value for dim in dims for value in (shape[dim], dim)])
    return lead, rows, prod(shape[dims[-1] + 1 :]), tuple([_INDICES[d] for d in dtypes]), ints


def _read(
    x: tuple[int, ...], dtype: Any, indices: Any, index_dtypes: Any, dims: Any, kind: str, wraps: bool
) -> Lines | None:
    found = _around(x, indices, index_dtypes, tuple(dims))
    if found is None or dtype.itemsize not in _BITS:
        return None
    lead, rows, columns, types, ints = found
    count = prod(indices[0])
    total = lead * count * columns
    if not total:
        return Lines(())
    if not rows:
        return None
    type_ = _BITS[dtype.itemsize]
    pointers, row_of, before = _row_of(types, wraps)
    body = striding(
        "        const long long column = unit % columns, number = unit / columns % count;\n"
        "        const long long lead = unit / columns / count;\n"
        f"        const long long row = {row_of};\n"
        "        y[unit] = row < 0 ? 0 : x[(lead * rows + row) * columns + column];\n",
        "total",
    )
    parameters = (
        f"const {type_} *x, {pointers}, {type_} *y, long long *words, long long total, long long rows, long long count, "
        f"long long columns, long long kind, {_extents(len(types))}"
    )
    places = (operand(0), *[operand(1 + i) for i in range(len(types))], result(), FAULTS)
    line = CudaLaunch(
        kernel(kind + "_rows", parameters, body, before), kind + "_rows", blocks_for(total), THREADS, places,
        (total, rows, count, columns, _KINDS[kind], *ints), kind, (), 0, 2 * total * dtype.itemsize,
    )  # fmt: skip
    return Lines((line,))


def _index(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    if literals:
        return None
    return _read(shapes[0], dtypes[0], shapes[1:], dtypes[1:], parameters["dims"], "index", True)


def _embedding(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    return _read(shapes[0], dtypes[0], shapes[1:2], dtypes[1:2], (0,), "embedding", False)


def _write(
    found: Any, dtype: Any, count: int, broad: bool, adds: bool, wraps: bool, skipped: int, kind: str, values: Pointer,
    tensors: tuple[Pointer, ...], old: Pointer | None,
) -> Lines | None:  # fmt: skip
    """Old content (or zeros), then the values at the rows that index tensors name; later ones over earlier ones."""
    lead, rows, columns, types, ints = found
    size = lead * rows * columns
    if not size or lead * rows * count > _MOST_COMPARISONS or (adds and dtype.kind == "b"):
        return None
    nbytes = size * dtype.itemsize
    start = CudaClear((result(),), nbytes) if old is None else CudaCopy((old, result()), nbytes)
    if not count:
        return Lines((start,))
    if adds:
        try:
            type_, value_type = scalars.memory_type(dtype), scalars.accumulator_type(dtype)
        except NotImplementedError:
            return None
        add = scalars.combine(ReduceOp.SUM, "total", scalars.decode("value", dtype), dtype)
        get, put = scalars.decode("y[place]", dtype), scalars.encode("total", dtype)
        change = f"total = ({value_type}){add};"
    else:
        if dtype.itemsize not in _BITS:
            return None
        type_ = value_type = _BITS[dtype.itemsize]
        get, put, change = "y[place]", "total", "total = value;"
    pointers, row_of, before = _row_of(types, wraps)
    source = "0" if broad else "((lead * count + first + k) * columns + column)"
    skip = " && row != skipped" if skipped >= 0 else ""
    # A block for each row of the result: all threads look for it among the indices, then add what they found in order.
    body = (
        f"    __shared__ long long found[{THREADS}];\n"
        "    for (long long unit = blockIdx.x; unit < units; unit += gridDim.x) {\n"
        "        const long long row = unit % rows, lead = unit / rows;\n"
        "        for (long long start = 0; start < columns; start += blockDim.x) {\n"
        "            const long long column = start + threadIdx.x, place = unit * columns + column;\n"
        f"            {value_type} total = 0;\n            bool changed = false;\n"
        f"            if (column < columns) total = {get};\n"
        "            for (long long first = 0; first < count; first += blockDim.x) {\n"
        "                const long long number = first + threadIdx.x;\n"
        f"                found[threadIdx.x] = number < count ? {row_of} : -1;\n"
        f"                const int here = __syncthreads_or(found[threadIdx.x] == row{skip});\n"
        "                if (here && column < columns) {\n"
        "                    for (int k = 0; k < (int)blockDim.x; ++k) {\n"
        f"                        if (found[k] != row{skip.replace(' && row != skipped', ' || row == skipped')}) continue;\n"
        f"                        const {type_} value = values[{source}];\n"
        f"                        {change}\n                        changed = true;\n"
        "                    }\n                }\n                __syncthreads();\n            }\n"
        f"            if (changed) y[place] = {put};\n        }}\n    }}\n"
    )
    parameters = (
        f"const {type_} *values, {pointers}, {type_} *y, long long *words, long long units, long long rows, "
        f"long long count, long long columns, long long skipped, long long kind, {_extents(len(types))}"
    )
    name = f"{kind}_{'add' if adds else 'put'}"
    units = lead * rows
    line = CudaLaunch(
        kernel(name, parameters, body, before), name, max(1, min(units, 1 << 20)), THREADS,
        (values, *tensors, result(), FAULTS), (units, rows, count, columns, skipped, _KINDS[kind], *ints), name,
    )  # fmt: skip
    return Lines((start, line))


def _embedding_gradient(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    if parameters["scale_grad_by_freq"]:
        return None
    found = _around(results[0], shapes[1:], dtypes[1:], (0,))
    if found is None:
        return None
    return _write(
        found, dtypes[0], prod(shapes[1]), False, True, False, parameters["padding_idx"], "embedding", operand(0),
        (operand(1),), None,
    )  # fmt: skip


def _index_put(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    if any(position or value is not None for position, value in literals):
        return None
    first = 0 if literals else 1
    dims = tuple(parameters["dims"])
    found = _around(results[0], shapes[first + 1 :], dtypes[first + 1 :], dims)
    if found is None or dtypes[first] != dtypes[0]:
        return None
    wanted = (*results[0][: dims[0]], *shapes[first + 1], *results[0][dims[-1] + 1 :])
    if shapes[first] != wanted and prod(shapes[first]) != 1:
        return None
    broad = prod(shapes[first]) == 1 and prod(wanted) != 1
    tensors = tuple([operand(i) for i in range(first + 1, len(shapes))])
    return _write(
        found, dtypes[0], prod(shapes[first + 1]), broad, parameters["accumulate"], True, -1, "index", operand(first),
        tensors, None if literals else operand(0),
    )  # fmt: skip


def _gather(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    dim = parameters["dim"]
    around = aligned_at(shapes[0], shapes[1], dim)
    if around is None or dtypes[1] not in _INDICES or dtypes[0].itemsize not in _BITS:
        return None
    lead, extent, count, columns = around
    total = lead * count * columns
    if not total:
        return Lines(())
    type_ = _BITS[dtypes[0].itemsize]
    body = striding(
        "        const long long at = (long long)indices[unit], lead = unit / columns / count;\n"
        "        if (at < 0 || at >= extent) {\n            note(words, 3, at, dim, extent);\n            y[unit] = 0;\n"
        "        } else {\n            y[unit] = x[(lead * extent + at) * columns + unit % columns];\n        }\n",
        "total",
    )
    parameters_ = (
        f"const {type_} *x, const {_INDICES[dtypes[1]]} *indices, {type_} *y, long long *words, long long total, "
        "long long extent, long long count, long long columns, long long dim"
    )
    line = CudaLaunch(
        kernel("gather", parameters_, body, _NOTE), "gather", blocks_for(total), THREADS,
        (operand(0), operand(1), result(), FAULTS), (total, extent, count, columns, dim), "gather",
    )  # fmt: skip
    return Lines((line,))


def _scatter(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    if any(position or value is not None for position, value in literals):
        return None
    values, tensor = (0, 1) if literals else (1, 2)
    dim, adds, dtype = parameters["dim"], parameters["accumulate"], dtypes[values]
    around = aligned_at(results[0], shapes[tensor], dim)
    if (
        around is None
        or dtypes[tensor] not in _INDICES
        or dtypes[0] != dtype
        or (shapes[values] and shapes[values] != shapes[tensor])
        or (adds and (dtype.kind not in "iuf" or dtype.name in scalars.HALVES))
        or dtype.itemsize not in _BITS
    ):
        return None
    lead, extent, count, columns = around
    if not lead * extent * columns:
        return None
    nbytes = prod(results[0]) * dtype.itemsize
    start = CudaClear((result(),), nbytes) if literals else CudaCopy((operand(0), result()), nbytes)
    type_ = scalars.memory_type(dtype) if adds else _BITS[dtype.itemsize]
    change = scalars.combine(ReduceOp.SUM, "y[place]", "value", dtype) if adds else "value"
    broad = not shapes[values]
    # One thread for each column: repeated indices come in their order.
    body = striding(
        "        const long long column = unit % columns, lead = unit / columns;\n"
        "        for (long long number = 0; number < count; ++number) {\n"
        "            const long long here = (lead * count + number) * columns + column;\n"
        "            const long long at = (long long)indices[here];\n"
        "            if (at < 0 || at >= extent) {\n                note(words, 3, at, dim, extent);\n"
        "                continue;\n"
        "            }\n            const long long place = (lead * extent + at) * columns + column;\n"
        f"            const {type_} value = values[{'0' if broad else 'here'}];\n"
        f"            y[place] = {change};\n        }}\n",
        "units",
    )
    name = "scatter_add" if adds else "scatter"
    parameters_ = (
        f"const {type_} *values, const {_INDICES[dtypes[tensor]]} *indices, {type_} *y, long long *words, "
        "long long units, long long extent, long long count, long long columns, long long dim"
    )
    line = CudaLaunch(
        kernel(name, parameters_, body, _NOTE), name, blocks_for(lead * columns), THREADS,
        (operand(values), operand(tensor), result(), FAULTS), (lead * columns, extent, count, columns, dim), name,
    )  # fmt: skip
    return Lines((start, line))


# --- running sums and products ----------------------------------------------------------------------------------------


def _scan(product: bool) -> Callable[..., Lines | None]:
    def make(
        shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
    ) -> Lines | None:
        shape, dtype = shapes[0], dtypes[0]
        if dtype.name not in ("float32", "float64", "int64") or not shape or not prod(shape):
            return None
        dim = parameters["dim"]
        extent, columns = shape[dim], prod(shape[dim + 1 :])
        lines = prod(shape) // extent
        type_ = scalars.register_type(dtype)
        wide = "long long" if dtype.kind == "i" else "double"
        op = "*" if product else "+"
        wraps = "unsigned long long" if dtype.kind == "i" else "double"
        at = "extent - 1 - i" if parameters.get("reverse", False) else "i"
        name = f"{'cumprod' if product else 'cumsum'}_{dtype.name}"
        places = (operand(0), result())
        one = "1" if product else "0"
        if lines >= 2048 or extent < 512:
            body = striding(
                "        const long long base = unit / columns * extent * columns + unit % columns;\n"
                f"        {wide} total = {one};\n        for (long long i = 0; i < extent; ++i) {{\n"
                f"            const long long place = base + ({at}) * columns;\n"
                f"            total = ({wide})(({wraps})total {op} ({wraps})x[place]);\n"
                f"            y[place] = ({type_})total;\n        }}\n",
                "units",
            )
            grid = blocks_for(lines)
        else:
            # A block for each line: every thread a piece, then the pieces' totals in order.
            name += "_block"
            body = (
                f"    __shared__ {wide} totals[{THREADS}];\n"
                "    for (long long unit = blockIdx.x; unit < units; unit += gridDim.x) {\n"
                "        const long long base = unit / columns * extent * columns + unit % columns;\n"
                f"        const long long piece = (extent + {THREADS - 1}) / {THREADS};\n"
                "        const long long first = threadIdx.x * piece;\n"
                "        const long long stop = first + piece < extent ? first + piece : extent;\n"
                f"        {wide} total = {one};\n"
                f"        for (long long i = first; i < stop; ++i) total = ({wide})(({wraps})total {op} "
                f"({wraps})x[base + ({at}) * columns]);\n"
                "        totals[threadIdx.x] = total;\n        __syncthreads();\n"
                f"        total = {one};\n"
                f"        for (int k = 0; k < (int)threadIdx.x; ++k) "
                f"total = ({wide})(({wraps})total {op} ({wraps})totals[k]);\n"
                "        for (long long i = first; i < stop; ++i) {\n"
                f"            const long long place = base + ({at}) * columns;\n"
                f"            total = ({wide})(({wraps})total {op} ({wraps})x[place]);\n"
                f"            y[place] = ({type_})total;\n        }}\n        __syncthreads();\n    }}\n"
            )
            grid = min(lines, 1 << 16)
        if parameters.get("reverse", False):
            name += "_reverse"
        text = kernel(
            name, f"const {type_} *x, {type_} *y, long long units, long long extent, long long columns", body
        )
        return Lines((CudaLaunch(text, name, grid, THREADS, places, (lines, extent, columns), name),))

    return make


MAKERS: Final[dict[str, Callable[..., Lines | None]]] = {
    "index": _index,
    "embedding": _embedding,
    "embedding_dense_backward": _embedding_gradient,
    "index_put": _index_put,
    "gather": _gather,
    "scatter": _scatter,
    "cumsum": _scan(False),
    "cumprod": _scan(True),
}
