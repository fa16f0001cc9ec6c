"""Sampling of images at the points of a grid: ``grid_sample`` and ``affine_grid``, for images of any number of
dimensions, as composites of gathers and products, so that gradients of every order follow.

Source: M. Jaderberg et al., "Spatial Transformer Networks", 2015; R. Keys, "Cubic convolution interpolation for digital
image processing", 1981.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

from ...autograd.fused import fused
from ...core.dtypes import FLOATS, OF_NUMPY
from ...core.history import known_as
from ...core.shapes import count
from ...core.tensor import Tensor, make_tensor
from ...ops.bounds import clamp
from ...ops.comparison import bitwise_and, ge, gt, le, lt, where
from ...ops.conversion import detach, to
from ...ops.creation import evenly_spaced
from ...ops.functions import floor, round as round_of
from ...ops.linalg import bmm
from ...ops.movement import expand, reshape, select, transpose, unsqueeze
from ...ops.pointwise import mul, sub
from ...ops.scattering import gathered

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")
INT64 = OF_NUMPY[np.dtype(np.int64)]
CUBIC = -0.75  # Keys' parameter


def _warn_of_corners(name: str) -> None:
    warnings.warn(
        "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
        f"align_corners=True if the old behavior is desired. See the documentation of {name} for details.",
        stacklevel=3,
    )


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """``input`` interpolated at the points of ``grid``, whose coordinates are -1 at one edge and 1 at the other.

    ``input`` (N, C, H, W) and ``grid`` (N, H', W', 2), of which the last are x (along W) and y, give (N, C, H', W');
    (N, C, D, H, W) and (N, D', H', W', 3) likewise. ``mode``: ``"bilinear"``, ``"nearest"``, ``"bicubic"`` (4-D alone).
    ``padding_mode``: what lies outside, ``"zeros"``, the ``"border"``'s values, or the image's ``"reflection"``.
    ``align_corners``: -1 and 1 are the centers of the corner pixels, not their outer edges.
    Raises ``ValueError`` for another mode, ``RuntimeError`` for shapes or dtypes that do not go together.

    Example:
        >>> import rushlight as torch
        >>> x = torch.tensor([[[[1., 2.], [3., 4.]]]])
        >>> torch.nn.functional.grid_sample(x, torch.zeros(1, 1, 1, 2), align_corners=False)
        tensor([[[[2.5000]]]])
    """
    if mode not in MODES:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in PADDINGS:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    if align_corners is None:
        _warn_of_corners("grid_sample")
    return grid_sampler(input, grid, MODES.index(mode), PADDINGS.index(padding_mode), bool(align_corners))


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """``nn.functional.grid_sample`` with its modes by number."""
    _check(input, grid, interpolation_mode)
    sample = _sample_2d if input._array.ndim == 4 else _sample_3d
    nearest = MODES[interpolation_mode] == "nearest"  # which pixel that is has no gradient
    result = sample(input, detach(grid) if nearest else grid, interpolation_mode, padding_mode, align_corners)
    if nearest and grid._node is not None:  # a gradient of zero is not the same as none
        result = where(_FALSE, unsqueeze(select(grid, grid._array.ndim - 1, 0), 1), result)
    return known_as(result, f"GridSampler{input._array.ndim - 2}DBackward0")


_FALSE = make_tensor(np.zeros((), bool))
GRID_SAMPLE_INTERPOLATION_MODES = {mode: number for number, mode in enumerate(MODES)}
GRID_SAMPLE_PADDING_MODES = {padding: number for number, padding in enumerate(PADDINGS)}


def _sampled(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    mode, padding = MODES[interpolation_mode], PADDINGS[padding_mode]
    extents = input._array.shape[2:]
    dims = len(extents)
    batch, channels = input._array.shape[:2]
    points_shape = grid._array.shape[1:-1]
    # (N, P) for each dimension of the image, in its order; the grid's is the reverse.
    flat = reshape(grid, (batch, count(points_shape), dims))
    coordinates = [
        _pixels(select(flat, 2, dims - 1 - d), extents[d], align_corners, dims) for d in range(dims)
    ]
    image = reshape(input, (batch, channels, count(extents)))
    if mode == "bicubic":
        taken = _cubic(image, coordinates, extents, padding, align_corners)
    else:
        inside = [
            _brought_in(x, n, padding, align_corners) for x, n in zip(coordinates, extents, strict=True)
        ]
        if mode == "nearest":
            taken = _values(image, [round_of(detach(x)) for x in inside], extents)
        else:
            taken = _linear(image, inside, extents)
    return reshape(taken, (batch, channels, *points_shape))


# One kernel each way for large images, instead of a pass over memory for each step.
_sample_2d: Callable[..., Tensor] = fused(_sampled, name="grid_sampler_2d", from_size=4_096, exact=True)
_sample_3d: Callable[..., Tensor] = fused(_sampled, name="grid_sampler_3d", from_size=4_096, exact=True)


def _numbered(name: str, dims: int) -> Any:
    def function(
        input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
    ) -> Tensor:
        if input._array.ndim != dims + 2:
            raise RuntimeError(
                f"{name}(): expected input to have {dims + 2} dimensions, but got {input._array.ndim}"
            )
        return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"``nn.functional.grid_sample`` of images of {dims} dimensions, with its modes by number."
    )
    return function


grid_sampler_2d, grid_sampler_3d = _numbered("grid_sampler_2d", 2), _numbered("grid_sampler_3d", 3)


def _check(input: Tensor, grid: Tensor, mode: int) -> None:
    a, g = input._array, grid._array
    if a.ndim > 2 and g.ndim and g.shape[-1] != a.ndim - 2:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {a.ndim - 2} in last dimension, but got grid with sizes "
            f"{list(g.shape)}"
        )
    if a.dtype != g.dtype:
        raise RuntimeError(
            f"grid_sampler(): expected input and grid to have same dtype, but input has {input.dtype} and grid has "
            f"{grid.dtype}"
        )
    if a.dtype not in FLOATS:
        raise RuntimeError(
            f"grid_sampler(): expected floating-point input and grid, but they have {input.dtype}"
        )
    if a.ndim not in (4, 5) or a.ndim != g.ndim:
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with "
            f"sizes {list(a.shape)} and grid with sizes {list(g.shape)}"
        )
    if a.shape[0] != g.shape[0]:
        raise RuntimeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with sizes "
            f"{list(a.shape)} and grid with sizes {list(g.shape)}"
        )
    for dim, extent in enumerate(a.shape[2:], 2):
        if not extent:
            raise RuntimeError(
                "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes "
                f"{list(a.shape)} with dimension {dim} being empty"
            )
    if mode == 2 and a.ndim == 5:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")


def _pixels(x: Tensor, n: int, align_corners: bool, dims: int) -> Tensor:
    """From [-1, 1] to the numbers of pixels, 0 to n - 1, rounded as PyTorch's kernel for that many dimensions does it."""
    if align_corners:
        return (x + 1) * ((n - 1) / 2)
    return (x + 1) * (n / 2) - 0.5 if dims == 2 else ((x + 1) * n - 1) / 2


def _clipped(x: Tensor, n: int) -> Tensor:
    """``clamp`` to the pixels, with a gradient of 0 at the bounds too."""
    free = bitwise_and(gt(x, 0), lt(x, n - 1))
    return where(free, x, clamp(detach(x), 0, n - 1))  # type: ignore[no-any-return]


def _reflected(x: Tensor, low: float, span: float) -> Tensor:
    """``x`` reflected at ``low`` and ``low + span`` until it lies between them."""
    if span <= 0:
        return x * 0
    distance = where(ge(x, low), x - low, low - x)
    times = floor(detach(distance) / span)
    rest = distance - times * span
    even = times - floor(times / 2) * 2
    return where(lt(even, 0.5), rest + low, span - rest + low)  # type: ignore[no-any-return]


def _brought_in(x: Tensor, n: int, padding: str, align_corners: bool) -> Tensor:
    if padding == "border":
        return _clipped(x, n)
    if padding == "reflection":
        return _clipped(_reflected(x, 0, n - 1) if align_corners else _reflected(x, -0.5, n), n)
    return x


def _values(image: Tensor, pixels: Sequence[Tensor], extents: Sequence[int]) -> Tensor:
    """(N, C, P): the values at whole pixels (N, P), 0 outside."""
    index: Any = 0
    inside: Any = None
    for x, n in zip(pixels, extents, strict=True):
        here = bitwise_and(ge(x, 0), le(x, n - 1))
        inside = here if inside is None else bitwise_and(inside, here)
        index = index * n + to(clamp(where(here, x, 0.0), 0, n - 1), INT64)
    batch, channels = image._array.shape[:2]
    shape = (batch, channels, index._array.shape[1])
    taken = gathered(
        image, expand(unsqueeze(index, 1), *shape), 2
    )  # no index is out of range: they were clamped
    return where(unsqueeze(inside, 1), taken, 0.0)  # type: ignore[no-any-return]


def _linear(image: Tensor, coordinates: Sequence[Tensor], extents: Sequence[int]) -> Tensor:
    below = [floor(detach(x)) for x in coordinates]
    weights = [(sub(1 + b, x), sub(x, b)) for x, b in zip(coordinates, below, strict=True)]
    total: Any = None
    for corner in product((0, 1), repeat=len(extents)):
        weight: Any = None
        for pair, side in zip(weights, corner, strict=True):
            weight = pair[side] if weight is None else mul(weight, pair[side])
        taken = _values(image, [b + side for b, side in zip(below, corner, strict=True)], extents)
        part = mul(taken, unsqueeze(weight, 1))
        total = part if total is None else total + part
    return total  # type: ignore[no-any-return]


def _cubic_weights(t: Tensor) -> list[Tensor]:
    """Of the pixels at -1, 0, 1 and 2 from the one below, at a distance of ``t`` from it."""

    def near(x: Tensor) -> Tensor:
        return ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1

    def far(x: Tensor) -> Tensor:
        return ((CUBIC * x - 5 * CUBIC) * x + 8 * CUBIC) * x - 4 * CUBIC

    return [far(t + 1), near(t), near(sub(1, t)), far(sub(2, t))]


def _cubic(
    image: Tensor, coordinates: Sequence[Tensor], extents: Sequence[int], padding: str, align_corners: bool
) -> Tensor:
    below = [floor(detach(x)) for x in coordinates]
    weights = [_cubic_weights(sub(x, b)) for x, b in zip(coordinates, below, strict=True)]
    total: Any = None
    for corner in product(range(4), repeat=len(extents)):
        weight: Any = None
        for four, side in zip(weights, corner, strict=True):
            weight = four[side] if weight is None else mul(weight, four[side])
        pixels = [
            _brought_in(b + (side - 1), n, padding, align_corners)
            for b, side, n in zip(below, corner, extents, strict=True)
        ]
        part = mul(_values(image, pixels, extents), unsqueeze(weight, 1))
        total = part if total is None else total + part
    return total  # type: ignore[no-any-return]


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid for ``grid_sample`` of the affine maps ``theta``: (N, 2, 3) for 4-D images, (N, 3, 4) for 5-D ones.

    ``size`` is that of the result of ``grid_sample``: (N, C, H, W) or (N, C, D, H, W).
    Raises ``ValueError`` for a ``theta`` that does not fit, ``NotImplementedError`` for images of other dimensions.

    Example:
        >>> import rushlight as torch
        >>> theta = torch.tensor([[[1., 0., 0.], [0., 1., 0.]]])
        >>> torch.nn.functional.affine_grid(theta, (1, 1, 1, 2), align_corners=False)
        tensor([[[[-0.5000,  0.0000],
                  [ 0.5000,  0.0000]]]])
    """
    if align_corners is None:
        _warn_of_corners("affine_grid")
        align_corners = False
    if theta._array.dtype not in FLOATS:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    size = [int(n) for n in size]  # a library may give tensors
    dims = len(size) - 2
    if dims not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size "
            f"{tuple(size)}."
        )
    if theta._array.ndim != 3 or theta._array.shape[1:] != (dims, dims + 1):
        raise ValueError(
            f"Expected a batch of {dims}D affine matrices of shape Nx{dims}x{dims + 1} for size {tuple(size)}. Got "
            f"{theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {tuple(size)}")
    if align_corners and min(size[2:]) == 1:
        warnings.warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when align_corners=True. This is not "
            "an intended use case of affine_grid. See the documentation of affine_grid for details.",
            stacklevel=2,
        )
    return affine_grid_generator(theta, size, align_corners)


def affine_grid_generator(theta: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """``nn.functional.affine_grid``."""
    extents = tuple(size[2:])
    kind = theta._array.dtype
    axes = []
    for n in extents:
        # Rounded as PyTorch does: the identity's points fall on pixels, where the gradient by the grid has a step.
        axis = evenly_spaced(-1, 1, n, kind) if n > 1 else np.zeros(1, kind)
        axes.append(axis if align_corners else axis * kind.type(n - 1) / kind.type(n))
    meshes = np.meshgrid(*axes, indexing="ij")
    points = np.stack([*(mesh.ravel() for mesh in reversed(meshes)), np.ones(meshes[0].size)], 1).astype(kind)
    base = expand(make_tensor(points[None]), size[0], *points.shape)
    return known_as(
        reshape(bmm(base, transpose(theta, 1, 2)), (size[0], *extents, len(extents))),
        "AffineGridGeneratorBackward0",
    )
