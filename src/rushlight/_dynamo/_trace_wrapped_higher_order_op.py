"""A mode that libraries enter around ``vmap`` when they index with its tensors."""

from __future__ import annotations

from types import TracebackType


class TransformGetItemToIndex:
    """Changes nothing: indexing with the tensors of ``vmap`` works without it.

    Example:
        >>> import rushlight as torch
        >>> table = torch.tensor([10, 20, 30])
        >>> with TransformGetItemToIndex():
        ...     torch.vmap(lambda i: table[i])(torch.tensor([2, 0]))
        tensor([30, 10])
    """

    def __enter__(self) -> TransformGetItemToIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
