"""Random numbers and generator states against PyTorch: every comparison is of bytes, and of the state afterwards.

PyTorch's own numbers differ on a processor without AVX2 (docs/design/random.md): there these tests are skipped.
"""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rushlight.core import random_streams as streams
from rushlight.core.dtypes import BF16, BOOL, C64, C128, F16, F32, F64, I64
from rushlight.core.generator import Generator, default_generator

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif(
        torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"),
        reason="PyTorch's numbers here are those of its AVX2 kernels",
    ),
]

SIZES = [*range(41), 100, 1000, 1001, 12345]
TORCH = {
    BOOL: torch.bool,
    np.dtype(np.uint8): torch.uint8,
    np.dtype(np.int8): torch.int8,
    np.dtype(np.int16): torch.int16,
    np.dtype(np.int32): torch.int32,
    I64: torch.int64,
    F16: torch.float16,
    BF16: torch.bfloat16,
    F32: torch.float32,
    F64: torch.float64,
    C64: torch.complex64,
    C128: torch.complex128,
}
INTEGERS = [dtype for dtype in TORCH if dtype.kind in "iu"]
FLOATS = [F16, BF16, F32, F64]
SEEDS = [0, 1, 123456789012345, -7]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


class Pair:
    """A generator of each kind in the same state."""

    def __init__(self, seed: int = 0) -> None:
        self.theirs = torch.Generator().manual_seed(seed)
        self.ours = Generator().manual_seed(seed)

    def set_state(self, state: np.ndarray) -> None:
        self.theirs.set_state(torch.from_numpy(state))
        self.ours.set_state_bytes(state)

    def check(self, theirs: Any, ours: np.ndarray) -> None:
        assert TORCH[ours.dtype] is theirs.dtype
        assert tuple(theirs.shape) == ours.shape
        assert raw(theirs) == ours.tobytes()
        assert self.theirs.get_state().numpy().tobytes() == self.ours.state_bytes().tobytes()


def raw(tensor: Any) -> bytes:
    tensor = tensor.contiguous()
    bits = tensor.view(torch.int16) if tensor.dtype is torch.bfloat16 else tensor
    return bits.numpy().tobytes()


def as_tensor(array: np.ndarray) -> Any:
    if array.dtype == BF16:
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(array)


def empty(size: int, dtype: Any) -> Any:
    return torch.empty(size, dtype=TORCH[dtype])


# Seeds and states


@pytest.mark.parametrize("seed", [0, 5, 2**32 + 5, -1, -5, 2**63, 2**64 - 1, -(2**63)])
def test_seeds(seed: int) -> None:
    pair = Pair(seed)
    assert pair.ours.initial_seed() == pair.theirs.initial_seed()
    assert pair.ours.state_bytes().tobytes() == pair.theirs.get_state().numpy().tobytes()
    pair.check(torch.rand(3, generator=pair.theirs), streams.uniform(pair.ours, 3))


@pytest.mark.parametrize("seed", [1.5, "1", None, 2**64, -(2**63) - 1])
def test_seed_errors(seed: Any) -> None:
    with pytest.raises(Exception) as theirs:
        torch.Generator().manual_seed(seed)
    with pytest.raises(type(theirs.value)):
        Generator().manual_seed(seed)


def test_unseeded_generators() -> None:
    assert Generator().state_bytes().tobytes() == torch.Generator().get_state().numpy().tobytes()
    assert default_generator.state_bytes().size == torch.get_rng_state().numel()


@pytest.mark.parametrize("drawn", [0, 1, 2, 623, 624, 625, 1248, 2001])
@pytest.mark.parametrize("normals", [0, 1, 2])
def test_states_go_both_ways(drawn: int, normals: int) -> None:
    theirs = torch.Generator().manual_seed(3)
    torch.rand(drawn, generator=theirs)
    torch.randn(normals, generator=theirs)
    ours = Generator()
    ours.set_state_bytes(theirs.get_state().numpy())
    assert ours.initial_seed() == 3
    assert ours.state_bytes().tobytes() == theirs.get_state().numpy().tobytes()
    back = torch.Generator()
    back.set_state(torch.from_numpy(ours.state_bytes()))
    for size in (3, 1000):
        expected = torch.randn(size, generator=theirs)
        assert raw(torch.randn(size, generator=back)) == raw(expected)
        assert streams.normal(ours, size).tobytes() == raw(expected)


