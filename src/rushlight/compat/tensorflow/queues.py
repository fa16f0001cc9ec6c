"""Queues that threads of the program fill and empty through a session, and the threads' helpers of ``tf.train``."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import rushlight as rl

from . import dtypes, errors
from .conversion import constant_value, convert_to_tensor
from .dtypes import as_dtype
from .graph import GraphKeys, Operation, Tensor, get_default_graph, get_default_session, name_scope
from .tensor_shape import SCALAR, UNKNOWN, TensorShape, as_shape

QUEUE: str = "QueueOp"


class _Store:
    """A queue's elements in one session."""

    def __init__(self, capacity: int, choose: Callable[[int], int], keep: int) -> None:
        self.capacity, self.choose, self.keep = capacity, choose, keep
        self.items: list[Any] = []
        self.closed = False
        self.cancelled = False
        self.changed = threading.Condition()

    def put(self, item: Any, name: str) -> None:
        with self.changed:
            while not self.closed and len(self.items) >= self.capacity:
                self.changed.wait(1.0)
            if self.closed:
                raise errors.CancelledError(None, None, f"Queue '{name}' is closed.")
            self.items.append(item)
            self.changed.notify_all()

    def take(self, name: str, wanted: int, exactly: bool) -> list[Any]:
        """``wanted`` items; the last ones may be fewer if not ``exactly``."""
        with self.changed:
            while not self.closed and len(self.items) < wanted + self.keep:
                self.changed.wait(1.0)
            if len(self.items) < wanted and (exactly or not self.items):
                raise errors.OutOfRangeError(
                    None,
                    None,
                    f"Queue '{name}' is closed and has insufficient elements (requested {wanted}, current size "
                    f"{len(self.items)})",
                )
            found = [
                self.items.pop(self.choose(len(self.items))) for _ in range(min(wanted, len(self.items)))
            ]
            self.changed.notify_all()
            return found


