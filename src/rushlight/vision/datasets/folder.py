"""Pictures in one folder for each class."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..pillow import require
from .vision_dataset import VisionDataset

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def has_file_allowed_extension(filename: str, extensions: str | tuple[str, ...]) -> bool:
    """Whether the name ends in one of ``extensions``, in any case."""
    return filename.lower().endswith(extensions)


def is_image_file(filename: str) -> bool:
    """Whether the name ends as a picture's.

    Example:
        >>> is_image_file("cat.JPG"), is_image_file("cat.txt")
        (True, False)
    """
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
    """The folders in ``directory``, sorted, and their numbers. Raises ``FileNotFoundError`` where there are none."""
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if not classes:
        raise FileNotFoundError(f"Couldn't find any class folder in {os.fspath(directory)}.")
    return classes, {name: number for number, name in enumerate(classes)}


def default_loader(path: str) -> Any:
    """The picture in a file, as Pillow's in RGB."""
    with open(path, "rb") as file:
        return require("ImageFolder").open(file).convert("RGB")


def _files(folder: str, allow_empty: bool, class_name: str, wanted: Callable[[str], bool]) -> Iterator[str]:
    found = False
    for directory, _, names in sorted(os.walk(folder, followlinks=True)):
        for name in sorted(names):
            path = os.path.join(directory, name)
            if wanted(path):
                found = True
                yield path
    if not found and not allow_empty:
        raise FileNotFoundError(f"Found no valid file for the classes {class_name}.")


class DatasetFolder(VisionDataset):
    """Files ``root/class/**/name`` as items (what ``loader`` makes of the file, the class's number).

    Files count whose names end in ``extensions``, or of which ``is_valid_file`` says so. ``samples`` lists them, ``classes``
    the folders, sorted. Raises ``FileNotFoundError`` for a class without files (unless ``allow_empty``), ``ValueError``
    unless exactly one of ``extensions`` and ``is_valid_file`` is given.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        loader: Callable[[str], Any],
        extensions: Sequence[str] | None = None,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        if (extensions is None) == (is_valid_file is None):
            raise ValueError("Both extensions and is_valid_file cannot be None or not None at the same time")
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.loader, self.extensions = loader, extensions
        wanted = is_valid_file or (lambda path: has_file_allowed_extension(path, tuple(extensions or ())))
        self.samples = [
            (path, number)
            for name, number in sorted(self.class_to_idx.items())
            for path in _files(os.path.join(self.root, name), allow_empty, name, wanted)
        ]
        self.targets = [number for _, number in self.samples]

    def find_classes(self, directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
        """The classes' names and numbers; a subclass may choose them otherwise."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._transformed(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Pictures ``root/class/**/name.png`` (or another of ``IMG_EXTENSIONS``) as items (picture, class's number).

    Needs Pillow when an item is read. Errors as for ``DatasetFolder``.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples
