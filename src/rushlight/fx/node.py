"""One call in a graph: what is called, with which arguments, and who uses the result."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from .immutable_collections import immutable_dict, immutable_list
from .public_names import qualified_name

if TYPE_CHECKING:
    from .graph import Graph

__all__ = ["Node", "has_side_effect", "map_arg", "map_aggregate"]

Target = Callable[..., Any] | str
Argument = Any

OPERATIONS: Final = frozenset(
    ("placeholder", "get_attr", "call_function", "call_method", "call_module", "output", "root")
)
_with_side_effects: Final[set[Callable[..., Any]]] = {operator.setitem}
# Of rushlight, found when a graph is first cleaned: their modules need not be there before.
_NAMED_SIDE_EFFECTS: Final = ("_assert", "_assert_async", "manual_seed", "set_grad_enabled", "_check")


def has_side_effect(fn: Callable[..., Any]) -> Callable[..., Any]:
    """``fn``; calls of it are kept by ``eliminate_dead_code`` also where nobody uses their result.

    Example:
        >>> has_side_effect(print) is print
        True
    """
    _with_side_effects.add(fn)
    return fn


def functions_with_side_effects() -> set[Callable[..., Any]]:
    """The functions whose calls are never dead."""
    import rushlight

    for name in _NAMED_SIDE_EFFECTS:
        _with_side_effects.add(getattr(rushlight, name))
    return _with_side_effects


def map_aggregate(a: Argument, fn: Callable[[Any], Any]) -> Argument:
    """``a`` with ``fn`` of each leaf of its tuples, lists, dicts and slices; lists and dicts become immutable.

    Example:
        >>> map_aggregate((1, [2], {"k": 3}), lambda leaf: leaf * 10)
        (10, [20], {'k': 30})
    """
    if isinstance(a, tuple):
        parts = [map_aggregate(part, fn) for part in a]
        kind: Any = type(a)
        if hasattr(kind, "_make"):
            return kind(*parts)
        return tuple(parts)
    if isinstance(a, list):
        return immutable_list([map_aggregate(part, fn) for part in a])
    if isinstance(a, dict):
        return immutable_dict({key: map_aggregate(value, fn) for key, value in a.items()})
    if isinstance(a, slice):
        return slice(map_aggregate(a.start, fn), map_aggregate(a.stop, fn), map_aggregate(a.step, fn))
    return fn(a)


def map_arg(a: Argument, fn: Callable[[Node], Argument]) -> Argument:
    """``a`` with ``fn`` of each node in it; other leaves stay.

    Raises ``TypeError`` where ``fn`` can't be called.
    """
    if not callable(fn):
        raise TypeError("torch.fx.map_arg(a, fn): fn must be a callable")
    return map_aggregate(a, lambda leaf: fn(leaf) if isinstance(leaf, Node) else leaf)


def nodes_in(*values: Any) -> dict[Node, None]:
    """The nodes in ``values``, each once, in the order in which they stand."""
    found: dict[Node, None] = {}
    for value in values:
        map_arg(value, found.setdefault)
    return found


def written(value: Any) -> str:
    """An argument as a graph prints it: nodes with a percent sign.

    Example:
        >>> written((1, ["a"]))
        '(1, [a])'
    """
    special = getattr(value, "_custom_fx_repr_fn", None)
    if callable(special):
        return str(special())
    if isinstance(value, list):
        return "[" + ", ".join([written(part) for part in value]) + "]"
    if isinstance(value, tuple):
        inner = ", ".join([written(part) for part in value])
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, dict):
        return "{" + ", ".join([f"{key}: {written(part)}" for key, part in value.items()]) + "}"
    return f"%{value}" if isinstance(value, Node) else str(value)


def type_name(kind: Any) -> str:
    """A type as annotations write it.

    Example:
        >>> type_name(int), type_name(list[int])
        ('int', 'list[int]')
    """
    if isinstance(kind, type) and not hasattr(kind, "__origin__"):
        if kind.__module__ == "builtins":
            return kind.__qualname__
        from ..missing import spoken

        module = spoken(kind.__module__)
        if module.startswith("torch.") and getattr(_root(), kind.__qualname__, None) is kind:
            module = "torch"
        return f"{module}.{kind.__qualname__}"
    if kind is ...:
        return "..."
    if callable(kind) and hasattr(kind, "__name__") and not hasattr(kind, "__origin__"):
        return str(kind.__name__)
    return repr(kind).replace("rushlight.core.tensor.Tensor", "torch.Tensor")


def _root() -> Any:
    import rushlight

    return rushlight


class Node:
    """A call (or an input, an attribute, the output) in a :class:`Graph`.

    ``op`` is one of ``placeholder`` (an input: ``target`` its name, ``args`` its default), ``get_attr`` (``target`` the dotted
    path), ``call_function`` (``target`` the function), ``call_method`` (``target`` the name; ``args[0]`` the object),
    ``call_module`` (``target`` the path) and ``output`` (``args[0]`` the result). ``args`` and ``kwargs`` may hold other nodes;
    ``users`` are the nodes that hold this one. ``meta`` is for notes of passes.

    Example:
        >>> import rushlight as torch
        >>> graph = torch.fx.Graph()
        >>> x = graph.placeholder("x")
        >>> y = graph.call_function(torch.add, (x, 1))
        >>> y.op, y.args, list(x.users)
        ('call_function', (x, 1), [add])
    """

    graph: Graph
    name: str
    op: str
    target: Any
    users: dict[Node, None]
    type: Any
    meta: dict[str, Any]

    def __init__(
        self,
        graph: Graph,
        name: str,
        op: str,
        target: Target,
        args: tuple[Argument, ...],
        kwargs: Mapping[str, Argument],
        return_type: Any = None,
    ) -> None:
        if op not in OPERATIONS:
            raise AssertionError(f"op {op!r} is not a kind of node; allowed are {sorted(OPERATIONS)}")
        if op == "call_function":
            if not callable(target):
                raise ValueError(
                    f"Node [graph = {graph}, name = '{name}'] target {target} has type {builtins.type(target)} but a "
                    "Callable is expected"
                )
        elif not isinstance(target, str):
            raise ValueError(
                f"Node [graph = {graph}, name = '{name}'] target {target} has type {builtins.type(target)} but a str is "
                "expected"
            )
        self.graph = graph
        self.name = name
        self.op = op
        self.target = target
        self.users = {}
        self.type = return_type
        self.meta = {}
        self._repr_fn: Callable[[Node], str] | None = None
        self._erased = False
        self._prev: Node = self
        self._next: Node = self
        self._place = -1
        self._args: tuple[Argument, ...] = ()
        self._kwargs: Mapping[str, Argument] = {}
        self._input_nodes: dict[Node, None] = {}
        self._set_arguments(args, kwargs)

    # --- where it stands ----------------------------------------------------------------------------------------------

    @property
    def next(self) -> Node:
        """The node after this one."""
        return self._next

    @property
    def prev(self) -> Node:
        """The node before this one."""
        return self._prev

    def prepend(self, x: Node) -> None:
        """Put ``x`` (of the same graph) right before this node; it is moved if it stands elsewhere."""
        if x.graph is not self.graph:
            raise AssertionError("Attempting to move a Node into a different Graph")
        if x is self:
            return
        x._leave()
        before = self._prev
        before._next, x._prev = x, before
        x._next, self._prev = self, x
        self.graph._places_are_known = False

    def append(self, x: Node) -> None:
        """Put ``x`` (of the same graph) right after this node; it is moved if it stands elsewhere."""
        self._next.prepend(x)

    def _leave(self) -> None:
        # Its own links stay: a loop over the nodes may stand on it just now.
        before, after = self._prev, self._next
        before._next, after._prev = after, before
        self.graph._places_are_known = False

    def _remove_from_list(self) -> None:
        self._leave()

    @property
    def _sort_key(self) -> int:
        self.graph._number_nodes()
        return self._place

    def __lt__(self, other: Node) -> bool:
        return self._sort_key < other._sort_key

    def __gt__(self, other: Node) -> bool:
        return self._sort_key > other._sort_key

    def __le__(self, other: Node) -> bool:
        return self is other or self < other

    def __ge__(self, other: Node) -> bool:
        return self is other or self > other

    # --- arguments ----------------------------------------------------------------------------------------------------

    @property
    def args(self) -> tuple[Argument, ...]:
        """The positional arguments; assign a new tuple to change them."""
        return self._args

    @args.setter
    def args(self, a: tuple[Argument, ...]) -> None:
        self._set_arguments(a, self._kwargs)

    @property
    def kwargs(self) -> Mapping[str, Argument]:
        """The arguments by name; assign a new dict to change them."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, k: Mapping[str, Argument]) -> None:
        self._set_arguments(self._args, k)

    def _set_arguments(self, args: Any, kwargs: Any) -> None:
        new_args = map_aggregate(tuple(args), _itself)
        new_kwargs = map_aggregate(dict(kwargs), _itself)
        for node in self._input_nodes:
            node.users.pop(self, None)
        self._args, self._kwargs = new_args, new_kwargs
        self._input_nodes = nodes_in(new_args, new_kwargs)
        for node in self._input_nodes:
            node.users.setdefault(self)

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes in ``args`` and ``kwargs``, each once."""
        return list(self._input_nodes)

    def update_arg(self, idx: int, arg: Argument) -> None:
        """Exchange one positional argument."""
        args = list(self.args)
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx: int, arg: Argument) -> None:
        """Put one more positional argument before the ``idx``-th. ``AssertionError`` for other places."""
        if not 0 <= idx <= len(self.args):
            raise AssertionError("insert_args index must be between 0 and len(self.args)")
        self.args = (*self.args[:idx], arg, *self.args[idx:])

    def update_kwarg(self, key: str, arg: Argument) -> None:
        """Exchange or add one argument by name."""
        self.kwargs = {**self.kwargs, key: arg}

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Use ``new_input`` wherever the arguments hold ``old_input``."""

        def exchanged(node: Node) -> Node:
            return new_input if node is old_input else node

        for hook in self._hooks("_replace_hooks"):
            hook(old=old_input, new=new_input.name, user=self)
        self._set_arguments(map_arg(self.args, exchanged), map_arg(self.kwargs, exchanged))

    def replace_all_uses_with(
        self,
        replace_with: Node,
        delete_user_cb: Callable[[Node], bool] | None = None,
        *,
        propagate_meta: bool = False,
    ) -> list[Node]:
        """Let all users (those for which ``delete_user_cb`` is true, where given) use ``replace_with``; the users changed.

        ``propagate_meta`` copies ``meta`` to it, which must be empty there (``AssertionError``).
        """
        if propagate_meta:
            if replace_with.meta:
                raise AssertionError(
                    "Called node.replace_all_uses_with(replace_with, propagate_meta=True), but replace_with already has "
                    ".meta keys"
                )
            replace_with.meta.update(self.meta)
        users = [user for user in self.users if delete_user_cb is None or delete_user_cb(user)]
        for user in users:
            user.replace_input_with(self, replace_with)
        return users

    def normalized_arguments(
        self,
        root: Any,
        arg_types: tuple[Any, ...] | None = None,
        kwarg_types: dict[str, Any] | None = None,
        normalize_to_only_use_kwargs: bool = False,
    ) -> Any:
        """``args`` and ``kwargs`` by the signature of what is called, with defaults; None where it is not known."""
        from .operator_schemas import normalize_function, normalize_module

        if self.op == "call_function":
            return normalize_function(
                self.target,
                self.args,
                dict(self.kwargs),
                arg_types,
                kwarg_types,
                normalize_to_only_use_kwargs,
            )
        if self.op == "call_module":
            return normalize_module(
                root, self.target, self.args, dict(self.kwargs), normalize_to_only_use_kwargs
            )
        return None

    # --- other facts --------------------------------------------------------------------------------------------------

    def is_impure(self, impure_random: bool = True) -> bool:
        """Whether it must stay even where nobody uses its result: inputs, the output, assertions, ``operator.setitem``,
        in-place operators, and modules with ``_is_impure``."""
        if self.op in ("placeholder", "output"):
            return True
        if self.op == "call_function":
            return self.target in functions_with_side_effects()
        if self.op == "call_module":
            owner = self.graph.owning_module
            if owner is None:
                raise AssertionError("self.graph.owning_module not set for purity check")
            module = owner.get_submodule(self.target)
            return bool(getattr(module, "_is_impure", False))
        return False

    @property
    def stack_trace(self) -> str | None:
        """The Python lines that the node came from, where a tracer recorded them."""
        return self.meta.get("stack_trace")

    @stack_trace.setter
    def stack_trace(self, trace: str | None) -> None:
        self.meta["stack_trace"] = trace

    def _hooks(self, table: str) -> Sequence[Any]:
        return getattr(self.graph.owning_module, table, ()) if self.graph.owning_module is not None else ()

    def _rename(self, candidate: str) -> None:
        if candidate != self.name:
            self.name = self.graph._graph_namespace.create_name(candidate, None)

    def __repr__(self) -> str:
        return self._repr_fn(self) if self._repr_fn else self.name

    def _pretty_print_target(self, target: Any) -> str:
        if isinstance(target, str):
            return target
        module = getattr(target, "__module__", None)
        name = getattr(target, "__name__", None)
        if name is not None and module in ("builtins", "_operator"):
            return f"{'operator' if module == '_operator' else module}.{name}"
        return qualified_name(target)

    def format_node(
        self,
        placeholder_names: list[str] | None = None,
        maybe_return_typename: list[str] | None = None,
        *,
        include_tensor_metadata: bool = False,
    ) -> str | None:
        """The node as one line: name, users, kind, target, arguments."""
        of_type = f"{type_name(self.type)} " if self.type is not None else ""
        if self.op == "output":
            if self.type is not None and maybe_return_typename:
                maybe_return_typename[0] = f" -> {type_name(self.type)}"
            return f"return {self.args[0]}"
        target = self._pretty_print_target(self.target)
        line = f"%{self.name} : {of_type}[num_users={len(self.users)}] = {self.op}[target={target}]"
        if self.op == "placeholder":
            return line + (f"(default={self.args[0]})" if self.args else "")
        if self.op == "get_attr":
            return line
        return f"{line}(args = {written(self.args)}, kwargs = {written(self.kwargs)})"

    def __reduce__(self) -> Any:
        raise TypeError("torch.fx.Node: a node is part of its graph; pickle the GraphModule")


def _itself(leaf: Any) -> Any:
    return leaf
