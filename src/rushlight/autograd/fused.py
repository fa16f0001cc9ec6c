"""Composites whose kernels, forward and backward, the compiler derives from their formula.

``fused(formula)`` is ``formula`` for small tensors. For large ones its operations would each make a pass over memory, and keep
what backward needs of each: there the formula is recorded once for a kind of call, and runs as one program; its history is one
node that keeps the inputs alone, and whose vjp is a second program, recorded from the formula's own backward pass. Nothing
is written down twice. The first call of a kind is the formula's, so that what happens once is never compiled.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ..core.dtypes import BOOL, F32, F64, I64
from ..core.grad_mode import GRAD_MODE
from ..core.history import Node, grad_name_of, versions_of
from ..core.storage import program_site
from ..core.tensor import Tensor, make_tensor
from ..ops.pointwise import mul
from ..runtime.programs import native_program
from ..runtime.recording import Tape
from ..runtime.tape_keys import graph_of
from .differentiate import grad as gradients_of

ndarray = np.ndarray
grad_enabled = GRAD_MODE.get
_KEPT: Final = 256
_PATIENCE: Final = 20
_SEEN: Final = object()
_NEVER: Final = object()
_programs: OrderedDict[Any, Any] = OrderedDict()


def fused(formula: Callable[..., Tensor], *, name: str, from_size: int = 16_384, exact: bool = False) -> Any:
    """``formula`` with large calls compiled: ``from_size`` elements of its first argument.

    ``formula`` takes tensors and hashable options, and must be pure: no changes in place of what it is given, no random
    numbers, no decisions by values. ``exact``: its program has the formula's bits, so that small calls too are compiled from
    the twentieth of a kind on, where no gradients are wanted (whose sums may be in another order).
    """
    operation = Operation(name)

    @functools.wraps(formula)
    def function(*args: Any, **kwargs: Any) -> Any:
        first = args[0] if args else None
        if type(first) is not Tensor or type(first._array) is not ndarray:
            return formula(*args, **kwargs)
        small = first._array.size < from_size
        if small and not exact:
            return formula(*args, **kwargs)
        call = _Call(operation, formula, args, kwargs)
        if call.key is None or (small and not call.repeated()):
            return formula(*args, **kwargs)
        return call.run()

    return function


class Operation:
    """What stands for a fused composite in histories."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.grad_name = grad_name_of(name)

    @staticmethod
    def vjp(g: Tensor, node: Node) -> Any:
        """The gradients of the call's tensors."""
        return node.attrs["call"].vjp(g, node)


