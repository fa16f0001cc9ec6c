"""Gradients that are averaged while backward goes on.

Parameters are put into buckets in the reverse of the order in which they were registered, which is about the order in which
backward reaches them. Once all gradients of a bucket are there, their sum over the ranks is started; the last one to arrive
waits for all and puts the averages into ``grad``. All ranks start the buckets in one order.
(Li et al., "PyTorch Distributed: experiences on accelerating data parallel training", 2020, section 3.2.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autograd.grad_mode import no_grad
from ..core.device import OF_ARRAYS, device_of
from ..core.dtypes import F32, LOW_PRECISION
from ..core.history import LeafNode, Node
from ..core.shapes import count
from ..core.tensor import Array, Tensor, make_tensor, storage_of
from ..jit.attempt import is_recording_statically
from ..ops.creation import zeros_like
from ..ops.joining import cat
from ..ops.movement import cast, narrow, reshape
from ..ops.pointwise import mul
from ..runtime.pending import Pending
from . import exchanges, records, stage, work as under_way
from .collectives import write
from .pausing import at_once
from .process_group import ProcessGroup

ndarray = np.ndarray
Hook = Callable[[Any, Any], Any]


# A gradient of this size is a bucket by itself, and is summed where it lies: two copies less.
LARGE = 1 << 20


class Bucket:
    """Gradients that travel together, as one flat array of the dtype that they are summed in.

    ``flat`` is memory of its own, of which ``views`` are the gradients' parts, or that of the only gradient.
    """

    # Slots, as process groups have: compiled functions are not looked through here for changes.
    __slots__ = (
        "_memory", "_shapes", "backend", "begun", "dtype", "flat", "indices", "lends", "missing", "nbytes", "place",
        "scale", "size", "views", "work",
    )  # fmt: skip

    def __init__(self, indices: list[int], params: Sequence[Tensor]) -> None:
        arrays = [params[i]._array for i in indices]
        dtype = arrays[0].dtype
        self.backend: Any = OF_ARRAYS.get(type(arrays[0]))  # of a GPU's arrays; None for the host's
        self.place: Any = None if self.backend is None else self.backend.device_of(arrays[0])
        self.indices = indices
        self.views: dict[int, Array] = {}
        self.missing = len(indices)
        self.work: Any = None  # under way: a Work, or what a communication hook returned
        self._shapes = [array.shape for array in arrays]
        self.dtype = F32 if dtype in LOW_PRECISION else dtype
        self.size = sum([array.size for array in arrays])
        self.nbytes = self.size * self.dtype.itemsize
        self._memory: Array | None = None
        self.lends = (
            len(indices) == 1
            and arrays[0].nbytes >= LARGE
            and dtype not in LOW_PRECISION
            and self.backend is None
        )
        self.scale: float | None = None  # what is still to be multiplied with
        self.begun: Tensor | None = None  # in a recording
        self.flat = np.empty(0, dtype)
        if not self.lends:
            self.use_own_memory()

    def use_own_memory(self) -> None:
        """Make ``flat`` and ``views`` the bucket's own."""
        if self._memory is None:
            self._memory = np.zeros(self.size, self.dtype)
            if self.backend is not None:
                self._memory = self.backend.place(self._memory, self.place)
        elif self.flat is self._memory:
            return
        self.flat = self._memory
        start = 0
        for i, shape in zip(self.indices, self._shapes, strict=True):
            size = count(shape)
            self.views[i] = self.flat[start : start + size].reshape(shape)
            start += size

    def parts_of(self, flat: Tensor) -> list[Tensor]:
        """The views of ``flat`` that are the gradients in their shapes."""
        parts, start = [], 0
        for shape in self._shapes:
            parts.append(reshape(narrow(flat, 0, start, count(shape)), shape))
            start += count(shape)
        return parts

    def use_memory_of(self, gradient: Array) -> None:
        """Make ``flat`` and the only view a gradient's own, contiguous memory."""
        self.flat = gradient.reshape(-1)
        self.views[self.indices[0]] = gradient


