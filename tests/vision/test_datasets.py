"""Data sets from their standard files, made small here."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.vision import datasets, transforms
from rushlight.vision.datasets import files

pytest.importorskip("PIL")


def _write_mnist(root: Path, name: str, packed: bool, count: int = 5) -> dict[str, Any]:
    raw = root / name / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    made = {}
    for part in ("train", "t10k"):
        pictures = rng.integers(0, 256, (count, 28, 28), np.uint8)
        labels = rng.integers(0, 10, count, np.uint8)
        made[part] = pictures, labels
        contents = {
            f"{part}-images-idx3-ubyte": struct.pack(">IIII", 0x803, count, 28, 28) + pictures.tobytes(),
            f"{part}-labels-idx1-ubyte": struct.pack(">II", 0x801, count) + labels.tobytes(),
        }
        for file, content in contents.items():
            if packed:
                (raw / f"{file}.gz").write_bytes(gzip.compress(content))
            else:
                (raw / file).write_bytes(content)
    return made


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("cls", [datasets.MNIST, datasets.FashionMNIST])
def test_mnist(tmp_path: Path, cls: Any, packed: bool) -> None:
    made = _write_mnist(tmp_path, cls.__name__, packed)
    for train, part in ((True, "train"), (False, "t10k")):
        data = cls(tmp_path, train=train, transform=transforms.ToTensor())
        pictures, labels = made[part]
        assert (
            len(data) == 5 and data.targets.tolist() == labels.tolist() and data.targets.dtype is torch.int64
        )
        picture, label = data[3]
        assert label == labels[3] and isinstance(label, int)
        assert picture.shape == (1, 28, 28)
        assert np.array_equal((picture[0] * 255).round().numpy(), pictures[3])
    batch, targets = next(iter(torch.utils.data.DataLoader(data, batch_size=4)))
    assert batch.shape == (4, 1, 28, 28) and targets.shape == (4,)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"Dataset not found\. You can use download=True"):
        datasets.MNIST(tmp_path)
    with pytest.raises(RuntimeError, match=r"Dataset not found or corrupted.*data_batch_1"):
        datasets.CIFAR10(tmp_path)


def test_a_broken_idx_file_is_named(tmp_path: Path) -> None:
    _write_mnist(tmp_path, "MNIST", False)
    broken = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    broken.write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match="train-images-idx3-ubyte: not a file in IDX format"):
        datasets.MNIST(tmp_path)
    broken.write_bytes(struct.pack(">IIII", 0x803, 5, 28, 28) + b"short")
    with pytest.raises(ValueError, match="5 values for a shape of"):
        datasets.MNIST(tmp_path)


def test_downloads_are_checked(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    right = hashlib.md5(b"content", usedforsecurity=False).hexdigest()
    target = tmp_path / "new" / "file"
    files.download(source.as_uri(), str(target), right)
    assert target.read_bytes() == b"content"
    source.unlink()
    files.download(source.as_uri(), str(target), right)  # is there already
    source.write_bytes(b"changed")
    other = tmp_path / "new" / "other"
    with pytest.raises(RuntimeError, match="it is not kept"):
        files.download(source.as_uri(), str(other), right)
    with pytest.raises(RuntimeError, match="without a network, put the file at"):
        files.download((tmp_path / "absent").as_uri(), str(other), right)
    assert sorted(path.name for path in target.parent.iterdir()) == ["file"]


def _write_cifar(root: Path, cls: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    folder = root / cls.base_folder
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    key = "fine_labels" if cls is datasets.CIFAR100 else "labels"
    made = {}

    def write(name: str, content: Any) -> str:
        data = pickle.dumps(content, protocol=2)
        (folder / name).write_bytes(data)
        return hashlib.md5(data, usedforsecurity=False).hexdigest()

    for which in ("train_list", "test_list"):
        listed = []
        for name, _ in getattr(cls, which):
            made[name] = rng.integers(0, 256, (3, 3072), np.uint8), rng.integers(0, 10, 3).tolist()
            listed.append([name, write(name, {"data": made[name][0], key: made[name][1]})])
        monkeypatch.setattr(cls, which, listed)
    md5 = write(cls.meta["filename"], {cls.meta["key"]: [f"class {i}" for i in range(10)]})
    monkeypatch.setattr(cls, "meta", {**cls.meta, "md5": md5})
    return made


@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100"])
def test_cifar(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cls = getattr(datasets, name)
    made = _write_cifar(tmp_path, cls, monkeypatch)
    data = cls(tmp_path, transform=transforms.PILToTensor())
    assert len(data) == 3 * len(cls.train_list) and data.data.shape == (len(data), 32, 32, 3)
    first, labels = made[cls.train_list[0][0]]
    picture, label = data[1]
    assert np.array_equal(picture.numpy(), first[1].reshape(3, 32, 32)) and label == labels[1]
    assert data.classes[label] == f"class {label}" and data.class_to_idx["class 4"] == 4
    changed = tmp_path / cls.base_folder / cls.test_list[0][0]
    changed.write_bytes(changed.read_bytes() + b"x")
    with pytest.raises(RuntimeError, match=f"another MD5: {changed.name}"):
        cls(tmp_path)


class _Harmful:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("harm"),)


def test_a_pickle_of_anything_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "batch").write_bytes(pickle.dumps({"data": _Harmful()}))
    with pytest.raises(pickle.UnpicklingError, match="only lists and NumPy arrays are read"):
        files.read_batch(str(tmp_path / "batch"))
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_batches_in_every_protocol(protocol: int, tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    (tmp_path / "batch").write_bytes(pickle.dumps({"data": array, "labels": [1, 2]}, protocol=protocol))
    assert np.array_equal(files.read_batch(str(tmp_path / "batch"))["data"], array)


def test_image_folder(tmp_path: Path) -> None:
    for number, name in enumerate(["cat", "ant"]):
        (tmp_path / name / "deep").mkdir(parents=True)
        for place in ("b.png", "deep/a.PNG"):
            picture = transforms.functional.to_pil_image(np.full((4, 5, 3), 10 * number, np.uint8))
            picture.save(tmp_path / name / place, format="png")
    (tmp_path / "ant" / "notes.txt").write_text("no picture")
    data = datasets.ImageFolder(tmp_path, transform=transforms.ToTensor())
    assert data.classes == ["ant", "cat"] and data.targets == [0, 0, 1, 1]
    assert data[0][0].shape == (3, 4, 5) and data[0][0][0, 0, 0].item() == pytest.approx(10 / 255)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="Found no valid file for the classes empty"):
        datasets.ImageFolder(tmp_path)
    assert len(datasets.ImageFolder(tmp_path, allow_empty=True)) == 4
    with pytest.raises(FileNotFoundError, match="class folder"):
        datasets.ImageFolder(tmp_path / "empty")


def test_fake_data_is_the_same_each_time() -> None:
    torch.manual_seed(0)
    data = datasets.FakeData(3, (3, 8, 8), transform=transforms.ToTensor())
    before = torch.get_rng_state()
    first, again = data[1], data[1]
    assert torch.equal(first[0], again[0]) and first[1] == again[1]
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(IndexError):
        data[3]


def test_a_data_set_shows_its_transforms_as_torchvision_does(tmp_path: Path) -> None:
    from rushlight.vision.datasets import FakeData
    from rushlight.vision.transforms import Compose, Lambda, ToTensor

    both = FakeData(3, (3, 4, 4), transform=Compose([ToTensor()]), target_transform=ToTensor())
    assert repr(both).splitlines()[-5:] == [
        "    StandardTransform",
        "Transform: Compose(",
        "               ToTensor()",
        "           )",
        "Target transform: ToTensor()",
    ]
    assert "StandardTransform" not in repr(FakeData(3))
    together = FakeData(3)
    together.transforms = Lambda(lambda x, y: (x, y))
    assert repr(together).splitlines()[-1] == "    Lambda()"
