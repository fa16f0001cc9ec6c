"""Checkpoint files between PyTorch and Rushlight, both ways."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest

import rushlight
from rushlight.nn.parameter import Parameter
from rushlight.serialization import load, save

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def trained_model():
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(144, 3)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, amsgrad=True)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 1, 3])
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(5, 1, 8, 8)).square().sum().backward()
        optimizer.step()
        scheduler.step()
    return model, optimizer, scheduler


PARTS = ("model", "optimizer", "scheduler")


def views_of_one():
    base = torch.rand(3, 4)
    return {"base": base, "row": base[1], "column": base[:, 2]}


def tied_weights():
    model = torch.nn.ModuleDict({"embed": torch.nn.Embedding(5, 3), "out": torch.nn.Linear(3, 5, bias=False)})
    model["out"].weight = model["embed"].weight
    return model.state_dict()


def with_attributes():
    tensor, parameter = torch.ones(2), torch.nn.Parameter(torch.ones(3))
    tensor.note, parameter.decay = {"a": [1]}, True
    return [tensor, parameter]


def ordered_with_attribute():
    state = OrderedDict(a=torch.ones(2))
    state._metadata = OrderedDict({"": {"version": 2}})
    return state


DTYPES = [
    "float32", "float64", "float16", "bfloat16", "int8", "uint8", "int16", "int32", "int64", "bool", "complex64",
    "complex128",
]  # fmt: skip

CASES = {
    **{
        f"dtype {name}": lambda name=name: (torch.arange(6) - 2).to(getattr(torch, name)).reshape(2, 3)
        for name in DTYPES
    },
    "0-dim": lambda: [torch.tensor(2.5), torch.tensor(True), torch.tensor(7)],
    "empty": lambda: [torch.empty(0), torch.empty(2, 0, 3, dtype=torch.int16)],
    "transposed": lambda: torch.arange(6.0).reshape(2, 3).t(),
    "offset": lambda: torch.arange(24.0).reshape(4, 6)[1::2, 1:4],
    "expanded": lambda: torch.arange(3.0).expand(4, 3),
    "channels last": lambda: torch.arange(48.0).reshape(2, 2, 3, 4).to(memory_format=torch.channels_last),
    "overlapping": lambda: torch.arange(5.0).as_strided((3, 3), (1, 1)),
    "requires grad": lambda: torch.ones(2, requires_grad=True),
    "non-leaf": lambda: torch.ones(2, requires_grad=True) * 2,
    "parameters": lambda: [torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2), requires_grad=False)],
    "attributes": with_attributes,
    "one tensor twice": lambda: [torch.ones(2)] * 2,
    "shared storage": views_of_one,
    "tied weights": tied_weights,
    **{f"state of the {part}": lambda i=i: trained_model()[i].state_dict() for i, part in enumerate(PARTS)},
    "lstm": lambda: torch.nn.LSTM(3, 4, 2, bidirectional=True).state_dict(),
    "ordered dict": ordered_with_attribute,
    "training": lambda: {
        "epoch": 3,
        "model": trained_model()[0].state_dict(),
        "optimizer": trained_model()[1].state_dict(),
        "best": 0.97,
        "history": [(0, 1.5), (1, 0.25)],
        "rng": torch.get_rng_state(),
        "classes": ["a", "b"],
        "config": {"hidden": (8, 16), "name": None, "flags": {True}},
    },
    "kinds": lambda: [torch.Size([2, 3]), torch.float16, torch.bool, torch.device("cpu"), torch.device("cuda", 1)],
    "plain": lambda: [
        None, True, 0, -1, 255, 256, 65536, 2**31, -(2**40), 2**70, 0.5, float("inf"), 1 + 2j, "", "ü€😀",
        b"\0\xff", bytearray(b"x"), (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [[1]], {}, {1: {2: 3}},
        {1, 2}, Counter("aab"), list(range(1001)), {i: i for i in range(2001)},
        OrderedDict((i, i) for i in range(1001)),
    ],
}  # fmt: skip


def torch_bytes(obj, **given):
    file = io.BytesIO()
    torch.save(obj, file, **given)
    return file.getvalue()


def our_bytes(obj):
    file = io.BytesIO()
    save(obj, file)
    return file.getvalue()


def array_of(tensor):
    """Values as comparable bits: bfloat16 has no NumPy form in PyTorch."""
    detached = tensor.detach().contiguous()
    return (detached.view(torch.int16) if tensor.dtype is torch.bfloat16 else detached).numpy()


def assert_same(theirs, ours, seen=None):
    """``ours`` is what ``theirs`` is, with Rushlight's classes, down to strides and shared memory."""
    seen = {} if seen is None else seen
    if isinstance(theirs, torch.Tensor):
        expected = Parameter if isinstance(theirs, torch.nn.Parameter) else rushlight.Tensor
        assert type(ours) is expected
        assert str(ours.dtype) == str(theirs.dtype)
        assert tuple(ours.shape) == tuple(theirs.shape)
        assert ours.requires_grad == theirs.requires_grad
        itemsize = theirs.element_size()
        if theirs.numel():
            assert tuple(step // itemsize for step in ours._array.strides) == theirs.stride()
        values = np.ascontiguousarray(ours._array).reshape(ours.shape)
        np.testing.assert_array_equal(values.view(array_of(theirs).dtype), array_of(theirs), strict=True)
        # Each storage of theirs is one stretch of memory of ours: offsets from its start agree.
        if theirs.numel():
            start = ours._array.__array_interface__["data"][0] - theirs.storage_offset() * itemsize
            assert seen.setdefault(theirs.untyped_storage().data_ptr(), start) == start
        attributes = {name: value for name, value in vars(theirs).items() if not name.startswith("_")}
        assert vars(ours) == attributes
        return
    names = {
        torch.Size: rushlight.Size,
        torch.dtype: rushlight.dtype,
        torch.device: rushlight.device,
    }
    assert type(ours) is names.get(type(theirs), type(theirs))
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key, value in theirs.items():
            assert_same(value, ours[key], seen)
        if type(theirs) is OrderedDict:
            assert vars(ours) == vars(theirs)
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs)
        for value, other in zip(theirs, ours, strict=True):
            assert_same(value, other, seen)
    elif isinstance(theirs, torch.dtype | torch.device):
        assert repr(ours) == repr(theirs)
    else:
        assert ours == theirs


