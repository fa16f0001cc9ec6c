"""The running combination of tensors along a dimension, by halving: O(log n) calls on whole tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.tensor import Tensor
from ..func.vectorize import vmap
from ..ops.joining import cat
from ..ops.rearranging import flip
from ..utils._pytree import tree_flatten, tree_unflatten


def associative_scan(
    combine_fn: Callable[[Any, Any], Any],
    xs: Any,
    dim: int,
    reverse: bool = False,
    combine_mode: str = "pointwise",
) -> Any:
    """At each place along ``dim`` what ``combine_fn``, an associative function of two, makes of all elements up to it.

    Args:
        combine_fn: of two structures like ``xs``, and returns one. In the mode "pointwise" it sees whole tensors, in
            "generic" one place along ``dim``.
        xs: a tensor, or tuples, lists and dicts of tensors of one size along ``dim``.
        reverse: from the last element to the first.

    Raises ``ValueError`` for what is no function, for no tensors, and for another mode.

    Example:
        >>> import rushlight as torch
        >>> associative_scan(lambda a, b: a + b, torch.arange(5), 0)
        tensor([ 0,  1,  3,  6, 10])
    """
    if not callable(combine_fn):
        raise ValueError(f"Combine_fn must be a callable, but got {combine_fn}")
    if combine_mode not in ("pointwise", "generic"):
        raise ValueError(f"Combine_mode must either 'pointwise' or 'generic', but got {combine_mode}")
    leaves, spec = tree_flatten(xs)
    if not leaves:
        raise ValueError("Expected at least 1 xs leaf")
    if not all(isinstance(leaf, Tensor) for leaf in leaves):
        raise ValueError(f"xs leaves must be a Tensor, but got {leaves}")
    if len({leaf.shape[dim] for leaf in leaves}) > 1:
        raise ValueError("All xs leaves must have the same size along dim")
    places = [leaf.movedim(dim, 0) for leaf in leaves]
    if reverse:
        places = [flip(each, [0]) for each in places]

    def together(a: Any, b: Any) -> Any:
        made = combine_fn(tree_unflatten(a, spec), tree_unflatten(b, spec))
        return tree_flatten(made)[0]

    def combine(a: list[Tensor], b: list[Tensor]) -> list[Tensor]:
        if combine_mode == "generic":
            return list(vmap(together)(a, b))
        # The function knows the dimension by its number.
        return [
            each.movedim(dim, 0)
            for each in together([each.movedim(0, dim) for each in a], [each.movedim(0, dim) for each in b])
        ]

    result = _scan(combine, places)
    if reverse:
        result = [flip(each, [0]) for each in result]
    return tree_unflatten([each.movedim(0, dim) for each in result], spec)


def _scan(combine: Any, places: list[Tensor]) -> list[Tensor]:
    count = places[0].shape[0]
    if count < 2:
        return places
    pairs = combine([each[0 : count - 1 : 2] for each in places], [each[1::2] for each in places])
    odd = _scan(combine, pairs)
    if count == 2:
        return [cat([each[:1], own]) for each, own in zip(places, odd, strict=True)]
    before = odd if count % 2 else [each[:-1] for each in odd]
    even = combine(before, [each[2::2] for each in places])
    result = []
    for each, first, second in zip(places, even, odd, strict=True):
        starts = cat([each[:1], first])
        woven = starts.new_empty((count, *starts.shape[1:]))
        woven[0::2] = starts
        woven[1::2] = second
        result.append(woven)
    return result
