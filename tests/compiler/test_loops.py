"""Loop kernels in LLVM IR against NumPy's evaluation of the same kernels."""

from __future__ import annotations

import ctypes
import itertools

import ml_dtypes
import numpy as np
import pytest

from rushlight.compiler import native
from rushlight.compiler.codegen.loops import column_kernel, row_kernel
from rushlight.ir.loops import COLUMNS, Argument, ColumnKernel, Instruction, Leaf, RowKernel, Stage, Step
from rushlight.ir.scalar import REDUCE_REFERENCE, ReduceOp, ScalarOp

pytest.importorskip("llvmlite")

S, R = ScalarOp, ReduceOp
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
INTEGERS = [np.dtype(t) for t in (np.uint8, np.int8, np.int16, np.int32, np.int64)]
FLOATS = [np.dtype(np.float16), BFLOAT16, np.dtype(np.float32), np.dtype(np.float64)]
SIGNATURE = ctypes.CFUNCTYPE(
    None, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)
GUARD = 64  # bytes on both sides of what a kernel writes, which it must leave alone


def code(op, operands=(), dtype=np.float32, payload=None):
    return Instruction(op, tuple(operands), np.dtype(dtype), payload)


def load(number, dtype=np.float32):
    return code(Leaf.LOAD, (), dtype, number)


def array(extents, steps, dtype, values=None):
    """An array with such steps in elements (also negative ones) in memory of its own."""
    low = sum(min(0, (n - 1) * s) for n, s in zip(extents, steps, strict=True) if n)
    high = sum(max(0, (n - 1) * s) for n, s in zip(extents, steps, strict=True) if n)
    memory = np.zeros(high - low + 1 + 2 * GUARD, dtype)
    itemsize = memory.dtype.itemsize
    view = np.ndarray(extents, dtype, memory, (GUARD - low) * itemsize, [s * itemsize for s in steps])
    if values is not None:
        view[...] = values
    return view


def matching(step, elements):
    return {Step.ZERO: elements == 0, Step.ONE: elements == 1, Step.ANY: True}[step]


