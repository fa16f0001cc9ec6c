"""The classes and functions that a checkpoint may name, each with what stands for it here.

Nothing is looked up in a module: a name is in this table or it is refused. Every constructor checks its arguments,
because the file chose them.
"""

from __future__ import annotations

import math
import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from .codec import NUMPY_DTYPES, STORAGE_CLASSES, Kind, TensorCodec, TensorRecord, contiguous_strides
from .declared_classes import declared, is_declared
from .numpy_values import NUMPY_GLOBALS, set_numpy_state
from .pickle_reader import Constructor, checked_key
from .stored_data import StoredData

_MAX_DIMENSIONS: Final = 64
_MAX_ELEMENTS: Final = 2**63 - 1
_DTYPE_OF_STORAGE: Final = {storage: name for name, storage in STORAGE_CLASSES.items()}
_UNSUPPORTED: Final = {
    "torch._utils._rebuild_nested_tensor": "nested tensors; save a list of their parts",
    "torch._utils._rebuild_qtensor": "quantized tensors; save tensor.dequantize()",
    "torch._utils._rebuild_wrapper_subclass": "tensor subclasses; save the plain tensors inside",
    "torch._utils._rebuild_device_tensor_from_numpy": "tensors of this device; save tensor.cpu()",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": "tensors of this device; save tensor.cpu()",
    "torch.storage._load_from_bytes": "tensors pickled without torch.save; save them with torch.save",
}


def _refuse(message: str) -> Any:
    raise pickle.UnpicklingError(f"load: {message}")


class StorageClass:
    """A storage class of PyTorch: the element type that a persistent identifier names (None: plain bytes)."""

    __slots__ = ("dtype_name",)

    def __init__(self, dtype_name: str | None) -> None:
        self.dtype_name = dtype_name


