"""CUDA kernels of ``tests/compiler/test_slot_indexing.py``'s records, run on the host, against the records."""

from __future__ import annotations

import numpy as np
import pytest

from rushlight.ops.indexing import EMBEDDING
from rushlight.ops.scattering import SCATTER
from rushlight.runtime.cuda_plan import CudaProgram, check_faults

from . import host_cuda
from .other_tests import graph_of, slot_tests

pytestmark = pytest.mark.skipif(host_cuda.COMPILER is None, reason=host_cuda.WHY_NOT)
pytest.importorskip("llvmlite")  # the other file's imports

_OUT_OF_RANGE = (
    "test_an_index_out_of_range_is_an_error_and_reads_nothing",
    "test_an_index_out_of_range_writes_nothing",
)
globals().update(slot_tests("compiler/test_slot_indexing.py", _OUT_OF_RANGE))


def test_an_index_out_of_range_is_raised_when_faults_are_looked_at():
    weights = np.arange(12, dtype=np.float32).reshape(3, 4)
    for number in (3, -1):
        engine = host_cuda.HostEngine()
        inside, _, _ = graph_of(EMBEDDING, (weights, np.array([0, 1, 2])), {})
        program = CudaProgram(inside, engine)
        result = np.full((3, 4), 7, np.float32)
        program.run([weights, np.array([0, number, 2])], [result])
        np.testing.assert_array_equal(result, [weights[0], np.zeros(4), weights[2]])
        with pytest.raises(IndexError, match="index out of range in self"):
            check_faults()
        program.run([weights, np.array([2, 1, 0])], [result])
        check_faults()
        np.testing.assert_array_equal(result, weights[::-1])


def test_an_index_out_of_range_writes_nothing():
    x, new = np.zeros((4, 3), np.float32), np.ones((2, 3), np.float32)
    graph, _, _ = graph_of(
        SCATTER, (x, new, np.array([[1, 1, 1], [3, 3, 3]])), {"dim": 0, "accumulate": True, "shape": None}
    )
    program = CudaProgram(graph, host_cuda.HostEngine())
    result = np.full((4, 3), 7, np.float32)
    program.run([x, new, np.array([[1, -5, 1], [3, 9, 3]])], [result])
    np.testing.assert_array_equal(result[:, 1], 0)
    np.testing.assert_array_equal(result[:, 0], [0, 1, 0, 1])
    with pytest.raises(RuntimeError, match="out of bounds for dimension 0 with size 4"):
        program.run([x, new, np.array([[1, 1, 1], [3, 3, 3]])], [result])
