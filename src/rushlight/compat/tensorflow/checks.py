"""``tf.debugging`` and the ``tf.assert_*`` functions: operations that fail when something does not hold.

What is known to be wrong when the graph is built is an ``InvalidArgumentError`` (``ValueError`` for shapes) at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import dtypes, errors
from .clipping import check_numerics as check_numerics
from .control_flow import assert_true, group, no_op
from .conversion import constant_value, convert_n_to_tensor, convert_to_tensor
from .graph import Operation, Tensor
from .ops_math import (
    abs as absolute,
    equal,
    greater,
    greater_equal,
    is_finite as is_finite,
    is_inf as is_inf,
    is_nan as is_nan,
    less,
    less_equal,
    not_equal,
)
from .ops_reduce import reduce_all

Assert = assert_true


def _comparison(
    name: str, test: Callable[..., Tensor], plain: Callable[[Any, Any], Any], sign: str
) -> Callable[..., Operation]:
    def public(
        x: Any,
        y: Any,
        data: Sequence[Any] | None = None,
        summarize: int | None = None,
        message: str | None = None,
        name: str | None = None,
    ) -> Operation:
        a, b = convert_n_to_tensor([x, y])
        known_a, known_b = constant_value(a), constant_value(b)
        if known_a is not None and known_b is not None:
            if not np.all(plain(known_a, known_b)):
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    f"{message or ''}\nCondition x {sign} y did not hold.\nFirst elements of x:\n{known_a}\nFirst elements "
                    f"of y:\n{known_b}".lstrip("\n"),
                )
            return no_op(name)
        shown = [
            message or "",
            f"Condition x {sign} y did not hold element-wise:",
            f"x ({a.name}) = ",
            a,
            f"y ({b.name}) = ",
            b,
        ]
        return assert_true(reduce_all(test(a, b)), shown if data is None else data, summarize, name)

    public.__doc__ = f"An operation that fails unless ``x {sign} y`` holds for all elements."
    public.__name__ = name
    return public


assert_equal = _comparison("assert_equal", equal, np.equal, "==")
assert_none_equal = _comparison("assert_none_equal", not_equal, np.not_equal, "!=")
assert_less = _comparison("assert_less", less, np.less, "<")
assert_less_equal = _comparison("assert_less_equal", less_equal, np.less_equal, "<=")
assert_greater = _comparison("assert_greater", greater, np.greater, ">")
assert_greater_equal = _comparison("assert_greater_equal", greater_equal, np.greater_equal, ">=")


def _sign(name: str, compare: Callable[..., Operation], what: str) -> Callable[..., Operation]:
    def public(
        x: Any,
        data: Sequence[Any] | None = None,
        summarize: int | None = None,
        message: str | None = None,
        name: str | None = None,
    ) -> Operation:
        given = convert_to_tensor(x)
        zero = convert_to_tensor(0, given.dtype)
        return compare(given, zero, data, summarize, message or f"Condition x {what} 0 did not hold", name)

    public.__doc__ = f"An operation that fails unless all elements are {what} 0."
    public.__name__ = name
    return public


assert_positive = _sign("assert_positive", assert_greater, ">")
assert_negative = _sign("assert_negative", assert_less, "<")
assert_non_negative = _sign("assert_non_negative", assert_greater_equal, ">=")
assert_non_positive = _sign("assert_non_positive", assert_less_equal, "<=")


def assert_near(
    x: Any,
    y: Any,
    rtol: Any = None,
    atol: Any = None,
    data: Sequence[Any] | None = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """An operation that fails unless ``|x - y| <= atol + rtol · |y|`` for all elements."""
    a, b = convert_n_to_tensor([x, y])
    default = 10 * float(np.finfo(a.dtype.numpy).eps)
    limit = (default if atol is None else atol) + (default if rtol is None else rtol) * absolute(b)
    shown = [message or "", f"x and y not equal to tolerance rtol = {rtol}, atol = {atol}"]
    return assert_true(reduce_all(less_equal(absolute(a - b), limit)), data or shown, summarize, name)


def _rank_error(message: str | None, tensor: Tensor, wanted: str) -> ValueError:
    return ValueError(
        f"{message or ''}.  Tensor {tensor.name} must have rank {wanted}.  Received rank {tensor.shape.ndims}, shape "
        f"{tensor.shape}"
    )


def assert_rank(
    x: Any,
    rank: Any,
    data: Any = None,
    summarize: Any = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """An operation that fails unless ``x`` has ``rank`` axes; ``ValueError`` at once where that is known."""
    from .ops_array import rank as rank_of

    tensor, known = convert_to_tensor(x), constant_value(rank)
    if tensor.shape.ndims is not None and known is not None:
        if tensor.shape.ndims != int(known):
            raise _rank_error(message, tensor, str(int(known)))
        return no_op(name)
    return assert_equal(rank_of(tensor), rank, message=message, name=name)


def assert_rank_at_least(
    x: Any,
    rank: Any,
    data: Any = None,
    summarize: Any = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """An operation that fails unless ``x`` has ``rank`` axes or more."""
    from .ops_array import rank as rank_of

    tensor, known = convert_to_tensor(x), constant_value(rank)
    if tensor.shape.ndims is not None and known is not None:
        if tensor.shape.ndims < int(known):
            raise _rank_error(message, tensor, f"at least {int(known)}")
        return no_op(name)
    return assert_greater_equal(rank_of(tensor), rank, message=message, name=name)


def assert_rank_in(
    x: Any,
    ranks: Sequence[int],
    data: Any = None,
    summarize: Any = None,
    message: str | None = None,
    name: Any = None,
) -> Operation:
    """An operation that fails unless ``x`` has one of these numbers of axes; they must be known."""
    tensor = convert_to_tensor(x)
    if tensor.shape.ndims is not None and tensor.shape.ndims not in tuple(ranks):
        raise _rank_error(message, tensor, f"in {tuple(ranks)}")
    return no_op(name)


def assert_type(tensor: Any, tf_type: Any, message: str | None = None, name: str | None = None) -> Operation:
    """``TypeError`` unless ``tensor`` has this type."""
    x, wanted = convert_to_tensor(tensor), dtypes.as_dtype(tf_type)
    if x.dtype is not wanted:
        raise TypeError(f"{message or ''} {x.name} must be of type {wanted!r}; got {x.dtype!r}")
    return no_op(name)


def assert_integer(x: Any, message: str | None = None, name: str | None = None) -> Operation:
    """``TypeError`` unless ``x`` has an integer type."""
    tensor = convert_to_tensor(x)
    if not tensor.dtype.is_integer:
        raise TypeError(f'{message or ""} Expected "x" to be integer type.  Found: {tensor.dtype!r}')
    return no_op(name)


def assert_scalar(tensor: Any, name: str | None = None, message: str | None = None) -> Tensor:
    """``tensor``; ``ValueError`` if it has axes."""
    x = convert_to_tensor(tensor)
    if x.shape.ndims not in (None, 0):
        raise ValueError(f"Expected scalar shape for {x.name}, saw shape: {x.shape}.")
    return x


def assert_same_float_dtype(tensors: Sequence[Any] | None = None, dtype: Any = None) -> Any:
    """The one floating-point type of ``tensors``; ``ValueError`` if there are several or it is no float."""
    kinds = list(dict.fromkeys([convert_to_tensor(item).dtype for item in tensors or ()]))
    if dtype is not None:
        kinds = list(dict.fromkeys([*kinds, dtypes.as_dtype(dtype)]))
    if len(kinds) > 1 or (kinds and not kinds[0].is_floating):
        raise ValueError(f"Expected one floating point type, got {[kind.name for kind in kinds]}")
    return kinds[0] if kinds else dtypes.float32


def assert_all_finite(t: Any = None, msg: str = "", name: str | None = None, x: Any = None) -> Tensor:
    """The tensor; an ``InvalidArgumentError`` when it runs, if an element is infinite or not a number."""
    return check_numerics(x if t is None else t, msg, name)


verify_tensor_all_finite = assert_all_finite


def assert_proper_iterable(values: Any) -> None:
    """``TypeError`` unless ``values`` is a list, tuple or the like, and no tensor, array or text."""
    if isinstance(values, Tensor | np.ndarray | str | bytes) or not hasattr(values, "__iter__"):
        raise TypeError(f"Expected argument 'values' to be a 'proper' iterable.  Found: {type(values)}")


def is_numeric_tensor(tensor: Any) -> bool:
    """Whether this is a tensor of numbers."""
    return isinstance(tensor, Tensor) and (
        tensor.dtype.is_floating or tensor.dtype.is_integer or tensor.dtype.is_complex
    )


def _ordered(strict: bool, doc: str) -> Callable[..., Tensor]:
    def public(x: Any, name: str | None = None) -> Tensor:
        from .ops_array import reshape

        flat = reshape(x, [-1])
        later, earlier = flat[1:], flat[:-1]
        return reduce_all((greater if strict else greater_equal)(later, earlier), name=name)

    public.__doc__ = doc
    return public


is_non_decreasing = _ordered(False, "Whether no element is less than the one before it.")
is_strictly_increasing = _ordered(True, "Whether each element is greater than the one before it.")


def add_check_numerics_ops() -> Operation:
    """An operation that fails if any tensor of the graph so far is infinite or not a number."""
    from .graph import get_default_graph

    checked = [
        check_numerics(tensor, tensor.name)
        for op in get_default_graph().get_operations()
        if op.block is None and op.type not in ("Placeholder", "VariableV2")
        for tensor in op.outputs
        if tensor.dtype.is_floating
    ]
    return group(*checked)
