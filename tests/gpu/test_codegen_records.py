"""Every record that the compiler lowers, as a program for a GPU run on the host, against the record (float32)."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight  # noqa: F401 - defines the records
from rushlight.compiler.launch import HostLaunch
from rushlight.ops.define import PRIMITIVES

from ..graph.record_calls import CALLS
from . import host_cuda
from .other_tests import graph_of, prepared, run

pytestmark = [
    pytest.mark.skipif(host_cuda.COMPILER is None, reason=host_cuda.WHY_NOT),
    pytest.mark.slow,
]


@pytest.fixture(scope="module", autouse=True)
def _kernels():
    """All kernels, compiled a few dozen at a time."""
    if host_cuda.COMPILER is not None:
        with np.errstate(all="ignore"):
            prepared([(PRIMITIVES[name], *call) for name in CALLS for call in CALLS[name]])


@pytest.mark.parametrize("name", sorted(CALLS))
def test_equals_the_record(name):
    compiled = 0
    for arguments, parameters in CALLS[name]:
        with np.errstate(all="ignore"):
            graph, inputs, wanted = graph_of(PRIMITIVES[name], arguments, parameters)
        results, program = run(graph, inputs)
        compiled += not any(isinstance(line, HostLaunch) for line in program.launches)
        for got, want in zip(results, wanted, strict=True):
            assert got.shape == want.shape and got.dtype == want.dtype
            if want.dtype.kind in "biu":
                np.testing.assert_array_equal(got, want)
            else:
                np.testing.assert_allclose(got, want, 4e-6, 4e-6)
    assert compiled  # NumPy's scalars among the arguments are no arrays of a graph: such calls stay in NumPy