class GradBucket:
    """What a communication hook gets: one bucket's gradients as one flat tensor."""

    def __init__(
        self, bucket: Bucket, index: int, last: bool, params: Sequence[Tensor], recorded: Tensor | None = None
    ) -> None:
        """``recorded``: the gradients in a recording, in the place of the bucket's memory."""
        self._tensor = make_tensor(bucket.flat) if recorded is None else recorded
        self._bucket = bucket
        self._is_recorded = recorded is not None
        self._index = index
        self._last = last
        self._params = [params[i] for i in bucket.indices]

    def buffer(self) -> Tensor:
        """The gradients, flat; a view of the bucket's memory."""
        return self._tensor

    def set_buffer(self, tensor: Tensor) -> None:
        """Use ``tensor`` from now on."""
        self._tensor = tensor

    def index(self) -> int:
        """The bucket's number."""
        return self._index

    def is_last(self) -> bool:
        """Whether it is the last bucket of this backward."""
        return self._last

    def parameters(self) -> list[Tensor]:
        """The parameters whose gradients these are."""
        return self._params

    def gradients(self) -> list[Tensor]:
        """The gradients in their shapes; views of the bucket's memory."""
        if self._is_recorded:
            return self._bucket.parts_of(self._tensor)
        return [make_tensor(self._bucket.views[i]) for i in self._bucket.indices]


