"""``tf.random``: random tensors again, under shorter names."""

from __future__ import annotations

# ruff: noqa: F401  (imported to be given away, some under other names)
from .candidates import (
    log_uniform_candidate_sampler as log_uniform_candidate_sampler,
    uniform_candidate_sampler as uniform_candidate_sampler,
)
from .ops_random import (
    get_seed as get_seed,
    multinomial as categorical,
    multinomial as multinomial,
    random_gamma as gamma,
    random_normal as normal,
    random_poisson as poisson,
    random_shuffle as shuffle,
    random_uniform as uniform,
    set_random_seed as set_random_seed,
    stateless_normal as stateless_normal,
    stateless_truncated_normal as stateless_truncated_normal,
    stateless_uniform as stateless_uniform,
    truncated_normal as truncated_normal,
)
