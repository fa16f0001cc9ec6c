"""``tf.sparse``: sparse tensors under shorter names."""

from __future__ import annotations

# ruff: noqa: F401  (imported to be given away, some under other names)
from .sparse_tensor import (
    SparseTensor as SparseTensor,
    from_dense as from_dense,
    sparse_add as add,
    sparse_concat as concat,
    sparse_placeholder as placeholder,
    sparse_reduce_sum as reduce_sum,
    sparse_reorder as reorder,
    sparse_reshape as reshape,
    sparse_retain as retain,
    sparse_softmax as softmax,
    sparse_tensor_dense_matmul as matmul,
    sparse_tensor_dense_matmul as sparse_dense_matmul,
    sparse_to_indicator as to_indicator,
    sparse_transpose as transpose,
    to_dense as to_dense,
)
