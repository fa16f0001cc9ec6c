"""The public functions, methods and properties, from the moment when an argument may override them.

A question "does an argument override this" on the way of every operation would cost every program that never overrides one.
So nothing asks until a class that can answer exists: then each public function gets other code, which looks at the arguments
and goes on to a twin with the function's own code. The function stays the same object, so that ``from torch import add``,
tables such as ``HANDLED_FUNCTIONS[torch.add]`` and ``func is torch.add`` in a handler all agree. (``profiler.seam`` does the
same while a profile runs.)

The library's own calls from its lower layers do not ask: what PyTorch computes in C++ is one operation to an override.
"""

from __future__ import annotations

import sys
from os.path import dirname, join, sep
from types import FunctionType
from typing import Any, Final

from ..core.storage import LIBRARY
from ..core.switch import stand_in_code
from ..core.tensor import Tensor
from ..ops.dispatch import is_number
from .dispatch_modes import WITHIN, DispatchEntry, aten_name
from .state import ALL, KINDS, OVERRIDES, STATE, ask, overrides_operations, overriding_arguments

getframe = sys._getframe
_ROOT: Final = dirname(dirname(__file__))
# Where a call is part of an operation.
_INSIDE: Final = (
    *[
        join(_ROOT, *parts) + sep
        for parts in (
            ("core",), ("ir",), ("compiler",), ("runtime",), ("ops",), ("autograd",), ("serialization",), ("jit",),
            ("nn", "functional"), ("func",), ("profiler",),
        )
    ],
    join(_ROOT, "nn", "parameter.py"),
)  # fmt: skip

_NAMESPACES: Final = ("", "nn.functional", "linalg", "fft", "special", "nn.init")
# Functions that compute with no tensor, or that settings and files are made with.
_NEVER: Final = frozenset(
    (
        "can_cast", "get_default_dtype", "set_default_dtype", "promote_types", "get_rng_state", "initial_seed", "manual_seed",
        "seed", "set_rng_state", "set_printoptions", "load", "save", "get_default_device", "set_default_device",
        "get_num_interop_threads", "get_num_threads", "set_num_interop_threads", "set_num_threads", "is_tensor",
        "broadcast_shapes", "is_anomaly_check_nan_enabled", "is_anomaly_enabled", "clear_autocast_cache",
        "get_autocast_cpu_dtype", "get_autocast_dtype", "get_autocast_gpu_dtype", "is_autocast_cache_enabled",
        "is_autocast_cpu_enabled", "is_autocast_enabled", "set_autocast_enabled", "set_autocast_cache_enabled",
        "set_autocast_dtype", "are_deterministic_algorithms_enabled", "get_deterministic_debug_mode",
        "get_float32_matmul_precision", "is_deterministic_algorithms_warn_only_enabled", "is_warn_always_enabled",
        "set_default_tensor_type", "set_deterministic_debug_mode", "set_float32_matmul_precision", "set_flush_denormal",
        "set_warn_always", "typename", "use_deterministic_algorithms", "vmap", "compiled_with_cxx11_abi", "compile",
        "calculate_gain", "cond", "map_fn", "scan", "while_loop", "explain", "is_storage", "from_dlpack",
        "as_subclass",  # put there by programs: the method, which is never asked about
    )
)  # fmt: skip
# Functions that make a tensor of what is no tensor: modes are asked, types are not.
_MAKERS: Final = frozenset(("tensor", "as_tensor", "asarray", "from_numpy", "frombuffer", "scalar_tensor"))
# Methods that stay as they are.
_PLAIN_METHODS: Final = frozenset(
    ("as_subclass", "__new__", "__init_subclass__", "__torch_function__", "__delitem__", "_make_subclass",
     "_make_wrapper_subclass", "__hash__", "__init__", "__class_getitem__", "__getattr__", "__setattr__")
)  # fmt: skip
# What a handler is given for an operator.
_OPERATORS: Final = {
    "__add__": "add", "__radd__": "add", "__sub__": "sub", "__mul__": "mul", "__rmul__": "mul", "__truediv__": "div",
    "__div__": "div", "__mod__": "remainder", "__matmul__": "matmul", "__ne__": "ne", "__lt__": "lt", "__le__": "le",
    "__gt__": "gt", "__ge__": "ge", "__neg__": "neg", "__pos__": "positive", "__abs__": "abs", "__rand__": "bitwise_and",
    "__ror__": "bitwise_or", "__rxor__": "bitwise_xor", "__iadd__": "add_", "__isub__": "sub_", "__imul__": "mul_",
    "__itruediv__": "div_", "__idiv__": "div_", "__ifloordiv__": "floor_divide_", "__imod__": "remainder_",
    "__str__": "__repr__",
}  # fmt: skip
# Of two operands: where nobody answers, the other operand's type is tried.
_OF_TWO: Final = frozenset(
    f"__{prefix}{name}__"
    for prefix in ("", "r", "i")
    for name in [
        "add",
        "sub",
        "mul",
        "truediv",
        "div",
        "floordiv",
        "mod",
        "pow",
        "matmul",
        "and",
        "or",
        "xor",
        "lshift",
        "rshift",
    ]
) | frozenset(f"__{name}__" for name in ["eq", "ne", "lt", "le", "gt", "ge"])

