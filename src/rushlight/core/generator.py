"""Random number generators with PyTorch's CPU engine: the same mt19937 numbers and the same state bytes."""

from __future__ import annotations

import _thread
import math
import operator
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from . import native_draws
from .device import CPU, LOADERS, device
from .tensor import Tensor, make_tensor

if TYPE_CHECKING:
    from numpy.random import MT19937

DEFAULT_SEED: Final = 67280421310721  # what PyTorch's generators hold until somebody seeds them

_BLOCK: Final = 624  # mt19937 makes its numbers 624 at a time
# A large draw goes piece by piece through scratch memory that stays in the second-level cache.
_PIECE: Final = 48 * _BLOCK
# Constants are 0-d arrays: a ufunc takes them in half the time of a NumPy scalar.
_LOW_24: Final = np.array(0xFFFFFF, np.uint32)
_STEP_24: Final = np.array(2.0**-24, np.float32)
_LOW_21: Final = np.array(0x1FFFFF, np.uint32)
_STEP_21: Final = np.array(2.0**-21)
_STEP_53: Final = np.array(2.0**-53)
_32: Final = np.array(32, np.uint64)
_FEW_PAIRS: Final = 8
_NOTHING: Final = np.zeros(0, np.uint32)

# PyTorch's state: this header, the engine's 624 words as 64-bit numbers, this trailer; native byte order.
_HEADER: Final = np.dtype([("seed", "u8"), ("left", "i4"), ("seeded", "i4"), ("next", "u8")])
_TRAILER: Final = np.dtype(
    [
        ("unused_x", "f8"),
        ("normal", "f8"),  # the second normal of a pair, where has_normal is 1
        ("unused_rho", "f8"),
        ("has_normal", "i4"),
        ("padding", "i4"),
        ("float_normal", "V8"),  # a float and a flag that no CPU operation uses
    ]
)
_WORDS_START: Final = _HEADER.itemsize
_WORDS_STOP: Final = _WORDS_START + 8 * _BLOCK
STATE_SIZE: Final = _WORDS_STOP + _TRAILER.itemsize


def unit_float32(bits: NDArray[np.uint32], units: NDArray[np.float32]) -> None:
    """Set ``units`` to PyTorch's float32 in [0, 1) from each 32-bit draw: its low 24 bits."""
    # A signed view: every processor converts signed integers in vectors.
    units[...] = np.bitwise_and(bits, _LOW_24).view(np.int32)
    np.multiply(units, _STEP_24, units)


def unit_float64(bits: NDArray[np.uint32], units: NDArray[np.float64]) -> None:
    """Set ``units`` to PyTorch's float64 in [0, 1) from each two 32-bit draws, high word first: the low 53 bits."""
    units[...] = np.bitwise_and(bits[0::2], _LOW_21)
    np.multiply(units, _STEP_21, units)
    np.add(units, np.multiply(bits[1::2], _STEP_53), units)


