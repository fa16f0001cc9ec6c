"""The reader of the MNIST tutorials. It reads files that are there already; nothing is downloaded."""

from __future__ import annotations

import gzip
import os
import struct
from collections import namedtuple
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
Datasets = namedtuple("Datasets", ["train", "validation", "test"])


class DataSet:
    """Images and labels, given out batch by batch.

    Args:
        images: (n, 28, 28, 1) bytes.
        labels: (n,) or (n, 10).
        reshape: give images as (n, 784).
        dtype: float32 gives values in [0, 1], uint8 the bytes.
    """

    def __init__(
        self,
        images: NDArray[Any],
        labels: NDArray[Any],
        fake_data: bool = False,
        one_hot: bool = False,
        dtype: Any = np.float32,
        reshape: bool = True,
        seed: int | None = None,
    ) -> None:
        if len(images) != len(labels):
            raise ValueError(f"images.shape: {images.shape} labels.shape: {labels.shape}")
        self._images = images.reshape(len(images), -1) if reshape else images
        if np.dtype(getattr(dtype, "as_numpy_dtype", dtype)) == np.float32:
            self._images = self._images.astype(np.float32) / np.float32(255)
        self._labels = labels
        self._chance = np.random.default_rng(seed)
        self._place = self._epochs = 0
        self._order = np.arange(len(images))

    @property
    def images(self) -> NDArray[Any]:
        """All images."""
        return self._images

    @property
    def labels(self) -> NDArray[Any]:
        """All labels."""
        return self._labels

    @property
    def num_examples(self) -> int:
        """How many there are."""
        return len(self._images)

    @property
    def epochs_completed(self) -> int:
        """How often all of them were given."""
        return self._epochs

    def next_batch(self, batch_size: int, fake_data: bool = False, shuffle: bool = True) -> tuple[Any, Any]:
        """The next ``batch_size`` images and labels; in a new order after all of them."""
        if self._epochs == 0 and self._place == 0 and shuffle:
            self._order = self._chance.permutation(self.num_examples)
        chosen = self._order[self._place : self._place + batch_size]
        self._place += batch_size
        if self._place > self.num_examples:
            self._epochs += 1
            if shuffle:
                self._order = self._chance.permutation(self.num_examples)
            self._place = batch_size - len(chosen)
            chosen = np.concatenate([chosen, self._order[: self._place]])
        return self._images[chosen], self._labels[chosen]


def dense_to_one_hot(labels_dense: NDArray[Any], num_classes: int) -> NDArray[Any]:
    """Class numbers as rows with one 1."""
    rows: NDArray[Any] = np.eye(num_classes)[labels_dense]
    return rows


def _read(folder: str, name: str) -> NDArray[np.uint8]:
    for path in (os.path.join(folder, name + ".gz"), os.path.join(folder, name)):
        if os.path.exists(path):
            opener: Any = gzip.open if path.endswith(".gz") else open
            with opener(path, "rb") as file:
                data = file.read()
            (magic,) = struct.unpack(">I", data[:4])
            if magic not in (2049, 2051):
                raise ValueError(f"Invalid magic number {magic} in MNIST file: {path}")
            rank = 3 if magic == 2051 else 1
            extents = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
            return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(extents)
    raise FileNotFoundError(
        f"read_data_sets: {name}.gz is not in {folder!r}, and nothing is downloaded: put the four MNIST files "
        f"({', '.join(file + '.gz' for file in _FILES)}) there, or pass fake_data=True for random images of that shape"
    )


def read_data_sets(
    train_dir: str,
    fake_data: bool = False,
    one_hot: bool = False,
    dtype: Any = np.float32,
    reshape: bool = True,
    validation_size: int = 5000,
    seed: int | None = None,
    source_url: str = "",
) -> Any:
    """The MNIST images in a folder: ``train``, ``validation`` and ``test``.

    Args:
        train_dir: where the four files are, packed with gzip or not.
        fake_data: random images and labels instead, a thousand for training.
        one_hot: labels as rows of ten numbers.
        validation_size: how many of the training images are kept for validation.

    Raises:
        FileNotFoundError: if a file is not there.
    """
    if fake_data:
        chance = np.random.default_rng(0 if seed is None else seed)
        arrays = [
            chance.integers(0, 256, (1000, 28, 28), dtype=np.uint8),
            chance.integers(0, 10, 1000, dtype=np.uint8),
            chance.integers(0, 256, (200, 28, 28), dtype=np.uint8),
            chance.integers(0, 10, 200, dtype=np.uint8),
        ]
        validation_size = min(validation_size, 100)
    else:
        arrays = [_read(train_dir, name) for name in _FILES]
    images, labels, test_images, test_labels = arrays
    if not 0 <= validation_size <= len(images):
        raise ValueError(
            f"Validation size should be between 0 and {len(images)}. Received: {validation_size}."
        )
    if one_hot:
        labels, test_labels = dense_to_one_hot(labels, 10), dense_to_one_hot(test_labels, 10)

    def made(some: NDArray[Any], truths: NDArray[Any]) -> DataSet:
        return DataSet(some[..., None], truths, dtype=dtype, reshape=reshape, seed=seed)

    return Datasets(
        made(images[validation_size:], labels[validation_size:]),
        made(images[:validation_size], labels[:validation_size]),
        made(test_images, test_labels),
    )
