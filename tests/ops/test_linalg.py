"""Matrix products, products with something added, einsum: what holds without PyTorch to compare with."""

from __future__ import annotations

import sys
import warnings
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.ops.linear import linear

RNG = np.random.default_rng(0)


def floats(*shape: int) -> Any:
    return torch.from_numpy(RNG.standard_normal(shape).astype(np.float32))


def close(tensor: Any, array: Any) -> bool:
    return bool(np.allclose(tensor.detach().numpy(), array, rtol=1e-5, atol=1e-5))


# --- layouts and dtypes -----------------------------------------------------------------------------------------------

LAYOUTS = {
    "contiguous": np.ascontiguousarray,
    "transposed": lambda a: np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2),
    "every second column": lambda a: np.repeat(a, 2, -1)[..., ::2],
    "backwards": lambda a: np.ascontiguousarray(a[..., ::-1])[..., ::-1],
    "repeated": lambda a: np.broadcast_to(a[..., :1, :], a.shape),
}


@pytest.mark.parametrize("left", LAYOUTS)
@pytest.mark.parametrize("right", LAYOUTS)
@pytest.mark.parametrize(
    ("shape_a", "shape_b"),
    [
        ((3, 4), (4, 5)),
        ((2, 3, 4), (2, 4, 5)),
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (3, 4, 5)),
    ],
)
def test_matmul_of_any_layout(left: str, right: str, shape_a: Any, shape_b: Any) -> None:
    a = LAYOUTS[left](RNG.standard_normal(shape_a).astype(np.float32))
    b = LAYOUTS[right](RNG.standard_normal(shape_b).astype(np.float32))
    x, y = torch.from_numpy(a.copy()), torch.from_numpy(b.copy())
    x._array, y._array = a, b  # from_numpy refuses negative strides, which views inside may have
    assert close(x @ y, np.einsum("...ij,...jk->...ik", a.astype(np.float64), b.astype(np.float64)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_is_rounded_once(dtype: Any) -> None:
    a, b, c, bias = (floats(*s).to(dtype) for s in ((8, 64), (64, 8), (8, 64), (8,)))
    wide = [t.to(torch.float32) for t in (a, b, c, bias)]
    assert torch.equal(a @ b, (wide[0] @ wide[1]).to(dtype))
    assert torch.equal(a @ b[:, 0], (wide[0] @ wide[1][:, 0]).to(dtype))
    assert torch.equal(torch.dot(a[0], a[1]), torch.dot(wide[0][0], wide[0][1]).to(dtype))
    assert torch.equal(linear(a, c, bias), linear(wide[0], wide[2], wide[3]).to(dtype))
    assert torch.equal(
        torch.addmm(bias, a, b, beta=0.5, alpha=3),
        torch.addmm(wide[3], *wide[:2], beta=0.5, alpha=3).to(dtype),
    )
    assert torch.equal(a[None].bmm(b[None]), (wide[0][None].bmm(wide[1][None])).to(dtype))


def test_integers_wrap_around() -> None:
    a = torch.full((1, 3), 200, dtype=torch.uint8)
    assert (a @ a.t()).item() == 3 * 200 * 200 % 256
    assert (a @ a.t()).dtype is torch.uint8


def test_empty_products() -> None:
    assert torch.equal(torch.ones(2, 0) @ torch.ones(0, 3), torch.zeros(2, 3))
    assert (torch.ones(0, 3) @ torch.ones(3, 0)).shape == (0, 0)
    assert torch.equal(torch.ones(4, 2, 0) @ torch.ones(0, 3), torch.zeros(4, 2, 3))
    assert linear(torch.ones(0, 3), torch.ones(4, 3), torch.ones(4)).shape == (0, 4)
    assert torch.equal(linear(torch.ones(2, 0), torch.ones(4, 0), torch.ones(4)), torch.ones(2, 4))
    assert torch.dot(torch.ones(0), torch.ones(0)).item() == 0


def test_inf_times_zero_is_silent() -> None:
    a = torch.tensor([[float("inf"), 1.0], [0.0, 1.0]])
    zero = torch.zeros(2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for result in (a @ zero, a.mm(zero), linear(a, zero), torch.addmm(zero, a, zero), a[0] @ zero[0]):
            assert result.isnan().any()


def test_beta_zero_does_not_read_the_input() -> None:
    nan = torch.full((2, 2), float("nan"))
    ones = torch.ones(2, 2)
    assert torch.equal(torch.addmm(nan, ones, ones, beta=0), 2 * ones)
    assert torch.equal(torch.addmv(nan[0], ones, ones[0], beta=0), 2 * ones[0])
    assert torch.equal(torch.baddbmm(nan[None], ones[None], ones[None], beta=0), 2 * ones[None])
    assert torch.equal(torch.addbmm(nan, ones[None], ones[None], beta=0), 2 * ones)
    assert torch.equal(torch.addr(nan, ones[0], ones[0], beta=0), ones)


# --- history ----------------------------------------------------------------------------------------------------------


def test_gradients_of_broadcast_matmul_have_the_operands_shapes() -> None:
    a, b = floats(2, 1, 3, 4).requires_grad_(), floats(5, 4, 2).requires_grad_()
    (a @ b).sum().backward()
    assert a.grad.shape == a.shape
    assert b.grad.shape == b.shape


@pytest.mark.parametrize(
    "product",
    [
        lambda x, w: x @ w.t(),
        linear,
        lambda x, w: torch.einsum("bi,oi->bo", x, w),
        lambda x, w: x @ w.mT,
    ],
)
def test_weight_gradients_are_contiguous(product: Any) -> None:
    x, w = floats(4, 3), floats(5, 3).requires_grad_()
    product(x, w).sum().backward()
    assert w.grad.is_contiguous()
    assert close(w.grad, x.numpy().sum(0)[None].repeat(5, 0))


def test_linear_names_its_neighbours_as_addmm_does() -> None:
    x, w, b = floats(4, 3).requires_grad_(), floats(5, 3).requires_grad_(), floats(5).requires_grad_()
    node = linear(x * 2, w, b).grad_fn
    assert node.name() == "AddmmBackward0"
    assert [edge[0].name() for edge in node.next_functions] == [
        "torch::autograd::AccumulateGrad",
        "MulBackward0",
        "torch::autograd::AccumulateGrad",
    ]
    assert (x @ w.t()).grad_fn.name() == "MmBackward0"


def test_a_changed_factor_is_an_error_that_names_both_lines() -> None:
    x, w = floats(4, 4).requires_grad_(), floats(4, 4).requires_grad_()
    for product in (torch.Tensor.__matmul__, torch.mm, torch.matmul, linear):
        h = x * 1
        line = sys._getframe().f_lineno + 1
        y = product(h, w)
        h.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation") as caught:
            y.sum().backward()
        assert f"line {line}" in str(caught.value)
        assert f"line {line + 1}" in str(caught.value)


def test_unused_gradients_are_not_computed() -> None:
    x, w = floats(2, 3), floats(3, 2).requires_grad_()
    y = x @ w
    x.add_(1)  # x is saved: w needs it
    with pytest.raises(RuntimeError, match="modified"):
        y.sum().backward()
    x, w = floats(2, 3), floats(3, 2).requires_grad_()
    y = x @ w
    with torch.no_grad():
        w.add_(1)  # w is not: x needs no gradient
    y.sum().backward()
    assert close(w.grad, x.numpy().sum(0)[:, None].repeat(2, 1))


def test_inplace_forms_are_differentiable() -> None:
    a, b, c = floats(2, 3).requires_grad_(), floats(3, 2).requires_grad_(), floats(2, 2).requires_grad_()
    target = c * 1
    assert target.addmm_(a, b, beta=2, alpha=3) is target
    target.sum().backward()
    assert close(c.grad, np.full((2, 2), 2))
    assert close(a.grad, 3 * b.detach().numpy().sum(1)[None].repeat(2, 0))
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        torch.ones(2).addmm_(torch.ones(2, 3), torch.ones(3, 2))


def test_out_is_written_and_returned() -> None:
    a, b = floats(2, 3), floats(3, 2)
    out = torch.empty(2, 2)
    assert torch.mm(a, b, out=out) is out
    assert torch.matmul(a, b, out=out) is out
    assert close(out, a.numpy() @ b.numpy())
    with pytest.raises(RuntimeError, match="automatic differentiation"):
        torch.mm(a.requires_grad_(), b, out=out)


# --- einsum and its relatives -----------------------------------------------------------------------------------------


def test_einsum_takes_views_where_it_can() -> None:
    a = torch.zeros(3, 3)
    torch.einsum("ii->i", a).add_(1)
    assert torch.equal(a, torch.eye(3))
    torch.einsum("ij->ji", a)[0, 1] = 5
    assert a[1, 0].item() == 5


@pytest.mark.parametrize(
    "equation",
    [
        "bqhd,bkhd->bhqk",
        "bhqk,bkhd->bqhd",
        "ij,jk,kl->il",
        "ii,ij->j",
        "abc,abd,abe->cde",
        "i,j,k->kji",
        "ab,ab->",
        "...a,ab->...b",
    ],
)
def test_einsum_agrees_with_numpy(equation: str) -> None:
    sizes = dict(zip("abcdehijklqk", (2, 3, 4, 2, 3, 2, 3, 3, 4, 2, 5, 4), strict=True))
    terms = equation.split("->", maxsplit=1)[0].split(",")
    arrays = [
        RNG.standard_normal([7] * ("..." in term) + [sizes[c] for c in term if c != "."]) for term in terms
    ]
    tensors = [torch.from_numpy(array).requires_grad_() for array in arrays]
    result = torch.einsum(equation, *tensors)
    assert close(result, np.einsum(equation, *arrays))
    result.sum().backward()
    ones = np.ones(result.shape)
    output = equation.split("->")[1]
    for i, tensor in enumerate(tensors):
        if len(set(terms[i])) == len(terms[i]) and "..." not in equation:
            others = [a for j, a in enumerate(arrays) if j != i]
            reverse = ",".join([output, *[t for j, t in enumerate(terms) if j != i]]) + "->" + terms[i]
            assert close(tensor.grad, np.einsum(reverse, ones, *others))


@pytest.mark.filterwarnings("ignore:torch.chain_matmul is deprecated")
def test_chains_multiply_in_the_cheapest_order(monkeypatch: pytest.MonkeyPatch) -> None:
    from rushlight.ops import products

    cost = 0
    multiply = products.mm

    def counting(a: Any, b: Any) -> Any:
        nonlocal cost
        cost += a.shape[0] * a.shape[1] * b.shape[1]
        return multiply(a, b)

    monkeypatch.setattr(products, "mm", counting)
    extents = (30, 35, 15, 5, 10, 20, 25)  # the textbook's example: 15,125 multiplications
    matrices = [floats(n, m) for n, m in pairwise(extents)]
    result = torch.linalg.multi_dot(matrices)
    assert cost == 15125
    assert torch.equal(torch.chain_matmul(*matrices), result)
    expected = np.linalg.multi_dot([m.numpy().astype(np.float64) for m in matrices])
    assert np.allclose(result.numpy(), expected, rtol=1e-3, atol=np.abs(expected).max() * 1e-5)
