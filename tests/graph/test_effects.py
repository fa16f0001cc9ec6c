"""Records with effects in compiled programs: each once, in the program's order, whatever is fused around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.ops.define import PRIMITIVES, Primitive
from rushlight.ops.dispatch import apply


class Noting(Primitive):
    """Says what it gets; gives that plus one, twice. Trying it out would be seen, so it says what it gives."""

    __slots__ = ("into", "outline", "seen")
    effects = True

    def __init__(self, name: str, with_into: bool) -> None:
        super().__init__(name, self._note)
        self.seen: list[list[float]] = []
        self.outline = lambda x: (np.empty(x.shape, x.dtype), np.empty(x.shape, x.dtype))
        self.into: Callable[..., None] | None = self._note_into if with_into else None

    def _note(self, x: Any) -> tuple[Any, Any]:
        self.seen.append(x.tolist())
        return x + 1, x + 2

    def _note_into(self, results: Sequence[Any], x: Any) -> None:
        self.seen.append(x.tolist())
        np.add(x, 1, out=results[0])
        np.add(x, 2, out=results[1])


@pytest.fixture(params=[False, True])
def note(request: pytest.FixtureRequest) -> Iterator[Noting]:
    name = f"noting_{request.param}"
    yield Noting(name, request.param)
    del PRIMITIVES[name]


MODES = pytest.mark.parametrize("options", [{}, {"fullgraph": True}])


@MODES
def test_order_where_fusion_would_need_another(note: Noting, options: dict[str, Any]) -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        double = x * 2  # would share a kernel with the sum below
        apply(note, (double,))  # whose result nobody reads
        second, _ = apply(note, (x,))
        return second + x * 3

    compiled = torch.compile(function, **options)
    x = torch.tensor([1.0, 2.0, 3.0])
    for calls in range(1, 4):
        assert compiled(x).tolist() == [5.0, 9.0, 13.0]
        assert note.seen == [[2.0, 4.0, 6.0], [1.0, 2.0, 3.0]] * calls


@MODES
def test_a_result_that_replaces_memory_from_outside(note: Noting, options: dict[str, Any]) -> None:
    state = torch.zeros(4)

    def function(x: torch.Tensor) -> torch.Tensor:
        first, second = apply(note, (state + x,))
        state.copy_(first)
        return second * state

    compiled = torch.compile(function, **options)
    expected = np.zeros(4, np.float32)
    for _ in range(3):
        found = compiled(torch.ones(4))
        expected += 2
        assert state.tolist() == expected.tolist()
        assert found.tolist() == ((expected + 1) * expected).tolist()
