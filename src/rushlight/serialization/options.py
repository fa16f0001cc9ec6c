"""What ``torch.serialization`` lets programs set, and what a checkpoint names that ``load`` would refuse."""

from __future__ import annotations

import pickle
from enum import Enum
from typing import Any, Final

from ..absent import absent_class
from .allowed_globals import AllowedGlobals
from .tensor_codec import RushlightCodec
from .zip_archive import ArchiveReader

_state: Final[dict[str, Any]] = {"crc32": True, "endianness": None, "mmap_flags": 2}
_MAP_SHARED, _MAP_PRIVATE = 1, 2


class SourceChangeWarning(Warning):
    """What PyTorch warns with where a saved module's source has changed since; nothing here does."""


skip_data = absent_class("rushlight.serialization", "skip_data", "torch.save and torch.load of a state_dict")


def validate_cuda_device(location: str) -> int:
    """``RuntimeError``: a checkpoint's tensors cannot be put on a GPU that is not there."""
    from .. import cuda

    index = int(location.partition(":")[2] or 0)
    if index < 0:
        raise RuntimeError("CUDA device index must not be negative")
    if not cuda.is_available():
        raise RuntimeError(
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are running on a "
            "CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map your storages to the CPU."
        )
    if index >= cuda.device_count():
        raise RuntimeError(
            f"Attempting to deserialize object on CUDA device {index} but torch.cuda.device_count() is {cuda.device_count()}. "
            "Please use torch.load with map_location to map your storages to an existing device."
        )
    return index


def check_module_version_greater_or_equal(
    module: Any, req_version_tuple: tuple[int, ...], error_if_malformed: bool = True
) -> bool:
    """Whether a module's ``__version__`` is at least the one given; for one that cannot be read ``RuntimeError``, or
    True with a warning unless ``error_if_malformed``.

    Example:
        >>> import types
        >>> module = types.ModuleType("module")
        >>> module.__version__ = "1.10.2"
        >>> check_module_version_greater_or_equal(module, (1, 9))
        True
    """
    try:
        parts = module.__version__.split(".")
        version = tuple([type(wanted)(part) for wanted, part in zip(req_version_tuple, parts, strict=False)])
        return version >= req_version_tuple
    except Exception as error:
        message = (
            f"'{module.__name__}' module version string is malformed '{module.__version__}' and cannot be compared with tuple "
            f"{req_version_tuple!s}"
        )
        if error_if_malformed:
            raise RuntimeError(message) from error
        import warnings

        warnings.warn(message + ", but continuing assuming that requirement is met", stacklevel=2)
        return True


class LoadEndianness(Enum):
    """The byte order that files are taken to have which do not say it."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


def get_default_load_endianness() -> LoadEndianness | None:
    """What ``set_default_load_endianness`` was given last; None at first."""
    return _state["endianness"]  # type: ignore[no-any-return]


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Set the byte order of files that do not say theirs. ``TypeError`` for anything but a ``LoadEndianness`` or None."""
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    _state["endianness"] = endianness


def get_default_mmap_options() -> int:
    """What ``set_default_mmap_options`` was given last; ``mmap.MAP_PRIVATE`` at first."""
    return int(_state["mmap_flags"])


class set_default_mmap_options:
    """Say how ``load(mmap=True)`` should map files, for good or within ``with``: here changes of the tensors never reach them.

    Raises ``ValueError`` for anything but ``mmap.MAP_PRIVATE`` and ``mmap.MAP_SHARED``.
    """

    def __init__(self, flags: int) -> None:
        if flags not in (_MAP_PRIVATE, _MAP_SHARED):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or mmap.MAP_SHARED, but got "
                f"{flags}"
            )
        self.prev, _state["mmap_flags"] = get_default_mmap_options(), flags

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        _state["mmap_flags"] = self.prev


def asked_for_by_environment(weights_only: bool | None) -> bool | None:
    """``weights_only`` as the environment has it, where it has.

    Raises ``RuntimeError`` if it asks for both.
    """
    import os

    always, never = (
        os.environ.get(name, "0") in ("1", "y", "yes", "true")
        for name in ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    )
    if always and never:
        raise RuntimeError(
            "Only one of `TORCH_FORCE_WEIGHTS_ONLY_LOAD` or `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD` should be set, but both were "
            "set."
        )
    if always:
        return True
    if never and weights_only is None:
        import warnings

        warnings.warn(
            "Environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD detected, since the`weights_only` argument was not "
            "explicitly passed to `torch.load`, forcing weights_only=False.",
            UserWarning,
            stacklevel=3,
        )
        return False
    return weights_only


def _is_zipfile(f: Any) -> bool:
    """Whether what follows in the file begins as a zip archive does."""
    start = f.tell()
    beginning: bytes = f.read(4)
    f.seek(start)
    return beginning == b"PK\x03\x04"


def get_crc32_options() -> bool:
    """What ``set_crc32_options`` was given last; True at first."""
    return bool(_state["crc32"])


def set_crc32_options(compute_crc32: bool) -> None:
    """Ask for checksums of records, or not. They are always written, so that damaged files are noticed."""
    _state["crc32"] = compute_crc32


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """The classes and functions that a checkpoint of the zip format names and that ``load`` refuses by default.

    Example:
        >>> import io, rushlight as torch
        >>> file = io.BytesIO()
        >>> torch.save(torch.nn.Identity(), file)
        >>> torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(file.getvalue()))
        ['rushlight.nn.linear.Identity']
    """
    import pickletools

    if not hasattr(f, "read"):
        with open(f, "rb") as file:
            pickled = ArchiveReader(file).read("data.pkl").tobytes()
    else:
        pickled = ArchiveReader(f).read("data.pkl").tobytes()
    allowed = AllowedGlobals(RushlightCodec())
    found: list[str] = []
    texts: list[str] = []
    for opcode, argument, _ in pickletools.genops(pickled):
        if "UNICODE" in opcode.name:
            texts.append(str(argument))
        if opcode.name == "GLOBAL":
            module, name = str(argument).split(" ", 1)
        elif opcode.name == "STACK_GLOBAL" and len(texts) > 1:
            module, name = texts[-2:]
        else:
            continue
        try:
            allowed.find(module, name)
        except pickle.UnpicklingError:
            if f"{module}.{name}" not in found:
                found.append(f"{module}.{name}")
    return found
