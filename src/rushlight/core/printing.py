"""Tensors as text, character for character as PyTorch prints them.

``format_tensor`` is a function of its arguments alone; only its default ``options`` come from
``set_printoptions``, which is process-wide as in PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

AnyArray = NDArray[Any]


class PrintOptions(NamedTuple):
    """What ``set_printoptions`` sets: see there for the meaning of each field."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: float = 80
    sci_mode: bool | None = None


_PROFILES: Final[dict[str, PrintOptions]] = {
    "default": PrintOptions(),
    "short": PrintOptions(precision=2, edgeitems=2),
    "full": PrintOptions(threshold=math.inf),
}

_current: PrintOptions = PrintOptions()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: float | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors print, for the whole process.

    Args:
        precision: digits after the point of a floating-point element (4).
        threshold: a tensor with more elements than this is shortened with ``...`` (1000).
        edgeitems: elements kept at each end of a shortened dimension (3).
        linewidth: characters in a line (80).
        profile: ``"default"``, ``"short"`` or ``"full"``: a starting point that the other arguments refine.
        sci_mode: always (``True``) or never (``False``) write floats as ``1.0000e+00``; ``None``, also when
            left out, decides by the values.

    Raises:
        TypeError: for an option that is not a number.
        ValueError: for an unknown profile, or a negative precision or number of edge items.

    Example:
        >>> import rushlight as torch
        >>> torch.set_printoptions(precision=2)
        >>> torch.tensor([1.234567])
        tensor([1.23])
        >>> torch.set_printoptions(profile="default")
    """
    global _current
    options = _current
    if profile is not None:
        if not isinstance(profile, str):
            raise TypeError(f"set_printoptions: profile is {profile!r}; give a str: {_profile_names()}")
        if profile.lower() not in _PROFILES:
            raise ValueError(f"set_printoptions: profile is {profile!r}; give one of {_profile_names()}")
        options = _PROFILES[profile.lower()]
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    changes: dict[str, Any] = {
        name: _checked(name, value) for name, value in given.items() if value is not None
    }
    _current = options._replace(sci_mode=sci_mode, **changes)


def _profile_names() -> str:
    return ", ".join(map(repr, _PROFILES))


def _checked(name: str, value: float) -> float:
    # Refused here, where the mistake is, and not at the next print.
    whole = name in ("precision", "edgeitems")
    if not isinstance(value, int | np.integer) and (whole or not isinstance(value, float | np.floating)):
        kind = "an int" if whole else "a number"
        raise TypeError(f"set_printoptions: {name} is {value!r}; give {kind}")
    if whole and value < 0:
        raise ValueError(f"set_printoptions: {name} is {value}; give 0 or more")
    return value


def get_printoptions() -> dict[str, Any]:
    """The options that ``set_printoptions`` set, as a new dict.

    Example:
        >>> get_printoptions()["linewidth"]
        80
    """
    return _current._asdict()


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """``set_printoptions(**options)`` for the time of a ``with`` block."""
    global _current
    before = _current
    set_printoptions(**options)
    try:
        yield
    finally:
        _current = before


def format_tensor(
    array: AnyArray,
    *,
    dtype_name: str,
    default_dtype_name: str = "float32",
    requires_grad: bool = False,
    grad_fn_name: str | None = None,
    device_suffix: str | None = None,
    tangent: str | None = None,
    class_name: str = "tensor",
    is_parameter: bool = False,
    indent: int = 0,
    options: PrintOptions | None = None,
) -> str:
    """The text of the tensor whose elements are ``array``.

    Args:
        array: the elements, of any shape; of a bool, integer, floating (bfloat16 too) or complex dtype.
        dtype_name: the dtype to name where it is not a default one, such as ``"float64"``.
        default_dtype_name: the floating-point dtype that goes without saying.
        requires_grad: whether to say so (``grad_fn_name`` says it already).
        grad_fn_name: name of the operation that made the tensor, such as ``"AddBackward0"``.
        tangent: what to print of a dual tensor's tangent.
        device_suffix: the device to name, such as ``"cuda:0"``; ``None`` for the default device.
        class_name: ``"tensor"``, or the name of the subclass.
        is_parameter: print as ``nn.Parameter`` does.
        indent: the column at which the text will start; later lines are moved right by as much.
        options: as from ``set_printoptions``, which is where they come from when left out.

    Example:
        >>> import numpy as np
        >>> print(format_tensor(np.array([[1.0, 2.5], [0.0, -3.0]]), dtype_name="float64"))
        tensor([[ 1.0000,  2.5000],
                [ 0.0000, -3.0000]], dtype=torch.float64)
    """
    if options is None:
        options = _current
    default_complex = "complex128" if default_dtype_name == "float64" else "complex64"
    prefix = class_name + "("
    column = indent + len(prefix)
    suffixes = []
    if device_suffix is not None:
        suffixes.append(f"device='{device_suffix}'")
    if device_suffix == "meta":
        body = "..."
        suffixes.append(f"size={array.shape}")
        if dtype_name != default_dtype_name:
            suffixes.append(f"dtype=torch.{dtype_name}")
    elif array.size == 0:
        body = "[]"
        if array.ndim != 1:
            suffixes.append(f"size={array.shape}")
        if dtype_name != default_dtype_name:
            suffixes.append(f"dtype=torch.{dtype_name}")
    else:
        if options.edgeitems == 0:
            suffixes.append(f"size={array.shape}")
        if dtype_name not in (default_dtype_name, "int64", "bool", default_complex):
            suffixes.append(f"dtype=torch.{dtype_name}")
        body = _format_elements(array, column, options)
    if grad_fn_name is not None:
        suffixes.append(f"grad_fn=<{grad_fn_name.rpartition(':')[2]}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    if tangent is not None:
        suffixes.append(f"tangent={tangent}")
    text = _with_suffixes(prefix + body, suffixes, column, indent, options.linewidth)
    if not is_parameter:
        return text
    if class_name != "tensor":
        text = f"Parameter({text})"
    return f"Parameter containing:\n{' ' * indent}{text}"


def format_sparse(
    named_parts: list[tuple[str, AnyArray]],
    suffixes: list[str],
    *,
    on_own_line: bool,
    is_parameter: bool = False,
) -> str:
    """A sparse tensor's text: its parts (indices and values) below each other, then ``suffixes``, which start a line of
    their own if ``on_own_line``."""
    column = len("tensor(")
    texts = []
    for name, array in named_parts:
        if array.size:
            body = _format_elements(array, column + len(f"{name}=tensor("), _current)
        else:
            body = f"[], size={array.shape}"
        texts.append(f"{name}=tensor({body})")
    text = "tensor(" + (",\n" + " " * column).join(texts)
    text = _with_suffixes(text, suffixes, column, 0, _current.linewidth, on_own_line)
    return f"Parameter containing:\n{text}" if is_parameter else text


def _with_suffixes(
    text: str, suffixes: list[str], column: int, indent: int, linewidth: float, on_own_line: bool = False
) -> str:
    line_start = text.rfind("\n") + 1
    used = len(text) - line_start + 2 + (indent if line_start == 0 else 0)
    parts = [text]
    for suffix in suffixes:
        if on_own_line or used + len(suffix) + 2 > linewidth:
            on_own_line = False
            parts.append(",\n" + " " * column + suffix)
            used = column + len(suffix)
        else:
            parts.append(", " + suffix)
            used += len(suffix) + 2
    parts.append(")")
    return "".join(parts)


def _format_elements(array: AnyArray, column: int, options: PrintOptions) -> str:
    shortened = array.size > options.threshold
    if shortened:
        if options.edgeitems == 0 and array.ndim:
            return "[...]"
        cut = [extent > 2 * options.edgeitems for extent in array.shape]
        array = _edges(array, cut, options.edgeitems)
    else:
        cut = [False] * array.ndim
    cells, width = _cells(array, options)
    if array.ndim == 0:
        return cells[0]
    return _Layout(cells, array.shape, cut, width, options).text(0, 0, column)


def _edges(array: AnyArray, cut: list[bool], edgeitems: int) -> AnyArray:
    """The elements of a shortened tensor that print: the first and the last of each dimension that is cut."""
    kept = [
        [*range(edgeitems), *range(extent - edgeitems, extent)] if is_cut else range(extent)
        for extent, is_cut in zip(array.shape, cut, strict=True)
    ]
    result: AnyArray = array[np.ix_(*kept)]
    return result


def _cells(array: AnyArray, options: PrintOptions) -> tuple[list[str], int]:
    """The text of each element in row-major order, and the width that a line reserves for one."""
    kind = array.dtype.kind
    if kind in "iub":
        texts = list(map(str, array.ravel().tolist()))
        width = max(map(len, texts))
        return [text.rjust(width) for text in texts], width
    if kind != "c":
        return _float_cells(array.ravel(), options)
    real, real_width = _float_cells(array.real.ravel(), options)
    imaginary, imaginary_width = _float_cells(array.imag.ravel(), options)
    texts = []
    for re, im in zip(real, imaginary, strict=True):
        im = im.lstrip()
        texts.append(f"{re}{im}j" if im[0] == "-" else f"{re}+{im}j")
    return texts, real_width + imaginary_width + 1


def _float_cells(flat: AnyArray, options: PrintOptions) -> tuple[list[str], int]:
    with np.errstate(invalid="ignore"):  # a signalling NaN must not warn on its way through the cast
        flat = flat.astype(np.float64)  # exact from every narrower type
    values = flat.tolist()
    finite = np.isfinite(flat)
    # Zeros, NaN and infinities have no say in notation and width: PyTorch looks at the others alone.
    counts = finite & (flat != 0)
    magnitudes = np.abs(flat[counts])
    all_finite = bool(finite.all())
    if not magnitudes.size:
        texts = _without_point([f"{value:.0f}." for value in values], finite, all_finite)
        return texts, 1
    largest, smallest = magnitudes.max().item(), magnitudes.min().item()
    are_whole = bool((magnitudes == np.ceil(magnitudes)).all())
    scientific = options.sci_mode
    if scientific is None:
        too_wide = largest / smallest > 1000.0 or largest > 1.0e8
        scientific = too_wide or (not are_whole and smallest < 1.0e-4)
    if scientific:
        pattern = f"%.{options.precision}e"
    elif are_whole:
        pattern = "%.0f."
    else:
        pattern = f"%.{options.precision}f"
    texts = [pattern % value for value in values]
    if are_whole and not scientific:
        texts = _without_point(texts, finite, all_finite)
    if magnitudes.size == len(texts):
        width = max(map(len, texts))
    else:
        width = max(len(text) for text, does_count in zip(texts, counts.tolist(), strict=True) if does_count)
    return [text.rjust(width) for text in texts], width


def _without_point(texts: list[str], finite: AnyArray, all_finite: bool) -> list[str]:
    """``nan.`` and ``inf.`` as ``nan`` and ``inf``."""
    if all_finite:
        return texts
    return [text if is_finite else text[:-1] for text, is_finite in zip(texts, finite.tolist(), strict=True)]


class _Layout:
    """Cells in row-major order, laid out in brackets, lines and blocks."""

    __slots__ = ("cells", "cut", "edgeitems", "linewidth", "pitch", "shape", "sizes")

    def __init__(
        self, cells: list[str], shape: tuple[int, ...], cut: list[bool], width: int, options: PrintOptions
    ) -> None:
        self.cells = cells
        self.shape = shape
        self.cut = cut
        self.edgeitems = options.edgeitems
        self.linewidth = options.linewidth
        self.pitch = width + len(", ")
        self.sizes = [math.prod(shape[depth + 1 :]) for depth in range(len(shape))]  # cells in one slice

    def text(self, depth: int, first: int, column: int) -> str:
        """The slice at ``depth`` whose cells begin at ``first``, opening at ``column``."""
        extent = self.shape[depth]
        if depth == len(self.shape) - 1:
            return self._row(self.cells[first : first + extent], self.cut[depth], column)
        size = self.sizes[depth]
        blocks = [self.text(depth + 1, first + i * size, column + 1) for i in range(extent)]
        if self.cut[depth]:
            blocks.insert(self.edgeitems, "...")
        below = len(self.shape) - depth - 1
        return "[" + ("," + "\n" * below + " " * (column + 1)).join(blocks) + "]"

    def _row(self, cells: list[str], is_cut: bool, column: int) -> str:
        if is_cut:
            cells.insert(self.edgeitems, " ...")
        if self.linewidth == math.inf:
            return "[" + ", ".join(cells) + "]"
        per_line = max(1, math.floor((self.linewidth - column) / self.pitch))
        lines = [", ".join(cells[i : i + per_line]) for i in range(0, len(cells), per_line)]
        return "[" + (",\n" + " " * (column + 1)).join(lines) + "]"
