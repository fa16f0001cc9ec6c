"""Sessions for training loops: they initialise or restore, call hooks around every step, and stop in order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from . import errors, logging
from .control_flow import group
from .graph import Graph, GraphKeys, get_default_graph
from .learning_rates import get_global_step, get_or_create_global_step
from .queues import Coordinator, start_queue_runners
from .saver import Saver, latest_checkpoint
from .session import Session
from .summary import FileWriter, Summary, merge_all


class NanLossDuringTrainingError(RuntimeError):
    """The loss is not a number."""

    def __str__(self) -> str:
        return "NaN loss during training."


class SessionRunArgs:
    """What a hook asks to have run besides: ``fetches`` and a ``feed_dict``."""

    def __init__(self, fetches: Any = None, feed_dict: Any = None, options: Any = None) -> None:
        self.fetches, self.feed_dict, self.options = fetches, feed_dict, options


class SessionRunValues:
    """What came of a hook's ``SessionRunArgs``: ``results`` has the structure of its fetches."""

    def __init__(self, results: Any, options: Any = None, run_metadata: Any = None) -> None:
        self.results, self.options, self.run_metadata = results, options, run_metadata


class SessionRunContext:
    """A run that hooks look at, and may ask to be the last one."""

    def __init__(self, original_args: SessionRunArgs, session: Any) -> None:
        self.original_args, self.session = original_args, session
        self.stop_requested = False

    def request_stop(self) -> None:
        """Let this be the last run."""
        self.stop_requested = True


class SessionRunHook:
    """The base of hooks: each method is called at one point of a session's life."""

    def begin(self) -> None:
        """Once, before the session is there; the graph may still be changed."""

    def after_create_session(self, session: Any, coord: Any) -> None:
        """When the session is there and its variables are initialised."""

    def before_run(self, run_context: SessionRunContext) -> Any:
        """Before each run; a ``SessionRunArgs`` asks for more to be run."""

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """After each run."""

    def end(self, session: Any) -> None:
        """At the end, unless an exception ended it."""


class SecondOrStepTimer:
    """Says when something is due that happens every so many steps or seconds."""

    def __init__(self, every_secs: float | None = None, every_steps: int | None = None) -> None:
        if (every_secs is None) == (every_steps is None):
            raise ValueError("Either every_secs or every_steps should be provided, and not both.")
        self._seconds, self._steps = every_secs, every_steps
        self.reset()

    def reset(self) -> None:
        """Begin again."""
        self._last: tuple[float, int] | None = None

    def should_trigger_for_step(self, step: int) -> bool:
        """Whether it is due."""
        if self._last is None:
            return True
        if step == self._last[1]:
            return False
        if self._seconds is not None:
            return time.monotonic() >= self._last[0] + self._seconds
        return step >= self._last[1] + (self._steps or 1)

    def update_last_triggered_step(self, step: int) -> tuple[float | None, int | None]:
        """It was done: the seconds and steps since the last time."""
        now = time.monotonic()
        before, self._last = self._last, (now, step)
        return (None, None) if before is None else (now - before[0], step - before[1])

    def last_triggered_step(self) -> int | None:
        """The step at which it was done last."""
        return None if self._last is None else self._last[1]


class StopAtStepHook(SessionRunHook):
    """Stops after ``num_steps`` steps, or at the step ``last_step``."""

    def __init__(self, num_steps: int | None = None, last_step: int | None = None) -> None:
        if (num_steps is None) == (last_step is None):
            raise ValueError("One of num_steps or last_step must be specified, and not both.")
        self._count, self._last = num_steps, last_step

    def begin(self) -> None:
        """Find the global step."""
        self._step = _needed_step("StopAtStepHook")

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Find the last step."""
        if self._last is None:
            self._last = int(session.run(self._step)) + (self._count or 0)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Stop where it is time."""
        if self._last is not None and int(run_context.session.run(self._step)) >= self._last:
            run_context.request_stop()


def _needed_step(hook: str) -> Any:
    step = get_global_step()
    if step is None:
        raise RuntimeError(f"Global step should be created to use {hook}.")
    return step


