"""How CuPy computes the records whose ``impl`` is written for NumPy alone: one function of (cupy, arrays, parameters) each.

A rule answers ``NotImplemented`` for operands that it does not take; the operation is then computed on the CPU. Nothing here
is launched by itself: these are CuPy's kernels, cuBLAS for the matrix products among them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.dtypes import BF16, F16, F32, F64, I64, LOW_PRECISION
from .cuda_arithmetic_rules import ARITHMETIC
from .cuda_ctc_rules import CTC
from .cuda_linalg_rules import LINALG
from .cuda_ordering_rules import ORDERING
from .cuda_scan_rules import SCANS
from .cuda_scatter_rules import MOVING, SCATTERING, as_bits
from .cuda_spectral_rules import SPECTRAL

# --- bfloat16, as bits ------------------------------------------------------------------------------------------------


def of_bits(cupy: Any, array: Any) -> Any:
    """A bfloat16 array as float32: its bits are the upper half of the float32's."""
    bits = cupy.ascontiguousarray(array.view(np.uint16)) if array.size else array.view(np.uint16)
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def to_bits(cupy: Any, array: Any) -> Any:
    """A float32 array rounded to bfloat16, ties to even; every nan becomes the quiet one."""
    bits = cupy.ascontiguousarray(array).view(np.uint32)
    rounded = bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))
    nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
    upper = cupy.where(
        nan, np.uint32(0x7FC0) | ((bits >> np.uint32(16)) & np.uint32(0x8000)), rounded >> np.uint32(16)
    )
    return upper.astype(np.uint16).view(BF16).reshape(array.shape)


# --- the records whose impl is a NumPy ufunc that CuPy has too, by the ufunc's name -------------------------------------

UFUNCS: Final[dict[str, str]] = {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal",
    "bitwise_and": "bitwise_and", "bitwise_or": "bitwise_or", "bitwise_xor": "bitwise_xor", "bitwise_not": "invert",
    "add": "add", "sub": "subtract", "mul": "multiply", "div": "true_divide", "neg": "negative",
    "reciprocal": "reciprocal", "gcd": "gcd", "maximum": "maximum", "minimum": "minimum", "exp": "exp", "expm1": "expm1",
    "exp2": "exp2", "log": "log", "log2": "log2", "log10": "log10", "log1p": "log1p", "sqrt": "sqrt", "sin": "sin",
    "cos": "cos", "tan": "tan", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "sinh": "sinh", "cosh": "cosh",
    "tanh": "tanh", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "atan2": "arctan2", "hypot": "hypot",
    "abs": "absolute", "copysign": "copysign",
}  # fmt: skip

# Records whose impl uses of an array only what CuPy's has with the same meaning: views, copies, arithmetic.
DIRECT: Final = frozenset(
    (
        "clone", "contiguous", "alias", "view", "reshape", "squeeze", "unsqueeze", "permute", "transpose", "t", "slice",
        "select", "with_new_dimension", "unbind", "split", "split_with_sizes", "untracked_view", "function_view", "expand",
        "overwritten", "copy", "flip", "roll", "dropout", "diagonal", "unfold", "as_strided", "view_as_real",
        "view_as_complex",
    )
)  # fmt: skip

# Records whose rules take bfloat16 as it is, most of them moves. Of the others such operands are widened to float32.
ANY_BITS: Final = (
    MOVING | (DIRECT - {"dropout"}) | {"cat", "stack", "slice_backward", "to_copy", "nextafter", "bincount"}
)


def _wide(kind: Any) -> Any:
    """The dtype in which sums of ``kind`` are taken."""
    return F32 if kind == F16 else kind


