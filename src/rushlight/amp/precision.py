"""Which operations autocast runs in which precision, and how it gets between a program and an operation.

As in ``core.switch``, an operation's code is exchanged while any thread is inside of ``autocast``, so that programs without
it pay nothing: the other code casts the arguments and runs the operation's own.
"""

from __future__ import annotations

import _thread
from contextvars import ContextVar
from types import CodeType, FunctionType
from typing import Any, Final

from ..core.dtypes import F32, F64, FLOATS, NumpyDType, dtype
from ..core.grad_mode import DECIDING
from ..core.tensor import Tensor
from ..ops.movement import cast

ACTIVE: ContextVar[dtype | None] = ContextVar("autocast_dtype", default=None)
DECIDING.append(ACTIVE)

# PyTorch's lists for the CPU, as (place, names).
LOWER: Final = (
    ("", ("matmul", "mm", "bmm", "addmm", "addbmm", "baddbmm", "einsum", "tensordot")),
    ("linalg", ("vecdot", "multi_dot")),
    ("nn.functional", (
        "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "conv_tbc",
        "scaled_dot_product_attention", "prelu",
    )),
    ("Tensor", ("__matmul__", "__rmatmul__")),
)  # fmt: skip
SINGLE: Final = (
    ("", (
        "prod", "trace", "cdist", "quantile", "nanquantile", "polar", "view_as_complex", "bilinear", "renorm", "logdet",
        "cholesky", "cholesky_inverse", "cholesky_solve", "inverse", "svd", "qr", "geqrf", "orgqr", "ormqr", "lstsq",
        "triangular_solve", "stft",
    )),
    ("linalg", (
        "cholesky", "cholesky_ex", "eig", "eigh", "eigvals", "eigvalsh", "inv", "inv_ex", "matrix_norm", "matrix_rank",
        "lstsq", "householder_product", "qr", "solve", "svd", "svdvals", "tensorinv", "tensorsolve", "cond", "pinv",
    )),
    ("fft", (
        "fft", "ifft", "fft2", "ifft2", "fftn", "ifftn", "rfft", "irfft", "rfft2", "irfft2", "rfftn", "irfftn", "hfft",
        "ihfft",
    )),
    ("nn.functional", (
        "avg_pool3d", "adaptive_avg_pool3d", "grid_sample", "bilinear", "mse_loss", "l1_loss", "smooth_l1_loss",
        "huber_loss", "nll_loss", "cross_entropy", "kl_div", "binary_cross_entropy", "binary_cross_entropy_with_logits",
        "cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "multi_margin_loss",
        "multilabel_margin_loss", "poisson_nll_loss", "soft_margin_loss", "triplet_margin_loss", "ctc_loss",
        "fractional_max_pool2d", "fractional_max_pool3d",
    )),
)  # fmt: skip
WIDEST: Final = (("", ("stack", "cat", "index_copy")), ("Tensor", ("index_copy",)))


def cast_all(value: Any, to: dtype) -> Any:
    """``value`` with every float tensor in it, but float64, cast to ``to``."""
    return _cast(value, to.numpy)


def _cast(value: Any, to: NumpyDType) -> Any:
    if isinstance(value, Tensor):
        given = value._array.dtype
        return cast(value, to) if given in FLOATS and given is not F64 and given is not to else value
    if isinstance(value, list | tuple):
        parts = [_cast(part, to) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    if isinstance(value, dict):
        return {key: _cast(part, to) for key, part in value.items()}
    return value


def _dtypes(value: Any) -> set[Any]:
    if isinstance(value, Tensor):
        return {value._array.dtype} if value._array.dtype in FLOATS else set()
    if isinstance(value, list | tuple):
        return set().union(*map(_dtypes, value))
    return set()


def _lower(args: Any, active: dtype) -> NumpyDType | None:
    return active.numpy


def _single(args: Any, active: dtype) -> NumpyDType | None:
    return F32


def _widest(args: Any, active: dtype) -> NumpyDType | None:
    found = _dtypes(args)
    return F32 if len(found) > 1 and F32 in found and F64 not in found else None


def _recurrent(args: Any, active: dtype) -> NumpyDType | None:
    # One fused layer in PyTorch for LSTM; the others are made of operations that end in float32.
    return active.numpy if args[0].mode == "LSTM" else F32


class _Interposed:
    """An operation with its own code, and the code that casts first."""

    def __init__(self, function: Any, choose: Any) -> None:
        self.function = function
        self.own: CodeType = function.__code__
        original: Any = FunctionType(
            self.own, function.__globals__, function.__name__, function.__defaults__, function.__closure__
        )
        original.__kwdefaults__ = function.__kwdefaults__

        def interpose(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            active = ACTIVE.get()
            if active is None:
                return original(*args, **kwargs)
            to = choose(args, active)
            token = ACTIVE.set(None)  # what the operation is made of sees what it is given
            try:
                if to is not None:
                    args, kwargs = _cast(args, to), _cast(kwargs, to)
                return original(*args, **kwargs)
            finally:
                ACTIVE.reset(token)

        code = _template.__code__
        constants = tuple(interpose if constant == _PLACE else constant for constant in code.co_consts)
        self.other = code.replace(co_consts=constants, co_name=self.own.co_name)


_PLACE = "the function that interposes"


def _template(*args: Any, **kwargs: Any) -> Any:
    interpose: Any = "the function that interposes"
    return interpose(args, kwargs)


class _Switches:
    """All interposed operations: on while any thread is inside of ``autocast``."""

    def __init__(self) -> None:
        self._users = 0
        self._lock = _thread.allocate_lock()
        self._all: list[_Interposed] = []
        self._method: Any = None

    def turn_on(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                # Methods become functions of their own once operations ask for ``__torch_function__``.
                method = vars(Tensor).get("matmul")
                if not self._all or method is not self._method:
                    self._all, self._method = _find_all(), method
                for operation in self._all:
                    operation.own = operation.function.__code__
                    operation.function.__code__ = operation.other

    def turn_off(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                for operation in self._all:
                    operation.function.__code__ = operation.own


def _find_all() -> list[_Interposed]:
    """The operations of the lists, each function once."""
    import sys

    from ..nn.recurrent import RNNBase

    root: Any = sys.modules[__name__.partition(".")[0]]
    found: dict[int, _Interposed] = {}

    def add(function: Any, choose: Any) -> None:
        # A closure's code can't be exchanged; there are such only among rare transforms, which keep their precision.
        if isinstance(function, FunctionType) and not function.__closure__ and id(function) not in found:
            found[id(function)] = _Interposed(function, choose)

    for lists, choose in ((LOWER, _lower), (SINGLE, _single), (WIDEST, _widest)):
        for path, names in lists:
            place = root
            for part in path.split(".") if path else ():
                place = getattr(place, part)
            for name in names:
                add(getattr(place, name, None), choose)
                if not path:
                    add(vars(Tensor).get(name), choose)
    add(RNNBase._direction, _recurrent)
    return list(found.values())


SWITCHES: Final = _Switches()