class NanTensorHook(SessionRunHook):
    """Stops, or raises ``NanLossDuringTrainingError``, when a tensor is not a number."""

    def __init__(self, loss_tensor: Any, fail_on_nan_loss: bool = True) -> None:
        self._tensor, self._fails = loss_tensor, fail_on_nan_loss

    def before_run(self, run_context: SessionRunContext) -> Any:
        """Ask for the tensor."""
        return SessionRunArgs(self._tensor)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Look at it."""
        if np.isnan(run_values.results):
            if self._fails:
                logging.error("Model diverged with loss = NaN.")
                raise NanLossDuringTrainingError
            logging.warning("Model diverged with loss = NaN.")
            run_context.request_stop()


class LoggingTensorHook(SessionRunHook):
    """Writes tensors to the log every so many steps or seconds, or at the end."""

    def __init__(
        self,
        tensors: Any,
        every_n_iter: int | None = None,
        every_n_secs: float | None = None,
        at_end: bool = False,
        formatter: Callable[[Any], str] | None = None,
    ) -> None:
        if every_n_iter is None and every_n_secs is None and not at_end:
            raise ValueError(
                "either at_end and/or exactly one of every_n_iter and every_n_secs must be provided."
            )
        if every_n_iter is not None and every_n_iter <= 0:
            raise ValueError(f"invalid every_n_iter={every_n_iter}.")
        self._tensors = (
            dict(tensors) if isinstance(tensors, dict) else {getattr(t, "name", t): t for t in tensors}
        )
        self._format, self._at_end = formatter, at_end
        self._timer = None
        if every_n_iter is not None or every_n_secs is not None:
            self._timer = SecondOrStepTimer(every_n_secs, every_n_iter)

    def begin(self) -> None:
        """Find the tensors."""
        graph = get_default_graph()
        self._found = {name: graph.as_graph_element(tensor) for name, tensor in self._tensors.items()}
        self._count = 0
        if self._timer is not None:
            self._timer.reset()

    def before_run(self, run_context: SessionRunContext) -> Any:
        """Ask for the tensors where it is time."""
        self._due = self._timer is not None and self._timer.should_trigger_for_step(self._count)
        return SessionRunArgs(self._found) if self._due else None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Write them."""
        if self._due and self._timer is not None:
            self._write(run_values.results, self._timer.update_last_triggered_step(self._count)[0])
        self._count += 1

    def _write(self, values: dict[str, Any], seconds: float | None) -> None:
        if self._format is not None:
            logging.info(self._format(values))
            return
        text = ", ".join(f"{name} = {values[name]}" for name in values)
        logging.info(text if seconds is None else f"{text} ({seconds:.3f} sec)")

    def end(self, session: Any) -> None:
        """Write them once more, if that was asked for."""
        if self._at_end:
            self._write(session.run(self._found), None)


class CheckpointSaverListener:
    """The base of what is told when checkpoints are written."""

    def begin(self) -> None:
        """Before the session is there."""

    def before_save(self, session: Any, global_step_value: int) -> None:
        """Before a checkpoint is written."""

    def after_save(self, session: Any, global_step_value: int) -> Any:
        """After a checkpoint was written; True asks to stop."""

    def end(self, session: Any, global_step_value: int) -> None:
        """At the end."""


class CheckpointSaverHook(SessionRunHook):
    """Writes checkpoints every so many steps or seconds, at the beginning and at the end."""

    def __init__(
        self,
        checkpoint_dir: str,
        save_secs: float | None = None,
        save_steps: int | None = None,
        saver: Any = None,
        checkpoint_basename: str = "model.ckpt",
        scaffold: Any = None,
        listeners: Sequence[Any] | None = None,
        save_graph_def: bool = True,
    ) -> None:
        if saver is not None and scaffold is not None:
            raise ValueError("You cannot provide both saver and scaffold.")
        self._saver, self._scaffold, self._listeners = saver, scaffold, list(listeners or ())
        self._folder, self._path = checkpoint_dir, os.path.join(checkpoint_dir, checkpoint_basename)
        self._timer = SecondOrStepTimer(save_secs, save_steps)

    def begin(self) -> None:
        """Find the global step."""
        self._step = _needed_step("CheckpointSaverHook")
        for listener in self._listeners:
            listener.begin()

    def _save(self, session: Any, step: int) -> bool:
        saver = self._saver or (self._scaffold.saver if self._scaffold is not None else None)
        if saver is None:
            saver = self._saver = _collected_saver()
        for listener in self._listeners:
            listener.before_save(session, step)
        os.makedirs(self._folder, exist_ok=True)
        saver.save(session, self._path, global_step=step)
        return any([bool(listener.after_save(session, step)) for listener in self._listeners])

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Write the first one."""
        step = int(session.run(self._step))
        self._save(session, step)
        self._timer.update_last_triggered_step(step)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Write one where it is time."""
        step = int(run_context.session.run(self._step))
        if self._timer.should_trigger_for_step(step):
            self._timer.update_last_triggered_step(step)
            if self._save(run_context.session, step):
                run_context.request_stop()

    def end(self, session: Any) -> None:
        """Write the last one."""
        step = int(session.run(self._step))
        if step != self._timer.last_triggered_step():
            self._save(session, step)
        for listener in self._listeners:
            listener.end(session, step)


