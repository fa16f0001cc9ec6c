"""``tf.summary``: numbers and histograms for TensorBoard."""

from __future__ import annotations

import os
import re
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

import numpy as np

import rushlight as rl

from . import dtypes, event_file
from .conversion import convert_to_tensor
from .graph import Graph, GraphKeys, Tensor, get_default_graph, name_scope, node
from .records import fields


def _message(data: bytes) -> Any:
    value = np.empty((), dtype=object)
    value[()] = data
    return value


def _summary(
    kind: str,
    name: str,
    tensor: Any,
    collections: Any,
    family: str | None,
    write: Callable[[str, Any], bytes],
) -> Tensor:
    clean = re.sub(r"[^-/\w.]", "_", name).lstrip("/")
    if family is not None:
        clean = f"{family}/{clean}"
    with name_scope(clean) as scope:
        value = convert_to_tensor(tensor)
        tag = scope.rstrip("/") if family is None else f"{family}/{scope.rstrip('/')}"

        def kernel(x: Any) -> Any:
            return _message(write(tag, x))

        made = node(kind, kernel, [value], dtypes.string, [], scope)
    graph = get_default_graph()
    graph.add_to_collections([GraphKeys.SUMMARIES] if collections is None else list(collections), made)
    return made


def scalar(name: str, tensor: Any, collections: Any = None, family: str | None = None) -> Tensor:
    """A summary of one number, under ``name``.

    Args:
        name: the tag, with the open name scopes before it.
        tensor: a real tensor with one element.
        collections: where to put it; ``[GraphKeys.SUMMARIES]`` by default.

    Returns:
        A string tensor whose value is the summary, for ``FileWriter.add_summary``.
    """

    def write(tag: str, value: Any) -> bytes:
        if value.numel() != 1:
            raise ValueError(f"tags and values not the same shape: [] != {list(value.shape)} (tag '{tag}')")
        return event_file.scalar_summary(tag, float(value.item()))

    return _summary("ScalarSummary", name, tensor, collections, family, write)


def histogram(name: str, values: Any, collections: Any = None, family: str | None = None) -> Tensor:
    """A summary of how the elements of ``values`` are distributed."""

    def write(tag: str, value: Any) -> bytes:
        if value.is_floating_point() and bool(rl.isnan(value).any()):
            raise ValueError(f"Nan in summary histogram for: {tag}")
        return event_file.histogram_summary(tag, value.detach().numpy())

    return _summary("HistogramSummary", name, values, collections, family, write)


def image(
    name: str, tensor: Any, max_outputs: int = 3, collections: Any = None, family: str | None = None
) -> Tensor:
    """A summary of the first ``max_outputs`` images of (batch, height, width, channels).

    Channels: 1 (gray), 3 (colors) or 4 (and opacity). Floats are scaled so that the largest absolute value fits; with
    negative ones 0 becomes the middle of the range. uint8 stays as it is.
    """

    def write(tag: str, value: Any) -> bytes:
        pixels = _as_pixels(value.detach().numpy())[:max_outputs]
        tags = [f"{tag}/image"] if max_outputs == 1 else [f"{tag}/image/{i}" for i in range(len(pixels))]
        return b"".join(
            [event_file.image_summary(one, entry) for one, entry in zip(tags, pixels, strict=False)]
        )

    return _summary("ImageSummary", name, tensor, collections, family, write)


