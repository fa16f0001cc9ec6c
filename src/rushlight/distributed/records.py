"""The collectives as primitives: what a recording holds, and what is differentiated.

A record's ``impl`` does the exchange and waits for it. In a recording it is a node with an effect: a line of the plan that runs
in Python, never left out and never merged with another, in the program's order among such lines. What its results look like
is said by ``outline``, since trying it out would be a message. So every collective of a program that is being recorded must
join the recording, also one whose operands are known already (``call``); what a graph can't hold makes the recording run
first (``complete``).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.device import CPU, OF_ARRAYS, device_of, empty_on, placed
from ..core.dtypes import OF_NUMPY
from ..core.history import Node
from ..core.shapes import count
from ..core.tensor import Array, Tensor, make_tensor
from ..jit.attempt import is_recording_statically
from ..jit.recorded import ACTIVE
from ..ops.creation import zeros
from ..ops.define import Primitive
from ..ops.dispatch import apply
from ..runtime.pending import Pending
from . import exchanges, work as under_way
from .errors import RanksDisagree
from .pausing import at_once, set_aside
from .reduce_op import ReduceOp
from .stage import Sum

if TYPE_CHECKING:
    from .process_group import ProcessGroup

SUM = ReduceOp.SUM


class Collective(Primitive):
    """A primitive that talks to other processes. ``outline(*arrays, **attrs)``: arrays like its results, of any content.
    ``into(results, *arrays, **attrs)``, where there is one, is ``impl`` for results whose memory is there already. Both take
    the arrays of any device."""

    __slots__ = ("early", "into", "late", "outline")
    effects = True
    everywhere = True  # runs on a GPU's arrays as they are, in one order on all devices together

    def __init__(
        self,
        name: str,
        impl: Callable[..., Any],
        vjp: Callable[..., Any] | None,
        outline: Callable[..., Any],
        grad_name: str | None = None,
        into: Callable[..., None] | None = None,
        early: bool = False,
        late: bool = False,
    ) -> None:
        super().__init__(f"distributed_{name}", _apart(impl), vjp, grad_name=grad_name)
        self.outline = _of_any_device(outline)
        self.into = None if into is None else _apart(into)
        # A pair: what one has begun the other waits for. A plan does the one as soon, the other as late as it can.
        self.early, self.late = early, late


def _apart(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` run as if no recording were being made: while a piece of one runs, what it does is no part of the next."""

    def run(*arrays: Any, device: str = "", **attrs: Any) -> Any:
        if recording() is None and not OF_ARRAYS:
            return function(*arrays, **attrs)
        with set_aside():
            return function(*arrays, **attrs)

    return run


def _of_any_device(outline: Callable[..., Any]) -> Callable[..., Any]:
    def outlined(*arrays: Any, device: str = "", **attrs: Any) -> Any:
        return outline(*arrays, **attrs)

    return outlined


# --- recordings -------------------------------------------------------------------------------------------------------


def recording() -> Any:
    """The tape of the recording that this thread is making; None if there is none."""
    return getattr(ACTIVE, "tape", None)


def call(record: Collective, tensors: Sequence[Tensor], attrs: dict[str, Any]) -> Any:
    """The tensors that ``record`` gives: now, or as part of the recording that is being made.

    A recording holds the device as one more parameter, which the record's functions pass over.
    """
    if joins(record.name.removeprefix("distributed_"), tensors):
        for tensor in tensors:
            if type(tensor._array) is not Pending:
                recording().adopt(tensor)
        where = device_of(tensors[0]._array) if tensors else CPU
        attrs = {name: value for name, value in attrs.items() if name != "device"}
        if where is not CPU:  # which a graph can't tell of operands that are constants
            attrs["device"] = str(where)
    return apply(record, tuple(tensors), attrs)


def joins(operation: str, tensors: Sequence[Tensor]) -> bool:
    """Whether ``operation`` on ``tensors`` becomes a part of a recording that is being made.

    ``RuntimeError`` for tensors of two devices."""
    if recording() is None:
        return False
    places = {device_of(tensor._array) for tensor in tensors}
    if len(places) > 1:
        raise RuntimeError(
            f"{operation}(): the tensors must be on one device, got {', '.join(sorted(map(str, places)))}"
        )
    return True


