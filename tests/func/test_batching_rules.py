"""Every record has a batching rule: each is run from samples and compared with a loop over the examples.

The samples are the records' own (``tests.ops``) and those of ``batching_samples``. Whatever the rules make of them may not
come down to running once for each example, but for the records that ``ops.batching.LOOPED`` declares with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from tests.ops.record_samples import SAMPLES as RECORD_SAMPLES
from tests.ops.test_records import DIFFERENTIABLE, samples_of

import rushlight as torch
from rushlight.core.tensor import Tensor
from rushlight.func import grad, vmap
from rushlight.ops import batching_core
from rushlight.ops.batching import LOOPED, RULES
from rushlight.ops.define import PRIMITIVES
from rushlight.runtime import batched, batching

from .batching_samples import SAMPLES

# Records that no batch is ever computed with, and why.
NEVER_COMPUTED: dict[str, str] = {
    "normal": "names a draw in the history; ops.random draws",
    "bernoulli": "names a draw in the history; ops.random draws",
    "poisson": "names a draw in the history; ops.random draws",
    "binomial": "names a draw in the history; ops.gamma_variates draws",
    "_standard_gamma": "names a draw in the history; ops.gamma_variates draws",
    "_sample_dirichlet": "names a draw in the history; ops.gamma_variates draws",
    "function_view": "names a view that an autograd.Function returned",
    "enter_batch": "is what makes a batch",
    "leave_batch": "is what ends a batch",
}
# Records with a rule that no sample reaches alone, and what tests it.
WITHOUT_SAMPLES: dict[str, str] = {
    "copy_slices": "changes in place: test_vmap.test_gradients_of_a_change_in_place_through_a_view",
    "overwritten": "changes in place: test_vmap.test_gradients_of_a_change_in_place_through_a_view",
    "untracked_view": "a view without a history: test_vmap.test_views_share_memory",
    "to_device": "between devices: the tests of each device",
    "nonzero": "refused: test_dynamic_shapes_are_refused",
    "unique": "refused: test_dynamic_shapes_are_refused",
    "unique_consecutive": "refused: test_dynamic_shapes_are_refused",
}
# Samples whose functions write into a tensor of their own that only some of the operands fill.
WRITES_INTO_THE_FIRST = frozenset({"index_put", "copy"})
# Their samples draw: what they do with each mode is in test_vmap and parity/test_vmap_opinfo.
DRAWS = frozenset({"dropout"})
# Records whose functions keep what backward needs by themselves: run alone they have no gradient.
KEPT_BY_HAND = frozenset({"cross_entropy_loss", "mse_loss"})
# Records of other parts that are no operations on NumPy arrays.
ELSEWHERE = ("distributed_", "sparse_", "to_sparse", "coalesce")
COUNT = 3


def computed() -> Iterator[str]:
    return (name for name in PRIMITIVES if not name.startswith(ELSEWHERE) and name not in NEVER_COMPUTED)


def cases() -> Iterator[Any]:
    for name in computed():
        found = list(SAMPLES.get(name, ()))
        if name in RECORD_SAMPLES or name in DIFFERENTIABLE:
            found += RECORD_SAMPLES.get(name) or samples_of(name)
        for i, (function, operands) in enumerate(found):
            yield pytest.param(name, function, operands, id=f"{name}-{i}")


CASES = list(cases())


def test_every_record_has_a_rule() -> None:
    missing = [name for name in computed() if name not in RULES]
    assert not missing, "give these records batching rules"
    assert not [name for name in computed() if RULES[name] is batching_core.looped and name not in LOOPED]


def test_every_rule_has_a_sample() -> None:
    sampled = {case.values[0] for case in CASES}
    assert [name for name in computed() if name not in sampled and name not in WITHOUT_SAMPLES] == []


def test_the_tables_are_up_to_date() -> None:
    for name in (*NEVER_COMPUTED, *WITHOUT_SAMPLES, *LOOPED, *SAMPLES):
        assert name in PRIMITIVES, name


@pytest.fixture
def loops(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what ran once for each example."""
    names: list[str] = []
    original = batched.each

    def each(function: Any, args: Any, kwargs: Any, written: Any = None) -> Any:
        names.append(getattr(function, "__name__", "?"))
        return original(function, args, kwargs, written)

    for module in (batched, batching, batching_core):
        monkeypatch.setattr(module, "each", each)
    return names


