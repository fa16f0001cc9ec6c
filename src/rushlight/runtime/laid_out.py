"""What stands in a NumPy array's place and answers all questions of geometry by one: its shape, strides and views."""

from __future__ import annotations

from typing import Any

from numpy.lib.mixins import NDArrayOperatorsMixin


class LaidOut(NDArrayOperatorsMixin):
    """Something that is laid out in memory as ``memory``, a NumPy array whose content need not mean anything."""

    __slots__ = ()
    memory: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return self.memory.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return self.memory.dtype

    @property
    def ndim(self) -> int:
        return self.memory.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self.memory.size  # type: ignore[no-any-return]

    @property
    def itemsize(self) -> int:
        return self.memory.itemsize  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        return self.memory.nbytes  # type: ignore[no-any-return]

    @property
    def strides(self) -> tuple[int, ...]:
        return self.memory.strides  # type: ignore[no-any-return]

    @property
    def flags(self) -> Any:
        return self.memory.flags

    def __len__(self) -> int:
        return len(self.memory)

    def __iter__(self) -> Any:
        return iter([self[i] for i in range(len(self.memory))])

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError

    def part(self, memory: Any) -> Any:
        """The view of this array that ``memory``, a view of ``self.memory``, is."""
        raise NotImplementedError

    def transpose(self, *axes: Any) -> Any:
        return self.part(self.memory.transpose(*axes))

    def swapaxes(self, a: int, b: int) -> Any:
        return self.part(self.memory.swapaxes(a, b))

    def squeeze(self, axis: Any = None) -> Any:
        return self.part(self.memory.squeeze(axis))

    @property
    def T(self) -> Any:
        return self.part(self.memory.T)
