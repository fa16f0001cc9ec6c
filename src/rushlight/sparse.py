"""``torch.sparse``: functions of sparse tensors. Making them: ``torch.sparse_coo_tensor``, ``Tensor.to_sparse``."""

from __future__ import annotations

from .missing import lazily as _lazily
from .ops.sparse_creation import check_sparse_tensor_invariants, spdiags
from .ops.sparse_functions import sparse_sum as sum
from .ops.sparse_products import (
    sampled_addmm,
    sparse_addmm as addmm,
    sparse_log_softmax as log_softmax,
    sparse_mm as mm,
    sparse_softmax as softmax,
)
from .ops.typed_tensors import SPARSE as _TYPED

__all__ = [
    "addmm",
    "check_sparse_tensor_invariants",
    "log_softmax",
    "mm",
    "sampled_addmm",
    "softmax",
    "spdiags",
    "sum",
]

globals().update(_TYPED)  # FloatTensor, LongTensor and the like
# Public names that are not here raise MissingNameError.
__getattr__ = _lazily(__name__)
