"""Every differentiable record, checked from its own samples: first and second order, not contiguous, empty.

A record yields samples as ``operands`` or ``(operands, attrs)``; those of records that are reached through their public
functions only are in ``record_samples``. Floating-point operands are checked in float64 (or complex128), others are
passed on.
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

from .record_samples import SAMPLES

# Records that samples can't stand for, and what checks them instead.
WITHOUT_SAMPLES: dict[str, str] = {
    "copy_slices": "made by changes in place: test_histories_made_by_changes_in_place",
    "overwritten": "made by changes in place: test_histories_made_by_changes_in_place",
    "untracked_view": "only ever raises",
    "function_view": "only ever raises",
}
# Records with a vjp for PyTorch's sake (it gives zeros, or raises) whose values have no derivative to compare with.
NOT_CHECKED: dict[str, str] = {}
ONLY_FIRST_ORDER: dict[str, str] = {}

DIFFERENTIABLE = {name: record for name, record in PRIMITIVES.items() if record.vjp is not None}


def samples_of(name):
    """``(function, operands)`` for each sample, and whether the function must be seen to record the operation."""
    if name in SAMPLES:
        return SAMPLES[name]
    record = DIFFERENTIABLE[name]
    found = []
    for sample in record.samples() if record.samples is not None else ():
        if len(sample) == 2 and isinstance(sample[0], tuple) and isinstance(sample[1], dict):
            operands, attrs = sample
        else:
            operands, attrs = tuple(sample), {}
        found.append((called(record, attrs), operands))
    return found


def called(record, attrs):
    return lambda *operands: apply(record, operands, attrs)


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
    if not array.ndim:
        return array.copy()
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


CASES = [
    pytest.param(name, function, operands, id=f"{name}-{i}")
    for name in DIFFERENTIABLE
    for i, (function, operands) in enumerate(samples_of(name))
    if name not in NOT_CHECKED
]


def recorded_operations(tensors):
    """The names of the operations in the tensors' history."""
    seen, stack = set(), [t._node for t in tensors if isinstance(t, Tensor) and t.requires_grad]
    while stack:
        node = stack.pop()
        if node is not None and node not in seen:
            seen.add(node)
            stack.extend(node.edges)
    return {node.operation.name for node in seen}


def results_of(value):
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def test_every_differentiable_record_has_samples():
    missing = {name for name in DIFFERENTIABLE if not samples_of(name)}
    assert missing - set(WITHOUT_SAMPLES) == set(), "give these records samples"


def test_the_lists_of_exceptions_are_up_to_date():
    for name in WITHOUT_SAMPLES:
        assert name in DIFFERENTIABLE and not samples_of(name), name
    for name in (*NOT_CHECKED, *ONLY_FIRST_ORDER, *SAMPLES):
        assert name in DIFFERENTIABLE, name


@pytest.mark.parametrize("layout", [contiguous, spaced], ids=["contiguous", "spaced"])
@pytest.mark.parametrize(("name", "function", "operands"), CASES)
def test_gradients(name, function, operands, layout):
    inputs = [as_operand(operand, layout) for operand in operands]
    assert any(isinstance(x, Tensor) and x.requires_grad for x in inputs), "no floating-point operand"
    assert name in recorded_operations(results_of(function(*inputs))) or name.endswith("_backward")
    assert gradcheck(function, inputs)
    if name not in ONLY_FIRST_ORDER:
        assert gradgradcheck(function, inputs, gen_non_contig_grad_outputs=layout is spaced)


@pytest.mark.parametrize(("name", "function", "operands"), CASES)
def test_a_record_does_not_change_its_operands(name, function, operands):
    inputs = [as_operand(operand, contiguous) for operand in operands]
    before = [x.detach().numpy().copy() if isinstance(x, Tensor) else x for x in inputs]
    outputs = [o for o in results_of(function(*inputs)) if isinstance(o, Tensor) and o.requires_grad]
    weights = [torch.ones(o.shape, dtype=o.dtype) for o in outputs]
    torch.autograd.backward(outputs, weights)
    for x, old in zip(inputs, before, strict=True):
        if isinstance(x, Tensor):
            np.testing.assert_array_equal(x.detach().numpy(), old)
    for weight in weights:
        assert (weight == 1).all()


# Of the operations that work on elements or rows, the tests must have found the empty form.
MUST_TAKE_EMPTY = ("add", "mul", "exp", "sum", "softmax", "cat", "where", "mm", "index", "gather", "relu", "linear")


@pytest.mark.parametrize(("name", "function", "operands"), CASES)
def test_empty_operands(name, function, operands):
    """Where the operation takes operands without rows, gradients have the right shapes, of first and second order."""
    chosen = emptied(operands)
    if chosen is None:
        pytest.skip("no operand has rows")
    inputs = [as_operand(operand, contiguous) for operand in chosen]
    try:
        result = function(*inputs)
    except (RuntimeError, ValueError, IndexError, TypeError) as refusal:
        assert name not in MUST_TAKE_EMPTY, refusal
        pytest.skip(f"does not take empty operands in this form: {refusal}")
    leaves = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
    for output in results_of(result):
        if not isinstance(output, Tensor) or not output.requires_grad:
            continue
        weight = torch.ones(output.shape, dtype=output.dtype, requires_grad=True)
        grads = torch.autograd.grad(output, leaves, weight, create_graph=True, allow_unused=True)
        for leaf, grad in zip(leaves, grads, strict=True):
            assert grad is None or grad.shape == leaf.shape
        connected = [g for g in grads if g is not None and g.requires_grad]
        if connected and name not in ONLY_FIRST_ORDER:
            seconds = torch.autograd.grad(
                connected, [*leaves, weight], [torch.ones_like(g) for g in connected], allow_unused=True
            )
            for leaf, grad in zip([*leaves, weight], seconds, strict=True):
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