def launch(text, extents, arrays, units, cuts=()):
    """Run all units, cut up at ``cuts``."""
    function = SIGNATURE(native.load(text))
    ints = list(extents)
    for one in arrays:
        ints += [stride // one.dtype.itemsize for stride in one.strides]
    ints = np.array(ints, np.int64)
    pointers = np.array([one.__array_interface__["data"][0] for one in arrays], np.uint64)
    edges = [0, *sorted(cuts), units]
    for begin, end in itertools.pairwise(edges):
        function(begin, end, ints.ctypes.data, pointers.ctypes.data, None)


def wide(value, dtype):
    """What the reference computes a dtype in."""
    return np.asarray(value, np.float64) if dtype in FLOATS else np.asarray(value, dtype)


def evaluate(stage, arrays, shape, registers):
    """One stage at all points at once, float arithmetic in float64; gives its reductions or its values."""
    values = []
    for one in stage.code:
        operands = [values[k] for k in one.operands]
        if one.op is Leaf.LOAD:
            value = wide(arrays[one.payload], one.dtype)
        elif one.op is Leaf.CONST:
            value = wide(one.payload, one.dtype)
        elif one.op is Leaf.REGISTER:
            value = registers[tuple(one.payload)]
        elif one.op is Leaf.CAST:
            value = operands[0] if one.dtype in FLOATS else operands[0].astype(one.dtype)
            value = wide(value, one.dtype)
        elif one.op is Leaf.INDEX:
            sizes = [1] * len(shape)
            sizes[one.payload] = shape[one.payload]
            value = np.arange(shape[one.payload]).reshape(sizes)
        else:
            value = one.op.reference(*operands)
        values.append(value)
    return values


def reference_rows(kernel, extents, arrays):
    """Do what the kernel does to ``arrays``."""
    inner = tuple(range(kernel.outer, kernel.outer + kernel.inner))
    first = (slice(None),) * kernel.outer + (slice(0, 1),) * kernel.inner
    registers = {}
    with np.errstate(all="ignore"):
        for number, stage in enumerate(kernel.stages):
            seen = arrays if stage.loops else [one[(..., *first)] for one in arrays]
            shape = tuple(extents) if stage.loops else (*extents[: kernel.outer], *([1] * kernel.inner))
            values = evaluate(stage, seen, shape, registers)
            for target, value in stage.stores:
                seen[target][...] = values[value]
            for n, (op, value) in enumerate(stage.reductions):
                full = np.broadcast_to(values[value], shape)
                dtype = full.dtype
                registers[number, n] = REDUCE_REFERENCE[op](full, axis=inner, keepdims=True).astype(dtype)
            if not stage.loops:
                registers.update({(number, -1 - n): value for n, value in enumerate(values)})


def reference_columns(kernel, extents, arrays):
    reduced = tuple(range(kernel.outer, kernel.outer + kernel.reduced))
    first = (slice(None),) * kernel.outer + (slice(0, 1),) * kernel.reduced
    with np.errstate(all="ignore"):
        values = evaluate(kernel.body, arrays, tuple(extents), {})
        registers = {}
        for n, (op, value) in enumerate(kernel.body.reductions):
            full = np.broadcast_to(values[value], tuple(extents))
            registers[0, n] = REDUCE_REFERENCE[op](full, axis=reduced, keepdims=True).astype(full.dtype)
        seen = [one[first] for one in arrays]
        shape = (*extents[: kernel.outer], *([1] * kernel.reduced), extents[-1])
        values = evaluate(kernel.finish, seen, shape, registers)
        for target, value in kernel.finish.stores:
            seen[target][...] = values[value]


def steps_for(kinds, extents, generator):
    """Steps of the kinds asked for, in a random order of dimensions and some of them negative."""
    steps = [0] * len(kinds)
    distance = 1
    order = [d for d, kind in enumerate(kinds) if kind is Step.ONE]
    order += list(generator.permutation([d for d, kind in enumerate(kinds) if kind is Step.ANY]))
    for d in order:
        steps[d] = distance if kinds[d] is Step.ONE or generator.random() < 0.7 else -distance
        distance *= max(1, extents[d]) + (0 if generator.random() < 0.7 else 2)
    return steps


def random_values(shape, dtype, generator):
    if dtype.kind == "b":
        return generator.random(shape) < 0.5
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return (generator.standard_normal(shape) * 3).astype(dtype)


def positive(shape, dtype, generator):
    """What sums don't cancel with, so that their error can be stated relative to them."""
    values = random_values(shape, dtype, generator)
    return abs(values) if dtype in FLOATS else values


def check(kernel, extents, generator, fill=None, tolerance=None, all_steps=None):
    """Run a kernel against the reference; all units at once and cut up give the same bits."""
    rows = isinstance(kernel, RowKernel)
    text = row_kernel(kernel) if rows else column_kernel(kernel)
    arrays = []
    for k, argument in enumerate(kernel.arguments):
        steps = all_steps[k] if all_steps else steps_for(argument.steps, extents, generator)
        assert all(matching(kind, step) for kind, step in zip(argument.steps, steps, strict=True))
        one = array(extents, steps, argument.dtype)
        distinct = one[(..., *tuple(slice(0, 1) if s == 0 else slice(None) for s in steps))]
        distinct[...] = (fill or random_values)(distinct.shape, argument.dtype, generator)
        arrays.append(one)
    flat = rows and kernel.outer == 0 and kernel.inner == 1 and not any(s.reductions for s in kernel.stages)
    if rows:
        units = extents[0] if flat else int(np.prod(extents[: kernel.outer], dtype=int))
    else:
        units = int(np.prod(extents[: kernel.outer], dtype=int)) * -(-extents[-1] // COLUMNS)
    expected, together, cut_up = (copies(arrays) for _ in range(3))
    (reference_rows if rows else reference_columns)(kernel, extents, expected)
    launch(text, extents, together, units)
    launch(text, extents, cut_up, units, generator.integers(0, units + 1, 3) if units else ())
    for argument, want, got, again in zip(kernel.arguments, expected, together, cut_up, strict=True):
        np.testing.assert_array_equal(bytes_of(got), bytes_of(again), "units may be split anywhere")
        if not argument.written:
            np.testing.assert_array_equal(bytes_of(got), bytes_of(want), "read only")
        elif argument.dtype in FLOATS:
            epsilon = float(ml_dtypes.finfo(argument.dtype).eps)
            np.testing.assert_allclose(
                got.astype(np.float64),
                want.astype(np.float64),
                rtol=(tolerance or 16) * epsilon,
                atol=(tolerance or 16) * epsilon / 8,
            )
        else:
            np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(guards(got), 0, "beyond the array")
    return together


def base_of(one):
    while isinstance(one.base, np.ndarray):
        one = one.base
    return one


def bytes_of(one):
    return base_of(one).view(np.uint8)


def guards(one):
    memory = bytes_of(one)
    size = GUARD * one.dtype.itemsize
    return np.concatenate([memory[:size], memory[-size:]])


def copies(arrays):
    """The same views of copied memory."""
    result = []
    for one in arrays:
        memory = base_of(one)
        offset = one.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
        result.append(np.ndarray(one.shape, one.dtype, memory.copy(), offset, one.strides))
    return result


def pointwise(ops, dtype, steps=((Step.ONE,), (Step.ONE,), (Step.ONE,)), result=None):
    """result = op(a, b), with a chain of operations on the left."""
    dtype = np.dtype(dtype)
    listing = [load(0, dtype), load(1, dtype)]
    for op in ops:
        kind = np.bool_ if op.boolean else dtype
        operands = (len(listing) - 1 if len(listing) > 2 else 0, 1)[: op.arity]
        listing.append(code(op, operands, kind))
    written = np.dtype(result) if result else listing[-1].dtype
    arguments = [Argument(dtype, steps[0]), Argument(dtype, steps[1]), Argument(written, steps[2], True)]
    dims = len(steps[0])
    stage = Stage(True, tuple(listing), ((2, len(listing) - 1),))
    return RowKernel(dims - 1, 1, tuple(arguments), (stage,))


ARITHMETIC = [S.ADD, S.SUB, S.MUL, S.MAXIMUM, S.MINIMUM, S.LESS, S.LESS_EQUAL, S.EQUAL, S.NOT_EQUAL]
ONE_OPERAND = [S.NEG, S.ABS, S.SIGN]
BITS = [S.AND, S.OR, S.XOR, S.NOT, S.SHIFT_LEFT, S.SHIFT_RIGHT]
DIVISIONS = [S.FLOOR_DIVIDE, S.REMAINDER, S.FMOD]


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("op", [*ARITHMETIC, *ONE_OPERAND, *BITS, *DIVISIONS], ids=repr)
def test_integers(op, dtype):
    generator = np.random.default_rng(1)

    def edges(shape, dtype, generator):
        values = random_values(shape, dtype, generator)
        if dtype.kind == "b":
            return values
        small = generator.integers(0, 5, shape).astype(dtype) - (dtype.kind == "i") * dtype.type(2)
        limits = np.iinfo(dtype)
        values = np.where(generator.random(shape) < 0.5, values, small.astype(dtype))
        return np.where(generator.random(shape) < 0.1, limits.min, values)

    check(pointwise([op], dtype), [1001], generator, edges)


@pytest.mark.parametrize(
    "op", [S.ADD, S.MUL, S.MAXIMUM, S.MINIMUM, S.AND, S.OR, S.XOR, S.NOT, S.LESS, S.EQUAL]
)
def test_bools(op):
    check(pointwise([op], np.bool_), [131], np.random.default_rng(0))


def special(shape, dtype, generator):
    values = random_values(shape, dtype, generator).astype(np.float64)
    odd = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -2.5, 3.0])
    return np.where(generator.random(shape) < 0.4, generator.choice(odd, shape), values).astype(dtype)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(
    "op",
    [
        *ARITHMETIC,
        *ONE_OPERAND,
        S.DIV,
        S.SQRT,
        S.FLOOR,
        S.CEIL,
        S.TRUNC,
        S.ROUND,
        S.COPYSIGN,
        S.IS_NAN,
        *DIVISIONS,
    ],
    ids=repr,
)
def test_floats(op, dtype):
    check(pointwise([op], dtype), [1003], np.random.default_rng(2), special)


