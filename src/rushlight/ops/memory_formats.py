"""Memory formats: what ``memory_format=`` means to ``contiguous``, ``clone``, ``to`` and ``is_contiguous``."""

from __future__ import annotations

from ..core.memory_order import lies_channels_last, suggests_channels_last
from ..core.tensor import Tensor
from ..runtime.transposed_copy import contiguous as row_major
from .creation import laid_out
from .dispatch import attach
from .movement import CLONE, check_rank, clone, contiguous


class memory_format:
    """An order of a tensor's elements in memory."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name  # each is one object, copied and pickled too


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")


def is_contiguous(self: Tensor, memory_format: object = None) -> bool:
    """Whether the elements lie densely in memory in row-major order, or in the order that ``memory_format`` names."""
    array = self._array
    if memory_format is None or memory_format is contiguous_format or memory_format is preserve_format:
        return bool(array.flags.c_contiguous)
    rank = _rank_of(memory_format, "is_contiguous")
    return lies_channels_last(array, rank)


def _rank_of(memory_format: object, name: str) -> int:
    """4 for ``channels_last``, 5 for ``channels_last_3d``."""
    if memory_format is channels_last:
        return 4
    if memory_format is channels_last_3d:
        return 5
    if memory_format is preserve_format:
        raise RuntimeError(
            f"{name}: unsupported memory format Preserve; it is for operations that make a new tensor"
        )
    raise TypeError(
        f"{name}(): argument 'memory_format' must be torch.memory_format, not {type(memory_format).__name__}"
    )


def suggests(tensor: Tensor, order: object) -> bool:
    """Whether ``to(memory_format=order)`` leaves a tensor as it is: it goes by the order that strides suggest, dense or not."""
    array = tensor._array
    if order is preserve_format:
        return True
    last = bool(not array.flags.c_contiguous and suggests_channels_last(array))
    if order is contiguous_format:
        return not last
    return last and array.ndim == _rank_of(order, "to")


def reordered(tensor: Tensor, order: object) -> Tensor:
    """``tensor`` as ``to(memory_format=order)`` gives it."""
    return tensor if suggests(tensor, order) else _in_order(tensor, order)


def _in_order(tensor: Tensor, memory_format: object) -> Tensor:
    array = tensor._array
    if memory_format is not contiguous_format:
        arranged = laid_out(array, memory_format)
    else:
        arranged = array.copy() if array.flags.c_contiguous else row_major(array)
    return attach(CLONE, (tensor,), {}, arranged)  # type: ignore[no-any-return]


def contiguous_in_order(self: Tensor, memory_format: object = None) -> Tensor:
    """``self`` if its elements lie in memory in the given order (row-major unless given), else a copy that does."""
    if memory_format is None or memory_format is contiguous_format:
        return contiguous(self)
    if memory_format is preserve_format and self._array.flags.c_contiguous:
        return self
    if lies_channels_last(self._array, _rank_of(memory_format, "contiguous")):
        return self
    return _in_order(self, memory_format)


def clone_in_order(self: Tensor, *, memory_format: object = None) -> Tensor:
    """A copy with its own memory, in the given order (the tensor's own unless given); gradients flow through it."""
    if memory_format is None or memory_format is preserve_format:
        return clone(self)
    check_rank(self._array, memory_format)
    return _in_order(self, memory_format)
