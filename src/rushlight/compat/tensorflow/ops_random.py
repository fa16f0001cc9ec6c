"""Random tensors. Every operation has its own stream, which follows from the graph's seed and its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import rushlight as rl

from . import dtypes
from .conversion import convert_to_tensor, make_array, numbers_of, shape_argument
from .dtypes import as_dtype
from .graph import Operand, Tensor, get_default_graph, node
from .tensor_shape import UNKNOWN


def set_random_seed(seed: int | None) -> None:
    """Make the default graph's random operations give the same numbers in every session.

    Each operation's numbers follow from this seed, its own ``seed`` and, without one, the place at which it was made. They
    are not the numbers that TensorFlow would draw.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default():
        ...     tf.set_random_seed(1)
        ...     x = tf.random_normal([2])
        ...     runs = [tf.Session().run(x).tolist() for _ in range(2)]
        >>> runs[0] == runs[1]
        True
    """
    get_default_graph().seed = seed


def seeds(op_seed: int | None) -> tuple[int | None, int | None]:
    """The two seeds of an operation that is made now: the graph's, and its own or its place in the graph."""
    graph = get_default_graph()
    if op_seed is None and graph.seed is not None:
        op_seed = graph.version
    return graph.seed, op_seed


def get_seed(op_seed: int | None) -> tuple[int | None, int | None]:
    """The two seeds of an operation that is made now."""
    return seeds(op_seed)


def drawing(
    kind: str,
    inputs: list[Tensor],
    results_dtype: Any,
    shape: Any,
    draw: Callable[..., Any],
    seed: int | None,
    name: str | None,
) -> Tensor:
    """An operation whose kernel is ``draw(generator, *values)``."""

    def bind(binding: Any) -> Any:
        fixed = binding.op.attributes.get("fixed")
        if fixed is not None:
            return lambda *values: draw(rl.Generator().manual_seed(fixed), *values)
        generator = binding.state.generator(binding.op)
        return lambda *values: draw(generator, *values)

    return node(kind, None, inputs, results_dtype, shape, name, bind=bind, attributes={"seeds": seeds(seed)})


def _from_shape(
    kind: str, shape: Any, dtype: Any, draw: Callable[[Any, Any], Any], seed: int | None, name: str | None
) -> Tensor:
    numbers, computed, known = shape_argument(shape)
    if computed is not None:
        return drawing(kind, [computed], dtype, known, lambda g, to: draw(g, numbers_of(to)), seed, name)
    to = tuple(numbers or ())
    return drawing(kind, [], dtype, known, lambda g: draw(g, to), seed, name)


def random_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Normally distributed numbers with the given mean and standard deviation."""
    kind = as_dtype(dtype)
    if not isinstance(mean, Operand) and not isinstance(stddev, Operand) and make_array(stddev).ndim == 0:
        a, b = float(mean), float(stddev)

        def draw(generator: Any, to: Any) -> Any:
            return rl.randn(to, dtype=kind.rushlight, generator=generator) * b + a

        return _from_shape("RandomStandardNormal", shape, kind, draw, seed, name or "random_normal")

    def standard(generator: Any, to: Any) -> Any:
        return rl.randn(to, dtype=kind.rushlight, generator=generator)

    numbers = _from_shape("RandomStandardNormal", shape, kind, standard, seed, name or "random_normal")
    return numbers * convert_to_tensor(stddev, kind) + convert_to_tensor(mean, kind)


def _truncated(generator: Any, to: Any, dtype: Any) -> Any:
    # The inverse of the distribution function, on the part of [0, 1] between two standard deviations.
    edge = 0.5 * (1.0 + math.erf(-2.0 / math.sqrt(2.0)))
    uniform = rl.rand(to, dtype=rl.float64, generator=generator) * (1.0 - 2.0 * edge) + edge
    return (rl.erfinv(2.0 * uniform - 1.0) * math.sqrt(2.0)).clamp(-2.0, 2.0).to(dtype)


def truncated_normal(
    shape: Any,
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Normally distributed numbers without those that are more than two standard deviations from the mean."""
    kind = as_dtype(dtype)

    def draw(generator: Any, to: Any) -> Any:
        return _truncated(generator, to, kind.rushlight) * stddev + mean

    return _from_shape("TruncatedNormal", shape, kind, draw, seed, name or "truncated_normal")


