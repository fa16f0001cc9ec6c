"""Data sets of photographs: STL10, Caltech 101 and 256, Oxford's pets, Food 101 and PASCAL VOC."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..pillow import require
from . import files
from .numbers import known
from .vision_dataset import VisionDataset

Path = str | os.PathLike[str]
Change = Callable[..., Any] | None


class STL10(VisionDataset):
    """Photographs of 96 × 96 in 10 classes: 5,000 for training, 8,000 for testing, 100,000 without a class (−1).

    Reads ``root/stl10_binary``. ``split`` is "train", "test", "unlabeled" or "train+unlabeled"; ``folds`` (0 to 9) one of the
    ten parts of the training set. ``data`` is uint8 ``(N, 3, 96, 96)``, ``labels`` uint8 (with −1: int64). Files are
    checked by their MD5. Raises ``RuntimeError`` where files are missing or changed. Coates et al., 2011.
    """

    base_folder = "stl10_binary"
    url = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    filename = "stl10_binary.tar.gz"
    tgz_md5 = "91f7769df0f17e558f3565bffb0c7dfb"
    class_names_file = "class_names.txt"
    folds_list_file = "fold_indices.txt"
    train_list: ClassVar = [
        ["train_X.bin", "918c2871b30a85fa023e0c44e0bee87f"],
        ["train_y.bin", "5a34089d4802c674881badbb80307741"],
        ["unlabeled_X.bin", "5242ba1fed5e4be9e1e742405eb56ca4"],
    ]
    test_list: ClassVar = [
        ["test_X.bin", "7f263ba9f9e0b06b93213547f721ac82"],
        ["test_y.bin", "36f9794fa4beb8a2c72628de14fa638e"],
    ]
    splits = ("train", "train+unlabeled", "unlabeled", "test")

    def __init__(
        self, root: Path, split: str = "train", folds: int | None = None, transform: Change = None,
        target_transform: Change = None, download: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = known(split, "split", self.splits)
        if folds is not None and not (isinstance(folds, int) and 0 <= folds < 10):
            kind = ValueError if isinstance(folds, int) else TypeError
            raise kind(f"Value for argument folds should be in the range [0, 10), but got {folds}.")
        self.folds = folds
        wrong = self._wrong_files()
        if download and wrong:
            archive = os.path.join(self.root, self.filename)
            files.download(self.url, archive, self.tgz_md5)
            files.unpack(archive, self.root)
            wrong = self._wrong_files()
        if wrong:
            raise RuntimeError(
                "Dataset not found or corrupted. You can use download=True to download it: in "
                f"{os.path.join(self.root, self.base_folder)} these are missing or have another MD5: {', '.join(wrong)}"
            )
        pictures, labels = [], []
        for part in split.split("+"):
            data = self._read(f"{part}_X.bin").reshape(-1, 3, 96, 96)
            pictures.append(np.transpose(data, (0, 1, 3, 2)))
            if part == "unlabeled":
                labels.append(np.full(len(data), -1))
            else:
                labels.append(self._read(f"{part}_y.bin") - 1)  # from 0 on
        self.data, self.labels = np.concatenate(pictures), np.concatenate(labels)
        if folds is not None and split.startswith("train"):
            with open(self._path(self.folds_list_file), encoding="ascii") as file:
                chosen = np.array(file.read().splitlines()[folds].split(), dtype=np.int64)
            if split == "train":
                self.data, self.labels = self.data[chosen], self.labels[chosen]
            else:
                rest = np.arange(5000, len(self.data))
                kept = np.concatenate([chosen, rest])
                self.data, self.labels = self.data[kept], self.labels[kept]
        with open(self._path(self.class_names_file), encoding="ascii") as file:
            self.classes = file.read().splitlines()

    def _path(self, name: str) -> str:
        return os.path.join(self.root, self.base_folder, name)

    def _read(self, name: str) -> NDArray[np.uint8]:
        return np.fromfile(self._path(name), dtype=np.uint8)

    def _wrong_files(self) -> list[str]:
        return [
            name
            for name, md5 in (*self.train_list, *self.test_list)
            if not files.is_intact(self._path(name), md5)
        ]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        pixels = np.ascontiguousarray(np.transpose(self.data[index], (1, 2, 0)))
        return self._transformed(require("STL10").fromarray(pixels), int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {self.split[0].upper()}{self.split[1:]}"


def _picture(what: str, path: str) -> Any:
    with require(what).open(path) as file:
        return file.convert("RGB")


def _no_download(what: str, download: bool, present: bool, place: str) -> None:
    if present:
        return
    hint = f"{what} looks in {place}; get the files by other means"
    if download:
        raise RuntimeError(f"{what}: this set is not downloaded: {hint}")
    raise RuntimeError(f"Dataset not found or corrupted: {hint}")


class Caltech101(VisionDataset):
    """Photographs of things in 101 classes, of several sizes. Items: (picture, class).

    Reads ``root/caltech101/101_ObjectCategories``; ``target_type`` is "category". Raises ``RuntimeError`` where the folder is
    missing, ``ValueError`` for another target. Fei-Fei et al., 2004.
    """

    def __init__(
        self, root: Path, target_type: list[str] | str = "category", transform: Change = None,
        target_transform: Change = None, download: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            os.path.join(root, "caltech101"), transform=transform, target_transform=target_transform
        )
        self.target_type = [target_type] if isinstance(target_type, str) else list(target_type)
        for each in self.target_type:
            known(each, "target_type", ("category",))
        folder = os.path.join(self.root, "101_ObjectCategories")
        _no_download("Caltech101", download, os.path.isdir(folder), folder)
        self.categories = sorted(name for name in os.listdir(folder) if name != "BACKGROUND_Google")
        self.index: list[int] = []
        self.y: list[int] = []
        for number, name in enumerate(self.categories):
            count = len(os.listdir(os.path.join(folder, name)))
            self.index += range(1, count + 1)
            self.y += [number] * count

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        name = self.categories[self.y[index]]
        path = os.path.join(self.root, "101_ObjectCategories", name, f"image_{self.index[index]:04d}.jpg")
        return self._transformed(_picture("Caltech101", path), self.y[index])

    def __len__(self) -> int:
        return len(self.index)

    def extra_repr(self) -> str:
        return f"Target type: {self.target_type}"


class Caltech256(VisionDataset):
    """Photographs of things in 257 classes. Items: (picture, class). Reads ``root/caltech256/256_ObjectCategories``.

    Raises ``RuntimeError`` where the folder is missing. Griffin et al., 2007.
    """

    def __init__(
        self, root: Path, transform: Change = None, target_transform: Change = None, download: bool = False
    ) -> None:
        super().__init__(
            os.path.join(root, "caltech256"), transform=transform, target_transform=target_transform
        )
        folder = os.path.join(self.root, "256_ObjectCategories")
        _no_download("Caltech256", download, os.path.isdir(folder), folder)
        self.categories = sorted(os.listdir(folder))
        self.index: list[int] = []
        self.y: list[int] = []
        for number, name in enumerate(self.categories):
            count = sum(file.endswith(".jpg") for file in os.listdir(os.path.join(folder, name)))
            self.index += range(1, count + 1)
            self.y += [number] * count

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        number = self.y[index]
        file = f"{number + 1:03d}_{self.index[index]:04d}.jpg"
        path = os.path.join(self.root, "256_ObjectCategories", self.categories[number], file)
        return self._transformed(_picture("Caltech256", path), number)

    def __len__(self) -> int:
        return len(self.index)


class OxfordIIITPet(VisionDataset):
    """Photographs of cats and dogs of 37 breeds. Items: (picture, what ``target_types`` says).

    Reads ``root/oxford-iiit-pet``. ``split`` is "trainval" or "test"; a target is the "category" (0 to 36), the
    "binary-category" (cat or dog) or the "segmentation" (a picture), or a tuple of several. With ``download=True`` fetches the
    two archives. Raises ``RuntimeError`` where files are missing. Parkhi et al., "Cats and dogs", 2012.
    """

    _RESOURCES = (
        ("https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz", "5c4f3ee8e5d25df40f4fd59a7f44e54c"),
        (
            "https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz",
            "95a8c909bbe2e81eed6a22bccdf3f68f",
        ),
    )
    _TYPES = ("category", "binary-category", "segmentation")

    def __init__(
        self, root: Path, split: str = "trainval", target_types: Sequence[str] | str = "category",
        transforms: Change = None, transform: Change = None, target_transform: Change = None, download: bool = False,
    ) -> None:  # fmt: skip
        self._split = known(split, "split", ("trainval", "test"))
        wanted = [target_types] if isinstance(target_types, str) else list(target_types)
        self._target_types = [known(each, "target_types", self._TYPES) for each in wanted]
        super().__init__(root, transforms=transforms, transform=transform, target_transform=target_transform)
        base = os.path.join(self.root, "oxford-iiit-pet")
        self._pictures, self._notes = os.path.join(base, "images"), os.path.join(base, "annotations")
        if download and not (os.path.isdir(self._pictures) and os.path.isdir(self._notes)):
            for url, md5 in self._RESOURCES:
                archive = os.path.join(base, url.rpartition("/")[2])
                files.download(url, archive, md5)
                files.unpack(archive, base)
        if not (os.path.isdir(self._pictures) and os.path.isdir(self._notes)):
            raise RuntimeError("Dataset not found. You can use download=True to download it")
        names: list[str] = []
        self._labels: list[int] = []
        self._bin_labels: list[int] = []
        with open(os.path.join(self._notes, f"{split}.txt"), encoding="ascii") as file:
            for line in file:
                name, label, kind, _ = line.split()
                names.append(name)
                self._labels.append(int(label) - 1)
                self._bin_labels.append(int(kind) - 1)
        self.bin_classes = ["Cat", "Dog"]
        self.bin_class_to_idx = {"Cat": 0, "Dog": 1}
        breeds = {(label, name.rpartition("_")[0]) for name, label in zip(names, self._labels, strict=True)}
        self.classes = [" ".join(part.title() for part in breed.split("_")) for _, breed in sorted(breeds)]
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        self._images = [os.path.join(self._pictures, f"{name}.jpg") for name in names]
        self._segs = [os.path.join(self._notes, "trimaps", f"{name}.png") for name in names]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        found: list[Any] = []
        for kind in self._target_types:
            if kind == "category":
                found.append(self._labels[index])
            elif kind == "binary-category":
                found.append(self._bin_labels[index])
            else:
                with require("OxfordIIITPet").open(self._segs[index]) as file:
                    found.append(file.copy())
        target = None if not found else found[0] if len(found) == 1 else tuple(found)
        return self._transformed(_picture("OxfordIIITPet", self._images[index]), target)

    def __len__(self) -> int:
        return len(self._images)


class Food101(VisionDataset):
    """Photographs of 101 dishes: 750 of each for training, 250 for testing. Items: (picture, class).

    Reads ``root/food-101``; ``split`` is "train" or "test". Raises ``RuntimeError`` where the folder is missing.
    Bossard et al., "Food-101: mining discriminative components with random forests", 2014.
    """

    def __init__(
        self, root: Path, split: str = "train", transform: Change = None, target_transform: Change = None,
        download: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(root, transform=transform, target_transform=target_transform)
        self._split = known(split, "split", ("train", "test"))
        base = os.path.join(self.root, "food-101")
        present = os.path.isdir(os.path.join(base, "meta")) and os.path.isdir(os.path.join(base, "images"))
        _no_download("Food101", download, present, base)
        with open(os.path.join(base, "meta", f"{split}.json"), encoding="utf-8") as file:
            names: dict[str, list[str]] = json.load(file)
        self.classes = sorted(names)
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        self._labels = [self.class_to_idx[name] for name, parts in names.items() for _ in parts]
        self._image_files = [
            os.path.join(base, "images", *f"{part}.jpg".split("/"))
            for parts in names.values()
            for part in parts
        ]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._transformed(_picture("Food101", self._image_files[index]), self._labels[index])

    def __len__(self) -> int:
        return len(self._image_files)

    def extra_repr(self) -> str:
        return f"split={self._split}"


class _VOC(VisionDataset):
    _sets = "Main"
    _folder, _ending = "Annotations", ".xml"

    def __init__(
        self, root: Path, year: str = "2012", image_set: str = "train", download: bool = False,
        transform: Change = None, target_transform: Change = None, transforms: Change = None,
    ) -> None:  # fmt: skip
        super().__init__(root, transforms=transforms, transform=transform, target_transform=target_transform)
        self.year = known(year, "year", tuple(str(number) for number in range(2007, 2013)))
        sets = ("train", "trainval", "val", "test") if year == "2007" else ("train", "trainval", "val")
        self.image_set = known(image_set, "image_set", sets)
        base = os.path.join(self.root, "VOCdevkit", f"VOC{year}")
        _no_download(type(self).__name__, download, os.path.isdir(base), base)
        with open(os.path.join(base, "ImageSets", self._sets, f"{image_set}.txt"), encoding="ascii") as file:
            names = [line.strip() for line in file]
        self.images = [os.path.join(base, "JPEGImages", f"{name}.jpg") for name in names]
        self.targets = [os.path.join(base, self._folder, name + self._ending) for name in names]

    def __len__(self) -> int:
        return len(self.images)


class VOCSegmentation(_VOC):
    """PASCAL VOC's photographs and what each pixel shows. Items: (picture, picture of classes).

    Reads ``root/VOCdevkit/VOC<year>``. Raises ``RuntimeError`` where the folder is missing, ``ValueError`` for other years
    and sets. Everingham et al., "The PASCAL visual object classes challenge", 2010.
    """

    _sets, _folder, _ending = "Segmentation", "SegmentationClass", ".png"

    @property
    def masks(self) -> list[str]:
        """The files of the second pictures."""
        return self.targets

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        with require("VOCSegmentation").open(self.targets[index]) as file:
            mask = file.copy()
        return self._transformed(_picture("VOCSegmentation", self.images[index]), mask)


class VOCDetection(_VOC):
    """PASCAL VOC's photographs and the boxes in them. Items: (picture, the annotation as nested dicts).

    Reads ``root/VOCdevkit/VOC<year>``. Raises as ``VOCSegmentation``.
    """

    @property
    def annotations(self) -> list[str]:
        """The files of the annotations."""
        return self.targets

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from xml.etree.ElementTree import parse

        root = parse(self.targets[index]).getroot()
        return self._transformed(_picture("VOCDetection", self.images[index]), self.parse_voc_xml(root))

    @staticmethod
    def parse_voc_xml(node: Any) -> dict[str, Any]:
        """An XML element as nested dicts; the "object"s of an annotation are always a list."""
        parts: dict[str, list[Any]] = {}
        for child in node:
            for name, value in VOCDetection.parse_voc_xml(child).items():
                parts.setdefault(name, []).append(value)
        text = (node.text or "").strip()
        if not parts:
            return {node.tag: text}
        content: dict[str, Any] = {
            name: values if len(values) > 1 or (node.tag == "annotation" and name == "object") else values[0]
            for name, values in parts.items()
        }
        return {node.tag: content}
