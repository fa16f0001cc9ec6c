"""``torch.library``: operators that a program defines in Python, called as functions and through ``torch.ops``.

The body of a ``custom_op`` is not differentiated: ``register_autograd`` says how. Under ``torch.compile`` it is Python like any
other. Several kernels for kinds of devices can be given; dispatch keys of C++ other than devices' and Autograd's are refused.
"""

from __future__ import annotations

__all__ = [
    "Library",
    "custom_op",
    "define",
    "get_ctx",
    "impl",
    "impl_abstract",
    "infer_schema",
    "register_autocast",
    "register_fake",
    "register_vmap",
    "triton_op",
    "wrap_triton",
]

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any, Final

from .absent import absent_function
from .missing import lazily as _lazily
from .operators import Operator, OpOverload, OpOverloadPacket, Schema, namespace

_KEYS: Final = {
    "": "CompositeImplicitAutograd", "CompositeImplicitAutograd": "CompositeImplicitAutograd",
    "CompositeExplicitAutograd": "default", "default": "default", "CPU": "cpu", "CUDA": "cuda", "cpu": "cpu", "cuda": "cuda",
    "Autograd": "Autograd", "AutogradCPU": "Autograd", "AutogradCUDA": "Autograd", "Meta": "meta", "meta": "meta",
}  # fmt: skip
_TYPES: Final = {
    "Tensor": "Tensor", "int": "SymInt", "float": "float", "bool": "bool", "str": "str", "dtype": "ScalarType",
    "device": "Device", "Number": "Scalar", "complex": "complex",
}  # fmt: skip


class Tag(Enum):
    """What ``tags`` say of an operator. Here only that it returns an argument: ``inplace``, ``out``."""

    core = 0
    cudagraph_unsafe = 1
    data_dependent_output = 2
    dynamic_output_shape = 3
    flexible_layout = 4
    generated = 5
    inplace = 6
    inplace_view = 7
    maybe_aliasing_or_mutating = 8
    needs_contiguous_strides = 9
    needs_exact_strides = 10
    needs_fixed_stride_order = 11
    nondeterministic_bitwise = 12
    nondeterministic_seeded = 13
    out = 14
    out_variant = 15
    pointwise = 16
    pt2_compliant_tag = 17
    reduction = 18
    view_copy = 19


class CustomOpDef:
    """An operator made by ``custom_op``. Calling it calls the kernel for the inputs' device."""

    def __init__(self, operator: Operator, function: Callable[..., Any]) -> None:
        self._operator, self._init_fn = operator, function
        self._namespace, self._name, self._qualname = operator.namespace, operator.name, operator.qualified
        self.__doc__, self.__wrapped__ = function.__doc__, function
        self.__name__ = getattr(function, "__name__", operator.name)

    @property
    def _opoverload(self) -> OpOverload:
        overload: OpOverload = getattr(namespace(self._namespace), self._name).default
        return overload

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._operator(*args, **kwargs)

    def register_fake(self, fn: Callable[..., Any], /) -> Callable[..., Any]:
        """Say which shapes and dtypes come out of tensors without data. A decorator."""
        self._operator.fake = fn
        return fn

    def register_kernel(self, device_types: Any, fn: Callable[..., Any] | None = None, /) -> Any:
        """Say how a kind of device, or several, computes it. A decorator, or called with the function."""
        return _with_kernel(self._operator, device_types, fn)

    @contextmanager
    def set_kernel_enabled(self, device_type: str, enabled: bool = True) -> Iterator[None]:
        """In this block, with ``enabled=False``, compute as if the kind of device had no kernel of its own.

        Example:
            >>> import rushlight as torch
            >>> @torch.library.custom_op("docs::one", mutates_args=())
            ... def one(x: torch.Tensor) -> torch.Tensor:
            ...     return torch.ones(1)
            >>> _ = one.register_kernel("cpu", lambda x: torch.zeros(1))
            >>> with one.set_kernel_enabled("cpu", enabled=False):
            ...     one(torch.ones(1))
            tensor([1.])
        """
        key, kernels = _KEYS.get(device_type, device_type), self._operator.kernels
        left_out = None if enabled else kernels.pop(key, None)
        try:
            yield
        finally:
            if left_out is not None:
                kernels[key] = left_out

    def register_autograd(
        self, backward: Callable[..., Any], /, *, setup_context: Callable[..., Any] | None = None
    ) -> None:
        """Say how its gradient is computed: ``backward(ctx, *grads)``, ``setup_context(ctx, inputs, output)``."""
        self._operator.backward, self._operator.setup_context = backward, setup_context

    def register_vmap(self, func: Callable[..., Any] | None = None) -> Any:
        """Say what it does inside of ``vmap``: see ``register_vmap``. A decorator too."""
        return _kept_for_vmap(self._operator, func)


