"""Attention of few queries and keys as one operation: eight of NumPy's calls, with one node where gradients are wanted.

As operations on tensors it is a product, a softmax and a product, each with a node and what it saves, which on some hundred
numbers costs twice as much as the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ...autograd.differentiate import grad as gradients_of
from ...core.dtypes import F32, F64
from ...core.grad_mode import GRAD_MODE
from ...core.history import Node, versions_of
from ...core.storage import program_site
from ...core.tensor import Tensor, make_tensor
from ...ops.activations import SOFTMAX
from ...ops.dispatch import compute
from ...ops.linalg import matmul, mT_of
from ...ops.pointwise import mul, sub
from ...ops.reductions import sum_dims

grad_enabled = GRAD_MODE.get
ndarray = np.ndarray
_MOST_SCORES: Final = 4_096
_MOST_PRODUCTS: Final = 500_000  # multiplications that OpenBLAS makes on one thread by itself
_KEPT: Final = 64
_masks: Final[dict[tuple[int, int], Any]] = {}


def _later(queries: int, keys: int) -> Any:
    """Which keys (columns) are later than a query (row)."""
    found = _masks.get((queries, keys))
    if found is None:
        if len(_masks) >= _KEPT:
            _masks.clear()
        found = _masks[queries, keys] = ~np.tri(queries, keys, dtype=np.bool_)
    return found


def _forward(q: Any, k: Any, v: Any, factor: float, is_causal: bool) -> tuple[Any, Any]:
    scores = np.matmul(q * np.asarray(factor, q.dtype), k.swapaxes(-1, -2))
    shape = scores.shape
    if is_causal:
        np.copyto(scores, -np.inf, where=_later(shape[-2], shape[-1]))
    weights = SOFTMAX.impl(scores.reshape(-1, shape[-1]), 1).reshape(shape)
    return np.matmul(weights, v), weights


class SmallAttention:
    """What stands for the operation in histories."""

    name = "scaled_dot_product_attention"
    grad_name = "ScaledDotProductFlashAttentionForCpuBackward0"

    @staticmethod
    def vjp(g: Tensor, node: Node) -> tuple[Tensor | None, ...]:
        query, key, value, weights = node.unpack()
        factor = node.attrs["factor"]
        edges = node.edges
        if grad_enabled():
            # Results of their own: query, key and value may be one tensor, which has its gradient from each.
            inputs = [mul(tensor, 1.0) for tensor in (query, key, value)]
            wanted = [i for i, edge in enumerate(edges) if edge is not None]
            result = node.attrs["in_steps"](*inputs, node.attrs["is_causal"], factor)
            found = dict(
                zip(
                    wanted,
                    gradients_of(result, [inputs[i] for i in wanted], g, create_graph=True),
                    strict=True,
                )
            )
            return found.get(0), found.get(1), found.get(2)
        to_value = None if edges[2] is None else matmul(mT_of(weights), g)
        if edges[0] is None and edges[1] is None:
            return None, None, to_value
        slope = mul(matmul(g, mT_of(value)), weights)
        slope = mul(sub(slope, mul(weights, sum_dims(slope, (3,), True))), factor)
        return (
            None if edges[0] is None else matmul(slope, key),
            None if edges[1] is None else matmul(mT_of(slope), query),
            to_value,
        )


def small_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    is_causal: bool,
    factor: float,
    in_steps: Callable[[Tensor, Tensor, Tensor, bool, float], Tensor],
) -> Tensor | None:
    """The attention of (N, H, L, E) to (N, H, S, E), all of a dtype; None for what is large, or anything else.

    ``in_steps`` computes the same by operations: gradients that are differentiated again are those of its result.
    """
    q, k, v = query._array, key._array, value._array
    kind = q.dtype
    if (
        type(q) is not ndarray
        or type(k) is not ndarray
        or type(v) is not ndarray
        or kind is not k.dtype
        or kind is not v.dtype
        or (kind is not F32 and kind is not F64)
        or k.ndim != 4
        or v.shape != k.shape
        or q.shape[:-2] != k.shape[:-2]
        or q.shape[-1] != k.shape[-1]
        or not 0 < q.size * k.shape[2] <= _MOST_PRODUCTS
        or q.size // q.shape[-1] * k.shape[2] > _MOST_SCORES
    ):
        return None
    array, weights = compute(_forward, (q, k, v, factor, is_causal), {})
    edges = (query._node, key._node, value._node)
    if edges == (None, None, None) or not grad_enabled():
        return make_tensor(array)
    saved = (query, key, value, make_tensor(weights))
    attrs = {"factor": factor, "is_causal": is_causal, "in_steps": in_steps}
    return make_tensor(
        array, Node(SmallAttention, edges, array, saved, attrs, program_site(), versions_of(saved))
    )
