"""How autocast gets between a program and an operation, and what it does to the operation's arguments.

As in ``core.switch``, an operation's code is exchanged while any thread is inside of ``autocast``, so that programs without
it pay nothing: the other code casts the arguments and runs the operation's own. A CPU and GPUs have lists of operations and
contexts of their own (``lists``): which one holds for a call is said by its tensors, and tensors elsewhere are not cast.
"""

from __future__ import annotations

import _thread
import sys
from contextvars import ContextVar
from types import CodeType, FunctionType
from typing import Any, Final

from ..core.device import device_of
from ..core.dtypes import F32, F64, FLOATS, NumpyDType, dtype
from ..core.grad_mode import DECIDING
from ..core.storage import LIBRARY
from ..core.tensor import Tensor
from ..nn.recurrent import RNNBase
from ..ops.movement import cast
from . import lists

ACTIVE: ContextVar[dtype | None] = ContextVar("autocast_dtype", default=None)
ACTIVE_ON_CUDA: ContextVar[dtype | None] = ContextVar("autocast_dtype_cuda", default=None)
ACTIVE_ON: Final = {"cpu": ACTIVE, "cuda": ACTIVE_ON_CUDA}
DECIDING.extend((ACTIVE, ACTIVE_ON_CUDA))

REFUSED: Final = (
    "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast.\n"
    "Many models use a sigmoid layer right before the binary cross entropy layer.\n"
    "In this case, combine the two layers using torch.nn.functional.binary_cross_entropy_with_logits\n"
    "or torch.nn.BCEWithLogitsLoss.  binary_cross_entropy_with_logits and BCEWithLogits are\n"
    "safe to autocast."
)
# Code of the package that is one operation to PyTorch, whatever it is made of.
_WITHIN: Final = tuple([LIBRARY + part for part in ("ops", "autograd", "core", "runtime", "tensor_methods")])


# --- casting ----------------------------------------------------------------------------------------------------------


def cast_all(value: Any, to: dtype, where: str = "cpu") -> Any:
    """``value`` with every float tensor in it that is on the device type ``where``, but float64, cast to ``to``."""
    return _cast(value, to.numpy, where)


def _cast(value: Any, to: NumpyDType, where: str) -> Any:
    if isinstance(value, Tensor):
        given = value._array.dtype
        if given in FLOATS and given is not F64 and given is not to and device_of(value._array).type == where:
            return cast(value, to)
        return value
    if isinstance(value, list | tuple):
        parts = [_cast(part, to, where) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    if isinstance(value, dict):
        return {key: _cast(part, to, where) for key, part in value.items()}
    return value


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, list | tuple):
        return [tensor for part in value for tensor in _tensors(part)]
    return [tensor for part in value.values() for tensor in _tensors(part)] if isinstance(value, dict) else []


# --- what is done to an operation: the dtype that its arguments are cast to, or None ------------------------------------


def _lower(args: Any, kwargs: Any, active: dtype) -> NumpyDType | None:
    return active.numpy


def _single(args: Any, kwargs: Any, active: dtype) -> NumpyDType | None:
    return F32


def _single_unless_told(args: Any, kwargs: Any, active: dtype) -> NumpyDType | None:
    told = any([isinstance(value, dtype) for value in (*args, *kwargs.values())])
    return None if told else F32


def _interpolation(args: Any, kwargs: Any, active: dtype) -> NumpyDType | None:
    return None if "area" in (*args, kwargs.get("mode")) else F32


def _widest(args: Any, kwargs: Any, active: dtype) -> NumpyDType | None:
    found = {tensor._array.dtype for tensor in _tensors((args, kwargs))} & set(FLOATS)
    return F32 if len(found) > 1 and F32 in found and F64 not in found else None


def _refused(args: Any, kwargs: Any, active: dtype) -> NumpyDType | None:
    raise RuntimeError(REFUSED)


def _recurrent(args: Any, kwargs: Any, active: dtype) -> NumpyDType | None:
    # One fused layer in PyTorch for LSTM; the others are made of operations that end in float32.
    return active.numpy if args[0].mode == "LSTM" else F32


# --- getting in between -----------------------------------------------------------------------------------------------


