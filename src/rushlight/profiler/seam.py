"""Where a profile looks in: the library's own functions, whose code is exchanged while one runs.

A test "is a profile running" on the way of every operation would cost every program that is never profiled. So nothing is
there: when the first profile starts, each operation's function gets other code, which measures and then calls a twin with
the function's own; when the last one ends, it gets its own code back. The function stays the same object, so
``from torch import add``, methods, operators and references inside the library all see it, and nothing is rebound (a class
whose attributes change too often is never again cached by the interpreter). The other ways: rebinding public names misses
``from torch import …`` and everything inside backward; ``sys.setprofile`` is called for every Python function of the program
and would be much of what the profile shows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, Final

from ..core.grad_mode import is_grad_enabled as grad_enabled
from ..core.storage import LIBRARY
from ..core.switch import stand_in_code
from ..core.tensor import Tensor
from ..ops import dispatch
from ..ops.define import PRIMITIVES
from . import live_memory
from .arguments import described, factors_of, floating_point_operations
from .recording import (
    ANNOTATION,
    BACKWARD_SCOPE,
    FUNCTION,
    KERNEL,
    OPEN,
    OPERATION,
    SESSIONS,
    WISHES,
    Recorded,
    closed,
    get_ident,
    noted,
    opened,
)

Call = Callable[..., Any]


# What takes the place of a function's own code; the strings are exchanged for what they name.
_STAND_IN: Final = """
def stand_in(*args, **kwargs):
    measure = "rushlight: what measures"
    function = "rushlight: the function with its own code"
    note = "rushlight: what is known of it"
    return measure(function, args, kwargs, note)
"""
# The same for ``_accumulate``, which counts the references to the gradient: it must hold none of its own.
_ACCUMULATING: Final = """
def stand_in(leaf, gradient):
    measure = "rushlight: what measures"
    function = "rushlight: the function with its own code"
    finished = measure(gradient)
    handed_on = [gradient]
    del gradient
    try:
        function(leaf, handed_on.pop())
    finally:
        finished()
"""


class _Exchange:
    """One function, which from now on calls ``measure`` with its twin; ``undo`` gives it its own code back."""

    def __init__(self, function: FunctionType, measure: Any, note: Any) -> None:
        own = function.__code__
        twin = FunctionType(
            own, function.__globals__, function.__name__, function.__defaults__, function.__closure__
        )
        twin.__kwdefaults__ = function.__kwdefaults__
        twin.__qualname__ = function.__qualname__
        parts = {
            "rushlight: what measures": measure,
            "rushlight: the function with its own code": twin,
            "rushlight: what is known of it": note,
        }
        source = _ACCUMULATING if measure is _accumulation else _STAND_IN
        template = stand_in_code(source, len(own.co_freevars))
        constants: Any = tuple(
            [
                parts.get(constant, constant) if isinstance(constant, str) else constant
                for constant in template.co_consts
            ]
        )
        self.function = function
        self.own: CodeType = own
        self.measuring = template.replace(
            co_consts=constants, co_freevars=own.co_freevars, co_name=own.co_name, co_filename=own.co_filename
        )
        function.__code__ = self.measuring

    def undo(self) -> None:
        # A `core.switch.Switch` may have exchanged the code meanwhile; then it also puts the right one back.
        if self.function.__code__ is self.measuring:
            self.function.__code__ = self.own


_exchanged: Final[dict[int, _Exchange]] = {}


def watch() -> None:
    """Exchange the code of every operation, of backward, of optimizers' steps, of modules and of compiled plans."""
    for function, measure, note in _watched():
        if id(function) not in _exchanged:
            _exchanged[id(function)] = _Exchange(function, measure, note)


def unwatch() -> None:
    """Give all functions their own code back."""
    for exchange in _exchanged.values():
        exchange.undo()
    _exchanged.clear()
    _module_numbers.clear()
    live_memory.forget()


