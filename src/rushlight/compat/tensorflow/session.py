"""Sessions: they hold the variables' values and run parts of a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from . import errors
from .conversion import CONST, as_runtime
from .differentiate import GRADIENT
from .executor import VARIABLE, Plan, make_step, needed_operations
from .fetches import Fetches, as_fetched, feed_tensor, feed_value
from .graph import Graph, Tensor, get_default_graph, pop_session, push_session
from .nesting import flatten
from .placement import device_names, place
from .session_state import SessionState

_PLANS_KEPT = 500


class BaseSession:
    """What :class:`Session` and :class:`InteractiveSession` have in common."""

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        if graph is not None and not isinstance(graph, Graph):
            raise TypeError(f"graph must be a tf.Graph, but got {type(graph)}")
        self._graph = get_default_graph() if graph is None else graph
        self._closed = False
        self._config = config
        self._state = SessionState()
        # The graph only grows, and no operation changes: a plan for some fetches and feeds stays right.
        self._plans: dict[Any, Plan] = {}
        self._steps: dict[Any, Callable[..., tuple[Any, ...]]] = {}

    @property
    def graph(self) -> Graph:
        """The graph that this session runs."""
        return self._graph

    @property
    def graph_def(self) -> Graph:
        """The graph that this session runs."""
        return self._graph

    @property
    def sess_str(self) -> bytes:
        """The target: there is none but this process."""
        return b""

    def close(self) -> None:
        """Give up the variables' values; the session can't run anything any more."""
        self._closed = True
        self._state = SessionState()
        self._plans.clear()
        self._steps.clear()

    def as_default(self) -> Any:
        """A context in which ``eval`` and ``run`` use this session; it stays open afterwards."""
        import contextlib

        @contextlib.contextmanager
        def scope() -> Any:
            push_session(self)
            try:
                yield self
            finally:
                pop_session(self)

        return scope()

    def list_devices(self) -> list[str]:
        """The devices: the CPU, as often as ``ConfigProto(device_count={"CPU": n})`` says."""
        return device_names(self._config)

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Compute what ``fetches`` need, and give their values.

        Args:
            fetches: a tensor, variable, operation or name of one, or lists, tuples and dicts of them.
            feed_dict: values for placeholders (or in place of other tensors).
            options, run_metadata: accepted.

        Returns:
            NumPy values in the structure of ``fetches``, None for operations.

        Raises:
            RuntimeError: if the session is closed or the graph is empty.
            TypeError, ValueError: if a fetch or feed is no element of this graph or a fed value does not fit.
            tf.errors.FailedPreconditionError: if a variable is read that was not initialised.
            tf.errors.InvalidArgumentError: if a placeholder was not fed, or an operation refuses its operands.

        Example:
            >>> import rushlight.compat.tensorflow as tf
            >>> with tf.Graph().as_default(), tf.Session() as session:
            ...     w = tf.Variable(2.0)
            ...     session.run(tf.global_variables_initializer())
            ...     print(session.run({"w": w, "twice": 2.0 * w})["twice"])
            4.0
        """
        self._check_open()
        wanted = Fetches(self._graph, fetches)
        keys, values = self._feeds(feed_dict)
        plan = self._plan(tuple(wanted.tensors), tuple(wanted.targets), keys)
        return wanted.build(self._execute(plan, values, keys))

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("Attempted to use a closed Session.")
        if self._graph.version == 0:
            raise RuntimeError(
                "The Session graph is empty.  Add operations to the graph before calling run()."
            )

    def _feeds(self, feed_dict: Any) -> tuple[tuple[Tensor, ...], list[Any]]:
        if not feed_dict:
            return (), []
        if not isinstance(feed_dict, Mapping):
            raise TypeError(
                f"feed_dict must be a dict from tensors to values, not {type(feed_dict).__name__}"
            )
        feeds: dict[Tensor, Any] = {}
        for key, value in feed_dict.items():
            components = getattr(key, "_components", None)  # a sparse tensor
            if components is not None:
                key = [tensor for tensor in components() if tensor.op.type != CONST]
                value = list(value)[: len(key)]
            if isinstance(key, tuple | list):
                for tensor, part in _paired(key, value):
                    tensor = feed_tensor(self._graph, tensor)
                    feeds[tensor] = feed_value(tensor, part)
            else:
                tensor = feed_tensor(self._graph, key)
                feeds[tensor] = feed_value(tensor, value)
        return tuple(feeds), list(feeds.values())

    def _plan(self, tensors: tuple[Tensor, ...], targets: tuple[Any, ...], keys: tuple[Tensor, ...]) -> Plan:
        found = self._plans.get((tensors, targets, keys))
        if found is None:
            if len(self._plans) >= _PLANS_KEPT:  # a program that grows its graph in a loop
                self._plans.clear()
                self._steps.clear()
            sources = self._sources(tensors, targets, keys)
            drawn = [t for op in sources for t in op.outputs if t not in keys]
            found = Plan(self._state, tensors, targets, (*keys, *drawn))
            found.sources = sources
            place([op for one in found.with_inner() for op in one.order], self._config)
            self._plans[tensors, targets, keys] = found
        return found

    @staticmethod
    def _sources(tensors: Sequence[Tensor], targets: Sequence[Any], keys: Sequence[Tensor]) -> list[Any]:
        """The operations that bring something in from outside (elements of data sets, of queues), in order.

        What they give is drawn before the step and handed over as if it were fed. Those that wait for other operations of
        the step are not among them.
        """
        ops = needed_operations([*[t.op for t in tensors if t not in keys], *targets], set(keys), None)
        found = [op for op in ops if "draw" in op.attributes and not op.control_inputs]
        return sorted(
            [
                op
                for op in found
                if all(t in keys or t.op.type == CONST or not t.op.inputs for t in op.inputs)
            ],
            key=lambda op: op.number,
        )

    def _drawn(self, plan: Plan, keys: Mapping[Tensor, Any]) -> list[Any]:
        drawn: list[Any] = []
        for op in plan.sources:
            inputs = [keys[t] if t in keys else Plan(self._state, [t], [], []).run()[0] for t in op.inputs]
            values = op.attributes["draw"](self._state, *inputs)
            drawn += [value for t, value in zip(op.outputs, values, strict=True) if t not in keys]
        return drawn

    def _execute(self, plan: Plan, values: list[Any], keys: Sequence[Tensor] = ()) -> list[Any]:
        if plan.sources:
            self._check_initialised(plan)
            values = [*values, *self._drawn(plan, dict(zip(keys, values, strict=True)))]
        results = self._run_step(plan, values)
        kept = {id(array) for array in map(_array, values)}
        kept.update([id(_array(slot.tensor)) for slot in self._state.slots.values()])
        kept.update(plan.constant_ids)
        return [as_fetched(value, kept) for value in results]

    def _check_initialised(self, plan: Plan) -> None:
        for variable in plan.required:
            if not self._state.slot(variable).initialised:
                name = variable.op.name
                raise errors.FailedPreconditionError(
                    None,
                    variable.op,
                    f"Attempting to use uninitialized value {name}\n\t [[node {name} (defined at {variable.op.defined_at}) ]]",
                )

    def _run_step(self, plan: Plan, values: list[Any]) -> tuple[Any, ...]:
        self._check_initialised(plan)
        signature = tuple([(tuple(value.shape), value.dtype) for value in values])
        step = self._steps.get((plan, signature))
        if step is None:
            step = self._steps[plan, signature] = make_step(plan, signature)
        results = step(*values)
        for variable in plan.initialised:
            self._state.slot(variable).initialised = True
        return results

    def make_callable(
        self, fetches: Any, feed_list: Sequence[Any] | None = None, accept_options: bool = False
    ) -> Callable[..., Any]:
        """A function of the values of ``feed_list`` that runs ``fetches``."""
        wanted = Fetches(self._graph, fetches)
        keys = tuple([feed_tensor(self._graph, key) for key in feed_list or ()])

        def call(*args: Any, options: Any = None, run_metadata: Any = None) -> Any:
            if len(args) != len(keys):
                raise ValueError(
                    f"The callable takes {len(keys)} values, for its feed_list, and got {len(args)}"
                )
            self._check_open()
            plan = self._plan(tuple(wanted.tensors), tuple(wanted.targets), keys)
            values = [feed_value(key, value) for key, value in zip(keys, args, strict=True)]
            return wanted.build(self._execute(plan, values, keys))

        return call

    def set_variables(self, values: Mapping[Any, Any]) -> None:
        """Give variables values (arrays of their types), which counts as initialising them."""
        self._check_open()
        for variable, array in values.items():
            slot = self._state.slot(variable)
            slot.assign(as_runtime(array))
            slot.initialised = True

    # --- partial runs ---

    def partial_run_setup(self, fetches: Any, feeds: Sequence[Any] | None = None) -> PartialRun:
        """Begin a run that is fed and fetched piece by piece: see :meth:`partial_run`."""
        self._check_open()
        wanted = Fetches(self._graph, fetches)
        return PartialRun(
            {*wanted.tensors, *wanted.targets}, {feed_tensor(self._graph, feed) for feed in feeds or ()}
        )

    def partial_run(self, handle: PartialRun, fetches: Any, feed_dict: Any = None) -> Any:
        """Go on with a run: feed some more of its feeds, fetch some more of its fetches.

        What was computed in an earlier part, or changed in a variable, is not done again.

        Raises:
            tf.errors.InvalidArgumentError: for a fetch or feed that was not named at the start, or is used twice.
        """
        self._check_open()
        wanted = Fetches(self._graph, fetches)
        keys, values = self._feeds(feed_dict)
        handle.admit(wanted, keys)
        handle.known.update(zip(keys, values, strict=True))
        handle.fed.update(keys)
        given = self._given_in_part(handle, wanted)
        ops = needed_operations(
            [*[t.op for t in wanted.tensors if t not in given], *wanted.targets], set(given), None
        )
        ops = [op for op in ops if op not in handle.done]
        tensors = [t for op in ops for t in op.outputs if op.type != VARIABLE]
        extra = [t for t in wanted.tensors if t not in tensors and t not in given]
        plan = Plan(
            self._state,
            [*tensors, *extra],
            [op for op in ops if not op.outputs],
            list(given),
            done=handle.done,
        )
        results = self._run_step(plan, [handle.known[t] for t in given])
        handle.known.update(zip(tensors, results, strict=False))
        handle.done.update([op for op in ops if op.type != VARIABLE])
        found = handle.known | dict(zip(extra, results[len(tensors) :], strict=True))
        kept = {id(_array(value)) for value in found.values()}
        return wanted.build([as_fetched(found[tensor], kept) for tensor in wanted.tensors])

    def _given_in_part(self, handle: PartialRun, wanted: Fetches) -> dict[Tensor, None]:
        """What this part need not compute. A gradient's way is computed again, because it must be recorded with it."""
        given = dict.fromkeys(handle.known)
        roots = [*[t.op for t in wanted.tensors], *wanted.targets]
        for op in needed_operations(roots, set(handle.fed), None):
            if op.type != GRADIENT or op in handle.done:
                continue
            for step in needed_operations([y.op for y in op.attributes["ys"]], set(handle.fed), None):
                if step.function is not None and not step.writes and step.type != CONST:
                    for tensor in step.outputs:
                        if tensor not in handle.fed:
                            given.pop(tensor, None)
                    handle.done.discard(step)
        return given


