"""Matrix products: tiles of the result, each one call of OpenBLAS or a loop of our own.

Large products run in register tiles (``tile_products``) where the processor has AVX-512; the others, and all of them
elsewhere, on OpenBLAS. That does not give the same bits when a product is cut differently, so the tiles follow from the
shape alone, and a worker takes whole tiles: results do not depend on the number of threads. The cut is the one that a small
model of OpenBLAS's time (arithmetic, packing of both operands, the call itself) finds best over one to eight workers.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from llvmlite import ir

from .. import blas as blas_library
from ..codegen import structured
from ..launch import KernelCall, Pointer, Role
from . import row_products, sifted_products, small_products, tile_products

Strides = tuple[int, ...]

_FIRST: Final = Pointer(Role.OPERAND, 0)
_SECOND: Final = Pointer(Role.OPERAND, 1)
_RESULT: Final = Pointer(Role.RESULT, 0)

_ROW_MAJOR: Final = 101
_NO_TRANSPOSE: Final = 111
_TRANSPOSE: Final = 112

# The model of OpenBLAS on one core, fitted to sgemm on Zen 4 and right to a tenth on Zen 3, for sizes from 16 to 1024:
# nanoseconds for one multiplication and addition, for packing one element, and for a call.
_NS_MULTIPLY: Final = 0.020
_NS_PACK: Final = 0.16
_NS_CALL: Final = 1000.0
# How much the time with so many workers counts in choosing a cut.
_WEIGHTS: Final = ((1, 0.3), (2, 1.0), (4, 0.2), (8, 0.1))
# Handing a product's tiles to workers, and waiting for them.
_NS_SHARE: Final = 1500.0
_COUNTS: Final = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32)
# Tiles that take longer are cut further, where they can be: a run waits for its last tile.
_NS_MOST_A_TILE: Final = 2e6
_MOST_TILES: Final = 256
# A vector times a matrix moves each element of the matrix once: about this many bytes a nanosecond, in pieces of this size.
_GEMV_PIECE_BYTES: Final = 256 << 10
# Shorter dot products leave vectors empty.
_ROW_FROM: Final = 64
# A small result of long sums is made in parts, each the sum over so many, which are then added in order.
_SPLIT_FROM: Final = 8192
_SPLIT_INNER: Final = 4096
_SPLIT_MOST_PARTS: Final = 32
_SPLIT_MOST_RESULTS: Final = 128 * 128
_SPLIT_LEAST_WORK: Final = 1 << 21
_SPLIT_LEAST_VECTOR_WORK: Final = 1 << 18
# Products of at most so many multiplications take less time than the call of OpenBLAS.
_OWN_LOOP_UP_TO: Final = 8192
_OWN_LOOP_INNER_UP_TO: Final = 256
_OWN_LOOP_WITHOUT_BLAS: Final = 1 << 20
# How many of them a unit should have.
_OWN_LOOP_UNIT: Final = 16384
# Leaving out zeros pays for products of at least so many rows (of what is sifted), columns, and sums of so many; where the
# result lies column by column, so that its tiles are turned at the end, for longer sums.
_SIFTED_ROWS_FROM: Final = 32
_SIFTED_COLUMNS_FROM: Final = 192
_SIFTED_INNER_FROM: Final = 32
_SIFTED_INNER_FROM_TURNED: Final = 128
# The lists take a third more memory than what is sifted.
_SIFTED_BYTES_UP_TO: Final = 64 << 20
# From so many multiplications on, register tiles of our own are worth compiling.
_TILES_FROM: Final = 1 << 20


class Coefficient(NamedTuple):
    """A factor: a constant times numbers that are read from memory when the kernel runs, given as (pointer, dtype)."""

    constant: float = 1.0
    numbers: tuple[tuple[Pointer, Any], ...] = ()


class _Product(NamedTuple):
    """One batch of products with everything that the kernel needs, in elements."""

    m: int
    n: int
    k: int
    batch: tuple[int, ...]
    a: Strides
    b: Strides
    c: Strides


def matmul_calls(
    m: int,
    n: int,
    k: int,
    dtype: Any,
    *,
    batch: tuple[int, ...] = (),
    a_strides: Strides,
    b_strides: Strides,
    c_strides: Strides,
    alpha: Coefficient | float = 1.0,
    beta: Coefficient | float = 0.0,
    a: Pointer = _FIRST,
    b: Pointer = _SECOND,
    c: Pointer = _RESULT,
    zeros: tuple[bool, bool] = (False, False),
    label: str = "matmul",
) -> tuple[KernelCall, ...] | None:
    """``c = alpha * a @ b + beta * c`` for matrices m×k, k×n and m×n, for every index of ``batch``.

    Strides are in elements: one for each dimension of ``batch`` (0 where an operand is the same for all), then of rows
    and of columns. float32 and float64; integers, for alpha 1 and beta 0. Where ``beta`` is not zero the result's memory
    must hold the old values (an update in place); c shares no memory with a and b. ``zeros``: whether a and b are likely to
    be zero in many places (a matter of speed alone). None: no kernel for this (another
    dtype, strides that BLAS cannot express, or a large product without OpenBLAS); a contiguous copy of the operands, or
    NumPy, will do it.
    """
    blas = blas_library.find()
    dtype = np.dtype(dtype)
    if not small_products.supported(dtype):
        return None
    real = dtype.kind == "f"
    alpha = alpha if isinstance(alpha, Coefficient) else Coefficient(float(alpha))
    beta = beta if isinstance(beta, Coefficient) else Coefficient(float(beta))
    product = _simplified(_Product(m, n, k, batch, a_strides, b_strides, c_strides))
    if _size(product.batch) * product.m * product.n == 0:
        return ()
    if product.k == 0:
        return None  # nothing to add up: beta * c alone, which is a loop over elements
    pointers = (a, b, c, *(number for number, _ in (*alpha.numbers, *beta.numbers)))
    if not _unit(product.c[-1], product.n) and _unit(product.c[-2], product.m):
        product = _transposed(product)
        pointers = (b, a, c, *pointers[3:])
        zeros = (zeros[1], zeros[0])
    coefficients = _Coefficients(
        alpha.constant,
        beta.constant,
        tuple(np.dtype(d).name for _, d in alpha.numbers),
        tuple(np.dtype(d).name for _, d in beta.numbers),
    )
    flops = 2 * m * n * k * _size(batch)
    plain = coefficients == _ONE
    work = product.m * product.n * product.k
    small = work <= _OWN_LOOP_UP_TO and product.k <= _OWN_LOOP_INNER_UP_TO
    if (not real and plain) or (real and (small or (blas is None and work <= _OWN_LOOP_WITHOUT_BLAS))):
        call = _own_loop(product, dtype, coefficients, plain, pointers)
        if call is not None:
            return (call._replace(flops=flops, label=label),)
    if blas is None or not real:
        return None
    if any(zeros):
        sifted = _sifted(product, dtype, coefficients, pointers, zeros)
        if sifted is not None:
            sift, multiply = sifted
            return sift._replace(label="sift"), multiply._replace(flops=flops, label=label)
    if product.n == 1 and product.m > 1:
        product = _transposed(product)
        pointers = (pointers[1], pointers[0], *pointers[2:])
    if _worth_splitting(product, dtype):
        calls = _split(product, dtype, blas.wide, coefficients, pointers)
        if calls is not None:
            return tuple(call._replace(label=label) for call in calls)
    call = _blas_call(product, dtype, blas.wide, coefficients, pointers)
    return None if call is None else (call._replace(flops=flops, label=label),)


def tiles(
    m: int,
    n: int,
    k: int,
    dtype: Any,
    batch: tuple[int, ...],
    a_strides: Strides,
    b_strides: Strides,
    c_strides: Strides,
    zeros: tuple[bool, bool] = (False, False),
) -> tuple[KernelCall, ...] | None:
    """``c = a @ b`` in register tiles of our own, or without the zeros of an operand; None where OpenBLAS is better."""
    product = _simplified(_Product(m, n, k, batch, a_strides, b_strides, c_strides))
    pointers = (_FIRST, _SECOND, _RESULT)
    if any(zeros):
        return _sifted(product, dtype, _ONE, pointers, zeros)
    if min(product.m, product.n) < 2:
        return None
    call = _tiled(product, dtype, _ONE, pointers)
    return None if call is None else (call,)


class _Coefficients(NamedTuple):
    alpha: float
    beta: float
    alpha_dtypes: tuple[str, ...]
    beta_dtypes: tuple[str, ...]


_ONE: Final = _Coefficients(1.0, 0.0, (), ())


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for extent in shape:
        size *= extent
    return size


def _up(number: int, multiple: int) -> int:
    """The next multiple."""
    return -(-number // multiple) * multiple


def _unit(stride: int, extent: int) -> bool:
    return stride == 1 or extent == 1


def _transposed(p: _Product) -> _Product:
    """The same product as ``c.T = b.T @ a.T``."""

    def flip(strides: Strides) -> Strides:
        return (*strides[:-2], strides[-1], strides[-2])

    return _Product(p.n, p.m, p.k, p.batch, flip(p.b), flip(p.a), flip(p.c))


def _simplified(p: _Product) -> _Product:
    """Without batch dimensions of one element, neighbours merged, and batches that share b as more rows of a."""
    kept = [number for number, extent in enumerate(p.batch) if extent != 1]
    batch = [p.batch[number] for number in kept]
    strides = [[s[number] for number in kept] for s in (p.a, p.b, p.c)]
    at = len(batch) - 2
    while at >= 0:
        if all(s[at] == s[at + 1] * batch[at + 1] for s in strides):
            batch[at : at + 2] = [batch[at] * batch[at + 1]]
            for s in strides:
                del s[at]
        at -= 1
    m = p.m
    a_rows, c_rows = p.a[-2], p.c[-2]
    if batch and strides[1][-1] == 0 and p.b != ():
        if m == 1:
            a_rows, c_rows = strides[0][-1], strides[2][-1]
        if strides[0][-1] == a_rows * m and strides[2][-1] == c_rows * m and c_rows != 0:
            m *= batch.pop()
            for s in strides:
                s.pop()
    return _Product(
        m,
        p.n,
        p.k,
        tuple(batch),
        (*strides[0], a_rows, p.a[-1]),
        (*strides[1], *p.b[-2:]),
        (*strides[2], c_rows, p.c[-1]),
    )


def _layout(strides: Strides, rows: int, columns: int) -> tuple[int, int] | None:
    """(CblasTrans or CblasNoTrans, leading dimension) of a row-major matrix with these strides; None if there is none."""
    row, column = strides[-2:]
    if _unit(column, columns) and (rows == 1 or row >= columns):
        return _NO_TRANSPOSE, max(row if rows > 1 else columns, columns, 1)
    if _unit(row, rows) and (columns == 1 or column >= rows):
        return _TRANSPOSE, max(column if columns > 1 else rows, rows, 1)
    return None


@lru_cache(maxsize=512)
def tiling(m: int, n: int, k: int, batch: int, double: bool) -> tuple[int, int]:
    """Rows and columns of a tile of an m×n result, from the shape alone.

    Example:
        >>> tiling(64, 100, 1000, 1, False)
        (64, 52)
    """
    multiply = _NS_MULTIPLY * (2 if double else 1)
    rows_step, columns_step = (8, 4) if double else (16, 4)
    best: tuple[float, int, int] | None = None
    for rows_count in _COUNTS:
        rows = _up(_up(m, rows_count) // rows_count, rows_step)
        if rows_count > 1 and -(-m // rows) < rows_count:
            continue
        for columns_count in _COUNTS:
            columns = _up(_up(n, columns_count) // columns_count, columns_step)
            if (
                columns_count > 1 and -(-n // columns) < columns_count
            ) or rows_count * columns_count > _MOST_TILES:
                continue
            if rows * columns * k * multiply > _NS_MOST_A_TILE and rows_count * columns_count < _COUNTS[-1]:
                continue
            tile = multiply * rows * columns * k + _NS_PACK * k * (rows + columns) + _NS_CALL
            tiles = rows_count * columns_count * batch
            time = sum(weight * -(-tiles // workers) * tile for workers, weight in _WEIGHTS)
            time += _NS_SHARE if rows_count * columns_count > 1 else 0.0
            if best is None or time < best[0]:
                best = (time, rows, columns)
    assert best is not None
    return min(best[1], m), min(best[2], n)


def _bits(number: float) -> int:
    return int(struct.unpack("<q", struct.pack("<d", number))[0])


def _blas_call(
    p: _Product, dtype: Any, wide: bool, coefficients: _Coefficients, pointers: tuple[Pointer, ...]
) -> KernelCall | None:
    if p.m == 1:
        call = _row(p, dtype, coefficients, pointers) or _gemv(p, dtype, wide, coefficients, pointers)
    else:
        call = _tiled(p, dtype, coefficients, pointers)
    return call or _gemm(p, dtype, wide, coefficients, pointers)


def _gemm(
    p: _Product, dtype: Any, wide: bool, coefficients: _Coefficients, pointers: tuple[Pointer, ...]
) -> KernelCall | None:
    a, b, c = _layout(p.a, p.m, p.k), _layout(p.b, p.k, p.n), _layout(p.c, p.m, p.n)
    if a is None or b is None or c is None or c[0] != _NO_TRANSPOSE:
        return None
    if not wide and max(p.m, p.n, p.k, a[1], b[1], c[1]) >= 1 << 31:
        return None
    count = _size(p.batch)
    rows, columns = tiling(p.m, p.n, p.k, count, dtype.itemsize == 8)
    across = -(-p.n // columns)
    tiles = -(-p.m // rows) * across
    size = dtype.itemsize
    ints = (
        _bits(coefficients.alpha),
        _bits(coefficients.beta),
        *(p.m, p.n, p.k, rows, columns, across, tiles),
        *(a[0], b[0], a[1], b[1], c[1]),
        *(p.a[-2] * size, p.b[-1] * size, p.c[-2] * size, p.c[-1] * size),
        *_batch_ints(p, size),
    )
    text = _gemm_text(size == 8, wide, coefficients.alpha_dtypes, coefficients.beta_dtypes)
    nanoseconds = _NS_MULTIPLY * rows * columns * p.k + _NS_CALL
    return KernelCall(text, "kernel", ints, pointers, tiles * count, max(1, round(5000 / nanoseconds)))


def _tiled(
    p: _Product, dtype: Any, coefficients: _Coefficients, pointers: tuple[Pointer, ...]
) -> KernelCall | None:
    """By register tiles of our own; None where there is none for this, or OpenBLAS is as good."""
    double = dtype.itemsize == 8
    machine = tile_products.machine(double)
    count, size = _size(p.batch), dtype.itemsize
    if machine is None or p.m * p.n * p.k * count < _TILES_FROM or p.n < machine.lanes // 2 or p.c[-1] != 1:
        return None
    a_turned, b_turned = not _unit(p.a[-1], p.k), not _unit(p.b[-1], p.n)
    if (a_turned and not _unit(p.a[-2], p.m)) or (b_turned and not _unit(p.b[-2], p.k)):
        return None
    a_step = p.a[-1 if a_turned else -2] * size
    b_step = p.b[-1 if b_turned else -2] * size
    tiles = tile_products.tiles_of(p.m, p.n, p.k, count, double, machine, a_step, b_step, b_turned)
    slices = tile_products.slices_of(p.k, double)
    adds = slices.number > 1 or bool(coefficients.beta)
    shape = tile_products.shape_of(p.n, double, a_turned, b_turned, adds, machine, tiles)
    across = -(-p.n // tiles.span)
    down = -(-tiles.blocks // tiles.together)
    number = down * across
    ints = (
        _bits(coefficients.alpha),
        _bits(coefficients.beta),
        *(p.m, p.n, p.k, down, tiles.span, across, number),
        *(*slices, tiles.full, tiles.blocks, a_step, b_step, p.c[-2] * size),
        *_batch_ints(p, size),
    )
    reader = _coefficient_reader(coefficients.alpha_dtypes, coefficients.beta_dtypes)
    text = tile_products.text_of(shape, reader, _batch_offsets)
    nanoseconds = _NS_MULTIPLY * tiles.together * tiles.rows * tiles.span * p.k
    return KernelCall(
        text,
        "kernel",
        ints,
        pointers,
        number * count,
        max(1, round(5000 / nanoseconds)),
        scratch=tile_products.scratch_bytes(shape, tiles),
    )


def _sifted(
    p: _Product,
    dtype: Any,
    coefficients: _Coefficients,
    pointers: tuple[Pointer, ...],
    zeros: tuple[bool, bool],
) -> tuple[KernelCall, KernelCall] | None:
    """By lists of what is not zero in an operand; None where there is no code for this, or it would not pay."""
    double, size = dtype.itemsize == 8, dtype.itemsize
    machine = tile_products.machine(double)
    if machine is None or p.batch or p.m * p.n * p.k < _TILES_FROM or p.k < _SIFTED_INNER_FROM:
        return None
    for side in (0, 1):
        if not zeros[side]:
            continue
        q = _transposed(p) if side else p
        a, b, c = q.a, q.b, q.c
        a_turned, b_turned, c_turned = not _unit(a[-1], q.k), not _unit(b[-1], q.n), not _unit(c[-1], q.n)
        if (a_turned and not _unit(a[-2], q.m)) or (b_turned and not _unit(b[-2], q.k)):
            continue
        if c_turned and (q.k < _SIFTED_INNER_FROM_TURNED or not _unit(c[-2], q.m)):
            continue
        if q.m < _SIFTED_ROWS_FROM or q.n < _SIFTED_COLUMNS_FROM:
            continue
        slices = tile_products.slices_of(q.k, double)
        cut = sifted_products.cut_of(q.m, q.n, slices, q.k, machine)
        parts = sifted_products.parts_of(slices, q.k, cut.depth)
        columns = cut.vectors * machine.lanes
        shape = sifted_products.Shape(
            double, machine.lanes, cut.depth, cut.vectors, a_turned, b_turned, c_turned, q.n % columns != 0,
            slices.number > 1 or bool(coefficients.beta),
        )  # fmt: skip
        panels, number = -(-q.n // columns), len(parts) // 2
        ints = (
            *(_bits(coefficients.alpha), _bits(coefficients.beta)),
            *(q.m, q.n, cut.rows, panels, number),
            *(a[-2] * size, a[-1] * size, b[-2] * size, b[-1] * size, c[-2] * size, c[-1] * size, *parts),
        )
        lists = Pointer(Role.WORKSPACE, 0)
        left, right = (pointers[1], pointers[0]) if side else pointers[:2]
        reader = _coefficient_reader(coefficients.alpha_dtypes, coefficients.beta_dtypes)
        space = (sifted_products.lists_bytes(shape, q.m, number),)
        if space[0] > _SIFTED_BYTES_UP_TO:
            continue
        sift = KernelCall(
            sifted_products.sift_text(shape), "kernel", ints, (left, lists), -(-q.m // machine.lanes),
            max(1, 256 // q.k), space, sifted_products.sift_scratch_bytes(shape),
        )  # fmt: skip
        multiply = KernelCall(
            sifted_products.product_text(shape, reader, len(pointers)),
            "kernel", ints, (left, right, *pointers[2:], lists), -(-q.m // cut.rows) * panels, 1, space,
            sifted_products.product_scratch_bytes(shape, cut.rows),
        )  # fmt: skip
        return sift, multiply
    return None


def _row(
    p: _Product, dtype: Any, coefficients: _Coefficients, pointers: tuple[Pointer, ...]
) -> KernelCall | None:
    """A row times a matrix that lies column by column; None for others."""
    if not (_unit(p.a[-1], p.k) and p.b[-2] == 1 and p.k >= _ROW_FROM):
        return None
    size = dtype.itemsize
    columns = max(1, _GEMV_PIECE_BYTES // (size * p.k))
    pieces = -(-p.n // columns)
    columns = -(-p.n // pieces)
    pieces = -(-p.n // columns)
    ints = (
        _bits(coefficients.alpha),
        _bits(coefficients.beta),
        *(p.n, p.k, columns, pieces, p.b[-1] * size, p.c[-1] * size),
        *_batch_ints(p, size),
    )
    text = row_products.text_of(
        size == 8, _coefficient_reader(coefficients.alpha_dtypes, coefficients.beta_dtypes), _batch_offsets
    )
    nanoseconds = size * p.k * columns / 50 + 100
    return KernelCall(
        text, "kernel", ints, pointers, pieces * _size(p.batch), max(1, round(5000 / nanoseconds))
    )


def _gemv(
    p: _Product, dtype: Any, wide: bool, coefficients: _Coefficients, pointers: tuple[Pointer, ...]
) -> KernelCall | None:
    """A row times a matrix: pieces of the result's columns."""
    layout = _layout(p.b, p.k, p.n)
    steps = (p.a[-1] if p.k > 1 else 1, p.c[-1] if p.n > 1 else 1)
    if layout is None or min(steps) <= 0 or (not wide and max(p.n, p.k, layout[1], *steps) >= 1 << 31):
        return None
    size = dtype.itemsize
    columns = max(16, -(-_GEMV_PIECE_BYTES // (size * p.k) // 16) * 16)
    pieces = max(1, round(p.n / columns))
    columns = min(p.n, -(-p.n // pieces // 16) * 16) if pieces > 1 else p.n
    pieces = -(-p.n // columns)
    ints = (
        _bits(coefficients.alpha),
        _bits(coefficients.beta),
        *(p.n, p.k, columns, pieces, layout[0], layout[1], *steps),
        *(p.b[-1] * size, p.c[-1] * size),
        *_batch_ints(p, size),
    )
    text = _gemv_text(size == 8, wide, coefficients.alpha_dtypes, coefficients.beta_dtypes)
    nanoseconds = size * p.k * columns / 20 + 300
    return KernelCall(
        text, "kernel", ints, pointers, pieces * _size(p.batch), max(1, round(5000 / nanoseconds))
    )


def _worth_splitting(p: _Product, dtype: Any) -> bool:
    """Whether there would be too few tiles, for much work."""
    rows, columns = tiling(p.m, p.n, p.k, _size(p.batch), dtype.itemsize == 8)
    tiles = -(-p.m // rows) * -(-p.n // columns) * _size(p.batch)
    few = tiles <= 4 and not p.batch and p.m * p.n <= _SPLIT_MOST_RESULTS
    least = _SPLIT_LEAST_VECTOR_WORK if p.m == 1 else _SPLIT_LEAST_WORK
    return few and p.k >= _SPLIT_FROM and p.m * p.n * p.k >= least


def _split(
    p: _Product, dtype: Any, wide: bool, coefficients: _Coefficients, pointers: tuple[Pointer, ...]
) -> tuple[KernelCall, ...] | None:
    """Products over parts of k into workspace memory, and their sum."""
    if not _unit(p.c[-1], p.n):
        return None
    parts = min(_SPLIT_MOST_PARTS, p.k // _SPLIT_INNER)
    inner = -(-p.k // parts)
    parts, size, results = p.k // inner, dtype.itemsize, p.m * p.n
    rest = p.k - parts * inner
    space = Pointer(Role.WORKSPACE, 0)
    a, b, _, *numbers = pointers
    parts_of_k = _Product(
        p.m,
        p.n,
        inner,
        (parts,),
        (inner * p.a[-1], *p.a),
        (inner * p.b[-2], *p.b),
        (results, p.n, 1),
    )
    calls = [_blas_call(parts_of_k, dtype, wide, _ONE, (a, b, space))]
    if rest:
        done = parts * inner * size
        rest_pointers = (
            a._replace(offset=a.offset + done * p.a[-1]),
            b._replace(offset=b.offset + done * p.b[-2]),
            space._replace(offset=parts * results * size),
        )
        last = _Product(p.m, p.n, rest, (), p.a, p.b, (p.n, 1))
        calls.append(_blas_call(last, dtype, wide, _ONE, rest_pointers))
    summands = parts + (rest > 0)
    ints = (_bits(coefficients.alpha), _bits(coefficients.beta), p.m, p.n, summands, p.c[-2] * size)
    text = _sum_text(size == 8, coefficients.alpha_dtypes, coefficients.beta_dtypes)
    calls.append(
        KernelCall(text, "kernel", ints, (space, pointers[2], space, *numbers), p.m, -(-2000 // p.n))
    )
    if any(call is None for call in calls):
        return None
    workspace = (summands * results * size,)
    flops = (2 * results * parts * inner, 2 * results * rest)[: len(calls) - 1]
    return tuple(
        call._replace(workspaces=workspace, flops=number)
        for call, number in zip(calls, (*flops, results * summands), strict=True)
        if call is not None
    )


@lru_cache(maxsize=16)
def _sum_text(double: bool, alpha_dtypes: tuple[str, ...], beta_dtypes: tuple[str, ...]) -> str:
    """A unit is a row of the result: the sums, in order, of its elements in all parts."""
    f = structured.Function("kernel")
    type_ = structured.F64 if double else structured.F32
    size = 8 if double else 4
    alpha = _coefficient(f, type_, 0, 3, alpha_dtypes)
    beta = _coefficient(f, type_, 1, 3 + len(alpha_dtypes), beta_dtypes)
    m, n, summands, c_row = (f.int_(2 + i) for i in range(4))
    parts, c = f.pointer(0), f.pointer(1)
    results = f.mul(m, n)
    with f.loop(f.begin, f.end) as i:
        row = f.at(structured.I8, c, f.mul(i, c_row))
        with f.loop(0, n) as j:
            total = f.variable(type_)
            f.set(total, ir.Constant(type_, 0.0))
            with f.loop(0, summands) as part:
                x = f.load(type_, parts, f.add(f.mul(part, results), f.add(f.mul(i, n), j)), align=size)
                f.set(total, f.b.fadd(f.get(total, type_), x))
            f.set(total, f.b.fmul(f.get(total, type_), alpha))
            with f.when(f.b.fcmp_unordered("!=", beta, ir.Constant(type_, 0.0))):
                old = f.load(type_, row, j, align=size)
                f.set(total, f.b.fadd(f.get(total, type_), f.b.fmul(beta, old)))
            f.store(f.get(total, type_), row, j, align=size)
    return f.finish()


def _own_loop(
    p: _Product, dtype: Any, coefficients: _Coefficients, plain: bool, pointers: tuple[Pointer, ...]
) -> KernelCall | None:
    if not _unit(p.c[-1], p.n):
        return None
    size = dtype.itemsize
    packed = not _unit(p.b[-1], p.n)
    if packed and p.k * p.n > _OWN_LOOP_WITHOUT_BLAS:
        return None
    rows = max(4, min(-(-p.m // 4) * 4, _OWN_LOOP_UNIT // (p.n * p.k) // 4 * 4))
    across = -(-p.m // rows)
    ints = (
        *(_bits(coefficients.alpha), _bits(coefficients.beta)),
        *(p.m, p.n, p.k, rows, across),
        *(p.a[-2] * size, p.a[-1] * size, p.b[-2] * size, p.b[-1] * size, p.c[-2] * size),
        *_batch_ints(p, size),
    )
    reader = None if plain else _coefficient_reader(coefficients.alpha_dtypes, coefficients.beta_dtypes)
    text = small_products.small_product_text(dtype.name, packed, reader, _batch_offsets)
    multiplications = min(rows, p.m) * p.n * p.k
    return KernelCall(
        text,
        "kernel",
        ints,
        pointers,
        across * _size(p.batch),
        max(1, _OWN_LOOP_UNIT // multiplications),
        scratch=p.k * p.n * size if packed else 0,
    )


@lru_cache(maxsize=64)
def _coefficient_reader(alpha_dtypes: tuple[str, ...], beta_dtypes: tuple[str, ...]) -> Any:
    def read(f: structured.Function, type_: Any) -> tuple[Any, Any]:
        alpha = _coefficient(f, type_, 0, 3, alpha_dtypes)
        return alpha, _coefficient(f, type_, 1, 3 + len(alpha_dtypes), beta_dtypes)

    return read


def _batch_ints(p: _Product, size: int) -> tuple[int, ...]:
    """The number of batch dimensions, then from the last to the first: extent, and the strides of a, b and c in bytes."""
    ints = [len(p.batch)]
    for number in reversed(range(len(p.batch))):
        ints += [p.batch[number], p.a[number] * size, p.b[number] * size, p.c[number] * size]
    return tuple(ints)


_DTYPES: Final = {"float32": structured.F32, "float64": structured.F64}


def _coefficient(f: structured.Function, type_: Any, at: int, first: int, dtypes: tuple[str, ...]) -> Any:
    """``ints[at]`` as a float64, times the numbers at ``pointers[first:]``."""
    b = f.b
    value = b.bitcast(f.int_(at), structured.F64)
    for number, name in enumerate(dtypes):
        factor = f.load(_DTYPES[name], f.pointer(first + number))
        if name == "float32":
            factor = b.fpext(factor, structured.F64)
        value = b.fmul(value, factor)
    return value if type_ == structured.F64 else b.fptrunc(value, type_)


def _batch_offsets(f: structured.Function, index: Any, at: int) -> list[Any]:
    """How far into a, b and c batch ``index`` begins, in bytes; ``ints[at:]`` is what ``_batch_ints`` made."""
    rest = f.variable(structured.I64, index)
    offsets = [f.variable(structured.I64, f.i64(0)) for _ in range(3)]
    with f.loop(0, f.int_(at)) as dimension:
        place = f.add(f.mul(dimension, 4), at + 1)
        extent = f.load(structured.I64, f.ints, place)
        value = f.get(rest, structured.I64)
        position = f.remainder(value, extent)
        f.set(rest, f.divide(value, extent))
        for number, offset in enumerate(offsets):
            stride = f.load(structured.I64, f.ints, f.add(place, number + 1))
            f.set(offset, f.add(f.get(offset, structured.I64), f.mul(position, stride)))
    return [f.get(offset, structured.I64) for offset in offsets]


def _integers(f: structured.Function, wide: bool, values: list[Any]) -> list[Any]:
    return values if wide else [f.b.trunc(value, structured.I32) for value in values]


@lru_cache(maxsize=64)
def _gemm_text(double: bool, wide: bool, alpha_dtypes: tuple[str, ...], beta_dtypes: tuple[str, ...]) -> str:
    f = structured.Function("kernel")
    type_ = structured.F64 if double else structured.F32
    alpha = _coefficient(f, type_, 0, 3, alpha_dtypes)
    beta = _coefficient(f, type_, 1, 3 + len(alpha_dtypes), beta_dtypes)
    m, n, k, rows, columns, across, tiles = (f.int_(2 + i) for i in range(7))
    a_transposed, b_transposed = (f.b.trunc(f.int_(9 + i), structured.I32) for i in range(2))
    a_lead, b_lead, c_lead = (f.int_(11 + i) for i in range(3))
    a_row, b_column, c_row, c_column = (f.int_(14 + i) for i in range(4))
    bases = [f.pointer(number) for number in range(3)]
    with f.loop(f.begin, f.end) as unit:
        batch = f.divide(unit, tiles)
        tile = f.remainder(unit, tiles)
        i = f.mul(f.divide(tile, across), rows)
        j = f.mul(f.remainder(tile, across), columns)
        a_batch, b_batch, c_batch = _batch_offsets(f, batch, 18)
        a = f.at(structured.I8, bases[0], f.add(a_batch, f.mul(i, a_row)))
        b = f.at(structured.I8, bases[1], f.add(b_batch, f.mul(j, b_column)))
        c = f.at(structured.I8, bases[2], f.add(c_batch, f.add(f.mul(i, c_row), f.mul(j, c_column))))
        sizes = _integers(f, wide, [f.minimum(rows, f.sub(m, i)), f.minimum(columns, f.sub(n, j)), k])
        leads = _integers(f, wide, [a_lead, b_lead, c_lead])
        order = ir.Constant(structured.I32, _ROW_MAJOR)
        f.call(
            f"rushlight_cblas_{'d' if double else 's'}gemm",
            structured.VOID,
            [order, a_transposed, b_transposed, *sizes, alpha, a, leads[0], b, leads[1], beta, c, leads[2]],
        )
    return f.finish()


@lru_cache(maxsize=64)
def _gemv_text(double: bool, wide: bool, alpha_dtypes: tuple[str, ...], beta_dtypes: tuple[str, ...]) -> str:
    f = structured.Function("kernel")
    type_ = structured.F64 if double else structured.F32
    alpha = _coefficient(f, type_, 0, 3, alpha_dtypes)
    beta = _coefficient(f, type_, 1, 3 + len(alpha_dtypes), beta_dtypes)
    n, k, columns, pieces, layout, lead, x_step, y_step = (f.int_(2 + i) for i in range(8))
    b_column, c_column = (f.int_(10 + i) for i in range(2))
    bases = [f.pointer(number) for number in range(3)]
    order = ir.Constant(structured.I32, _ROW_MAJOR)
    plain = f.b.icmp_signed("==", layout, f.i64(_NO_TRANSPOSE))
    # y = B.T x: BLAS is told of B as it lies in memory, so a B that lies transposed is not transposed again.
    transposed = f.b.select(
        plain,
        ir.Constant(structured.I32, _TRANSPOSE),
        ir.Constant(structured.I32, _NO_TRANSPOSE),
    )
    with f.loop(f.begin, f.end) as unit:
        j = f.mul(f.remainder(unit, pieces), columns)
        x_batch, b_batch, c_batch = _batch_offsets(f, f.divide(unit, pieces), 12)
        count = f.minimum(columns, f.sub(n, j))
        sizes = _integers(f, wide, [f.b.select(plain, k, count), f.b.select(plain, count, k)])
        lead_, x_step_, y_step_ = _integers(f, wide, [lead, x_step, y_step])
        x = f.at(structured.I8, bases[0], x_batch)
        b = f.at(structured.I8, bases[1], f.add(b_batch, f.mul(j, b_column)))
        c = f.at(structured.I8, bases[2], f.add(c_batch, f.mul(j, c_column)))
        f.call(
            f"rushlight_cblas_{'d' if double else 's'}gemv",
            structured.VOID,
            [order, transposed, *sizes, alpha, b, lead_, x, x_step_, beta, c, y_step_],
        )
    return f.finish()
