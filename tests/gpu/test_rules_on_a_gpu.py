"""The tests of CuPy's rules (``test_cuda_rules.py``) on a real GPU: with CuPy, cuSOLVER and cuFFT themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import rushlight as torch

from .other_tests import module_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available(),
        reason="no GPU: CuPy (pip install 'rushlight[cuda]') and an NVIDIA driver with a GPU are needed",
    ),
]


@pytest.fixture(autouse=True)
def on_the_gpu() -> Iterator[None]:
    """In the place of the fixture that puts a stand-in where CuPy is."""
    from rushlight.runtime.cuda_operations import HOST_TRIPS

    HOST_TRIPS.clear()
    yield
    assert not HOST_TRIPS


globals().update(
    {
        name: test
        for name, test in vars(module_of("gpu/test_cuda_rules.py")).items()
        if name.startswith("test_")
    }
)
