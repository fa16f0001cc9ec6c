"""A stand-in for CuPy on a machine without a GPU: its arrays live in NumPy's memory, and its manners are CuPy's.

It is strict. It has only what CuPy 14 has (``test_pretend_cupy.py`` compares names and signatures where the real package can
be imported), refuses what CuPy refuses (conversion to NumPy without ``get``, NumPy arrays among the operands of a ufunc,
ufuncs' ``reduce`` and ``at``, ``subok``, dtypes that its functions lack), and gives arrays of 0 dimensions where NumPy gives
scalars.
What runs with it uses nothing that CuPy lacks; that the GPU computes the same numbers is for tests on a GPU.

``install()`` puts it in the place of ``cupy`` and ``cupyx`` in ``sys.modules``.
"""

from __future__ import annotations

import builtins
import functools
import sys
from typing import Any

import cupy_ufuncs
import ml_dtypes
import numpy as np
import pretend_cuda as pretend_cuda
import pretend_libraries
from pretend_cuda import (
    COMPUTE_TYPES as COMPUTE_TYPES,
    KERNELS as KERNELS,
    POOL as POOL,
    CUDARuntimeError as CUDARuntimeError,
    Device as Device,
    Memory,
    OutOfMemoryError as OutOfMemoryError,
    RawKernel as RawKernel,
    RawModule as RawModule,
    core as _core,
    cuda as cuda,
    current_device,
    empty_pinned,
    get_default_memory_pool as get_default_memory_pool,
    get_default_pinned_memory_pool as get_default_pinned_memory_pool,
    libs,
    module,
    runtime as runtime,
)

__version__ = "14.2.0"
# NumPy's `any` and `all` stand in this module under their own names.
_any, _all = builtins.any, builtins.all
_SCALARS = (bool, int, float, complex, np.generic)


class _Flags:
    def __init__(self, flags: Any, owns: bool) -> None:
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, owns

    @property
    def fnc(self) -> bool:
        return self.f_contiguous and not self.c_contiguous

    @property
    def forc(self) -> bool:
        return self.f_contiguous or self.c_contiguous


class _Pointer:
    def __init__(self, array: Any, memory: Memory) -> None:
        self.ptr = array.__array_interface__["data"][0]
        self.mem = memory
        self.device_id = memory.device_id
        self.device = Device(memory.device_id)


