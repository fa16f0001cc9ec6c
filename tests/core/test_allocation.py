from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rushlight.core import allocation

PROGRAM = """
import resource
import rushlight as torch
a = torch.ones(200_000)
def step():
    b = a + a
    c = b + a
    return b + c
for _ in range(5):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**variables):
    environment = {**os.environ, "PYTHONPATH": "src", **variables}
    return int(
        subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=True
        ).stdout
    )


@pytest.mark.skipif(allocation._c_library() is None, reason="the C library is not glibc")
def test_temporary_arrays_reuse_pages():
    # 150 results of 800 kB are 29,000 pages.
    assert faults() < 2_000
    assert faults(RUSHLIGHT_KEEP_MEMORY="0") > 5_000
    assert faults(MALLOC_TRIM_THRESHOLD_="131072") > 5_000


def test_release_may_always_be_called():
    allocation.release()
