"""Nested containers taken apart and put together again, with kinds of containers that programs register.

Libraries use it under PyTorch's private name ``torch.utils._pytree``. Tuples, lists, dicts, named tuples,
``OrderedDict``, ``defaultdict`` and ``deque`` are containers; everything else, None too, is a leaf until its class is
registered.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

PyTree = Any
Context = Any
FlattenFunc = Callable[[Any], tuple[list[Any], Any]]
UnflattenFunc = Callable[[Iterable[Any], Any], Any]


class SequenceKey(NamedTuple):
    """Where a leaf stands in a list or tuple."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, sequence: Any) -> Any:
        """The part of ``sequence`` there."""
        return sequence[self.idx]


class MappingKey(NamedTuple):
    """Under which key a leaf stands in a dict."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, mapping: Any) -> Any:
        """The part of ``mapping`` there."""
        return mapping[self.key]


class GetAttrKey(NamedTuple):
    """Which attribute of an object a leaf is."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, obj: Any) -> Any:
        """The attribute of ``obj``."""
        return getattr(obj, self.name)


class NodeDef(NamedTuple):
    """How one kind of container is taken apart and put together."""

    type: Any
    flatten_fn: FlattenFunc
    unflatten_fn: UnflattenFunc
    flatten_with_keys_fn: Any


def _dict_flatten(d: Any) -> tuple[list[Any], Any]:
    return list(d.values()), list(d)


def _dict_flatten_with_keys(d: Any) -> tuple[list[Any], Any]:
    return [(MappingKey(key), value) for key, value in d.items()], list(d)


def _dict_unflatten(values: Iterable[Any], context: Any) -> Any:
    return dict(zip(context, values, strict=True))


def _list_flatten(d: Any) -> tuple[list[Any], Any]:
    return list(d), None


def _sequence_flatten_with_keys(d: Any) -> tuple[list[Any], Any]:
    return [(SequenceKey(i), value) for i, value in enumerate(d)], None


def _defaultdict_flatten(d: Any) -> tuple[list[Any], Any]:
    return list(d.values()), [d.default_factory, list(d)]


def _defaultdict_unflatten(values: Iterable[Any], context: Any) -> Any:
    return defaultdict(context[0], zip(context[1], values, strict=True))


def _deque_flatten(d: Any) -> tuple[list[Any], Any]:
    return list(d), d.maxlen


def _list_unflatten(values: Iterable[Any], context: Any) -> list[Any]:
    return list(values)


def _tuple_unflatten(values: Iterable[Any], context: Any) -> tuple[Any, ...]:
    return tuple(values)


def _ordereddict_unflatten(values: Iterable[Any], context: Any) -> OrderedDict[Any, Any]:
    return OrderedDict(zip(context, values, strict=True))


def _defaultdict_flatten_with_keys(d: Any) -> tuple[list[Any], Any]:
    return _dict_flatten_with_keys(d)[0], _defaultdict_flatten(d)[1]


def _deque_flatten_with_keys(d: Any) -> tuple[list[Any], Any]:
    return _sequence_flatten_with_keys(d)[0], d.maxlen


def _deque_unflatten(values: Iterable[Any], context: Any) -> deque[Any]:
    return deque(values, maxlen=context)


def _namedtuple_flatten(d: Any) -> tuple[list[Any], Any]:
    return list(d), type(d)


def _namedtuple_unflatten(values: Iterable[Any], context: Any) -> Any:
    return context(*values)


# Libraries that walk trees in their own way take these from PyTorch by name.
_tuple_flatten = _list_flatten
_list_flatten_with_keys = _tuple_flatten_with_keys = _sequence_flatten_with_keys
_odict_flatten = _ordereddict_flatten = _dict_flatten
_ordereddict_flatten_with_keys = _dict_flatten_with_keys
_odict_unflatten = _ordereddict_unflatten


def _namedtuple_flatten_with_keys(d: Any) -> tuple[list[Any], Any]:
    return [(GetAttrKey(name), getattr(d, name)) for name in type(d)._fields], type(d)


