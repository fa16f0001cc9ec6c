"""Data types, their categories, and PyTorch's promotion rules as one table."""

from __future__ import annotations

from contextvars import ContextVar
from enum import IntEnum
from typing import Any, Final

import ml_dtypes
import numpy as np

NumpyDType = np.dtype[Any]


class Category(IntEnum):
    """The ladder that mixed operands climb: the result is at least the highest category present."""

    BOOL = 0
    INT = 1
    FLOAT = 2
    COMPLEX = 3


class dtype:
    """A tensor element type, such as ``rushlight.float32``. Compare with ``is`` or ``==``.

    Example:
        >>> import rushlight as torch
        >>> torch.float64.itemsize, torch.int8.is_floating_point
        (8, False)
    """

    __slots__ = ("category", "is_complex", "is_floating_point", "is_signed", "itemsize", "name", "numpy")

    def __init__(self, name: str, numpy_dtype: Any, category: Category, is_signed: bool = True) -> None:
        self.name: Final = name
        self.numpy: NumpyDType = np.dtype(numpy_dtype)
        self.category: Final = category
        self.is_floating_point: Final = category is Category.FLOAT
        self.is_complex: Final = category is Category.COMPLEX
        self.is_signed: Final = is_signed
        self.itemsize: Final = self.numpy.itemsize

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (by_name, (self.name,))

    def to_real(self) -> dtype:
        """The real type of the same precision (``complex64`` → ``float32``)."""
        return _REAL_OF.get(self, self)

    def to_complex(self) -> dtype:
        """The complex type of the same precision (``float64`` → ``complex128``)."""
        return _COMPLEX_OF.get(self, complex64 if not self.is_complex else self)


class NameOnly(dtype):
    """A dtype that programs compare with, and that no tensor here has: making one raises ``NotImplementedError``."""

    __slots__ = ()

    def __init__(self, name: str, category: Category, itemsize: int) -> None:
        for field, value in (
            ("name", name), ("category", category), ("is_floating_point", category is Category.FLOAT),
            ("is_complex", category is Category.COMPLEX), ("is_signed", not name.startswith(("u", "quint"))),
            ("itemsize", itemsize),
        ):  # fmt: skip
            object.__setattr__(self, field, value)

    @property
    def numpy(self) -> NumpyDType:  # type: ignore[override]
        raise NotImplementedError(
            f"torch.{self.name}: there are no tensors of this dtype; use "
            + ("torch.complex64" if self.is_complex else "float32, or an integer dtype of 8 bits or more")
        )

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (name_only, (self.name,))


def name_only(name: str) -> dtype:
    """The dtype of this name that no tensor has."""
    return NAME_ONLY[name]


NAME_ONLY: Final[dict[str, dtype]] = {
    "complex32": NameOnly("complex32", Category.COMPLEX, 4),
    # Quantized numbers, and integers of fewer bits than a byte.
    **{
        name: NameOnly(name, Category.INT, 4 if name == "qint32" else 1)
        for name in (
            "qint8", "qint32", "quint8", "quint2x4", "quint4x2",
            *(f"{sign}int{bits}" for sign in ("", "u") for bits in range(1, 8)),
        )
    },
}  # fmt: skip
complex32 = NAME_ONLY["complex32"]


