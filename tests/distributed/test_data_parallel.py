"""Training in several processes gives what training in one gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .job import must_succeed


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_data_parallel_optimizer_shards_and_synchronised_statistics(ranks: int) -> None:
    printed = must_succeed("data_parallel.py", ranks)
    assert sorted(printed.split("\n")[:-1]) == [f"fine {rank}" for rank in range(ranks)]


def test_the_digits_net_is_that_of_one_process_and_repeats_bit_for_bit(tmp_path: Path) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    data = datasets.load_digits()
    np.savez(tmp_path / "digits.npz", images=data.images[:512], labels=data.target[:512])
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        must_succeed("data_parallel.py", 2, str(tmp_path), name)
    first = (tmp_path / "first/weights.0").read_bytes()
    assert first == (tmp_path / "first/weights.1").read_bytes()
    assert first == (tmp_path / "second/weights.0").read_bytes()
