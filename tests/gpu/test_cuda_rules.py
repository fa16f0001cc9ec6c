"""What CuPy's rules give (``runtime/cuda_*_rules.py``) is what the CPU gives, where samples of a database seldom look: ties,
nan, dtypes, batches, empty and strided operands; with none of it computed on the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import rushlight as torch

NAN, INF = float("nan"), float("inf")


@pytest.fixture(autouse=True)
def on_the_gpu(pretended: Any) -> Iterator[None]:
    from rushlight.runtime.cuda_operations import HOST_TRIPS

    HOST_TRIPS.clear()
    yield
    assert not HOST_TRIPS


def moved(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to("cuda")
    if isinstance(value, tuple | list):
        return type(value)([moved(item) for item in value])
    return value


def same(function: Any, *args: Any, tolerance: float = 0.0, **kwargs: Any) -> Any:
    """Calls on both devices; the results' dtypes, shapes and values must agree."""
    expected = function(*args, **kwargs)
    found = function(*moved(args), **{key: moved(value) for key, value in kwargs.items()})
    several = isinstance(expected, tuple)
    for mine, theirs in zip(
        found if several else (found,), expected if several else (expected,), strict=True
    ):
        assert mine.device.type == "cuda"
        assert mine.dtype == theirs.dtype and mine.shape == theirs.shape
        x, y = mine.cpu(), theirs
        x, y = (t.float() if t.dtype in (torch.bfloat16, torch.float16) else t for t in (x, y))
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=tolerance, atol=tolerance, equal_nan=True)
    return found


def ties(dtype: Any) -> torch.Tensor:
    values = torch.tensor([[3, 1, 3, 0, 1], [2, 2, 2, 2, 2], [0, 1, 0, 1, 0], [5, 4, 3, 2, 1]])
    return values.to(dtype)


REAL = (
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int8,
    torch.uint8,
    torch.bool,
)


@pytest.mark.parametrize("dtype", REAL, ids=str)
def test_order_of_ties(dtype: Any) -> None:
    x = ties(dtype)
    for dim in (0, 1, -1):
        for descending in (False, True):
            same(torch.sort, x, dim, descending)
            same(torch.sort, x.T, dim, descending)
        same(torch.mode, x, dim)
        if dtype is not torch.bool:
            same(torch.topk, x, 3, dim)
            same(torch.topk, x, 3, dim, False)
            same(torch.topk, x, 1, dim)
            same(torch.kthvalue, x, 2, dim, True)
            same(torch.median, x, dim)
            same(torch.cummax, x, dim)
            same(torch.cummin, x, dim)
            same(torch.cumprod, x, dim)
    same(torch.unique, x, return_inverse=True, return_counts=True)
    same(torch.unique, x, return_inverse=True, return_counts=True, dim=1)
    same(torch.unique_consecutive, x, return_inverse=True, return_counts=True)


def test_order_of_nan() -> None:
    x = torch.tensor([[NAN, 1.0, -INF, NAN], [2.0, -0.0, 0.0, INF], [NAN, NAN, NAN, NAN]])
    for descending in (False, True):
        same(torch.sort, x, 1, descending)
    for largest in (False, True):
        for k in (1, 2):
            same(torch.topk, x, k, 1, largest)
    for name in ("median", "nanmedian"):
        same(getattr(torch, name), x, 1)
        same(getattr(torch, name), x)
        same(getattr(torch, name), x[1:2])
    for name in ("cummax", "cummin"):
        same(getattr(torch, name), x, 1)
    same(torch.unique, x, return_counts=True)
    same(torch.logcumsumexp, torch.tensor([-INF, -INF, 1.0, 800.0, INF]), 0, tolerance=1e-6)


def test_of_nothing_and_of_numbers() -> None:
    number, nothing = torch.tensor(3.0), torch.zeros(0, 3)
    for x in (number, nothing):
        same(torch.sort, x)
        same(torch.cumprod, x, 0)
        same(torch.cummax, x, 0)
        same(torch.logcumsumexp, x, 0)
        same(torch.nonzero, x)
    same(torch.topk, number, 1)
    same(torch.topk, torch.zeros(2, 3), 0)
    same(torch.mm, torch.ones(2, 0), torch.ones(0, 3))
    same(torch.linalg.solve, torch.zeros(0, 0), torch.zeros(0, 2))
    same(torch.linalg.inv, torch.zeros(2, 0, 0))
    same(torch.unique, torch.zeros(0), return_counts=True)


