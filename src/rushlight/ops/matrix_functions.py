"""Functions of whole matrices: determinants, pseudoinverse, least squares, powers, exponential, rank, condition."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arguments import check_flag, check_tensor as check_tensor_argument
from ..core.device import on_host, placed_beside
from ..core.dtypes import COMPLEXES, F32, I64, INEXACT, LOW_PRECISION
from ..core.history import Node
from ..core.shapes import broadcast_shape, count, wrap_dim
from ..core.tensor import Tensor, make_tensor
from ..runtime.batched import Batched, whole
from .complex_numbers import conj_of
from .decompositions import (
    INV,
    SOLVE,
    check_inexact,
    check_matrices,
    check_square,
    inv,
    inv_ex,
    is_vector_case,
    named_result,
    svd_arrays,
    with_history,
)
from .define import Primitive
from .dispatch import apply, as_array, is_number, type_name, write_out
from .joining import cat
from .linalg import batched, matmul, mH_of, write_castable, write_exact
from .movement import permute, reshape, unsqueeze
from .norms import matrix_norm
from .placement import tensor_beside
from .reductions import sum as sum_of
from .spectra import check_kernel, eigh_arrays, eigvalsh, real_of, svdvals

Array = NDArray[Any]

# --- determinants -----------------------------------------------------------------------------------------------------


def _cofactors_impl(a: Array) -> Any:
    """The Hermitian transpose of the adjugate, which for any ``A``, singular ones too, is
    ``conj(det U det V^H) U diag(products of all other singular values) V^H``."""
    n = a.shape[-1]
    if n == 0:
        return a.copy()
    u, s, vh = svd_arrays(a, True)
    before = np.cumprod(np.concatenate([np.ones_like(s[..., :1]), s[..., :-1]], -1), -1)
    after = np.cumprod(np.concatenate([np.ones_like(s[..., :1]), s[..., :0:-1]], -1), -1)[..., ::-1]
    sign = np.conj(np.linalg.det(u) * np.linalg.det(vh))[..., None, None]
    return np.matmul(u * (before * after)[..., None, :], vh) * sign


def _cofactors_vjp(g: Tensor, node: Node) -> Tensor:
    a: Tensor
    cofactors: Tensor
    a, cofactors = node.unpack()
    transposed = mH_of(apply(INV, (a,)))
    along: Tensor = sum_of(conj_of(g) * transposed, (-2, -1), True)
    return along * cofactors - batched(batched(cofactors, mH_of(g)), transposed)


def _det_vjp(g: Tensor, node: Node) -> Tensor:
    (a,) = node.unpack()
    cofactors: Tensor = apply(COFACTORS, (a,))
    return unsqueeze(unsqueeze(g, -1), -1) * cofactors


def _square_samples() -> Any:
    yield (np.array([[2.0, 1.0], [0.5, 3.0]]),)
    yield (np.eye(3) * np.arange(1.0, 3.0)[:, None, None],)


COFACTORS = Primitive(
    "cofactors",
    _cofactors_impl,
    _cofactors_vjp,
    saves=((0, (0,)),),
    saves_output=True,
    samples=_square_samples,
)
DET = Primitive(
    "linalg_det",
    lambda a: np.asarray(np.linalg.det(a)),
    _det_vjp,
    saves=((0, (0,)),),
    samples=_square_samples,
)


def det(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``linalg.det``, with the parameter's older name.

    Example:
        >>> import rushlight as torch
        >>> torch.det(torch.tensor([[2., 0.], [0., 4.]]))
        tensor(8.)
    """
    return linalg_det(input, out=out)


