"""Activation functions, as ``nn.functional`` has them, and softmax."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from ..core.device import device_of
from ..core.dtypes import F32, F64, LOW_PRECISION, dtype, float64
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node, known_as
from ..core.numpy_clip import clip
from ..core.shapes import wrap_dim
from ..core.storage import LIBRARY, Storage, program_site
from ..core.tensor import Tensor, make_tensor
from ..runtime.batched import Batched
from ..runtime.large import run_large
from .bounds import clamp
from .comparison import bitwise_and, ge, gt, le, lt, where
from .creation import empty, ones_like
from .define import Primitive
from .dispatch import apply, compute, not_implemented, unary, write_out
from .functions import SIGMOID, abs, erf, sigmoid, tanh, widened
from .inplace import overwrite
from .linalg import write_exact
from .movement import cast, narrow, reshape
from .numpy_names import required_dim
from .pointwise import div, in_float32, in_float32_vjp, mul, neg, sub
from .powers import exp, square
from .quick_inplace import wrote
from .reductions import apply_to_one, numpy_type, sum_dims
from .summation import plan_for

INPUT = ((0, (0,)),)
maximum_of = np.maximum
ndarray = np.ndarray
asarray = np.asarray
grad_enabled = GRAD_MODE.get
getframe = sys._getframe
_EXACT = "biu"  # the kinds that most activations refuse; complex numbers too
_INEXACT_ONLY = "biuc"


def _or_inplace(inplace: bool, function: Any, input: Tensor, args: tuple[Any, ...], name: str) -> Tensor:
    return overwrite(input, function, args, {}, name + "_") if inplace else function(input, *args)


def _of_floats(record: Primitive, self: Tensor, attrs: dict[str, Any]) -> Tensor:
    """``record``, which refuses all but floats, on one tensor."""
    kind = self._array.dtype
    if kind is F32 or kind is F64:
        return apply_to_one(record, self, attrs)  # type: ignore[no-any-return]
    return apply(record, (self,), attrs)  # type: ignore[no-any-return]


# --- rectifiers -------------------------------------------------------------------------------------------------------


def _relu_impl(x: Any) -> Any:
    if x.dtype is F32:
        return clip(x, _ZERO32, _INF32)
    return clip(x, _ZERO64, _INF64) if x.dtype is F64 else maximum_of(x, x.dtype.type(0))


def _relu_vjp(g: Tensor, node: Node) -> Tensor:
    return where(le(node.unpack()[0], 0), 0, g)  # type: ignore[no-any-return]


def _check_relu(x: Any) -> None:
    if x._array.dtype.kind == "b":
        raise RuntimeError("Boolean inputs not supported for relu")
    if x._array.dtype.kind == "c":
        raise NotImplementedError("clamp is not supported for complex types")


RELU = Primitive("relu", _relu_impl, _relu_vjp, saves_output=True, refuses="bc", check=_check_relu)
unary(RELU)
_relu_general = RELU.inplace
_ZERO32, _ZERO64 = np.asarray(0, F32), np.asarray(0, F64)
_INF32, _INF64 = np.asarray(np.inf, F32), np.asarray(np.inf, F64)


def _relu(self: Tensor) -> Tensor:
    """max(x, 0)."""
    x = self._array
    if type(x) is not ndarray:
        return apply(RELU, (self,))  # type: ignore[no-any-return]
    if x.size >= RELU.large and (x.dtype is F32 or x.dtype is F64):
        array = run_large(RELU, (x,), {})
    elif x.dtype is F32:
        array = clip(x, _ZERO32, _INF32)
    elif x.dtype is F64:
        array = clip(x, _ZERO64, _INF64)
    else:
        return apply(RELU, (self,))  # type: ignore[no-any-return]
    if type(array) is not ndarray:
        array = asarray(array)
    edge = self._node
    if edge is None or not grad_enabled():
        return make_tensor(array)
    frame: Any = getframe(1)
    code = frame.f_code
    site = program_site(frame) if code.co_filename.startswith(LIBRARY) else (code, frame.f_lasti)
    node = Node(RELU, (edge,), array, None, None, site)
    tensor = make_tensor(array, node)
    storage = tensor._storage = Storage()
    node.output = (array, storage, 0)
    return tensor


def relu_(input: Tensor) -> Tensor:
    """In-place form of ``relu``."""
    x = input._array
    bounds = (_ZERO32, _INF32) if x.dtype is F32 else (_ZERO64, _INF64)
    return input if wrote(input, "relu", clip, *bounds) else _relu_general(input)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0); its gradient at 0 is 0.

    Example:
        >>> import rushlight as torch
        >>> torch.relu(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    return relu_(input) if inplace else _relu(input)


def _hardtanh_impl(x: Any, lower: Any, upper: Any) -> Any:
    if x.dtype is F32 or x.dtype is F64:
        return clip(x, asarray(lower, x.dtype), asarray(upper, x.dtype))
    kind = x.dtype.type
    return np.minimum(np.maximum(x, kind(lower)), kind(upper))


def _hardtanh_vjp(g: Tensor, node: Node) -> Tensor:
    (x,) = node.unpack()
    inside = bitwise_and(gt(x, node.attrs["lower"]), lt(x, node.attrs["upper"]))
    return where(inside, g, 0)  # type: ignore[no-any-return]


HARDTANH = Primitive("hardtanh", _hardtanh_impl, _hardtanh_vjp, saves=INPUT, refuses="c")


def _hardtanh(self: Tensor, lower: float, upper: float) -> Tensor:
    if self._array.dtype.kind == "b":
        raise RuntimeError("Bool inputs not supported for hardtanh")
    if self._array.dtype.kind == "u" and (lower < 0 or upper < 0):
        raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
    return apply(HARDTANH, (self,), {"lower": lower, "upper": upper})  # type: ignore[no-any-return]


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """The elements brought into [min_val, max_val]; the gradient at the bounds is 0 (that of ``clamp`` is 1)."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return _or_inplace(inplace, _hardtanh, input, (min_val, max_val), "hardtanh")


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6)."""
    return hardtanh(input, 0.0, 6.0, inplace)


def _leaky_relu_impl(x: Any, slope: Any) -> Any:
    low = x * asarray(slope, x.dtype)
    if 0 < slope <= 1:  # then it is the larger of the two, which is found in one pass
        return maximum_of(x, low)
    return np.where(x > 0, x, low)


def _leaky_relu_vjp(g: Tensor, node: Node) -> Tensor:
    (x,) = node.unpack()
    return where(gt(x, 0), g, mul(g, node.attrs["slope"]))  # type: ignore[no-any-return]


LEAKY_RELU = Primitive(
    "leaky_relu", widened(_leaky_relu_impl), _leaky_relu_vjp, saves=INPUT, refuses=_INEXACT_ONLY
)


def _leaky_relu(self: Tensor, slope: float) -> Tensor:
    return _of_floats(LEAKY_RELU, self, {"slope": slope})


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x above 0, ``negative_slope * x`` elsewhere."""
    return _or_inplace(inplace, _leaky_relu, input, (negative_slope,), "leaky_relu")


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x above 0, ``weight * x`` elsewhere: one weight, or one for each channel (dimension 1).

    Raises ``RuntimeError`` if the number of weights is neither 1 nor that of channels, or the dtypes differ.
    """
    if not isinstance(weight, Tensor):
        raise TypeError(
            f"prelu(): argument 'weight' (position 2) must be Tensor, not {type(weight).__name__}"
        )
    shape = input._array.shape
    count = weight._array.size
    if input._array.dtype != weight._array.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {input.dtype} and {weight.dtype}; convert one of them"
        )
    if weight._array.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight._array.ndim}"
        )
    if weight._array.ndim == 1 and count != 1:
        if not shape:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = shape[1] if len(shape) > 1 else 1
        if count != channels:
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {count} and channel "
                f"size = {channels}."
            )
    if len(shape) > 1 and count != 1:
        weight = reshape(weight, (1, count) + (1,) * (len(shape) - 2))
    elif count == 1 and weight._array.ndim > len(shape):
        weight = reshape(weight, ())
    return known_as(where(gt(input, 0), input, mul(weight, input)), "PreluKernelBackward0")


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """x above 0; elsewhere x times a slope: (lower + upper) / 2, or in training a random one for every element."""
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    return _or_inplace(inplace, _rrelu_training, input, (lower, upper), "rrelu")


def _rrelu_training(self: Tensor, lower: float, upper: float) -> Tensor:
    negative = self._array <= 0
    slopes = ones_like(self.detach())
    if type(negative) is Batched:  # as many for each example: what is not negative keeps its slope of 1
        drawn = slopes.clone().uniform_(lower, upper)
        return mul(self, make_tensor(np.where(negative, drawn._array, slopes._array)))  # type: ignore[no-any-return]
    drawn = empty(int(negative.sum()), dtype=_float64(), device=device_of(self._array)).uniform_(lower, upper)
    slopes._array[negative] = drawn._array.astype(slopes._array.dtype)
    return mul(self, slopes)  # type: ignore[no-any-return]


def _float64() -> dtype:
    return float64


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x above ``threshold``, ``value`` elsewhere."""
    return _or_inplace(inplace, _threshold, input, (threshold, value), "threshold")


