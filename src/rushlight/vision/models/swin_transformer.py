"""Swin transformers. Liu et al., "Swin transformer: hierarchical vision transformer using shifted windows", 2021."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ... import nn
from ...core.tensor import Tensor
from ...ops.creation import arange, zeros
from ...ops.joining import cat
from ..ops.misc import MLP, Permute, StochasticDepth
from .weights import builder, weights_class

Norm = Callable[..., nn.Module]

# Width of the first stage, blocks, heads, the probability of dropping the last block, the file.
_SIZES: dict[str, tuple[int, tuple[int, ...], tuple[int, ...], float, str]] = {
    "t": (96, (2, 2, 6, 2), (3, 6, 12, 24), 0.2, "swin_t-704ceda3.pth"),
    "s": (96, (2, 2, 18, 2), (3, 6, 12, 24), 0.3, "swin_s-5e29d889.pth"),
    "b": (128, (2, 2, 18, 2), (4, 8, 16, 32), 0.5, "swin_b-68c6b09e.pth"),
}
BUILDERS = tuple(f"swin_{size}" for size in _SIZES)


class PatchMerging(nn.Module):
    """Four neighbouring places become one of twice the width: ``(..., H, W, dim)`` to ``(..., H / 2, W / 2, 2 · dim)``."""

    def __init__(self, dim: int, norm_layer: Norm = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """The joined places; odd sides are filled up with zeros."""
        height, width = x.shape[-3:-1]
        x = nn.functional.pad(x, (0, 0, 0, width % 2, 0, height % 2))
        parts = [x[..., down::2, right::2, :] for right in (0, 1) for down in (0, 1)]
        joined: Tensor = self.reduction(self.norm(cat(parts, -1)))
        return joined


def _relative_places(window: Sequence[int]) -> Tensor:
    """For each pair of places in a window, the row of the table that belongs to their distance."""
    down = arange(window[0]).unsqueeze(1).expand(window[0], window[1]).reshape(-1)
    right = arange(window[1]).unsqueeze(0).expand(window[0], window[1]).reshape(-1)
    rows = down.unsqueeze(1) - down.unsqueeze(0) + window[0] - 1
    columns = right.unsqueeze(1) - right.unsqueeze(0) + window[1] - 1
    return (rows * (2 * window[1] - 1) + columns).flatten()  # type: ignore[no-any-return]


class ShiftedWindowAttention(nn.Module):
    """Self-attention inside windows, which are shifted; ``(N, H, W, dim)`` to the same shape."""

    def __init__(
        self,
        dim: int,
        window_size: list[int],
        shift_size: list[int],
        num_heads: int,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(window_size) != 2 or len(shift_size) != 2:
            raise ValueError("window_size and shift_size must be of length 2")
        self.window_size, self.shift_size, self.num_heads = window_size, shift_size, num_heads
        self.attention_dropout, self.dropout = attention_dropout, dropout
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)
        entries = (2 * window_size[0] - 1) * (2 * window_size[1] - 1)
        self.relative_position_bias_table = nn.Parameter(zeros(entries, num_heads))
        self.register_buffer("relative_position_index", _relative_places(window_size))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def _bias(self) -> Tensor:
        places = self.window_size[0] * self.window_size[1]
        found = self.relative_position_bias_table[self.relative_position_index]
        return found.reshape(places, places, -1).permute(2, 0, 1).unsqueeze(0)  # type: ignore[no-any-return]

    def _windows(self, x: Tensor) -> Tensor:
        batch, height, width, dim = x.shape
        down, right = self.window_size
        split = x.reshape(batch, height // down, down, width // right, right, dim)
        return split.permute(0, 1, 3, 2, 4, 5).reshape(-1, down * right, dim)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """What each place takes from those in its window."""
        batch, height, width, dim = x.shape
        down, right = self.window_size
        padded = nn.functional.pad(x, (0, 0, 0, -width % right, 0, -height % down))
        rows, columns = padded.shape[1:3]
        # A window that covers a whole side needs no shift.
        shift = [0 if extent <= window else step for extent, window, step in
                 zip((rows, columns), self.window_size, self.shift_size, strict=True)]  # fmt: skip
        shifted = padded.roll((-shift[0], -shift[1]), (1, 2)) if sum(shift) else padded
        windows = self._windows(shifted)
        count, places, _ = windows.shape
        heads = self.num_heads
        mixed = self.qkv(windows).reshape(count, places, 3, heads, dim // heads).permute(2, 0, 3, 1, 4)
        q, k, v = mixed[0] * (dim // heads) ** -0.5, mixed[1], mixed[2]
        scores = q @ k.transpose(-2, -1) + self._bias()
        if sum(shift):
            scores = scores + self._apart(x, rows, columns, shift, batch)
        weights = nn.functional.softmax(scores, dim=-1)
        weights = nn.functional.dropout(weights, p=self.attention_dropout, training=self.training)
        found = (weights @ v).transpose(1, 2).reshape(count, places, dim)
        found = nn.functional.dropout(self.proj(found), p=self.dropout, training=self.training)
        back = found.reshape(batch, rows // down, columns // right, down, right, dim)
        back = back.permute(0, 1, 3, 2, 4, 5).reshape(batch, rows, columns, dim)
        if sum(shift):
            back = back.roll((shift[0], shift[1]), (1, 2))
        return back[:, :height, :width]  # type: ignore[no-any-return]

    def _apart(self, x: Tensor, rows: int, columns: int, shift: Sequence[int], batch: int) -> Tensor:
        """−100 between places that only the shift has brought into one window: ``(windows, 1, places, places)``."""
        parts = x.new_zeros((rows, columns))
        number = 0
        for top, bottom in self._pieces(0, rows, shift[0]):
            for left, end in self._pieces(1, columns, shift[1]):
                parts[top:bottom, left:end] = number
                number += 1
        windows = self._windows(parts.reshape(1, rows, columns, 1)).squeeze(-1)
        differ = (windows.unsqueeze(1) - windows.unsqueeze(2)) != 0
        mask = x.new_zeros(differ.shape).masked_fill(differ, -100.0)
        return mask.unsqueeze(1).repeat(batch, 1, 1, 1)  # type: ignore[no-any-return]

    def _pieces(self, axis: int, extent: int, shift: int) -> tuple[tuple[int, int], ...]:
        """Of a shifted side: the whole windows, and the two parts that the last window has."""
        last = extent - self.window_size[axis]
        return (0, last), (last, extent - shift), (extent - shift, extent)


class SwinTransformerBlock(nn.Module):
    """Attention in windows and an MLP, each after a norm and added to its input."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: list[int],
        shift_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Norm = nn.LayerNorm,
        attn_layer: Callable[..., nn.Module] = ShiftedWindowAttention,
    ) -> None:
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = attn_layer(
            dim, window_size, shift_size, num_heads, attention_dropout=attention_dropout, dropout=dropout
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        self.mlp = MLP(
            dim, [int(dim * mlp_ratio), dim], activation_layer=nn.GELU, inplace=None, dropout=dropout
        )
        for module in self.mlp.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.normal_(module.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, H, W, dim)`` to the same shape."""
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]


class SwinTransformer(nn.Module):
    """Pictures ``(N, 3, H, W)`` to scores ``(N, num_classes)``."""

    def __init__(
        self,
        patch_size: list[int],
        embed_dim: int,
        depths: Sequence[int],
        num_heads: Sequence[int],
        window_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.1,
        num_classes: int = 1000,
        norm_layer: Norm | None = None,
        block: Callable[..., nn.Module] | None = None,
        downsample_layer: Callable[..., nn.Module] = PatchMerging,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        make = block or SwinTransformerBlock
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-5)
        size = (patch_size[0], patch_size[1])
        layers: list[nn.Module] = [
            nn.Sequential(
                nn.Conv2d(3, embed_dim, kernel_size=size, stride=size), Permute([0, 2, 3, 1]), norm(embed_dim)
            )
        ]
        total = sum(depths)
        number = 0
        for stage, depth in enumerate(depths):
            dim = embed_dim * 2**stage
            blocks = []
            for i in range(depth):
                blocks.append(
                    make(
                        dim,
                        num_heads[stage],
                        window_size=window_size,
                        shift_size=[0 if i % 2 == 0 else width // 2 for width in window_size],
                        mlp_ratio=mlp_ratio,
                        dropout=dropout,
                        attention_dropout=attention_dropout,
                        stochastic_depth_prob=stochastic_depth_prob * float(number) / (total - 1),
                        norm_layer=norm,
                    )
                )
                number += 1
            layers.append(nn.Sequential(*blocks))
            if stage < len(depths) - 1:
                layers.append(downsample_layer(dim, norm))
        self.features = nn.Sequential(*layers)
        last = embed_dim * 2 ** (len(depths) - 1)
        self.norm = norm(last)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(last, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The classes' scores."""
        x = self.permute(self.norm(self.features(x)))
        scores: Tensor = self.head(self.flatten(self.avgpool(x)))
        return scores


def _build(size: str) -> tuple[Any, Any]:
    width, depths, heads, probability, file = _SIZES[size]
    weights = weights_class(f"Swin_{size.upper()}_Weights", IMAGENET1K_V1=file)
    return weights, builder(
        f"swin_{size}",
        weights,
        SwinTransformer,
        f"The Swin transformer {size.upper()}.",
        patch_size=[4, 4],
        embed_dim=width,
        depths=depths,
        num_heads=heads,
        window_size=[7, 7],
        stochastic_depth_prob=probability,
    )


Swin_T_Weights, swin_t = _build("t")
Swin_S_Weights, swin_s = _build("s")
Swin_B_Weights, swin_b = _build("b")
