"""Fixtures for the runtime: kernels compiled by tests stay out of the user's cache, and no test leaves workers behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest


@pytest.fixture(scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Machine code goes to a directory of this test run."""
    from rushlight.compiler import native
    from rushlight.compiler.cache import ObjectCache

    native.use_cache(ObjectCache(str(tmp_path_factory.mktemp("kernels"))))
    yield
    native.use_cache(None)


@pytest.fixture
def threads(own_cache: None) -> Iterator[Callable[[int], None]]:
    """A function that says how many threads plans use (plans alone: NumPy's BLAS keeps its number)."""
    from rushlight.core import threads as settings
    from rushlight.runtime import workers

    before = list(settings._chosen)

    def choose(number: int) -> None:
        settings._chosen[:] = [number]

    yield choose
    settings._chosen[:] = before
    workers.stop()