@pytest.mark.parametrize("name", CASES)
def test_from_pytorch(name):
    theirs = CASES[name]()
    assert_same(theirs, load(io.BytesIO(torch_bytes(theirs))))


@pytest.mark.parametrize("name", CASES)
def test_to_pytorch(name):
    theirs = CASES[name]()
    ours = load(io.BytesIO(torch_bytes(theirs)))
    back = torch.load(io.BytesIO(our_bytes(ours)), weights_only=True)
    assert_same(back, ours)
    assert_same(theirs, load(io.BytesIO(our_bytes(ours))))


@pytest.mark.parametrize("name", CASES)
def test_the_pickle_is_pytorchs_own(name):
    theirs = torch_bytes(CASES[name]())
    ours = our_bytes(load(io.BytesIO(theirs)))
    with zipfile.ZipFile(io.BytesIO(theirs)) as a, zipfile.ZipFile(io.BytesIO(ours)) as b:
        assert a.namelist() == b.namelist()
        for record in a.namelist():
            if record != "archive/.data/serialization_id":  # a hash of PyTorch's own making
                assert a.read(record) == b.read(record), record


@pytest.mark.parametrize("name", CASES)
def test_from_pytorchs_legacy_format(name):
    theirs = CASES[name]()
    assert_same(theirs, load(io.BytesIO(torch_bytes(theirs, _use_new_zipfile_serialization=False))))


