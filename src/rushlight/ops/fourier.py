"""Discrete Fourier transforms: three primitives (complex, real to half, half to real), and the rest by their means.

NumPy computes them, in the precision of the input; many rows of a power of two a kernel of ours. A scale is PyTorch's
``norm`` as a number that does not depend on the direction: 0 leaves sums as they are, 1 divides them by the root of the number
of points, 2 by the number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import index
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..core.device import DeviceLike, placed, require_available
from ..core.dtypes import C64, C128, F32, F64, INEXACT, OF_NUMPY, default_numpy, dtype
from ..core.history import Node, known_as
from ..core.shapes import LONG_DIMENSION, alone, check_fits, wrap_dim
from ..core.tensor import Tensor, make_tensor
from ..runtime import direct
from ..runtime.pending import Pending
from ..runtime.transposed_copy import contiguous as row_major
from .complex_numbers import conj, real
from .conversion import to
from .creation import check_layout, numpy_dtype, out_dtype
from .define import Primitive
from .dispatch import apply, type_name, write_out
from .joining import cat
from .movement import narrow, permute
from .numpy_names import numpy_names
from .placement import tensor_beside
from .pointwise import mul
from .rearranging import roll

Array = NDArray[Any]
Dims = int | Sequence[int] | None

FORWARD_NORMS = ("backward", "ortho", "forward")  # NumPy's names of the scales 0, 1, 2, for sums over e^-i
INVERSE_NORMS = ("forward", "ortho", "backward")

# --- primitives -------------------------------------------------------------------------------------------------------


def _by_stride(x: Array, axes: Iterable[int]) -> list[int]:
    """``axes``, those first whose elements lie furthest apart."""
    return sorted(axes, key=lambda axis: -x.strides[axis])


def _laid_out(
    compute: Callable[[Array, tuple[int, ...]], Any], x: Array, axes: tuple[int, ...], order: list[int]
) -> Any:
    """``compute(x, axes)`` whose result's dimensions lie in memory in this order.

    As in PyTorch the transformed ones lie inside of the others: ``view`` takes what it takes there, and what is drawn for
    each element (a dropout) goes to the same ones.
    """
    if type(x) is not np.ndarray:
        return compute(x, axes)
    if order == list(range(x.ndim)):
        return row_major(compute(x, axes))
    inner = compute(x.transpose(order), tuple([order.index(axis) for axis in axes]))
    return row_major(inner).transpose(np.argsort(order))


def _order_of_complex(x: Array, axes: tuple[int, ...]) -> list[int]:
    return [*_by_stride(x, [axis for axis in range(x.ndim) if axis not in axes]), *_by_stride(x, axes)]


def _order_of_half(x: Array, axes: tuple[int, ...]) -> list[int]:
    return [axis for axis in _order_of_complex(x, axes) if axis != axes[-1]] + [axes[-1]]


def _order_of_whole(x: Array, axes: tuple[int, ...]) -> list[int]:
    # PyTorch transforms along the other axes first, and what comes of it along the last.
    return [axis for axis in _order_of_complex(x, axes[:-1]) if axis != axes[-1]] + [axes[-1]]


def _by_kernel(x: Array, axes: tuple[int, ...], scale: int, inverse: bool, half: bool) -> Any:
    """The transform along ``axes`` by kernels of ours, which know powers of two; None where one of them does not apply."""
    if type(x) is not np.ndarray or x.size < direct.TRANSFORM_FROM:
        return None
    number = 1
    for axis in axes:
        number *= x.shape[axis]
    if number & (number - 1):
        return None
    factor = (1.0, number**-0.5, 1 / number)[scale]
    result: Any = x
    for position, axis in enumerate(reversed(axes)):
        rows = row_major(np.moveaxis(result, axis, -1))
        transformed = direct.transformed_rows(rows, inverse, half and position == 0, factor)
        if transformed is None:
            return None
        result, factor = np.moveaxis(transformed, -1, axis), 1.0
    return row_major(result)


def _complex_impl(x: Array, axes: tuple[int, ...], scale: int, forward: bool) -> Any:
    if not axes:
        return x.astype(C128 if x.dtype in (F64, C128) else C64)
    if not x.size:  # NumPy's own loop over nothing would still refuse some shapes
        return np.zeros(x.shape, C128 if x.dtype in (F64, C128) else C64)
    return _laid_out(lambda x, axes: _complex(x, axes, scale, forward), x, axes, _order_of_complex(x, axes))


def _complex(x: Array, axes: tuple[int, ...], scale: int, forward: bool) -> Any:
    transformed = _by_kernel(x, axes, scale, not forward, False)
    if transformed is not None:
        return transformed
    if len(axes) == 1:
        if forward:
            return np.fft.fft(x, axis=axes[0], norm=FORWARD_NORMS[scale])  # type: ignore[arg-type]
        return np.fft.ifft(x, axis=axes[0], norm=INVERSE_NORMS[scale])  # type: ignore[arg-type]
    if forward:
        return np.fft.fftn(x, axes=axes, norm=FORWARD_NORMS[scale])  # type: ignore[arg-type]
    return np.fft.ifftn(x, axes=axes, norm=INVERSE_NORMS[scale])  # type: ignore[arg-type]


def _complex_vjp(g: Tensor, node: Node) -> Tensor:
    attrs = node.attrs
    back = {**attrs, "forward": not attrs["forward"]}
    result = apply(FFT_COMPLEX, (g,), back)
    edge = node.edges[0]
    assert edge is not None
    return result if edge.dtype.kind == "c" else real(result)


FFT_COMPLEX = Primitive("fft_complex", _complex_impl, _complex_vjp, grad_name="FftC2CBackward0")


def _half_impl(x: Array, axes: tuple[int, ...], scale: int) -> Any:
    """The transform of real numbers: of the last of ``axes``, the half that determines it."""
    if not x.size:
        shape = list(x.shape)
        shape[axes[-1]] = shape[axes[-1]] // 2 + 1
        return np.zeros(shape, C128 if x.dtype is F64 else C64)
    return _laid_out(lambda x, axes: _half(x, axes, scale), x, axes, _order_of_half(x, axes))


def _half(x: Array, axes: tuple[int, ...], scale: int) -> Any:
    transformed = _by_kernel(x, axes, scale, False, True)
    if transformed is not None:
        return transformed
    if len(axes) == 1:
        return np.fft.rfft(x, axis=axes[0], norm=FORWARD_NORMS[scale])  # type: ignore[arg-type]
    return np.fft.rfftn(x, axes=axes, norm=FORWARD_NORMS[scale])  # type: ignore[arg-type]


def _half_vjp(g: Tensor, node: Node) -> Tensor:
    axes = node.attrs["axes"]
    edge = node.edges[0]
    assert edge is not None
    whole = resized(g, axes[-1], edge.shape[axes[-1]])
    back = {"axes": axes, "scale": node.attrs["scale"], "forward": False}
    return real(apply(FFT_COMPLEX, (whole,), back))


FFT_HALF = Primitive("fft_real_to_half", _half_impl, _half_vjp, grad_name="FftR2CBackward0")


def _whole_impl(x: Array, axes: tuple[int, ...], scale: int, length: int) -> Any:
    """The real numbers (``length`` along the last of ``axes``) whose transform's half is ``x``, unless scaled."""
    if not x.size:
        shape = list(x.shape)
        shape[axes[-1]] = length
        return np.zeros(shape, F64 if x.dtype in (F64, C128) else F32)
    return _laid_out(lambda x, axes: _whole(x, axes, scale, length), x, axes, _order_of_whole(x, axes))


