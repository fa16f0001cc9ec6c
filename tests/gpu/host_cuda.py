"""CUDA C on the host: emitted kernels compiled by g++ and run thread by thread, so that their values can be tested anywhere.

A small header gives the words of CUDA C their meaning: ``__shared__`` is static memory, the threads of a block that waits for
each other are fibers that run in turn, shuffles go through a box for each thread. Blocks run one after the other. ``order``
says whether threads and blocks run forwards or backwards: a kernel with a race gives other bits.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rushlight.compiler import cuda_nvrtc
from rushlight.compiler.codegen import cuda_scalars

COMPILER = shutil.which("g++")
WHY_NOT = "g++ is needed to run CUDA C on the host"

_HEADER = r"""
#include <setjmp.h>
#include <ucontext.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#define __global__ static
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(n)
#define __align__(n) alignas(n)
#define __shared__ static
#define __restrict__
struct Index3 { unsigned x, y, z; };
static Index3 threadIdx, blockIdx, blockDim, gridDim;

static inline float __int_as_float(int x) { float y; memcpy(&y, &x, 4); return y; }
static inline float __uint_as_float(unsigned x) { float y; memcpy(&y, &x, 4); return y; }
static inline unsigned __float_as_uint(float x) { unsigned y; memcpy(&y, &x, 4); return y; }
static inline double __longlong_as_double(long long x) { double y; memcpy(&y, &x, 8); return y; }
static inline float __fmul_rn(float x, float y) { return x * y; }
static inline float __fadd_rn(float x, float y) { return x + y; }
static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }
static inline long long min(long long a, long long b) { return a < b ? a : b; }
static inline long long max(long long a, long long b) { return a > b ? a : b; }
template <class T> static inline T atomicAdd(T *p, T v) { T old = *p; *p = T(old + v); return old; }
template <class T> static inline T atomicMax(T *p, T v) { T old = *p; if (v > old) *p = v; return old; }
template <class T> static inline T atomicCAS(T *p, T c, T v) { T old = *p; if (old == c) *p = v; return old; }
template <class T> static inline T atomicExch(T *p, T v) { T old = *p; *p = v; return old; }
static inline void __threadfence_system() {}

enum { MOST = 1024, STACK = 65536 };
struct Fiber { jmp_buf place; bool started, done; };
static Fiber fibers[MOST];
static char *stacks;
static jmp_buf scheduler;
static ucontext_t outside;
static int current, live, arrived, generation, progress;
static int warp_live[32], warp_arrived[32], warp_generation[32];
static unsigned long long boxes[MOST];
static bool use_fibers;
static void (*body)(void **);
static void **body_arguments;

static void pause_thread() {
    const int self = current;
    if (!_setjmp(fibers[self].place)) _longjmp(scheduler, 1);
    threadIdx = Index3{(unsigned)self, 0, 0};
}
static void __syncthreads() {
    progress = 1;
    const int mine = generation;
    if (++arrived == live) { arrived = 0; ++generation; return; }
    while (generation == mine) pause_thread();
}
static int any_of;
static int __syncthreads_or(int predicate) {
    if (predicate) any_of = 1;
    __syncthreads();
    const int result = any_of;
    __syncthreads();
    any_of = 0;
    __syncthreads();
    return result;
}
static void __syncwarp(unsigned = 0xffffffffu) {
    progress = 1;
    const int w = current / 32, mine = warp_generation[w];
    if (++warp_arrived[w] == warp_live[w]) { warp_arrived[w] = 0; ++warp_generation[w]; return; }
    while (warp_generation[w] == mine) pause_thread();
}
template <class T> static T exchange(T value, int source) {
    const int self = current;
    memcpy(&boxes[self], &value, sizeof(T));
    __syncwarp();
    const int from = (source / 32 == self / 32 && source < (int)blockDim.x) ? source : self;
    T result;
    memcpy(&result, &boxes[from], sizeof(T));
    __syncwarp();
    return result;
}
template <class T> static T __shfl_xor_sync(unsigned, T v, int o) { return exchange(v, current ^ o); }
template <class T> static T __shfl_down_sync(unsigned, T v, int o) { return exchange(v, current + o); }
template <class T> static T __shfl_sync(unsigned, T v, int o) { return exchange(v, current / 32 * 32 + o); }

