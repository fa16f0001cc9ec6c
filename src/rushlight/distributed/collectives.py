"""The collectives on tensors, as ``torch.distributed`` has them.

Every rank of the group makes the same call. Tensors are changed in place, without recording history (see
``rushlight.distributed.nn`` for collectives that are differentiated). With ``async_op=True`` a function returns at once, with a
``Work`` to ``wait()`` for. A rank that is not in the group gets a warning and None.

All raise ``TypeError`` for arguments that are not tensors, ``ValueError`` where no process group was made or arguments do not
fit together, ``RanksDisagree`` (a ``RuntimeError``) where the ranks' shapes, dtypes or calls differ, and ``DistBackendError``
when another rank does not come within the group's timeout.

In a compiled function they are part of the recording, in the program's order, and errors come when it runs. With
``async_op=True`` a collective begins in its place there and is waited for where its result is first needed, wherever the
program calls ``wait()``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autograd.grad_mode import no_grad
from ..core.shapes import count
from ..core.tensor import Array, Tensor, storage_of
from ..ops.inplace import check_no_overlap
from ..ops.joining import cat
from ..runtime.pending import Pending
from . import exchanges, records, work as under_way
from .errors import DistBackendError
from .process_group import ProcessGroup, the_group
from .reduce_op import PremultipliedSum, ReduceOp, Reduction, check_reduction
from .wire import check_reducible
from .work import Steps, Work

SUM = ReduceOp.SUM


def all_reduce(tensor: Tensor, op: Reduction = SUM, group: Any = None, async_op: bool = False) -> Work | None:
    """Replace ``tensor`` on every rank by the reduction of all ranks' tensors.

    Example (a program for ``rushlight launch -n 2``)::

        x = torch.ones(2) * torch.distributed.get_rank()
        torch.distributed.all_reduce(x)  # tensor([1., 1.]) on both
    """
    op = _checked("all_reduce", op, tensor)
    found = _member(group, "all_reduce")
    if found is None:
        return None
    _writable(tensor)
    if records.joins("all_reduce", [tensor]):
        return _record(found, records.ALL_REDUCE, [tensor], {"op": op}, [tensor], async_op)
    steps = _then_write(exchanges.all_reduce(found, tensor._array, op), [tensor], _one)
    return _go(found, "all_reduce", steps, [tensor], async_op)


def reduce(
    tensor: Tensor,
    dst: int | None = None,
    op: Reduction = SUM,
    group: Any = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """Replace ``tensor`` on rank ``dst`` by the reduction of all ranks' tensors; others keep theirs."""
    op = _checked("reduce", op, tensor)
    found = _member(group, "reduce")
    if found is None:
        return None
    root = root_in(found, "dst", dst, group_dst)
    at_root = found.rank() == root
    if at_root:
        _writable(tensor)
    targets = [tensor] if at_root else []
    if records.joins("reduce", [tensor]):
        return _record(found, records.REDUCE, [tensor], {"op": op, "root": root}, targets, async_op)
    steps = _then_write(exchanges.reduce(found, tensor._array, op, root), targets, _one)
    return _go(found, "reduce", steps, [tensor], async_op)


