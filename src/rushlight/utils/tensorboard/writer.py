"""``SummaryWriter``: numbers, histograms, texts and images in event files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.tensor import Tensor
from .. import event_file
from . import summaries

Array = NDArray[Any]


class _EventFile:
    """One growing file in a folder, which is made if need be."""

    def __init__(self, folder: str, flush_seconds: float, suffix: str) -> None:
        import socket

        os.makedirs(folder, exist_ok=True)
        stem = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
        path, count = os.path.join(folder, stem + suffix), 0
        while os.path.exists(path):  # two writers within a second
            count += 1
            path = os.path.join(folder, f"{stem}.{count}{suffix}")
        self._path, self._flush_seconds = path, flush_seconds
        self._file: Any = None
        self._flushed = time.monotonic()
        self.write(event_file.version_event(time.time()))
        self.flush()

    def write(self, event: bytes) -> None:
        if self._file is None:  # closed, and opened again to go on
            self._file = open(self._path, "ab")  # noqa: SIM115
        self._file.write(event_file.record(event))
        if time.monotonic() - self._flushed > self._flush_seconds:
            self.flush()

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()
            self._flushed = time.monotonic()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __del__(
        self,
    ) -> None:  # a program that forgets close() loses nothing, and Python has nothing to warn of
        if getattr(self, "_file", None) is not None:
            self.close()


def _array(value: Any) -> Array:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


def _number(value: Any) -> float:
    array = _array(value)
    if array.size != 1:
        raise AssertionError(
            f"add_scalar: scalar should be 0D, got shape {list(array.shape)}; give one number"
        )
    return float(array.reshape(()))


def _pixels(image: Any, order: str) -> NDArray[np.uint8]:
    """The image as height × width × channels bytes; floats from 0 to 1 are scaled."""
    array, letters = _array(image), order.upper()
    if set(letters) not in ({"H", "W"}, {"C", "H", "W"}) or len(letters) != array.ndim:
        raise AssertionError(
            f"size of input tensor and input format are different: tensor shape {array.shape}, input_format: {letters}"
        )
    array = array[..., None] if "C" not in letters else array.transpose([letters.index(c) for c in "HWC"])
    if array.shape[-1] not in (1, 3, 4):
        raise ValueError(f"add_image: {array.shape[-1]} channels; give 1, 3 or 4")
    scaled = array if array.dtype == np.uint8 else np.clip(np.asarray(array, np.float32) * 255, 0, 255)
    return scaled.astype(np.uint8)


def _sprite(pictures: Array) -> NDArray[np.uint8]:
    """All pictures ``(N, C, H, W)`` in rows and columns of a square, as height × width × 3 bytes."""
    if pictures.ndim != 4 or pictures.shape[1] not in (1, 3):
        raise AssertionError(
            f"add_embedding: label_img should be (N, C, H, W) with C 1 or 3, got shape {list(pictures.shape)}"
        )
    number, _, height, width = pictures.shape
    columns = int(np.ceil(np.sqrt(number)))
    side = columns * max(height, width)
    square = np.zeros((side, side, 3), np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // columns * height, index % columns * width
        pixels = _pixels(picture, "CHW")
        square[top : top + height, left : left + width] = pixels
    return square


def _not_there(method: str, instead: str) -> NotImplementedError:
    return NotImplementedError(f"SummaryWriter.{method}: Rushlight does not have it; {instead}")


class SummaryWriter:
    """Writes what TensorBoard shows to event files in a folder, which it reads while they grow.

    Args:
        log_dir: the folder; by default ``runs/DATE_HOST`` with ``comment`` behind.
        comment: the end of the default folder's name.
        flush_secs: how long values may wait in memory.
        filename_suffix: the end of the files' names.

    ``purge_step`` and ``max_queue`` are accepted without effect. Values are tensors, arrays or numbers.

    Example:
        >>> import os, tempfile
        >>> from rushlight.utils.tensorboard import SummaryWriter
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with SummaryWriter(folder) as writer:
        ...         writer.add_scalar("loss", 0.5, 1)
        ...     len(os.listdir(folder))
        1
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        if not log_dir:
            import socket

            log_dir = os.path.join(
                "runs", f"{time.strftime('%b%d_%H-%M-%S')}_{socket.gethostname()}{comment}"
            )
        self.log_dir = os.fspath(log_dir)
        self._flush_seconds, self._suffix = flush_secs, filename_suffix
        self._files = {self.log_dir: _EventFile(self.log_dir, flush_secs, filename_suffix)}

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    @property
    def file_writer(self) -> SummaryWriter:
        """What takes summaries that are made already: this writer."""
        return self

    def _get_file_writer(self) -> SummaryWriter:
        return self

    def add_summary(
        self, summary: Any, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """A Summary message, as bytes or as an object with ``SerializeToString``."""
        message = summary if isinstance(summary, bytes) else summary.SerializeToString()
        self._add(message, global_step, walltime)

    def _add(self, summary: bytes, step: Any, walltime: float | None, folder: str | None = None) -> None:
        folder = self.log_dir if folder is None else folder
        if folder not in self._files:
            self._files[folder] = _EventFile(folder, self._flush_seconds, self._suffix)
        moment = time.time() if walltime is None else walltime
        event = event_file.summary_event(moment, 0 if step is None else int(step), summary)
        self._files[folder].write(event)

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """One number under ``tag``; ``ValueError`` for what is not one.

        ``new_style`` and ``double_precision`` write it as a tensor, the latter in full precision.
        """
        value = _number(scalar_value)
        if new_style or double_precision:
            self._add(summaries.exact_scalar_summary(tag, value, double_precision), global_step, walltime)
        else:
            self._add(event_file.scalar_summary(tag, value), global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Several numbers in one chart: each in a folder of its own, as TensorBoard wants it."""
        for tag, value in tag_scalar_dict.items():
            folder = os.path.join(self.log_dir, f"{main_tag.replace('/', '_')}_{tag}")
            self._add(event_file.scalar_summary(main_tag, _number(value)), global_step, walltime, folder)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """How the elements of ``values`` are distributed, in 30 equal parts whatever ``bins`` says; ``ValueError`` for none."""
        array = _array(values)
        if array.size == 0:
            raise ValueError("The input has no element.")
        self._add(event_file.histogram_summary(tag, array), global_step, walltime)

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """A text, in Markdown."""
        self._add(event_file.text_summary(tag, text_string), global_step, walltime)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """An image: uint8, or floats from 0 to 1, with the dimensions in the order of ``dataformats``.

        Raises ``AssertionError`` where that does not fit the shape, ``ValueError`` for other than 1, 3 or 4 channels.
        """
        self._add(event_file.image_summary(tag, _pixels(img_tensor, dataformats)), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """A batch of images side by side, in rows of eight; ``dataformats`` names the batch's dimension N."""
        letters, array = dataformats.upper(), _array(img_tensor)
        images = np.moveaxis(array, letters.index("N"), 0)
        pixels = np.stack([_pixels(image, letters.replace("N", "")) for image in images])
        count, height, width, channels = pixels.shape
        columns = min(8, count)
        rows = -(-count // columns)
        sheet = np.zeros((rows * columns, height, width, channels), np.uint8)
        sheet[:count] = pixels
        tiled = sheet.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
        whole = tiled.reshape(rows * height, columns * width, channels)
        self._add(event_file.image_summary(tag, whole), global_step, walltime)

    def add_hparams(
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        hparam_domain_discrete: dict[str, list[Any]] | None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """The hyperparameters of a run and what came of them, in a folder of the run's own, for the HPARAMS page.

        Values are numbers, texts and truth values; ``hparam_domain_discrete`` says which values one can take. Raises
        ``TypeError`` for what is no dictionary or does not fit, ``ValueError`` for other values.
        """
        messages = summaries.hyperparameter_summaries(hparam_dict, metric_dict, hparam_domain_discrete)
        folder = os.path.join(self.log_dir, run_name or str(time.time()))
        for message in messages:
            self._add(message, global_step, None, folder)
        for tag, value in metric_dict.items():
            self._add(event_file.scalar_summary(tag, _number(value)), global_step, None, folder)
        self._files.pop(folder).close()

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: int | None = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """A Matplotlib figure, or a list of them, as an image; it is closed afterwards unless ``close`` is False."""
        import importlib

        canvas: Any = importlib.import_module("matplotlib.backends.backend_agg").FigureCanvasAgg
        figures = figure if isinstance(figure, list) else [figure]
        pictures = []
        for each in figures:
            drawn = canvas(each)
            drawn.draw()
            pictures.append(np.asarray(drawn.buffer_rgba())[..., :3].copy())
        if isinstance(figure, list):
            self.add_images(tag, np.stack(pictures), global_step, walltime, dataformats="NHWC")
        else:
            self.add_image(tag, pictures[0], global_step, walltime, dataformats="HWC")
        if close:
            plots: Any = importlib.import_module("matplotlib.pyplot")
            for each in figures:
                plots.close(each)

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Precision against recall of ``predictions`` (probabilities) of the truth values ``labels``, of one shape."""
        curve = summaries.curve_of(_array(labels), _array(predictions), num_thresholds, weights)
        self._add(summaries.curve_summary(tag, curve), global_step, walltime)

    def add_histogram_raw(
        self,
        tag: str,
        min: float,
        max: float,
        num: float,
        sum: float,
        sum_squares: float,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """A histogram that is counted already; ``ValueError`` where limits and counts are not equally many."""
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError("len(bucket_limits) != len(bucket_counts), see the document.")
        sums = (num, sum, sum_squares)
        message = summaries.raw_histogram_summary(tag, (min, max), sums, bucket_limits, bucket_counts)
        self._add(message, global_step, walltime)

    def add_tensor(
        self, tag: str, tensor: Any, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """A tensor's numbers, in float32 or float64."""
        array = _array(tensor)
        array = array if array.dtype == np.float64 else array.astype(np.float32)
        self._add(summaries.tensor_summary(tag, array), global_step, walltime)

    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: int | None = None,
        sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:
        """A sound of one channel: numbers from -1 to 1, of shape (1, length) or (length,)."""
        samples = _array(snd_tensor).squeeze()
        if samples.ndim != 1:
            raise AssertionError("input tensor should be 1 dimensional.")
        self._add(summaries.sound_summary(tag, samples, sample_rate), global_step, walltime)

    def add_custom_scalars(self, layout: Mapping[str, Mapping[str, Any]]) -> None:
        """Charts of several scalars: ``{category: {title: ["Multiline", tags]}}``, or ``["Margin", [value, low, high]]``."""
        self._add(summaries.layout_summary(layout), None, None)

    def add_custom_scalars_multilinechart(
        self, tags: list[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """One chart of several scalars."""
        self.add_custom_scalars({category: {title: ["Multiline", tags]}})

    def add_custom_scalars_marginchart(
        self, tags: list[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """One chart of a scalar between two others: ``tags`` are three."""
        self.add_custom_scalars({category: {title: ["Margin", tags]}})

    def add_embedding(
        self,
        mat: Any,
        metadata: list[Any] | None = None,
        label_img: Any = None,
        global_step: int | None = None,
        tag: str = "default",
        metadata_header: list[str] | None = None,
    ) -> None:
        """The rows of a matrix as points, with a label (or, with ``metadata_header``, several) each, for the PROJECTOR page.

        ``label_img``: a small picture for each row, ``(N, C, H, W)`` with one or three channels, bytes or floats from 0 to 1.
        Raises ``AssertionError`` where labels or pictures and rows are not equally many.
        """
        points = _array(mat)
        if points.ndim != 2:
            raise AssertionError("mat should be 2D, where mat.size(0) is the number of data points")
        if label_img is not None and len(label_img) != len(points):
            raise AssertionError("#images should equal with #data points")
        name = f"{0 if global_step is None else global_step:05d}"
        folder = os.path.join(self.log_dir, name, tag)
        os.makedirs(folder, exist_ok=True)
        lines = [f'  tensor_name: "{tag}:{name}"']
        if metadata is not None:
            if len(metadata) != len(points):
                raise AssertionError("#labels should equal with #data points")
            rows = metadata if metadata_header is None else [metadata_header, *metadata]
            text = [
                "\t".join([str(cell) for cell in row]) if isinstance(row, list | tuple) else str(row)
                for row in rows
            ]
            with open(os.path.join(folder, "metadata.tsv"), "w", encoding="utf-8") as file:
                file.write("\n".join(text) + "\n")
            lines.append(f'  metadata_path: "{name}/{tag}/metadata.tsv"')
        if label_img is not None:
            pictures = _array(label_img)
            with open(os.path.join(folder, "sprite.png"), "wb") as picture:
                picture.write(event_file.png(_sprite(pictures)))
            sizes = [f"    single_image_dim: {size}" for size in (pictures.shape[3], pictures.shape[2])]
            lines += ["  sprite {", f'    image_path: "{name}/{tag}/sprite.png"', *sizes, "  }"]
        lines.append(f'  tensor_path: "{name}/{tag}/tensors.tsv"')
        with open(os.path.join(folder, "tensors.tsv"), "w", encoding="utf-8") as file:
            file.writelines(["\t".join([str(x) for x in row]) + "\n" for row in points.tolist()])
        with open(os.path.join(self.log_dir, "projector_config.pbtxt"), "a", encoding="utf-8") as file:
            file.write("embeddings {\n" + "\n".join(lines) + "\n}\n")

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        """The operations of one forward pass of ``model`` (a module) on ``input_to_model``, in its modules' boxes.

        ``input_to_model`` is a tensor, or a tuple or list of the arguments. The pass runs in eval mode. With ``verbose`` the
        nodes are printed. Raises ``TypeError`` where ``model`` is no module, and what the forward pass raises.
        """
        from .graph import graph_of

        message, nodes = graph_of(model, input_to_model)
        if verbose:
            print("\n".join(nodes))
        self._files[self.log_dir].write(event_file.graph_event(time.time(), message))

    def add_video(self, *args: Any, **kwargs: Any) -> None:
        """Not there: raises ``NotImplementedError``."""
        raise _not_there("add_video", "add_images shows frames")

    def add_mesh(self, *args: Any, **kwargs: Any) -> None:
        """Not there: raises ``NotImplementedError``."""
        raise _not_there("add_mesh", "add_tensor keeps the numbers")

    def add_onnx_graph(self, *args: Any, **kwargs: Any) -> None:
        """Not there: raises ``NotImplementedError``."""
        raise _not_there("add_onnx_graph", "rushlight.explain(model, x) shows what a model runs")

    def add_image_with_boxes(self, *args: Any, **kwargs: Any) -> None:
        """Not there: raises ``NotImplementedError``."""
        raise _not_there("add_image_with_boxes", "add_figure shows a drawing, add_image a picture")

    def add_pr_curve_raw(self, *args: Any, **kwargs: Any) -> None:
        """Not there: raises ``NotImplementedError``."""
        raise _not_there("add_pr_curve_raw", "add_pr_curve")

    def _each(self, action: Callable[[_EventFile], None]) -> None:
        for file in self._files.values():
            action(file)

    def flush(self) -> None:
        """Bring everything to the files."""
        self._each(_EventFile.flush)

    def close(self) -> None:
        """Flush and close the files; adding more opens them again."""
        self._each(_EventFile.close)