# --- what measures ----------------------------------------------------------------------------------------------------


def _seen() -> bool:
    """Whether a profile of this thread runs, and it is the program (or the library for it) that calls."""
    if OPEN.paused:
        return False
    thread = get_ident()
    return any([session.thread == thread for session in SESSIONS])


def _operation(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> Any:
    inside = OPEN.innermost
    # The public function, the method and the record of one operation call each other: that is one event.
    if (inside is not None and inside.category is OPERATION and inside.name == name) or not _seen():
        return function(*args, **kwargs)
    return _measured(function, args, kwargs, name)


def _measured(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> Any:
    given = live_memory.owners_of(args, kwargs) if WISHES.memory else None
    event = opened(name, OPERATION)
    try:
        result = function(*args, **kwargs)
    finally:
        closed(event)
    if WISHES.shapes:
        event.arguments = described(args, kwargs)
    if WISHES.flops:
        _count_work(event, name.removeprefix("aten::"), args, result)
    if given is not None:
        live_memory.count_results(result, given, event)
    event.sequence = _sequence_of(result)
    return result


def _of_record(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], note: Any) -> Any:
    """``apply(record, operands, attrs)``: what composites call."""
    name = "aten::" + args[0].name
    inside = OPEN.innermost
    if inside is not None and inside.category is OPERATION and _same(inside.name, name):
        return function(*args, **kwargs)
    if not _seen():
        return function(*args, **kwargs)
    given = live_memory.owners_of(args, kwargs) if WISHES.memory else None
    event = opened(name, OPERATION)
    try:
        result = function(*args, **kwargs)
    finally:
        closed(event)
    if WISHES.shapes:
        event.arguments = described(args[1] if len(args) > 1 else (), {})
    if WISHES.flops and len(args) > 1:
        _count_work(event, args[0].name, args[1], result)
        if event.flops:
            event.sequence = _sequence_of(result)
    if given is not None:
        live_memory.count_results(result, given, event)
    return result


def _count_work(event: Recorded, name: str, args: tuple[Any, ...], result: Any) -> None:
    event.flops = floating_point_operations(name, args, result)
    if event.flops and grad_enabled():
        event.differentiable = sum(
            [isinstance(factor, Tensor) and factor._node is not None for factor in factors_of(name, args)]
        )


def _sequence_of(result: Any) -> int:
    """The number of the node that the result's history begins with."""
    first = result[0] if isinstance(result, tuple) and result else result
    if isinstance(first, Tensor) and first._node is not None and not first.is_leaf:
        return first._node.order
    return -1


def _same(event: str, record: str) -> bool:
    return event == record or event == record + "_"


def _backward(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], note: Any) -> Any:
    """``vjp(gradient, node)``: backward of one node."""
    node = args[-1]
    inside = OPEN.innermost
    if not hasattr(node, "name") or not callable(node.name) or not _seen():
        return function(*args, **kwargs)
    name = node.name()
    if inside is not None and inside.name == name and inside.sequence == node.order:
        return function(*args, **kwargs)
    outer = opened("autograd::engine::evaluate_function: " + name, OPERATION)
    outer.sequence = node.order
    given = live_memory.owners_of(args, kwargs) if WISHES.memory else None
    event = opened(name, OPERATION, BACKWARD_SCOPE)
    event.sequence = node.order
    if WISHES.shapes:
        event.arguments = described(args[-2:-1], {})
    try:
        result = function(*args, **kwargs)
        if given is not None:
            live_memory.count_results(result, given, event)
        return result
    finally:
        closed(event)
        closed(outer)


def _accumulation(gradient: Any) -> Callable[[], None]:
    """Opens the events of a gradient that arrives at a leaf; what it returns closes them."""
    if not _seen():
        return _nothing
    outer = opened("autograd::engine::evaluate_function: torch::autograd::AccumulateGrad", OPERATION)
    event = opened("torch::autograd::AccumulateGrad", OPERATION, BACKWARD_SCOPE)
    if WISHES.shapes:
        event.arguments = described((gradient,), {})

    def finished() -> None:
        closed(event)
        closed(outer)

    return finished


