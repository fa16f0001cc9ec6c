"""Pooling and convolution in CUDA C.

Pooling takes sizes at run time. Convolutions are implicit matrix products: tiles of 64 × 64 results, 16 terms at a time through
shared memory, with the window's elements picked out of the input as they are loaded; shapes are written into the text, since
dividing by numbers that the compiler knows costs little. The weight's gradient sums over all positions in a number of
parts that follows from the shapes, and the parts in order.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, Final

from ..cuda_lines import CudaClear, CudaLaunch, Lines
from ..launch import Pointer, Role
from . import cuda_scalars as scalars
from .cuda_loops import THREADS
from .cuda_slots import Shapes, blocks_for, kernel, operand, result, striding

_FLOATS: Final = frozenset({"float32", "float64", "float16", "bfloat16"})
TILE: Final = 64
DEPTH: Final = 16


def three(values: Any, fill: Any) -> tuple[Any, ...]:
    """One entry for depth, rows and columns, from those of one to three dimensions."""
    values = tuple(values)
    return (*(fill,) * (3 - len(values)), *values)


def _suits(shapes: Any, dtypes: Any, results: Any) -> bool:
    return bool(
        dtypes[0].name in _FLOATS
        and len(shapes[0]) in (3, 4, 5)
        and all(prod(shape) for shape in (*shapes, *results))
    )


# --- pooling ----------------------------------------------------------------------------------------------------------

_SIZES = "long long units, long long I0, long long I1, long long I2, long long O0, long long O1, long long O2"
_WINDOW = ", ".join(f"long long {name}{d}" for name in "KSPD" for d in range(3))
_OUTPUT = (
    "        const long long o2 = unit % O2, o1 = unit / O2 % O1, o0 = unit / O2 / O1 % O0;\n"
    "        const long long plane = unit / O2 / O1 / O0 * (I0 * I1 * I2);\n"
)
_INPUT = (
    "        const long long i2 = unit % I2, i1 = unit / I2 % I1, i0 = unit / I2 / I1 % I0;\n"
    "        const long long plane = unit / I2 / I1 / I0 * (O0 * O1 * O2);\n"
)


def _maximum(dtype: Any, bounds: str, step: str) -> str:
    """The largest of a window and its place in the plane; NaN wins, and then the first of equals."""
    type_ = scalars.register_type(dtype)
    return (
        f"{bounds}        {type_} best = 0;\n        long long where = -1;\n"
        f"        for (long long a = a0; a < b0; a += {step.format(0)})\n"
        f"            for (long long b = a1; b < b1; b += {step.format(1)})\n"
        f"                for (long long c = a2; c < b2; c += {step.format(2)}) {{\n"
        "                    const long long place = (a * I1 + b) * I2 + c;\n"
        f"                    const {type_} value = {scalars.decode('x[plane + place]', dtype)};\n"
        "                    if (where < 0 || value > best || value != value) {\n"
        "                        best = value;\n                        where = place;\n"
        "                    }\n                }\n"
        f"        y[unit] = {scalars.encode('best', dtype)};\n        places[unit] = where;\n"
    )


def _max_pool(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    if not _suits(shapes, dtypes, results):
        return None
    bounds = ""
    for d in range(3):
        bounds += (
            f"        long long a{d} = o{d} * S{d} - P{d}, b{d} = a{d} + (K{d} - 1) * D{d} + 1;\n"
            f"        if (a{d} < 0) a{d} += (-a{d} + D{d} - 1) / D{d} * D{d};\n        if (b{d} > I{d}) b{d} = I{d};\n"
        )
    memory = scalars.memory_type(dtypes[0])
    name = f"max_pool_{dtypes[0].name}"
    text = kernel(
        name, f"const {memory} *x, {memory} *y, long long *places, {_SIZES}, {_WINDOW}",
        striding(_OUTPUT + _maximum(dtypes[0], bounds, "D{}"), "units"),
    )  # fmt: skip
    units = prod(results[0])
    ints = (
        units, *three(shapes[0][2:], 1), *three(results[0][2:], 1), *three(parameters["kernel"], 1),
        *three(parameters["stride"], 1), *three(parameters["padding"], 0), *three(parameters["dilation"], 1),
    )  # fmt: skip
    places = (operand(0), result(0), result(1))
    return Lines((CudaLaunch(text, name, blocks_for(units), THREADS, places, ints, "max_pool"),))


def _adaptive_bounds(size: str, out: str) -> str:
    return "".join(
        f"        const long long a{d} = o{d} * {size}{d} / {out}{d}, "
        f"b{d} = ((o{d} + 1) * {size}{d} + {out}{d} - 1) / {out}{d};\n"
        for d in range(3)
    )


def _adaptive_max(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    if not _suits(shapes, dtypes, results):
        return None
    memory = scalars.memory_type(dtypes[0])
    name = f"adaptive_max_pool_{dtypes[0].name}"
    body = _OUTPUT + _maximum(dtypes[0], _adaptive_bounds("I", "O"), "1")
    text = kernel(
        name, f"const {memory} *x, {memory} *y, long long *places, {_SIZES}", striding(body, "units")
    )
    units = prod(results[0])
    ints = (units, *three(shapes[0][2:], 1), *three(results[0][2:], 1))
    places = (operand(0), result(0), result(1))
    return Lines((CudaLaunch(text, name, blocks_for(units), THREADS, places, ints, "adaptive_max_pool"),))


def _max_gradient(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    """A warp for each plane. Of 32 gradients at a time those that meet are added up by the first of them, in order."""
    dtype = dtypes[0]
    if not _suits(shapes, dtypes, results) or dtypes[1].name != "int64":
        return None
    memory, type_ = scalars.memory_type(dtype), scalars.register_type(dtype)
    name = f"max_pool_gradient_{dtype.name}"
    body = (
        f"    __shared__ long long at[{THREADS}];\n    __shared__ {type_} given[{THREADS}];\n"
        "    const int lane = (int)threadIdx.x % 32, base = (int)threadIdx.x / 32 * 32;\n"
        f"    for (long long plane = (long long)blockIdx.x * {THREADS // 32} + threadIdx.x / 32; plane < planes;\n"
        f"         plane += (long long)gridDim.x * {THREADS // 32}) {{\n"
        "        for (long long first = 0; first < chosen; first += 32) {\n"
        "            const long long own = first + lane;\n            long long place = -1;\n"
        "            if (own < chosen) place = indices[plane * chosen + own];\n"
        "            if (place >= size) place = -1;\n            at[threadIdx.x] = place;\n"
        f"            given[threadIdx.x] = own < chosen ? {scalars.decode('g[plane * chosen + own]', dtype)} : 0;\n"
        "            __syncwarp(0xffffffffu);\n            bool mine = place >= 0;\n"
        "            for (int k = 0; k < lane; ++k) mine = mine && at[base + k] != place;\n"
        f"            if (mine) {{\n                {type_} total = {scalars.decode('y[plane * size + place]', dtype)};\n"
        "                for (int k = lane; k < 32; ++k)\n"
        "                    if (at[base + k] == place) total += given[base + k];\n"
        f"                y[plane * size + place] = {scalars.encode('total', dtype)};\n            }}\n"
        "            __syncwarp(0xffffffffu);\n        }\n    }\n"
    )
    parameters_ = (
        f"const {memory} *g, const long long *indices, {memory} *y, long long planes, long long size, "
        "long long chosen"
    )
    planes, size, chosen = prod(results[0][:2]), prod(results[0][2:]), prod(shapes[1][2:])
    line = CudaLaunch(
        kernel(name, parameters_, body), name, blocks_for(planes * 32), THREADS, (operand(0), operand(1), result()),
        (planes, size, chosen), "max_pool_gradient",
    )  # fmt: skip
    return Lines((CudaClear((result(),), prod(results[0]) * dtype.itemsize), line))


def _max_gather(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    if not _suits(shapes, dtypes, results) or dtypes[1].name != "int64":
        return None
    memory = scalars.memory_type(dtypes[0])
    name = f"max_pool_gather_{dtypes[0].name}"
    body = striding(
        "        const long long at = indices[unit];\n"
        "        y[unit] = at >= 0 && at < size ? x[unit / chosen * size + at] : 0;\n",
        "units",
    )
    parameters_ = f"const {memory} *x, const long long *indices, {memory} *y, long long units, long long size, long long chosen"
    units = prod(results[0])
    ints = (units, prod(shapes[0][2:]), prod(shapes[1][2:]))
    line = CudaLaunch(
        kernel(name, parameters_, body), name, blocks_for(units), THREADS, (operand(0), operand(1), result()), ints,
        "max_pool_gather",
    )  # fmt: skip
    return Lines((line,))


def _average(gradient: bool) -> Callable[..., Lines | None]:
    def make(
        shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
    ) -> Lines | None:
        dtype = dtypes[0]
        if not _suits(shapes, dtypes, results):
            return None
        whole, few = (results[0], shapes[0]) if gradient else (shapes[0], results[0])
        type_, memory = scalars.register_type(dtype), scalars.memory_type(dtype)
        override = parameters["divisor_override"]
        count = ""
        for d in range(3):
            # What a window counts along one axis: with its padding, or without.
            count += (
                f"        long long a{d} = o{d} * S{d} - P{d}, b{d} = a{d} + K{d};\n"
                f"        if (b{d} > I{d} + P{d}) b{d} = I{d} + P{d};\n        long long c{d} = b{d} - a{d};\n"
                f"        if (a{d} < 0) a{d} = 0;\n        if (b{d} > I{d}) b{d} = I{d};\n"
                f"        if (!include) c{d} = b{d} - a{d};\n"
            )
        divisor = f"({type_})(divisor ? divisor : c0 * c1 * c2)"
        if not gradient:
            value = scalars.decode("x[plane + (a * I1 + b) * I2 + c]", dtype)
            body = (
                f"{_OUTPUT}{count}        {type_} total = 0;\n        for (long long a = a0; a < b0; ++a)\n"
                "            for (long long b = a1; b < b1; ++b)\n                for (long long c = a2; c < b2; ++c)\n"
                f"                    total += {value};\n        y[unit] = {scalars.encode(f'total / {divisor}', dtype)};\n"
            )
        else:
            loops = ""
            for d in range(3):
                loops += (
                    f"        const long long l{d} = i{d} + P{d} < K{d} ? 0 : (i{d} + P{d} - K{d}) / S{d} + 1;\n"
                    f"        const long long h{d} = min((i{d} + P{d}) / S{d}, O{d} - 1);\n"
                )
            value = scalars.decode("x[plane + (o0 * O1 + o1) * O2 + o2]", dtype)
            body = (
                f"{_INPUT}{loops}        {type_} total = 0;\n        for (long long o0 = l0; o0 <= h0; ++o0)\n"
                "        for (long long o1 = l1; o1 <= h1; ++o1)\n        for (long long o2 = l2; o2 <= h2; ++o2) {\n"
                f"{count}        total += {value} / {divisor};\n        }}\n"
                f"        y[unit] = {scalars.encode('total', dtype)};\n"
            )
        name = f"avg_pool{'_gradient' if gradient else ''}_{dtype.name}"
        window = ", ".join(f"long long {n}{d}" for n in "KSP" for d in range(3))
        text = kernel(
            name, f"const {memory} *x, {memory} *y, {_SIZES}, {window}, long long include, long long divisor",
            striding(body, "units"),
        )  # fmt: skip
        units = prod(results[0])
        ints = (
            units, *three(whole[2:], 1), *three(few[2:], 1), *three(parameters["kernel"], 1), *three(parameters["stride"], 1),
            *three(parameters["padding"], 0), int(parameters["count_include_pad"]), int(override or 0),
        )  # fmt: skip
        places = (operand(0), result())
        return Lines((CudaLaunch(text, name, blocks_for(units), THREADS, places, ints, name),))

    return make


def _adaptive_average(gradient: bool) -> Callable[..., Lines | None]:
    def make(
        shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
    ) -> Lines | None:
        dtype = dtypes[0]
        if not _suits(shapes, dtypes, results):
            return None
        whole, few = (results[0], shapes[0]) if gradient else (shapes[0], results[0])
        type_, memory = scalars.register_type(dtype), scalars.memory_type(dtype)
        bounds = _adaptive_bounds("I", "O")
        divisor = f"({type_})((b0 - a0) * (b1 - a1) * (b2 - a2))"
        block = THREADS
        units = prod(results[0])
        if gradient:
            ranges = "".join(
                f"        const long long l{d} = i{d} * O{d} / I{d}, h{d} = ((i{d} + 1) * O{d} - 1) / I{d};\n"
                for d in range(3)
            )
            value = scalars.decode("x[plane + (o0 * O1 + o1) * O2 + o2]", dtype)
            body = striding(
                f"{_INPUT}{ranges}        {type_} total = 0;\n        for (long long o0 = l0; o0 <= h0; ++o0)\n"
                "        for (long long o1 = l1; o1 <= h1; ++o1)\n        for (long long o2 = l2; o2 <= h2; ++o2) {\n"
                f"{bounds}        total += {value} / {divisor};\n        }}\n"
                f"        y[unit] = {scalars.encode('total', dtype)};\n",
                "units",
            )
            grid = blocks_for(units)
        else:
            # A warp for each window.
            value = scalars.decode("x[plane + (a * I1 + b) * I2 + c]", dtype)
            body = (
                "    const int lane = (int)threadIdx.x % 32;\n"
                f"    for (long long unit = (long long)blockIdx.x * {THREADS // 32} + threadIdx.x / 32; unit < units;\n"
                f"         unit += (long long)gridDim.x * {THREADS // 32}) {{\n{_OUTPUT}{bounds}        {type_} total = 0;\n"
                "        const long long wide = b2 - a2, high = b1 - a1, every = wide * high * (b0 - a0);\n"
                "        for (long long t = lane; t < every; t += 32) {\n"
                "            const long long c = a2 + t % wide, b = a1 + t / wide % high, a = a0 + t / wide / high;\n"
                f"            total += {value};\n        }}\n"
                "        for (int apart = 16; apart; apart >>= 1) total += __shfl_xor_sync(0xffffffffu, total, apart);\n"
                f"        if (lane == 0) y[unit] = {scalars.encode(f'total / {divisor}', dtype)};\n    }}\n"
            )
            grid = blocks_for(units * 32)
        name = f"adaptive_avg_pool{'_gradient' if gradient else ''}_{dtype.name}"
        text = kernel(name, f"const {memory} *x, {memory} *y, {_SIZES}", body)
        ints = (units, *three(whole[2:], 1), *three(few[2:], 1))
        return Lines((CudaLaunch(text, name, grid, block, (operand(0), result()), ints, name),))

    return make


# --- convolution ------------------------------------------------------------------------------------------------------


class _Window:
    """The numbers of a convolution, as constants of the text."""

    def __init__(self, samples: int, groups: int, channels: int, outputs: int, parameters: dict[str, Any], sizes: Any,
                 taps: Any, counts: Any) -> None:  # fmt: skip
        self.samples, self.groups, self.channels, self.outputs = samples, groups, channels, outputs
        self.sizes, self.taps, self.counts = three(sizes, 1), three(taps, 1), three(counts, 1)
        self.stride = three(parameters["stride"], 1)
        self.dilation = three(parameters["dilation"], 1)
        self.padding = [p[0] for p in three(parameters["padding"], (0, 0))]

    def constants(self, **more: int) -> str:
        named = {"N": self.samples, "G": self.groups, "C": self.channels, "F": self.outputs}
        for letter, values in zip(
            "IKOSDP",
            (self.sizes, self.taps, self.counts, self.stride, self.dilation, self.padding),
            strict=True,
        ):
            named |= {f"{letter}{d}": int(v) for d, v in enumerate(values)}
        named["taps"], named["points"], named["plane"] = prod(self.taps), prod(self.counts), prod(self.sizes)
        return "enum { " + ", ".join(f"{name} = {value}" for name, value in (named | more).items()) + " };\n"

    @property
    def fits(self) -> bool:
        """Whether the arrays can be indexed with 32 bits."""
        elements = (
            self.samples * self.groups * self.channels * prod(self.sizes),
            self.samples * self.groups * self.outputs * prod(self.counts),
            self.groups * self.channels * self.outputs * prod(self.taps),
        )
        return bool(max(elements) < 1 << 31)


def _tiles(dtype: Any, a: str, b: str, store: str, prepare: str, a_along_k: bool) -> str:
    """The body of an implicit product: ``a`` and ``b`` give element (k, m) and (k, n); ``store`` puts ``value`` at (m, n).

    ``prepare``: code that runs when ``m`` is known (for loads of ``a``); ``a_along_k``: neighbours in memory are along k.
    """
    type_ = scalars.register_type(dtype)
    own = (
        f"const int kk = (int)threadIdx.x % {DEPTH}, mm = (int)threadIdx.x / {DEPTH} + {THREADS // DEPTH} * i;"
        if a_along_k
        else f"const int mm = (int)threadIdx.x % {TILE}, kk = (int)threadIdx.x / {TILE} + {THREADS // TILE} * i;"
    )
    return f"""    __shared__ {type_} As[{DEPTH}][{TILE} + 1];
    __shared__ {type_} Bs[{DEPTH}][{TILE} + 1];
    const int tx = (int)threadIdx.x % 16, ty = (int)threadIdx.x / 16;
    for (int unit = (int)blockIdx.x; unit < units; unit += (int)gridDim.x) {{
        const int m0 = unit % tiles_m * {TILE}, n0 = unit / tiles_m % tiles_n * {TILE};
        const int part = unit / tiles_m / tiles_n % parts, group = unit / tiles_m / tiles_n / parts;
        const int first = (int)((long long)length * part / parts), stop = (int)((long long)length * (part + 1) / parts);
        {type_} sums[4][4] = {{}};
        for (int k0 = first; k0 < stop; k0 += {DEPTH}) {{
            for (int i = 0; i < 4; ++i) {{
                {own}
                const int m = m0 + mm, k = k0 + kk;
                {type_} value = 0;
                if (m < M && k < stop) {{
{prepare}                    {a}
                }}
                As[kk][mm] = value;
            }}
            for (int i = 0; i < 4; ++i) {{
                const int kk = (int)threadIdx.x % {DEPTH}, nn = (int)threadIdx.x / {DEPTH} + {THREADS // DEPTH} * i;
                const int n = n0 + nn, k = k0 + kk;
                {type_} value = 0;
                if (n < Nn && k < stop) {{
                    {b}
                }}
                Bs[kk][nn] = value;
            }}
            __syncthreads();
            #pragma unroll
            for (int k = 0; k < {DEPTH}; ++k) {{
                {type_} x[4], y[4];
                #pragma unroll
                for (int i = 0; i < 4; ++i) {{
                    x[i] = As[k][tx + 16 * i];
                    y[i] = Bs[k][ty + 16 * i];
                }}
                #pragma unroll
                for (int i = 0; i < 4; ++i)
                    #pragma unroll
                    for (int j = 0; j < 4; ++j) sums[i][j] += x[i] * y[j];
            }}
            __syncthreads();
        }}
        for (int j = 0; j < 4; ++j) {{
            for (int i = 0; i < 4; ++i) {{
                const int m = m0 + tx + 16 * i, n = n0 + ty + 16 * j;
                if (m >= M || n >= Nn) continue;
                const {type_} value = sums[i][j];
                {store}
            }}
        }}
    }}
"""


def _split(value: str, names: str, sizes: str) -> str:
    """Declare indices (depth, row, column) of a number."""
    return (
        f"                    const int {names}2 = {value} % {sizes}2, {names}1 = {value} / {sizes}2 % {sizes}1, "
        f"{names}0 = {value} / {sizes}2 / {sizes}1 % {sizes}0;\n"
    )


def _conv_line(
    name: str, dtype: Any, window: _Window, m: int, n: int, length: int, parts: int, a: str, b: str, store: str,
    prepare: str, along_k: bool, pointers: tuple[Pointer, ...], parameters: str,
) -> CudaLaunch:  # fmt: skip
    tiles_m, tiles_n = -(-m // TILE), -(-n // TILE)
    units = tiles_m * tiles_n * parts * window.groups
    constants = window.constants(
        M=m, Nn=n, length=length, parts=parts, tiles_m=tiles_m, tiles_n=tiles_n, units=units
    )
    text = kernel(name, parameters, _tiles(dtype, a, b, store, prepare, along_k), constants)
    flops = 2 * m * n * length * window.groups
    return CudaLaunch(text, name, min(units, 1 << 20), THREADS, pointers, (), name, (), flops)


_X_AT_OUTPUT = "".join(
    f"                    const int i{d} = o{d} * S{d} - P{d} + t{d} * D{d};\n" for d in range(3)
)
_INSIDE = " && ".join(f"(unsigned)i{d} < (unsigned)I{d}" for d in range(3))


def _conv_suits(shapes: Shapes, dtypes: Any, results: Shapes) -> bool:
    same = len(set(dtypes)) == 1
    return same and _suits(shapes, dtypes, results)


def _forward(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    if not _conv_suits(shapes, dtypes, results):
        return None
    dtype, groups = dtypes[0], parameters["groups"]
    (samples, _, *sizes), (total, channels, *taps) = shapes[:2]
    w = _Window(samples, groups, channels, total // groups, parameters, sizes, taps, results[0][2:])
    if not w.fits:
        return None
    memory = scalars.memory_type(dtype)
    prepare = (
        "                    const int c = k / taps, tap = k % taps;\n"
        + _split("m", "o", "O")
        + _split("tap", "t", "K")
        + _X_AT_OUTPUT
    )
    at = "((m / points * G + group) * C + c) * plane + (i0 * I1 + i1) * I2 + i2"
    a = f"if ({_INSIDE}) value = {scalars.decode(f'x[{at}]', dtype)};"
    b = f"value = {scalars.decode('w[(group * F + n) * length + k]', dtype)};"
    bias = len(shapes) > 2
    value = f"value + {scalars.decode('bias[group * F + n]', dtype)}" if bias else "value"
    store = f"y[((m / points * G + group) * F + n) * points + m % points] = {scalars.encode(value, dtype)};"
    pointers = (operand(0), operand(1), *((operand(2),) if bias else ()), result())
    given = f"const {memory} *x, const {memory} *w, {f'const {memory} *bias, ' if bias else ''}{memory} *y"
    line = _conv_line(
        "convolution", dtype, w, samples * prod(w.counts), w.outputs, channels * prod(w.taps), 1, a, b, store, prepare,
        False, pointers, given,
    )  # fmt: skip
    return Lines((line,))


def _input_gradient(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    if not _conv_suits(shapes, dtypes, results):
        return None
    dtype, groups = dtypes[0], parameters["groups"]
    (samples, _, *counts), (total, channels, *taps) = shapes[:2]
    w = _Window(samples, groups, channels, total // groups, parameters, parameters["spatial"], taps, counts)
    if not w.fits:
        return None
    memory = scalars.memory_type(dtype)
    prepare = (
        "                    const int f = k / taps, tap = k % taps;\n"
        + _split("m", "i", "I")
        + _split("tap", "t", "K")
    )
    prepare += "".join(
        f"                    const int u{d} = i{d} + P{d} - t{d} * D{d}, o{d} = u{d} / S{d};\n"
        for d in range(3)
    )
    inside = " && ".join(f"u{d} >= 0 && u{d} % S{d} == 0 && o{d} < O{d}" for d in range(3))
    at = "((m / plane * G + group) * F + f) * points + (o0 * O1 + o1) * O2 + o2"
    a = f"if ({inside}) value = {scalars.decode(f'g[{at}]', dtype)};"
    b = f"value = {scalars.decode('w[((group * F + k / taps) * C + n) * taps + k % taps]', dtype)};"
    bias = len(shapes) > 2
    value = f"value + {scalars.decode('bias[group * C + n]', dtype)}" if bias else "value"
    store = f"y[((m / plane * G + group) * C + n) * plane + m % plane] = {scalars.encode(value, dtype)};"
    pointers = (operand(0), operand(1), *((operand(2),) if bias else ()), result())
    given = f"const {memory} *g, const {memory} *w, {f'const {memory} *bias, ' if bias else ''}{memory} *y"
    line = _conv_line(
        "convolution_input_gradient", dtype, w, samples * prod(w.sizes), channels, w.outputs * prod(w.taps), 1, a, b,
        store, prepare, False, pointers, given,
    )  # fmt: skip
    return Lines((line,))


def _weight_gradient(
    shapes: Shapes, dtypes: Any, results: Shapes, parameters: dict[str, Any], literals: Any
) -> Lines | None:
    if not _conv_suits(shapes, dtypes, results):
        return None
    dtype, groups = dtypes[0], parameters["groups"]
    (samples, total, *counts), (_, channels, *sizes) = shapes[:2]
    taps = parameters["kernel"]
    w = _Window(samples, groups, channels // groups, total // groups, parameters, sizes, taps, counts)
    if not w.fits:
        return None
    type_, memory = scalars.register_type(dtype), scalars.memory_type(dtype)
    m, n, length = w.channels * prod(w.taps), w.outputs, samples * prod(w.counts)
    tiles = -(-m // TILE) * -(-n // TILE) * groups
    parts = max(1, min(256 // tiles, length // 512, 64))
    prepare = (
        "                    const int c = m / taps, tap = m % taps;\n"
        + _split("k", "o", "O")
        + _split("tap", "t", "K")
        + _X_AT_OUTPUT
    )
    at = "((k / points * G + group) * C + c) * plane + (i0 * I1 + i1) * I2 + i2"
    a = f"if ({_INSIDE}) value = {scalars.decode(f'x[{at}]', dtype)};"
    b = f"value = {scalars.decode('g[((k / points * G + group) * F + n) * points + k % points]', dtype)};"
    partial = parts > 1
    store = (
        "sums_of[((part * G + group) * F + n) * M + m] = value;"
        if partial
        else f"y[(group * F + n) * M + m] = {scalars.encode('value', dtype)};"
    )
    target = Pointer(Role.WORKSPACE, 0) if partial else result()
    given = f"const {memory} *g, const {memory} *x, {type_ + ' *sums_of' if partial else memory + ' *y'}"
    line = _conv_line(
        "convolution_weight_gradient", dtype, w, m, n, length, parts, a, b, store, prepare, True,
        (operand(0), operand(1), target), given,
    )  # fmt: skip
    if not partial:
        return Lines((line,))
    size = groups * m * n
    body = striding(
        f"        {type_} total = 0;\n        for (long long part = 0; part < parts; ++part) total += x[part * units + unit];\n"
        f"        y[unit] = {scalars.encode('total', dtype)};\n",
        "units",
    )
    name = f"sum_of_parts_{dtype.name}"
    text = kernel(name, f"const {type_} *x, {memory} *y, long long units, long long parts", body)
    last = CudaLaunch(text, name, blocks_for(size), THREADS, (target, result()), (size, parts), name)
    return Lines((line, last), (parts * size * (8 if type_ == "double" else 4),))


MAKERS: Final[dict[str, Callable[..., Lines | None]]] = {
    "max_pool": _max_pool,
    "adaptive_max_pool": _adaptive_max,
    "max_pool_gradient": _max_gradient,
    "max_pool_gather": _max_gather,
    "avg_pool": _average(False),
    "avg_pool_gradient": _average(True),
    "adaptive_avg_pool": _adaptive_average(False),
    "adaptive_avg_pool_gradient": _adaptive_average(True),
    "convolution": _forward,
    "convolution_input_gradient": _input_gradient,
    "convolution_weight_gradient": _weight_gradient,
}
