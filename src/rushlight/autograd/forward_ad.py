"""Forward-mode differentiation by dual tensors.

A dual is an alias of its primal that later operations depend on. Its tangent travels with the history: ``unpack_dual``
takes the product of the Jacobian with the tangents when it is asked for it, by two backward passes (see ``func.jvp``).
So results are those of a forward mode, time and memory those of backward, and a dual requires grad.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from ..core.grad_mode import GRAD_MODE
from ..core.history import LeafNode, Node
from ..core.tensor import Tensor
from ..ops.conversion import ALIAS
from ..ops.dispatch import alias_of
from ..ops.placement import tensor_beside
from .engine import run_backward
from .function import TRANSPOSING

__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]


class UnpackedDualTensor(NamedTuple):
    """What ``unpack_dual`` returns: the primal, and the tangent or None."""

    primal: Tensor
    tangent: Tensor | None


class _Level:
    """The duals of one level: the alias that each is, and its tangent."""

    def __init__(self) -> None:
        self.duals: list[tuple[Tensor, Tensor]] = []


_LEVELS: Final[list[_Level]] = []
_current_level = -1  # the number of the open level


def enter_dual_level() -> int:
    """Start a level of forward differentiation and return its number; ``exit_dual_level`` ends it.

    Raises ``RuntimeError`` if there is one: levels do not nest (``func.jvp`` does).
    """
    if _LEVELS:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    global _current_level
    _LEVELS.append(_Level())
    _current_level = 0
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """End the level: its duals lose their tangents. Raises ``RuntimeError`` if ``level`` is not the one that is open."""
    if not _LEVELS:
        raise RuntimeError("Dual level must be a positive number.")
    if level is not None and level != 0:
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is not supported."
        )
    global _current_level
    _LEVELS.pop()
    _current_level = -1


class dual_level:
    """A ``with`` block that is a level of forward differentiation.

    Example:
        >>> import rushlight as torch
        >>> import rushlight.autograd.forward_ad as fwAD
        >>> with fwAD.dual_level():
        ...     dual = fwAD.make_dual(torch.tensor(2.0), torch.tensor(1.0))
        ...     fwAD.unpack_dual(dual * dual).tangent
        tensor(4.)
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *exc: object) -> None:
        exit_dual_level()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """An alias of ``tensor`` that carries ``tangent``, of its shape and dtype, through the operations on it.

    Raises ``RuntimeError`` outside of a level, for another shape, and for a tensor that has a tangent already;
    ``ValueError`` for whole numbers.
    """
    if not _LEVELS:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    for what, value in (("primal", tensor), ("tangent", tangent)):
        if not (value.is_floating_point() or value.is_complex()):
            raise ValueError(f"Expected {what} to be floating point or complex, but got: {value.dtype}")
    if tensor._array.shape != tangent._array.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            f"supported. Tensor is of size {list(tensor._array.shape)} while the given forward gradient is of size "
            f"{list(tangent._array.shape)}."
        )
    duals = _LEVELS[-1].duals
    if any(dual._node is tensor._node for dual, _ in duals if tensor._node is not None):
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the same level 0 is not supported."
        )
    dual = alias_of(tensor)
    if tensor._node is not None and GRAD_MODE.get():
        dual._node = Node(ALIAS, (tensor._node,), tensor._array)
    else:
        dual._node = LeafNode(dual)
    duals.append((dual, tangent))
    return dual


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The value of ``tensor`` and its tangent: None if it does not depend on a dual of the open level, or there is none."""
    if not _LEVELS or tensor._node is None:
        return UnpackedDualTensor(tensor, None)
    duals = _LEVELS[-1].duals
    for dual, tangent in duals:
        if dual._node is tensor._node:
            return UnpackedDualTensor(alias_of(tensor), tangent)
    return UnpackedDualTensor(alias_of(tensor), _tangent_of(tensor, duals))


def _tangent_of(tensor: Tensor, duals: list[tuple[Tensor, Tensor]]) -> Tensor | None:
    assert tensor._node is not None
    weight = tensor_beside(tensor, np.zeros(tensor._array.shape, tensor._array.dtype))
    weight._node = LeafNode(weight)
    token = TRANSPOSING.set(True)
    try:
        rows = run_backward(
            [tensor._node],
            [weight],
            retain_graph=True,
            create_graph=True,
            targets=[dual._node for dual, _ in duals if dual._node is not None],
            collect=False,
        )
    finally:
        TRANSPOSING.reset(token)
    if all(row is None for row in rows):
        return None
    # Linear in the weight: its derivative by the weight is the Jacobian transposed once more.
    pairs = [
        (row._node, tangent)
        for row, (_, tangent) in zip(rows, duals, strict=True)
        if row is not None and row._node is not None
    ]
    found: Any = None
    if pairs:
        (found,) = run_backward(
            [node for node, _ in pairs],
            [tangent for _, tangent in pairs],
            retain_graph=True,
            create_graph=False,
            targets=[weight._node],
            collect=False,
        )
    return (
        tensor_beside(tensor, np.zeros(tensor._array.shape, tensor._array.dtype)) if found is None else found
    )
