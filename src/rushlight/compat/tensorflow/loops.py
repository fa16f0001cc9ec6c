"""Functions of one element at a time, over the first axis: ``map_fn``, ``scan``, ``foldl``, ``foldr``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rushlight as rl

from .control_flow import Body, captured_by
from .conversion import convert_to_tensor
from .dtypes import as_dtype
from .graph import Tensor, name_scope
from .nesting import flatten, pack_like
from .static_step import is_static
from .tensor_shape import UNKNOWN, TensorShape


def _rows(elems: Any) -> list[Tensor]:
    tensors = [convert_to_tensor(leaf) for leaf in flatten(elems)]
    if not tensors:
        raise ValueError("elems must have at least one tensor")
    for tensor in tensors:
        if tensor.shape.ndims == 0:
            raise ValueError(f"elems must be 1+ dimensional Tensors, not scalars: {tensor}")
    return tensors


def _signature(tensors: Sequence[Tensor]) -> list[Any]:
    return [
        (t.dtype, UNKNOWN if t.shape.extents is None else TensorShape(t.shape.extents[1:])) for t in tensors
    ]


def _count(tensors: Sequence[Tensor]) -> int | None:
    counts = [tensor.shape.extents[0] for tensor in tensors if tensor.shape.extents]
    return next((count for count in counts if count is not None), None)


def _same_length(values: Sequence[Any]) -> int:
    lengths = {value.shape[0] for value in values}
    if len(lengths) != 1:
        raise ValueError(f"all elems must have the same first extent, got {sorted(lengths)}")
    return int(lengths.pop())


def map_fn(
    fn: Callable[[Any], Any],
    elems: Any,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    name: str | None = None,
) -> Any:
    """``fn`` of each slice of ``elems`` along the first axis; the results are stacked.

    Args:
        fn: a function of one slice (or a structure of slices, where ``elems`` is one).
        elems: a tensor or a nested structure of tensors with the same first extent.
        dtype: the type(s) of the result, needed where its structure or type is not that of ``elems``.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     print(session.run(tf.map_fn(lambda row: tf.reduce_sum(row * row), tf.constant([[1.0, 2.0], [3.0, 4.0]]))))
        [ 5. 25.]
    """
    if not callable(fn):
        raise TypeError("fn must be callable.")
    rows = _rows(elems)
    graph = rows[0].graph
    with name_scope(name, "map") as scope:
        body = Body(graph, "fn", lambda *leaves: fn(pack_like(elems, list(leaves))), _signature(rows))
        _check_dtypes(body, elems if dtype is None else dtype, given=dtype is not None)
        given = captured_by(body)

        def bind(binding: Any) -> Any:
            call = body.bound(binding, [*body.parameters, *given])
            width = len(rows)

            def kernel(*operands: Any) -> tuple[Any, ...]:
                values, outer = operands[:width], operands[width:]
                if _same_length(values) and is_static():
                    return tuple(rl.map_fn(lambda parts: call(*parts, *outer), values))
                turns = [call(*[value[i] for value in values], *outer) for i in range(_same_length(values))]
                return _stacked(turns, body)

            return (
                kernel
                if back_prop
                else lambda *operands: tuple([value.detach() for value in kernel(*operands)])
            )

        count = _count(rows)
        results = [(t.dtype, TensorShape([count]).concatenate(t.shape)) for t in body.results]
        op = graph.create_op(
            "Map",
            [*rows, *given],
            results,
            bind=bind,
            name=scope,
            writes=body.writes,
            attributes={"has_blocks": True, "many": True},
        )
    return pack_like(body.returned, op.outputs)


def _check_dtypes(body: Body, wanted: Any, given: bool) -> None:
    kinds = [as_dtype(item) if given else convert_to_tensor(item).dtype for item in flatten(wanted)]
    found = [tensor.dtype for tensor in body.results]
    if kinds != found:
        raise ValueError(
            f"map_fn: fn gives {[kind.name for kind in found]} where {[kind.name for kind in kinds]} was announced; pass "
            "dtype= with the types of what fn gives"
        )


def _stacked(turns: Sequence[tuple[Any, ...]], body: Body) -> tuple[Any, ...]:
    if turns:
        return tuple([rl.stack(column) for column in zip(*turns, strict=True)])
    return tuple(
        [
            rl.empty((0, *[e or 0 for e in t.shape.extents or ()]), dtype=t.dtype.rushlight)
            for t in body.results
        ]
    )


def _folding(
    fn: Callable[[Any, Any], Any],
    elems: Any,
    initializer: Any,
    reverse: bool,
    keep_all: bool,
    back_prop: bool,
    name: str | None,
    default_name: str,
) -> Any:
    if not callable(fn):
        raise TypeError("fn must be callable.")
    rows = _rows(elems)
    graph = rows[0].graph
    with name_scope(name, default_name) as scope:
        structure = elems if initializer is None else initializer
        start = [] if initializer is None else [convert_to_tensor(leaf) for leaf in flatten(initializer)]
        states = _signature(rows) if initializer is None else [(t.dtype, t.shape) for t in start]
        width = len(states)

        def on_structure(*leaves: Any) -> Any:
            return fn(pack_like(structure, list(leaves[:width])), pack_like(elems, list(leaves[width:])))

        body = Body(graph, "fn", on_structure, [*states, *_signature(rows)])
        if [tensor.dtype for tensor in body.results] != [dtype for dtype, _ in states]:
            raise TypeError("fn must give values of the types of the initializer (or of elems, without one)")
        given = captured_by(body)

        def bind(binding: Any) -> Any:
            call = body.bound(binding, [*body.parameters, *given])

            def kernel(*operands: Any) -> tuple[Any, ...]:
                values = operands[len(start) : len(start) + len(rows)]
                outer = operands[len(start) + len(rows) :]
                order = list(range(_same_length(values)))
                if reverse:
                    order.reverse()
                state: Any = operands[: len(start)]
                history = []
                if not start:
                    if not order:
                        raise ValueError("elems is empty and there is no initializer")
                    state = tuple([value[order[0]] for value in values])
                    history.append(state)
                    del order[0]
                if order and is_static():
                    last, every = rl.scan(
                        lambda now, parts: _twice(call(*now, *parts, *outer)),
                        tuple(state),
                        tuple(
                            [
                                value[order[-1] : order[0] + 1] if reverse else value[order[0] :]
                                for value in values
                            ]
                        ),
                        reverse=reverse,
                    )
                    if not keep_all:
                        return tuple(last)
                    if not history:
                        return tuple(every)
                    first = [part.unsqueeze(0) for part in history[0]]
                    return tuple(
                        [rl.cat((b, a) if reverse else (a, b)) for a, b in zip(first, every, strict=True)]
                    )
                for i in order:
                    state = call(*state, *[value[i] for value in values], *outer)
                    history.append(state)
                if not keep_all:
                    return tuple(state)
                return _stacked(history[::-1] if reverse else history, body)

            return (
                kernel
                if back_prop
                else lambda *operands: tuple([value.detach() for value in kernel(*operands)])
            )

        count = _count(rows)
        results = [
            (t.dtype, TensorShape([count]).concatenate(t.shape) if keep_all else t.shape)
            for t in body.results
        ]
        op = graph.create_op(
            "Scan",
            [*start, *rows, *given],
            results,
            bind=bind,
            name=scope,
            writes=body.writes,
            attributes={"has_blocks": True, "many": True},
        )
    return pack_like(structure, op.outputs)


def _twice(values: Any) -> tuple[Any, Any]:
    return tuple(values), tuple(values)


def scan(
    fn: Callable[[Any, Any], Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    reverse: bool = False,
    name: str | None = None,
) -> Any:
    """All states of ``state = fn(state, element)`` over the slices of ``elems``, stacked.

    The first state is ``initializer``, or the first slice without one.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     print(session.run(tf.scan(lambda total, x: total + x, tf.constant([1.0, 2.0, 3.0]))))
        [1. 3. 6.]
    """
    return _folding(fn, elems, initializer, reverse, True, back_prop, name, "scan")


def foldl(
    fn: Callable[[Any, Any], Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """The last state of ``state = fn(state, element)``, from the first slice of ``elems`` to the last."""
    return _folding(fn, elems, initializer, False, False, back_prop, name, "foldl")


def foldr(
    fn: Callable[[Any, Any], Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """The last state of ``state = fn(state, element)``, from the last slice of ``elems`` to the first."""
    return _folding(fn, elems, initializer, True, False, back_prop, name, "foldr")