_twins: Final[dict[int, FunctionType]] = {}
# Where a program finds each public function: "torch.add", "torch.Tensor.shape.__get__".
NAMES: Final[dict[Any, str]] = {}
# The same by namespace, for ``torch.overrides.get_overridable_functions``.
OVERRIDABLE: Final[dict[Any, list[Any]]] = {}


# What takes the place of a function's own code; the strings are exchanged for what they name.
_STAND_IN: Final = """
def stand_in(*args, **kwargs):
    kinds = "rushlight: the kinds of types"
    for value in args:
        if kinds[type(value)]:
            break
    else:
        state = "rushlight: the state"
        if not kwargs and not state.modes:
            function = "rushlight: the function with its own code"
            return function(*args)
    ask_first = "rushlight: what asks"
    return ask_first(args, kwargs)
"""


def start_asking() -> None:
    """From now on every public function asks its arguments. Calling it again finds what was imported since."""
    for path in _NAMESPACES:
        space: Any = sys.modules.get("rushlight." + path if path else "rushlight")
        if space is None:
            continue
        prefix = "torch." + path + "." if path else "torch."
        public = OVERRIDABLE.setdefault(space, [])
        for name, function in list(vars(space).items()):
            if type(function) is not FunctionType or name.startswith("_") or name in _NEVER:
                continue
            module = getattr(function, "__module__", None) or ""
            if path == "nn.init" and module != "rushlight.nn.init":
                continue
            if not function.__code__.co_filename.startswith(LIBRARY):
                continue
            if function not in NAMES:
                NAMES[function] = prefix + name
                public.append(function)
                if function.__name__ != name and function.__name__.startswith("_"):
                    function.__name__ = function.__qualname__ = name
            _exchange(function, function, name in _MAKERS, False)
    if Tensor in OVERRIDABLE:
        return
    for function in WITHIN:
        _exchange(function, function, True, False)
    public = OVERRIDABLE[Tensor] = []
    methods = [
        (name, member)
        for name, member in vars(Tensor).items()
        if type(member) is FunctionType and name not in _PLAIN_METHODS and not _is_private(name)
    ]
    # A method that is also an operator goes by the method's name, and one of two names by its own.
    methods.sort(key=lambda item: (item[0].startswith("__"), item[0] != item[1].__name__))
    for name, member in methods:
        if NAMES.get(member, "torch.Tensor").startswith("torch.Tensor"):
            method = member
        else:  # also a function: handlers tell torch.sum and torch.Tensor.sum apart
            method = _copied(_twins[id(member)])
            setattr(Tensor, name, method)
        if method not in NAMES:
            NAMES[method] = "torch.Tensor." + name
            public.append(method)
            if not method.__name__.startswith(name):
                method.__name__, method.__qualname__ = name, "Tensor." + name
    for name, _ in methods:
        method = vars(Tensor)[name]
        if name == "__iter__":
            _exchange_iteration(method)
        else:
            handed = vars(Tensor).get(_OPERATORS.get(name, name), method)
            _exchange(method, handed, False, name in _OF_TWO)
    for name, member in list(vars(Tensor).items()):
        if type(member) is property and (not name.startswith("_") or name in ("_base", "_version")):
            _exchange_property(name, member, public)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _exchange(function: FunctionType, public: Any, only_modes: bool, operator: bool) -> None:
    if id(function) not in _twins:
        twin = _twin(function)
        _give_code(function, _asking(twin, public, only_modes, operator))


def _exchange_property(name: str, member: property, public: list[Any]) -> None:
    parts: list[Any] = [member.fget, member.fset, member.fdel]
    for place, part in enumerate(tuple(parts)):
        if part is None:
            continue
        if type(part) is not FunctionType or id(part) in _twins:  # also a function of its own, or no function
            parts[place] = _forwarding(_twins.get(id(part), part))
            member = property(parts[0], parts[1], parts[2], member.__doc__)
            setattr(Tensor, name, member)
    for part, slot in zip(
        (member.fget, member.fset, member.fdel), ("__get__", "__set__", "__delete__"), strict=True
    ):
        if part is not None:
            handed = getattr(member, slot)
            NAMES[handed] = f"torch.Tensor.{name}.{slot}"
            if slot == "__get__":
                public.append(handed)
            _exchange(part, handed, False, False)  # type: ignore[arg-type]


