"""What a profile says of a call's arguments: shapes, dtypes, numbers, and how much arithmetic they mean."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ..core.tensor import Tensor

_TYPE_WORDS: Final = {
    "float32": "float", "float64": "double", "float16": "c10::Half", "bfloat16": "c10::BFloat16", "int64": "long int",
    "int32": "int", "int16": "short int", "int8": "signed char", "uint8": "unsigned char", "bool": "bool",
    "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip
_LONGEST_LIST: Final = 30


class Arguments(NamedTuple):
    """One entry for each argument; a list of tensors has a list of shapes."""

    shapes: list[Any]
    dtypes: list[str]
    values: list[str]


def described(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    """The arguments of a call, by position and then by name."""
    shapes: list[Any] = []
    dtypes: list[str] = []
    values: list[str] = []
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            shapes.append(list(value._array.shape))
            name = value.dtype.name
            dtypes.append(_TYPE_WORDS.get(name, name))
            values.append("")
        elif isinstance(value, list | tuple) and value and all(isinstance(entry, Tensor) for entry in value):
            shapes.append([list(entry._array.shape) for entry in value[:_LONGEST_LIST]])
            dtypes.append("TensorList")
            values.append("")
        else:
            shapes.append([])
            scalar = isinstance(value, bool | int | float | complex)
            dtypes.append("Scalar" if scalar else "ScalarList" if isinstance(value, list | tuple) else "")
            plain = isinstance(value, bool | int | float | complex | str | list | tuple)
            values.append(str(value)[:80] if plain else "")
    return Arguments(shapes, dtypes, values)


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(value._array.shape) if isinstance(value, Tensor) else ()


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for extent in shape:
        size *= extent
    return size


def factors_of(name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The two tensors that a product multiplies."""
    if name == "einsum" and len(args) == 2 and isinstance(args[1], list | tuple):
        return tuple(args[1][:2])
    return args[1:3] if name.startswith(("add", "badd", "einsum")) else args[:2]


def _of_einsum(args: tuple[Any, ...]) -> int:
    """Of two operands, with one letter for each dimension; 0 for others."""
    factors = factors_of("einsum", args)
    if not args or not isinstance(args[0], str) or len(factors) != 2 or "." in args[0]:
        return 0
    before, arrow, after = args[0].replace(" ", "").partition("->")
    terms = before.split(",")
    if len(terms) != 2:
        return 0
    extents: dict[str, int] = {}
    for term, factor in zip(terms, factors, strict=True):
        for letter, extent in zip(term, _shape(factor), strict=False):
            extents[letter] = max(extents.get(letter, 1), extent)
    # What only one operand has, and the result has not, is added up before.
    met = [
        extent
        for letter, extent in extents.items()
        if not arrow or letter in after or all([letter in term for term in terms])
    ]
    return 2 * _size(tuple(met))


def floating_point_operations(name: str, args: tuple[Any, ...], result: Any) -> int:
    """About how many the call took, for those that PyTorch's profiler estimates too; 0 for all others.

    A multiplication and an addition count as two; sums and products of tensors as one for each element.
    """
    if name in ("mm", "bmm", "matmul", "linear", "addmm", "baddbmm", "addmv", "mv") and isinstance(
        result, Tensor
    ):
        left = _shape(next(iter(factors_of(name, args)), None))
        return 2 * _size(_shape(result)) * left[-1] if left else 0
    if name == "einsum":
        return _of_einsum(args)
    if name.startswith("conv") and len(args) > 1 and isinstance(result, Tensor):
        weight = _shape(args[1])
        per_element = _size(weight[1:])
        if "transpose" in name:  # each input element meets every weight of its channel
            return 2 * _size(_shape(args[0])) * per_element
        return 2 * _size(_shape(result)) * per_element
    if name in ("add", "mul", "add_", "mul_") and isinstance(result, Tensor):
        return _size(_shape(result))
    return 0
