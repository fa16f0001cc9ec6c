"""Function transforms differentiate in inference mode as they do outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")
# PyTorch itself warns of its own older compiler when these are first used.
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def _value(v: Any) -> Any:
    return (v.exp() * v).sum()


TRANSFORMS: dict[str, Callable[[Any, Any], Any]] = {
    "grad": lambda t, x: t.func.grad(_value)(x),
    "jvp": lambda t, x: t.func.jvp(_value, (x,), (x,))[1],
    "jacrev": lambda t, x: t.func.jacrev(lambda v: v.exp())(x),
    "jacfwd": lambda t, x: t.func.jacfwd(lambda v: v.exp())(x),
    "hessian": lambda t, x: t.func.hessian(_value)(x),
    "jacfwd_of_grad": lambda t, x: t.func.jacfwd(t.func.grad(_value))(x),
    "grad_of_jvp": lambda t, x: t.func.grad(lambda v: t.func.jvp(_value, (v,), (x,))[1])(x),
    "vmap_of_grad": lambda t, x: t.func.vmap(t.func.grad(_value))(t.stack([x, x])),
}


@pytest.mark.parametrize("made_inside", [False, True])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(name: str, made_inside: bool) -> None:
    found = []
    for library in (torch, rushlight):
        x = library.tensor([1.0, 2.0])
        with library.inference_mode():
            result = TRANSFORMS[name](library, x * 1 if made_inside else x)
        found.append(result.numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1.3e-6)


def test_linearize() -> None:
    x = rushlight.tensor([1.0, 2.0])
    with rushlight.inference_mode():
        _, product = rushlight.func.linearize(_value, x)
        direction = product(x)
    np.testing.assert_allclose(direction.numpy(), rushlight.func.jvp(_value, (x,), (x,))[1].numpy())
