"""Eigenvalues and singular values of stacks of matrices by LAPACK (through ``numpy.linalg``), with their gradients.

Sources of the gradients: J. Townsend, "Differentiating the singular value decomposition", 2016; Z.-Q. Wan and S.-X.
Zhang, "Automatic differentiation for complex valued SVD", arXiv:1909.02659; C. Boeddeker et al., "On the computation of
complex-valued gradients with application to statistically optimum beamforming", arXiv:1701.00392 (eigenvalues).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arguments import check_flag
from ..core.dtypes import C64, C128, COMPLEXES, F32, INEXACT, LOW_PRECISION
from ..core.history import Node
from ..core.tensor import Tensor
from ..runtime.batched import whole
from .complex_numbers import conj_of, real
from .decompositions import (
    SOLVE,
    LinAlgError,
    check_matrices,
    check_square,
    identity,
    masked,
    named_result,
    svd_arrays,
    with_history,
)
from .define import Primitive
from .dispatch import apply, type_name
from .linalg import batched, check_castable, mH_of, write_castable, write_exact
from .movement import narrow, unsqueeze
from .placement import tensor_beside
from .reductions import sum as sum_of

Array = NDArray[Any]


# --- building blocks --------------------------------------------------------------------------------------------------


def check_kernel(A: Tensor, kernel: str) -> None:
    dtype = A._array.dtype
    if dtype not in INEXACT or dtype in LOW_PRECISION:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{type_name(dtype)}'")


def diagonal_part(tensor: Tensor) -> Tensor:
    """The diagonals of square matrices, as a last dimension."""
    n = tensor._array.shape[-1]
    return sum_of(masked(tensor, np.eye(n)), -1)


def as_diagonal(vector: Tensor) -> Tensor:
    """Matrices with ``vector``'s last dimension on their diagonals."""
    return masked(unsqueeze(vector, -1), np.eye(vector._array.shape[-1]))


def real_of(tensor: Tensor) -> Tensor:
    return real(tensor) if tensor._array.dtype in COMPLEXES else tensor


def _complex_dtype(x: Array) -> Any:
    return C64 if x.dtype in (F32, C64) else C128


def _imag_of_diagonal(tensor: Tensor) -> Tensor:
    """``i`` times the imaginary parts of the diagonals."""
    diagonal = diagonal_part(tensor)
    return (diagonal - conj_of(diagonal)) * 0.5  # type: ignore[no-any-return]


def _check_gauge(phase: Tensor, name: str, what: str) -> None:
    """Raise if the loss depends on the phases of ``what``, which LAPACK is free to choose."""
    array = phase._array
    tolerance = 1e-2 if array.dtype == C64 else 1e-5
    if array.size and not np.allclose(whole(array), 0, atol=tolerance):
        raise RuntimeError(
            f"{name}: The {what} in the complex case are specified up to multiplication by e^{{i phi}}. The specified loss "
            "function depends on this quantity, so it is ill-defined."
        )


# --- eigh, eig --------------------------------------------------------------------------------------------------------


def _eigh_vjp(gradients: Any, node: Node) -> Tensor:
    g_values, g_vectors = gradients
    values, vectors = with_history(node, node.unpack())
    transposed = mH_of(vectors)
    if g_vectors is None:
        return batched(vectors * unsqueeze(g_values, -2), transposed)
    projected = batched(transposed, g_vectors)
    if projected._array.dtype in COMPLEXES:
        _check_gauge(_imag_of_diagonal(projected), "linalg_eigh_backward", "eigenvectors")
    n = values._array.shape[-1]
    gaps = unsqueeze(values, -2) - unsqueeze(values, -1) + identity(n, values)
    inner = masked(projected, 1 - np.eye(n)) / gaps
    if g_values is not None:
        inner = inner + as_diagonal(g_values)
    result = batched(batched(vectors, inner), transposed)
    return (result + mH_of(result)) * 0.5  # of all gradients that fit, the Hermitian one


def eigh_arrays(a: Array, uplo: Any) -> tuple[Array, ...]:
    """``(values, vectors)``; ``LinAlgError`` for what is not finite and has none."""
    try:
        return tuple(np.linalg.eigh(a, uplo))
    except np.linalg.LinAlgError:
        raise LinAlgError(
            "linalg.eigh: The algorithm failed to converge because the input matrix is ill-conditioned or has too many "
            "repeated eigenvalues, or holds a nan."
        ) from None


