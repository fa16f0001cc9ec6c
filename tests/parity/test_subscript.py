"""``x[index]`` and ``x[index] = value`` against PyTorch: random indices of every kind, right and wrong ones."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight

pytestmark = pytest.mark.parity
SHAPES = [(), (3,), (2, 3), (3, 2, 4), (1, 3, 1), (0, 3), (2, 2, 2, 2)]
Part = tuple[str, Callable[[Any], Any]]
KINDS = (
    "int int slice slice none ellipsis list tensor tensor mask mask2 bool numpy range matrix scalar scalar_mask int32 "
    "empty float wrong "
)


class Indices:
    """Random indices, each as text and as a function of the library that makes it."""

    def __init__(self, seed: int, kinds: str = "") -> None:
        self.kinds = (KINDS + kinds).split()
        self.random = random.Random(seed)
        self.numbers = np.random.default_rng(seed)

    def part(self, extents: tuple[int, ...]) -> Part:
        r = self.random
        n = extents[0] if extents else 2
        kind = r.choice(self.kinds)
        numbers = [r.randint(-n, n - 1) if n else 0 for _ in range(r.randint(1, 3))]
        if r.random() < 0.05:
            numbers[0] = n + 1
        if kind == "int":
            number = numbers[0]
            return str(number), lambda lib: number
        if kind == "slice":
            a, b, s = (
                r.choice([None, -1, 0, 1, 9]),
                r.choice([None, -1, 0, 2, 9]),
                r.choice([None, 1, 2, 2, -1]),
            )
            return f"{a}:{b}:{s}", lambda lib: slice(a, b, s)
        if kind == "none":
            return "None", lambda lib: None
        if kind == "ellipsis":
            return "...", lambda lib: ...
        if kind == "list":
            return str(numbers), lambda lib: numbers
        if kind == "tensor":
            return f"tensor({numbers})", lambda lib: lib.tensor(numbers)
        if kind == "int32":
            return f"tensor({numbers}, int32)", lambda lib: lib.tensor(numbers, dtype=lib.int32)
        if kind == "uint8":
            mask = [int(r.random() < 0.5) for _ in range(n)]
            return f"tensor({mask}, uint8)", lambda lib: lib.tensor(mask, dtype=lib.uint8)
        if kind == "matrix":
            matrix = [numbers, numbers[::-1]]
            return f"tensor({matrix})", lambda lib: lib.tensor(matrix)
        if kind == "mask":
            mask = [r.random() < 0.5 for _ in range(n + (r.random() < 0.05))]
            return f"mask {mask}", lambda lib: lib.tensor(mask, dtype=lib.bool)
        if kind == "mask2":
            mask2 = (self.numbers.random(extents[:2]) < 0.5).tolist()
            return f"mask {mask2}", lambda lib: lib.tensor(mask2, dtype=lib.bool)
        if kind == "bool":
            truth = r.random() < 0.6
            return str(truth), lambda lib: truth
        if kind == "numpy":
            dtype = r.choice([np.int64, np.int32, np.int16])
            return f"array({numbers}, {dtype.__name__})", lambda lib: np.array(numbers, dtype)
        if kind == "range":
            return f"range({n})", lambda lib: range(n)
        if kind == "scalar":
            number = numbers[0]
            return f"tensor({number})", lambda lib: lib.tensor(number)
        if kind == "scalar_mask":
            truth = r.random() < 0.6
            return f"tensor({truth})", lambda lib: lib.tensor(truth)
        if kind == "empty":
            return "[]", lambda lib: []
        if kind == "float":
            return "tensor([0.0])", lambda lib: lib.tensor([0.0])
        return "1.5", lambda lib: 1.5

    def index(self, shape: tuple[int, ...]) -> Part:
        r = self.random
        at = 0
        parts: list[Part] = []
        dots = False
        for _ in range(r.randint(1, len(shape) + 1)):
            text, part = self.part(shape[at:])
            if text == "...":
                if dots:
                    continue  # two of them are undefined in PyTorch
                dots = True
            elif text not in ("None", "True", "False"):
                at = min(at + 1, len(shape))
            parts.append((text, part))
        if len(parts) == 1 and r.random() < 0.7:
            return parts[0]
        return f"({', '.join(text for text, _ in parts)})", lambda lib: tuple(part(lib) for _, part in parts)


def attempt(function: Callable[[], Any]) -> tuple[Any, Exception | None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(), None
        except Exception as error:
            return None, error


def assigning(lib: Any, leaf: Any, index: Any, value: Any) -> Callable[[], Any]:
    def run() -> Any:
        x = leaf * 1
        x[index(lib)] = value
        return x

    return run


def compare(ours: tuple[Any, Any], theirs: tuple[Any, Any], what: str) -> bool:
    """Whether both gave a result, which then is the same; the same type of exception otherwise."""
    (own, own_error), (their, their_error) = ours, theirs
    if their_error is not None:
        assert own_error is not None, f"{what}: no error, expected {their_error!r:.200}"
        assert isinstance(own_error, type(their_error)) or same_refusal(own_error, their_error), (
            f"{what}: raised {own_error!r}, expected {their_error!r:.200}"
        )
        return False
    assert own_error is None, f"{what}: raised {own_error!r}"
    assert tuple(own.shape) == tuple(their.shape), f"{what}: shape {own.shape}, expected {their.shape}"
    np.testing.assert_array_equal(own.detach().numpy(), their.detach().numpy(), err_msg=what)
    return True


def same_refusal(own: Exception, their: Exception) -> bool:
    """Both name a fault of an index (or of the value) of which there are several; which one comes first is no matter."""
    kinds = (IndexError, ValueError, TypeError, RuntimeError)
    return (
        isinstance(own, kinds)
        and isinstance(their, kinds)
        and SEVERAL_FAULTS.get((type(own), type(their)), False)
    )


SEVERAL_FAULTS = {
    (IndexError, RuntimeError): True,
    (RuntimeError, IndexError): True,
    (IndexError, ValueError): True,
    (ValueError, IndexError): True,
    (ValueError, RuntimeError): True,
}


@pytest.mark.parametrize("seed", range(20))
def test_reading(seed: int) -> None:
    torch = pytest.importorskip("torch")
    indices = Indices(seed, "uint8")  # PyTorch reads by such masks with a warning; most writes it refuses
    results = 0
    for _ in range(150):
        shape = indices.random.choice(SHAPES)
        array = indices.numbers.normal(size=shape)
        text, index = indices.index(shape)
        x, y = rushlight.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
        what = f"shape {shape}: x[{text}]"
        own, their = (
            attempt(lambda x=x, index=index: x[index(rushlight)]),
            attempt(lambda y=y, index=index: y[index(torch)]),
        )
        if not compare(own, their, what):
            continue
        results += 1
        assert own[0]._is_view() == their[0]._is_view(), what
        weights = indices.numbers.normal(size=tuple(own[0].shape))
        rushlight.autograd.backward(own[0], rushlight.tensor(weights))
        attempt(lambda their=their, weights=weights: their[0].backward(torch.tensor(weights)))
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-12, atol=1e-12, err_msg=what)
    assert results > 50


@pytest.mark.parametrize("seed", range(20))
def test_writing(seed: int) -> None:
    torch = pytest.importorskip("torch")
    indices = Indices(100 + seed)
    r = indices.random
    results = 0
    for _ in range(150):
        shape = r.choice(SHAPES)
        array = indices.numbers.normal(size=shape)
        text, index = indices.index(shape)
        region = attempt(lambda array=array, index=index: torch.tensor(array)[index(torch)])[0]
        target = tuple(region.shape) if region is not None else (2,)
        choice = r.choice(["number", "same", "same", "row", "ones", "wrong", "float32", "scalar"])
        value_shape = {
            "same": target,
            "row": target[-1:],
            "ones": (1, 1, *target),
            "wrong": (*target, 2),
            "float32": target,
            "scalar": (),
        }.get(choice, ())
        value = indices.numbers.normal(size=value_shape)
        grad = r.random() < 0.5 and choice not in ("number",)
        results_of = []
        for lib in (rushlight, torch):
            leaf = lib.tensor(array, requires_grad=True)
            content = lib.tensor(
                value, dtype=lib.float32 if choice == "float32" else lib.float64, requires_grad=grad
            )

            written = 0.25 if choice == "number" else content
            results_of.append((*attempt(assigning(lib, leaf, index, written)), leaf, content))
        (own, own_error, own_leaf, own_value), (their, their_error, their_leaf, their_value) = results_of
        what = f"shape {shape}: x[{text}] = {choice} {value_shape}"
        if not compare((own, own_error), (their, their_error), what):
            continue
        results += 1
        weights = indices.numbers.normal(size=shape)
        rushlight.autograd.backward(own, rushlight.tensor(weights))
        their.backward(torch.tensor(weights))
        np.testing.assert_allclose(
            own_leaf.grad.numpy(), their_leaf.grad.numpy(), rtol=1e-12, atol=1e-12, err_msg=what
        )
        if grad and their_value.grad is not None:
            np.testing.assert_allclose(
                own_value.grad.numpy(), their_value.grad.numpy(), rtol=1e-6, atol=1e-12, err_msg=what
            )
    assert results > 40
