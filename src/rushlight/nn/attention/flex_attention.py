"""Attention whose scores a program changes: ``torch.nn.attention.flex_attention``.

``score_mod`` and ``mask_mod`` are written for one score and four positions. Here they are called once, with the scores of
all pairs and positions that broadcast to them: they may index tensors by positions, compute and compare, as PyTorch
allows. Blocks that a mask leaves out are computed like the others; the block's size decides nothing but ``sparsity()``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict

from ...core.tensor import Tensor
from ...ops.creation import arange
from ...ops.linalg import matmul
from ..functional.padding import pad

_Signature = Callable[..., Any]
_BLOCK = _DEFAULT_SPARSE_BLOCK_SIZE = 128


class AuxRequest(NamedTuple):
    """What ``flex_attention`` should give beside its result: the logarithms of sums, the largest scores."""

    lse: bool = False
    max_scores: bool = False


class FlexKernelOptions(TypedDict, total=False):
    """How a GPU's kernel is to be cut up, for ``kernel_options``: accepted, and chosen by the compiler here."""

    num_warps: int
    num_stages: int
    BLOCK_M: int
    BLOCK_N: int
    BLOCK_M1: int
    BLOCK_N1: int
    BLOCK_M2: int
    BLOCK_N2: int
    PRESCALE_QK: bool
    ROWS_GUARANTEED_SAFE: bool
    BLOCKS_ARE_CONTIGUOUS: bool
    WRITE_DQ: bool
    FORCE_USE_FLEX_ATTENTION: bool
    USE_TMA: bool
    kpack: int
    matrix_instr_nonkdim: int
    waves_per_eu: int
    BACKEND: str


