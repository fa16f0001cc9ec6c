"""The graph: operations and tensors that say what to compute, and hold no values.

An operation is never changed once it is made, so whatever was derived from it (a slice, a compiled step) stays true as
the graph grows. ``function`` turns Rushlight tensors into Rushlight tensors; an operation that needs the session (it
reads a variable, draws random numbers, runs a block of other operations) has ``bind`` instead, which makes that function.
"""

from __future__ import annotations

import contextlib
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from .dtypes import DType
from .graph_keys import GraphKeys
from .placement import Scope, as_scope, asked_for
from .tensor_shape import UNKNOWN, TensorShape, as_shape

Function = Callable[..., Any]
_OWN_FOLDER: Final = __file__.rpartition("graph.py")[0]
_SCOPE_NAME: Final = re.compile(r"^[A-Za-z0-9_.\\\-/]*$")
_OP_NAME: Final = re.compile(r"^[A-Za-z0-9.][A-Za-z0-9_.\\\-/]*$")


class Operand:
    """What an expression can be built from, a tensor or a variable: ``ops_math`` gives it the operators."""

    __slots__ = ()
    __array_priority__ = 100  # NumPy leaves `array + operand` to the operand

    def __bool__(self) -> bool:
        raise TypeError(
            "Using a `tf.Tensor` as a Python `bool` is not allowed. Use `if t is not None:` instead of `if t:` to test "
            "if a tensor is defined, and use TensorFlow ops such as tf.cond to execute subgraphs conditioned on the value "
            "of a tensor."
        )

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(
            "Tensor objects are only iterable when eager execution is enabled. To iterate over this tensor use tf.map_fn."
        )

    def __len__(self) -> int:
        raise TypeError(f"object of type {type(self).__name__!r} has no len()")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        name = getattr(self, "name", "?")
        raise NotImplementedError(f"Cannot convert a symbolic Tensor ({name}) to a numpy array.")

    if TYPE_CHECKING:
        # Bound by ops_math and ops_indexing.
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __getitem__(self, index: Any) -> Tensor: ...


class Tensor(Operand):
    """One result of an operation: a name, a type and what is known of the shape, but no value.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default():
        ...     print(tf.placeholder(tf.float32, [None, 3], name="x"))
        Tensor("x:0", shape=(?, 3), dtype=float32)
    """

    __slots__ = ("__weakref__", "_dtype", "_shape", "op", "value_index")

    def __init__(self, op: Operation, value_index: int, dtype: DType, shape: TensorShape) -> None:
        self.op: Final = op
        self.value_index: Final = value_index
        self._dtype = dtype
        self._shape = shape

    @property
    def name(self) -> str:
        """The operation's name and which of its results this is, as in ``"add:0"``."""
        return f"{self.op.name}:{self.value_index}"

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._dtype

    @property
    def shape(self) -> TensorShape:
        """What is known of the shape."""
        return self._shape

    @property
    def graph(self) -> Graph:
        """The graph that this belongs to."""
        return self.op.graph

    @property
    def device(self) -> str:
        """The device that was asked for; "" if none was."""
        return self.op.device

    def get_shape(self) -> TensorShape:
        """What is known of the shape."""
        return self._shape

    def set_shape(self, shape: Any) -> None:
        """Add what is known of the shape; ``ValueError`` if that contradicts what was known."""
        self._shape = self._shape.merge_with(shape)

    def consumers(self) -> list[Operation]:
        """The operations that take this tensor."""
        return [op for op in self.graph.get_operations() if any(tensor is self for tensor in op.inputs)]

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """This tensor's value, from ``session`` or the default session."""
        return _session_for(session, self.graph, "Cannot evaluate tensor using `eval()`", "eval").run(
            self, feed_dict
        )

    def __repr__(self) -> str:
        return f"<tf.Tensor {self.name!r} shape={self._shape} dtype={self._dtype.name}>"

    def __str__(self) -> str:
        shape = "" if self._shape.extents is None else f", shape={self._shape}"
        device = f", device={self.device}" if self.device else ""
        return f'Tensor("{self.name}"{shape}, dtype={self._dtype.name}{device})'

    # TF 1 tensors compare, and hash, by identity.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