class StepCounterHook(SessionRunHook):
    """Counts steps a second, into the log or an event file."""

    def __init__(
        self,
        every_n_steps: int | None = 100,
        every_n_secs: float | None = None,
        output_dir: str | None = None,
        summary_writer: Any = None,
    ) -> None:
        self._timer = SecondOrStepTimer(every_n_secs, every_n_steps if every_n_secs is None else None)
        self._folder, self._writer = output_dir, summary_writer

    def begin(self) -> None:
        """Find the global step."""
        self._step = _needed_step("StepCounterHook")
        if self._writer is None and self._folder:
            self._writer = FileWriter(self._folder)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Write the rate where it is time."""
        step = int(run_context.session.run(self._step))
        if self._timer.should_trigger_for_step(step):
            seconds, steps = self._timer.update_last_triggered_step(step)
            if seconds and steps:
                rate = steps / seconds
                if self._writer is not None:
                    value = Summary.Value(tag="global_step/sec", simple_value=rate)
                    self._writer.add_summary(Summary(value=[value]), step)
                logging.info("global_step/sec: %g", rate)

    def end(self, session: Any) -> None:
        """Close the event file; adding more opens it again."""
        if self._writer is not None:
            self._writer.close()


class SummarySaverHook(SessionRunHook):
    """Writes summaries to an event file every so many steps or seconds."""

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: str | None = None,
        summary_writer: Any = None,
        scaffold: Any = None,
        summary_op: Any = None,
    ) -> None:
        if (scaffold is None) == (summary_op is None):
            raise ValueError("Exactly one of scaffold or summary_op must be provided.")
        self._op, self._scaffold, self._folder, self._writer = (
            summary_op,
            scaffold,
            output_dir,
            summary_writer,
        )
        self._timer = SecondOrStepTimer(save_secs, save_steps)

    def begin(self) -> None:
        """Open the event file."""
        self._step = _needed_step("SummarySaverHook")
        self._next = -1
        if self._writer is None and self._folder:
            self._writer = FileWriter(self._folder)

    def before_run(self, run_context: SessionRunContext) -> Any:
        """Ask for the summaries where it is time."""
        op = self._op if self._scaffold is None else self._scaffold.summary_op
        self._due = op is not None and (self._next < 0 or self._timer.should_trigger_for_step(self._next))
        return SessionRunArgs({"summary": op}) if self._due else None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Write them."""
        step = int(run_context.session.run(self._step))
        if self._due:
            self._timer.update_last_triggered_step(step)
            if self._writer is not None:
                found = run_values.results["summary"]
                for summary in found if isinstance(found, list | tuple) else [found]:
                    self._writer.add_summary(summary, step)
        self._next = step + 1

    def end(self, session: Any) -> None:
        """Close the event file; adding more opens it again."""
        if self._writer is not None:
            self._writer.close()


class FinalOpsHook(SessionRunHook):
    """Runs something at the end; what came of it is in ``final_ops_values``."""

    def __init__(self, final_ops: Any, final_ops_feed_dict: Any = None) -> None:
        self._ops, self._feeds = final_ops, final_ops_feed_dict
        self.final_ops_values: Any = None

    def end(self, session: Any) -> None:
        """Run it."""
        if self._ops is not None:
            self.final_ops_values = session.run(self._ops, self._feeds)


class FeedFnHook(SessionRunHook):
    """Feeds what ``feed_fn()`` gives to every run."""

    def __init__(self, feed_fn: Callable[[], Any]) -> None:
        self.feed_fn = feed_fn

    def before_run(self, run_context: SessionRunContext) -> Any:
        """Ask for the feed."""
        return SessionRunArgs(None, self.feed_fn())


# --- sessions -----------------------------------------------------------------------------------------------------------