@pytest.mark.parametrize("right", (False, True))
def test_searching(right: bool) -> None:
    rows = torch.tensor([[1.0, 2.0, 2.0, 5.0, NAN], [0.0, 0.0, 1.0, 1.0, 1.0]])
    wanted = torch.tensor([[0.0, 2.0, 5.0, NAN], [1.0, -1.0, 7.0, 0.0]])
    same(torch.searchsorted, rows, wanted, right=right)
    same(torch.searchsorted, rows[0], wanted, right=right)
    same(torch.searchsorted, torch.tensor([1, 3, 5]), torch.tensor([2.5, 3.0]), right=right)
    mixed = rows.flip(1)
    same(torch.searchsorted, mixed, wanted, right=right, sorter=mixed.argsort(1))
    same(torch.isin, wanted, rows[0])
    same(torch.isin, torch.tensor([1, 2, 300]), torch.tensor([2, 44], dtype=torch.uint8))


def test_counting() -> None:
    x = torch.tensor([4, 0, 4, 1], dtype=torch.uint8)
    same(torch.bincount, x)
    for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.int32):
        same(torch.bincount, x, torch.tensor([1, 2, 3, 4]).to(dtype), 7)
    same(torch.histc, torch.tensor([1.0, 2.0, 1.0, 9.0, NAN]), 4, 0, 3)
    same(torch.histc, torch.tensor([1.0, 2.0, 4.0]), 3)
    same(torch.repeat_interleave, torch.tensor([7, 8, 9]), torch.tensor([2, 0, 3]))
    with pytest.raises(RuntimeError, match="not finite"):
        torch.histc(torch.tensor([INF, 1.0], device="cuda"))
    from rushlight.runtime.cuda_operations import HOST_TRIPS

    assert HOST_TRIPS.pop("histc") == 1  # for the words of the error


NUMBERS = (*REAL, torch.int32, torch.int16, torch.complex64, torch.complex128)


@pytest.mark.parametrize("dtype", NUMBERS, ids=str)
def test_sums_at_indices(dtype: Any) -> None:
    x = torch.arange(12).reshape(3, 4).to(dtype)
    source = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8], [100, 100, 100, 100]]).to(dtype)
    index = torch.tensor([[0, 0, 2, 1], [0, 2, 2, 1], [0, 1, 2, 1]])
    same(torch.scatter_add, x, 0, index, source)
    same(torch.scatter, x, 1, torch.tensor([[3, 0], [1, 2]]), source)
    same(torch.gather, x, 0, index)
    for indices in ((torch.tensor([2, 0, 2]),), (torch.tensor([2, -1, 2]), torch.tensor([1, -3, 1]))):
        values = source[:, 0] if len(indices) == 2 else source
        same(torch.index_put, x, indices, values, True)
        same(torch.index_put, x, (indices[0],), source[0], True)
    mask = torch.tensor([[True, False, True, True], [False, False, False, False], [True, True, False, False]])
    same(torch.masked_select, x, mask)
    same(torch.masked_scatter, x, mask, source)
    same(torch.index_put, x, (mask,), source[0, 0])
    same(lambda a, b: a[b], x, torch.tensor([False, True, True]))
    if dtype.is_complex:
        return
    for reduce in ("sum", "prod", "amax", "amin", "mean"):
        if dtype is torch.bool and reduce in ("mean", "sum"):
            continue
        for include in (False, True):
            # A product of float16 may be one rounding away: factors are multiplied in another order.
            loose = 1e-3 if dtype is torch.float16 else 1e-2 if dtype is torch.bfloat16 else 1e-6
            loose = loose if reduce in ("prod", "mean") and dtype.is_floating_point else 0.0
            same(torch.scatter_reduce, x, 0, index, source, reduce, include_self=include, tolerance=loose)


