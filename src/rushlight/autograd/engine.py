"""Backward: walks the history from the results to the leaves and adds up gradients.

The walk first finds the nodes that gradients reach along several ways: such a node waits until all have arrived. Of the
nodes that are ready the one that was recorded last runs first, and leaves before all others: PyTorch's order, which
programs see through their hooks. Gradients are tensors throughout, so with ``create_graph`` the vjps' own operations
are recorded and can be differentiated again.
"""

from __future__ import annotations

import _thread
import contextlib
import sys
import weakref
from bisect import insort_left
from collections.abc import Sequence
from contextvars import ContextVar
from operator import attrgetter, itemgetter
from typing import Any, Final

import numpy as np

from ..core.device import placed_beside
from ..core.dtypes import COMPLEXES
from ..core.grad_mode import GRAD_MODE, INFERENCE_MODE
from ..core.history import AS_THE_LEAF, LeafNode, Node, OutputNode
from ..core.sparse_arrays import SparseArray
from ..core.tensor import Tensor, make_tensor
from ..ops.batching import TRANSFORMED
from ..ops.dispatch import FloatingPointReport, held
from ..ops.movement import cast, sum_to_shape
from ..ops.pointwise import ADD, real
from ..runtime.pending import Pending
from .anomaly_mode import MODE as ANOMALY, checked_vjp

add: Any = ADD.method
grad_enabled = GRAD_MODE.get
getrefcount: Any = getattr(sys, "getrefcount", None)
# References to a gradient that nothing but the engine holds when `_accumulate` looks; 0 takes none over (see the end).
_sole_tensor = 0
_sole_array = 0
# Two threads may bring gradients to one leaf. Reentrant, because adding may run a program's code.
_ACCUMULATING: Final = _thread.RLock()
_by_order = attrgetter("order")
_order_of_entry = itemgetter(0)


def run_backward(
    nodes: Sequence[Node],
    gradients: Sequence[Tensor],
    *,
    retain_graph: bool,
    create_graph: bool,
    targets: Sequence[Node] | None = None,
    collect: bool = True,
) -> list[Tensor | None]:
    """Send each root's gradient down its history.

    The leaves collect their gradients; with ``targets`` only those do, and only the nodes that lead to them run. Without
    ``collect`` no leaf does, and the gradients that reached the targets are returned in their order.
    """
    # Function transforms differentiate in inference mode too.
    token = GRAD_MODE.set(create_graph and (TRANSFORMED.get() or not INFERENCE_MODE.get()))
    run = _RUN.set(Run(nodes, targets)) if _runs_are_told_apart else None
    try:
        found = _run(nodes, gradients, retain_graph, targets, collect)
        if FINAL_CALLBACKS:
            _call_final()
        return found
    finally:
        GRAD_MODE.reset(token)
        if run is not None:
            _RUN.reset(run)


# What programs asked for, during backward, to be called at its end: each with the frame of that `run_backward`.
FINAL_CALLBACKS: Final[list[tuple[Any, Any]]] = []


def _call_final() -> None:
    frame = sys._getframe(1)
    mine = [entry for entry in FINAL_CALLBACKS if entry[0] is frame]
    for entry in mine:
        FINAL_CALLBACKS.remove(entry)
        entry[1]()


class ExecutionEngine:
    """The engine as an object, which PyTorch has as ``Variable._execution_engine``."""

    @staticmethod
    def queue_callback(callback: Any) -> None:
        """Call ``callback()`` at the end of the backward that runs now; ``RuntimeError`` outside of one."""
        frame: Any = sys._getframe(1)
        while frame is not None and frame.f_code is not run_backward.__code__:
            frame = frame.f_back
        if frame is None:
            raise RuntimeError("Final callbacks can only be installed during backward pass.")
        FINAL_CALLBACKS.append((frame, callback))


