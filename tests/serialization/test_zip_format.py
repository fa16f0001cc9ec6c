"""The checkpoint format with a codec of its own: plain NumPy windows in place of tensors."""

from __future__ import annotations

import io
import os
import pickle
import random
import signal
import struct
import subprocess
import sys
import textwrap
import zipfile
from collections import Counter, OrderedDict

import ml_dtypes
import numpy as np
import pytest

from rushlight.serialization.codec import Kind, TensorRecord, window_of
from rushlight.serialization.zip_archive import ArchiveWriter
from rushlight.serialization.zip_format import read_checkpoint, write_checkpoint


class Window:
    """What a tensor is here: an array, and whether a gradient is wanted."""

    def __init__(self, array, requires_grad=False):
        self.array = array
        self.requires_grad = requires_grad


class Parameter(Window):
    pass


class DType(str):
    __slots__ = ()


class Size(tuple):
    __slots__ = ()


class Device(tuple):
    __slots__ = ()


KINDS = {
    Window: Kind.TENSOR,
    Parameter: Kind.PARAMETER,
    DType: Kind.DTYPE,
    Size: Kind.SIZE,
    Device: Kind.DEVICE,
}


class Codec:
    def kind(self, value):
        return KINDS.get(type(value))

    def describe(self, tensor):
        storage, offset, strides = window_of(tensor.array)
        shape, dtype = tensor.array.shape, tensor.array.dtype
        return TensorRecord(storage, offset, shape, strides, dtype.name, tensor.requires_grad)

    def is_without_data(self, tensor):
        return False

    def sparse_parts(self, tensor):
        return None

    def check_sparse(self):
        pass

    def attributes(self, tensor):
        return {name: value for name, value in vars(tensor).items() if name not in ("array", "requires_grad")}

    def dtype_name(self, dtype):
        return str(dtype)

    def device_arguments(self, device):
        return tuple(device)

    def make_tensor(self, record):
        steps = tuple(step * record.storage.itemsize for step in record.strides)
        array = np.lib.stride_tricks.as_strided(record.storage[record.offset :], record.shape, steps)
        return Window(array, record.requires_grad)

    def make_parameter(self, tensor, requires_grad):
        return Parameter(tensor.array, requires_grad)

    def set_attributes(self, tensor, attributes):
        vars(tensor).update(attributes)

    def make_dtype(self, name):
        return DType(name)

    def make_size(self, shape):
        return Size(shape)

    def make_device(self, *arguments):
        return Device(arguments)


def save(obj, target=None):
    if target is not None:
        write_checkpoint(target, obj, codec=Codec())
        return b""
    file = io.BytesIO()
    write_checkpoint(file, obj, codec=Codec())
    return file.getvalue()


def load(source, **given):
    if isinstance(source, bytes):
        source = io.BytesIO(source)
    return read_checkpoint(source, codec=Codec(), **given)


def archive_of(pickled, storages=(), **records):
    """An archive around a pickle made by hand."""
    file = io.BytesIO()
    archive = ArchiveWriter(file)
    archive.add("data.pkl", pickled)
    for key, data in enumerate(storages):
        archive.add(f"data/{key}", data)
    for name, data in {"version": b"3\n", "byteorder": b"little", **records}.items():
        archive.add(name, data)
    archive.close()
    return file.getvalue()


def edited(data, edit):
    """``data`` with ``edit(name, content)`` in place of each record; None drops it."""
    file = io.BytesIO()
    archive = ArchiveWriter(file)
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        for full_name in source.namelist():
            name = full_name.removeprefix("archive/")
            content = edit(name, source.read(full_name))
            if content is not None:
                archive.add(name, content)
    archive.close()
    return file.getvalue()


def with_record(data, changed, content):
    return edited(data, lambda name, old: content if name == changed else old)


PLAIN = {
    "nothing": None,
    "flags": [True, False],
    "ints": [0, 255, 256, 65535, 65536, -1, -(2**31), 2**31, -(2**31) - 1, 2**63, -(2**63), -128, 2**3000],
    "floats": [0.5, -0.0, float("inf"), 1e-308],
    "complex": 1.5 - 2j,
    "texts": ["", "a", "ü€😀", "\ud800"],
    "bytes": [b"", bytes(range(256))],
    "bytearrays": [bytearray(), bytearray(b"ab")],
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    "sets": [set(), {1, "a", (1, 2)}, frozenset({2})],
    "counter": Counter("abca"),
    "ordered": OrderedDict([("b", 1), ("a", 2)]),
    "slices": [slice(1, None, 2), range(3, 9, 2)],
    "long list": list(range(2501)),
    "long dict": {i: str(i) for i in range(2001)},
    (1, "key"): "tuple key",
    3: 4.5,
}


