"""``torch._foreach_*``: one operation on every tensor of a list, which optimizers outside of ``torch.optim`` are written in.

Each is a loop over the public operation: there are no launches to save on a CPU, and in compiled code the loop is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from ..core.tensor import Tensor
from .linalg import mm
from .movement import clone
from .norms import vector_norm
from .powers import pow

_UNARY: Final = (
    "abs", "acos", "asin", "atan", "ceil", "cos", "cosh", "erf", "erfc", "exp", "expm1", "floor", "frac", "lgamma", "log",
    "log10", "log1p", "log2", "neg", "reciprocal", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh", "sqrt", "tan", "tanh",
    "trunc",
)  # fmt: skip


def _lists(name: str, *lists: Any) -> None:
    """Check the arguments that must be lists of tensors, all of one length."""
    for position, tensors in enumerate(lists, 1):
        if not isinstance(tensors, list | tuple) or not all([isinstance(each, Tensor) for each in tensors]):
            raise TypeError(
                f"{name}(): argument {position} must be tuple of Tensors, not {type(tensors).__name__}"
            )
    first = lists[0]
    if not first:
        raise RuntimeError("Tensor list must have at least one tensor.")
    for tensors in lists[1:]:
        if len(tensors) != len(first):
            raise RuntimeError(
                f"Tensor lists must have the same number of tensors, got {len(first)} and {len(tensors)}"
            )


def _others(name: str, tensors: Sequence[Tensor], other: Any) -> Iterable[Any]:
    """The second operand of each tensor: one number or 0-dim tensor for all, or one of a list for each."""
    if isinstance(other, list | tuple):
        if other and isinstance(other[0], Tensor):
            _lists(name, tensors, other)
        elif len(other) != len(tensors):
            raise RuntimeError("Tensor list must have same number of elements as scalar list.")
        return other
    if isinstance(other, Tensor):
        if other.ndim:
            raise RuntimeError(
                f"scalar tensor expected to be 0 dim but it has {other.ndim} dimensions and {other.numel()} elements."
            )
    elif not isinstance(other, int | float | complex):
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got (list, {type(other).__name__})"
        )
    return [other] * len(tensors)


def _named(function: Callable[..., Any], name: str, what: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"``{what}`` of each tensor of a list. Raises ``RuntimeError`` for an empty list and for lists of "
        "different lengths, ``TypeError`` for what is no list of tensors."
    )
    return function


def _unary(name: str, operation: Callable[[Any], Any], in_place: bool) -> Callable[..., Any]:
    def function(self: Any) -> Any:
        _lists(name, self)
        results = [operation(tensor) for tensor in self]
        return self if in_place else tuple(results)

    return _named(function, name, operation.__name__)


def _binary(name: str, operation: Callable[..., Any], in_place: bool) -> Callable[..., Any]:
    def function(self: Any, other: Any, **options: Any) -> Any:
        _lists(name, self)
        pairs = zip(self, _others(name, self, other), strict=True)
        results = [operation(tensor, second, **options) for tensor, second in pairs]
        return self if in_place else tuple(results)

    return _named(function, name, operation.__name__)


def _with_alpha(name: str, operation: Callable[..., Any], in_place: bool) -> Callable[..., Any]:
    plain = _binary(name, operation, in_place)

    def function(self: Any, other: Any, *, alpha: Any = None) -> Any:
        if alpha is None:
            return plain(self, other)
        if not isinstance(other, Tensor) and not (
            isinstance(other, list | tuple) and isinstance(other[0], Tensor)
        ):
            raise TypeError(
                f"{name}() received an invalid combination of arguments: alpha goes with tensors, not with numbers"
            )
        return plain(self, other, alpha=alpha)

    return _named(function, name, operation.__name__)


def _ternary(name: str, operation: Callable[..., Any], in_place: bool) -> Callable[..., Any]:
    """``addcmul`` and ``addcdiv``: the factor is one number, or one for each tensor in a list or a tensor on the CPU."""

    def function(self: Any, tensor1: Any, tensor2: Any, scalars: Any = 1, *, value: Any = None) -> Any:
        _lists(name, self, tensor1, tensor2)
        factors = scalars if value is None else value
        if isinstance(factors, Tensor):
            factors = factors.tolist()
        if not isinstance(factors, list | tuple):
            factors = [factors] * len(self)
        if len(factors) != len(self):
            raise RuntimeError(
                f"Expected length of scalars to match input of length {len(self)} but got {len(factors)} instead."
            )
        results = [
            operation(tensor, first, second, value=factor)
            for tensor, first, second, factor in zip(self, tensor1, tensor2, factors, strict=True)
        ]
        return self if in_place else tuple(results)

    return _named(function, name, operation.__name__)


def _interpolation(name: str, operation: Callable[..., Any], in_place: bool) -> Callable[..., Any]:
    def function(self: Any, tensors1: Any, weight: Any) -> Any:
        _lists(name, self, tensors1)
        weights = _others(name, self, weight)
        results = [
            operation(tensor, end, share) for tensor, end, share in zip(self, tensors1, weights, strict=True)
        ]
        return self if in_place else tuple(results)

    return _named(function, name, operation.__name__)


def _method(name: str) -> Callable[..., Any]:
    """The method of tensors, looked up when it is called: subclasses may have their own."""

    def call(tensor: Any, *args: Any, **options: Any) -> Any:
        return getattr(tensor, name)(*args, **options)

    call.__name__ = name
    return call


def _pow(self: Any, exponent: Any) -> tuple[Tensor, ...]:
    """``pow`` of each tensor of a list, or of one number with each exponent of a list."""
    if isinstance(self, int | float | complex):
        _lists("_foreach_pow", exponent)
        return tuple([pow(self, each) for each in exponent])
    _lists("_foreach_pow", self)
    pairs = zip(self, _others("_foreach_pow", self, exponent), strict=True)
    return tuple([pow(tensor, each) for tensor, each in pairs])


def _norm(self: Any, ord: float = 2, dtype: Any = None) -> tuple[Tensor, ...]:
    """The vector norm of each tensor of a list."""
    _lists("_foreach_norm", self)
    return tuple([vector_norm(tensor, ord, dtype=dtype) for tensor in self])


def _powsum(self: Any, ord: float = 2, dtype: Any = None) -> tuple[Tensor, ...]:
    """The sum of the absolute values to the power ``ord``, of each tensor of a list."""
    _lists("_foreach_powsum", self)
    return tuple([pow(tensor.abs(), ord).sum(dtype=dtype) for tensor in self])


def _max(self: Any) -> tuple[Tensor, ...]:
    """The greatest element of each tensor of a list."""
    _lists("_foreach_max", self)
    return tuple([tensor.max() for tensor in self])


def _mm(self: Any, mat2: Any) -> tuple[Tensor, ...]:
    """The product of each pair of matrices of two lists."""
    _lists("_foreach_mm", self, mat2)
    return tuple([mm(first, second) for first, second in zip(self, mat2, strict=True)])


def _clone(self: Any, *, memory_format: Any = None) -> tuple[Tensor, ...]:
    """A copy of each tensor of a list."""
    _lists("_foreach_clone", self)
    options = {} if memory_format is None else {"memory_format": memory_format}
    return tuple([clone(tensor, **options) for tensor in self])


def _copy_(self: Any, src: Any, non_blocking: bool = False) -> Any:
    """Copy into each tensor of a list what stands at the same place of another."""
    _lists("_foreach_copy_", self, src)
    for tensor, source in zip(self, src, strict=True):
        tensor.copy_(source)
    return self


def _zero_(self: Any) -> Any:
    """Fill each tensor of a list with zeros."""
    _lists("_foreach_zero_", self)
    for tensor in self:
        tensor.zero_()
    return self


def _make() -> dict[str, Callable[..., Any]]:
    kinds: tuple[tuple[Callable[..., Any], tuple[str, ...]], ...] = (
        (_unary, _UNARY),
        (_with_alpha, ("add", "sub")),
        (_binary, ("mul", "div", "clamp_max", "clamp_min", "maximum", "minimum", "pow")),
        (_ternary, ("addcmul", "addcdiv")),
        (_interpolation, ("lerp",)),
    )
    # These two are the same operation for tensors, and take numbers too.
    stands_for = {"maximum": "clamp_min", "minimum": "clamp_max"}
    made: dict[str, Callable[..., Any]] = {}
    for make, names in kinds:
        for name in names:
            operation = stands_for.get(name, name)
            made[f"_foreach_{name}"] = make(f"_foreach_{name}", _method(operation), False)
            made[f"_foreach_{name}_"] = make(f"_foreach_{name}_", _method(f"{operation}_"), True)
    for function in (_pow, _norm, _powsum, _max, _mm, _clone, _copy_, _zero_):
        function.__name__ = function.__qualname__ = f"_foreach{function.__name__}"
        made[function.__name__] = function
    return made


NAMES: Final = _make()
globals().update(NAMES)
