"""Pooling: a work unit is the plane of one sample and channel; vectors run along the output's rows.

Depth, rows and columns always, of extent 1 where there are fewer dimensions.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, Final

import numpy as np
from llvmlite import ir

from ..codegen.structured import I32, I64, Function
from ..launch import KernelCall, Pointer, Role
from .convolution import element_of, three
from .vector_registers import FLOATS, registers

_LARGEST: Final = 1 << 31  # elements of a plane: positions are 32-bit numbers inside the kernels
_INT64: Final = np.dtype(np.int64)
_OPERAND, _RESULT = Pointer(Role.OPERAND, 0), Pointer(Role.RESULT, 0)
_INDICES: Final = Pointer(Role.RESULT, 1)


def _grain(elements: int) -> int:
    """How many planes a worker should take at a time, of which each has ``elements``."""
    return max(1, 8192 // max(1, elements))


def _suits(shapes: Any, dtypes: Any, results: Any) -> bool:
    return (
        dtypes[0] in FLOATS
        and len(shapes[0]) in (3, 4, 5)
        and all(prod(shape) for shape in (*shapes, *results))
        and all(prod(shape[2:]) < _LARGEST for shape in (*shapes, *results))
    )


def _lanes(dtype: np.dtype[Any], columns: int) -> int:
    lanes = registers().lanes(dtype)
    while lanes > 4 and columns <= lanes // 2:
        lanes //= 2
    return lanes


# --- maxima -----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=32)
def _max_text(dtype: np.dtype[Any], lanes: int, taps: int, step: int) -> str:
    """``taps``: those along the columns, -1 for too many to unroll; ``step``: the columns' stride.

    ints: input extents, output extents, kernel, stride, padding, dilation, three of each.
    """
    element = element_of(dtype)
    f = Function("kernel", as_written=True)
    size, out, kernel, stride, padding, dilation = [[f.int_(3 * i + j) for j in range(3)] for i in range(6)]
    numbers = ir.VectorType(I32, lanes)
    plane, result_plane = f.mul(f.mul(size[0], size[1]), size[2]), f.mul(f.mul(out[0], out[1]), out[2])

    def narrow(value: Any) -> Any:
        return f.splat(f.b.trunc(f.i64(value), I32), lanes)

    def first_inside(start: Any, apart: Any) -> Any:
        """The first position of a window that is not negative."""
        back = f.maximum(f.sub(0, start), 0)
        return f.add(start, f.mul(f.divide(f.add(back, f.sub(apart, 1)), apart), apart))

    with f.loop(f.begin, f.end) as unit:
        x = f.at(element, f.pointer(0), f.mul(unit, plane))
        values = f.at(element, f.pointer(1), f.mul(unit, result_plane))
        indices = f.at(I64, f.pointer(2), f.mul(unit, result_plane))
        with f.loop(0, out[0]) as od, f.loop(0, out[1]) as oh, f.loop(0, out[2], lanes) as ow:
            starts = [f.sub(f.mul(o, s), p) for o, s, p in zip((od, oh, ow), stride, padding, strict=True)]
            # The index if nothing is greater than the lowest value: of the window's first element.
            along = f.b.mul(ir.Constant(numbers, list(range(lanes))), narrow(stride[2]))
            columns = f.b.add(along, narrow(starts[2]))
            negative = f.b.icmp_signed("<", columns, ir.Constant(numbers, [0] * lanes))
            # The smallest t with columns + t · dilation >= 0.
            apart = narrow(dilation[2])
            zero = ir.Constant(numbers, [0] * lanes)
            back = f.b.udiv(f.b.add(f.b.sub(zero, columns), f.b.sub(apart, narrow(1))), apart)
            begin = f.b.select(negative, f.b.add(columns, f.b.mul(back, apart)), columns)
            row_first = f.add(
                f.mul(first_inside(starts[0], dilation[0]), size[1]), first_inside(starts[1], dilation[1])
            )
            index = f.b.add(begin, narrow(f.mul(row_first, size[2])))
            best = f.splat(ir.Constant(element, float("-inf")), lanes)
            with f.carried_over([(0, kernel[0]), (0, kernel[1])], [best, index]) as ((kd, kh), current):
                at_depth = f.add(starts[0], f.mul(kd, dilation[0]))
                at_row = f.add(starts[1], f.mul(kh, dilation[1]))
                inside = f.b.and_(
                    f.b.icmp_unsigned("<", at_depth, size[0]), f.b.icmp_unsigned("<", at_row, size[1])
                )
                row = f.mul(f.add(f.mul(at_depth, size[1]), at_row), size[2])
                stop = f.select(inside, size[2], 0)
                row_of = f.at(element, x, row)

                def tap(
                    kw: Any, state: list[Any], row: Any = row, row_of: Any = row_of, stop: Any = stop,
                    start: Any = starts[2], along: Any = along,
                ) -> None:  # fmt: skip
                    at = f.add(start, f.mul(kw, dilation[2]))
                    candidates = f.load_apart(element, lanes, row_of, at, step, 0, stop)
                    places = f.b.add(along, narrow(at))
                    there = f.b.icmp_unsigned("<", places, narrow(stop))
                    larger = f.b.or_(
                        f.b.fcmp_ordered(">", candidates, state[0]),
                        f.b.fcmp_unordered("uno", candidates, candidates),
                    )
                    taken = f.b.and_(larger, there)
                    state[0] = f.b.select(taken, candidates, state[0])
                    state[1] = f.b.select(taken, f.b.add(places, narrow(row)), state[1])

                if taps >= 0:
                    for kw in range(taps):
                        tap(f.i64(kw), current)
                else:
                    with f.carried(0, kernel[2], list(current)) as (kw, inner):
                        tap(kw, inner)
                    current[:] = inner
            place = f.add(f.mul(f.add(f.mul(od, out[1]), oh), out[2]), ow)
            mask = f.lanes_below(f.sub(out[2], ow), lanes)
            f.store_vector(current[0], values, place, mask)
            f.store_vector(f.b.sext(current[1], ir.VectorType(I64, lanes)), indices, place, mask)
    return f.finish()


def max_pool(
    shapes: tuple[tuple[int, ...], ...], dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``max_pool``: values and indices."""
    if not _suits(shapes, dtypes, results):
        return None
    size, out = shapes[0][2:], results[0][2:]
    kernel, stride = three(parameters["kernel"], 1), three(parameters["stride"], 1)
    ints = (
        *three(size, 1), *three(out, 1), *kernel, *stride, *three(parameters["padding"], 0), *three(parameters["dilation"], 1),
    )  # fmt: skip
    text = _max_text(dtypes[0], _lanes(dtypes[0], out[-1]), kernel[2] if kernel[2] <= 8 else -1, stride[2])
    planes = prod(shapes[0][:2])
    call = KernelCall(
        text, "kernel", ints, (_OPERAND, _RESULT, _INDICES), planes, _grain(prod(size)), label="max_pool",
        flops=planes * prod(out) * prod(kernel),
    )  # fmt: skip
    return (call,)


