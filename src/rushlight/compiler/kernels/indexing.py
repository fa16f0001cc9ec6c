"""Reading and writing at index tensors: ``index``, ``index_put``, ``embedding``, ``gather``, ``scatter`` and gradients.

Every operand is seen as (lead, extent, columns) around the indexed dimension. Reading takes rows of columns, in any order.
Writing and adding go by blocks of columns: within one, a single worker takes the indices in their order, so that repeated ones
add up in the same order always. An index out of range is a fault (``faults``).
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, Final

import numpy as np
from llvmlite import ir

from ..codegen.structured import F32, F64, I8, I32, I64, VOID, Function
from ..launch import KernelCall, Pointer, Role
from . import faults
from .faults import Fault

_INDEX_SIZES: Final = {np.dtype(np.int64): 8, np.dtype(np.int32): 4}
_ADDED: Final = {
    np.dtype(np.float32): F32, np.dtype(np.float64): F64, np.dtype(np.int64): I64, np.dtype(np.int32): I32,
}  # fmt: skip
_BLOCKS: Final = 8  # of columns, where there are many
_OPERAND, _RESULT = Pointer(Role.OPERAND, 0), Pointer(Role.RESULT, 0)


def _load_index(f: Function, size: int, base: Any, number: Any) -> Any:
    return f.load(I64, base, number) if size == 8 else f.b.sext(f.load(I32, base, number), I64)


def _inside(f: Function, at: Any, extent: Any, wraps: bool) -> tuple[Any, Any]:
    """An index counted from the front, and whether it is in range."""
    if wraps:
        at = f.select(f.less(at, 0), f.add(at, extent), at)
    return at, f.b.icmp_unsigned("<", at, extent)


def _row_of(
    f: Function,
    sizes: tuple[int, ...],
    first_pointer: int,
    first_int: int,
    number: Any,
    wraps: bool,
    kind: Any,
    place: Any,
) -> tuple[Any, Any]:
    """Which row the index tensors name at ``number``, and whether all are in range; notes a fault where not.

    ints from ``first_int`` on: the extent and the dimension of each.
    """
    row: Any = f.i64(0)
    valid: Any = ir.Constant(ir.IntType(1), 1)
    for i, size in enumerate(sizes):
        extent, dim = f.int_(first_int + 2 * i), f.int_(first_int + 2 * i + 1)
        given = _load_index(f, size, f.pointer(first_pointer + i), number)
        at, inside = _inside(f, given, extent, wraps)
        with f.b.if_then(f.b.not_(inside), likely=False):
            faults.note(f, place, kind, given, dim, extent)
        valid = f.b.and_(valid, inside)
        row = f.add(f.mul(row, extent), at)
    return row, valid


@lru_cache(maxsize=32)
def _read_text(width: int, single: bool, sizes: tuple[int, ...], wraps: bool) -> str:
    """Units: (lead, index). ints: rows of the operand in one lead, indices, columns, fault address and kind,
    then ``_row_of``'s.

    ``width``: bytes of an element; ``single``: one column.
    """
    f = Function("kernel")
    element = ir.IntType(8 * width)
    rows, count, columns, place, kind = [f.int_(i) for i in range(5)]
    x, result = f.pointer(0), f.pointer(1 + len(sizes))
    with f.loop(f.begin, f.end) as unit:
        number = f.remainder(unit, count)
        row, valid = _row_of(f, sizes, 1, 5, number, wraps, kind, place)
        row = f.add(f.mul(f.divide(unit, count), rows), row)
        if single:
            with f.b.if_else(valid) as (yes, no):
                with yes:
                    f.store(f.load(element, x, row), result, unit)
                with no:
                    f.store(ir.Constant(element, 0), result, unit)
        else:
            size = f.mul(columns, width)
            to = f.at(I8, result, f.mul(unit, size))
            volatile = ir.Constant(ir.IntType(1), 0)
            with f.b.if_else(valid) as (yes, no):
                with yes:
                    f.call("llvm.memcpy.p0.p0.i64", VOID, [to, f.at(I8, x, f.mul(row, size)), size, volatile])
                with no:
                    f.call("llvm.memset.p0.i64", VOID, [to, ir.Constant(I8, 0), size, volatile])
    return f.finish()


@lru_cache(maxsize=32)
def _write_text(
    element: str, sizes: tuple[int, ...], adds: bool, fresh: bool, wraps: bool, skips: bool, broad: bool
) -> str:
    """Units: (lead, block of columns). ints: rows of the result in one lead, indices, columns, fault address and kind,
    columns of a block, blocks, the row to leave at zero (``skips``), then ``_row_of``'s. Pointers: values, index tensors,
    result, [old values]. ``broad``: the values are one number."""
    f = Function("kernel")
    type_ = {"float": F32, "double": F64}.get(element) or ir.IntType(int(element[1:]))
    rows, count, columns, place, kind, wide, blocks, skipped = [f.int_(i) for i in range(8)]
    values, result = f.pointer(0), f.pointer(1 + len(sizes))
    with f.loop(f.begin, f.end) as unit:
        lead, first = f.divide(unit, blocks), f.mul(f.remainder(unit, blocks), wide)
        own = f.minimum(wide, f.sub(columns, first))
        start = f.add(f.mul(f.mul(lead, rows), columns), first)
        into = f.at(type_, result, start)
        with f.loop(0, rows) as row:
            to = f.at(type_, into, f.mul(row, columns))
            with f.loop(0, own) as c:
                old: Any = ir.Constant(type_, 0.0 if type_ in (F32, F64) else 0)
                if not fresh:
                    old = f.load(
                        type_, f.at(type_, f.pointer(2 + len(sizes)), start), f.add(f.mul(row, columns), c)
                    )
                f.store(old, to, c)
        with f.loop(0, count) as number:
            row, valid = _row_of(f, sizes, 1, 8, number, wraps, kind, place)
            if skips:
                valid = f.b.and_(valid, f.b.icmp_signed("!=", row, skipped))
            with f.when(valid):
                to = f.at(type_, into, f.mul(row, columns))
                given = f.add(f.mul(f.add(f.mul(lead, count), number), columns), first)
                source = values if broad else f.at(type_, values, given)
                with f.loop(0, own) as c:
                    value = f.load(type_, source, 0 if broad else c)
                    if adds:
                        old = f.load(type_, to, c)
                        value = f.b.fadd(old, value) if type_ in (F32, F64) else f.b.add(old, value)
                    f.store(value, to, c)
    return f.finish()


def _tensors(
    shape: tuple[int, ...], shapes: Any, dtypes: Any, dims: tuple[int, ...]
) -> tuple[int, int, int, tuple[int, ...], list[int]] | None:
    """lead, rows in one lead, columns, sizes of index elements, and the ints of ``_row_of``, for index tensors at ``dims``.

    None unless the dimensions are neighbours and the tensors are numbers of one shape.
    """
    if (
        not dims
        or any(dtype not in _INDEX_SIZES for dtype in dtypes)
        or any(s != shapes[0] for s in shapes)
        or dims != tuple(range(dims[0], dims[0] + len(dims)))
    ):
        return None
    lead, rows, columns = (
        prod(shape[: dims[0]]),
        prod(shape[dims[0] : dims[-1] + 1]),
        prod(shape[dims[-1] + 1 :]),
    )
    ints = [value for dim in dims for value in (shape[dim], dim)]
    return lead, rows, columns, tuple([_INDEX_SIZES[dtype] for dtype in dtypes]), ints


def _read(
    x: tuple[int, ...],
    dtype: np.dtype[Any],
    indices: Any,
    index_dtypes: Any,
    dims: tuple[int, ...],
    kind: Fault,
    label: str,
    wraps: bool,
) -> tuple[KernelCall, ...] | None:
    found = _tensors(x, indices, index_dtypes, dims)
    if found is None:
        return None
    lead, rows, columns, sizes, ints = found
    count = prod(indices[0])
    if not lead * count * columns:
        return ()
    if not rows:
        return None
    pointers = (_OPERAND, *[Pointer(Role.OPERAND, 1 + i) for i in range(len(indices))], _RESULT)
    return (
        KernelCall(
            _read_text(dtype.itemsize, columns == 1, sizes, wraps), "kernel",
            (rows, count, columns, faults.address(), kind.value, *ints), pointers, lead * count,
            max(1, 8192 // (columns * dtype.itemsize)), label=label,
        ),
    )  # fmt: skip


def index(
    shapes: Any, dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``index``: the operand and index tensors of one shape at neighbouring dimensions."""
    if literals:
        return None
    return _read(shapes[0], dtypes[0], shapes[1:], dtypes[1:], parameters["dims"], Fault.INDEX, "index", True)


