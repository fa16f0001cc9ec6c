"""The mt19937 engine: its numbers, its seeds, its state bytes. The expected values were taken from PyTorch 2.13.0."""

from __future__ import annotations

import copy
import hashlib
import pickle
import threading

import numpy as np
import pytest

from rushlight.core.device import CPU, device
from rushlight.core.generator import DEFAULT_SEED, STATE_SIZE, Generator, default_generator
from rushlight.core.random_streams import normal, uniform


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]


def same_state(a: Generator, b: Generator) -> bool:
    return a.state_bytes().tobytes() == b.state_bytes().tobytes()


def reference_mt19937(seed: int, count: int) -> list[int]:
    """Matsumoto and Nishimura's recurrence, one number at a time."""
    state = [seed & 0xFFFFFFFF]
    for i in range(1, 624):
        state.append((1812433253 * (state[-1] ^ state[-1] >> 30) + i) & 0xFFFFFFFF)
    numbers = []
    for k in range(count):
        i = k % 624
        if i == 0:
            for j in range(624):
                mixed = state[j] & 0x80000000 | state[(j + 1) % 624] & 0x7FFFFFFF
                state[j] = state[(j + 397) % 624] ^ mixed >> 1 ^ (0x9908B0DF if mixed & 1 else 0)
        y = state[i]
        y ^= y >> 11
        y ^= y << 7 & 0x9D2C5680
        y ^= y << 15 & 0xEFC60000
        numbers.append(y ^ y >> 18)
    return numbers


@pytest.mark.parametrize("seed", [0, 1, 2**32 + 5, DEFAULT_SEED])
def test_numbers_are_mt19937s(seed: int) -> None:
    expected = reference_mt19937(seed, 2000)
    generator = Generator().manual_seed(seed)
    drawn = generator.take(1).tolist() + generator.take(0).tolist() + generator.take(622).tolist()
    drawn += [generator.random(), generator.random()]
    drawn += generator.take(1300).tolist() + generator.take(75).tolist()
    assert drawn == expected


def test_64_bit_numbers_take_the_high_word_first() -> None:
    words = reference_mt19937(9, 8)
    expected = [words[i] << 32 | words[i + 1] for i in range(0, 8, 2)]
    generator = Generator().manual_seed(9)
    assert [generator.random64(), *generator.take64(3).tolist()] == expected


def test_a_large_draw_is_many_small_ones() -> None:
    whole, parts = Generator().manual_seed(4), Generator().manual_seed(4)
    sizes = [1, 623, 624, 625, 29951, 29952, 29953, 60000, 7]
    assert whole.take(sum(sizes)).tolist() == [n for size in sizes for n in parts.take(size).tolist()]
    assert same_state(whole, parts)


def test_units_of_one_block_and_across_blocks_agree() -> None:
    whole, parts = Generator().manual_seed(4), Generator().manual_seed(4)
    floats = np.concatenate([parts.units32(size) for size in (5, 619, 3, 40000)])
    assert whole.units32(floats.size).tobytes() == floats.tobytes()
    doubles = np.concatenate([parts.units64(size) for size in (5, 1, 700, 40000)])
    assert whole.units64(doubles.size).tobytes() == doubles.tobytes()
    bits = Generator().manual_seed(4).take(floats.size)
    assert (floats == (bits & 0xFFFFFF) / 2**24).all()


def test_units_one_by_one_are_the_same_numbers() -> None:
    many, single = Generator().manual_seed(4), Generator().manual_seed(4)
    assert many.take(1).tolist() == single.take(1).tolist()  # an odd start: a pair crosses the block's end
    with single.lock:
        stream = single.units64_unlocked()
        drawn = [next(stream) for _ in range(700)]
    assert drawn == many.units64(700).tolist()
    assert same_state(many, single)


def test_returned_units_belong_to_the_caller() -> None:
    generator = Generator().manual_seed(1)
    first = generator.units32(3)
    expected = Generator().manual_seed(1).units32(6)[3:].tolist()
    first[:] = 7.0
    assert generator.units32(3).tolist() == expected
    with pytest.raises(ValueError, match="read-only"):
        generator.take(3)[0] = 1


# Seeds


def test_a_generator_starts_with_pytorchs_default_seed() -> None:
    assert Generator().initial_seed() == 67280421310721
    assert Generator().random() == Generator().manual_seed(67280421310721).random() == 2353294710
    assert isinstance(default_generator, Generator)


@pytest.mark.parametrize(
    ("seed", "kept"), [(5, 5), (-1, 2**64 - 1), (-(2**63), 2**63), (2**64 - 1, 2**64 - 1), (True, 1)]
)
def test_seeds(seed: int, kept: int) -> None:
    generator = Generator()
    assert generator.manual_seed(seed) is generator
    assert generator.initial_seed() == kept
    assert generator.random() == reference_mt19937(kept, 1)[0]


def test_numpy_integers_are_seeds() -> None:
    assert Generator().manual_seed(np.int64(3)).initial_seed() == 3  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [1.5, "1", None])
def test_what_is_no_integer_is_no_seed(seed: object) -> None:
    generator = Generator().manual_seed(8)
    with pytest.raises(RuntimeError, match=f"manual_seed expected a long, but got {type(seed).__name__}"):
        generator.manual_seed(seed)  # type: ignore[arg-type]
    assert generator.initial_seed() == 8


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_seeds_out_of_range(seed: int) -> None:
    with pytest.raises(ValueError, match="Overflow when unpacking long"):
        Generator().manual_seed(seed)