def _whole(x: Array, axes: tuple[int, ...], scale: int, length: int) -> Any:
    lengths = [x.shape[axis] for axis in axes[:-1]] + [length]
    if len(axes) == 1:
        return np.fft.irfft(x, length, axes[0], INVERSE_NORMS[scale])  # type: ignore[arg-type]
    return np.fft.irfftn(x, lengths, axes=axes, norm=INVERSE_NORMS[scale])  # type: ignore[arg-type]


def _whole_vjp(g: Tensor, node: Node) -> Tensor:
    axes, length = node.attrs["axes"], node.attrs["length"]
    edge = node.edges[0]
    assert edge is not None
    half = apply(FFT_HALF, (g,), {"axes": axes, "scale": node.attrs["scale"]})
    # The numbers that stand for a conjugate pair count twice.
    weights = np.full(length // 2 + 1, 2.0, g._array.dtype)
    weights[0] = 1.0
    if length % 2 == 0:
        weights[-1] = 1.0
    shape = [1] * len(edge.shape)
    shape[axes[-1]] = -1
    weighted = mul(half, tensor_beside(half, weights.reshape(shape)))
    return resized(weighted, axes[-1], edge.shape[axes[-1]])


FFT_WHOLE = Primitive("fft_half_to_real", _whole_impl, _whole_vjp, grad_name="FftC2RBackward0")


def _transformed(record: Primitive, x: Tensor, attrs: dict[str, Any]) -> Tensor:
    array: Any = x._array
    axes = attrs["axes"]
    if isinstance(array, Pending) and axes and array.size:
        # The results of a recording's records lie in one order; what is a view of them in another does so there too.
        like: Any = array  # (it has strides)
        order = _ORDERS[record.name](like, axes)
        if order != list(range(array.ndim)):
            moved = apply(
                record, (permute(x, order),), {**attrs, "axes": tuple([order.index(axis) for axis in axes])}
            )
            return known_as(
                permute(moved, [int(place) for place in np.argsort(order)]), str(record.grad_name)
            )
    return apply(record, (x,), attrs)  # type: ignore[no-any-return]


_ORDERS: Final = {
    FFT_COMPLEX.name: _order_of_complex,
    FFT_HALF.name: _order_of_half,
    FFT_WHOLE.name: _order_of_whole,
}

# --- arguments --------------------------------------------------------------------------------------------------------


def resized(x: Tensor, dim: int, length: int) -> Tensor:
    """``x`` cut, or with zeros added at the end, to ``length`` along ``dim``."""
    shape = x._array.shape
    if shape[dim] == length:
        return x
    if shape[dim] > length:
        return narrow(x, dim, 0, length)
    if length > LONG_DIMENSION:
        check_fits((*shape[:dim], length, *shape[dim + 1 :]), x._array.dtype.itemsize)
    added = tensor_beside(x, np.zeros((*shape[:dim], length - shape[dim], *shape[dim + 1 :]), x._array.dtype))
    return cat([x, added], dim)


def _scale(norm: str | None, forward: bool) -> int:
    if norm is None:
        norm = "backward"
    if norm not in FORWARD_NORMS:
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    return (FORWARD_NORMS if forward else INVERSE_NORMS).index(norm)


def _floating(input: Tensor, name: str, real_only: bool = False) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    kind = input._array.dtype
    if real_only and kind.kind == "c":
        raise RuntimeError(f"{name} expects a real input tensor, but got {type_name(kind)}")
    if kind not in INEXACT:
        return to(input, OF_NUMPY[default_numpy()])
    if kind not in (F32, F64, C64, C128):
        raise RuntimeError(f"Unsupported dtype {type_name(kind)}")
    return input


def _points(n: int) -> int:
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"argument 'n' must be int, not {type(n).__name__}")
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return n


