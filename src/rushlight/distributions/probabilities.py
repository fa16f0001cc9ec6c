"""Distributions that take either probabilities or logits: the one that is given is kept, the other computed when read."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from typing import Any

from ..core.shapes import Size
from ..core.tensor import Tensor
from .distribution import Distribution
from .utils import lazy_property, logits_to_probs, probs_to_logits


def check_one_given(probs: Any, logits: Any) -> None:
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")


class ChanceOrLogit(Distribution):
    """The base of distributions over a chance: ``probs``, or ``logits`` = log(probs / (1 - probs))."""

    @lazy_property
    def logits(self) -> Any:
        """The log-odds."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Any:
        """The chance of success."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def _param(self) -> Tensor:
        return self.__dict__["probs"] if self._given_by_probs() else self.__dict__["logits"]

    def _given_by_probs(self) -> bool:
        return next(name for name in self.__dict__ if name in ("probs", "logits")) == "probs"

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter that was given."""
        return self._param.size()

    def _new(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._param.new(*args, **kwargs)


class ClassChances(Distribution):
    """The base of distributions over classes: ``probs``, which sum to 1 over the last dimension, or their logs ``logits``."""

    @lazy_property
    def logits(self) -> Any:
        """The logarithms of the chances."""
        return probs_to_logits(self.probs)

    @lazy_property
    def probs(self) -> Any:
        """The chance of each class."""
        return logits_to_probs(self.logits)
