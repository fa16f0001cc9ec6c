"""PyTorch's stream of random numbers on a GPU: the generator's known answers, the kernel's text, the order of the elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.runtime import cuda_random
from rushlight.runtime.cuda_random import philox, philox_words, threads_for

# From the test vectors that come with Random123 (Salmon et al.).
ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), ANSWERS)
def test_known_answers(counter: Any, key: Any, answer: Any) -> None:
    assert tuple(int(word) for word in philox(counter, key)) == answer


@pytest.mark.parametrize(
    ("n", "threads", "calls"), [(1, 256, 1), (1000, 256, 1), (5000, 256, 5), (4096, 1024, 1)]
)
def test_kernel_computes_the_same_words(n: int, threads: int, calls: int) -> None:
    host_cuda = pytest.importorskip("host_cuda")
    if host_cuda.COMPILER is None:
        pytest.skip(host_cuda.WHY_NOT)
    seed, first = 0x123456789ABCDEF0, (1 << 32) - 2  # the counter's second word is reached
    words = np.full(n, 7, np.uint32)
    kernel = host_cuda.compile_one(cuda_random.PHILOX_SOURCE, "philox_words")
    kernel(3, 64, [host_cuda.address(words), n, threads, threads * calls, seed, first])
    assert words.tolist() == philox_words(n, threads, threads * calls, seed, first).tolist()


def test_order_of_elements() -> None:
    """Element i by PyTorch's loop: thread i % T, its draw i // (4 T), of that the word (i // T) % 4."""
    n, threads, seed, first = 3000, 512, 42, 7
    words = philox_words(n, threads, threads * 2, seed, first)
    for i in (0, 1, 511, 512, 1500, 2047, 2048, 2999):
        block = philox((first + i // (4 * threads), 0, i % threads, 0), (seed, 0))
        assert words[i] == int(block[(i // threads) % 4])


def test_threads() -> None:
    assert threads_for(1, 132, 2048) == 256 and threads_for(257, 132, 2048) == 512
    assert threads_for(10**7, 132, 2048) == 132 * 2048


@pytest.fixture
def generator(pretended: Any) -> Any:
    return torch.Generator("cuda").manual_seed(9)


def test_uniform_numbers(generator: Any) -> None:
    n = 132 * 2048 * 4 + 5  # the last elements take a second draw
    x = torch.rand(n, generator=generator, device="cuda").cpu().numpy()
    words = philox_words(n, 132 * 2048, 132 * 2048 * 2, 9, 0)
    expected = words.astype(np.float32) * np.float32(2.0**-32) + np.float32(2.0**-33)
    expected[expected == 1] = 0
    assert (x == expected).all() and x.min() >= 0 and x.max() < 1 and abs(x.mean() - 0.5) < 0.003
    assert generator.get_offset() == 8
    again = torch.rand(3, generator=generator, device="cuda")
    assert again[0].item() == pytest.approx(float(philox((2, 0, 0, 0), (9, 0))[0]) * 2.0**-32, abs=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_distributions(generator: Any, dtype: Any) -> None:
    options = {"generator": generator}
    n = 20000

    def drawn(name: str, *args: Any) -> Any:
        x = getattr(torch.empty(n, device="cuda", dtype=dtype), name)(*args, **options)
        assert x.device.type == "cuda" and x.dtype is dtype
        return x.cpu().double().numpy()

    x = drawn("normal_", 1.0, 2.0)
    assert abs(x.mean() - 1) < 0.06 and abs(x.std() - 2) < 0.06
    x = drawn("uniform_", -1.0, 3.0)
    assert x.min() >= -1 and x.max() < 3 and abs(x.mean() - 1) < 0.04
    assert abs(drawn("bernoulli_", 0.3).mean() - 0.3) < 0.02
    assert abs(drawn("exponential_", 2.0).mean() - 0.5) < 0.02
    x = drawn("random_", 3, 7)
    assert set(x.tolist()) == {3.0, 4.0, 5.0, 6.0}
    assert abs(np.median(drawn("cauchy_"))) < 0.06
    assert abs(drawn("log_normal_", 0.0, 0.5).mean() - np.exp(0.125)) < 0.04


def test_integers(generator: Any) -> None:
    x = torch.randint(10, (1000,), generator=generator, device="cuda")
    words = philox_words(1000, 1024, 1024, 9, 0)
    assert x.tolist() == (words % 10).tolist() and x.dtype is torch.int64
    wide = torch.randint(2**40, (1000,), generator=generator, device="cuda")
    assert int(wide.max()) > 2**38 and int(wide.min()) >= 0
    assert sorted(torch.randperm(50, generator=generator, device="cuda").tolist()) == list(range(50))
    assert torch.multinomial(torch.ones(3, device="cuda"), 2, generator=generator).device.type == "cuda"


@pytest.mark.parametrize("n", [4096, 4098, 4097])
def test_dropout(pretended: Any, n: int) -> None:
    torch.cuda.manual_seed(3)
    x = torch.ones(n, device="cuda", requires_grad=True)
    y = torch.nn.functional.dropout(x, 0.25)
    y.sum().backward()
    kept = y.detach().cpu().numpy()
    assert (
        set(np.unique(kept).tolist()) <= {0.0, np.float32(1 / 0.75)} and abs((kept > 0).mean() - 0.75) < 0.03
    )
    assert x.grad.tolist() == kept.tolist()
    if n % 4 == 0:  # a thread takes four elements that lie together
        threads = threads_for(n, 132, 2048)
        for thread in (0, 5, n // 4 - 1):
            block = philox((0, 0, thread % threads, 0), (3, 0))
            units = [np.float32(int(w)) * np.float32(2.0**-32) + np.float32(2.0**-33) for w in block]
            assert [u < np.float32(0.75) for u in units] == (kept[4 * thread : 4 * thread + 4] > 0).tolist()


def test_layouts(pretended: Any) -> None:
    torch.cuda.manual_seed(1)
    straight = torch.rand(3, 4, device="cuda")
    torch.cuda.manual_seed(1)
    turned = torch.rand_like(torch.empty(4, 3, device="cuda").t())
    assert turned.stride() == (1, 3)
    assert turned.t().contiguous().view(-1).tolist() == straight.view(-1).tolist()  # in the order of memory
