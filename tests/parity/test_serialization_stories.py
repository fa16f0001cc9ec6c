"""Both of PyTorch's checkpoint formats, and storages in them, exchanged between the libraries."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile

import pytest

import rushlight

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity


def saved(library, obj, zip_format):
    file = io.BytesIO()
    library.save(obj, file, _use_new_zipfile_serialization=zip_format)
    file.seek(0)
    return file


def content(library):
    x = library.arange(6.0)
    return {
        "views": [x[1:3], x],
        "kinds": [library.ones(2, 3, dtype=getattr(library, name)) for name in ("int64", "bfloat16", "bool")],
        "complex": library.tensor([1 + 2j]),
        "empty": library.ones(0, 3),
        "numbers": (1, 2.5, "text", None),
    }


@pytest.mark.parametrize(
    ("writer", "reader"), [(rushlight, torch), (torch, rushlight), (rushlight, rushlight)]
)
@pytest.mark.parametrize("weights_only", [True, False])
def test_the_format_before_the_zip_format(writer, reader, weights_only):
    loaded = reader.load(saved(writer, content(writer), False), weights_only=weights_only)
    expected = content(reader)
    for one, other in zip(
        [*loaded["views"], *loaded["kinds"], loaded["complex"], loaded["empty"]],
        [*expected["views"], *expected["kinds"], expected["complex"], expected["empty"]],
        strict=True,
    ):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.tolist() == other.tolist()
    assert loaded["numbers"] == expected["numbers"]
    part, whole = loaded["views"]
    part[0] = 9.0
    assert whole[1] == 9.0


def test_several_objects_in_one_file():
    file = io.BytesIO()
    for obj in ([1], rushlight.ones(2)):
        rushlight.save(obj, file, _use_new_zipfile_serialization=False)
    file.seek(0)
    assert torch.load(file) == [1]
    assert torch.load(file).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("zip_format", [True, False])
@pytest.mark.parametrize(
    ("writer", "reader"), [(rushlight, torch), (torch, rushlight), (rushlight, rushlight)]
)
def test_storages_share_memory_with_tensors(writer, reader, zip_format):
    x = writer.arange(4.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch says that TypedStorage is deprecated
        obj = [x, x.storage(), (x.storage(),)]
        loaded, storage, (again,) = reader.load(saved(writer, obj, zip_format), weights_only=False)
        assert type(storage).__name__ == "TypedStorage"
        assert storage.dtype == reader.float32
        assert storage.tolist() == again.tolist() == [0.0, 1.0, 2.0, 3.0]
        loaded[2] = 7.0
        assert storage.tolist()[2] == 7.0


def test_storages_as_bytes():
    data = rushlight.tensor([1, 2], dtype=rushlight.uint8).untyped_storage()
    loaded = torch.load(saved(rushlight, data, True), weights_only=False)
    assert loaded.tolist() == [1, 2]
    copy = data.clone()
    copy.fill_(5)
    assert (data.tolist(), copy.tolist()) == ([1, 2], [5, 5])
    assert rushlight.UntypedStorage([3, 4]).tolist() == torch.UntypedStorage([3, 4]).tolist()


def test_the_folder_in_an_archive(tmp_path):
    names = []
    for library in (torch, rushlight):
        library.save(library.ones(1), tmp_path / "my model.v2.pt")
        with zipfile.ZipFile(tmp_path / "my model.v2.pt") as archive:
            names.append(sorted(archive.namelist()))
    assert names[0] == names[1]


def test_tensors_to_the_meta_device():
    file = saved(rushlight, rushlight.ones(2, 3), True)
    loaded = rushlight.load(file, map_location="meta")
    assert loaded.is_meta
    assert loaded.shape == (2, 3)


class Forbidden:
    pass


def test_what_a_file_names():
    file = saved(rushlight, [Forbidden(), rushlight.ones(1)], True)
    name = f"{__name__}.Forbidden"
    assert rushlight.serialization.get_unsafe_globals_in_checkpoint(file) == [name]
    file.seek(0)
    assert torch.serialization.get_unsafe_globals_in_checkpoint(file) == [name]
    file.seek(0)
    with pytest.raises(
        pickle.UnpicklingError,
        match=f"Unsupported global: GLOBAL {name} was not an allowed global by default",
    ):
        rushlight.load(file)


def test_options():
    ours, theirs = rushlight.serialization, torch.serialization
    assert ours.get_crc32_options() is theirs.get_crc32_options() is True
    assert ours.get_default_load_endianness() is theirs.get_default_load_endianness() is None
    ours.set_default_load_endianness(ours.LoadEndianness.BIG)
    try:
        assert ours.get_default_load_endianness() is ours.LoadEndianness.BIG
    finally:
        ours.set_default_load_endianness(None)
    for library in (ours, theirs):
        with pytest.raises(TypeError):
            library.set_default_load_endianness("big")
