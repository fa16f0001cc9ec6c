"""``tf.gradients``: gradients as operations of the graph, which autograd computes when they run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import rushlight as rl

from .conversion import convert_to_tensor
from .graph import Tensor, get_default_graph

GRADIENT: Final = "SymbolicGradient"
# No gradient goes through these, though their results are floating-point numbers.
_STOPS: Final = frozenset(
    (
        "StopGradient",
        "Floor",
        "Ceil",
        "Round",
        "Rint",
        "zeros_like",
        "ones_like",
        "Const",
        "Fill",
        "Assign",
        "PyFunc",
    )
)


def blocks_gradient(tensor: Tensor) -> bool:
    """Whether no gradient goes through ``tensor``, whatever it is computed from."""
    return tensor.op.type in _STOPS or not (tensor.dtype.is_floating or tensor.dtype.is_complex)


def gradients(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    name: str = "gradients",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: Any = None,
    stop_gradients: Any = None,
    unconnected_gradients: Any = "none",
) -> list[Tensor | None]:
    """The gradients of the sum of ``ys`` for each of ``xs``, as tensors of the graph.

    Args:
        ys: a tensor or several.
        xs: a tensor or variable, or several.
        grad_ys: the weight of each of ``ys``, with its shape; ones by default.
        name: the name scope of the gradient operations.
        stop_gradients: tensors that count as constants.
        unconnected_gradients: "none", or "zero" to get zeros instead of None.

    Returns:
        One tensor for each of ``xs``, None where the ``ys`` do not depend on it. They can be fetched, combined and
        differentiated again.

    Raises:
        NotImplementedError: for ``stop_gradients`` before an operation that draws random numbers or changes variables.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     x = tf.constant(3.0)
        ...     first, = tf.gradients(x ** 3.0, x)
        ...     second, = tf.gradients(first, x)
        ...     print(*session.run([first, second]))
        27.0 18.0
    """
    graph = get_default_graph()
    sources = [convert_to_tensor(y) for y in _as_list(ys)]
    targets = [convert_to_tensor(x) for x in _as_list(xs)]
    if stop_gradients is not None:
        stops = [convert_to_tensor(item) for item in _as_list(stop_gradients)]
        sources, targets = _stopped(sources, targets, stops)
    weights = [None] * len(sources) if grad_ys is None else _as_list(grad_ys)
    if len(weights) != len(sources):
        raise ValueError(f"Passed {len(weights)} grad_ys for {len(sources)} ys")
    given = [
        None if weight is None else convert_to_tensor(weight, source.dtype)
        for weight, source in zip(weights, sources, strict=True)
    ]
    for weight, source in zip(given, sources, strict=True):
        if weight is not None:
            weight.shape.assert_is_compatible_with(source.shape)
    connected = _depends_on(sources, targets)
    wanted = list(dict.fromkeys([x for x, found in zip(targets, connected, strict=True) if found]))
    found: dict[Tensor, Tensor] = {}
    if wanted:
        live = [not blocks_gradient(y) or y in wanted for y in sources]
        with graph.name_scope(name):
            op = graph.create_op(
                GRADIENT,
                [*sources, *wanted, *[weight for weight in given if weight is not None]],
                [(x.dtype, x.shape) for x in wanted],
                name="grad",
                attributes={
                    "ys": [y for y, ok in zip(sources, live, strict=True) if ok],
                    "xs": wanted,
                    "grad_ys": [weight for weight, ok in zip(given, live, strict=True) if ok],
                },
            )
        found = dict(zip(wanted, op.outputs, strict=True))
    results: list[Tensor | None] = [found.get(x) for x in targets]
    if str(getattr(unconnected_gradients, "value", unconnected_gradients)).lower() == "zero":
        from .ops_array import zeros_like

        results = [zeros_like(x) if g is None else g for g, x in zip(results, targets, strict=True)]
    return results


def _stopped(
    ys: Sequence[Tensor], xs: Sequence[Tensor], stops: Sequence[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """The same values of ``ys``, computed once more from constants in the place of ``stops``; and what is for ``xs`` then."""
    from .ops_array import identity, stop_gradient

    fixed = {stop: identity(stop_gradient(stop)) for stop in stops}
    wanted = {x: fixed.get(x, x) for x in xs}
    made: dict[Any, Any] = {}

    def again(tensor: Tensor) -> Tensor:
        if tensor in fixed:
            return fixed[tensor]
        op = tensor.op
        if tensor in wanted or op.type == "VariableV2":
            return tensor
        if op not in made:
            inputs = [again(item) for item in op.inputs]
            if all(a is b for a, b in zip(inputs, op.inputs, strict=True)):
                made[op] = op
            elif op.writes or "seeds" in op.attributes or op.type == GRADIENT:
                raise NotImplementedError(
                    f"gradients: stop_gradients can't go through {op.name} ({op.type}); use tf.stop_gradient in the expression"
                )
            else:
                results = [(item.dtype, item.shape) for item in op.outputs]
                made[op] = op.graph.create_op(
                    op.type,
                    inputs,
                    results,
                    op.function,
                    bind=op.bind,
                    name=op.type,
                    attributes=op.attributes,
                )
        result: Tensor = made[op].outputs[tensor.value_index]
        return result

    return [again(y) for y in ys], [wanted[x] for x in xs]


def _as_list(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [values]


def _depends_on(ys: Sequence[Tensor], xs: Sequence[Tensor]) -> list[bool]:
    """For each of ``xs``: whether a differentiable way leads from it to one of ``ys``."""
    seen: set[Tensor] = set()
    waiting = [y for y in ys if not blocks_gradient(y) or y in xs]
    while waiting:
        tensor = waiting.pop()
        if tensor in seen:
            continue
        seen.add(tensor)
        if not blocks_gradient(tensor):
            waiting += [item for item in tensor.op.inputs if item not in seen and not _is_index(item)]
    return [x in seen and (x.dtype.is_floating or x.dtype.is_complex) for x in xs]


def _is_index(tensor: Tensor) -> bool:
    return not (tensor.dtype.is_floating or tensor.dtype.is_complex)


def take_gradient(
    ys: tuple[Any, ...],
    leaves: tuple[tuple[Any, ...], ...],
    weights: tuple[Any, ...],
    create: bool,
    keep: bool,
) -> tuple[Any, ...]:
    """The run-time side: the gradients of ``ys`` for each x, summed over the leaves that stood for it.

    Zeros where a value turned out not to depend on x.
    """
    outputs, cotangents = [], []
    for y, weight in zip(ys, weights, strict=True):
        if y.requires_grad:
            outputs.append(y)
            cotangents.append(rl.ones_like(y) if weight is None else weight.broadcast_to(y.shape))
    flat = [leaf for group in leaves for leaf in group]
    asked = [leaf for leaf in flat if leaf.requires_grad]
    found: Sequence[Any] = ()
    if outputs and asked:
        found = rl.autograd.grad(
            outputs, asked, cotangents, retain_graph=keep, create_graph=create, allow_unused=True
        )
    by_leaf = {id(leaf): gradient for leaf, gradient in zip(asked, found, strict=bool(found))}
    results = []
    for group in leaves:
        total = None
        for leaf in group:
            gradient = by_leaf.get(id(leaf))
            if gradient is not None:
                total = gradient if total is None else total + gradient
        results.append(rl.zeros_like(group[0]) if total is None else total)
    return tuple(results)


def hessians(ys: Any, xs: Any, name: str = "hessians", **options: Any) -> list[Tensor]:
    """The second derivatives of the sum of ``ys`` for each of ``xs``, with shape x.shape + x.shape.

    Raises ``ValueError`` where an x's shape is not fully known.
    """
    from .ops_array import reshape, stack

    results = []
    for x, gradient in zip(_as_list(xs), gradients(ys, xs), strict=True):
        count = x.shape.num_elements()
        if count is None or gradient is None:
            raise ValueError("hessians: each x must have a fully defined shape and a gradient")
        flat = reshape(gradient, [count])
        rows = [gradients(flat[i], x, unconnected_gradients="zero")[0] for i in range(count)]
        results.append(reshape(stack(rows), [*x.shape.as_list(), *x.shape.as_list()]))
    return results
