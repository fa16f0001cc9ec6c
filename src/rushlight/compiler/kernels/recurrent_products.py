"""What recurrent kernels share: a matrix arranged for the products of a few rows with it, and that product.

The rows of a batch do not depend on each other, so a work unit takes a few of them through all steps: nothing waits for another
worker between steps. Each step streams the whole matrix past those rows, in panels of neighbouring columns.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import numpy as np

from ..codegen.structured import Function
from ..launch import KernelCall, Pointer, Role
from .convolution import element_of
from .transposing import transposed
from .vector_registers import registers

_ROWS: Final = (
    8  # of a unit: enough for the arithmetic to hide the reading of the matrix from the third-level cache
)


class Shape:
    """Rows of a unit and of a tile, vectors of a tile, and lanes."""

    def __init__(self, batch: int, dtype: np.dtype[Any]) -> None:
        machine = registers()
        self.lanes = machine.lanes(dtype)
        self.rows = min(batch, _ROWS if batch < 8 * _ROWS else 2 * _ROWS)
        self.tile, self.vectors = machine.tile(self.rows)
        self.padded = -(-self.rows // self.tile) * self.tile
        self.units = -(-batch // self.rows)
        self.span = self.vectors * self.lanes

    def wide(self, columns: int) -> int:
        """Columns with those that fill the last vector."""
        return -(-columns // self.lanes) * self.lanes


@lru_cache(maxsize=8)
def _panels_text(dtype: np.dtype[Any], lanes: int, vectors: int, turned: bool) -> str:
    """Units: vectors of columns. ints: length (rows of the matrix), columns. ``turned``: it is given as its transpose.

    To panels of ``vectors`` vectors, row after row of the matrix; the columns left over in panels of one vector.
    """
    element = element_of(dtype)
    f = Function("kernel", as_written=True)
    length, columns = f.int_(0), f.int_(1)
    source, target = f.pointer(0), f.pointer(1)
    span = vectors * lanes
    # As ``product`` walks them: with the columns that fill the last vector.
    padded = f.mul(f.divide(f.add(columns, lanes - 1), lanes), lanes)
    in_full = f.mul(f.divide(padded, span), span)
    with f.loop(f.begin, f.end) as unit:
        first = f.mul(unit, lanes)
        full = f.less(first, in_full)
        wide = f.select(full, span, lanes)
        panel = f.select(full, f.mul(f.divide(first, span), span), first)
        into = f.at(element, target, f.add(f.mul(panel, length), f.sub(first, panel)))
        mask = f.lanes_below(f.sub(columns, first), lanes)
        if turned:
            with f.loop(0, length, lanes) as k:
                inside = f.lanes_below(f.sub(length, k), lanes)
                block = []
                for i in range(lanes):
                    row = f.add(first, i)
                    there = f.b.and_(inside, f.splat(f.less(row, columns), lanes))
                    block.append(f.load_vector(element, lanes, source, f.add(f.mul(row, length), k), there))
                for i, column in enumerate(transposed(f, block)):
                    with f.when(f.less(f.add(k, i), length)):
                        f.store_vector(column, into, f.mul(f.add(k, i), wide))
        else:
            with f.loop(0, length) as k:
                row_of = f.load_vector(element, lanes, source, f.add(f.mul(k, columns), first), mask)
                f.store_vector(row_of, into, f.mul(k, wide))
    return f.finish()


def panels(
    dtype: np.dtype[Any],
    shape: Shape,
    matrix: Pointer,
    number: int,
    length: int,
    columns: int,
    turned: bool,
    sizes: Any,
) -> KernelCall:
    """The launch that arranges a matrix (length, columns) into workspace ``number``."""
    return KernelCall(
        _panels_text(dtype, shape.lanes, shape.vectors, turned),
        "kernel",
        (length, columns),
        (matrix, Pointer(Role.WORKSPACE, number)),
        shape.wide(columns) // shape.lanes,
        max(1, 4096 // (length * shape.lanes)),
        sizes,
        label="recurrent layer: arrange the weights",
    )


def product(
    f: Function,
    dtype: np.dtype[Any],
    tile: int,
    vectors: int,
    rows: Any,
    row_at: Callable[[Any], Any],
    matrix: Any,
    length: Any,
    columns: Any,
    store: Callable[[Any, Any, Any], None],
    initial: Callable[[Any, Any], Any] | None = None,
) -> None:
    """Rows (a multiple of ``tile`` of them, ``length`` long, at ``row_at(number)``) times the arranged ``matrix``.

    ``store(row, column, vector)`` gets the results; ``initial(row, column)`` gives what they are added to.
    """
    element = element_of(dtype)
    lanes = registers().lanes(dtype)
    start: Any = f.i64(0)
    for width in [vectors, 1] if vectors > 1 else [1]:
        span = width * lanes
        room = f.sub(columns, start)
        stop = f.add(start, f.mul(f.divide(room, span), span)) if width > 1 else columns
        with f.loop(start, stop, span) as column, f.loop(0, rows, tile) as row:
            panel = f.at(element, matrix, f.mul(column, length))
            sources = [row_at(f.add(row, m)) for m in range(tile)]
            sums = [
                f.zero(element, lanes)
                if initial is None
                else initial(f.add(row, m), f.add(column, i * lanes))
                for m in range(tile)
                for i in range(width)
            ]
            with f.carried(0, length, sums) as (k, current):
                here = f.at(element, panel, f.mul(k, span))
                xs = [f.load_vector(element, lanes, here, i * lanes) for i in range(width)]
                for m in range(tile):
                    value = f.splat(f.load(element, sources[m], k), lanes)
                    for i in range(width):
                        current[m * width + i] = f.multiply_add(value, xs[i], current[m * width + i])
            for m in range(tile):
                for i in range(width):
                    store(f.add(row, m), f.add(column, i * lanes), current[m * width + i])
        start = stop


@lru_cache(maxsize=4)
def _column_sums_text(dtype: np.dtype[Any], lanes: int) -> str:
    """Units: vectors of columns. ints: rows, columns."""
    element = element_of(dtype)
    f = Function("kernel", as_written=True)
    rows, columns = f.int_(0), f.int_(1)
    with f.loop(f.begin, f.end) as unit:
        first = f.mul(unit, lanes)
        mask = f.lanes_below(f.sub(columns, first), lanes)
        with f.carried(0, rows, [f.zero(element, lanes)]) as (row, current):
            more = f.load_vector(element, lanes, f.pointer(0), f.add(f.mul(row, columns), first), mask)
            current[0] = f.b.fadd(current[0], more)
        f.store_vector(current[0], f.pointer(1), first, mask)
    return f.finish()


def column_sums(
    dtype: np.dtype[Any], source: Pointer, result: Pointer, rows: int, columns: int, sizes: Any
) -> KernelCall:
    """The launch that adds up the rows of a matrix."""
    lanes = registers().lanes(dtype)
    return KernelCall(
        _column_sums_text(dtype, lanes), "kernel", (rows, columns), (source, result), -(-columns // lanes),
        max(1, 8192 // (rows * lanes)), sizes, label="recurrent layer: gradient of the bias",
    )  # fmt: skip
