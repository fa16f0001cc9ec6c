"""Variables: tensors that keep their values from run to run of a session."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import rushlight as rl

from . import dtypes
from .conversion import CONVERSIONS, convert_to_tensor
from .dtypes import DType
from .graph import (
    GraphKeys,
    Operand,
    Operation,
    Tensor,
    get_default_graph,
    get_default_session,
    name_scope,
)
from .tensor_shape import SCALAR, TensorShape, as_shape

VARIABLE = "VariableV2"


class Variable(Operand):
    """A tensor that keeps its value from run to run of a session.

    Args:
        initial_value: a tensor, something that can be made one, or a function that gives one.
        trainable: whether optimizers change it by default.
        collections: the collections to add it to; ``[GraphKeys.GLOBAL_VARIABLES]`` by default.
        validate_shape: whether the shape is fixed; if not, ``assign(value, validate_shape=False)`` may change it.
        name: its name, made unique.
        dtype: its type, where the initial value does not say.

    Raises:
        ValueError: if there is no initial value, or its shape is not known and ``validate_shape`` is true.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     count = tf.Variable(0, name="count")
        ...     session.run(count.initializer)
        ...     print(count.name, session.run(count.assign_add(2)))
        count:0 2
    """

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        collections: Sequence[Any] | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        expected_shape: Any = None,
        import_scope: str | None = None,
        constraint: Callable[[Any], Any] | None = None,
        use_resource: bool | None = None,
        synchronization: Any = None,
        aggregation: Any = None,
        shape: Any = None,
    ) -> None:
        if initial_value is None:
            raise ValueError("initial_value must be specified.")
        if collections is None:
            collections = [GraphKeys.GLOBAL_VARIABLES]
        if not isinstance(collections, list | tuple | set):
            raise ValueError(
                f"collections argument to Variable constructor must be a list, tuple, or set. Got {collections}"
            )
        self.key = object()  # its place in sessions, which a copy in another graph shares
        self.trainable = trainable is None or bool(trainable)
        self.constraint = constraint
        if self.trainable and GraphKeys.TRAINABLE_VARIABLES not in collections:
            collections = [*collections, GraphKeys.TRAINABLE_VARIABLES]
        graph = get_default_graph()
        with graph.inside(None), graph.control_dependencies(None), name_scope(name, "Variable") as scope:
            value = initial_value() if callable(initial_value) else initial_value
            self._initial = convert_to_tensor(value, dtype, name="initial_value")
            if self._initial.op.block is not None:
                raise ValueError(
                    f"Initializer for variable {scope} is from inside a control-flow construct, such as a loop or conditional. "
                    "When creating a variable inside a loop or conditional, use a lambda as the initializer."
                )
            known = self._initial.shape
            if validate_shape and not known.is_fully_defined():
                raise ValueError(f"initial_value must have a shape specified: {self._initial}")
            self._dtype = self._initial.dtype
            self._validate_shape = validate_shape
            self.op = graph.create_op(
                VARIABLE,
                [],
                [(self._dtype, known if validate_shape else TensorShape(None))],
                name=scope,
                attributes={"variable": self, "dtype": self._dtype},
            )
            self._tensor = self.op.outputs[0]
            self.initializer: Operation = _assignment(self, self._initial, scope + "Assign/").op
        graph.variables_by_op[self.op] = self
        graph.add_to_collections(collections, self)

    def initialise_with(self, value: Any) -> None:
        """Have the initializer set ``value`` rather than the initial value."""
        with self.graph.as_default(), self.graph.inside(None), self.graph.control_dependencies(None):
            self.initializer = _assignment(self, convert_to_tensor(value, self._dtype), None).op

    # --- what it is ---

    @property
    def name(self) -> str:
        """The name, as in ``"w:0"``."""
        return self._tensor.name

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._dtype

    @property
    def shape(self) -> TensorShape:
        """What is known of the shape."""
        return self._tensor.shape

    @property
    def graph(self) -> Any:
        """The graph that it belongs to."""
        return self.op.graph

    @property
    def device(self) -> str:
        """The device that was asked for."""
        return self.op.device

    @property
    def initial_value(self) -> Tensor:
        """The tensor that it is initialised with."""
        return self._initial

    def get_shape(self) -> TensorShape:
        """What is known of the shape."""
        return self.shape

    def set_shape(self, shape: Any) -> None:
        """Add what is known of the shape."""
        self._tensor.set_shape(shape)

    def value(self) -> Tensor:
        """The value, as it is when an operation that takes it runs."""
        return self._tensor

    def _as_graph_element(self) -> Tensor:
        return self._tensor

    def read_value(self) -> Tensor:
        """An operation that reads the value; control dependencies say when."""
        from .ops_array import identity

        return identity(self._tensor, name="read")

    def initialized_value(self) -> Tensor:
        """The value, or the initial value where the variable is not initialised yet."""
        initial = self._initial

        def bind(binding: Any) -> Any:
            slot = binding.state.slot(self)
            return lambda first: slot.tensor.clone() if slot.initialised else first

        graph = self.graph
        return graph.create_op(  # type: ignore[no-any-return]
            "InitializedValue",
            [initial],
            [(self._dtype, self.shape)],
            bind=bind,
            name=f"{self.op.name.split('/')[-1]}/cond",
        ).outputs[0]

    def eval(self, session: Any = None, feed_dict: Any = None) -> Any:
        """The value in ``session`` or the default session."""
        return self._tensor.eval(feed_dict, session)

    def load(self, value: Any, session: Any = None) -> None:
        """Set the value in ``session`` or the default session, without an operation in the graph."""
        session = session or get_default_session()
        if session is None:
            raise ValueError(
                "Either session argument should be provided or default session should be established"
            )
        session.run(self.initializer, {self._initial: value})

    def __repr__(self) -> str:
        return f"<tf.Variable {self.name!r} shape={self.shape} dtype={self._dtype.name}_ref>"

    # TF 1 variables compare, and hash, by identity.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    # --- changing it ---

    def assign(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Tensor:
        """An operation that sets the value; its result is the new value."""
        return assign(self, value, name=name)

    def assign_add(
        self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Tensor:
        """An operation that adds ``delta``; its result is the new value."""
        return assign_add(self, delta, name=name)

    def assign_sub(
        self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Tensor:
        """An operation that subtracts ``delta``; its result is the new value."""
        return assign_sub(self, delta, name=name)

    def scatter_nd_update(self, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        """See ``tf.scatter_nd_update``."""
        return scatter_nd_update(self, indices, updates, name=name)

    def scatter_nd_add(self, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        """See ``tf.scatter_nd_add``."""
        return scatter_nd_add(self, indices, updates, name=name)

    def scatter_nd_sub(self, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        """See ``tf.scatter_nd_sub``."""
        return scatter_nd_sub(self, indices, updates, name=name)

    def count_up_to(self, limit: int) -> Tensor:
        """An operation that adds 1 and gives the value from before; ``OutOfRangeError`` when it has reached ``limit``."""
        from . import errors

        def kernel(tensor: Any) -> Any:
            before = tensor.clone()
            if int(before.item()) >= limit:
                raise errors.OutOfRangeError(None, self.op, f"Reached limit of {limit}")
            tensor.add_(1)
            return before

        result: Tensor = update([self], [], kernel, "CountUpTo", self._dtype, self.shape)
        return result


CONVERSIONS.append((Variable, Variable.value))


def update(
    variables: Sequence[Variable],
    inputs: Sequence[Tensor],
    kernel: Callable[..., Any],
    kind: str,
    dtype: DType | None = None,
    shape: Any = None,
    name: str | None = None,
) -> Any:
    """An operation that changes variables in place: ``kernel(tensor of each variable, *values of inputs)``.

    Its result is what the kernel returns, if ``dtype`` is given; otherwise it has none and the operation is returned.
    """
    graph = variables[0].graph

    def bind(binding: Any) -> Any:
        slots = [binding.state.slot(variable) for variable in variables]
        if len(slots) == 1:
            slot = slots[0]
            return lambda *values: kernel(slot.tensor, *values)
        return lambda *values: kernel(*[slot.tensor for slot in slots], *values)

    results = [] if dtype is None else [(dtype, as_shape(shape))]
    op = graph.create_op(kind, inputs, results, bind=bind, name=name, writes=variables)
    return op.outputs[0] if dtype is not None else op


def _variable_of(ref: Any) -> Variable:
    """The variable that ``ref`` is, or that is the value of; ``TypeError`` otherwise."""
    if isinstance(ref, Variable):
        return ref
    if isinstance(ref, Tensor):
        variable = ref.graph.variables_by_op.get(ref.op)
        if isinstance(variable, Variable):
            return variable
        if ref.op.writes:
            return _variable_of(ref.op.writes[0])
    raise TypeError(f"assign: {ref!r} is no variable, so it can't be assigned to")


def _assignment(variable: Variable, value: Tensor, name: str | None) -> Tensor:
    def bind(binding: Any) -> Any:
        return binding.state.slot(variable).assign

    return variable.graph.create_op(  # type: ignore[no-any-return]
        "Assign", [value], [(variable.dtype, variable.shape)], bind=bind, name=name, writes=[variable]
    ).outputs[0]


def assign(
    ref: Any,
    value: Any,
    validate_shape: bool | None = None,
    use_locking: bool | None = None,
    name: str | None = None,
) -> Tensor:
    """An operation that sets a variable; its result is the new value.

    Raises ``ValueError`` if the shapes don't fit and ``validate_shape`` is not False.
    """
    variable = _variable_of(ref)
    tensor = convert_to_tensor(value, variable.dtype)
    fixed = variable._validate_shape if validate_shape is None else validate_shape
    if fixed and not tensor.shape.is_compatible_with(variable.shape):
        raise ValueError(
            f"Dimension mismatch: Shapes must be equal: cannot assign a value of shape {tensor.shape} to {variable.name!r} of "
            f"shape {variable.shape} (op: 'Assign'); use validate_shape=False to change the shape"
        )
    if fixed and variable.shape.is_fully_defined() and not tensor.shape.is_fully_defined():
        return _checked_assignment(variable, tensor, name)
    return _assignment(variable, tensor, name or "Assign")


def _checked_assignment(variable: Variable, tensor: Tensor, name: str | None) -> Tensor:
    extents = variable.shape.as_list()

    def bind(binding: Any) -> Any:
        slot = binding.state.slot(variable)

        def kernel(value: Any) -> Any:
            if list(value.shape) != extents:
                raise ValueError(
                    f"Assign requires shapes of both tensors to match. lhs shape= {extents} rhs shape= {list(value.shape)}"
                )
            return slot.assign(value)

        return kernel

    return variable.graph.create_op(  # type: ignore[no-any-return]
        "Assign", [tensor], [(variable.dtype, variable.shape)], bind=bind, name=name, writes=[variable]
    ).outputs[0]


def _in_place(kind: str, method: str, doc: str) -> Callable[..., Tensor]:
    def public(ref: Any, value: Any, use_locking: bool | None = None, name: str | None = None) -> Tensor:
        variable = _variable_of(ref)
        delta = convert_to_tensor(value, variable.dtype)
        if not delta.shape.is_compatible_with(variable.shape):
            raise ValueError(
                f"Dimension mismatch: Shapes must be equal: {variable.name!r} has shape {variable.shape}, the value has shape "
                f"{delta.shape} (op: '{kind}')"
            )
        result: Tensor = update(
            [variable], [delta], _METHODS[method], kind, variable.dtype, variable.shape, name or kind
        )
        return result

    public.__doc__ = doc
    return public


def _add_in_place(tensor: Any, delta: Any) -> Any:
    return tensor.add_(delta)


def _subtract_in_place(tensor: Any, delta: Any) -> Any:
    return tensor.sub_(delta)


_METHODS = {"add": _add_in_place, "sub": _subtract_in_place}
assign_add = _in_place(
    "AssignAdd", "add", "An operation that adds to a variable; its result is the new value."
)
assign_sub = _in_place(
    "AssignSub", "sub", "An operation that subtracts from a variable; its result is the new value."
)


def _scatter(kind: str, doc: str) -> Callable[..., Tensor]:
    def public(
        ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None
    ) -> Tensor:
        variable = _variable_of(ref)
        index, values = convert_to_tensor(indices), convert_to_tensor(updates, variable.dtype)

        def kernel(tensor: Any, where: Any, value: Any) -> Any:
            rows = where.reshape(-1).to(rl.int64)
            value = value.broadcast_to((*where.shape, *tensor.shape[1:])).reshape(-1, *tensor.shape[1:])
            if kind == "ScatterUpdate":
                return tensor.index_copy_(0, rows, value)
            if kind in _SCATTERED:
                return tensor.index_copy_(0, rows, _SCATTERED[kind](tensor[rows], value))
            return tensor.index_add_(0, rows, value if kind == "ScatterAdd" else -value)

        result: Tensor = update(
            [variable], [index, values], kernel, kind, variable.dtype, variable.shape, name
        )
        return result

    public.__doc__ = doc
    return public


_SCATTERED: dict[str, Callable[[Any, Any], Any]] = {
    "ScatterMul": lambda rows, values: rows * values,
    "ScatterDiv": lambda rows, values: rows / values,
    "ScatterMax": rl.maximum,
    "ScatterMin": rl.minimum,
}
scatter_mul = _scatter("ScatterMul", "An operation that multiplies the rows ``indices`` of a variable.")
scatter_div = _scatter("ScatterDiv", "An operation that divides the rows ``indices`` of a variable.")
scatter_max = _scatter(
    "ScatterMax", "An operation that raises the rows ``indices`` of a variable to at least a value."
)
scatter_min = _scatter(
    "ScatterMin", "An operation that lowers the rows ``indices`` of a variable to at most a value."
)


def _scatter_nd(kind: str, doc: str) -> Callable[..., Tensor]:
    def public(
        ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None
    ) -> Tensor:
        variable = _variable_of(ref)
        index, values = convert_to_tensor(indices), convert_to_tensor(updates, variable.dtype)

        def kernel(tensor: Any, where: Any, value: Any) -> Any:
            places = tuple(rl.unbind(where.to(rl.int64), -1))
            if kind == "ScatterNdUpdate":
                return tensor.index_put_(places, value)
            return tensor.index_put_(places, value if kind == "ScatterNdAdd" else -value, accumulate=True)

        result: Tensor = update(
            [variable], [index, values], kernel, kind, variable.dtype, variable.shape, name
        )
        return result

    public.__doc__ = doc + " at the index tuples in the last axis of ``indices``."
    return public


scatter_nd_update = _scatter_nd("ScatterNdUpdate", "An operation that sets elements of a variable")
scatter_nd_add = _scatter_nd("ScatterNdAdd", "An operation that adds to elements of a variable")
scatter_nd_sub = _scatter_nd("ScatterNdSub", "An operation that subtracts from elements of a variable")
scatter_update = _scatter("ScatterUpdate", "An operation that sets the rows ``indices`` of a variable.")
scatter_add = _scatter("ScatterAdd", "An operation that adds to the rows ``indices`` of a variable.")
scatter_sub = _scatter("ScatterSub", "An operation that subtracts from the rows ``indices`` of a variable.")


# --- all variables ------------------------------------------------------------------------------------------------------


def global_variables(scope: str | None = None) -> list[Any]:
    """The variables of the default graph, without local ones."""
    return get_default_graph().get_collection(GraphKeys.GLOBAL_VARIABLES, scope)


all_variables = global_variables


def local_variables(scope: str | None = None) -> list[Any]:
    """The local variables of the default graph, such as metrics'."""
    return get_default_graph().get_collection(GraphKeys.LOCAL_VARIABLES, scope)


