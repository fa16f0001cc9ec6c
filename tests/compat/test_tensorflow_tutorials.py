"""Whole TensorFlow 1 programs: what they print is what TensorFlow 2.15's ``compat.v1`` printed for the same program.

The programs make their data and initial values with NumPy, so that every number is determined. Beside each program in
``tutorials`` is what TensorFlow printed.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "tutorials"
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
WORD = re.compile(rf"{NUMBER.pattern}|[A-Za-z_][\w./]*|\S")
# NumPy 2 shows the type of a scalar inside a list, NumPy 1 did not.
SCALAR = re.compile(r"np\.(?:float|int|uint)\d+\(([^()]*)\)")


def words(text: str) -> list[str]:
    text = SCALAR.sub(r"\1", text).replace("np.True_", "True").replace("np.False_", "False")
    return WORD.findall(text)


def same(found: str, expected: str) -> bool:
    if found == expected:
        return True
    if not (NUMBER.fullmatch(found) and NUMBER.fullmatch(expected)):
        return False
    # float32 results of tens of training steps: the order of summation shows in the fifth digit.
    return math.isclose(float(found), float(expected), rel_tol=3e-4, abs_tol=5e-6)


@pytest.mark.parametrize("program", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_tutorial(program: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rushlight", "run", str(program)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONWARNINGS": "error"},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = program.with_suffix(".txt").read_text()
    found, wanted = words(done.stdout), words(expected)
    assert len(found) == len(wanted), done.stdout
    wrong = [(a, b) for a, b in zip(found, wanted, strict=True) if not same(a, b)]
    assert not wrong, done.stdout