def test_extremes_at_indices_with_nan() -> None:
    x, index = torch.tensor([1.0, NAN, 3.0, 4.0]), torch.tensor([0, 1, 2, 2])
    source = torch.tensor([5.0, 6.0, NAN, 7.0])
    for reduce in ("amax", "amin"):
        for include in (False, True):
            same(torch.scatter_reduce, x, 0, index, source, reduce, include_self=include)
    big = torch.tensor([-(2**62), 5, -1])
    for reduce in ("amax", "amin"):
        same(torch.scatter_reduce, big, 0, torch.tensor([0, 0, 1]), torch.tensor([-7, 2**61, -9]), reduce)


def test_indices_out_of_range_raise() -> None:
    x = torch.zeros(3, 4, device="cuda")
    far = torch.tensor([[5]], device="cuda")
    for attempt in (
        lambda: x.gather(0, far),
        lambda: x.scatter_add(0, far, x),
        lambda: x[far],
        lambda: x.index_put((far,), torch.ones((), device="cuda")),
    ):
        with pytest.raises((RuntimeError, IndexError), match=r"out of (bounds|range)"):
            attempt()
    from rushlight.runtime.cuda_operations import HOST_TRIPS

    HOST_TRIPS.clear()  # the CPU found the words


INTEGERS = (torch.int64, torch.int32, torch.int8, torch.uint8)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_integers(dtype: Any) -> None:
    x, y = torch.tensor([7, 7, 100, 6, 0]), torch.tensor([2, 3, 7, 6, 5])
    if dtype is not torch.uint8:
        x, y = torch.cat([x, -x, x]), torch.cat([y, y, -y])
    x, y = x.to(dtype), y.to(dtype)
    for function in (torch.floor_divide, torch.remainder, torch.fmod, torch.pow):
        same(function, x, y)
    for mode in ("floor", "trunc"):
        same(torch.div, x, y, rounding_mode=mode)
    for function in (torch.bitwise_left_shift, torch.bitwise_right_shift):
        same(function, x, torch.arange(len(x)).to(dtype) - int(dtype is not torch.uint8))
    same(torch.isclose, x, y, atol=4)
    square = torch.arange(9).reshape(3, 3).to(dtype)
    same(torch.mm, square, square.T)
    same(torch.bmm, square.expand(2, 3, 3), square.expand(2, 3, 3))
    assert (
        torch.floor_divide(x.cuda(), torch.zeros_like(y).cuda()).shape == x.shape
    )  # undefined, and no error


INEXACT = (torch.float32, torch.float64, torch.complex64, torch.complex128)


@pytest.mark.parametrize("dtype", INEXACT, ids=str)
def test_linear_algebra(dtype: Any) -> None:
    torch.manual_seed(0)
    close = 2e-4 if dtype in (torch.float32, torch.complex64) else 1e-10
    a = torch.randn(2, 3, 4, 4, dtype=dtype) + 3 * torch.eye(4, dtype=dtype)
    b = torch.randn(3, 4, 2, dtype=dtype)
    positive = a @ a.mH + torch.eye(4, dtype=dtype)
    same(torch.linalg.solve, a, b, tolerance=close)  # batches broadcast
    same(torch.linalg.solve, a, b, left=True, tolerance=close)
    same(torch.linalg.inv, a, tolerance=close)
    for upper in (False, True):
        same(torch.linalg.cholesky, positive, upper=upper, tolerance=close)
        triangle = a.triu() if upper else a.tril()
        for unit in (False, True):
            same(torch.linalg.solve_triangular, triangle, b, upper=upper, unitriangular=unit, tolerance=close)
    for mode in ("reduced", "complete"):
        same(torch.linalg.qr, a[..., :2], mode, tolerance=close)
    assert torch.linalg.qr(a[0, 0].cuda(), "r").R.device.type == "cuda"
    same(torch.linalg.svdvals, a, tolerance=close)
    same(torch.linalg.eigvalsh, positive, tolerance=close)
    values, vectors = torch.linalg.eigh(positive.cuda())
    assert torch.allclose((vectors * values.unsqueeze(-2)) @ vectors.mH, positive.cuda(), atol=close * 100)
    values, vectors = torch.linalg.eig(a.cuda())
    assert torch.allclose(
        a.cuda().to(values.dtype) @ vectors, vectors * values.unsqueeze(-2), atol=close * 100
    )
    for function in (torch.linalg.det, torch.linalg.slogdet, torch.linalg.pinv, torch.linalg.matrix_exp):
        same(function, a, tolerance=close * 10)
    for many in (a, a[0, 0]):  # stacks by elimination, one matrix by cuSOLVER
        same(torch.linalg.lu_factor, many, tolerance=close)
        same(torch.linalg.lu_factor, many[..., :3, :], tolerance=close)
    same(torch.linalg.lstsq, a[..., :2], b[..., :4, :].expand(2, 3, 4, 2), tolerance=close)
    same(torch.linalg.cross, a[..., :3], a[..., 1:], tolerance=close)


