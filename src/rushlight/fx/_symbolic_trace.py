"""Symbolic tracing: a function is called once with proxies, and what it does to them becomes a graph."""

from __future__ import annotations

import builtins
import functools
import inspect
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any, Final, TypeVar

from ..assertions import assert_true
from ..core.storage import LIBRARY
from ..core.tensor import Tensor
from ..missing import spoken
from ..nn.containers import Sequential
from ..nn.module import Module
from ..nn.parameter import Parameter
from ..overriding.calls import start_asking
from .graph import Graph
from .graph_module import GraphModule, PyTreeCodeGen, _make_graph_module
from .patching import Patches, builtin_or_global
from .proxy import ParameterProxy, Scope, ScopeContextManager, TracerBase, base_types, find_proxy

__all__ = ["PH", "PHBase", "ProxyableClassMeta", "Tracer", "is_fx_tracing", "symbolic_trace", "wrap"]

T = TypeVar("T")
_HAS_VARIABLE: Final = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
_proxyable_classes: Final[dict[type, None]] = {}
# What wrap() named: (the globals' id, name) → the globals; (class, method).
_wrapped_functions: Final[dict[tuple[int, str], dict[str, Any]]] = {}
_wrapped_methods: Final[list[tuple[type, str]]] = []
_tracing = False


def is_fx_tracing() -> bool:
    """Whether a function is being traced just now.

    Example:
        >>> is_fx_tracing()
        False
    """
    return _tracing


def is_fx_symbolic_tracing() -> bool:
    """Whether a function is being traced just now."""
    return _tracing


class PHBase:
    """What stands in ``concrete_args`` for an input that stays an input."""

    def __repr__(self) -> str:
        return "PH"


PH = PHBase()


class PHWithMeta(PHBase):
    """A :class:`PHBase` with a name of its own (``ph_key``)."""

    def __init__(self, ph_key: str | None = None) -> None:
        super().__init__()
        self.ph_key = ph_key


class ProxyableClassMeta(type):
    """Metaclass: making an object of the class with proxies among the arguments becomes a node.

    Example:
        >>> import rushlight as torch
        >>> class Pair(metaclass=ProxyableClassMeta):
        ...     def __init__(self, left, right):
        ...         self.left, self.right = left, right
        >>> def add(x):
        ...     pair = Pair(x, 1)
        ...     return pair.left + pair.right
        >>> [node.name for node in torch.fx.symbolic_trace(add).graph.nodes]
        ['x', 'pair', 'getattr_1', 'getattr_2', 'add', 'output']
    """

    def __init__(cls, name: str, bases: tuple[type, ...], attrs: dict[str, Any]) -> None:
        _proxyable_classes.setdefault(cls)
        super().__init__(name, bases, attrs)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if is_fx_tracing():
            proxy = find_proxy((args, kwargs))
            if proxy is not None:
                return proxy.tracer.create_proxy("call_function", cls, args, kwargs)
        return super().__call__(*args, **kwargs)


