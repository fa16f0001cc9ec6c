"""The greater and the smaller of two, bounds, and replacements for what is not finite."""

from __future__ import annotations

import sys
from math import inf
from typing import Any

import numpy as np

from ..core.dtypes import BF16, BOOL, COMPLEXES, F32, F64, INEXACT
from ..core.grad_mode import GRAD_MODE
from ..core.history import NamedByNode, Node
from ..core.numpy_clip import clip
from ..core.storage import LIBRARY, program_site
from ..core.tensor import Tensor, make_tensor
from .comparison import bitwise_and, bitwise_or, eq, ge, gt, isnan, le, lt, where
from .complex_numbers import complex, imag, real
from .define import Primitive, Rule
from .dispatch import (
    FloatingPointReport,
    apply,
    binary,
    check_tensors,
    common_dtype,
    inplace_form,
    is_number,
    named,
    not_implemented,
    number_array,
    write_out,
)
from .inplace import check_out_overlap
from .movement import cast, clone
from .pointwise import require_tensor
from .quick_inplace import wrote

ndarray = np.ndarray
asarray = np.asarray
maximum_of = np.maximum
minimum_of = np.minimum
grad_enabled = GRAD_MODE.get
getframe = sys._getframe
BOTH = (0, 1)

# --- the greater and the smaller of two -------------------------------------------------------------------------------


def _extremum_vjp(loses: Any) -> Any:
    """The gradient goes to the chosen operand, halved between equal ones; to both where one is nan."""

    def vjp(g: Tensor, node: Node) -> Any:
        a, b = node.unpack()
        shared = where(eq(a, b), g * 0.5, g)
        return (
            None if node.edges[0] is None else where(loses(a, b), 0, shared),
            None if node.edges[1] is None else where(loses(b, a), 0, shared),
        )

    return vjp


def _extremum(name: str, choose: Any, loses: Any, doc: str) -> Any:
    record = Primitive(
        name, choose, _extremum_vjp(loses), rule=Rule.PROMOTE, saves=((0, BOTH), (1, BOTH)), refuses="c"
    )
    operator = binary(record, float_only=True).operator

    def method(self: Tensor, other: Tensor) -> Tensor:
        if not isinstance(other, Tensor):
            raise TypeError(
                f"{name}(): argument 'other' (position 1) must be Tensor, not {type(other).__name__}"
            )
        return operator(self, other)  # type: ignore[no-any-return]

    def function(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
        if not isinstance(other, Tensor):
            raise TypeError(
                f"{name}(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}"
            )
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
            )
        result: Tensor = operator(input, other)
        if out is None:
            return result
        check_out_overlap(out, input, other)
        return write_out(out, result, name)

    function.method = named(method, name, doc)  # type: ignore[attr-defined]
    return named(function, name, doc)


maximum = _extremum("maximum", np.maximum, lt, "The greater of two elements; nan if one is nan.")
minimum = _extremum("minimum", np.minimum, gt, "The smaller of two elements; nan if one is nan.")


