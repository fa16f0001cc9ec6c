"""PyTorch's private path to ``torch.func``, which its own tests and some libraries import from.

Example:
    >>> import rushlight as torch
    >>> from rushlight._functorch import apis
    >>> apis.vmap is torch.vmap
    True
"""

from __future__ import annotations

from ..missing import lazily as _lazily

__getattr__ = _lazily(
    __name__,
    {
        "apis": "..func",
        "batch_norm_replacement": "..func",
        "deprecated": "..compat.functorch",
        "eager_transforms": "..func",
        "functional_call": "..func.module_state",
        "make_functional": "..compat.functorch",
        "vmap": "..func.vectorize",
    },
)