def wrap(fn_or_name: T) -> T:
    """At the top of a module: calls of this function of the module (or builtin, by its name) are recorded, not followed.

    ``NotImplementedError`` elsewhere; ``RuntimeError`` for what is no function and no name.

    Example (at the top of a module)::

        torch.fx.wrap("len")

        @torch.fx.wrap
        def mine(x): ...
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError("Unsupported type for global function! Must be either a callable or string name")
    name = fn_or_name if isinstance(fn_or_name, str) else getattr(fn_or_name, "__name__", "")
    frame = sys._getframe(1)
    if frame.f_code.co_name != "<module>":
        raise NotImplementedError("wrap must be called at the top level of a module")
    _wrapped_functions[id(frame.f_globals), name] = frame.f_globals
    return fn_or_name


def _recorded(function: Any) -> Any:
    """``function``, as tracing sees it: with a proxy among the arguments the call becomes a node."""

    @functools.wraps(function)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        proxy = find_proxy(args, kwargs)
        if proxy is None:
            return function(*args, **kwargs)
        result = proxy.tracer.create_proxy("call_function", function, args, kwargs)
        result.node.meta["is_wrapped"] = True
        return result

    return recorded


def _recorded_method(cls: type, name: str) -> Any:
    method = getattr(cls, name)

    @functools.wraps(method)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        proxy = find_proxy(args, kwargs)
        if proxy is None:
            return method(*args, **kwargs)
        return proxy.tracer.create_proxy("call_method", name, args, kwargs)

    return recorded


def _assert_is_none(value: Any, msg: str) -> None:
    if value is not None:
        raise AssertionError(msg)


class Tracer(TracerBase):
    """Traces functions and modules. Subclasses say which modules are calls of their own (``is_leaf_module``) and how things
    become nodes (``create_node``, ``create_arg``, ``call_module``, ``getattr``).

    ``autowrap_modules``: modules whose functions are recorded, not followed. ``autowrap_functions``: further such functions.
    ``param_shapes_constant``: shapes of parameters are numbers, not nodes.

    Example:
        >>> import rushlight as torch
        >>> class Whole(Tracer):
        ...     def is_leaf_module(self, m, module_qualified_name):
        ...         return False
        >>> graph = Whole().trace(torch.nn.Linear(2, 1))
        >>> [node.name for node in graph.nodes]
        ['input_1', 'weight', 'bias', 'linear', 'output']
    """

    def __init__(
        self,
        autowrap_modules: tuple[ModuleType, ...] = (math,),
        autowrap_functions: tuple[Callable[..., Any], ...] = (),
        param_shapes_constant: bool = False,
    ) -> None:
        super().__init__()
        self._autowrap_function_ids: set[int] = {
            id(value)
            for module in autowrap_modules
            for name, value in vars(module).items()
            if not name.startswith("_") and callable(value)
        }
        self._autowrap_function_ids.update([id(function) for function in autowrap_functions])
        self._autowrap_search: list[ModuleType] = list(autowrap_modules)
        self.param_shapes_constant = param_shapes_constant
        self.submodule_paths: dict[Module, str] | None = None
        self.root: Module = Module()
        self.root_module_name = ""
        self.tensor_attrs: dict[int, tuple[str, Any]] = {}
        self._patches = Patches()

    # --- what subclasses may change -----------------------------------------------------------------------------------

    def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
        """Whether a call of ``m`` is one node: for all modules of ``torch.nn`` but ``Sequential``."""
        return spoken(type(m).__module__).startswith("torch.nn.") and not isinstance(m, Sequential)

    def path_of_module(self, mod: Module) -> str:
        """The dotted path of ``mod`` in the root. ``NameError`` where it is not in there."""
        if self.submodule_paths:
            path = self.submodule_paths.get(mod)
            if path is None:
                raise NameError("module is not installed as a submodule")
            return path
        for name, module in self.root.named_modules():
            if module is mod:
                return name
        raise NameError("module is not installed as a submodule")

    def call_module(
        self, m: Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """A call of ``m``: a node for a leaf, otherwise ``forward`` is followed."""
        path = self.path_of_module(m)
        key = _unused_key(self.module_stack, path)
        with ScopeContextManager(self.scope, Scope(path, type(m))):
            self.module_stack[key] = path, type(m)
            try:
                with _spoken_place(m):
                    is_leaf = self.is_leaf_module(m, path)
                if is_leaf:
                    return self.create_proxy("call_module", path, args, kwargs)
                return forward(*args, **kwargs)
            finally:
                self.module_stack.popitem(last=True)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """What a module's attribute is while tracing: a proxy for a parameter (and for a buffer, with
        ``proxy_buffer_attributes``)."""
        if isinstance(attr_val, Parameter):
            found = self._proxy_of(attr_val, self.root.named_parameters(), parameter_proxy_cache)
            if found is not None:
                return found
        if self.proxy_buffer_attributes and isinstance(attr_val, Tensor):
            found = self._proxy_of(attr_val, self.root.named_buffers(), parameter_proxy_cache)
            if found is not None:
                return found
        return attr_val

    def _proxy_of(self, value: Any, named: Any, cache: dict[str, Any]) -> Any:
        for name, member in named:
            if member is value:
                if name not in cache:
                    factory: Any = None
                    if self.param_shapes_constant:
                        factory = lambda node: ParameterProxy(self, node, name, value)  # noqa: B023, E731
                    cache[name] = self.create_proxy("get_attr", name, (), {}, proxy_factory_fn=factory)
                return cache[name]
        return None

    def create_arg(self, a: Any) -> Any:
        """``a`` as a node's argument: parameters, buffers and other tensors become ``get_attr`` nodes."""
        if isinstance(a, Parameter):
            for name, parameter in self.root.named_parameters():
                if a is parameter:
                    return self.create_node("get_attr", name, (), {})
            raise NameError("parameter is not a member of this module")
        if isinstance(a, Tensor):
            for name, buffer in self.root.named_buffers():
                if a is buffer:
                    return self.create_node("get_attr", name, (), {})
            return self._constant(a, "_tensor_constant")
        if isinstance(a, Module):
            for name, module in self.root.named_modules():
                if a is module:
                    return self.create_node("get_attr", name, (), {})
        if isinstance(a, tuple) and hasattr(a, "_fields"):
            parts = tuple([self.create_arg(part) for part in a])
            return self.create_node("call_function", type(a), parts, {})
        if type(a) in _proxyable_classes:
            name = self.get_fresh_qualname(f"_{type(a).__name__}_constant_")
            setattr(self.root, name, a)
            return self.create_node("get_attr", name, (), {})
        return super().create_arg(a)

    def _constant(self, tensor: Any, prefix: str) -> Any:
        known = self.tensor_attrs.get(id(tensor))
        name = known[0] if known is not None else self.get_fresh_qualname(prefix)
        if known is None:
            self.tensor_attrs[id(tensor)] = name, tensor
            setattr(self.root, name, tensor)
        return self.create_node("get_attr", name, (), {})

    def get_fresh_qualname(self, prefix: str) -> str:
        """A name that the root has no attribute of: ``prefix`` and a number."""
        number = 0
        while hasattr(self.root, f"{prefix}{number}"):
            number += 1
        return f"{prefix}{number}"

    # --- tracing ------------------------------------------------------------------------------------------------------

    def trace(self, root: Module | Callable[..., Any], concrete_args: dict[str, Any] | None = None) -> Graph:
        """The graph of a module's ``forward`` or of a function.

        ``concrete_args`` gives inputs a value: the code is followed with it, and the graph asserts that it is given the same.
        Trees of values may hold ``PH`` where an input stays open. ``TraceError`` where the code asks for a value.
        """
        global _tracing
        start_asking()
        before = _tracing
        patches = self._patches = Patches()
        try:
            if isinstance(root, Module):
                self.root = root
                name = self.traced_func_name
                if not hasattr(type(root), name):
                    raise AssertionError(f"traced_func_name={name} doesn't exist in {type(root).__name__}")
                function: Any = getattr(type(root), name)
                self.root_module_name = root._get_name()
                self.submodule_paths = {module: path for path, module in root.named_modules()}
            else:
                self.root = Module()
                function = root
            self.graph = Graph(tracer_cls=type(self))
            if hasattr(function, "__code__"):
                self.graph._tracer_cls = type(self)
            self.tensor_attrs = {}
            self._find_tensors(self.root, [])
            if not isinstance(function, FunctionType):
                raise AssertionError(f"Expected FunctionType, got {type(function)}")
            names = function.__globals__
            function, args = self.create_args_for_root(function, isinstance(root, Module), concrete_args)
            _tracing = True
            self._exchange(patches, names)
            result = function(*args)
            self.create_node(
                "output", "output", (self.create_arg(result),), {}, type_expr=_annotation(function, "return")
            )
            self.submodule_paths = None
        finally:
            _tracing = before
            patches.revert()
        return self.graph

    def _find_tensors(self, module: Any, path: list[str]) -> None:
        """The tensors that are plain attributes of modules: they go into the graph by their names."""
        for name, value in vars(module).items():
            if isinstance(value, Tensor):
                self.tensor_attrs[id(value)] = ".".join([*path, name]), value
        for name, child in module.named_children():
            self._find_tensors(child, [*path, name])

    def _exchange(self, patches: Patches, names: dict[str, Any]) -> None:
        cache: dict[str, Any] = {}

        def attribute_answer(original: Any) -> Any:
            def answer(module: Any, name: str) -> Any:
                return self.getattr(name, original(module, name), cache)

            return answer

        def call_answer(original: Any) -> Any:
            def answer(module: Any, *args: Any, **kwargs: Any) -> Any:
                def forward(*args: Any, **kwargs: Any) -> Any:
                    return original(module, *args, **kwargs)

                self._autowrap(patches, getattr(getattr(module, "forward", module), "__globals__", {}))
                return self.call_module(module, forward, args, kwargs)

            return answer

        patches.code(Module.__getattr__, attribute_answer)
        patches.code(Module.__call__, call_answer)
        for (_, name), space in _wrapped_functions.items():
            if name not in space and not hasattr(builtins, name):
                continue
            patches.entry(space, name, _recorded(builtin_or_global(space, name)))
        for cls, name in _wrapped_methods:
            patches.attribute(cls, name, _recorded_method(cls, name))
        self._autowrap(patches, names)
        for module in self._autowrap_search:
            self._autowrap(patches, vars(module))

    def _autowrap(self, patches: Patches, names: dict[str, Any]) -> None:
        if not patches.visit_once(names):
            return
        ids = self._autowrap_function_ids
        for name, value in list(names.items()):
            if not name.startswith("_") and callable(value) and id(value) in ids:
                patches.entry(names, name, _recorded(value))

    # --- inputs -------------------------------------------------------------------------------------------------------

    def create_args_for_root(
        self, root_fn: Any, is_module: bool, concrete_args: dict[str, Any] | tuple[Any, ...] | None = None
    ) -> tuple[Any, list[Any]]:
        """The function to call and the proxies to call it with."""
        from ..utils import _pytree

        analysed = inspect.unwrap(root_fn)
        code = analysed.__code__
        count = code.co_argcount + code.co_kwonlyargcount
        given = iter(code.co_varnames)
        args: list[Any] = []
        skip = 0
        if is_module:
            if count == 0:
                raise RuntimeError("``self`` argument cannot be part of *args expansion!")
            skip = 1
            next(given)
            args.append(self.root)
        signature = inspect.signature(analysed)
        names = [next(given) for _ in range(skip, count)]
        if isinstance(concrete_args, tuple):
            if len(names) != len(concrete_args):
                raise RuntimeError(
                    f"Tracing expected {len(names)} arguments but got {len(concrete_args)} concrete arguments"
                )
            concrete_args = dict(zip(names, concrete_args, strict=True))
        for name in names:
            args.append(self._proxy_placeholder(name, concrete_args, signature, analysed))
        if code.co_kwonlyargcount > 0 or code.co_flags & _HAS_VARIABLE:
            if code.co_flags & inspect.CO_VARARGS:
                args.append(self._proxy_placeholder("*" + next(given), concrete_args, signature, analysed))
            if code.co_flags & inspect.CO_VARKEYWORDS:
                args.append(self._proxy_placeholder("**" + next(given), concrete_args, signature, analysed))
            root_fn = _with_plain_parameters(root_fn, len(args))
        flat, in_spec = _pytree.tree_flatten(tuple(args[skip:]))
        if any([not child.is_leaf() for child in in_spec.children_specs]):
            codegen = PyTreeCodeGen(list(inspect.signature(root_fn).parameters)[skip : len(args)], in_spec)
            self.graph._codegen = codegen
            first = args[:skip]

            def flattened(*values: Any) -> Any:
                result = root_fn(*first, *_pytree.tree_unflatten(list(values), in_spec))
                leaves, codegen.out_spec = _pytree.tree_flatten(result)
                return leaves

            return flattened, flat
        return root_fn, args

    def _proxy_placeholder(
        self, name: str, concrete_args: Any, signature: inspect.Signature, function: Any
    ) -> Any:
        from ..utils import _pytree

        if concrete_args is not None and name in concrete_args:
            count = 0

            def specialized(value: Any) -> Any:
                nonlocal count
                count += 1
                default = signature.parameters[name].default
                args = () if default is inspect.Parameter.empty else (default,)
                proxy = self.create_proxy("placeholder", f"{name}_{count}", args, {})
                if isinstance(value, PHBase):
                    return proxy
                if type(value) is bool or (value is not None and type(value) in base_types):
                    assert_true(
                        proxy == value,
                        f"{name} has been specialized to have value {value} but got another value",
                    )
                elif value is None:
                    message = f"{name} has been specialized to have value None but got another value"
                    self.create_proxy("call_function", _assert_is_none, (proxy, message), {})
                else:
                    import warnings

                    warnings.warn(
                        "Was not able to add assertion to guard correct behavior for input "
                        f"{name}. It is up to the user to make sure that it is always the same",
                        stacklevel=2,
                    )
                return value

            return _pytree.tree_map(specialized, concrete_args[name])
        default: tuple[Any, ...] = ()
        if not name.startswith("*"):
            parameter = signature.parameters[name]
            default = () if parameter.default is inspect.Parameter.empty else (parameter.default,)
        return self.create_proxy("placeholder", name, default, {}, type_expr=_annotation(function, name))