@pytest.mark.parametrize(("left", "used"), [(1, 0), (1, 5), (1, 624), (624, 1), (2, 623)])
def test_states_at_the_end_of_a_block(left: int, used: int) -> None:
    state = Generator().manual_seed(3).state_bytes()
    state[8:12].view(np.int32)[0] = left
    state[16:24].view(np.uint64)[0] = used
    pair = Pair()
    pair.set_state(state)
    assert pair.ours.state_bytes().tobytes() == pair.theirs.get_state().numpy().tobytes()
    pair.check(torch.rand(3, generator=pair.theirs), streams.uniform(pair.ours, 3))


@pytest.mark.parametrize(
    ("left", "used", "seeded"), [(0, 0, 1), (625, 0, 1), (-1, 3, 1), (1, 625, 1), (10, 615, 0)]
)
def test_states_that_both_refuse(left: int, used: int, seeded: int) -> None:
    state = Generator().manual_seed(3).state_bytes()
    state[8:16].view(np.int32)[:] = left, seeded
    state[16:24].view(np.uint64)[0] = used
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        torch.Generator().set_state(torch.from_numpy(state))
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        Generator().set_state_bytes(state)


def test_copies_carry_the_state_as_theirs_do() -> None:
    pair = Pair(4)
    pair.check(torch.randn(5, generator=pair.theirs), streams.normal(pair.ours, 5))
    for duplicate in (copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))):
        theirs, ours = duplicate(pair.theirs), duplicate(pair.ours)
        assert streams.normal(ours, 4).tobytes() == raw(torch.randn(4, generator=theirs))


# Uniform and normal


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", [*FLOATS, C64, C128], ids=str)
def test_rand_and_randn(dtype: Any, seed: int) -> None:
    pair = Pair(seed)
    for size in SIZES:
        pair.check(
            torch.rand(size, dtype=TORCH[dtype], generator=pair.theirs),
            streams.uniform(pair.ours, size, dtype),
        )
        pair.check(
            torch.randn(size, dtype=TORCH[dtype], generator=pair.theirs),
            streams.normal(pair.ours, size, dtype),
        )


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(
    ("low", "high"),
    [
        (-0.3, 0.7),
        (-1.0, 1.0),
        (0.1, 0.3),
        (5.0, 5.0),
        (1e3, 1e3 + 1),
        (-0.017, 0.0173),
        (0.0, 1e-3),
        (-10, -3),
    ],
)
def test_uniform_bounds(dtype: Any, low: float, high: float) -> None:
    pair = Pair()
    for size in (1, 5, 1000, 40000):
        pair.check(
            empty(size, dtype).uniform_(low, high, generator=pair.theirs),
            streams.uniform(pair.ours, size, dtype, low, high),
        )


@pytest.mark.parametrize("dtype", [*FLOATS, C64, C128], ids=str)
@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.7), (1.3, 0.7), (-1000.0, 1e-3), (0.1, 0.0), (1e-9, 5.0)])
def test_normal_means_and_deviations(dtype: Any, mean: float, std: float) -> None:
    pair = Pair()
    for size in (1, 5, 16, 17, 1000, 40001):
        pair.check(
            empty(size, dtype).normal_(mean, std, generator=pair.theirs),
            streams.normal(pair.ours, size, dtype, mean, std),
        )


