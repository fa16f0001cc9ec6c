"""``tf.strings``: texts as tensors, which are NumPy arrays of bytes while a graph runs."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rushlight as rl

from . import dtypes
from .conversion import convert_to_tensor
from .dtypes import as_dtype
from .graph import Tensor, node
from .ops_reduce import axes_argument, either
from .shape_rules import reduced
from .tensor_shape import TensorShape

Texts = NDArray[Any]


def _each(function: Callable[..., Any], *arrays: Any) -> Texts:
    """``function`` of the elements of arrays, which are broadcast, as an array of objects."""
    spread = np.broadcast_arrays(*[np.asarray(array, dtype=object) for array in arrays])
    result = np.empty(spread[0].size, dtype=object)
    for i, items in enumerate(zip(*[array.ravel() for array in spread], strict=True)):
        result[i] = function(*items)
    return result.reshape(np.shape(spread[0]))


def _array(value: Any) -> Texts:
    found: Texts = value.detach().numpy() if isinstance(value, rl.Tensor) else value
    return found


def _texts(kind: str, function: Callable[[bytes], bytes], doc: str) -> Callable[..., Tensor]:
    def public(input: Any, name: str | None = None) -> Tensor:
        x = convert_to_tensor(input)
        return node(kind, lambda v: _each(function, v), [x], dtypes.string, x.shape, name)

    public.__doc__ = doc
    return public


lower = _texts("StringLower", bytes.lower, "Each text in small letters.")
upper = _texts("StringUpper", bytes.upper, "Each text in capital letters.")
strip = _texts("StringStrip", bytes.strip, "Each text without the space around it.")


def length(input: Any, name: str | None = None, unit: str = "BYTE") -> Tensor:
    """The number of bytes (or of characters, with ``unit="UTF8_CHAR"``) of each text, int32."""
    x = convert_to_tensor(input)

    def count(text: bytes) -> int:
        return len(text.decode()) if unit == "UTF8_CHAR" else len(text)

    return node(
        "StringLength",
        lambda v: rl.from_numpy(_each(count, v).astype(np.int32)),
        [x],
        dtypes.int32,
        x.shape,
        name,
    )


def join(inputs: Sequence[Any], separator: str = "", name: str | None = None) -> Tensor:
    """The texts of several tensors, element by element, with ``separator`` between them."""
    operands = [convert_to_tensor(item) for item in inputs]
    between = separator.encode()
    shape = next((t.shape for t in operands if t.shape.ndims), operands[0].shape)
    return node(
        "StringJoin",
        lambda *parts: _each(lambda *texts: between.join(texts), *parts),
        operands,
        dtypes.string,
        shape,
        name,
    )


def reduce_join(
    inputs: Any,
    axis: Any = None,
    keep_dims: bool | None = None,
    separator: str = "",
    name: str | None = None,
    reduction_indices: Any = None,
    keepdims: bool | None = None,
) -> Tensor:
    """The texts along ``axis`` (all, without one) joined with ``separator`` between them."""
    x = convert_to_tensor(inputs)
    axes = axes_argument(either(axis, reduction_indices, "axis", "reduction_indices"))
    keep = bool(either(keepdims, keep_dims, "keepdims", "keep_dims"))
    between = separator.encode()

    def kernel(value: Texts) -> Texts:
        over = list(range(value.ndim)) if axes is None else [axis % value.ndim for axis in axes]
        kept = [axis for axis in range(value.ndim) if axis not in over]
        rows = value.transpose([*kept, *over]).reshape(-1, int(np.prod([value.shape[i] for i in over])))
        result = np.empty(len(rows), dtype=object)
        result[:] = [between.join(row.tolist()) for row in rows]
        if keep:
            return result.reshape([1 if i in over else n for i, n in enumerate(value.shape)])
        return result.reshape([value.shape[i] for i in kept])

    return node("ReduceJoin", kernel, [x], dtypes.string, reduced(x.shape, axes, keep), name)


def as_string(
    input: Any,
    precision: int = -1,
    scientific: bool = False,
    shortest: bool = False,
    width: int = -1,
    fill: str = "",
    name: str | None = None,
) -> Tensor:
    """Each number or truth value as text; floats with 6 digits after the point, or ``precision``."""
    x = convert_to_tensor(input)
    style = "e" if scientific else "g" if shortest else "f"

    def text(item: Any) -> bytes:
        if isinstance(item, bool):
            return b"true" if item else b"false"
        if isinstance(item, float):
            number = f"{item:{'' if precision < 0 else f'.{precision}'}{style}}"
        else:
            number = str(item)
        return (number.rjust(width, fill or " ") if width > 0 else number).encode()

    def kernel(value: Any) -> Texts:
        array = _array(value)
        return _each(text, np.array(array.tolist(), dtype=object).reshape(array.shape))

    return node("AsString", kernel, [x], dtypes.string, x.shape, name)


def to_number(
    string_tensor: Any = None, out_type: Any = dtypes.float32, name: str | None = None, input: Any = None
) -> Tensor:
    """Each text as a number; one that is none is an ``InvalidArgumentError``."""
    x, kind = convert_to_tensor(input if string_tensor is None else string_tensor), as_dtype(out_type)
    read: Any = int if kind.is_integer else float

    def number(text: bytes) -> Any:
        try:
            return read(text)
        except ValueError:
            raise ValueError(
                f"StringToNumberOp could not correctly convert string: {text.decode()}"
            ) from None

    return node(
        "StringToNumber",
        lambda v: rl.from_numpy(np.array(_each(number, v).tolist(), kind.numpy).reshape(v.shape)),
        [x],
        kind,
        x.shape,
        name,
    )


def substr(input: Any, pos: Any, len: Any, name: str | None = None, unit: str = "BYTE") -> Tensor:
    """The part of each text from ``pos`` on, ``len`` bytes long."""
    x, start, count = convert_to_tensor(input), convert_to_tensor(pos), convert_to_tensor(len)

    def part(text: bytes, begin: int, size: int) -> bytes:
        if not -builtin_len(text) <= begin <= builtin_len(text):
            raise ValueError(f"pos {begin} out of range for string {text.decode(errors='replace')}")
        begin = begin + builtin_len(text) if begin < 0 else begin
        return text[begin : begin + size]

    return node(
        "Substr",
        lambda v, p, n: _each(part, v, _array(p).astype(object), _array(n).astype(object)),
        [x, start, count],
        dtypes.string,
        x.shape,
        name,
    )


builtin_len = builtins.len


def regex_replace(
    input: Any, pattern: str, rewrite: str, replace_global: bool = True, name: str | None = None
) -> Tensor:
    """Each text with what matches ``pattern`` replaced by ``rewrite``, in which ``\\\\1`` is the first group."""
    x = convert_to_tensor(input)
    compiled, to = re.compile(pattern.encode()), rewrite.encode()
    count = 0 if replace_global else 1
    return node(
        "RegexReplace",
        lambda v: _each(lambda text: compiled.sub(to, text, count=count), v),
        [x],
        dtypes.string,
        x.shape,
        name,
    )


def to_hash_bucket_fast(input: Any, num_buckets: int, name: str | None = None) -> Tensor:
    """A number below ``num_buckets`` for each text, the same in every run; not the one that TensorFlow gives."""
    from zlib import crc32

    x = convert_to_tensor(input)

    def kernel(value: Texts) -> Any:
        return rl.from_numpy(_each(lambda text: crc32(text) % num_buckets, value).astype(np.int64))

    return node("StringToHashBucketFast", kernel, [x], dtypes.int64, x.shape, name)


to_hash_bucket = to_hash_bucket_fast


def string_split(
    source: Any = None,
    sep: str | None = None,
    skip_empty: bool = True,
    delimiter: Any = " ",
    result_type: str = "SparseTensor",
    name: str | None = None,
) -> Any:
    """The parts of each text (n,) between spaces or ``delimiter``, as a ``SparseTensor`` (n, longest)."""
    from .sparse_tensor import SparseTensor

    x = convert_to_tensor(source)
    between = (sep if sep is not None else delimiter).encode()

    def kernel(value: Texts) -> tuple[Any, ...]:
        rows = [text.split(between) if between else [bytes([c]) for c in text] for text in value.tolist()]
        rows = [[part for part in row if part or not skip_empty] for row in rows]
        index = [[i, j] for i, row in enumerate(rows) for j in range(builtin_len(row))]
        parts = np.empty(builtin_len(index), dtype=object)
        parts[:] = [part for row in rows for part in row]
        extent = [builtin_len(rows), max([builtin_len(row) for row in rows], default=0)]
        return (
            rl.from_numpy(np.array(index, np.int64).reshape(-1, 2)),
            parts,
            rl.tensor(extent, dtype=rl.int64),
        )

    results = [
        (dtypes.int64, TensorShape([None, 2])),
        (dtypes.string, TensorShape([None])),
        (dtypes.int64, TensorShape([2])),
    ]
    op = x.graph.create_op("StringSplit", [x], results, kernel, name=name)
    return SparseTensor(*op.outputs)


def decode_raw(
    input_bytes: Any = None,
    out_type: Any = dtypes.uint8,
    little_endian: bool = True,
    name: str | None = None,
    bytes: Any = None,
) -> Tensor:
    """The bytes of each text as numbers of ``out_type``, along a new last axis."""
    x, kind = convert_to_tensor(bytes if input_bytes is None else input_bytes), as_dtype(out_type)
    stored = kind.numpy.newbyteorder("<" if little_endian else ">")

    def kernel(value: Any) -> Any:
        array = np.asarray(value, dtype=object)
        rows = [np.frombuffer(text, stored).astype(kind.numpy) for text in array.ravel().tolist()]
        if builtin_len({row.size for row in rows}) > 1:
            raise ValueError("DecodeRaw requires input strings to all be the same size")
        return rl.from_numpy(np.stack(rows).reshape(*array.shape, -1).copy())

    shape = TensorShape(None) if x.shape.extents is None else TensorShape([*x.shape.extents, None])
    return node("DecodeRaw", kernel, [x], kind, shape, name)


def decode_csv(
    records: Any,
    record_defaults: Sequence[Any],
    field_delim: str = ",",
    use_quote_delim: bool = True,
    name: str | None = None,
    na_value: str = "",
    select_cols: Sequence[int] | None = None,
) -> list[Tensor]:
    """The columns of lines of text; ``record_defaults`` say the types and what stands for an empty field."""
    x = convert_to_tensor(records)
    defaults = [convert_to_tensor(item) for item in record_defaults]

    def kernel(lines: Any, *given: Any) -> tuple[Any, ...]:
        import csv

        array = np.asarray(lines, dtype=object)
        quoting: Any = csv.QUOTE_MINIMAL if use_quote_delim else csv.QUOTE_NONE
        texts = [line.decode() for line in array.ravel().tolist()]
        rows = [next(csv.reader([text], delimiter=field_delim, quoting=quoting)) for text in texts]
        columns = []
        for i, (tensor, default) in enumerate(zip(defaults, given, strict=True)):
            column = i if select_cols is None else select_cols[i]
            columns.append(_column([row[column] for row in rows], tensor, default, na_value, array.shape))
        return tuple(columns)

    results = [(tensor.dtype, x.shape) for tensor in defaults]
    return list(x.graph.create_op("DecodeCSV", [x, *defaults], results, kernel, name=name).outputs)


def _column(fields: Sequence[str], tensor: Tensor, default: Any, missing: str, shape: Any) -> Any:
    given = _array(default).ravel()
    if builtin_len(given) == 0 and any(field in ("", missing) for field in fields):
        raise ValueError("a field is required but missing in record")
    filler = given[0] if builtin_len(given) else None
    if tensor.dtype is dtypes.string:
        result = np.empty(builtin_len(fields), dtype=object)
        result[:] = [filler if field in ("", missing) else field.encode() for field in fields]
        return result.reshape(shape)
    read: Any = int if tensor.dtype.is_integer else float
    values = [filler if field in ("", missing) else read(field) for field in fields]
    return rl.from_numpy(np.array(values, tensor.dtype.numpy).reshape(shape))


split = string_split
