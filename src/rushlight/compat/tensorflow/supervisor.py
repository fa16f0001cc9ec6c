"""``tf.train.Supervisor``: the older way to keep a session that restores and saves by itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from . import errors
from .graph import get_default_graph
from .monitored import Scaffold
from .queues import Coordinator, start_queue_runners
from .saver import latest_checkpoint
from .session import Session
from .summary import FileWriter


class Supervisor:
    """The older way: ``with sv.managed_session() as sess: while not sv.should_stop(): …``."""

    def __init__(
        self,
        graph: Any = None,
        logdir: str | None = None,
        init_op: Any = None,
        summary_op: Any = "default",
        saver: Any = "default",
        global_step: Any = None,
        save_summaries_secs: float = 120,
        save_model_secs: float = 600,
        init_fn: Callable[[Any], Any] | None = None,
        is_chief: bool = True,
        **_: Any,
    ) -> None:
        self.graph = get_default_graph() if graph is None else graph
        self._logdir, self._init_fn = logdir, init_fn
        self.coord = Coordinator()
        with self.graph.as_default():
            self._scaffold = Scaffold(init_op, saver=None if saver == "default" else saver).finalize()
        self.saver = self._scaffold.saver
        self.global_step = global_step
        if logdir:
            os.makedirs(logdir, exist_ok=True)
        self.summary_writer = FileWriter(logdir, self.graph) if logdir else None

    @property
    def save_path(self) -> str | None:
        """Where checkpoints go."""
        return os.path.join(self._logdir, "model.ckpt") if self._logdir else None

    def managed_session(self, master: str = "", config: Any = None, **_: Any) -> Any:
        """A context with a session whose variables have values; at its end a checkpoint is written."""
        import contextlib

        @contextlib.contextmanager
        def scope() -> Any:
            session = Session(graph=self.graph, config=config)
            path = latest_checkpoint(self._logdir) if self._logdir else None
            if path is not None and self.saver is not None:
                self.saver.restore(session, path)
            else:
                session.run(self._scaffold.init_op)
                if self._init_fn is not None:
                    self._init_fn(session)
            session.run(self._scaffold.local_init_op)
            start_queue_runners(session, self.coord)
            try:
                with session.as_default():
                    yield session
            except errors.OutOfRangeError:
                pass  # the data is at its end
            finally:
                self.coord.request_stop()
                if self.save_path and self.saver is not None:
                    self.saver.save(session, self.save_path, global_step=self.global_step)
                session.close()
                self.coord.join(stop_grace_period_secs=5, ignore_live_threads=True)

        return scope()

    def should_stop(self) -> bool:
        """Whether a stop was asked for."""
        return self.coord.should_stop()

    def request_stop(self, ex: Any = None) -> None:
        """Ask to stop."""
        self.coord.request_stop(ex)

    def stop(self, *_: Any, **__: Any) -> None:
        """Stop."""
        self.coord.request_stop()

    def summary_computed(self, sess: Any, summary: Any, global_step: Any = None) -> None:
        """Write a summary."""
        if self.summary_writer is not None:
            self.summary_writer.add_summary(summary, global_step)
