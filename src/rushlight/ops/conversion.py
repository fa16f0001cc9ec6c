"""Between tensors and everything else: dtypes, devices, Python values, NumPy, DLPack, pickles; and copies in place."""

from __future__ import annotations

import math
import operator
import sys
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.device import CPU, device, require_available
from ..core.dtypes import (
    BOOL,
    I64,
    INEXACT,
    OF_NUMPY,
    NumpyDType,
    by_name,
    default_numpy,
    dtype,
    get_default_dtype,
)
from ..core.grad_mode import GRAD_MODE, INFERENCE_MODE
from ..core.history import LeafNode, Node
from ..core.shapes import Size, as_shape, wrap_dim
from ..core.storage import LIBRARY, Storage, program_site
from ..core.tensor import Tensor, init_fields, make_tensor
from . import creation
from .define import Primitive
from .dispatch import alias_of, is_number, number_array
from .inplace import OVERWRITTEN, announce, changed, check_leaf, check_no_overlap, check_partial_overlap, same_region
from .movement import cast, clone, contiguous, sum_to_shape

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
    if self._node is not None and value._array.dtype not in INEXACT:
        raise RuntimeError(
            "data set to a tensor that requires gradients must be floating point or complex dtype"
        )
    self._array = value._array
    node = self._node
    if isinstance(node, LeafNode):
        node.shape, node.dtype = value._array.shape, value._array.dtype


# --- dtype and device -------------------------------------------------------------------------------------------------


def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """``self`` with another dtype and/or device: ``to(dtype)``, ``to(device)``, ``to(device, dtype)``, ``to(other)``.

    Returns ``self`` if nothing changes and ``copy`` is false.
    """
    target, copy = parse_to(args, kwargs)
    result = self if target is None else cast(self, target.numpy)
    return clone(result) if copy and result is self else result


def parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[dtype | None, bool]:
    """The dtype asked for by arguments of ``to`` (None: keep) and whether to copy; the device must be available."""
    copy = bool(kwargs.pop("copy", False))
    kwargs.pop("non_blocking", None)
    kwargs.pop("memory_format", None)
    where, target = kwargs.pop("device", None), kwargs.pop("dtype", None)
    other = kwargs.pop("other", None)
    if kwargs:
        raise TypeError(f"to() got an unexpected keyword argument '{next(iter(kwargs))}'")
    flags = []
    for arg in args:
        if isinstance(arg, Tensor):
            other = arg
        elif isinstance(arg, dtype):
            target = arg
        elif isinstance(arg, bool):
            flags.append(arg)
        elif isinstance(arg, str | device | int):
            where = arg
        elif arg is not None:
            raise TypeError(f"to() received an invalid combination of arguments - got ({type(arg).__name__})")
    if len(flags) > 1:
        copy = flags[1]
    if other is not None:
        target = OF_NUMPY[other._array.dtype]
    if where is not None:
        require_available(where)
    return target, copy


def as_type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The type's name such as ``'torch.FloatTensor'``; with an argument, ``self`` cast to that type."""
    if dtype is None:
        return f"torch.{_TYPE_NAMES[OF_NUMPY[self._array.dtype].name]}Tensor"
    return cast(self, dtype_from(dtype).numpy)


_TYPE_NAMES = {
    "bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long",
    "bfloat16": "BFloat16", "float16": "Half", "float32": "Float", "float64": "Double",
    "complex64": "ComplexFloat", "complex128": "ComplexDouble",
}  # fmt: skip
_DTYPE_OF_TYPE_NAME = {f"torch.{short}Tensor": by_name(name) for name, short in _TYPE_NAMES.items()}


def dtype_from(given: Any) -> dtype:
    """The dtype meant by a dtype, a Python type, or a name such as ``'torch.FloatTensor'``."""
    if isinstance(given, dtype):
        return given
    if given in (float, int, bool, complex):
        return {
            float: get_default_dtype(),
            int: dtypes.int64,
            bool: dtypes.bool_,
            complex: get_default_dtype().to_complex(),
        }[given]
    if isinstance(given, str) and given in _DTYPE_OF_TYPE_NAME:
        return _DTYPE_OF_TYPE_NAME[given]
    name = getattr(given, "dtype_name", None)  # the legacy classes FloatTensor, LongTensor, …
    if name is not None:
        return by_name(name)
    raise ValueError(f"invalid type: {given!r}")


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """``self`` cast to the dtype of ``other``."""
    return cast(self, other._array.dtype)


