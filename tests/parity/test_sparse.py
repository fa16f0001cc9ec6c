"""Sparse tensors side by side with PyTorch: values, layouts, gradients, errors, texts, files."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import rushlight

from . import opinfo

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore:Sparse (CSR|CSC) tensor support")]


def names(m: Any) -> dict[str, Any]:
    """What the expressions below speak of, in the library ``m``."""
    kind = {"dtype": m.float64}
    i = m.tensor([[0, 1, 1, 2], [2, 0, 2, 1]])
    s = m.sparse_coo_tensor(i, m.tensor([3.0, 4.0, -5.0, 0.5], **kind), (3, 3))
    doubled = m.tensor([[0, 1, 0, 1], [2, 0, 2, 2]])
    return {
        "m": m,
        "F": m.nn.functional,
        "s": s,
        "k": s.coalesce(),
        "u": m.sparse_coo_tensor(doubled, m.tensor([3.0, 4.0, 5.0, 1.0], **kind), (2, 3)),
        "h": m.sparse_coo_tensor(m.tensor([[0, 2, 0]]), m.arange(6.0, **kind).reshape(3, 2) - 2, (3, 2)),
        "c": s.to_sparse_csr(),
        "n": m.sparse_coo_tensor(m.tensor([[0, 2]]), m.tensor([3, -4]), (3,)),
        "b": m.sparse_coo_tensor(m.tensor([[0, 2]]), m.tensor([True, False]), (3,)),
        "z": m.sparse_coo_tensor((2, 3), **kind),
        "d": m.arange(9.0, **kind).reshape(3, 3) / 4 - 1,
        "w": m.arange(6.0, **kind).reshape(3, 2) / 4 - 1,
        "v": m.arange(3.0, **kind) - 1,
        "i": i,
    }


VALUES = """
s | k | u | h | c | n | b | z | u.coalesce() | h.coalesce() | s.to_dense() | u.to_dense() | h.to_dense()
c.to_dense() | z.to_dense() | z.coalesce() | b.to_dense() | k.indices() | k.values() | s._indices() | s._values()
u._nnz() | u.coalesce()._nnz() | s.is_coalesced() | k.is_coalesced() | h.sparse_dim() | h.dense_dim()
d.sparse_dim() | d.dense_dim() | c.sparse_dim() | s._dimI() | h._dimV() | c.crow_indices() | c.col_indices()
c.values() | c.to_sparse_csc() | c.to_sparse_csc().ccol_indices() | c.to_sparse() | c.to_sparse_csc().row_indices()
c.to_sparse_csc().to_sparse_csr() | c.to_sparse_csc().to_sparse() | u.to_sparse_csr() | s.layout is m.sparse_coo
c.layout is m.sparse_csr | d.layout is m.strided | s.is_sparse | c.is_sparse | c.is_sparse_csr | s.numel() | len(s)
s.size() | s.shape | s.dim() | s.dtype | s.is_leaf | s.requires_grad | s.type() | s.stride() | m.is_tensor(s)
s.is_contiguous() | s.element_size() | s.device.type | d.to_sparse() | d.to_sparse(1) | d.to_sparse(2)
d.to_sparse_csr() | d.to_sparse(layout=m.sparse_csr) | d.to_sparse_csc() | d.to_sparse(layout=m.strided)
m.tensor(3.0).to_sparse() | m.tensor(0.0).to_sparse() | m.zeros(0, 3).to_sparse() | s.to_sparse()
m.zeros(2, 3, layout=m.sparse_coo) | m.zeros(2, 3, layout=m.sparse_csr) | m.zeros_like(s) | m.zeros_like(c)
m.empty_like(h) | s * 2 | 2 * s | s / 2 | n / 2 | n * 2.5 | s * m.tensor(2.0) | -s | s + s | u + u | k + k | s - k
s + s * 2 | m.add(k, k, alpha=3) | m.sub(d, s, alpha=2) | d + s | d - s | d + k | d + c | c + d | c + c | c * 2
c * c | s * s | u * u | h * h | s * d | d * s | s * v | k * z.to_dense().sum(0) | n + n | n * n | h + h | b * b
s.sin() | s.tan() | s.asin() | s.atan() | s.sinh() | s.tanh() | s.asinh() | s.expm1() | s.abs() | s.sgn() | s.sign()
s.ceil() | s.floor() | s.trunc() | s.round() | s.relu() | F.relu(s) | s.neg() | s.erf() | (s * 0.1).erfinv()
s.abs().sqrt() | s.abs().log1p() | s.deg2rad() | s.rad2deg() | u.sin() | u.abs() | h.sin() | c.sin() | c.relu()
c.abs() | c.neg() | n.sin() | n.abs() | s.pow(2) | s ** 2 | s ** 3 | s.square() | m.isnan(s) | s.frac()
s.positive() | s.conj() | c.sgn() | s.sum() | u.sum() | h.sum() | c.sum() | n.sum() | b.sum() | s.sum(0) | s.sum(1)
s.sum(-1) | s.sum((0, 1)) | h.sum(0) | h.sum(1) | s.sum(0, keepdim=True) | c.sum(0, keepdim=True)
c.sum(1, keepdim=True) | m.sparse.sum(s) | m.sparse.sum(s, 0) | m.sparse.sum(h, 1) | m.sparse.sum(h, 0)
m.sparse.sum(h, (0, 1)) | m.sparse.sum(u, [0]) | m.sparse.sum(n, 0) | m.sparse.sum(s, dtype=m.float32) | s.norm()
u.norm() | s.any() | s @ d | s @ w | s @ v | d @ s | u @ d | u.mv(v) | s.mv(v) | m.mm(s, w) | m.mm(d, s) | s @ s
s @ s.t() | m.sparse.mm(s, w) | m.sparse.mm(d, s) | m.sparse.mm(u, s) | m.sparse.mm(s, s) | c @ w | c @ v | d @ c
m.sparse.mm(c, w) | m.sparse.mm(d, c) | m.sparse.mm(d, d) | m.sparse.mm(z, d) | (c @ c).to_dense() | m.matmul(s, d)
m.matmul(s, v) | m.addmm(d, s, d) | m.addmm(d, s, d, beta=2, alpha=3) | m.sparse.addmm(d, s, d, beta=2, alpha=3)
d.addmm(s, d) | F.linear(d, s) | m.smm(s, w) | m.hspmm(s, w) | m.sspaddmm(s, s, d).to_dense()
m.sspaddmm(s, s, d, beta=2, alpha=3).to_dense() | m.sparse.mm(c, w, "sum") | m.sparse.mm(c, w, "mean")
m.sparse.mm(c, w, "amax") | m.sparse.mm(c, w, "amin") | m.sparse.sampled_addmm(c, d, d)
m.sparse.sampled_addmm(c, d, d, beta=2, alpha=3) | m.sparse.softmax(s, 0) | m.sparse.softmax(s, 1)
m.sparse.log_softmax(s, 0) | m.sparse.log_softmax(s, -1) | m.sparse.softmax(h, 1) | m.sparse.softmax(u, 1)
m.sparse.softmax(u, 1, dtype=m.float32) | m.sparse.softmax(h, 0) | m.sparse.log_softmax(h, 0)
m.sparse.spdiags(d, m.tensor([0, -1, 2]), (3, 4)) | m.sparse.spdiags(v, m.tensor([1]), (4, 4))
m.sparse.spdiags(d, m.tensor([0, -1, 2]), (3, 4), layout=m.sparse_csr) | s.t() | s.T | s.transpose(0, 1) | u.t()
s.permute(1, 0) | h.transpose(0, 0) | c.t() | c.transpose(0, 1) | s.transpose(-1, -2) | s[0] | s[1] | s[-1]
s[1, 2] | s[:, 2] | h[0] | h[2, 1] | h[:, 1] | u[0] | u[0, 2] | s.select(1, 2) | c[1] | c[1, 2] | list(s)
s.unsqueeze(0) | s.unsqueeze(1) | s.unsqueeze(-1) | h.unsqueeze(0) | s.unsqueeze(0).sum(0) | m.cat([s, s])
m.cat([s, k], 1) | m.cat([h, h], 1) | m.stack([s, s]) | m.cat([n, n]) | m.stack([u, u], 1)
s.index_select(0, m.tensor([2, 0])) | s.index_select(1, m.tensor([2, 2, 1])) | h.index_select(1, m.tensor([1]))
s.clone() | s.detach() | s.double() | s.float() | s.to(m.float16) | s.to(m.int64) | n.to(m.float32) | c.float()
s.half() | s.cpu() | d.sparse_mask(s) | d.sparse_mask(k) | d.sparse_mask(c) | k.sparse_mask(s)
s.sparse_mask(k * 2) | w.sparse_mask(h) | s.clone().zero_() | s.clone().mul_(2) | s.clone().div_(2)
s.clone().add_(s) | s.clone().sub_(k) | s.clone().neg_() | d.clone().add_(s) | s.clone().copy_(k)
c.clone().mul_(2) | s.clone().add_(s, alpha=2) | d.clone().sub_(s, alpha=2) | c.clone().zero_()
s.clone().sparse_resize_((4, 5), 2, 0) | s.clone().sparse_resize_and_clear_((2, 3, 2), 1, 2)
z.clone().sparse_resize_((2, 2, 2), 2, 1) | m.sparse_coo_tensor([[0, 1]], [1.5, 2.5])
m.sparse_coo_tensor([[0, 1]], m.ones(2, 3)) | m.sparse_coo_tensor([[]], [])
m.sparse_coo_tensor([[0, 1], [1, 0]], [1, 2], dtype=m.float64) | m.sparse_coo_tensor([[0, 1]], [1j, 2], (4,))
m.sparse_coo_tensor((2, 2)) | m.sparse_coo_tensor(size=(2,))
m.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (3,), is_coalesced=True)
m.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (3,), requires_grad=True)
m.sparse_coo_tensor(m.zeros(0, 2, dtype=m.int64), m.ones(2))
m.sparse_csr_tensor([0, 1, 3], [2, 0, 2], [3.0, 4.0, 5.0])
m.sparse_csc_tensor([0, 1, 3], [2, 0, 2], [3.0, 4.0, 5.0])
m.sparse_csr_tensor([0, 1, 3], [2, 0, 2], [3.0, 4.0, 5.0], (2, 4), requires_grad=True)
m.sparse_csr_tensor([0, 0], [], [], (1, 2)) | m.sparse_compressed_tensor([0, 1], [0], [2.0], layout=m.sparse_csc)
m.sparse_csr_tensor(m.tensor([0, 1]).int(), m.tensor([0]).int(), [2.0])
m.sparse.check_sparse_tensor_invariants.is_enabled() | m.zeros(3, 0).to_sparse() | m.zeros(0, 2).to_sparse_csr()
m.eye(2).to_dense() | s.is_floating_point() | n.is_complex() | m.result_type(n, 1.5) | m.numel(s) | m.is_complex(s)
""".replace("\n", "|")

ERRORS = """
s + 1 | 1 + s | s - 1 | s + d | s - d | s / s | d / s | 1 / s | s.exp() | s.cos() | m.cos(s) | c.exp() | s == s
s == 0 | s > -1 | s.reshape(9) | s.view(9) | s.flatten() | s.expand(2, 3, 3) | s.repeat(2, 2) | s.numpy()
s.tolist() | s.item() | bool(s) | s.max() | s.fill_(1) | m.ones_like(s) | s.storage() | s.untyped_storage()
s.data_ptr() | np.asarray(s) | m.softmax(s, 1) | m.log_softmax(s, 1) | s.clamp(0) | m.where(d > 0, s, s)
m.equal(s, s) | s.nonzero() | s.argmax() | s.sort() | s.cumsum(0) | s.prod() | s.min() | s.std() | s[d > 0]
s.masked_fill(d > 0, 1) | m.bmm(s, s) | m.dot(n, n) | s.tril() | m.cat([s, d]) | s.indices() | s.values()
u.indices() | d.indices() | d.values() | d.coalesce() | d.is_coalesced() | d._nnz() | d._indices()
d.crow_indices() | s.crow_indices() | c.indices() | c.ccol_indices() | c.coalesce() | c.is_coalesced() | d._values()
m.mm(s, w.t()) | m.sparse.mm(s, w.t()) | m.sparse.mm(s, v) | m.sparse.mm(v, s) | s @ w.t() | m.mv(s, w[:2, 0])
m.mm(s, s[0]) | s @ w.float() | m.sparse.softmax(d, 0) | m.sparse.softmax(s, 5) | m.sparse.sum(d)
m.sparse.sum(s, 5) | s.sum(5) | m.sparse.mm(c, w, "prod") | m.sparse.sampled_addmm(s, d, d)
m.sparse.sampled_addmm(c, d, w) | m.sparse.sampled_addmm(c, s, d) | d.sparse_mask(d) | w.sparse_mask(s)
d.to_sparse(3) | d.to_sparse(0) | v.to_sparse_csr() | s.to_sparse(1) | s.copy_(d) | s.clone().add_(d) | s[3]
s[0, 5] | s.select(0, 7) | s.transpose(0, 5) | h.transpose(0, 1) | s.permute(0, 0) | s.permute(0) | s[0][0][0]
m.sparse_coo_tensor([[0, 1]], [1.0, 2.0, 3.0]) | m.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (2, 2))
m.sparse_coo_tensor([[0, -1]], [1.0, 2.0]) | m.sparse_coo_tensor([[0, 1]], m.ones(2, 3), (2, 4))
m.sparse_coo_tensor("a", 1) | m.sparse_coo_tensor([[0, 1]], [1, 2], requires_grad=True)
m.sparse_coo_tensor([[0, 1]], [1, 2], (-2,))
m.sparse_coo_tensor([[0, 0]], [1, 2], (2,), is_coalesced=True, check_invariants=True)
m.sparse_coo_tensor([[0, 5]], [1, 2], (2,), check_invariants=True)
m.sparse_coo_tensor([[0, -1]], [1, 2], (2,), check_invariants=True)
m.sparse_csr_tensor([0, 1, 3], [2, 0], [1.0, 2.0], (2, 3), check_invariants=True)
m.sparse_csr_tensor([1, 1, 3], [2, 0, 1], [1.0, 2.0, 3.0], (2, 3), check_invariants=True)
m.sparse_csr_tensor([0, 1, 3], [2, 0, 5], [1.0, 2.0, 3.0], (2, 3), check_invariants=True)
m.sparse_csr_tensor([0, 1, 3], [2, 2, 0], [1.0, 2.0, 3.0], (2, 3), check_invariants=True)
m.sparse_csr_tensor([0, 3, 1], [2, 0, 1], [1.0, 2.0, 3.0], (2, 3), check_invariants=True)
m.sparse_csr_tensor([0, 1, 3], [2, 0, 2], [1.0, 2.0, 3.0], (3, 3), check_invariants=True)
m.sparse.spdiags(d, m.tensor([0, 1]), (3, 3)) | m.sparse.spdiags(d, m.tensor([0, 0, 1]), (3, 3))
m.sparse.spdiags(d, m.tensor([0, 1, 2]), (3,)) | s.sparse_resize_((2, 2), 2, 0) | s.sparse_resize_((3, 3), 1, 0)
s.sparse_resize_((3, 3, 3), 2, 1) | s.requires_grad_().add_(s) | n.requires_grad_()
copy.deepcopy(s.requires_grad_() * 2) | s.log() | s.acos() | F.gelu(s) | F.silu(c) | m.linalg.inv(s)
m.linalg.svd(s) | s.unique()
""".replace("\n", "|")


def expressions(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split("|") if part.strip()))


def evaluated(m: Any, expression: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(expression, {**names(m), "np": np, "copy": copy})


# PyTorch lists one place several times in these.
LISTED_OTHERWISE = ("u * u", "h * h")


@pytest.mark.parametrize("expression", expressions(VALUES))
def test_value(expression: str) -> None:
    expected, actual = evaluated(torch, expression), evaluated(rushlight, expression)
    if expression in LISTED_OTHERWISE:
        assert str(actual.layout) == str(expected.layout)
        actual, expected = actual.to_dense(), expected.to_dense()
    wrong = opinfo.difference(actual, expected, (1e-10, 1e-10))
    assert wrong is None, wrong
    if isinstance(expected, torch.Tensor):
        assert actual.requires_grad == expected.requires_grad
        if expected.layout is torch.sparse_coo:
            assert (actual.sparse_dim(), actual.dense_dim()) == (expected.sparse_dim(), expected.dense_dim())


@pytest.mark.parametrize("expression", expressions(ERRORS))
def test_error(expression: str) -> None:
    with pytest.raises(Exception) as expected:
        evaluated(torch, expression)
    kind = expected.type
    if kind is RuntimeError or kind is NotImplementedError:
        kind = RuntimeError  # which NotImplementedError is
    with pytest.raises(kind):
        evaluated(rushlight, expression)


PRINTED = (
    "s", "k", "u", "h", "c", "n", "b", "z", "c.to_sparse_csc()", "s.float()", "s.requires_grad_()",
    "c.float().requires_grad_()",
    "s.requires_grad_() * 2", "m.nn.Parameter(s)", "[s]", "{'a': c}", "m.zeros(0, 3).to_sparse()", "z.to_sparse_csr()",
    "m.arange(3000.0).reshape(60, 50).to_sparse()", "m.arange(3000.0).reshape(60, 50).to_sparse_csr()", "h.to(m.complex64)",
    "m.arange(12).reshape(3, 4).to_sparse_csr().int()", "(m.arange(20.0) / 7).reshape(4, 5).to_sparse_csr().requires_grad_()",
    "m.arange(3000.0).reshape(60, 25, 2).to_sparse(2)",
)  # fmt: skip


@pytest.mark.parametrize("expression", PRINTED)
def test_text(expression: str) -> None:
    assert repr(evaluated(rushlight, expression)) == repr(evaluated(torch, expression))


# --- gradients ------------------------------------------------------------------------------------------------------

GRADIENTS = """
s.to_dense() | u.to_dense() | h.to_dense() | c.to_dense() | s.coalesce().values() | u.coalesce().values()
s.t().to_dense() | (s * 2).to_dense() | (s / 2).to_dense() | (s + s).to_dense() | (s - 3 * s).to_dense()
(-s).to_dense() | (s * s).to_dense() | (s * d).to_dense() | (s ** 2).to_dense() | s.relu().to_dense()
s.abs().to_dense() | s.clone().to_dense() | s.double().to_dense() | s.sum() | m.sparse.sum(s)
m.sparse.sum(s, 0).to_dense() | m.sparse.sum(h, 1).to_dense() | m.sparse.sum(h, 0) | d + s | d - s | s @ w | s @ v
d @ s | m.sparse.mm(s, w) | m.sparse.mm(u, w) | m.sparse.mm(d, s) | m.sparse.addmm(d, s, d, beta=2, alpha=3)
m.sparse.mm(s, s).to_dense() | m.sparse.mm(s, u.t()).to_dense() | m.sparse.softmax(s, 1).to_dense()
m.sparse.log_softmax(s, 0).to_dense() | m.sparse.softmax(h, 1).to_dense() | s.to_sparse_csr().to_dense()
c.to_sparse().to_dense() | c @ w | m.sparse.mm(c, w) | m.sparse.sampled_addmm(c, d, d).to_dense() | m.addmm(d, s, d)
(u * 3).to_dense() | (u + u).to_dense() | d.sparse_mask(s).to_dense() | s.sparse_mask(s.detach()).to_dense()
m.sparse.mm(s.to_dense().to_sparse(), w) | (s.coalesce() * 2).to_dense() | m.sparse.mm(d.to_sparse(), w)
""".replace("\n", "|")
LEAVES = ("s", "u", "h", "c", "d", "w", "v")


def gradients(m: Any, expression: str) -> dict[str, Any]:
    known = names(m)
    leaves = {name: known[name].detach().requires_grad_() for name in LEAVES}
    result = eval(expression, {**known, **leaves})
    weights = m.arange(float(result.numel()), dtype=m.float64).reshape(result.shape) + 1
    (result * weights).sum().backward()
    return {name: leaf.grad for name, leaf in leaves.items()}


@pytest.mark.parametrize("expression", expressions(GRADIENTS))
def test_gradient(expression: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, actual = gradients(torch, expression), gradients(rushlight, expression)
    for name in LEAVES:
        if expected[name] is None:
            assert actual[name] is None, name
            continue
        assert actual[name] is not None, name
        assert str(actual[name].layout) == str(expected[name].layout), name
        dense = expected[name].to_dense()
        wrong = opinfo.difference(actual[name].to_dense(), dense, (1e-10, 1e-10))
        assert wrong is None, f"{name}: {wrong}"


def test_gradients_reach_the_values() -> None:
    def grads(m: Any) -> list[Any]:
        values = m.tensor([3.0, 4.0, 5.0], dtype=m.float64, requires_grad=True)
        dense = m.arange(6.0, dtype=m.float64).reshape(3, 2).requires_grad_()
        coo = m.sparse_coo_tensor(m.tensor([[0, 1, 0], [2, 0, 2]]), values, (2, 3))
        csr = m.sparse_csr_tensor([0, 1, 3], [2, 0, 2], values, (2, 3))
        loss = (m.sparse.mm(coo, dense) ** 2).sum() + (csr @ dense).sum() + coo.coalesce().values().prod()
        loss.backward()
        assert coo.grad_fn is not None and csr.grad_fn is not None
        return [values.grad, dense.grad]

    for own, theirs in zip(grads(rushlight), grads(torch), strict=True):
        assert opinfo.difference(own, theirs, (1e-10, 1e-10)) is None


def test_dense_and_sparse_gradients_add_up() -> None:
    def grads(m: Any) -> list[Any]:
        found = []
        for order in ((0, 1), (1, 0), (0, 0, 1, 0)):
            weight = m.ones(4, 2, requires_grad=True)
            embed = m.nn.functional.embedding
            losses = [
                lambda: embed(m.tensor([1, 1, 3]), weight, sparse=True).sum(),
                lambda: (weight * 2).sum(),
            ]
            for which in order:
                losses[which]().backward()
            found.append(weight.grad)
            weight.grad = None
            sum(losses[which]() for which in order).backward()
            found.append(weight.grad)
        return found

    for own, theirs in zip(grads(rushlight), grads(torch), strict=True):
        assert str(own.layout) == str(theirs.layout)
        assert opinfo.difference(own.to_dense(), theirs.to_dense()) is None


# --- embeddings and optimizers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"padding_idx": 1}, {"max_norm": 0.5}])
def test_embedding(options: dict[str, Any]) -> None:
    def run(m: Any) -> list[Any]:
        weight = (m.arange(10.0).reshape(5, 2) / 10).requires_grad_()
        layer = m.nn.Embedding(5, 2, sparse=True, **options)
        layer.weight.data = weight.detach().clone()
        grads = []
        for rows in ([[1, 1], [3, 0]], [[2, 1], [1, 1]]):
            (layer(m.tensor(rows)) * m.tensor([1.0, 2.0])).sum().backward()
            grads.append(layer.weight.grad.to_dense().tolist())  # how often a row is listed is not specified
            grads.append(layer.weight.grad.is_sparse)
        layer.zero_grad(set_to_none=False)
        return [*grads, repr(layer.weight.grad)]

    assert run(rushlight) == run(torch)


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_embedding_bag(mode: str) -> None:
    def run(m: Any) -> Any:
        layer = m.nn.EmbeddingBag(5, 2, sparse=True, mode=mode)
        layer.weight.data = m.arange(10.0).reshape(5, 2)
        layer(m.tensor([1, 1, 3, 0]), m.tensor([0, 3])).sum().backward()
        return layer.weight.grad

    own, theirs = run(rushlight), run(torch)
    assert own.is_sparse and opinfo.difference(own.to_dense(), theirs.to_dense()) is None


OPTIMIZERS = {
    "SGD": {"lr": 0.1},
    "SGD momentum": {"lr": 0.1, "momentum": 0.9},
    "SGD nesterov": {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    "SGD maximize": {"lr": 0.1, "maximize": True},
    "Adagrad": {"lr": 0.1, "lr_decay": 0.01},
    "SparseAdam": {"lr": 0.1},
    "SparseAdam maximize": {"lr": 0.1, "betas": (0.8, 0.9), "maximize": True},
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(name: str) -> None:
    def weights(m: Any) -> Any:
        weight = (m.arange(12.0, dtype=m.float64).reshape(6, 2) / 10).requires_grad_()
        optimizer = getattr(m.optim, name.split(maxsplit=1)[0])([weight], **OPTIMIZERS[name])
        seen = []
        for rows in ([1, 1, 3], [0, 3], [5, 5, 5], [1]):
            optimizer.zero_grad()
            (m.nn.functional.embedding(m.tensor(rows), weight, sparse=True) ** 2).sum().backward()
            optimizer.step()
            seen.append(weight.detach().clone())
        assert optimizer.state_dict()["param_groups"]
        return seen

    for own, theirs in zip(weights(rushlight), weights(torch), strict=True):
        assert opinfo.difference(own, theirs, (1e-12, 1e-12)) is None


DENSE_ONLY = (
    "Adam",
    "AdamW",
    "NAdam",
    "RAdam",
    "Adamax",
    "RMSprop",
    "Rprop",
    "Adadelta",
    "ASGD",
    "Adafactor",
    "Muon",
)


@pytest.mark.parametrize("name", DENSE_ONLY)
def test_optimizer_refuses(name: str) -> None:
    messages = []
    for m in (torch, rushlight):
        weight = m.ones(4, 2, requires_grad=True)
        optimizer = getattr(m.optim, name)([weight])
        m.nn.functional.embedding(m.tensor([1]), weight, sparse=True).sum().backward()
        with pytest.raises(RuntimeError, match="sparse gradients") as error:
            optimizer.step()
        messages.append(str(error.value))
    assert messages[0] == messages[1]


# --- files ----------------------------------------------------------------------------------------------------------

SAVED = ("s", "k", "u", "h", "c", "n", "b", "z", "c.to_sparse_csc()", "m.nn.Parameter(s)", "[s, c, s]")


def file_of(m: Any, value: Any, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    m.save({"x": value}, file, **options)
    file.seek(0)
    return file


@pytest.mark.parametrize("expression", SAVED)
def test_files_of_either_are_read_by_the_other(expression: str) -> None:
    theirs, own = evaluated(torch, expression), evaluated(rushlight, expression)
    text = repr(theirs)
    assert repr(rushlight.load(file_of(torch, theirs))["x"]) == text
    assert repr(rushlight.load(file_of(torch, theirs, _use_new_zipfile_serialization=False))["x"]) == text
    assert repr(torch.load(file_of(rushlight, own), weights_only=True)["x"]) == text
    assert repr(rushlight.load(file_of(rushlight, own))["x"]) == text
    assert repr(pickle.loads(pickle.dumps(own))) == text
    assert repr(copy.deepcopy(own)) == text


# --- PyTorch's own sparse samples -----------------------------------------------------------------------------------

OF_VALUES = (
    "abs", "asin", "asinh", "atan", "ceil", "conj_physical", "deg2rad", "erf", "expm1", "floor", "frac",
    "neg", "nn.functional.relu", "rad2deg", "round", "sgn", "sign", "sin", "sinh", "tan", "tanh", "trunc", "sqrt", "log1p",
)  # fmt: skip
LAYOUTS = ("sparse_coo", "sparse_csr", "sparse_csc")


@pytest.mark.parametrize("name", OF_VALUES)
def test_functions_of_values(name: str) -> None:
    """PyTorch's dense samples of two dimensions, with zeros in them, in every layout."""
    (operator, *_) = opinfo.database()[name]
    function = opinfo.resolve(name)
    tried = 0
    for dtype in ("float32", "int64", "complex64"):
        if getattr(torch, dtype) not in operator.supported_dtypes("cpu"):
            continue
        for sample in operator.sample_inputs_func(operator, "cpu", getattr(torch, dtype), False):
            if sample.input.dim() != 2 or not sample.input.numel() or sample.args or sample.kwargs:
                continue
            dense = sample.input.clone()
            dense[::2, 1::2] = 0
            for layout in LAYOUTS:
                source = dense.to_sparse(layout=getattr(torch, layout))
                expected, error = opinfo.call(operator.op, (source,), {})
                actual = function(opinfo.to_rushlight(source))
                tried += 1
                if error is None:
                    wrong = opinfo.difference(actual, expected, opinfo.TOLERANCES.get(dtype))
                else:  # PyTorch has it for other layouts
                    wrong = opinfo.difference(
                        actual.to_dense(), operator.op(dense), opinfo.TOLERANCES.get(dtype)
                    )
                assert wrong is None, f"{layout} {dtype}: {wrong}"
    assert tried


@pytest.mark.parametrize("layout", LAYOUTS[:2])
@pytest.mark.parametrize("name", ["mul", "sum"])
def test_samples_of_the_database(name: str, layout: str) -> None:
    (operator, *_) = opinfo.database()[name]
    function = opinfo.resolve(name)
    tried = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples = list(operator.sample_inputs_sparse(getattr(torch, layout), "cpu", torch.float32))
        for sample in samples:
            try:
                args, kwargs = opinfo.converted(sample)
            except opinfo.NotConvertible:
                continue
            expected, error = opinfo.call(operator.op, (sample.input, *sample.args), sample.kwargs)
            actual, own_error = opinfo.call(function, args, kwargs)
            if error is not None or isinstance(own_error, NotImplementedError):
                continue
            assert own_error is None, f"{opinfo.describe(sample)}: {own_error!r}"
            tried += 1
            wrong = opinfo.difference(actual.to_dense(), expected.to_dense(), (1e-5, 1e-5))
            assert wrong is None, f"{opinfo.describe(sample)}: {wrong}"
    assert tried >= len(samples) // 3, f"{tried} of {len(samples)}"
