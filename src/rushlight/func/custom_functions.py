"""``autograd.Function`` inside of ``vmap``: its own ``vmap`` staticmethod, or its operations one by one."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ..autograd import function
from ..autograd.function import Function
from ..core.tensor import Tensor
from ..ops.batching import ACTIVE, entered, left
from ..runtime.batched import Batched
from .trees import broadcast_prefix, flatten, unflatten
from .vectorize import outside_of, randomness_of

_MORE: Final = "For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"


class VmapInfo(NamedTuple):
    """What a ``vmap`` staticmethod is told: how many examples there are, and what random operations do."""

    batch_size: int
    randomness: str


def _level(leaves: list[Any]) -> int:
    return max(
        [leaf._array.level for leaf in leaves if isinstance(leaf, Tensor) and type(leaf._array) is Batched]
    )


def check_support(cls: Any) -> bool:
    """Whether the ``vmap`` staticmethod is to be called; ``RuntimeError`` if the Function says nothing, or two things."""
    has_own = cls.vmap is not Function.vmap
    if cls.setup_context is Function.setup_context:
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must override "
            f"the setup_context staticmethod. {_MORE}"
        )
    if cls.generate_vmap_rule and has_own:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an overridden vmap "
            "staticmethod. Please set generate_vmap_rule=False or delete the overridden vmap staticmethod to avoid "
            f"ambiguity. {_MORE}"
        )
    if not cls.generate_vmap_rule and not has_own:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please override and implement the "
            f"vmap staticmethod or set generate_vmap_rule=True. {_MORE}"
        )
    return has_own


def applied_to_batches(cls: Any, args: tuple[Any, ...]) -> Any:
    """``cls.apply`` where arguments are batches, by the ``vmap`` staticmethod; ``NotImplemented`` to run it as it is."""
    if not check_support(cls):
        return NotImplemented
    leaves, tree = flatten(args)
    level = _level(leaves)
    size = dict(ACTIVE.get()).get(level, -1)
    if size < 0:  # made inside of a vmap that is over
        return NotImplemented
    dims: list[int | None] = []
    plain = []
    for leaf in leaves:
        batched = isinstance(leaf, Tensor) and type(leaf._array) is Batched and leaf._array.level == level
        dims.append(0 if batched else None)
        plain.append(left(leaf, level, size, 0) if batched else leaf)
    info = VmapInfo(size, randomness_of(level))
    with outside_of(level):
        result = cls.vmap(info, unflatten(dims, tree), *unflatten(plain, tree))
    if not isinstance(result, tuple) or len(result) != 2:
        raise RuntimeError(
            "Expected the vmap staticmethod to have two returns, an output and out_dims with pytree structure compatible with "
            f"the output. Got a {type(result)} instead"
        )
    outputs, structure = flatten(result[0])
    places = broadcast_prefix(result[1], structure)
    if places is None:
        raise RuntimeError(
            f"The autograd.Function {cls.__name__}'s vmap staticmethod returned an incompatible (output, out_dims) tuple. "
            f"Expected out_dims={result[1]} to be compatible with the structure of `output`."
        )
    return unflatten(
        [
            entered(output, level, size, place % output._array.ndim)
            if isinstance(output, Tensor) and place is not None
            else output
            for output, place in zip(outputs, places, strict=True)
        ],
        structure,
    )


function.set_batch_rule(applied_to_batches)
