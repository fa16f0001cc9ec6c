from __future__ import annotations

import copy
import pickle

import pytest

import rushlight as torch
from rushlight.core import return_types


def test_parts_by_name_and_place() -> None:
    found = torch.tensor([[1.0, 3.0], [5.0, 2.0]]).max(1)
    values, indices = found
    assert found.values is values is found[0]
    assert found.indices is indices is found[1]
    assert isinstance(found, tuple)
    assert type(found) is torch.return_types.max
    assert type(found[:1]) is tuple


def test_printed_as_pytorch_prints_it() -> None:
    assert repr(return_types.max((1, 2))) == "torch.return_types.max(\nvalues=1,\nindices=2)"
    assert repr(return_types.linalg_svd((1, 2, 3))) == "torch.return_types.linalg_svd(\nU=1,\nS=2,\nVh=3)"


@pytest.mark.parametrize("name", sorted(return_types.FIELDS))
def test_every_type(name: str) -> None:
    kind = getattr(return_types, name)
    parts = tuple(range(len(return_types.FIELDS[name])))
    made = kind(parts)
    assert [getattr(made, field) for field in return_types.FIELDS[name]] == list(parts)
    for again in (pickle.loads(pickle.dumps(made)), copy.copy(made), copy.deepcopy(made)):
        assert type(again) is kind
        assert again == made
    with pytest.raises(TypeError, match="takes a"):
        kind((*parts, 0))
    assert name in dir(return_types)


def test_unknown_type() -> None:
    with pytest.raises(AttributeError, match="no type 'nothing'"):
        return_types.nothing  # noqa: B018


def test_matches_in_a_match_statement() -> None:
    match torch.tensor([2, 1]).sort():
        case torch.return_types.sort(values, indices):
            assert values.tolist() == [1, 2]
            assert indices.tolist() == [1, 0]
        case _:
            raise AssertionError("a sort is a sort")
