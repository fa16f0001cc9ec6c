"""Sparse tensors: indices, values and a shape, which are three ordinary tensors of the graph; and ``IndexedSlices``."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import rushlight as rl

from . import dtypes
from .conversion import CONVERSIONS, constant_value, convert_to_tensor, shape_argument
from .dtypes import as_dtype
from .graph import Tensor, name_scope, node
from .ops_array import placeholder
from .ops_reduce import axes_argument, either
from .tensor_shape import UNKNOWN, TensorShape, as_shape

SparseTensorValue = namedtuple("SparseTensorValue", ["indices", "values", "dense_shape"])
IndexedSlicesValue = namedtuple("IndexedSlicesValue", ["values", "indices", "dense_shape"])


class SparseTensor:
    """A tensor of which only the elements ``values`` (n,) at ``indices`` (n, rank) are given; the others are 0.

    Fetching one gives a ``SparseTensorValue``; one of those, or a tuple ``(indices, values, dense_shape)``, can be fed to
    ``tf.sparse_placeholder``.

    Example:
        >>> import rushlight.compat.tensorflow as tf
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     x = tf.SparseTensor([[0, 0], [1, 2]], [1.0, 2.0], [2, 3])
        ...     print(session.run(tf.sparse_tensor_to_dense(x)))
        [[1. 0. 0.]
         [0. 0. 2.]]
    """

    def __init__(self, indices: Any, values: Any, dense_shape: Any) -> None:
        self._indices = convert_to_tensor(indices, dtypes.int64, name="indices")
        self._values = convert_to_tensor(values, name="values")
        self._dense_shape = convert_to_tensor(dense_shape, dtypes.int64, name="shape")

    @property
    def indices(self) -> Tensor:
        """The index tuples, (n, rank), int64."""
        return self._indices

    @property
    def values(self) -> Tensor:
        """The elements at the indices."""
        return self._values

    @property
    def dense_shape(self) -> Tensor:
        """The shape, int64."""
        return self._dense_shape

    @property
    def dtype(self) -> Any:
        """The elements' type."""
        return self._values.dtype

    @property
    def graph(self) -> Any:
        """The graph that it belongs to."""
        return self._values.graph

    @property
    def op(self) -> Any:
        """The operation that makes the values."""
        return self._values.op

    @property
    def shape(self) -> TensorShape:
        """What is known of the shape."""
        return self.get_shape()

    def get_shape(self) -> TensorShape:
        """What is known of the shape."""
        known = constant_value(self._dense_shape)
        if known is not None:
            return TensorShape([None if extent < 0 else extent for extent in known.tolist()])
        extents = self._dense_shape.shape.extents
        return UNKNOWN if not extents or extents[0] is None else TensorShape([None] * extents[0])

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """The value, from ``session`` or the default session."""
        parts = [part.eval(feed_dict, session) for part in self._components()]
        return SparseTensorValue(*parts)

    @classmethod
    def from_value(cls, sparse_tensor_value: Any) -> SparseTensor:
        """A constant sparse tensor from a ``SparseTensorValue``."""
        return cls(*sparse_tensor_value)

    # What sessions ask of anything that stands for several tensors.
    def _components(self) -> list[Tensor]:
        return [self._indices, self._values, self._dense_shape]

    @staticmethod
    def _from_values(values: Sequence[Any]) -> Any:
        return SparseTensorValue(*values)

    def _with_values(self, values: Tensor) -> SparseTensor:
        return SparseTensor(self._indices, values, self._dense_shape)

    def __mul__(self, other: Any) -> SparseTensor:
        dense = convert_to_tensor(other, self.dtype)

        def kernel(index: Any, value: Any, shape: Any, factor: Any) -> Any:
            whole = rl.broadcast_to(factor, tuple(shape.tolist()))
            return value * whole[tuple(rl.unbind(index, -1))]

        return self._with_values(
            node("SparseDenseCwiseMul", kernel, [*self._components(), dense], self.dtype, self._values.shape)
        )

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> SparseTensor:
        return self * (1.0 / convert_to_tensor(other, self.dtype))

    def __str__(self) -> str:
        return (
            f"SparseTensor(indices={self._indices}, values={self._values}, dense_shape={self._dense_shape})"
        )

    __repr__ = __str__


