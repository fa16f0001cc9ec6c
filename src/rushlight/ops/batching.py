"""Operations on batches: the table of rules, one for each record, and how history goes in and out of a batch.

Most rules move the parameters that name dimensions by one, fold the batch into a dimension that is one already, or leave it
to NumPy's own protocols (``runtime.batching``). A record without a rule runs once for each example (``looped``): slow, and
right for whatever its implementation does.
"""

from __future__ import annotations

import itertools
from contextvars import ContextVar
from typing import Any, Final

from ..core.grad_mode import DECIDING
from ..core.history import NamedByNode, Node
from ..core.storage import Storage
from ..core.tensor import Tensor, make_tensor
from ..runtime.batched import Batched, enter, leave
from ..runtime.pending import Pending
from . import batching_arrays, batching_layers, batching_matrices, batching_recurrence
from .batching_core import MODE, RULES, lined, looped, run_batched
from .define import Primitive
from .dispatch import as_array, attach
from .joining import stack
from .movement import expand
from .splitting import unbind

_POINTWISE: Final = (
    "eq", "ne", "lt", "le", "gt", "ge", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift",
    "bitwise_right_shift", "bitwise_not", "isclose", "add", "sub", "mul", "div", "neg", "div_rounded",
    "floor_divide", "remainder", "fmod", "reciprocal", "gcd", "maximum", "minimum", "exp", "expm1", "exp2",
    "log", "log2", "log10", "log1p", "sqrt", "pow", "pow_number", "sin", "cos", "tan", "asin", "acos",
    "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "atan2", "hypot", "sigmoid", "logit",
    "floor", "ceil", "round", "trunc", "abs", "sgn", "copysign", "nextafter", "erf", "erfc", "erfinv",
    "lgamma", "polygamma", "xlogy", "logaddexp", "logaddexp2", "relu", "hardtanh", "leaky_relu", "elu",
    "softplus", "erfcx", "ndtri", "xlog1py", "entr", "i0", "special_i1", "special_i0e", "special_i1e",
    "special_bessel", "special_polynomial", "special_zeta", "igamma", "igammac", "frexp", "where", "clamp",
    "heaviside", "masked_fill", "binary_cross_entropy", "complex", "dropout", "_standard_gamma_grad",
    "_dirichlet_grad",
)  # fmt: skip
# Records that run once for each example, and why.
LOOPED: Final[dict[str, str]] = {
    "bincount": "how many counts there are depends on the values; PyTorch runs it for each example too",
    "histc": "the range may be that of the values; PyTorch runs it for each example too",
    "histogramdd": "the edges may be those of the values; PyTorch has no batching of it",
    "repeated_numbers": "how many numbers there are depends on the counts; PyTorch runs it for each example too",
    "ctc_loss": "lengths and targets lead its loops in Python; PyTorch runs it for each example too",
    "ctc_loss_backward": "as ctc_loss",
}
RULES.update(dict.fromkeys(_POINTWISE, lined))
RULES.update(dict.fromkeys(LOOPED, looped))
for _rules in (batching_arrays, batching_matrices, batching_layers, batching_recurrence):
    RULES.update(_rules.RULES)


# Whether a transform of functions (func, autograd.functional) runs: what it calls may be differentiated again.
TRANSFORMED: Final[ContextVar[bool]] = ContextVar("transformed", default=False)
next_level: Final = itertools.count(1).__next__  # the number of a new level, inside of all before it
# The calls of vmap that are running, outermost first: (level, number of examples).
ACTIVE: Final[ContextVar[tuple[tuple[int, int], ...]]] = ContextVar("vmap", default=())
DECIDING.append(ACTIVE)


# --- history ----------------------------------------------------------------------------------------------------------


ENTER: Primitive = Primitive(
    "enter_batch",
    lambda x, level, size, dim: enter(x, level, dim),
    lambda g, node: left(g, node.attrs["level"], node.attrs["size"], node.attrs["dim"]),
)
LEAVE: Primitive = Primitive(
    "leave_batch",
    leave,
    lambda g, node: entered(g, node.attrs["level"], node.attrs["size"], node.attrs["dim"]),
    grad_name=NamedByNode(lambda node: _name_inside(node)),  # noqa: PLW0108 - it is defined below
)


def _name_inside(node: Node) -> str:
    # PyTorch's graphs show the operation on the batch.
    edge = node.edges[0]
    return "AliasBackward0" if edge is None or not edge.edges else edge.name()


