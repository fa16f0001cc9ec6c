"""Random numbers inside a plan on a GPU: kernels that read a generator's seed and offset from memory.

The words are Philox4x32-10's, in the order in which eager mode draws them (``runtime.cuda_random``), and the arithmetic on
them is that of its distributions, rounded where those round. ``state`` has two 64-bit words: the seed, and how many blocks
the stream had given before the run; ``skip`` is how many blocks earlier draws of the same run take. A last kernel counts the
run's blocks on, so that a run after it needs nothing from the host.

Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Final

import numpy as np

from . import cuda_scalars as scalars

THREADS: Final = 256
_F32: Final = np.dtype(np.float32)
_I64: Final = np.dtype(np.int64)

_TEXT: Final = """extern "C" __global__ void __launch_bounds__({block})
{name}({type} *out, const long long *state, long long n, long long threads, long long blocks, long long skip) {{
    const unsigned long long seed = (unsigned long long)state[0];
    const unsigned long long first = (unsigned long long)(state[1] + skip);
    const long long step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < blocks; i += step) {{
        const long long call = i / threads, thread = i % threads;
        const unsigned long long counter = first + (unsigned long long)call;
        unsigned int w[4] = {{(unsigned int)counter, (unsigned int)(counter >> 32), (unsigned int)thread,
                             (unsigned int)((unsigned long long)thread >> 32)}};
        unsigned int low = (unsigned int)seed, high = (unsigned int)(seed >> 32);
        for (int round = 0; round < 10; ++round) {{
            const unsigned long long p = 0xD2511F53ull * w[0], q = 0xCD9E8D57ull * w[2];
            w[0] = (unsigned int)(q >> 32) ^ w[1] ^ low;
            w[1] = (unsigned int)q;
            w[2] = (unsigned int)(p >> 32) ^ w[3] ^ high;
            w[3] = (unsigned int)p;
            low += 0x9E3779B9u;
            high += 0xBB67AE85u;
        }}
{prepared}
        for (int k = 0; k < 4; ++k) {{
            const long long at = {place};
            if (at < n) {{
{value}
                out[at] = {stored};
            }}
        }}
    }}
}}
"""
# Where word k of a thread's block goes: a stride of all threads apart, or next to each other.
_PLACES: Final = {
    1: "(call * 4 + k) * threads + thread",
    2: "((call * 2 + k / 2) * threads + thread) * 2 + k % 2",
    4: "(call * threads + thread) * 4 + k",
}
# A word as a number in (0, 1], with two roundings as array expressions have them.
_UNIT: Final = "__fadd_rn(__fmul_rn((float)w[{k}], 2.3283064e-10f), 1.1641532e-10f)"
_TURN: Final = np.float32(2.0**-32 * 2.0 * math.pi)


def neighbours(kind: str, n: int) -> int:
    """How many elements of a thread's block lie next to each other."""
    if kind != "dropout_noise":
        return 1
    return 4 if n % 4 == 0 else 2 if n % 2 == 0 else 1


@lru_cache(maxsize=256)
def draw_kernel(kind: str, dtype: Any, numbers: tuple[float, ...], together: int) -> tuple[str, str]:
    """(source, name). ``numbers``: of "uniform" the bounds, of "normal" mean and deviation, of "bernoulli" and "dropout_noise"
    the probability, of "random_integers" the bounds. NotImplementedError for dtypes that kernels don't have."""
    prepared, value, stored = "", "", ""
    unit = _UNIT.format(k="k")
    if kind == "uniform":
        low, high = numbers
        start, stop = float(np.asarray(low, dtype)), float(np.asarray(high, dtype))
        v = f"__fadd_rn(__fmul_rn({unit}, {_number(stop - start)}), {_number(low)})"
        value = f"float v = {scalars.cast(v, _F32, dtype)};\nif (v == {_number(stop)}) v = {_number(start)};"
        stored = _stored("v", dtype)
    elif kind == "normal":
        mean, std = numbers
        prepared = f"""const float r0 = sqrtf(__fmul_rn(-2.0f, logf({_UNIT.format(k=0)})));
const float r1 = sqrtf(__fmul_rn(-2.0f, logf({_UNIT.format(k=2)})));
const float a0 = __fadd_rn(__fmul_rn((float)w[1], {_number(_TURN)}), {_number(_TURN / 2)});
const float a1 = __fadd_rn(__fmul_rn((float)w[3], {_number(_TURN)}), {_number(_TURN / 2)});
const float z[4] = {{__fmul_rn(r0, sinf(a0)), __fmul_rn(r0, cosf(a0)), __fmul_rn(r1, sinf(a1)), __fmul_rn(r1, cosf(a1))}};"""
        value = f"const float v = __fadd_rn(__fmul_rn(z[k], {_number(std)}), {_number(mean)});"
        stored = _stored("v", dtype)
    elif kind == "bernoulli":
        value = f"const float v = {unit} < {_number(numbers[0])} ? 1.0f : 0.0f;"
        stored = _stored("v", dtype)
    elif kind == "dropout_noise":
        (p,) = numbers
        value = f"const float v = {unit} < {_number(1 - p)} ? {_number(1.0 / (1.0 - p))} : 0.0f;"
        stored = _stored("v", dtype)
    else:
        low, high = [int(bound) for bound in numbers]
        value = f"const long long v = (long long)(w[k] % {high - low}u) + ({low}LL);"
        stored = scalars.encode(scalars.cast("v", _I64, dtype), dtype)
    name = f"draw_{kind}"
    text = _TEXT.format(
        block=THREADS,
        name=name,
        type=scalars.memory_type(dtype),
        prepared=_indented(prepared, 8),
        place=_PLACES[together],
        value=_indented(value, 16),
        stored=stored,
    )
    helpers = scalars.helpers(text)
    return (f"{helpers}\n{text}" if helpers else text), name


def _number(value: Any) -> str:
    return scalars.constant(_F32, value)


def _stored(value: str, dtype: Any) -> str:
    if dtype.name in scalars.HALVES:
        return scalars.encode(value, dtype)
    return scalars.encode(scalars.cast(value, _F32, dtype), dtype)


def _indented(text: str, by: int) -> str:
    return "\n".join([" " * by + line for line in text.split("\n")]) if text else ""


def advance_kernel() -> tuple[str, str]:
    """Count the blocks of a run on."""
    name = "draw_advance"
    source = f"""extern "C" __global__ void __launch_bounds__(1)
{name}(long long *state, long long total) {{
    state[1] += total;
}}
"""
    return source, name


__all__ = ["advance_kernel", "draw_kernel", "neighbours"]
