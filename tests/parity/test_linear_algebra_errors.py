"""Wrong calls of linear algebra give PyTorch's exception and PyTorch's words; einsum on random equations."""

from __future__ import annotations

import random
import warnings
from typing import Any

import numpy as np
import pytest

import rushlight
from rushlight.ops.linear import linear
from rushlight.ops.products import bilinear

from . import opinfo

pytestmark = pytest.mark.parity

# Each is evaluated in both libraries; r, i, b and d make float, integer, bool and double ones of a shape.
SAME_WORDS = """
t.mm(r(2, 3), r(4, 5))
t.mm(r(2), r(4, 5))
t.mm(r(2, 3), r(4))
t.mm(r(2, 3), d(3, 5))
t.mm(r(2, 3), i(3, 5))
t.mm(r(2, 3).half(), r(3, 5).bfloat16())
t.mm(i(2, 3), b(3, 5))
t.mm(b(2, 3), b(3, 5))
t.mm(r(2, 3), 5)
t.mm([1], r(2, 3))
t.mm(r(2, 3), r(3, 2), out=d(2, 2))
t.mm(r(2, 3), r(3, 2), out=i(2, 2))
r(2, 3) @ d(3, 5)
r(2, 3) @ d(3)
r(3) @ d(3)
r(3) @ r(4)
r(3) @ r(4, 5)
r(2, 3) @ r(4)
r() @ r(4)
r(2, 2, 3) @ r(4, 5)
r(2, 2, 3) @ r(2, 4, 5)
r(2, 2, 3) @ r(3, 3, 5)
r(5, 2, 3) @ r(4)
r(4) @ r(5, 2, 3)
r(4, 2, 5, 2, 3) @ r(4, 3, 5, 3, 2)
r(2, 3) @ 5
5 @ r(2, 3)
t.matmul(r(2, 3), [1])
t.bmm(r(2, 3, 4), r(3, 4, 5))
t.bmm(r(2, 3, 4), r(2, 5, 5))
t.bmm(r(2, 3), r(2, 5, 5))
t.bmm(r(2, 3, 4), d(2, 4, 5))
t.bmm(b(2, 3, 4), b(2, 4, 5))
t.mv(r(2, 3), r(4))
t.mv(r(2), r(4))
t.mv(r(2, 3), d(3))
t.mv(b(2, 3), b(3))
t.dot(r(2), r(4))
t.dot(r(2, 3), r(4))
t.dot(r(2), d(2))
t.dot(b(2), b(2))
t.dot(r(2), r(2), out=d())
t.vdot(r(2), d(2))
t.vdot(r(2), r(3))
t.inner(r(2, 3), r(4, 5))
t.inner(r(2, 3), d(4, 3))
t.inner(r(2), r(2), out=d())
t.outer(r(2, 3), r(4))
t.outer(r(3), r(4, 2))
t.addmm(r(3), r(2, 3), r(4, 5))
t.addmm(r(3), r(2, 3), r(3, 5))
t.addmm(r(5), r(2), r(3, 5))
t.addmm(d(5), r(2, 3), r(3, 5))
t.addmm(r(5), r(2, 3), d(3, 5))
t.addmv(r(5), r(2, 3), r(3))
t.addmv(r(2), r(2, 3), r(4))
t.addmv(r(2), r(2, 3), d(3))
t.addr(r(5), r(2), r(3))
t.addr(r(2, 2), r(2, 1), r(2))
t.addr(i(2, 2), i(2), i(2), beta=0.5)
t.baddbmm(r(2, 3, 5), r(2, 3, 4), r(2, 4, 6))
t.baddbmm(r(2, 3, 5), r(2, 3, 4), r(2, 3, 5))
t.baddbmm(d(2, 3, 5), r(2, 3, 4), r(2, 4, 5))
t.addbmm(r(3, 5), r(2, 3, 4), r(2, 5, 5))
t.addbmm(r(2, 2), r(2, 2, 2), r(3, 2, 2))
t.addbmm(r(2, 2), r(2, 2, 2), d(2, 2, 2))
t.addbmm(d(2, 2), r(2, 2, 2), r(2, 2, 2))
linear(r(2, 3), r(4, 5), r(4))
linear(r(2, 3), r(4, 5))
linear(r(2, 2, 3), r(4, 5), r(4))
linear(r(2, 3), r(4, 3), r(5))
linear(r(2, 2, 3), r(4, 3), r(5))
linear(r(3), r(4, 3), r(5))
linear(r(3), r(4, 5), r(4))
linear(r(2, 3), r(2, 4, 3))
linear(r(), r(4, 3))
linear(r(2, 3), d(4, 3), r(4))
linear(d(2, 3), r(4, 3), r(4))
linear(r(2, 3), r(4, 3), d(4))
linear(i(2, 3), r(4, 3), r(4))
linear(r(2, 3), d(4, 3))
linear(r(2, 3), [1])
linear([1], r(2, 3))
bilinear(r(2, 3), r(3, 4), r(5, 3, 4))
bilinear(r(2, 3), r(2, 5), r(5, 3, 4))
bilinear(r(2, 2), r(2, 4), r(5, 3, 4))
bilinear(r(2, 3), r(2, 4), r(5, 3, 4), r(4))
bilinear(r(2, 3), r(2, 1, 4), r(5, 3, 4))
t.trace(r(3))
t.trace(b(2, 2))
t.tensordot(r(3, 4), r(4, 3, 2))
t.tensordot(r(3, 4), r(4, 3), dims=-1)
t.tensordot(r(3, 4), r(4, 3), dims=3)
t.tensordot(r(3, 4), r(3, 4), dims=([0], [0, 1]))
t.tensordot(r(3, 4), r(3, 4), dims=([5], [0]))
t.tensordot(r(3, 4), r(3, 4), dims=(1, 1))
t.tensordot(r(2), d(2), dims=1)
t.cross(r(2, 2), r(2, 2))
t.cross(r(2, 3), r(3))
t.cross(r(2, 3), r(2, 3), dim=0)
t.cross(r(2, 3), r(3, 3), dim=1)
t.linalg.cross(r(2, 2), r(2, 2))
t.linalg.cross(r(2, 3), d(2, 3))
t.linalg.cross(b(3), b(3))
t.linalg.vecdot(r(2, 3), r(4))
t.linalg.vecdot(i(3), i(3))
t.linalg.vecdot(r(3), d(3))
t.chain_matmul(r(3), r(3, 4))
t.linalg.multi_dot([r(2, 3)])
t.linalg.multi_dot([r(2, 3), r(4, 4)])
t.linalg.multi_dot([r(2, 3, 3), r(4, 4)])
t.linalg.multi_dot([r(2, 3), r(3, 3, 3), r(4, 4)])
t.linalg.multi_dot([r(2, 3), d(3, 4)])
t.einsum("ij,jk->ik", r(2, 3), r(4, 4))
t.einsum("ij,jk->ik", r(2, 3), r(3, 4), r(1))
t.einsum("ij,jk,k->ik", r(2, 3), r(3, 4))
t.einsum("ij->ij", r(2))
t.einsum("ij->ij", r(2, 3, 4))
t.einsum("...i...->i", r(2, 3))
t.einsum("..i->i", r(2, 3))
t.einsum("ii->i", r(3, 4))
t.einsum("ii->ii", r(3, 3))
t.einsum("ij->k", r(3, 3))
t.einsum("i1->i", r(3, 3))
t.einsum("i->i->i", r(3))
t.einsum("ij->......", r(3, 2))
t.einsum(",", r(), r(3))
t.einsum("i")
t.einsum(r(3, 4), [0, 53], [0])
t.einsum("i,i->", b(3), b(3))
t.einsum("ij,jk", r(3, 3), d(3, 3))
t.einsum("i", 3)
t.einsum(3, r(3))
t.linalg.det(r(2, 3))
t.linalg.det(r(3))
t.linalg.det(i(2, 2))
t.linalg.det(r(2, 2).half())
t.logdet(r(2, 3))
t.linalg.inv(r(2, 3))
t.linalg.inv(z(2, 2))
t.linalg.inv(z(3, 2, 2))
t.linalg.inv(i(2, 2))
t.linalg.inv(r(2, 2).half())
t.linalg.solve(r(2, 2), r(3))
t.linalg.solve(r(2, 2), d(2, 2))
t.linalg.solve(z(2, 2), r(2))
t.linalg.solve(r(2, 3), r(2))
t.linalg.solve(r(2, 2), r(3, 3))
t.linalg.cholesky(z(2, 2))
t.linalg.cholesky(z(3, 2, 2))
t.linalg.cholesky(r(2, 3))
t.cholesky(z(2, 2))
t.linalg.qr(r(3, 2), mode="foo")
t.linalg.qr(r(3))
t.linalg.eigh(r(2, 3))
t.linalg.eigh(r(2, 2), UPLO="X")
t.linalg.eigh(i(2, 2))
t.linalg.svd(r(3))
t.linalg.pinv(i(2, 2))
t.linalg.pinv(r(3))
t.linalg.pinv(r(3, 2), hermitian=True)
t.linalg.lstsq(r(3, 2), r(3, 2), driver="foo")
t.linalg.lstsq(r(3, 2), r(2, 2))
t.linalg.lstsq(r(4, 3), d(4, 2))
t.linalg.lstsq(r(3), r(4, 2))
t.linalg.matrix_power(r(2, 3), 2)
t.linalg.matrix_power(i(2, 2), -2)
t.linalg.matrix_power(r(2, 2), 1.5)
t.linalg.matrix_exp(i(2, 2))
t.linalg.matrix_exp(r(2, 3))
t.linalg.cond(r(3, 2), p=1)
t.linalg.cond(r(3, 3), p="foo")
t.linalg.cond(r(3), p=1)
t.linalg.solve_triangular(r(2, 2), r(2), upper=True)
t.linalg.solve_triangular(r(2, 2), r(3, 2), upper=True)
t.linalg.lu_factor(z(2, 2))
t.linalg.norm(r(2, 3, 4), 2)
t.linalg.norm(r(2, 3, 4), "fro")
t.linalg.norm(r(3), "fro")
t.linalg.norm(i(3))
t.linalg.norm(d(3), dtype=t.float32)
t.linalg.norm(r(2, 3), dim=(0, 1, 1))
t.linalg.norm(r(2, 3), "nuc", dim=1)
t.linalg.norm(r(2, 3), 0)
t.linalg.vector_norm(r(2, 3), ord="fro")
t.linalg.vector_norm(r(2, 0), ord=float("inf"))
t.linalg.vector_norm(r(2, 3), dim=(0, 0))
t.linalg.vector_norm(r(3), dtype=t.int64)
t.linalg.matrix_norm(r(2, 3), 3)
t.linalg.matrix_norm(r(2, 3), dim=(0, 0))
t.linalg.matrix_norm(r(2, 3), dim=(0,))
t.linalg.matrix_norm(r(3))
t.linalg.tensorinv(r(4, 2, 2))
t.linalg.tensorinv(r(2, 2), ind=0)
t.linalg.vander(r(2), N=1)
t.linalg.householder_product(r(2, 3), r(2))
""".strip().split("\n")

