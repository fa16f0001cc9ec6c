"""``save`` and ``load`` with Rushlight's own tensors."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest

import rushlight
from rushlight.core.tensor import Tensor, make_tensor, storage_of
from rushlight.nn.parameter import Buffer, Parameter
from rushlight.serialization import load, save
from rushlight.serialization.tensor_codec import RushlightCodec


def round_trip(obj, **given):
    file = io.BytesIO()
    save(obj, file)
    file.seek(0)
    return load(file, **given)


def tensor(array):
    return make_tensor(np.asarray(array))


def test_tensors_and_parameters():
    plain, wants_grad = tensor(np.arange(6.0).reshape(2, 3)), tensor(np.ones(2))
    wants_grad.requires_grad_(True)
    loaded = round_trip([plain, wants_grad, Parameter(plain), Parameter(plain, requires_grad=False)])
    assert [type(value) for value in loaded] == [Tensor, Tensor, Parameter, Parameter]
    assert [value.requires_grad for value in loaded] == [False, True, True, False]
    assert all(value.is_leaf for value in loaded)
    np.testing.assert_array_equal(loaded[0]._array, plain._array, strict=True)


def test_what_shares_memory_shares_its_version_too():
    array = np.arange(6.0)
    base, view, other = round_trip([tensor(array), Parameter(tensor(array[2:])), tensor(np.ones(2))])
    assert storage_of(base) is storage_of(view)
    assert storage_of(base) is not storage_of(other)
    base._array[2] = -1
    assert view._array[0] == -1


def test_buffers_are_saved_as_tensors():
    loaded = round_trip(Buffer(tensor(np.ones(2))))
    assert type(loaded) is Tensor
    np.testing.assert_array_equal(loaded._array, np.ones(2))


def test_dtypes_sizes_and_devices():
    values = [rushlight.bfloat16, rushlight.bool, rushlight.Size([2, 3]), rushlight.device("cuda", 1)]
    loaded = round_trip(values)
    assert loaded == values
    assert loaded[0] is rushlight.bfloat16
    assert type(loaded[2]) is rushlight.Size


def test_attributes():
    parameter = Parameter(tensor(np.ones(2)))
    parameter.decay = False
    assert round_trip(parameter).decay is False


@pytest.mark.parametrize("name", ["_array", "_node", "grad", "detach", "__class__", "two words"])
def test_attributes_do_not_reach_what_a_tensor_has(name, monkeypatch):
    monkeypatch.setattr(RushlightCodec, "attributes", lambda self, tensor: {name: 5})
    file = io.BytesIO()
    save(tensor(np.ones(2)), file)
    with pytest.raises(pickle.UnpicklingError, match=f"attribute '{name}' of a Tensor is not allowed"):
        load(io.BytesIO(file.getvalue()))


def test_integer_tensors_cannot_require_gradients(monkeypatch):
    describe = RushlightCodec.describe
    monkeypatch.setattr(
        RushlightCodec, "describe", lambda self, tensor: describe(self, tensor)._replace(requires_grad=True)
    )
    with pytest.raises(RuntimeError, match="only Tensors of floating point dtype can require gradients"):
        round_trip(tensor(np.arange(3)))


def test_a_pickle_module_asks_for_trust():
    file = io.BytesIO()
    save(len, file)
    with pytest.raises(RuntimeError, match="explicit pickle_module"):
        load(io.BytesIO(file.getvalue()), pickle_module=pickle, weights_only=True)
    assert load(io.BytesIO(file.getvalue()), pickle_module=pickle) is len
    with pytest.raises(pickle.UnpicklingError, match="Unsupported global"):
        load(io.BytesIO(file.getvalue()))


def test_the_old_format():
    file = io.BytesIO()
    x = tensor(np.arange(4.0))
    save([x[1:], x], file, _use_new_zipfile_serialization=False)
    file.seek(0)
    part, whole = load(file)
    part[0] = 9.0
    assert whole.tolist() == [0.0, 9.0, 2.0, 3.0]


def test_an_open_empty_file_is_filled(tmp_path):
    path = tmp_path / "file.pt"
    with open(path, "w+b") as file:
        save({"a": tensor(np.arange(3.0))}, path)
        assert load(file)["a"].tolist() == [0, 1, 2]
    with open(path, "wb") as file:
        save(4, file)
        assert load(path) == 4  # flushed
    before = path.stat().st_ino
    save(5, path)  # one with content is replaced
    assert path.stat().st_ino != before and load(path) == 5
    assert [each.name for each in tmp_path.iterdir()] == ["file.pt"]


def test_paths_and_mapping(tmp_path):
    path = tmp_path / "file.pt"
    save({"a": tensor(np.arange(1000.0))}, str(path))
    mapped = load(path, mmap=True)["a"]
    np.testing.assert_array_equal(mapped._array, load(path)["a"]._array)
    assert path.stat().st_size > 8000
