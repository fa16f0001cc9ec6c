"""Meta tensors too large to try, and whole numbers by which nothing can be divided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity


def _image(t: Any) -> Any:
    return t.empty(64, 256, 512, 512, device="meta", requires_grad=True)


def _channels(t: Any) -> Any:
    return t.empty(256, device="meta")


LARGE: dict[str, Callable[[Any], Any]] = {
    "group_norm": lambda t: t.nn.functional.group_norm(_image(t), 32, _channels(t), _channels(t)),
    "group_norm_half": lambda t: t.nn.functional.group_norm(_image(t).half(), 32),
    "batch_norm": lambda t: t.nn.functional.batch_norm(
        _image(t), _channels(t), _channels(t), _channels(t), _channels(t), True
    ),
    "instance_norm": lambda t: t.nn.functional.instance_norm(_image(t)),
    "layer_norm": lambda t: t.nn.functional.layer_norm(_image(t), (512, 512)),
    "module": lambda t: t.nn.GroupNorm(32, 256, device="meta")(_image(t)),
}


@pytest.mark.parametrize("name", LARGE)
def test_normalizations_of_any_size(name: str) -> None:
    expected, found = LARGE[name](torch), LARGE[name](rushlight)
    assert (tuple(found.shape), found.stride()) == (tuple(expected.shape), expected.stride())
    assert str(found.dtype).split(".")[1] == str(expected.dtype).split(".")[1]
    found.sum().backward()


@pytest.mark.parametrize("shape", [(), (3, 4), (100, 100)])
@pytest.mark.parametrize("name", ["floor_divide", "fmod", "remainder", "lcm"])
def test_whole_numbers_are_divided(name: str, shape: tuple[int, ...]) -> None:
    x = rushlight.empty(shape, dtype=rushlight.int64, device="meta")
    result = getattr(rushlight, name)(x, x.t() if len(shape) == 2 and shape[0] == shape[1] else x)
    assert (tuple(result.shape), result.dtype, result.device.type) == (shape, rushlight.int64, "meta")
