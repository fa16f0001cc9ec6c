"""Learning rates that follow from the number of steps so far, and the variable that counts them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import rushlight as rl

from . import dtypes
from .conversion import convert_to_tensor
from .graph import GraphKeys, Tensor, get_default_graph, name_scope, node
from .ops_math import cast
from .variable_scope import get_variable
from .variables import Variable


def create_global_step(graph: Any = None) -> Any:
    """A new variable ``global_step``, int64; ``ValueError`` if there is one."""
    graph = graph or get_default_graph()
    if get_global_step(graph) is not None:
        raise ValueError('"global_step" already exists.')
    with graph.as_default(), graph.name_scope(None):
        step = get_variable(
            "global_step",
            [],
            dtypes.int64,
            lambda shape, dtype=None: convert_to_tensor(0, dtypes.int64),
            trainable=False,
            collections=[GraphKeys.GLOBAL_VARIABLES, GraphKeys.GLOBAL_STEP],
        )
    return step


def get_global_step(graph: Any = None) -> Any:
    """The variable that counts the steps, or None."""
    graph = graph or get_default_graph()
    found = graph.get_collection(GraphKeys.GLOBAL_STEP)
    if found:
        return found[0]
    return next(
        (v for v in graph.get_collection(GraphKeys.GLOBAL_VARIABLES) if v.name == "global_step:0"), None
    )


def get_or_create_global_step(graph: Any = None) -> Any:
    """The variable that counts the steps."""
    found = get_global_step(graph)
    return create_global_step(graph) if found is None else found


def global_step(sess: Any, global_step_tensor: Any) -> int:
    """The number of steps so far, in a session."""
    return int(sess.run(global_step_tensor))


def _schedule(
    name: str | None, default: str, rate: Any, step: Any, formula: Callable[..., Any], *extra: Any
) -> Tensor:
    """A node for ``formula(rate, step as the rate's type, *extra)``."""
    if step is None:
        raise ValueError(f"global_step is required for {default}.")
    with name_scope(name, default) as scope:
        value = convert_to_tensor(rate, name="learning_rate")
        count = cast(step() if callable(step) and not isinstance(step, Variable) else step, value.dtype)
        others = [cast(item, value.dtype) for item in extra]
        return node(default, formula, [value, count, *others], value.dtype, [], scope)


def _floored(value: Any, staircase: bool) -> Any:
    return value.floor() if staircase else value


def exponential_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """``learning_rate · decay_rate ** (global_step / decay_steps)``; ``staircase`` rounds the exponent down.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     print(session.run(tf.train.exponential_decay(1.0, 25, 10, 0.5, staircase=True)))
        0.25
    """

    def formula(rate: Any, step: Any, every: Any, factor: Any) -> Any:
        return rate * factor ** _floored(step / every, staircase)

    return _schedule(name, "ExponentialDecay", learning_rate, global_step, formula, decay_steps, decay_rate)


def natural_exp_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """``learning_rate · exp(-decay_rate · global_step / decay_steps)``."""

    def formula(rate: Any, step: Any, every: Any, factor: Any) -> Any:
        return rate * (-factor * _floored(step / every, staircase)).exp()

    return _schedule(name, "NaturalExpDecay", learning_rate, global_step, formula, decay_steps, decay_rate)


def inverse_time_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """``learning_rate / (1 + decay_rate · global_step / decay_steps)``."""

    def formula(rate: Any, step: Any, every: Any, factor: Any) -> Any:
        return rate / (1 + factor * _floored(step / every, staircase))

    return _schedule(name, "InverseTimeDecay", learning_rate, global_step, formula, decay_steps, decay_rate)


def polynomial_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    end_learning_rate: Any = 0.0001,
    power: Any = 1.0,
    cycle: bool = False,
    name: str | None = None,
) -> Tensor:
    """From ``learning_rate`` to ``end_learning_rate`` over ``decay_steps``, as a power of what is left.

    With ``cycle``, ``decay_steps`` is stretched to its first multiple beyond ``global_step``.
    """

    def formula(rate: Any, step: Any, every: Any, end: Any, exponent: Any) -> Any:
        if cycle:
            every = every * (step / every).ceil().clamp(min=1)
        else:
            step = rl.minimum(step, every)
        return (rate - end) * (1 - step / every) ** exponent + end

    return _schedule(
        name, "PolynomialDecay", learning_rate, global_step, formula, decay_steps, end_learning_rate, power
    )