class IndexedSlices:
    """Rows ``values`` at ``indices`` of a tensor that is 0 elsewhere. Gradients here are dense tensors, never this."""

    def __init__(self, values: Any, indices: Any, dense_shape: Any = None) -> None:
        self.values, self.indices = convert_to_tensor(values), convert_to_tensor(indices)
        self.dense_shape = None if dense_shape is None else convert_to_tensor(dense_shape)

    @property
    def dtype(self) -> Any:
        """The elements' type."""
        return self.values.dtype

    @property
    def graph(self) -> Any:
        """The graph that it belongs to."""
        return self.values.graph

    def _components(self) -> list[Tensor]:
        parts = [self.values, self.indices]
        return parts if self.dense_shape is None else [*parts, self.dense_shape]

    @staticmethod
    def _from_values(values: Sequence[Any]) -> Any:
        return IndexedSlicesValue(*values, *[None] * (3 - len(values)))


def _dense_slices(slices: IndexedSlices) -> Tensor:
    from .ops_segments import unsorted_segment_sum

    if slices.dense_shape is None:
        raise ValueError("Tensor conversion requested for IndexedSlices without dense_shape")
    return unsorted_segment_sum(slices.values, slices.indices, slices.dense_shape[0])


CONVERSIONS.append((IndexedSlices, _dense_slices))


def sparse_placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> SparseTensor:
    """A sparse tensor that is fed, as a ``SparseTensorValue`` or ``(indices, values, dense_shape)``."""
    known = as_shape(shape)
    rank = known.ndims
    with name_scope(name, "SparsePlaceholder"):
        values = placeholder(dtype, [None], name="values")
        indices = placeholder(dtypes.int64, [None, rank], name="indices")
        if known.is_fully_defined():
            return SparseTensor(indices, values, known.as_list())
        return SparseTensor(indices, values, placeholder(dtypes.int64, [rank], name="shape"))


def _static(sparse: SparseTensor) -> TensorShape:
    return sparse.get_shape()


def _scattered(index: Any, value: Any, shape: Any, default: Any) -> Any:
    base = rl.full(tuple(int(extent) for extent in shape.tolist()), default, dtype=value.dtype)
    return rl.index_put(base, tuple(rl.unbind(index.to(rl.int64), -1)), value)


def to_dense(
    sp_input: SparseTensor, default_value: Any = None, validate_indices: bool = True, name: str | None = None
) -> Tensor:
    """The tensor with all its elements, ``default_value`` (0) where none is given."""
    default = 0 if default_value is None else default_value

    def kernel(index: Any, value: Any, shape: Any) -> Any:
        if isinstance(value, rl.Tensor):
            return _scattered(index, value, shape, default)
        import numpy as np

        filler = b"" if default_value is None else default_value
        whole = np.full(shape.tolist(), filler.encode() if isinstance(filler, str) else filler, dtype=object)
        whole[tuple(index.numpy().T)] = value
        return whole

    return node("SparseToDense", kernel, sp_input._components(), sp_input.dtype, _static(sp_input), name)


def sparse_to_dense(
    sparse_indices: Any,
    output_shape: Any,
    sparse_values: Any,
    default_value: Any = 0,
    validate_indices: bool = True,
    name: str | None = None,
) -> Tensor:
    """A tensor of ``output_shape`` with ``sparse_values`` at ``sparse_indices``, ``default_value`` elsewhere."""
    index, value = convert_to_tensor(sparse_indices), convert_to_tensor(sparse_values)
    numbers, computed, known = shape_argument(output_shape)
    extents = convert_to_tensor(numbers if computed is None else computed)

    def kernel(where: Any, values: Any, shape: Any) -> Any:
        where = where.reshape(-1, shape.numel())
        return _scattered(where, rl.broadcast_to(values, (where.shape[0],)), shape, default_value)

    return node("SparseToDense", kernel, [index, value, extents], value.dtype, known, name)


def from_dense(tensor: Any, name: str | None = None) -> SparseTensor:
    """The elements of ``tensor`` that are not 0, as a sparse tensor."""
    from .ops_array import shape
    from .ops_indexing import gather_nd, where
    from .ops_math import not_equal

    x = convert_to_tensor(tensor)
    index = where(not_equal(x, convert_to_tensor(0, x.dtype)))
    return SparseTensor(index, gather_nd(x, index), shape(x, out_type=dtypes.int64))


