"""Lines of a plan that have no kernel, on the arrays of a GPU: they call what eager mode calls there.

A CALL of a record goes to the device's own table of operations (``cuda_operations``): CuPy where it has the operation, and
the CPU, with copies there and back, only where eager mode goes there too. Control flow runs its sub-graphs, which are
programs of the device. Groups of nodes without a loop form (complex numbers moved or converted) are CuPy expressions.
Nothing waits for the GPU, unless what is called does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ..core.device import LOADERS, device_of, placed
from ..ir.evaluate import is_low_precision
from ..ir.graph import Kind, Node
from ..ir.scalar import ReduceOp, ScalarOp

_MOVES: Final = frozenset({Kind.VIEW, Kind.WRITE, Kind.CAST, Kind.CONST})


def computed(function: Any, operands: Sequence[Any]) -> Any:
    """What a ``HostLaunch``'s function gives, from arrays of the current GPU: an array, or a tuple or list of arrays;
    NotImplemented where only NumPy computes it. Raises what the operation raises in eager mode."""
    backend: Any = LOADERS["cuda"]()
    nodes = getattr(function, "nodes", None)
    if nodes is not None:
        return _group(function, operands, backend)
    node = getattr(function, "node", None)
    if node is None:
        return NotImplemented
    if node.kind is Kind.CONST:
        return _constant(node, backend)
    result = _called(node, operands, backend)
    wanted = function.wanted
    if wanted is None or result is NotImplemented:
        return result
    return tuple([result[i] for i in wanted])


def assign(target: Any, value: Any) -> None:
    """Copy an array into one of the GPU, of the same shape and dtype; 16 bits of bfloat16 are 16 bits."""
    value = placed(value, device_of(target))
    if target.dtype.kind == "V":
        target, value = target.view(np.uint16), value.view(np.uint16)
    target[...] = value


def where_computed(function: Any) -> str:
    """What computes such a line: "sub-graphs", "CuPy" or "NumPy", as far as it can be told without running it."""
    nodes = getattr(function, "nodes", None)
    if nodes is not None:
        return "CuPy" if _is_movable(function) else "NumPy"
    node = getattr(function, "node", None)
    if node is None:
        return "NumPy"
    if node.kind is Kind.CONST:
        return "CuPy"
    record = node.attrs[0]
    if is_control_flow(record):
        return "sub-graphs"
    if getattr(record, "everywhere", False):
        return "other ranks"
    from .cuda_rules import DIRECT, RULES, UFUNCS

    return "CuPy" if record.name in RULES or record.name in UFUNCS or record.name in DIRECT else "NumPy"


def is_control_flow(record: Any) -> bool:
    """Whether a record runs sub-graphs (``jit.control_records``)."""
    return str(getattr(record, "name", "")).startswith("control_flow.")


def _called(node: Node, operands: Sequence[Any], backend: Any) -> Any:
    record, literals, parameters = node.attrs
    arguments = list(operands)
    where = backend.devices[backend.current()]
    for position, value in literals:
        arguments.insert(
            position, placed(value, where) if isinstance(value, np.ndarray) and value.ndim else value
        )
    if is_control_flow(record):
        return record.impl(*arguments, **dict(parameters))
    return backend.mode.call(record, arguments, dict(parameters))


# --- groups -----------------------------------------------------------------------------------------------------------


def _is_movable(function: Any) -> bool:
    """Whether every node of a group has a form below."""
    waiting, seen = list(function.results), set(function.reads)
    while waiting:
        number = waiting.pop()
        if number in seen:
            continue
        seen.add(number)
        node = function.nodes[number]
        if node.kind in (Kind.MAP, Kind.REDUCE):
            dtypes = [node.dtype, *[function.nodes[i].dtype for i in node.operands]]
            if any([is_low_precision(dtype) for dtype in dtypes]):
                return False  # CuPy has no arithmetic in bfloat16
            if node.kind is Kind.MAP and not isinstance(node.attrs[0].reference, np.ufunc):
                return False
        elif node.kind not in _MOVES:
            return False
        waiting += node.operands
    return True


def _group(function: Any, operands: Sequence[Any], backend: Any) -> Any:
    if not _is_movable(function):
        return NotImplemented
    nodes = function.nodes
    values: dict[int, Any] = {
        number: array.reshape(nodes[number].shape)
        for number, array in zip(function.reads, operands, strict=True)
    }

    def value(number: int) -> Any:
        if number not in values:
            node = nodes[number]
            values[number] = _node(node, [value(i) for i in node.operands], backend)
        return values[number]

    return tuple([value(number) for number in function.results])


def _node(node: Node, operands: Sequence[Any], backend: Any) -> Any:
    if node.kind is Kind.CONST:
        return _constant(node, backend)
    if node.kind is Kind.VIEW:
        strides, offset = node.attrs
        return backend.cupy.ascontiguousarray(
            _region(_seen_as(operands[0], node.dtype), node.shape, strides, offset, backend)
        )
    if node.kind is Kind.WRITE:
        shape, strides, offset = node.attrs
        result = operands[0].copy()
        assign(_region(_seen_as(result, operands[1].dtype), shape, strides, offset, backend), operands[1])
        return result
    if node.kind is Kind.CAST:
        array = operands[0]
        if array.dtype.kind == "c" and node.dtype.kind not in "cb":
            array = array.real
        return backend.as_dtype(array, node.dtype)
    if node.kind is Kind.REDUCE:
        return _reduced(node, operands[0], backend.cupy)
    op: ScalarOp = node.attrs[0]
    made = getattr(backend.cupy, op.reference.__name__)(*operands)
    return backend.cupy.ascontiguousarray(backend.cupy.broadcast_to(made.astype(node.dtype), node.shape))


def _reduced(node: Node, array: Any, cupy: Any) -> Any:
    op, axes, keepdims = node.attrs
    if array.dtype.kind == "b":
        joined = cupy.any if op in (ReduceOp.SUM, ReduceOp.MAX) else cupy.all
        return joined(array, axis=axes, keepdims=keepdims)
    if op in (ReduceOp.SUM, ReduceOp.PROD):
        return getattr(cupy, op.value)(array, axis=axes, keepdims=keepdims, dtype=node.dtype)
    return getattr(cupy, op.value)(array, axis=axes, keepdims=keepdims)


def _constant(node: Node, backend: Any) -> Any:
    where = backend.devices[backend.current()]
    return backend.made("full", node.shape, node.dtype, where, node.attrs[0])


def _seen_as(memory: Any, dtype: Any) -> Any:
    """Contiguous memory as elements of ``dtype``: complex numbers as their parts, or the other way round."""
    if memory.dtype == dtype:
        return memory
    flat = memory.reshape(-1)
    return flat[: flat.nbytes // dtype.itemsize * dtype.itemsize // memory.itemsize].view(dtype)


def _region(memory: Any, shape: Any, strides: Any, offset: int, backend: Any) -> Any:
    """The elements of a contiguous array at ``offset + i · strides``: a view of it."""
    flat = memory.reshape(-1)
    if 0 in shape:
        return flat[:0].reshape(shape)
    return backend.strided(flat[offset:], shape, [step * memory.itemsize for step in strides])


__all__ = ["assign", "computed", "is_control_flow", "where_computed"]
