"""``torch.futures``: the same as PyTorch's."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import rushlight


def outcome(act: Any) -> Any:
    """What ``act`` gives, or which exception."""
    try:
        return act()
    except (RuntimeError, ValueError, AssertionError) as error:
        return type(error).__name__


def story(futures: Any) -> list[Any]:
    """What happens to a few futures."""
    first, second, failing = futures.Future(), futures.Future(), futures.Future()
    seen: list[Any] = []
    doubled = first.then(lambda done: 2 * done.wait())
    first.add_done_callback(lambda done: seen.append(done.value()))
    both = futures.collect_all([first, second])
    found: list[Any] = [first.done(), doubled.done(), both.done()]
    first.set_result(3)
    found += [first.done(), first.wait(), doubled.wait(), both.done(), list(seen)]
    found.append(outcome(lambda: first.set_result(4)))
    second.set_result("x")
    found += [[one.value() for one in both.wait()], futures.wait_all([first, second])]
    failing.set_exception(ValueError("no"))
    found += [outcome(failing.wait), outcome(lambda: futures.wait_all([first, failing]))]
    late = futures.Future()
    found += [outcome(late.value), outcome(lambda: late.set_exception("no"))]
    late.set_result(None)
    late.add_done_callback(lambda done: seen.append("at once"))
    return [*found, seen]


@pytest.mark.parity
def test_futures_do_what_pytorchs_do() -> None:
    torch = pytest.importorskip("torch")
    assert story(rushlight.futures) == story(torch.futures)


def test_a_future_is_waited_for_across_threads() -> None:
    future = rushlight.futures.Future()
    timer = threading.Timer(0.05, future.set_result, ["there"])
    timer.start()
    assert future.wait() == "there"
    timer.join()
