"""History: the nodes of the graph that backward walks.

Every tensor that needs a gradient has a node. A leaf has a ``LeafNode``, which collects the gradient; the result of an
operation has a ``Node``, which turns its result's gradient into its inputs' by the operation's ``vjp``; one of several
results of an operation has an ``OutputNode``, which only remembers which one it is. ``edges`` lead from a node to the
nodes of the inputs (``None`` for inputs that need no gradient), so the engine deals in nodes alone and tensors that no
vjp asked to keep are free to go.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from .dtypes import OF_NUMPY
from .shapes import Size
from .storage import Site, Storage, describe_site
from .switch import Switch

if TYPE_CHECKING:
    from .tensor import Tensor

Array = NDArray[Any]
Edge = "Node | None"


class _Released:
    """Stands in ``saved`` once backward has let the saved values go."""

    def __repr__(self) -> str:
        return "<released>"


RELEASED: Final = _Released()
# Inputs that never have a gradient (numbers, masks, indices): PyTorch's nodes have no edge for them, and programs that
# walk ``next_functions`` by position count on that.
_HIDDEN_EDGES: Final[dict[str, tuple[int, ...]]] = {
    "BinaryCrossEntropyWithLogitsBackward0": (2, 3), "ClampBackward1": (1, 2), "EmbeddingBackward0": (1,),
    "FmodBackward0": (1,), "GatherBackward0": (1,), "IndexAddBackward0": (2,), "IndexBackward0": tuple(range(1, 16)),
    "IndexCopyBackward0": (2,), "IndexSelectBackward0": (1,), "MaskedFillBackward0": (1, 2), "MmBackward0": (0,),
    "NllLossBackward0": (1, 2), "NllLoss2DBackward0": (1, 2), "PowBackward2": (0,), "RemainderBackward0": (1,),
    "RsubBackward1": (0,), "ScatterAddBackward0": (2,), "ScatterBackward0": (2,), "WhereBackward0": (0,),
}  # fmt: skip
# Nodes are numbered as they are made, by twos: the odd numbers are for the results of the node before.
_next_order = itertools.count(0, 2).__next__


def next_order() -> int:
    """A number below those of all nodes that are made from now on, and above those of all before."""
    return _next_order()


class NamedByNode:
    """A record's ``grad_name`` that follows from its node: from the result's shape, or from which inputs there are."""

    def __init__(self, name_of: Callable[[Node], str]) -> None:
        self.name_of = name_of


class Node:
    """One recorded operation.

    ``operation`` is the record (it has ``name`` and ``vjp(gradient, node) -> gradients, one for each edge``), ``saved``
    the inputs that the vjp asked for with the versions that they had, ``attrs`` the operation's parameters, and
    ``shape``/``dtype`` those of the result, to which the engine brings every incoming gradient. ``order`` grows with every
    node that is made, so it is larger than that of every node that can be reached through ``edges``.

    Nodes are made by calling the class, never around ``__init__``: that is where anomaly detection and saved-tensor
    hooks see them (``NODE_INIT``).
    """

    __slots__ = (
        "__dict__", "__weakref__", "attrs", "dtype", "edges", "operation", "order", "output", "saved", "shape",
        "site", "special", "versions",
    )  # fmt: skip
    operation: Any
    order: int
    edges: tuple[Node | None, ...]
    saved: Any
    versions: tuple[int, ...] | None
    attrs: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    site: Site | None
    output: tuple[Array, Storage, int] | None  # the saved result: not the tensor, which would be a cycle

    special: bool  # whether the engine must look at the extras below

    # Rare extras live in __dict__; these defaults are what nearly every node has.
    pre_hooks: dict[int, Callable[[Any], Any]] | None = None  # of the tensor: register_hook
    node_pre_hooks: dict[int, Callable[[Any], Any]] | None = None
    post_hooks: dict[int, Callable[[Any, Any], Any]] | None = None
    retain_into: weakref.ref[Tensor] | None = None
    traceback: str | None = None  # of the forward operation, under detect_anomaly
    caused_by: Node | None = None  # under detect_anomaly: the node whose backward recorded this one
    outputs: tuple[Any, ...] | None = None  # of several results, each one's shape and dtype
    accepts_none: bool = False  # whether the vjp must be called even if no gradient arrived
    known_as: str | None = None  # PyTorch's name of a composite, on the last node of ours

    def __init__(
        self,
        operation: Any,
        edges: tuple[Node | None, ...],
        array: Array,
        saved: Any = None,
        attrs: Any = None,
        site: Site | None = None,
        versions: tuple[int, ...] | None = None,
    ) -> None:
        self.operation = operation
        self.edges = edges
        self.shape = array.shape
        self.dtype = array.dtype
        self.saved = saved
        self.versions = versions
        self.attrs = attrs
        self.site = site
        self.output = None
        self.special = False
        self.order = _next_order()

    def unpack(self) -> tuple[Any, ...]:
        """The saved inputs, then the saved result, checked against changes in place since they were saved."""
        saved = self.saved
        if saved is RELEASED:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved tensors after they have already "
                "been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). "
                "Specify retain_graph=True if you need to backward through the graph a second time or if you need to access "
                f"saved tensors after calling backward. (What is missing was saved by '{self.operation.name}'.)"
            )
        values: tuple[Any, ...] = ()
        if saved is not None:
            versions = self.versions
            for i, value in enumerate(saved):
                if value.__class__ in _WITHOUT_STORAGE:
                    continue
                storage = value._storage
                if storage is not None and storage.version != (0 if versions is None else versions[i]):
                    raise self._changed(storage, 0 if versions is None else versions[i], value._array)
            values = saved
        if self.output is not None:
            array, storage, version = self.output
            if storage.version != version:
                raise self._changed(storage, version, array)
            values = (*values, _tensor_with_history(array, self, storage))
        return values

    def _changed(self, storage: Storage, version: int, array: Array) -> RuntimeError:
        saved_at = f" at {describe_site(self.site)}" if self.site is not None else ""
        return RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace operation: "
            f"a tensor of shape {list(array.shape)} that '{self.operation.name}' saved for backward{saved_at} is at "
            f"version {storage.version}; expected version {version} instead. It was last changed by "
            f"'{storage.changed_by}' at {describe_site(storage.changed_at)}. Use the out-of-place form there, or clone() first."
        )

    def release(self) -> None:
        """Let the saved values go; using them again raises."""
        if self.saved is not None or self.output is not None:
            self.saved = RELEASED
            self.output = None

    # PyTorch's public face of grad_fn.

    def name(self) -> str:
        """The node's name in PyTorch's style, such as ``"AddBackward0"``."""
        if self.known_as is not None:
            return self.known_as
        given: Any = getattr(self.operation, "grad_name", None)
        if isinstance(given, NamedByNode):
            given = given.name_of(self)
        elif callable(given):  # PyTorch numbers the overloads of one operation: SumBackward0, SumBackward1
            given = given(self.attrs)
        return given if given is not None else grad_name_of(self.operation.name)

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """The nodes of the inputs, each with the number of the result that was used."""
        hidden = _HIDDEN_EDGES.get(self.name(), ())
        return tuple(
            [
                (named_by_class(edge.parent), edge.index)
                if isinstance(edge, OutputNode)
                else (named_by_class(edge), 0)
                for position, edge in enumerate(self.edges)
                if edge is not None or position not in hidden
            ]
        )

    @property
    def _input_metadata(self) -> tuple[GradientMetadata, ...]:
        """For each gradient that this node gets, what it is like."""
        kinds = ((self.shape, self.dtype),) if self.outputs is None else self.outputs
        return tuple([GradientMetadata(*kind) for kind in kinds if kind is not None])

    @property
    def metadata(self) -> dict[str, Any]:
        """A dictionary for the user's own notes on this node."""
        return self.__dict__.setdefault("_metadata", {})  # type: ignore[no-any-return]

    def register_hook(self, fn: Callable[[Any, Any], Any]) -> RemovableHandle:
        """Call ``fn(grad_inputs, grad_outputs)`` after this node ran; a returned tuple replaces ``grad_inputs``."""
        if self.post_hooks is None:
            self.post_hooks = {}
        self.special = True
        return RemovableHandle(self.post_hooks, fn)

    def register_prehook(self, fn: Callable[[Any], Any]) -> RemovableHandle:
        """Call ``fn(grad_outputs)`` before this node runs; a returned tuple replaces ``grad_outputs``."""
        if self.node_pre_hooks is None:
            self.node_pre_hooks = {}
        self.special = True
        return RemovableHandle(self.node_pre_hooks, fn)

    def add_pre_hook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call ``hook(grad)`` with the result's gradient; what it returns (unless None) takes its place."""
        if self.pre_hooks is None:
            self.pre_hooks = {}
        self.special = True
        return RemovableHandle(self.pre_hooks, hook)

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_saved_", "_raw_saved_")):
            return SAVED_BY_NAME[0](self, name)
        raise AttributeError(f"'{self.name()}' object has no attribute '{name}'", name=name, obj=self)

    def __repr__(self) -> str:
        return f"<{self.name().rpartition(':')[2]} object at {id(self):#x}>"