def test_a_mixed_sequence() -> None:
    pair = Pair(42)
    g, ours = pair.theirs, pair.ours
    for n in (3, 10, 15, 16, 17, 33, 700):
        pair.check(torch.randn(3, generator=g), streams.normal(ours, 3))
        pair.check(torch.rand(2, generator=g), streams.uniform(ours, 2))
        pair.check(torch.randn(n, generator=g), streams.normal(ours, n))
        pair.check(torch.randint(0, 100, (n,), generator=g), streams.random_integers(ours, n, I64, 0, 100))
        pair.check(torch.randn(n, dtype=torch.float64, generator=g), streams.normal(ours, n, F64))
        pair.check(torch.randperm(n, generator=g), streams.permutation(ours, n))
        pair.check(torch.randn(1, generator=g), streams.normal(ours, 1))
        pair.check(torch.empty(n, 2).bernoulli_(0.3, generator=g), streams.bernoulli(ours, (n, 2), F32, 0.3))
        pair.check(torch.rand(n, dtype=torch.float64, generator=g), streams.uniform(ours, n, F64))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_a_million(dtype: Any) -> None:
    pair = Pair(9)
    size = 1_000_003
    pair.check(
        torch.randn(size, dtype=TORCH[dtype], generator=pair.theirs), streams.normal(pair.ours, size, dtype)
    )
    pair.check(
        torch.rand(size, dtype=TORCH[dtype], generator=pair.theirs), streams.uniform(pair.ours, size, dtype)
    )
    pair.check(
        empty(size, dtype).normal_(0.1, 0.02, generator=pair.theirs),
        streams.normal(pair.ours, size, dtype, 0.1, 0.02),
    )
    pair.check(
        empty(size, dtype).exponential_(1.7, generator=pair.theirs),
        streams.exponential(pair.ours, size, dtype, 1.7),
    )


@pytest.mark.parametrize("size", [1, 5, 17, 400])
def test_normal_of_arrays(size: int) -> None:
    pair = Pair()
    for mean_dtype in FLOATS:
        mean = np.linspace(-3, 60, size).astype(mean_dtype)
        for std_dtype in FLOATS:
            std = np.linspace(0, 2, size).astype(std_dtype)
            pair.check(
                torch.normal(as_tensor(mean), as_tensor(std), generator=pair.theirs),
                streams.normal_from_arrays(pair.ours, mean, std),
            )
        pair.check(
            torch.normal(as_tensor(mean), 0.37, generator=pair.theirs),
            streams.normal_from_arrays(pair.ours, mean, 0.37),
        )
        pair.check(
            torch.normal(1.3, as_tensor(abs(mean)), generator=pair.theirs),
            streams.normal_from_arrays(pair.ours, 1.3, abs(mean)),
        )


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(
    ("mean", "std", "low", "high"),
    [
        (0, 1, -2, 2),
        (0, 0.02, -2, 2),
        (0.5, 1, 0, 1),
        (0, 1, 0.5, 3),
        (0, 1, 2, 3),
        (0, 1, -0.1, 0.1),
        (3, 1, -1, 1),
    ],
)
def test_truncated_normals(dtype: Any, mean: float, std: float, low: float, high: float) -> None:
    pair = Pair()
    for size in (0, 1, 5, 50, 1000, 20000):
        theirs = empty(size, dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a mean far outside the bounds, and nothing to initialize
            torch.nn.init.trunc_normal_(theirs, mean, std, low, high, generator=pair.theirs)
        pair.check(theirs, streams.truncated_normal(pair.ours, size, dtype, mean, std, low, high))


# Tensors in memory order


VIEWS: list[Callable[[Any], Any]] = [
    lambda x: x.permute(1, 0, 2) if hasattr(x, "permute") else x.transpose(1, 0, 2),
    lambda x: x.permute(2, 1, 0) if hasattr(x, "permute") else x.transpose(2, 1, 0),
    lambda x: x[:, ::2],
    lambda x: x[1:3, :, 1:4],
    lambda x: (x.permute(2, 0, 1) if hasattr(x, "permute") else x.transpose(2, 0, 1))[::2, 1:],
]


@pytest.mark.parametrize("view", range(len(VIEWS)))
def test_views_are_filled_in_memory_order(view: int) -> None:
    pair = Pair()
    theirs, ours = torch.zeros(4, 5, 6), np.zeros((4, 5, 6), F32)
    their_view, our_view = VIEWS[view](theirs), VIEWS[view](ours)

    def check(draw: Callable[[Any], Any], values: np.ndarray) -> None:
        draw(their_view)
        streams.fill_in_memory_order(our_view, values)
        pair.check(theirs, ours)

    size = our_view.size
    g = pair.theirs
    check(lambda x: x.uniform_(generator=g), streams.uniform(pair.ours, size))
    check(
        lambda x: x.normal_(0.2, 1.7, generator=g),
        streams.normal(pair.ours, size, F32, 0.2, 1.7, contiguous=False),
    )
    check(lambda x: x.random_(0, 1000, generator=g), streams.random_integers(pair.ours, size, F32, 0, 1000))
    check(lambda x: x.bernoulli_(0.4, generator=g), streams.bernoulli(pair.ours, size, F32, 0.4))
    check(lambda x: x.exponential_(generator=g), streams.exponential(pair.ours, size))
    check(lambda x: x.cauchy_(generator=g), streams.cauchy(pair.ours, size))
    check(lambda x: x.log_normal_(generator=g), streams.log_normal(pair.ours, size))
    check(lambda x: x.geometric_(0.4, generator=g), streams.geometric(pair.ours, size, F32, 0.4))


# Integers


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 1), (0, 10), (-5, 2**28 - 6), (-5, 2**28 - 5), (0, 2**31), (0, 2**40), (-(2**63), 2**63 - 1)],
)
def test_randint(low: int, high: int) -> None:
    pair = Pair()
    for size in (0, 1, 7, 1000):
        pair.check(
            torch.randint(low, high, (size,), generator=pair.theirs),
            streams.random_integers(pair.ours, size, I64, low, high),
        )