def _caster(target: dtype, name: str) -> Any:
    numpy_dtype = target.numpy

    def method(self: Tensor, memory_format: object = None) -> Tensor:
        return cast(self, numpy_dtype)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"``self`` cast to {target}; itself if it has that dtype."
    return method


def cpu(self: Tensor, memory_format: object = None) -> Tensor:
    """``self`` on the CPU."""
    return self


def cuda(
    self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: object = None
) -> Tensor:
    """``self`` on a GPU: raises, because this version computes on the CPU."""
    require_available("cuda")
    return self


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a real floating-point one."""
    return OF_NUMPY[input._array.dtype].is_floating_point


def is_complex(input: Tensor) -> bool:
    """Whether the dtype is a complex one."""
    return OF_NUMPY[input._array.dtype].is_complex


def is_signed(self: Tensor) -> bool:
    """Whether the dtype is signed."""
    return OF_NUMPY[self._array.dtype].is_signed


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element is not zero; ``RuntimeError`` for any other number of elements."""
    return _bool(input)


# --- shape and memory -------------------------------------------------------------------------------------------------


def size(self: Tensor, dim: int | None = None) -> Any:
    """The shape, or the extent of one dimension."""
    shape = self._array.shape
    return Size(shape) if dim is None else shape[wrap_dim(dim, len(shape), scalar_ok=False)]


