"""Where a checkpoint's storages come from and go, as functions: what programs give ``load`` as ``map_location``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from .stored_data import StoredData, restored

Tagger = Callable[[Any], str | None]
Deserializer = Callable[[Any, str], Any]

# By priority: what says where a storage is, and what puts one there.
PACKAGES: Final[list[tuple[int, Tagger, Deserializer]]] = []


def register_package(priority: int, tagger: Tagger, deserializer: Deserializer) -> None:
    """Ask ``tagger(storage)`` where a storage is and ``deserializer(storage, location)`` to put one there, each None for what
    is not theirs, before the CPU and GPUs; those of the lowest ``priority`` first.

    Example:
        >>> import rushlight as torch
        >>> torch.serialization.register_package(11, lambda storage: None, lambda storage, location: None)
    """
    PACKAGES.append((priority, tagger, deserializer))
    PACKAGES.sort(key=lambda entry: entry[0])


def location_tag(storage: Any) -> str:
    """Where a storage is: ``"cpu"``, ``"cuda:0"``, ...

    Example:
        >>> import rushlight as torch
        >>> torch.serialization.location_tag(torch.ones(2).untyped_storage())
        'cpu'
    """
    for _, tagger, _ in PACKAGES:
        tag = tagger(storage)
        if tag:
            return tag
    return storage.location if isinstance(storage, StoredData) else str(storage.device)


def default_restore_location(storage: Any, location: str) -> Any:
    """``storage`` put where ``location`` says; for ``load(file, map_location=...)``.

    Raises ``RuntimeError`` for a device that is not there.

    Example:
        >>> import io, rushlight as torch
        >>> from rushlight.serialization import default_restore_location
        >>> file = io.BytesIO()
        >>> torch.save(torch.ones(2), file)
        >>> torch.load(io.BytesIO(file.getvalue()), map_location=lambda s, _: default_restore_location(s, "cpu"))
        tensor([1., 1.])
    """
    for _, _, deserializer in PACKAGES:
        put = deserializer(storage, location)
        if put is not None:
            return put
    where = restored(location)
    if isinstance(storage, StoredData):
        storage.target = where
        return storage
    if where.startswith("cuda"):
        return storage.cuda(where)
    if where == "meta":
        raise NotImplementedError(
            'default_restore_location: memory is not put on "meta"; load(map_location="meta")'
        )
    return storage


def normalize_storage_type(storage_type: type) -> type:
    """The storage class of ``torch`` that has the name of this one."""
    from .. import storage

    found: type = getattr(storage, storage_type.__name__)
    return found


@contextmanager
def mkdtemp() -> Iterator[str]:
    """A folder that is there in this block."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        yield folder