def _collected_saver() -> Any:
    found = get_default_graph().get_collection(GraphKeys.SAVERS)
    if found:
        return found[0]
    return Saver(allow_empty=True) if get_default_graph().get_collection(GraphKeys.GLOBAL_VARIABLES) else None


class Scaffold:
    """What a monitored session begins with: how to initialise, what to save, which summaries to write."""

    def __init__(
        self,
        init_op: Any = None,
        init_feed_dict: Any = None,
        init_fn: Callable[[Scaffold, Any], Any] | None = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        local_init_op: Any = None,
        summary_op: Any = None,
        saver: Any = None,
        copy_from_scaffold: Any = None,
        local_init_feed_dict: Any = None,
    ) -> None:
        self.init_op, self.init_feed_dict, self.init_fn = init_op, init_feed_dict, init_fn
        self.local_init_op, self.local_init_feed_dict = local_init_op, local_init_feed_dict
        self.summary_op, self.saver, self.ready_op = summary_op, saver, ready_op

    def finalize(self) -> Scaffold:
        """Make what was not given."""
        from .variables import global_variables_initializer, local_variables_initializer

        if self.init_op is None:
            self.init_op = global_variables_initializer()
        if self.local_init_op is None:
            tables = get_default_graph().get_collection(GraphKeys.TABLE_INITIALIZERS)
            self.local_init_op = group(local_variables_initializer(), *tables)
        if self.summary_op is None:
            self.summary_op = merge_all()
        if self.saver is None:
            self.saver = _collected_saver()
        return self


class MonitoredSession:
    """A session whose runs hooks see. It initialises or restores the variables and finalizes the graph.

    ``OutOfRangeError`` and ``StopIteration`` inside the ``with`` block end it quietly, as the end of the data.
    """

    def __init__(
        self,
        session_creator: Any = None,
        hooks: Sequence[Any] | None = None,
        stop_grace_period_secs: float = 120,
        _step_limit: Any = None,
    ) -> None:
        creator = ChiefSessionCreator() if session_creator is None else session_creator
        self._hooks = list(hooks or ())
        self._stopped = False
        self._coordinator = Coordinator()
        self.graph: Graph = get_default_graph()
        self._was_finalized = self.graph.finalized
        for hook in self._hooks:
            hook.begin()
        self._session: Any = creator.create_session()
        self._threads = start_queue_runners(self._session, self._coordinator)
        for hook in self._hooks:
            hook.after_create_session(self._session, self._coordinator)

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Like ``Session.run``, with what the hooks ask for."""
        if self._session is None:
            raise RuntimeError("Run called even after should_stop requested.")
        asked = SessionRunArgs(fetches, feed_dict, options)
        context = SessionRunContext(asked, self._session)
        everything: dict[Any, Any] = {"caller": fetches}
        feeds = dict(feed_dict or {})
        for i, hook in enumerate(self._hooks):
            request = hook.before_run(context)
            if request is not None:
                if request.fetches is not None:
                    everything[f"hook {i}"] = request.fetches
                for key, value in (request.feed_dict or {}).items():
                    if key in feeds:
                        raise RuntimeError(f"Same tensor is fed by two hooks or by the caller: {key}")
                    feeds[key] = value
        found = self._session.run(everything, feeds or None)
        for i, hook in enumerate(self._hooks):
            hook.after_run(context, SessionRunValues(found.get(f"hook {i}")))
        if context.stop_requested:
            self._stopped = True
        return found["caller"]

    def run_step_fn(self, step_fn: Callable[..., Any]) -> Any:
        """``step_fn`` of a context with the plain ``session`` and ``run_with_hooks``."""
        outer = self

        class StepContext:
            session = outer._session
            run_with_hooks = staticmethod(outer.run)

            @staticmethod
            def request_stop() -> None:
                raise StopIteration("step_fn has requested the iterations to stop.")

        try:
            return step_fn(StepContext)
        except StopIteration:
            self._stopped = True
            return None

    def should_stop(self) -> bool:
        """Whether a hook or thread asked to stop."""
        return self._stopped or self._session is None or self._coordinator.should_stop()

    def close(self) -> None:
        """Call the hooks' ``end`` and close the session."""
        self._close(None)

    def _close(self, kind: type[BaseException] | None) -> None:
        if self._session is None:
            return
        try:
            if kind in (None, errors.OutOfRangeError, StopIteration):
                for hook in self._hooks:
                    hook.end(self._session)
        finally:
            self._coordinator.request_stop()
            self._session.close()
            self._session, self._stopped = None, True
            if not self._was_finalized:
                self.graph.reopen()
            self._coordinator.join(stop_grace_period_secs=5, ignore_live_threads=True)

    def __enter__(self) -> MonitoredSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> bool:
        quiet = kind in (errors.OutOfRangeError, StopIteration)
        self._close(kind)
        return quiet


