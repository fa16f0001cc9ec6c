"""The von mises distribution."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import math
from typing import Any, ClassVar

from ..autograd.grad_mode import no_grad
from ..core.dtypes import bool_
from ..core.tensor import Tensor
from ..ops.comparison import where
from ..ops.creation import zeros
from ..ops.random import rand
from ..ops.special_functions import i0e, i1e
from . import constraints
from .distribution import Distribution, Shape
from .utils import broadcast_all, lazy_property

__all__ = ["VonMises"]


class VonMises(Distribution):
    """The circular counterpart of the normal distribution: p(x) = exp(κ cos(x - loc)) / (2π I₀(κ)) for angles x in radians.

    κ = ``concentration``. Sampling: D. J. Best and N. I. Fisher, "Efficient simulation of the von Mises distribution", 1979.

    Example:
        >>> import rushlight as torch
        >>> torch.distributions.VonMises(torch.tensor(0.0), torch.tensor(1.0)).mean
        tensor(0.)
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "loc": constraints.real,
        "concentration": constraints.positive,
    }
    support = constraints.real
    has_rsample = False

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        new = self._expanded(VonMises, batch_shape, _instance, loc=0, concentration=0)
        return new

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        k = self.concentration
        return k * (value - self.loc).cos() - math.log(2 * math.pi) - (i0e(k).log() + k)

    @lazy_property
    def _proposal_r(self) -> Any:
        # The parameter of the wrapped Cauchy distribution that the proposals have.
        k = self.concentration.double()
        tau = 1 + (1 + 4 * k.pow(2)).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * k)
        return where(k < 1e-5, 1 / k + k, (1 + rho.pow(2)) / (2 * rho))

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        with no_grad():
            loc, k, r = self.loc.double(), self.concentration.double(), self._proposal_r
            angle = zeros(shape, dtype=loc.dtype, device=loc.device)
            done = zeros(shape, dtype=bool_, device=loc.device)
            while not done.all():
                u1, u2, u3 = rand((3, *shape), dtype=loc.dtype, device=loc.device).unbind()
                z = (math.pi * u1).cos()
                f = (1 + r * z) / (r + z)
                c = k * (r - f)
                accepted = ((c * (2 - c) - u2) > 0) | ((c / u2).log() + 1 - c >= 0)
                if accepted.any():
                    angle = where(accepted, (u3 - 0.5).sign() * f.acos(), angle)
                    done = done | accepted
            return ((angle + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return 1 - i1e(self.concentration) / i0e(self.concentration)
