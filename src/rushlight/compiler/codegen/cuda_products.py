"""Matrix products that cuBLAS does not do (integers, strides that it has no words for), and small kernels around products."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, Final

from ..cuda_lines import CudaLaunch
from ..launch import Pointer
from . import cuda_scalars as scalars
from .cuda_loops import THREADS
from .cuda_slots import kernel, striding

TILE: Final = 16
_MOST_BATCH: Final = 4  # dimensions


@lru_cache(maxsize=64)
def factors_kernel(double: bool, alpha: tuple[float, Any], beta: tuple[float, Any]) -> tuple[str, str] | None:
    """The kernel that multiplies a constant by numbers from memory, for alpha and for beta, and puts them 8 bytes apart."""
    type_ = "double" if double else "float"
    parameters, body, number = [], "", 0
    for position, (constant, dtypes) in enumerate((alpha, beta)):
        text = repr(float(constant))
        for dtype in dtypes:
            try:
                parameters.append(f"const {scalars.memory_type(dtype)} *p{number}")
            except NotImplementedError:
                return None
            text += f" * (double){scalars.decode(f'(*p{number})', dtype)}"
            number += 1
        body += f"    ({type_} &)out[{position}] = ({type_})({text});\n"
    return kernel("factors", ", ".join([*parameters, "double *out"]), body), "factors"


@lru_cache(maxsize=1)
def keep_kernel() -> tuple[str, str]:
    """Keep the first number that says that something is wrong (any but the least) where the host looks for it."""
    body = (
        "    if (*value != (-9223372036854775807LL - 1) && *word == (-9223372036854775807LL - 1)) {\n"
        "        *word = *value;\n        __threadfence_system();\n    }\n"
    )
    return kernel("keep", "const long long *value, volatile long long *word", body), "keep"


@lru_cache(maxsize=4)
def range_kernel(dtype: Any) -> tuple[str, str] | None:
    """Keep the greatest index that is not in a range where the host looks for it. None for dtypes that are no index."""
    if dtype.kind not in "iu":
        return None
    body = striding(
        "        const long long at = (long long)index[unit];\n"
        "        if (at < lowest || at >= extent) {\n            atomicMax(word, at);\n            __threadfence_system();\n"
        "        }\n",
        "units",
    )
    type_ = scalars.memory_type(dtype)
    name = f"check_range_{dtype.name}"
    parameters = f"const {type_} *index, long long *word, long long units, long long lowest, long long extent"
    return kernel(name, parameters, body), name


@lru_cache(maxsize=64)
def _text(dtype: Any, alpha: str, beta: str, dynamic: bool) -> str:
    type_, memory = scalars.register_type(dtype), scalars.memory_type(dtype)
    if dtype.kind == "b":
        type_ = "int"
    a, b = scalars.decode("A[m * ar + k * ac]", dtype), scalars.decode("B[k * br + n * bc]", dtype)
    total = "sum"
    if dtype.kind in "iu":
        wide = "unsigned long long" if dtype.itemsize == 8 else "unsigned int"
        add = f"sum = ({type_})(({wide})sum + ({wide})As[ty][i] * ({wide})Bs[i][tx]);"
    elif dtype.kind == "b":
        add = "sum |= As[ty][i] & Bs[i][tx];"
    else:
        add = "sum += As[ty][i] * Bs[i][tx];"
    before = ""
    if dynamic:
        before = (
            f"    const {type_} alpha = *(const {type_} *)factors, beta = *(const {type_} *)(factors + 1);\n"
        )
        total = f"alpha * sum + (beta != 0 ? beta * {scalars.decode('C[m * cr + n * cc]', dtype)} : 0)"
    elif (alpha, beta) != ("1.0", "0.0"):
        total = f"({type_}){alpha} * sum"
        if beta != "0.0":
            total += f" + ({type_}){beta} * {scalars.decode('C[m * cr + n * cc]', dtype)}"
    stored = scalars.encode(total, dtype)
    body = f"""{before}    __shared__ {type_} As[{TILE}][{TILE} + 1];
    __shared__ {type_} Bs[{TILE}][{TILE} + 1];
    const int tx = (int)threadIdx.x % {TILE}, ty = (int)threadIdx.x / {TILE};
    for (long long unit = blockIdx.x; unit < units; unit += gridDim.x) {{
        long long rest = unit;
        const long long n = rest % tiles_n * {TILE} + tx;
        rest /= tiles_n;
        const long long m = rest % tiles_m * {TILE} + ty;
        rest /= tiles_m;
        const {memory} *A = a, *B = b;
        {memory} *C = c;
        {{
            long long at = rest % n3; A += at * a3; B += at * b3; C += at * c3; rest /= n3;
            at = rest % n2; A += at * a2; B += at * b2; C += at * c2; rest /= n2;
            at = rest % n1; A += at * a1; B += at * b1; C += at * c1; rest /= n1;
            A += rest * a0; B += rest * b0; C += rest * c0;
        }}
        {type_} sum = 0;
        for (long long k0 = 0; k0 < K; k0 += {TILE}) {{
            {{
                const long long k = k0 + tx;
                As[ty][tx] = m < M && k < K ? {a} : 0;
            }}
            {{
                const long long k = k0 + ty;
                Bs[ty][tx] = k < K && n < N ? {b} : 0;
            }}
            __syncthreads();
            #pragma unroll
            for (int i = 0; i < {TILE}; ++i) {add}
            __syncthreads();
        }}
        if (m < M && n < N) C[m * cr + n * cc] = {stored};
    }}
"""
    names = ["units", "tiles_m", "tiles_n", "M", "N", "K", "ar", "ac", "br", "bc", "cr", "cc"]
    for d in range(_MOST_BATCH):
        names += [f"n{d}", f"a{d}", f"b{d}", f"c{d}"]
    factors = "const double *factors, " if dynamic else ""
    ints = ", ".join(f"long long {name}" for name in names)
    return kernel("product", f"const {memory} *a, const {memory} *b, {memory} *c, {factors}{ints}", body)


def strided_product(
    dtype: Any,
    m: int,
    n: int,
    k: int,
    batch: Sequence[int],
    steps: Sequence[Sequence[int]],
    strides: tuple[Any, Any, Any],
    pointers: tuple[Pointer, Pointer, Pointer],
    factors: tuple[Any, Any],
) -> CudaLaunch | None:
    """One launch for a whole batch, each matrix through any strides. None for complex numbers and 5 dimensions of batch."""
    if len(batch) > _MOST_BATCH or dtype.kind == "c":
        return None
    dynamic = isinstance(factors[0], Pointer)
    if dtype.kind not in "fV" and (dynamic or factors != (1.0, 0.0)):
        return None
    try:
        if dynamic:
            text = _text(dtype, "", "", True)
        else:
            text = _text(dtype, repr(float(factors[0])), repr(float(factors[1])), False)
    except NotImplementedError:
        return None
    tiles_m, tiles_n = -(-m // TILE), -(-n // TILE)
    units = tiles_m * tiles_n * prod(batch)
    missing = _MOST_BATCH - len(batch)
    ints = [units, tiles_m, tiles_n, m, n, k, *strides[0], *strides[1], *strides[2]]
    for d in range(_MOST_BATCH):
        own = d - missing
        ints += [1, 0, 0, 0] if own < 0 else [batch[own], *[some[own] for some in steps]]
    places = (*pointers, *((factors[0],) if dynamic else ()))
    flops = 2 * prod(batch) * m * n * k
    return CudaLaunch(
        text, "product", max(1, min(units, 1 << 20)), THREADS, places, tuple(ints), "matmul", (), flops
    )
