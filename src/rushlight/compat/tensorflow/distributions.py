"""``tf.distributions``: the few distributions that programs sample from and differentiate, such as policies."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import rushlight as rl

from . import dtypes
from .conversion import convert_n_to_tensor, convert_to_tensor, numbers_of
from .graph import Tensor, node
from .nn import log_softmax, sigmoid_cross_entropy_with_logits, softmax
from .ops_array import ones_like, shape as shape_of, zeros_like
from .ops_math import abs as absolute, cast, digamma, exp, lgamma, log, log1p, sigmoid, sqrt, square
from .ops_random import drawing
from .ops_rearranging import broadcast_static_shape
from .ops_reduce import argmax, reduce_sum
from .tensor_shape import UNKNOWN, TensorShape


class Distribution:
    """The base: ``sample``, ``log_prob``, ``prob``, ``entropy``, ``mean``, ``stddev``, ``mode``."""

    dtype: Any = dtypes.float32
    reparameterized = True

    def __init__(self, parameters: list[Tensor], shape: TensorShape, name: str) -> None:
        self._parameters, self._shape, self.name = parameters, shape, name

    @property
    def batch_shape(self) -> TensorShape:
        """The shape of a batch of distributions."""
        return self._shape

    @property
    def event_shape(self) -> TensorShape:
        """The shape of one draw."""
        return TensorShape([])

    def batch_shape_tensor(self) -> Tensor:
        """The shape of a batch of distributions, as a vector."""
        return shape_of(self._parameters[0])

    def _drawn(self, kind: str, n: Any, seed: int | None, draw: Callable[..., Any], name: str) -> Tensor:
        """Numbers of shape ``n`` + batch shape: ``draw(generator, shape, *values of the parameters)``."""
        lead = [] if isinstance(n, tuple) and not n else [convert_to_tensor(n, dtypes.int32)]
        known = [int(n)] if isinstance(n, int) else list(n) if isinstance(n, list | tuple) else None
        shape = UNKNOWN if known is None else TensorShape(known).concatenate(self._shape)

        def run(generator: Any, *values: Any) -> Any:
            parameters = values[len(lead) :]
            batch = tuple(rl.broadcast_tensors(*parameters)[0].shape)
            front = tuple(numbers_of(values[0].reshape(-1))) if lead else ()
            return draw(generator, (*front, *batch), *parameters)

        return drawing(kind, [*lead, *self._parameters], self.dtype, shape, run, seed, name)

    def log_prob(self, value: Any, name: str = "log_prob") -> Tensor:
        """The logarithm of the probability (density) of ``value``."""
        raise NotImplementedError(f"{type(self).__name__}.log_prob")

    def prob(self, value: Any, name: str = "prob") -> Tensor:
        """The probability (density) of ``value``."""
        result: Tensor = exp(self.log_prob(value))
        return result

    def mean(self, name: str = "mean") -> Tensor:
        """The mean."""
        raise NotImplementedError(f"{type(self).__name__}.mean")

    def variance(self, name: str = "variance") -> Tensor:
        """The variance."""
        return square(self.stddev())  # type: ignore[no-any-return]

    def stddev(self, name: str = "stddev") -> Tensor:
        """The standard deviation."""
        return sqrt(self.variance())  # type: ignore[no-any-return]

    def kl_divergence(self, other: Distribution, name: str = "kl_divergence") -> Tensor:
        """The Kullback-Leibler divergence of ``other`` from this."""
        return kl_divergence(self, other)


class Normal(Distribution):
    """The normal distribution with mean ``loc`` and standard deviation ``scale``."""

    def __init__(
        self,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Normal",
    ) -> None:
        self.loc, self.scale = convert_n_to_tensor([loc, scale])
        self.dtype = self.loc.dtype
        shape = broadcast_static_shape(self.loc.shape, self.scale.shape)
        super().__init__([self.loc, self.scale], shape, name)

    def sample(self, sample_shape: Any = (), seed: int | None = None, name: str = "sample") -> Tensor:
        """Draws, through which gradients go to the mean and deviation."""

        def draw(generator: Any, shape: Any, loc: Any, scale: Any) -> Any:
            return rl.randn(shape, dtype=loc.dtype, generator=generator) * scale + loc

        return self._drawn("NormalSample", sample_shape, seed, draw, name)

    def log_prob(self, value: Any, name: str = "log_prob") -> Tensor:
        """The logarithm of the density."""
        x = convert_to_tensor(value, self.dtype)
        return -0.5 * square((x - self.loc) / self.scale) - (0.5 * math.log(2 * math.pi) + log(self.scale))  # type: ignore[no-any-return]

    def entropy(self, name: str = "entropy") -> Tensor:
        """The entropy in nats."""
        scale = self.scale * ones_like(self.loc)
        return 0.5 + 0.5 * math.log(2 * math.pi) + log(scale)  # type: ignore[no-any-return]

    def cdf(self, value: Any, name: str = "cdf") -> Tensor:
        """The probability of less than ``value``."""
        from .ops_math import erfc

        x = convert_to_tensor(value, self.dtype)
        return 0.5 * erfc(-(x - self.loc) / (self.scale * math.sqrt(2.0)))  # type: ignore[no-any-return]

    def mean(self, name: str = "mean") -> Tensor:
        """The mean."""
        return self.loc * ones_like(self.scale)

    def stddev(self, name: str = "stddev") -> Tensor:
        """The standard deviation."""
        return self.scale * ones_like(self.loc)

    def mode(self, name: str = "mode") -> Tensor:
        """The mean."""
        return self.mean()

    def quantile(self, value: Any, name: str = "quantile") -> Tensor:
        """The inverse of :meth:`cdf`."""
        from .ops_math import erfinv

        p = convert_to_tensor(value, self.dtype)
        score: Tensor = erfinv(2.0 * p - 1.0)
        return self.loc + self.scale * (math.sqrt(2.0) * score)


class Uniform(Distribution):
    """Numbers evenly distributed from ``low`` up to, without, ``high``."""

    def __init__(
        self,
        low: Any = 0.0,
        high: Any = 1.0,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Uniform",
    ) -> None:
        self.low, self.high = convert_n_to_tensor([low, high])
        self.dtype = self.low.dtype
        super().__init__([self.low, self.high], broadcast_static_shape(self.low.shape, self.high.shape), name)

    def sample(self, sample_shape: Any = (), seed: int | None = None, name: str = "sample") -> Tensor:
        """Draws."""

        def draw(generator: Any, shape: Any, low: Any, high: Any) -> Any:
            return rl.rand(shape, dtype=low.dtype, generator=generator) * (high - low) + low

        return self._drawn("UniformSample", sample_shape, seed, draw, name)

    def log_prob(self, value: Any, name: str = "log_prob") -> Tensor:
        """The logarithm of the density; minus infinity outside."""
        x = convert_to_tensor(value, self.dtype)

        def kernel(v: Any, low: Any, high: Any) -> Any:
            inside = (v >= low) & (v < high)
            return rl.where(inside, -rl.log(high - low), float("-inf"))

        return node("UniformLogProb", kernel, [x, self.low, self.high], self.dtype, x.shape, name)

    def entropy(self, name: str = "entropy") -> Tensor:
        """The entropy in nats."""
        return log(self.high - self.low)  # type: ignore[no-any-return]

    def mean(self, name: str = "mean") -> Tensor:
        """The mean."""
        return (self.low + self.high) / 2.0

    def stddev(self, name: str = "stddev") -> Tensor:
        """The standard deviation."""
        return (self.high - self.low) / math.sqrt(12.0)


class Bernoulli(Distribution):
    """0 or 1 (int32); 1 with probability ``probs`` = sigmoid(``logits``)."""

    reparameterized = False

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = dtypes.int32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Bernoulli",
    ) -> None:
        if (logits is None) == (probs is None):
            raise ValueError("Must pass probs or logits, but not both.")
        if probs is None:
            self.logits = convert_to_tensor(logits)
            self.probs: Tensor = sigmoid(self.logits)
        else:
            self.probs = convert_to_tensor(probs)
            self.logits = log(self.probs) - log1p(-self.probs)
        self.dtype = dtypes.as_dtype(dtype)
        super().__init__([self.probs], self.probs.shape, name)

    def sample(self, sample_shape: Any = (), seed: int | None = None, name: str = "sample") -> Tensor:
        """Draws."""
        kind = self.dtype.rushlight

        def draw(generator: Any, shape: Any, p: Any) -> Any:
            return (rl.rand(shape, dtype=p.dtype, generator=generator) < p).to(kind)

        return self._drawn("BernoulliSample", sample_shape, seed, draw, name)

    def log_prob(self, value: Any, name: str = "log_prob") -> Tensor:
        """The logarithm of the probability."""
        x = cast(convert_to_tensor(value), self.logits.dtype)
        logits = self.logits + zeros_like(x)
        return -sigmoid_cross_entropy_with_logits(labels=x + zeros_like(logits), logits=logits)

    def entropy(self, name: str = "entropy") -> Tensor:
        """The entropy in nats."""
        return sigmoid_cross_entropy_with_logits(labels=self.probs, logits=self.logits)

    def mean(self, name: str = "mean") -> Tensor:
        """The probability of 1."""
        return self.probs

    def variance(self, name: str = "variance") -> Tensor:
        """The variance."""
        return self.probs * (1.0 - self.probs)

    def mode(self, name: str = "mode") -> Tensor:
        """The more probable one."""
        return cast(self.probs > 0.5, self.dtype)


class Categorical(Distribution):
    """Class numbers (int32) with probabilities softmax(``logits``), or ``probs``, of shape (…, classes)."""

    reparameterized = False

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = dtypes.int32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Categorical",
    ) -> None:
        if (logits is None) == (probs is None):
            raise ValueError("Must pass probs or logits, but not both.")
        if probs is None:
            self.logits = convert_to_tensor(logits)
            self.probs = softmax(self.logits)
        else:
            self.probs = convert_to_tensor(probs)
            self.logits = log(self.probs)
        self.dtype = dtypes.as_dtype(dtype)
        extents = self.logits.shape.extents
        super().__init__([self.probs], UNKNOWN if extents is None else TensorShape(extents[:-1]), name)

    @property
    def event_size(self) -> Any:
        """The number of classes."""
        return self.logits.shape[-1].value

    def sample(self, sample_shape: Any = (), seed: int | None = None, name: str = "sample") -> Tensor:
        """Draws."""
        kind = self.dtype.rushlight
        lead = (
            []
            if isinstance(sample_shape, tuple) and not sample_shape
            else [convert_to_tensor(sample_shape, dtypes.int32)]
        )
        known = (
            [int(sample_shape)]
            if isinstance(sample_shape, int)
            else list(sample_shape)
            if isinstance(sample_shape, list | tuple)
            else None
        )

        def draw(generator: Any, *values: Any) -> Any:
            p = values[-1]
            front = numbers_of(values[0].reshape(-1)) if lead else []
            count = math.prod(front)
            rows = p.reshape(-1, p.shape[-1])
            found = rl.multinomial(rows, max(count, 1), replacement=True, generator=generator)[:, :count]
            return rl.transpose(found, 0, 1).reshape(*front, *p.shape[:-1]).to(kind)

        shape = UNKNOWN if known is None else TensorShape(known).concatenate(self._shape)
        return drawing("CategoricalSample", [*lead, self.probs], self.dtype, shape, draw, seed, name)

    def log_prob(self, value: Any, name: str = "log_prob") -> Tensor:
        """The logarithm of the probability of class numbers."""
        chosen = convert_to_tensor(value)
        logs = log_softmax(self.logits)

        def kernel(table: Any, index: Any) -> Any:
            index = index.to(rl.int64)
            shape = rl.broadcast_shapes(tuple(index.shape), tuple(table.shape[:-1]))
            table = rl.broadcast_to(table, (*shape, table.shape[-1]))
            return rl.gather(table, -1, rl.broadcast_to(index, shape).unsqueeze(-1)).squeeze(-1)

        return node(
            "CategoricalLogProb",
            kernel,
            [logs, chosen],
            logs.dtype,
            broadcast_static_shape(chosen.shape, self._shape),
            name,
        )

    def entropy(self, name: str = "entropy") -> Tensor:
        """The entropy in nats."""
        return -reduce_sum(softmax(self.logits) * log_softmax(self.logits), -1)

    def mode(self, name: str = "mode") -> Tensor:
        """The most probable class."""
        return cast(argmax(self.logits, -1), self.dtype)


class Beta(Distribution):
    """The beta distribution with densities in proportion to ``x ** (a - 1) · (1 - x) ** (b - 1)``."""

    def __init__(
        self,
        concentration1: Any = None,
        concentration0: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Beta",
    ) -> None:
        self.concentration1, self.concentration0 = convert_n_to_tensor([concentration1, concentration0])
        self.dtype = self.concentration1.dtype
        shape = broadcast_static_shape(self.concentration1.shape, self.concentration0.shape)
        super().__init__([self.concentration1, self.concentration0], shape, name)

    def sample(self, sample_shape: Any = (), seed: int | None = None, name: str = "sample") -> Tensor:
        """Draws."""

        def draw(generator: Any, shape: Any, a: Any, b: Any) -> Any:
            x, y = [rl._standard_gamma(rl.broadcast_to(c, shape), generator=generator) for c in (a, b)]
            return x / (x + y)

        return self._drawn("BetaSample", sample_shape, seed, draw, name)

    def log_prob(self, value: Any, name: str = "log_prob") -> Tensor:
        """The logarithm of the density."""
        x, a, b = convert_to_tensor(value, self.dtype), self.concentration1, self.concentration0
        constant = lgamma(a) + lgamma(b) - lgamma(a + b)
        return (a - 1.0) * log(x) + (b - 1.0) * log1p(-x) - constant  # type: ignore[no-any-return]

    def entropy(self, name: str = "entropy") -> Tensor:
        """The entropy in nats."""
        a, b = self.concentration1, self.concentration0
        constant = lgamma(a) + lgamma(b) - lgamma(a + b)
        whole = (a + b - 2.0) * digamma(a + b)
        return constant - (a - 1.0) * digamma(a) - (b - 1.0) * digamma(b) + whole  # type: ignore[no-any-return]

    def mean(self, name: str = "mean") -> Tensor:
        """The mean."""
        return self.concentration1 / (self.concentration1 + self.concentration0)


class Exponential(Distribution):
    """The exponential distribution with density ``rate · exp(-rate · x)``."""

    def __init__(
        self, rate: Any, validate_args: bool = False, allow_nan_stats: bool = True, name: str = "Exponential"
    ) -> None:
        self.rate = convert_to_tensor(rate)
        self.dtype = self.rate.dtype
        super().__init__([self.rate], self.rate.shape, name)

    def sample(self, sample_shape: Any = (), seed: int | None = None, name: str = "sample") -> Tensor:
        """Draws."""

        def draw(generator: Any, shape: Any, rate: Any) -> Any:
            return -rl.log1p(-rl.rand(shape, dtype=rate.dtype, generator=generator)) / rate

        return self._drawn("ExponentialSample", sample_shape, seed, draw, name)

    def log_prob(self, value: Any, name: str = "log_prob") -> Tensor:
        """The logarithm of the density."""
        return log(self.rate) - self.rate * convert_to_tensor(value, self.dtype)  # type: ignore[no-any-return]

    def entropy(self, name: str = "entropy") -> Tensor:
        """The entropy in nats."""
        return 1.0 - log(self.rate)  # type: ignore[no-any-return]

    def mean(self, name: str = "mean") -> Tensor:
        """The mean."""
        return 1.0 / self.rate

    def stddev(self, name: str = "stddev") -> Tensor:
        """The standard deviation."""
        return 1.0 / self.rate


class Laplace(Distribution):
    """The Laplace distribution with density ``exp(-|x - loc| / scale) / (2 · scale)``."""

    def __init__(
        self,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Laplace",
    ) -> None:
        self.loc, self.scale = convert_n_to_tensor([loc, scale])
        self.dtype = self.loc.dtype
        shape = broadcast_static_shape(self.loc.shape, self.scale.shape)
        super().__init__([self.loc, self.scale], shape, name)

    def sample(self, sample_shape: Any = (), seed: int | None = None, name: str = "sample") -> Tensor:
        """Draws, through which gradients go to the parameters."""

        def draw(generator: Any, shape: Any, loc: Any, scale: Any) -> Any:
            u = rl.rand(shape, dtype=loc.dtype, generator=generator) - 0.5
            return loc - scale * rl.sign(u) * rl.log1p(-2 * rl.abs(u))

        return self._drawn("LaplaceSample", sample_shape, seed, draw, name)

    def log_prob(self, value: Any, name: str = "log_prob") -> Tensor:
        """The logarithm of the density."""
        x = convert_to_tensor(value, self.dtype)
        return -absolute(x - self.loc) / self.scale - log(2.0 * self.scale)  # type: ignore[no-any-return]

    def entropy(self, name: str = "entropy") -> Tensor:
        """The entropy in nats."""
        return log(2.0 * self.scale) + 1.0  # type: ignore[no-any-return]

    def mean(self, name: str = "mean") -> Tensor:
        """The mean."""
        return self.loc


def kl_divergence(
    distribution_a: Any, distribution_b: Any, allow_nan_stats: bool = True, name: str | None = None
) -> Tensor:
    """The Kullback-Leibler divergence of two distributions of one kind.

    Raises ``NotImplementedError`` for kinds other than Normal, Bernoulli and Categorical.
    """
    a, b = distribution_a, distribution_b
    if isinstance(a, Normal) and isinstance(b, Normal):
        ratio = square(a.scale / b.scale)
        return square(a.loc - b.loc) / (2.0 * square(b.scale)) + 0.5 * (ratio - 1.0 - log(ratio))  # type: ignore[no-any-return]
    if isinstance(a, Categorical) and isinstance(b, Categorical):
        return reduce_sum(softmax(a.logits) * (log_softmax(a.logits) - log_softmax(b.logits)), -1)
    if isinstance(a, Bernoulli) and isinstance(b, Bernoulli):
        p, q = a.probs, b.probs
        return p * (log(p) - log(q)) + (1.0 - p) * (log1p(-p) - log1p(-q))  # type: ignore[no-any-return]
    raise NotImplementedError(
        f"No KL(distribution_a || distribution_b) registered for distribution_a type {type(a).__name__} and distribution_b "
        f"type {type(b).__name__}"
    )
