"""Values that write down what is done to them, and what makes nodes from it."""

from __future__ import annotations

import collections
import copy
import enum
import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from ..core.device import device
from ..core.dtypes import dtype
from ..core.storage import LIBRARY
from ..core.tensor import Tensor
from ..ops.conversion import layout, memory_format
from ..overriding.calls import NAMES, start_asking
from .codegen import MAGIC_METHODS, REFLECTED
from .graph import Graph
from .node import Node, Target, map_aggregate

__all__ = [
    "Attribute",
    "GraphAppendingTracer",
    "ParameterProxy",
    "Proxy",
    "Scope",
    "ScopeContextManager",
    "TraceError",
    "TracerBase",
]

# What stands in a graph as it is.
base_types: Final = (str, int, float, bool, complex, bytes, dtype, device, layout, memory_format, type(None))


class TraceError(ValueError):
    """The program asked for something that symbolic tracing does not know: a value, a length, the elements."""


class Scope:
    """The module that is being called: its path and type."""

    def __init__(self, module_path: str, module_type: Any) -> None:
        self.module_path = module_path
        self.module_type = module_type


class ScopeContextManager:
    """Inside, ``current_scope`` is ``scope``."""

    def __init__(self, scope: Scope, current_scope: Scope) -> None:
        self._before = copy.copy(scope)
        scope.module_path, scope.module_type = current_scope.module_path, current_scope.module_type
        self._scope = scope

    def __enter__(self) -> Scope:
        return self._scope

    def __exit__(self, *exception: object) -> None:
        self._scope.module_path = self._before.module_path
        self._scope.module_type = self._before.module_type


class TracerBase:
    """Makes nodes and proxies; what subclasses change of it changes what tracing gives."""

    graph: Graph
    record_stack_traces: bool = False
    check_mutable_operations: bool = False
    trace_asserts: bool = False
    proxy_buffer_attributes: bool = False
    traced_func_name: str = "forward"

    def __init__(self) -> None:
        self.scope = Scope("", None)
        self.module_stack: collections.OrderedDict[str, tuple[str, Any]] = collections.OrderedDict()
        self.node_name_to_scope: dict[str, tuple[str, Any]] = {}

    def create_node(
        self,
        kind: str,
        target: Target,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
    ) -> Node:
        """A node in the graph, with notes about the module that made it."""
        node = self.graph.create_node(kind, target, args, kwargs, name, type_expr)
        self.node_name_to_scope[node.name] = self.scope.module_path, self.scope.module_type
        if self.module_stack:
            node.meta["nn_module_stack"] = copy.copy(self.module_stack)
        return node

    def proxy(self, node: Node) -> Proxy:
        """A proxy of ``node``."""
        return Proxy(node, self)

    def create_proxy(
        self,
        kind: str,
        target: Target,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
        proxy_factory_fn: Callable[[Node], Proxy] | None = None,
    ) -> Any:
        """A proxy of a new node; proxies among the arguments become their nodes."""
        node = self.create_node(kind, target, self.create_arg(args), self.create_arg(kwargs), name, type_expr)
        if self.record_stack_traces and kind != "placeholder" and node.stack_trace is None:
            node.stack_trace = _where()
        return (proxy_factory_fn or self.proxy)(node)

    def create_arg(self, a: Any) -> Any:
        """``a`` as a node's argument. ``NotImplementedError`` for what can't be one."""
        if isinstance(a, Proxy):
            return a.node
        if hasattr(a, "__fx_create_arg__"):
            return a.__fx_create_arg__(self)
        if isinstance(a, tuple):
            if hasattr(a, "_fields"):
                kind: Any = type(a)
                return kind(*[self.create_arg(part) for part in a])
            return tuple([self.create_arg(part) for part in a])
        if isinstance(a, list):
            return [self.create_arg(part) for part in a]
        if isinstance(a, dict):
            return {self._key(key): self.create_arg(value) for key, value in a.items()}
        if isinstance(a, slice):
            return slice(self.create_arg(a.start), self.create_arg(a.stop), self.create_arg(a.step))
        if isinstance(a, range):
            return range(self.create_arg(a.start), self.create_arg(a.stop), self.create_arg(a.step))
        if hasattr(type(a), "__dataclass_fields__"):
            parts = {name: self.create_arg(getattr(a, name)) for name in type(a).__dataclass_fields__}
            return self.create_node("call_function", type(a), (), parts)
        if isinstance(a, (*base_types, enum.Enum)) or a is ...:
            return a
        if _is_operation(a):
            return a
        raise NotImplementedError(f"argument of type: {type(a)}")

    def _key(self, key: Any) -> Any:
        made = self.create_arg(key)
        found: list[Node] = []
        map_aggregate(made, lambda leaf: found.append(leaf) if isinstance(leaf, Node) else None)
        if found:
            raise RuntimeError(
                f"Keys for dictionaries used as an argument cannot contain a Node. Got key: {made}"
            )
        return made

    def to_bool(self, obj: Proxy) -> bool:
        """``bool(proxy)``: raises :class:`TraceError`."""
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj: Proxy) -> Iterator[Any]:
        """``iter(proxy)``: raises :class:`TraceError`."""
        raise TraceError(
            "Proxy object cannot be iterated. This can be attempted when the Proxy is used in a loop or as a *args or **kwargs "
            "function argument. See the torch.fx docs on pytorch.org for a more detailed explanation of what types of control "
            "flow can be traced, and check out the Proxy docstring for help troubleshooting Proxy iteration errors"
        )

    def keys(self, obj: Proxy) -> Any:
        """``proxy.keys()``, which ``**proxy`` asks for."""
        return Attribute(obj, "keys")()


