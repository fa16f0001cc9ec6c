"""Running a graph node by node, and making another graph from it in that way."""

from __future__ import annotations

import inspect
from typing import Any

from ..nn.module import Module
from ..overriding.calls import start_asking
from ._symbolic_trace import Tracer
from .codegen import last_uses
from .graph import Graph
from .graph_module import GraphModule, _make_graph_module
from .node import Node, map_aggregate, map_arg
from .proxy import Proxy

__all__ = ["Interpreter", "Transformer"]


class Interpreter:
    """Runs the graph of ``module`` node by node; subclasses change what a node does.

    ``garbage_collect_values``: let go of values that nobody needs any more. ``graph``: another graph than the module's.
    ``env`` holds the nodes' values while it runs.

    Example:
        >>> import rushlight as torch
        >>> class Printed(Interpreter):
        ...     def run_node(self, n):
        ...         result = super().run_node(n)
        ...         print(n.name, tuple(result.shape))
        ...         return result
        >>> _ = Printed(torch.fx.symbolic_trace(lambda x: torch.relu(x).sum(0))).run(torch.ones(2, 3))
        x (2, 3)
        relu (2, 3)
        sum_1 (3,)
        output (3,)
    """

    def __init__(
        self, module: Module, garbage_collect_values: bool = True, graph: Graph | None = None
    ) -> None:
        self.module: Any = module
        self.submodules = dict(module.named_modules())
        self.graph: Graph = graph if graph is not None else self.module.graph
        self.env: dict[Node, Any] = {}
        self.name = "Interpreter"
        self.garbage_collect_values = garbage_collect_values
        self.extra_traceback = True
        self.args_iter: Any = iter(())
        self.user_to_last_uses = last_uses(self.graph.nodes) if garbage_collect_values else {}

    def run(
        self, *args: Any, initial_env: dict[Node, Any] | None = None, enable_io_processing: bool = True
    ) -> Any:
        """What the graph returns for ``args``. ``initial_env`` has values of nodes that need not run."""
        self.env = initial_env if initial_env is not None else {}
        if enable_io_processing:
            args = self.graph.process_inputs(*args)
        self.args_iter = iter(args)
        for node in self.graph.nodes:
            if node in self.env:
                continue
            try:
                self.env[node] = self.run_node(node)
            except Exception as error:
                if self.extra_traceback:
                    _explain(error, node)
                raise
            for unneeded in self.user_to_last_uses.get(node, []):
                self.env.pop(unneeded, None)
            if node.op == "output":
                result = self.env[node]
                return self.graph.process_outputs(result) if enable_io_processing else result
        return None

    def boxed_run(self, args_list: list[Any]) -> Any:
        """The same for arguments in a list, which is emptied: they can be let go of as soon as they are used."""
        args = list(args_list)
        args_list.clear()
        return self.run(*args, enable_io_processing=False)

    def run_node(self, n: Node) -> Any:
        """The value of one node."""
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        return getattr(self, n.op)(n.target, args, kwargs)

    def placeholder(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The next argument; the default where there is none (``RuntimeError`` without one)."""
        if target.startswith("*"):
            return list(self.args_iter)
        try:
            return next(self.args_iter)
        except StopIteration as end:
            if args:
                return args[0]
            raise RuntimeError(
                f"Expected positional argument for parameter {target}, but one was not passed in!"
            ) from end

    def get_attr(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The module's attribute at a dotted path."""
        return self.fetch_attr(target)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The function's result."""
        return target(*args, **kwargs)

    def call_method(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of the method of ``args[0]``."""
        owner, *rest = args
        return getattr(owner, target)(*rest, **kwargs)

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of the module at a dotted path."""
        return self.fetch_attr(target)(*args, **kwargs)

    def output(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result."""
        return args[0]

    def fetch_attr(self, target: str) -> Any:
        """The module's attribute at a dotted path. ``RuntimeError`` where there is none."""
        value: Any = self.module
        parts = target.split(".")
        for count, part in enumerate(parts):
            if not hasattr(value, part):
                raise RuntimeError(f"Node referenced nonexistent target {'.'.join(parts[: count + 1])}")
            value = getattr(value, part)
        return value

    def fetch_args_kwargs_from_env(self, n: Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The values of a node's arguments."""
        return self.map_nodes_to_values(n.args, n), self.map_nodes_to_values(n.kwargs, n)

    def map_nodes_to_values(self, args: Any, n: Node) -> Any:
        """``args`` with values in the place of nodes. ``RuntimeError`` for a node that has none yet."""

        def value(node: Node) -> Any:
            if node not in self.env:
                raise RuntimeError(
                    f"Node {n} referenced nonexistent value {node}! Run Graph.lint() to diagnose such issues"
                )
            return self.env[node]

        return _plain(map_arg(args, value))


def _plain(value: Any) -> Any:
    """Without the immutable containers: functions get what programs write."""
    if isinstance(value, tuple):
        parts = [_plain(part) for part in value]
        kind: Any = type(value)
        return kind(*parts) if hasattr(value, "_fields") else tuple(parts)
    if type(value).__name__ == "immutable_list":
        return [_plain(part) for part in value]
    if type(value).__name__ == "immutable_dict":
        return {key: _plain(part) for key, part in value.items()}
    return value


def _explain(error: BaseException, node: Node) -> None:
    note = f"While executing {node.format_node()}\nOriginal traceback:\n{node.stack_trace}"
    if error.args and isinstance(error.args[0], str):
        error.args = (f"{error.args[0]}\n\n{note}", *error.args[1:])
    else:
        error.args = (note, *error.args)


class _TransformerTracer(Tracer):
    def __init__(self, graph: Graph, root: Module) -> None:
        super().__init__()
        self.graph = graph
        self.root = root
        self.tensor_attrs = {}

    def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
        return True


class Transformer(Interpreter):
    """Makes another graph module: each method gets proxies and returns what stands in the node's place.

    Example:
        >>> import rushlight as torch
        >>> class Smooth(Transformer):
        ...     def call_function(self, target, args, kwargs):
        ...         return super().call_function(torch.sigmoid if target is torch.relu else target, args, kwargs)
        >>> smooth = Smooth(torch.fx.symbolic_trace(lambda x: torch.relu(x) + 1)).transform()
        >>> [node.name for node in smooth.graph.nodes]
        ['x', 'sigmoid', 'add', 'output']
    """

    def __init__(self, module: GraphModule) -> None:
        super().__init__(module)
        start_asking()
        self.new_graph = Graph(tracer_cls=getattr(module.graph, "_tracer_cls", None))
        self.new_graph.set_codegen(module.graph._codegen)
        self.tracer: Any = _TransformerTracer(self.new_graph, module)

    def run_node(self, n: Node) -> Any:
        """What stands in the place of one node; its notes go with it."""
        before = len(self.new_graph.nodes)
        result = super().run_node(n)
        if len(self.new_graph.nodes) > before and isinstance(result, Proxy):
            for name, value in n.meta.items():
                result.node.meta.setdefault(name, value)
        return result

    def placeholder(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """An input of the new graph."""
        default = args[0] if args else inspect.Signature.empty
        return Proxy(self.new_graph.placeholder(target, default_value=default), self.tracer)

    def get_attr(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """An attribute in the new graph."""
        return self.tracer.create_proxy("get_attr", target, args, kwargs)

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call of a module in the new graph."""
        module = self.fetch_attr(target)
        return self.tracer.call_module(module, module.forward, args, kwargs)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call of a function in the new graph."""
        return self.tracer.create_proxy("call_function", target, args, kwargs)

    def call_method(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call of a method in the new graph."""
        return self.tracer.create_proxy("call_method", target, args, kwargs)

    def transform(self) -> GraphModule:
        """The new module."""
        result = super().run(enable_io_processing=False)
        if result is not None:
            self.new_graph.output(
                map_aggregate(result, lambda leaf: leaf.node if isinstance(leaf, Proxy) else leaf)
            )
        return _make_graph_module(self.module, self.new_graph)
