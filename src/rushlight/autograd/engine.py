"""Backward: walks the history from the results to the leaves and adds up gradients.

The walk first counts, for every node that can be reached, how many uses it has; a node runs when all of them have
delivered. Gradients are tensors throughout, so with ``create_graph`` the vjps' own operations are recorded and can be
differentiated again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.dtypes import COMPLEXES
from ..core.grad_mode import GRAD_MODE
from ..core.history import LeafNode, Node, OutputNode
from ..core.tensor import Tensor, make_tensor
from ..ops.movement import cast, sum_to_shape
from ..ops.pointwise import add, real

getrefcount = sys.getrefcount
# References to a gradient that nothing but the engine holds when `_accumulate` looks (measured once, below).
_SOLE_TENSOR = 0
_SOLE_ARRAY = 0


def run_backward(
    roots: Sequence[tuple[Node, Tensor]],
    *,
    retain_graph: bool,
    create_graph: bool,
    targets: Sequence[Node] | None = None,
) -> list[Tensor | None] | None:
    """Send each root's gradient down its history.

    Without ``targets`` the leaves collect their gradients; with them nothing is collected and the targets' gradients
    are returned.
    """
    token = GRAD_MODE.set(create_graph)
    try:
        return _run(roots, retain_graph, targets)
    finally:
        GRAD_MODE.reset(token)


def _run(
    roots: Sequence[tuple[Node, Tensor]], retain_graph: bool, targets: Sequence[Node] | None
) -> list[Tensor | None] | None:
    uses: dict[Node, int] = {}
    stack: list[Node] = []
    for node, _ in roots:
        if node not in uses:
            uses[node] = 0
            stack.append(node)
    order: list[Node] = []
    while stack:
        node = stack.pop()
        order.append(node)
        for edge in node.edges:
            if edge is not None:
                if edge in uses:
                    uses[edge] += 1
                else:
                    uses[edge] = 1
                    stack.append(edge)
    wanted = None
    captured: dict[Node, Tensor | None] = {}
    if targets is not None:
        captured = dict.fromkeys(targets)
        wanted = _leading_to(captured, order)

    pending: dict[Node, Any] = {}
    for node, gradient in roots:
        _deliver(pending, node, gradient)
    ready = [node for node in uses if not uses[node]]
    while ready:
        node = ready.pop()
        gradient = pending.pop(node, None)
        if gradient is not None:
            if node.special:
                gradient = _before(node, gradient)
            if targets is not None and node in captured:
                captured[node] = gradient
        edges = node.edges
        if not edges:
            if targets is None and gradient is not None and type(node) is LeafNode:
                _accumulate(node, gradient)
            continue
        if type(node) is OutputNode:
            parent = node.parent
            if gradient is not None:
                parts = pending.get(parent)
                if parts is None:
                    parts = pending[parent] = [None] * len(parent.outputs or ())
                parts[node.index] = gradient
            uses[parent] -= 1
            if not uses[parent]:
                ready.append(parent)
            continue
        if gradient is None or (wanted is not None and node not in wanted):
            for edge in edges:
                if edge is not None:
                    uses[edge] -= 1
                    if not uses[edge]:
                        ready.append(edge)
            continue
        gradients = _special_vjp(node, gradient) if node.special else node.operation.vjp(gradient, node)
        if not retain_graph:
            node.release()
        if type(gradients) is not tuple:
            gradients = (gradients,)
        del gradient
        for edge, part in zip(edges, gradients, strict=True):
            if edge is None:
                continue
            if part is not None:
                array = part._array
                if array.shape != edge.shape or array.dtype is not edge.dtype:
                    part = _conform(part, edge)
                if edge in pending:
                    _deliver(pending, edge, part)
                else:
                    pending[edge] = part
            left = uses[edge] - 1
            uses[edge] = left
            if not left:
                ready.append(edge)
        del part, gradients
    if targets is None:
        return None
    return [captured[node] for node in targets]


def _deliver(pending: dict[Node, Any], node: Node, gradient: Tensor) -> None:
    present = pending.get(node)
    pending[node] = gradient if present is None else add(present, gradient)


def _leading_to(targets: dict[Node, Any], reachable: list[Node]) -> set[Node]:
    """The nodes from which a target can be reached: only they need to run."""
    users: dict[Node, list[Node]] = {}
    for node in reachable:
        for edge in node.edges:
            if edge is not None:
                users.setdefault(edge, []).append(node)
    found: set[Node] = set()
    stack = [user for target in targets for user in users.get(target, ())]
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack.extend(users.get(node, ()))
    return found


def _conform(gradient: Tensor, node: Node) -> Tensor:
    """``gradient`` brought to the shape and dtype of the node's result: broadcasting and promotion undone."""
    if gradient._array.shape != node.shape:
        gradient = sum_to_shape(gradient, node.shape)
    dtype = gradient._array.dtype
    if dtype != node.dtype:
        if dtype in COMPLEXES and node.dtype not in COMPLEXES:
            gradient = real(gradient)
        gradient = cast(gradient, node.dtype)
    return gradient