def __getattr__(name: str) -> dtype:  # the others of those, which only programs ask for
    if name in NAME_ONLY:
        return NAME_ONLY[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


bool_ = dtype("bool", np.bool_, Category.BOOL, is_signed=False)
uint8 = dtype("uint8", np.uint8, Category.INT, is_signed=False)
int8 = dtype("int8", np.int8, Category.INT)
int16 = dtype("int16", np.int16, Category.INT)
int32 = dtype("int32", np.int32, Category.INT)
int64 = dtype("int64", np.int64, Category.INT)
bfloat16 = dtype("bfloat16", ml_dtypes.bfloat16, Category.FLOAT)
float16 = dtype("float16", np.float16, Category.FLOAT)
float32 = dtype("float32", np.float32, Category.FLOAT)
float64 = dtype("float64", np.float64, Category.FLOAT)
complex64 = dtype("complex64", np.complex64, Category.COMPLEX)
complex128 = dtype("complex128", np.complex128, Category.COMPLEX)

# For storing: made, converted, compared, moved and indexed. They promote with almost nothing, as in PyTorch.
uint16 = dtype("uint16", np.uint16, Category.INT, is_signed=False)
uint32 = dtype("uint32", np.uint32, Category.INT, is_signed=False)
uint64 = dtype("uint64", np.uint64, Category.INT, is_signed=False)
float8_e4m3fn = dtype("float8_e4m3fn", ml_dtypes.float8_e4m3fn, Category.FLOAT)
float8_e4m3fnuz = dtype("float8_e4m3fnuz", ml_dtypes.float8_e4m3fnuz, Category.FLOAT)
float8_e5m2 = dtype("float8_e5m2", ml_dtypes.float8_e5m2, Category.FLOAT)
float8_e5m2fnuz = dtype("float8_e5m2fnuz", ml_dtypes.float8_e5m2fnuz, Category.FLOAT)
float8_e8m0fnu = dtype("float8_e8m0fnu", ml_dtypes.float8_e8m0fnu, Category.FLOAT, is_signed=False)

ALL: Final = (
    bool_, uint8, int8, int16, int32, int64, bfloat16, float16, float32, float64, complex64, complex128,
)  # fmt: skip
FOR_STORING: Final = (
    uint16, uint32, uint64, float8_e4m3fn, float8_e4m3fnuz, float8_e5m2, float8_e5m2fnuz, float8_e8m0fnu,
)  # fmt: skip
_REAL_OF = {complex64: float32, complex128: float64}
_COMPLEX_OF = {float16: complex64, bfloat16: complex64, float32: complex64, float64: complex128}
_BY_NAME = {d.name: d for d in (*ALL, *FOR_STORING)}
# Keyed by NumPy's dtype objects, which hash and compare by value: byte-swapped or unknown ones miss.
OF_NUMPY: Final[dict[NumpyDType, dtype]] = {d.numpy: d for d in (*ALL, *FOR_STORING)}

F16, F32, F64, BF16 = float16.numpy, float32.numpy, float64.numpy, bfloat16.numpy
C64, C128 = complex64.numpy, complex128.numpy
I64, BOOL = int64.numpy, bool_.numpy
FLOATS: Final = frozenset((F16, F32, F64, BF16))
COMPLEXES: Final = frozenset((C64, C128))
INEXACT: Final = FLOATS | COMPLEXES
LOW_PRECISION: Final = frozenset((F16, BF16))


def by_name(name: str) -> dtype:
    """The dtype called ``name`` (as in ``"float32"``); raises ``AttributeError`` for another name."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise AttributeError(
            f"dtype: no data type is called {name!r}; there are {', '.join(_BY_NAME)}"
        ) from None


# How PyTorch's messages, and the names of its tensor types, call the dtypes.
TYPE_NAMES: Final = {
    "bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long",
    "bfloat16": "BFloat16", "float16": "Half", "float32": "Float", "float64": "Double",
    "complex64": "ComplexFloat", "complex128": "ComplexDouble", "uint16": "UInt16", "uint32": "UInt32",
    "uint64": "UInt64", "float8_e4m3fn": "Float8_e4m3fn", "float8_e4m3fnuz": "Float8_e4m3fnuz",
    "float8_e5m2": "Float8_e5m2", "float8_e5m2fnuz": "Float8_e5m2fnuz", "float8_e8m0fnu": "Float8_e8m0fnu",
}  # fmt: skip


def from_numpy_dtype(numpy_dtype: NumpyDType) -> dtype:
    """The dtype for a NumPy one; raises ``TypeError`` where PyTorch has no such type either."""
    found = OF_NUMPY.get(numpy_dtype)
    if found is None:
        allowed = ", ".join(d.name for d in ALL)
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{numpy_dtype.type.__name__}. The only supported types are: {allowed}."
        )
    return found


def category_of(numpy_dtype: NumpyDType) -> Category:
    return OF_NUMPY[numpy_dtype].category


def _promote(a: dtype, b: dtype) -> dtype:
    if a is b:
        return a
    if a.category != b.category:
        high, low = (a, b) if a.category > b.category else (b, a)
        # A complex result must hold a double operand's precision; every other pair takes the higher category as it is.
        if high is complex64 and low is float64:
            return complex128
        return high
    if a.category is Category.INT and a.is_signed != b.is_signed:  # uint8 with a signed type
        signed = a if a.is_signed else b
        return int16 if signed is int8 else signed
    if {a, b} == {float16, bfloat16}:
        return float32
    return a if a.itemsize >= b.itemsize else b


class _Promotions(dict[tuple[NumpyDType, NumpyDType], NumpyDType]):
    """The common dtypes; asking for a pair that has none is PyTorch's error."""

    def __missing__(self, pair: tuple[NumpyDType, NumpyDType]) -> NumpyDType:
        a, b = [OF_NUMPY[each] for each in pair]
        kind = "Float8 Types" if "float8" in a.name + b.name else "uint16, uint32, uint64 types"
        raise RuntimeError(
            f"Promotion for {kind} is not supported, attempted to promote {TYPE_NAMES[a.name]} and {TYPE_NAMES[b.name]}"
        )


PROMOTED: Final = _Promotions({(a.numpy, b.numpy): _promote(a, b).numpy for a in ALL for b in ALL})
for _a in FOR_STORING:
    PROMOTED[_a.numpy, _a.numpy] = _a.numpy
    if _a.category is Category.INT:  # with a floating-point type they give that type
        for _b in (bfloat16, float16, float32, float64):
            PROMOTED[_a.numpy, _b.numpy] = PROMOTED[_b.numpy, _a.numpy] = _b.numpy

_default: ContextVar[dtype] = ContextVar("default_dtype", default=float32)


def get_default_dtype() -> dtype:
    """The dtype of new floating-point tensors: ``float32`` unless changed in this context."""
    return _default.get()


def set_default_dtype(d: dtype) -> None:
    """Make ``d`` the dtype of new floating-point tensors in this context; it must be a floating-point one."""
    if not isinstance(d, dtype):
        raise TypeError(f"invalid dtype object: {d!r}; give one such as torch.float64")
    if not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {d}")
    _default.set(d)


def default_numpy() -> NumpyDType:
    return _default.get().numpy


def default_complex_numpy() -> NumpyDType:
    return _default.get().to_complex().numpy


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest dtype that holds both, by PyTorch's rules (integers with floats give the float's type).

    Example:
        >>> import rushlight as torch
        >>> torch.promote_types(torch.int32, torch.float16)
        torch.float16
    """
    if not isinstance(type1, dtype) or not isinstance(type2, dtype):
        raise TypeError(f"promote_types: expected two dtypes, got {type1!r} and {type2!r}")
    return OF_NUMPY[PROMOTED[type1.numpy, type2.numpy]]


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether a result of dtype ``from_`` may be written into ``to``: never down the ladder
    complex → float → int → bool."""
    if not isinstance(from_, dtype) or not isinstance(to, dtype):
        raise TypeError(f"can_cast: expected two dtypes, got {from_!r} and {to!r}")
    return from_.category <= to.category


