"""Process-wide switches of ``torch``: accepted, checked, and answered. None of them changes what this version computes."""

from __future__ import annotations

from typing import Any, Final

from .core.dtypes import dtype, set_default_dtype
from .core.once import EVERY_TIME

_PRECISIONS: Final = ("highest", "high", "medium")
_DEBUG_MODES: Final = ("default", "warn", "error")
_STATE: Final[dict[str, Any]] = {"matmul": "highest", "deterministic": 0, "warn_always": False}


def set_float32_matmul_precision(precision: str) -> None:
    """Allow matrix products of less precision than float32: "high" and "medium" let a GPU round the factors to TF32. On a CPU
    they keep full precision.

    Anything but "highest", "high" and "medium" only warns.

    Example:
        >>> import rushlight as torch
        >>> torch.set_float32_matmul_precision("highest")
        >>> torch.get_float32_matmul_precision()
        'highest'
    """
    if precision not in _PRECISIONS:
        import warnings

        warnings.warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; the current "
            "setFloat32MatmulPrecision call has no effect.",
            UserWarning,
            stacklevel=2,
        )
        return
    _STATE["matmul"] = precision
    from .runtime.cuda import allow_tf32

    allow_tf32(precision != "highest")


def get_float32_matmul_precision() -> str:
    """What was last given to ``set_float32_matmul_precision``."""
    return str(_STATE["matmul"])


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for deterministic algorithms: remembered. All algorithms here are deterministic already."""
    if not isinstance(mode, bool):
        raise TypeError(
            f"_set_deterministic_algorithms(): argument 'mode' (position 1) must be bool, not {type(mode).__name__}"
        )
    _STATE["deterministic"] = (1 if warn_only else 2) if mode else 0


def are_deterministic_algorithms_enabled() -> bool:
    """Whether ``use_deterministic_algorithms`` was last called with True."""
    return bool(_STATE["deterministic"])


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether it was called with ``warn_only``."""
    return bool(_STATE["deterministic"] == 1)


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """``use_deterministic_algorithms`` by a number (0 to 2) or a name ("default", "warn", "error").

    Raises ``RuntimeError`` for any other value and ``TypeError`` for other types.
    """
    if not isinstance(debug_mode, int | str):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode).__name__}")
    if isinstance(debug_mode, str):
        if debug_mode not in _DEBUG_MODES:
            raise RuntimeError(
                f"set_deterministic_debug_mode: got {debug_mode!r}; allowed: {', '.join(_DEBUG_MODES)}"
            )
        debug_mode = _DEBUG_MODES.index(debug_mode)
    if debug_mode not in (0, 1, 2):
        raise RuntimeError(f"set_deterministic_debug_mode: got {debug_mode}; allowed are 0, 1 and 2")
    _STATE["deterministic"] = debug_mode


def get_deterministic_debug_mode() -> int:
    """0, 1 (warn) or 2 (error)."""
    return int(_STATE["deterministic"])


def set_warn_always(b: bool, /) -> None:
    """Ask for the warnings that are given once to be given every time; Python's own filters decide which of them show."""
    _STATE["warn_always"] = EVERY_TIME[0] = bool(b)


def is_warn_always_enabled() -> bool:
    """What was last given to ``set_warn_always``."""
    return bool(_STATE["warn_always"])


def set_flush_denormal(mode: bool) -> bool:
    """Ask that tiny numbers become zero: gives False, which says that it can't be done here."""
    return False


def set_default_tensor_type(t: Any, /) -> None:
    """The old way to set the default dtype: a dtype, a type such as ``torch.DoubleTensor``, or its name.

    Raises ``TypeError`` for a type that is not a floating one.

    Example:
        >>> import rushlight as torch
        >>> import warnings
        >>> warnings.simplefilter("ignore")  # it warns that it is deprecated
        >>> torch.set_default_tensor_type("torch.DoubleTensor")
        >>> torch.get_default_dtype()
        torch.float64
        >>> torch.set_default_tensor_type(torch.FloatTensor)
    """
    import warnings

    from .core import dtypes

    warnings.warn(
        "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use torch.set_default_dtype() and "
        "torch.set_default_device() as alternatives.",
        UserWarning,
        stacklevel=2,
    )
    if isinstance(t, dtype):
        set_default_dtype(t)
        return
    name = (t if isinstance(t, str) else getattr(t, "__name__", str(t))).rpartition(".")[2]
    known = {"FloatTensor": dtypes.float32, "DoubleTensor": dtypes.float64, "HalfTensor": dtypes.float16,
             "BFloat16Tensor": dtypes.bfloat16}  # fmt: skip
    if name not in known:
        raise TypeError(
            f"set_default_tensor_type: invalid type object: {t!r}; allowed are {', '.join(known)}"
        )
    set_default_dtype(known[name])


def compiled_with_cxx11_abi() -> bool:
    """True: there is no C++ in this package that an old ABI could disagree with."""
    return True


def typename(obj: Any, /) -> str:
    """The name of an object's type, with its module; for a tensor its old type name.

    Example:
        >>> import rushlight as torch
        >>> torch.typename(torch.ones(2)), torch.typename(3)
        ('torch.FloatTensor', 'int')
    """
    from .core.tensor import Tensor

    if isinstance(obj, Tensor):
        return str(obj.type())
    cls = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(cls, "__module__", "") or ""
    return cls.__qualname__ if module in ("", "builtins") else f"{module}.{cls.__qualname__}"
