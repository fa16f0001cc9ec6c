"""Making, reshaping, joining and indexing tensors, under TensorFlow's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import rushlight as rl

from . import dtypes, shape_rules
from .conversion import (
    constant,
    constant_of,
    constant_value,
    convert_n_to_tensor,
    convert_to_tensor,
    known_extent,
    make_array,
    numbers_of,
    shape_argument,
)
from .dtypes import DType, as_dtype
from .graph import Operand, Tensor, node
from .tensor_shape import SCALAR, UNKNOWN, TensorShape, as_shape


def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor whose value is fed to each run; extents of ``shape`` that are None may differ from run to run.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     x = tf.placeholder(tf.float32, shape=(None, 2))
        ...     print(session.run(x * 2.0, feed_dict={x: [[1.0, 2.0]]}))
        [[2. 4.]]
    """
    wanted, known = as_dtype(dtype), as_shape(shape)
    attributes = {"dtype": wanted, "shape": known}
    return node("Placeholder", None, [], wanted, known, name, attributes=attributes)


def placeholder_with_default(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """A tensor with ``input``'s value, unless another is fed; its shape must be compatible with ``shape``."""
    default, known = convert_to_tensor(input), as_shape(shape)
    default.shape.assert_is_compatible_with(known)
    return node("PlaceholderWithDefault", _alias, [default], default.dtype, known, name)


def _alias(x: Any) -> Any:
    # A tensor of its own, so that a gradient for it is not one for `x`.
    return x.view_as(x) if isinstance(x, rl.Tensor) else x


def identity(input: Any, name: str | None = None) -> Tensor:
    """A tensor with the same value."""
    x = convert_to_tensor(input)
    return node("Identity", _alias, [x], x.dtype, x.shape, name)


def stop_gradient(input: Any, name: str | None = None) -> Tensor:
    """A tensor with the same value that counts as a constant in gradients."""
    x = convert_to_tensor(input)
    return node("StopGradient", lambda value: value.detach(), [x], x.dtype, x.shape, name)


# --- shapes -------------------------------------------------------------------------------------------------------------


def shape(input: Any, name: str | None = None, out_type: Any = dtypes.int32) -> Tensor:
    """The shape, as a vector; it is a constant where it is known already."""
    x, dtype = convert_to_tensor(input), as_dtype(out_type)
    if x.shape.is_fully_defined():
        return constant(np.asarray(x.shape.as_list(), dtype.numpy), name=name or "Shape")

    def kernel(value: Any) -> Any:
        return rl.tensor(list(value.shape), dtype=dtype.rushlight)

    return node("Shape", kernel, [x], dtype, [x.shape.ndims], name)


def size(input: Any, name: str | None = None, out_type: Any = dtypes.int32) -> Tensor:
    """The number of elements."""
    x, dtype = convert_to_tensor(input), as_dtype(out_type)
    count = x.shape.num_elements()
    if count is not None:
        return constant(count, dtype, name=name or "Size")
    return node(
        "Size", lambda value: rl.tensor(value.numel(), dtype=dtype.rushlight), [x], dtype, SCALAR, name
    )


def rank(input: Any, name: str | None = None) -> Tensor:
    """The number of dimensions."""
    x = convert_to_tensor(input)
    if x.shape.ndims is not None:
        return constant(x.shape.ndims, dtypes.int32, name=name or "Rank")
    return node("Rank", lambda value: rl.tensor(value.ndim, dtype=rl.int32), [x], dtypes.int32, SCALAR, name)


def reshape(tensor: Any, shape: Any, name: str | None = None) -> Tensor:
    """The same elements in another shape; one extent may be -1 and follow from the others.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> x = tf.placeholder(tf.float32, [None, 28, 28])
        >>> tf.reshape(x, [-1, 784]).shape.as_list()
        [None, 784]
    """
    x = convert_to_tensor(tensor)
    numbers, computed, known = shape_argument(shape)
    known = shape_rules.reshaped(x.shape, known, numbers)
    if computed is not None:
        return node(
            "Reshape",
            lambda value, to: rl.reshape(value, numbers_of(to)),
            [x, computed],
            x.dtype,
            known,
            name,
        )
    to = tuple(numbers or ())
    kernel = (
        (lambda value: value.reshape(to))
        if x.dtype is dtypes.string
        else (lambda value: rl.reshape(value, to))
    )
    return node("Reshape", kernel, [x], x.dtype, known, name)


def transpose(a: Any, perm: Any = None, name: str = "transpose", conjugate: bool = False) -> Tensor:
    """The axes in another order; without ``perm``, reversed."""
    x = convert_to_tensor(a)
    order = None if perm is None else constant_value(perm)
    if perm is not None and order is None:
        raise ValueError("transpose: perm must be known when the graph is built")
    axes = None if order is None else [int(axis) for axis in order]
    known = UNKNOWN
    if x.shape.ndims is not None:
        extents = x.shape.as_list()
        if axes is not None and sorted(axes) != list(range(len(extents))):
            raise ValueError(f"transpose: perm is {axes}; it must have each of the {len(extents)} axes once")
        known = TensorShape([extents[axis] for axis in axes] if axes is not None else extents[::-1])

    def kernel(value: Any) -> Any:
        moved = rl.permute(value, axes if axes is not None else list(range(value.ndim))[::-1])
        return rl.conj(moved) if conjugate else moved

    return node("Transpose", kernel, [x], x.dtype, known, name)


def matrix_transpose(a: Any, name: str = "matrix_transpose") -> Tensor:
    """The last two axes exchanged."""
    x = convert_to_tensor(a)
    extents = x.shape.extents
    known = UNKNOWN if extents is None else TensorShape([*extents[:-2], extents[-1], extents[-2]])
    return node("MatrixTranspose", lambda value: rl.transpose(value, -1, -2), [x], x.dtype, known, name)


def expand_dims(input: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Tensor:
    """A new axis with extent 1 at ``axis``."""
    x = convert_to_tensor(input)
    given = constant_value(dim if axis is None else axis)
    if given is None:
        raise ValueError("expand_dims: axis must be known when the graph is built")
    at = int(given)
    known = UNKNOWN
    if x.shape.ndims is not None:
        extents = x.shape.as_list()
        if not -len(extents) - 1 <= at <= len(extents):
            raise ValueError(
                f"dim {at} not in the interval [{-len(extents) - 1}, {len(extents)}]. for 'ExpandDims'"
            )
        extents.insert(at if at >= 0 else len(extents) + 1 + at, 1)
        known = TensorShape(extents)
    return node("ExpandDims", lambda value: rl.unsqueeze(value, at), [x], x.dtype, known, name)


def squeeze(input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None) -> Tensor:
    """Without the axes of extent 1: all of them, or those in ``axis``."""
    x = convert_to_tensor(input)
    axis = squeeze_dims if axis is None else axis
    axes = (
        None
        if axis is None or axis == []
        else [axis]
        if isinstance(axis, int)
        else [int(item) for item in axis]
    )
    known = UNKNOWN
    extents = x.shape.extents
    if extents is not None and (axes is not None or None not in extents):
        gone = (
            {i for i, e in enumerate(extents) if e == 1} if axes is None else {a % len(extents) for a in axes}
        )
        for i in gone:
            if extents[i] not in (1, None):
                raise ValueError(
                    f"Can not squeeze dim[{i}], expected a dimension of 1, got {extents[i]} for 'Squeeze' (op: 'Squeeze') "
                    f"with input shapes: {x.shape}."
                )
        known = TensorShape([e for i, e in enumerate(extents) if i not in gone])

    def kernel(value: Any) -> Any:
        if axes is None:
            return rl.squeeze(value)
        for a in axes:
            if value.shape[a] != 1:
                raise ValueError(f"Can not squeeze dim[{a}], expected a dimension of 1, got {value.shape[a]}")
        return rl.squeeze(value, tuple(axes))

    return node("Squeeze", kernel, [x], x.dtype, known, name)


def broadcast_to(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """``input`` repeated along axes of extent 1 to have ``shape``."""
    x = convert_to_tensor(input)
    numbers, computed, known = shape_argument(shape)
    if computed is not None:
        return node(
            "BroadcastTo",
            lambda v, to: rl.broadcast_to(v, numbers_of(to)),
            [x, computed],
            x.dtype,
            known,
            name,
        )
    to = tuple(numbers or ())
    return node("BroadcastTo", lambda value: rl.broadcast_to(value, to), [x], x.dtype, known, name)


# --- filled tensors -----------------------------------------------------------------------------------------------------


def filled(shape: Any, value: Any, dtype: DType, kind: str, name: str | None) -> Tensor:
    """A tensor of ``shape``, which may be computed, full of the number ``value``."""
    numbers, computed, known = shape_argument(shape)
    if computed is None:
        array = np.full(numbers or [], value, dtype.numpy)
        # A big constant would live as long as the graph; filling is cheap.
        if array.size <= 1024 or dtype.rushlight is None:
            return constant_of(array, name or kind)
        to = tuple(numbers or ())
        return node("Fill", lambda: rl.full(to, value, dtype=dtype.rushlight), [], dtype, known, name or kind)

    def kernel(run_time: Any) -> Any:
        return rl.full(numbers_of(run_time), value, dtype=dtype.rushlight)

    return node("Fill", kernel, [computed], dtype, known, name or kind)


def zeros(shape: Any, dtype: Any = dtypes.float32, name: str | None = None) -> Tensor:
    """A tensor of zeros."""
    kind = as_dtype(dtype)
    return filled(shape, b"" if kind is dtypes.string else 0, kind, "zeros", name)


def ones(shape: Any, dtype: Any = dtypes.float32, name: str | None = None) -> Tensor:
    """A tensor of ones."""
    return filled(shape, 1, as_dtype(dtype), "ones", name)


def fill(dims: Any, value: Any, name: str | None = None) -> Tensor:
    """A tensor of shape ``dims`` with ``value``, a number or 0-dim tensor, everywhere."""
    if not isinstance(value, Operand):
        array = make_array(value)
        return filled(
            dims,
            array.item(),
            as_dtype(array.dtype),
            "Fill",
            name,
        )
    x = convert_to_tensor(value)
    return broadcast_to(x, dims, name or "Fill")


def _empty_texts(value: Any) -> Any:
    return np.full(tuple(value.shape), b"", dtype=object)


def _like(kind: str, number: int, function: Callable[..., Any]) -> Callable[..., Tensor]:
    def public(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Tensor:
        x = convert_to_tensor(tensor)
        target = x.dtype if dtype is None else as_dtype(dtype)
        if target is dtypes.string and number == 0:
            return node(kind, _empty_texts, [x], target, x.shape, name)
        if x.shape.is_fully_defined():
            return filled(x.shape, number, target, kind, name)
        return node(kind, lambda value: function(value, dtype=target.rushlight), [x], target, x.shape, name)

    public.__doc__ = f"A tensor of {'zeros' if number == 0 else 'ones'} with the shape of ``tensor``."
    return public


zeros_like = _like("zeros_like", 0, rl.zeros_like)
ones_like = _like("ones_like", 1, rl.ones_like)


def range_(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str = "range") -> Tensor:
    """Numbers from ``start`` (0 where only one is given) up to, without, ``limit``, in steps of ``delta``."""
    if limit is None:
        start, limit = 0, start
    arguments = [start, limit, delta]
    if not any(isinstance(item, Operand) for item in arguments):
        arrays = [make_array(item, None if dtype is None else as_dtype(dtype)) for item in arguments]
        common = np.result_type(*arrays) if dtype is None else as_dtype(dtype).numpy
        if dtype is None and common == np.float64 and all(array.dtype != np.float64 for array in arrays):
            common = np.dtype(np.float32)
        return constant_of(np.arange(*[array.item() for array in arrays], dtype=common), name)
    operands = convert_n_to_tensor(arguments, dtype)
    kind = operands[0].dtype
    known = [constant_value(operand) for operand in operands]
    extent = None
    if not any(item is None for item in known):
        a, b, c = [item.item() for item in known if item is not None]
        extent = max(0, int(np.ceil((b - a) / c)))

    def kernel(first: Any, end: Any, step: Any) -> Any:
        return rl.arange(first.item(), end.item(), step.item(), dtype=kind.rushlight)

    return node("Range", kernel, operands, kind, [extent], name)


def linspace(start: Any, stop: Any, num: Any, name: str | None = None) -> Tensor:
    """``num`` numbers from ``start`` to ``stop``, evenly spaced."""
    first, last = convert_n_to_tensor([start, stop])
    count = known_extent(num)
    if count is None:
        raise ValueError("linspace: num must be known when the graph is built")

    def kernel(a: Any, b: Any) -> Any:
        steps = rl.arange(count, dtype=a.dtype) / max(count - 1, 1)
        return a + (b - a) * steps

    return node("LinSpace", kernel, [first, last], first.dtype, [count], name)


lin_space = linspace


def eye(
    num_rows: int,
    num_columns: int | None = None,
    batch_shape: Any = None,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Tensor:
    """A matrix with ones on its diagonal."""
    kind = as_dtype(dtype)
    matrix = np.eye(num_rows, num_columns, dtype=kind.numpy)
    if batch_shape is not None:
        matrix = np.broadcast_to(matrix, (*[int(extent) for extent in batch_shape], *matrix.shape)).copy()
    return constant_of(matrix, name or "eye")


# --- joining and splitting ----------------------------------------------------------------------------------------------


def concat(values: Any, axis: Any, name: str = "concat") -> Tensor:
    """Tensors joined along ``axis``.

    Raises:
        ValueError: if another extent, or the rank, differs.
    """
    if not isinstance(values, list | tuple):
        values = [values]
    if isinstance(values, int) or isinstance(axis, list | tuple):
        raise TypeError("concat: the tensors come first and then the axis: tf.concat([a, b], 0)")
    operands = convert_n_to_tensor(values)
    given = constant_value(axis)
    if given is None:
        raise ValueError("concat: axis must be known when the graph is built")
    along = int(given)
    for operand in operands[1:]:
        if operand.dtype is not operands[0].dtype:
            raise TypeError(
                "Tensors in list passed to 'values' of 'ConcatV2' Op have types "
                f"[{', '.join(item.dtype.name for item in operands)}] that don't all match."
            )
    known = shape_rules.concatenated([operand.shape for operand in operands], along)
    return node(
        "ConcatV2",
        lambda *parts: rl.cat(parts, along),
        operands,
        operands[0].dtype,
        known,
        name,
        attributes={"axis": along},
    )


def stack(values: Any, axis: int = 0, name: str = "stack") -> Tensor:
    """Tensors of one shape along a new axis."""
    operands = convert_n_to_tensor(values)
    common = UNKNOWN
    for operand in operands:
        try:
            common = common.merge_with(operand.shape)
        except ValueError:
            shapes = ", ".join(str(item.shape) for item in operands)
            raise ValueError(
                f"Dimensions must be equal for 'stack' (op: 'Pack') with input shapes: {shapes}."
            ) from None
    known = UNKNOWN
    if common.ndims is not None:
        if not -common.ndims - 1 <= axis <= common.ndims:
            raise ValueError(f"axis = {axis} not in [{-common.ndims - 1}, {common.ndims + 1})")
        extents = common.as_list()
        extents.insert(axis if axis >= 0 else len(extents) + 1 + axis, len(operands))
        known = TensorShape(extents)

    def kernel(*parts: Any) -> Any:
        return rl.stack(parts, axis) if isinstance(parts[0], rl.Tensor) else np.stack(parts, axis)

    return node("Pack", kernel, operands, operands[0].dtype, known, name, attributes={"axis": axis})


parallel_stack = stack


def unstack(value: Any, num: int | None = None, axis: int = 0, name: str = "unstack") -> list[Tensor]:
    """The slices along ``axis``, as a list; its length must be known or given as ``num``."""
    x = convert_to_tensor(value)
    extents = x.shape.extents
    if num is None:
        num = extents[axis] if extents is not None else None
        if num is None:
            raise ValueError(f"Cannot infer num from shape {x.shape}")
    rest = (
        UNKNOWN
        if extents is None
        else TensorShape([e for i, e in enumerate(extents) if i != axis % len(extents)])
    )

    def kernel(tensor: Any) -> Any:
        return tuple(rl.unbind(tensor, axis))

    results = [(x.dtype, rest)] * num
    op = x.graph.create_op("Unpack", [x], results, kernel, name=name, attributes={"many": True})
    return list(op.outputs)


def split(
    value: Any, num_or_size_splits: Any, axis: Any = 0, num: int | None = None, name: str = "split"
) -> list[Tensor]:
    """``value`` cut along ``axis``: into a number of equal parts, or into parts of the given sizes."""
    x = convert_to_tensor(value)
    along = int(constant_value(axis))  # type: ignore[arg-type]
    extent = x.shape[along].value
    given = constant_value(num_or_size_splits)
    if given is None:
        raise ValueError("split: the sizes must be known when the graph is built")
    if given.ndim == 0:
        count = int(given)
        if extent is not None and extent % count:
            raise ValueError(
                f"Dimension size must be evenly divisible by {count} but is {extent} for 'split' (op: 'Split')."
            )
        sizes = [None if extent is None else extent // count] * count
    else:
        sizes = [int(item) for item in given]
        if -1 in sizes and extent is not None:
            sizes[sizes.index(-1)] = extent - sum(item for item in sizes if item is not None and item >= 0)

    def kernel(tensor: Any) -> Any:
        total = tensor.shape[along]
        parts = [total // len(sizes) if size is None else size for size in sizes]
        if -1 in parts:
            parts[parts.index(-1)] = total - sum(parts) - 1
        return tuple(rl.split(tensor, parts, along))

    extents = x.shape.extents
    shapes = [
        UNKNOWN
        if extents is None
        else TensorShape(
            [(None if s == -1 else s) if i == along % len(extents) else e for i, e in enumerate(extents)]
        )
        for s in sizes
    ]
    results = [(x.dtype, shape) for shape in shapes]
    op = x.graph.create_op("Split", [x], results, kernel, name=name, attributes={"many": True})
    return list(op.outputs)


def tile(input: Any, multiples: Any, name: str | None = None) -> Tensor:
    """``input`` repeated ``multiples[i]`` times along axis i."""
    x = convert_to_tensor(input)
    numbers, computed, counts = shape_argument(multiples)
    known = UNKNOWN
    if x.shape.extents is not None and counts.extents is not None:
        if len(counts.extents) != len(x.shape.extents):
            raise ValueError(
                f"Shape must be rank {len(counts.extents)} but is rank {x.shape.ndims} for 'Tile' (op: 'Tile')"
            )
        pairs = zip(x.shape.extents, counts.extents, strict=True)
        known = TensorShape([None if e is None or n is None else e * n for e, n in pairs])
    if computed is not None:
        return node("Tile", lambda v, n: rl.tile(v, numbers_of(n)), [x, computed], x.dtype, known, name)
    times = tuple(numbers or ())
    return node("Tile", lambda value: rl.tile(value, times), [x], x.dtype, known, name)


def pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", name: str | None = None, constant_values: Any = 0
) -> Tensor:
    """``tensor`` with ``paddings[i] = (before, after)`` elements added to axis i.

    ``mode`` is "CONSTANT", "REFLECT" (without the edge) or "SYMMETRIC" (with it).
    """
    x = convert_to_tensor(tensor)
    given = constant_value(paddings)
    if given is None:
        raise ValueError("pad: paddings must be known when the graph is built")
    pairs = [(int(before), int(after)) for before, after in given]
    mode = mode.upper()
    if mode not in ("CONSTANT", "REFLECT", "SYMMETRIC"):
        raise ValueError(f"Unknown padding mode: {mode}")
    extents = x.shape.extents
    known = UNKNOWN
    if extents is not None:
        if len(extents) != len(pairs):
            raise ValueError(f"pad: {len(pairs)} pairs of paddings were given for {len(extents)} dimensions")
        known = TensorShape(
            [
                None if e is None else e + before + after
                for e, (before, after) in zip(extents, pairs, strict=True)
            ]
        )

    def kernel(value: Any) -> Any:
        if mode == "CONSTANT":
            flat = [number for pair in reversed(pairs) for number in pair]
            return rl.nn.functional.pad(value, flat, value=constant_values)
        for axis, (before, after) in enumerate(pairs):
            if before or after:
                numbers = np.pad(np.arange(value.shape[axis]), (before, after), mode.lower())  # type: ignore[call-overload]
                value = rl.index_select(value, axis, rl.from_numpy(numbers))
        return value

    return node("Pad", kernel, [x], x.dtype, known, name)


def reverse(tensor: Any, axis: Any, name: str | None = None) -> Tensor:
    """The elements in reverse order along each of the axes."""
    x = convert_to_tensor(tensor)
    axes = tuple([int(item) for item in np.atleast_1d(make_array(axis))])
    return node("ReverseV2", lambda value: rl.flip(value, axes), [x], x.dtype, x.shape, name)


def reverse_sequence(
    input: Any,
    seq_lengths: Any,
    seq_axis: int | None = None,
    batch_axis: int | None = None,
    name: str | None = None,
    seq_dim: int | None = None,
    batch_dim: int | None = None,
) -> Tensor:
    """Along ``seq_axis``, the first ``seq_lengths[i]`` elements of batch entry i in reverse order."""
    x, lengths = convert_to_tensor(input), convert_to_tensor(seq_lengths)
    along = (seq_axis if seq_axis is not None else seq_dim) or 0
    batch = (batch_axis if batch_axis is not None else batch_dim) or 0

    def kernel(value: Any, counts: Any) -> Any:
        rows = rl.movedim(value, (batch, along), (0, 1))
        steps = rl.arange(rows.shape[1])[None, :]
        ends = counts.to(rl.int64)[:, None]
        source = rl.where(steps < ends, ends - 1 - steps, steps)
        picked = rows[rl.arange(rows.shape[0])[:, None], source]
        return rl.movedim(picked, (0, 1), (batch, along))

    return node("ReverseSequence", kernel, [x, lengths], x.dtype, x.shape, name)


def meshgrid(*args: Any, indexing: str = "xy", name: str | None = None) -> list[Tensor]:
    """Coordinate arrays from vectors, as ``numpy.meshgrid`` makes them."""
    operands = convert_n_to_tensor(args)
    extents = [operand.shape.num_elements() for operand in operands]
    if indexing == "xy" and len(extents) > 1:
        extents[0], extents[1] = extents[1], extents[0]
    results = [(operand.dtype, TensorShape(extents)) for operand in operands]
    return (
        operands[0]
        .graph.create_op(
            "Meshgrid", operands, results, lambda *v: tuple(rl.meshgrid(*v, indexing=indexing)), name=name
        )
        .outputs
    )


# --- matrices -----------------------------------------------------------------------------------------------------------


def diag(diagonal: Any, name: str | None = None) -> Tensor:
    """A matrix with the vector ``diagonal`` on its diagonal."""
    x = convert_to_tensor(diagonal)
    return node("Diag", rl.diag, [x], x.dtype, x.shape.concatenate(x.shape), name)


def diag_part(input: Any, name: str | None = None) -> Tensor:
    """The diagonal of a (batch of) matrices."""
    x = convert_to_tensor(input)
    extents = x.shape.extents
    known = UNKNOWN
    if extents is not None:
        rows, columns = extents[-2:]
        known = TensorShape([*extents[:-2], None if rows is None or columns is None else min(rows, columns)])
    return node("DiagPart", lambda value: rl.diagonal(value, 0, -2, -1), [x], x.dtype, known, name)


matrix_diag_part = diag_part


def matrix_band_part(input: Any, num_lower: int, num_upper: int, name: str | None = None) -> Tensor:
    """Zeros outside ``num_lower`` diagonals below the main one and ``num_upper`` above (negative: all)."""
    x = convert_to_tensor(input)

    def kernel(value: Any) -> Any:
        value = value if num_lower < 0 else rl.triu(value, -num_lower)
        return value if num_upper < 0 else rl.tril(value, num_upper)

    return node("MatrixBandPart", kernel, [x], x.dtype, x.shape, name)