# Here the exception's type is PyTorch's, and the words say more.
SAME_TYPE = """
t.mm(r(2, 3))
t.linalg.norm(r(3), "foo")
t.linalg.solve_triangular(r(2, 2), r(2, 2))
t.addbmm(r(2, 2), r(2, 2, 2), r(2, 2, 2), beta="a")
t.cholesky_solve(r(3, 1), r(2, 2))
t.linalg.tensorsolve(r(4, 2, 2), r(4), dims=(0,))
""".strip().split("\n")


def names_for(library: Any) -> dict[str, Any]:
    functional = getattr(getattr(library, "nn", None), "functional", None)
    return {
        "t": library,
        "r": lambda *shape: (
            library.full(shape, 0.5) + library.eye(*shape[-2:])
            if len(shape) > 1
            else library.full(shape, 0.5)
        ),
        "z": library.zeros,
        "i": lambda *shape: library.ones(shape, dtype=library.int64),
        "b": lambda *shape: library.ones(shape, dtype=library.bool),
        "d": lambda *shape: library.ones(shape, dtype=library.float64),
        "linear": linear if library is rushlight else functional.linear,
        "bilinear": bilinear if library is rushlight else functional.bilinear,
    }


def raised(call: str, library: Any) -> Exception | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            eval(call, names_for(library))
        except Exception as error:
            return error
    return None


