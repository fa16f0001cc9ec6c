"""Between tensors and everything else: dtypes, devices, Python values, NumPy, DLPack, pickles; and copies in place."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core import dtypes
from ..core.device import CPU, OF_ARRAYS, device, device_of, on_host, placed, require_available
from ..core.dtypes import (
    BOOL,
    INEXACT,
    OF_NUMPY,
    TYPE_NAMES,
    NumpyDType,
    by_name,
    default_numpy,
    dtype,
    get_default_dtype,
)
from ..core.grad_mode import GRAD_MODE
from ..core.history import LeafNode
from ..core.printing import format_tensor
from ..core.shapes import Size, size_of, wrap_dim
from ..core.sparse_arrays import SPOKEN, SparseArray, unsupported
from ..core.tensor import Tensor, init_fields, make_tensor, storage_of
from ..runtime.batched import Batched
from ..runtime.pending import Pending, address
from . import creation
from .array_data import array_from
from .define import Primitive
from .dispatch import alias_of, attach, is_number
from .memory_formats import (
    channels_last as channels_last,
    channels_last_3d as channels_last_3d,
    clone_in_order,
    contiguous_format as contiguous_format,
    contiguous_in_order,
    is_contiguous as is_contiguous,
    memory_format as memory_format,
    preserve_format as preserve_format,
    reordered,
    suggests,
)
from .movement import cast, clone
from .numpy_names import numpy_names
from .placement import moved

getframe = sys._getframe

# --- history ----------------------------------------------------------------------------------------------------------


def detach(self: Tensor) -> Tensor:
    """A tensor without history that shares memory (and the version counter) with this one."""
    return alias_of(self)


def detach_(self: Tensor) -> Tensor:
    """Cut this tensor off its history in place."""
    if self._view is not None:
        raise RuntimeError("Can't detach views in-place. Use detach() instead.")
    self._node = None
    return self


def _get_data(self: Tensor) -> Tensor:
    return make_tensor(self._array)


def _set_data(self: Tensor, value: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
    if isinstance(value._array, SparseArray) != isinstance(self._array, SparseArray):
        raise RuntimeError(
            "Attempted to call `variable.set_data(tensor)`, but `variable` and `tensor` have incompatible tensor type."
        )
    if self._node is not None and not (value.dtype.is_floating_point or value.dtype.is_complex):
        raise RuntimeError(
            "data set to a tensor that requires gradients must be floating point or complex dtype"
        )
    self._array = value._array
    node = self._node
    if isinstance(node, LeafNode):
        node.shape, node.dtype = value._array.shape, value._array.dtype


def _keep_data(self: Tensor) -> None:
    raise RuntimeError("Deleting tensor data is not allowed. Delete tensor instead!")


# --- dtype and device -------------------------------------------------------------------------------------------------


def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """``self`` with another dtype and/or device: ``to(dtype)``, ``to(device)``, ``to(device, dtype)``, ``to(other)``.

    Returns ``self`` if nothing changes and ``copy`` is false.
    """
    if len(args) == 1 and not kwargs:  # one dtype or one device, as nearly every call has
        (given,) = args
        if isinstance(given, dtype):
            return cast(self, given.numpy)
        if isinstance(given, str | device):
            return moved(self, require_available(given))
    order = kwargs.get("memory_format")
    target, copy, where = parse_to(args, kwargs)
    result = self if where is None else moved(self, where)
    if target is not None:
        result = cast(result, target.numpy)
    if order is not None and (copy or not suggests(result, order)):
        return clone_in_order(result, memory_format=order) if result is self else reordered(result, order)
    return clone(result) if copy and result is self else result


def parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[dtype | None, bool, device | None]:
    """The dtype asked for by arguments of ``to`` (None: keep), whether to copy, and the device (None: keep), which must be
    available."""
    copy = bool(kwargs.pop("copy", False))
    kwargs.pop("non_blocking", None)
    kwargs.pop("memory_format", None)
    where, target = kwargs.pop("device", None), kwargs.pop("dtype", None)
    other = kwargs.pop("other", None)
    if kwargs:
        raise TypeError(f"to() got an unexpected keyword argument '{next(iter(kwargs))}'")
    flags = []
    for place, arg in enumerate(args):
        if isinstance(arg, Tensor):
            if place:
                raise TypeError(
                    "to() received an invalid combination of arguments: a tensor after a device or dtype"
                )
            other = arg
        elif isinstance(arg, dtype) or arg in (float, int, bool, complex):
            if target is not None:
                raise TypeError("to() received an invalid combination of arguments: two dtypes")
            target = arg
        elif isinstance(arg, bool):
            if place == 0 or (place == 1 and other is None and target is None):
                given = ", ".join([type(a).__name__ for a in args])
                raise TypeError(
                    f"to() received an invalid combination of arguments - got ({given}); give a dtype, or None, before "
                    "non_blocking and copy"
                )
            flags.append(arg)
        elif isinstance(arg, str | device | int):
            where = arg
        elif arg is not None:
            raise TypeError(f"to() received an invalid combination of arguments - got ({type(arg).__name__})")
    if len(flags) > 1:
        copy = flags[1]
    if other is not None:
        target = OF_NUMPY[other._array.dtype]
        where = device_of(other._array)
    found = None if where is None else require_available(where)
    return None if target is None else OF_NUMPY[creation.numpy_dtype(target)], copy, found


def as_type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The type's name such as ``'torch.FloatTensor'``; with an argument, ``self`` cast to that type."""
    if dtype is None:
        where = device_of(self._array).type
        module = "torch" if where == "cpu" else f"torch.{where}"
        if isinstance(self._array, SparseArray):
            module += ".sparse"
        return f"{module}.{TYPE_NAMES[OF_NUMPY[self._array.dtype].name]}Tensor"
    return cast(self, dtype_from(dtype).numpy)


