"""The random functions' numbers, errors and order. The expected values were taken from PyTorch 2.13.0 on a CPU with
AVX2; tests/parity/test_random_streams.py compares with PyTorch itself."""

from __future__ import annotations

import hashlib
import platform
import warnings
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from rushlight.core import random_integers as random_integers_module, random_streams as streams
from rushlight.core.dtypes import BF16, BOOL, C64, C128, F16, F32, F64, I64
from rushlight.core.fused_multiply_add import fused32, fused64
from rushlight.core.generator import Generator

I8, I32, U8 = np.dtype(np.int8), np.dtype(np.int32), np.dtype(np.uint8)
needs_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc",
    reason="log, sin and cos are the C library's, and PyTorch's were glibc's",
)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]


def test_first_numbers_of_seed_0() -> None:
    assert streams.uniform(seeded(), 3).tolist() == [
        0.49625658988952637, 0.7682217955589294, 0.08847743272781372,
    ]  # fmt: skip
    assert streams.uniform(seeded(), 2, F64).tolist() == [0.9700530018065531, 0.707819864399788]
    assert streams.normal(seeded(), 3).tolist() == [
        1.5409960746765137, -0.293428897857666, -2.1787893772125244,
    ]  # fmt: skip
    assert streams.normal(seeded(), 16)[:3].tolist() == [
        -1.1258398294448853, -1.152360200881958, -0.2505785822868347,
    ]  # fmt: skip
    assert streams.random_integers(seeded(), 8, I64, 0, 10).tolist() == [4, 9, 3, 0, 3, 9, 7, 3]
    assert streams.permutation(seeded(), 8).tolist() == [4, 0, 7, 3, 2, 5, 1, 6]


# Digests of the results' bytes; those of float32 uniforms and normals hold on every platform.
DIGESTS: list[tuple[Callable[[], Any], str]] = [
    (lambda: streams.normal(seeded(), 15), "feb39d97c8afee24"),
    (lambda: streams.normal(seeded(), 16), "7648137a31024642"),
    (lambda: streams.normal(seeded(), 17), "6d2169852e19b6d1"),
    (lambda: streams.normal(seeded(), 1001), "89a136bbf5250958"),
    (lambda: streams.normal(seeded(), 100000), "0185aae2d6c33b39"),
    (lambda: streams.normal(seeded(), 1001, F32, 1.3, 0.7), "244e06bfd3a61157"),
    (lambda: streams.uniform(seeded(), 1001), "bca142cff8f2777c"),
    (lambda: streams.uniform(seeded(), 1001, F32, -0.3, 0.7), "9f0cf37d060ac786"),
    (lambda: streams.uniform(seeded(), 1001, F64), "5392730bee76f23d"),
    (lambda: streams.uniform(seeded(), 1001, F64, -0.3, 0.7), "7ba9de6d1251655e"),
    (lambda: streams.uniform(seeded(), 1001, F16), "a5fd75a5418225cc"),
    (lambda: streams.uniform(seeded(), 1001, F16, -0.3, 0.7), "a6ef3765c549d96c"),
    (lambda: streams.uniform(seeded(), 1001, BF16), "8b76dfb0bd44b8b4"),
    (lambda: streams.uniform(seeded(), 1001, BF16, -0.3, 0.7), "dc260ba94a817d23"),
    (lambda: streams.normal(seeded(), 16, F16), "d454a863ea7f89ed"),
    (lambda: streams.normal(seeded(), 17, F16), "f2878ebe99bdfb25"),
    (lambda: streams.normal(seeded(), 1001, F16), "5efc4629a73e6ed2"),
    (lambda: streams.normal(seeded(), 1001, F16, 1.3, 0.7), "1dcfcf4d63bc264c"),
    (lambda: streams.normal(seeded(), 16, BF16), "db8036dfcc2285c3"),
    (lambda: streams.normal(seeded(), 17, BF16), "c60a1c8b836ce1fe"),
    (lambda: streams.normal(seeded(), 1001, BF16), "329e1ce9b2a075f8"),
    (lambda: streams.normal(seeded(), 1001, BF16, 1.3, 0.7), "b56e73387a726d4d"),
    (lambda: streams.normal(seeded(), 5, C64), "dc36d34f1f421462"),
    (lambda: streams.normal(seeded(), 1001, C64), "6ed3b2cfa796ccb6"),
    (lambda: streams.exponential(seeded(), 1001, F32, 1.7), "c60edf03d62d4209"),
    (lambda: streams.exponential(seeded(), 1001, F16, 1.7), "e1bc4ef2780c3add"),
    (lambda: streams.exponential(seeded(), 1001, BF16, 1.7), "0a3b4fbffccc7275"),
    (lambda: streams.cauchy(seeded(), 1001, F32, 0.1, 1.7), "c4e1aa7cf3ce13e8"),
    (lambda: streams.log_normal(seeded(), 1001, F32, 0.1, 0.7), "796df11f2e96ad5a"),
    (lambda: streams.random_integers(seeded(), 1001, I64, -5, 2**27), "968940d369d82e20"),
    (lambda: streams.random_integers(seeded(), 1001, I64, -5, 2**28), "0f56efac7a1e4a38"),
    (lambda: streams.random_integers(seeded(), 1001, I64, -(2**63), 2**63 - 1), "0738d02e723157c5"),
    (lambda: streams.permutation(seeded(), 1001), "a54a47efcbe82d3b"),
    (lambda: streams.bernoulli(seeded(), 1001, F32, 0.3), "c290ef3ba6979c4f"),
    (lambda: streams.bernoulli_from_array(seeded(), np.full(1001, 0.3, F32)), "6dfa15554d3efa3c"),
    (lambda: streams.geometric(seeded(), 1001, I64, 0.3), "e8e3c3add8704a78"),
    (lambda: streams.poisson(seeded(), np.linspace(0, 49, 99).astype(F32)), "1284ae6246a13a9a"),
    (lambda: streams.multinomial(seeded(), np.arange(1, 101, dtype=F32), 1000, True), "ccd8a3550ebdb20c"),
    (lambda: streams.multinomial(seeded(), np.arange(1, 101, dtype=F32), 50), "cc5d4dc299d5b351"),
    (lambda: streams.random_integers_default(seeded(), 1001, I32), "9635a6ef09538376"),
]


