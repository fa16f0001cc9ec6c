"""Loop kernels as CUDA C: the tests of ``tests/compiler/test_loops.py``, with kernels run on the host (``host_cuda``).

Where those tests cut the units up, threads and blocks run backwards here: the same bits again, or the kernel has a race.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rushlight.compiler.codegen.cuda_loops import loop_kernel
from rushlight.ir.scalar import ScalarOp

from . import host_cuda
from .other_tests import module_of

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


class _Collector:
    """Lists the kernels of tests without running them: one call of g++ compiles many."""

    def __init__(self):
        self.found = []

    def check(self, kernel, extents, generator, fill=None, tolerance=None, all_steps=None):
        steps = all_steps or [_loops.steps_for(a.steps, extents, generator) for a in kernel.arguments]
        made = _made(kernel, extents, steps)
        self.found.append((made.source, made.name))

    def launch(self, kernel, extents, arrays, units, cuts=()):
        made = _made(kernel, extents, [[s // a.dtype.itemsize for s in a.strides] for a in arrays])
        self.found.append((made.source, made.name))


def _cases(test):
    """The arguments of a test's parametrization, every combination."""
    names, values = [], []
    for mark in getattr(test, "pytestmark", ()):
        if mark.name == "parametrize":
            names.append(mark.args[0])
            values.append(mark.args[1])
    for combination in itertools.product(*values):
        yield dict(zip(names, combination, strict=True))


@pytest.fixture(scope="module", autouse=True)
def _kernels():
    """Every kernel of the tests, compiled beforehand."""
    if host_cuda.COMPILER is None:
        return
    collector = _Collector()
    _loops.check, check = collector.check, _loops.check
    _loops.launch = collector.launch
    try:
        for name, test in _tests.items():
            for case in _cases(test) if name not in _OTHERS else ():
                try:
                    test(**case)
                except Exception:  # what looks at results, which are not there; the test itself comes later
                    continue
    finally:
        _loops.check, _loops.launch = check, _launch
    host_cuda.compile_all(collector.found)


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