def test_several_legacy_objects_in_one_file():
    data = b"".join(torch_bytes(torch.full((2,), i), _use_new_zipfile_serialization=False) for i in range(3))
    file = io.BytesIO(data)
    for i in range(3):
        assert_same(torch.full((2,), i), load(file))


def test_files_and_mapping(tmp_path):
    theirs = CASES["training"]()
    theirs_path, ours_path = tmp_path / "theirs.pt", tmp_path / "ours.pt"
    torch.save(theirs, theirs_path)
    save(load(theirs_path), ours_path)
    for path in (theirs_path, ours_path):
        assert_same(theirs, load(path, mmap=True))
        assert_same(torch.load(path, mmap=True), load(str(path)))


def test_lazily_conjugated_and_negated_views():
    values = torch.tensor([[1 + 2j, 3j], [0.5, -1j]])
    # PyTorch does not save one memory as complex and as real numbers, so the last view is of a copy.
    theirs = [values.conj(), values.t().conj(), values, values.clone().conj().imag]
    loaded = load(io.BytesIO(torch_bytes(theirs)))
    for tensor, ours in zip(theirs, loaded, strict=True):
        np.testing.assert_array_equal(ours._array, tensor.resolve_conj().resolve_neg().numpy(), strict=True)


def test_parts_without_elements():
    theirs = torch.arange(5)[2:2]
    ours = load(io.BytesIO(torch_bytes(theirs)))
    assert_same(torch.load(io.BytesIO(our_bytes(ours))), ours)


def test_empty_bytes_load_without_an_allowance():
    # PyTorch writes them as a call of `bytes` and then does not load it.
    assert torch.load(io.BytesIO(our_bytes([b"", bytearray()])), weights_only=True) == [b"", bytearray()]
    assert load(io.BytesIO(torch_bytes([b"", bytearray()]))) == [b"", bytearray()]


def test_without_checksums():
    torch.serialization.set_crc32_options(False)
    try:
        data = torch_bytes(torch.arange(5.0))
    finally:
        torch.serialization.set_crc32_options(True)
    assert_same(torch.arange(5.0), load(io.BytesIO(data)))


def test_numpy_values_both_ways():
    values = {
        "array": np.arange(6).reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "scalar": np.float32(1.5),
        "text": np.array(["a", "bc"]),
        "dtype": np.dtype("float16"),
    }
    safe = [np.ndarray, np.dtype, np._core.multiarray._reconstruct, np._core.multiarray.scalar, bytes]
    safe += [type(np.dtype(code)) for code in ("i8", "f8", "f4", "f2", "U2")]
    with torch.serialization.safe_globals(safe):
        for loaded in (
            load(io.BytesIO(torch_bytes(values))),
            torch.load(io.BytesIO(our_bytes(values)), weights_only=True),
        ):
            assert list(loaded) == list(values)
            for name, value in values.items():
                assert type(loaded[name]) is type(value)
                np.testing.assert_array_equal(loaded[name], value)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        pytest.param(
            lambda: torch.zeros(2, dtype=torch.complex32),
            "torch.complex32 is no dtype",
            marks=pytest.mark.filterwarnings("ignore:ComplexHalf support"),
        ),
        pytest.param(
            lambda: torch.eye(2).to_sparse_bsr((1, 1)),
            "torch.sparse_bsr tensors: this version does not load them; save tensor.to_dense",
            marks=pytest.mark.filterwarnings("ignore:Sparse BSR tensor support"),
        ),
        (
            lambda: torch.nn.Linear(1, 1),
            r"torch\.nn\.modules\.linear\.Linear was not an allowed global.*save model\.state_dict",
        ),
    ],
)
@pytest.mark.parametrize("is_zip", [True, False])
def test_what_is_not_loaded_is_named(make, match, is_zip):
    data = torch_bytes(make(), _use_new_zipfile_serialization=is_zip)
    with pytest.raises(pickle.UnpicklingError, match=match):
        load(io.BytesIO(data))