def _is_operation(value: Any) -> bool:
    """Whether it is one of ``torch.ops``."""
    from ..operators import OpOverload, OpOverloadPacket

    return isinstance(value, OpOverload | OpOverloadPacket)


def _where() -> str:
    """The program's lines that led here, the innermost last."""
    import traceback

    frame: Any = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(LIBRARY):
        frame = frame.f_back
    lines = [line for line in traceback.extract_stack(frame) if not line.filename.startswith(LIBRARY)]
    return "".join(traceback.format_list(lines))


class GraphAppendingTracer(TracerBase):
    """Puts nodes into a graph that is there already."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        start_asking()
        self.graph = graph


class Proxy:
    """Stands for a value while a function is traced: what is done to it becomes a node, and gives another proxy.

    Asking for its value, its length or its elements raises :class:`TraceError`; ``a, b = proxy`` works, where Python says how
    many there are. ``Proxy(node)`` continues a graph that is there.

    Example:
        >>> import rushlight as torch
        >>> graph = torch.fx.Graph()
        >>> x = Proxy(graph.placeholder("x"))
        >>> (torch.relu(x) + 1).node.args
        (relu, 1)
    """

    node: Node
    tracer: TracerBase

    def __init__(self, node: Node, tracer: TracerBase | None = None) -> None:
        self.node = node
        self.tracer = tracer if tracer is not None else GraphAppendingTracer(node.graph)

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, name: str) -> Any:
        if name in ("node", "tracer"):  # before __init__, in copies
            raise AttributeError(name)
        return Attribute(self, name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Proxy:
        return Proxy(copy.deepcopy(self.node, memo), self.tracer)

    def __getstate__(self) -> Any:
        return self.__dict__

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self) -> Iterator[Any]:
        frame = sys._getframe(1)
        count = _unpacked(frame.f_code, frame.f_lasti)
        if count is not None:
            me: Any = self
            return iter([me[place] for place in range(count)])
        return self.tracer.iter(self)

    def __bool__(self) -> bool:
        return self.tracer.to_bool(self)

    def __abs__(self) -> Any:
        return self.tracer.create_proxy("call_function", operator.abs, (self,), {})

    def keys(self) -> Any:
        """The call of ``keys``."""
        return self.tracer.keys(self)

    def __len__(self) -> int:
        raise RuntimeError(
            "'len' is not supported in symbolic tracing by default. If you want this call to be recorded, please call "
            "torch.fx.wrap('len') at module scope"
        )

    @classmethod
    def __torch_function__(
        cls, orig_method: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        from ..overrides import is_tensor_method_or_property

        kwargs = kwargs or {}
        found: dict[int, TracerBase] = {}

        def look(leaf: Any) -> None:
            if isinstance(leaf, Proxy):
                found[id(leaf.tracer)] = leaf.tracer

        map_aggregate(args, look)
        map_aggregate(kwargs, look)
        if len(found) > 1:
            raise RuntimeError(
                f"Found multiple different tracers {list(found.values())} while trying to trace operations "
                f"{orig_method}"
            )
        (tracer,) = found.values()
        if is_tensor_method_or_property(orig_method):
            name = orig_method.__name__
            if name in ("__get__", "__set__"):
                raise TraceError(f"a property of a tensor with {args} can't be traced")
            return tracer.create_proxy("call_method", name, args, kwargs)
        args, kwargs = _as_pytorch_hands_on(orig_method, args, kwargs)
        return tracer.create_proxy("call_function", orig_method, args, kwargs)


class Attribute(Proxy):
    """``proxy.name``: an attribute, or, once it is called, a method."""

    def __init__(self, root: Proxy, attr: str) -> None:
        self.root = root
        self.attr = attr
        self.tracer = root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]
        """The node of the attribute, made when it is first used: most attributes are methods."""
        if self._node is None:
            self._node = self.tracer.create_proxy("call_function", getattr, (self.root, self.attr), {}).node
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


class ParameterProxy(Proxy):
    """Stands for a parameter whose shape is known (``Tracer(param_shapes_constant=True)``)."""

    def __init__(self, tracer: TracerBase, node: Node, name: str, param: Any) -> None:
        super().__init__(node, tracer)
        self.param = param
        self.name = name

    def __repr__(self) -> str:
        return f"ParameterProxy({self.name})"

    @property
    def shape(self) -> Any:
        """The parameter's shape."""
        return self.param.shape

    def size(self, *dim: int) -> Any:
        """The parameter's size."""
        return self.param.size(*dim)

    def dim(self) -> int:
        """The parameter's number of dimensions."""
        return int(self.param.dim())

    @property
    def ndim(self) -> int:
        """The parameter's number of dimensions."""
        return int(self.param.ndim)

    def numel(self) -> int:
        """The parameter's number of elements."""
        return int(self.param.numel())

    def nelement(self) -> int:
        """The parameter's number of elements."""
        return int(self.param.nelement())