def _run(
    roots: Sequence[Node],
    gradients: Sequence[Any],
    retain_graph: bool,
    targets: Sequence[Node] | None,
    collect: bool,
) -> list[Tensor | None]:
    if not roots:
        return [None for _ in targets or ()]
    # Nodes with several uses: how many are still to come, the sum of the gradients so far, and whether that is our own.
    shared: dict[Node, list[Any]]
    recording = grad_enabled()
    active: set[Node] | None = None  # with targets: the nodes to go to
    needed: set[Node] | None = None  # of these, the ones to run: a target is further down
    captured: dict[Node, Any] = {}
    if targets is None:
        shared = _shared_nodes(roots)
    else:
        shared, active, needed = _ways_to(targets, roots)
        if collect:
            needed.update(
                active.intersection(targets)
            )  # as in PyTorch they run, hooks and all, though to no end
        else:
            captured = dict.fromkeys(targets)
    if ANOMALY.enabled:
        for node in _reachable(roots):
            node.special = True  # takes the careful way

    parts: dict[Node, list[Any]] = {}  # gradients of the results of operations with several
    ready: list[tuple[int, Node, Any]] = []  # by order
    leaves: list[tuple[Node, Any]] = []
    edges: Sequence[Node | None] = roots
    while True:
        for edge, part in zip(edges, gradients, strict=True):
            if edge is None or (active is not None and edge not in active):
                continue
            if part is not None and (part._array.shape != edge.shape or part._array.dtype is not edge.dtype):
                part = _conform(part, edge)
            if edge in shared:
                state = shared[edge]
                if part is not None:
                    if state[1] is None:
                        state[1] = part
                    elif state[2]:
                        add_arrays(state[1]._array, part._array)
                    elif isinstance(state[1]._array, SparseArray):
                        state[1] = add_to_sparse(state[1], part)
                    else:
                        state[1] = add(state[1], part)
                        state[2] = not recording
                state[0] -= 1
                if state[0]:
                    continue
                part = state[1]
                del shared[edge], state
            if not edge.edges:
                leaves.append((edge, part))
            elif ready and ready[-1][0] >= edge.order:
                insort_left(ready, (edge.order, edge, part), key=_order_of_entry)
            else:
                ready.append((edge.order, edge, part))
        del part, gradients  # whoever looks for sole references must not see these

        if leaves:
            leaves.reverse()
            while leaves:
                leaf, gradient = leaves.pop()
                if leaf.special:
                    gradient = _before(leaf, gradient)
                if captured and leaf in captured:
                    captured[leaf] = gradient
                elif type(leaf) is LeafNode:
                    if leaf.special and leaf.node_pre_hooks:
                        (gradient,) = _run_node_pre_hooks(leaf, (gradient,))
                    if gradient is not None:
                        _accumulate(leaf, gradient)
                    if leaf.special:
                        _after_accumulate(leaf, gradient)
            del gradient, leaf

        while True:
            if not ready:
                return [captured[node] for node in targets] if targets is not None and not collect else []
            _, node, gradient = ready.pop()
            edges = node.edges
            if needed is not None and node in captured and node in needed:
                # As in PyTorch: before the hooks here, and after them if the node itself won't run.
                captured[node] = gradient
            if node.special:
                gradient = _before(node, gradient)
                if type(node) is OutputNode:
                    if needed is not None and node not in needed:
                        if node in captured:
                            captured[node] = gradient
                    else:
                        _deliver_to_parent(node, gradient, parts, shared, ready)
                    continue
            if needed is not None and node not in needed:
                if node in captured:
                    captured[node] = gradient
                continue
            if node.special:
                gradients = _run_special(node, gradient)
            elif gradient is not None or node.accepts_none:
                gradients = node.operation.vjp(gradient, node)
            else:
                gradients = (None,) * len(edges)
            if not retain_graph:
                node.release()
            if type(gradients) is not tuple:
                gradients = (gradients,)
            del gradient
            break


def add_arrays(total: Any, part: Any) -> None:
    """Add to a sum of gradients that nothing else sees, in its own memory: a weight may have thousands of uses."""
    if isinstance(part, SparseArray):
        part.add_to(total)
        return
    with contextlib.suppress(*FloatingPointReport):  # reported after the whole array was written
        np.add(total, part, total)


def add_to_sparse(total: Tensor, part: Tensor) -> Tensor:
    """The sum of a sparse gradient and another one: sparse if both are."""
    return add(total, part) if isinstance(part._array, SparseArray) else add(part, total)  # type: ignore[no-any-return]


def _shared_nodes(roots: Sequence[Node | None]) -> dict[Node, list[Any]]:
    """The nodes under ``roots`` that are used more than once, each with ``[uses, None, False]``."""
    seen: set[Node] = set()
    shared: dict[Node, list[Any]] = {}
    stack: list[Sequence[Node | None]] = [roots]
    while stack:
        for edge in stack.pop():
            if edge is not None:
                if edge not in seen:
                    seen.add(edge)
                    stack.append(edge.edges)
                elif edge in shared:
                    shared[edge][0] += 1
                else:
                    shared[edge] = [2, None, False]
    return shared


