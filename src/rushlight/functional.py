"""``torch.functional``: functions of ``torch`` in the place where PyTorch defines them."""

from __future__ import annotations

from typing import Any

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "cartesian_prod",
    "cdist",
    "chain_matmul",
    "einsum",
    "istft",
    "lu",
    "meshgrid",
    "norm",
    "pca_lowrank",
    "split",
    "stft",
    "svd_lowrank",
    "tensordot",
    "unique",
    "unique_consecutive",
    "unravel_index",
]


def __getattr__(name: str) -> Any:
    # The root has them all; it can't be imported from while it is being imported itself.
    if name in __all__:
        import rushlight

        return getattr(rushlight, name)
    from .missing import lazily

    return lazily(__name__)(name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
