"""A job that was killed goes on from its last checkpoint to the same bits."""

from __future__ import annotations

from pathlib import Path

from .job import must_succeed, run_job


def test_a_killed_job_resumes_to_bit_identical_weights(tmp_path: Path) -> None:
    through, broken = tmp_path / "through", tmp_path / "broken"
    through.mkdir()
    broken.mkdir()
    must_succeed("resume.py", 2, str(through), "3")
    done = run_job("resume.py", 2, str(broken), "3", "10")  # in the second epoch of six steps
    assert done.returncode != 0
    assert not (broken / "weights.0").exists()
    must_succeed("resume.py", 2, str(broken), "3")
    for rank in ("weights.0", "weights.1"):
        assert (broken / rank).read_bytes() == (through / rank).read_bytes()
