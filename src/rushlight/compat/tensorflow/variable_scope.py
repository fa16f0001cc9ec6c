"""``get_variable`` and ``variable_scope``: variables that are shared by name."""

from __future__ import annotations

import contextlib
import enum
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from . import dtypes
from .conversion import make_array
from .dtypes import DType, as_dtype
from .graph import Graph, GraphKeys, Operand, get_default_graph
from .initializers import GlorotUniform, Zeros
from .tensor_shape import TensorShape, as_shape
from .variables import Variable


class _ReuseMode(enum.Enum):
    AUTO_REUSE = 1

    def __repr__(self) -> str:
        return "tf.AUTO_REUSE"


AUTO_REUSE: Final = _ReuseMode.AUTO_REUSE


class VariableScope:
    """A prefix for the names of variables, and defaults for making them."""

    def __init__(
        self,
        reuse: Any,
        name: str = "",
        initializer: Any = None,
        regularizer: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        custom_getter: Any = None,
        name_scope: str = "",
        dtype: Any = dtypes.float32,
        use_resource: bool | None = None,
        constraint: Any = None,
    ) -> None:
        self._reuse = reuse
        self._name = name
        self.original_name_scope = name_scope
        self.initializer = initializer
        self.regularizer = regularizer
        self.custom_getter = custom_getter
        self.dtype: DType = as_dtype(dtype)
        self.constraint = constraint

    @property
    def name(self) -> str:
        """The prefix."""
        return self._name

    @property
    def reuse(self) -> Any:
        """Whether variables must exist (True), may (``AUTO_REUSE``) or must not."""
        return self._reuse

    def reuse_variables(self) -> None:
        """From now on variables of this scope must exist."""
        self._reuse = True

    def set_initializer(self, initializer: Any) -> None:
        """The default initializer."""
        self.initializer = initializer

    def set_regularizer(self, regularizer: Any) -> None:
        """The default regularizer."""
        self.regularizer = regularizer

    def global_variables(self) -> list[Any]:
        """The global variables of this scope."""
        return get_default_graph().get_collection(
            GraphKeys.GLOBAL_VARIABLES, self._name + "/" if self._name else None
        )

    def trainable_variables(self) -> list[Any]:
        """The trainable variables of this scope."""
        return get_default_graph().get_collection(
            GraphKeys.TRAINABLE_VARIABLES, self._name + "/" if self._name else None
        )

    def get_collection(self, name: Any) -> list[Any]:
        """What is in a collection and in this scope."""
        return get_default_graph().get_collection(name, self._name + "/" if self._name else None)

    def copied(self, **changes: Any) -> VariableScope:
        """The scope with some fields changed."""
        other = VariableScope(self._reuse, self._name)
        vars(other).update(vars(self) | changes)
        return other


class _Store:
    """A graph's variables by name, the open scope, and how often each scope name was opened."""

    def __init__(self) -> None:
        self.variables: dict[str, Variable] = {}
        self.scope = VariableScope(False)
        self.counts: dict[str, int] = {}


def _store(graph: Graph | None = None) -> _Store:
    graph = graph or get_default_graph()
    if graph.variable_store is None:
        graph.variable_store = _Store()
    store: _Store = graph.variable_store
    return store


def get_variable_scope() -> VariableScope:
    """The scope that is open now."""
    return _store().scope