def linalg_det(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The determinants of square matrices ``(..., n, n)``.

    The gradient is the matrix of cofactors (Jacobi's formula), which singular matrices have too.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.det(torch.tensor([[2., 0.], [0., 4.]]))
        tensor(8.)
    """
    check_square(A, "linalg.det")
    if A._array.dtype not in INEXACT:
        check_inexact(A, "linalg.det")
    check_kernel(A, "lu_cpu")
    result = apply(DET, (A,))
    return result if out is None else write_exact(out, result, "linalg_det")


def _slogdet_vjp(gradients: Any, node: Node) -> Tensor:
    g_sign, g_log = gradients
    a, saved_sign = node.unpack()
    factor: Any = g_log
    if g_sign is not None and a._array.dtype in COMPLEXES:
        (sign,) = with_history(node, (saved_sign,))
        turned = conj_of(g_sign) * sign
        imaginary = (turned - conj_of(turned)) * 0.5
        factor = -imaginary if factor is None else factor - imaginary
    if factor is None:  # the sign of a real determinant is constant where it has a derivative
        return a.new_zeros(a._array.shape)  # type: ignore[no-any-return]
    return unsqueeze(unsqueeze(factor, -1), -1) * mH_of(apply(INV, (a,)))


SLOGDET = Primitive(
    "linalg_slogdet",
    lambda a: tuple([np.asarray(part) for part in np.linalg.slogdet(a)]),
    _slogdet_vjp,
    saves=((0, (0,)),),
    saves_output=(0,),
    samples=_square_samples,
)


def _slogdet(A: Tensor, name: str) -> tuple[Tensor, Tensor]:
    check_square(A, name)
    if A._array.dtype not in INEXACT:
        check_inexact(A, name)
    check_kernel(A, "lu_cpu")
    sign, logabsdet = apply(SLOGDET, (A,))
    return sign, logabsdet


def linalg_slogdet(A: Tensor, *, out: Any = None) -> Any:
    """The determinant as ``sign * exp(logabsdet)``, which neither overflows nor underflows.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.slogdet(torch.eye(2)).sign
        tensor(1.)
    """
    return named_result("linalg_slogdet", _slogdet(A, "linalg.slogdet"), out)


def slogdet(input: Tensor) -> Any:
    """The older name of ``linalg.slogdet``.

    Example:
        >>> import rushlight as torch
        >>> torch.slogdet(torch.eye(2)).logabsdet
        tensor(0.)
    """
    return named_result("slogdet", _slogdet(input, "slogdet"))


def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinants; nan where one is negative, -inf where it is 0.

    Example:
        >>> import rushlight as torch
        >>> torch.logdet(torch.eye(2))
        tensor(0.)
    """
    sign, logabsdet = _slogdet(input, "logdet")
    if input._array.dtype in COMPLEXES:
        return logabsdet + sign.log()  # type: ignore[no-any-return]
    return logabsdet + sign.detach().log()  # type: ignore[no-any-return]


# --- pseudoinverse and least squares ----------------------------------------------------------------------------------


def _tolerances(a: Array, largest: Array, atol: Any, rtol: Any) -> Any:
    """Below what a singular value counts as zero: the greater of ``atol`` and ``rtol`` times the largest one."""
    atol_given = atol is not None
    for name, given in (("atol", atol), ("rtol", rtol)):
        if isinstance(given, str | bytes | list | tuple | dict):
            raise TypeError(f"argument '{name}' must be float or Tensor, not {type(given).__name__}")
    atol = 0.0 if atol is None else on_host(atol)
    rtol = on_host(rtol)
    if rtol is None:
        default = max(a.shape[-2:]) * np.finfo(a.dtype).eps if a.size else 0.0
        rtol = np.where(np.asarray(atol) > 0, 0.0, default) if atol_given else default
    bounds = np.maximum(np.asarray(atol), np.asarray(rtol) * on_host(largest))[..., None]
    return placed_beside(bounds, largest)


def _pinv_impl(a: Array, atol: Any, rtol: Any, hermitian: bool) -> Any:
    if a.size == 0:
        return np.zeros((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)
    if hermitian:
        values, vectors = eigh_arrays(a, "L")
        sizes = np.abs(values)
        keep = sizes > _tolerances(a, sizes.max(-1), atol, rtol)
        scale = np.where(keep, 1 / np.where(keep, values, 1), 0).astype(values.dtype)
        return np.matmul(vectors * scale[..., None, :], np.conj(np.swapaxes(vectors, -2, -1)))
    u, s, vh = svd_arrays(a, False)
    keep = s > _tolerances(a, s[..., 0], atol, rtol)
    scale = np.where(keep, 1 / np.where(keep, s, 1), 0).astype(s.dtype)
    return np.matmul(np.conj(np.swapaxes(vh, -2, -1)) * scale[..., None, :], np.conj(np.swapaxes(u, -2, -1)))


def _pinv_vjp(g: Tensor, node: Node) -> Tensor:
    a, inverse = node.unpack()
    return pinv_gradient(g, a, inverse)


def pinv_gradient(g: Tensor, a: Tensor, inverse: Tensor) -> Tensor:
    """G. Golub and V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose
    variables separate", SIAM J. Numer. Anal. 10, 1973, for constant rank."""
    g_h, inverse_h = mH_of(g), mH_of(inverse)
    left = batched(batched(g_h, inverse), inverse_h)
    right = batched(inverse_h, batched(inverse, g_h))
    return (
        left
        - batched(a, batched(inverse, left))
        + right
        - batched(batched(right, inverse), a)
        - batched(batched(inverse_h, g), inverse_h)
    )


PINV = Primitive(
    "linalg_pinv",
    _pinv_impl,
    _pinv_vjp,
    saves=((0, (0,)),),
    saves_output=True,
    samples=lambda: [((np.arange(6.0).reshape(3, 2),), {"atol": None, "rtol": None, "hermitian": False})],
)


def _tolerance_array(value: Any) -> Any:
    return value._array if isinstance(value, Tensor) else value


def pinv(
    input: Tensor,
    rcond: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """The pseudoinverses (Moore-Penrose) ``(..., n, m)`` of matrices ``(..., m, n)``.

    Singular values up to ``max(atol, rtol * largest)`` count as zero; ``rtol`` is by default ``max(m, n)`` times the
    dtype's epsilon, or 0 if ``atol`` is given. ``rcond`` is an older name of ``rtol``.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.pinv(torch.tensor([[2., 0.], [0., 0.]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.0000]])
    """
    check_tensor_argument("linalg_pinv", "input", input)
    check_flag("linalg_pinv", "hermitian", hermitian)
    array = input._array
    if array.ndim < 2 or array.dtype not in INEXACT or array.dtype in LOW_PRECISION:
        raise RuntimeError(
            f"linalg.pinv({type_name(array.dtype)}{{{list(array.shape)}}}): expected a tensor with 2 or more "
            "dimensions of float, double, cfloat or cdouble types"
        )
    if hermitian:
        check_square(input, "linalg.eigh")
    rtol = rcond if rtol is None else rtol
    tolerances = [value for value in (atol, rtol) if isinstance(value, Tensor)]
    if tolerances and any(type(value._array) is Batched for value in (input, *tolerances)):
        from .batching import for_each_example  # its rules are built on this package's operations

        return for_each_example(pinv, (input,), hermitian=hermitian, atol=atol, rtol=rtol)  # type: ignore[no-any-return]
    attrs = {"atol": _tolerance_array(atol), "rtol": _tolerance_array(rtol), "hermitian": hermitian}
    result = apply(PINV, (input,), attrs)
    return result if out is None else write_castable(out, result, "linalg.pinv", "result")


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """The older form of ``linalg.pinv``.

    Example:
        >>> import rushlight as torch
        >>> torch.pinverse(torch.eye(2, 3)).shape
        torch.Size([3, 2])
    """
    return pinv(input, rcond)


def _lstsq_impl(a: Array, b: Array, rcond: float) -> tuple[Array, Array, Array]:
    """The solutions of least norm, the ranks, and the singular values."""
    u, s, vh = svd_arrays(a, False)
    keep = s > rcond * s[..., :1]
    projected = np.matmul(np.conj(np.swapaxes(u, -2, -1)), b)
    scaled = np.where(keep, 1 / np.where(keep, s, 1), 0).astype(s.dtype)[..., None] * projected
    return np.matmul(np.conj(np.swapaxes(vh, -2, -1)), scaled), keep.sum(-1), s


def _lstsq_vjp(gradients: Any, node: Node) -> Any:
    g = gradients[0]
    if g is None:
        return None, None
    a, b = node.unpack()
    inverse = apply(PINV, (a,), {"atol": None, "rtol": node.attrs["rcond"], "hermitian": False})
    grad_a = None if node.edges[0] is None else pinv_gradient(batched(g, mH_of(b)), a, inverse)
    return grad_a, batched(mH_of(inverse), g)


LSTSQ = Primitive(
    "linalg_lstsq",
    _lstsq_impl,
    _lstsq_vjp,
    saves=((0, (0, 1)), (1, (0,))),
    samples=lambda: [((np.arange(6.0).reshape(3, 2), np.ones((3, 1))), {"rcond": 1e-12})],
)


def lstsq(
    A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None, out: Any = None
) -> Any:
    """``X`` that minimises ``||A X - B||``, as ``(solution, residuals, rank, singular_values)``.

    ``driver``: ``"gels"`` (full rank), ``"gelsy"`` (the default), ``"gelsd"``, ``"gelss"``; all compute by the singular
    values, and give of the last three results what PyTorch's do, else empty tensors.
    Singular values up to ``rcond`` times the largest count as zero.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.lstsq(torch.eye(3, 2), torch.tensor([[1.], [2.], [3.]])).solution
        tensor([[1.],
                [2.]])
    """
    check_tensor_argument("linalg_lstsq", "A", A)
    check_tensor_argument("linalg_lstsq", "B", B)
    name = "torch.linalg.lstsq"
    a, b = A._array, B._array
    if a.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if b.ndim < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype {type_name(a.dtype)} and "
            f"other's dtype {type_name(b.dtype)}"
        )
    if a.dtype not in INEXACT or a.dtype in LOW_PRECISION:
        raise RuntimeError("This function doesn't handle types other than float and double")
    driver = "gelsy" if driver is None else driver
    if driver not in ("gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    vector = is_vector_case(A, B)
    if vector and b.shape[-1] != a.shape[-2]:
        raise RuntimeError(f"{name}: input.size(-2) should match other.size(-1)")
    columns = unsqueeze(B, -1) if vector else B
    if columns._array.shape[-2] != a.shape[-2]:
        raise RuntimeError(f"{name}: input.size(-2) should match other.size(-2)")
    broadcast_shape(a.shape[:-2], columns._array.shape[:-2])
    rows, n = a.shape[-2:]
    if rcond is None:
        rcond = max(rows, n) * float(np.finfo(a.dtype).eps)
    solution, rank, values = apply(LSTSQ, (A, columns), {"rcond": 0.0 if driver == "gels" else float(rcond)})
    residuals = reshape(real_of(solution), (solution._array.size,))[:0]
    if rows > n and driver != "gelsy" and (whole(rank._array) == n).all():
        difference = batched(A, solution) - columns
        residuals = sum_of(real_of(conj_of(difference) * difference), -2)
        if vector:
            residuals = reshape(residuals, residuals._array.shape[:-1])
    if vector:
        solution = reshape(solution, solution._array.shape[:-1])
    rank = tensor_beside(A, np.empty((0,), I64) if driver == "gels" else rank._array.astype(I64))
    spectrum = tensor_beside(
        A,
        np.ascontiguousarray(values._array)
        if driver in ("gelsd", "gelss")
        else np.empty((0,), values._array.dtype),
    )
    return named_result("linalg_lstsq", (solution, residuals, rank, spectrum), out)


# --- powers and exponential -------------------------------------------------------------------------------------------


def matrix_power(input: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    """The ``n``-th power of square matrices by repeated squaring; a negative ``n`` inverts first.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.matrix_power(torch.tensor([[1., 1.], [0., 1.]]), 5)
        tensor([[1., 5.],
                [0., 1.]])
    """
    check_square(input, "linalg.matrix_power")
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(
            f"linalg_matrix_power(): argument 'n' (position 2) must be int, not {type(n).__name__}"
        )
    result = _power(input, index(n))
    return result if out is None else write_exact(out, result, "linalg_matrix_power")


def _power(A: Tensor, n: int) -> Tensor:
    array = A._array
    if n == 0:
        return A.clone().copy_(tensor_beside(A, np.eye(array.shape[-1], dtype=array.dtype)))  # type: ignore[no-any-return]
    if n < 0:
        A, n = inv(A), -n
    if n == 1:
        return A.clone()  # type: ignore[no-any-return]
    if n == 3:
        return matmul(matmul(A, A), A)
    result: Tensor | None = None
    square = A
    while n:
        if n & 1:
            result = square if result is None else matmul(result, square)
        n >>= 1
        if n:
            square = matmul(square, square)
    assert result is not None
    return result


# The coefficients of the Padé approximant of degree 13.
_PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0,
    10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
_PADE_REACH = 5.371920351148152  # the norm up to which it is exact to double precision


def _matrix_exp_impl(a: Array) -> Any:
    """By scaling and squaring (N. Higham, "The scaling and squaring method for the matrix exponential revisited",
    SIAM J. Matrix Anal. Appl. 26, 2005)."""
    dtype = a.dtype
    if dtype in LOW_PRECISION:
        return _matrix_exp_impl(a.astype(F32)).astype(dtype)
    if a.size == 0:
        return a.copy()
    if dtype.itemsize < (16 if dtype.kind == "c" else 8):
        # Double precision inside: squaring would lose the digits that the result has room for.
        return _matrix_exp_impl(a.astype(np.complex128 if dtype.kind == "c" else np.float64)).astype(dtype)
    n = a.shape[-1]
    norms = np.abs(a).sum(-2).max(-1)
    finite = np.isfinite(norms)
    squarings = np.ceil(np.log2(np.where(finite & (norms > _PADE_REACH), norms / _PADE_REACH, 1.0))).astype(
        np.int64
    )
    a = a / np.exp2(squarings)[..., None, None]
    eye = np.eye(n, dtype=a.dtype)
    a2 = np.matmul(a, a)
    a4 = np.matmul(a2, a2)
    a6 = np.matmul(a4, a2)
    b = _PADE
    odd = np.matmul(
        a,
        np.matmul(a6, b[13] * a6 + b[11] * a4 + b[9] * a2) + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * eye,
    )
    even = np.matmul(a6, b[12] * a6 + b[10] * a4 + b[8] * a2) + b[6] * a6 + b[4] * a4 + b[2] * a2 + b[0] * eye
    bad = ~np.isfinite(even).all((-2, -1))
    if bad.any():  # LAPACK would refuse nan and inf: such matrices give nan
        even, odd = np.where(bad[..., None, None], eye, even), np.where(bad[..., None, None], eye, odd)
        result = np.linalg.solve(even - 0 * odd, even + odd)
        result = np.where(bad[..., None, None], np.nan, result)
    else:
        result = np.linalg.solve(even - odd, even + odd)
    for step in range(int(squarings.max(initial=0))):
        result = np.where((squarings > step)[..., None, None], np.matmul(result, result), result)
    return result


def _matrix_exp_vjp(g: Tensor, node: Node) -> Tensor:
    # exp of [[A^H, G], [0, A^H]] has the gradient in its upper right corner (R. Mathias, "A chain rule for matrix
    # functions and applications", SIAM J. Matrix Anal. Appl. 17, 1996).
    (a,) = node.unpack()
    n = a._array.shape[-1]
    transposed = mH_of(a)
    top = cat((transposed, g), -1)
    bottom = cat((transposed * 0, transposed), -1)
    whole = apply(MATRIX_EXP, (cat((top, bottom), -2),))
    return whole[..., :n, n:]  # type: ignore[no-any-return]


MATRIX_EXP = Primitive(
    "linalg_matrix_exp", _matrix_exp_impl, _matrix_exp_vjp, saves=((0, (0,)),), samples=_square_samples
)


def matrix_exp(input: Tensor) -> Tensor:
    """The exponential of square matrices, ``I + A + A^2 / 2! + …``.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.matrix_exp(torch.zeros(2, 2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    check_square(input, "linalg.matrix_exp")
    if input._array.dtype not in INEXACT:
        check_inexact(input, "linalg.matrix_exp")
    return apply(MATRIX_EXP, (input,))  # type: ignore[no-any-return]


# --- rank and condition -----------------------------------------------------------------------------------------------


def matrix_rank(
    input: Tensor,
    tol: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """How many singular values are above ``max(atol, rtol * largest)`` (``tol``: an older name of ``atol``): int64.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.matrix_rank(torch.tensor([[1., 1.], [1., 1.]]))
        tensor(1)
    """
    check_tensor_argument("linalg_matrix_rank", "input", input)
    check_flag("linalg_matrix_rank", "hermitian", hermitian)
    if input._array.ndim < 2:
        raise RuntimeError(
            "torch.linalg.matrix_rank: The input tensor input must have at least 2 dimensions."
        )
    array = input._array
    if array.dtype not in INEXACT:
        raise RuntimeError("This function doesn't handle types other than float and double")
    if array.size == 0:
        result = tensor_beside(input, np.zeros(array.shape[:-2], I64))
        return result if out is None else write_out(out, result, "linalg_matrix_rank")
    detached = input.detach()
    values = eigvalsh(detached).abs() if hermitian else svdvals(detached)
    sizes = values._array
    atol, rtol = _tolerance_array(tol if atol is None else atol), _tolerance_array(rtol)
    tolerance = _tolerances(array, sizes.max(-1), atol, rtol)
    result = make_tensor(as_array((sizes > tolerance).sum(-1, dtype=I64)))
    return result if out is None else write_out(out, result, "linalg_matrix_rank")


def cond(input: Tensor, p: Any = None, *, out: Tensor | None = None) -> Tensor:
    """The condition numbers in the norm ``p``: None, ``"fro"``, ``"nuc"``, inf, -inf, 1, -1, 2, -2.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.cond(torch.tensor([[2., 0.], [0., 1.]]))
        tensor(2.)
    """
    check_tensor_argument("linalg_cond", "input", input)
    if input._array.ndim < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    allowed = (None, "fro", "nuc", float("inf"), float("-inf"), 1, -1, 2, -2)
    if not (p is None or isinstance(p, str) or is_number(p)) or p not in allowed:
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    array = input._array
    if array.size == 0:
        check_matrices(input, "linalg.cond")
        real = real_of(input)._array.dtype
        result = tensor_beside(input, np.zeros(array.shape[:-2], real))
    elif p is None or p in (2, -2):
        check_inexact(input, "linalg.svd")
        values = svdvals(input)
        first, last = values[..., 0], values[..., -1]
        result = last / first if p == -2 else first / last
    else:
        check_square(input, f"linalg.cond(ord={p})")
        inverse, info = inv_ex(input)
        result = matrix_norm(input, p) * matrix_norm(inverse, p)
        if info._array.any():
            result = result.masked_fill(info > 0, float("inf"))
    return result if out is None else write_out(out, result, "linalg_cond")


# --- tensors as matrices ----------------------------------------------------------------------------------------------


def tensorinv(input: Tensor, ind: int = 2, *, out: Tensor | None = None) -> Tensor:
    """The inverse of ``input`` as a map between the last dimensions and the first ``ind`` ones (see ``tensordot``).

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.tensorinv(torch.eye(6).reshape(2, 3, 6), ind=2).shape
        torch.Size([6, 2, 3])
    """
    check_tensor_argument("linalg_tensorinv", "input", input)
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    shape = input._array.shape
    before, after = count(shape[:ind]), count(shape[ind:])
    if before != after:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{after} != {before}"
        )
    result = reshape(inv(reshape(input, (after, before))), shape[ind:] + shape[:ind])
    return result if out is None else write_out(out, result, "linalg_tensorinv")


def tensorsolve(input: Tensor, other: Tensor, dims: Any = None, *, out: Tensor | None = None) -> Tensor:
    """``X`` with ``tensordot(A, X, X.ndim) = B``; the dimensions ``dims`` of ``input`` are moved to its end first.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.tensorsolve(torch.eye(6).reshape(2, 3, 6), torch.ones(2, 3)).shape
        torch.Size([6])
    """
    check_tensor_argument("linalg_tensorsolve", "input", input)
    check_tensor_argument("linalg_tensorsolve", "other", other)
    if dims is not None:
        ndim = input._array.ndim
        moved = [wrap_dim(d, ndim) for d in dims]
        input = permute(input, tuple([d for d in range(ndim) if d not in moved] + moved))
    shape, n = input._array.shape, other._array.ndim
    unknowns, equations = count(shape[n:]), count(shape[:n])
    if unknowns != equations:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), "
            f"but got {unknowns} != {equations}"
        )
    columns = reshape(other, (other._array.size, 1))
    result = reshape(apply(SOLVE, (reshape(input, (equations, unknowns)), columns)), shape[n:])
    return result if out is None else write_out(out, result, "linalg_tensorsolve")


def vander(x: Tensor, N: int | None = None) -> Tensor:
    """The powers 0 to ``N - 1`` of each element of ``(..., n)``: ``(..., n, N)``; ``N`` is by default ``n``.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.vander(torch.tensor([2, 3]), N=3)
        tensor([[1, 2, 4],
                [1, 3, 9]])
    """
    check_tensor_argument("linalg_vander", "x", x)
    if N is None:
        N = x._array.shape[-1] if x._array.ndim else 1
    if N <= 1:
        raise RuntimeError("N must be greater than 1.")
    if not x._array.ndim:
        x = unsqueeze(x, 0)
    ones = tensor_beside(x, np.ones((*x._array.shape, 1), x._array.dtype))
    powers = unsqueeze(x, -1).expand(*x._array.shape, N - 1).cumprod(-1)
    return cat((ones.to(powers.dtype), powers), -1)


METHODS: dict[str, Any] = {
    "det": det,
    "slogdet": slogdet,
    "logdet": logdet,
    "pinverse": pinverse,
    "matrix_power": matrix_power,
    "matrix_exp": matrix_exp,
}
