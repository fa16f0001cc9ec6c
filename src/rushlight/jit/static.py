"""The static mode of ``compile``: recorded once for a signature, then only the plan runs.

The first call with a signature runs the function with every tensor that it touches on a tape (``StaticTape``). What comes of
it is a ``StaticProgram``: where each input of the graph comes from at every run (arguments, tensors from outside, constants),
which memory the outputs go to, and what the call returns. What the function reads of Python's state is taken down
(``PythonState``) and compared before each run; where something has changed, the function is recorded again.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from ..autograd.anomaly_mode import MODE as ANOMALY
from ..autograd.engine import run_backward
from ..core.device import device_of, empty_on, part_of
from ..core.dtypes import default_numpy
from ..core.grad_mode import DECIDING
from ..core.history import RELEASED, LeafNode, Node, next_order
from ..core.tensor import Tensor, make_tensor, storage_of
from ..runtime.pending import Pending, address
from ..runtime.recording import graph_of, span
from .joint import Backward, NoJointGraph, Root, record_backward
from .numbers import PendingNumber
from .python_state import PythonState
from .recorded import ACTIVE, Recorded
from .static_tape import StaticTape, ValueNeeded, get_array, watching
from .structures import tensors_in
from .witness import Witness

ndarray = np.ndarray
getrefcount: Any = getattr(sys, "getrefcount", None)
ENGINE: Final = run_backward.__code__
VARIANTS: Final = 16  # recordings kept for one signature
_RESTARTS: Final = 3  # recordings in a row that store new tensors outside
_MOST_CODE: Final = 10_000


class Static:
    """``function`` as a static graph for each signature that it is called with."""

    def __init__(
        self, function: Callable[..., Any], make_tape: Callable[[], StaticTape] | None = None
    ) -> None:
        self.function = function
        self.make_tape = StaticTape if make_tape is None else make_tape
        self.variants: dict[Any, list[StaticProgram]] = {}
        self.recorded = Recorded(function)
        self.use_recorded: set[Any] = set()  # signatures whose results carry a history that goes on outside
        self._lock = threading.RLock()
        self._restarts = 0
        self._again: Any = None  # the signature of the last recording
        self._ran: tuple[dict[Any, Any], list[Any]] = (
            {},
            [],
        )  # the code that calls have run, see ``PythonState``

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if getattr(ACTIVE, "tape", None) is not None:
            return self.function(*args, **kwargs)
        tensors: list[Tensor] = []
        key = key_of(args, kwargs, tensors)
        with self._lock:
            for program in self.variants.get(key, ()):
                if program.is_valid(tensors):
                    return program.run(tensors)
            if key in self.use_recorded:
                return self.recorded(*args, **kwargs)
            return self._record(key, tensors, args, kwargs)

    def _record(self, key: Any, tensors: list[Tensor], args: Any, kwargs: Any) -> Any:
        state = PythonState(self.function, (args, kwargs))
        if self._ran[0]:
            state.extend(*self._ran, before_the_call=True)
            state.incomplete = None  # what matters is what this call runs
        randomness = python_randomness()
        tape = self.make_tape()
        tape.take_arguments(tensors)
        ACTIVE.tape = tape
        try:
            try:
                first = next_order()
                with watching(tape), Witness(recording=True) as witness:
                    result = self.function(*args, **kwargs)
                    ran_backward = witness.saw(ENGINE)
                    backward = backward_half(tape, tensors, result, first)
            finally:
                ACTIVE.tape = None
            if python_randomness() != randomness:
                raise ValueNeeded(
                    "compile(fullgraph=True): Python's or NumPy's random numbers were drawn while the graph was recorded: "
                    "every later call would repeat them. Use rushlight's random functions, or leave out fullgraph=True."
                )
            if tape.rebound:
                raise ValueNeeded(
                    "compile(fullgraph=True): a tensor from outside was given other memory (`.data = ...`) at "
                    f"{tape.rebound[0]}: change it in place instead."
                )
            changed = state.changed()
            known = state.extent()
            self._ran = ({**self._ran[0], **witness.codes}, [*self._ran[1], *witness.library][-_MOST_CODE:])
            state.extend(witness.codes, witness.library, before_the_call=False)
            if not witness.blind:
                _check_repeats(witness, state)
        except BaseException:
            tape.abandon()
            raise
        program = StaticProgram(tape, state, tensors, result, first, backward, ran_backward)
        program.prepare()
        finished = program.first_run()
        if program.not_again is not None:
            raise RuntimeError(
                f"compile(fullgraph=True): {program.not_again}, {_place_of(self.function)}, which a static graph can't make "
                "again. (This call was carried out.) Return tensors, numbers, or tuples, lists and dicts of them, or leave out "
                "fullgraph=True."
            )
        if changed is not None:
            raise RuntimeError(
                f"compile(fullgraph=True): the function changes Python's state ({changed}), which a static graph would not "
                "do again. (This call was carried out.) Return the value instead, keep it in a tensor that is changed in "
                "place, or leave out fullgraph=True."
            )
        if program.history_goes_on:
            self.use_recorded.add(key)
        elif program.stored:
            # The first step of an optimizer makes its state; the next recording finds it there.
            self._restarts += 1
            if self._restarts > _RESTARTS:
                raise RuntimeError(
                    "compile(fullgraph=True): every call stores a new tensor outside of the function. Change a tensor in place "
                    "(copy_) instead, or leave out fullgraph=True."
                )
        elif state.extent() == known or self._again == key:
            self._restarts = 0
            self.add(key, [program])
        # else this call may have changed what is known of only now: the next one is recorded again
        self._again = key
        return finished

    def add(self, key: Any, programs: Sequence[StaticProgram]) -> None:
        """Keep recordings for a signature, before those that are there."""
        variants = self.variants.setdefault(key, [])
        variants[:0] = programs
        del variants[VARIANTS:]


def _check_repeats(witness: Witness, state: PythonState) -> None:
    """Raise ``ValueNeeded`` where a later call of the function would have to do something in Python again."""
    if witness.called is not None:
        raise ValueNeeded(
            f"compile(fullgraph=True): {witness.called[0]}, {witness.called[1]}: a static graph would not do that again, and "
            "what it gives would stay as it is now. Take it out of the function, or leave out fullgraph=True."
        )
    if state.incomplete is not None:
        raise ValueNeeded(
            f"compile(fullgraph=True): {state.incomplete}, so that a change of it would not be noticed. Pass what the function "
            "needs of it as an argument or keep it in a tensor, a number or a list, or leave out fullgraph=True."
        )


class StaticProgram:
    """One recording: the compiled graph, and how it is bound to tensors."""

    def __init__(
        self,
        tape: StaticTape,
        state: PythonState,
        tensors: list[Tensor],
        result: Any,
        first: int,
        backward: Backward | None = None,
        ran_backward: bool = True,
    ) -> None:
        """``first``: the order of the first node of history that the call made. ``ran_backward``: whether the engine may have
        been at work in the call."""
        self._first = first
        self._ran_backward = ran_backward
        self.backward = backward
        self._check: Any = None
        self._writes: Any = None
        arguments = {id(tensor): number for number, tensor in enumerate(tensors)}
        self.state = state
        self.histories = [
            (t, tape.histories[id(t)]) for t, _ in tape.states.values() if id(t) not in arguments
        ]
        self.states = [(t, array) for t, array in tape.states.values() if id(t) not in arguments]
        # Arguments that the function knows from elsewhere too: the recording is for these very tensors.
        self.identical = [(arguments[id(t)], t) for t in state.tensors if id(t) in arguments]
        # Others that it knows must not be among the arguments.
        own = {id(tensor): tensor for tensor in (*state.tensors, *[t for t, _ in self.states])}
        self._known = {key: tensor for key, tensor in own.items() if key not in arguments} if tensors else {}
        state.met([t for t, _ in tape.states.values()])
        self.layouts = [get_array(tensor).strides for tensor in tensors]
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
        self.program.run(self.inputs, roots)
        tensors = self._tensors
        self._bind(tape, result, roots, tensors)
        del self._tensors
        tape.over = True
        tape.close()
        for n, _, _ in self.from_arguments:
            self.inputs[n] = None
        finished = _resolved(result)
        if self.backward is not None:
            self._give_history(finished, roots, tensors)
        return finished

    def _give_history(self, result: Any, roots: list[Any], tensors: list[Tensor]) -> None:
        """The node of the backward half for the results of this call."""
        assert self.backward is not None
        results = [tensor for tensor in tensors_in(result) if type(_history(tensor)) is Root]
        by_index: dict[int, Any] = {_history(tensor).index: tensor._array for tensor in results}
        arrays = [by_index[index] for index in range(len(by_index))]
        nodes = self.backward.node(tensors, roots[self._saved_from :], arrays)
        for tensor in results:
            tensor._node = nodes[_history(tensor).index]

    def _bind(self, tape: StaticTape, result: Any, roots: list[Any], tensors: list[Tensor]) -> None:
        returned = tensors_in(result)
        for tensor in returned:
            if (
                type(get_array(tensor)) is Pending
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
                and id(tensor._view[0]) not in (*returned_ids, *arguments, *tape.states)
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
            outside = [tensor for tensor in held.get(id(root), ()) if id(tensor) not in returned_ids]
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
        # The memory of arguments, by id: its number, and whether it is more than the array itself.
        memory = {
            root: (tape.argument_arrays[id(array)], id(array) != root)
            for root, array in tape.array_of.items()
            if id(array) in tape.argument_arrays
        }
        maker = _Template({id(root): n for n, root in enumerate(roots)}, self._arguments, memory, self.state)
        self.template = maker.of(result)
        self.not_again = maker.not_again
        self.changed = [
            (storage, storage.version - before)
            for storage, before in tape.versions.values()
            if storage.version != before
        ]

    # --- every run --------------------------------------------------------------------------------------------------

    def is_valid(self, tensors: list[Tensor]) -> bool:
        """Whether the recording fits the state of things."""
        check = self._check
        if check is None:
            check = self._check = compiled_check(self._tests)
        if self._writes and self._shares_what_changes(tensors):
            return False
        if not self._known.keys().isdisjoint(map(id, tensors)):
            return False
        try:
            if check(tensors):
                return True
        except (KeyError, IndexError, ValueError):  # a cell without content
            pass
        return self._is_valid_looked_at_closely(tensors)  # an equal number is another object

    def _shares_what_changes(self, tensors: list[Tensor]) -> bool:
        """Whether memory that the program changes is now also seen through another argument: a recording is for
        arguments that do not overlap."""
        states, owners, arguments = self._writes
        arrays = [tensor._array for tensor in tensors]
        own = [id(memory_owner(array)) for array in arrays]
        for array, holder in zip(arrays, own, strict=True):
            if holder in owners and any([array is state or overlap(array, state) for state in states]):
                return True
        if len(set(own)) == len(own):
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
        for index in range(len(self.gradients)):
            if self.sees_gradient(index) > _UNSEEN:
                self._renew_gradient(index)
        roots = self.kept.copy()
        for number, make, shape, dtype in self.new:
            roots[number] = make(shape, dtype)
        self.program.run(inputs, roots)
        for storage, steps in self.changed:
            storage.version += steps
        for tensor, gradient, _ in self.gradients:
            tensor._grad = gradient
        for number, output in self.argument_gradients:
            tensors[number]._grad = make_tensor(roots[output])
        result = _filled(self.template, roots, tensors, [])
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
            array = part_of(self.kept[number], array.shape, array.strides, start)
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


# --- what a call returns ----------------------------------------------------------------------------------------------


class _Template:
    """How to make what a call returns around the outputs of another run. ``not_again``: what of it can't be made again."""

    def __init__(
        self,
        number_of: dict[int, int],
        arguments: dict[int, int],
        memory: dict[int, tuple[int, bool]],
        state: Any,
    ) -> None:
        self.number_of, self.arguments, self.memory, self.state = number_of, arguments, memory, state
        self.not_again: str | None = None
        self.known: dict[int, Any] = {}  # by id: tensors and containers may be there more than once
        self.keep: list[Any] = []

    def of(self, value: Any) -> Any:
        """The template of ``value``."""
        if type(value) in _LASTING:
            return ("same", value)
        if id(value) in self.known:
            return ("again", self.known[id(value)])
        made = self._new(value)
        self.known[id(value)] = len(self.known)
        self.keep.append(value)
        return made

    def _new(self, value: Any) -> Any:
        kind = type(value)
        if kind is PendingNumber:
            return ("number", self.number_of[id(get_array(value).buffer.root)])
        if isinstance(value, Tensor):
            return self._tensor(value)
        if self.state.knows(value):
            return ("same", value)
        if kind is tuple or kind is list:
            return ("sequence", kind, [self.of(part) for part in value])
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return ("sequence", lambda made: kind(*made), [self.of(part) for part in value])
        if isinstance(value, tuple):
            return ("sequence", kind, [self.of(part) for part in value])
        if isinstance(value, dict):
            return ("dict", kind, [(key, self.of(part)) for key, part in value.items()])
        if not isinstance(value, _LASTING) and not kind.__module__.startswith("rushlight"):
            self.not_again = f"it returns an object of type {kind.__name__}"
        return ("same", value)

    def _tensor(self, value: Tensor) -> Any:
        if id(value) in self.arguments:
            return ("argument", self.arguments[id(value)])
        array = get_array(value)
        if type(array) is Pending and id(array.buffer.root) in self.number_of:
            number = self.number_of[id(array.buffer.root)]
            root, real = array.buffer.root, array.memory
            if real is root:
                return ("tensor", number, None, value._node)
            return ("tensor", number, (real.shape, real.strides, address(real) - address(root)), value._node)
        if type(array) is Pending and id(array.buffer.root) in self.memory:
            real, start = array.memory, address(array.buffer.root)
            where = (real.shape, real.strides, address(real) - start)
            return ("view", *self.memory[id(array.buffer.root)], where, value._node)
        return ("same", value)


