"""Kernels without a plan around them: copies in another order, rows added to rows, evenly spaced numbers."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
from rushlight.runtime import direct, transposed_copy
from rushlight.runtime.transposed_copy import contiguous, copy_into

pytest.importorskip("llvmlite", reason="without llvmlite every operation is NumPy's")
RNG = np.random.default_rng(0)
SHAPES = [
    ((100, 130), (1, 0)),
    ((64, 256), (1, 0)),
    ((3, 5000), (1, 0)),
    ((5000, 3), (1, 0)),
    ((600, 40), (1, 0)),
    ((4, 9, 20, 17), (0, 2, 3, 1)),
    ((4, 20, 17, 9), (0, 3, 1, 2)),
    ((5, 7, 3, 11, 13), (4, 1, 0, 3, 2)),
    ((2, 3, 4, 5, 6, 15), (5, 1, 3, 0, 4, 2)),
    ((30, 1, 40, 9), (3, 1, 2, 0)),
]


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "i4", "i2", "i1", "?", "f2", "c8", "c16"])
@pytest.mark.parametrize(("shape", "order"), SHAPES)
def test_copies_in_another_order(dtype, shape, order):
    x = (RNG.standard_normal(shape) * 50).astype(dtype)
    turned = x.transpose(order)
    copied = contiguous(turned)
    assert copied.flags.c_contiguous
    np.testing.assert_array_equal(copied, turned)


def test_parts_reversed_and_repeated():
    x = RNG.standard_normal((200, 300))
    for part in (
        x[::2].T,
        x[3:, 5:].T,
        x[::-1].T,
        x[:, ::-1].T,
        np.broadcast_to(x, (3, 200, 300)).transpose(0, 2, 1),
    ):
        np.testing.assert_array_equal(contiguous(part), np.ascontiguousarray(part))
    target = np.zeros((400, 500))
    copy_into(target[10:310, 7:207], x.T)
    np.testing.assert_array_equal(target[10:310, 7:207], x.T)
    assert np.count_nonzero(target) == np.count_nonzero(x)


def test_memory_that_overlaps():
    x = RNG.standard_normal((120, 120))
    expected = x.T.copy()
    copy_into(x, x.T)
    np.testing.assert_array_equal(x, expected)


def test_bits_that_no_number_has():
    x = RNG.integers(0, 2**32, (128, 96), np.uint32).view(np.float32)  # signalling nans among them
    assert contiguous(x.T).tobytes() == x.T.copy().tobytes()


def test_tensors():
    x = torch.randn(64, 200)
    y = torch.empty(200, 64)
    assert torch.equal(y.copy_(x.t()), x.t().clone())
    assert torch.equal(x.t().contiguous(), x.t())
    assert torch.equal(x.t().reshape(-1), torch.tensor(x.numpy().T.reshape(-1)))
    assert torch.equal(torch.cat([x.t(), x.t()]), torch.tensor(np.concatenate([x.numpy().T] * 2)))
    a = x.clone().requires_grad_()
    (a.t().contiguous() * y).sum().backward()
    assert torch.equal(a.grad, y.t())


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("columns", [1, 2, 16, 33, 100])
def test_rows_are_added_in_order(dtype, columns):
    shape = (columns,) if columns > 1 else ()
    target = (RNG.standard_normal((50, *shape)) * 9).astype(dtype)
    values = (RNG.standard_normal((400, *shape)) * 9).astype(dtype)
    index = RNG.integers(0, 50, 400)
    expected = target.copy()
    for i, value in zip(index, values, strict=True):
        expected[i] += value
    assert direct.add_rows(target, index, values)
    np.testing.assert_array_equal(target, expected)


def test_what_no_kernel_adds():
    zeros, index = np.zeros((3, 4), np.float32), np.zeros(2, np.int64)
    assert not direct.add_rows(zeros, index, np.ones((2, 4)))
    assert not direct.add_rows(zeros.astype(np.float16), index, np.ones((2, 4), np.float16))
    assert not direct.add_rows(zeros.T, index, np.ones((2, 3), np.float32))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bounds", [(0, 1), (-3.7, 5.5), (1e-3, -1e6), (0.1, 0.1), (-0.0, 3.0)])
@pytest.mark.parametrize("steps", [4096, 5003])
def test_evenly_spaced_numbers_have_the_bits_of_numpys_way(dtype, bounds, steps, monkeypatch):
    def results():
        found = [torch.linspace(*bounds, steps, dtype=dtype)]
        if bounds[0] != bounds[1]:
            found.append(torch.arange(*bounds, (bounds[1] - bounds[0]) / steps, dtype=dtype))
        return found

    compiled = results()
    monkeypatch.setattr(direct, "RAMP_FROM", 1 << 60)
    for a, b in zip(compiled, results(), strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes()


def test_compiled_programs_copy_in_blocks():
    x = torch.randn(8, 16, 20, 30)
    permuted = torch.compile(
        lambda a: (a.permute(0, 2, 3, 1).contiguous(), (a * 2).permute(3, 0, 2, 1).contiguous())
    )
    for _ in range(3):
        a, b = permuted(x)
    assert torch.equal(a, x.permute(0, 2, 3, 1))
    assert torch.equal(b, (x * 2).permute(3, 0, 2, 1))


def test_small_copies_are_numpys(monkeypatch):
    monkeypatch.setattr(direct, "kernel", None)
    x = np.ones((4, 5))
    assert x.size < transposed_copy.LARGE_FROM
    np.testing.assert_array_equal(contiguous(x.T), x.T)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("points", [8, 16, 32, 512, 4096])
@pytest.mark.parametrize("rows", [4, 19, 33])
def test_fourier_transforms_of_rows(dtype, points, rows, monkeypatch):
    monkeypatch.setattr(direct, "TRANSFORM_FROM", 1)
    x = RNG.standard_normal((rows, points))
    if np.dtype(dtype).kind == "c":
        x = x + 1j * RNG.standard_normal((rows, points))
    x = x.astype(dtype)
    wide = x.astype(np.complex128)
    tolerance = (
        1e-6 if dtype in (np.float32, np.complex64) else 1e-14
    )  # of the largest: rounding grows with log(points)

    def close(found, wanted):
        assert found.dtype.itemsize == x.dtype.itemsize * (1 + (x.dtype.kind == "f"))
        assert np.abs(found - wanted).max() < tolerance * np.abs(wanted).max()

    whole = direct.transformed_rows(x, False, False, 1.0)
    close(whole, np.fft.fft(wide))
    close(direct.transformed_rows(x, True, False, 1 / points), np.fft.ifft(wide))
    close(direct.transformed_rows(x, False, True, 0.5), np.fft.fft(wide)[:, : points // 2 + 1] / 2)


def test_what_no_kernel_transforms():
    assert direct.transformed_rows(np.ones((100, 1000)), False, False, 1.0) is None
    assert direct.transformed_rows(np.ones((2, 1 << 14)), False, False, 1.0) is None
    assert direct.transformed_rows(np.ones((4, 8)), False, False, 1.0) is None


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "fft2", "ifft2", "fftn", "rfft2", "rfftn", "ihfft"])
@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
def test_transforms_of_large_tensors(name, norm, monkeypatch):
    x = torch.tensor(RNG.standard_normal((8, 32, 64)), requires_grad=True)
    transform = getattr(torch.fft, name)

    def results():
        x.grad = None
        found = [transform(x, norm=norm), transform(x.transpose(1, 2), norm=norm)]
        if name in ("fft", "ifft", "rfft"):
            found += [transform(x, dim=0, norm=norm), transform(x, n=16, dim=1, norm=norm)]
        sum(y.abs().square().sum() for y in found).backward()
        return [*[y.detach().resolve_conj().numpy() for y in found], x.grad.numpy()]

    compiled = results()
    monkeypatch.setattr(direct, "TRANSFORM_FROM", 1 << 60)
    for a, b in zip(compiled, results(), strict=True):
        assert a.shape == b.shape
        assert a.strides == b.strides
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11 * np.abs(b).max())
