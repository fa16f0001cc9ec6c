"""Products and softmax of sparse tensors under ``torch.sparse``: their gradients have the places of the sparse operand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arguments import check_tensor
from ..core.dtypes import INEXACT, dtype as Dtype
from ..core.history import Node, known_as
from ..core.shapes import wrap_dim
from ..core.sparse_arrays import COO, CSR, CompressedArray, CooArray, unsupported
from ..core.tensor import Tensor, make_tensor
from .complex_numbers import conj_of
from .creation import zeros
from .define import Primitive
from .dispatch import attach, not_implemented, write_out
from .index_tensors import read_at
from .indexing import index_add
from .linalg import mm
from .movement import cast, expand, t, unsqueeze
from .pointwise import add, div, mul, sub
from .powers import exp, log
from .reductions import sum_dims
from .scattering import scatter_reduce
from .sparse_patterns import flat_places
from .sparse_records import coalesce, convert, is_sparse, rebuilt, sorted_once, values_of
from .sparse_rules import product, sparse_product

Array = NDArray[Any]
Number = bool | int | float | complex


def _rows(source: Tensor, numbers: Array) -> Tensor:
    return read_at(source, (make_tensor(numbers),), (0,))


# --- a sparse matrix times a dense one --------------------------------------------------------------------------------


def _times_dense_vjp(g: Tensor, node: Node) -> Any:
    values, dense = node.unpack()
    pattern = node.attrs["pattern"]
    grad_values = grad_dense = None
    if node.edges[0] is not None:
        rows, columns = pattern.coordinates()
        grad_values = sum_dims(mul(_rows(g, rows), conj_of(_rows(dense, columns))), (1,), False)
    if node.edges[1] is not None:
        grad_dense = _times_dense(conj_of(values), g, pattern.T)
    return grad_values, grad_dense


TIMES_DENSE = Primitive(
    "sparse_times_dense",
    lambda values, dense, pattern: product(pattern.with_values(values), dense),
    _times_dense_vjp,
    saves=((0, (1,)), (1, (0,))),
    grad_name="SparseAddmmBackward0",
)


def _times_dense(values: Tensor, dense: Tensor, pattern: Any) -> Tensor:
    attrs = {"pattern": pattern}
    result = product(pattern.with_values(values._array), dense._array)
    return attach(TIMES_DENSE, (values, dense), attrs, result)  # type: ignore[no-any-return]


def _check_matrices(name: str, mat1: Tensor, mat2: Tensor) -> None:
    for position, operand in enumerate((mat1, mat2), 1):
        if not isinstance(operand, Tensor):
            raise TypeError(
                f"{name}(): argument 'mat{position}' must be Tensor, not {type(operand).__name__}"
            )
    x, y = mat1._array, mat2._array
    if x.ndim != 2 or y.ndim != 2:
        raise IndexError(
            f"{name}: Dimension out of range: expected two matrices, got tensors of {x.ndim} and {y.ndim} dimensions"
        )
    if x.shape[1] != y.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({x.shape[0]}x{x.shape[1]} and {y.shape[0]}x{y.shape[1]})"
        )
    if x.dtype != y.dtype:
        raise RuntimeError(
            f"{name}: expected both to have the same dtype, but got {mat1.dtype} and {mat2.dtype}"
        )


def sparse_mm(mat1: Tensor, mat2: Tensor, reduce: str | None = None) -> Tensor:
    """The product of two matrices: sparse if both are. The gradient of a sparse operand has that operand's places.

    ``reduce`` ("sum", "mean", "amax", "amin") says what becomes of the products in place of their sum, for a CSR ``mat1``.
    Raises ``RuntimeError`` where shapes or dtypes do not go together.

    Example:
        >>> import rushlight as torch
        >>> torch.sparse.mm(torch.eye(2).to_sparse(), torch.ones(2, 1))
        tensor([[1.],
                [1.]])
    """
    _check_matrices("sparse.mm", mat1, mat2)
    if reduce is not None:
        return known_as(_reduced(mat1, mat2, reduce), "SparseMmReduceImplBackward0")
    if is_sparse(mat1) and is_sparse(mat2):
        return sparse_product(mat1, mat2)
    if is_sparse(mat1):
        source = sorted_once(mat1)
        return _times_dense(values_of(source), mat2, _matrix(source))
    if is_sparse(mat2):
        source = sorted_once(mat2)
        return t(_times_dense(values_of(source), t(mat1), _matrix(source).T))
    return mm(mat1, mat2)


def _matrix(source: Tensor) -> Any:
    array = source._array
    if array.dense_dim or array.sparse_dim != 2:
        raise unsupported("a matrix product with dense dimensions", array.layout)
    return array


def _reduced(mat1: Tensor, mat2: Tensor, reduce: str) -> Tensor:
    if not is_sparse(mat1) or mat1._array.layout != CSR or is_sparse(mat2):
        raise RuntimeError("sparse.mm with reduce: expected a CSR matrix and a dense one")
    reduce = {"max": "amax", "min": "amin"}.get(reduce, reduce)
    if reduce not in ("sum", "mean", "amax", "amin"):
        raise RuntimeError(f"sparse.mm: reduce argument must be one of sum, mean, amax, amin, got {reduce!r}")
    if mat1._array.dtype not in INEXACT or mat1._array.dtype.kind == "c":
        raise not_implemented("spmm_reduce", mat1._array.dtype)
    pattern = mat1._array
    if reduce == "sum":
        return _times_dense(values_of(mat1), mat2, pattern)
    rows, columns = pattern.coordinates()
    if reduce == "mean":
        counts = np.maximum(np.bincount(rows, minlength=pattern.shape[0]), 1)
        total = _times_dense(values_of(mat1), mat2, pattern)
        return div(total, make_tensor(counts[:, None].astype(pattern.dtype)))
    parts = mul(unsqueeze(values_of(mat1), 1), _rows(mat2, columns))
    index = expand(make_tensor(rows[:, None]), parts._array.shape)
    start = zeros((pattern.shape[0], mat2._array.shape[1]), dtype=mat2.dtype)
    return scatter_reduce(start, 0, index, parts, reduce, include_self=False)


def sparse_addmm(mat: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """``beta * mat + alpha * (mat1 @ mat2)`` for a sparse ``mat1``, whose gradient has its places.

    Example:
        >>> import rushlight as torch
        >>> torch.sparse.addmm(torch.ones(1, 1), torch.tensor([[2.0]]).to_sparse(), torch.ones(1, 1))
        tensor([[3.]])
    """
    result = sparse_mm(mat1, mat2)
    if alpha != 1:
        result = mul(result, alpha)
    return add(mat if beta == 1 else mul(mat, beta), result)  # type: ignore[no-any-return]


def sampled_addmm(
    input: Tensor,
    mat1: Tensor,
    mat2: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)`` at the places of the CSR matrix ``input`` alone.

    Example:
        >>> import rushlight as torch
        >>> torch.sparse.sampled_addmm(torch.eye(2).to_sparse_csr(), torch.ones(2, 3), torch.ones(3, 2)).values()
        tensor([4., 4.])
    """
    for argument, given in (("input", input), ("mat1", mat1), ("mat2", mat2)):
        check_tensor("sampled_addmm", argument, given)
    if not is_sparse(input) or input._array.layout != CSR:
        raise RuntimeError(
            f"sampled_addmm: Expected self to be Sparse CSR tensor but got layout {input.layout}"
        )
    for name, matrix in (("mat1", mat1), ("mat2", mat2)):
        if is_sparse(matrix):
            raise RuntimeError(
                f"sampled_addmm: Expected {name} to be strided tensor but got layout {matrix.layout}"
            )
        if matrix._array.ndim < 2:
            raise RuntimeError(
                f"sampled_addmm: Expected {name} to be a matrix, got {matrix._array.ndim}-D tensor"
            )
        if matrix._array.dtype != input._array.dtype:
            raise RuntimeError(
                f"sampled_addmm: Expected {name} and self to have the same dtype, but got {matrix.dtype} and {input.dtype}"
            )
    x, y, pattern = mat1._array, mat2._array, input._array
    if x.ndim != 2 or y.ndim != 2:
        raise NotImplementedError("sampled_addmm: batches of matrices; call it for one matrix at a time")
    if x.shape[1] != y.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({x.shape[0]}x{x.shape[1]} and {y.shape[0]}x{y.shape[1]})"
        )
    if pattern.shape != (x.shape[0], y.shape[1]):
        raise RuntimeError(
            f"sampled_addmm: self has size {list(pattern.shape)}, and mat1 @ mat2 {[x.shape[0], y.shape[1]]}"
        )
    if pattern.dtype not in INEXACT:
        raise not_implemented("sampled_addmm", pattern.dtype)
    rows, columns = pattern.coordinates()
    sampled = sum_dims(mul(_rows(mat1, rows), _rows(t(mat2), columns)), (1,), False)
    if alpha != 1:
        sampled = mul(sampled, alpha)
    own = values_of(input)
    result = rebuilt(add(own if beta == 1 else mul(own, beta), sampled), pattern)
    if out is None:
        return result
    if not is_sparse(out) or out._array.layout != CSR:
        raise RuntimeError("sampled_addmm: Expected result to have sparse csr layout")
    return write_out(out, result, "sampled_addmm")


