"""Pooling: records over ``runtime.pooling``, which says how each differentiates."""

from __future__ import annotations

from typing import Any

from ..core.history import Node
from ..core.tensor import Tensor, make_tensor
from ..runtime import pooling as kernels
from .define import Primitive
from .dispatch import apply
from .movement import reshape


def _from_indices(g: list[Tensor | None], node: Node) -> Tensor | None:
    values = g[0]
    if values is None:
        return None
    (edge,) = node.edges
    assert edge is not None
    indices = node.attrs["outputs"][1]
    return apply(SCATTER, (values,), {"indices": indices._array, "spatial": edge.shape[2:]})  # type: ignore[no-any-return]


MAX_POOL = Primitive("max_pool", kernels.max_pool_forward, _from_indices, saves_output=True)
ADAPTIVE_MAX_POOL = Primitive(
    "adaptive_max_pool", kernels.adaptive_max_pool_forward, _from_indices, saves_output=True
)
SCATTER = Primitive(
    "max_pool_gradient",
    lambda g, indices, spatial: kernels.scatter_by_indices(g, indices, spatial),
    lambda h, node: apply(GATHER, (h,), {"indices": node.attrs["indices"]}),
)
GATHER = Primitive(
    "max_pool_gather",
    lambda h, indices: kernels.gather_by_indices(h, indices),
    lambda g, node: apply(SCATTER, (g,), {"indices": node.attrs["indices"], "spatial": node.edges[0].shape[2:]}),  # type: ignore[union-attr]
)
MAX_UNPOOL = Primitive(
    "max_unpool",
    lambda x, indices, output: kernels.max_unpool_forward(x, indices, output),
    lambda g, node: apply(UNPOOL_GATHER, (g,), {"indices": node.attrs["indices"], "output": node.attrs["output"]}),
)
UNPOOL_GATHER = Primitive(
    "max_unpool_gather",
    lambda h, indices, output: kernels.gather_by_indices(h, indices),
    lambda g, node: apply(MAX_UNPOOL, (g,), node.attrs),
)
AVG_POOL = Primitive(
    "avg_pool",
    kernels.avg_pool_forward,
    lambda g, node: apply(AVG_POOL_GRADIENT, (g,), {**node.attrs, "input_shape": node.edges[0].shape}),  # type: ignore[union-attr]
)
AVG_POOL_GRADIENT = Primitive(
    "avg_pool_gradient",
    kernels.avg_pool_gradient,
    lambda h, node: apply(AVG_POOL, (h,), {key: v for key, v in node.attrs.items() if key != "input_shape"}),
)
ADAPTIVE_AVG_POOL = Primitive(
    "adaptive_avg_pool",
    kernels.adaptive_avg_pool_forward,
    lambda g, node: apply(ADAPTIVE_AVG_POOL_GRADIENT, (g,), {"spatial": node.edges[0].shape[2:]}),  # type: ignore[union-attr]
)
ADAPTIVE_AVG_POOL_GRADIENT = Primitive(
    "adaptive_avg_pool_gradient",
    kernels.adaptive_avg_pool_gradient,
    lambda h, node: apply(ADAPTIVE_AVG_POOL, (h,), {"output": node.edges[0].shape[2:]}),  # type: ignore[union-attr]
)


def batched(input: Tensor, dims: int, name: str) -> tuple[Tensor, bool]:
    """``input`` with a batch dimension, and whether it had to be added; ``RuntimeError`` for other ranks."""
    shape = input._array.shape
    if len(shape) == dims + 2:
        return input, False
    if len(shape) == dims + 1:
        return reshape(input, (1, *shape)), True
    raise RuntimeError(
        f"{name}: Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with optional 0 dim batch size for input, but "
        f"got: {list(shape)}"
    )


def unbatched(result: Tensor, added: bool) -> Tensor:
    return reshape(result, result._array.shape[1:]) if added else result


def run_single(record: Primitive, input: Tensor, attrs: dict[str, Any], dims: int, name: str) -> Tensor:
    """A pooling with one result, on a batch or a single sample."""
    batch, added = batched(input, dims, name)
    return unbatched(apply(record, (batch,), attrs), added)


def run_with_indices(
    record: Primitive, input: Tensor, attrs: dict[str, Any], dims: int, name: str
) -> tuple[Tensor, Tensor]:
    """A max pooling: values and indices, on a batch or a single sample."""
    batch, added = batched(input, dims, name)
    values, indices = apply(record, (batch,), attrs)
    return unbatched(values, added), unbatched(indices, added)


def max_unpool(input: Tensor, indices: Tensor, output: tuple[int, ...], dims: int, name: str) -> Tensor:
    """The values of a max pooling put back where their indices say, zeros elsewhere."""
    batch, added = batched(input, dims, name)
    where, _ = batched(make_tensor(indices._array), dims, name)
    return unbatched(apply(MAX_UNPOOL, (batch,), {"indices": where._array, "output": output}), added)