def _named_tuple_class() -> Any:  # what stands for all named tuples as the type of a node
    return namedtuple


SUPPORTED_NODES: Final[dict[Any, NodeDef]] = {
    tuple: NodeDef(tuple, _tuple_flatten, _tuple_unflatten, _tuple_flatten_with_keys),
    list: NodeDef(list, _list_flatten, _list_unflatten, _list_flatten_with_keys),
    dict: NodeDef(dict, _dict_flatten, _dict_unflatten, _dict_flatten_with_keys),
    OrderedDict: NodeDef(
        OrderedDict, _ordereddict_flatten, _ordereddict_unflatten, _ordereddict_flatten_with_keys
    ),
    defaultdict: NodeDef(
        defaultdict, _defaultdict_flatten, _defaultdict_unflatten, _defaultdict_flatten_with_keys
    ),
    deque: NodeDef(deque, _deque_flatten, _deque_unflatten, _deque_flatten_with_keys),
    _named_tuple_class(): NodeDef(
        _named_tuple_class(), _namedtuple_flatten, _namedtuple_unflatten, _namedtuple_flatten_with_keys
    ),
}
BUILTIN_TYPES: Final = frozenset(SUPPORTED_NODES)
# PyTorch keeps what a container is called in files apart; here the names are only remembered.
SERIALIZED_TYPES: Final[dict[Any, str | None]] = {}


def register_pytree_node(
    cls: type,
    flatten_fn: FlattenFunc,
    unflatten_fn: UnflattenFunc,
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: Any = None,
    from_dumpable_context: Any = None,
    flatten_with_keys_fn: Any = None,
) -> None:
    """Make a class a container: ``flatten_fn(obj) -> (parts, context)``, ``unflatten_fn(parts, context) -> obj``.

    Raises ``ValueError`` for a class that is one already.

    Example:
        >>> class Pair:
        ...     def __init__(self, a, b):
        ...         self.a, self.b = a, b
        >>> register_pytree_node(Pair, lambda p: ([p.a, p.b], None), lambda parts, _: Pair(*parts))
        >>> tree_map(lambda x: -x, [Pair(1, 2)])[0].b
        -2
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn, flatten_with_keys_fn)
    SERIALIZED_TYPES[cls] = serialized_type_name


def register_dataclass(
    cls: type,
    *,
    field_names: list[str] | None = None,
    drop_field_names: list[str] | None = None,
    serialized_type_name: str | None = None,
) -> None:
    """Make a dataclass a container of its fields, all of them unless ``field_names`` names those that count.

    ``drop_field_names``, beside ``field_names``: fields with defaults that are left out. Raises ``ValueError`` where the names
    are not those of the class's fields; a class that is a container already becomes one anew, with a warning.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass
        ... class Point:
        ...     x: int
        ...     y: int
        >>> register_dataclass(Point)
        >>> tree_map(lambda n: n + 1, Point(0, 1)) == Point(1, 2)
        True
    """
    import dataclasses

    dropped = drop_field_names or []
    if dataclasses.is_dataclass(cls):
        initial = [field.name for field in dataclasses.fields(cls) if field.init]
        names = initial if field_names is None else field_names
        if field_names is not None and set(initial) != {*names, *dropped}:
            raise ValueError(
                f"register_dataclass: field_names ({sorted(names)}) and drop_field_names ({sorted(dropped)}) must together be "
                f"the fields of {cls.__name__} that __init__ takes: {initial}"
            )
    elif field_names is None:
        raise ValueError(f"register_dataclass: {cls} is no dataclass; name its fields with field_names")
    else:
        names = field_names

    def parts(obj: Any) -> tuple[list[Any], Any]:
        present = [(name, getattr(obj, name)) for name in names if getattr(obj, name) is not None]
        absent = [name for name in names if getattr(obj, name) is None]
        return [value for _, value in present], ([name for name, _ in present], absent)

    def keyed(obj: Any) -> tuple[list[Any], Any]:
        values, context = parts(obj)
        return [(GetAttrKey(k), v) for k, v in zip(context[0], values, strict=True)], context

    def rebuilt(values: Iterable[Any], context: Any) -> Any:
        return cls(**dict(zip(context[0], values, strict=True)), **dict.fromkeys(context[1]))

    if SUPPORTED_NODES.pop(cls, None) is not None:
        import warnings

        warnings.warn(
            f"{cls} is already registered as pytree node. Overwriting the previous registration.",
            stacklevel=2,
        )
    register_pytree_node(
        cls, parts, rebuilt, serialized_type_name=serialized_type_name, flatten_with_keys_fn=keyed
    )


_register_pytree_node = register_pytree_node
_private_register_pytree_node = register_pytree_node


def register_constant(cls: type) -> None:
    """Make the instances of a class constants: containers without parts."""
    register_pytree_node(cls, lambda value: ([], value), lambda _, value: value)


def is_namedtuple_class(cls: Any) -> bool:
    """Whether a class is a named tuple's."""
    return (
        isinstance(cls, type) and issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple)
    )


