"""The ``meta`` device: tensors that have everything but values."""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy as np

from ..core.device import CPU, OF_ARRAYS, device
from ..core.dtypes import F32, LOW_PRECISION
from ..core.generator import Generator
from ..core.storage import LIBRARY
from .meta_arrays import NO_DATA, MetaArray, made
from .meta_results import function_results, needs_values, pointwise_results, recurrent_results
from .window_shapes import conv_output_shape

META: Final = device("meta")
# Records whose operands, from this position on, may be index tensors of the CPU.
_INDEXED: Final[dict[str, int]] = {
    **dict.fromkeys(
        ("index", "index_put", "gather", "index_select", "take", "embedding", "scatter", "index_add"), 1
    )
}

# Products of matrices, of one dtype.
_PRODUCTS: Final = frozenset(("mm", "bmm"))


def _convolved(x: Any, w: Any, attrs: dict[str, Any]) -> Any:
    if "output" in attrs:
        return (x[0], w[0], *attrs["output"])
    return conv_output_shape(x, w, attrs["stride"], attrs["padding"], attrs["dilation"], attrs["groups"])


# The shapes of large results, of which trying would take long.
_CONVOLUTIONS: Final[dict[str, Any]] = {
    "convolution": _convolved,
    "convolution_input_gradient": lambda g, w, attrs: (g[0], w[1] * attrs["groups"], *attrs["spatial"]),
    "convolution_weight_gradient": lambda g, x, attrs: (g[1], x[1] // attrs["groups"], *attrs["kernel"]),
}
# Records that put whole tensors side by side.
_TOGETHER: Final = frozenset(("cat", "stack"))


class MetaBackend:
    """What ``core.device`` asks about this device."""

    def ready(self, where: device) -> device:
        """The device, which needs no index."""
        return META

    def device_of(self, array: Any) -> device:
        """The device."""
        return META

    def place(self, array: Any, where: device) -> Any:
        """The array's shape, dtype and layout; a meta array itself."""
        if type(array) is MetaArray:
            return array
        if type(array) in OF_ARRAYS:
            return made(array.shape, array.dtype)
        array = np.asarray(array)
        return made(array.shape, array.dtype, array.strides if array.flags.forc else None)

    def to_host(self, array: Any) -> Any:
        """Raises ``NotImplementedError``: there are no values."""
        raise NotImplementedError(NO_DATA)

    def strided(self, array: Any, shape: Any, strides: Any) -> Any:
        """The view of the array's memory from its first element on."""
        return array.through(np.lib.stride_tricks.as_strided, tuple(shape), tuple(strides))

    def as_dtype(self, array: Any, dtype: Any) -> Any:
        """A new array of the same layout."""
        return array.astype(dtype)

    def block(self, array: Any) -> Any:
        """What tells the memory that an array is in from others: here every array is its own."""
        return id(array)

    def address(self, array: Any) -> int:
        """Where the elements would be, if they were anywhere."""
        real = array.memory if type(array) is MetaArray else array
        return int(real.__array_interface__["data"][0])

    def pointer(self, array: Any) -> int:
        """What ``data_ptr()`` gives: 0, as in PyTorch."""
        return 0

    def made(self, name: str, shape: Any, dtype: Any, where: device, value: Any = None) -> Any:
        """A new array."""
        return made(shape, dtype)

    def fill(self, array: Any, value: Any) -> None:
        """Nothing: there are no values."""

    def generator(self, where: device) -> Any:
        """One that draws nothing."""
        return GENERATOR


class MetaGenerator:
    """What random operations on this device draw from: nothing is drawn, and no generator's state changes."""

    device: Final = META
    elsewhere: Final = True

    def draw(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """The array, or tuple of arrays, that ``function`` of ``core.random_streams`` would give for these arguments."""
        scratch = Generator()
        if not any([type(value) is MetaArray for value in (*args, *kwargs.values())]):
            given = args[0] if args else ()
            shape = given if isinstance(given, tuple) else (given,)
            return made(shape, args[1] if len(args) > 1 and isinstance(args[1], np.dtype) else np.float32)

        def drawn(*args: Any, **kwargs: Any) -> Any:
            return function(scratch, *args, **kwargs)

        return function_results(drawn, args, kwargs, function.__name__)


class MetaMode:
    """What ``ops.dispatch`` calls for operands of which one is a meta array. ``pointwise``: the names of the records that
    take their operands element by element."""

    def __init__(self, pointwise: frozenset[str]) -> None:
        self.pointwise = pointwise

    def share(self, array: Any) -> Any:
        """The array itself: nothing is pending here."""
        return array

    def call(self, record: Any, arrays: Any, attrs: dict[str, Any]) -> Any:
        """The record's results. ``RuntimeError`` for operands of another device, except numbers and indices;
        ``NotImplementedError`` for results that depend on values."""
        name = record.name
        first = _INDEXED.get(name, len(arrays))
        pointwise = isinstance(record.impl, np.ufunc) or name in self.pointwise or name in _TOGETHER
        arrays = list(arrays)
        for position, array in enumerate(arrays):
            if isinstance(array, np.ndarray):
                # Like PyTorch, which looks at this where operands go together element by element.
                if array.ndim and (pointwise or position == 0) and _given_by_program(array):
                    raise _two_devices(CPU, META) if position else _two_devices(META, CPU)
                if not position:
                    arrays[0] = BACKEND.place(array, META)
            elif type(array) in OF_ARRAYS and type(array) is not MetaArray:
                raise _two_devices(OF_ARRAYS[type(array)].device_of(array), META)
        if record.value_dependent:
            raise needs_values(name)
        if first < len(arrays):
            for array in arrays[first:]:
                if type(array) is MetaArray and array.dtype.kind == "b":
                    raise needs_values("nonzero")
        if pointwise and name not in _TOGETHER and getattr(record.impl, "signature", None) is None:
            return pointwise_results(record.impl, tuple(arrays), attrs)
        if name in _PRODUCTS and not attrs and arrays[0].shape[-1] == arrays[1].shape[-2]:
            shape = (
                *np.broadcast_shapes(arrays[0].shape[:-2], arrays[1].shape[:-2]),
                arrays[0].shape[-2],
                arrays[1].shape[-1],
            )
            return made(shape, arrays[0].dtype)
        shape_of = _CONVOLUTIONS.get(name)
        if shape_of is not None and arrays[0].size > 2048:
            return made(shape_of(arrays[0].shape, arrays[1].shape, attrs), arrays[0].dtype)
        if name == "normalize" and arrays[0].size > 2048:
            x, rows = arrays[0], attrs["rows"]
            groups = (attrs["columns"] if rows is None else x.size // rows,)
            wide = F32 if x.dtype in LOW_PRECISION else x.dtype
            return made(x.shape, x.dtype), *[made(groups, wide) for _ in range(3)]
        if name == "normalize_gradient" and arrays[0].size > 2048:
            total, columns, wide = arrays[0], (attrs["columns"],), arrays[2].dtype
            return made(total.shape, total.dtype), made(columns, wide), made(columns, wide)
        impl = record.impl
        if "batch_sizes" in attrs:
            return recurrent_results(impl, tuple(arrays), attrs, name)
        try:
            return function_results(impl, tuple(arrays), attrs, name)
        except np.linalg.LinAlgError:
            raise RuntimeError(f"{name}: shapes do not go together") from None


def _given_by_program(array: Any) -> bool:
    """Whether the program itself brought this array, as an argument of what it called; the library's own constants are made
    where NumPy makes them."""
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and frame.f_back.f_code.co_filename.startswith(LIBRARY):
        frame = frame.f_back
    for value in frame.f_locals.values():
        for part in _parts(value, 3):
            if getattr(part, "_array", part) is array:
                return True
    return False


def _parts(value: Any, depth: int) -> list[Any]:
    if depth and (type(value) is tuple or type(value) is list):
        return [part for item in value for part in _parts(item, depth - 1)]
    if depth and type(value) is dict:
        return [part for item in value.values() for part in _parts(item, depth - 1)]
    return [value]


def _two_devices(one: device, other: device) -> RuntimeError:
    return RuntimeError(f"Tensor on device {one} is not on the expected device {other}!")


GENERATOR: Final = MetaGenerator()
BACKEND: Final = MetaBackend()
OF_ARRAYS[MetaArray] = BACKEND