def complete(what: str) -> None:
    """Run what is recorded so far, before something that a graph does not hold; ``RuntimeError`` in a static recording."""
    tape = recording()
    if tape is None:
        return
    if is_recording_statically():
        raise RuntimeError(
            f"compile(fullgraph=True): {what} can't be part of a static graph; call it outside of the compiled function, or "
            "leave out fullgraph=True"
        )
    tape.flush()


# --- collectives with gradients ---------------------------------------------------------------------------------------


def _run(group: ProcessGroup, what: str, steps: under_way.Steps) -> Any:
    return under_way.run(group, what, steps)


def _like(x: Array, **attrs: Any) -> Array:
    return np.empty(x.shape, x.dtype)


def _one_each(x: Array, group: ProcessGroup, **attrs: Any) -> tuple[Array, ...]:
    return tuple([np.empty(x.shape, x.dtype) for _ in range(group.size())])


def _all_reduce_impl(x: Array, group: ProcessGroup, op: Any) -> Array:
    return _run(group, "all_reduce", exchanges.all_reduce(group, x.copy(), op))  # type: ignore[no-any-return]


def _all_reduce_vjp(g: Tensor, node: Node) -> Any:
    _only_sums("all_reduce", node.attrs["op"])
    return call(ALL_REDUCE, (g,), node.attrs)


ALL_REDUCE = Collective("all_reduce", _all_reduce_impl, _all_reduce_vjp, _like, "_AllReduceBackward")


def _reduce_impl(x: Array, group: ProcessGroup, op: Any, root: int) -> Array:
    found = _run(group, "reduce", exchanges.reduce(group, x, op, root))
    return x.copy() if found is None else found


def _reduce_vjp(g: Tensor, node: Node) -> Any:
    _only_sums("reduce", node.attrs["op"])
    group, root = node.attrs["group"], node.attrs["root"]
    spread = call(BROADCAST, (g,), {"group": group, "root": root})
    return spread / group.size() if node.attrs["op"] is ReduceOp.AVG else spread


REDUCE = Collective("reduce", _reduce_impl, _reduce_vjp, _like, "_ReduceBackward")


def _broadcast_impl(x: Array, group: ProcessGroup, root: int) -> Array:
    return _run(group, "broadcast", exchanges.broadcast(group, x.copy(), root))  # type: ignore[no-any-return]


def _broadcast_vjp(g: Tensor, node: Node) -> Any:
    group, root = node.attrs["group"], node.attrs["root"]
    total = call(REDUCE, (g,), {"group": group, "op": SUM, "root": root})
    return total if group.rank() == root else total * 0


BROADCAST = Collective("broadcast", _broadcast_impl, _broadcast_vjp, _like, "_BroadcastBackward")


def _all_gather_impl(x: Array, group: ProcessGroup, shapes: Any = None) -> tuple[Array, ...]:
    return tuple(_run(group, "all_gather", exchanges.all_gather(group, x, shapes)))


def _all_gather_outline(x: Array, group: ProcessGroup, shapes: Any = None) -> tuple[Array, ...]:
    return tuple([np.empty(shape, x.dtype) for shape in shapes or [x.shape] * group.size()])


def _all_gather_vjp(gradients: list[Tensor | None], node: Node) -> Any:
    return call(REDUCE_SCATTER, _complete(gradients, node), {"group": node.attrs["group"], "op": SUM})


ALL_GATHER = Collective(
    "all_gather", _all_gather_impl, _all_gather_vjp, _all_gather_outline, "_AllGatherBackward"
)


def _reduce_scatter_impl(*xs: Array, group: ProcessGroup, op: Any) -> Array:
    return _run(group, "reduce_scatter", exchanges.reduce_scatter(group, xs, op))  # type: ignore[no-any-return]


def _reduce_scatter_outline(*xs: Array, group: ProcessGroup, op: Any) -> Array:
    own = xs[group.rank()]
    return np.empty(own.shape, own.dtype)


def _reduce_scatter_vjp(g: Tensor, node: Node) -> Any:
    op, group = node.attrs["op"], node.attrs["group"]
    _only_sums("reduce_scatter", op)
    parts = call(ALL_GATHER, (g,), {"group": group})
    return tuple([part / group.size() for part in parts]) if op is ReduceOp.AVG else parts


