"""``vmap`` over the operators of PyTorch's database: each gives what a loop over the examples gives.

``KNOWN`` lists all that do not, with the reason; what is listed must still fail, and no operator is left out by name
(the entries that are not public API are ``coverage_cases.EXCLUDED``).
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(
    0, str(Path(__file__).parent)
)  # the tables of the coverage command import each other by plain names

pytestmark = [pytest.mark.parity, pytest.mark.slow]

_RANDOM = "draws random numbers, which vmap refuses unless told how (test_func.py compares the numbers)"
_SHAPE = "the shape of the result depends on the values; PyTorch refuses it too"
_NUMBER = "takes a number out of a tensor, which is different for each example"
_DECIDES = "answers in Python, or decides by the values"
_UNWRITTEN = "gives memory that was not written: there is nothing to compare"
_STATE = "writes batched statistics into running ones that are not batched; PyTorch refuses it too"
KNOWN: dict[str, str] = {
    **dict.fromkeys(
        [
            "cauchy",
            "geometric",
            "normal",
            "nn.functional.fractional_max_pool2d",
            "nn.functional.scaled_dot_product_attention",
            "pca_lowrank",
            "rand_like",
            "randint_like",
            "bernoulli",
            "nn.functional.dropout",
            "nn.functional.dropout3d",
            "nn.functional.feature_alpha_dropout",
            "exponential",
            "log_normal",
            "uniform",
            "nn.functional.fractional_max_pool3d",
            "svd_lowrank",
            "randn_like",
            "multinomial",
            "nn.functional.dropout2d",
            "nn.functional.alpha_dropout",
            "nn.functional.multi_head_attention_forward",
            "nn.functional.rrelu",
        ],
        _RANDOM,
    ),
    **dict.fromkeys(
        [
            "unique_consecutive",
            "nonzero_static",
            "argwhere",
            "masked_select",
            "unique",
            "nonzero",
            "bincount",
            "repeat_interleave",
        ],
        _SHAPE,
    ),
    **dict.fromkeys(
        ["item", "linspace", "logspace", "narrow", "nn.functional.one_hot", "tensor_split"],
        _NUMBER,
    ),
    **dict.fromkeys(
        ["allclose", "equal"],
        _DECIDES,
    ),
    **dict.fromkeys(
        ["new_empty_strided", "empty_like", "new_empty"],
        _UNWRITTEN,
    ),
    **dict.fromkeys(
        ["nn.functional.instance_norm", "nn.functional.batch_norm"],
        _STATE,
    ),
    "nn.functional.embedding": "max_norm renormalises the rows that occur, which are different for each example",
    "nn.functional.embedding_bag": "batched offsets decide how many rows a bag has",
    "nn.functional.ctc_loss": "reads the lengths and targets as Python lists",
    "cov": "checks batched aweights, of which the sum must be positive, one example at a time",
    "linalg.pinv": "tolerances given as batched tensors for a matrix that is not batched",
    "to": "channels_last is a layout of four-dimensional memory, which an example of a batch does not have",
    "resize_": "changes the memory of one tensor, which all examples share",
}
# What comes out differently from run to run, and may agree by chance.
NOT_DETERMINED = {name for name, reason in KNOWN.items() if reason == _UNWRITTEN}
PARTS = 8


@pytest.mark.parametrize("part", range(PARTS))
def test_every_operator_gives_what_a_loop_gives(part: int) -> None:
    pytest.importorskip("torch")
    import coverage_cases
    import opinfo
    import vmap_database

    names = [name for name in opinfo.database() if coverage_cases.exclusion(name) is None][part::PARTS]
    wrong: dict[str, Any] = {}
    compared = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the operators' own, which their tests look at
        for name in names:
            found, count = vmap_database.problems(name)
            compared += count > 0
            if found:
                wrong[name] = found[0]
    assert compared > 0.9 * len(names)
    unexpected = {name: problem for name, problem in wrong.items() if name not in KNOWN}
    assert not unexpected, "\n".join(unexpected.values())
    cured = [name for name in names if name in KNOWN and name not in wrong and name not in NOT_DETERMINED]
    assert not cured, f"these work now: {cured}"
