"""Worker processes of a DataLoader.

Each worker has a queue of its own with tasks (number, indices) and all share one for results. Tasks are dealt in turn and
results handed on in the order of the tasks, so the batches are those of loading here. Worker ``i`` seeds its generators
with ``seed + i``, where the seed is drawn anew for each epoch. A worker that dies ends the epoch with an error within
seconds.
"""

from __future__ import annotations

import queue
import sys
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from ...ops.random import manual_seed
from .iteration import _BaseDataLoaderIter, make_fetcher, pinned

_CHECK_SECONDS = 2.0


class WorkerInfo(NamedTuple):
    """What ``get_worker_info()`` gives inside a worker."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


# PyTorch's name for it: programs that load in threads of their own reset it.
_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker: its ``id``, ``num_workers``, ``seed`` and copy of the ``dataset``. None in the main process."""
    return _worker_info


class _StreamEnded:
    """A worker's stream has no more samples."""


class _Readable(str):
    """A text that a ``KeyError`` shows as it is, with its lines: it prints the ``repr`` of what it holds."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class _Failure:
    """An exception in a worker, as text, because not every exception can be pickled."""

    def __init__(self, worker: int, error: BaseException) -> None:
        import traceback

        self.worker = worker
        self.kind = type(error)
        self.text = "".join(traceback.format_exception(error))

    def reraise(self) -> None:
        message = (
            f"Caught {self.kind.__name__} in DataLoader worker process {self.worker}.\nOriginal {self.text}"
        )
        if self.kind is KeyError:
            raise KeyError(_Readable(message))
        try:
            error = self.kind(message)
        except Exception:
            raise RuntimeError(message) from None
        raise error


def _seed_everything(seed: int) -> None:
    import random

    random.seed(seed)
    manual_seed(seed)
    np.random.seed(np.random.SeedSequence(seed).generate_state(4))


def _work(number: int, count: int, loader_parts: Any, tasks: Any, results: Any) -> None:
    """The body of a worker process."""
    import signal

    global _worker_info
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process decides what an interrupt means
    dataset, kind, batched, collate, drop_last, init = loader_parts
    fetch: Any = None
    broken: _Failure | None = None
    while True:
        task = tasks.get()
        if task is None:
            return
        if task[0] == "epoch":
            broken = None
            try:
                if task[1] is not None:
                    _seed_everything(task[1] + number)
                    _worker_info = WorkerInfo(number, count, task[1] + number, dataset)
                if init is not None and fetch is None:
                    init(number)
                fetch = make_fetcher(dataset, kind, batched, collate, drop_last)
            except Exception as error:
                broken = _Failure(number, error)
            continue
        _, epoch, position, indices = task
        if broken is not None:
            result: Any = broken
        else:
            try:
                result = fetch(indices)
            except StopIteration:
                result = _StreamEnded()
            except Exception as error:
                result = _Failure(number, error)
        results.put((epoch, position, number, result))


class WorkerPool:
    """The processes of one loader."""

    def __init__(self, loader: Any) -> None:
        import multiprocessing

        context = loader.multiprocessing_context
        if context is None or isinstance(context, str):
            context = multiprocessing.get_context(context or _default_method())
        self.epoch_number = 0
        self.results = context.Queue()
        self.tasks = [context.Queue() for _ in range(loader.num_workers)]
        parts = (
            loader.dataset, loader._dataset_kind, loader._auto_collation, loader.collate_fn, loader.drop_last,
            loader.worker_init_fn,
        )  # fmt: skip
        self.processes = []
        for number, tasks in enumerate(self.tasks):
            process = context.Process(
                target=_work, args=(number, loader.num_workers, parts, tasks, self.results), daemon=True
            )
            process.start()
            self.processes.append(process)

    def begin(self, seed: int | None) -> None:
        """Begin an epoch. Without a ``seed``, for workers that have had one, their random streams go on."""
        self.epoch_number += 1
        for tasks in self.tasks:
            tasks.put(("epoch", seed))

    def receive(self, timeout: float) -> Any:
        """The next result; ``RuntimeError`` if a worker died or the time ran out."""
        waited = 0.0
        while True:
            step = min(_CHECK_SECONDS, timeout - waited) if timeout else _CHECK_SECONDS
            try:
                return self.results.get(timeout=step)
            except queue.Empty:
                waited += step
                dead = [p for p in self.processes if not p.is_alive()]
                if dead:
                    pids = ", ".join(str(p.pid) for p in dead)
                    codes = ", ".join(str(p.exitcode) for p in dead)
                    self.stop()
                    raise RuntimeError(
                        f"DataLoader worker (pid(s) {pids}) exited unexpectedly with exit code {codes}"
                    ) from None
                if timeout and waited >= timeout:
                    self.stop()
                    raise RuntimeError(f"DataLoader timed out after {timeout} seconds") from None

    def stop(self) -> None:
        """End the processes."""
        for tasks in self.tasks:
            with suppress(OSError, ValueError):
                tasks.put(None)
        for process in self.processes:
            process.join(timeout=0.5)
            if process.is_alive():
                process.terminate()
                process.join(timeout=5)
        for channel in (*self.tasks, self.results):
            channel.cancel_join_thread()
            channel.close()
        self.processes = []

    def __del__(self) -> None:
        # At the interpreter's end multiprocessing has already stopped its daemons, and its queues can no longer be closed.
        if getattr(self, "processes", None) and not sys.is_finalizing():
            self.stop()


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Deals tasks to worker processes and hands their results on in order, for one epoch, or with persistent workers for
    one after another."""

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        self._prefetch_factor: int = loader.prefetch_factor
        self.pool = WorkerPool(loader)
        self._begin(self._base_seed)

    def _reset(self, loader: Any, first_iter: bool = False) -> None:
        super()._reset(loader, first_iter)
        self._begin(None)

    def _begin(self, seed: int | None) -> None:
        self.pool.begin(seed)
        self.number = self.pool.epoch_number
        self.running = list(range(self._num_workers))  # workers whose stream has not ended
        self.turn = 0
        self.sent = 0
        self.expected = 0
        self.arrived: dict[int, Any] = {}
        self.finished = False
        for _ in range(self._prefetch_factor * self._num_workers):
            self._send()

    def _send(self) -> None:
        if not self.running:
            return
        try:
            indices = self._next_index()
        except StopIteration:
            return
        worker = self.running[self.turn % len(self.running)]
        self.turn = (self.turn + 1) % len(self.running)
        self.pool.tasks[worker].put(("batch", self.number, self.sent, indices))
        self.sent += 1

    def _next_data(self) -> Any:
        while not self.finished and self.expected < self.sent:
            if self.expected not in self.arrived:
                epoch, position, worker, result = self.pool.receive(self._timeout)
                if epoch == self.number:
                    self.arrived[position] = (worker, result)
                continue
            worker, result = self.arrived.pop(self.expected)
            self.expected += 1
            if isinstance(result, _StreamEnded):
                if worker in self.running:
                    self.running.remove(worker)
                self._send()
                continue
            self._send()
            if isinstance(result, _Failure):
                self._end()
                result.reraise()
            return pinned(result) if self._pin_memory else result
        self._end()
        raise StopIteration

    def __next__(self) -> Any:
        return self._counted(self._next_data())

    def _end(self) -> None:
        if not self.finished:
            self.finished = True
            if not self._persistent_workers:
                self.pool.stop()


def _default_method() -> str:
    import multiprocessing

    # Forking a process with BLAS threads is safe only because workers do not use the parent's; it is also what PyTorch
    # does on Linux, and programs rely on datasets that need no pickling.
    return "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