ALL = [np.dtype(np.bool_), *INTEGERS, *FLOATS]


@pytest.mark.parametrize("source", ALL, ids=str)
@pytest.mark.parametrize("target", ALL, ids=str)
def test_casts_of_values_in_range(source, target):
    def within(shape, dtype, generator):
        if dtype.kind == "b":
            return generator.random(shape) < 0.5
        lowest = 0 if "u" in (source.kind, target.kind) or "b" in (source.kind, target.kind) else -100
        return (generator.integers(lowest, 100, shape) + (0.5 if dtype in FLOATS else 0)).astype(dtype)

    stage = Stage(True, (load(0, source), code(Leaf.CAST, (0,), target)), ((1, 1),))
    one = (Step.ONE,)
    kernel = RowKernel(0, 1, (Argument(source, one), Argument(target, one, True)), (stage,))
    check(kernel, [197], np.random.default_rng(3), within)


@pytest.mark.parametrize("half", FLOATS[:2], ids=str)
def test_casts_to_half_precision_round(half):
    """There and back is a rounding, also inside one kernel."""
    listing = (load(0), code(Leaf.CAST, (0,), half), code(Leaf.CAST, (1,), np.float32))
    arguments = (Argument(np.dtype(np.float32), (U,)), Argument(np.dtype(np.float32), (U,), True))
    special = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, 65519.0, 65520.0, 1e-8, 3e-8]
    source = np.concatenate([np.random.default_rng(0).standard_normal(1000), special]).astype(np.float32)
    target = np.zeros_like(source)
    launch(
        row_kernel(RowKernel(0, 1, arguments, (Stage(True, listing, ((1, 2),)),))),
        [1010],
        [source, target],
        1010,
    )
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(target, source.astype(half).astype(np.float32))