REDUCE_SCATTER = Collective(
    "reduce_scatter",
    _reduce_scatter_impl,
    _reduce_scatter_vjp,
    _reduce_scatter_outline,
    "_ReduceScatterBackward",
)


def _gather_impl(x: Array, group: ProcessGroup, root: int) -> tuple[Array, ...]:
    found = _run(group, "gather", exchanges.gather(group, x, root))
    return tuple([np.zeros_like(x) for _ in range(group.size())] if found is None else found)


def _gather_vjp(gradients: list[Tensor | None], node: Node) -> Any:
    return call(SCATTER, _complete(gradients, node), node.attrs)


GATHER = Collective("gather", _gather_impl, _gather_vjp, _one_each, "_GatherBackward")


def _scatter_impl(*xs: Array, group: ProcessGroup, root: int) -> Array:
    arrays = xs if group.rank() == root else None
    return _run(group, "scatter", exchanges.scatter(group, arrays, xs[0], root))  # type: ignore[no-any-return]


def _scatter_vjp(g: Tensor, node: Node) -> Any:
    return call(GATHER, (g,), node.attrs)


SCATTER = Collective(
    "scatter", _scatter_impl, _scatter_vjp, lambda *xs, **attrs: _like(xs[0]), "_ScatterBackward"
)


def _all_to_all_impl(*xs: Array, group: ProcessGroup, shapes: Any, input_shapes: Any) -> tuple[Array, ...]:
    return tuple(_run(group, "all_to_all", exchanges.all_to_all(group, xs, shapes)))


def _all_to_all_outline(*xs: Array, group: ProcessGroup, shapes: Any, input_shapes: Any) -> tuple[Array, ...]:
    return tuple([np.empty(shape, xs[0].dtype) for shape in shapes])


def _all_to_all_vjp(gradients: list[Tensor | None], node: Node) -> Any:
    attrs = {
        "group": node.attrs["group"],
        "shapes": node.attrs["input_shapes"],
        "input_shapes": node.attrs["shapes"],
    }
    return call(ALL_TO_ALL, _complete(gradients, node), attrs)


ALL_TO_ALL = Collective(
    "all_to_all", _all_to_all_impl, _all_to_all_vjp, _all_to_all_outline, "_AlltoAllBackward"
)


def _complete(gradients: Sequence[Tensor | None], node: Node) -> tuple[Tensor, ...]:
    where = next(device_of(gradient._array) for gradient in gradients if gradient is not None)
    return tuple(
        [
            zeros(shape, device=where).to(OF_NUMPY[dtype]) if gradient is None else gradient
            for gradient, (shape, dtype) in zip(gradients, node.outputs or (), strict=True)
        ]
    )


def _only_sums(operation: str, op: Any) -> None:
    if op not in (ReduceOp.SUM, ReduceOp.AVG):
        raise NotImplementedError(f"{operation}: no gradient for ReduceOp.{op.name}; SUM and AVG have one")


# --- without gradients ------------------------------------------------------------------------------------------------


def _barrier_impl(group: ProcessGroup) -> Array:
    _run(group, "barrier", exchanges.barrier(group))
    return np.zeros((), np.bool_)


BARRIER = Collective("barrier", _barrier_impl, None, lambda group: np.zeros((), np.bool_))


def _copies_impl(*xs: Array, group: ProcessGroup, root: int) -> tuple[Array, ...]:
    from .wire import as_bytes, contiguous

    if type(xs[0]) is not np.ndarray:
        copies = [x.copy() for x in xs]
        return tuple(_run(group, "broadcast of a model", exchanges.broadcast_together(group, copies, root)))
    data = np.concatenate([as_bytes(contiguous(x)) for x in xs])
    _run(group, "broadcast of a model", exchanges.broadcast_bytes(group, data, root))
    found, start = [], 0
    for x in xs:
        found.append(data[start : start + x.nbytes].view(x.dtype).reshape(x.shape))
        start += x.nbytes
    return tuple(found)


# Several tensors as they are on the group's rank ``root``, in one message.
COPIES = Collective("copies", _copies_impl, None, lambda *xs, **attrs: tuple([_like(x) for x in xs]))


# --- begun, and waited for when the results are needed -----------------------------------------------------------------

