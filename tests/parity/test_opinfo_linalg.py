"""Matrix products and fused products against PyTorch on its own samples."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight
from rushlight.ops.linear import linear
from rushlight.ops.products import bilinear

from . import opinfo

pytestmark = pytest.mark.parity

NAMES = [
    "__rmatmul__", "addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "cross", "dot",
    "einsum", "inner", "kron", "linalg.cross", "linalg.diagonal", "linalg.multi_dot", "linalg.vecdot",
    "matmul", "mm", "mv", "nn.functional.bilinear", "nn.functional.linear", "outer", "tensordot", "trace",
    "vdot",
]  # fmt: skip
FUNCTIONS = {
    "nn.functional.linear": linear,
    "nn.functional.bilinear": bilinear,
    "einsum": lambda operands, equation: rushlight.einsum(equation, *operands),  # as the database calls it
}

# What falls short, each with the reason.
KNOWN: dict[tuple[str, str], str] = {}

# A sum of k products of float32 numbers of size up to 9 is as good as k * 81 units in the last place of 1 allow; where
# it cancels, that shows.
TOLERANCE = {"float32": (1.3e-6, 1e-4), "complex64": (1.3e-6, 2e-4)}
# float16 and bfloat16 are below: PyTorch's kernels round between the steps, in ways that differ from CPU to CPU.
DTYPES = ("float32", "float64", "int64", "uint8", "int32", "bool", "complex64")


def not_resized(sample: Any) -> bool:
    """PyTorch's addbmm_ resizes an input that broadcasts, against its own rule for in-place operations."""
    return len(sample.input.shape) == 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", opinfo.CHECKS)
def test_opinfo(check: str, name: str) -> None:
    accept = not_resized if (name, check) == ("addbmm", "inplace") else None
    opinfo.run(
        check, name, known=KNOWN, functions=FUNCTIONS, tolerance=TOLERANCE, dtypes=DTYPES, accept=accept
    )
