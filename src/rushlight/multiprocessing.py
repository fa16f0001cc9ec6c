"""``torch.multiprocessing``: Python's own ``multiprocessing``, and ``spawn``.

A tensor that goes to another process has its memory shared from then on, as by ``Tensor.share_memory_``: what either process
writes in place, both see. Copied instead are what a child sends back (it may be gone before it is asked for the memory), views,
and tensors whose memory something else looks at, unless their memory was shared first.
"""

from __future__ import annotations

import multiprocessing as _multiprocessing
from multiprocessing import *  # noqa: F403
from typing import Any

from .missing import lazily as _lazily
from .ops.shared_memory import register as _share_what_is_sent

_SHARING = ["file_system"]
_share_what_is_sent()


class ProcessException(Exception):
    """A process of ``spawn`` failed: ``error_index`` and ``error_pid`` say which."""

    def __init__(self, msg: str, error_index: int, pid: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.error_pid = msg, error_index, pid


class ProcessRaisedException(ProcessException):
    """A process of ``spawn`` raised; the message has its traceback."""


class ProcessExitedException(ProcessException):
    """A process of ``spawn`` ended with an exit code other than 0, or by a signal."""

    def __init__(
        self, msg: str, error_index: int, error_pid: int, exit_code: int, signal_name: str | None = None
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name


def _run(fn: Any, index: int, args: tuple[Any, ...], errors: Any) -> None:
    import sys
    import traceback

    try:
        fn(index, *args)
    except KeyboardInterrupt:
        pass
    except Exception:
        errors.put(traceback.format_exc())
        sys.exit(1)


class SpawnContext:
    """The processes of ``spawn(join=False)``; ``join()`` waits for them."""

    def __init__(self, processes: list[Any], errors: list[Any]) -> None:
        self.processes, self._errors = processes, errors
        self._open = {process.sentinel: index for index, process in enumerate(processes)}

    def pids(self) -> list[int | None]:
        """The processes' ids."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait until one ends; True when all have. Raises ``ProcessException`` for one that failed, and ends the others."""
        from multiprocessing import connection

        if not self._open:
            return True
        ready = connection.wait(list(self._open), timeout)
        failed = None
        for sentinel in ready:
            index = self._open.pop(sentinel)
            self.processes[index].join()
            if self.processes[index].exitcode != 0 and failed is None:
                failed = index
        if failed is None:
            return not self._open
        for process in self.processes:
            if process.is_alive():
                process.terminate()
            process.join()
        process = self.processes[failed]
        code = process.exitcode
        if self._errors[failed].empty():
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise ProcessExitedException(f"process {failed} terminated with {how}", failed, process.pid, code)
        text = self._errors[failed].get()
        raise ProcessRaisedException(
            f"\n\n-- Process {failed} terminated with the following error:\n{text}", failed, process.pid
        )


ProcessContext = SpawnContext


def start_processes(
    fn: Any,
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> SpawnContext | None:
    """``nprocs`` processes that call ``fn(index, *args)``, started by ``start_method``.

    Waits for them unless ``join`` is False, which gives their context. Raises ``ProcessRaisedException`` with the traceback
    of a process that raised, and ``ProcessExitedException`` for one that ended otherwise; the others are then ended too.
    """
    context: Any = _multiprocessing.get_context(start_method)
    processes, errors = [], []
    for index in range(nprocs):
        queue = context.SimpleQueue()
        process = context.Process(target=_run, args=(fn, index, args, queue), daemon=daemon)
        process.start()
        processes.append(process)
        errors.append(queue)
    running = SpawnContext(processes, errors)
    if not join:
        return running
    while not running.join():
        pass
    return None


def spawn(
    fn: Any,
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> SpawnContext | None:
    """``start_processes`` by spawning."""
    return start_processes(fn, args, nprocs, join, daemon, start_method)


def get_all_sharing_strategies() -> set[str]:
    """{"file_system"}: a name that programs set; tensors are copied."""
    return {"file_system"}


def get_sharing_strategy() -> str:
    """The strategy that was set last."""
    return _SHARING[0]


def set_sharing_strategy(new_strategy: str) -> None:
    """Accepted and remembered. Raises ``AssertionError`` for other names than PyTorch's, as PyTorch does."""
    if new_strategy not in ("file_system", "file_descriptor"):
        raise AssertionError(
            f"set_sharing_strategy: unknown {new_strategy!r}; allowed: file_system, file_descriptor"
        )
    _SHARING[0] = new_strategy


# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
