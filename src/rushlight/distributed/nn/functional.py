"""Collectives as operations: they return new tensors and have gradients, which are collectives themselves.

So all ranks must run backward through them too, in the same order. Gradients are those of the sum of all ranks' losses.
Errors are those of the functions of the same name in ``rushlight.distributed``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.history import Node
from ...core.tensor import Array, Tensor
from ...ops.creation import zeros
from ...ops.define import Primitive
from ...ops.dispatch import apply
from ...ops.joining import cat
from ...ops.movement import reshape
from .. import exchanges, work as under_way
from ..collectives import _checked, cut, root_in, write
from ..process_group import ProcessGroup, the_group
from ..reduce_op import ReduceOp

SUM = ReduceOp.SUM


def _group(group: Any) -> ProcessGroup:
    found = the_group(group)
    if found is None:
        raise ValueError(
            "this rank is not a member of the group; only members may call a differentiable collective"
        )
    return found


# --- records ----------------------------------------------------------------------------------------------------------


def _all_reduce_impl(x: Array, group: ProcessGroup, op: Any) -> Array:
    return under_way.run(group, "all_reduce", exchanges.all_reduce(group, x.copy(), op))  # type: ignore[no-any-return]


def _all_reduce_vjp(g: Tensor, node: Node) -> Any:
    _only_sums("all_reduce", node.attrs["op"])
    return apply(ALL_REDUCE, (g,), node.attrs)


ALL_REDUCE = Primitive(
    "distributed_all_reduce", _all_reduce_impl, _all_reduce_vjp, grad_name="_AllReduceBackward"
)


def _reduce_impl(x: Array, group: ProcessGroup, op: Any, root: int) -> Array:
    found = under_way.run(group, "reduce", exchanges.reduce(group, x, op, root))
    return x.copy() if found is None else found


def _reduce_vjp(g: Tensor, node: Node) -> Any:
    _only_sums("reduce", node.attrs["op"])
    group, root = node.attrs["group"], node.attrs["root"]
    spread = apply(BROADCAST, (g,), {"group": group, "root": root})
    return spread / group.size() if node.attrs["op"] is ReduceOp.AVG else spread


REDUCE = Primitive("distributed_reduce", _reduce_impl, _reduce_vjp, grad_name="_ReduceBackward")


def _broadcast_impl(x: Array, group: ProcessGroup, root: int) -> Array:
    return under_way.run(group, "broadcast", exchanges.broadcast(group, x.copy(), root))  # type: ignore[no-any-return]


def _broadcast_vjp(g: Tensor, node: Node) -> Any:
    group, root = node.attrs["group"], node.attrs["root"]
    total = apply(REDUCE, (g,), {"group": group, "op": SUM, "root": root})
    return total if group.rank() == root else total * 0


BROADCAST = Primitive(
    "distributed_broadcast", _broadcast_impl, _broadcast_vjp, grad_name="_BroadcastBackward"
)


def _all_gather_impl(x: Array, group: ProcessGroup) -> tuple[Array, ...]:
    return tuple(under_way.run(group, "all_gather", exchanges.all_gather(group, x)))


def _all_gather_vjp(gradients: list[Tensor | None], node: Node) -> Any:
    return apply(REDUCE_SCATTER, _complete(gradients, node), {**node.attrs, "op": SUM})


ALL_GATHER = Primitive(
    "distributed_all_gather", _all_gather_impl, _all_gather_vjp, grad_name="_AllGatherBackward"
)


def _reduce_scatter_impl(*xs: Array, group: ProcessGroup, op: Any) -> Array:
    return under_way.run(group, "reduce_scatter", exchanges.reduce_scatter(group, xs, op))  # type: ignore[no-any-return]


def _reduce_scatter_vjp(g: Tensor, node: Node) -> Any:
    op, group = node.attrs["op"], node.attrs["group"]
    _only_sums("reduce_scatter", op)
    parts = apply(ALL_GATHER, (g,), {"group": group})
    return tuple([part / group.size() for part in parts]) if op is ReduceOp.AVG else parts


REDUCE_SCATTER = Primitive(
    "distributed_reduce_scatter",
    _reduce_scatter_impl,
    _reduce_scatter_vjp,
    grad_name="_ReduceScatterBackward",
)


def _gather_impl(x: Array, group: ProcessGroup, root: int) -> tuple[Array, ...]:
    found = under_way.run(group, "gather", exchanges.gather(group, x, root))
    return tuple([np.zeros_like(x) for _ in range(group.size())] if found is None else found)


def _gather_vjp(gradients: list[Tensor | None], node: Node) -> Any:
    return apply(SCATTER, _complete(gradients, node), node.attrs)


GATHER = Primitive("distributed_gather", _gather_impl, _gather_vjp, grad_name="_GatherBackward")


def _scatter_impl(*xs: Array, group: ProcessGroup, root: int) -> Array:
    arrays = xs if group.rank() == root else None
    return under_way.run(group, "scatter", exchanges.scatter(group, arrays, xs[0], root))  # type: ignore[no-any-return]


def _scatter_vjp(g: Tensor, node: Node) -> Any:
    return apply(GATHER, (g,), node.attrs)


SCATTER = Primitive("distributed_scatter", _scatter_impl, _scatter_vjp, grad_name="_ScatterBackward")


def _all_to_all_impl(*xs: Array, group: ProcessGroup, shapes: Any) -> tuple[Array, ...]:
    return tuple(under_way.run(group, "all_to_all", exchanges.all_to_all(group, xs, shapes)))


def _all_to_all_vjp(gradients: list[Tensor | None], node: Node) -> Any:
    shapes = node.attrs["input_shapes"]
    attrs = {"group": node.attrs["group"], "shapes": shapes, "input_shapes": node.attrs["shapes"]}
    return apply(ALL_TO_ALL, _complete(gradients, node), attrs)


ALL_TO_ALL = Primitive(
    "distributed_all_to_all",
    lambda *xs, group, shapes, input_shapes: _all_to_all_impl(*xs, group=group, shapes=shapes),
    _all_to_all_vjp,
    grad_name="_AlltoAllBackward",
)


def _complete(gradients: Sequence[Tensor | None], node: Node) -> tuple[Tensor, ...]:
    outputs = node.outputs or ()
    return tuple(
        [
            zeros(shape).to(_dtype_of(dtype)) if gradient is None else gradient
            for gradient, (shape, dtype) in zip(gradients, outputs, strict=True)
        ]
    )


def _dtype_of(dtype: Any) -> Any:
    from ...core.dtypes import OF_NUMPY

    return OF_NUMPY[dtype]


def _only_sums(operation: str, op: Any) -> None:
    if op not in (ReduceOp.SUM, ReduceOp.AVG):
        raise NotImplementedError(f"{operation}: no gradient for ReduceOp.{op.name}; SUM and AVG have one")


# --- functions --------------------------------------------------------------------------------------------------------


def all_reduce(tensor: Tensor, op: Any = SUM, group: Any = None) -> Tensor:
    """The reduction of all ranks' tensors. The gradient, for ``SUM`` and ``AVG``, is the same reduction of gradients."""
    op = _checked("all_reduce", op, tensor)
    return apply(ALL_REDUCE, (tensor,), {"group": _group(group), "op": op})  # type: ignore[no-any-return]


