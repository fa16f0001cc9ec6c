"""Whether a graph is one: order, shapes, dtypes and attributes of every node."""

from __future__ import annotations

from typing import Any

import numpy as np

from .graph import Graph, Kind, Node, Shape, count_as
from .scalar import PART, ReduceOp, ScalarOp, result_dtype


class InvalidGraph(AssertionError):
    """A pass has made something that is no graph: a bug of ours."""


def verify(graph: Graph) -> Graph:
    """``graph`` itself; ``InvalidGraph``, which names the node, where it breaks a rule of ``ir/graph.py``."""
    inputs = {}
    for number, node in enumerate(graph.nodes):
        try:
            _check(graph, number, node)
        except InvalidGraph as error:
            raise InvalidGraph(f"node %{number} {node.kind.name}: {error}") from None
        if node.kind is Kind.INPUT:
            inputs[node.attrs[0]] = number
    expected = tuple([inputs[i] for i in range(len(inputs))])
    _require(set(inputs) == set(range(len(inputs))), f"the inputs are numbered {sorted(inputs)}")
    _require(graph.inputs == expected, f"inputs are {graph.inputs}, the nodes say {expected}")
    taken = set()
    for output in graph.outputs:
        _require(0 <= output.node < len(graph.nodes), f"output {output} is no node")
        node = graph.nodes[output.node]
        _require(not node.several, f"output {output} is a CALL with several results")
        if output.into >= 0:
            _require(output.into < len(graph.inputs), f"output {output} goes into no input")
            _require(output.into not in taken, f"two outputs go into input {output.into}")
            taken.add(output.into)
            target = graph.nodes[graph.inputs[output.into]]
            _require(
                (target.size, target.dtype) == (node.size, node.dtype),
                f"output {output} does not fit its input",
            )
    return graph


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InvalidGraph(message)


def _check(graph: Graph, number: int, node: Node) -> None:
    _require(
        all(0 <= i < number for i in node.operands), f"operands {node.operands} are not all earlier nodes"
    )
    operands = [graph.nodes[i] for i in node.operands]
    if node.kind is Kind.ITEM:
        _require(len(operands) == 1 and operands[0].kind is Kind.CALL, "not of a CALL")
        _require(operands[0].several and len(node.attrs) == 1, "of a CALL with one result")
    else:
        _require(all(not x.several for x in operands), "reads a CALL with several results without ITEM")
    if not node.several:
        _require(
            type(node.shape) is tuple and all(type(n) is int and n >= 0 for n in node.shape),
            f"shape {node.shape}",
        )
        _require(isinstance(node.dtype, np.dtype), f"dtype {node.dtype}")
    else:
        _require(node.kind is Kind.CALL, "no shape")
    checker = _CHECKS.get(node.kind)
    if checker is not None:
        checker(node, operands)


def broadcasts(shape: Shape, target: Shape) -> bool:
    """Whether NumPy broadcasts ``shape`` to ``target``."""
    lead = len(target) - len(shape)
    return lead >= 0 and all(n in (1, m) for n, m in zip(shape, target[lead:], strict=True))


def _check_map(node: Node, operands: list[Node]) -> None:
    (op,) = node.attrs
    _require(isinstance(op, ScalarOp), f"operation {op}")
    _require(len(operands) == op.arity, f"{len(operands)} operands for {op}")
    for x in operands:
        _require(broadcasts(x.shape, node.shape), f"operand of shape {x.shape} in {node.shape}")
    shapes = [x.shape for x in operands]
    _require(np.broadcast_shapes(*shapes) == node.shape, f"shapes {shapes} give not {node.shape}")
    computed = operands
    if op is ScalarOp.WHERE:
        _require(operands[0].dtype.kind == "b", "the condition is no bool")
        computed = operands[1:]
    dtypes = {x.dtype for x in computed}
    _require(len(dtypes) == 1, f"operands of dtypes {dtypes}")
    expected = result_dtype(op, computed[0].dtype)
    _require(
        expected is not None and node.dtype == expected, f"{op} of {computed[0].dtype} gives {node.dtype}"
    )


