"""The history of a compiled forward pass, made again for gradients that are differentiated themselves.

The backward half of a compiled function is a program (``joint``), and a program has no history. With ``create_graph=True`` the
history that the recording had is made again instead: while the tape is open, every node is taken down with what it keeps, the
tensors among that as places that a call fills. Later a call's own values are put in (those that the backward half does not
have are computed by a third program, from what it has), and the engine runs over the nodes as over those of an eager call. So
derivatives of any order are those of the operations' own vjps, and no code of the program runs a second time.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, Final, cast

import numpy as np

from ..autograd.engine import run_backward
from ..autograd.function import FunctionCtx, FunctionNode
from ..autograd.saved_tensors import Packed
from ..core.device import CPU, empty_on
from ..core.history import LeafNode, Node, OutputNode, versions_of
from ..core.storage import Storage
from ..core.tensor import Tensor, make_tensor, storage_of
from ..ir.graph import Graph
from ..ops.conversion import ALIAS
from ..runtime.batched import Batched
from ..runtime.pending import Pending
from ..runtime.programs import program_for
from ..runtime.recording import span
from ..runtime.tape_keys import CALL, CAST, CONST, INPUT, ITEM, VIEW, graph_of
from .control_calls import Call
from .static_tape import StaticTape, get_array, get_node, operands_of, with_all_results

ndarray = np.ndarray
_CONSTANT: Final = (
    int, float, complex, str, bytes, type(None), type, slice, range, type(Ellipsis), np.dtype, np.generic, ModuleType,
    BuiltinFunctionType, CodeType, np.ufunc, ndarray,
)  # fmt: skip
_MOST_LOOKED_AT: Final = 2000
_OF_NODES: Final = frozenset(("outputs", "tensor_positions", "accepts_none", "known_as"))
_NOT_OF_CALLS: Final = frozenset(("result_nodes", "_metadata", "traceback", "caused_by"))


class NotKept(Exception):
    """Something in the history can't be filled with another call's values."""


class _Place:
    """Where a tensor of the call goes. ``value``: the number of its value. ``node``: the number of its history's node,
    (number,) of an outer one, a tensor from outside whose history it is, or None."""

    __slots__ = ("node", "value")

    def __init__(self, value: int, node: Any) -> None:
        self.value = value
        self.node = node


class _Array:
    """Where a bare array goes."""

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value


class _Parts:
    """Where something goes that holds places: ``make(parts)``."""

    __slots__ = ("make", "parts")

    def __init__(self, make: Callable[[list[Any]], Any], parts: list[Any]) -> None:
        self.make = make
        self.parts = parts


class _Entry:
    """A node with places in it. ``edges``: as the ``node`` of a place."""

    __slots__ = ("attrs", "edges", "extras", "node", "output", "saved", "shape")

    def __init__(self, node: Node) -> None:
        # What stays the same: the class, the operation, the line. The node itself goes, with all that it keeps.
        self.node = (type(node), node.operation, node.site, getattr(node, "index", None))
        self.shape = _Shape(node.shape, node.dtype)
        self.edges: list[Any] = list(node.edges)
        self.attrs: Any = None
        self.saved: Any = None
        self.output: Any = None
        self.extras: dict[str, Any] = {}


class _Shape:
    """What a node asks of its result's array."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: Any, dtype: Any) -> None:
        self.shape = shape
        self.dtype = dtype