def _session_for(session: Any, graph: Graph, refused: str, method: str) -> Any:
    if session is None:
        session = get_default_session()
        if session is None:
            raise ValueError(
                f"{refused}: No default session is registered. Use `with sess.as_default()` or pass an explicit session "
                f"to `{method}(session=sess)`"
            )
        if session.graph is not graph:
            raise ValueError(
                f"{refused}: The default session's graph is different from the graph of what is to be run. Pass an "
                f"explicit session to `{method}(session=sess)`."
            )
    elif session.graph is not graph:
        raise ValueError(
            f"{refused}: The given session's graph is different from the graph of what is to be run."
        )
    return session


class Operation:
    """One step of the computation that a graph describes."""

    __slots__ = (
        "__weakref__",
        "attributes",
        "bind",
        "block",
        "control_inputs",
        "defined_at",
        "device",
        "function",
        "graph",
        "inputs",
        "name",
        "number",
        "outputs",
        "type",
        "writes",
    )

    def __init__(
        self,
        graph: Graph,
        name: str,
        type: str,
        inputs: tuple[Tensor, ...],
        results: Sequence[tuple[DType, TensorShape]],
        function: Function | None,
        bind: Callable[[Any], Function] | None,
        control_inputs: tuple[Operation, ...],
        writes: tuple[Any, ...],
        attributes: dict[str, Any],
    ) -> None:
        self.graph: Final = graph
        self.name: Final = name
        self.type: Final = type
        self.inputs: Final = inputs
        self.outputs: Final = [Tensor(self, i, dtype, shape) for i, (dtype, shape) in enumerate(results)]
        self.function: Final = function
        self.bind: Final = bind
        self.control_inputs: Final = control_inputs
        self.writes: Final = writes  # the variables whose values it changes
        self.attributes: Final = attributes
        self.block: Final = graph.block
        self.device = ""  # what was asked for: see ``placement``
        self.number: Final = graph.next_number()
        self.defined_at: Final = _place_in_program()

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Run this operation in ``session`` or the default session."""
        _session_for(session, self.graph, "Cannot execute operation using `run()`", "run").run(
            self, feed_dict
        )

    @property
    def op_def_type(self) -> str:
        """The kind of the operation."""
        return self.type

    @property
    def node_def(self) -> Any:
        """The operation as a file shows it: ``name``, ``op`` (its kind), ``input`` and ``device``."""
        from .meta_graph import NodeDef

        return NodeDef.of(self)

    def values(self) -> tuple[Tensor, ...]:
        """The results."""
        return tuple(self.outputs)

    def colocation_groups(self) -> list[bytes]:
        """The names of the operations that this one is on one device with: its own, if it was not asked to follow another."""
        return self.attributes.get("_class") or [b"loc:@" + self.name.encode()]

    def get_attr(self, name: str) -> Any:
        """One of the operation's parameters; ``ValueError`` if there is none of that name."""
        if name not in self.attributes:
            raise ValueError(f"Operation {self.name!r} has no attr named {name!r}.")
        return self.attributes[name]

    def __repr__(self) -> str:
        return f"<tf.Operation {self.name!r} type={self.type}>"

    def __str__(self) -> str:
        lines = [f'name: "{self.name}"', f'op: "{self.type}"']
        lines += [f'input: "{tensor.op.name}"' for tensor in self.inputs]
        lines += [f'input: "^{op.name}"' for op in self.control_inputs]
        if self.device:
            lines.append(f'device: "{self.device}"')
        return "\n".join(lines)