def test_singular_matrices() -> None:
    singular = torch.tensor([[1.0, 2.0], [2.0, 4.0]])
    same(torch.linalg.det, torch.zeros(2, 2))
    same(torch.linalg.slogdet, torch.zeros(3, 2, 2))
    same(torch.linalg.solve_triangular, torch.zeros(2, 2), torch.ones(2, 1), upper=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(torch.linalg.lu_factor_ex, singular)
        same(torch.linalg.lu_factor_ex, torch.zeros(2, 2))
    for attempt in (
        lambda x: torch.linalg.inv(x),
        lambda x: torch.linalg.solve(x, x),
        lambda x: torch.linalg.cholesky(-x),
        lambda x: torch.linalg.inv(torch.stack([torch.eye(2, device="cuda"), x])),
    ):
        with pytest.raises(torch.linalg.LinAlgError, match=r"singular|positive-definite"):
            attempt(singular.cuda())
    from rushlight.runtime.cuda_operations import HOST_TRIPS

    HOST_TRIPS.clear()  # the CPU found the words


def test_fourier_transforms() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 4, 6)
    z = torch.randn(
        3, 4, 6, dtype=torch.complex64
    )  # its halves are no real array's: what stands for itself is cut
    for norm in ("backward", "ortho", "forward"):
        for name, given in (
            ("fft", x), ("fft", z), ("ifft", z), ("rfft", x), ("irfft", z), ("hfft", z), ("ihfft", x), ("fft2", z),
            ("fftn", z), ("rfftn", x), ("irfftn", z), ("irfft2", z),
        ):  # fmt: skip
            same(getattr(torch.fft, name), given, norm=norm, tolerance=2e-5)
        same(torch.fft.irfft, z, 7, norm=norm, tolerance=2e-5)
        same(torch.fft.rfftn, x, dim=(2, 0), norm=norm, tolerance=2e-5)
    window = torch.hann_window(8)
    signal = torch.randn(2, 40)
    spectrum = same(torch.stft, signal, 8, window=window, return_complex=True, tolerance=2e-5)
    back = torch.istft(spectrum, 8, window=window.cuda())
    assert back.device.type == "cuda" and torch.allclose(back.cpu(), signal, atol=1e-5)
    assert torch.istft(
        torch.stft(signal.cuda(), 8, return_complex=True, window=torch.ones(8).cuda()), 8
    ).is_cuda


def test_special_functions() -> None:
    pytest.importorskip("scipy")
    x = torch.tensor([-3.5, -2.0, -0.5, -0.0, 0.0, 0.25, 1.0, 2.5, 30.0, INF, NAN])
    for dtype in (torch.float32, torch.float64):
        # Other approximations, both within a few units in the last place.
        close = 2e-6 if dtype is torch.float32 else 1e-12
        given = x.to(dtype)
        for name in ("lgamma", "digamma", "erf", "erfc", "i0", "special.i0e", "special.i1", "special.i1e", "special.ndtri",
                     "erfinv", "special.erfcx", "special.bessel_j0", "special.bessel_y1", "special.spherical_bessel_j0",
                     "special.modified_bessel_k0", "special.entr"):  # fmt: skip
            place: Any = torch
            for part in name.split("."):
                place = getattr(place, part)
            same(place, given, tolerance=close)
        for n in (1, 2, 5):
            same(lambda value, n=n: torch.polygamma(n, value), given, tolerance=close * 20)
        degrees = torch.tensor([-1.0, 0, 1, 2, 3, 8, 9, 10, 11, 3000, 4], dtype=dtype)
        for name in (
            "chebyshev_polynomial_t",
            "shifted_chebyshev_polynomial_w",
            "hermite_polynomial_he",
            "laguerre_polynomial_l",
        ):
            same(getattr(torch.special, name), given / 4, degrees, tolerance=close * 10)
    edge = torch.tensor([0.0, -0.0, 1, -1, 1, 3, INF, NAN, 0, 0, -0.0, -INF])
    for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.float64):
        towards = torch.tensor([1.0, -1, 2, -2, 0, 3, 0, 1, -1, -0.0, 0, INF]).to(dtype)
        steps = same(torch.nextafter, edge.to(dtype), towards)
        same(torch.nextafter, steps.cpu(), towards)
        same(torch.nextafter, steps.cpu(), -towards)  # from the smallest numbers back to zero
    same(torch.frexp, torch.tensor([6.0, -0.1, 0.0, INF, NAN]))