def test_casts_out_of_range_give_some_number():
    stage = Stage(True, (load(0), code(Leaf.CAST, (0,), np.int32)), ((1, 1),))
    one = (Step.ONE,)
    arguments = (Argument(np.dtype(np.float32), one), Argument(np.dtype(np.int32), one, True))
    source = np.array([np.nan, np.inf, -np.inf, 1e30, 5.0] * 9, np.float32)
    target = np.zeros(45, np.int32)
    launch(row_kernel(RowKernel(0, 1, arguments, (stage,))), [45], [source, target], 45)
    assert (target[4::5] == 5).all()


Z, U, A = Step.ZERO, Step.ONE, Step.ANY
EXTENTS = [(1, 1, 1), (3, 5, 7), (2, 3, 64), (4, 1, 129), (2, 3, 0), (0, 3, 4), (7, 2, 16)]


@pytest.mark.parametrize("extents", EXTENTS, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.bool_, np.float16, np.int64])
def test_strides_and_dimensions(extents, dtype):
    generator = np.random.default_rng(4)
    kinds = [(A, A, U), (A, A, A), (A, Z, Z), (Z, U, A), (Z, Z, Z), (Z, A, U)]
    op = S.OR if dtype is np.bool_ else S.ADD
    for number, first in enumerate(kinds):
        second = kinds[int(generator.integers(0, 4))]
        written = (A, A, U) if number % 2 else (A, A, A)
        arguments = (*(Argument(np.dtype(dtype), steps) for steps in (first, second)),
                     Argument(np.dtype(dtype), written, True))  # fmt: skip
        stage = Stage(True, (load(0, dtype), load(1, dtype), code(op, (0, 1), dtype)), ((2, 2),))
        outer = number % 3
        check(RowKernel(outer, 3 - outer, arguments, (stage,)), extents, generator)


def test_no_inner_dimensions():
    stage = Stage(True, (load(0), code(S.EXP, (0,))), ((1, 1),), ((R.SUM, 1),))
    last = Stage(False, (code(Leaf.REGISTER, payload=(0, 0)),), ((2, 0),))
    arguments = (
        Argument(np.dtype("f4"), (A,)),
        Argument(np.dtype("f4"), (U,), True),
        Argument(np.dtype("f4"), (A,), True),
    )
    check(RowKernel(1, 0, arguments, (stage, last)), [13], np.random.default_rng(0))
    single = tuple(argument._replace(steps=()) for argument in arguments)
    check(RowKernel(0, 0, single, (stage, last)), [], np.random.default_rng(0))


def test_indices():
    stage = Stage(
        True,
        (*(code(Leaf.INDEX, (), np.int64, d) for d in range(4)), code(Leaf.CONST, (), np.int64, 1000),
         code(S.MUL, (0, 4), np.int64), code(S.ADD, (5, 1), np.int64), code(S.MUL, (6, 4), np.int64),
         code(S.ADD, (7, 2), np.int64), code(S.MUL, (8, 4), np.int64), code(S.ADD, (9, 3), np.int64)),
        ((0, 10),),
    )  # fmt: skip
    kernel = RowKernel(2, 2, (Argument(np.dtype(np.int64), (A, A, A, U), True),), (stage,))
    check(kernel, [3, 4, 2, 21], np.random.default_rng(0))


def softmax(dtype):
    two = (A, U)
    arguments = (Argument(np.dtype(dtype), two), Argument(np.dtype(dtype), two, True))
    return RowKernel(
        1,
        1,
        arguments,
        (
            Stage(True, (load(0, dtype),), (), ((R.MAX, 0),)),
            Stage(
                True,
                (load(0, dtype), code(Leaf.REGISTER, (), dtype, (0, 0)), code(S.SUB, (0, 1), dtype), code(S.EXP, (2,), dtype)),
                (),
                ((R.SUM, 3),),
            ),
            Stage(
                False,
                (code(Leaf.CONST, (), dtype, 1.0), code(Leaf.REGISTER, (), dtype, (1, 0)), code(S.DIV, (0, 1), dtype)),
            ),
            Stage(
                True,
                (load(0, dtype), code(Leaf.REGISTER, (), dtype, (0, 0)), code(S.SUB, (0, 1), dtype), code(S.EXP, (2,), dtype),
                 code(Leaf.REGISTER, (), dtype, (2, -3)), code(S.MUL, (3, 4), dtype)),
                ((1, 5),),
            ),
        ),
    )  # fmt: skip


SIZES = [1, 3, 10, 16, 17, 64, 65, 100, 1000, 5000]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("size", SIZES)
def test_softmax(dtype, size):
    check(softmax(dtype), [5, size], np.random.default_rng(size))