class QueueBase:
    """The base of queues. Elements are tuples of tensors; a queue of one component gives tensors."""

    def __init__(
        self,
        dtypes_: Any,
        shapes: Any,
        names: Any,
        capacity: int,
        name: str,
        keep: int = 0,
        priority: bool = False,
    ) -> None:
        self._dtypes = [
            as_dtype(kind) for kind in (dtypes_ if isinstance(dtypes_, list | tuple) else [dtypes_])
        ]
        if shapes is None:
            self._shapes = [UNKNOWN] * len(self._dtypes)
        else:
            given = shapes if isinstance(shapes, list) and len(self._dtypes) == len(shapes) else [shapes]
            self._shapes = [as_shape(shape) for shape in given]
        self._names = [names] if isinstance(names, str) else list(names) if names else None
        self._capacity, self._keep = int(capacity), keep
        self._graph = get_default_graph()
        self._name = self._graph.unique_name(name)

    def _choose(self, count: int) -> int:
        return 0

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._name

    @property
    def dtypes(self) -> list[Any]:
        """The components' types."""
        return list(self._dtypes)

    @property
    def shapes(self) -> list[Any]:
        """What is known of the components' shapes."""
        return list(self._shapes)

    def _store(self, state: Any) -> _Store:
        found = state.resources.get(self)
        if found is None:
            found = state.resources.setdefault(self, _Store(self._capacity, self._choose, self._keep))
        return found  # type: ignore[no-any-return]

    def _operation(
        self,
        inputs: Sequence[Tensor],
        results: Sequence[Any],
        run: Callable[..., tuple[Any, ...]],
        name: str,
        draws: bool = False,
    ) -> Operation:
        def bind(binding: Any) -> Callable[..., tuple[Any, ...]]:
            return lambda *values: run(self._store(binding.state), *values)

        attributes: dict[str, Any] = {"many": True}
        if draws:
            attributes["draw"] = lambda state, *values: run(self._store(state), *values)
        return self._graph.create_op(QUEUE, inputs, results, bind=bind, name=name, attributes=attributes)

    def _operands(self, vals: Any) -> list[Tensor]:
        if isinstance(vals, dict):
            if self._names is None or set(vals) != set(self._names):
                raise ValueError(f"Keys in dictionary to enqueue do not match names of Queue: {sorted(vals)}")
            vals = [vals[key] for key in self._names]
        elif not isinstance(vals, list | tuple) or (
            len(self._dtypes) == 1 and not (isinstance(vals, list | tuple) and len(vals) == 1)
        ):
            vals = [vals]
        if len(vals) != len(self._dtypes):
            raise ValueError(
                f"{self._name}: {len(vals)} components were given, and it has {len(self._dtypes)}"
            )
        return [convert_to_tensor(item, kind) for item, kind in zip(vals, self._dtypes, strict=True)]

    def enqueue(self, vals: Any, name: str | None = None) -> Operation:
        """An operation that appends one element, and waits while the queue is full."""
        operands = self._operands(vals)

        def run(store: _Store, *values: Any) -> tuple[Any, ...]:
            store.put([_kept(value) for value in values], self._name)
            return ()

        return self._operation(operands, [], run, name or f"{self._name}_enqueue")

    def enqueue_many(self, vals: Any, name: str | None = None) -> Operation:
        """An operation that appends the slices of tensors along their first axis."""
        operands = self._operands(vals)

        def run(store: _Store, *values: Any) -> tuple[Any, ...]:
            for i in range(len(values[0])):
                store.put([_kept(value[i]) for value in values], self._name)
            return ()

        return self._operation(operands, [], run, name or f"{self._name}_EnqueueMany")

    def _packed(self, op: Operation) -> Any:
        if self._names is not None:
            return dict(zip(self._names, op.outputs, strict=True))
        return op.outputs[0] if len(op.outputs) == 1 else list(op.outputs)

    def dequeue(self, name: str | None = None) -> Any:
        """The next element; waits for one. ``OutOfRangeError`` when the queue is closed and empty."""

        def run(store: _Store) -> tuple[Any, ...]:
            return tuple(store.take(self._name, 1, True)[0])

        results = list(zip(self._dtypes, self._shapes, strict=True))
        return self._packed(self._operation([], results, run, name or f"{self._name}_Dequeue", draws=True))

    def _many(self, n: Any, exactly: bool, name: str) -> Any:
        count = convert_to_tensor(n, dtypes.int32)
        known = constant_value(count)

        def run(store: _Store, number: Any) -> tuple[Any, ...]:
            found = store.take(self._name, int(number), exactly)
            return tuple([_joined(column) for column in zip(*found, strict=True)])

        first = int(known) if known is not None and exactly else None
        results = [
            (kind, TensorShape([first]).concatenate(shape))
            for kind, shape in zip(self._dtypes, self._shapes, strict=True)
        ]
        return self._packed(self._operation([count], results, run, name, draws=True))

    def dequeue_many(self, n: Any, name: str | None = None) -> Any:
        """The next ``n`` elements, stacked."""
        return self._many(n, True, name or f"{self._name}_DequeueMany")

    def dequeue_up_to(self, n: Any, name: str | None = None) -> Any:
        """The next ``n`` elements, or what there is when the queue is closed, stacked."""
        return self._many(n, False, name or f"{self._name}_DequeueUpTo")

    def size(self, name: str | None = None) -> Tensor:
        """The number of elements in the queue."""

        def run(store: _Store) -> tuple[Any, ...]:
            return (rl.tensor(len(store.items), dtype=rl.int32),)

        return self._operation([], [(dtypes.int32, SCALAR)], run, name or f"{self._name}_Size").outputs[0]

    def is_closed(self, name: str | None = None) -> Tensor:
        """Whether the queue was closed."""

        def run(store: _Store) -> tuple[Any, ...]:
            return (rl.tensor(store.closed),)

        return self._operation([], [(dtypes.bool_, SCALAR)], run, name or f"{self._name}_is_closed").outputs[
            0
        ]

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Operation:
        """An operation after which nothing can be appended; what is there can still be taken."""

        def run(store: _Store) -> tuple[Any, ...]:
            with store.changed:
                store.closed = True
                store.changed.notify_all()
            return ()

        return self._operation([], [], run, name or f"{self._name}_Close")


