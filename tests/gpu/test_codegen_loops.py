"""Loop kernels as CUDA C: the tests of ``tests/compiler/test_loops.py``, with kernels run on the host (``host_cuda``).

Where those tests cut the units up, threads and blocks run backwards here: the same bits again, or the kernel has a race.
"""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from rushlight.compiler.codegen.cuda_loops import loop_kernel
from rushlight.ir.scalar import ScalarOp

from . import host_cuda
from .other_tests import cases_of, module_of

pytestmark = [
    pytest.mark.skipif(host_cuda.COMPILER is None, reason=host_cuda.WHY_NOT),
    pytest.mark.slow,
]
pytest.importorskip("llvmlite")  # the other file's imports

_loops = module_of("compiler/test_loops.py")
# Tests of what only the other backend has.
_OTHERS = {
    "test_long_sums_are_accurate": "sums are not compensated on a GPU: many threads make them in a tree",
    "test_dtypes_without_loops_are_refused": "below",
}


def _made(kernel, extents, strides):
    return loop_kernel(kernel, extents, strides)


def _launch(kernel, extents, arrays, units, cuts=()):
    strides = [[step // one.dtype.itemsize for step in one.strides] for one in arrays]
    if not units:
        return
    made = _made(kernel, extents, strides)
    function = host_cuda.compile_one(made.source, made.name)
    pointers = [host_cuda.address(one) for one in arrays]
    function(made.grid, made.block, [*pointers, *made.ints], backwards=not isinstance(cuts, tuple))


@pytest.fixture(scope="module", autouse=True)
def _kernels():
    """Every kernel of the tests, compiled beforehand: one call of g++ compiles many.

    The tests are run once without kernels, which lists what they launch; what they look at is not there then.
    """
    if host_cuda.COMPILER is None:
        return
    found = []

    def launch(kernel, extents, arrays, units, cuts=()):
        if units:
            made = _made(kernel, extents, [[s // a.dtype.itemsize for s in a.strides] for a in arrays])
            found.append((made.source, made.name))

    def check_nothing(*arguments, **options):
        with contextlib.suppress(AssertionError):
            check(*arguments, **options)

    kept = {
        name: getattr(_loops, name) for name in ("check", "launch", "reference_rows", "reference_columns")
    }
    check = _loops.check
    _loops.check, _loops.launch = check_nothing, launch
    _loops.reference_rows = _loops.reference_columns = lambda *arguments: None
    try:
        for test in _tests.values():
            for case in cases_of(test):
                with contextlib.suppress(Exception):  # the test itself comes later
                    test(**case)
    finally:
        vars(_loops).update(kept)
    host_cuda.compile_all(found, host_cuda.BRIEFLY)


_loops.launch = _launch
_loops.row_kernel = _loops.column_kernel = lambda kernel: kernel
_tests = {
    name: value for name, value in vars(_loops).items() if name.startswith("test_") and name not in _OTHERS
}
globals().update(_tests)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_complex_numbers_are_refused(dtype):
    kernel = _loops.pointwise([ScalarOp.ADD], dtype)
    with pytest.raises(NotImplementedError, match="complex"):
        loop_kernel(kernel, (5,), ((1,), (1,), (1,)))