def _ways_to(
    targets: Sequence[Node], roots: Sequence[Node]
) -> tuple[dict[Node, list[Any]], set[Node], set[Node]]:
    """``_shared_nodes`` of the part of the graph that leads to ``targets``, its nodes, and those that must run."""
    lowest = min([-1 if not target.edges else target.order for target in targets])
    reachable = set(roots)
    stack = list(reachable)
    while stack:
        node = stack.pop()
        if node.order >= lowest:  # no target is under a node that was recorded before them all
            for edge in node.edges:
                if edge is not None and edge not in reachable:
                    reachable.add(edge)
                    stack.append(edge)
    active = reachable.intersection(targets)
    needed: set[Node] = set()
    for node in sorted(reachable, key=_by_order):  # inputs before what was computed from them
        for edge in node.edges:
            if edge in active:
                needed.add(node)
                active.add(node)
                break
    uses: dict[Node, int] = {}
    for node in roots:
        uses[node] = uses.get(node, 0) + 1
    for node in needed:
        for edge in node.edges:
            if edge is not None and edge in active:
                uses[edge] = uses.get(edge, 0) + 1
    return {node: [count, None, False] for node, count in uses.items() if count > 1}, active, needed


def _reachable(roots: Sequence[Node]) -> set[Node]:
    seen = set(roots)
    stack = list(seen)
    while stack:
        for edge in stack.pop().edges:
            if edge is not None and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    return seen


def _conform(gradient: Tensor, node: Node) -> Tensor:
    """``gradient`` brought to the shape and dtype of the node's result: broadcasting and promotion undone."""
    if gradient._array.shape != node.shape:
        gradient = sum_to_shape(gradient, node.shape)
    dtype = gradient._array.dtype
    if dtype != node.dtype and not (
        node.special and type(node) is LeafNode and node.grad_dtype is not AS_THE_LEAF
    ):
        if dtype in COMPLEXES and node.dtype not in COMPLEXES:
            gradient = real(gradient)
        gradient = cast(gradient, node.dtype)
    return gradient


def _deliver_to_parent(
    output: OutputNode,
    gradient: Any,
    parts: dict[Node, list[Any]],
    shared: dict[Node, list[Any]],
    ready: list[tuple[int, Node, Any]],
) -> None:
    """Note the gradient of one result of an operation; when those of all used results are there, it is ready."""
    parent = output.parent
    collected = parts.get(parent)
    if collected is None:
        assert parent.outputs is not None
        collected = parts[parent] = [None] * len(parent.outputs)
    if gradient is not None:
        present = collected[output.index]
        collected[output.index] = gradient if present is None else add(present, gradient)
    if parent in shared:
        shared[parent][0] -= 1
        if shared[parent][0]:
            return
        del shared[parent]
    del parts[parent]
    arrived = None if all(part is None for part in collected) else collected
    insort_left(ready, (parent.order, parent, arrived), key=_order_of_entry)


class Run:
    """One call of ``run_backward``, for hooks that wait for several gradients."""

    def __init__(self, roots: Sequence[Node], targets: Sequence[Node] | None) -> None:
        self._roots = roots
        self._targets = targets
        self._nodes: set[Node] | None = None

    def reaches(self, node: Node) -> bool:
        """Whether ``node`` gets a gradient in this run."""
        if self._nodes is None:
            if self._targets is None:
                self._nodes = _reachable(self._roots)
            else:
                self._nodes = _ways_to(self._targets, self._roots)[1]
        return node in self._nodes


_RUN: ContextVar[Run | None] = ContextVar("run", default=None)
_runs_are_told_apart = False  # from the first call of ``tell_runs_apart`` on


def tell_runs_apart() -> None:
    """Make ``current_run`` work in every backward that starts from now on."""
    global _runs_are_told_apart
    _runs_are_told_apart = True


def current_run() -> Run | None:
    """The innermost backward that runs in this context."""
    return _RUN.get()


# --- leaves -----------------------------------------------------------------------------------------------------------


