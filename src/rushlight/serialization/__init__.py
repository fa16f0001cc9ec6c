"""``save`` and ``load``: PyTorch's checkpoint files, both ways; what a file says is run only where a program asks for it."""

from __future__ import annotations

__all__ = [
    "LoadEndianness",
    "SourceChangeWarning",
    "add_safe_globals",
    "check_module_version_greater_or_equal",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "mkdtemp",
    "normalize_storage_type",
    "register_package",
    "safe_globals",
    "save",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
    "skip_data",
    "validate_cuda_device",
]

import os
from typing import IO, TYPE_CHECKING, Any, Final

from ..missing import lazily as _lazily

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.device import device
    from ..core.tensor import Tensor

    FileLike = str | os.PathLike[str] | IO[bytes]
    MapLocation = Callable[[Any, str], Any] | device | str | dict[str, str] | None

# nn is above this layer, so it says itself what a Parameter is.
PARAMETER_CLASS: Final[list[type[Tensor]]] = []


def save(
    obj: object,
    f: FileLike,
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Save ``obj`` in PyTorch's zip format, which ``load`` and ``torch.load`` read.

    Args:
        obj: tensors of any dtype, alone or in dicts, lists, tuples, sets, ``OrderedDict`` and ``Counter``, with
            numbers, strings, bytes, None, sizes, dtypes, devices, and NumPy arrays and scalars; these load
            safely. Also modules and other objects that Python can pickle: ``load`` makes them anew only with
            ``weights_only=False``, or where their classes are declared with ``add_safe_globals``. Tensors that share
            memory share it again after loading.
        f: a path, or a file object with ``write``. A file at the path is replaced as a whole or not at all, also
            if the process is killed meanwhile.
        pickle_module, pickle_protocol: PyTorch's parameters, of no effect: protocol 2 is always written.
        _use_new_zipfile_serialization: False writes the format before PyTorch 1.6.
        _disable_byteorder_record: of no effect.

    Raises:
        pickle.PicklingError: for what can't be found again by its name, such as a lambda: save a ``state_dict()``.
        TypeError: for what can't be pickled, such as a generator or a lock.
        RuntimeError: if the path's folder does not exist; if tensors of different dtypes share memory.
        OSError: if the file cannot be written; the old one stays.

    Example:
        >>> import io, rushlight as torch
        >>> file = io.BytesIO()
        >>> torch.save({"weight": torch.ones(2, 3), "epoch": 7}, file)
        >>> torch.load(io.BytesIO(file.getvalue()))["epoch"]
        7
    """
    from .tensor_codec import RushlightCodec
    from .zip_format import write_checkpoint

    write_checkpoint(f, obj, codec=RushlightCodec(), legacy=not _use_new_zipfile_serialization)


def load(
    f: FileLike,
    map_location: MapLocation = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Load what ``save`` or PyTorch's ``torch.save`` wrote, in its zip format or the one before it.

    Unless ``weights_only=False`` is given, the file's pickle is interpreted, never executed: only tensors and plain data come
    out of it, and objects of the classes that ``add_safe_globals`` was given, whoever made the file.

    Args:
        f: a path, or a binary file object that can seek.
        map_location: where tensors go that were saved on another device: a device or its name, a dict from saved
            to wanted names, or a function of (storage, name). With None, a tensor saved on a GPU is an error
            without one.
        pickle_module: a module here means ``weights_only=False`` where that is None, and has no other effect.
        pickle_load_args: PyTorch's parameters, of no effect.
        weights_only: False makes whatever objects the file names, modules for example, and so runs what whoever made the
            file wanted: only for files that you trust.
        mmap: leave the data in the file at the path ``f`` and read what is used when it is used.

    Raises:
        EOFError: for an empty file.
        pickle.UnpicklingError: for what is no checkpoint, and for one that names anything but tensors and plain data,
            unless ``weights_only=False``.
        RuntimeError: for a damaged file; for tensors on a device that is not there.
        OSError: if the file cannot be read.

    Example:
        >>> import io, rushlight as torch
        >>> file = io.BytesIO()
        >>> torch.save(torch.arange(3), file)
        >>> torch.load(io.BytesIO(file.getvalue()))
        tensor([0, 1, 2])
    """
    from .options import asked_for_by_environment
    from .tensor_codec import RushlightCodec
    from .zip_format import read_checkpoint

    weights_only = asked_for_by_environment(weights_only)
    # As in PyTorch, naming a pickle module asks for all that pickle does.
    is_trusted = pickle_module is not None if weights_only is None else not weights_only
    if pickle_module is not None and not is_trusted:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    return read_checkpoint(
        f, codec=RushlightCodec(), map_location=map_location, mmap=bool(mmap), is_trusted=is_trusted
    )


DEFAULT_PROTOCOL: Final = 2


# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(
    __name__,
    {"FileLike": "..types:FileLike", "MAP_LOCATION": "..types:_MapLocation"}
    | {
        name: f".declared_classes:{name}"
        for name in ("add_safe_globals", "clear_safe_globals", "get_safe_globals", "safe_globals")
    }
    | {
        name: f".options:{name}"
        for name in (
            "LoadEndianness",
            "SourceChangeWarning",
            "_is_zipfile",
            "check_module_version_greater_or_equal",
            "get_crc32_options",
            "get_default_load_endianness",
            "get_default_mmap_options",
            "get_unsafe_globals_in_checkpoint",
            "set_crc32_options",
            "set_default_load_endianness",
            "set_default_mmap_options",
            "skip_data",
            "validate_cuda_device",
        )
    }
    | {
        name: f".locations:{name}"
        for name in (
            "default_restore_location",
            "location_tag",
            "mkdtemp",
            "normalize_storage_type",
            "register_package",
        )
    },
)