def _kept(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, rl.Tensor) else np.array(value, dtype=object)


def _joined(column: Sequence[Any]) -> Any:
    return rl.stack(list(column)) if isinstance(column[0], rl.Tensor) else np.stack(list(column))


class FIFOQueue(QueueBase):
    """A queue whose elements come out in the order in which they came in."""

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "fifo_queue",
    ) -> None:
        super().__init__(dtypes, shapes, names, capacity, name)


class RandomShuffleQueue(QueueBase):
    """A queue whose elements come out in random order, of which ``min_after_dequeue`` stay until it is closed."""

    def __init__(
        self,
        capacity: int,
        min_after_dequeue: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        seed: int | None = None,
        shared_name: str | None = None,
        name: str = "random_shuffle_queue",
    ) -> None:
        super().__init__(dtypes, shapes, names, capacity, name, keep=int(min_after_dequeue))
        graph_seed = self._graph.seed
        fixed = None if seed is None and graph_seed is None else [graph_seed or 0, seed or 0]
        self._chance = np.random.default_rng(fixed)

    def _choose(self, count: int) -> int:
        return int(self._chance.integers(count))


# --- threads ------------------------------------------------------------------------------------------------------------


class Coordinator:
    """Lets several threads stop together: one asks, the others look at :meth:`should_stop`."""

    def __init__(self, clean_stop_exception_types: Any = None) -> None:
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._clean = tuple(clean_stop_exception_types or (errors.OutOfRangeError, errors.CancelledError))
        self._threads: list[threading.Thread] = []

    def request_stop(self, ex: Any = None) -> None:
        """Ask all threads to stop; ``ex`` is raised by :meth:`join` unless it is the usual end of the data."""
        if isinstance(ex, tuple):
            ex = ex[1]
        if isinstance(ex, BaseException) and not isinstance(ex, self._clean) and self._error is None:
            self._error = ex
        self._stop.set()

    def should_stop(self) -> bool:
        """Whether a thread asked to stop."""
        return self._stop.is_set()

    def clear_stop(self) -> None:
        """Forget the request."""
        self._stop.clear()
        self._error = None

    def wait_for_stop(self, timeout: float | None = None) -> bool:
        """Wait until a thread asks to stop."""
        return self._stop.wait(timeout)

    def register_thread(self, thread: threading.Thread) -> None:
        """Have :meth:`join` wait for this thread too."""
        self._threads.append(thread)

    def stop_on_exception(self) -> Any:
        """A context that asks to stop when an exception is raised in it."""
        import contextlib

        @contextlib.contextmanager
        def scope() -> Iterator[None]:
            try:
                yield
            except Exception as error:
                self.request_stop(error)

        return scope()

    def raise_requested_exception(self) -> None:
        """Raise what a thread stopped with."""
        if self._error is not None:
            raise self._error

    def join(
        self,
        threads: Any = None,
        stop_grace_period_secs: float = 120,
        ignore_live_threads: bool = False,
    ) -> None:
        """Wait for the threads, at most ``stop_grace_period_secs`` after a stop was asked for; raise what one raised."""
        every = [*self._threads, *(threads or [])]
        while any(thread.is_alive() for thread in every) and not self._stop.wait(0.05):
            pass
        limit = time.monotonic() + stop_grace_period_secs
        for thread in every:
            thread.join(max(0.0, limit - time.monotonic()))
        self._threads = []
        self.raise_requested_exception()
        if not ignore_live_threads and any(thread.is_alive() for thread in every):
            raise RuntimeError("Coordinator stopped with threads still running")

    @property
    def joined(self) -> bool:
        """Whether no thread is left."""
        return not any(thread.is_alive() for thread in self._threads)


