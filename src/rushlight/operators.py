"""``torch.ops``: operators by namespace and name, those of programs (``torch.library``) and PyTorch's own under ``aten``.

An operator that a program defines has a schema, kernels for kinds of devices, and maybe a formula for its gradient.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from .autograd.function import Function
from .core.grad_mode import GRAD_MODE
from .core.tensor import Tensor
from .overriding.state import STATE

_REQUIRED: Final = object()
_CONSTANTS: Final = {"None": None, "True": True, "False": False}


class Argument(NamedTuple):
    """One argument of a schema; ``type`` as it is written there."""

    name: str
    type: str
    default: Any
    kwarg_only: bool
    is_write: bool


class Schema:
    """What an operator takes: ``foo(Tensor x, int n=3, *, Tensor? y=None) -> Tensor``.

    Raises ``RuntimeError`` for a text that is no schema.

    Example:
        >>> [argument.name for argument in Schema("ns::foo(Tensor x, int n=3, *, Tensor? y=None) -> Tensor").arguments]
        ['x', 'n', 'y']
    """

    def __init__(self, text: str) -> None:
        found = re.fullmatch(r"\s*([\w:.]+)\s*\((.*)\)\s*->\s*(.+?)\s*", text, re.DOTALL)
        if found is None:
            raise RuntimeError(
                f"library: {text!r} is no schema; write one like 'name(Tensor x, int n=3) -> Tensor'"
            )
        self.text = text.strip()
        self.name, inside, returns = found.groups()
        self.arguments: list[Argument] = []
        keywords = False
        for part in _parts(inside):
            if part == "*":
                keywords = True
                continue
            declared, _, default = part.partition("=")
            kind, _, name = declared.strip().rpartition(" ")
            if not kind or not name.isidentifier():
                raise RuntimeError(f"library: {part!r} is no argument of a schema; write one like 'int n=3'")
            self.arguments.append(
                Argument(name, kind, _constant(default) if default else _REQUIRED, keywords, "!" in kind)
            )
        inner = returns[1:-1] if returns.startswith("(") and returns.endswith(")") else returns
        self.returns = _parts(inner) if inner.strip() else []

    def __str__(self) -> str:
        return self.text

    def bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Positional and keyword-only values of all arguments. ``RuntimeError`` where they do not fit the schema."""
        positional = [argument for argument in self.arguments if not argument.kwarg_only]
        if len(args) > len(positional):
            raise RuntimeError(
                f"{self.name}() expected at most {len(positional)} argument(s) but received {len(args)} argument(s). "
                f"Declaration: {self}"
            )
        given = dict(zip([argument.name for argument in positional], args, strict=False))
        for name, value in kwargs.items():
            if name in given or all(argument.name != name for argument in self.arguments):
                raise RuntimeError(
                    f"Unknown keyword argument '{name}' for operator '{self.name}'. Schema: {self}"
                )
            given[name] = value
        for argument in self.arguments:
            if argument.name not in given:
                if argument.default is _REQUIRED:
                    raise RuntimeError(
                        f"{self.name}() is missing value for argument '{argument.name}'. Declaration: {self}"
                    )
                given[argument.name] = argument.default
            if argument.type == "Tensor" and not isinstance(given[argument.name], Tensor):
                raise RuntimeError(
                    f"{self.name}() Expected a value of type 'Tensor' for argument '{argument.name}' but instead found "
                    f"type '{type(given[argument.name]).__name__}'. Declaration: {self}"
                )
        options = {argument.name: given[argument.name] for argument in self.arguments if argument.kwarg_only}
        return [given[argument.name] for argument in positional], options


def _parts(text: str) -> list[str]:
    """``text`` split at the commas that stand in no brackets."""
    found, depth, start = [], 0, 0
    for i, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and not depth:
            found.append(text[start:i].strip())
            start = i + 1
    return [part for part in [*found, text[start:].strip()] if part]


def _constant(text: str) -> Any:
    import ast

    text = text.strip()
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        import rushlight

        return getattr(rushlight, text, text)  # a dtype, or a word such as contiguous_format


