"""Collectives as operations: they return new tensors and have gradients, which are collectives themselves.

So all ranks must run backward through them too, in the same order. Gradients are those of the sum of all ranks' losses.
Errors are those of the functions of the same name in ``rushlight.distributed``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.tensor import Tensor
from ...ops.joining import cat
from ...ops.movement import reshape
from ..collectives import _checked, cut, root_in, write
from ..process_group import ProcessGroup, the_group
from ..records import (
    ALL_GATHER,
    ALL_REDUCE,
    ALL_TO_ALL,
    BROADCAST,
    GATHER,
    REDUCE,
    REDUCE_SCATTER,
    SCATTER,
    call,
)
from ..reduce_op import ReduceOp

SUM = ReduceOp.SUM


def _group(group: Any) -> ProcessGroup:
    found = the_group(group)
    if found is None:
        raise ValueError(
            "this rank is not a member of the group; only members may call a differentiable collective"
        )
    return found


# --- functions --------------------------------------------------------------------------------------------------------


def all_reduce(tensor: Tensor, op: Any = SUM, group: Any = None) -> Tensor:
    """The reduction of all ranks' tensors. The gradient, for ``SUM`` and ``AVG``, is the same reduction of gradients."""
    op = _checked("all_reduce", op, tensor)
    return call(ALL_REDUCE, (tensor,), {"group": _group(group), "op": op})  # type: ignore[no-any-return]


def reduce(tensor: Tensor, dst: int, op: Any = SUM, group: Any = None) -> Tensor:
    """The reduction of all ranks' tensors on rank ``dst``; the others get a copy of their own."""
    op = _checked("reduce", op, tensor)
    found = _group(group)
    attrs = {"group": found, "op": op, "root": root_in(found, "dst", dst, None)}
    return call(REDUCE, (tensor,), attrs)  # type: ignore[no-any-return]


def broadcast(tensor: Tensor, src: int, group: Any = None) -> Tensor:
    """Rank ``src``'s tensor. All ranks' gradients add up there; the others get zeros."""
    found = _group(group)
    return call(BROADCAST, (tensor,), {"group": found, "root": root_in(found, "src", src, None)})  # type: ignore[no-any-return]


def all_gather(tensor: Tensor, group: Any = None) -> tuple[Tensor, ...]:
    """All ranks' tensors, which have one shape."""
    return call(ALL_GATHER, (tensor,), {"group": _group(group)})  # type: ignore[no-any-return]


def gather(tensor: Tensor, dst: int = 0, group: Any = None) -> tuple[Tensor, ...]:
    """All ranks' tensors on rank ``dst``; zeros elsewhere."""
    found = _group(group)
    return call(GATHER, (tensor,), {"group": found, "root": root_in(found, "dst", dst, None)})  # type: ignore[no-any-return]


def scatter(tensors: Sequence[Tensor], src: int = 0, group: Any = None) -> Tensor:
    """This rank's part of rank ``src``'s tensors; the others give as many of the same shape, whose values do not matter."""
    found = _group(group)
    _check_count("scatter", tensors, found)
    return call(SCATTER, tuple(tensors), {"group": found, "root": root_in(found, "src", src, None)})  # type: ignore[no-any-return]


def reduce_scatter(output: Tensor, input_list: Sequence[Tensor], op: Any = SUM, group: Any = None) -> Tensor:
    """The reduction of all ranks' ``input_list[n]`` on rank ``n``; ``output`` only says the shape."""
    op = _checked("reduce_scatter", op, output)
    found = _group(group)
    _check_count("reduce_scatter", input_list, found)
    return call(REDUCE_SCATTER, tuple(input_list), {"group": found, "op": op})  # type: ignore[no-any-return]


def all_to_all(
    output_tensor_list: Sequence[Tensor], input_tensor_list: Sequence[Tensor], group: Any = None
) -> tuple[Tensor, ...]:
    """What each rank meant for this one; ``output_tensor_list`` only says the shapes."""
    found = _group(group)
    _check_count("all_to_all", input_tensor_list, found)
    _check_count("all_to_all", output_tensor_list, found)
    attrs = {
        "group": found,
        "shapes": tuple([one._array.shape for one in output_tensor_list]),
        "input_shapes": tuple([one._array.shape for one in input_tensor_list]),
    }
    return call(ALL_TO_ALL, tuple(input_tensor_list), attrs)  # type: ignore[no-any-return]


def all_to_all_single(
    output: Tensor,
    input: Tensor,
    output_split_sizes: Sequence[int] | None = None,
    input_split_sizes: Sequence[int] | None = None,
    group: Any = None,
) -> Tensor:
    """``all_to_all`` of one tensor, cut along dimension 0; ``output`` only says the shape."""
    found = _group(group)
    sizes = [part.shape[0] for part in cut(input._array, input_split_sizes, found.size(), "input")]
    places = [part.shape for part in cut(output._array, output_split_sizes, found.size(), "output")]
    pieces = input.split(sizes)
    attrs = {
        "group": found,
        "shapes": tuple(places),
        "input_shapes": tuple([piece._array.shape for piece in pieces]),
    }
    return cat(call(ALL_TO_ALL, tuple(pieces), attrs))


def _all_gather_base(output_tensor: Tensor, input_tensor: Tensor, group: Any = None) -> Tensor:
    """All ranks' tensors in the shape of ``output_tensor``, which is filled too."""
    joined = reshape(cat(all_gather(input_tensor, group)), output_tensor._array.shape)
    write(output_tensor, joined._array)
    return joined


def _check_count(operation: str, tensors: Sequence[Tensor], group: ProcessGroup) -> None:
    if len(tensors) != group.size():
        raise ValueError(
            f"{operation}: got {len(tensors)} tensors for a group of {group.size()} ranks; give one for each"
        )
