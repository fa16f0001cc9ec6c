"""Arrays that are not computed yet: what operations see instead of NumPy arrays while a recording is made.

A ``Pending`` stands where a NumPy array would: it has shape, dtype, strides and memory (allocated, not yet written). What
is asked of it in one of three ways decides what happens:

* views (``reshape``, ``transpose``, indexing with ints and slices) are views of the same memory, taken by NumPy itself;
* operations that a graph can hold (a primitive's record, a NumPy ufunc, a cast, an assignment) are appended to the tape;
* everything else needs values: the tape runs what it holds (``Tape.settle``), and NumPy goes on with the real array. So
  no question is ever answered from memory that was not written, and what the recorder does not know costs time only.
"""

from __future__ import annotations

import weakref
from _thread import get_ident
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..core.device import OF_ARRAYS, strided
from .laid_out import LaidOut

if TYPE_CHECKING:
    from .recording import Buffer, Tape

ndarray = np.ndarray
_new = object.__new__
_weak = weakref.ref
# What ``Tape.call`` answers for an operation that a graph can't hold.
NOT_RECORDED: Final = object()


class NeedsValues(Exception):
    """An array's values were asked for while its tape ``refuses`` them."""


class Pending(LaidOut):
    """An array of a recording. ``memory`` is the memory that it is or will be in, with its strides."""

    __slots__ = ("__weakref__", "buffer", "memory", "tape", "value")
    memory: Any
    buffer: Buffer  # the memory that ``memory`` is all or part of
    tape: Tape
    value: Any  # for parts: (node of the buffer, node of the part), as last read

    # --- what a NumPy array has -----------------------------------------------------------------------------------

    @property
    def base(self) -> Any:
        return None if self.memory is self.buffer.root else self.buffer.root

    # --- views ----------------------------------------------------------------------------------------------------

    def part(self, real: Any) -> Pending:
        """The view of this memory that ``memory``, a view of ``self.memory``, is."""
        part = _new(Pending)
        part.memory = real
        part.buffer = self.buffer
        part.tape = self.tape
        part.value = None
        return part

    def through(self, view: Any, *args: Any, **kwargs: Any) -> Any:
        """The part that ``view(array, ...)``, a function that makes views of NumPy arrays, makes of this one."""
        real = view(self.memory, *args, **kwargs)
        start, stop = address(self.buffer.root), self.buffer.root.nbytes
        first = address(real) - start
        last = first + sum([(n - 1) * s for n, s in zip(real.shape, real.strides, strict=True)])
        if real.size and (first < 0 or last >= stop):
            return view(self.tape.share(self), *args, **kwargs)  # reaches into memory beside this array
        return self.part(real)

    def reshape(self, *shape: Any, copy: bool | None = None, order: str = "C") -> Any:
        real = self.memory
        if len(shape) == 1 and not isinstance(shape[0], int | np.integer):
            shape = tuple(shape[0])
        if order != "C":
            return self.tape.settle(self).reshape(shape, copy=copy, order=order)
        if copy:
            return self.copy().reshape(shape)
        try:
            return self.part(real.reshape(shape, copy=False))
        except ValueError:
            if copy is False:
                raise
            return self.copy().reshape(shape)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        real = self.memory.diagonal(offset, axis1, axis2)
        if type(real) is ndarray:
            real.flags.writeable = True
        return self.part(real)

    def ravel(self, order: str = "C") -> Any:
        return self.reshape((-1,), order=order)

    def view(self, *args: Any) -> Any:
        if len(args) == 1:
            if args[0] == self.memory.dtype:
                return self.part(self.memory.view())
            if args[0] in _COMPLEX and self.memory.dtype.itemsize * 2 == np.dtype(args[0]).itemsize:
                return self.part(self.memory.view(args[0]))
        return self.tape.share(self).view(*args)

    @property
    def real(self) -> Any:
        return self.part(self.memory.real)

    @real.setter
    def real(self, value: Any) -> None:
        self.tape.write(self.real, value)

    @property
    def imag(self) -> Any:
        if self.memory.dtype not in _COMPLEX:
            return self.tape.share(self).imag
        return self.part(self.memory.imag)

    @imag.setter
    def imag(self, value: Any) -> None:
        self.tape.write(self.imag, value)

    def __getitem__(self, index: Any) -> Any:
        if _basic(index):
            real = self.memory[index]
            if type(real) is ndarray or type(real) in OF_ARRAYS:
                return self.part(real)
            return self.part(
                self.memory[(*index, ...) if type(index) is tuple and Ellipsis not in index else (index, ...)]
            )
        return self.tape.settle(self)[index]

    # --- what a recording can hold --------------------------------------------------------------------------------

    def astype(self, dtype: Any, order: str = "K", casting: str = "unsafe", copy: bool = True) -> Any:
        dtype = np.dtype(dtype)
        if dtype == self.memory.dtype and not copy:
            return self
        return self.tape.cast(self, dtype)

    def copy(self, order: str = "C") -> Any:
        return self.tape.copied(self)

    def __copy__(self) -> Any:
        return self.tape.copied(self)

    def __setitem__(self, index: Any, value: Any) -> None:
        if _basic(index):
            target = self if index is Ellipsis else self.part(self.memory[_with_ellipsis(index)])
            self.tape.write(target, value)
        else:
            array = self.tape.share(self)
            array[index] = np.asarray(value)

    def fill(self, value: Any) -> None:
        self.tape.write(self, np.asarray(value, self.memory.dtype))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        tape = self.tape
        if method == "__call__" and not kwargs and ufunc.nout == 1:
            result = tape.ufunc(ufunc, inputs)
            if result is not NotImplemented:
                if out is None:
                    return result
                if type(out[0]) is Pending:
                    tape.write(out[0], result)
                    return out[0]
                out[0][...] = tape.settle(result)
                return out[0]
        arrays = [tape.settle(a) if type(a) is Pending else a for a in inputs]
        if out is not None:
            kwargs["out"] = tuple([tape.share(a) if type(a) is Pending else a for a in out])
        return getattr(ufunc, method)(*arrays, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in _OF_GEOMETRY:
            return function(*_each(args, _real), **{k: _each(v, _real) for k, v in kwargs.items()})
        if function is np.broadcast_to and type(args[0]) is Pending:
            real = strided(
                args[0].memory, *_broadcast(args[0].memory, args[1] if len(args) > 1 else kwargs["shape"])
            )
            return args[0].part(real)
        if function is np.swapaxes or function is np.transpose:
            return getattr(args[0], function.__name__)(*args[1:], **kwargs)
        if (function is np.moveaxis or function is np.expand_dims) and type(args[0]) is Pending:
            return args[0].part(function(args[0].memory, *args[1:], **kwargs))
        tape = self.tape

        def settled(value: Any) -> Any:
            return tape.share(value) if type(value) is Pending else value

        return function(*_each(args, settled), **{k: _each(v, settled) for k, v in kwargs.items()})

    # --- what needs values ----------------------------------------------------------------------------------------

    def lend(self) -> Any:
        """The real array, computed, for the program, which may change it without a word."""
        real = self.tape.share(self)
        self.buffer.lent = True
        return real

    def __dlpack__(self, **options: Any) -> Any:
        return self.lend().__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.memory.__dlpack_device__()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        # The array may be kept by whoever asked, so from now on this memory is always up to date.
        array = self.tape.share(self)
        if dtype is not None and np.dtype(dtype) != array.dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def item(self, *args: Any) -> Any:
        return self.tape.settle(self).item(*args)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in _READS:
            return getattr(self.tape.settle(self), name)
        return getattr(self.tape.share(self), name)

    def __bool__(self) -> bool:
        return bool(self.tape.settle(self))

    def __int__(self) -> int:
        return int(self.tape.settle(self))

    def __float__(self) -> float:
        return float(self.tape.settle(self))

    def __index__(self) -> int:
        return self.tape.settle(self).__index__()  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<pending {self.memory.dtype} array of shape {self.memory.shape}>"

    # --- tensors --------------------------------------------------------------------------------------------------

    def moved_to(self, where: Any) -> Any:
        """The array on another device: a node of the recording."""
        return self.tape.moved(self, where)

    def held_by(self, tensor: Any) -> None:
        """Remember a tensor that holds this, which gets the real array when the recording ends."""
        self.tape.holders.append(_weak(tensor))


def recorded(record: Any, x: Pending, y: Any = None) -> Any:
    """``record`` on one pending array, or on two of which the other may be a number's 0-dim array, as a node; None where
    ``Tape.call`` must decide. The short way for what nearly every operation is."""
    tape = x.tape
    buffer = x.buffer
    a = buffer.node
    if tape.finished or tape.thread != get_ident():
        return None
    if a < 0 or x.memory is not buffer.root:
        a = tape.read(x)
    types = tape.types
    if y is None:
        operands: Any = (a,)
        signature: Any = (record, id(types[a]))
    else:
        if type(y) is Pending:
            if y.tape is not tape:
                return None
            buffer = y.buffer
            b = buffer.node
            if b < 0 or y.memory is not buffer.root:
                b = tape.read(y)
        else:
            b = tape.read(y)
        operands = (a, b)
        signature = (record, id(types[a]), id(types[b]))
    type_ = _RESULTS.get(signature)
    if type_ is None:
        result = tape.call(record, (x,) if y is None else (x, y), {})
        if type(result) is not Pending:
            return None
        if tape.types is types:  # else the tape was run meanwhile
            if len(_RESULTS) > _MOST_KNOWN:
                _RESULTS.clear()
            _RESULTS[signature] = types[result.buffer.node]
        return result
    return tape.fresh(tape.node((CALL, record, operands, (), ()), type_), *type_)


# The type of the result by record and types of operands (by identity: they are interned).
_RESULTS: dict[Any, Any] = {}
_MOST_KNOWN: Final = 50_000
# The tape's number for an operation, see ``recording``.
CALL: Final = 5


def pending(tape: Tape, buffer: Buffer, real: Any) -> Pending:
    """The array of ``buffer`` whose memory is ``memory``."""
    array = _new(Pending)
    array.memory = real
    array.buffer = buffer
    array.tape = tape
    array.value = None
    return array


def address(array: Any) -> int:
    """Where the first element of an array, pending or not, lies. (A Pending must not have an ``__array_interface__``: NumPy
    would read from there without asking.)"""
    if type(array) is not ndarray:
        if (backend := OF_ARRAYS.get(type(array))) is not None:
            return backend.address(array)
        array = array.memory
        if type(array) is not ndarray:
            return address(array)
    return array.__array_interface__["data"][0]  # type: ignore[no-any-return]


# Methods that give nothing that shares memory with the array.
_READS = frozenset(
    (
        "all",
        "any",
        "argmax",
        "argmin",
        "max",
        "mean",
        "min",
        "nonzero",
        "prod",
        "std",
        "sum",
        "tobytes",
        "tolist",
        "var",
    )
)
_COMPLEX = (np.dtype(np.complex64), np.dtype(np.complex128))
_BASIC = frozenset((int, slice, type(None), type(Ellipsis)))


def _basic(index: Any) -> bool:
    if type(index) is tuple:
        return all([type(part) in _BASIC for part in index])
    return type(index) in _BASIC


def _with_ellipsis(index: Any) -> Any:
    """``index`` so that NumPy gives a view also where a single element is named."""
    if type(index) is tuple:
        return index if Ellipsis in index else (*index, ...)
    return (index, ...)


def _real(value: Any) -> Any:
    return value.memory if type(value) is Pending else value


def _each(values: Any, function: Any) -> Any:
    if isinstance(values, tuple | list):
        return type(values)([_each(value, function) for value in values])
    return function(values)


def _broadcast(real: Any, shape: Any) -> tuple[Any, Any]:
    target = np.broadcast_shapes(real.shape, shape)
    lead = len(target) - real.ndim
    strides = (0,) * lead + tuple(
        [
            0 if n == 1 and m != 1 else s
            for n, m, s in zip(real.shape, target[lead:], real.strides, strict=True)
        ]
    )
    return target, strides


# Functions that look at shapes, dtypes and addresses only.
_OF_GEOMETRY = frozenset(
    (
        np.empty_like,
        np.zeros_like,
        np.ones_like,
        np.may_share_memory,
        np.shares_memory,
        np.shape,
        np.ndim,
        np.size,
    )
)