def _paired(keys: Any, values: Any) -> list[tuple[Any, Any]]:
    """The tensors of a nested key, a cell's state, say, each with its part of the value."""
    if not isinstance(keys, tuple | list):
        return [(keys, values)]
    if len(keys) != len(values):
        wanted, given = flatten(keys), flatten(values)
        raise ValueError(
            f"Could not flatten dictionary. Key had {len(wanted)} elements, but value had {len(given)} elements. "
            f"Key: {wanted}, value: {given}."
        )
    return [pair for key, value in zip(keys, values, strict=True) for pair in _paired(key, value)]


def _array(value: Any) -> Any:
    return getattr(value, "_array", value)


class PartialRun:
    """A run that is under way: what may come, and what is known so far."""

    def __init__(self, fetches: set[Any], feeds: set[Tensor]) -> None:
        self._fetches = fetches
        self._feeds = feeds
        self.known: dict[Tensor, Any] = {}
        self.fed: set[Tensor] = set()
        self.done: set[Any] = set()

    def admit(self, wanted: Fetches, keys: Sequence[Tensor]) -> None:
        """Refuse fetches and feeds that were not announced, or come a second time."""
        items: list[Any] = [*wanted.tensors, *wanted.targets]
        for item in items:
            if item not in self._fetches:
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    f"Tensor {item.name} was not specified in partial_run_setup, or was fetched already.",
                )
        for key in keys:
            if key not in self._feeds:
                raise errors.InvalidArgumentError(
                    None, None, f"The feed {key.name} was not specified in partial_run_setup."
                )
            if key in self.fed:
                raise errors.InvalidArgumentError(None, None, f"The feed {key.name} has already been fed.")