class LayoutName:
    """A layout of PyTorch, by its name without ``torch.``."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


# Of how many tensors sparse ones are made: indices and values; starts, other indices and values.
_PARTS_OF_LAYOUT: Final = {"sparse_coo": 2, "sparse_csr": 3, "sparse_csc": 3}


class AllowedGlobals:
    """``find``: from a global's name to its ``Constructor`` or value."""

    def __init__(self, codec: TensorCodec) -> None:
        self._codec = codec
        self.storages_used = 0  # how many tensors were made from one
        self._tensor = Constructor("torch.Tensor", self._no_tensor_class)
        self._parameter = Constructor("torch.nn.parameter.Parameter", self._parameter_class)
        self._rebuild = {
            name: Constructor(f"torch._utils.{name}", build)
            for name, build in (
                ("_rebuild_tensor", self._rebuild_tensor),
                ("_rebuild_tensor_v2", self._rebuild_tensor_v2),
                ("_rebuild_tensor_v3", self._rebuild_tensor_v3),
                ("_rebuild_sparse_tensor", self._rebuild_sparse_tensor),
                ("_rebuild_meta_tensor_no_storage", self._rebuild_meta_tensor),
                ("_rebuild_parameter", self._rebuild_parameter),
                ("_rebuild_parameter_with_state", self._rebuild_parameter_with_state),
            )
        }
        self._table: dict[tuple[str, str], Any] = {
            ("torch", "Tensor"): self._tensor,
            ("torch.nn.parameter", "Parameter"): self._parameter,
            ("torch._tensor", "_rebuild_from_type_v2"): Constructor("rebuild", self._rebuild_from_type),
            ("torch", "Size"): Constructor("torch.Size", self._size),
            ("torch", "device"): Constructor("torch.device", self._device),
            ("torch.serialization", "_get_layout"): Constructor("layout", self._layout),
            ("torch.storage", "UntypedStorage"): StorageClass(None),
            **{("torch._utils", name): constructor for name, constructor in self._rebuild.items()},
            **{("torch", storage): StorageClass(name) for storage, name in _DTYPE_OF_STORAGE.items()},
            **{("torch.cuda", storage): StorageClass(name) for storage, name in _DTYPE_OF_STORAGE.items()},
            **_PLAIN,
        }

    def find(self, module: str, name: str) -> Any:
        """What ``module.name`` stands for; ``UnpicklingError`` for what is not allowed."""
        found = self._table.get((module, name))
        if found is not None:
            return found
        if (safe := declared(module, name)) is not None:
            return safe
        full = f"{module}.{name}"
        if module == "torch" and name in NUMPY_DTYPES:
            return self._codec.make_dtype(name)
        if full in _UNSUPPORTED:
            _refuse(f"{full}: this version does not load {_UNSUPPORTED[full]}")
        if module == "torch" and name.startswith(("q", "uint", "int", "float", "complex", "bits")):
            _refuse(f"torch.{name} is no dtype of this version; it has {', '.join(NUMPY_DTYPES)}")
        return _refuse(
            f"Weights only load failed. Unsupported global: GLOBAL {full} was not an allowed global by default: running what a "
            "file names would give its author control of this process. A checkpoint may hold tensors, numbers, strings and "
            "the builtin containers: where the file was made, save model.state_dict() instead of the object. If you trust "
            f"the file, allow the class with torch.serialization.add_safe_globals([{name}]), or all that it names with "
            "weights_only=False"
        )

    # Tensors

    def _window(
        self, storage: Any, offset: Any, shape: Any, strides: Any, dtype_name: str | None
    ) -> TensorRecord:
        self.storages_used += 1
        if type(storage) is not StoredData:
            _refuse(f"malformed tensor: its storage is {type(storage).__name__}")
        shape, strides = _ints(shape, "size"), _ints(strides, "strides")
        (offset,) = _ints((offset,), "storage offset")
        if len(shape) != len(strides) or len(shape) > _MAX_DIMENSIONS:
            _refuse(f"malformed tensor: {len(shape)} sizes and {len(strides)} strides")
        elements = storage.elements(dtype_name)
        _check_inside(elements.size, offset, shape, strides)
        name = dtype_name or storage.dtype_name or ""
        return TensorRecord(elements, offset, shape, strides, name, False, storage.target)

    def _rebuild_tensor(self, storage: Any, offset: Any, shape: Any, strides: Any) -> Any:
        return self._codec.make_tensor(self._window(storage, offset, shape, strides, None))

    def _rebuild_tensor_v2(
        self,
        storage: Any,
        offset: Any,
        shape: Any,
        strides: Any,
        requires_grad: Any,
        _hooks: Any = None,
        metadata: Any = None,
    ) -> Any:
        record = self._window(storage, offset, shape, strides, None)
        return self._make(record, requires_grad, metadata)

    def _rebuild_tensor_v3(
        self,
        storage: Any,
        offset: Any,
        shape: Any,
        strides: Any,
        requires_grad: Any,
        _hooks: Any,
        dtype: Any,
        metadata: Any = None,
    ) -> Any:
        if self._codec.kind(dtype) is not Kind.DTYPE:
            _refuse("malformed tensor: its dtype is none")
        record = self._window(storage, offset, shape, strides, self._codec.dtype_name(dtype))
        return self._make(record, requires_grad, metadata)

    def _make(self, record: TensorRecord, requires_grad: Any, metadata: Any) -> Any:
        if metadata:
            record = _resolved(record, metadata)
        return self._codec.make_tensor(record._replace(requires_grad=_flag(requires_grad)))

    def _layout(self, name: Any) -> Any:
        if type(name) is not str or not name.startswith("torch."):
            _refuse("malformed layout")
        return LayoutName(name.removeprefix("torch."))

    def _rebuild_sparse_tensor(self, layout: Any, data: Any) -> Any:
        if type(layout) is not LayoutName or type(data) is not tuple:
            _refuse("malformed sparse tensor")
        if layout.name not in _PARTS_OF_LAYOUT:
            _refuse(f"torch.{layout.name} tensors: this version does not load them; save tensor.to_dense()")
        count = _PARTS_OF_LAYOUT[layout.name]
        flags = data[count + 1 :]
        is_coalesced = _flag(flags[0]) if flags and flags[0] is not None else None
        if len(data) not in (count + 1, count + 2) or any(
            self._codec.kind(part) is not Kind.TENSOR for part in data[:count]
        ):
            _refuse("malformed sparse tensor: its parts are not tensors")
        if self._codec.kind(data[count]) is not Kind.SIZE and type(data[count]) is not tuple:
            _refuse("malformed sparse tensor: its size is none")
        shape = _ints(tuple(data[count]), "size")
        return self._codec.make_sparse(layout.name, data[:count], shape, is_coalesced)

    def _rebuild_meta_tensor(self, dtype: Any, shape: Any, strides: Any, requires_grad: Any) -> Any:
        if self._codec.kind(dtype) is not Kind.DTYPE:
            _refuse("malformed tensor: its dtype is none")
        shape, strides = _ints(shape, "size"), _ints(strides, "strides")
        if len(shape) != len(strides) or len(shape) > _MAX_DIMENSIONS:
            _refuse(f"malformed tensor: {len(shape)} sizes and {len(strides)} strides")
        name = self._codec.dtype_name(dtype)
        nothing = np.empty(0, np.uint8)
        return self._codec.make_without_data(
            TensorRecord(nothing, 0, shape, strides, name, _flag(requires_grad), "meta")
        )

    def _rebuild_parameter(self, tensor: Any, requires_grad: Any, _hooks: Any = None) -> Any:
        return self._codec.make_parameter(tensor, _flag(requires_grad))

    def _rebuild_parameter_with_state(self, tensor: Any, requires_grad: Any, _hooks: Any, state: Any) -> Any:
        return self._with_state(self._codec.make_parameter(tensor, _flag(requires_grad)), state)

    def _rebuild_from_type(self, rebuild: Any, kind: Any, arguments: Any, state: Any) -> Any:
        if (
            type(rebuild) is not Constructor
            or rebuild not in self._rebuild.values()
            or type(arguments) is not tuple
        ):
            _refuse("malformed tensor: its constructor is none")
        if kind is not self._tensor and kind is not self._parameter:
            _refuse("malformed tensor: unknown class")
        made = rebuild.build(*arguments)
        return self._with_state(made, state)

    def _with_state(self, tensor: Any, state: Any) -> Any:
        if isinstance(state, tuple) and len(state) == 2:  # attributes and slots
            state = {**(state[0] or {}), **(state[1] or {})}
        if type(state) is not dict:
            _refuse(f"malformed tensor: its attributes are {type(state).__name__}")
        _check_attributes(state, type(tensor))
        self._codec.set_attributes(tensor, state)
        return tensor

    def _no_tensor_class(self, *_arguments: Any) -> Any:
        return _refuse(
            "torch.Tensor is not called in a checkpoint; save it with torch.save of version 0.4 or later"
        )

    def _parameter_class(self, tensor: Any, requires_grad: Any = True) -> Any:
        return self._codec.make_parameter(tensor, _flag(requires_grad))

    def _size(self, shape: Any = ()) -> Any:
        return self._codec.make_size(_ints(shape, "torch.Size"))

    def _device(self, *arguments: Any) -> Any:
        kinds = tuple(map(type, arguments))
        if kinds not in ((str,), (str, int)):
            _refuse("malformed torch.device")
        return self._codec.make_device(*arguments)