def is_namedtuple(obj: Any) -> bool:
    """Whether an object, or a class, is a named tuple('s)."""
    return is_namedtuple_class(obj if isinstance(obj, type) else type(obj))


def is_namedtuple_instance(obj: Any) -> bool:
    """Whether an object is a named tuple."""
    return is_namedtuple_class(type(obj))


def _get_node_type(tree: Any) -> Any:
    kind = type(tree)
    if kind not in SUPPORTED_NODES and is_namedtuple_class(kind):
        return _named_tuple_class()
    return kind


def _is_leaf(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    return (is_leaf is not None and is_leaf(tree)) or _get_node_type(tree) not in SUPPORTED_NODES


class TreeSpec:
    """The structure of a nested value. ``type`` is None for a leaf.

    Example:
        >>> tree_structure([1, {"a": 2}])
        TreeSpec(list, None, [*,
          TreeSpec(dict, ['a'], [*])])
    """

    __slots__ = ("_children", "context", "num_children", "num_leaves", "num_nodes", "type")

    def __init__(self, type: Any, context: Any, children_specs: list[TreeSpec]) -> None:
        self.type, self.context, self._children = type, context, children_specs
        self.num_children = len(children_specs)
        self.num_nodes: int = 1 + sum([child.num_nodes for child in children_specs])
        self.num_leaves: int = 1 if type is None else sum([child.num_leaves for child in children_specs])

    @property
    def children_specs(self) -> list[TreeSpec]:
        """The parts' structures."""
        return self._children

    def children(self) -> list[TreeSpec]:
        """The parts' structures."""
        return list(self._children)

    def child(self, index: int) -> TreeSpec:
        """One part's structure."""
        return self._children[index]

    def is_leaf(self) -> bool:
        """Whether this is a leaf."""
        return self.type is None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TreeSpec):
            return NotImplemented
        return (self.type, self.context, self._children) == (other.type, other.context, other._children)

    def __hash__(self) -> int:
        return hash((self.type, self.num_nodes, str(self.context), tuple(self._children)))

    def __repr__(self) -> str:
        return self._text(2)

    def _text(self, indent: int) -> str:
        if self.type is None:
            return "*"
        name = getattr(self.type, "__name__", self.type)
        parts = (",\n" + " " * indent).join([child._text(indent + 2) for child in self._children])
        return f"TreeSpec({name}, {self.context}, [{parts}])"

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """The parts of ``tree`` where this structure has leaves. Raises ``ValueError`` where the two differ."""
        parts: list[Any] = []
        self._collect(tree, parts)
        return parts

    def _collect(self, tree: Any, parts: list[Any]) -> None:
        if self.type is None:
            parts.append(tree)
            return
        kind = _get_node_type(tree)
        dicts = (dict, OrderedDict, defaultdict)
        if kind is not self.type and not (kind in dicts and self.type in dicts):
            raise ValueError(f"Type mismatch; expected {self.type!r}, but got {kind!r}.")
        children, context = SUPPORTED_NODES[kind].flatten_fn(tree)
        if len(children) != self.num_children:
            raise ValueError(
                f"Node arity mismatch; expected {self.num_children}, but got {len(children)} in {type(tree).__name__}."
            )
        if kind in dicts:
            own = self.context[1] if self.type is defaultdict else self.context
            if set(own) != set(tree):
                raise ValueError(f"Node keys mismatch; expected {own!r}, but got {list(tree)!r}.")
            children = [tree[key] for key in own]
        elif context != self.context:
            raise ValueError(f"Node context mismatch; expected {self.context!r}, but got {context!r}.")
        for child, inside in zip(self._children, children, strict=True):
            child._collect(inside, parts)

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The nested value with these leaves. Raises ``ValueError`` for another number of them."""
        leaves = list(leaves)
        if len(leaves) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(leaves)} but the spec refers to a pytree that "
                f"holds {self.num_leaves} items ({self})."
            )
        return self._built(iter(leaves))

    def _built(self, leaves: Any) -> Any:
        if self.type is None:
            return next(leaves)
        return SUPPORTED_NODES[self.type].unflatten_fn(
            [child._built(leaves) for child in self._children], self.context
        )


class LeafSpec(TreeSpec):
    """The structure of a leaf."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(None, None, [])