def cosine_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, alpha: float = 0.0, name: str | None = None
) -> Tensor:
    """Half a cosine wave from ``learning_rate`` down to ``alpha · learning_rate`` over ``decay_steps``."""

    def formula(rate: Any, step: Any, every: Any) -> Any:
        wave = 0.5 * (1 + ((step / every).clamp(max=1) * math.pi).cos())
        return rate * ((1 - alpha) * wave + alpha)

    return _schedule(name, "CosineDecay", learning_rate, global_step, formula, decay_steps)


def cosine_decay_restarts(
    learning_rate: Any,
    global_step: Any,
    first_decay_steps: Any,
    t_mul: float = 2.0,
    m_mul: float = 1.0,
    alpha: float = 0.0,
    name: str | None = None,
) -> Tensor:
    """Half cosine waves down to ``alpha · learning_rate``, each ``t_mul`` times as long and ``m_mul`` times as high.

    Source: I. Loshchilov and F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017.
    """

    def formula(rate: Any, step: Any, first: Any) -> Any:
        share = step / first
        if t_mul == 1.0:
            turn = share.floor()
            share = share - turn
        else:
            turn = ((1.0 - share * (1.0 - t_mul)).log() / math.log(t_mul)).floor()
            before = (1.0 - t_mul**turn) / (1.0 - t_mul)
            share = (share - before) / t_mul**turn
        wave = 0.5 * m_mul**turn * (1.0 + (share * math.pi).cos())
        return rate * ((1 - alpha) * wave + alpha)

    return _schedule(name, "SGDRDecay", learning_rate, global_step, formula, first_decay_steps)


def linear_cosine_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    num_periods: float = 0.5,
    alpha: float = 0.0,
    beta: float = 0.001,
    name: str | None = None,
) -> Tensor:
    """A straight line down to 0 times ``num_periods`` cosine waves, plus ``beta``."""

    def formula(rate: Any, step: Any, every: Any) -> Any:
        share = (step / every).clamp(max=1)
        wave = 0.5 * (1.0 + (share * (2.0 * num_periods * math.pi)).cos())
        return rate * ((alpha + 1 - share) * wave + beta)

    return _schedule(name, "LinearCosineDecay", learning_rate, global_step, formula, decay_steps)


def piecewise_constant(
    x: Any, boundaries: Sequence[Any], values: Sequence[Any], name: str | None = None
) -> Tensor:
    """``values[0]`` while ``x <= boundaries[0]``, then ``values[1]`` while ``x <= boundaries[1]``, and so on.

    Raises ``ValueError`` unless there is one more value than boundaries.
    """
    if len(boundaries) != len(values) - 1:
        raise ValueError("The length of boundaries should be 1 less than the length of values")
    with name_scope(name, "PiecewiseConstant") as scope:
        step = convert_to_tensor(x() if callable(x) and not isinstance(x, Variable) else x)
        rates = [convert_to_tensor(value) for value in values]
        if any(rate.dtype is not rates[0].dtype for rate in rates):
            raise ValueError("values must have elements all with the same dtype")
        edges = list(boundaries)

        def formula(count: Any, *options: Any) -> Any:
            chosen = options[-1]
            for edge, option in zip(reversed(edges), reversed(options[:-1]), strict=True):
                chosen = rl.where(count <= edge, option, chosen)
            return chosen

        return node("PiecewiseConstant", formula, [step, *rates], rates[0].dtype, [], scope)