def storage_identifier(identifier: Any) -> tuple[str | None, str, str, int]:
    """A storage's dtype, key, location and size in bytes, from the identifier that stands for it in a pickle."""
    if type(identifier) is not tuple or len(identifier) not in (5, 6) or identifier[0] != "storage":
        _refuse("malformed storage: the persistent identifier is not one of a storage")
    _, kind, key, location, numel = identifier[:5]
    if type(kind) is not StorageClass:
        _refuse("malformed storage: unknown storage class")
    if type(key) is not str or type(location) is not str or type(numel) is not int or numel < 0:
        _refuse("malformed storage: wrong types in its identifier")
    itemsize = 1 if kind.dtype_name is None else NUMPY_DTYPES[kind.dtype_name].itemsize
    return kind.dtype_name, key, location, numel * itemsize


def set_state(target: Any, state: Any) -> None:
    """A BUILD instruction: the state of the few objects that have one."""
    kind = type(target)
    if kind is OrderedDict and type(state) is dict:
        _check_attributes(state, OrderedDict)
        vars(target).update(state)
    elif is_declared(kind):
        if hasattr(target, "__setstate__"):
            target.__setstate__(state)
        else:
            vars(target).update(state)
    elif not set_numpy_state(target, state):
        _refuse(f"a {kind.__name__} can't be given a state")


def _check_attributes(attributes: dict[Any, Any], owner: type) -> None:
    for name in attributes:
        if type(name) is not str or not name.isidentifier() or name.startswith("__") or hasattr(owner, name):
            _refuse(
                f"attribute {name!r} of a {owner.__name__} is not allowed: it would replace one that it has"
            )


def _resolved(record: TensorRecord, metadata: Any) -> TensorRecord:
    """The record of the values that PyTorch would compute lazily: it marks a view as conjugated or negated."""
    if type(metadata) is not dict or not metadata.keys() <= {"conj", "neg"}:
        _refuse("malformed tensor: unknown metadata")
    storage, shape = record.storage, record.shape
    if math.prod(shape) > storage.size:  # an expanded view: a few bytes could ask for any amount of memory
        _refuse(
            "a conjugated or negated view with repeated elements; save tensor.resolve_conj().resolve_neg()"
        )
    steps = tuple(step * storage.itemsize for step in record.strides)
    values = np.lib.stride_tricks.as_strided(storage[record.offset :], shape, steps, writeable=False)
    if metadata.get("conj"):
        values = np.conjugate(values)
    if metadata.get("neg"):
        values = np.negative(values)
    flat = np.array(values, order="C").reshape(-1)
    return record._replace(storage=flat, offset=0, strides=contiguous_strides(shape))


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        _refuse("malformed tensor: requires_grad is no bool")
    return bool(value)


