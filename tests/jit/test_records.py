"""Every differentiable record's samples, forward and backward, in both modes of ``compile`` against eager mode."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
from rushlight.core.tensor import Tensor
from rushlight.jit.static_tape import ValueNeeded

from ..ops.test_records import DIFFERENTIABLE, RAISING, as_operands, contiguous, samples_of, spaced

# Operations that look at values to find out what to do, which a static graph can't.
LOOKS_AT_VALUES: dict[str, str] = {
    "linalg_eig": "its gradient raises where the values show that it is not defined",
    "masked_scatter": "raises where the mask has more places than there are values",
    "linalg_lu_factor": "its gradient permutes rows by the pivots",
}
# Compiled results are contiguous, where eager ones lie in memory as their operands do.
ASKS_FOR_LAYOUT = frozenset({"as_strided"})

CASES = [
    pytest.param(name, function, operands, id=f"{name}-{i}")
    for name in DIFFERENTIABLE
    if name not in RAISING
    for i, (function, operands) in enumerate(samples_of(name))
]


def leaves(value):
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [leaf for part in value for leaf in leaves(part)]
    return []


def run(function, operands):
    """Results and gradients, as NumPy arrays."""

    def step(*operands):
        torch.manual_seed(0)
        results = leaves(function(*operands))
        total = None
        for number, result in enumerate(results):
            if result.requires_grad and result.numel():
                part = ((result.abs() if result.is_complex() else result) * (0.5 + number)).sum()
                total = part if total is None else total + part
        if total is not None:
            total.backward()
        return [result.detach() for result in results]

    return step


def arrays(tensors):
    return [np.array(tensor.detach().numpy()) for tensor in tensors]


@pytest.mark.parametrize("layout", [contiguous, spaced])
@pytest.mark.parametrize("mode", ["recorded", "static"])
@pytest.mark.parametrize(("name", "function", "operands"), CASES)
def test_compiled_is_eager(name, function, operands, mode, layout):
    if layout is spaced and name in ASKS_FOR_LAYOUT:
        pytest.skip("reads memory that operations before it have laid out")
    eager_operands = as_operands(name, operands, layout)
    step = run(function, operands)
    expected = arrays(step(*eager_operands))
    expected_gradients = [leaf.grad for leaf in leaves(eager_operands)]
    compiled = torch.compile(step, fullgraph=mode == "static")
    for _ in range(3):  # recorded, then found again
        fresh = as_operands(name, operands, layout)
        try:
            results = arrays(compiled(*fresh))
        except ValueNeeded:
            assert mode == "static"
            assert name in LOOKS_AT_VALUES, "reads a value while it is recorded"
            return
        assert len(results) == len(expected)
        for result, wanted in zip(results, expected, strict=True):
            assert result.shape == wanted.shape
            assert result.dtype == wanted.dtype
            np.testing.assert_allclose(result, wanted, rtol=2e-12, atol=1e-12)
        for leaf, wanted in zip(leaves(fresh), expected_gradients, strict=True):
            assert (leaf.grad is None) == (wanted is None)
            if wanted is not None:
                np.testing.assert_allclose(leaf.grad.numpy(), wanted.numpy(), rtol=1e-10, atol=1e-11)
    assert mode == "recorded" or name not in LOOKS_AT_VALUES


@pytest.mark.parametrize("fullgraph", [False, True])
def test_one_hot_rows_of_a_known_number_of_classes_need_no_values(fullgraph):
    compiled = torch.compile(lambda c: torch.nn.functional.one_hot(c * 1, 5).float() * 2, fullgraph=fullgraph)
    for numbers in ([[0, 4], [2, 1]], [[3, 3], [0, 2]]):
        classes = torch.tensor(numbers)
        assert torch.equal(compiled(classes), torch.eye(5)[classes] * 2)
    for wrong in (5, -1):
        with pytest.raises((RuntimeError, IndexError)):
            compiled(torch.tensor([[wrong, 1], [0, 0]])).sum().item()


def test_a_static_graph_does_not_check_what_binary_cross_entropy_is_given():
    loss = torch.nn.functional.binary_cross_entropy
    static = torch.compile(lambda x, y: loss(x * 1, y * 1), fullgraph=True)
    for _ in range(3):
        x, y = torch.rand(5), torch.rand(5)
        assert torch.allclose(static(x, y), loss(x, y), atol=1e-6)
    for function in (loss, torch.compile(lambda x, y: loss(x * 1, y * 1))):
        with pytest.raises(RuntimeError, match="between 0 and 1"):
            function(x + 1, y).item()