class TestPlainData:
    def test_round_trip(self):
        loaded = load(save(PLAIN))
        assert loaded == PLAIN
        assert list(loaded) == list(PLAIN)
        assert list(loaded["ordered"]) == ["b", "a"]
        assert [type(value) for value in loaded.values()] == [type(value) for value in PLAIN.values()]

    def test_attributes_of_an_ordered_dict(self):
        state = OrderedDict(weight=1)
        state._metadata = OrderedDict({"": {"version": 1}})
        loaded = load(save(state))
        assert loaded == state
        assert loaded._metadata == state._metadata

    def test_shared_and_recursive_containers(self):
        shared = [1]
        cycle = [shared, {"again": shared}]
        cycle.append(cycle)
        through_tuple = ([],)
        through_tuple[0].append(through_tuple)
        loaded, loaded_tuple = load(save([cycle, through_tuple]))
        assert loaded[0] is loaded[1]["again"]
        assert loaded[2] is loaded
        assert loaded_tuple[0][0] is loaded_tuple

    def test_sizes_dtypes_and_devices(self):
        values = [Size((2, 3)), DType("bfloat16"), Device(("cpu",)), Device(("cuda", 1))]
        loaded = load(save(values))
        assert loaded == values
        assert [type(value) for value in loaded] == [type(value) for value in values]

    def test_numpy_values(self):
        values = {
            "scalars": [np.float32(1.5), np.int8(-3), np.bool_(True), np.complex64(1j), np.str_("ab")],
            "dtypes": [np.dtype("float16"), np.dtype(">i4"), np.dtype("S5"), np.dtype("bool")],
        }
        loaded = load(save(values))
        assert loaded == values
        assert [value.dtype for value in loaded["scalars"]] == [value.dtype for value in values["scalars"]]

    @pytest.mark.parametrize(
        "array",
        [
            np.arange(6).reshape(2, 3),
            np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            np.arange(12)[::-2],
            np.array(3.5),
            np.empty((0, 2), np.uint8),
            np.array([1, 2], ">i2"),
            np.array(["a", "bcd"]),
            np.array([True, False]),
        ],
        ids=lambda array: f"{array.dtype}{array.shape}",
    )
    def test_numpy_arrays(self, array):
        loaded = load(save(array))
        assert loaded.flags.writeable
        # NumPy's own pickles come back in the machine's byte order.
        np.testing.assert_array_equal(loaded, array.astype(array.dtype.newbyteorder("=")), strict=True)

    @pytest.mark.parametrize("value", [lambda: 1, (i for i in "a"), type("Mine", (dict,), {})()])
    def test_what_pickle_refuses_is_not_saved(self, value, tmp_path):
        path = tmp_path / "file.pt"
        with pytest.raises((pickle.PicklingError, TypeError)) as caught:
            save({"a": [0, value]}, path)
        assert caught.value.__notes__ == ["save: it is the value at obj['a'][1]"]
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        "value", [print, int, signal.SIGTERM, np.array([object()]), np.datetime64("2020-01-01")]
    )
    def test_what_is_no_data_is_saved_and_loaded_only_on_trust(self, value):
        with pytest.raises(pickle.UnpicklingError):
            load(save({"a": [0, value]}))

    def test_too_deep_nesting(self):
        nested = []
        for _ in range(100_000):
            nested = [nested]
        with pytest.raises(RecursionError, match="save: the object is nested too deeply"):
            save(nested)


DTYPES = [
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64",
    "complex128",
]  # fmt: skip