def _ints(values: Any, what: str) -> tuple[int, ...]:
    if not isinstance(values, tuple | list) or any(type(value) is not int for value in values):
        _refuse(f"malformed tensor: {what} is no tuple of ints")
    return tuple(values)


def _check_inside(numel: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
    """Whether every element lies in a storage of ``numel`` elements; the types are PyTorch's."""
    if offset < 0 or any(extent < 0 for extent in shape) or any(step < 0 for step in strides):
        raise RuntimeError(
            f"load: malformed tensor: size {list(shape)}, strides {list(strides)} and storage offset {offset} must "
            "not be negative"
        )
    count = math.prod(shape)
    span = offset + 1 + sum((extent - 1) * step for extent, step in zip(shape, strides, strict=True))
    if count > _MAX_ELEMENTS or max(strides, default=0) > _MAX_ELEMENTS:
        raise RuntimeError(
            f"load: malformed tensor: size {list(shape)} with strides {list(strides)} overflows"
        )
    if count and span > numel:
        raise RuntimeError(
            f"load: malformed tensor: size {list(shape)}, strides {list(strides)} and storage offset {offset} need "
            f"{span} elements, and the storage has {numel}"
        )
    if offset > numel:
        raise RuntimeError(
            f"load: malformed tensor: storage offset {offset} in a storage of {numel} elements"
        )


# Plain Python values


def _encode(text: Any, encoding: Any = None) -> bytes:
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        _refuse("_codecs.encode is allowed for latin1 text alone, which is how protocol 2 writes bytes")
    return str(text).encode("latin1")


def _bytes(*arguments: Any) -> bytes:
    if arguments:
        _refuse("malformed bytes")
    return b""


def _bytearray(content: Any = b"", encoding: Any = None) -> bytearray:
    if encoding is not None:
        content = _encode(content, encoding)
    if type(content) is not bytes:  # a number would ask for that much memory
        _refuse("malformed bytearray")
    return bytearray(content)


def _elements(values: Any) -> list[Any]:
    if type(values) not in (list, tuple):
        _refuse("malformed set")
    return [checked_key(value) for value in values]


def _set(values: Any = ()) -> set[Any]:
    return set(_elements(values))


def _frozenset(values: Any = ()) -> frozenset[Any]:
    return frozenset(_elements(values))


def _complex(real: Any, imaginary: Any) -> complex:
    if type(real) is not float or type(imaginary) is not float:
        _refuse("malformed complex number")
    return complex(real, imaginary)


def _bounds(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if any(value is not None and type(value) is not int for value in values):
        _refuse("malformed slice or range")
    return values


def _slice(*bounds: Any) -> slice:
    return slice(*_bounds(bounds))


def _range(*bounds: Any) -> range:
    return range(*_bounds(bounds))


def _ordered_dict(pairs: Any = ()) -> OrderedDict[Any, Any]:
    if type(pairs) not in (list, tuple) or any(type(pair) not in (list, tuple) for pair in pairs):
        _refuse("malformed OrderedDict")
    return OrderedDict((checked_key(key), value) for key, value in pairs)


def _counter(counts: Any = None) -> Counter[Any]:
    if counts is not None and type(counts) is not dict:
        _refuse("malformed Counter")
    return Counter(counts)


_BUILTINS: Final[dict[str, Callable[..., Any]]] = {
    "bytes": _bytes,
    "bytearray": _bytearray,
    "set": _set,
    "frozenset": _frozenset,
    "complex": _complex,
    "slice": _slice,
    "range": _range,
    "xrange": _range,
}
_PLAIN: Final[dict[tuple[str, str], Any]] = {
    **{
        (module, name): Constructor(name, build)
        for module in ("builtins", "__builtin__")
        for name, build in _BUILTINS.items()
    },
    ("_codecs", "encode"): Constructor("_codecs.encode", _encode),
    ("collections", "OrderedDict"): Constructor("OrderedDict", _ordered_dict),
    ("collections", "Counter"): Constructor("Counter", _counter),
    **NUMPY_GLOBALS,
}