def scalar_dtype(value: object, tensor_dtype: NumpyDType) -> NumpyDType:
    """The common dtype of a tensor and a Python number, which counts only through its category."""
    category = OF_NUMPY[tensor_dtype].category
    if isinstance(value, bool | np.bool_):
        return tensor_dtype
    if isinstance(value, int | np.integer):
        return I64 if category is Category.BOOL else tensor_dtype
    if isinstance(value, float | np.floating):
        return tensor_dtype if category >= Category.FLOAT else default_numpy()
    if category is Category.COMPLEX:
        return tensor_dtype
    if category is Category.FLOAT:
        return OF_NUMPY[tensor_dtype].to_complex().numpy
    return default_complex_numpy()


def natural_dtype(value: object) -> NumpyDType:
    """The dtype that a Python number has on its own."""
    if isinstance(value, bool | np.bool_):
        return BOOL
    if isinstance(value, int | np.integer):
        return I64
    if isinstance(value, complex) and not isinstance(value, float):
        return default_complex_numpy()
    return default_numpy()


def finfo_eps(numpy_dtype: NumpyDType) -> float:
    """The distance from 1 to the next larger number of a floating-point dtype."""
    return float(ml_dtypes.finfo(numpy_dtype).eps)  # type: ignore[no-untyped-call]
