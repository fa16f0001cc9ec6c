"""Feature pyramids, and regions from the level that fits their size.

Source: Lin et al., "Feature pyramid networks for object detection", 2017.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ... import nn
from ...core.tensor import Tensor
from ...ops.joining import cat
from .boxes import box_area
from .misc import Conv2dNormActivation
from .regions import roi_align


class ExtraFPNBlock(nn.Module):
    """What adds levels at the small end of a pyramid."""

    def forward(self, *args: Any) -> tuple[list[Tensor], list[str]]:
        """Of the levels, what the pyramid was made of, and the levels' names: more levels and names."""
        raise NotImplementedError


class LastLevelMaxPool(ExtraFPNBlock):
    """One more level, every second pixel of the last one."""

    def forward(self, *args: Any) -> tuple[list[Tensor], list[str]]:
        """The levels and their names, with "pool"."""
        x, _, names = args
        pooled: Tensor = nn.functional.max_pool2d(x[-1], kernel_size=1, stride=2, padding=0)
        return [*x, pooled], [*names, "pool"]


class LastLevelP6P7(ExtraFPNBlock):
    """Two more levels by convolutions, as RetinaNet has them."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, 2, 1)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, 2, 1)
        for module in (self.p6, self.p7):
            nn.init.kaiming_uniform_(module.weight, a=1)
            assert module.bias is not None
            nn.init.constant_(module.bias, 0)
        self.use_P5 = in_channels == out_channels

    def forward(self, *args: Any) -> tuple[list[Tensor], list[str]]:
        """The levels and their names, with "p6" and "p7"."""
        p, c, names = args
        p6 = self.p6(p[-1] if self.use_P5 else c[-1])
        p7 = self.p7(nn.functional.relu(p6))
        return [*p, p6, p7], [*names, "p6", "p7"]


class FeaturePyramidNetwork(nn.Module):
    """Feature maps of several sizes, each with what the smaller ones know: a dict of ``(N, out_channels, H, W)``.

    Args:
        in_channels_list: the channels of the maps, from the largest map to the smallest.
        out_channels: of each level.
        extra_blocks: adds levels.
        norm_layer: a norm after each convolution, instead of a bias.

    Raises ``ValueError`` for a map without channels.
    """

    _version = 2

    def __init__(
        self,
        in_channels_list: Sequence[int],
        out_channels: int,
        extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList()
        self.layer_blocks = nn.ModuleList()
        for channels in in_channels_list:
            if channels == 0:
                raise ValueError("in_channels=0 is currently not supported")
            for blocks, before, size, padding in (
                (self.inner_blocks, channels, 1, 0),
                (self.layer_blocks, out_channels, 3, None),
            ):
                blocks.append(
                    Conv2dNormActivation(
                        before,
                        out_channels,
                        kernel_size=size,
                        padding=padding,
                        norm_layer=norm_layer,
                        activation_layer=None,
                    )
                )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)
                if module.bias is not None:
                    nn.init.constant_(module.bias, 0)
        if extra_blocks is not None and not isinstance(extra_blocks, ExtraFPNBlock):
            raise TypeError(f"extra_blocks should be of type ExtraFPNBlock not {type(extra_blocks)}")
        self.extra_blocks = extra_blocks

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *args: Any, **kwargs: Any
    ) -> None:
        version = local_metadata.get("version", None)
        if version is None or version < 2:
            # Older files have the convolutions without the block around them.
            for name in ("inner_blocks", "layer_blocks"):
                for i in range(len(getattr(self, name))):
                    for kind in ("weight", "bias"):
                        old = f"{prefix}{name}.{i}.{kind}"
                        if old in state_dict:
                            state_dict[f"{prefix}{name}.{i}.0.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args, **kwargs)

    def forward(self, x: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The levels by the names of the maps."""
        names, maps = list(x), list(x.values())
        above: Tensor = self.inner_blocks[-1](maps[-1])
        results = [self.layer_blocks[-1](above)]
        for i in range(len(maps) - 2, -1, -1):
            here = self.inner_blocks[i](maps[i])
            above = here + nn.functional.interpolate(above, size=tuple(here.shape[-2:]), mode="nearest")
            results.insert(0, self.layer_blocks[i](above))
        if self.extra_blocks is not None:
            results, names = self.extra_blocks(results, maps, names)
        return OrderedDict(zip(names, results, strict=True))


class MultiScaleRoIAlign(nn.Module):
    """``roi_align`` of each box from the level of a pyramid that fits its size.

    Args:
        featmap_names: which of the maps are used.
        output_size: of a region.
        sampling_ratio: as for ``roi_align``.
        canonical_scale: the size of a box, in pixels, that belongs to the level ``canonical_level``.
    """

    def __init__(
        self,
        featmap_names: list[str],
        output_size: Any,
        sampling_ratio: int,
        *,
        canonical_scale: int = 224,
        canonical_level: int = 4,
    ) -> None:
        super().__init__()
        self.featmap_names, self.sampling_ratio = featmap_names, sampling_ratio
        self.output_size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        self.canonical_scale, self.canonical_level = canonical_scale, canonical_level

    def _scales(self, maps: list[Tensor], image_shapes: Sequence[tuple[int, int]]) -> list[float]:
        if not image_shapes:
            raise ValueError("images list should not be empty")
        largest = [max(shape[i] for shape in image_shapes) for i in (0, 1)]
        return [2.0 ** round(math.log2(each.shape[-2] / largest[0])) for each in maps]

    def forward(
        self, x: Mapping[str, Tensor], boxes: list[Tensor], image_shapes: Sequence[tuple[int, int]]
    ) -> Tensor:
        """Regions ``(number of boxes, C, *output_size)`` of the maps ``x``; ``boxes`` has one (L, 4) for each picture."""
        maps = [value for name, value in x.items() if name in self.featmap_names]
        scales = self._scales(maps, image_shapes)
        numbered = cat([cat([each.new_full((len(each), 1), i), each], 1) for i, each in enumerate(boxes)])
        if len(maps) == 1:
            return roi_align(maps[0], numbered, self.output_size, scales[0], self.sampling_ratio)
        least, most = -math.log2(scales[0]), -math.log2(scales[-1])
        sizes = box_area(cat(boxes)).sqrt()
        level = (self.canonical_level + (sizes / self.canonical_scale).log2() + 1e-6).floor()
        level = level.clamp(min=least, max=most) - least
        result: Tensor = maps[0].new_zeros((len(numbered), maps[0].shape[1], *self.output_size))
        for number, (each, scale) in enumerate(zip(maps, scales, strict=True)):
            chosen = (level == number).nonzero().squeeze(1)
            if len(chosen):
                found = roi_align(each, numbered[chosen], self.output_size, scale, self.sampling_ratio)
                result[chosen] = found.to(result.dtype)
        return result

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(featmap_names={self.featmap_names}, output_size={self.output_size}, "
            f"sampling_ratio={self.sampling_ratio})"
        )
