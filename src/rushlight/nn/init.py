"""Initial values of parameters, written in place, with PyTorch's random draws for a seed.

None of these functions is recorded for gradients.
"""

from __future__ import annotations

__all__ = [
    "calculate_gain",
    "constant",
    "constant_",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.dtypes import LOW_PRECISION
from ..core.generator import Generator
from ..core.grad_mode import GRAD_MODE
from ..core.shapes import count
from ..core.tensor import Tensor, make_tensor
from ..ops.dispatch import not_implemented
from ..ops.placement import tensor_beside
from ..ops.random import randperm

_LINEAR = ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much to scale weights whose layer is followed by ``nonlinearity`` (``param``: leaky ReLU's slope).

    Raises ``ValueError`` for a name that it does not know.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.init.calculate_gain("leaky_relu", 0.2)
        1.3867504905630728
    """
    if nonlinearity in _LINEAR or nonlinearity == "sigmoid":
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ValueError(f"negative_slope {slope} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


class _Unrecorded:
    """The block's changes in place are not recorded, so that leaves may be written."""

    def __enter__(self) -> None:
        self.token = GRAD_MODE.set(False)

    def __exit__(self, *exc: object) -> None:
        GRAD_MODE.reset(self.token)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with numbers drawn evenly from ``[a, b)``.

    Example:
        >>> import rushlight as torch
        >>> _ = torch.manual_seed(0)
        >>> torch.nn.init.uniform_(torch.empty(2), -1, 1)
        tensor([-0.0075,  0.5364])
    """
    with _Unrecorded():
        return tensor.uniform_(a, b, generator=generator)  # type: ignore[no-any-return]


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with normal numbers. Raises ``RuntimeError`` for a negative ``std``."""
    with _Unrecorded():
        return tensor.normal_(mean, std, generator=generator)  # type: ignore[no-any-return]


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with normal numbers from ``[a, b]``, which are drawn again until they lie there.

    Raises ``ZeroDivisionError`` for ``std`` 0 and ``RuntimeError`` where ``a`` exceeds ``b``.
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be incorrect.",
            stacklevel=2,
        )
    below, above = [math.erf((bound - mean) / std / math.sqrt(2)) / 2 for bound in (a, b)]
    with _Unrecorded():
        # Where few normal numbers would be accepted, even ones are drawn and thinned out to the normal shape.
        draw = _truncate_normal if above - below > _ENOUGH_ACCEPTED else _thin_uniform
        return draw(tensor, mean, std, a, b, generator)


_ENOUGH_ACCEPTED = 0.3


def _truncate_normal(
    tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Generator | None
) -> Tensor:
    array = tensor._array
    low, high = [np.asarray(bound, array.dtype)[()] for bound in (a, b)]
    tensor.normal_(mean, std, generator=generator)
    values = array
    while True:
        outside = (values < low) | (values > high)
        if not outside.any():
            break
        again: Tensor = make_tensor(np.empty_like(array)).normal_(mean, std, generator=generator)
        values = np.where(outside, again._array, values)
    return tensor.copy_(make_tensor(values))  # type: ignore[no-any-return]


def _thin_uniform(
    tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Generator | None
) -> Tensor:
    array = tensor._array
    highest = -0.5 * ((min(max(mean, a), b) - mean) / std) ** 2

    def proposal() -> tuple[Any, Any]:
        drawn = make_tensor(np.empty_like(array)).uniform_(a, b, generator=generator)._array
        chance = ((drawn - mean) / std) ** 2 * -0.5 - highest
        with np.errstate(divide="ignore"):
            needed = np.log(make_tensor(np.empty_like(array)).uniform_(generator=generator)._array)
        return drawn, needed > chance

    values, refused = proposal()
    while refused.any():
        drawn, refused_again = proposal()
        values = np.where(refused, drawn, values)
        refused = refused & refused_again
    return tensor.copy_(make_tensor(values))  # type: ignore[no-any-return]


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with ``val``."""
    with _Unrecorded():
        return tensor.fill_(val)  # type: ignore[no-any-return]


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    with _Unrecorded():
        return tensor.zero_()  # type: ignore[no-any-return]


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with ones on the diagonal and zeros elsewhere. Raises ``ValueError`` unless it has 2 dimensions."""
    if tensor._array.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with _Unrecorded():
        return tensor.copy_(make_tensor(np.eye(*tensor._array.shape)))  # type: ignore[no-any-return]


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight (3 to 5 dimensions) so that it hands its input channels on unchanged.

    With ``groups`` each group of output channels takes them from its own input channels.
    """
    shape = tensor._array.shape
    if len(shape) not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if shape[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    values = np.zeros(shape)
    middle = tuple([n // 2 for n in shape[2:]])
    each = shape[0] // groups
    for group in range(groups):
        for channel in range(min(each, shape[1])):
            values[(group * each + channel, channel, *middle)] = 1
    with _Unrecorded():
        return tensor.copy_(make_tensor(values))  # type: ignore[no-any-return]


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs each output has, and outputs each input."""
    shape = tensor._array.shape
    if len(shape) < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    places = count(shape[2:])
    return shape[1] * places, shape[0] * places


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return _calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill evenly from ``±gain * sqrt(6 / (fan_in + fan_out))``.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with normal numbers of deviation ``gain * sqrt(2 / (fan_in + fan_out))`` (Glorot and Bengio, 2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / float(fan_in + fan_out)), generator)


