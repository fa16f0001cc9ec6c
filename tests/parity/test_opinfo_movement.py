"""Views, joins, indexing and scattering against PyTorch on its own samples."""

from __future__ import annotations

from typing import Any

import pytest

from rushlight.ops import indexing, scattering

from . import opinfo

pytestmark = pytest.mark.parity

NAMES = [
    "H",
    "T",
    "mH",
    "mT",
    "argwhere",
    "as_strided",
    "as_strided_scatter",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
    "bucketize",
    "cartesian_prod",
    "cat",
    "chunk",
    "clone",
    "column_stack",
    "combinations",
    "contiguous",
    "diag",
    "diag_embed",
    "diagflat",
    "diagonal",
    "diagonal_scatter",
    "dsplit",
    "dstack",
    "expand",
    "expand_as",
    "flatten",
    "flip",
    "fliplr",
    "flipud",
    "gather",
    "hsplit",
    "hstack",
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "index_reduce",
    "index_select",
    "masked_fill",
    "masked_scatter",
    "masked_select",
    "meshgrid",
    "movedim",
    "narrow",
    "narrow_copy",
    "nn.functional.embedding",
    "nn.functional.one_hot",
    "nonzero",
    "permute",
    "put",
    "ravel",
    "repeat",
    "repeat_interleave",
    "reshape",
    "reshape_as",
    "roll",
    "rot90",
    "scatter",
    "scatter_add",
    "scatter_reduce",
    "searchsorted",
    "select",
    "select_scatter",
    "slice",
    "slice_scatter",
    "split",
    "split_with_sizes",
    "squeeze",
    "stack",
    "t",
    "take",
    "take_along_dim",
    "tensor_split",
    "tile",
    "transpose",
    "tril",
    "tril_indices",
    "triu",
    "triu_indices",
    "unbind",
    "unflatten",
    "unfold",
    "unsafe_chunk",
    "unsafe_split",
    "unsqueeze",
    "view",
    "view_as",
    "vsplit",
    "vstack",
]


def _slice(input: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    return input[(slice(None),) * (dim % input.ndim) + (slice(start, end, step),)]


def _method(name: str) -> Any:
    return lambda self, *args, **kwargs: getattr(self, name)(*args, **kwargs)


FUNCTIONS: dict[str, Any] = {
    "nn.functional.embedding": lambda weight, indices, **options: _embedding(indices, weight, **options),
    "nn.functional.one_hot": scattering.one_hot,
    "slice": _slice,
    **{
        name: _method(name)
        for name in ("contiguous", "expand_as", "repeat", "reshape_as", "unfold", "view", "view_as", "expand")
    },
    **{name: (lambda self, name=name: getattr(self, name)) for name in ("H", "T", "mH", "mT")},
}


def _embedding(
    indices: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: Any = None,
    scale_grad_by_freq: bool = False,
    **_: Any,
) -> Any:
    padding = -1 if padding_idx is None else padding_idx % weight.shape[0]
    return indexing.embedding(weight, indices, padding, scale_grad_by_freq)


# What differs, each with the reason.
KNOWN: dict[tuple[str, str], str] = {
    (
        "as_strided_scatter",
        "gradients",
    ): "PyTorch gives the input the gradient of what was replaced, not of what was kept",
}
ACCEPT: dict[str, Any] = {
    # The copy of a sample that is a part of a larger memory has only that part.
    "as_strided": lambda sample: sample.input.untyped_storage().nbytes() == sample.input.nbytes,
    # Renormalising the rows in place is the module's business.
    "nn.functional.embedding": lambda sample: "max_norm" not in sample.kwargs,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", opinfo.CHECKS)
def test_opinfo(check: str, name: str) -> None:
    opinfo.run(check, name, known=KNOWN, functions=FUNCTIONS, accept=ACCEPT.get(name))
