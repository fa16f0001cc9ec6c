"""The accuracy and the edge cases of vector mathematics in LLVM IR."""

from __future__ import annotations

import ctypes
import math
from functools import cache

import numpy as np
import pytest

from rushlight.compiler import native
from rushlight.compiler.codegen import vector_math
from rushlight.compiler.codegen.loops import row_kernel
from rushlight.ir.loops import Argument, Instruction, Leaf, RowKernel, Stage, Step
from rushlight.ir.scalar import ScalarOp

pytest.importorskip("llvmlite")

S = ScalarOp
SIGNATURE = ctypes.CFUNCTYPE(
    None, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)
FUNCTIONS = sorted(vector_math.FUNCTIONS, key=lambda op: op.label)
UNARY = [op for op in FUNCTIONS if op.arity == 1]
# NumPy has no functions of its own for these; those of Python are good to one unit in the last place.
INEXACT = {S.ERF: 1.0, S.ERFC: 1.0}


@cache
def compiled(op, dtype):
    one = (Step.ONE,)
    dtype = np.dtype(dtype)
    arguments = (*[Argument(dtype, one)] * op.arity, Argument(dtype, one, True))
    code = [Instruction(Leaf.LOAD, (), dtype, k) for k in range(op.arity)]
    code.append(Instruction(op, tuple(range(op.arity)), dtype))
    stage = Stage(True, tuple(code), ((op.arity, op.arity),))
    return SIGNATURE(native.load(row_kernel(RowKernel(0, 1, arguments, (stage,)))))


def run(op, *operands):
    """The function of arrays, as a kernel."""
    operands = [np.ascontiguousarray(operand) for operand in operands]
    result = np.empty_like(operands[0])
    ints = np.array([result.size] + [1] * (op.arity + 1), np.int64)
    pointers = np.array([one.ctypes.data for one in (*operands, result)], np.uint64)
    compiled(op, result.dtype)(0, result.size, ints.ctypes.data, pointers.ctypes.data, None)
    return result


def sigmoid(x):
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def exact(op, *operands):
    """In more precision than the operands have (erf and erfc of float64: to one unit in the last place)."""
    wider = np.float64 if operands[0].dtype == np.float32 else np.longdouble
    with np.errstate(all="ignore"):
        if op is S.SIGMOID:
            return sigmoid(operands[0].astype(wider))
        if op in INEXACT:
            function = np.vectorize({S.ERF: math.erf, S.ERFC: math.erfc}[op], otypes=[np.float64])
            return function(operands[0].astype(np.float64)).astype(wider)
        return op.reference(*(operand.astype(wider) for operand in operands))


def errors(result, reference):
    """In units in the last place; infinite where only one of the two is NaN, infinite or of the other sign."""
    dtype = result.dtype
    with np.errstate(all="ignore"):
        rounded = reference.astype(dtype)
        unit = np.spacing(np.minimum(np.abs(rounded), np.finfo(dtype).max)).astype(reference.dtype)
        error = np.abs(result.astype(reference.dtype) - reference) / unit
    same = (result == rounded) | (np.isnan(result) & np.isnan(rounded))
    # Next to the largest number an overflow to infinity is an error of the size of its neighbours.
    error = np.where(same & ~np.isfinite(error), 0, np.where(np.isnan(error), np.inf, error))
    signs = (np.signbit(result) != np.signbit(rounded)) & ~np.isnan(rounded)
    return np.where(signs, np.inf, error)


def worst(op, *operands):
    """The largest error with the operands that have it."""
    error = errors(run(op, *operands), exact(op, *operands))
    k = int(np.argmax(error))
    return float(error[k]), [operand[k] for operand in operands]


def edges(dtype):
    """Special values, and the first, second and last number of every exponent, of both signs."""
    integer = {np.float32: np.uint32, np.float64: np.uint64}[dtype]
    mantissa, exponents = (23, 256) if dtype is np.float32 else (52, 2048)
    starts = np.arange(exponents, dtype=np.uint64) << np.uint64(mantissa)
    bits = np.concatenate([starts, starts + np.uint64(1), starts + np.uint64((1 << mantissa) - 1)]).astype(
        integer
    )
    positive = bits.view(dtype)
    special = np.array([0.5, 1.0, 1.5, 2.0, 3.0, 10.0, 100.0, np.pi, np.e], dtype)
    near = np.concatenate([special, np.nextafter(special, dtype(0)), np.nextafter(special, dtype(1000))])
    values = np.concatenate([positive, near])
    return np.concatenate([values, -values])


@pytest.mark.parametrize("op", UNARY, ids=repr)
def test_float32_functions(op):
    """Every 257th bit pattern, and the edges of all exponents. (erf and erfc: fewer, since the reference is slow.)"""
    stride = 257 if op not in INEXACT else 257 * 41
    patterns = np.arange(0, 2**32, stride, dtype=np.uint64).astype(np.uint32).view(np.float32)
    error, where = worst(op, np.concatenate([patterns, edges(np.float32)]))
    assert error <= vector_math.ACCURACY[op][0], where