def _host(value: Any, name: str = "") -> Any:
    """``value`` with NumPy arrays for the stand-in's, for use by NumPy itself; NumPy's own arrays are refused."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, tuple | list):
        return type(value)([_host(item) for item in value])
    return value


def _wrapped(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return _fresh(np.asarray(value))
    if isinstance(value, tuple | list):
        return type(value)([_wrapped(item) for item in value])
    return value


def _fresh(host: np.ndarray[Any, Any]) -> ndarray:
    """A device array of its own memory, in the layout of ``host``."""
    own = host if host.base is None and host.flags.owndata and host.flags.writeable else host.copy(order="K")
    return _make(own, Memory(own.nbytes, current_device()), None)


def _make(host: Any, memory: Memory, base: Any) -> ndarray:
    array = object.__new__(ndarray)
    array._host = host
    array._memory = memory
    array.base = base
    return array


class ndarray:
    """``cupy.ndarray``, in NumPy's memory."""

    __slots__ = ("__weakref__", "_host", "_memory", "base")
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self, shape: Any, dtype: Any = float, memptr: Any = None, strides: Any = None, order: str = "C"
    ) -> None:
        if strides is not None and memptr is None:
            raise ValueError("memptr is required if strides is given.")
        self._host = np.empty(shape, dtype, order)  # type: ignore[call-overload]
        self._memory = Memory(self._host.nbytes, current_device())
        self.base = None

    # --- what it is -----------------------------------------------------------------------------------------------

    shape = property(lambda self: self._host.shape)
    strides = property(lambda self: self._strides())
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    dtype = property(lambda self: self._host.dtype)
    itemsize = property(lambda self: self._host.itemsize)
    nbytes = property(lambda self: self._host.nbytes)
    flags = property(lambda self: _Flags(self._host.flags, self.base is None))
    data = property(lambda self: _Pointer(self._host, self._memory))
    device = property(lambda self: Device(self._memory.device_id))

    def _strides(self) -> Any:
        return self._host.strides

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        interface = dict(self._host.__array_interface__)
        return {"shape": self.shape, "typestr": self.dtype.str, "data": interface["data"], "version": 3}

    # --- what it refuses and how it gets back ---------------------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array "
            "explicitly."
        )

    def get(
        self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True
    ) -> np.ndarray[Any, Any]:
        if out is not None:
            if not isinstance(out, np.ndarray) or out.dtype != self.dtype or out.shape != self.shape:
                raise TypeError("out: an array of another type or shape")
            out[...] = self._host
            return out
        return self._host.copy(
            order="F" if order == "A" and self._host.flags.fnc else order.replace("A", "C")
        )

    def set(self, arr: Any, stream: Any = None) -> None:
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if self.dtype != arr.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if self.shape != arr.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not (self.flags.c_contiguous or self.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        self._host[...] = arr

    def item(self) -> Any:
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self._host.item()

    def tolist(self) -> Any:
        return self._host.tolist()

    def __bool__(self) -> bool:
        return bool(self._host)

    def __int__(self) -> int:
        return int(self._host)

    def __float__(self) -> float:
        return float(self._host)

    def __complex__(self) -> complex:
        return complex(self._host)

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return repr(self._host)

    # --- views ----------------------------------------------------------------------------------------------------

    def _part(self, host: Any) -> ndarray:
        return _make(host, self._memory, self if self.base is None else self.base)

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> ndarray:
        target = shape[0] if len(shape) == 1 else shape
        result = self._host.reshape(target, order=order, copy=copy)
        shares = result.size == 0 or np.may_share_memory(result, self._host)
        return self._part(result) if shares else _fresh(result)

    def transpose(self, *axes: Any) -> ndarray:
        return self._part(self._host.transpose(*axes))

    T = property(lambda self: self if self.ndim < 2 else self._part(self._host.T))

    def swapaxes(self, axis1: int, axis2: int) -> ndarray:
        return self._part(self._host.swapaxes(axis1, axis2))

    def squeeze(self, axis: Any = None) -> ndarray:
        return self._part(self._host.squeeze(axis))

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> ndarray:
        result = self._host.diagonal(offset, axis1, axis2)
        result.flags.writeable = True
        return self._part(result)

    def ravel(self, order: str = "C") -> ndarray:
        return self.reshape(-1, order=order)

    def flatten(self) -> ndarray:
        return _fresh(self._host.flatten())

    def view(self, dtype: Any = None) -> ndarray:
        if dtype is None:
            return self._part(self._host.view())
        size = np.dtype(dtype).itemsize
        if size != self.itemsize:
            if self.ndim == 0:
                raise ValueError(
                    "Changing the dtype of a 0d array is only supported if the itemsize is unchanged"
                )
            if not self.flags.c_contiguous:
                raise ValueError("To change to a dtype of a different size, the array must be C-contiguous")
        return self._part(self._host.view(dtype))

    @property
    def real(self) -> ndarray:
        return self._part(self._host.real) if self.dtype.kind == "c" else self

    @real.setter
    def real(self, value: Any) -> None:
        self._host.real[...] = _host(value)

    @property
    def imag(self) -> ndarray:
        return self._part(self._host.imag) if self.dtype.kind == "c" else _fresh(np.zeros_like(self._host))

    @imag.setter
    def imag(self, value: Any) -> None:
        self._host.imag[...] = _host(value)

    def __getitem__(self, index: Any) -> ndarray:
        _check_index(index)
        host_index = _index_on_host(index, self.shape)
        result = self._host[host_index]
        if _is_basic(index):
            if not isinstance(result, np.ndarray):
                result = self._host[(*(host_index if isinstance(host_index, tuple) else (host_index,)), ...)]
            return self._part(result)
        return _fresh(np.asarray(result))

    def __setitem__(self, index: Any, value: Any) -> None:
        _check_index(index)
        if isinstance(value, np.ndarray):
            if value.ndim or not _is_basic(index):
                raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
            value = value.item()
        elif not isinstance(value, (ndarray, *_SCALARS)):
            raise TypeError(f"Unsupported type {type(value)}")
        source = _host(value)
        with np.errstate(all="ignore"):
            if (
                isinstance(source, np.ndarray)
                and source.ndim > self._host[_index_on_host(index, self.shape)].ndim
            ):
                raise ValueError("shape mismatch: CuPy does not drop leading dimensions here")
            self._host[_index_on_host(index, self.shape)] = source

    # --- elements -------------------------------------------------------------------------------------------------

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True
    ) -> ndarray:
        if casting is not None:
            raise TypeError("casting is not supported yet")
        if subok is not None:
            raise TypeError("subok is not supported yet")
        kind = np.dtype(dtype)
        if not copy and kind == self.dtype and order in ("K", "A"):
            return self
        with np.errstate(all="ignore"):
            return _fresh(self._host.astype(kind, order=order))

    def copy(self, order: str = "C") -> ndarray:
        if self._memory.device_id != current_device() and not (
            self.flags.c_contiguous or self.flags.f_contiguous
        ):
            raise NotImplementedError("CuPy cannot copy non-contiguous array between devices.")
        return _fresh(self._host.copy(order=order))  # on the current device

    def fill(self, value: Any) -> None:
        if isinstance(value, np.ndarray):
            if value.shape:
                raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
            value = value.item()
        self._host.fill(_host(value))

    def sort(self, axis: int = -1) -> None:
        if not self.flags.c_contiguous or self.base is not None:
            raise NotImplementedError("Sorting non-contiguous array is not supported.")
        self._host.sort(axis, kind="stable")

    def argsort(self, axis: int | None = -1) -> ndarray:
        return _fresh(self._host.argsort(axis, kind="stable"))

    def take(self, indices: Any, axis: int | None = None, out: Any = None) -> ndarray:
        # CuPy wraps what is out of range, so a program that relies on an error here is wrong on a GPU.
        return _fresh(np.asarray(self._host.take(_host(indices), axis, mode="wrap")))

    def put(self, indices: Any, values: Any, mode: str = "wrap") -> None:
        self._host.put(_host(indices), _host(values), mode)

    def repeat(self, repeats: Any, axis: int | None = None) -> ndarray:
        return _fresh(self._host.repeat(_host(repeats), axis))

    def nonzero(self) -> tuple[ndarray, ...]:
        return tuple([_fresh(part) for part in self._host.nonzero()])

    def clip(self, min: Any = None, max: Any = None, out: Any = None) -> ndarray:
        return _fresh(np.asarray(self._host.clip(_host(min), _host(max))))

    def dot(self, b: Any, out: Any = None) -> ndarray:
        return _fresh(np.asarray(self._host.dot(_host(b))))

    def scatter_add(self, slices: Any, value: Any) -> None:
        self._atomic("add", np.add, slices, value)

    def scatter_max(self, slices: Any, value: Any) -> None:
        self._atomic("max", np.fmax, slices, value)  # fmax passes over nan, as the GPU's function does

    def scatter_min(self, slices: Any, value: Any) -> None:
        self._atomic("min", np.fmin, slices, value)

    def _atomic(self, name: str, ufunc: Any, slices: Any, value: Any) -> None:
        if self.dtype.char not in ("efdiILQ" if name == "add" else "fdiILQ"):
            raise TypeError(
                f"scatter_{name} only supports float and unsigned or 32-bit integers, not {self.dtype}"
            )
        _check_index(slices)
        ufunc.at(self._host, _index_on_host(slices, self.shape), _host(value))

    # --- NumPy's protocols ----------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function = _UFUNCS.get(ufunc.__name__)
        if method != "__call__" or function is None:
            return NotImplemented
        inputs_and_out = inputs
        if "out" in kwargs:
            if len(kwargs["out"]) != 1:
                raise ValueError("The 'out' parameter must have exactly one array value")
            inputs_and_out = (*inputs, *kwargs["out"])
            kwargs["out"] = kwargs["out"][0]
        for value in inputs_and_out:
            if not isinstance(value, (ndarray, np.ndarray, *_SCALARS)):
                return NotImplemented
        if ufunc.__name__ in ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal"):
            inputs = tuple([x.item() if isinstance(x, np.ndarray) and x.ndim == 0 else x for x in inputs])
        return function(*inputs, **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        module: Any = _SELF
        try:
            for part in func.__module__.split(".")[1:]:
                module = getattr(module, part)
            own = getattr(module, func.__name__)
        except AttributeError:
            return NotImplemented
        if own is func or _any(kind not in (ndarray, np.ndarray) for kind in types):
            return NotImplemented
        return own(*args, **kwargs)


def _operator(name: str, ufunc: str, reflected: bool = False) -> Any:
    def method(self: ndarray, other: Any) -> Any:
        if not isinstance(other, (ndarray, np.ndarray, *_SCALARS)):
            return NotImplemented
        function = _UFUNCS[ufunc]
        return function(other, self) if reflected else function(self, other)

    method.__name__ = name
    return method


for _name, _ufunc in {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
    "lshift": "left_shift", "rshift": "right_shift", "matmul": "matmul",
}.items():  # fmt: skip
    setattr(ndarray, f"__{_name}__", _operator(_name, _ufunc))
    setattr(ndarray, f"__r{_name}__", _operator(_name, _ufunc, True))
    if _name != "matmul":

        def _inplace(self: ndarray, other: Any, ufunc: str = _ufunc) -> ndarray:
            return _UFUNCS[ufunc](self, other, out=self)  # type: ignore[no-any-return]

        setattr(ndarray, f"__i{_name}__", _inplace)
for _name, _ufunc in {
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal",
}.items():  # fmt: skip
    setattr(ndarray, f"__{_name}__", _operator(_name, _ufunc))
for _name, _ufunc in {"neg": "negative", "abs": "absolute", "invert": "invert", "pos": "positive"}.items():
    setattr(ndarray, f"__{_name}__", lambda self, ufunc=_ufunc: _UFUNCS[ufunc](self))
for _name in ("sum", "prod", "mean", "max", "min", "argmax", "argmin", "all", "any", "cumsum", "cumprod", "var", "std",
              "conj", "conjugate", "round", "trace"):  # fmt: skip
    setattr(
        ndarray,
        _name,
        lambda self, *args, _name=_name, **kwargs: getattr(_SELF, _name)(self, *args, **kwargs),
    )


# --- indices ----------------------------------------------------------------------------------------------------------


def _check_index(index: Any) -> None:
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, np.ndarray) and part.ndim and part.dtype.kind not in "iub":
            raise IndexError("arrays used as indices must be of integer or boolean type.")


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return _all(
        part is None
        or part is Ellipsis
        or (isinstance(part, slice | int | np.integer) and not isinstance(part, bool))
        for part in parts
    )


