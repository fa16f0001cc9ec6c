"""Input that is wrong or unusual: both libraries refuse it with the same type of error, or give the same result.

Each case is an expression that both evaluate. What PyTorch itself does with it is asked, not written down, so that a case
says only what was given.
"""

from __future__ import annotations

import io
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import rushlight

from . import opinfo

# What programs match on, where PyTorch's message has it.
PHRASES = (
    "out of range (expected to be in range of", "must match the size", "not implemented for", "is invalid for input of size",
    "can't be cast to", "Expected out tensor to have dtype", "must be Tensor", "must be int", "must be bool", "out of bounds",
    "too many indices", "doesn't match the broadcast shape", "Overflow when unpacking", "can't allocate memory",
    "Storage size calculation overflowed", "expected tuple of",
)  # fmt: skip

DIMENSIONS = [
    f"torch.{call}"
    for given in (
        "True", "False", "1.0", "'a'", "[1]", "nan", "5", "-3", "2**63", "2**64", "-(2**63)", "-(2**64)",
        "np.int64(1)", "np.int32(-1)", "np.uint8(0)", "np.bool_(True)", "np.float32(1)", "np.array([1])",
        "torch.tensor(1)", "torch.tensor(True)", "torch.tensor([1])", "torch.tensor(1.0)", "torch.tensor(1, dtype=torch.uint8)",
    )
    for call in (
        f"cumsum(x, {given})", f"softmax(x, {given})", f"unsqueeze(x, {given})", f"argmax(x, {given})", f"sort(x, {given})",
        f"unbind(x, {given})", f"cumprod(x, {given})", f"log_softmax(x, {given})",
    )
]  # fmt: skip

NO_TENSORS = [
    f"torch.{name}({given}{rest})"
    for given in ("2", "None", "1.5", "True", "'a'", "[x]", "np.ones((2, 2))")
    for name, rest in (
        ("isinf", ""), ("isfinite", ""), ("isreal", ""), ("conj", ""), ("imag", ""), ("angle", ""), ("argwhere", ""),
        ("flip", ", [0]"), ("fliplr", ""), ("flipud", ""), ("flatten", ""), ("diag", ""), ("diagonal", ""),
        ("diag_embed", ""), ("movedim", ", 0, 1"), ("chunk", ", 2"), ("index_select", ", 0, i"), ("masked_select", ", x > 0"),
        ("combinations", ""), ("linalg.pinv", ""), ("linalg.cond", ""), ("linalg.matrix_rank", ""), ("linalg.lstsq", ", x"),
        ("linalg.norm", ""), ("linalg.vector_norm", ""), ("linalg.tensorinv", ""), ("linalg.solve", ", x"),
        ("cholesky_solve", ", x"), ("lu_unpack", ", i"), ("multinomial", ", 1"), ("cov", ""), ("bincount", ""),
        ("nn.functional.pixel_shuffle", ", 2"), ("nn.functional.channel_shuffle", ", 2"),
    )
]  # fmt: skip

OUT = [
    f"torch.{call}"
    for kind in ("float64", "float16", "int64", "complex64", "float32")
    for call in (
        f"linalg.inv(s, out=torch.empty(2, 2, dtype=torch.{kind}))",
        f"linalg.det(s, out=torch.empty((), dtype=torch.{kind}))",
        f"linalg.solve(s, s, out=torch.empty(2, 2, dtype=torch.{kind}))",
        f"linalg.cholesky(s, out=torch.empty(2, 2, dtype=torch.{kind}))",
        f"linalg.eigvalsh(s, out=torch.empty(2, dtype=torch.{kind}))",
        f"linalg.svdvals(s, out=torch.empty(2, dtype=torch.{kind}))",
        f"linalg.matrix_power(s, 2, out=torch.empty(2, 2, dtype=torch.{kind}))",
        f"linalg.solve_triangular(s, s, upper=True, out=torch.empty(2, 2, dtype=torch.{kind}))",
        f"linalg.eigh(s, out=(torch.empty(2, dtype=torch.{kind}), torch.empty(2, 2)))[0]",
        f"linalg.qr(s, out=(torch.empty(2, 2), torch.empty(2, 2, dtype=torch.{kind})))[1]",
        f"diag(x, out=torch.empty(2, dtype=torch.{kind}))",
        f"softmax(x, 0, out=torch.empty(2, 3, dtype=torch.{kind}))",
        f"log_softmax(x, 0, out=torch.empty(2, 3, dtype=torch.{kind}))",
        f"index_select(x, 0, i, out=torch.empty(2, 3, dtype=torch.{kind}))",
        f"take(x, i, out=torch.empty(2, dtype=torch.{kind}))",
    )
] + [
    "torch.linalg.eigh(s, out=(torch.empty(2),))",
    "torch.linalg.eigh(s, out=torch.empty(2))",
    "torch.linalg.svd(s, out=(torch.empty(2, 2), torch.empty(2)))",
    "torch.linalg.lu_factor(s, out=(torch.empty(2, 2), torch.empty(2, dtype=torch.int64)))",
    "torch.linalg.lu_factor(s, out=(torch.empty(2, 2),) * 3)",
    "torch.add(one, x, out=one)",
    "torch.mul(x, one, out=one)",
    "torch.maximum(one, x, out=one)",
]  # fmt: skip

