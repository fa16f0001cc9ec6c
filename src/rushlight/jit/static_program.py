"""One recording of the static mode: the compiled graph, and how it is bound to tensors.

Where each input of the graph comes from at every run (arguments, tensors from outside, constants), which memory the outputs
go to, what the call returns, and what must be as it was for all this to hold.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from ..core.device import device_of, empty_on, part_of
from ..core.history import RELEASED, LeafNode, Node
from ..core.tensor import Tensor, make_tensor, storage_of
from ..runtime.pending import Pending, address
from ..runtime.recording import span
from ..runtime.tape_keys import graph_of
from .joint import Root, Stages
from .python_state import PythonState
from .results import Template, filled, resolved, tensors_of
from .static_tape import StaticTape, get_array

ndarray = np.ndarray
getrefcount: Any = getattr(sys, "getrefcount", None)


class Marks:
    """What a tensor from before a call had that is not in its memory."""

    __slots__ = ("gradient", "hooks", "node", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.gradient = tensor._grad
        self.node = tensor._node
        self.hooks = _hooks_of(tensor._node)

    def has_same_history(self) -> bool:
        """Whether it can be differentiated as then."""
        return self.tensor._node is self.node and _hooks_of(self.node) == self.hooks


def _hooks_of(node: Any) -> Any:
    if node is None or not node.special:
        return ()
    return [
        tuple(hooks or ()) for hooks in (node.pre_hooks, node.node_pre_hooks, node.post_hooks)
    ], node.retain_into


class StaticProgram:
    """One recording: the compiled graph, and how it is bound to tensors."""

    def __init__(
        self,
        tape: StaticTape,
        state: PythonState,
        tensors: list[Tensor],
        result: Any,
        first: int,
        backward: Stages | None = None,
        ran_backward: bool = True,
        before: Sequence[Marks] = (),
    ) -> None:
        """``first``: the order of the first node of history that the call made. ``ran_backward``: whether the engine may have
        been at work in the call. ``before``: of the arguments and of what the state knows."""
        self._before = before
        self._first = first
        self._ran_backward = ran_backward
        self.backward = backward
        self._check: Any = None
        self.guards = tape.guards or ()
        self._writes: Any = None
        arguments = {id(tensor): number for number, tensor in enumerate(tensors)}
        self.state = state
        self.histories = [
            (t, tape.histories[id(t)]) for t, _ in tape.states.values() if id(t) not in arguments
        ]
        met = {id(tensor) for tensor, _ in tape.states.values()}.union(arguments)
        # Of those that it only knows, whether they need gradients may have been asked.
        self.needing = [(t, t._node is None) for t in state.tensors if id(t) not in met]
        self.states = [(t, array) for t, array in tape.states.values() if id(t) not in arguments]
        # Arguments that the function knows from elsewhere too: the recording is for these very tensors.
        self.identical = [(arguments[id(t)], t) for t in state.tensors if id(t) in arguments]
        # Others that it knows must not be among the arguments.
        own = {id(tensor): tensor for tensor in (*state.tensors, *[t for t, _ in self.states])}
        # (The state and ``states`` keep them alive.)
        self._known = frozenset(own.keys() - arguments.keys()) if tensors else frozenset()
        state.met([t for t, _ in tape.states.values()])
        self.layouts = [get_array(tensor).strides for tensor in tensors]
        # Which arguments are parts of each other's memory, where some are: changing one in place may have been an error.
        self._overlaps = _overlaps([get_array(tensor) for tensor in tensors])
        self.stored = False  # whether it left new tensors outside, other than gradients
        self.history_goes_on = False  # whether a result can be differentiated further
        self.gradients: list[tuple[Tensor, Tensor, int]] = []  # owner, its gradient, the output that it holds
        self.argument_gradients: list[tuple[int, int]] = []
        self._arguments = arguments
        self._tensors = tensors
        self._tape, self._result = tape, result

    def prepare(self) -> None:
        """Compile. Nothing has been changed before this or by it."""
        tape = self._tape
        gc.collect(2 if tape.sub_graphs else 0)  # sub-tapes and their arrays hold each other
        alive = [buffer for reference in tape.buffers if (buffer := reference()) is not None]
        outputs, self._roots = tape.fresh_outputs(alive)
        self._saved_from = len(outputs)
        if self.backward is not None:
            outputs += [(node, -1) for node in self.backward.saved]
            self._roots += [empty_on(tape.home_of(node), *tape.types[node]) for node in self.backward.saved]
        outputs += [(buffer.node, buffer.number) for buffer in tape.changed]
        keys, types = tape.keys, tape.types
        self.program = tape.program(
            (tuple(keys), tuple(outputs)), lambda: graph_of(keys, types, outputs, tape.sites), self._roots
        )
        self.inputs = tape.inputs
        self.from_arguments = [
            (n, *where) for n, (kind, where) in enumerate(tape.sources) if kind == "argument"
        ]

    def first_run(self) -> Any:
        """Run, and find out who sees which output."""
        tape, result, roots = self._tape, self._result, self._roots
        del self._tape, self._result, self._roots
        try:
            self.program.run(self.inputs, roots)
        except (
            BaseException
        ):  # an index out of range, no memory, ranks that disagree: nothing is recorded any more
            tape.over = True
            tape.close()
            raise
        tensors = self._tensors
        self._bind(tape, result, roots, tensors)
        del self._tensors
        tape.over = True
        tape.close()
        for n, _, _ in self.from_arguments:
            self.inputs[n] = None
        finished = resolved(result, self.state.knows)
        if self.backward is not None:
            self._give_history(finished, roots, tensors)
        return finished

    def _give_history(self, result: Any, roots: list[Any], tensors: list[Tensor]) -> None:
        """The node of the backward half for the results of this call."""
        assert self.backward is not None
        known = self.state.knows
        # (A tensor may be among the results more than once.)
        results: dict[int, Tensor] = {
            _history(tensor).index: tensor
            for tensor in tensors_of(result, known)
            if type(_history(tensor)) is Root
        }
        arrays = [results[index]._array for index in range(len(results))]
        nodes = self.backward.nodes(tensors, roots[self._saved_from :], arrays)
        for index, tensor in results.items():
            tensor._node = nodes[index]

    def _bind(self, tape: StaticTape, result: Any, roots: list[Any], tensors: list[Tensor]) -> None:
        returned = tensors_of(result, self.state.knows)
        for tensor in returned:
            if (
                (
                    type(get_array(tensor)) is Pending
                    or not (id(tensor) in tape.states or self.state.knows(tensor))
                )
                and tensor._node is not None
                and type(_history(tensor)) is not Root
                and id(tensor) not in self._arguments
                and not _is_spent(tensor._node)
            ):
                self.history_goes_on = True
        for tensor in (*tensors, *[t for t, _ in self.states]):
            node = tensor._node
            if isinstance(node, LeafNode):
                if tape.histories.get(id(tensor), node) is not node or id(tensor) in tape.without_history:
                    self.history_goes_on = True  # it requires grad only since this call
                elif node.special:
                    self.history_goes_on = True  # it has hooks, which run in Python
            elif node is not None and (node.order >= self._first or self._ran_backward):
                # A tensor from outside got a new history; or gradients went down one from before the call.
                self.history_goes_on = True
        returned_ids = {id(tensor) for tensor in returned}
        arguments = self._arguments
        for tensor in returned:  # what a result is a view of is not kept by anybody else, unless it is
            if (
                tensor._view is not None
                and tensor._node is None
                and id(tensor) not in arguments
                and id(tensor._base) not in (*returned_ids, *arguments, *tape.states)
            ):
                tensor._view = None
        gradients = {
            id(owner._grad): owner
            for owner in [*[t for t, _ in self.states], *self.state.tensors, *tensors]
            if owner._grad is not None
        }
        held: dict[int, list[Tensor]] = {}
        for holder in {
            id(one): one for reference in tape.holders if (one := reference()) is not None
        }.values():
            if type(get_array(holder)) is Pending:
                held.setdefault(id(get_array(holder).buffer.root), []).append(holder)
        changed = [
            array for buffer in tape.changed if (array := tape.array_of.get(id(buffer.root))) is not None
        ]
        of_arguments = [tape.argument_arrays[id(a)] for a in changed if id(a) in tape.argument_arrays]
        of_states = [a for a in changed if id(a) not in tape.argument_arrays]
        if changed and tensors:
            self._writes = (of_states, {id(memory_owner(a)) for a in of_states}, of_arguments)
        self.kept: list[Any] = list(roots)
        # Outputs in new memory at every run: number, what makes it, shape, dtype.
        self.new: list[tuple[int, Any, Any, Any]] = []
        for number, root in enumerate(roots):
            outside = [t for t in held.get(id(root), ()) if id(t) not in returned_ids or id(t) in gradients]
            kept = False
            for tensor in outside:
                owner = gradients.get(id(tensor))
                if owner is None:
                    self.stored = kept = True
                elif id(owner) in arguments:
                    self.argument_gradients.append((arguments[id(owner)], number))
                else:
                    self.gradients.append((owner, tensor, number))
                    kept = True
            if not kept:
                self.kept[number] = None
                make = np.empty if type(root) is ndarray else partial(empty_on, device_of(root))
                self.new.append((number, make, root.shape, root.dtype))
        self._bind_marks(tensors)
        # The memory of arguments, by id: its number, and whether it is more than the array itself.
        memory = {
            root: (tape.argument_arrays[id(array)], id(array) != root)
            for root, array in tape.array_of.items()
            if id(array) in tape.argument_arrays
        }
        numbers = {id(root): n for n, root in enumerate(roots)}
        states = {*tape.states, *map(id, self.state.tensors)}
        owners = {key: arguments.get(id(owner), owner) for key, owner in gradients.items()}
        storages = [storage_of(tensor) for tensor in tensors]
        maker = Template(numbers, arguments, storages, memory, states, owners, self.state)
        self.template = maker.of(result)
        self.not_again = maker.not_again
        self.history_goes_on = self.history_goes_on or maker.needs_python
        changed_storages = [
            (storage, storage.version - before)
            for storage, before in tape.versions.values()
            if storage.version != before
        ]
        of_argument = {id(tensor._storage): number for number, tensor in enumerate(tensors)}
        self.changed = [(of, steps) for of, steps in changed_storages if id(of) not in of_argument]
        # (Who changed what of them, and where, is the same in every run.)
        self.changed_arguments = [
            (of_argument[id(of)], steps, getattr(of, "changed_by", ""), getattr(of, "changed_at", None))
            for of, steps in changed_storages
            if id(of) in of_argument
        ]

    def _bind_marks(self, tensors: list[Tensor]) -> None:
        """What the call has done to gradients and histories of tensors from before it."""
        self.without_gradient: list[
            Any
        ] = []  # tensors, or the numbers of arguments, that have none afterwards
        given = [id(owner) for owner, _, _ in self.gradients]
        given += [id(tensors[number]) for number, _ in self.argument_gradients]
        for marks in self._before:
            tensor = marks.tensor
            if not marks.has_same_history():
                self.history_goes_on = True
            if tensor._grad is marks.gradient:
                continue
            if tensor._grad is None:
                self.without_gradient.append(self._arguments.get(id(tensor), tensor))
            elif id(tensor) not in given:
                self.history_goes_on = (
                    True  # it is another tensor now, which was there before or has several owners
                )
        del self._before

    # --- every run --------------------------------------------------------------------------------------------------

    def is_valid(self, tensors: list[Tensor]) -> bool:
        """Whether the recording fits the state of things."""
        check = self._check
        if check is None:
            check = self._check = compiled_check(self._tests)
        if self._writes and self._shares_what_changes(tensors):
            return False
        if self._overlaps and _overlaps([tensor._array for tensor in tensors]) != self._overlaps:
            return False
        if not self._known.isdisjoint(map(id, tensors)):
            return False
        try:
            fits = check(tensors)
        except (KeyError, IndexError, ValueError):  # a cell without content
            fits = False
        # An equal number is another object.
        if not fits and not self._is_valid_looked_at_closely(tensors):
            return False
        return all([guard.holds() for guard in self.guards])

    def _shares_what_changes(self, tensors: list[Tensor]) -> bool:
        """Whether memory that the program changes is now also seen through another argument: a recording is for
        arguments that do not overlap."""
        states, owners, arguments = self._writes
        arrays = [tensor._array for tensor in tensors]
        own = [id(array) if array.base is None else id(memory_owner(array)) for array in arrays]
        if not owners.isdisjoint(own):
            for array, holder in zip(arrays, own, strict=True):
                if holder in owners and any([array is state or overlap(array, state) for state in states]):
                    return True
        if len(own) == 1 or len(set(own)) == len(own):
            return False
        return any(
            [overlap(arrays[n], array) for n in arguments for array in arrays if array is not arrays[n]]
        )

    def _tests(self, named: Callable[[Any], str]) -> list[str]:
        tests = [f"{named(tensor)}._array is {named(array)}" for tensor, array in self.states]
        for tensor, node in self.histories:
            tests.append(f"{named(tensor)}._node is {named(node)}")
            if isinstance(node, LeafNode):
                tests.append(f"not {named(node)}.special")
        for tensor, has_none in self.needing:
            tests.append(f"{named(tensor)}._node is {'' if has_none else 'not '}None")
        for number, strides in enumerate(self.layouts):
            tests.append(f"tensors[{number}]._array.strides == {strides!r}")
        tests += [f"tensors[{number}] is {named(tensor)}" for number, tensor in self.identical]
        return tests + self.state.tests(named)

    def _is_valid_looked_at_closely(self, tensors: list[Tensor]) -> bool:
        for tensor, array in self.states:
            if tensor._array is not array:
                return False
        for tensor, node in self.histories:
            if tensor._node is not node or (isinstance(node, LeafNode) and node.special):
                return False
        for tensor, has_none in self.needing:
            if (tensor._node is None) is not has_none:
                return False
        for tensor, strides in zip(tensors, self.layouts, strict=True):
            if tensor._array.strides != strides:
                return False
        for number, tensor in self.identical:
            if tensors[number] is not tensor:
                return False
        return not self.state.gradients_changed() and self.state.unchanged()

    def run(self, tensors: list[Tensor]) -> Any:
        """One call with these arguments."""
        inputs = self.inputs.copy()
        for n, number, spans in self.from_arguments:
            array = tensors[number]._array
            inputs[n] = span(array) if spans else array
        for number, steps, operation, site in self.changed_arguments:
            storage = storage_of(tensors[number])
            storage.changed_by, storage.changed_at = operation, site
            storage.version += steps
        for index in range(len(self.gradients)):
            if self.sees_gradient(index) > _UNSEEN:
                self._renew_gradient(index)
        roots = self.kept.copy()
        for number, make, shape, dtype in self.new:
            roots[number] = make(shape, dtype)
        self.program.run(inputs, roots)
        for storage, steps in self.changed:
            storage.version += steps
        for owner in self.without_gradient:
            (tensors[owner] if type(owner) is int else owner)._grad = None
        for tensor, gradient, _ in self.gradients:
            tensor._grad = gradient
        for number, output in self.argument_gradients:
            tensors[number]._grad = make_tensor(roots[output])
        result = filled(self.template, roots, tensors, [])
        if self.backward is not None:
            self._give_history(result, roots, tensors)
        return result

    def sees_gradient(self, index: int) -> int:
        """How many references there are to a gradient that earlier calls left, and to its memory."""
        owner, gradient, number = self.gradients[index]
        if getrefcount is None:
            return 1 << 30
        count: int = getrefcount(gradient) + getrefcount(self.kept[number]) - (owner._grad is gradient)
        return count

    def _renew_gradient(self, index: int) -> None:
        """Somebody holds the gradient of an earlier call, which eager mode would not change any more."""
        owner, gradient, number = self.gradients[index]
        array = gradient._array
        old = self.kept[number]
        self.kept[number] = empty_on(device_of(old), old.shape, old.dtype)
        if array.strides != self.kept[number].strides or array.shape != self.kept[number].shape:
            start = address(array) - address(array if array.base is None else array.base)
            array = part_of(self.kept[number], array.shape, array.strides, start, array.dtype)
        else:
            array = self.kept[number]
        self.gradients[index] = (owner, make_tensor(array), number)


def _calibrate() -> int:
    """What ``sees_gradient`` gives for a gradient that only its owner and the recording hold."""
    program = object.__new__(StaticProgram)
    owner, array = make_tensor(np.zeros(1)), np.zeros(1)
    owner._grad = make_tensor(array)
    program.kept = [array]
    program.gradients = [(owner, owner._grad, 0)]
    del array
    return program.sees_gradient(0)


_UNSEEN: Final = _calibrate()


def _history(tensor: Tensor) -> Any:
    return tensor._node  # while a result is made, what stands in a node's place


def memory_owner(array: Any) -> Any:
    """What holds the memory that an array is in."""
    while (base := getattr(array, "base", None)) is not None:
        array = base
    return array


def _overlaps(arrays: Sequence[Any]) -> list[tuple[int, int]]:
    real = [array.memory if type(array) is Pending else array for array in arrays]
    return [
        (n, other)
        for n, array in enumerate(real)
        for other in range(n)
        if array is not (before := real[other])
        and (array.base is not None or before.base is not None)
        and overlap(array, before)
    ]


def overlap(one: Any, other: Any) -> bool:
    """Whether two arrays may lie in the same memory; only NumPy's can be asked."""
    return type(one) is ndarray and type(other) is ndarray and np.may_share_memory(one, other)


def compiled_check(tests: Callable[[Callable[[Any], str]], list[str]]) -> Callable[[list[Tensor]], bool]:
    """All of ``tests(named)`` as one function of the arguments' tensors."""
    space: dict[str, Any] = {}
    names: dict[int, str] = {}

    def named(value: Any) -> str:
        name = names.get(id(value))
        if name is None:
            name = names[id(value)] = f"o{len(names)}"
            space[name] = value
        return name

    expressions = tests(named)
    # A chain of `and` costs nothing at run time; in pieces, so that the compiler's own stack is enough.
    pieces = [" and ".join(expressions[i : i + 200]) for i in range(0, len(expressions), 200)]
    lines = [f"    if not ({piece}): return False\n" for piece in pieces]
    exec(f"def same(tensors):\n{''.join(lines)}    return True\n", space)
    return space["same"]  # type: ignore[no-any-return]


def _is_spent(node: Node) -> bool:
    """Whether backward has been through this history and let its values go."""
    seen = {node}
    stack = [node]
    while stack:
        current = stack.pop()
        if current.saved is RELEASED:
            return True
        for edge in current.edges:
            if edge is not None and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    return False
