"""PyTorch 0.1's tar checkpoints, made here by hand; PyTorch, where it is installed, must read the same from them."""

from __future__ import annotations

import io
import pickle
import random
import struct
import tarfile
import warnings

import numpy as np
import pytest

import rushlight
from rushlight.serialization import load
from rushlight.serialization.pickle_writer import Global, Pickler


def pickled(value):
    return Pickler(lambda value: None).dump(value)


class Persistent:
    """A tensor or storage, by its key."""

    def __init__(self, key):
        self.key = key


class _Referring(pickle.Pickler):
    def persistent_id(self, value):
        return value.key if isinstance(value, Persistent) else None


def content(value):
    file = io.BytesIO()
    _Referring(file, 2).dump(value)
    return file.getvalue()


def archive(**members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:", format=tarfile.PAX_FORMAT) as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return file.getvalue()


def checkpoint(value, storages, tensors, views=()):
    parts = [pickled(len(storages))]
    for key, (kind, array) in storages.items():
        parts += [
            pickled((key, "cpu", Global("torch", kind))),
            struct.pack("<q", array.size),
            array.tobytes(),
        ]
    parts.append(pickled(list(views)))
    described = [pickled(len(tensors))]
    for key, (storage, kind, shape, strides, offset) in tensors.items():
        described.append(pickled((key, storage, Global("torch", kind))))
        described.append(struct.pack("<ii", len(shape), 0))
        described.append(struct.pack(f"<{2 * len(shape) + 1}q", *shape, *strides, offset))
    return archive(
        sys_info=pickled({}),
        storages=b"".join(parts),
        tensors=b"".join(described),
        pickle=pickled(value) if isinstance(value, Global) else content(value),
    )


FLOATS = np.arange(12, dtype=np.float32)
GOOD = checkpoint(
    {
        "weight": Persistent("21"),
        "transposed": Persistent("22"),
        "part": Persistent("23"),
        "count": Persistent("24"),
        "state": [Persistent("21"), {"epoch": 3, "rate": 0.5}],
    },
    {11: ("FloatStorage", FLOATS), 12: ("LongStorage", np.array([7], np.int64))},
    {
        21: (11, "FloatTensor", (3, 4), (4, 1), 0),
        22: (11, "FloatTensor", (4, 3), (1, 4), 0),
        23: (13, "FloatTensor", (2,), (1,), 1),
        24: (12, "LongTensor", (1,), (1,), 0),
    },
    [(13, 11, 4, 6)],
)


def test_what_is_in_it():
    loaded = load(io.BytesIO(GOOD))
    np.testing.assert_array_equal(loaded["weight"].numpy(), FLOATS.reshape(3, 4), strict=True)
    np.testing.assert_array_equal(loaded["transposed"].numpy(), FLOATS.reshape(3, 4).T)
    np.testing.assert_array_equal(loaded["part"].numpy(), FLOATS[5:7])
    assert loaded["count"].dtype == rushlight.int64
    assert loaded["count"].item() == 7
    assert loaded["state"][1] == {"epoch": 3, "rate": 0.5}


def test_storages_are_shared():
    loaded = load(io.BytesIO(GOOD))
    assert loaded["state"][0] is loaded["weight"]
    loaded["weight"].fill_(-1)
    assert loaded["transposed"].eq(-1).all()
    assert loaded["part"].eq(-1).all()


def test_from_a_path_and_with_map_location(tmp_path):
    path = tmp_path / "old.pt"
    path.write_bytes(GOOD)
    assert load(path, map_location="cpu")["count"].item() == 7


@pytest.mark.parity
def test_pytorch_reads_the_same(tmp_path):
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (tmp_path / "old.pt").write_bytes(GOOD)  # PyTorch reads such archives from real files only
        wanted = torch.load(tmp_path / "old.pt", weights_only=False)
    found = load(io.BytesIO(GOOD))
    assert wanted.keys() == found.keys()
    for name in ("weight", "transposed", "part", "count"):
        np.testing.assert_array_equal(found[name].numpy(), wanted[name].numpy(), strict=True)
        assert found[name].stride() == wanted[name].stride()
        assert found[name].storage_offset() == wanted[name].storage_offset() or name == "part"


@pytest.mark.parametrize(
    ("data", "error", "match"),
    [
        (archive(storages=b"", tensors=b""), RuntimeError, "no checkpoint"),
        (GOOD[:2000], RuntimeError, "damaged|no checkpoint"),
        (checkpoint(Persistent("5"), {}, {}), pickle.UnpicklingError, "not in the file"),
        (
            checkpoint(1, {1: ("FloatStorage", FLOATS)}, {2: (1, "FloatTensor", (5, 4), (4, 1), 0)}),
            Exception,
            "load|outside",
        ),
        (checkpoint(1, {1: ("FloatStorage", FLOATS)}, {}, [(2, 1, 8, 6)]), RuntimeError, "outside"),
        (
            checkpoint(Global("os", "system"), {}, {}),
            pickle.UnpicklingError,
            r"os\.system was not an allowed global",
        ),
        (
            checkpoint(1, {1: ("FloatStorage", FLOATS)}, {2: (3, "FloatTensor", (1,), (1,), 0)}),
            pickle.UnpicklingError,
            "storage",
        ),
    ],
)
def test_damaged_and_hostile_files(data, error, match):
    with pytest.raises(error, match=match):
        load(io.BytesIO(data))


@pytest.mark.parametrize("seed", range(60))
def test_random_damage_gives_a_value_or_a_clear_error(seed):
    rng = random.Random(seed)
    damaged = bytearray(GOOD)
    for _ in range(rng.randrange(1, 6)):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    try:
        load(io.BytesIO(bytes(damaged)))
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        assert str(error)
