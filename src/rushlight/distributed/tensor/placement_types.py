"""How a distributed tensor would lie on its processes: names and values, for programs that describe plans with them."""

from __future__ import annotations

from typing import Any


class Placement:
    """Base of the three ways in which a tensor lies on one dimension of a mesh."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def is_shard(self, dim: int | None = None) -> bool:
        """Whether each process has a part, along ``dim`` where it is given."""
        return isinstance(self, Shard) and (dim is None or self.dim == dim)

    def is_replicate(self) -> bool:
        """Whether each process has the whole."""
        return isinstance(self, Replicate)

    def is_partial(self, reduce_op: str | None = None) -> bool:
        """Whether each process has a summand."""
        return isinstance(self, Partial) and (reduce_op is None or self.reduce_op == reduce_op)


class Shard(Placement):
    """Each process has a part along one dimension.

    Example:
        >>> Shard(1), Shard(0) == Shard(0)
        (Shard(dim=1), True)
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def __repr__(self) -> str:
        return f"Shard(dim={self.dim})"


class _StridedShard(Shard):
    """Each process has a part of each of ``split_factor`` groups along one dimension."""

    def __init__(self, dim: int, *, split_factor: int, **options: Any) -> None:
        super().__init__(dim)
        self.split_factor = split_factor

    def __repr__(self) -> str:
        return f"_StridedShard(dim={self.dim}, sf={self.split_factor})"


class Replicate(Placement):
    """Each process has the whole."""

    def __repr__(self) -> str:
        return "Replicate()"


class Partial(Placement):
    """Each process has a summand (or another operand of ``reduce_op``)."""

    def __init__(self, reduce_op: str = "sum") -> None:
        self.reduce_op = reduce_op

    def __repr__(self) -> str:
        return f"Partial({self.reduce_op})"
