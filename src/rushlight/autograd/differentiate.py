"""``backward`` and ``grad``: what programs call to get gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ..core.dtypes import COMPLEXES, FLOATS, OF_NUMPY
from ..core.history import Node, OutputNode
from ..core.shapes import Size
from ..core.tensor import Tensor, make_tensor
from ..ops.batching import TRANSFORMED
from ..ops.dispatch import named
from ..ops.placement import tensor_beside
from .engine import run_backward

# Copying a 0-dim array costs a tenth of making one.
_ONES: Final[dict[Any, Any]] = {dtype: np.ones((), dtype) for dtype in FLOATS}


_BACKWARD_IN_TRANSFORM: Final = (
    "backward() called inside a functorch transform. This is not supported, please use functorch.grad or functorch.vjp instead "
    "or call backward() outside of functorch transforms."
)


class GradientEdge(NamedTuple):
    """A place in the graph to differentiate from or with respect to: result ``output_nr`` of ``node``."""

    node: Node
    output_nr: int
    ownership_token: Node | None = None


TensorOrEdge = Tensor | GradientEdge
Some = TensorOrEdge | Sequence[TensorOrEdge]


def backward(
    tensors: Some,
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Tensor | Sequence[Tensor | None] | None = None,
    inputs: Some | Mapping[str, TensorOrEdge] | None = None,
) -> None:
    """Add to the ``grad`` of the leaves the gradients of ``tensors``, weighted by ``grad_tensors``.

    Args:
        tensors: what to differentiate: one tensor or several, each the result of recorded operations.
        grad_tensors: for each of them the gradient that arrives at it, of its shape; None means 1, for one-element tensors.
        retain_graph: keep the saved values, so that backward can run again (default: as ``create_graph``).
        create_graph: record the computation of the gradients, so that they can be differentiated again.
        grad_variables: an old name of ``grad_tensors``.
        inputs: collect the gradients of these tensors alone.

    Raises ``RuntimeError`` where nothing was recorded, where a gradient has the wrong shape or is missing, and where a
    value that backward needs was freed by an earlier backward or changed in place.

    Example:
        >>> import rushlight as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> torch.autograd.backward([x.sum(), x * x], [None, torch.ones(2)])
        >>> x.grad
        tensor([3., 5.])
    """
    if grad_variables is not None:
        import warnings

        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=2
        )
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only use "
                "`grad_tensors`."
            )
        grad_tensors = grad_variables
    if TRANSFORMED.get():
        raise RuntimeError(_BACKWARD_IN_TRANSFORM)
    outputs = _as_tuple(tensors)
    targets = None
    if inputs is not None:
        chosen = tuple(inputs.values()) if isinstance(inputs, Mapping) else _as_tuple(inputs)
        if not chosen:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        targets = [_target(item) for item in chosen]
        for item in chosen:
            if isinstance(item, Tensor):
                item.retain_grad()
    keep = create_graph if retain_graph is None else retain_graph
    nodes, gradients = _roots(outputs, grad_tensors)
    run_backward(nodes, gradients, retain_graph=keep, create_graph=create_graph, targets=targets)


def _tensor_backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Some | Mapping[str, TensorOrEdge] | None = None,
) -> None:
    """Add to the ``grad`` of the leaves the gradient of this tensor; see ``autograd.backward``.

    ``gradient`` is the gradient that arrives at this tensor, of its shape; it may be left out for one element.

    Example:
        >>> import rushlight as torch
        >>> w = torch.ones(3, requires_grad=True)
        >>> (w * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
        >>> w.grad
        tensor([1., 2., 3.])
    """
    if TRANSFORMED.get():
        raise RuntimeError(_BACKWARD_IN_TRANSFORM)
    node = self._node
    array = self._array
    if gradient is None and inputs is None and node is not None and not array.ndim and array.dtype in _ONES:
        keep = create_graph if retain_graph is None else retain_graph
        one = tensor_beside(self, _ONES[array.dtype].copy())
        run_backward((node,), (one,), retain_graph=keep, create_graph=create_graph)
    else:
        backward(self, gradient, retain_graph, create_graph, inputs=inputs)


def grad(
    outputs: Some,
    inputs: Some | Mapping[str, TensorOrEdge],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """The gradients of ``outputs`` with respect to ``inputs``; nothing is added to any ``grad``.

    Args:
        outputs: one tensor or several, each the result of recorded operations.
        inputs: what to differentiate by: one tensor or several (a tuple comes back), or a dict (a dict comes back).
        grad_outputs: for each output the gradient that arrives at it, of its shape; None means 1, for one-element outputs.
        retain_graph: keep the saved values, so that backward can run again (default: as ``create_graph``).
        create_graph: record the computation of the gradients, so that they can be differentiated again.
        only_inputs: deprecated, without effect.
        allow_unused: give None for an input that the outputs do not depend on instead of raising ``RuntimeError``.
        is_grads_batched: ``grad_outputs`` have a first dimension more: one gradient for each of its entries, stacked.
        materialize_grads: give zeros instead of None.

    Example:
        >>> import rushlight as torch
        >>> x = torch.tensor(3.0, requires_grad=True)
        >>> (first,) = torch.autograd.grad(x * x * x, x, create_graph=True)
        >>> torch.autograd.grad(first, x)
        (tensor(18.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    if not only_inputs:
        import warnings

        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for other parts "
            "of the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    chosen = tuple(inputs.values()) if isinstance(inputs, Mapping) else _as_tuple(inputs)
    if not chosen:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    keep = create_graph if retain_graph is None else retain_graph
    results = _as_tuple(outputs)
    gradients: Sequence[Tensor | None]
    if is_grads_batched:
        gradients = _batched(results, chosen, grad_outputs, keep, create_graph)
    else:
        nodes, starts = _roots(results, grad_outputs)
        gradients = run_backward(
            nodes,
            starts,
            retain_graph=keep,
            create_graph=create_graph,
            targets=[_target(item) for item in chosen],
            collect=False,
        )
    if not allow_unused and not materialize_grads and None in [g if g is None else 0 for g in gradients]:
        raise RuntimeError(
            f"The differentiated Tensor at index {[g is None for g in gradients].index(True)} appears to not have been used in "
            "the graph. Set allow_unused=True if this is the desired behavior."
        )
    if materialize_grads:
        gradients = [
            _materialized(item, create_graph) if gradient is None else gradient
            for item, gradient in zip(chosen, gradients, strict=True)
        ]
    if isinstance(inputs, Mapping):
        return dict(zip(inputs, gradients, strict=True))
    return tuple(gradients)


def _as_tuple(given: Any) -> tuple[TensorOrEdge, ...]:
    return (given,) if isinstance(given, Tensor | GradientEdge) else tuple(given)


def _target(item: Any) -> Node:
    """The node whose gradient is wanted."""
    if isinstance(item, GradientEdge):
        return _node_of_edge(item)
    if not isinstance(item, Tensor):
        raise RuntimeError(f"all inputs have to be Tensors or GradientEdges, but got {type(item).__name__}")
    if item._node is None:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return item._node


def _node_of_edge(edge: GradientEdge) -> Node:
    if edge.ownership_token is not None:
        return edge.ownership_token
    outputs = edge.node.outputs
    if outputs is None:
        return edge.node
    shape, dtype = outputs[edge.output_nr]
    return OutputNode(edge.node, edge.output_nr, np.broadcast_to(np.zeros((), dtype), shape))


def _roots(
    outputs: tuple[TensorOrEdge, ...], given: Tensor | Sequence[Tensor | None] | None
) -> tuple[list[Node], list[Tensor]]:
    """The nodes to start from, and the gradients that arrive there."""
    if given is None:
        weights: tuple[Any, ...] = (None,) * len(outputs)
    else:
        weights = (given,) if isinstance(given, Tensor) else tuple(given)
        if len(weights) != len(outputs):
            raise RuntimeError(f"got {len(outputs)} tensors and {len(weights)} gradients")
    nodes: list[Node] = []
    gradients: list[Tensor] = []
    for i, (output, weight) in enumerate(zip(outputs, weights, strict=True)):
        if isinstance(output, GradientEdge):
            node: Node | None = _node_of_edge(output)
            assert node is not None
            shape, dtype = node.shape, node.dtype
        elif isinstance(output, Tensor):
            node = output._node
            shape, dtype = output._array.shape, output._array.dtype
        else:
            raise TypeError(f"expected Tensor or GradientEdge, but got {type(output).__name__}")
        if isinstance(weight, Tensor):
            _check_weight(i, weight, shape, dtype)
        elif weight is not None:
            raise TypeError(f"gradients can be either Tensors or None, but got {type(weight).__name__}")
        elif node is not None:
            if shape and math.prod(shape) != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            if dtype in COMPLEXES:
                raise RuntimeError(
                    f"grad can be implicitly created only for real scalar outputs but got {OF_NUMPY[dtype]}"
                )
            ones = np.ones(shape, dtype) if shape else _ONES[dtype].copy()
            weight = tensor_beside(output, ones) if isinstance(output, Tensor) else make_tensor(ones)
        if node is None:
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
        nodes.append(node)
        gradients.append(weight)
    return nodes, gradients


def _check_weight(i: int, weight: Tensor, shape: tuple[int, ...], dtype: Any) -> None:
    array = weight._array
    if array.shape != shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{i}] has a shape of {Size(array.shape)} and output[{i}] has a shape of "
            f"{Size(shape)}."
        )
    if (array.dtype in COMPLEXES) != (dtype in COMPLEXES):
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
            f"grad_output[{i}] has a dtype of {OF_NUMPY[array.dtype]} and output[{i}] has a dtype of {OF_NUMPY[dtype]}."
        )