def model_variables(scope: str | None = None) -> list[Any]:
    """The variables in ``GraphKeys.MODEL_VARIABLES``."""
    return get_default_graph().get_collection(GraphKeys.MODEL_VARIABLES, scope)


def moving_average_variables(scope: str | None = None) -> list[Any]:
    """The variables that moving averages are kept of."""
    return get_default_graph().get_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, scope)


def trainable_variables(scope: str | None = None) -> list[Any]:
    """The variables that optimizers change by default."""
    return get_default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES, scope)


def variables_initializer(var_list: Iterable[Any], name: str = "init") -> Operation:
    """An operation that initialises the variables."""
    from .control_flow import group

    return group(*[variable.initializer for variable in var_list], name=name)


def global_variables_initializer() -> Operation:
    """An operation that initialises all global variables.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     w = tf.get_variable("w", initializer=[1.0, 2.0])
        ...     session.run(tf.global_variables_initializer())
        ...     print(session.run(w))
        [1. 2.]
    """
    return variables_initializer(global_variables())


def local_variables_initializer() -> Operation:
    """An operation that initialises all local variables."""
    return variables_initializer(local_variables(), "init")


initialize_variables = variables_initializer
initialize_all_variables = global_variables_initializer
initialize_local_variables = local_variables_initializer