@pytest.mark.parametrize("case", range(len(DIGESTS)))
def test_digests(case: int) -> None:
    draw, expected = DIGESTS[case]
    assert digest(draw()) == expected


GLIBC_DIGESTS: list[tuple[Callable[[], Any], str]] = [
    (lambda: streams.normal(seeded(), 15, F64), "0087aa1e31bcec5a"),
    (lambda: streams.normal(seeded(), 16, F64), "a73a3683b47759c4"),
    (lambda: streams.normal(seeded(), 17, F64), "cbe42f029e3004a6"),
    (lambda: streams.normal(seeded(), 1001, F64), "64401edb10fe5020"),
    (lambda: streams.normal(seeded(), 100000, F64), "cae0818ea1527735"),
    (lambda: streams.normal(seeded(), 1001, F64, 1.3, 0.7), "305b379a8412a1e9"),
    (lambda: streams.normal(seeded(), 5, C128), "5c2b0dc5b1faa2cc"),
    (lambda: streams.normal(seeded(), 1001, C128), "ddcc1a8a5c1568e7"),
    (lambda: streams.exponential(seeded(), 1001, F64, 1.7), "e6df5fcbc9abda61"),
    (lambda: streams.cauchy(seeded(), 1001, F64, 0.1, 1.7), "c644ab20db82e3d7"),
    (lambda: streams.log_normal(seeded(), 1001, F64, 0.1, 0.7), "435f62739ff1c1c9"),
]


@needs_glibc
@pytest.mark.parametrize("case", range(len(GLIBC_DIGESTS)))
def test_digests_with_glibc(case: int) -> None:
    draw, expected = GLIBC_DIGESTS[case]
    assert digest(draw()) == expected