class QueueRunner:
    """A queue and the operations that fill it, each run in a thread of its own."""

    def __init__(
        self,
        queue: Any = None,
        enqueue_ops: Sequence[Operation] | None = None,
        close_op: Any = None,
        cancel_op: Any = None,
        queue_closed_exception_types: Any = None,
    ) -> None:
        if queue is None or not enqueue_ops:
            raise ValueError("Must provide queue and enqueue_ops.")
        self.queue, self.enqueue_ops = queue, list(enqueue_ops)
        self.close_op = queue.close() if close_op is None else close_op

    @property
    def name(self) -> str:
        """The queue's name."""
        return str(self.queue.name)

    def create_threads(
        self, sess: Any, coord: Coordinator | None = None, daemon: bool = False, start: bool = False
    ) -> list[threading.Thread]:
        """A thread for each operation, and one that closes the queue when a stop is asked for."""
        running = len(self.enqueue_ops)
        lock = threading.Lock()

        def fill(op: Operation) -> None:
            nonlocal running
            try:
                while coord is None or not coord.should_stop():
                    sess.run(op)
            except (errors.OutOfRangeError, errors.CancelledError):
                pass
            except Exception as error:
                if coord is None:
                    sys.stderr.write(f"Exception in QueueRunner: {error}\n")
                else:
                    coord.request_stop(error)
            finally:
                with lock:
                    running -= 1
                    last = running == 0
                if last:
                    _quietly(sess, self.close_op)

        def close_on_stop() -> None:
            assert coord is not None
            coord.wait_for_stop()
            _quietly(sess, self.close_op)

        threads = [threading.Thread(target=fill, args=(op,)) for op in self.enqueue_ops]
        if coord is not None:
            threads.append(threading.Thread(target=close_on_stop))
        for thread in threads:
            thread.daemon = True  # a program that forgets to stop them ends all the same
            if coord is not None:
                coord.register_thread(thread)
            if start:
                thread.start()
        return threads


def _quietly(session: Any, op: Operation) -> None:
    import contextlib

    with contextlib.suppress(RuntimeError, errors.OpError):  # the session is closed already
        session.run(op)


def add_queue_runner(qr: QueueRunner, collection: Any = GraphKeys.QUEUE_RUNNERS) -> None:
    """Have :func:`start_queue_runners` start it."""
    get_default_graph().add_to_collection(collection, qr)


def start_queue_runners(
    sess: Any = None,
    coord: Coordinator | None = None,
    daemon: bool = True,
    start: bool = True,
    collection: Any = GraphKeys.QUEUE_RUNNERS,
) -> list[threading.Thread]:
    """Start the threads of all queue runners of the session's graph."""
    session = get_default_session() if sess is None else sess
    if session is None:
        raise ValueError(
            "Cannot start queue runners: No default session is registered. Use `with sess.as_default()` or pass an explicit "
            "session to tf.start_queue_runners(sess=sess)"
        )
    runners = session.graph.get_collection(collection)
    return [
        thread for runner in runners for thread in runner.create_threads(session, coord, daemon, start=start)
    ]


# --- input pipelines ----------------------------------------------------------------------------------------------------


def _flat(tensors: Any) -> tuple[list[Tensor], Callable[[Any], Any]]:
    if isinstance(tensors, dict):
        keys = list(tensors)
        return [convert_to_tensor(tensors[key]) for key in keys], lambda parts: dict(
            zip(keys, parts, strict=True)
        )
    if isinstance(tensors, list | tuple):
        # As in TensorFlow, a list of one comes back as the one.
        return [convert_to_tensor(item) for item in tensors], list if len(
            tensors
        ) > 1 else lambda parts: parts[0]
    return [convert_to_tensor(tensors)], lambda parts: parts[0]


