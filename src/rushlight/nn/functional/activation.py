"""In-place forms of activation functions, and softmax and its relatives as ``nn.functional`` has them."""

from __future__ import annotations

import warnings

from ...core.dtypes import dtype as Dtype
from ...core.tensor import Tensor
from ...ops.activations import (
    celu,
    elu,
    hardtanh,
    leaky_relu,
    log_softmax as _log_softmax,
    rrelu,
    selu,
    softmax as _softmax,
    threshold as _threshold,
)
from ...ops.creation import empty_like, zeros_like
from ...ops.pointwise import add, div, neg, sub
from ...ops.scattering import scatter


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place form of ``celu``."""
    return celu(input, alpha, inplace=True)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place form of ``elu``."""
    return elu(input, alpha, inplace=True)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """In-place form of ``hardtanh``."""
    return hardtanh(input, min_val, max_val, inplace=True)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """In-place form of ``leaky_relu``."""
    return leaky_relu(input, negative_slope, inplace=True)


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """In-place form of ``rrelu``."""
    return rrelu(input, lower, upper, training, inplace=True)


def selu_(input: Tensor) -> Tensor:
    """In-place form of ``selu``."""
    return selu(input, inplace=True)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """In-place form of ``threshold``."""
    return _threshold(input, threshold, value, inplace=True)


def _get_softmax_dim(name: str, ndim: int, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Dtype | None = None
) -> Tensor:
    """exp(x) divided by its sum along ``dim``; ``dtype`` is what to convert to first.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.softmax(torch.zeros(1, 4), dim=1)
        tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """
    if dim is None:
        dim = _get_softmax_dim("softmax", input._array.ndim, _stacklevel)
    return _softmax(input, dim, dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Dtype | None = None
) -> Tensor:
    """The softmax of -x."""
    if dim is None:
        dim = _get_softmax_dim("softmin", input._array.ndim, _stacklevel)
    return _softmax(neg(input), dim, dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Dtype | None = None
) -> Tensor:
    """log(softmax(x)), without loss of digits where the softmax is small."""
    if dim is None:
        dim = _get_softmax_dim("log_softmax", input._array.ndim, _stacklevel)
    return _log_softmax(input, dim, dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A random, differentiable choice along ``dim``: the softmax of (logits + Gumbel noise) / tau.

    With ``hard`` the result is one-hot, with the gradient of the soft one. ``eps`` is not used.
    Jang, Gu and Poole, "Categorical reparameterization with Gumbel-Softmax", 2016.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.functional.gumbel_softmax(torch.zeros(2, 3), hard=True).sum()
        tensor(2.)
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = neg(empty_like(logits.detach()).exponential_().log())
    soft = _softmax(div(add(logits, noise), tau), dim)
    if not hard:
        return soft
    index = soft.detach().max(dim, keepdim=True).indices
    one_hot = scatter(zeros_like(soft.detach()), dim, index, 1.0)
    return add(sub(one_hot, soft.detach()), soft)  # type: ignore[no-any-return]
