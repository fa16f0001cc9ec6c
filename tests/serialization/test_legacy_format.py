"""The format before PyTorch 1.6, from streams made here; tests/parity reads PyTorch's own."""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
from collections import OrderedDict

import numpy as np
import pytest

from rushlight.serialization import load
from rushlight.serialization.pickle_writer import Call, Global, Persistent, Pickler

MAGIC = 0x1950A86A20F9469CFC6C


def pickled(value):
    return Pickler(lambda value: None).dump(value)


def window(key, numel, view=None, offset=0, shape=None, storage="FloatStorage"):
    identifier = ("storage", Global("torch", storage), key, "cpu", numel, view)
    shape = (numel,) if shape is None else shape
    arguments = (Persistent(identifier), offset, shape, (1,), False, OrderedDict())
    return Call(Global("torch._utils", "_rebuild_tensor_v2"), arguments)


def legacy(obj, storages, little_endian=True, protocol=1001, magic=MAGIC, keys=None):
    parts = [pickled(magic), pickled(protocol), pickled({"little_endian": little_endian}), pickled(obj)]
    parts.append(pickled(list(storages) if keys is None else keys))
    for array in storages.values():
        parts.append(struct.pack("<q", array.size) + array.tobytes())
    return b"".join(parts)


FLOATS = np.arange(10, dtype=np.float32)
GOOD = legacy({"a": window("7", 10), "epoch": 3}, {"7": FLOATS})


def read(data, **given):
    return load(io.BytesIO(data), **given)


def test_an_object_and_its_storage():
    loaded = read(GOOD)
    assert loaded["epoch"] == 3
    np.testing.assert_array_equal(loaded["a"]._array, FLOATS, strict=True)


def test_the_old_way_to_rebuild_a_tensor():
    identifier = ("storage", Global("torch", "FloatStorage"), "7", "cpu", 10, None)
    old = Call(Global("torch._utils", "_rebuild_tensor"), (Persistent(identifier), 2, (3,), (2,)))
    np.testing.assert_array_equal(read(legacy(old, {"7": FLOATS}))._array, FLOATS[2:8:2])


def test_parts_of_storages_share_memory():
    parts = [window("7", 10), window("7", 10, ("8", 4, 3), shape=(3,)), window("7", 10, ("8", 4, 3), 1, (2,))]
    whole, part, part_of_part = read(legacy(parts, {"7": FLOATS}))
    np.testing.assert_array_equal(part._array, FLOATS[4:7])
    np.testing.assert_array_equal(part_of_part._array, FLOATS[5:7])
    whole._array[5] = -1
    assert part._array[1] == part_of_part._array[0] == -1


def test_big_endian_numbers():
    data = legacy(window("7", 10), {"7": FLOATS.byteswap()}, little_endian=False)
    np.testing.assert_array_equal(read(data)._array, FLOATS)


def test_the_position_after_an_object_is_the_next_ones():
    file = io.BytesIO(GOOD + b"rest")
    load(file)
    assert file.read() == b"rest"


def test_a_file_cannot_be_mapped(tmp_path):
    path = tmp_path / "old.pt"
    path.write_bytes(GOOD)
    assert load(path)["epoch"] == 3
    with pytest.raises(RuntimeError, match="mmap can only be used with files saved with"):
        load(path, mmap=True)


@pytest.mark.parametrize(
    ("data", "error", "match"),
    [
        (legacy(1, {}, magic=5), pickle.UnpicklingError, "neither a zip archive nor a legacy checkpoint"),
        (legacy(1, {}, protocol=1), RuntimeError, "Invalid protocol version"),
        (b"\0" * 257 + b"ustar", RuntimeError, "no checkpoint"),
        (GOOD[:-4], RuntimeError, "unexpected EOF, expected 4 more bytes"),
        (GOOD[:-41], RuntimeError, "unexpected EOF, expected 1 more bytes"),
        (GOOD[:15], EOFError, "Ran out of input"),
        (legacy(window("7", 10), {"7": FLOATS[:9]}), RuntimeError, "9 elements in the file and 10"),
        (legacy(window("7", 10), {"7": FLOATS}, keys=[]), RuntimeError, "storage 7 is not in the file"),
        (legacy(1, {"7": FLOATS}), pickle.UnpicklingError, "nothing uses '7'"),
        (legacy(1, {}, keys=5), pickle.UnpicklingError, "malformed list of storages"),
        (legacy(window("7", 10**12), {"7": FLOATS}), RuntimeError, "larger than the file"),
        (legacy(window("7", 10, shape=(11,)), {"7": FLOATS}), RuntimeError, "need 11 elements"),
        (legacy(window("7", 10, ("8", 8, 3)), {"7": FLOATS}), RuntimeError, "outside of that"),
        (legacy(window("7", 10, ("8", -1, 3)), {"7": FLOATS}), RuntimeError, "outside of that"),
        (legacy(window("7", 10, 5), {"7": FLOATS}), pickle.UnpicklingError, "not described"),
        (
            legacy([window("7", 10), window("7", 5, storage="DoubleStorage")], {"7": FLOATS}),
            pickle.UnpicklingError,
            "two descriptions of storage 7 differ",
        ),
        (
            legacy(Call(Global("os", "system"), ("ls",)), {}),
            pickle.UnpicklingError,
            r"GLOBAL os\.system was not an allowed global",
        ),
    ],
)
def test_damaged_and_hostile_files(data, error, match):
    with pytest.raises(error, match=match):
        read(data)


def test_the_header_runs_nothing(tmp_path):
    class Attack:
        def __reduce__(self):
            return (os.system, (f"touch {tmp_path / 'pwned'}",))

    header = pickled(MAGIC) + pickled(1001)
    for data in (pickle.dumps(Attack(), 2), header + pickle.dumps(Attack(), 2)):
        with pytest.raises(pickle.UnpicklingError):
            read(data)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("seed", range(100))
def test_random_damage_gives_a_value_or_a_clear_error(seed):
    rng = random.Random(seed)
    damaged = bytearray(GOOD)
    for _ in range(rng.randrange(1, 6)):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    try:
        read(bytes(damaged))
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        assert str(error)