@pytest.mark.parametrize("dtype", [*INTEGERS, BOOL, *FLOATS], ids=str)
def test_integers_in_every_dtype(dtype: Any) -> None:
    pair = Pair()
    for size in (1, 50, 1001):
        pair.check(
            empty(size, dtype).random_(generator=pair.theirs),
            streams.random_integers_default(pair.ours, size, dtype),
        )
        pair.check(
            torch.randint(0, 2, (size,), dtype=TORCH[dtype], generator=pair.theirs),
            streams.random_integers(pair.ours, size, dtype, 0, 2),
        )
        pair.check(
            empty(size, dtype).random_(1, None, generator=pair.theirs),
            streams.random_integers_from(pair.ours, size, dtype, 1),
        )


@pytest.mark.parametrize("dtype", [I64, BF16, F32, F64], ids=str)
def test_all_64_bits(dtype: Any) -> None:
    pair = Pair()
    pair.check(
        empty(50, dtype).random_(-(2**63), None, generator=pair.theirs),
        streams.random_integers_from(pair.ours, 50, dtype, -(2**63)),
    )


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0, 2048), (0, 256), (0, 300), (-(2**10), 2**10 + 1), (1, 1000), (-3, 2049), (-300, -250), (2049, 2900),
        (2049, 2050), (3000, 3001), (0, 2**30 + 3), (-(2**53) - 1, 2**40), (0, 70000), (0, 2**63 - 1),
    ],
)  # fmt: skip
def test_ranges_that_a_float_dtype_rounds(dtype: Any, low: int, high: int) -> None:
    pair = Pair()
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        try:
            theirs = empty(100, dtype).random_(low, high, generator=pair.theirs)
        except RuntimeError as error:
            with pytest.raises(RuntimeError) as ours:
                streams.random_integers(pair.ours, 100, dtype, low, high)
            assert str(ours.value) == str(error)
        else:
            pair.check(theirs, streams.random_integers(pair.ours, 100, dtype, low, high))


def test_randperm() -> None:
    pair = Pair()
    for n in SIZES:
        pair.check(torch.randperm(n, generator=pair.theirs), streams.permutation(pair.ours, n))
    for dtype in (*INTEGERS, *FLOATS):
        pair.check(
            torch.randperm(100, dtype=TORCH[dtype], generator=pair.theirs),
            streams.permutation(pair.ours, 100, dtype),
        )
    # PyTorch doesn't check this one: the numbers are rounded.
    pair.check(
        torch.randperm(3000, dtype=torch.bfloat16, generator=pair.theirs),
        streams.permutation(pair.ours, 3000, BF16),
    )
    pair.check(torch.randperm(60000, generator=pair.theirs), streams.permutation(pair.ours, 60000))


# Other distributions


