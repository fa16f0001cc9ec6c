"""Matrix products take in what is around them: transposes, and updates of the form ``beta · c + alpha · a @ b``.

``w -= lr * (x.T @ g)`` becomes one product that accumulates into ``w``. That pays where ``c`` is not needed afterwards:
where the result goes into the input that ``c`` is, or nothing else reads ``c``.
"""

from __future__ import annotations

from typing import Any

from ...ir.graph import Graph, Kind, Node, Output, contiguous_strides
from ...ir.scalar import ScalarOp
from ..lowering.builder import GraphBuilder, Value
from .rewrite import copy_node

S = ScalarOp


class _Folder:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.uses = [0] * len(graph.nodes)
        for node in graph.nodes:
            for operand in node.operands:
                self.uses[operand] += 1
        self.into: dict[int, int] = {}  # outputs: the input that they go into, or -1
        for output in graph.outputs:
            self.uses[output.node] += 1
            self.into[output.node] = output.into

    def run(self) -> Graph:
        b = GraphBuilder()
        self.b = b
        self.numbers: list[int] = []
        for number, node in enumerate(self.graph.nodes):
            b.site = node.site
            operands = tuple([self.numbers[i] for i in node.operands])
            made = None
            if node.kind is Kind.VIEW:
                made = self._transpose(node)
            elif node.kind is Kind.MAP and node.attrs[0] in (S.ADD, S.SUB):
                made = self._update(number, node)
            elif node.kind is Kind.MAP and node.attrs[0] is S.MUL:
                made = self._scaled_product(number, node)
            elif node.kind is Kind.MATMUL and len(node.operands) == 2:
                made = self._product_of_scaled(node)
            self.numbers.append(copy_node(b, node, operands) if made is None else made)
        outputs = tuple([Output(self.numbers[node], into) for node, into in self.graph.outputs])
        return Graph(tuple(b.nodes), tuple(b.inputs), outputs)

    def _transpose(self, node: Node) -> int | None:
        """A transposed product of which nothing else is read, as the product of the transposes."""
        (operand,) = node.operands
        product = self.graph.nodes[operand]
        if product.kind is not Kind.MATMUL or len(product.operands) != 2 or self.uses[operand] != 1:
            return None
        shape, strides = product.shape, contiguous_strides(product.shape)
        turned = (*shape[:-2], shape[-1], shape[-2])
        if node.shape != turned or min(turned[-2:]) == 1:
            return None
        if node.attrs != ((*strides[:-2], strides[-1], strides[-2]), 0):
            return None
        x, y = [Value(self.b, self.numbers[i]) for i in product.operands]
        return y.transpose().matmul(x.transpose()).number

    def _times(self, x: int, y: int, factor: int, like: Node) -> int:
        """``factor · x @ y``, for numbers of new nodes."""
        zeros, zero = self.b.const(0.0, like.dtype, like.shape), self.b.const(0.0, like.dtype)
        alpha = Value(self.b, factor).reshape(())
        made = (x, y, zeros.number, alpha.number, zero.number)
        return self.b.add(Node(Kind.MATMUL, made, (), like.shape, like.dtype, like.site))

    def _scaled_product(self, number: int, node: Node) -> int | None:
        """A product times one number."""
        if node.dtype.kind != "f" or node.dtype.itemsize < 4:
            return None
        for own, other in ((0, 1), (1, 0)):
            product, factor = node.operands[own], node.operands[other]
            inner = self.graph.nodes[product]
            if (
                inner.kind is Kind.MATMUL
                and len(inner.operands) == 2
                and inner.shape == node.shape
                and self.uses[product] == 1
                and self.graph.nodes[factor].size == 1
            ):
                x, y = [self.numbers[i] for i in inner.operands]
                return self._times(x, y, self.numbers[factor], node)
        return None

    def _product_of_scaled(self, node: Node) -> int | None:
        """A product of which one operand is something times one number that nothing else reads."""
        if node.dtype.kind != "f" or node.dtype.itemsize < 4:
            return None
        operands = [self.numbers[i] for i in node.operands]
        for position, operand in enumerate(node.operands):
            view = None
            if self.graph.nodes[operand].kind is Kind.VIEW and self.uses[operand] == 1:
                view = self.graph.nodes[operand]
                (operand,) = view.operands
            inner = self.graph.nodes[operand]
            if inner.kind is not Kind.MAP or inner.attrs[0] is not S.MUL or self.uses[operand] != 1:
                continue
            for own, other in ((0, 1), (1, 0)):
                scaled, factor = inner.operands[own], inner.operands[other]
                if (
                    self.graph.nodes[factor].size != 1
                    or self.graph.nodes[scaled].shape != inner.shape
                    or inner.size == 1
                ):
                    continue
                plain = Value(self.b, self.numbers[scaled])
                if view is not None:
                    plain = plain.view(view.shape, *view.attrs)
                operands[position] = plain.number
                return self._times(operands[0], operands[1], self.numbers[factor], node)
        return None

    # --- updates ------------------------------------------------------------------------------------------------------

    def _update(self, number: int, node: Node) -> int | None:
        if node.dtype.kind != "f" or node.dtype.itemsize < 4:
            return None
        subtracts = node.attrs[0] is S.SUB
        for own, other in ((0, 1), (1, 0)):
            term = self._product(node.operands[other], node)
            if term is None:
                continue
            product, scale = term
            c = self._scaled(node.operands[own], node)
            if c is None or not self._pays(number, c[0]):
                continue
            alpha = self._factor(scale, node, subtracts and other == 1)
            beta = self._factor(c[1], node, subtracts and own == 1)
            x, y = [self.numbers[i] for i in self.graph.nodes[product].operands]
            made = (x, y, self.numbers[c[0]], alpha.number, beta.number)
            return self.b.add(Node(Kind.MATMUL, made, (), node.shape, node.dtype, node.site))
        return None

    def _scaled(self, operand: int, like: Node) -> tuple[int, int | None] | None:
        """``operand`` as something of the result's shape times one number (None: 1)."""
        nodes = self.graph.nodes
        node = nodes[operand]
        if node.shape != like.shape:
            return None
        if node.kind is Kind.MAP and node.attrs[0] is S.MUL and self.uses[operand] == 1:
            for own, other in ((0, 1), (1, 0)):
                factor = nodes[node.operands[other]]
                if factor.size == 1 and nodes[node.operands[own]].shape == like.shape and like.size > 1:
                    return node.operands[own], node.operands[other]
        return operand, None

    def _product(self, operand: int, like: Node) -> tuple[int, int | None] | None:
        found = self._scaled(operand, like)
        if found is None:
            return None
        node = self.graph.nodes[found[0]]
        if node.kind is not Kind.MATMUL or len(node.operands) != 2 or self.uses[found[0]] != 1:
            return None
        return found

    def _pays(self, number: int, c: int) -> bool:
        """Whether the result can be made in the memory of ``c``."""
        node = self.graph.nodes[c]
        if node.kind is Kind.INPUT:
            return bool(self.into.get(number, -1) == node.attrs[0])
        return self.uses[c] == 1 and node.kind in (Kind.MATMUL, Kind.MAP) and c not in self.into

    def _factor(self, factor: int | None, like: Node, negative: bool) -> Any:
        value = (
            self.b.const(1.0, like.dtype)
            if factor is None
            else Value(self.b, self.numbers[factor]).reshape(())
        )
        if not negative:
            return value
        number = value.number_or_none()
        return -value if number is None else self.b.const(-number, like.dtype)


def fold_products(graph: Graph) -> Graph:
    """The graph with transposes of products and updates by products folded into them."""
    if not any(node.kind is Kind.MATMUL for node in graph.nodes):
        return graph
    return _Folder(graph).run()
