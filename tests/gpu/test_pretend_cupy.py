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


def test_what_its_libraries_refuse(pretended: Any) -> None:
    import cupyx
    import cupyx.scipy.linalg
    import cupyx.scipy.special

    a = pretended.asarray(np.eye(3, dtype=np.float32))
    half = a.astype(np.float16)
    stack = pretended.asarray(np.ones((2, 3, 3), np.float32))
    row = pretended.asarray(np.array([3, 1, 2]))
    for refused in (
        lambda: pretended.linalg.inv(half),
        lambda: pretended.linalg.solve(stack, a),  # leading dimensions are not broadcast
        lambda: pretended.linalg.solve(a, a, overwrite_a=True),
        lambda: pretended.fft.rfft(half),
        lambda: pretended.fft.fft(a, out=a),
        lambda: pretended.searchsorted(a, row),
        lambda: pretended.searchsorted(row, a),
        lambda: pretended.bincount(a.reshape(-1)),
        lambda: pretended.repeat(row, row),
        lambda: pretended.floor_divide(a + 1j, a),
        lambda: pretended.left_shift(a, a),
        lambda: pretended.lexsort(a > 0),
        lambda: cupyx.scipy.linalg.lu_factor(stack),
        lambda: cupyx.scipy.special.gammaln(a + 1j),
        lambda: row.astype(np.int64).scatter_add(([0],), row),
        lambda: row.scatter_max((row - 1,), row),
    ):
        with pytest.raises((TypeError, ValueError, np.linalg.LinAlgError)):
            refused()
    # What a solver finds wrong is an error only for those who ask.
    singular = pretended.zeros((2, 2))
    assert np.isnan(pretended.linalg.inv(singular).get()).all()
    with cupyx.errstate(linalg="raise"), pytest.raises(np.linalg.LinAlgError):
        pretended.linalg.inv(singular)


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
import cupy_ufuncs
import cupyx.scipy.special
for module, table in ((cupy, cupy_ufuncs.CUPY), (cupyx.scipy.special, cupy_ufuncs.SPECIAL)):
    lacking += [n + ": other loops" for n, loops in table.items() if tuple(getattr(module, n).types) != loops]
for mine, theirs in ((pretend_cupy.linalg, cupy.linalg), (pretend_cupy.fft, cupy.fft)):
    for name, function in vars(mine).items():
        if name.startswith("_") or isinstance(function, type):
            continue
        real = getattr(theirs, name, None)
        if real is None:
            lacking.append(theirs.__name__ + "." + name)
        elif mine is pretend_cupy.linalg:
            extra = set(inspect.signature(function).parameters) - set(inspect.signature(real).parameters)
            lacking += [name + "(" + p + "=)" for p in extra]
for name in ("sort", "argsort", "lexsort", "searchsorted", "bincount", "repeat"):
    extra = set(inspect.signature(getattr(pretend_cupy, name)).parameters)
    lacking += [name + "(" + p + "=)" for p in extra - set(inspect.signature(getattr(cupy, name)).parameters)]
sys.exit(", ".join(lacking) or 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stderr[-2000:]


def test_signatures_are_readable(pretended: Any) -> None:
    assert pretended.sum.parameters == ["a", "axis", "dtype", "out", "keepdims"]
    assert list(inspect.signature(pretended.zeros).parameters) == ["shape", "dtype", "order"]
