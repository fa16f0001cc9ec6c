"""PyTorch's random numbers on a GPU: cuRAND's Philox4x32-10, in the order in which PyTorch's CUDA kernels draw.

A generator is a seed and an offset. A kernel of T threads gives thread t the subsequence t of the seed, started at the offset;
every draw of a thread is one block of four 32-bit words, of which it fills four elements, T apart:

    element i  is made of word (i // T) % 4 of block offset / 4 + i // (4 T) of subsequence i % T

with T = 256 min(ceil(n / 256), SMs x blocks that an SM holds), so the numbers depend on the GPU's size as PyTorch's do, and
the offset goes on by four for each block that one thread drew. float64 and 64-bit integers take two words: two elements from
a block. Dropout on contiguous memory gives a thread four neighbouring elements instead.

This order is written down from what is known of PyTorch's kernels; it has not been compared with PyTorch on a GPU. Normal
numbers may differ from PyTorch's in the last bits (its kernels use the GPU's fast sine). ``randperm``, ``multinomial``,
``poisson``, ``binomial`` and the gamma family are drawn on the CPU, by a generator seeded from this one: the same
distribution, other numbers than PyTorch's.

Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
"""

from __future__ import annotations

import math
import operator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..core import random_streams
from ..core.device import device
from ..core.dtypes import BF16, F16, F32, F64, I64, LOW_PRECISION, NumpyDType
from ..core.generator import Generator
from .cuda_ordering_rules import ORDERING
from .cuda_rules import of_bits, to_bits

DEFAULT_SEED: Final = 67280421310721
STATE_SIZE: Final = 16
BLOCK: Final = 256
_INVERSE: Final = np.float32(2.0**-32)
FLOATING: Final = (F16, BF16, F32, F64)

# One launch fills `words` with n words in the order of the elements; `blocks` is how many draws all threads make together.
PHILOX_SOURCE: Final = r"""
extern "C" __global__ void philox_words(
    unsigned int* words, long long n, long long threads, long long blocks, long long seed, long long first)
{
    long long step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < blocks; i += step) {
        long long call = i / threads, thread = i % threads;
        unsigned long long counter = (unsigned long long)first + (unsigned long long)call;
        unsigned int c0 = (unsigned int)counter, c1 = (unsigned int)(counter >> 32);
        unsigned int c2 = (unsigned int)thread, c3 = (unsigned int)(thread >> 32);
        unsigned int k0 = (unsigned int)seed, k1 = (unsigned int)((unsigned long long)seed >> 32);
        for (int round = 0; round < 10; ++round) {
            unsigned long long p = 0xD2511F53ull * c0, q = 0xCD9E8D57ull * c2;
            c0 = (unsigned int)(q >> 32) ^ c1 ^ k0;
            c1 = (unsigned int)q;
            c2 = (unsigned int)(p >> 32) ^ c3 ^ k1;
            c3 = (unsigned int)p;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        long long at = call * 4 * threads + thread;
        if (at < n) words[at] = c0;
        if (at + threads < n) words[at + threads] = c1;
        if (at + 2 * threads < n) words[at + 2 * threads] = c2;
        if (at + 3 * threads < n) words[at + 3 * threads] = c3;
    }
}
"""


