"""``save`` and ``load``: PyTorch's checkpoint files, both ways, without ever running what a file says."""

from __future__ import annotations

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
) -> None:
    """Save ``obj`` in PyTorch's zip format, which ``load`` and ``torch.load`` read.

    Args:
        obj: tensors of any dtype, alone or in dicts, lists, tuples, sets, ``OrderedDict`` and ``Counter``, with
            numbers, strings, bytes, None, sizes, dtypes, devices, and NumPy arrays and scalars. Tensors that
            share memory share it again after loading.
        f: a path, or a file object with ``write``. A file at the path is replaced as a whole or not at all, also
            if the process is killed meanwhile.
        pickle_module, pickle_protocol: PyTorch's parameters, of no effect: protocol 2 is always written.

    Raises:
        pickle.PicklingError: for anything that ``load`` would refuse, such as a module: save its ``state_dict()``.
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

    if not _use_new_zipfile_serialization:
        raise NotImplementedError(
            "save: the format before PyTorch 1.6 can be loaded but not written; leave out "
            "_use_new_zipfile_serialization"
        )
    write_checkpoint(f, obj, codec=RushlightCodec())


def load(
    f: FileLike,
    map_location: MapLocation = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
) -> Any:
    """Load what ``save`` or PyTorch's ``torch.save`` wrote, in its zip format or the one before it.

    The file's pickle is interpreted, never executed: only tensors and plain data come out of it, whoever made it.

    Args:
        f: a path, or a binary file object that can seek.
        map_location: where tensors go that were saved on another device: a device or its name, a dict from saved
            to wanted names, or a function of (storage, name). With None, a tensor saved on a GPU is an error
            without one.
        pickle_module: PyTorch's parameter; only None is allowed.
        weights_only: True or None; False would run code from the file, and is refused.
        mmap: leave the data in the file at the path ``f`` and read what is used when it is used.

    Raises:
        EOFError: for an empty file.
        pickle.UnpicklingError: for what is no checkpoint, for one that names anything but tensors and plain data, and
            for ``weights_only=False``.
        RuntimeError: for a damaged file; for tensors on a device that is not there.
        OSError: if the file cannot be read.

    Example:
        >>> import io, rushlight as torch
        >>> file = io.BytesIO()
        >>> torch.save(torch.arange(3), file)
        >>> torch.load(io.BytesIO(file.getvalue()))
        tensor([0, 1, 2])
    """
    import pickle

    from .tensor_codec import RushlightCodec
    from .zip_format import read_checkpoint

    if weights_only is not None and not weights_only:
        raise pickle.UnpicklingError(
            "load: weights_only=False was given; it lets whoever made the file run code in this process, so it does "
            "not exist here. Leave it out: state_dicts load without it. Where the file holds a whole module, load it "
            "once with PyTorch and save its state_dict()"
        )
    if pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    return read_checkpoint(f, codec=RushlightCodec(), map_location=map_location, mmap=bool(mmap))


# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