class _Interposed:
    """An operation with its own code, and the code that casts first."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.choices: dict[str, Any] = {}  # by device type
        self.own: CodeType = function.__code__
        self.other = self._other_code()

    def _other_code(self) -> CodeType:
        own, function, choices = self.own, self.function, self.choices
        original: Any = FunctionType(
            own, function.__globals__, function.__name__, function.__defaults__, function.__closure__
        )
        original.__kwdefaults__ = function.__kwdefaults__

        def interpose(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            on_cuda = ACTIVE_ON_CUDA.get()
            where, active = "cpu", ACTIVE.get()
            if on_cuda is not None:
                tensors = _tensors((args, kwargs))
                if any([device_of(tensor._array).type == "cuda" for tensor in tensors]):
                    where, active = "cuda", on_cuda
            choose = choices.get(where)
            if active is None or choose is None:
                return original(*args, **kwargs)
            if where == "cuda" and sys._getframe(2).f_code.co_filename.startswith(_WITHIN):
                return original(*args, **kwargs)
            variable = ACTIVE_ON[where]
            to = choose(args, kwargs, active)
            token = variable.set(None)  # what the operation is made of sees what it is given
            try:
                if to is not None:
                    args, kwargs = _cast(args, to, where), _cast(kwargs, to, where)
                return original(*args, **kwargs)
            finally:
                variable.reset(token)

        code = _template.__code__
        constants = tuple(interpose if constant == _PLACE else constant for constant in code.co_consts)
        # Code can be exchanged for code with as many free variables, which the template does not touch.
        return code.replace(co_consts=constants, co_name=own.co_name, co_freevars=own.co_freevars)


_PLACE = "the function that interposes"


def _template(*args: Any, **kwargs: Any) -> Any:
    interpose: Any = "the function that interposes"
    return interpose(args, kwargs)


class _Switches:
    """The interposed operations: a device type's are on while any thread is inside of ``autocast`` for it."""

    def __init__(self) -> None:
        self._users = {"cpu": 0, "cuda": 0}
        self._lock = _thread.allocate_lock()
        self._all: list[_Interposed] = []
        self._method: Any = None

    def turn_on(self, where: str) -> None:
        with self._lock:
            if not any(self._users.values()):
                # Methods become functions of their own once operations ask for ``__torch_function__``.
                method = vars(Tensor).get("matmul")
                if not self._all or method is not self._method:
                    self._all, self._method = _find_all(), method
                for operation in self._all:
                    operation.own = operation.function.__code__
            self._users[where] += 1
            if self._users[where] == 1:
                self._exchange()

    def turn_off(self, where: str) -> None:
        with self._lock:
            self._users[where] -= 1
            if not self._users[where]:
                self._exchange()

    def _exchange(self) -> None:
        """Give every operation the code that goes with who is inside."""
        inside = {where for where, users in self._users.items() if users}
        for operation in self._all:
            code = operation.own if inside.isdisjoint(operation.choices) else operation.other
            if operation.function.__code__ is not code:
                operation.function.__code__ = code


_RULES: Final = (
    ("cpu", lists.CPU_LOWER, _lower), ("cpu", lists.CPU_SINGLE, _single), ("cpu", lists.CPU_WIDEST, _widest),
    ("cuda", lists.CUDA_LOWER, _lower), ("cuda", lists.CUDA_SINGLE, _single),
    ("cuda", lists.CUDA_INTERPOLATION, _interpolation),
    ("cuda", lists.CUDA_SINGLE_UNLESS_TOLD, _single_unless_told), ("cuda", lists.CUDA_WIDEST, _widest),
    ("cuda", lists.CUDA_REFUSED, _refused),
)  # fmt: skip


def _find_all() -> list[_Interposed]:
    """The operations of the lists, each function once."""
    root: Any = sys.modules[__name__.partition(".")[0]]
    found: dict[int, _Interposed] = {}

    def add(function: Any, where: str, choose: Any) -> None:
        if isinstance(function, FunctionType):
            found.setdefault(id(function), _Interposed(function)).choices.setdefault(where, choose)

    for where, several, choose in _RULES:
        for path, names in several:
            place = root
            for part in path.split(".") if path else ():
                place = getattr(place, part)
            for name in names:
                add(getattr(place, name, None), where, choose)
                if not path:
                    add(vars(Tensor).get(name), where, choose)
    add(RNNBase._direction, "cpu", _recurrent)
    add(RNNBase._direction, "cuda", _lower)
    return list(found.values())


SWITCHES: Final = _Switches()
