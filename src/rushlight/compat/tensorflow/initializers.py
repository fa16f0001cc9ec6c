"""Initial values for ``tf.get_variable``: callables ``initializer(shape, dtype=None)`` that give a tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import dtypes
from .conversion import constant
from .dtypes import as_dtype
from .graph import Tensor
from .ops_array import eye, ones, zeros
from .ops_random import random_normal, random_uniform, truncated_normal


class Initializer:
    """The base of all: call it with a shape to get the tensor."""

    dtype: Any = dtypes.float32

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments that this was made with."""
        return dict(vars(self))


class Zeros(Initializer):
    """Zeros."""

    def __init__(self, dtype: Any = dtypes.float32) -> None:
        self.dtype = as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        return zeros(shape, dtype or self.dtype)


class Ones(Initializer):
    """Ones."""

    def __init__(self, dtype: Any = dtypes.float32) -> None:
        self.dtype = as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        return ones(shape, dtype or self.dtype)


class Constant(Initializer):
    """One value everywhere, or the values of an array of the variable's size."""

    def __init__(self, value: Any = 0, dtype: Any = dtypes.float32, verify_shape: bool = False) -> None:
        self.value, self.dtype, self._verify = value, as_dtype(dtype), verify_shape

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        return constant(self.value, dtype or self.dtype, shape, verify_shape=self._verify)


class RandomNormal(Initializer):
    """Normally distributed numbers."""

    def __init__(
        self, mean: float = 0.0, stddev: float = 1.0, seed: int | None = None, dtype: Any = dtypes.float32
    ) -> None:
        self.mean, self.stddev, self.seed, self.dtype = mean, stddev, seed, as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        return random_normal(shape, self.mean, self.stddev, dtype or self.dtype, self.seed)


class TruncatedNormal(Initializer):
    """Normally distributed numbers within two standard deviations."""

    def __init__(
        self, mean: float = 0.0, stddev: float = 1.0, seed: int | None = None, dtype: Any = dtypes.float32
    ) -> None:
        self.mean, self.stddev, self.seed, self.dtype = mean, stddev, seed, as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        return truncated_normal(shape, self.mean, self.stddev, dtype or self.dtype, self.seed)


class RandomUniform(Initializer):
    """Evenly distributed numbers."""

    def __init__(
        self, minval: Any = 0, maxval: Any = None, seed: int | None = None, dtype: Any = dtypes.float32
    ) -> None:
        self.minval, self.maxval, self.seed, self.dtype = minval, maxval, seed, as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        return random_uniform(shape, self.minval, self.maxval, dtype or self.dtype, self.seed)