def _one_dim(input: Tensor, dim: int, n: int | None) -> tuple[int, int]:
    """The dimension counted from the front, and the number of points."""
    ndim = input._array.ndim
    if not ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = wrap_dim(dim, ndim, scalar_ok=False)
    return dim, _points(input._array.shape[dim] if n is None else n)


def _some_dims(input: Tensor, dim: Dims, s: Dims, name: str) -> tuple[tuple[int, ...], list[int]]:
    """The dimensions counted from the front, and the number of points along each (-1 where ``s`` does not say)."""
    ndim = input._array.ndim
    given: Any = dim
    dims = None if given is None else (given,) if alone(given) else tuple(given)
    lengths: Any = (s,) if alone(s) else s
    sizes = None if lengths is None else [index(n) for n in lengths]
    if dims is not None:
        dims = tuple(wrap_dim(d, ndim, scalar_ok=False) for d in dims)
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
    if sizes is not None:
        if dims is not None and len(dims) != len(sizes):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
        if len(sizes) > ndim:
            raise RuntimeError(
                f"Got shape with {len(sizes)} values but input tensor only has {ndim} dimensions."
            )
        if dims is None:
            dims = tuple(range(ndim - len(sizes), ndim))
    else:
        if dims is None:
            dims = tuple(range(ndim))
        sizes = [-1] * len(dims)
    for d, n in zip(dims, sizes, strict=True):
        if n != -1:
            _points(n)
        elif not name.startswith(("irfft", "hfft")) or d != dims[-1]:
            _points(input._array.shape[d])
    return dims, sizes