class _Call:
    """One call: its tensors, and the rest as a key."""

    __slots__ = ("args", "formula", "key", "kwargs", "places", "record", "tensors")

    def __init__(
        self, record: Operation, formula: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.record, self.formula, self.args, self.kwargs = record, formula, args, kwargs
        self.tensors: list[Tensor] = []
        self.places: list[Any] = []
        self.key: Any = None
        rest = []
        for place, value in (*enumerate(args), *kwargs.items()):
            if isinstance(value, Tensor):
                array = value._array
                if (
                    type(array) is not ndarray
                    or not array.flags.c_contiguous
                    or array.dtype not in (F32, F64, BOOL, I64)
                ):
                    return
                self.tensors.append(value)
                self.places.append(place)
                rest.append((place, array.shape, array.dtype))
            else:
                rest.append((place, type(value), value))
        try:
            hash(key := (record, tuple(rest)))
        except TypeError:
            return
        self.key = key

    def repeated(self) -> bool:
        """Of a small call: whether it needs no gradients and is one of many of its kind."""
        if grad_enabled() and any([t._node is not None for t in self.tensors]):
            return False
        known = _programs.get(self.key)
        if known is None or type(known) is int:
            _remember(self.key, _SEEN if known == 1 else (known or _PATIENCE) - 1)
            return False
        return True

    def run(self) -> Any:
        program = _programs.get(self.key)
        if program is None or program is _NEVER:
            if program is None:
                _remember(self.key, _SEEN)
            return self.formula(*self.args, **self.kwargs)
        if program is _SEEN:
            program = _compiled(self._forward, [t._array for t in self.tensors])
            _remember(self.key, program)
            if program is _NEVER:
                return self.formula(*self.args, **self.kwargs)
        (array,) = program.run([t._array for t in self.tensors])
        edges = tuple([t._node for t in self.tensors])
        if edges.count(None) == len(edges) or not grad_enabled():
            return make_tensor(array)
        saved = tuple(self.tensors)
        self.args, self.kwargs = self._without_tensors()  # the node's ``saved`` holds them, and lets them go
        self.tensors = []
        return make_tensor(
            array, Node(self.record, edges, array, saved, {"call": self}, program_site(), versions_of(saved))
        )

    def _without_tensors(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        args = tuple([None if isinstance(value, Tensor) else value for value in self.args])
        return args, {k: None if isinstance(v, Tensor) else v for k, v in self.kwargs.items()}

    def _on(self, tensors: Sequence[Tensor]) -> Tensor:
        """The formula on other tensors in the places of this call's."""
        args, kwargs = list(self.args), dict(self.kwargs)
        for place, tensor in zip(self.places, tensors, strict=True):
            if isinstance(place, int):
                args[place] = tensor
            else:
                kwargs[place] = tensor
        result: Tensor = self.formula(*args, **kwargs)
        return result

    def _forward(self, tensors: list[Tensor]) -> list[Tensor]:
        token = GRAD_MODE.set(False)
        try:
            return [self._on(tensors)]
        finally:
            GRAD_MODE.reset(token)

    def vjp(self, g: Tensor, node: Node) -> tuple[Tensor | None, ...]:
        """The gradients: by the formula itself where they are differentiated again, else by the second program."""
        tensors = node.unpack()
        wanted = [i for i, edge in enumerate(node.edges) if edge is not None]
        found: Sequence[Any]
        if grad_enabled():
            if len({id(node.edges[i]) for i in wanted}) < len(wanted):
                # One tensor in several places, each with a gradient of its own: they are told apart by their histories.
                tensors = tuple([mul(t, 1.0) if i in wanted else t for i, t in enumerate(tensors)])
            inner = [tensors[i] for i in wanted]
            found = gradients_of(self._on(tensors), inner, g, create_graph=True, allow_unused=True)
        else:
            found = self._backward(tensors, wanted, g)
        by_place: list[Any] = [None] * len(node.edges)
        for i, gradient in zip(wanted, found, strict=True):
            by_place[i] = gradient
        return tuple(by_place)

    def _backward(self, tensors: Sequence[Tensor], wanted: list[int], g: Tensor) -> Sequence[Tensor]:
        def gradients(inner: list[Tensor]) -> list[Tensor]:
            *values, weight = inner
            leaves = [value.requires_grad_() if i in wanted else value for i, value in enumerate(values)]
            token = GRAD_MODE.set(True)
            try:
                return list(gradients_of(self._on(leaves), [leaves[i] for i in wanted], weight))
            finally:
                GRAD_MODE.reset(token)

        key = (self.key, tuple(wanted))
        program = _programs.get(key)
        arrays = [np.asarray(t._array, order="C") for t in (*tensors, g)]
        if program is None:
            program = _compiled(gradients, arrays)
            _remember(key, program)
        if program is _NEVER:
            return gradients([make_tensor(array) for array in arrays])
        return [make_tensor(array) for array in program.run(arrays)]


class _Program:
    """A recorded function of arrays as a program; constants that it made on the way are inputs too."""

    __slots__ = ("constants", "places", "program", "types")

    def __init__(self, program: Any, places: list[Any], constants: list[Any], types: list[Any]) -> None:
        self.program, self.places, self.constants, self.types = program, places, constants, types

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        inputs = [
            c if place is None else arrays[place]
            for place, c in zip(self.places, self.constants, strict=True)
        ]
        outputs = [np.empty(shape, dtype) for shape, dtype in self.types]
        self.program.run(inputs, outputs)
        return outputs


def _compiled(function: Callable[[list[Tensor]], list[Tensor]], arrays: Sequence[Any]) -> Any:
    """``function`` on arrays of these types as a program; _NEVER where it is not all native code."""
    tape = Tape(_refuse)
    stand_ins = [np.ndarray(a.shape, a.dtype, a) for a in arrays]
    try:
        wrapped: list[Any] = [tape.wrap(array) for array in stand_ins]
        results = function([make_tensor(array) for array in wrapped])
        nodes = [tape.read(result._array) for result in results]
    except _SplitError:
        return _NEVER
    finally:
        tape.finished = True
    types = [(result._array.shape, result._array.dtype) for result in results]
    program = native_program(lambda: graph_of(tape.keys, tape.types, [(node, -1) for node in nodes]))
    if program is None:
        return _NEVER
    place_of = {id(array): place for place, array in enumerate(stand_ins)}
    places = [place_of.get(id(array)) for array in tape.inputs]
    constants = [
        None if place is not None else array for place, array in zip(places, tape.inputs, strict=True)
    ]
    return _Program(program, places, constants, types)


class _SplitError(Exception):
    """The formula asked for a value."""


def _refuse(*_: Any) -> None:
    raise _SplitError


def _remember(key: Any, value: Any) -> None:
    _programs[key] = value
    if len(_programs) > _KEPT:
        _programs.popitem(last=False)