def test_log_sum_exp_with_infinities():
    arguments = (Argument(np.dtype("f4"), (A, U)), Argument(np.dtype("f4"), (A, Z), True))
    kernel = RowKernel(
        1,
        1,
        arguments,
        (
            Stage(True, (load(0),), (), ((R.MAX, 0), (R.MIN, 0))),
            Stage(
                True,
                (load(0), code(Leaf.REGISTER, payload=(0, 0)), code(S.SUB, (0, 1)), code(S.EXP, (2,))),
                (),
                ((R.SUM, 3),),
            ),
            Stage(
                False,
                (code(Leaf.REGISTER, payload=(1, 0)), code(S.LOG, (0,)), code(Leaf.REGISTER, payload=(0, 0)),
                 code(S.ADD, (1, 2))),
                ((1, 3),),
            ),
        ),
    )  # fmt: skip

    def values(shape, dtype, generator):
        result = random_values(shape, dtype, generator)
        if shape[-1] > 1:
            result[0, 3] = -np.inf
            result[1, 5] = np.nan
            result[2, 1] = np.inf
        return result

    check(kernel, [6, 77], np.random.default_rng(0), values, tolerance=32)


def layer_norm(dtype):
    """Forward: mean, then variance, then the result."""
    d = np.dtype(dtype)
    register = lambda *payload: code(Leaf.REGISTER, (), d, payload)
    return RowKernel(
        1,
        2,
        (Argument(d, (A, A, U)), Argument(d, (Z, A, U)), Argument(d, (A, A, U), True), Argument(d, (A, Z, Z), True)),
        (
            Stage(True, (load(0, d), code(Leaf.CONST, (), d, 1.0)), (), ((R.SUM, 0), (R.SUM, 1))),
            Stage(False, (register(0, 0), register(0, 1), code(S.DIV, (0, 1), d))),
            Stage(
                True,
                (load(0, d), register(1, -3), code(S.SUB, (0, 1), d), code(S.MUL, (2, 2), d)),
                (),
                ((R.SUM, 3),),
            ),
            Stage(
                False,
                (register(2, 0), register(0, 1), code(S.DIV, (0, 1), d), code(Leaf.CONST, (), d, 1e-5), code(S.ADD, (2, 3), d),
                 code(S.SQRT, (4,), d)),
                ((3, 5),),
            ),
            Stage(
                True,
                (load(0, d), register(1, -3), code(S.SUB, (0, 1), d), register(3, -6), code(S.DIV, (2, 3), d), load(1, d),
                 code(S.MUL, (4, 5), d)),
                ((2, 6),),
            ),
        ),
    )  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("shape", [(1, 1), (3, 10), (1, 768), (2, 3000), (700, 5)], ids=str)