def another(array: Any, i: int) -> Any:
    """Example ``i``, that lies where ``array`` does: whole numbers and masks in another order, others a little smaller."""
    if array.dtype.kind in "biu":
        return np.roll(array, i, -1) if array.ndim else array
    return (array * (1 - 0.03 * i)).astype(array.dtype)


def flat(value: Any) -> list[Any]:
    return [leaf for part in value for leaf in flat(part)] if isinstance(value, list | tuple) else [value]


def as_arrays(operands: tuple[Any, ...]) -> list[Any]:
    return [
        o.detach().numpy() if isinstance(o, Tensor) else np.asarray(o) if isinstance(o, np.generic) else o
        for o in operands
    ]


def modes(name: str, arrays: list[Any]) -> list[tuple[int, ...]]:
    """Which operands are batched: all, the first alone, the others alone, each of them alone."""
    positions = [i for i, o in enumerate(arrays) if isinstance(o, np.ndarray)]
    found = [tuple(positions), (positions[0],)]
    if len(positions) > 1 and name not in WRITES_INTO_THE_FIRST:
        found += [tuple(positions[1:]), *[(p,) for p in positions[1:]]]
    return list(dict.fromkeys(found))


def stacked(arrays: list[Any], mode: tuple[int, ...], outer: int = 1) -> tuple[list[Any], tuple[Any, ...]]:
    """The operands with those of ``mode`` batched, at the front and at the end in turn, and the dimensions."""
    dims = tuple([None if i not in mode else -1 if i % 2 else 0 for i in range(len(arrays))])
    given = []
    for array, dim in zip(arrays, dims, strict=True):
        if dim is not None:
            array = np.stack([another(array, i) for i in range(COUNT * outer)], dim)
        given.append(torch.tensor(array) if isinstance(array, np.ndarray) else array)
    return given, dims


