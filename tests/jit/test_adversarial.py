"""Programs that try to make a compiled function silently wrong: each gives what it gives eagerly, or a clear error.

A program is a function of ``C``, which compiles a function (or leaves it as it is), and gives everything that can be seen of
its run. Recorded and replayed functions run all of them; a static one may refuse with ``compile(...)`` and the reason.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import rushlight as torch

from . import (
    programs_with_histories,
    programs_with_numpy_arrays,
    programs_with_ordinary_code,
    programs_with_own_functions,
    programs_with_python_objects,
    programs_with_python_state,
    programs_with_results,
    programs_with_roundabout_state,
    programs_with_shared_memory,
)

PROGRAMS = {
    **programs_with_python_state.PROGRAMS,
    **programs_with_python_objects.PROGRAMS,
    **programs_with_shared_memory.PROGRAMS,
    **programs_with_ordinary_code.PROGRAMS,
    **programs_with_numpy_arrays.PROGRAMS,
    **programs_with_roundabout_state.PROGRAMS,
    **programs_with_results.PROGRAMS,
    **programs_with_own_functions.PROGRAMS,
    **programs_with_histories.PROGRAMS,
}
MODES = {"recorded": {"options": {"replay": False}}, "replayed": {}, "static": {"fullgraph": True}}


def seed() -> None:
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)


def same(own: Any, expected: Any) -> None:
    if isinstance(expected, torch.Tensor):
        assert isinstance(own, torch.Tensor)
        torch.testing.assert_close(own, expected, rtol=1e-4, atol=1e-5, equal_nan=True)
    elif isinstance(expected, list | tuple):
        assert isinstance(own, list | tuple) and len(own) == len(expected)
        for a, b in zip(own, expected, strict=True):
            same(a, b)
    elif isinstance(expected, dict):
        assert list(own) == list(expected)
        same(list(own.values()), list(expected.values()))
    else:
        assert type(own) is type(expected)
        assert own == pytest.approx(expected) if isinstance(expected, float) else own == expected


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_silently_wrong(name: str, mode: str) -> None:
    from rushlight.runtime.programs import compiles

    if not compiles() and mode == "replayed":
        pytest.skip("there is no compiler here: the recorded mode runs")
    seed()
    expected = PROGRAMS[name](lambda function: function)
    seed()
    try:
        found = PROGRAMS[name](lambda function: torch.compile(function, **MODES[mode]))
    except (RuntimeError, TypeError) as error:
        if mode != "static":
            raise
        assert "compile(" in str(error)
    else:
        same(found, expected)
