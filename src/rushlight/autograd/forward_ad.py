"""Forward-mode differentiation by dual tensors.

A dual is an alias of its primal that later operations depend on. Its tangent travels with the history: ``unpack_dual``
takes the product of the Jacobian with the tangents when it is asked for it, by two backward passes (see ``func.jvp``).
So results are those of a forward mode, time and memory those of backward, and a dual requires grad. A tangent requires
grad where it depends on a tensor that requires grad besides being dual: backward may go through it, as in PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, cast

import numpy as np

from ..core.grad_mode import GRAD_MODE
from ..core.history import LeafNode, Node, OutputNode
from ..core.tensor import Tensor
from ..ops.conversion import ALIAS, DUAL_FACTS
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
        dual._node.known_as = "ViewBackward0"
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
    if not _reaches(tensor._node, {dual._node for dual, _ in duals}):
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(alias_of(tensor), _tangent_of(tensor, duals))


def _tangent_of(tensor: Tensor, duals: list[tuple[Tensor, Tensor]]) -> Tensor | None:
    assert tensor._node is not None
    weight = tensor_beside(tensor, np.zeros(tensor._array.shape, tensor._array.dtype))
    weight._node = LeafNode(weight)
    own = {dual._node for dual, _ in duals if type(dual._node) is LeafNode}
    differentiable = GRAD_MODE.get() and (
        any(tangent._node is not None for _, tangent in duals) or _reaches_others(tensor._node, own)
    )
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
            create_graph=differentiable,
            targets=[weight._node],
            collect=False,
        )
    if found is None:
        return tensor_beside(tensor, np.zeros(tensor._array.shape, tensor._array.dtype))
    if found._node is not None:
        if not _reaches_others(found._node, {*own, weight._node}):
            return cast(Tensor, found.detach())
        found._node.__dict__[_OF_TANGENT] = True
    return cast(Tensor, found)


# Marks the node of a tangent, which depends on the duals but is none itself.
_OF_TANGENT: Final = "of_tangent"


def _below(node: Node, *, beyond_tangents: bool = True) -> Iterator[Node]:
    """The nodes of the graph below ``node``, itself first."""
    seen: set[Node] = set()
    waiting: list[Node] = [node]
    while waiting:
        at = waiting.pop()
        at = at.parent if isinstance(at, OutputNode) else at
        if at in seen or (not beyond_tangents and _OF_TANGENT in at.__dict__):
            continue
        seen.add(at)
        yield at
        waiting.extend([edge for edge in at.edges if edge is not None])


def _reaches_others(node: Node, own: set[Any]) -> bool:
    """Whether there are leaves below ``node`` besides ``own``: the duals' and what differentiation itself puts there."""
    return any(isinstance(at, LeafNode) and at not in own for at in _below(node))


def _reaches(node: Node, duals: set[Any]) -> bool:
    return any(at in duals for at in _below(node, beyond_tangents=False))


def _dual_facts(tensor: Tensor) -> tuple[Tensor | None, bool]:
    """Its tangent, and whether it requires grad besides being dual: what ``repr`` shows."""
    if not _LEVELS or tensor._node is None:
        return None, tensor._node is not None
    own = {dual._node for dual, _ in _LEVELS[-1].duals if type(dual._node) is LeafNode}
    return unpack_dual(tensor).tangent, _reaches_others(tensor._node, own)


DUAL_FACTS.append(_dual_facts)