# How `node._saved_self` and the like are found; ``autograd.saved_tensors`` says it.
SAVED_BY_NAME: Final[list[Callable[[Node, str], Any]]] = []


class GradientMetadata:
    """What a gradient that arrives at a node is like."""

    is_nested_tensor = is_cpp_nested_tensor = False

    def __init__(self, shape: tuple[int, ...], kind: np.dtype[Any]) -> None:
        self.shape = Size(shape)
        self.dtype = OF_NUMPY[kind]


_named_classes: Final[dict[str, type[Node]]] = {}


def named_by_class(node: Node | None) -> Node | None:
    """``node``, which from now on is of a class with its name: programs print ``type(y.grad_fn)``."""
    if node.__class__ is Node and node is not None:
        name = node.name()
        if name not in _named_classes:
            _named_classes[name] = type(
                name.rpartition(":")[2], (Node,), {"__slots__": (), "__module__": "builtins"}
            )
        node.__class__ = _named_classes[name]
    return node


LEAF_ORDER: Final = 1 << 62  # leaves come first whenever they are ready


class _Named:
    def __init__(self, name: str, grad_name: str) -> None:
        self.name = name
        self.grad_name = grad_name


AS_THE_LEAF: Final = object()


class LeafNode(Node):
    """Collects the gradient of a leaf; made when the leaf starts to require one.

    It holds its tensor weakly: a leaf that nothing else holds can be reached by nobody, and the cycle would keep its
    memory until the garbage collector runs.
    """

    __slots__ = ("tensor_ref",)
    _operation = _Named("leaf", "torch::autograd::AccumulateGrad")

    post_accumulate_hooks: dict[int, Callable[[Any], Any]] | None = None
    # The dtype that gradients are brought to, where the program asked for another than the leaf's; None for any.
    grad_dtype: Any = AS_THE_LEAF

    def __init__(self, tensor: Tensor) -> None:
        array = tensor._array
        self.operation = self._operation
        self.edges = ()
        self.shape = array.shape
        self.dtype = array.dtype
        self.saved = self.versions = self.attrs = self.site = self.output = None
        self.special = False
        self.order = LEAF_ORDER
        self.tensor_ref = weakref.ref(tensor)

    @property
    def variable(self) -> Tensor | None:
        """The leaf tensor."""
        return self.tensor_ref()


