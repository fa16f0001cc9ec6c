"""Whether mixed precision on a GPU is out of the question."""

from __future__ import annotations


def amp_definitely_not_available() -> bool:
    """Whether there is no GPU that could be used.

    Example:
        >>> import rushlight as torch
        >>> torch.cuda.amp.common.amp_definitely_not_available() == (not torch.cuda.is_available())
        True
    """
    from .. import is_available

    return not is_available()