class KeptHistory:
    """The history of a recording's results, without its values.

    ``roots``: the nodes of the results; ``outer``: those from before the call that it ends in. Raises ``NotKept``.
    """

    def __init__(
        self,
        tape: StaticTape,
        roots: Sequence[Node],
        outer: Sequence[Node],
        arguments: Sequence[Tensor],
        first: int,
    ) -> None:
        self._tape = tape
        self._first = first
        self._outer = {node: number for number, node in enumerate(outer)}
        self._arguments = {id(tensor): number for number, tensor in enumerate(arguments)}
        self._numbers: dict[int, int] = {}  # of values, by the tape's node
        self._places: list[_Place] = []
        self._nodes = list(dict.fromkeys(roots))
        found: dict[Node, _Entry] = {}
        while self._nodes:
            node = self._nodes.pop()
            if node in found or node in self._outer:
                continue
            if isinstance(node, LeafNode) or node.order < first:
                raise NotKept("the history leads to something that is not known")
            found[node] = self._entry(node)
            self._nodes += [edge for edge in node.edges if edge is not None]
        ordered = sorted(found, key=lambda node: node.order)
        number_of: dict[Node, Any] = {node: (number,) for node, number in self._outer.items()}
        number_of.update({node: number for number, node in enumerate(ordered)})
        for number, node in enumerate(ordered):
            entry = found[node]
            entry.edges = [None if edge is None else number_of[edge] for edge in entry.edges]
            if any([type(edge) is int and edge >= number for edge in entry.edges]):
                raise NotKept("the history is not in order")
        for place in self._places:
            if isinstance(place.node, Node):
                place.node = number_of[place.node]
        self.entries = [found[node] for node in ordered]
        self.roots: list[int] = [number_of[node] for node in roots]
        self.values: list[Any] = list(self._numbers)
        self._program: Any = None
        del self._tape, self._outer, self._arguments, self._numbers, self._places, self._nodes

    # --- taking down ------------------------------------------------------------------------------------------------

    def _entry(self, node: Node) -> _Entry:
        entry = _Entry(node)
        if isinstance(node, OutputNode):
            if node.pre_hooks or node.retain_into:
                raise NotKept("a hook was put on a result half-way")
            return entry
        if node.special:
            raise NotKept("a hook was put on a result half-way")
        if isinstance(node, FunctionNode):
            if type(node.saved) is tuple:
                entry.saved = [self._saved_by_function(part) for part in node.saved]
        else:
            entry.saved = self._described(node.saved)
        entry.attrs = self._described(node.attrs)
        if node.output is not None:
            entry.output = self._array(node.output[0])
        for name, value in node.__dict__.items():
            if name in _OF_NODES:
                entry.extras[name] = value
            elif name not in _NOT_OF_CALLS and value:
                raise NotKept(f"a node of the history has {name}")
        return entry

    def _saved_by_function(self, part: Any) -> Any:
        if part is None:
            return None
        content, _, _, index = part
        return (self._described(content) if index is None else self._array(content), index)

    def _array(self, array: Any) -> _Array:
        if type(array) is not Pending:
            raise NotKept("a result was computed outside of the recording")
        return _Array(self._number(self._tape.read(array)))

    def _number(self, node: int) -> int:
        return self._numbers.setdefault(node, len(self._numbers))

    def _place(self, tensor: Tensor) -> _Place:
        if type(get_array(tensor)) is Batched:
            raise NotKept("it goes through vmap")
        node: Any = get_node(tensor)
        if node is not None and node not in self._outer:
            if isinstance(node, LeafNode) or node.order < self._first:
                # Only reached through what is kept beside the operands.
                if id(tensor) in self._arguments or id(tensor) not in self._tape.states:
                    raise NotKept("the history leads to something that is not known")
                node = tensor
            else:
                self._nodes.append(node)
        place = _Place(self._number(self._tape.read(self._tape.see(tensor, get_array(tensor)))), node)
        self._places.append(place)
        return place

    def _described(self, value: Any) -> Any:
        """``value``, or how to make it for another call if it holds something of this one."""
        if isinstance(value, Tensor):
            return self._place(value)
        kind = type(value)
        if kind is Pending:
            return self._array(value)
        if isinstance(value, _CONSTANT):
            return value
        if isinstance(value, tuple | list):
            parts = [self._described(part) for part in value]
            if all([part is old for part, old in zip(parts, value, strict=True)]):
                return value
            return _Parts((lambda made: kind(*made)) if hasattr(kind, "_fields") else kind, parts)
        if kind is dict:
            names, parts = list(value), [self._described(part) for part in value.values()]
            if all([part is old for part, old in zip(parts, value.values(), strict=True)]):
                return value
            return _Parts(lambda made: dict(zip(names, made, strict=True)), parts)
        if isinstance(value, Call):
            raise NotKept("it goes through control flow")
        if isinstance(value, FunctionCtx):
            own = {name: part for name, part in value.__dict__.items() if name != "_node"}
            names, parts = list(own), [self._described(part) for part in own.values()]

            def context(made: list[Any]) -> Any:
                again = kind()
                again.__dict__.update(zip(names, made, strict=True))
                return again

            return _Parts(context, parts)
        self._check(value)
        return value

    def _check(self, value: Any) -> None:
        """Raise ``NotKept`` if ``value``, which is kept as it is, leads to a tensor that was made in the call."""
        seen: set[int] = set()
        stack = [value]
        while stack:
            one = stack.pop()
            if id(one) in seen or isinstance(one, _CONSTANT):
                continue
            seen.add(id(one))
            if len(seen) > _MOST_LOOKED_AT:
                raise NotKept(f"an object of type {type(value).__name__} in the history is too large")
            if isinstance(one, Tensor):
                if (
                    id(one) not in self._arguments
                    and id(one) not in self._tape.states
                    and (type(get_array(one)) is Pending or id(one) in self._tape.made)
                ):
                    raise NotKept(f"a {type(value).__name__} in the history holds a tensor of the call")
                if id(one) in self._arguments:
                    raise NotKept(f"a {type(value).__name__} in the history holds an argument")
                continue
            if type(one) in (Pending, Batched) or isinstance(one, Node | Packed):
                raise NotKept(f"a {type(value).__name__} in the history holds a tensor of the call")
            if isinstance(one, dict):
                stack += one.values()
            elif isinstance(one, tuple | list | set | frozenset):
                stack += one
            elif isinstance(one, FunctionType):
                stack += [cell.cell_contents for cell in one.__closure__ or () if _is_filled(cell)]
                stack += [one.__defaults__, one.__kwdefaults__, one.__dict__]
            else:
                stack.append(getattr(one, "__dict__", None))
                stack.append(getattr(one, "__self__", None))
                stack.append(getattr(one, "__func__", None))
                for base in type(one).__mro__:
                    names = base.__dict__.get("__slots__", ())
                    for name in (names,) if isinstance(names, str) else names:
                        stack.append(getattr(one, name, None))

    # --- the values ---------------------------------------------------------------------------------------------------

    def cut(
        self, tape: StaticTape, sources: list[tuple[str, Any]], saved: list[int], replaced: set[int]
    ) -> None:
        """Find where the values come from: from ``sources`` and ``saved`` (nodes that the first program gives), to which
        it adds, and from a graph on these."""
        keys, types = tape.keys, tape.types
        number_of: dict[int, int] = {}
        self._keys: list[Any] = []
        self._types: list[Any] = []
        self._inputs: list[int] = []  # numbers of sources

        def must_be_saved(old: int) -> bool:
            key = keys[old]
            if key[0] is INPUT:
                return id(tape.inputs[key[1]]) in replaced
            if key[0] is ITEM:
                return keys[key[1]][0] is CALL and _is_done_once(keys[key[1]][1])
            return key[0] is CALL and _is_done_once(key[1])

        def is_given(old: int) -> bool:
            return old in saved or keys[old][0] is INPUT or must_be_saved(old)

        def source_of(old: int) -> int:
            key = keys[old]
            if old in saved:
                wanted: tuple[str, Any] = ("saved", saved.index(old))
            elif must_be_saved(old):
                saved.append(old)
                wanted = ("saved", len(saved) - 1)
            else:
                kind, where = tape.sources[key[1]]
                wanted = ("argument", where) if kind == "argument" else ("array", tape.inputs[key[1]])
            for number, (kind, where) in enumerate(sources):
                if kind == wanted[0] and (where is wanted[1] or (kind != "array" and where == wanted[1])):
                    return number
            sources.append(wanted)
            return len(sources) - 1

        needed: set[int] = set()
        stack = list(self.values)
        while stack:
            old = stack.pop()
            if old not in needed:
                needed.add(old)
                if not is_given(old):
                    stack += operands_of(keys[old])
        computed = {old for old in needed if not is_given(old)}
        for old in sorted(needed | with_all_results(keys, computed)):
            key = keys[old]
            if old in needed and is_given(old):
                if key[0] is ITEM and key[1] in computed:
                    self._keys.append((ITEM, number_of[key[1]], *key[2:]))
                    self._types.append(types[old])
                self._inputs.append(source_of(old))
                where = tape.home_of(old)
                key = (INPUT, len(self._inputs) - 1, id(types[old]))
                key = key if where is CPU else (*key, where)
            elif key[0] is CALL:
                key = (CALL, key[1], tuple([number_of[i] for i in key[2]]), *key[3:])
            elif key[0] is VIEW or key[0] is CAST or key[0] is ITEM:
                key = (key[0], number_of[key[1]], *key[2:])
            elif key[0] is not CONST:
                key = (key[0], number_of[key[1]], number_of[key[2]], *key[3:])
            number_of[old] = len(self._keys)
            self._keys.append(key)
            self._types.append(types[old])
        # Where each value is: the number of a source, or (number of an output,).
        where_is: list[Any] = []
        self._outputs: list[tuple[int, int]] = []
        self._results: list[Any] = []
        for old in self.values:
            if is_given(old):
                where_is.append(source_of(old))
            else:
                where_is.append((len(self._outputs),))
                self._outputs.append((number_of[old], -1))
                self._results.append((tape.home_of(old), *types[old]))
        self.values = where_is

    def _computed(self, array_of: Callable[[int], Any]) -> list[Any]:
        if not self._outputs:
            return []
        inputs = [array_of(number) for number in self._inputs]
        outputs = [empty_on(*result) for result in self._results]
        if self._program is None:
            make: Callable[[], Graph] = lambda: graph_of(self._keys, self._types, self._outputs)  # noqa: E731
            self._program = program_for((tuple(self._keys), tuple(self._outputs)), make, inputs, outputs)
        self._program.run(inputs, outputs)
        return outputs

    # --- making it again ------------------------------------------------------------------------------------------------

    def gradients(
        self,
        given: Sequence[Tensor | None],
        node: Node,
        sources: Sequence[tuple[str, Any]],
        kept: Sequence[Any],
        create_graph: bool,
    ) -> tuple[Tensor | None, ...]:
        """The gradients of the tensors from outside for those of the results.

        ``node``: that of the call; ``sources``: where the values come from, ``kept``: what the call kept of them.
        """
        call = _OfCall(self, node, sources, kept)
        roots = [
            (call.nodes[number], gradient)
            for number, gradient in zip(self.roots, given, strict=True)
            if gradient is not None
        ]
        found = run_backward(
            [root for root, _ in roots],
            [gradient for _, gradient in roots],
            retain_graph=True,
            create_graph=create_graph,
            targets=[way for way in call.ways_out if way is not None],
            collect=False,
        )
        arrived = iter(found)
        return tuple([None if way is None else next(arrived) for way in call.ways_out])