class TestTensors:
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_every_dtype(self, dtype):
        numpy_dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
        array = np.arange(6).astype(numpy_dtype).reshape(2, 3)
        loaded = load(save(Window(array, requires_grad=True)))
        assert loaded.requires_grad
        assert loaded.array.dtype == array.dtype
        np.testing.assert_array_equal(loaded.array, array, strict=True)

    @pytest.mark.parametrize(
        "array",
        [
            np.array(2.5),
            np.empty((0, 3)),
            np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1),
            np.arange(24.0).reshape(4, 6)[1::2, 1:4],
            np.broadcast_to(np.arange(3.0), (1000, 3)),
            np.lib.stride_tricks.as_strided(np.arange(5.0), (3, 3), (8, 8)),
            np.arange(5.0)[::-1],
            np.arange(6, dtype=np.complex128).view(np.float64),
            np.frombuffer(b"\0" * 15 + b"\1", np.uint8)[1:9].view(np.float64),
        ],
        ids=range(9),
    )
    def test_layouts(self, array):
        loaded = load(save(Window(array))).array
        np.testing.assert_array_equal(loaded, array, strict=True)

    def test_strides_and_offset_are_kept(self):
        base = np.arange(24.0).reshape(4, 6)
        loaded = load(save(Window(base[1::2, 1:4].T))).array
        assert loaded.strides == (8, 96)
        np.testing.assert_array_equal(loaded, base[1::2, 1:4].T)

    def test_shared_memory_is_written_once_and_comes_back_shared(self):
        base = np.arange(1000.0)
        data = save({"whole": Window(base), "part": Window(base[10:20]), "tied": Parameter(base)})
        assert len(data) < 10_000
        loaded = load(data)
        loaded["whole"].array[10] = -1
        assert loaded["part"].array[0] == -1
        assert loaded["tied"].array[10] == -1
        assert type(loaded["tied"]) is Parameter

    def test_one_object_stays_one(self):
        tensor = Window(np.ones(2))
        loaded = load(save([tensor, tensor]))
        assert loaded[0] is loaded[1]

    def test_empty_tensors_do_not_share(self):
        data = save([Window(np.empty(0, np.float32)), Window(np.empty((2, 0), np.int8))])
        first, second = load(data)
        assert (first.array.dtype, second.array.dtype) == (np.float32, np.int8)

    def test_one_memory_as_two_dtypes_is_refused_as_in_pytorch(self):
        base = np.arange(4.0)
        with pytest.raises(
            RuntimeError, match="Cannot save multiple tensors or storages that view the same data"
        ):
            save([Window(base), Window(base.view(np.int64))])

    def test_attributes_of_tensors(self):
        tensor, parameter = Window(np.ones(2)), Parameter(np.ones(2), requires_grad=True)
        tensor.note, parameter.decay = "x", [1, 2]
        loaded_tensor, loaded_parameter = load(save([tensor, parameter]))
        assert loaded_tensor.note == "x"
        assert loaded_parameter.decay == [1, 2]
        assert loaded_parameter.requires_grad
        assert type(loaded_parameter) is Parameter

    def test_loaded_arrays_are_writable_and_aligned(self):
        data = save([Window(np.ones(3, np.int8)), Window(np.ones(3))])
        for window in load(data):
            window.array[0] = 2
            assert window.array.flags.aligned

    def test_equal_content_gives_equal_files(self):
        assert save({"a": Window(np.arange(3.0))}) == save({"a": Window(np.arange(3.0))})


class TestArchive:
    def test_records_are_stored_and_aligned(self):
        data = save([Window(np.arange(5.0)), Window(np.ones(3, np.int8))])
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.testzip() is None
            infos = archive.infolist()
        names = [info.filename.removeprefix("archive/") for info in infos]
        assert names == [
            "data.pkl", ".format_version", ".storage_alignment", "byteorder", "data/0", "data/1", "version",
            ".data/serialization_id",
        ]  # fmt: skip
        for info in infos:
            name_length, extra_length = struct.unpack_from("<HH", data, info.header_offset + 26)
            assert (info.header_offset + 30 + name_length + extra_length) % 64 == 0
            assert info.compress_type == zipfile.ZIP_STORED

    def test_write_only_target(self):
        class Sink:
            def __init__(self):
                self.data = b""

            def write(self, data):
                self.data += data

        sink = Sink()
        save(Window(np.arange(10.0)), sink)
        assert sink.data == save(Window(np.arange(10.0)))

    def test_target_that_takes_a_little_at_a_time(self):
        class Slow(io.RawIOBase):
            def __init__(self):
                self.data = bytearray()

            def writable(self):
                return True

            def write(self, data):
                self.data += bytes(data[:1000])
                return min(len(data), 1000)

        slow = Slow()
        save(Window(np.arange(1000.0)), slow)
        assert bytes(slow.data) == save(Window(np.arange(1000.0)))

    def test_source_without_readinto_and_behind_other_bytes(self):
        class Source:
            def __init__(self, data):
                self.file = io.BytesIO(data)

            def read(self, *count):
                return self.file.read(*count)

            def seek(self, *place):
                return self.file.seek(*place)

            def tell(self):
                return self.file.tell()

        data = save(Window(np.arange(10.0)))
        np.testing.assert_array_equal(load(Source(data)).array, np.arange(10.0))
        shifted = io.BytesIO(b"something else" + data)
        shifted.seek(14)
        np.testing.assert_array_equal(load(shifted).array, np.arange(10.0))

    def test_many_records_need_the_large_directory(self):
        count = 0x10000
        file = io.BytesIO()
        archive = ArchiveWriter(file)
        archive.add("data.pkl", b"\x80\x02K\x07.")
        for i in range(count):
            archive.add(f"x{i}", b"")
        archive.add("version", b"3")
        archive.close()
        assert load(file.getvalue()) == 7

    def test_other_byte_order(self):
        arrays = [np.arange(5.0), np.arange(3) * (1 + 2j), np.arange(3, dtype=np.int16), np.ones(3, np.bool_)]
        arrays.append(np.arange(4).astype(ml_dtypes.bfloat16))
        windows = [Window(array) for array in arrays]
        swapped = {
            f"data/{i}": array.view(f"u{size}").byteswap().tobytes()
            for i, (array, size) in enumerate(zip(arrays, (8, 8, 2, 1, 2), strict=True))
        }
        other = "big" if sys.byteorder == "little" else "little"
        changed = {"byteorder": other.encode(), **swapped}
        data = edited(save(windows), changed.get)
        for window, array in zip(load(data), arrays, strict=True):
            np.testing.assert_array_equal(window.array, array, strict=True)

    def test_without_byte_order_the_data_is_little_endian(self):
        data = edited(save(Window(np.arange(3.0))), lambda name, old: None if name == "byteorder" else old)
        np.testing.assert_array_equal(load(data).array, np.arange(3.0))

    def test_mapped(self, tmp_path):
        path = tmp_path / "file.pt"
        base = np.arange(1000.0)
        save({"a": Window(base), "part": Window(base[5:9]), "empty": Window(np.empty(0))}, path)
        before = path.read_bytes()
        loaded = load(path, mmap=True)
        np.testing.assert_array_equal(loaded["a"].array, base)
        loaded["a"].array[5] = -1
        assert loaded["part"].array[0] == -1
        assert loaded["empty"].array.size == 0
        assert path.read_bytes() == before

    def test_mapped_needs_a_path(self):
        with pytest.raises(ValueError, match="f must be a file path in order to use the mmap argument"):
            load(save(1), mmap=True)


