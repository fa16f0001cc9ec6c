"""From a slice of a graph to a function that computes it: the one seam between graphs and the machinery that runs them.

``Plan`` is made once for a set of fetches and fed tensors: it finds what the fetches need, puts it in order and writes
it down as one straight-line Python function, a call for each operation. ``make_step`` turns that into the step for one
feed signature (shapes and dtypes). A step is a plain function of the fed Rushlight tensors; its only state are the
Rushlight tensors of the session's variables, which it changes in place, and the session's random generators.

Order. An operation runs after its inputs and its control inputs; of those that are ready, whatever changes a variable
runs last, and otherwise the older one first. So gradients, and whatever else reads a variable, see the value from before
the update unless control dependencies say otherwise; TensorFlow leaves that to chance. Of changes, the one that waits for
the fewest operations comes first, as it would in TensorFlow: ``sess.run([train, [w.assign(tf.clip_by_value(w, -1, 1))]])``
computes the clipped value before the step, and must not put it over the result of the step.

Gradients. Between the tensors that a gradient is taken for and those that it is taken of, operations run with autograd
recording; a gradient operation asks autograd for what it needs, so the forward values are computed once, for whoever
wants them.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

import rushlight as rl

from . import errors
from .conversion import CONST
from .differentiate import GRADIENT, blocks_gradient, take_gradient
from .failures import translated
from .graph import Block, Operation, Tensor
from .ops_math import TAKES_NUMBERS
from .session_state import SessionState
from .static_step import StaticStep, can_be_static

Step = Callable[..., tuple[Any, ...]]
Signature = tuple[tuple[tuple[int, ...], Any], ...]
VARIABLE: Final = "VariableV2"
_next_plan = itertools.count(1).__next__


class Binding(NamedTuple):
    """What an operation's ``bind`` gets: the session's state, and how to run blocks of operations."""

    state: SessionState
    op: Operation
    tracked: bool  # whether a gradient will be taken through the operation
    plan: Plan  # the one that the operation is in

    def block(
        self,
        block: Block,
        given: Sequence[Tensor],
        results: Sequence[Tensor],
        targets: Sequence[Operation] = (),
    ) -> Callable[..., tuple[Any, ...]]:
        """A function from the values of ``given`` to those of ``results``; ``results`` and ``targets`` are in ``block``."""
        inner = Plan(self.state, results, targets, given, block=block, tracked=self.tracked)
        self.plan.inner.append(inner)
        return inner.function


def make_step(plan: Plan, signature: Signature) -> Step:
    """The step for feeds of one signature: a static graph from the second run on, if it can be one."""
    plans = plan.with_inner()
    if not plan.order or not can_be_static([op for one in plans for op in one.order]):
        return plan.run
    constants = [value for one in plans for value in one.constants()]
    return StaticStep(
        plan.run, lambda: [plan.state.slot(v) for one in plans for v in one.variables()], constants
    )


def needed_operations(
    targets: Iterable[Operation], given: frozenset[Tensor] | set[Tensor], block: Block | None
) -> list[Operation]:
    """The operations inside ``block`` that ``targets`` need when the ``given`` tensors have their values already."""
    found: dict[Operation, None] = {}
    waiting = list(targets)
    while waiting:
        op = waiting.pop()
        if op in found:
            continue
        if block is not None and not block.holds(op):
            continue
        if block is None and op.block is not None:
            raise ValueError(
                f"Operation {op.name!r} is inside the branch or loop body {op.block.name!r}: it can't be used outside of it"
            )
        found[op] = None
        waiting += [tensor.op for tensor in op.inputs if tensor not in given]
        waiting += op.control_inputs
    return list(found)


def _in_order(ops: Sequence[Operation], given: set[Tensor]) -> list[Operation]:
    members = set(ops)
    waits: dict[Operation, int] = {}
    followers: dict[Operation, list[Operation]] = {}
    for op in ops:
        before = {tensor.op for tensor in op.inputs if tensor not in given} | set(op.control_inputs)
        before &= members
        waits[op] = len(before)
        for earlier in before:
            followers.setdefault(earlier, []).append(op)
    depths = dict.fromkeys(ops, 0)
    ready = [(bool(op.writes), 0, op.number, op) for op in ops if not waits[op]]
    heapq.heapify(ready)
    order = []
    while ready:
        op = heapq.heappop(ready)[3]
        order.append(op)
        for follower in followers.get(op, ()):
            depths[follower] = max(depths[follower], depths[op] + 1)
            waits[follower] -= 1
            if not waits[follower]:
                depth = depths[follower] if follower.writes else 0
                heapq.heappush(ready, (bool(follower.writes), depth, follower.number, follower))
    return order


class Plan:
    """The straight-line program of one slice of a graph, for one session.

    Args:
        state: the session's variables and generators.
        fetches: the tensors to compute.
        targets: operations to run besides.
        given: the tensors whose values are the arguments.
        block: the branch or loop body that the slice is in, if it is.
        tracked: record everything for autograd, because a gradient is taken through the whole of it.
        done: operations that have run and are not to run again.
    """

    def __init__(
        self,
        state: SessionState,
        fetches: Sequence[Tensor],
        targets: Sequence[Operation],
        given: Sequence[Tensor],
        block: Block | None = None,
        tracked: bool = False,
        done: Collection[Operation] = (),
    ) -> None:
        self.state = state
        self.inner: list[Plan] = []  # those of the blocks of its operations
        self.sources: list[Operation] = []  # whose results are drawn before the step, and given to it last
        self._given = set(given)
        self._tracked_throughout = tracked
        ops = needed_operations(
            [*[tensor.op for tensor in fetches if tensor not in self._given], *targets], self._given, block
        )
        self._block = block
        if done:
            ops = [op for op in ops if op not in done]
        self.order = _in_order(ops, self._given)
        self._find_gradients()
        self.required, self.initialised = self._find_initialisation()
        self._lines: list[str] = []
        self._line_ops: dict[int, Operation] = {}
        self._constants: dict[str, Any] = {}
        self._names: dict[Tensor, str] = {}
        self._reads: dict[Any, list[str]] = {}  # a variable's leaves so far, where gradients ask for them
        self.constant_ids: set[int] = (
            set()
        )  # of the arrays that are constants of the graph, never to be given away
        self.function: Step = self._write(fetches, given)

    def run(self, *feeds: Any) -> tuple[Any, ...]:
        """The step: values of the fed tensors to values of the fetches."""
        with rl.no_grad():
            return self.function(*feeds)

    def with_inner(self) -> list[Plan]:
        """This plan and those of all blocks in it."""
        return [self, *[plan for inner in self.inner for plan in inner.with_inner()]]

    def constants(self) -> list[Any]:
        """The values that the graph holds."""
        return [
            value
            for value in self._constants.values()
            if id(getattr(value, "_array", value)) in self.constant_ids
        ]

    def variables(self) -> list[Any]:
        """The variables that it reads or writes."""
        used: dict[Any, None] = {}
        for op in self.order:
            if op.type == VARIABLE:
                used[op.attributes["variable"]] = None
            used.update(dict.fromkeys(op.writes))
            used.update(dict.fromkeys(op.attributes.get("reads", ())))
        return list(used)

    # --- gradients ---

    def _find_gradients(self) -> None:
        """Which tensors are leaves of some gradient, and which operations lead from them to what is differentiated."""
        gradients = [op for op in self.order if op.type == GRADIENT]
        self._leaves: set[Tensor] = set()
        self._recorded: set[Operation] = set()
        self._copied_reads: set[Tensor] = set()
        self._gradient_count = len(gradients)
        members = set(self.order)
        for op in gradients:
            ys, xs = op.attributes["ys"], op.attributes["xs"]
            behind = self._behind(ys, members)
            reached: set[Tensor] = set(xs)
            for step in self.order:
                # Operations that stop gradients are recorded too: within a recorded stretch that costs nothing.
                if step in behind and any(tensor in reached for tensor in step.inputs):
                    self._recorded.add(step)
                    reached.update(step.outputs)
            self._leaves.update(xs)
            self._check_not_cut(op, behind, ys, xs, reached)
        self._find_copied_reads(gradients, members)

    def _behind(self, tensors: Sequence[Tensor], members: set[Operation]) -> set[Operation]:
        found: set[Operation] = set()
        waiting = [tensor.op for tensor in tensors if tensor not in self._given]
        while waiting:
            op = waiting.pop()
            if op not in found and op in members:
                found.add(op)
                waiting += [tensor.op for tensor in op.inputs if tensor not in self._given]
        return found

    def _check_not_cut(
        self, op: Operation, behind: set[Operation], ys: Any, xs: Any, reached: set[Tensor]
    ) -> None:
        """Refuse a gradient through a tensor whose value is fed: nothing knows how that value depends on anything."""
        border = {tensor for step in behind for tensor in step.inputs if tensor in self._given} | {
            y for y in ys if y in self._given
        }
        for tensor in border:
            if tensor not in reached and tensor.op.inputs and tensor.op.block is None:
                upstream = {
                    t for o in needed_operations([tensor.op], set(), None) for t in (*o.inputs, *o.outputs)
                }
                if any(x in upstream and not blocks_gradient(tensor) for x in xs):
                    raise errors.UnimplementedError(
                        None,
                        op,
                        f"{op.name}: a gradient is taken through {tensor.name}, but a value is fed for it",
                    )

    def _find_copied_reads(self, gradients: Sequence[Operation], members: set[Operation]) -> None:
        """Variables that are written before some gradient goes back through what read them: autograd needs the old value."""
        place = {op: i for i, op in enumerate(self.order)}
        for op in gradients:
            used = self._behind(op.attributes["ys"], members)
            for step in self.order[: place[op]]:
                for variable in step.writes:
                    if variable.op in used:
                        self._copied_reads.add(variable.op.outputs[0])

    # --- initialisation ---

    def _find_initialisation(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The variables that must have a value before the step, and those that have one after it."""
        required: dict[Any, None] = {}
        initialised: dict[Any, None] = {}
        variables: dict[Operation, Any] = {}
        for op in self.order:
            if op.type == VARIABLE:
                variables[op] = op.attributes["variable"]
        for op in self.order:
            read = [variables.get(tensor.op) for tensor in op.inputs if tensor not in self._given]
            if op.type != "IsVariableInitialized":
                read += [variable for variable in op.writes if op.type != "Assign"]
            for variable in read:
                if variable is not None and variable not in initialised:
                    required[variable] = None
            if op.type == "Assign":
                initialised.update(dict.fromkeys(op.writes))
            for variable in op.attributes.get("reads", ()):
                if variable not in initialised:
                    required[variable] = None
        consumed = {tensor.op for op in self.order for tensor in op.inputs}
        for op, variable in variables.items():
            if op not in consumed and variable not in initialised:
                required[variable] = None  # fetched itself
        return tuple(required), tuple(initialised)

    # --- writing the function ---

    def _constant(self, value: Any) -> str:
        name = f"c{len(self._constants)}"
        self._constants[name] = value
        return name

    def _emit(self, line: str, op: Operation | None = None) -> None:
        self._lines.append("    " + line)
        if op is not None:
            self._line_ops[len(self._lines) + 1] = op  # the function's header is line 1

    def _write(self, fetches: Sequence[Tensor], given: Sequence[Tensor]) -> Step:
        # One argument may stand for several given tensors only if they are one tensor: then its name is the last one's.
        arguments = [f"a{i}" for i in range(len(given))]
        for tensor, argument in zip(given, arguments, strict=True):
            self._names[tensor] = argument
            if tensor in self._leaves:
                self._emit(f"{argument} = {self._constant(_as_leaf)}({argument})")
        recording = self._tracked_throughout
        for op in self.order:
            if op.type == VARIABLE:
                continue  # read by each operation that uses it, when it does
            if op.type == "Placeholder":
                self._refuse_unfed(op)
                continue
            if op.type == "NoOp" or (op.type == CONST and op.outputs[0] not in self._leaves):
                self._call(op, [])  # there is nothing to run
                continue
            inputs = [self._value_of(tensor, op) for tensor in op.inputs] if op.type != GRADIENT else []
            # A variable has no history; a branch or body that writes to one switches off by itself.
            plain_write = op.writes and not op.attributes.get("has_blocks")
            wanted = (self._tracked_throughout or op in self._recorded) and not plain_write
            if wanted != recording:
                self._emit(f"{self._constant(rl.set_grad_enabled)}({wanted})")
                recording = wanted
            self._call(op, inputs)
            for variable in op.writes:
                if variable.op.outputs[0] in self._copied_reads:
                    self._names.pop(variable.op.outputs[0], None)  # whoever reads it now sees the new value
        if recording != self._tracked_throughout:
            self._emit(f"{self._constant(rl.set_grad_enabled)}({self._tracked_throughout})")
        results = [self._value_of(tensor, None) for tensor in fetches]
        self._emit(f"return ({', '.join(results)}{',' if len(results) == 1 else ''})")
        return self._compile(arguments)

    def _call(self, op: Operation, inputs: list[str]) -> None:
        if op.type == GRADIENT:
            self._call_gradient(op)
            return
        if op.type == CONST and op.outputs[0] not in self._leaves:
            value = op.function() if op.function else None
            self.constant_ids.add(id(getattr(value, "_array", value)))
            self._names[op.outputs[0]] = self._constant(value)
            return
        if op.type == "NoOp":
            return
        if op.bind is not None:
            function = op.bind(
                Binding(self.state, op, self._tracked_throughout or op in self._recorded, self)
            )
        else:
            assert op.function is not None
            function = op.function
        if op.attributes.get(TAKES_NUMBERS) and len(op.inputs) == 2:
            inputs = self._with_number(op, inputs)
        call = f"{self._constant(function)}({', '.join(inputs)})"
        names = [f"v{op.number}_{i}" for i in range(len(op.outputs))]
        if len(names) == 1 and not op.attributes.get("many"):
            self._emit(f"{names[0]} = {call}", op)
        elif names:
            self._emit(f"{', '.join(names)}, = {call}", op)
        else:
            self._emit(call, op)
        for tensor, name in zip(op.outputs, names, strict=True):
            if tensor in self._leaves:
                self._emit(f"{name} = {self._constant(_as_leaf)}({name})")
            self._names[tensor] = name

    def _with_number(self, op: Operation, inputs: list[str]) -> list[str]:
        """A 0-dim constant operand as a Python number, which Rushlight has shorter ways for."""
        for i in (1, 0):
            tensor = op.inputs[i]
            if tensor.op.type == CONST and tensor not in self._given and tensor not in self._leaves:
                value = tensor.op.attributes["value"]
                if value.ndim == 0 and value.dtype.kind in "if":
                    number = self._constant(value.item())
                    return [number, inputs[1]] if i == 0 else [inputs[0], number]
        return inputs

    def _call_gradient(self, op: Operation) -> None:
        attributes = op.attributes
        ys = [self._value_of(y, op) for y in attributes["ys"]]
        weights = [
            "None" if weight is None else self._value_of(weight, op) for weight in attributes["grad_ys"]
        ]
        leaves = []
        for x in attributes["xs"]:
            self._value_of(x, op)
            names = self._reads[x] if x in self._reads else [self._names[x]]
            leaves.append(f"({', '.join(names)},)")
        create = self._tracked_throughout or op in self._recorded
        keep = create or self._gradient_count > 1
        names = [f"v{op.number}_{i}" for i in range(len(op.outputs))]
        self._emit(
            f"{', '.join(names)}, = {self._constant(take_gradient)}(({', '.join(ys)},), ({', '.join(leaves)},), "
            f"({', '.join(weights)},), {create}, {keep})",
            op,
        )
        for tensor, name in zip(op.outputs, names, strict=True):
            self._names[tensor] = name

    def _value_of(self, tensor: Tensor, reader: Operation | None) -> str:
        name = self._names.get(tensor)
        if name is not None:
            return name
        op = tensor.op
        if op.type != VARIABLE:
            raise errors.InternalError(
                None, op, f"{tensor.name} is used, by {reader!r}, outside the block that computes it"
            )
        slot = self._constant(self.state.slot(op.attributes["variable"]))
        if tensor not in self._leaves:
            return f"{slot}.tensor"
        copies = tensor in self._copied_reads
        read = _leaf_copy if copies else _leaf_alias
        name = f"r{len(self._lines)}_{op.number}"
        self._emit(f"{name} = {self._constant(read)}({slot}.tensor)")
        self._reads.setdefault(tensor, []).append(name)
        self._names[tensor] = name
        return name

    def _refuse_unfed(self, op: Operation) -> None:
        dtype, shape = op.attributes["dtype"], op.attributes["shape"]
        text = f"You must feed a value for placeholder tensor '{op.name}' with dtype {dtype.wire_name}"
        if shape.extents is not None:
            text += f" and shape [{','.join('?' if e is None else str(e) for e in shape.extents)}]"
        raise errors.InvalidArgumentError(
            None, op, f"{text}\n\t [[node {op.name} (defined at {op.defined_at}) ]]"
        )

    def _compile(self, arguments: Sequence[str]) -> Step:
        file = f"<rushlight graph {_next_plan()}>"
        source = f"def step({', '.join(arguments)}):\n" + "\n".join(self._lines) + "\n"
        scope = dict(self._constants)
        exec(compile(source, file, "exec", dont_inherit=True), scope)
        step: Step = scope["step"]
        ops = self._line_ops

        def run(*feeds: Any) -> tuple[Any, ...]:
            try:
                return step(*feeds)
            except errors.OpError:
                raise
            except Exception as error:
                raise translated(error, file, source, ops) from error

        return run


def _as_leaf(value: Any) -> Any:
    """``value`` as something that a gradient can be taken for: as it is if it has a history already."""
    if value.requires_grad or not (value.is_floating_point() or value.is_complex()):
        return value
    return value.detach().requires_grad_()


def _leaf_alias(value: Any) -> Any:
    return value.detach().requires_grad_() if value.is_floating_point() or value.is_complex() else value


def _leaf_copy(value: Any) -> Any:
    return _leaf_alias(value.detach().clone())
