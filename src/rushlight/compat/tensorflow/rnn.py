"""Recurrent nets over time: ``dynamic_rnn`` (a loop when the graph runs) and ``static_rnn`` (unrolled in the graph)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as rl

from .control_flow import Body, captured_by
from .conversion import convert_to_tensor
from .graph import Tensor
from .nesting import flatten, pack_like
from .ops_array import reverse, reverse_sequence, shape as shape_of, transpose
from .static_step import is_static
from .tensor_shape import UNKNOWN, TensorShape
from .variable_scope import variable_scope


def _batch_size(x: Tensor, axis: int) -> Any:
    known = x.shape[axis].value if x.shape.ndims else None
    return shape_of(x)[axis] if known is None else known


def _initial(cell: Any, x: Tensor, batch_axis: int, initial_state: Any, dtype: Any) -> Any:
    if initial_state is not None:
        return initial_state
    if dtype is None:
        raise ValueError("If there is no initial_state, you must give a dtype.")
    return cell.zero_state(_batch_size(x, batch_axis), dtype)


def dynamic_rnn(
    cell: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[Any, Any]:
    """Run ``cell`` over the time steps of ``inputs``.

    Args:
        cell: an ``RNNCell``.
        inputs: (batch, time, features), or (time, batch, features) with ``time_major``.
        sequence_length: how many steps of each batch entry count; afterwards the output is 0 and the state stays.
        initial_state: zeros of ``dtype`` by default.

    Returns:
        ``(outputs, last state)``; outputs are laid out as the inputs are.

    Raises:
        TypeError: if ``cell`` is none.
        ValueError: if there is neither an initial state nor a type.
    """
    if not hasattr(cell, "state_size"):
        raise TypeError(f"cell must be an instance of RNNCell, got {type(cell).__name__}")
    with variable_scope("rnn" if scope is None else scope):
        x = convert_to_tensor(inputs)
        steps = x if time_major else _swapped(x)
        state = _initial(cell, steps, 1, initial_state, dtype)
        initial = [convert_to_tensor(leaf) for leaf in flatten(state)]
        lengths = [] if sequence_length is None else [convert_to_tensor(sequence_length)]
        step_shape = UNKNOWN if steps.shape.extents is None else TensorShape(steps.shape.extents[1:])
        parameters = [(steps.dtype, step_shape), *[(tensor.dtype, tensor.shape) for tensor in initial]]

        def one_step(value: Any, *leaves: Any) -> Any:
            return cell(value, pack_like(state, list(leaves)))

        body = Body(x.graph, "while", one_step, parameters)
        given = captured_by(body)
        output_count = len(body.results) - len(initial)

        def bind(binding: Any) -> Any:
            call = body.bound(binding, [*body.parameters, *given])

            def turn(value: Any, time: Any, states: Any, outer: Any, limit: Any) -> tuple[Any, Any]:
                new = call(value, *states, *outer)
                out, new_states = tuple(new[:output_count]), tuple(new[output_count:])
                if limit is not None:
                    going = (limit > time).unsqueeze(-1)
                    out = tuple([rl.where(going, part, rl.zeros_like(part)) for part in out])
                    new_states = tuple(
                        [rl.where(going, a, b) for a, b in zip(new_states, states, strict=True)]
                    )
                return new_states, out

            def kernel(values: Any, *operands: Any) -> tuple[Any, ...]:
                states = tuple(operands[: len(initial)])
                outer = operands[len(initial) : len(initial) + len(given)]
                limit = operands[-1] if lengths else None
                if not len(values):
                    raise ValueError("dynamic_rnn: the inputs have no time steps")
                if is_static():
                    last, every = rl.scan(
                        lambda now, part: turn(part[0], part[1], now, outer, limit),
                        states,
                        (values, rl.arange(len(values))),
                    )
                    return (*every, *last)
                outputs = []
                for time, value in enumerate(rl.unbind(values, 0)):
                    states, out = turn(value, time, states, outer, limit)
                    outputs.append(out)
                return (*[rl.stack(column) for column in zip(*outputs, strict=True)], *states)

            return kernel

        time = steps.shape.extents[0] if steps.shape.extents else None
        results = [
            *[(t.dtype, TensorShape([time]).concatenate(t.shape)) for t in body.results[:output_count]],
            *[(t.dtype, t.shape) for t in initial],
        ]
        op = x.graph.create_op(
            "DynamicRNN",
            [steps, *initial, *given, *lengths],
            results,
            bind=bind,
            name="while",
            writes=body.writes,
            attributes={"has_blocks": True, "many": True},
        )
        outputs = pack_like(body.returned[0], op.outputs[:output_count])
        if not time_major:
            outputs = pack_like(outputs, [_swapped(leaf) for leaf in flatten(outputs)])
        return outputs, pack_like(state, op.outputs[output_count:])


def _swapped(x: Tensor) -> Tensor:
    """Batch and time exchanged."""
    rank = x.shape.ndims
    if rank is None:
        raise ValueError("dynamic_rnn: the rank of the inputs must be known")
    return transpose(x, [1, 0, *range(2, rank)])


def static_rnn(
    cell: Any,
    inputs: Sequence[Any],
    initial_state: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """Run ``cell`` over a list of inputs (batch, features), one for each time step; ``(list of outputs, last state)``."""
    from .ops_array import zeros_like
    from .ops_indexing import where
    from .ops_math import greater

    if not isinstance(inputs, list | tuple):
        raise TypeError("inputs must be a sequence")
    if not inputs:
        raise ValueError("inputs must not be empty")
    values = [convert_to_tensor(value) for value in inputs]
    lengths = None if sequence_length is None else convert_to_tensor(sequence_length)
    outputs = []
    with variable_scope("rnn" if scope is None else scope):
        state = _initial(cell, values[0], 0, initial_state, dtype)
        for time, value in enumerate(values):
            output, new = cell(value, state)
            if lengths is not None:
                going = greater(lengths, time)
                output = where(going, output, zeros_like(output))
                leaves = zip(flatten(new), flatten(state), strict=True)
                new = pack_like(new, [where(going, a, b) for a, b in leaves])
            outputs.append(output)
            state = new
    return outputs, state


def static_bidirectional_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Sequence[Any],
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any, Any]:
    """Two nets over a list of inputs, one from each end: ``(joined outputs, forward state, backward state)``."""
    from .ops_array import concat, stack, unstack

    values = [convert_to_tensor(value) for value in inputs]

    def turned(items: list[Any]) -> list[Any]:
        if sequence_length is None:
            return items[::-1]
        return unstack(reverse_sequence(stack(items), sequence_length, 0, 1), len(items))

    with variable_scope(scope or "bidirectional_rnn"):
        forwards, state_fw = static_rnn(cell_fw, values, initial_state_fw, dtype, sequence_length, "fw")
        backwards, state_bw = static_rnn(
            cell_bw, turned(values), initial_state_bw, dtype, sequence_length, "bw"
        )
        pairs = zip(forwards, turned(backwards), strict=True)
        return [concat([a, b], 1) for a, b in pairs], state_fw, state_bw


def raw_rnn(
    cell: Any,
    loop_fn: Any,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    scope: Any = None,
) -> tuple[Any, Any, Any]:
    """A recurrent net whose inputs, states and outputs ``loop_fn`` chooses: ``(TensorArray of outputs, state, loop state)``.

    ``loop_fn(time, cell_output, cell_state, loop_state)`` gives ``(finished, next input, next cell state, what to put out,
    next loop state)``; the first call has None for all but the time.
    """
    from .control_flow import while_loop
    from .ops_array import shape, zeros, zeros_like
    from .ops_indexing import where
    from .ops_math import logical_or
    from .ops_reduce import reduce_all
    from .tensor_array import TensorArray

    if not callable(loop_fn):
        raise TypeError("loop_fn must be a callable")
    with variable_scope("rnn" if scope is None else scope):
        start = convert_to_tensor(0)
        finished, following, state, emitted, loop_state = loop_fn(start, None, None, None)
        finished = convert_to_tensor(finished)
        first = [convert_to_tensor(item) for item in flatten(following)]
        batch: Any = first[0].shape[0].value if first[0].shape.ndims else None
        if batch is None:
            batch = shape(first[0])[0]
        if emitted is None:
            sizes: Any = cell.output_size
            kinds = [first[0].dtype for _ in flatten(sizes)]
            nothing = [zeros([int(size)], kind)[0:] for size, kind in zip(flatten(sizes), kinds, strict=True)]
            template = sizes
        else:
            nothing = [zeros_like(convert_to_tensor(item)) for item in flatten(emitted)]
            kinds, template = [item.dtype for item in nothing], emitted
        arrays = [TensorArray(kind, 0, dynamic_size=True) for kind in kinds]
        has_state = loop_state is not None
        extra = convert_to_tensor(0) if not has_state else loop_state

        def blank(item: Any, like: Any) -> Any:
            # One row of nothing for each batch entry.
            return zeros_like(like) if like.shape.ndims else zeros([batch], item.dtype)

        def chosen(done: Any, new: Any, old: Any) -> Any:
            leaves = zip(flatten(new), flatten(old), strict=True)
            return pack_like(
                old, [_kept(done, convert_to_tensor(a), convert_to_tensor(b)) for a, b in leaves]
            )

        def _kept(done: Any, new: Any, old: Any) -> Any:
            return new if new.shape.ndims == 0 else where(done, old, new)

        def turn(time: Any, done: Any, value: Any, outputs: Any, now: Any, more: Any) -> Any:
            output, new = cell(value, now)
            later = time + 1
            next_done, next_value, next_state, emit, next_more = loop_fn(
                later, output, new, more if has_state else None
            )
            next_state = chosen(done, next_state, now)
            filled = []
            for array, item in zip(outputs, flatten(emit), strict=True):
                made = convert_to_tensor(item)
                filled.append(array.write(time, where(done, blank(made, made), made)))
            return (
                later,
                logical_or(convert_to_tensor(next_done), done),
                next_value,
                tuple(filled),
                next_state,
                next_more if has_state else more,
            )

        variables = (start, finished, following, tuple(arrays), state, extra)
        shapes = [_loose(leaf) for leaf in flatten(variables)]
        _, _, _, outputs, last, more = while_loop(
            lambda time, done, *_: _not(reduce_all(done)),
            turn,
            variables,
            shape_invariants=shapes,
        )
        return pack_like(template, list(outputs)), last, more if has_state else None


def _not(value: Any) -> Any:
    from .ops_math import logical_not

    return logical_not(value)


def _loose(leaf: Any) -> Any:
    """A loop variable's shape, with the first extent open: batches may be known on one way in and not on the other."""
    from .tensor_array import TensorArray

    if isinstance(leaf, TensorArray):
        return TensorShape([])
    known = convert_to_tensor(leaf).shape
    return known


def bidirectional_dynamic_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Two nets over the inputs, one from each end: ``((outputs, outputs), (state, state))``, forwards first."""
    time_axis, batch_axis = (0, 1) if time_major else (1, 0)

    def turned(x: Any) -> Any:
        if sequence_length is None:
            return reverse(x, [time_axis])
        return reverse_sequence(x, sequence_length, time_axis, batch_axis)

    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as inner:
            forwards, state_fw = dynamic_rnn(
                cell_fw, inputs, sequence_length, initial_state_fw, dtype, time_major=time_major, scope=inner
            )
        with variable_scope("bw") as inner:
            backwards, state_bw = dynamic_rnn(
                cell_bw,
                turned(convert_to_tensor(inputs)),
                sequence_length,
                initial_state_bw,
                dtype,
                time_major=time_major,
                scope=inner,
            )
        return (forwards, turned(backwards)), (state_fw, state_bw)