@contextlib.contextmanager
def variable_scope(
    name_or_scope: Any,
    default_name: str | None = None,
    values: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    caching_device: Any = None,
    partitioner: Any = None,
    custom_getter: Any = None,
    reuse: Any = None,
    dtype: Any = None,
    use_resource: bool | None = None,
    constraint: Any = None,
    auxiliary_name_scope: bool = True,
) -> Iterator[VariableScope]:
    """Names of variables made with :func:`get_variable` in the block begin with ``name/``.

    Args:
        name_or_scope: a name inside the open scope, or a scope object to return to; None to use ``default_name``.
        default_name: a name that is made unique (``dense``, ``dense_1``, …).
        reuse: True: the variables must exist; ``tf.AUTO_REUSE``: they may; None: as the outer scope has it.
        initializer, regularizer, dtype, constraint: defaults for variables in the block.

    Raises:
        ValueError: if there is no name.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default():
        ...     with tf.variable_scope("layer"):
        ...         w = tf.get_variable("w", [2])
        ...     with tf.variable_scope("layer", reuse=True):
        ...         print(tf.get_variable("w", [2]) is w, w.name)
        True layer/w:0
    """
    graph = get_default_graph()
    store = _store(graph)
    outer = store.scope
    if name_or_scope is None and default_name is None:
        raise ValueError("If default_name is None then name_or_scope is required")
    if reuse not in (None, True, False, AUTO_REUSE):
        raise ValueError(f"The reuse parameter must be True or False or tf.AUTO_REUSE, not {reuse!r}")
    if name_or_scope is None:
        if reuse is True:
            raise ValueError("reuse=True cannot be used without a name_or_scope")
        assert default_name is not None
        name_or_scope = _unique_scope(store, outer.name, default_name)
    if isinstance(name_or_scope, VariableScope):
        full_name = name_or_scope.name
        base, short = name_or_scope, full_name.rpartition("/")[2]
        inherited = name_or_scope.reuse
    else:
        if not isinstance(name_or_scope, str):
            raise TypeError("VariableScope: name_or_scope must be a string or VariableScope.")
        full_name = f"{outer.name}/{name_or_scope}" if outer.name else name_or_scope
        base, short = outer, name_or_scope
        inherited = outer.reuse
    changes: dict[str, Any] = {
        "_name": full_name,
        "_reuse": inherited or False if reuse is None else reuse or inherited,
    }
    for key, value in (
        ("initializer", initializer),
        ("regularizer", regularizer),
        ("constraint", constraint),
    ):
        if value is not None:
            changes[key] = value
    if dtype is not None:
        changes["dtype"] = as_dtype(dtype)
    if custom_getter is not None:
        inner = base.custom_getter
        changes["custom_getter"] = (
            custom_getter
            if inner is None
            else lambda getter, *args, **kwargs: custom_getter(
                functools.partial(inner, getter), *args, **kwargs
            )
        )
    counts = dict(store.counts)
    if not isinstance(name_or_scope, VariableScope):
        store.counts[full_name] = store.counts.get(full_name, 0) + 1
        for key in [key for key in store.counts if key.startswith(full_name + "/")]:
            store.counts[key] = 0
    opened = graph.name_scope(short) if auxiliary_name_scope and short else contextlib.nullcontext("")
    with opened as scope_name:
        changes["original_name_scope"] = (
            name_or_scope.original_name_scope if isinstance(name_or_scope, VariableScope) else scope_name
        )
        store.scope = base.copied(**changes)
        try:
            yield store.scope
        finally:
            store.scope = outer
            if isinstance(name_or_scope, VariableScope):
                store.counts = counts


def _unique_scope(store: _Store, outer: str, prefix: str) -> str:
    full = f"{outer}/{prefix}" if outer else prefix
    if not store.counts.get(full):
        return prefix
    index = 1
    while store.counts.get(f"{full}_{index}"):
        index += 1
    return f"{prefix}_{index}"


@contextlib.contextmanager
def variable_op_scope(
    values: Any, name_or_scope: Any, default_name: str | None = None, **options: Any
) -> Iterator[Any]:
    """An old form of :func:`variable_scope`."""
    with variable_scope(name_or_scope, default_name, values, **options) as scope:
        yield scope


def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool | None = None,
    collections: Sequence[Any] | None = None,
    caching_device: Any = None,
    partitioner: Any = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: Any = None,
    constraint: Any = None,
    synchronization: Any = None,
    aggregation: Any = None,
) -> Any:
    """The variable of that name in the open variable scope, made if the scope's ``reuse`` lets it be.

    Args:
        name: the name inside the scope.
        shape: its shape; not needed where ``initializer`` is a tensor or value.
        dtype: its type, the scope's (float32) by default.
        initializer: a function ``initializer(shape, dtype=…)``, a tensor or a value; by default Glorot's uniform numbers
            for floats and zeros for integers.
        regularizer: a function of the variable whose result is added to ``GraphKeys.REGULARIZATION_LOSSES``.
        trainable: whether optimizers change it by default.

    Raises:
        ValueError: if it exists and may not be reused, does not exist and must, or its shape or type differs.
    """
    store = _store()
    scope = store.scope
    getter: Callable[..., Any] = functools.partial(_get, store)
    custom_getter = custom_getter or scope.custom_getter
    if custom_getter is not None:
        getter = functools.partial(custom_getter, getter)
    return getter(
        f"{scope.name}/{name}" if scope.name else name,
        shape=shape,
        dtype=dtype,
        initializer=scope.initializer if initializer is None else initializer,
        regularizer=regularizer or scope.regularizer,
        reuse=scope.reuse,
        trainable=trainable,
        collections=collections,
        validate_shape=validate_shape,
        constraint=constraint or scope.constraint,
    )


