"""Losses over a few sampled classes instead of all of them: ``nce_loss``, ``sampled_softmax_loss`` and their samplers."""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

import rushlight as rl

from . import dtypes
from .conversion import convert_to_tensor
from .graph import Tensor, name_scope, node
from .ops_array import concat, ones_like, reshape, stop_gradient, zeros_like
from .ops_math import cast, log as logarithm, multiply, subtract
from .ops_random import seeds
from .ops_reduce import reduce_sum

Sampled = namedtuple("Sampled", ["sampled_candidates", "true_expected_count", "sampled_expected_count"])
_TRIES = 1000  # rounds of drawing, after which distinct candidates are taken to be too few


def _expected(share: Any, count: int, tries: int | None) -> Any:
    """How often a class is expected among ``count`` samples, drawn in ``tries`` draws if they are distinct."""
    if tries is None:
        return share * count
    return -rl.expm1(tries * rl.log1p(-share))


def _sampler(
    kind: str, doc: str, draw: Callable[..., Any], share: Callable[[Any, int], Any]
) -> Callable[..., Sampled]:
    def public(
        true_classes: Any,
        num_true: int,
        num_sampled: int,
        unique: bool,
        range_max: int,
        seed: int | None = None,
        name: str | None = None,
    ) -> Sampled:
        truths = convert_to_tensor(true_classes, dtypes.int64)
        if unique and num_sampled > range_max:
            raise ValueError(
                f"{kind}: {num_sampled} distinct candidates were asked for, and there are {range_max} classes"
            )

        def bind(binding: Any) -> Any:
            generator = binding.state.generator(binding.op)

            def kernel(classes: Any) -> tuple[Any, ...]:
                tries = None
                if unique:
                    found, tries = _distinct(draw, num_sampled, range_max, generator)
                    sampled = rl.tensor(found, dtype=rl.int64)
                else:
                    sampled = draw((num_sampled,), range_max, generator)
                return (
                    sampled,
                    _expected(share(classes, range_max), num_sampled, tries),
                    _expected(share(sampled, range_max), num_sampled, tries),
                )

            return kernel

        results = [
            (dtypes.int64, [num_sampled]),
            (dtypes.float32, truths.shape),
            (dtypes.float32, [num_sampled]),
        ]
        from .tensor_shape import as_shape

        op = truths.graph.create_op(
            kind,
            [truths],
            [(dtype, as_shape(shape)) for dtype, shape in results],
            bind=bind,
            name=name,
            attributes={"seeds": seeds(seed)},
        )
        return Sampled(*op.outputs)

    public.__doc__ = doc
    return public


def _distinct(draw: Any, count: int, range_max: int, generator: Any) -> tuple[list[int], int]:
    found: dict[int, None] = {}
    tries = 0
    for _ in range(_TRIES):
        for candidate in draw((count,), range_max, generator).tolist():
            tries += 1
            found[candidate] = None
            if len(found) == count:
                return list(found), tries
    raise ValueError(f"could not draw {count} distinct candidates of {range_max}")


def _draw_uniform(shape: Any, range_max: int, generator: Any) -> Any:
    return rl.randint(0, range_max, shape, generator=generator)


def _share_uniform(classes: Any, range_max: int) -> Any:
    return rl.full(tuple(classes.shape), 1.0 / range_max)


def _draw_log_uniform(shape: Any, range_max: int, generator: Any) -> Any:
    u = rl.rand(shape, dtype=rl.float64, generator=generator)
    return rl.clamp(rl.exp(u * math.log(range_max + 1)).to(rl.int64) - 1, 0, range_max - 1)


def _share_log_uniform(classes: Any, range_max: int) -> Any:
    c = classes.to(rl.float64)
    return (rl.log((c + 2) / (c + 1)) / math.log(range_max + 1)).to(rl.float32)


uniform_candidate_sampler = _sampler(
    "UniformCandidateSampler",
    "``num_sampled`` classes below ``range_max``, all equally probable, and how often the true and sampled ones are expected.",
    _draw_uniform,
    _share_uniform,
)
log_uniform_candidate_sampler = _sampler(
    "LogUniformCandidateSampler",
    "``num_sampled`` classes below ``range_max``, with probabilities as of words sorted by frequency (Zipf's law).",
    _draw_log_uniform,
    _share_log_uniform,
)
learned_unigram_candidate_sampler = log_uniform_candidate_sampler


def fixed_unigram_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    vocab_file: str = "",
    distortion: float = 1.0,
    num_reserved_ids: int = 0,
    num_shards: int = 1,
    shard: int = 0,
    unigrams: Sequence[float] = (),
    seed: int | None = None,
    name: str | None = None,
) -> Sampled:
    """``num_sampled`` classes with probabilities in proportion to ``unigrams`` to the power of ``distortion``."""
    if not unigrams:
        raise NotImplementedError(
            "fixed_unigram_candidate_sampler: give unigrams; vocab_file is not available"
        )
    weights = [0.0] * num_reserved_ids + [float(number) ** distortion for number in unigrams]
    shares = rl.tensor(weights, dtype=rl.float64) / sum(weights)

    def draw(shape: Any, limit: int, generator: Any) -> Any:
        return rl.multinomial(shares, shape[0], replacement=True, generator=generator)

    def share(classes: Any, limit: int) -> Any:
        return shares[classes].to(rl.float32)

    sampler = _sampler("FixedUnigramCandidateSampler", "", draw, share)
    return sampler(true_classes, num_true, num_sampled, unique, range_max, seed, name)


