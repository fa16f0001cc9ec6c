"""The messages of TensorBoard's plug-ins: hyperparameters, precision and recall, layouts of charts, tensors, sound."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..event_file import _bytes, _double, _float, _int, _shown_by

Array = NDArray[Any]
_TEXT, _TRUTH, _NUMBER = 1, 2, 3  # the plug-in's types of hyperparameters
_FLOAT, _DOUBLE, _STRING = 1, 2, 7  # TensorFlow's dtypes
_LEAST_COUNT: Final = 1e-7


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        return _bytes(3, value.encode())
    if isinstance(value, bool):
        return _int(4, int(value))
    return _double(2, float(value))


def _plain(value: Any) -> Any:
    """A hyperparameter as a number, text or truth value; ``ValueError`` for anything else."""
    if isinstance(value, bool | int | float | str):
        return value
    item = getattr(value, "item", None)
    if item is not None:
        if getattr(value, "size", 1) == 1 or (hasattr(value, "numel") and value.numel() == 1):
            return item()
        raise ValueError("add_hparams: a hyperparameter that is a tensor must have one element")
    raise ValueError("value should be one of int, float, str, bool, or torch.Tensor")


def _kind(value: Any) -> int:
    return _TEXT if isinstance(value, str) else _NUMBER


def hyperparameter_summaries(
    chosen: Mapping[str, Any], metrics: Mapping[str, Any], domains: Mapping[str, Sequence[Any]] | None
) -> list[bytes]:
    """The three Summary messages that begin, describe and end a run with these hyperparameters.

    ``TypeError`` for what is no dictionary and for domains that do not fit, ``ValueError`` for values that can't be shown.
    """
    if not isinstance(chosen, dict) or not isinstance(metrics, dict):
        raise TypeError("hparam_dict and metric_dict should be dictionary.")
    domains = domains or {}
    for name, values in domains.items():
        if (
            name not in chosen
            or not isinstance(values, list)
            or any(_kind(_plain(value)) != _kind(_plain(chosen[name])) for value in values)
        ):
            raise TypeError(
                f"parameter: hparam_domain_discrete[{name}] should be a list of same type as hparam_dict[{name}]."
            )
    experiment, start = b"", b""
    for name, given in chosen.items():
        if given is None:
            continue
        value = _plain(given)
        kind = _TRUTH if isinstance(value, bool) and name in domains else _kind(value)
        info = _bytes(1, name.encode()) + _int(4, kind)
        if name in domains:
            info += _bytes(5, b"".join([_bytes(1, _value(_plain(entry))) for entry in domains[name]]))
        experiment += _bytes(4, info)
        shown = value if isinstance(value, str) or kind == _TRUTH else float(value)
        start += _bytes(1, _bytes(1, name.encode()) + _bytes(2, _value(shown)))
    for name in metrics:
        experiment += _bytes(5, _bytes(1, _bytes(2, name.encode())))
    parts = (
        ("experiment", 2, experiment),
        ("session_start_info", 3, start),
        ("session_end_info", 4, _int(1, 1)),
    )
    return [
        _bytes(1, _bytes(1, f"_hparams_/{name}".encode()) + _shown_by("hparams", _bytes(field, content)))
        for name, field, content in parts
    ]


def _tensor(array: Array) -> bytes:
    """A TensorProto of float32 or float64 numbers."""
    double = array.dtype == np.float64
    shape = b"".join([_bytes(2, _int(1, extent)) for extent in array.shape])
    data = np.ascontiguousarray(array, "<f8" if double else "<f4").tobytes()
    return _int(1, _DOUBLE if double else _FLOAT) + _bytes(2, shape) + _bytes(6 if double else 5, data)


def tensor_summary(tag: str, array: Array, plugin: str = "tensor", content: bytes = b"") -> bytes:
    """A Summary message with an array of numbers."""
    return _bytes(1, _bytes(1, tag.encode()) + _bytes(8, _tensor(array)) + _shown_by(plugin, content))


def exact_scalar_summary(tag: str, value: float, double: bool) -> bytes:
    """A Summary message with one number as a tensor: in double precision, if asked for."""
    number = np.array(value, np.float64 if double else np.float32)
    return tensor_summary(tag, number, "scalars")


def curve_of(labels: Array, predictions: Array, thresholds: int, weights: Any) -> Array:
    """True and false positives and negatives, precision and recall at each of ``thresholds`` equal steps from 0 to 1."""
    counted = np.broadcast_to(np.asarray(1.0 if weights is None else weights, np.float64), labels.shape)
    buckets = np.floor(predictions.astype(np.float64) * (thresholds - 1)).astype(np.int64)
    positive = labels.astype(np.float64)

    def at_least(amount: Array) -> Array:
        counts, _ = np.histogram(buckets, bins=thresholds, range=(0, thresholds - 1), weights=amount)
        return np.cumsum(counts[::-1])[::-1]

    true, false = at_least(positive * counted), at_least((1.0 - positive) * counted)
    true_negative, missed = false[0] - false, true[0] - true
    precision = true / np.maximum(_LEAST_COUNT, true + false)
    recall = true / np.maximum(_LEAST_COUNT, true + missed)
    return np.stack([true, false, true_negative, missed, precision, recall])


def curve_summary(tag: str, curve: Array) -> bytes:
    """A Summary message with the six rows of a precision-recall curve."""
    return tensor_summary(tag, curve.astype(np.float32), "pr_curves", _int(2, curve.shape[1]))


def raw_histogram_summary(
    tag: str, bounds: tuple[float, float], sums: tuple[float, float, float], limits: Any, counts: Any
) -> bytes:
    """A Summary message with a histogram that is counted already; ``sums``: how many, their sum, that of their squares."""
    message = b"".join([_double(field, float(value)) for field, value in enumerate((*bounds, *sums), 1)])
    message += _bytes(6, np.asarray(limits, "<f8").tobytes()) + _bytes(7, np.asarray(counts, "<f8").tobytes())
    return _bytes(1, _bytes(1, tag.encode()) + _bytes(5, message))


def layout_summary(layout: Mapping[str, Mapping[str, Sequence[Any]]]) -> bytes:
    """A Summary message that lays out charts: category → title → (``"Multiline"`` or ``"Margin"``, tags)."""
    message = b""
    for category, charts in layout.items():
        listed = b""
        for title, (kind, tags) in charts.items():
            if kind == "Margin":
                if len(tags) != 3:
                    raise AssertionError(
                        f"a margin chart needs 3 tags (value, lower, upper); got {len(tags)}"
                    )
                series = b"".join([_bytes(number, tag.encode()) for number, tag in enumerate(tags, 1)])
                listed += _bytes(2, _bytes(1, title.encode()) + _bytes(3, _bytes(1, series)))
            else:
                lines = b"".join([_bytes(1, tag.encode()) for tag in tags])
                listed += _bytes(2, _bytes(1, title.encode()) + _bytes(2, lines))
        message += _bytes(2, _bytes(1, category.encode()) + listed)
    tensor = _int(1, _STRING) + _bytes(2, b"") + _bytes(8, message)
    named = _bytes(1, b"custom_scalars__config__")
    return _bytes(1, named + _bytes(8, tensor) + _shown_by("custom_scalars"))


def sound_summary(tag: str, samples: Array, rate: int) -> bytes:
    """A Summary message with a sound of one channel: numbers from -1 to 1."""
    data = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    wave = b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks
    sound = (
        _float(1, float(rate))
        + _int(2, 1)
        + _int(3, samples.size)
        + _bytes(4, wave)
        + _bytes(5, b"audio/wav")
    )
    return _bytes(1, _bytes(1, tag.encode()) + _bytes(6, sound))