class Operator:
    """One operator of a program: a schema, kernels by kind of device, and how its gradient is computed."""

    def __init__(self, namespace: str, name: str, schema: Schema) -> None:
        self.namespace, self.name, self.schema = namespace, name, schema
        self.kernels: dict[str, Callable[..., Any]] = {}
        self.fake: Callable[..., Any] | None = None
        self.backward: Callable[..., Any] | None = None
        self.setup_context: Callable[..., Any] | None = None
        self.vmap: Callable[..., Any] | None = None
        self.returns_inputs = False  # tagged as an operator in place, or with an `out`
        self.without_gradient = False  # made by custom_op, whose body is never differentiated

    @property
    def qualified(self) -> str:
        """``namespace::name``."""
        return f"{self.namespace}::{self.name}"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        values, options = self.schema.bound(args, kwargs)
        if self.vmap is not None:
            result = self._of_batches(values, options)
            if result is not NotImplemented:
                return result
        for key in ("Autograd", "CompositeImplicitAutograd"):
            if key in self.kernels and (key == "CompositeImplicitAutograd" or GRAD_MODE.get()):
                return self.kernels[key](*values, **options)
        tensors = [
            each
            for value in (*values, *options.values())
            for each in (value if isinstance(value, list | tuple) else (value,))
            if isinstance(each, Tensor)
        ]
        needs_gradient = GRAD_MODE.get() and any(each.requires_grad for each in tensors)
        if not needs_gradient:
            return self._compute(values, options, tensors)
        if self.backward is None and not self.without_gradient:
            return self._compute(values, options, tensors)
        return self._differentiable(values, options, tensors)

    def _of_batches(self, values: list[Any], options: dict[str, Any]) -> Any:
        """Inside of ``vmap`` what ``register_vmap``'s function makes of batches; ``NotImplemented`` where there are none."""
        from .autograd.function import of_batches
        from .runtime.batched import Batched
        from .utils._pytree import tree_leaves

        given = tree_leaves((values, options))
        if not any(isinstance(each, Tensor) and type(each._array) is Batched for each in given):
            return NotImplemented
        operator = self

        def rule(info: Any, in_dims: Any, *args: Any) -> Any:
            assert operator.vmap is not None
            return operator.vmap(info, in_dims, *args, **options)

        methods = {
            "vmap": staticmethod(rule),
            "setup_context": staticmethod(lambda ctx, inputs, output: None),
        }
        return of_batches(type(self.name, (Function,), methods), tuple(values))

    def _compute(self, values: list[Any], options: dict[str, Any], tensors: list[Tensor]) -> Any:
        kind = tensors[0].device.type if tensors else "cpu"
        if kind == "meta":
            kernel = self.fake or self.kernels.get("meta")
            if kernel is None:
                raise RuntimeError(
                    f"There was no fake impl registered for {self.qualified}. Please use `torch.library.register_fake` "
                    "to add a fake impl."
                )
        else:
            kernel = self.kernels.get(kind) or self.kernels.get("default")
        if kernel is None:
            raise NotImplementedError(
                f"Could not run '{self.qualified}' with arguments from the '{kind.upper()}' backend: it has kernels for "
                f"{', '.join(self.kernels) or 'none'}; register one with torch.library.impl or register_kernel"
            )
        result = kernel(*values, **options)
        if self.without_gradient:
            _check_results(self, result, tensors)
        return result

    def _differentiable(self, values: list[Any], options: dict[str, Any], tensors: list[Tensor]) -> Any:
        operator = self
        places = [i for i, value in enumerate(values) if isinstance(value, list | tuple)]
        places = [i for i in places if any(isinstance(each, Tensor) for each in values[i])]
        flat: list[Any] = []
        for i, value in enumerate(values):
            flat += value if i in places else [value]

        def folded(parts: Any) -> list[Any]:
            rest, made = list(parts), []
            for i, value in enumerate(values):
                count = len(value) if i in places else 1
                made.append(rest[:count] if i in places else rest[0])
                del rest[:count]
            return made

        def forward(ctx: Any, *parts: Any) -> Any:
            inputs = folded(parts)
            result = operator._compute(inputs, options, tensors)
            written = [
                value
                for value, argument in zip(inputs, operator.schema.arguments, strict=False)
                if argument.is_write and isinstance(value, Tensor)
            ]
            if written:
                ctx.mark_dirty(*written)
            if operator.setup_context is not None:
                named = {"inputs": tuple(inputs), "output": result}
                if options:
                    named["keyword_only_inputs"] = options
                operator.setup_context(ctx, **named)
            return tuple(result) if isinstance(result, list) else result

        def backward(ctx: Any, *grads: Any) -> Any:
            if operator.backward is None:
                raise RuntimeError(
                    f"Trying to backward through {operator.namespace}.{operator.name}.default but no autograd formula "
                    "was registered. Please use register_autograd to add one."
                )
            found = operator.backward(ctx, *grads)
            if not isinstance(found, tuple):  # one gradient, which may be a list of the parts of one input
                found = tuple(found) if isinstance(found, list) and len(values) > 1 else (found,)
            if len(found) != len(values):
                raise RuntimeError(
                    f"{operator.qualified}: the autograd formula gave {len(found)} gradients for {len(values)} inputs"
                )
            unfolded: list[Any] = []
            for i, (value, grad) in enumerate(zip(values, found, strict=True)):
                if i in places:
                    unfolded += [None] * len(value) if grad is None else list(grad)
                else:
                    unfolded.append(grad)
            return tuple(unfolded)

        # A class of its own, because history calls a function by its class's name.
        name = f"GeneratedBackwardFor_{self.namespace}_{self.name}_default"
        call = type(name, (Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})
        return call.apply(*flat)  # type: ignore[attr-defined]