@needs_glibc
def test_a_mixed_sequence() -> None:
    g = seeded(7)
    drawn = [
        streams.normal(g, 3),
        streams.uniform(g, 2),
        streams.normal(g, 17),
        streams.random_integers(g, 5, I64, 0, 100),
        streams.normal(g, 4, F64),
        streams.permutation(g, 10),
        streams.normal(g, 3),
        streams.uniform(g, 700),
        streams.normal(g, 1),
    ]
    assert [digest(array) for array in drawn] == [
        "dee00cb66e148bb0", "65075ee908c70bdc", "64f2a9933669e0e9", "763dafe08ae7fa2a", "a2008bcef5ccb89c",
        "99cc9f34bbaa2192", "2069079c9bf9413a", "3d01476648f11267", "f7e5b672f35556bb",
    ]  # fmt: skip
    assert digest(g.state_bytes()) == "ae9d46f5de02615c"


# Shapes and order


@pytest.mark.parametrize("dtype", [F16, BF16, F32, F64, C64, C128], ids=str)
@pytest.mark.parametrize("shape", [0, 7, (), (3,), (2, 0), (4, 5, 2)])
def test_shapes_and_dtypes(dtype: Any, shape: streams.Shape) -> None:
    expected = (shape,) if isinstance(shape, int) else shape
    for array in (streams.uniform(seeded(), shape, dtype), streams.normal(seeded(), shape, dtype)):
        assert (array.shape, array.dtype) == (expected, dtype)
        assert array.flags.c_contiguous
        assert array.flags.writeable


def test_nothing_asked_nothing_drawn() -> None:
    g, untouched = seeded(), seeded().state_bytes().tobytes()
    streams.uniform(g, 0)
    streams.normal(g, (3, 0), F64)
    streams.permutation(g, 0)
    streams.permutation(g, 1)
    streams.random_integers(g, 0, I64, 0, 5)
    streams.poisson(g, np.zeros(3, F32))
    streams.dropout_noise(g, 9, F32, 0.0)
    streams.dropout_noise(g, 9, F32, 1.0)
    assert g.state_bytes().tobytes() == untouched


def test_contiguous_and_other_tensors_take_different_normals() -> None:
    one_by_one = streams.normal(seeded(), 20, contiguous=False)
    assert one_by_one[:3].tolist() == streams.normal(seeded(), 3).tolist()
    assert streams.normal(seeded(), 20)[:3].tolist() != one_by_one[:3].tolist()


@pytest.mark.parametrize(
    ("view", "axes"),
    [
        (np.zeros((2, 3)), (0, 1)),
        (np.zeros((2, 3)).T, (1, 0)),
        (np.zeros((2, 3, 4, 5)).transpose(0, 3, 1, 2), (0, 2, 3, 1)),  # channels last
        (np.zeros((6, 8))[::2, ::3], (0, 1)),
        (np.zeros((8, 6)).T[1:3], (1, 0)),
        (np.zeros(3), (0,)),
        (np.zeros(()), ()),
    ],
)
def test_memory_order(view: np.ndarray, axes: tuple[int, ...]) -> None:
    assert streams.axes_in_memory_order(view) == axes
    values = np.arange(float(view.size))
    streams.fill_in_memory_order(view, values)
    assert view.transpose(axes).reshape(-1).tolist() == values.tolist()


# Values


def test_uniform_never_ends_on_the_upper_bound() -> None:
    for dtype in (F16, BF16, F32):
        values = streams.uniform(seeded(), 100_000, dtype, 1000.0, 1001.0).astype(F64)
        assert (values.min(), values.max() < 1001.0) == (1000.0, True)
    # The bound itself is what rounding gives a quarter of these, and PyTorch then gives the lower bound.
    assert set(streams.uniform(seeded(), 1000, F16, 1000.0, 1001.0).tolist()) == {1000.0, 1000.5}
    assert streams.uniform(seeded(), 5, F32, 2.0, 2.0).tolist() == [2.0] * 5


def test_the_large_shuffle_is_the_inside_out_one() -> None:
    words = seeded(3).take64(1000)
    expected: list[int] = []
    for i, word in enumerate(words.tolist()):
        place = word % (i + 1)
        expected.append(i)
        expected[i], expected[place] = expected[place], i
    assert random_integers_module._large_permutation(seeded(3), 1000).tolist() == expected