def is_variable_initialized(ref: Any, name: str | None = None) -> Tensor:
    """Whether a variable has a value in the session."""
    variable = _variable_of(ref)

    def bind(binding: Any) -> Any:
        slot = binding.state.slot(variable)
        return lambda: rl.tensor(slot.initialised)

    result: Tensor = variable.graph.create_op(
        "IsVariableInitialized", [], [(dtypes.bool_, SCALAR)], bind=bind, name=name
    ).outputs[0]
    return result


def report_uninitialized_variables(
    var_list: Sequence[Any] | None = None, name: str = "report_uninitialized_variables"
) -> Tensor:
    """The names of the variables that have no value yet, as a string vector."""
    variables = global_variables() + local_variables() if var_list is None else list(var_list)

    def bind(binding: Any) -> Any:
        def kernel() -> Any:
            names = [v.op.name.encode() for v in variables if not binding.state.slot(v).initialised]
            array = np.empty(len(names), dtype=object)
            array[:] = names
            return array

        return kernel

    result: Tensor = (
        get_default_graph()
        .create_op("ReportUninitialized", [], [(dtypes.string, TensorShape([None]))], bind=bind, name=name)
        .outputs[0]
    )
    return result


def assert_variables_initialized(var_list: Sequence[Any] | None = None) -> Operation:
    """An operation that fails unless the variables have values."""
    from .control_flow import group

    variables = global_variables() + local_variables() if var_list is None else list(var_list)
    return group(*[variable.value() for variable in variables], name="assert_variables_initialized")