def input_producer(
    input_tensor: Any,
    element_shape: Any = None,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    summary_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> FIFOQueue:
    """A queue that a thread fills with the rows of ``input_tensor``, ``num_epochs`` times or without an end."""
    from .data.dataset import Dataset

    rows = convert_to_tensor(input_tensor)
    with name_scope(name, "input_producer"):
        data = Dataset.from_tensor_slices(rows)
        if shuffle:
            data = data.shuffle(max(rows.shape.as_list()[0] or capacity, 1), seed)
        element = data.repeat(num_epochs).make_one_shot_iterator().get_next()
        queue = FIFOQueue(capacity, [rows.dtype], [element.shape], name="input_producer")
        add_queue_runner(QueueRunner(queue, [queue.enqueue(element)]))
    return queue


def string_input_producer(string_tensor: Any, num_epochs: int | None = None, **options: Any) -> FIFOQueue:
    """A queue that a thread fills with texts, such as file names."""
    return input_producer(convert_to_tensor(string_tensor, dtypes.string), None, num_epochs, **options)


def range_input_producer(limit: int, num_epochs: int | None = None, **options: Any) -> FIFOQueue:
    """A queue that a thread fills with the numbers below ``limit``."""
    return input_producer(np.arange(limit, dtype=np.int32), None, num_epochs, **options)


def slice_input_producer(
    tensor_list: Sequence[Any], num_epochs: int | None = None, **options: Any
) -> list[Tensor]:
    """One slice of each tensor, along the first axis, in each run."""
    from .ops_indexing import gather

    tensors = [convert_to_tensor(item) for item in tensor_list]
    count = tensors[0].shape.as_list()[0]
    if count is None:
        raise ValueError("slice_input_producer: the first extent must be known")
    place = range_input_producer(count, num_epochs, **options).dequeue()
    return [gather(tensor, place) for tensor in tensors]


def _batched(
    tensors: Any,
    queue: QueueBase,
    batch_size: int,
    num_threads: int,
    enqueue_many: bool,
    smaller: bool,
    name: str,
) -> Any:
    parts, pack = _flat(tensors)
    put = queue.enqueue_many if enqueue_many else queue.enqueue
    operand: Any = parts if len(parts) > 1 else [parts[0]]
    add_queue_runner(QueueRunner(queue, [put(operand)] * max(1, num_threads)))
    found = queue.dequeue_up_to(batch_size, name) if smaller else queue.dequeue_many(batch_size, name)
    return pack(found if isinstance(found, list) else [found])


def _shapes(parts: Sequence[Tensor], given: Any, enqueue_many: bool) -> list[Any]:
    if given is not None:
        return [as_shape(shape) for shape in given]
    shapes = [part.shape for part in parts]
    return [TensorShape(shape.as_list()[1:]) for shape in shapes] if enqueue_many else shapes


def batch(
    tensors: Any,
    batch_size: int,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Batches of what ``tensors`` are in each run of a thread that fills a queue."""
    parts, _ = _flat(tensors)
    with name_scope(name, "batch") as scope:
        queue = FIFOQueue(capacity, [p.dtype for p in parts], _shapes(parts, shapes, enqueue_many))
        return _batched(
            tensors, queue, batch_size, num_threads, enqueue_many, allow_smaller_final_batch, scope
        )


def shuffle_batch(
    tensors: Any,
    batch_size: int,
    capacity: int,
    min_after_dequeue: int,
    num_threads: int = 1,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Like :func:`batch`, in random order."""
    parts, _ = _flat(tensors)
    with name_scope(name, "shuffle_batch") as scope:
        queue = RandomShuffleQueue(
            capacity,
            min_after_dequeue,
            [p.dtype for p in parts],
            _shapes(parts, shapes, enqueue_many),
            seed=seed,
        )
        return _batched(
            tensors, queue, batch_size, num_threads, enqueue_many, allow_smaller_final_batch, scope
        )