def _threshold(self: Tensor, threshold: float, value: float) -> Tensor:
    kind = self._array.dtype.kind
    if kind in "bc":
        raise not_implemented("threshold", self._array.dtype)
    return known_as(
        where(le(self, threshold), int(value) if kind in "iu" else value, self), "ThresholdBackward0"
    )


# --- exponential ones -------------------------------------------------------------------------------------------------


def _elu_impl(x: Any, alpha: Any, scale: Any, input_scale: Any) -> Any:
    dtype = x.dtype
    zero = asarray(0, dtype)
    low = np.minimum(x, zero)
    if input_scale != 1:
        low = low * asarray(input_scale, dtype)
    low = np.expm1(low) * asarray(alpha * scale, dtype)
    return np.where(x > zero, x if scale == 1 else x * asarray(scale, dtype), low)


def _elu_vjp(g: Tensor, node: Node) -> Tensor:
    (x,) = node.unpack()
    alpha, scale, input_scale = node.attrs["alpha"], node.attrs["scale"], node.attrs["input_scale"]
    slope = mul(exp(mul(clamp(x, max=0), input_scale)), alpha * scale * input_scale)
    return where(le(x, 0), mul(g, slope), mul(g, scale))  # type: ignore[no-any-return]


ELU = Primitive("elu", widened(_elu_impl), _elu_vjp, saves=INPUT, refuses=_INEXACT_ONLY)


