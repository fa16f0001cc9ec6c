"""The base class of the distributions: shapes, checks of parameters and samples, and what every distribution answers."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Self

from ..autograd.grad_mode import no_grad
from ..core.shapes import Size
from ..core.tensor import Tensor
from ..jit.recorded import ACTIVE
from . import constraints
from .utils import lazy_property

__all__ = ["Distribution"]

Shape = Sequence[int]


def may_look_at_values() -> bool:
    """Not while a static graph is recorded: as under PyTorch's compiler, values are not checked there."""
    return getattr(getattr(ACTIVE, "tape", None), "may_look_at_values", True)


class Distribution:
    """The base of the distributions.

    Args:
        batch_shape: the shape of the independent distributions that the object holds.
        event_shape: the shape of one sample of one of them.
        validate_args: whether parameters and samples are checked, with a ``ValueError`` where they are wrong;
            None takes the default of ``set_default_validate_args``.

    ``sample(shape)`` has the shape ``shape + batch_shape + event_shape``, ``log_prob(value)`` the shape of ``value``
    without the event's dimensions.

    Example:
        >>> import rushlight as torch
        >>> normal = torch.distributions.Normal(torch.zeros(3), 1.0)
        >>> normal.batch_shape, normal.sample((2,)).shape
        (torch.Size([3]), torch.Size([2, 3]))
    """

    has_rsample: Any = False
    has_enumerate_support: Any = False
    _validate_args: bool = __debug__
    _batch_shape: Size
    _event_shape: Size

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check their arguments unless they are told; ``ValueError`` for what is no bool."""
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(
        self, batch_shape: Shape = (), event_shape: Shape = (), validate_args: bool | None = None
    ) -> None:
        self._batch_shape = Size(batch_shape)
        self._event_shape = Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args and may_look_at_values():
            self._check_parameters()

    def _check_parameters(self) -> None:
        try:
            wanted = self.arg_constraints
        except NotImplementedError:
            import warnings

            wanted = {}
            warnings.warn(
                f"{self.__class__} does not define `arg_constraints`. Please set `arg_constraints = {{}}` or initialize "
                "the distribution with `validate_args=False` to turn off validation.",
                stacklevel=4,
            )
        for name, constraint in wanted.items():
            if constraints.is_dependent(constraint):
                continue
            if name not in self.__dict__ and self._is_lazy(name):
                continue  # computed from the parameters that were given, which are checked themselves
            value = getattr(self, name)
            if not constraint.check(value).all():
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                    f"{self!r} to satisfy the constraint {constraint!r}, but found invalid values:\n{value}"
                )

    def _is_lazy(self, name: str) -> bool:
        return any(isinstance(vars(kind).get(name), lazy_property) for kind in type(self).__mro__)

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Self:
        """This distribution with its parameters expanded to ``batch_shape``, without copying them."""
        raise NotImplementedError

    def _expanded(self, cls: type[Any], batch_shape: Shape, _instance: Any, **event_dims: int) -> Any:
        """A new ``cls`` with the parameters named, each with the number of its dimensions that belong to the event."""
        new = self._get_checked_instance(cls, _instance)
        batch = Size(batch_shape)
        for name, value in self.__dict__.items():
            if name in event_dims:
                new.__dict__[name] = value.expand((*batch, *value.shape[value.ndim - event_dims[name] :]))
        Distribution.__init__(new, batch, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _get_checked_instance(self, cls: type[Any], _instance: Any = None) -> Any:
        if _instance is None and type(self).__init__ is not cls.__init__:
            raise NotImplementedError(
                f"Subclass {self.__class__.__name__} of {cls.__name__} that defines a custom __init__ method must also "
                "define a custom .expand() method."
            )
        return self.__new__(type(self)) if _instance is None else _instance

    @property
    def batch_shape(self) -> Size:
        """The shape of the independent distributions."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one sample of one of them."""
        return self._event_shape

    @property
    def arg_constraints(self) -> dict[str, Any]:
        """The constraint of each parameter, by name."""
        raise NotImplementedError

    @property
    def support(self) -> Any:
        """The constraint that samples satisfy."""
        raise NotImplementedError

    @property
    def mean(self) -> Tensor:
        """The mean."""
        raise NotImplementedError

    @property
    def mode(self) -> Tensor:
        """The most likely value."""
        raise NotImplementedError(f"{self.__class__} does not implement mode")

    @property
    def variance(self) -> Tensor:
        """The variance."""
        raise NotImplementedError

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Samples, of shape ``sample_shape + batch_shape + event_shape``, without gradients."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        """Samples through which gradients flow to the parameters."""
        raise NotImplementedError

    def sample_n(self, n: int) -> Tensor:
        """``n`` samples: ``sample((n,))``, which replaces it."""
        warnings.warn("sample_n will be deprecated. Use .sample((n,)) instead", UserWarning, stacklevel=2)
        return self.sample((n,))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability, at ``value``."""
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most ``value``."""
        raise NotImplementedError

    def icdf(self, value: Tensor) -> Tensor:
        """The value below which samples lie with probability ``value``: the inverse of ``cdf``."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values that a sample can have, along a new first dimension; expanded over the batch unless told otherwise."""
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """The entropy, in nats, of each distribution of the batch."""
        raise NotImplementedError

    def perplexity(self) -> Tensor:
        """exp of the entropy."""
        return self.entropy().exp()

    def _extended_shape(self, sample_shape: Shape = ()) -> Size:
        return Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def _validate_sample(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        event_dims = value.dim() - len(self._event_shape)
        if value.shape[event_dims:] != self._event_shape:
            raise ValueError(
                f"The right-most size of value must match event_shape: {value.shape} vs {self._event_shape}."
            )
        expected = (*self._batch_shape, *self._event_shape)
        for given, own in zip(reversed(value.shape), reversed(expected), strict=False):
            if given not in (1, own) and own != 1:
                raise ValueError(
                    f"Value is not broadcastable with batch_shape+event_shape: {value.shape} vs {Size(expected)}."
                )
        try:
            support = self.support
        except NotImplementedError:
            import warnings

            warnings.warn(
                f"{self.__class__} does not define `support` to enable sample validation. Please initialize the "
                "distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if may_look_at_values() and not support.check(value).all():
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be within the support "
                f"({support!r}) of the distribution {self!r}, but found invalid values:\n{value}"
            )

    def __repr__(self) -> str:
        shown = []
        for name in self.arg_constraints:
            if name in self.__dict__:
                value = self.__dict__[name]
                shown.append(f"{name}: {value if value.numel() == 1 else value.size()}")
        return f"{self.__class__.__name__}({', '.join(shown)})"
