"""Pooling: records over ``runtime.pooling``, which says how each differentiates."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.history import Node
from ..core.memory_order import in_order_of_input
from ..core.tensor import Tensor
from ..runtime import pooling as kernels
from .define import Primitive
from .dispatch import apply
from .movement import reshape

# Indices are what every one of these keeps, and they are operands, so that a recording sees where they come from.
_INDICES = ((1, (0,)),)


def _from_indices(g: list[Tensor | None], node: Node) -> Tensor | None:
    (indices,) = node.unpack()
    (edge,) = node.edges
    assert edge is not None
    return None if g[0] is None else apply(SCATTER, (g[0], indices), {"spatial": edge.shape[2:]})


def _scatter_vjp(h: Tensor, node: Node) -> tuple[Tensor, None]:
    return apply(GATHER, (h, *node.unpack())), None


def _gather_vjp(g: Tensor, node: Node) -> tuple[Tensor, None]:
    edge = node.edges[0]
    assert edge is not None
    return apply(SCATTER, (g, *node.unpack()), {"spatial": edge.shape[2:]}), None


def _unpool_vjp(g: Tensor, node: Node) -> tuple[Tensor, None]:
    return apply(UNPOOL_GATHER, (g, *node.unpack()), node.attrs), None


def _unpool_gather_vjp(g: Tensor, node: Node) -> tuple[Tensor, None]:
    return apply(MAX_UNPOOL, (g, *node.unpack()), node.attrs), None


_SAMPLE = np.arange(16.0).reshape(1, 1, 4, 4) % 7
_WINDOW = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0)}
MAX_POOL = Primitive(
    "max_pool",
    in_order_of_input(kernels.max_pool_forward),
    _from_indices,
    saves_output=(1,),
    grad_name=lambda attrs: f"MaxPool{len(attrs['kernel'])}DWithIndicesBackward0",
    samples=lambda: [((_SAMPLE,), {**_WINDOW, "dilation": (1, 1), "ceil_mode": False})],
)
ADAPTIVE_MAX_POOL = Primitive(
    "adaptive_max_pool",
    in_order_of_input(kernels.adaptive_max_pool_forward, 4),
    _from_indices,
    saves_output=(1,),
    grad_name=lambda attrs: f"AdaptiveMaxPool{len(attrs['output'])}DBackward0",
    samples=lambda: [((_SAMPLE,), {"output": (3, 2)})],
)
_PLACES = np.array([[[[5, 3], [8, 11]]]])
SCATTER = Primitive(
    "max_pool_gradient",
    kernels.scatter_by_indices,
    _scatter_vjp,
    saves=_INDICES,
    samples=lambda: [((_SAMPLE[:, :, :2, :2], _PLACES), {"spatial": (4, 4)})],
)
GATHER = Primitive(
    "max_pool_gather",
    kernels.gather_by_indices,
    _gather_vjp,
    saves=_INDICES,
    samples=lambda: [(_SAMPLE, _PLACES)],
)
MAX_UNPOOL = Primitive(
    "max_unpool",
    in_order_of_input(kernels.max_unpool_forward),
    _unpool_vjp,
    saves=_INDICES,
    samples=lambda: [((_SAMPLE[:, :, :2, :2], _PLACES), {"output": (4, 4)})],
)
UNPOOL_GATHER = Primitive(
    "max_unpool_gather",
    lambda h, indices, output: kernels.gather_by_indices(h, indices),
    _unpool_gather_vjp,
    saves=_INDICES,
    samples=lambda: [((_SAMPLE, _PLACES), {"output": (4, 4)})],
)
AVG_POOL: Primitive = Primitive(
    "avg_pool",
    in_order_of_input(kernels.avg_pool_forward, 4),
    lambda g, node: apply(AVG_POOL_GRADIENT, (g,), {**node.attrs, "input_shape": node.edges[0].shape}),
    grad_name=lambda attrs: f"AvgPool{len(attrs['kernel'])}DBackward0",
    samples=lambda: [
        ((_SAMPLE,), {**_WINDOW, "ceil_mode": False, "count_include_pad": True, "divisor_override": None})
    ],
)
AVG_POOL_GRADIENT: Primitive = Primitive(
    "avg_pool_gradient",
    kernels.avg_pool_gradient,
    lambda h, node: apply(AVG_POOL, (h,), {key: v for key, v in node.attrs.items() if key != "input_shape"}),
)
ADAPTIVE_AVG_POOL: Primitive = Primitive(
    "adaptive_avg_pool",
    in_order_of_input(kernels.adaptive_avg_pool_forward, 4),
    lambda g, node: apply(ADAPTIVE_AVG_POOL_GRADIENT, (g,), {"spatial": node.edges[0].shape[2:]}),
    grad_name=lambda attrs: f"AdaptiveAvgPool{len(attrs['output'])}DBackward0",
    samples=lambda: [((_SAMPLE,), {"output": (3, 2)})],
)
ADAPTIVE_AVG_POOL_GRADIENT: Primitive = Primitive(
    "adaptive_avg_pool_gradient",
    kernels.adaptive_avg_pool_gradient,
    lambda h, node: apply(ADAPTIVE_AVG_POOL, (h,), {"output": node.edges[0].shape[2:]}),
)


def batched(input: Tensor, dims: int, name: str) -> tuple[Tensor, bool]:
    """``input`` with a batch dimension, and whether it had to be added; ``RuntimeError`` for other ranks."""
    shape = input._array.shape
    if len(shape) == dims + 2:
        return input, False
    if len(shape) == dims + 1:
        return reshape(input, (1, *shape)), True
    if name in ("max_pool2d", "max_pool3d"):
        raise RuntimeError(f"non-empty {dims + 1}D or {dims + 2}D (batch mode) tensor expected for input")
    raise RuntimeError(
        f"{name}: Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with optional 0 dim batch size for input, but "
        f"got:{list(shape)}"
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
    where, _ = batched(indices, dims, name)
    return unbatched(apply(MAX_UNPOOL, (batch, where), {"output": output}), added)