def _elu(self: Tensor, alpha: float, scale: float = 1.0, input_scale: float = 1.0) -> Tensor:
    return _of_floats(ELU, self, {"alpha": alpha, "scale": scale, "input_scale": input_scale})


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x above 0, ``alpha * (exp(x) - 1)`` elsewhere (Clevert, Unterthiner and Hochreiter, 2015)."""
    return _or_inplace(inplace, _elu, input, (alpha,), "elu")


_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """``elu`` with the constants that keep mean 0 and variance 1 (Klambauer et al., 2017)."""
    return _or_inplace(inplace, _elu, input, (_SELU_ALPHA, _SELU_SCALE), "selu")


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x above 0, ``alpha * (exp(x / alpha) - 1)`` elsewhere (Barron, 2017); ``RuntimeError`` for ``alpha`` 0."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return known_as(_or_inplace(inplace, _elu, input, (alpha, 1.0, 1.0 / alpha), "celu"), "CeluBackward0")


_ALIKE_FROM = 18  # from here on log(1 + exp(x)) is x, as float32 has it


def _softplus_impl(x: Any, beta: Any, threshold: Any) -> Any:
    dtype = x.dtype
    z = x if beta == 1 else x * asarray(beta, dtype)
    smooth = np.logaddexp(z, asarray(0, dtype))
    if beta == 1 and threshold >= _ALIKE_FROM and dtype == F32:
        return smooth
    if beta != 1:
        smooth = smooth / asarray(beta, dtype)
    return np.where(z > asarray(threshold, dtype), x, smooth)


def _softplus_vjp(g: Tensor, node: Node) -> Tensor:
    (x,) = node.unpack()
    z = mul(x, node.attrs["beta"])
    return where(gt(z, node.attrs["threshold"]), g, mul(g, sigmoid(z)))  # type: ignore[no-any-return]


SOFTPLUS = Primitive("softplus", widened(_softplus_impl), _softplus_vjp, saves=INPUT, refuses=_INEXACT_ONLY)


def softplus(
    input: Tensor, beta: float = 1.0, threshold: float = 20.0, *, out: Tensor | None = None
) -> Tensor:
    """log(1 + exp(beta * x)) / beta, a smooth ``relu``; x itself where ``beta * x`` is above ``threshold``."""
    if not isinstance(input, Tensor):
        raise TypeError(
            f"softplus(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    result = _of_floats(SOFTPLUS, input, {"beta": beta, "threshold": threshold})
    return result if out is None else write_out(out, result, "softplus")


def logsigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log(sigmoid(x)), without underflow on the way."""
    result = neg(softplus(neg(input), 1.0, math.inf))
    return known_as(result, "LogSigmoidBackward0") if out is None else write_out(out, result, "log_sigmoid")