@pytest.mark.parametrize("zero_infinity", (False, True))
def test_ctc(zero_infinity: bool) -> None:
    torch.manual_seed(0)
    start = torch.randn(6, 4, 5)
    targets = torch.tensor([[1, 1, 1], [2, 3, 4], [4, 4, 2], [3, 1, 1]])
    found = []
    for where in ("cpu", "cuda"):
        x = start.to(where).clone().requires_grad_()
        losses = torch.nn.functional.ctc_loss(
            x.log_softmax(-1), targets.to(where), torch.tensor([6, 5, 2, 0]), torch.tensor([2, 0, 3, 1]),
            reduction="none", zero_infinity=zero_infinity,
        )  # fmt: skip
        torch.where(losses.isfinite(), losses, torch.zeros_like(losses)).sum().backward()
        found.append((losses.detach().cpu().numpy(), x.grad.cpu().numpy()))
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


@pytest.mark.parametrize("dtype", (torch.float32, torch.float16, torch.bfloat16, torch.float64), ids=str)
def test_draws(dtype: Any) -> None:
    torch.manual_seed(0)
    weights = torch.tensor([[0.0, 3.0, 1.0, 0.0], [1.0, 0.0, 0.0, 5.0]], dtype=dtype, device="cuda")
    chosen = torch.multinomial(weights, 2)
    assert sorted(chosen[0].tolist()) == [1, 2] and sorted(chosen[1].tolist()) == [0, 3]
    many = torch.multinomial(weights[0], 4000, replacement=True)
    share = torch.bincount(many, minlength=4).cpu() / 4000
    assert share[0] == share[3] == 0 and abs(float(share[1]) - 0.75) < 0.03
    order = torch.randperm(1000, device="cuda")
    assert order.sort().values.tolist() == list(range(1000)) and order.tolist() != list(range(1000))
    torch.manual_seed(5)
    first = torch.normal(
        torch.zeros(3, 1, dtype=dtype, device="cuda"), torch.ones(4, dtype=dtype, device="cuda")
    )
    torch.manual_seed(5)
    plain = torch.randn(3, 4, dtype=dtype, device="cuda")
    assert first.dtype == dtype and torch.equal(first, plain)


def test_gradients_of_strided_leaves() -> None:
    leaf = torch.arange(6.0, device="cuda").reshape(2, 3).T.requires_grad_()
    (leaf * leaf).sum().backward()
    assert leaf.grad.is_cuda and torch.equal(leaf.grad, 2 * leaf.detach())
    expanded = torch.ones(1, device="cuda").expand(3).requires_grad_()
    (expanded * 2).sum().backward()
    assert expanded.grad.tolist() == [2.0, 2.0, 2.0]


def test_products_without_gradients() -> None:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    same(torch.prod, x)  # the CPU's quick way is for its own arrays
    assert x.cuda().resize_(3).tolist() == [1.0, 2.0, 3.0]
    assert x.cuda().resize_(2, 3).shape == (2, 3)


@pytest.mark.parametrize("mode", ("sum", "mean", "max"))
def test_bags(mode: str) -> None:
    table = torch.arange(12.0).reshape(4, 3)
    offsets = torch.tensor([0, 2, 2])
    bag = torch.nn.functional.embedding_bag
    same(bag, torch.tensor([1, 3, 0, 2]), table, offsets, mode=mode, padding_idx=3, tolerance=1e-6)