def _nothing() -> None:
    pass


def _optimizer(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], method: str) -> Any:
    name = f"Optimizer.{method}#{type(args[0]).__name__}.{method}"
    return _annotated(function, args, kwargs, name)


def _next_batch(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], kind: str) -> Any:
    return _annotated(function, args, kwargs, f"enumerate(DataLoader)#{kind}.__next__")


def _annotated(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> Any:
    inside = OPEN.innermost
    if (inside is not None and inside.name == name) or not _seen():
        return function(*args, **kwargs)
    event = opened(name, ANNOTATION)
    try:
        return function(*args, **kwargs)
    finally:
        closed(event)


def _custom_function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], note: Any) -> Any:
    if not _seen():
        return function(*args, **kwargs)
    cls = getattr(args[0], "__func__", args[0]) if args else None
    return _measured(function, args, kwargs, getattr(cls, "__name__", "Function"))


_module_numbers: Final[dict[int, str]] = {}


def _module(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], note: Any) -> Any:
    if not (WISHES.modules or WISHES.stack) or not _seen():
        return function(*args, **kwargs)
    module = args[0]
    name = _module_numbers.get(id(module))
    kind = type(module).__name__
    if name is None or not name.startswith(f"nn.Module: {kind}_"):
        count = sum([known.startswith(f"nn.Module: {kind}_") for known in _module_numbers.values()])
        name = _module_numbers[id(module)] = f"nn.Module: {kind}_{count}"
    event = opened(name, FUNCTION)
    try:
        return function(*args, **kwargs)
    finally:
        closed(event)


def _plan(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], note: Any) -> Any:
    """``Plan.run``: one event for the run, and inside it one for each of the plan's kernels."""
    if not _seen():
        return function(*args, **kwargs)
    plan = args[0]
    plan.profile(True)
    event = opened("rushlight::compiled_plan", OPERATION)
    try:
        return function(*args, **kwargs)
    finally:
        closed(event)
        times = plan.times()
        plan.profile(False)
        at = event.start
        for line in times:
            if not line.runs:
                continue
            kernel = Recorded("rushlight::" + line.label, KERNEL, event, event.thread, event.scope)
            # Lines run one after the other; the plan says how long each took, not when it began.
            kernel.start, at = at, min(at + line.nanoseconds, event.end)
            kernel.end = at
            kernel.stack = event.stack
            noted(kernel)


# --- what is watched --------------------------------------------------------------------------------------------------

# Methods that ask a tensor something, or hand it on: no operations.
_QUESTIONS: Final = frozenset((
    "as_subclass", "backward", "cpu", "cuda", "data_ptr", "detach_", "dim", "element_size", "get_device", "is_complex",
    "is_conj", "is_contiguous", "is_floating_point", "is_inference", "is_neg", "is_pinned", "is_set_to", "is_shared",
    "is_signed", "ndimension", "nelement", "numel", "pin_memory", "register_hook",
    "register_post_accumulate_grad_hook", "requires_grad_", "retain_grad", "share_memory_", "size", "storage",
    "storage_offset", "stride", "tolist", "type", "untyped_storage", "numpy", "_is_view", "is_nonzero", "map_", "apply_",
))  # fmt: skip
_OPERATORS: Final = {
    **{
        f"__{prefix}{name}__": method + ("_" if prefix == "i" else "")
        for name, method in {
            "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "div": "div", "floordiv": "floor_divide",
            "mod": "remainder", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
            "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift", "pow": "pow", "matmul": "matmul",
        }.items()
        for prefix in ("", "r", "i")
    },
    "__neg__": "neg", "__eq__": "eq", "__ne__": "ne", "__lt__": "lt", "__le__": "le", "__gt__": "gt", "__ge__": "ge",
    "__invert__": "bitwise_not", "__abs__": "abs", "__getitem__": "index", "__setitem__": "index_put_",
    "__bool__": "item", "__int__": "item", "__float__": "item", "__index__": "item", "__complex__": "item",
}  # fmt: skip
# PyTorch's own names of what is called otherwise in nn.functional.
_ATEN_NAMES: Final = {"cross_entropy": "cross_entropy_loss", "nll_loss": "nll_loss_nd"}
_OPERATION_MODULES: Final = ("rushlight.ops.", "rushlight.nn.functional", "rushlight.nn.recurrent_functions")
_NAMESPACES: Final = (
    "rushlight",
    "rushlight.nn.functional",
    "rushlight.linalg",
    "rushlight.fft",
    "rushlight.special",
)