def random_uniform(
    shape: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Numbers evenly distributed from ``minval`` up to, without, ``maxval`` (1 for floats; integers must have one)."""
    kind = as_dtype(dtype)
    if maxval is None:
        if kind.is_integer:
            raise ValueError(f"Must specify maxval for integer dtype {kind!r}")
        maxval = 1
    if isinstance(minval, Operand) or isinstance(maxval, Operand):
        low, high = convert_to_tensor(minval, kind), convert_to_tensor(maxval, kind)
        if kind.is_integer:
            numbers, computed, known = shape_argument(shape)
            if computed is not None:
                raise NotImplementedError(
                    "random_uniform: computed bounds of integers go with a shape that is known"
                )

            def draw_between(generator: Any, a: Any, b: Any) -> Any:
                return rl.randint(
                    int(a.item()),
                    int(b.item()),
                    tuple(numbers or ()),
                    dtype=kind.rushlight,
                    generator=generator,
                )

            return drawing(
                "RandomUniformInt", [low, high], kind, known, draw_between, seed, name or "random_uniform"
            )
        unit = random_uniform(shape, 0, 1, kind, seed, name)
        return unit * (high - low) + low
    first, last = (int(minval), int(maxval)) if kind.is_integer else (float(minval), float(maxval))

    def draw(generator: Any, to: Any) -> Any:
        if kind.is_integer:
            return rl.randint(int(first), int(last), tuple(to), dtype=kind.rushlight, generator=generator)
        numbers = rl.rand(to, dtype=kind.rushlight, generator=generator)
        return numbers if (first, last) == (0.0, 1.0) else numbers * (last - first) + first

    return _from_shape("RandomUniform", shape, kind, draw, seed, name or "random_uniform")


def random_shuffle(value: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """The rows of ``value`` in random order."""
    x = convert_to_tensor(value)

    def draw(generator: Any, rows: Any) -> Any:
        return rl.index_select(rows, 0, rl.randperm(rows.shape[0], generator=generator))

    return drawing("RandomShuffle", [x], x.dtype, x.shape, draw, seed, name)


def random_crop(value: Any, size: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """A part of ``value`` with shape ``size``, at a random place."""
    x = convert_to_tensor(value)
    sizes = [int(item) for item in size]

    def draw(generator: Any, whole: Any) -> Any:
        for axis, extent in enumerate(sizes):
            if extent > whole.shape[axis]:
                raise ValueError(f"Need value.shape >= size, got {list(whole.shape)} and {sizes}")
            start = int(rl.randint(0, whole.shape[axis] - extent + 1, (1,), generator=generator).item())
            whole = whole.narrow(axis, start, extent)
        return whole

    return drawing("RandomCrop", [x], x.dtype, sizes, draw, seed, name)


def multinomial(
    logits: Any,
    num_samples: int,
    seed: int | None = None,
    name: str | None = None,
    output_dtype: Any = dtypes.int64,
) -> Tensor:
    """``num_samples`` class numbers for each row of unnormalised log-probabilities (batch, classes)."""
    x, kind = convert_to_tensor(logits), as_dtype(output_dtype)

    def draw(generator: Any, scores: Any) -> Any:
        chosen = rl.multinomial(rl.softmax(scores, -1), num_samples, replacement=True, generator=generator)
        return chosen.to(kind.rushlight)

    extents = x.shape.extents
    shape = UNKNOWN if extents is None else [extents[0], num_samples]
    return drawing("Multinomial", [x], kind, shape, draw, seed, name)


def random_gamma(
    shape: Any,
    alpha: Any,
    beta: Any = None,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Numbers of the gamma distribution with parameters ``alpha`` and ``beta`` (1): ``shape`` + the parameters' shape."""
    kind = as_dtype(dtype)
    a, b = convert_to_tensor(alpha, kind), convert_to_tensor(1 if beta is None else beta, kind)
    numbers, _, known = shape_argument(shape)

    def draw(generator: Any, p: Any, q: Any) -> Any:
        p, q = rl.broadcast_tensors(p, q)
        return rl._standard_gamma(p.expand(*(numbers or ()), *p.shape).contiguous(), generator=generator) / q

    return drawing("RandomGamma", [a, b], kind, known.concatenate(a.shape), draw, seed, name)


def random_poisson(
    lam: Any, shape: Any, dtype: Any = dtypes.float32, seed: int | None = None, name: str | None = None
) -> Tensor:
    """Numbers of the Poisson distribution with mean ``lam``: ``shape`` + the mean's shape."""
    kind = as_dtype(dtype)
    mean = convert_to_tensor(lam, dtypes.float32)
    numbers, _, known = shape_argument(shape)

    def draw(generator: Any, rate: Any) -> Any:
        spread = rate.expand(*(numbers or ()), *rate.shape).contiguous()
        return rl.poisson(spread, generator=generator).to(kind.rushlight)

    return drawing("RandomPoisson", [mean], kind, known.concatenate(mean.shape), draw, seed, name)


def _stateless(function: Callable[..., Tensor], doc: str) -> Callable[..., Tensor]:
    def public(shape: Any, seed: Any, *args: Any, **options: Any) -> Tensor:
        numbers = make_array(seed).reshape(-1).tolist()
        # A generator of its own for every run: the same numbers each time.
        mixed = (int(numbers[0]) * 0x9E3779B97F4A7C15 + int(numbers[1]) * 0xBF58476D1CE4E5B9 + 1) % 2**63
        made = function(shape, *args, seed=int(numbers[0]), **options)
        op = made.op if "seeds" in made.op.attributes else made.op.inputs[0].op
        op.attributes["fixed"] = mixed
        return made

    public.__doc__ = doc
    return public


stateless_normal = _stateless(
    random_normal, "Like ``tf.random_normal``, the same numbers in every run for a ``seed`` of two."
)
stateless_uniform = _stateless(
    random_uniform, "Like ``tf.random_uniform``, the same numbers in every run for a ``seed`` of two."
)
stateless_truncated_normal = _stateless(
    truncated_normal, "Like ``tf.truncated_normal``, the same numbers in every run for a ``seed`` of two."
)