def _with_kernel(operator: Operator, device_types: Any, function: Any) -> Any:
    kinds = (
        ["default"]
        if device_types is None
        else [device_types]
        if isinstance(device_types, str)
        else device_types
    )

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for kind in kinds:
            operator.kernels[_key(kind)] = function
        return function

    return register if function is None else register(function)


def _key(name: str) -> str:
    if name not in _KEYS:
        raise NotImplementedError(
            f"torch.library: there is no dispatch key {name!r} here; there are {', '.join(filter(None, _KEYS))}"
        )
    return _KEYS[name]


def _kept_for_vmap(operator: Operator, function: Any) -> Any:
    def register(function: Any) -> Any:
        operator.vmap = function
        return function

    if function is None:
        return register
    operator.vmap = function
    return None


def _named(name: str) -> tuple[str, str]:
    space, colons, leaf = name.partition("::")
    if not colons or not space or not leaf:
        raise ValueError(
            f"Expected `name` to be of the form `namespace::name`, got {name!r}. We require operator names to be qualified "
            "by a namespace, like 'mylib::foo'."
        )
    return space, leaf.partition(".")[0]


def custom_op(
    name: str,
    fn: Callable[..., Any] | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types: str | Sequence[str] | None = None,
    schema: str | None = None,
    tags: Any = None,
) -> Any:
    """Make a function the operator ``namespace::name``: a decorator, or called with the function.

    Args:
        mutates_args: the names of the arguments that it changes in place, or "unknown".
        device_types: the kinds of devices that it is for; all unless given.
        schema: without it the function's annotations say what it takes.
        tags: ``torch.Tag.inplace`` or ``torch.Tag.out`` lets it return an argument.

    Raises ``ValueError`` for a name without a namespace, and for a parameter without an annotation.

    Example:
        >>> import rushlight as torch
        >>> @torch.library.custom_op("docs::double", mutates_args=())
        ... def double(x: torch.Tensor) -> torch.Tensor:
        ...     return torch.from_numpy(2 * x.numpy())
        >>> double.register_autograd(lambda ctx, grad: 2 * grad)
        >>> x = torch.ones(2, requires_grad=True)
        >>> torch.ops.docs.double(x).sum().backward()
        >>> x.grad
        tensor([2., 2.])
    """
    space, leaf = _named(name)

    def define(function: Callable[..., Any]) -> CustomOpDef:
        signature = schema if schema is not None else infer_schema(function, mutates_args=mutates_args)
        operator = Operator(space, leaf, Schema(f"{space}::{leaf}{signature}"))
        operator.without_gradient = True
        marks = () if tags is None else (tags,) if isinstance(tags, Tag) else tuple(tags)
        operator.returns_inputs = Tag.inplace in marks or Tag.out in marks
        kinds = (
            ["default"]
            if device_types is None
            else [device_types]
            if isinstance(device_types, str)
            else device_types
        )
        for kind in kinds:
            operator.kernels[kind] = function
        namespace(space).define(operator)
        return CustomOpDef(operator, function)

    return define if fn is None else define(fn)


def triton_op(name: str, fn: Any = None, /, *, mutates_args: Any, schema: str | None = None) -> Any:
    """``custom_op``; there is no Triton, so a kernel that the function calls must be there."""
    return custom_op(name, fn, mutates_args=mutates_args, schema=schema)


wrap_triton = absent_function(__name__, "wrap_triton", "a kernel in Python")