FLOATS = save({"a": Window(np.arange(100.0, dtype=np.float32))})
WINDOW = b"K\x00Kd\x85q\x08K\x01\x85"  # offset 0, size (100,), strides (1,)


def with_window(window):
    """``FLOATS`` with the tensor's offset, size and strides replaced by other instructions."""

    def edit(name, content):
        if name != "data.pkl":
            return content
        assert content.count(WINDOW) == 1
        return content.replace(WINDOW, window)

    return edited(FLOATS, edit)


class TestDamage:
    @pytest.mark.parametrize(
        ("data", "error", "match"),
        [
            (b"", EOFError, "empty"),
            (b"hello world, this is no checkpoint", pickle.UnpicklingError, "neither a zip archive nor"),
            (b"PK\x03\x04" + b"x" * 100, RuntimeError, "failed finding central directory"),
            (FLOATS[:-30], RuntimeError, "failed finding central directory"),
            (FLOATS[: len(FLOATS) // 2], RuntimeError, "failed finding central directory"),
            (FLOATS[:3], pickle.UnpicklingError, "neither a zip archive nor"),
            (with_record(FLOATS, "data.pkl", None), RuntimeError, "failed locating file data.pkl"),
            (with_record(FLOATS, "version", None), RuntimeError, "failed locating file version"),
            (
                with_record(FLOATS, "version", b"99"),
                RuntimeError,
                "maximum supported version for reading is 10",
            ),
            (with_record(FLOATS, "version", b"x"), RuntimeError, "version"),
            (with_record(FLOATS, "byteorder", b"middle"), ValueError, "Unknown endianness type: middle"),
            (with_record(FLOATS, "data/0", None), RuntimeError, "failed locating file data/0"),
            (
                with_record(FLOATS, "data/0", b"\0" * 40),
                RuntimeError,
                r"record size \(40 bytes\).*\(400 bytes\)",
            ),
            (with_record(FLOATS, "data/0", b"\0" * 800), RuntimeError, r"record size \(800 bytes\)"),
            (with_record(FLOATS, "data.pkl", b""), EOFError, "Ran out of input"),
            (with_record(FLOATS, "data.pkl", b"\x80\x02}"), EOFError, "Ran out of input"),
            (with_record(FLOATS, "data.pkl", b"\x80\x02X\x09\0\0\0a"), pickle.UnpicklingError, "truncated"),
            (with_record(FLOATS, "data.pkl", b"\x80\x02\xff."), pickle.UnpicklingError, "opcode b'.xff'"),
            (with_record(FLOATS, "data.pkl", b"\x80\x07N."), pickle.UnpicklingError, "protocol: 7"),
        ],
    )
    def test_damaged_files(self, data, error, match):
        with pytest.raises(error, match=match):
            load(data)

    @pytest.mark.parametrize(
        ("window", "error", "match"),
        [
            (b"K\x01Kd\x85K\x01\x85", RuntimeError, "need 101 elements, and the storage has 100"),
            (b"K\x00Ke\x85K\x01\x85", RuntimeError, "need 101 elements"),
            (b"K\x00Kd\x85K\x02\x85", RuntimeError, "need 199 elements"),
            (b"J\xff\xff\xff\xffKd\x85K\x01\x85", RuntimeError, "must not be negative"),
            (b"K\x00J\xff\xff\xff\xff\x85K\x01\x85", RuntimeError, "must not be negative"),
            (b"KdKd\x85J\xff\xff\xff\xff\x85", RuntimeError, "must not be negative"),
            (b"K\x00(\x8a\x08" + b"\xff" * 7 + b"\x7fK\x02tK\x00K\x00\x86", RuntimeError, "overflows"),
            (b"KeK\x00\x85K\x01\x85", RuntimeError, "storage offset 101"),
            (b"K\x00Kd\x85K\x01K\x01\x86", pickle.UnpicklingError, "1 sizes and 2 strides"),
            (b"K\x00(" + b"K\x01" * 65 + b"t(" + b"K\x01" * 65 + b"t", pickle.UnpicklingError, "65 sizes"),
            (b"NKd\x85K\x01\x85", pickle.UnpicklingError, "storage offset is no tuple of ints"),
            (b"K\x00X\x01\0\0\0a\x85K\x01\x85", pickle.UnpicklingError, "size is no tuple of ints"),
            (b"K\x00NK\x01\x85", pickle.UnpicklingError, "size is no tuple of ints"),
        ],
    )
    def test_windows_outside_of_their_storage(self, window, error, match):
        with pytest.raises(error, match=match):
            load(with_window(window))

    def test_the_unchanged_window_loads(self):
        assert load(with_window(WINDOW))["a"].array.shape == (100,)

    def test_flipped_bit(self):
        place = FLOATS.index(struct.pack("<f", 50.0))
        damaged = bytearray(FLOATS)
        damaged[place] ^= 1
        with pytest.raises(RuntimeError, match="data/0 do not match their checksum"):
            load(bytes(damaged))

    def test_compressed_records_are_refused(self):
        file = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(FLOATS)) as source,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target,
        ):
            for name in source.namelist():
                target.writestr(name, source.read(name))
        with pytest.raises(RuntimeError, match=r"compressed.*zip -0"):
            load(file.getvalue())

    def test_overlapping_records_cost_no_memory(self):
        # 1,000 directory entries that all name the same megabyte.
        count, size = 1000, 1 << 20
        pickled = b"\x80\x02]("
        for key in range(count):
            text = str(key).encode()
            pickled += b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nByteStorage\nX"
            pickled += (
                struct.pack("<I", len(text)) + text + b"X\x03\0\0\0cpuJ" + struct.pack("<i", size) + b"tQ"
            )
            pickled += b"K\x00K\x01\x85K\x01\x85\x89NtR"
        file = io.BytesIO()
        archive = ArchiveWriter(file)
        archive.add("data.pkl", pickled + b"e.")
        archive.add("version", b"3")
        archive.add("data/0", bytes(size))
        _, checksum, length, place = archive._entries[-1]
        for key in range(1, count):
            archive._entries.append((b"archive/data/%d" % key, checksum, length, place))
        archive.close()
        with pytest.raises(RuntimeError, match="records overlap"):
            load(file.getvalue())

    def test_storages_larger_than_the_file_are_not_allocated(self):
        huge = edited(FLOATS, lambda name, old: old.replace(b"cpuq\x06Kd", b"cpuq\x06J\xff\xff\xff\x7f"))
        with pytest.raises(RuntimeError, match="does not match expected size"):
            load(huge)

    def test_directory_that_points_outside(self):
        place = FLOATS.rindex(b"PK\x01\x02")  # the last entry of the directory
        damaged = bytearray(FLOATS)
        first = FLOATS.index(b"PK\x01\x02")
        assert first < place
        damaged[first + 42 : first + 46] = struct.pack("<I", 0x7FFFFFFF)
        with pytest.raises(RuntimeError, match="failed reading zip archive"):
            load(bytes(damaged))

    def test_other_kinds_of_archives(self):
        with pytest.raises(RuntimeError, match="TorchScript"):
            load(archive_of(b"N.", **{"constants.pkl": b"x"}))
        file = io.BytesIO()
        np.savez(file, a=np.ones(2))
        with pytest.raises(RuntimeError, match=r"numpy\.load"):
            load(file.getvalue())

    @pytest.mark.parametrize("seed", range(300))
    def test_random_damage_gives_a_value_or_a_clear_error(self, seed):
        rng = random.Random(seed)
        whole = FLOATS if rng.random() < 0.3 else SAMPLE
        if rng.random() < 0.3:
            damaged = bytearray(whole)
            for _ in range(rng.randrange(1, 8)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            data = bytes(damaged)
        else:  # inside the pickle, with the right checksum around it

            def edit(name, content):
                if name != "data.pkl":
                    return content
                changed = bytearray(content)
                for _ in range(rng.randrange(1, 6)):
                    place = rng.randrange(len(changed))
                    if rng.random() < 0.5:
                        changed[place] = rng.choice(
                            b"().KMJXcQRbtu}]aesq0123h\x85\x86\x87\x88\x93\x94\x8c\x96"
                        )
                    elif rng.random() < 0.5:
                        del changed[place : place + rng.randrange(1, 20)]
                    else:
                        changed[place] = rng.randrange(256)
                return bytes(changed)

            data = edited(whole, edit)
        try:
            load(data)
        except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
            assert str(error)


SAMPLE = save(
    {
        "model": OrderedDict(weight=Parameter(np.ones((2, 3))), bias=Window(np.arange(3))),
        "optimizer": {"state": {0: {"step": 3, "m": Window(np.zeros(2))}}, "groups": [{"lr": 0.1, "p": [0]}]},
        "numpy": [np.float64(2), np.arange(3)],
        "plain": PLAIN["sets"],
        "kinds": [Size((1, 2)), DType("float32"), Device(("cpu",))],
    }
)


class Call:
    """Pickles as the call that an attacker wants."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments, state)

    def __reduce__(self):
        return self.reduced


def touch(path):
    return f"open({str(path)!r}, 'w').close()"


class TestMaliciousPickles:
    @pytest.mark.parametrize("protocol", [2, 3, 4, 5])
    @pytest.mark.parametrize(
        "attack",
        [
            lambda path: Call(os.system, f"touch {path}"),
            lambda path: Call(eval, touch(path)),
            lambda path: Call(exec, touch(path)),
            lambda path: Call(getattr, Call(__import__, "os"), "system"),
            lambda path: Call(subprocess.Popen, ["touch", str(path)]),
            lambda path: Call(open, str(path), "w"),
            lambda path: Call(io.FileIO, str(path), "w"),
            lambda path: [1, {"a": (Call(os.system, f"touch {path}"),)}],
            lambda path: Call(pickle.loads, pickle.dumps(Call(os.system, f"touch {path}"))),
            lambda path: Call(np.load, str(path)),
            lambda path: Call(bytearray, 10**13),
            lambda path: Call(bytes, 10**13),
            lambda path: np.array([Call(os.system, f"touch {path}")], dtype=object),
        ],
    )
    def test_calls_are_refused(self, attack, protocol, tmp_path, request):
        path = tmp_path / "pwned"
        pickled = pickle.dumps(attack(path), protocol=protocol)
        with pytest.raises(pickle.UnpicklingError, match=r"^load: "):
            load(archive_of(pickled))
        assert not path.exists()

    @pytest.mark.parametrize(
        ("pickled", "match"),
        [
            (b"cos\nsystem\n.", "GLOBAL os.system was not an allowed global"),
            (b"(S'x'\nios\nsystem\n.", "opcode"),
            (b"(ios\nsystem\n.", "opcode"),
            (b"(cos\nsystem\no.", "GLOBAL os.system"),
            (b"\x82\x01.", "opcode"),
            (b"\x8c\x0ctorch._utils\x8c\x1e_rebuild_tensor_v2.__globals__\x93.", "was not an allowed global"),
            (b"c__builtin__\ngetattr\n.", "GLOBAL __builtin__.getattr"),
            (b"ctorch\nload\n.", "GLOBAL torch.load"),
            (b"ctorch.hub\nload\n.", "GLOBAL torch.hub.load"),
            (b"ctorch._utils\n_rebuild_nested_tensor\n.", "nested tensors"),
            (b"ctorch._utils\n_rebuild_sparse_tensor\nNN\x86R.", "malformed sparse tensor"),
            (
                b"ctorch._utils\n_rebuild_sparse_tensor\nctorch.serialization\n_get_layout\n"
                b"X\x10\0\0\0torch.sparse_coo\x85R(NNNtq\x01\x86R.",
                "malformed sparse tensor",
            ),
            (b"ctorch.serialization\n_get_layout\nK\x01\x85R.", "malformed layout"),
            (b"ctorch\nqint8\n.", "torch.qint8 is no dtype"),
            (b"ctorch\nTensor\n)R.", "torch.Tensor is not called"),
            (b"ctorch\nFloatStorage\n)R.", "can't be called"),
            (b"X\x01\0\0\0a)R.", "str can't be called"),
            (b"c_codecs\nencode\nX\x01\0\0\0aX\x05\0\0\0rot13\x86R.", "latin1"),
            (b"cnumpy\ndtype\nX\x02\0\0\0O8\x89\x88\x87R.", "numpy.dtype 'O8' is not allowed"),
            (
                b"cnumpy\ndtype\nX\x02\0\0\0f8\x89\x88\x87R(K\x03X\x01\0\0\0<NNNM\xe8\x03K\x01K\x00tb.",
                "malformed",
            ),
            (b"ccollections\nOrderedDict\n)R}X\x09\0\0\0__class__Nsb.", "'__class__' of a OrderedDict"),
            (b"ccollections\nOrderedDict\n)R}X\x05\0\0\0itemsNsb.", "'items' of a OrderedDict"),
            (b"}}b.", "a dict can't be given a state"),
            (b"X\x01\0\0\0aQ.", "malformed storage"),
            (b"(X\x06\0\0\0moduleNNNNtQ.", "malformed storage"),
            (b"(X\x07\0\0\0storageNX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQ.", "unknown storage class"),
            (b"]K\x01K\x02s.", "list in place of dict"),
            (b"}K\x01a.", "dict in place of list"),
            (b"}]K\x01s.", "unhashable"),
            (b"(.", "mark in place"),
            (b"t.", "malformed"),
            (b"K\x01K\x02.", "left over"),
            (b"h\x05.", "malformed"),
            (b"0.", "malformed"),
            (b"X\x02\0\0\0\xff\xfe.", "malformed"),
            (b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", "truncated"),
            (b"\x8b\xff\xff\xff\x7f.", "truncated"),
            (b"c" + b"x" * 2000, "truncated"),
        ],
    )
    def test_streams_made_by_hand(self, pickled, match):
        with pytest.raises(pickle.UnpicklingError, match=match):
            load(archive_of(b"\x80\x04" + pickled))

    def test_attributes_do_not_replace_what_a_tensor_has(self):
        window = Window(np.ones(2))
        window.describe_me = 1
        data = edited(save(window), lambda name, old: old.replace(b"describe_me", b"__class____"))
        with pytest.raises(
            pickle.UnpicklingError, match="attribute '__class____' of a Window is not allowed"
        ):
            load(data)

    def test_deep_tuples_as_keys(self):
        # Hashing this recurses in C as deep as it goes: Python itself would crash.
        deep = b")" + b"\x85" * 200_000
        for stream in (b"}" + deep + b"Ns.", b"\x8f(" + deep + b"\x90.", b"(" + deep + b"\x91."):
            with pytest.raises(pickle.UnpicklingError, match="more than 1000 parts"):
                load(archive_of(b"\x80\x04" + stream))

    def test_wide_sharing_in_keys(self):
        # A tuple of two tuples of two tuples …, 60 levels: 2**60 visits to hash it.
        doubled = b")" + b"2\x86" * 60
        with pytest.raises(pickle.UnpicklingError, match="more than 1000 parts"):
            load(archive_of(b"\x80\x02}" + doubled + b"Ns."))

    def test_deep_nesting_of_values_is_fine(self):
        value = load(archive_of(b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b"."))
        depth = 0
        while value:
            value = value[0]
            depth += 1
        assert depth == 199_999

    def test_large_memo_numbers_cost_nothing(self):
        assert load(archive_of(b"\x80\x02K\x05r\xff\xff\xff\xff0j\xff\xff\xff\xff.")) == 5

    def test_lazily_conjugated_views_with_repeated_elements_are_refused(self):
        data = save(Window(np.ones(1, np.complex64)))

        def edit(name, content):
            if name != "data.pkl":
                return content
            huge = b"\x8a\x06\0\0\0\0\0\x10"
            window = content.replace(b"K\x01\x85q\x06K\x01\x85q\x07", huge + b"\x85K\x00\x85")
            assert window != content
            end = window.rindex(b"tq")
            return window[:end] + b"}X\x04\0\0\0conj\x88s" + window[end:]

        with pytest.raises(pickle.UnpicklingError, match="repeated elements"):
            load(edited(data, edit))


class TestMapLocation:
    CUDA = edited(FLOATS, lambda name, old: old.replace(b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0"))

    @pytest.mark.parametrize(
        "map_location", [None, "cuda", "cuda:1", {}, {"cuda:1": "cpu"}, lambda s, place: None]
    )
    def test_without_a_gpu(self, map_location):
        with pytest.raises(
            RuntimeError, match=r"Attempting to deserialize object on a CUDA device but torch\.cuda"
        ):
            load(self.CUDA, map_location=map_location)

    @pytest.mark.parametrize("map_location", ["cpu", {"cuda:0": "cpu"}, lambda storage, place: storage])
    def test_to_the_cpu(self, map_location):
        np.testing.assert_array_equal(load(self.CUDA, map_location=map_location)["a"].array, np.arange(100.0))

    def test_function_sees_the_storage_and_its_place(self):
        seen = []

        def remember(storage, place):
            seen.append((place, storage.nbytes(), str(storage.device)))
            return storage.cpu()

        load(self.CUDA, map_location=remember)
        assert seen == [("cuda:0", 400, "cpu")]

    @pytest.mark.parametrize("map_location", [5, lambda storage, place: 5])
    def test_wrong_kinds(self, map_location):
        with pytest.raises((TypeError, pickle.UnpicklingError), match="map_location"):
            load(self.CUDA, map_location=map_location)

    def test_unknown_place(self):
        with pytest.raises(RuntimeError, match=r"don't know how to restore data location .*tagged with foo"):
            load(self.CUDA, map_location="foo")


class TestAtomicSaving:
    def test_failure_while_writing_leaves_the_old_file(self, tmp_path, monkeypatch):
        path = tmp_path / "file.pt"
        save("old", path)
        before = path.read_bytes()

        def full(descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            save(Window(np.ones(1000)), path)
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["file.pt"]

    @pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
    def test_full_disk_leaves_the_old_file(self, tmp_path):
        path = tmp_path / "file.pt"
        save("old", path)
        before = path.read_bytes()
        program = f"""
            import resource, signal, sys
            import numpy as np
            sys.path[:] = {sys.path!r}
            from rushlight.serialization.zip_format import write_checkpoint
            from rushlight.serialization.numpy_values import reduce_numpy
            class Codec:
                def kind(self, value): return None
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            try:
                write_checkpoint({str(path)!r}, np.zeros(1_000_000), codec=Codec())
            except OSError as error:
                print("refused", error.errno)
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout.startswith("refused")
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["file.pt"]

    @pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
    def test_kill_in_the_middle_leaves_the_old_file(self, tmp_path):
        path = tmp_path / "file.pt"
        save({"a": Window(np.arange(1000.0))}, path)
        before = path.read_bytes()
        program = f"""
            import sys, time
            sys.path[:] = {sys.path!r}
            from rushlight.serialization import zip_archive, zip_format
            class Codec:
                def kind(self, value): return None
            whole = zip_archive.ArchiveWriter.add
            def half(self, name, data):
                whole(self, name, data)
                if name == "data.pkl":
                    self._write.__self__.flush()
                    print("half", flush=True)
                    time.sleep(60)
            zip_archive.ArchiveWriter.add = half
            zip_format.write_checkpoint({str(path)!r}, "x" * 50_000_000, codec=Codec())
        """
        child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE)
        try:
            assert child.stdout.readline() == b"half\n"
            unfinished = [name for name in os.listdir(tmp_path) if name != "file.pt"]
            assert [os.path.getsize(tmp_path / name) > 50_000_000 for name in unfinished] == [True]
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
            child.stdout.close()
        assert path.read_bytes() == before
        np.testing.assert_array_equal(load(path)["a"].array, np.arange(1000.0))

    def test_replaced_file_keeps_its_permissions_and_links(self, tmp_path):
        path, link = tmp_path / "file.pt", tmp_path / "link.pt"
        save(1, path)
        path.chmod(0o640)
        link.symlink_to(path)
        save(2, link)
        assert link.is_symlink()
        assert load(path) == 2
        assert path.stat().st_mode & 0o777 == 0o640

    def test_paths_that_cannot_be_written(self, tmp_path):
        with pytest.raises(RuntimeError, match=r"Parent directory .*nowhere does not exist\."):
            save(1, tmp_path / "nowhere" / "file.pt")
        with pytest.raises(RuntimeError, match="is a directory"):
            save(1, tmp_path)
        with pytest.raises(AttributeError, match="expected 'f' to be string, path, or a file-like object"):
            save(1, 5)

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
    def test_device_files_are_written_directly(self):
        with pytest.raises(OSError, match="No space left"):
            save(1, "/dev/full")
        save(1, "/dev/null")

    def test_sources_that_cannot_be_read(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            load(tmp_path / "nowhere.pt")
        with pytest.raises(IsADirectoryError):
            load(tmp_path)
        with pytest.raises(
            AttributeError, match=r"'int' object has no attribute 'seek'\. You can only torch\.load"
        ):
            load(5)
        with pytest.raises(TypeError, match="text mode"):
            load(io.StringIO("text"))