def _accumulate(leaf: LeafNode, gradient: Tensor) -> None:
    tensor = leaf.tensor_ref()
    if tensor is None:
        return
    with _ACCUMULATING:
        present = tensor._grad
        if present is not None:
            if isinstance(present._array, SparseArray) and (
                grad_enabled() or not isinstance(gradient._array, SparseArray)
            ):
                tensor._grad = add_to_sparse(present, gradient)
            elif grad_enabled():
                tensor._grad = add(present, gradient)
            else:
                present.add_(gradient)
            return
        array = gradient._array
        like = tensor._array
        # A gradient that only the engine holds is taken over; one that something else sees too must be copied, or a
        # later `grad.zero_()` would change the other. A gradient lies in memory as its leaf does.
        sole = (
            getrefcount(gradient) <= _sole_tensor
            and getrefcount(array) <= _sole_array
            and array.base is None
            and array.strides == like.strides
        )
        if gradient._node is not None and grad_enabled():
            tensor._grad = gradient if sole else gradient.clone()
        elif sole:
            tensor._grad = gradient if gradient._node is None else held(make_tensor(array))
        else:
            if type(array) is Pending:
                tensor._grad = held(make_tensor(array.copy()))
                return
            if leaf.special and leaf.grad_dtype is not AS_THE_LEAF:
                tensor._grad = make_tensor(array.copy())
                return
            if isinstance(array, SparseArray) or isinstance(like, SparseArray):
                tensor._grad = make_tensor(array.alias() if isinstance(array, SparseArray) else array.copy())
                return
            copy = np.empty_like(like)
            if copy.strides != like.strides:  # the leaf has gaps, or elements that are one place in memory
                copy = placed_beside(np.empty(like.shape, like.dtype), like)
            copy[...] = array
            tensor._grad = make_tensor(copy)


def _after_accumulate(leaf: LeafNode, gradient: Tensor | None) -> None:
    hooks = leaf.post_accumulate_hooks
    if hooks:
        tensor = leaf.tensor_ref()
        for hook in list(hooks.values()) if tensor is not None else ():
            returned = hook(tensor)
            _must_be_tensor(returned)
            if (
                returned is not None and returned is not tensor
            ):  # `lambda p: p.add_(p.grad)` may stand for a step
                raise RuntimeError("Tensor post accumulate grad hooks should return None.")
    if leaf.post_hooks:
        for node_hook in list(leaf.post_hooks.values()):
            node_hook((), (gradient,))


# --- hooks ------------------------------------------------------------------------------------------------------------


def _before(node: Node, gradient: Any) -> Any:
    """What the tensor's hooks make of its gradient, kept where ``retain_grad`` asked for it."""
    if type(node) is LeafNode and node.grad_dtype not in (AS_THE_LEAF, None) and gradient is not None:
        gradient = cast(gradient, node.grad_dtype.numpy)
    hooks = node.pre_hooks
    if hooks:
        for hook in list(hooks.values()):
            replacement: Any = hook(gradient)
            if replacement is not None:
                gradient = _checked_replacement(hook, gradient, replacement)
    if node.retain_into is not None and gradient is not None:
        tensor = node.retain_into()
        if tensor is not None:
            tensor._grad = gradient.clone() if tensor._grad is None else add(tensor._grad, gradient)
    return gradient


def _run_special(node: Node, gradient: Any) -> Any:
    """Run a node that has hooks of its own, or under anomaly detection."""
    if node.node_pre_hooks:
        grad_outputs = _run_node_pre_hooks(node, tuple(gradient) if type(gradient) is list else (gradient,))
        gradient = grad_outputs[0] if node.outputs is None else list(grad_outputs)
    if gradient is None and not node.accepts_none:
        gradients: Any = (None,) * len(node.edges)
    elif ANOMALY.enabled:
        gradients = checked_vjp(node, gradient)
    else:
        gradients = node.operation.vjp(gradient, node)
    if not node.post_hooks:
        return gradients
    if type(gradients) is not tuple:
        gradients = (gradients,)
    grad_outputs = tuple(gradient) if type(gradient) is list else (gradient,)
    for hook in list(node.post_hooks.values()):
        replacement = hook(gradients, grad_outputs)
        if replacement is not None:
            gradients = _checked_replacements(hook, gradients, replacement)
    return gradients