@pytest.mark.parametrize("op", UNARY, ids=repr)
def test_float64_functions(op):
    generator = np.random.default_rng(0)
    count = 150_000 if op not in INEXACT else 15_000
    operands = np.concatenate(
        [
            generator.integers(0, 2**64, count, dtype=np.uint64).view(np.float64),
            generator.standard_normal(count),
            generator.standard_normal(count) * 10,
            generator.random(count) * 2 - 1,
            generator.random(count) * 1500 - 750,
            generator.random(count) * 1e6,
            1 + generator.standard_normal(count) * 1e-3,
            edges(np.float64),
        ]
    )
    error, where = worst(op, operands)
    assert error <= vector_math.ACCURACY[op][1] + INEXACT.get(op, 0), where


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("op", [S.POW, S.ATAN2], ids=repr)
def test_functions_of_two_operands(op, dtype):
    generator = np.random.default_rng(1)
    count = 200_000
    integer = np.uint32 if dtype is np.float32 else np.uint64
    special = np.array(
        [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 1e30, -1e30, 1e-40, np.inf, -np.inf, np.nan],
        dtype,
    )
    grid = np.meshgrid(special, special)
    pairs = [
        np.concatenate(
            [
                generator.integers(0, np.iinfo(integer).max, count, integer).view(dtype),
                (np.abs(generator.standard_normal(count)) * np.exp(generator.standard_normal(count))).astype(
                    dtype
                ),
                (generator.standard_normal(count) * np.exp(3 * generator.standard_normal(count))).astype(
                    dtype
                ),
                generator.integers(-20, 20, count).astype(dtype),
                grid[k].ravel(),
            ]
        )
        for k in range(2)
    ]
    error, where = worst(op, *pairs)
    assert error <= vector_math.ACCURACY[op][dtype is np.float64], where


SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 5e-324, -5e-324, 1e300, -1e300])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("op", UNARY, ids=repr)
def test_special_values(op, dtype):
    with np.errstate(all="ignore"):
        operands = SPECIAL.astype(dtype)
    result = run(op, operands)
    with np.errstate(all="ignore"):
        expected = exact(op, operands).astype(dtype)
    finite = np.isfinite(expected) & (expected != 0)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
    np.testing.assert_array_equal(result[~finite], expected[~finite])
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(result)[number], np.signbit(expected)[number])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("op", UNARY, ids=repr)
def test_every_lane_and_the_rest_give_the_same_bits(op, dtype):
    """So that an element's value does not depend on where in the array it is."""
    values = np.array([0.3, 0.9, -0.7, 2.0, 1e-3, 700.0, 1e7, 1e12], dtype)
    for value in values:
        result = run(op, np.full(77, value, dtype))
        assert len(np.unique(result.view(f"u{result.itemsize}"))) == 1


def doubtful(op, patterns):
    """Where the float32 function is not obviously within its accuracy of the float64 one.

    A relative error of 2**-24 is at most one unit in the last place; smaller ones need no closer look.
    """
    one = (Step.ONE,)
    single, double, truth = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.bool_)
    code = (
        Instruction(Leaf.LOAD, (), single, 0),
        Instruction(op, (0,), single),
        Instruction(Leaf.CAST, (1,), double),
        Instruction(Leaf.CAST, (0,), double),
        Instruction(op, (3,), double),
        Instruction(S.SUB, (2, 4), double),
        Instruction(S.ABS, (5,), double),
        Instruction(S.ABS, (4,), double),
        Instruction(Leaf.CONST, (), double, vector_math.ACCURACY[op][0] * 2.0**-24),
        Instruction(S.MUL, (7, 8), double),
        Instruction(S.LESS_EQUAL, (6, 9), truth),
        Instruction(S.NOT, (10,), truth),
    )
    kernel = RowKernel(
        0, 1, (Argument(single, one), Argument(truth, one, True)), (Stage(True, code, ((1, 11),)),)
    )
    result = np.empty(patterns.size, np.bool_)
    ints = np.array([patterns.size, 1, 1], np.int64)
    pointers = np.array([patterns.ctypes.data, result.ctypes.data], np.uint64)
    function = SIGNATURE(native.load(row_kernel(kernel)))
    function(0, patterns.size, ints.ctypes.data, pointers.ctypes.data, None)
    return patterns[result]


@pytest.mark.exhaustive
@pytest.mark.parametrize("op", [S.EXP, S.LOG, S.LOG1P, S.TANH, S.SIGMOID, S.SIN, S.COS, S.ERF], ids=repr)
def test_every_float32(op):
    """All 2**32 bit patterns: a minute or so each."""
    count = 2**24
    for start in range(0, 2**32, count):
        patterns = np.arange(start, start + count, dtype=np.uint64).astype(np.uint32).view(np.float32)
        patterns = doubtful(op, patterns)
        if op is S.ERF:
            patterns = patterns[::16]  # the reference is slow
        if patterns.size:
            error, where = worst(op, patterns)
            assert error <= vector_math.ACCURACY[op][0], where


def test_what_has_no_vector_form_is_refused():
    one = (Step.ONE,)
    half = np.dtype(np.int32)
    stage = Stage(True, (Instruction(Leaf.LOAD, (), half, 0), Instruction(S.EXP, (0,), half)), ((1, 1),))
    with pytest.raises(NotImplementedError, match="exp of int32"):
        row_kernel(RowKernel(0, 1, (Argument(half, one), Argument(half, one, True)), (stage,)))


def test_the_table_is_complete():
    assert set(vector_math.ACCURACY) == set(vector_math.FUNCTIONS)