# What a call may return and the next one may return as well.
_LASTING: Final = (
    int, float, bool, str, bytes, complex, type(None), type, slice, range, type(Ellipsis), np.dtype, np.generic,
    type(sys), type(len),
)  # fmt: skip


def _filled(template: Any, roots: list[Any], tensors: list[Tensor], made: list[Any]) -> Any:
    """What a template is of. ``made``: everything so far that may come again."""
    kind = template[0]
    if kind == "same" and type(template[1]) in _LASTING:
        return template[1]
    if kind == "again":
        return made[template[1]]
    result: Any
    if kind == "same":
        result = template[1]
    elif kind == "tensor":
        _, number, part, node = template
        array = roots[number]
        if part is not None:
            shape, strides, offset = part
            array = part_of(array, shape, strides, offset)
        result = make_tensor(array, node)
    elif kind == "view":
        _, number, spans, (shape, strides, offset), node = template
        argument = tensors[number]
        root = span(argument._array) if spans else argument._array
        result = make_tensor(part_of(root, shape, strides, offset), node)
        result._storage = storage_of(argument)
    elif kind == "number":
        result = roots[template[1]].item()
    elif kind == "argument":
        result = tensors[template[1]]
    elif kind == "sequence":
        result = template[1]([_filled(part, roots, tensors, made) for part in template[2]])
    else:
        result = template[1]([(key, _filled(part, roots, tensors, made)) for key, part in template[2]])
    made.append(result)
    return result


