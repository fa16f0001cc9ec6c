"""Every differentiable record, checked from its own samples: first and second order, not contiguous, empty.

A record yields samples as ``(operands,)`` or ``(operands, attrs)``; floating-point operands are checked in float64 (or
complex128), others are passed on.
"""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional  # noqa: F401 - has records of its own
from rushlight.autograd import gradcheck, gradgradcheck
from rushlight.core.tensor import Tensor
from rushlight.ops.define import PRIMITIVES
from rushlight.ops.dispatch import apply

# Records that samples can't stand for, and what checks them instead.
WITHOUT_SAMPLES: dict[str, str] = {
    "copy_slices": "takes views of its operand; made by changes in place: test_histories_made_by_changes_in_place",
    "overwritten": "has no value of its own; made by changes in place: test_histories_made_by_changes_in_place",
    "untracked_view": "only ever raises",
    "function_view": "only ever raises",
}
# Records whose gradient does not follow their values, or not with respect to every operand.
NOT_CHECKED: dict[str, str] = {}
ONLY_FIRST_ORDER: dict[str, str] = {}

DIFFERENTIABLE = {name: record for name, record in PRIMITIVES.items() if record.vjp is not None}


def samples_of(record):
    if record.samples is None:
        return []
    found = []
    for sample in record.samples():
        if len(sample) == 2 and isinstance(sample[0], tuple) and isinstance(sample[1], dict):
            found.append(sample)
        else:
            found.append((tuple(sample), {}))
    return found


def as_operand(value, layout):
    """A leaf for floating-point arrays, a tensor for other arrays, anything else as it is."""
    if isinstance(value, Tensor):
        value = value.detach().numpy()
    if isinstance(value, list | tuple):
        return type(value)(as_operand(v, layout) for v in value)
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.kind not in "fc":
        return torch.from_numpy(value.copy())
    wide = value.astype(np.complex128 if value.dtype.kind == "c" else np.float64)
    return torch.from_numpy(layout(wide)).requires_grad_()


def contiguous(array):
    return np.ascontiguousarray(array).copy()


def spaced(array):
    """The same values with every second place in memory unused, and the order of the dimensions reversed."""
    room = np.full(tuple(2 * n for n in reversed(array.shape)), np.nan, array.dtype)
    view = room[tuple(slice(None, None, 2) for _ in array.shape)].T
    view[...] = array
    return view


def emptied(operands):
    """The operands without rows: those that have as many as the first one lose them all."""
    first = next((o for o in operands if isinstance(o, np.ndarray) and o.ndim), None)
    if first is None:
        return None
    rows = first.shape[0]
    return tuple(
        o[:0] if isinstance(o, np.ndarray) and o.ndim and o.shape[0] == rows else o for o in operands
    )


def called(record, attrs):
    return lambda *operands: apply(record, operands, attrs)


CASES = [
    pytest.param(record, operands, attrs, id=f"{name}-{i}")
    for name, record in DIFFERENTIABLE.items()
    for i, (operands, attrs) in enumerate(samples_of(record))
    if name not in NOT_CHECKED
]


def test_every_differentiable_record_has_samples():
    missing = {name for name, record in DIFFERENTIABLE.items() if not samples_of(record)}
    assert missing - set(WITHOUT_SAMPLES) == set(), "give these records samples"


def test_the_lists_of_exceptions_are_up_to_date():
    for name in WITHOUT_SAMPLES:
        assert name in DIFFERENTIABLE and not samples_of(DIFFERENTIABLE[name]), name
    for name in (*NOT_CHECKED, *ONLY_FIRST_ORDER):
        assert name in DIFFERENTIABLE, name


@pytest.mark.parametrize("layout", [contiguous, spaced], ids=["contiguous", "spaced"])
@pytest.mark.parametrize(("record", "operands", "attrs"), CASES)
def test_gradients(record, operands, attrs, layout):
    inputs = [as_operand(operand, layout) for operand in operands]
    assert any(isinstance(x, Tensor) and x.requires_grad for x in inputs), "no floating-point operand"
    function = called(record, attrs)
    assert gradcheck(function, inputs)
    if record.name not in ONLY_FIRST_ORDER:
        assert gradgradcheck(function, inputs, gen_non_contig_grad_outputs=layout is spaced)


@pytest.mark.parametrize(("record", "operands", "attrs"), CASES)
def test_a_record_does_not_change_its_operands(record, operands, attrs):
    inputs = [as_operand(operand, contiguous) for operand in operands]
    before = [x.detach().numpy().copy() if isinstance(x, Tensor) else x for x in inputs]
    result = apply(record, tuple(inputs), attrs)
    outputs = [o for o in (result if isinstance(result, tuple) else (result,)) if o.requires_grad]
    weights = [torch.ones(o.shape, dtype=o.dtype) for o in outputs]
    kept = [w.numpy().copy() for w in weights]
    torch.autograd.backward(outputs, weights)
    for x, old in zip(inputs, before, strict=True):
        if isinstance(x, Tensor):
            np.testing.assert_array_equal(x.detach().numpy(), old)
    for weight, old in zip(weights, kept, strict=True):
        np.testing.assert_array_equal(weight.numpy(), old)


EMPTY_CHECKED: set[str] = set()


@pytest.mark.parametrize(("record", "operands", "attrs"), CASES)
def test_empty_operands(record, operands, attrs):
    """Where the operation takes operands without rows, its gradients are empty or zero, and have the right shapes."""
    chosen = emptied(operands)
    if chosen is None:
        pytest.skip("no operand has rows")
    inputs = [as_operand(operand, contiguous) for operand in chosen]
    try:
        result = apply(record, tuple(inputs), attrs)
    except (RuntimeError, ValueError, IndexError, TypeError) as refusal:
        pytest.skip(f"does not take empty operands in this form: {refusal}")
    EMPTY_CHECKED.add(record.name)
    for output in result if isinstance(result, tuple) else (result,):
        if output.requires_grad:
            leaves = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
            weight = torch.ones(output.shape, dtype=output.dtype)
            for leaf, grad in zip(
                leaves, torch.autograd.grad(output, leaves, weight, retain_graph=True, allow_unused=True), strict=True
            ):
                assert grad is None or grad.shape == leaf.shape


def test_histories_made_by_changes_in_place():
    def change(base, value):
        result = base * 1
        result[1:, ::2] = value
        result[0].mul_(value[0, 0])
        result.view(-1)[3:4].copy_(value[0, :1])
        result.t()[2].zero_()
        return result * result

    base = torch.arange(8.0, dtype=torch.float64).reshape(2, 4).requires_grad_()
    value = torch.tensor([[2.0, 3.0]], dtype=torch.float64, requires_grad=True)
    assert gradcheck(change, (base, value))
    assert gradgradcheck(change, (base, value))