def test_seed_is_new_every_time_and_reproducible() -> None:
    generator = Generator()
    seeds = {generator.seed() for _ in range(4)}
    assert len(seeds) == 4
    assert generator.initial_seed() in seeds
    assert generator.random() == Generator().manual_seed(generator.initial_seed()).random()


def test_seeding_forgets_the_second_normal() -> None:
    generator = Generator().manual_seed(0)
    first = normal(generator, 1)
    assert normal(generator.manual_seed(0), 1).tolist() == first.tolist()
    assert normal(generator, 1).tolist() != first.tolist()


# Devices


def test_device() -> None:
    assert Generator().device == CPU
    for where in ("cpu", "cpu:0", device("cpu"), device("cpu", 0)):
        assert Generator(where).device == CPU


@pytest.mark.parametrize("where", ["cuda", "meta", device("cuda", 1), 0, "no such device"])
def test_other_devices(where: object) -> None:
    with pytest.raises(RuntimeError):
        Generator(where)


def test_what_is_no_device() -> None:
    with pytest.raises(TypeError, match="float"):
        Generator(1.5)


# State


def test_state_bytes_are_pytorchs() -> None:
    generator = Generator().manual_seed(3)
    state = generator.state_bytes()
    assert (state.dtype, state.shape) == (np.uint8, (5056,))
    assert state[:24].tobytes().hex() == "030000000000000001000000010000000000000000000000"
    normal(generator, 5)
    assert digest(generator.state_bytes()) == "fc17f6d63e15a81f"
    assert normal(generator, 3).tolist() == [-1.3682591915130615, 0.3374950885772705, 1.0111159086227417]


@pytest.mark.parametrize("drawn", [0, 1, 623, 624, 625, 1248, 5000])
def test_state_round_trip(drawn: int) -> None:
    generator, other = Generator().manual_seed(11), Generator().manual_seed(12)
    generator.take(drawn)
    normal(generator, 1)
    state = generator.state_bytes()
    other.take(100)
    other.set_state_bytes(state)
    assert other.state_bytes().tobytes() == state.tobytes()
    assert other.initial_seed() == 11
    assert normal(generator, 4).tolist() == normal(other, 4).tolist()
    assert uniform(generator, 700).tolist() == uniform(other, 700).tolist()
    assert same_state(generator, other)


def test_taking_a_state_draws_nothing() -> None:
    generator = Generator().manual_seed(2)
    generator.state_bytes()
    assert generator.take(3).tolist() == reference_mt19937(2, 3)


def test_a_state_in_a_strided_array() -> None:
    state = Generator().manual_seed(3).state_bytes()
    wide = np.zeros(2 * STATE_SIZE, np.uint8)
    wide[::2] = state
    generator = Generator()
    generator.set_state_bytes(wide[::2])
    assert generator.initial_seed() == 3


def test_the_float_normal_that_only_other_devices_use_is_kept() -> None:
    state = Generator().manual_seed(3).state_bytes()
    state[-8:] = [0, 0, 160, 63, 1, 0, 0, 0]
    generator = Generator()
    generator.set_state_bytes(state)
    assert generator.state_bytes().tobytes() == state.tobytes()
    assert generator.manual_seed(3).state_bytes()[-8:].tolist() == [0] * 8


@pytest.mark.parametrize("given", [[0] * 5056, np.zeros(5056), np.zeros(5056, np.int8), None])
def test_states_of_another_type(given: object) -> None:
    with pytest.raises(TypeError, match=r"RNG state must be a torch\.ByteTensor"):
        Generator().set_state_bytes(given)  # type: ignore[arg-type]


def test_states_of_another_size() -> None:
    with pytest.raises(RuntimeError, match="size 5056 but found the input RNG state size to be 10"):
        Generator().set_state_bytes(np.zeros(10, np.uint8))


@pytest.mark.parametrize(
    ("left", "used", "seeded"),
    [(0, 0, 0), (0, 0, 1), (625, 0, 1), (-1, 3, 1), (1, 625, 1), (600, 5, 1), (1, 2**63, 1), (10, 615, 0)],
)
def test_states_that_no_engine_has(left: int, used: int, seeded: int) -> None:
    state = Generator().manual_seed(3).state_bytes()
    state[8:16].view(np.int32)[:] = left, seeded
    state[16:24].view(np.uint64)[0] = used
    generator = Generator().manual_seed(1)
    generator.take(10)
    before = generator.state_bytes()
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        generator.set_state_bytes(state)
    assert generator.state_bytes().tobytes() == before.tobytes()


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g)), Generator.clone_state],
    ids=["copy", "deepcopy", "pickle", "clone_state"],
)
def test_copies_go_on_by_themselves(copied: object) -> None:
    generator = Generator().manual_seed(6)
    normal(generator, 7)
    other = copied(generator)  # type: ignore[operator]
    assert other is not generator
    assert same_state(generator, other)
    expected = normal(generator, 20).tolist()
    assert normal(other, 20).tolist() == expected
    assert same_state(generator, other)


# Threads


def test_threads_share_the_stream_without_losing_numbers() -> None:
    generator = Generator().manual_seed(5)
    drawn: list[list[list[float]]] = [[] for _ in range(4)]

    def draw(mine: list[list[float]]) -> None:
        mine.extend(generator.units64(50).tolist() for _ in range(200))

    threads = [threading.Thread(target=draw, args=(mine,)) for mine in drawn]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = Generator().manual_seed(5)
    expected = sorted(alone.units64(50).tolist() for _ in range(800))
    assert sorted(part for mine in drawn for part in mine) == expected
    assert same_state(generator, alone)
