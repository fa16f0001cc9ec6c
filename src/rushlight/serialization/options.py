"""What ``torch.serialization`` lets programs set, and what a checkpoint names that ``load`` would refuse."""

from __future__ import annotations

import pickle
from enum import Enum
from typing import Any, Final

from .allowed_globals import AllowedGlobals
from .tensor_codec import RushlightCodec
from .zip_archive import ArchiveReader

_state: Final[dict[str, Any]] = {"crc32": True, "endianness": None, "mmap": None}


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