static void enter() {
    body(body_arguments);
    const int self = current, w = self / 32;
    fibers[self].done = true;
    progress = 1;
    if (--live && arrived == live) { arrived = 0; ++generation; }
    if (--warp_live[w] && warp_arrived[w] == warp_live[w]) { warp_arrived[w] = 0; ++warp_generation[w]; }
    _longjmp(scheduler, 1);
}
static int run_block(int threads, bool backwards) {
    if (!use_fibers) {
        for (int k = 0; k < threads; ++k) {
            threadIdx = Index3{(unsigned)(backwards ? threads - 1 - k : k), 0, 0};
            body(body_arguments);
        }
        return 0;
    }
    if (!stacks) stacks = (char *)malloc((size_t)MOST * STACK);
    live = threads; arrived = 0;
    for (int w = 0; w < 32; ++w) {
        const int rest = threads - 32 * w;
        warp_live[w] = rest < 0 ? 0 : rest > 32 ? 32 : rest;
        warp_arrived[w] = 0;
    }
    for (int k = 0; k < threads; ++k) fibers[k].started = fibers[k].done = false;
    while (live) {
        progress = 0;
        for (volatile int k = 0; k < threads; ++k) {
            const int number = backwards ? threads - 1 - k : k;
            if (fibers[number].done) continue;
            current = number;
            threadIdx = Index3{(unsigned)number, 0, 0};
            if (_setjmp(scheduler)) continue;
            if (fibers[number].started) _longjmp(fibers[number].place, 1);
            fibers[number].started = true;
            static ucontext_t fresh;
            getcontext(&fresh);
            fresh.uc_stack.ss_sp = stacks + (size_t)number * STACK;
            fresh.uc_stack.ss_size = STACK;
            fresh.uc_link = 0;
            makecontext(&fresh, enter, 0);
            setcontext(&fresh);
        }
        if (!progress) return 1;
    }
    return 0;
}
static int run_grid(
    void (*function)(void **), bool fibers_needed, int grid, int threads, int backwards, void **arguments
) {
    body = function; body_arguments = arguments; use_fibers = fibers_needed;
    blockDim = Index3{(unsigned)threads, 1, 1};
    gridDim = Index3{(unsigned)grid, 1, 1};
    for (int b = 0; b < grid; ++b) {
        blockIdx = Index3{(unsigned)(backwards ? grid - 1 - b : b), 0, 0};
        if (run_block(threads, backwards)) return 1;
    }
    return 0;
}
"""

_HALVES = {
    "from_half": "static float from_half(unsigned short b) { _Float16 h; memcpy(&h, &b, 2); return (float)h; }",
    "to_half": "static unsigned short to_half(float v) "
    "{ _Float16 h = (_Float16)v; unsigned short b; memcpy(&b, &h, 2); return b; }",
}
_SIGNATURE = re.compile(
    r'extern "C" __global__ void (?:__launch_bounds__\(\d+\))?\s*(\w+)\((.*?)\)\s*\{', re.DOTALL
)


class Function:
    """A kernel that can be launched. Calls check that arguments are as many as the kernel has."""

    def __init__(self, address: int, name: str, types: Sequence[str]) -> None:
        prototype = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_int] * 3, ctypes.c_void_p)
        self._run = prototype(address)
        self.name = name
        self.types = tuple(types)

    def __call__(self, grid: int, block: int, arguments: Sequence[Any], *, backwards: bool = False) -> None:
        """``arguments``: addresses and integers, or floats where the kernel has them."""
        assert len(arguments) == len(self.types), (self.name, len(arguments), self.types)
        assert 0 < grid < 2**31 and 0 < block <= 1024, (self.name, grid, block)
        cells = []
        for value, type_ in zip(arguments, self.types, strict=True):
            if type_.endswith("*") or type_ == "long long":
                cells.append(ctypes.c_int64(int(value)))
            elif type_ == "float":
                cells.append(ctypes.c_float(value))
            elif type_ == "double":
                cells.append(ctypes.c_double(value))
            else:
                raise AssertionError(f"{self.name}: a parameter of type {type_}")
        table = (ctypes.c_void_p * (len(cells) + 1))(*[ctypes.addressof(cell) for cell in cells], None)
        if self._run(grid, block, int(backwards), ctypes.addressof(table)):
            raise AssertionError(f"{self.name}: threads of a block wait for each other at different places")


def _parameters(text: str) -> list[tuple[str, str]]:
    found = []
    for one in text.split(","):
        one = one.strip()
        if not one:
            continue
        match = re.fullmatch(r"(.*?)\s*(\w+)", one, re.DOTALL)
        assert match is not None, one
        type_ = match.group(1).strip()
        found.append((type_, match.group(2)))
    return found


_MOST_AT_ONCE = 48  # kernels in one translation unit: the header and the process cost as much as ten
_FLAGS = ("-O1", "-std=c++17", "-nostdinc++", "-fPIC", "-shared", "-w", "-ffp-contract=off", "-fwrapv",
          "-fno-strict-aliasing", "-U_FORTIFY_SOURCE")  # fmt: skip
# For many kernels that run once, on little: half of g++'s time.
BRIEFLY = ("-O0",)
_made: dict[tuple[str, str], Function] = {}


def compile_all(sources: Sequence[tuple[str, str]], flags: Sequence[str] = ()) -> list[Function]:
    """The kernels of (source, name) pairs. Each is compiled once, whatever it is asked for with, and kept between runs by its
    text. NVRTC, where it is, must accept them, too. ``flags``: for g++, after its own."""
    missing = [pair for pair in dict.fromkeys(sources) if pair not in _made]
    if missing:
        if COMPILER is None:
            raise RuntimeError(WHY_NOT)
        for start in range(0, len(missing), _MOST_AT_ONCE):
            part = missing[start : start + _MOST_AT_ONCE]
            finish = _compiling([pair for pair in part if not _kept(pair).exists()], flags)
            try:
                _accepted(part)  # while g++ is at work
            finally:
                finish()
        for pair in missing:
            library, number = _kept(pair).read_text().split()
            address = getattr(ctypes.CDLL(str(_folder() / library)), f"run_{number}")
            types = [type_ for type_, _ in _parameters_of(*pair)]
            _made[pair] = Function(ctypes.cast(address, ctypes.c_void_p).value or 0, pair[1], types)
    return [_made[pair] for pair in sources]


def _key(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:32]


def _kept(pair: tuple[str, str]) -> Path:
    """The file that says in which library a kernel is, and its number there."""
    return _folder() / f"{_key(*pair, _HEADER, *_HALVES.values(), *_FLAGS)}.kernel"


def _accepted(sources: Sequence[tuple[str, str]]) -> None:
    """Have NVRTC compile kernels for an A100, and remember that it did."""
    if not cuda_nvrtc.available():
        return
    folder = _folder() / "accepted"
    folder.mkdir(exist_ok=True)
    fresh = [(source, name) for source, name in sources if not (folder / _key(source)).exists()]
    if not fresh:
        return
    # Of several in one text each has a namespace: helpers and kernels of different texts share names.
    spaces = [_in_namespace(number, source) for number, (source, _) in enumerate(fresh)]
    try:
        cuda_nvrtc.ptx("\n".join(spaces) if len(fresh) > 1 else fresh[0][0], fresh[0][1], quick=True)
    except RuntimeError:
        for source, name in fresh:  # the one that is refused is named
            cuda_nvrtc.ptx(source, name)
        raise
    for source, _ in fresh:
        (folder / _key(source)).touch()


def _in_namespace(number: int, source: str) -> str:
    plain = source.replace('extern "C" ', "")
    return f"namespace k{number} {{\n{plain}\n}}\n"


def _parameters_of(source: str, name: str) -> list[tuple[str, str]]:
    for match in _SIGNATURE.finditer(source):
        if match.group(1) == name:
            return _parameters(match.group(2))
    raise AssertionError(f"no kernel {name} in:\n{source}")


def _compiling(sources: Sequence[tuple[str, str]], flags: Sequence[str] = ()) -> Callable[[], None]:
    """Begin to make one library of kernels; what is given back waits for it and notes for each where it is."""
    if not sources:
        return lambda: None
    parts = [_HEADER]
    for number, (source, name) in enumerate(sources):
        for helper, text in _HALVES.items():
            source = source.replace(cuda_scalars.HELPERS[helper][0], text)
        fibers = "true" if re.search(r"__sync|__shfl", source) else "false"
        types = enumerate([type_ for type_, _ in _parameters_of(source, name)])
        given = ", ".join(f"*({type_} *)a[{k}]" for k, type_ in types)
        parts.append(_in_namespace(number, f"{source}\nstatic void call(void **a) {{ {name}({given}); }}"))
        parts.append(
            f'extern "C" int run_{number}(int grid, int block, int backwards, void **a) '
            f"{{ return run_grid(k{number}::call, {fibers}, grid, block, backwards, a); }}\n"
        )
    folder, text = _folder(), "".join(parts)
    target = folder / f"{_key(text, *_FLAGS)}.so"
    source_file, made = (folder / f"{target.stem}.{os.getpid()}.{kind}" for kind in ("cpp", "so"))
    source_file.write_text(text)
    compiler = subprocess.Popen(
        [str(COMPILER), *_FLAGS, *flags, "-o", str(made), str(source_file)], stderr=subprocess.PIPE, text=True
    )

    def finish() -> None:
        _, messages = compiler.communicate()
        if compiler.returncode:
            raise AssertionError(f"g++ refuses emitted CUDA C ({source_file}):\n{messages[:4000]}")
        made.rename(target)
        source_file.unlink()
        for number, pair in enumerate(sources):
            _written(_kept(pair), f"{target.name} {number}")

    return finish


def _written(target: Path, text: str) -> None:
    """A file that is there as a whole or not at all: several runs may be at it."""
    made = target.with_suffix(f".{os.getpid()}")
    made.write_text(text)
    made.rename(target)


def _folder() -> Path:
    given = os.environ.get(
        "HOST_CUDA_FOLDER"
    )  # of programs that a test starts with a temporary folder of their own
    folder = Path(given) if given else Path(tempfile.gettempdir()) / f"rushlight-host-cuda-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    return folder


def together(compile_each: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """An engine's ``compile``, with all kernels of a program made by one call of g++ before each is asked for."""

    def compile_together(self: Any, sources: Sequence[tuple[str, str]]) -> list[Any]:
        compile_all(sources)
        return compile_each(self, sources)

    return compile_together