def smm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of a sparse matrix and a dense one, as a COO tensor.

    Example:
        >>> import rushlight as torch
        >>> torch.smm(torch.eye(2).to_sparse(), torch.ones(2, 2)).layout
        torch.sparse_coo
    """
    return sspaddmm(make_tensor(_empty(input, mat2)), input, mat2, beta=0)


def _empty(input: Tensor, mat: Tensor) -> Any:
    _check_matrices("sspaddmm", input, mat)
    shape = (input._array.shape[0], mat._array.shape[1])
    return CooArray(np.zeros((2, 0), np.int64), np.zeros(0, input._array.dtype), shape, True)


def sspaddmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)`` as a COO tensor, for sparse ``input`` and ``mat1``.

    Example:
        >>> import rushlight as torch
        >>> eye = torch.eye(2).to_sparse()
        >>> torch.sspaddmm(eye, eye, torch.ones(2, 2)).to_dense()
        tensor([[2., 1.],
                [1., 2.]])
    """
    for name, matrix in (("input", input), ("mat1", mat1)):
        if not is_sparse(matrix):
            raise RuntimeError(f"sspaddmm: Argument '{name}' must be a sparse tensor, got {matrix.layout}")
    dense = sparse_mm(mat1, mat2)
    filled = np.unique(convert(mat1, COO)._array.indices[0])  # rows without elements stay without them
    shape = dense._array.shape
    columns = np.tile(np.arange(shape[1]), len(filled))
    rows = np.repeat(filled, shape[1])
    values = read_at(dense, (make_tensor(rows), make_tensor(columns)), (0, 1))
    if alpha != 1:
        values = mul(values, alpha)
    result = rebuilt(values, CooArray(np.stack([rows, columns]), values._array, shape, True))
    if beta == 0 or not input._array.nnz:
        return result
    return add(input if beta == 1 else mul(input, beta), result)  # type: ignore[no-any-return]