def infer_schema(
    prototype_function: Callable[..., Any],
    /,
    *,
    mutates_args: Any,
    op_name: str | None = None,
    tags: Any = (),
) -> str:
    """The schema that a function's annotations say. ``ValueError`` where one is missing or has no place in schemas.

    Example:
        >>> import rushlight as torch
        >>> def f(x: torch.Tensor, n: int = 3) -> torch.Tensor: ...
        >>> infer_schema(f, mutates_args=())
        '(Tensor x, SymInt n=3) -> Tensor'
    """
    import inspect
    import typing

    signature = inspect.signature(prototype_function)
    try:
        hints = typing.get_type_hints(prototype_function)
    except NameError:
        hints = {}
    parts: list[str] = []
    keywords = False
    for i, parameter in enumerate(signature.parameters.values()):
        hint = hints.get(parameter.name, parameter.annotation)
        if hint is inspect.Parameter.empty:
            raise ValueError(
                f"infer_schema(func): Parameter {parameter.name} must have a type annotation. Got func with signature "
                f"{signature})"
            )
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not keywords:
            keywords = True
            parts.append("*")
        kind = _schema_type(hint)
        if kind is None:
            raise ValueError(
                f"infer_schema(func): Parameter {parameter.name} has unsupported type {hint}. Got func with signature "
                f"{signature})"
            )
        if kind.startswith("Tensor") and (mutates_args == "unknown" or parameter.name in mutates_args):
            kind = f"Tensor(a{i}!){kind[6:]}"
        default = "" if parameter.default is inspect.Parameter.empty else f"={_written(parameter.default)}"
        parts.append(f"{kind} {parameter.name}{default}")
    returned = hints.get("return", signature.return_annotation)
    if returned is None or returned is type(None):
        result = "()"
    elif typing.get_origin(returned) is tuple:
        kinds = [str(_schema_type(each)) for each in typing.get_args(returned)]
        result = f"({', '.join(kinds)})" if len(kinds) > 1 else kinds[0]
    else:
        found = None if returned is inspect.Parameter.empty else _schema_type(returned)
        if found is None:
            raise ValueError(
                f"infer_schema(func): Return has unsupported type {returned}. Got func with signature {signature})"
            )
        result = found
    return f"{op_name or ''}({', '.join(parts)}) -> {result}"


def _schema_type(hint: Any) -> str | None:
    import collections.abc
    import types
    import typing

    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        rest = [each for each in inside if each is not type(None)]
        if set(rest) == {int, float, bool}:
            return "Scalar" + "?" * (len(rest) < len(inside))
        kind = _schema_type(rest[0]) if len(rest) == 1 and len(inside) == 2 else None
        return None if kind is None else kind + "?"
    if origin in (list, collections.abc.Sequence):
        kind = _schema_type(inside[0])
        return None if kind is None else kind + "[]"
    return _TYPES.get(getattr(hint, "__name__", ""))


def _written(default: Any) -> str:
    if isinstance(default, str):
        return f'"{default}"'
    return str(default).removeprefix("torch.")


class Library:
    """A namespace to which a program adds operators: ``define`` says what they take, ``impl`` what they do.

    Raises ``ValueError`` for a kind other than "DEF", "IMPL" and "FRAGMENT"; ``NotImplementedError`` for PyTorch's own
    namespaces, whose operators can't be replaced.

    Example:
        >>> import rushlight as torch
        >>> library = Library("docs", "FRAGMENT")
        >>> library.define("add_n(Tensor x, int n=3) -> Tensor")
        'add_n'
        >>> library.impl("add_n", lambda x, n: x + n, "CompositeImplicitAutograd")
        >>> torch.ops.docs.add_n(torch.ones(1))
        tensor([4.])
    """

    def __init__(self, ns: str, kind: str, dispatch_key: str = "") -> None:
        if kind not in ("DEF", "IMPL", "FRAGMENT"):
            raise ValueError(f"Unsupported kind: {kind}")
        if ns in ("prim", "prims", "aten"):
            raise NotImplementedError(
                f"torch.library.Library: the operators of {ns!r} can't be changed here; use a namespace of your own, or "
                "__torch_function__"
            )
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key

    def __repr__(self) -> str:
        return f"Library(kind={self.kind}, ns={self.ns}, dispatch_key={self.dispatch_key})>"

    def define(self, schema: str, alias_analysis: str = "", *, tags: Any = ()) -> str:
        """Add an operator; returns its name."""
        parsed = Schema(schema)
        name = parsed.name.partition("::")[2] or parsed.name
        name = name.partition(".")[0]
        written = schema if "::" in schema.partition("(")[0] else f"{self.ns}::{schema}"
        namespace(self.ns).define(Operator(self.ns, name, Schema(written)))
        return name

    def impl(
        self,
        op_name: Any,
        fn: Callable[..., Any],
        dispatch_key: str = "",
        *,
        with_keyset: bool = False,
        allow_override: bool = True,
    ) -> None:
        """Say what an operator does, under a dispatch key. ``TypeError`` for what can't be called."""
        if not callable(fn):
            raise TypeError(f"Input function is required to be a callable but found type {type(fn)}")
        if isinstance(op_name, OpOverload):
            op_name = op_name.name()
        operator = _found(op_name if "::" in op_name else f"{self.ns}::{op_name}")
        operator.kernels[_key(dispatch_key or self.dispatch_key)] = fn

    def _register_fake(
        self, op_name: str, fn: Callable[..., Any], _stacklevel: int = 1, **options: Any
    ) -> None:
        _found(op_name if "::" in op_name else f"{self.ns}::{op_name}").fake = fn


