"""``tf.parse_example`` and its kin: tensors from ``tf.train.Example`` records, by a description of their features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import rushlight as rl

from . import dtypes, errors
from .conversion import convert_to_tensor
from .dtypes import as_dtype
from .graph import name_scope
from .records import Example, Features, SequenceExample
from .sparse_tensor import SparseTensor
from .tensor_shape import TensorShape

_LIST_OF = {"int64": "int64_list", "float32": "float_list", "string": "bytes_list"}


class FixedLenFeature(NamedTuple):
    """A feature of a known shape; without a default value it must be there."""

    shape: Any
    dtype: Any
    default_value: Any = None


class VarLenFeature(NamedTuple):
    """A feature of any number of elements: it becomes a ``SparseTensor``."""

    dtype: Any


class FixedLenSequenceFeature(NamedTuple):
    """A feature of any number of elements of a known shape: a dense tensor, padded where there are several."""

    shape: Any
    dtype: Any
    allow_missing: bool = False
    default_value: Any = None


class _Wanted(NamedTuple):
    """A description, with what follows from it."""

    key: str
    kind: type
    shape: tuple[int, ...]
    dtype: Any
    field: str
    default: Any
    allow_missing: bool


def _wanted(features: Any) -> list[_Wanted]:
    if not features:
        raise ValueError(f"Missing: features was {features}.")
    found = []
    for key in sorted(features):
        one = features[key]
        if not isinstance(one, FixedLenFeature | VarLenFeature | FixedLenSequenceFeature):
            raise ValueError(f"Invalid feature {key}:{one}.")
        dtype = as_dtype(one.dtype)
        if dtype.name not in _LIST_OF:
            raise TypeError(f"Feature {key}: records hold int64, float32 and string, not {dtype.name}")
        shape = getattr(one, "shape", ())
        given: Any = shape if isinstance(shape, list | tuple) else TensorShape(shape).as_list()
        extents = tuple([int(n) for n in given])
        default = getattr(one, "default_value", None)
        if default is not None:
            default = np.asarray(default, dtype=object if dtype is dtypes.string else dtype.numpy)
            if dtype is dtypes.string:
                default = _encoded(default)
            if isinstance(one, FixedLenFeature):
                default = np.broadcast_to(default, extents)
        allow = isinstance(one, FixedLenSequenceFeature) and one.allow_missing
        found.append(_Wanted(key, type(one), extents, dtype, _LIST_OF[dtype.name], default, allow))
    return found


def _encoded(texts: Any) -> Any:
    result = np.empty(texts.shape, dtype=object)
    for i, text in np.ndenumerate(texts):
        result[i] = text.encode() if isinstance(text, str) else text
    return result


def _values(wanted: _Wanted, items: Sequence[Any], shape: tuple[int, ...]) -> Any:
    if wanted.dtype is dtypes.string:
        result = np.empty(len(items), dtype=object)
        result[:] = list(items)
        return result.reshape(shape)
    return np.array(list(items), wanted.dtype.numpy).reshape(shape)


def _runtime(wanted: _Wanted, array: Any) -> Any:
    return array if wanted.dtype is dtypes.string else rl.from_numpy(np.array(array, order="C"))


def _items(wanted: _Wanted, features: Any, name: str) -> Any:
    """The elements of a feature, or None where it is not there."""
    feature = dict.get(features, wanted.key)
    kind = None if feature is None else feature.WhichOneof()
    if kind is None:
        return None
    if kind != wanted.field:
        raise errors.InvalidArgumentError(
            None,
            None,
            f"Name: {name}, Feature: {wanted.key} (data type: {wanted.dtype.name}) Data types don't match. "
            f"Expected type: {wanted.dtype.name} but the record has a {kind}.",
        )
    return getattr(feature, kind).value


def _fixed(wanted: _Wanted, features: Any, name: str) -> Any:
    items = _items(wanted, features, name)
    if items is None:
        if wanted.default is None:
            raise errors.InvalidArgumentError(
                None,
                None,
                f"Name: {name}, Feature: {wanted.key} (data type: {wanted.dtype.name}) is required but could not be found.",
            )
        return wanted.default
    if len(items) != int(np.prod(wanted.shape)):
        raise errors.InvalidArgumentError(
            None,
            None,
            f"Name: {name}, Key: {wanted.key}, Index: 0.  Number of {wanted.dtype.name} values != expected.  "
            f"Values size: {len(items)} but output shape: {list(wanted.shape)}",
        )
    return _values(wanted, items, wanted.shape)


def _sequence(wanted: _Wanted, features: Any, name: str) -> Any:
    items = _items(wanted, features, name)
    if items is None and not wanted.allow_missing:
        raise errors.InvalidArgumentError(
            None,
            None,
            f"Name: {name}, Feature: {wanted.key} (data type: {wanted.dtype.name}) is required but could not be found.",
        )
    items = items or []
    each = int(np.prod(wanted.shape))
    if len(items) % max(each, 1):
        raise errors.InvalidArgumentError(
            None,
            None,
            f"Name: {name}, Key: {wanted.key}, Index: 0.  Number of {wanted.dtype.name} values is not a multiple of "
            f"stride length. Values size: {len(items)} but output shape: [{','.join(str(n) for n in wanted.shape)}]",
        )
    return _values(wanted, items, (len(items) // max(each, 1), *wanted.shape))


def _padded(wanted: _Wanted, rows: Sequence[Any]) -> Any:
    longest = max([len(row) for row in rows], default=0)
    empty: Any = b"" if wanted.dtype is dtypes.string else 0
    filler = empty if wanted.default is None else wanted.default.item()
    result = np.full(
        (len(rows), longest, *wanted.shape), filler, object if empty == b"" else wanted.dtype.numpy
    )
    for row, target in zip(rows, result, strict=True):
        target[: len(row)] = row
    return result


def _sparse(rows: Sequence[Any], wanted: _Wanted, single: bool) -> tuple[Any, Any, Any]:
    """Indices, values and shape of rows of different lengths."""
    values = [item for row in rows for item in row]
    places = [(i, j) for i, row in enumerate(rows) for j in range(len(row))]
    longest = max([len(row) for row in rows], default=0)
    indices = np.array(places, np.int64).reshape(-1, 2)
    shape = np.array([len(rows), longest], np.int64)
    if single:
        indices, shape = indices[:, 1:], shape[1:]
    return (
        rl.from_numpy(np.ascontiguousarray(indices)),
        _runtime(wanted, _values(wanted, values, (-1,))),
        rl.from_numpy(shape.copy()),
    )


def _message(kind: Any, data: Any) -> Any:
    try:
        return kind.FromString(bytes(data))
    except (ValueError, TypeError):
        raise errors.InvalidArgumentError(
            None, None, f"Could not parse example input, value: {bytes(data)[:100]!r}"
        ) from None


def _results(wanted: Sequence[_Wanted], batch: list[int | None], single: bool) -> list[Any]:
    results: list[Any] = []
    for one in wanted:
        if one.kind is VarLenFeature:
            rank = 1 if single else 2
            results += [
                (dtypes.int64, TensorShape([None, rank])),
                (one.dtype, TensorShape([None])),
                (dtypes.int64, TensorShape([rank])),
            ]
        elif one.kind is FixedLenFeature:
            results.append((one.dtype, TensorShape([*batch, *one.shape])))
        else:
            results.append((one.dtype, TensorShape([*batch, None, *one.shape])))
    return results


def _packed(wanted: Sequence[_Wanted], outputs: Sequence[Any]) -> dict[str, Any]:
    rest = iter(outputs)
    return {
        one.key: SparseTensor(next(rest), next(rest), next(rest)) if one.kind is VarLenFeature else next(rest)
        for one in wanted
    }


def _columns(
    wanted: Sequence[_Wanted], features: Sequence[Any], names: Sequence[str], single: bool
) -> tuple[Any, ...]:
    """The results for the features of each record."""
    made: list[Any] = []
    for one in wanted:
        pairs = list(zip(features, names, strict=True))
        if one.kind is VarLenFeature:
            made += _sparse([_items(one, f, name) or [] for f, name in pairs], one, single)
        elif one.kind is FixedLenFeature:
            rows = [_fixed(one, f, name) for f, name in pairs]
            whole = (
                rows[0]
                if single
                else np.array(rows, dtype=None if one.dtype is not dtypes.string else object)
            )
            if not single:
                whole = whole.reshape((len(rows), *one.shape))
                whole = whole if one.dtype is dtypes.string else whole.astype(one.dtype.numpy)
            made.append(_runtime(one, np.array(whole)))
        else:
            rows = [_sequence(one, f, name) for f, name in pairs]
            made.append(_runtime(one, rows[0] if single else _padded(one, rows)))
    return tuple(made)


def _parse(serialized: Any, features: Any, name: str | None, names: Any, single: bool) -> dict[str, Any]:
    wanted = _wanted(features)
    with name_scope(name, "ParseSingleExample" if single else "ParseExample"):
        x = convert_to_tensor(serialized, dtypes.string)
        if x.shape.ndims is not None and x.shape.ndims != (0 if single else 1):
            raise ValueError(
                f"Input serialized must be a {'scalar' if single else 'vector'}, got shape {x.shape}"
            )
        shown = None if names is None else np.asarray(names, dtype=object).ravel().tolist()

        def kernel(texts: Any) -> tuple[Any, ...]:
            records = np.asarray(texts, dtype=object).ravel().tolist()
            titles = [str(n) for n in shown] if shown else ["<unknown>"] * len(records)
            found = [_message(Example, record).features.feature for record in records]
            return _columns(wanted, found, titles, single)

        batch = [] if single else [x.shape.extents[0] if x.shape.extents else None]
        op = x.graph.create_op(
            "ParseSingleExample" if single else "ParseExample", [x], _results(wanted, batch, single), kernel,
            attributes={"many": True},
        )  # fmt: skip
        return _packed(wanted, op.outputs)


def parse_example(
    serialized: Any, features: Any = None, name: str | None = None, example_names: Any = None
) -> dict[str, Any]:
    """Tensors, by name, from a vector of serialized ``tf.train.Example`` records.

    Args:
        serialized: a string tensor of shape (n,).
        features: ``FixedLenFeature``, ``VarLenFeature`` or ``FixedLenSequenceFeature`` by name.

    A ``FixedLenFeature`` gives (n, *shape), a ``VarLenFeature`` a ``SparseTensor`` (n, most elements).

    Raises:
        ValueError: for an empty or wrong description.
        InvalidArgumentError: when run, if a record has another type, another number of elements, or not what it must have.
    """
    return _parse(serialized, features, name, example_names, False)


def parse_single_example(
    serialized: Any, features: Any = None, name: str | None = None, example_names: Any = None
) -> dict[str, Any]:
    """Like :func:`parse_example`, for one record: without the first axis."""
    return _parse(serialized, features, name, example_names, True)


def parse_single_sequence_example(
    serialized: Any,
    context_features: Any = None,
    sequence_features: Any = None,
    example_name: Any = None,
    name: str | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tensors of the context and of the steps of one serialized ``tf.train.SequenceExample``.

    Of the steps, a ``FixedLenSequenceFeature`` gives (steps, *shape) and a ``VarLenFeature`` a ``SparseTensor``.
    """
    if not (context_features or sequence_features):
        raise ValueError("Missing features.")
    context = _wanted(context_features) if context_features else []
    steps = _wanted(sequence_features) if sequence_features else []
    with name_scope(name, "ParseSingleSequenceExample"):
        x = convert_to_tensor(serialized, dtypes.string)

        def kernel(text: Any) -> tuple[Any, ...]:
            record = _message(SequenceExample, np.asarray(text, dtype=object).item())
            made = list(_columns(context, [record.context.feature], ["<unknown>"], True))
            lists = record.feature_lists.feature_list
            for one in steps:
                rows = lists[one.key].feature if one.key in lists else []
                if one.key not in lists and one.kind is not VarLenFeature and not one.allow_missing:
                    raise errors.InvalidArgumentError(
                        None,
                        None,
                        f"Name: <unknown>, Feature list '{one.key}' is required but could not be found.  "
                        "Did you mean to include it in feature_list_dense_missing_assumed_empty or "
                        "feature_list_dense_defaults?",
                    )
                items = [_items(one, _alone(one.key, feature), "<unknown>") or [] for feature in rows]
                if one.kind is VarLenFeature:
                    made += _sparse(items, one, False)
                else:
                    made.append(
                        _runtime(
                            one, _values(one, [i for row in items for i in row], (len(items), *one.shape))
                        )
                    )
            return tuple(made)

        results = [*_results(context, [], True), *_results(steps, [], False)]
        op = x.graph.create_op("ParseSingleSequenceExample", [x], results, kernel, attributes={"many": True})
        border = len(_results(context, [], True))
        return _packed(context, op.outputs[:border]), _packed(steps, op.outputs[border:])


def _alone(key: str, feature: Any) -> Any:
    return Features({key: feature}).feature


__all__ = [
    "FixedLenFeature", "FixedLenSequenceFeature", "VarLenFeature", "parse_example", "parse_single_example",
    "parse_single_sequence_example",
]  # fmt: skip