def _unpacked(code: Any, place: int) -> int | None:
    """How many values the assignment ``a, b = ...`` at this place of the code takes; None where it is none."""
    import dis

    for instruction in dis.get_instructions(code):
        if instruction.offset == place:
            if instruction.opname == "UNPACK_SEQUENCE":
                return int(instruction.argval)
            return None
    return None


# Functions of nn.functional that are C++ in PyTorch, and so are recorded as they are called.
_AS_CALLED: Final = frozenset(
    (
        "linear", "bilinear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
        "conv_tbc", "avg_pool1d", "avg_pool2d", "avg_pool3d", "gelu", "softplus", "hardshrink", "softshrink", "logsigmoid",
        "one_hot", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle", "cosine_similarity",
        "pdist", "prelu",
        "adaptive_avg_pool1d", "scaled_dot_product_attention", "pairwise_distance",
    )
)  # fmt: skip


_OF_MANY: Final = frozenset(
    f"torch.{name}"
    for name in (
        "einsum",
        "meshgrid",
        "block_diag",
        "broadcast_tensors",
        "atleast_1d",
        "atleast_2d",
        "atleast_3d",
    )
)


def _as_pytorch_hands_on(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The arguments as PyTorch's ``nn.functional`` hands them on: those with a default by name, all of them.

    Passes over graphs look for ``node.kwargs["inplace"]``.
    """
    listed = NAMES.get(function, "")
    if (
        listed in _OF_MANY and args and isinstance(args[-1], list | tuple)
    ):  # operands in a list: handed on one by one
        return (*args[:-1], *args[-1]), kwargs
    if not listed.startswith("torch.nn.functional.") or listed.rpartition(".")[2] in _AS_CALLED:
        return args, kwargs
    import inspect

    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return args, kwargs
    bound.apply_defaults()
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for name, parameter in bound.signature.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            return args, kwargs
        if parameter.default is parameter.empty:
            positional.append(bound.arguments[name])
        else:
            named[name] = bound.arguments[name]
    return tuple(positional), named


def _define(name: str, called: Any, reflected: bool) -> Any:
    def method(self: Proxy, *args: Any, **kwargs: Any) -> Any:
        operands = (args[0], self) if reflected else (self, *args)
        return self.tracer.create_proxy("call_function", called, operands, kwargs)

    method.__name__ = method.__qualname__ = name
    return method


for _name in MAGIC_METHODS:
    _plain = _name.strip("_")
    setattr(Proxy, f"__{_plain}__", _define(f"__{_plain}__", getattr(operator, _name), False))
for _name in REFLECTED:
    _plain = _name.strip("_")
    setattr(Proxy, f"__r{_plain}__", _define(f"__r{_plain}__", getattr(operator, _name), True))
Proxy.__hash__ = object.__hash__  # type: ignore[method-assign]


def find_proxy(*values: Any) -> Proxy | None:
    """The first proxy in ``values``; None where there is none."""
    found: list[Proxy] = []

    def look(leaf: Any) -> Any:
        if isinstance(leaf, Proxy):
            found.append(leaf)
        return leaf

    map_aggregate(values, look)
    return found[0] if found else None


def is_tensor(value: Any) -> bool:
    """Whether ``value`` is a tensor, and no proxy of one."""
    return isinstance(value, Tensor)