def compile_one(source: str, name: str) -> Function:
    """One kernel."""
    return compile_all([(source, name)])[0]


def address(array: np.ndarray[Any, Any]) -> int:
    """Where an array's first element is (of a view with negative steps, too)."""
    return int(array.__array_interface__["data"][0])


# --- a GPU on the host --------------------------------------------------------------------------------------------------


class HostEngine:
    """What ``runtime.cuda_plan`` asks of a GPU, with NumPy arrays for its memory. ``backwards``: threads and blocks run so.

    "Graphs" keep the launches with their addresses, as CUDA's do: replaying one with other arrays would show.
    """

    captures = True
    setting = None

    def here(self) -> Any:
        return contextlib.nullcontext()

    def __init__(self, *, backwards: bool = False, takes_numpy: bool = True) -> None:
        self.backwards = backwards
        self.takes_numpy = takes_numpy
        self.captured: list[Any] | None = None
        self.counts = {
            "launch": 0,
            "product": 0,
            "copy": 0,
            "clear": 0,
            "capture": 0,
            "replay": 0,
            "host": 0,
            "compile": 0,
        }
        self.known: dict[tuple[str, str], Function] = {}

    def compile(self, sources: Sequence[tuple[str, str]]) -> list[Any]:
        missing = [pair for pair in dict.fromkeys(sources) if pair not in self.known]
        if missing:
            self.counts["compile"] += len(missing)
            self.known.update(zip(missing, compile_all(missing), strict=True))
        return [self.known[pair] for pair in sources]

    def allocate(self, nbytes: int) -> Any:
        memory = np.full(nbytes + 512, 0xFF, np.uint8)  # NaN, and indices out of range
        start = -address(memory) % 256
        return memory[start : start + nbytes]

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return np.empty(shape, dtype)

    def address_of(self, array: Any) -> int:
        return address(array)

    def host_words(self, count: int) -> tuple[Any, int]:
        words = np.zeros(count, np.int64)
        return words, address(words)

    def _do(self, kind: str, *what: Any) -> None:
        self.counts[kind] += 1
        if self.captured is not None:
            self.captured.append((kind, what))
        else:
            getattr(self, "_" + kind)(*what)

    def launch(self, function: Any, grid: int, block: int, arguments: Sequence[int]) -> None:
        self._do("launch", function, grid, block, list(arguments))

    def _launch(self, function: Any, grid: int, block: int, arguments: Sequence[int]) -> None:
        function(grid, block, arguments, backwards=self.backwards)

    def copy(self, target: int, source: int, nbytes: int) -> None:
        self._do("copy", target, source, nbytes)

    def _copy(self, target: int, source: int, nbytes: int) -> None:
        ctypes.memmove(target, source, nbytes)

    def clear(self, target: int, nbytes: int) -> None:
        self._do("clear", target, nbytes)

    def _clear(self, target: int, nbytes: int) -> None:
        ctypes.memset(target, 0, nbytes)

    def copy_in(self, target: int, array: Any) -> None:
        assert self.captured is None
        ctypes.memmove(target, address(array), array.nbytes)

    def copy_out(self, array: Any, source: int) -> None:
        assert self.captured is None
        ctypes.memmove(address(array), source, array.nbytes)

    def to_host(self, array: Any, source: int) -> None:
        assert self.captured is None
        self.counts["host"] += 1
        ctypes.memmove(address(array), source, array.nbytes)

    def to_device(self, target: int, array: Any) -> None:
        assert self.captured is None
        ctypes.memmove(target, address(array), array.nbytes)

    def view(self, memory: Any, offset: int, shape: tuple[int, ...], dtype: Any) -> Any:
        return None  # for `called` alone

    def called(self, function: Any, operands: Sequence[Any]) -> Any:
        return NotImplemented  # lines without a kernel run in NumPy: there is no CuPy here

    def assign(self, target: Any, value: Any) -> None:
        raise AssertionError("nothing was called")

    def product(self, line: Any, places: Sequence[int], factors: Sequence[Any], on_device: bool) -> None:
        self._do("product", line, list(places), list(factors), on_device)

    def _product(self, line: Any, places: Sequence[int], factors: Sequence[Any], on_device: bool) -> None:
        """cuBLAS's gemmStridedBatchedEx: matrices in column order, its conditions on leading dimensions checked."""
        dtype = _dtype(line.dtype)
        wide = np.dtype(np.float64 if line.dtype == "float64" else np.float32)
        if on_device:
            factors = [_memory(at, wide, 1)[0] for at in factors]
        alpha, beta = [wide.type(f) for f in factors]
        shapes = [
            (line.k, line.m) if line.transposed[0] else (line.m, line.k),
            (line.n, line.k) if line.transposed[1] else (line.k, line.n),
            (line.m, line.n),
        ]
        assert min(line.m, line.n, line.k) > 0
        for (rows, _), leading in zip(shapes, line.leading, strict=True):
            assert leading >= max(1, rows), ("leading dimension", line)
        for number in range(line.batch):
            views = []
            for at, (rows, columns), leading, stride in zip(
                places, shapes, line.leading, line.strides, strict=True
            ):
                start = at + number * stride * dtype.itemsize
                flat = _memory(start, dtype, (columns - 1) * leading + rows)
                item = dtype.itemsize
                views.append(np.lib.stride_tricks.as_strided(flat, (rows, columns), (item, leading * item)))
            a, b, c = views
            a = a.astype(wide).T if line.transposed[0] else a.astype(wide)
            b = b.astype(wide).T if line.transposed[1] else b.astype(wide)
            with np.errstate(all="ignore"):  # a GPU reports nothing
                value = alpha * (a @ b)
            if beta != 0:
                value = value + beta * c.astype(wide)
            c[...] = value.astype(dtype)

    def capture(self, issue: Any) -> Any:
        self.counts["capture"] += 1
        before = dict(self.counts)
        self.captured = []
        try:
            issue()
        finally:
            graph, self.captured = self.captured, None
        self.counts = before
        return graph

    def replay(self, graph: Any) -> None:
        self.counts["replay"] += 1
        for kind, what in graph:
            getattr(self, "_" + kind)(*what)

    def synchronize(self) -> None:
        pass


def _dtype(name: str) -> np.dtype[Any]:
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def _memory(at: int, dtype: np.dtype[Any], count: int) -> Any:
    """``count`` elements at an address."""
    buffer = (ctypes.c_char * (count * dtype.itemsize)).from_address(at)
    return np.frombuffer(buffer, dtype, count)
