"""``torchvision.ops`` and ``torchvision.io``: against values worked out by hand and by plain loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rushlight as torch
from rushlight.vision import io, ops

BOXES = [[0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0], [5.0, 5.0, 6.0, 7.0]]


def test_overlaps() -> None:
    boxes = torch.tensor(BOXES)
    assert ops.box_area(boxes).tolist() == [4.0, 4.0, 2.0]
    iou = ops.box_iou(boxes, boxes)
    assert iou.tolist()[0] == pytest.approx([1.0, 1 / 3, 0.0])
    giou = ops.generalized_box_iou(boxes, boxes)
    assert giou[0, 2].item() == pytest.approx(-(42 - 6) / 42) and giou[1, 1].item() == 1.0
    # Centers (1, 1) and (5.5, 6) in a box of 6 by 7.
    assert ops.distance_box_iou(boxes, boxes)[0, 2].item() == pytest.approx(-(4.5**2 + 5**2) / (36 + 49))
    assert ops.complete_box_iou(boxes, boxes)[0, 1].item() == pytest.approx(1 / 3 - 1 / 13, abs=1e-6)


@pytest.mark.parametrize("form", ["xywh", "cxcywh"])
def test_forms_of_boxes(form: str) -> None:
    boxes = torch.tensor(BOXES)
    there = ops.box_convert(boxes, "xyxy", form)
    assert torch.equal(ops.box_convert(there, form, "xyxy"), boxes)
    assert there[2].tolist() == ([5.0, 5.0, 1.0, 2.0] if form == "xywh" else [5.5, 6.0, 1.0, 2.0])
    with pytest.raises(ValueError):
        ops.box_convert(boxes, "xyxy", "rows")


def test_which_boxes_to_keep() -> None:
    torch.manual_seed(0)
    corners = torch.rand(60, 2) * 10
    boxes, scores = torch.cat([corners, corners + 0.5 + torch.rand(60, 2) * 4], 1), torch.rand(60)
    iou = ops.box_iou(boxes, boxes)
    kept: list[int] = []
    for i in scores.argsort(descending=True).tolist():
        if all(iou[i, j] <= 0.3 for j in kept):
            kept.append(i)
    assert ops.nms(boxes, scores, 0.3).tolist() == kept and 3 < len(kept) < 60
    classes = torch.arange(60) % 3
    together = sorted(
        [number for c in range(3) for number in torch.where(classes == c)[0][
            ops.nms(boxes[classes == c], scores[classes == c], 0.3)].tolist()],
        key=lambda number: -scores[number].item(),
    )  # fmt: skip
    assert ops.batched_nms(boxes, scores, classes, 0.3).tolist() == together
    assert ops.nms(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []
    for wrong in ((torch.zeros(2, 3), torch.zeros(2)), (torch.zeros(2, 4), torch.zeros(3))):
        with pytest.raises(RuntimeError):
            ops.nms(*wrong, 0.5)


def test_boxes_in_pictures() -> None:
    boxes = torch.tensor([[-1.0, 2.0, 30.0, 8.0]])
    assert ops.clip_boxes_to_image(boxes, (5, 10)).tolist() == [[0.0, 2.0, 10.0, 5.0]]
    assert ops.remove_small_boxes(torch.tensor(BOXES), 1.5).tolist() == [0, 1]
    masks = torch.zeros(1, 6, 7)
    masks[0, 2:4, 3:6] = 1
    assert ops.masks_to_boxes(masks).tolist() == [[3.0, 2.0, 5.0, 3.0]]


def test_blocks() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 4, 5, 5)
    block = ops.Conv2dNormActivation(4, 6, stride=2)
    assert block(x).shape == (2, 6, 3, 3) and [type(each).__name__ for each in block] == [
        "Conv2d",
        "BatchNorm2d",
        "ReLU",
    ]
    assert ops.SqueezeExcitation(4, 2)(x).shape == x.shape
    norm = torch.nn.BatchNorm2d(4).eval()
    frozen = ops.FrozenBatchNorm2d(4)
    frozen.load_state_dict(norm.state_dict())
    assert torch.allclose(frozen(x), norm(x), atol=1e-6) and not list(frozen.parameters())
    dropped = ops.StochasticDepth(0.5, "row").train()(torch.ones(200, 3))
    assert sorted(set(dropped.flatten().tolist())) == [0.0, 2.0]
    assert [list(row) for row in dropped[:, :1].eq(dropped).all(1, keepdim=True).tolist()].count(
        [True]
    ) == 200
    logits, targets = torch.randn(5), torch.ones(5)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
    assert torch.allclose(ops.sigmoid_focal_loss(logits, targets, alpha=-1, gamma=0, reduction="mean"), plain)


def test_pictures_in_files(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    torch.manual_seed(0)
    picture = torch.randint(0, 256, (3, 4, 5), dtype=torch.uint8)
    path = str(tmp_path / "picture.png")
    io.write_png(picture, path)
    assert torch.equal(io.read_image(path), picture) and torch.equal(
        io.decode_image(io.read_file(path)), picture
    )
    assert io.read_image(path, io.ImageReadMode.GRAY).shape == (1, 4, 5)
    assert io.read_image(path, "RGB_ALPHA").shape == (4, 4, 5)
    smooth = torch.arange(16, dtype=torch.uint8).reshape(1, 4, 4).expand(3, 4, 4) * 8
    loss = (io.decode_jpeg(io.encode_jpeg(smooth, quality=95)).int() - smooth.int()).abs().max().item()
    assert loss < 12  # JPEG rounds
    for wrong in (picture.float(), picture[0]):
        with pytest.raises(RuntimeError):
            io.encode_png(wrong)
    with pytest.raises(RuntimeError, match="no picture"):
        io.decode_image(torch.from_numpy(np.arange(10, dtype=np.uint8)))
    with pytest.raises(NotImplementedError):
        io.read_video(path)