@pytest.mark.parametrize("size", [1, 5, 17, 1000])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_distributions(dtype: Any, size: int) -> None:
    pair = Pair()
    g, ours = pair.theirs, pair.ours
    for rate in (1.0, 0.3, 7.7, float("inf")):
        pair.check(
            empty(size, dtype).exponential_(rate, generator=g), streams.exponential(ours, size, dtype, rate)
        )
    for p in (0.2, 0.99, 1e-6):
        pair.check(empty(size, dtype).geometric_(p, generator=g), streams.geometric(ours, size, dtype, p))
    for mean, std in ((1.0, 2.0), (0.3, 0.2)):
        pair.check(
            empty(size, dtype).log_normal_(mean, std, generator=g),
            streams.log_normal(ours, size, dtype, mean, std),
        )
        pair.check(
            empty(size, dtype).cauchy_(mean, std, generator=g), streams.cauchy(ours, size, dtype, mean, std)
        )
    rates = np.linspace(0, 60, size).astype(dtype)
    pair.check(torch.poisson(as_tensor(rates), generator=g), streams.poisson(ours, rates))


@pytest.mark.parametrize("dtype", [*INTEGERS, BOOL, *FLOATS], ids=str)
def test_bernoulli(dtype: Any) -> None:
    pair = Pair()
    for p in (0.0, 0.3, 0.999, 1.0):
        pair.check(
            empty(1001, dtype).bernoulli_(p, generator=pair.theirs),
            streams.bernoulli(pair.ours, 1001, dtype, p),
        )
    for p_dtype in FLOATS:
        p_array = np.linspace(0, 1, 1001).astype(p_dtype)
        pair.check(
            empty(1001, dtype).bernoulli_(as_tensor(p_array), generator=pair.theirs),
            streams.bernoulli_from_array(pair.ours, p_array, dtype),
        )


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_geometric_integers(dtype: Any) -> None:
    pair = Pair()
    pair.check(
        empty(500, dtype).geometric_(0.3, generator=pair.theirs),
        streams.geometric(pair.ours, 500, dtype, 0.3),
    )


@pytest.mark.parametrize("p", [0.3, 0.1, 1 / 3, 0.77, 1e-20, 0.0, 1.0])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_dropout(dtype: Any, p: float) -> None:
    ours = Generator().manual_seed(6)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        theirs = torch.nn.functional.dropout(torch.ones(700, dtype=TORCH[dtype]), p)
        after = torch.get_rng_state().numpy().tobytes()
    assert streams.dropout_noise(ours, 700, dtype, p).tobytes() == raw(theirs)
    assert ours.state_bytes().tobytes() == after


@pytest.mark.parametrize("categories", [1, 5, 26, 1000, 20001])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_multinomial(dtype: Any, categories: int) -> None:
    pair = Pair()
    weights = np.random.default_rng(categories).random((3, categories)).astype(dtype)
    weights[:, 0] = 1
    weights[:, 3:5] = 0
    for given in (weights, weights[1]):
        pair.check(
            torch.multinomial(as_tensor(given), 200, True, generator=pair.theirs),
            streams.multinomial(pair.ours, given, 200, True),
        )
        pair.check(
            torch.multinomial(as_tensor(given), 1, generator=pair.theirs),
            streams.multinomial(pair.ours, given, 1),
        )
        # Equal quotients come in the order of PyTorch's selection algorithm: 16-bit ones and thousands of float32.
        if dtype == F64 or (dtype == F32 and categories <= 1000):
            count = (categories + 1) // 2
            pair.check(
                torch.multinomial(as_tensor(given), count, generator=pair.theirs),
                streams.multinomial(pair.ours, given, count),
            )


# Draws at the ends of the range, which no seed would meet in a test


def draws(*numbers: int) -> np.ndarray:
    """A state whose next draws are ``numbers``."""
    state = Generator().manual_seed(0).state_bytes()
    state[8:12].view(np.int32)[0] = 624
    state[16:24].view(np.uint64)[0] = 1
    state[24:-40].view(np.uint64)[1 : len(numbers) + 1] = [before_tempering(n) for n in numbers]
    return state


def before_tempering(y: int) -> int:
    y ^= y >> 18
    y ^= y << 15 & 0xEFC60000
    x = y
    for _ in range(5):
        x = y ^ x << 7 & 0x9D2C5680
    y = x
    for _ in range(3):
        x = y ^ x >> 11
    return x


ONES = 2**32 - 1
EXTREMES = {
    "zeros": [0] * 600,
    "ones": [ONES] * 600,
    "alternating": [0, ONES] * 300,
    "smallest": [1] * 600,
    "radius 0": ([0] * 8 + [ONES] * 8) * 37,
    "largest radius, half turn": ([ONES] * 8 + [1 << 23] * 8) * 37,
    "quarter turn": ([1 << 22] * 8 + [1 << 22] * 8) * 37,
    "three quarters": ([5] * 8 + [3 << 22] * 8) * 37,
    "eighth": ([1 << 20] * 8 + [1 << 21] * 8) * 37,
}


