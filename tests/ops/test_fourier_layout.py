"""How the results of Fourier transforms lie in memory: as PyTorch's do, which decides what ``view`` takes and where a
dropout's zeros fall."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight

TRANSFORMS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "fft of real numbers": lambda fft, x, c: fft.fft(x, dim=0),
    "fft along the first": lambda fft, x, c: fft.fft(c, dim=0),
    "fft along the middle": lambda fft, x, c: fft.fft(c, dim=1),
    "fft along the last": lambda fft, x, c: fft.fft(c),
    "fft of more points": lambda fft, x, c: fft.fft(c, n=7, dim=0),
    "fft of a transpose": lambda fft, x, c: fft.fft(c.transpose(0, 2), dim=1),
    "ifft": lambda fft, x, c: fft.ifft(c, dim=1),
    "rfft": lambda fft, x, c: fft.rfft(x, dim=1),
    "rfft of a transpose": lambda fft, x, c: fft.rfft(x.transpose(0, 1), dim=0),
    "irfft": lambda fft, x, c: fft.irfft(c, dim=1),
    "hfft": lambda fft, x, c: fft.hfft(c, dim=0),
    "ihfft": lambda fft, x, c: fft.ihfft(x, dim=0),
    "fft2 along the first two": lambda fft, x, c: fft.fft2(c, dim=(0, 1)),
    "fft2 along the outer two": lambda fft, x, c: fft.fft2(c, dim=(2, 0)),
    "rfft2": lambda fft, x, c: fft.rfft2(x, dim=(0, 1)),
    "irfft2": lambda fft, x, c: fft.irfft2(c, dim=(1, 0)),
    "fftn": lambda fft, x, c: fft.fftn(c),
    "two real parts": lambda fft, x, c: fft.fft(fft.fft(x, dim=2), dim=0).real,
}


def operands() -> tuple[Any, Any]:
    draw = np.random.default_rng(0)
    x = draw.standard_normal((4, 3, 5))
    return x, x + 1j * draw.standard_normal((4, 3, 5))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_results_lie_in_memory_as_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    transform = TRANSFORMS[name]
    own = transform(rushlight.fft, *map(rushlight.tensor, operands()))
    expected = transform(torch.fft, *map(torch.tensor, operands()))
    np.testing.assert_allclose(own.numpy(), expected.resolve_conj().numpy(), rtol=1e-10, atol=1e-10)
    assert own.stride() == expected.stride()


def test_dropout_of_a_transform_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    given = operands()[0].astype(np.float32)
    results = []
    for library in (torch, rushlight):
        library.manual_seed(0)
        mixed = library.fft.fft(library.fft.fft(library.tensor(given), dim=2), dim=0).real
        results.append(library.nn.functional.dropout(mixed, 0.5).numpy())
    np.testing.assert_allclose(results[1], results[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fullgraph", [False, True])
def test_compiled_dropout_of_a_transform_is_the_eager_one(fullgraph: bool) -> None:
    def mix(x: rushlight.Tensor) -> Any:
        mixed = rushlight.fft.fft(rushlight.fft.rfft(x, dim=2), dim=0).real
        return rushlight.nn.functional.dropout(mixed, 0.5).sum((1, 2))

    compiled = rushlight.compile(mix, fullgraph=fullgraph)
    outcomes = []
    for function in (mix, compiled):
        rushlight.manual_seed(0)
        x = rushlight.tensor(operands()[0].astype(np.float32), requires_grad=True)
        for _ in range(3):
            y = function(x)
            y.square().sum().backward()
        assert x.grad is not None
        outcomes.append((y.detach().numpy(), x.grad.numpy()))
    for one, other in zip(*outcomes, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", ["rand_like", "randn_like"])
@pytest.mark.parametrize("fullgraph", [False, True])
def test_numbers_drawn_for_a_transpose_are_drawn_anew_by_every_compiled_call(
    name: str, fullgraph: bool
) -> None:
    def draw(x: rushlight.Tensor) -> Any:
        return getattr(rushlight, name)(x.transpose(0, 2))

    x = rushlight.ones(2, 3, 4)
    compiled = rushlight.compile(draw, fullgraph=fullgraph)
    rushlight.manual_seed(0)
    expected = [draw(x).tolist() for _ in range(3)]
    rushlight.manual_seed(0)
    assert [compiled(x).tolist() for _ in range(3)] == expected