LeafNode.__name__ = LeafNode.__qualname__ = "AccumulateGrad"  # programs print type(node).__name__


class UntrackedNode(LeafNode):
    """The history of a view that was taken, without recording, of a tensor that requires grad.

    As in PyTorch such a view requires grad itself, but no gradient arrives anywhere through it.
    """

    __slots__ = ()


class OutputNode(Node):
    """Result number ``index`` of the operation that ``parent`` recorded."""

    __slots__ = ("index", "parent")
    _operation = _Named("output", "Output")

    def __init__(self, parent: Node, index: int, array: Array) -> None:
        self.operation = self._operation
        self.parent = parent
        self.index = index
        self.edges = (parent,)
        self.shape = array.shape
        self.dtype = array.dtype
        self.saved = self.versions = self.attrs = self.site = self.output = None
        self.special = True  # the engine has to collect the gradients of all results
        self.order = parent.order + 1


_GIVEN_LATER: Final = object()


class RemovableHandle:
    """Removes a hook: ``handle.remove()``, or leave its ``with`` block.

    Libraries that keep hooks of their own make one of their table alone, and put the hook into it under ``handle.id``;
    ``extra_dict`` is a table, or a list of them, that the hook is also taken out of.
    """

    next_id = 0

    def __init__(
        self,
        hooks: dict[int, Any],
        hook: Any = _GIVEN_LATER,
        extra: tuple[Any, ...] = (),
        *,
        extra_dict: Any = None,
    ) -> None:
        RemovableHandle.next_id += 1
        self.id = RemovableHandle.next_id
        self.hooks = hooks
        if extra_dict is not None:
            extra = tuple(extra_dict) if isinstance(extra_dict, list) else (extra_dict,)
        self.extra = extra
        if hook is not _GIVEN_LATER:
            hooks[self.id] = hook

    def remove(self) -> None:
        """Take the hook away; doing it twice is harmless."""
        self.hooks.pop(self.id, None)
        for table in self.extra:
            table.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def known_as(result: Tensor, name: str) -> Tensor:
    """``result``, whose ``grad_fn`` bears ``name``: that of the operation which PyTorch has for what is a composite here."""
    node = result._node
    if type(node) is OutputNode:
        node = node.parent
    if node is not None and node.edges:
        node.known_as = name
    return result