@pytest.mark.parametrize("dtype", [U8, I8, I32, I64, F16, BF16, F32, F64], ids=str)
def test_a_permutation_holds_every_number_once(dtype: Any) -> None:
    shuffled = streams.permutation(seeded(), 120, dtype)
    assert shuffled.dtype == dtype
    assert sorted(shuffled.astype(int).tolist()) == list(range(120))


@pytest.mark.parametrize("dtype", [BOOL, U8, I8, I32, I64, F16, BF16, F32, F64], ids=str)
def test_default_integers_stay_in_their_range(dtype: Any) -> None:
    last = {BOOL: 1, F16: 2**11, BF16: 2**8, F32: 2**24, F64: 2**53}.get(dtype)
    if last is None:
        last = int(np.iinfo(dtype).max)
    values = streams.random_integers_default(seeded(), 5000, dtype).astype(object)
    assert values.min() >= 0
    assert last * 0.99 <= int(values.max()) <= last


@pytest.mark.parametrize("p", [0.25, 1 / 3, 0.9])
@pytest.mark.parametrize("dtype", [F16, BF16, F32, F64], ids=str)
def test_dropout_noise(dtype: Any, p: float) -> None:
    noise = streams.dropout_noise(seeded(), (100, 30), dtype, p)
    kept = streams.bernoulli(seeded(), (100, 30), BOOL, 1.0 - p)
    assert noise.dtype == dtype
    assert ((noise != 0) == kept).all()
    assert set(noise[kept].astype(F64)) == {
        float(np.float64(1 / (1 - p)).astype(F32 if dtype != F64 else F64).astype(dtype))
    }


def test_dropout_noise_of_all_or_nothing() -> None:
    assert streams.dropout_noise(seeded(), 3, F32, 0.0).tolist() == [1.0] * 3
    assert streams.dropout_noise(seeded(), 3, BF16, 1.0).tolist() == [0.0] * 3


def test_normals_of_arrays_broadcast() -> None:
    z = streams.normal(seeded(), (3, 4))
    mean, std = np.arange(3, dtype=F32)[:, None], np.arange(4, dtype=F32)
    assert (streams.normal_from_arrays(seeded(), mean, std) == z * std + mean).all()
    assert (streams.normal_from_arrays(seeded(), 2.0, np.ones((3, 4), F32)) == z + 2).all()
    assert streams.normal_from_arrays(seeded(), np.zeros(2, F16), 1.0).dtype == F16


def test_poisson_means() -> None:
    for rate in (0.5, 3.0, 9.99, 10.0, 40.0, 1e6):
        counts = streams.poisson(seeded(), np.full(2000, rate))
        # Six standard errors of the mean, and of a Poisson variance (2 rate**2 + rate) / n.
        assert abs(counts.mean() - rate) < 6 * (rate / 2000) ** 0.5
        assert abs(counts.var() - rate) < 6 * ((2 * rate**2 + rate) / 2000) ** 0.5


def test_multinomial_rows_and_zero_weights() -> None:
    weights = np.array([[0, 0, 2, 0], [1, 0, 0, 0]], F64)
    assert streams.multinomial(seeded(), weights, 3, True).tolist() == [[2, 2, 2], [0, 0, 0]]
    assert streams.multinomial(seeded(), weights, 1).tolist() == [[2], [0]]
    assert streams.multinomial(seeded(), np.ones((0, 3), F32), 2).shape == (0, 2)
    chosen = streams.multinomial(seeded(), np.ones((50, 6), F32), 6)
    assert (np.sort(chosen, axis=1) == np.arange(6)).all()


# Rounding


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_fused_multiply_adds_round_once(scale: float) -> None:
    rng = np.random.default_rng(0)
    for factor, offset in rng.normal(size=(20, 2)) * (scale, 1.0):
        x = rng.random(50)
        exact = [Fraction(v) * Fraction(factor) + Fraction(offset) for v in x.tolist()]
        assert fused64(x, factor, offset).tolist() == [float(value) for value in exact]
        single = x.astype(F32)
        factor32, offset32 = float(np.float32(factor)), float(np.float32(offset))
        for value, rounded in zip(single.tolist(), fused32(single, factor32, offset32), strict=True):
            true = Fraction(value) * Fraction(factor32) + Fraction(offset32)
            distance = abs(Fraction(float(rounded)) - true)
            for neighbour in (np.nextafter(rounded, F32.type(9e9)), np.nextafter(rounded, F32.type(-9e9))):
                assert distance <= abs(Fraction(float(neighbour)) - true)