_LEAF: Final = LeafSpec()


def treespec_leaf() -> TreeSpec:
    """The structure of a leaf."""
    return _LEAF


def tree_is_leaf(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether a value has no parts; ``is_leaf`` may say so of more."""
    return _is_leaf(tree, is_leaf)


def _flattened(tree: Any, leaves: list[Any], is_leaf: Callable[[Any], bool] | None) -> TreeSpec:
    kind = _get_node_type(tree)
    if kind not in SUPPORTED_NODES or (is_leaf is not None and is_leaf(tree)):
        leaves.append(tree)
        return _LEAF
    children, context = SUPPORTED_NODES[kind].flatten_fn(tree)
    return TreeSpec(kind, context, [_flattened(child, leaves, is_leaf) for child in children])


def tree_flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], TreeSpec]:
    """The leaves of a nested value, and its structure.

    Example:
        >>> tree_flatten({"a": 1, "b": (2, [3])})[0]
        [1, 2, 3]
    """
    leaves: list[Any] = []
    return leaves, _flattened(tree, leaves, is_leaf)


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> Any:
    """The nested value of a structure with these leaves. Raises ``TypeError`` for what is no structure."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            f"tree_unflatten(leaves, treespec): Expected `treespec` to be instance of TreeSpec but got item of type "
            f"{type(treespec)}."
        )
    return treespec.unflatten(leaves)