def _resolved(value: Any) -> Any:
    """The result of the first call, computed now."""
    if type(value) is PendingNumber:
        return real_array(value).item()
    if isinstance(value, tuple | list):
        kind: Any = type(value)
        parts = [_resolved(part) for part in value]
        if all([part is old for part, old in zip(parts, value, strict=True)]):
            return value
        return kind(*parts) if hasattr(kind, "_fields") else kind(parts)
    if isinstance(value, dict):
        parts = [_resolved(part) for part in value.values()]
        if all([part is old for part, old in zip(parts, value.values(), strict=True)]):
            return value
        return type(value)(zip(value, parts, strict=True))
    return value


def _place_of(function: Any) -> str:
    """Where a function or a module's forward is defined."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return "its return" if code is None else f'file "{code.co_filename}", line {code.co_firstlineno}'


def _history(tensor: Tensor) -> Any:
    return tensor._node  # while a result is made, what stands in a node's place


def memory_owner(array: Any) -> Any:
    """What holds the memory that an array is in."""
    while (base := getattr(array, "base", None)) is not None:
        array = base
    return array


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


def backward_half(tape: StaticTape, tensors: list[Tensor], result: Any, first: int) -> Backward | None:
    """The backward half of what the tape holds, where the results need one and it can be had."""
    try:
        return record_backward(tape, tensors, result, first)
    except NoJointGraph:
        return None


def real_array(tensor: Tensor) -> Any:
    """The array that a tensor of a finished recording holds."""
    array = get_array(tensor)
    return array.memory if type(array) is Pending else array


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


# --- signatures -------------------------------------------------------------------------------------------------------


def key_of(args: Any, kwargs: Any, tensors: list[Tensor]) -> Any:
    """What a recording is made for: the arguments, whose tensors go to ``tensors``, and the context."""
    key = (signature(args, tensors), signature(kwargs, tensors) if kwargs else None, modes())
    places = {id(tensor._array): number for number, tensor in enumerate(tensors)}
    if len(places) == len(tensors):
        return key
    return (
        *key,
        tuple([places[id(tensor._array)] for tensor in tensors]),
    )  # which of them are the same memory


def signature(value: Any, tensors: list[Tensor]) -> Any:
    """A key for arguments: tensors by shape, dtype and whether they need gradients, everything else by value."""
    if isinstance(value, Tensor):
        for number, other in enumerate(tensors):
            if other is value:
                return ("again", number)
        tensors.append(value)
        array = value._array
        gradient = value._grad
        if gradient is not None:
            tensors.append(gradient)
        where = None if type(array) is ndarray else device_of(array)
        more = value.__dict__
        return (
            type(value),
            array.shape,
            array.dtype,
            _kind_of_history(value._node),
            gradient is None,
            where,
            signature(more, tensors) if more else None,
        )
    kind = type(value)
    if kind is tuple or kind is list:
        return (kind, tuple([signature(part, tensors) for part in value]))
    if isinstance(value, dict):
        return (kind, tuple([(key, signature(part, tensors)) for key, part in value.items()]))
    if isinstance(value, ndarray):
        raise TypeError(
            "compile(fullgraph=True): a NumPy array among the arguments would become part of the graph; pass "
            "from_numpy(array)"
        )
    try:
        hash(value)
    except TypeError:
        raise TypeError(
            f"compile(fullgraph=True): an argument of type {kind.__name__} can't be compared between calls; pass tensors, "
            "numbers, strings, or tuples, lists and dicts of them"
        ) from None
    return (kind, value.hex() if kind is float else value)


def _kind_of_history(node: Node | None) -> Any:
    if node is None:
        return None
    return (True, node.special) if isinstance(node, LeafNode) else False


def modes() -> Any:
    """The values of everything in the context that decides what operations do."""
    return (default_numpy(), ANOMALY.enabled, *[variable.get() for variable in DECIDING])


def python_randomness() -> Any:
    import random

    state: Any = np.random.get_state(legacy=False)
    return (random.getstate(), state["state"]["pos"], state["state"]["key"].tobytes())