class SingularMonitoredSession(MonitoredSession):
    """A monitored session without recovery, as all are here."""

    def __init__(
        self,
        hooks: Sequence[Any] | None = None,
        scaffold: Any = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: str | None = None,
        stop_grace_period_secs: float = 120,
        checkpoint_filename_with_path: str | None = None,
    ) -> None:
        creator = ChiefSessionCreator(scaffold, master, config, checkpoint_dir, checkpoint_filename_with_path)
        super().__init__(creator, hooks)

    def raw_session(self) -> Any:
        """The plain session."""
        return self._session


class ChiefSessionCreator:
    """Makes a session and initialises its variables, or restores them from the latest checkpoint of a folder."""

    def __init__(
        self,
        scaffold: Any = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
    ) -> None:
        self._scaffold = Scaffold() if scaffold is None else scaffold
        self._config, self._folder, self._file = config, checkpoint_dir, checkpoint_filename_with_path

    def create_session(self) -> Session:
        """The session, with its variables' values."""
        scaffold = self._scaffold.finalize()
        get_default_graph().finalize()
        session = Session(config=self._config)
        path = self._file or (latest_checkpoint(self._folder) if self._folder else None)
        if path is not None and scaffold.saver is not None:
            scaffold.saver.restore(session, path)
        else:
            session.run(scaffold.init_op, scaffold.init_feed_dict)
            if scaffold.init_fn is not None:
                scaffold.init_fn(scaffold, session)
        session.run(scaffold.local_init_op, scaffold.local_init_feed_dict)
        return session


WorkerSessionCreator = ChiefSessionCreator


def MonitoredTrainingSession(
    master: str = "",
    is_chief: bool = True,
    checkpoint_dir: str | None = None,
    scaffold: Any = None,
    hooks: Sequence[Any] | None = None,
    chief_only_hooks: Sequence[Any] | None = None,
    save_checkpoint_secs: Any = "default",
    save_summaries_steps: Any = "default",
    save_summaries_secs: Any = "default",
    config: Any = None,
    stop_grace_period_secs: float = 120,
    log_step_count_steps: int | None = 100,
    max_wait_secs: float = 7200,
    save_checkpoint_steps: Any = "default",
    summary_dir: str | None = None,
    **_: Any,
) -> MonitoredSession:
    """A :class:`MonitoredSession` that writes checkpoints and summaries to ``checkpoint_dir``, and goes on from there.

    Checkpoints every 600 seconds and summaries every 100 steps, if nothing else is said.
    """
    plan = Scaffold() if scaffold is None else scaffold
    every = [*(hooks or ()), *(chief_only_hooks or ())]
    if save_checkpoint_steps == "default":
        save_checkpoint_steps = None
        save_checkpoint_secs = 600 if save_checkpoint_secs == "default" else save_checkpoint_secs
    elif save_checkpoint_secs == "default":
        save_checkpoint_secs = None
    if save_summaries_steps == "default":
        save_summaries_steps = 100 if save_summaries_secs == "default" else None
    if save_summaries_secs == "default":
        save_summaries_secs = None
    folder = summary_dir or checkpoint_dir
    if folder:
        os.makedirs(folder, exist_ok=True)
        if log_step_count_steps and log_step_count_steps > 0 and get_global_step() is not None:
            every.append(StepCounterHook(log_step_count_steps, output_dir=folder))
        if save_summaries_steps or save_summaries_secs:
            get_or_create_global_step()
            every.append(SummarySaverHook(save_summaries_steps, save_summaries_secs, folder, scaffold=plan))
    if checkpoint_dir and (save_checkpoint_secs or save_checkpoint_steps):
        get_or_create_global_step()
        every.append(
            CheckpointSaverHook(checkpoint_dir, save_checkpoint_secs, save_checkpoint_steps, scaffold=plan)
        )
    return MonitoredSession(ChiefSessionCreator(plan, master, config, checkpoint_dir), every)