class Session(BaseSession):
    """Runs parts of a graph; ``with tf.Session() as session`` makes it the default one and closes it at the end.

    Args:
        target: accepted; everything runs in this process.
        graph: the graph to run, by default the default one.
        config: a ``tf.ConfigProto``: see there.
    """

    def __enter__(self) -> Session:
        self._graph_scope = self._graph.as_default()
        self._graph_scope.__enter__()
        push_session(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        pop_session(self)
        self._graph_scope.__exit__(None, None, None)
        self.close()

    @staticmethod
    def reset(target: str, containers: Any = None, config: Any = None) -> None:
        """Accepted without effect: no session outlives its object."""


class InteractiveSession(BaseSession):
    """A session that is the default one from when it is made until it is closed."""

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        super().__init__(target, graph, config)
        self._graph_scope = None if graph is None else graph.as_default()
        if self._graph_scope is not None:
            self._graph_scope.__enter__()
        push_session(self)

    def close(self) -> None:
        """Stop being the default session, and give up the variables' values."""
        if not self._closed:
            pop_session(self)
            if self._graph_scope is not None:
                self._graph_scope.__exit__(None, None, None)
        super().close()


class Settings:
    """A bag of options, with nested bags where a program reaches into them (``config.gpu_options.allow_growth``)."""

    def __init__(self, **options: Any) -> None:
        vars(self).update(options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        nested = Settings()
        setattr(self, name, nested)
        return nested


class ConfigProto(Settings):
    """Options of a session. ``allow_soft_placement``: operations for a device that is not here run on the CPU;
    ``log_device_placement``: say where each runs; ``device_count``: how many CPUs ``list_devices`` has. All others are
    accepted without effect."""


class GPUOptions(Settings):
    """Options for GPUs; accepted without effect."""


class GraphOptions(Settings):
    """Options for graphs; accepted without effect."""


class OptimizerOptions(Settings):
    """Options for the graph's optimizer; accepted without effect."""


class RunOptions(Settings):
    """Options of a run; accepted without effect."""

    NO_TRACE, SOFTWARE_TRACE, HARDWARE_TRACE, FULL_TRACE = range(4)


class RunMetadata(Settings):
    """Would hold traces of a run; stays empty."""