def stride(self: Tensor, dim: int | None = None) -> Any:
    """The strides counted in elements, or that of one dimension."""
    array = self._array
    strides = tuple([s // array.itemsize for s in array.strides])
    return strides if dim is None else strides[wrap_dim(dim, len(strides), scalar_ok=False)]


def dim(self: Tensor) -> int:
    """The number of dimensions."""
    return self._array.ndim


def numel(input: Tensor) -> int:
    """The number of elements."""
    return int(input._array.size)


def element_size(self: Tensor) -> int:
    """Bytes of one element."""
    return int(self._array.itemsize)


def is_contiguous(self: Tensor, memory_format: object = None) -> bool:
    """Whether the elements lie in memory in row-major order."""
    return bool(self._array.flags.c_contiguous)


def memory_root(array: Any) -> Any:
    """The array that owns the memory of ``array``."""
    base = array.base
    while base is not None:
        if isinstance(base, np.ndarray):
            array = base
        elif not hasattr(base, "base"):
            break
        base = base.base  # NumPy's as_strided puts an object of its own between the two
    return array


def data_ptr(self: Tensor) -> int:
    """The address of the first element."""
    return int(self._array.__array_interface__["data"][0]) if self._array.size else 0


def storage_offset(self: Tensor) -> int:
    """How many elements the first one lies behind the start of the memory."""
    root = memory_root(self._array)
    if not self._array.size:
        return 0
    gap = self._array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
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


def item(self: Tensor) -> Any:
    """The one element as a Python number; ``RuntimeError`` for any other number of elements."""
    array = self._array
    if array.size != 1:
        raise RuntimeError(f"a Tensor with {array.size} elements cannot be converted to Scalar")
    value = array.item()
    return float(value) if array.dtype is dtypes.BF16 else value


def tolist(self: Tensor) -> Any:
    """The elements as nested lists of Python numbers (a number for a 0-dim tensor)."""
    array = self._array
    return (array.astype(np.float32) if array.dtype == dtypes.BF16 else array).tolist()


def _bool(self: Tensor) -> bool:
    array = self._array
    if array.size != 1:
        what = "no values" if not array.size else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
    return bool(array.item())


def _int(self: Tensor) -> int:
    return int(item(self))


def _index(self: Tensor) -> int:
    array = self._array
    if array.size != 1 or array.dtype in INEXACT:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(array.item())


def _float(self: Tensor) -> float:
    return float(item(self))


def _complex(self: Tensor) -> complex:
    return complex(item(self))


def _iter(self: Tensor) -> Any:
    if not self._array.ndim:
        raise TypeError("iteration over a 0-d tensor")
    from .joining import unbind  # joining stands above conversion

    return iter(unbind(self))


def _repr(self: Tensor, *, tensor_contents: object = None) -> str:
    from ..core.printing import format_tensor

    node = self.grad_fn
    default = get_default_dtype()
    return format_tensor(
        self._array,
        dtype_name=OF_NUMPY[self._array.dtype].name,
        default_dtype_name=default.name,
        requires_grad=self._node is not None,
        grad_fn_name=None if node is None else node.name(),
        device_suffix=None,
    )


def _format(self: Tensor, spec: str) -> str:
    if not self._array.ndim and spec:
        return format(item(self), spec)
    return object.__format__(self, spec) if spec else str(self)


def _dir(self: Tensor) -> list[str]:
    return sorted({*dir(Tensor), *self.__dict__})


# --- NumPy ------------------------------------------------------------------------------------------------------------


def numpy(self: Tensor, *, force: bool = False) -> Any:
    """A NumPy array that shares memory with this tensor; raises for tensors that require grad unless ``force``."""
    if self._node is not None and not force:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    if self._array.dtype == dtypes.BF16:
        raise TypeError("Got unsupported ScalarType BFloat16")
    return self._array.view()


def _to_numpy(self: Tensor, dtype: Any = None, copy: bool | None = None) -> Any:
    array = numpy(self)
    if dtype is not None and np.dtype(dtype) != array.dtype:
        if copy is False:
            raise ValueError(f"Unable to avoid copy while converting a tensor of {self.dtype} to {dtype}")
        return array.astype(dtype)
    return array.copy() if copy else array


def _array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    # NumPy's own functions see the tensors' arrays and give tensors back, as PyTorch's __array_wrap__ does; reflected
    # operators of NumPy scalars come here too and must run as tensor operations.
    if (
        method == "__call__"
        and not kwargs
        and len(inputs) == 2
        and isinstance(inputs[1], Tensor)
        and is_number(inputs[0])
    ):
        name = _REFLECTED.get(ufunc.__name__)
        if name is not None:
            return getattr(inputs[1], name)(
                inputs[0].item() if isinstance(inputs[0], np.generic) else inputs[0]
            )
    outs = kwargs.get("out", ())
    if outs:
        kwargs["out"] = tuple([numpy(o) if isinstance(o, Tensor) else o for o in outs])
    with np.errstate(all="ignore"):
        result = getattr(ufunc, method)(*[numpy(x) if isinstance(x, Tensor) else x for x in inputs], **kwargs)
    if outs:
        return outs[0] if len(outs) == 1 else outs
    if isinstance(result, tuple):
        return tuple([_wrapped(part) for part in result])
    return _wrapped(result)


def _wrapped(result: Any) -> Any:
    array = np.asarray(result)
    return make_tensor(array) if array.dtype in OF_NUMPY else result


_REFLECTED = {
    "add": "__radd__", "subtract": "__rsub__", "multiply": "__rmul__", "true_divide": "__rtruediv__",
    "divide": "__rtruediv__", "floor_divide": "__rfloordiv__", "power": "__rpow__", "remainder": "__rmod__",
    "less": "__gt__", "less_equal": "__ge__", "greater": "__lt__", "greater_equal": "__le__", "equal": "__eq__",
    "not_equal": "__ne__", "bitwise_and": "__rand__", "bitwise_or": "__ror__", "bitwise_xor": "__rxor__",
}  # fmt: skip


def _dlpack(self: Tensor, **options: Any) -> Any:
    if self._node is not None:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    return self._array.__dlpack__(**options)


def _dlpack_device(self: Tensor) -> Any:
    return self._array.__dlpack_device__()


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor that shares memory with any object that speaks DLPack (on the CPU)."""
    return make_tensor(np.from_dlpack(ext_tensor))


# --- copies -----------------------------------------------------------------------------------------------------------


def _copy_impl(old: Any, value: Any) -> Any:
    return np.broadcast_to(value, old.shape)


def _copy_vjp(g: Tensor, node: Node) -> Any:
    old, new = node.edges
    return (None if old is None else creation.zeros_like(g), None if new is None else g)


COPY = Primitive("copy", _copy_impl, _copy_vjp, grad_name="CopyBackwards")


def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """The elements of ``src`` (broadcast, cast) written over this tensor's; gradients flow to ``src``.

    Raises ``RuntimeError`` where the shapes do not go together, and where both share some memory without being the same.
    """
    if is_number(src):
        check_no_overlap(self._array)
        return fill_(self, src)
    if not isinstance(src, Tensor):
        raise TypeError(
            f"copy_(): argument 'other' (position 1) must be Tensor, not {src.__class__.__name__}"
        )
    target = self._array
    recording = GRAD_MODE.get() and (self._node is not None or src._node is not None)
    if recording:
        check_leaf(self)
    value = src if src._array.dtype is target.dtype else cast(src, target.dtype)
    source = value._array
    if source.shape != target.shape:
        check_expands(source.shape, target.shape)
    shared = src._storage is not None and src._storage is self._storage
    if not shared:
        check_no_overlap(target)
    elif not same_region(target, source):
        check_no_overlap(target)
        check_partial_overlap(target, src._array)
    storage = announce(self, "copy_")
    target[...] = source
    return changed(self, storage, Node(COPY, (self._node, value._node), target) if recording else None)


def check_expands(shape: tuple[int, ...], target: tuple[int, ...]) -> None:
    """Raise ``RuntimeError`` unless a tensor of ``shape`` can be expanded to ``target``."""
    lead = len(target) - len(shape)
    if lead < 0:
        raise RuntimeError(
            f"expand(tensor of shape {list(shape)}, size={list(target)}): the number of sizes provided ({len(target)}) must be "
            f"greater or equal to the number of dimensions in the tensor ({len(shape)})"
        )
    for i, extent in enumerate(shape):
        if extent not in (1, target[lead + i]):
            raise RuntimeError(
                f"The expanded size of the tensor ({target[lead + i]}) must match the existing size ({extent}) at "
                f"non-singleton dimension {lead + i}.  Target sizes: {list(target)}.  Tensor sizes: {list(shape)}"
            )


def fill_(self: Tensor, value: Any) -> Tensor:
    """Every element set to ``value``, a number or a 0-dim tensor."""
    if isinstance(value, Tensor):
        if value._array.ndim:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value._array.ndim} dimensions."
            )
        if value._node is not None or value is self:
            return copy_(self, value)
        content = value._array
    else:
        content = element_array(value, self._array.dtype)
    recording = GRAD_MODE.get() and self._node is not None
    if recording:
        check_leaf(self)
    array = self._array
    storage = announce(self, "fill_")
    array[...] = content
    return changed(self, storage, Node(OVERWRITTEN, (self._node,), array) if recording else None)


def element_array(value: Any, dtype: NumpyDType) -> Any:
    """A number as a 0-dim array of ``dtype``; ``RuntimeError`` where the dtype can't hold it (uint8 wraps below 0)."""
    if value.__class__ is float and (dtype is dtypes.F32 or dtype is dtypes.F64) and -_LARGE < value < _LARGE:
        return np.asarray(value, dtype)
    kind = dtype.kind
    if isinstance(value, np.generic):
        value = value.item()
    if kind in "cb" or value is True or value is False:
        return np.asarray(value, dtype)
    if isinstance(value, complex):
        if value.imag:
            raise RuntimeError(f"value cannot be converted to type {OF_NUMPY[dtype].name} without overflow")
        value = value.real
    if kind in "iu":
        limits = np.iinfo(dtype)
        if isinstance(value, float) and math.isnan(value):
            raise RuntimeError(f"value cannot be converted to type {OF_NUMPY[dtype].name} without overflow")
        if not (limits.min if kind == "i" else -limits.max) <= value <= limits.max:
            raise RuntimeError(f"value cannot be converted to type {OF_NUMPY[dtype].name} without overflow")
        return number_array(int(value), dtype)
    if not isinstance(value, int | float):
        raise TypeError(f"expected a number, got {value.__class__.__name__}")
    if dtype is dtypes.F32 and (-_LARGEST_FLOAT32 > value > -_INFINITY or _INFINITY > value > _LARGEST_FLOAT32):
        raise RuntimeError("value cannot be converted to type float without overflow")
    return np.asarray(value, dtype)


_LARGE = 3.4e38  # within float32, nearly
_INFINITY = float("inf")
_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


def zero_(self: Tensor) -> Tensor:
    """Every element set to 0."""
    if self._node is None:
        storage = self._storage
        if storage is None:
            storage = self._storage = Storage()
        storage.changed_by = "zero_"  # before anything is written: inference tensors may refuse
        self._array[...] = 0
        storage.version += 1
        frame: Any = getframe(1)
        code = frame.f_code
        storage.changed_at = program_site(frame) if code.co_filename.startswith(LIBRARY) else (code, frame.f_lasti)
        return self
    return fill_(self, 0)


def set_(self: Tensor, source: Tensor) -> Tensor:
    """Make this tensor share the memory, shape and strides of ``source``."""
    self._array = source._array
    self._storage = source._storage
    return self


def resize_(self: Tensor, *sizes: Any, memory_format: object = None) -> Tensor:
    """Give this tensor another shape, keeping its first elements; what is new is uninitialised."""
    shape = as_shape(sizes, "resize_")
    old = self._array
    fresh = np.empty(shape, old.dtype)
    kept = min(fresh.size, old.size)
    fresh.reshape(-1)[:kept] = old.reshape(-1)[:kept]
    self._array = fresh
    return self


# --- new tensors like this one ----------------------------------------------------------------------------------------


def _new_maker(name: str) -> Any:
    make = getattr(creation, name)

    def method(self: Tensor, *args: Any, dtype: dtype | None = None, **options: Any) -> Tensor:
        return make(*args, dtype=dtype or OF_NUMPY[self._array.dtype], **options)  # type: ignore[no-any-return]

    method.__name__ = method.__qualname__ = "new_" + name
    method.__doc__ = f"``rushlight.{name}`` with this tensor's dtype unless given."
    return method


def new_tensor(
    self: Tensor, data: Any, *, dtype: dtype | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A new leaf with a copy of ``data`` and this tensor's dtype unless given."""
    require_available(device)
    made = make_tensor(creation.array_from(data, (dtype or OF_NUMPY[self._array.dtype]).numpy))
    return made.requires_grad_(requires_grad)


def legacy_tensor(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """``Tensor()``, ``Tensor(2, 3)``, ``Tensor([1, 2])``: the constructor of early PyTorch, in the default dtype."""
    numpy_dtype: NumpyDType = default_numpy()
    if len(args) == 1 and isinstance(args[0], Tensor):
        array = args[0]._array
        if array.dtype != numpy_dtype and cls is Tensor:
            raise TypeError(
                f"expected a tensor of {OF_NUMPY[numpy_dtype]}, got {args[0].dtype}; use tensor.to(dtype)"
            )
    elif len(args) == 1 and not isinstance(args[0], int):
        data = args[0]
        array = (
            np.empty(data, numpy_dtype) if isinstance(data, Size) else creation.array_from(data, numpy_dtype)
        )
    else:
        array = np.empty(as_shape(args, "Tensor") if args else (0,), numpy_dtype)
    tensor: Tensor = object.__new__(cls)
    init_fields(tensor, array)
    return tensor


# --- pickles and copies -----------------------------------------------------------------------------------------------


def _rebuild(array: Any, requires_grad: bool, extra: dict[str, Any]) -> Tensor:
    tensor = make_tensor(array)
    if requires_grad:
        tensor.requires_grad_(True)
    tensor.__dict__.update(extra)
    return tensor


def _reduce(self: Tensor, protocol: Any) -> Any:
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the pickle protocol at the moment; "
            "detach() this tensor first"
        )
    return (_rebuild, (self._array, self.requires_grad, dict(self.__dict__)))


def _deepcopy(self: Tensor, memo: dict[int, Any]) -> Tensor:
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment. If "
            "you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage; "
            "detach() this tensor first"
        )
    if id(self) in memo:
        return memo[id(self)]  # type: ignore[no-any-return]
    import copy

    # Views of one memory stay views of one memory: the whole of it is copied once, and looked up by its owner.
    root = memory_root(self._array)
    key = id(root)
    fresh = memo.get(key)
    if fresh is None:
        fresh = memo[key] = root.copy(order="K")
    if root is self._array:
        array = fresh
    else:
        source = np.lib.stride_tricks.as_strided
        offset = data_ptr(self) - int(root.__array_interface__["data"][0]) if self._array.size else 0
        if root.flags.c_contiguous and fresh.flags.c_contiguous:
            start = fresh.reshape(-1).view(np.uint8)[offset:].view(np.uint8)
            array = (
                np.ndarray(self._array.shape, self._array.dtype, start, 0, self._array.strides)
                if start.size
                else source(np.empty(0, self._array.dtype), self._array.shape, self._array.strides)
            )
        else:
            array = self._array.copy()
    made: Tensor = object.__new__(self.__class__)
    init_fields(made, array)
    memo[id(self)] = made
    if self._node is not None:
        made.requires_grad_(True)
    if self._grad is not None:
        made._grad = copy.deepcopy(self._grad, memo)
    if self.__dict__:
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
    return made


_CASTS = {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "bfloat16": dtypes.bfloat16,
    "int": dtypes.int32, "long": dtypes.int64, "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8,
    "bool": dtypes.bool_, "cfloat": dtypes.complex64, "cdouble": dtypes.complex128,
}  # fmt: skip

METHODS: dict[str, Any] = {
    "detach": detach,
    "detach_": detach_,
    "data": property(_get_data, _set_data, doc="The same memory without history and without the version counter."),
    "to": to,
    "type": as_type,
    "type_as": type_as,
    **{name: _caster(target, name) for name, target in _CASTS.items()},
    "cpu": cpu,
    "cuda": cuda,
    "device": property(lambda self: CPU, doc="Where the memory is."),
    "is_cuda": property(lambda self: False, doc="Whether the memory is on a GPU."),
    "is_cpu": property(lambda self: True, doc="Whether the memory is the CPU's."),
    "is_mps": property(lambda self: False), "is_meta": property(lambda self: False),
    "is_sparse": property(lambda self: False), "is_quantized": property(lambda self: False),
    "is_mkldnn": property(lambda self: False), "is_nested": property(lambda self: False),
    "layout": property(lambda self: STRIDED, doc="How the elements are stored: always strided."),
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
    "is_pinned": lambda self: False,
    "pin_memory": lambda self: self,
    "share_memory_": lambda self: self,
    "is_shared": lambda self: False,
    "data_ptr": data_ptr,
    "storage_offset": storage_offset,
    "is_set_to": is_set_to,
    "get_device": lambda self: -1,
    "item": item,
    "tolist": tolist,
    "__len__": _len,
    "__bool__": _bool,
    "__int__": _int,
    "__index__": _index,
    "__float__": _float,
    "__complex__": _complex,
    "__iter__": _iter,
    "__repr__": _repr,
    "__str__": _repr,
    "__format__": _format,
    "__dir__": _dir,
    "numpy": numpy,
    "__array__": _to_numpy,
    "__array_ufunc__": _array_ufunc,
    "__dlpack__": _dlpack,
    "__dlpack_device__": _dlpack_device,
    "copy_": copy_,
    "fill_": fill_,
    "zero_": zero_,
    "set_": set_,
    "resize_": resize_,
    "new_zeros": _new_maker("zeros"),
    "new_ones": _new_maker("ones"),
    "new_empty": _new_maker("empty"),
    "new_full": _new_maker("full"),
    "new_tensor": new_tensor,
    "__reduce_ex__": _reduce,
    "__deepcopy__": _deepcopy,
    "contiguous": contiguous,
    "clone": clone,
}  # fmt: skip


class layout:
    """How a tensor's elements are stored; ``strided`` is the only kind here."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"


class memory_format:
    """An order of a tensor's elements in memory."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"


STRIDED = layout("strided")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")

_ = (BOOL, I64, INFERENCE_MODE, OVERWRITTEN, operator, sum_to_shape)
