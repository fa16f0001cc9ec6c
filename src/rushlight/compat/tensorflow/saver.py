"""Checkpoints: the values of variables in files.

A checkpoint with the path ``p`` is two files: ``p.data-00000-of-00001``, a NumPy ``.npz`` archive with an array for each
variable, and ``p.index``, a small JSON table of names, shapes and types, written last. Beside them a text file called
``checkpoint`` says which is the latest. TensorFlow's own files are of another format; neither reads the other's.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from . import errors
from .dtypes import as_dtype
from .graph import GraphKeys, get_default_graph
from .variables import Variable

_FORMAT = "rushlight checkpoint 1"
_DATA, _INDEX = ".data-00000-of-00001", ".index"


class CheckpointState:
    """What the ``checkpoint`` file of a folder says."""

    def __init__(self, model_checkpoint_path: str, all_model_checkpoint_paths: Sequence[str]) -> None:
        self.model_checkpoint_path = model_checkpoint_path
        self.all_model_checkpoint_paths = list(all_model_checkpoint_paths)


def write_whole(path: str, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file so that it is there whole or not at all."""
    partial = f"{path}.partial.{os.getpid()}"
    try:
        with open(partial, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def update_checkpoint_state(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Sequence[str] | None = None,
    latest_filename: str | None = None,
) -> None:
    """Write the file that says which checkpoint of a folder is the latest."""
    every = list(all_model_checkpoint_paths or [])
    if model_checkpoint_path not in every:
        every.append(model_checkpoint_path)

    def shown(path: str) -> str:
        folder, name = os.path.split(path)
        inside = os.path.abspath(folder or ".") == os.path.abspath(save_dir or ".")
        return json.dumps(name if inside and not os.path.isabs(path) else path)

    lines = [f"model_checkpoint_path: {shown(model_checkpoint_path)}"]
    lines += [f"all_model_checkpoint_paths: {shown(path)}" for path in every]
    text = "\n".join(lines) + "\n"
    write_whole(
        os.path.join(save_dir, latest_filename or "checkpoint"), lambda file: file.write(text.encode())
    )


def get_checkpoint_state(checkpoint_dir: str, latest_filename: str | None = None) -> CheckpointState | None:
    """What the ``checkpoint`` file of a folder says; None if there is none."""
    path = os.path.join(checkpoint_dir, latest_filename or "checkpoint")
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return None
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r'^(\w+): ("(?:[^"\\]|\\.)*")', text, re.MULTILINE):
        try:
            name = json.loads(value)
        except ValueError:
            return None
        found.setdefault(key, []).append(name if os.path.isabs(name) else os.path.join(checkpoint_dir, name))
    if "model_checkpoint_path" not in found:
        return None
    return CheckpointState(found["model_checkpoint_path"][0], found.get("all_model_checkpoint_paths", []))


def latest_checkpoint(checkpoint_dir: str, latest_filename: str | None = None) -> str | None:
    """The path of a folder's latest checkpoint, for ``Saver.restore``; None if there is none."""
    state = get_checkpoint_state(checkpoint_dir, latest_filename)
    if state is not None and checkpoint_exists(state.model_checkpoint_path):
        return state.model_checkpoint_path
    return None


def checkpoint_exists(checkpoint_prefix: str) -> bool:
    """Whether there is a checkpoint with that path."""
    return os.path.exists(checkpoint_prefix + _INDEX) and os.path.exists(checkpoint_prefix + _DATA)


def remove_checkpoint(checkpoint_prefix: str, *_: Any) -> None:
    """Delete a checkpoint's files."""
    for ending in (_INDEX, _DATA):
        if os.path.exists(checkpoint_prefix + ending):
            os.remove(checkpoint_prefix + ending)