def _place_in_program() -> str:
    """``file:line`` of the program's line that made an operation, for messages."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(_OWN_FOLDER) and frame.f_back is not None:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


class Block:
    """The operations of one branch or loop body. They run when the operation that has the block says so."""

    __slots__ = ("name", "outer")

    def __init__(self, name: str, outer: Block | None) -> None:
        self.name: Final = name
        self.outer: Final = outer

    def holds(self, op: Operation) -> bool:
        """Whether ``op`` is inside, at any depth."""
        block = op.block
        while block is not None and block is not self:
            block = block.outer
        return block is self


class Graph:
    """A set of operations, with names, collections and the scopes that are open now.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> graph = tf.Graph()
        >>> with graph.as_default():
        ...     total = tf.add(1.0, 2.0, name="total")
        >>> graph.get_tensor_by_name("total:0") is total
        True
    """

    def __init__(self) -> None:
        self._operations: dict[str, Operation] = {}
        self._names_in_use: dict[str, int] = {}
        self._collections: dict[Any, list[Any]] = {}
        self._name_scope = ""
        self._control_inputs: tuple[Operation, ...] = ()
        self._next_number = 0
        self._finalized = False
        self.block: Block | None = None
        self._devices: tuple[Scope, ...] = ()
        self._colocated: tuple[Operation, ...] = ()
        self.seed: int | None = None
        self.variable_store: Any = None  # variable_scope keeps its table of get_variable's names here
        self.variables_by_op: dict[Operation, Any] = {}

    # --- making operations ---

    def create_op(
        self,
        type: str,
        inputs: Sequence[Tensor],
        results: Sequence[tuple[DType, TensorShape]],
        function: Function | None = None,
        *,
        bind: Callable[[Any], Function] | None = None,
        name: str | None = None,
        control_inputs: Sequence[Operation] = (),
        writes: Sequence[Any] = (),
        attributes: dict[str, Any] | None = None,
    ) -> Operation:
        """Add an operation. A ``name`` that ends in a slash is taken as it is; any other is made unique.

        Raises:
            RuntimeError: if the graph is finalized.
            ValueError: if an input belongs to another graph or the name is not allowed.
        """
        if self._finalized:
            raise RuntimeError("Graph is finalized and cannot be modified.")
        first = inputs[0] if inputs else None
        for tensor in inputs:
            if tensor.graph is not self:
                if first is not None and first.graph is self:
                    raise ValueError(f"{tensor} must be from the same graph as {first}.")
                raise ValueError(
                    f"{tensor} is not from the graph that the operation {name or type!r} is made in."
                )
        name = name or type
        full_name = name[:-1] if name.endswith("/") else self.unique_name(name)
        if not _OP_NAME.match(full_name):
            raise ValueError(f"'{full_name}' is not a valid node name")
        controls = dict.fromkeys((*self._control_inputs, *control_inputs))
        op = Operation(
            self,
            full_name,
            type,
            tuple(inputs),
            results,
            function,
            bind,
            # What a branch or body waits for outside itself, the operation that runs it waits for.
            tuple([control for control in controls if control.block is self.block]),
            tuple(writes),
            attributes or {},
        )
        if self._devices:
            asked_for(self._devices, op)
        if self._colocated:
            self._colocate(op)
        self._operations[full_name] = op
        return op

    def next_number(self) -> int:
        """The number of the next operation: operations are numbered as they are made."""
        self._next_number += 1
        return self._next_number

    @property
    def version(self) -> int:
        """How many operations were made; it grows whenever the graph does."""
        return self._next_number

    def unique_name(self, name: str, mark_as_used: bool = True) -> str:
        """``name`` inside the open name scopes, with ``_1``, ``_2``, … where it is taken."""
        if self._name_scope:
            name = f"{self._name_scope}/{name}"
        key = name.lower()
        count = self._names_in_use.get(key, 0)
        if mark_as_used:
            self._names_in_use[key] = count + 1
        if count:
            base = name
            while key in self._names_in_use and count:
                name = f"{base}_{count}"
                key = name.lower()
                count += 1
            if mark_as_used:
                self._names_in_use[base.lower()] = count
                self._names_in_use[key] = 1
        return name

    # --- scopes ---

    @contextlib.contextmanager
    def as_default(self) -> Iterator[Graph]:
        """Operations made in the ``with`` block go into this graph."""
        _STACKS.graphs.append(self)
        try:
            yield self
        finally:
            if _STACKS.graphs[-1] is not self:
                raise AssertionError("Nesting violated for default stack of <class 'Graph'> objects")
            _STACKS.graphs.pop()

    @contextlib.contextmanager
    def name_scope(self, name: str | None) -> Iterator[str]:
        """Names made in the block begin with ``name/``; None or ``""`` returns to no scope."""
        if (name and not _SCOPE_NAME.match(name)) or (
            name and not self._name_scope and not _OP_NAME.match(name)
        ):
            raise ValueError(f"'{name}' is not a valid scope name")
        outer = self._name_scope
        if not name:
            scope = ""
        elif name.endswith("/"):
            scope = name[:-1]
        else:
            scope = self.unique_name(name)
        self._name_scope = scope
        try:
            yield scope + "/" if scope else ""
        finally:
            self._name_scope = outer

    def get_name_scope(self) -> str:
        """The open name scopes, joined with slashes."""
        return self._name_scope

    @contextlib.contextmanager
    def control_dependencies(self, control_inputs: Sequence[Any] | None) -> Iterator[None]:
        """Operations made in the block run after all of ``control_inputs``; None forgets the outer blocks' too."""
        outer = self._control_inputs
        if control_inputs is None:
            self._control_inputs = ()
        else:
            self._control_inputs = (*outer, *[self._as_operation(item) for item in control_inputs])
        try:
            yield
        finally:
            self._control_inputs = outer

    def _as_operation(self, item: Any) -> Operation:
        element = self.as_graph_element(item)
        return element if isinstance(element, Operation) else element.op

    @contextlib.contextmanager
    def device(self, device_name_or_function: Any) -> Iterator[None]:
        """Operations made in the ``with`` block ask for this device, in the parts that no inner block names.

        A function gets each operation and returns its device. None forgets the outer blocks. Raises ``ValueError`` for a name
        that is none.
        """
        outer = self._devices
        self._devices = (*outer, as_scope(device_name_or_function))
        try:
            yield
        finally:
            self._devices = outer

    @contextlib.contextmanager
    def colocate_with(self, op: Any, ignore_existing: bool = False) -> Iterator[None]:
        """Operations made in the ``with`` block are where ``op`` is, whatever the device blocks around it say."""
        if op is None and not ignore_existing:
            raise ValueError("Trying to reset colocation (op is None) but ignore_existing is not True")
        devices, colocated = self._devices, self._colocated
        if op is not None:
            op = getattr(op, "op", op)  # a tensor, a variable
            op = op if isinstance(op, Operation) else self._as_operation(op)
        self._devices = ()
        self._colocated = (*(() if ignore_existing else colocated), *(() if op is None else (op,)))
        try:
            yield
        finally:
            self._devices, self._colocated = devices, colocated

    def _colocate(self, op: Operation) -> None:
        places = dict.fromkeys([group for other in self._colocated for group in other.colocation_groups()])
        for other in self._colocated:
            if other.device:
                op.device = other.device
        op.attributes["_class"] = sorted(places)

    @contextlib.contextmanager
    def inside(self, block: Block | None) -> Iterator[None]:
        """Operations made in the ``with`` block belong to ``block`` (None: to no branch and no loop)."""
        outer, controls = self.block, self._control_inputs
        self.block = block
        if block is None:
            self._control_inputs = ()
        try:
            yield
        finally:
            self.block, self._control_inputs = outer, controls

    def gradient_override_map(self, op_type_map: dict[str, str]) -> None:
        """Not available: gradients come from Rushlight's autograd, which has no table by operation type."""
        raise NotImplementedError(
            "gradient_override_map: gradients are Rushlight's autograd's, with no table by operation type to override; "
            "write the function that you differentiate with tf.stop_gradient"
        )

    # --- looking things up ---

    def get_operations(self) -> list[Operation]:
        """All operations, in the order in which they were made."""
        return list(self._operations.values())

    def as_graph_def(self, *args: Any, **options: Any) -> Any:
        """The operations by name, type and inputs, to be looked at: see ``tf.GraphDef``."""
        from .meta_graph import GraphDef

        return GraphDef(self)

    def get_operation_by_name(self, name: str) -> Operation:
        """The operation of that name; ``KeyError`` if there is none."""
        if not isinstance(name, str):
            raise TypeError(f"Operation names are strings (or similar), not {type(name).__name__}.")
        op = self.as_graph_element(name, allow_tensor=False)
        assert isinstance(op, Operation)
        return op

    def get_tensor_by_name(self, name: str) -> Tensor:
        """The tensor of that name, as in ``"x:0"``; ``KeyError`` if there is none, ``ValueError`` for a bad name."""
        if not isinstance(name, str):
            raise TypeError(f"Tensor names are strings (or similar), not {type(name).__name__}.")
        tensor = self.as_graph_element(name, allow_operation=False)
        assert isinstance(tensor, Tensor)
        return tensor

    def as_graph_element(
        self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True
    ) -> Tensor | Operation:
        """The tensor or operation that ``obj`` (one of them, a variable, or a name) stands for.

        Raises:
            TypeError: if ``obj`` can't stand for one.
            ValueError: if it belongs to another graph, or is not a name.
            KeyError: if there is none of that name.
        """
        allowed = " or ".join(
            [kind for kind, ok in (("Tensor", allow_tensor), ("Operation", allow_operation)) if ok]
        )
        if isinstance(obj, str):
            return self._named(obj, allow_tensor, allow_operation, allowed)
        convert = getattr(obj, "_as_graph_element", None)
        if convert is not None:
            obj = convert()
        if (isinstance(obj, Tensor) and allow_tensor) or (isinstance(obj, Operation) and allow_operation):
            if obj.graph is not self:
                text = f"Tensor {obj}" if isinstance(obj, Tensor) else f"Operation {obj!r}"
                raise ValueError(f"{text} is not an element of this graph.")
            return obj
        raise TypeError(f"Can not convert a {type(obj).__name__} into a {allowed}.")

    def _named(self, name: str, tensors: bool, operations: bool, allowed: str) -> Tensor | Operation:
        if ":" in name and tensors:
            op_name, _, index = name.rpartition(":")
            if not op_name or not index.isdigit():
                raise ValueError(
                    f"The name {name!r} looks a like a Tensor name, but is not a valid one. Tensor names must be of the "
                    'form "<op_name>:<output_index>".'
                )
            op = self._operations.get(op_name)
            if op is None:
                raise KeyError(
                    f"The name {name!r} refers to a Tensor which does not exist. The operation, {op_name!r}, does not "
                    "exist in the graph."
                )
            if int(index) >= len(op.outputs):
                raise KeyError(
                    f"The name {name!r} refers to a Tensor which does not exist. The operation, {op_name!r}, exists but "
                    f"only has {len(op.outputs)} outputs."
                )
            return op.outputs[int(index)]
        if ":" in name:
            raise ValueError(f"The name {name!r} appears to refer to a Tensor, not a {allowed}.")
        if not operations:
            if name in self._operations:
                raise ValueError(
                    f"The name {name!r} refers to an Operation, not a {allowed}. Tensor names must be of the form "
                    '"<op_name>:<output_index>".'
                )
            raise ValueError(
                f"The name {name!r} looks like an (invalid) Operation name, not a {allowed}. Tensor names must be of the "
                'form "<op_name>:<output_index>".'
            )
        if name not in self._operations:
            raise KeyError(f"The name {name!r} refers to an Operation not in the graph.")
        return self._operations[name]

    # --- collections ---

    def add_to_collection(self, name: Any, value: Any) -> None:
        """Append ``value`` to the collection ``name``."""
        self._check_not_finalized()
        self._collections.setdefault(name, []).append(value)

    def add_to_collections(self, names: Any, value: Any) -> None:
        """Append ``value`` to each of several collections."""
        for name in dict.fromkeys((names,) if isinstance(names, str) else names):
            self.add_to_collection(name, value)

    def get_collection(self, name: Any, scope: str | None = None) -> list[Any]:
        """A copy of the collection; with ``scope``, only what has a name that begins so (a regular expression)."""
        values = self._collections.get(name, [])
        if scope is None:
            return list(values)
        begins = re.compile(scope).match
        return [value for value in values if hasattr(value, "name") and begins(value.name)]

    def get_collection_ref(self, name: Any) -> list[Any]:
        """The collection itself: changes to the list are changes to the graph."""
        return self._collections.setdefault(name, [])

    def get_all_collection_keys(self) -> list[Any]:
        """The names of the collections."""
        return list(self._collections)

    def clear_collection(self, name: Any) -> None:
        """Empty a collection."""
        self._collections.pop(name, None)

    def finalize(self) -> None:
        """Allow no more operations."""
        self._finalized = True

    def reopen(self) -> None:
        """Allow operations again."""
        self._finalized = False

    @property
    def finalized(self) -> bool:
        """Whether the graph takes no more operations."""
        return self._finalized

    def _check_not_finalized(self) -> None:
        if self._finalized:
            raise RuntimeError("Graph is finalized and cannot be modified.")

    def is_feedable(self, tensor: Any) -> bool:
        """Whether a value can be fed in place of ``tensor``: not if it is inside a branch or loop body."""
        return self.as_graph_element(tensor, allow_operation=False).op.block is None  # type: ignore[union-attr]

    def is_fetchable(self, element: Any) -> bool:
        """Whether a session can give the element's value: not if it is inside a branch or loop body."""
        element = self.as_graph_element(element)
        return (element.op if isinstance(element, Tensor) else element).block is None