def _finish(result: Tensor, out: Tensor | None, name: str) -> Tensor:
    if out is None:
        return result
    if isinstance(out, Tensor) and (out._array.dtype.kind == "c") != (result._array.dtype.kind == "c"):
        wanted = "complex" if result._array.dtype.kind == "c" else "floating point"
        raise RuntimeError(f"{name} expects a {wanted} output tensor, but got {type_name(out._array.dtype)}")
    return write_out(out, result, f"fft_{name}")


# --- one dimension ----------------------------------------------------------------------------------------------------


@numpy_names
def fft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The discrete Fourier transform of ``input`` along ``dim``, of ``n`` points (cut, or filled up with zeros).

    ``norm``: ``"backward"`` leaves the sums as they are, ``"ortho"`` divides them by the root of ``n``, ``"forward"`` by
    ``n``. The result is complex. Raises ``RuntimeError`` for ``n`` < 1, half precision, or another ``norm``.

    Example:
        >>> import rushlight as torch
        >>> torch.fft.fft(torch.tensor([1., 2., 3., 2.]))
        tensor([ 8.+0.j, -2.+0.j,  0.+0.j, -2.+0.j])
    """
    return _finish(_along_one(input, n, dim, norm, True, "fft"), out, "fft")


@numpy_names
def ifft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The inverse of ``fft``, with the same arguments; ``norm="backward"`` divides by ``n`` here.

    Example:
        >>> import rushlight as torch
        >>> torch.fft.ifft(torch.tensor([8., -2., 0., -2.]))
        tensor([1.+0.j, 2.+0.j, 3.+0.j, 2.+0.j])
    """
    return _finish(_along_one(input, n, dim, norm, False, "ifft"), out, "ifft")


def _along_one(input: Tensor, n: int | None, dim: int, norm: str | None, forward: bool, name: str) -> Tensor:
    input = _floating(input, name)
    dim, n = _one_dim(input, dim, n)
    attrs = {"axes": (dim,), "scale": _scale(norm, forward), "forward": forward}
    return _transformed(FFT_COMPLEX, resized(input, dim, n), attrs)