def _check_reduce(node: Node, operands: list[Node]) -> None:
    op, axes, keepdims = node.attrs
    (x,) = operands
    _require(isinstance(op, ReduceOp), f"operation {op}")
    _require(list(axes) == sorted(set(axes)) and all(0 <= a < len(x.shape) for a in axes), f"axes {axes}")
    shape = tuple([1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes])
    _require(node.shape == shape, f"gives {shape}, not {node.shape}")
    _require(node.dtype == x.dtype, f"{x.dtype} gives {node.dtype}")


def _check_bounds(size: int, shape: Shape, strides: Shape, offset: int) -> None:
    _require(len(strides) == len(shape), f"strides {strides} for {shape}")
    if 0 in shape:
        return
    reach = [(n - 1) * s for n, s in zip(shape, strides, strict=True)]
    low, high = offset + sum([r for r in reach if r < 0]), offset + sum([r for r in reach if r > 0])
    _require(low >= 0 and high < size, f"region {shape} {strides} at {offset} leaves {size} elements")


def _same_memory(a: np.dtype[Any], b: np.dtype[Any]) -> bool:
    """Whether memory of one dtype can be seen as memory of the other."""
    return a == b or PART.get(a) == b or PART.get(b) == a


def _check_view(node: Node, operands: list[Node]) -> None:
    strides, offset = node.attrs
    (x,) = operands
    _require(_same_memory(node.dtype, x.dtype), f"{x.dtype} gives {node.dtype}")
    _check_bounds(count_as(x.size, x.dtype, node.dtype), node.shape, strides, offset)


def _check_write(node: Node, operands: list[Node]) -> None:
    shape, strides, offset = node.attrs
    base, value = operands
    _check_bounds(count_as(base.size, base.dtype, value.dtype), shape, strides, offset)
    _require(value.shape == shape, f"a value of {value.shape} for a region of {shape}")
    _require(
        base.dtype == node.dtype and _same_memory(base.dtype, value.dtype),
        f"dtypes {base.dtype}, {value.dtype}, {node.dtype}",
    )
    _require(base.shape == node.shape, f"{base.shape} gives {node.shape}")


def _check_matmul(node: Node, operands: list[Node]) -> None:
    _require(len(operands) in (2, 5), f"{len(operands)} operands")
    a, b = operands[:2]
    _require(len(a.shape) >= 2 and len(b.shape) >= 2, f"of shapes {a.shape}, {b.shape}")
    _require(a.shape[-1] == b.shape[-2], f"of shapes {a.shape}, {b.shape}")
    batch = tuple(np.broadcast_shapes(a.shape[:-2], b.shape[:-2]))
    _require(node.shape == (*batch, a.shape[-2], b.shape[-1]), f"gives {node.shape}")
    _require(len({x.dtype for x in (*operands, node)}) == 1, "dtypes differ")
    if len(operands) == 5:
        _require(operands[2].shape == node.shape, f"adds {operands[2].shape}")
        _require(operands[3].shape == operands[4].shape == (), "factors are not 0-dim")


def _check_same(node: Node, operands: list[Node]) -> None:
    _require(len(operands) == 1 and operands[0].shape == node.shape, "the shape differs")


def _check_none(node: Node, operands: list[Any]) -> None:
    _require(not operands and len(node.attrs) == 1, "operands or attributes")


def _check_index(node: Node, operands: list[Node]) -> None:
    _check_none(node, operands)
    _require(0 <= node.attrs[0] < len(node.shape) and node.dtype == np.int64, "axis or dtype")


_CHECKS: dict[Kind, Any] = {
    Kind.INPUT: _check_none,
    Kind.CONST: _check_none,
    Kind.MAP: _check_map,
    Kind.CAST: _check_same,
    Kind.REDUCE: _check_reduce,
    Kind.VIEW: _check_view,
    Kind.WRITE: _check_write,
    Kind.MATMUL: _check_matmul,
    Kind.INDEX: _check_index,
}