NUMBERS = [
    "torch.addmm(x, s, x, alpha=np.float64(0.5))",
    "torch.addmm(x, s, x, beta=np.float64(0.5), alpha=np.int64(2))",
    "torch.baddbmm(x, s[None], x[None], beta=np.float32(0.5))",
    "torch.addmv(x[:, 0], s, x[:, 0], alpha=np.float64(2))",
    "torch.addmm(x, s, x, alpha='1')",
    "torch.addmm(x, s, x, beta=1j)",
    "torch.addmm(x.long(), s.long(), x.long(), beta=nan)",
    "torch.addmm(x.long(), s.long(), x.long(), alpha=inf)",
    "x.quantile(np.float32(0.5))",
    "x.quantile(1j)",
    "x.abs().logit(np.float32(0.1))",
    "torch.polygamma(np.int64(1), x)",
    "torch.polygamma(1.0, x)",
    "torch.polygamma(2**64, x)",
    "torch.linalg.matrix_power(s, np.int64(3))",
    "torch.linalg.matrix_power(s, True)",
    "x.reshape(2**64, -1)",
    "x.reshape(True, -1)",
    "torch.zeros(True)",
    "torch.zeros([2, True])",
    "torch.zeros(np.int64(2), 1)",
    "torch.fft.fftn(x, dim=np.int64(0))",
    "torch.fft.fftn(x, dim=torch.tensor(1))",
    "torch.fft.fftn(x, s=np.int64(2), dim=0)",
    "torch.fft.rfftn(x, s=[1.0])",
    "torch.fft.fftshift(x, np.int64(0))",
    "torch.roll(x, np.int64(1))",
    "torch.roll(x, torch.tensor(1), torch.tensor(0))",
    "torch.chunk(x, np.uint8(2), 1)",
    "torch.round(x * 1.26, decimals=np.uint8(1))",
    "F.scaled_dot_product_attention(torch.ones(4, 3, 0), torch.ones(4, 6, 0), torch.ones(4, 6, 8))",
    "F.scaled_dot_product_attention(torch.ones(4, 3, 0), torch.ones(4, 6, 8), torch.ones(4, 6, 8))",
] + [
    f"{call}, dtype={kind})"
    for kind in ("float", "int", "complex", "'float32'", "np.float32", "1")
    for call in ("x.cumsum(0", "x.cumprod(0", "x.sum(0", "x.prod(0", "x.mean(0")
]  # fmt: skip

# A program may only be told, whatever the size: no memory is filled, no loop runs through it, and nothing beyond is written.
SIZES = [
    "torch.bincount(torch.tensor([2**63 - 1]))",
    "torch.bincount(torch.tensor([2**63 - 1, 1]), weights=torch.ones(2))",
    "torch.bincount(torch.tensor([2**62]))",
    "torch.bincount(torch.tensor([2**50]))",
    "torch.bincount(i, minlength=2**63 - 1)",
    "torch.bincount(i, minlength=2**50)",
    "torch.bincount(i, minlength=True)",
    "torch.bincount(i, minlength=1.0)",
    "torch.bincount(i, minlength=-1)",
    "torch.bincount(i, weights=1.0)",
    "torch.bincount(i, weights=torch.ones(5))",
    "F.adaptive_avg_pool1d(torch.ones(1, 2, 8), 2**63 - 1)",
    "F.adaptive_avg_pool1d(torch.ones(1, 2, 8), 2**64)",
    "F.adaptive_avg_pool2d(torch.ones(1, 2, 8, 8), (2**40, 2))",
    "F.adaptive_max_pool1d(torch.ones(1, 2, 8), 2**63 - 1)",
    "F.adaptive_max_pool2d(torch.ones(1, 2, 8, 8), (2**40, 2))",
    "F.interpolate(torch.ones(1, 2, 8), 2**40)",
    "F.interpolate(torch.ones(1, 2, 8), 2**62)",
    "torch.mvlgamma(x + 9, 2**40)",
    "torch.fft.fft(x, 2**50)",
    "torch.combinations(torch.arange(100), 50)",
    "torch.diag(x, 2**31)",
    "torch.diagonal(x, -(2**63))",
    "torch.linalg.lu_solve(s, torch.tensor([0, 2], dtype=torch.int32), s)",
    "torch.linalg.lu_solve(s, torch.tensor([1, 3], dtype=torch.int32), s)",
    "torch.linalg.lu_solve(s, torch.tensor([1, 2**31 - 1], dtype=torch.int32), s)",
    "torch.linalg.lu_solve(s, torch.tensor([-(2**31), 2], dtype=torch.int32), s)",
    "torch.linalg.lu_solve(s, torch.tensor([1, 2], dtype=torch.int32), s[0])",
    "torch.lu_unpack(s, torch.tensor([0, 2], dtype=torch.int32))",
    "torch.lu_unpack(s, torch.tensor([1, 3], dtype=torch.int32))",
]  # fmt: skip

