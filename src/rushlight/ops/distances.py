"""Norms by PyTorch's older names, and distances between vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dtypes import F32, INEXACT, LOW_PRECISION, OF_NUMPY, dtype
from ..core.history import Node, known_as
from ..core.shapes import broadcast_shape, wrap_dim
from ..core.tensor import Tensor, make_tensor
from .define import Primitive
from .dispatch import apply, inplace_form, not_implemented, type_name, write_out
from .linalg import write_exact
from .movement import cast
from .norms import matrix_norm, vector_norm
from .numpy_names import numpy_names
from .reductions import Dims, check_dims, check_tensor

Array = NDArray[Any]
MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
MANY = 25  # rows from which distances in the plane come from a matrix product, as in PyTorch
AT_ONCE = 1 << 20  # elements of differences that are held at a time


# --- norms ------------------------------------------------------------------------------------------------------------


def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    out: Tensor | None = None,
    dtype: dtype | None = None,
) -> Tensor:
    """The ``p``-norm of ``input`` as a vector, or of its vectors over ``dim``: ``sum(abs(x)**p)**(1/p)``.

    ``"fro"`` is 2, ``"nuc"`` the nuclear norm of matrices; ``p`` may be ``inf``, ``-inf`` and 0. ``dtype`` is what to cast
    to first. Raises ``RuntimeError`` for integers and bools, and where nothing has no such norm.

    Example:
        >>> import rushlight as torch
        >>> torch.norm(torch.tensor([[3.0, 4.0], [6.0, 8.0]]), dim=1)
        tensor([ 5., 10.])
    """
    check_tensor("norm", input)
    if isinstance(p, str) and p != "fro":
        dims: Any = tuple(range(input._array.ndim)) if dim is None else dim
        result = matrix_norm(input, p, dims, keepdim, dtype=dtype)
    else:
        check_dims("norm", dim, keepdim)
        result = vector_norm(input, 2 if p is None or isinstance(p, str) else p, dim, keepdim, dtype=dtype)
    return result if out is None else write_exact(out, result)


def _norm(
    self: Tensor,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    dtype: dtype | None = None,
) -> Tensor:
    """The ``p``-norm; see ``rushlight.norm``."""
    return norm(self, p, dim, keepdim, None, dtype)


@numpy_names
def renorm(input: Tensor, p: float, dim: int, maxnorm: float, *, out: Tensor | None = None) -> Tensor:
    """``input`` with every slice along ``dim`` whose ``p``-norm is above ``maxnorm`` scaled down to it.

    Example:
        >>> import rushlight as torch
        >>> torch.renorm(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 1, 0, 3.5)
        tensor([[1.5000, 2.0000],
                [0.3000, 0.4000]])
    """
    check_tensor("renorm", input)
    array = input._array
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if array.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {array.ndim} dimensions")
    dim = wrap_dim(dim, array.ndim)
    others = [i for i in range(array.ndim) if i != dim]
    wide = cast(input, F32) if array.dtype in LOW_PRECISION else input
    norms = vector_norm(wide, p, others, True)
    factor = (maxnorm / (norms + 1e-7)).where(norms.gt(maxnorm), norms.new_ones(()))
    result = input * (cast(factor, array.dtype) if array.dtype in LOW_PRECISION else factor)
    return known_as(result, "RenormBackward0") if out is None else write_exact(out, result)


# --- distances --------------------------------------------------------------------------------------------------------


def dist(input: Tensor, other: Tensor, p: float = 2, *, out: Tensor | None = None) -> Tensor:
    """The ``p``-norm of ``input - other`` (broadcast) as one number.

    Example:
        >>> import rushlight as torch
        >>> torch.dist(torch.tensor([1.0, 2.0]), torch.tensor([4.0, 6.0]))
        tensor(5.)
    """
    check_tensor("dist", input)
    if not isinstance(other, Tensor):
        raise TypeError(f"dist(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}")
    gap = input - other
    if gap._array.dtype not in INEXACT:
        raise RuntimeError(
            f"norm(): input dtype should be either floating point or complex. Got {type_name(gap._array.dtype)} instead."
        )
    result = known_as(vector_norm(gap, p), "DistBackward0")
    return known_as(result, "DistBackward0") if out is None else write_out(out, result, "dist")


def _cdist_impl(x1: Array, x2: Array, p: float, product: bool) -> Any:
    batch = broadcast_shape(x1.shape[:-2], x2.shape[:-2])
    rows, columns = x1.shape[-2], x2.shape[-2]
    width = x1.shape[-1]
    result = np.zeros((*batch, rows, columns), x1.dtype)
    if not result.size or not width:
        return result
    if p == 2 and product:
        # |a - b|² = |a|² + |b|² - 2ab; rounding may bring it below 0.
        squares = np.matmul(x1, x2.swapaxes(-1, -2))
        squares *= -2
        squares += np.square(x1).sum(-1)[..., None]
        squares += np.square(x2).sum(-1)[..., None, :]
        return np.sqrt(np.maximum(squares, 0, out=squares), out=squares)
    step = max(1, AT_ONCE // max(1, result.size // rows * width))
    for i in range(0, rows, step):
        gaps = np.abs(x1[..., i : i + step, None, :] - x2[..., None, :, :])
        if p == 2:
            part = np.sqrt(np.square(gaps, out=gaps).sum(-1))
        elif p == 1:
            part = gaps.sum(-1)
        elif p == 0:
            part = (gaps != 0).sum(-1).astype(x1.dtype)
        elif math.isinf(p):
            part = gaps.max(-1)
        else:
            part = (gaps**p).sum(-1) ** (1.0 / p)
        result[..., i : i + step, :] = part
    return result


def _cdist_vjp(g: Tensor, node: Node) -> Any:
    x1, x2, result = node.unpack()
    p = node.attrs["p"]
    if p == 0 or not x1._array.shape[-1]:
        return x1 * 0, x2 * 0
    if p == 2 and node.attrs["product"]:
        weights = (g / result).masked_fill(result.eq(0), 0)
        return (
            None if node.edges[0] is None else x1 * weights.sum(-1, True) - weights.matmul(x2),
            None if node.edges[1] is None else x2 * weights.sum(-2).unsqueeze(-1) - weights.mT.matmul(x1),
        )
    gaps = x1.unsqueeze(-2) - x2.unsqueeze(-3)
    g, result = g.unsqueeze(-1), result.unsqueeze(-1)
    if p == 1:
        slope = gaps.sgn() * g
    elif p == 2:
        slope = gaps * (g / result).masked_fill(result.eq(0), 0)
    elif math.isinf(p):
        slope = gaps.sgn() * (g * gaps.detach().abs().eq(result.detach()).to(g.dtype))
    else:
        powers = gaps.sgn() * gaps.abs().pow(p - 1).masked_fill(gaps.eq(0), 0)
        slope = powers * (g / result.pow(p - 1)).masked_fill(result.eq(0), 0)
    return slope.sum(-2), -slope.sum(-3)


CDIST = Primitive(
    "cdist",
    _cdist_impl,
    _cdist_vjp,
    saves=((0, (0, 1)), (1, (0, 1))),
    saves_output=True,
    grad_name="CdistBackward0",
    samples=lambda: [
        (
            (np.array([[0.0, 1.0], [2.0, 0.5]]), np.array([[1.0, -1.0], [0.5, 3.0], [-2.0, 1.5]])),
            {"p": p, "product": way},
        )
        for p, way in ((2.0, False), (2.0, True), (1.0, False), (3.0, False), (math.inf, False))
    ],
)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = MODES[0]) -> Tensor:
    """The ``p``-norm distances of each row of ``x1`` (…, P, M) from each row of ``x2`` (…, R, M): (…, P, R).

    ``compute_mode`` says whether Euclidean distances may come from a matrix product, which is quicker and less exact.

    Example:
        >>> import rushlight as torch
        >>> torch.cdist(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        tensor([[5., 1.]])
    """
    for i, x in enumerate((x1, x2)):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"cdist(): argument 'x{i + 1}' (position {i + 1}) must be Tensor, not {type(x).__name__}"
            )
    mode = MODES[0] if compute_mode is None else compute_mode
    if mode not in MODES:
        raise ValueError(f"{mode} is not a valid value for compute_mode")
    a, b = x1._array, x2._array
    for i, array in enumerate((a, b)):
        if array.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, X{i + 1} got: {array.ndim}D")
        if array.dtype.kind in "iub":
            raise RuntimeError(
                f"cdist only supports floating-point dtypes, X{i + 1} got: {type_name(array.dtype)}"
            )
    if a.shape[-1] != b.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {a.shape[-1]} X2: {b.shape[-1]}"
        )
    if a.dtype != b.dtype:
        raise RuntimeError(f"expected scalar type {type_name(a.dtype)} but found {type_name(b.dtype)}")
    if a.dtype.kind != "f" or OF_NUMPY[a.dtype].itemsize < 4:
        raise not_implemented("cdist", a.dtype)
    if p < 0 or math.isnan(p):
        raise RuntimeError("cdist only supports non-negative p values")
    broadcast_shape(a.shape[:-2], b.shape[:-2])
    many = a.shape[-2] > MANY or b.shape[-2] > MANY
    attrs = {"p": float(p), "product": mode == MODES[1] or (mode == MODES[0] and many)}
    return apply(CDIST, (x1, x2), attrs)  # type: ignore[no-any-return]


def pdist(input: Tensor, p: float = 2) -> Tensor:
    """The ``p``-norm distances of each two rows of a matrix, in the order (0, 1), (0, 2), …, (1, 2), …

    Example:
        >>> import rushlight as torch
        >>> torch.pdist(torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 4.0]]))
        tensor([5., 4., 3.])
    """
    check_tensor("pdist", input)
    array = input._array
    if array.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {array.ndim}D")
    if array.dtype.kind in "iub":
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    first, second = (make_tensor(place.astype(np.int64)) for place in np.triu_indices(len(array), 1))
    gaps = input.index_select(0, first) - input.index_select(0, second)
    if not gaps._array.size:
        return known_as(gaps.abs().sum(1), "PdistBackward0")
    return known_as(vector_norm(gaps, p, 1), "PdistBackward0")


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The ``p``-norm of ``x1 - x2 + eps`` over the last dimension.

    Example:
        >>> import rushlight as torch
        >>> torch.pairwise_distance(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]), eps=0.0)
        tensor([5.])
    """
    check_tensor("pairwise_distance", x1)
    return known_as(vector_norm(x1 - x2 + eps, p, -1, keepdim), "NormBackward1")


METHODS: dict[str, Any] = {
    "norm": _norm,
    "renorm": renorm,
    "renorm_": inplace_form("renorm", renorm),
    "dist": dist,
}
