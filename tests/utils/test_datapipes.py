"""Pipes of data: each step gives what PyTorch's gives."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import rushlight
from rushlight.utils.data import DataLoader
from rushlight.utils.data.datapipes import iter as own_iter, map as own_map

Make = Callable[[Any, Any], Any]


def several(pipe: Any, count: int) -> list[Any]:
    elements = iter(pipe)
    return [next(elements) for _ in range(count)]


CASES: dict[str, Make] = {
    "map": lambda i, m: i.IterableWrapper([1, 2]).map(lambda x: x * 2),
    "map column": lambda i, m: i.IterableWrapper([(1, 2)]).map(lambda x: -x, input_col=1),
    "map columns": lambda i, m: i.IterableWrapper([(1, 2, 3)]).map(lambda a, b: a + b, input_col=[0, 2]),
    "map to the end": lambda i, m: i.IterableWrapper([(1, 2)]).map(lambda x: -x, input_col=0, output_col=-1),
    "map key": lambda i, m: i.IterableWrapper([{"a": 1}]).map(lambda x: -x, input_col="a", output_col="b"),
    "filter": lambda i, m: i.IterableWrapper(range(5)).filter(lambda x: x > 2),
    "filter refused": lambda i, m: i.IterableWrapper([1]).filter(lambda x: 3),
    "batch": lambda i, m: i.IterableWrapper(range(5)).batch(2),
    "batch whole": lambda i, m: i.IterableWrapper(range(5)).batch(2, drop_last=True),
    "batch none": lambda i, m: i.IterableWrapper(range(5)).batch(0),
    "unbatch": lambda i, m: i.IterableWrapper([[1], [2, 3]]).unbatch(),
    "unbatch all": lambda i, m: i.IterableWrapper([[[1]], [[2], [3]]]).unbatch(-1),
    "unbatch too deep": lambda i, m: i.IterableWrapper([1]).unbatch(),
    "shuffle": lambda i, m: i.IterableWrapper(range(9)).shuffle().set_seed(3),
    "shuffle a little": lambda i, m: i.IterableWrapper(range(9)).shuffle(buffer_size=3).set_seed(0),
    "shuffle not": lambda i, m: i.IterableWrapper(range(4)).shuffle().set_shuffle(False),
    "zip": lambda i, m: i.IterableWrapper([1, 2]).zip(i.IterableWrapper("ab")),
    "zip refused": lambda i, m: i.IterableWrapper([1]).zip([2]),
    "concat": lambda i, m: i.IterableWrapper([1]).concat(i.IterableWrapper([2, 3])),
    "mux": lambda i, m: i.IterableWrapper([1, 2]).mux(i.IterableWrapper([3, 4, 5])),
    "groupby": lambda i, m: i.IterableWrapper(range(7)).groupby(lambda x: x % 2, group_size=2),
    "collate": lambda i, m: i.IterableWrapper([[1, 2]]).collate(collate_fn=sum),
    "sharding": lambda i, m: i.IterableWrapper(range(5)).sharding_filter(),
    "fork": lambda i, m: zip(*i.IterableWrapper(range(4)).fork(2), strict=True),
    "demux": lambda i, m: i.IterableWrapper(range(6)).demux(2, lambda x: x % 2)[1],
    "demux refused": lambda i, m: i.IterableWrapper([1]).demux(2, lambda x: 5)[0],
    "fork as far ahead as allowed": lambda i, m: several(
        i.IterableWrapper(range(9)).fork(3, buffer_size=4)[0], 4
    ),
    "fork too far ahead": lambda i, m: several(i.IterableWrapper(range(9)).fork(3, buffer_size=4)[0], 5),
    "fork without a limit": lambda i, m: i.IterableWrapper(range(9)).fork(2, buffer_size=-1)[0],
    "fork copied how": lambda i, m: i.IterableWrapper([1]).fork(2, copy="whole"),
    "demux as many waiting as allowed": lambda i, m: several(
        i.IterableWrapper([1, 2, 2, 0]).demux(3, lambda x: x, buffer_size=3)[0], 1
    ),
    "demux too many waiting": lambda i, m: several(
        i.IterableWrapper([1, 2, 2, 0]).demux(3, lambda x: x, buffer_size=2)[0], 1
    ),
    "no such step": lambda i, m: i.IterableWrapper([1]).no_such_step(),
    "sequence map": lambda i, m: m.SequenceWrapper([1, 2]).map(lambda x: x + 1),
    "sequence batch": lambda i, m: m.SequenceWrapper(range(5)).batch(2),
    "sequence zip": lambda i, m: m.SequenceWrapper([1, 2]).zip(m.SequenceWrapper("ab")),
    "sequence concat": lambda i, m: m.SequenceWrapper([1]).concat(m.SequenceWrapper([2, 3])),
    "sequence shuffle": lambda i, m: m.SequenceWrapper(range(5)).shuffle().set_seed(1),
    "sequence names": lambda i, m: (
        m.SequenceWrapper({"a": 1, "b": 2}).shuffle(indices=["a", "b"]).set_seed(0)
    ),
}


def outcome(make: Make, *modules: Any) -> Any:
    with warnings.catch_warnings(action="ignore"):
        try:
            pipe = make(*modules)
            return list(pipe)
        except Exception as error:
            return type(error)


@pytest.mark.parametrize("name", CASES)
def test_a_step_gives_what_pytorchs_gives(name: str) -> None:
    pytest.importorskip("torch")
    from torch.utils.data.datapipes import iter as their_iter, map as their_map

    assert outcome(CASES[name], own_iter, own_map) == outcome(CASES[name], their_iter, their_map)


@pytest.mark.parametrize(
    ("copy", "same"), [(None, [True, True]), ("shallow", [False, True]), ("deep", [False, False])]
)
def test_branches_may_have_copies(copy: str | None, same: list[bool]) -> None:
    inner = [1]
    source = [inner]
    for (given,) in own_iter.IterableWrapper([source], deepcopy=False).fork(2, copy=copy):
        assert [given is source, given[0] is inner] == same


def test_lengths_and_loading() -> None:
    pipe = own_iter.IterableWrapper(range(7)).shuffle().batch(2)
    assert len(pipe) == 4 and repr(pipe) == "BatcherIterDataPipe"
    plain = DataLoader(own_iter.IterableWrapper(range(6)).shuffle(), batch_size=3, shuffle=False)
    assert [batch.tolist() for batch in plain] == [[0, 1, 2], [3, 4, 5]]
    rushlight.manual_seed(0)
    first = [
        int(x)
        for x in DataLoader(own_iter.IterableWrapper(range(20)).shuffle(), batch_size=None, shuffle=True)
    ]
    assert sorted(first) == list(range(20)) and first != list(range(20))
    with pytest.raises(TypeError, match="has no len"):
        len(own_iter.IterableWrapper(iter([1])))


def test_workers_share_what_is_sharded() -> None:
    pipe = own_iter.IterableWrapper(range(8)).sharding_filter()
    loaded = [int(x) for x in DataLoader(pipe, batch_size=None, num_workers=2)]
    assert sorted(loaded) == list(range(8))
    part = own_iter.IterableWrapper(range(5)).sharding_filter()
    part.apply_sharding(2, 1)
    assert list(part) == [1, 3] and len(part) == 2
    with pytest.raises(ValueError):
        part.apply_sharding(2, 2)


def test_own_steps_and_pickling() -> None:
    from rushlight.utils.data import IterDataPipe, functional_datapipe

    @functional_datapipe("only_here_twice")
    class Twice(IterDataPipe):
        def __init__(self, source: Any) -> None:
            self.source = source

        def __iter__(self) -> Any:
            for x in self.source:
                yield x
                yield x

    try:
        assert list(own_iter.IterableWrapper([1, 2]).only_here_twice()) == [1, 1, 2, 2]
        with pytest.raises(Exception, match="already taken"):
            functional_datapipe("only_here_twice")(Twice)
    finally:
        del IterDataPipe.functions["only_here_twice"]
    with pytest.raises(TypeError):
        functional_datapipe("x")(int)
    copied = pickle.loads(pickle.dumps(own_iter.IterableWrapper([1, 2]).batch(2)))
    assert list(copied) == [[1, 2]]
    assert own_iter.combinatorics.ShufflerIterDataPipe is own_iter.Shuffler
