"""Lengths, distances and angles of vectors."""

from __future__ import annotations

from ...core.dtypes import INEXACT
from ...core.tensor import Tensor
from ...ops.bounds import clamp_min
from ...ops.dispatch import common_dtype, type_name, write_out
from ...ops.joining import broadcast_tensors
from ...ops.movement import cast, expand
from ...ops.norms import vector_norm
from ...ops.numpy_names import numpy_names
from ...ops.pointwise import add, div, mul, sub
from ...ops.reductions import sum as sum_of


def normalize(
    input: Tensor,
    p: float = 2.0,
    dim: int | tuple[int, ...] = 1,
    eps: float = 1e-12,
    out: Tensor | None = None,
) -> Tensor:
    """``input`` divided by its ``p``-norm along ``dim``, which counts as at least ``eps``.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.normalize(torch.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """
    length = clamp_min(vector_norm(input, p, dim, True), eps)
    result = div(input, expand(length, input._array.shape))
    return result if out is None else write_out(out, result, "div")


@numpy_names
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosines of the angles between vectors along ``dim`` (broadcast); lengths count as at least ``eps``.

    Raises ``RuntimeError`` for integers.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.cosine_similarity(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]]))
        tensor([0.7071])
    """
    common = common_dtype((x1, x2))
    if common not in INEXACT:
        raise RuntimeError(
            f"expected common dtype to be floating point, yet common dtype is {type_name(common)}"
        )
    x1, x2 = broadcast_tensors(cast(x1, common), cast(x2, common))
    return sum_of(mul(_unit(x1, dim, eps), _unit(x2, dim, eps)), dim)


def _unit(x: Tensor, dim: int, eps: float) -> Tensor:
    length = vector_norm(x, 2, dim, True)
    # The bound is no part of the formula: the gradient goes through as if it were not there.
    fixed = length.detach()
    return div(x, add(length, sub(clamp_min(fixed, eps), fixed)))