def entered(tensor: Tensor, level: int, size: int, dim: int) -> Tensor:
    """``tensor`` with dimension ``dim``, of extent ``size``, hidden as the batch of ``level``. The memory is shared."""
    result = _attached(ENTER, tensor, enter(_settled(tensor), level, dim), level, size, dim)
    if tensor._storage is None:
        tensor._storage = Storage()
    result._storage = tensor._storage
    return result


def left(tensor: Tensor, level: int, size: int, dim: int) -> Tensor:
    """``tensor`` with the examples of ``level`` along dimension ``dim``: repeated if it lacks that level."""
    array = leave(_settled(tensor), level, size, dim)
    return _attached(LEAVE, tensor, array, level, size, dim)


def _attached(record: Primitive, tensor: Tensor, array: Any, level: int, size: int, dim: int) -> Tensor:
    return attach(record, (tensor,), {"level": level, "size": size, "dim": dim}, array)  # type: ignore[no-any-return]


def _settled(tensor: Tensor) -> Any:
    array = tensor._array
    if type(array) is Pending:
        return array.memory if array.tape.finished else array
    return as_array(array)


def for_each_example(function: Any, args: tuple[Any, ...], **kwargs: Any) -> Any:
    """``function`` of tensors for each example of the largest level among the arguments, the results put together.

    For composites that need numbers in Python. Results of different shapes raise ``RuntimeError``.
    """
    tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
    found = [array for array in [tensor._array for tensor in tensors] if type(array) is Batched]
    level = max([array.level for array in found])
    size = next(array.value.shape[0] for array in found if array.level == level)

    def all_of(value: Any) -> Any:
        if isinstance(value, Tensor) and type(value._array) is Batched and value._array.level == level:
            return unbind(left(value, level, size, 0))
        return (value,) * size

    columns = [all_of(value) for value in args]
    named = {key: all_of(value) for key, value in kwargs.items()}
    results = [
        function(*[column[i] for column in columns], **{key: column[i] for key, column in named.items()})
        for i in range(size)
    ]
    if not size:
        raise RuntimeError(f"vmap: {function.__name__} for no examples: what it would give is not known")
    return _put_together(results, level, size)


def _put_together(results: Any, level: int, size: int) -> Any:
    if isinstance(results[0], tuple | list):
        return type(results[0])([_put_together(column, level, size) for column in zip(*results, strict=True)])
    return entered(stack(list(results)), level, size, 0)


def levels_of(array: Any) -> dict[int, int]:
    """The levels of an array and how many examples each has, from the inside out."""
    levels: dict[int, int] = {}
    while type(array) is Batched:
        levels[array.level] = array.value.shape[0]
        array = array.value
    return dict(reversed(levels.items()))


def lifted(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """The operands, with those that have a history made batches of every level that any of them has.

    So the gradient of a tensor from outside of ``vmap`` is summed over the examples on its way out (by ``expand``).
    """
    levels: dict[int, int] = {}
    for operand in operands:
        if isinstance(operand, Tensor) and type(operand._array) is Batched:
            levels.update(levels_of(operand._array))
    if not levels:
        return operands
    return tuple(
        [
            _lifted(operand, levels) if isinstance(operand, Tensor) and operand._node is not None else operand
            for operand in operands
        ]
    )


def _lifted(tensor: Tensor, levels: dict[int, int]) -> Tensor:
    has = levels_of(tensor._array)
    for level in sorted(levels):
        if level not in has:
            size = levels[level]
            tensor = entered(expand(tensor, (size, *tensor._array.shape)), level, size, 0)
    return tensor


def alike(tensor: Tensor, other: Tensor) -> Tensor:
    """``tensor`` as a batch of every level that ``other`` has, so that it can hold its values."""
    levels = levels_of(other._array)
    return tensor if levels_of(tensor._array).keys() >= levels.keys() else _lifted(tensor, levels)


def lifted_to_active(tensor: Tensor) -> Tensor:
    """``tensor`` as a batch of every level that is running: what is differentiated by there has a gradient per example."""
    active = dict(ACTIVE.get())
    return _lifted(tensor, active) if active else tensor


def lifted_edges(operands: Any, array: Any) -> tuple[Node | None, ...]:
    """The histories of the operands of a result that is a batch; see ``lifted``."""
    result = make_tensor(array)
    return tuple([o._node if isinstance(o, Tensor) else None for o in lifted((*operands, result))[:-1]])


__all__ = [
    "ACTIVE",
    "LOOPED",
    "MODE",
    "RULES",
    "TRANSFORMED",
    "alike",
    "entered",
    "for_each_example",
    "left",
    "lifted",
    "lifted_edges",
    "lifted_to_active",
    "next_level",
    "run_batched",
]