def _hits(classes: Any, sampled: Any) -> Any:
    """How often each sampled class is one of an entry's true classes: (batch, sampled)."""
    return (classes.unsqueeze(-1) == sampled.reshape(1, 1, -1)).sum(1)


def compute_accidental_hits(
    true_classes: Any,
    sampled_candidates: Any,
    num_true: int,
    seed: int | None = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Where sampled classes are true ones: ``(batch entries int32, places in the sample int64, weights -∞)``."""
    truths = convert_to_tensor(true_classes, dtypes.int64)
    sampled = convert_to_tensor(sampled_candidates, dtypes.int64)

    def kernel(classes: Any, candidates: Any) -> tuple[Any, ...]:
        found = rl.nonzero(_hits(classes, candidates) > 0)
        lowest = rl.full((found.shape[0],), rl.finfo(rl.float32).min)
        return found[:, 0].to(rl.int32), found[:, 1], lowest

    from .tensor_shape import TensorShape

    vector = TensorShape([None])
    results = [(dtypes.int32, vector), (dtypes.int64, vector), (dtypes.float32, vector)]
    op = truths.graph.create_op("ComputeAccidentalHits", [truths, sampled], results, kernel, name=name)
    return op.outputs[0], op.outputs[1], op.outputs[2]


def _sampled_logits(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int,
    sampled_values: Any,
    remove_accidental_hits: bool,
    partition_strategy: str,
    seed: int | None,
) -> tuple[Tensor, Tensor]:
    from .nn import embedding_lookup

    classes = cast(convert_to_tensor(labels), dtypes.int64)
    x = convert_to_tensor(inputs)
    if sampled_values is None:
        sampled_values = log_uniform_candidate_sampler(
            classes, num_true, num_sampled, True, num_classes, seed
        )
    sampled, true_count, sampled_count = [stop_gradient(value) for value in sampled_values]
    every = concat([reshape(classes, [-1]), sampled], 0)
    # One look-up of all rows: true ones first.
    rows = embedding_lookup(weights, every, partition_strategy)
    offsets = embedding_lookup(biases, every, partition_strategy)
    width = num_true

    def split(all_rows: Any, all_offsets: Any, batch_inputs: Any, drawn: Any) -> tuple[Any, ...]:
        batch = batch_inputs.shape[0]
        true_rows = all_rows[: batch * width].reshape(batch, width, -1)
        true = (true_rows * batch_inputs.unsqueeze(1)).sum(-1) + all_offsets[: batch * width].reshape(
            batch, width
        )
        rest = (
            rl.matmul(batch_inputs, rl.transpose(all_rows[batch * width :], 0, 1))
            + all_offsets[batch * width :]
        )
        return true, rest

    from .tensor_shape import TensorShape

    batch = x.shape.extents[0] if x.shape.extents else None
    results = [(x.dtype, TensorShape([batch, width])), (x.dtype, TensorShape([batch, num_sampled]))]
    op = x.graph.create_op(
        "SampledLogits", [rows, offsets, x, sampled], results, split, name="sampled_logits"
    )
    true_logits, sampled_logits = op.outputs
    if remove_accidental_hits:

        def without_hits(logits: Any, true_classes: Any, drawn: Any) -> Any:
            lowest = rl.finfo(logits.dtype).min
            return logits + _hits(true_classes, drawn).to(logits.dtype) * lowest

        sampled_logits = node(
            "RemoveHits", without_hits, [sampled_logits, classes, sampled], x.dtype, sampled_logits.shape
        )
    true_logits = subtract(true_logits, logarithm(true_count))
    sampled_logits = subtract(sampled_logits, logarithm(sampled_count))
    logits = concat([true_logits, sampled_logits], 1)
    targets = concat([multiply(ones_like(true_logits), 1.0 / num_true), zeros_like(sampled_logits)], 1)
    return logits, targets


def nce_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = False,
    partition_strategy: str = "mod",
    name: str = "nce_loss",
) -> Tensor:
    """The noise-contrastive loss of each entry of ``inputs`` (batch, features).

    Args:
        weights: (num_classes, features).
        biases: (num_classes,).
        labels: the true classes, (batch, num_true).
        num_sampled: how many classes are drawn for the whole batch, as of words sorted by frequency.
        sampled_values: what a candidate sampler gave, to use another one.

    Source: M. Gutmann and A. Hyvärinen, "Noise-contrastive estimation", 2010.
    """
    from .nn import sigmoid_cross_entropy_with_logits

    with name_scope(name, "nce_loss"):
        logits, targets = _sampled_logits(
            weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values,
            remove_accidental_hits, partition_strategy, None,
        )  # fmt: skip
        return reduce_sum(sigmoid_cross_entropy_with_logits(labels=targets, logits=logits), 1)


def sampled_softmax_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = True,
    partition_strategy: str = "mod",
    name: str = "sampled_softmax_loss",
    seed: int | None = None,
) -> Tensor:
    """The softmax cross entropy over the true and a few sampled classes; arguments as for :func:`nce_loss`.

    Source: S. Jean et al., "On Using Very Large Target Vocabulary for Neural Machine Translation", 2015.
    """
    from .nn import softmax_cross_entropy_with_logits_v2

    with name_scope(name, "sampled_softmax_loss"):
        logits, targets = _sampled_logits(
            weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values,
            remove_accidental_hits, partition_strategy, seed,
        )  # fmt: skip
        return softmax_cross_entropy_with_logits_v2(stop_gradient(targets), logits)
