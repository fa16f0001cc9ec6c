"""CUDA kernels of ``tests/compiler/test_slot_convolution.py``'s records, run on the host, against the records."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from . import host_cuda
from .other_tests import compare, slot_tests

pytestmark = [
    pytest.mark.skipif(host_cuda.COMPILER is None, reason=host_cuda.WHY_NOT),
    pytest.mark.slow,
]
pytest.importorskip("llvmlite")  # the other file's imports

_tests = slot_tests("compiler/test_slot_convolution.py", ("test_patches",))
globals().update(_tests)
_module: Any = next(iter(_tests.values())).__globals__


def test_patches() -> None:
    """As the other file's, but for the input's gradient: there the CPU has no kernel, and NumPy's very bits are asked for. A
    GPU has one, which adds in another order."""
    case = _module["Case"](2, 3, 8, (48, 64), (16, 16), (16, 16))
    _module["test_forward"](case, np.float32, True)
    _module["test_weight_gradient"](case, np.float32)
    g, w = _module["values"]((2, 8, 3, 4), np.float32, 0), _module["values"](case.w, np.float32, 1)
    # Patches do not overlap: each result is a sum over the 8 output channels. Any order of n additions of rounded products is
    # within n units of rounding of the sum of absolute values (Higham, Accuracy and Stability, 4.2); here there are two orders.
    terms = np.einsum("nohw,oiab->nihwab", abs(g).astype(np.float64), abs(w).astype(np.float64))
    largest = abs(np.einsum("nohw,oiab->nihwab", g.astype(np.float64), w.astype(np.float64))).max()
    bound = 2 * 8 * 2.0**-24 * float(terms.max())
    gradient = _module["INPUT_GRADIENT"]
    # `compare` allows twice the tolerance, of the largest result.
    compare(gradient, (g, w, None), {**case.window, "spatial": (48, 64)}, bound / float(largest) / 2)
