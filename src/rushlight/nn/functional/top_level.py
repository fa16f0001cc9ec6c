"""Functions of ``nn.functional`` that ``torch`` itself offers too, under the signatures that they have there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...core.tensor import Tensor
from . import regularization
from .padding import pad as _pad

Drop = Callable[[Tensor, float, bool], Tensor]


def _dropout_forms(name: str, function: Callable[..., Tensor], doc: str) -> tuple[Drop, Drop]:
    def drop(input: Tensor, p: float, train: bool) -> Tensor:
        return function(input, p, train)

    def drop_(input: Tensor, p: float, train: bool) -> Tensor:
        return function(input, p, train, True)

    for form, form_name in ((drop, name), (drop_, name + "_")):
        form.__name__ = form.__qualname__ = form_name
        form.__doc__ = doc
    return drop, drop_


def _feature_dropout(input: Tensor, p: float, training: bool, inplace: bool = False) -> Tensor:
    regularization._check("feature_dropout", input, p)
    return regularization._feature_dropout(input, p, training, inplace)


dropout, dropout_ = _dropout_forms("dropout", regularization.dropout, "``nn.functional.dropout``.")
feature_dropout, feature_dropout_ = _dropout_forms(
    "feature_dropout", _feature_dropout, "Dropout of whole channels."
)
alpha_dropout, alpha_dropout_ = _dropout_forms(
    "alpha_dropout", regularization.alpha_dropout, "``nn.functional.alpha_dropout``."
)
feature_alpha_dropout, feature_alpha_dropout_ = _dropout_forms(
    "feature_alpha_dropout", regularization.feature_alpha_dropout, "``nn.functional.feature_alpha_dropout``."
)


def constant_pad_nd(input: Tensor, pad: Sequence[int], value: Any = 0) -> Tensor:
    """``nn.functional.pad`` in mode ``"constant"``.

    Example:
        >>> import rushlight as torch
        >>> torch.constant_pad_nd(torch.ones(2), (1, 0), 7.0)
        tensor([7., 1., 1.])
    """
    return _pad(input, pad, "constant", value)