def philox(counter: tuple[Any, Any, Any, Any], key: tuple[int, int]) -> tuple[Any, Any, Any, Any]:
    """Four words of Philox4x32-10 for each counter (four arrays of 32-bit words, low first) under one key.

    Example:
        >>> [hex(int(word)) for word in philox((0, 0, 0, 0), (0, 0))]
        ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1, c2, c3 = [np.asarray(part, np.uint64) for part in counter]
    k0, k1 = key
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        p, q = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (q >> half) ^ c1 ^ np.uint64(k0), q & low, (p >> half) ^ c3 ^ np.uint64(k1), p & low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def philox_words(n: int, threads: int, blocks: int, seed: int, first: int) -> NDArray[np.uint32]:
    """What the kernel ``philox_words`` writes, computed by NumPy: ``n`` words in the order of the elements."""
    calls = -(-blocks // threads)
    call = np.arange(first, first + calls, dtype=np.uint64)[:, None]
    thread = np.arange(threads, dtype=np.uint64)[None, :]
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    zero = np.zeros((calls, threads), np.uint64)
    words = philox(
        (zero + (call & low), zero + (call >> half), zero + (thread & low), zero + (thread >> half)),
        (seed & 0xFFFFFFFF, seed >> 32),
    )
    return np.stack(words, 1).astype(np.uint32).reshape(-1)[:n]


def threads_for(n: int, processors: int, threads_of_one: int) -> int:
    """How many threads PyTorch's kernels of random numbers run for ``n`` elements."""
    return BLOCK * min(-(-n // BLOCK), processors * (threads_of_one // BLOCK))


class CudaGenerator(Generator):
    """``torch.Generator("cuda")``: a stream on one GPU. Its state is 16 bytes: the seed and the offset."""

    __slots__ = ("_host", "_limits", "_offset", "_where")
    elsewhere = True

    def __init__(self, where: object = "cuda") -> None:
        from .cuda import backend

        super().__init__()
        self._where = backend().ready(device(where))  # type: ignore[arg-type]
        self._offset = 0
        self._seed = DEFAULT_SEED
        self._limits: tuple[int, int] | None = None

    @property
    def device(self) -> device:
        """Which GPU it draws on."""
        return self._where

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of ``seed``; ``ValueError`` for one out of range."""
        try:
            number = operator.index(seed)
        except TypeError:
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}") from None
        if not -(2**63) <= number < 2**64:
            raise ValueError(f"manual_seed: Overflow when unpacking long: {number}")
        with self.lock:
            self._seed, self._offset = number % 2**64, 0
        return self

    def get_offset(self) -> int:
        """How far the stream has gone, in 32-bit words of one thread."""
        return self._offset

    def set_offset(self, offset: int) -> None:
        """Go on from there; ``RuntimeError`` unless it is a multiple of 4."""
        if offset % 4:
            raise RuntimeError(f"offset must be a multiple of 4, got {offset}")
        self._offset = int(offset)

    def state_bytes(self) -> NDArray[np.uint8]:
        """Seed and offset, 16 bytes, as PyTorch's CUDA generator has them."""
        return np.array([self._seed, self._offset], np.uint64).view(np.uint8)

    def set_state_bytes(self, state: NDArray[Any]) -> None:
        """Go on from a state of ``state_bytes()``; ``RuntimeError`` for another size."""
        if not isinstance(state, np.ndarray) or state.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        if state.size != STATE_SIZE:
            raise RuntimeError(
                f"RNG state is wrong size: expected {STATE_SIZE} bytes of a CUDA generator, got {state.size}"
            )
        seed, offset = np.ascontiguousarray(state).view(np.uint64).tolist()
        self.set_offset(offset)
        self._seed = seed

    def clone_state(self) -> Generator:
        """A generator of its own that goes on from the same state."""
        clone = CudaGenerator(self._where)
        clone.set_state_bytes(self.state_bytes())
        return clone

    def __reduce__(self) -> tuple[Any, ...]:
        return (Generator, (str(self._where),), self.state_bytes())

    # --- words ----------------------------------------------------------------------------------------------------

    def _take(self, n: int, unroll: int) -> tuple[int, int, int]:
        """(threads, draws of one thread, first block) for ``n`` elements of which a block makes ``unroll``."""
        if self._limits is None:
            self._limits = _limits(self._where)
        threads = threads_for(n, *self._limits)
        calls = (n - 1) // (threads * unroll) + 1
        with self.lock:
            first = self._offset // 4
            self._offset += 4 * calls
        return threads, calls, first

    def take_blocks(self, calls: int) -> tuple[int, int]:
        """(seed, first block) of draws that take ``calls`` blocks of each thread; the stream goes on behind them."""
        with self.lock:
            first = self._offset // 4
            self._offset += 4 * calls
            return self._seed, first

    def words(self, n: int) -> Any:
        """A 32-bit word for each of ``n`` elements, on the device."""
        threads, calls, first = self._take(n, 4)
        return self._launch(n, threads, calls, first)

    def blocks(self, n: int, unroll: int) -> Any:
        """Whole blocks for ``n`` elements: (draws, 4, threads)."""
        threads, calls, first = self._take(n, unroll)
        return self._launch(4 * calls * threads, threads, calls, first).reshape(calls, 4, threads)

    def _launch(self, n: int, threads: int, calls: int, first: int) -> Any:
        from .cuda import backend

        found = backend()
        cupy = found.cupy
        with found.on(self._where), found.memory_errors():
            words = cupy.empty((n,), np.uint32)
            total = threads * calls
            seed = np.uint64(self._seed).astype(np.int64)  # the same bits
            sizes = (np.int64(n), np.int64(threads), np.int64(total), seed, np.int64(first))
            _kernel(cupy)((min(-(-total // BLOCK), 65535),), (BLOCK,), (words, *sizes))
        return words

    # --- distributions --------------------------------------------------------------------------------------------

    def draw(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """What ``function`` of ``core.random_streams`` would give for a CPU generator, from this stream, on its GPU."""
        from .cuda import backend

        rule = getattr(self, "_draw_" + function.__name__, None)
        found = backend()
        with found.on(self._where):
            if rule is not None:
                result = rule(found.cupy, *args, **kwargs)
                if result is not NotImplemented:
                    return result
            from .cuda_operations import HOST_TRIPS

            HOST_TRIPS[f"random: {function.__name__}"] += 1
            # On the CPU, from a stream that this one's state determines.
            with self.lock:
                seed, self._offset = (
                    (self._seed + 0x9E3779B97F4A7C15 * (self._offset + 1)) % 2**64,
                    self._offset + 4,
                )
            host = [found.to_host(a) if type(a) is found.ndarray else a for a in args]
            values = function(Generator().manual_seed(seed), *host, **kwargs)
            return found.place(np.asarray(values), self._where)

    def _draw_units(self, cupy: Any, shape: Any, dtype: NumpyDType) -> Any:
        """Numbers from (0, 1] in the dtype that PyTorch draws in: float64 for float64, else float32."""
        n = int(np.prod(shape, dtype=np.int64))
        if not n:
            return cupy.empty(shape, F64 if dtype == F64 else F32)
        if dtype != F64:
            return _unit32(self.words(n)).reshape(shape)
        pairs = self.blocks(n, 2).reshape(-1, 2, 2, self.threads_of(n))
        x, y = pairs[:, :, 0].reshape(-1)[:n], pairs[:, :, 1].reshape(-1)[:n]
        return _unit64(x, y).reshape(shape)

    def threads_of(self, n: int) -> int:
        """The threads of a kernel of ``n`` elements on this GPU."""
        if self._limits is None:
            self._limits = _limits(self._where)
        return threads_for(n, *self._limits)

    def _draw_uniform(
        self, cupy: Any, shape: Any, dtype: NumpyDType, low: float = 0.0, high: float = 1.0
    ) -> Any:
        if dtype.kind == "c":
            part = F64 if dtype.itemsize == 16 else F32
            both = self._draw_uniform(cupy, (*shape, 2), part, low, high)
            return both.view(dtype).reshape(shape)
        random_streams.check_uniform_bounds(dtype, low, high)
        units = self._draw_units(cupy, shape, dtype)
        kind = units.dtype.type
        start, stop = (_to_dtype(cupy, cupy.full((), bound, units.dtype), dtype) for bound in (low, high))
        wide = units * kind(float(stop.get()) - float(start.get()) if dtype != F64 else high - low) + kind(
            low
        )
        values = _to_dtype(cupy, wide, dtype)
        if dtype in LOW_PRECISION and dtype == BF16:
            return cupy.where(values.view(np.uint16) == stop.view(np.uint16), start.view(np.uint16), values.view(np.uint16)).view(BF16)  # noqa: E501 # fmt: skip
        return cupy.where(values == stop, start, values)  # the bound that is left out is the upper one

    def _draw_normal(
        self,
        cupy: Any,
        shape: Any,
        dtype: NumpyDType,
        mean: float = 0.0,
        std: float = 1.0,
        contiguous: bool = True,
    ) -> Any:
        if dtype.kind == "c":
            part = F64 if dtype.itemsize == 16 else F32
            both = self._draw_normal(cupy, (*shape, 2), part, 0.0, std / math.sqrt(2.0))
            values = both.view(dtype).reshape(shape)
            return values + values.dtype.type(mean) if mean else values
        n = int(np.prod(shape, dtype=np.int64))
        if not n:
            return cupy.empty(shape, dtype)
        if dtype == F64:
            words = self.blocks(n, 2)
            radius = cupy.sqrt(-2.0 * cupy.log(_unit64(words[:, 0], words[:, 1])))
            angle = 2.0 * math.pi * _unit64(words[:, 2], words[:, 3])
            normals = cupy.stack([radius * cupy.sin(angle), radius * cupy.cos(angle)], 1)
        else:
            words = self.blocks(n, 4)
            radius = cupy.sqrt(np.float32(-2.0) * cupy.log(_unit32(words[:, 0::2])))
            turn = np.float32(2.0**-32 * 2.0 * math.pi)
            angle = words[:, 1::2].astype(F32) * turn + np.float32(turn / 2)
            sines, cosines = radius * cupy.sin(angle), radius * cupy.cos(angle)
            normals = cupy.stack([sines[:, 0], cosines[:, 0], sines[:, 1], cosines[:, 1]], 1)
        flat = normals.reshape(-1)[:n].reshape(shape)
        return _to_dtype(cupy, flat * flat.dtype.type(std) + flat.dtype.type(mean), dtype)

    def _draw_bernoulli(self, cupy: Any, shape: Any, dtype: NumpyDType, p: float) -> Any:
        if not 0 <= p <= 1:
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
        units = self._draw_units(cupy, shape, F64 if dtype == F64 else F32)
        return _to_dtype(cupy, units < units.dtype.type(p), dtype)

    def _draw_bernoulli_from_array(self, cupy: Any, p: Any, dtype: NumpyDType | None = None) -> Any:
        kind = p.dtype if dtype is None else dtype
        n = p.size
        if not n:
            return cupy.empty(p.shape, kind)
        if p.dtype == BF16:
            p = of_bits(cupy, p)
        if not bool(((p >= 0) & (p <= 1)).all()):
            raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
        with self.lock:
            first, self._offset = self._offset // 4, self._offset + 12
        threads = -(-n // 4)
        units = _unit32(self._launch(4 * threads, threads, 1, first).reshape(4, threads).T.reshape(-1)[:n])
        return _to_dtype(cupy, units.reshape(p.shape) <= p.astype(F32), kind)

    def _draw_dropout_noise(self, cupy: Any, shape: Any, dtype: NumpyDType, p: float) -> Any:
        if p >= 1:
            return cupy.zeros(shape, dtype)
        n = int(np.prod(shape, dtype=np.int64))
        if not n:
            return cupy.empty(shape, dtype)
        threads = self.threads_of(n)
        neighbours = 4 if n % 4 == 0 else 2 if n % 2 == 0 else 1
        if neighbours == 1:
            units = _unit32(self.words(n))
        else:
            words = self.blocks(n, 4)  # draw, word, thread
            units = _unit32(words)
            if neighbours == 4:
                units = units.swapaxes(1, 2).reshape(-1)[:n]
            else:
                units = units.reshape(-1, 2, 2, threads).swapaxes(2, 3).reshape(-1)[:n]
        kept = (units < np.float32(1 - p)).reshape(shape)
        return _to_dtype(cupy, kept.astype(F32) * np.float32(1.0 / (1.0 - p)), dtype)

    def _draw_random_integers(self, cupy: Any, shape: Any, dtype: NumpyDType, low: int, high: int) -> Any:
        if low >= high or (dtype.kind not in "iuf" and dtype != BF16):
            return NotImplemented  # the CPU's function raises in PyTorch's words
        span = high - low
        if span >= 1 << 28:
            return self._wide_integers(cupy, shape, dtype, low, span)
        n = int(np.prod(shape, dtype=np.int64))
        if not n:
            return cupy.empty(shape, dtype)
        values = (self.words(n) % np.uint32(span)).astype(I64) + np.int64(low)
        return _to_dtype(cupy, values, dtype).reshape(shape)

    def _wide_integers(self, cupy: Any, shape: Any, dtype: NumpyDType, low: int, span: int) -> Any:
        n = int(np.prod(shape, dtype=np.int64))
        if not n or dtype != I64:
            return NotImplemented
        pairs = self.blocks(n, 2).reshape(-1, 2, 2, self.threads_of(n))
        x, y = pairs[:, :, 0].reshape(-1)[:n], pairs[:, :, 1].reshape(-1)[:n]
        bits = (x.astype(np.uint64) << np.uint64(32)) | y.astype(np.uint64)
        if span < 1 << 64:
            bits = bits % np.uint64(span)
        return (bits.astype(I64) + np.int64(low)).reshape(shape)

    def _draw_exponential(self, cupy: Any, shape: Any, dtype: NumpyDType = F32, rate: float = 1.0) -> Any:
        if rate <= 0 or dtype not in FLOATING:
            return NotImplemented
        units = self._draw_units(cupy, shape, dtype)
        kind = units.dtype.type
        edge = kind(np.finfo(units.dtype).eps / 2)
        logs = cupy.where(units >= kind(1) - edge, -edge, cupy.log(units))
        return _to_dtype(cupy, logs * kind(-1.0 / rate), dtype)

    def _draw_log_normal(self, cupy: Any, shape: Any, dtype: NumpyDType, mean: float, std: float) -> Any:
        if dtype not in FLOATING or std <= 0:
            return NotImplemented
        kind = F32 if dtype == BF16 else dtype
        return _to_dtype(cupy, cupy.exp(self._draw_normal(cupy, shape, kind, mean, std)), dtype)

    def _draw_cauchy(self, cupy: Any, shape: Any, dtype: NumpyDType, median: float, sigma: float) -> Any:
        if dtype not in FLOATING or sigma <= 0:
            return NotImplemented
        units = self._draw_units(cupy, shape, dtype)
        kind = units.dtype.type
        edge = np.finfo(units.dtype).eps
        units = cupy.minimum(cupy.maximum(units, kind(edge)), kind(1 - edge))
        return _to_dtype(
            cupy, kind(median) + kind(sigma) * cupy.tan(kind(math.pi) * (units - kind(0.5))), dtype
        )

    def _draw_geometric(self, cupy: Any, shape: Any, dtype: NumpyDType, p: float) -> Any:
        if not 0 < p < 1:
            return NotImplemented
        units = self._draw_units(cupy, shape, dtype)
        kind = units.dtype.type
        return _to_dtype(cupy, cupy.ceil(cupy.log(units) / kind(math.log1p(-p))), dtype)

    def _draw_normal_from_arrays(self, cupy: Any, mean: Any, std: Any) -> Any:
        arrays = [part for part in (mean, std) if type(part) is cupy.ndarray]
        kinds = {part.dtype for part in arrays}
        if len(kinds) != 1 or not kinds <= set(FLOATING):
            return NotImplemented
        if bool((std < 0).any()) if type(std) is cupy.ndarray else std < 0:
            return NotImplemented  # the CPU's function raises in PyTorch's words
        shape = np.broadcast_shapes(*[part.shape for part in arrays])
        kind = kinds.pop()
        normals = self._draw_normal(cupy, shape, kind)
        if kind != BF16:
            return normals * std + mean
        mean, std = [of_bits(cupy, part) if type(part) is cupy.ndarray else part for part in (mean, std)]
        scaled = to_bits(
            cupy, of_bits(cupy, normals) * std
        )  # rounded after each step, as PyTorch's kernels have it
        return to_bits(cupy, of_bits(cupy, scaled) + mean)

    def _draw_multinomial(self, cupy: Any, weights: Any, count: int, replacement: bool = False) -> Any:
        """As PyTorch: the largest of weight / exponential number, largest first; several with replacement by the running
        sums of the weights (there PyTorch's numbers are others)."""
        if weights.dtype not in FLOATING or weights.ndim not in (1, 2) or not weights.size:
            return NotImplemented
        categories = weights.shape[-1]
        if count <= 0 or categories > 2**24 or (not replacement and count > categories):
            return NotImplemented
        rounded = weights.dtype == BF16  # to bfloat16 after each step, as PyTorch's kernels have it
        if rounded:
            weights = of_bits(cupy, weights)
        sound = (cupy.isfinite(weights) & (weights >= 0)).all() & (weights > 0).any(axis=-1).all()
        if not bool(sound):
            return NotImplemented  # the CPU's function raises in PyTorch's words
        if replacement and count > 1:
            rows = weights.astype(F64 if weights.dtype == F64 else F32)
            sums = cupy.cumsum(rows, axis=-1)
            units = self._draw_units(cupy, (*weights.shape[:-1], count), rows.dtype)
            return ORDERING["searchsorted"](cupy, sums / sums[..., -1:], units, None, False)
        times = self._draw_exponential(cupy, weights.shape, BF16 if rounded else weights.dtype)
        scores = weights / (of_bits(cupy, times) if rounded else times)
        if rounded:
            scores = of_bits(cupy, to_bits(cupy, scores))
        return ORDERING["topk"](cupy, scores, count, weights.ndim - 1, True)[1]

    def _draw_permutation(self, cupy: Any, n: int, dtype: NumpyDType = I64) -> Any:
        """The order of random 64-bit keys (there PyTorch's numbers are others)."""
        if not n:
            return NotImplemented
        pairs = self.blocks(n, 2).reshape(-1, 2, 2, self.threads_of(n))
        x, y = pairs[:, :, 0].reshape(-1)[:n], pairs[:, :, 1].reshape(-1)[:n]
        keys = (x.astype(np.uint64) << np.uint64(32)) | y.astype(np.uint64)
        return cupy.argsort(keys).astype(dtype, copy=False)


def _unit32(words: Any) -> Any:
    return words.astype(F32) * _INVERSE + np.float32(_INVERSE / 2)


def _unit64(x: Any, y: Any) -> Any:
    bits = x.astype(np.uint64) ^ (y.astype(np.uint64) << np.uint64(21))
    return bits.astype(F64) * np.float64(2.0**-53) + np.float64(2.0**-54)


def _to_dtype(cupy: Any, values: Any, dtype: NumpyDType) -> Any:
    if dtype == BF16:
        return to_bits(cupy, values.astype(F32, copy=False))
    return values.astype(dtype, copy=False)


def _limits(where: device) -> tuple[int, int]:
    from .cuda import backend

    properties = backend().cupy.cuda.runtime.getDeviceProperties(where.index)
    return int(properties["multiProcessorCount"]), int(properties["maxThreadsPerMultiProcessor"])


_kernels: dict[Any, Any] = {}


def _kernel(cupy: Any) -> Any:
    kernel = _kernels.get(cupy)
    if kernel is None:
        kernel = _kernels[cupy] = cupy.RawKernel(PHILOX_SOURCE, "philox_words")
    return kernel