def _found(op: Any) -> Operator:
    if isinstance(op, CustomOpDef):
        return op._operator
    if isinstance(op, OpOverload):
        op = op.overloadpacket
    if isinstance(op, OpOverloadPacket):
        op = op._qualified
    space, leaf = _named(op)
    operator = namespace(space).find(leaf)
    if operator is None:
        raise RuntimeError(
            f"operator {space}::{leaf} does not exist; define it with torch.library.custom_op or define"
        )
    return operator


def define(qualname: str, schema: str, *, lib: Library | None = None, tags: Any = ()) -> Any:
    """Add the operator ``namespace::name`` with a schema ``"(Tensor x) -> Tensor"``."""
    if not isinstance(qualname, str):
        raise ValueError(
            f"define(qualname, schema): expected qualname to be instance of str, got {type(qualname)}"
        )
    space, leaf = _named(qualname)
    namespace(space).define(Operator(space, leaf, Schema(f"{space}::{leaf}{schema}")))
    return None


def impl(qualname: Any, types: Any, func: Any = None, *, lib: Library | None = None) -> Any:
    """Say what an operator does on kinds of devices. A decorator, or called with the function.

    ``impl(library, name, dispatch_key)`` is the older decorator.
    """
    if isinstance(qualname, Library):
        library, name, key = qualname, types, func or ""

        def register(function: Any) -> Any:
            library.impl(name, function, key)
            return function

        return register
    return _with_kernel(_found(qualname), types, func)


def register_kernel(op: Any, device_types: Any, func: Any = None, /, *, lib: Library | None = None) -> Any:
    """Say how kinds of devices compute an operator. A decorator, or called with the function."""
    return _with_kernel(_found(op), device_types, func)


def register_fake(
    op: Any,
    func: Any = None,
    /,
    *,
    lib: Library | None = None,
    _stacklevel: int = 1,
    allow_override: bool = True,
) -> Any:
    """Say which shapes and dtypes come out of tensors without data. A decorator, or called with the function."""

    def register(function: Any) -> Any:
        _found(op).fake = function
        return function

    return register if func is None else register(func)


impl_abstract = register_fake


def register_autograd(
    op: Any,
    backward: Callable[..., Any],
    /,
    *,
    setup_context: Callable[..., Any] | None = None,
    lib: Any = None,
) -> None:
    """Say how an operator's gradient is computed: ``backward(ctx, *grads)``, ``setup_context(ctx, inputs, output)``."""
    operator = _found(op)
    operator.backward, operator.setup_context = backward, setup_context


def register_vmap(op: Any, func: Any = None, /, *, lib: Library | None = None) -> Any:
    """Say what an operator does inside of ``vmap``: ``func(info, in_dims, *args) -> (results, out_dims)``.

    ``info.batch_size`` says how many examples there are, ``in_dims`` where each argument has them (None: it has none).
    A decorator, or called with the function.
    """
    return _kept_for_vmap(_found(op), func)


def register_autocast(op: Any, device_type: str, cast_inputs: Any, /, *, lib: Library | None = None) -> None:
    """Accepted and without effect: operators of programs compute in the dtypes that they are given."""
    _found(op)


opcheck = absent_function(__name__, "opcheck", "torch.autograd.gradcheck")
get_ctx = absent_function(__name__, "get_ctx", "shapes that depend on the inputs' shapes only")

__getattr__ = _lazily(__name__)