def _require_inexact(input: Tensor, name: str, kinds: str = _INEXACT_ONLY) -> None:
    if input._array.dtype.kind in kinds:
        raise not_implemented(name, input._array.dtype)


_times, _sigmoid = mul.operator, SIGMOID.method


def _silu(self: Tensor) -> Tensor:
    if self._array.dtype in LOW_PRECISION:
        return known_as(in_float32(_silu, self), "SiluBackward0")
    return known_as(_times(self, _sigmoid(self)), "SiluBackward0")


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x), also called swish."""
    _require_inexact(input, "silu", _EXACT)
    return _or_inplace(inplace, _silu, input, (), "silu")


def _mish(self: Tensor) -> Tensor:
    if self._array.dtype in LOW_PRECISION:
        return known_as(in_float32(_mish, self), "MishBackward0")
    return known_as(mul(self, tanh(softplus(self, 1.0, math.inf))), "MishBackward0")


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x)) (Misra, 2019)."""
    _require_inexact(input, "mish")
    return _or_inplace(inplace, _mish, input, (), "mish")


def gelu(input: Tensor, approximate: str = "none", *, out: Tensor | None = None) -> Tensor:
    """x * Φ(x), Φ the normal distribution's function; ``approximate="tanh"`` is a quicker form of it.

    Source: Hendrycks and Gimpel, Gaussian error linear units, 2016.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.gelu(torch.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8413])
    """
    _require_inexact(input, "GeluKernelImpl")
    if input._array.dtype in LOW_PRECISION:
        result = in_float32(gelu, input, approximate)
        return known_as(result, "GeluBackward0") if out is None else write_out(out, result, "gelu")
    if approximate == "none":
        result = mul(input, mul(erf(mul(input, math.sqrt(0.5))), 0.5) + 0.5)
    elif approximate == "tanh":
        # (1 + tanh(y)) / 2 is sigmoid(2 y): half the work, and nothing cancels where it is near 0.
        slope = math.sqrt(8 / math.pi)
        result = mul(input, sigmoid(mul(input, mul(square(input), 0.044715 * slope) + slope)))
    else:
        raise RuntimeError("approximate argument must be either none or tanh.")
    return known_as(result, "GeluBackward0") if out is None else write_out(out, result, "gelu")


# --- others -----------------------------------------------------------------------------------------------------------


def _hardswish(self: Tensor) -> Tensor:
    if self._array.dtype in LOW_PRECISION:
        return known_as(in_float32(_hardswish, self), "HardswishBackward0")
    return known_as(mul(self, relu6(self + 3)) / 6, "HardswishBackward0")


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * relu6(x + 3) / 6 (Howard et al., 2019)."""
    _require_inexact(input, "hardswish")
    return _or_inplace(inplace, _hardswish, input, (), "hardswish")


def _hardsigmoid(self: Tensor) -> Tensor:
    if self._array.dtype in LOW_PRECISION:
        return known_as(in_float32(_hardsigmoid, self), "HardsigmoidBackward0")
    return known_as(relu6(self + 3) / 6, "HardsigmoidBackward0")


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """relu6(x + 3) / 6, a sigmoid of three lines."""
    _require_inexact(input, "hardsigmoid")
    return _or_inplace(inplace, _hardsigmoid, input, (), "hardsigmoid")


def softsign(input: Tensor) -> Tensor:
    """x / (1 + abs(x))."""
    return div(input, abs(input) + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)."""
    return sub(input, tanh(input))  # type: ignore[no-any-return]


def softshrink(input: Tensor, lambd: float = 0.5, *, out: Tensor | None = None) -> Tensor:
    """x moved towards 0 by ``lambd``, and 0 if it is nearer than that."""
    _require_inexact(input, "softshrink")
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    if input._array.dtype in LOW_PRECISION:
        result = in_float32(lambda x: softshrink(x, lambd) + 0.0, input)  # no negative zeros
        return (
            known_as(result, "SoftshrinkBackward0") if out is None else write_out(out, result, "softshrink")
        )
    low = where(lt(input, -lambd), input + lambd, mul(input, 0.0))
    result = where(gt(input, lambd), input - lambd, low)
    return known_as(result, "SoftshrinkBackward0") if out is None else write_out(out, result, "softshrink")


