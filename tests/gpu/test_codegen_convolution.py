"""CUDA kernels of ``tests/compiler/test_slot_convolution.py``'s records, run on the host, against the records."""

from __future__ import annotations

import pytest

from . import host_cuda
from .other_tests import slot_tests

pytestmark = [
    pytest.mark.skipif(host_cuda.COMPILER is None, reason=host_cuda.WHY_NOT),
    pytest.mark.slow,
]
pytest.importorskip("llvmlite")  # the other file's imports

# Of patches the CPU has no kernel and NumPy's very bits; a GPU has one, which adds in another order.
globals().update(slot_tests("compiler/test_slot_convolution.py", ("test_patches",)))