def _watched() -> list[tuple[FunctionType, Call, Any]]:
    """Every function to watch, with what measures it. Only modules that are imported can be called, so only those count."""
    found: list[tuple[FunctionType, Call, Any]] = []

    def add(function: Any, measure: Call, note: Any) -> None:
        if type(function) is FunctionType and function.__code__.co_filename.startswith(LIBRARY):
            found.append((function, measure, note))

    for record in PRIMITIVES.values():
        for function in (record.method, record.function):
            add(function, _operation, "aten::" + record.name)
        add(record.inplace, _operation, f"aten::{record.name}_")
        add(record.vjp, _backward, None)
    for name, function in vars(Tensor).items():
        if name in _OPERATORS:
            add(function, _operation, "aten::" + _OPERATORS[name])
        elif not name.startswith("_") and name not in _QUESTIONS:
            add(function, _operation, "aten::" + name)
    for namespace in _NAMESPACES:
        for name, function in list(vars(sys.modules.get(namespace, sys)).items()):
            if not name.startswith("_") and _is_operation(function):
                prefix = "linalg_" if namespace.endswith("linalg") else ""
                prefix = {"rushlight.fft": "", "rushlight.special": "special_"}.get(namespace, prefix)
                add(function, _operation, f"aten::{prefix}{_ATEN_NAMES.get(name, name)}")
    add(dispatch.apply, _of_record, None)
    engine: Any = sys.modules["rushlight.autograd.engine"]
    add(engine._accumulate, _accumulation, None)
    custom: Any = sys.modules["rushlight.autograd.function"]
    add(custom._Record.vjp, _backward, None)
    add(vars(custom.Function)["apply"].__func__, _custom_function, None)
    _add_larger_parts(add)
    return found


def _is_operation(function: Any) -> bool:
    module = getattr(function, "__module__", None)
    return (
        type(function) is FunctionType
        and module is not None
        and (module == "rushlight" or module.startswith(_OPERATION_MODULES))
    )


def _add_larger_parts(add: Callable[[Any, Call, Any], None]) -> None:
    loaded = sys.modules.get
    if (module := loaded("rushlight.nn.module")) is not None:
        add(module.Module.__call__, _module, None)
    from .. import optim  # a program may use it for the first time while it is watched
    from ..utils import data  # noqa: F401

    classes: list[type] = [optim.Optimizer]
    while classes:
        kind = classes.pop()
        classes.extend(kind.__subclasses__())
        for method in ("step", "zero_grad"):
            add(vars(kind).get(method), _optimizer, method)
    for name in ("rushlight.utils.data.loader", "rushlight.utils.data.worker"):
        if (part := loaded(name)) is not None:
            for kind in vars(part).values():
                if isinstance(kind, type) and kind.__module__ == name and "__next__" in vars(kind):
                    several = "MultiProcessing" if name.endswith("worker") else "SingleProcess"
                    add(vars(kind)["__next__"], _next_batch, f"_{several}DataLoaderIter")
    if (plans := loaded("rushlight.runtime.plan")) is not None:
        add(plans.Plan.run, _plan, None)


__all__ = ["unwatch", "watch"]