def embedding(
    shapes: Any, dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``embedding``: rows of the weights by number."""
    return _read(shapes[0], dtypes[0], shapes[1:2], dtypes[1:2], (0,), Fault.EMBEDDING, "embedding", False)


def _write(
    found: Any,
    dtype: np.dtype[Any],
    count: int,
    value_size: int,
    adds: bool,
    fresh: bool,
    wraps: bool,
    skipped: int,
    kind: Fault,
    pointers: tuple[Pointer, ...],
    label: str,
) -> tuple[KernelCall, ...] | None:
    lead, rows, columns, sizes, ints = found
    if not lead * rows * columns:
        return None
    if value_size not in (1, lead * count * columns) or (adds and dtype not in _ADDED):
        return None
    element = str(_ADDED[dtype]) if adds else f"i{8 * dtype.itemsize}"
    broad = value_size == 1 and lead * count * columns != 1
    # Blocks of whole cache lines.
    wide = max(16, -(-columns // _BLOCKS // 16) * 16)
    blocks = -(-columns // wide)
    text = _write_text(element, sizes, adds, fresh, wraps, skipped >= 0, broad)
    return (
        KernelCall(
            text, "kernel", (rows, count, columns, faults.address(), kind.value, wide, blocks, skipped, *ints), pointers,
            lead * blocks, max(1, 4096 // ((rows + count) * wide)), label=label,
        ),
    )  # fmt: skip


def embedding_gradient(
    shapes: Any, dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``embedding_dense_backward``: gradient and indices."""
    if parameters["scale_grad_by_freq"]:
        return None
    found = _tensors(results[0], shapes[1:], dtypes[1:], (0,))
    if found is None:
        return None
    pointers = (_OPERAND, Pointer(Role.OPERAND, 1), _RESULT)
    return _write(
        found, dtypes[0], prod(shapes[1]), prod(shapes[0]), True, True, False, parameters["padding_idx"],
        Fault.EMBEDDING, pointers, "embedding_dense_backward",
    )  # fmt: skip


def index_put(
    shapes: Any, dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``index_put``: the old values (or None: zeros), the new ones, and index tensors as for ``index``."""
    if any(position or value is not None for position, value in literals):
        return None
    fresh = bool(literals)
    first = 0 if fresh else 1
    found = _tensors(results[0], shapes[first + 1 :], dtypes[first + 1 :], tuple(parameters["dims"]))
    if found is None or dtypes[first] != dtypes[0]:
        return None
    wanted = (
        *results[0][: parameters["dims"][0]],
        *shapes[first + 1],
        *results[0][parameters["dims"][-1] + 1 :],
    )
    if shapes[first] != wanted and prod(shapes[first]) != 1:
        return None
    tensors = [Pointer(Role.OPERAND, i) for i in range(first + 1, len(shapes))]
    pointers = (Pointer(Role.OPERAND, first), *tensors, _RESULT, *(() if fresh else (_OPERAND,)))
    return _write(
        found, dtypes[0], prod(shapes[first + 1]), prod(shapes[first]), parameters["accumulate"], fresh, True, -1, Fault.INDEX,
        pointers, "index_put",
    )  # fmt: skip


# --- gather and scatter: an index for every element -------------------------------------------------------------------


@lru_cache(maxsize=16)
def _gather_text(width: int, size: int) -> str:
    """Units: (lead, index along the dimension). ints: extent, indices along it, columns, fault address, dimension."""
    f = Function("kernel")
    element = ir.IntType(8 * width)
    extent, count, columns, place, dim = [f.int_(i) for i in range(5)]
    x, indices, result = f.pointer(0), f.pointer(1), f.pointer(2)
    with f.loop(f.begin, f.end) as unit:
        start = f.mul(f.mul(f.divide(unit, count), extent), columns)
        with f.loop(0, columns) as c:
            here = f.add(f.mul(unit, columns), c)
            at = _load_index(f, size, indices, here)
            at_row, inside = _inside(f, at, extent, False)
            with f.b.if_else(inside, likely=True) as (yes, no):
                with yes:
                    f.store(f.load(element, x, f.add(f.add(start, f.mul(at_row, columns)), c)), result, here)
                with no:
                    f.store(ir.Constant(element, 0), result, here)
                    faults.note(f, place, Fault.PLACE.value, at, dim, extent)
    return f.finish()


@lru_cache(maxsize=16)
def _scatter_text(element: str, size: int, adds: bool, fresh: bool, broad: bool) -> str:
    """Units: lead. ints and pointers as ``_gather_text``'s: values, indices, result, [old values]."""
    f = Function("kernel")
    type_ = {"float": F32, "double": F64}.get(element) or ir.IntType(int(element[1:]))
    extent, count, columns, place, dim = [f.int_(i) for i in range(5)]
    values, indices = f.pointer(0), f.pointer(1)
    with f.loop(f.begin, f.end) as unit:
        start = f.mul(f.mul(unit, extent), columns)
        into = f.at(type_, f.pointer(2), start)
        with f.loop(0, f.mul(extent, columns)) as i:
            old: Any = ir.Constant(type_, 0.0 if type_ in (F32, F64) else 0)
            if not fresh:
                old = f.load(type_, f.pointer(3), f.add(start, i))
            f.store(old, into, i)
        with f.loop(0, count) as row, f.loop(0, columns) as c:
            here = f.add(f.mul(f.add(f.mul(unit, count), row), columns), c)
            at = _load_index(f, size, indices, here)
            at_row, inside = _inside(f, at, extent, False)
            with f.b.if_else(inside, likely=True) as (yes, no):
                with yes:
                    to = f.add(f.mul(at_row, columns), c)
                    value = f.load(type_, values, 0 if broad else here)
                    if adds:
                        old = f.load(type_, into, to)
                        value = f.b.fadd(old, value) if type_ in (F32, F64) else f.b.add(old, value)
                    f.store(value, into, to)
                with no:
                    faults.note(f, place, Fault.PLACE.value, at, dim, extent)
    return f.finish()


def aligned_at(shape: tuple[int, ...], at: tuple[int, ...], dim: int) -> tuple[int, int, int, int] | None:
    """lead, extent, indices along the dimension and columns; None unless the shapes differ in ``dim`` alone."""
    if not shape or len(shape) != len(at) or (*shape[:dim], *shape[dim + 1 :]) != (*at[:dim], *at[dim + 1 :]):
        return None
    return prod(shape[:dim]), shape[dim], at[dim], prod(shape[dim + 1 :])


def gather(
    shapes: Any, dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``gather``: operand and index tensor, whose shapes differ in the dimension only."""
    dim = parameters["dim"]
    around = aligned_at(shapes[0], shapes[1], dim)
    if around is None or dtypes[1] not in _INDEX_SIZES:
        return None
    lead, extent, count, columns = around
    if not lead * count * columns:
        return ()
    return (
        KernelCall(
            _gather_text(dtypes[0].itemsize, _INDEX_SIZES[dtypes[1]]), "kernel",
            (extent, count, columns, faults.address(), dim),
            (_OPERAND, Pointer(Role.OPERAND, 1), _RESULT), lead * count, max(1, 2048 // columns), label="gather",
        ),
    )  # fmt: skip


def scatter(
    shapes: Any, dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``scatter``: the old values (or None: zeros), the new ones (or one number), and the index tensor."""
    if any(position or value is not None for position, value in literals):
        return None
    fresh = bool(literals)
    values, tensor = (0, 1) if fresh else (1, 2)
    dim, adds, dtype = parameters["dim"], parameters["accumulate"], dtypes[values]
    around = aligned_at(results[0], shapes[tensor], dim)
    if (
        around is None
        or dtypes[tensor] not in _INDEX_SIZES
        or dtypes[0] != dtype
        or (adds and dtype not in _ADDED)
        or (shapes[values] and shapes[values] != shapes[tensor])
    ):
        return None
    lead, extent, count, columns = around
    if not lead * extent * columns:
        return None
    text = _scatter_text(
        str(_ADDED[dtype]) if adds else f"i{8 * dtype.itemsize}",
        _INDEX_SIZES[dtypes[tensor]],
        adds,
        fresh,
        not shapes[values],
    )
    pointers = (
        Pointer(Role.OPERAND, values), Pointer(Role.OPERAND, tensor), _RESULT, *(() if fresh else (_OPERAND,)),
    )  # fmt: skip
    return (
        KernelCall(
            text, "kernel", (extent, count, columns, faults.address(), dim), pointers, lead,
            max(1, 4096 // ((extent + count) * columns)), label="scatter",
        ),
    )  # fmt: skip