_begun: dict[
    int, tuple[under_way.Work, Callable[[Any], Any]]
] = {}  # by the number that stands for it in a graph
_numbers = itertools.count(1)


def _begin_impl(*xs: Array, steps: Callable[..., Any], attrs: Any) -> Array:
    given = dict(attrs)
    group = given.pop("group")
    begun, arrange = steps(group, xs, **given)
    number = next(_numbers)
    _begun[number] = (under_way.start(group, steps.__name__.strip("_"), begun), arrange)
    return np.array(number, np.int64)


BEGIN = Collective("begin", _begin_impl, None, lambda *xs, steps, attrs: np.zeros((), np.int64), early=True)


def _end_impl(number: Array, results: Any, single: bool) -> Any:
    work, arrange = _begun.pop(int(number))
    work.wait()
    found = arrange(work._value)
    return found if single else tuple(found)


def _end_outline(number: Array, results: Any, single: bool) -> Any:
    found = tuple([np.empty(shape, dtype) for shape, dtype in results])
    return found[0] if single else found


END = Collective("end", _end_impl, None, _end_outline, late=True)


def _itself(value: Any) -> Any:
    return value


# What each collective does between the two, and how its result becomes the record's. Operands' memory is copied before.


def _all_reduce(group: ProcessGroup, xs: Any, op: Any) -> Any:
    return exchanges.all_reduce(group, xs[0].copy(), op), _itself


def _reduce(group: ProcessGroup, xs: Any, op: Any, root: int) -> Any:
    own = xs[0].copy()
    return exchanges.reduce(group, own, op, root), lambda found: own if found is None else found


def _broadcast(group: ProcessGroup, xs: Any, root: int) -> Any:
    return exchanges.broadcast(group, xs[0].copy(), root), _itself


def _all_gather(group: ProcessGroup, xs: Any, shapes: Any = None) -> Any:
    return exchanges.all_gather(group, xs[0].copy(), shapes), _itself


def _reduce_scatter(group: ProcessGroup, xs: Any, op: Any) -> Any:
    return exchanges.reduce_scatter(group, [x.copy() for x in xs], op), _itself


def _all_to_all(group: ProcessGroup, xs: Any, shapes: Any, input_shapes: Any) -> Any:
    return exchanges.all_to_all(group, [x.copy() for x in xs], shapes), _itself


_STEPS = {
    ALL_REDUCE: _all_reduce,
    REDUCE: _reduce,
    BROADCAST: _broadcast,
    ALL_GATHER: _all_gather,
    REDUCE_SCATTER: _reduce_scatter,
    ALL_TO_ALL: _all_to_all,
}


def call_begun(record: Collective, tensors: Sequence[Tensor], attrs: dict[str, Any]) -> Any:
    """As ``call``, in a recording and without gradients: begun here, and waited for where the results are needed."""
    steps = _STEPS.get(record)
    # On a GPU nobody waits for a collective but the stream of the program: it begins and ends in its place.
    if steps is None or any([device_of(tensor._array) is not CPU for tensor in tensors]):
        return call(record, tensors, attrs)
    outline = record.outline(*[tensor._array for tensor in tensors], **attrs)
    single = not isinstance(outline, tuple)
    results = tuple([(one.shape, one.dtype) for one in ((outline,) if single else outline)])
    token = call(BEGIN, tensors, {"steps": steps, "attrs": tuple(attrs.items())})
    return call(END, [token], {"results": results, "single": single})


