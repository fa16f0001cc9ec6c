"""A graph of calls: a list of nodes, in the order in which they run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..nn.module import Module
from .codegen import INPLACE_METHODS, MAGIC_METHODS, REFLECTED, CodeGen, PythonCode
from .node import Argument, Node, Target, map_arg
from .public_names import _Namespace, snake_case

if TYPE_CHECKING:
    from .graph_module import GraphModule

__all__ = ["CodeGen", "Graph", "PythonCode"]

# PyTorch's names of these tables.
magic_methods, inplace_methods, reflectable_magic_methods = MAGIC_METHODS, INPLACE_METHODS, REFLECTED


class _Nodes:
    """The nodes of a graph in their order; the graph may change during the loop."""

    def __init__(self, graph: Graph, direction: str = "_next") -> None:
        self.graph = graph
        self.direction = direction

    def __len__(self) -> int:
        return self.graph._length

    def __iter__(self) -> Iterator[Node]:
        root = self.graph._root
        node: Node = getattr(root, self.direction)
        while node is not root:
            if not node._erased:
                yield node
            node = getattr(node, self.direction)

    def __reversed__(self) -> _Nodes:
        return _Nodes(self.graph, "_prev" if self.direction == "_next" else "_next")


class _InsertPoint:
    """Where new nodes go; as a context, until it ends."""

    def __init__(self, graph: Graph, insert: Callable[[Node], None]) -> None:
        self.graph = graph
        self._before = graph._insert
        graph._insert = insert

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        self.graph._insert = self._before


class Graph:
    """Nodes in the order in which they run. New ones are put at the end, or where ``inserting_before`` and ``inserting_after``
    say. :class:`GraphModule` makes a module that runs it.

    Example:
        >>> import rushlight as torch
        >>> graph = Graph()
        >>> x = graph.placeholder("x")
        >>> _ = graph.output(graph.call_function(torch.add, (x, 1)))
        >>> print(graph)
        graph():
            %x : [num_users=1] = placeholder[target=x]
            %add : [num_users=1] = call_function[target=torch.add](args = (%x, 1), kwargs = {})
            return add
        >>> torch.fx.GraphModule({}, graph)(torch.ones(2))
        tensor([2., 2.])
    """

    def __init__(
        self,
        owning_module: GraphModule | None = None,
        tracer_cls: type[Any] | None = None,
        tracer_extras: dict[str, Any] | None = None,
    ) -> None:
        self._root = Node(self, "", "root", "", (), {})
        self._length = 0
        self._used_names: dict[str, int] = {}
        self._insert: Callable[[Node], None] = self._root.prepend
        self._graph_namespace = _Namespace()
        self._owners = 0
        self._owning_module = owning_module
        self._tracer_cls = tracer_cls
        self._tracer_extras = tracer_extras
        self._codegen = CodeGen()
        self._places_are_known = False

    @property
    def owning_module(self) -> GraphModule | None:
        """The module that runs this graph; None where there is none, or several."""
        return self._owning_module

    @owning_module.setter
    def owning_module(self, mod: GraphModule | None) -> None:
        if mod is not None:
            self._owning_module = mod if not self._owners else None
            self._owners += 1

    @property
    def nodes(self) -> Any:
        """The nodes in order; ``reversed`` works, and the loop may insert and erase nodes."""
        return _Nodes(self)

    def _number_nodes(self) -> None:
        if not self._places_are_known:
            for place, node in enumerate(self.nodes):
                node._place = place
            self._places_are_known = True

    # --- finding ------------------------------------------------------------------------------------------------------

    def output_node(self) -> Node:
        """The node of the result. ``AssertionError`` where there is none yet."""
        last: Node = self._root._prev
        if last.op != "output":
            raise AssertionError("the graph has no output node")
        return last

    def find_nodes(self, *, op: str, target: Target | None = None, sort: bool = True) -> list[Any]:
        """The nodes of this kind (``call_function`` needs the ``target`` too), in their order."""
        if op == "call_function" and target is None:
            raise AssertionError("op is call_function, but target is None")
        return [node for node in self.nodes if node.op == op and (target is None or node.target == target)]

    # --- adding -------------------------------------------------------------------------------------------------------

    def create_node(
        self,
        op: str,
        target: Target,
        args: tuple[Argument, ...] | None = None,
        kwargs: dict[str, Argument] | None = None,
        name: str | None = None,
        type_expr: Any = None,
    ) -> Node:
        """A new node where nodes are inserted now. ``AssertionError`` for an unknown kind or arguments of other types."""
        args = () if args is None else args
        kwargs = {} if kwargs is None else kwargs
        if not isinstance(args, tuple):
            raise AssertionError(f"args must be a tuple, got {type(args)}")
        if not isinstance(kwargs, dict):
            raise AssertionError(f"kwargs must be a dict, got {type(kwargs)}")
        if op not in _LEGAL:
            raise AssertionError(f"op '{op}' is not in _legal_ops")
        candidate = name if name is not None else self._target_to_str(target)
        node = Node(self, self._graph_namespace.create_name(candidate), op, target, args, kwargs, type_expr)
        self._graph_namespace.associate_name_with_obj(node.name, node)
        self._insert(node)
        self._length += 1
        for hook in node._hooks("_create_node_hooks"):
            hook(node)
        return node

    def _target_to_str(self, target: Target | None) -> str:
        if callable(target):
            name = getattr(target, "__name__", None) or type(target).__name__
        else:
            name = str(target)
            if name.startswith("__") and name.endswith("__") and len(name) > 4:
                name = name[2:-2]
        return snake_case(name)

    def placeholder(
        self, name: str, type_expr: Any = None, default_value: Any = inspect.Signature.empty
    ) -> Node:
        """An input; ``*name`` and ``**name`` take the further ones."""
        args = () if default_value is inspect.Signature.empty else (default_value,)
        return self.create_node("placeholder", name, args=args, type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any = None) -> Node:
        """The attribute of the owning module at a dotted path. Warns where that module has none."""
        self._check_attribute(qualified_name)
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def _check_attribute(self, path: str) -> None:
        if self.owning_module is None:
            return
        value: Any = self.owning_module
        for part in path.split("."):
            if not hasattr(value, part):
                import warnings

                warnings.warn(
                    "Attempted to insert a get_attr Node with no underlying reference in the owning GraphModule! Call "
                    "GraphModule.add_submodule to add the necessary submodule, GraphModule.add_parameter to add the necessary "
                    "Parameter, or nn.Module.register_buffer to add the necessary buffer",
                    stacklevel=3,
                )
                return
            value = getattr(value, part)

    def call_module(
        self,
        module_name: str,
        args: tuple[Argument, ...] | None = None,
        kwargs: dict[str, Argument] | None = None,
        type_expr: Any = None,
    ) -> Node:
        """A call of the owning module's child at a dotted path. ``AttributeError`` where it has none."""
        if self.owning_module is not None:
            self.owning_module.get_submodule(module_name)
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(
        self,
        method_name: str,
        args: tuple[Argument, ...] | None = None,
        kwargs: dict[str, Argument] | None = None,
        type_expr: Any = None,
    ) -> Node:
        """A call of the method ``method_name`` of ``args[0]``."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(
        self,
        the_function: Callable[..., Any],
        args: tuple[Argument, ...] | None = None,
        kwargs: dict[str, Argument] | None = None,
        type_expr: Any = None,
        name: str | None = None,
    ) -> Node:
        """A call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name, type_expr)

    def output(self, result: Argument, type_expr: Any = None) -> Node:
        """What the graph returns; the last node."""
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    def node_copy(self, node: Node, arg_transform: Callable[[Node], Argument] = lambda x: x) -> Node:
        """A copy of a node of another graph; ``arg_transform`` gives this graph's nodes for those in its arguments."""
        args = map_arg(node.args, arg_transform)
        kwargs = map_arg(node.kwargs, arg_transform)
        copied = self.create_node(node.op, node.target, tuple(args), dict(kwargs), node.name, node.type)
        copied.meta = dict(node.meta)
        return copied

    def graph_copy(self, g: Graph, val_map: dict[Node, Node], return_output_node: bool = False) -> Any:
        """Copy the nodes of ``g`` here, except those that ``val_map`` has; what its output holds, in this graph's nodes.

        ``val_map`` gets every node that was copied.
        """
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                result = map_arg(node.args[0], lambda n: val_map[n])
                return (result, node) if return_output_node else result
            val_map[node] = self.node_copy(node, lambda n: val_map[n])
        return None

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Graph:
        import copy

        copied = Graph(tracer_cls=self._tracer_cls, tracer_extras=self._tracer_extras)
        memo = {} if memo is None else memo
        memo[id(self)] = copied
        found = copied.graph_copy(self, val_map={}, return_output_node=True)
        copied._codegen = copy.deepcopy(self._codegen, memo)
        if found is not None:
            result, old = found
            new = copied.output(result, type_expr=old.type)
            new.meta = dict(old.meta)
        return copied

    # --- where new nodes go -------------------------------------------------------------------------------------------

    def inserting_before(self, n: Node | None = None) -> _InsertPoint:
        """New nodes are put before ``n`` (None: at the beginning), inside the ``with`` block."""
        if n is None:
            return self.inserting_after(self._root)
        if n.graph is not self:
            raise AssertionError("Node to insert before is not in graph.")
        return _InsertPoint(self, n.prepend)

    def inserting_after(self, n: Node | None = None) -> _InsertPoint:
        """New nodes are put right after ``n`` (None: at the end), inside the ``with`` block."""
        if n is None:
            return self.inserting_before(self._root)
        if n.graph is not self:
            raise AssertionError("Node to insert after is not in graph.")
        return _InsertPoint(self, n.append)

    # --- changing -----------------------------------------------------------------------------------------------------

    def erase_node(self, to_erase: Node) -> None:
        """Take a node out. ``RuntimeError`` where another one uses it."""
        if to_erase.users:
            raise RuntimeError(
                f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} users in the graph: {to_erase.users}!"
            )
        if to_erase.graph is not self:
            raise RuntimeError(f"Attempting to remove {to_erase} from wrong graph!")
        if to_erase._erased:
            import warnings

            warnings.warn(f"erase_node({to_erase}) on an already erased node", stacklevel=2)
            return
        for hook in to_erase._hooks("_erase_node_hooks"):
            hook(to_erase)
        to_erase._leave()
        to_erase._erased = True
        self._length -= 1
        to_erase.args, to_erase.kwargs = (), {}

    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Erase the nodes that nobody uses and that change nothing (``Node.is_impure``); whether there were any."""
        self.lint()
        changed = False
        for node in reversed(self.nodes):
            impure = is_impure_node(node) if is_impure_node is not None else node.is_impure()
            if not impure and not node.users:
                self.erase_node(node)
                changed = True
        return changed

    def lint(self) -> None:
        """Check that every node uses only nodes of this graph that stand before it, and that the owning module has what is
        called. ``RuntimeError`` or ``AssertionError`` says what is wrong."""
        names: set[str] = set()
        before: set[Node] = set()
        for node in self.nodes:
            if node.graph is not self:
                raise RuntimeError(f"Node '{node}' does not belong to this Graph!")
            for used in node._input_nodes:
                if used.graph is not self:
                    raise RuntimeError(
                        f"Argument '{used}' of Node '{node}' does not belong to this Graph, but was used as an argument! If "
                        "you are copying nodes from another graph, make sure to use ``arg_transform`` on node_copy() to remap "
                        f"values\n{self}"
                    )
                if used not in before:
                    raise RuntimeError(
                        f"Argument '{used}' of Node '{node}' was used before it has been defined! Please check that Nodes in "
                        f"the graph are topologically ordered\n{self}"
                    )
            before.add(node)
            if node.name in names:
                raise RuntimeError(f"Node redefined name {node.name}!")
            names.add(node.name)
            if node.op in ("get_attr", "call_module") and self.owning_module is not None:
                self._check_target(node)

    def _check_target(self, node: Node) -> None:
        value: Any = self.owning_module
        for part in node.target.split("."):
            if not hasattr(value, part):
                raise RuntimeError(
                    f"Node {node} target {node.target} references nonexistent attribute {part} of {'.'.join([])}"
                )
            value = getattr(value, part)
        if node.op == "call_module" and not isinstance(value, Module):
            raise RuntimeError(
                f"Node {node} target {node.target} {node.target} of {value} does not reference an nn.Module"
            )

    def _clear_nodes(self) -> None:
        for node in reversed(self.nodes):
            node._set_arguments((), {})
            self.erase_node(node)

    # --- text ---------------------------------------------------------------------------------------------------------

    def python_code(self, root_module: str, *, verbose: bool = False, **options: Any) -> PythonCode:
        """The code of a function that does what the graph says; ``root_module`` is the name of what has the attributes,
        usually ``"self"``. Of ``options`` (strides, colors, ...) none changes the code."""
        return self._codegen._gen_python_code(self.nodes, root_module, self._text_names(), verbose=verbose)

    def _text_names(self) -> _Namespace:
        names = _Namespace()
        for node in self.nodes:
            names._rename_object(node, node.name)
        return names

    def __str__(self) -> str:
        lines = [node.format_node([], [""]) for node in self.nodes]
        return "".join(["graph():", *[f"\n    {line}" for line in lines if line]])

    def print_tabular(self) -> None:
        """Print the nodes as a table: kind, name, target, arguments.

        Example:
            >>> graph = Graph()
            >>> _ = graph.output(graph.placeholder("x"))
            >>> graph.print_tabular()
            opcode       name    target    args    kwargs
            -----------  ------  --------  ------  --------
            placeholder  x       x         ()      {}
            output       output  output    (x,)    {}
        """
        header = ["opcode", "name", "target", "args", "kwargs"]
        rows = [[str(v) for v in (n.op, n.name, n.target, n.args, n.kwargs)] for n in self.nodes]
        # The table of the package tabulate in its simple form: a heading takes two more places than its letters.
        widths = [max([len(title) + 2, *[len(row[i]) for row in rows]]) for i, title in enumerate(header)]
        for row in [header, ["-" * width for width in widths], *rows]:
            print("  ".join([cell.ljust(width) for cell, width in zip(row, widths, strict=True)]).rstrip())

    # --- how calls are written ----------------------------------------------------------------------------------------

    def process_inputs(self, *args: Any) -> Any:
        """The graph's inputs from a call's arguments, as its code generator says."""
        return self._codegen.process_inputs(*args)

    def process_outputs(self, out: Any) -> Any:
        """What a call returns, from the graph's output, as its code generator says."""
        return self._codegen.process_outputs(out)

    def set_codegen(self, codegen: CodeGen) -> None:
        """Let ``codegen`` write this graph's code."""
        self._codegen = codegen

    def on_generate_code(self, make_transformer: Callable[[Any], Any]) -> Any:
        """Let ``make_transformer(the present one or None)`` give a function that changes the lines of the code; used as a
        context, until it ends."""
        before = self._codegen._body_transformer
        self._codegen._body_transformer = make_transformer(before)

        @contextmanager
        def undone() -> Iterator[None]:
            try:
                yield
            finally:
                self._codegen._body_transformer = before

        return undone()


_LEGAL = frozenset(("placeholder", "get_attr", "call_function", "call_method", "call_module", "output"))
