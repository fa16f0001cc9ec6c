"""Grids of ranks: the process groups of programs that divide their work along several dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.tensor import Tensor, make_tensor
from ..missing import lazily as _lazily
from .process_group import GroupMember, ProcessGroup, get_rank, get_world_size, is_initialized, new_group


class DeviceMesh:
    """Ranks in a grid, with a group for each line along each dimension that this rank is on.

    Args:
        device_type: ``"cpu"`` (or the name of another device; the ranks are what counts).
        mesh: the ranks, as a tensor or nested lists of integers.
        mesh_dim_names: a name for each dimension.

    Every rank of the job makes it, with the same ``mesh``. Starts the default group where there is none. Raises
    ``RuntimeError`` for ranks that there are not.
    """

    def __init__(
        self,
        device_type: str,
        mesh: Any,
        *,
        mesh_dim_names: Sequence[str] | None = None,
        _groups: list[Any] | None = None,
        _init_backend: bool = True,
    ) -> None:
        if not is_initialized():
            from .process_group import init_process_group

            init_process_group()
        self.device_type = device_type
        self._ranks = np.asarray(mesh._array if isinstance(mesh, Tensor) else mesh, np.int32)
        names = None if mesh_dim_names is None else tuple(mesh_dim_names)
        if names is not None and (len(names) != self._ranks.ndim or len(set(names)) != len(names)):
            raise RuntimeError(
                f"mesh_dim_names: got {list(names)} for {self._ranks.ndim} dimensions; give each dimension a name of its own"
            )
        self.mesh_dim_names = names
        if self._ranks.size > get_world_size():
            raise RuntimeError(
                f"Mesh should not be bigger than default world size {get_world_size()}, but found {self._ranks.size} ranks!"
            )
        self._groups = self._make_groups() if _groups is None else _groups

    def _make_groups(self) -> list[Any]:
        me = get_rank()
        if self._ranks.ndim == 1 and list(self._ranks) == list(range(get_world_size())):
            return [GroupMember.WORLD]
        groups: list[Any] = []
        for dim in range(self._ranks.ndim):
            own: Any = GroupMember.NON_GROUP_MEMBER
            for line in np.moveaxis(self._ranks, dim, -1).reshape(-1, self._ranks.shape[dim]):
                made = new_group([int(rank) for rank in line])
                if me in line:
                    own = made
            groups.append(own)
        return groups

    @property
    def mesh(self) -> Tensor:
        """The ranks: an int32 tensor of the grid's shape."""
        return make_tensor(self._ranks.copy())

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self._ranks.ndim

    @property
    def shape(self) -> tuple[int, ...]:
        """How many ranks there are along each dimension."""
        return self._ranks.shape

    def size(self, mesh_dim: int | None = None) -> int:
        """How many ranks there are, in all or along a dimension."""
        return self._ranks.size if mesh_dim is None else self._ranks.shape[mesh_dim]

    def get_group(self, mesh_dim: int | str | None = None) -> ProcessGroup:
        """The group of the ranks on this rank's line along a dimension; it may be left out where there is one dimension."""
        if mesh_dim is None:
            if self.ndim != 1:
                raise RuntimeError(
                    f"Found the DeviceMesh have {self.ndim} dimensions. Optional kwarg `mesh_dim` needs to be specified when "
                    "device_mesh.ndim > 1."
                )
            mesh_dim = 0
        found: ProcessGroup = self._groups[self._number_of(mesh_dim)]
        return found

    def get_all_groups(self) -> list[ProcessGroup]:
        """The groups of all dimensions."""
        return [self.get_group(dim) for dim in range(self.ndim)]

    def get_rank(self) -> int:
        """This process's rank in the job."""
        return get_rank()

    def get_local_rank(self, mesh_dim: int | str | None = None) -> int:
        """This process's place on its line along a dimension."""
        return get_rank(self.get_group(mesh_dim))

    def get_coordinate(self) -> list[int] | None:
        """This process's place along all dimensions; None if it is not in the grid."""
        places = np.argwhere(self._ranks == get_rank())
        return [int(number) for number in places[0]] if len(places) else None

    def __getitem__(self, names: str | tuple[str, ...]) -> DeviceMesh:
        """The part of the grid that this rank is in, along the named dimensions."""
        wanted = (names,) if isinstance(names, str) else tuple(names)
        if self.mesh_dim_names is None:
            raise RuntimeError("Cannot slice a DeviceMesh without mesh_dim_names!")
        for name in wanted:
            if name not in self.mesh_dim_names:
                raise KeyError(
                    f"Invalid mesh_dim_names {wanted} specified. Valid mesh_dim_names are {self.mesh_dim_names}."
                )
        dims = [self._number_of(name) for name in wanted]
        place = self.get_coordinate() or [0] * self.ndim
        index = tuple(slice(None) if dim in dims else place[dim] for dim in range(self.ndim))
        kept = [dim for dim in range(self.ndim) if dim in dims]
        part = self._ranks[index].transpose([kept.index(dim) for dim in dims])
        return DeviceMesh(
            self.device_type, part, mesh_dim_names=wanted, _groups=[self._groups[dim] for dim in dims]
        )

    def _number_of(self, dim: int | str) -> int:
        if isinstance(dim, int):
            return dim
        if self.mesh_dim_names is None or dim not in self.mesh_dim_names:
            raise KeyError(f"Mesh dimension {dim!r} does not exist; it has {self.mesh_dim_names}")
        return self.mesh_dim_names.index(dim)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DeviceMesh):
            return NotImplemented
        return (
            np.array_equal(self._ranks, other._ranks)
            and self.device_type == other.device_type
            and self.mesh_dim_names == other.mesh_dim_names
        )

    def __hash__(self) -> int:
        return hash((self._ranks.tobytes(), self._ranks.shape, self.device_type, self.mesh_dim_names))

    def __repr__(self) -> str:
        if self.mesh_dim_names is None:
            sizes = str(self.shape)
        else:
            sizes = (
                "("
                + ", ".join(f"{n}={s}" for n, s in zip(self.mesh_dim_names, self.shape, strict=True))
                + ")"
            )
        return f"DeviceMesh({sizes}, device: {self.device_type!r}, stride: {tuple(self.mesh.stride())})"


def init_device_mesh(
    device_type: str,
    mesh_shape: tuple[int, ...],
    *,
    mesh_dim_names: tuple[str, ...] | None = None,
    backend_override: Any = None,
) -> DeviceMesh:
    """All ranks of the job in a grid of ``mesh_shape``, row by row; see ``DeviceMesh``.

    Example (a program for ``rushlight launch -n 4``)::

        mesh = torch.distributed.init_device_mesh("cpu", (2, 2), mesh_dim_names=("replicas", "parts"))
        torch.distributed.all_reduce(x, group=mesh.get_group("replicas"))
    """
    if mesh_dim_names is not None and len(mesh_dim_names) != len(mesh_shape):
        raise RuntimeError(
            "mesh_shape and mesh_dim_names should have same length!",
            f"Found len(mesh_dim_names): {len(mesh_dim_names)} and len(mesh_shape):{len(mesh_shape)}.",
        )
    return DeviceMesh(
        device_type,
        np.arange(int(np.prod(mesh_shape))).reshape(mesh_shape),
        mesh_dim_names=mesh_dim_names,
    )


__getattr__ = _lazily(__name__)
