"""Lengths, distances and angles of vectors."""

from __future__ import annotations

import math

import numpy as np

from ...core.dtypes import FLOATS, INEXACT
from ...core.tensor import Tensor, make_tensor
from ...ops.bounds import clamp_min
from ...ops.comparison import ne, where
from ...ops.dispatch import common_dtype, type_name, write_out
from ...ops.functions import abs as abs_of
from ...ops.indexing import index_select
from ...ops.movement import cast, expand
from ...ops.pointwise import add, div, mul, sub
from ...ops.powers import sqrt, square
from ...ops.reductions import sum as sum_of


def vector_norm(input: Tensor, p: float, dim: int | tuple[int, ...], keepdim: bool = False) -> Tensor:
    """The ``p``-norm along ``dim``; its gradient at 0 is 0."""
    from ...ops.norms import vector_norm as norm  # only here: the norms know more dtypes and orders than most programs

    return norm(input, p, dim, keepdim)


def normalize(
    input: Tensor, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """``input`` divided by its ``p``-norm along ``dim``, which counts at least ``eps``.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.normalize(torch.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """
    length = clamp_min(vector_norm(input, p, dim, keepdim=True), eps)
    result = div(input, expand(length, input._array.shape))
    return result if out is None else write_out(out, result, "div")
