"""``Estimator``: trains, evaluates and predicts with a graph that ``model_fn`` makes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import errors, logging, metrics
from ..control_flow import group
from ..graph import Graph, GraphKeys, get_default_graph
from ..learning_rates import get_or_create_global_step
from ..monitored import (
    CheckpointSaverHook,
    ChiefSessionCreator,
    LoggingTensorHook,
    MonitoredSession,
    MonitoredTrainingSession,
    NanTensorHook,
    Scaffold,
    StopAtStepHook,
)
from ..ops_random import set_random_seed
from ..saver import NewCheckpointReader, Saver, latest_checkpoint
from ..summary import FileWriter, Summary, scalar


class ModeKeys:
    """What a graph is made for."""

    TRAIN: Final = "train"
    EVAL: Final = "eval"
    PREDICT: Final = "infer"


class _Spec(NamedTuple):
    mode: str
    predictions: Any
    loss: Any
    train_op: Any
    eval_metric_ops: Any
    export_outputs: Any
    training_chief_hooks: Any
    training_hooks: Any
    scaffold: Any
    evaluation_hooks: Any
    prediction_hooks: Any


class EstimatorSpec(_Spec):
    """What a model function gives back: the operations that its mode needs.

    Raises:
        ValueError: if what the mode needs is missing, or the loss is no scalar.
        TypeError: if something is no tensor or operation.
    """

    __slots__ = ()

    def __new__(
        cls,
        mode: str,
        predictions: Any = None,
        loss: Any = None,
        train_op: Any = None,
        eval_metric_ops: Any = None,
        export_outputs: Any = None,
        training_chief_hooks: Sequence[Any] | None = None,
        training_hooks: Sequence[Any] | None = None,
        scaffold: Any = None,
        evaluation_hooks: Sequence[Any] | None = None,
        prediction_hooks: Sequence[Any] | None = None,
    ) -> EstimatorSpec:
        if mode == ModeKeys.TRAIN and train_op is None:
            raise ValueError("Missing train_op.")
        if mode in (ModeKeys.TRAIN, ModeKeys.EVAL):
            if loss is None:
                raise ValueError("Missing loss.")
            if loss.shape.ndims not in (None, 0) and loss.shape.num_elements() != 1:
                raise ValueError(f"Loss must be scalar, given: {loss}")
        if mode == ModeKeys.PREDICT and predictions is None:
            raise ValueError("Missing predictions.")
        found = {} if eval_metric_ops is None else eval_metric_ops
        if not isinstance(found, dict):
            raise TypeError(f"eval_metric_ops must be a dict, given: {found}")
        for name, pair in found.items():
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise TypeError(
                    f"Values of eval_metric_ops must be (metric_value, update_op) tuples, given: {pair} for key: {name}"
                )
        if mode == ModeKeys.PREDICT:
            loss = train_op = None
        return super().__new__(
            cls,
            mode,
            {} if predictions is None else predictions,
            loss,
            train_op,
            found,
            export_outputs,
            tuple(training_chief_hooks or ()),
            tuple(training_hooks or ()),
            Scaffold() if scaffold is None else scaffold,
            tuple(evaluation_hooks or ()),
            tuple(prediction_hooks or ()),
        )


# Options of TensorFlow's for several machines, which one process has no use for.
_WITHOUT_EFFECT: Final = frozenset(
    (
        "train_distribute", "eval_distribute", "experimental_distribute", "device_fn", "protocol",
        "experimental_max_worker_delay_secs", "session_creation_timeout_secs",
    )
)  # fmt: skip


class RunConfig:
    """How an estimator runs: where its files are and how often they are written.

    Options for several machines are accepted and change nothing. Raises ``TypeError`` for one that TensorFlow does not have,
    ``ValueError`` where checkpoints are asked for by steps and by seconds.
    """

    def __init__(
        self,
        model_dir: str | None = None,
        tf_random_seed: int | None = None,
        save_summary_steps: int = 100,
        save_checkpoints_steps: Any = "default",
        save_checkpoints_secs: Any = "default",
        session_config: Any = None,
        keep_checkpoint_max: int = 5,
        keep_checkpoint_every_n_hours: float = 10000,
        log_step_count_steps: int | None = 100,
        **accepted: Any,
    ) -> None:
        for name in accepted:
            if name not in _WITHOUT_EFFECT:
                raise TypeError(f"RunConfig() got an unexpected keyword argument {name!r}")
        if save_checkpoints_steps == "default":
            save_checkpoints_steps = None
            save_checkpoints_secs = 600 if save_checkpoints_secs == "default" else save_checkpoints_secs
        elif save_checkpoints_secs == "default":
            save_checkpoints_secs = None
        elif save_checkpoints_steps is not None and save_checkpoints_secs is not None:
            raise ValueError("`save_checkpoints_steps` and `save_checkpoints_secs` cannot be both set.")
        self.model_dir, self.tf_random_seed = model_dir, tf_random_seed
        self.save_summary_steps = save_summary_steps
        self.save_checkpoints_steps, self.save_checkpoints_secs = (
            save_checkpoints_steps,
            save_checkpoints_secs,
        )
        self.session_config, self.log_step_count_steps = session_config, log_step_count_steps
        self.keep_checkpoint_max = keep_checkpoint_max
        self.keep_checkpoint_every_n_hours = keep_checkpoint_every_n_hours
        self.is_chief, self.task_type, self.task_id, self.num_ps_replicas = True, "worker", 0, 0
        self.num_worker_replicas, self.master = 1, ""

    def replace(self, **options: Any) -> RunConfig:
        """A copy with other values; ``ValueError`` for a name that it has not."""
        twin = RunConfig()
        vars(twin).update(vars(self))
        for name, value in options.items():
            if name not in vars(twin):
                raise ValueError(f"Replacing {name} is not supported.")
            setattr(twin, name, value)
        return twin


def _named_arguments(function: Callable[..., Any]) -> set[str]:
    import inspect

    return set(inspect.signature(function).parameters)


class Estimator:
    """A model with its loops.

    Args:
        model_fn: ``model_fn(features, labels, mode, params, config)`` gives an :class:`EstimatorSpec`; it takes those of
            the last four that it names.
        model_dir: the folder of checkpoints and summaries; a new one under the system's temporary folder by default.
        config: a :class:`RunConfig`.
        params: handed to ``model_fn``.
        warm_start_from: a checkpoint (or folder) that training begins with.

    Example:
        >>> import numpy as np, tempfile
        >>> import rushlight.compat.tensorflow as tf
        >>> def model_fn(features, labels, mode):
        ...     weight = tf.get_variable("weight", initializer=0.0)
        ...     loss = tf.losses.mean_squared_error(labels, features["x"] * weight)
        ...     step = tf.train.GradientDescentOptimizer(0.5).minimize(loss, tf.train.get_global_step())
        ...     return tf.estimator.EstimatorSpec(mode, features["x"] * weight, loss, step)
        >>> x = np.array([1.0, 1.0], np.float32)
        >>> data = tf.estimator.inputs.numpy_input_fn({"x": x}, 3 * x, num_epochs=None, shuffle=False)
        >>> model = tf.estimator.Estimator(model_fn, tempfile.mkdtemp()).train(data, steps=20)
        >>> float(model.get_variable_value("weight"))
        3.0
    """

    def __init__(
        self,
        model_fn: Callable[..., Any],
        model_dir: str | None = None,
        config: RunConfig | None = None,
        params: Any = None,
        warm_start_from: Any = None,
    ) -> None:
        if model_fn is None:
            raise ValueError("model_fn must be provided to Estimator.")
        named = _named_arguments(model_fn)
        if params is not None and "params" not in named:
            raise ValueError(
                f"model_fn ({model_fn}) does not include params argument, but params ({params}) is passed to Estimator."
            )
        self._config = RunConfig() if config is None else config
        folder = model_dir or self._config.model_dir
        if folder is None:
            import tempfile

            folder = tempfile.mkdtemp()
            logging.warning("Using temporary folder as model directory: %s", folder)
        self._folder = os.fspath(folder)
        self._config = self._config.replace(model_dir=self._folder)
        self._model_fn, self._named, self._start = model_fn, named, warm_start_from
        self._params = dict(params) if isinstance(params, dict) else params

    @property
    def model_dir(self) -> str:
        """The folder of checkpoints and summaries."""
        return self._folder

    @property
    def config(self) -> RunConfig:
        """How this runs."""
        return self._config

    @property
    def params(self) -> Any:
        """What ``model_fn`` gets as ``params``."""
        return {} if self._params is None else self._params

    @property
    def model_fn(self) -> Callable[..., Any]:
        """The model function, with what it does not name left out."""
        return lambda features, labels, mode, config: self._call_model(features, labels, mode)

    def latest_checkpoint(self) -> str | None:
        """The path of the latest checkpoint, or None."""
        return latest_checkpoint(self._folder)

    def get_variable_names(self) -> list[str]:
        """The names in the latest checkpoint."""
        return list(self._reader().get_variable_to_shape_map())

    def get_variable_value(self, name: str) -> NDArray[Any]:
        """A value in the latest checkpoint."""
        return self._reader().get_tensor(name)

    def _reader(self) -> NewCheckpointReader:
        path = self.latest_checkpoint()
        if path is None:
            raise ValueError(f"Couldn't find trained model at {self._folder}.")
        return NewCheckpointReader(path)

    # --- the parts of a graph -------------------------------------------------------------------------------------------

    def _call_input(self, input_fn: Callable[..., Any], mode: str) -> tuple[Any, Any]:
        named = _named_arguments(input_fn)
        given: dict[str, Any] = {}
        if "mode" in named:
            given["mode"] = mode
        if "params" in named:
            given["params"] = self.params
        if "config" in named:
            given["config"] = self._config
        found = input_fn(**given)
        if hasattr(found, "make_initializable_iterator"):
            iterator = found.make_initializable_iterator()
            get_default_graph().add_to_collection(GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
            found = iterator.get_next()
        if isinstance(found, list | tuple):
            if len(found) != 2:
                raise ValueError(
                    f"input_fn should return (features, labels) as a len 2 tuple; got {len(found)} values"
                )
            return found[0], found[1]
        return found, None

    def _call_model(self, features: Any, labels: Any, mode: str) -> EstimatorSpec:
        given: dict[str, Any] = {
            "mode": mode,
            "params": self.params,
            "config": self._config,
            "labels": labels,
        }
        if "labels" not in self._named and labels is not None:
            raise ValueError("model_fn does not take labels, but input_fn returns labels.")
        spec = self._model_fn(
            features=features, **{name: value for name, value in given.items() if name in self._named}
        )
        if not isinstance(spec, EstimatorSpec):
            raise ValueError("model_fn should return an EstimatorSpec.")
        return spec

    def _begin_graph(self) -> Any:
        if self._config.tf_random_seed is not None:
            set_random_seed(self._config.tf_random_seed)
        return get_or_create_global_step()

    # --- training -------------------------------------------------------------------------------------------------------

    def train(
        self,
        input_fn: Callable[..., Any],
        hooks: Sequence[Any] | None = None,
        steps: int | None = None,
        max_steps: int | None = None,
        saving_listeners: Sequence[Any] | None = None,
    ) -> Estimator:
        """Train until the input ends, for ``steps`` more steps, or until step ``max_steps``; the estimator itself.

        Raises:
            ValueError: if both or a number below one are given.
            NanLossDuringTrainingError: if the loss is not a number.
        """
        if steps is not None and max_steps is not None:
            raise ValueError("Can not provide both steps and max_steps.")
        for name, count in (("steps", steps), ("max_steps", max_steps)):
            if count is not None and count <= 0:
                raise ValueError(f"Must specify {name} > 0, given: {count}")
        if max_steps is not None:
            path = self.latest_checkpoint()
            if path is not None and int(NewCheckpointReader(path).get_tensor("global_step")) >= max_steps:
                logging.info("Skipping training since max_steps has already saved.")
                return self
        with Graph().as_default() as graph:
            step = self._begin_graph()
            features, labels = self._call_input(input_fn, ModeKeys.TRAIN)
            spec = self._call_model(features, labels, ModeKeys.TRAIN)
            if all(loss is not spec.loss for loss in graph.get_collection(GraphKeys.LOSSES)):
                graph.add_to_collection(GraphKeys.LOSSES, spec.loss)
            names = {getattr(found, "op", found).name for found in graph.get_collection(GraphKeys.SUMMARIES)}
            if "loss" not in names:
                scalar("loss", spec.loss)
            if self._start is not None and self.latest_checkpoint() is None:
                self._warm_start()
            if spec.scaffold.saver is None and not graph.get_collection(GraphKeys.SAVERS):
                spec.scaffold.saver = Saver(max_to_keep=self._config.keep_checkpoint_max, allow_empty=True)
            running = [*(hooks or ()), *self._training_hooks(spec, step)]
            if steps is not None or max_steps is not None:
                running.append(StopAtStepHook(steps, max_steps))
            self._add_checkpoint_saver(running, spec.scaffold, saving_listeners)
            with MonitoredTrainingSession(
                checkpoint_dir=self._folder,
                scaffold=spec.scaffold,
                hooks=running,
                save_checkpoint_secs=None,
                save_checkpoint_steps=None,
                save_summaries_steps=self._config.save_summary_steps,
                config=self._config.session_config,
                log_step_count_steps=self._config.log_step_count_steps,
            ) as session:
                loss = None
                while not session.should_stop():
                    _, loss = session.run([spec.train_op, spec.loss])
            logging.info("Loss for final step: %s.", loss)
        return self

    def _training_hooks(self, spec: EstimatorSpec, step: Any) -> list[Any]:
        found: list[Any] = [NanTensorHook(spec.loss)]
        every = self._config.log_step_count_steps
        if every:
            found.append(LoggingTensorHook({"loss": spec.loss, "step": step}, every_n_iter=every))
        return [*found, *spec.training_hooks, *spec.training_chief_hooks]

    def _add_checkpoint_saver(self, hooks: list[Any], scaffold: Any, listeners: Sequence[Any] | None) -> None:
        """Unless the program has one of its own, or wants none."""
        seconds, count = self._config.save_checkpoints_secs, self._config.save_checkpoints_steps
        own = any(isinstance(hook, CheckpointSaverHook) for hook in hooks)
        if (seconds or count) and not own:
            hooks.append(
                CheckpointSaverHook(self._folder, seconds, count, scaffold=scaffold, listeners=listeners)
            )

    def _warm_start(self) -> None:
        from ..saver import init_from_checkpoint

        path = getattr(self._start, "ckpt_to_initialize_from", self._start)
        init_from_checkpoint(path, {"/": "/"})

    # --- evaluation and prediction --------------------------------------------------------------------------------------

    def _session_of(
        self, spec: EstimatorSpec, checkpoint_path: str | None, hooks: Sequence[Any], purpose: str
    ) -> MonitoredSession:
        """With the variables of a checkpoint, of the latest one, or their initial values where there is none."""
        path = checkpoint_path or self.latest_checkpoint()
        if path is None:
            logging.info(
                "Could not find trained model in model_dir: %s, running initialization to %s.",
                self._folder,
                purpose,
            )
        creator = ChiefSessionCreator(
            spec.scaffold, config=self._config.session_config, checkpoint_filename_with_path=path
        )
        return MonitoredSession(creator, hooks)

    def evaluate(
        self,
        input_fn: Callable[..., Any],
        steps: int | None = None,
        hooks: Sequence[Any] | None = None,
        checkpoint_path: str | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """The metrics of ``model_fn``, the mean ``loss`` and the ``global_step``, over ``steps`` batches or all.

        Without a checkpoint the variables have their initial values.
        """
        if steps is not None and steps <= 0:
            raise ValueError(f"Must specify steps > 0, given: {steps}")
        with Graph().as_default():
            step = self._begin_graph()
            features, labels = self._call_input(input_fn, ModeKeys.EVAL)
            spec = self._call_model(features, labels, ModeKeys.EVAL)
            found = dict(spec.eval_metric_ops)
            if "loss" in found or "global_step" in found:
                raise ValueError(
                    'Metric with name "loss" is not allowed, because Estimator already defines a default metric'
                )
            found["loss"] = metrics.mean(spec.loss)
            values = {key: pair[0] for key, pair in found.items()} | {"global_step": step}
            update = group(*[pair[1] for pair in found.values()])
            results: dict[str, Any] = {}
            running = [*(hooks or ()), *spec.evaluation_hooks]
            with self._session_of(spec, checkpoint_path, running, "evaluate") as session:
                plain = session._session
                count = 0
                while not session.should_stop() and (steps is None or count < steps):
                    try:
                        session.run(update)
                    except (errors.OutOfRangeError, StopIteration):  # the end of the data
                        break
                    count += 1
                results = plain.run(values)
        self._write_evaluation(results, name)
        return results

    def _write_evaluation(self, results: dict[str, Any], name: str | None) -> None:
        shown = ", ".join(f"{key} = {results[key]}" for key in sorted(results))
        logging.info("Saving dict for global step %d: %s", results["global_step"], shown)
        folder = os.path.join(self._folder, f"eval_{name}" if name else "eval")
        with FileWriter(folder) as writer:
            numbers = [
                Summary.Value(tag=key, simple_value=float(value))
                for key, value in results.items()
                if key != "global_step" and np.ndim(value) == 0
            ]
            writer.add_summary(Summary(value=numbers), int(results["global_step"]))

    def predict(
        self,
        input_fn: Callable[..., Any],
        predict_keys: Any = None,
        hooks: Sequence[Any] | None = None,
        checkpoint_path: str | None = None,
        yield_single_examples: bool = True,
    ) -> Iterator[Any]:
        """The predictions for each example of the input (or for each batch), as arrays or dicts of them.

        Raises:
            ValueError: if no prediction has one of ``predict_keys``, or the parts have different numbers of examples.
        """
        with Graph().as_default():
            self._begin_graph()
            features, _ = self._call_input(input_fn, ModeKeys.PREDICT)
            spec = self._call_model(features, None, ModeKeys.PREDICT)
            predictions = _chosen(spec.predictions, predict_keys)
            running = [*(hooks or ()), *spec.prediction_hooks]
            session = self._session_of(spec, checkpoint_path, running, "predict")
        # The graph is not the default one while the program has the turn.
        with session:
            while not session.should_stop():
                found = session.run(predictions)
                if not yield_single_examples:
                    yield found
                elif isinstance(found, dict):
                    counts = {len(value) for value in found.values()}
                    if len(counts) != 1:
                        raise ValueError(
                            "Batch length of predictions should be same. "
                            f"They have {sorted(counts)} examples: {sorted(found)}"
                        )
                    for i in range(counts.pop()):
                        yield {key: value[i] for key, value in found.items()}
                else:
                    yield from found

    def export_savedmodel(self, *args: Any, **options: Any) -> str:
        """Refuse: graphs hold Python functions and can't be written to files."""
        raise NotImplementedError(
            "export_savedmodel: graphs hold Python functions and can't be written to files; the variables are in model_dir"
        )

    export_saved_model = export_savedmodel


def _chosen(predictions: Any, keys: Any) -> Any:
    if not keys:
        return predictions
    if not isinstance(predictions, Mapping):
        raise ValueError("predict_keys argument is not valid in case of non-dict predictions.")
    wanted = [keys] if isinstance(keys, str) else list(keys)
    found = {key: value for key, value in predictions.items() if key in wanted}
    if not found:
        raise ValueError(f"Expected to run at least one output from {predictions.keys()}, provided {keys}.")
    return found