def _sum(cupy: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    return cupy.sum(x, axis=axis, dtype=_wide(x.dtype), keepdims=keepdims).astype(x.dtype, copy=False)


def _mean(cupy: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    n = x.size if axis is None else int(np.prod([x.shape[i] for i in axis], dtype=np.int64))
    total = cupy.sum(x, axis=axis, dtype=_wide(x.dtype), keepdims=keepdims)
    if not n:
        return cupy.full_like(total, np.nan).astype(x.dtype, copy=False)
    return (total / total.dtype.type(n)).astype(x.dtype, copy=False)


def _prod(cupy: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    return cupy.prod(x, axis=axis, dtype=_wide(x.dtype), keepdims=keepdims).astype(x.dtype, copy=False)


def _truth(name: str) -> Callable[..., Any]:
    def rule(cupy: Any, x: Any, axis: Any, keepdims: bool) -> Any:
        result = getattr(cupy, name)(x, axis=axis, keepdims=keepdims)
        return result.astype(np.uint8) if x.dtype == np.uint8 else result

    return rule


def _extremum(name: str) -> Callable[..., Any]:
    def rule(cupy: Any, x: Any, axis: Any, keepdims: bool) -> Any:
        if x.dtype.kind == "c" or not x.size:
            return NotImplemented
        return getattr(cupy, name)(x, axis=axis, keepdims=keepdims)

    return rule


def _extremum_and_place(name: str, find: str) -> Callable[..., Any]:
    def rule(cupy: Any, x: Any, dim: int, keepdims: bool) -> Any:
        if x.dtype.kind == "c" or not x.size:
            return NotImplemented
        if not x.ndim:
            return x.copy(), cupy.zeros((), I64)
        places = getattr(cupy, find)(x, axis=dim, keepdims=keepdims).astype(I64, copy=False)
        return getattr(cupy, name)(x, axis=dim, keepdims=keepdims), places

    return rule


def _place(find: str) -> Callable[..., Any]:
    def rule(cupy: Any, x: Any, dim: int | None, keepdims: bool) -> Any:
        if not x.size:
            return NotImplemented
        if not x.ndim:
            return cupy.zeros((), I64)
        return getattr(cupy, find)(x, axis=dim, keepdims=keepdims).astype(I64, copy=False)

    return rule


def _where(cupy: Any, condition: Any, x: Any, y: Any) -> Any:
    return cupy.where(condition, x, y)


def _clamp(cupy: Any, x: Any, lower: Any, upper: Any) -> Any:
    if lower is not None:
        x = cupy.maximum(x, lower)
    return x if upper is None else cupy.minimum(x, upper)


def _relu(cupy: Any, x: Any) -> Any:
    return cupy.maximum(x, x.dtype.type(0))


def _sigmoid(cupy: Any, x: Any) -> Any:
    wide = x.astype(F32, copy=False) if x.dtype == F16 else x
    one = wide.dtype.type(1)
    return cupy.reciprocal(one + cupy.exp(-wide)).astype(x.dtype, copy=False)


def _rounded(name: str) -> Callable[..., Any]:
    def rule(cupy: Any, x: Any) -> Any:
        return x.copy() if x.dtype.kind in "iub" else getattr(cupy, name)(x)

    return rule


def _pow_number(cupy: Any, x: Any, exponent: Any) -> Any:
    if exponent == 2:
        return x * x
    if exponent == 3:
        return x * x * x
    if exponent == 1:
        return x.copy()
    if x.dtype.kind not in "fc":
        return NotImplemented
    if exponent == 0.5:
        return cupy.sqrt(x)
    if exponent == -1:
        return cupy.reciprocal(x)
    if exponent == -2:
        return cupy.reciprocal(x * x)
    if exponent == -0.5:
        return cupy.reciprocal(cupy.sqrt(x))
    return cupy.power(x, x.dtype.type(exponent))


def _softmax(cupy: Any, x: Any, dim: int) -> Any:
    if not x.ndim or not x.size:
        return NotImplemented
    wide = x.astype(_wide(x.dtype), copy=False)
    powers = cupy.exp(wide - cupy.amax(wide, axis=dim, keepdims=True))
    return (powers / cupy.sum(powers, axis=dim, keepdims=True)).astype(x.dtype, copy=False)


def _log_softmax(cupy: Any, x: Any, dim: int) -> Any:
    if not x.ndim or not x.size:
        return NotImplemented
    wide = x.astype(_wide(x.dtype), copy=False)
    shifted = wide - cupy.amax(wide, axis=dim, keepdims=True)
    total = cupy.sum(cupy.exp(shifted), axis=dim, keepdims=True)
    return (shifted - cupy.log(total)).astype(x.dtype, copy=False)


# --- moving -----------------------------------------------------------------------------------------------------------


def _cat(cupy: Any, *arrays: Any, dim: int, lengths: Any = None) -> Any:
    parts = [array for array in arrays if array.ndim > dim and (array.size or array.ndim > 1)] or arrays
    if any([part.dtype == BF16 for part in parts]):
        if any([part.dtype != BF16 for part in parts]):
            return NotImplemented
        return cupy.concatenate([part.view(np.uint16) for part in parts], dim).view(BF16)
    return cupy.concatenate(list(parts), dim)


def _stack(cupy: Any, *arrays: Any, dim: int) -> Any:
    return _cat(cupy, *[cupy.expand_dims(array, dim) for array in arrays], dim=dim % (arrays[0].ndim + 1))


def _cast(cupy: Any, x: Any, dtype: Any) -> Any:
    if x.dtype == dtype:
        return x.copy()
    if x.dtype == BF16:
        wide = of_bits(cupy, x)
        return wide if dtype == F32 else _cast(cupy, wide, dtype)
    if dtype == BF16:
        if x.dtype.kind == "c":
            x = x.real
        return to_bits(cupy, x.astype(F32, copy=False))
    if 0 in x.strides and x.size:
        x = cupy.ascontiguousarray(x)
    if x.dtype.kind == "c" and dtype.kind not in "cb":
        x = x.real
    if dtype.kind in "iu" and x.dtype.kind == "f" and dtype.itemsize < 8:
        return x.astype(I64).astype(dtype)
    if dtype.itemsize == 2 and x.dtype == F64 and dtype.kind == "f":
        return x.astype(F32).astype(dtype)
    return x.astype(dtype)


def _masked_fill(cupy: Any, x: Any, value: Any, mask: Any) -> Any:
    if value.dtype != x.dtype:
        value = value.astype(x.dtype)
    return cupy.where(mask, value, x)


def _slice_gradient(cupy: Any, g: Any, shape: Any, index: Any) -> Any:
    result = cupy.zeros(shape, np.uint16 if g.dtype == BF16 else g.dtype)
    result[index] = as_bits(g)
    return result.view(g.dtype)


def _embedded(cupy: Any, values: Any, shape: Any, record: Any, attrs: Any) -> Any:
    result = cupy.zeros(shape, values.dtype)
    record.impl(result, **attrs)[...] = values
    return result


def _triangle(name: str) -> Callable[..., Any]:
    def rule(cupy: Any, x: Any, diagonal: int) -> Any:
        return getattr(cupy, name)(x, diagonal) if x.ndim > 1 else NotImplemented

    return rule


def _constant_pad(cupy: Any, x: Any, pads: Any, value: Any) -> Any:
    shape = tuple([n + before + after for n, (before, after) in zip(x.shape, pads, strict=True)])
    result = cupy.empty(shape, x.dtype)
    result.fill(x.dtype.type(value))
    inside, kept = [], []
    for n, (before, after) in zip(x.shape, pads, strict=True):
        inside.append(slice(max(before, 0), n + before + min(after, 0)))
        kept.append(slice(max(-before, 0), n + min(after, 0)))
    result[tuple(inside)] = x[tuple(kept)]
    return result


# --- matrix products: cuBLAS ------------------------------------------------------------------------------------------


def _product(cupy: Any, x: Any, y: Any) -> Any:
    if 0 in x.shape or 0 in y.shape:
        shape = x.shape[:-1] if y.ndim == 1 else (*x.shape[:-1], y.shape[-1])
        return cupy.zeros(shape, x.dtype)
    return NotImplemented if x.dtype.kind == "b" else cupy.matmul(x, y)


def _mm(cupy: Any, x: Any, y: Any, transposed: bool = False) -> Any:
    return _product(cupy, x, y)


def _mm_nt(cupy: Any, x: Any, y: Any) -> Any:
    return _product(cupy, x, y.T)


def _mm_tn(cupy: Any, x: Any, y: Any) -> Any:
    return _product(cupy, x.T, y)


def _add_product(cupy: Any, c: Any, x: Any, y: Any, beta: Any, alpha: Any) -> Any:
    product = _product(cupy, x, y)
    if product is NotImplemented:
        return product
    if alpha != 1:
        product *= product.dtype.type(alpha)
    if beta == 0:
        return product
    return product + (c if beta == 1 else c * c.dtype.type(beta))


def _linear(cupy: Any, bias: Any, x: Any, w: Any) -> Any:
    rows = x if x.ndim == 2 else x.reshape(int(np.prod(x.shape[:-1], dtype=np.int64)), x.shape[-1])
    product = _product(cupy, rows, w.T)
    if product is NotImplemented:
        return product
    if bias is not None:
        product += bias
    return product if x.ndim == 2 else product.reshape((*x.shape[:-1], w.shape[0]))


# --- convolution: packed GEMM -----------------------------------------------------------------------------------------


def _windows(cupy: Any, x: Any, kernel: Any, stride: Any, dilation: Any, output: Any) -> Any:
    """The view (N, C, *kernel, *output) of a padded input: what each output position is made of."""
    lead = x.strides[:2]
    steps = x.strides[2:]
    strides = (
        *lead,
        *[s * d for s, d in zip(steps, dilation, strict=True)],
        *[s * t for s, t in zip(steps, stride, strict=True)],
    )
    return cupy.lib.stride_tricks.as_strided(x, (*x.shape[:2], *kernel, *output), strides)


def _padded(cupy: Any, x: Any, padding: Any) -> Any:
    if not any([before or after for before, after in padding]):
        return x
    return _constant_pad(cupy, x, ((0, 0), (0, 0), *padding), 0)


def _output_shape(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> tuple[int, ...]:
    return tuple(
        [
            (n + before + after - d * (k - 1) - 1) // s + 1
            for n, k, s, (before, after), d in zip(
                x.shape[2:], kernel, stride, padding, dilation, strict=True
            )
        ]
    )


def _convolution(
    cupy: Any,
    x: Any,
    w: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    output: Any = None,
) -> Any:
    """Cross-correlation (N, C, ...) with (K, C / groups, ...): the windows as a matrix, times the weights as one."""
    if x.dtype.kind not in "fciu" or x.dtype in LOW_PRECISION or not x.size or not w.size:
        return NotImplemented
    kernel = w.shape[2:]
    extents = _output_shape(x, kernel, stride, padding, dilation) if output is None else tuple(output)
    if 0 in extents:
        return NotImplemented
    padded = _padded(cupy, x, _enough(x, kernel, stride, padding, dilation, extents))
    n = x.shape[0]
    rows, positions = int(np.prod(w.shape[1:])), int(np.prod(extents))
    columns = _windows(cupy, padded, kernel, stride, dilation, extents).reshape(n, groups, rows, positions)
    weights = w.reshape(groups, w.shape[0] // groups, rows)
    result = cupy.matmul(weights, columns).reshape(n, w.shape[0], *extents)
    return result if bias is None else result + bias.reshape(-1, *(1,) * len(extents))


def _enough(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, extents: Any) -> list[Any]:
    """The padding, wider at the end where the asked-for output reaches further."""
    wider = []
    for n, k, s, (before, after), d, m in zip(
        x.shape[2:], kernel, stride, padding, dilation, extents, strict=True
    ):
        needed = (m - 1) * s + d * (k - 1) + 1
        wider.append((before, max(after, needed - n - before)))
    return wider


def _convolution_input_gradient(
    cupy: Any, g: Any, w: Any, bias: Any, spatial: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    if g.dtype.kind not in "fciu" or g.dtype in LOW_PRECISION or not g.size or not w.size:
        return NotImplemented
    n, kernel, extents = g.shape[0], w.shape[2:], g.shape[2:]
    rows, positions = int(np.prod(w.shape[1:])), int(np.prod(extents))
    weights = w.reshape(groups, w.shape[0] // groups, rows).swapaxes(1, 2)
    grouped = g.reshape(n, groups, g.shape[1] // groups, positions)
    columns = cupy.matmul(weights, grouped).reshape(n, groups * w.shape[1], *kernel, *extents)
    fake_stride = [
        (m - 1) * s + d * (k - 1) + 1 for m, s, k, d in zip(extents, stride, kernel, dilation, strict=True)
    ]
    full = [max(size + before + after, reach) for size, (before, after), reach in
            zip(spatial, padding, fake_stride, strict=True)]  # fmt: skip
    padded = cupy.zeros((n, columns.shape[1], *full), g.dtype)
    for offset in np.ndindex(
        *kernel
    ):  # one pass for each place in the kernel: within one pass no two windows overlap
        place = tuple(
            [
                slice(o * d, o * d + (m - 1) * s + 1, s)
                for o, d, m, s in zip(offset, dilation, extents, stride, strict=True)
            ]
        )
        padded[(slice(None), slice(None), *place)] += columns[(slice(None), slice(None), *offset)]
    inside = tuple([slice(before, before + size) for size, (before, _) in zip(spatial, padding, strict=True)])
    result = padded[(slice(None), slice(None), *inside)]
    result = cupy.ascontiguousarray(result)
    return result if bias is None else result + bias.reshape(-1, *(1,) * len(spatial))


def _convolution_weight_gradient(
    cupy: Any, g: Any, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    if g.dtype.kind not in "fciu" or g.dtype in LOW_PRECISION or not g.size or not x.size:
        return NotImplemented
    n, extents = g.shape[0], g.shape[2:]
    padded = _padded(cupy, x, _enough(x, kernel, stride, padding, dilation, extents))
    in_group = x.shape[1] // groups
    rows, positions = in_group * int(np.prod(kernel)), int(np.prod(extents))
    columns = _windows(cupy, padded, kernel, stride, dilation, extents).reshape(n, groups, rows, positions)
    grouped = g.reshape(n, groups, g.shape[1] // groups, positions)
    parts = cupy.matmul(grouped, columns.swapaxes(2, 3))
    return cupy.sum(parts, axis=0).reshape(g.shape[1], in_group, *kernel)


RULES: Final[dict[str, Callable[..., Any]]] = {
    "sum": _sum, "mean": _mean, "prod": _prod, "all": _truth("all"), "any": _truth("any"),
    "max": _extremum("amax"), "min": _extremum("amin"), "amax": _extremum("amax"), "amin": _extremum("amin"),
    "max_dim": _extremum_and_place("amax", "argmax"), "min_dim": _extremum_and_place("amin", "argmin"),
    "argmax": _place("argmax"), "argmin": _place("argmin"), "where": _where, "clamp": _clamp, "relu": _relu,
    "sigmoid": _sigmoid, "floor": _rounded("floor"), "ceil": _rounded("ceil"), "round": _rounded("rint"),
    "trunc": _rounded("trunc"), "pow_number": _pow_number, "softmax": _softmax,
    "log_softmax": _log_softmax, "cat": _cat, "stack": _stack, "to_copy": _cast, "masked_fill": _masked_fill,
    "tril": _triangle("tril"), "triu": _triangle("triu"), "constant_pad_nd": _constant_pad,
    "mm": _mm, "mm_nt": _mm_nt, "mm_tn": _mm_tn, "bmm": _product, "mv": _product, "dot": _product,
    "addmm": _add_product, "addmv": _add_product, "baddbmm": _add_product, "linear": _linear,
    "slice_backward": _slice_gradient, "embed_view": _embedded, "convolution": _convolution,
    "convolution_input_gradient": _convolution_input_gradient,
    "convolution_weight_gradient": _convolution_weight_gradient,
    **ARITHMETIC, **ORDERING, **SCANS, **SCATTERING, **LINALG, **SPECTRAL, **CTC,
}  # fmt: skip