def test_a_sum_that_float64_rounds_to_halfway() -> None:
    # 1 + 2**-23 + 2**-24 (1 - 2**-46): a hair below halfway, which float64 can't tell from halfway.
    x = np.array([1 + 2**-23], F32)
    assert fused32(x, 2**-24 * (1 - 2**-23), 1 + 2**-23).tolist() == [1 + 2**-23]
    above = np.array([1 - 2**-23], F32)
    assert fused32(above, 2**-24 * (1 + 2**-23), 1.0).tolist() == [1.0]
    assert fused32(np.array([1 + 2**-22], F32), 2**-24 * (1 + 2**-23), 1.0).tolist() == [1 + 2**-23]


def test_nothing_added_gives_no_negative_zero() -> None:
    assert not np.signbit(fused32(np.array([-0.0], F32), 1.0, 0.0)).any()
    assert not np.signbit(fused64(np.array([-0.0]), 1.0, 0.0)).any()


# Errors


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda g: streams.uniform(g, 3, I64), NotImplementedError, "check_uniform_bounds.*'Long'"),
        (lambda g: streams.uniform(g, 3, F32, 1.0, 0.0), RuntimeError, "found from=1 > to=0"),
        (lambda g: streams.uniform(g, 3, F16, -1e5, 0.0), RuntimeError, "from is out of bounds for c10::Half"),
        (lambda g: streams.uniform(g, 3, F32, 0.0, float("inf")), RuntimeError, "to is out of bounds for float"),
        (lambda g: streams.uniform(g, 3, F64, float("nan"), 0.0), RuntimeError, "from is out of bounds for double"),
        (lambda g: streams.uniform(g, 3, F64, -1.7e308, 1.7e308), RuntimeError, "exceed the limit"),
        (lambda g: streams.normal(g, 3, BOOL), NotImplementedError, "normal_kernel_cpu"),
        (lambda g: streams.normal(g, 3, F32, 0.0, -1.0), RuntimeError, r"normal expects std >= 0\.0, but found std -1"),
        (lambda g: streams.normal(g, 3, F32, 0.0, float("nan")), RuntimeError, "std nan"),
        (lambda g: streams.normal_from_arrays(g, 0.0, -np.ones(3, F32)), RuntimeError, "all elements of std"),
        (lambda g: streams.normal_from_arrays(g, 0.0, np.ones(3, C64)), RuntimeError, "non-complex"),
        (lambda g: streams.normal_from_arrays(g, 0.0, np.ones(3, I64)), NotImplementedError, "Long"),
        (lambda g: streams.normal_from_arrays(g, 0.0, 1.0), TypeError, "both numbers"),
        (lambda g: streams.random_integers(g, 3, I64, 5, 5), RuntimeError, "from=5 >= to=5"),
        (lambda g: streams.random_integers(g, 3, U8, 0, 300), RuntimeError, "to - 1 is out of .* unsigned char"),
        (lambda g: streams.random_integers(g, 3, BOOL, -1, 2), RuntimeError, "from is out of bounds for bool"),
        (lambda g: streams.random_integers(g, 3, F16, 0, 70000), RuntimeError, "out of bounds for c10::Half"),
        (lambda g: streams.random_integers(g, 3, BF16, 3000, 3001), RuntimeError, "from=3000 >= to=2992"),
        (lambda g: streams.random_integers(g, 3, C64, 0, 2), RuntimeError, "only integral"),
        (lambda g: streams.random_integers_from(g, 3, I32, -(2**63)), RuntimeError, "handles only int64"),
        (lambda g: streams.random_integers_from(g, 3, F16, -(2**63)), NotImplementedError, "Half"),
        (lambda g: streams.random_integers_from(g, 3, U8, 256), RuntimeError, "from is out of bounds"),
        (lambda g: streams.random_integers_default(g, 3, C64), NotImplementedError, "random_kernel_cpu"),
        (lambda g: streams.permutation(g, -1), RuntimeError, "negative dimension -1"),
        (lambda g: streams.permutation(g, 257, U8), RuntimeError, "without overflow"),
        (lambda g: streams.permutation(g, 2050, F16), RuntimeError, "n cannot be greater than"),
        (lambda g: streams.permutation(g, 3, BOOL), NotImplementedError, "randperm"),
        (lambda g: streams.exponential(g, 3, F32, 0.0), RuntimeError, "lambda > 0"),
        (lambda g: streams.exponential(g, 3, I64), RuntimeError, "continuous probability distribution"),
        (lambda g: streams.bernoulli(g, 3, F32, 1.5), RuntimeError, r"p=1\.5"),
        (lambda g: streams.bernoulli(g, 3, C64, 0.5), NotImplementedError, "ComplexFloat"),
        (lambda g: streams.bernoulli_from_array(g, np.full(2, 2.0)), RuntimeError, "p_in"),
        (lambda g: streams.bernoulli_from_array(g, np.full(2, np.nan)), RuntimeError, "p_in"),
        (lambda g: streams.bernoulli_from_array(g, np.ones(2, I64)), NotImplementedError, "Long"),
        (lambda g: streams.dropout_noise(g, 3, F32, -0.5), ValueError, "dropout probability"),
        (lambda g: streams.truncated_normal(g, 3, F32, float("nan")), ValueError, "must be finite"),
        (lambda g: streams.truncated_normal(g, 3, F32, 0.0, 1e-30, 2.0, 3.0), ValueError, "bounds nearer"),
        (lambda g: streams.truncated_normal(g, 3, F32, 0.0, 0.0), ZeroDivisionError, "division"),
        (lambda g: streams.truncated_normal(g, 3, F32, 0.0, 1.0, 2.0, -2.0), RuntimeError, "from=2 > to=-2"),
        (lambda g: streams.geometric(g, 3, F32, 1.0), RuntimeError, "p=1"),
        (lambda g: streams.geometric(g, 3, BOOL, 0.5), NotImplementedError, "geometric_cpu"),
        (lambda g: streams.log_normal(g, 3, F32, 0.0, 0.0), RuntimeError, "std=0"),
        (lambda g: streams.log_normal(g, 3, I64), NotImplementedError, "log_normal_cpu"),
        (lambda g: streams.cauchy(g, 3, F32, 0.0, 0.0), RuntimeError, "sigma=0"),
        (lambda g: streams.cauchy(g, 3, I64), RuntimeError, "continuous probability distribution"),
        (lambda g: streams.poisson(g, -np.ones(2)), RuntimeError, "non-negative"),
        (lambda g: streams.poisson(g, np.ones(2, I64)), NotImplementedError, "poisson_cpu"),
        (lambda g: streams.multinomial(g, np.zeros(3), 1), RuntimeError, "sum of probabilities <= 0"),
        (lambda g: streams.multinomial(g, np.array([1.0, -1.0]), 1), RuntimeError, "element < 0"),
        (lambda g: streams.multinomial(g, np.array([1.0, np.nan]), 1), RuntimeError, "element < 0"),
        (lambda g: streams.multinomial(g, np.ones(3), 0), RuntimeError, "n_sample <= 0"),
        (lambda g: streams.multinomial(g, np.ones(3), 4), RuntimeError, "without replacement"),
        (lambda g: streams.multinomial(g, np.ones((1, 1, 3)), 1), RuntimeError, "1 or 2 dim"),
        (lambda g: streams.multinomial(g, np.ones(3, I64), 1), RuntimeError, "floating-point dtypes"),
    ],
)  # fmt: skip
def test_errors_leave_the_generator_alone(
    draw: Callable[[Generator], Any], error: type[Exception], message: str
) -> None:
    generator = seeded()
    before = generator.state_bytes().tobytes()
    with pytest.raises(error, match=message):
        draw(generator)
    assert generator.state_bytes().tobytes() == before


def test_float_ranges_with_gaps_warn() -> None:
    with pytest.warns(UserWarning, match=r"to - 1 is out of bounds \[-\(2\^8\), 2\^8\]"):
        streams.random_integers(seeded(), 3, BF16, 0, 300)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        streams.random_integers(seeded(), 3, BF16, -256, 257)
