"""Compiled random draws: bit for bit the numbers of NumPy's path, and the generator in the same state afterwards."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="draws are compiled with llvmlite")

import rushlight
from rushlight.core import native_draws
from rushlight.core.box_muller import standard_normals
from rushlight.core.generator import Generator, unit_float64
from rushlight.runtime.random_kernels import BLOCK, Draws

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def numpys(monkeypatch):
    """Draws by NumPy alone until it is called with the compiled ones."""
    monkeypatch.setattr(native_draws, "_found", [None])

    def use(draws):
        native_draws._found[:] = [draws]

    return use


@pytest.fixture(scope="module")
def draws():
    return Draws()


def both(use, draws, function):
    """What a function of a fresh generator gives with NumPy's path and with the compiled one, and the states after."""
    results = []
    for found in (None, draws):
        use(found)
        generator = Generator().manual_seed(17)
        results.append((function(generator), generator.state_bytes(), generator.take(3)))
    return results


@pytest.mark.parametrize("before", [0, 1, 100, 623, 624, 625])
@pytest.mark.parametrize("count", [8192, 623 * 16, 624 * 16, 624 * 16 + 1, 624 * 48 + 100, 100_003])
def test_words(numpys, draws, before, count):
    def several(generator):
        return [generator.take(n).copy() for n in (before, count, 5, count)]

    (wanted, *state), (found, *state_found) = both(numpys, draws, several)
    for a, b in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(state, state_found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_words_after_a_state_that_was_set(numpys, draws):
    def again(generator):
        generator.take(77)
        state = generator.state_bytes()
        first = generator.take(20_000).copy()
        other = Generator()
        other.set_state_bytes(state)
        np.testing.assert_array_equal(other.take(20_000), first)
        return first

    (wanted, *_), (found, *_) = both(numpys, draws, again)
    np.testing.assert_array_equal(wanted, found)


def test_units64(draws):
    words = np.random.default_rng(0).integers(0, 2**32, 2 * 10_007, np.uint32)
    words[:4] = [0, 0, 0xFFFFFFFF, 0xFFFFFFFF]
    wanted, found = np.empty(10_007), np.empty(10_007)
    unit_float64(words, wanted)
    draws.units64(words, found)
    np.testing.assert_array_equal(wanted, found)


def same_normals(draws, steps):
    """Each of the steps as what a radius, and as what an angle is made of."""
    words = np.empty((steps.size // 8, 16), np.uint32)
    words[:, :8] = steps.reshape(-1, 8)
    words[:, 8:] = steps[::-1].reshape(-1, 8)
    words |= np.uint32(0xA5000000)  # the high bits do not count
    wanted, found = standard_normals(words), draws.normals(words)
    np.testing.assert_array_equal(wanted.view(np.uint32), found.view(np.uint32))


def test_normals(draws):
    same_normals(draws, np.arange(0, 2**24, 61, dtype=np.uint32)[: 2**18])
    same_normals(draws, np.concatenate([np.arange(2048), np.arange(2**24 - 2048, 2**24)]).astype(np.uint32))


@pytest.mark.exhaustive
def test_all_normals(draws):
    for start in range(0, 2**24, 2**20):
        same_normals(draws, np.arange(start, start + 2**20, dtype=np.uint32))


@pytest.mark.parametrize(
    "function",
    [
        lambda t: t.rand(20_001),
        lambda t: t.rand(9000, dtype=t.float64),
        lambda t: t.randn(20_003),
        lambda t: t.randn(40_000) * 2,
        lambda t: t.empty(30_000).normal_(1.5, 0.25),
        lambda t: t.empty(20_000, dtype=t.bfloat16).normal_().float(),
        lambda t: t.randint(0, 1000, (20_000,)),
        lambda t: t.randint(0, 2**40, (20_000,)),
        lambda t: t.randperm(10_000),
        lambda t: t.empty(20_000).bernoulli_(0.3),
        lambda t: t.empty(20_000).exponential_(),
        lambda t: t.nn.functional.dropout(t.ones(20_000), 0.2),
    ],
)
def test_public_functions(numpys, draws, function):
    results = []
    for found in (None, draws):
        numpys(found)
        rushlight.manual_seed(3)
        results.append([function(rushlight).numpy(), rushlight.get_rng_state().numpy()])
    for wanted, compiled in zip(*results, strict=True):
        np.testing.assert_array_equal(wanted, compiled)
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    torch.manual_seed(3)
    np.testing.assert_array_equal(function(torch).numpy(), results[1][0])
    np.testing.assert_array_equal(torch.get_rng_state().numpy(), results[1][1])


def test_the_compiler_is_loaded_once_draws_have_cost_as_much():
    program = """
import sys, rushlight as torch
torch.rand(1_000_000)
assert "llvmlite" not in sys.modules, "loaded for one draw"
for _ in range(12):
    x = torch.rand(1_000_000)
from rushlight.core import native_draws
assert native_draws._found and (native_draws._found[0] is None) == (sys.argv[1] == "numpy")
print(x[-1].item(), torch.rand(1).item())
"""
    printed = []
    for compiler in ("", "numpy"):
        done = subprocess.run(
            [sys.executable, "-c", program, compiler],
            env={**os.environ, "RUSHLIGHT_COMPILER": compiler},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert printed[0] == printed[1]


def test_blocks_are_mt19937s():
    assert np.random.MT19937(0).state["state"]["key"].size == BLOCK
