"""Parameters and buffers: the tensors that a module owns."""

from __future__ import annotations

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "UninitializedTensorMixin",
    "is_lazy",
]

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..core.dtypes import OF_NUMPY, default_numpy, dtype as dtype_class
from ..core.tensor import Array, Tensor, init_fields, make_tensor
from ..ops.creation import empty
from ..serialization import PARAMETER_CLASS


class Parameter(Tensor):
    """A tensor that a module learns: assigned to a module's attribute, it appears in ``module.parameters()``.

    Shares memory with ``data`` (a fresh empty tensor if None) and requires a gradient unless told otherwise.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.Parameter(torch.zeros(2))
        Parameter containing:
        tensor([0., 0.], requires_grad=True)
    """

    __slots__ = ()
    _is_param = True  # printed as one

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = make_tensor(np.empty(0, default_numpy()))
        kind = cls
        if cls is Parameter and type(data) is not Tensor and type(data) is not Parameter:
            kind = parameter_class(type(data))
        parameter: Parameter = object.__new__(kind)
        _share(parameter, data)
        if requires_grad:
            if not (data.dtype.is_floating_point or data.dtype.is_complex):
                raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
            parameter.requires_grad_(True)
        return parameter

    def __reduce_ex__(self, protocol: Any) -> Any:
        return (_rebuild, (type(self), self._array, self.requires_grad, dict(self.__dict__)))


_PARAMETER_CLASSES: dict[type, type[Parameter]] = {}