def _index_on_host(index: Any, shape: Any) -> Any:
    if isinstance(index, tuple):
        return tuple([part._host if isinstance(part, ndarray) else part for part in index])
    return index._host if isinstance(index, ndarray) else index


# --- ufuncs -----------------------------------------------------------------------------------------------------------

_MISSING_UFUNCS = {"isnat", "matvec", "spacing", "vecdot", "vecmat"}


_KINDS = {"E": np.dtype(ml_dtypes.bfloat16)}


def _result_kinds(name: str, loops: tuple[str, ...] | None, hosts: list[Any]) -> list[Any] | None:
    """The dtypes of the results: of the first loop that takes operands of these dtypes, as CuPy chooses."""
    if loops is None:
        return None
    arrays = [host.dtype for host in hosts if isinstance(host, np.ndarray)]
    kinds = [host.dtype if isinstance(host, np.ndarray) else np.result_type(*arrays, host) for host in hosts]
    for loop in loops:
        given, _, results = loop.partition("->")
        if len(given) == len(kinds) and _all(
            np.can_cast(k, _KINDS.get(g, g)) for k, g in zip(kinds, given, strict=True)
        ):
            return [_KINDS.get(result, result) for result in results]
    raise TypeError(f"Wrong type ({', '.join(map(str, kinds))}) of arguments for cupy_{name}")


