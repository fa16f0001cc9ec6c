"""Gamma, Dirichlet and binomial random tensors; gradients flow from the first two to their parameters.

The draws are in ``core.random_rejection``, the derivatives (implicit reparameterization) in ``runtime.reparameterization``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import random_rejection
from ..core.device import device_of
from ..core.dtypes import FLOATS
from ..core.generator import Generator
from ..core.history import Node
from ..core.tensor import Tensor
from ..runtime.reparameterization import dirichlet_slope, gamma_slope
from . import random
from .define import Primitive
from .dispatch import apply, attach

Array = NDArray[Any]


def _drawn(function: Any, generator: Generator | None, *arrays: Any) -> Any:
    source = random._source(generator, device_of(arrays[0]))
    if source.elsewhere and (random.DRAW is None or source.device.type == "meta"):
        return source.draw(function, *arrays)
    return function(source, *arrays) if random.DRAW is None else random.DRAW(function, source, arrays, {})


def _not_differentiable(name: str) -> Any:
    def vjp(g: Tensor, node: Node) -> Any:
        raise NotImplementedError(f"the derivative for '{name}' is not implemented.")

    return vjp


def _slope_record(name: str, function: Any) -> Primitive:
    def impl(*arrays: Array) -> Array:
        return np.asarray(function(*arrays)).astype(arrays[0].dtype)

    return Primitive(name, impl, _not_differentiable(name))


GAMMA_SLOPE = _slope_record("_standard_gamma_grad", gamma_slope)
DIRICHLET_SLOPE = _slope_record("_dirichlet_grad", dirichlet_slope)


def _gamma_vjp(g: Tensor, node: Node) -> Any:
    alpha, sample = node.unpack()
    return g * apply(GAMMA_SLOPE, (alpha.detach(), sample.detach()))


def _dirichlet_vjp(g: Tensor, node: Node) -> Any:
    alpha, sample = node.unpack()
    return dirichlet_gradient(sample.detach(), alpha.detach(), g)


def dirichlet_gradient(x: Tensor, concentration: Tensor, grad_output: Tensor) -> Tensor:
    """The gradient by the concentrations, of samples ``x`` whose own is ``grad_output``; all of one shape."""
    total = concentration.sum(-1, True).expand(concentration.shape)
    slope = _dirichlet_grad(x, concentration, total)
    return slope * (grad_output - (x * grad_output).sum(-1, True))  # type: ignore[no-any-return]


_FIRST = ((0, (0,)),)
STANDARD_GAMMA = Primitive(
    "_standard_gamma", lambda alpha: None, _gamma_vjp, saves=_FIRST, saves_output=True, value_dependent=True
)
SAMPLE_DIRICHLET = Primitive(
    "_sample_dirichlet",
    lambda alpha: None,
    _dirichlet_vjp,
    saves=_FIRST,
    saves_output=True,
    value_dependent=True,
)
BINOMIAL = Primitive(
    "binomial",
    lambda count, prob: None,
    lambda g, node: tuple([None if edge is None else random.zeros_of(edge, g) for edge in node.edges]),
    value_dependent=True,
)


def _checked(input: Any, name: str) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 1 must be Tensor, not {type(input).__name__}")
    return input


def _standard_gamma(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Gamma numbers of scale 1, one for each shape parameter in ``input``; gradients are implicit reparameterization's."""
    values = _drawn(random_rejection.standard_gamma, generator, _checked(input, "_standard_gamma")._array)
    return attach(STANDARD_GAMMA, (input,), {}, values)  # type: ignore[no-any-return]


def _sample_dirichlet(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Points of the simplex, one for each last-dimension row of concentrations; gradients as ``_standard_gamma``'s."""
    values = _drawn(random_rejection.dirichlet, generator, _checked(input, "_sample_dirichlet")._array)
    return attach(SAMPLE_DIRICHLET, (input,), {}, values)  # type: ignore[no-any-return]


def _standard_gamma_grad(self: Tensor, output: Tensor) -> Tensor:
    """The derivative of gamma numbers ``output`` by their shape parameters ``self``, at a fixed quantile."""
    return apply(GAMMA_SLOPE, (self, output))  # type: ignore[no-any-return]


def _dirichlet_grad(x: Tensor, alpha: Tensor, total: Tensor) -> Tensor:
    """The derivative of Dirichlet components ``x`` by their own concentrations, divided by 1 - x."""
    return apply(DIRICHLET_SLOPE, (x, alpha, total))  # type: ignore[no-any-return]


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """The number of successes among ``count`` trials, each with chance ``prob``; the shapes broadcast. No gradient flows.

    Both must be of the same floating-point dtype. Raises ``NotImplementedError`` for other dtypes.

    Example:
        >>> import rushlight as torch
        >>> torch.binomial(torch.tensor([4.0, 4.0]), torch.tensor([0.0, 1.0]))
        tensor([0., 4.])
    """
    arrays = _checked(count, "binomial")._array, _checked(prob, "binomial")._array
    if arrays[0].dtype in FLOATS and arrays[1].dtype is not arrays[0].dtype:
        raise ValueError(
            f"Binomial distribution: expected prob of dtype {count.dtype} as count, got {prob.dtype}"
        )
    values = _drawn(random_rejection.binomial, generator, *arrays)
    return attach(BINOMIAL, (count, prob), {}, values)  # type: ignore[no-any-return]


METHODS: dict[str, Any] = {}