def parameter_class(kind: type[Tensor]) -> type[Parameter]:
    """The class of a parameter made of a tensor of a program's own class: both that class and a ``Parameter``, which
    overrides operations as that class does."""
    if kind.__module__.startswith("rushlight.") or issubclass(kind, Parameter):
        return kind if issubclass(kind, Parameter) else Parameter
    found = _PARAMETER_CLASSES.get(kind)
    if found is None:

        def torch_function(cls: type, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            types = tuple([kind if one is cls else one for one in types])
            return kind.__torch_function__(func, types, args, kwargs)  # type: ignore[attr-defined]

        members: dict[str, Any] = {
            "__module__": kind.__module__,
            "__qualname__": kind.__qualname__,
            "__doc__": kind.__doc__,
            "__slots__": (),
            "__new__": object.__new__,
            "__torch_function__": classmethod(torch_function),
        }
        found = _PARAMETER_CLASSES[kind] = type(kind.__name__, (kind, Parameter), members)
    return found


class _KnownByMark(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(Tensor, metaclass=_KnownByMark):
    """A tensor that belongs to a module's state but is not learned; the same as ``register_buffer``.

    As in PyTorch the result is a tensor of the given one's class, marked as a buffer, for which ``isinstance`` looks.

    Example:
        >>> import rushlight as torch
        >>> module = torch.nn.Module()
        >>> module.mean = torch.nn.Buffer(torch.zeros(2), persistent=False)
        >>> dict(module.named_buffers()), len(module.state_dict())
        ({'mean': tensor([0., 0.])}, 0)
    """

    __slots__ = ()

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Any:
        if data is None:
            data = make_tensor(np.empty(0, default_numpy()))
        if not isinstance(data, Tensor):
            raise TypeError(f"Buffer: expected a Tensor as data, got {type(data).__name__}")
        buffer: Any = data.detach().requires_grad_(data.requires_grad)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer


def _share(tensor: Tensor, data: Tensor) -> None:
    if not isinstance(data, Tensor):
        raise TypeError(f"Parameter: expected a Tensor as data, got {type(data).__name__}")
    alias = data.detach()
    init_fields(tensor, alias._array)
    tensor._storage = alias._storage


def _rebuild(cls: type[Parameter], array: Any, requires_grad: bool, extra: dict[str, Any]) -> Parameter:
    parameter = cls(make_tensor(array), requires_grad)
    parameter.__dict__.update(extra)
    return parameter


_ARRAY: Any = Tensor.__dict__["_array"]  # the field itself, which uninitialized tensors hide


class UninitializedTensorMixin:
    """What uninitialized parameters and buffers share: no shape yet, and nothing to compute with."""

    __slots__ = ()
    _becomes: ClassVar[type[Tensor]] = Tensor

    @property
    def _array(self) -> Any:
        # Every operation comes here for its operand's values.
        raise ValueError(
            "Attempted to use an uninitialized parameter in an operation. This error happens when you are using a "
            "`LazyModule` or explicitly manipulating `torch.nn.parameter.UninitializedParameter` objects. When using "
            "LazyModules Call `forward` with a dummy batch to initialize the parameters before calling torch functions"
        )

    @_array.setter
    def _array(self, value: Array) -> None:
        _ARRAY.__set__(self, value)

    @property
    def shape(self) -> Any:
        """Raises ``RuntimeError``: there is none before the first call."""
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call `forward` to "
            "initialize the parameters before accessing their attributes."
        )

    @property
    def dtype(self) -> dtype_class:
        """The element type to be."""
        return OF_NUMPY[_ARRAY.__get__(self).dtype]

    @property
    def device(self) -> Any:
        """Where it will be."""
        return make_tensor(_ARRAY.__get__(self)).device

    @property
    def data(self) -> Tensor:
        """An empty tensor of the dtype to be."""
        return make_tensor(_ARRAY.__get__(self))

    @data.setter
    def data(self, value: Tensor) -> None:
        _ARRAY.__set__(self, value._array)

    def detach(self) -> Any:
        """Itself: there is nothing to detach."""
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Ask, or stop asking, for a gradient once there is a value."""
        kind = type(self)
        self.__class__ = self._becomes  # type: ignore[assignment]
        try:
            self.requires_grad_(requires_grad)
        finally:
            self.__class__ = kind
        return self

    def share_memory_(self) -> Any:
        """Raises ``RuntimeError``: there is no memory yet."""
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the parameters before "
            "calling `module.share_memory()`."
        )

    def materialize(self, shape: Sequence[int], device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary parameter or buffer of this shape, with uninitialised values."""
        tensor: Any = self
        requires_grad = tensor._node is not None
        value = empty(
            tuple(shape),
            dtype=self.dtype if dtype is None else dtype,
            device=self.device if device is None else device,
        )
        tensor.__class__ = self._becomes
        init_fields(tensor, value._array)
        tensor.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copied = memo.get(id(self))
        if copied is None:
            make, (requires_grad, _, dtype) = self.__reduce_ex__(2)
            copied = memo[id(self)] = make(requires_grad, self.device, dtype)
        return copied

    def __reduce_ex__(self, protocol: Any) -> Any:
        requires_grad: bool = self.requires_grad  # type: ignore[attr-defined]
        return type(self), (requires_grad, None, self.dtype)


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter without a shape, until ``materialize(shape)`` makes it an ordinary one.

    Most operations raise ``ValueError``; lazy modules materialize theirs in their first call.

    Example:
        >>> import rushlight as torch
        >>> p = torch.nn.UninitializedParameter()
        >>> p
        <UninitializedParameter>
        >>> p.materialize((2, 3))
        >>> p.shape
        torch.Size([2, 3])
    """

    __slots__ = ()
    cls_to_become = _becomes = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        parameter: Any = Parameter(empty(0, device=device, dtype=dtype), requires_grad)
        parameter.__class__ = cls
        return parameter


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer without a shape, until ``materialize(shape)`` makes it an ordinary tensor."""

    __slots__ = ()
    cls_to_become = _becomes = Tensor

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> Any:
        buffer: Any = object.__new__(Tensor)
        init_fields(buffer, empty(0, device=device, dtype=dtype)._array)
        buffer.persistent = persistent
        buffer.__class__ = cls
        return buffer


def is_lazy(param: Any) -> bool:
    """Whether ``param`` is a parameter or buffer without a shape yet."""
    return isinstance(param, UninitializedTensorMixin)


PARAMETER_CLASS.append(Parameter)