def _kaiming_deviation(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _has_no_elements(tensor: Tensor) -> bool:
    if tensor._array.size == 0 and 0 in tensor._array.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return True
    return False


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill evenly from ``±gain * sqrt(3 / fan)``; ``a`` is the slope of the leaky ReLU that follows.

    He et al., "Delving deep into rectifiers", 2015.

    Example:
        >>> import rushlight as torch
        >>> _ = torch.manual_seed(0)
        >>> torch.nn.init.kaiming_uniform_(torch.empty(1, 3), nonlinearity="relu")
        tensor([[-0.0106,  0.7586, -1.1640]])
    """
    if _has_no_elements(tensor):
        return tensor
    bound = math.sqrt(3.0) * _kaiming_deviation(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill with normal numbers of deviation ``gain / sqrt(fan)`` (He et al., 2015)."""
    if _has_no_elements(tensor):
        return tensor
    return normal_(tensor, 0.0, _kaiming_deviation(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fill with a (semi-)orthogonal matrix times ``gain``; further dimensions count to the columns.

    Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", 2013.
    """
    shape = tensor._array.shape
    if len(shape) < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor._array.size == 0:
        return tensor
    if tensor._array.dtype in LOW_PRECISION:
        raise not_implemented("geqrf", tensor._array.dtype)
    rows, columns = shape[0], count(shape) // shape[0]
    with _Unrecorded():
        drawn = (
            tensor_beside(tensor, np.empty((rows, columns), tensor._array.dtype))
            .normal_(0, 1, generator=generator)
            ._array
        )
        q, r = np.linalg.qr(drawn.T if rows < columns else drawn)
        # One of the two signs of each column, so that all orthogonal matrices are as likely.
        q = q * np.sign(r.diagonal())
        if rows < columns:
            q = q.T
        return tensor.copy_(make_tensor(q.copy().reshape(shape))).mul_(gain)  # type: ignore[no-any-return]


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fill a matrix with normal numbers of which the fraction ``sparsity`` in each column is 0 (Martens, 2010)."""
    if tensor._array.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor._array.shape
    zeros = math.ceil(sparsity * rows)
    with _Unrecorded():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            chosen = randperm(rows)[
                :zeros
            ]  # PyTorch draws the places from the default generator, whatever is given
            tensor[chosen, column] = 0
    return tensor


def _deprecated(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    new_name = function.__name__
    old_name = new_name[:-1]

    def old(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(
            f"`nn.init.{old_name}` is now deprecated in favor of `nn.init.{new_name}`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    old.__name__ = old.__qualname__ = old_name
    old.__doc__ = f"The old name of ``{new_name}``."
    return old


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)


# Under the names by which libraries import what these do without recording.
def _no_grad_uniform_(tensor: Tensor, a: float, b: float, generator: Generator | None = None) -> Tensor:
    return uniform_(tensor, a, b, generator)


def _no_grad_normal_(tensor: Tensor, mean: float, std: float, generator: Generator | None = None) -> Tensor:
    return normal_(tensor, mean, std, generator)


def _no_grad_trunc_normal_(
    tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Generator | None = None
) -> Tensor:
    return trunc_normal_(tensor, mean, std, a, b, generator)


def _no_grad_fill_(tensor: Tensor, val: float) -> Tensor:
    return constant_(tensor, val)


def _no_grad_zero_(tensor: Tensor) -> Tensor:
    return zeros_(tensor)
