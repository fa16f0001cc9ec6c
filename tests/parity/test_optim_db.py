"""Every optimizer of PyTorch's ``optim_db``: parameters and state after each step, and errors, as PyTorch's."""

from __future__ import annotations

import warnings

import pytest

from . import module_coverage, optimizer_database

pytestmark = pytest.mark.parity

NAMES = [
    "ASGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "Muon", "NAdam", "RAdam", "RMSprop",
    "Rprop", "SGD", "SparseAdam",
]  # fmt: skip


def test_all_are_here() -> None:
    assert sorted(optimizer_database.database()) == NAMES


@pytest.mark.parametrize("check", module_coverage.OPTIMIZER_CHECKS)
@pytest.mark.parametrize("name", NAMES)
def test_optimizer(name: str, check: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        module_coverage.OPTIMIZER_CHECKS[check](name)
