"""Standardising over dimensions: what layer, group, instance and batch normalisation share."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import LOW_PRECISION
from ..core.history import Node, OutputNode
from ..core.shapes import count
from ..core.tensor import Tensor, make_tensor
from .define import Primitive
from .dispatch import apply
from .reductions import sum_dims


def _standardize_impl(x: Any, axes: tuple[int, ...], eps: float) -> tuple[Any, Any, Any, Any]:
    kind = x.dtype
    wide = x.astype(np.float32) if kind in LOW_PRECISION else x
    size = count([x.shape[axis] for axis in axes])
    scale = wide.dtype.type(1 / size if size else np.nan)
    mean = _sum(wide, axes) * scale
    centred = wide - mean
    variance = _sum(np.square(centred), axes) * scale
    inverse = 1 / np.sqrt(variance + wide.dtype.type(eps))
    centred *= inverse
    return centred.astype(kind, copy=False), inverse, mean, variance


def _sum(x: Any, axes: tuple[int, ...]) -> Any:
    # One axis after the other, the innermost first: NumPy's sum over several axes at once is several times slower where
    # they are not neighbours.
    for axis in sorted(axes, reverse=True):
        x = np.add.reduce(x, axis, keepdims=True)
    return x


def _standardize_vjp(gradients: list[Tensor | None], node: Node) -> Tensor | None:
    axes: tuple[int, ...] = node.attrs["axes"]
    (edge,) = node.edges
    assert edge is not None
    size = count([edge.shape[axis] for axis in axes])
    y, inverse = (
        make_tensor(output._array, OutputNode(node, i, output._array)) for i, output in enumerate(node.attrs["outputs"][:2])
    )
    g, g_inverse = gradients[0], gradients[1]
    total = None
    if g is not None:
        mean_g = sum_dims(g, axes, True) / size
        mean_gy = sum_dims(g * y, axes, True) / size
        total = (g - mean_g - y * mean_gy) * inverse
    if g_inverse is not None:
        part = y * (inverse * inverse * g_inverse / -size)
        total = part if total is None else total + part
    return total


STANDARDIZE = Primitive(
    "standardize", _standardize_impl, _standardize_vjp, saves_output=True, grad_name="NativeLayerNormBackward0"
)


def standardize(input: Tensor, axes: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """``(input - mean) / sqrt(variance + eps)`` over ``axes``, with the mean and the (biased) variance that it used.

    The gradient (Ioffe & Szegedy, "Batch Normalization", 2015) flows through the first result only.
    """
    y, _, mean, variance = apply(STANDARDIZE, (input,), {"axes": axes, "eps": eps})
    return y, mean.detach(), variance.detach()