_DTYPE_OF_TYPE_NAME = {
    f"torch.{sparse}{short}Tensor": by_name(name)
    for name, short in TYPE_NAMES.items()
    for sparse in ("", "sparse.")
}


def dtype_from(given: Any) -> dtype:
    """The dtype meant by a dtype, a Python type, or a name such as ``'torch.FloatTensor'``."""
    if isinstance(given, dtype):
        return given
    if given is Tensor:
        return get_default_dtype()
    if isinstance(given, str) and given in _DTYPE_OF_TYPE_NAME:
        return _DTYPE_OF_TYPE_NAME[given]
    name = getattr(given, "dtype_name", None)  # the legacy classes FloatTensor, LongTensor, …
    if name is not None:
        return by_name(name)
    if not isinstance(given, str | type):
        raise TypeError(f"dtype must be a type, str, or dtype object, got {type(given).__name__}")
    raise ValueError(f"invalid type: {given!r}")


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """``self`` cast to the dtype of ``other``."""
    if not isinstance(other, Tensor):
        raise TypeError(
            f"type_as(): argument 'other' (position 1) must be Tensor, not {type(other).__name__}"
        )
    return cast(self, other._array.dtype)


def _caster(target: dtype, name: str) -> Any:
    numpy_dtype = target.numpy

    def method(self: Tensor, memory_format: object = None) -> Tensor:
        result = cast(self, numpy_dtype)
        return result if memory_format is None else reordered(result, memory_format)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"``self`` cast to {target}; itself if it has that dtype."
    return method


def cpu(self: Tensor, memory_format: object = None) -> Tensor:
    """``self`` on the CPU."""
    result = moved(self, CPU)
    return result if memory_format is None else reordered(result, memory_format)


def cuda(
    self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: object = None
) -> Tensor:
    """``self`` on a GPU: the current one, or ``device`` (a number, or a device). Raises where there is none."""
    if device is None:
        where = require_available("cuda")
    elif isinstance(device, int):
        where = require_available(f"cuda:{device}")
    else:
        where = require_available(device)
        if where.type != "cuda":
            raise RuntimeError(f"Invalid device, must be cuda device, got {device}")
    result = moved(self, where)
    return result if memory_format is None else reordered(result, memory_format)