def _forwarding(function: Any) -> Any:
    def call(*args: Any) -> Any:
        return function(*args)

    # Static graphs tell by the name of the code that runs whether it has effects.
    call.__code__ = call.__code__.replace(co_name=getattr(function, "__name__", "call"))
    return call


def _exchange_iteration(function: FunctionType) -> None:
    """``for row in x``: the rows come from ``unbind``, which is asked instead."""
    twin = _twin(function)

    def go_on(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        tensor = args[0]
        if (STATE.modes or KINDS[type(tensor)]) and STATE.disabled < ALL and tensor.dim() > 0:
            return iter(tensor.unbind(0))
        return twin(*args, **kwargs)

    _give_code(function, go_on)


def _copied(function: FunctionType) -> FunctionType:
    copy = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__ = function.__qualname__
    copy.__module__ = function.__module__
    copy.__doc__ = function.__doc__
    copy.__annotations__ = function.__annotations__
    copy.__dict__.update(function.__dict__)
    return copy


def _twin(function: FunctionType) -> FunctionType:
    twin = _twins[id(function)] = _copied(function)
    return twin


def _give_code(function: FunctionType, go_on: Any) -> None:
    template = stand_in_code(_STAND_IN, len(function.__code__.co_freevars))
    twin = _twins[id(function)]
    parts = {
        "rushlight: the kinds of types": KINDS,
        "rushlight: the state": STATE,
        "rushlight: the function with its own code": twin,
        "rushlight: what asks": go_on,
    }
    constants: Any = tuple(
        [
            parts.get(constant, constant) if isinstance(constant, str) else constant
            for constant in template.co_consts
        ]
    )
    own = function.__code__
    function.__wrapped__ = twin  # type: ignore[attr-defined]  # whose signature is shown
    function.__code__ = template.replace(
        co_consts=constants, co_freevars=own.co_freevars, co_name=own.co_name, co_filename=own.co_filename
    )  # fmt: skip


def _asking(twin: FunctionType, public: Any, only_modes: bool, operator: bool) -> Any:
    kinds, state = KINDS, STATE
    within = public in WITHIN

    def go_on(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for value in args:
            if kinds[type(value)]:
                break
        else:
            for value in kwargs.values():
                if kinds[type(value)]:
                    break
            else:
                if not state.modes:
                    return twin(*args, **kwargs)
        disabled = state.disabled
        if disabled and (disabled >= ALL or not state.modes):
            return twin(*args, **kwargs)
        if only_modes and (not state.modes or (within and type(state.modes[-1]) is not DispatchEntry)):
            return twin(*args, **kwargs)
        owners = [] if disabled or only_modes else overriding_arguments(_flat(args, kwargs))
        if not owners:
            if not state.modes:
                return twin(*args, **kwargs)
            innermost = state.modes[-1]
            if type(innermost) is DispatchEntry:
                if aten_name(public) is None:
                    return twin(*args, **kwargs)
                try:
                    return innermost.asked(public, args, kwargs)
                except TypeError:
                    if not operator or all([_is_operand(value) for value in args]):
                        raise
                    return NotImplemented
        # The stand-in's own frame is between.
        if getframe(2).f_code.co_filename.startswith(_INSIDE):
            return twin(*args, **kwargs)
        if operator:
            # Python then tries the other operand's reflected method, as for arrays of NumPy.
            try:
                return ask(public, owners, args, kwargs)[0]
            except TypeError:
                if all([_is_operand(value) for value in args]):
                    raise
                return NotImplemented
        result, types = ask(public, owners, args, kwargs)
        return refused(public, types) if result is NotImplemented else result

    return go_on


def _is_operand(value: Any) -> bool:
    return is_number(value) or value is None or isinstance(value, Tensor)


def _flat(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    values = []
    for value in (*args, *kwargs.values()):
        kind = KINDS[type(value)]
        if kind is OVERRIDES:
            values.append(value)
        elif kind:
            values.extend([part for part in value if overrides_operations(type(part))])
    return values


def refused(public: Any, types: tuple[type, ...]) -> Any:
    """Raise ``TypeError``: every ``__torch_function__`` answered ``NotImplemented``."""
    name = NAMES.get(public) or f"{getattr(public, '__module__', '')}.{getattr(public, '__name__', public)}"
    if name.startswith(("torch.nn.functional.", "torch.nn.init.")) or public not in NAMES:
        raise TypeError(
            f"no implementation found for '{name}' on types that implement __torch_function__: {list(types)}"
        )
    listed = "".join([f"\n  - tensor subclass {kind}" for kind in types])
    raise TypeError(
        f"Multiple dispatch failed for '{name}'; all __torch_function__ handlers returned NotImplemented:\n{listed}"
    )