def _as_pixels(images: Any) -> Any:
    if images.ndim != 4 or images.shape[-1] not in (1, 3, 4):
        raise ValueError(f"Tensor must be 4-D with last dim 1, 3, or 4, not {list(images.shape)}")
    if images.dtype == np.uint8:
        return images
    scaled = []
    for entry in np.asarray(images, np.float64):
        finite = entry[np.isfinite(entry)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        if low < 0:
            most = max(abs(low), abs(high))
            scale, offset = (0.0 if most == 0 else 127.0 / most), 128.0
        else:
            scale, offset = (0.0 if high == 0 else 255.0 / high), 0.0
        scaled.append(np.nan_to_num(entry) * scale + offset)
    return np.clip(np.array(scaled), 0, 255).astype(np.uint8)


def text(name: str, tensor: Any, collections: Any = None) -> Tensor:
    """A summary of texts, which TensorBoard shows as Markdown."""
    value = convert_to_tensor(tensor)
    if value.dtype is not dtypes.string:
        raise ValueError(f"Expected tensor {value.name} to have dtype string, got {value.dtype.name}")

    def write(tag: str, found: Any) -> bytes:
        texts = [item.decode(errors="replace") for item in np.asarray(found, dtype=object).ravel().tolist()]
        return event_file.text_summary(tag, "\n\n".join(texts))

    return _summary("TextSummary", name, value, collections, None, write)


def audio(name: str, tensor: Any, *args: Any, **options: Any) -> Tensor:
    """Not available."""
    raise NotImplementedError(
        "tf.summary.audio: sounds can't be written; use scalar, histogram, image or text"
    )


def merge(inputs: Sequence[Any], collections: Any = None, name: str | None = None) -> Tensor:
    """Several summaries as one."""
    operands = [convert_to_tensor(item) for item in inputs]
    if not operands:
        raise ValueError("merge: give at least one summary")
    # Summaries are lists of values, and one list after the other is a list.
    made = node(
        "MergeSummary",
        lambda *parts: _message(b"".join(p.item() for p in parts)),
        operands,
        dtypes.string,
        [],
        name,
    )
    get_default_graph().add_to_collections(list(collections or []), made)
    return made


def merge_all(key: Any = GraphKeys.SUMMARIES, scope: str | None = None, name: str | None = None) -> Any:
    """All summaries of the collection as one; None if there are none."""
    found = get_default_graph().get_collection(key, scope)
    return merge(found, name=name or "Merge/MergeSummary") if found else None


class FileWriter:
    """Writes summaries to a new event file in ``logdir``, which TensorBoard reads while it grows.

    Args:
        logdir: the folder; made if need be.
        graph: a graph to show.
        filename_suffix: the end of the file's name.
    """

    def __init__(
        self,
        logdir: str | os.PathLike[str],
        graph: Any = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        graph_def: Any = None,
        filename_suffix: str | None = None,
        session: Any = None,
    ) -> None:
        import socket

        self._folder = os.fspath(logdir)
        os.makedirs(self._folder, exist_ok=True)
        stem = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
        self._path, count = os.path.join(self._folder, stem + (filename_suffix or "")), 0
        while os.path.exists(self._path):  # two writers within a second
            count += 1
            self._path = os.path.join(self._folder, f"{stem}.{count}{filename_suffix or ''}")
        self._flush_seconds, self._flushed = flush_secs, time.monotonic()
        self._file: Any = open(self._path, "ab")  # noqa: SIM115  (open until close())
        self._write(event_file.version_event(time.time()))
        if graph is not None:
            self.add_graph(graph)
        self.flush()

    def __enter__(self) -> FileWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get_logdir(self) -> str:
        """The folder."""
        return self._folder

    def add_summary(self, summary: Any, global_step: Any = None) -> None:
        """Write the value of a summary, or a ``tf.Summary``, for a step."""
        if isinstance(summary, Summary):
            summary = summary.SerializeToString()
        if isinstance(summary, np.ndarray | np.generic):
            summary = summary.item()
        if not isinstance(summary, bytes):
            raise TypeError(
                f"add_summary: expected the value of a summary, which is bytes, not {type(summary).__name__}"
            )
        step = 0 if global_step is None else int(global_step)
        self._write(event_file.summary_event(time.time(), step, summary))

    def add_graph(self, graph: Any, global_step: Any = None, graph_def: Any = None) -> None:
        """Write a graph's operations."""
        if not isinstance(graph, Graph):
            raise TypeError("The passed graph must be an instance of `Graph`.")
        operations = []
        for op in graph.get_operations():
            inputs = [
                t.op.name if t.value_index == 0 else f"{t.op.name}:{t.value_index}" for t in op.inputs
            ] + [f"^{control.name}" for control in op.control_inputs]
            operations.append((op.name, op.type, inputs, op.device))
        self._write(event_file.graph_event(time.time(), event_file.graph_definition(operations)))

    def add_run_metadata(self, run_metadata: Any, tag: str, global_step: Any = None) -> None:
        """Accepted without effect: runs are not traced."""

    def _write(self, event: bytes) -> None:
        if self._file is None:
            self.reopen()
        self._file.write(event_file.record(event))
        if time.monotonic() - self._flushed > self._flush_seconds:
            self.flush()

    def flush(self) -> None:
        """Bring what was added to the file."""
        if self._file is not None:
            self._file.flush()
            self._flushed = time.monotonic()

    def close(self) -> None:
        """Flush and close the file; adding more opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def reopen(self) -> None:
        """Go on in the same file after :meth:`close`."""
        if self._file is None:
            self._file = open(self._path, "ab")  # noqa: SIM115


class Summary:
    """A summary made by hand: ``tf.Summary(value=[tf.Summary.Value(tag="loss", simple_value=0.5)])``."""

    class Value:
        """One number under a tag. ``HasField("simple_value")`` is false for what a file has of other kinds."""

        def __init__(
            self, tag: str = "", simple_value: float = 0.0, kind: str | None = "simple_value"
        ) -> None:
            self.tag, self.simple_value, self._kind = tag, simple_value, kind

        def WhichOneof(self, oneof_group: str = "value") -> str | None:
            """What the value is: ``simple_value``, ``histo``, ``image`` or ``tensor``."""
            return self._kind

        def HasField(self, field_name: str) -> bool:
            """Whether the value is of that kind."""
            return field_name == self._kind or (field_name == "tag" and bool(self.tag))

    class _Values(list[Any]):
        def add(self, tag: str = "", simple_value: float = 0.0) -> Summary.Value:
            self.append(Summary.Value(tag, simple_value))
            return self[-1]  # type: ignore[no-any-return]

    def __init__(self, value: Sequence[Any] = ()) -> None:
        self.value = Summary._Values(value)

    def ParseFromString(self, data: bytes) -> None:
        """Read the numbers of a summary's value; other kinds of summaries keep their tag alone."""
        self.value = Summary._Values(
            [Summary.Value(tag, number, kind) for tag, number, kind in event_file.read_values(bytes(data))]
        )

    @classmethod
    def FromString(cls, data: bytes) -> Summary:
        """A summary from its value."""
        made = cls()
        made.ParseFromString(data)
        return made

    def SerializeToString(self) -> bytes:
        """The summary as a file holds it."""
        return b"".join(event_file.scalar_summary(item.tag, float(item.simple_value)) for item in self.value)


class Event:
    """One record of an event file: ``wall_time`` in seconds, ``step``, ``summary``, and ``file_version`` in the first one."""

    def __init__(self, data: bytes = b"") -> None:
        self.wall_time, self.step, self.file_version = 0.0, 0, ""
        self.summary = Summary()
        for number, value in fields(data):
            if number == 1:
                (self.wall_time,) = struct.unpack("<d", value)
            elif number == 2:
                self.step = value
            elif number == 3:
                self.file_version = value.decode()
            elif number == 5:
                self.summary.ParseFromString(value)


def summary_iterator(path: str | os.PathLike[str]) -> Iterator[Event]:
    """The events of a file that a ``FileWriter`` wrote.

    Example:
        >>> import glob, tempfile
        >>> import rushlight.compat.tensorflow as tf
        >>> folder = tempfile.mkdtemp()
        >>> writer = tf.summary.FileWriter(folder)
        >>> writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag="loss", simple_value=0.5)]), 3)
        >>> writer.close()
        >>> for event in tf.train.summary_iterator(glob.glob(folder + "/*")[0]):
        ...     for value in event.summary.value:
        ...         print(event.step, value.tag, value.simple_value)
        3 loss 0.5
    """
    from .python_io import tf_record_iterator

    for data in tf_record_iterator(path):
        yield Event(data)


SummaryWriter = FileWriter