def _annotation(function: Any, name: str) -> Any:
    """The type that a program gave a parameter; the library's own annotations are texts, and for readers."""
    if function.__code__.co_filename.startswith(LIBRARY):
        return None
    return getattr(function, "__annotations__", {}).get(name)


@contextmanager
def _spoken_place(module: Module) -> Iterator[None]:
    """Inside, ``module.__module__`` of the library's layers is PyTorch's: programs decide by it what a leaf is."""
    own = type(module).__module__
    state = vars(module)
    if not own.startswith("rushlight.nn.") or "__module__" in state:
        yield
        return
    state["__module__"] = "torch.nn.modules." + own.removeprefix("rushlight.nn.")
    try:
        yield
    finally:
        del state["__module__"]


def _unused_key(stack: dict[str, Any], path: str) -> str:
    key, number = path, 0
    while key in stack:
        number += 1
        key = f"{path}@{number}"
    return key


def _with_plain_parameters(function: Any, count: int) -> Any:
    """``function`` with all parameters positional: ``*args`` and ``**kwargs`` are then given as one value each."""
    code = function.__code__.replace(
        co_argcount=count,
        co_posonlyargcount=0,
        co_kwonlyargcount=0,
        co_flags=function.__code__.co_flags & ~_HAS_VARIABLE,
    )
    made = FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    made.__annotations__ = function.__annotations__
    return made


def symbolic_trace(
    root: Module | Callable[..., Any], concrete_args: dict[str, Any] | None = None
) -> GraphModule:
    """A module that does what ``root`` did when it was called once with proxies in the place of its inputs.

    Its ``graph`` can be read and changed, its ``code`` is Python. Control flow on values raises :class:`TraceError`;
    ``concrete_args`` gives inputs a value.

    Example:
        >>> import rushlight as torch
        >>> traced = symbolic_trace(lambda x: torch.relu(x) + 1)
        >>> print(traced.code.strip())
        def forward(self, x):
            relu = torch.relu(x);  x = None
            add = relu + 1;  relu = None
            return add
    """
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, Module) else getattr(root, "__name__", type(root).__name__)
    return _make_graph_module(tracer.root, graph, name)
