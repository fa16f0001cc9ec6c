"""Data sets of digits and letters: SVHN, USPS, EMNIST and QMNIST."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar, Final

import numpy as np

from ...core.dtypes import int64
from ...ops.conversion import to
from ..pillow import require
from . import files
from .mnist import MNIST, read_idx
from .vision_dataset import VisionDataset

Path = str | os.PathLike[str]
Change = Callable[..., Any] | None


def known(value: Any, argument: str, allowed: tuple[str, ...]) -> Any:
    """``value`` if it is one of ``allowed``; ``ValueError`` otherwise."""
    if not isinstance(value, str) or value not in allowed:
        shown = ", ".join(repr(name) for name in allowed)
        raise ValueError(f"Unknown value '{value}' for argument {argument}. Valid values are {{{shown}}}.")
    return value


class SVHN(VisionDataset):
    """House numbers in photographs, 32 × 32: 73,257 for training, 26,032 for testing, 531,131 more. Items: (picture, digit).

    Reads ``root/train_32x32.mat`` and the like, for which SciPy has to be installed. ``data`` is uint8 ``(N, 3, 32, 32)``,
    ``labels`` int64 ``(N,)``. Files are checked by their MD5. Raises ``RuntimeError`` where the file is missing or changed,
    ``ValueError`` for another ``split`` than "train", "test" or "extra". Netzer et al., 2011.
    """

    split_list: ClassVar = {
        "train": ["http://ufldl.stanford.edu/housenumbers/train_32x32.mat", "train_32x32.mat",
                  "e26dedcc434d2e4c54c9b2d4a06d8373"],
        "test": ["http://ufldl.stanford.edu/housenumbers/test_32x32.mat", "test_32x32.mat",
                 "eb5a983be6a315427106f1b164d9cef3"],
        "extra": ["http://ufldl.stanford.edu/housenumbers/extra_32x32.mat", "extra_32x32.mat",
                  "a93ce644f1a588dc4d68dda5feec44a7"],
    }  # fmt: skip

    def __init__(
        self, root: Path, split: str = "train", transform: Change = None, target_transform: Change = None,
        download: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = known(split, "split", tuple(self.split_list))
        self.url, self.filename, self.file_md5 = self.split_list[split]
        path = os.path.join(self.root, self.filename)
        if download:
            files.download(self.url, path, self.file_md5)
        if not files.is_intact(path, self.file_md5):
            raise RuntimeError(
                f"Dataset not found or corrupted. You can use download=True to download it: {path} is missing or has "
                "another MD5"
            )
        from scipy.io import loadmat  # type: ignore[import-untyped,unused-ignore]

        content = loadmat(path)
        self.labels = content["y"].astype(np.int64).squeeze()
        # The digit 0 has the label 10 in the files.
        np.place(self.labels, self.labels == 10, 0)
        self.data = np.transpose(content["X"], (3, 2, 0, 1))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        pixels = np.ascontiguousarray(np.transpose(self.data[index], (1, 2, 0)))
        return self._transformed(require("SVHN").fromarray(pixels), int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {self.split[0].upper()}{self.split[1:]}"


class USPS(VisionDataset):
    """Digits from envelopes, 16 × 16: 7,291 for training, 2,007 for testing. Items: (picture, digit).

    Reads ``root/usps.bz2`` or ``root/usps.t.bz2``. ``data`` is uint8 ``(N, 16, 16)``, ``targets`` a list.
    Raises ``FileNotFoundError`` where the file is missing. Hull, 1994.
    """

    split_list: ClassVar = {
        "train": ["https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/usps.bz2", "usps.bz2",
                  "ec16c51db3855ca6c91edd34d0e9b197"],
        "test": ["https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/usps.t.bz2", "usps.t.bz2",
                 "8ea070ee2aca1ac39742fdd1ef5ed118"],
    }  # fmt: skip

    def __init__(
        self, root: Path, train: bool = True, transform: Change = None, target_transform: Change = None,
        download: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(root, transform=transform, target_transform=target_transform)
        import bz2

        url, name, md5 = self.split_list["train" if train else "test"]
        path = os.path.join(self.root, name)
        if download:
            files.download(url, path, md5)
        rows = []
        self.targets = []
        with bz2.open(path, "rt", encoding="ascii") as file:
            for line in file:
                label, *values = line.split()
                rows.append([float(value.partition(":")[2]) for value in values])
                self.targets.append(int(label) - 1)
        self.data = ((np.asarray(rows).reshape(-1, 16, 16) + 1) / 2 * 255).astype(np.uint8)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._transformed(require("USPS").fromarray(self.data[index]), int(self.targets[index]))

    def __len__(self) -> int:
        return len(self.data)


_DIGITS: Final = tuple("0123456789")
_LETTERS: Final = tuple("abcdefghijklmnopqrstuvwxyz")
_CAPITALS: Final = tuple(letter.upper() for letter in _LETTERS)
# Small letters that look like the capital ones are counted among those.
_MERGED: Final = tuple(letter for letter in _LETTERS if letter not in "cijklmopsuvwxyz")


class EMNIST(MNIST):
    """Handwritten digits and letters, 28 × 28, in six ``split``s: "byclass" (62 classes), "bymerge" and "balanced" (47),
    "letters" (classes 1 to 26), "digits" and "mnist" (10). Items: (picture, class); the pictures lie on their side.

    Reads ``root/EMNIST/raw/emnist-<split>-train-images-idx3-ubyte`` and its companions, gzipped or not. With
    ``download=True`` fetches the archive of all of them. Raises ``ValueError`` for another split, ``RuntimeError``
    where files are missing. Cohen et al., "EMNIST: an extension of MNIST to handwritten letters", 2017.
    """

    url = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict: ClassVar = {
        "byclass": [*_DIGITS, *_CAPITALS, *_LETTERS],
        "bymerge": [*_DIGITS, *_CAPITALS, *_MERGED],
        "balanced": [*_DIGITS, *_CAPITALS, *_MERGED],
        "letters": ["N/A", *_LETTERS],
        "digits": list(_DIGITS),
        "mnist": list(_DIGITS),
    }

    def __init__(self, root: Path, split: str, **options: Any) -> None:
        self.split = known(split, "split", self.splits)
        self.classes: list[str] = self.classes_split_dict[split]  # type: ignore[misc]
        super().__init__(root, **options)

    def _path(self, name: str) -> str:
        part = name.replace("t10k", "test", 1)
        return super()._path(f"emnist-{self.split}-{part}")

    def download(self) -> None:
        """Fetch and unpack the archive where files are missing. Raises ``RuntimeError`` where that fails."""
        if self._check_exists():
            return
        import shutil
        import zipfile

        archive = os.path.join(self.raw_folder, "gzip.zip")
        files.download(self.url, archive, self.md5)
        with zipfile.ZipFile(archive) as whole:
            for entry in whole.namelist():
                name = os.path.basename(entry)
                if name.startswith("emnist-") and name.endswith(".gz"):
                    with whole.open(entry) as source, open(os.path.join(self.raw_folder, name), "wb") as file:
                        shutil.copyfileobj(source, file)


class QMNIST(MNIST):
    """MNIST with all 60,000 test digits and where each digit comes from. Items: (picture, digit).

    Reads ``root/QMNIST/raw/qmnist-train-images-idx3-ubyte`` and its companions, gzipped or not. ``what`` is "train", "test",
    "test10k" or "test50k"; ``compat=False`` gives the eight numbers of each digit in place of the digit.
    Raises ``RuntimeError`` where files are missing. Yadav & Bottou, "Cold case: the lost MNIST digits", 2019.
    """

    subsets: ClassVar = {"train": "train", "test": "test", "test10k": "test", "test50k": "test"}

    def __init__(
        self, root: Path, what: str | None = None, compat: bool = True, train: bool = True, **options: Any
    ) -> None:
        self.what = known(
            ("train" if train else "test") if what is None else what, "what", tuple(self.subsets)
        )
        self.compat = compat
        if options.pop("download", False):
            raise RuntimeError(
                "QMNIST: nothing is downloaded; put the files into root/QMNIST/raw by other means"
            )
        VisionDataset.__init__(self, root, **options)
        self.train = train
        part = self.subsets[self.what]
        names = [self._path(f"qmnist-{part}-{rest}") for rest in ("images-idx3-ubyte", "labels-idx2-int")]
        if not all(os.path.isfile(name) for name in names):
            raise RuntimeError(f"Dataset not found: QMNIST looks for {' and '.join(names)}")
        self.data, self.targets = read_idx(names[0]), to(read_idx(names[1]), int64)
        if self.what == "test10k":
            self.data, self.targets = self.data[:10000], self.targets[:10000]
        elif self.what == "test50k":
            self.data, self.targets = self.data[10000:], self.targets[10000:]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        picture = require("QMNIST").fromarray(self.data[index].numpy())
        target = self.targets[index]
        return self._transformed(picture, int(target[0]) if self.compat else target)

    def extra_repr(self) -> str:
        return f"Split: {self.what}"