class _OfCall:
    """The nodes of one call. ``ways_out``: for each outer node one that leads to it, where gradients are picked up before
    its hooks run."""

    def __init__(
        self, history: KeptHistory, node: Node, sources: Sequence[tuple[str, Any]], kept: Sequence[Any]
    ) -> None:
        self.sources, self.kept = sources, kept
        self.where = history.values
        self.computed = history._computed(self._array_of)
        self.ways_out = [
            None if edge is None else Node(ALIAS, (edge,), edge)  # type: ignore[arg-type]  # it asks for shape and dtype
            for edge in node.edges
        ]
        self.nodes: list[Node] = []
        for entry in history.entries:
            self.nodes.append(self._made(entry))

    def _array_of(self, number: int) -> Any:
        """What source ``number`` holds."""
        kind, where = self.sources[number]
        if kind == "array":
            return where
        array = real_array(self.kept[number]._array)
        return span(array) if kind == "argument" and where[1] else array

    def _array(self, number: int) -> Any:
        """Value ``number``."""
        where = self.where[number]
        return self._array_of(where) if type(where) is int else self.computed[where[0]]

    def _node(self, node: Any) -> Any:
        if type(node) is int:
            return self.nodes[node]
        if type(node) is tuple:
            return self.ways_out[node[0]]
        return None if node is None else node._node

    def _filled(self, value: Any) -> Any:
        kind = type(value)
        if kind is _Place:
            tensor = make_tensor(self._array(value.value), self._node(value.node))
            where = self.where[value.value]
            if type(where) is int and self.kept[where] is not None:
                tensor._storage = storage_of(self.kept[where])  # so that later changes are noticed
            return tensor
        if kind is _Array:
            return self._array(value.value)
        if kind is _Parts:
            return value.make([self._filled(part) for part in value.parts])
        return value

    def _made(self, entry: _Entry) -> Node:
        kind, operation, site, index = cast(Any, entry.node)
        shape = cast(Any, entry.shape)
        edges = tuple([self._node(edge) for edge in entry.edges])
        if issubclass(kind, OutputNode):
            (parent,) = edges
            output: Node = kind(parent, index, shape)
            if isinstance(parent, FunctionNode):
                parent.result_nodes[index] = weakref.ref(output)
            return output
        saved, attrs = None, self._filled(entry.attrs)
        by_function = issubclass(kind, FunctionNode)
        if not by_function:
            saved = self._filled(entry.saved)
        node: Any = kind(
            operation,
            edges,
            shape,
            saved,
            attrs,
            site,
            None if type(saved) is not tuple else versions_of(saved),
        )
        node.__dict__.update(entry.extras)
        if by_function:
            node.result_nodes = {}
            attrs._node = weakref.ref(node)
            if entry.saved is not None:
                node.saved = tuple([self._of_function(part) for part in entry.saved])
        if entry.output is not None:
            node.output = (self._filled(entry.output), Storage(), 0)
        return node  # type: ignore[no-any-return]

    def _of_function(self, part: Any) -> Any:
        if part is None:
            return None
        content, index = part
        made = self._filled(content)
        if index is not None:
            return (made, Storage(), 0, index)
        return (made, None, 0 if made._storage is None else made._storage.version, None)


def real_array(array: Any) -> Any:
    """``array`` with its values, where a recording that goes on holds it."""
    return array.tape.share(array) if type(array) is Pending else array


def _is_done_once(record: Any) -> bool:
    """Whether what this record gives can't be computed again: random numbers, messages."""
    return bool(getattr(record, "effects", False)) or hasattr(record, "outline")


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
