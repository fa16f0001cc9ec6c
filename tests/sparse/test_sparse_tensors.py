"""Sparse tensors without PyTorch: what they are, products of many sizes, gradients, memory, files, compiled functions."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest

import rushlight as torch
from rushlight.autograd import gradcheck


def random_matrix(rows: int, columns: int, seed: int, dtype: type = np.float64) -> np.ndarray:
    generator = np.random.default_rng(seed)
    dense = generator.standard_normal((rows, columns)).astype(dtype)
    dense[generator.random((rows, columns)) < 0.7] = 0
    return dense


def test_a_sparse_tensor_is_a_tensor() -> None:
    s = torch.eye(2).to_sparse()
    assert type(s) is torch.Tensor and torch.is_tensor(s) and s.layout is torch.sparse_coo
    assert not torch.eye(2).is_sparse and torch.eye(2).layout is torch.strided


def test_the_package_imports_without_its_sparse_parts() -> None:
    parts = ("sparse", "ops.sparse_rules", "ops.sparse_creation", "ops.sparse_records")
    source = f"import rushlight, sys; print([n for n in {parts} if 'rushlight.' + n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr, torch.sparse_csc])
@pytest.mark.parametrize(
    "shape", [(0, 0, 0), (1, 1, 1), (5, 0, 3), (0, 4, 2), (7, 5, 0), (40, 30, 20), (3, 200, 9)]
)
def test_products(layout: torch.layout, shape: tuple[int, int, int]) -> None:
    n, m, p = shape
    a, b = random_matrix(n, m, 0), random_matrix(m, p, 1)
    s = torch.tensor(a).to_sparse(layout=layout)
    np.testing.assert_allclose((s @ torch.tensor(b)).numpy(), a @ b, atol=1e-12)
    np.testing.assert_allclose((torch.tensor(b).t() @ s.t()).numpy(), (a @ b).T, atol=1e-12)
    both = s @ torch.tensor(b).to_sparse(layout=layout)
    assert both.layout is layout
    np.testing.assert_allclose(both.to_dense().numpy(), a @ b, atol=1e-12)


def test_a_product_larger_than_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    from rushlight.ops import sparse_patterns

    a, b = random_matrix(60, 50, 0), random_matrix(50, 8, 1)
    s = torch.tensor(a).to_sparse_csr()
    for size in (1, 8, 64, 200):
        monkeypatch.setattr(sparse_patterns, "_BLOCK", size)
        np.testing.assert_allclose((s @ torch.tensor(b)).numpy(), a @ b, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "complex64", "int64"])
def test_low_precision_and_other_dtypes(dtype: str) -> None:
    kind = getattr(torch, dtype)
    a = torch.tensor(random_matrix(6, 5, 0) * 4).to(kind)
    b = torch.tensor(random_matrix(5, 4, 1) * 4).to(kind)
    s = a.to_sparse()
    wanted = (a.double() @ b.double()) if not a.is_complex() else a @ b
    got = s @ b
    assert got.dtype == kind
    tolerance = {"float16": 1e-2, "bfloat16": 5e-2}.get(dtype, 1e-4)
    torch.testing.assert_close(got.to(wanted.dtype), wanted, rtol=tolerance, atol=tolerance)
    assert s.sum().dtype == kind and (s + s).to_dense().equal(a + a)


def test_matrix_too_large_to_be_dense() -> None:
    size = 10_000_000
    i = torch.tensor([[0, 5, size - 1, 5], [3, size - 2, 0, size - 2]])
    s = torch.sparse_coo_tensor(i, torch.tensor([1.0, 2.0, 3.0, 4.0]), (size, size))
    assert (
        s.coalesce()._nnz() == 3 and s.sum().item() == 10 and (s + s).coalesce().values().sum().item() == 20
    )
    v = torch.ones(size)
    assert (s @ v)[5].item() == 6 and torch.sparse.sum(s, 0).coalesce().indices().tolist() == [
        [0, 3, size - 2]
    ]
    assert (s.t() @ v)[3].item() == 1 and torch.sparse.mm(s.coalesce(), s.t())._nnz() >= 1
    s.requires_grad_()
    torch.sparse.mm(s, v[:, None]).sum().backward()
    assert s.grad is not None and s.grad.is_sparse and s.grad._nnz() == 3


def leaf(dense: np.ndarray) -> torch.Tensor:
    return torch.tensor(dense).requires_grad_()


@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr])
def test_second_derivatives(layout: torch.layout) -> None:
    pattern = torch.tensor(random_matrix(4, 3, 3)).to_sparse()
    indices, count = pattern.indices(), pattern._nnz()
    values = leaf(np.random.default_rng(0).standard_normal(count))
    dense = leaf(np.random.default_rng(1).standard_normal((3, 2)))

    def product(v: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
        s = torch.sparse_coo_tensor(indices, v, (4, 3)).coalesce()
        s = s.to_sparse(layout=layout)
        return (torch.sparse.mm(s * s, d) ** 2).sum()

    assert gradcheck(product, (values, dense))
    from rushlight.autograd import gradgradcheck

    assert gradgradcheck(product, (values, dense))


def test_gradients_of_functions_that_pytorch_has_no_sparse_ones_of() -> None:
    dense = random_matrix(4, 3, 5)
    for function in (torch.sin, torch.tanh, torch.asinh, torch.expm1, lambda x: x**3):
        s = torch.tensor(dense).to_sparse().requires_grad_()
        function(s).to_dense().sum().backward()
        x = leaf(dense)
        function(x).sum().backward()
        assert s.grad.is_sparse
        torch.testing.assert_close(s.grad.to_dense(), x.grad * (x.detach() != 0))


def test_gradients_through_places() -> None:
    dense = random_matrix(4, 3, 6)
    weights = torch.arange(24.0, dtype=torch.float64).reshape(8, 3)
    for make in (lambda x: torch.cat([x, x * 2]), lambda x: torch.stack([x, x * 2]).to_dense().reshape(8, 3)):
        s, x = torch.tensor(dense).to_sparse().requires_grad_(), leaf(dense)
        for source in (s, x):
            made = make(source)
            (made.to_dense() * weights).sum().backward()
        torch.testing.assert_close(s.grad.to_dense(), x.grad * (x.detach() != 0))
    s = torch.tensor(dense).to_sparse().requires_grad_()
    s[1].to_dense().sum().backward()
    assert s.grad.to_dense()[1].count_nonzero() > 0 and not s.grad.to_dense()[0].any()


def test_repeated_use_adds_sparse_gradients() -> None:
    weight = torch.ones(6, 2, requires_grad=True)
    embed = torch.nn.functional.embedding
    loss = sum(embed(torch.tensor([k, 1]), weight, sparse=True).sum() for k in range(4))
    loss.backward()
    assert weight.grad.is_sparse
    assert weight.grad.to_dense()[:, 0].tolist() == [1, 5, 1, 1, 0, 0]
    weight.grad.zero_()
    assert weight.grad._nnz() == 0


def test_changes_in_place_keep_the_tensor() -> None:
    s = torch.eye(3).to_sparse()
    alias = s.detach()
    assert s.mul_(2) is s and alias.to_dense().equal(2 * torch.eye(3))
    assert s._version == 1 and alias._version == 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        x = torch.eye(3).to_sparse().requires_grad_()
        y = x * 1
        z = (y * y).to_dense().sum()
        y.mul_(2)
        z.backward()


def test_invariants() -> None:
    given = ([[0, 0]], [1.0, 2.0], (2,))
    assert torch.sparse_coo_tensor(*given, is_coalesced=True).is_coalesced()
    switch = torch.sparse.check_sparse_tensor_invariants
    assert not switch.is_enabled()
    with switch(), pytest.raises(RuntimeError, match="cannot set is_coalesced"):
        torch.sparse_coo_tensor(*given, is_coalesced=True)
    assert not switch.is_enabled()
    context = switch()
    with context, pytest.raises(RuntimeError, match="already activated"), context:
        pass

    @switch()
    def checked() -> bool:
        return switch.is_enabled()

    assert checked() and not switch.is_enabled()
    switch.enable()
    assert switch.is_enabled()
    switch.disable()


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.sparse_coo_tensor([[0, 5]], [1.0, 2.0], (2,)),
        lambda: torch.sparse_coo_tensor([[0, -1]], [1.0, 2.0], (2,)),
        lambda: torch.sparse_csr_tensor([0, 1], [3], [1.0], (1, 2)),
        lambda: torch.sparse_csr_tensor([0, 2, 1], [0], [1.0], (2, 2)),
        lambda: torch.sparse_csr_tensor([[0, 1]], [[0]], [[1.0]]),
        lambda: torch.sparse_csr_tensor(0, [0], [1.0]),
        lambda: torch.sparse_bsr_tensor([0, 1], [0], [[[1.0]]]),
        lambda: torch.eye(2).to_sparse_bsr((1, 1)),
        lambda: torch.ones(2, 2, 2).to_sparse_csr(),
        lambda: torch.eye(2).to_sparse(blocksize=(1, 1)),
    ],
)
def test_what_is_refused(call: object) -> None:
    with pytest.raises(RuntimeError):
        call()  # type: ignore[operator]


def test_files_are_checked() -> None:
    bad = torch.eye(2).to_sparse()
    bad._array.indices = bad._array.indices + 5
    file = io.BytesIO()
    torch.save(bad, file)
    file.seek(0)
    with pytest.raises(RuntimeError, match="inconsistent with indices"):
        torch.load(file)


def test_compiled_functions_compute_with_them() -> None:
    a = random_matrix(6, 5, 0, np.float32)
    s = torch.tensor(a).to_sparse_csr()

    @torch.compile
    def step(x: torch.Tensor) -> torch.Tensor:
        y = (x * 2 + 1).relu()
        return (s @ y).tanh() + 1

    for seed in range(3):
        x = torch.tensor(random_matrix(5, 4, seed, np.float32))
        wanted = ((torch.tensor(a) @ (x * 2 + 1).relu()).tanh() + 1).numpy()
        np.testing.assert_allclose(step(x).numpy(), wanted, rtol=1e-5, atol=1e-5)


def test_compiled_functions_take_and_give_them() -> None:
    s = torch.eye(3).to_sparse() * 2
    step = torch.compile(lambda s, x: ((s @ (x * 2)).relu() + 1, s * 2))
    for k in range(4):
        product, doubled = step(s * k, torch.ones(3, 1))
        assert product.tolist() == [[4.0 * k + 1]] * 3
        assert doubled.values().tolist() == [4.0 * k] * 3
    closure = torch.compile(lambda x: (x + 1, s * 2))
    for k in range(3):
        assert closure(torch.ones(1))[1].values().tolist() == [4.0 * 2**k] * 3
        s.mul_(2)
    with pytest.raises(NotImplementedError, match="without fullgraph"):
        torch.compile(lambda x: s @ x, fullgraph=True)(torch.ones(3, 1))


@pytest.mark.parametrize("fullgraph", [False, True])
def test_compiled_steps_with_sparse_embeddings(fullgraph: bool) -> None:
    def run(compiled: bool) -> list[list[float]]:
        table = torch.nn.Embedding(5, 2, sparse=True)
        table.weight.data.fill_(1)
        optimizer = torch.optim.SGD(table.parameters(), lr=0.1)

        def step(rows: torch.Tensor) -> torch.Tensor:
            optimizer.zero_grad()
            loss = (table(rows) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        if compiled:
            step = torch.compile(step, fullgraph=fullgraph)
        for _ in range(4):
            step(torch.tensor([1, 1, 3]))
        return table.weight.tolist()

    np.testing.assert_allclose(run(True), run(False), rtol=1e-6)


def test_vmap_refuses_them_clearly() -> None:
    s = torch.eye(3).to_sparse()
    with pytest.raises(NotImplementedError, match="to_dense"):
        torch.func.vmap(lambda x: s @ x)(torch.ones(2, 3))


def test_training_with_sparse_embeddings() -> None:
    torch.manual_seed(0)
    table = torch.nn.Embedding(50, 4, sparse=True)
    optimizer = torch.optim.SparseAdam(table.parameters(), lr=0.1)
    before = table.weight.detach().clone()
    words = torch.tensor([3, 7, 7, 20])
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = ((table(words) - 1) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    untouched = [i for i in range(50) if i not in (3, 7, 20)]
    assert table.weight.detach()[untouched].equal(before[untouched])