EIGH = Primitive(
    "linalg_eigh",
    eigh_arrays,
    _eigh_vjp,
    saves_output=(0, 1),
    samples=lambda: [((np.array([[2.0, 1.0], [1.0, 3.0]]),), {"uplo": "L"})],
)


def _checked_uplo(A: Tensor, UPLO: str, name: str) -> dict[str, Any]:
    check_square(A, name)
    check_kernel(A, "linalg_eigh_cpu")
    if not isinstance(UPLO, str) or UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return {"uplo": UPLO.upper()}


def eigh(input: Tensor, UPLO: str = "L", *, out: Any = None) -> Any:
    """``(eigenvalues, eigenvectors)`` of Hermitian matrices, in ascending order; only one triangle is read.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.eigh(torch.tensor([[2., 0.], [0., 1.]])).eigenvalues
        tensor([1., 2.])
    """
    return named_result("linalg_eigh", apply(EIGH, (input,), _checked_uplo(input, UPLO, "linalg.eigh")), out)


def eigvalsh(input: Tensor, UPLO: str = "L", *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of Hermitian matrices, in ascending order.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.eigvalsh(torch.tensor([[2., 0.], [0., 1.]]))
        tensor([1., 2.])
    """
    result: Tensor = apply(EIGH, (input,), _checked_uplo(input, UPLO, "linalg.eigvalsh"))[0]
    return result if out is None else write_exact(out, result, "linalg_eigvalsh")


def _eig_impl(a: Array) -> tuple[Array, Array]:
    if not np.isfinite(a).all():
        raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")
    values, vectors = np.linalg.eig(a)
    dtype = _complex_dtype(a)
    return values.astype(dtype), vectors.astype(dtype)


def _eig_vjp(gradients: Any, node: Node) -> Tensor:
    g_values, g_vectors = gradients
    values, vectors = with_history(node, node.unpack())
    transposed = mH_of(vectors)
    if g_vectors is None:
        scaled = unsqueeze(g_values, -1) * transposed
    else:
        projected = batched(transposed, g_vectors)
        _check_gauge(_imag_of_diagonal(projected), "linalg_eig_backward", "eigenvectors")
        n = values._array.shape[-1]
        gram = batched(transposed, vectors)
        inner = projected - gram * unsqueeze(real_of(diagonal_part(projected)), -2)
        gaps = unsqueeze(values, -2) - unsqueeze(values, -1) + identity(n, values)
        inner = masked(inner, 1 - np.eye(n)) / conj_of(gaps)
        if g_values is not None:
            inner = inner + as_diagonal(g_values)
        scaled = batched(inner, transposed)
    return apply(SOLVE, (transposed, scaled))  # type: ignore[no-any-return]


EIG = Primitive(
    "linalg_eig",
    _eig_impl,
    _eig_vjp,
    saves_output=(0, 1),
    samples=lambda: [(np.array([[2.0, 1.0], [1.5, 3.0]]),)],
)


def eig(input: Tensor, *, out: Any = None) -> Any:
    """``(eigenvalues, eigenvectors)`` of square matrices, complex, in no order.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.eig(torch.tensor([[0., 1.], [-1., 0.]])).eigenvalues
        tensor([0.+1.j, 0.-1.j])
    """
    check_square(input, "linalg.eig")
    check_kernel(input, "linalg_eig_cpu")
    results = apply(EIG, (input,))
    if isinstance(out, tuple | list):
        for given, result, noun in zip(out, results, ("eigenvalues", "eigenvectors"), strict=False):
            check_castable(given, result, "torch.linalg.eig", noun)
    return named_result("linalg_eig", results, out)


def eigvals(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of square matrices, complex, in no order.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.eigvals(torch.eye(2)).dtype
        torch.complex64
    """
    check_square(input, "linalg.eigvals")
    check_kernel(input, "linalg_eig_cpu")
    result: Tensor = apply(EIG, (input,))[0]
    return result if out is None else write_castable(out, result, "torch.linalg.eigvals", "eigenvalues")


# --- svd --------------------------------------------------------------------------------------------------------------


def _svd_vjp(gradients: Any, node: Node) -> Tensor:
    g_u, g_s, g_vh = gradients
    u, s, vh = with_history(node, node.unpack())
    rows, columns = u._array.shape[-2], vh._array.shape[-1]
    is_complex = u._array.dtype in COMPLEXES
    k = min(rows, columns)
    # The further columns of a full U and V are any basis of what is left: nothing can depend on them.
    u, vh = narrow(u, -1, 0, k), narrow(vh, -2, 0, k)
    g_u = None if g_u is None else narrow(g_u, -1, 0, k)
    g_vh = None if g_vh is None else narrow(g_vh, -2, 0, k)
    if g_u is None and g_vh is None:
        return batched(u * unsqueeze(g_s, -2), vh)
    wide_s, tall_s = unsqueeze(s, -2), unsqueeze(s, -1)
    # S_j^2 - S_i^2, without the cancellation of the squares; 1 on the diagonal, which the masks below leave out.
    gaps = (wide_s - tall_s) * (wide_s + tall_s) + identity(k, s)
    outside = 1 - np.eye(k)
    inner: Any = 0
    phase: Any = 0
    if g_u is not None:
        projected = batched(mH_of(u), g_u)
        skew = projected - mH_of(projected)
        phase = phase + diagonal_part(skew) * 0.5
        inner = inner + masked(skew, outside) / gaps * wide_s
    if g_vh is not None:
        projected_v = batched(vh, mH_of(g_vh))
        skew_v = projected_v - mH_of(projected_v)
        phase_v = diagonal_part(skew_v) * 0.5
        if is_complex:
            _check_gauge(phase + phase_v, "svd_backward", "singular vectors")
        inner = inner + tall_s * (masked(skew_v, outside) / gaps)
    elif is_complex:
        _check_gauge(phase, "svd_backward", "singular vectors")
    if g_s is not None:
        inner = inner + as_diagonal(g_s)
    if g_u is not None and is_complex:
        inner = inner + as_diagonal(phase / s)
    if rows > k and g_u is not None:
        left = batched(u, inner) + (g_u - batched(u, batched(mH_of(u), g_u))) / wide_s
        result = batched(left, vh)
    else:
        result = batched(batched(u, inner), vh)
    if columns > k and g_vh is not None:
        rest = (g_vh - batched(batched(g_vh, mH_of(vh)), vh)) / tall_s
        result = result + batched(u, rest)
    return result


SVD = Primitive(
    "linalg_svd",
    svd_arrays,
    _svd_vjp,
    saves_output=(0, 1, 2),
    samples=lambda: [((np.arange(6.0).reshape(3, 2) + np.eye(3, 2),), {"full_matrices": False})],
)


def _check_svd(A: Any) -> None:
    check_matrices(A, "linalg.svd")
    check_kernel(A, "linalg_svd_cpu")


def _svd(A: Tensor, full_matrices: bool) -> tuple[Tensor, Tensor, Tensor]:
    _check_svd(A)
    u, s, vh = apply(SVD, (A,), {"full_matrices": full_matrices})
    return u, s, vh


def linalg_svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None, out: Any = None) -> Any:
    """``A = U diag(S) Vh`` with singular values in descending order, as ``(U, S, Vh)``.

    ``full_matrices``: ``U`` and ``Vh`` are square; else they have ``min(m, n)`` columns and rows.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.svd(torch.tensor([[3., 0.], [0., 4.]])).S
        tensor([4., 3.])
    """
    check_flag("linalg_svd", "full_matrices", full_matrices)
    if driver is not None:
        raise RuntimeError("torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs.")
    return named_result("linalg_svd", _svd(A, full_matrices), out)


def svdvals(A: Tensor, *, driver: str | None = None, out: Tensor | None = None) -> Tensor:
    """The singular values, in descending order.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.svdvals(torch.tensor([[3., 0.], [0., 4.]]))
        tensor([4., 3.])
    """
    result = _svd(A, False)[1]
    return result if out is None else write_exact(out, result, "linalg_svdvals")


def svd(input: Tensor, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> Any:
    """The older form of ``linalg.svd``: ``(U, S, V)`` with ``input = U diag(S) V^H``; ``some`` for the reduced one.

    Example:
        >>> import rushlight as torch
        >>> torch.svd(torch.eye(3, 2)).V.shape
        torch.Size([2, 2])
    """
    check_flag("svd", "some", some)
    check_flag("svd", "compute_uv", compute_uv)
    if not compute_uv:
        values = _svd(input, False)[1]
        *batch, rows, columns = input._array.shape
        zeros = [tensor_beside(input, np.zeros((*batch, n, n), input._array.dtype)) for n in (rows, columns)]
        return named_result("svd", (zeros[0], values, zeros[1]), out)
    u, s, vh = _svd(input, not some)
    return named_result("svd", (u, s, mH_of(vh)), out)


METHODS: dict[str, Any] = {"svd": svd}
