"""``torch.utils.tensorboard.summary``: the summaries of hyperparameters, for loggers that write them themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .summaries import hyperparameter_summaries


class Summary:
    """A Summary message, written already."""

    def __init__(self, message: bytes) -> None:
        self._message = message

    def SerializeToString(self) -> bytes:
        """The message's bytes."""
        return self._message


def hparams(
    hparam_dict: Mapping[str, Any],
    metric_dict: Mapping[str, Any],
    hparam_domain_discrete: Mapping[str, Sequence[Any]] | None = None,
) -> tuple[Summary, Summary, Summary]:
    """What begins, describes and ends a run with these hyperparameters: for ``writer.file_writer.add_summary``.

    Raises ``TypeError`` for what is no dictionary and for domains that do not fit, ``ValueError`` for values of other kinds.

    Example:
        >>> len(hparams({"lr": 0.1}, {"loss": 1.0}))
        3
    """
    first, second, third = hyperparameter_summaries(hparam_dict, metric_dict, hparam_domain_discrete)
    return Summary(first), Summary(second), Summary(third)