def _bounds_table(f: Function, first: Any, windows: list[Any]) -> list[Any]:
    """Where the (start, end) pairs of the windows along each axis begin in the ints."""
    places = [first]
    for count in windows[:-1]:
        places.append(f.add(places[-1], f.mul(count, 2)))
    return places


def _bounds(f: Function, place: Any, window: Any) -> tuple[Any, Any]:
    at = f.add(place, f.mul(window, 2))
    return f.load(I64, f.ints, at), f.load(I64, f.ints, f.add(at, 1))


@lru_cache(maxsize=8)
def _adaptive_max_text(dtype: np.dtype[Any]) -> str:
    """ints: input extents, output extents, then bounds of all windows along each axis."""
    element = element_of(dtype)
    f = Function("kernel", as_written=True)
    size, out = [f.int_(i) for i in range(3)], [f.int_(i) for i in range(3, 6)]
    plane, result_plane = f.mul(f.mul(size[0], size[1]), size[2]), f.mul(f.mul(out[0], out[1]), out[2])
    tables = _bounds_table(f, f.i64(6), out)
    with f.loop(f.begin, f.end) as unit:
        x = f.at(element, f.pointer(0), f.mul(unit, plane))
        with f.loop(0, out[0]) as od, f.loop(0, out[1]) as oh, f.loop(0, out[2]) as ow:
            bounds = [_bounds(f, table, o) for table, o in zip(tables, (od, oh, ow), strict=True)]
            first = f.add(f.mul(f.add(f.mul(bounds[0][0], size[1]), bounds[1][0]), size[2]), bounds[2][0])
            with f.carried_over(bounds, [f.load(element, x, first), first]) as ((d, r, c), current):
                at = f.add(f.mul(f.add(f.mul(d, size[1]), r), size[2]), c)
                value = f.load(element, x, at)
                taken = f.b.or_(
                    f.b.fcmp_ordered(">", value, current[0]), f.b.fcmp_unordered("uno", value, value)
                )
                current[0] = f.b.select(taken, value, current[0])
                current[1] = f.b.select(taken, at, current[1])
            place = f.add(f.mul(unit, result_plane), f.add(f.mul(f.add(f.mul(od, out[1]), oh), out[2]), ow))
            f.store(current[0], f.pointer(1), place)
            f.store(current[1], f.pointer(2), place)
    return f.finish()


