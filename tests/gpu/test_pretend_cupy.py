"""The stand-in has nothing that the real CuPy lacks, and refuses what that refuses."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def test_what_it_refuses(pretended: Any) -> None:
    a = pretended.asarray(np.arange(6.0).reshape(2, 3))
    for refused in (
        lambda: np.asarray(a),
        lambda: np.add.reduce(a),
        lambda: np.add(a, np.ones(3)),
        lambda: a + np.ones((2, 3)),
        lambda: np.lib.stride_tricks.as_strided(a, (2,), (8,)),
        lambda: np.zeros_like(a, subok=False),
        lambda: a.astype(np.float32, casting="unsafe"),
        lambda: np.polyval(a, 2.0),
        lambda: pretended.concatenate([a, np.ones((2, 3))]),
    ):
        with pytest.raises(TypeError):
            refused()
    with pytest.raises(ValueError, match="non-scalar"):
        a[...] = np.ones((2, 3))
    with pytest.raises(AttributeError):
        a.setflags  # noqa: B018
    with pytest.raises(AttributeError):
        pretended.vecdot  # noqa: B018


def test_what_it_gives(pretended: Any) -> None:
    a = pretended.asarray(np.arange(6.0).reshape(2, 3))
    assert type(a.sum()) is type(a[0, 0]) is type(np.exp(a)) is pretended.ndarray  # never a number
    part = a.T[1:]
    part[...] = 0
    assert a.get().tolist() == [[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]] and part.base is a


def test_the_real_one_has_all_of_it() -> None:
    """In a process of its own: the real package stands under the same name."""
    program = f"""
import sys, inspect
try:
    import cupy
except ImportError as error:
    print(f"CuPy can't be imported: {{error}}")
    sys.exit(77)
sys.path.insert(0, {str(Path(__file__).parent)!r})
import pretend_cupy
lacking = [n for n in vars(pretend_cupy.ndarray) if not n.startswith("_") and n != "base" and not hasattr(cupy.ndarray, n)]
for name in pretend_cupy.FORWARDED:
    real = getattr(cupy, name, None)
    if real is None:
        lacking.append(name)
        continue
    mine = [p for p in getattr(pretend_cupy, name).parameters if p != "*" and not p.startswith("*")]
    try:
        theirs = list(inspect.signature(real).parameters)
    except (TypeError, ValueError):
        continue
    lacking += [f"{{name}}({{p}}=)" for p in mine if p not in theirs]
lacking += [n for n in pretend_cupy._UFUNCS if not hasattr(cupy, n)]
sys.exit(", ".join(lacking))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stderr[-2000:]


def test_signatures_are_readable(pretended: Any) -> None:
    assert pretended.sum.parameters == ["a", "axis", "dtype", "out", "keepdims"]
    assert list(inspect.signature(pretended.zeros).parameters) == ["shape", "dtype", "order"]