def hspmm(mat1: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of a sparse matrix and a dense one as a hybrid tensor: its rows that are not empty.

    Example:
        >>> import rushlight as torch
        >>> torch.hspmm(torch.tensor([[0.0], [1.0]]).to_sparse(), torch.ones(1, 2)).indices()
        tensor([[1]])
    """
    if not is_sparse(mat1):
        raise RuntimeError(f"hspmm: Argument 'mat1' must be a sparse tensor, got {mat1.layout}")
    dense = sparse_mm(mat1, mat2)
    filled = np.unique(convert(mat1, COO)._array.indices[0])
    values = _rows(dense, filled)
    result = rebuilt(values, CooArray(filled[None], values._array, dense._array.shape, True))
    return result if out is None else write_out(out, result, "hspmm")


# --- softmax ----------------------------------------------------------------------------------------------------------


def sparse_softmax(input: Tensor, dim: int, *, dtype: Dtype | None = None) -> Tensor:
    """The softmax along ``dim`` over the elements that are listed; the others count as minus infinity.

    Example:
        >>> import rushlight as torch
        >>> torch.sparse.softmax(torch.eye(2).to_sparse(), 1).values()
        tensor([1., 1.])
    """
    return _softmax(input, dim, dtype, "softmax")


def sparse_log_softmax(input: Tensor, dim: int, *, dtype: Dtype | None = None) -> Tensor:
    """The logarithm of ``torch.sparse.softmax``, at the elements that are listed.

    Example:
        >>> import rushlight as torch
        >>> torch.sparse.log_softmax(torch.eye(2).to_sparse(), 1).values()
        tensor([0., 0.])
    """
    return _softmax(input, dim, dtype, "log_softmax")


def _softmax(input: Tensor, dim: int, dtype: Dtype | None, name: str) -> Tensor:
    if not is_sparse(input):
        raise NotImplementedError(f"sparse.{name}: expected a sparse tensor; torch.{name} takes dense ones")
    if isinstance(input._array, CompressedArray):
        raise unsupported(f"sparse.{name}", input._array.layout)
    if dtype is not None:
        input = cast(input, dtype.numpy)
    if input._array.dtype not in INEXACT:
        raise not_implemented(name, input._array.dtype)
    source = coalesce(input)
    pattern = source._array
    dim = wrap_dim(dim, pattern.ndim)
    values = values_of(source)
    if dim >= pattern.sparse_dim:
        from .activations import log_softmax, softmax

        function = softmax if name == "softmax" else log_softmax
        return rebuilt(function(values, dim - pattern.sparse_dim + 1), pattern)
    if not pattern.nnz:
        return rebuilt(values, pattern)
    # Elements of one line along ``dim`` have the same other coordinates.
    others = [at for at in range(pattern.sparse_dim) if at != dim]
    line = flat_places(pattern.indices[others], tuple([pattern.shape[at] for at in others]))
    numbers, groups = np.unique(line, return_inverse=True)
    rest = values._array.shape[1:]
    index = expand(make_tensor(groups.reshape((-1, *(1,) * len(rest)))), values._array.shape)
    start = zeros((len(numbers), *rest), dtype=values.dtype)
    largest = scatter_reduce(start, 0, index, values.detach(), "amax", include_self=False)
    shifted = sub(values, _rows(largest, groups))
    powers = exp(shifted)
    totals = _rows(index_add(start, 0, make_tensor(groups), powers), groups)
    return rebuilt(div(powers, totals) if name == "softmax" else sub(shifted, log(totals)), pattern)