def get_device(input: Tensor) -> int:
    """The number of the GPU that has the memory; -1 for the CPU."""
    return -1 if (index := device_of(input._array).index) is None else index


def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """``self`` in page-locked memory, from which a GPU copies faster; ``self`` itself where no GPU is in use.

    Raises ``RuntimeError`` for a tensor that is not on the CPU.
    """
    if device_of(self._array).type != "cpu":
        raise RuntimeError(f"cannot pin '{as_type(self)}' only dense CPU tensors can be pinned")
    for backend in OF_ARRAYS.values():
        pinned = getattr(backend, "pinned", None)
        if pinned is not None and type(self._array) is np.ndarray:
            return self if backend.is_pinned(self._array) else make_tensor(pinned(self._array))  # type: ignore[attr-defined]
    return self


def is_pinned(self: Tensor, device: Any = None) -> bool:
    """Whether the memory is page-locked."""
    return any([b.is_pinned(self._array) for b in OF_ARRAYS.values() if hasattr(b, "is_pinned")])


def _checked(input: Any, name: str) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    return input


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a real floating-point one."""
    return _checked(input, "is_floating_point").dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """Whether the dtype is a complex one."""
    return _checked(input, "is_complex").dtype.is_complex


def is_signed(self: Tensor) -> bool:
    """Whether the dtype is signed."""
    return OF_NUMPY[self._array.dtype].is_signed


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element is not zero; ``RuntimeError`` for any other number of elements."""
    if not isinstance(input, Tensor):
        raise TypeError(
            f"is_nonzero(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    return _bool(input)


# --- shape and memory -------------------------------------------------------------------------------------------------


def size(self: Tensor, dim: int | None = None, *, axis: int | None = None) -> Any:
    """The shape, or the extent of one dimension."""
    if axis is not None:
        dim = axis
    shape = self._array.shape
    return size_of(shape) if dim is None else shape[wrap_dim(dim, len(shape), scalar_ok=False)]


@numpy_names
def stride(self: Tensor, dim: int | None = None) -> Any:
    """The strides counted in elements, or that of one dimension."""
    array = self._array
    if array.size:
        strides = tuple([s // array.itemsize for s in array.strides])
        if 0 in strides and 1 in array.shape:  # NumPy's new dimensions of one element have the stride 0
            steps, shape = list(strides), array.shape
            for i in range(len(shape) - 1, -1, -1):
                if not steps[i] and shape[i] == 1:
                    steps[i] = shape[i + 1] * steps[i + 1] if i + 1 < len(shape) else 1
            strides = tuple(steps)
    else:  # NumPy has zeros here
        steps = [1]
        for extent in reversed(array.shape[1:]):
            steps.append(steps[-1] * max(extent, 1))
        strides = tuple(reversed(steps))[: array.ndim]
    return strides if dim is None else strides[wrap_dim(dim, len(strides), scalar_ok=False)]


def dim(self: Tensor) -> int:
    """The number of dimensions."""
    return self._array.ndim  # type: ignore[no-any-return]


def numel(input: Tensor) -> int:
    """The number of elements."""
    return int(_checked(input, "numel")._array.size)


def element_size(self: Tensor) -> int:
    """Bytes of one element."""
    return int(self._array.itemsize)


def memory_root(array: Any) -> Any:
    """The array that owns the memory of ``array``. While a recording is made that memory need not hold the values yet: whoever
    looks at it gives this the ``written_array``."""
    if isinstance(array, SparseArray):
        raise unsupported("access to the storage", array.layout)
    if type(array) is Pending:
        array = array.memory
    elif type(array) in OF_ARRAYS:
        return array if array.base is None else array.base
    base = array.base
    while base is not None:
        if isinstance(base, np.ndarray):
            array = base
        elif not hasattr(base, "base"):
            break
        base = base.base  # NumPy's as_strided puts an object of its own between the two
    return array


def written_array(array: Any) -> Any:
    """``array``, of a recording or not, as one whose memory holds its values and may be looked at from now on."""
    return array.tape.share(array) if type(array) is Pending else array


def data_ptr(self: Tensor) -> int:
    """The address of the first element."""
    array = self._array
    if type(array) is Pending:
        array = array.tape.share(array)
    elif (backend := OF_ARRAYS.get(type(array))) is not None:
        return getattr(backend, "pointer", backend.address)(array) if array.size else 0
    elif type(array) is not np.ndarray:
        array = np.asarray(array)  # which a batch refuses
    return int(array.__array_interface__["data"][0]) if array.size else 0


def storage_offset(self: Tensor) -> int:
    """How many elements the first one lies behind the start of the memory."""
    root = memory_root(self._array)
    if not self._array.size:
        return 0
    gap = address(self._array) - address(root)
    return int(gap) // int(self._array.itemsize)


def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both are the same view of the same memory."""
    a, b = self._array, tensor._array
    return a.shape == b.shape and a.strides == b.strides and data_ptr(self) == data_ptr(tensor)


def _len(self: Tensor) -> int:
    if not self._array.ndim:
        raise TypeError("len() of a 0-d tensor")
    return len(self._array)


# --- Python values ----------------------------------------------------------------------------------------------------


def _share_memory(self: Tensor) -> Tensor:
    from .shared_memory import share_memory_  # few programs have several processes

    return share_memory_(self)


def _is_shared(self: Tensor) -> bool:
    from .shared_memory import is_shared

    return is_shared(self)


def _element(array: Any) -> Any:
    """The one element of an array that is not NumPy's."""
    with contextlib.suppress(NotImplementedError):  # it has no values, and says so itself
        array = on_host(array)
    return array.item()


def item(self: Tensor) -> Any:
    """The one element as a Python number; ``RuntimeError`` for any other number of elements."""
    array = self._array
    if array.size != 1:
        raise RuntimeError(f"a Tensor with {array.size} elements cannot be converted to Scalar")
    if type(array) is not np.ndarray:
        if type(array) is Pending:
            return array.tape.item(array)
        value = _element(array)
    else:
        value = array.item()
    return float(value) if array.dtype is dtypes.BF16 else value


def tolist(self: Tensor) -> Any:
    """The elements as nested lists of Python numbers (a number for a 0-dim tensor)."""
    array = on_host(self._array)
    return (array.astype(np.float32) if array.dtype == dtypes.BF16 else array).tolist()


def _bool(self: Tensor) -> bool:
    array = self._array
    if array.size != 1:
        what = "no values" if not array.size else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
    if type(array) is Batched:
        return bool(array)  # raises
    return bool(array.item() if type(array) is np.ndarray else _element(array))


def _one_number(self: Tensor) -> Any:
    array = self._array
    if array.size != 1:
        raise ValueError("only one element tensors can be converted to Python scalars")
    return item(self)


def _real_number(self: Tensor) -> Any:
    value = _one_number(self)
    if isinstance(value, complex):
        if value.imag:
            raise RuntimeError("value cannot be converted to a real number without overflow: it is complex")
        return value.real
    return value


def _int(self: Tensor) -> int:
    return int(_real_number(self))


def _index(self: Tensor) -> int:
    array = self._array
    if array.size != 1 or array.dtype in INEXACT:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(array.item())


def _float(self: Tensor) -> float:
    return float(_real_number(self))


def _complex(self: Tensor) -> complex:
    return complex(_one_number(self))


def _iter(self: Tensor) -> Any:
    if not self._array.ndim:
        raise TypeError("iteration over a 0-d tensor")
    from .splitting import unbind  # splitting stands above conversion

    return iter(unbind(self))


def contains(self: Tensor, element: Any) -> bool:
    """Whether any element equals ``element``, a number or a tensor that broadcasts."""
    if not isinstance(element, Tensor) and not is_number(element):
        raise RuntimeError(
            f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
        )
    return bool((self == element).any())


def as_subclass(self: Tensor, cls: type[Tensor]) -> Tensor:
    """This tensor, sharing memory and history, as an object of the subclass ``cls``."""
    if not isinstance(cls, type) or not issubclass(cls, Tensor):
        raise TypeError(f"as_subclass(): expected a subclass of Tensor, got {cls!r}")
    alias = alias_of(self)
    made: Tensor = object.__new__(cls)
    init_fields(made, alias._array, self._node)
    made._storage = alias._storage
    if isinstance(self._node, LeafNode):
        made._node = attach(ALIAS, (self,), {}, alias._array)._node
    return made


# The node between a leaf and the same memory as an object of another class.
ALIAS = Primitive("alias", lambda x: x[...], lambda g, node: g)


# What `autograd.forward_ad` knows of a tensor to be printed: its tangent (None without one), and whether it requires grad
# for another reason than being dual. Empty until that module is imported.
DUAL_FACTS: Final[list[Callable[[Tensor], tuple[Tensor | None, bool]]]] = []


def _repr(self: Tensor, *, tensor_contents: object = None) -> str:
    if type(self._array) is Batched:
        inside = repr(make_tensor(self._array.value)).replace("\n", "\n    ")
        return f"BatchedTensor(lvl={self._array.level}, bdim=0, value=\n    {inside}\n)"
    if isinstance(self._array, SparseArray):
        from .sparse_methods import formatted  # built on this module

        return formatted(self)
    node = self.grad_fn
    requires_grad = self._node is not None
    tangent = None
    if DUAL_FACTS and requires_grad:
        tangent, requires_grad = DUAL_FACTS[0](self)
        node = node if requires_grad else None
    default = get_default_dtype()
    cls = type(self)
    where = device_of(self._array)
    return format_tensor(
        self._array if where.type == "meta" else on_host(self._array),
        device_suffix=None if where is CPU else str(where),
        dtype_name=OF_NUMPY[self._array.dtype].name,
        default_dtype_name=default.name,
        requires_grad=requires_grad,
        grad_fn_name=None if node is None else node.name(),
        tangent=None if tangent is None else repr(tangent),
        class_name="tensor" if cls is Tensor or cls.__name__ in ("Parameter", "Buffer") else cls.__name__,
        is_parameter=getattr(cls, "_is_param", False),
    )


def _format(self: Tensor, spec: str) -> str:
    if not self._array.ndim and type(self) is Tensor:
        return format(item(self), spec)
    return object.__format__(self, spec) if spec else str(self)


def _dir(self: Tensor) -> list[str]:
    kinds = {name: value for kind in reversed(type(self).__mro__) for name, value in vars(kind).items()}
    here = [name for name, value in kinds.items() if not getattr(value, "is_missing", False)]
    return sorted({*here, *self.__dict__})


# --- NumPy ------------------------------------------------------------------------------------------------------------


def numpy(self: Tensor, *, force: bool = False) -> Any:
    """A NumPy array that shares memory with this tensor; raises for tensors that require grad unless ``force``."""
    if self._node is not None and not force and GRAD_MODE.get():
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    if self._array.dtype == dtypes.BF16:
        raise TypeError("Got unsupported ScalarType BFloat16")
    array = self._array
    if isinstance(array, SparseArray):
        raise TypeError(
            f"can't convert {SPOKEN[array.layout]} layout tensor to numpy. Use Tensor.to_dense() first."
        )
    if type(array) in OF_ARRAYS or (type(array) is Pending and device_of(array) is not CPU):
        if force:
            array = on_host(array)
            return array.tape.share(array) if type(array) is Pending else array
        raise TypeError(
            f"can't convert {device_of(array)} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
            "memory first."
        )
    storage_of(self).lent = True
    if type(array) is Pending:
        return array.lend().view()
    return array.view() if type(array) is np.ndarray else np.asarray(array)  # which a batch refuses


def _to_numpy(self: Tensor, dtype: Any = None, copy: bool | None = None) -> Any:
    array = numpy(self)
    if dtype is not None and np.dtype(dtype) != array.dtype:
        if copy is False:
            raise ValueError(f"Unable to avoid copy while converting a tensor of {self.dtype} to {dtype}")
        return array.astype(dtype)
    return array.copy() if copy else array


def _array_wrap(self: Tensor, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
    # NumPy's functions see a tensor's array (by __array__) and give a tensor back (by this); its operators leave the work
    # to the tensor's reflected ones (by __array_priority__). There is no __array_ufunc__, which would mix up the two.
    array = np.asarray(array)
    if array.dtype == BOOL:  # PyTorch wraps NumPy's bools as uint8
        array = array.astype(np.uint8)
    return make_tensor(array) if array.dtype in OF_NUMPY else array


# --- new tensors like this one ----------------------------------------------------------------------------------------


def _new_maker(name: str) -> Any:
    make = getattr(creation, name)

    def method(self: Tensor, *args: Any, dtype: dtype | None = None, **options: Any) -> Tensor:
        if options.get("device") is None:
            options["device"] = device_of(self._array)
        return make(*args, dtype=dtype or OF_NUMPY[self._array.dtype], **options)  # type: ignore[no-any-return]

    method.__name__ = method.__qualname__ = "new_" + name
    method.__doc__ = f"``rushlight.{name}`` with this tensor's dtype unless given."
    return method


def new_tensor(
    self: Tensor, data: Any, *, dtype: dtype | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A new leaf with a copy of ``data`` and this tensor's dtype unless given."""
    if isinstance(data, Tensor):
        import warnings

        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than tensor.new_tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
    where = device_of(self._array) if device is None else require_available(device)
    made = make_tensor(placed(array_from(data, (dtype or OF_NUMPY[self._array.dtype]).numpy), where))
    return made.requires_grad_(requires_grad)


def new(self: Tensor, *args: Any) -> Tensor:
    """Early PyTorch's constructor with this tensor's dtype: ``x.new([1, 2])``, ``x.new(2, 3)`` (uninitialised)."""
    return make_tensor(placed(creation.legacy_array(args, self._array.dtype, "new"), device_of(self._array)))


def new_empty_strided(
    self: Tensor, size: Any, stride: Any, *, dtype: dtype | None = None, **options: Any
) -> Tensor:
    """``rushlight.empty_strided`` with this tensor's dtype unless given."""
    options.setdefault("device", device_of(self._array))
    return creation.empty_strided(size, stride, dtype=dtype or OF_NUMPY[self._array.dtype], **options)


def legacy_tensor(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """``Tensor()``, ``Tensor(2, 3)``, ``Tensor([1, 2])``: the constructor of early PyTorch, in the default dtype."""
    numpy_dtype: NumpyDType = default_numpy()
    if kwargs:
        where = kwargs.pop("device", None)
        if where is not None and device(where).type != "cpu":
            raise RuntimeError(
                f"legacy constructor expects device type: cpu but device type: {device(where).type} was passed"
            )
    if kwargs:
        if set(kwargs) != {"size"} or args:
            raise TypeError(f"new(): got unexpected keyword arguments {sorted(kwargs)}")
        args = (Size(kwargs["size"]),)
    if len(args) == 1 and isinstance(args[0], Tensor):
        array = args[0]._array
    else:
        array = creation.legacy_array(args, numpy_dtype, cls.__name__)
    tensor: Tensor = object.__new__(cls)
    init_fields(tensor, array)
    return tensor


_CASTS = {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "bfloat16": dtypes.bfloat16,
    "int": dtypes.int32, "long": dtypes.int64, "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8,
    "bool": dtypes.bool_, "cfloat": dtypes.complex64, "cdouble": dtypes.complex128,
}  # fmt: skip

# Devices that Rushlight never has; programs ask for them before they take the CPU.
_OTHER_DEVICES = ("ipu", "maia", "mps", "mtia", "vulkan", "xla", "xpu")

METHODS: dict[str, Any] = {
    "detach": detach,
    "detach_": detach_,
    "data": property(_get_data, _set_data, _keep_data, doc="The same memory without history and without the version counter."),
    "to": to,
    "type": as_type,
    "type_as": type_as,
    **{name: _caster(target, name) for name, target in _CASTS.items()},
    "cpu": cpu,
    "cuda": cuda,
    "device": property(lambda self: device_of(self._array), doc="Where the memory is."),
    "is_cuda": property(lambda self: device_of(self._array).type == "cuda", doc="Whether the memory is on a GPU."),
    "is_cpu": property(lambda self: device_of(self._array).type == "cpu", doc="Whether the memory is the CPU's."),
    **{f"is_{name}": property(lambda self: False) for name in _OTHER_DEVICES}, "is_distributed": lambda self: False,
    "is_meta": property(lambda self: device_of(self._array).type == "meta"),
    "is_sparse": property(lambda self: getattr(type(self._array), "layout", None) == "sparse_coo"),
    "is_sparse_csr": property(lambda self: _layout(self) is LAYOUTS["sparse_csr"]),
    "is_quantized": property(lambda self: False),
    "is_mkldnn": property(lambda self: False), "is_nested": property(lambda self: False),
    "layout": property(
        lambda self: _layout(self),  # noqa: PLW0108 - defined below
        doc="How the elements are stored: strided, or as one of the sparse layouts.",
    ),
    "names": property(lambda self: (None,) * self._array.ndim),
    "is_floating_point": is_floating_point,
    "is_complex": is_complex,
    "is_signed": is_signed,
    "is_nonzero": is_nonzero,
    "size": size,
    "stride": stride,
    "dim": dim,
    "ndimension": dim,
    "numel": numel,
    "nelement": numel,
    "element_size": element_size,
    "is_contiguous": is_contiguous,
    "is_pinned": is_pinned,
    "pin_memory": pin_memory,
    "share_memory_": _share_memory,
    "is_shared": _is_shared,
    "data_ptr": data_ptr,
    "storage_offset": storage_offset,
    "is_set_to": is_set_to,
    "get_device": get_device,
    "item": item,
    "tolist": tolist,
    "__len__": _len,
    "__bool__": _bool,
    "__int__": _int,
    "__index__": _index,
    "__float__": _float,
    "__complex__": _complex,
    "__iter__": _iter,
    "__contains__": contains,
    "as_subclass": as_subclass,
    "__repr__": _repr,
    "__str__": _repr,
    "__format__": _format,
    "__dir__": _dir,
    "numpy": numpy,
    "__array__": _to_numpy,
    "__array_wrap__": _array_wrap,
    "new_zeros": _new_maker("zeros"),
    "new_ones": _new_maker("ones"),
    "new_empty": _new_maker("empty"),
    "new_full": _new_maker("full"),
    "new_tensor": new_tensor,
    "new": new,
    "new_empty_strided": new_empty_strided,
    "contiguous": contiguous_in_order,
    "clone": clone_in_order,
}  # fmt: skip


class layout:
    """How a tensor's elements are stored: ``torch.strided``, ``torch.sparse_coo``, ``torch.sparse_csr`` and others."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return (
            "STRIDED" if self.name == "strided" else self.name
        )  # each is one object, copied and pickled too


STRIDED: layout = layout("strided")
LAYOUTS: dict[str, layout] = {
    "strided": STRIDED,
    **{name: layout(name) for name in ("sparse_coo", "sparse_csr", "sparse_csc")},
}

sparse_coo, sparse_csr, sparse_csc = (LAYOUTS[name] for name in ("sparse_coo", "sparse_csr", "sparse_csc"))


def _layout(self: Tensor) -> layout:
    array = self._array
    return LAYOUTS[array.layout] if isinstance(array, SparseArray) else STRIDED