def sparse_tensor_dense_matmul(
    sp_a: Any, b: Any, adjoint_a: bool = False, adjoint_b: bool = False, name: str | None = None
) -> Tensor:
    """The product of a sparse and a dense matrix. Gradients go to the sparse one's values and to the dense one."""
    sparse = sp_a if isinstance(sp_a, SparseTensor) else SparseTensor(*sp_a)
    dense = convert_to_tensor(b, sparse.dtype)

    def kernel(index: Any, value: Any, shape: Any, right: Any) -> Any:
        rows, columns = index[:, 0], index[:, 1]
        count = int(shape[1 if adjoint_a else 0].item())
        if adjoint_a:
            rows, columns = columns, rows
        right = rl.transpose(right, 0, 1) if adjoint_b else right
        terms = value.unsqueeze(-1) * rl.index_select(right, 0, columns)
        return rl.index_add(rl.zeros((count, right.shape[1]), dtype=value.dtype), 0, rows, terms)

    left, right = _static(sparse).extents, dense.shape.extents
    shape = TensorShape(
        [
            None if left is None else left[1 if adjoint_a else 0],
            None if right is None else right[0 if adjoint_b else 1],
        ]
    )
    return node("SparseTensorDenseMatMul", kernel, [*sparse._components(), dense], sparse.dtype, shape, name)


def sparse_reduce_sum(
    sp_input: SparseTensor,
    axis: Any = None,
    keepdims: bool | None = None,
    reduction_axes: Any = None,
    keep_dims: bool | None = None,
    name: str | None = None,
) -> Tensor:
    """The sum along ``axis`` (all, without one), as a dense tensor."""
    from .ops_reduce import reduce_sum

    axes = axes_argument(either(axis, reduction_axes, "axis", "reduction_axes"))
    return reduce_sum(
        to_dense(sp_input), axes, bool(either(keepdims, keep_dims, "keepdims", "keep_dims")), name
    )


def sparse_reorder(sp_input: SparseTensor, name: str | None = None) -> SparseTensor:
    """The same tensor with its indices in order, row by row."""

    def kernel(index: Any, value: Any, shape: Any) -> tuple[Any, ...]:
        import numpy as np

        order = np.lexsort(index.numpy().T[::-1])
        chosen = rl.from_numpy(order)
        return index[chosen], value[chosen] if isinstance(value, rl.Tensor) else value[order]

    parts = sp_input._components()
    results = [(parts[0].dtype, parts[0].shape), (parts[1].dtype, parts[1].shape)]
    op = sp_input.graph.create_op("SparseReorder", parts, results, kernel, name=name)
    return SparseTensor(op.outputs[0], op.outputs[1], sp_input.dense_shape)


def sparse_add(a: Any, b: Any, threshold: Any = None, thresh: Any = None) -> Any:
    """The sum of two sparse tensors as a sparse one, or of a sparse and a dense one as a dense one."""
    first = to_dense(a) if isinstance(a, SparseTensor) else convert_to_tensor(a)
    second = to_dense(b) if isinstance(b, SparseTensor) else convert_to_tensor(b)
    total = first + second
    return from_dense(total) if isinstance(a, SparseTensor) and isinstance(b, SparseTensor) else total


def sparse_transpose(sp_input: SparseTensor, perm: Any = None, name: str | None = None) -> SparseTensor:
    """The axes in another order; without ``perm``, reversed."""
    from .ops_array import reverse
    from .ops_indexing import gather

    if perm is None:
        made = SparseTensor(
            reverse(sp_input.indices, [1]), sp_input.values, reverse(sp_input.dense_shape, [0])
        )
    else:
        made = SparseTensor(
            gather(sp_input.indices, perm, axis=1), sp_input.values, gather(sp_input.dense_shape, perm)
        )
    return sparse_reorder(made, name)


