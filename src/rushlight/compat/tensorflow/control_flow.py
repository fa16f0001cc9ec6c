"""Control flow: dependencies (``group``, ``tuple``), and branches and loops over values (``cond``, ``while_loop``, …).

The operations that the functions of a branch or a loop body make are a block: they run when, and as often as, the one
operation that has the block says so. What they use from outside is an input of that operation, so gradients go through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import rushlight as rl

from . import dtypes
from .conversion import convert_to_tensor
from .dtypes import DType
from .executor import needed_operations
from .graph import Block, Graph, Operation, Tensor, get_default_graph, name_scope
from .nesting import flatten, pack_like
from .static_step import is_static
from .tensor_shape import UNKNOWN, TensorShape


def no_op(name: str | None = None) -> Operation:
    """An operation that does nothing: something to hang control dependencies on."""
    return get_default_graph().create_op("NoOp", [], [], name=name)


def group(*inputs: Any, name: str | None = None) -> Operation:
    """An operation that runs after all of ``inputs`` and has no result.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     a, b = tf.Variable(0), tf.Variable(0)
        ...     session.run(tf.global_variables_initializer())
        ...     session.run(tf.group(a.assign(1), b.assign(2)))
        ...     print(*session.run([a, b]))
        1 2
    """
    flat = flatten(list(inputs))
    graph = get_default_graph()
    return graph.create_op(
        "NoOp", [], [], name=name or "group_deps", control_inputs=[graph._as_operation(item) for item in flat]
    )


def tuple_(
    tensors: Sequence[Any], name: str | None = None, control_inputs: Sequence[Any] | None = None
) -> list[Any]:
    """The same tensors, each of which is there only when all of them are (and ``control_inputs`` have run)."""
    from .ops_array import identity

    graph = get_default_graph()
    present = [
        convert_to_tensor(item) for item in tensors if item is not None and not isinstance(item, Operation)
    ]
    operations = [item for item in tensors if isinstance(item, Operation)]
    if not present and not operations:
        raise ValueError("Must have at least one Tensor")
    with name_scope(name, "tuple"):
        gate = group(*present, *operations, *(control_inputs or ()), name="group_deps")
        with graph.control_dependencies([gate]):
            return [
                item if item is None else gate if isinstance(item, Operation) else identity(item)
                for item in tensors
            ]


def with_dependencies(dependencies: Sequence[Any], output_tensor: Any, name: str | None = None) -> Tensor:
    """``output_tensor``, after ``dependencies`` have run."""
    from .ops_array import identity

    with get_default_graph().control_dependencies(dependencies):
        return identity(output_tensor, name)


# --- blocks -------------------------------------------------------------------------------------------------------------


class Body:
    """A function of the program as a block: its parameters, its results, and what it uses from outside."""

    def __init__(
        self,
        graph: Graph,
        name: str,
        function: Callable[..., Any],
        parameters: Sequence[tuple[DType, TensorShape]],
    ) -> None:
        self.block = Block(name, graph.block)
        self.parameters: list[Tensor] = []
        with graph.inside(self.block), graph.control_dependencies(None), graph.name_scope(name):
            for dtype, shape in parameters:
                attributes = {"dtype": dtype, "shape": shape}
                self.parameters += graph.create_op(
                    "Placeholder", [], [(dtype, shape)], name="parameter", attributes=attributes
                ).outputs
            self.returned = function(*self.parameters)
            # An operation stands for having run: the result is then nothing, after it.
            leaves = flatten(self.returned)
            self.targets = [leaf for leaf in leaves if isinstance(leaf, Operation)]
            self.results = [
                convert_to_tensor(leaf)
                for leaf in leaves
                if leaf is not None and not isinstance(leaf, Operation)
            ]
        ops = needed_operations(
            [*[t.op for t in self.results], *self.targets], set(self.parameters), self.block
        )
        captured: dict[Tensor, None] = {}
        for tensor in (*[t for op in ops for t in op.inputs], *self.results):
            if not self.block.holds(tensor.op):
                captured[tensor] = None
        self.captured = list(captured)
        self.writes = list(dict.fromkeys([variable for op in ops for variable in op.writes]))

    def bound(self, binding: Any, given: Sequence[Tensor]) -> Callable[..., tuple[Any, ...]]:
        """A function of the values of ``given`` to those of the results."""
        return binding.block(self.block, given, self.results, self.targets)  # type: ignore[no-any-return]


def _operation(
    graph: Graph,
    kind: str,
    inputs: Sequence[Tensor],
    results: Sequence[tuple[DType, TensorShape]],
    bind: Callable[[Any], Any],
    bodies: Sequence[Body],
    name: str,
    control_inputs: Sequence[Operation] = (),
) -> Operation:
    writes = list(dict.fromkeys([variable for body in bodies for variable in body.writes]))
    return graph.create_op(
        kind,
        inputs,
        results,
        bind=bind,
        name=name,
        writes=writes,
        attributes={"has_blocks": True, "many": True},
        control_inputs=control_inputs,
    )


def captured_by(*bodies: Body) -> list[Tensor]:
    """What the bodies use from outside, each tensor once."""
    return list(dict.fromkeys([tensor for body in bodies for tensor in body.captured]))


def _truth(value: Any) -> bool:
    if value.numel() != 1:
        raise ValueError(f"The condition must be a scalar, got a tensor of shape {list(value.shape)}")
    return bool(value.item())


def cond(
    pred: Any,
    true_fn: Callable[[], Any] | None = None,
    false_fn: Callable[[], Any] | None = None,
    strict: bool = False,
    name: str | None = None,
    fn1: Callable[[], Any] | None = None,
    fn2: Callable[[], Any] | None = None,
) -> Any:
    """What ``true_fn()`` gives if ``pred`` is true when the graph runs, otherwise what ``false_fn()`` gives.

    Only the operations made inside the chosen function run. Both give the same structure, with the same types.

    Raises:
        TypeError: if ``pred`` is a Python bool.
        ValueError: if the structures or the types differ.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     x = tf.placeholder(tf.float32)
        ...     y = tf.cond(x > 0.0, lambda: x, lambda: -x)
        ...     print(*session.run([y, tf.gradients(y, x)[0]], {x: -2.0}))
        2.0 -1.0
    """
    true_fn, false_fn = true_fn or fn1, false_fn or fn2
    if not callable(true_fn):
        raise TypeError("true_fn must be callable.")
    if not callable(false_fn):
        raise TypeError("false_fn must be callable.")
    if isinstance(pred, bool):
        raise TypeError("pred must not be a Python bool")
    predicate = convert_to_tensor(pred)
    if predicate.dtype is not dtypes.bool_:
        raise TypeError(f"cond: pred has type {predicate.dtype.name}; it must be bool")
    graph = predicate.graph
    with name_scope(name, "cond") as scope:
        yes = Body(graph, "true", true_fn, ())
        no = Body(graph, "false", false_fn, ())
        if len(yes.results) != len(no.results):
            raise ValueError(
                f"true_fn and false_fn must return the same structure, got {yes.returned!r} and {no.returned!r}"
            )
        for a, b in zip(yes.results, no.results, strict=True):
            if a.dtype is not b.dtype:
                raise ValueError(
                    f"Outputs of true_fn and false_fn must have the same type: {a.dtype.name}, {b.dtype.name}"
                )
        given = captured_by(yes, no)
        shapes = [_either_shape(a.shape, b.shape) for a, b in zip(yes.results, no.results, strict=True)]

        def bind(binding: Any) -> Any:
            if_true, if_false = yes.bound(binding, given), no.bound(binding, given)

            def kernel(chosen: Any, *values: Any) -> tuple[Any, ...]:
                if is_static():
                    results: tuple[Any, ...] = rl.cond(
                        chosen, lambda: if_true(*values), lambda: if_false(*values)
                    )
                    return results
                return if_true(*values) if _truth(chosen) else if_false(*values)

            return kernel

        results = [(a.dtype, shape) for a, shape in zip(yes.results, shapes, strict=True)]
        op = _operation(graph, "Cond", [predicate, *given], results, bind, (yes, no), scope)
    if not op.outputs:
        return op
    packed = _packed(yes.returned, op)
    # As in TensorFlow, a list or tuple of one comes back as the one.
    if not strict and isinstance(packed, list | tuple) and len(packed) == 1:
        return packed[0]
    return packed


def _packed(structure: Any, op: Operation) -> Any:
    outputs = iter(op.outputs)
    leaves = [
        op if isinstance(leaf, Operation) else None if leaf is None else next(outputs)
        for leaf in flatten(structure)
    ]
    return pack_like(structure, leaves)


def _either_shape(a: TensorShape, b: TensorShape) -> TensorShape:
    if a.extents is None or b.extents is None or len(a.extents) != len(b.extents):
        return UNKNOWN
    return TensorShape([x if x == y else None for x, y in zip(a.extents, b.extents, strict=True)])


def case(
    pred_fn_pairs: Any,
    default: Callable[[], Any] | None = None,
    exclusive: bool = False,
    strict: bool = False,
    name: str = "case",
) -> Any:
    """What the function of the first true condition gives, or ``default()`` if none is true."""
    pairs = list(pred_fn_pairs.items()) if isinstance(pred_fn_pairs, dict) else list(pred_fn_pairs)
    if not pairs:
        raise ValueError("case: give at least one pair of a condition and a function")

    def choose(i: int) -> Any:
        pred, function = pairs[i]
        if i == len(pairs) - 1:
            return function() if default is None else cond(pred, function, default, strict)
        return cond(pred, function, lambda: choose(i + 1), strict)

    with name_scope(name, "case"):
        return choose(0)


def switch_case(
    branch_index: Any, branch_fns: Any, default: Callable[[], Any] | None = None, name: str = "switch_case"
) -> Any:
    """What the function with the number ``branch_index`` gives; ``default()``, or the last one, for any other number."""
    from .ops_math import equal

    index = convert_to_tensor(branch_index)
    pairs = branch_fns.items() if isinstance(branch_fns, dict) else enumerate(branch_fns)
    every = (
        [entry if isinstance(entry, tuple) else (i, entry) for i, entry in pairs]
        if not isinstance(branch_fns, dict)
        else list(pairs)
    )
    last = every[-1][1] if default is None else default
    return case([(equal(index, number), function) for number, function in every], last, name=name)


def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
    maximum_iterations: Any = None,
    return_same_structure: bool = False,
) -> Any:
    """``loop_vars = body(*loop_vars)`` as long as ``cond(*loop_vars)``.

    Args:
        cond: a function of the loop variables to a bool scalar.
        body: a function of the loop variables to their new values, in the same structure and of the same types.
        loop_vars: a list or tuple (nested as you like) of initial values.
        shape_invariants: the shapes that stay the same, where those of the loop variables change from turn to turn.
        back_prop: whether gradients go through.
        maximum_iterations: the most turns, if given.

    Returns:
        The last values, in the structure of ``loop_vars``; a single loop variable comes back alone.

    Raises:
        ValueError: if a shape changes that ``shape_invariants`` does not leave open.
        TypeError: if a type changes.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     i, total = tf.while_loop(lambda i, t: i < 4, lambda i, t: [i + 1, t * 2.0], [0, 1.0])
        ...     print(session.run(total))
        16.0
    """
    if not callable(cond):
        raise TypeError("cond must be callable.")
    if not callable(body):
        raise TypeError("body must be callable.")
    single = not isinstance(loop_vars, list | tuple)
    if single:
        loop_vars = [loop_vars]
    if not loop_vars:
        raise ValueError("No loop variables provided")
    graph = get_default_graph()
    with name_scope(name, "while") as scope:
        initial = [convert_to_tensor(leaf) for leaf in flatten(loop_vars)]
        shapes = (
            [tensor.shape for tensor in initial]
            if shape_invariants is None
            else [TensorShape(shape) for shape in _invariants(shape_invariants)]
        )
        if len(shapes) != len(initial):
            raise ValueError("shape_invariants must have the structure of loop_vars")
        signature = [(tensor.dtype, shape) for tensor, shape in zip(initial, shapes, strict=True)]

        def on_structure(function: Callable[..., Any]) -> Callable[..., Any]:
            return lambda *values: function(*pack_like(loop_vars, list(values)))

        test = Body(graph, "cond", on_structure(cond), signature)
        step = Body(graph, "body", on_structure(body), signature)
        if len(step.results) != len(initial):
            raise ValueError(
                "The number of elements in body's result differs from that of the loop variables: "
                f"{len(step.results)} and {len(initial)}"
            )
        for tensor, (dtype, shape), at_start in zip(step.results, signature, initial, strict=True):
            if tensor.dtype is not dtype:
                raise TypeError(
                    f"The loop variable {at_start.name} has type {dtype.name}, but the body gives {tensor.dtype.name}"
                )
            if not _no_wider(tensor.shape, shape):
                raise ValueError(
                    f"The shape invariant specified for {at_start.name} is not compatible with the initial shape of the loop "
                    f"variable or changes: it enters the loop with shape {shape}, but has shape {tensor.shape} after one "
                    "iteration. Provide shape invariants using either the `shape_invariants` argument of tf.while_loop or "
                    "set_shape() on the loop variables."
                )
        given = captured_by(test, step)
        limit = [] if maximum_iterations is None else [convert_to_tensor(maximum_iterations)]

        def bind(binding: Any) -> Any:
            goes_on = test.bound(binding, [*test.parameters, *given])
            turn = step.bound(binding, [*step.parameters, *given])
            count = len(initial)

            def kernel(*operands: Any) -> tuple[Any, ...]:
                values = operands[:count]
                outer = operands[count : count + len(given)]
                if is_static():
                    return _static_loop(goes_on, turn, values, outer, operands[-1] if limit else None)
                left = int(operands[-1].item()) if limit else -1
                while left and _truth(goes_on(*values, *outer)[0]):
                    values = turn(*values, *outer)
                    left -= 1
                return tuple(values)

            return kernel if back_prop else lambda *operands: tuple([_detached(v) for v in kernel(*operands)])

        inputs = [*initial, *given, *limit]
        op = _operation(graph, "While", inputs, signature, bind, (test, step), scope)
    packed = pack_like(loop_vars, op.outputs)
    if len(loop_vars) == 1 and not return_same_structure:
        return packed[0]
    return packed


def _static_loop(goes_on: Any, turn: Any, values: Any, outer: Any, limit: Any) -> tuple[Any, ...]:
    if limit is None:
        return tuple(
            rl.while_loop(
                lambda *now: goes_on(*now, *outer)[0], lambda *now: turn(*now, *outer), tuple(values)
            )
        )
    results = rl.while_loop(
        lambda left, *now: (left != 0) & goes_on(*now, *outer)[0],
        lambda left, *now: (left - 1, *turn(*now, *outer)),
        (limit, *values),
    )
    return tuple(results[1:])


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, rl.Tensor) else value


def _invariants(structure: Any) -> Iterator[Any]:
    for item in structure:
        if isinstance(item, TensorShape):
            yield item
        elif isinstance(item, list | tuple) and any(
            isinstance(part, list | tuple | TensorShape) for part in item
        ):
            yield from _invariants(item)
        else:
            yield item


def _no_wider(found: TensorShape, promised: TensorShape) -> bool:
    if promised.extents is None:
        return True
    if found.extents is None or len(found.extents) != len(promised.extents):
        return found.extents is None and None in promised.extents
    return all(p is None or f == p for f, p in zip(found.extents, promised.extents, strict=True))


# --- checks and messages ------------------------------------------------------------------------------------------------


def assert_true(
    condition: Any, data: Sequence[Any], summarize: int | None = None, name: str | None = None
) -> Operation:
    """``tf.Assert``: an operation that fails with ``data`` in its message unless all of ``condition`` is true."""
    from . import errors

    checked = convert_to_tensor(condition)
    operands = [convert_to_tensor(item) for item in data]

    def kernel(holds: Any, *values: Any) -> tuple[Any, ...]:
        if not bool(holds.all().item()):
            shown = " ".join(f"[{_shown(value, summarize or 3)}]" for value in values)
            raise errors.InvalidArgumentError(None, None, f"assertion failed: {shown}")
        return ()

    return checked.graph.create_op("Assert", [checked, *operands], [], kernel, name=name)


def _shown(value: Any, count: int) -> str:
    if not isinstance(value, rl.Tensor):
        return " ".join(item.decode(errors="replace") for item in value.reshape(-1)[:count])
    flat = value.detach().reshape(-1)
    text = " ".join(f"{item:.9g}" if isinstance(item, float) else str(item) for item in flat[:count].tolist())
    return text + "..." if flat.numel() > count else text


def print_(
    input_: Any,
    data: Sequence[Any],
    message: str | None = None,
    first_n: int | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Tensor:
    """``tf.Print``: ``input_``, which writes ``message`` and ``data`` to standard error whenever it is computed."""
    import sys

    x = convert_to_tensor(input_)
    operands = [convert_to_tensor(item) for item in data]
    left = -1 if first_n is None or first_n < 0 else first_n

    def kernel(value: Any, *values: Any) -> Any:
        nonlocal left
        if left:
            left -= 1
            print(
                (message or "") + "".join(f"[{_shown(v, summarize or 3)}]" for v in values), file=sys.stderr
            )
        return value.view_as(value) if isinstance(value, rl.Tensor) else value

    return x.graph.create_op("Print", [x, *operands], [(x.dtype, x.shape)], kernel, name=name).outputs[0]


def print_v2(
    *inputs: Any, output_stream: Any = None, summarize: int = 3, sep: str = " ", end: str = "\n", **_: Any
) -> Operation:
    """``tf.print``: an operation that writes values, tensors' and others, to standard error or ``output_stream``."""
    import sys

    import numpy as np

    from .graph import Operand

    leaves = [leaf for leaf in flatten(list(inputs)) if isinstance(leaf, Operand)]
    operands = [convert_to_tensor(leaf) for leaf in leaves]

    def shown(array: Any) -> str:
        if array.dtype.kind == "O":
            array = np.array([item.decode(errors="replace") for item in array.ravel()]).reshape(array.shape)
            if not array.ndim:
                return str(array)
        limit = array.size + 1 if summarize < 0 else 2 * summarize * max(array.ndim, 1)
        with np.printoptions(
            threshold=limit
            if summarize < 0
            else 0
            if any(n > 2 * summarize for n in array.shape)
            else limit + array.size,
            edgeitems=max(summarize, 1),
        ):
            return str(array[()] if not array.ndim else array)

    def kernel(*values: Any) -> tuple[Any, ...]:
        texts = iter([shown(v.detach().numpy() if isinstance(v, rl.Tensor) else v) for v in values])

        def text(item: Any) -> str:
            if isinstance(item, list | tuple):
                return ("[%s]" if isinstance(item, list) else "(%s)") % ", ".join(
                    [text(part) for part in item]
                )
            return next(texts) if isinstance(item, Operand) else str(item)

        stream = output_stream if hasattr(output_stream, "write") else sys.stderr
        stream.write(sep.join([text(item) for item in inputs]) + end)
        return ()

    return get_default_graph().create_op(
        "PrintV2", operands, [], kernel, name="PrintV2", attributes={"many": True}
    )
