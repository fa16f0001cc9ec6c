"""Digits and clothes in the IDX format of LeCun, Cortes & Burges, "The MNIST database", 1998."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ...core.dtypes import int64
from ...core.tensor import Tensor, make_tensor
from ...ops.conversion import to
from ..pillow import require
from . import files
from .vision_dataset import VisionDataset

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str) -> Tensor:
    """A file in IDX format, gzipped where its name ends in ``.gz``, as a tensor.

    Raises ``ValueError`` for other content, with the file's name.
    """
    opener: Any = open
    if path.endswith(".gz"):
        import gzip

        opener = gzip.open
    with opener(path, "rb") as file:
        data = file.read()
    kind, ndim = (data[2], data[3]) if len(data) >= 4 and data[:2] == b"\0\0" else (0, 0)
    if kind not in _TYPES or not ndim or len(data) < 4 + 4 * ndim:
        raise ValueError(f"{path}: not a file in IDX format")
    shape = tuple(int(n) for n in np.frombuffer(data, ">i4", ndim, 4))
    values = np.frombuffer(data, _TYPES[kind], offset=4 + 4 * ndim)
    if values.size != int(np.prod(shape)):
        raise ValueError(f"{path}: {values.size} values for a shape of {shape}")
    return make_tensor(values.astype(values.dtype.newbyteorder("="), copy=True).reshape(shape))


class MNIST(VisionDataset):
    """Handwritten digits, 28 × 28: 60,000 for training (``train``), 10,000 for testing. Items: (picture, digit).

    Reads ``root/MNIST/raw/train-images-idx3-ubyte`` and its three companions, gzipped or not. ``data`` is
    uint8 ``(N, 28, 28)``, ``targets`` int64 ``(N)``. With ``download=True`` fetches what is missing and checks its MD5.
    Raises ``RuntimeError`` where the files are not there, or can't be fetched.
    """

    mirrors: ClassVar = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    resources: ClassVar = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    classes: ClassVar = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six", "7 - seven", "8 - eight",
        "9 - nine",
    ]  # fmt: skip

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
        if not self._check_exists():
            raise RuntimeError(
                f"Dataset not found. You can use download=True to download it: {type(self).__name__} looks for "
                f"{self.resources[0][0]} and its companions, gzipped or not, in {self.raw_folder}"
            )
        part = "train" if train else "t10k"
        self.data = read_idx(self._path(f"{part}-images-idx3-ubyte"))
        self.targets = to(read_idx(self._path(f"{part}-labels-idx1-ubyte")), int64)
        if self.data.ndim != 3 or self.targets.ndim != 1 or len(self.data) != len(self.targets):
            raise ValueError(
                f"{self.raw_folder}: pictures {tuple(self.data.shape)} and labels {tuple(self.targets.shape)} do not fit"
            )

    @property
    def raw_folder(self) -> str:
        """Where the files lie."""
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The classes' numbers by their names."""
        return {name: number for number, name in enumerate(self.classes)}

    def _path(self, name: str) -> str:
        path = os.path.join(self.raw_folder, name)
        return path if os.path.isfile(path) else path + ".gz"

    def _check_exists(self) -> bool:
        return all(os.path.isfile(self._path(name.removesuffix(".gz"))) for name, _ in self.resources)

    def download(self) -> None:
        """Fetch the files that are not there. Raises ``RuntimeError`` where no mirror gives them."""
        if self._check_exists():
            return
        for name, md5 in self.resources:
            for number, mirror in enumerate(self.mirrors, 1):
                try:
                    files.download(mirror + name, os.path.join(self.raw_folder, name), md5)
                    break
                except RuntimeError:
                    if number == len(self.mirrors):
                        raise

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        picture = require(type(self).__name__).fromarray(self.data[index].numpy())
        return self._transformed(picture, int(self.targets[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class FashionMNIST(MNIST):
    """Pictures of clothes in the files and sizes of ``MNIST``. Xiao, Rasul & Vollgraf, "Fashion-MNIST", 2017."""

    mirrors: ClassVar = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources: ClassVar = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes: ClassVar = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]  # fmt: skip


class KMNIST(MNIST):
    """Cursive Japanese characters in the files and sizes of ``MNIST``. Clanuwat et al., 2018."""

    mirrors: ClassVar = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources: ClassVar = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes: ClassVar = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