def _read(prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays of a checkpoint; ``DataLossError`` if its files are damaged."""
    import zipfile

    try:
        with open(prefix + _INDEX, encoding="utf-8") as file:
            index = json.load(file)
        if not isinstance(index, dict) or index.get("format") != _FORMAT:
            raise ValueError("not a checkpoint of Rushlight's")
        arrays = {}
        with open(prefix + _DATA, "rb") as whole, np.load(whole, allow_pickle=False) as data:
            for name, entry in index["tensors"].items():
                kind = as_dtype(entry["dtype"]).numpy
                stored = data[entry["key"]]
                arrays[name] = (stored if stored.dtype == kind else stored.view(kind)).reshape(entry["shape"])
        return arrays
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise errors.DataLossError(None, None, f"Unable to read the checkpoint {prefix}: {error}") from error


class Saver:
    """Saves and restores variables.

    Args:
        var_list: the variables, or a dict of names and variables; by default all saveable ones of the graph.
        reshape: accept values of another shape with as many elements.
        max_to_keep: how many of the latest checkpoints to keep; 0 or None: all.

    Raises ``ValueError`` if there are none, or two have one name.

    Example:
        >>> import os, tempfile
        >>> import rushlight.compat.tensorflow as tf
        >>> folder = tempfile.TemporaryDirectory()
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     w = tf.Variable(1.5, name="w")
        ...     saver = tf.train.Saver()
        ...     session.run(w.initializer)
        ...     path = saver.save(session, os.path.join(folder.name, "model"), global_step=7)
        ...     _ = session.run(w.assign(0.0))
        ...     saver.restore(session, tf.train.latest_checkpoint(folder.name))
        ...     print(os.path.basename(path), session.run(w))
        model-7 1.5
        >>> folder.cleanup()
    """

    def __init__(
        self,
        var_list: Any = None,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        restore_sequentially: bool = False,
        saver_def: Any = None,
        builder: Any = None,
        defer_build: bool = False,
        allow_empty: bool = False,
        write_version: Any = None,
        pad_step_number: bool = False,
        save_relative_paths: bool = False,
        filename: str | None = None,
    ) -> None:
        graph = get_default_graph()
        if var_list is None:
            var_list = [
                *graph.get_collection(GraphKeys.GLOBAL_VARIABLES),
                *graph.get_collection(GraphKeys.SAVEABLE_OBJECTS),
            ]
        self._variables: dict[str, Variable] = {}
        pairs = var_list.items() if isinstance(var_list, dict) else [(v.op.name, v) for v in var_list]
        for key, variable in pairs:
            if not isinstance(variable, Variable):
                raise TypeError(f"Variable to save is not a Variable: {variable}")
            if self._variables.get(key, variable) is not variable:
                raise ValueError(f"At least two variables have the same name: {key}")
            self._variables[key] = variable
        if not self._variables and not allow_empty:
            raise ValueError("No variables to save")
        self._keep, self._reshape, self._pad = max_to_keep or 0, reshape, pad_step_number
        self._last: list[str] = []

    def export_meta_graph(self, filename: str | None = None, **_: Any) -> Any:
        """See ``tf.train.export_meta_graph``."""
        from .meta_graph import export_meta_graph

        return export_meta_graph(filename, saver=self)

    @property
    def last_checkpoints(self) -> list[str]:
        """The paths of the checkpoints that were not deleted, the latest last."""
        return list(self._last)

    def set_last_checkpoints(self, last_checkpoints: Sequence[str]) -> None:
        """Take over the paths of earlier checkpoints, to delete them in their turn."""
        self._last = list(last_checkpoints)

    def recover_last_checkpoints(self, checkpoint_paths: Sequence[str]) -> None:
        """Take over the paths of those earlier checkpoints that exist."""
        self._last = [path for path in checkpoint_paths if checkpoint_exists(path)]

    def save(
        self,
        sess: Any,
        save_path: str,
        global_step: Any = None,
        latest_filename: str | None = None,
        meta_graph_suffix: str = "meta",
        write_meta_graph: bool = True,
        write_state: bool = True,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> str:
        """Write the variables' values in ``sess``; the checkpoint's path is ``save_path``, with ``-step`` if there is one.

        The graph is remembered for ``import_meta_graph`` in this process, and its operations are listed in a file
        ``.meta``. What is there under that path stays as it is until the new files are whole.

        Raises:
            ValueError: if the folder does not exist.
            tf.errors.FailedPreconditionError: if a variable is not initialised.
        """
        save_path = os.fspath(save_path)
        folder = os.path.dirname(save_path)
        if folder and not os.path.isdir(folder):
            raise ValueError(f"Parent directory of {save_path} doesn't exist, can't save.")
        if not os.path.basename(save_path):
            raise ValueError(f"save_path is {save_path!r}; it must end with a file name")
        if global_step is not None:
            number = sess.run(global_step) if hasattr(global_step, "graph") else global_step
            save_path = f"{save_path}-{int(number):08d}" if self._pad else f"{save_path}-{int(number)}"
        values = sess.run(list(self._variables.values())) if self._variables else []
        index: dict[str, Any] = {"format": _FORMAT, "tensors": {}}
        arrays = {}
        for i, (name, value) in enumerate(zip(self._variables, map(np.asarray, values), strict=True)):
            if value.dtype.kind == "O":
                raise errors.UnimplementedError(
                    None, None, f"save: {name} holds strings, which checkpoints do not"
                )
            key = f"tensor{i}"
            entry = {"key": key, "dtype": as_dtype(value.dtype).name, "shape": list(value.shape)}
            index["tensors"][name] = entry
            # NumPy's files know no bfloat16: its bits are kept as integers.
            arrays[key] = value.reshape(-1).view(np.uint16) if value.dtype.kind == "V" else value
        write_whole(save_path + _DATA, lambda file: np.savez(file, allow_pickle=False, **arrays))
        write_whole(save_path + _INDEX, lambda file: file.write(json.dumps(index, indent=1).encode()))
        self._retire(save_path)
        if write_meta_graph:
            from .meta_graph import export_meta_graph

            export_meta_graph(f"{save_path}.{meta_graph_suffix}", sess.graph, self)
        if write_state:
            update_checkpoint_state(folder, save_path, self._last, latest_filename)
        return save_path

    def _retire(self, newest: str) -> None:
        self._last = [*[path for path in self._last if path != newest], newest]
        while self._keep and len(self._last) > self._keep:
            remove_checkpoint(self._last.pop(0))

    def restore(self, sess: Any, save_path: str) -> None:
        """Give the variables the values of a checkpoint: all of them or, if anything does not fit, none.

        Raises:
            ValueError: if there is no such checkpoint.
            tf.errors.NotFoundError: if it lacks a variable.
            tf.errors.InvalidArgumentError: if a shape or type differs.
            tf.errors.DataLossError: if its files are damaged.
        """
        if save_path is None:
            raise ValueError("Can't load save_path when it is None.")
        save_path = os.fspath(save_path)
        if not checkpoint_exists(save_path):
            raise ValueError(f"The passed save_path is not a valid checkpoint: {save_path}")
        arrays = _read(save_path)
        values = {}
        for name, variable in self._variables.items():
            if name not in arrays:
                raise errors.NotFoundError(None, variable.op, f"Key {name} not found in checkpoint")
            array = arrays[name]
            if array.dtype != variable.dtype.numpy:
                raise errors.InvalidArgumentError(
                    None,
                    variable.op,
                    f"Expected to restore a tensor of type {variable.dtype.wire_name}, got a tensor of type "
                    f"{as_dtype(array.dtype).wire_name} instead: tensor_name = {name}",
                )
            known = variable.shape
            if not known.is_compatible_with(array.shape):
                if not (self._reshape and known.num_elements() == array.size):
                    raise errors.InvalidArgumentError(
                        None,
                        variable.op,
                        "Assign requires shapes of both tensors to match. "
                        f"lhs shape= {known.as_list()} rhs shape= {list(array.shape)} ({name})",
                    )
                array = array.reshape([extent or 0 for extent in known.as_list()])
            values[variable] = array
        sess.set_variables(values)


class NewCheckpointReader:
    """What is in a checkpoint."""

    def __init__(self, filepattern: str) -> None:
        if not checkpoint_exists(filepattern):
            raise errors.NotFoundError(
                None, None, f"Unsuccessful TensorSliceReader constructor: Failed to find {filepattern}"
            )
        self._arrays = _read(filepattern)

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        """The variables' names and shapes."""
        return {name: list(array.shape) for name, array in self._arrays.items()}

    def get_variable_to_dtype_map(self) -> dict[str, Any]:
        """The variables' names and types."""
        return {name: as_dtype(array.dtype) for name, array in self._arrays.items()}

    def has_tensor(self, name: str) -> bool:
        """Whether there is a value of that name."""
        return name in self._arrays

    def get_tensor(self, name: str) -> NDArray[Any]:
        """The value of that name."""
        return self._arrays[name]


def list_variables(ckpt_dir_or_file: str) -> list[tuple[str, list[int]]]:
    """The names and shapes in a checkpoint (of a folder: the latest)."""
    path = latest_checkpoint(ckpt_dir_or_file) if os.path.isdir(ckpt_dir_or_file) else ckpt_dir_or_file
    return sorted(NewCheckpointReader(path or ckpt_dir_or_file).get_variable_to_shape_map().items())


def load_variable(ckpt_dir_or_file: str, name: str) -> NDArray[Any]:
    """One value of a checkpoint (of a folder: the latest)."""
    path = latest_checkpoint(ckpt_dir_or_file) if os.path.isdir(ckpt_dir_or_file) else ckpt_dir_or_file
    return NewCheckpointReader(path or ckpt_dir_or_file).get_tensor(name.removesuffix(":0"))


def init_from_checkpoint(ckpt_dir_or_file: str, assignment_map: dict[str, Any]) -> None:
    """Have variables initialised with values of a checkpoint rather than with their own initial values.

    Args:
        ckpt_dir_or_file: a checkpoint, or a folder, of which the latest is taken.
        assignment_map: from names in the checkpoint to variables or their names; from scopes ending in ``/`` (``"/"``: all) to
            scopes, for all variables in them.

    Raises ``ValueError`` for a variable or a name that is not there, or of another shape.
    """
    path = latest_checkpoint(ckpt_dir_or_file) if os.path.isdir(ckpt_dir_or_file) else ckpt_dir_or_file
    reader = NewCheckpointReader(path or ckpt_dir_or_file)
    own = {v.op.name: v for v in get_default_graph().get_collection(GraphKeys.GLOBAL_VARIABLES)}
    for source, target in assignment_map.items():
        if not source.endswith("/"):
            name = getattr(getattr(target, "op", None), "name", target)
            if name not in own:
                raise ValueError(f"Assignment map with name {name} does not exist in graph")
            _initialise_from(reader, source, own[name], ckpt_dir_or_file)
            continue
        scope = str(getattr(target, "name", target))
        scope = f"{scope.rstrip('/')}/" if scope.strip("/") else ""
        inside = [name for name in own if name.startswith(scope)]
        if not inside:
            raise ValueError(f"Assignment map with scope only name {scope} should map to scope only {source}")
        for name in inside:
            _initialise_from(
                reader, source.lstrip("/") + name.removeprefix(scope), own[name], ckpt_dir_or_file
            )


def _initialise_from(reader: NewCheckpointReader, source: str, variable: Variable, where: str) -> None:
    if not reader.has_tensor(source):
        raise ValueError(
            f"Tensor {source} is not found in {where} checkpoint {reader.get_variable_to_shape_map()}"
        )
    value = reader.get_tensor(source)
    if not variable.shape.is_compatible_with(value.shape):
        raise ValueError(
            f"Shape of variable {variable.op.name} ({variable.shape}) doesn't match with shape of tensor {source} "
            f"({list(value.shape)}) from checkpoint reader."
        )
    variable.initialise_with(value)
