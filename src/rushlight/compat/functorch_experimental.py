"""``functorch.experimental``: what of functorch was not settled, most of it in ``torch.func`` since."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight import _higher_order_ops as control_flow, func
from rushlight.func import (
    functionalize as functionalize,
    hessian as hessian,
    jacfwd as jacfwd,
    jvp as jvp,
    replace_all_batch_norm_modules_ as replace_all_batch_norm_modules_,
)
from rushlight.missing import lazily as _lazily

__all__ = [
    "chunk_vmap", "control_flow", "functionalize", "hessian", "jacfwd", "jvp", "replace_all_batch_norm_modules_",
]  # fmt: skip


def chunk_vmap(
    func_: Callable[..., Any], in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", chunks: int = 2
) -> Callable[..., Any]:
    """``vmap`` that computes ``chunks`` parts of the batch one after the other, for less memory.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.compat.functorch_experimental import chunk_vmap
        >>> chunk_vmap(lambda x: x.sum(), chunks=2)(torch.ones(4, 3))
        tensor([3., 3., 3., 3.])

    Raises ``RuntimeError``, when it is called, for fewer chunks than one.
    """
    if chunks == 1:
        return func.vmap(func_, in_dims, out_dims, randomness)

    def mapped(*args: Any, **kwargs: Any) -> Any:
        from rushlight.utils._pytree import tree_leaves

        if chunks < 1:
            raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
        dims = in_dims if isinstance(in_dims, tuple) else (in_dims,) * len(args)
        sizes = [
            leaf.shape[dim]
            for given, dim in zip(args, dims, strict=False)
            if isinstance(dim, int)
            for leaf in tree_leaves(given)
            if hasattr(leaf, "shape")
        ]
        # Sizes that differ, or dimensions in a tree, are for vmap to judge.
        chunk = -(-sizes[0] // chunks) if sizes else None
        return func.vmap(func_, in_dims, out_dims, randomness, chunk_size=chunk)(*args, **kwargs)

    return mapped


__getattr__ = _lazily(__name__)
