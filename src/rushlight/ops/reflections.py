"""Orthogonal matrices as products of Householder reflections, as LAPACK's QR decomposition stores them.

A matrix of n such vectors (below its diagonal, which counts as ones) and n factors ``tau`` stand for
``Q = H_1 … H_n`` with ``H_i = I - tau_i v_i v_i^H``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arguments import check_tensor as check_tensor_argument
from ..core.device import on_host
from ..core.tensor import Tensor
from .complex_numbers import conj_of
from .decompositions import check_inexact, check_matrices, lower_part, named_result
from .dispatch import type_name, write_out
from .linalg import batched, mH_of
from .movement import unsqueeze
from .placement import tensor_beside
from .spectra import check_kernel


def _reflected(input: Tensor, tau: Tensor, other: Tensor, *, left: bool, transpose: bool) -> Tensor:
    """``Q @ other``, or with ``Q^H``, or from the other side."""
    rows, columns = input._array.shape[-2:]
    below = lower_part(input, 0.0) + tensor_beside(input, np.eye(rows, columns, dtype=input._array.dtype))
    order = range(tau._array.shape[-1])
    # The last reflection meets `other` first, from the left; the adjoint and the other side each turn that around.
    for i in order if left == transpose else reversed(order):
        vector = below[..., i : i + 1]
        scale = unsqueeze(tau[..., i : i + 1], -1)
        scaled = vector * (conj_of(scale) if transpose else scale)
        if left:
            other = other - batched(scaled, batched(mH_of(vector), other))
        else:
            other = other - batched(batched(other, scaled), mH_of(vector))
    return other


def householder_product(input: Tensor, tau: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The first columns of the product of the Householder reflections that ``geqrf`` gives.

    Shapes: ``(..., m, n)`` with ``m >= n`` and ``(..., k)`` with ``k <= n`` give ``(..., m, n)``.

    Example:
        >>> import rushlight as torch
        >>> torch.linalg.householder_product(torch.ones(3, 2), torch.zeros(2))
        tensor([[1., 0.],
                [0., 1.],
                [0., 0.]])
    """
    check_tensor_argument("linalg_householder_product", "tau", tau)
    name = "torch.linalg.householder_product"
    shape = input._array.shape
    if len(shape) < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    rows, columns = shape[-2:]
    if rows < columns:
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if columns < tau._array.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if tau._array.shape[:-1] != shape[:-2]:
        raise RuntimeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
            f"{list(tau._array.shape[:-1])}"
        )
    if tau._array.dtype != input._array.dtype:
        raise RuntimeError(
            f"{name}: tau dtype {type_name(tau._array.dtype)} does not match input dtype "
            f"{type_name(input._array.dtype)}"
        )
    check_inexact(input, "torch.linalg.householder_product")
    eye = tensor_beside(input, np.broadcast_to(np.eye(rows, columns, dtype=input._array.dtype), shape).copy())
    result = _reflected(input, tau, eye, left=True, transpose=False)
    if not tau._array.size:
        result = result + input * 0  # it depends on the input, though trivially
    return result if out is None else write_out(out, result, "linalg_householder_product")


def geqrf(input: Tensor, *, out: Any = None) -> Any:
    """LAPACK's compact QR decomposition, ``(a, tau)``: R and below it the Householder vectors. Not differentiable.

    Example:
        >>> import rushlight as torch
        >>> a, tau = torch.geqrf(torch.eye(3, 2))
        >>> torch.linalg.householder_product(a, tau).shape
        torch.Size([3, 2])
    """
    check_matrices(input, "torch.geqrf")
    check_kernel(input, "geqrf_cpu")
    if input._array.size == 0:
        n = min(input._array.shape[-2:])
        raw, tau = (
            np.swapaxes(on_host(input._array), -2, -1),
            np.zeros((*input._array.shape[:-2], n), input._array.dtype),
        )
    else:
        raw, tau = np.linalg.qr(on_host(input._array), "raw")
    compact = np.swapaxes(raw, -2, -1).copy()
    return named_result("geqrf", (tensor_beside(input, compact), tensor_beside(input, tau.copy())), out)


def orgqr(input: Tensor, input2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The older name of ``linalg.householder_product``, with the names of parameters that it has.

    Example:
        >>> import rushlight as torch
        >>> torch.orgqr(torch.ones(2, 1), input2=torch.zeros(1))
        tensor([[1.],
                [0.]])
    """
    return householder_product(input, input2, out=out)


def ormqr(
    input: Tensor,
    input2: Tensor,
    input3: Tensor,
    left: bool = True,
    transpose: bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """``Q @ input3`` for the square ``Q`` of the reflections that ``geqrf`` gives as ``input`` and ``input2``; ``Q^H`` with
    ``transpose``, and from the right without ``left``.

    Example:
        >>> import rushlight as torch
        >>> A = torch.tensor([[3., 1.], [4., 2.]])
        >>> a, tau = torch.geqrf(A)
        >>> torch.allclose(torch.ormqr(a, tau, A, transpose=True), a.triu(), atol=1e-6)
        True
    """
    check_tensor_argument("ormqr", "input", input)
    check_tensor_argument("ormqr", "input2", input2)
    check_tensor_argument("ormqr", "input3", input3)
    name = "torch.ormqr"
    for what, tensor in (("input", input), ("other", input3)):
        if tensor._array.ndim < 2:
            raise RuntimeError(f"{name}: {what} must have at least 2 dimensions.")
    side = -2 if left else -1
    extent = input3._array.shape[side]
    if extent < input2._array.shape[-1]:
        raise RuntimeError(f"{name}: other.shape[{side}] must be greater than or equal to tau.shape[-1]")
    if extent != input._array.shape[-2]:
        raise RuntimeError(f"{name}: other.shape[{side}] must be equal to input.shape[-2]")
    if input2._array.shape[-1] > input._array.shape[-1]:
        raise RuntimeError(f"{name}: tau.shape[-1] must be less than or equal to input.shape[-1]")
    batch = input._array.shape[:-2]
    for what, given in (("tau", input2._array.shape[:-1]), ("other", input3._array.shape[:-2])):
        if given != batch:
            raise RuntimeError(
                f"{name}: Expected batch dimensions of {what} to be equal to input.shape[:-2], but got {list(given)}"
            )
    for what, tensor in (("tau", input2), ("other", input3)):
        if tensor._array.dtype != input._array.dtype:
            raise RuntimeError(
                f"{name}: Expected input and {what} to have the same dtype, but input has dtype "
                f"{type_name(input._array.dtype)} and {what} has dtype {type_name(tensor._array.dtype)}"
            )
    check_inexact(input, name)
    result = _reflected(input, input2, input3, left=left, transpose=transpose)
    if not input2._array.size:
        result = result + (input * 0).sum() + input3 * 0
    return result if out is None else write_out(out, result, "ormqr")


METHODS: dict[str, Any] = {"geqrf": geqrf, "orgqr": orgqr, "ormqr": ormqr}
