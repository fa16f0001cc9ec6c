"""What the distributions share: broadcasting of parameters, probabilities and logits, attributes computed on first use."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from ..autograd.grad_mode import enable_grad
from ..core.dtypes import get_default_dtype
from ..core.limits import finfo
from ..core.tensor import Tensor
from ..ops.activations import softmax
from ..ops.creation import ones, tensor, zeros
from ..ops.joining import broadcast_tensors
from ..ops.random import normal
from ..ops.rearranging import tril_indices

euler_constant: Final = 0.57721566490153286060

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "euler_constant",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, Tensor)


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """The values, tensors or numbers, as tensors of one shape; numbers take the first tensor's dtype.

    Raises ``ValueError`` for anything else, ``RuntimeError`` where the shapes do not go together.

    Example:
        >>> import rushlight as torch
        >>> from rushlight.distributions.utils import broadcast_all
        >>> broadcast_all(torch.zeros(2), 1)
        (tensor([0., 0.]), tensor([1., 1.]))
    """
    if not all(isinstance(value, Tensor) or is_number(value) for value in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__."
        )
    first = next((value for value in values if isinstance(value, Tensor)), None)
    kind = get_default_dtype() if first is None else first.dtype
    where = None if first is None else first.device
    return broadcast_tensors(
        *[v if isinstance(v, Tensor) else tensor(v, dtype=kind, device=where) for v in values]
    )


def standard_normal(shape: Sequence[int], dtype: Any, device: Any = None) -> Tensor:
    """Normal numbers of mean 0 and variance 1, drawn as the distributions of PyTorch draw them."""
    return normal(zeros(shape, dtype=dtype, device=device), ones(shape, dtype=dtype, device=device))


_standard_normal = standard_normal


def sum_rightmost(value: Tensor, dim: int) -> Tensor:
    """``value`` summed over its last ``dim`` dimensions."""
    if dim == 0:
        return value
    return value.reshape((*value.shape[:-dim], -1)).sum(-1)


_sum_rightmost = sum_rightmost


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities of logits: the sigmoid where ``is_binary``, else the softmax over the last dimension."""
    return logits.sigmoid() if is_binary else softmax(logits, -1)


def clamp_probs(probs: Tensor) -> Tensor:
    """``probs`` at least eps and at most 1 - eps, where eps is that of their dtype."""
    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Logits of probabilities: log(p / (1 - p)) where ``is_binary``, else log(p)."""
    clamped = clamp_probs(probs)
    return clamped.log() - (-clamped).log1p() if is_binary else clamped.log()


class lazy_property:
    """An attribute that is computed, with gradients on, when it is first read, and then stays."""

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        self.wrapped = wrapped
        self.name = wrapped.__name__
        self.__doc__ = wrapped.__doc__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return property(self.wrapped)
        with enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.name, value)
        return value


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The entries of ``D × D`` matrices on and below diagonal ``diag``, row by row, as vectors."""
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows, columns = tril_indices(n, n, diag)
    return mat[..., rows, columns]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """The matrices whose entries on and below diagonal ``diag`` are those of ``vec``; the inverse of ``tril_matrix_to_vec``."""
    size = vec.shape[-1]
    # size = n (n + 1) / 2 + n diag - (entries that fall outside where diag > 0 or < 0)
    n = (-(1 + 2 * diag) + ((1 + 2 * diag) ** 2 + 8 * size + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2
    if not n.is_integer():
        raise ValueError(
            f"The size of last dimension is {size} which cannot be expressed "
            "as the lower triangular part of a square D x D matrix."
        )
    side = int(n)
    matrix = zeros((*vec.shape[:-1], side, side), dtype=vec.dtype, device=vec.device)
    rows, columns = tril_indices(side, side, diag)
    matrix[..., rows, columns] = vec
    return matrix
