"""Running a graph to note the shapes of its values."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...core.tensor import Tensor
from ..graph_module import GraphModule
from ..interpreter import Interpreter
from ..node import Node, map_aggregate

__all__ = ["ShapeProp", "TensorMetadata"]


class TensorMetadata(NamedTuple):
    """What a node's value was: shape, dtype, strides."""

    shape: Any
    dtype: Any
    requires_grad: bool
    stride: tuple[int, ...]
    memory_format: Any
    is_quantized: bool
    qparams: dict[str, Any]


def _extract_tensor_metadata(result: Any, include_contiguity: bool = True) -> TensorMetadata:
    import rushlight

    found = None
    if include_contiguity:
        for form in (rushlight.contiguous_format, rushlight.channels_last, rushlight.channels_last_3d):
            try:
                fits = result.is_contiguous(memory_format=form)
            except RuntimeError:  # channels_last is for four dimensions
                continue
            if fits:
                found = form
                break
    return TensorMetadata(
        result.shape, result.dtype, result.requires_grad, tuple(result.stride()), found, False, {}
    )


class ShapeProp(Interpreter):
    """Runs a graph; each node's ``meta["tensor_meta"]`` then says what its value was (trees of it where the value is one),
    and ``meta["type"]`` its type.

    Example:
        >>> import rushlight as torch
        >>> traced = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.Linear(3, 2)))
        >>> _ = ShapeProp(traced).propagate(torch.ones(5, 3))
        >>> [tuple(node.meta["tensor_meta"].shape) for node in traced.graph.nodes]
        [(5, 3), (5, 2), (5, 2)]
    """

    def __init__(self, gm: GraphModule, fake_mode: Any = None) -> None:
        super().__init__(gm)
        if fake_mode is not None:
            raise NotImplementedError(
                "ShapeProp: there are no fake tensors; put the module and the inputs on device 'meta'"
            )

    def run_node(self, n: Node) -> Any:
        """The node's value, which is noted."""
        result = super().run_node(n)
        found = False

        def noted(leaf: Any) -> Any:
            nonlocal found
            if isinstance(leaf, Tensor):
                found = True
                return _extract_tensor_metadata(leaf)
            return leaf

        notes = map_aggregate(result, noted)
        if found:
            n.meta["tensor_meta"] = notes
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args: Any) -> Any:
        """Run the graph with ``args``; what it returns."""
        return super().run(*args)