# --- defaults -----------------------------------------------------------------------------------------------------------


class _Stacks(threading.local):
    """Each thread has its own open graphs and sessions; the graph at the bottom is everyone's."""

    def __init__(self) -> None:
        self.graphs: list[Graph] = []
        self.sessions: list[Any] = []


_STACKS: Final = _Stacks()
_global_graph = Graph()


def get_default_graph() -> Graph:
    """The graph that operations go into now."""
    return _STACKS.graphs[-1] if _STACKS.graphs else _global_graph


def reset_default_graph() -> None:
    """Begin a new, empty default graph.

    Raises:
        AssertionError: inside ``with graph.as_default()``.
    """
    global _global_graph
    if _STACKS.graphs:
        raise AssertionError(
            "Do not use tf.reset_default_graph() to clear nested graphs. If you need a cleared graph, exit the nesting "
            "and create a new graph."
        )
    _global_graph = Graph()


def get_default_session() -> Any:
    """The session that ``eval`` and ``run`` use now, or None."""
    return _STACKS.sessions[-1] if _STACKS.sessions else None


def push_session(session: Any) -> None:
    """Make ``session`` the default one."""
    _STACKS.sessions.append(session)


def pop_session(session: Any) -> None:
    """Undo :func:`push_session`, wherever in the stack the session is."""
    stack = _STACKS.sessions
    for i in range(len(stack) - 1, -1, -1):
        if stack[i] is session:
            del stack[i]
            return


@contextlib.contextmanager
def name_scope(name: str | None, default_name: str | None = None, values: Any = None) -> Iterator[str]:
    """Names of operations made in the block begin with ``name/`` (``default_name/`` where name is None).

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.name_scope("layer"):
        ...     print(tf.constant(1.0, name="one").name)
        layer/one:0
    """
    name = default_name if name is None else name
    if name is None and values is not None:
        raise ValueError("At least one of name (None) and default_name (None) must be provided.")
    with get_default_graph().name_scope(name) as scope:
        yield scope


def node(
    type: str,
    function: Function | None,
    inputs: Sequence[Tensor],
    dtype: DType,
    shape: Any = UNKNOWN,
    name: str | None = None,
    **more: Any,
) -> Tensor:
    """Add an operation with one result to the graph of its inputs (the default graph if it has none); that result."""
    graph = inputs[0].graph if inputs else get_default_graph()
    default = get_default_graph()
    if graph is not default and any(tensor.graph is default for tensor in inputs):
        graph = default
    return graph.create_op(type, inputs, [(dtype, as_shape(shape))], function, name=name, **more).outputs[0]


__all__ = ["Block", "Graph", "GraphKeys", "Operation", "Tensor"]