def tensors_of(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given: tuple([leaf for leaf in flat(function(*given)) if isinstance(leaf, Tensor)])


def weighted_sum(function: Callable[..., Any]) -> Callable[..., Any]:
    """One real number from all the results, to be differentiated."""

    def total(*given: Any) -> Any:
        result: Any = torch.zeros((), dtype=torch.float64)
        for output in tensors_of(function)(*given):
            if output.is_floating_point() or output.is_complex():
                weight = torch.linspace(0.3, 1.1, output.numel(), dtype=torch.float64).reshape(output.shape)
                product = output * weight
                result = result + (product.real if output.is_complex() else product).sum()
        return result

    return total


def examples(given: list[Any], dims: tuple[Any, ...], i: int) -> list[Any]:
    return [x if dim is None else x.select(dim, i) for x, dim in zip(given, dims, strict=True)]


def check(batch: Any, alone: list[Any], rtol: float = 1e-6) -> None:
    columns = zip(*[flat(one) for one in alone], strict=True)
    for result, column in zip(flat(batch), columns, strict=True):
        expected = np.stack([one.numpy() for one in column])
        assert result.shape == expected.shape
        assert result.numpy().dtype == expected.dtype
        np.testing.assert_allclose(result.numpy(), expected, rtol, 1e-9)


@pytest.mark.parametrize(("name", "function", "operands"), [c for c in CASES if c.values[0] not in DRAWS])
def test_a_batch_gives_what_a_loop_gives(name: str, function: Any, operands: Any, loops: list[str]) -> None:
    arrays = as_arrays(operands)
    run = tensors_of(function)
    rtol = 2e-3 if any(isinstance(a, np.ndarray) and a.dtype == np.float16 for a in arrays) else 1e-6
    for mode in modes(name, arrays):
        given, dims = stacked(arrays, mode)
        alone = [run(*examples(given, dims, i)) for i in range(COUNT)]
        loops.clear()
        check(vmap(run, dims)(*given), alone, rtol)
        assert set(loops) <= set(LOOPED)


@pytest.mark.parametrize(
    ("name", "function", "operands"),
    [
        case
        for case in CASES
        if case.values[0] in DIFFERENTIABLE
        and case.values[0] not in (*DRAWS, *KEPT_BY_HAND, "heaviside", *LOOPED)
    ],
)
def test_gradients_for_each_example(name: str, function: Any, operands: Any, loops: list[str]) -> None:
    arrays = as_arrays(operands)
    wanted = tuple(
        [
            i
            for i, a in enumerate(arrays)
            if isinstance(a, np.ndarray) and a.dtype in (np.float64, np.complex128)
        ]
    )
    if not wanted:
        pytest.skip("nothing to differentiate by")
    gradients = grad(weighted_sum(function), wanted)
    try:
        gradients(*[torch.tensor(a) if isinstance(a, np.ndarray) else a for a in arrays])
    except (RuntimeError, NotImplementedError):
        pytest.skip("has no derivative")
    for mode in modes(name, arrays):
        given, dims = stacked(arrays, mode)
        alone = [gradients(*examples(given, dims, i)) for i in range(COUNT)]
        loops.clear()
        check(vmap(gradients, dims)(*given), alone)
        assert set(loops) <= set(LOOPED)


@pytest.mark.parametrize(("name", "function", "operands"), [c for c in CASES if c.values[0] not in DRAWS])
def test_batches_in_batches(name: str, function: Any, operands: Any) -> None:
    arrays = as_arrays(operands)
    run = tensors_of(function)
    for mode in modes(name, arrays):
        given, dims = stacked(arrays, mode, outer=2)
        # Of six examples two batches of three; what is inside batched along the end, in turn.
        split = [
            x if dim is None else x.movedim(dim, 0).reshape(2, COUNT, *x.movedim(dim, 0).shape[1:])
            for x, dim in zip(given, dims, strict=True)
        ]
        outside = tuple([None if dim is None else 0 for dim in dims])
        result = vmap(vmap(run, outside), outside)(*split)
        alone = [run(*examples(given, dims, i)) for i in range(2 * COUNT)]
        rtol = 2e-3 if any(isinstance(a, np.ndarray) and a.dtype == np.float16 for a in arrays) else 1e-6
        check([r.reshape(2 * COUNT, *r.shape[2:]) for r in flat(result)], alone, rtol)


@pytest.mark.parametrize(("name", "function", "operands"), [c for c in CASES if c.values[0] not in DRAWS])
def test_no_randomness_in_any_mode(name: str, function: Any, operands: Any) -> None:
    arrays = as_arrays(operands)
    run = tensors_of(function)
    given, dims = stacked(arrays, modes(name, arrays)[0])
    results = [vmap(run, dims, randomness=how)(*given) for how in ("error", "different", "same")]
    for other in results[1:]:
        for a, b in zip(flat(results[0]), flat(other), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize(
    "draw", ["bernoulli", "poisson", "_standard_gamma", "_sample_dirichlet", "normal", "binomial", "dropout"]
)
def test_draws_in_each_mode(draw: str) -> None:
    def run(x: Any) -> Any:
        if draw == "normal":
            return torch.normal(x, x)
        if draw == "binomial":
            return torch.binomial(x * 0 + 9, x)
        if draw == "dropout":
            return torch.nn.functional.dropout(x, 0.5)
        return getattr(torch, draw)(x)

    x = torch.full((4, 50), 0.5)
    with pytest.raises(RuntimeError, match="randomness error mode"):
        vmap(run)(x)
    torch.manual_seed(1)
    different = vmap(run, randomness="different")(x)
    assert different.shape == x.shape
    assert not torch.equal(different[0], different[1])
    if draw == "dropout":  # its numbers do not depend on the tensor
        same = vmap(run, randomness="same")(x)
        assert torch.equal(same[0], same[1])
    else:
        with pytest.raises(RuntimeError, match="same randomness with a batched tensor"):
            vmap(run, randomness="same")(x)


@pytest.mark.parametrize(
    "refused", [torch.nonzero, torch.unique, torch.unique_consecutive, lambda x: x[x > 0.5]]
)
def test_dynamic_shapes_are_refused(refused: Any) -> None:
    with pytest.raises(RuntimeError, match="dynamic shape"):
        vmap(refused)(torch.rand(3, 4))
