"""``torch._foreach_*`` against PyTorch's: results, what is changed in place, gradients and errors."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight
from rushlight.ops.foreach import NAMES

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.parity

VALUES = [[0.5, 0.25], [[0.75, 0.125], [0.9, 0.1]], 0.3]
ENDS = [[1.5, 2.0], [[0.5, 3.0], [1.25, 2.5]], 0.7]


def lists(module: Any) -> tuple[list[Any], list[Any]]:
    return tuple([module.tensor(v, dtype=module.float64) for v in group] for group in (VALUES, ENDS))  # type: ignore[return-value]


def arguments(name: str, module: Any, ends: list[Any]) -> list[tuple[Any, ...]]:
    """The forms in which a function takes its operands after the first list."""
    plain = name.removeprefix("_foreach_").rstrip("_")
    number = module.tensor(2.5, dtype=module.float64)
    if plain in ("add", "div", "mul"):
        return [(2,), ([1, 2.5, 3],), (ends,), (number,)]
    if plain in ("sub", "clamp_max", "clamp_min", "maximum", "minimum", "pow"):
        return [(2,), ([1, 0.5, 3],), (ends,)]
    if plain in ("addcmul", "addcdiv"):
        one_each = module.tensor([1.0, 2.0, 3.0], dtype=module.float64)
        return [(ends, ends), (ends, ends, 0.5), (ends, ends, [1, 2, 3]), (ends, ends, one_each)]
    if plain == "lerp":
        return [(ends, 0.25), (ends, [0.1, 0.2, 0.9]), (ends, [e * 0.1 for e in ends])]
    if plain in ("norm", "powsum"):
        return [(), (1,), (3,)] + ([(float("inf"),)] if plain == "norm" else [])
    return [(ends,)] if plain == "copy" else [()]


def numbers(found: Any) -> list[Any]:
    return [each.tolist() for each in found]


def test_every_name_is_there() -> None:
    theirs = {name for name in dir(torch) if name.startswith("_foreach_")}
    assert theirs == set(NAMES)
    assert all(getattr(rushlight, name) is NAMES[name] for name in theirs)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"_foreach_mm"}))
def test_values(name: str) -> None:
    for form in range(len(arguments(name, torch, lists(torch)[1]))):
        results = []
        for module in (torch, rushlight):
            values, ends = lists(module)
            given = getattr(module, name)(values, *arguments(name, module, ends)[form])
            assert (given is values) == name.endswith("_")
            assert type(given) is (list if name.endswith("_") else tuple)
            results.append([numbers(given), numbers(values), [str(each.dtype) for each in given]])
        for expected, given in zip(*results, strict=True):
            for one, other in zip(expected, given, strict=True):
                assert one == other or torch.allclose(torch.tensor(one), torch.tensor(other), rtol=1e-13)


def test_options_products_and_a_number_to_powers() -> None:
    for module in (torch, rushlight):
        values, ends = lists(module)
        assert numbers(module._foreach_add(values, ends, alpha=2))[2] == pytest.approx(1.7)
        assert numbers(module._foreach_pow(2, values))[2] == pytest.approx(2**0.3)
        assert numbers(module._foreach_addcmul(values, ends, ends, value=2))[2] == pytest.approx(0.3 + 0.98)
        assert numbers(module._foreach_mm([module.ones(2, 2)], [module.ones(2, 1)])) == [[[2], [2]]]
        wide = module._foreach_norm([module.ones(2)], 2, module.float64)
        assert wide[0].dtype == module.float64
        module._foreach_copy_(values, [module.zeros((), dtype=module.int32)] * 3)
        assert numbers(values)[1] == [[0, 0], [0, 0]]


def test_gradients() -> None:
    for module in (torch, rushlight):
        leaf = module.tensor([1.0, 2.0], requires_grad=True)
        sum(each.sum() for each in module._foreach_mul([leaf, leaf * 2], [leaf, leaf])).backward()
        assert leaf.grad.tolist() == [6, 12]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda m, a: m._foreach_add([], 1), RuntimeError),
        (lambda m, a: m._foreach_sqrt([]), RuntimeError),
        (lambda m, a: m._foreach_add(a, a[:1]), RuntimeError),
        (lambda m, a: m._foreach_add(a, [1, 2, 3, 4]), RuntimeError),
        (lambda m, a: m._foreach_add(a, m.ones(2)), RuntimeError),
        (lambda m, a: m._foreach_add(a, 1, alpha=2), TypeError),
        (lambda m, a: m._foreach_add(1, a), TypeError),
        (lambda m, a: m._foreach_add(a, None), TypeError),
        (lambda m, a: m._foreach_sqrt(m.ones(2, 3)), TypeError),
        (lambda m, a: m._foreach_addcmul(a, a, a, [1]), RuntimeError),
        (lambda m, a: m._foreach_addcmul(a, a, a[:1]), RuntimeError),
        (lambda m, a: m._foreach_copy_(a, a[:1]), RuntimeError),
    ],
)
def test_errors(call: Any, error: type[Exception]) -> None:
    for module in (torch, rushlight):
        with pytest.raises(error):
            call(module, lists(module)[0])


def test_groups_by_device_and_dtype() -> None:
    for module in (torch, rushlight):
        if module is torch:
            from torch.utils._foreach_utils import _group_tensors_by_device_and_dtype as group
        else:
            from rushlight.utils._foreach_utils import _group_tensors_by_device_and_dtype as group
        first = [module.ones(1), module.ones(2, dtype=module.int64), module.ones(3)]
        found = group([first, [None, None, None]], with_indices=True)
        assert {str(kind): places for (_, kind), (_, places) in found.items()} == {
            "torch.float32": [0, 2],
            "torch.int64": [1],
        }
        assert [len(part) for part in found[first[0].device, module.float32][0]] == [2, 2]
