"""``assert_close``: comparing tensors, numbers and collections of them in tests."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from ..core.dtypes import dtype, promote_types
from ..core.tensor import Tensor
from ..ops.comparison import isclose
from ..ops.creation import as_tensor, tensor

# relative and absolute tolerance by dtype: about half the digits, as PyTorch has it
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex32": (1e-3, 1e-5),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}
_OLD_TOLERANCES = {"float16": (1e-3, 1e-3), "float32": (1e-4, 1e-5), "float64": (1e-5, 1e-8)}
_NUMBER_DTYPES = {int: "int64", float: "float64", complex: "complex128"}
Path = tuple[Any, ...]


class _Options:
    """What ``assert_close`` was asked for."""

    __slots__ = (
        "allow_subclasses", "atol", "check_device", "check_dtype", "check_layout", "check_stride", "equal_nan", "msg", "rtol",
    )  # fmt: skip

    def __init__(self, **options: Any) -> None:
        for name, value in options.items():
            setattr(self, name, value)

    rtol: float | None
    atol: float | None
    equal_nan: bool
    allow_subclasses: bool
    check_device: bool
    check_dtype: bool
    check_layout: bool
    check_stride: bool
    msg: Any

    def tolerances(self, names: Sequence[str]) -> tuple[float, float]:
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        pairs = [_TOLERANCES.get(name, (0.0, 0.0)) for name in names]
        return max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)

    def fail(self, message: str, path: Path) -> NoReturn:
        """Raise the ``AssertionError`` for values that differ."""
        __tracebackhide__ = True
        message = _located(message, path)
        if callable(self.msg):
            message = self.msg(message)
        elif isinstance(self.msg, str):
            message = self.msg
        raise AssertionError(message)


def _located(message: str, path: Path) -> str:
    if not path:
        return message
    return f"{message}\n\nThe failure occurred for item {''.join(f'[{key!r}]' for key in path)}"


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: Any = None,
) -> None:
    """Raise ``AssertionError`` unless ``|actual - expected| <= atol + rtol * |expected|`` everywhere.

    Takes tensors, numbers, bools, None, NumPy arrays, and sequences or mappings of them; the two sides are of related
    types. The tolerances follow the dtype unless both are given; integers must be equal. ``msg`` replaces the message, or
    is called with it. Raises ``TypeError`` for what can't be compared and ``ValueError`` for one tolerance alone.

    Example:
        >>> import rushlight as torch
        >>> torch.testing.assert_close(torch.tensor(1.0), torch.tensor(1.0 + 1e-7))
    """
    __tracebackhide__ = True
    if (rtol is None) != (atol is None):
        missing = "rtol" if rtol is None else "atol"
        raise ValueError(f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}.")
    options = _Options(
        allow_subclasses=allow_subclasses, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=check_device,
        check_dtype=check_dtype, check_layout=check_layout, check_stride=check_stride, msg=msg,
    )  # fmt: skip
    comparisons: list[Callable[[], None]] = []
    _pair_up(actual, expected, options, (), comparisons)  # the structure is judged before any value
    for comparison in comparisons:
        comparison()


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """The older ``assert_close``, deprecated: takes what ``as_tensor`` takes and compares neither dtype nor device.

    Example:
        >>> import rushlight as torch
        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     torch.testing.assert_allclose(torch.tensor([1.0]), [1.0])
    """
    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a future release. Please use "
        "`torch.testing.assert_close()` instead. You can find detailed upgrade instructions in "
        "https://github.com/pytorch/pytorch/issues/61844.",
        FutureWarning,
        stacklevel=2,
    )
    if not isinstance(actual, Tensor):
        actual = tensor(actual)
    if not isinstance(expected, Tensor):
        expected = tensor(expected, dtype=actual.dtype)
    if rtol is None and atol is None:
        pairs = [_OLD_TOLERANCES.get(t.dtype.name, (0.0, 0.0)) for t in (actual, expected)]
        rtol, atol = max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)
    assert_close(
        actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=True, check_dtype=False,
        check_stride=False, msg=msg or None,
    )  # fmt: skip


def _pair_up(
    actual: Any, expected: Any, options: _Options, path: Path, comparisons: list[Callable[[], None]]
) -> None:
    """Append what compares each pair of leaves; raise where the structures differ or nothing can compare a pair."""
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        missing, additional = set(expected) - set(actual), set(actual) - set(expected)
        if missing or additional:
            message = (
                f"The keys of the mappings do not match:\nMissing keys in the actual mapping: {_in_order(missing)}\n"
                f"Additional keys in the actual mapping: {_in_order(additional)}"
            )
            raise AssertionError(_located(message, path))
        for key in _in_order(actual):
            _pair_up(actual[key], expected[key], options, (*path, key), comparisons)
        return
    if _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            message = f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
            raise AssertionError(_located(message, path))
        for index, (a, e) in enumerate(zip(actual, expected, strict=True)):
            _pair_up(a, e, options, (*path, index), comparisons)
        return
    compare: Any
    if actual is None or expected is None:
        compare = _compare_none
    elif _is_bool(actual) and _is_bool(expected):
        compare = _compare_bools
    elif _is_number(actual) and _is_number(expected):
        compare = _compare_numbers
    else:
        tensors = _as_tensors(actual, expected, options)
        if tensors is None:
            kinds = f"{type(actual)} and {type(expected)}"
            raise TypeError(_located(f"No comparison pair was able to handle inputs of type {kinds}.", path))
        compare = _compare_tensors
        actual, expected = tensors
    comparisons.append(lambda: compare(actual, expected, options, path))


def _in_order(keys: Any) -> list[Any]:
    try:
        return sorted(keys)
    except TypeError:
        return list(keys)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | complex | np.number)


def _as_tensors(actual: Any, expected: Any, options: _Options) -> tuple[Tensor, Tensor] | None:
    """Both as tensors; None where their types are not related or no tensor can be made of them."""
    related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
    if not related or (not options.allow_subclasses and type(actual) is not type(expected)):
        return None
    if isinstance(actual, str | bytes | dtype):
        return None
    try:
        return tuple([v if isinstance(v, Tensor) else as_tensor(v) for v in (actual, expected)])  # type: ignore[return-value]
    except Exception:  # whatever the object's own conversion raises
        return None


def _compare_none(actual: Any, expected: Any, options: _Options, path: Path) -> None:
    if actual is not expected:
        options.fail(f"None mismatch: {actual} is not {expected}", path)


def _compare_bools(actual: Any, expected: Any, options: _Options, path: Path) -> None:
    if bool(actual) is not bool(expected):
        options.fail(f"Booleans mismatch: {bool(actual)} is not {bool(expected)}", path)


def _compare_numbers(actual: Any, expected: Any, options: _Options, path: Path) -> None:
    actual, expected = (v.item() if isinstance(v, np.number) else v for v in (actual, expected))
    if options.check_dtype and type(actual) is not type(expected):
        options.fail(f"The (d)types do not match: {type(actual)} != {type(expected)}.", path)
    from cmath import isfinite, isnan

    rtol, atol = options.tolerances([_NUMBER_DTYPES.get(type(v), "int64") for v in (actual, expected)])
    if actual == expected or (options.equal_nan and isnan(actual) and isnan(expected)):
        return
    gap = abs(actual - expected)
    if isfinite(gap) and gap <= atol + rtol * abs(expected):
        return
    relative = float("inf") if expected == 0 else gap / abs(expected)
    options.fail(_about_scalars(actual, expected, gap, relative, rtol, atol), path)


def _about_scalars(actual: Any, expected: Any, gap: Any, relative: Any, rtol: float, atol: float) -> str:
    equal = rtol == 0 and atol == 0
    allowed = ("", "") if equal else (f" (up to {atol} allowed)", f" (up to {rtol} allowed)")
    return (
        f"Scalars are not {'equal' if equal else 'close'}!\n\nExpected {expected} but got {actual}.\n"
        f"Absolute difference: {gap}{allowed[0]}\nRelative difference: {relative}{allowed[1]}"
    )


def _compare_tensors(actual: Tensor, expected: Tensor, options: _Options, path: Path) -> None:
    def differ(attribute: str, a: Any, e: Any) -> NoReturn:
        options.fail(f"The values for attribute '{attribute}' do not match: {a} != {e}.", path)

    if actual.shape != expected.shape:
        differ("shape", actual.shape, expected.shape)
    sparse = [str(t.layout) != "torch.strided" for t in (actual, expected)]
    if actual.layout != expected.layout:
        if options.check_layout:
            differ("layout", actual.layout, expected.layout)
        actual, expected = (t.to_dense() if s else t for t, s in zip((actual, expected), sparse, strict=True))
        sparse = [False, False]
    elif not sparse[0] and options.check_stride and actual.stride() != expected.stride():
        differ("stride()", actual.stride(), expected.stride())
    if actual.device != expected.device:
        if options.check_device:
            differ("device", actual.device, expected.device)
        actual, expected = actual.cpu(), expected.cpu()
    if options.check_dtype and actual.dtype != expected.dtype:
        differ("dtype", actual.dtype, expected.dtype)
    rtol, atol = options.tolerances([actual.dtype.name, expected.dtype.name])
    if sparse[0]:
        _compare_sparse(actual, expected, options, path, rtol, atol)
    elif not actual.is_meta:
        _compare_values(actual, expected, options, path, rtol, atol, "Tensor-likes")


def _compare_sparse(
    actual: Tensor, expected: Tensor, options: _Options, path: Path, rtol: float, atol: float
) -> None:
    if actual._nnz() != expected._nnz():
        options.fail(
            "The number of specified values in sparse COO tensors does not match: "
            f"{actual._nnz()} != {expected._nnz()}",
            path,
        )
    _compare_values(actual._indices(), expected._indices(), options, path, 0, 0, "Sparse COO indices")
    _compare_values(actual._values(), expected._values(), options, path, rtol, atol, "Sparse COO values")


def _compare_values(
    actual: Tensor, expected: Tensor, options: _Options, path: Path, rtol: float, atol: float, what: str
) -> None:
    actual, expected = actual.detach(), expected.detach()
    common = promote_types(actual.dtype, expected.dtype) if actual.dtype != expected.dtype else actual.dtype
    if type(actual) is not Tensor or type(expected) is not Tensor:
        actual, expected = actual.as_subclass(Tensor), expected.as_subclass(Tensor)
    actual, expected = (t.to(common) for t in (actual, expected))
    if common.name.startswith("float8"):
        actual, expected = actual.float(), expected.float()
    close: Any = isclose(actual, expected, rtol, atol, options.equal_nan)
    if bool(close.all()):
        return
    close = close.cpu().numpy()
    a, e = (_plain(t.cpu()) for t in (actual, expected))
    with np.errstate(all="ignore"):
        gap = np.abs(a - e)
        relative = gap / np.abs(e)
    if relative.dtype == np.float64 and common.name not in ("float64", "complex128"):
        relative = relative.astype(np.float32)
    if not close.ndim:
        text = _about_scalars(actual.item(), expected.item(), gap.item(), relative.item(), rtol, atol)
        options.fail(text, path)
    equal = rtol == 0 and atol == 0
    lines = [f"{what} are not {'equal' if equal else 'close'}!", ""]
    wrong, total = int(np.count_nonzero(~close)), close.size
    lines.append(f"Mismatched elements: {wrong} / {total} ({wrong / total:.1%})")
    for kind, values, allowed in (("absolute", gap, atol), ("relative", relative, rtol)):
        values[close] = 0
        at = np.unravel_index(int(np.argmax(values)), values.shape)
        limit = "" if equal else f" (up to {allowed} allowed)"
        index = tuple([int(i) for i in at])
        lines.append(f"Greatest {kind} difference: {values[at].item()} at index {index}{limit}")
    options.fail("\n".join(lines), path)


def _plain(tensor: Tensor) -> Any:
    """The values as an array with NumPy's own arithmetic, wide enough for differences of integers."""
    array = tensor._array
    if array.dtype.kind in "biu":
        return array.astype(np.int64)
    return array.astype(np.float32) if array.dtype.itemsize < 4 and array.dtype.kind not in "c" else array
