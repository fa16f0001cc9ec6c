"""Fourier transforms of rows whose length is a power of two: as many rows at once as a vector register has lanes.

Every lane is a transform of its own, so that the code has no shuffles but for the transposition of blocks on the way in and
out. The passes have radix 4 (the last one 2 where the exponent is odd) and sort themselves, from one half of the scratch
memory into the other. Source: T. G. Stockham, "High-speed convolution and correlation", 1966.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from ..codegen.structured import F32, F64, I64, PTR, Function
from .transposing import transposed
from .vector_registers import registers

LONGEST: Final = 4096  # points: the scratch memory of longer rows does not stay in the cache


def lanes_of(itemsize: int) -> int:
    """How many rows are transformed at once, of real numbers of so many bytes."""
    return registers().size // itemsize


@lru_cache(maxsize=32)
def factors(points: int, itemsize: int) -> NDArray[Any]:
    """The roots of one that the passes of radix 4 multiply by: w, w² and w³, real and imaginary, for each pass and place."""
    parts = []
    length = points
    while length >= 4:
        angles = np.arange(length // 4)[:, None] * np.array([1, 2, 3]) * (-2 * np.pi / length)
        parts.append(np.stack([np.cos(angles), np.sin(angles)], -1).reshape(-1))
        length //= 4
    return np.concatenate([*parts, [0.0]]).astype(f"f{itemsize}")


@lru_cache(maxsize=16)
def text(itemsize: int, real: bool, inverse: bool) -> str:
    """Units: blocks of rows. ints: rows, points, passes of radix 4, whether one of radix 2 follows, points of the result.

    pointers: source (rows of real or of complex numbers), target (complex), factors, the scale. scratch: four times as many
    vectors as there are points. ``inverse``: with the conjugate roots, by exchanging real and imaginary parts on the way in
    and out.
    """
    element = F32 if itemsize == 4 else F64
    lanes = lanes_of(itemsize)
    vector = ir.VectorType(element, lanes)
    f = Function("kernel", as_written=True)
    b = f.b
    rows, points, passes, odd, wanted = [f.int_(i) for i in range(5)]
    source, target, roots, scale_at = [f.pointer(i) for i in range(4)]
    scale = f.splat(f.load(element, scale_at), lanes)
    half = f.mul(points, 2 * lanes)
    first_half, second_half = f.scratch, f.at(element, f.scratch, half)

    def part(number: int) -> int:
        return 1 - number if inverse else number

    def load(base: Any, place: Any, number: int) -> Any:
        """The real (0) or imaginary (1) parts of the points at a place of one of the halves."""
        return f.load_vector(element, lanes, base, f.add(f.mul(place, 2 * lanes), number * lanes))

    def store(value: Any, base: Any, place: Any, number: int) -> None:
        f.store_vector(value, base, f.add(f.mul(place, 2 * lanes), number * lanes))

    with f.loop(f.begin, f.end) as unit:
        top = f.mul(unit, lanes)
        last = f.sub(f.sub(rows, top), 1)
        # In: each line of a block is a row's neighbours; rows past the end repeat the last one.
        width = f.mul(points, 1 if real else 2)
        lines = [f.mul(f.add(top, f.minimum(i, last)), width) for i in range(lanes)]
        with f.loop(0, width, lanes) as at:
            mask = f.lanes_below(f.sub(width, at), lanes)
            block = [f.load_vector(element, lanes, source, f.add(line, at), mask) for line in lines]
            for i, column in enumerate(transposed(f, block)):
                here = f.add(at, i)
                with f.when(f.less(here, width)):
                    if real:
                        store(column, first_half, here, part(0))
                        store(ir.Constant(vector, None), first_half, here, part(1))
                    elif inverse:
                        place = f.add(f.mul(f.divide(here, 2), 2), f.sub(1, f.remainder(here, 2)))
                        f.store_vector(column, first_half, f.mul(place, lanes))
                    else:
                        f.store_vector(column, first_half, f.mul(here, lanes))
        x, y = f.variable(PTR, first_half), f.variable(PTR, second_half)
        f.set(x, first_half)
        f.set(y, second_half)
        length, stride, root = f.variable(I64), f.variable(I64), f.variable(I64)
        f.set(length, points)
        f.set(stride, f.i64(1))
        f.set(root, f.i64(0))
        with f.loop(0, passes):
            quarter = f.divide(f.get(length, I64), 4)
            step = f.get(stride, I64)
            from_, to = f.get(x, PTR), f.get(y, PTR)
            table = f.at(element, roots, f.get(root, I64))
            across = f.mul(step, quarter)
            with f.loop(0, quarter) as p:
                w = [f.splat(f.load(element, table, f.add(f.mul(p, 6), i)), lanes) for i in range(6)]
                read, written = f.mul(step, p), f.mul(step, f.mul(p, 4))
                with f.loop(0, step) as q:
                    values = []
                    for i in range(4):
                        at = f.add(f.add(q, read), f.mul(across, i))
                        values.append((load(from_, at, 0), load(from_, at, 1)))
                    (ar, ai), (br, bi), (cr, ci), (dr, di) = values
                    apc, amc = (b.fadd(ar, cr), b.fadd(ai, ci)), (b.fsub(ar, cr), b.fsub(ai, ci))
                    bpd, bmd = (b.fadd(br, dr), b.fadd(bi, di)), (b.fsub(br, dr), b.fsub(bi, di))
                    # i · (b - d) is (-imaginary, real).
                    results = (
                        (b.fadd(apc[0], bpd[0]), b.fadd(apc[1], bpd[1])),
                        (b.fadd(amc[0], bmd[1]), b.fsub(amc[1], bmd[0])),
                        (b.fsub(apc[0], bpd[0]), b.fsub(apc[1], bpd[1])),
                        (b.fsub(amc[0], bmd[1]), b.fadd(amc[1], bmd[0])),
                    )
                    for i, (re, im) in enumerate(results):
                        at = f.add(f.add(q, written), f.mul(step, i))
                        if i:
                            wr, wi = w[2 * i - 2], w[2 * i - 1]
                            re, im = (
                                f.multiply_add(re, wr, b.fneg(b.fmul(im, wi))),
                                f.multiply_add(re, wi, b.fmul(im, wr)),
                            )
                        store(re, to, at, 0)
                        store(im, to, at, 1)
            f.set(root, f.add(f.get(root, I64), f.mul(quarter, 6)))
            f.set(length, quarter)
            f.set(stride, f.mul(step, 4))
            f.set(x, to)
            f.set(y, from_)
        with f.when(f.b.icmp_signed("!=", odd, f.i64(0))):
            step = f.get(stride, I64)
            from_, to = f.get(x, PTR), f.get(y, PTR)
            with f.loop(0, step) as q:
                other = f.add(q, step)
                for number in range(2):
                    one, two = load(from_, q, number), load(from_, other, number)
                    store(b.fadd(one, two), to, q, number)
                    store(b.fsub(one, two), to, other, number)
            f.set(x, to)
        # Out: the transpose of a block again, as far as there are rows.
        result = f.get(x, PTR)
        wide = f.mul(wanted, 2)
        with f.loop(0, wide, lanes) as at:
            block = []
            for i in range(lanes):
                here = f.minimum(f.add(at, i), f.sub(wide, 1))
                if inverse:
                    here = f.add(f.mul(f.divide(here, 2), 2), f.sub(1, f.remainder(here, 2)))
                block.append(b.fmul(f.load_vector(element, lanes, result, f.mul(here, lanes)), scale))
            mask = f.lanes_below(f.sub(wide, at), lanes)
            for i, line in enumerate(transposed(f, block)):
                with f.when(f.less(f.i64(i - 1), last)):
                    f.store_vector(line, target, f.add(f.mul(f.add(top, i), wide), at), mask)
    return f.finish()