def _accumulate(leaf: LeafNode, gradient: Tensor) -> None:
    tensor = leaf.tensor_ref()
    if tensor is None:
        return
    present = tensor._grad
    if present is not None:
        if GRAD_MODE.get() or present._node is not None:
            tensor._grad = add(present, gradient)
        else:
            present.add_(gradient)
    elif GRAD_MODE.get() and gradient._node is not None:
        tensor._grad = gradient if getrefcount(gradient) <= _SOLE_TENSOR else gradient.clone()
    else:
        array = gradient._array
        # A gradient that only the engine holds is taken over; one that something else sees too must be copied, or a
        # later `grad.zero_()` would change the other.
        if array.base is None and getrefcount(gradient) <= _SOLE_TENSOR and getrefcount(array) <= _SOLE_ARRAY:
            tensor._grad = gradient if gradient._node is None else make_tensor(array)
        else:
            tensor._grad = make_tensor(array.copy(order="K" if 0 not in array.strides else "C"))
    hooks = leaf.post_accumulate_hooks
    if hooks:
        for hook in list(hooks.values()):
            hook(tensor)


def _before(node: Node, gradient: Any) -> Any:
    """What hooks make of the gradient that a node is about to send on, kept where ``retain_grad`` asked for it."""
    for hook in list((node.pre_hooks or {}).values()):
        replacement = hook(gradient)
        if replacement is not None:
            gradient = replacement
    if node.retain_into is not None:
        _retain(node, gradient)
    return gradient


def _special_vjp(node: Node, gradient: Any) -> Any:
    gradients = _checked_vjp(node, gradient) if node.traceback is not None else node.operation.vjp(gradient, node)
    return _run_post_hooks(node, gradients, gradient) if node.post_hooks else gradients


def _run_post_hooks(node: Node, gradients: Any, gradient: Any) -> Any:
    assert node.post_hooks is not None
    inputs = gradients if isinstance(gradients, tuple) else (gradients,)
    outputs = tuple(gradient) if isinstance(gradient, list) else (gradient,)
    for hook in list(node.post_hooks.values()):
        replacement = hook(inputs, outputs)
        if replacement is not None:
            inputs = replacement if isinstance(replacement, tuple) else (replacement,)
    return inputs


def _retain(node: Node, gradient: Tensor) -> None:
    assert node.retain_into is not None
    tensor = node.retain_into()
    if tensor is not None:
        tensor._grad = gradient if tensor._grad is None else add(tensor._grad, gradient)


def _checked_vjp(node: Node, gradient: Any) -> Any:
    """The vjp under ``detect_anomaly``: an error or a nan is reported with the place of the forward operation."""
    place = "".join(node.traceback or ())
    try:
        gradients = node.operation.vjp(gradient, node)
    except Exception as error:
        import warnings

        warnings.warn(
            f"Error detected in {node.name()}. Traceback of forward call that caused the error:\n{place}", stacklevel=2
        )
        raise error
    for i, part in enumerate(gradients if isinstance(gradients, tuple) else (gradients,)):
        if part is not None and part._array.dtype.kind in "fcV" and np.isnan(part._array).any():
            raise RuntimeError(
                f"Function '{node.name()}' returned nan values in its {i}th output. Traceback of forward call that "
                f"caused the error:\n{place}"
            )
    return gradients


def _measure_sole_references() -> None:
    """Find what ``getrefcount`` gives for a gradient that only the engine holds, in the engine's own frames."""
    global _SOLE_TENSOR, _SOLE_ARRAY  # noqa: PLW0603 - constants of the interpreter, measured at import

    def accumulate(leaf: None, gradient: Tensor) -> tuple[int, int]:
        array = gradient._array
        return getrefcount(gradient), getrefcount(array)

    def walk() -> tuple[int, int]:
        pending = {"leaf": make_tensor(np.zeros(1))}
        gradient = pending.pop("leaf", None)
        assert gradient is not None
        return accumulate(None, gradient)

    _SOLE_TENSOR, _SOLE_ARRAY = walk()


_measure_sole_references()
