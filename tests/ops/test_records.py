"""Every differentiable record, checked from its own samples: first and second order, not contiguous, empty.

A record yields samples as ``operands`` or ``(operands, attrs)``; those of records that are reached through their public
functions only are in ``record_samples``. Floating-point operands are checked in float64 (or complex128), others are
passed on.
"""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional
from rushlight.autograd import gradcheck, gradgradcheck
from rushlight.core.tensor import Tensor
from rushlight.ops.define import PRIMITIVES
from rushlight.ops.dispatch import apply

from .record_samples import SAMPLES

# Records that samples can't stand for, and what checks them instead.
WITHOUT_SAMPLES: dict[str, str] = {
    "copy_slices": "made by changes in place: test_histories_made_by_changes_in_place",
    "overwritten": "made by changes in place: test_histories_made_by_changes_in_place",
    "normal": "draws: the gradients that PyTorch gives, zeros, are no derivatives",
    "bernoulli": "draws: the gradients that PyTorch gives, zeros, are no derivatives",
    "_standard_gamma": "draws: tests/distributions and parity/test_distributions",
    "_sample_dirichlet": "draws: tests/distributions and parity/test_distributions",
    "_standard_gamma_grad": "a derivative without one of its own: tests/runtime/test_reparameterization",
    "_dirichlet_grad": "a derivative without one of its own: tests/runtime/test_reparameterization",
    "binomial": "draws: parity/test_distributions",
    "poisson": "draws: the gradients that PyTorch gives, zeros, are no derivatives",
    "enter_batch": "gives a batch of vmap: tests/func/test_vmap.py",
    "leave_batch": "takes a batch of vmap: tests/func/test_vmap.py",
    "ctc_loss": "its gradient has no gradient, as in PyTorch: tests/nn/test_ctc.py",
}
# Records whose vjp is there to raise what PyTorch raises.
RAISING = frozenset(
    {
        "untracked_view",
        "function_view",
        "floor_divide",
        "heaviside",
        "bincount",
        "ctc_loss_backward",
        "histogramdd",
        "linalg_ldl_factor_ex",
        "linalg_ldl_solve",
        "unique",
        "unique_consecutive",
    }
)
# Records that don't check what their public functions check first, so that operands without rows mean nothing to them.
NEVER_EMPTY: dict[str, str] = {
    "linalg_matrix_exp": "without rows its operand is no square matrix",
    "linear_scan": "runs on what is left after the first step",
}

DIFFERENTIABLE = {
    name: record
    for name, record in PRIMITIVES.items()
    # Collectives need several processes: tests/distributed. Sparse records, which are there once something is sparse, take
    # no dense operands: tests/sparse.
    if record.vjp is not None
    and not name.startswith("distributed_")
    and not record.vjp.__module__.startswith("rushlight.ops.sparse")
}


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


# Floating-point operands that have no gradient, in PyTorch either: weights of losses; or whose gradient is, as in PyTorch, that
# of a whole matrix of which half is read.
CONSTANT_OPERANDS: dict[str, tuple[int, ...]] = {
    "cholesky_solve": (0,),
    "binary_cross_entropy_with_logits": (2, 3),
}


def as_operands(name, operands, layout):
    return [
        value.detach() if isinstance(value, Tensor) and i in CONSTANT_OPERANDS.get(name, ()) else value
        for i, value in enumerate([as_operand(operand, layout) for operand in operands])
    ]


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
    return array.copy(order="C")


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
    assert missing - set(WITHOUT_SAMPLES) - RAISING == set(), "give these records samples"


@pytest.mark.parametrize("name", sorted(RAISING))
def test_records_that_only_raise(name):
    node = type("Stub", (), {"attrs": {"function": "f", "output": 0}, "edges": ()})()
    with pytest.raises((RuntimeError, NotImplementedError)):
        DIFFERENTIABLE[name].vjp(torch.ones(1), node)


def test_the_lists_of_exceptions_are_up_to_date():
    for name in WITHOUT_SAMPLES:
        assert name in DIFFERENTIABLE and not samples_of(name), name
    for name in (*RAISING, *NEVER_EMPTY, *SAMPLES):
        assert name in DIFFERENTIABLE, name


@pytest.mark.parametrize("layout", [contiguous, spaced], ids=["contiguous", "spaced"])
@pytest.mark.parametrize(("name", "function", "operands"), CASES)
def test_gradients(name, function, operands, layout):
    inputs = as_operands(name, operands, layout)
    assert any(isinstance(x, Tensor) and x.requires_grad for x in inputs), "no floating-point operand"
    assert name in recorded_operations(results_of(function(*inputs)))
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs, gen_non_contig_grad_outputs=layout is spaced)


@pytest.mark.parametrize(("name", "function", "operands"), CASES)
def test_a_record_does_not_change_its_operands(name, function, operands):
    inputs = as_operands(name, operands, contiguous)
    before = [x.detach().numpy().copy() if isinstance(x, Tensor) else x for x in inputs]
    outputs = [o for o in results_of(function(*inputs)) if isinstance(o, Tensor) and o.requires_grad]
    weights = [torch.ones(o.shape, dtype=o.dtype) for o in outputs]
    torch.autograd.backward(outputs, weights)
    for x, old in zip(inputs, before, strict=True):
        if isinstance(x, Tensor):
            np.testing.assert_array_equal(x.detach().numpy(), old)
    for weight in weights:
        assert (weight == 1).all()


EMPTY_CASES = [
    pytest.param(name, function, chosen, id=f"{name}-{i}")
    for name in DIFFERENTIABLE
    if name not in NEVER_EMPTY
    for i, (function, operands) in enumerate(samples_of(name))
    if (chosen := emptied(operands)) is not None
]


def called_with_empty(function, operands):
    """The leaves and the results, or None where the operation does not take such operands."""
    inputs = [as_operand(operand, contiguous) for operand in operands]
    try:
        results = results_of(function(*inputs))
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError):
        return None
    return [x for x in inputs if isinstance(x, Tensor) and x.requires_grad], results


@pytest.mark.parametrize(
    "name", ["add", "mul", "exp", "sum", "softmax", "cat", "where", "mm", "index", "gather", "relu", "linear"]
)
def test_these_take_empty_operands(name):
    cases = [(function, emptied(operands)) for function, operands in samples_of(name)]
    if name in ("index", "gather"):
        (_, operands), nothing = cases[0], torch.zeros((0, 3), dtype=torch.int64)
        cases = [(lambda x: x[nothing] if name == "index" else x.gather(0, nothing), operands)]
    assert any(called_with_empty(function, operands) is not None for function, operands in cases)


@pytest.mark.parametrize(("name", "function", "operands"), EMPTY_CASES)
def test_empty_operands(name, function, operands):
    """Where the operation takes operands without rows, gradients have the right shapes, of first and second order."""
    called_once = called_with_empty(function, operands)
    if called_once is None:
        pytest.skip("does not take operands without rows in this form")
    leaves, results = called_once
    for output in results:
        if not isinstance(output, Tensor) or not output.requires_grad:
            continue
        weight = torch.ones(output.shape, dtype=output.dtype, requires_grad=True)
        grads = torch.autograd.grad(output, leaves, weight, create_graph=True, allow_unused=True)
        for leaf, grad in zip(leaves, grads, strict=True):
            assert grad is None or grad.shape == leaf.shape
        connected = [g for g in grads if g is not None and g.requires_grad]
        if connected:
            seconds = torch.autograd.grad(
                connected,
                [*leaves, weight],
                [torch.ones_like(g) for g in connected],
                retain_graph=True,
                allow_unused=True,
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
