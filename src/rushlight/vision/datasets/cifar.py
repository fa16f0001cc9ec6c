"""Small photographs of things. Krizhevsky, "Learning multiple layers of features from tiny images", 2009."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ..pillow import require
from . import files
from .vision_dataset import VisionDataset


class CIFAR10(VisionDataset):
    """Photographs of 32 × 32 in 10 classes: 50,000 for training (``train``), 10,000 for testing. Items: (picture, class).

    Reads the "python version" from ``root/cifar-10-batches-py``. ``data`` is a uint8 array ``(N, 32, 32, 3)``, ``targets``
    a list. With ``download=True`` fetches and unpacks the archive if the files are not there. Files are checked by their MD5.
    Raises ``RuntimeError`` where files are missing or changed, or can't be fetched.
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list: ClassVar = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list: ClassVar = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta: ClassVar = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": "5ff9c542aee3614f3951f8cda6e48888",
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        wrong = self._wrong_files()
        if wrong:
            raise RuntimeError(
                "Dataset not found or corrupted. You can use download=True to download it: in "
                f"{os.path.join(self.root, self.base_folder)} these are missing or have another MD5: {', '.join(wrong)}"
            )
        pictures, self.targets = [], []
        for name, _ in self.train_list if train else self.test_list:
            batch = files.read_batch(self._path(name))
            pictures.append(np.asarray(batch["data"]))
            self.targets += list(batch["labels"] if "labels" in batch else batch["fine_labels"])
        channels_first = np.vstack(pictures).reshape(-1, 3, 32, 32)
        self.data = np.ascontiguousarray(channels_first.transpose(0, 2, 3, 1))
        self.classes = list(files.read_batch(self._path(self.meta["filename"]))[self.meta["key"]])
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}

    def _path(self, name: str) -> str:
        return os.path.join(self.root, self.base_folder, name)

    def _wrong_files(self) -> list[str]:
        expected = [*self.train_list, *self.test_list, [self.meta["filename"], self.meta["md5"]]]
        return [name for name, md5 in expected if not files.is_intact(self._path(name), md5)]

    def download(self) -> None:
        """Fetch and unpack the archive where a file is not there. Raises ``RuntimeError`` where that fails."""
        if not self._wrong_files():
            return
        archive = os.path.join(self.root, self.filename)
        files.download(self.url, archive, self.tgz_md5)
        files.unpack(archive, self.root)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        picture = require(type(self).__name__).fromarray(self.data[index])
        return self._transformed(picture, self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class CIFAR100(CIFAR10):
    """As ``CIFAR10``, in 100 classes, from ``root/cifar-100-python``."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list: ClassVar = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list: ClassVar = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta: ClassVar = {
        "filename": "meta",
        "key": "fine_label_names",
        "md5": "7973b15100ade9c7d40fb424638fde48",
    }