NOT_FINITE = [
    f"torch.linalg.{call}"
    for m in ("s * nan", "torch.tensor([[inf, 1.0], [1.0, 2.0]])", "torch.tensor([[-inf, nan], [1.0, 2.0]])")
    for call in (
        f"svdvals({m})", f"cond({m})", f"matrix_rank({m})", f"pinv({m})", f"matrix_norm({m}, 2)", f"matrix_norm({m}, 'nuc')",
        f"svdvals(torch.stack([s, {m}]))",
    )
]  # fmt: skip

# Of an index with too many parts PyTorch says that before it looks at what they are.
INDICES = [
    f"x[{index}]"
    for index in (
        "0, 0, 'a'", "0, 0, 1.5", "0, 0, [None]", "0, 0, ::0", "0, 0, 'a':", "0, 0, {}", "'a'", "1.5", "::0", "::-1", "'a':",
        "0, 'a'", "..., 0, 0, 'a'", "None, 'a'", "2**64", "-(2**63)", "[0.5]", "0, 0, int",
    )
]  # fmt: skip

GROUPS = {
    "dimensions": DIMENSIONS, "no tensors": NO_TENSORS, "out": OUT, "numbers": NUMBERS, "sizes": SIZES,
    "not finite": NOT_FINITE, "indices": INDICES,
}  # fmt: skip


def evaluated(library: Any, expression: str) -> tuple[Any, Exception | None]:
    names = {
        "torch": library, "F": library.nn.functional, "np": np, "nan": float("nan"), "inf": float("inf"),
        "x": library.arange(6.0).reshape(2, 3), "s": library.tensor([[2.0, 1.0], [1.0, 3.0]]), "i": library.tensor([0, 1]),
        "one": library.ones(1),
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return eval(expression, names), None
        except Exception as error:
            return None, error


@pytest.mark.parametrize(
    "expression", [pytest.param(e, id=f"{name}: {e}") for name, group in GROUPS.items() for e in group]
)
def test_as_pytorch_does(expression: str) -> None:
    torch = opinfo.oracle()
    told, expected = evaluated(torch, expression)
    given, error = evaluated(rushlight, expression)
    if expected is None:
        assert error is None, f"raised {error!r}, PyTorch gives {told!r:.200}"
        assert opinfo.difference(given, told) is None
        return
    assert error is not None, f"gives {given!r:.200}, PyTorch raises {type(expected).__name__}: {expected}"
    assert type(error).__name__ == type(expected).__name__.lstrip("_"), (
        f"{error!r}, expected {expected!r:.300}"
    )
    for phrase in PHRASES:
        if phrase in str(expected):
            assert phrase in str(error), f"{error!r}, expected {expected!r:.300}"
            break


def test_a_matrix_with_a_nan_is_refused() -> None:
    # PyTorch's own call of LAPACK writes over its memory for some of these.
    matrix = rushlight.tensor([[float("nan"), 1.0], [1.0, 2.0]])
    with pytest.raises(rushlight.linalg.LinAlgError):
        rushlight.linalg.pinv(matrix)
    for function in (rushlight.linalg.eig, rushlight.linalg.eigvals):
        with pytest.raises(RuntimeError, match="infs or NaNs"):
            function(matrix)


def test_pivots_of_another_shape_are_refused() -> None:
    # PyTorch reads beyond the pivots.
    factors = rushlight.eye(3)
    for shape in ((0,), (2,), (3, 1), (1, 3)):
        with pytest.raises(RuntimeError, match="LU_pivots"):
            rushlight.lu_unpack(factors, rushlight.ones(shape, dtype=rushlight.int32))


def test_a_file_cut_anywhere_is_refused() -> None:
    for legacy in (False, True):
        buffer = io.BytesIO()
        rushlight.save(
            {"a": rushlight.arange(5.0), "b": [1, "x"]}, buffer, _use_new_zipfile_serialization=not legacy
        )
        data = buffer.getvalue()
        for length in range(0, len(data), 7):
            with pytest.raises((RuntimeError, EOFError, pickle.UnpicklingError)):
                rushlight.load(io.BytesIO(data[:length]))