class AuxOutput(NamedTuple):
    """What was asked for with an ``AuxRequest``; None for the rest."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


def noop_mask(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """A mask that leaves nothing out."""
    return (batch + head + token_q + token_kv) >= 0


def _positions(count: int, dim: int, device: Any) -> Tensor:
    shape = [1, 1, 1, 1]
    shape[dim] = count
    result: Tensor = arange(count, device=device).reshape(shape)
    return result


def create_mask(
    mod_fn: _Signature, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = "cpu"
) -> Tensor:
    """The mask of ``mod_fn(b, h, q_idx, kv_idx)`` as a bool tensor of shape (B or 1, H or 1, Q_LEN, KV_LEN).

    Example:
        >>> create_mask(lambda b, h, q, k: q >= k, None, None, 2, 2)
        tensor([[[[ True, False],
                  [ True,  True]]]])
    """
    extents = (B or 1, H or 1, Q_LEN, KV_LEN)
    places = [_positions(count, dim, device) for dim, count in enumerate(extents)]
    mask: Tensor = mod_fn(*places).expand(extents).contiguous()
    return mask


def and_masks(*mask_mods: _Signature) -> _Signature:
    """A mask of what all of the masks keep; ``RuntimeError`` for what can't be called."""
    _check_callable("and_masks", mask_mods)

    def both(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Any:
        result: Any = noop_mask(b, h, q_idx, kv_idx)
        for mask in mask_mods:
            result = result & mask(b, h, q_idx, kv_idx)
        return result

    return both


def or_masks(*mask_mods: _Signature) -> _Signature:
    """A mask of what any of the masks keeps; ``RuntimeError`` for what can't be called."""
    _check_callable("or_masks", mask_mods)

    def either(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Any:
        result: Any = ~noop_mask(b, h, q_idx, kv_idx)
        for mask in mask_mods:
            result = result | mask(b, h, q_idx, kv_idx)
        return result

    return either


def _check_callable(name: str, functions: tuple[Any, ...]) -> None:
    if not all(callable(function) for function in functions):
        raise RuntimeError(f"{name}: all arguments should be callable mask_mods: {functions}")


class BlockMask:
    """A mask for ``flex_attention``: see ``create_block_mask``. ``shape`` is (B, H, Q_LEN, KV_LEN)."""

    def __init__(self, mask: Tensor, mask_mod: _Signature, block_size: tuple[int, int]) -> None:
        self.mask = mask
        self.mask_mod = mask_mod
        self.BLOCK_SIZE = block_size
        self.seq_lengths: tuple[int, int] = (mask.shape[-2], mask.shape[-1])

    @property
    def shape(self) -> tuple[int, ...]:
        """(B, H, Q_LEN, KV_LEN)."""
        return tuple(self.mask.shape)

    def to_dense(self) -> Tensor:
        """Which blocks hold anything that is kept: of shape (B, H, blocks of queries, blocks of keys), int32."""
        rows, columns = self.BLOCK_SIZE
        down, across = (
            math.ceil(n / size) for n, size in zip(self.seq_lengths, self.BLOCK_SIZE, strict=True)
        )
        added = (0, across * columns - self.seq_lengths[1], 0, down * rows - self.seq_lengths[0])
        padded: Any = pad(self.mask, added, value=False)
        blocks = padded.reshape(*self.shape[:2], down, rows, across, columns)
        kept: Tensor = blocks.any(5).any(3).int()
        return kept

    def numel(self) -> int:
        """How many pairs there are, kept or not."""
        return math.prod(self.shape)

    def sparsity(self) -> float:
        """Percent of the pairs that are in no block with anything kept; below 0 where blocks reach over the end."""
        computed = int(self.to_dense().sum()) * math.prod(self.BLOCK_SIZE)
        return 100 * (1 - computed / self.numel())

    def to(self, device: Any) -> BlockMask:
        """The mask on another device."""
        return BlockMask(self.mask.to(device), self.mask_mod, self.BLOCK_SIZE)

    def __repr__(self) -> str:
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%)"


def create_block_mask(
    mask_mod: _Signature,
    B: int | None,
    H: int | None,
    Q_LEN: int,
    KV_LEN: int,
    device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = _BLOCK,
    _compile: bool = False,
) -> BlockMask:
    """The mask of ``mask_mod(b, h, q_idx, kv_idx)``, which says which pairs are kept; ``B`` or ``H`` None: the same for all.

    Example:
        >>> create_block_mask(lambda b, h, q, k: q >= k, None, None, 256, 256).sparsity()
        25.0
    """
    if not callable(mask_mod):
        raise AssertionError(f"create_block_mask: mask_mod must be callable, got {type(mask_mod).__name__}")
    size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else tuple(BLOCK_SIZE)
    mask = create_mask(mask_mod, B, H, Q_LEN, KV_LEN, "cpu" if device is None else device)
    return BlockMask(mask, mask_mod, (size[0], size[1]))


def flex_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: _Signature | None = None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: Any = None,
    *,
    return_aux: Any = None,
) -> Any:
    """``softmax(score_mod(query @ key.T * scale)) @ value``, over the pairs that ``block_mask`` keeps.

    Args:
        query: (B, H, L, E); key and value: (B, H, S, E), with fewer heads if ``enable_gqa``.
        score_mod: ``(score, b, h, q_idx, kv_idx)`` → the score to use.
        scale: 1/√E by default.
        return_lse: also give the logarithm of each query's sum of exponentials, (B, H, L).
        return_aux: an ``AuxRequest``: also give an ``AuxOutput`` with what it asks for.

    A query that keeps nothing has the result 0. Raises ``ValueError`` for shapes that do not go together.

    Example:
        >>> import rushlight as torch
        >>> q = torch.ones(1, 1, 2, 4)
        >>> flex_attention(q, q, q, score_mod=lambda s, b, h, i, j: s - (i - j).abs()).shape
        torch.Size([1, 1, 2, 4])
    """
    if query.ndim != 4 or key.ndim != 4 or value.ndim != 4:
        raise NotImplementedError("flex_attention: query, key and value must have 4 dimensions")
    heads, shared = query.shape[1], key.shape[1]
    if heads != shared:
        if not enable_gqa:
            raise ValueError(
                f"Expect query and key/value to have the same number of heads but got Hq={heads} and Hkv={shared}. "
                "Try setting enable_gqa=True for GQA."
            )
        if heads % shared:
            raise ValueError(
                f"Expect number of query heads to be a multiple of kv heads but got Hq={heads} and Hkv={shared}."
            )
        key, value = (tensor.repeat_interleave(heads // shared, 1) for tensor in (key, value))
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores: Any = matmul(query, key.transpose(-2, -1)) * factor
    if score_mod is not None:
        places = [_positions(count, dim, query.device) for dim, count in enumerate(scores.shape)]
        scores = score_mod(scores, *places).expand(scores.shape)
    kept = None
    if block_mask is not None:
        if block_mask.seq_lengths != (scores.shape[-2], scores.shape[-1]):
            raise ValueError(
                f"block_mask was created for block_mask.shape={block_mask.shape} but got q_len={scores.shape[-2]} and "
                f"kv_len={scores.shape[-1]}. Make a mask of these lengths."
            )
        kept = block_mask.mask
        scores = scores.masked_fill(~kept, -math.inf)
    total = scores.logsumexp(-1)
    weights = (scores - total.masked_fill(total == -math.inf, 0.0).unsqueeze(-1)).exp()
    result: Tensor = matmul(weights.to(value.dtype), value)
    if return_aux is not None:
        largest = scores.amax(-1) if return_aux.max_scores else None
        return result, AuxOutput(total if return_aux.lse else None, largest)
    return (result, total) if return_lse else result
