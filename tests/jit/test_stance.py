"""``torch.compiler.set_stance``: the same results and errors as PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight


def make(library: Any, **options: Any) -> Callable[[Any], Any]:
    @library.compile(**options)
    def function(x: Any) -> Any:
        return x + 1 if library.compiler.is_compiling() else x - 1

    return function  # type: ignore[no-any-return]


def results(library: Any, stance: str, options: dict[str, Any]) -> list[Any]:
    """What a function gives before, in and after a stance; the type of an error in its place."""
    function = make(library, **options)
    found: list[Any] = [function(library.zeros(3)).tolist()]
    with library.compiler.set_stance(stance):
        for size in (3, 4, 3):
            try:
                found.append(function(library.zeros(size)).tolist())
            except RuntimeError:
                found.append("RuntimeError")
    found.append(function(library.zeros(3)).tolist())
    return found


COMPILED, EAGER = [1.0] * 3, [-1.0] * 3


@pytest.mark.parametrize("fullgraph", [False, True])
@pytest.mark.parametrize(
    ("stance", "inside"),
    [
        ("default", [COMPILED, [1.0] * 4, COMPILED]),
        ("force_eager", [EAGER, [-1.0] * 4, EAGER]),
        ("eager_on_recompile", [COMPILED, [-1.0] * 4, COMPILED]),
        ("fail_on_recompile", [COMPILED, "RuntimeError", COMPILED]),
    ],
)
def test_results_in_a_stance(stance: str, inside: list[Any], fullgraph: bool) -> None:
    assert results(rushlight, stance, {"fullgraph": fullgraph}) == [COMPILED, *inside, COMPILED]


@pytest.mark.parametrize("stance", ["force_eager", "eager_on_recompile", "fail_on_recompile"])
def test_stances_are_pytorchs(stance: str) -> None:
    torch = pytest.importorskip("torch")
    torch._dynamo.reset()
    theirs = results(torch, stance, {"backend": "eager"})
    assert results(rushlight, stance, {}) == theirs


def test_one_context_twice_and_options_that_go_together() -> None:
    outcomes = []
    for library, backend in ((rushlight, "inductor"), (pytest.importorskip("torch"), "eager")):
        function = make(library, backend=backend)
        stance = library.compiler.set_stance("force_eager")
        found = []
        for _ in range(2):
            with stance:
                found.append(function(library.zeros(1)).item())
            found.append(function(library.zeros(1)).item())
        with pytest.raises(RuntimeError, match="non-default stance cannot have force_backend"):
            library.compiler.set_stance("force_eager", force_backend="eager")
        with library.compiler.set_stance("default", force_backend="eager"):
            found.append(function(library.zeros(1)).item())
        outcomes.append(found)
    assert outcomes[0] == outcomes[1] == [-1.0, 1.0, -1.0, 1.0, 1.0]


def test_the_first_call_runs_eagerly() -> None:
    function = make(rushlight)
    with rushlight.compiler.set_stance("eager_then_compile"):
        assert function(rushlight.zeros(3)).tolist() == EAGER
        assert function(rushlight.zeros(3)).tolist() == COMPILED


def test_a_new_function_fails_where_nothing_may_be_compiled() -> None:
    with (
        rushlight.compiler.set_stance("fail_on_recompile"),
        pytest.raises(RuntimeError, match="Detected recompile"),
    ):
        make(rushlight)(rushlight.zeros(3))


def test_decorators_calls_and_nesting() -> None:
    function, x = make(rushlight), rushlight.zeros(3)

    @rushlight.compiler.set_stance("force_eager")
    def eager(x: Any) -> Any:
        return function(x)

    assert function(x).tolist() == COMPILED  # a decorator alone changes nothing
    assert eager(x).tolist() == EAGER
    rushlight.compiler.set_stance("force_eager")
    try:
        assert function(x).tolist() == EAGER
        with rushlight.compiler.set_stance("default"):
            assert function(x).tolist() == COMPILED
        assert function(x).tolist() == EAGER
    finally:
        rushlight.compiler.set_stance("default")
    assert function(x).tolist() == COMPILED


def test_not_inside_of_a_compiled_function() -> None:
    @rushlight.compile
    def outer(x: Any) -> Any:
        with rushlight.compiler.set_stance("force_eager"):
            return x + 1

    with pytest.raises(AssertionError, match="inside of a compiled function"):
        outer(rushlight.zeros(3))
