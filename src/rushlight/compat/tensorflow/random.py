"""``tf.random``: random tensors again, under shorter names."""

from __future__ import annotations

# ruff: noqa: F401  (imported to be given away, some under other names)
from .ops_random import (
    get_seed as get_seed,
    multinomial as categorical,
    multinomial as multinomial,
    random_normal as normal,
    random_shuffle as shuffle,
    random_uniform as uniform,
    set_random_seed as set_random_seed,
    truncated_normal as truncated_normal,
)