@numpy_names
def rfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The first half (``n // 2 + 1`` numbers) of the transform of real numbers; the rest are their conjugates.

    Arguments as for ``fft``. Raises ``RuntimeError`` for complex input.

    Example:
        >>> import rushlight as torch
        >>> torch.fft.rfft(torch.tensor([1., 2., 3., 2.]))
        tensor([ 8.+0.j, -2.+0.j,  0.+0.j])
    """
    input = _floating(input, "rfft", True)
    dim, n = _one_dim(input, dim, n)
    result = _transformed(FFT_HALF, resized(input, dim, n), {"axes": (dim,), "scale": _scale(norm, True)})
    return _finish(result, out, "rfft")


@numpy_names
def irfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The inverse of ``rfft``: ``n`` real numbers (by default twice the input's length less 2).

    Example:
        >>> import rushlight as torch
        >>> torch.fft.irfft(torch.tensor([8., -2., 0.]))
        tensor([1., 2., 3., 2.])
    """
    return _finish(_to_real(input, n, dim, norm, False, "irfft"), out, "irfft")


def _to_real(input: Tensor, n: int | None, dim: int, norm: str | None, forward: bool, name: str) -> Tensor:
    input = _floating(input, name)
    if n is None and input._array.ndim:
        n = 2 * (input._array.shape[wrap_dim(dim, input._array.ndim, scalar_ok=False)] - 1)
    dim, n = _one_dim(input, dim, n)
    half = resized(conj(input) if forward else input, dim, n // 2 + 1)
    attrs = {"axes": (dim,), "scale": _scale(norm, forward), "length": n}
    return _transformed(FFT_WHOLE, half, attrs)


@numpy_names
def hfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The transform, real, of numbers of which ``input`` is the first half and the rest are its conjugates.

    Example:
        >>> import rushlight as torch
        >>> torch.fft.hfft(torch.tensor([1., 2., 3.]))
        tensor([ 8., -2.,  0., -2.])
    """
    return _finish(_to_real(input, n, dim, norm, True, "hfft"), out, "hfft")


@numpy_names
def ihfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The inverse of ``hfft``: the first half of the inverse transform of real numbers.

    Example:
        >>> import rushlight as torch
        >>> torch.fft.ihfft(torch.tensor([8., -2., 0., -2.])).real
        tensor([1., 2., 3.])
    """
    input = _floating(input, "ihfft", True)
    dim, n = _one_dim(input, dim, n)
    half = _transformed(FFT_HALF, resized(input, dim, n), {"axes": (dim,), "scale": _scale(norm, False)})
    return _finish(conj(half), out, "ihfft")


# --- several dimensions -----------------------------------------------------------------------------------------------


def _resized_all(input: Tensor, dims: tuple[int, ...], sizes: Sequence[int]) -> Tensor:
    for dim, n in zip(dims, sizes, strict=True):
        if n != -1:
            input = resized(input, dim, n)
    return input


def _along_several(input: Tensor, s: Dims, dim: Dims, norm: str | None, forward: bool, name: str) -> Tensor:
    input = _floating(input, name)
    dims, sizes = _some_dims(input, dim, s, name)
    attrs = {"axes": dims, "scale": _scale(norm, forward), "forward": forward}
    return _transformed(FFT_COMPLEX, _resized_all(input, dims, sizes), attrs)


def fftn(
    input: Tensor, s: Dims = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """``fft`` along several dimensions: ``dim`` (all, or the last ``len(s)``), of ``s`` points each.

    Example:
        >>> import rushlight as torch
        >>> torch.fft.fftn(torch.ones(2, 2)).real
        tensor([[4., 0.],
                [0., 0.]])
    """
    return _finish(_along_several(input, s, dim, norm, True, "fftn"), out, "fftn")


def ifftn(
    input: Tensor, s: Dims = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The inverse of ``fftn``, with the same arguments."""
    return _finish(_along_several(input, s, dim, norm, False, "ifftn"), out, "ifftn")


def rfftn(
    input: Tensor, s: Dims = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The transform of real numbers along several dimensions, of the last of which only the first half is given."""
    return _finish(_half_of_several(input, s, dim, norm, True, "rfftn"), out, "rfftn")


def _half_of_several(input: Tensor, s: Dims, dim: Dims, norm: str | None, forward: bool, name: str) -> Tensor:
    input = _floating(input, name, True)
    dims, sizes = _some_dims(input, dim, s, name)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    attrs = {"axes": dims, "scale": _scale(norm, forward)}
    return _transformed(FFT_HALF, _resized_all(input, dims, sizes), attrs)


def _several_to_real(input: Tensor, s: Dims, dim: Dims, norm: str | None, forward: bool, name: str) -> Tensor:
    input = _floating(input, name)
    dims, sizes = _some_dims(input, dim, s, name)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    length = sizes[-1] if sizes[-1] != -1 else 2 * (input._array.shape[dims[-1]] - 1)
    _points(length)
    input = _resized_all(input, dims, [*sizes[:-1], length // 2 + 1])
    attrs = {"axes": dims, "scale": _scale(norm, forward), "length": length}
    return _transformed(FFT_WHOLE, conj(input) if forward else input, attrs)


def irfftn(
    input: Tensor, s: Dims = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The inverse of ``rfftn``: real numbers, ``s[-1]`` of them along the last dimension."""
    return _finish(_several_to_real(input, s, dim, norm, False, "irfftn"), out, "irfftn")


def hfftn(
    input: Tensor, s: Dims = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """``hfft`` along several dimensions; ``input`` is the first half along the last of them."""
    return _finish(_several_to_real(input, s, dim, norm, True, "hfftn"), out, "hfftn")


def ihfftn(
    input: Tensor, s: Dims = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The inverse of ``hfftn``: of real numbers, the first half along the last dimension."""
    half = _half_of_several(input, s, dim, norm, False, "ihfftn")
    return _finish(conj(half), out, "ihfftn")


def _in_two(several: Callable[..., Tensor], name: str, doc: str) -> Any:
    def function(
        input: Tensor,
        s: Dims = None,
        dim: Dims = (-2, -1),
        norm: str | None = None,
        *,
        out: Tensor | None = None,
    ) -> Tensor:
        return several(input, s, dim, norm, out=out)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


fft2 = _in_two(fftn, "fft2", "``fftn`` along the last two dimensions, or the two in ``dim``.")
ifft2 = _in_two(ifftn, "ifft2", "``ifftn`` along the last two dimensions, or the two in ``dim``.")
rfft2 = _in_two(rfftn, "rfft2", "``rfftn`` along the last two dimensions, or the two in ``dim``.")
irfft2 = _in_two(irfftn, "irfft2", "``irfftn`` along the last two dimensions, or the two in ``dim``.")
hfft2 = _in_two(hfftn, "hfft2", "``hfftn`` along the last two dimensions, or the two in ``dim``.")
ihfft2 = _in_two(ihfftn, "ihfft2", "``ihfftn`` along the last two dimensions, or the two in ``dim``.")

# --- frequencies ------------------------------------------------------------------------------------------------------


def _shifted(input: Tensor, dim: Dims, back: bool) -> Tensor:
    ndim = input._array.ndim
    given: Any = dim
    dims = range(ndim) if given is None else (given,) if alone(given) else given
    wrapped = tuple(wrap_dim(d, ndim) for d in dims)
    if not ndim:
        return roll(input, 0)
    return roll(input, tuple((input._array.shape[d] + back) // 2 for d in wrapped), wrapped)


def fftshift(input: Tensor, dim: Dims = None) -> Tensor:
    """The halves along ``dim`` (all by default) exchanged, so that the frequency 0 comes to the middle.

    Example:
        >>> import rushlight as torch
        >>> torch.fft.fftshift(torch.fft.fftfreq(4))
        tensor([-0.5000, -0.2500,  0.0000,  0.2500])
    """
    return _shifted(input, dim, False)


def ifftshift(input: Tensor, dim: Dims = None) -> Tensor:
    """The inverse of ``fftshift``."""
    return _shifted(input, dim, True)


def fftfreq(
    n: int,
    d: float = 1.0,
    *,
    out: Tensor | None = None,
    dtype: dtype | None = None,
    layout: Any = None,
    device: DeviceLike | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The frequencies of ``fft``'s results for ``n`` points ``d`` apart: 0, 1, … and then the negative ones, over ``n d``.

    Example:
        >>> import rushlight as torch
        >>> torch.fft.fftfreq(5)
        tensor([ 0.0000,  0.2000,  0.4000, -0.4000, -0.2000])
    """
    numbers = np.arange(n)
    numbers[(n + 1) // 2 :] -= n
    return _frequencies(numbers, n, d, out, dtype, layout, device, requires_grad, "fft_fftfreq")


def rfftfreq(
    n: int,
    d: float = 1.0,
    *,
    out: Tensor | None = None,
    dtype: dtype | None = None,
    layout: Any = None,
    device: DeviceLike | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The frequencies of ``rfft``'s results for ``n`` points ``d`` apart.

    Example:
        >>> import rushlight as torch
        >>> torch.fft.rfftfreq(5)
        tensor([0.0000, 0.2000, 0.4000])
    """
    return _frequencies(
        np.arange(n // 2 + 1), n, d, out, dtype, layout, device, requires_grad, "fft_rfftfreq"
    )


def _frequencies(
    numbers: Array,
    n: int,
    d: float,
    out: Tensor | None,
    given: dtype | None,
    layout: Any,
    device: DeviceLike | None,
    requires_grad: bool,
    name: str,
) -> Tensor:
    check_layout(layout)
    kind = numpy_dtype(given) if out is None else out_dtype(out, given, name)
    result = make_tensor(
        placed((numbers.astype(kind) * (1.0 / (n * d))).astype(kind), require_available(device))
    )
    if out is not None:
        return write_out(out, result, name)
    return result.requires_grad_(requires_grad) if requires_grad else result


METHODS: dict[str, Any] = {}