def test_layer_norm(dtype, shape):
    check(layer_norm(dtype), [4, *shape], np.random.default_rng(7), tolerance=64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layer_norm_backward(dtype):
    """dx = (g - mean(g) - xhat · mean(g · xhat)) / std, with g = dy · weight."""
    d = np.dtype(dtype)
    register = lambda *payload: code(Leaf.REGISTER, (), d, payload)
    g = (load(0, d), load(1, d), code(S.MUL, (0, 1), d), load(2, d))  # instruction 2: g, 3: xhat
    kernel = RowKernel(
        2,
        1,
        (Argument(d, (A, A, U)), Argument(d, (Z, Z, U)), Argument(d, (A, A, U)), Argument(d, (A, U, Z)),
         Argument(d, (A, A, U), True)),
        (
            Stage(True, (*g, code(S.MUL, (2, 3), d)), (), ((R.SUM, 2), (R.SUM, 4))),
            Stage(
                True,
                (*g, code(Leaf.CONST, (), d, 1 / 100), register(0, 0), code(S.MUL, (4, 5), d), register(0, 1),
                 code(S.MUL, (4, 7), d), code(S.MUL, (3, 8), d), code(S.SUB, (2, 6), d), code(S.SUB, (10, 9), d), load(3, d),
                 code(S.MUL, (11, 12), d)),
                ((4, 13),),
            ),
        ),
    )  # fmt: skip
    check(kernel, [3, 4, 100], np.random.default_rng(8), tolerance=200)


@pytest.mark.parametrize("dtype", [np.dtype(np.bool_), *INTEGERS, *FLOATS], ids=str)
@pytest.mark.parametrize("op", list(R), ids=repr)
def test_reductions(op, dtype):
    generator = np.random.default_rng(9)
    for steps, outer in itertools.product([(A, A, U), (A, A, A), (U, A, A), (Z, A, U)], (0, 1, 2)):
        last = (*([A] * outer), *([Z] * (3 - outer)))
        kernel = RowKernel(
            outer,
            3 - outer,
            (Argument(dtype, steps), Argument(dtype, last, True)),
            (
                Stage(True, (load(0, dtype),), (), ((op, 0),)),
                Stage(False, (code(Leaf.REGISTER, (), dtype, (0, 0)),), ((1, 0),)),
            ),
        )

        def mild(shape, dtype, generator):
            values = positive(shape, dtype, generator)
            if op is R.PROD and dtype in FLOATS:
                values = (1.01 - 0.01 * values.astype(np.float64)).astype(dtype)
            return values

        for extents in ((2, 3, 5), (1, 4, 40), (3, 2, 200)):
            check(kernel, extents, generator, mild, tolerance=2000 if op is R.PROD else 64)


@pytest.mark.parametrize("op", [R.SUM, R.PROD, R.MAX, R.MIN], ids=repr)
def test_empty_reductions_give_the_neutral_element(op):
    kernel = RowKernel(
        1,
        1,
        (Argument(np.dtype("f4"), (A, U)), Argument(np.dtype("f4"), (U, Z), True)),
        (
            Stage(True, (load(0),), (), ((op, 0),)),
            Stage(False, (code(Leaf.REGISTER, payload=(0, 0)),), ((1, 0),)),
        ),
    )
    source, target = np.zeros((3, 0), np.float32), np.full((3, 1), 7, np.float32)
    view = np.lib.stride_tricks.as_strided(target, (3, 0), (4, 0))
    launch(row_kernel(kernel), [3, 0], [source, view], 3)
    neutral = {R.SUM: 0, R.PROD: 1, R.MAX: -np.inf, R.MIN: np.inf}[op]
    np.testing.assert_array_equal(target, neutral)


def test_reductions_propagate_nan():
    generator = np.random.default_rng(10)
    for op, place in itertools.product((R.MAX, R.MIN), (0, 15, 16, 63, 64, 99)):
        kernel = RowKernel(
            0,
            1,
            (Argument(np.dtype("f4"), (U,)), Argument(np.dtype("f4"), (Z,), True)),
            (
                Stage(True, (load(0),), (), ((op, 0),)),
                Stage(False, (code(Leaf.REGISTER, payload=(0, 0)),), ((1, 0),)),
            ),
        )

        def one_nan(shape, dtype, generator, place=place):
            values = random_values(shape, dtype, generator)
            if shape[0] > 1:
                values[place] = np.nan
            return values

        together = check(kernel, [100], generator, one_nan)
        assert np.isnan(together[1][0])


def test_long_sums_are_accurate():
    kernel = RowKernel(
        0,
        1,
        (Argument(np.dtype("f4"), (U,)), Argument(np.dtype("f4"), (Z,), True)),
        (
            Stage(True, (load(0),), (), ((R.SUM, 0),)),
            Stage(False, (code(Leaf.REGISTER, payload=(0, 0)),), ((1, 0),)),
        ),
    )
    generator = np.random.default_rng(11)
    for size in (1_000, 100_003, 3_000_001):
        values = generator.random(size, np.float32)
        source, target = values, np.zeros(1, np.float32)
        out = np.lib.stride_tricks.as_strided(target, (size,), (0,))
        launch(row_kernel(kernel), [size], [source, out], 1)
        exact = values.astype(np.float64).sum()
        ours, numpy = abs(target[0] - exact), abs(np.sum(values) - exact)
        assert ours <= max(2 * numpy, 2 * np.spacing(np.float32(exact)))


def test_infinite_sums():
    kernel = RowKernel(
        0,
        1,
        (Argument(np.dtype("f4"), (U,)), Argument(np.dtype("f4"), (Z,), True)),
        (
            Stage(True, (load(0),), (), ((R.SUM, 0),)),
            Stage(False, (code(Leaf.REGISTER, payload=(0, 0)),), ((1, 0),)),
        ),
    )
    for places, expected in (((3,), np.inf), ((3, 9000), np.inf), ((9999,), np.inf)):
        source, target = np.ones(10_000, np.float32), np.zeros(1, np.float32)
        source[list(places)] = np.inf
        launch(
            row_kernel(kernel),
            [10_000],
            [source, np.lib.stride_tricks.as_strided(target, (10_000,), (0,))],
            1,
        )
        assert target[0] == expected
    source[5] = -np.inf
    launch(
        row_kernel(kernel), [10_000], [source, np.lib.stride_tricks.as_strided(target, (10_000,), (0,))], 1
    )
    assert np.isnan(target[0])


def test_update_in_place():
    """p -= lr · g: the written argument is read too."""
    kernel = RowKernel(
        0,
        1,
        (
            Argument(np.dtype("f4"), (U,), True),
            Argument(np.dtype("f4"), (U,)),
            Argument(np.dtype("f4"), (Z,)),
        ),
        (Stage(True, (load(0), load(1), load(2), code(S.MUL, (1, 2)), code(S.SUB, (0, 3))), ((0, 4),)),),
    )
    check(kernel, [1234], np.random.default_rng(12))


# Columns


def column_sum(dtype, outer=0, reduced=1, op=R.SUM, step=U, body=(), finish=()):
    d = np.dtype(dtype)
    arguments = (
        Argument(d, (*([A] * (outer + reduced)), step)),
        Argument(d, (*([A] * outer), *([Z] * reduced), U), True),
    )
    listing = (load(0, d), *body)
    results = (code(Leaf.REGISTER, (), d, (0, 0)), *finish)
    return ColumnKernel(
        outer,
        reduced,
        arguments,
        Stage(True, listing, (), ((op, len(listing) - 1),)),
        Stage(True, results, ((1, len(results) - 1),)),
    )


COLUMN_EXTENTS = [(1, 1), (5, 3), (64, 10), (7, 64), (33, 65), (130, 200), (0, 5), (4, 0), (3000, 17)]


@pytest.mark.parametrize("dtype", ALL, ids=str)
@pytest.mark.parametrize("extents", COLUMN_EXTENTS, ids=str)
def test_column_sums(dtype, extents):
    check(column_sum(dtype), extents, np.random.default_rng(13), positive, tolerance=64)


@pytest.mark.parametrize("op", [R.MAX, R.MIN], ids=repr)
@pytest.mark.parametrize("dtype", [np.bool_, np.float32, np.int8, np.float16, np.int64])
def test_column_extremes(op, dtype):
    check(column_sum(dtype, op=op), (37, 90), np.random.default_rng(14))


@pytest.mark.parametrize("outer", [0, 1, 2])
@pytest.mark.parametrize("reduced", [0, 1, 2, 3])
@pytest.mark.parametrize("step", [U, A, Z])
def test_column_dimensions(outer, reduced, step):
    generator = np.random.default_rng(15)
    extents = [*[3, 2][:outer], *[5, 4, 9][:reduced], 83]
    check(column_sum(np.float32, outer, reduced, step=step), extents, generator, positive, tolerance=64)
    heavy = column_sum(
        np.float32, outer, reduced, step=step, body=(code(S.EXP, (0,)),), finish=(code(S.LOG, (0,)),)
    )
    if reduced:
        check(heavy, extents, generator, tolerance=64)


def test_two_column_sums_of_products():
    """What the weight and bias gradients of layer norm are: sum(dy · xhat) and sum(dy), scaled when done."""
    d = np.dtype("f4")
    kernel = ColumnKernel(
        0,
        2,
        (Argument(d, (A, A, U)), Argument(d, (A, A, U)), Argument(d, (Z, Z, U), True), Argument(d, (Z, Z, U), True)),
        Stage(True, (load(0), load(1), code(S.MUL, (0, 1))), (), ((R.SUM, 2), (R.SUM, 0))),
        Stage(
            True,
            (code(Leaf.REGISTER, payload=(0, 0)), code(Leaf.REGISTER, payload=(0, 1)), code(Leaf.CONST, payload=0.5),
             code(S.MUL, (0, 2))),
            ((2, 3), (3, 1)),
        ),
    )  # fmt: skip
    check(kernel, [3, 70, 150], np.random.default_rng(16), positive, tolerance=64)


# Whatever may come


POOL = [S.ADD, S.SUB, S.MUL, S.MAXIMUM, S.MINIMUM, S.NEG, S.ABS, S.TANH, S.SIGMOID, S.LESS, S.WHERE]


@pytest.mark.parametrize("seed", range(40))
def test_random_kernels(seed):
    generator = np.random.default_rng(seed)
    dtype = np.dtype([np.float32, np.float64, np.float32][seed % 3])
    dims = int(generator.integers(1, 4))
    outer = int(generator.integers(0, dims))
    extents = [int(generator.choice([1, 2, 3, 5, 16, 33, 130])) for _ in range(dims)]
    if seed % 13 == 12:
        extents[int(generator.integers(0, dims))] = 0

    def kinds():
        return (*(generator.choice([Z, A, A]) for _ in range(dims - 1)), generator.choice([Z, U, U, A]))

    readers = [Argument(dtype, kinds()) for _ in range(3)]
    writer = Argument(dtype, (A,) * (dims - 1) + (generator.choice([U, A]),), True)
    stages = []
    registers = []
    for number in range(int(generator.integers(1, 4))):
        listing = [load(k, dtype) for k in range(3)]
        listing += [code(Leaf.REGISTER, (), dtype, name) for name in registers]
        floats = list(range(len(listing)))
        bools = []
        for _ in range(int(generator.integers(1, 9))):
            op = generator.choice(POOL)
            if op is S.WHERE and not bools:
                continue
            operands = [int(generator.choice(floats)) for _ in range(op.arity)]
            if op is S.WHERE:
                operands[0] = int(generator.choice(bools))
            (bools if op.boolean else floats).append(len(listing))
            listing.append(code(op, operands, np.bool_ if op.boolean else dtype))
        # tanh keeps what is summed and passed on small
        listing.append(code(S.TANH, (floats[-1],), dtype))
        reductions = (
            ((generator.choice([R.SUM, R.MAX, R.MIN]), len(listing) - 1),) if 0 not in extents[outer:] else ()
        )
        registers += [(number, 0)] if reductions else []
        stages.append(Stage(True, tuple(listing), ((3, len(listing) - 1),), reductions))
    # A comparison can come out differently after rounding: that is what the references' tolerance can't cover.
    kernel = RowKernel(outer, dims - outer, (*readers, writer), tuple(stages))
    check(kernel, extents, generator, tolerance=4000)


def complex_values(shape, dtype, generator):
    if dtype.kind != "c":
        return random_values(shape, dtype, generator)
    return (generator.standard_normal(shape) + 1j * generator.standard_normal(shape)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize(
    "kinds", list(itertools.product([Step.ZERO, Step.ONE, Step.ANY], [Step.ONE, Step.ANY]))
)
@pytest.mark.parametrize("extents", [(1,), (7,), (16,), (133,), (5, 37), (3, 16)])
def test_complex_numbers_are_loaded_and_stored_as_pairs(dtype, kinds, extents):
    generator = np.random.default_rng(len(extents) + extents[-1])
    dtype, part = np.dtype(dtype), np.zeros((), dtype).real.dtype
    lead = (Step.ANY,) * (len(extents) - 1)
    whole = [Argument(dtype, (*lead, kinds[0])), Argument(dtype, (*lead, kinds[1]), True)]
    arguments = (*whole, Argument(part, (*lead, U)), Argument(part, (*lead, U), True))
    listing = (
        load(0, dtype), load(2, part), code(S.REAL, (0,), part), code(S.IMAG, (0,), part), code(S.ADD, (2, 1), part),
        code(Leaf.CONST, (), dtype, 2 - 3j), code(S.IMAG, (5,), part), code(S.SUB, (3, 6), part),
        code(S.COMPLEX, (7, 4), dtype),
    )  # fmt: skip
    kernel = RowKernel(len(extents) - 1, 1, arguments, (Stage(True, listing, ((1, 8), (3, 3))),))
    check(kernel, extents, generator, fill=complex_values)


def test_complex_numbers_of_rows_and_columns():
    """Sums of parts, put together once for each row or column."""
    generator = np.random.default_rng(5)
    dtype, part = np.dtype(np.complex128), np.dtype(np.float64)
    body = Stage(
        True,
        (load(0, dtype), code(S.REAL, (0,), part), code(S.IMAG, (0,), part)),
        (),
        ((R.MAX, 1), (R.MIN, 2)),
    )
    registers = [code(Leaf.REGISTER, (), part, (0, n)) for n in range(2)]
    rest = Stage(False, (*registers, code(S.COMPLEX, (0, 1), dtype)), ((1, 2),))
    again = Stage(
        True,
        (
            code(Leaf.REGISTER, (), dtype, (1, -3)), load(0, dtype), code(S.REAL, (0,), part), code(S.IMAG, (1,), part),
            code(S.COMPLEX, (2, 3), dtype),
        ),
        ((2, 4),),
    )  # fmt: skip
    rows = (
        Argument(dtype, (Step.ANY, U)),
        Argument(dtype, (U, Step.ZERO), True),
        Argument(dtype, (Step.ANY, U), True),
    )
    check(RowKernel(1, 1, rows, (body, rest, again)), (6, 45), generator, fill=complex_values)
    columns = (Argument(dtype, (Step.ANY, U)), Argument(dtype, (Step.ZERO, U), True))
    check(ColumnKernel(0, 1, columns, body, rest), (9, 150), generator, fill=complex_values)


def test_dtypes_without_loops_are_refused():
    one = (U,)
    stage = Stage(True, (load(0, np.complex64), code(S.NEG, (0,), np.complex64)), ((1, 1),))
    arguments = (Argument(np.dtype(np.complex64), one), Argument(np.dtype(np.complex64), one, True))
    with pytest.raises(NotImplementedError, match="complex64"):
        row_kernel(RowKernel(0, 1, arguments, (stage,)))
    with pytest.raises(NotImplementedError, match="exp of int32"):
        row_kernel(pointwise([S.EXP], np.int32))
