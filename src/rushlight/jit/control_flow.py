"""Control flow over values: ``cond``, ``while_loop``, ``scan`` and ``map``, in eager, recorded and static mode.

In eager and recorded mode they are plain Python: one branch runs, bodies run as often as they should. In a static graph
(``compile(fullgraph=True)``) no value is known, so both branches and the bodies are recorded, each as a graph of its own, and
which of them runs, and how often, is decided when the graph runs. The checks are the same in all modes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.dtypes import float64
from ..core.grad_mode import GRAD_MODE
from ..core.tensor import Tensor
from ..ops.comparison import where
from ..ops.creation import tensor as new_tensor
from ..ops.joining import stack
from ..runtime.batched import Batched
from .control_calls import (
    CondCall,
    Part,
    ScanCall,
    Value,
    WhileCall,
    outside_tensor,
    parameter_value,
    value_of,
)
from .numbers import PendingNumber, pending_number
from .recorded import ACTIVE
from .static_tape import StaticTape
from .structures import described, flatten, unflatten
from .subgraph import SubTape, inside

__all__ = ["cond", "map", "map_fn", "scan", "while_loop"]
_NUMBERS = (bool, int, float)


def cond(
    pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Sequence[Any] = ()
) -> Any:
    """``true_fn(*operands)`` if ``pred`` is true, otherwise ``false_fn(*operands)``.

    Args:
        pred: a tensor with one element, or a Python bool or number.
        true_fn, false_fn: functions of ``operands`` (and whatever they find in their closures) that give tensors, or nested
            tuples, lists and dicts of them: both the same structure, shapes and dtypes, which a static graph checks.
        operands: a tuple or list of tensors, or nested structures of them.

    In a static graph tensors from outside may be changed in place inside a branch, where no gradient goes through them. The
    branch that did not run gives zero gradients there, where eager mode gives None.

    Raises ``RuntimeError`` if something is not as described.

    Example:
        >>> import rushlight as torch
        >>> @torch.compile(fullgraph=True)
        ... def f(x):
        ...     return torch.cond(x.sum() > 0, lambda x: x * 2, lambda x: -x, (x,))
        >>> f(torch.tensor([1.0, 2.0])), f(torch.tensor([-1.0, -2.0]))
        (tensor([2., 4.]), tensor([1., 2.]))
    """
    if not callable(true_fn) or not callable(false_fn):
        raise RuntimeError("Expect both branches to be callable.")
    if not isinstance(operands, tuple | list) or any(
        not isinstance(leaf, Tensor) for leaf in flatten(operands)[0]
    ):
        raise RuntimeError(
            "Expect operands to be a tuple of possibly nested dict/list/tuple that only consists of tensor leaves, but got "
            f"{described(operands)}."
        )
    if isinstance(pred, Tensor):
        if pred.numel() != 1:
            raise RuntimeError(
                f"Expected pred to be bool or single-element tensor, but got {described(pred)}."
            )
        tape = _static_tape()
        if tape is not None:
            return _static_cond(tape, pred, true_fn, false_fn, operands)
        if type(pred._array) is Batched:
            return _both(pred, true_fn(*operands), false_fn(*operands))
        pred = pred.item()
    elif not isinstance(pred, _NUMBERS):
        raise RuntimeError(f"Expected pred to be bool or tensor, but got {pred!r}.")
    return true_fn(*operands) if pred else false_fn(*operands)


def _both(pred: Tensor, when_true: Any, when_false: Any) -> Any:
    """Inside of ``vmap``, where examples differ: both branches are computed, and each example takes its own."""
    ours, structure = flatten(when_true)
    theirs, other_structure = flatten(when_false)
    if structure != other_structure:
        raise RuntimeError(
            f"Expected both branches to return the same structure, but got {structure} and {other_structure}."
        )
    return unflatten(structure, [where(pred.reshape(()), a, b) for a, b in zip(ours, theirs, strict=True)])


def while_loop(cond_fn: Callable[..., Any], body_fn: Callable[..., Any], carried_inputs: Any) -> Any:
    """``carried = body_fn(*carried)`` as long as ``cond_fn(*carried)`` is true; the carried values at the end.

    Args:
        cond_fn: gives a bool, or a tensor with one element.
        body_fn: gives new carried values of the same structure, shapes and dtypes.
        carried_inputs: a tuple or list of tensors, numbers, or nested structures of them.

    In a static graph the gradient runs the loop once more to find the values of every iteration, and has itself no gradient.

    Raises ``RuntimeError`` for carried values that change their structure, shape or dtype, or that are changed in place, and
    ``TypeError`` for what is no tensor or number.

    Example:
        >>> import rushlight as torch
        >>> torch.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (0, torch.ones(2)))
        (3, tensor([8., 8.]))
    """
    _check_callable("while_loop", cond_fn=cond_fn, body_fn=body_fn)
    if not isinstance(carried_inputs, tuple | list):
        raise RuntimeError(
            "Expect carried_inputs to be a tuple or list of possibly nested dict/list/tuple, but got "
            f"{described(carried_inputs)}"
        )
    leaves, structure = flatten(tuple(carried_inputs))
    for leaf in leaves:
        if not isinstance(leaf, Tensor | bool | int | float):
            raise TypeError(f"while_loop: carried values are tensors and numbers; got {type(leaf).__name__}")
    tape = _static_tape()
    if tape is not None:
        return _static_while(tape, cond_fn, body_fn, leaves, structure)
    carried = tuple(carried_inputs)
    while _truth(cond_fn(*carried), cond_fn):
        versions = _versions(leaves)
        result = body_fn(*carried)
        if not isinstance(result, tuple | list):
            result = (result,)
        new, found = flatten(tuple(result))
        _check_same("while_loop", body_fn, leaves, structure, new, found)
        _check_versions("while_loop", body_fn, leaves, versions)
        leaves, carried = new, unflatten(structure, new)
    return carried


def scan(
    combine_fn: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any,
    *,
    dim: int = 0,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """``carry, y = combine_fn(carry, x)`` for the slices ``x`` of ``xs``; the last carry, and the ``y`` stacked.

    Args:
        combine_fn: gives a new carry of the same structure, shapes and dtypes, and tensors of any kind.
        init: the first carry: a tensor, or a nested structure of tensors.
        xs: what is sliced along ``dim``: a tensor or a nested structure of tensors of one extent there, at least 1.
        dim: where the slices are taken, and where the ``y`` are stacked.
        reverse: go from the last slice to the first (``y`` still stand where their ``x`` do).

    Raises ``RuntimeError`` if something is not as described.

    Example:
        >>> import rushlight as torch
        >>> torch.scan(lambda total, x: (total + x, total * x), torch.tensor(0.0), torch.tensor([1.0, 2.0, 3.0]))
        (tensor(6.), tensor([0., 2., 9.]))
    """
    _check_callable("scan", combine_fn=combine_fn)
    carry, structure = _tensors("scan", "init", init)
    slices, of_slices = _tensors("scan", "xs", xs)
    if not carry:
        raise RuntimeError("scan() operator requires init leaves.")
    axes = [dim + tensor.ndim if dim < 0 else dim for tensor in slices]
    if not slices or any(
        not 0 <= axis < t.ndim or not t.shape[axis] for axis, t in zip(axes, slices, strict=True)
    ):
        raise RuntimeError(
            "All xs leaves must at least have 'dim' number of dimensions and scan dimension > 0"
        )
    stacks = [t.movedim(axis, 0) if axis else t for axis, t in zip(axes, slices, strict=True)]
    _check_extents("scan", stacks)

    def step(leaves: Sequence[Any], parts: Sequence[Any]) -> tuple[list[Any], Any, list[Any], Any]:
        result = combine_fn(unflatten(structure, leaves), unflatten(of_slices, parts))
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise RuntimeError(
                f"scan: {_named(combine_fn)} must return a carry and a result, got {described(result)}"
            )
        new, found = flatten(result[0])
        return (new, found, *flatten(result[1]))

    last, ys, of_ys = _looped("scan", combine_fn, step, carry, structure, stacks, reverse)
    if dim:
        ys = [y.movedim(0, dim if dim >= 0 else dim + slices[0].ndim) if y.ndim > 1 else y for y in ys]
    return unflatten(structure, last), unflatten(of_ys, ys)


def map(f: Callable[..., Any], xs: Any, *args: Any) -> Any:
    """``f(x, *args)`` for the slices ``x`` of ``xs`` along the first dimension, stacked.

    Args:
        f: gives a tensor or a nested structure of tensors, the same for every slice.
        xs: a tensor or a nested structure of tensors of one first extent, at least 1.
        args: given to every call.

    Raises ``RuntimeError`` if something is not as described.

    Example:
        >>> import rushlight as torch
        >>> torch.map_fn(lambda row, k: (row * k).sum(), torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 10)
        tensor([30., 70.])
    """
    _check_callable("map", f=f)
    stacks, structure = _tensors("map", "xs", xs)
    if not stacks or any(not t.ndim or not t.shape[0] for t in stacks):
        raise RuntimeError("Leading dimensions of mapped xs cannot be 0.")
    _check_extents("map", stacks)

    def step(leaves: Sequence[Any], parts: Sequence[Any]) -> tuple[list[Any], Any, list[Any], Any]:
        return ([], None, *flatten(f(unflatten(structure, parts), *args)))

    _, ys, of_ys = _looped("map", f, step, [], None, stacks, False)
    return unflatten(of_ys, ys)


map_fn = map


# --- checks -----------------------------------------------------------------------------------------------------------------


def _static_tape() -> StaticTape | None:
    tape = getattr(ACTIVE, "tape", None)
    return tape if isinstance(tape, StaticTape) else None


def _check_callable(name: str, **functions: Any) -> None:
    for argument, function in functions.items():
        if not callable(function):
            raise RuntimeError(f"{name}: {argument} must be callable, got {type(function).__name__}")


def _named(function: Any) -> str:
    code = getattr(function, "__code__", None)
    name = getattr(function, "__name__", type(function).__name__)
    return name if code is None else f'{name} (file "{code.co_filename}", line {code.co_firstlineno})'


def _tensors(name: str, argument: str, value: Any) -> tuple[list[Any], Any]:
    leaves, structure = flatten(value)
    for leaf in leaves:
        if not isinstance(leaf, Tensor) and name == "map":
            raise RuntimeError(f"Mapped xs can only consist of tensors. Got xs {leaves}.")
        if not isinstance(leaf, Tensor):
            raise RuntimeError(f"{name}: {argument} leaves must be tensors, got {type(leaf).__name__}")
    return leaves, structure


def _check_extents(name: str, stacks: Sequence[Tensor]) -> None:
    extents = sorted({tensor.shape[0] for tensor in stacks})
    if len(extents) > 1 and name == "map":
        shapes = [tensor.shape for tensor in stacks]
        raise RuntimeError(f"Leading dimensions of mapped xs must be consistent. Got shapes {shapes}.")
    if len(extents) > 1:
        raise RuntimeError(f"{name}: all xs must have the same extent where they are sliced, got {extents}")


def _truth(value: Any, function: Any) -> bool:
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise RuntimeError(
                f"while_loop: {_named(function)} must return a bool or a tensor with one element, got {described(value)}"
            )
        return bool(value.item())
    if not isinstance(value, bool):  # a number that stays as it is would be a loop without an end
        raise RuntimeError(
            f"while_loop: {_named(function)} must return a bool or a tensor with one element, got {value!r}"
        )
    return value


def _kind(leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        return (tuple(leaf.shape), leaf.dtype)
    return type(leaf)


def _check_same(
    name: str, function: Any, before: Sequence[Any], structure: Any, after: Sequence[Any], found: Any
) -> None:
    """Refuse a body that gives something else than it was given."""
    same = len(before) == len(after) and _loose(structure) == _loose(found)
    for a, b in zip(before, after, strict=False):
        # In a static graph a number is a tensor of its kind without dimensions.
        same = same and (
            _kind(a) == _kind(b) or (isinstance(a, PendingNumber) and _kind(a)[0] == _kind(b)[0])
        )
    if not same:
        shown = unflatten(structure, before), unflatten(found, after)
        raise RuntimeError(
            f"{name}: {_named(function)} must return what it was given in structure, shapes and dtypes; it was given "
            f"{described(shown[0])} and returned {described(shown[1])}"
        )


def _loose(structure: Any) -> Any:
    """A structure in which lists are tuples."""
    if not isinstance(structure, tuple):
        return structure
    kind = tuple if structure[0] is list else structure[0]
    if len(structure) == 2:
        return (kind, tuple([_loose(part) for part in structure[1]]))
    return (kind, structure[1], tuple([_loose(part) for part in structure[2]]))


def _versions(leaves: Sequence[Any]) -> list[int]:
    return [0 if not isinstance(t, Tensor) or t._storage is None else t._storage.version for t in leaves]


def _check_versions(name: str, function: Any, leaves: Sequence[Any], before: list[int]) -> None:
    if _versions(leaves) != before:
        raise RuntimeError(
            f"{name}: {_named(function)} changes a carried or sliced value in place; return the new value instead"
        )


# --- eager and recorded -------------------------------------------------------------------------------------------------------


def _looped(
    name: str, function: Any, step: Any, carry: list[Any], structure: Any, stacks: list[Any], reverse: bool
) -> tuple[list[Any], list[Any], Any]:
    tape = _static_tape()
    if tape is not None:
        return _static_loop(tape, name, function, step, carry, structure, stacks, reverse)
    rows: list[list[Any]] = []
    of_ys: Any = None
    for i in range(stacks[0].shape[0] - 1, -1, -1) if reverse else range(stacks[0].shape[0]):
        parts = [s[i] for s in stacks]
        versions = _versions([*carry, *parts])
        new, found, ys, of_row = step(carry, parts)
        _check_versions(name, function, [*carry, *parts], versions)
        _check_same(name, function, carry, structure, new, found)
        _check_results(name, function, ys)
        if rows:
            _check_rows(name, function, rows[0], of_ys, ys, of_row)
        else:
            of_ys = of_row
        carry = new
        rows.append(ys)
    if reverse:
        rows.reverse()
    return carry, [stack(column) for column in zip(*rows, strict=True)], of_ys


def _check_results(name: str, function: Any, ys: Sequence[Any]) -> None:
    for y in ys:
        if not isinstance(y, Tensor):
            raise RuntimeError(f"{name}: {_named(function)} must return tensors, got {type(y).__name__}")


def _check_rows(
    name: str, function: Any, first: Sequence[Any], structure: Any, row: Sequence[Any], found: Any
) -> None:
    if structure != found or [_kind(y) for y in first] != [_kind(y) for y in row]:
        raise RuntimeError(
            f"{name}: {_named(function)} must return the same structure, shapes and dtypes for every slice, got "
            f"{described(unflatten(structure, first))} and {described(unflatten(found, row))}"
        )


# --- static -------------------------------------------------------------------------------------------------------------------


def _static_cond(tape: StaticTape, pred: Any, true_fn: Any, false_fn: Any, operands: Sequence[Any]) -> Any:
    parts: list[Part] = []
    structures, shown = [], []
    for function in (true_fn, false_fn):
        sub = SubTape(tape)
        with inside(sub):
            returned = function(*operands)
            leaves, structure = flatten(returned)
            shown.append(described(returned))
            for leaf in leaves:
                if not isinstance(leaf, Tensor):
                    raise RuntimeError(
                        f"cond: in a static graph {_named(function)} must return tensors, got {type(leaf).__name__}"
                    )
            results = [value_of(sub, leaf) for leaf in leaves]
            sub.check_gradients(f"cond: {_named(function)}")
        parts.append(Part(sub, [], [], results))
        structures.append(structure)
    a, b = [[(r.shape, r.dtype) for r in part.results] for part in parts]
    if a != b or structures[0] != structures[1]:
        raise RuntimeError(
            f"cond: both branches must return the same structure, shapes and dtypes; {_named(true_fn)} returned {shown[0]}, "
            f"{_named(false_fn)} returned {shown[1]}"
        )
    count = len(parts[0].results)
    changed = [buffer for part in parts for buffer, _ in part.tape.changed_outside()]
    changed = list({id(buffer): buffer for buffer in changed}.values())
    for part in parts:
        for buffer in changed:
            node = part.tape.buffer_node(part.tape.import_buffer(buffer))
            part.results.append(Value(node, *part.tape.types[node]))
    outcome = CondCall(pred, parts, count + len(changed)).apply()
    for buffer, result in zip(changed, outcome[count:], strict=False):
        tape.write(outside_tensor(tape, buffer)._array, result._array)
    return unflatten(structures[0], outcome[:count])


def _static_while(tape: StaticTape, cond_fn: Any, body_fn: Any, leaves: list[Any], structure: Any) -> Any:
    numbers = [not isinstance(leaf, Tensor) or isinstance(leaf, PendingNumber) for leaf in leaves]
    arguments = [_as_tensor(leaf) for leaf in leaves]
    body, test = SubTape(tape), SubTape(tape)
    parameters, given = _parameters(body, arguments, numbers)
    with inside(body):
        result = body_fn(*unflatten(structure, given))
        if not isinstance(result, tuple | list):
            result = (result,)
        new, found = flatten(tuple(result))
        if len(new) == len(numbers):
            new = [_as_tensor(leaf) if number else leaf for leaf, number in zip(new, numbers, strict=True)]
        _check_same("while_loop", body_fn, given, structure, new, found)
        results = [
            _carried(body, "while_loop", body_fn, leaf, p) for leaf, p in zip(new, parameters, strict=True)
        ]
    _check_inside(body, "while_loop", body_fn, parameters)
    changed = body.changed_outside()
    for_test, given = _parameters(test, arguments, numbers)
    with inside(test):
        truth = cond_fn(*unflatten(structure, given))
        if not isinstance(truth, Tensor):
            if not isinstance(truth, _NUMBERS):
                _truth(truth, cond_fn)
            truth = new_tensor(bool(truth))
        if truth.numel() != 1:
            _truth_refused(truth, cond_fn)
        answer = value_of(test, truth)
    _check_inside(test, "while_loop", cond_fn, for_test)
    if test.changed:
        raise RuntimeError(
            f"while_loop: in a static graph {_named(cond_fn)} must not change tensors in place"
        )
    for buffer, node in changed:
        parameters.append(_as_parameter(body, buffer))
        for_test.append(_as_parameter(test, buffer))
        arguments.append(outside_tensor(tape, buffer))
        results.append(Value(node, *body.types[node]))
    outcome = WhileCall(
        Part(test, for_test, [], [answer._replace(tensor=None)]), Part(body, parameters, arguments, results)
    ).apply()
    for (buffer, _), value in zip(changed, outcome[len(leaves) :], strict=True):
        tape.write(outside_tensor(tape, buffer)._array, value._array)
    final = [
        pending_number(value._array) if number else value
        for value, number in zip(outcome, numbers, strict=False)
    ]
    return unflatten(structure, final[: len(leaves)])


def _static_loop(
    tape: StaticTape,
    name: str,
    function: Any,
    step: Any,
    carry: list[Any],
    structure: Any,
    stacks: list[Any],
    reverse: bool,
) -> tuple[list[Any], list[Any], Any]:
    sub = SubTape(tape)
    first = stacks[0].shape[0] - 1 if reverse else 0
    parameters, given = _parameters(sub, carry, [False] * len(carry))
    of_slices, parts = _parameters(sub, [s.detach()[first] for s in stacks], [False] * len(stacks))
    with inside(sub):
        new, found, ys, of_ys = step(given, parts)
        _check_same(name, function, given, structure, new, found)
        _check_results(name, function, ys)
        results = [_carried(sub, name, function, leaf, p) for leaf, p in zip(new, parameters, strict=True)]
        rows = [value_of(sub, y) for y in ys]
    _check_inside(sub, name, function, [*parameters, *of_slices])
    changed = sub.changed_outside()
    arguments = list(carry)
    for buffer, node in changed:
        parameters.append(_as_parameter(sub, buffer))
        arguments.append(outside_tensor(tape, buffer))
        results.append(Value(node, *sub.types[node]))
    carried = len(parameters)
    part = Part(sub, [*parameters, *of_slices], [*arguments, *stacks], [*results, *rows])
    outcome = ScanCall(part, carried, stacks[0].shape[0], reverse).apply()
    for (buffer, _), value in zip(changed, outcome[len(carry) :], strict=False):
        tape.write(outside_tensor(tape, buffer)._array, value._array)
    return list(outcome[: len(carry)]), list(outcome[carried : carried + len(rows)]), of_ys


def _as_tensor(leaf: Any) -> Any:
    """A carried number as the tensor that it is in a static graph."""
    if isinstance(leaf, Tensor) or not isinstance(leaf, _NUMBERS):
        return leaf
    return new_tensor(leaf, dtype=float64) if isinstance(leaf, float) else new_tensor(leaf)


def _parameters(
    sub: SubTape, like: Sequence[Tensor], numbers: Sequence[bool]
) -> tuple[list[Value], list[Tensor]]:
    """Parameters for carried values or slices: as values, and as the tensors that the function gets."""
    examples = [tensor._array for tensor in like]
    values, given = [], []
    with inside(sub):
        for example, number in zip(examples, numbers, strict=True):
            value = parameter_value(sub, example, GRAD_MODE.get() and not number, example)
            assert value.tensor is not None
            values.append(value)
            given.append(pending_number(value.tensor._array) if number else value.tensor)
    return values, given


def _carried(sub: SubTape, name: str, function: Any, leaf: Tensor, parameter: Value) -> Value:
    value = value_of(sub, leaf)
    if value.dtype != parameter.dtype:
        raise RuntimeError(
            f"{name}: {_named(function)} must return numbers of the kind that it was given; it was given {parameter.dtype} and "
            f"returned {value.dtype}"
        )
    return value


def _check_inside(sub: SubTape, name: str, function: Any, parameters: Sequence[Value]) -> None:
    """What must not have happened while a body was recorded."""
    with inside(sub):
        for parameter in parameters:
            assert parameter.tensor is not None
            if sub.read(parameter.tensor._array) != parameter.node:
                raise RuntimeError(
                    f"{name}: {_named(function)} changes a carried or sliced value in place; return the new value instead"
                )
            if parameter.tensor._grad is not None:
                raise RuntimeError(
                    f"{name}: {_named(function)}: backward() can't be part of a static graph here"
                )
        sub.check_gradients(f"{name}: {_named(function)}")


def _as_parameter(sub: SubTape, buffer: Any) -> Value:
    """Memory outside that a body changes: carried from one iteration to the next."""
    inner = sub.import_buffer(buffer)
    if inner.number < 0:
        sub.buffer_node(inner)
    node = sub.input_nodes[inner.number]
    return Value(node, *sub.types[node])


def _truth_refused(value: Any, function: Any) -> None:
    raise RuntimeError(
        f"while_loop: {_named(function)} must return a bool or a tensor with one element, got {described(value)}"
    )