def words64(bits: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """A 64-bit number from each two 32-bit draws, high word first."""
    words = bits[0::2].astype(np.uint64)
    np.left_shift(words, _32, words)
    return np.bitwise_or(words, bits[1::2], words)


class Generator:
    """A stream of random numbers, the same as that of a PyTorch CPU generator with the same seed or state.

    Args:
        device: where the generator draws; only the CPU.

    Raises ``RuntimeError`` for another device. Threads may share a generator: a draw takes its lock, so each
    thread's numbers are one uninterrupted part of the stream.

    Example:
        >>> from rushlight.core.generator import Generator
        >>> Generator().manual_seed(0).random()
        2357136044

    Source: M. Matsumoto and T. Nishimura, "Mersenne Twister", 1998.
    """

    # `_block` holds the engine's current 624 numbers, of which `_next` are used; NumPy's generator always stands
    # at the end of that block, so its key is the engine's state. An unused engine has no block and `_next` 624.
    __slots__ = (
        "__weakref__",
        "_bits",
        "_block",
        "_float_normal",
        "_idle_next",
        "_next",
        "_normal",
        "_normals",
        "_normals_start",
        "_seed",
        "_units",
        "_unseeded",
        "lock",
    )

    # Whether the draws are made by ``draw``, on another device, not by the functions of ``core.random_streams``.
    elsewhere: ClassVar[bool] = False

    def __new__(cls, device: object = "cpu") -> Generator:
        """A generator for the CPU, or of the class that another device brings."""
        return object.__new__(cls if device == "cpu" or cls is not Generator else _class_for(device))

    def __init__(self, device: object = "cpu") -> None:
        self.lock: Final = _thread.allocate_lock()
        self._bits: MT19937 | None = None
        self._reset(DEFAULT_SEED)

    @property
    def device(self) -> device:
        """Where the generator draws: ``device(type='cpu')``."""
        return CPU

    # Seeding

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of ``seed``, from -2**63 to 2**64 - 1 (negative ones count from 2**64); returns itself.

        Raises ``RuntimeError`` for what is no integer, ``ValueError`` for one out of range.

        Example:
            >>> from rushlight.core.generator import Generator
            >>> Generator().manual_seed(-1).initial_seed()
            18446744073709551615
        """
        try:
            number = operator.index(seed)
        except TypeError:
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}") from None
        if not -(2**63) <= number < 2**64:
            raise ValueError(
                f"manual_seed: Overflow when unpacking long: {number}; give a seed from -2**63 to 2**64 - 1"
            )
        with self.lock:
            self._reset(number % 2**64)
        return self

    def seed(self) -> int:
        """Start the stream of a seed from the operating system, and return that seed."""
        seed = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed that the stream was started with."""
        return self._seed

    def _reset(self, seed: int) -> None:
        self._seed = seed
        self._unseeded = True
        self._forget_block(0)
        self._normal: float | None = None
        self._float_normal = bytes(8)

    def _forget_block(self, idle_next: int) -> None:
        self._block = _NOTHING
        self._units: NDArray[np.float32] | None = None
        self._normals: NDArray[np.float32] | None = None
        self._normals_start = 0
        self._next = _BLOCK
        self._idle_next = idle_next

    def _engine(self) -> MT19937:
        """NumPy's engine, seeded. Made late: importing numpy.random costs 10 ms that not every program needs."""
        bits = self._bits
        if bits is None:
            bits = self._bits = np.random.MT19937(0)
        if self._unseeded:
            # The legacy seeding is mt19937's own, which PyTorch uses too, with the low 32 bits of the seed.
            np.random.RandomState(bits).seed(self._seed & 0xFFFFFFFF)
            self._unseeded = False
        return bits

    # Draws

    def take_unlocked(self, count: int) -> NDArray[np.uint32]:
        """The next ``count`` 32-bit numbers, perhaps as a read-only view. The caller holds ``lock``."""
        start = self._next
        stop = start + count
        if stop <= _BLOCK:
            self._next = stop
            return self._block[start:stop]
        drawn = np.empty(count, np.uint32)
        rest = self._block[start:]
        have = rest.size
        drawn[:have] = rest
        engine = self._engine()
        if count - have >= native_draws.LARGE and (native := native_draws.found(count - have)) is not None:
            # All but the last numbers; NumPy's engine stands at the end of its block before and after.
            whole = (count - have - 1) // _BLOCK * _BLOCK
            native.words(engine.ctypes.state_address, drawn[have : have + whole])
            have += whole
        while True:
            blocks = -(-(count - have) // _BLOCK)
            numbers = engine.random_raw(min(_BLOCK * blocks, _PIECE))
            used = min(numbers.size, count - have)
            drawn[have : have + used] = numbers[:used]
            have += used
            if have == count:
                break
        self._put(numbers[-_BLOCK:], used - (numbers.size - _BLOCK))
        return drawn

    def _put(self, numbers: NDArray[np.uint64], used: int) -> None:
        """Make ``numbers``, with which NumPy's engine ends, the current block."""
        self._block = numbers.astype(np.uint32)
        self._block.setflags(write=False)  # views of it are handed out
        self._units = self._normals = None
        self._next = used

    def take(self, count: int) -> NDArray[np.uint32]:
        """The next ``count`` 32-bit numbers; the array may be read-only."""
        with self.lock:
            return self.take_unlocked(count)

    def take64(self, count: int) -> NDArray[np.uint64]:
        """The next ``count`` 64-bit numbers, each made of two draws, high word first."""
        return words64(self.take(2 * count))

    def random(self) -> int:
        """The next 32-bit number."""
        with self.lock:
            return self.take_unlocked(1).item()

    def random64(self) -> int:
        """The next 64-bit number: two draws, high word first."""
        with self.lock:
            high, low = self.take_unlocked(2).tolist()
        return int(high << 32 | low)

    def units32(self, count: int) -> NDArray[np.float32]:
        """The next ``count`` float32 numbers in [0, 1), in a new array."""
        with self.lock:
            start = self._next
            stop = start + count
            if stop <= _BLOCK:
                self._next = stop
                return self._block_units()[start:stop].copy()
            drawn = np.empty(count, np.float32)
            if count <= _BLOCK:
                have = _BLOCK - start
                if have:
                    drawn[:have] = self._block_units()[start:]
                self._put(self._engine().random_raw(_BLOCK), count - have)
                drawn[have:] = self._block_units()[: count - have]
                return drawn
            for at in range(0, count, _PIECE):
                part = drawn[at : at + _PIECE]
                unit_float32(self.take_unlocked(part.size), part)
        return drawn

    def _block_units(self) -> NDArray[np.float32]:
        """The current block as float32 in [0, 1): converted once, so that a small draw is one copy."""
        units = self._units
        if units is None:
            units = self._units = np.empty(self._block.size, np.float32)
            unit_float32(self._block, units)
        return units

    def block_normals(
        self, count: int, make: Callable[[NDArray[np.uint32]], NDArray[np.float32]]
    ) -> NDArray[np.float32] | None:
        """The next ``count`` float32 normals, whole sixteens of at most 624, perhaps as a view that is not to be written to.

        ``make`` turns sixteens of numbers into normals. It takes as long for a block as for sixteen, so what is left of the
        block is turned at once, for this draw and those after it. None, and nothing drawn, where a sixteen lies in two blocks.
        """
        with self.lock:
            start = self._next
            if start + count <= _BLOCK:
                return self._normals_from(start, count, make)
            have = _BLOCK - start
            if have % 16:
                return None
            drawn = np.empty(count, np.float32)
            if have:
                drawn[:have] = self._normals_from(start, have, make)
            self._put(self._engine().random_raw(_BLOCK), 0)
            drawn[have:] = self._normals_from(0, count - have, make)
            return drawn

    def _normals_from(self, start: int, count: int, make: Any) -> NDArray[np.float32]:
        normals, place = self._normals, start - self._normals_start
        if normals is None or place < 0 or place % 16:
            bits = self._block[start : start + (_BLOCK - start) // 16 * 16]
            normals = self._normals = make(bits.reshape(-1, 16)).reshape(-1)
            self._normals_start, place = start, 0
        self._next = start + count
        return normals[place : place + count]

    def units64(self, count: int) -> NDArray[np.float64]:
        """The next ``count`` float64 numbers in [0, 1), in a new array."""
        drawn = np.empty(count, np.float64)
        native = native_draws.found(0) if count >= native_draws.LARGE else None
        convert = unit_float64 if native is None else native.units64
        with self.lock:
            for at in range(0, count, _PIECE // 2):
                part = drawn[at : at + _PIECE // 2]
                convert(self.take_unlocked(2 * part.size), part)
        return drawn

    def units64_unlocked(self) -> Iterator[float]:
        """The next float64 numbers in [0, 1), drawn one by one as they are asked for. The caller holds ``lock``."""
        crossing = np.empty(1, np.float64)
        while True:
            pairs = (_BLOCK - self._next) // 2
            if pairs == 0:
                unit_float64(self.take_unlocked(2), crossing)
                yield crossing.item()
                continue
            units = np.empty(pairs, np.float64)
            unit_float64(self._block[self._next : self._next + 2 * pairs], units)
            for unit in units.tolist():
                self._next += 2
                yield unit

    def serial_normals(self, count: int) -> list[float]:
        """The next ``count`` standard normals of PyTorch's one-by-one path, which keeps half of an unfinished pair.

        PyTorch uses it for fewer than 16 elements and for non-contiguous tensors. Cosines, sines and
        logarithms are the C library's, as in PyTorch: NumPy's own differ in the last bit.
        """
        values: list[float] = []
        with self.lock:
            if count > 0 and self._normal is not None:
                values.append(self._normal)
                self._normal = None
            pairs = (count - len(values) + 1) // 2
            bits = self.take_unlocked(4 * pairs)
            if pairs <= _FEW_PAIRS:  # as ``unit_float64`` has them, in Python
                words = bits.tolist()
                units = [
                    ((words[i] & 0x1FFFFF) << 32 | words[i + 1]) * 2.0**-53 for i in range(0, 4 * pairs, 2)
                ]
            else:
                drawn = np.empty(2 * pairs, np.float64)
                unit_float64(bits, drawn)
                units = drawn.tolist()
            for i in range(0, 2 * pairs, 2):
                angle = 2.0 * math.pi * units[i]
                radius = math.sqrt(-2.0 * math.log1p(-units[i + 1]))
                values.append(radius * math.cos(angle))
                values.append(radius * math.sin(angle))
            if len(values) > count:
                self._normal = values.pop()
        return values

    # State

    def state_bytes(self) -> NDArray[np.uint8]:
        """The state as PyTorch's ``Generator.get_state()`` has it: 5056 bytes, in a new uint8 array.

        Example:
            >>> from rushlight.core.generator import Generator
            >>> generator = Generator().manual_seed(3)
            >>> before = generator.state_bytes()
            >>> first = generator.random()
            >>> generator.set_state_bytes(before)
            >>> generator.random() == first
            True
        """
        state = np.zeros(STATE_SIZE, np.uint8)
        with self.lock:
            words = self._engine().state["state"]["key"]
            used = self._next if self._block.size else self._idle_next
            left = _BLOCK + 1 - used if self._block.size else 1
            normal = self._normal
            state[:_WORDS_START].view(_HEADER)[0] = (self._seed, left, 1, used)
            state[_WORDS_START:_WORDS_STOP].view(np.uint64)[:] = words
            state[_WORDS_STOP:].view(_TRAILER)[0] = (
                0.0,
                0.0 if normal is None else normal,
                0.0,
                normal is not None,
                0,
                self._float_normal,
            )
        return state

    def draw(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """``function`` of ``core.random_streams`` on another device, where ``elsewhere`` is true."""
        return function(self, *args, **kwargs)

    def set_state_bytes(self, state: Any) -> None:
        """Go on from a state of ``state_bytes()`` or of a PyTorch CPU generator.

        Raises ``TypeError`` for what is no uint8 array, ``RuntimeError`` for another size or a state that no
        generator can be in; the generator is then as it was.
        """
        if not isinstance(state, np.ndarray) and hasattr(state, "memory"):
            state = np.asarray(state)  # of a recording, which refuses if the value is not known
        if not isinstance(state, np.ndarray) or state.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        if state.size != STATE_SIZE:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE_SIZE} "
                f"but found the input RNG state size to be {state.size}"
            )
        data = np.ascontiguousarray(state).reshape(-1)
        seed, left, seeded, used = data[:_WORDS_START].view(_HEADER)[0].item()
        words = data[_WORDS_START:_WORDS_STOP].view(np.uint64).astype(np.uint32)
        _, normal, _, has_normal, _, float_normal = data[_WORDS_STOP:].view(_TRAILER)[0].item()
        # With one number left the next draw makes a new block, wherever the old one stood.
        consistent = left == 1 or left + used == _BLOCK + 1
        if not (seeded and 1 <= left <= _BLOCK and used <= _BLOCK and consistent):
            raise RuntimeError(
                f"Invalid mt19937 state: {used} numbers used, {left} left, seeded {seeded}; "
                "give a state that get_state() returned"
            )
        with self.lock:
            engine = self._engine()
            engine.state = {
                "bit_generator": "MT19937",
                "state": {"key": words, "pos": _BLOCK if left == 1 else 0},
            }
            self._forget_block(used)
            if left != 1:
                self._put(engine.random_raw(_BLOCK), used)
            self._seed = seed
            self._normal = normal if has_normal else None
            self._float_normal = bytes(float_normal)

    def get_state(self) -> Tensor:
        """The state as a uint8 tensor of 5056 elements, in PyTorch's layout."""
        return make_tensor(self.state_bytes())

    def set_state(self, new_state: Tensor) -> Generator:
        """Put back a state from ``get_state``, Rushlight's or PyTorch's; ``TypeError`` for another dtype."""
        if not isinstance(new_state, Tensor) or new_state._array.dtype != np.uint8:
            raise TypeError("expected a torch.ByteTensor, the RNG state that get_state() returned")
        self.set_state_bytes(new_state._array)
        return self

    def clone_state(self) -> Generator:
        """A generator of its own that goes on from the same state."""
        clone = Generator()
        clone.set_state_bytes(self.state_bytes())
        return clone

    def __repr__(self) -> str:  # PyTorch's words
        return f"<torch._C.Generator object at {id(self):#x}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Generator, (), self.state_bytes())

    def __setstate__(self, state: NDArray[np.uint8]) -> None:
        self.set_state_bytes(state)


# The seeds given to other devices' generators before there were any: by the device's number, or -1 for all.
SEEDS_ELSEWHERE: Final[dict[int, int]] = {}


def _class_for(where: object) -> type[Generator]:
    if where == "cpu" or where is CPU:
        return Generator
    if not isinstance(where, device | str | int):
        raise TypeError(f"Generator: expected a device such as 'cpu', got {type(where).__name__}")
    found = device(where)
    if found.type == "cpu":
        return Generator
    try:
        made: type[Generator] = getattr(LOADERS[found.type](), "generator_class")  # noqa: B009 - not every backend has one
    except (KeyError, AttributeError, AssertionError) as error:
        raise RuntimeError(
            f"Device type {found.type.upper()} is not supported for torch.Generator() api: {error}"
        ) from None
    return made


default_generator: Final = Generator()