def reduce(tensor: Tensor, dst: int, op: Any = SUM, group: Any = None) -> Tensor:
    """The reduction of all ranks' tensors on rank ``dst``; the others get a copy of their own."""
    op = _checked("reduce", op, tensor)
    found = _group(group)
    attrs = {"group": found, "op": op, "root": root_in(found, "dst", dst, None)}
    return apply(REDUCE, (tensor,), attrs)  # type: ignore[no-any-return]


def broadcast(tensor: Tensor, src: int, group: Any = None) -> Tensor:
    """Rank ``src``'s tensor. All ranks' gradients add up there; the others get zeros."""
    found = _group(group)
    return apply(BROADCAST, (tensor,), {"group": found, "root": root_in(found, "src", src, None)})  # type: ignore[no-any-return]


def all_gather(tensor: Tensor, group: Any = None) -> tuple[Tensor, ...]:
    """All ranks' tensors, which have one shape."""
    return apply(ALL_GATHER, (tensor,), {"group": _group(group)})  # type: ignore[no-any-return]


def gather(tensor: Tensor, dst: int = 0, group: Any = None) -> tuple[Tensor, ...]:
    """All ranks' tensors on rank ``dst``; zeros elsewhere."""
    found = _group(group)
    return apply(GATHER, (tensor,), {"group": found, "root": root_in(found, "dst", dst, None)})  # type: ignore[no-any-return]


def scatter(tensors: Sequence[Tensor], src: int = 0, group: Any = None) -> Tensor:
    """This rank's part of rank ``src``'s tensors; the others give as many of the same shape, whose values do not matter."""
    found = _group(group)
    _check_count("scatter", tensors, found)
    return apply(SCATTER, tuple(tensors), {"group": found, "root": root_in(found, "src", src, None)})  # type: ignore[no-any-return]


def reduce_scatter(output: Tensor, input_list: Sequence[Tensor], op: Any = SUM, group: Any = None) -> Tensor:
    """The reduction of all ranks' ``input_list[n]`` on rank ``n``; ``output`` only says the shape."""
    op = _checked("reduce_scatter", op, output)
    found = _group(group)
    _check_count("reduce_scatter", input_list, found)
    return apply(REDUCE_SCATTER, tuple(input_list), {"group": found, "op": op})  # type: ignore[no-any-return]


def all_to_all(
    output_tensor_list: Sequence[Tensor], input_tensor_list: Sequence[Tensor], group: Any = None
) -> tuple[Tensor, ...]:
    """What each rank meant for this one; ``output_tensor_list`` only says the shapes."""
    found = _group(group)
    _check_count("all_to_all", input_tensor_list, found)
    _check_count("all_to_all", output_tensor_list, found)
    attrs = {
        "group": found,
        "shapes": [one._array.shape for one in output_tensor_list],
        "input_shapes": [one._array.shape for one in input_tensor_list],
    }
    return apply(ALL_TO_ALL, tuple(input_tensor_list), attrs)  # type: ignore[no-any-return]


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
    attrs = {"group": found, "shapes": places, "input_shapes": [piece._array.shape for piece in pieces]}
    return cat(apply(ALL_TO_ALL, tuple(pieces), attrs))


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