@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_extreme_draws(dtype: Any, name: str) -> None:
    pair = Pair()
    g, ours = pair.theirs, pair.ours
    state = draws(*EXTREMES[name])
    for n in (2, 15, 16, 17, 32):

        def check(theirs: Callable[[Any], Any], values: Callable[[], np.ndarray], n: int = n) -> None:
            pair.set_state(state)
            pair.check(theirs(empty(n, dtype)), values())

        check(lambda x: x.normal_(generator=g), lambda n=n: streams.normal(ours, n, dtype))
        check(lambda x: x.normal_(0, 0.7, generator=g), lambda n=n: streams.normal(ours, n, dtype, 0.0, 0.7))
        check(
            lambda x: x.normal_(-1.1, 0, generator=g), lambda n=n: streams.normal(ours, n, dtype, -1.1, 0.0)
        )
        check(lambda x: x.uniform_(generator=g), lambda n=n: streams.uniform(ours, n, dtype))
        check(
            lambda x: x.uniform_(-1.1, 0.3, generator=g),
            lambda n=n: streams.uniform(ours, n, dtype, -1.1, 0.3),
        )
        check(
            lambda x: x.exponential_(0.3, generator=g), lambda n=n: streams.exponential(ours, n, dtype, 0.3)
        )
        check(lambda x: x.cauchy_(generator=g), lambda n=n: streams.cauchy(ours, n, dtype))
        check(lambda x: x.geometric_(0.3, generator=g), lambda n=n: streams.geometric(ours, n, dtype, 0.3))
        check(lambda x: x.log_normal_(generator=g), lambda n=n: streams.log_normal(ours, n, dtype))
        check(lambda x: x.bernoulli_(1.0, generator=g), lambda n=n: streams.bernoulli(ours, n, dtype, 1.0))
    pair.set_state(state)
    weights = np.array([0, 0, 1, 0.3, 0], dtype)
    pair.check(
        torch.multinomial(as_tensor(weights), 5, True, generator=g),
        streams.multinomial(ours, weights, 5, True),
    )


def test_draws_of_all_kinds_in_turn() -> None:
    """Small draws are made of blocks that were converted once: whatever comes between must not disturb them."""
    order = np.random.default_rng(0)
    kinds = (
        "rand",
        "randn",
        "randn",
        "randn",
        "integers",
        "permutation",
        "rand64",
        "randn64",
        "half",
        "state",
    )
    for seed in range(40):
        pair = Pair(seed)
        for kind in order.choice(kinds, 12):
            size = int(order.choice([1, 3, 15, 16, 32, 48, 64, 100, 256, 500, 512, 624, 640, 1000]))
            if kind == "rand":
                mine, other = streams.uniform(pair.ours, size), torch.rand(size, generator=pair.theirs)
            elif kind == "randn":
                mine, other = streams.normal(pair.ours, size), torch.randn(size, generator=pair.theirs)
            elif kind == "integers":
                mine = streams.random_integers(pair.ours, size, I64, 0, 100)
                other = torch.randint(0, 100, (size,), generator=pair.theirs)
            elif kind == "permutation":
                mine = streams.permutation(pair.ours, size)
                other = torch.randperm(size, generator=pair.theirs)
            elif kind == "rand64":
                mine = streams.uniform(pair.ours, size, F64)
                other = torch.rand(size, generator=pair.theirs, dtype=torch.float64)
            elif kind == "randn64":
                mine = streams.normal(pair.ours, size, F64)
                other = torch.randn(size, generator=pair.theirs, dtype=torch.float64)
            elif kind == "half":
                mine = streams.normal(pair.ours, size, BF16).astype(F32)
                other = torch.randn(size, generator=pair.theirs, dtype=torch.bfloat16).float()
            else:
                pair.ours.set_state_bytes(pair.theirs.get_state().numpy())
                continue
            assert mine.tobytes() == other.numpy().tobytes(), (seed, kind, size)
        assert pair.ours.state_bytes().tobytes() == pair.theirs.get_state().numpy().tobytes()