def rezipped(data, changes):
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(file, "w") as target:
        for name in source.namelist():
            content = changes.get(name.removeprefix("archive/"), lambda old: old)(source.read(name))
            if content is not None:
                target.writestr(name, content)
    return file.getvalue()


def replaced(old, new):
    return {"data.pkl": lambda content: content.replace(old, new)}


DAMAGE = {
    "empty": lambda data: b"",
    "cut": lambda data: data[:-30],
    "half": lambda data: data[: len(data) // 2],
    "zip header alone": lambda data: b"PK\x03\x04" + b"x" * 100,
    "no version": lambda data: rezipped(data, {"version": lambda old: None}),
    "future version": lambda data: rezipped(data, {"version": lambda old: b"99\n"}),
    "no pickle": lambda data: rezipped(data, {"data.pkl": lambda old: None}),
    "no data": lambda data: rezipped(data, {"data/0": lambda old: None}),
    "short data": lambda data: rezipped(data, {"data/0": lambda old: old[:40]}),
    "long data": lambda data: rezipped(data, {"data/0": lambda old: old + old}),
    "empty pickle": lambda data: rezipped(data, {"data.pkl": lambda old: b""}),
    "bad opcode": lambda data: rezipped(data, {"data.pkl": lambda old: b"\x80\x02\xff."}),
    "attack": lambda data: rezipped(
        data, {"data.pkl": lambda old: b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R."}
    ),
    "byte order": lambda data: rezipped(data, {"byteorder": lambda old: b"middle"}),
    "offset": lambda data: rezipped(data, replaced(b"K\x00Kd\x85", b"K\x01Kd\x85")),
    "negative stride": lambda data: rezipped(data, replaced(b"K\x01\x85", b"J\xff\xff\xff\xff\x85")),
    "cuda": lambda data: rezipped(data, replaced(b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0")),
    "unknown place": lambda data: rezipped(data, replaced(b"X\x03\0\0\0cpu", b"X\x03\0\0\0foo")),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_files_raise_what_pytorch_raises(name):
    data = DAMAGE[name](torch_bytes({"a": torch.arange(100.0)}))
    with pytest.raises(Exception) as expected:
        torch.load(io.BytesIO(data), weights_only=True)
    with pytest.raises(expected.type) as found:
        load(io.BytesIO(data))
    assert found.type is expected.type
    assert str(found.value)


@pytest.mark.parametrize("kept", [0, 50, -300, -30])
def test_cut_legacy_files_raise_what_pytorch_raises(kept):
    data = torch_bytes({"a": torch.arange(100.0)}, _use_new_zipfile_serialization=False)[:kept]
    with pytest.raises((EOFError, RuntimeError)) as expected:
        torch.load(io.BytesIO(data), weights_only=True)
    with pytest.raises(expected.type):
        load(io.BytesIO(data))


def test_the_cuda_message_is_pytorchs():
    data = DAMAGE["cuda"](torch_bytes({"a": torch.arange(100.0)}))
    messages = []
    for loader in (torch.load, load):
        with pytest.raises(RuntimeError) as error:
            loader(io.BytesIO(data))
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    for where in ("cpu", torch.device("cpu"), {"cuda:0": "cpu"}, lambda storage, place: storage):
        assert_same({"a": torch.arange(100.0)}, load(io.BytesIO(data), map_location=where))


@pytest.mark.slow
def test_a_large_directory_is_read_by_pytorch():
    # More than 65,535 records need the zip64 directory.
    tensors = [rushlight.zeros(1) for _ in range(66_000)]
    data = our_bytes(tensors)
    assert struct.unpack_from("<H", data, len(data) - 12)[0] == 0xFFFF
    loaded = torch.load(io.BytesIO(data), weights_only=True)
    assert len(loaded) == 66_000
    assert loaded[-1].tolist() == [0.0]