def _adaptive_ints(size: tuple[int, ...], out: tuple[int, ...]) -> tuple[int, ...]:
    sizes, outs = three(size, 1), three(out, 1)
    bounds: list[int] = []
    for n, o in zip(sizes, outs, strict=True):
        for i in range(o):
            bounds += [i * n // o, -(-(i + 1) * n // o)]
    return (*sizes, *outs, *bounds)


def adaptive_max_pool(
    shapes: tuple[tuple[int, ...], ...], dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``adaptive_max_pool``: values and indices."""
    if not _suits(shapes, dtypes, results):
        return None
    return (
        KernelCall(
            _adaptive_max_text(dtypes[0]), "kernel", _adaptive_ints(shapes[0][2:], results[0][2:]),
            (_OPERAND, _RESULT, _INDICES), prod(shapes[0][:2]), _grain(prod(shapes[0][2:])), label="adaptive_max_pool",
        ),
    )  # fmt: skip


# --- indices ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _by_index_text(dtype: np.dtype[Any], scatters: bool) -> str:
    """ints: elements of a whole plane, and of a plane of indices. An index outside the plane is passed over."""
    element = element_of(dtype)
    f = Function("kernel", as_written=True)
    plane, chosen = f.int_(0), f.int_(1)
    given, indices, result = f.pointer(0), f.pointer(1), f.pointer(2)
    with f.loop(f.begin, f.end) as unit:
        few, many = f.mul(unit, chosen), f.mul(unit, plane)
        if scatters:
            into = f.at(element, result, many)
            with f.loop(0, plane, vectorise=True) as i:
                f.store(ir.Constant(element, 0.0), into, i)
        with f.loop(0, chosen) as i:
            at = f.load(I64, indices, f.add(few, i))
            inside = f.b.icmp_unsigned("<", at, plane)
            if scatters:
                with f.when(inside):
                    f.store(
                        f.b.fadd(f.load(element, into, at), f.load(element, given, f.add(few, i))), into, at
                    )
            else:
                value = f.load(element, given, f.add(many, f.select(inside, at, 0)))
                f.store(f.b.select(inside, value, ir.Constant(element, 0.0)), result, f.add(few, i))
    return f.finish()


def max_pool_gradient(
    shapes: tuple[tuple[int, ...], ...], dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``max_pool_gradient``: gradient and indices to planes."""
    return _by_index(shapes, dtypes, results, results[0], True)


def max_pool_gather(
    shapes: tuple[tuple[int, ...], ...], dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``max_pool_gather``: planes and indices to the elements there."""
    return _by_index(shapes, dtypes, results, shapes[0], False)


def _by_index(
    shapes: Any, dtypes: Any, results: Any, planes: tuple[int, ...], scatters: bool
) -> tuple[KernelCall, ...] | None:
    if not _suits(shapes, dtypes, results) or dtypes[1] != _INT64:
        return None
    size = prod(planes[2:])
    return (
        KernelCall(
            _by_index_text(dtypes[0], scatters), "kernel", (size, prod(shapes[1][2:])),
            (_OPERAND, Pointer(Role.OPERAND, 1), _RESULT), prod(planes[:2]), _grain(size),
            label="max_pool_gradient" if scatters else "max_pool_gather",
        ),
    )  # fmt: skip


# --- averages ---------------------------------------------------------------------------------------------------------


def _divisors(
    size: int, kernel: int, stride: int, padding: int, windows: int, include_padding: bool
) -> list[int]:
    """How many elements each window along one axis counts."""
    counts = []
    for i in range(windows):
        start = i * stride - padding
        end = min(start + kernel, size + padding)
        counts.append(end - start if include_padding else min(end, size) - max(start, 0))
    return counts


@lru_cache(maxsize=32)
def _average_text(dtype: np.dtype[Any], lanes: int, step: int) -> str:
    """ints: input extents, output extents, kernel, stride, padding, then the divisors along each axis."""
    element = element_of(dtype)
    f = Function("kernel", as_written=True)
    size, out, kernel, stride, padding = [[f.int_(3 * i + j) for j in range(3)] for i in range(5)]
    plane, result_plane = f.mul(f.mul(size[0], size[1]), size[2]), f.mul(f.mul(out[0], out[1]), out[2])
    rows_at = f.add(out[0], 15)
    columns_at = f.add(rows_at, out[1])
    with f.loop(f.begin, f.end) as unit:
        x = f.at(element, f.pointer(0), f.mul(unit, plane))
        result = f.at(element, f.pointer(1), f.mul(unit, result_plane))
        with f.loop(0, out[0]) as od, f.loop(0, out[1]) as oh, f.loop(0, out[2], lanes) as ow:
            starts = [f.sub(f.mul(o, s), p) for o, s, p in zip((od, oh, ow), stride, padding, strict=True)]
            depth_stop = f.minimum(f.add(starts[0], kernel[0]), size[0])
            row_stop = f.minimum(f.add(starts[1], kernel[1]), size[1])
            ranges = [
                (f.maximum(starts[0], 0), depth_stop),
                (f.maximum(starts[1], 0), row_stop),
                (0, kernel[2]),
            ]
            with f.carried_over(ranges, [f.zero(element, lanes)]) as ((d, r, c), current):
                row = f.at(element, x, f.mul(f.add(f.mul(d, size[1]), r), size[2]))
                more = f.load_apart(element, lanes, row, f.add(starts[2], c), step, 0, size[2])
                current[0] = f.b.fadd(current[0], more)
            mask = f.lanes_below(f.sub(out[2], ow), lanes)
            others = f.mul(f.load(I64, f.ints, f.add(od, 15)), f.load(I64, f.ints, f.add(rows_at, oh)))
            counts = f.b.mul(
                f.load_vector(I64, lanes, f.ints, f.add(columns_at, ow), mask), f.splat(others, lanes)
            )
            divisors = f.b.sitofp(counts, ir.VectorType(element, lanes))
            place = f.add(f.mul(f.add(f.mul(od, out[1]), oh), out[2]), ow)
            f.store_vector(f.b.fdiv(current[0], divisors), result, place, mask)
    return f.finish()


@lru_cache(maxsize=8)
def _average_gradient_text(dtype: np.dtype[Any]) -> str:
    """As ``_average_text``; extents of the average's input, which is the result here, first."""
    element = element_of(dtype)
    f = Function("kernel", as_written=True)
    size, out, kernel, stride, padding = [[f.int_(3 * i + j) for j in range(3)] for i in range(5)]
    plane, given_plane = f.mul(f.mul(size[0], size[1]), size[2]), f.mul(f.mul(out[0], out[1]), out[2])
    rows_at = f.add(out[0], 15)
    columns_at = f.add(rows_at, out[1])
    with f.loop(f.begin, f.end) as unit:
        given = f.at(element, f.pointer(0), f.mul(unit, given_plane))
        result = f.at(element, f.pointer(1), f.mul(unit, plane))
        with f.loop(0, plane, vectorise=True) as i:
            f.store(ir.Constant(element, 0.0), result, i)
        with f.loop(0, out[0]) as od, f.loop(0, out[1]) as oh, f.loop(0, out[2]) as ow:
            starts = [f.sub(f.mul(o, s), p) for o, s, p in zip((od, oh, ow), stride, padding, strict=True)]
            stops = [f.minimum(f.add(s, k), n) for s, k, n in zip(starts, kernel, size, strict=True)]
            starts = [f.maximum(s, 0) for s in starts]
            place = f.add(f.mul(f.add(f.mul(od, out[1]), oh), out[2]), ow)
            count = f.mul(f.load(I64, f.ints, f.add(od, 15)), f.load(I64, f.ints, f.add(rows_at, oh)))
            count = f.mul(count, f.load(I64, f.ints, f.add(columns_at, ow)))
            value = f.b.fdiv(f.load(element, given, place), f.b.sitofp(count, element))
            with f.loop(starts[0], stops[0]) as d, f.loop(starts[1], stops[1]) as r:
                row = f.at(element, result, f.mul(f.add(f.mul(d, size[1]), r), size[2]))
                with f.loop(starts[2], stops[2]) as c:
                    f.store(f.b.fadd(f.load(element, row, c), value), row, c)
    return f.finish()


def _average_ints(size: Any, out: Any, parameters: dict[str, Any]) -> tuple[int, ...]:
    sizes, outs = three(size, 1), three(out, 1)
    kernel, stride, padding = (
        three(parameters["kernel"], 1), three(parameters["stride"], 1), three(parameters["padding"], 0),
    )  # fmt: skip
    override = parameters["divisor_override"]
    include = parameters["count_include_pad"]
    divisors = [
        _divisors(*axis, include) if override is None else [override if number == 0 else 1] * axis[-1]
        for number, axis in enumerate(zip(sizes, kernel, stride, padding, outs, strict=True))
    ]
    return (*sizes, *outs, *kernel, *stride, *padding, *[count for axis in divisors for count in axis])


def avg_pool(
    shapes: tuple[tuple[int, ...], ...], dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``avg_pool``."""
    if not _suits(shapes, dtypes, results):
        return None
    size, out = shapes[0][2:], results[0][2:]
    text = _average_text(dtypes[0], _lanes(dtypes[0], out[-1]), parameters["stride"][-1])
    return (
        KernelCall(
            text, "kernel", _average_ints(size, out, parameters), (_OPERAND, _RESULT), prod(shapes[0][:2]), _grain(prod(size)),
            label="avg_pool", flops=prod(results[0]) * prod(parameters["kernel"]),
        ),
    )  # fmt: skip


def avg_pool_gradient(
    shapes: tuple[tuple[int, ...], ...], dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``avg_pool_gradient``."""
    if not _suits(shapes, dtypes, results):
        return None
    size, out = results[0][2:], shapes[0][2:]
    return (
        KernelCall(
            _average_gradient_text(dtypes[0]), "kernel", _average_ints(size, out, parameters), (_OPERAND, _RESULT),
            prod(shapes[0][:2]), _grain(prod(size)), label="avg_pool_gradient",
        ),
    )  # fmt: skip


@lru_cache(maxsize=16)
def _adaptive_average_text(dtype: np.dtype[Any], lanes: int, gradient: bool) -> str:
    """ints: extents of the average's input and of its result, then bounds of all windows along each axis."""
    element = element_of(dtype)
    f = Function("kernel", as_written=True)
    size, out = [f.int_(i) for i in range(3)], [f.int_(i) for i in range(3, 6)]
    plane, few = f.mul(f.mul(size[0], size[1]), size[2]), f.mul(f.mul(out[0], out[1]), out[2])
    tables = _bounds_table(f, f.i64(6), out)
    with f.loop(f.begin, f.end) as unit:
        # Pointer 0 is read and 1 written; the plane is the one or the other.
        whole = f.at(element, f.pointer(1 if gradient else 0), f.mul(unit, plane))
        averages = f.at(element, f.pointer(0 if gradient else 1), f.mul(unit, few))
        if gradient:
            with f.loop(0, plane, vectorise=True) as i:
                f.store(ir.Constant(element, 0.0), whole, i)
        with f.loop(0, out[0]) as od, f.loop(0, out[1]) as oh, f.loop(0, out[2]) as ow:
            bounds = [_bounds(f, table, o) for table, o in zip(tables, (od, oh, ow), strict=True)]
            place = f.add(f.mul(f.add(f.mul(od, out[1]), oh), out[2]), ow)
            extents = [f.sub(stop, start) for start, stop in bounds]
            divisor = f.b.sitofp(f.mul(f.mul(extents[0], extents[1]), extents[2]), element)
            value = f.b.fdiv(f.load(element, averages, place), divisor) if gradient else None
            ranges = [*bounds[:2], (*bounds[2], lanes)]
            with f.carried_over(ranges, [f.zero(element, lanes)]) as ((d, r, c), current):
                at = f.add(f.mul(f.add(f.mul(d, size[1]), r), size[2]), c)
                mask = f.lanes_below(f.sub(bounds[2][1], c), lanes)
                elements = f.load_vector(element, lanes, whole, at, mask)
                if gradient:
                    f.store_vector(f.b.fadd(elements, f.splat(value, lanes)), whole, at, mask)
                else:
                    current[0] = f.b.fadd(current[0], elements)
            if not gradient:
                f.store(f.b.fdiv(f.total(current[0]), divisor), averages, place)
    return f.finish()


def adaptive_avg_pool(
    shapes: tuple[tuple[int, ...], ...], dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``adaptive_avg_pool``."""
    return _adaptive_average(shapes, dtypes, results, shapes[0], results[0], False)


def adaptive_avg_pool_gradient(
    shapes: tuple[tuple[int, ...], ...], dtypes: Any, results: Any, parameters: dict[str, Any], literals: Any
) -> tuple[KernelCall, ...] | None:
    """``adaptive_avg_pool_gradient``."""
    return _adaptive_average(shapes, dtypes, results, results[0], shapes[0], True)


def _adaptive_average(
    shapes: Any, dtypes: Any, results: Any, whole: tuple[int, ...], few: tuple[int, ...], gradient: bool
) -> tuple[KernelCall, ...] | None:
    if not _suits(shapes, dtypes, results):
        return None
    lanes = _lanes(dtypes[0], -(-whole[-1] // few[-1]))
    return (
        KernelCall(
            _adaptive_average_text(dtypes[0], lanes, gradient), "kernel", _adaptive_ints(whole[2:], few[2:]),
            (_OPERAND, _RESULT), prod(whole[:2]), _grain(prod(whole[2:])),
            label="adaptive_avg_pool_gradient" if gradient else "adaptive_avg_pool",
        ),
    )  # fmt: skip