def _check_results(operator: Operator, result: Any, inputs: list[Tensor]) -> None:
    found = list(result) if isinstance(result, tuple | list) else [] if result is None else [result]
    for each in found:
        if isinstance(each, list | tuple):
            continue
        if not isinstance(each, Tensor):
            if any(kind.startswith("Tensor") for kind in operator.schema.returns[:1]) and len(found) == 1:
                raise RuntimeError(f"Unable to cast {each!r} to Tensor")
        elif any(each is given for given in inputs) and not operator.returns_inputs:
            raise RuntimeError(
                f"{operator.qualified}: The output of this custom operator (1) must not also be an input to this custom "
                "operator and (2) may not alias any inputs to this custom operator or other returns. Return a clone."
            )


def _packet(space: str, name: str) -> OpOverloadPacket:
    found: OpOverloadPacket = getattr(namespace(space), name)
    return found


class OpOverload:
    """One form of an operator: ``torch.ops.aten.add.Tensor``."""

    def __reduce__(self) -> tuple[Any, tuple[Any, str]]:  # copies too are the one form
        return getattr, (self.overloadpacket, self._overloadname)

    def __init__(self, packet: OpOverloadPacket, overload: str) -> None:
        self.overloadpacket, self._overloadname = packet, overload
        self.__name__ = f"{packet.__name__}.{overload}"
        self.namespace = packet._namespace

    @property
    def _schema(self) -> Any:
        operator = self.overloadpacket._operator
        if operator is None:
            raise NotImplementedError(f"{self}: PyTorch's own operators have no schema here")
        return operator.schema

    def name(self) -> str:
        """``aten::add.Tensor``."""
        ending = "" if self._overloadname == "default" else f".{self._overloadname}"
        return self.overloadpacket._qualified + ending

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = STATE.call
        if call is not None and call[0] is self:
            # A dispatch mode's handler carries out what it is asked about.
            _, given, options, carry_out = call
            if (
                len(args) == len(given)
                and all([a is b for a, b in zip(args, given, strict=True)])
                and len(kwargs) == len(options)
                and all([kwargs.get(name, self) is value for name, value in options.items()])
            ):
                return carry_out()
        return self.overloadpacket(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<OpOverload(op='{self.overloadpacket._qualified.replace('::', '.')}', overload='{self._overloadname}')>"

    def __str__(self) -> str:
        return f"{self.overloadpacket}.{self._overloadname}"


class OpOverloadPacket:
    """An operator with all of its forms, which are one function here: ``torch.ops.aten.add``."""

    def __init__(self, namespace: str, name: str, function: Callable[..., Any]) -> None:
        self._namespace, self._function = namespace, function
        self._operator = function if isinstance(function, Operator) else None
        self.__name__ = name
        self._qualified = self._qualified_op_name = f"{namespace}::{name}"
        self._forms: dict[str, OpOverload] = {}

    def overloads(self) -> list[str]:
        """The names of the forms; for PyTorch's own operators the usual ones."""
        return ["default"] if self._operator is not None else ["default", "Tensor", "Scalar", "List", "out"]

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:  # copies too are the one packet
        return _packet, (self._namespace, self.__name__)

    def __getattr__(self, name: str) -> OpOverload:
        if name.startswith("__") or (self._operator is not None and name != "default"):
            raise AttributeError(f"The underlying op of '{self}' has no overload name '{name}'")
        return self._forms.setdefault(name, OpOverload(self, name))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='{self._namespace}.{self.__name__}')>"

    def __str__(self) -> str:
        return f"{self._namespace}.{self.__name__}"