def _materialized(item: TensorOrEdge, create_graph: bool) -> Tensor:
    """Zeros in place of no gradient; with ``create_graph`` they can be differentiated again, to zeros."""
    if isinstance(item, GradientEdge):
        raise RuntimeError("materialize_grads cannot be used when the given input is a GradientEdge")
    return _zeros_for(item).requires_grad_(create_graph)


def _zeros_for(item: TensorOrEdge) -> Tensor:
    if isinstance(item, Tensor):
        return tensor_beside(item, np.zeros(item._array.shape, item._array.dtype))
    node = _node_of_edge(item)
    return make_tensor(np.zeros(node.shape, node.dtype))


def _batched(
    outputs: tuple[TensorOrEdge, ...],
    inputs: tuple[TensorOrEdge, ...],
    grad_outputs: Tensor | Sequence[Tensor | None] | None,
    keep: bool,
    create_graph: bool,
) -> list[Tensor | None]:
    """``grad`` for each entry of the first dimension of ``grad_outputs``, the results stacked."""
    from ..ops.batching import ACTIVE, entered, left, next_level  # most programs never come here

    given = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs or ())
    count: int | None = None
    for i, (output, batch) in enumerate(zip(outputs, given, strict=False)):
        if not isinstance(output, Tensor) or not isinstance(batch, Tensor):
            continue
        if batch._array.shape[1:] != output._array.shape or not batch._array.ndim:
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch dimension. The "
                "sizes of the remaining dimensions are expected to match the shape of corresponding output, but a mismatch "
                f"was detected: grad_output[{i}] has a shape of {Size(batch._array.shape)} and output[{i}] has a shape of "
                f"{Size(output._array.shape)}. If you only want some tensors in `grad_output` to be considered batched, "
                "consider using vmap."
            )
        if count is not None and len(batch) != count:
            raise ValueError(
                f"grad(is_grads_batched=True): batches of {count} and of {len(batch)} gradients; all must agree"
            )
        count = len(batch)
    if count is None:
        raise ValueError("grad(is_grads_batched=True): grad_outputs must have tensors with a batch dimension")
    if not count:
        return [None if zeros is None else zeros[None][:0] for zeros in [_zeros_for(item) for item in inputs]]
    # One pass in which every gradient is a batch: the rules of vmap compute all of them at once.
    level = next_level()
    token = ACTIVE.set((*ACTIVE.get(), (level, count)))
    try:
        inside = [None if batch is None else entered(batch, level, count, 0) for batch in given]
        nodes, starts = _roots(outputs, inside)
        found = run_backward(
            nodes,
            starts,
            retain_graph=keep,
            create_graph=create_graph,
            targets=[_target(item) for item in inputs],
            collect=False,
        )
    finally:
        ACTIVE.reset(token)
    return [None if part is None else left(part, level, count, 0) for part in found]


METHODS: dict[str, Any] = {"backward": named(_tensor_backward, "backward")}

__all__ = ["GradientEdge", "backward", "grad"]