def hardshrink(input: Tensor, lambd: float = 0.5, *, out: Tensor | None = None) -> Tensor:
    """x, and 0 if it is not farther from 0 than ``lambd``."""
    _require_inexact(input, "hardshrink")
    result = where(bitwise_and(ge(input, -lambd), le(input, lambd)), 0, input)
    return known_as(result, "HardshrinkBackward0") if out is None else write_out(out, result, "hardshrink")


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half of ``dim`` times the sigmoid of the second (Dauphin et al., 2016)."""
    if input._array.dtype in LOW_PRECISION:
        return known_as(in_float32(glu, input, dim), "GluBackward0")
    shape = input._array.shape
    if not shape:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    dim = wrap_dim(dim, len(shape))
    half, odd = divmod(shape[dim], 2)
    if odd:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {shape[dim]}")
    return known_as(mul(narrow(input, dim, 0, half), sigmoid(narrow(input, dim, half, half))), "GluBackward0")


# --- softmax ----------------------------------------------------------------------------------------------------------

_max_reduce: Any = np.maximum.reduce
_add_reduce: Any = np.add.reduce
_NO_ATTRS: dict[str, Any] = {}


_SHORT = 4_096
_COUNTS = np.arange(_SHORT)


def _greatest(x: Any, dim: int) -> Any:
    """The greatest along ``dim`` of the contiguous ``x``; the dimension stays, with extent 1."""
    if x.ndim == 2 and x.size <= _SHORT and dim in (1, -1):
        # NumPy finds the places of the maxima of short rows in a fraction of the time of their values.
        places = x.argmax(1)
        places += _COUNTS[: x.size : x.shape[1]]
        return x.take(places)[:, None]
    return _max_reduce(x, dim, None, None, True)


def _softmax_impl(x: Any, dim: int) -> Any:
    if not x.size:
        return x.copy()
    if not x.ndim:
        return np.where(np.isfinite(x), x.dtype.type(1), x.dtype.type(np.nan))
    if not x.flags.c_contiguous:
        x = np.ascontiguousarray(x)  # as PyTorch's results are
    # Shifted by the greatest element, so that nothing overflows.
    result = x - _greatest(x, dim)
    np.exp(result, result)
    result /= plan_for(x.shape, dim, True, x.dtype)(result)
    return result


def _log_softmax_impl(x: Any, dim: int) -> Any:
    if not x.size:
        return x.copy()
    if not x.ndim:
        return np.where(np.isfinite(x), x.dtype.type(0), x.dtype.type(np.nan))
    if not x.flags.c_contiguous:
        x = np.ascontiguousarray(x)
    result = x - _greatest(x, dim)
    total = plan_for(x.shape, dim, True, x.dtype)(np.exp(result))
    result -= np.log(total, total)
    return result


def _log_softmax_in_steps(x: Any, dim: int) -> Any:
    """As PyTorch's kernel: along the last dimension of float16 and bfloat16 the sum and its logarithm are rounded too."""
    kind = x.dtype
    if kind not in LOW_PRECISION:
        return _log_softmax_impl(x, dim)
    wide = x.astype(F32)
    if not x.size or dim not in (x.ndim - 1, -1) or x.ndim == 0:
        return asarray(_log_softmax_impl(wide, dim)).astype(kind)
    shifted = wide - _max_reduce(wide, dim, None, None, True)
    total = _add_reduce(np.exp(shifted), dim, None, None, True).astype(kind).astype(F32)
    return (shifted - np.log(total).astype(kind).astype(F32)).astype(kind)


def _sum_along(g: Tensor, dim: int) -> Tensor:
    return sum_dims(g, (dim,), True) if g._array.ndim else g


def _computed_at_once(g: Tensor, y: Tensor) -> bool:
    """Whether these are plain arrays, and nothing is recorded: then a gradient is NumPy's steps, in place."""
    given, result = g._array, y._array
    return (
        type(given) is ndarray is type(result)
        and given.dtype is result.dtype
        and (result.dtype is F32 or result.dtype is F64)
        and 0 < result.size < SOFTMAX.large
        and result.ndim > 0
        and not grad_enabled()
    )


def _softmax_gradient(g: Any, y: Any, dim: int) -> Any:
    result = g * y
    result -= y * plan_for(y.shape, dim, True, y.dtype)(result)
    return result


def _log_softmax_gradient(g: Any, y: Any, dim: int) -> Any:
    result = np.exp(y)
    result *= plan_for(y.shape, dim, True, y.dtype)(g)
    return np.subtract(g, result, result)