class Reducer:
    """Averages the gradients of ``params``, which ``names`` describe in errors, over the ranks of ``group``."""

    def __init__(
        self,
        params: Sequence[Tensor],
        names: Sequence[str],
        group: ProcessGroup,
        *,
        first_bytes: int,
        bytes_each: int,
        as_views: bool,
        find_unused: bool,
    ) -> None:
        self.params = list(params)
        self.names = list(names)
        self.group = group
        self.as_views = as_views
        self.find_unused = find_unused
        self.hook: Hook | None = None
        self.hook_state: Any = None
        self.divisor = group.size()  # fewer where ranks have run out of inputs: see Join
        self.buckets = self._fill(first_bytes, bytes_each)
        self._bucket_of = {i: bucket for bucket in self.buckets for i in bucket.indices}
        # Forwards in a static recording whose backward was not recorded yet. Public, so that a recording which ends like
        # that is refused for a change of state: its runs would not prepare the reducer for the backward outside.
        self.awaits_backward = 0
        self._expecting = self._always = False
        self._ready: set[int] = set()
        self._unused: list[int] = []
        self._next = 0  # the bucket to start next
        self._used: Array | None = None
        self._used_work: under_way.Work | None = None
        self._averaging = [  # for recordings
            records.Averaging(
                group,
                [self.params[i]._array.shape for i in b.indices],
                self.params[b.indices[0]]._array.dtype,
                b.dtype,
            )
            for b in self.buckets
        ]
        stage.prepare(group, [bucket.nbytes for bucket in self.buckets if bucket.backend is None])
        for i, param in enumerate(self.params):
            param.register_post_accumulate_grad_hook(self._hook_of(i))

    def _fill(self, first_bytes: int, bytes_each: int) -> list[Bucket]:
        buckets: list[list[int]] = []
        open_ones: dict[Any, list[int]] = {}  # by dtype and device
        filled: dict[Any, int] = {}
        limit = first_bytes
        for i in reversed(range(len(self.params))):
            array = self.params[i]._array
            if array.nbytes >= LARGE:
                buckets.append([i])
                continue
            kind = (array.dtype, device_of(array))
            open_ones.setdefault(kind, []).append(i)
            filled[kind] = filled.get(kind, 0) + array.nbytes
            if filled[kind] >= limit:
                buckets.append(open_ones.pop(kind))
                del filled[kind]
                limit = bytes_each
        buckets += open_ones.values()
        return [Bucket(indices, self.params) for indices in buckets]

    def _hook_of(self, index: int) -> Callable[[Tensor], None]:
        def arrived(param: Tensor) -> None:
            if self._expecting:
                self._arrived(index)

        return arrived

    # --- one backward -------------------------------------------------------------------------------------------------

    def expect(self, outputs: Sequence[Tensor]) -> None:
        """Average the gradients of the next backward. ``outputs``: where it may begin, to find parameters without use."""
        if self._expecting and self._ready:
            raise RuntimeError(self._unfinished())
        self.reset()
        self._expecting = True
        if is_recording_statically():
            self.awaits_backward += 1
        if self.find_unused:
            used = _leaves_under([output._node for output in outputs])
            self._unused = [i for i, param in enumerate(self.params) if param._node not in used]

    def expect_always(self) -> None:
        """Average the gradients of every backward until ``reset`` is called."""
        self.reset()
        self._expecting = self._always = True

    def check_finished(self) -> None:
        """``RuntimeError`` where a backward has not reached all parameters."""
        if self._ready:
            raise RuntimeError(self._unfinished())

    def reset(self) -> None:
        """Forget what was under way: the next backward is not averaged unless ``expect`` is called."""
        self._always = False
        self._begin_again()

    def _begin_again(self) -> None:
        self._expecting = self._always
        self._ready.clear()
        self._unused = []
        self._next = 0
        self._used_work = None
        for bucket in self.buckets:
            bucket.missing = len(bucket.indices)
            bucket.work = bucket.begun = None

    def _arrived(self, index: int) -> None:
        in_graph = records.recording() is not None
        if in_graph and self.find_unused and not is_recording_statically():
            # Which gradients there are depends on what the other ranks say.
            records.complete("the search for unused parameters")
            in_graph = False
        if not self._ready and self._unused:
            for i in self._unused:
                if i == index:
                    continue
                if in_graph:
                    self._record(i)
                else:
                    self._mark(i)
        if index in self._ready:
            raise RuntimeError(
                f"Expected to mark a variable ready only once. The parameter {self.names[index]} got its gradient twice in one "
                "backward, or got one though no output of forward depends on it. Run forward and backward by turns, and "
                "through the DistributedDataParallel module."
            )
        if in_graph:
            self._record(index)
            return
        self._mark(index)
        if len(self._ready) == len(self.params):
            self._finish()
        else:
            under_way.progress()

    def _record(self, index: int) -> None:
        """What ``_mark``, ``_start`` and ``_finish`` do, as nodes of the recording that is being made."""
        self._ready.add(index)
        self._bucket_of[index].missing -= 1
        with no_grad():
            while self._next < len(self.buckets) and not self.buckets[self._next].missing:
                self._record_start(self._next)
                self._next += 1
            if len(self._ready) == len(self.params):
                checked = self._record_search() if self.find_unused else []
                for bucket, averaging in zip(self.buckets, self._averaging, strict=True):
                    for i, mean in zip(bucket.indices, self._means(bucket, averaging, checked), strict=True):
                        if i not in self._unused:  # by no rank: its grad stays as it is, most often None
                            write(self._gradient_of(i), mean._array)
                self._begin_again()
                if self.awaits_backward and is_recording_statically():
                    self.awaits_backward -= 1

    def _record_start(self, number: int) -> None:
        bucket = self.buckets[number]
        gradients = [
            zeros_like(self.params[i]) if i in self._unused else self._gradient_of(i) for i in bucket.indices
        ]
        if self.hook is None:
            bucket.begun = records.call(records.AVERAGE_BEGIN, gradients, {"bucket": self._averaging[number]})
            return
        flat = cat([cast(reshape(gradient, (-1,)), bucket.dtype) for gradient in gradients])
        given = GradBucket(bucket, number, number == len(self.buckets) - 1, self.params, flat)
        bucket.work = self.hook(self.hook_state, given)
        bucket.begun = flat

    def _record_search(self) -> list[Tensor]:
        """The check that the ranks use the same parameters, whose result stands for its having been made."""
        used = [i not in self._unused for i in range(len(self.params))]
        last = self.buckets[-1].begun
        assert last is not None
        attrs = {"group": self.group, "used": tuple(used), "names": tuple(self.names)}
        return [records.call(records.SAME_USE, [last], attrs)]

    def _means(self, bucket: Bucket, averaging: records.Averaging, checked: list[Tensor]) -> Sequence[Tensor]:
        assert bucket.begun is not None
        if self.hook is None:
            return records.call(records.AVERAGE_END, [bucket.begun, *checked], {"bucket": averaging})  # type: ignore[no-any-return]
        result = self._result_of_hook(bucket)
        for check in checked:  # true: nothing is changed before it is known
            result = mul(result, check)
        return bucket.parts_of(reshape(result, (-1,)))

    def _gradient_of(self, index: int) -> Tensor:
        gradient = self.params[index]._grad
        if gradient is None:
            gradient = self.params[index]._grad = zeros_like(self.params[index])
        return gradient

    def _mark(self, index: int) -> None:
        self._ready.add(index)
        bucket = self._bucket_of[index]
        grad = self.params[index]._grad
        if grad is not None and type(grad._array) is Pending:  # of a recording that does not hold this
            real = grad._array.tape.share(grad._array)
            if type(real) is not ndarray:
                grad._array = real
        bucket.scale = None
        if bucket.lends:
            if (
                grad is not None
                and index not in self._unused
                and type(grad._array) is ndarray
                and grad._array.flags.c_contiguous
            ):
                bucket.use_memory_of(grad._array)
            else:
                bucket.use_own_memory()
        view = bucket.views[index]
        if bucket.backend is not None:
            with at_once():
                own = make_tensor(view)
                if grad is None:
                    own.zero_()
                elif grad._array is view:
                    own.mul_(1 if self.hook is not None else 1 / self.divisor)
                else:
                    own.copy_(grad if self.hook is not None else grad * (1 / self.divisor))
        elif grad is None:
            view[...] = 0
        elif self.hook is not None:  # which divides by itself
            if grad._array is not view:
                view[...] = grad._array
        elif bucket.lends and grad._array is view:  # multiplied on its way
            bucket.scale = 1 / self.divisor
        else:
            np.multiply(grad._array, view.dtype.type(1 / self.divisor), out=view, casting="same_kind")
        bucket.missing -= 1
        while self._next < len(self.buckets) and not self.buckets[self._next].missing:
            self._start(self._next)
            self._next += 1

    def _start(self, number: int) -> None:
        bucket = self.buckets[number]
        if self.hook is not None:
            last = number == len(self.buckets) - 1
            bucket.work = self.hook(self.hook_state, GradBucket(bucket, number, last, self.params))
        else:
            steps = exchanges.scaled_sum_in_place(self.group, bucket.flat, bucket.scale)
            bucket.work = under_way.start(self.group, f"gradients of bucket {number}", steps)
        if number == len(self.buckets) - 1 and self.find_unused:
            self._used = np.ones(len(self.params), np.int32)
            self._used[self._unused] = 0
            steps = exchanges.sum_in_place(self.group, self._used)
            self._used_work = under_way.start(self.group, "which parameters are used", steps)

    def _finish(self) -> None:
        unused: set[int] = set()
        if self._used_work is not None and self._used is not None:
            self._used_work.wait()
            unused = set(np.flatnonzero(self._used == 0).tolist())
        for bucket in self.buckets:
            self._await(bucket)
            for i in bucket.indices:
                if i not in unused:  # by no rank: its grad stays as it is, most often None
                    self._give(self.params[i], bucket.views[i])
        self._begin_again()

    def _await(self, bucket: Bucket) -> None:
        if self.hook is None:
            bucket.work.wait()
            return
        result = self._result_of_hook(bucket)
        if result._array is not bucket.flat:
            bucket.flat[...] = result._array.reshape(-1)

    def _result_of_hook(self, bucket: Bucket) -> Tensor:
        found = bucket.work.wait()
        result = found[0] if isinstance(found, list | tuple) else found
        if not isinstance(result, Tensor) or result._array.size != bucket.size:
            raise RuntimeError(
                f"communication hook: its future gave {type(found).__name__}; it must give a tensor of {bucket.size} elements"
            )
        return result

    def _give(self, param: Tensor, view: Array) -> None:
        grad = param._grad
        if type(view) is not ndarray:
            if self.as_views and view.dtype == param._array.dtype:
                if grad is None or grad._array is not view:
                    param._grad = make_tensor(view)
                return
            with at_once():
                if grad is None:
                    grad = param._grad = zeros_like(param)
                grad.copy_(make_tensor(view))
            return
        if self.as_views and view.dtype == param._array.dtype:
            if grad is None or grad._array is not view:
                param._grad = make_tensor(view)
        elif grad is None:
            param._grad = make_tensor(view.astype(param._array.dtype))
        else:
            storage_of(grad).mark_changed("DistributedDataParallel")
            if grad._array is not view:
                grad._array[...] = view

    def run_empty(self) -> None:
        """Take part in the other ranks' backward with gradients of zero."""
        self.reset()
        self._unused = list(range(len(self.params)))
        for number, bucket in enumerate(self.buckets):
            bucket.use_own_memory()
            bucket.flat[...] = 0
            self._start(number)
        for bucket in self.buckets:
            self._await(bucket)
        if self._used_work is not None:
            self._used_work.wait()
        self.reset()

    def _unfinished(self) -> str:
        missing = [i for i in range(len(self.params)) if i not in self._ready]
        which = f"did not receive grad for rank {self.group.world_rank}:"
        return (
            "Expected to have finished reduction in the prior iteration before starting a new one. This error indicates that "
            "your module has parameters that were not used in producing loss. You can enable unused parameter detection by "
            "passing the keyword argument `find_unused_parameters=True` to `torch.nn.parallel.DistributedDataParallel`, and by "
            "making sure all `forward` function outputs participate in calculating loss.\n"
            f"Parameters which {which} {', '.join([self.names[i] for i in missing])}\n"
            f"Parameter indices which {which} {' '.join(map(str, missing))}"
        )


def _leaves_under(roots: Sequence[Node | None]) -> set[Node | None]:
    seen: set[Node | None] = set()
    stack = [root for root in roots if root is not None]
    leaves: set[Node | None] = set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, LeafNode):
            leaves.add(node)
        stack += [edge for edge in node.edges if edge is not None]
    return leaves
