"""Vision transformers. Dosovitskiy et al., "An image is worth 16x16 words", 2020."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

from ... import nn
from ...core.tensor import Tensor
from ...ops.creation import empty, zeros
from ...ops.joining import cat
from ..ops.misc import MLP
from .weights import builder, weights_class

# Patch size, layers, heads, width, width of the MLPs, files.
_SIZES: dict[str, tuple[int, int, int, int, int, dict[str, str]]] = {
    "b_16": (16, 12, 12, 768, 3072, {
        "IMAGENET1K_V1": "vit_b_16-c867db91.pth",
        "IMAGENET1K_SWAG_E2E_V1": "vit_b_16_swag-9ac1b537.pth",
        "IMAGENET1K_SWAG_LINEAR_V1": "vit_b_16_lc_swag-4e70ced5.pth",
    }),
    "b_32": (32, 12, 12, 768, 3072, {"IMAGENET1K_V1": "vit_b_32-d86f8d99.pth"}),
    "l_16": (16, 24, 16, 1024, 4096, {
        "IMAGENET1K_V1": "vit_l_16-852ce7e3.pth",
        "IMAGENET1K_SWAG_E2E_V1": "vit_l_16_swag-4f3808c9.pth",
        "IMAGENET1K_SWAG_LINEAR_V1": "vit_l_16_lc_swag-4d563306.pth",
    }),
    "l_32": (32, 24, 16, 1024, 4096, {"IMAGENET1K_V1": "vit_l_32-c7638314.pth"}),
    "h_14": (14, 32, 16, 1280, 5120, {
        "IMAGENET1K_SWAG_E2E_V1": "vit_h_14_swag-80465313.pth",
        "IMAGENET1K_SWAG_LINEAR_V1": "vit_h_14_lc_swag-c1eb923e.pth",
    }),
}  # fmt: skip
BUILDERS = tuple(f"vit_{size}" for size in _SIZES)
Norm = Callable[..., nn.Module]
_NORM = partial(nn.LayerNorm, eps=1e-6)


class MLPBlock(MLP):
    """Two linear layers with a GELU between them."""

    _version = 2

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__(in_dim, [mlp_dim, in_dim], activation_layer=nn.GELU, inplace=None, dropout=dropout)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.normal_(module.bias, std=1e-6)


class EncoderBlock(nn.Module):
    """Self-attention and an MLP, each after a norm and added to its input."""

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Norm = _NORM,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(
            hidden_dim, num_heads, dropout=attention_dropout, batch_first=True
        )
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Tensor) -> Tensor:
        """``(N, patches, hidden_dim)`` to the same shape."""
        if input.dim() != 3:
            raise AssertionError(f"Expected (batch_size, seq_length, hidden_dim) got {tuple(input.shape)}")
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + input
        result: Tensor = x + self.mlp(self.ln_2(x))
        return result


class Encoder(nn.Module):
    """The blocks, with the places of the patches added before."""

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Norm = _NORM,
    ) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(empty(1, seq_length, hidden_dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for i in range(num_layers):
            layers[f"encoder_layer_{i}"] = EncoderBlock(
                num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer
            )
        self.layers = nn.Sequential(layers)
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: Tensor) -> Tensor:
        """``(N, patches, hidden_dim)`` to the same shape."""
        if input.dim() != 3:
            raise AssertionError(f"Expected (batch_size, seq_length, hidden_dim) got {tuple(input.shape)}")
        result: Tensor = self.ln(self.layers(self.dropout(input + self.pos_embedding)))
        return result


class VisionTransformer(nn.Module):
    """Pictures ``(N, 3, image_size, image_size)`` to scores ``(N, num_classes)``.

    Raises ``AssertionError`` where the pictures have another size, or can't be cut into patches.
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
        representation_size: int | None = None,
        norm_layer: Norm = _NORM,
        conv_stem_configs: Any = None,
    ) -> None:
        super().__init__()
        if image_size % patch_size:
            raise AssertionError("Input shape indivisible by patch size!")
        if conv_stem_configs is not None:
            raise NotImplementedError(
                "VisionTransformer: conv_stem_configs is not available; the stem is one convolution"
            )
        self.image_size, self.patch_size, self.hidden_dim = image_size, patch_size, hidden_dim
        self.mlp_dim, self.attention_dropout, self.dropout = mlp_dim, attention_dropout, dropout
        self.num_classes, self.representation_size, self.norm_layer = (
            num_classes,
            representation_size,
            norm_layer,
        )
        self.conv_proj = nn.Conv2d(3, hidden_dim, kernel_size=patch_size, stride=patch_size)
        self.class_token = nn.Parameter(zeros(1, 1, hidden_dim))
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.encoder = Encoder(
            self.seq_length,
            num_layers,
            num_heads,
            hidden_dim,
            mlp_dim,
            dropout,
            attention_dropout,
            norm_layer,
        )
        heads: OrderedDict[str, nn.Module] = OrderedDict()
        if representation_size is None:
            heads["head"] = nn.Linear(hidden_dim, num_classes)
        else:
            heads["pre_logits"] = nn.Linear(hidden_dim, representation_size)
            heads["act"] = nn.Tanh()
            heads["head"] = nn.Linear(representation_size, num_classes)
        self.heads = nn.Sequential(heads)
        width = 3 * patch_size * patch_size
        nn.init.trunc_normal_(self.conv_proj.weight, std=math.sqrt(1 / width))
        if self.conv_proj.bias is not None:
            nn.init.zeros_(self.conv_proj.bias)
        before = heads.get("pre_logits")
        if isinstance(before, nn.Linear):
            nn.init.trunc_normal_(before.weight, std=math.sqrt(1 / before.in_features))
            nn.init.zeros_(before.bias)
        head: Any = heads["head"]
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)

    def _process_input(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        for side, extent in (("height", height), ("width", width)):
            if extent != self.image_size:
                raise AssertionError(f"Wrong image {side}! Expected {self.image_size} but got {extent}!")
        patches: Tensor = self.conv_proj(x)
        return patches.reshape(batch, self.hidden_dim, -1).permute(0, 2, 1)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """The classes' scores."""
        x = self._process_input(x)
        token = self.class_token.expand(x.shape[0], -1, -1)
        x = self.encoder(cat([token, x], 1))
        scores: Tensor = self.heads(x[:, 0])
        return scores


def _make(image_size: int = 224, **options: Any) -> VisionTransformer:
    return VisionTransformer(image_size=image_size, **options)


def _build(size: str) -> tuple[Any, Any]:
    patch, layers, heads, width, inner, files = _SIZES[size]
    weights = weights_class(f"ViT_{size.upper()}_Weights", **files)
    return weights, builder(
        f"vit_{size}",
        weights,
        _make,
        f"The vision transformer {size.upper()}.",
        patch_size=patch,
        num_layers=layers,
        num_heads=heads,
        hidden_dim=width,
        mlp_dim=inner,
    )


ViT_B_16_Weights, vit_b_16 = _build("b_16")
ViT_B_32_Weights, vit_b_32 = _build("b_32")
ViT_L_16_Weights, vit_l_16 = _build("l_16")
ViT_L_32_Weights, vit_l_32 = _build("l_32")
ViT_H_14_Weights, vit_h_14 = _build("h_14")
