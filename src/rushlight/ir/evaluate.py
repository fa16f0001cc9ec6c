"""What each kind of node means, in plain NumPy: the definition that passes and kernels are held to.

float16 and bfloat16 are computed in float32 and rounded once for each node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.device import strided
from .graph import Graph, Kind, Node, Shape
from .scalar import REDUCE_REFERENCE

Array = NDArray[Any]
F32 = np.dtype(np.float32)


def is_low_precision(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype is computed in float32: float16, bfloat16."""
    return dtype.itemsize == 2 and dtype.kind in "fV"


def evaluate_node(node: Node, operands: Sequence[Any]) -> Any:
    """The value of ``node`` from the arrays of its operands: a contiguous array, or a tuple of them for a CALL with several
    results. Raises what a CALL's record raises."""
    kind = node.kind
    with np.errstate(all="ignore"):
        if kind is Kind.MAP:
            return _map(node, operands)
        if kind is Kind.CALL:
            return _call(node, operands)
        if kind is Kind.ITEM:
            return operands[0][node.attrs[0]]
        return np.ascontiguousarray(_EVALUATORS[kind](node, operands)).reshape(node.shape)


def evaluate_nodes(graph: Graph, inputs: Sequence[Any]) -> list[Any]:
    """The value of every node."""
    values: list[Any] = []
    for node in graph.nodes:
        if node.kind is Kind.INPUT:
            values.append(np.array(inputs[node.attrs[0]], node.dtype, order="C").reshape(node.shape))
        else:
            values.append(evaluate_node(node, [values[i] for i in node.operands]))
    return values


def _map(node: Node, operands: Sequence[Any]) -> Array:
    (op,) = node.attrs
    if any(is_low_precision(x.dtype) for x in operands):
        operands = [x.astype(F32) if is_low_precision(x.dtype) else x for x in operands]
    result = np.asarray(op.reference(*operands))
    if result.dtype != node.dtype:
        result = result.astype(node.dtype)
    if result.shape != node.shape:
        result = np.broadcast_to(result, node.shape)
    return np.ascontiguousarray(result).reshape(node.shape)


def _call(node: Node, operands: Sequence[Any]) -> Any:
    record, literals, parameters = node.attrs
    arguments = list(operands)
    for position, value in literals:
        arguments.insert(position, value)
    result = record.impl(*arguments, **dict(parameters))
    if node.several:
        return tuple([None if part is None else _owned(part) for part in result])
    return _owned(result).reshape(node.shape)


def _owned(result: Any) -> Array:
    array = np.asarray(result)
    return np.ascontiguousarray(array).reshape(array.shape)


def cast_array(x: Array, dtype: np.dtype[Any]) -> Array:
    """``x`` in another dtype, as PyTorch converts: small integers by way of int64, half precision by way of float32."""
    if dtype.kind == "b":
        return x.astype(dtype)
    if x.dtype.kind == "c" and dtype.kind != "c":
        x = x.real
    if dtype.kind in "iu" and x.dtype.kind in "fV" and dtype.itemsize < 8:
        return x.astype(np.int64).astype(dtype)
    if is_low_precision(dtype) and x.dtype.itemsize == 8 and x.dtype.kind == "f":
        return x.astype(F32).astype(dtype)
    return x.astype(dtype)


def _reduce(node: Node, operands: Sequence[Any]) -> Any:
    op, axes, keepdims = node.attrs
    x = operands[0]
    if is_low_precision(x.dtype):
        return np.asarray(REDUCE_REFERENCE[op](x.astype(F32), axis=axes, keepdims=keepdims)).astype(
            node.dtype
        )
    if op.value in ("sum", "prod"):
        return REDUCE_REFERENCE[op](x, axis=axes, keepdims=keepdims, dtype=node.dtype)
    return REDUCE_REFERENCE[op](x, axis=axes, keepdims=keepdims)


def region(memory: Array, shape: Shape, strides: Shape, offset: int) -> Array:
    """The elements of a contiguous array at ``offset + i · strides``: a view of it."""
    flat = memory.reshape(-1)
    if 0 in shape:
        return np.empty(shape, memory.dtype)
    low = offset + sum([(n - 1) * s for n, s in zip(shape, strides, strict=True) if s < 0])
    high = offset + sum([(n - 1) * s for n, s in zip(shape, strides, strict=True) if s > 0])
    if low < 0 or high >= flat.size:
        raise AssertionError(
            f"a view of {shape} with strides {strides} at {offset} leaves {flat.size} elements"
        )
    view: Array = strided(flat[offset:], shape, [s * memory.itemsize for s in strides])
    return view


def _view(node: Node, operands: Sequence[Any]) -> Array:
    strides, offset = node.attrs
    return region(_seen_as(operands[0], node.dtype), node.shape, strides, offset)


def _seen_as(memory: Array, dtype: np.dtype[Any]) -> Array:
    """Contiguous memory as elements of ``dtype``: complex numbers as their parts, or the other way round."""
    if memory.dtype == dtype:
        return memory
    flat = memory.reshape(-1)
    return flat[: flat.nbytes // dtype.itemsize * dtype.itemsize // flat.itemsize].view(dtype)


def _write(node: Node, operands: Sequence[Any]) -> Array:
    shape, strides, offset = node.attrs
    result = operands[0].copy()
    region(_seen_as(result, operands[1].dtype), shape, strides, offset)[...] = operands[1]
    return result  # type: ignore[no-any-return]


def _matmul(node: Node, operands: Sequence[Any]) -> Any:
    wide = [x.astype(F32) if is_low_precision(x.dtype) else x for x in operands]
    product = np.matmul(wide[0], wide[1])
    if len(wide) == 5:
        _, _, c, alpha, beta = wide
        product = alpha * product + beta * c
    return product.astype(node.dtype)


def _index(node: Node, operands: Sequence[Any]) -> Array:
    (axis,) = node.attrs
    numbers = np.arange(node.shape[axis], dtype=node.dtype)
    return np.broadcast_to(
        numbers.reshape([-1 if i == axis else 1 for i in range(len(node.shape))]), node.shape
    )


_EVALUATORS: dict[Kind, Any] = {
    Kind.CONST: lambda node, operands: np.full(node.shape, node.attrs[0], node.dtype),
    Kind.CAST: lambda node, operands: cast_array(operands[0], node.dtype),
    Kind.REDUCE: _reduce,
    Kind.VIEW: _view,
    Kind.WRITE: _write,
    Kind.MATMUL: _matmul,
    Kind.INDEX: _index,
}