def _number_extremum(name: str, wins: Any, doc: str) -> Any:
    def method(self: Tensor, other: Tensor) -> Tensor:
        if not isinstance(other, Tensor):
            raise TypeError(
                f"{name}(): argument 'other' (position 1) must be Tensor, not {type(other).__name__}"
            )
        if common_dtype((self, other)) in COMPLEXES:
            raise RuntimeError(f"{name} not implemented for complex tensors.")
        return where(bitwise_or(wins(self, other), isnan(other)), self, other)  # type: ignore[no-any-return]

    def function(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
        require_tensor(name, input)
        result = method(input, other)
        return result if out is None else write_out(out, result, name)

    function.method = named(method, name, doc)  # type: ignore[attr-defined]
    return named(function, name, doc)


fmax = _number_extremum("fmax", ge, "The greater of two elements; a nan only if both are nan.")
fmin = _number_extremum("fmin", le, "The smaller of two elements; a nan only if both are nan.")

# --- bounds -----------------------------------------------------------------------------------------------------------


def _clamp_impl(x: Any, lower: Any, upper: Any) -> Any:
    if lower is not None:
        x = maximum_of(x, lower)
    return x if upper is None else minimum_of(x, upper)


def _clamp_vjp(g: Tensor, node: Node) -> Any:
    x, lower, upper = node.unpack()
    inside: Any = None if lower is None else ge(x, lower)
    if upper is not None:
        inside = le(x, upper) if inside is None else bitwise_and(inside, le(x, upper))
    for_lower = for_upper = None
    if node.edges[1] is not None:
        below = lt(x, lower)
        for_lower = where(below if upper is None else bitwise_and(below, gt(upper, lower)), g, 0)
    if node.edges[2] is not None:
        above = gt(x, upper)
        for_upper = where(above if lower is None else bitwise_or(above, lt(upper, lower)), g, 0)
    return None if node.edges[0] is None else where(inside, g, 0), for_lower, for_upper


_ALL = (0, 1, 2)


def _clamp_name(node: Node) -> str:
    bounds = node.saved[1:] if isinstance(node.saved, tuple) else ()
    return f"ClampBackward{0 if any(isinstance(bound, Tensor) for bound in bounds) else 1}"


CLAMP = Primitive(
    "clamp",
    _clamp_impl,
    _clamp_vjp,
    saves=((0, _ALL), (1, _ALL), (2, _ALL)),
    grad_name=NamedByNode(_clamp_name),
)


def _clamp(self: Tensor, min: Any = None, max: Any = None) -> Tensor:
    x = self._array
    if (
        (x.dtype is F32 or x.dtype is F64)
        and type(x) is ndarray
        and x.size < CLAMP.large
        and (min is None or type(min) is int or type(min) is float)
        and (max is None or type(max) is int or type(max) is float)
    ):
        if min is None is max:
            raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
        try:
            array = clip(
                x,
                asarray(-inf if min is None else min, x.dtype),
                asarray(inf if max is None else max, x.dtype),
            )
        except FloatingPointReport:
            return _clamp_general(self, min, max)
        if type(array) is not ndarray:
            array = asarray(array)
        edge = self._node
        if edge is None or not grad_enabled():
            return make_tensor(array)
        frame: Any = getframe(1)
        code = frame.f_code
        site = program_site(frame) if code.co_filename.startswith(LIBRARY) else (code, frame.f_lasti)
        storage = self._storage
        versions = None if storage is None else (storage.version, 0, 0)
        return make_tensor(
            array, Node(CLAMP, (edge, None, None), array, (self, min, max), None, site, versions)
        )
    return _clamp_general(self, min, max)


_clamp_inplace_general = inplace_form("clamp", _clamp)


def _clamp_inplace(self: Tensor, min: Any = None, max: Any = None) -> Tensor:
    dtype = self._array.dtype
    if dtype is F32 or dtype is F64:
        lower, upper = type(min) is int or type(min) is float, type(max) is int or type(max) is float
        if lower and max is None and wrote(self, "clamp", clip, asarray(min, dtype), asarray(inf, dtype)):
            return self
        if upper and min is None and wrote(self, "clamp", clip, asarray(-inf, dtype), asarray(max, dtype)):
            return self
        if lower and upper and wrote(self, "clamp", clip, asarray(min, dtype), asarray(max, dtype)):
            return self
    return _clamp_inplace_general(self, min, max)  # type: ignore[no-any-return]


def _clamp_general(self: Tensor, min: Any, max: Any) -> Tensor:
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    check_tensors("clamp", (self, min, max))
    dtype = common_dtype((self, min, max))
    if dtype in COMPLEXES:
        raise NotImplementedError("clamp is not supported for complex types")
    if dtype == BOOL and (is_number(min) or is_number(max)):
        raise not_implemented("clamp_scalar", dtype)
    # Numbers are rounded to the result's dtype first, so that the gradient's comparisons see what bounded the elements.
    lower, upper = (number_array(bound, dtype).item() if is_number(bound) else bound for bound in (min, max))
    operands = [
        cast(operand, dtype) if isinstance(operand, Tensor) else operand for operand in (self, lower, upper)
    ]
    if dtype is BF16:
        operands = [make_tensor(number_array(o, dtype)) if is_number(o) else o for o in operands]
    return apply(CLAMP, tuple(operands))  # type: ignore[no-any-return]


def clamp(input: Tensor, min: Any = None, max: Any = None, *, out: Tensor | None = None) -> Tensor:
    """The elements brought into [min, max]: numbers, tensors, or None for no bound; ``max`` where ``min`` is above it.

    The gradient is 1 inside and at the bounds.

    Example:
        >>> import rushlight as torch
        >>> torch.clamp(torch.tensor([-1.0, 0.5, 2.0]), 0, 1)
        tensor([0.0000, 0.5000, 1.0000])
    """
    require_tensor("clamp", input)
    result = _clamp(input, min, max)
    return result if out is None else write_out(out, result, "clamp")


def _clamp_min(self: Tensor, min: Any) -> Tensor:
    return _clamp(self, min)


def _clamp_max(self: Tensor, max: Any) -> Tensor:
    return _clamp(self, None, max)


def clamp_min(input: Tensor, min: Any, *, out: Tensor | None = None) -> Tensor:
    """The elements, or ``min`` where they are below it."""
    return clamp(input, min, out=out)


def clamp_max(input: Tensor, max: Any, *, out: Tensor | None = None) -> Tensor:
    """The elements, or ``max`` where they are above it."""
    return clamp(input, None, max, out=out)


# --- replacements -----------------------------------------------------------------------------------------------------


def _nan_to_num(
    self: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    dtype = self._array.dtype
    if dtype in COMPLEXES:
        return complex(
            _nan_to_num(real(self), nan, posinf, neginf), _nan_to_num(imag(self), nan, posinf, neginf)
        )
    if dtype not in INEXACT:
        return clone(self)
    array = self._array
    if (
        type(array) is np.ndarray
        and (self._node is None or not grad_enabled())
        and bool(np.isfinite(array).all())
    ):
        return clone(self)  # the usual case: there is nothing to replace
    if dtype == BF16:
        import ml_dtypes

        largest = float(ml_dtypes.finfo(dtype).max)  # type: ignore[no-untyped-call]
    else:
        largest = float(np.finfo(dtype).max)
    result = where(isnan(self), 0.0 if nan is None else nan, self)
    result = where(eq(self, np.inf), largest if posinf is None else posinf, result)
    return where(eq(self, -np.inf), -largest if neginf is None else neginf, result)  # type: ignore[no-any-return]


nan_to_num_method = _nan_to_num


def _heaviside_impl(x: Any, values: Any) -> Any:
    return np.where(x == 0, values, (x > 0).astype(x.dtype))


def _heaviside_vjp(g: Tensor, node: Node) -> Any:
    raise RuntimeError("derivative for aten::heaviside is not implemented")


HEAVISIDE = Primitive("heaviside", _heaviside_impl, _heaviside_vjp)


def _heaviside(self: Tensor, values: Tensor) -> Tensor:
    require_tensor("heaviside", self)
    require_tensor("heaviside", values)
    if self._array.dtype in COMPLEXES or values._array.dtype in COMPLEXES:
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if self._array.dtype != values._array.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    return apply(HEAVISIDE, (self, values))  # type: ignore[no-any-return]


def heaviside(input: Tensor, values: Tensor, *, out: Tensor | None = None) -> Tensor:
    """0 below zero (and for nan), 1 above, and the element of ``values`` at zero; both tensors have one dtype."""
    result = _heaviside(input, values)
    return result if out is None else write_out(out, result, "heaviside")


METHODS: dict[str, Any] = {
    "maximum": maximum.method,
    "minimum": minimum.method,
    "fmax": fmax.method,
    "fmin": fmin.method,
    "clamp": _clamp,
    "clamp_": _clamp_inplace,
    "clip": _clamp,
    "clip_": _clamp_inplace,
    "clamp_min": _clamp_min,
    "clamp_min_": inplace_form("clamp_min", _clamp_min),
    "clamp_max": _clamp_max,
    "clamp_max_": inplace_form("clamp_max", _clamp_max),
    "nan_to_num_": inplace_form("nan_to_num", _nan_to_num),
    "heaviside": _heaviside,
    "heaviside_": inplace_form("heaviside", _heaviside),
}
