"""What is known of a result's shape from what is known of its operands'."""

from __future__ import annotations

from collections.abc import Sequence

from .graph import Tensor
from .tensor_shape import UNKNOWN, TensorShape, bracketed


def _refused(text: str, name: str, kind: str, operands: Sequence[Tensor]) -> ValueError:
    shapes = ", ".join(bracketed(operand.shape) for operand in operands)
    return ValueError(f"{text} for '{name}' (op: '{kind}') with input shapes: {shapes}.")


def broadcast(kind: str, name: str, operands: Sequence[Tensor]) -> TensorShape:
    """The common shape of operands that are broadcast; ``ValueError`` in TensorFlow's words if there is none."""
    result: list[int | None] = []
    for operand in operands:
        extents = operand.shape.extents
        if extents is None:
            return UNKNOWN
        rank = max(len(result), len(extents))
        left: list[int | None] = [*[1] * (rank - len(result)), *result]
        right: list[int | None] = [*[1] * (rank - len(extents)), *extents]
        result = []
        # From the last axis on, as TensorFlow's messages have it.
        for a, b in zip(reversed(left), reversed(right), strict=True):
            if a in (1, b):
                result.append(b)
            elif b == 1:
                result.append(a)
            elif a is None or b is None:
                result.append(b if a is None else a)
            else:
                raise _refused(f"Dimensions must be equal, but are {a} and {b}", name, kind, operands)
        result.reverse()
    return TensorShape(result)


def matmul(name: str, a: Tensor, b: Tensor, transpose_a: bool, transpose_b: bool) -> TensorShape:
    """The shape of a (batched) matrix product; ``ValueError`` where the inner extents differ or the ranks are wrong."""
    left, right = a.shape.extents, b.shape.extents
    kind = (
        "MatMul"
        if (left is None or len(left) == 2) and (right is None or len(right) == 2)
        else "BatchMatMulV2"
    )
    for extents in (left, right):
        if extents is not None and len(extents) < 2:
            raise _refused(f"Shape must be rank 2 but is rank {len(extents)}", name, kind, (a, b))
    if left is None or right is None:
        return UNKNOWN
    rows, inner = (left[-1], left[-2]) if transpose_a else (left[-2], left[-1])
    inner_b, columns = (right[-1], right[-2]) if transpose_b else (right[-2], right[-1])
    if inner is not None and inner_b is not None and inner != inner_b:
        raise _refused(f"Dimensions must be equal, but are {inner} and {inner_b}", name, kind, (a, b))
    if len(left) == 2 and len(right) == 2:
        return TensorShape([rows, columns])
    batch: list[int | None] = []
    rank = max(len(left), len(right)) - 2
    ones: tuple[int | None, ...] = (1,)
    for x, y in zip(
        ones * (rank + 2 - len(left)) + left[:-2], ones * (rank + 2 - len(right)) + right[:-2], strict=True
    ):
        batch.append(y if x == 1 or x is None else x)
    return TensorShape([*batch, rows, columns])


def reduced(shape: TensorShape, axes: Sequence[int] | None, keepdims: bool) -> TensorShape:
    """The shape that is left when ``axes`` (None: all) are reduced."""
    extents = shape.extents
    if axes is None and not keepdims:
        return TensorShape([])
    if extents is None:
        return UNKNOWN
    rank = len(extents)
    gone = set(range(rank)) if axes is None else {_axis(axis, rank) for axis in axes}
    if keepdims:
        return TensorShape([1 if i in gone else extent for i, extent in enumerate(extents)])
    return TensorShape([extent for i, extent in enumerate(extents) if i not in gone])


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise ValueError(f"Invalid reduction dimension {axis} for input with {rank} dimensions.")
    return axis % rank


def concatenated(shapes: Sequence[TensorShape], axis: int) -> TensorShape:
    """The shape of arrays joined along ``axis``; ``ValueError`` if another extent differs."""
    known = [shape.extents for shape in shapes if shape.extents is not None]
    if not known:
        return UNKNOWN
    rank = len(known[0])
    if not -rank <= axis < rank:
        raise ValueError(f"Concat dimension {axis} is out of range for rank {rank}")
    axis %= rank
    others = TensorShape([None] * rank)
    total: int | None = 0
    for shape in shapes:
        if shape.extents is None:
            total = None
            continue
        if len(shape.extents) != rank:
            raise ValueError(
                f"Shapes must be equal rank, but are {rank} and {len(shape.extents)} for 'concat' (op: 'ConcatV2') with "
                f"input shapes: {', '.join(bracketed(item) for item in shapes)}."
            )
        extent = shape.extents[axis]
        total = None if total is None or extent is None else total + extent
        others = others.merge_with([None if i == axis else e for i, e in enumerate(shape.extents)])
    assert others.extents is not None
    return TensorShape([total if i == axis else extent for i, extent in enumerate(others.extents)])


def reshaped(shape: TensorShape, wanted: TensorShape, numbers: Sequence[int] | None) -> TensorShape:
    """``wanted`` with the extent that -1 stands for, where it follows; ``ValueError`` if the sizes can't agree."""
    count = shape.num_elements()
    if numbers is None or count is None:
        return wanted
    if numbers.count(-1) > 1:
        raise ValueError(
            f"reshape: the shape {list(numbers)} has several -1; at most one extent can follow from the rest"
        )
    rest = 1
    for number in numbers:
        rest *= number if number != -1 else 1
    if -1 in numbers:
        if rest == 0 or count % rest:
            raise ValueError(
                f"Dimension size must be evenly divisible by {rest} but is {count} for 'Reshape' (op: 'Reshape') with "
                f"input shapes: {bracketed(shape)}, [{len(numbers)}] and with input tensors computed as partial shapes: "
                f"input[1] = {bracketed(wanted)}."
            )
        return TensorShape([count // rest if number == -1 else number for number in numbers])
    if rest != count:
        raise ValueError(
            f"Cannot reshape a tensor with {count} elements to shape {bracketed(wanted)} ({rest} elements) for 'Reshape' "
            f"(op: 'Reshape') with input shapes: {bracketed(shape)}, [{len(numbers)}]."
        )
    return wanted


def windows(extent: int | None, size: int, stride: int, padding: str, dilation: int = 1) -> int | None:
    """How many windows of ``size`` fit along ``extent`` with TensorFlow's ``padding``, "SAME" or "VALID"."""
    if extent is None:
        return None
    if padding == "SAME":
        return -(-extent // stride)
    return max(0, -(-(extent - (size - 1) * dilation) // stride))