def sparse_retain(sp_input: SparseTensor, to_retain: Any) -> SparseTensor:
    """Only the elements where ``to_retain`` is true."""
    from .ops_indexing import boolean_mask

    return SparseTensor(
        boolean_mask(sp_input.indices, to_retain),
        boolean_mask(sp_input.values, to_retain),
        sp_input.dense_shape,
    )


def sparse_to_indicator(sp_input: SparseTensor, vocab_size: int, name: str | None = None) -> Tensor:
    """Truth values (…, vocab_size): whether each number occurs in the last axis of ``sp_input``."""

    def kernel(index: Any, value: Any, shape: Any) -> Any:
        extents = (*[int(n) for n in shape.tolist()[:-1]], vocab_size)
        base = rl.zeros(extents, dtype=dtypes.bool_.rushlight)
        places = (*rl.unbind(index[:, :-1], -1), value.to(rl.int64))
        return rl.index_put(base, places, rl.ones_like(value).to(dtypes.bool_.rushlight))

    extents = _static(sp_input).extents
    shape = UNKNOWN if extents is None else TensorShape([*extents[:-1], vocab_size])
    return node("SparseToIndicator", kernel, sp_input._components(), dtypes.bool_, shape, name)


def embedding_lookup_sparse(
    params: Any,
    sp_ids: SparseTensor,
    sp_weights: SparseTensor | None = None,
    partition_strategy: str = "mod",
    name: str | None = None,
    combiner: str | None = None,
    max_norm: Any = None,
) -> Tensor:
    """The rows of ``params`` at the ids of each row of ``sp_ids``, combined: "sum", "mean" or "sqrtn"."""
    from .nn import embedding_lookup

    how = combiner or "mean"
    if how not in ("mean", "sqrtn", "sum"):
        raise ValueError("combiner must be one of 'mean', 'sqrtn' or 'sum'")
    rows = embedding_lookup(params, sp_ids.values, partition_strategy, name, max_norm=max_norm)
    weights = (
        node("OnesLike", rl.ones_like, [rows[:, 0]], rows.dtype, [None])
        if sp_weights is None
        else convert_to_tensor(sp_weights.values, rows.dtype)
    )

    def kernel(index: Any, shape: Any, values: Any, factors: Any) -> Any:
        count = int(index[:, 0].max().item()) + 1 if index.numel() else 0
        groups = index[:, 0]
        total = rl.index_add(
            rl.zeros((count, values.shape[1]), dtype=values.dtype), 0, groups, values * factors.unsqueeze(-1)
        )
        if how == "sum":
            return total
        powers = factors if how == "mean" else factors * factors
        scale = rl.index_add(rl.zeros(count, dtype=values.dtype), 0, groups, powers).unsqueeze(-1)
        return total / (scale if how == "mean" else rl.sqrt(scale))

    width = rows.shape.extents[-1] if rows.shape.extents else None
    return node(
        "EmbeddingLookupSparse",
        kernel,
        [sp_ids.indices, sp_ids.dense_shape, rows, weights],
        rows.dtype,
        [None, width],
    )


def sparse_softmax(sp_input: SparseTensor, name: str | None = None) -> SparseTensor:
    """The softmax of each row over the elements that are given."""

    def kernel(index: Any, value: Any, shape: Any) -> Any:
        whole = _scattered(index, value, shape, float("-inf"))
        return rl.softmax(whole, -1)[tuple(rl.unbind(index, -1))]

    values = node(
        "SparseSoftmax", kernel, sp_input._components(), sp_input.dtype, sp_input.values.shape, name
    )
    return sp_input._with_values(values)


def sparse_reshape(sp_input: SparseTensor, shape: Any, name: str | None = None) -> SparseTensor:
    """The same elements in another shape."""
    from .ops_array import reshape

    return from_dense(reshape(to_dense(sp_input), shape))


def sparse_concat(axis: int, sp_inputs: Sequence[SparseTensor], name: str | None = None) -> SparseTensor:
    """Sparse tensors joined along ``axis``."""
    from .ops_array import concat

    return from_dense(concat([to_dense(item) for item in sp_inputs], axis))


def cast_values(sp_input: SparseTensor, dtype: Any) -> SparseTensor:
    """The tensor with its elements as another type."""
    from .ops_math import cast

    return sp_input._with_values(cast(sp_input.values, as_dtype(dtype)))
