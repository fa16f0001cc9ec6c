"""``torch.utils._pytree``: containers taken apart and put together, compared with PyTorch."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from typing import Any

import pytest

import rushlight.utils._pytree as ours

theirs = pytest.importorskip("torch.utils._pytree")

Pair = namedtuple("Pair", "u v")
VALUES: list[Any] = [
    3,
    None,
    [],
    (1,),
    [1, (2, None), {"a": 3}],
    {"a": [1, (2,)], "b": OrderedDict(z=3, y=4), "c": deque([1, 2], maxlen=3)},
    {"d": defaultdict(list, {"q": 5}), "n": Pair(1, [2])},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_structures(value: Any) -> None:
    leaves, spec = ours.tree_flatten(value)
    their_leaves, their_spec = theirs.tree_flatten(value)
    assert leaves == their_leaves and repr(spec) == repr(their_spec)
    assert (spec.num_leaves, spec.num_nodes, spec.is_leaf()) == (
        their_spec.num_leaves, their_spec.num_nodes, their_spec.is_leaf(),
    )  # fmt: skip
    assert ours.tree_unflatten(leaves, spec) == value and spec == ours.tree_structure(value)
    paths = [ours.keystr(path) for path, _ in ours.tree_leaves_with_path(value)]
    assert paths == [theirs.keystr(path) for path, _ in theirs.tree_leaves_with_path(value)]
    assert ours.tree_map(lambda x: (x,), value) == theirs.tree_map(lambda x: (x,), value)


def test_several_trees_and_kinds_of_leaves() -> None:
    for tree in (ours, theirs):
        assert tree.tree_map(lambda a, b: (a, b), [1, [2]], [3, [[4]]]) == [(1, 3), [(2, [4])]]
        assert tree.tree_map_only(int, lambda x: -x, [1, 2.5, "a"]) == [-1, 2.5, "a"]
        assert tree.tree_map(lambda x: x, [(1, 2)], is_leaf=lambda x: isinstance(x, tuple)) == [(1, 2)]
        assert tree.tree_any(lambda x: x > 2, [1, [3]]) and not tree.tree_all(lambda x: x > 2, [1, [3]])
        assert tree._broadcast_to_and_flatten([1, 2], tree.tree_structure([(1, 2), [3]])) == [1, 1, 2]
        assert tree._broadcast_to_and_flatten([1], tree.tree_structure([(1, 2), [3]])) is None


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda tree: tree.tree_map(max, [1, 2], [1]), ValueError),
        (lambda tree: tree.tree_map(max, [1, 2], (1, 2)), ValueError),
        (lambda tree: tree.tree_map(max, {"a": 1}, {"b": 1}), ValueError),
        (lambda tree: tree.tree_unflatten([1], tree.tree_structure([1, 2])), ValueError),
        (lambda tree: tree.tree_unflatten([1], 3), TypeError),
        (lambda tree: tree.register_pytree_node(list, None, None), ValueError),
    ],
)
def test_errors(call: Any, error: type[Exception]) -> None:
    for tree in (ours, theirs):
        with pytest.raises(error):
            call(tree)


def test_a_registered_class() -> None:
    class Box:
        def __init__(self, inside: Any) -> None:
            self.inside = inside

    for tree in (ours, theirs):
        assert tree.tree_leaves([Box(1)]) != [1]
        tree.register_pytree_node(Box, lambda box: ([box.inside], None), lambda parts, _: Box(*parts))
        assert tree.tree_map(lambda x: x + 1, [Box([1, 2])])[0].inside == [2, 3]