class VarianceScaling(Initializer):
    """Random numbers whose variance is ``scale / n``, with n the number of inputs, of outputs, or their mean.

    Args:
        scale: a positive number.
        mode: "fan_in", "fan_out" or "fan_avg".
        distribution: "truncated_normal" (also called "normal"), "untruncated_normal" or "uniform".

    Source: K. He et al., "Delving Deep into Rectifiers", 2015; X. Glorot and Y. Bengio, 2010.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        dtype: Any = dtypes.float32,
    ) -> None:
        if scale <= 0.0:
            raise ValueError("`scale` must be positive float.")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError("Invalid `mode` argument:", mode)
        if distribution not in ("normal", "uniform", "truncated_normal", "untruncated_normal"):
            raise ValueError("Invalid `distribution` argument:", distribution)
        self.scale, self.mode, self.distribution, self.seed, self.dtype = (
            scale,
            mode,
            distribution,
            seed,
            as_dtype(dtype),
        )

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        extents = [int(extent) for extent in shape]
        fan_in, fan_out = _fans(extents)
        count = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[self.mode]
        variance = self.scale / max(1.0, count)
        kind = dtype or self.dtype
        if self.distribution in ("normal", "truncated_normal"):
            # The factor is the standard deviation of the standard normal distribution cut off at ±2.
            return truncated_normal(extents, 0.0, math.sqrt(variance) / 0.87962566103423978, kind, self.seed)
        if self.distribution == "untruncated_normal":
            return random_normal(extents, 0.0, math.sqrt(variance), kind, self.seed)
        limit = math.sqrt(3.0 * variance)
        return random_uniform(extents, -limit, limit, kind, self.seed)


def _fans(extents: Sequence[int]) -> tuple[float, float]:
    if len(extents) < 1:
        return 1.0, 1.0
    if len(extents) == 1:
        return float(extents[0]), float(extents[0])
    field = math.prod(extents[:-2])
    return float(extents[-2] * field), float(extents[-1] * field)


class GlorotUniform(VarianceScaling):
    """Evenly distributed numbers with variance 2 / (inputs + outputs): the default of ``tf.get_variable``."""

    def __init__(self, seed: int | None = None, dtype: Any = dtypes.float32) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed, dtype)


class GlorotNormal(VarianceScaling):
    """Truncated normal numbers with variance 2 / (inputs + outputs)."""

    def __init__(self, seed: int | None = None, dtype: Any = dtypes.float32) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed, dtype)


class UniformUnitScaling(Initializer):
    """Evenly distributed numbers within ``±factor · sqrt(3 / inputs)``."""

    def __init__(self, factor: float = 1.0, seed: int | None = None, dtype: Any = dtypes.float32) -> None:
        self.factor, self.seed, self.dtype = factor, seed, as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        limit = math.sqrt(3.0 / max(1.0, math.prod([int(extent) for extent in shape[:-1]]))) * self.factor
        return random_uniform(shape, -limit, limit, dtype or self.dtype, self.seed)


class Identity(Initializer):
    """An identity matrix times ``gain``."""

    def __init__(self, gain: float = 1.0, dtype: Any = dtypes.float32) -> None:
        self.gain, self.dtype = gain, as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        extents = [int(extent) for extent in shape]
        if len(extents) != 2:
            raise ValueError("Identity matrix initializer can only be used for 2D matrices.")
        return self.gain * eye(extents[0], extents[1], dtype=dtype or self.dtype)


class Orthogonal(Initializer):
    """A matrix with orthonormal rows or columns, from a random one; more dimensions count as rows.

    Source: A. Saxe et al., "Exact solutions to the nonlinear dynamics of learning", 2014.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None, dtype: Any = dtypes.float32) -> None:
        self.gain, self.seed, self.dtype = gain, seed, as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        import rushlight as rl

        from .graph import node

        extents = [int(extent) for extent in shape]
        if len(extents) < 2:
            raise ValueError("The tensor to initialize must be at least two-dimensional")
        kind = as_dtype(dtype or self.dtype)
        rows, columns = int(np.prod(extents[:-1])), extents[-1]
        numbers = random_normal([max(rows, columns), min(rows, columns)], dtype=kind, seed=self.seed)

        def kernel(matrix: Any) -> Any:
            q, r = rl.linalg.qr(matrix)
            q = q * rl.sign(rl.diagonal(r))
            return ((q.T if rows < columns else q) * self.gain).reshape(extents)

        return node("Orthogonal", kernel, [numbers], kind, extents)


def he_normal(seed: int | None = None) -> Initializer:
    """Truncated normal numbers with variance 2 / inputs."""
    return VarianceScaling(2.0, "fan_in", "truncated_normal", seed)


def he_uniform(seed: int | None = None) -> Initializer:
    """Evenly distributed numbers with variance 2 / inputs."""
    return VarianceScaling(2.0, "fan_in", "uniform", seed)


def lecun_normal(seed: int | None = None) -> Initializer:
    """Truncated normal numbers with variance 1 / inputs."""
    return VarianceScaling(1.0, "fan_in", "truncated_normal", seed)


def lecun_uniform(seed: int | None = None) -> Initializer:
    """Evenly distributed numbers with variance 1 / inputs."""
    return VarianceScaling(1.0, "fan_in", "uniform", seed)


zeros_initializer = Zeros
ones_initializer = Ones
constant_initializer = Constant
random_normal_initializer = RandomNormal
random_uniform_initializer = RandomUniform
truncated_normal_initializer = TruncatedNormal
variance_scaling_initializer = variance_scaling = VarianceScaling
glorot_uniform_initializer = glorot_uniform = GlorotUniform
glorot_normal_initializer = glorot_normal = GlorotNormal
uniform_unit_scaling_initializer = uniform_unit_scaling = UniformUnitScaling
orthogonal_initializer = orthogonal = Orthogonal
identity = Identity