def _make_ufunc(ufunc: Any, known: str) -> Any:
    loops = cupy_ufuncs.CUPY.get(known)

    @functools.wraps(ufunc, assigned=("__name__", "__doc__"), updated=())
    def function(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if len(args) > ufunc.nin:
            *args, out = args  # type: ignore[assignment]
        unknown = set(kwargs) - {"dtype", "casting"}
        if unknown:
            raise TypeError(f"{ufunc.__name__}() got an unexpected keyword argument {unknown}")
        hosts = []
        for arg in args:
            if isinstance(arg, ndarray):
                hosts.append(arg._host)
            elif isinstance(arg, _SCALARS):
                hosts.append(arg)
            else:
                raise TypeError(f"Unsupported type {type(arg)}")
        if isinstance(out, tuple):
            (out,) = out
        with np.errstate(all="ignore"):
            kinds = _result_kinds(ufunc.__name__, loops, hosts) if "dtype" not in kwargs else None
            if out is not None:
                if not isinstance(out, ndarray):
                    raise TypeError(f"return arrays must be of ArrayType, not {type(out)}")
                ufunc(*hosts, out=out._host, **kwargs)
                return out
            result = ufunc(*hosts, **kwargs)
            if kinds is not None:
                parts = result if isinstance(result, tuple) else (result,)
                parts = [np.asarray(part).astype(kind) for part, kind in zip(parts, kinds, strict=True)]
                result = tuple(parts) if isinstance(result, tuple) else parts[0]
            return _wrapped(result)

    return function


_UFUNCS: dict[str, Any] = {}
for _name in dir(np):
    _function = getattr(np, _name)
    if isinstance(_function, np.ufunc) and _name not in _MISSING_UFUNCS:
        _UFUNCS[_name] = _UFUNCS.setdefault(_function.__name__, _make_ufunc(_function, _name))
        globals()[_name] = _UFUNCS[_name]


# --- functions --------------------------------------------------------------------------------------------------------


def _forward(name: str, signature: str, function: Any = None) -> None:
    """``cupy.name`` with the given parameters, computed by NumPy's function of that name."""
    numpy_function = function or getattr(np, name)
    names = [part.strip() for part in signature.split(",")]
    starred = _any(part.startswith("*") and len(part) > 1 for part in names)
    positional, allowed, after = [], set(), False
    for part in names:
        if part == "*":
            after = True
            continue
        allowed.add(part)
        if not after:
            positional.append(part)

    def call(*args: Any, **kwargs: Any) -> Any:
        if not starred:
            if len(args) > len(positional):
                raise TypeError(
                    f"{name}() takes {len(positional)} positional arguments but {len(args)} were given"
                )
            kwargs.update(zip(positional, args, strict=False))
            unknown = set(kwargs) - allowed
            if unknown:
                raise TypeError(f"{name}() got an unexpected keyword argument {sorted(unknown)[0]!r}")
        out = kwargs.pop("out", None)
        first = [*args, *kwargs.values()] if starred else list(kwargs.values())
        if (
            _any(isinstance(value, ndarray) and value.dtype.kind == "V" for value in first)
            and name in _ARITHMETIC
        ):
            raise TypeError(f"{name}: bfloat16 is not supported")
        with np.errstate(all="ignore"):
            if starred:
                result = numpy_function(*_host(args), **{k: _host(v) for k, v in kwargs.items()})
            else:
                ordered = [_host(kwargs.pop(key)) for key in _leading(positional, kwargs)]
                result = numpy_function(*ordered, **{k: _host(v) for k, v in kwargs.items()})
        if out is not None:
            out._host[...] = result
            return out
        return _wrapped(result)

    call.__name__ = call.__qualname__ = name
    call.parameters = names  # type: ignore[attr-defined]
    globals()[name] = call
    FORWARDED.append(name)


def _leading(positional: list[str], kwargs: dict[str, Any]) -> list[str]:
    """The parameters that were given without a gap: NumPy may call them otherwise than CuPy."""
    given = []
    for key in positional:
        if key not in kwargs or (key == "out"):
            break
        given.append(key)
    return given


_ARITHMETIC = {"mean", "argmax", "argmin", "cumsum", "cumprod", "var", "std", "einsum", "tensordot", "dot"}  # fmt: skip
FORWARDED: list[str] = []
for _name, _signature in {
    "sum": "a, axis, dtype, out, keepdims", "prod": "a, axis, dtype, out, keepdims",
    "mean": "a, axis, dtype, out, keepdims", "amax": "a, axis, out, keepdims", "amin": "a, axis, out, keepdims",
    "max": "a, axis, out, keepdims", "min": "a, axis, out, keepdims", "all": "a, axis, out, keepdims",
    "any": "a, axis, out, keepdims", "count_nonzero": "a, axis", "cumsum": "a, axis, dtype, out",
    "cumprod": "a, axis, dtype, out", "var": "a, axis, dtype, out, ddof, keepdims",
    "std": "a, axis, dtype, out, ddof, keepdims", "concatenate": "tup, axis, out, *, dtype, casting",
    "stack": "tup, axis, out, *, dtype, casting", "where": "condition, x, y", "take": "a, indices, axis, out",
    "take_along_axis": "a, indices, axis", "roll": "a, shift, axis", "tril": "m, k", "triu": "m, k",
    "dot": "a, b, out", "tensordot": "a, b, axes", "einsum": "*operands", "nonzero": "a", "pad": "*array",
    "tile": "A, reps", "round": "a, decimals, out", "clip": "a, a_min, a_max, out",
    "linspace": "start, stop, num, endpoint, retstep, dtype, axis",
    "isclose": "a, b, rtol, atol, equal_nan", "nan_to_num": "x, copy, nan, posinf, neginf", "outer": "a, b, out",
    "flatnonzero": "a", "trace": "a, offset, axis1, axis2, dtype, out",
    "unique": "ar, return_index, return_inverse, return_counts, axis, *, equal_nan",
}.items():  # fmt: skip
    _forward(_name, _signature)


def _argument(name: str) -> Any:
    def function(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        # NumPy's own second parameter is `out`: what it gets there by position must not be taken for a dtype.
        result = getattr(np, name)(_host(a), axis, keepdims=keepdims)
        return _wrapped(result if dtype is None else result.astype(dtype))

    function.__name__ = name
    return function


argmax, argmin = _argument("argmax"), _argument("argmin")


def _view_function(name: str) -> Any:
    numpy_function = getattr(np, name)

    def function(a: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(a, ndarray):
            raise TypeError(f"{name}: expected a cupy.ndarray, not {type(a)}")
        result = numpy_function(a._host, *args, **kwargs)
        if result.flags.writeable is False:  # NumPy's broadcast_to and diagonal
            result.flags.writeable = True
        shares = result.size == 0 or np.may_share_memory(result, a._host)
        return a._part(result) if shares else _fresh(result)

    function.__name__ = name
    return function


for _name in ("expand_dims", "squeeze", "reshape", "transpose", "swapaxes", "moveaxis", "broadcast_to", "ravel", "flip",
              "diagonal"):  # fmt: skip
    globals()[_name] = _view_function(_name)


def broadcast_arrays(*args: Any) -> list[Any]:
    shape = np.broadcast_shapes(*[a.shape for a in args])
    return [globals()["broadcast_to"](a, shape) for a in args]


def _on_device(maker: Any) -> Any:
    def function(*args: Any, **kwargs: Any) -> ndarray:
        if "subok" in kwargs and kwargs.pop("subok") is not None:
            raise TypeError("subok is not supported yet")
        shape_or_like = _host(args[0])
        return _fresh(
            maker(shape_or_like, *[_host(a) for a in args[1:]], **{k: _host(v) for k, v in kwargs.items()})
        )

    function.__name__ = maker.__name__
    return function


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return _fresh(np.full(shape, 77, dtype, order))  # type: ignore[call-overload]


def zeros(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return _fresh(np.zeros(shape, dtype, order))  # type: ignore[call-overload]


def ones(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return _fresh(np.ones(shape, dtype, order))  # type: ignore[call-overload]


def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> ndarray:
    return _fresh(np.full(shape, _host(fill_value), dtype, order))  # type: ignore[call-overload]


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> ndarray:
    return _fresh(np.arange(start, dtype=dtype) if stop is None else np.arange(start, stop, step, dtype))


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = float, order: str = "C") -> ndarray:
    return _fresh(np.eye(N, M, k, dtype))


zeros_like, ones_like, empty_like = (
    _on_device(np.zeros_like),
    _on_device(np.ones_like),
    _on_device(np.empty_like),
)
full_like = _on_device(np.full_like)


def array(
    obj: Any, dtype: Any = None, copy: bool = True, order: str = "K", subok: bool = False, ndmin: int = 0, *,
    blocking: bool = False,
) -> ndarray:  # fmt: skip
    if isinstance(obj, ndarray):
        if not copy and (dtype is None or obj.dtype == dtype):
            return obj
        return _fresh(obj._host.astype(dtype or obj.dtype, order=order))
    return _fresh(np.array(obj, dtype, order=order, ndmin=ndmin))  # type: ignore[call-overload]


def asarray(
    a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, blocking: bool = False
) -> ndarray:
    return array(a, dtype, bool(copy), order or "K")


def ascontiguousarray(a: Any, dtype: Any = None) -> ndarray:
    if isinstance(a, ndarray) and a.flags.c_contiguous and (dtype is None or a.dtype == dtype):
        return a
    return _fresh(np.ascontiguousarray(a._host if isinstance(a, ndarray) else a, dtype).copy())


def asnumpy(a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True) -> Any:
    return a.get(stream, order, out) if isinstance(a, ndarray) else np.asarray(a, order=order)  # type: ignore[call-overload]


def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = None) -> None:
    if not isinstance(dst, ndarray) or isinstance(src, np.ndarray):
        raise TypeError(f"copyto: {type(dst)} and {type(src)}")
    np.copyto(dst._host, _host(src), casting, True if where is None else _host(where))


def put_along_axis(arr: Any, indices: Any, values: Any, axis: int) -> None:
    np.put_along_axis(arr._host, _host(indices), _host(values), axis)


def may_share_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    return isinstance(a, ndarray) and isinstance(b, ndarray) and np.may_share_memory(a._host, b._host)


shares_memory = may_share_memory


def result_type(*arrays_and_dtypes: Any) -> Any:
    return np.result_type(*[a.dtype if isinstance(a, ndarray) else a for a in arrays_and_dtypes])


def ndim(a: Any) -> int:
    return np.ndim(_host(a))


def shape(a: Any) -> Any:
    return np.shape(_host(a))


def size(a: Any, axis: int | None = None) -> int:
    return np.size(_host(a), axis)


def iscomplexobj(x: Any) -> bool:
    return bool(x.dtype.kind == "c")


def get_arraymodule(*args: Any) -> Any:
    return _SELF if _any(isinstance(a, ndarray) for a in args) else np


def as_strided(x: Any, shape: Any = None, strides: Any = None) -> ndarray:
    return x._part(np.lib.stride_tricks.as_strided(x._host, shape, strides))  # type: ignore[no-any-return]


lib = module(
    "cupy.lib",
    stride_tricks=module("cupy.lib.stride_tricks", as_strided=as_strided),
    _shape_base_impl=module("cupy.lib._shape_base_impl"),
)


_SELF = sys.modules[__name__]
linalg, fft = pretend_libraries.linalg(ndarray, _wrapped, _host), pretend_libraries.fft(_wrapped, _host)
sort, argsort, lexsort, searchsorted, bincount, repeat = pretend_libraries.orders(ndarray, _wrapped)
cupyx = module(
    "cupyx",
    scatter_add=lambda a, slices, value: a.scatter_add(slices, value),
    scatter_max=lambda a, slices, value: a.scatter_max(slices, value),
    scatter_min=lambda a, slices, value: a.scatter_min(slices, value),
    empty_pinned=empty_pinned,
    errstate=pretend_libraries.errstate,
    scipy=pretend_libraries.scipy(ndarray, _wrapped, _host, _result_kinds),
)


def install() -> None:
    """Make ``import cupy`` and ``import cupyx`` give this module."""
    sys.modules.update({"cupy": _SELF, "cupyx": cupyx, "cupy_backends.cuda.libs": libs})
    for name in ("scipy", "scipy.linalg", "scipy.special"):
        sys.modules[f"cupyx.{name}"] = functools.reduce(getattr, name.split("."), cupyx)
    for name, found in {
        "cuda": cuda,
        "cuda.runtime": runtime,
        "linalg": linalg,
        "fft": fft,
        "_core": _core,
    }.items():
        sys.modules[f"cupy.{name}"] = found
