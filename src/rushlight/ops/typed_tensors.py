"""``FloatTensor``, ``LongTensor`` and the like: early PyTorch's names for tensors of one dtype."""

from __future__ import annotations

import warnings
from typing import Any

from ..core.device import require_available
from ..core.dtypes import by_name
from ..core.shapes import Size
from ..core.sparse_arrays import CooArray
from ..core.tensor import Tensor, make_tensor
from .creation import legacy_array
from .dispatch import alias_of
from .placement import moved


class _TypedTensorType(type):
    """Lets ``isinstance(x, FloatTensor)`` ask for the dtype; calling the class makes a plain tensor of it."""

    dtype_name: str
    is_cuda = is_sparse = False

    @property
    def dtype(cls) -> Any:
        """The dtype of these tensors."""
        return by_name(cls.dtype_name)

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Tensor) and value.dtype.name == cls.dtype_name

    def __call__(cls, *args: Any) -> Tensor:
        kind = by_name(cls.dtype_name).numpy
        if len(args) == 1 and isinstance(args[0], Tensor):
            if args[0]._array.dtype != kind:
                wanted = by_name(cls.dtype_name)
                raise TypeError(
                    f"{cls.__name__}: expected a tensor of {wanted}, got {args[0].dtype}; use tensor.to(dtype)"
                )
            return alias_of(args[0])
        return make_tensor(legacy_array(args, kind, cls.__name__))

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


class _TypedSparseType(_TypedTensorType):
    """The same for sparse tensors (COO): the class is called with indices, values and perhaps a shape, or a shape."""

    is_sparse = True

    def __instancecheck__(cls, value: Any) -> bool:
        return super().__instancecheck__(value) and isinstance(value._array, CooArray)

    def __call__(cls, *args: Any) -> Tensor:
        from .sparse_creation import sparse_coo_tensor

        warnings.warn(
            "torch.sparse.SparseTensor(indices, values, shape, *, device=) is deprecated.  Please use "
            "torch.sparse_coo_tensor(indices, values, shape, dtype=, device=).",
            UserWarning,
            stacklevel=2,
        )
        if args and isinstance(args[0], Tensor):
            return sparse_coo_tensor(*args)
        if len(args) == 1 and not isinstance(args[0], int | Size):
            raise TypeError(
                "torch.sparse.SparseTensor(sequence) only accepts sizes.  Please use torch.sparse_coo_tensor() or "
                "construct a strided tensor and convert it to sparse via to_sparse."
            )
        shape = args[0] if args and isinstance(args[0], Size) else args or (0,)
        return sparse_coo_tensor(shape, dtype=by_name(cls.dtype_name))

    def __repr__(cls) -> str:
        return f"<class 'torch.sparse.{cls.__name__}'>"


class _TypedOnGpuType(_TypedTensorType):
    """The same for tensors on a GPU; calling the class without one raises ``TypeError``."""

    is_cuda = True

    def __instancecheck__(cls, value: Any) -> bool:
        return super().__instancecheck__(value) and value.is_cuda

    def __call__(cls, *args: Any) -> Tensor:
        try:
            where = require_available("cuda")
        except (RuntimeError, AssertionError) as error:
            raise TypeError(f"type torch.cuda.{cls.__name__} not available. {error}") from None
        return moved(super().__call__(*args), where)

    def __repr__(cls) -> str:
        return f"<class 'torch.cuda.{cls.__name__}'>"


def _typed(short: str, dtype_name: str) -> Any:
    doc = f"Tensors of dtype {dtype_name}: ``{short}Tensor([1, 2])`` or ``{short}Tensor(2, 3)`` (uninitialised)."
    return _TypedTensorType(f"{short}Tensor", (), {"dtype_name": dtype_name, "__doc__": doc})


FloatTensor = _typed("Float", "float32")
DoubleTensor = _typed("Double", "float64")
HalfTensor = _typed("Half", "float16")
BFloat16Tensor = _typed("BFloat16", "bfloat16")
LongTensor = _typed("Long", "int64")
IntTensor = _typed("Int", "int32")
ShortTensor = _typed("Short", "int16")
CharTensor = _typed("Char", "int8")
ByteTensor = _typed("Byte", "uint8")
BoolTensor = _typed("Bool", "bool")


def _typed_as(kind: type, dense: Any, what: str) -> Any:
    doc = f"{what} of dtype {dense.dtype_name}."
    return kind(dense.__name__, (), {"dtype_name": dense.dtype_name, "__doc__": doc})


_DENSE = (
    *(FloatTensor, DoubleTensor, HalfTensor, BFloat16Tensor, LongTensor, IntTensor, ShortTensor, CharTensor),
    ByteTensor,
)
SPARSE = {
    dense.__name__: _typed_as(
        _TypedSparseType, dense, "Sparse tensors (COO; see ``torch.sparse_coo_tensor``)"
    )
    for dense in _DENSE
}
ON_GPU = {
    dense.__name__: _typed_as(_TypedOnGpuType, dense, "Tensors on a GPU") for dense in (*_DENSE, BoolTensor)
}
