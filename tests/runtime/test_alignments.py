"""The recursions of the CTC loss: the compiled way against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rushlight.runtime import alignments
from rushlight.runtime.direct import kernel
from rushlight.runtime.programs import compiles

pytestmark = pytest.mark.skipif(not compiles(), reason="there is no compiler here")


@pytest.mark.parametrize("seed", range(12))
def test_compiled_recursions_are_numpys(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from rushlight.compiler.kernels.alignments import text

    rng = np.random.default_rng(seed)
    steps, batch, labels = rng.integers(0, 9), rng.integers(1, 5), rng.integers(0, 12)
    emitted = np.log(rng.random((steps, batch, 2 * labels + 1)))
    emitted[rng.random(emitted.shape) < 0.1] = -np.inf
    target_lengths = rng.integers(0, labels + 1, batch)
    input_lengths = rng.integers(0, steps + 1, batch)
    skip = rng.random(emitted.shape[1:]) < 0.5
    skip[:, :2] = False

    def run() -> list[Any]:
        with np.errstate(divide="ignore"):
            return [
                alignments.prefixes(emitted, skip, True),
                alignments.suffixes(emitted, input_lengths, target_lengths, skip, True),
            ]

    monkeypatch.setattr(alignments, "_kernel", lambda states, exact: None)
    expected = run()
    native = kernel(text())
    monkeypatch.setattr(alignments, "_kernel", lambda states, exact: native)
    for actual, wanted in zip(run(), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-13, atol=1e-14)
