"""First and second derivatives of every record of the linear algebra modules, against differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.ops import (
    decompositions,
    linalg,
    linear,
    matrix_functions,
    norms,
    products,
    spectra,
    triangular,
)
from rushlight.ops.define import Primitive
from rushlight.ops.dispatch import apply

MODULES = (linalg, linear, products, decompositions, spectra, triangular, matrix_functions, norms)
RECORDS = {
    value.name: value
    for module in MODULES
    for value in vars(module).values()
    if isinstance(value, Primitive) and value.samples is not None and value.vjp is not None
}
# These read one triangle of a Hermitian matrix: differences must change both.
HERMITIAN = {"linalg_cholesky", "linalg_eigh"}
# This reads one triangle, and its gradient is, as PyTorch's, that of the whole product of the factor with itself.
TRIANGULAR = {"cholesky_solve"}
# The gradient of the second result of lstsq (ranks) and the third (singular values) does not exist.
FIRST_RESULT = {"linalg_lstsq", "linalg_lu_factor"}
RNG = np.random.default_rng(0)


def samples(record: Primitive) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    assert record.samples is not None
    for sample in record.samples():
        if isinstance(sample[-1], dict):
            yield sample
        else:
            yield sample, {}


def tensor(array: Any) -> Any:
    """The sample with a little noise, so that nothing is symmetric or singular by chance."""
    if array is None:
        return None
    noisy = np.asarray(array, np.float64) + 0.1 * RNG.standard_normal(np.shape(array))
    return torch.from_numpy(noisy).requires_grad_()


def function_of(record: Primitive, attrs: dict[str, Any], fixed: list[Any]) -> Callable[..., Any]:
    def function(*given: Any) -> Any:
        remaining = iter(given)
        operands = [None if operand is None else next(remaining) for operand in fixed]
        if record.name in HERMITIAN:
            operands[0] = (operands[0] + operands[0].mT) / 2
        if record.name in TRIANGULAR:
            operands[0] = operands[0].triu() if attrs["upper"] else operands[0].tril()
        result = apply(record, tuple(operands), attrs)
        if record.name == "linalg_eig":  # the vectors' phases are LAPACK's choice
            return result[0], result[1].abs()
        return result[0] if record.name in FIRST_RESULT else result

    return function


CASES = [
    pytest.param(record, operands, attrs, id=f"{record.name}-{i}")
    for record in RECORDS.values()
    for i, (operands, attrs) in enumerate(samples(record))
]


@pytest.mark.parametrize(("record", "operands", "attrs"), CASES)
def test_first_derivative(record: Primitive, operands: Any, attrs: dict[str, Any]) -> None:
    tensors = [tensor(operand) for operand in operands]
    given = tuple(t for t in tensors if t is not None)
    assert torch.autograd.gradcheck(function_of(record, attrs, tensors), given)


@pytest.mark.parametrize(("record", "operands", "attrs"), CASES)
def test_second_derivative(record: Primitive, operands: Any, attrs: dict[str, Any]) -> None:
    tensors = [tensor(operand) for operand in operands]
    given = tuple(t for t in tensors if t is not None)
    assert torch.autograd.gradgradcheck(function_of(record, attrs, tensors), given)


def complex_matrix(*shape: int) -> Any:
    parts = RNG.standard_normal((2, *shape))
    return torch.from_numpy(parts[0] + 1j * parts[1]).requires_grad_()


def hermitian(a: Any) -> Any:
    return a + a.mH


COMPLEX = {
    "matmul": (lambda a, b: a @ b, [(3, 2), (2, 4)]),
    "matmul of stacks": (lambda a, b: a @ b, [(2, 1, 3, 2), (3, 2, 2)]),
    "matmul of a stack and a matrix": (lambda a, b: a @ b, [(2, 3, 2), (2, 2)]),
    "mv": (lambda a, b: a @ b, [(3, 2), (2,)]),
    "dot": (torch.dot, [(3,), (3,)]),
    "vdot": (torch.vdot, [(3,), (3,)]),
    "inner": (torch.inner, [(2, 3), (4, 3)]),
    "linear": (linear.linear, [(2, 2, 3), (4, 3), (4,)]),
    "addmm": (lambda c, a, b: torch.addmm(c, a, b, beta=1 + 2j, alpha=0.5j), [(4,), (2, 3), (3, 4)]),
    "einsum": (lambda a, b: torch.einsum("aij,jka->ki", a, b), [(2, 3, 2), (2, 4, 2)]),
    "cross": (torch.linalg.cross, [(2, 3), (1, 3)]),
    "inv": (torch.linalg.inv, [(3, 3)]),
    "solve": (torch.linalg.solve, [(3, 3), (3, 2)]),
    "solve_triangular": (lambda a, b: torch.linalg.solve_triangular(a, b, upper=True), [(3, 3), (3, 2)]),
    "det": (torch.linalg.det, [(3, 3)]),
    "slogdet": (torch.linalg.slogdet, [(3, 3)]),
    "cholesky": (lambda a: torch.linalg.cholesky(a @ a.mH + torch.eye(3)), [(3, 3)]),
    "qr of a tall matrix": (torch.linalg.qr, [(4, 3)]),
    "qr of a wide matrix": (torch.linalg.qr, [(2, 4)]),
    "lu of a tall matrix": (lambda a: torch.linalg.lu(a)[1:], [(4, 3)]),
    "lu of a wide matrix": (lambda a: torch.linalg.lu(a)[1:], [(2, 4)]),
    "pinv": (torch.linalg.pinv, [(4, 2)]),
    "lstsq": (lambda a, b: torch.linalg.lstsq(a, b).solution, [(4, 2), (4, 3)]),
    "matrix_exp": (torch.linalg.matrix_exp, [(3, 3)]),
    "eigh": (lambda a: [part.abs() for part in torch.linalg.eigh(hermitian(a))], [(3, 3)]),
    "eig": (lambda a: [part.abs() for part in torch.linalg.eig(a)], [(3, 3)]),
    "svd of a tall matrix": (lambda a: [p.abs() for p in torch.linalg.svd(a, full_matrices=False)], [(4, 3)]),
    "svd of a wide matrix": (lambda a: [p.abs() for p in torch.linalg.svd(a, full_matrices=False)], [(2, 4)]),
    "vector_norm": (torch.linalg.vector_norm, [(2, 3)]),
    "nuclear norm": (lambda a: torch.linalg.matrix_norm(a, "nuc"), [(2, 3)]),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_gradients(name: str) -> None:
    function, shapes = COMPLEX[name]
    given = tuple(complex_matrix(*shape) for shape in shapes)

    def of_tensors(*tensors: Any) -> Any:
        result = function(*tensors)
        return tuple(result) if isinstance(result, list | tuple) else result

    assert torch.autograd.gradcheck(of_tensors, given)
    assert torch.autograd.gradgradcheck(of_tensors, given)
