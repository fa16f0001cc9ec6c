"""Loop kernels (``ir/loops.py``) as LLVM IR: the entry points.

``loop_nest`` has the walk, ``loop_columns`` that of column kernels, ``loop_scalars`` the operations and ``vector_math`` the
functions. The text is the same on every machine: LLVM makes vectors of the width that the processor has.
"""

from __future__ import annotations

from ...ir.loops import ColumnKernel, Leaf, RowKernel, Step
from .loop_columns import Columns
from .loop_nest import Loops
from .loop_text import I64, PTR, Body, Module


def row_kernel(kernel: RowKernel) -> str:
    """The LLVM IR of a row kernel: a module with the function ``kernel`` of the signature of ``ir/loops.py``.

    Operations without a native form raise NotImplementedError; of complex numbers there are only REAL, IMAG and COMPLEX.
    """
    module = Module()
    body = Body(module, "kernel", None, [I64, I64, PTR, PTR, PTR], linkage="")
    loops = Loops(body, kernel.arguments, kernel.outer, kernel.inner)
    begin, end = body.parameters[0], body.parameters[1]
    if _flat(kernel):
        for stage in kernel.stages:
            loops.run(loops.reductions(stage), stage, begin, end)
    elif _transposes(kernel):
        loops.tiles(kernel.stages[0], begin, end)
    else:
        with body.loop(begin, end, 1) as row:
            loops.enter_row(row, begin)
            loops.registers.clear()
            for number, stage in enumerate(kernel.stages):
                loops.stage(number, stage)
            loops.next_row()
    body.finish()
    return module.text()


def _flat(kernel: RowKernel) -> bool:
    """Whether the work units are elements rather than rows."""
    return (
        kernel.outer == 0
        and kernel.inner == 1
        and all(
            stage.loops and not stage.reductions and all(code.op is not Leaf.REGISTER for code in stage.code)
            for stage in kernel.stages
        )
    )


def _transposes(kernel: RowKernel) -> bool:
    """Whether the kernel is pointwise and walks some array across its rows."""
    if kernel.outer == 0 or kernel.inner != 1 or len(kernel.stages) != 1:
        return False
    stage = kernel.stages[0]
    across = any(argument.steps[-1] is Step.ANY for argument in kernel.arguments)
    return across and stage.loops and not stage.reductions


def column_kernel(kernel: ColumnKernel) -> str:
    """The LLVM IR of a column kernel: a module with the function ``kernel`` of the signature of ``ir/loops.py``.

    Operations without a native form raise NotImplementedError; of complex numbers there are only REAL, IMAG and COMPLEX.
    """
    module = Module()
    body = Body(module, "kernel", None, [I64, I64, PTR, PTR, PTR], linkage="")
    loops = Loops(body, kernel.arguments, kernel.outer, kernel.reduced + 1)
    Columns(body, loops, kernel).write()
    body.finish()
    return module.text()