@pytest.mark.parametrize("call", SAME_WORDS)
def test_same_words(call: str) -> None:
    expected, given = raised(call, opinfo.oracle()), raised(call, rushlight)
    assert expected is not None
    assert given is not None, f"no error, expected {expected!r}"
    assert str(given) == str(expected)
    assert is_same_type(given, expected)


@pytest.mark.parametrize("call", SAME_TYPE)
def test_same_type(call: str) -> None:
    expected, given = raised(call, opinfo.oracle()), raised(call, rushlight)
    assert expected is not None
    assert given is not None, f"no error, expected {expected!r}"
    assert is_same_type(given, expected)


def is_same_type(given: Exception, expected: Exception) -> bool:
    torch = opinfo.oracle()
    if isinstance(expected, torch.linalg.LinAlgError):
        return isinstance(given, rushlight.linalg.LinAlgError)
    return isinstance(given, type(expected))


# --- einsum -----------------------------------------------------------------------------------------------------------


def random_call(rng: random.Random) -> tuple[str, list[Any]]:
    """An equation with repeated letters, ellipses and extents of 1, nearly always a right one, and its operands."""
    sizes = {letter: rng.choice([1, 2, 3]) for letter in "abcdeAB"}
    hidden = [rng.choice([1, 2, 3]) for _ in range(2)]
    with_ellipsis = rng.random() < 0.3
    terms, operands = [], []
    for _ in range(rng.randint(1, 4)):
        term = [rng.choice("abcdeAB") for _ in range(rng.randint(0, 4))]
        shape = [sizes[c] if rng.random() < 0.9 or term.count(c) > 1 else 1 for c in term]
        if with_ellipsis and rng.random() < 0.8:
            count, place = rng.randint(0, 2), rng.randint(0, len(term))
            shape[place:place] = [extent if rng.random() < 0.8 else 1 for extent in hidden[2 - count :]]
            term[place:place] = ["..."]
        terms.append("".join(term))
        operands.append(np.random.default_rng(rng.randrange(1 << 30)).standard_normal(shape))
    equation = ",".join(terms)
    if rng.random() < 0.8:
        output = [c for c in sorted(set("".join(terms)) - {"."}) if rng.random() < 0.5]
        rng.shuffle(output)
        if with_ellipsis and rng.random() < 0.7:
            output.insert(rng.randint(0, len(output)), "...")
        if rng.random() < 0.05:
            output.append(rng.choice("abZ"))
        equation += "->" + "".join(output)
    if rng.random() < 0.03:
        operands[0] = np.ones([rng.choice([1, 2, 4]) for _ in operands[0].shape])
    return equation, operands


@pytest.mark.parametrize("seed", range(20))
def test_einsum_on_random_equations(seed: int) -> None:
    torch = opinfo.oracle()
    rng = random.Random(seed)
    for _ in range(50):
        equation, operands = random_call(rng)
        about = f"{equation} of {[operand.shape for operand in operands]}"
        expected, error = opinfo.call(torch.einsum, (equation, *map(torch.from_numpy, operands)), {})
        given, own = opinfo.call(rushlight.einsum, (equation, *map(rushlight.from_numpy, operands)), {})
        assert type(own) is type(error), f"{about}: {own!r}, expected {error!r}"
        if error is None:
            assert opinfo.difference(given, expected, (1e-9, 1e-9)) is None, about
