"""Boxes ``(x1, y1, x2, y2)`` in tensors ``(N, 4)``: their areas, overlaps, and which of them to keep."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ...core.tensor import Tensor
from ...ops.bounds import maximum, minimum
from ...ops.creation import empty, from_numpy, zeros
from ...ops.joining import cat, stack

_FORMATS: Final = ("xyxy", "xywh", "cxcywh", "xywhr", "cxcywhr", "xyxyxyxy")


def _wide(boxes: Tensor) -> Tensor:
    """``boxes`` in a dtype in which products of sides do not overflow."""
    if boxes.is_floating_point():
        return boxes if boxes.dtype.name in ("float32", "float64") else boxes.float()
    return boxes if boxes.dtype.name in ("int32", "int64") else boxes.int()


def box_area(boxes: Tensor) -> Tensor:
    """The areas of boxes ``(..., 4)``: ``(...)``.

    Example:
        >>> import rushlight as torch
        >>> box_area(torch.tensor([[0.0, 0.0, 2.0, 3.0]]))
        tensor([6.])
    """
    boxes = _wide(boxes)
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _inter_union(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    area1, area2 = box_area(boxes1), box_area(boxes2)
    low = maximum(boxes1[..., None, :2], boxes2[..., None, :, :2])
    high = minimum(boxes1[..., None, 2:], boxes2[..., None, :, 2:])
    sides = _wide(high - low).clamp(min=0)
    inter = sides[..., 0] * sides[..., 1]
    return inter, area1[..., None] + area2[..., None, :] - inter


def box_iou(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> Tensor:
    """How much each of ``(N, 4)`` boxes overlaps each of ``(M, 4)``, as a share of their union: ``(N, M)``.

    Example:
        >>> import rushlight as torch
        >>> box_iou(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0]]))
        tensor([[0.3333]])
    """
    if fmt != "xyxy":
        boxes1, boxes2 = box_convert(boxes1, fmt, "xyxy"), box_convert(boxes2, fmt, "xyxy")
    inter, union = _inter_union(boxes1, boxes2)
    return inter / union


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """``box_iou`` less the share of the smallest box around both that neither covers: ``(N, M)``."""
    inter, union = _inter_union(boxes1, boxes2)
    low = minimum(boxes1[..., None, :2], boxes2[..., None, :, :2])
    high = maximum(boxes1[..., None, 2:], boxes2[..., None, :, 2:])
    sides = _wide(high - low).clamp(min=0)
    around = sides[..., 0] * sides[..., 1]
    return inter / union - (around - union) / around  # type: ignore[no-any-return]


def _distance_terms(boxes1: Tensor, boxes2: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    iou = box_iou(boxes1, boxes2)
    low = minimum(boxes1[..., None, :2], boxes2[..., None, :, :2])
    high = maximum(boxes1[..., None, 2:], boxes2[..., None, :, 2:])
    sides = _wide(high - low).clamp(min=0)
    diagonal = sides[..., 0] ** 2 + sides[..., 1] ** 2 + eps
    centers1 = (boxes1[..., :2] + boxes1[..., 2:]) / 2
    centers2 = (boxes2[..., :2] + boxes2[..., 2:]) / 2
    apart = _wide(centers1[..., None, :] - centers2[..., None, :, :])
    return iou - (apart[..., 0] ** 2 + apart[..., 1] ** 2) / diagonal, iou


def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """``box_iou`` less the squared distance of the centers, as a share of the squared diagonal around both: ``(N, M)``."""
    return _distance_terms(_wide(boxes1), _wide(boxes2), eps)[0]


def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """``distance_box_iou`` less a term for how much the sides' ratios differ: ``(N, M)``."""
    import math

    boxes1, boxes2 = _wide(boxes1), _wide(boxes2)
    distance, iou = _distance_terms(boxes1, boxes2, eps)
    angle1 = ((boxes1[..., 2] - boxes1[..., 0]) / (boxes1[..., 3] - boxes1[..., 1])).atan()
    angle2 = ((boxes2[..., 2] - boxes2[..., 0]) / (boxes2[..., 3] - boxes2[..., 1])).atan()
    v = 4 / math.pi**2 * (angle1[..., None] - angle2[..., None, :]) ** 2
    weight = (v / (1 - iou + v + eps)).detach()
    return distance - weight * v  # type: ignore[no-any-return]


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes ``(N, 4)`` in another form: "xyxy" (two corners), "xywh" (corner and size) or "cxcywh" (center and size).

    Raises ``ValueError`` for another form.

    Example:
        >>> import rushlight as torch
        >>> box_convert(torch.tensor([[0.0, 0.0, 2.0, 4.0]]), "xyxy", "cxcywh")
        tensor([[1., 2., 2., 4.]])
    """
    allowed = ("xyxy", "xywh", "cxcywh")
    if in_fmt not in allowed or out_fmt not in allowed:
        raise ValueError(
            f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}"
        )
    if in_fmt == out_fmt:
        return boxes.clone()  # type: ignore[no-any-return]
    a, b, c, d = boxes.unbind(-1)
    if in_fmt == "xywh":
        c, d = a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        c, d = c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return stack((a, b, c, d), dim=-1)


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes ``(..., 4)`` with what lies outside of a picture (height, width) cut off."""
    height, width = size
    x = boxes[..., 0::2].clamp(min=0, max=width)
    y = boxes[..., 1::2].clamp(min=0, max=height)
    return stack((x, y), dim=boxes.dim()).reshape(boxes.shape)  # type: ignore[no-any-return]


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """The numbers of the boxes ``(N, 4)`` whose sides are both at least ``min_size``."""
    wide = (boxes[:, 2] - boxes[:, 0]) >= min_size
    high = (boxes[:, 3] - boxes[:, 1]) >= min_size
    found: Tensor = (wide & high).nonzero()[:, 0]
    return found


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """The numbers of the boxes ``(N, 4)`` to keep, by falling score: those that overlap none of higher score by more than
    ``iou_threshold`` (of their union). int64 ``(K,)``. Not differentiated.

    Raises ``RuntimeError`` for other shapes.

    Example:
        >>> import rushlight as torch
        >>> boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9], [3.0, 3.0, 4.0, 4.0]])
        >>> nms(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5)
        tensor([1, 2])
    """
    if boxes.dim() != 2 or boxes.shape[1] != 4:
        raise RuntimeError(f"boxes should be a 2d tensor of (N, 4), got {list(boxes.shape)}")
    if scores.dim() != 1 or scores.shape[0] != boxes.shape[0]:
        raise RuntimeError(
            f"boxes and scores should have same number of elements in dimension 0, got {boxes.shape[0]} and "
            f"{list(scores.shape)}"
        )
    places = boxes.detach().cpu().numpy()
    order = np.argsort(-scores.detach().cpu().numpy(), kind="stable")
    x1, y1, x2, y2 = places.T
    areas = (x2 - x1) * (y2 - y1)
    kept: list[int] = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        width = np.maximum(0, np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest]))
        height = np.maximum(0, np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest]))
        inter = width * height
        with np.errstate(invalid="ignore", divide="ignore"):
            overlap = inter / (areas[best] + areas[rest] - inter)
        order = rest[~(overlap > iou_threshold)]
    return from_numpy(np.array(kept, np.int64)).to(boxes.device)  # type: ignore[no-any-return]


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """``nms`` in which boxes of different classes ``idxs`` ``(N,)`` never suppress each other."""
    if not boxes.numel():
        return empty((0,), dtype=idxs.dtype if idxs.dtype.name == "int64" else None).long()  # type: ignore[no-any-return]
    apart = idxs.to(boxes.dtype) * (boxes.max() + 1)
    return nms(boxes + apart[:, None], scores, iou_threshold)


def masks_to_boxes(masks: Tensor) -> Tensor:
    """The smallest boxes around the masks ``(N, H, W)``: float32 ``(N, 4)``. Raises ``ValueError`` for an empty mask."""
    if not masks.numel():
        return zeros((0, 4), device=masks.device)  # type: ignore[no-any-return]
    found: list[Any] = []
    for mask in masks:
        y, x = (mask != 0).nonzero(as_tuple=True)
        found.append(stack((x.min(), y.min(), x.max(), y.max())).float())
    return cat([each[None] for each in found])