def broadcast(
    tensor: Tensor,
    src: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """Replace ``tensor`` on every rank by that of rank ``src``."""
    _check_tensor("tensor", tensor)
    found = _member(group, "broadcast")
    if found is None:
        return None
    root = root_in(found, "src", src, group_src)
    at_root = found.rank() == root
    if not at_root:
        _writable(tensor)
    targets = [] if at_root else [tensor]
    if records.joins("broadcast", [tensor]):
        return _record(found, records.BROADCAST, [tensor], {"root": root}, targets, async_op)
    steps = _then_write(exchanges.broadcast(found, tensor._array, root), targets, _one)
    return _go(found, "broadcast", steps, [tensor], async_op)


def all_gather(
    tensor_list: Sequence[Tensor], tensor: Tensor, group: Any = None, async_op: bool = False
) -> Work | None:
    """Fill ``tensor_list``, one tensor for each rank, with all ranks' ``tensor``; they may have different shapes."""
    _check_list("tensor_list", tensor_list)
    _check_tensor("tensor", tensor)
    found = _member(group, "all_gather")
    if found is None:
        return None
    _check_length("all_gather", "tensor_list", tensor_list, found)
    _check_dtypes("all_gather", [tensor, *tensor_list])
    _writable(*tensor_list)
    shapes = [one._array.shape for one in tensor_list]
    if tensor._array.shape != shapes[found.rank()] and len(set(shapes)) == 1:
        raise ValueError(
            f"all_gather: the tensor's shape is {list(tensor._array.shape)}, that of its place in tensor_list "
            f"{list(shapes[found.rank()])}; they must be equal"
        )
    if records.joins("all_gather", [tensor, *tensor_list]):
        return _record(
            found, records.ALL_GATHER, [tensor], {"shapes": tuple(shapes)}, list(tensor_list), async_op
        )
    steps = _then_write(exchanges.all_gather(found, tensor._array, shapes), tensor_list, list)
    return _go(found, "all_gather", steps, list(tensor_list), async_op)


def all_gather_into_tensor(
    output_tensor: Tensor, input_tensor: Tensor, group: Any = None, async_op: bool = False
) -> Work | None:
    """Fill ``output_tensor`` with all ranks' ``input_tensor``: joined along dimension 0, or stacked in a new one."""
    _check_tensor("output_tensor", output_tensor)
    _check_tensor("input_tensor", input_tensor)
    found = _member(group, "all_gather_into_tensor")
    if found is None:
        return None
    _check_dtypes("all_gather_into_tensor", [input_tensor, output_tensor])
    _check_multiple("all_gather_into_tensor", output_tensor, input_tensor, found)
    _writable(output_tensor)
    if records.joins("all_gather_into_tensor", [input_tensor, output_tensor]):
        return _record(
            found, records.ALL_GATHER, [input_tensor], {}, [output_tensor], async_op, _joined_tensors
        )
    steps = _then_write(
        exchanges.all_gather(found, input_tensor._array),
        [output_tensor],
        lambda arrays: [_joined(arrays, output_tensor._array.shape)],
    )
    return _go(found, "all_gather_into_tensor", steps, [output_tensor], async_op)


def gather(
    tensor: Tensor,
    gather_list: Sequence[Tensor] | None = None,
    dst: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """Fill ``gather_list`` on rank ``dst`` (0) with all ranks' tensors; the others give no list."""
    _check_tensor("tensor", tensor)
    found = _member(group, "gather")
    if found is None:
        return None
    root = root_in(found, "dst", dst, group_dst, default=0)
    targets = _list_at_root("gather", "gather_list", gather_list, found, root, tensor)
    _writable(*targets)
    if records.joins("gather", [tensor, *targets]):
        return _record(found, records.GATHER, [tensor], {"root": root}, targets, async_op)
    steps = _then_write(exchanges.gather(found, tensor._array, root), targets, list)
    return _go(found, "gather", steps, targets, async_op)


def scatter(
    tensor: Tensor,
    scatter_list: Sequence[Tensor] | None = None,
    src: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """Replace ``tensor`` on each rank by its part of rank ``src``'s (0) ``scatter_list``; the others give no list."""
    _check_tensor("tensor", tensor)
    found = _member(group, "scatter")
    if found is None:
        return None
    root = root_in(found, "src", src, group_src, default=0)
    parts = _list_at_root("scatter", "scatter_list", scatter_list, found, root, tensor)
    _writable(tensor)
    if records.joins("scatter", [tensor, *parts]):
        return _record(found, records.SCATTER, parts or [tensor], {"root": root}, [tensor], async_op)
    arrays = [part._array for part in parts] if found.rank() == root else None
    steps = _then_write(exchanges.scatter(found, arrays, tensor._array, root), [tensor], _one)
    return _go(found, "scatter", steps, [tensor], async_op)


def reduce_scatter(
    output: Tensor,
    input_list: Sequence[Tensor],
    op: Reduction = SUM,
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """Replace ``output`` on rank ``n`` by the reduction of all ranks' ``input_list[n]``."""
    op = _checked("reduce_scatter", op, output)
    _check_list("input_list", input_list)
    found = _member(group, "reduce_scatter")
    if found is None:
        return None
    _check_length("reduce_scatter", "input_list", input_list, found)
    _check_dtypes("reduce_scatter", [output, *input_list])
    own = input_list[found.rank()]
    if own._array.shape != output._array.shape:
        raise ValueError(
            f"reduce_scatter: output has shape {list(output._array.shape)}, its place in input_list {list(own._array.shape)}; "
            "they must be equal"
        )
    _writable(output)
    if records.joins("reduce_scatter", [output, *input_list]):
        return _record(found, records.REDUCE_SCATTER, input_list, {"op": op}, [output], async_op)
    arrays = [one._array for one in input_list]
    steps = _then_write(exchanges.reduce_scatter(found, arrays, op), [output], _one)
    return _go(found, "reduce_scatter", steps, [output], async_op)


def reduce_scatter_tensor(
    output: Tensor, input: Tensor, op: Reduction = SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """Replace ``output`` on rank ``n`` by part ``n`` of the reduction of ``input``, cut along its first dimension."""
    op = _checked("reduce_scatter_tensor", op, output)
    _check_tensor("input", input)
    found = _member(group, "reduce_scatter_tensor")
    if found is None:
        return None
    _check_dtypes("reduce_scatter_tensor", [output, input])
    _check_multiple("reduce_scatter_tensor", input, output, found)
    _writable(output)
    if records.joins("reduce_scatter_tensor", [output, input]):
        with no_grad():
            pieces = list(input.reshape(found.size(), *output._array.shape).unbind(0))
        return _record(found, records.REDUCE_SCATTER, pieces, {"op": op}, [output], async_op)
    arrays = list(input._array.reshape(found.size(), *output._array.shape))
    steps = _then_write(exchanges.reduce_scatter(found, arrays, op), [output], _one)
    return _go(found, "reduce_scatter_tensor", steps, [output], async_op)


def all_to_all(
    output_tensor_list: Sequence[Tensor],
    input_tensor_list: Sequence[Tensor],
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """Send ``input_tensor_list[n]`` to rank ``n``, and fill ``output_tensor_list[n]`` with what rank ``n`` sends here."""
    _check_list("output_tensor_list", output_tensor_list)
    _check_list("input_tensor_list", input_tensor_list)
    found = _member(group, "all_to_all")
    if found is None:
        return None
    _check_length("all_to_all", "output_tensor_list", output_tensor_list, found)
    _check_length("all_to_all", "input_tensor_list", input_tensor_list, found)
    _check_dtypes("all_to_all", [*output_tensor_list, *input_tensor_list])
    _writable(*output_tensor_list)
    if records.joins("all_to_all", [*output_tensor_list, *input_tensor_list]):
        attrs = _shapes_of(output_tensor_list, input_tensor_list)
        return _record(
            found, records.ALL_TO_ALL, input_tensor_list, attrs, list(output_tensor_list), async_op
        )
    steps = _then_write(
        exchanges.all_to_all(
            found,
            [one._array for one in input_tensor_list],
            [one._array.shape for one in output_tensor_list],
        ),
        output_tensor_list,
        list,
    )
    return _go(found, "all_to_all", steps, list(output_tensor_list), async_op)


def all_to_all_single(
    output: Tensor,
    input: Tensor,
    output_split_sizes: Sequence[int] | None = None,
    input_split_sizes: Sequence[int] | None = None,
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """``all_to_all`` of one tensor, cut along dimension 0 into equal parts or into parts of the given sizes."""
    _check_tensor("output", output)
    _check_tensor("input", input)
    found = _member(group, "all_to_all_single")
    if found is None:
        return None
    _check_dtypes("all_to_all_single", [output, input])
    in_graph = records.joins("all_to_all_single", [output, input])
    sent = cut(input._array, input_split_sizes, found.size(), "input")
    places = cut(output._array, output_split_sizes, found.size(), "output")
    _writable(output)
    if in_graph:
        with no_grad():
            pieces = list(input.split([part.shape[0] for part in sent]))
        attrs = {
            "shapes": tuple([place.shape for place in places]),
            "input_shapes": tuple([part.shape for part in sent]),
        }
        return _record(found, records.ALL_TO_ALL, pieces, attrs, [output], async_op, _joined_tensors)

    def joined(arrays: list[Array]) -> list[Array]:
        return [np.concatenate(arrays) if output._array.ndim else arrays[0]]

    steps = _then_write(
        exchanges.all_to_all(found, sent, [place.shape for place in places]), [output], joined
    )
    return _go(found, "all_to_all_single", steps, [output], async_op)


def barrier(
    group: Any = None, async_op: bool = False, device_ids: Any = None, timeout: Any = None
) -> Work | None:
    """Wait until all ranks of the group are here. ``device_ids`` and ``timeout`` are accepted: the group's timeout holds."""
    found = _member(group, "barrier")
    if found is None:
        return None
    tape = records.recording()
    if tape is not None:
        tape.call(records.BARRIER, (), {"group": found})
        return under_way.finished(found, "barrier", []) if async_op else None
    return _go(found, "barrier", exchanges.barrier(found), [], async_op)


def monitored_barrier(group: Any = None, timeout: Any = None, wait_all_ranks: bool = False) -> None:
    """A barrier that names the ranks that did not come: on rank 0, as ``DistBackendError``, after ``timeout``."""
    found = _member(group, "monitored_barrier")
    if found is None:
        return
    records.complete("monitored_barrier")
    limit = found.timeout if timeout is None else timeout.total_seconds()
    comm, tag = found.control, 3
    token = np.zeros(1, np.uint8)
    if found.rank() != 0:
        arrive = comm.Isend(token, 0, tag)
        under_way.wait_until(arrive.Test, limit, "monitored_barrier", found)
        leave = comm.Irecv(token, 0, tag)
        under_way.wait_until(leave.Test, limit, "monitored_barrier", found)
        return
    missing = {rank: comm.Irecv(np.empty(1, np.uint8), rank, tag) for rank in range(1, found.size())}

    def all_here() -> bool:
        for rank, request in list(missing.items()):
            if request.Test():
                del missing[rank]
        return not missing

    try:
        under_way.wait_until(all_here, limit, "monitored_barrier", found)
    except DistBackendError:
        absent = sorted(found.ranks[rank] for rank in missing)
        shown = absent if wait_all_ranks else absent[:1]
        raise DistBackendError(
            f"[Rank 0]: Rank{'s' if len(shown) > 1 else ''} {', '.join(map(str, shown))} failed to pass monitoredBarrier in "
            f"{round(limit * 1000)} ms"
        ) from None
    for rank in range(1, found.size()):
        comm.Send(token, rank, tag)


# --- what they share --------------------------------------------------------------------------------------------------


def root_in(
    group: ProcessGroup, name: str, rank: int | None, number: int | None, default: int | None = None
) -> int:
    """The number in the group of the rank that is given as a world rank or as a number; raises ``ValueError``."""
    if rank is not None and number is not None:
        raise ValueError(f"Can't specify both group_{name} and {name}")
    if number is not None:
        if not 0 <= number < group.size():
            raise ValueError(f"Group rank {number} is not part of group {group.ranks}")
        return number
    if rank is None:
        if default is None:
            raise ValueError(f"Must specify {name} or group_{name}")
        return default
    return group.number_of(rank)


def cut(array: Array, sizes: Sequence[int] | None, parts: int, name: str) -> list[Array]:
    """``array`` in ``parts`` along dimension 0; raises ``RuntimeError`` where the sizes do not add up."""
    length = array.shape[0] if array.ndim else 0
    if not sizes:
        if array.ndim == 0 or length % parts:
            raise RuntimeError(
                f"all_to_all_single: {name} of shape {list(array.shape)} cannot be cut into {parts} equal parts along "
                f"dimension 0; give {name}_split_sizes"
            )
        sizes = [length // parts] * parts
    if len(sizes) != parts:
        raise RuntimeError(f"Number of tensor splits not equal to group size: {len(sizes)} and {parts}")
    if sum(sizes) != length:
        raise RuntimeError(
            f"Split sizes doesn't match total dim 0 size: {name}_split_sizes add up to {sum(sizes)}, not {length}"
        )
    found, start = [], 0
    for size in sizes:
        found.append(array[start : start + size])
        start += size
    return found


def write(tensor: Tensor, array: Array) -> None:
    """Put ``array`` into ``tensor``'s memory, where it may be already."""
    storage_of(tensor).mark_changed("a collective")
    target: Any = tensor._array
    if Pending in (type(array), type(target)):
        target[...] = array.reshape(target.shape)
        return
    if type(target) is not np.ndarray:
        if array is not target:
            target[...] = array.reshape(target.shape)
        return
    if array is not target and not (
        array.__array_interface__["data"] == target.__array_interface__["data"]
        and array.strides == target.strides
    ):
        target[...] = array.reshape(target.shape)


def _then_write(steps: Steps, targets: Sequence[Tensor], arrange: Callable[[Any], list[Array]]) -> Steps:
    result = yield from steps
    if targets:
        for target, array in zip(targets, arrange(result), strict=True):
            write(target, array)


def _one(array: Array) -> list[Array]:
    return [array]


def _joined(arrays: list[Array], shape: tuple[int, ...]) -> Array:
    return np.stack(arrays).reshape(shape)


def _record(
    group: ProcessGroup,
    record: records.Collective,
    tensors: Sequence[Tensor],
    attrs: dict[str, Any],
    targets: list[Tensor],
    async_op: bool,
    arrange: Callable[[Any], Sequence[Tensor]] | None = None,
) -> Work | None:
    """The collective as a part of the recording that is being made."""
    op = attrs.get("op")
    with no_grad():
        if isinstance(op, PremultipliedSum):
            tensors = [(one * op.factor).to(one.dtype) for one in tensors]
            attrs = {**attrs, "op": SUM}
        make = records.call_begun if async_op else records.call
        results = make(record, tensors, {"group": group, **attrs})
        if arrange is not None:
            results = arrange(results)
        elif isinstance(results, Tensor):
            results = [results]
    if targets:
        for target, result in zip(targets, results, strict=True):
            tape = records.recording()
            if type(target._array) is not Pending:
                tape.adopt(target)
            write(target, result._array)
    return under_way.finished(group, record.name, targets) if async_op else None


def _joined_tensors(parts: Sequence[Tensor]) -> Sequence[Tensor]:
    return [cat([part.reshape(-1) for part in parts])]


def _shapes_of(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> dict[str, Any]:
    return {
        "shapes": tuple([one._array.shape for one in outputs]),
        "input_shapes": tuple([one._array.shape for one in inputs]),
    }


def _go(group: ProcessGroup, what: str, steps: Steps, tensors: list[Tensor], async_op: bool) -> Work | None:
    work = under_way.start(group, what, steps, tensors)
    if async_op:
        return work
    work.wait()
    return None


def _member(group: Any, operation: str) -> ProcessGroup | None:
    found = the_group(group)
    if found is None:
        import warnings

        world = the_group(None)
        warnings.warn(
            f"Running {operation} on global rank {world.world_rank if world else '?'} which does not belong to the given "
            "group.",
            stacklevel=3,
        )
    return found


def _checked(operation: str, op: Any, tensor: Any) -> Reduction:
    _check_tensor("tensor", tensor)
    dtype = tensor._array.dtype
    found = check_reduction(operation, op, complex_input=dtype.kind == "c")
    check_reducible(operation, dtype, found)
    return found


def _check_tensor(name: str, value: Any) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type torch.Tensor\n             but got "
            f"{type(value)} instead."
        )


def _check_list(name: str, value: Any) -> None:
    if not isinstance(value, list | tuple) or not all(isinstance(one, Tensor) for one in value):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type List[torch.Tensor]\n             but got "
            f"{type(value)} with elements of type {[type(one) for one in value] if isinstance(value, list | tuple) else '?'}."
        )


def _check_length(operation: str, name: str, tensors: Sequence[Tensor], group: ProcessGroup) -> None:
    if len(tensors) != group.size():
        raise ValueError(
            f"{operation}: {name} has {len(tensors)} tensors; the group has {group.size()} ranks; give one for each"
        )


def _check_dtypes(operation: str, tensors: Sequence[Tensor]) -> None:
    if len({one._array.dtype for one in tensors}) > 1:
        raise ValueError(
            f"{operation}: the tensors must have one dtype, got {', '.join(sorted({str(one.dtype) for one in tensors}))}"
        )


def _check_multiple(operation: str, large: Tensor, small: Tensor, group: ProcessGroup) -> None:
    if count(large._array.shape) != count(small._array.shape) * group.size():
        raise ValueError(
            f"{operation}: a tensor of {count(large._array.shape)} elements (shape {list(large._array.shape)}) does not hold "
            f"{group.size()} of shape {list(small._array.shape)}"
        )


def _list_at_root(
    operation: str, name: str, tensors: Any, group: ProcessGroup, root: int, like: Tensor
) -> list[Tensor]:
    if group.rank() != root:
        if tensors:
            raise ValueError(
                f"Argument ``{name}`` must NOT be specified on "
                f"non-{'destination' if operation == 'gather' else 'source'} ranks."
            )
        return []
    if tensors is None:
        raise ValueError(
            f"Argument ``{name}`` must be specified on {'destination' if operation == 'gather' else 'source'} rank."
        )
    _check_list(name, tensors)
    _check_length(operation, name, tensors, group)
    _check_dtypes(operation, [like, *tensors])
    for one in tensors:
        if one._array.shape != like._array.shape:
            raise ValueError(
                f"{operation}: {name} has a tensor of shape {list(one._array.shape)}, and tensor has "
                f"{list(like._array.shape)}; all must be equal"
            )
    return list(tensors)


def _writable(*tensors: Tensor) -> None:
    for tensor in tensors:
        check_no_overlap(tensor._array)
