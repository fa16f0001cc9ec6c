"""``torch._vmap_internals``: the names under which libraries from before ``torch.func`` find ``vmap``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .func.vectorize import vmap as _vmap_of_func

__all__ = ["vmap"]


def vmap(
    func: Callable[..., Any], in_dims: Any = 0, out_dims: int | tuple[int, ...] = 0
) -> Callable[..., Any]:
    """``torch.vmap`` by its older name.

    Example:
        >>> import rushlight as torch
        >>> vmap(torch.dot)(torch.ones(2, 3), torch.ones(2, 3))
        tensor([3., 3.])
    """
    return _vmap_of_func(func, in_dims, out_dims)


def _vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: int | tuple[int, ...] = 0,
    allow_none_pass_through: bool = False,
) -> Callable[..., Any]:
    """As ``vmap``; with ``allow_none_pass_through`` the function may give None among its results."""
    if not allow_none_pass_through:
        return _vmap_of_func(func, in_dims, out_dims)

    def mapped(*args: Any) -> Any:
        absent: list[bool] = []

        def present(*given: Any) -> Any:
            found = func(*given)
            results = found if isinstance(found, tuple) else (found,)
            absent[:] = [result is None for result in results]
            kept = tuple(result for result in results if result is not None)
            return kept if isinstance(found, tuple) else kept[0]

        kept = _vmap_of_func(present, in_dims, out_dims)(*args)
        if not isinstance(kept, tuple):
            return kept
        remaining = iter(kept)
        return tuple([None if is_absent else next(remaining) for is_absent in absent])

    return mapped