def tree_iter(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Iterable[Any]:
    """The leaves, one after the other."""
    yield from tree_flatten(tree, is_leaf)[0]


def tree_leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves of a nested value."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeSpec:
    """The structure of a nested value."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Any, tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """``tree`` with ``func`` of each leaf, and of what ``rests`` have in its place.

    Example:
        >>> tree_map(lambda a, b: a + b, {"x": 1, "y": (2,)}, {"x": 10, "y": (20,)})
        {'x': 11, 'y': (22,)}
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    return spec.unflatten(map(func, leaves, *[spec.flatten_up_to(rest) for rest in rests]))


def tree_map_(func: Any, tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """Call ``func`` for each leaf; returns ``tree`` itself."""
    leaves, spec = tree_flatten(tree, is_leaf)
    deque(map(func, leaves, *[spec.flatten_up_to(rest) for rest in rests]), maxlen=0)
    return tree


def map_only(type_or_types_or_pred: Any, /) -> Any:
    """A decorator: the function is applied to values of the given types (or for which a predicate says so)."""
    chooses = type_or_types_or_pred
    if isinstance(chooses, type | tuple) or not callable(chooses):
        kinds = chooses

        def chooses(x: Any) -> bool:
            return isinstance(x, kinds)

    def decorate(function: Any) -> Any:
        def applied(x: Any) -> Any:
            return function(x) if chooses(x) else x

        return applied

    return decorate


def tree_map_only(
    type_or_types_or_pred: Any, /, func: Any, tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """``tree`` with ``func`` of each leaf of the given types; the others stay."""
    return tree_map(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_map_only_(kinds: Any, /, func: Any, tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """Call ``func`` for each leaf of the given types; returns ``tree`` itself."""
    return tree_map_(map_only(kinds)(func), tree, is_leaf=is_leaf)


def tree_all(pred: Any, tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether ``pred`` holds for all leaves."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Any, tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether ``pred`` holds for a leaf."""
    return any(map(pred, tree_leaves(tree, is_leaf)))


def tree_all_only(kinds: Any, /, pred: Any, tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether ``pred`` holds for all leaves of the given types."""
    return all(pred(leaf) for leaf in tree_leaves(tree, is_leaf) if isinstance(leaf, kinds))


def tree_any_only(kinds: Any, /, pred: Any, tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether ``pred`` holds for a leaf of the given types."""
    return any(pred(leaf) for leaf in tree_leaves(tree, is_leaf) if isinstance(leaf, kinds))


def _broadcast_to_and_flatten(
    tree: Any, treespec: TreeSpec, is_leaf: Callable[[Any], bool] | None = None
) -> list[Any] | None:
    """For each leaf of the structure what ``tree``, whose leaves may stand for parts, has there; None if it does not fit."""
    if _is_leaf(tree, is_leaf):
        return [tree] * treespec.num_leaves
    kind = _get_node_type(tree)
    if treespec.is_leaf() or kind != treespec.type:
        return None
    children, context = SUPPORTED_NODES[kind].flatten_fn(tree)
    if len(children) != treespec.num_children or context != treespec.context:
        return None
    result: list[Any] = []
    for child, spec in zip(children, treespec.children_specs, strict=True):
        leaves = _broadcast_to_and_flatten(child, spec, is_leaf)
        if leaves is None:
            return None
        result += leaves
    return result


def _with_paths(tree: Any, path: tuple[Any, ...], found: list[Any], is_leaf: Any) -> None:
    if _is_leaf(tree, is_leaf):
        found.append((path, tree))
        return
    node = SUPPORTED_NODES[_get_node_type(tree)]
    if node.flatten_with_keys_fn is None:
        raise ValueError(
            f"Did not find a flatten_with_keys_fn for type: {node.type}. Please pass a flatten_with_keys_fn argument to "
            "register_pytree_node."
        )
    for key, child in node.flatten_with_keys_fn(tree)[0]:
        _with_paths(child, (*path, key), found, is_leaf)


def tree_leaves_with_path(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves, each with the keys that lead to it."""
    found: list[Any] = []
    _with_paths(tree, (), found, is_leaf)
    return found


def tree_flatten_with_path(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> tuple[list[Any], TreeSpec]:
    """The leaves, each with the keys that lead to it, and the structure."""
    return tree_leaves_with_path(tree, is_leaf), tree_structure(tree, is_leaf)


def tree_map_with_path(
    func: Any, tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """``tree`` with ``func(path, leaf, ...)`` for each leaf."""
    leaves, spec = tree_flatten_with_path(tree, is_leaf)
    others = [spec.flatten_up_to(rest) for rest in rests]
    return spec.unflatten(
        [func(path, leaf, *rest) for (path, leaf), *rest in zip(leaves, *others, strict=True)]
    )


def keystr(kp: Iterable[Any]) -> str:
    """A path as text: ``['a'][0]``."""
    return "".join([str(key) for key in kp])


def key_get(obj: Any, kp: Iterable[Any]) -> Any:
    """The part of ``obj`` that a path leads to."""
    for key in kp:
        obj = key.get(obj)
    return obj