class Namespace:
    """The operators under one name: ``torch.ops.mylib``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._packets: dict[str, OpOverloadPacket] = {}

    def define(self, operator: Operator) -> None:
        """Add a program's operator, or put another in its place."""
        self._packets[operator.name] = OpOverloadPacket(self.name, operator.name, operator)

    def find(self, name: str) -> Operator | None:
        """A program's operator; None where there is none."""
        packet = self._packets.get(name)
        return None if packet is None else packet._operator

    def __getattr__(self, name: str) -> OpOverloadPacket:
        packet = self._packets.get(name)
        if packet is None and not name.startswith("__") and self.name in ("aten", "prims", "prim"):
            function = _function_of_torch(name)
            if function is not None:
                packet = self._packets[name] = OpOverloadPacket(self.name, name, function)
        if packet is None:
            raise AttributeError(f"'_OpNamespace' '{self.name}' object has no attribute '{name}'")
        return packet

    def __dir__(self) -> Iterable[str]:
        return list(self._packets)


def _function_of_torch(name: str) -> Any:
    import rushlight

    for place in (rushlight, rushlight.nn.functional, rushlight.linalg, rushlight.special, rushlight.fft):
        found = vars(place).get(name) or getattr(place, name, None)
        if callable(found):
            return found
    for prefix, part in (("linalg_", "linalg"), ("special_", "special"), ("fft_", "fft")):
        found = getattr(getattr(rushlight, part), name.removeprefix(prefix), None)
        if name.startswith(prefix) and callable(found):
            return found
    method = getattr(Tensor, name, None)
    return method if callable(method) else _aten_only(name)


def _index(tensor: Tensor, indices: Any) -> Tensor:
    return tensor[tuple(slice(None) if index is None else index for index in indices)]


def _slice(tensor: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Tensor:
    return tensor[(slice(None),) * (dim % max(tensor.ndim, 1)) + (slice(start, end, step),)]


def _aten_only(name: str) -> Any:
    """An operator that PyTorch has under ``aten`` alone, which libraries name in tables of what they handle."""
    if name == "_to_copy":
        return lambda tensor, **options: tensor.to(
            **{k: v for k, v in options.items() if v is not None}, copy=True
        )
    if name == "alias":
        return lambda tensor: tensor.view(tensor.shape)
    if name == "slice":
        return _slice
    if name == "index":
        return _index
    if name == "_pin_memory":
        return getattr(Tensor, "pin_memory")  # noqa: B009 - bound at import, so unknown to type checkers
    if name in ("convolution", "_convolution", "convolution_backward"):
        from .absent import absent_function

        return absent_function("rushlight.ops.aten", name, "torch.conv1d, conv2d or conv3d")
    if name in ("_sparse_addmm", "_sparse_mm_reduce_impl", "_sparse_mm_reduce_impl_backward"):
        from .absent import absent_function

        return absent_function("rushlight.ops.aten", name, "torch.sparse.mm or torch.sparse.addmm")
    return None


NAMESPACES: Final[dict[str, Namespace]] = {}


def namespace(name: str) -> Namespace:
    """The namespace of this name, an empty one if there was none.

    Example:
        >>> import rushlight as torch
        >>> torch.ops.aten.relu.default(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    if name.startswith("__"):
        raise AttributeError(f"module 'torch.ops' has no attribute {name!r}", name=name)
    if name in ("load_library", "import_module"):
        raise AttributeError(
            f"torch.ops.{name}: Rushlight loads no shared libraries; define operators with torch.library in Python"
        )
    return NAMESPACES.setdefault(name, Namespace(name))


class _Classes:
    """``torch.classes``: there are no classes of C++."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"torch.classes.{name}: there are no classes of C++ here")


classes: Final = _Classes()
loaded_libraries: Final[set[str]] = set()