def grad_name_of(name: str) -> str:
    """``"log_softmax"`` → ``"LogSoftmaxBackward0"``, as PyTorch names its nodes."""
    return "".join(part.capitalize() for part in name.split("_")) + "Backward0"


def versions_of(saved: tuple[Any, ...]) -> tuple[int, ...] | None:
    """The versions of what an operation saves; None, the usual case, when all are at 0."""
    versions = tuple(
        [0 if v.__class__ in _WITHOUT_STORAGE or v._storage is None else v._storage.version for v in saved]
    )
    return versions if any(versions) else None


def _tensor_with_history(array: Array, node: Node, storage: Storage) -> Tensor:
    from .tensor import make_tensor  # tensor.py imports this module

    tensor = make_tensor(array, node)
    tensor._storage = storage
    return tensor


# What an operation saves beside tensors: numbers given in place of a tensor, and holes where nothing is needed.
_WITHOUT_STORAGE: Final = frozenset((int, float, bool, complex, type(None)))

# Called with every new node while they are watched (see ``watch_nodes``).
_OBSERVERS: Final[list[Callable[[Node], None]]] = []


def _observed_init(
    self: Node,
    operation: Any,
    edges: tuple[Node | None, ...],
    array: Array,
    saved: Any = None,
    attrs: Any = None,
    site: Site | None = None,
    versions: tuple[int, ...] | None = None,
) -> None:
    NODE_INIT.original(self, operation, edges, array, saved, attrs, site, versions)
    for observer in tuple(_OBSERVERS):
        observer(self)


NODE_INIT: Final = Switch(Node.__init__, _observed_init)


def watch_nodes(observer: Callable[[Node], None]) -> None:
    """Call ``observer(node)`` with every node that is recorded from now on, in every thread."""
    _OBSERVERS.append(observer)
    NODE_INIT.turn_on()


def unwatch_nodes(observer: Callable[[Node], None]) -> None:
    """Undo one ``watch_nodes``."""
    if observer in _OBSERVERS:
        _OBSERVERS.remove(observer)
        NODE_INIT.turn_off()