class Averaging:
    """One bucket of gradients that a plan averages: begun by ``AVERAGE_BEGIN``, ended by ``AVERAGE_END``.

    Between the two the plan goes on with what does not depend on the means. One begins only when the one before it of the
    same bucket has ended.
    """

    __slots__ = ("_flat", "_size", "_sum", "_summed_in", "_work", "dtype", "group", "shapes")

    def __init__(
        self, group: ProcessGroup, shapes: Sequence[tuple[int, ...]], dtype: Any, summed_in: Any
    ) -> None:
        self.group = group
        self.shapes = tuple(shapes)
        self.dtype = dtype
        self._summed_in = summed_in
        self._size = sum([count(shape) for shape in shapes])
        self._work: Any = None
        self._sum: Sum | None = None  # of those that go through shared memory
        self._flat: Array | None = None  # of the others

    def begin(self, gradients: Sequence[Array]) -> None:
        """Send the gradients on their way; they are not needed afterwards."""
        group = self.group
        scale = 1 / group.size()
        what = "gradients in a compiled step"
        on_host = type(gradients[0]) is np.ndarray
        if on_host and exchanges.is_staged(group, self._size * self._summed_in.itemsize):
            total = self._sum = Sum(self._summed_in)
            work = self._work = under_way.start(group, what, group.stage.put(total, gradients, scale))
            if not total.given:
                under_way.wait_until(lambda: total.given or work._done, group.timeout, what, group)
            return
        self._sum = None
        where = device_of(gradients[0])
        if self._flat is None or device_of(self._flat) != where:
            self._flat = empty_on(where, (self._size,), self._summed_in)
        for gradient, place in zip(gradients, self._parts(), strict=True):
            if where is CPU:
                np.multiply(gradient, self._summed_in.type(scale), out=place, casting="same_kind")
            else:
                with at_once():
                    make_tensor(place).copy_(make_tensor(gradient)).mul_(scale)
        self._work = under_way.start(group, what, exchanges.sum_in_place(group, self._flat))

    def end(self, means: Sequence[Array]) -> None:
        """Wait, and put the means into contiguous arrays of the gradients' shapes."""
        self._work.wait()
        self._work = None
        if self._sum is not None:
            self.group.stage.take(self._sum, means)
            return
        for mean, part in zip(means, self._parts(), strict=True):
            if type(mean) is np.ndarray:
                mean[...] = part
            else:
                with at_once():
                    make_tensor(mean).copy_(make_tensor(part))

    def _parts(self) -> list[Array]:
        assert self._flat is not None
        parts, start = [], 0
        for shape in self.shapes:
            parts.append(self._flat[start : start + count(shape)].reshape(shape))
            start += count(shape)
        return parts


def _average_begin_impl(*gradients: Array, bucket: Averaging) -> Array:
    bucket.begin(gradients)
    return _placeholder(gradients[0])


def _placeholder(like: Array) -> Array:
    """What stands for something that is under way: nobody looks at it."""
    return (
        np.zeros((), np.bool_)
        if type(like) is np.ndarray
        else empty_on(device_of(like), (), np.dtype(np.bool_))
    )


# What it gives stands for the bucket under way: AVERAGE_END needs it, and so comes later.
AVERAGE_BEGIN = Collective(
    "average_begin",
    _average_begin_impl,
    None,
    lambda *gradients, bucket: np.zeros((), np.bool_),
    early=True,
)


def _means(begun: Array, *checked: Array, bucket: Averaging) -> tuple[Array, ...]:
    return tuple([np.empty(shape, bucket.dtype) for shape in bucket.shapes])


def _average_end_impl(begun: Array, *checked: Array, bucket: Averaging) -> tuple[Array, ...]:
    where = device_of(begun)
    means = tuple([empty_on(where, shape, bucket.dtype) for shape in bucket.shapes])
    bucket.end(means)
    return means


def _average_end_into(results: Sequence[Array], begun: Array, *checked: Array, bucket: Averaging) -> None:
    bucket.end(results)


AVERAGE_END = Collective("average_end", _average_end_impl, None, _means, into=_average_end_into, late=True)


def _same_use_impl(
    begun: Array, group: ProcessGroup, used: tuple[bool, ...], names: tuple[str, ...]
) -> Array:
    total = np.array(used, np.int32)
    _run(group, "which parameters are used", exchanges.sum_in_place(group, total))
    odd = [name for name, number in zip(names, total.tolist(), strict=True) if 0 < number < group.size()]
    if odd:
        raise RanksDisagree(
            "compile(fullgraph=True): DistributedDataParallel(find_unused_parameters=True): in this step some ranks use "
            f"{', '.join(odd)} and others do not; whether there is a gradient can't depend on other ranks in a static graph: "
            "leave out fullgraph=True"
        )
    return placed(np.ones((), np.bool_), device_of(begun))  # type: ignore[no-any-return]


# Raises where the ranks do not use the same parameters. ``begun`` says which bucket's exchange comes before.
SAME_USE = Collective("same_use", _same_use_impl, None, lambda begun, **attrs: np.ones((), np.bool_))