def _softmax_vjp(g: Tensor, node: Node) -> Tensor:
    (y,) = node.unpack()
    if _computed_at_once(g, y):
        return make_tensor(compute(_softmax_gradient, (g._array, y._array), node.attrs))
    weighted = mul(g, y)
    return sub(weighted, mul(y, _sum_along(weighted, node.attrs["dim"])))  # type: ignore[no-any-return]


def _log_softmax_vjp(g: Tensor, node: Node) -> Tensor:
    (y,) = node.unpack()
    if _computed_at_once(g, y):
        return make_tensor(compute(_log_softmax_gradient, (g._array, y._array), node.attrs))
    return sub(g, mul(exp(y), _sum_along(g, node.attrs["dim"])))  # type: ignore[no-any-return]


SOFTMAX = Primitive(
    "softmax", widened(_softmax_impl), in_float32_vjp(_softmax_vjp), saves_output=True, refuses=_INEXACT_ONLY
)
LOG_SOFTMAX = Primitive(
    "log_softmax",
    _log_softmax_in_steps,
    in_float32_vjp(_log_softmax_vjp),
    saves_output=True,
    refuses=_INEXACT_ONLY,
)


def _along(record: Primitive, input: Tensor, dim: int, dtype: dtype | None) -> Tensor:
    if dtype is None and type(input) is Tensor:
        x = input._array
        if (
            (x.dtype is F32 or x.dtype is F64)
            and type(x) is ndarray
            and 0 < x.size < record.large
            and type(dim) is int
            and -x.ndim <= dim < x.ndim
        ):
            array = compute(record.impl, (x, dim), _NO_ATTRS)
            edge = input._node
            if edge is None or not grad_enabled():
                return make_tensor(array)
            node = Node(
                record, (edge,), array, None, {"dim": dim if dim >= 0 else dim + x.ndim}, program_site()
            )
            result = make_tensor(array, node)
            storage = result._storage = Storage()
            node.output = (array, storage, 0)
            return result
    if not isinstance(input, Tensor):
        raise TypeError(
            f"{record.name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    if dtype is not None:
        input = cast(input, numpy_type(dtype))
    return apply(record, (input,), {"dim": wrap_dim(dim, input._array.ndim)})  # type: ignore[no-any-return]


def softmax(
    input: Tensor,
    dim: int | None = None,
    dtype: dtype | None = None,
    *,
    out: Tensor | None = None,
    axis: int | None = None,
) -> Tensor:
    """exp(x) divided by its sum along ``dim``; ``dtype`` is what to convert to first.

    Example:
        >>> import rushlight as torch
        >>> torch.softmax(torch.tensor([0.0, 0.0]), dim=0)
        tensor([0.5000, 0.5000])
    """
    if dim is None:
        dim = required_dim("softmax", axis)
    result = _along(SOFTMAX, input, dim, dtype)
    return result if out is None else write_exact(out, result, "softmax")


def log_softmax(
    input: Tensor,
    dim: int | None = None,
    dtype: dtype | None = None,
    *,
    out: Tensor | None = None,
    axis: int | None = None,
) -> Tensor:
    """log(softmax(x)), without loss of digits where the softmax is small."""
    if dim is None:
        dim = required_dim("log_softmax", axis)
    result = _along(LOG_SOFTMAX, input, dim, dtype)
    return result if out is None else write_exact(out, result, "log_softmax")


def softmin(input: Tensor, dim: int, dtype: dtype | None = None) -> Tensor:
    """The softmax of -x."""
    return softmax(neg(input), dim, dtype)


def selu_(input: Tensor) -> Tensor:
    """In-place form of ``selu``."""
    return selu(input, True)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place form of ``celu``."""
    return celu(input, alpha, True)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place form of ``elu``."""
    return elu(input, alpha, True)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """In-place form of ``hardtanh``."""
    return hardtanh(input, min_val, max_val, True)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """In-place form of ``leaky_relu``."""
    return leaky_relu(input, negative_slope, True)


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """In-place form of ``rrelu``."""
    return rrelu(input, lower, upper, training, True)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """In-place form of ``threshold``."""
    return _or_inplace(True, _threshold, input, (threshold, value), "threshold")


METHODS: dict[str, Any] = {
    "relu": _relu,
    "relu_": relu_,
    "prelu": prelu,
    "hardshrink": hardshrink,
    "softmax": softmax,
    "log_softmax": log_softmax,
}