def _get(
    store: _Store,
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    reuse: Any = None,
    trainable: bool | None = None,
    collections: Sequence[Any] | None = None,
    validate_shape: bool = True,
    constraint: Any = None,
    **ignored: Any,
) -> Variable:
    wanted = None if shape is None else as_shape(shape)
    kind = store.scope.dtype if dtype is None else as_dtype(dtype)
    found = store.variables.get(name)
    if found is not None:
        if not reuse:
            raise ValueError(
                f"Variable {name} already exists, disallowed. Did you mean to set reuse=True or reuse=tf.AUTO_REUSE in "
                f"VarScope? Originally defined at:\n\n  {found.op.defined_at}"
            )
        if wanted is not None and not wanted.is_compatible_with(found.shape):
            raise ValueError(
                f"Trying to share variable {name}, but specified shape {wanted} and found shape {found.shape}."
            )
        if dtype is not None and kind is not found.dtype:
            raise ValueError(
                f"Trying to share variable {name}, but specified dtype {kind.name} and found dtype {found.dtype.name}."
            )
        return found
    if reuse is True:
        raise ValueError(
            f"Variable {name} does not exist, or was not created with tf.get_variable(). Did you mean to set "
            "reuse=tf.AUTO_REUSE in VarScope?"
        )
    value = _initial_value(name, wanted, kind, dtype, initializer, validate_shape)
    graph = get_default_graph()
    with graph.name_scope(None):
        variable = Variable(
            value,
            trainable=trainable,
            collections=collections,
            validate_shape=validate_shape,
            name=name,
            dtype=None if initializer is not None and not callable(initializer) else kind,
            constraint=constraint,
        )
        store.variables[name] = variable
        if regularizer is not None:
            with graph.name_scope(name + "/Regularizer/"):
                loss = regularizer(variable)
            if loss is not None:
                graph.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, loss)
    return variable


def _initial_value(
    name: str, wanted: TensorShape | None, kind: DType, dtype: Any, initializer: Any, validate_shape: bool
) -> Any:
    if initializer is None:
        if not (kind.is_floating or kind.is_integer or kind.is_bool):
            raise ValueError(f"An initializer for variable {name} of {kind!r} is required")
        initializer = GlorotUniform() if kind.is_floating else Zeros()
    if not callable(initializer):
        if wanted is not None:
            raise ValueError("If initializer is a constant, do not specify shape.")
        if dtype is not None:
            value = initializer if isinstance(initializer, Operand) else make_array(initializer)
            given = as_dtype(getattr(value, "dtype", None))
            if given is not kind:
                raise ValueError(f"Initializer type '{given}' and explicit dtype '{kind}' don't match.")
        return initializer
    if isinstance(initializer, type):
        initializer = initializer()
    if wanted is None or not wanted.is_fully_defined():
        if wanted is None and not _takes_shape(initializer):
            return initializer
        raise ValueError(
            f"Shape of a new variable ({name}) must be fully defined, but instead was "
            f"{'<unknown>' if wanted is None else wanted}."
        )
    extents = wanted.as_list()
    if not _takes_shape(initializer):
        return initializer
    return lambda: initializer(extents, dtype=kind)


def _takes_shape(initializer: Any) -> bool:
    import inspect

    try:
        return bool(inspect.signature(initializer).parameters)
    except (TypeError, ValueError):
        return True


def get_local_variable(name: str, *args: Any, **options: Any) -> Any:
    """Like :func:`get_variable`, for a variable that is not trained and not saved."""
    options["collections"] = [GraphKeys.LOCAL_VARIABLES]
    options["trainable"] = False
    return get_variable(name, *args, **options)


def make_template(
    name_: str,
    func_: Callable[..., Any],
    create_scope_now_: bool = False,
    unique_name_: str | None = None,
    **defaults: Any,
) -> Callable[..., Any]:
    """``func_`` whose variables are made on the first call and shared by all later ones."""
    made: list[VariableScope] = []

    def call(*args: Any, **options: Any) -> Any:
        if made:
            with variable_scope(made[0], reuse=True):
                return func_(*args, **(defaults | options))
        with variable_scope(unique_name_, default_name=name_) as scope:
            result = func_(*args, **(defaults | options))
            made.append(scope)
            return result

    return call


def no_regularizer(_: Any) -> None:
    """No penalty: for a variable in a scope that has a regularizer."""
