"""``functorch.experimental.chunk_vmap``: the same results and errors as PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight
from rushlight.compat import functorch_experimental

CASES: dict[str, Callable[[Any, Any], Any]] = {
    "even parts": lambda t, chunk_vmap: chunk_vmap(lambda x: x.sum(), chunks=2)(t.ones(4, 3)),
    "uneven parts": lambda t, chunk_vmap: chunk_vmap(lambda x: x * 2, chunks=3)(t.arange(4)),
    "one part": lambda t, chunk_vmap: chunk_vmap(lambda x: x * 2, chunks=1)(t.arange(4)),
    "more parts than examples": lambda t, chunk_vmap: chunk_vmap(lambda x: x * 2, chunks=9)(t.arange(4)),
    "one argument for all": lambda t, chunk_vmap: chunk_vmap(lambda x, y: x + y, (0, None))(
        t.arange(4), t.ones(2)
    ),
    "dimensions of results": lambda t, chunk_vmap: chunk_vmap(lambda x: x + 1, 1, 1)(t.ones(2, 4)),
    "no part": lambda t, chunk_vmap: chunk_vmap(lambda x: x, chunks=0)(t.ones(4)),
    "different sizes": lambda t, chunk_vmap: chunk_vmap(lambda x, y: x)(t.ones(4), t.ones(3)),
    "no tensor": lambda t, chunk_vmap: chunk_vmap(lambda x: x)(3),
}


def outcome(name: str, *libraries: Any) -> Any:
    try:
        return CASES[name](*libraries).tolist()
    except (RuntimeError, ValueError) as error:
        return type(error)


@pytest.mark.parametrize("name", CASES)
def test_parts_of_a_batch(name: str) -> None:
    torch = pytest.importorskip("torch")
    from functorch.experimental import chunk_vmap

    found = outcome(name, rushlight, functorch_experimental.chunk_vmap)
    assert found == outcome(name, torch, chunk_vmap)
