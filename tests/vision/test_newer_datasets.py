"""Data sets in small files of their formats."""

from __future__ import annotations

import bz2
import gzip
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rushlight.vision import datasets

Image = pytest.importorskip("PIL.Image")


def _picture(path: Path, color: int = 9) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 5, 3), color, np.uint8)).save(path)


def _trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take files for intact whatever their MD5."""
    from rushlight.vision.datasets import files

    monkeypatch.setattr(files, "is_intact", lambda path, md5=None: Path(path).is_file())


def test_svhn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scipy = pytest.importorskip("scipy.io")
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)
    scipy.savemat(tmp_path / "test_32x32.mat", {"X": pixels, "y": np.array([[1], [10], [3], [10]], np.uint8)})
    with pytest.raises(RuntimeError, match="Dataset not found or corrupted"):
        datasets.SVHN(tmp_path, "test")
    _trusting(monkeypatch)
    found = datasets.SVHN(tmp_path, "test")
    assert len(found) == 4 and found.labels.tolist() == [1, 0, 3, 0] and found.data.shape == (4, 3, 32, 32)
    picture, label = found[2]
    np.testing.assert_array_equal(np.asarray(picture), pixels[..., 2])
    assert label == 3 and "Split: Test" in repr(found)
    with pytest.raises(ValueError, match="Unknown value 'all' for argument split"):
        datasets.SVHN(tmp_path, "all")


def test_usps(tmp_path: Path) -> None:
    values = np.linspace(-1, 1, 256)
    line = "7 " + " ".join(f"{i + 1}:{value:.4f}" for i, value in enumerate(values))
    (tmp_path / "usps.bz2").write_bytes(bz2.compress(f"{line}\n{line}\n".encode()))
    found = datasets.USPS(tmp_path, train=True)
    picture, label = found[1]
    assert len(found) == 2 and label == 6 and picture.size == (16, 16)
    assert found.data[0, 0, 0] == 0 and found.data[0, 15, 15] == 255
    with pytest.raises(FileNotFoundError):
        datasets.USPS(tmp_path, train=False)


def _idx(path: Path, array: Any, kind: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes()))


def test_emnist(tmp_path: Path) -> None:
    raw = tmp_path / "EMNIST" / "raw"
    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    for part in ("train", "test"):
        _idx(raw / f"emnist-letters-{part}-images-idx3-ubyte.gz", pixels)
        _idx(raw / f"emnist-letters-{part}-labels-idx1-ubyte.gz", np.array([1, 26, 3], np.uint8))
    found = datasets.EMNIST(tmp_path, "letters", train=False)
    assert found[1][1] == 26 and found.classes[26] == "z" and found.class_to_idx["a"] == 1
    np.testing.assert_array_equal(np.asarray(found[2][0]), pixels[2])
    assert len(datasets.EMNIST.classes_split_dict["balanced"]) == 47
    with pytest.raises(RuntimeError, match="Dataset not found"):
        datasets.EMNIST(tmp_path, "digits")
    with pytest.raises(ValueError, match="Unknown value 'all' for argument split"):
        datasets.EMNIST(tmp_path, "all")


def test_qmnist(tmp_path: Path) -> None:
    raw = tmp_path / "QMNIST" / "raw"
    pixels = np.random.default_rng(0).integers(0, 256, (2, 28, 28), dtype=np.uint8)
    _idx(raw / "qmnist-test-images-idx3-ubyte.gz", pixels)
    _idx(raw / "qmnist-test-labels-idx2-int.gz", np.arange(16, dtype=">i4").reshape(2, 8), 12)
    found = datasets.QMNIST(tmp_path, train=False)
    assert len(found) == 2 and found[1][1] == 8 and "Split: test" in repr(found)
    assert datasets.QMNIST(tmp_path, "test", compat=False)[0][1].tolist() == list(range(8))
    with pytest.raises(RuntimeError, match="Dataset not found"):
        datasets.QMNIST(tmp_path, "train")


def test_stl10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tmp_path / "stl10_binary"
    base.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 96, 96), dtype=np.uint8)
    for name in ("train", "test", "unlabeled"):
        pixels.tofile(base / f"{name}_X.bin")
        np.array([1, 10, 4], np.uint8).tofile(base / f"{name}_y.bin")
    (base / "class_names.txt").write_text("airplane\nbird\n")
    (base / "fold_indices.txt").write_text("0 2\n1\n")
    with pytest.raises(RuntimeError, match="Dataset not found or corrupted"):
        datasets.STL10(tmp_path)
    _trusting(monkeypatch)
    found = datasets.STL10(tmp_path, "train")
    assert [label for _, label in found] == [0, 9, 3] and found.classes == ["airplane", "bird"]
    # The files have the columns first.
    np.testing.assert_array_equal(np.asarray(found[1][0]), pixels[1].transpose(2, 1, 0))
    assert [label for _, label in datasets.STL10(tmp_path, "train", folds=0)] == [0, 3]
    assert datasets.STL10(tmp_path, "train+unlabeled").labels.tolist() == [0, 9, 3, -1, -1, -1]
    with pytest.raises(ValueError, match=r"range \[0, 10\), but got 11"):
        datasets.STL10(tmp_path, folds=11)


def test_caltech(tmp_path: Path) -> None:
    base = tmp_path / "caltech101" / "101_ObjectCategories"
    for name, count in (("ant", 1), ("bee", 2), ("BACKGROUND_Google", 1)):
        for number in range(1, count + 1):
            _picture(base / name / f"image_{number:04d}.jpg")
    found = datasets.Caltech101(tmp_path)
    assert [label for _, label in found] == [0, 1, 1] and found.categories == ["ant", "bee"]
    _picture(tmp_path / "caltech256" / "256_ObjectCategories" / "001.ant" / "001_0001.jpg")
    (picture, label), *rest = list(datasets.Caltech256(tmp_path))
    assert picture.mode == "RGB" and label == 0 and not rest
    with pytest.raises(RuntimeError, match="Dataset not found or corrupted"):
        datasets.Caltech256(tmp_path / "nowhere")


def test_pets(tmp_path: Path) -> None:
    base = tmp_path / "oxford-iiit-pet"
    for name in ("Big_Cat_1", "small_dog_7"):
        _picture(base / "images" / f"{name}.jpg")
        _picture(base / "annotations" / "trimaps" / f"{name}.png", 2)
    (base / "annotations" / "trainval.txt").write_text("Big_Cat_1 1 1 1\nsmall_dog_7 2 2 1\n")
    found = datasets.OxfordIIITPet(tmp_path, target_types=("category", "binary-category", "segmentation"))
    picture, (label, kind, mask) = found[1]
    assert picture.size == mask.size == (5, 4) and (label, kind) == (1, 1)
    assert found.classes == ["Big Cat", "Small Dog"]
    with pytest.raises(RuntimeError, match="Dataset not found"):
        datasets.OxfordIIITPet(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="Unknown value 'breed' for argument target_types"):
        datasets.OxfordIIITPet(tmp_path, target_types="breed")


def test_food(tmp_path: Path) -> None:
    base = tmp_path / "food-101"
    _picture(base / "images" / "soup" / "1.jpg")
    _picture(base / "images" / "cake" / "2.jpg")
    (base / "meta").mkdir()
    (base / "meta" / "train.json").write_text(json.dumps({"soup": ["soup/1"], "cake": ["cake/2"]}))
    found = datasets.Food101(tmp_path)
    assert found.classes == ["cake", "soup"] and [label for _, label in found] == [1, 0]
    with pytest.raises(RuntimeError, match="not downloaded"):
        datasets.Food101(tmp_path / "nowhere", download=True)


def test_voc(tmp_path: Path) -> None:
    base = tmp_path / "VOCdevkit" / "VOC2012"
    _picture(base / "JPEGImages" / "a.jpg")
    _picture(base / "SegmentationClass" / "a.png", 3)
    for sets in ("Main", "Segmentation"):
        (base / "ImageSets" / sets).mkdir(parents=True)
        (base / "ImageSets" / sets / "train.txt").write_text("a\n")
    (base / "Annotations").mkdir()
    (base / "Annotations" / "a.xml").write_text(
        "<annotation><folder>V</folder><size><width>5</width></size>"
        "<object><name>dog</name><bndbox><xmin>1</xmin></bndbox></object></annotation>"
    )
    _, note = datasets.VOCDetection(tmp_path)[0]
    assert note == {
        "annotation": {
            "folder": "V",
            "size": {"width": "5"},
            "object": [{"name": "dog", "bndbox": {"xmin": "1"}}],
        }
    }
    picture, mask = datasets.VOCSegmentation(tmp_path)[0]
    assert picture.size == mask.size == (5, 4)
    with pytest.raises(ValueError, match="Unknown value 'test' for argument image_set"):
        datasets.VOCDetection(tmp_path, image_set="test")
    with pytest.raises(RuntimeError, match="Dataset not found"):
        datasets.VOCDetection(tmp_path, year="2007")
