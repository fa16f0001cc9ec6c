"""Loop kernels: what fusion makes of a group of graph nodes, and what the code generators turn into machine code.

A kernel walks an index space and computes scalars. Extents and strides are given at run time, so that one kernel serves
every shape: what is fixed is the code, the number of dimensions, and for each argument and dimension whether its step is
zero, one or anything.

Every compiled kernel, from whatever source (loops, GEMM tiles, convolution tiles), is one native function::

    void kernel(int64 begin, int64 end, const int64 *ints, void *const *pointers, void *scratch)

which does the *work units* ``begin`` to ``end`` of all that it has; units are independent, and splitting them
differently must not change one bit of the result. ``scratch`` is memory private to the calling worker, of at least
the number of bytes that the kernel asked for, 64-byte aligned.

``RowKernel``: for each point of the outer space (one *row*; rows are collapsed in C order into the units), its stages run
one after the other; a looping stage walks the inner space (C order), computes its code for every element, stores some
values, and reduces some to one number per row, which later stages read through REGISTER. A stage that does not loop runs
once per row. That is softmax in three stages, layer-norm in three, and a plain pointwise kernel in one. Without outer
dimensions and without reductions and registers the units are the elements of the (single) inner dimension themselves.

``ColumnKernel``: sums over dimensions other than the last: for each outer point and each chunk of ``COLUMNS`` columns (the
units: outer-major), the reduced dimensions are walked in C order with one accumulator per column; then ``finish`` runs
once per column and stores.

``ints``: extents first (RowKernel: outer, then inner; ColumnKernel: outer, then reduced, then the number of columns), then for
every argument in order its steps, in elements, for every dimension in the same order. All steps are listed, also the
fixed ones. ``pointers``: one per argument, to the element at index zero.

Sums of floats are made in a fixed order that depends on the extents alone: vector lanes, then blocks; float16 and
bfloat16 are computed in float32 throughout, and rounded where they are stored.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, NamedTuple

import numpy as np

from .scalar import ReduceOp, ScalarOp

COLUMNS: Final = 64


class Step(Enum):
    """What is known of the distance between neighbours along one dimension."""

    ZERO = 0
    ONE = 1
    ANY = 2

    def __hash__(self) -> int:
        return int(self.value)


class Leaf(Enum):
    """Where a scalar comes from that is not computed."""

    LOAD = "load"  # payload: the argument's number
    CONST = "const"  # payload: a Python number
    REGISTER = "register"  # payload: (stage number, number of the reduction or, with -1 - n, of the instruction n) of an
    #                        earlier stage; an instruction can be read only from a stage that does not loop
    CAST = "cast"  # one operand, to the instruction's dtype
    INDEX = "index"  # payload: a dimension's number; the index along it, int64

    def __hash__(self) -> int:
        return hash(self.value)


class Instruction(NamedTuple):
    """One scalar: ``operands`` are numbers of earlier instructions of the same stage."""

    op: ScalarOp | Leaf
    operands: tuple[int, ...]
    dtype: np.dtype[Any]
    payload: Any = None


class Argument(NamedTuple):
    """One array: its dtype, the step along each dimension (outer then inner), and whether the kernel writes to it.

    Two arguments never share memory unless they are the same elements at the same index (an update in place).
    """

    dtype: np.dtype[Any]
    steps: tuple[Step, ...]
    written: bool = False


class Stage(NamedTuple):
    """One pass: code, then stores as (argument, instruction) and reductions as (op, instruction).

    A reduction accumulates in the instruction's dtype (float16 and bfloat16: float32).
    """

    loops: bool
    code: tuple[Instruction, ...]
    stores: tuple[tuple[int, int], ...] = ()
    reductions: tuple[tuple[ReduceOp, int], ...] = ()


class RowKernel(NamedTuple):
    """See the module's description. ``outer`` and ``inner`` are numbers of dimensions."""

    outer: int
    inner: int
    arguments: tuple[Argument, ...]
    stages: tuple[Stage, ...]


class ColumnKernel(NamedTuple):
    """See the module's description. ``body`` loops and reduces; ``finish`` reads the results as REGISTER (0, n) and stores.

    Arguments have ``outer + reduced + 1`` steps; those that ``finish`` stores to have ZERO along the reduced ones.
    """

    outer: int
    reduced: int
    arguments: tuple[Argument, ...]
    body: Stage
    finish: Stage