def _run_node_pre_hooks(node: Node, grad_outputs: tuple[Any, ...]) -> tuple[Any, ...]:
    for hook in list((node.node_pre_hooks or {}).values()):
        replacement = hook(grad_outputs)
        if replacement is not None:
            grad_outputs = _checked_replacements(hook, grad_outputs, replacement)
    return grad_outputs


def _checked_replacements(hook: Any, values: tuple[Any, ...], replacements: Any) -> tuple[Any, ...]:
    if not isinstance(replacements, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(replacements).__name__}'")
    if len(replacements) != len(values):
        raise RuntimeError(
            f"hook '{_name_of(hook)}' has returned an incorrect number of values (got {len(replacements)}, but expected "
            f"{len(values)})"
        )
    return tuple(
        [
            new if new is None else _checked_replacement(hook, old, new)
            for old, new in zip(values, replacements, strict=True)
        ]
    )


def _checked_replacement(hook: Any, value: Any, replacement: Any) -> Tensor:
    _must_be_tensor(replacement)
    if value is not None:
        if replacement._array.shape != value._array.shape:
            raise RuntimeError(f"hook '{_name_of(hook)}' has changed the size of value")
        if replacement._array.dtype != value._array.dtype:
            raise RuntimeError(
                f"hook '{_name_of(hook)}' has changed the type of value (was {value.type()} got {replacement.type()})"
            )
    return replacement  # type: ignore[no-any-return]


def _must_be_tensor(value: Any) -> None:
    if value is not None and not isinstance(value, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(value).__name__}'")


def _name_of(hook: Any) -> str:
    return getattr(hook, "__name__", "<unknown>")


# --- sole references --------------------------------------------------------------------------------------------------


class _Probe:
    """An operation whose vjp gives what it is told to: a small graph to see what the engine does with a gradient."""

    name = grad_name = "probe"

    def __init__(self, make_gradient: Any) -> None:
        self._make_gradient = make_gradient

    def vjp(self, gradient: Tensor, node: Node) -> Any:
        return self._make_gradient()


def _taken_over(make_gradient: Any) -> bool:
    """Whether a leaf's ``grad`` is the very array of the gradient that ``make_gradient`` makes."""
    arrays: list[Any] = []

    def make() -> Tensor:
        gradient: Tensor = make_gradient()
        arrays.append(weakref.ref(gradient._array))
        return gradient

    leaf = make_tensor(np.zeros(2))
    leaf._node = LeafNode(leaf)
    root = Node(_Probe(make), (leaf._node,), leaf._array)
    run_backward([root], [make_tensor(np.zeros(2))], retain_graph=False, create_graph=False)
    assert leaf._grad is not None
    return arrays[0]() is leaf._grad._array


def _measure_sole_references() -> None:
    """Find the counts by letting the engine run with growing limits until it takes over a gradient that is all its own.

    The limits are used only if the engine then leaves alone whatever anything else holds: an interpreter that counts in
    another way (free threading), or a debugger that holds frames' variables, must not lead to shared gradients.
    """
    global _sole_tensor, _sole_array
    _sole_tensor = _sole_array = 0
    if (
        getrefcount is None
        or sys.gettrace() is not None
        or not getattr(sys, "_is_gil_enabled", lambda: True)()
    ):
        return
    held: list[Any] = []

    def fresh() -> Tensor:
        return make_tensor(np.zeros(2))

    def held_by(get: Any) -> Any:
        def make() -> Tensor:
            gradient = fresh()
            held.append(get(gradient))
            return gradient

        return make

    many = 1 << 20
    tensor_count = array_count = 0
    _sole_array = many
    for limit in range(1, 4):  # the local variable, the parameter, getrefcount's own argument
        _sole_tensor = limit
        if _taken_over(fresh):
            tensor_count = limit
            break
    for limit in range(1, 4):
        _sole_array = limit
        if tensor_count and _taken_over(fresh):
            array_count = limit
            break
    others = (
        lambda gradient: gradient,
        lambda gradient: gradient._array,
        lambda gradient: gradient._array[:1],
        lambda gradient: memoryview(gradient._array),
        lambda gradient: make_tensor(gradient._array),
    )
    if not array_count or any(_taken_over(held_by(get)) for get in others):
        _sole_tensor = _sole_array = 0


if getrefcount is None:

    def getrefcount(_: object) -> int:
        return 1 << 30
else:
    _measure_sole_references()
